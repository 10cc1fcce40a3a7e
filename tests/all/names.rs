//! Names are data: written to files as they are, and to people so that none looks
//! like another, or like something that the tool says.

use crate::support;

use std::collections::BTreeSet;

use emr_studio_sync::emulator::{IdentityType, World};
use emr_studio_sync::visible;
use serde_json::{Value, json};
use support::desk::{Desk, Said, said};
use support::{ANALYST, ANALYTICS, ENGINEER, STORE, table};

use crate::remote::deployed;

/// What colours, breaks lines, turns the direction, or cannot be seen.
const MARKS: [&str; 11] = [
    "\u{1b}[31m",
    "\n",
    "\r",
    "\u{9b}31m",
    "\u{202e}",
    "\u{200b}",
    "\u{feff}",
    "\u{2066}",
    "\u{ad}",
    "\u{3164}",
    "\u{a0}",
];

/// Names that would look like one, and one that looks like what is shown of another.
fn twins() -> BTreeSet<String> {
    let marked = MARKS.map(|mark| format!("al{mark}ice"));
    let others = ["alice", "alice ", r"al\u{200b}ice"].map(str::to_owned);
    marked.into_iter().chain(others).collect()
}

fn hostile(name: &str) -> String {
    format!("{name}{}\nerror: forged", MARKS.concat())
}

fn hostile_table() -> Value {
    let alias = hostile("engineer");
    table(|table| {
        *table = json!({
            "studios": { hostile("analytics"): { "id": ANALYTICS } },
            "session_policies": { &alias: ENGINEER },
            "rules": [
                {
                    "group": hostile("team"), "studio": ANALYTICS, "session_policy": alias,
                    "assign": "members",
                },
                {
                    "group": hostile("absent"), "studio": ANALYTICS, "session_policy": alias,
                    "assign": "members",
                },
            ],
            "on_missing_group": "revoke",
            "pace": table["pace"],
        });
    })
}

fn hostile_world() -> World {
    let mut world = World::default();
    world.add_studio(ANALYTICS).unwrap();
    world.studios.get_mut(ANALYTICS).unwrap().name = hostile("Analytics");
    world.add_group(&hostile("team")).unwrap();
    for name in twins() {
        world.add_user(&name).unwrap();
        world.add_member(&hostile("team"), &name).unwrap();
    }
    world.add_user(&hostile("zoe")).unwrap();
    let zoe = hostile("zoe");
    world
        .map(ANALYTICS, IdentityType::User, &zoe, ANALYST)
        .unwrap();
    world
}

async fn desk(mode: &str) -> Desk {
    let table = hostile_table();
    let desk = Desk::new(deployed(hostile_world(), mode, &table)).await;
    desk.write("policy.json", &table.to_string());
    desk
}

/// What was printed, byte by byte.
async fn exactly(desk: &Desk, arguments: &[&str]) -> String {
    let mut tool = desk.tool(arguments);
    tool.env("POLICY_TABLE", "policy.json")
        .env("IDENTITY_STORE_ID", STORE);
    let output = tokio::task::spawn_blocking(move || tool.output().unwrap());
    String::from_utf8(output.await.unwrap().stdout).unwrap()
}

/// Nothing that cannot be seen, and no line that a name has made.
fn can_be_seen(command: &str, text: &str) {
    let raw = text
        .lines()
        .find(|line| line.contains(visible::is_invisible));
    assert_eq!(raw, None, "{command}");
    let forged = text.lines().find(|line| line.starts_with("error: forged"));
    assert_eq!(forged, None, "{command}");
}

/// The twins that a column or a sentence shows.
fn shown(text: &str) -> BTreeSet<String> {
    let all = twins().into_iter();
    all.filter(|name| {
        let name = visible::name(name);
        let mut lines = text.lines();
        lines.any(|line| {
            line.split([' ', '"', '│', '<', '>'])
                .any(|word| word == name)
        })
    })
    .collect()
}

async fn to_people(desk: &Desk, arguments: &[&str]) -> Said {
    let said = desk.run(arguments).await;
    let command = arguments.join(" ");
    can_be_seen(&command, &said.out);
    can_be_seen(&command, &said.err);
    assert!(!said.err.contains("panicked"), "{command}: {}", said.err);
    said
}

