//! What happens next: after a failure, in the next invocation, in the next
//! process, and beside others.

use crate::support;

use std::time::Duration;

use emr_studio_sync::config::Mode;
use emr_studio_sync::emulator::{Call, Fault, FaultKind, IdentityType};
use serde_json::{Value, json};
use support::{
    ANALYST, ANALYTICS, Bench, ENGINEER, SCIENCE, batch, event, group_event, member_added,
    member_removed, schedule, table, unfinished, world,
};

/// What a batch of these is answered, each delivered so often.
async fn deliver(bench: &Bench, events: &[Value], receives: u32) -> Vec<String> {
    let bodies = events.iter().map(ToString::to_string);
    let mut batch = batch(bodies);
    for record in batch["Records"].as_array_mut().unwrap() {
        record["attributes"] = json!({ "ApproximateReceiveCount": receives.to_string() });
    }
    let answer = bench.report(batch).await;
    let failures = answer["batchItemFailures"].as_array().unwrap().iter();
    failures
        .map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned())
        .collect()
}

async fn reminded(bench: &Bench) {
    assert!(deliver(bench, &[unfinished()], 1).await.is_empty());
}

fn ids(bench: &Bench, user: &str, group: &str) -> (String, String) {
    bench.world(|world| (world.user_id(user).unwrap(), world.group_id(group).unwrap()))
}

fn joins(bench: &Bench, user: &str, group: &str) -> Value {
    bench.world(|world| world.add_member(group, user).unwrap());
    let (user, group) = ids(bench, user, group);
    member_added(&group, &user)
}

fn leaves(bench: &Bench, user: &str, group: &str) -> Value {
    let (user_id, group_id) = ids(bench, user, group);
    bench.world(|world| world.remove_member(group, user).unwrap());
    member_removed(&group_id, &user_id)
}

fn fault(bench: &Bench, fault: Fault) {
    bench.world(|world| world.faults.add(fault));
}

fn mend(bench: &Bench) {
    bench.world(|world| world.faults.rules.clear());
}

fn is_mapped(bench: &Bench, row: &str) -> bool {
    bench.mappings().contains(&row.to_owned())
}

fn of(calls: &[Call], operation: &str) -> usize {
    calls
        .iter()
        .filter(|call| call.operation == operation)
        .count()
}

// -------------------------------------------------------- doubts, by identity

#[tokio::test]
async fn of_two_people_in_one_batch_a_read_that_fails_for_one_keeps_the_other_from_nothing() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let (bob, _) = ids(&bench, "bob", "data-engineers");
    let fails = Fault::on("IsMemberInGroups", FaultKind::ServerError);
    fault(&bench, fails.containing(&bob));
    let events = [
        leaves(&bench, "alice", "data-engineers"),
        leaves(&bench, "bob", "data-engineers"),
    ];
    assert!(deliver(&bench, &events, 1).await.is_empty(), "nobody waits");
    assert!(!is_mapped(&bench, "analytics USER alice engineer"));
    assert!(is_mapped(&bench, "analytics USER bob engineer"));
    mend(&bench);
    reminded(&bench).await;
    assert!(!is_mapped(&bench, "analytics USER bob engineer"));
}

#[tokio::test]
async fn the_second_rule_gives_nobody_its_policy_while_the_first_is_unread() {
    let bench = Bench::new(world(), table(|_| ()), Mode::Apply).await;
    fault(&bench, Fault::on("GetGroupId", FaultKind::ServerError));
    deliver(&bench, &[schedule()], 1).await;
    // Alice would be an analyst by the second rule, which is the lesser of two
    // here and might be the greater.
    assert_eq!(bench.mappings(), ["science USER ops engineer"]);
    mend(&bench);
    reminded(&bench).await;
    assert!(is_mapped(&bench, "analytics USER alice engineer"));
    assert!(is_mapped(&bench, "analytics USER carol analyst"));
}

