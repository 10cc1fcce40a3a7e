//! The configuration that the deployment gives to the function.

use std::path::PathBuf;

use emr_studio_sync::config::{self, Config};
use emr_studio_sync::event::{self, Event, Kind, Scope};
use serde_json::{Value, json};

/// The environment of the function, with this table.
fn environment(table: &str) -> impl Fn(&str) -> Option<String> {
    let table = table.to_owned();
    move |name| match name {
        "IDENTITY_STORE_ID" => Some("d-1234567890".to_owned()),
        "MODE" => Some("plan".to_owned()),
        "LOG_NAMES" => Some("false".to_owned()),
        "POLICY_TABLE" => Some(table.clone()),
        _ => None,
    }
}

/// The problems of a start with this table, one a line.
fn problems(table: &str) -> String {
    let found = Config::from_env(environment(table))
        .err()
        .unwrap_or_default();
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// What is said of a table that is too long for Lambda's environment.
fn too_long(table: &str) -> Option<String> {
    config::too_long_for_lambda(environment(table)).map(|problem| problem.to_string())
}

/// A table of so many rules, about as long as rules are.
fn table(rules: usize) -> Value {
    let rules: Vec<Value> = (0..rules)
        .map(|number| {
            json!({
                "group": format!("data-engineers-{number}"),
                "studio": "analytics",
                "session_policy": "engineer",
                "assign": "members",
            })
        })
        .collect();
    json!({
        "studios": { "analytics": { "id": "es-ABCDEFGHIJKLMNOPQRSTUVWXY" } },
        "session_policies": { "engineer": "arn:aws:iam::111122223333:policy/studio-engineer" },
        "rules": rules,
    })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_table_of_thirty_rules_fits_into_the_environment() {
    assert_eq!(too_long(&table(30).to_string()), None);
}

#[test]
fn a_table_too_long_for_the_environment_is_told_with_a_way_out() {
    let long = table(40).to_string();
    insta::assert_snapshot!(too_long(&long).unwrap(), @"POLICY_TABLE: is too long for Lambda: with it, the variables are 4810 bytes as Lambda counts them, of 4096; put the table into a .json or .toml file and give its path");
    // Where it could be given all the same, it is not Lambda, and works.
    assert_eq!(problems(&long), "");
}

#[test]
fn a_file_may_be_as_long_as_it_likes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.json");
    std::fs::write(&path, table(400).to_string()).unwrap();
    assert_eq!(too_long(path.to_str().unwrap()), None);
    assert_eq!(problems(path.to_str().unwrap()), "");
}

#[test]
fn the_table_of_the_policy_folder_starts_nothing_until_it_is_filled_in() {
    let path = root().join("policy/policy.toml");
    insta::assert_snapshot!(problems(path.to_str().unwrap()), @r#"
    studios.analytics.id: "YOUR-STUDIO" is not the id of a Studio; one looks like es-ABCDEFGHIJKLMNOPQRSTUVWXY
    session_policies.analyst: "YOUR-POLICY" is not the ARN of an IAM policy; one looks like arn:aws:iam::111122223333:policy/name
    "#);
}

/// What UnfinishedRule makes of a Scheduled Event. EventBridge writes what stands
/// in <> as JSON.
fn minutes_event(id: &str, time: &str) -> Value {
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let line = template
        .lines()
        .find_map(|line| line.trim().strip_prefix("InputTemplate: "))
        .unwrap();
    let text = line
        .trim_matches('\'')
        .replace("<id>", &json!(id).to_string())
        .replace("<time>", &json!(time).to_string());
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_minutes_event_is_read_as_the_reminder_of_what_is_unfinished() {
    let id = "0a1b2c3d-1111-4222-8333-444455556666";
    let event = minutes_event(id, "2026-11-25T08:01:00Z");
    let expected = Event {
        id: Some(id.to_owned()),
        time_ms: Some(1_795_593_660_000),
        scope: Scope::Nothing,
        kind: Kind::Unfinished,
        ..Event::default()
    };
    let read = event::read(&event, "d-1234567890").unwrap();
    assert_eq!(
        Event {
            reason: None,
            ..read
        },
        expected
    );
}
