//! `probe`: what it finds out is what is so, and what it made is taken back. The
//! embedded AWS stands for the service, in each way it can.

use crate::support;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use emr_studio_sync::emulator::{
    AuthMode, Emulator, Fault, FaultKind, IdentityType, Settings, World,
};
use futures_util::future::join_all;
use support::desk::{Desk, Said, heard, said};
use support::{ANALYST, ANALYTICS, STORE, world};

const CREATE: &str = "CreateStudioSessionMapping";
const UPDATE: &str = "UpdateStudioSessionMapping";
const DELETE: &str = "DeleteStudioSessionMapping";
const LIST: &str = "ListStudioSessionMappings";

/// A Studio in which dave is mapped, and alice is not.
fn with_dave() -> World {
    let mut world = world();
    world
        .map(ANALYTICS, IdentityType::User, "dave", ANALYST)
        .unwrap();
    world
}

fn probe(desk: &Desk, more: &[&str]) -> Command {
    let studio = ["probe", "--studio", ANALYTICS, "--user", "alice"];
    let mut tool = desk.tool(&[&studio[..], more].concat());
    tool.env("IDENTITY_STORE_ID", STORE);
    tool
}

const WITH_GROUP: [&str; 3] = ["--yes", "--group", "data-engineers"];

/// The switches that a report says agree.
fn switches(report: &str) -> Settings {
    let toml = report.split("```toml\n").nth(1).unwrap();
    let toml: toml::Table = toml::from_str(toml.split("```").next().unwrap()).unwrap();
    toml["settings"].clone().try_into().unwrap()
}

#[tokio::test]
async fn the_report_names_exactly_the_switches_as_they_are() {
    let set = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        settings
    };
    let all = [
        set(|_| ()),
        set(|settings| settings.bare_empty_lists = true),
        set(|settings| settings.names_ignore_case = true),
        set(|settings| settings.moto_unknown_group_is_empty = true),
        set(|settings| settings.user_and_group_mapping = false),
        set(|settings| {
            settings.user_and_group_mapping = false;
            settings.texts.user_and_group = "One of them is enough".to_owned();
        }),
        set(|settings| settings.texts.id_or_name = "Make up your mind".to_owned()),
        set(|settings| settings.texts.unknown_name = "Nobody | nowhere".to_owned()),
        set(|settings| settings.texts.bad_policy = "A policy \"has\" an ARN".to_owned()),
        set(|settings| settings.texts.bad_marker = "Not one of ours".to_owned()),
    ];
    let runs = all.map(async |settings| {
        let mut start = with_dave();
        start.settings = settings.clone();
        let desk = Desk::new(start).await;
        let before = desk.emulator.world().mappings.clone();
        let probed = said(probe(&desk, &WITH_GROUP)).await;
        assert_eq!(probed.code, 0, "{}\n{}", probed.out, probed.err);
        assert_eq!(switches(&probed.out), settings, "{}", probed.out);
        assert_eq!(desk.emulator.world().mappings, before);
    });
    join_all(runs).await;
}

#[tokio::test]
async fn how_a_mapping_is_listed_is_seen_too() {
    let mut start = with_dave();
    let alice = start.user_id("alice").unwrap();
    start.settings.rows_without_id = BTreeSet::from([alice]);
    let desk = Desk::new(start).await;
    let probed = said(probe(&desk, &["--yes"])).await;
    assert_eq!(probed.code, 0, "{}", probed.err);
    let told = "mapped by IdentityId: the row comes without IdentityId, under the user's name";
    assert!(probed.out.contains(told), "{}", probed.out);
    // What it was not asked, it does not say.
    assert!(
        probed
            .out
            .contains("* `user_and_group_mapping`: give --group"),
        "{}",
        probed.out
    );
}

#[tokio::test]
async fn whatever_fails_on_the_way_the_mappings_are_as_they_were() {
    let mut faults = Vec::new();
    for kind in [
        FaultKind::DropAfter,
        FaultKind::ServerError,
        FaultKind::AccessDenied,
    ] {
        for (call, times) in [(CREATE, 5), (UPDATE, 2), (DELETE, 4), (LIST, 4)] {
            // The first list is that by which it is refused or not.
            let first = u32::from(call == LIST);
            faults.extend(
                (first..times).map(|skip| Fault::on(call, kind.clone()).skip(skip).times(1)),
            );
        }
    }
    for some in faults.chunks(14) {
        let runs = some.iter().map(async |fault| {
            let mut start = with_dave();
            start.faults.add(fault.clone());
            let desk = Desk::new(start).await;
            let before = desk.emulator.world().mappings.clone();
            let probed = said(probe(&desk, &WITH_GROUP)).await;
            let world = desk.emulator.world();
            let about = format!("{fault:?}\n{}\n{}", probed.out, probed.err);
            assert_eq!(world.faults.rules[0].applied, 1, "{about}");
            assert_eq!(world.mappings, before, "{about}");
            assert!(
                probed
                    .err
                    .contains("the Studio's mappings are as they were"),
                "{about}"
            );
            let failed = probed.out.contains("| failed: `");
            assert_eq!((probed.code, failed), (1, true), "{about}");
        });
        join_all(runs).await;
    }
}

