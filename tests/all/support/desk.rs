//! An operator's desk: the real tool, in a folder with a table, before the
//! embedded AWS.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Output, Stdio};

use emr_studio_sync::emulator::{Emulator, World};

use super::{STORE, mappings, table};

pub struct Desk {
    pub emulator: Emulator,
    pub folder: tempfile::TempDir,
}

pub struct Said {
    pub code: i32,
    /// Without the line that says where it is.
    pub out: String,
    pub err: String,
    /// That line, if there is one on top.
    pub place: Option<String>,
}

impl Desk {
    /// A desk with the usual table, in `policy.json`.
    pub async fn new(world: World) -> Desk {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let emulator = Emulator::start(world, any_port).await.unwrap();
        let desk = Desk {
            emulator,
            folder: tempfile::tempdir().unwrap(),
        };
        desk.write("policy.json", &table(|_| ()).to_string());
        desk
    }

    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.path().join(file), text).unwrap();
    }

    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap()
    }

    /// The tool, with the embedded AWS around it and nothing else.
    pub fn tool(&self, arguments: &[&str]) -> Command {
        let url = self.emulator.url();
        let mut command = Command::new(env!("CARGO_BIN_EXE_emr-studio-sync"));
        command
            .args(arguments)
            .env_clear()
            // Nobody listens there: what has a variable of its own goes by that.
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .env("AWS_ENDPOINT_URL_EMR", &url)
            .env("AWS_ENDPOINT_URL_IDENTITYSTORE", &url)
            .env("AWS_ENDPOINT_URL_STS", &url)
            .env("AWS_ENDPOINT_URL_IAM", &url)
            .env("AWS_ENDPOINT_URL_EVENTBRIDGE", &url)
            .env("AWS_ENDPOINT_URL_CLOUDTRAIL", &url)
            .env("AWS_ENDPOINT_URL_CLOUDWATCH", &url)
            .env("AWS_ENDPOINT_URL_LAMBDA", &url)
            .env("AWS_ENDPOINT_URL_CLOUDFORMATION", &url)
            .env("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", &url)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// What the tool says, with the table and the identity store given.
    pub async fn run(&self, arguments: &[&str]) -> Said {
        let mut command = self.tool(arguments);
        command
            .env("POLICY_TABLE", "policy.json")
            .env("IDENTITY_STORE_ID", STORE);
        said(command).await
    }

    pub fn mappings(&self) -> Vec<String> {
        mappings(&self.emulator.world())
    }

    /// The operations called since the last look, but for the question whose the
    /// credentials are, with which each command begins.
    pub fn calls(&self) -> Vec<String> {
        let calls = std::mem::take(&mut self.emulator.world().calls);
        let operations = calls.into_iter().map(|call| call.operation);
        operations
            .filter(|name| name != "GetCallerIdentity")
            .collect()
    }
}

/// Runs a command while the embedded AWS answers from this thread.
pub async fn said(mut command: Command) -> Said {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    heard(output.await.unwrap())
}

/// What a command has said.
pub fn heard(output: Output) -> Said {
    let text = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines().map(str::trim_end);
        lines.collect::<Vec<_>>().join("\n")
    };
    let mut place = None;
    let mut without_place = |text: String| match text.strip_prefix("account ") {
        None => text,
        Some(rest) => {
            let (line, rest) = rest.split_once('\n').unwrap_or((rest, ""));
            assert_eq!(place.replace(format!("account {line}")), None);
            rest.to_owned()
        }
    };
    Said {
        code: output.status.code().unwrap(),
        out: without_place(text(output.stdout)),
        err: without_place(text(output.stderr)),
        place,
    }
}
