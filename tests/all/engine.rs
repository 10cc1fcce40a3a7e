//! The engine before the embedded AWS: what each kind of event leads to, and
//! what never happens, whatever goes wrong.

use crate::support;

use std::collections::BTreeMap;
use std::time::Duration;

use emr_studio_sync::config::Mode;
use emr_studio_sync::emulator::{
    AfterIdentityGone, AuthMode, Call, Fault, FaultKind, IdentityType, World,
};
use serde_json::{Value, json};
use support::{
    ANALYST, ANALYTICS, Bench, ENGINEER, FOREIGN, SCIENCE, batch, event, group_event, just_now,
    member_added, member_removed, schedule, table, unfinished, user_event, world,
};

/// How often each operation was called.
pub(crate) fn counts(calls: &[Call]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.operation.as_str()).or_default() += 1;
    }
    counts
}

pub(crate) fn problems(report: &Value) -> String {
    let problems = report["problems"].as_array().unwrap();
    problems
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The outcomes of a report's changes, `delete held`, counted.
pub(crate) fn outcomes(report: &Value) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    for change in report["changes"].as_array().unwrap() {
        let (action, outcome) = (
            change["action"].as_str().unwrap(),
            change["outcome"].as_str().unwrap(),
        );
        *outcomes.entry(format!("{action} {outcome}")).or_default() += 1;
    }
    outcomes
}

pub(crate) fn id_of(bench: &Bench, user: &str) -> String {
    bench.world(|world| world.user_id(user).unwrap())
}

pub(crate) fn group_of(bench: &Bench, group: &str) -> String {
    bench.world(|world| world.group_id(group).unwrap())
}

/// The event of somebody who joined a group.
pub(crate) fn joined(bench: &Bench, group: &str, user: &str) -> Value {
    member_added(&group_of(bench, group), &id_of(bench, user))
}

/// A world in which the table owns this many mappings of analysts.
fn many(users: usize) -> World {
    let mut world = world();
    for user in 0..users {
        world.add_user(&format!("user-{user:03}")).unwrap();
        world
            .add_member("data-analysts", &format!("user-{user:03}"))
            .unwrap();
    }
    world
}

fn remove(world: &mut World, users: std::ops::Range<usize>) {
    for user in users {
        world
            .remove_member("data-analysts", &format!("user-{user:03}"))
            .unwrap();
    }
}

// ------------------------------------------------------------------ events

#[tokio::test]
async fn a_full_pass_makes_the_mappings_those_of_the_table_and_a_second_one_writes_nothing() {
    let bench = Bench::new(world(), table(|_| ()), Mode::Apply).await;
    let report = bench.report(schedule()).await;
    assert_eq!(report["scope"], "everything");
    insta::assert_snapshot!(bench.mappings().join("\n"), @"
    analytics USER alice engineer
    analytics USER bob engineer
    analytics USER carol analyst
    science GROUP data-engineers analyst
    science USER ops engineer
    ");
    bench.calls();
    let report = bench.report(schedule()).await;
    assert_eq!(
        (&report["unchanged"], &report["changes"]),
        (&json!(5), &json!([]))
    );
    assert!(bench.writes().is_empty());
}

#[tokio::test]
async fn a_new_member_costs_two_directory_calls_and_a_create_in_its_studio() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| world.add_member("data-analysts", "dave").unwrap());
    let event = joined(&bench, "data-analysts", "dave");
    let report = bench.report(event).await;
    assert_eq!(
        (&report["scope"], &report["created"]),
        (&json!("user"), &json!(1))
    );
    let calls = bench.calls();
    assert_eq!(
        counts(&calls),
        BTreeMap::from([
            ("IsMemberInGroups", 1),
            ("DescribeGroup", 1), // whether the group still bears its name
            ("CreateStudioSessionMapping", 1),
        ])
    );
}

#[tokio::test]
async fn the_report_of_a_creation_has_the_form_of_the_contract() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| world.add_member("data-analysts", "dave").unwrap());
    let (group, dave) = (group_of(&bench, "data-analysts"), id_of(&bench, "dave"));
    let report = bench.report(member_added(&group, &dave)).await;
    assert_eq!(
        report,
        json!({
            "mode": "apply", "scope": "user", "reason": null, "plan_id": null,
            "created": 1, "updated": 0, "deleted": 0, "unchanged": 0, "held": 0,
            "over_capacity": 0, "failed": 0, "remaining": 0,
            "changes": [{
                "action": "create", "outcome": "done", "studio": "analytics",
                "studio_id": ANALYTICS, "identity_type": "USER", "identity_id": dave,
                "session_policy": ANALYST, "previous_policy": null, "rule": 1,
                "via_group": group,
            }],
            "problems": [],
        })
    );
}

#[tokio::test]
async fn a_removed_member_loses_the_mapping_by_proof_read_afresh() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| world.remove_member("data-analysts", "carol").unwrap());
    let (group, carol) = (group_of(&bench, "data-analysts"), id_of(&bench, "carol"));
    let report = bench.report(member_removed(&group, &carol)).await;
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([("delete done".to_owned(), 1)])
    );
    // What was remembered of the groups led there; it was looked up again
    // before anything was deleted.
    assert_eq!(counts(&bench.calls())["GetGroupId"], 1);
}

#[tokio::test]
async fn a_member_of_two_groups_gets_what_the_first_rule_gives_and_falls_back_to_the_second() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let (engineers, carol) = (group_of(&bench, "data-engineers"), id_of(&bench, "carol"));
    bench.world(|world| world.add_member("data-engineers", "carol").unwrap());
    let report = bench.report(member_added(&engineers, &carol)).await;
    assert_eq!(report["changes"][0]["previous_policy"], ANALYST);
    assert_eq!(report["changes"][0]["session_policy"], ENGINEER);
    bench.world(|world| world.remove_member("data-engineers", "carol").unwrap());
    let report = bench.report(member_removed(&engineers, &carol)).await;
    assert_eq!(report["updated"], 1);
    assert!(
        bench
            .mappings()
            .contains(&"analytics USER carol analyst".to_owned())
    );
}

#[tokio::test]
async fn a_deleted_user_leaves_no_mapping_whether_or_not_a_get_still_knows_the_id() {
    for after in [AfterIdentityGone::Allow, AfterIdentityGone::Refuse] {
        let bench = Bench::in_agreement(world(), table(|_| ())).await;
        let carol = id_of(&bench, "carol");
        bench.world(|world| {
            world.settings.delete_after_identity_gone = after;
            world.delete_user("carol").unwrap();
        });
        let report = bench.report(user_event("DeleteUser", &carol)).await;
        let expected = match after {
            AfterIdentityGone::Allow => "delete done",
            // Nobody's any more, and not to be had: no failure of anybody's.
            AfterIdentityGone::Refuse => "delete orphan",
        };
        assert_eq!(
            outcomes(&report),
            BTreeMap::from([(expected.to_owned(), 1)]),
            "{report:#}"
        );
    }
}

