//! Each promise of docs/semantics.md names a test, and that test is there.

use std::collections::BTreeSet;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All that may have a test in it.
fn sources() -> String {
    let root = root();
    let mut sources = String::new();
    let mut folders = vec![root.join("tests/all"), root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|end| end == "rs") => {
                    sources += &std::fs::read_to_string(path).unwrap();
                }
                false => {}
            }
        }
    }
    sources
}

#[test]
fn the_threat_model_names_tests_that_there_are() {
    let text = std::fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    let (sources, mut names) = (sources(), 0);
    for name in text.split('*').filter(|word| word.contains('_')) {
        if name.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            names += 1;
            assert!(sources.contains(&format!("fn {name}(")), "{name}");
        }
    }
    assert!(names > 7, "{names}");
}

#[test]
fn every_promise_names_tests_that_there_are() {
    let sources = sources();
    let text = std::fs::read_to_string(root().join("docs/semantics.md")).unwrap();
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| case"));
    let (mut promises, mut missing) = (0, BTreeSet::new());
    for row in rows {
        let held_by = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let names: Vec<&str> = held_by.split('`').skip(1).step_by(2).collect();
        promises += usize::from(!names.is_empty());
        missing.extend(
            names
                .into_iter()
                .filter(|name| !sources.contains(&format!("fn {name}("))),
        );
    }
    assert!(promises > 40, "{promises} promises");
    assert_eq!(missing, BTreeSet::new(), "no such tests");
}
