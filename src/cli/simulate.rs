//! `simulate`: events, played one after another through the function's handler
//! against the embedded AWS, and who can open which Studio after them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use aws_config::Region;
use aws_credential_types::Credentials;
use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::words::Words;
use crate::aws;
use crate::config::{Config, Mode};
use crate::emulator::{Emulator, Seed, World};
use crate::error::Error;
use crate::handler::Function;
use crate::identity::{Id, Identity};
use crate::policy::document::Document;
use crate::policy::read;
use crate::policy::{Pace, Table};
use crate::sync::{Engine, Survey};

#[derive(Debug, Args)]
#[command(after_help = "Example: emr-studio-sync simulate events/*.json")]
pub(super) struct Arguments {
    /// The events, in the order they arrive
    #[arg(required = true)]
    events: Vec<PathBuf>,
    /// The policy table, JSON or TOML
    #[arg(long, default_value = "events/policy.toml")]
    table: PathBuf,
    /// The directory and the Studios to begin with, and what happens there
    /// before each event
    #[arg(long, default_value = "events/directory.toml")]
    directory: PathBuf,
    /// Print JSON in place of text
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let mut stage = Stage::set(&arguments.table, &arguments.directory).await?;
    let (mut all_went_well, mut told) = (true, Vec::new());
    for path in &arguments.events {
        let (payload, answer) = stage.play(path).await?;
        all_went_well &= answer.is_ok();
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match arguments.json {
            true => told.push(json!({
                "event": file,
                "report": answer.as_ref().ok(),
                "error": answer.as_ref().err().map(ToString::to_string),
            })),
            false => anstream::print!("{}", stage.tell(&file, &payload, &answer)),
        }
    }
    let engine = stage.function.engine();
    let Survey {
        rows: access,
        problems,
        ..
    } = engine.access(None, far_away()).await;
    if arguments.json {
        let access: Vec<Value> = access.iter().map(|row| stage.access_json(row)).collect();
        let all = json!({ "events": told, "access": access, "problems": problems });
        anstream::println!("{all:#}");
    } else {
        anstream::println!(
            "\nWho can open which Studio\n{}",
            stage.access_table(&access)
        );
        problems
            .iter()
            .for_each(|problem| anstream::eprintln!("warning: {problem}"));
    }
    Ok(if all_went_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The embedded AWS, the function before it, and the story that is played.
pub(super) struct Stage {
    pub(super) emulator: Emulator,
    pub(super) function: Function,
    story: Vec<crate::emulator::Step>,
    /// Its names include those of who is gone by now.
    pub(super) words: Words,
}

/// No invocation of a simulation is ever short of time.
fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

impl Stage {
    async fn set(table: &Path, directory: &Path) -> Result<Stage, String> {
        let Seed { world, story } = World::from_toml(&super::read(directory)?)
            .map_err(|problem| format!("{}: {problem}", directory.display()))?;
        let (mut table, document) = load_table(table)?;
        // Nobody else calls the embedded AWS, and it is never tired.
        table.pace = Pace {
            emr_per_second: 1e4,
            emr_burst: 10_000,
            identity_store_per_second: 1e4,
        };
        let config = Config {
            identity_store_id: world.store_id.clone(),
            identity_store_region: None,
            table,
            mode: Mode::Apply,
            log_names: false,
        };
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let emulator = Emulator::start(world, any_port)
            .await
            .map_err(|error| format!("the embedded AWS cannot listen: {error}"))?;
        let sdk = aws::sdk_config()
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(
                "simulated",
                "simulated",
                None,
                None,
                "simulate",
            ))
            .endpoint_url(emulator.url())
            .load()
            .await;
        let function = Function::new(Engine::new(&config, &sdk).await, None, |_| {});
        let mut stage = Stage {
            emulator,
            function,
            story,
            words: Words::of(&document),
        };
        stage.learn_names();
        Ok(stage)
    }

    /// Lets the directory change, as the real one does before its event comes,
    /// and then the event arrive.
    async fn play(&mut self, path: &Path) -> Result<(Value, Result<Value, Error>), String> {
        let payload: Value = serde_json::from_str(&super::read(path)?)
            .map_err(|error| format!("{}: not JSON: {error}", path.display()))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        for step in self.story.iter().filter(|step| step.before == file) {
            self.emulator.world().play(step)?;
        }
        self.learn_names();
        let answer = self.function.handle(payload.clone(), far_away()).await;
        Ok((payload, answer))
    }

    fn learn_names(&mut self) {
        let world = self.emulator.world();
        for (id, user) in &world.users {
            Id::from_service(id).map(|id| {
                self.words
                    .names
                    .insert(Identity::user(id), user.name.clone())
            });
        }
        for (id, group) in &world.groups {
            Id::from_service(id).map(|id| {
                self.words
                    .names
                    .insert(Identity::group(id), group.name.clone())
            });
        }
    }
}

fn load_table(path: &Path) -> Result<(Table, Document), String> {
    read::table_and_document(&super::read(path)?, super::format_of(path))
        .map_err(|problems| super::all_of(path, &problems))
}
