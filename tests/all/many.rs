//! Tables that name many users or groups, and Studios of many people: nobody is
//! asked for by name whom a list tells of, and no list proves that somebody is gone.

use crate::engine::{counts, problems};
use crate::support;

use std::collections::BTreeSet;
use std::time::Duration;

use emr_studio_sync::config::Mode;
use emr_studio_sync::emulator::{Call, Fault, FaultKind, IdentityType, World};
use emr_studio_sync::identity::{Id, Identity};
use serde_json::{Value, json};
use support::{ANALYST, ANALYTICS, Bench, schedule, table, world};
use tokio::time::Instant;

const MANY: usize = 60;

fn name(number: usize) -> String {
    format!("user-{number:03}")
}

/// A store of 150 users, of whom a table may name the last.
fn large() -> World {
    let mut world = world();
    (0..150).for_each(|number| world.add_user(&name(number)).map(drop).unwrap());
    world
}

/// A rule for each of these, at the pace that is the default.
fn ruled(rules: impl Iterator<Item = Value>) -> Value {
    let rule = |mut rule: Value| {
        rule["studio"] = json!("analytics");
        rule["session_policy"] = json!("analyst");
        rule
    };
    table(|table| {
        table["rules"] = rules.map(rule).collect();
        table.as_object_mut().unwrap().remove("pace");
        table["pace"] = json!({ "emr_per_second": 2000, "emr_burst": 2000 });
    })
}

fn by_name() -> Value {
    ruled((0..MANY).map(|number| json!({ "user": name(149 - number) })))
}

