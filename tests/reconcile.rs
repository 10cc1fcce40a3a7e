//! `plan` and `apply` from a terminal: the real binary against the embedded AWS.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers are tests too

mod support;

use emr_studio_sync::emulator::{Fault, FaultKind, IdentityType};
use serde_json::{Value, json};
use support::desk::Desk;
use support::{ANALYST, ANALYTICS, FOREIGN, world};

#[tokio::test]
async fn a_plan_names_people_and_reasons_and_says_by_its_exit_code_that_there_is_one() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "alice", ANALYST)
        .unwrap();
    start
        .map(ANALYTICS, IdentityType::User, "dave", ANALYST)
        .unwrap();
    let desk = Desk::new(start).await;
    let said = desk.run(&["plan"]).await;
    assert_eq!((said.code, said.err.as_str()), (2, ""));
    insta::assert_snapshot!(said.out, @r"
    analytics (es-ABCDEFGHIJKLMNOPQRSTUVWXY)
      - analytics  dave                 analyst               (no rule wants it)
      ~ analytics  alice                analyst -> engineer   (rules[0], through data-engineers)
      + analytics  bob                  engineer              (rules[0], through data-engineers)
      + analytics  carol                analyst               (rules[1], through data-analysts)
    science (es-0123456789ABCDEFGHIJKLMNO)
      + science    data-engineers       analyst               (rules[2])
      + science    ops                  engineer              (rules[3])
    4 to create, 1 to update, 1 to delete; 0 as they should be.
    ");
    assert!(
        !desk
            .emulator
            .world()
            .calls
            .iter()
            .any(|call| call.is_write())
    );
}

#[tokio::test]
async fn who_is_gone_is_called_by_the_name_they_were_mapped_under() {
    let mut start = world();
    start.add_user("zoe").unwrap();
    start
        .map(ANALYTICS, IdentityType::User, "zoe", ANALYST)
        .unwrap();
    start.delete_user("zoe").unwrap();
    let desk = Desk::new(start).await;
    let said = desk.run(&["plan"]).await;
    assert!(said.out.contains("- analytics  zoe  "), "{}", said.out);
}

#[tokio::test]
async fn a_name_cannot_write_to_the_terminal() {
    let mut start = world();
    start.rename_user("alice", "al\u{1b}[2Jice\nroot").unwrap();
    let desk = Desk::new(start).await;
    let said = desk.run(&["plan"]).await;
    assert!(said.out.contains(r"al\u{1b}[2Jice\nroot"), "{}", said.out);
}

#[tokio::test]
async fn a_name_is_no_formula_in_a_spreadsheet() {
    let mut start = world();
    start.rename_user("alice", "=cmd()").unwrap();
    let desk = Desk::new(start).await;
    let said = desk.run(&["plan", "--output", "csv"]).await;
    assert!(said.out.contains(",'=cmd()"), "{}", said.out);
}

