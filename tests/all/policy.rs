//! The policy table and the environment it comes in: what a good one means,
//! and what a bad one is told. All its problems at once, each with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;

use emr_studio_sync::config::{Config, Mode};
use emr_studio_sync::error::Problem;
use emr_studio_sync::identity::{Id, Identity, IdentityType};
use emr_studio_sync::policy::fit::Directory;
use emr_studio_sync::policy::lint;
use emr_studio_sync::policy::read::{self, Format};
use emr_studio_sync::policy::source::Source;
use emr_studio_sync::policy::{
    Assign, Deletions, OnDisabledUser, OnMissingGroup, Ownership, Pace, Pattern, Selector, Table,
};
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};

const ANALYTICS: &str = "es-ABCDEFGHIJKLMNOPQRSTUVWXY";
const SCIENCE: &str = "es-0123456789ABCDEFGHIJKLMNO";
const ENGINEER: &str = "arn:aws:iam::111122223333:policy/studio-engineer";
const ANALYST: &str = "arn:aws:iam::111122223333:policy/studio-analyst";
const GROUP: &str = "906764c2ac-1b2c3d4e-2001-7002-8002-00000000b001";

/// A table with everything in it.
const EXAMPLE: &str = r#"{
  "studios": {
    "analytics": { "id": "es-ABCDEFGHIJKLMNOPQRSTUVWXY" },
    "science":   { "id": "es-0123456789ABCDEFGHIJKLMNO", "region": "eu-west-1",
                   "role_arn": "arn:aws:iam::222233334444:role/studio-sync", "external_id": "b3a7",
                   "limits": { "users": 100, "groups": 5 } }
  },
  "session_policies": {
    "engineer": "arn:aws:iam::111122223333:policy/studio-engineer",
    "analyst": "arn:aws:iam::111122223333:policy/studio-analyst"
  },
  "rules": [
    { "group": "data-engineers", "studio": "analytics", "session_policy": "engineer", "assign": "members" },
    { "group": "data-*",         "studio": "analytics", "session_policy": "analyst",  "assign": "members" },
    { "group_id": "906764c2ac-1b2c3d4e-2001-7002-8002-00000000b001",
                                 "studio": "science",   "session_policy": "analyst",  "assign": "group" },
    { "user": "ops@example.com", "studio": "science",   "session_policy": "engineer" }
  ],
  "protect": [ { "user": "break-glass@example.com" } ],
  "deletions": { "max_percent": 20, "floor": 5, "window_minutes": 60 },
  "pace": { "emr_per_second": 4, "emr_burst": 10, "identity_store_per_second": 15 },
  "on_missing_group": "hold",
  "on_disabled_user": "keep",
  "ownership": "session_policy"
}"#;

/// The same in TOML.
const EXAMPLE_TOML: &str = r#"
on_missing_group = "hold"
on_disabled_user = "keep"
ownership = "session_policy"
protect = [{ user = "break-glass@example.com" }]

[studios]
analytics = { id = "es-ABCDEFGHIJKLMNOPQRSTUVWXY" }

[studios.science]
id = "es-0123456789ABCDEFGHIJKLMNO"
region = "eu-west-1"
role_arn = "arn:aws:iam::222233334444:role/studio-sync"
external_id = "b3a7"
limits = { users = 100, groups = 5 }

[session_policies]
engineer = "arn:aws:iam::111122223333:policy/studio-engineer"
analyst = "arn:aws:iam::111122223333:policy/studio-analyst"

[[rules]]
group = "data-engineers"
studio = "analytics"
session_policy = "engineer"
assign = "members"

[[rules]]
group = "data-*"
studio = "analytics"
session_policy = "analyst"
assign = "members"

[[rules]]
group_id = "906764c2ac-1b2c3d4e-2001-7002-8002-00000000b001"
studio = "science"
session_policy = "analyst"
assign = "group"

[[rules]]
user = "ops@example.com"
studio = "science"
session_policy = "engineer"

[deletions]
max_percent = 20
floor = 5
window_minutes = 60

[pace]
emr_per_second = 4
emr_burst = 10
identity_store_per_second = 15
"#;

fn example() -> Value {
    serde_json::from_str(EXAMPLE).unwrap()
}

/// The example with something else at one place, which need not be there yet.
fn set(place: &str, value: impl Into<Value>) -> Value {
    let mut table = example();
    put(&mut table, place, value);
    table
}

fn put(table: &mut Value, place: &str, value: impl Into<Value>) {
    let (parent, name) = place.rsplit_once('/').unwrap();
    match table.pointer_mut(parent).expect(place) {
        Value::Object(fields) => {
            fields.insert(name.to_owned(), value.into());
        }
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.into(),
        other => panic!("nothing can be put into {other}"),
    }
}

/// The example without something.
fn cut(place: &str) -> Value {
    let mut table = example();
    let (parent, name) = place.rsplit_once('/').unwrap();
    let fields = table.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    fields.remove(name).expect(place);
    table
}

/// The example with another rule in place of its last.
fn rule(rule: Value) -> Value {
    set("/rules/3", rule)
}

fn parse(table: &Value) -> Result<Table, Vec<Problem>> {
    read::table(&table.to_string(), Format::Json)
}

fn good(table: &Value) -> Table {
    parse(table).unwrap_or_else(|problems| panic!("{}\n{table:#}", lines(problems)))
}

/// The problems of a table, one a line.
fn problems(table: &Value) -> String {
    lines(parse(table).expect_err("the table should have problems"))
}

fn lines<T: Display>(problems: impl IntoIterator<Item = T>) -> String {
    let lines: Vec<String> = problems.into_iter().map(|p| p.to_string()).collect();
    lines.join("\n")
}

/// An environment with nothing wrong in it.
fn environment() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("IDENTITY_STORE_ID", "d-1234567890".to_owned()),
        ("POLICY_TABLE", EXAMPLE.to_owned()),
    ])
}

fn config(environment: &BTreeMap<&'static str, String>) -> Result<Config, Vec<Problem>> {
    Config::from_env(|name| environment.get(name).cloned())
}

fn config_problems(environment: &BTreeMap<&'static str, String>) -> String {
    lines(config(environment).expect_err("the environment should have problems"))
}

// -------------------------------------------------------------- what a table says

#[test]
fn a_table_says_the_same_in_json_and_in_toml() {
    let json = read::table(EXAMPLE, Format::Json).unwrap();
    let toml = read::table(EXAMPLE_TOML, Format::Toml).unwrap();
    assert_eq!(json, toml);
    let json = read::table_and_document(EXAMPLE, Format::Json).unwrap().1;
    let toml = read::table_and_document(EXAMPLE_TOML, Format::Toml)
        .unwrap()
        .1;
    assert_eq!(json, toml);
}

#[test]
fn a_table_says_who_is_mapped_where_with_what() {
    let Table {
        studios,
        rules,
        protect,
        ..
    } = good(&example());

    let [analytics, science] = &studios[..] else {
        panic!("there are two Studios, not {studios:?}");
    };
    assert_eq!(
        (&*analytics.alias, &*analytics.id),
        ("analytics", ANALYTICS)
    );
    assert_eq!((&*science.alias, &*science.id), ("science", SCIENCE));
    assert_eq!(science.region.as_deref(), Some("eu-west-1"));
    let role = "arn:aws:iam::222233334444:role/studio-sync";
    assert_eq!(science.role_arn.as_deref(), Some(role));
    assert_eq!(science.external_id.as_deref(), Some("b3a7"));
    let both = BTreeSet::from([ENGINEER.to_owned(), ANALYST.to_owned()]);
    assert_eq!(analytics.session_policies, both);
    assert_eq!(science.session_policies, both);

    let said: Vec<_> = rules
        .iter()
        .map(|rule| {
            (
                &rule.select,
                rule.assign,
                rule.studio,
                &*rule.session_policy,
            )
        })
        .collect();
    let engineers = Selector::Group(Pattern::new("data-engineers"));
    let data = Selector::Group(Pattern::new("data-*"));
    let one_group = Selector::GroupId(Id::parse(GROUP).unwrap());
    let ops = Selector::User("ops@example.com".to_owned());
    assert_eq!(
        said[..3],
        [
            (&engineers, Assign::Members, 0, ENGINEER),
            (&data, Assign::Members, 0, ANALYST),
            (&one_group, Assign::Group, 1, ANALYST),
        ]
    );
    // What a user rule assigns is the user, whatever the field holds.
    assert_eq!((said[3].0, said[3].2, said[3].3), (&ops, 1, ENGINEER));
    assert_eq!(said.len(), 4);

    let break_glass = Selector::User("break-glass@example.com".to_owned());
    assert_eq!(protect.len(), 1);
    assert_eq!(
        (&protect[0].select, protect[0].assign),
        (&break_glass, None)
    );
}

