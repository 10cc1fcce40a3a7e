//! `diff`: what a changed table means, without AWS: by what the tables say, and for
//! the people of an exported directory.

use crate::support;

use emr_studio_sync::emulator::IdentityType;
use serde_json::{Value, json};
use support::desk::{Desk, Said};
use support::{ANALYST, ANALYTICS, ENGINEER, FOREIGN, SCIENCE, table, world};

/// A desk with the usual table, a changed one, and an export by both.
async fn desk(world: emr_studio_sync::emulator::World, change: impl FnOnce(&mut Value)) -> Desk {
    let desk = Desk::new(world).await;
    desk.write("old.json", &table(|_| ()).to_string());
    desk.write("new.json", &table(change).to_string());
    let export = desk
        .run(&["export", "--table", "new.json", "--with", "old.json"])
        .await;
    assert_eq!(export.code, 0, "{}", export.err);
    desk.write("now.toml", &export.out);
    desk.calls();
    desk
}

async fn diff(desk: &Desk, more: &[&str]) -> Said {
    let said = desk
        .run(&[&["diff", "old.json", "new.json"], more].concat())
        .await;
    assert_eq!(desk.calls(), [] as [String; 0], "no credentials are needed");
    said
}

const BY_DIRECTORY: [&str; 2] = ["--directory", "now.toml"];

#[tokio::test]
async fn who_gains_loses_or_changes_what_is_told_by_studio_and_rule() {
    let desk = desk(world(), |table| {
        // Analysts become engineers, engineers go, and dave comes.
        table["rules"][0]["group"] = json!("data-analysts");
        table["rules"][1] =
            json!({ "user": "dave", "studio": "analytics", "session_policy": "analyst" });
        // As members it is the same people with the same policy.
        table["rules"][2]["assign"] = json!("members");
    })
    .await;
    let said = diff(&desk, &BY_DIRECTORY).await;
    assert_eq!((said.code, said.err.as_str()), (2, ""));
    insta::assert_snapshot!(said.out, @r#"
    analytics (es-ABCDEFGHIJKLMNOPQRSTUVWXY)
      - alice  engineer             (no rule wants it)
      - bob    engineer             (no rule wants it)
      ~ carol  analyst -> engineer  (rules[0], through data-analysts)
      + dave   analyst              (rules[1])
    1 gains, 2 lose, 1 changes; 3 as before.
    "#);

    let said = diff(&desk, &[&BY_DIRECTORY[..], &["--output", "csv"]].concat()).await;
    assert_eq!(said.code, 2);
    assert_eq!(said.out.lines().count(), 5, "{}", said.out);

    let said = diff(&desk, &[&BY_DIRECTORY[..], &["--output", "json"]].concat()).await;
    let all: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&all["version"], all["table"].as_array().unwrap().len()),
        (&json!(1), 6),
        "{all:#}"
    );
    let carol = &all["people"][2];
    assert_eq!(
        (
            &carol["change"],
            &carol["identity_name"],
            &carol["studio_id"]
        ),
        (&json!("changes"), &json!("carol"), &json!(ANALYTICS))
    );
    assert_eq!(carol["before"][0]["session_policy"], ANALYST);
    assert_eq!(carol["after"][0]["session_policy"], ENGINEER);
    assert_eq!(carol["after"][0]["rule"], 0);
    assert_eq!(carol["after"][0]["via_group_name"], "data-analysts");
}

#[tokio::test]
async fn what_makes_no_difference_for_anybody_ends_with_0_and_differs_in_the_table_alone() {
    let mut start = world();
    start.add_group("data-empty").unwrap();
    let desk = desk(start, |table| {
        table["rules"][3] = json!({ "user": "ops", "studio": SCIENCE, "session_policy": ENGINEER });
        let more = json!({ "group": "data-empty", "studio": "science", "session_policy": "analyst", "assign": "members" });
        table["rules"].as_array_mut().unwrap().push(more);
    })
    .await;
    let said = diff(&desk, &BY_DIRECTORY).await;
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "Nothing changes for anybody: 6 as before."),
        "{}",
        said.err
    );
    let said = diff(&desk, &[]).await;
    assert_eq!(said.code, 2, "{}", said.out);
    insta::assert_snapshot!(said.out, @r#"
    + rules[4]  members of group "data-empty": science, analyst
    1 difference; for whom, an exported directory says: diff --directory
    "#);
}

