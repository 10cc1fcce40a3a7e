//! What happens meanwhile: between reading and writing, behind the queue, beside
//! other writers and services that do not answer. By a clock that stands still.

use crate::support;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_config::Region;
use aws_credential_types::Credentials;
use emr_studio_sync::config::{Config, Mode};
use emr_studio_sync::emulator::{
    AfterIdentityGone, Emulator, Fault, FaultKind, IdentityType, LogLine, World,
};
use emr_studio_sync::handler::Function;
use emr_studio_sync::identity::{Id, Identity};
use emr_studio_sync::policy::fit::Reach;
use emr_studio_sync::policy::read::{self, Format};
use emr_studio_sync::sync::Engine;
use emr_studio_sync::unfinished::{Came, Unfinished};
use serde_json::{Value, json};
use support::{
    ANALYST, ANALYTICS, SCIENCE, STORE, batch, event, mappings, member_added, member_removed,
    schedule, table, unfinished, world,
};
use tokio::time::Instant;

// ------------------------------------------------- by the clock of the test

const NOON_MS: i64 = 1_772_452_800_000;

thread_local! {
    static START: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The test's own clock, as the wall's.
fn wall_ms() -> i64 {
    let start = START.get().unwrap_or_else(|| {
        let now = Instant::now();
        START.set(Some(now));
        now
    });
    NOON_MS + i64::try_from(start.elapsed().as_millis()).unwrap()
}

/// A process before an embedded AWS, with nothing that takes real time.
async fn process(emulator: &Emulator, table: &Value, mode: Mode) -> Function {
    process_with_log(emulator, table, mode, None).await
}

async fn process_with_log(
    emulator: &Emulator,
    table: &Value,
    mode: Mode,
    log_group: Option<&str>,
) -> Function {
    let config = Config {
        identity_store_id: STORE.to_owned(),
        identity_store_region: None,
        table: read::table(&table.to_string(), Format::Json).unwrap(),
        mode,
        log_names: false,
        access_events: false,
        log_group: log_group.map(str::to_owned),
    };
    let sdk = emr_studio_sync::aws::sdk_config()
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(emulator.http_client())
        .endpoint_url(emulator.url())
        .load()
        .await;
    wall_ms();
    let engine = Engine::new(&config, &sdk).await.by_clock(wall_ms);
    Function::new(engine, None, |_| {})
}

async fn send(function: &Function, payload: Value) -> Value {
    let deadline = Instant::now() + Duration::from_secs(180);
    let answer = function.handle(payload, deadline).await;
    answer.unwrap_or_else(|error| json!({ "error": error.to_string() }))
}

async fn queue(function: &Function, events: &[Value]) -> Value {
    let bodies: Vec<String> = events.iter().map(ToString::to_string).collect();
    send(function, batch(bodies)).await
}

fn at(mut event: Value, ms: i64) -> Value {
    let time = chrono::DateTime::from_timestamp_millis(ms)
        .unwrap()
        .to_rfc3339();
    event["time"] = json!(time);
    event["detail"]["eventTime"] = json!(time);
    event
}

fn is_mapped(emulator: &Emulator, row: &str) -> bool {
    mappings(&emulator.world()).contains(&row.to_owned())
}

fn sent(event: &Value, ms: i64) -> Value {
    let mut batch = batch([event.to_string()]);
    batch["Records"][0]["attributes"] = json!({ "SentTimestamp": ms.to_string() });
    batch
}

fn studio_id(number: usize) -> String {
    format!("es-STUDIO{number:020}")
}

/// `down` Studios beside the two usual ones, all with the same rule.
fn many_studios(down: usize) -> (World, Value) {
    let mut start = world();
    let table = table(|table| {
        for number in 0..down {
            start.add_studio(&studio_id(number)).unwrap();
            let alias = format!("other-{number}");
            table["studios"][&alias] = json!({ "id": studio_id(number) });
            table["rules"].as_array_mut().unwrap().push(json!({
                "group": "data-*", "studio": alias, "session_policy": "analyst",
                "assign": "members",
            }));
        }
    });
    (start, table)
}

fn hang(emulator: &Emulator) {
    let forever = FaultKind::Latency(Duration::from_secs(600));
    let mut world = emulator.world();
    world
        .faults
        .add(Fault::on("emr", forever).containing("es-STUDIO"));
}

// ------------------------------------------------------ an approval that is stale

/// A removal whose deletion failed for a passing reason is remembered. An order
/// with an approval that is out of date deletes nothing, and should leave what is
/// remembered alone.
#[tokio::test(start_paused = true)]
async fn a_stale_approval_makes_nobody_forgotten() {
    let emulator = Emulator::in_process(world());
    let function = process(&emulator, &table(|_| ()), Mode::Apply).await;
    send(&function, schedule()).await;
    let (alice, engineers) = {
        let mut world = emulator.world();
        world.remove_member("data-engineers", "alice").unwrap();
        let fails = Fault::on("DeleteStudioSessionMapping", FaultKind::ServerError);
        world.faults.add(fails);
        (
            world.user_id("alice").unwrap(),
            world.group_id("data-engineers").unwrap(),
        )
    };
    queue(&function, &[member_removed(&engineers, &alice)]).await;
    assert_eq!(function.unfinished(), 1);
    emulator.world().faults.rules.clear();
    let stale = json!({ "action": "reconcile", "approve": "0000000000000000" });
    send(&function, stale).await;
    assert!(is_mapped(&emulator, "analytics USER alice engineer"));
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        queue(&function, &[unfinished()]).await;
    }
    assert!(
        !is_mapped(&emulator, "analytics USER alice engineer"),
        "ten minutes later she still has what she lost; unfinished: {}",
        function.unfinished()
    );
}

