//! Who got or lost what: told out of the log that the deployed function writes.

use crate::support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::Duration;

use emr_studio_sync::emulator::{Fault, FaultKind, IdentityType, LogLine};
use serde_json::{Value, json};
use support::desk::{Desk, Said};
use support::{ANALYST, ANALYTICS, ENGINEER, FOREIGN, table, world};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::remote::{LOG_GROUP, deployed};

/// A function that has worked: alice left and dave came, between two full passes.
async fn desk() -> Desk {
    let desk = Desk::new(deployed(world(), "apply", &table(|_| ()))).await;
    reconcile(&desk).await;
    // In the past, so that there is a time between the two passes.
    for line in &mut desk.emulator.world().log {
        line.at_ms -= 3_600_000;
    }
    {
        let mut world = desk.emulator.world();
        world.remove_member("data-engineers", "alice").unwrap();
        world.add_member("data-engineers", "dave").unwrap();
        for mapping in world.mappings.values_mut() {
            mapping.created -= 3_600.0;
        }
    }
    reconcile(&desk).await;
    desk
}

async fn reconcile(desk: &Desk) {
    let said = desk
        .run(&["remote", "reconcile", "--yes", "--stack", "studio-sync"])
        .await;
    assert_eq!(said.code, 0, "{}", said.err);
}

async fn history(desk: &Desk, arguments: &[&str]) -> Said {
    desk.run(&[&["history"], arguments, &["--stack", "studio-sync"]].concat())
        .await
}

