//! `emulate -- COMMAND`: the embedded AWS around a command.

use std::process::{Command, Output};

const TOOL: &str = env!("CARGO_BIN_EXE_emr-studio-sync");

fn emulate(command: &[&str]) -> Output {
    Command::new(TOOL)
        .args(["emulate", "--directory", "events/existing.toml", "--"])
        .args(command)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // What a developer has about.
        .env("AWS_PROFILE", "production")
        .env("AWS_SESSION_TOKEN", "real")
        .env("AWS_ENDPOINT_URL_EMR", "http://127.0.0.1:9")
        .env("IDENTITY_STORE_ID", "d-0000000000")
        .output()
        .unwrap()
}

#[test]
fn a_command_finds_the_embedded_aws_and_nothing_of_the_real_one() {
    let output = emulate(&[TOOL, "mapping", "list"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("alice@example.com"), "{said}");
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
    let output = emulate(&["sh", "-c", "env"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        !said.contains("production") && !said.contains("real"),
        "{said}"
    );
}

#[test]
fn it_ends_as_the_command_does() {
    for (script, code) in [("exit 0", 0), ("exit 2", 2), ("kill -9 $$", 137)] {
        let output = emulate(&["sh", "-c", script]);
        assert_eq!(output.status.code(), Some(code), "{script}");
    }
    let output = emulate(&["no-such-program"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.starts_with("error: no-such-program cannot be run"),
        "{said}"
    );
}