#[tokio::test]
async fn a_deleted_group_is_looked_for_in_every_studio() {
    let table = table(|table| table["on_missing_group"] = json!("revoke"));
    let bench = Bench::in_agreement(world(), table).await;
    let group = group_of(&bench, "data-engineers");
    bench.world(|world| world.delete_group("data-engineers").unwrap());
    let report = bench.report(group_event("DeleteGroup", &group)).await;
    assert_eq!(report["scope"], "group");
    insta::assert_snapshot!(bench.mappings().join("\n"), @"
    analytics USER carol analyst
    science USER ops engineer
    ");
    // Also one that no rule selects, or not any more: it may have left something.
    let mut start = world();
    start.add_group("former-analysts").unwrap();
    let bench = Bench::in_agreement(start, support::table(|_| ())).await;
    let group = group_of(&bench, "former-analysts");
    bench.world(|world| {
        for studio in [ANALYTICS, SCIENCE] {
            let user = IdentityType::User;
            world.map(studio, user, "dave", ANALYST).unwrap();
        }
        world.delete_group("former-analysts").unwrap();
    });
    let report = bench.report(group_event("DeleteGroup", &group)).await;
    assert_eq!(report["deleted"], 2, "{report:#}");
}

#[tokio::test]
async fn a_group_renamed_out_of_a_pattern_takes_its_members_with_it() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let group = group_of(&bench, "data-analysts");
    bench.world(|world| {
        world
            .rename_group("data-analysts", "former-analysts")
            .unwrap()
    });
    let report = bench.report(group_event("UpdateGroup", &group)).await;
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([("delete done".to_owned(), 1)]),
        "{report:#}"
    );
}

#[tokio::test]
async fn a_renamed_user_is_no_longer_the_one_a_rule_names() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let ops = id_of(&bench, "ops");
    bench.world(|world| world.rename_user("ops", "former-ops").unwrap());
    let report = bench.report(user_event("UpdateUser", &ops)).await;
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([("delete done".to_owned(), 1)]),
        "{report:#}"
    );
    assert!(problems(&report).contains("rules[3]: the user it names is not there"));
}

#[tokio::test]
async fn a_new_user_whom_a_rule_names_is_mapped_although_nobody_was_there_a_moment_ago() {
    let mut start = world();
    start.delete_user("ops").unwrap();
    let bench = Bench::in_agreement(start, table(|_| ())).await;
    let ops = bench.world(|world| world.add_user("ops").unwrap());
    let mut event = user_event("CreateUser", &ops);
    event["detail"]["responseElements"] = json!({ "userId": ops });
    let report = bench.report(event).await;
    assert_eq!(report["created"], 1, "{report:#}");
}

#[tokio::test]
async fn an_event_of_a_group_that_no_rule_selects_changes_nothing() {
    let mut start = world();
    start.add_group("finance").unwrap();
    start.add_member("finance", "dave").unwrap();
    let bench = Bench::in_agreement(start, table(|_| ())).await;
    let finance = group_of(&bench, "finance");
    let report = bench.report(group_event("UpdateGroup", &finance)).await;
    assert_eq!(report["changes"], json!([]));
    let calls = bench.calls();
    assert!(
        !counts(&calls).contains_key("ListStudioSessionMappings"),
        "{:?}",
        counts(&calls)
    );
}

#[tokio::test]
async fn what_concerns_nothing_makes_no_call_at_all() {
    let bench = Bench::new(world(), table(|_| ()), Mode::Apply).await;
    let (group, user) = (group_of(&bench, "data-analysts"), id_of(&bench, "dave"));
    let change = |change: &dyn Fn(&mut Value)| {
        let mut event = member_added(&group, &user);
        change(&mut event);
        event
    };
    for event in [
        change(&|event| event["detail"]["errorCode"] = json!("ConflictException")),
        change(&|event| event["detail"]["readOnly"] = json!(true)),
        change(&|event| event["detail"]["eventSource"] = json!("quicksight.amazonaws.com")),
        change(&|event| {
            event["detail"]["requestParameters"]["identityStoreId"] = json!("d-0000000000")
        }),
        json!({ "action": "reconcile", "studio": "nope" }),
        json!({ "action": "obliterate" }),
        json!(["junk"]),
        batch([]),
        batch([r#"{"action":"reconcile"}"#.to_owned()]),
    ] {
        bench.report(event.clone()).await;
        assert!(bench.calls().is_empty(), "{event}");
    }
}

#[tokio::test]
async fn a_mixed_batch_is_one_pass_over_all_it_names() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| {
        world.add_member("data-analysts", "dave").unwrap();
        world.remove_member("data-engineers", "bob").unwrap();
    });
    let (analysts, engineers) = (
        group_of(&bench, "data-analysts"),
        group_of(&bench, "data-engineers"),
    );
    let bodies = [
        group_event("UpdateGroup", &engineers).to_string(),
        member_added(&analysts, &id_of(&bench, "dave")).to_string(),
    ];
    let answer = bench.report(batch(bodies)).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    insta::assert_snapshot!(bench.mappings().join("\n"), @"
    analytics USER alice engineer
    analytics USER carol analyst
    analytics USER dave analyst
    science GROUP data-engineers analyst
    science USER ops engineer
    ");
    // One among them that does not say who leads to everybody.
    bench.world(|world| world.remove_member("data-analysts", "carol").unwrap());
    let bodies = [
        event("DeleteGroupMembership", json!({}), Value::Null).to_string(),
        member_added(&analysts, &id_of(&bench, "dave")).to_string(),
    ];
    bench.report(batch(bodies)).await;
    let carol = "analytics USER carol analyst".to_owned();
    assert!(!bench.mappings().contains(&carol));
}

#[tokio::test]
async fn more_than_a_hundred_groups_are_asked_about_the_other_way_round() {
    let mut start = world();
    for group in 0..120 {
        start.add_group(&format!("data-{group}")).unwrap();
    }
    let bench = Bench::in_agreement(start, table(|_| ())).await;
    bench.world(|world| world.add_member("data-77", "dave").unwrap());
    let event = joined(&bench, "data-77", "dave");
    assert_eq!(bench.report(event).await["created"], 1);
    let calls = bench.calls();
    assert_eq!(counts(&calls)["ListGroupMembershipsForMember"], 1);
    assert!(!counts(&calls).contains_key("IsMemberInGroups"));
}

// -------------------------------------------------------------- lagging reads

#[tokio::test]
async fn a_directory_that_lags_behind_a_fresh_event_is_read_again() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let event = just_now(joined(&bench, "data-analysts", "dave"));
    let catches_up = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        bench.world(|world| world.add_member("data-analysts", "dave").unwrap());
    };
    let (report, ()) = tokio::join!(bench.report(event), catches_up);
    assert_eq!(report["created"], 1, "{report:#}");
}

