//! docs/troubleshooting.md: whatever it quotes is really said.

use crate::support;

use std::path::Path;

use emr_studio_sync::emulator::{AuthMode, Fault, FaultKind, IdentityType, World};
use serde_json::{Value, json};
use support::desk::Desk;
use support::{ANALYTICS, ENGINEER, FOREIGN, SCIENCE, table, world};

const PAGE: &str = include_str!("../../docs/troubleshooting.md");

/// The part of the page under a head.
fn section(head: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("\n## {head}\n")).expect(head);
    rest.split("\n## ").next().unwrap()
}

/// What stands first in each row of a section's tables.
fn quotes(head: &str) -> Vec<&'static str> {
    let lines = section(head).lines();
    let quotes = lines.filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let quotes = quotes.map(|(quote, _)| quote);
    quotes
        .filter(|quote| !quote.starts_with("explain "))
        .collect()
}

/// What is printed in a section as the tool's own.
fn lines_shown(head: &str) -> Vec<&'static str> {
    let blocks = section(head).split("```console\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    let lines = blocks.flat_map(str::lines);
    lines.filter(|line| !line.starts_with("$ ")).collect()
}

/// All that the tool says of a world by a table.
async fn said(mut world: World, table: Value, arguments: &[&str]) -> String {
    // Whoever asks often is not throttled here.
    world.faults.rate_limits = Default::default();
    let desk = Desk::new(world).await;
    desk.write("policy.json", &table.to_string());
    let said = desk.run(arguments).await;
    format!("{}\n{}", said.out, said.err)
}

/// The usual world and table, changed.
async fn of(
    happens: impl FnOnce(&mut World),
    change: impl FnOnce(&mut Value),
    arguments: &[&str],
) -> String {
    let mut world = world();
    happens(&mut world);
    said(world, table(change), arguments).await
}

/// Somebody is mapped to the analytics Studio.
fn mapped<'w>(who: &'w [&str], policy: &'w str) -> impl FnOnce(&mut World) + 'w {
    move |world| {
        for user in who {
            world
                .map(ANALYTICS, IdentityType::User, user, policy)
                .unwrap();
        }
    }
}

fn misspelt(table: &mut Value) {
    table["rules"][0]["group"] = json!("data-enginers");
}

/// All that the others have is to go.
fn only_alice(table: &mut Value) {
    table["rules"] =
        json!([{ "user": "alice", "studio": "analytics", "session_policy": "engineer" }]);
}

/// Each quote is said in some case, and each case says one of them.
fn agree(quotes: &[&str], cases: &[String]) {
    assert!(!quotes.is_empty());
    for quote in quotes {
        let said = cases.iter().any(|case| case.contains(quote));
        assert!(said, "nobody says {quote:?}: {cases:#?}");
    }
    for case in cases {
        let quoted = quotes.iter().any(|quote| case.contains(quote));
        assert!(quoted, "nothing of this is quoted: {case}");
    }
}

#[tokio::test]
async fn who_has_no_studio_or_still_has_one_is_explained_in_the_words_quoted() {
    let ask = |user| ["explain", "--user", user, "--studio", "analytics"];
    let nobody = || |_: &mut World| ();
    let full = |world: &mut World| world.studios.get_mut(ANALYTICS).unwrap().user_limit = 1;
    let one = |table: &mut Value| table["studios"]["analytics"]["limits"] = json!({ "users": 1 });
    let protects = |table: &mut Value| table["protect"] = json!([{ "user": "dave" }]);
    let by_hand = mapped(&["alice"], FOREIGN);
    let cases = [
        of(nobody(), |_| (), &ask("alice@example.com")).await,
        of(nobody(), |_| (), &ask("dave")).await,
        of(nobody(), |_| (), &ask("alice")).await,
        of(full, one, &ask("carol")).await,
        of(by_hand, |_| (), &ask("alice")).await,
        of(mapped(&["alice"], ENGINEER), |_| (), &ask("alice")).await,
    ];
    let out = [
        of(nobody(), |_| (), &ask("dave")).await,
        of(mapped(&["dave"], ENGINEER), misspelt, &ask("dave")).await,
        of(
            mapped(&["carol", "dave", "ops"], ENGINEER),
            only_alice,
            &ask("dave"),
        )
        .await,
        of(mapped(&["dave"], ENGINEER), protects, &ask("dave")).await,
        of(mapped(&["dave"], FOREIGN), |_| (), &ask("dave")).await,
    ];
    agree(
        &quotes("Somebody should have a Studio, and has none"),
        &[&cases[..], &out[1..2]].concat(),
    );
    agree(&quotes("Somebody should be out, and still gets in"), &out);
}

