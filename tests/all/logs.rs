//! The function's log in the embedded AWS: asked call by call, and by the
//! deletion guard's own reader.

use crate::support;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use emr_studio_sync::aws::{self, Call, CallError, Kind, Tally};
use emr_studio_sync::config::{Config, Mode};
use emr_studio_sync::emulator::{Emulator, Fault, FaultKind, IdentityType, LogLine, World};
use emr_studio_sync::handler::Function;
use emr_studio_sync::log::{LOGS, Log};
use emr_studio_sync::pace::IN_FLIGHT;
use emr_studio_sync::policy::read::{self, Format};
use emr_studio_sync::record::{self, DELETIONS, Fate};
use emr_studio_sync::sync::Engine;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;

const GROUP: &str = "/aws/lambda/emr-studio-sync";
/// Some time in 2026.
const NOON: i64 = 1_772_452_800_000;

fn id(n: usize) -> String {
    format!("a0000000-0000-4000-8000-{n:012x}")
}

/// A record of a change, as the function writes it.
fn change(n: usize, action: &str, outcome: &str) -> Value {
    json!({
        "timestamp": "2026-03-02T12:00:00.000000Z", "level": "INFO", "message": "change",
        "action": action, "outcome": outcome, "studio": "analytics", "studio_id": "es-1",
        "identity_type": "USER", "identity_id": id(n), "cause": "event-1",
    })
}

fn line(at_ms: i64, message: impl ToString) -> LogLine {
    LogLine {
        group: GROUP.into(),
        at_ms,
        message: message.to_string(),
    }
}

/// Two deletions, and what else stands in a log.
fn written() -> World {
    let mut approved = change(5, "delete", "done");
    approved["approved"] = json!(true);
    World {
        log: vec![
            line(NOON - 1, change(0, "delete", "done")),
            line(NOON, "START RequestId: 1"),
            line(NOON, change(1, "delete", "done")),
            line(NOON, change(2, "create", "done")),
            line(NOON, change(3, "delete", "held")),
            line(NOON + 10, change(4, "delete", "done")),
            line(NOON + 10, approved),
            line(NOON + 10, json!({ "message": "report" })),
            LogLine {
                group: "another".into(),
                ..line(NOON, change(6, "delete", "done"))
            },
        ],
        ..World::default()
    }
}

async fn start(world: World) -> (Emulator, SdkConfig) {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let emulator = Emulator::start(world, any_port).await.unwrap();
    let sdk = aws::sdk_config()
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(emulator.url())
        .load()
        .await;
    (emulator, sdk)
}

/// FilterLogEvents of a world's log.
struct Logs {
    emulator: Emulator,
    filter: Call,
}

impl Logs {
    async fn of(world: World) -> Logs {
        let (emulator, sdk) = start(world).await;
        let (timeouts, tally) = (aws::timeouts(Duration::from_secs(4)), Arc::default());
        let filter = Call::new(LOGS, "FilterLogEvents", &sdk, timeouts, &tally);
        Logs { emulator, filter }
    }

    /// Of the function's group, with whatever else a request says.
    async fn ask(&self, more: Value) -> Result<Value, CallError> {
        let mut input = json!({ "logGroupName": GROUP });
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        self.filter.send(input).await
    }

    async fn events(&self, more: Value) -> Vec<Value> {
        let page = self.ask(more).await.unwrap();
        page["events"].as_array().unwrap().clone()
    }
}

/// What the guard would remember of a world's log since noon.
async fn remembered(world: World) -> Result<Vec<(String, i64)>, aws::CallError> {
    let (_emulator, sdk) = start(world).await;
    let flight = Arc::new(Semaphore::new(IN_FLIGHT));
    let log = Log::new(GROUP, &sdk, &flight, &Arc::new(Tally::default()));
    let deadline = Instant::now() + Duration::from_secs(60);
    let deletions = log.deletions(NOON, deadline).await?;
    let made = deletions
        .into_iter()
        .filter(|(deletion, _)| deletion.fate == Fate::Made);
    let made = made.map(|(deletion, at_ms)| (deletion.identity.id.to_string(), at_ms));
    Ok(made.collect())
}