#[tokio::test]
async fn who_is_gone_goes_while_a_protected_user_is_not_found_and_who_is_there_stays() {
    let table = table(|table| table["protect"] = json!([{ "user": "nobody" }]));
    let mut start = world();
    start.add_user("nobody").unwrap();
    let bench = Bench::in_agreement(start, table).await;
    bench.world(|world| {
        world.rename_user("nobody", "somebody").unwrap();
        world.remove_member("data-engineers", "alice").unwrap();
        world.delete_user("bob").unwrap();
    });
    let report = bench.full_pass().await;
    assert!(
        is_mapped(&bench, "analytics USER alice engineer"),
        "{report:#}"
    );
    assert!(
        !bench
            .mappings()
            .iter()
            .any(|row| row.contains("analytics USER a0000000"))
    );
    let problems = report["problems"].to_string();
    assert!(
        problems.contains("protect[0]: the user it names is not there"),
        "{problems}"
    );
    // Found again, under the old name: then all is as ever.
    bench.world(|world| world.rename_user("somebody", "nobody").unwrap());
    bench.full_pass().await;
    assert!(!is_mapped(&bench, "analytics USER alice engineer"));
}

#[tokio::test]
async fn a_rule_whose_user_is_not_found_says_that_it_may_be_the_same_person() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| world.rename_user("ops", "operations").unwrap());
    let report = bench.full_pass().await;
    assert_eq!(report["deleted"], 1);
    let problems = report["problems"].to_string();
    let said = "rules[3]: the user it names is not there; the rule maps nobody, and what it had \
                mapped goes. If it is the same person under a new name, write that name, or \
                user_id, which survives it";
    assert!(problems.contains(said), "{problems}");
}

// ------------------------------------------------ nothing waits behind a failure

#[tokio::test]
async fn while_one_studio_is_down_the_other_is_served_and_what_was_missed_is_made_up_for() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let down = Fault::on("emr", FaultKind::ServerError);
    fault(&bench, down.containing(SCIENCE));
    let events = [
        joins(&bench, "dave", "data-analysts"),
        leaves(&bench, "carol", "data-analysts"),
        schedule(),
    ];
    assert!(deliver(&bench, &events, 1).await.is_empty());
    assert!(is_mapped(&bench, "analytics USER dave analyst"));
    assert!(!is_mapped(&bench, "analytics USER carol analyst"));
    bench.world(|world| world.mappings.retain(|(studio, ..), _| studio != SCIENCE));
    mend(&bench);
    reminded(&bench).await;
    assert!(is_mapped(&bench, "science USER ops engineer"));
    // And then there is nothing left to do, and no call for it.
    bench.calls();
    reminded(&bench).await;
    assert!(bench.calls().is_empty());
}

#[tokio::test]
async fn a_message_comes_back_only_if_no_studio_could_be_dealt_with_and_three_times() {
    for service in ["emr", "identitystore"] {
        let bench = Bench::new(world(), table(|_| ()), Mode::Apply).await;
        fault(&bench, Fault::on(service, FaultKind::ServerError));
        let events = [
            joins(&bench, "dave", "data-analysts"),
            json!({ "source": "aws.ec2", "detail-type": "no concern", "detail": {} }),
        ];
        for receives in 1..=3 {
            let back = deliver(&bench, &events, receives).await;
            assert_eq!(back, ["m0"], "{service}, delivered {receives} times");
        }
        assert!(deliver(&bench, &events, 4).await.is_empty(), "{service}");
        mend(&bench);
        // It is kept all the same: after so many tries, for when its pause is over.
        assert!(bench.function.unfinished() > 0, "{service}");
    }
}

#[tokio::test]
async fn what_will_fail_again_comes_back_to_nobody() {
    let bench = Bench::new(world(), table(|_| ()), Mode::Apply).await;
    fault(&bench, Fault::on("emr", FaultKind::AccessDenied));
    let event = joins(&bench, "dave", "data-analysts");
    assert!(deliver(&bench, &[event], 1).await.is_empty());
    assert_eq!(bench.function.unfinished(), 0);
}