/// "Run it again", says the answer to an approval of which a part failed. Who does so
/// gives the same id, which is that of another set by then.
#[tokio::test(start_paused = true)]
async fn an_approval_that_is_run_again_as_told_forgets_nobody() {
    let mut start = world();
    for number in 0..20 {
        let user = format!("user-{number:02}");
        start.add_user(&user).unwrap();
        start.add_member("data-analysts", &user).unwrap();
    }
    let emulator = Emulator::in_process(start);
    let function = process(&emulator, &table(|_| ()), Mode::Apply).await;
    send(&function, schedule()).await;
    for number in 0..8 {
        let mut world = emulator.world();
        let user = format!("user-{number:02}");
        world.remove_member("data-analysts", &user).unwrap();
    }
    let held = send(&function, schedule()).await;
    assert_eq!(held["held"], 8);
    {
        let mut world = emulator.world();
        let last = world.user_id("user-07").unwrap();
        let fails = Fault::on("DeleteStudioSessionMapping", FaultKind::ServerError);
        world.faults.add(fails.containing(&last));
    }
    let approve = json!({ "action": "reconcile", "approve": held["plan_id"] });
    let answer = send(&function, approve.clone()).await;
    assert!(answer["error"].to_string().contains("run it again"));
    assert_eq!(function.unfinished(), 1);
    emulator.world().faults.rules.clear();
    send(&function, approve).await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        queue(&function, &[unfinished()]).await;
    }
    assert!(
        !is_mapped(&emulator, "analytics USER user-07 analyst"),
        "ten minutes later the approved deletion is neither made nor unfinished"
    );
}

/// The same order is no full pass that has seen to whatever was sent before.
#[tokio::test(start_paused = true)]
async fn a_stale_approval_covers_no_message() {
    let emulator = Emulator::in_process(world());
    let function = process(&emulator, &table(|_| ()), Mode::Apply).await;
    send(&function, schedule()).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (alice, engineers) = {
        let mut world = emulator.world();
        world.remove_member("data-engineers", "alice").unwrap();
        (
            world.user_id("alice").unwrap(),
            world.group_id("data-engineers").unwrap(),
        )
    };
    let message = sent(&member_removed(&engineers, &alice), wall_ms());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let stale = json!({ "action": "reconcile", "approve": "0000000000000000" });
    send(&function, stale).await;
    send(&function, message).await;
    assert!(
        !is_mapped(&emulator, "analytics USER alice engineer"),
        "her removal was acknowledged without a look"
    );
}

