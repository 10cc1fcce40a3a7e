//! A Studio in another account: the real binary assumes the table's role for it.

use crate::support;

use std::net::{Ipv4Addr, SocketAddr};

use emr_studio_sync::emulator::{Emulator, Role, World};
use serde_json::{Value, json};
use support::runtime::Lambda;
use support::{SCIENCE, STORE, batch, mappings, member_added, schedule, table, world};

const ROLE: &str = "arn:aws:iam::222233334444:role/studio-sync";

/// The science Studio is in another account, and in another Region. Its role
/// lets nobody in who does not know what was agreed.
fn elsewhere() -> (World, Value) {
    let mut world = world();
    let studio = world.studios.get_mut(SCIENCE).unwrap();
    studio.account = Some("222233334444".to_owned());
    studio.region = Some("eu-west-1".to_owned());
    world.deployment.roles.push(Role {
        arn: ROLE.to_owned(),
        external_id: Some("agreed".to_owned()),
    });
    let table = table(|table| {
        table["studios"]["science"]["region"] = json!("eu-west-1");
        table["studios"]["science"]["role_arn"] = json!(ROLE);
        table["studios"]["science"]["external_id"] = json!("agreed");
    });
    (world, table)
}

async fn start(world: World, table: &Value) -> (Emulator, Lambda) {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let emulator = Emulator::start(world, any_port).await.unwrap();
    let (url, table) = (emulator.url(), table.to_string());
    let lambda = Lambda::start(&[
        ("AWS_ENDPOINT_URL_EMR", &url),
        ("AWS_ENDPOINT_URL_IDENTITYSTORE", &url),
        ("AWS_ENDPOINT_URL_STS", &url),
        ("IDENTITY_STORE_ID", STORE),
        ("POLICY_TABLE", &table),
        ("MODE", "apply"),
    ])
    .await;
    (emulator, lambda)
}

#[tokio::test]
async fn a_studio_elsewhere_is_reached_through_its_role_and_with_its_external_id() {
    let (world, table) = elsewhere();
    let (emulator, lambda) = start(world, &table).await;
    let report = lambda.invoke(&schedule()).await.unwrap();
    assert_eq!(
        (&report["created"], &report["failed"]),
        (&json!(5), &json!(0)),
        "{report:#}"
    );
    assert_eq!(mappings(&emulator.world()).len(), 5);
    let world = emulator.world();
    let asked = &world.calls_to("AssumeRole").next().unwrap().input;
    assert_eq!(
        (&asked["RoleArn"], &asked["ExternalId"]),
        (&json!(ROLE), &json!("agreed"))
    );
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_told_and_holds_nobody_up() {
    let (mut world, table) = elsewhere();
    world.deployment.roles.clear();
    let (emulator, lambda) = start(world, &table).await;
    let report = lambda.invoke(&schedule()).await.unwrap();
    assert_eq!(
        (&report["created"], &report["failed"]),
        (&json!(3), &json!(1)),
        "{report:#}"
    );
    assert!(
        report["problems"].to_string().contains("AccessDenied"),
        "{report:#}"
    );

    let event = {
        let mut world = emulator.world();
        world.add_member("data-analysts", "dave").unwrap();
        let (group, dave) = (world.group_id("data-analysts"), world.user_id("dave"));
        member_added(&group.unwrap(), &dave.unwrap())
    };
    let answer = lambda.invoke(&batch([event.to_string()])).await.unwrap();
    assert_eq!(
        answer,
        json!({ "batchItemFailures": [] }),
        "it will not pass: acknowledged"
    );
    assert!(mappings(&emulator.world()).contains(&"analytics USER dave analyst".to_owned()));
}