#[tokio::test]
async fn messages_that_a_later_full_pass_has_covered_cost_no_call() {
    let bench = Bench::new(world(), table(|_| ()), Mode::Apply).await;
    let removed = |sent_ms: i64| {
        let mut batch = batch([event("DeleteGroupMembership", json!({}), Value::Null).to_string()]);
        batch["Records"][0]["attributes"] = json!({ "SentTimestamp": sent_ms.to_string() });
        batch
    };
    let now = chrono::Utc::now().timestamp_millis();
    bench.report(removed(now - 60_000)).await;
    assert!(!bench.calls().is_empty(), "nothing has covered it yet");
    for sent in [now - 60_000, now - 3_600_000] {
        bench.report(removed(sent)).await;
        assert!(bench.calls().is_empty());
    }
    // The directory may have lagged behind what had just been sent.
    bench.report(removed(now - 1_000)).await;
    assert!(!bench.calls().is_empty());
}

#[tokio::test]
async fn a_full_pass_that_was_not_complete_covers_nothing() {
    let bench = Bench::new(world(), table(|_| ()), Mode::Apply).await;
    let unread = Fault::on("ListStudioSessionMappings", FaultKind::AccessDenied);
    fault(&bench, unread.containing(SCIENCE));
    bench.report(batch([schedule().to_string()])).await;
    bench.calls();
    let mut old = batch([schedule().to_string()]);
    old["Records"][0]["attributes"] = json!({ "SentTimestamp": "1000" });
    bench.report(old).await;
    assert!(!bench.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_studio_that_is_slow_delays_no_other() {
    // Whichever comes first in the table.
    for (slow, other) in [(ANALYTICS, SCIENCE), (SCIENCE, ANALYTICS)] {
        let bench = Bench::in_process(world(), table(|_| ()), Mode::Apply).await;
        bench.full_pass().await;
        bench.calls();
        let latency = FaultKind::Latency(Duration::from_secs(15));
        let list = Fault::on("ListStudioSessionMappings", latency);
        fault(&bench, list.containing(slow));
        // Nobody's in either Studio, and to go from both.
        bench.world(|world| {
            for studio in [ANALYTICS, SCIENCE] {
                let user = IdentityType::User;
                world.map(studio, user, "dave", ANALYST).unwrap();
            }
        });
        let begun = tokio::time::Instant::now();
        bench.report(schedule()).await;
        let calls = bench.calls();
        let made = calls.iter().find(|call| {
            call.operation == "DeleteStudioSessionMapping" && call.input["StudioId"] == other
        });
        let after = made.unwrap().arrived.duration_since(begun);
        assert!(after < Duration::from_secs(2), "{other}: {after:?}");
    }
}

#[tokio::test]
async fn a_studio_whose_changes_fail_in_a_row_is_left_for_later() {
    let mut start = world();
    for number in 0..40 {
        start.add_user(&format!("user-{number}")).unwrap();
        start
            .add_member("data-analysts", &format!("user-{number}"))
            .unwrap();
    }
    let bench = Bench::new(start, table(|_| ()), Mode::Apply).await;
    let fails = Fault::on("CreateStudioSessionMapping", FaultKind::ServerError);
    fault(&bench, fails.containing(ANALYTICS));
    deliver(&bench, &[schedule()], 1).await;
    let tried = of(&bench.calls(), "CreateStudioSessionMapping");
    // A few at a time, four attempts each, and three in a row are enough.
    assert!(tried <= 4 * (3 + 4), "{tried} attempts");
    assert!(is_mapped(&bench, "science USER ops engineer"));
    mend(&bench);
    reminded(&bench).await;
    assert_eq!(bench.mappings().len(), 45);
}

#[tokio::test]
async fn a_direct_invocation_with_something_unfinished_ends_in_an_error() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let (dave, _) = ids(&bench, "dave", "data-analysts");
    let fails = Fault::on("CreateStudioSessionMapping", FaultKind::ServerError);
    fault(&bench, fails.containing(&dave));
    let event = joins(&bench, "dave", "data-analysts");
    assert!(bench.send(event).await.is_err());
    mend(&bench);
    assert_eq!(bench.report(unfinished()).await["created"], 1);
    let (ops, _) = ids(&bench, "ops", "data-analysts");
    bench.world(|world| world.mappings.clear());
    let fails = Fault::on("CreateStudioSessionMapping", FaultKind::ServerError);
    fault(&bench, fails.containing(&ops));
    let error = bench
        .send(json!({ "action": "reconcile" }))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("run it again"), "{error}");
}