/// A list that came without its rows proves nothing, so the pass that got it has
/// not seen to a removal either.
#[tokio::test(start_paused = true)]
async fn a_full_pass_with_a_bare_list_covers_no_removal() {
    let emulator = Emulator::in_process(world());
    let function = process(&emulator, &table(|_| ()), Mode::Apply).await;
    send(&function, schedule()).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let (alice, engineers) = {
        let mut world = emulator.world();
        world.remove_member("data-engineers", "alice").unwrap();
        let name = "SessionMappings".to_owned();
        let bare = Fault::on("ListStudioSessionMappings", FaultKind::DropField { name });
        world.faults.add(bare.containing(ANALYTICS));
        (
            world.user_id("alice").unwrap(),
            world.group_id("data-engineers").unwrap(),
        )
    };
    let message = sent(&member_removed(&engineers, &alice), wall_ms());
    tokio::time::sleep(Duration::from_secs(10)).await;
    send(&function, schedule()).await;
    emulator.world().faults.rules.clear();
    send(&function, message).await;
    assert!(
        !is_mapped(&emulator, "analytics USER alice engineer"),
        "her removal was acknowledged without a look"
    );
}

// ------------------------------------------------------------------- orphans

/// Mappings that cannot be deleted are no flood: one leaver beside them goes, also
/// in a new process, which reads in the log which they are.
#[tokio::test(start_paused = true)]
async fn orphans_hold_nobody_else_s_deletion_in_whatever_process() {
    let mut start = world();
    start.settings.delete_after_identity_gone = AfterIdentityGone::Refuse;
    for number in 0..6 {
        let user = format!("leaver-{number}");
        start.add_user(&user).unwrap();
        start.add_member("data-analysts", &user).unwrap();
    }
    let emulator = Emulator::in_process(start);
    let first = process(&emulator, &table(|_| ()), Mode::Apply).await;
    send(&first, schedule()).await;
    {
        let mut world = emulator.world();
        for number in 0..6 {
            let user = format!("leaver-{number}");
            let record = json!({
                "message": "change", "action": "delete", "outcome": "orphan",
                "studio_id": ANALYTICS, "identity_type": "USER",
                "identity_id": world.user_id(&user).unwrap(), "error": "IdentityId is invalid",
            });
            world.delete_user(&user).unwrap();
            world.log.push(LogLine {
                group: "log".to_owned(),
                at_ms: NOON_MS - 20 * 3_600_000,
                message: record.to_string(),
            });
        }
        world.remove_member("data-engineers", "alice").unwrap();
    }
    let second = process_with_log(&emulator, &table(|_| ()), Mode::Apply, Some("log")).await;
    let removed = event("DeleteGroupMembership", json!({}), Value::Null);
    let report = send(&second, removed).await;
    assert_eq!(report["held"], 0, "{report:#}");
    assert!(!is_mapped(&emulator, "analytics USER alice engineer"));
    // After a day they are tried again, and held by nobody; and then not for a day.
    tokio::time::sleep(Duration::from_secs(4 * 3600)).await;
    emulator.world().calls.clear();
    let stale = json!({ "action": "reconcile", "approve": "0123456789abcdef" });
    send(&second, stale).await;
    assert_eq!(
        emulator
            .world()
            .calls_to("DeleteStudioSessionMapping")
            .count(),
        0
    );
    for tried in [6, 0] {
        emulator.world().calls.clear();
        assert_eq!(send(&second, schedule()).await["held"], 0);
        let deletions = emulator
            .world()
            .calls_to("DeleteStudioSessionMapping")
            .count();
        assert_eq!(deletions, tried);
    }
}

/// A log that could not be read is asked again, but not before each deletion.
#[tokio::test(start_paused = true)]
async fn a_log_that_could_not_be_read_is_asked_again_after_five_minutes() {
    let mut start = world();
    let denied = Fault::on("FilterLogEvents", FaultKind::AccessDenied);
    start.faults.add(denied);
    let emulator = Emulator::in_process(start);
    let function = process_with_log(&emulator, &table(|_| ()), Mode::Apply, Some("log")).await;
    send(&function, schedule()).await;
    for (minutes, group, user, asked) in [
        (0, "data-engineers", "alice", 1),
        (4, "data-engineers", "bob", 1),
        (2, "data-analysts", "carol", 2),
    ] {
        tokio::time::sleep(Duration::from_secs(minutes * 60)).await;
        let removed = {
            let mut world = emulator.world();
            world.remove_member(group, user).unwrap();
            member_removed(
                &world.group_id(group).unwrap(),
                &world.user_id(user).unwrap(),
            )
        };
        queue(&function, &[removed]).await;
        let calls = emulator.world().calls_to("FilterLogEvents").count();
        assert_eq!(calls, asked, "when {user} left");
    }
}

