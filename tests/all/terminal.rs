//! What happens only where somebody sits at a terminal: questions and signs of
//! life. The real binary on a pseudo terminal.

use crate::support;

use std::process::Command;
use std::time::Duration;

use emr_studio_sync::emulator::{Fault, FaultKind, IdentityType, World};
use rexpect::session::{Options, PtySession, spawn_with_options};
use serde_json::{Value, json};
use support::desk::{Desk, said};
use support::{ANALYST, ANALYTICS, ENGINEER, FOREIGN, STORE, table, world};

use crate::remote::deployed;

/// Talks with the tool on a terminal of its own; what it says at the end, and
/// its exit code.
async fn talk(
    desk: &Desk,
    arguments: &[&str],
    conversation: impl FnOnce(&mut PtySession) + Send + 'static,
) -> (String, i32) {
    let tool = desk.tool(arguments);
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "\"$0\" \"$@\"; echo exit code: $?."])
        .arg(tool.get_program())
        .args(tool.get_args())
        .env_clear()
        .envs(
            tool.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("POLICY_TABLE", "policy.json")
        .env("IDENTITY_STORE_ID", STORE)
        .env("TERM", "xterm")
        .current_dir(desk.folder.path());
    // The embedded AWS answers from this thread meanwhile.
    tokio::task::spawn_blocking(move || {
        let options = Options::new()
            .timeout_ms(Some(20_000))
            .strip_ansi_escape_codes(true);
        let mut session = spawn_with_options(shell, options).unwrap();
        conversation(&mut session);
        let said = session.exp_string("exit code: ").unwrap();
        let code = session.exp_string(".").unwrap();
        (said, code.parse().unwrap())
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn apply_shows_the_plan_and_asks_and_only_yes_is_yes() {
    let desk = Desk::new(world()).await;
    let question = "Make these changes? Only \"yes\" will do: ";
    for no in ["no", "y", ""] {
        let answered = talk(&desk, &["apply"], move |session| {
            session.exp_string("+ analytics  alice").unwrap();
            session.exp_string("5 to create").unwrap();
            session.exp_string(question).unwrap();
            session.send_line(no).unwrap();
        });
        let (said, code) = answered.await;
        assert!(said.contains("error: nothing was changed"), "{said}");
        assert_eq!(code, 1);
        assert_eq!(desk.mappings(), Vec::<String>::new());
    }
    let answered = talk(&desk, &["apply"], move |session| {
        let place = "account 111122223333, us-east-1, identity store d-1234567890, at http://";
        // On top, and in the question.
        session.exp_string(place).unwrap();
        session.exp_string("5 to create").unwrap();
        session.exp_string(place).unwrap();
        session.exp_string(question).unwrap();
        session.send_line("yes").unwrap();
    });
    let (said, code) = answered.await;
    assert!(said.contains("5 created"), "{said}");
    assert_eq!((code, desk.mappings().len()), (0, 5));
    // Nothing to do, nothing to ask.
    let (said, code) = talk(&desk, &["apply"], |_| ()).await;
    assert!(
        said.contains("Nothing to do") && !said.contains("yes"),
        "{said}"
    );
    assert_eq!(code, 0);
}

/// Answers a command with yes, after something has happened meanwhile.
async fn with_a_surprise(
    desk: &Desk,
    arguments: &[&str],
    surprise: impl FnOnce(&mut World),
) -> (String, i32) {
    let (asked, was_asked) = std::sync::mpsc::channel();
    let (changed, was_changed) = std::sync::mpsc::channel();
    let answered = talk(desk, arguments, move |session| {
        session.exp_string("Only \"yes\" will do: ").unwrap();
        asked.send(()).unwrap();
        was_changed.recv().unwrap();
        session.send_line("yes").unwrap();
    });
    let meanwhile = async {
        let waiting = tokio::task::spawn_blocking(move || was_asked.recv().unwrap());
        waiting.await.unwrap();
        surprise(&mut desk.emulator.world());
        changed.send(()).unwrap();
    };
    let (answered, ()) = tokio::join!(answered, meanwhile);
    answered
}

async fn apply_with_a_surprise(desk: &Desk, surprise: impl FnOnce(&mut World)) -> (String, i32) {
    with_a_surprise(desk, &["apply", "--studio", "analytics"], surprise).await
}

type Surprise = Box<dyn FnOnce(&mut World)>;

/// Somebody gets another session policy.
fn remap(user: &'static str) -> impl FnOnce(&mut World) {
    move |world| {
        world
            .map(ANALYTICS, IdentityType::User, user, ENGINEER)
            .unwrap();
    }
}

fn with(user: &str) -> World {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, user, ANALYST)
        .unwrap();
    start
}

#[tokio::test]
async fn a_mapping_that_has_another_session_policy_than_was_shown_is_not_taken_away() {
    let desk = Desk::new(with("dave")).await;
    let (said, code) = apply_with_a_surprise(&desk, remap("dave")).await;
    assert!(said.contains("3 created, 1 skipped"), "{said}");
    assert_eq!(code, 1);
    let daves = "analytics USER dave engineer".to_owned();
    assert!(desk.mappings().contains(&daves), "{said}");
}

#[tokio::test]
async fn of_a_reviewed_plan_nothing_is_made_if_the_world_moves_at_the_question() {
    let more = |world: &mut World| {
        world.add_member("data-analysts", "dave").unwrap();
    };
    let other = remap("dave");
    let (now, then) = (
        "to do now, and not in the plan",
        "in the plan, and not to do now",
    );
    for (surprise, told) in [
        (Box::new(more) as Surprise, &[then][..]),
        (Box::new(other), &[now, then]),
    ] {
        let desk = Desk::new(with("dave")).await;
        desk.run(&["plan", "--out", "plan.json"]).await;
        let (said, code) = with_a_surprise(&desk, &["apply", "plan.json"], surprise).await;
        assert!(said.contains("nothing was changed"), "{said}");
        for told in told {
            assert!(said.contains(told), "{said}");
        }
        assert_eq!((code, desk.mappings().len()), (1, 1), "{said}");
        let world = desk.emulator.world();
        assert!(!world.calls.iter().any(|call| call.is_write()), "{said}");
    }
}

#[tokio::test]
async fn what_somebody_else_changes_at_the_question_is_not_deleted_by_hand() {
    let desk = Desk::new(with("alice")).await;
    let arguments = ["mapping", "delete", "--studio", "analytics"];
    let arguments = [&arguments[..], &["--user", "alice"]].concat();
    let (said, code) = with_a_surprise(&desk, &arguments, remap("alice")).await;
    let told = "it had analyst, and has engineer now; nothing was changed";
    assert!(said.contains(told), "{said}");
    assert_eq!(code, 1);
    assert_eq!(desk.mappings(), ["analytics USER alice engineer"]);
}

#[tokio::test]
async fn whom_somebody_maps_at_its_question_a_probe_does_not_touch() {
    let desk = Desk::new(world()).await;
    let arguments = ["probe", "--studio", ANALYTICS, "--user", "alice"];
    let (said, code) = with_a_surprise(&desk, &arguments, remap("alice")).await;
    assert!(said.contains("alice has a mapping already"), "{said}");
    assert_eq!(code, 1);
    assert_eq!(desk.mappings(), ["analytics USER alice engineer"]);
    let world = desk.emulator.world();
    assert!(!world.calls.iter().any(|call| call.is_write()), "{said}");
}

#[tokio::test]
async fn what_has_appeared_since_the_question_is_not_made() {
    let mut start = world();
    start.add_user("zoe").unwrap();
    let desk = Desk::new(start).await;
    let surprise = |world: &mut World| {
        world
            .map(ANALYTICS, IdentityType::User, "zoe", ANALYST)
            .unwrap();
        world.add_member("data-analysts", "dave").unwrap();
    };
    let (said, code) = apply_with_a_surprise(&desk, surprise).await;
    assert!(said.contains("- analytics  zoe"), "{said}");
    assert!(
        said.contains("2 more to do since the plan was shown"),
        "{said}"
    );
    assert!(said.contains("3 created, 2 skipped"), "{said}");
    assert_eq!(code, 1);
    let mapped = [
        "analytics USER alice engineer",
        "analytics USER bob engineer",
        "analytics USER carol analyst",
        "analytics USER zoe analyst",
    ];
    assert_eq!(desk.mappings(), mapped);
}

#[tokio::test]
async fn who_was_not_in_the_plan_takes_no_room_from_those_who_were() {
    let desk = Desk::new(world()).await;
    let small = |table: &mut Value| {
        table["studios"]["analytics"]["limits"] = json!({ "users": 3 });
    };
    desk.write("policy.json", &table(small).to_string());
    let surprise = |world: &mut World| {
        world.add_member("data-engineers", "dave").unwrap();
    };
    let (said, code) = apply_with_a_surprise(&desk, surprise).await;
    assert!(said.contains("3 created, 1 over capacity"), "{said}");
    assert!(!said.contains("more to do"), "{said}");
    assert_eq!((code, desk.mappings().len()), (1, 3));
}

#[tokio::test]
async fn what_was_shown_and_is_not_made_is_told() {
    let desk = Desk::new(world()).await;
    let surprise = |world: &mut World| {
        world
            .map(ANALYTICS, IdentityType::User, "carol", FOREIGN)
            .unwrap();
    };
    let (said, code) = apply_with_a_surprise(&desk, surprise).await;
    assert!(said.contains("2 created"), "{said}");
    assert!(
        said.contains("1 of what was shown is not to be done any more"),
        "{said}"
    );
    assert_eq!(code, 1);
}

const RECONCILE: [&str; 4] = ["remote", "reconcile", "--stack", "studio-sync"];

#[tokio::test]
async fn what_the_function_makes_besides_what_was_shown_is_named() {
    let mut start = world();
    start.add_user("zoe").unwrap();
    let desk = Desk::new(deployed(start, "apply", &table(|_| ()))).await;
    let surprise = |world: &mut World| {
        world
            .map(ANALYTICS, IdentityType::User, "zoe", ANALYST)
            .unwrap();
    };
    let (said, code) = with_a_surprise(&desk, &RECONCILE, surprise).await;
    let (shown, made) = said.split_once("Done, and not shown before").unwrap();
    assert!(!shown.contains("zoe"), "{said}");
    let (besides, rest) = made.split_once("! ").unwrap();
    assert!(besides.contains("- analytics  zoe"), "{said}");
    assert!(!besides.contains("alice"), "{said}");
    let told = "1 of what was done had not been shown";
    assert!(rest.starts_with(told), "{said}");
    assert!(said.contains("5 created, 1 deleted"), "{said}");
    // All that was shown is done.
    assert_eq!((code, desk.mappings().len()), (0, 5), "{said}");
}

#[tokio::test]
async fn what_was_shown_and_the_function_does_not_find_any_more_is_named() {
    let desk = Desk::new(deployed(world(), "apply", &table(|_| ()))).await;
    let (said, code) = with_a_surprise(&desk, &RECONCILE, remap("alice")).await;
    let (_, made) = said
        .split_once("Shown, and not to be done any more")
        .unwrap();
    assert!(
        made.trim_start().starts_with("+ analytics  alice"),
        "{said}"
    );
    assert!(made.contains("! 1 of what was shown is not to be done any more"));
    assert!(made.contains("4 created"), "{said}");
    assert_eq!((code, desk.mappings().len()), (1, 5), "{said}");
}

#[tokio::test]
async fn the_question_about_a_function_names_where_the_function_works() {
    let desk = Desk::new(deployed(world(), "apply", &table(|_| ()))).await;
    let other = ["--identity-store-id", "d-0000000000"];
    let arguments = [&RECONCILE[..], &other].concat();
    let answered = talk(&desk, &arguments, |session| {
        let place =
            "account 111122223333, us-east-1, identity store d-1234567890 (not d-0000000000, ";
        session.exp_string(place).unwrap();
        session.exp_string("5 to create").unwrap();
        session.exp_string(place).unwrap();
        let question = "Let studio-sync-Function-ABC make these changes?";
        session.exp_string(question).unwrap();
        session.send_line("no").unwrap();
    });
    assert_eq!(answered.await.1, 1);
    assert_eq!(desk.mappings(), Vec::<String>::new());
}

#[tokio::test]
async fn while_the_function_works_the_time_that_passes_is_shown() {
    let desk = Desk::new(deployed(world(), "apply", &table(|_| ()))).await;
    let slow = FaultKind::Latency(Duration::from_millis(1500));
    desk.emulator
        .world()
        .faults
        .add(Fault::on("ListGroups", slow));
    let plan = ["remote", "plan", "--stack", "studio-sync"];
    let watched = talk(&desk, &plan, |session| {
        let line = "waiting for studio-sync-Function-ABC 1s";
        session.exp_string(line).unwrap();
    });
    assert_eq!(watched.await.1, 2);
    let piped = desk.run(&plan).await;
    assert_eq!((piped.code, piped.err.as_str()), (2, ""));
}

#[tokio::test]
async fn an_approval_that_is_stale_at_the_question_makes_nothing_at_all() {
    let mut start = world();
    for number in 0..8 {
        start.add_user(&format!("former-{number}")).unwrap();
    }
    let former = |world: &mut World, number: usize| {
        let name = format!("former-{number}");
        world
            .map(ANALYTICS, IdentityType::User, &name, ANALYST)
            .unwrap();
    };
    (0..7).for_each(|number| former(&mut start, number));
    let desk = Desk::new(start).await;
    let plan = desk.run(&["plan"]).await;
    let (_, id) = plan.out.rsplit_once("apply --approve ").unwrap();
    let arguments = ["apply", "--approve", id];
    let surprise = |world: &mut World| former(world, 7);
    let (said, code) = with_a_surprise(&desk, &arguments, surprise).await;
    let told = format!("error: --approve: {id} is not the set of deletions held now");
    assert!(said.contains(&told), "{said}");
    assert!(said.contains("Nothing else was changed either"), "{said}");
    assert_eq!((code, desk.mappings().len()), (1, 8), "{said}");
    let world = desk.emulator.world();
    assert!(!world.calls.iter().any(|call| call.is_write()), "{said}");
}

#[tokio::test]
async fn nobody_is_asked_about_what_they_were_not_shown() {
    let desk = Desk::new(world()).await;
    for form in ["json", "csv"] {
        let arguments = ["apply", "--output", form];
        let answered = talk(&desk, &arguments, |session| {
            session.exp_string("5 to create").unwrap();
            session.exp_string("Only \"yes\" will do: ").unwrap();
            session.send_line("no").unwrap();
        });
        assert_eq!(answered.await.1, 1);
    }
}

#[tokio::test]
async fn deleting_by_hand_asks_by_the_name_of_whom_it_is() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "alice", ANALYST)
        .unwrap();
    let alice = start.user_id("alice").unwrap();
    let desk = Desk::new(start).await;
    let arguments = [
        "mapping",
        "delete",
        "--studio",
        "analytics",
        "--user-id",
        &alice,
    ];
    for (answer, code, left) in [("no", 1, 1), ("yes", 0, 0)] {
        let answered = talk(&desk, &arguments, move |session| {
            let question = "Delete the mapping of alice in analytics (analyst)? Only \"yes\"";
            session.exp_string(question).unwrap();
            session.send_line(answer).unwrap();
        });
        let (said, ended) = answered.await;
        assert_eq!(ended, code, "{said}");
        assert_eq!(desk.mappings().len(), left);
    }
}