// ------------------------------------------- what is remembered decides nothing

#[tokio::test]
async fn a_member_of_a_group_that_memory_does_not_know_is_mapped_all_the_same() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| world.add_group("data-new").unwrap());
    let event = joins(&bench, "dave", "data-new");
    assert_eq!(bench.report(event).await["created"], 1);
}

#[tokio::test]
async fn a_group_renamed_into_a_pattern_or_a_name_brings_its_new_member_in_although_unheard_of() {
    for (to, row) in [
        ("data-ops", "analytics USER dave analyst"),
        ("data-engineers", "analytics USER dave engineer"),
    ] {
        let mut start = world();
        start.add_group("finance").unwrap();
        let bench = Bench::in_agreement(start, table(|_| ())).await;
        bench.world(|world| {
            let _ = world.rename_group("data-engineers", "former");
            world.rename_group("finance", to).unwrap();
        });
        let event = joins(&bench, "dave", to);
        bench.report(event).await;
        let hold = to == "data-ops";
        assert_eq!(
            is_mapped(&bench, row),
            !hold,
            "{to}: {:?}",
            bench.mappings()
        );
    }
}

#[tokio::test]
async fn a_group_renamed_out_of_a_pattern_brings_nobody_in_although_unheard_of() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| world.rename_group("data-analysts", "former").unwrap());
    let joined = joins(&bench, "dave", "former");
    // The event of it may be lost too, and another lead to him.
    let (dave, _) = ids(&bench, "dave", "former");
    for event in [
        event("UpdateUser", json!({ "userId": dave }), Value::Null),
        joined,
    ] {
        let report = bench.report(event).await;
        assert_eq!(report["created"], 0, "{report:#}");
    }
}

#[tokio::test]
async fn who_bears_a_rules_name_no_longer_is_not_mapped_by_it() {
    let bench = Bench::new(world(), table(|_| ()), Mode::Apply).await;
    let (ops, analysts) = ids(&bench, "ops", "data-analysts");
    let refused = FaultKind::Refuse {
        code: "InvalidRequestException".to_owned(),
        message: "not today".to_owned(),
    };
    fault(
        &bench,
        Fault::on("CreateStudioSessionMapping", refused).containing(&ops),
    );
    bench.full_pass().await;
    mend(&bench);
    // The event of this is lost, and the next one is about something else.
    bench.world(|world| world.rename_user("ops", "operations").unwrap());
    bench.report(member_removed(&analysts, &ops)).await;
    assert!(
        !bench
            .mappings()
            .iter()
            .any(|row| row.contains("science USER"))
    );
}

#[tokio::test]
async fn for_whom_no_rule_wants_anything_a_list_of_the_last_minutes_is_answer_enough() {
    let mut start = world();
    start.add_group("finance").unwrap();
    let bench = Bench::in_agreement(start, table(|_| ())).await;
    let event = joins(&bench, "dave", "finance");
    for _ in 0..3 {
        bench.report(event.clone()).await;
    }
    let calls = bench.calls();
    assert!(
        !calls.iter().any(|call| call.operation.contains("Studio")),
        "{calls:#?}"
    );
}