#[tokio::test]
async fn after_three_more_readings_what_is_read_is_acted_upon() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let event = just_now(joined(&bench, "data-analysts", "dave"));
    let report = bench.report(event).await;
    assert_eq!(
        (&report["created"], &report["failed"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(counts(&bench.calls())["IsMemberInGroups"], 4);
}

#[tokio::test]
async fn an_old_event_that_reads_otherwise_is_simply_out_of_date() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let event = joined(&bench, "data-analysts", "dave");
    bench.report(event).await;
    assert_eq!(counts(&bench.calls())["IsMemberInGroups"], 1);
}

// ------------------------------------------------------------------ ownership

#[tokio::test]
async fn what_is_somebody_elses_is_never_touched() {
    let mut start = world();
    // Wanted by a rule, but mapped by somebody; and not wanted at all.
    start
        .map(ANALYTICS, IdentityType::User, "alice", FOREIGN)
        .unwrap();
    start
        .map(ANALYTICS, IdentityType::User, "dave", FOREIGN)
        .unwrap();
    // The analyst's policy is the table's in both Studios, the engineer's too.
    let bench = Bench::new(start, table(|_| ()), Mode::Apply).await;
    let report = bench.full_pass().await;
    assert!(problems(&report).contains("left alone"), "{report:#}");
    for foreign in [
        "analytics USER alice somebody-elses",
        "analytics USER dave somebody-elses",
    ] {
        assert!(bench.mappings().contains(&foreign.to_owned()));
    }
    let touched = bench.writes().iter().any(|call| {
        call.input["IdentityId"] == id_of(&bench, "alice").as_str()
            && call.input["StudioId"] == ANALYTICS
    });
    assert!(!touched);
}

#[tokio::test]
async fn a_policy_is_the_tables_only_in_studios_where_the_table_names_it() {
    let mut start = world();
    let custom = "arn:aws:iam::111122223333:policy/custom";
    start
        .map(SCIENCE, IdentityType::User, "dave", custom)
        .unwrap();
    let more = table(|table| {
        table["session_policies"]["custom"] = json!(custom);
        table["studios"]["analytics"]["retired_policies"] = json!(["custom"]);
    });
    let bench = Bench::new(start, more, Mode::Apply).await;
    bench.full_pass().await;
    assert!(
        bench
            .mappings()
            .contains(&"science USER dave custom".to_owned())
    );

    let retired = table(|table| {
        table["session_policies"]["custom"] = json!(custom);
        table["studios"]["science"]["retired_policies"] = json!(["custom"]);
    });
    let bench = bench.restarted(retired, Mode::Apply).await;
    bench.full_pass().await;
    assert!(
        !bench
            .mappings()
            .contains(&"science USER dave custom".to_owned())
    );
}

#[tokio::test]
async fn with_ownership_of_the_studio_every_mapping_is_the_tables() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "alice", FOREIGN)
        .unwrap();
    start
        .map(ANALYTICS, IdentityType::User, "dave", FOREIGN)
        .unwrap();
    let table = table(|table| table["ownership"] = json!("studio"));
    let bench = Bench::new(start, table, Mode::Apply).await;
    let report = bench.full_pass().await;
    assert_eq!(
        (&report["updated"], &report["deleted"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn a_protected_identity_is_created_but_never_changed_or_deleted() {
    let protect = |entry: Value| table(|table| table["protect"] = json!([entry]));
    for entry in [
        json!({ "user": "carol" }),
        json!({ "group": "data-analysts" }),
        json!({ "group": "*-analysts" }),
        json!({ "group": "data-analysts", "assign": "members" }),
    ] {
        let bench = Bench::in_agreement(world(), protect(entry.clone())).await;
        assert!(
            bench
                .mappings()
                .contains(&"analytics USER carol analyst".to_owned())
        );
        let (engineers, carol) = (group_of(&bench, "data-engineers"), id_of(&bench, "carol"));
        bench.world(|world| world.add_member("data-engineers", "carol").unwrap());
        bench.report(member_added(&engineers, &carol)).await;
        bench.full_pass().await;
        assert!(
            bench
                .mappings()
                .contains(&"analytics USER carol analyst".to_owned()),
            "{entry}: {:?}",
            bench.mappings()
        );
    }
    // Of a group, only its own mapping: its members change as ever.
    let entry = json!({ "group": "data-analysts", "assign": "group" });
    let bench = Bench::in_agreement(world(), protect(entry)).await;
    bench.world(|world| world.add_member("data-engineers", "carol").unwrap());
    bench.full_pass().await;
    assert!(
        bench
            .mappings()
            .contains(&"analytics USER carol engineer".to_owned())
    );
}

#[tokio::test]
async fn a_protected_user_keeps_the_mapping_even_when_deleted_from_the_directory() {
    let table = table(|table| table["protect"] = json!([{ "user": "carol" }]));
    let bench = Bench::in_agreement(world(), table).await;
    let carol = id_of(&bench, "carol");
    bench.world(|world| world.delete_user("carol").unwrap());
    bench.report(user_event("DeleteUser", &carol)).await;
    bench.full_pass().await;
    assert!(bench.writes().is_empty());
}

#[tokio::test]
async fn who_is_protected_by_id_stays_so_when_deleted_from_the_directory() {
    let start = world();
    let id = |name: &str| start.user_id(name).or(start.group_id(name)).unwrap();
    let (carol, engineers) = (id("carol"), id("data-engineers"));
    let policy = |protect: Value| {
        table(|table| {
            table["protect"] = protect;
            table["rules"][2]["group"] = json!("data-engineer*"); // or the rule itself would hold
            table["rules"][0]["group"] = json!("data-engineer*");
        })
    };
    let protect = json!([{ "user_id": carol }, { "group_id": engineers, "assign": "group" }]);
    let bench = Bench::in_agreement(start.clone(), policy(protect)).await;
    bench.world(|world| {
        world.delete_user("carol").unwrap();
        world.delete_group("data-engineers").unwrap();
    });
    let report = bench.full_pass().await;
    // Nobody is held up by a group of which nothing more has to be known.
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([("delete done".to_owned(), 2)])
    );
    assert_eq!(problems(&report), "");
    let gone = [
        format!("analytics USER {carol} analyst"),
        "science USER ops engineer".to_owned(),
        format!("science GROUP {engineers} analyst"),
    ];
    let mut left = bench.mappings();
    left.sort_by_key(|row| gone.iter().position(|gone| gone == row));
    assert_eq!(left, gone);

    // Its members would have to be known: without them, everything waits.
    let protect = json!([{ "group_id": engineers }]);
    let bench = Bench::in_agreement(start.clone(), policy(protect)).await;
    bench.world(|world| {
        world.delete_user("carol").unwrap();
        world.delete_group("data-engineers").unwrap();
    });
    let report = bench.full_pass().await;
    assert_eq!(
        (&report["deleted"], &report["updated"]),
        (&json!(0), &json!(0))
    );
    assert!(
        problems(&report).contains("protect[0]: group_id"),
        "{report:#}"
    );
}

// -------------------------------------------------------- missing and disabled

#[tokio::test]
async fn a_missing_group_holds_its_studios_and_no_others() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| {
        world.rename_group("data-engineers", "renamed").unwrap();
        world.add_member("data-analysts", "dave").unwrap();
    });
    let report = bench.full_pass().await;
    // Alice and bob would go, and dave may be one of those whom the missing group
    // would give another policy.
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([
            ("create withheld".to_owned(), 1),
            ("delete withheld".to_owned(), 3)
        ])
    );
    assert!(problems(&report).contains("rules[0]: group \"data-engineers\" is not there"));
    let said = "3 changes are withheld: ";
    assert!(problems(&report).contains(said), "{report:#}");
    let said = ": 1 change is withheld: ";
    assert!(problems(&report).contains(said), "{report:#}");
    assert_eq!(
        (&report["deleted"], &report["held"]),
        (&json!(0), &json!(0))
    );

    bench.world(|world| world.rename_group("renamed", "data-engineers").unwrap());
    let report = bench.full_pass().await;
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([("create done".to_owned(), 1)])
    );
}

#[tokio::test]
async fn with_revoke_a_missing_group_counts_as_empty() {
    let table = table(|table| table["on_missing_group"] = json!("revoke"));
    let bench = Bench::in_agreement(world(), table).await;
    bench.world(|world| world.delete_group("data-engineers").unwrap());
    assert_eq!(bench.full_pass().await["deleted"], 3);
}

