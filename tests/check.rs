//! `check`: a table's problems, drawn where they are.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers are tests too

use std::process::Command;

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
fn check(name: &str, text: &str) -> (bool, String) {
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
      --> policy.toml:10:1
       |
    10 | studio = "analytcs"
       | ^^^^^^^^^^^^^^^^^^^

    error: policy.toml is not a usable policy table: 1 problem
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
      |                                       ^^^^^^^^^^^^^^^^^^^^^

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
fn the_table_of_the_story_has_not_even_a_warning() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/events/policy.toml"));
    let (passed, said) = check("policy.toml", &text.unwrap());
    assert!(passed);
    assert!(!said.contains("warning"), "{said}");
}
