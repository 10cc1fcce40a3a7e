//! The real binary, as Lambda runs it: a Runtime API on one side, the embedded
//! AWS on the other.

use crate::support;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use emr_studio_sync::emulator::{Emulator, Fault, FaultKind, LogLine, Seed, World};
use emr_studio_sync::record::{Fate, deletion};
use serde_json::{Value, json};
use support::runtime::Lambda;
use support::{
    ANALYTICS, STORE, batch, mappings, member_added, schedule, table, unfinished, world,
};

async fn emulator(world: World) -> Emulator {
    Emulator::start(world, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .unwrap()
}

async fn lambda(emulator: &Emulator, table: &str, more: &[(&str, &str)]) -> Lambda {
    let url = emulator.url();
    let mut env = vec![
        ("AWS_ENDPOINT_URL_EMR", url.as_str()),
        ("AWS_ENDPOINT_URL_IDENTITYSTORE", url.as_str()),
        ("IDENTITY_STORE_ID", STORE),
        ("POLICY_TABLE", table),
        ("MODE", "apply"),
    ];
    env.extend(more);
    Lambda::start(&env).await
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn json_file(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The files of `events/`, in the order of the story.
fn story() -> Vec<PathBuf> {
    let files = std::fs::read_dir(root().join("events")).unwrap();
    let mut files: Vec<PathBuf> = files
        .map(|file| file.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files
}

/// The metrics of the one invocation in these lines.
fn metrics(log: &[Value]) -> &Value {
    let lines: Vec<&Value> = log
        .iter()
        .filter(|line| line.get("_aws").is_some() && line.get("Studio").is_none())
        .collect();
    assert_eq!(
        lines.len(),
        1,
        "one line of metrics an invocation: {log:#?}"
    );
    lines[0]
}

#[tokio::test]
async fn the_story_of_the_events_folder_ends_as_the_table_says() {
    let seed = std::fs::read_to_string(root().join("events/directory.toml")).unwrap();
    let Seed {
        world,
        story: steps,
        ..
    } = World::from_toml(&seed).unwrap();
    let emulator = emulator(world).await;
    let policy = root().join("events/policy.toml");
    let lambda = lambda(&emulator, policy.to_str().unwrap(), &[]).await;

    let mut told = String::new();
    for path in story() {
        let file = path.file_name().unwrap().to_str().unwrap();
        for step in steps.iter().filter(|step| step.before == file) {
            emulator.world().play(step).unwrap();
        }
        let report = lambda.invoke(&json_file(&path)).await.unwrap();
        told += &format!("{file}: {}", report["scope"].as_str().unwrap());
        for count in ["created", "updated", "deleted", "unchanged"] {
            if report[count] != 0 {
                told += &format!(", {} {count}", report[count]);
            }
        }
        told += "\n";
        assert_eq!(report["failed"], 0, "{report:#}");
    }
    insta::assert_snapshot!(told, @"
    01-schedule-first-pass.json: everything, 6 created
    02-joiner-user.json: user
    03-joiner-membership.json: user, 1 created
    04-mover-into-new-group.json: user, 1 updated
    05-mover-out-of-old-group.json: user, 1 unchanged
    06-leaver.json: everything, 1 deleted, 6 unchanged
    07-deleted-user.json: user, 1 deleted
    08-new-group.json: group, 3 unchanged
    09-scim-hidden-members.json: group, 1 created, 3 unchanged
    10-failed-call.json: nothing
    11-somebody-elses-group.json: nothing
    12-schedule.json: everything, 6 unchanged
    ");
    insta::assert_snapshot!(mappings(&emulator.world()).join("\n"), @"
    analytics USER alice@example.com engineer
    analytics USER bob@example.com engineer
    analytics USER erin@example.com analyst
    analytics USER frank@example.com engineer
    analytics USER grace@example.com somebody-elses
    science GROUP data-engineers analyst
    science USER ops@example.com engineer
    ");
}

#[tokio::test]
async fn every_change_has_one_record_that_names_its_cause() {
    let emulator = emulator(world()).await;
    let lambda = lambda(&emulator, &table(|_| ()).to_string(), &[]).await;
    lambda.invoke(&schedule()).await.unwrap();
    lambda.log().await;

    let (group, user) = {
        let mut world = emulator.world();
        world.add_member("data-analysts", "dave").unwrap();
        (
            world.group_id("data-analysts").unwrap(),
            world.user_id("dave").unwrap(),
        )
    };
    lambda.invoke(&member_added(&group, &user)).await.unwrap();
    let log = lambda.log().await;
    let records: Vec<&Value> = log
        .iter()
        .filter(|line| line["message"] == "change")
        .collect();
    let [record] = records[..] else {
        panic!("one record: {log:#?}")
    };
    let mut expected = json!({
        "level": "INFO",
        "message": "change",
        "action": "create",
        "outcome": "done",
        "studio": "analytics",
        "studio_id": ANALYTICS,
        "identity_type": "USER",
        "identity_id": user,
        "session_policy": support::ANALYST,
        "rule": 1,
        "via_group": group,
        "cause": "event-CreateGroupMembership",
        "cloudtrail": "cloudtrail-CreateGroupMembership",
    });
    expected["timestamp"] = record["timestamp"].clone();
    assert_eq!(*record, expected);
    assert!(record["timestamp"].as_str().unwrap().ends_with('Z'));

    let metrics = metrics(&log);
    assert_eq!(metrics["Created"], 1);
    assert_eq!(metrics["FunctionName"], "studio-sync");
    assert!(metrics["EventToMappingMs"].as_i64().unwrap() > 0);
    assert_eq!(
        metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"],
        "EmrStudioSync"
    );
}

#[tokio::test]
async fn a_name_is_logged_only_if_that_is_wanted() {
    for wanted in [false, true] {
        let emulator = emulator(world()).await;
        let more: &[(&str, &str)] = if wanted {
            &[("LOG_NAMES", "true")]
        } else {
            &[]
        };
        let table = table(|_| ()).to_string();
        let lambda = lambda(&emulator, &table, more).await;
        lambda.invoke(&schedule()).await.unwrap();
        let (group, user) = {
            let mut world = emulator.world();
            world.add_user("zebulon").unwrap();
            world.add_member("data-analysts", "zebulon").unwrap();
            (
                world.group_id("data-analysts").unwrap(),
                world.user_id("zebulon").unwrap(),
            )
        };
        lambda.invoke(&member_added(&group, &user)).await.unwrap();
        emulator
            .world()
            .remove_member("data-analysts", "zebulon")
            .unwrap();
        lambda.invoke(&schedule()).await.unwrap();
        let log = format!("{:?}", lambda.log().await);
        assert!(log.contains(&user), "the id is always there");
        assert_eq!(log.contains("zebulon"), wanted, "{log}");
    }
}

#[tokio::test]
async fn what_is_not_understood_is_logged_whole_but_no_request() {
    let emulator = emulator(world()).await;
    let lambda = lambda(&emulator, &table(|_| ()).to_string(), &[]).await;
    lambda.invoke(&json!({ "weather": "rain" })).await.unwrap();
    let log = lambda.log().await;
    assert_eq!(log[0]["message"], "started");
    assert_eq!(log[1]["level"], "ERROR");
    assert!(log[1]["payload"].as_str().unwrap().contains("rain"));
    assert_eq!(metrics(&log)["Rejected"], 1);

    for question in [
        json!({ "action": "explain", "user_id": "zebulon@example.com" }),
        json!({ "action": "explian", "user": "zebulon@example.com" }),
        json!({ "action": "explain", "usr": "zebulon@example.com" }),
        json!({ "acton": "explain", "user": "zebulon@example.com" }),
        json!({ "userName": "zebulon@example.com" }),
        json!({ "action": "explain", "user": ["zebulon@example.com"] }),
        json!({ "action": "zebulon@example.com" }),
        json!({ "action": "reconcile", "studio": "zebulon@example.com" }),
    ] {
        let answer = lambda.invoke(&question).await.unwrap();
        assert!(answer["problems"][0].is_string(), "{answer}");
        let log = lambda.log().await;
        assert_eq!(metrics(&log)["Rejected"], 1);
        assert!(!format!("{log:?}").contains("zebulon"), "{log:#?}");
    }
}

#[tokio::test]
async fn an_empty_variable_is_an_unset_one() {
    let emulator = emulator(world()).await;
    let url = emulator.url();
    let empty = [
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("AWS_ENDPOINT_URL_EMR", ""),
        ("AWS_ENDPOINT_URL_IDENTITYSTORE", " "),
        ("AWS_PROFILE", ""),
    ];
    let lambda = lambda(&emulator, &table(|_| ()).to_string(), &empty).await;
    let report = lambda.invoke(&json!({ "action": "plan" })).await.unwrap();
    assert_eq!(report["failed"], 0, "{report:#}");
}

#[tokio::test]
async fn a_wrong_configuration_stops_the_start_with_one_error_that_names_everything() {
    let emulator = emulator(world()).await;
    let bad = table(|table| {
        table["rules"][2]["studio"] = json!("nope");
        table["on_missing_group"] = json!("ignore");
    });
    let mut lambda = lambda(&emulator, &bad.to_string(), &[("MODE", "aply")]).await;
    assert_ne!(lambda.ended().await, 0);
    let log = lambda.log().await;
    let [error] = &log[..] else {
        panic!("one line: {log:#?}")
    };
    assert_eq!(error["level"], "ERROR");
    let problems = error["problems"].as_str().unwrap();
    for place in [
        "MODE: ",
        "rules[2].studio: no studio is called",
        "on_missing_group: ",
    ] {
        assert!(problems.contains(place), "{problems}");
    }
    assert!(emulator.world().calls.is_empty());
}

#[tokio::test]
async fn what_is_hardly_meant_in_the_table_is_logged_at_the_start_without_a_name() {
    let emulator = emulator(world()).await;
    let table = table(|table| table["rules"][3]["user"] = json!("ops "));
    let lambda = lambda(&emulator, &table.to_string(), &[]).await;
    lambda.invoke(&schedule()).await.unwrap();
    let log = lambda.log().await;
    let warned = log.iter().filter_map(|line| line["warning"].as_str());
    assert_eq!(
        warned.collect::<Vec<_>>(),
        ["rules[3].user: ends with white space: to AWS that is another name"]
    );
}

#[tokio::test]
async fn of_thousands_of_warnings_a_start_logs_the_first_and_how_many_more_there_are() {
    let emulator = emulator(world()).await;
    let table = table(|table| {
        let rules = (0..1000).map(|n| {
            json!({ "user": format!("u{n} "), "studio": "analytics", "session_policy": "analyst" })
        });
        table["rules"].as_array_mut().unwrap().extend(rules);
    });
    let lambda = lambda(&emulator, &table.to_string(), &[]).await;
    lambda.invoke(&json!({ "action": "status" })).await.unwrap();
    let log = lambda.log().await;
    let warned = log.iter().filter(|line| line["warning"].is_string());
    assert_eq!(warned.count(), 20);
    let more = log.iter().find_map(|line| line["more"].as_u64());
    assert!(more.unwrap() >= 980, "{more:?}");
}

#[tokio::test]
async fn junk_is_answered_and_never_the_end_of_the_process() {
    let emulator = emulator(world()).await;
    let lambda = lambda(&emulator, &table(|_| ()).to_string(), &[]).await;
    let deep = format!("{}{}", "[".repeat(400_000), "]".repeat(400_000));
    let long = json!({ "x": "y".repeat(1_000_000) }).to_string();
    let named = json!({
        "detail-type": "AWS API Call via CloudTrail",
        "id": "i".repeat(100_000),
        "detail": { "eventSource": "s".repeat(100_000), "eventName": "n".repeat(800_000) },
    })
    .to_string();
    let asked = json!({ "action": "reconcile", "studio": "s".repeat(900_000) }).to_string();
    let junk: [&[u8]; 14] = [
        b"null",
        b"0",
        b"\"reconcile\"",
        b"[]",
        b"{}",
        br#"{"Records": 5}"#,
        br#"{"action": "delete everything"}"#,
        br#"{"action": "reconcile", "stduio": "analytics"}"#,
        br#"{"detail": {"action": "reconcile"}}"#,
        br#"{"detail-type": "AWS API Call via CloudTrail", "detail": 7}"#,
        deep.as_bytes(),
        long.as_bytes(),
        named.as_bytes(),
        asked.as_bytes(),
    ];
    for payload in junk {
        let shown = String::from_utf8_lossy(&payload[..payload.len().min(60)]).into_owned();
        let time = Duration::from_secs(60);
        match lambda.invoke_within(payload.to_vec(), time).await {
            Ok(report) => {
                assert_eq!(report["scope"], "nothing", "{shown}: {report}");
                assert!(report["reason"].is_string(), "{shown}: {report}");
                assert!(
                    report.to_string().len() < 2_000,
                    "{shown}: an answer is for reading"
                );
            }
            Err(error) => assert!(error["errorMessage"].is_string(), "{shown}: {error}"),
        }
    }
    assert!(emulator.world().calls.is_empty(), "no call was made");
    lambda.invoke(&schedule()).await.unwrap();
    assert!(!emulator.world().mappings.is_empty(), "it still works");
}

#[tokio::test]
async fn a_batch_is_one_pass_and_what_fails_is_finished_later_without_coming_again() {
    let emulator = emulator(world()).await;
    let lambda = lambda(&emulator, &table(|_| ()).to_string(), &[]).await;
    lambda.invoke(&schedule()).await.unwrap();
    let (group, dave, ops) = {
        let mut world = emulator.world();
        world.add_member("data-analysts", "dave").unwrap();
        world.add_member("data-analysts", "ops").unwrap();
        let (dave, ops) = (
            world.user_id("dave").unwrap(),
            world.user_id("ops").unwrap(),
        );
        // Dave's creation fails for longer than anybody retries.
        world
            .faults
            .add(Fault::on("CreateStudioSessionMapping", FaultKind::ServerError).containing(&dave));
        (world.group_id("data-analysts").unwrap(), dave, ops)
    };
    lambda.log().await;
    let bodies = [
        member_added(&group, &dave).to_string(),
        "not even JSON".to_owned(),
        member_added(&group, &ops).to_string(),
        json!({ "action": "reconcile" }).to_string(),
    ];
    let answer = lambda.invoke(&batch(bodies)).await.unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert!(mappings(&emulator.world()).contains(&"analytics USER ops analyst".to_owned()));

    let log = lambda.log().await;
    assert_eq!(metrics(&log)["Rejected"], 2);
    let junk = log
        .iter()
        .find(|line| line["message"] == "not understood")
        .unwrap();
    assert_eq!(junk["level"], "ERROR");
    assert!(junk["payload"].as_str().unwrap().contains("not even JSON"));
    assert_eq!(
        log.iter()
            .filter(|line| line["message"] == "report")
            .count(),
        1
    );
    assert_eq!(metrics(&log)["Unfinished"], 1);
    assert_eq!(metrics(&log)["Failed"], 0, "it may pass");

    emulator.world().faults.rules.clear();
    let answer = lambda.invoke(&batch([unfinished().to_string()])).await;
    assert_eq!(answer.unwrap(), json!({ "batchItemFailures": [] }));
    assert!(mappings(&emulator.world()).contains(&"analytics USER dave analyst".to_owned()));
    let log = lambda.log().await;
    assert_eq!(metrics(&log)["Unfinished"], 0);
    let change = log.iter().find(|line| line["message"] == "change").unwrap();
    assert_eq!(
        change["cause"], "event-CreateGroupMembership",
        "what once led to it"
    );

    emulator.world().calls.clear();
    lambda.invoke(&unfinished()).await.unwrap();
    assert!(
        emulator.world().calls.is_empty(),
        "there is nothing to finish"
    );
}

#[tokio::test]
async fn what_is_short_of_time_stops_cleanly_and_is_to_be_run_again() {
    let emulator = emulator(world()).await;
    let slow = Fault::on(
        "CreateStudioSessionMapping",
        FaultKind::Latency(Duration::from_secs(1)),
    );
    emulator.world().faults.add(slow);
    let table = table(|table| table["pace"]["emr_per_second"] = json!(1)).to_string();
    let table = table.replace("\"emr_burst\":2000", "\"emr_burst\":6");
    let lambda = lambda(&emulator, &table, &[]).await;
    let payload = schedule().to_string().into_bytes();
    let error = lambda
        .invoke_within(payload, Duration::from_secs(27))
        .await
        .unwrap_err();
    assert_eq!(error["errorType"], "Incomplete");
    let log = lambda.log().await;
    let report = log.iter().find(|line| line["message"] == "report").unwrap();
    assert!(report["remaining"].as_i64().unwrap() > 0, "{report}");
    assert_eq!(report["failed"], 0, "{report}");
    assert_eq!(metrics(&log)["FullPassCompleted"], 0);

    let report = lambda.invoke(&schedule()).await.unwrap();
    assert_eq!(report["remaining"], 0);
    assert_eq!(mappings(&emulator.world()).len(), 5);
}

// ------------------------------------------------------- process after process

const LOG_GROUP: &str = "/aws/lambda/studio-sync";

/// A process that knows its log group.
async fn with_a_log(emulator: &Emulator, table: &str) -> Lambda {
    let url = emulator.url();
    let more = [
        ("AWS_LAMBDA_LOG_GROUP_NAME", LOG_GROUP),
        ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", url.as_str()),
    ];
    lambda(emulator, table, &more).await
}

/// A world of so many analysts, all of them mapped.
async fn analysts(users: usize) -> (Emulator, String) {
    let mut start = world();
    for number in 0..users {
        let name = format!("user-{number:02}");
        start.add_user(&name).unwrap();
        start.add_member("data-analysts", &name).unwrap();
    }
    start.log_groups.insert(LOG_GROUP.to_owned());
    let emulator = emulator(start).await;
    let table = table(|_| ()).to_string();
    let first = lambda(&emulator, &table, &[]).await;
    first.invoke(&schedule()).await.unwrap();
    (emulator, table)
}

/// Takes somebody out of the group; the event of it.
fn removal(emulator: &Emulator, number: usize) -> Value {
    let mut world = emulator.world();
    let name = format!("user-{number:02}");
    let (group, user) = (
        world.group_id("data-analysts").unwrap(),
        world.user_id(&name).unwrap(),
    );
    world.remove_member("data-analysts", &name).unwrap();
    support::member_removed(&group, &user)
}

/// What CloudWatch does with what a process prints.
async fn ingest(emulator: &Emulator, lambda: &Lambda) {
    let lines = lambda.log().await;
    let mut world = emulator.world();
    let at_ms = chrono::Utc::now().timestamp_millis();
    let lines = lines.into_iter().map(|line| LogLine {
        group: LOG_GROUP.to_owned(),
        at_ms,
        message: line.to_string(),
    });
    world.log.extend(lines);
}

#[tokio::test]
async fn thirty_removals_in_thirty_processes_stay_within_the_guard() {
    let (emulator, table) = analysts(57).await;
    assert_eq!(mappings(&emulator.world()).len(), 62, "of analytics 60");
    let mut asked = 0;
    for number in 0..30 {
        let lambda = with_a_log(&emulator, &table).await;
        lambda.invoke(&removal(&emulator, number)).await.unwrap();
        ingest(&emulator, &lambda).await;
        let calls = std::mem::take(&mut emulator.world().calls);
        let mut calls = calls.iter();
        asked += usize::from(calls.any(|call| call.operation == "FilterLogEvents"));
    }
    // A fifth of those that there were.
    let left = mappings(&emulator.world()).len() - 2;
    assert!((60 - 12..=60 - 9).contains(&left), "{left} of 60 are left");
    assert_eq!(
        asked, 30,
        "each process asks once, before its first deletion"
    );
    // What was held waits for a person, who is told of all of it.
    let lambda = with_a_log(&emulator, &table).await;
    let report = lambda.invoke(&schedule()).await.unwrap();
    assert_eq!(report["held"], 30 - (60 - left));
    let approve = json!({ "action": "reconcile", "approve": report["plan_id"] });
    let report = lambda.invoke(&approve).await.unwrap();
    assert_eq!(report["deleted"], 30 - (60 - left));
    let log = lambda.log().await;
    let approved = log.iter().filter(|line| line["approved"] == true).count();
    assert_eq!(approved, 30 - (60 - left), "and it is recorded as approved");
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_told_and_the_process_goes_by_its_own_deletions() {
    let (emulator, table) = analysts(20).await;
    let denied = Fault::on("FilterLogEvents", FaultKind::AccessDenied);
    emulator.world().faults.add(denied);
    let lambda = with_a_log(&emulator, &table).await;
    let mut deleted = 0;
    for number in 0..8 {
        let report = lambda.invoke(&removal(&emulator, number)).await.unwrap();
        let problems = report["problems"].to_string();
        assert!(problems.contains("FilterLogEvents failed"), "{problems}");
        deleted += report["deleted"].as_u64().unwrap();
    }
    assert_eq!(deleted, 5, "the floor");
    let calls = std::mem::take(&mut emulator.world().calls);
    let asked = calls
        .iter()
        .filter(|call| call.operation == "FilterLogEvents");
    assert_eq!(asked.count(), 1, "not for each deletion");
}

#[test]
fn only_a_deletion_that_was_made_or_held_is_remembered_whatever_else_is_in_the_log() {
    let record = json!({
        "message": "change", "action": "delete", "outcome": "done", "studio_id": ANALYTICS,
        "identity_type": "USER", "identity_id": "0a1b2c3d-1001-7001-8001-00000000a001",
    });
    let read = |change: &dyn Fn(&mut Value)| {
        let mut line = record.clone();
        change(&mut line);
        deletion(&line.to_string())
    };
    let found = read(&|_| ()).unwrap();
    assert_eq!(found.studio_id, ANALYTICS);
    assert_eq!(
        found.identity.to_string(),
        "USER 0a1b2c3d-1001-7001-8001-00000000a001"
    );
    assert_eq!(found.fate, Fate::Made);
    let approved = read(&|line| line["approved"] = json!(true));
    assert_eq!(approved.unwrap().fate, Fate::Approved);
    let all = read(&|line| {
        line["outcome"] = json!("held");
        line["all"] = json!(true);
    });
    assert_eq!(all.unwrap().fate, Fate::Held);
    for (field, value) in [
        ("message", json!("report")),
        ("action", json!("create")),
        ("outcome", json!("held")),
        ("outcome", json!("withheld")),
        ("outcome", json!("failed")),
        ("identity_type", json!("ROBOT")),
        ("identity_id", json!("")),
        ("identity_id", json!(7)),
        ("studio_id", Value::Null),
    ] {
        assert_eq!(read(&|line| line[field] = value.clone()), None, "{field}");
    }
    assert_eq!(deletion("START RequestId: 8476a536"), None);
}
