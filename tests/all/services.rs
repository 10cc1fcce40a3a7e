//! The engine before services as they may be: what nobody has published about
//! them, under either answer, and what goes wrong behind them.

use crate::support;

use std::collections::BTreeMap;
use std::time::Duration;

use emr_studio_sync::config::Mode;
use emr_studio_sync::emulator::{AfterIdentityGone, Call, Fault, FaultKind, IdentityType, World};
use emr_studio_sync::identity::{Id, Identity};
use emr_studio_sync::report::Pass;
use emr_studio_sync::sync::{Look, Task};
use futures_util::future::join_all;
use serde_json::{Value, json};
use support::{
    ANALYST, ANALYTICS, Bench, batch, group_event, just_now, member_added, member_removed,
    schedule, table, unfinished, user_event, world,
};
use tokio::time::Instant;

use crate::engine::{counts, group_of, id_of, joined, outcomes, problems};

const AN_HOUR_MS: u64 = 3_600_000;
const DESCRIBE: &str = "DescribeStudio";
const LIST: &str = "ListStudioSessionMappings";
const GET: &str = "GetStudioSessionMapping";
const CREATE: &str = "CreateStudioSessionMapping";
const DELETE: &str = "DeleteStudioSessionMapping";

/// A full pass, with what only the function itself wants to know of it.
async fn pass(bench: &Bench) -> Pass {
    look(bench, |deadline| Look::everything(None, deadline)).await
}

/// A pass over what is looked at.
async fn look(bench: &Bench, at: impl FnOnce(Instant) -> Look<'static>) -> Pass {
    let task = Task {
        look: at(Instant::now() + Duration::from_secs(60)),
        approve: None,
        agreed: None,
        mode: Mode::Apply,
    };
    Box::pin(bench.function.engine().pass(&task)).await
}

/// A batch with these events, which is acknowledged.
async fn acknowledged(bench: &Bench, events: impl IntoIterator<Item = Value>) {
    let bodies = events.into_iter().map(|event| event.to_string());
    let answer = bench.report(batch(bodies)).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
}

fn is_mapped(bench: &Bench, row: &str) -> bool {
    bench.mappings().contains(&row.to_owned())
}

/// Dave joins the analysts, and carol leaves them; ops is no longer the one that
/// the other Studio's rule names.
fn changes(world: &mut World) {
    world.add_member("data-analysts", "dave").unwrap();
    world.remove_member("data-analysts", "carol").unwrap();
    world.rename_user("ops", "former-ops").unwrap();
}

const DAVE: &str = "analytics USER dave analyst";
const CAROL: &str = "analytics USER carol analyst";
const OPS: &str = "science USER former-ops engineer";

/// The events of what dave and carol did.
fn dave_and_carol(bench: &Bench) -> [Value; 2] {
    let (group, carol) = (group_of(bench, "data-analysts"), id_of(bench, "carol"));
    [
        joined(bench, "data-analysts", "dave"),
        member_removed(&group, &carol),
    ]
}

// ------------------------------------------------------------- a bare list

/// The lists of one Studio come without their rows and without a marker.
fn bare(studio: &str) -> Fault {
    let kind = FaultKind::DropField {
        name: "SessionMappings".to_owned(),
    };
    Fault::on(LIST, kind).containing(studio)
}

#[tokio::test]
async fn a_bare_list_lets_people_in_and_takes_nobody_out() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| {
        changes(world);
        world.faults.add(bare(ANALYTICS));
    });
    let report = bench.full_pass().await;
    assert_eq!(report["failed"], 0, "{report:#}");
    assert!(is_mapped(&bench, DAVE), "{report:#}");
    assert!(is_mapped(&bench, CAROL), "{report:#}");
    assert!(!is_mapped(&bench, OPS), "the other Studio goes on");

    bench.world(|world| world.faults.rules.clear());
    bench.full_pass().await;
    assert!(!is_mapped(&bench, CAROL));
}

#[tokio::test]
async fn what_a_bare_list_leaves_unproven_waits_after_an_event_too() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let bench = bench.restarted(table(|_| ()), Mode::Apply).await;
    bench.world(|world| {
        changes(world);
        world.faults.add(bare(ANALYTICS));
    });
    acknowledged(&bench, dave_and_carol(&bench)).await;
    assert!(is_mapped(&bench, DAVE) && is_mapped(&bench, CAROL));
}

#[tokio::test]
async fn an_empty_studio_is_filled_and_complete_however_its_list_is_answered() {
    for bare_empty_lists in [false, true] {
        let mut start = world();
        start.settings.bare_empty_lists = bare_empty_lists;
        let bench = Bench::new(start, table(|_| ()), Mode::Apply).await;
        for expected in [5, 0] {
            let pass = pass(&bench).await;
            let about = format!("{bare_empty_lists}: {:#?}", pass.report);
            assert_eq!(pass.report.created, expected, "{about}");
            assert_eq!(pass.report.problems, Vec::<String>::new(), "{about}");
            assert!(pass.unfinished.is_empty(), "{about}");
            assert_eq!(pass.full_and_complete, Some(true), "{about}");
        }
        assert_eq!(bench.mappings().len(), 5);
    }
}

