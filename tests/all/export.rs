//! `export` from a terminal: what it writes, `simulate` begins with, and there
//! everything is as it was.

use crate::support;

use emr_studio_sync::emulator::{AuthMode, Fault, FaultKind, IdentityType, UserAssignment, World};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::desk::Desk;
use support::{ANALYST, ANALYTICS, ENGINEER, FOREIGN, SCIENCE, fill, table, world};

const USER: IdentityType = IdentityType::User;
const GROUP: IdentityType = IdentityType::Group;

/// The file, written for a table.
async fn exported(desk: &Desk, table: &Value) -> String {
    desk.write("policy.json", &table.to_string());
    let said = desk.run(&["export", "--table", "policy.json"]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    desk.write("exported.toml", &said.out);
    said.out
}

const REHEARSAL: [&str; 5] = [
    "simulate",
    "--table",
    "policy.json",
    "--directory",
    "exported.toml",
];

/// What `simulate` makes of the file.
async fn simulated(desk: &Desk) -> Value {
    let mut arguments = REHEARSAL.to_vec();
    arguments.push("--json");
    let said = desk.run(&arguments).await;
    assert_eq!(said.err, "");
    serde_json::from_str(&said.out).unwrap()
}

#[tokio::test]
async fn the_file_has_what_the_rules_see_and_every_mapping() {
    let mut start = world();
    start.add_group("finance").unwrap();
    start.add_group("unseen").unwrap();
    start.add_user("o\"hara").unwrap();
    start.add_user("nobody").unwrap();
    start.add_member("finance", "o\"hara").unwrap();
    for who in ["alice", "dave", "ops"] {
        start.map(ANALYTICS, USER, who, ANALYST).unwrap();
    }
    start.map(ANALYTICS, GROUP, "finance", FOREIGN).unwrap();
    start.delete_user("dave").unwrap();
    start.rename_user("alice", "alicia").unwrap();
    start.set_user_enabled("bob", false).unwrap();
    for mapping in start.mappings.values_mut() {
        mapping.created = 1_772_446_530.0;
    }
    let desk = Desk::new(start).await;
    insta::assert_snapshot!(exported(&desk, &table(|_| ())).await, @r#"
    # The directory as far as the rules see it, and the mappings, for `simulate`.
    # It has the names of people.

    identity_store_id = "d-1234567890"

    [selected]
    groups = ["data-*", "data-engineers"]
    users = ["ops"]

    [[users]]
    id = "a0000000-0000-4000-8000-000000000001"
    name = "alicia"

    [[users]]
    id = "a0000000-0000-4000-8000-000000000002"
    name = "bob"
    enabled = false

    [[users]]
    id = "a0000000-0000-4000-8000-000000000003"
    name = "carol"

    [[users]]
    id = "a0000000-0000-4000-8000-000000000005"
    name = "ops"

    [[users]]
    id = "a0000000-0000-4000-8000-000000000006"
    name = 'o"hara'

    [[groups]]
    id = "b0000000-0000-4000-8000-000000000001"
    name = "data-engineers"
    members = ["alicia", "bob"]

    [[groups]]
    id = "b0000000-0000-4000-8000-000000000002"
    name = "data-analysts"
    members = ["carol"]

    [[groups]]
    id = "b0000000-0000-4000-8000-000000000003"
    name = "finance"
    members = ['o"hara']

    [[studios]]
    id = "es-ABCDEFGHIJKLMNOPQRSTUVWXY"
    name = "analytics"
    auth_mode = "SSO"
    user_limit = 100
    group_limit = 5

    [[studios.mappings]]
    user = "alicia"
    name = "alice"
    session_policy = "arn:aws:iam::111122223333:policy/studio-analyst"
    created = "2026-03-02T10:15:30Z"

    [[studios.mappings]]
    user_id = "a0000000-0000-4000-8000-000000000004"
    name = "dave"
    session_policy = "arn:aws:iam::111122223333:policy/studio-analyst"
    created = "2026-03-02T10:15:30Z"

    [[studios.mappings]]
    user = "ops"
    session_policy = "arn:aws:iam::111122223333:policy/studio-analyst"
    created = "2026-03-02T10:15:30Z"

    [[studios.mappings]]
    group = "finance"
    session_policy = "arn:aws:iam::111122223333:policy/somebody-elses"
    created = "2026-03-02T10:15:30Z"

    [[studios]]
    id = "es-0123456789ABCDEFGHIJKLMNO"
    name = "science"
    auth_mode = "SSO"
    user_limit = 100
    group_limit = 5
    "#);
}

#[tokio::test]
async fn without_events_a_full_pass_shows_what_a_changed_table_would_do() {
    let mut start = world();
    start.map(ANALYTICS, USER, "alice", ENGINEER).unwrap();
    start.map(ANALYTICS, USER, "dave", ANALYST).unwrap();
    let desk = Desk::new(start).await;
    // Another account and Region are the same embedded AWS.
    let elsewhere = table(|table| {
        table["studios"]["science"]["role_arn"] = json!("arn:aws:iam::222233334444:role/sync");
        table["studios"]["science"]["external_id"] = json!("b3a7");
        table["studios"]["science"]["region"] = json!("eu-west-1");
    });
    exported(&desk, &table(|_| ())).await;
    desk.write("policy.json", &elsewhere.to_string());
    let said = desk.run(&REHEARSAL).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @r#"
    full pass
      Scheduled Event -> look at everything: the scheduled full pass
      - analytics  dave                 analyst               (no rule wants it)
      + analytics  bob                  engineer              (rules[0], through data-engineers)
      + analytics  carol                analyst               (rules[1], through data-analysts)
      + science    data-engineers       analyst               (rules[2])
      + science    ops                  engineer              (rules[3])

    Who can open which Studio
    ┌───────────────────────────────────────────────────────────────────────────────────────┐
    │ Studio      Who                     Session policy   By                               │
    ╞═══════════════════════════════════════════════════════════════════════════════════════╡
    │ analytics   alice                   engineer         rules[0], through data-engineers │
    │ analytics   bob                     engineer         rules[0], through data-engineers │
    │ analytics   carol                   analyst          rules[1], through data-analysts  │
    │ science     ops                     engineer         rules[3]                         │
    │ science     group data-engineers:   analyst          rules[2]                         │
    │               alice                                                                   │
    │               bob                                                                     │
    └───────────────────────────────────────────────────────────────────────────────────────┘
    "#);
}

#[tokio::test]
async fn a_table_that_names_more_than_was_exported_is_not_played_in_silence() {
    let desk = Desk::new(world()).await;
    let export = desk.run(&["export"]).await;
    desk.write("now.toml", &export.out);
    let changed = table(|table| table["rules"][1]["group"] = json!("data-a*"));
    desk.write("policy.json", &changed.to_string());
    let simulate = [
        "simulate",
        "--table",
        "policy.json",
        "--directory",
        "now.toml",
    ];
    let said = desk.run(&simulate).await;
    assert_eq!(
        (said.code, said.err.as_str()),
        (
            1,
            "warning: rules[1]: the directory was exported without asking for members of group \
             \"data-a*\""
        )
    );
}

#[tokio::test]
async fn a_studio_that_can_have_no_mappings_is_exported_as_that() {
    let mut start = world();
    start.studios.get_mut(SCIENCE).unwrap().auth_mode = AuthMode::Iam;
    let desk = Desk::new(start).await;
    let text = exported(&desk, &table(|_| ())).await;
    let world = World::from_toml(&text).unwrap().world;
    assert_eq!(world.studios[SCIENCE].auth_mode, AuthMode::Iam);
}

#[tokio::test]
async fn a_studio_that_people_get_into_without_a_mapping_is_exported_as_that() {
    let mut start = world();
    let open = Some(UserAssignment::Optional);
    start.studios.get_mut(SCIENCE).unwrap().idc_user_assignment = open;
    let desk = Desk::new(start).await;
    let text = exported(&desk, &table(|_| ())).await;
    let world = World::from_toml(&text).unwrap().world;
    assert_eq!(world.studios[SCIENCE].idc_user_assignment, open);
    assert_eq!(world.studios[ANALYTICS].idc_user_assignment, None);
}

#[tokio::test]
async fn what_cannot_be_read_leaves_no_half_of_a_file() {
    let mut start = world();
    start.map(ANALYTICS, USER, "alice", ENGINEER).unwrap();
    let desk = Desk::new(start).await;
    desk.write("policy.json", &table(|_| ()).to_string());
    for call in [
        "ListStudioSessionMappings",
        "ListGroups",
        "GetGroupId",
        "GetUserId",
        "DescribeUser",
        "DescribeGroup",
        "ListGroupMemberships",
    ] {
        desk.emulator.world().faults.rules.clear();
        let fault = Fault::on(call, FaultKind::AccessDenied);
        desk.emulator.world().faults.add(fault);
        let said = desk.run(&["export", "--table", "policy.json"]).await;
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{call}");
        let told = format!("{call} failed: AccessDeniedException");
        assert!(said.err.contains(&told), "{}", said.err);
    }
}

#[tokio::test]
async fn hundreds_are_read_from_the_list() {
    let mut start = world();
    for number in 0..300 {
        let name = format!("person-{number:03}");
        start.add_user(&name).unwrap();
        start.add_member("data-engineers", &name).unwrap();
    }
    start.set_user_enabled("person-007", false).unwrap();
    let desk = Desk::new(start).await;
    let text = exported(&desk, &table(|_| ())).await;
    assert!(text.contains("name = \"person-007\"\nenabled = false\n"));
    assert_eq!(text.matches("\nname = \"person-").count(), 300);
    // Four pages, and the question whether there is such an identity store.
    let calls = desk.calls();
    let count = |operation: &str| calls.iter().filter(|call| *call == operation).count();
    assert_eq!(count("ListUsers"), 5);
    assert!(count("DescribeUser") < 200, "{}", count("DescribeUser"));
}

/// Eight users, four groups that rules see and one that none does.
#[derive(Clone, Debug)]
struct Case {
    memberships: Vec<(usize, usize)>,
    mapped: Vec<(bool, bool, usize, usize)>,
    gone: Vec<usize>,
    disabled: Vec<usize>,
    renamed: Vec<usize>,
    missing: bool,
    remove_disabled: bool,
}

const GROUPS: [&str; 5] = [
    "data-engineers",
    "data-analysts",
    "data-*",
    "finance",
    "unseen",
];

fn case() -> impl Strategy<Value = Case> {
    use proptest::collection::vec;
    let mapped = (
        any::<bool>(),
        prop::bool::weighted(0.2),
        0..8_usize,
        0..3_usize,
    );
    (
        vec((0..8_usize, 0..GROUPS.len()), 0..20),
        vec(mapped, 0..12),
        vec(0..8_usize, 0..3),
        vec(0..8_usize, 0..3),
        vec(0..8_usize, 0..3),
        prop::bool::weighted(0.2),
        any::<bool>(),
    )
        .prop_map(
            |(memberships, mapped, gone, disabled, renamed, missing, remove_disabled)| Case {
                memberships,
                mapped,
                gone,
                disabled,
                renamed,
                missing,
                remove_disabled,
            },
        )
}

impl Case {
    fn world(&self) -> World {
        let user = |number: &usize| format!("user-{number}");
        let mut world = World::default();
        for studio in [ANALYTICS, SCIENCE] {
            world.add_studio(studio).unwrap();
        }
        for number in 0..8 {
            world.add_user(&user(&number)).unwrap();
        }
        for name in GROUPS {
            world.add_group(name).unwrap();
        }
        fill(&mut world, &GROUPS, user, &self.memberships, &self.mapped);
        for number in &self.disabled {
            world.set_user_enabled(&user(number), false).unwrap();
        }
        for number in &self.renamed {
            let _ = world.rename_user(&user(number), &format!("former-{number}"));
        }
        for number in &self.gone {
            let _ = world.delete_user(&user(number));
        }
        if self.missing {
            world.delete_group("data-engineers").unwrap();
        }
        world
    }

    fn table(&self) -> Value {
        table(|table| {
            table["rules"][3]["user"] = json!("user-0");
            table["protect"] = json!([{ "user": "user-1" }, { "group": "finance" }]);
            // What is held is remembered by one process, and a rehearsal is another.
            table["deletions"] = json!({ "max_percent": 100, "floor": 100 });
            table["on_disabled_user"] = json!(if self.remove_disabled {
                "remove"
            } else {
                "keep"
            });
        })
    }
}

/// Changes, as far as they are the same wherever they are made.
fn changes(report: &Value) -> Vec<Value> {
    let mut changes = report["changes"].as_array().unwrap().clone();
    for change in &mut changes {
        let change = change.as_object_mut().unwrap();
        change.remove("identity_name");
        if change["outcome"] == "planned" {
            change["outcome"] = json!("done");
        }
    }
    changes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rehearsal_does_what_the_plan_says_and_ends_where_the_pass_does(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let table = case.table();
            let desk = Desk::new(case.world()).await;
            let text = exported(&desk, &table).await;
            let (was, is) = (desk.mappings(), World::from_toml(&text).unwrap().world);
            prop_assert_eq!(support::mappings(&is), was);

            let plan = desk.run(&["plan", "--table", "policy.json", "--output", "json"]).await;
            let plan: Value = serde_json::from_str(&plan.out).unwrap();
            let rehearsal = simulated(&desk).await;
            let report = &rehearsal["events"][0]["report"];
            prop_assert_eq!(changes(report), changes(&plan), "{}", text);
            prop_assert_eq!(&report["problems"], &plan["problems"]);
            prop_assert_eq!(&report["unchanged"], &plan["unchanged"]);

            // And who can open what after it is who can after the real one.
            desk.run(&["apply", "--yes", "--table", "policy.json"]).await;
            exported(&desk, &table).await;
            let after = simulated(&desk).await;
            prop_assert_eq!(&after["access"], &rehearsal["access"]);
            Ok(())
        })?;
    }
}
