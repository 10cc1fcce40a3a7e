//! The recipe for CI in docs: its own steps, run by a shell against the embedded
//! AWS, with a `gh` that writes down what it is given.

use crate::support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use emr_studio_sync::emulator::{Fault, FaultKind, IdentityType};
use serde_json::json;
use support::desk::{Desk, Said, said};
use support::{ANALYST, ANALYTICS, STORE, table, world};

/// What the workflow runs in the step of this name.
fn step(name: &str) -> String {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/docs/plan-on-pull-request.yaml"
    );
    let workflow = std::fs::read_to_string(file).unwrap();
    let head = format!("      - name: {name}\n");
    let (_, rest) = workflow.split_once(&head).expect(name);
    let mut lines = rest.lines();
    let first = lines.find_map(|line| line.strip_prefix("        run: "));
    let first = first.unwrap();
    if first != "|" {
        return first.to_owned();
    }
    let script = lines.map_while(|line| line.strip_prefix("          "));
    script.collect::<Vec<_>>().join("\n")
}

fn executable(path: &Path, script: &str) {
    std::fs::write(path, script).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Runs a step as the runner does; its answer and the comment, if it made one.
async fn run(desk: &Desk, name: &str) -> (Said, Option<String>) {
    let bin = desk.folder.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    executable(
        &bin.join("gh"),
        "#!/bin/sh\n[ \"$*\" = 'pr comment 7 --edit-last --create-if-none --body-file comment.md' ] \
         && cp comment.md commented.md\n",
    );
    let tool = desk.tool(&[]);
    let to = bin.join("emr-studio-sync");
    if !to.exists() {
        std::os::unix::fs::symlink(tool.get_program(), to).unwrap();
    }
    let mut shell = Command::new("bash");
    shell
        .args(["-e", "-o", "pipefail", "-c", &step(name)])
        .env_clear()
        .envs(
            tool.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("POLICY_TABLE", "policy.json")
        .env("IDENTITY_STORE_ID", STORE)
        .env("PULL_REQUEST", "7")
        .env("GITHUB_STEP_SUMMARY", "summary.md")
        .current_dir(desk.folder.path());
    let said = said(shell).await;
    let comment = std::fs::read_to_string(desk.folder.path().join("commented.md"));
    (said, comment.ok())
}

#[tokio::test]
async fn a_change_of_the_table_is_told_in_a_comment_and_passes() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "dave", ANALYST)
        .unwrap();
    let desk = Desk::new(start).await;
    for step in ["Check", "Check what AWS has"] {
        let (said, comment) = run(&desk, step).await;
        assert_eq!((said.code, comment), (0, None), "{step}: {}", said.err);
    }
    let (said, comment) = run(&desk, "Plan").await;
    assert_eq!(said.code, 0, "{}", said.err);
    let url = desk.emulator.url();
    insta::assert_snapshot!(comment.unwrap().replace(&url, "URL"), @r"
    What this change of the table would do now:

        account 111122223333, us-east-1, identity store d-1234567890, at URL
        analytics (es-ABCDEFGHIJKLMNOPQRSTUVWXY)
          - analytics  dave                 analyst               (no rule wants it)
          + analytics  alice                engineer              (rules[0], through data-engineers)
          + analytics  bob                  engineer              (rules[0], through data-engineers)
          + analytics  carol                analyst               (rules[1], through data-analysts)
        science (es-0123456789ABCDEFGHIJKLMNO)
          + science    data-engineers       analyst               (rules[2])
          + science    ops                  engineer              (rules[3])
        5 to create, 1 to delete; 0 as they should be.
    ");
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
async fn a_table_that_leads_nowhere_fails_the_check_and_a_read_that_failed_the_plan() {
    let desk = Desk::new(world()).await;
    desk.emulator.world().delete_user("ops").unwrap();
    let (said, _) = run(&desk, "Check what AWS has").await;
    assert_eq!(said.code, 1);
    desk.emulator
        .world()
        .faults
        .add(Fault::on("ListGroups", FaultKind::AccessDenied));
    let (said, comment) = run(&desk, "Plan").await;
    assert_eq!((said.code, comment), (1, None), "{}", said.err);

    desk.write("policy.json", "{}");
    let (said, _) = run(&desk, "Check").await;
    assert_eq!(said.code, 1);
}

#[tokio::test]
async fn without_credentials_what_the_table_says_differently_stands_in_the_summary() {
    let desk = Desk::new(world()).await;
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
            .args(arguments)
            .current_dir(desk.folder.path());
        let output = git.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    };
    git(&["init", "--quiet"]);
    git(&["commit", "--quiet", "--allow-empty", "--message", "nothing"]);
    git(&["add", "policy.json"]);
    git(&["commit", "--quiet", "--message", "a table"]);
    // It is new, and everything in it.
    let (said, _) = run(&desk, "Diff").await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(desk.read("summary.md").matches("    + ").count(), 8);

    std::fs::remove_file(desk.folder.path().join("summary.md")).unwrap();
    let changed = table(|table| table["rules"][0]["session_policy"] = json!("analyst"));
    desk.write("policy.json", &changed.to_string());
    git(&["commit", "--quiet", "--all", "--message", "a change"]);
    let (said, _) = run(&desk, "Diff").await;
    assert_eq!(said.code, 0, "{}", said.err);
    insta::assert_snapshot!(desk.read("summary.md"), @r#"
    What the table says differently:

        - rules[0] of the old table  members of group "data-engineers": analytics, engineer
        + rules[0]                   members of group "data-engineers": analytics, analyst
        2 differences; for whom, an exported directory says: diff --directory
    "#);
    assert_eq!(desk.calls(), [] as [String; 0]);

    desk.write("policy.json", "{}");
    let (said, _) = run(&desk, "Diff").await;
    assert_eq!(said.code, 1);
}