#[tokio::test]
async fn who_was_mapped_by_somebody_else_meanwhile_is_met_and_looked_at() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| {
        world
            .map(ANALYTICS, IdentityType::User, "dave", ENGINEER)
            .unwrap()
    });
    let event = joins(&bench, "dave", "data-analysts");
    let report = bench.report(event).await;
    assert_eq!(report["updated"], 1, "{report:#}");
    assert!(is_mapped(&bench, "analytics USER dave analyst"));
}

// ------------------------------------------------------------------ the guard

#[tokio::test]
async fn what_a_person_approved_does_not_count_against_the_next() {
    let mut start = world();
    for number in 0..20 {
        start.add_user(&format!("user-{number}")).unwrap();
        start
            .add_member("data-analysts", &format!("user-{number}"))
            .unwrap();
    }
    let bench = Bench::in_agreement(start, table(|_| ())).await;
    bench.world(|world| {
        for number in 0..8 {
            world
                .remove_member("data-analysts", &format!("user-{number}"))
                .unwrap();
        }
    });
    let held = bench.full_pass().await;
    assert_eq!(held["held"], 8);
    let approve = json!({ "action": "reconcile", "approve": held["plan_id"] });
    assert_eq!(bench.report(approve).await["deleted"], 8);
    let event = leaves(&bench, "user-8", "data-analysts");
    assert_eq!(bench.report(event).await["deleted"], 1);
}

#[tokio::test]
async fn a_plan_that_would_empty_a_studio_waits_unless_all_may_go() {
    for (percent, expected) in [(99, "held"), (100, "deleted")] {
        let table = table(|table| {
            table["deletions"] = json!({ "max_percent": percent });
            table["on_missing_group"] = json!("revoke");
        });
        let bench = Bench::in_agreement(world(), table).await;
        bench.world(|world| {
            for group in ["data-engineers", "data-analysts"] {
                world.delete_group(group).unwrap();
            }
        });
        let report = bench.full_pass().await;
        let analytics = report["changes"].as_array().unwrap().iter();
        let analytics = analytics.filter(|change| change["studio"] == "analytics");
        assert_eq!(analytics.count(), 3);
        let all = if expected == "held" { 3 } else { 4 };
        assert_eq!(report[expected], all, "{percent}: {report:#}");
    }
}

#[tokio::test]
async fn a_studio_that_would_lose_everybody_still_waits_when_somebody_new_has_come() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| {
        for user in ["alice", "bob"] {
            world.remove_member("data-engineers", user).unwrap();
        }
        world.remove_member("data-analysts", "carol").unwrap();
        world.add_member("data-analysts", "dave").unwrap();
    });
    let first = bench.full_pass().await;
    assert_eq!((&first["held"], &first["created"]), (&json!(3), &json!(1)));
    let second = bench.full_pass().await;
    assert_eq!(second["deleted"], 0, "nobody has approved: {second:#}");
    // One of them is meant to stay after all: what is left is no flood.
    bench.world(|world| world.add_member("data-analysts", "carol").unwrap());
    assert_eq!(bench.full_pass().await["deleted"], 2);
}

// ---------------------------------------------------------------------- others

#[tokio::test]
async fn of_two_fresh_events_about_one_membership_the_later_counts() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let (dave, analysts) = ids(&bench, "dave", "data-analysts");
    let at = |mut event: Value, seconds: i64| {
        let time = chrono::Utc::now() - chrono::TimeDelta::seconds(seconds);
        event["detail"]["eventTime"] = json!(time.to_rfc3339());
        event
    };
    // Added, and removed again: the directory does not lag, whatever the order.
    let added = at(member_added(&analysts, &dave), 20);
    let removed = at(member_removed(&analysts, &dave), 10);
    for events in [[added.clone(), removed.clone()], [removed, added]] {
        deliver(&bench, &events, 1).await;
        assert_eq!(of(&bench.calls(), "IsMemberInGroups"), 1, "read once");
    }
}

