//! What the account's event bus is told, what a Studio's own metrics are, and how a
//! process says what it is: by the real binary.

use std::net::{Ipv4Addr, SocketAddr};

use emr_studio_sync::bus;
use emr_studio_sync::emulator::{Emulator, Fault, FaultKind};
use emr_studio_sync::event::Event;
use emr_studio_sync::report::{ChangeReport, Outcome, Report};
use serde_json::{Value, json};

use crate::support::runtime::Lambda;
use crate::support::{ANALYST, ANALYTICS, STORE, member_added, schedule, table, world};

async fn emulator() -> Emulator {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Emulator::start(world(), any_port).await.unwrap()
}

async fn lambda(emulator: &Emulator, more: &[(&str, &str)]) -> Lambda {
    let (url, table) = (emulator.url(), table(|_| ()).to_string());
    let mut env = vec![
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("IDENTITY_STORE_ID", STORE),
        ("POLICY_TABLE", &table),
        ("MODE", "apply"),
    ];
    env.extend(more);
    Lambda::start(&env).await
}

/// What the bus was told since the last look.
fn told(emulator: &Emulator) -> Vec<Value> {
    let calls = std::mem::take(&mut emulator.world().calls);
    let calls = calls
        .into_iter()
        .filter(|call| call.operation == "PutEvents");
    calls.map(|call| call.input).collect()
}

#[tokio::test]
async fn one_event_a_pass_tells_who_got_what_and_why() {
    let emulator = emulator().await;
    let lambda = lambda(&emulator, &[("ACCESS_EVENTS", "true")]).await;
    lambda.invoke(&schedule()).await.unwrap();
    let first = told(&emulator);
    assert_eq!(first.len(), 1, "one for all that a pass changed");

    let (group, user) = {
        let mut world = emulator.world();
        world.add_member("data-analysts", "dave").unwrap();
        let group = world.group_id("data-analysts").unwrap();
        (group, world.user_id("dave").unwrap())
    };
    lambda.invoke(&member_added(&group, &user)).await.unwrap();
    let [input] = &told(&emulator)[..] else {
        panic!("one")
    };
    let [entry] = &input["Entries"].as_array().unwrap()[..] else {
        panic!("one entry")
    };
    assert_eq!(entry["Source"], "emr-studio-sync");
    assert_eq!(entry["DetailType"], "Access Changed");
    let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
    let expected = json!({
        "version": 1,
        "function": "studio-sync",
        "scope": "user",
        "reason": null,
        "cause": ["event-CreateGroupMembership"],
        "cloudtrail": ["cloudtrail-CreateGroupMembership"],
        "created": 1,
        "updated": 0,
        "deleted": 0,
        "changes": [{
            "action": "create",
            "outcome": "done",
            "studio": "analytics",
            "studio_id": ANALYTICS,
            "identity_type": "USER",
            "identity_id": user,
            "session_policy": ANALYST,
            "previous_policy": null,
            "rule": 1,
            "via_group": group,
        }],
        "left_out": 0,
    });
    assert_eq!(detail, expected);
    assert!(!detail.to_string().contains("dave"), "ids, and no names");
}

#[tokio::test]
async fn nothing_is_told_where_nothing_changed_or_nobody_asked() {
    for (more, expected) in [
        (&[("ACCESS_EVENTS", "true")][..], 1),
        (&[], 0),
        (&[("ACCESS_EVENTS", "true"), ("MODE", "plan")], 0),
    ] {
        let emulator = emulator().await;
        let lambda = lambda(&emulator, more).await;
        lambda.invoke(&schedule()).await.unwrap();
        assert_eq!(told(&emulator).len(), expected, "{more:?}");
        lambda.invoke(&schedule()).await.unwrap();
        assert_eq!(told(&emulator).len(), 0, "{more:?}");
    }
}

#[tokio::test]
async fn a_bus_that_refuses_is_reported_and_holds_up_nothing() {
    let emulator = emulator().await;
    let denied = Fault::on("PutEvents", FaultKind::AccessDenied);
    emulator.world().faults.add(denied);
    let lambda = lambda(&emulator, &[("ACCESS_EVENTS", "true")]).await;
    let report = lambda.invoke(&schedule()).await.unwrap();
    assert_eq!(
        (&report["created"], &report["failed"]),
        (&json!(5), &json!(0))
    );
    let log = lambda.log().await;
    let problems = log.iter().filter(|line| line["message"] == "problem");
    let problems: Vec<&str> = problems
        .filter_map(|line| line["problem"].as_str())
        .collect();
    let [problem] = problems[..] else {
        panic!("{problems:?}")
    };
    assert!(
        problem.contains("was not told") && problem.contains("events:PutEvents"),
        "{problem}"
    );
}

#[test]
fn an_event_has_room_for_some_hundreds_of_changes_and_says_how_many_it_left_out() {
    let change: ChangeReport = serde_json::from_value(json!({
        "action": "create",
        "outcome": "done",
        "studio": "analytics",
        "studio_id": ANALYTICS,
        "identity_type": "USER",
        "identity_id": "906757b1a2-1f0d7b7c-7a5a-4a3e-9d0e-0f1b2c3d4e5f",
        "session_policy": ANALYST,
        "previous_policy": null,
        "rule": 1,
        "via_group": "906757b1a2-0a0d7b7c-7a5a-4a3e-9d0e-0f1b2c3d4e5f",
    }))
    .unwrap();
    let mut report = Report {
        created: 3000,
        changes: vec![change.clone(); 3000],
        ..Report::default()
    };
    report.changes.push(ChangeReport {
        outcome: Outcome::Held,
        ..change
    });
    let detail = bus::detail(&report, &[Event::default()], None).unwrap();
    assert!(detail.to_string().len() < 256 * 1024 - 1000);
    let told = detail["changes"].as_array().unwrap().len();
    assert!(told > 400, "{told}");
    assert_eq!(detail["left_out"], 3000 - told);
}

#[tokio::test]
async fn a_studio_has_metrics_of_its_own_where_something_came_of_a_pass() {
    let emulator = emulator().await;
    let lambda = lambda(&emulator, &[]).await;
    lambda.invoke(&schedule()).await.unwrap();
    let log = lambda.log().await;
    let of_studios: Vec<Value> = log
        .iter()
        .filter(|line| line.get("Studio").is_some())
        .map(|line| {
            let metrics = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(metrics["Dimensions"], json!([["FunctionName", "Studio"]]));
            json!([
                line["FunctionName"],
                line["Studio"],
                line["Created"],
                metrics["Metrics"]
            ])
        })
        .collect();
    let created = json!([{ "Name": "Created", "Unit": "Count" }]);
    let expected = [
        json!(["studio-sync", "analytics", 3, created]),
        json!(["studio-sync", "science", 2, created]),
    ];
    assert_eq!(of_studios, expected);
    lambda.invoke(&schedule()).await.unwrap();
    let log = lambda.log().await;
    assert!(
        log.iter().all(|line| line.get("Studio").is_none()),
        "{log:#?}"
    );
}

#[tokio::test]
async fn a_process_says_which_version_it_is_at_its_start_and_beside_its_metrics() {
    let emulator = emulator().await;
    let lambda = lambda(&emulator, &[]).await;
    lambda.invoke(&schedule()).await.unwrap();
    let log = lambda.log().await;
    assert_eq!(log[0]["message"], "started");
    assert_eq!(log[0]["version"], emr_studio_sync::VERSION);
    assert_eq!(log[0]["mode"], "apply");
    let last = log.last().unwrap();
    assert_eq!(last["Version"], emr_studio_sync::VERSION);
}