#[tokio::test]
async fn a_studio_that_stays_empty_is_no_trouble_however_its_list_is_answered() {
    for bare_empty_lists in [false, true] {
        let mut start = world();
        start.settings.bare_empty_lists = bare_empty_lists;
        start.remove_member("data-analysts", "carol").unwrap();
        let table = table(|table| {
            table["rules"] = json!([
                { "group": "data-analysts", "studio": "analytics", "session_policy": "analyst", "assign": "members" },
                { "user": "ops", "studio": "science", "session_policy": "engineer" },
            ]);
        });
        let bench = Bench::in_agreement(start, table.clone()).await;
        let pass = pass(&bench).await;
        assert_eq!(pass.full_and_complete, Some(true), "{:#?}", pass.report);
        assert_eq!(pass.report.problems, Vec::<String>::new());

        // Who comes and goes again is dealt with, the last one too.
        bench.world(|world| world.add_member("data-analysts", "dave").unwrap());
        let report = bench.report(joined(&bench, "data-analysts", "dave")).await;
        assert_eq!(report["created"], 1, "{bare_empty_lists}: {report:#}");
        bench.world(|world| world.remove_member("data-analysts", "dave").unwrap());
        let (group, dave) = (group_of(&bench, "data-analysts"), id_of(&bench, "dave"));
        let bench = bench.restarted(table, Mode::Apply).await;
        let report = bench.report(member_removed(&group, &dave)).await;
        assert_eq!(report["deleted"], 1, "{bare_empty_lists}: {report:#}");
    }
}

// ----------------------------------------------------------- a row without an id

#[tokio::test]
async fn a_row_without_an_id_is_told_and_stops_deletions_in_its_studio_only() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let bob = id_of(&bench, "bob");
    bench.world(|world| {
        changes(world);
        world.settings.rows_without_id.insert(bob);
    });
    let report = bench.full_pass().await;
    let told = "Studio analytics (es-ABCDEFGHIJKLMNOPQRSTUVWXY) lists mappings without the id";
    assert!(problems(&report).contains(told), "{report:#}");
    assert_eq!(report["failed"], 0, "{report:#}");
    assert!(is_mapped(&bench, DAVE), "creations go on: {report:#}");
    assert!(is_mapped(&bench, CAROL), "nothing is deleted: {report:#}");
    assert!(!is_mapped(&bench, OPS), "the other Studio goes on");
    assert!(is_mapped(&bench, "analytics USER bob engineer"));

    bench.world(|world| world.settings.rows_without_id.clear());
    bench.full_pass().await;
    assert!(!is_mapped(&bench, CAROL));
}

#[tokio::test]
async fn a_row_without_an_id_stops_the_deletion_that_an_event_would_bring() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let bench = bench.restarted(table(|_| ()), Mode::Apply).await;
    let bob = id_of(&bench, "bob");
    bench.world(|world| {
        changes(world);
        world.settings.rows_without_id.insert(bob);
    });
    acknowledged(&bench, dave_and_carol(&bench)).await;
    assert!(is_mapped(&bench, DAVE) && is_mapped(&bench, CAROL));
}

// ---------------------------------------- what comes in the dress of a refusal

fn wrapped(text: &str, status: u16, code: &str) -> FaultKind {
    FaultKind::Wrapped {
        text: text.to_owned(),
        status,
        code: code.to_owned(),
    }
}

/// Throttling and faults of a service behind EMR.
fn passing() -> [FaultKind; 3] {
    [
        wrapped("Rate exceeded", 400, "ThrottlingException"),
        wrapped("An error occurred", 500, "InternalFailure"),
        wrapped("Studio session mapping does not exist.", 503, "null"),
    ]
}

#[tokio::test]
async fn what_passes_behind_emr_is_tried_again_kept_and_done_when_it_has_passed() {
    let mut checks = Vec::new();
    for operation in [DESCRIBE, LIST, GET, CREATE, DELETE] {
        for kind in passing() {
            checks.push(async move {
                let about = format!("{operation} {kind:?}");
                let bench = Bench::in_agreement(world(), table(|_| ())).await;
                // A new process lists, one that has listed gets.
                let bench = match operation {
                    DESCRIBE | LIST => bench.restarted(table(|_| ()), Mode::Apply).await,
                    _ => bench,
                };
                bench.world(|world| {
                    changes(world);
                    let fault = Fault::on(operation, kind).containing(ANALYTICS);
                    world.faults.add(fault);
                });
                bench.calls();
                acknowledged(&bench, dave_and_carol(&bench)).await;
                let calls = bench.calls();
                assert!(counts(&calls)[operation] >= 3, "{about}: retried");
                // Whom it is not about is not kept waiting.
                assert_eq!(is_mapped(&bench, CAROL), operation != CREATE, "{about}");
                let others = matches!(operation, GET | DELETE);
                assert_eq!(is_mapped(&bench, DAVE), others, "{about}");

                bench.world(|world| world.faults.rules.clear());
                let report = bench.report(unfinished()).await;
                assert_eq!(report["failed"], 0, "{about}: {report:#}");
                assert!(is_mapped(&bench, DAVE), "{about}: {report:#}");
                assert!(!is_mapped(&bench, CAROL), "{about}: {report:#}");
                bench.calls();
                bench.report(unfinished()).await;
                assert!(bench.calls().is_empty(), "{about}: nothing is left");
            });
        }
    }
    join_all(checks).await;
}

