//! The newcomer's first run, and the embedded AWS as a server: the real binary,
//! its output as it is.

use crate::support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::STORE;
use support::runtime::Lambda;

fn tool(arguments: &[&str]) -> Command {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_emr-studio-sync"));
    tool.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    tool
}

/// `simulate events/*.json`, as a shell would spell it out.
fn simulate(more: &[&str]) -> Command {
    let mut events: Vec<String> =
        std::fs::read_dir(format!("{}/events", env!("CARGO_MANIFEST_DIR")))
            .unwrap()
            .map(|file| format!("events/{}", file.unwrap().file_name().to_str().unwrap()))
            .filter(|file| file.ends_with(".json"))
            .collect();
    events.sort();
    let mut tool = tool(&["simulate"]);
    tool.args(events).args(more);
    tool
}

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).unwrap()
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

#[test]
fn the_first_run_tells_each_event_and_ends_with_who_can_open_what() {
    let output = output(&mut simulate(&[]));
    assert!(output.status.success());
    assert_eq!(text(&output.stderr), "");
    insta::assert_snapshot!(text(&output.stdout), @"
    01-schedule-first-pass.json
      Scheduled Event -> look at everything: the scheduled full pass
      + analytics  alice@example.com    engineer              (rules[0], through data-engineers)
      + analytics  bob@example.com      analyst               (rules[1], through data-analysts)
      + analytics  carol@example.com    analyst               (rules[1], through data-analysts)
      + analytics  dave@example.com     analyst               (rules[1], through data-analysts)
      + science    data-engineers       analyst               (rules[2])
      + science    ops@example.com      engineer              (rules[3])
    02-joiner-user.json
      CreateUser -> look at user frank@example.com
      = no mapping, as it should be
    03-joiner-membership.json
      AddMemberToGroup -> look at user frank@example.com
      + analytics  frank@example.com    engineer              (rules[0], through data-engineers)
    04-mover-into-new-group.json
      CreateGroupMembership -> look at user bob@example.com
      ~ analytics  bob@example.com      analyst -> engineer   (rules[0], through data-engineers)
    05-mover-out-of-old-group.json
      RemoveMemberFromGroup -> look at user bob@example.com
      = 1 mapping, as it should be
    06-leaver.json
      DeleteGroupMembership -> look at everything: DeleteGroupMembership does not say who
      - analytics  carol@example.com    analyst               (no rule wants it)
    07-deleted-user.json
      DeleteUser -> look at user dave@example.com
      - analytics  dave@example.com     analyst               (no rule wants it)
    08-new-group.json
      CreateGroup -> look at group data-scientists
      = 3 mappings, all as they should be
    09-scim-hidden-members.json
      PatchGroup -> look at group data-scientists
      + analytics  erin@example.com     analyst               (rules[1], through data-scientists)
    10-failed-call.json
      CreateGroupMembership -> nothing to look at: the call CreateGroupMembership failed (ConflictException)
    11-somebody-elses-group.json
      CreateGroupMembership -> nothing to look at: quicksight.amazonaws.com is another service
    12-schedule.json
      Scheduled Event -> look at everything: the scheduled full pass
      = 6 mappings, all as they should be

    Who can open which Studio
    ┌────────────────────────────────────────────────────────────────────────────────────────┐
    │ Studio      Who                     Session policy   By                                │
    ╞════════════════════════════════════════════════════════════════════════════════════════╡
    │ analytics   alice@example.com       engineer         rules[0], through data-engineers  │
    │ analytics   bob@example.com         engineer         rules[0], through data-engineers  │
    │ analytics   erin@example.com        analyst          rules[1], through data-scientists │
    │ analytics   frank@example.com       engineer         rules[0], through data-engineers  │
    │ analytics   grace@example.com       somebody-elses   not the table's, left alone       │
    │ science     ops@example.com         engineer         rules[3]                          │
    │ science     group data-engineers:   analyst          rules[2]                          │
    │               alice@example.com                                                        │
    │               bob@example.com                                                          │
    │               frank@example.com                                                        │
    └────────────────────────────────────────────────────────────────────────────────────────┘
    ");
}

#[test]
fn as_json_it_has_every_report_and_the_access_that_results() {
    let output = output(&mut simulate(&["--output", "json"]));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(all["events"].as_array().unwrap().len(), 12);
    assert_eq!(all["events"][2]["report"]["created"], 1);
    assert_eq!(
        all["access"][0],
        json!({
            "studio": "analytics", "identity_type": "USER",
            "identity_id": "0a1b2c3d-1001-7001-8001-00000000a001",
            "name": "alice@example.com", "owned": true, "rule": 0,
            "session_policy": "arn:aws:iam::111122223333:policy/studio-engineer",
            "via_group": "1b2c3d4e-2001-7002-8002-00000000b001",
        })
    );
    assert_eq!(all["problems"], json!([]));
}

#[test]
fn colour_is_for_terminals_and_for_who_asks() {
    let escape = '\u{1b}';
    assert!(!text(&output(&mut simulate(&[])).stdout).contains(escape));
    let forced = output(simulate(&[]).env("CLICOLOR_FORCE", "1"));
    assert!(text(&forced.stdout).contains(escape));
    let refused = output(
        simulate(&[])
            .env("CLICOLOR_FORCE", "1")
            .env("NO_COLOR", "1"),
    );
    assert!(!text(&refused.stdout).contains(escape));
}

#[test]
fn a_table_that_is_wrong_is_told_with_all_its_problems() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("policy.toml");
    let text_of_it =
        std::fs::read_to_string(format!("{}/events/policy.toml", env!("CARGO_MANIFEST_DIR")))
            .unwrap()
            .replace("\"analyst\"", "\"analist\"");
    std::fs::write(&table, text_of_it).unwrap();
    let output = output(&mut simulate(&["--table", table.to_str().unwrap()]));
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    let expected = "rules[1].session_policy: no session policy is called \"analist\"; \
                    session_policies are analyst, engineer; did you mean \"analyst\"?";
    assert!(said.contains(expected), "{said}");
    assert!(said.contains("rules[2].session_policy"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = output(&mut tool(&["simulate", "events/nothing.json"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("events/nothing.json cannot be read"));
}

#[tokio::test]
async fn the_embedded_aws_serves_the_function_until_it_is_stopped() {
    let mut emulate = tool(&["emulate", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut lines = BufReader::new(emulate.stdout.take().unwrap());
    lines.read_line(&mut line).unwrap();
    let url = line.trim().rsplit('=').next().unwrap();

    let table = format!("{}/events/policy.toml", env!("CARGO_MANIFEST_DIR"));
    let lambda = Lambda::start(&[
        ("AWS_ENDPOINT_URL_EMR", url),
        ("AWS_ENDPOINT_URL_IDENTITYSTORE", url),
        ("IDENTITY_STORE_ID", STORE),
        ("POLICY_TABLE", &table),
    ])
    .await;
    // Without MODE nothing is written.
    for _ in 0..2 {
        let report = lambda
            .invoke(&json!({ "action": "reconcile" }))
            .await
            .unwrap();
        assert_eq!(
            (&report["mode"], &report["created"]),
            (&json!("plan"), &json!(6))
        );
    }
    // As a container is stopped, of which it may be the first process.
    let stop = Command::new("kill").arg(emulate.id().to_string()).status();
    assert!(stop.unwrap().success());
    assert_eq!(emulate.wait().unwrap().code(), Some(0));
}

#[test]
fn a_rehearsal_in_which_something_fails_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("directory.toml");
    std::fs::write(&directory, "identity_store_id = \"d-1234567890\"\n").unwrap();
    let output = output(&mut tool(&[
        "simulate",
        "--directory",
        directory.to_str().unwrap(),
    ]));
    assert!(
        text(&output.stdout).contains("Studio does not exist"),
        "{}",
        text(&output.stdout)
    );
    assert_eq!(output.status.code(), Some(1));
}