#[tokio::test]
async fn events_are_told_by_group_time_and_pattern_oldest_first() {
    let mut world = written();
    world.log.reverse();
    let logs = Logs::of(world).await;

    let all = logs.ask(json!({})).await.unwrap();
    assert_eq!(all.get("nextToken"), None);
    let all = all["events"].as_array().unwrap();
    let times: Vec<i64> = all.iter().filter_map(|e| e["timestamp"].as_i64()).collect();
    assert!(times.len() == 8 && times.is_sorted(), "{times:?}");

    // Both ends are within.
    let some = json!({ "startTime": NOON, "endTime": NOON });
    assert_eq!(logs.events(some).await.len(), 4);

    let made = r#"{ ($.message = "change") && ($.action = "delete") && ($.outcome = "done") }"#;
    let deletions = logs.events(json!({ "filterPattern": made })).await;
    let ids = deletions.iter().map(|event| {
        assert!(event["logStreamName"].is_string() && event["ingestionTime"].is_i64());
        let line: Value = serde_json::from_str(event["message"].as_str().unwrap()).unwrap();
        line["identity_id"].as_str().unwrap().to_owned()
    });
    let mut ids: Vec<String> = ids.collect();
    ids.sort();
    assert_eq!(ids, [id(0), id(1), id(4), id(5)]);
    let mut event_ids: Vec<_> = deletions.iter().map(|e| e["eventId"].as_str()).collect();
    event_ids.dedup();
    assert_eq!(event_ids.len(), 4);
}

#[tokio::test]
async fn a_log_group_is_named_by_name_or_arn_and_has_to_be_there() {
    let mut world = World::default();
    world.log_groups.insert(GROUP.into());
    let logs = Logs::of(world).await;
    let arn = format!("arn:aws:logs:us-east-1:111122223333:log-group:{GROUP}");
    for identifier in [GROUP, &arn] {
        let ask = json!({ "logGroupIdentifier": identifier });
        let answer = logs.filter.send(ask).await.unwrap();
        assert_eq!(answer["events"], json!([]));
    }
    let unknown = logs.ask(json!({ "logGroupName": "unknown" })).await;
    assert_eq!(
        unknown.unwrap_err().text,
        "ResourceNotFoundException: The specified log group does not exist."
    );
}

#[tokio::test]
async fn what_the_emulator_cannot_answer_is_refused_by_name() {
    let logs = Logs::of(written()).await;
    for (wrong, named) in [
        (json!({ "filterPattern": "{ $.a = 1 || $.b = 2 }" }), "||"),
        (json!({ "filterPattern": "ERROR" }), "ERROR"),
        (json!({ "limit": 0 }), "limit"),
        (json!({ "limit": 10_001 }), "limit"),
        (json!({ "nextToken": "made up" }), "nextToken"),
        (json!({ "logGroupIdentifier": GROUP }), "not both"),
        (json!({ "logGroupName": null }), "logGroupName"),
    ] {
        let error = logs.ask(wrong).await.unwrap_err();
        assert_eq!(error.kind, Kind::Refused);
        assert!(
            error.text.starts_with("InvalidParameterException: "),
            "{error}"
        );
        assert!(error.text.contains(named), "{error}");
    }
}

