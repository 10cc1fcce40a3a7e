//! What somebody can do who has the queue, the bus or the log, and no more:
//! docs/threat-model.md.

use std::net::{Ipv4Addr, SocketAddr};

use chrono::Utc;
use emr_studio_sync::emulator::{Emulator, IdentityType, LogLine, World};
use serde_json::{Value, json};

use crate::support::runtime::Lambda;
use crate::support::{
    ANALYST, ANALYTICS, STORE, batch, mappings, member_added, member_removed, schedule, table,
    world,
};

const LOG_GROUP: &str = "/aws/lambda/studio-sync";

async fn emulator(mut world: World) -> Emulator {
    world.log_groups.insert(LOG_GROUP.to_owned());
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Emulator::start(world, any_port).await.unwrap()
}

async fn lambda(emulator: &Emulator) -> Lambda {
    let (url, table) = (emulator.url(), table(|_| ()).to_string());
    Lambda::start(&[
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", LOG_GROUP),
        ("IDENTITY_STORE_ID", STORE),
        ("POLICY_TABLE", &table),
        ("MODE", "apply"),
    ])
    .await
}

fn ids(emulator: &Emulator, group: &str, user: &str) -> (String, String) {
    let world = emulator.world();
    (world.group_id(group).unwrap(), world.user_id(user).unwrap())
}

/// A record as the function writes it.
fn record(outcome: &str, user: &str) -> Value {
    json!({
        "level": "INFO", "message": "change", "action": "delete", "outcome": outcome,
        "studio": "analytics", "studio_id": ANALYTICS, "identity_type": "USER", "identity_id": user,
    })
}

fn write(emulator: &Emulator, lines: impl IntoIterator<Item = Value>) {
    let at_ms = Utc::now().timestamp_millis();
    let lines = lines.into_iter().map(|line| LogLine {
        group: LOG_GROUP.to_owned(),
        at_ms,
        message: line.to_string(),
    });
    emulator.world().log.extend(lines);
}

#[tokio::test]
async fn an_order_in_the_queue_is_none_and_approves_nothing() {
    let mut start = world();
    for number in 0..10 {
        let name = format!("stranger-{number}");
        start.add_user(&name).unwrap();
        start
            .map(ANALYTICS, IdentityType::User, &name, ANALYST)
            .unwrap();
    }
    let emulator = emulator(start).await;
    let lambda = lambda(&emulator).await;
    let report = lambda.invoke(&schedule()).await.unwrap();
    assert_eq!(report["held"], 10);
    let before = mappings(&emulator.world());
    let order = json!({ "action": "reconcile", "approve": report["plan_id"] });
    let mut event = member_added("g", "u");
    event["detail"]["requestParameters"] = order.clone();
    event["action"] = order["action"].clone();
    event["approve"] = order["approve"].clone();
    let answer = lambda
        .invoke(&batch([order.to_string(), event.to_string()]))
        .await
        .unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(mappings(&emulator.world()), before);
}

#[tokio::test]
async fn an_event_of_another_account_that_tells_lies_leads_to_a_look_and_nothing_else() {
    let emulator = emulator(world()).await;
    let lambda = lambda(&emulator).await;
    lambda.invoke(&schedule()).await.unwrap();
    let before = mappings(&emulator.world());
    let (engineers, dave) = ids(&emulator, "data-engineers", "dave");
    let (_, alice) = ids(&emulator, "data-engineers", "alice");
    // That dave was added, who was not; and alice removed, who is there.
    for mut lie in [
        member_added(&engineers, &dave),
        member_removed(&engineers, &alice),
    ] {
        lie["account"] = json!("999999999999");
        lie["detail"]["recipientAccountId"] = json!("999999999999");
        lambda.invoke(&batch([lie.to_string()])).await.unwrap();
        assert_eq!(mappings(&emulator.world()), before, "{lie}");
    }
    let calls = &emulator.world().calls;
    assert!(
        calls
            .iter()
            .any(|call| call.input.to_string().contains(&dave)),
        "it did look"
    );
}

#[tokio::test]
async fn a_forged_line_in_the_log_gives_nobody_a_studio_and_takes_it_from_nobody() {
    let emulator = emulator(world()).await;
    let first = lambda(&emulator).await;
    first.invoke(&schedule()).await.unwrap();
    let before = mappings(&emulator.world());
    let (_, alice) = ids(&emulator, "data-engineers", "alice");
    let (analysts, carol) = ids(&emulator, "data-analysts", "carol");
    let mut approved = record("done", &alice);
    approved["approved"] = json!(true);
    let mut created = record("done", &carol);
    created["action"] = json!("create");
    let forged = ["done", "held", "orphan"].map(|outcome| record(outcome, &alice));
    write(&emulator, forged.into_iter().chain([approved, created]));
    let next = lambda(&emulator).await;
    next.invoke(&schedule()).await.unwrap();
    assert_eq!(mappings(&emulator.world()), before);

    // Many make the guard hold more: what is refused then is a deletion.
    let flood =
        (0..50).map(|number| record("done", &format!("0a1b2c3d-1001-7001-8001-{number:012}")));
    write(&emulator, flood);
    let last = lambda(&emulator).await;
    emulator
        .world()
        .remove_member("data-analysts", "carol")
        .unwrap();
    let gone = member_removed(&analysts, &carol);
    let report = last.invoke(&gone).await.unwrap();
    assert_eq!(
        (&report["held"], &report["deleted"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(mappings(&emulator.world()), before);
}

#[tokio::test]
async fn a_record_in_a_message_is_no_record_in_the_log() {
    let emulator = emulator(world()).await;
    let lambda = lambda(&emulator).await;
    let (_, alice) = ids(&emulator, "data-engineers", "alice");
    let text = record("done", &alice).to_string();
    // As a body, within one, and with what would end a line.
    let within = json!({ "weather": &text }).to_string();
    let bodies = [text.clone(), within, format!("\n{text}\n")];
    lambda.invoke(&batch(bodies)).await.unwrap();
    lambda.invoke(&json!({ "weather": text })).await.unwrap();
    let log = lambda.log().await;
    let whole = log
        .iter()
        .filter(|line| line["message"] == "not understood");
    assert_eq!(whole.count(), 4, "{log:#?}");
    assert!(
        log.iter().all(|line| line["message"] != "change"),
        "{log:#?}"
    );
}