#[tokio::test]
async fn a_disabled_user_keeps_or_loses_the_mapping_as_the_table_says() {
    for (setting, remains) in [("keep", true), ("remove", false)] {
        let table = table(|table| table["on_disabled_user"] = json!(setting));
        let bench = Bench::in_agreement(world(), table).await;
        let carol = id_of(&bench, "carol");
        bench.world(|world| world.set_user_enabled("carol", false).unwrap());
        bench.report(user_event("DisableUser", &carol)).await;
        let is_there = bench
            .mappings()
            .contains(&"analytics USER carol analyst".to_owned());
        assert_eq!(is_there, remains, "{setting}");
        bench.full_pass().await;
        bench.world(|world| world.set_user_enabled("carol", true).unwrap());
        bench.report(user_event("EnableUser", &carol)).await;
        assert!(
            bench
                .mappings()
                .contains(&"analytics USER carol analyst".to_owned())
        );
    }
}

#[tokio::test]
async fn where_disabled_users_are_removed_a_new_member_costs_three_directory_calls() {
    let table = table(|table| table["on_disabled_user"] = json!("remove"));
    let bench = Bench::in_agreement(world(), table).await;
    bench.world(|world| world.add_member("data-analysts", "dave").unwrap());
    let event = joined(&bench, "data-analysts", "dave");
    assert_eq!(bench.report(event).await["created"], 1);
    let calls = bench.calls();
    let directory = calls
        .iter()
        .filter(|call| !call.operation.contains("Studio"))
        .count();
    assert_eq!(directory, 3, "{:?}", counts(&calls));
}

// ---------------------------------------------------------------------- guard

#[tokio::test]
async fn a_flood_of_deletions_waits_for_a_person_while_all_else_goes_on() {
    let bench = Bench::in_agreement(many(40), table(|_| ())).await;
    bench.world(|world| {
        remove(world, 0..30);
        world.add_member("data-engineers", "dave").unwrap();
    });
    let report = bench.full_pass().await;
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([
            ("create done".to_owned(), 1),
            ("delete held".to_owned(), 30)
        ])
    );
    assert_eq!(
        (&report["held"], &report["deleted"]),
        (&json!(30), &json!(0))
    );
    let plan_id = report["plan_id"].as_str().unwrap().to_owned();

    // With another id nothing is deleted, and the right one is told.
    let wrong = json!({ "action": "reconcile", "approve": "0000000000000000" });
    let report = bench.report(wrong).await;
    assert_eq!(
        (&report["deleted"], &report["plan_id"]),
        (&json!(0), &json!(plan_id))
    );

    // In the other mode it is only shown.
    let shown = bench
        .report(json!({ "action": "plan", "approve": plan_id }))
        .await;
    assert_eq!(
        (&shown["mode"], &shown["deleted"]),
        (&json!("plan"), &json!(30))
    );
    assert_eq!(bench.mappings().len(), 40 + 6);

    let report = bench
        .report(json!({ "action": "reconcile", "approve": plan_id }))
        .await;
    assert_eq!(
        (&report["deleted"], &report["held"]),
        (&json!(30), &json!(0))
    );
    assert_eq!(report["plan_id"], Value::Null);
}

#[tokio::test]
async fn an_approval_of_another_set_stops_even_the_deletions_that_nobody_holds() {
    let bench = Bench::in_agreement(many(40), table(|_| ())).await;
    bench.world(|world| {
        remove(world, 0..30);
        world.rename_user("ops", "former-ops").unwrap();
    });
    let wrong = json!({ "action": "reconcile", "approve": "0000000000000000" });
    let report = bench.report(wrong).await;
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([
            ("delete held".to_owned(), 30),
            ("delete skipped".to_owned(), 1)
        ])
    );
    assert!(problems(&report).contains("approve: 0000000000000000 is not the set"));
    assert!(bench.writes().is_empty());
    // Without it, that one goes.
    assert_eq!(bench.full_pass().await["deleted"], 1);
}

#[tokio::test]
async fn an_approval_is_void_once_the_set_has_changed() {
    let bench = Bench::in_agreement(many(40), table(|_| ())).await;
    bench.world(|world| remove(world, 0..30));
    let before = bench.full_pass().await["plan_id"].clone();
    bench.world(|world| remove(world, 30..31));
    let report = bench
        .report(json!({ "action": "reconcile", "approve": before }))
        .await;
    assert_eq!(
        (&report["deleted"], &report["held"]),
        (&json!(0), &json!(31))
    );
    assert_ne!(report["plan_id"], before);
}

#[tokio::test]
async fn an_approval_given_to_a_new_process_still_means_the_same_set() {
    let table = table(|table| table["deletions"]["max_percent"] = json!(0));
    let bench = Bench::in_agreement(many(40), table.clone()).await;
    // Three go unasked, and three more are then too many within the hour.
    bench.world(|world| remove(world, 0..3));
    assert_eq!(bench.full_pass().await["deleted"], 3);
    bench.world(|world| remove(world, 3..6));
    let report = bench.full_pass().await;
    assert_eq!(report["held"], 3);
    let approve = report["plan_id"].clone();
    let bench = bench.restarted(table, Mode::Apply).await;
    let report = bench
        .report(json!({ "action": "reconcile", "approve": approve }))
        .await;
    assert_eq!(report["deleted"], 3);
}

#[tokio::test]
async fn deletions_one_by_one_are_a_flood_too() {
    let table = table(|table| table["deletions"] = json!({ "max_percent": 10, "floor": 2 }));
    let bench = Bench::in_agreement(many(27), table).await;
    let group = group_of(&bench, "data-analysts");
    let mut gone = 0;
    for user in 0..6 {
        bench.world(|world| remove(world, user..user + 1));
        let event = member_removed(&group, &id_of(&bench, &format!("user-{user:03}")));
        gone += bench.report(event).await["deleted"].as_i64().unwrap();
    }
    // Of 30 owned mappings 10 percent are 3; of the 29, 28 and 27 then left, 2.
    assert_eq!(gone, 2);
}

// ------------------------------------------------------------------- capacity

#[tokio::test]
async fn what_a_studio_has_no_room_for_is_not_attempted() {
    let table = table(|table| table["studios"]["analytics"]["limits"] = json!({ "users": 3 }));
    let bench = Bench::in_agreement(world(), table.clone()).await;
    bench.world(|world| {
        world.add_member("data-analysts", "dave").unwrap();
        world.add_member("data-engineers", "ops").unwrap();
    });
    let report = bench.full_pass().await;
    assert_eq!(report["over_capacity"], 2);
    assert!(bench.writes().is_empty(), "those already mapped stay");

    // One leaves: the place goes to the one whose rule comes first.
    bench.world(|world| world.remove_member("data-analysts", "carol").unwrap());
    let report = bench.full_pass().await;
    assert_eq!(
        (&report["deleted"], &report["created"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(report["over_capacity"], 1);
    assert!(
        bench
            .mappings()
            .contains(&"analytics USER ops engineer".to_owned())
    );

    // An event finds it as full as the pass does, in a new process too.
    let bench = bench.restarted(table, Mode::Apply).await;
    let event = joined(&bench, "data-analysts", "dave");
    bench.calls();
    assert_eq!(bench.report(event).await["over_capacity"], 1);
    assert!(bench.writes().is_empty());
}

#[tokio::test]
async fn close_to_its_limit_a_studio_is_counted_again_before_anybody_is_added() {
    let table = table(|table| table["studios"]["analytics"]["limits"] = json!({ "users": 4 }));
    let bench = Bench::in_agreement(world(), table).await;
    bench.world(|world| {
        world.add_member("data-analysts", "dave").unwrap();
        world
            .map(ANALYTICS, IdentityType::User, "ops", FOREIGN)
            .unwrap();
    });
    let event = joined(&bench, "data-analysts", "dave");
    assert_eq!(bench.report(event).await["over_capacity"], 1);
    assert!(bench.writes().is_empty());
}

#[tokio::test]
async fn other_peoples_mappings_take_up_room() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "dave", FOREIGN)
        .unwrap();
    let table = table(|table| table["studios"]["analytics"]["limits"] = json!({ "users": 3 }));
    let bench = Bench::new(start, table, Mode::Apply).await;
    let report = bench.full_pass().await;
    assert_eq!(
        (&report["created"], &report["over_capacity"]),
        (&json!(4), &json!(1))
    );
    assert!(
        !bench
            .mappings()
            .contains(&"analytics USER carol analyst".to_owned())
    );
}

// ----------------------------------------------------------------------- mode

#[tokio::test]
async fn mode_plan_reports_what_would_happen_and_writes_nothing() {
    let mut start = many(20);
    start
        .map(ANALYTICS, IdentityType::User, "dave", ANALYST)
        .unwrap();
    start
        .map(ANALYTICS, IdentityType::User, "alice", ANALYST)
        .unwrap();
    let bench = Bench::new(start, table(|_| ()), Mode::Plan).await;
    let report = bench.report(schedule()).await;
    assert_eq!(report["mode"], "plan");
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([
            ("create planned".to_owned(), 24),
            ("update planned".to_owned(), 1),
            ("delete planned".to_owned(), 1)
        ])
    );
    let event = joined(&bench, "data-analysts", "user-000");
    assert_eq!(bench.report(event).await["created"], 1);
    bench.report(json!({ "action": "reconcile" })).await;
    assert!(bench.writes().is_empty());
}

