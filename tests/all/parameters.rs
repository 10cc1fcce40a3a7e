//! docs/parameters.md has each parameter of the templates, as they have it; and the
//! picture of the accounts names no other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The lines of a block of YAML, without what they are indented by.
fn inside<'t>(text: &'t str, head: &str) -> Vec<&'t str> {
    let indent = head.len() - head.trim_start().len() + 2;
    let lines = text.lines().skip_while(|line| *line != head).skip(1);
    lines
        .take_while(|line| line.is_empty() || line.starts_with(&" ".repeat(indent)))
        .filter(|line| !line.trim_start().starts_with('#'))
        .map(|line| line.get(indent..).unwrap_or_default())
        .collect()
}

/// The pairs of a block of YAML; the lines of a folded text are one.
fn pairs(block: &[&str]) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for line in block.iter().filter(|line| !line.is_empty()) {
        match (line.split_once(':'), pairs.last_mut()) {
            (Some((name, value)), _) if !line.starts_with(' ') => {
                let value = value.trim().trim_start_matches(">-").trim_matches('"');
                pairs.push((name.to_owned(), value.to_owned()));
            }
            (_, Some((_, text))) => *text = format!("{text} {}", line.trim()).trim().to_owned(),
            _ => panic!("{line}"),
        }
    }
    pairs
}

/// The parameters of a template, each as a row of a table.
fn rows(template: &str) -> BTreeMap<String, String> {
    let text = file(template);
    let block = inside(&text, "Parameters:");
    let names = block
        .iter()
        .filter(|line| !line.is_empty() && !line.starts_with(' '));
    let names: Vec<&str> = names.map(|line| line.trim_end_matches(':')).collect();
    let rows = names.into_iter().map(|name| {
        let all: BTreeMap<_, _> = pairs(&inside(&text, &format!("  {name}:")))
            .into_iter()
            .collect();
        let code = |text: &String| match text.as_str() {
            "" => "empty".to_owned(),
            text => format!("`{text}`"),
        };
        let default = all.get("Default").map_or("**required**".into(), code);
        let values = all.get("AllowedValues").map(|values| {
            let values = values.trim_matches(['[', ']']).replace('"', "");
            format!(" One of {values}.")
        });
        let limit = |name| all.get(name).map_or("", String::as_str);
        let range = match (limit("MinValue"), limit("MaxValue")) {
            ("", "") => String::new(),
            (least, "") => format!(" At least {least}."),
            (least, most) => format!(" From {least} to {most}."),
        };
        let text = &all["Description"];
        let values = values.unwrap_or_default();
        let row = format!("| `{name}` | {default} | {text}{values}{range} |");
        (name.to_owned(), row)
    });
    rows.collect()
}

/// The groups in which CloudFormation's console shows the parameters.
fn groups(template: &str) -> Vec<(String, Vec<String>)> {
    let text = file(template);
    let block = inside(&text, "    ParameterGroups:").join(" ");
    let groups = block.split("- Label: { default: ").skip(1).map(|group| {
        let (title, rest) = group.split_once(" }").unwrap();
        let (_, names) = rest.split_once('[').unwrap();
        let (names, _) = names.split_once(']').unwrap();
        let names = names.split(',').map(|name| name.trim().to_owned());
        (title.to_owned(), names.collect())
    });
    groups.collect()
}

const HEAD: &str = "| parameter | default | |\n|---|---|---|\n";

/// docs/parameters.md, but for what stands before its first table.
fn expected() -> String {
    let mut rows_of = rows("template.yaml");
    let mut text = String::new();
    for (title, names) in groups("template.yaml") {
        text += &format!("## {title}\n\n{HEAD}");
        for name in names {
            let row = rows_of.remove(&name);
            text += &format!("{}\n", row.unwrap_or_else(|| panic!("no parameter {name}")));
        }
        text += "\n";
    }
    let lost: Vec<&String> = rows_of.keys().collect();
    assert!(lost.is_empty(), "in no group of ParameterGroups: {lost:?}");
    text += &format!("## Of forward-events.yaml\n\n{HEAD}");
    for row in rows("docs/forward-events.yaml").values() {
        text += &format!("{row}\n");
    }
    text
}

#[test]
fn every_parameter_of_the_templates_is_in_the_table_as_they_have_it() {
    let written = file("docs/parameters.md");
    let (intro, tables) = written.split_at(written.find("\n## ").unwrap() + 1);
    let expected = expected();
    let rows = |text: &str| -> Vec<String> {
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        rows.map(str::to_owned).collect()
    };
    let (is, should_be) = (rows(tables), rows(&expected));
    let missing: Vec<&String> = should_be.iter().filter(|row| !is.contains(row)).collect();
    let stale: Vec<&String> = is.iter().filter(|row| !should_be.contains(row)).collect();
    if tables != expected {
        let current = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("parameters.md");
        std::fs::write(&current, format!("{intro}{expected}")).unwrap();
        panic!(
            "docs/parameters.md is out of date: cp {} docs/parameters.md\n\
             missing: {missing:#?}\nnot so, or no more: {stale:#?}",
            current.display()
        );
    }
}

#[test]
fn the_picture_of_the_accounts_names_parameters_that_there_are() {
    let parameters = rows("template.yaml");
    let picture = file("docs/accounts.svg");
    let texts = picture.lines().filter(|line| line.starts_with("<text"));
    let words = texts.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()));
    // A capital within a word is what only parameters have.
    let is_one = |word: &&str| word.len() > 1 && word[1..].contains(|c: char| c.is_uppercase());
    let named: Vec<&str> = words.filter(is_one).filter(|word| *word != "EMR").collect();
    assert!(named.len() > 3, "{named:?}");
    for name in named {
        assert!(parameters.contains_key(name), "{name}");
    }
}