/// What was held because it was all waits in a new process too, which reads in the log
/// what that was: by then it may be all no longer.
#[tokio::test(start_paused = true)]
async fn what_was_held_because_it_was_all_is_held_by_the_next_process_too() {
    let emulator = Emulator::in_process(world());
    let first = process(&emulator, &table(|_| ()), Mode::Apply).await;
    send(&first, schedule()).await;
    {
        let mut world = emulator.world();
        for (group, user) in [
            ("data-engineers", "alice"),
            ("data-engineers", "bob"),
            ("data-analysts", "carol"),
        ] {
            world.remove_member(group, user).unwrap();
            let record = json!({
                "message": "change", "action": "delete", "outcome": "held", "all": true,
                "studio_id": ANALYTICS, "identity_type": "USER",
                "identity_id": world.user_id(user).unwrap(),
            });
            world.log.push(LogLine {
                group: "log".to_owned(),
                at_ms: NOON_MS - 60_000,
                message: record.to_string(),
            });
        }
        world.add_member("data-analysts", "dave").unwrap();
        world
            .map(ANALYTICS, IdentityType::User, "dave", ANALYST)
            .unwrap();
    }
    let second = process_with_log(&emulator, &table(|_| ()), Mode::Apply, Some("log")).await;
    let report = send(&second, schedule()).await;
    assert_eq!(
        (&report["held"], &report["deleted"]),
        (&json!(3), &json!(0))
    );
}

// -------------------------------------------------------------------- memory

#[tokio::test(start_paused = true)]
async fn for_whom_no_rule_wants_anything_the_studios_are_asked_after_five_minutes() {
    let mut start = world();
    let finance = start.add_group("finance").unwrap();
    let dave = start.user_id("dave").unwrap();
    let emulator = Emulator::in_process(start);
    let function = process(&emulator, &table(|_| ()), Mode::Apply).await;
    send(&function, schedule()).await;
    for (minutes, is_asked) in [(4, false), (2, true), (4, false)] {
        tokio::time::sleep(Duration::from_secs(minutes * 60)).await;
        emulator.world().calls.clear();
        queue(&function, &[member_added(&finance, &dave)]).await;
        let lists = emulator
            .world()
            .calls_to("ListStudioSessionMappings")
            .count();
        assert_eq!(lists > 0, is_asked, "{minutes} minutes later");
    }
}

// ---------------------------------------------------------------- two writers

/// An update made long after its reading, and a removal that another process has
/// dealt with meanwhile: nobody ends with the policy of a group they left.
#[tokio::test(start_paused = true)]
async fn an_update_whose_turn_comes_late_gives_nobody_the_policy_of_a_group_they_left() {
    let mut start = world();
    for number in 0..30 {
        let user = format!("user-{number:02}");
        start.add_user(&user).unwrap();
        start.add_member("data-analysts", &user).unwrap();
    }
    let emulator = Emulator::in_process(start);
    let slow = table(|table| {
        table["pace"] =
            json!({ "emr_per_second": 4, "emr_burst": 10, "identity_store_per_second": 15 });
    });
    let queued = process(&emulator, &slow, Mode::Apply).await;
    send(&queued, schedule()).await;
    // Many become engineers; the events are on their way, and somebody orders a pass.
    for number in 0..30 {
        let mut world = emulator.world();
        world
            .add_member("data-engineers", &format!("user-{number:02}"))
            .unwrap();
    }
    let by_hand = process(&emulator, &slow, Mode::Apply).await;
    let order = send(&by_hand, json!({ "action": "reconcile" }));
    let meanwhile = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        // A mistake, corrected at once; its event comes through the queue.
        let (user, group) = {
            let mut world = emulator.world();
            world.remove_member("data-engineers", "user-29").unwrap();
            (
                world.user_id("user-29").unwrap(),
                world.group_id("data-engineers").unwrap(),
            )
        };
        let removed = member_removed(&group, &user);
        send(&queued, removed).await
    };
    let (order, event) = tokio::join!(order, meanwhile);
    assert!(
        is_mapped(&emulator, "analytics USER user-29 analyst"),
        "an engineer who is none; the event's report: {event:#}; the order made {}",
        order["updated"]
    );
}

