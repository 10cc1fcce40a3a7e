//! What the tests of the engine stand on: the embedded AWS, the engine before
//! it, and a Runtime API for the real binary.

#![allow(unreachable_pub)] // a support is for all of this program, and for nobody else

pub mod company;
pub mod desk;
pub mod runtime;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use aws_config::Region;
use aws_credential_types::Credentials;
use emr_studio_sync::aws;
use emr_studio_sync::config::{Config, Mode};
use emr_studio_sync::emulator::{Call, Emulator, IdentityType, World};
use emr_studio_sync::error::Error;
use emr_studio_sync::handler::Function;
use emr_studio_sync::policy::read::{self, Format};
use emr_studio_sync::sync::Engine;
use serde_json::{Value, json};
use tokio::time::Instant;

pub const ANALYTICS: &str = "es-ABCDEFGHIJKLMNOPQRSTUVWXY";
pub const SCIENCE: &str = "es-0123456789ABCDEFGHIJKLMNO";
pub const ENGINEER: &str = "arn:aws:iam::111122223333:policy/studio-engineer";
pub const ANALYST: &str = "arn:aws:iam::111122223333:policy/studio-analyst";
pub const FOREIGN: &str = "arn:aws:iam::111122223333:policy/somebody-elses";
pub const STORE: &str = "d-1234567890";

/// A table that lets tests run at full speed. `rules` and more are put in place
/// by the test.
pub fn table(change: impl FnOnce(&mut Value)) -> Value {
    let mut table = json!({
        "studios": { "analytics": { "id": ANALYTICS }, "science": { "id": SCIENCE } },
        "session_policies": { "engineer": ENGINEER, "analyst": ANALYST },
        "rules": [
            { "group": "data-engineers", "studio": "analytics", "session_policy": "engineer", "assign": "members" },
            { "group": "data-*", "studio": "analytics", "session_policy": "analyst", "assign": "members" },
            { "group": "data-engineers", "studio": "science", "session_policy": "analyst", "assign": "group" },
            { "user": "ops", "studio": "science", "session_policy": "engineer" },
        ],
        "pace": { "emr_per_second": 2000, "emr_burst": 2000, "identity_store_per_second": 2000 },
    });
    change(&mut table);
    table
}

/// A directory and two Studios with nobody mapped: alice and bob are engineers,
/// carol is an analyst, dave is in no group, ops has a rule of their own.
pub fn world() -> World {
    let mut world = World::default();
    world.add_studio(ANALYTICS).unwrap();
    world.add_studio(SCIENCE).unwrap();
    for user in ["alice", "bob", "carol", "dave", "ops"] {
        world.add_user(user).unwrap();
    }
    for (group, members) in [
        ("data-engineers", vec!["alice", "bob"]),
        ("data-analysts", vec!["carol"]),
    ] {
        world.add_group(group).unwrap();
        for member in members {
            world.add_member(group, member).unwrap();
        }
    }
    world
}

/// The engine before an embedded AWS.
pub struct Bench {
    pub emulator: Emulator,
    pub function: Function,
}

impl Bench {
    /// Everything in place and in agreement: a first full pass has been made,
    /// and the log of calls is empty again.
    pub async fn in_agreement(world: World, table: Value) -> Bench {
        let bench = Bench::new(world, table, Mode::Apply).await;
        let report = bench.full_pass().await;
        assert_eq!(report["failed"], 0, "{report:#}");
        bench.world(|world| world.calls.clear());
        bench
    }

    pub async fn new(world: World, table: Value, mode: Mode) -> Bench {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let emulator = Emulator::start(world, any_port).await.unwrap();
        let function = function(&emulator, &table, mode).await;
        Bench { emulator, function }
    }

    /// Without a socket: for tests whose clock stands still, and who are spared
    /// the time that passes.
    pub async fn in_process(world: World, table: Value, mode: Mode) -> Bench {
        let emulator = Emulator::in_process(world);
        let function = function(&emulator, &table, mode).await;
        Bench { emulator, function }
    }

    /// The same AWS, and a process that remembers nothing.
    pub async fn restarted(self, table: Value, mode: Mode) -> Bench {
        let function = function(&self.emulator, &table, mode).await;
        Bench {
            emulator: self.emulator,
            function,
        }
    }

    pub fn world<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        f(&mut self.emulator.world())
    }

    pub async fn send(&self, payload: Value) -> Result<Value, Error> {
        let deadline = Instant::now() + Duration::from_secs(300);
        self.function.handle(payload, deadline).await
    }

    /// The report of an invocation that succeeds.
    pub async fn report(&self, payload: Value) -> Value {
        self.send(payload).await.unwrap()
    }

    pub async fn full_pass(&self) -> Value {
        self.report(json!({ "action": "reconcile" })).await
    }

    /// Every mapping, as `analytics USER alice engineer`, sorted.
    pub fn mappings(&self) -> Vec<String> {
        self.world(|world| mappings(world))
    }

    /// The calls made since the last look, by operation.
    pub fn calls(&self) -> Vec<Call> {
        self.world(|world| std::mem::take(&mut world.calls))
    }

    pub fn writes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(Call::is_write).collect()
    }
}