#[tokio::test]
async fn a_full_pass_that_meets_what_passes_behind_emr_is_not_a_failure_for_good() {
    let mut checks = Vec::new();
    for operation in [LIST, CREATE, DELETE] {
        for kind in passing() {
            checks.push(async move {
                let bench = Bench::in_agreement(world(), table(|_| ())).await;
                bench.world(|world| {
                    changes(world);
                    let fault = Fault::on(operation, kind.clone()).containing(ANALYTICS);
                    world.faults.add(fault);
                });
                let pass = pass(&bench).await;
                let about = format!("{operation} {kind:?}: {:#?}", pass.report);
                assert_eq!(pass.refused, 0, "{about}");
                assert!(!pass.unfinished.is_empty(), "{about}");
                assert_eq!(is_mapped(&bench, CAROL), operation != CREATE, "{about}");
                assert!(!is_mapped(&bench, OPS), "{about}: the other Studio goes on");
                if operation == LIST {
                    assert_eq!(pass.full_and_complete, Some(false), "{about}");
                }
            });
        }
    }
    join_all(checks).await;
}

#[tokio::test]
async fn what_passes_behind_emr_at_once_leaves_no_trace() {
    let mut checks = Vec::new();
    for operation in [LIST, CREATE, DELETE] {
        for kind in passing() {
            checks.push(async move {
                let bench = Bench::in_agreement(world(), table(|_| ())).await;
                bench.world(|world| {
                    changes(world);
                    world.faults.add(Fault::on(operation, kind).times(1));
                });
                let report = bench.full_pass().await;
                assert_eq!(report["failed"], 0, "{report:#}");
                assert!(is_mapped(&bench, DAVE), "{report:#}");
                assert!(!is_mapped(&bench, CAROL), "{report:#}");
            });
        }
    }
    join_all(checks).await;
}

#[tokio::test]
async fn an_update_that_meets_what_passes_behind_emr_is_kept_too() {
    let checks = passing().into_iter().map(|kind| async move {
        let bench = Bench::in_agreement(world(), table(|_| ())).await;
        bench.world(|world| {
            world.add_member("data-engineers", "carol").unwrap();
            let fault = Fault::on("UpdateStudioSessionMapping", kind.clone());
            world.faults.add(fault);
        });
        acknowledged(&bench, [joined(&bench, "data-engineers", "carol")]).await;
        assert!(is_mapped(&bench, CAROL), "{kind:?}");
        bench.world(|world| world.faults.rules.clear());
        let report = bench.report(unfinished()).await;
        assert_eq!(report["updated"], 1, "{kind:?}: {report:#}");
    });
    join_all(checks).await;
}

#[tokio::test]
async fn throttling_is_counted_as_such_in_whatever_dress_it_comes() {
    let [throttling, fault, _] = passing();
    for (kind, expected) in [(throttling, 1), (fault, 0)] {
        let bench = Bench::in_agreement(world(), table(|_| ())).await;
        bench.world(|world| world.faults.add(Fault::on(LIST, kind).times(1)));
        bench.function.engine().take_tally();
        pass(&bench).await;
        let (_, throttled) = bench.function.engine().take_tally();
        assert_eq!(throttled, expected);
    }
}