#[tokio::test]
async fn a_request_for_one_studio_looks_at_no_other() {
    let bench = Bench::new(world(), table(|_| ()), Mode::Apply).await;
    for name in ["science", SCIENCE] {
        bench
            .report(json!({ "action": "reconcile", "studio": name }))
            .await;
        assert!(
            bench
                .mappings()
                .iter()
                .all(|row| row.starts_with("science"))
        );
        assert_eq!(bench.mappings().len(), 2);
    }
}

// -------------------------------------------------------------------- explain

#[tokio::test]
async fn explain_names_the_rule_that_wins_those_that_lose_and_the_groups_between() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| world.add_member("data-analysts", "alice").unwrap());
    let answer = bench
        .report(json!({ "action": "explain", "user": "alice" }))
        .await;
    let engineers = group_of(&bench, "data-engineers");
    assert_eq!(answer["identity_id"], id_of(&bench, "alice").as_str());
    assert_eq!(
        answer["studios"][0],
        json!({
            "studio": "analytics", "studio_id": ANALYTICS,
            "wanted": { "rule": 0, "session_policy": ENGINEER, "via_group": engineers },
            "session_policy": ENGINEER, "owned": true,
            "losing_rules": [{
                "rule": 1, "session_policy": ANALYST,
                "via_group": engineers.min(group_of(&bench, "data-analysts")),
            }],
            "verdict": "is mapped as the table says",
        })
    );
    assert_eq!(
        answer["studios"][1]["verdict"],
        "is not mapped: no rule fits"
    );

    for (subject, verdict) in [
        (json!({ "user": "ops" }), "is mapped as the table says"),
        (
            json!({ "group": "data-engineers" }),
            "is mapped as the table says",
        ),
        (
            json!({ "user_id": id_of(&bench, "dave") }),
            "is not mapped: no rule fits",
        ),
    ] {
        let mut request = subject.clone();
        request["action"] = json!("explain");
        let answer = bench.report(request).await;
        assert_eq!(answer["studios"][1]["verdict"], verdict, "{subject}");
    }
    let answer = bench
        .report(json!({ "action": "explain", "user": "nobody" }))
        .await;
    assert!(problems(&answer).contains("there is no USER of that name"));
    assert!(bench.writes().is_empty());
}

// --------------------------------------------------------------------- faults

/// Every way in which a read can fail, or be less than whole.
fn broken_reads() -> Vec<(&'static str, FaultKind)> {
    let lists = [
        ("ListGroups", "Groups"),
        ("ListGroupMemberships", "GroupMemberships"),
        ("ListStudioSessionMappings", "SessionMappings"),
    ];
    let mut faults = Vec::new();
    for (operation, member) in lists {
        faults.extend([
            (operation, FaultKind::Throttle),
            (operation, FaultKind::AccessDenied),
            (operation, FaultKind::ServerError),
            (operation, FaultKind::Garbage),
            (operation, FaultKind::EmptyObject),
            (operation, FaultKind::Truncated),
            (operation, FaultKind::DropAfter),
            (operation, FaultKind::HtmlError),
            (operation, FaultKind::RepeatToken),
            (
                operation,
                FaultKind::DropField {
                    name: member.to_owned(),
                },
            ),
        ]);
    }
    for (operation, field) in [
        ("ListGroups", "GroupId"),
        ("ListGroupMemberships", "MemberId"),
        ("ListGroupMemberships", "UserId"),
        ("ListStudioSessionMappings", "IdentityId"),
        ("ListStudioSessionMappings", "IdentityType"),
        ("ListStudioSessionMappings", "SessionPolicyArn"),
        ("GetGroupId", "GroupId"),
        ("GetUserId", "UserId"),
    ] {
        faults.push((
            operation,
            FaultKind::DropField {
                name: field.to_owned(),
            },
        ));
    }
    faults.push(("GetGroupId", FaultKind::AccessDenied));
    faults.push(("GetGroupId", FaultKind::ServerError));
    faults
}

#[tokio::test]
async fn without_a_complete_and_successful_read_nothing_is_deleted_or_changed() {
    let checks = broken_reads()
        .into_iter()
        .map(|(operation, kind)| async move {
            let mut start = world();
            start.add_group("finance").unwrap();
            start.add_member("data-engineers", "dave").unwrap();
            let bench = Bench::in_agreement(start, table(|_| ())).await;
            let before = bench.mappings();
            bench.world(|world| {
                // Were all of it read, carol would be changed and bob would go.
                world.add_member("data-engineers", "carol").unwrap();
                world.remove_member("data-engineers", "bob").unwrap();
                world.settings.page_size = 1;
                world.settings.max_identity_page = 1;
                world.faults.add(Fault::on(operation, kind.clone()));
            });
            let answer = bench.send(schedule()).await;
            let about = format!("{operation} {kind:?}");
            // A Studio that rests on no failed read goes on as ever.
            let held = match operation {
                "GetUserId" => "science",
                _ => "analytics",
            };
            let after = bench.mappings();
            for row in before.iter().filter(|row| row.starts_with(held)) {
                assert!(after.contains(row), "{about}: {row} is gone: {after:#?}");
            }
            match answer {
                // What a Studio may say of itself is no failure, but it is told.
                Ok(report) if operation == "ListStudioSessionMappings" => {
                    assert_ne!(report["problems"], json!([]), "{about}: {report:#}");
                }
                Ok(report) => assert!(report["failed"].as_i64() > Some(0), "{about}: {report:#}"),
                Err(error) => assert!(!error.to_string().is_empty(), "{about}"),
            }
            bench.world(|world| world.faults.rules.clear());
            bench.full_pass().await;
            assert!(
                bench
                    .mappings()
                    .contains(&"analytics USER carol engineer".to_owned()),
                "{about}"
            );
            assert!(
                !bench
                    .mappings()
                    .iter()
                    .any(|row| row.contains("analytics USER bob")),
                "{about}"
            );
        });
    futures_util::future::join_all(checks).await;
}

