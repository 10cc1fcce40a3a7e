//! Every field that the tool prints as JSON is in docs/json.md, under the head of
//! its command.

use crate::support;

use std::collections::BTreeSet;

use emr_studio_sync::emulator::IdentityType;
use serde_json::{Value, json};
use support::desk::Desk;
use support::{ANALYST, ANALYTICS, FOREIGN, SCIENCE, table, world};

use crate::remote::deployed;

/// The names of all fields, at whatever depth.
fn fields(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Array(rows) => rows.iter().for_each(|row| fields(row, into)),
        Value::Object(all) => {
            for (name, value) in all {
                into.insert(name.clone());
                fields(value, into);
            }
        }
        _ => {}
    }
}

const SIMULATE: [&str; 5] = [
    "simulate",
    "--table",
    "policy.json",
    "--directory",
    "directory.toml",
];
const GET: [&str; 6] = ["mapping", "get", "--studio", "analytics", "--user", "alice"];

/// What docs/json.md quotes under a head.
fn documented(head: &str) -> BTreeSet<String> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md");
    let text = std::fs::read_to_string(file).unwrap();
    let sections = text.split("\n## ").skip(1);
    let mut sections = sections.map(|section| section.split_once('\n').unwrap());
    let (_, section) = sections.find(|(title, _)| *title == head).expect(head);
    let quoted = section.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

#[tokio::test]
async fn every_field_of_the_json_is_documented() {
    let mut start = world();
    let user = IdentityType::User;
    start.map(ANALYTICS, user, "dave", FOREIGN).unwrap();
    start.map(ANALYTICS, user, "alice", ANALYST).unwrap();
    start
        .map(SCIENCE, IdentityType::Group, "data-engineers", ANALYST)
        .unwrap();
    let start = deployed(start, "apply", &table(|_| ()));
    let desk = Desk::new(start).await;
    desk.write("wrong.toml", "studios = 7");
    let other = table(|table| table["rules"][0]["session_policy"] = json!("analyst"));
    desk.write("other.json", &other.to_string());
    let exported = desk.run(&["export"]).await;
    desk.write("directory.toml", &exported.out);
    for (head, arguments) in [
        ("plan, apply", &["plan"][..]),
        ("plan, apply", &["apply", "--yes"]),
        ("check", &["check"]),
        ("check", &["check", "wrong.toml"]),
        ("explain", &["explain", "--user", "alice"]),
        ("report", &["report"]),
        ("diff", &["diff", "policy.json", "other.json"]),
        (
            "diff",
            &[
                "diff",
                "policy.json",
                "other.json",
                "--directory",
                "directory.toml",
            ],
        ),
        ("simulate", &SIMULATE),
        ("plan, apply", &["remote", "plan", "--stack", "studio-sync"]),
        ("mapping get, mapping list", &["mapping", "list"]),
        ("mapping get, mapping list", &GET),
        ("doctor", &["doctor"]),
        ("plan, apply", &["remote", "plan", "--stack", "studio-sync"]),
        (
            "remote status",
            &["remote", "status", "--stack", "studio-sync"],
        ),
        // There is something in the log now.
        (
            "plan, apply",
            &["remote", "reconcile", "--stack", "studio-sync", "--yes"],
        ),
        ("history", &["history", "--stack", "studio-sync"]),
        (
            "history",
            &["history", "--stack", "studio-sync", "--at", "0m"],
        ),
    ] {
        let said = desk.run(&[arguments, &["--output", "json"]].concat()).await;
        let printed: Value = serde_json::from_str(&said.out).expect(&said.err);
        let rows = printed
            .as_array()
            .map_or(std::slice::from_ref(&printed), Vec::as_slice);
        for row in rows {
            assert_eq!(row["version"], 1, "{arguments:?}");
        }
        let mut all = BTreeSet::new();
        fields(&printed, &mut all);
        assert!(!all.is_empty(), "{head}");
        let told = documented(head);
        let missing: Vec<&String> = all.difference(&told).collect();
        assert!(missing.is_empty(), "{arguments:?}: {missing:?}");
    }
}