#[tokio::test]
async fn what_waits_or_is_refused_is_told_by_a_plan_in_the_words_quoted() {
    let plan = ["plan", "--studio", "analytics"];
    let science = ["plan", "--studio", "science"];
    let ails = |fault| move |world: &mut World| world.faults.add(fault);
    let nobody = || |_: &mut World| ();
    let no_key = FaultKind::Key {
        exception: "AccessDeniedException".to_owned(),
        reason: "KMS_ACCESS_DENIED".to_owned(),
        resource_type: None,
    };
    let members = |kind| Fault::on("ListGroupMemberships", kind);
    let full = |world: &mut World| world.studios.get_mut(ANALYTICS).unwrap().user_limit = 1;
    let cases = [
        of(mapped(&["dave"], ENGINEER), misspelt, &plan).await,
        of(
            nobody(),
            |table| table["rules"][3]["user"] = json!("opps"),
            &science,
        )
        .await,
        of(
            mapped(&["dave"], ENGINEER),
            |table| table["protect"] = json!([{ "user": "break-glass" }]),
            &plan,
        )
        .await,
        of(
            mapped(&["carol", "dave", "ops"], ENGINEER),
            only_alice,
            &plan,
        )
        .await,
        of(
            full,
            |table| table["studios"]["analytics"]["limits"] = json!({ "users": 1 }),
            &plan,
        )
        .await,
        of(mapped(&["alice"], FOREIGN), |_| (), &plan).await,
        of(
            |world| world.studios.get_mut(SCIENCE).unwrap().auth_mode = AuthMode::Iam,
            |_| (),
            &science,
        )
        .await,
        of(
            |world| drop(world.studios.remove(SCIENCE)),
            |_| (),
            &science,
        )
        .await,
        of(ails(members(FaultKind::AccessDenied)), |_| (), &plan).await,
        of(ails(members(no_key)), |_| (), &plan).await,
        of(
            |world| {
                mapped(&["dave"], ENGINEER)(world);
                let id = world.user_id("dave").unwrap();
                world.settings.rows_without_id.insert(id);
            },
            |_| (),
            &plan,
        )
        .await,
        of(
            ails(Fault::on(
                "ListStudioSessionMappings",
                FaultKind::ServerError,
            )),
            |_| (),
            &plan,
        )
        .await,
    ];
    agree(&quotes("A plan waits, or something is refused"), &cases);
    let live = of(nobody(), misspelt, &["check", "--live"]).await;
    agree(
        &lines_shown("A plan waits, or something is refused"),
        &[live],
    );
}

#[tokio::test]
async fn what_keeps_the_function_from_starting_is_told_in_the_words_quoted() {
    let head = "The function does not start";
    let check = ["check"];
    let nobody = |_: &mut World| ();
    let wrong = |table: &mut Value| table["rules"][1]["studio"] = json!("analytcs");
    agree(&lines_shown(head), &[of(nobody, wrong, &check).await]);

    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/policy/policy.toml");
    let cases = [
        of(nobody, |_| (), &["check", file]).await,
        of(
            nobody,
            |table| {
                table["rules"][0]["sesion_policy"] = table["rules"][0]["session_policy"].take();
            },
            &check,
        )
        .await,
    ];
    let mut quotes = quotes(head);
    // Only where Lambda's variables are counted.
    assert!(in_the_sources(quotes.pop().unwrap()));
    agree(&quotes, &cases);
}

#[tokio::test]
async fn why_no_event_arrives_is_told_by_doctor_in_the_words_quoted() {
    let healthy = || {
        let directory = include_str!("../../events/directory.toml");
        World::from_toml(directory).unwrap().world
    };
    let ailing = |ail: fn(&mut World)| {
        let mut world = healthy();
        ail(&mut world);
        said(world, table(|_| ()), &["doctor"])
    };
    let cases = [
        ailing(|world| world.deployment.trails.clear()).await,
        ailing(|world| world.deployment.trails[0].logging = false).await,
        ailing(|world| world.deployment.rules.clear()).await,
        ailing(|world| {
            let rules = world.deployment.rules.iter_mut();
            rules.for_each(|rule| rule.enabled = false);
        })
        .await,
        ailing(|world| world.deployment.functions[0].full_pass_minutes_ago = None).await,
    ];
    agree(&quotes("Changes come only once an hour"), &cases);
}

/// Whether the function's sources have a text in one piece, line breaks or not.
fn in_the_sources(text: &str) -> bool {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(path).unwrap().replace('\\', " ");
            let words: Vec<&str> = source.split_whitespace().collect();
            if words.join(" ").contains(text) {
                return true;
            }
        }
    }
    false
}

#[test]
fn what_the_log_is_said_to_have_the_function_writes() {
    let quotes = quotes("An alarm is on");
    assert_eq!(quotes.len(), 3);
    let started = "the configuration is wrong; nothing was started";
    assert!(section("The function does not start").contains(started));
    for quote in quotes.into_iter().chain([started]) {
        assert!(in_the_sources(quote), "{quote}");
    }
}

#[test]
fn every_alarm_of_the_template_has_a_row_that_says_what_to_do() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let template = read("template.yaml");
    let lines: Vec<&str> = template.lines().collect();
    let alarms: Vec<&str> = lines
        .windows(2)
        .filter(|pair| pair[1].trim() == "Type: AWS::CloudWatch::Alarm")
        .map(|pair| pair[0].trim().trim_end_matches(':'))
        .collect();
    assert!(alarms.len() >= 11, "{alarms:?}");
    let operations = read("docs/operations.md");
    for alarm in alarms {
        assert!(operations.contains(&format!("| `{alarm}` |")), "{alarm}");
    }
}
