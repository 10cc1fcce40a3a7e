//! `probe`: what it finds out is what is so, and what it made is taken back. The
//! embedded AWS stands for the service, in each way it can.

use crate::support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use emr_studio_sync::emulator::{
    AuthMode, Emulator, Fault, FaultKind, FoundAfterRename, IdentityType, Settings, World,
};
use futures_util::future::join_all;
use serde_json::json;
use support::desk::{Desk, Said, heard, said};
use support::{ANALYST, ANALYTICS, STORE, world};

const CREATE: &str = "CreateStudioSessionMapping";
const UPDATE: &str = "UpdateStudioSessionMapping";
const DELETE: &str = "DeleteStudioSessionMapping";
const LIST: &str = "ListStudioSessionMappings";
const LOOK: &str = "DescribeUser";

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

/// Begins, with somebody at its standard input.
fn begun(mut tool: Command) -> (Child, ChildStdin) {
    let piped = tool
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut tool = piped.spawn().unwrap();
    let stdin = tool.stdin.take().unwrap();
    (tool, stdin)
}

async fn ended(tool: Child) -> Said {
    let output = tokio::task::spawn_blocking(move || tool.wait_with_output().unwrap());
    heard(output.await.unwrap())
}

fn interrupt(tool: &Child) {
    let id = tool.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
}