#[tokio::test]
async fn pages_join_up_whether_or_not_empty_ones_come_between_and_more_is_written_meanwhile() {
    for empty_log_pages in [false, true] {
        let mut world = written();
        world.settings.log_page_size = 3;
        world.settings.empty_log_pages = empty_log_pages;
        let logs = Logs::of(world).await;
        let (mut request, mut sizes, mut ids) = (json!({}), Vec::new(), Vec::new());
        loop {
            let page = logs.ask(request).await.unwrap();
            let events = page["events"].as_array().unwrap();
            sizes.push(events.len());
            ids.extend(events.iter().map(|e| e["eventId"].clone()));
            let Some(token) = page.get("nextToken") else {
                break;
            };
            request = json!({ "nextToken": token });
            // Before what has been read.
            if !ids.is_empty() {
                logs.emulator.world().log.push(line(NOON - 100, "late"));
            }
        }
        let expected: &[usize] = match empty_log_pages {
            false => &[3, 3, 2],
            true => &[0, 3, 0, 3, 0, 2],
        };
        assert_eq!(sizes, expected);
        ids.dedup();
        assert_eq!(ids.len(), 8, "{empty_log_pages}");

        // A request's limit is honoured, and a token is one request's.
        let two = logs.ask(json!({ "limit": 2 })).await.unwrap();
        assert!(two["events"].as_array().unwrap().len() <= 2 && two["nextToken"].is_string());
        let other = json!({ "filterPattern": DELETIONS, "nextToken": two["nextToken"] });
        let error = logs.ask(other).await.unwrap_err();
        assert!(
            error.text.starts_with("InvalidParameterException: "),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_guard_remembers_the_deletions_that_were_made_and_that_nobody_approved() {
    for (log_page_size, empty_log_pages) in [(100, false), (1, false), (1, true)] {
        let mut world = written();
        world.settings.log_page_size = log_page_size;
        world.settings.empty_log_pages = empty_log_pages;
        let deletions = remembered(world).await.unwrap();
        assert_eq!(deletions, [(id(1), NOON), (id(4), NOON + 10)]);
    }
}

#[tokio::test]
async fn the_guards_filter_lets_the_lines_through_that_its_reader_takes_for_deletions() {
    let logs = Logs::of(written()).await;
    let read = |events: &[Value]| {
        let lines = events.iter().filter_map(|event| event["message"].as_str());
        lines.filter_map(record::deletion).count()
    };
    let filtered = json!({ "filterPattern": DELETIONS });
    assert_eq!(read(&logs.events(json!({})).await), 4);
    assert_eq!(read(&logs.events(filtered).await), 4);
}

/// An endpoint is where a Region's partition has it.
#[test]
fn a_call_goes_to_the_endpoint_of_its_region() {
    for (region, fips, dual_stack, host) in [
        ("eu-west-1", false, false, "logs.eu-west-1.amazonaws.com"),
        ("eu-west-1", false, true, "logs.eu-west-1.api.aws"),
        (
            "us-east-1",
            true,
            false,
            "logs-fips.us-east-1.amazonaws.com",
        ),
        ("us-east-1", true, true, "logs-fips.us-east-1.api.aws"),
        // All of GovCloud's are such, and the name with "fips" is none of them.
        (
            "us-gov-west-1",
            true,
            false,
            "logs.us-gov-west-1.amazonaws.com",
        ),
        (
            "us-gov-west-1",
            true,
            true,
            "logs-fips.us-gov-west-1.api.aws",
        ),
        (
            "cn-north-1",
            false,
            false,
            "logs.cn-north-1.amazonaws.com.cn",
        ),
        (
            "cn-north-1",
            false,
            true,
            "logs.cn-north-1.api.amazonwebservices.com.cn",
        ),
        (
            "eusc-de-east-1",
            false,
            false,
            "logs.eusc-de-east-1.amazonaws.eu",
        ),
        (
            "us-iso-east-1",
            false,
            false,
            "logs.us-iso-east-1.c2s.ic.gov",
        ),
    ] {
        let sdk = SdkConfig::builder()
            .region(Region::new(region))
            .use_fips(fips)
            .use_dual_stack(dual_stack)
            .build();
        assert_eq!(LOGS.endpoint(&sdk), format!("https://{host}"));
    }
}

/// What the environment, or a profile, says of one service.
#[derive(Debug)]
struct Configured(&'static str);

impl LoadServiceConfig for Configured {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let keys = (key.service_id(), key.env(), key.profile());
        let endpoint = ("CloudWatch Logs", "AWS_ENDPOINT_URL", "endpoint_url");
        (keys == endpoint).then(|| self.0.to_owned())
    }
}

#[tokio::test]
async fn a_call_goes_to_the_endpoint_that_is_configured() {
    let (ours, other) = ("http://logs.example", "http://other.example");
    let found = SdkConfig::builder().region(Region::new("eu-west-1"));
    let found = found.endpoint_url(other).service_config(Configured(ours));
    assert_eq!(LOGS.endpoint(&found.build()), ours);
    // What the program says itself is stronger than what it finds.
    let given = aws::sdk_config().endpoint_url(ours).load().await;
    let given = given.into_builder().service_config(Configured(other));
    assert_eq!(LOGS.endpoint(&given.build()), ours);
}

/// The head of the request that a call makes.
async fn head_of_a_call() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let token = Some("a-session-token".to_owned());
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", token, None, "test");
    let sdk = aws::sdk_config()
        .region(Region::new("eu-west-1"))
        .credentials_provider(credentials)
        .endpoint_url(url)
        .load()
        .await;
    let timeouts = aws::timeouts(Duration::from_secs(4));
    let filter = Call::new(LOGS, "FilterLogEvents", &sdk, timeouts, &Arc::default());
    let answer = tokio::spawn(async move { filter.send(json!({ "limit": 1 })).await });
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut head = String::new();
    while !head.ends_with(r#"{"limit":1}"#) {
        head.push(char::from(connection.read_u8().await.unwrap()));
    }
    drop(connection);
    assert!(answer.await.unwrap().is_err());
    head
}

#[tokio::test]
async fn a_call_is_signed_for_its_service_and_all_that_it_says_is_signed() {
    let head = head_of_a_call().await.to_lowercase();
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {head}")).trim()
    };
    assert!(head.starts_with("post / http/1.1"), "{head}");
    assert_eq!(header("x-amz-target:"), "logs_20140328.filterlogevents");
    assert_eq!(header("content-type:"), "application/x-amz-json-1.1");
    assert_eq!(header("x-amz-security-token:"), "a-session-token");
    let signature = header("authorization:");
    assert!(
        signature.contains("/eu-west-1/logs/aws4_request"),
        "{signature}"
    );
    let signed = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
    assert!(
        signature.contains(&format!("signedheaders={signed},")),
        "{signature}"
    );
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_an_error_of_its_kind() {
    let missing = remembered(World::default()).await.unwrap_err();
    assert_eq!(missing.kind, Kind::Refused);
    assert!(missing.text.contains("ResourceNotFoundException"));

    for (fault, kind) in [
        (FaultKind::AccessDenied, Kind::Denied),
        (FaultKind::Throttle, Kind::Transient),
        (FaultKind::RepeatToken, Kind::Transient),
    ] {
        let mut world = written();
        world.faults.add(Fault::on("logs", fault.clone()));
        let failed = remembered(world).await.unwrap_err();
        assert_eq!(failed.kind, kind, "{fault:?}: {failed}");
    }

    // An answer that is not whole is no word that nobody was deleted.
    let without = |name: &str| FaultKind::DropField { name: name.into() };
    let whole = ["events", "message", "timestamp"].map(without);
    for fault in whole.into_iter().chain([FaultKind::EmptyObject]) {
        let mut world = written();
        world.faults.add(Fault::on("logs", fault.clone()));
        let failed = remembered(world).await.unwrap_err();
        assert_eq!(failed.kind, Kind::Transient, "{fault:?}: {failed}");
    }

    let mut world = written();
    let once = Fault::on("FilterLogEvents", FaultKind::Throttle).times(1);
    world.faults.add(once);
    assert_eq!(remembered(world).await.unwrap().len(), 2);
}

/// A new process of the function, whose log tells of so many deletions within the
/// hour. Dave has left the group that had brought him in.
async fn process(deletions: usize, change: impl FnOnce(&mut World)) -> (Emulator, Function) {
    let mut world = support::world();
    let analytics = support::ANALYTICS;
    world
        .map(analytics, IdentityType::User, "dave", support::ANALYST)
        .unwrap();
    let an_hour = 3_600_000;
    let now = chrono::Utc::now().timestamp_millis();
    world.log = (0..deletions)
        .map(|n| {
            let mut record = self::change(n, "delete", "done");
            record["studio_id"] = json!(analytics);
            line(now - an_hour / 2, record)
        })
        .collect();
    // Too long ago to count.
    let mut old = self::change(99, "delete", "done");
    old["studio_id"] = json!(analytics);
    world.log.push(line(now - 2 * an_hour, old));
    change(&mut world);
    let (emulator, sdk) = start(world).await;
    let table = support::table(|_| ()).to_string();
    let config = Config {
        identity_store_id: support::STORE.to_owned(),
        identity_store_region: None,
        table: read::table(&table, Format::Json).unwrap(),
        mode: Mode::Apply,
        log_names: false,
        access_events: false,
        log_group: Some(GROUP.to_owned()),
    };
    let engine = Engine::new(&config, &sdk).await;
    (emulator, Function::new(engine, None, |_| {}))
}

async fn full_pass(function: &Function) -> Value {
    let deadline = Instant::now() + Duration::from_secs(300);
    let report = function.handle(json!({ "action": "reconcile" }), deadline);
    report.await.unwrap()
}

#[tokio::test]
async fn a_new_process_goes_on_counting_where_the_one_before_it_ended() {
    for (log_page_size, empty_log_pages) in [(100, false), (2, true)] {
        // Five may go within the hour.
        for (before, deleted, held) in [(4, 1, 0), (5, 0, 1)] {
            let (emulator, function) = process(before, |world| {
                world.settings.log_page_size = log_page_size;
                world.settings.empty_log_pages = empty_log_pages;
            })
            .await;
            let report = full_pass(&function).await;
            assert_eq!(
                (&report["deleted"], &report["held"]),
                (&json!(deleted), &json!(held)),
                "{report:#}"
            );
            full_pass(&function).await;
            let pages = emulator.world().calls_to("FilterLogEvents").count();
            let expected = match empty_log_pages {
                // The one too old to count is read too: it may be an orphan's.
                true => 2 * (before + 1).div_ceil(2),
                false => 1,
            };
            assert_eq!(pages, expected, "the log is read once a process");
        }
    }
}

#[tokio::test]
async fn a_log_that_may_not_be_read_is_told_and_the_guard_goes_by_its_own_memory() {
    let (emulator, function) = process(5, |world| {
        world.faults.add(Fault::on("logs", FaultKind::AccessDenied));
    })
    .await;
    let report = full_pass(&function).await;
    assert_eq!(report["deleted"], 1, "{report:#}");
    let told = report["problems"].to_string();
    assert!(told.contains("the deletions before this process are not known"));
    assert!(told.contains("(allow it in the role's policy)"), "{told}");
    assert_eq!(emulator.world().calls_to("FilterLogEvents").count(), 1);
}
