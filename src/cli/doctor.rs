//! `doctor`: is everything in place? It asks for everything the function asks
//! for, and for what has to be around it, and changes nothing.

mod account;
mod directory;
mod events;
mod passes;
mod studios;
mod trail;

use std::process::ExitCode;

use anstyle::AnsiColor;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::connection::{Connected, Connection};
use super::output::{Output, csv, outln, put, sayln};
use super::progress::watched;
use super::whereabouts::{self, Astray, EMR, IDENTITY_STORE, region};
use super::words::paint;
use crate::aws::{CallError, Kind, Service};
use crate::visible;

/// The version of the JSON that `doctor` prints.
const JSON_VERSION: u32 = 1;

#[derive(Debug, Args)]
#[command(
    after_help = "It asks with your credentials, which need not be the function's: what you are not\n\
    allowed may be allowed to it, and the other way round. Writes are not tried.\n\n\
    Exit codes: 0 no problem, though there may be warnings; 1 a problem\n\n\
    Example:\n  emr-studio-sync doctor --table policy.toml --identity-store-id d-1234567890"
)]
pub(super) struct Arguments {
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    connection: Connection,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// As it should be.
    Ok,
    /// It may be right, or right enough; somebody should know.
    Warning,
    /// The function does not work like this, or not as it is meant to.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Serialize)]
struct Finding {
    status: Status,
    about: String,
    found: String,
    cure: Option<String>,
}

impl Finding {
    fn ok(about: impl Into<String>, found: impl Into<String>) -> Finding {
        // On one line, also where an error is on many.
        let found: String = found.into();
        let found: Vec<&str> = found.split_whitespace().collect();
        Finding {
            status: Status::Ok,
            about: about.into(),
            found: found.join(" "),
            cure: None,
        }
    }

    fn warning(about: &str, found: impl Into<String>, cure: impl Into<String>) -> Finding {
        Finding {
            status: Status::Warning,
            cure: Some(cure.into()),
            ..Finding::ok(about, found)
        }
    }

    fn problem(about: &str, found: impl Into<String>, cure: impl Into<String>) -> Finding {
        Finding {
            status: Status::Problem,
            ..Finding::warning(about, found, cure)
        }
    }

    /// What nobody could look at, where the function works all the same.
    fn not_told(about: &str, service: &str, error: &CallError) -> Finding {
        let CallError {
            call, kind, text, ..
        } = error;
        let cure = match kind {
            Kind::Denied => format!("to have it looked at, allow {service}:{call}"),
            _ => again(error).to_owned(),
        };
        Finding::warning(about, format!("not told, {call}: {text}"), cure)
    }

    /// A call that the function cannot do without.
    fn needed(about: &str, service: &str, error: &CallError, otherwise: &str) -> Finding {
        let CallError {
            call, kind, text, ..
        } = error;
        let cure = match kind {
            Kind::Denied => format!("allow {service}:{call}"),
            Kind::NoKey => kind.cure().unwrap_or(AGAIN).to_owned(),
            Kind::Transient | Kind::NoTime => again(error).to_owned(),
            Kind::Refused | Kind::NoUser | Kind::NoGroup => otherwise.to_owned(),
        };
        Finding::problem(about, format!("{call}: {text}"), cure)
    }

