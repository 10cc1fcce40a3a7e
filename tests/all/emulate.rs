//! `emulate -- COMMAND`: the embedded AWS around a command.

#[cfg(unix)]
use std::io::{BufRead, BufReader};
#[cfg(unix)]
use std::process::Stdio;
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
        .env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
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

#[cfg(unix)]
#[test]
fn what_stops_it_stops_the_command_too() {
    let script = "trap 'exit 3' TERM; echo on; sleep 60 & wait";
    let mut child = Command::new(TOOL)
        .args([
            "emulate",
            "--listen",
            "127.0.0.1:0",
            "--",
            "sh",
            "-c",
            script,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "on\n");
    let told = Command::new("kill").arg(child.id().to_string()).status();
    assert!(told.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(3));
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
