//! What the README shows is what happens.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers are tests too

use std::process::Command;

use emr_studio_sync::event::{self, Payload};
use emr_studio_sync::policy::read::{self, Format};
use emr_studio_sync::policy::{Deletions, OnDisabledUser, OnMissingGroup, Ownership, Pace};

const README: &str = include_str!("../README.md");

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

#[test]
fn the_table_shown_is_a_table_and_its_defaults_are_the_defaults() {
    let table = read::table(blocks("toml")[0], Format::Toml).unwrap();
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
        .find(|block| block.contains("check"))
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
    let table = blocks("toml")[0].replacen(
        "studio = \"science\"\nsession_policy = \"analyst\"",
        "studio = \"nope\"\nsession_policy = \"analyst\"",
        1,
    );
    let problems = read::table(&table, Format::Toml).unwrap_err();
    assert_eq!(format!("{}\n", problems[0]), blocks("text")[1]);
}
