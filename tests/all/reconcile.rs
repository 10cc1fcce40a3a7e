//! `plan` and `apply` from a terminal: the real binary against the embedded AWS.

use crate::support;

use std::collections::BTreeSet;

use emr_studio_sync::emulator::{Fault, FaultKind, IdentityType, Role};
use serde_json::{Value, json};
use support::desk::{Desk, Said, said};
use support::{ANALYST, ANALYTICS, ENGINEER, FOREIGN, SCIENCE, table, world};

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
    let shown = r"al\u{1b}[2Jice\u{a}root";
    assert!(said.out.contains(shown), "{}", said.out);
}

#[tokio::test]
async fn a_name_is_no_formula_in_a_spreadsheet_and_two_names_are_never_one() {
    let mut start = world();
    for (user, name) in [("alice", "=x"), ("bob", "'=x"), ("carol", "''=x")] {
        start.rename_user(user, name).unwrap();
    }
    let desk = Desk::new(start).await;
    let alias = |table: &mut Value| {
        let studio = table["studios"]["analytics"].take();
        table["studios"] = json!({ "=alias": studio, "science": { "id": SCIENCE } });
        for rule in 0..2 {
            table["rules"][rule]["studio"] = json!("=alias");
        }
    };
    desk.write("policy.json", &table(alias).to_string());
    let none = table(|table| table["rules"] = json!([]));
    desk.write("none.json", &none.to_string());
    let exported = desk.run(&["export"]).await;
    desk.write("now.toml", &exported.out);
    for command in [
        &["plan"][..],
        &[
            "diff",
            "none.json",
            "policy.json",
            "--directory",
            "now.toml",
        ],
        &["apply", "--yes"],
        &["report"],
        &["mapping", "list"],
    ] {
        let said = desk.run(&[command, &["--output", "csv"]].concat()).await;
        let rows = csv::Reader::from_reader(said.out.as_bytes()).into_records();
        let rows: Vec<csv::StringRecord> = rows.map(Result::unwrap).collect();
        let cells = rows.iter().flat_map(|row| row.iter());
        let cells: BTreeSet<&str> = cells.filter(|cell| cell.contains('=')).collect();
        assert_eq!(
            cells.into_iter().collect::<Vec<_>>(),
            ["'''=x", "''=x", "'=alias", "'=x"],
            "{command:?}: {}",
            said.err
        );
    }
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
async fn what_is_withheld_is_something_still_to_do() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "dave", ANALYST)
        .unwrap();
    let desk = Desk::new(start).await;
    desk.run(&["apply", "--yes"]).await;
    desk.emulator
        .world()
        .rename_group("data-engineers", "engineers")
        .unwrap();
    let said = desk.run(&["plan", "--studio", "analytics"]).await;
    assert_eq!(said.code, 2);
    assert!(said.out.contains("2 withheld"), "{}", said.out);
    let said = desk.run(&["apply", "--yes", "--studio", "analytics"]).await;
    assert_eq!(said.code, 1, "{}", said.out);
    assert_eq!(desk.mappings().len(), 5);
}

#[tokio::test]
async fn what_is_left_alone_is_in_the_csv_if_it_is_asked_for() {
    let mut start = world();
    let dave = start.user_id("dave").unwrap();
    start
        .map(ANALYTICS, IdentityType::User, "dave", FOREIGN)
        .unwrap();
    let desk = Desk::new(start).await;
    let csv = ["plan", "--output", "csv"];
    let said = desk.run(&csv).await;
    assert!(!said.out.contains("dave"), "{}", said.out);
    let said = desk.run(&[&csv[..], &["--detailed"]].concat()).await;
    let line = format!("leave,unrelated,analytics,{ANALYTICS},USER,{dave},,,,,dave");
    assert!(said.out.contains(&line), "{}", said.out);
}

