//! docs/cookbook.md: each table is one, and does what stands under it.

use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const COOKBOOK: &str = include_str!("../../docs/cookbook.md");

fn block<'t>(text: &'t str, language: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("```{language}\n"))?;
    rest.split("```").next()
}

/// The recipes: what each is called, its table, and what is shown of it.
fn recipes() -> Vec<(&'static str, &'static str, &'static str)> {
    let sections = COOKBOOK.split("\n## ").skip(1);
    let recipes = sections.map(|section| {
        let title = section.lines().next().unwrap();
        (
            title,
            block(section, "toml").expect(title),
            block(section, "text").expect(title),
        )
    });
    recipes.collect()
}

fn tool(table: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    std::fs::write(&file, table).unwrap();
    let mut tool = Command::new(env!("CARGO_BIN_EXE_emr-studio-sync"));
    let arguments = arguments.iter().map(|argument| match *argument {
        "TABLE" => file.to_str().unwrap(),
        other => other,
    });
    tool.args(arguments).current_dir(ROOT).output().unwrap()
}

/// What a full pass changes by this table, line by line; and the rest that is said.
fn changes(table: &str) -> (String, String) {
    let directory = ["--directory", "docs/cookbook.toml"];
    let output = tool(
        table,
        &["simulate", "--table", "TABLE", directory[0], directory[1]],
    );
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let is_change = |line: &&str| {
        ["  + ", "  - ", "  ~ "]
            .iter()
            .any(|sign| line.starts_with(sign))
    };
    let (changes, rest): (Vec<&str>, Vec<&str>) = said.lines().partition(is_change);
    let changes = changes.into_iter().map(|line| format!("{line}\n"));
    (changes.collect(), rest.join("\n"))
}

#[test]
fn there_are_six_tables_and_none_gives_cause_for_a_warning() {
    let recipes = recipes();
    assert_eq!(recipes.len(), 6);
    for (title, table, _) in recipes {
        let output = tool(table, &["check", "--output", "json", "TABLE"]);
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect(title);
        let none = serde_json::json!([]);
        assert_eq!(
            (&said["problems"], &said["warnings"]),
            (&none, &none),
            "{title}: {said:#}"
        );
    }
}

#[test]
fn each_table_does_to_the_company_what_stands_under_it() {
    for (title, table, shown) in recipes() {
        assert_eq!(changes(table).0, shown, "{title}");
    }
}

/// The table by which hand-made mappings are taken over, and its line for them.
fn taking_over() -> (&'static str, &'static str) {
    let (_, table, _) = recipes()[5];
    let line = table
        .lines()
        .find(|line| line.starts_with("retired_policies"));
    (table, line.unwrap())
}

#[test]
fn without_the_retired_policy_what_was_made_by_hand_is_left_alone() {
    let (table, line) = taking_over();
    let (changes, rest) = changes(&table.replace(line, ""));
    let only_bob = "  + analytics  bob@example.com      engineer              (rules[0], through data-engineers)\n";
    assert_eq!(changes, only_bob, "{rest}");
    assert!(
        rest.contains("eve@example.com           everything       not the table's"),
        "{rest}"
    );
    assert!(
        rest.contains("alice@example.com         everything       not the table's"),
        "{rest}"
    );
}

#[test]
fn a_studio_that_is_all_the_tables_is_taken_over_without_naming_a_policy() {
    let (table, line) = taking_over();
    let (_, section) = COOKBOOK.split_once("\n## 6.").unwrap();
    let (_, after) = section.split_once("it does the same").unwrap();
    let ownership = block(after, "toml").unwrap();
    let of_the_studio = format!("{ownership}{}", table.replace(line, ""));
    assert_eq!(changes(&of_the_studio).0, recipes()[5].2);
}

#[test]
fn whom_the_table_protects_keeps_what_they_have() {
    let (table, _) = taking_over();
    let (changes, rest) = changes(table);
    assert!(!changes.contains("break-glass"), "{changes}");
    assert!(
        rest.contains("break-glass@example.com   everything"),
        "{rest}"
    );
    let unprotected = table.split("[[protect]]").next().unwrap();
    let changes = self::changes(unprotected).0;
    assert!(
        changes.contains("- analytics  break-glass@example.com"),
        "{changes}"
    );
}