/// The same for a deletion: somebody who came back meanwhile keeps their mapping.
#[tokio::test(start_paused = true)]
async fn a_deletion_whose_turn_comes_late_takes_nothing_from_who_came_back() {
    let mut start = world();
    for number in 0..30 {
        let user = format!("user-{number:02}");
        start.add_user(&user).unwrap();
        start.add_member("data-analysts", &user).unwrap();
    }
    let emulator = Emulator::in_process(start);
    let slow = table(|table| {
        table["deletions"] = json!({ "floor": 50 });
        table["pace"] =
            json!({ "emr_per_second": 4, "emr_burst": 10, "identity_store_per_second": 15 });
    });
    let queued = process(&emulator, &slow, Mode::Apply).await;
    send(&queued, schedule()).await;
    for number in 0..30 {
        let mut world = emulator.world();
        world
            .remove_member("data-analysts", &format!("user-{number:02}"))
            .unwrap();
    }
    let by_hand = process(&emulator, &slow, Mode::Apply).await;
    let order = send(&by_hand, json!({ "action": "reconcile" }));
    let meanwhile = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (user, group) = {
            let mut world = emulator.world();
            world.add_member("data-analysts", "user-29").unwrap();
            (
                world.user_id("user-29").unwrap(),
                world.group_id("data-analysts").unwrap(),
            )
        };
        send(&queued, member_added(&group, &user)).await
    };
    let (order, event) = tokio::join!(order, meanwhile);
    assert!(
        is_mapped(&emulator, "analytics USER user-29 analyst"),
        "a member without a mapping; the event's report: {event:#}; the order deleted {}",
        order["deleted"]
    );
}

// ------------------------------------------------------------------ unfinished

/// What fails for hours, with a full pass each hour, is tried all the while: when
/// the failure ends, it is done within minutes, as the alarm says.
#[tokio::test(start_paused = true)]
async fn what_fails_for_longer_than_an_hour_is_kept_by_the_full_pass_that_finds_it_again() {
    let emulator = Emulator::in_process(world());
    let function = process(&emulator, &table(|_| ()), Mode::Apply).await;
    send(&function, schedule()).await;
    {
        let mut world = emulator.world();
        world.add_member("data-analysts", "dave").unwrap();
        let dave = world.user_id("dave").unwrap();
        let fails = Fault::on("CreateStudioSessionMapping", FaultKind::ServerError);
        world.faults.add(fails.containing(&dave));
    }
    let start = Instant::now();
    let mut forgotten = Vec::new();
    for minute in 0..240_u64 {
        tokio::time::sleep_until(start + Duration::from_secs(60 * minute)).await;
        match minute % 60 {
            0 => queue(&function, &[schedule()]).await,
            _ => queue(&function, &[unfinished()]).await,
        };
        if function.unfinished() == 0 {
            forgotten.push(minute);
        }
    }
    assert!(
        forgotten.is_empty(),
        "not tried, and no alarm on: minutes {:?} to {:?}, {} in all",
        forgotten.first(),
        forgotten.last(),
        forgotten.len()
    );
}

/// What takes many invocations, and goes on with each, is finished.
#[test]
fn what_goes_on_is_not_given_up_after_an_hour() {
    let user = |number: usize| {
        Identity::user(Id::parse(&format!("0a1b2c3d-1001-7001-8001-{number:012}")).unwrap())
    };
    let everybody = |from: usize| Reach::Only((from..10_500).map(user).collect::<BTreeSet<_>>());
    let all = BTreeMap::from([(0, Reach::All)]);
    let mut unfinished = Unfinished::default();
    let mut now = 155_000;
    // Each pass takes 155 s, and makes 620 changes.
    let mut done = 620;
    let goes_on = BTreeSet::from([0]);
    let none = BTreeSet::new();
    let pass = |unfinished: &mut Unfinished, left: &BTreeMap<usize, Reach>, now| {
        let came = Came {
            looked_at: &all,
            left,
            goes_on: &goes_on,
            hang: &none,
            is_full: false,
            events: &[],
        };
        unfinished.settle(&came, now);
    };
    let left = BTreeMap::from([(0, everybody(done))]);
    pass(&mut unfinished, &left, now);
    while done < 10_500 {
        let mut waited = 0;
        while unfinished.due(now).0.is_empty() {
            now += 60_000;
            waited += 1;
            assert!(waited < 10, "given up with {} to go", 10_500 - done);
        }
        now += 155_000;
        done = (done + 620).min(10_500);
        let left = match done {
            10_500 => BTreeMap::new(),
            done => BTreeMap::from([(0, everybody(done))]),
        };
        pass(&mut unfinished, &left, now);
    }
}