/// The report of a full pass, its calls, and how long it took.
async fn pass(bench: &Bench) -> (Value, Vec<Call>, Duration) {
    let begun = Instant::now();
    let report = bench.report(schedule()).await;
    (report, bench.calls(), begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn many_user_names_are_found_in_the_list_sooner_than_one_by_one() {
    let bench = Bench::in_process(large(), by_name(), Mode::Apply).await;
    let (report, calls, took) = pass(&bench).await;
    assert_eq!(
        (&report["created"], &report["failed"]),
        (&json!(60), &json!(0))
    );
    let counts = counts(&calls);
    assert_eq!(counts["ListUsers"], 2);
    assert!(counts["GetUserId"] <= 16, "{counts:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn many_ids_and_many_groups_are_found_in_lists_too() {
    let mut start = large();
    for number in 0..MANY {
        let (group, member) = (format!("group-{number}"), name(number));
        start.add_group(&group).unwrap();
        start.add_member(&group, &member).unwrap();
    }
    let users = (0..20).map(|number| start.user_id(&name(100 + number)).unwrap());
    let rules = users.map(|id| json!({ "user_id": id }));
    let named = (0..30).map(|n| json!({ "group": format!("group-{n}"), "assign": "members" }));
    let groups = (30..MANY).map(|n| start.group_id(&format!("group-{n}")).unwrap());
    let by_id = groups.map(|id| json!({ "group_id": id, "assign": "members" }));
    let more = (120..122).map(|number| json!({ "user": name(number) }));
    let rules = ruled(rules.chain(named).chain(by_id).chain(more));
    let bench = Bench::in_process(start, rules, Mode::Apply).await;
    let (report, calls, _) = pass(&bench).await;
    assert_eq!(
        (&report["created"], &report["failed"]),
        (&json!(82), &json!(0))
    );
    let counts = counts(&calls);
    assert_eq!((counts["ListUsers"], counts["ListGroups"]), (2, 1));
    let asked = counts["GetGroupId"] + counts.get("DescribeGroup").unwrap_or(&0);
    assert!(asked <= 16, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pattern_and_many_group_names_share_one_list() {
    let mut start = large();
    (0..MANY).for_each(|n| start.add_group(&format!("group-{n}")).map(drop).unwrap());
    let named = (0..MANY).map(|n| json!({ "group": format!("group-{n}"), "assign": "members" }));
    let rules = named.chain([json!({ "group": "data-*", "assign": "members" })]);
    let bench = Bench::in_process(start, ruled(rules), Mode::Apply).await;
    let (report, calls, _) = pass(&bench).await;
    assert_eq!(
        (&report["created"], &report["failed"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(counts(&calls)["ListGroups"], 1);
}

#[tokio::test(start_paused = true)]
async fn whom_a_list_lacks_is_asked_for_and_loses_nothing() {
    let bench = Bench::in_process(large(), by_name(), Mode::Apply).await;
    pass(&bench).await;
    for kind in [
        FaultKind::DropRow,
        FaultKind::EmptyObject,
        FaultKind::AccessDenied,
    ] {
        let fault = Fault::on("ListUsers", kind.clone());
        bench.world(|world| world.faults.rules = vec![fault]);
        let (report, calls, _) = pass(&bench).await;
        let done = ["created", "deleted", "failed"].map(|what| report[what].clone());
        assert_eq!(done, [0, 0, 0].map(Value::from), "{kind:?} {report:#}");
        assert_eq!(problems(&report), "", "{kind:?}");
        if kind == FaultKind::AccessDenied {
            assert_eq!(counts(&calls)["GetUserId"], MANY);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whom_the_list_tells_of_needs_no_answer_of_his_own() {
    let bench = Bench::in_process(large(), by_name(), Mode::Apply).await;
    // The first that is asked about, before the list is read.
    let broken = Fault::on("GetUserId", FaultKind::ServerError).containing(&name(90));
    bench.world(|world| world.faults.rules = vec![broken]);
    let (report, calls, _) = pass(&bench).await;
    assert_eq!(report["created"], 60, "{report:#}");
    assert_eq!(problems(&report), "");
    assert!(counts(&calls)["GetUserId"] > 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_longer_than_asking_is_not_waited_for() {
    let bench = Bench::in_process(large(), by_name(), Mode::Apply).await;
    let slow = FaultKind::Latency(Duration::from_secs(3));
    bench.world(|world| world.faults.rules = vec![Fault::on("ListUsers", slow)]);
    let (report, _, took) = pass(&bench).await;
    assert_eq!(report["created"], 60);
    // 60 names at 15 a second, of which the first five go at once.
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_few_names_are_asked_for_and_no_list_is_read() {
    let rules = (0..20).map(|number| json!({ "user": name(number) }));
    let bench = Bench::in_process(large(), ruled(rules), Mode::Apply).await;
    let (_, calls, _) = pass(&bench).await;
    assert_eq!(counts(&calls).get("ListUsers"), None);
}

/// A Studio of 60 members, where disabled users have no mappings, and two are.
fn with_disabled() -> (World, Value) {
    let mut start = large();
    for number in 0..MANY {
        start.add_member("data-analysts", &name(number)).unwrap();
        start
            .map(ANALYTICS, IdentityType::User, &name(number), ANALYST)
            .unwrap();
    }
    for number in [3, 7] {
        let id = start.user_id(&name(number)).unwrap();
        start.users.get_mut(&id).unwrap().enabled = false;
    }
    let rule = json!({ "group": "data-analysts", "assign": "members" });
    let mut rules = ruled([rule].into_iter());
    rules["on_disabled_user"] = json!("remove");
    (start, rules)
}

#[tokio::test(start_paused = true)]
async fn of_many_members_only_who_may_be_disabled_is_asked_about() {
    let (start, rules) = with_disabled();
    let bench = Bench::in_process(start, rules, Mode::Apply).await;
    let (report, calls, _) = pass(&bench).await;
    assert_eq!(
        (&report["deleted"], &report["created"]),
        (&json!(2), &json!(1))
    );
    let counts = counts(&calls);
    assert!(counts["DescribeUser"] <= 16, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_leaves_out_who_is_disabled_is_no_word_that_nobody_is() {
    let (start, rules) = with_disabled();
    let bench = Bench::in_process(start, rules, Mode::Apply).await;
    let fault = Fault::on(
        "ListUsers",
        FaultKind::DropField {
            name: "UserStatus".into(),
        },
    );
    bench.world(|world| world.faults.rules = vec![fault]);
    let (report, calls, _) = pass(&bench).await;
    assert_eq!(report["deleted"], 2);
    assert_eq!(counts(&calls)["DescribeUser"], MANY + 1);
}

/// The list may be older than what it leads to: who is disabled in it is asked about.
#[tokio::test(start_paused = true)]
async fn who_is_enabled_again_while_the_list_is_read_keeps_what_they_have() {
    let (mut start, rules) = with_disabled();
    let late = start.user_id(&name(30)).unwrap();
    start.users.get_mut(&late).unwrap().enabled = false;
    let bench = Bench::in_process(start, rules, Mode::Apply).await;
    let enable = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        bench.world(|world| world.users.get_mut(&late).unwrap().enabled = true);
    };
    let ((report, calls, _), ()) = tokio::join!(pass(&bench), enable);
    assert_eq!(counts(&calls)["ListUsers"], 2);
    assert_eq!(report["deleted"], 2, "{report:#}");
}

/// The names of the first so many, who asks for them what, and how long it took.
async fn names_of(people: usize, start: World, faults: Vec<Fault>) -> (usize, Vec<Call>, Duration) {
    let names = (0..people).map(|number| start.user_id(&format!("p{number:04}")).unwrap());
    let asked = names.map(|id| Identity::user(Id::parse(&id).unwrap()));
    let asked: BTreeSet<Identity> = asked.collect();
    let bench = Bench::in_process(start, ruled([].into_iter()), Mode::Plan).await;
    bench.world(|world| world.faults.rules = faults);
    let begun = Instant::now();
    let deadline = begun + Duration::from_secs(3600);
    let names = bench.function.engine().names(&asked, deadline).await;
    for (identity, name) in &names {
        let is = bench.world(|world| world.user_id(name).unwrap());
        assert_eq!(is, identity.id.as_str());
    }
    (names.len(), bench.calls(), begun.elapsed())
}

fn crowd(people: usize) -> World {
    let mut world = world();
    (0..people).for_each(|number| world.add_user(&format!("p{number:04}")).map(drop).unwrap());
    world
}

#[tokio::test(start_paused = true)]
async fn a_few_names_are_a_call_each_and_many_are_the_pages_of_the_list() {
    let (named, calls, _) = names_of(5, crowd(2000), Vec::new()).await;
    assert_eq!((named, calls.len()), (5, 5));
    for people in [500, 1000, 2000] {
        let (named, calls, took) = names_of(people, crowd(people), Vec::new()).await;
        let counts = counts(&calls);
        assert_eq!(named, people);
        // With alice and those who are there without being asked for.
        let pages = (people + 5).div_ceil(100);
        assert_eq!(counts["ListUsers"], pages);
        // As many are asked about as there is time for until the list is read.
        assert!(counts["DescribeUser"] <= pages + 16, "{counts:?}");
        let limit = Duration::from_secs_f64(pages as f64 / 15.0 + 0.5);
        assert!(took <= limit, "{people}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_names_are_found_where_the_list_fails_or_lacks_some() {
    for kind in [FaultKind::AccessDenied, FaultKind::DropRow] {
        let fault = Fault::on("ListUsers", kind.clone());
        let (named, _, _) = names_of(150, crowd(150), vec![fault]).await;
        assert_eq!(named, 150, "{kind:?}");
    }
}
