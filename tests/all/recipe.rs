//! The workflows in docs: their own steps, run by a shell against the embedded AWS,
//! with a `gh` and an `aws` that write down what they are given.

use crate::support;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use emr_studio_sync::emulator::{Fault, FaultKind, IdentityType};
use serde_json::{Value, json};
use support::desk::{Desk, Said, said};
use support::{ANALYST, ANALYTICS, STORE, table, world};

/// For a fork of this repository.
const RECIPE: &str = include_str!("../../docs/plan-on-pull-request.yaml");
/// For those who keep nothing but their table.
const TABLE: &str = include_str!("../../docs/table-repository/.github/workflows/table.yml");

/// What a step of a workflow says under each key; of a script, its lines.
type Step = BTreeMap<&'static str, String>;

/// The steps of a job that run something, and not somebody else's action.
fn steps(workflow: &'static str, job: &str) -> Vec<Step> {
    let (_, rest) = workflow.split_once(&format!("\n  {job}:\n")).expect(job);
    let (_, steps) = rest.split_once("\n    steps:\n").unwrap();
    let mut all: Vec<Step> = Vec::new();
    let mut key = "";
    let lines = steps.lines();
    for line in lines.take_while(|line| line.is_empty() || line.starts_with("      ")) {
        let Some((begin, rest)) = line.split_at_checked(8) else {
            continue;
        };
        match begin.trim() {
            "-" => all.push(Step::new()),
            "" => {}
            _ => continue, // a comment
        }
        let step = all.last_mut().unwrap();
        if let Some(line) = rest.strip_prefix("  ") {
            *step.entry(key).or_default() += &format!("{line}\n");
        } else {
            let (name, value) = rest.split_once(':').unwrap();
            let value = value.trim().trim_start_matches('|').trim_matches('\'');
            step.insert(name, value.to_owned());
            key = name;
        }
    }
    all.retain(|step| step.contains_key("run"));
    all
}

/// The recipe's step of this name.
fn step(name: &str) -> Step {
    let mut steps = steps(RECIPE, "plan").into_iter();
    let is_it = |step: &Step| step.get("name").is_some_and(|other| other == name);
    steps.find(is_it).expect(name)
}