#[tokio::test]
async fn deleting_by_hand_asks_by_the_present_name_where_another_bears_the_old_one() {
    let mut start = with("alice");
    start.rename_user("alice", "alicia").unwrap();
    start.add_user("alice").unwrap();
    let desk = Desk::new(start).await;
    let alicia = desk.emulator.world().user_id("alicia").unwrap();
    for whom in [["--user", "alicia"], ["--user-id", &alicia]] {
        let place = ["mapping", "delete", "--studio", "analytics"];
        let arguments = [&place[..], &whom].concat();
        let answered = talk(&desk, &arguments, |session| {
            let question = "Delete the mapping of alicia (mapped as alice) in analytics (analyst)?";
            session.exp_string(question).unwrap();
            session.send_line("no").unwrap();
        });
        assert_eq!(answered.await.1, 1);
    }
}

#[tokio::test]
async fn a_long_read_shows_a_sign_of_life_on_a_terminal_and_nowhere_else() {
    let desk = Desk::new(world()).await;
    let slow = FaultKind::Latency(Duration::from_millis(400));
    desk.emulator.world().faults.add(Fault::on("*", slow));
    let watched = talk(&desk, &["plan"], |session| {
        session.exp_regex("reading: [0-9]+ calls").unwrap();
    });
    let (said, code) = watched.await;
    assert!(said.contains("5 to create"), "{said}");
    assert_eq!(code, 2);

    let piped = desk.run(&["plan"]).await;
    assert_eq!((piped.code, piped.err.as_str()), (2, ""));
}

#[tokio::test]
async fn diagnostics_go_to_standard_error_and_results_to_standard_output() {
    let desk = Desk::new(world()).await;
    let quiet = desk.run(&["plan", "--output", "csv"]).await;
    let loud = desk.run(&["-vv", "plan", "--output", "csv"]).await;
    assert_eq!(quiet.out, loud.out);
    assert_eq!(quiet.err, "");
    assert!(
        loud.err.contains("call=\"ListStudioSessionMappings\""),
        "{}",
        loud.err
    );
    let applied = desk.run(&["apply", "-v", "--yes"]).await;
    assert!(applied.err.contains("action=\"create\""), "{}", applied.err);
    assert!(!applied.err.contains("alice"), "{}", applied.err);
}

#[tokio::test]
async fn without_a_region_or_credentials_the_cure_is_named() {
    let desk = Desk::new(world()).await;
    let mut command = desk.tool(&[
        "plan",
        "--identity-store-id",
        STORE,
        "--table",
        "policy.json",
    ]);
    let no_region = said({
        command.env_remove("AWS_REGION");
        command
    });
    let no_region = no_region.await;
    assert_eq!(no_region.code, 1);
    assert!(no_region.err.contains("give --region"), "{}", no_region.err);
}