#[tokio::test]
async fn a_permission_that_lacks_behind_emr_is_a_failure_told_with_its_cure() {
    let text = "User: arn:aws:sts::111122223333:assumed-role/sync/sync is not authorized to \
                perform: sso:AssociateProfile";
    for kind in [
        wrapped(text, 403, "AccessDeniedException"),
        wrapped(text, 400, "InvalidRequestException"),
        wrapped("An error occurred", 403, "null"),
    ] {
        for (operation, who) in [(CREATE, "dave"), (DELETE, "carol")] {
            let bench = Bench::in_agreement(world(), table(|_| ())).await;
            let refused = id_of(&bench, who);
            bench.world(|world| {
                changes(world);
                let fault = Fault::on(operation, kind.clone()).containing(&refused);
                world.faults.add(fault);
            });
            let report = bench.full_pass().await;
            let about = format!("{operation} {kind:?}: {report:#}");
            assert_eq!(report["failed"], 1, "{about}");
            let told = problems(&report);
            assert!(told.contains(&refused), "{about}");
            assert!(told.contains("(allow it in the role's policy)"), "{about}");
            let tried = bench.world(|world| world.faults.rules[0].applied);
            assert_eq!(tried, 1, "{about}");
            // The other of the two went on.
            assert_eq!(is_mapped(&bench, DAVE), operation == DELETE, "{about}");
            assert_eq!(is_mapped(&bench, CAROL), operation == DELETE, "{about}");

            // It is the next full pass's, and nobody's before.
            bench.calls();
            bench.report(unfinished()).await;
            assert!(bench.calls().is_empty(), "{about}");
            bench.world(|world| world.faults.rules.clear());
            bench.full_pass().await;
            assert!(is_mapped(&bench, DAVE) && !is_mapped(&bench, CAROL));
        }
    }
}

#[tokio::test]
async fn a_list_that_may_not_be_read_behind_emr_is_a_failure_of_that_studio_alone() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| {
        changes(world);
        let denied = wrapped("An error occurred", 403, "AccessDeniedException");
        world
            .faults
            .add(Fault::on(LIST, denied).containing(ANALYTICS));
    });
    let pass = pass(&bench).await;
    let about = format!("{:#?}", pass.report);
    assert_eq!((pass.report.failed, pass.refused), (1, 1), "{about}");
    assert!(pass.unfinished.is_empty(), "{about}");
    assert_eq!(pass.full_and_complete, Some(false), "{about}");
    let told = problems(&json!(pass.report));
    assert!(told.contains("(allow it in the role's policy)"), "{about}");
    assert!(is_mapped(&bench, CAROL) && !is_mapped(&bench, DAVE));
    assert!(!is_mapped(&bench, OPS), "the other Studio goes on");
}

// --------------------------------------------------------- EMR learns late

/// When what is to be unknown for the whole of a test was added.
fn in_an_hour() -> Instant {
    Instant::now() + Duration::from_millis(AN_HOUR_MS)
}

/// Somebody new, who is in the directory for no time, and an analyst.
fn newcomer(bench: &Bench) -> Value {
    bench.world(|world| {
        world.add_user("erin").unwrap();
        world.add_member("data-analysts", "erin").unwrap();
    });
    joined(bench, "data-analysts", "erin")
}

const ERIN: &str = "analytics USER erin analyst";

#[tokio::test]
async fn whom_emr_learns_of_within_seconds_is_mapped_within_the_pass() {
    for emr_learns_late_ms in [0, 1500] {
        let bench = Bench::in_agreement(world(), table(|_| ())).await;
        bench.world(|world| world.settings.emr_learns_late_ms = emr_learns_late_ms);
        let event = just_now(newcomer(&bench));
        let report = bench.report(event).await;
        assert_eq!(report["failed"], 0, "{report:#}");
        assert_eq!(report["created"], 1, "{report:#}");
        assert!(is_mapped(&bench, ERIN));
    }
}

#[tokio::test]
async fn a_group_that_emr_learns_of_late_is_waited_for_like_a_person() {
    let table = table(|table| table["rules"][2]["group"] = json!("data-eng*"));
    let bench = Bench::in_agreement(world(), table).await;
    let group = bench.world(|world| {
        world.settings.emr_learns_late_ms = 1500;
        world.add_group("data-engines").unwrap()
    });
    let event = just_now(group_event("CreateGroup", &group));
    let report = bench.report(event).await;
    assert_eq!(report["failed"], 0, "{report:#}");
    assert!(is_mapped(&bench, "science GROUP data-engines analyst"));
}

#[tokio::test]
async fn whom_emr_learns_of_later_is_kept_and_mapped_by_the_next_look() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| {
        world.settings.emr_learns_late_ms = AN_HOUR_MS;
    });
    let event = just_now(newcomer(&bench));
    let begun = Instant::now();
    acknowledged(&bench, [event]).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}");
    assert!(!is_mapped(&bench, ERIN));

    bench.world(|world| world.settings.emr_learns_late_ms = 0);
    let report = bench.report(unfinished()).await;
    assert_eq!(
        (&report["created"], &report["failed"]),
        (&json!(1), &json!(0)),
        "{report:#}"
    );
    assert!(is_mapped(&bench, ERIN));
}

