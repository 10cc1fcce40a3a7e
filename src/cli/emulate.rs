//! `emulate`: the embedded AWS as a server of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::output::outln;
use super::stop::told_to_stop;
use crate::emulator::{Emulator, World};

#[derive(Debug, Args)]
#[command(
    after_help = "The lines it prints are for the shell in which the other commands are to find it.\n\n\
    Example:\n  emr-studio-sync emulate --directory events/directory.toml > emulated.env &\n  \
    . ./emulated.env"
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
    let store = seed.world.store_id.clone();
    let emulator = Emulator::start(seed.world, arguments.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", arguments.listen))?;
    // The credentials too: whoever tries this out has real ones about, perhaps.
    outln!("export AWS_ENDPOINT_URL={}", emulator.url());
    outln!("export AWS_ACCESS_KEY_ID=emulated AWS_SECRET_ACCESS_KEY=emulated");
    outln!("export AWS_REGION=us-east-1 IDENTITY_STORE_ID={store}");
    anstream::eprintln!("listening; stop with Ctrl-C");
    told_to_stop().await.map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}