#[tokio::test]
async fn a_user_whose_groups_cannot_be_read_keeps_every_mapping() {
    let checks = [
        FaultKind::ServerError,
        FaultKind::AccessDenied,
        FaultKind::EmptyObject,
        FaultKind::Garbage,
        FaultKind::DropField {
            name: "GroupId".to_owned(),
        },
        FaultKind::DropField {
            name: "Results".to_owned(),
        },
        FaultKind::DropField {
            name: "MembershipExists".to_owned(),
        },
        FaultKind::DropRow,
    ]
    .into_iter()
    .map(|kind| async move {
        let bench = Bench::in_agreement(world(), table(|_| ())).await;
        let before = bench.mappings();
        bench.world(|world| {
            world
                .faults
                .add(Fault::on("IsMemberInGroups", kind.clone()))
        });
        let event = member_removed(&group_of(&bench, "data-analysts"), &id_of(&bench, "carol"));
        let _ = bench.send(event).await;
        assert_eq!(bench.mappings(), before, "{kind:?}");
    });
    futures_util::future::join_all(checks).await;
}

#[tokio::test]
async fn one_identity_that_is_refused_stops_nobody_else() {
    let bench = Bench::new(many(8), table(|_| ()), Mode::Apply).await;
    let refused = id_of(&bench, "user-003");
    let kind = FaultKind::Refuse {
        code: "InvalidRequestException".to_owned(),
        message: "Something nobody has seen before.".to_owned(),
    };
    let fault = Fault::on("CreateStudioSessionMapping", kind).containing(&refused);
    bench.world(|world| world.faults.add(fault));
    let report = bench.full_pass().await;
    assert_eq!(
        (&report["created"], &report["failed"]),
        (&json!(12), &json!(1))
    );
    let problems = problems(&report);
    for part in [
        refused.as_str(),
        "Studio analytics",
        "Something nobody has seen before.",
    ] {
        assert!(problems.contains(part), "{problems}");
    }
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_ends_right() {
    for kind in [
        FaultKind::DropAfter,
        FaultKind::Garbage,
        FaultKind::HtmlError,
    ] {
        for operation in [
            "CreateStudioSessionMapping",
            "UpdateStudioSessionMapping",
            "DeleteStudioSessionMapping",
        ] {
            let mut start = world();
            start
                .map(ANALYTICS, IdentityType::User, "dave", ANALYST)
                .unwrap();
            start
                .map(ANALYTICS, IdentityType::User, "alice", ANALYST)
                .unwrap();
            let bench = Bench::new(start, table(|_| ()), Mode::Apply).await;
            bench.world(|world| {
                world
                    .faults
                    .add(Fault::on(operation, kind.clone()).times(1))
            });
            let report = bench.full_pass().await;
            assert_eq!(report["failed"], 0, "{operation} {kind:?}: {report:#}");
            assert_eq!(
                (&report["created"], &report["updated"], &report["deleted"]),
                (&json!(4), &json!(1), &json!(1)),
                "{operation} {kind:?}"
            );
            assert_eq!(bench.full_pass().await["changes"], json!([]));
        }
    }
}

#[tokio::test]
async fn what_fails_for_a_passing_reason_makes_the_invocation_fail_after_all_else_is_done() {
    let bench = Bench::new(world(), table(|_| ()), Mode::Apply).await;
    let alice = id_of(&bench, "alice");
    let fault = Fault::on("CreateStudioSessionMapping", FaultKind::Throttle).containing(&alice);
    bench.world(|world| world.faults.add(fault));
    let error = bench.send(schedule()).await.unwrap_err().to_string();
    assert!(
        error.contains("4 created") && error.contains(&alice),
        "{error}"
    );
    assert_eq!(bench.mappings().len(), 4);
}

#[tokio::test]
async fn a_studio_that_is_not_there_or_not_for_sso_is_refused_and_the_other_goes_on() {
    let mut start = world();
    start.studios.get_mut(SCIENCE).unwrap().auth_mode = AuthMode::Iam;
    let bench = Bench::new(start, table(|_| ()), Mode::Apply).await;
    let report = bench.full_pass().await;
    assert_eq!(
        (&report["created"], &report["failed"]),
        (&json!(3), &json!(1))
    );
    assert!(
        problems(&report)
            .contains("Studio science (es-0123456789ABCDEFGHIJKLMNO) signs people in with IAM")
    );

    let table = table(|table| table["studios"]["science"]["id"] = json!("es-NOWHERE"));
    let bench = Bench::new(world(), table, Mode::Apply).await;
    let report = bench.full_pass().await;
    assert_eq!(
        (&report["created"], &report["failed"]),
        (&json!(3), &json!(1))
    );
    assert!(
        problems(&report).contains(
            "Studio science (es-NOWHERE) cannot be read: DescribeStudio failed: \
             InvalidRequestException"
        ),
        "{report:#}"
    );
    assert!(problems(&report).contains("check the Studio's id, region and role_arn"));
}

#[tokio::test]
async fn a_studio_that_may_not_be_described_is_used_all_the_same() {
    let bench = Bench::new(world(), table(|_| ()), Mode::Apply).await;
    bench.world(|world| {
        world
            .faults
            .add(Fault::on("DescribeStudio", FaultKind::AccessDenied));
    });
    let report = bench.full_pass().await;
    assert_eq!(
        (&report["created"], &report["failed"]),
        (&json!(5), &json!(0))
    );
    bench.calls();
    bench.full_pass().await;
    assert!(
        !counts(&bench.calls()).contains_key("DescribeStudio"),
        "asked only once"
    );
}

#[tokio::test]
async fn a_mapping_that_appears_between_reading_and_writing_is_looked_at_before_it_is_changed() {
    for (policy, expected) in [
        (ANALYST, "analytics USER carol analyst"),
        (ENGINEER, "analytics USER carol analyst"),
        (FOREIGN, "analytics USER carol somebody-elses"),
    ] {
        let bench = Bench::new(world(), table(|_| ()), Mode::Apply).await;
        let kind = FaultKind::Latency(Duration::from_millis(400));
        bench.world(|world| {
            world
                .faults
                .add(Fault::on("CreateStudioSessionMapping", kind).times(5));
        });
        let somebody = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            bench.world(|world| {
                world
                    .map(ANALYTICS, IdentityType::User, "carol", policy)
                    .unwrap();
            });
        };
        let (report, ()) = tokio::join!(bench.report(schedule()), somebody);
        assert!(
            bench.mappings().contains(&expected.to_owned()),
            "{policy}: {report:#}"
        );
        assert_eq!(report["failed"], 0, "{report:#}");
    }
}

#[tokio::test]
async fn a_group_that_vanishes_behind_a_remembered_id_is_looked_up_again() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    // Its event is lost; dave's comes.
    bench.world(|world| {
        world.delete_group("data-analysts").unwrap();
        world.add_group("data-analysts").unwrap();
        world.add_member("data-analysts", "dave").unwrap();
    });
    let event = joined(&bench, "data-analysts", "dave");
    assert_eq!(bench.report(event).await["created"], 1);
}

#[tokio::test]
async fn many_mappings_are_read_page_by_page_to_the_last() {
    let mut start = many(90);
    start.settings.page_size = 7;
    start.settings.max_identity_page = 9;
    let bench = Bench::in_agreement(start, table(|_| ())).await;
    assert_eq!(bench.mappings().len(), 95);
    assert_eq!(bench.full_pass().await["unchanged"], 95);
    assert!(bench.writes().is_empty());
}