#[tokio::test]
async fn a_wrong_flag_is_a_failure_and_never_the_2_that_means_changes() {
    let desk = Desk::new(world()).await;
    for wrong in [
        &["plan", "--detaild"][..],
        &["plan", "--studio"],
        &["nope"],
        &[],
    ] {
        let said = desk.run(wrong).await;
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{wrong:?}");
        assert!(said.err.contains("--help"), "{}", said.err);
    }
    let said = desk.run(&["plan", "--help"]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[tokio::test]
async fn a_profile_that_is_named_decides_whatever_credentials_the_environment_has() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "alice", ANALYST)
        .unwrap();
    // The embedded AWS takes an access key id of twelve digits for an account.
    start.studios.get_mut(ANALYTICS).unwrap().account = Some("222233334444".to_owned());
    start.deployment.roles.push(Role {
        arn: "arn:aws:iam::222233334444:role/reader".to_owned(),
        external_id: None,
    });
    let desk = Desk::new(start).await;
    desk.write(
        "credentials",
        "[prod]\naws_access_key_id = 222233334444\naws_secret_access_key = secret\n",
    );
    let list = async |more: &[&str]| {
        let arguments = ["mapping", "list", "--studio", ANALYTICS];
        let mut tool = desk.tool(&[&arguments[..], more].concat());
        tool.env("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        tool.env("AWS_CONFIG_FILE", "config");
        said(tool).await
    };
    let ours = list(&["--profile", "prod"]).await;
    assert_eq!(ours.code, 0, "{}", ours.err);
    assert!(ours.out.contains("alice"), "{}", ours.out);
    // By a role of the account, too.
    let profile = "[profile reader]\nsource_profile = base\nregion = us-east-1\n\
        role_arn = arn:aws:iam::222233334444:role/reader\n\
        [profile base]\naws_access_key_id = test\naws_secret_access_key = secret\n";
    desk.write("config", profile);
    let by_role = list(&["--profile", "reader"]).await;
    assert!(by_role.out.contains("alice"), "{}", by_role.err);
    assert!(desk.calls().contains(&"AssumeRole".to_owned()));
    let others = list(&[]).await;
    assert!(
        others.err.contains("Studio does not exist"),
        "{}",
        others.err
    );
    let nobodys = list(&["--profile", "prd"]).await;
    assert_eq!(nobodys.code, 1);
    assert!(
        nobodys.err.contains(
            "error: there is no profile prd with credentials (profile `prd` was not defined"
        ),
        "{}",
        nobodys.err
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
    let csv = desk.run(&["plan", "--output", "csv"]).await;
    assert!(csv.err.contains("apply --approve "), "{}", csv.err);
    let said = desk.run(&["apply", "--yes"]).await;
    assert_eq!(said.code, 1, "something is still to do");
    let plan_id = said.out.lines().last().unwrap().rsplit(' ').next().unwrap();
    assert_eq!(desk.mappings().len(), 5 + 9);

    let said = desk.run(&["apply", "--yes", "--approve", plan_id]).await;
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert_eq!(desk.mappings().len(), 5);
}

#[tokio::test]
async fn an_approval_of_another_set_ends_it_before_anything_at_all_is_changed() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "dave", ANALYST)
        .unwrap();
    let desk = Desk::new(start).await;
    let before = desk.mappings();
    for form in ["table", "json"] {
        let wrong = ["apply", "--yes", "--approve", "0123456789abcdef"];
        let said = desk.run(&[&wrong[..], &["--output", form]].concat()).await;
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{}", said.err);
        assert!(
            said.err
                .starts_with("error: --approve: 0123456789abcdef is not a set of deletions"),
            "{}",
            said.err
        );
        assert_eq!(desk.mappings(), before);
    }
}

#[tokio::test]
async fn what_has_no_room_is_told_from_what_nobody_agreed_to() {
    let desk = Desk::new(world()).await;
    let small = table(|table| table["studios"]["analytics"]["limits"] = json!({ "users": 2 }));
    desk.write("policy.json", &small.to_string());
    let said = desk.run(&["apply", "--yes", "--studio", "analytics"]).await;
    assert_eq!(said.code, 1);
    assert!(
        said.out
            .ends_with("2 created, 1 over capacity; 0 as they should be."),
        "{}",
        said.out
    );
    assert!(!said.out.contains("skipped"), "{}", said.out);
    let line = "+ analytics  carol                analyst               (rules[1], through \
        data-analysts)  over capacity";
    assert!(said.out.contains(line), "{}", said.out);
}

