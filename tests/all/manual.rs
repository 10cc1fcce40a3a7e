//! What is generated from the definitions of the commands: that it is there,
//! that it is current, and that the examples in it are commands.

use std::process::{Command, Output};

fn tool(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_emr-studio-sync"))
        .args(arguments)
        .env_remove("POLICY_TABLE")
        .env_remove("IDENTITY_STORE_ID")
        .output()
        .unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = tool(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_reference_in_docs_is_the_one_that_the_tool_prints() {
    let written = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md");
    let written = std::fs::read_to_string(written).unwrap();
    assert!(
        written == printed(&["reference"]),
        "docs/cli.md is out of date: cargo studio reference > docs/cli.md"
    );
}

/// The commands that stand under "Example" in the help, each as its words.
fn examples() -> Vec<(String, Vec<String>)> {
    let reference = printed(&["reference"]);
    let sections = reference.split("\n## ").skip(1);
    let mut examples = Vec::new();
    for section in sections {
        let (name, help) = section.split_once('\n').unwrap();
        let lines = help.replace("\\\n    ", "");
        let starts = |line: &&str| line.starts_with("  emr-studio-sync ");
        for line in lines.lines().filter(starts) {
            examples.push((name.to_owned(), shlex::split(line).unwrap()));
        }
    }
    examples
}

#[test]
fn every_command_shows_an_example() {
    let examples = examples();
    let reference = printed(&["reference"]);
    for section in reference.split("\n## ").skip(1) {
        let (name, help) = section.split_once('\n').unwrap();
        let is_a_group = help.contains("\nCommands:\n");
        let of_it =
            |(of, words): &(String, Vec<String>)| of == name && words.join(" ").starts_with(name);
        let has_one = examples.iter().any(of_it);
        assert!(has_one || is_a_group, "{name} has no example");
    }
}

#[test]
fn every_example_is_understood() {
    for (_, words) in examples() {
        let command = words.join(" ");
        // What comes after is the shell's; and to ask for help is to have the
        // words before it understood.
        let ours = words[1..]
            .iter()
            .take_while(|word| !matches!(word.as_str(), "|" | ">" | "&"));
        let mut ours: Vec<&str> = ours.map(String::as_str).collect();
        // An unknown flag is refused before anything is done; a file that is
        // not there, only then.
        let empty = tempfile::tempdir().unwrap();
        let needs_nothing = ["completions", "man", "reference", "schema", "emulate"];
        if needs_nothing.contains(&ours[0]) {
            ours.push("--help");
        }
        let output = Command::new(env!("CARGO_BIN_EXE_emr-studio-sync"))
            .args(&ours)
            .env_clear()
            .current_dir(empty.path())
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_ne!(output.status.code(), Some(101), "{command}: {error}");
        assert!(!error.contains("Usage:"), "{command}: {error}");
    }
}

#[test]
fn completions_know_the_commands_and_bash_offers_them() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("explain"), "{shell}: {script}");
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("completions.bash");
    std::fs::write(&script, printed(&["completions", "bash"])).unwrap();
    // What bash itself would offer for `emr-studio-sync ex<Tab>`.
    let offered = Command::new("bash")
        .args([
            "-c",
            "source $0; set -- $(complete -p emr-studio-sync); while [ $1 != -F ]; do shift; done
            COMP_WORDS=(emr-studio-sync ex); COMP_CWORD=1
            $2 emr-studio-sync ex emr-studio-sync; echo ${COMPREPLY[@]}",
        ])
        .arg(&script)
        .output()
        .unwrap();
    let offered = String::from_utf8(offered.stdout).unwrap();
    assert!(offered.contains("explain"), "{offered}");
    assert!(!offered.contains("plan "), "{offered}");
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let page = printed(&["man"]);
    assert!(page.contains(".TH emr-studio-sync 1"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("man1");
    printed(&["man", man.to_str().unwrap()]);
    for page in [
        "emr-studio-sync.1",
        "emr-studio-sync-plan.1",
        "emr-studio-sync-mapping-list.1",
    ] {
        let text = std::fs::read_to_string(man.join(page)).unwrap();
        assert!(text.starts_with(".ie"), "{page}: {text}");
    }
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = tool(&["man", file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn who_stops_reading_ends_the_tool_without_a_panic() {
    let output = Command::new("bash")
        .args([
            "-c",
            "(sleep 0.3; exec \"$0\" reference) | true; echo ${PIPESTATUS[0]}",
            env!("CARGO_BIN_EXE_emr-studio-sync"),
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "141\n");
}

#[test]
#[cfg(target_os = "linux")]
fn a_result_that_cannot_be_written_is_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let output = Command::new(env!("CARGO_BIN_EXE_emr-studio-sync"))
        .arg("reference")
        .stdout(full.unwrap())
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("the result cannot be written"), "{error}");
}
