//! What changes something is told to stop: what has begun is finished, and what remains,
//! or goes on elsewhere, is said.

use crate::support;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use emr_studio_sync::emulator::{Fault, FaultKind, IdentityType};
use serde_json::Value;
use support::desk::{Desk, Said, heard};
use support::{ANALYST, ANALYTICS, STORE, table, world};

use crate::remote::deployed;

const CREATE: &str = "CreateStudioSessionMapping";
const LIST: &str = "ListStudioSessionMappings";

/// Many are to be mapped, and each takes a while.
async fn slow(call: &str, ms: u64) -> Desk {
    let mut start = world();
    for user in 0..20 {
        let user = format!("user-{user}");
        start.add_user(&user).unwrap();
        start.add_member("data-engineers", &user).unwrap();
    }
    let latency = FaultKind::Latency(Duration::from_millis(ms));
    start.faults.add(Fault::on(call, latency));
    Desk::new(start).await
}

fn apply(desk: &Desk, more: &[&str]) -> Child {
    begun(desk, &[&["apply", "--yes"], more].concat())
}

fn begun(desk: &Desk, arguments: &[&str]) -> Child {
    let mut tool = desk.tool(arguments);
    tool.env("POLICY_TABLE", "policy.json")
        .env("IDENTITY_STORE_ID", STORE)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    tool.spawn().unwrap()
}

/// Waits until a call was made so often.
async fn called(desk: &Desk, operation: &str, times: usize) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let calls = |desk: &Desk| {
            let world = desk.emulator.world();
            let calls = world.calls.iter();
            calls.filter(|call| call.operation == operation).count()
        };
        if calls(desk) >= times {
            return;
        }
        assert!(Instant::now() < until, "{operation} was not called");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn send(signal: &str, tool: &Child) {
    let id = tool.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status().unwrap();
    assert!(sent.success());
}

async fn ended(tool: Child) -> Said {
    let output = tokio::task::spawn_blocking(move || tool.wait_with_output().unwrap());
    heard(output.await.unwrap())
}

#[tokio::test]
async fn what_has_begun_is_finished_and_what_remains_is_said() {
    for signal in ["-INT", "-TERM"] {
        let desk = slow(CREATE, 500).await;
        let tool = apply(&desk, &[]);
        called(&desk, CREATE, 3).await;
        send(signal, &tool);
        let said = ended(tool).await;
        assert_eq!(said.code, 130, "{}\n{}", said.out, said.err);
        let made = desk.mappings();
        assert!((3..20).contains(&made.len()), "{made:?}");
        let counts = format!("{} created, {} remaining", made.len(), 25 - made.len());
        assert!(said.out.contains(&counts), "{}", said.out);
        let (_, after) = said.out.split_once("\n\n").unwrap();
        let (done, rest) = after.split_once("Not done").unwrap();
        assert!(done.starts_with("Done before it was stopped\n"), "{done}");
        for mapping in &made {
            let name = mapping.split(' ').nth(2).unwrap();
            assert!(done.contains(&format!("{name} ")), "{name}: {done}");
        }
        let remains = rest.lines().filter(|line| line.ends_with("  remaining"));
        assert_eq!(remains.count(), 25 - made.len(), "{rest}");
        assert!(
            said.err.contains("what has begun is finished"),
            "{}",
            said.err
        );
    }
}

#[tokio::test]
async fn programs_are_told_the_same() {
    let desk = slow(CREATE, 500).await;
    let tool = apply(&desk, &["--output", "json"]);
    called(&desk, CREATE, 1).await;
    send("-INT", &tool);
    let said = ended(tool).await;
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let count = |field: &str| report[field].as_u64().unwrap() as usize;
    assert_eq!(said.code, 130);
    assert_eq!(count("created"), desk.mappings().len());
    assert_eq!(count("created") + count("remaining"), 25);
}

#[tokio::test]
async fn told_again_it_ends_at_once() {
    let desk = slow(CREATE, 15_000).await;
    let mut tool = apply(&desk, &[]);
    called(&desk, CREATE, 1).await;
    send("-INT", &tool);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(
        tool.try_wait().unwrap().is_none(),
        "it waits for what has begun"
    );
    let begun = Instant::now();
    send("-INT", &tool);
    let said = ended(tool).await;
    assert_eq!(said.code, 130);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn before_anything_has_begun_nothing_is_changed_and_nothing_waited_for() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "dave", ANALYST)
        .unwrap();
    // The second reading is that of what is to be made.
    let latency = FaultKind::Latency(Duration::from_secs(15));
    start.faults.add(Fault::on(LIST, latency).skip(2));
    let desk = Desk::new(start).await;
    let tool = apply(&desk, &[]);
    called(&desk, LIST, 3).await;
    let begun = Instant::now();
    send("-INT", &tool);
    let said = ended(tool).await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(
        (said.code, said.err.as_str()),
        (130, "stopped: nothing was changed")
    );
    assert_eq!(desk.mappings(), ["analytics USER dave analyst"]);
}

#[tokio::test]
async fn the_one_call_of_a_change_by_hand_is_finished_and_what_was_done_is_said() {
    let whose = ["--studio", "analytics", "--user", "alice"];
    for (call, operation, more, done, left) in [
        (
            "create",
            CREATE,
            &["--session-policy", "analyst"][..],
            "+ analytics  alice  analyst",
            &["analytics USER alice analyst"][..],
        ),
        (
            "update",
            "UpdateStudioSessionMapping",
            &["--session-policy", "engineer"],
            "~ analytics  alice  analyst -> engineer",
            &["analytics USER alice engineer"],
        ),
        (
            "delete",
            "DeleteStudioSessionMapping",
            &["--yes"],
            "- analytics  alice  analyst",
            &[],
        ),
    ] {
        let desk = Desk::new(world()).await;
        {
            let mut world = desk.emulator.world();
            if call != "create" {
                world
                    .map(ANALYTICS, IdentityType::User, "alice", ANALYST)
                    .unwrap();
            }
            let latency = FaultKind::Latency(Duration::from_secs(2));
            world.faults.add(Fault::on(operation, latency));
        }
        let tool = begun(&desk, &[&["mapping", call], &whose[..], more].concat());
        called(&desk, operation, 1).await;
        send("-INT", &tool);
        let said = ended(tool).await;
        assert_eq!((said.code, said.out.as_str()), (130, done), "{}", said.err);
        assert!(
            said.err.contains("what has begun is finished"),
            "{}",
            said.err
        );
        assert_eq!(desk.mappings(), left);
    }
}

#[tokio::test]
async fn that_the_function_goes_on_is_said_and_where_to_look() {
    let latency = FaultKind::Latency(Duration::from_millis(1500));
    let mut start = deployed(world(), "apply", &table(|_| ()));
    start.faults.add(Fault::on(CREATE, latency));
    let desk = Desk::new(start).await;
    let order = ["remote", "reconcile", "--yes", "--stack", "studio-sync"];
    let tool = begun(&desk, &order);
    called(&desk, CREATE, 1).await;
    send("-INT", &tool);
    let said = ended(tool).await;
    assert_eq!(
        (said.code, said.err.as_str()),
        (
            130,
            "stopped waiting: studio-sync-Function-ABC goes on with the order, if that has reached \
             it; what it changes: emr-studio-sync history --stack studio-sync"
        )
    );
    let until = Instant::now() + Duration::from_secs(20);
    while desk.mappings().len() < 5 {
        assert!(Instant::now() < until, "{:?}", desk.mappings());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
