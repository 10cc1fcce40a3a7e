//! The embedded Identity Store against a third party's: the same directory in
//! ours and in moto's, asked the same through the SDK.
//!
//! Skipped where moto is not installed (`pip install 'moto[server]'`), unless
//! `REQUIRE_MOTO=1`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_identitystore::Client;
use aws_sdk_identitystore::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_identitystore::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_identitystore::types::{AlternateIdentifier, MemberId, Name, UniqueAttribute};
use emr_studio_sync::aws;
use emr_studio_sync::emulator::{Emulator, World};
use serde_json::json;

use crate::support::desk::{Desk, said};
use crate::support::{table, world};

const STORE: &str = "d-1234567890";
const NOBODY: &str = "906757b26f-84c89418-1041-7072-fde2-2021585e60cf";

/// moto's server; dropping it ends it.
struct Moto {
    process: Child,
    url: String,
}

impl Moto {
    /// `None` where moto is not installed.
    async fn start() -> Option<Moto> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let port = address.port().to_string();
        let commands: [&[&str]; 2] = [&["moto_server"], &["python3", "-m", "moto.server"]];
        for command in commands {
            let started = Command::new(command[0])
                .args(&command[1..])
                .args(["-H", "127.0.0.1", "-p", &port])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            let Ok(process) = started else { continue };
            let mut moto = Moto {
                process,
                url: format!("http://{address}"),
            };
            if moto.is_up(address).await {
                return Some(moto);
            }
        }
        None
    }

    async fn is_up(&mut self, address: SocketAddr) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            if self.process.try_wait().unwrap().is_some() {
                return false; // there is a python3, but no moto in it
            }
            if TcpStream::connect(address).is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        false
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// It answers what is no call with pages for people.
#[tokio::test]
async fn the_tool_takes_motos_server_for_an_identity_store() {
    let Some(moto) = installed().await else {
        return;
    };
    let directory = same_directory(&client(&moto.url)).await;
    let desk = Desk::new(world()).await;
    let rules = json!([{
        "group": "engineers", "studio": "analytics", "session_policy": "engineer", "assign": "members",
    }]);
    let table = table(|table| table["rules"] = rules);
    desk.write("policy.json", &table.to_string());
    let mut tool = desk.tool(&["plan", "--table", "policy.json"]);
    tool.env("AWS_ENDPOINT_URL_IDENTITYSTORE", &moto.url)
        .env("IDENTITY_STORE_ID", STORE);
    let said = said(tool).await;
    assert_eq!((said.code, said.err.as_str()), (2, ""), "{}", said.out);
    for name in directory.users.values().map(|user| &user.name) {
        assert!(
            said.out.contains(&format!("+ analytics  {name}")),
            "{}",
            said.out
        );
    }
}

/// moto's server, unless it may be missing and is.
async fn installed() -> Option<Moto> {
    let moto = Moto::start().await;
    if moto.is_none() {
        let why = "moto_server does not start; pip install 'moto[server]'";
        assert_ne!(std::env::var("REQUIRE_MOTO").as_deref(), Ok("1"), "{why}");
        eprintln!("skipped: {why}");
    }
    moto
}

fn client(url: &str) -> Client {
    let config = aws_sdk_identitystore::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(aws::https())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"));
    Client::from_conf(config.build())
}

/// Three users, two groups, four memberships in moto; and a world that is the same.
async fn same_directory(moto: &Client) -> World {
    let mut world = World::default();
    for name in ["alice", "bob", "carol"] {
        let person = Name::builder()
            .given_name(name)
            .family_name("Smith")
            .build();
        let user = moto.create_user().identity_store_id(STORE).user_name(name);
        let user = user.display_name(name).name(person).send().await.unwrap();
        world.add_user_with_id(user.user_id(), name).unwrap();
    }
    for name in ["engineers", "analysts"] {
        let group = moto
            .create_group()
            .identity_store_id(STORE)
            .display_name(name);
        let group = group.send().await.unwrap();
        world.add_group_with_id(group.group_id(), name).unwrap();
    }
    let memberships = [
        ("engineers", "alice"),
        ("engineers", "bob"),
        ("engineers", "carol"),
    ];
    for (group, user) in memberships.into_iter().chain([("analysts", "alice")]) {
        let made = moto.create_group_membership().identity_store_id(STORE);
        let made = made.group_id(world.group_id(group).unwrap());
        let made = made.member_id(MemberId::UserId(world.user_id(user).unwrap()));
        let made = made.send().await.unwrap();
        world
            .add_member_with_id(made.membership_id(), group, user)
            .unwrap();
    }
    world
}