#[tokio::test]
async fn whom_emr_does_not_know_long_after_the_event_has_failed_and_nobody_else_waits() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    let event = newcomer(&bench);
    let erin = id_of(&bench, "erin");
    bench.world(|world| {
        world.settings.emr_learns_late_ms = 1;
        world.users.get_mut(&erin).unwrap().created = in_an_hour();
        world.add_member("data-analysts", "dave").unwrap();
    });
    bench.calls();
    let begun = Instant::now();
    acknowledged(&bench, [event, joined(&bench, "data-analysts", "dave")]).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(is_mapped(&bench, DAVE) && !is_mapped(&bench, ERIN));
    let of_erin =
        |call: &&Call| call.operation == CREATE && call.input["IdentityId"] == erin.as_str();
    assert_eq!(bench.calls().iter().filter(of_erin).count(), 1);

    bench.report(unfinished()).await;
    assert!(bench.calls().is_empty(), "it is the next full pass's");
    let report = bench.full_pass().await;
    assert_eq!(report["failed"], 1, "{report:#}");
    assert!(problems(&report).contains(&erin), "{report:#}");
}

// -------------------------------------------- who is gone, and still listed

#[tokio::test]
async fn a_creation_for_somebody_whom_only_a_group_still_knows_is_dropped_and_told() {
    let table =
        |on_disabled_user: &str| table(|table| table["on_disabled_user"] = json!(on_disabled_user));
    for on_disabled_user in ["keep", "remove"] {
        for outlive in [false, true] {
            let bench = Bench::in_agreement(world(), table(on_disabled_user)).await;
            let dave = id_of(&bench, "dave");
            bench.world(|world| {
                world.settings.memberships_outlive_users = outlive;
                world.add_member("data-analysts", "dave").unwrap();
                world.delete_user("dave").unwrap();
            });
            for _ in 0..2 {
                let pass = pass(&bench).await;
                let report = json!(pass.report);
                let about = format!("{on_disabled_user} {outlive}: {report:#}");
                assert_eq!(report["failed"], 0, "{about}");
                assert!(pass.unfinished.is_empty(), "{about}");
                assert_eq!(pass.full_and_complete, Some(true), "{about}");
                // Where everybody is described first, that tells as much.
                let expected = match outlive && on_disabled_user == "keep" {
                    true => BTreeMap::from([("create gone".to_owned(), 1)]),
                    false => BTreeMap::new(),
                };
                assert_eq!(outcomes(&report), expected, "{about}");
                assert_eq!(problems(&report).contains(&dave), !expected.is_empty());
            }
        }
    }
}

#[tokio::test]
async fn who_is_deleted_loses_the_mapping_after_the_event_although_the_group_still_lists_them() {
    for outlive in [false, true] {
        let bench = Bench::in_agreement(world(), table(|_| ())).await;
        let carol = id_of(&bench, "carol");
        bench.world(|world| {
            world.settings.memberships_outlive_users = outlive;
            world.delete_user("carol").unwrap();
        });
        let report = bench.report(user_event("DeleteUser", &carol)).await;
        assert_eq!(
            outcomes(&report),
            BTreeMap::from([("delete done".to_owned(), 1)]),
            "{outlive}: {report:#}"
        );
    }
}

#[tokio::test]
async fn a_mapping_that_cannot_be_deleted_for_its_identity_is_gone_is_an_orphan() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| {
        world.settings.delete_after_identity_gone = AfterIdentityGone::Refuse;
        world.delete_user("carol").unwrap();
        world.remove_member("data-engineers", "bob").unwrap();
    });
    for tried in [true, false] {
        bench.calls();
        let pass = pass(&bench).await;
        let report = json!(pass.report);
        assert_eq!(outcomes(&report)["delete orphan"], 1, "{report:#}");
        assert_eq!(report["failed"], 0, "{report:#}");
        assert_eq!((pass.orphans, pass.refused), (1, 0), "{report:#}");
        assert!(pass.unfinished.is_empty(), "{report:#}");
        assert_eq!(pass.full_and_complete, Some(true), "{report:#}");
        // Bob's goes at once, and then there is nothing more to delete.
        assert_eq!(report["deleted"], i32::from(tried));
        assert_eq!(bench.writes().len(), if tried { 2 } else { 0 });
    }
}

// ------------------------------------------------------------------ the key

/// What the Identity Store may say when the key of Identity Center cannot be used.
fn keys() -> Vec<FaultKind> {
    let key = |exception: &str, reason: &str, resource_type: Option<&str>| FaultKind::Key {
        exception: exception.to_owned(),
        reason: reason.to_owned(),
        resource_type: resource_type.map(str::to_owned),
    };
    let not_found = "ResourceNotFoundException";
    vec![
        key(not_found, "KMS_KEY_NOT_FOUND", None),
        key(not_found, "KMS_KEY_NOT_FOUND", Some("USER")),
        key(not_found, "KMS_KEY_NOT_FOUND", Some("GROUP")),
        key("AccessDeniedException", "KMS_ACCESS_DENIED", None),
        key("ValidationException", "KMS_DISABLED", None),
        key("ValidationException", "KMS_INVALID_STATE", None),
    ]
}

const CURE: &str = "the key of Identity Center cannot be used";

