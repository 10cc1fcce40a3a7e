//! What the README shows is what happens.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use emr_studio_sync::event::{self, Payload};
use emr_studio_sync::policy::read::{self, Format};
use emr_studio_sync::policy::{Deletions, OnDisabledUser, OnMissingGroup, Ownership, Pace};

const README: &str = include_str!("../../README.md");

/// The code blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let start = format!("```{language}\n");
    let blocks = README.split(start.as_str()).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_first_run_prints_what_is_shown() {
    let shown = blocks("text")[0];
    let command = blocks("console")[0];
    assert_eq!(
        command,
        "$ cargo run --features cli -- simulate events/*.json\n"
    );
    let files = "exec \"$0\" simulate events/*.json";
    let output = Command::new("sh")
        .args(["-c", files, env!("CARGO_BIN_EXE_emr-studio-sync")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), shown);
}

/// The table with everything in it.
fn whole_table() -> &'static str {
    let all = blocks("toml").into_iter();
    all.max_by_key(|block| block.len()).unwrap()
}

#[test]
fn who_has_mappings_goes_on_from_there_in_the_commands_shown() {
    let tool = env!("CARGO_BIN_EXE_emr-studio-sync");
    let mut emulate = Command::new(tool)
        .args(["emulate", "--directory", "events/existing.toml"])
        .args(["--listen", "127.0.0.1:0"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(emulate.stdout.as_mut().unwrap()).lines();
    let pasted: Vec<String> = lines.take(3).map(Result::unwrap).collect();
    let (_, url) = pasted[0].split_once('=').unwrap();
    // What was pasted can be taken back, all of it.
    let unset = blocks("sh").into_iter().find(|one| one.contains("unset "));
    let script = format!("{}\n{}env", pasted.join("\n"), unset.unwrap());
    let left = Command::new("sh")
        .args(["-c", &script])
        .env_clear()
        .output();
    let left = String::from_utf8(left.unwrap().stdout).unwrap();
    assert!(!left.contains("AWS_") && !left.contains("STORE"), "{left}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    // What each command of a block prints, as the README shows it.
    let played = |block: &str| {
        let mut shown = String::new();
        for line in block.lines().filter(|line| line.starts_with("$ ")) {
            let command = line.replace("$ cargo studio", tool);
            let script = format!("{}\n{command}", pasted.join("\n"));
            let output = Command::new("sh")
                .args(["-c", &script])
                .env_clear()
                .current_dir(folder.path())
                .output()
                .unwrap();
            let text = |bytes| String::from_utf8(bytes).unwrap();
            let (out, err) = (text(output.stdout), text(output.stderr));
            // It would be the usual port, were not others at it too.
            let all = format!("{line}\n{err}{out}").replace(url, "http://127.0.0.1:4599");
            shown += &all;
        }
        let trimmed = shown.lines().map(str::trim_end);
        trimmed.map(|line| format!("{line}\n")).collect::<String>()
    };
    let stories = blocks("console").into_iter();
    let stories: Vec<&str> = stories
        .filter(|block| block.contains("policy.toml --") || block.contains("> policy.toml"))
        .collect();
    let [adopting, changing] = stories[..] else {
        panic!("{stories:?}");
    };
    let tables = blocks("toml");
    assert_eq!(played(adopting), adopting);
    let adopted = std::fs::read_to_string(&file).unwrap();
    let (_, found) = adopted.split_once("[studios]").unwrap();
    assert_eq!(format!("[studios]{found}"), tables[0]);

    let (kept, _) = adopted.split_once("# Gone from").unwrap();
    std::fs::write(&file, format!("{kept}{}", tables[1])).unwrap();
    assert_eq!(played(changing), changing);
    emulate.kill().unwrap();
    emulate.wait().unwrap();
}

#[test]
fn the_table_shown_is_a_table_and_its_defaults_are_the_defaults() {
    let table = read::table(whole_table(), Format::Toml).unwrap();
    assert_eq!(
        (table.studios.len(), table.rules.len(), table.protect.len()),
        (2, 4, 1)
    );
    assert_eq!(table.deletions, Deletions::default());
    assert_eq!(table.pace, Pace::default());
    assert_eq!(table.on_missing_group, OnMissingGroup::Hold);
    assert_eq!(table.on_disabled_user, OnDisabledUser::Keep);
    assert_eq!(table.ownership, Ownership::SessionPolicy);
}

#[test]
fn the_table_that_is_checked_is_found_good_in_these_words() {
    let block = blocks("console")
        .into_iter()
        .find(|block| block.contains("check events/policy.toml"))
        .unwrap();
    let (command, shown) = block.split_once('\n').unwrap();
    let arguments = command.strip_prefix("$ cargo studio ").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_emr-studio-sync"))
        .args(arguments.split(' '))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), shown);
}

#[test]
fn the_requests_shown_are_requests() {
    for line in blocks("json")[0].lines() {
        let payload = serde_json::from_str(line).unwrap();
        assert!(
            matches!(event::payload(&payload), Payload::Request(Ok(_))),
            "{line}"
        );
    }
}

#[test]
fn the_problem_shown_is_told_in_these_words() {
    let table = whole_table().replacen(
        "studio = \"science\"\nsession_policy = \"analyst\"",
        "studio = \"nope\"\nsession_policy = \"analyst\"",
        1,
    );
    let problems = read::table(&table, Format::Toml).unwrap_err();
    assert_eq!(format!("{}\n", problems[0]), blocks("text")[1]);
}
