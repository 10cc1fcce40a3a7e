//! `emulate`: the embedded AWS as a server of its own, or around a command.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};

use clap::Args;

use super::output::outln;
use super::stop::told_to_stop;
use crate::emulator::{Emulator, World};

#[derive(Debug, Args)]
#[command(
    after_help = "With a command it is there for that command alone, which finds it in its \
    environment, and ends with the command's exit code. Without one it serves until Ctrl-C; the \
    lines it prints are for the shell in which other commands are to find it.\n\n\
    Examples:\n  emr-studio-sync emulate --directory events/existing.toml -- bash\n  \
    emr-studio-sync emulate -- emr-studio-sync plan --table events/policy.toml"
)]
pub(super) struct Arguments {
    /// Where to listen; port 0 takes any that is free. Around a command it is not
    /// minded if this one is taken
    #[arg(long, default_value = "127.0.0.1:4599")]
    listen: SocketAddr,
    /// The directory and the Studios to begin with
    #[arg(long, default_value = "events/directory.toml")]
    directory: PathBuf,
    /// The command to run, with its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let path = arguments.directory;
    let seed = World::from_toml(&super::read(&path)?)
        .map_err(|problem| format!("{}: {problem}", path.display()))?;
    let store = seed.world.store_id.clone();
    let listen = arguments.listen;
    let emulator = match Emulator::start(seed.world.clone(), listen).await {
        Err(error) if error.kind() == ErrorKind::AddrInUse && !arguments.command.is_empty() => {
            Emulator::start(seed.world, SocketAddr::new(listen.ip(), 0)).await
        }
        started => started,
    };
    let emulator = emulator.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    // The credentials too: whoever tries this out has real ones about, perhaps.
    let environment = [
        ("AWS_ENDPOINT_URL", emulator.url()),
        ("AWS_ACCESS_KEY_ID", "emulated".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "emulated".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("IDENTITY_STORE_ID", store),
    ];
    if let Some((program, arguments)) = arguments.command.split_first() {
        return around(program, arguments, &environment).await;
    }
    let lines = [&environment[..1], &environment[1..3], &environment[3..]];
    for line in lines {
        let set = line.iter().map(|(name, value)| format!("{name}={value}"));
        outln!("export {}", set.collect::<Vec<_>>().join(" "));
    }
    anstream::eprintln!("listening; stop with Ctrl-C");
    told_to_stop().await.map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a command that finds the embedded AWS, and nothing of the real one.
async fn around(
    program: &str,
    arguments: &[String],
    environment: &[(&str, String)],
) -> Result<ExitCode, String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let leads_elsewhere = |name: &str| {
        name.starts_with("AWS_ENDPOINT_URL_")
            || matches!(
                name,
                "AWS_PROFILE" | "AWS_DEFAULT_PROFILE" | "AWS_SESSION_TOKEN"
            )
            || matches!(name, "AWS_DEFAULT_REGION" | "IDENTITY_STORE_REGION")
            || name == "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
    };
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(leads_elsewhere) {
            command.env_remove(name);
        }
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    // Heard from before there is a command that could outlive this.
    let mut termination = Termination::listen().map_err(|error| error.to_string())?;
    let mut child = command
        .spawn()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    let pid = child.id();
    let ended = tokio::task::spawn_blocking(move || child.wait());
    tokio::pin!(ended);
    loop {
        tokio::select! {
            status = &mut ended => {
                let status = status.map_err(|error| error.to_string())?;
                let status = status.map_err(|error| format!("{program}: {error}"))?;
                return Ok(code(status));
            }
            // The terminal tells the command as well, which decides what that means.
            _ = tokio::signal::ctrl_c() => {}
            () = termination.told() => {
                // What ends this process ends the command, which has no AWS then. Rust's
                // own library sends no signals.
                let _ = Command::new("kill").arg(pid.to_string()).status();
            }
        }
    }
}

/// What stops a container; it comes to this process alone.
struct Termination {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Termination {
    /// From now on none is missed.
    fn listen() -> std::io::Result<Termination> {
        Ok(Termination {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
        })
    }

    async fn told(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending().await
    }
}

/// As a shell says it: 128 and the signal, if one has ended the command.
fn code(status: ExitStatus) -> ExitCode {
    #[cfg(unix)]
    let of_signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let of_signal = None;
    let code = status.code().or(of_signal.map(|signal| 128 + signal));
    let code = code.and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