#[test]
fn what_is_left_out_is_as_in_the_example() {
    let mut table = example();
    for name in [
        "deletions",
        "pace",
        "on_missing_group",
        "on_disabled_user",
        "ownership",
    ] {
        table.as_object_mut().unwrap().remove(name);
    }
    table["studios"]["science"]
        .as_object_mut()
        .unwrap()
        .remove("limits");
    let short = good(&table);
    assert_eq!(short, good(&example()));
    assert_eq!(
        short.deletions,
        Deletions {
            max_percent: 20,
            floor: 5,
            window_minutes: 60
        }
    );
    assert_eq!(
        short.pace,
        Pace {
            emr_per_second: 4.0,
            emr_burst: 10,
            identity_store_per_second: 15.0
        }
    );
    assert_eq!(short.on_missing_group, OnMissingGroup::Hold);
    assert_eq!(short.on_disabled_user, OnDisabledUser::Keep);
    assert_eq!(short.ownership, Ownership::SessionPolicy);
    for studio in &short.studios {
        assert_eq!(studio.limit(IdentityType::User), 100);
        assert_eq!(studio.limit(IdentityType::Group), 5);
    }
    assert_eq!(good(&cut("/protect")).protect, []);
}

#[test]
fn of_a_section_the_rest_is_as_in_the_example() {
    let table = good(&set("/deletions", json!({ "floor": 2 })));
    let expected = Deletions {
        floor: 2,
        ..Deletions::default()
    };
    assert_eq!(table.deletions, expected);
    let table = good(&set("/pace", json!({ "emr_per_second": 0.5 })));
    let expected = Pace {
        emr_per_second: 0.5,
        ..Pace::default()
    };
    assert_eq!(table.pace, expected);
    let table = good(&set("/studios/science/limits", json!({ "groups": 3 })));
    assert_eq!(table.studios[1].limit(IdentityType::Group), 3);
    assert_eq!(table.studios[1].limit(IdentityType::User), 100);
}

#[test]
fn a_rule_may_name_a_studio_by_id_and_a_session_policy_by_arn() {
    let other = "arn:aws:iam::111122223333:policy/other";
    let table = good(&rule(json!({
        "user": "ops@example.com", "studio": SCIENCE, "session_policy": other,
    })));
    assert_eq!(table.rules[3].studio, 1, "that is the Studio of the alias");
    assert_eq!(table.rules[3].session_policy, other);
    assert!(table.owns(1, other));
    assert!(!table.owns(0, other), "no rule gives it there");

    let id = "es-ZYXWVUTSRQPONMLKJIHGFEDCB";
    let table = good(&rule(json!({
        "user": "ops@example.com", "studio": id, "session_policy": "analyst",
    })));
    assert_eq!(table.rules[3].studio, 2);
    assert_eq!((&*table.studios[2].alias, &*table.studios[2].id), (id, id));
    assert_eq!(table.studios[2].limit(IdentityType::User), 100);
}

#[test]
fn a_retired_policy_is_the_tables_and_others_are_not() {
    let retired = "arn:aws:iam::111122223333:policy/of-old";
    let table = set("/studios/analytics/retired_policies", json!([retired]));
    assert!(good(&table).owns(0, retired));
    assert!(!good(&table).owns(1, retired));
    assert!(!good(&example()).owns(0, retired));
    assert!(good(&set("/ownership", "studio")).owns(0, retired));
}

#[test]
fn a_studio_is_found_by_its_alias_and_by_its_id() {
    let table = good(&example());
    for (name, studio) in [
        ("analytics", 0),
        (ANALYTICS, 0),
        ("science", 1),
        (SCIENCE, 1),
    ] {
        assert_eq!(table.studio_called(name), Ok(studio), "{name}");
    }
    assert_snapshot!(
        table.studio_called("analytic").unwrap_err(),
        @r#"no studio is called "analytic"; studios are analytics, science; did you mean "analytics"?"#
    );
}

#[test]
fn every_selector_is_looked_up_once_whatever_names_it() {
    let mut table = example();
    put(&mut table, "/rules/1/group", "data-engineers");
    put(
        &mut table,
        "/protect",
        json!([{ "group": "seniors" }, { "user": "ops@example.com" }]),
    );
    let group = |name: &str| Selector::Group(Pattern::new(name));
    let expected = [
        group("data-engineers"),
        Selector::GroupId(Id::parse(GROUP).unwrap()),
        Selector::User("ops@example.com".to_owned()),
        group("seniors"),
    ];
    let table = good(&table);
    assert_eq!(table.selectors(), expected.iter().collect());
}

/// A selector, and what is known of it before anybody is asked.
#[test]
fn a_selector_goes_by_a_name_or_by_an_id_and_names_one_or_any_number() {
    let user = Id::parse("0a1b2c3d-1001-7001-8001-00000000a001").unwrap();
    for (selector, kind, is_name, one_group) in [
        (
            json!({ "group": "seniors" }),
            IdentityType::Group,
            true,
            true,
        ),
        (
            json!({ "group": "senior-*" }),
            IdentityType::Group,
            true,
            false,
        ),
        (
            json!({ "group_id": GROUP }),
            IdentityType::Group,
            false,
            true,
        ),
        (json!({ "user": "ops" }), IdentityType::User, true, false),
        (json!({ "user_id": user }), IdentityType::User, false, false),
    ] {
        let entry = &good(&set("/protect", json!([selector]))).protect[0];
        let select = &entry.select;
        assert_eq!(select.kind(), kind, "{selector}");
        assert_eq!(
            (select.is_name(), select.id().is_none()),
            (is_name, is_name)
        );
        assert_eq!(select.names_one_group(), one_group, "{selector}");
    }
}

/// Whom an entry of `protect` means is asked of the directory, but where the entry
/// itself tells.
#[test]
fn who_is_protected_by_id_is_known_without_the_directory_but_for_members() {
    let user = "0a1b2c3d-1001-7001-8001-00000000a001";
    for (entry, needs) in [
        (json!({ "user_id": user }), false),
        (json!({ "user": "ops" }), true),
        (json!({ "group": "seniors" }), true),
        (json!({ "group": "seniors", "assign": "group" }), true),
        (json!({ "group_id": GROUP }), true),
        (json!({ "group_id": GROUP, "assign": "members" }), true),
        (json!({ "group_id": GROUP, "assign": "group" }), false),
    ] {
        let table = good(&set("/protect", json!([entry])));
        assert_eq!(table.protect[0].needs_directory(), needs, "{entry}");
    }
}

/// The name a mapping was made under protects it, when its owner is gone.
#[test]
fn a_name_is_protected_in_any_case_and_for_its_own_kind() {
    use IdentityType::{Group, User};
    for (entry, kind, name, is_protected) in [
        (json!({ "user": "Break-Glass" }), User, "break-GLASS", true),
        (
            json!({ "user": "Break-Glass" }),
            User,
            "break-glass-2",
            false,
        ),
        (
            json!({ "user": "Break-Glass" }),
            Group,
            "Break-Glass",
            false,
        ),
        (
            json!({ "group": "Senior-*" }),
            Group,
            "senior-ENGINEERS",
            true,
        ),
        (json!({ "group": "Senior-*" }), Group, "juniors", false),
        (
            json!({ "group": "Senior-*" }),
            User,
            "Senior-Engineers",
            false,
        ),
        (
            json!({ "group": "seniors", "assign": "group" }),
            Group,
            "seniors",
            true,
        ),
        // Its members are, and it is not.
        (
            json!({ "group": "seniors", "assign": "members" }),
            Group,
            "seniors",
            false,
        ),
        (json!({ "group_id": GROUP }), Group, GROUP, false),
    ] {
        let table = good(&set("/protect", json!([entry])));
        let id = Id::parse("00000000-0000-4000-8000-000000000000").unwrap();
        let somebody = Identity { kind, id };
        let protects = table.protects(&somebody, Some(name), &Directory::default());
        assert_eq!(protects, is_protected, "{entry} and {kind} {name}");
    }
}

#[test]
fn a_lookup_finds_a_whole_name_in_any_case_and_a_pattern_minds_it() {
    for (pattern, name, is_borne) in [
        ("Seniors", "seniors", true),
        ("seniors", "SENIORS", true),
        ("seniors", "senior", false),
        ("senior-*", "senior-engineers", true),
        ("senior-*", "Senior-engineers", false),
    ] {
        let pattern = Pattern::new(pattern);
        assert_eq!(pattern.is_borne_by(name), is_borne, "{pattern:?} {name}");
    }
}

#[test]
fn the_table_of_the_samples_is_a_good_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/policy.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let table = read::table(&text, Format::Toml).unwrap();
    assert_eq!(table.studios.len(), 2);
    assert_eq!(table.rules.len(), 4);
    assert_eq!(table.protect.len(), 1);
}

// -------------------------------------------------------------- what is wrong with it

