//! The operator's tool. Wiring only; start reading at `cli`.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    emr_studio_sync::cli::main().await
}
