//! `simulate`: events, played one after another through the function's handler
//! against the embedded AWS, and who can open which Studio after them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use aws_config::Region;
use aws_credential_types::Credentials;
use clap::Args;
use comfy_table::{ContentArrangement, Table as Grid, presets};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::aws;
use crate::config::{Config, Mode};
use crate::emulator::{Emulator, Seed, World};
use crate::error::Error;
use crate::event::{self, Payload};
use crate::handler::Function;
use crate::identity::{Id, Identity, IdentityType};
use crate::policy::Table;
use crate::policy::document::Document;
use crate::policy::read::{self, Format};
use crate::sync::{Access, Sync};

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
    let (access, problems) = stage.function.sync().access(far_away()).await;
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
struct Stage {
    emulator: Emulator,
    function: Function,
    story: Vec<crate::emulator::Step>,
    /// Names by id, of those too who are gone by now.
    names: BTreeMap<Identity, String>,
    session_policies: BTreeMap<String, String>,
}

/// No invocation of a simulation is ever short of time.
fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

impl Stage {
    async fn set(table: &Path, directory: &Path) -> Result<Stage, String> {
        let Seed { world, story } = World::from_toml(&super::read(directory)?)
            .map_err(|problem| format!("{}: {problem}", directory.display()))?;
        let (table, document) = load_table(table)?;
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
        let function = Function::new(Sync::new(&config, &sdk).await, None, |_| {});
        let session_policies = document
            .session_policies
            .into_iter()
            .map(|(alias, arn)| (arn, alias))
            .collect();
        let mut stage = Stage {
            emulator,
            function,
            story,
            names: BTreeMap::new(),
            session_policies,
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
            Id::from_service(id).map(|id| self.names.insert(Identity::user(id), user.name.clone()));
        }
        for (id, group) in &world.groups {
            Id::from_service(id)
                .map(|id| self.names.insert(Identity::group(id), group.name.clone()));
        }
    }

    fn name(&self, identity: &Identity) -> String {
        self.names
            .get(identity)
            .cloned()
            .unwrap_or_else(|| identity.id.to_string())
    }

    fn alias<'a>(&'a self, session_policy: &'a str) -> &'a str {
        self.session_policies
            .get(session_policy)
            .map_or(session_policy, String::as_str)
    }

    // ------------------------------------------------------------------ words