#[tokio::test]
async fn an_export_that_does_not_know_what_a_table_names_is_no_answer_and_the_result_says_so() {
    let desk = desk(world(), |table| {
        table["rules"][0]["group"] = json!("data-scientists");
        table["rules"][1]["group"] = json!("data-a*");
        table["protect"] = json!([{ "user": "dave" }]);
    })
    .await;
    let export = desk.run(&["export", "--table", "old.json"]).await;
    desk.write("now.toml", &export.out);
    desk.calls();
    let said = diff(&desk, &BY_DIRECTORY).await;
    assert_eq!((said.code, said.err.as_str()), (1, ""));
    insta::assert_snapshot!(said.out, @r#"
    ! new table: Studio analytics (es-ABCDEFGHIJKLMNOPQRSTUVWXY): 2 changes are withheld: protect[0]: the user it names is not there (renamed, deleted or misspelt); rules[0]: group "data-scientists" is not there (renamed, deleted or misspelt)
    ! new table: rules[0]: the directory was exported without asking for members of group "data-scientists", so what changes for them is not known; `export --table NEW --with OLD` asks for all
    ! new table: rules[1]: the directory was exported without asking for members of group "data-a*", so what changes for them is not known; `export --table NEW --with OLD` asks for all
    ! new table: protect[0]: the directory was exported without asking for user "dave", so what changes for them is not known; `export --table NEW --with OLD` asks for all
    For some it is not known. For the others nothing changes: 6 as before.
    "#);
    let said = diff(&desk, &[&BY_DIRECTORY[..], &["--output", "csv"]].concat()).await;
    assert_eq!(said.code, 1, "{}", said.err);
    let unknown: Vec<&str> = said
        .out
        .lines()
        .filter(|line| line.starts_with("unknown"))
        .collect();
    insta::assert_snapshot!(unknown.join("\n"), @r"
    unknown,analytics,es-ABCDEFGHIJKLMNOPQRSTUVWXY,GROUP,,data-scientists,,,0,
    unknown,analytics,es-ABCDEFGHIJKLMNOPQRSTUVWXY,GROUP,,data-a*,,,1,
    unknown,,,USER,,dave,,,,
    ");
    let said = diff(&desk, &[&BY_DIRECTORY[..], &["--output", "json"]].concat()).await;
    let all: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, said.err.as_str()), (1, ""));
    let pattern = &all["unknown"][1];
    assert_eq!(
        (
            &pattern["table"],
            &pattern["place"],
            &pattern["identity_name"]
        ),
        (&json!("new"), &json!("rules[1]"), &json!("data-a*"))
    );

    // Who came in with others is known, whether they were asked for or not.
    let known = |table: &mut Value| {
        table["rules"][0] =
            json!({ "user": "alice", "studio": "analytics", "session_policy": "engineer" });
    };
    desk.write("new.json", &table(known).to_string());
    let said = diff(&desk, &BY_DIRECTORY).await;
    assert_eq!(said.code, 2, "{}", said.out);

    // Nobody else is touched by it, and still it is not known.
    desk.write(
        "old.json",
        &table(|table| table["rules"] = json!([])).to_string(),
    );
    let none = |table: &mut Value| {
        table["rules"] = json!([]);
        table["protect"] = json!([{ "group": "data-x*" }]);
    };
    desk.write("new.json", &table(none).to_string());
    let said = diff(&desk, &BY_DIRECTORY).await;
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(
        !said.out.contains("Nothing changes for anybody"),
        "{}",
        said.out
    );

    // As a shell leaves it when the export has failed.
    desk.write("now.toml", "");
    let said = diff(&desk, &BY_DIRECTORY).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(
        said.err.contains("is it what `export` has written?"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn what_leads_nowhere_is_told_and_is_an_answer_if_the_directory_was_asked_for_it() {
    let stale = |table: &mut Value| table["protect"] = json!([{ "user": "gone" }]);
    let desk = desk(world(), stale).await;
    desk.write("old.json", &table(stale).to_string());
    let said = diff(&desk, &BY_DIRECTORY).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    let (told, last) = said.out.split_once('\n').unwrap();
    assert!(
        told.starts_with("! both tables: protect[0]: the user it names is not there; "),
        "{told}"
    );
    assert_eq!(last, "Nothing changes for anybody: 6 as before.");
    // As `plan` ends with it.
    desk.write("policy.json", &table(stale).to_string());
    desk.run(&["apply", "--yes"]).await;
    assert_eq!(desk.run(&["plan"]).await.code, 0);
    desk.calls();

    desk.write("old.json", &table(|_| ()).to_string());
    let said = diff(&desk, &BY_DIRECTORY).await;
    assert_eq!(said.code, 0, "{}", said.out);

    // A directory that somebody wrote is not known to be all there is.
    let export = desk.read("now.toml");
    let (begin, rest) = export.split_once("[selected]").unwrap();
    let (_, rest) = rest.split_once("\n\n").unwrap();
    desk.write("now.toml", &format!("{begin}{rest}"));
    let said = diff(&desk, &BY_DIRECTORY).await;
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(
        said.out
            .contains("! new table: protect[0]: the directory has no user \"gone\", so "),
        "{}",
        said.out
    );
    assert!(
        said.out
            .ends_with("For some it is not known. For the others nothing changes: 6 as before."),
        "{}",
        said.out
    );
    desk.write("old.json", &table(stale).to_string());
    let said = diff(&desk, &BY_DIRECTORY).await;
    assert_eq!(said.code, 0, "{}", said.out);
}

#[tokio::test]
async fn whom_the_table_does_not_own_or_protects_keeps_what_they_have() {
    let mut start = world();
    let user = IdentityType::User;
    start.map(ANALYTICS, user, "dave", FOREIGN).unwrap();
    start.map(ANALYTICS, user, "alice", ENGINEER).unwrap();
    let desk = desk(start, |table| {
        table["protect"] = json!([{ "user": "alice" }]);
        table["rules"] = json!([]);
    })
    .await;
    let said = diff(&desk, &BY_DIRECTORY).await;
    // The rules go, and with them the mark of what was the table's.
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "Nothing changes for anybody: 7 as before."),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_studio_that_goes_or_comes_and_a_group_without_members_are_told() {
    let mut start = world();
    start.add_group("night-shift").unwrap();
    let desk = desk(start, |table| {
        table["studios"] = json!({ "analytics": { "id": ANALYTICS } });
        table["rules"].as_array_mut().unwrap().truncate(2);
        let more = json!({ "group": "night-shift", "studio": "analytics", "session_policy": "analyst", "assign": "group" });
        table["rules"].as_array_mut().unwrap().push(more);
    })
    .await;
    let said = diff(&desk, &BY_DIRECTORY).await;
    assert_eq!(said.code, 2, "{} {}", said.out, said.err);
    insta::assert_snapshot!(said.out, @r#"
    analytics (es-ABCDEFGHIJKLMNOPQRSTUVWXY)
      + group night-shift  analyst  (rules[2])
    ! the new table has no Studio science: its mappings stay as they are
    1 gains; 6 as before.
    "#);
    let export = desk.run(&["export", "--table", "new.json"]).await;
    desk.write("now.toml", &export.out);
    desk.calls();
    let said = diff(&desk, &[&BY_DIRECTORY[..], &["--output", "csv"]].concat()).await;
    assert_eq!(said.code, 1, "{}", said.err);
    let studio = format!("unknown,science,{SCIENCE},,,,,,,");
    assert!(said.out.lines().any(|line| line == studio), "{}", said.out);
}

#[tokio::test]
async fn what_the_tables_say_differently_is_told_in_words() {
    let desk = Desk::new(world()).await;
    desk.write("old.json", &table(|_| ()).to_string());
    let changed = table(|table| {
        table["deletions"] = json!({ "max_percent": 50 });
        table["on_missing_group"] = json!("revoke");
        table["studios"]["science"] =
            json!({ "id": SCIENCE, "region": "eu-west-1", "retired_policies": ["analyst"] });
        table["studios"]["third"] = json!({ "id": "es-THIRD" });
        table["session_policies"]["engineer"] = json!("arn:aws:iam::111122223333:policy/other");
        table["rules"].as_array_mut().unwrap().swap(0, 1);
        table["rules"][3] = json!({ "user_id": "0a1b2c3d-1001-7001-8001-00000000a001", "studio": "third", "session_policy": "engineer" });
        table["protect"] = json!([{ "group": "ad\u{202e}mins" }]);
    });
    desk.write("new.json", &changed.to_string());
    let said = diff(&desk, &[]).await;
    assert_eq!((said.code, said.err.as_str()), (2, ""));
    insta::assert_snapshot!(said.out, @r#"
    ~ deletions.max_percent      20 -> 50
    ~ on_missing_group           "hold" -> "revoke"
    ~ studios.science            es-0123456789ABCDEFGHIJKLMNO region none -> "eu-west-1", retired_policies none -> ["analyst"]
    + studios.third              es-THIRD
    ~ session_policies.engineer  arn:aws:iam::111122223333:policy/studio-engineer -> arn:aws:iam::111122223333:policy/other
    - rules[3] of the old table  user "ops": science, engineer
    ~ rules[0], was rules[1]     members of group "data-*": analytics, analyst
    + rules[3]                   user_id 0a1b2c3d-1001-7001-8001-00000000a001: third, engineer
    + protect[0]                 group "ad\u{202e}mins" and its members
    9 differences; for whom, an exported directory says: diff --directory
    "#);
    let said = diff(&desk, &["--output", "csv"]).await;
    assert!(
        said.out
            .starts_with("change,old_place,place,text\nchanged,deletions.max_percent,"),
        "{}",
        said.out
    );
    assert!(said.out.contains("ad\u{202e}mins"), "{}", said.out);

    desk.write("new.json", &table(|_| ()).to_string());
    let said = diff(&desk, &[]).await;
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "Both tables say the same.")
    );
    desk.write("new.json", "{}");
    let said = diff(&desk, &[]).await;
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .ends_with("error: new.json is not a usable policy table: 3 problems"),
        "{}",
        said.err
    );
}