/// One Studio that hangs does not keep the events behind an event waiting.
#[tokio::test(start_paused = true)]
async fn one_studio_that_hangs_keeps_no_later_event_waiting() {
    let (start, table) = many_studios(1);
    let emulator = Emulator::in_process(start);
    let function = process(&emulator, &table, Mode::Apply).await;
    send(&function, schedule()).await;
    hang(&emulator);
    let mut took = Vec::new();
    for user in ["dave", "ops", "alice"] {
        let (id, group) = {
            let mut world = emulator.world();
            let _ = world.add_member("data-analysts", user);
            (
                world.user_id(user).unwrap(),
                world.group_id("data-analysts").unwrap(),
            )
        };
        let begun = Instant::now();
        queue(&function, &[member_added(&group, &id)]).await;
        took.push(begun.elapsed());
    }
    assert!(
        took.iter()
            .skip(1)
            .all(|took| *took < Duration::from_secs(5)),
        "each invocation took {took:?}, and the next waits for it"
    );
}

// ------------------------------------------------------------- fresh events

/// Of two events of one second the last counts too: CloudTrail's times have no
/// fractions.
#[tokio::test(start_paused = true)]
async fn of_two_fresh_events_of_one_second_the_last_counts() {
    let emulator = Emulator::in_process(world());
    let function = process(&emulator, &table(|_| ()), Mode::Apply).await;
    send(&function, schedule()).await;
    let (dave, analysts) = {
        let world = emulator.world();
        (
            world.user_id("dave").unwrap(),
            world.group_id("data-analysts").unwrap(),
        )
    };
    emulator.world().calls.clear();
    let now = wall_ms();
    let added = at(member_added(&analysts, &dave), now);
    let removed = at(member_removed(&analysts, &dave), now);
    queue(&function, &[added, removed]).await;
    let asked = emulator.world().calls_to("IsMemberInGroups").count();
    assert_eq!(asked, 1, "read again as if the directory lagged");
}

/// "Read again, at most three times and within three seconds of the first reading."
#[tokio::test(start_paused = true)]
async fn a_directory_that_lags_is_read_again_for_three_seconds_however_large_it_is() {
    let mut start = world();
    for number in 0..150 {
        start.add_group(&format!("data-{number:03}")).unwrap();
    }
    let emulator = Emulator::in_process(start);
    let paced = table(|table| {
        table["pace"] =
            json!({ "emr_per_second": 4, "emr_burst": 10, "identity_store_per_second": 15 });
    });
    let function = process(&emulator, &paced, Mode::Apply).await;
    send(&function, schedule()).await;
    let (dave, analysts) = {
        let world = emulator.world();
        (
            world.user_id("dave").unwrap(),
            world.group_id("data-analysts").unwrap(),
        )
    };
    let begun = Instant::now();
    queue(&function, &[schedule()]).await;
    let without = begun.elapsed();
    let begun = Instant::now();
    let added = at(member_added(&analysts, &dave), wall_ms());
    queue(&function, &[schedule(), added]).await;
    let with = begun.elapsed();
    assert!(
        with < without + Duration::from_secs(5),
        "{with:?} in place of {without:?}"
    );
}

/// Who left one group of a pattern and is in another stays wanted: a creation whose
/// turn comes late asks for what the rule says, not for one group.
#[tokio::test(start_paused = true)]
async fn a_late_creation_is_made_if_another_group_of_the_rule_has_the_user() {
    let mut start = world();
    for number in 0..40 {
        let user = format!("user-{number:02}");
        start.add_user(&user).unwrap();
        start.add_member("data-analysts", &user).unwrap();
        start.add_group("data-zebra").ok();
    }
    start.add_member("data-zebra", "user-39").unwrap();
    let emulator = Emulator::in_process(start);
    let slow = table(|table| {
        table["pace"] =
            json!({ "emr_per_second": 2, "emr_burst": 4, "identity_store_per_second": 15 });
    });
    let function = process(&emulator, &slow, Mode::Apply).await;
    let leaves = async {
        tokio::time::sleep(Duration::from_secs(6)).await;
        let mut world = emulator.world();
        world.remove_member("data-analysts", "user-39").unwrap();
    };
    let (report, ()) = tokio::join!(send(&function, schedule()), leaves);
    assert!(
        is_mapped(&emulator, "analytics USER user-39 analyst"),
        "skipped; problems: {}, unfinished: {}",
        report["problems"],
        function.unfinished()
    );
}