// ------------------------------------------- found by looking for them, kept

#[tokio::test]
async fn a_wrong_approval_deletes_nothing_even_where_a_creation_meets_another() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| {
        world.remove_member("data-analysts", "carol").unwrap();
        world.add_member("data-analysts", "dave").unwrap();
        let slow = FaultKind::Latency(Duration::from_millis(400));
        world
            .faults
            .add(Fault::on("CreateStudioSessionMapping", slow));
    });
    let somebody = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        bench.world(|world| {
            world
                .map(ANALYTICS, IdentityType::User, "dave", FOREIGN)
                .unwrap();
        });
    };
    let wrong = json!({ "action": "reconcile", "approve": "0000000000000000" });
    let (report, ()) = tokio::join!(bench.report(wrong), somebody);
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([("delete skipped".to_owned(), 1)])
    );
    assert!(
        problems(&report).contains("left alone"),
        "the other one is told: {report:#}"
    );
    assert!(
        bench
            .mappings()
            .contains(&"analytics USER carol analyst".to_owned())
    );
}

#[tokio::test]
async fn a_creation_that_meets_another_leaves_all_else_in_the_report_as_it_was() {
    let bench = Bench::in_agreement(many(40), table(|_| ())).await;
    let refused = bench.world(|world| {
        remove(world, 0..30);
        world.add_member("data-analysts", "dave").unwrap();
        let refused = world.add_user("refused").unwrap();
        world.add_member("data-analysts", "refused").unwrap();
        let slow = FaultKind::Latency(Duration::from_millis(400));
        world
            .faults
            .add(Fault::on("CreateStudioSessionMapping", slow));
        let no = FaultKind::Refuse {
            code: "InvalidRequestException".to_owned(),
            message: "No.".to_owned(),
        };
        world
            .faults
            .add(Fault::on("CreateStudioSessionMapping", no).containing(&refused));
        refused
    });
    let somebody = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        bench.world(|world| {
            world
                .map(ANALYTICS, IdentityType::User, "dave", ENGINEER)
                .unwrap();
        });
    };
    let (report, ()) = tokio::join!(bench.report(schedule()), somebody);
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([
            ("create failed".to_owned(), 1),
            ("delete held".to_owned(), 30),
            ("update done".to_owned(), 1),
        ]),
        "{refused}: {report:#}"
    );
    assert_eq!(
        (&report["held"], &report["failed"]),
        (&json!(30), &json!(1))
    );
    assert!(report["plan_id"].is_string());
}

#[tokio::test]
async fn who_is_removed_and_comes_back_is_deleted_only_so_often() {
    let table = table(|table| table["deletions"] = json!({ "max_percent": 0, "floor": 2 }));
    let bench = Bench::in_agreement(world(), table).await;
    let mut deleted = 0;
    for _ in 0..4 {
        bench.world(|world| world.remove_member("data-analysts", "carol").unwrap());
        deleted += bench.full_pass().await["deleted"].as_i64().unwrap();
        bench.world(|world| drop(world.add_member("data-analysts", "carol").unwrap()));
        bench.full_pass().await;
    }
    assert_eq!(deleted, 2);
}

#[tokio::test]
async fn who_leaves_makes_room_for_one_and_not_for_two() {
    let table = table(|table| table["studios"]["analytics"]["limits"] = json!({ "users": 3 }));
    let bench = Bench::in_agreement(world(), table).await;
    bench.world(|world| {
        world.remove_member("data-analysts", "carol").unwrap();
        world.add_member("data-analysts", "dave").unwrap();
        world.add_member("data-analysts", "ops").unwrap();
    });
    let group = group_of(&bench, "data-analysts");
    let events = [
        member_removed(&group, &id_of(&bench, "carol")),
        member_added(&group, &id_of(&bench, "dave")),
        member_added(&group, &id_of(&bench, "ops")),
    ];
    bench
        .report(batch(events.map(|event| event.to_string())))
        .await;
    let analytics = |row: &&String| row.starts_with("analytics");
    assert_eq!(bench.mappings().iter().filter(analytics).count(), 3);
}

#[tokio::test]
async fn who_is_protected_and_gone_is_recognized_even_without_a_name() {
    let table = table(|table| table["protect"] = json!([{ "user": "carol" }]));
    let bench = Bench::in_agreement(world(), table).await;
    bench.world(|world| {
        world.delete_user("carol").unwrap();
        let nameless = FaultKind::DropField {
            name: "IdentityName".to_owned(),
        };
        world
            .faults
            .add(Fault::on("ListStudioSessionMappings", nameless));
    });
    bench.full_pass().await;
    assert!(bench.writes().is_empty());
}

#[tokio::test]
async fn an_answer_that_breaks_once_is_asked_for_again() {
    for (operation, field) in [
        ("ListGroupMemberships", "UserId"),
        ("ListStudioSessionMappings", "SessionPolicyArn"),
        ("ListGroups", "GroupId"),
        ("GetGroupId", "GroupId"),
    ] {
        let bench = Bench::new(world(), table(|_| ()), Mode::Apply).await;
        let kind = FaultKind::DropField {
            name: field.to_owned(),
        };
        bench.world(|world| world.faults.add(Fault::on(operation, kind).times(1)));
        let report = bench.full_pass().await;
        assert_eq!(
            (&report["created"], &report["failed"]),
            (&json!(5), &json!(0)),
            "{operation}"
        );
    }
}

#[tokio::test]
async fn retries_keep_the_pace_too() {
    let slow = table(|table| table["pace"] = json!({ "emr_per_second": 4, "emr_burst": 10 }));
    let bench = Bench::new(many(30), slow, Mode::Apply).await;
    bench.world(|world| world.faults.add(Fault::on("emr", FaultKind::Throttle)));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10 + 3);
    let _ = bench.function.handle(schedule(), deadline).await;
    let emr = bench
        .calls()
        .iter()
        .filter(|call| call.operation.contains("Studio"))
        .count();
    assert!(emr <= 10 + 3 * 4 + 1, "{emr} calls in three seconds");
}

#[tokio::test]
async fn a_fresh_event_of_a_group_that_no_rule_asks_about_is_not_waited_for() {
    let mut start = world();
    start.add_group("finance").unwrap();
    start.add_member("finance", "dave").unwrap();
    let bench = Bench::in_agreement(start, table(|_| ())).await;
    let event = joined(&bench, "finance", "dave");
    bench.report(just_now(event)).await;
    assert_eq!(counts(&bench.calls())["IsMemberInGroups"], 1);
}

#[tokio::test]
async fn an_id_in_capitals_is_the_same_id() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| drop(world.add_member("data-analysts", "dave").unwrap()));
    let (group, dave) = (group_of(&bench, "data-analysts"), id_of(&bench, "dave"));
    let event = member_added(&group.to_uppercase(), &dave.to_uppercase());
    assert_eq!(bench.report(event).await["created"], 1);
}

#[tokio::test]
async fn a_group_renamed_out_of_a_pattern_is_missed_by_no_new_process() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let group = group_of(&bench, "data-analysts");
    bench.world(|world| {
        world
            .rename_group("data-analysts", "former-analysts")
            .unwrap()
    });
    let bench = bench.restarted(table(|_| ()), Mode::Apply).await;
    let report = bench.report(group_event("UpdateGroup", &group)).await;
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([("delete done".to_owned(), 1)])
    );
}

