//! A Studio in another account: the real binary assumes the table's role for it.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers are tests too

mod support;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use emr_studio_sync::emulator::{Emulator, World};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use support::runtime::Lambda;
use support::{SCIENCE, STORE, batch, mappings, member_added, schedule, table, world};
use tokio::net::TcpListener;

const ROLE: &str = "arn:aws:iam::222233334444:role/studio-sync";

/// An STS of one answer; what it was asked with.
async fn sts(status: u16, answer: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            let log = Arc::clone(&log);
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let log = Arc::clone(&log);
                async move {
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    log.lock()
                        .unwrap()
                        .push(String::from_utf8(body.to_vec()).unwrap());
                    let response = Response::builder()
                        .status(status)
                        .header("content-type", "text/xml")
                        .body(Full::new(Bytes::from(answer)));
                    Ok::<_, Infallible>(response.unwrap())
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (url, asked)
}

/// The embedded AWS takes an access key id of twelve digits for the caller's
/// account.
const GRANTED: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <AssumeRoleResult><Credentials><AccessKeyId>222233334444</AccessKeyId>\
    <SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
    <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>\
    <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>";

const DENIED: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
    <Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform: \
    sts:AssumeRole</Message></Error><RequestId>r</RequestId></ErrorResponse>";

/// The science Studio is in another account, and in another Region.
fn elsewhere() -> (World, Value) {
    let mut world = world();
    let studio = world.studios.get_mut(SCIENCE).unwrap();
    studio.account = Some("222233334444".to_owned());
    studio.region = Some("eu-west-1".to_owned());
    let table = table(|table| {
        table["studios"]["science"]["region"] = json!("eu-west-1");
        table["studios"]["science"]["role_arn"] = json!(ROLE);
        table["studios"]["science"]["external_id"] = json!("agreed");
    });
    (world, table)
}

async fn start(world: World, table: &Value, sts: &str) -> (Emulator, Lambda) {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let emulator = Emulator::start(world, any_port).await.unwrap();
    let (url, table) = (emulator.url(), table.to_string());
    let lambda = Lambda::start(&[
        ("AWS_ENDPOINT_URL_EMR", &url),
        ("AWS_ENDPOINT_URL_IDENTITYSTORE", &url),
        ("AWS_ENDPOINT_URL_STS", sts),
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
    let (sts, asked) = sts(200, GRANTED).await;
    let (emulator, lambda) = start(world, &table, &sts).await;
    let report = lambda.invoke(&schedule()).await.unwrap();
    assert_eq!(
        (&report["created"], &report["failed"]),
        (&json!(5), &json!(0)),
        "{report:#}"
    );
    assert_eq!(mappings(&emulator.world()).len(), 5);
    let asked = asked.lock().unwrap().join("\n");
    assert!(asked.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A222233334444%3Arole%2Fstudio-sync"));
    assert!(asked.contains("ExternalId=agreed"), "{asked}");
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_told_and_holds_nobody_up() {
    let (world, table) = elsewhere();
    let (sts, _) = sts(403, DENIED).await;
    let (emulator, lambda) = start(world, &table, &sts).await;
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