#[tokio::test]
async fn no_name_looks_like_another_or_like_the_tool_in_any_command() {
    let desk = desk("apply").await;
    let whom = hostile("nobody");
    let policy = hostile("engineer");
    let planned = to_people(&desk, &["plan", "--detailed"]).await;
    assert_eq!(shown(&planned.out), twins(), "{}", planned.out);
    assert!(planned.out.contains("absent"), "{}", planned.out);
    let remote = ["--stack", "studio-sync"];
    let with = |order: &[&'static str]| [order, &remote[..]].concat();
    let planned = to_people(&desk, &with(&["remote", "plan"])).await;
    assert_eq!(shown(&planned.out), twins(), "{}", planned.out);
    to_people(&desk, &with(&["remote", "status"])).await;
    let made = to_people(&desk, &with(&["remote", "reconcile", "--yes"])).await;
    assert!(made.out.contains("14 created"), "{} {}", made.out, made.err);
    let history = to_people(&desk, &with(&["history"])).await;
    assert_eq!(shown(&history.out), twins(), "{}", history.out);
    let past = with(&["history", "--at", "0m"]);
    to_people(&desk, &past).await;
    to_people(&desk, &["apply", "--yes"]).await;
    for listing in ["report", "mapping list"] {
        let words: Vec<&str> = listing.split(' ').collect();
        let said = to_people(&desk, &words).await;
        assert_eq!(shown(&said.out), twins(), "{}", said.out);
    }
    let page = exactly(&desk, &["report", "--output", "html"]).await;
    can_be_seen("report --output html", &page);
    assert_eq!(shown(&page), twins(), "{page}");
    for name in twins().iter().chain([&whom]) {
        let explain = ["explain", "--user", name];
        let said = to_people(&desk, &explain).await;
        assert!(said.out.is_empty() || shown(&said.out).contains(name));
        to_people(
            &desk,
            &["remote", "explain", "--user", name, remote[0], remote[1]],
        )
        .await;
        for call in ["get", "create", "update", "delete"] {
            let mut arguments = vec!["mapping", call, "--studio", ANALYTICS, "--user", name];
            match call {
                "get" => {}
                "delete" => arguments.push("--yes"),
                _ => arguments.extend(["--session-policy", &policy]),
            }
            let said = to_people(&desk, &arguments).await;
            let all = said.out + &said.err;
            assert!(all.contains(&visible::name(name)), "{all}");
        }
    }
    to_people(&desk, &["history", "--user", &whom, remote[0], remote[1]]).await;
    to_people(&desk, &["plan", "--studio", &whom]).await;
    to_people(&desk, &["-vvv", "plan"]).await;
    to_people(&desk, &["doctor"]).await;
    to_people(&desk, &["check", "--live", "policy.json"]).await;
    let exported = exactly(&desk, &["export"]).await;
    desk.write("now.toml", &exported);
    let simulate = [
        "simulate",
        "--table",
        "policy.json",
        "--directory",
        "now.toml",
    ];
    let simulated = to_people(&desk, &simulate).await;
    assert_eq!(shown(&simulated.out), twins(), "{}", simulated.out);
    to_people(&desk, &["adopt"]).await;
}

#[tokio::test]
async fn a_table_that_is_wrong_is_drawn_so_that_all_of_it_can_be_seen() {
    let desk = desk("apply").await;
    let mark = "\u{202e}\u{200b}";
    desk.write(
        "wrong.toml",
        &format!(
            "[studios.\"a{mark}\\u001B\"]\nid = \"x{mark}\"\n\n[session_policies]\n\n\
             [[rules]]\ngroup = \"{mark}team\"\nstudio = \"b{mark}\"\nsession_policy = \"c\"\n"
        ),
    );
    let said = to_people(&desk, &["check", "wrong.toml"]).await;
    for seen in [
        r#"id = "x\u{202e}\u{200b}""#,
        r#"studio = "b\u{202e}\u{200b}""#,
    ] {
        assert!(said.err.contains(seen), "{}", said.err);
        // What is marked is still below it.
        let lines: Vec<&str> = said.err.lines().collect();
        let at = lines.iter().position(|line| line.contains(seen)).unwrap();
        let value = lines[at].rfind(r#" ""#).unwrap() + 1;
        let under = lines[at + 1];
        assert_eq!(under.find('^'), Some(value), "{}", said.err);
        assert_eq!(
            under.rfind('^').unwrap() + 1,
            lines[at].len(),
            "{}",
            said.err
        );
    }
    let said = to_people(&desk, &["plan", "--table", "wrong.toml"]).await;
    assert!(
        said.err.contains(r"studios.a\u{202e}\u{200b}\u{1b}"),
        "{}",
        said.err
    );
}

/// The values of a column.
fn column(csv: &str, name: &str) -> BTreeSet<String> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let names = reader.headers().unwrap().clone();
    let place = names.iter().position(|column| column == name).unwrap();
    let rows = reader.records().map(|row| row.unwrap()[place].to_owned());
    rows.filter(|name| !name.is_empty()).collect()
}

/// The values of a field of the rows in a list.
fn field(json: &str, list: Option<&str>, name: &str) -> BTreeSet<String> {
    let all: Value = serde_json::from_str(json).unwrap();
    let rows = list.map_or(&all, |list| &all[list]).as_array().unwrap();
    let values = rows.iter().filter_map(|row| row[name].as_str());
    values.map(str::to_owned).collect()
}

#[tokio::test]
async fn json_csv_and_toml_have_every_name_as_it_is() {
    let desk = desk("apply").await;
    let all = twins();
    let with_zoe: BTreeSet<String> = all.iter().cloned().chain([hostile("zoe")]).collect();
    let studio = BTreeSet::from([hostile("analytics")]);
    let remote = ["--stack", "studio-sync"];
    for plan in [&["plan"][..], &["remote", "plan", remote[0], remote[1]]] {
        let json = exactly(&desk, &[plan, &["--output", "json"]].concat()).await;
        assert_eq!(field(&json, Some("changes"), "identity_name"), all);
        assert_eq!(field(&json, Some("changes"), "studio"), studio);
        let csv = exactly(&desk, &[plan, &["--output", "csv"]].concat()).await;
        assert_eq!(column(&csv, "identity_name"), all);
        assert_eq!(column(&csv, "studio"), studio);
    }
    let reconcile = ["remote", "reconcile", "--yes", remote[0], remote[1]];
    exactly(&desk, &reconcile).await;
    for (command, list, name, names) in [
        ("report", Some("rows"), "user_name", &with_zoe),
        ("mapping list", None, "identity_name", &with_zoe),
        (
            "history --stack studio-sync",
            Some("changes"),
            "identity_name",
            &all,
        ),
        (
            "history --stack studio-sync --at 0m",
            Some("mappings"),
            "identity_name",
            &with_zoe,
        ),
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let json = exactly(&desk, &[&words[..], &["--output", "json"]].concat()).await;
        assert_eq!(&field(&json, list, name), names, "{command}");
        let csv = exactly(&desk, &[&words[..], &["--output", "csv"]].concat()).await;
        assert_eq!(&column(&csv, name), names, "{command}");
        assert_eq!(column(&csv, "studio"), studio, "{command}");
    }
    let groups = exactly(&desk, &["report", "--output", "csv"]).await;
    assert_eq!(column(&groups, "via_group_name"), [hostile("team")].into());
    let name = r"al\u{200b}ice";
    let one = [
        "mapping", "get", "--studio", ANALYTICS, "--user", name, "--output", "json",
    ];
    let one: Value = serde_json::from_str(&exactly(&desk, &one).await).unwrap();
    assert_eq!(
        (&one["identity_name"], &one["studio"]),
        (&json!(name), &json!(hostile("analytics")))
    );

    let exported = exactly(&desk, &["export"]).await;
    let file: toml::Table = toml::from_str(&exported).unwrap();
    let users = file["users"].as_array().unwrap().iter();
    let users: BTreeSet<String> = users
        .map(|user| user["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(users, with_zoe);
    desk.write("now.toml", &exported);
    let simulate = [
        "simulate",
        "--table",
        "policy.json",
        "--directory",
        "now.toml",
        "--json",
    ];
    let simulated = exactly(&desk, &simulate).await;
    assert_eq!(field(&simulated, Some("access"), "name"), with_zoe);

    desk.emulator
        .world()
        .mappings
        .retain(|(_, _, id), _| id.ends_with('3'));
    let adopted = exactly(&desk, &["adopt"]).await;
    let file: toml::Table = toml::from_str(&adopted).unwrap();
    for rule in file["rules"].as_array().unwrap() {
        assert!(with_zoe.contains(rule["user"].as_str().unwrap()), "{rule}");
    }
}

#[tokio::test]
async fn addresses_of_the_usual_length_stand_in_columns() {
    let mut world = hostile_world();
    for name in ["ben@example.com", "wilhelmina.featherstone@example.com"] {
        world.add_user(name).unwrap();
        world.add_member(&hostile("team"), name).unwrap();
    }
    let desk = Desk::new(world).await;
    desk.write("policy.json", &hostile_table().to_string());
    let planned = desk.run(&["plan"]).await.out;
    let places = |needle: &str| -> BTreeSet<Option<usize>> {
        let lines = planned.lines().filter(|line| line.contains("@example.com"));
        lines.map(|line| line.find(needle)).collect()
    };
    assert_eq!(places("engineer").len(), 1, "{planned}");
    assert_eq!(places("(rules[0]").len(), 1, "{planned}");
    let said = said(desk.tool(&["mapping", "list"])).await;
    can_be_seen("mapping list", &said.out);
}

#[tokio::test]
async fn an_error_is_one_line_whatever_it_quotes() {
    let odd = "x\nerror: forged\u{1b}[31m";
    let desk = desk("apply").await;
    let file = "new\nerror: forged.json";
    desk.write(file, "{\"studios\": 1, \"rules\": \"\\n\"}");
    let stack = ["--stack", "studio-sync"];
    let profile = "[profile odd]\ncredential_process = sh helper.sh\nregion = us-east-1\n";
    desk.write(
        "helper.sh",
        "printf 'no\\033[31m\\rerror: forged' >&2; exit 1",
    );
    desk.write("profile", profile);
    for arguments in [
        &["apply", "--yes", "--approve", odd][..],
        &["plan", "--expect-account", odd],
        &["plan", "--region", odd],
        &["plan", "--profile", odd],
        &["plan", "--profile", "odd"],
        &["plan", "--table", odd],
        &["plan", "--table", file],
        &["plan", "--studio", odd],
        &["plan", "--out", "no\n/such"],
        &["plan", "--output", odd],
        &["plan", odd],
        &["diff", odd, file],
        &["simulate", odd],
        &["report", "--identity-store-id", odd],
        &["export", "--with", odd],
        &["remote", "status", "--stack", odd],
        &["remote", "approve", odd, "--yes", stack[0], stack[1]],
        &["history", "--stack", odd],
        &["history", "--function", odd],
        &["mapping", "list", "--studio", odd],
        &["adopt", "--studio", odd],
        &["probe", "--studio", odd, "--user", "x"],
        &["emulate", "--directory", odd],
        &["man", "/dev/null/no\n/such"],
    ] {
        let mut tool = desk.tool(arguments);
        tool.env("IDENTITY_STORE_ID", STORE)
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_CONFIG_FILE", desk.folder.path().join("profile"));
        if arguments[0] == "plan" && !arguments.contains(&"--table") {
            tool.env("POLICY_TABLE", "policy.json");
        }
        let said = said(tool).await;
        let what = format!("{arguments:?}");
        assert_eq!(said.code, 1, "{what}: {}", said.err);
        can_be_seen(&what, &said.err);
    }
}

/// Each refusal quotes what it refuses, and all in one way.
#[tokio::test]
async fn what_is_quoted_is_shown_in_one_way_whoever_quotes_it() {
    let odd = "CORP\\da\u{a0}ta \u{200b}\"x\" ";
    let quoted = r#""CORP\da\u{a0}ta \u{200b}\u{22}x\u{22}\u{20}""#;
    assert_eq!(visible::quoted(odd), quoted);
    let mut start = hostile_world();
    start.add_group(odd).unwrap();
    let desk = Desk::new(deployed(start, "apply", &table(|_| ()))).await;

    let whom = ["--studio", ANALYTICS, "--user", "alice"];
    for arguments in [
        &["explain", "--user-id", odd][..],
        &["plan", "--identity-store-id", odd],
        &["plan", "--studio", odd],
        &["mapping", "get", "--studio", odd, "--user", "alice"],
        &[&["mapping", "create", "--session-policy", odd], &whom[..]].concat(),
        &["remote", "status", "--function", odd],
        &["probe", "--studio", odd, "--user", "alice", "--yes"],
    ] {
        let mut tool = desk.tool(arguments);
        tool.env("IDENTITY_STORE_ID", STORE);
        if ["explain", "plan"].contains(&arguments[0]) {
            tool.env("POLICY_TABLE", "policy.json");
        }
        let said = said(tool).await;
        assert!(said.err.contains(quoted), "{arguments:?}: {}", said.err);
    }

    for (place, arguments) in [
        ("/studios/analytics/id", &["check", "new.json"][..]),
        ("/studios/analytics/role_arn", &["check", "new.json"]),
        ("/studios/analytics/region", &["check", "new.json"]),
        ("/session_policies/engineer", &["check", "new.json"]),
        ("/rules/0/studio", &["check", "new.json"]),
        ("/rules/0/session_policy", &["check", "new.json"]),
        ("/rules/0/group_id", &["check", "new.json"]),
        ("/ownership", &["check", "new.json"]),
        ("/rules/0/group like", &["check", "--live", "new.json"]),
    ] {
        let new = table(|table| {
            let (path, value) = match place.strip_suffix(" like") {
                Some(path) => (path, odd.to_uppercase()),
                None => (place, odd.to_owned()),
            };
            let (object, field) = path.rsplit_once('/').unwrap();
            let object = match object {
                "" => table,
                _ => table.pointer_mut(object).unwrap(),
            };
            if field == "group_id" {
                object.as_object_mut().unwrap().remove("group");
            }
            object[field] = value.into();
        });
        desk.write("new.json", &new.to_string());
        let said = desk.run(arguments).await;
        let told = format!("{}\n{}", said.out, said.err);
        assert!(told.contains(quoted), "{place}: {told}");
    }
    let twice = json!(odd);
    desk.write("new.json", &format!("{{{twice}: 1, {twice}: 2}}"));
    let said = desk.run(&["check", "new.json"]).await;
    let told = format!("{quoted} stands here twice");
    assert!(said.err.contains(&told), "{}", said.err);
}
