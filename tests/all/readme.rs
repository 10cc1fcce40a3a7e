//! What the README shows is what happens.

use std::process::Command;

use emr_studio_sync::event::{self, Payload};
use emr_studio_sync::policy::lint;
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
    let opened = blocks("sh").into_iter();
    let opened = opened.filter_map(|block| block.strip_prefix("cargo studio emulate "));
    let [opened] = opened.collect::<Vec<_>>()[..] else {
        panic!("one shell is opened")
    };
    let opened: Vec<&str> = opened.split_whitespace().collect();
    let (directory, shell) = opened.split_at(opened.len() - 1);
    let directory: Vec<String> = directory
        .iter()
        .map(|word| word.replace("events/", concat!(env!("CARGO_MANIFEST_DIR"), "/events/")))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    // What the commands of a block print in that shell, as the README shows it.
    let played = |block: &str| {
        let mut script = "echo $AWS_ENDPOINT_URL\nexec 2>&1\n".to_owned();
        for line in block.lines().filter(|line| line.starts_with("$ ")) {
            let command = line.replace("$ cargo studio", tool);
            script += &format!("echo '{line}'\n{command}\n");
        }
        let output = Command::new(tool)
            .arg("emulate")
            .args(&directory)
            .args([shell[0], "-c", &script])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{block}");
        let shown = String::from_utf8(output.stdout).unwrap();
        // It would be the usual port, were not others at it too.
        let (url, shown) = shown.split_once('\n').unwrap();
        let shown = shown.replace(url, "http://127.0.0.1:4599");
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
}

#[test]
fn the_table_shown_is_a_table_and_its_defaults_are_the_defaults() {
    let (table, document) = read::table_and_document(whole_table(), Format::Toml).unwrap();
    assert_eq!(lint::warnings(&table, &document), []);
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
    let table = whole_table().replacen("studio = \"science\"", "studio = \"nope\"", 1);
    let problems = read::table(&table, Format::Toml).unwrap_err();
    assert_eq!(format!("{}\n", problems[0]), blocks("text")[1]);
}