#[tokio::test]
async fn many_identities_at_once_are_listed_and_not_asked_for_one_by_one() {
    let bench = Bench::in_agreement(many(20), table(|_| ())).await;
    let group = group_of(&bench, "data-analysts");
    let events = (0..10)
        .map(|user| member_added(&group, &id_of(&bench, &format!("user-{user:03}"))).to_string());
    let events: Vec<String> = events.collect();
    bench.report(batch(events)).await;
    let calls = bench.calls();
    assert!(!counts(&calls).contains_key("GetStudioSessionMapping"));
    // In the other Studio nobody of them was mapped a moment ago, nor should be.
    assert_eq!(counts(&calls)["ListStudioSessionMappings"], 1);
}

#[tokio::test]
async fn a_message_with_odd_fields_that_nobody_uses_is_read_all_the_same() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| drop(world.add_member("data-analysts", "dave").unwrap()));
    let event = joined(&bench, "data-analysts", "dave");
    let mut batch = batch([event.to_string()]);
    batch["Records"][0]["attributes"] = json!({ "ApproximateReceiveCount": 1 });
    batch["Records"][0]["awsRegion"] = json!(7);
    bench.report(batch).await;
    assert!(
        bench
            .mappings()
            .contains(&"analytics USER dave analyst".to_owned())
    );
}

#[tokio::test]
async fn what_is_wrong_with_an_answer_is_told_without_quoting_it() {
    let table = table(|table| table["on_disabled_user"] = json!("remove"));
    let bench = Bench::new(world(), table, Mode::Apply).await;
    let kind = FaultKind::DropField {
        name: "UserId".to_owned(),
    };
    bench.world(|world| world.faults.add(Fault::on("DescribeUser", kind)));
    let error = bench.send(schedule()).await.unwrap_err().to_string();
    assert!(
        error.contains("DescribeUser was answered without UserId"),
        "{error}"
    );
    for name in ["alice", "bob", "carol"] {
        assert!(!error.contains(name), "{error}");
    }
}

#[tokio::test]
async fn a_group_that_meets_another_mapping_brings_no_deletion_with_it() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let group = group_of(&bench, "data-engineers");
    let key = (SCIENCE.to_owned(), IdentityType::Group, group);
    bench.world(|world| {
        world.mappings.remove(&key).unwrap();
        world.rename_user("ops", "former-ops").unwrap();
        let slow = FaultKind::Latency(Duration::from_millis(400));
        world
            .faults
            .add(Fault::on("CreateStudioSessionMapping", slow));
    });
    let somebody = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        bench.world(|world| {
            world
                .map(SCIENCE, IdentityType::Group, "data-engineers", FOREIGN)
                .unwrap();
        });
    };
    let wrong = json!({ "action": "reconcile", "approve": "0000000000000000" });
    let (report, ()) = tokio::join!(bench.report(wrong), somebody);
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([("delete skipped".to_owned(), 1)])
    );
    assert!(
        bench
            .mappings()
            .contains(&"science USER former-ops engineer".to_owned())
    );
}

#[tokio::test]
async fn a_group_renamed_away_from_the_name_of_a_rule_is_missed_by_no_new_process() {
    let table = table(|table| {
        table["on_missing_group"] = json!("revoke");
        table["rules"] = json!([
            { "group": "data-engineers", "studio": "science", "session_policy": "analyst", "assign": "members" },
        ]);
    });
    let bench = Bench::in_agreement(world(), table.clone()).await;
    assert_eq!(bench.mappings().len(), 2);
    let group = group_of(&bench, "data-engineers");
    bench.world(|world| world.rename_group("data-engineers", "renamed").unwrap());
    let bench = bench.restarted(table, Mode::Apply).await;
    bench.report(group_event("UpdateGroup", &group)).await;
    assert_eq!(bench.mappings(), Vec::<String>::new());
}

#[tokio::test]
async fn who_is_mapped_in_a_row_without_an_id_is_refused_another_mapping_and_not_tried_again_soon()
{
    let mut start = world();
    // So many that they are not asked for one by one.
    for number in 0..6 {
        let name = format!("user-{number}");
        let id = start.add_user(&name).unwrap();
        start.add_member("data-analysts", &name).unwrap();
        start
            .map(ANALYTICS, IdentityType::User, &name, FOREIGN)
            .unwrap();
        start.settings.rows_without_id.insert(id);
    }
    let bench = Bench::new(start, table(|_| ()), Mode::Apply).await;
    let report = bench.full_pass().await;
    let told = problems(&report);
    assert!(
        told.contains("listed without the id of whose it is"),
        "{told}"
    );
    assert_eq!(report["failed"], 6, "{report:#}");
    bench.calls();
    bench.report(unfinished()).await;
    assert_eq!(bench.calls().len(), 0, "nothing is unfinished");
}

#[tokio::test]
async fn who_is_gone_and_still_listed_as_a_member_takes_the_room_from_nobody() {
    let mut start = world();
    start.settings.memberships_outlive_users = true;
    // Alice's id is before bob's, and she would come first.
    start.delete_user("alice").unwrap();
    let table = table(|table| table["studios"]["analytics"]["limits"] = json!({ "users": 1 }));
    let bench = Bench::new(start, table, Mode::Apply).await;
    let report = bench.full_pass().await;
    let expected = BTreeMap::from([
        ("create done".to_owned(), 3),
        ("create gone".to_owned(), 1),
        ("create over_capacity".to_owned(), 1),
    ]);
    assert_eq!(outcomes(&report), expected, "{report:#}");
    assert!(
        bench
            .mappings()
            .contains(&"analytics USER bob engineer".to_owned())
    );
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_takes_its_room() {
    let table = table(|table| {
        table["studios"]["analytics"]["limits"] = json!({ "users": 3 });
        table["rules"] = json!([
            { "group": "data-engineers", "studio": "analytics", "session_policy": "engineer", "assign": "members" },
        ]);
    });
    let mut start = World::default();
    start.add_studio(ANALYTICS).unwrap();
    start.add_studio(SCIENCE).unwrap();
    start.add_group("data-engineers").unwrap();
    for user in ["ana", "bea", "cleo", "dan"] {
        start.add_user(user).unwrap();
    }
    let bench = Bench::in_agreement(start, table).await;
    let joins = |user: &str| {
        bench.world(|world| world.add_member("data-engineers", user).unwrap());
        joined(&bench, "data-engineers", user).to_string()
    };
    let lost = Fault::on("CreateStudioSessionMapping", FaultKind::DropAfter);
    bench.world(|world| world.faults.add(lost));
    bench.report(batch(["ana", "bea"].map(joins))).await;
    bench.world(|world| world.faults.rules.clear());
    bench.report(batch([joins("cleo")])).await;
    bench.report(batch([joins("dan")])).await;
    assert_eq!(bench.mappings().len(), 3, "{:?}", bench.mappings());
}

#[tokio::test]
async fn an_order_left_unfinished_says_created_only_of_what_was_created() {
    let mut start = world();
    let group = start.group_id("data-engineers").unwrap();
    let down = Fault::on("IsMemberInGroups", FaultKind::ServiceUnavailable);
    start.faults.add(down);
    let down = Fault::on("ListGroupMemberships", FaultKind::ServiceUnavailable);
    start.faults.add(down.containing(&group));
    let bench = Bench::new(start, table(|_| ()), Mode::Apply).await;
    for (action, words) in [("plan", " to create, "), ("reconcile", " created, ")] {
        let told = bench.send(json!({ "action": action })).await.unwrap_err();
        let told = told.to_string();
        let counted = told.split_once("; run it again: ").expect(&told).0;
        assert!(counted.contains(words), "{action}: {told}");
    }
}