/// A table whose rules and protected name everybody in every way: by name, by id
/// and by pattern.
fn selecting(world: &World) -> Value {
    let id = |who: &str| world.user_id(who).or(world.group_id(who)).unwrap();
    table(|table| {
        table["rules"] = json!([
            { "group_id": id("data-engineers"), "studio": "analytics", "session_policy": "engineer", "assign": "members" },
            { "group": "data-*", "studio": "analytics", "session_policy": "analyst", "assign": "members" },
            { "group_id": id("data-engineers"), "studio": "science", "session_policy": "analyst", "assign": "group" },
            { "user_id": id("ops"), "studio": "science", "session_policy": "engineer" },
            { "user": "alice", "studio": "science", "session_policy": "analyst" },
        ]);
        table["on_missing_group"] = json!("revoke");
    })
}

/// Agreement, by a table with all kinds of selectors; then dave joins and carol
/// leaves, and the key is gone.
async fn without_a_key(kind: FaultKind, on: &str) -> Bench {
    let start = world();
    let table = selecting(&start);
    let bench = Bench::in_agreement(start, table).await;
    bench.world(|world| {
        world.add_member("data-analysts", "dave").unwrap();
        world.remove_member("data-analysts", "carol").unwrap();
        world.faults.add(Fault::on(on, kind));
    });
    bench
}

/// How often the cure is told.
fn cures(problems: &[String]) -> usize {
    problems.iter().map(|one| one.matches(CURE).count()).sum()
}

#[tokio::test]
async fn without_its_key_a_full_pass_takes_nobody_for_gone_and_tells_the_cure_once() {
    let checks = keys().into_iter().map(|kind| async move {
        let bench = without_a_key(kind.clone(), "identitystore").await;
        let before = bench.mappings();
        let pass = pass(&bench).await;
        let about = format!("{kind:?}: {:#?}", pass.report);
        assert_eq!(bench.mappings(), before, "{about}");
        assert_eq!(cures(&pass.report.problems), 1, "{about}");
        assert!(
            !problems(&json!(pass.report)).contains("is not there"),
            "{about}"
        );
        assert_eq!((pass.refused, pass.report.unresolved), (0, 0), "{about}");
        assert_eq!(pass.full_and_complete, Some(false), "{about}");
        assert!(!pass.unfinished.is_empty(), "{about}");
    });
    join_all(checks).await;
}

#[tokio::test]
async fn once_the_key_is_back_what_it_kept_from_being_done_is_done() {
    let checks = keys().into_iter().map(|kind| async move {
        let about = format!("{kind:?}");
        let bench = without_a_key(kind, "identitystore").await;
        let before = bench.mappings();
        assert!(bench.send(schedule()).await.is_err(), "{about}");
        assert_eq!(bench.mappings(), before, "{about}");
        bench.world(|world| world.faults.rules.clear());
        let report = bench.report(unfinished()).await;
        assert_eq!(report["failed"], 0, "{about}: {report:#}");
        assert!(is_mapped(&bench, DAVE), "{about}: {report:#}");
        assert!(!is_mapped(&bench, CAROL), "{about}: {report:#}");
        assert_eq!(bench.mappings().len(), before.len(), "{about}");
    });
    join_all(checks).await;
}

/// Events while the key is away, and which of the two changes each leads to once
/// it is back: that dave is mapped, that carol is not.
fn events_without_a_key(bench: &Bench) -> Vec<(Value, bool, bool)> {
    let analysts = group_of(bench, "data-analysts");
    let engineers = group_of(bench, "data-engineers");
    let (carol, dave) = (id_of(bench, "carol"), id_of(bench, "dave"));
    vec![
        (member_removed(&analysts, &carol), false, true),
        (member_added(&analysts, &dave), true, false),
        (just_now(member_added(&analysts, &dave)), true, false),
        (user_event("DeleteUser", &carol), false, true),
        (user_event("UpdateUser", &id_of(bench, "ops")), false, false),
        (group_event("UpdateGroup", &engineers), true, true),
        (group_event("DeleteGroup", &analysts), true, true),
    ]
}

#[tokio::test]
async fn without_its_key_no_event_takes_anything_from_anybody() {
    let mut checks = Vec::new();
    for kind in keys() {
        for number in 0..7 {
            let kind = kind.clone();
            checks.push(async move {
                let bench = without_a_key(kind.clone(), "identitystore").await;
                let before = bench.mappings();
                let (event, adds, removes) = events_without_a_key(&bench).swap_remove(number);
                let error = bench.send(event.clone()).await.unwrap_err().to_string();
                let about = format!("{kind:?} {}: {error}", event["id"]);
                assert_eq!(bench.mappings(), before, "{about}");
                assert_eq!(error.matches(CURE).count(), 1, "{about}");
                assert!(!error.contains("is not there"), "{about}");

                bench.world(|world| world.faults.rules.clear());
                let report = bench.report(unfinished()).await;
                let about = format!("{about}: {report:#}");
                assert_eq!(report["failed"], 0, "{about}");
                assert_eq!(is_mapped(&bench, DAVE), adds, "{about}");
                assert_eq!(is_mapped(&bench, CAROL), !removes, "{about}");
            });
        }
    }
    join_all(checks).await;
}