async fn function(emulator: &Emulator, table: &Value, mode: Mode) -> Function {
    let config = Config {
        identity_store_id: STORE.to_owned(),
        identity_store_region: None,
        table: read::table(&table.to_string(), Format::Json).unwrap(),
        mode,
        log_names: false,
        access_events: false,
        log_group: None,
    };
    let mut sdk = aws::sdk_config()
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(emulator.url());
    if emulator.is_in_process() {
        sdk = sdk.http_client(emulator.http_client());
    }
    Function::new(Engine::new(&config, &sdk.load().await).await, None, |_| {})
}

/// Every mapping of a world, as `analytics USER alice engineer`, sorted.
pub fn mappings(world: &World) -> Vec<String> {
    let row = |((studio, kind, id), mapping): (&(String, IdentityType, String), &_)| {
        let mapping: &emr_studio_sync::emulator::Mapping = mapping;
        let studio = match studio.as_str() {
            ANALYTICS => "analytics",
            SCIENCE => "science",
            other => other,
        };
        let kind = if *kind == IdentityType::User {
            "USER"
        } else {
            "GROUP"
        };
        let users = world.users.get(id).map(|user| &user.name);
        let name = users.or(world.groups.get(id).map(|group| &group.name));
        let policy = mapping.session_policy_arn.rsplit('/').next().unwrap();
        let policy = policy.strip_prefix("studio-").unwrap_or(policy);
        format!("{studio} {kind} {} {policy}", name.unwrap_or(id))
    };
    let mut rows: Vec<String> = world.mappings.iter().map(row).collect();
    rows.sort();
    rows
}

/// Fills a world at random: who is in which group; and in which Studio, whether a
/// group, which, and with which session policy, is mapped.
pub fn fill(
    world: &mut World,
    groups: &[&str],
    user: impl Fn(&usize) -> String,
    memberships: &[(usize, usize)],
    mapped: &[(bool, bool, usize, usize)],
) {
    for (number, group) in memberships {
        let _ = world.add_member(groups[*group], &user(number));
    }
    for (science, of_group, number, policy) in mapped {
        let studio = if *science { SCIENCE } else { ANALYTICS };
        let policy = [ENGINEER, ANALYST, FOREIGN][*policy];
        let (kind, who) = match of_group {
            true => (
                IdentityType::Group,
                groups[*number % groups.len()].to_owned(),
            ),
            false => (IdentityType::User, user(number)),
        };
        world.map(studio, kind, &who, policy).unwrap();
    }
}

/// How a membership event names its parts; old enough not to be taken for fresh.
pub const LONG_AGO: &str = "2026-03-02T10:15:30Z";

/// A CloudTrail event of the Identity Store's own API.
pub fn event(name: &str, asked: Value, answered: Value) -> Value {
    let mut asked = asked;
    asked["identityStoreId"] = json!(STORE);
    json!({
        "version": "0",
        "id": format!("event-{name}"),
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.identitystore",
        "time": LONG_AGO,
        "detail": {
            "eventSource": "identitystore.amazonaws.com",
            "eventName": name,
            "eventTime": LONG_AGO,
            "eventID": format!("cloudtrail-{name}"),
            "requestParameters": asked,
            "responseElements": answered,
        },
    })
}

pub fn member_added(group_id: &str, user_id: &str) -> Value {
    let asked = json!({ "groupId": group_id, "memberId": { "userId": user_id } });
    event(
        "CreateGroupMembership",
        asked,
        json!({ "membershipId": user_id }),
    )
}

/// A removal that names whom, as the console's does.
pub fn member_removed(group_id: &str, user_id: &str) -> Value {
    let asked = json!({ "groupId": group_id, "memberId": user_id });
    let mut event = event("RemoveMemberFromGroup", asked, Value::Null);
    event["detail"]["eventSource"] = json!("sso-directory.amazonaws.com");
    event
}

pub fn user_event(name: &str, user_id: &str) -> Value {
    event(name, json!({ "userId": user_id }), Value::Null)
}

pub fn group_event(name: &str, group_id: &str) -> Value {
    event(name, json!({ "groupId": group_id }), Value::Null)
}

pub fn schedule() -> Value {
    json!({
        "version": "0",
        "id": "event-schedule",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "time": LONG_AGO,
        "detail": {},
    })
}

/// The minute's reminder of what is unfinished.
pub fn unfinished() -> Value {
    json!({
        "version": "0",
        "id": "event-unfinished",
        "detail-type": "Unfinished",
        "source": "emr-studio-sync",
        "time": LONG_AGO,
        "detail": {},
    })
}

/// The event as if it had just happened.
pub fn just_now(mut event: Value) -> Value {
    let now = chrono::Utc::now().to_rfc3339();
    event["time"] = json!(now);
    event["detail"]["eventTime"] = json!(now);
    event
}

/// An SQS batch with these bodies; the messages are called `m0`, `m1`, ….
pub fn batch(bodies: impl IntoIterator<Item = String>) -> Value {
    let records: Vec<Value> = bodies
        .into_iter()
        .enumerate()
        .map(|(index, body)| {
            json!({ "messageId": format!("m{index}"), "eventSource": "aws:sqs", "body": body })
        })
        .collect();
    json!({ "Records": records })
}