/// The answers to one round of reads, without what only one side has: ARNs,
/// revisions, status, profile attributes. Rows sorted: AWS promises no order.
async fn reads(client: &Client, world: &World) -> Vec<String> {
    let mut seen = Vec::new();

    let users = client.list_users().identity_store_id(STORE).max_results(2);
    let users = users
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .unwrap();
    seen.push(sorted(
        "ListUsers",
        users.iter().map(|u| (u.user_id(), u.user_name())),
    ));
    let groups = client.list_groups().identity_store_id(STORE).max_results(1);
    let groups = groups
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .unwrap();
    seen.push(sorted(
        "ListGroups",
        groups.iter().map(|g| (g.group_id(), g.display_name())),
    ));

    for (id, group) in &world.groups {
        let of = client
            .list_group_memberships()
            .identity_store_id(STORE)
            .group_id(id);
        let of = of
            .max_results(2)
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .unwrap();
        let rows = of
            .iter()
            .map(|m| (m.membership_id(), m.group_id(), m.member_id()));
        seen.push(sorted("ListGroupMemberships", rows));

        let call = client.get_group_id().identity_store_id(STORE);
        let call = call.alternate_identifier(unique("displayName", &group.name));
        seen.push(format!(
            "GetGroupId {}",
            call.send().await.unwrap().group_id()
        ));

        let group = client
            .describe_group()
            .identity_store_id(STORE)
            .group_id(id);
        let group = group.send().await.unwrap();
        seen.push(format!(
            "DescribeGroup {} {:?}",
            group.group_id(),
            group.display_name()
        ));
    }

    for (id, user) in &world.users {
        let member = MemberId::UserId(id.clone());
        let of = client
            .list_group_memberships_for_member()
            .identity_store_id(STORE);
        let of = of
            .member_id(member.clone())
            .max_results(1)
            .into_paginator()
            .items()
            .send();
        let of = of.try_collect().await.unwrap();
        let rows = of
            .iter()
            .map(|m| (m.membership_id(), m.group_id(), m.member_id()));
        seen.push(sorted("ListGroupMembershipsForMember", rows));

        let call = client.get_user_id().identity_store_id(STORE);
        let call = call.alternate_identifier(unique("userName", &user.name));
        seen.push(format!(
            "GetUserId {}",
            call.send().await.unwrap().user_id()
        ));

        let user = client.describe_user().identity_store_id(STORE).user_id(id);
        let user = user.send().await.unwrap();
        let (name, shown) = (user.user_name(), user.display_name());
        seen.push(format!(
            "DescribeUser {} {name:?} {shown:?}",
            user.user_id()
        ));
    }
    seen
}

/// `DescribeGroupMembership` and `IsMemberInGroups`, which older motos have not:
/// compared where there is an answer to compare with.
async fn compare_newer_reads(ours: &Client, theirs: &Client, world: &World) {
    let membership = world.memberships.keys().next().unwrap();
    let one = |of: &Client| {
        of.describe_group_membership()
            .identity_store_id(STORE)
            .membership_id(membership)
    };
    if let Ok(by_moto) = one(theirs).send().await {
        let by_us = one(ours).send().await.unwrap();
        assert_eq!(by_us.membership_id(), by_moto.membership_id());
        assert_eq!(by_us.group_id(), by_moto.group_id());
        assert_eq!(by_us.member_id(), by_moto.member_id());
    }
    let is_in = |of: &Client, user: &str, groups: Vec<String>| {
        let call = of
            .is_member_in_groups()
            .identity_store_id(STORE)
            .set_group_ids(Some(groups));
        call.member_id(MemberId::UserId(user.into()))
    };
    let groups: Vec<String> = world.groups.keys().cloned().collect();
    for user in world.users.keys() {
        if let Ok(by_moto) = is_in(theirs, user, groups.clone()).send().await {
            let by_us = is_in(ours, user, groups.clone()).send().await.unwrap();
            assert_eq!(by_us.results, by_moto.results);
        }
        // An unknown group: AWS ResourceNotFoundException (GROUP), moto "no".
        let unknown = is_in(ours, user, vec![NOBODY.into()]).send().await;
        assert_eq!(
            unknown.unwrap_err().code(),
            Some("ResourceNotFoundException")
        );
        if let Ok(by_moto) = is_in(theirs, user, vec![NOBODY.into()]).send().await {
            assert!(!by_moto.results()[0].membership_exists());
        }
    }
}

fn sorted(call: &str, rows: impl Iterator<Item = impl std::fmt::Debug>) -> String {
    let mut rows: Vec<String> = rows.map(|row| format!("{row:?}")).collect();
    rows.sort();
    format!("{call} {rows:#?}")
}

fn unique(path: &str, value: &str) -> AlternateIdentifier {
    let attribute = UniqueAttribute::builder()
        .attribute_path(path)
        .attribute_value(value.into());
    AlternateIdentifier::UniqueAttribute(attribute.build().unwrap())
}