    fn line(&self, width: usize) -> String {
        let (word, color) = match self.status {
            Status::Ok => ("ok", AnsiColor::Green),
            Status::Warning => ("warning", AnsiColor::Yellow),
            Status::Problem => ("problem", AnsiColor::Red),
        };
        let word = paint(color.on_default(), &format!("{word:<7}"));
        let cure = self.cure.as_ref();
        let cure = cure.map_or(String::new(), |cure| format!(" — {cure}"));
        let (about, found) = (visible::name(&self.about), format!("{}{cure}", self.found));
        format!("{word}  {about:<width$}  {}", visible::line(&found))
    }
}

const AGAIN: &str = "check the network and the Region, and try again; -vv shows each call";

/// When to try again what failed for a passing reason.
fn again(error: &CallError) -> &'static str {
    match error.is_throttled() {
        true => "AWS throttles these calls: try again in a minute",
        false => AGAIN,
    }
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let connection = arguments.connection;
    let findings = match connection.account().leave_unasked().await {
        Ok(()) => Office::of(&connection).await?.findings().await,
        Err(Astray { what, cure }) => vec![Finding::problem("settings", what, cure)],
    };
    let count = |status| findings.iter().filter(|one| one.status == status).count();
    let (warnings, problems) = (count(Status::Warning), count(Status::Problem));
    match arguments.output {
        Output::Json => {
            let all = json!({
                "version": JSON_VERSION,
                "problems": problems,
                "warnings": warnings,
                "findings": findings,
            });
            outln!("{all:#}");
        }
        Output::Csv => {
            let columns = ["status", "about", "found", "cure"];
            put(csv(&columns, &findings)?)?;
        }
        Output::Table => {
            let width = findings.iter();
            let width = width
                .map(|one| visible::name(&one.about).chars().count())
                .max();
            for finding in &findings {
                sayln!("{}", finding.line(width.unwrap_or_default()));
            }
        }
    }
    Ok(match problems {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Whom to ask.
struct Office {
    connected: Connected,
    sdk: SdkConfig,
    /// The identity store's Region, if it has one of its own.
    store_region: Option<String>,
}

impl Office {
    async fn of(connection: &Connection) -> Result<Office, String> {
        let connected = connection.unasked().await?;
        let sdk = connection.account().sdk().await?;
        Ok(Office {
            // Nothing here has a pace of its own, as the engine's calls have.
            sdk: sdk
                .into_builder()
                .retry_config(RetryConfig::standard())
                .build(),
            store_region: connection.account().store_region(),
            connected,
        })
    }

    async fn findings(&self) -> Vec<Finding> {
        watched(&self.connected.engine, "asking", self.examine()).await
    }

    async fn examine(&self) -> Vec<Finding> {
        let engine = &self.connected.engine;
        let (caller, credentials) = account::credentials(&self.sdk).await;
        let mut findings = vec![credentials];
        let Some(caller) = caller else {
            return findings;
        };
        match knock(IDENTITY_STORE, &self.home(), "identity store").await {
            None => findings.extend(directory::reads(engine.store()).await),
            not_there => findings.extend(not_there),
        }
        let not_there = knock(EMR, &self.sdk, "EMR").await;
        let emr_answers = not_there.is_none();
        findings.extend(not_there);
        let sts = aws_sdk_sts::Client::new(&self.sdk);
        for (index, studio) in engine.table().studios.iter().enumerate() {
            let about = format!("studio {}", studio.alias);
            let role = account::role(&sts, &about, studio).await;
            let barred = role.as_ref().is_some_and(|role| role.status != Status::Ok);
            findings.extend(role);
            // Each call would say the same again, but in a Region of the Studio's own.
            if !barred && (emr_answers || studio.region.is_some()) {
                findings.extend(studios::calls(&about, engine.studio(index)).await);
            }
        }
        findings.extend(account::session_policies(&self.sdk, &self.connected, &caller).await);
        findings.extend(self.events().await);
        findings.extend(passes::last(&self.sdk).await);
        findings
    }

    /// What tells the function of changes: where it is, and where the identity
    /// store is.
    async fn events(&self) -> Vec<Finding> {
        let mut findings = events::rules(&self.sdk, true).await;
        let home = self.home();
        if home.region() != self.sdk.region() {
            findings.extend(events::rules(&home, false).await);
        }
        findings.push(trail::recording(&home).await);
        findings
    }

    /// The settings of the identity store's Region.
    fn home(&self) -> SdkConfig {
        whereabouts::in_region(&self.sdk, self.store_region.as_deref())
    }
}

/// That a service is not where it is looked for, if so.
async fn knock(service: Service, sdk: &SdkConfig, about: &str) -> Option<Finding> {
    let Astray { what, cure } = whereabouts::knock(service, sdk).await.err()?;
    Some(Finding::problem(about, what, cure))
}