fn executable(path: &Path, script: &str) {
    std::fs::write(path, script).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Runs a step of the recipe as the runner does; its answer and the comment, if it
/// made one.
async fn run(desk: &Desk, name: &str) -> (Said, Option<String>) {
    play(desk, &step(name), "policy.json").await
}

/// Runs a step as the runner does, with the table in a file; its answer and the
/// comment, if it made one.
async fn play(desk: &Desk, step: &Step, table: &str) -> (Said, Option<String>) {
    let bin = desk.folder.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    executable(
        &bin.join("gh"),
        "#!/bin/sh\n[ \"$*\" = 'pr comment 7 --edit-last --create-if-none --body-file comment.md' ] \
         && cp comment.md commented.md\n",
    );
    let aws = "#!/bin/sh\necho \"$*\" >> \"$RUNNER_TEMP/aws.txt\"\n";
    executable(&bin.join("aws"), aws);
    let temp = desk.folder.path().join("temp");
    std::fs::create_dir_all(&temp).unwrap();
    let tool = desk.tool(&[]);
    let to = bin.join("emr-studio-sync");
    if !to.exists() {
        std::os::unix::fs::symlink(tool.get_program(), to).unwrap();
    }
    let mut shell = Command::new("bash");
    shell
        .args(["-e", "-o", "pipefail", "-c", &step["run"]])
        .env_clear()
        .envs(
            tool.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("POLICY_TABLE", table)
        .env("IDENTITY_STORE_ID", STORE)
        .env("PULL_REQUEST", "7")
        .env("GITHUB_STEP_SUMMARY", "summary.md")
        .env("RUNNER_TEMP", &temp)
        .current_dir(match step.get("working-directory") {
            Some(folder) => folder.replace("${{ runner.temp }}", temp.to_str().unwrap()),
            None => desk.folder.path().to_str().unwrap().to_owned(),
        });
    let said = said(shell).await;
    let comment = std::fs::read_to_string(desk.folder.path().join("commented.md"));
    (said, comment.ok())
}

fn git(desk: &Desk, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(arguments)
        .current_dir(desk.folder.path());
    let output = git.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
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
async fn a_plan_that_is_too_long_for_a_comment_is_shortened_there_and_whole_in_the_log() {
    let mut start = world();
    for number in 0..900 {
        let name = format!("somebody-{number:04}@zoë.example.com");
        start.add_user(&name).unwrap();
        start.add_member("data-engineers", &name).unwrap();
    }
    let whole = step("Plan");
    let table = steps(TABLE, "plan");
    let alone = table
        .iter()
        .find(|step| step.get("name") == whole.get("name"));
    let desk = Desk::new(start).await;
    let release = desk.folder.path().join("temp/release");
    std::fs::create_dir_all(&release).unwrap();
    let program = desk.tool(&[]).get_program().to_owned();
    std::os::unix::fs::symlink(program, release.join("emr-studio-sync")).unwrap();
    for step in [&whole, alone.unwrap()] {
        let (said, comment) = play(&desk, step, "policy.json").await;
        assert_eq!(said.code, 0, "{}", said.err);
        assert_eq!(said.out.matches("somebody-").count(), 900);
        let comment = comment.unwrap();
        assert!(comment.chars().count() < 65_000);
        assert!(comment.matches("somebody-").count() > 400, "{comment}");
        let end: Vec<&str> = comment.lines().rev().take(3).collect();
        assert_eq!(end[0], "All of it is in the job's log.");
        assert!(
            end[2].starts_with("    ") && end[2].contains(" to create"),
            "{}",
            end[2]
        );
        // No line of it is half a line.
        let whole: BTreeSet<String> = said.out.lines().map(|line| format!("    {line}")).collect();
        let cut = comment.lines().filter(|line| line.contains("somebody-"));
        cut.for_each(|line| assert!(whole.contains(line), "{line}"));
        std::fs::remove_file(desk.folder.path().join("commented.md")).unwrap();
    }
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
    // Why stands in the job's log.
    assert!(said.out.contains("ListGroups"), "{}", said.out);

    desk.write("policy.json", "{}");
    let (said, _) = run(&desk, "Check").await;
    assert_eq!(said.code, 1);
}

#[tokio::test]
async fn without_credentials_what_the_table_says_differently_stands_in_the_summary() {
    let desk = Desk::new(world()).await;
    let git = |arguments: &[&str]| git(&desk, arguments);
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

/// Where the other workflow has the table, which is TOML.
const POLICY: &str = "policy/policy.toml";

/// A repository of a table alone, with a change in its last commit; its release is the
/// tool that is tested.
async fn repository(change: impl FnOnce(&mut Value)) -> Desk {
    assert!(TABLE.contains(&format!("\n  POLICY_TABLE: {POLICY}\n")));
    let desk = Desk::new(world()).await;
    let write = |table: Value| desk.write(POLICY, &toml::to_string(&table).unwrap());
    std::fs::create_dir(desk.folder.path().join("policy")).unwrap();
    let get_release = format!(
        "#!/bin/sh\nmkdir -p \"$1/deployment\"\nln -sf {} \"$1/emr-studio-sync\"\n",
        desk.tool(&[]).get_program().to_str().unwrap()
    );
    executable(&desk.folder.path().join("get-release"), &get_release);
    write(table(|_| ()));
    git(&desk, &["init", "--quiet"]);
    git(&desk, &["add", "policy", "get-release"]);
    git(&desk, &["commit", "--quiet", "--message", "a table"]);
    write(table(change));
    git(
        &desk,
        &[
            "commit",
            "--quiet",
            "--all",
            "--allow-empty",
            "--message",
            "a change",
        ],
    );
    desk
}

/// Plays a job until a step fails: what failed, and the comment, if one was made.
async fn job(desk: &Desk, name: &str) -> (Option<String>, Option<String>) {
    let mut comment = None;
    for step in steps(TABLE, name) {
        let (said, made) = play(desk, &step, POLICY).await;
        comment = made;
        if said.code != 0 {
            let shown = step.get("name").unwrap_or(&step["run"]);
            return (Some(shown.clone()), comment);
        }
    }
    (None, comment)
}

#[tokio::test]
async fn a_repository_of_the_table_alone_tells_what_a_change_means_and_would_do() {
    let desk = repository(|table| table["rules"][3]["session_policy"] = json!("analyst")).await;
    let (failed, comment) = job(&desk, "plan").await;
    assert_eq!(failed, None);
    insta::assert_snapshot!(desk.read("summary.md"), @r#"
    What the table says differently:

        - rules[3] of the old table  user "ops": science, engineer
        + rules[3]                   user "ops": science, analyst
        2 differences; for whom, an exported directory says: diff --directory
    "#);
    let url = desk.emulator.url();
    insta::assert_snapshot!(comment.unwrap().replace(&url, "URL"), @r"
    What this change of the table would do now:

        account 111122223333, us-east-1, identity store d-1234567890, at URL
        analytics (es-ABCDEFGHIJKLMNOPQRSTUVWXY)
          + analytics  alice                engineer              (rules[0], through data-engineers)
          + analytics  bob                  engineer              (rules[0], through data-engineers)
          + analytics  carol                analyst               (rules[1], through data-analysts)
        science (es-0123456789ABCDEFGHIJKLMNO)
          + science    data-engineers       analyst               (rules[2])
          + science    ops                  analyst               (rules[3])
        5 to create; 0 as they should be.
    ");
    let world = desk.emulator.world();
    assert!(!world.calls.iter().any(|call| call.is_write()));
}

#[tokio::test]
async fn what_is_wrong_with_a_change_of_the_table_alone_stops_it_at_the_step_that_sees_it() {
    let tool = |arguments: &str| format!("\"$RUNNER_TEMP/release/emr-studio-sync\" {arguments}");
    let desk = repository(|table| table["rules"][3]["studio"] = json!("none")).await;
    assert_eq!(job(&desk, "plan").await, (Some(tool("check")), None));
    assert_eq!(desk.calls(), [] as [String; 0]);
    assert_eq!(job(&desk, "deploy").await, (Some(tool("check")), None));

    let desk = repository(|table| table["rules"][3]["user"] = json!("nobody")).await;
    assert_eq!(job(&desk, "plan").await, (Some(tool("check --live")), None));

    let desk = repository(|_| ()).await;
    let denied = Fault::on("DescribeStudio", FaultKind::AccessDenied);
    desk.emulator.world().faults.add(denied);
    let denied = Fault::on("ListStudioSessionMappings", FaultKind::AccessDenied);
    desk.emulator.world().faults.rules.push(denied);
    let (failed, comment) = job(&desk, "plan").await;
    assert_eq!((failed, comment), (Some(tool("check --live")), None));
}

#[tokio::test]
async fn a_table_alone_is_deployed_with_the_release_that_checked_it() {
    let desk = repository(|_| ()).await;
    assert_eq!(job(&desk, "deploy").await, (None, None));
    insta::assert_snapshot!(desk.read("temp/aws.txt"), @r"
    cloudformation package --template-file template.yaml --s3-bucket BUCKET --output-template-file packaged.yaml
    cloudformation deploy --template-file packaged.yaml --stack-name emr-studio-sync --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --no-fail-on-empty-changeset
    ");
}