#[tokio::test]
async fn a_table_given_inline_as_the_function_takes_it_is_one() {
    let desk = Desk::new(world()).await;
    let inline = desk.read("policy.json");
    let said = desk.run(&["plan", "--table", &inline]).await;
    assert_eq!(said.code, 2, "{}", said.err);
    let said = desk.run(&["check", "{\"studios\": 7}"]).await;
    assert!(said.err.contains("--> POLICY_TABLE:1:"), "{}", said.err);
    desk.write("policy.tml", &inline);
    let said = desk.run(&["plan", "--table", "policy.tml"]).await;
    assert!(
        said.err
            .contains("policy.tml is neither a .json nor a .toml file"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn apply_makes_it_so_and_then_there_is_nothing_to_do() {
    let desk = Desk::new(world()).await;
    let said = desk.run(&["apply"]).await;
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .contains("there is no terminal to ask on; give --yes"),
        "{}",
        said.err
    );
    assert_eq!(desk.mappings(), Vec::<String>::new());

    let said = desk.run(&["apply", "--yes"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.ends_with("5 created; 0 as they should be."),
        "{}",
        said.out
    );
    assert_eq!(desk.mappings().len(), 5);

    let said = desk.run(&["plan"]).await;
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "Nothing to do: 5 mappings are as they should be.")
    );
}

#[tokio::test]
async fn the_json_of_a_plan_has_a_version_the_report_and_names() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "dave", FOREIGN)
        .unwrap();
    let desk = Desk::new(start).await;
    let said = desk
        .run(&["plan", "--output", "json", "--studio", "analytics"])
        .await;
    assert_eq!(said.code, 2);
    let plan: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&plan["version"], &plan["created"]), (&json!(1), &json!(3)));
    assert_eq!(plan["changes"][0]["identity_name"], "alice");
    assert_eq!(plan["left_alone"][0]["identity_name"], "dave");
    assert_eq!(plan["left_alone"][0]["reason"], "unrelated");

    let said = desk.run(&["plan", "--detailed"]).await;
    assert!(
        said.out
            .contains("= dave                            (left alone: somebody's own)"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn the_csv_of_a_plan_has_a_line_for_each_change() {
    let mut start = world();
    let dave = start.user_id("dave").unwrap();
    start
        .map(ANALYTICS, IdentityType::User, "dave", ANALYST)
        .unwrap();
    let desk = Desk::new(start).await;
    let said = desk
        .run(&["plan", "--output", "csv", "--studio", "analytics"])
        .await;
    assert_eq!((said.code, said.out.lines().count()), (2, 5));
    let mut lines = said.out.lines();
    assert_eq!(
        lines.next().unwrap(),
        "action,outcome,studio,studio_id,identity_type,identity_id,session_policy,previous_policy,\
         rule,via_group,identity_name"
    );
    assert_eq!(
        lines.next().unwrap(),
        format!("delete,planned,analytics,{ANALYTICS},USER,{dave},,{ANALYST},,,dave")
    );
}

#[tokio::test]
async fn held_deletions_go_with_their_plan_id_and_no_other() {
    let mut start = world();
    for user in 0..9 {
        start.add_user(&format!("user-{user}")).unwrap();
        start
            .map(
                ANALYTICS,
                IdentityType::User,
                &format!("user-{user}"),
                ANALYST,
            )
            .unwrap();
    }
    let desk = Desk::new(start).await;
    let said = desk.run(&["apply", "--yes"]).await;
    assert_eq!(said.code, 1, "something is still to do");
    let plan_id = said.out.lines().last().unwrap().rsplit(' ').next().unwrap();
    assert_eq!(desk.mappings().len(), 5 + 9);

    let said = desk.run(&["apply", "--yes", "--approve", plan_id]).await;
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert_eq!(desk.mappings().len(), 5);
}

#[tokio::test]
async fn explain_tells_what_should_be_what_is_and_which_rules_come_later() {
    let desk = Desk::new(world()).await;
    desk.run(&["apply", "--yes"]).await;
    let said = desk.run(&["explain", "--user", "alice"]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @r"
    analytics (es-ABCDEFGHIJKLMNOPQRSTUVWXY)
      alice is mapped as the table says
      should have  engineer, by rules[0], through data-engineers
      has          engineer, the table's
      comes later  analyst, by rules[1], through data-engineers
    science (es-0123456789ABCDEFGHIJKLMNO)
      alice is not mapped: no rule fits
    ");
    let said = desk
        .run(&[
            "explain",
            "--group",
            "data-engineers",
            "--studio",
            "science",
        ])
        .await;
    insta::assert_snapshot!(said.out, @r"
    science (es-0123456789ABCDEFGHIJKLMNO)
      data-engineers is mapped as the table says
      should have  analyst, by rules[2]
      has          analyst, the table's
    ");
    let said = desk.run(&["explain", "--user", "nobody"]).await;
    assert_eq!(
        (said.code, said.err.as_str()),
        (1, "! there is no USER of that name")
    );
    let said = desk.run(&["explain"]).await;
    assert_eq!(said.code, 2, "clap's own");
}

#[tokio::test]
async fn what_cannot_be_read_makes_a_plan_fail() {
    let desk = Desk::new(world()).await;
    desk.emulator
        .world()
        .faults
        .add(Fault::on("ListGroups", FaultKind::AccessDenied));
    let said = desk.run(&["plan"]).await;
    assert_eq!(said.code, 1);
    assert!(
        said.out
            .contains("ListGroups failed: AccessDeniedException"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn wrong_flags_are_told_with_what_would_be_right() {
    let desk = Desk::new(world()).await;
    let said = desk.run(&["plan", "--studio", "nope"]).await;
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .contains("no studio is called \"nope\"; studios are analytics, science")
    );
    let said = desk.run(&["plan", "--studio", "sciense"]).await;
    assert!(
        said.err.contains("did you mean \"science\"?"),
        "{}",
        said.err
    );
    std::fs::write(desk.folder.path().join("policy.json"), "{}").unwrap();
    let said = desk.run(&["plan"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("rules: is missing"), "{}", said.err);
}
