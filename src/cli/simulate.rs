//! `simulate`: events, played one after another through the function's handler
//! against the embedded AWS, and who can open which Studio after them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use aws_config::Region;
use aws_credential_types::Credentials;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::output::{outln, remark, say, sayln};
use super::selected::Entry;
use super::words::{Words, whom};
use crate::aws;
use crate::config::{Config, Mode};
use crate::emulator::{Emulator, Seed, World};
use crate::error::Error;
use crate::handler::Function;
use crate::identity::{Id, Identity};
use crate::policy::{Pace, Table};
use crate::sync::{Engine, Survey};

#[derive(Debug, Args)]
#[command(
    after_help = "Without events, the full pass is played that the schedule makes: what would a \
    changed table do?\n\n\
    Examples:\n  emr-studio-sync simulate events/*.json\n  \
    emr-studio-sync simulate --table changed.toml --directory exported.toml"
)]
pub(super) struct Arguments {
    /// The events, in the order they arrive; none for one full pass
    events: Vec<PathBuf>,
    /// The policy table, JSON or TOML
    #[arg(long, default_value = "events/policy.toml")]
    table: PathBuf,
    /// The directory and the Studios to begin with, and what happens there
    /// before each event
    #[arg(long, default_value = "events/directory.toml")]
    directory: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Form::Table)]
    output: Form,
    /// The same as `--output json`
    #[arg(long, hide = true, conflicts_with = "output")]
    json: bool,
}

/// How it is printed: there is more than one kind of row, so no CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Table,
    /// For programs
    Json,
}

/// The version of the JSON that `simulate` prints.
const JSON_VERSION: u32 = 1;

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let is_json = arguments.json || arguments.output == Form::Json;
    let mut stage = Stage::set(&arguments.table, &arguments.directory).await?;
    let (mut all_went_well, mut told) = (true, Vec::new());
    let mut events = Vec::new();
    for path in &arguments.events {
        let payload: Value = serde_json::from_str(&super::read(path)?)
            .map_err(|error| format!("{}: not JSON: {error}", path.display()))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        events.push((file.into_owned(), payload));
    }
    if events.is_empty() {
        events.push(("full pass".to_owned(), schedule()));
    }
    for (file, payload) in events {
        let answer = stage.play(&file, &payload).await?;
        let failed = |report: &Value| report["failed"].as_u64().unwrap_or(0) > 0;
        all_went_well &= answer.as_ref().is_ok_and(|report| !failed(report));
        match is_json {
            true => told.push(json!({
                "event": file,
                "report": answer.as_ref().ok(),
                "error": answer.as_ref().err().map(ToString::to_string),
            })),
            false => say(stage.tell(&file, &payload, &answer))?,
        }
    }
    let engine = stage.function.engine();
    let Survey {
        rows: access,
        mut problems,
        ..
    } = engine.access(None, far_away()).await;
    problems.extend(std::mem::take(&mut stage.left_out));
    if is_json {
        let access: Vec<Value> = access.iter().map(|row| stage.access_json(row)).collect();
        let all = json!({
            "version": JSON_VERSION,
            "events": told,
            "access": access,
            "problems": problems,
        });
        outln!("{all:#}");
    } else {
        sayln!(
            "\nWho can open which Studio\n{}",
            stage.access_table(&access)
        );
        problems
            .iter()
            .for_each(|problem| remark("warning:", problem));
    }
    Ok(match all_went_well && problems.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The embedded AWS, the function before it, and the story that is played.
pub(super) struct Stage {
    pub(super) emulator: Emulator,
    pub(super) function: Function,
    story: Vec<crate::emulator::Step>,
    /// Of whom the table is about, and the directory does not know.
    left_out: Vec<String>,
    /// Its names include those of who is gone by now.
    pub(super) words: Words,
}

/// No invocation of a simulation is ever short of time.
pub(super) fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

/// Makes a table and an embedded AWS fit for each other.
pub(super) fn alone(world: &mut World, table: &mut Table) {
    // Nobody else calls the embedded AWS, and it is never tired.
    table.pace = Pace {
        emr_per_second: 1e4,
        emr_burst: 10_000,
        identity_store_per_second: 1e4,
    };
    // It has one account: there is no role to assume, and whose Studio it is
    // makes no difference.
    for studio in &mut table.studios {
        (studio.role_arn, studio.external_id) = (None, None);
    }
    for studio in world.studios.values_mut() {
        studio.account = None;
    }
}

/// The engine before an embedded AWS.
pub(super) async fn engine(emulator: &Emulator, table: Table) -> Engine {
    let config = Config {
        identity_store_id: emulator.world().store_id.clone(),
        identity_store_region: None,
        table,
        mode: Mode::Apply,
        log_names: false,
        access_events: false,
        log_group: None,
    };
    let credentials = Credentials::new("simulated", "simulated", None, None, "simulate");
    let mut sdk = aws::sdk_config()
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .endpoint_url(emulator.url());
    if emulator.is_in_process() {
        sdk = sdk.http_client(emulator.http_client());
    }
    Engine::new(&config, &sdk.load().await).await
}

/// What the schedule sends.
fn schedule() -> Value {
    json!({ "detail-type": "Scheduled Event", "source": "aws.events", "detail": {} })
}

impl Stage {
    async fn set(table: &Path, directory: &Path) -> Result<Stage, String> {
        let Seed {
            mut world,
            story,
            selected,
        } = World::from_toml(&super::read(directory)?)
            .map_err(|problem| format!("{}: {problem}", directory.display()))?;
        let (mut table, document) = super::table::load(table)?;
        alone(&mut world, &mut table);
        let left_out =
            Entry::all_of(&table).filter(|entry| entry.is_left_out(selected.as_ref(), &world));
        let left_out = left_out.map(|entry| {
            let whom = whom(entry.select, entry.assign);
            format!(
                "{}: the directory was exported without asking for {whom}",
                entry.place
            )
        });
        let left_out = left_out.collect();
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let emulator = Emulator::start(world, any_port)
            .await
            .map_err(|error| format!("the embedded AWS cannot listen: {error}"))?;
        let engine = engine(&emulator, table).await;
        let function = Function::new(engine, None, |_| {});
        let mut stage = Stage {
            emulator,
            function,
            story,
            left_out,
            words: Words::of(&document),
        };
        stage.learn_names();
        Ok(stage)
    }

    /// Lets the directory change, as the real one does before its event comes,
    /// and then the event arrive.
    async fn play(&mut self, file: &str, payload: &Value) -> Result<Result<Value, Error>, String> {
        for step in self.story.iter().filter(|step| step.before == file) {
            self.emulator.world().play(step)?;
        }
        self.learn_names();
        Ok(self.function.handle(payload.clone(), far_away()).await)
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