#[tokio::test]
async fn a_rule_that_maps_nobody_for_what_it_names_is_not_there_fails_apply_and_is_told_by_plan() {
    let desk = Desk::new(world()).await;
    let lost = json!({ "user": "nobody", "studio": "science", "session_policy": "analyst" });
    let with_lost = table(|table| table["rules"].as_array_mut().unwrap().push(lost));
    desk.write("policy.json", &with_lost.to_string());
    let told = "1 entry of the table leads nowhere: what it names is not there.";
    let said = desk.run(&["apply", "--yes"]).await;
    assert!(said.out.contains("5 created"), "{}", said.out);
    assert_eq!(said.code, 1, "{}", said.out);
    // Now there is nothing else to do.
    let said = desk.run(&["plan"]).await;
    assert_eq!(said.code, 0);
    assert!(said.out.ends_with(told), "{}", said.out);
    let said = desk.run(&["apply", "--yes"]).await;
    assert_eq!(said.code, 1);
    assert!(
        said.out.contains("Nothing to do") && said.out.ends_with(told),
        "{}",
        said.out
    );
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
    assert_eq!(said.code, 1);
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

/// What `explain` says of somebody in the analytics Studio.
async fn explained(desk: &Desk, whom: [&str; 2]) -> Said {
    desk.run(&[&["explain", "--studio", "analytics"], &whom[..]].concat())
        .await
}

#[tokio::test]
async fn a_mapping_that_could_not_be_read_is_not_explained_away() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "alice", ANALYST)
        .unwrap();
    let desk = Desk::new(start).await;
    for (call, kind) in [
        ("GetStudioSessionMapping", FaultKind::AccessDenied),
        ("GetStudioSessionMapping", FaultKind::EmptyObject),
        ("ListStudioSessionMappings", FaultKind::Garbage),
        ("DescribeStudio", FaultKind::EmptyObject),
    ] {
        // An empty answer to the list says nothing: then the one is asked for.
        let bare = Fault::on("ListStudioSessionMappings", FaultKind::EmptyObject);
        desk.emulator.world().faults.rules = vec![Fault::on(call, kind), bare];
        let said = explained(&desk, ["--user", "alice"]).await;
        assert_eq!(said.code, 1, "{call}: {}", said.out);
        assert!(said.out.contains("may be mapped or not"), "{}", said.out);
        assert!(said.err.contains(call), "{}", said.err);
    }
    desk.emulator.world().faults.rules.clear();
    desk.emulator.world().studios.remove(ANALYTICS);
    let said = explained(&desk, ["--user", "alice"]).await;
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("Studio does not exist"), "{}", said.err);
}

#[tokio::test]
async fn what_the_guard_or_the_room_keep_from_happening_is_explained_too() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "dave", ANALYST)
        .unwrap();
    let desk = Desk::new(start).await;
    let change = |table: &mut Value| {
        table["deletions"] = json!({ "floor": 0 });
        table["studios"]["analytics"]["limits"] = json!({ "users": 2 });
    };
    desk.write("policy.json", &table(change).to_string());
    let dave = explained(&desk, ["--user", "dave"]).await;
    assert!(
        dave.out
            .contains("held, since too many would go at once, until somebody approves"),
        "{}",
        dave.out
    );
    let carol = explained(&desk, ["--user", "carol"]).await;
    assert!(
        carol
            .out
            .contains("over capacity, the Studio has no room left"),
        "{}",
        carol.out
    );
    let alice = explained(&desk, ["--user", "alice"]).await;
    assert!(
        alice.out.contains("is not mapped yet, and will be"),
        "{}",
        alice.out
    );
}

#[tokio::test]
async fn what_could_not_be_read_of_the_others_is_not_explained_away() {
    let mut start = world();
    for user in ["dave", "alice"] {
        start
            .map(ANALYTICS, IdentityType::User, user, ANALYST)
            .unwrap();
    }
    let desk = Desk::new(start).await;
    for (call, why) in [
        ("ListGroupMemberships", "withheld: the list of members"),
        ("ListStudioSessionMappings", "could not be read as a whole"),
    ] {
        desk.emulator.world().faults.rules = vec![Fault::on(call, FaultKind::AccessDenied)];
        for user in ["dave", "alice"] {
            let said = explained(&desk, ["--user", user]).await;
            assert_eq!(said.code, 1, "{call} {user}: {}", said.out);
            assert!(said.out.contains(why), "{call} {user}: {}", said.out);
            assert!(said.err.contains(call), "{call} {user}: {}", said.err);
        }
    }
}

#[tokio::test]
async fn one_studio_is_explained_without_a_look_at_the_others() {
    let desk = Desk::new(world()).await;
    desk.emulator.world().studios.remove(ANALYTICS);
    let said = desk
        .run(&["explain", "--user", "ops", "--studio", "science"])
        .await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    let world = desk.emulator.world();
    let mut inputs = world.calls.iter().map(|call| call.input.to_string());
    assert!(!inputs.any(|input| input.contains(ANALYTICS)));
}

#[tokio::test]
async fn rules_that_do_not_apply_are_not_no_rules() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "alice", ENGINEER)
        .unwrap();
    start.set_user_enabled("alice", false).unwrap();
    let desk = Desk::new(start).await;
    let remove = |table: &mut Value| table["on_disabled_user"] = json!("remove");
    desk.write("policy.json", &table(remove).to_string());
    let said = explained(&desk, ["--user", "alice"]).await;
    let verdict = "rules do not apply to a user who is disabled: the mapping will be";
    assert!(said.out.contains(verdict), "{}", said.out);
    assert!(
        said.out.contains("would fit    engineer, by rules[0]"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn a_group_whose_members_are_mapped_is_not_a_group_that_no_rule_knows() {
    let desk = Desk::new(world()).await;
    let said = explained(&desk, ["--group", "data-engineers"]).await;
    let verdict = "data-engineers is not mapped as a group: rules[0] maps its members";
    assert!(said.out.contains(verdict), "{}", said.out);
}