#[tokio::test]
async fn without_its_key_one_kind_of_read_tells_of_nobody_gone_either() {
    let mut checks = Vec::new();
    for on in [
        "DescribeUser",
        "DescribeGroup",
        "GetUserId",
        "ListGroups",
        "ListGroupMemberships",
    ] {
        for kind in keys() {
            checks.push(async move {
                let bench = without_a_key(kind.clone(), on).await;
                let before = bench.mappings();
                let pass = pass(&bench).await;
                let about = format!("{on} {kind:?}: {:#?}", pass.report);
                assert_eq!(cures(&pass.report.problems), 1, "{about}");
                let kept = |row: &&String| row.as_str() != CAROL;
                for row in before.iter().filter(kept) {
                    assert!(is_mapped(&bench, row), "{about}: {row}");
                }
                assert_eq!((pass.refused, pass.report.unresolved), (0, 0), "{about}");
                assert!(!pass.unfinished.is_empty(), "{about}");
            });
        }
    }
    join_all(checks).await;
}

#[tokio::test]
async fn without_its_key_several_peoples_groups_are_unread_and_the_cure_is_told_once() {
    let checks = keys().into_iter().map(|kind| async move {
        let bench = without_a_key(kind.clone(), "IsMemberInGroups").await;
        let before = bench.mappings();
        let user = |name| Identity::user(Id::parse(&id_of(&bench, name)).unwrap());
        let who = ["carol", "dave", "alice"].map(user).into();
        let pass = look(&bench, |deadline| Look::at(who, None, deadline)).await;
        let about = format!("{kind:?}: {:#?}", pass.report);
        assert_eq!(bench.mappings(), before, "{about}");
        assert_eq!(cures(&pass.report.problems), 1, "{about}");
        assert_eq!(pass.refused, 0, "{about}");
        assert!(!pass.unfinished.is_empty(), "{about}");
    });
    join_all(checks).await;
}

#[tokio::test]
async fn whom_emr_rejects_while_the_key_is_away_is_not_taken_for_gone() {
    let checks = keys().into_iter().map(|kind| async move {
        let bench = Bench::in_agreement(world(), table(|_| ())).await;
        bench.world(|world| {
            world.add_user("erin").unwrap();
            for user in ["dave", "erin"] {
                world.add_member("data-analysts", user).unwrap();
            }
            world.settings.emr_learns_late_ms = AN_HOUR_MS;
            world.faults.add(Fault::on("DescribeUser", kind.clone()));
        });
        let first = pass(&bench).await;
        let about = format!("{kind:?}: {:#?}", first.report);
        let outcomes = outcomes(&json!(first.report));
        assert!(!outcomes.contains_key("create gone"), "{about}");
        assert_eq!(first.refused, 0, "{about}");
        assert!(!first.unfinished.is_empty(), "{about}");
        assert!(cures(&first.report.problems) > 0, "{about}");

        bench.world(|world| {
            world.settings.emr_learns_late_ms = 0;
            world.faults.rules.clear();
        });
        assert_eq!(pass(&bench).await.report.created, 2);
    });
    join_all(checks).await;
}

#[tokio::test]
async fn whether_somebody_is_there_whom_protect_may_mean_is_not_known_without_the_key() {
    let checks = keys().into_iter().map(|kind| async move {
        let table = table(|table| table["protect"] = json!([{ "user": "break-glass" }]));
        let bench = Bench::in_agreement(world(), table).await;
        bench.world(|world| {
            world.remove_member("data-analysts", "carol").unwrap();
            world.faults.add(Fault::on("DescribeUser", kind.clone()));
        });
        let pass = pass(&bench).await;
        let about = format!("{kind:?}: {:#?}", pass.report);
        assert!(is_mapped(&bench, CAROL), "{about}");
        assert!(!pass.unfinished.is_empty(), "{about}");
    });
    join_all(checks).await;
}

// ------------------------------------------------------ a directory that lags

#[tokio::test]
async fn a_membership_that_shows_late_is_waited_for_as_long_as_its_event_is_fresh() {
    for shows_after_ms in [0, 800, AN_HOUR_MS] {
        let bench = Bench::in_agreement(world(), table(|_| ())).await;
        bench.world(|world| {
            // Whoever was there before shows all the same.
            world.settings.directory_lags_ms = 1;
            let dave = world.add_member("data-analysts", "dave").unwrap();
            let shows = Instant::now() + Duration::from_millis(shows_after_ms);
            world.memberships.get_mut(&dave).unwrap().created = shows;
        });
        let event = just_now(joined(&bench, "data-analysts", "dave"));
        let report = bench.report(event).await;
        let about = format!("{shows_after_ms}: {report:#}");
        assert_eq!(report["failed"], 0, "{about}");
        assert_eq!(
            is_mapped(&bench, DAVE),
            shows_after_ms < AN_HOUR_MS,
            "{about}"
        );

        // What nobody waited for any longer is the next full pass's.
        bench.world(|world| world.settings.directory_lags_ms = 0);
        bench.full_pass().await;
        assert!(is_mapped(&bench, DAVE));
        assert_eq!(bench.mappings().len(), 6);
    }
}

