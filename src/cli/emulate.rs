//! `emulate`: the embedded AWS as a server of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::emulator::{Emulator, World};

#[derive(Debug, Args)]
#[command(
    after_help = "Example: emr-studio-sync emulate --directory events/directory.toml --listen 127.0.0.1:4599"
)]
pub(super) struct Arguments {
    /// Where to listen; port 0 takes any that is free
    #[arg(long, default_value = "127.0.0.1:4599")]
    listen: SocketAddr,
    /// The directory and the Studios to begin with
    #[arg(long, default_value = "events/directory.toml")]
    directory: PathBuf,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let path = arguments.directory;
    let seed = World::from_toml(&super::read(&path)?)
        .map_err(|problem| format!("{}: {problem}", path.display()))?;
    let emulator = Emulator::start(seed.world, arguments.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", arguments.listen))?;
    let url = emulator.url();
    anstream::println!("export AWS_ENDPOINT_URL_EMR={url} AWS_ENDPOINT_URL_IDENTITYSTORE={url}");
    anstream::eprintln!("listening; stop with Ctrl-C");
    tokio::signal::ctrl_c()
        .await
        .map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}