#[test]
fn all_problems_are_told_at_once() {
    let table = json!({
        "studios": {
            "analytics": { "id": "es-lowercase", "regoin": "eu-west-1", "limits": { "user": 5 } },
            "copy": { "id": SCIENCE, "retired_policies": ["enginer"] },
            "empty": { "id": "" },
            "none": {},
            "science": {
                "id": SCIENCE, "region": "Ireland", "role_arn": ENGINEER,
                "limits": { "users": -1 },
            },
            "text": "es-ABCDEFGHIJKLMNOPQRSTUVWXY",
            "unused": { "id": ANALYTICS, "external_id": "b3a7" },
        },
        "session_policies": {
            "analyst": "studio-analyst",
            "blank": "",
            "engineer": ENGINEER,
            "number": 7,
        },
        "rules": [
            { "group": "data-*", "studio": "analitics", "session_policy": "engineer" },
            { "group": "a", "user": "b", "studio": "science", "session_policy": "nope",
              "assign": "group" },
            { "user": "ops*", "studio": "science", "session_policy": "engineer",
              "assign": "members" },
            { "group_id": "data-engineers", "studio": "science", "session_policy": "engineer",
              "assign": "everybody" },
            { "grup": "a", "stuido": "science", "sesion_policy": "engineer", "asign": "group" },
            { "group": 7, "studio": 7, "session_policy": 7, "assign": "members" },
            "data-engineers",
            { "group": "", "studio": "", "session_policy": "", "assign": "group" },
            {},
        ],
        "protect": [
            { "user": "a", "assign": "group" },
            {},
            7,
            { "group": "a", "studio": "science" },
        ],
        "deletion": { "floor": 5 },
        "pace": { "emr_per_second": 0, "emr_burst": 0, "identity_store_per_second": -1.5 },
        "on_missing_group": "delete",
        "on_disabled_user": true,
        "ownership": "Studio",
        "comment": "who wrote this?",
    });
    assert_snapshot!(problems(&table), @r#"
        studios.analytics.limits.user: there is no such field; did you mean "users"?
        studios.analytics.regoin: there is no such field; did you mean "region"?
        studios.none.id: is missing
        studios.science.limits.users: expected a whole number from 0 up, found -1
        studios.text: expected a Studio, with its id in it, found a text
        session_policies.number: expected the ARN of a session policy, found 7
        rules[3].assign: expected "group" or "members", found the text "everybody"
        rules[4].asign: there is no such field; did you mean "assign"?
        rules[4].grup: there is no such field; did you mean "group"?
        rules[4].sesion_policy: there is no such field; did you mean "session_policy"?
        rules[4].stuido: there is no such field; did you mean "studio"?
        rules[5].group: expected the name of a group, found 7
        rules[5].studio: expected the alias or the id of a Studio, found 7
        rules[5].session_policy: expected the alias or the ARN of a session policy, found 7
        rules[6]: expected a rule, found a text
        rules[8].studio: is missing
        rules[8].session_policy: is missing
        protect[2]: expected a user or a group, found 7
        protect[3].studio: there is no such field; known are group, group_id, user, user_id, assign
        pace.emr_per_second: expected a number above 0, found 0
        pace.emr_burst: expected a whole number from 1 up, found 0
        pace.identity_store_per_second: expected a number above 0, found -1.5
        on_missing_group: expected "hold" or "revoke", found the text "delete"
        on_disabled_user: expected "keep" or "remove", found true
        ownership: expected "session_policy" or "studio", found the text "Studio"; did you mean "studio"?
        comment: there is no such field; known are studios, session_policies, rules, protect, deletions, pace, on_missing_group, on_disabled_user, ownership
        deletion: there is no such field; did you mean "deletions"?
        studios.analytics.id: "es-lowercase" is not the id of a Studio; one looks like es-ABCDEFGHIJKLMNOPQRSTUVWXY
        studios.copy.retired_policies[0]: no session policy is called "enginer"; session_policies are analyst, blank, engineer, number; did you mean "engineer"?
        studios.empty.id: "" is not the id of a Studio; one looks like es-ABCDEFGHIJKLMNOPQRSTUVWXY
        studios.science.id: es-0123456789ABCDEFGHIJKLMNO is called "copy" already; keep one of the two
        studios.science.role_arn: "arn:aws:iam::111122223333:policy/studio-engineer" is not the ARN of a role
        studios.science.region: "Ireland" is not a Region
        studios.unused.external_id: is only used with a role_arn
        session_policies.analyst: "studio-analyst" is not the ARN of an IAM policy; one looks like arn:aws:iam::111122223333:policy/name
        session_policies.blank: "" is not the ARN of an IAM policy; one looks like arn:aws:iam::111122223333:policy/name
        rules[0].studio: no studio is called "analitics"; studios are analytics, copy, empty, none, science, text, unused; did you mean "analytics"?
        rules[0].assign: a group rule needs it: "group" maps the group itself, "members" maps each member as a user
        rules[1]: selects by group and user; keep one
        rules[1].session_policy: no session policy is called "nope"; session_policies are analyst, blank, engineer, number
        rules[2].user: user names are exact, only group names take "*"; use user_id if the name really has one
        rules[2].assign: only group rules take it; leave it out
        rules[3].group_id: "data-engineers" is not an id; one looks like 0a1b2c3d-1001-7001-8001-00000000a001
        rules[7].group: is empty
        rules[7].studio: no studio is called ""; studios are analytics, copy, empty, none, science, text, unused
        rules[7].session_policy: no session policy is called ""; session_policies are analyst, blank, engineer, number
        rules[8]: says nobody: give one of group, group_id, user, user_id
        protect[0].assign: only a group takes it; leave it out
        protect[1]: says nobody: give one of group, group_id, user, user_id
        "#);
}

#[test]
fn a_studio_that_is_not_there_is_told_with_those_that_are() {
    let table = set("/rules/2/studio", "nope");
    let expected = "rules[2].studio: no studio is called \"nope\"; studios are analytics, science";
    assert_eq!(problems(&table), expected);
    assert_snapshot!(problems(&set("/rules/2/studio", "sciense")), @r#"rules[2].studio: no studio is called "sciense"; studios are analytics, science; did you mean "science"?"#);
    assert_snapshot!(problems(&set("/rules/2/studio", "")), @r#"rules[2].studio: no studio is called ""; studios are analytics, science"#);
}

#[test]
fn a_session_policy_that_is_not_there_is_told_with_those_that_are() {
    assert_snapshot!(problems(&set("/rules/0/session_policy", "nope")), @r#"rules[0].session_policy: no session policy is called "nope"; session_policies are analyst, engineer"#);
    assert_snapshot!(problems(&set("/rules/0/session_policy", "engineers")), @r#"rules[0].session_policy: no session policy is called "engineers"; session_policies are analyst, engineer; did you mean "engineer"?"#);
    assert_snapshot!(
        problems(&set("/rules/0/session_policy", "arn:aws:iam::111122223333:role/engineer")),
        @r#"rules[0].session_policy: no session policy is called "arn:aws:iam::111122223333:role/engineer"; session_policies are analyst, engineer"#
    );
}

#[test]
fn an_unknown_field_is_told_with_the_one_that_was_meant() {
    assert_snapshot!(problems(&set("/protects", json!([]))), @r#"protects: there is no such field; did you mean "protect"?"#);
    assert_snapshot!(problems(&set("/rules/0/assing", "members")), @r#"rules[0].assing: there is no such field; did you mean "assign"?"#);
    assert_snapshot!(problems(&set("/rules/0/comment", "why")), @r#"rules[0].comment: there is no such field; known are group, group_id, user, user_id, studio, session_policy, assign"#);
    assert_snapshot!(problems(&set("/studios/science/limits/user", 7)), @r#"studios.science.limits.user: there is no such field; did you mean "users"?"#);
}

#[test]
fn a_misspelt_field_is_told_once() {
    let misspelt = |name: &str, other: &str| {
        let mut table = cut(&format!("/rules/0/{name}"));
        let value = example()["rules"][0][name].clone();
        put(&mut table, &format!("/rules/0/{other}"), value);
        problems(&table)
    };
    for (name, other) in [
        ("group", "grop"),
        ("studio", "studoi"),
        ("session_policy", "session_polcy"),
        ("assign", "asign"),
    ] {
        assert_eq!(
            misspelt(name, other),
            format!("rules[0].{other}: there is no such field; did you mean {name:?}?")
        );
    }
}

#[test]
fn a_field_of_the_wrong_kind_is_told_once() {
    for name in ["group", "studio", "session_policy", "assign"] {
        let problems = problems(&set(&format!("/rules/0/{name}"), 7));
        assert_eq!(problems.lines().count(), 1, "{problems}");
        assert!(
            problems.starts_with(&format!("rules[0].{name}: ")),
            "{problems}"
        );
    }
    assert_snapshot!(problems(&set("/rules/0", 7)), @r#"rules[0]: expected a rule, found 7"#);
    assert_snapshot!(problems(&set("/protect/0", 7)), @r#"protect[0]: expected a user or a group, found 7"#);
    assert_snapshot!(problems(&set("/studios/unused", 7)), @r#"studios.unused: expected a Studio, with its id in it, found 7"#);
    assert_snapshot!(problems(&set("/session_policies/engineer", 7)), @r#"session_policies.engineer: expected the ARN of a session policy, found 7"#);
    assert_snapshot!(problems(&set("/rules/0/studio", Value::Null)), @r#"rules[0].studio: expected the alias or the id of a Studio, found nothing (null)"#);
}

#[test]
fn what_kind_of_value_a_field_takes_is_said_in_the_words_of_the_table() {
    for (place, value, told) in [
        (
            "/studios",
            json!([]),
            "studios: expected Studios under names of your own, found a list",
        ),
        (
            "/session_policies",
            json!("x"),
            "session_policies: expected ARNs under names of your own, found a text",
        ),
        (
            "/rules",
            json!({ "group": "a" }),
            "rules: expected a list of rules, found a single one; in TOML each begins with [[rules]]",
        ),
        (
            "/rules",
            json!(7),
            "rules: expected a list of rules, found 7",
        ),
        (
            "/protect",
            json!({ "user": "a" }),
            "protect: expected a list of users and groups, found a single one; in TOML each \
             begins with [[protect]]",
        ),
        (
            "/rules/0/assign",
            json!("membrs"),
            "rules[0].assign: expected \"group\" or \"members\", found the text \"membrs\"; did you mean \"members\"?",
        ),
        (
            "/protect/0/assign",
            json!(true),
            "protect[0].assign: expected \"group\" or \"members\", found true",
        ),
        (
            "/rules/0/group",
            json!(["a"]),
            "rules[0].group: expected the name of a group, found a list",
        ),
        (
            "/studios/science/region",
            json!(7),
            "studios.science.region: expected a Region, found 7",
        ),
        (
            "/studios/science/role_arn",
            json!({}),
            "studios.science.role_arn: expected the ARN of a role, found an object",
        ),
        (
            "/studios/science/external_id",
            json!(7),
            "studios.science.external_id: expected a text in quotes, found 7",
        ),
        (
            "/studios/science/limits",
            json!(7),
            "studios.science.limits: expected how many users and groups it takes, found 7",
        ),
        (
            "/studios/science/limits/users",
            json!(1.5),
            "studios.science.limits.users: expected a whole number from 0 up, found 1.5",
        ),
        (
            "/studios/science/limits/groups",
            json!(4_294_967_296_u64),
            "studios.science.limits.groups: expected a whole number from 0 to 4294967295, found 4294967296",
        ),
        (
            "/studios/science/retired_policies",
            json!("a"),
            "studios.science.retired_policies: expected a list, each the alias or the ARN of a session policy, found a text",
        ),
        (
            "/studios/science/retired_policies",
            json!(["engineer", 7]),
            "studios.science.retired_policies[1]: expected the alias or the ARN of a session policy, found 7",
        ),
        (
            "/deletions",
            json!(20),
            "deletions: expected the settings of the deletion guard, found 20",
        ),
        (
            "/deletions/max_percent",
            json!("20"),
            "deletions.max_percent: expected a whole number from 0 to 100, found the text \"20\"",
        ),
        (
            "/deletions/window_minutes",
            json!(0),
            "deletions.window_minutes: expected a whole number from 1 up, found 0",
        ),
        (
            "/pace",
            json!(false),
            "pace: expected rates of calls, found false",
        ),
        (
            "/pace/emr_per_second",
            json!("fast"),
            "pace.emr_per_second: expected a number above 0, found the text \"fast\"",
        ),
    ] {
        assert_eq!(problems(&set(place, value)), told, "{place}");
    }
}

#[test]
fn what_only_toml_can_say_is_told_as_it_was_written() {
    let day = "1979-05-27";
    for (place, value, told) in [
        (
            "pace.emr_per_second",
            day,
            "a number above 0, found the date 1979-05-27",
        ),
        ("pace.emr_per_second", "inf", "a number above 0, found inf"),
        ("pace.emr_per_second", "nan", "a number above 0, found NaN"),
        (
            "pace.emr_burst",
            "07:32:00",
            "a whole number from 1 up, found the time 07:32:00",
        ),
        (
            "pace",
            "2026-11-26 08:30:00Z",
            "rates of calls, found the date 2026-11-26T08:30:00Z",
        ),
        (
            "deletions",
            "inf",
            "the settings of the deletion guard, found inf",
        ),
        (
            "protect",
            day,
            "a list of users and groups, found the date 1979-05-27",
        ),
        (
            "ownership",
            day,
            "\"session_policy\" or \"studio\", found the date 1979-05-27",
        ),
    ] {
        let text =
            format!("{place} = {value}\nstudios = {{}}\nsession_policies = {{}}\nrules = []\n");
        let problems = lines(read::table(&text, Format::Toml).unwrap_err());
        assert_eq!(problems, format!("{place}: expected {told}"));
    }
    let text = "studios = 1979-05-27\nrules = [07:32:00]\n[session_policies]\na = -inf\n";
    assert_snapshot!(lines(read::table(text, Format::Toml).unwrap_err()), @r#"
        studios: expected Studios under names of your own, found the date 1979-05-27
        session_policies.a: expected the ARN of a session policy, found -inf
        rules[0]: expected a rule, found the time 07:32:00
        "#);
}

#[test]
fn a_rule_without_a_selector_is_told_even_if_more_is_wrong_with_it() {
    let table = rule(json!({ "studio": 7, "session_policy": "nope" }));
    assert_snapshot!(problems(&table), @r#"
        rules[3].studio: expected the alias or the id of a Studio, found 7
        rules[3]: says nobody: give one of group, group_id, user, user_id
        rules[3].session_policy: no session policy is called "nope"; session_policies are analyst, engineer
        "#);
}

#[test]
fn what_is_missing_is_told() {
    assert_snapshot!(problems(&json!({})), @r#"
        studios: is missing; it has the Studios, under names of your own
        session_policies: is missing; it has the ARNs of the session policies, under names of your own
        rules: is missing; it says who is mapped, each rule with [[rules]] in TOML
        "#);
    assert_snapshot!(problems(&cut("/studios/science/id")), @r#"studios.science.id: is missing"#);
    assert_snapshot!(problems(&cut("/rules/0/assign")), @r#"rules[0].assign: a group rule needs it: "group" maps the group itself, "members" maps each member as a user"#);
    assert_snapshot!(problems(&cut("/rules/0/group")), @r#"rules[0]: says nobody: give one of group, group_id, user, user_id"#);
}

#[test]
fn what_is_empty_is_told() {
    assert_snapshot!(problems(&set("/studios/science/id", "")), @r#"studios.science.id: "" is not the id of a Studio; one looks like es-ABCDEFGHIJKLMNOPQRSTUVWXY"#);
    assert_snapshot!(problems(&set("/session_policies/engineer", "")), @r#"session_policies.engineer: "" is not the ARN of an IAM policy; one looks like arn:aws:iam::111122223333:policy/name"#);
    assert_snapshot!(problems(&set("/rules/0/group", "")), @r#"rules[0].group: is empty"#);
}

#[test]
fn a_table_that_is_none_is_told() {
    for (text, expected) in [
        ("[]", "expected a policy table, found a list"),
        ("null", "expected a policy table, found nothing (null)"),
    ] {
        let problems = read::table(text, Format::Json).unwrap_err();
        assert!(
            problems.contains(&Problem::new("", expected)),
            "{problems:?}"
        );
    }
}

#[test]
fn a_syntax_error_is_told_with_its_line_and_column() {
    let json = EXAMPLE.replace("\"data-*\", ", "\"data-*\"  ");
    let problems = read::table(&json, Format::Json).unwrap_err();
    assert_snapshot!(lines(problems), @r#"not JSON: expected `,` or `}` at line 14 column 34"#);
    assert_snapshot!(lines(read::table("", Format::Json).unwrap_err()), @r#"not JSON: EOF while parsing a value at line 1 column 0"#);

    let toml = EXAMPLE_TOML.replace("group = \"data-*\"", "group = \"größe\" \"data-*\"");
    let problems = read::table(&toml, Format::Toml).unwrap_err();
    assert_snapshot!(lines(problems), @r#"not TOML: unexpected key or value, expected newline, `#` at line 28 column 17"#);
    let toml = EXAMPLE_TOML.replace('\n', "\r");
    let problems = read::table(&toml, Format::Toml).unwrap_err();
    assert_snapshot!(lines(problems), @"not TOML: its lines end with a carriage return alone: save it with line feeds");
}

/// What a file of this name with these bytes is read as.
fn file(name: &str, bytes: &[u8]) -> Result<Table, Vec<Problem>> {
    let source = Source::of(name, bytes).map_err(|problem| vec![problem])?;
    source.read().map(|(table, _)| table)
}

#[test]
fn a_byte_order_mark_and_other_ends_of_lines_make_no_difference() {
    let table = good(&example());
    for (name, text) in [("a.json", EXAMPLE), ("b.TOML", EXAMPLE_TOML)] {
        let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        assert_eq!(
            file(name, windows.as_bytes()).as_ref(),
            Ok(&table),
            "{name}"
        );
    }
    // A pipe has no name to tell by.
    for text in [EXAMPLE, EXAMPLE_TOML] {
        assert_eq!(file("-", text.as_bytes()).as_ref(), Ok(&table));
    }
}

#[test]
fn what_is_no_text_is_told_with_what_makes_it_one() {
    let wide = |mark: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        let text = format!("{mark}{EXAMPLE_TOML}");
        text.encode_utf16().flat_map(bytes).collect()
    };
    for bytes in [
        wide("\u{feff}", u16::to_le_bytes),
        wide("\u{feff}", u16::to_be_bytes),
        wide("", u16::to_le_bytes),
        wide("", u16::to_be_bytes),
    ] {
        let told = lines(file("policy.toml", &bytes).unwrap_err());
        assert!(told.starts_with("is UTF-16: save it as UTF-8"), "{told}");
    }
    let wider = |mark: &str, bytes: fn(u32) -> [u8; 4]| -> Vec<u8> {
        let text = format!("{mark}{EXAMPLE_TOML}");
        text.chars().flat_map(|c| bytes(u32::from(c))).collect()
    };
    for bytes in [
        wider("\u{feff}", u32::to_le_bytes),
        wider("\u{feff}", u32::to_be_bytes),
        wider("", u32::to_le_bytes),
        wider("", u32::to_be_bytes),
    ] {
        let told = lines(file("policy.toml", &bytes).unwrap_err());
        assert_eq!(told, "is UTF-32: save it as UTF-8");
    }
    for (text, place) in [
        (format!("a\0{EXAMPLE_TOML}"), "line 1 column 2"),
        (
            format!("# \u{fc}\n\u{fc}\0\0{EXAMPLE_TOML}"),
            "line 2 column 2",
        ),
        ("{}\0".to_owned(), "line 1 column 3"),
    ] {
        assert_eq!(
            lines(file("policy.toml", text.as_bytes()).unwrap_err()),
            format!(
                "has a zero byte at {place}, as no text has: is it damaged, or something else?"
            )
        );
    }
    let latin1 = b"# gr\xfc\xdfe\n";
    assert_snapshot!(lines(file("policy.toml", latin1).unwrap_err()), @"is not UTF-8: save it so; the first byte that is not stands at line 1 column 5");
    assert_snapshot!(lines(file("policy.yml", b"a: 1").unwrap_err()), @"is neither a .json nor a .toml file, and a table is no other");
}

#[test]
fn a_table_in_another_language_than_its_name_says_is_told_so() {
    let yaml = "# ours\n\nstudios:\n  analytics:\n    id: es-A\n";
    let list = "---\n- group: a\n";
    for (name, text, told) in [
        (
            "a.toml",
            yaml,
            "this is YAML, and not TOML; a table is JSON or TOML",
        ),
        (
            "a.json",
            yaml,
            "this is YAML, and not JSON; a table is JSON or TOML",
        ),
        ("a.toml", list, "this is YAML, and not TOML"),
        (
            "a.toml",
            EXAMPLE,
            "this is JSON, and not TOML; give the file a name that ends with .json",
        ),
        (
            "a.json",
            EXAMPLE_TOML,
            "this is TOML, and not JSON; give the file a name that ends with .toml",
        ),
        (
            "a.json",
            "[[rules]]\ngroup = 1",
            "this is TOML, and not JSON",
        ),
        // What could be anything is what its name says.
        ("a.toml", "studios", "not TOML: "),
        ("a.toml", "rules = [", "not TOML: "),
        ("a.json", "{ studios: {} }", "not JSON: "),
        ("a.json", "[1, ", "not JSON: "),
        ("a.json", "", "not JSON: "),
    ] {
        let problems = file(name, text.as_bytes()).unwrap_err();
        assert!(
            problems[0].message.starts_with(told),
            "{text}: {problems:?}"
        );
        assert_eq!((problems.len(), problems[0].place.as_str()), (1, ""));
    }
}

#[test]
fn a_key_that_stands_twice_is_told_with_its_line() {
    let json = EXAMPLE.replace("\"science\":  ", "\"analytics\":");
    assert_snapshot!(lines(read::table(&json, Format::Json).unwrap_err()), @r#"not JSON: "analytics" stands here twice at line 4 column 15"#);
    let toml = EXAMPLE_TOML.replace("analyst = \"arn", "engineer = \"arn");
    assert_snapshot!(lines(read::table(&toml, Format::Toml).unwrap_err()), @r#"not TOML: duplicate key at line 19 column 1"#);
}

#[test]
fn a_number_that_is_none_is_no_rate() {
    for rate in ["nan", "inf", "-inf", "0.0", "-1"] {
        let toml = EXAMPLE_TOML.replace("emr_per_second = 4", &format!("emr_per_second = {rate}"));
        let problems = lines(read::table(&toml, Format::Toml).unwrap_err());
        assert!(problems.starts_with("pace.emr_per_second: "), "{problems}");
    }
}

#[test]
fn what_is_nested_deeply_is_refused() {
    for text in ["[", "{\"a\":"] {
        let problems = read::table(&text.repeat(100_000), Format::Json).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.starts_with("not JSON: "));
    }
}

/// As far as the table alone tells.
#[test]
fn a_table_warns_of_what_is_hardly_meant_and_of_nothing_else() {
    let rule = |select: &str, name: &str, assign: Option<&str>| {
        let mut rule = json!({ "studio": "analytics", "session_policy": "engineer" });
        rule[select] = json!(name);
        if let Some(assign) = assign {
            rule["assign"] = json!(assign);
        }
        rule
    };
    let members = |name| rule("group", name, Some("members"));
    let itself = |name| rule("group", name, Some("group"));
    let user = |name| rule("user", name, None);
    let place = "studios.analytics";
    for (users, rules, warning) in [
        (1, vec![members("a"), members("b"), itself("c-*")], None),
        (1, vec![itself("a"), user("a")], None),
        (
            1,
            vec![itself("a"), itself("b")],
            Some("the rules map 2 groups to it, and it takes 1"),
        ),
        (
            1,
            vec![user("a"), user("b")],
            Some("the rules map 2 users to it, and it takes 1"),
        ),
        (0, vec![itself("a")], None),
        (
            0,
            vec![itself("b"), members("a")],
            Some("rules[1] maps members to it, and it takes no users"),
        ),
    ] {
        let limits = json!({ "users": users, "groups": 1 });
        let mut table = set("/rules", rules);
        put(
            &mut table,
            "/studios",
            json!({ "analytics": { "id": ANALYTICS, "limits": limits } }),
        );
        let expected = warning.map(|warning| format!("{place}: {warning}"));
        assert_eq!(lines(good(&table).warnings()), expected.unwrap_or_default());
    }
}

/// What is warned of in a table, one a line.
fn warned(table: &Value) -> String {
    let read = read::table_and_document(&table.to_string(), Format::Json);
    let (table, document) = read.unwrap_or_else(|problems| panic!("{}", lines(problems)));
    lines(lint::warnings(&table, &document))
}

/// The example, all in one account, with something else in the place of one value.
fn plain(place: &str, value: impl Into<Value>) -> Value {
    let mut table = example();
    put(&mut table, "/studios/science", json!({ "id": SCIENCE }));
    assert_eq!(warned(&table), "");
    put(&mut table, place, value.into());
    table
}

#[test]
fn a_name_that_looks_like_another_is_warned_of_and_not_repeated() {
    for (place, name, told) in [
        (
            "/rules/0/group",
            " data-engineers",
            "rules[0].group: begins with white space: to AWS that is another name",
        ),
        (
            "/rules/3/user",
            "ops\n",
            "rules[3].user: ends with white space: to AWS that is another name",
        ),
        (
            "/rules/1/group",
            "data\u{200b}-*",
            "rules[1].group: has U+200B in it, which nobody sees: to AWS that is another name",
        ),
        (
            "/protect/0/user",
            "break\u{a0}glass",
            "protect[0].user: has U+00A0 in it, which nobody sees: to AWS that is another name",
        ),
        (
            "/rules/1/group",
            "team \u{202e}gro",
            "rules[1].group: has U+202E in it, which nobody sees: to AWS that is another name",
        ),
        ("/rules/1/group", "größe und more", ""),
    ] {
        assert_eq!(warned(&plain(place, name)), told);
    }
    let mut table = plain("/rules/1/group", "Data-Engineers");
    assert_eq!(
        warned(&table),
        "rules[1].group: rules[0].group has the same name in another case, and AWS does not say \
         whether that is the same group: write both as the directory does"
    );
    // A user of that name is somebody else.
    put(
        &mut table,
        "/rules/1",
        json!({ "user": "Data-Engineers", "studio": "analytics", "session_policy": "engineer" }),
    );
    assert_eq!(warned(&table), "");
    let user = example()["rules"][3]["user"]
        .as_str()
        .unwrap()
        .to_uppercase();
    assert!(
        warned(&plain("/protect/0/user", user.as_str()))
            .starts_with("protect[0].user: rules[3].user has")
    );
}

#[test]
fn a_rule_for_everybody_is_warned_of() {
    assert_eq!(
        warned(&plain("/rules/1/group", "*")),
        "rules[1].group: fits every group there is and will be, whoever makes it"
    );
    assert!(
        warned(&plain("/protect/0", json!({ "group": "*" })))
            .starts_with("protect[0].group: fits every group there is, so that of hardly anybody")
    );
}

#[test]
fn an_alias_that_misleads_is_warned_of() {
    let called = |list: &str, alias: &str, value: Value| {
        let mut table = example();
        put(&mut table, "/studios/science", json!({ "id": SCIENCE }));
        table[list][alias] = value;
        let rule = json!({ "user": "x", "studio": ANALYTICS, "session_policy": "engineer" });
        table["rules"].as_array_mut().unwrap().push(rule);
        if list == "studios" {
            table["rules"][4]["studio"] = json!(alias);
        } else {
            table["rules"][4]["session_policy"] = json!(alias);
        }
        warned(&table)
    };
    let third = json!({ "id": "es-THIRD" });
    assert_eq!(called("studios", "third", third.clone()), "");
    assert_eq!(called("studios", "es-THIRD", third.clone()), "");
    for (alias, told) in [
        ("", "studios.: this alias is empty: give it a name"),
        (
            "es-FOURTH",
            "studios.es-FOURTH: this alias looks like the id of another Studio: whoever writes that in a rule means this one",
        ),
        (
            "Science",
            "studios.science: another alias differs from this one in case only: one is misread for the other",
        ),
        (
            "third ",
            "studios.third\\u{20}: this alias ends with white space: a rule has to write it so",
        ),
    ] {
        assert_eq!(called("studios", alias, third.clone()), told);
    }
    let policy = json!("arn:aws:iam::111122223333:policy/third");
    assert_eq!(called("session_policies", "third", policy.clone()), "");
    for (alias, told) in [
        ("", "session_policies.: this alias is empty: give it a name"),
        (
            ENGINEER,
            "session_policies.arn:aws:iam::111122223333:policy/studio-engineer: this alias looks like the ARN of another session policy: whoever writes that in a rule means this one",
        ),
    ] {
        assert_eq!(called("session_policies", alias, policy.clone()), told);
    }
}

#[test]
fn a_session_policy_that_cannot_serve_is_warned_of() {
    let arn = |name: &str| format!("arn:aws:iam::111122223333:policy/{name}");
    for (name, told) in [
        ("path/to/a+=,.@_-Z9", ""),
        (
            "studio engineer",
            "session_policies.engineer: IAM takes no U+0020 in this name: letters, digits and any of +=,.@_- it takes",
        ),
        (
            "studio-*",
            "session_policies.engineer: IAM takes no '*' in this name: letters, digits and any of +=,.@_- it takes",
        ),
        (
            "größe",
            "session_policies.engineer: IAM takes no U+00F6 in this name: letters, digits and any of +=,.@_- it takes",
        ),
        (
            "path/",
            "session_policies.engineer: there is no name after the last slash",
        ),
    ] {
        assert_eq!(
            warned(&plain("/session_policies/engineer", arn(name))),
            told
        );
    }
    let table = plain("/rules/0/session_policy", arn("a b"));
    assert!(warned(&table).starts_with("rules[0].session_policy: IAM takes no U+0020"));
    let role = json!({ "id": SCIENCE, "role_arn": "arn:aws:iam::111122223333:role/a b" });
    assert!(
        warned(&plain("/studios/science", role))
            .starts_with("studios.science.role_arn: IAM takes no")
    );

    let table = plain("/session_policies/third", arn("third"));
    let told = "session_policies.third: no rule gives it, and no Studio has it among its \
                retired_policies: a mapping with it is not the table's by that";
    assert_eq!(warned(&table), told);
    let mut table = table;
    put(
        &mut table,
        "/studios/science/retired_policies",
        json!(["third"]),
    );
    assert_eq!(warned(&table), "");

    // Of another account than its Studio, told once for each Studio.
    let role = json!({ "id": SCIENCE, "role_arn": "arn:aws:iam::222233334444:role/sync" });
    let mut table = plain("/studios/science", role);
    assert_eq!(
        warned(&table),
        "rules[2].session_policy: is a session policy of account 111122223333, and the Studio is \
         in 222233334444: it has to be one of the Studio's account"
    );
    for index in [2, 3] {
        let policy = "arn:aws:iam::aws:policy/ReadOnlyAccess";
        put(
            &mut table,
            &format!("/rules/{index}/session_policy"),
            policy,
        );
    }
    assert_eq!(warned(&table), "");
}

#[test]
fn what_follows_for_a_studio_without_rules_is_told() {
    let mut table = plain(
        "/rules",
        json!([example()["rules"][0], example()["rules"][1]]),
    );
    assert_eq!(
        warned(&table),
        "studios.science: no rule is about it, so no mapping there is the table's: none is made, \
         changed or deleted, and what rules once gave stays, unless retired_policies names its \
         session policy"
    );
    let mut retired = table.clone();
    let place = "/studios/science/retired_policies";
    put(&mut retired, place, json!(["analyst"]));
    assert_eq!(
        warned(&retired),
        "studios.science: no rule is about it, so all its mappings with a session policy of \
         retired_policies will be deleted, but for what `protect` keeps"
    );
    put(&mut table, "/ownership", "studio");
    assert_eq!(
        warned(&table),
        "studios.science: no rule is about it, so all its mappings will be deleted, but for what \
         `protect` keeps: with ownership = \"studio\" they are the table's"
    );
    let empty = json!({ "studios": {}, "session_policies": {}, "rules": [] });
    assert_eq!(
        warned(&empty),
        "studios: there are none, so nothing is looked at and nobody is mapped"
    );
}

#[test]
fn an_arn_is_one_of_iam_or_it_is_told() {
    let told = |place: &str, arn: &str| parse(&set(place, arn)).is_err();
    for (arn, is_policy) in [
        ("arn:aws:iam::111122223333:policy/engineer", true),
        (
            "arn:aws-us-gov:iam::111122223333:policy/path/engineer",
            true,
        ),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", true),
        ("urn:aws:iam::111122223333:policy/engineer", false),
        ("arn:cloud:iam::111122223333:policy/engineer", false),
        ("arn:aws2:iam::111122223333:policy/engineer", false),
        ("arn:aws:sts::111122223333:policy/engineer", false),
        ("arn:aws:iam:us-east-1:111122223333:policy/engineer", false),
        ("arn:aws:iam::1111222233334:policy/engineer", false),
        ("arn:aws:iam::11112222333x:policy/engineer", false),
        ("arn:aws:iam::amazon:policy/engineer", false),
        ("arn:aws:iam::111122223333:role/engineer", false),
        ("arn:aws:iam::111122223333:policy/", false),
        ("arn:aws:iam::111122223333", false),
    ] {
        let is_told = told("/session_policies/engineer", arn);
        assert_eq!(is_told, !is_policy, "{arn}");
    }
    for (arn, is_role) in [
        ("arn:aws:iam::222233334444:role/sync", true),
        ("arn:aws:iam::aws:role/sync", false),
        ("arn:aws:iam::222233334444:policy/sync", false),
    ] {
        assert_eq!(told("/studios/science/role_arn", arn), !is_role, "{arn}");
    }
}

#[test]
fn a_region_has_the_form_of_one_or_it_is_told() {
    for (region, is_one) in [
        ("eu-west-1", true),
        ("us-gov-west-1", true),
        ("ap-southeast-12", true),
        ("eu-1", false),
        ("eu-west", false),
        ("eu-west-", false),
        ("eu-west-x", false),
        ("eu-West-1", false),
        ("eu--1", false),
        ("-west-1", false),
        ("e1-west-1", false),
        ("eu-west-1a", false),
    ] {
        let is_told = parse(&set("/studios/science/region", region)).is_err();
        assert_eq!(is_told, !is_one, "{region}");
    }
}

#[test]
fn all_may_be_deleted_and_no_more_than_all() {
    let percent = |percent: u32| parse(&set("/deletions/max_percent", percent));
    assert_eq!(percent(100).unwrap().deletions.max_percent, 100);
    assert_snapshot!(
        lines(percent(101).unwrap_err()),
        @"deletions.max_percent: expected a whole number from 0 to 100, found 101"
    );
}

/// A name is taken for a misspelling that a quarter of its letters, and at least
/// one, would mend. Nobody writes two hundred letters by hand.
#[test]
fn a_likely_misspelling_is_told_with_what_was_meant() {
    let long = |length: usize, last: &str| "a".repeat(length - 1) + last;
    for (known, written, is_meant) in [
        ("abc", "ab", true),
        ("abc", "abcd", true),
        ("abc", "ba", false),
        ("abcdefgh", "abcdef", true),
        ("abcdefgh", "abcde", false),
        (&long(200, "b"), &long(200, "c"), true),
        (&long(201, "b"), &long(201, "c"), false),
    ] {
        let mut table = set("/rules/0/studio", written);
        put(
            &mut table,
            "/studios",
            json!({ known: { "id": ANALYTICS }, SCIENCE: { "id": SCIENCE } }),
        );
        let told = problems(&table);
        let meant = told.contains(&format!("did you mean {known:?}?"));
        assert_eq!(meant, is_meant, "{told}");
    }
}

#[test]
fn an_entry_that_selects_by_two_is_told_once() {
    for entry in [
        json!({ "group": "seniors", "user": "ops", "assign": "group" }),
        json!({ "group_id": GROUP, "user": "ops", "assign": "group" }),
    ] {
        let told = problems(&set("/protect", json!([entry])));
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

// --------------------------------------------------------------------- environment

#[test]
fn an_environment_needs_a_store_and_a_table() {
    let Config {
        identity_store_id,
        identity_store_region,
        table,
        mode,
        log_names,
        access_events,
        log_group,
    } = config(&environment()).unwrap();
    assert_eq!(identity_store_id, "d-1234567890");
    assert_eq!(identity_store_region, None);
    assert_eq!(table, good(&example()));
    assert_eq!(
        mode,
        Mode::Plan,
        "nothing is written unless it is asked for"
    );
    assert!(!log_names && !access_events);
    assert_eq!(log_group, None);
    assert_snapshot!(config_problems(&BTreeMap::new()), @r#"
        IDENTITY_STORE_ID: is missing; `aws sso-admin list-instances` shows it (d-…)
        POLICY_TABLE: is missing; give the table as JSON, or the path of a .json or .toml file
        "#);
}

#[test]
fn what_is_blank_is_missing() {
    let mut variables = environment();
    for name in [
        "IDENTITY_STORE_REGION",
        "MODE",
        "LOG_NAMES",
        "ACCESS_EVENTS",
        "LAMBDA_TASK_ROOT",
    ] {
        variables.insert(name, " \n".to_owned());
    }
    assert!(config(&variables).is_ok());
    for name in ["IDENTITY_STORE_ID", "POLICY_TABLE"] {
        variables.insert(name, "  ".to_owned());
    }
    assert_eq!(
        config_problems(&variables),
        config_problems(&BTreeMap::new())
    );
}

#[test]
fn every_variable_is_read() {
    let mut variables = environment();
    variables.insert("IDENTITY_STORE_REGION", "us-gov-west-1".to_owned());
    variables.insert("MODE", "apply".to_owned());
    variables.insert("LOG_NAMES", "true".to_owned());
    variables.insert("ACCESS_EVENTS", "true".to_owned());
    let config = config(&variables).unwrap();
    assert_eq!(
        config.identity_store_region.as_deref(),
        Some("us-gov-west-1")
    );
    assert_eq!(config.mode, Mode::Apply);
    assert!(config.log_names);
    assert!(config.access_events);
}

#[test]
fn all_problems_of_the_environment_are_told_with_those_of_the_table() {
    let table = set("/rules/2/studio", "nope");
    let variables = BTreeMap::from([
        ("IDENTITY_STORE_ID", "ssoins-1234567890abcdef".to_owned()),
        ("IDENTITY_STORE_REGION", "Ireland".to_owned()),
        ("MODE", "dry-run".to_owned()),
        ("LOG_NAMES", "yes".to_owned()),
        ("POLICY_TABLE", table.to_string()),
    ]);
    assert_snapshot!(config_problems(&variables), @r#"
        IDENTITY_STORE_ID: "ssoins-1234567890abcdef" is not an identity store: give its d-… id, its UUID or its ARN
        IDENTITY_STORE_REGION: "Ireland" is not a Region
        MODE: "dry-run" is no mode; modes are plan, apply
        LOG_NAMES: "yes" is neither true nor false
        rules[2].studio: no studio is called "nope"; studios are analytics, science
        "#);
}

#[test]
fn one_wrong_variable_is_enough_to_stop_the_start() {
    for (name, value) in [
        ("IDENTITY_STORE_ID", "d-123"),
        ("IDENTITY_STORE_REGION", "europe"),
        ("MODE", "Apply"),
        ("LOG_NAMES", "1"),
        ("POLICY_TABLE", "{"),
    ] {
        let mut variables = environment();
        variables.insert(name, value.to_owned());
        let problems = config(&variables).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].place, name);
    }
}

#[test]
fn the_store_may_be_given_as_an_id_a_uuid_or_an_arn() {
    let uuid = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
    for (given, expected) in [
        ("d-1234567890", "d-1234567890"),
        (" d-90676abcde\n", "d-90676abcde"),
        (uuid, uuid),
        (
            "arn:aws:identitystore::111122223333:identitystore/d-1234567890",
            "d-1234567890",
        ),
        (
            "arn:aws:identitystore::111122223333:identitystore/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
            uuid,
        ),
    ] {
        let mut variables = environment();
        variables.insert("IDENTITY_STORE_ID", given.to_owned());
        assert_eq!(config(&variables).unwrap().identity_store_id, expected);
    }
    for given in [
        "d-",
        "d-12345",
        "d-123456789g",
        "1234567890",
        "906764c2ac-aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
        "arn:aws:sso:::instance/ssoins-1234567890abcdef",
    ] {
        let mut variables = environment();
        variables.insert("IDENTITY_STORE_ID", given.to_owned());
        assert!(config(&variables).is_err(), "{given}");
    }
}

#[test]
fn a_table_may_be_in_a_file_of_the_package_or_anywhere() {
    let package = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::create_dir(package.path().join("config")).unwrap();
    std::fs::write(package.path().join("table.json"), EXAMPLE).unwrap();
    std::fs::write(package.path().join("config/table.toml"), EXAMPLE_TOML).unwrap();
    std::fs::write(elsewhere.path().join("table.json"), EXAMPLE).unwrap();
    let windows = format!("\u{feff}{}", EXAMPLE_TOML.replace('\n', "\r\n"));
    std::fs::write(package.path().join("WINDOWS.TOML"), windows).unwrap();
    let absolute = elsewhere.path().join("table.json");
    for path in [
        "table.json",
        "config/table.toml",
        " table.json\n",
        "WINDOWS.TOML",
        absolute.to_str().unwrap(),
    ] {
        let mut variables = environment();
        variables.insert("POLICY_TABLE", path.to_owned());
        let root = package.path().to_str().unwrap();
        variables.insert("LAMBDA_TASK_ROOT", root.to_owned());
        let config = config(&variables).unwrap_or_else(|problems| panic!("{}", lines(problems)));
        assert_eq!(config.table, good(&example()), "{path}");
    }
    // Without a package, the absolute one still is where it is.
    let mut variables = environment();
    variables.insert("POLICY_TABLE", absolute.to_str().unwrap().to_owned());
    assert!(config(&variables).is_ok());
}

#[test]
fn a_table_that_cannot_be_found_or_read_is_told() {
    let package = tempfile::tempdir().unwrap();
    let root = package.path().to_str().unwrap();
    std::fs::write(package.path().join("wrong.toml"), "studios = 1\nrules").unwrap();
    std::fs::write(package.path().join("table.yaml"), EXAMPLE).unwrap();
    std::fs::write(package.path().join("latin1.json"), [b'{', 0xe9, b'}']).unwrap();
    std::fs::write(package.path().join("empty.json"), "{}").unwrap();
    std::fs::write(package.path().join("yaml.toml"), "studios:\n  a: 1\n").unwrap();
    let problems_of = |given: &str| {
        let mut variables = environment();
        variables.insert("POLICY_TABLE", given.to_owned());
        variables.insert("LAMBDA_TASK_ROOT", root.to_owned());
        config_problems(&variables).replace(root, "[package]")
    };
    assert_snapshot!(problems_of("missing.json"), @r#"POLICY_TABLE: [package]/missing.json cannot be read: No such file or directory (os error 2)"#);
    assert_snapshot!(problems_of("wrong.toml"), @r#"POLICY_TABLE: not TOML: key with no value, expected `=` at line 2 column 6"#);
    assert_snapshot!(problems_of("latin1.json"), @r#"POLICY_TABLE: [package]/latin1.json is not UTF-8: save it so; the first byte that is not stands at line 1 column 2"#);
    assert_snapshot!(problems_of("empty.json"), @r#"
        studios: is missing; it has the Studios, under names of your own
        session_policies: is missing; it has the ARNs of the session policies, under names of your own
        rules: is missing; it says who is mapped, each rule with [[rules]] in TOML
        "#);
    assert_snapshot!(problems_of("yaml.toml"), @"POLICY_TABLE: this is YAML, and not TOML; a table is JSON or TOML: `yq -o json FILE > policy.json` makes JSON of it");
    assert_snapshot!(problems_of("table.yaml"), @r#"POLICY_TABLE: "table.yaml" is neither a JSON object nor the path of a .json or .toml file"#);
    assert_snapshot!(problems_of("[{ \"studios\": \"are written here, and at some length\" }]"), @r#"POLICY_TABLE: "[{ \"studios\": \"are written here, and at " is neither a JSON object nor the path of a .json or .toml file"#);
    assert_snapshot!(problems_of("{ \"studios\": }"), @r#"POLICY_TABLE: not JSON: expected value at line 1 column 14"#);
}

// -------------------------------------------------------------------------- schema

#[cfg(feature = "cli")]
mod schema {
    use super::*;

    const USER: &str = "0a1b2c3d-1001-7001-8001-00000000a001";

    fn schema() -> Value {
        serde_json::from_str(&emr_studio_sync::cli::policy_table_schema()).unwrap()
    }

    #[test]
    fn the_published_schema_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy-table.schema.json");
        let published = std::fs::read_to_string(path).unwrap_or_default();
        // Not assert_eq!, which would print both.
        assert!(
            published == emr_studio_sync::cli::policy_table_schema(),
            "make it anew: cargo run --features cli -- schema > docs/policy-table.schema.json"
        );
    }

    #[test]
    fn the_schema_is_one() {
        let schema = schema();
        assert!(jsonschema::meta::is_valid(&schema));
        assert_eq!(schema["title"], "emr-studio-sync policy table");
    }

    #[test]
    fn what_the_parser_takes_is_valid_by_the_schema() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let toml: toml::Table = toml::from_str(EXAMPLE_TOML).unwrap();
        for table in [
            example(),
            serde_json::to_value(toml).unwrap(),
            json!({ "studios": {}, "session_policies": {}, "rules": [] }),
            cut("/protect"),
            cut("/deletions"),
            cut("/pace"),
            cut("/ownership"),
            set("/deletions", json!({})),
            set("/deletions/max_percent", 0),
            set("/deletions/max_percent", 100),
            set("/deletions/floor", 0),
            set("/deletions/window_minutes", 1),
            set("/pace", json!({})),
            set("/pace/emr_per_second", 0.1),
            set("/pace/emr_burst", 1),
            set("/on_missing_group", "revoke"),
            set("/on_disabled_user", "remove"),
            set("/ownership", "studio"),
            set("/protect", json!([])),
            set("/protect/0", json!({ "group": "data-*" })),
            set(
                "/protect/0",
                json!({ "group": "data-*", "assign": "members" }),
            ),
            set(
                "/protect/0",
                json!({ "group_id": GROUP, "assign": "group" }),
            ),
            set("/protect/0", json!({ "user_id": USER })),
            set("/studios/science/limits", json!({})),
            set(
                "/studios/science/limits",
                json!({ "users": 0, "groups": 0 }),
            ),
            set(
                "/studios/science/retired_policies",
                json!([ENGINEER, "analyst"]),
            ),
            set(
                "/session_policies/cn",
                "arn:aws-cn:iam::111122223333:policy/a",
            ),
            set(
                "/session_policies/gov",
                "arn:aws-us-gov:iam::111122223333:policy/a/b",
            ),
            set(
                "/session_policies/aws",
                "arn:aws:iam::aws:policy/ReadOnlyAccess",
            ),
            set("/rules", json!([])),
            rule(json!({ "user_id": USER, "studio": ANALYTICS, "session_policy": ENGINEER })),
            rule(json!({
                "group_id": GROUP.to_uppercase(), "studio": SCIENCE, "session_policy": "analyst",
                "assign": "members",
            })),
            rule(json!({
                "group": "*", "studio": "science", "session_policy": "analyst",
                "assign": "group",
            })),
        ] {
            good(&table);
            if let Err(error) = validator.validate(&table) {
                panic!("{}: {error}\n{table:#}", error.instance_path());
            }
        }
    }

    #[test]
    fn what_is_not_built_like_a_table_is_refused_by_schema_and_parser() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let science = |fields: Value| {
            let mut rule = json!({ "studio": "science", "session_policy": "analyst" });
            rule.as_object_mut()
                .unwrap()
                .extend(fields.as_object().unwrap().clone());
            super::rule(rule)
        };
        let mut tables = vec![
            // Not a table at all.
            json!([]),
            json!({}),
            json!("table.json"),
            json!(null),
            // Unknown fields.
            set("/comment", "why"),
            set("/studios/science/name", "Science"),
            set("/studios/science/limits/user", 7),
            set("/rules/0/name", "engineers"),
            set("/protect/0/studio", "science"),
            set("/deletions/percent", 7),
            set("/pace/emr", 7),
            // Missing ones.
            cut("/studios"),
            cut("/session_policies"),
            cut("/rules"),
            cut("/studios/analytics/id"),
            cut("/rules/0/studio"),
            cut("/rules/0/session_policy"),
            // Not exactly one selector.
            science(json!({})),
            science(json!({ "assign": "group" })),
            science(json!({ "group": "a", "group_id": GROUP, "assign": "group" })),
            science(json!({ "group": "a", "user": "b", "assign": "group" })),
            science(json!({ "group": "a", "user": "b" })),
            science(json!({ "user": "a", "user_id": USER })),
            set("/protect/0", json!({})),
            set("/protect/0", json!({ "assign": "group" })),
            set("/protect/0", json!({ "user": "a", "group": "b" })),
            set("/protect/0", json!({ "user": "a", "user_id": USER })),
            // What is assigned.
            science(json!({ "group": "a" })),
            science(json!({ "group_id": GROUP })),
            science(json!({ "user": "a", "assign": "members" })),
            science(json!({ "user_id": USER, "assign": "group" })),
            set("/protect/0/assign", "group"),
            // Wrong types.
            set("/studios", json!([])),
            set("/studios/science", SCIENCE),
            set("/studios/science/id", 7),
            set("/studios/science/limits", 7),
            set("/studios/science/limits/users", "100"),
            set("/studios/science/limits/users", -1),
            set("/studios/science/limits/groups", 1.5),
            set("/studios/science/retired_policies", "engineer"),
            set("/studios/science/retired_policies", json!([7])),
            set("/session_policies", json!([ENGINEER])),
            set("/session_policies/engineer", json!({ "arn": ENGINEER })),
            set("/rules", json!({})),
            set("/rules/0", "data-engineers"),
            set("/rules/0/group", json!(["data-engineers"])),
            set("/rules/0/studio", json!(["analytics"])),
            set("/rules/0/assign", true),
            set("/protect", json!({ "user": "a" })),
            set("/protect/0", "a"),
            set("/deletions", 5),
            set("/deletions/floor", "5"),
            set("/deletions/floor", -5),
            set("/pace", 4),
            set("/pace/emr_per_second", "4"),
            set("/pace/emr_burst", 2.5),
            set("/ownership", true),
            // Words that are none of the known.
            set("/rules/0/assign", "member"),
            set("/rules/0/assign", "Group"),
            set("/on_missing_group", "keep"),
            set("/on_disabled_user", "hold"),
            set("/ownership", "policy"),
            // Numbers that make no sense.
            set("/deletions/max_percent", 101),
            set("/deletions/max_percent", -1),
            set("/deletions/max_percent", 20.5),
            set("/deletions/window_minutes", 0),
            set("/pace/emr_per_second", 0),
            set("/pace/emr_per_second", 0.0),
            set("/pace/emr_per_second", -4),
            set("/pace/identity_store_per_second", 0),
            set("/pace/emr_burst", 0),
        ];
        for id in [
            "",
            "es-",
            "es-abcdefghijklmnopqrstuvwxy",
            "ES-ABCDEFGHIJKLMNOPQRSTUVWXY",
            "es_ABCDEFGHIJKLMNOPQRSTUVWXY",
            "analytics",
        ] {
            tables.push(set("/studios/analytics/id", id));
        }
        for arn in [
            "",
            "engineer",
            "arn:aws:iam::111122223333:role/engineer",
            "arn:aws:iam::111122223333:policy/",
            "arn:aws:iam:us-east-1:111122223333:policy/engineer",
            "arn:aws:iam::1111:policy/engineer",
            "arn:aws:s3:::policy/engineer",
            "arn:azure:iam::111122223333:policy/engineer",
            " arn:aws:iam::111122223333:policy/engineer",
        ] {
            tables.push(set("/session_policies/engineer", arn));
        }
        for arn in [
            "",
            "studio-sync",
            ENGINEER,
            "arn:aws:iam::aws:role/studio-sync",
        ] {
            tables.push(set("/studios/science/role_arn", arn));
        }
        // What is left out is left out: null says nothing.
        for place in [
            "/studios/science/region",
            "/studios/science/role_arn",
            "/studios/science/external_id",
            "/studios/science/limits",
            "/studios/science/limits/users",
            "/studios/science/retired_policies",
            "/rules/0/group_id",
            "/rules/0/assign",
            "/rules/0/user",
            "/rules/3/assign",
            "/rules/3/user_id",
            "/protect",
            "/protect/0/assign",
            "/protect/0/group",
            "/deletions",
            "/deletions/floor",
            "/pace",
            "/pace/emr_burst",
            "/on_missing_group",
            "/on_disabled_user",
            "/ownership",
        ] {
            tables.push(set(place, Value::Null));
        }
        for table in tables {
            let by_schema = !validator.is_valid(&table);
            let by_parser = parse(&table).is_err();
            assert!(
                by_schema && by_parser,
                "refused by the schema: {by_schema}, by the parser: {by_parser}\n{table:#}"
            );
        }
    }
}

// ------------------------------------------------------------------------ patterns

/// What a pattern means, said as simply as possible.
fn naive(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('*', rest)) => naive(rest, name) || (!name.is_empty() && naive(pattern, &name[1..])),
        Some((c, rest)) => name.first() == Some(c) && naive(rest, &name[1..]),
    }
}

#[test]
fn of_many_names_some_are_told_and_how_many_more_there_are() {
    let mut table = example();
    for n in 0..100 {
        let id = format!("es-{n:025}");
        put(
            &mut table,
            &format!("/studios/extra{n:02}"),
            json!({ "id": id }),
        );
    }
    put(&mut table, "/rules/3/studio", "sciense");
    let problems = parse(&table).unwrap_err();
    let [problem] = &problems[..] else {
        panic!("{problems:?}")
    };
    let message = &problem.message;
    assert!(
        message.contains("extra28 and 72 more; did you mean \"science\"?"),
        "{message}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_pattern_matches_as_the_naive_matcher_does(
        pattern in "[ab*é]{0,8}",
        name in "[abé]{0,10}",
    ) {
        let chars = |text: &str| text.chars().collect::<Vec<char>>();
        prop_assert_eq!(
            Pattern::new(pattern.clone()).matches(&name),
            naive(&chars(&pattern), &chars(&name)),
            "{} and {}", pattern, name
        );
    }

    #[test]
    fn a_pattern_matches_what_it_was_made_from(
        parts in prop::collection::vec("[ab.?é -]{0,3}", 1..5),
        runs in prop::collection::vec(".{0,4}", 4),
    ) {
        let name: String = parts.iter().zip(runs.iter().chain([&String::new()]))
            .enumerate()
            .map(|(i, (part, run))| match i + 1 < parts.len() {
                true => format!("{part}{run}"),
                false => part.clone(),
            })
            .collect();
        prop_assert!(Pattern::new(parts.join("*")).matches(&name), "{:?} and {name:?}", parts);
    }

    #[test]
    fn a_name_without_a_star_matches_itself_only(name in "[^*]{0,12}", other in "[^*]{0,12}") {
        let pattern = Pattern::new(name.clone());
        prop_assert_eq!(pattern.exact(), Some(name.as_str()));
        prop_assert!(pattern.matches(&name));
        prop_assert_eq!(pattern.matches(&other), name == other);
    }

    #[test]
    fn arbitrary_text_is_no_table_and_no_panic(text in ".{0,200}") {
        prop_assert!(read::table(&text, Format::Json).is_err());
        prop_assert!(read::table(&text, Format::Toml).is_err());
    }
}
