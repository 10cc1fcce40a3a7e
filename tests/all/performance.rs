//! What an event costs: calls, and round trips that are waited for one after the
//! other. Virtual time with each answer 40 ms late tells these exactly; times of any
//! other kind are `benches/`' to tell.

use crate::engine::counts;
use crate::support;

use std::time::Duration;

use emr_studio_sync::config::Mode;
use emr_studio_sync::emulator::{Fault, FaultKind};
use serde_json::{Value, json};
use support::{Bench, member_added, member_removed, schedule, table, user_event, world};
use tokio::time::Instant;

const LATE: Duration = Duration::from_millis(40);

/// The table of two Studios, at the pace that is the default.
fn paced() -> Value {
    table(|table| drop(table.as_object_mut().unwrap().remove("pace")))
}

/// A process that remembers nothing. Carol is an analyst, and nobody is mapped.
async fn cold() -> Bench {
    let bench = Bench::in_process(world(), paced(), Mode::Apply).await;
    let late = Fault::on("*", FaultKind::Latency(LATE));
    bench.world(|world| world.faults.rules.push(late));
    bench
}

/// The same, a while after its first full pass.
async fn warm() -> Bench {
    let bench = cold().await;
    bench.report(schedule()).await;
    bench.calls();
    tokio::time::sleep(Duration::from_secs(60)).await;
    bench
}

/// Somebody in a group, as an event names them.
fn of(bench: &Bench, user: &str) -> (String, String) {
    let group = bench.world(|world| world.group_id("data-analysts").unwrap());
    (group, bench.world(|world| world.user_id(user).unwrap()))
}

/// What an event costs: round trips in sequence, and calls. `done` is what it does.
async fn cost(bench: &Bench, event: Value, done: &str) -> (f64, usize) {
    let begun = Instant::now();
    let report = bench.report(event).await;
    let trips = begun.elapsed().as_secs_f64() / LATE.as_secs_f64();
    if !done.is_empty() {
        assert_eq!(report[done], 1, "{report:#}");
    }
    (trips, counts(&bench.calls()).values().sum())
}

#[tokio::test(start_paused = true)]
async fn a_first_event_waits_for_three_answers_in_sequence() {
    let bench = cold().await;
    let (group, carol) = of(&bench, "carol");
    let (trips, calls) = cost(&bench, member_added(&group, &carol), "created").await;
    assert!(trips <= 3.0 && calls <= 9, "{trips} {calls}");

    let bench = warm().await.restarted(paced(), Mode::Apply).await;
    bench.world(|world| world.remove_member("data-analysts", "carol").unwrap());
    let (trips, calls) = cost(&bench, member_removed(&group, &carol), "deleted").await;
    assert!(trips <= 3.0 && calls <= 9, "{trips} {calls}");
}

#[tokio::test(start_paused = true)]
async fn an_added_member_waits_for_two_answers_and_costs_three_calls_with_two_studios() {
    let bench = warm().await;
    bench.world(|world| world.add_member("data-analysts", "dave").unwrap());
    let (group, dave) = of(&bench, "dave");
    let event = member_added(&group, &dave);
    assert_eq!(cost(&bench, event, "created").await, (2.0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_removed_member_waits_for_the_proof_too() {
    let bench = warm().await;
    bench.world(|world| world.remove_member("data-analysts", "carol").unwrap());
    let (group, carol) = of(&bench, "carol");
    let event = member_removed(&group, &carol);
    assert_eq!(cost(&bench, event, "deleted").await, (4.0, 8));
}

#[tokio::test(start_paused = true)]
async fn what_changes_nothing_asks_nothing_of_emr_and_what_concerns_nothing_asks_nothing() {
    let bench = warm().await;
    let (group, dave) = of(&bench, "dave");
    bench.report(user_event("UpdateUser", &dave)).await;
    assert!(
        bench
            .calls()
            .iter()
            .all(|call| !call.operation.contains("Studio"))
    );

    let mut failed = member_added(&group, &dave);
    failed["detail"]["errorCode"] = json!("AccessDenied");
    assert_eq!(cost(&bench, failed, "").await, (0.0, 0));
}