// ------------------------------------------------- names, and both mappings

#[tokio::test]
async fn whether_or_not_the_services_mind_the_case_of_names_everybody_is_found() {
    for names_ignore_case in [false, true] {
        let mut start = world();
        start.settings.names_ignore_case = names_ignore_case;
        let bench = Bench::in_agreement(start, table(|_| ())).await;
        assert_eq!(bench.mappings().len(), 5);
        let pass = pass(&bench).await;
        assert_eq!(pass.full_and_complete, Some(true));
        assert!(bench.writes().is_empty());
    }
}

#[tokio::test]
async fn where_nobody_may_be_mapped_twice_the_second_mapping_fails_and_the_rest_goes_on() {
    for user_and_group_mapping in [true, false] {
        let mut start = world();
        start.settings.user_and_group_mapping = user_and_group_mapping;
        start
            .map(ANALYTICS, IdentityType::Group, "data-analysts", ANALYST)
            .unwrap();
        let table = table(|table| {
            let more = json!({ "group": "data-analysts", "studio": "analytics", "session_policy": "analyst", "assign": "group" });
            table["rules"].as_array_mut().unwrap().push(more);
        });
        let bench = Bench::new(start, table, Mode::Apply).await;
        let report = bench.full_pass().await;
        assert_eq!(is_mapped(&bench, CAROL), user_and_group_mapping);
        assert_eq!(report["failed"], i32::from(!user_and_group_mapping));
        assert!(is_mapped(&bench, "analytics USER alice engineer"));
        assert!(is_mapped(&bench, "analytics GROUP data-analysts analyst"));
    }
}

#[tokio::test]
async fn however_many_changes_meet_the_missing_key_its_cure_is_told_once() {
    let bench = Bench::in_agreement(world(), table(|_| ())).await;
    bench.world(|world| {
        world.add_user("erin").unwrap();
        for user in ["dave", "erin"] {
            world.add_member("data-analysts", user).unwrap();
        }
        world.settings.emr_learns_late_ms = AN_HOUR_MS;
        let key = keys().swap_remove(0);
        world.faults.add(Fault::on("DescribeUser", key));
    });
    let pass = pass(&bench).await;
    assert_eq!(
        cures(&pass.report.problems),
        1,
        "{:#?}",
        pass.report.problems
    );
}

#[tokio::test]
async fn why_nobody_can_say_whether_somebody_is_gone_is_told_with_its_cure() {
    let key = keys().swap_remove(0);
    for (kind, cure, refused) in [
        (key, CURE, 0),
        (FaultKind::AccessDenied, "allow it in the role's policy", 1),
    ] {
        let table = table(|table| table["protect"] = json!([{ "user": "break-glass" }]));
        let bench = Bench::in_agreement(world(), table).await;
        bench.world(|world| {
            world.remove_member("data-analysts", "carol").unwrap();
            world.faults.add(Fault::on("DescribeUser", kind));
        });
        let pass = pass(&bench).await;
        let told = pass.report.problems.join("\n");
        assert_eq!(told.matches(cure).count(), 1, "{told}");
        assert_eq!(pass.refused, refused, "{told}");
    }
}

#[tokio::test]
async fn a_mapping_without_an_id_that_a_creation_meets_is_seen_for_whose_it_is() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "alice", support::FOREIGN)
        .unwrap();
    let alice = start.user_id("alice").unwrap();
    start.settings.rows_without_id.insert(alice);
    let bench = Bench::new(start, table(|_| ()), Mode::Apply).await;
    let pass = pass(&bench).await;
    let told = pass.report.problems.join("\n");
    assert_eq!(
        told.matches("lists mappings without the id").count(),
        1,
        "{told}"
    );
    assert!(told.contains("left alone"), "{told}");
    assert_eq!(pass.report.failed, 0, "{told}");
    assert!(pass.unfinished.is_empty(), "{told}");
}

#[tokio::test]
async fn a_full_studio_whose_list_is_bare_is_not_asked_for_more() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "ops", support::FOREIGN)
        .unwrap();
    start.studios.get_mut(ANALYTICS).unwrap().user_limit = 4;
    let table = table(|table| table["studios"]["analytics"]["limits"] = json!({ "users": 4 }));
    let bench = Bench::in_agreement(start, table).await;
    bench.world(|world| {
        world.add_member("data-analysts", "dave").unwrap();
        world.faults.add(bare(ANALYTICS));
    });
    let pass = pass(&bench).await;
    assert_eq!(pass.report.failed, 0, "{:#?}", pass.report.problems);
}
