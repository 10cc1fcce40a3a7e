//! `check`: a table's problems, drawn where they are.

use crate::support;

use std::process::Command;

use emr_studio_sync::emulator::{AuthMode, Fault, FaultKind, IdentityType, World};
use emr_studio_sync::policy::read::{self, Format};
use support::desk::{Desk, Said};
use support::{ANALYTICS, ENGINEER, FOREIGN, SCIENCE, world};

const GOOD: &str = r#"
[studios]
analytics = { id = "es-ABCDEFGHIJKLMNOPQRSTUVWXY" }

[session_policies]
engineer = "arn:aws:iam::111122223333:policy/studio-engineer"

[[rules]]
group = "data-*"
studio = "analytics"
session_policy = "engineer"
assign = "members"
"#;

/// Checks a table; whether it passed, and what was said on both channels.
fn check(name: &str, text: &(impl AsRef<[u8]> + ?Sized)) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_emr-studio-sync"))
        .args(["check", name])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let lines = String::from_utf8(said).unwrap();
    let lines: Vec<&str> = lines.lines().map(str::trim_end).collect();
    (output.status.success(), lines.join("\n"))
}

#[test]
fn a_good_table_is_said_to_be_good() {
    let (passed, said) = check("policy.toml", GOOD);
    assert!(passed);
    insta::assert_snapshot!(said, @"policy.toml is a usable policy table: 1 Studio, 1 rule");
}

