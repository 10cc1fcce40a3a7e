//! docs/cookbook.md: each table is one, and does what stands under it.

use crate::support;

use std::process::{Command, Output};

use emr_studio_sync::emulator::{Role, World};
use support::desk::{Desk, said};
use support::{SCIENCE, STORE};

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

/// What a full pass changes after something has happened in the company.
fn changes_after(recipe: usize, happens: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let company = include_str!("../../docs/cookbook.toml");
    let story = format!("{company}\n[[story]]\nbefore = \"2.json\"\n{happens}\n");
    let pass = r#"{ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} }"#;
    let (first, second) = (file("1.json", pass), file("2.json", pass));
    let directory = ["--directory", &file("company.toml", &story)];
    let arguments = ["simulate", "--table", "TABLE", directory[0], directory[1]];
    let output = tool(
        recipes()[recipe - 1].1,
        &[&arguments[..], &[&first, &second]].concat(),
    );
    let said = String::from_utf8(output.stdout).unwrap();
    let (_, second) = said.split_once("2.json\n").expect(&said);
    let (second, _) = second.split_once("\n\n").unwrap();
    // But for the line that says what was looked at.
    second
        .lines()
        .skip(1)
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn a_group_with_another_name_takes_nothing_from_anybody() {
    let renamed = r#"rename_group = { group = "data-engineers", to = "engineers" }"#;
    let said = changes_after(1, renamed);
    assert!(
        said.contains("is not there; nothing is deleted or changed"),
        "{said}"
    );
    for line in said.lines().filter(|line| line.starts_with("  - ")) {
        assert!(line.ends_with("withheld"), "{said}");
    }
}

#[test]
fn who_is_no_engineer_any_more_is_an_analyst_in_the_same_change() {
    let left = r#"remove_members = [{ group = "data-engineers", user = "bob@example.com" }]"#;
    assert_eq!(
        changes_after(2, left),
        "  ~ analytics  bob@example.com      engineer -> analyst   (rules[1], through data-analysts)\n"
    );
}

#[test]
fn a_new_group_that_fits_a_pattern_lets_its_members_in_and_one_that_goes_holds_up_nothing() {
    let new = r#"create_group = { name = "emr-studio-sales-north" }
        add_members = [{ group = "emr-studio-sales-north", user = "bob@example.com" }]
        delete_group = "emr-studio-science""#;
    assert_eq!(
        changes_after(3, new),
        "  + sales      bob@example.com      analyst               (rules[0], through emr-studio-sales-north)\n  \
         - science    dan@example.com      analyst               (no rule wants it)\n"
    );
}

#[test]
fn who_joins_a_group_that_is_mapped_as_such_needs_no_mapping() {
    let joins = r#"add_members = [{ group = "everybody", user = "eve@example.com" }]"#;
    assert_eq!(
        changes_after(5, joins),
        "  = 3 mappings, all as they should be\n"
    );
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

/// What a full pass makes of the fourth table, where the role of the second account
/// wants this word.
async fn in_two_accounts(agreed: &str) -> Vec<String> {
    let mut world = World::from_toml(include_str!("../../docs/cookbook.toml"))
        .unwrap()
        .world;
    let studio = world.studios.get_mut(SCIENCE).unwrap();
    studio.account = Some("222233334444".to_owned());
    studio.region = Some("eu-west-1".to_owned());
    world.deployment.roles.push(Role {
        arn: "arn:aws:iam::222233334444:role/studio-sync".to_owned(),
        external_id: Some(agreed.to_owned()),
    });
    let desk = Desk::new(world).await;
    desk.write("policy.toml", recipes()[3].1);
    let mut apply = desk.tool(&["apply", "--table", "policy.toml", "--yes"]);
    apply.env("IDENTITY_STORE_ID", STORE);
    said(apply).await;
    let mappings = desk.mappings().into_iter();
    mappings.filter(|row| !row.contains("LEGACY")).collect()
}

#[tokio::test]
async fn studios_in_two_accounts_are_served_and_one_that_is_barred_stops_not_the_other() {
    let analytics = [
        "analytics USER bob@example.com analyst",
        "analytics USER carol@example.com analyst",
    ];
    let science = [
        "science USER bob@example.com analyst",
        "science USER carol@example.com analyst",
    ];
    let both = in_two_accounts("an-agreed-word").await;
    assert_eq!(both, [analytics, science].concat());
    assert_eq!(in_two_accounts("another-word").await, analytics);
}