#[tokio::test]
async fn an_event_of_a_group_that_fails_is_finished_with_everybody_in_it() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let (dave, analysts) = ids(&bench, "dave", "data-analysts");
    bench.world(|world| world.add_member("data-analysts", "dave").unwrap());
    fault(
        &bench,
        Fault::on("ListGroupMemberships", FaultKind::ServerError).containing(&analysts),
    );
    let events = [group_event("PatchGroup", &analysts)];
    assert!(deliver(&bench, &events, 1).await.is_empty());
    assert!(!is_mapped(&bench, "analytics USER dave analyst"));
    mend(&bench);
    reminded(&bench).await;
    assert!(is_mapped(&bench, "analytics USER dave analyst"), "{dave}");
}

#[tokio::test]
async fn in_mode_plan_what_is_unfinished_is_read_again_and_nothing_written() {
    let bench = Bench::new(world(), table(|_| ()), Mode::Plan).await;
    fault(
        &bench,
        Fault::on("emr", FaultKind::ServerError).containing(SCIENCE),
    );
    deliver(&bench, &[schedule()], 1).await;
    mend(&bench);
    bench.calls();
    reminded(&bench).await;
    let calls = bench.calls();
    assert_eq!(of(&calls, "ListStudioSessionMappings"), 1);
    assert!(!calls.iter().any(Call::is_write));
}

#[tokio::test(start_paused = true)]
async fn a_creation_whose_turn_comes_late_asks_whether_the_membership_still_is() {
    let mut start = world();
    for number in 0..14 {
        start.add_user(&format!("user-{number:02}")).unwrap();
        start
            .add_member("data-analysts", &format!("user-{number:02}"))
            .unwrap();
    }
    let slow = table(|table| {
        table["pace"] =
            json!({ "emr_per_second": 1, "emr_burst": 4, "identity_store_per_second": 2000 });
    });
    let bench = Bench::in_process(start, slow, Mode::Apply).await;
    let leaves = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        bench.world(|world| world.remove_member("data-analysts", "user-13").unwrap());
    };
    let (answer, ()) = tokio::join!(bench.send(schedule()), leaves);
    assert!(!is_mapped(&bench, "analytics USER user-13 analyst"));
    // It is left to a look of its own.
    assert!(answer.is_err() && bench.function.unfinished() == 1);
    reminded(&bench).await;
    assert_eq!(bench.function.unfinished(), 0);
    assert_eq!(bench.mappings().len(), 18);
}

#[tokio::test(start_paused = true)]
async fn a_few_named_groups_are_looked_up_at_once_and_many_never_faster_than_the_service_takes() {
    let names: Vec<String> = (0..40).map(|number| format!("group-{number}")).collect();
    let mut start = world();
    for name in &names {
        start.add_group(name).unwrap();
    }
    let rule = |name: &String| json!({ "group": name, "studio": "analytics", "session_policy": "analyst", "assign": "members" });
    // Of so many, all but a few are found in a list; whose members they are is asked of each.
    for (count, operation) in [(5, "GetGroupId"), (40, "ListGroupMemberships")] {
        let table = table(|table| {
            table["rules"] = names[..count].iter().map(rule).collect();
            table["pace"] = json!({});
        });
        let bench = Bench::in_process(start.clone(), table, Mode::Apply).await;
        bench.report(schedule()).await;
        let calls = bench.calls();
        let looked_up = calls.iter().filter(|call| call.operation == operation);
        let times: Vec<_> = looked_up.map(|call| call.arrived).collect();
        assert_eq!(times.len(), count);
        assert_eq!(times[4], times[0], "five at once");
        for first in &times {
            let second = times.iter().filter(|time| {
                **time >= *first && time.duration_since(*first) < Duration::from_secs(1)
            });
            assert!(second.count() <= 20, "{times:?}");
        }
    }
}