#[test]
fn a_misspelt_alias_in_toml_is_pointed_at_by_line_and_column() {
    let (passed, said) = check(
        "policy.toml",
        &GOOD.replace("= \"analytics\"", "= \"analytcs\""),
    );
    assert!(!passed);
    insta::assert_snapshot!(said, @r#"
    error: rules[0].studio: no studio is called "analytcs"; studios are analytics; did you mean "analytics"?
      --> policy.toml:10:10
       |
    10 | studio = "analytcs"
       |          ^^^^^^^^^^

    error: policy.toml is not a usable policy table: 1 problem
    "#);
}

#[test]
fn a_field_that_should_not_be_there_is_pointed_at_by_its_name() {
    let table = GOOD
        .replace("group =", "user =")
        .replace("\"data-*\"", "\"alice\"")
        .replace("session_policy =", "sesion_policy =")
        .replace("WXY\" }", "WXY\", external_id = \"x\" }");
    let (passed, said) = check("policy.toml", &table);
    assert!(!passed);
    insta::assert_snapshot!(said, @r#"
    error: rules[0].sesion_policy: there is no such field; did you mean "session_policy"?
      --> policy.toml:11:1
       |
    11 | sesion_policy = "engineer"
       | ^^^^^^^^^^^^^

    error: studios.analytics.external_id: is only used with a role_arn
     --> policy.toml:3:52
      |
    3 | analytics = { id = "es-ABCDEFGHIJKLMNOPQRSTUVWXY", external_id = "x" }
      |                                                    ^^^^^^^^^^^

    error: rules[0].assign: only group rules take it; leave it out
      --> policy.toml:12:1
       |
    12 | assign = "members"
       | ^^^^^^

    error: policy.toml is not a usable policy table: 3 problems
    "#);
}

#[test]
fn a_wrong_value_is_pointed_at_wherever_it_stands() {
    let table = r#"
deletions.max_percent = 200

[studios.analytics]
id = "es-abc"
retired_policies = ["none"]

[session_policies]
engineer = 7

[[rules]]
group = ["data-*"]
studio = """
analytics
"""
session_policy = "engineer"
assign = "members"
"#;
    let (passed, said) = check("policy.toml", table);
    assert!(!passed);
    insta::assert_snapshot!(said, @r#"
    error: session_policies.engineer: expected the ARN of a session policy, found 7
     --> policy.toml:9:12
      |
    9 | engineer = 7
      |            ^

    error: rules[0].group: expected the name of a group, found a list
      --> policy.toml:12:1
       |
    12 | group = ["data-*"]
       | ^^^^^^^^^^^^^^^^^^

    error: deletions.max_percent: expected a whole number from 0 to 100, found 200
     --> policy.toml:2:25
      |
    2 | deletions.max_percent = 200
      |                         ^^^

    error: studios.analytics.id: "es-abc" is not the id of a Studio; one looks like es-ABCDEFGHIJKLMNOPQRSTUVWXY
     --> policy.toml:5:6
      |
    5 | id = "es-abc"
      |      ^^^^^^^^

    error: studios.analytics.retired_policies[0]: no session policy is called "none"; session_policies are engineer
     --> policy.toml:6:21
      |
    6 | retired_policies = ["none"]
      |                     ^^^^^^

    error: rules[0].studio: no studio is called "analytics\u{a}"; studios are analytics; did you mean "analytics"?
      --> policy.toml:13:10
       |
    13 | studio = """
       |          ^^^

    error: policy.toml is not a usable policy table: 6 problems
    "#);

    let table = r#"{
  "studios": { "analytics": { "id": "es-abc" } },
  "session_policies": {},
  "rules": [ { "group": "x", "studio": "analitics", "session_policy": "arn:aws:iam::aws:policy/p", "assign": 3 } ]
}"#;
    let (passed, said) = check("policy.json", table);
    assert!(!passed);
    insta::assert_snapshot!(said, @r#"
    error: rules[0].assign: expected "group" or "members", found 3
     --> policy.json:4:110
      |
    4 |   "rules": [ { "group": "x", "studio": "analitics", "session_policy": "arn:aws:iam::aws:policy/p", "assign": 3 } ]
      |                                                                                                              ^

    error: studios.analytics.id: "es-abc" is not the id of a Studio; one looks like es-ABCDEFGHIJKLMNOPQRSTUVWXY
     --> policy.json:2:37
      |
    2 |   "studios": { "analytics": { "id": "es-abc" } },
      |                                     ^^^^^^^^

    error: rules[0].studio: no studio is called "analitics"; studios are analytics; did you mean "analytics"?
     --> policy.json:4:40
      |
    4 |   "rules": [ { "group": "x", "studio": "analitics", "session_policy": "arn:aws:iam::aws:policy/p", "assign": 3 } ]
      |                                        ^^^^^^^^^^^

    error: policy.json is not a usable policy table: 3 problems
    "#);
}

#[test]
fn a_json_table_is_drawn_into_too_and_what_is_missing_by_what_lacks_it() {
    let table = r#"{
  "studios": { "a.b": { "id": "es-A", "regoin": "eu-west-1" } },
  "session_policies": {},
  "rules": [ { "group": "x", "studio": "a.b", "session_policy": "arn:aws:iam::aws:policy/p" } ]
}"#;
    let (passed, said) = check("policy.json", table);
    assert!(!passed);
    insta::assert_snapshot!(said, @r#"
    error: studios.a.b.regoin: there is no such field; did you mean "region"?
     --> policy.json:2:39
      |
    2 |   "studios": { "a.b": { "id": "es-A", "regoin": "eu-west-1" } },
      |                                       ^^^^^^^^

    error: rules[0].assign: a group rule needs it: "group" maps the group itself, "members" maps each member as a user
     --> policy.json:4:14
      |
    4 |   "rules": [ { "group": "x", "studio": "a.b", "session_policy": "arn:aws:iam::aws:policy/p" } ]
      |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    error: policy.json is not a usable policy table: 2 problems
    "#);
}

#[test]
fn a_syntax_error_is_pointed_at() {
    let (_, said) = check("policy.toml", "a = 1\n[b\n");
    assert!(said.contains("--> policy.toml:2:3"), "{said}");
    let (_, said) = check("policy.json", "{\"studios\": {},\n \"studios\": {}}");
    assert!(said.contains("\"studios\" stands here twice"), "{said}");
    assert!(said.contains("--> policy.json:2:"), "{said}");
}

#[test]
fn where_a_problem_stands_does_not_depend_on_how_what_is_before_it_is_drawn() {
    let hidden = "studios = { \"\u{202e}\ta\" = { id = 7 } }\nsession_policies = {}\nrules = []\n";
    let (_, said) = check("policy.toml", hidden);
    insta::assert_snapshot!(said, @r#"
    error: studios.\u{202e}\u{9}a.id: expected the id of a Studio, found 7
     --> policy.toml:1:28
      |
    1 | studios = { "\u{202e}    a" = { id = 7 } }
      |                                      ^

    error: policy.toml is not a usable policy table: 1 problem
    "#);
    let (_, said) = check("policy.toml", &GOOD.replace('\n', "\r"));
    insta::assert_snapshot!(said, @r"
    error: not TOML: its lines end with a carriage return alone: save it with line feeds

    error: policy.toml is not a usable policy table: 1 problem
    ");
}

#[test]
fn a_table_from_another_editor_is_read_or_its_cure_is_told() {
    let windows = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    assert!(check("policy.toml", &windows).0);
    let (_, said) = check(
        "policy.toml",
        &windows.replace("= \"analytics\"", "= \"no\""),
    );
    insta::assert_snapshot!(said, @r#"
    error: rules[0].studio: no studio is called "no"; studios are analytics
      --> policy.toml:10:10
       |
    10 | studio = "no"
       |          ^^^^

    error: policy.toml is not a usable policy table: 1 problem
    "#);

    let wide: Vec<u8> = windows.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (passed, said) = check("policy.toml", &wide);
    assert!(!passed);
    assert!(
        said.starts_with("error: policy.toml is UTF-16: save it as UTF-8"),
        "{said}"
    );
    let (passed, said) = check("policy.toml", "studios:\n  analytics:\n    id: es-A\n");
    assert!(!passed);
    assert!(
        said.starts_with("error: this is YAML, and not TOML"),
        "{said}"
    );
}

#[test]
fn what_is_hardly_meant_is_a_warning_and_passes() {
    let later = "
[[rules]]
group = \"data-engineers\"
studio = \"analytics\"
session_policy = \"engineer\"
assign = \"members\"
";
    let (passed, said) = check("policy.toml", &format!("{GOOD}{later}"));
    assert!(passed);
    assert!(
        said.contains("warning: rules[1]: never decides: rules[0] fits whomever it fits"),
        "{said}"
    );
    assert!(said.contains("2 rules, 1 warning"), "{said}");

    // Mapped as a group it is another identity: no warning.
    let as_group = later.replace("members", "group");
    let (_, said) = check("policy.toml", &format!("{GOOD}{as_group}"));
    assert!(!said.contains("warning"), "{said}");

    let full = GOOD.replace("WXY\" }", "WXY\", limits = { users = 0 } }");
    let (_, said) = check("policy.toml", &full);
    assert!(
        said.contains("rules[0] maps members to it, and it takes no users"),
        "{said}"
    );
}

#[test]
fn whom_two_rules_name_is_counted_once() {
    let rule = |select: &str| {
        let assign = match select.starts_with("group") {
            true => "assign = \"group\"\n",
            false => "",
        };
        format!(
            "[[rules]]\n{select}\nstudio = \"analytics\"\nsession_policy = \"engineer\"\n{assign}"
        )
    };
    let (before, _) = GOOD.split_once("[[rules]]").unwrap();
    let small = before.replace("WXY\" }", "WXY\", limits = { users = 1, groups = 1 } }");
    let table = |selects: &[&str]| {
        let rules: Vec<String> = selects.iter().map(|select| rule(select)).collect();
        format!("{small}{}", rules.join("\n"))
    };
    let same = [
        "user = \"ana\"",
        "user = \"ana\"",
        "group = \"eng\"",
        "group = \"eng\"",
    ];
    let (_, said) = check("policy.toml", &table(&same));
    assert!(!said.contains("the rules map"), "{said}");
    assert!(said.contains("4 rules, 2 warnings"), "{said}");

    let others = [
        "user = \"ana\"",
        "user = \"bo\"",
        "group = \"eng\"",
        "group = \"ops\"",
    ];
    let (_, said) = check("policy.toml", &table(&others));
    for what in ["2 users", "2 groups"] {
        let warning = format!("studios.analytics: the rules map {what} to it, and it takes 1");
        assert!(said.contains(&warning), "{said}");
    }
}

#[test]
fn a_star_fits_whatever_group_an_id_stands_for() {
    let by_id = "
[[rules]]
group_id = \"0a1b2c3d-1001-7001-8001-00000000a001\"
studio = \"analytics\"
session_policy = \"engineer\"
assign = \"members\"
";
    let never = "rules[1]: never decides: rules[0] fits whomever it fits";
    for (pattern, is_told) in [("*", true), ("**", true), ("data-*", false)] {
        let table = GOOD.replace("data-*", pattern);
        let (passed, said) = check("policy.toml", &format!("{table}{by_id}"));
        assert!(passed);
        assert_eq!(said.contains(never), is_told, "{pattern}: {said}");
    }
    let table = GOOD.replace("data-*", "*");
    let as_group = by_id.replace("members", "group");
    let (_, said) = check("policy.toml", &format!("{table}{as_group}"));
    assert!(!said.contains("never decides"), "{said}");
}

#[test]
fn the_table_of_the_story_has_not_even_a_warning() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/events/policy.toml"));
    let (passed, said) = check("policy.toml", &text.unwrap());
    assert!(passed);
    assert!(!said.contains("warning"), "{said}");
}

/// A table with something in it that only AWS can tell is wrong.
const LIVE: &str = r#"
[studios]
analytics = { id = "es-ABCDEFGHIJKLMNOPQRSTUVWXY", limits = { users = 3 } }
science = { id = "es-0123456789ABCDEFGHIJKLMNO" }

[session_policies]
engineer = "arn:aws:iam::111122223333:policy/studio-engineer"

[[rules]]
group = "data-*"
studio = "analytics"
session_policy = "engineer"
assign = "members"

[[rules]]
user = "ops"
studio = "science"
session_policy = "engineer"

[[protect]]
user = "break-glass"
"#;

/// The order of parallel calls is nobody's promise.
fn without_request_id(text: &str) -> String {
    let (before, rest) = text.split_once("-8000-00000000000").unwrap();
    format!("{before}-8000-00000000000N{}", &rest[1..])
}

async fn check_live(world: World, table: &str) -> (Desk, Said) {
    let desk = Desk::new(world).await;
    desk.write("policy.toml", table);
    let said = desk.run(&["check", "--live", "policy.toml"]).await;
    (desk, said)
}

#[tokio::test]
async fn a_table_that_is_all_there_is_said_to_be() {
    let table = LIVE.replace("break-glass", "dave");
    let (desk, said) = check_live(world(), &table).await;
    assert_eq!(
        (said.code, said.out.as_str(), said.err.as_str()),
        (
            0,
            "policy.toml is a usable policy table: 2 Studios, 2 rules, all of them there",
            ""
        )
    );
    assert!(
        !desk
            .emulator
            .world()
            .calls
            .iter()
            .any(|call| call.is_write())
    );
}

#[tokio::test]
async fn who_is_not_in_the_directory_is_pointed_at() {
    let table = LIVE
        .replace("\"data-*\"", "\"data-enginers\"")
        .replace("\"ops\"", "\"oops\"");
    let (_, said) = check_live(world(), &table).await;
    assert_eq!(said.code, 1);
    insta::assert_snapshot!(said.err, @r#"
    error: rules[0].group: no group of this name in d-1234567890; did you mean "data-engineers"?
      --> policy.toml:10:9
       |
    10 | group = "data-enginers"
       |         ^^^^^^^^^^^^^^^

    error: rules[1].user: no user of this name in d-1234567890; did you mean "ops"?
      --> policy.toml:16:8
       |
    16 | user = "oops"
       |        ^^^^^^

    error: protect[0].user: no user of this name in d-1234567890
      --> policy.toml:21:8
       |
    21 | user = "break-glass"
       |        ^^^^^^^^^^^^^

    error: policy.toml is not what AWS has: 3 problems
    "#);
}

/// The usual directory, whose service minds the case of names or not, and the table
/// with its names in another.
async fn in_another_case(ignores: bool) -> Said {
    let mut start = world();
    start.settings.names_ignore_case = ignores;
    let table = LIVE
        .replace("data-*", "DATA-ENGINEERS")
        .replace("\"ops\"", "\"Ops\"")
        .replace("break-glass", "DAVE");
    check_live(start, &table).await.1
}

#[tokio::test]
async fn a_name_in_another_case_finds_nobody_and_the_one_meant_is_told_or_is_warned_of() {
    let said = in_another_case(false).await;
    assert_eq!(said.code, 1);
    insta::assert_snapshot!(said.err, @r#"
    error: rules[0].group: no group of this name in d-1234567890; did you mean "data-engineers"?
      --> policy.toml:10:9
       |
    10 | group = "DATA-ENGINEERS"
       |         ^^^^^^^^^^^^^^^^

    error: rules[1].user: no user of this name in d-1234567890; did you mean "ops"?
      --> policy.toml:16:8
       |
    16 | user = "Ops"
       |        ^^^^^

    error: protect[0].user: no user of this name in d-1234567890; did you mean "dave"?
      --> policy.toml:21:8
       |
    21 | user = "DAVE"
       |        ^^^^^^

    error: policy.toml is not what AWS has: 3 problems
    "#);

    let said = in_another_case(true).await;
    assert_eq!(said.code, 0);
    assert!(!said.out.contains("all of them there"), "{}", said.out);
    insta::assert_snapshot!(said.err, @r#"
    warning: rules[0].group: the directory has it as "data-engineers", and AWS does not say whether it minds the case of names: write it so
      --> policy.toml:10:9
       |
    10 | group = "DATA-ENGINEERS"
       |         ^^^^^^^^^^^^^^^^

    warning: rules[1].user: the directory has it as "ops", and AWS does not say whether it minds the case of names: write it so
      --> policy.toml:16:8
       |
    16 | user = "Ops"
       |        ^^^^^

    warning: protect[0].user: the directory has it as "dave", and AWS does not say whether it minds the case of names: write it so
      --> policy.toml:21:8
       |
    21 | user = "DAVE"
       |        ^^^^^^
    "#);
}

#[tokio::test]
async fn two_groups_that_differ_in_case_only_are_warned_of_where_a_rule_names_one() {
    for ignores in [false, true] {
        let mut start = world();
        start.settings.names_ignore_case = ignores;
        start.add_user("break-glass").unwrap();
        start.add_group("Data-Engineers").unwrap();
        let table = LIVE.replace("data-*", "data-engineers");
        let (_, said) = check_live(start, &table).await;
        assert_eq!(said.code, 0, "{}", said.err);
        let told = "warning: rules[0].group: the directory has \"Data-Engineers\" too, and AWS \
                    does not say whether it minds the case of names: write group_id\n";
        assert!(said.err.starts_with(told), "{ignores}: {}", said.err);
        assert_eq!(said.err.matches("warning: ").count(), 1, "{}", said.err);
    }
}

#[tokio::test]
async fn groups_that_a_pattern_would_fit_in_another_case_are_warned_of() {
    for ignores in [false, true] {
        let mut start = world();
        start.settings.names_ignore_case = ignores;
        start.add_user("break-glass").unwrap();
        start.add_group("Data-Science").unwrap();
        start.add_group("DATA-OPS").unwrap();
        let (_, said) = check_live(start.clone(), LIVE).await;
        assert_eq!(said.code, 0, "{}", said.err);
        let told = "warning: rules[0].group: does not fit \"Data-Science\" and 1 more, for the \
                    case of a letter\n";
        assert!(said.err.starts_with(told), "{ignores}: {}", said.err);

        let both = LIVE.replace("data-*", "*-S*");
        let (_, said) = check_live(start, &both).await;
        assert!(!said.err.contains("for the case of"), "{}", said.err);
    }
}

#[tokio::test]
async fn whoever_is_meant_is_looked_for_among_all_users_only_if_a_name_leads_nowhere() {
    let lists = |desk: &Desk| {
        let calls = desk.calls();
        calls.iter().filter(|call| *call == "ListUsers").count()
    };
    let found = LIVE.replace("break-glass", "dave");
    let (desk, _) = check_live(world(), &found).await;
    // Whether the store is there is asked with one.
    assert_eq!(lists(&desk), 1);
    let missing = LIVE.replace("break-glass", "Dvae");
    let (desk, said) = check_live(world(), &missing).await;
    assert_eq!(lists(&desk), 2);
    let told = "protect[0].user: no user of this name in d-1234567890; did you mean \"dave\"?";
    assert!(said.err.contains(told), "{}", said.err);
}

#[tokio::test]
async fn a_studio_that_people_get_into_without_a_mapping_is_warned_of() {
    let mut start = world();
    let seed = "[[studios]]\nid = \"es-A\"\nidc_user_assignment = \"OPTIONAL\"\n";
    let open = World::from_toml(seed).unwrap().world.studios["es-A"].clone();
    start.studios.insert(SCIENCE.to_owned(), open);
    let (_, said) = check_live(start, LIVE).await;
    let told = "warning: studios.science: mappings do not decide who may open it: its \
                IdcUserAssignment is OPTIONAL, so people get in without one";
    assert!(said.err.contains(told), "{}", said.err);
    assert_eq!(said.err.matches("OPTIONAL").count(), 1, "{}", said.err);
}

#[tokio::test]
async fn a_studio_that_is_not_there_or_not_for_sso_is_pointed_at() {
    let mut start = world();
    start.studios.get_mut(ANALYTICS).unwrap().auth_mode = AuthMode::Iam;
    start.studios.remove(SCIENCE);
    start.add_user("break-glass").unwrap();
    let (_, said) = check_live(start, LIVE).await;
    assert_eq!(said.code, 1);
    insta::assert_snapshot!(without_request_id(&said.err), @r#"
    error: studios.analytics: signs people in with IAM, but session mappings need AuthMode SSO; take it out of the table
     --> policy.toml:3:1
      |
    3 | analytics = { id = "es-ABCDEFGHIJKLMNOPQRSTUVWXY", limits = { users = 3 } }
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    error: studios.science: cannot be read: DescribeStudio failed: InvalidRequestException: Studio does not exist (Service: AWSEditors; Status Code: 400; Error Code: InvalidRequestException; Request ID: 00000000-0000-4000-8000-00000000000N; Proxy: null); check the Studio's id, region and role_arn in the table
     --> policy.toml:4:1
      |
    4 | science = { id = "es-0123456789ABCDEFGHIJKLMNO" }
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    error: policy.toml is not what AWS has: 2 problems
    "#);
}

#[tokio::test]
async fn more_people_than_the_studio_holds_are_counted_with_those_of_somebody_else() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "dave", FOREIGN)
        .unwrap();
    let (_, said) = check_live(start, LIVE).await;
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains(
            "error: studios.analytics: the rules map 3 users to it, beside 1 that stay (protected, or \
             somebody else's), and it takes 3: 1 would have no access; map a group as such"
        ),
        "{}",
        said.err
    );
    // Who is protected stays too, although no rule wants it.
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "dave", ENGINEER)
        .unwrap();
    let protecting = LIVE.replace("break-glass", "dave");
    let (_, said) = check_live(start, &protecting).await;
    assert!(said.err.contains("1 would have no access"), "{}", said.err);

    let roomy = LIVE.replace("users = 3", "users = 4");
    let mut start = world();
    start.add_user("break-glass").unwrap();
    start
        .map(ANALYTICS, IdentityType::User, "dave", FOREIGN)
        .unwrap();
    let (_, said) = check_live(start, &roomy).await;
    assert_eq!(said.code, 0, "{}", said.err);
}

#[tokio::test]
async fn what_could_not_be_asked_is_not_taken_for_all_right() {
    let mut start = world();
    start.add_user("break-glass").unwrap();
    let desk = Desk::new(start).await;
    desk.write("policy.toml", LIVE);
    let denied = |call| Fault::on(call, FaultKind::AccessDenied);
    for call in [
        "ListGroups",
        "GetUserId",
        "ListGroupMemberships",
        "ListStudioSessionMappings",
    ] {
        desk.emulator.world().faults.rules = vec![denied(call)];
        let said = desk.run(&["check", "--live", "policy.toml"]).await;
        assert_eq!(said.code, 1, "{call}: {}", said.err);
        let error = format!("{call} failed: AccessDeniedException");
        assert!(said.err.contains(&error), "{call}: {}", said.err);
    }
    // Names found may be written otherwise there.
    let found = LIVE.replace("data-*", "data-engineers");
    desk.write("policy.toml", &found);
    for call in ["ListGroups", "DescribeUser"] {
        desk.emulator.world().faults.rules = vec![denied(call)];
        let said = desk.run(&["check", "--live", "policy.toml"]).await;
        assert_eq!(said.code, 0, "{call}: {}", said.err);
        let warning = format!("in this case is not known: {call} failed: AccessDeniedException");
        assert!(said.err.contains(&warning), "{call}: {}", said.err);
    }
    desk.write("policy.toml", LIVE);
    // Without DescribeStudio the function does its work, and so does this.
    desk.emulator.world().faults.rules = vec![denied("DescribeStudio")];
    let said = desk.run(&["check", "--live", "policy.toml"]).await;
    assert!(!said.out.contains("all of them there"), "{}", said.out);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err
            .contains("warning: studios.science: whether people sign in to it with SSO"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_session_policy_of_another_account_than_that_of_the_credentials_is_told_if_aws_is_asked()
{
    let (_, said) = check_live(world(), LIVE).await;
    assert!(!said.err.contains("warning"), "{}", said.err);
    for (begin, told) in [
        (
            "arn:aws:iam::999988887777:",
            "of account 999988887777, and the Studio is in 111122223333: it has to be",
        ),
        (
            "arn:aws-cn:iam::111122223333:",
            "of partition aws-cn, and the Studio is in aws: it has to be",
        ),
        (
            "arn:aws-cn:iam::aws:",
            "of partition aws-cn, and the Studio is in aws: it has to be",
        ),
    ] {
        let elsewhere = LIVE.replace("arn:aws:iam::111122223333:", begin);
        let (desk, said) = check_live(world(), &elsewhere).await;
        let told = format!("warning: rules[0].session_policy: is a session policy {told}");
        assert_eq!(said.err.matches(&told).count(), 1, "{}", said.err);
        assert!(!said.out.contains("all of them there"), "{}", said.out);
        // Whose the credentials are, it does not know here.
        let said = desk.run(&["check", "policy.toml"]).await;
        assert!(!said.err.contains("warning"), "{}", said.err);
    }
}

#[test]
fn a_table_may_come_through_a_pipe_begin_with_a_mark_and_be_called_in_capitals() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("POLICY.TOML"), format!("\u{feff}{GOOD}")).unwrap();
    let tool = env!("CARGO_BIN_EXE_emr-studio-sync");
    for script in ["$0 check POLICY.TOML", "cat POLICY.TOML | $0 check -"] {
        let output = Command::new("sh")
            .args(["-c", script, tool])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{script}: {said}");
    }
}

#[test]
fn programs_get_each_problem_with_its_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let table = GOOD.replace("studio = \"analytics\"", "studio = \"analytcs\"");
    std::fs::write(folder.path().join("policy.toml"), table).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_emr-studio-sync"))
        .args(["check", "--output", "csv", "policy.toml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "level,place,line,column,message\n\
         problem,rules[0].studio,10,10,\"no studio is called \"\"analytcs\"\"; studios are \
         analytics; did you mean \"\"analytics\"\"?\"\n"
    );
}

#[test]
fn of_thousands_of_problems_a_hundred_are_drawn_and_guessed_at_and_all_are_there_for_programs() {
    use std::fmt::Write as _;
    let mut text = GOOD.to_owned();
    for number in 0..250 {
        let _ = writeln!(
            text,
            "[[rules]]\nuser = \"u{number}\"\nstudio = \"analytic{number}\"\nsession_policy = \"engineer\""
        );
    }
    let (passed, said) = check("policy.toml", &text);
    assert!(!passed);
    assert_eq!(said.matches("no studio is called").count(), 100);
    assert!(said.contains("\nand 150 more problems; `--output csv` has all of them\n"));
    assert!(said.ends_with("error: policy.toml is not a usable policy table: 250 problems"));

    let problems = read::table(&text, Format::Toml).unwrap_err();
    assert_eq!(problems.len(), 250);
    let guessed = problems
        .iter()
        .filter(|one| one.message.contains("did you mean"));
    assert_eq!(guessed.count(), 100);
}