/// Without the times.
fn untimed(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| &line["2026-03-02T12:00:00Z  ".len()..]);
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn who_got_and_lost_what_is_told_by_rule_and_identity() {
    let desk = desk().await;
    let said = history(&desk, &[]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    insta::assert_snapshot!(untimed(&said.out), @r"
    + analytics  alice                engineer              (rules[0], through data-engineers)
    + analytics  bob                  engineer              (rules[0], through data-engineers)
    + analytics  carol                analyst               (rules[1], through data-analysts)
    + science    data-engineers       analyst               (rules[2])
    + science    ops                  engineer              (rules[3])
    - analytics  alice                engineer              (no rule wanted it)
    + analytics  dave                 engineer              (rules[0], through data-engineers)
    ");
    let last_minutes = history(&desk, &["--since", "30m"]).await;
    insta::assert_snapshot!(untimed(&last_minutes.out), @r"
    - analytics  alice                engineer              (no rule wanted it)
    + analytics  dave                 engineer              (rules[0], through data-engineers)
    ");
    let alice = history(&desk, &["--user", "alice"]).await;
    insta::assert_snapshot!(untimed(&alice.out), @r"
    + analytics  alice                engineer              (rules[0], through data-engineers)
    - analytics  alice                engineer              (no rule wanted it)
    ");
    let group = history(&desk, &["--group", "data-engineers"]).await;
    insta::assert_snapshot!(untimed(&group.out), @"+ science    data-engineers       analyst               (rules[2])");
    let science = history(&desk, &["--studio", "science", "--user", "alice"]).await;
    assert!(
        science.out.starts_with("No changes since "),
        "{}",
        science.out
    );
}

#[tokio::test]
async fn history_is_there_for_programs_and_spreadsheets() {
    let desk = desk().await;
    let said = history(&desk, &["--user", "alice", "--output", "json"]).await;
    let all: Value = serde_json::from_str(&said.out).expect(&said.err);
    let changes = all["changes"].as_array().unwrap();
    let alice = desk.emulator.world().user_id("alice").unwrap();
    assert_eq!((&all["version"], changes.len()), (&json!(1), 2));
    assert_eq!(changes[1]["action"], "delete");
    assert_eq!(changes[1]["identity_id"], alice);
    assert_eq!(changes[1]["identity_name"], "alice");
    assert_eq!(changes[1]["previous_policy"], ENGINEER);
    assert_eq!(changes[0]["via_group_name"], "data-engineers");
    let said = history(&desk, &["--output", "csv"]).await;
    assert_eq!(said.out.lines().count(), 1 + 7, "{}", said.out);
}

#[tokio::test]
async fn who_could_open_what_then_is_told_without_what_came_later() {
    let desk = desk().await;
    // Somebody else's, made since.
    desk.emulator
        .world()
        .map(ANALYTICS, IdentityType::User, "ops", FOREIGN)
        .unwrap();
    let between = chrono::Utc::now() - chrono::TimeDelta::minutes(30);
    let said = history(&desk, &["--at", &between.to_rfc3339()]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let (_, shown) = said.out.split_once('\n').unwrap();
    insta::assert_snapshot!(shown, @r"
    ┌─────────────────────────────────────────────────────┐
    │ Studio      Type    Who              Session policy │
    ╞═════════════════════════════════════════════════════╡
    │ analytics   USER    alice            engineer       │
    │ analytics   USER    bob              engineer       │
    │ analytics   USER    carol            analyst        │
    │ science     USER    ops              engineer       │
    │ science     GROUP   data-engineers   analyst        │
    └─────────────────────────────────────────────────────┘
    ");
    let before = history(&desk, &["--at", "2d"]).await;
    assert_eq!((before.code, before.out.as_str()), (1, ""));
    assert!(
        before.err.starts_with("error: the log begins at "),
        "{}",
        before.err
    );
    let alice = history(
        &desk,
        &["--at", "30m", "--user", "alice", "--output", "json"],
    )
    .await;
    let all: Value = serde_json::from_str(&alice.out).expect(&alice.err);
    assert_eq!(all["mappings"].as_array().unwrap().len(), 1);
    assert_eq!(all["mappings"][0]["session_policy"], ENGINEER);
}

/// Half an hour ago, between the two full passes.
async fn then(desk: &Desk, arguments: &[&str]) -> (Said, Value) {
    let arguments = [&["--at", "30m", "--output", "json"], arguments].concat();
    let said = history(desk, &arguments).await;
    let all = serde_json::from_str(&said.out).expect(&said.err);
    (said, all)
}

/// Who is told of, with which session policy; `?` where that is not certain.
fn told(all: &Value) -> Vec<String> {
    let rows = all["mappings"].as_array().unwrap().iter();
    let told = rows.map(|row| {
        let policy = row["session_policy"].as_str().unwrap();
        let (_, policy) = policy.rsplit_once('/').unwrap();
        let policy = policy.trim_start_matches("studio-");
        let doubt = if row["certain"] == true { "" } else { "?" };
        format!("{} {policy}{doubt}", row["identity_name"].as_str().unwrap())
    });
    told.collect()
}

/// The mapping of a user in the first Studio, made as long ago, and changed.
fn by_hand(desk: &Desk, user: &str, policy: &str, minutes: (i64, i64)) {
    let mut world = desk.emulator.world();
    let id = world.user_id(user).unwrap();
    let key = (ANALYTICS.to_owned(), IdentityType::User, id);
    world.mappings.remove(&key);
    world
        .map(ANALYTICS, IdentityType::User, user, policy)
        .unwrap();
    let mapping = world.mappings.get_mut(&key).unwrap();
    mapping.created -= 60.0 * minutes.0 as f64;
    mapping.modified -= 60.0 * minutes.1 as f64;
}

fn delete_by_hand(desk: &Desk, user: &str) {
    let mut world = desk.emulator.world();
    let id = world.user_id(user).unwrap();
    let key = (ANALYTICS.to_owned(), IdentityType::User, id);
    world.mappings.remove(&key).unwrap();
}

/// That a person is told of so, and the one problem that there is.
async fn in_doubt(desk: &Desk, user: &str, row: &str, problem: &str) {
    let (said, all) = then(desk, &["--user", user]).await;
    assert_eq!((said.code, told(&all)), (1, vec![row.to_owned()]));
    let problems = all["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    // Without the times.
    let time = |word: &str| word.starts_with("20") && word.contains("Z");
    let words = problems[0].as_str().unwrap().split(' ');
    let words = words.map(|word| match (time(word), word.ends_with(';')) {
        (true, true) => "T;",
        (true, false) if word.ends_with(',') => "T,",
        (true, false) => "T",
        (false, _) => word,
    });
    assert_eq!(words.collect::<Vec<_>>().join(" "), problem);
    assert!(said.err.contains(&format!("! analytics: what {user} had")));
    let by_id = desk.emulator.world().user_id(user).unwrap();
    let (_, same) = then(desk, &["--user", &by_id]).await;
    assert_eq!(same["problems"], all["problems"]);
}

async fn without_doubt(desk: &Desk, user: &str, rows: &[&str]) {
    let (said, all) = then(desk, &["--user", user]).await;
    assert_eq!(
        (said.code, told(&all)),
        (0, rows.iter().map(|row| (*row).to_owned()).collect())
    );
    assert_eq!(all["problems"], json!([]), "{}", said.err);
}

#[tokio::test]
async fn who_was_deleted_by_hand_since_is_told_by_the_log_and_in_doubt() {
    let desk = desk().await;
    delete_by_hand(&desk, "carol");
    let problem = "analytics: what carol had then is not certain: the log has analyst from T on, \
                   and there is none now; others changed it in between; shown is the former";
    in_doubt(&desk, "carol", "carol analyst?", problem).await;
    // Nobody else is, and nobody else's doubt is told to who asks about them.
    without_doubt(&desk, "bob", &["bob engineer"]).await;
    without_doubt(&desk, "dave", &[]).await;
    let said = history(&desk, &["--at", "30m"]).await;
    assert_eq!(said.code, 1);
    assert!(said.out.contains("analyst (not certain)"), "{}", said.out);
    assert_eq!(said.out.matches("(not certain)").count(), 1);
    let (_, science) = then(&desk, &["--studio", "science"]).await;
    assert_eq!(science["problems"], json!([]));
    // The function's repair proves nothing of what was before it.
    reconcile(&desk).await;
    let problem = problem.replace("there is none now", "no mapping until T");
    in_doubt(&desk, "carol", "carol analyst?", &problem).await;
}

#[tokio::test]
async fn who_was_deleted_and_made_again_by_hand_since_is_in_doubt() {
    let desk = desk().await;
    by_hand(&desk, "carol", ANALYST, (10, 10));
    let problem = "analytics: what carol had then is not certain: the log has analyst from T on, \
                   and that of now was made at T; others changed it in between; shown is the \
                   former";
    in_doubt(&desk, "carol", "carol analyst?", problem).await;
}

#[tokio::test]
async fn a_session_policy_that_others_changed_is_told_by_when_they_did() {
    let desk = desk().await;
    by_hand(&desk, "bob", FOREIGN, (60, 10));
    let problem = "analytics: what bob had then is not certain: the log has engineer from T on, \
                   and now it is somebody-elses, last changed at T; others changed it in between; shown \
                   is the former";
    in_doubt(&desk, "bob", "bob engineer?", problem).await;
    // Before the time: then the mapping itself proves what it was.
    by_hand(&desk, "bob", FOREIGN, (60, 45));
    without_doubt(&desk, "bob", &["bob somebody-elses"]).await;
    let denied = Fault::on("GetStudioSessionMapping", FaultKind::AccessDenied);
    desk.emulator.world().faults.add(denied);
    let (said, all) = then(&desk, &["--user", "bob"]).await;
    assert_eq!(
        (said.code, told(&all)),
        (1, vec!["bob engineer?".to_owned()])
    );
    assert!(
        said.err
            .contains("when it was last changed is not told (GetStudioSessionMapping failed"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn what_the_function_changed_back_since_is_in_doubt() {
    let desk = desk().await;
    by_hand(&desk, "bob", ANALYST, (60, 10));
    reconcile(&desk).await;
    let problem = "analytics: what bob had then is not certain: the log has engineer from T on, \
                   and analyst until T; others changed it in between; shown is the former";
    in_doubt(&desk, "bob", "bob engineer?", problem).await;
}

#[tokio::test]
async fn a_mapping_of_unknown_age_that_the_function_deleted_since_is_in_doubt() {
    let desk = desk().await;
    by_hand(&desk, "ops", ANALYST, (10, 10));
    reconcile(&desk).await;
    let (said, all) = then(&desk, &["--user", "ops", "--studio", "analytics"]).await;
    assert_eq!(
        (said.code, told(&all)),
        (1, vec!["ops analyst?".to_owned()])
    );
    let problem = all["problems"][0].as_str().unwrap();
    let until = problem.split_once("the log has nothing of it before, and analyst until ");
    let (_, end) = until.expect(problem);
    assert!(
        end.ends_with("; since when is not known; shown is that"),
        "{end}"
    );
}

#[tokio::test]
async fn somebody_elses_mapping_is_told_if_it_has_not_changed_since() {
    let desk = desk().await;
    by_hand(&desk, "ops", FOREIGN, (60, 60));
    let here = ["--studio", "analytics", "--user", "ops"];
    let (said, all) = then(&desk, &here).await;
    assert_eq!(
        (said.code, told(&all)),
        (0, vec!["ops somebody-elses".to_owned()])
    );
    by_hand(&desk, "ops", FOREIGN, (60, 10));
    let (said, all) = then(&desk, &here).await;
    assert_eq!(
        (said.code, told(&all)),
        (1, vec!["ops somebody-elses?".to_owned()])
    );
    // Only who is asked about is looked at, and only where the log does not tell.
    desk.calls();
    then(&desk, &["--user", "carol"]).await;
    let calls = desk.calls();
    let asked = calls
        .iter()
        .filter(|call| *call == "GetStudioSessionMapping");
    assert_eq!(asked.count(), 0, "{calls:?}");
}

#[tokio::test]
async fn each_form_of_what_there_was_says_what_it_cannot_know() {
    let desk = desk().await;
    let unknown = "what others than the function changed is not in its log";
    let table = history(&desk, &["--at", "30m"]).await;
    let (first, _) = table.out.split_once('\n').unwrap();
    assert!(first.ends_with(unknown), "{first}");
    for output in ["csv", "json"] {
        let said = history(&desk, &["--at", "30m", "--output", output]).await;
        assert!(said.err.contains(unknown), "{}", said.err);
    }
    let csv = history(&desk, &["--at", "30m", "--output", "csv"]).await;
    let (names, rows) = csv.out.split_once('\n').unwrap();
    assert!(names.ends_with(",session_policy,certain"), "{names}");
    assert!(rows.lines().all(|row| row.ends_with(",true")), "{rows}");
    let elsewhere = ["--at", "30m", "--studio", "es-ZZZZZZZZZZZZZZZZZZZZZZZZZZ"];
    let said = history(&desk, &elsewhere).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("is not in the table"), "{}", said.err);
}

/// A log that is being followed, and what is said of it.
struct Followed {
    child: Child,
    out: UnboundedReceiver<String>,
    err: UnboundedReceiver<String>,
}

impl Followed {
    fn of(desk: &Desk) -> Followed {
        let arguments = ["--follow", "--since", "30m", "--stack", "studio-sync"];
        let mut command = desk.tool(&[&["history"], &arguments[..]].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Followed {
            out: lines(child.stdout.take().unwrap()),
            err: lines(child.stderr.take().unwrap()),
            child,
        }
    }

    async fn next(&mut self) -> String {
        soon(&mut self.out).await
    }

    /// What is said beside the result: the next line with these words.
    async fn hears(&mut self, words: &str) -> String {
        loop {
            let line = soon(&mut self.err).await;
            if line.contains(words) {
                return line;
            }
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> UnboundedReceiver<String> {
    let (told, said) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(from).lines();
        lines
            .map_while(Result::ok)
            .for_each(|line| drop(told.send(line)));
    });
    said
}

async fn soon(said: &mut UnboundedReceiver<String>) -> String {
    let next = tokio::time::timeout(Duration::from_secs(60), said.recv());
    next.await.unwrap().unwrap()
}

/// The first change of the log is written once more, now; with which time it is told.
fn write_again(desk: &Desk) -> String {
    let mut world = desk.emulator.world();
    let lines = &mut world.log.iter();
    let first = lines.find(|line| line.message.contains("\"done\""));
    let message = first.unwrap().message.clone();
    let at_ms = chrono::Utc::now().timestamp_millis();
    let group = LOG_GROUP.to_owned();
    world.log.push(LogLine {
        group,
        at_ms,
        message,
    });
    let at = chrono::DateTime::from_timestamp_millis(at_ms).unwrap();
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[tokio::test]
async fn a_log_that_is_followed_tells_each_change_once() {
    let desk = desk().await;
    let mut followed = Followed::of(&desk);
    assert!(followed.next().await.contains("- analytics"));
    assert!(followed.next().await.contains("+ analytics"));
    let time = write_again(&desk);
    let one = followed.next().await;
    assert!(one.starts_with(&time), "{one}");
}

#[tokio::test]
async fn a_log_that_is_followed_is_followed_over_failures_that_pass() {
    let desk = desk().await;
    let mut followed = Followed::of(&desk);
    assert!(followed.next().await.contains("- analytics"));
    assert!(followed.next().await.contains("+ analytics"));
    // One reading fails with all its attempts, and the next as well.
    for kind in [FaultKind::Throttle, FaultKind::DropBefore] {
        let one = Fault::on("FilterLogEvents", kind).times(4);
        desk.emulator.world().faults.add(one);
    }
    let first = followed.hears("FilterLogEvents failed").await;
    assert!(first.ends_with("tried again in 2 s"), "{first}");
    let time = write_again(&desk);
    let second = followed.hears("FilterLogEvents failed").await;
    assert!(second.ends_with("tried again in 4 s"), "{second}");
    followed.hears("the log is read again").await;
    let one = followed.next().await;
    assert!(one.starts_with(&time), "{one}");
    // And nothing twice: the next line is the next change.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let time = write_again(&desk);
    let one = followed.next().await;
    assert!(one.starts_with(&time), "{one}");
}

#[tokio::test]
async fn a_log_that_may_not_be_followed_any_more_is_told_as_that() {
    let desk = desk().await;
    let mut followed = Followed::of(&desk);
    followed.next().await;
    let denied = Fault::on("FilterLogEvents", FaultKind::AccessDenied);
    desk.emulator.world().faults.add(denied);
    let error = followed.hears("error: ").await;
    assert!(error.contains("allow logs:FilterLogEvents"), "{error}");
    assert_eq!(followed.child.wait().unwrap().code(), Some(1));
    // Where it is not followed, it is no use to wait.
    desk.emulator.world().faults.rules.clear();
    let throttled = Fault::on("FilterLogEvents", FaultKind::Throttle).times(4);
    desk.emulator.world().faults.add(throttled);
    let said = history(&desk, &[]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("ThrottlingException"), "{}", said.err);
}

#[tokio::test]
async fn a_function_says_itself_where_its_log_is() {
    let desk = desk().await;
    let by_stack = history(&desk, &[]).await;
    let by_name = ["history", "--function", "studio-sync-Function-ABC"];
    let said = desk.run(&by_name).await;
    assert_eq!((said.code, &said.out), (0, &by_stack.out), "{}", said.err);
    let denied = Fault::on("GetFunctionConfiguration", FaultKind::AccessDenied);
    desk.emulator.world().faults.add(denied);
    let said = desk.run(&by_name).await;
    assert!(
        said.err
            .contains("allow lambda:GetFunctionConfiguration on it"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_studio_that_nobody_knows_is_refused_and_not_taken_for_one_without_changes() {
    let desk = desk().await;
    let said = history(&desk, &["--studio", "analytcs"]).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(
        said.err.contains("--studio: no studio is called"),
        "{}",
        said.err
    );
    let mut without_table = desk.tool(&["history", "--stack", "studio-sync"]);
    without_table.args(["--studio", "analytcs"]);
    let said = tokio::task::spawn_blocking(move || without_table.output());
    let said = said.await.unwrap().unwrap();
    let err = String::from_utf8(said.stderr).unwrap();
    assert!(err.contains("the log has no change of a Studio"), "{err}");
    assert_eq!(said.status.code(), Some(1));
    // One that is in no table any more has its id.
    let said = history(&desk, &["--studio", "es-ZZZZZZZZZZZZZZZZZZZZZZZZZZ"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let by_alias = history(&desk, &["--studio", "analytics"]).await;
    let by_id = history(&desk, &["--studio", ANALYTICS]).await;
    assert_eq!(by_alias.out, by_id.out);
    assert_eq!(by_alias.out.lines().count(), 5);
}

#[tokio::test]
async fn a_log_that_may_not_be_read_or_is_not_there_is_told_as_that() {
    let desk = desk().await;
    let denied = Fault::on("FilterLogEvents", FaultKind::AccessDenied);
    desk.emulator.world().faults.add(denied);
    let said = history(&desk, &[]).await;
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("allow logs:FilterLogEvents on it"),
        "{}",
        said.err
    );
    desk.emulator.world().faults.rules.clear();
    let said = desk.run(&["history", "--function", "nobody"]).await;
    assert!(
        said.err.contains("there is no function \"nobody\" in"),
        "{}",
        said.err
    );
    {
        let mut world = desk.emulator.world();
        world.log_groups.clear();
        world.log.clear();
    }
    let said = history(&desk, &[]).await;
    assert!(
        said.err
            .contains("there is no log group studio-sync-LogGroup-DEF"),
        "{}",
        said.err
    );
    let said = history(&desk, &["--since", "yesterday"]).await;
    assert!(said.err.contains("that is no time"), "{}", said.err);
}