#[tokio::test]
async fn stopped_it_takes_back_what_it_made_and_ends_with_130() {
    let mut start = with_dave();
    let slow = FaultKind::Latency(Duration::from_millis(800));
    start.faults.add(Fault::on(CREATE, slow).skip(1));
    let desk = Desk::new(start).await;
    let before = desk.emulator.world().mappings.clone();
    let mut tool = probe(&desk, &["--yes"]);
    let tool = tool
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while desk.emulator.world().calls_to(CREATE).count() < 2 {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let id = tool.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let output = tokio::task::spawn_blocking(move || tool.wait_with_output().unwrap());
    let probed = heard(output.await.unwrap());
    assert_eq!(
        (probed.code, probed.out.as_str()),
        (130, ""),
        "{}",
        probed.err
    );
    let world = desk.emulator.world();
    assert!(world.calls_to(DELETE).count() > 1);
    assert_eq!(world.mappings, before);
}

#[tokio::test]
async fn whom_somebody_else_maps_meanwhile_stays_mapped_and_it_is_said() {
    // While it asks for the mappings, or for those of somebody who is not mapped; with
    // a session policy of their own, or the same.
    let deny_all = "arn:aws:iam::aws:policy/AWSDenyAll";
    let runs = [
        (LIST, 2, ANALYST),
        (LIST, 2, deny_all),
        (DELETE, 0, ANALYST),
    ];
    let runs = runs.map(async |(call, skip, policy)| {
        let mut start = with_dave();
        let slow = FaultKind::Latency(Duration::from_millis(1500));
        start.faults.add(Fault::on(call, slow).skip(skip).times(1));
        let desk = Desk::new(start).await;
        let meanwhile = async {
            let until = Instant::now() + Duration::from_secs(20);
            while desk.emulator.world().faults.rules[0].applied == 0 {
                assert!(Instant::now() < until);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let mut world = desk.emulator.world();
            world
                .map(ANALYTICS, IdentityType::User, "alice", policy)
                .unwrap();
            world.mappings.clone()
        };
        let probed = said(probe(&desk, &WITH_GROUP));
        let (probed, before) = tokio::join!(probed, meanwhile);
        assert_eq!(desk.emulator.world().mappings, before, "{}", probed.err);
        let told = "error: somebody else has mapped alice";
        assert!(probed.err.contains(told), "{}", probed.err);
        assert!(!probed.err.contains("as they were"), "{}", probed.err);
        assert_eq!(probed.code, 1);
    });
    join_all(runs).await;
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_said_with_what_does() {
    let desk = Desk::new(with_dave()).await;
    let alice = desk.emulator.world().user_id("alice").unwrap();
    let denied = Fault::on(DELETE, FaultKind::AccessDenied);
    desk.emulator.world().faults.add(denied);
    let probed = said(probe(&desk, &["--yes"])).await;
    assert_eq!(probed.code, 1);
    let told = format!("mapping delete --studio {ANALYTICS} --user-id {alice}");
    assert!(
        probed.err.contains("alice may still be mapped") && probed.err.contains(&told),
        "{}",
        probed.err
    );
}

#[tokio::test]
async fn nothing_that_is_somebodys_is_touched_and_nobody_is_mapped_unasked() {
    let busy = |world: &mut World| {
        for user in ["bob", "carol", "ops"] {
            world
                .map(ANALYTICS, IdentityType::User, user, ANALYST)
                .unwrap();
        }
    };
    let alices = |world: &mut World| {
        world
            .map(ANALYTICS, IdentityType::User, "alice", ANALYST)
            .unwrap();
    };
    let of_group = |world: &mut World| {
        let group = IdentityType::Group;
        world
            .map(ANALYTICS, group, "data-engineers", ANALYST)
            .unwrap();
    };
    let with_iam = |world: &mut World| {
        world.studios.get_mut(ANALYTICS).unwrap().auth_mode = AuthMode::Iam;
    };
    let nothing = |_: &mut World| ();
    for (change, more, told) in [
        (
            &busy as &dyn Fn(&mut World),
            &WITH_GROUP[..],
            "it has 4 mappings",
        ),
        (&alices, &WITH_GROUP, "alice has a mapping already"),
        (
            &of_group,
            &WITH_GROUP,
            "data-engineers has a mapping already",
        ),
        (&with_iam, &WITH_GROUP, "people sign in to it with IAM"),
        (
            &nothing,
            &["--yes", "--group", "data-analysts"],
            "alice is not in \"data-analysts\"",
        ),
        (
            &nothing,
            &["--yes", "--group", "nope"],
            "there is no group called \"nope\"",
        ),
        (&nothing, &[], "give --yes"),
    ] {
        let mut start = with_dave();
        change(&mut start);
        let desk = Desk::new(start).await;
        let probed = said(probe(&desk, more)).await;
        assert_eq!((probed.code, probed.out.as_str()), (1, ""), "{told}");
        assert!(probed.err.contains(told), "{}", probed.err);
        let world = desk.emulator.world();
        assert!(!world.calls.iter().any(|call| call.is_write()), "{told}");
    }
    let mut start = with_dave();
    busy(&mut start);
    let desk = Desk::new(start).await;
    let probed = said(probe(&desk, &["--yes", "--even-in-use"])).await;
    assert_eq!(
        (probed.code, desk.mappings().len()),
        (0, 4),
        "{}",
        probed.err
    );
}

#[tokio::test]
async fn the_report_has_neither_names_nor_ids() {
    let mut start = with_dave();
    let quoting = |what: &str| FaultKind::Refuse {
        code: "InvalidRequestException".to_owned(),
        message: format!("{what} of 111122223333 in {ANALYTICS} is not so"),
    };
    let alice = start.user_id("alice").unwrap();
    for (call, what) in [(UPDATE, alice.as_str()), (DELETE, "alice")] {
        start.faults.add(Fault::on(call, quoting(what)).times(1));
    }
    let desk = Desk::new(start).await;
    let probed = said(probe(&desk, &WITH_GROUP)).await;
    let group = desk.emulator.world().group_id("data-engineers").unwrap();
    let names = ["alice", "ALICE", "dave", "data-engineers"];
    let ids = [
        &alice,
        &group,
        ANALYTICS,
        STORE,
        "111122223333",
        "a0000000",
        "arn:aws",
    ];
    for secret in names.into_iter().chain(ids) {
        assert!(!probed.out.contains(secret), "{secret}: {}", probed.out);
    }
    assert!(
        probed
            .out
            .contains("no: `<user> of <number> in <studio> is not so`")
    );
}

#[tokio::test]
async fn the_report_in_the_docs_is_what_the_embedded_aws_is_found_to_do() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/probe.md");
    let page = std::fs::read_to_string(file).unwrap();
    let console = page.split("```console\n").nth(1).unwrap();
    let command = console.split("```").next().unwrap();
    let arguments = command.strip_prefix("$ cargo studio ").unwrap();
    let (arguments, _) = arguments.split_once(" > ").unwrap();
    let seed = concat!(env!("CARGO_MANIFEST_DIR"), "/events/directory.toml");
    let seed = World::from_toml(&std::fs::read_to_string(seed).unwrap()).unwrap();
    let store = seed.world.store_id.clone();
    let desk = Desk {
        emulator: Emulator::start(seed.world, ([127, 0, 0, 1], 0).into())
            .await
            .unwrap(),
        folder: tempfile::tempdir().unwrap(),
    };
    let mut tool = desk.tool(
        &shlex::split(arguments)
            .unwrap()
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    );
    tool.env("IDENTITY_STORE_ID", store);
    let probed: Said = said(tool).await;
    assert_eq!(probed.code, 0, "{}", probed.err);
    let (_, shown) = page.split_once("<!-- the report -->\n\n").unwrap();
    assert_eq!(timeless(&probed.out), timeless(shown.trim_end()));
}

#[test]
fn each_switch_of_the_embedded_aws_is_accounted_for() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/probe.md");
    let page = std::fs::read_to_string(file).unwrap();
    let settings = serde_json::to_value(Settings::default()).unwrap();
    let (settings, texts) = (settings.as_object().unwrap(), &settings["texts"]);
    let texts = texts.as_object().unwrap().keys();
    let others = settings.keys().filter(|name| *name != "texts");
    let all = texts.map(|name| (name, format!("texts.{name}")));
    for (name, whole) in all.chain(others.map(|name| (name, name.clone()))) {
        let settled = page.contains(&format!("\n{name} = "));
        let open = page.contains(&format!("\n* `{whole}`: "));
        assert!(settled != open, "{whole}: {settled} {open}");
    }
}

/// A report without how long each call took.
fn timeless(report: &str) -> String {
    let line = |line: &str| match line.rsplit_once(" | ") {
        Some((cells, _)) => cells.to_owned(),
        None => line.to_owned(),
    };
    report.lines().map(line).collect::<Vec<_>>().join("\n")
}