/// Waits for something to be so in the embedded AWS.
async fn until(desk: &Desk, is_so: impl Fn(&World) -> bool) {
    let end = Instant::now() + Duration::from_secs(40);
    while !is_so(&desk.emulator.world()) {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until it looks at the user's name for so many times more.
async fn looked(desk: &Desk, times: usize) {
    let before = desk.emulator.world().calls_to(LOOK).count();
    until(desk, |world| world.calls_to(LOOK).count() >= before + times).await;
}

/// Somebody sits before a probe, and renames the user when it waits for that, and
/// back when it waits for that. `meanwhile`: what happens together with the rename.
async fn with_a_rename(
    desk: &Desk,
    tool: Command,
    [old, new]: [&str; 2],
    meanwhile: impl FnOnce(&mut World),
) -> Said {
    let (tool, mut stdin) = begun(tool);
    let id = desk.emulator.world().user_id(old).unwrap();
    let person = async {
        // Before it asks for a rename, and while it waits.
        looked(desk, 2).await;
        {
            let mut world = desk.emulator.world();
            world.rename_user(&id, new).unwrap();
            meanwhile(&mut world);
        }
        // As it is, and while it waits.
        looked(desk, 2).await;
        if desk.emulator.world().rename_user(&id, old).is_err() {
            // Somebody else bears it now.
            stdin.write_all(b"skip\n").unwrap();
        }
        std::future::pending().await
    };
    tokio::select! {
        said = ended(tool) => said,
        () = person => unreachable!(),
    }
}

const WITH_RENAME: [&str; 2] = ["--yes", "--rename"];
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
async fn what_a_rename_does_to_a_mapping_is_found_out_and_both_are_put_back() {
    use FoundAfterRename::{Either, New, Old};
    let all = [
        (false, false, New),
        (true, false, Old),
        (false, true, Either),
        (true, true, New),
    ];
    let runs = all.map(async |(lists, gets, found)| {
        let mut start = with_dave();
        start.settings.lists_follow_renames = lists;
        start.settings.gets_follow_renames = gets;
        start.settings.found_after_rename = found;
        let settings = start.settings.clone();
        let desk = Desk::new(start).await;
        let before = desk.emulator.world().mappings.clone();
        let tool = probe(&desk, &[&WITH_GROUP[..], &["--rename"]].concat());
        let probed = with_a_rename(&desk, tool, ["alice", "Alicia"], |_| ()).await;
        let about = format!("{found:?}\n{}\n{}", probed.out, probed.err);
        assert_eq!(probed.code, 0, "{about}");
        assert_eq!(switches(&probed.out), settings, "{about}");
        assert!(!probed.out.contains("rename: give"), "{about}");
        for told in [
            "alice is mapped once more, until you have renamed them",
            "Now rename alice in the directory",
            "the Studio's mappings are as they were\n\nNow rename Alicia back to alice",
            "alice is called so again",
        ] {
            assert!(probed.err.contains(told), "{told}: {about}");
        }
        let by_old = "| DeleteStudioSessionMapping | by the old IdentityName | ";
        let by_old = probed.out.split_once(by_old).unwrap().1;
        assert_eq!(by_old.starts_with("`{}`"), found != New, "{about}");
        let by_id = "| DeleteStudioSessionMapping | by IdentityId, after the rename | `{}`";
        assert!(probed.out.contains(by_id), "{about}");
        assert_eq!(desk.emulator.world().mappings, before, "{about}");
    });
    join_all(runs).await;
}

#[tokio::test]
async fn whatever_fails_after_a_rename_the_mappings_are_as_they_were() {
    // By both names: so there is the most to ask.
    let start = || {
        let mut start = with_dave();
        start.settings.found_after_rename = FoundAfterRename::Either;
        start
    };
    let run = async |start: World| {
        let desk = Desk::new(start).await;
        let before = desk.emulator.world().mappings.clone();
        let tool = probe(&desk, &WITH_RENAME);
        let probed = with_a_rename(&desk, tool, ["alice", "alicia"], |_| ()).await;
        let world = desk.emulator.world();
        let about = format!("{:?}\n{}\n{}", world.faults, probed.out, probed.err);
        assert_eq!(world.mappings, before, "{about}");
        let told = "the Studio's mappings are as they were";
        assert!(probed.err.contains(told), "{about}");
        assert_eq!(
            world.faults.rules.iter().map(|rule| rule.applied).max(),
            world.faults.rules.first().map(|_| 1),
            "{about}"
        );
        world.calls.clone()
    };
    let calls: Vec<String> = run(start())
        .await
        .into_iter()
        .map(|call| call.operation)
        .collect();
    let mut created = calls.iter().enumerate().filter(|(_, call)| *call == CREATE);
    let (from, _) = created.nth(4).unwrap();
    let mut faults = Vec::new();
    for (at, call) in calls.iter().enumerate().skip(from) {
        let skip = calls[..at].iter().filter(|other| *other == call).count();
        let denied = Fault::on(call, FaultKind::AccessDenied).skip(skip as u32);
        faults.push(denied.times(1));
        if [CREATE, UPDATE, DELETE].contains(&call.as_str()) {
            let lost = Fault::on(call, FaultKind::DropAfter).skip(skip as u32);
            faults.push(lost.times(1));
        }
    }
    // What is asked, and what looks whether all is well.
    assert!(faults.len() > 15, "{calls:?}");
    for some in faults.chunks(14) {
        let runs = some.iter().map(|fault| {
            let mut start = start();
            start.faults.add(fault.clone());
            run(start)
        });
        join_all(runs).await;
    }
}

#[tokio::test]
async fn where_nobody_renames_the_user_that_is_said_and_all_else_is_reported() {
    // Nobody is there; or they say so, after a look at what takes so long.
    for typed in [None, Some("\nskip\n")] {
        let desk = Desk::new(with_dave()).await;
        let before = desk.emulator.world().mappings.clone();
        let (tool, stdin) = begun(probe(&desk, &WITH_RENAME));
        let person = async {
            if let Some(typed) = typed {
                looked(&desk, 2).await;
                (&stdin).write_all(typed.as_bytes()).unwrap();
            } else {
                drop(stdin);
                return None;
            }
            Some(stdin)
        };
        let (probed, _stdin) = tokio::join!(ended(tool), person);
        assert_eq!(probed.code, 0, "{}", probed.err);
        let open = "* `found_after_rename`: the rename was not seen";
        assert!(probed.out.contains(open), "{}", probed.out);
        let told = match typed {
            None => "standard input has ended",
            Some(_) => "it does not show yet",
        };
        for told in [told, "going on without a rename", "as they were"] {
            assert!(probed.err.contains(told), "{}", probed.err);
        }
        assert!(!probed.err.contains("back to"), "{}", probed.err);
        assert_eq!(desk.emulator.world().mappings, before);
    }
}

#[tokio::test]
async fn stopped_while_it_waits_for_a_name_it_takes_back_what_it_made_and_says_what_is_left() {
    // Before the rename, right after it, and before it is taken back.
    for renamed in [None, Some(0), Some(1)] {
        let desk = Desk::new(with_dave()).await;
        let before = desk.emulator.world().mappings.clone();
        let (tool, _stdin) = begun(probe(&desk, &WITH_RENAME));
        looked(&desk, 2).await;
        if let Some(looks) = renamed {
            let renamed = desk.emulator.world().rename_user("alice", "alicia");
            renamed.unwrap();
            looked(&desk, 1 + looks).await;
        }
        interrupt(&tool);
        let probed = ended(tool).await;
        let left = "alice is called alicia in the directory: it is left to you";
        let (is_left, code) = match renamed {
            None => (false, 130),
            Some(_) => (true, 1),
        };
        assert_eq!(probed.err.contains(left), is_left, "{}", probed.err);
        assert_eq!(probed.code, code, "{}", probed.err);
        match renamed {
            None => assert_eq!(probed.out, ""),
            // On a slow machine it may have come to its end.
            Some(0) => {}
            Some(_) => assert!(probed.out.contains("by the old IdentityName")),
        }
        assert_eq!(desk.emulator.world().mappings, before);
    }
}

#[tokio::test]
async fn a_user_who_is_not_seen_any_more_or_never_was_is_not_waited_for() {
    let denied = || Fault::on(LOOK, FaultKind::AccessDenied);
    for (fault, told) in [
        (denied(), "nobody is renamed, for it could not be seen"),
        (denied().skip(2), "it cannot be seen: DescribeUser failed"),
    ] {
        let mut start = with_dave();
        start.faults.add(fault);
        let desk = Desk::new(start).await;
        let before = desk.emulator.world().mappings.clone();
        let (tool, _stdin) = begun(probe(&desk, &WITH_RENAME));
        let probed = ended(tool).await;
        assert!(probed.err.contains(told), "{}", probed.err);
        assert!(probed.out.contains("* `found_after_rename`: "));
        assert_eq!(desk.emulator.world().mappings, before);
    }
}

#[tokio::test]
async fn what_is_somebody_elses_after_a_rename_stays_theirs() {
    let map = |world: &mut World, who: &str, policy: &str| {
        world
            .map(ANALYTICS, IdentityType::User, who, policy)
            .unwrap();
    };
    // Somebody has mapped the user with something else.
    let remapped = |world: &mut World| map(world, "alicia", ANALYST);
    // Somebody else gets the name, and with it a mapping, with just that policy or not.
    let other = |policy: &'static str| {
        move |world: &mut World| {
            world.add_user("alice").unwrap();
            map(world, "alice", policy);
        }
    };
    // Somebody who is gone had the name, and their mapping is there yet.
    let gone = |world: &mut World| {
        let ghost = world.add_user("alice").unwrap();
        map(world, "alice", ANALYST);
        world.delete_user(&ghost).unwrap();
    };
    type Meanwhile<'m> = &'m dyn Fn(&mut World);
    let deny_all = "arn:aws:iam::aws:policy/AWSDenyAll";
    let all: [(Meanwhile, FoundAfterRename, &str); 4] = [
        (&remapped, FoundAfterRename::New, "not as it was made, so"),
        (&other(ANALYST), FoundAfterRename::New, "bears the old name"),
        (
            &other(deny_all),
            FoundAfterRename::Old,
            "bears the old name",
        ),
        (&gone, FoundAfterRename::Old, "bears the old name"),
    ];
    let runs = all.map(async |(meanwhile, found, told)| {
        let mut start = with_dave();
        start.settings.found_after_rename = found;
        let alice = start.user_id("alice").unwrap();
        let desk = Desk::new(start).await;
        let mut theirs = desk.emulator.world().mappings.clone();
        let happens = |world: &mut World| {
            meanwhile(world);
            theirs = world.mappings.clone();
        };
        let tool = probe(&desk, &WITH_RENAME);
        let probed = with_a_rename(&desk, tool, ["alice", "alicia"], happens).await;
        let about = format!("{}\n{}", probed.out, probed.err);
        assert!(probed.out.contains(told), "{about}");
        if !told.contains("made") {
            theirs.retain(|(.., id), _| *id != alice);
        }
        assert_eq!(desk.emulator.world().mappings, theirs, "{about}");
    });
    join_all(runs).await;
}

#[tokio::test]
async fn a_mapping_that_cannot_be_got_any_more_is_found_by_the_list_and_taken_back() {
    let mut start = with_dave();
    let alice = start.user_id("alice").unwrap();
    let refused = FaultKind::Refuse {
        code: "InvalidRequestException".to_owned(),
        message: "IdentityId is invalid".to_owned(),
    };
    // Once it is mapped; and no deletion by the probe is done either.
    let got = Fault::on("GetStudioSessionMapping", refused.clone());
    start.faults.add(got.containing(&alice).skip(2));
    start
        .faults
        .add(Fault::on(DELETE, refused).skip(1).times(1));
    let desk = Desk::new(start).await;
    let before = desk.emulator.world().mappings.clone();
    let probed = said(probe(&desk, &["--yes"])).await;
    assert_eq!(desk.emulator.world().mappings, before, "{}", probed.err);
    assert!(probed.err.contains("as they were"), "{}", probed.err);
}

#[tokio::test]
async fn calls_that_differ_in_the_case_of_names_settle_nothing() {
    let exact = FaultKind::Refuse {
        code: "ResourceNotFoundException".to_owned(),
        message: "GROUP not found.".to_owned(),
    };
    let mut start = with_dave();
    start.settings.names_ignore_case = true;
    let fault = Fault::on("GetGroupId", exact).containing("DATA-ENGINEERS");
    start.faults.add(fault);
    let desk = Desk::new(start).await;
    let probed = said(probe(&desk, &WITH_GROUP)).await;
    let told = "* the case of names is ignored by GetUserId and EMR's IdentityName of a user and \
                EMR's IdentityName of a group, and not by GetGroupId\n";
    assert!(probed.out.contains(told), "{}", probed.out);
    let open = "\n* `names_ignore_case`: names have no letters, or calls differ";
    assert!(probed.out.contains(open), "{}", probed.out);
}

#[tokio::test]
async fn the_case_of_a_groups_name_is_seen_also_where_the_group_cannot_be_mapped() {
    for ignores in [false, true] {
        let mut start = with_dave();
        start.settings.user_and_group_mapping = false;
        start.settings.names_ignore_case = ignores;
        let settings = start.settings.clone();
        let desk = Desk::new(start).await;
        let probed = said(probe(&desk, &WITH_GROUP)).await;
        assert_eq!(switches(&probed.out), settings, "{}", probed.out);
        assert!(!probed.out.contains("the case of names"), "{}", probed.out);
        assert!(
            !probed.out.contains("* `names_ignore_case`"),
            "{}",
            probed.out
        );
    }
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
    let (tool, _stdin) = begun(probe(&desk, &["--yes"]));
    until(&desk, |world| world.calls_to(CREATE).count() >= 2).await;
    interrupt(&tool);
    let probed = ended(tool).await;
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
            until(&desk, |world| world.faults.rules[0].applied > 0).await;
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
async fn the_report_has_no_unusual_name_either_nor_the_new_one() {
    let strange = "CORP\\zo\u{200b}\u{eb}  \"|` x";
    let new = "malice, dave's own";
    let group = "north ".repeat(200);
    let mut start = with_dave();
    let rename = start.rename_user("alice", strange);
    rename.unwrap();
    start
        .rename_group("data-engineers", group.trim_end())
        .unwrap();
    // In small letters, and as JSON has it; the group's is cut off by the refusal of
    // names that are too long.
    let quoted = json!({ "name": strange });
    let small = strange.to_lowercase();
    let refused = FaultKind::Refuse {
        code: "InvalidRequestException".to_owned(),
        message: format!("who is {small} or {new}: {quoted}"),
    };
    start.faults.add(Fault::on(UPDATE, refused).skip(2));
    let desk = Desk::new(start).await;
    let studio = ["probe", "--studio", ANALYTICS, "--yes", "--rename"];
    let whom = ["--user", strange, "--group", group.trim_end()];
    let mut tool = desk.tool(&[&studio[..], &whom].concat());
    tool.env("IDENTITY_STORE_ID", STORE);
    let probed = with_a_rename(&desk, tool, [strange, new], |_| ()).await;
    let about = format!("{}\n{}", probed.out, probed.err);
    for secret in [
        "corp", "zo", "200b", "\u{eb}", "malice", "dave", "own", "north",
    ] {
        let report = probed.out.to_lowercase();
        let report = report.replace("unknown", "").replace("shown", "");
        assert!(!report.contains(secret), "{secret}: {about}");
    }
    for shown in ["who is <user> or <new name>", "\"IdentityName\":\"<user>\""] {
        assert!(probed.out.contains(shown), "{about}");
    }
    assert_eq!(probed.code, 0, "{about}");
}

#[tokio::test]
async fn a_user_who_is_called_user_makes_no_words_strange() {
    let mut start = with_dave();
    start.rename_user("alice", "user").unwrap();
    start.settings.user_and_group_mapping = false;
    let settings = start.settings.clone();
    let desk = Desk::new(start).await;
    let arguments = ["probe", "--studio", ANALYTICS, "--user", "user"];
    let mut tool = desk.tool(&[&arguments[..], &WITH_GROUP].concat());
    tool.env("IDENTITY_STORE_ID", STORE);
    let probed = said(tool).await;
    assert_eq!(switches(&probed.out), settings, "{}", probed.out);
    let row = "\"IdentityName\":\"<user>\",\"IdentityType\":\"USER\"";
    assert!(probed.out.contains(row), "{}", probed.out);
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
    let names = ["alice@example.com", "alice.smith@example.com"];
    let probed = with_a_rename(&desk, tool, names, |_| ()).await;
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
