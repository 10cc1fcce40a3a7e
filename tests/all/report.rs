//! `report` from a terminal: the real binary against the embedded AWS.

use crate::support;

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_types::base64;
use chrono::{DateTime, TimeDelta, Utc};
use emr_studio_sync::emulator::{Fault, FaultKind, IdentityType, UserAssignment, World};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::desk::{Desk, Said};
use support::{ANALYST, ANALYTICS, ENGINEER, FOREIGN, SCIENCE, STORE, table, world};

/// A desk with a table of its own.
async fn desk_with(world: World, change: impl FnOnce(&mut Value)) -> Desk {
    let desk = Desk::new(world).await;
    desk.write("policy.json", &table(change).to_string());
    desk
}

/// The desk with one thing that goes wrong.
async fn with_fault(world: World, fault: Fault) -> Desk {
    let desk = Desk::new(world).await;
    desk.emulator.world().faults.add(fault);
    desk
}

async fn reported(desk: &Desk, arguments: &[&str]) -> Said {
    desk.run(&[&["report"], arguments].concat()).await
}

async fn json(desk: &Desk) -> Value {
    let said = reported(desk, &["--output", "json"]).await;
    serde_json::from_str(&said.out).unwrap()
}

async fn html(desk: &Desk) -> String {
    reported(desk, &["--output", "html"]).await.out
}

/// Maps somebody by hand, so many days ago.
fn map(world: &mut World, studio: &str, kind: IdentityType, who: &str, policy: &str, days: i64) {
    world.map(studio, kind, who, policy).unwrap();
    let id = match kind {
        IdentityType::User => world.user_id(who),
        IdentityType::Group => world.group_id(who),
    };
    // Half a day more, so that no test depends on when it runs.
    let made = Utc::now() - TimeDelta::days(days) - TimeDelta::hours(12);
    let key = (studio.to_owned(), kind, id.unwrap());
    world.mappings.get_mut(&key).unwrap().created = made.timestamp() as f64;
}

/// The world as the table wants it: alice, bob and carol in analytics, the data
/// engineers and ops in science.
fn in_order() -> World {
    let mut world = world();
    let (user, group) = (IdentityType::User, IdentityType::Group);
    map(&mut world, ANALYTICS, user, "alice", ENGINEER, 3);
    map(&mut world, ANALYTICS, user, "bob", ENGINEER, 3);
    map(&mut world, ANALYTICS, user, "carol", ANALYST, 400);
    map(&mut world, SCIENCE, group, "data-engineers", ANALYST, 30);
    map(&mut world, SCIENCE, user, "ops", ENGINEER, 0);
    world
}

/// The same world with one of everything an auditor should look at.
fn neglected() -> World {
    let mut world = in_order();
    let (user, group) = (IdentityType::User, IdentityType::Group);
    map(&mut world, ANALYTICS, user, "dave", FOREIGN, 700);
    world.add_user("erin").unwrap();
    map(&mut world, ANALYTICS, user, "erin", ANALYST, 90);
    world.delete_user("erin").unwrap();
    world.add_group("visitors").unwrap();
    map(&mut world, SCIENCE, group, "visitors", ANALYST, 10);
    world.add_group("alumni").unwrap();
    map(&mut world, SCIENCE, group, "alumni", FOREIGN, 11);
    world.delete_group("alumni").unwrap();
    world.set_user_enabled("bob", false).unwrap();
    map(&mut world, ANALYTICS, user, "bob", ANALYST, 3);
    world
}

/// Without the times, which are those of the test.
fn timeless(text: &str) -> String {
    let is_time = |word: &str| DateTime::parse_from_rfc3339(word).is_ok();
    let word = |word: &str| if is_time(word) { "(time)" } else { word }.to_owned();
    let line = |line: &str| line.split(',').map(word).collect::<Vec<_>>().join(",");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn rows_of<'a>(report: &'a Value, name: &'a str) -> Vec<&'a Value> {
    let rows = report["rows"].as_array().unwrap().iter();
    rows.filter(|row| row["user_name"] == name || row["group_name"] == name)
        .collect()
}

/// The cells of one person's line of the page.
fn line_of<'a>(page: &'a str, name: &str) -> &'a str {
    let start = page
        .find(&format!("<th class=\"who\" scope=\"row\">{name}<"))
        .unwrap();
    let line = &page[start..];
    &line[..line.find("</tr>").unwrap()]
}

