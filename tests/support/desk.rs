//! The operator's tool before the embedded AWS: the real binary.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

use emr_studio_sync::emulator::{Emulator, World};

use super::{STORE, mappings};

/// An AWS, and a folder to work in.
pub struct Desk {
    pub emulator: Emulator,
    pub folder: tempfile::TempDir,
}

/// What the tool said, without blanks at the ends of lines.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Desk {
    pub async fn new(world: World) -> Desk {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Desk {
            emulator: Emulator::start(world, any_port).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.path().join(file), text).unwrap();
    }

    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap()
    }

    /// Runs it in the folder. Where AWS is, it finds in its environment.
    pub async fn run(&self, arguments: &[&str]) -> Said {
        let url = self.emulator.url();
        let mut command = Command::new(env!("CARGO_BIN_EXE_emr-studio-sync"));
        command
            .args(arguments)
            .env("IDENTITY_STORE_ID", STORE)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL_EMR", &url)
            .env("AWS_ENDPOINT_URL_IDENTITYSTORE", &url)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        // The embedded AWS answers from this thread meanwhile.
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
            lines.join("\n")
        };
        Said {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    pub fn mappings(&self) -> Vec<String> {
        mappings(&self.emulator.world())
    }
}
