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
async fn an_export_that_does_not_know_what_a_table_names_is_no_answer() {
    let desk = desk(world(), |table| {
        table["rules"][0]["group"] = json!("data-scientists");
    })
    .await;
    let export = desk.run(&["export", "--table", "old.json"]).await;
    desk.write("now.toml", &export.out);
    desk.calls();
    let said = diff(&desk, &BY_DIRECTORY).await;
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
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
    1 gains; 6 as before.
    "#);
    assert_eq!(
        said.err,
        "! the new table has no Studio science: its mappings stay as they are"
    );
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