/// The errors both have: code, text and `ResourceType`. moto names no `ResourceId`.
async fn absences(client: &Client) -> Vec<String> {
    let user = client
        .describe_user()
        .identity_store_id(STORE)
        .user_id(NOBODY)
        .send()
        .await;
    let group = client
        .describe_group()
        .identity_store_id(STORE)
        .group_id(NOBODY)
        .send()
        .await;
    let by_name = client.get_user_id().identity_store_id(STORE);
    let by_name = by_name
        .alternate_identifier(unique("userName", "nobody"))
        .send()
        .await;
    let no_group = client.get_group_id().identity_store_id(STORE);
    let no_group = no_group
        .alternate_identifier(unique("displayName", "none"))
        .send()
        .await;
    let attribute = client.get_user_id().identity_store_id(STORE);
    let attribute = attribute
        .alternate_identifier(unique("nickName", "alice"))
        .send()
        .await;
    vec![
        absence(user),
        absence(group),
        absence(by_name),
        absence(no_group),
        absence(attribute),
    ]
}

fn absence<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug, R: std::fmt::Debug>(
    answer: Result<T, SdkError<E, R>>,
) -> String {
    let error = answer.unwrap_err();
    let debug = format!("{error:?}");
    let kind = ["User", "Group"]
        .into_iter()
        .find(|kind| debug.contains(&format!("resource_type: Some({kind})")));
    format!("{:?} {:?} {kind:?}", error.code(), error.message())
}

#[tokio::test]
async fn our_identity_store_answers_as_motos_does() {
    let Some(moto) = installed().await else {
        return;
    };
    let theirs = client(&moto.url);
    let world = same_directory(&theirs).await;
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let emulator = Emulator::start(world.clone(), loopback).await.unwrap();
    let ours = client(&emulator.url());

    let (read, by_moto) = (reads(&ours, &world).await, reads(&theirs, &world).await);
    assert_eq!(read.len(), 2 + 3 * 2 + 3 * 3);
    for (ours, theirs) in read.iter().zip(&by_moto) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(absences(&ours).await, absences(&theirs).await);
    compare_newer_reads(&ours, &theirs, &world).await;

    // Where AWS documents otherwise than moto answers, ours does as AWS documents.

    // An unknown group: AWS ResourceNotFoundException (GROUP), moto an empty list.
    let members = |of: &Client| {
        of.list_group_memberships()
            .identity_store_id(STORE)
            .group_id(NOBODY)
    };
    let error = members(&ours).send().await.unwrap_err();
    assert_eq!(error.code(), Some("ResourceNotFoundException"));
    assert!(
        members(&theirs)
            .send()
            .await
            .unwrap()
            .group_memberships()
            .is_empty()
    );
    // With the switch, ours does as moto.
    emulator.world().settings.moto_unknown_group_is_empty = true;
    assert!(
        members(&ours)
            .send()
            .await
            .unwrap()
            .group_memberships()
            .is_empty()
    );

    // An unknown user: AWS ResourceNotFoundException (USER), moto an empty list.
    let of_nobody = |of: &Client| {
        let call = of
            .list_group_memberships_for_member()
            .identity_store_id(STORE);
        call.member_id(MemberId::UserId(NOBODY.into()))
    };
    let error = of_nobody(&ours).send().await.unwrap_err();
    assert_eq!(error.code(), Some("ResourceNotFoundException"));
    assert!(
        of_nobody(&theirs)
            .send()
            .await
            .unwrap()
            .group_memberships()
            .is_empty()
    );

    // Another store: AWS ResourceNotFoundException, moto makes one up.
    let elsewhere = |of: &Client| of.list_users().identity_store_id("d-0000000000");
    let error = elsewhere(&ours).send().await.unwrap_err();
    assert_eq!(error.code(), Some("ResourceNotFoundException"));
    assert!(elsewhere(&theirs).send().await.unwrap().users().is_empty());

    // ARNs and status: AWS answers them, moto does not know them.
    let alice = world.user_id("alice").unwrap();
    let describe = |of: &Client| of.describe_user().identity_store_id(STORE).user_id(&alice);
    assert!(
        describe(&ours)
            .send()
            .await
            .unwrap()
            .user_status()
            .is_some()
    );
    assert!(
        describe(&theirs)
            .send()
            .await
            .unwrap()
            .user_status()
            .is_none()
    );
    let by_arn = |of: &Client| {
        let arn = format!("arn:aws:identitystore:::user/{alice}");
        of.describe_user().identity_store_id(STORE).user_id(arn)
    };
    assert_eq!(by_arn(&ours).send().await.unwrap().user_id(), alice);
    assert!(by_arn(&theirs).send().await.is_err());

    // A deleted user: AWS takes the memberships away, moto leaves them.
    theirs
        .delete_user()
        .identity_store_id(STORE)
        .user_id(&alice)
        .send()
        .await
        .unwrap();
    emulator.world().delete_user(&alice).unwrap();
    let engineers = world.group_id("engineers").unwrap();
    let left = async |of: &Client| {
        let call = of
            .list_group_memberships()
            .identity_store_id(STORE)
            .group_id(&engineers);
        call.send().await.unwrap().group_memberships().len()
    };
    assert_eq!((left(&ours).await, left(&theirs).await), (2, 3));
}