// ------------------------------------------------------------------ the rest

/// A Studio that does not exist is no Studio that was dealt with.
#[tokio::test(start_paused = true)]
async fn a_message_comes_back_although_one_studio_of_the_table_cannot_be_used() {
    let mut start = world();
    start.studios.remove(SCIENCE);
    let emulator = Emulator::in_process(start);
    let function = process(&emulator, &table(|_| ()), Mode::Apply).await;
    let (dave, analysts) = {
        let mut world = emulator.world();
        world.add_member("data-analysts", "dave").unwrap();
        let fails = Fault::on("emr", FaultKind::ServerError);
        world.faults.add(fails.containing(ANALYTICS));
        (
            world.user_id("dave").unwrap(),
            world.group_id("data-analysts").unwrap(),
        )
    };
    let answer = queue(&function, &[member_added(&analysts, &dave)]).await;
    assert_eq!(answer["batchItemFailures"].as_array().unwrap().len(), 1);
}

/// A time that cannot be is no reason to panic.
#[tokio::test(start_paused = true)]
async fn a_message_sent_at_the_end_of_time_is_a_message() {
    let emulator = Emulator::in_process(world());
    let function = process(&emulator, &table(|_| ()), Mode::Apply).await;
    send(&function, schedule()).await;
    send(&function, sent(&schedule(), i64::MAX)).await;
}

/// The id that a plan shows is the one to approve.
#[tokio::test(start_paused = true)]
async fn the_plan_id_of_an_ordered_plan_is_that_of_the_pass_also_beside_orphans() {
    let mut start = world();
    start.settings.delete_after_identity_gone = AfterIdentityGone::Refuse;
    for number in 0..20 {
        let user = format!("user-{number:02}");
        start.add_user(&user).unwrap();
        start.add_member("data-analysts", &user).unwrap();
    }
    let emulator = Emulator::in_process(start);
    let function = process(&emulator, &table(|_| ()), Mode::Apply).await;
    send(&function, schedule()).await;
    emulator.world().delete_user("user-19").unwrap();
    send(&function, schedule()).await;
    for number in 0..8 {
        let mut world = emulator.world();
        let user = format!("user-{number:02}");
        world.remove_member("data-analysts", &user).unwrap();
    }
    let plan = send(&function, json!({ "action": "plan" })).await;
    let approve = json!({ "action": "reconcile", "approve": plan["plan_id"] });
    let report = send(&function, approve).await;
    assert_eq!(report["deleted"], 8, "{}", report["problems"]);
}

/// One person whose creation hangs keeps nobody of the Studio waiting.
#[tokio::test(start_paused = true)]
async fn one_creation_that_hangs_keeps_nobody_else_of_the_studio_waiting() {
    let mut start = world();
    for number in 0..40 {
        let user = format!("user-{number:02}");
        start.add_user(&user).unwrap();
        start.add_member("data-analysts", &user).unwrap();
    }
    let first = start.user_id("user-00").unwrap();
    let forever = FaultKind::Latency(Duration::from_secs(600));
    start
        .faults
        .add(Fault::on("CreateStudioSessionMapping", forever).containing(&first));
    let emulator = Emulator::in_process(start);
    let function = process(&emulator, &table(|_| ()), Mode::Apply).await;
    let begun = Instant::now();
    send(&function, schedule()).await;
    let last = emulator
        .world()
        .calls_to("CreateStudioSessionMapping")
        .map(|call| call.arrived.duration_since(begun))
        .max();
    assert!(
        last < Some(Duration::from_secs(5)),
        "the last began after {last:?}"
    );
    // Nor anybody of another, whose event comes next: it is not tried again so soon.
    let (ops, event) = {
        let mut world = emulator.world();
        let ops = world.user_id("ops").unwrap();
        world.delete_user("ops").unwrap();
        (
            ops.clone(),
            event("DeleteUser", json!({ "userId": ops }), Value::Null),
        )
    };
    let begun = Instant::now();
    queue(&function, &[event]).await;
    assert!(!is_mapped(
        &emulator,
        &format!("science USER {ops} engineer")
    ));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "it took {took:?}");
}