    fn tell(&self, file: &str, payload: &Value, answer: &Result<Value, Error>) -> String {
        let mut text = format!("{}\n", paint(Style::new().bold(), file));
        let _ = writeln!(text, "  {}", self.meaning(payload, answer));
        let report = match answer {
            Ok(report) => report,
            Err(error) => {
                let _ = writeln!(
                    text,
                    "  {}",
                    paint(AnsiColor::Red.on_default(), &error.to_string())
                );
                return text;
            }
        };
        let changes = report["changes"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for change in changes {
            let _ = writeln!(text, "  {}", self.change(change));
        }
        if changes.is_empty() && report["unchanged"].as_u64() > Some(0) {
            let _ = writeln!(
                text,
                "  = all as it should be ({} mappings)",
                report["unchanged"]
            );
        }
        for problem in report["problems"].as_array().into_iter().flatten() {
            let problem = format!("! {}", problem.as_str().unwrap_or_default());
            let _ = writeln!(
                text,
                "  {}",
                paint(AnsiColor::Yellow.on_default(), &problem)
            );
        }
        text
    }

    /// What the event said: where to look, and why there.
    fn meaning(&self, payload: &Value, answer: &Result<Value, Error>) -> String {
        let report = answer.as_ref().unwrap_or(&Value::Null);
        let scope = report["scope"].as_str().unwrap_or("?");
        let detail = &payload["detail"]["eventName"];
        let what = detail
            .as_str()
            .or(payload["detail-type"].as_str())
            .unwrap_or("request");
        let store = self.function.sync().store_id();
        let named = match event::payload(payload) {
            Payload::Event(event) => event::read(event, store).ok(),
            _ => None,
        };
        let whom: Vec<String> = named
            .iter()
            .flat_map(|event| event.scope.identities())
            .map(|identity| {
                let kind = identity.kind.to_string().to_lowercase();
                format!("{kind} {}", self.name(identity))
            })
            .collect();
        let look = match (whom.is_empty(), report["reason"].as_str()) {
            (false, _) => whom.join(", "),
            (true, Some(reason)) => format!("{scope}: {reason}"),
            (true, None) => scope.to_owned(),
        };
        format!("{what} -> look at {look}")
    }

    fn change(&self, change: &Value) -> String {
        let text = |name: &str| change[name].as_str().unwrap_or_default();
        let (sign, color) = match text("action") {
            "create" => ('+', AnsiColor::Green),
            "update" => ('~', AnsiColor::Yellow),
            _ => ('-', AnsiColor::Red),
        };
        let kind = if text("identity_type") == "USER" {
            IdentityType::User
        } else {
            IdentityType::Group
        };
        let identity = Id::from_service(text("identity_id"))
            .map_or_else(String::new, |id| self.name(&Identity { kind, id }));
        let (previous, policy) = (
            self.alias(text("previous_policy")),
            self.alias(text("session_policy")),
        );
        let policy = match (previous, policy) {
            ("", policy) => policy.to_owned(),
            (previous, "") => previous.to_owned(),
            (previous, policy) => format!("{previous} -> {policy}"),
        };
        let why = match (change["rule"].as_u64(), change["via_group"].as_str()) {
            (None, _) => "no rule wants it".to_owned(),
            (Some(rule), None) => format!("rules[{rule}]"),
            (Some(rule), Some(group)) => {
                format!("rules[{rule}], through {}", self.group_name(group))
            }
        };
        let outcome = match text("outcome") {
            "done" => String::new(),
            other => format!("  {other}"),
        };
        let line = format!(
            "{sign} {:<10} {:<20} {policy:<21} ({why}){outcome}",
            text("studio"),
            identity
        );
        paint(color.on_default(), &line)
    }

    fn group_name(&self, id: &str) -> String {
        Id::from_service(id).map_or_else(String::new, |id| self.name(&Identity::group(id)))
    }

    fn access_table(&self, rows: &[Access]) -> String {
        let mut grid = Grid::new();
        grid.load_style(presets::UTF8_HORIZONTAL_ONLY)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(["Studio", "Who", "Session policy", "By"]);
        for row in rows {
            grid.add_row([
                self.studio(row).to_owned(),
                self.who(row),
                self.alias(&row.session_policy).to_owned(),
                match (row.rule, &row.via_group, row.owned) {
                    (Some(rule), Some(group), _) => {
                        format!("rules[{rule}], through {}", self.group_name(group.as_str()))
                    }
                    (Some(rule), None, _) => format!("rules[{rule}]"),
                    (None, _, true) => "no rule wants it".to_owned(),
                    (None, _, false) => "not the table's, left alone".to_owned(),
                },
            ]);
        }
        grid.to_string()
    }

    fn studio(&self, row: &Access) -> &str {
        &self.function.sync().table().studios[row.studio].alias
    }

    /// A user, or a group with those who are in it.
    fn who(&self, row: &Access) -> String {
        let name = self.name(&row.identity);
        if row.identity.kind == IdentityType::User {
            return name;
        }
        let world = self.emulator.world();
        let members: Vec<String> = world
            .memberships
            .values()
            .filter(|one| one.group == row.identity.id.as_str())
            .filter_map(|one| Id::from_service(&one.user))
            .map(|user| self.name(&Identity::user(user)))
            .collect();
        format!("group {name}: {}", members.join(", "))
    }

    fn access_json(&self, row: &Access) -> Value {
        json!({
            "studio": self.studio(row),
            "identity_type": row.identity.kind,
            "identity_id": row.identity.id,
            "name": self.name(&row.identity),
            "session_policy": row.session_policy,
            "owned": row.owned,
            "rule": row.rule,
            "via_group": row.via_group,
        })
    }
}

fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

fn load_table(path: &Path) -> Result<(Table, Document), String> {
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => Format::Toml,
        _ => Format::Json,
    };
    read::table_and_document(&super::read(path)?, format).map_err(|problems| {
        let mut text = format!("{} is not a usable policy table:", path.display());
        for problem in problems {
            let _ = write!(text, "\n  {problem}");
        }
        text
    })
}