#[tokio::test]
async fn a_spreadsheet_has_a_line_for_each_grant_with_its_reason_age_and_findings() {
    let desk = desk_with(neglected(), |_| ()).await;
    let said = reported(&desk, &["--output", "csv"]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(timeless(&said.out), @r"
    studio,studio_id,user_name,user_id,user_status,session_policy,session_policy_arn,mapping,group_name,group_id,rule,via_group_name,via_group_id,wanted_policy,owned,protected,created,age_days,findings,action,outcome
    analytics,es-ABCDEFGHIJKLMNOPQRSTUVWXY,alice,a0000000-0000-4000-8000-000000000001,enabled,engineer,arn:aws:iam::111122223333:policy/studio-engineer,USER,,,0,data-engineers,b0000000-0000-4000-8000-000000000001,,true,false,(time),3,,,
    analytics,es-ABCDEFGHIJKLMNOPQRSTUVWXY,bob,a0000000-0000-4000-8000-000000000002,disabled,analyst,arn:aws:iam::111122223333:policy/studio-analyst,USER,,,,,,engineer,true,false,(time),3,disabled no_rule,update,planned
    analytics,es-ABCDEFGHIJKLMNOPQRSTUVWXY,carol,a0000000-0000-4000-8000-000000000003,enabled,analyst,arn:aws:iam::111122223333:policy/studio-analyst,USER,,,1,data-analysts,b0000000-0000-4000-8000-000000000002,,true,false,(time),400,,,
    analytics,es-ABCDEFGHIJKLMNOPQRSTUVWXY,dave,a0000000-0000-4000-8000-000000000004,enabled,somebody-elses,arn:aws:iam::111122223333:policy/somebody-elses,USER,,,,,,,false,false,(time),700,not_owned,,
    analytics,es-ABCDEFGHIJKLMNOPQRSTUVWXY,erin,a0000000-0000-4000-8000-000000000006,gone,analyst,arn:aws:iam::111122223333:policy/studio-analyst,USER,,,,,,,true,false,(time),90,gone no_rule,delete,planned
    science,es-0123456789ABCDEFGHIJKLMNO,alice,a0000000-0000-4000-8000-000000000001,enabled,analyst,arn:aws:iam::111122223333:policy/studio-analyst,GROUP,data-engineers,b0000000-0000-4000-8000-000000000001,2,,,,true,false,(time),30,,,
    science,es-0123456789ABCDEFGHIJKLMNO,bob,a0000000-0000-4000-8000-000000000002,disabled,analyst,arn:aws:iam::111122223333:policy/studio-analyst,GROUP,data-engineers,b0000000-0000-4000-8000-000000000001,2,,,,true,false,(time),30,disabled,,
    science,es-0123456789ABCDEFGHIJKLMNO,ops,a0000000-0000-4000-8000-000000000005,enabled,engineer,arn:aws:iam::111122223333:policy/studio-engineer,USER,,,3,,,,true,false,(time),0,,,
    science,es-0123456789ABCDEFGHIJKLMNO,,,,analyst,arn:aws:iam::111122223333:policy/studio-analyst,GROUP,visitors,b0000000-0000-4000-8000-000000000003,,,,,true,false,(time),10,no_rule no_members,delete,planned
    science,es-0123456789ABCDEFGHIJKLMNO,,,,somebody-elses,arn:aws:iam::111122223333:policy/somebody-elses,GROUP,alumni,b0000000-0000-4000-8000-000000000004,,,,,false,false,(time),11,gone not_owned,,
    ");
}

#[tokio::test]
async fn nobody_mapped_is_a_report_too() {
    let desk = desk_with(world(), |_| ()).await;
    let said = reported(&desk, &["--output", "csv"]).await;
    assert_eq!((said.code, said.out.lines().count()), (0, 1));
    assert!(said.out.starts_with("studio,studio_id,user_name,"));
    let page = html(&desk).await;
    assert!(page.contains("Nobody is mapped."), "{page}");
}

#[tokio::test]
async fn one_studio_is_all_that_is_read_if_only_one_is_asked_for() {
    let desk = desk_with(in_order(), |_| ()).await;
    let said = reported(&desk, &["--output", "csv", "--studio", "science"]).await;
    let studios: Vec<&str> = said.out.lines().skip(1).map(|line| &line[..7]).collect();
    assert_eq!(studios, ["science"; 3]);
    {
        let world = desk.emulator.world();
        let mut lists = world.calls_to("ListStudioSessionMappings");
        assert!(lists.all(|call| call.input["StudioId"] == SCIENCE));
    }
    let said = reported(&desk, &["--studio", "nope"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("--studio: no studio is called \"nope\""));
}

#[tokio::test]
async fn a_terminal_gets_a_table() {
    let desk = desk_with(neglected(), |_| ()).await;
    let said = reported(&desk, &[]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @r"
    ┌────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────┐
    │ Studio      Who              Session policy   By                                      Days   Look at                                   │
    ╞════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════╡
    │ analytics   alice            engineer         rules[0], through data-engineers        3                                                │
    │ analytics   bob              analyst                                                  3      disabled, the table says engineer         │
    │ analytics   carol            analyst          rules[1], through data-analysts         400                                              │
    │ analytics   dave             somebody-elses                                           700    not the table's                           │
    │ analytics   erin             analyst                                                  90     gone from the directory, no rule wants it │
    │ science     alice            analyst          rules[2], as member of data-engineers   30                                               │
    │ science     bob              analyst          rules[2], as member of data-engineers   30     disabled                                  │
    │ science     ops              engineer         rules[3]                                0                                                │
    │ science     group visitors   analyst                                                  10     no rule wants it, no members              │
    │ science     group alumni     somebody-elses                                           11     group is gone, not the table's            │
    └────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
    ");
}

#[tokio::test]
async fn the_json_has_a_version_what_it_rests_on_and_the_rows() {
    let desk = desk_with(neglected(), |_| ()).await;
    let report = json(&desk).await;
    assert_eq!(report["version"], 1);
    assert_eq!(report["complete"], true);
    assert_eq!(report["identity_store_id"], STORE);
    let none = json!({ "planned": 0, "withheld": 0, "over_capacity": 0 });
    assert_eq!(
        report["studios"],
        json!([
            { "studio": "analytics", "studio_id": ANALYTICS, "read": true, "users": 5, "groups": 0, "open": false, "not_mapped": none },
            { "studio": "science", "studio_id": SCIENCE, "read": true, "users": 1, "groups": 3, "open": false, "not_mapped": none },
        ])
    );
    let at = report["generated_at"].as_str().unwrap();
    let at = DateTime::parse_from_rfc3339(at).unwrap().to_utc();
    assert!((Utc::now() - at).num_seconds() < 60);
    let [mapped, by_group] = rows_of(&report, "alice")[..] else {
        panic!("alice has two grants");
    };
    assert_eq!(
        (&mapped["mapping"], &by_group["mapping"]),
        (&json!("USER"), &json!("GROUP"))
    );
    assert_eq!(mapped["age_days"], 3);
    assert_eq!(mapped["via_group_name"], "data-engineers");
    assert_eq!(by_group["group_name"], "data-engineers");
    assert_eq!(by_group["rule"], 2);
    assert_eq!(by_group["findings"], json!([]));
}

#[tokio::test]
async fn what_an_auditor_should_look_at_is_told_of_each_grant() {
    let desk = desk_with(neglected(), |_| ()).await;
    let report = json(&desk).await;
    let findings = |name: &str| -> Vec<Value> {
        let rows = rows_of(&report, name);
        rows.iter().map(|row| row["findings"].clone()).collect()
    };
    assert_eq!(findings("carol"), [json!([])]);
    assert_eq!(findings("dave"), [json!(["not_owned"])]);
    assert_eq!(findings("erin"), [json!(["gone", "no_rule"])]);
    assert_eq!(findings("visitors"), [json!(["no_rule", "no_members"])]);
    assert_eq!(findings("alumni"), [json!(["gone", "not_owned"])]);
    assert_eq!(
        findings("bob"),
        [json!(["disabled", "no_rule"]), json!(["disabled"])]
    );
    assert_eq!(rows_of(&report, "bob")[0]["wanted_policy"], "engineer");
}

#[tokio::test]
async fn what_the_table_protects_is_told_as_such() {
    let mut start = in_order();
    map(&mut start, SCIENCE, IdentityType::User, "dave", ANALYST, 1);
    let protect = |table: &mut Value| table["protect"] = json!([{ "user": "dave" }]);
    let desk = desk_with(start, protect).await;
    let report = json(&desk).await;
    let [dave] = rows_of(&report, "dave")[..] else {
        panic!("dave has one grant");
    };
    assert_eq!(
        (&dave["protected"], &dave["findings"]),
        (&json!(true), &json!(["no_rule"]))
    );
    assert_eq!(rows_of(&report, "carol")[0]["protected"], false);
    let page = html(&desk).await;
    assert!(line_of(&page, "dave").contains("no rule wants it, protected"));
    assert!(page.contains("<b>dave</b> <span>science (protected)</span>"));
}

#[tokio::test]
async fn a_spreadsheet_takes_no_name_for_a_formula() {
    let mut start = world();
    start.add_user("=cmd|' /C calc'!A1").unwrap();
    map(
        &mut start,
        SCIENCE,
        IdentityType::User,
        "=cmd|' /C calc'!A1",
        ANALYST,
        1,
    );
    let desk = desk_with(start, |_| ()).await;
    let said = reported(&desk, &["--output", "csv"]).await;
    assert!(said.out.contains(",'=cmd|' /C calc'!A1,"), "{}", said.out);
    let report = json(&desk).await;
    assert_eq!(rows_of(&report, "=cmd|' /C calc'!A1").len(), 1);
}

#[tokio::test]
async fn the_page_has_each_person_once_with_all_they_have() {
    let desk = desk_with(neglected(), |_| ()).await;
    let said = reported(&desk, &["--output", "html"]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let page = said.out;
    let lines = page.matches("<th class=\"who\" scope=\"row\">").count();
    assert_eq!(
        lines, 8,
        "alice, bob, carol, dave, erin, ops; alumni, visitors"
    );
    let alice = line_of(&page, "alice");
    assert_eq!(alice.matches("<li").count(), 2);
    for part in [
        ">engineer</span>",
        ">3 d</time>",
        "<a href=\"#rule-0\">rules[0]</a>",
        "through <b>data-engineers</b>",
        ">analyst</span>",
        ">30 d</time>",
        "member of <b>data-engineers</b>",
    ] {
        assert!(alice.contains(part), "{part} in {alice}");
    }
    assert!(line_of(&page, "bob").contains("the table says engineer"));
    assert!(line_of(&page, "bob").contains("<span class=\"flag\">disabled</span>"));
    assert!(line_of(&page, "dave").contains("not the table's"));
    assert!(line_of(&page, "erin").contains("gone from the directory"));
    assert!(line_of(&page, "group visitors").contains("no members"));
    assert!(line_of(&page, "group alumni").contains("group is gone"));
    assert!(!page.contains("This report is incomplete"));
}

#[tokio::test]
async fn who_is_gone_is_one_whatever_names_the_mappings_were_made_under() {
    let mut start = in_order();
    let user = IdentityType::User;
    start.add_user("erin").unwrap();
    map(&mut start, ANALYTICS, user, "erin", ANALYST, 90);
    start.rename_user("erin", "ERIN-B").unwrap();
    map(&mut start, SCIENCE, user, "ERIN-B", ANALYST, 80);
    let people = |page: &str| page.matches("<th class=\"who\" scope=\"row\">").count();
    let before = html(&desk_with(start.clone(), |_| ()).await).await;
    start.delete_user("ERIN-B").unwrap();
    let page = html(&desk_with(start, |_| ()).await).await;
    assert_eq!(people(&page), people(&before));
    let counted = "<dt>People</dt><dd>5</dd>";
    assert!(before.contains(counted) && page.contains(counted));
    let line = line_of(&page, "ERIN-B");
    assert_eq!(line.matches("<li").count(), 2, "{line}");
    assert!(
        line.contains("<small>also mapped as erin</small>"),
        "{line}"
    );
    assert!(page.contains("<span class=\"count\">1</span> Gone from the directory"));
    assert!(page.contains("<b>ERIN-B</b> <span>analytics, science</span></li>"));
}

#[tokio::test]
async fn two_of_one_name_are_two_and_told_apart() {
    let mut start = in_order();
    let user = IdentityType::User;
    let mut ids = Vec::new();
    for studio in [ANALYTICS, SCIENCE] {
        ids.push(start.add_user("erin").unwrap());
        map(&mut start, studio, user, "erin", ANALYST, 90);
        start.delete_user("erin").unwrap();
    }
    let page = html(&desk_with(start, |_| ()).await).await;
    assert!(page.contains("<span class=\"count\">2</span> Gone from the directory"));
    for (id, studio) in ids.iter().zip(["analytics", "science"]) {
        let item = format!("<b>erin</b> <span>{studio}</span><small>{id}</small>");
        assert!(page.contains(&item), "{item}");
    }
}

#[tokio::test]
async fn the_page_says_first_what_to_look_at() {
    let desk = desk_with(neglected(), |_| ()).await;
    let page = html(&desk).await;
    let matrix = page.find("<table").unwrap();
    let findings = &page[page.find("What to look at").unwrap()..matrix];
    let titles: Vec<&str> = findings
        .split("<h3>")
        .skip(1)
        .map(|rest| &rest[..rest.find("</h3>").unwrap()])
        .collect();
    assert_eq!(
        titles,
        [
            "<span class=\"count\">2</span> Gone from the directory",
            "<span class=\"count\">1</span> Disabled, but mapped",
            "<span class=\"count\">3</span> Not what the table says",
            "<span class=\"count\">2</span> Not the table's",
            "<span class=\"count\">1</span> Groups without members",
        ]
    );
    assert!(findings.contains("<b>bob</b> <span>analytics, science</span>"));

    let desk = desk_with(in_order(), |_| ()).await;
    let page = html(&desk).await;
    assert!(page.contains("Nothing: everybody here is in the directory and enabled"));
}

#[tokio::test]
async fn a_groups_mapping_is_one_thing_to_look_at_however_many_members_have_it() {
    let mut start = in_order();
    let group = IdentityType::Group;
    map(&mut start, ANALYTICS, group, "data-engineers", FOREIGN, 1);
    let desk = desk_with(start, |_| ()).await;
    let page = html(&desk).await;
    assert!(page.contains("<span class=\"count\">1</span> Not the table's"));
    assert!(page.contains("<b>group data-engineers</b> <span>analytics</span>"));
    assert_eq!(line_of(&page, "alice").matches("<li").count(), 3);
    assert!(line_of(&page, "bob").contains("not the table's"));
}

#[tokio::test]
async fn the_page_needs_and_may_load_nothing() {
    let desk = desk_with(neglected(), |_| ()).await;
    let page = html(&desk).await;
    // Where it was read, in words.
    let endpoint = format!(", at {}", desk.emulator.url());
    assert_eq!(page.matches(&endpoint).count(), 1);
    let page = page.replace(&endpoint, "");
    for other in [
        "http:", "https:", " src=", "<link", "<img", "@import", "url(", " style=", " onclick",
    ] {
        assert!(!page.contains(other), "{other}");
    }
    let between = |start: &str, end: &str| {
        let from = page.find(start).unwrap() + start.len();
        &page[from..from + page[from..].find(end).unwrap()]
    };
    let hash = |text: &str| base64::encode(Sha256::digest(text.as_bytes()));
    let security = between("Content-Security-Policy\" content=\"", "\"");
    assert_eq!(
        security,
        format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; \
             base-uri 'none'; form-action 'none'",
            hash(between("<style>", "</style>")),
            hash(between("<script>", "</script>")),
        )
    );
}

#[tokio::test]
async fn the_page_takes_names_for_text() {
    let mut start = world();
    let (user, group) = (
        "<script>alert(1)</script>",
        "\"><img onerror='x'> & \"friends\"",
    );
    start.add_user(user).unwrap();
    start.add_group(group).unwrap();
    start.add_member(group, user).unwrap();
    map(&mut start, SCIENCE, IdentityType::Group, group, ANALYST, 1);
    map(&mut start, ANALYTICS, IdentityType::User, user, FOREIGN, 1);
    let rule = |table: &mut Value| {
        let rules = table["rules"].as_array_mut().unwrap();
        rules.push(json!({ "group": group, "studio": "science", "session_policy": "analyst", "assign": "group" }));
    };
    let desk = desk_with(start, rule).await;
    let page = html(&desk).await;
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_eq!(page.matches("<script").count(), 1, "its own");
    assert!(!page.contains("<img"));
    assert!(page.contains("&quot;&gt;&lt;img onerror='x'&gt; &amp; &quot;friends&quot;"));
}

#[tokio::test]
async fn a_studio_that_cannot_be_read_is_never_taken_for_one_that_nobody_can_open() {
    let denied =
        Fault::on("ListStudioSessionMappings", FaultKind::AccessDenied).containing(SCIENCE);
    let desk = with_fault(in_order(), denied).await;

    let said = reported(&desk, &["--output", "csv"]).await;
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .contains("! Studio science (es-0123456789ABCDEFGHIJKLMNO): "),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("error: the report is incomplete"),
        "{}",
        said.err
    );
    let last = said.out.lines().last().unwrap();
    assert_eq!(last, format!("science,{SCIENCE}{}unread,,", ",".repeat(17)));

    let said = reported(&desk, &["--output", "html"]).await;
    assert_eq!(said.code, 1);
    assert!(said.out.contains("This report is incomplete"));
    assert!(
        said.out
            .contains("<strong class=\"unread\">could not be read</strong>")
    );
    assert!(line_of(&said.out, "alice").contains("<span class=\"unread\">not read</span>"));
    let option = "<option value=\"1\" data-unread>science</option>";
    assert!(said.out.contains(option));
    let option = "<option value=\"0\">analytics</option>";
    assert!(said.out.contains(option));

    let report = json(&desk).await;
    assert_eq!(
        (&report["complete"], &report["studios"][1]["read"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(report["problems"].as_array().unwrap().len(), 1);

    let said = reported(&desk, &[]).await;
    assert_eq!(said.code, 1);
    assert!(said.out.contains("could not be read"), "{}", said.out);
}

#[tokio::test]
async fn a_user_who_cannot_be_read_keeps_the_id_and_is_a_problem() {
    let mut start = in_order();
    let carol = start.user_id("carol").unwrap();
    // The service gave no name when she was mapped, either.
    let key = (ANALYTICS.to_owned(), IdentityType::User, carol.clone());
    start.mappings.get_mut(&key).unwrap().identity_name = String::new();
    let denied = Fault::on("DescribeUser", FaultKind::AccessDenied).containing(&carol);
    let desk = with_fault(start, denied).await;
    let said = reported(&desk, &["--output", "html"]).await;
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .contains(&format!("! the name and status of USER {carol} could not")),
        "{}",
        said.err
    );
    assert!(line_of(&said.out, &carol).contains("status could not be read"));
    let report = json(&desk).await;
    let rows = report["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["user_id"] == *carol).unwrap();
    assert_eq!(
        (&row["user_status"], &row["findings"]),
        (&json!("unknown"), &json!(["unread"]))
    );
}

#[tokio::test]
async fn many_who_cannot_be_read_are_one_problem() {
    let denied = Fault::on("DescribeUser", FaultKind::AccessDenied);
    let desk = with_fault(in_order(), denied).await;
    let report = json(&desk).await;
    let [problem] = report["problems"].as_array().unwrap().as_slice() else {
        panic!("{}", report["problems"]);
    };
    assert!(
        problem
            .as_str()
            .unwrap()
            .contains(" and 3 more could not be read"),
        "{problem}"
    );
}

#[tokio::test]
async fn members_that_cannot_be_read_are_not_no_members() {
    let mut start = in_order();
    start.add_group("visitors").unwrap();
    let visitors = start.group_id("visitors").unwrap();
    let policy = ANALYST;
    map(
        &mut start,
        SCIENCE,
        IdentityType::Group,
        "visitors",
        policy,
        1,
    );
    let denied = Fault::on("ListGroupMemberships", FaultKind::AccessDenied).containing(&visitors);
    let desk = with_fault(start, denied).await;
    let said = reported(&desk, &["--output", "json"]).await;
    assert_eq!(said.code, 1);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let [row] = rows_of(&report, "visitors")[..] else {
        panic!("one row");
    };
    assert_eq!(row["user_id"], Value::Null);
    assert_eq!(row["findings"], json!(["unread", "no_rule"]));
    let page = html(&desk).await;
    assert!(line_of(&page, "group visitors").contains("members could not be read"));
}

#[tokio::test]
async fn where_the_rules_cannot_be_read_nobody_is_said_to_have_none() {
    let denied = Fault::on("ListGroups", FaultKind::AccessDenied);
    let desk = with_fault(in_order(), denied).await;
    let report = json(&desk).await;
    assert_eq!(report["complete"], false);
    let [carol] = rows_of(&report, "carol")[..] else {
        panic!("carol has one grant");
    };
    assert_eq!(carol["findings"], json!(["unread"]));
    let page = html(&desk).await;
    assert!(line_of(&page, "carol").contains("rules could not be read"));
    assert!(!page.contains("no rule wants it"));
}

#[tokio::test]
async fn a_group_that_the_table_names_and_that_is_not_there_is_told() {
    let rule = |table: &mut Value| {
        let rules = table["rules"].as_array_mut().unwrap();
        rules.push(json!({ "group": "renamed", "studio": "science", "session_policy": "analyst", "assign": "group" }));
    };
    let desk = desk_with(in_order(), rule).await;
    let said = reported(&desk, &["--output", "html"]).await;
    assert_eq!(said.code, 0, "everything was read");
    let note = "rules[4]: group \"renamed\" is not there";
    assert!(said.err.contains(note), "{}", said.err);
    assert!(said.out.contains(&note.replace('"', "&quot;")));
    assert!(
        said.out
            .contains("</span> Named in the table, and not there</h3>")
    );
}

#[tokio::test]
async fn the_example_in_docs_has_one_of_every_finding() {
    let example = |file: &str| {
        let path = format!("{}/docs/report/{file}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let seed = World::from_toml(&example("directory.toml")).unwrap();
    let policy: toml::Value = toml::from_str(&example("policy.toml")).unwrap();
    let desk = desk_with(seed.world, |table| *table = json!(policy)).await;
    let page = html(&desk).await;
    for title in [
        "Gone from the directory",
        "Disabled, but mapped",
        "Not what the table says",
        "Not the table's",
        "Groups without members",
        "Open without a mapping",
        "Wanted by a rule, but not mapped",
        "Changes that wait",
        "Named in the table, and not there",
    ] {
        assert!(page.contains(&format!("</span> {title}</h3>")), "{title}");
    }
    assert!(!page.contains("This report is incomplete"));
}

/// So many people, of whom each may open all of so many Studios as a member of one
/// group, and the first hundred of whom also have the first Studio to themselves.
fn large(people: usize, studios: usize) -> (World, Value) {
    let mut world = World::default();
    let name = |number: usize| format!("person-{number:04}@example.com");
    world.add_group("everybody").unwrap();
    for number in 0..people {
        world.add_user(&name(number)).unwrap();
        world.add_member("everybody", &name(number)).unwrap();
    }
    let mut policy = table(|_| ());
    policy["rules"] = json!([]);
    policy["studios"] = json!({});
    for number in 0..studios {
        let (alias, id) = (format!("studio-{number:02}"), format!("es-{number:025}"));
        world.add_studio(&id).unwrap();
        map(
            &mut world,
            &id,
            IdentityType::Group,
            "everybody",
            ANALYST,
            number as i64,
        );
        policy["studios"][&alias] = json!({ "id": id });
        policy["rules"].as_array_mut().unwrap().push(json!({
            "group": "everybody", "studio": alias, "session_policy": "analyst", "assign": "group",
        }));
    }
    for number in 0..people.min(100) {
        let studio = format!("es-{:025}", 0);
        map(
            &mut world,
            &studio,
            IdentityType::User,
            &name(number),
            ENGINEER,
            3,
        );
    }
    (world, policy)
}

async fn large_page(people: usize, studios: usize) -> String {
    let (world, policy) = large(people, studios);
    html(&desk_with(world, |table| *table = policy).await).await
}

#[tokio::test]
async fn a_large_company_has_a_list_of_people_each_with_every_studio_rule_and_day() {
    let page = large_page(30, 12).await;
    assert!(!page.contains("<table id=\"matrix\">"));
    assert_eq!(page.matches("<tr class=\"person\">").count(), 30);
    let person = line_of(&page, "person-0007@example.com");
    for part in [
        "<b>studio-00</b>",
        ">engineer</span>",
        "not the table's",
        "<b>12 Studios</b>",
        ">analyst</span>",
        "member of <b>everybody</b>",
    ] {
        assert!(person.contains(part), "{part} in {person}");
    }
    for number in 0..12 {
        let day = (Utc::now() - TimeDelta::days(number) - TimeDelta::hours(12)).format("%Y-%m-%d");
        let studio = format!("studio-{number:02} (rules[{number}], {day})");
        assert!(person.contains(&studio), "{studio} in {person}");
    }
    // A few of anything are a matrix.
    assert!(large_page(30, 6).await.contains("<table id=\"matrix\">"));
    assert!(!large_page(201, 2).await.contains("<table id=\"matrix\">"));
}

#[tokio::test]
async fn what_is_alike_but_for_the_studio_is_one_entry_and_nothing_else_is() {
    let (mut world, policy) = large(3, 8);
    for number in 0..8 {
        let id = format!("es-{number:025}");
        let whom = "person-0001@example.com";
        // Not the table's, and in three of them.
        if number > 4 {
            map(&mut world, &id, IdentityType::User, whom, FOREIGN, 40);
        }
    }
    let page = html(&desk_with(world, |table| *table = policy).await).await;
    let entries = |name: &str| line_of(&page, name).matches("<li").count();
    let [alone, more] = ["0000", "0001"].map(|n| entries(&format!("person-{n}@example.com")));
    assert_eq!((alone, more), (2, 5));
}

#[tokio::test]
async fn more_people_are_so_much_more_of_a_page_and_no_more_for_each() {
    let mut sizes = Vec::new();
    for (people, studios) in [(50, 10), (250, 10), (450, 10), (250, 30), (450, 30)] {
        let page = large_page(people, studios).await;
        sizes.push((people, studios, page.len()));
    }
    let each = |few: usize, many: usize| {
        let ((before, studios, small), (after, _, large)) = (sizes[few], sizes[many]);
        (large - small) / ((after - before) * studios)
    };
    // Of each grant; what is said of its person is shared by ten of them, or by thirty.
    assert!(each(1, 2) <= 130, "{sizes:?}");
    assert!(each(3, 4) <= 70, "{sizes:?}");
}

#[tokio::test]
async fn ten_of_a_kind_are_told_and_the_rest_is_behind_a_click() {
    let (world, policy) = large(25, 8);
    let page = html(&desk_with(world, |table| *table = policy).await).await;
    let start = page.find("Not the table's<").unwrap();
    let finding = &page[start..start + page[start..].find("</article>").unwrap()];
    let (first, rest) = finding.split_once("<details>").unwrap();
    assert_eq!(first.matches("<li>").count(), 10);
    assert_eq!(rest.matches("<li>").count(), 15);
    assert!(rest.starts_with("<summary>15 more</summary>"), "{rest}");
    let page = large_page(10, 8).await;
    assert!(!page.contains("<details>"));
}

#[tokio::test]
async fn the_names_of_many_are_read_from_the_list_and_who_is_not_in_it_is_asked_about() {
    let (mut world, policy) = large(450, 2);
    world.delete_user("person-0003@example.com").unwrap();
    let desk = desk_with(world, |table| *table = policy).await;
    let report = json(&desk).await;
    assert_eq!(report["complete"], true);
    let gone = rows_of(&report, "person-0003@example.com");
    assert_eq!(gone[0]["user_status"], "gone");
    let calls = desk.calls();
    let count = |operation: &str| calls.iter().filter(|call| *call == operation).count();
    // Five pages, and the question whether there is such an identity store.
    assert_eq!(count("ListUsers"), 6);
    assert!(
        (1..300).contains(&count("DescribeUser")),
        "{}",
        count("DescribeUser")
    );
}

/// Seven of nine in analytics have left their groups, which is too many at once; in
/// science a rule names a group that is not there; and one more would be mapped there,
/// if there were room.
fn waiting() -> (World, Value) {
    let mut start = in_order();
    let user = IdentityType::User;
    for number in 0..7 {
        let name = format!("left-{number}");
        start.add_user(&name).unwrap();
        map(&mut start, ANALYTICS, user, &name, ENGINEER, 9);
    }
    map(&mut start, ANALYTICS, user, "alice", ANALYST, 3);
    map(&mut start, SCIENCE, user, "dave", ANALYST, 5);
    let policy = table(|table| {
        table["studios"]["science"]["limits"] = json!({ "users": 3 });
        table["rules"].as_array_mut().unwrap().extend([
            json!({ "group": "data-*", "studio": "science", "session_policy": "engineer", "assign": "members" }),
            json!({ "group": "renamed", "studio": "science", "session_policy": "analyst", "assign": "group" }),
        ]);
    });
    (start, policy)
}

#[tokio::test]
async fn what_the_next_full_pass_would_do_and_does_not_is_told_in_every_form() {
    let (start, policy) = waiting();
    let desk = desk_with(start, |table| *table = policy).await;
    let report = json(&desk).await;
    let fate = |name: &str| {
        let row = rows_of(&report, name)[0];
        (row["action"].clone(), row["outcome"].clone())
    };
    assert_eq!(fate("left-0"), (json!("delete"), json!("held")));
    assert_eq!(fate("alice"), (json!("update"), json!("planned")));
    assert_eq!(fate("dave"), (json!("delete"), json!("withheld")));
    assert_eq!(fate("carol"), (Value::Null, Value::Null));
    let none = json!({ "planned": 0, "withheld": 0, "over_capacity": 0 });
    assert_eq!(report["studios"][0]["not_mapped"], none);
    let two = json!({ "planned": 1, "withheld": 0, "over_capacity": 2 });
    assert_eq!(report["studios"][1]["not_mapped"], two);
    let notes = [
        "rules[5]: group \"renamed\" is not there; nothing is deleted or changed in Studio \
         science (es-0123456789ABCDEFGHIJKLMNO) until it is",
        "Studio analytics (es-ABCDEFGHIJKLMNOPQRSTUVWXY): 7 deletions are held, since too many \
         would go at once, until somebody approves",
        "Studio science (es-0123456789ABCDEFGHIJKLMNO): 1 change is withheld: rules[5]: group \
         \"renamed\" is not there (renamed, deleted or misspelt)",
        "Studio science (es-0123456789ABCDEFGHIJKLMNO): the rules want 3 more, who are not \
         mapped: 2 over capacity, 1 planned",
    ];
    assert_eq!(report["notes"], json!(notes));

    let csv = reported(&desk, &["--output", "csv"]).await;
    let line = |name: &str| {
        let mut lines = csv.out.lines();
        lines.find(|line| line.contains(name)).unwrap().to_owned()
    };
    assert!(line("left-0").ends_with(",no_rule,delete,held"));
    assert!(line("alice").ends_with(",no_rule,update,planned"));
    assert!(line("dave").ends_with(",no_rule,delete,withheld"));
    assert!(line("carol").ends_with(",,,"));
    let last = csv.out.lines().last().unwrap();
    let of_studio = format!("science,{SCIENCE}{}over_capacity,,", ",".repeat(17));
    assert_eq!(last, of_studio);

    let said = reported(&desk, &[]).await;
    assert_eq!(
        (said.code, said.err),
        (0, notes.map(|note| format!("! {note}")).join("\n"))
    );
    for (who, what) in [
        ("left-0", "no rule wants it, held"),
        ("dave", "no rule wants it, withheld"),
        ("alice", "the table says engineer "),
        ("3 more", "not mapped: 2 over capacity, 1 planned"),
    ] {
        let mut lines = said.out.lines();
        let line = lines.find(|line| line.contains(who)).unwrap();
        assert!(line.contains(what), "{line}");
    }

    let page = html(&desk).await;
    assert!(line_of(&page, "left-0").contains(">no rule wants it, held</span>"));
    assert!(line_of(&page, "dave").contains(">no rule wants it, withheld</span>"));
    assert!(line_of(&page, "alice").contains(">the table says engineer</span>"));
    for part in [
        "<b>left-0</b> <span>analytics (held)</span>",
        "<b>dave</b> <span>science (withheld)</span>",
        "<b>alice</b> <span>analytics</span>",
        "<span class=\"count\">3</span> Wanted by a rule, but not mapped",
        "<b>science</b> <span>2 over capacity, 1 planned</span>",
        "<span class=\"count\">2</span> Changes that wait",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[tokio::test]
async fn whom_a_rule_or_protect_names_in_vain_is_told_with_what_follows() {
    let desk = desk_with(world(), |table| {
        let rules = table["rules"].as_array_mut().unwrap();
        for who in [json!({ "user": "nobody" }), json!({ "group": "nowhere" })] {
            let mut rule = json!({ "studio": "science", "session_policy": "analyst" });
            rule.as_object_mut()
                .unwrap()
                .extend(who.as_object().unwrap().clone());
            if who["group"].is_string() {
                rule["assign"] = json!("group");
            }
            rules.push(rule);
        }
        table["protect"] = json!([{ "user": "somebody" }]);
        table["on_missing_group"] = json!("revoke");
    })
    .await;
    let told = [
        "is not there; the rule maps nobody, and what it had mapped goes. If it is the same",
        "group \"nowhere\" is not there; the rule maps nobody",
        "protect[0]: the user it names is not there; no user who is still in the directory",
    ];
    let notes = json(&desk).await["notes"].clone();
    let page = html(&desk).await;
    for (number, told) in told.into_iter().enumerate() {
        assert!(notes[number].as_str().unwrap().contains(told), "{notes:#}");
        assert!(page.contains(&told.replace('"', "&quot;")), "{told}");
    }
    // A report of one Studio is about the rules of that.
    let said = reported(&desk, &["--studio", "analytics", "--output", "json"]).await;
    assert!(!said.out.contains("nowhere"), "{}", said.out);
}

/// What each change is and becomes, by Studio and identity, and how many creations.
fn fates(rows: &Value, of_plan: bool) -> Vec<String> {
    let fate = |row: &Value| {
        let id = match (of_plan, row["mapping"].as_str()) {
            (true, _) => &row["identity_id"],
            (false, Some("GROUP")) => &row["group_id"],
            (false, _) => &row["user_id"],
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (action, outcome) = (text(&row["action"])?, text(&row["outcome"])?);
        (action != "create").then(|| format!("{} {id} {action} {outcome}", row["studio"]))
    };
    let mut fates: Vec<String> = rows.as_array().unwrap().iter().filter_map(fate).collect();
    fates.sort();
    fates.dedup();
    fates
}

#[tokio::test]
async fn the_report_foretells_what_plan_does() {
    let (held, policy) = waiting();
    // Somebody may be the one that `protect` names: but for those who are gone.
    let mut gone = in_order();
    for name in ["erin", "frank"] {
        gone.add_user(name).unwrap();
        map(&mut gone, SCIENCE, IdentityType::User, name, ANALYST, 4);
    }
    gone.delete_user("erin").unwrap();
    let protecting = table(|table| table["protect"] = json!([{ "user": "nobody" }]));
    // All of one Studio, and nobody mapped in the other.
    let mut all = world();
    for name in ["dave", "ops", "carol"] {
        map(&mut all, SCIENCE, IdentityType::User, name, ANALYST, 4);
    }
    let emptied = table(|table| {
        table["rules"].as_array_mut().unwrap().truncate(2);
        table["session_policies"]["engineer"] = json!(ENGINEER);
        table["ownership"] = json!("studio");
    });
    let mut seen = BTreeSet::new();
    for (world, policy) in [(held, policy), (gone, protecting), (all, emptied)] {
        let desk = desk_with(world, |table| *table = policy).await;
        let report = json(&desk).await;
        let plan = desk.run(&["plan", "--output", "json"]).await;
        let plan: Value = serde_json::from_str(&plan.out).unwrap();
        let foretold = fates(&report["rows"], false);
        assert_eq!(foretold, fates(&plan["changes"], true));
        let words = foretold.iter().filter_map(|fate| fate.split_once("\" "));
        seen.extend(words.map(|(_, what)| what.rsplit("\" ").next().unwrap().to_owned()));
        for studio in report["studios"].as_array().unwrap() {
            for (outcome, count) in studio["not_mapped"].as_object().unwrap() {
                let changes = plan["changes"].as_array().unwrap().iter();
                let these = changes.filter(|change| {
                    change["action"] == "create"
                        && change["outcome"] == **outcome
                        && change["studio"] == studio["studio"]
                });
                assert_eq!(*count, json!(these.count()), "{studio}");
            }
        }
    }
    let all = [
        "delete held",
        "delete planned",
        "delete withheld",
        "update planned",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}

#[tokio::test]
async fn to_foretell_reads_nothing_twice_and_writes_nothing() {
    let mut start = in_order();
    for name in ["erin", "frank"] {
        start.add_user(name).unwrap();
        map(&mut start, SCIENCE, IdentityType::User, name, ANALYST, 4);
    }
    start.delete_user("erin").unwrap();
    let protect = |table: &mut Value| table["protect"] = json!([{ "user": "nobody" }]);
    let desk = desk_with(start, protect).await;
    let report = json(&desk).await;
    assert_eq!(rows_of(&report, "erin")[0]["outcome"], "planned");
    assert_eq!(rows_of(&report, "frank")[0]["outcome"], "withheld");
    let world = desk.emulator.world();
    assert!(!world.calls.iter().any(|call| call.is_write()));
    for (operation, most) in [
        ("ListStudioSessionMappings", 1),
        ("DescribeStudio", 1),
        ("DescribeUser", 1),
        ("DescribeGroup", 1),
        ("ListGroupMemberships", 1),
    ] {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for call in world.calls_to(operation) {
            *times.entry(call.input.to_string()).or_default() += 1;
        }
        assert!(times.values().all(|count| *count <= most), "{times:?}");
    }
}

#[tokio::test]
async fn where_the_rules_cannot_be_read_what_rests_on_them_is_withheld() {
    let mut start = in_order();
    let group = IdentityType::Group;
    start.add_group("visitors").unwrap();
    map(&mut start, SCIENCE, group, "visitors", ANALYST, 1);
    map(&mut start, SCIENCE, IdentityType::User, "dave", ANALYST, 1);
    let user = |table: &mut Value| {
        // Science has rules about one group and one user, and no other.
        let rules = table["rules"].as_array_mut().unwrap();
        rules[3] = json!({ "user_id": "a0000000-0000-4000-8000-000000000005", "studio": "science", "session_policy": "engineer" });
        rules[2] = json!({ "user": "bob", "studio": "science", "session_policy": "analyst" });
    };
    let desk = desk_with(start, user).await;
    let denied = Fault::on("GetUserId", FaultKind::AccessDenied).containing("bob");
    desk.emulator.world().faults.add(denied);
    let said = reported(&desk, &["--output", "json"]).await;
    assert_eq!(said.code, 1);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let told = |name: &str| {
        let row = rows_of(&report, name)[0];
        (row["findings"].clone(), row["outcome"].clone())
    };
    // Whether a user is meant is not known; no group is, by any of these rules.
    assert_eq!(told("dave"), (json!(["unread"]), json!("withheld")));
    assert_eq!(
        told("visitors"),
        (json!(["no_rule", "no_members"]), json!("planned"))
    );
    let page = html(&desk).await;
    assert!(line_of(&page, "dave").contains(">rules could not be read, withheld</span>"));
}

/// The world in order, but that people get into science without a mapping.
fn open() -> World {
    let mut start = in_order();
    let science = start.studios.get_mut(SCIENCE).unwrap();
    science.idc_user_assignment = Some(UserAssignment::Optional);
    start
}

#[tokio::test]
async fn a_studio_that_people_get_into_without_a_mapping_is_called_open_in_every_form() {
    let desk = desk_with(open(), |_| ()).await;
    let said = reported(&desk, &[]).await;
    assert_eq!(said.code, 0);
    let note = "! Studio science (es-0123456789ABCDEFGHIJKLMNO): mappings do not decide who may \
                open it: its IdcUserAssignment is OPTIONAL, so people get in without one";
    assert_eq!(said.err, note);
    let last = said.out.lines().rev().nth(1).unwrap();
    assert!(last.starts_with("│ science     anybody "), "{last}");
    assert!(last.contains("open without a mapping"), "{last}");

    let report = json(&desk).await;
    let open = |studio: usize| &report["studios"][studio]["open"];
    assert_eq!((open(0), open(1)), (&json!(false), &json!(true)));
    assert_eq!(format!("! {}", report["notes"][0].as_str().unwrap()), note);

    let csv = reported(&desk, &["--output", "csv"]).await;
    let last = csv.out.lines().last().unwrap();
    assert_eq!(last, format!("science,{SCIENCE}{}open,,", ",".repeat(17)));

    let page = html(&desk).await;
    assert!(page.contains("<span class=\"count\">1</span> Open without a mapping</h3>"));
    assert!(page.contains("<b>science</b> <span>es-0123456789ABCDEFGHIJKLMNO</span>"));
    assert_eq!(page.matches(">open without a mapping</strong>").count(), 1);
    assert!(!page.contains("Nothing: everybody here"));

    let (mut world, policy) = large(3, 8);
    let studio = world.studios.values_mut().next().unwrap();
    studio.idc_user_assignment = Some(UserAssignment::Optional);
    let page = html(&desk_with(world, |table| *table = policy).await).await;
    assert!(page.contains("Open also to people who are not in this list: studio-00."));
}

#[tokio::test]
async fn where_nobody_says_whether_a_studio_is_open_that_is_said() {
    let denied = Fault::on("DescribeStudio", FaultKind::AccessDenied).containing(SCIENCE);
    let desk = with_fault(in_order(), denied).await;
    let said = reported(&desk, &["--output", "json"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let open = |studio: usize| &report["studios"][studio]["open"];
    assert_eq!((open(0), open(1)), (&json!(false), &Value::Null));
    let note = "Studio science (es-0123456789ABCDEFGHIJKLMNO): whether people get in without a \
                mapping is not known: DescribeStudio did not say";
    assert_eq!(report["notes"], json!([note]));
    let page = html(&desk).await;
    let told =
        "Whether people get in without a mapping, which DescribeStudio did not say of science.";
    assert!(page.contains(told));
    assert!(
        !html(&desk_with(in_order(), |_| ()).await)
            .await
            .contains("DescribeStudio")
    );
}

#[tokio::test]
async fn of_many_studios_of_one_person_the_list_is_behind_a_click() {
    let page = large_page(3, 11).await;
    let person = line_of(&page, "person-0001@example.com");
    assert!(
        person.contains("<details class=\"each of-group\"><summary>which</summary>studio-00 (")
    );
    // What the group has is said once, and whole.
    let groups = &page[page.find("Groups that are mapped").unwrap()..];
    assert!(groups.contains("<p class=\"each\">studio-00 ("));
    let page = large_page(3, 10).await;
    assert!(!page.contains("<details"));
}

#[tokio::test]
async fn explain_foretells_the_same() {
    let (start, policy) = waiting();
    let desk = desk_with(start, |table| *table = policy).await;
    let verdict = async |desk: &Desk, whom: &[&str]| {
        let said = desk
            .run(&[&["explain", "--output", "json"], whom].concat())
            .await;
        let explained: Value = serde_json::from_str(&said.out).unwrap();
        let studios = explained["studios"].as_array().unwrap().iter();
        let verdicts = studios.map(|one| one["verdict"].as_str().unwrap().to_owned());
        verdicts.collect::<Vec<_>>()
    };
    // Only deletions are held.
    let said = verdict(&desk, &["--user", "alice"]).await;
    assert_eq!(said[0], "has another session policy, and will get this one");
    let said = verdict(&desk, &["--user", "left-0"]).await;
    let held = "is mapped and should not be; the mapping is not deleted now: held, since too many \
                would go at once, until somebody approves";
    assert_eq!(said[0], held);

    // What `protect` names may be anybody under a new name, but nobody who is gone.
    let mut start = in_order();
    let erin = start.add_user("erin").unwrap();
    map(&mut start, SCIENCE, IdentityType::User, "erin", ANALYST, 4);
    start.delete_user("erin").unwrap();
    let protect = |table: &mut Value| table["protect"] = json!([{ "user": "nobody" }]);
    let desk = desk_with(start, protect).await;
    let said = verdict(&desk, &["--user-id", &erin]).await;
    let goes = "is mapped, and gone from the directory: the mapping will be deleted";
    assert_eq!(said[1], goes);
}
