//! `remote`: orders to the deployed function, printed as the local commands do.

pub(super) mod lambda;

use std::path::PathBuf;
use std::process::ExitCode;

use aws_config::SdkConfig;
use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::confirm::confirmed;
use super::connection::{Account, Connected};
use super::explain::{self, Whom};
use super::output::{Output, outln, put, say};
use super::reconcile::code_of_plan;
use super::table;
use super::words::Words;
use crate::config::Mode;
use crate::event::Subject;
use crate::identity::IdentityType;
use crate::policy::document::{Document, Studio};
use crate::policy::read;
use crate::report::{ChangeReport, Outcome, Pass, Report};
use crate::sync::Explanation;
use crate::visible;
use lambda::{Which, invoke};

/// The version of the JSON that `remote status` prints.
const JSON_VERSION: u32 = 1;

/// What is asked of the function.
#[derive(Debug, Subcommand)]
pub(super) enum Order {
    /// Say how the deployed function is configured
    #[command(
        after_help = "With --table: whether that is the table which is deployed.\n\n\
        Example:\n  emr-studio-sync remote status --stack emr-studio-sync --table policy.toml"
    )]
    Status(Status),
    /// Let the function say what it would change
    #[command(
        after_help = "Exit codes: 0 nothing to do, 1 failed, 2 there are changes\n\n\
        Example:\n  emr-studio-sync remote plan --stack emr-studio-sync"
    )]
    Plan(Plan),
    /// Let the function make a full pass now
    #[command(
        after_help = "It plans first, and asks. What is made is what the function then finds.\n\n\
        Example:\n  emr-studio-sync remote reconcile --stack emr-studio-sync --studio analytics"
    )]
    Reconcile(Reconcile),
    /// Let held deletions go
    #[command(
        after_help = "It shows them first, and asks. If others are held by now, none goes.\n\n\
        Example:\n  emr-studio-sync remote approve 0f3c9a6b21d4e875 --stack emr-studio-sync"
    )]
    Approve(Approve),
    /// Let the function say why somebody is, or is not, mapped
    #[command(
        after_help = "Example:\n  emr-studio-sync remote explain --user alice@example.com \\\n    \
        --stack emr-studio-sync"
    )]
    Explain(Explain),
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    to: Deployed,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Only this Studio, by alias or id
    #[arg(long, value_name = "ALIAS|ID")]
    studio: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    to: Deployed,
}

#[derive(Debug, Args)]
pub(super) struct Reconcile {
    /// Only this Studio, by alias or id
    #[arg(long, value_name = "ALIAS|ID")]
    studio: Option<String>,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    to: Deployed,
}

#[derive(Debug, Args)]
pub(super) struct Approve {
    /// Of the held deletions, as `remote plan` shows it
    plan_id: String,
    #[command(flatten)]
    rest: Reconcile,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    whom: Whom,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    to: Deployed,
}

/// The deployed function, and what its answer is put into words with.
#[derive(Debug, Args)]
pub(super) struct Deployed {
    #[command(flatten)]
    pub(super) which: Which,
    /// The policy table, for its aliases; the function goes by its own
    #[arg(
        long,
        env = "POLICY_TABLE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(super) table: Option<PathBuf>,
    // Names of people come from the identity store, if one is given: the function
    // answers in ids.
    #[command(flatten)]
    pub(super) account: Account,
}

pub(super) async fn run(order: Order) -> Result<ExitCode, String> {
    match order {
        Order::Status(arguments) => status(arguments).await,
        Order::Plan(arguments) => plan(arguments).await,
        Order::Reconcile(arguments) => reconcile(arguments, None).await,
        Order::Approve(arguments) => reconcile(arguments.rest, Some(arguments.plan_id)).await,
        Order::Explain(arguments) => explain(arguments).await,
    }
}

async fn status(arguments: Status) -> Result<ExitCode, String> {
    let Status { output, to } = arguments;
    let function = to.reach().await?;
    let mut answer = function.send(json!({ "action": "status" })).await?;
    let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
    let same = match &to.table {
        None => None,
        // What is said of a table is the same only within one release.
        Some(_) if text("release") != env!("CARGO_PKG_VERSION") => None,
        Some(path) => Some(table::load(path)?.0.digest() == text("table")),
    };
    let studios = answer["studios"].as_array().cloned().unwrap_or_default();
    let count = |field: &str| answer[field].as_u64().unwrap_or_default();
    let mut rows = vec![
        ("function", function.name.clone()),
        ("release", text("release")),
        ("mode", text("mode")),
        ("identity_store", text("identity_store_id")),
        ("rules", count("rules").to_string()),
        ("table", text("table")),
    ];
    rows.extend(same.map(|same| {
        let verdict = match same {
            true => "yes",
            false => "no: the function goes by another",
        };
        ("table_is_yours", verdict.to_owned())
    }));
    rows.extend(studios.iter().map(|studio| {
        let part = |field: &str| studio[field].as_str().unwrap_or_default();
        (
            "studio",
            format!("{} ({})", part("studio"), part("studio_id")),
        )
    }));
    rows.push(("unfinished", count("unfinished").to_string()));
    rows.push((
        "full_pass",
        match answer["full_pass"].as_str() {
            Some(began) => format!("began at {began}"),
            None => "none by this process yet".to_owned(),
        },
    ));
    match output {
        Output::Json => {
            answer["version"] = json!(JSON_VERSION);
            answer["function"] = json!(function.name);
            answer["table_is_yours"] = json!(same);
            outln!("{answer:#}");
        }
        Output::Csv => put(super::output::csv(&["field", "value"], &rows)?)?,
        Output::Table => {
            let rows = rows.iter();
            let lines = rows.map(|(name, value)| {
                format!("{:<15} {}\n", name.replace('_', " "), visible::name(value))
            });
            say(lines.collect::<String>())?;
        }
    }
    Ok(match same {
        Some(false) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

async fn plan(arguments: Plan) -> Result<ExitCode, String> {
    let Plan { studio, output, to } = arguments;
    let function = to.reach().await?;
    let order = json!({ "action": "plan", "studio": studio });
    let (connected, pass) = function.pass(order).await?;
    match output {
        Output::Json => outln!("{:#}", connected.json(&pass)),
        Output::Csv => connected.print_csv(&pass, false)?,
        Output::Table => say(connected.tell(&pass, false))?,
    }
    Ok(code_of_plan(&pass))
}

async fn reconcile(arguments: Reconcile, approve: Option<String>) -> Result<ExitCode, String> {
    let Reconcile {
        studio,
        yes,
        output,
        to,
    } = arguments;
    let function = to.reach().await?;
    let order = |action: &str| json!({ "action": action, "studio": studio, "approve": approve });
    let (connected, planned) = function.pass(order("plan")).await?;
    if let Some(wrong) = planned.report.wrong_approval() {
        return Err(wrong.to_owned());
    }
    let planned_ones = planned.report.changes.iter();
    let to_do = planned_ones.filter(|change| change.outcome == Outcome::Planned);
    let to_do = to_do.count();
    match output {
        Output::Table => say(connected.tell(&planned, false))?,
        _ if to_do > 0 && !yes => anstream::eprint!("{}", connected.tell(&planned, false)),
        _ => {}
    }
    if to_do > 0 && !yes {
        let question = format!("Let {} make these changes?", function.name);
        if !confirmed(&connected.place, &question)? {
            return Err("nothing was changed".to_owned());
        }
    }
    let (connected, made) = match to_do {
        0 => (connected, planned),
        _ => function.pass(order("reconcile")).await?,
    };
    match output {
        Output::Json => outln!("{:#}", connected.json(&made)),
        Output::Csv => connected.print_csv(&made, false)?,
        Output::Table if to_do == 0 => {}
        Output::Table => say(connected.tell_made(&made, false))?,
    }
    if to_do > 0 && made.report.mode == Mode::Plan.name() {
        return Err("nothing was changed: the function is deployed with Mode plan".to_owned());
    }
    let mut all = made.report.changes.iter();
    let all_done = all.all(|change| change.outcome == Outcome::Done);
    let Report {
        failed,
        remaining,
        unresolved,
        ..
    } = made.report;
    Ok(match all_done && failed + remaining + unresolved == 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn explain(arguments: Explain) -> Result<ExitCode, String> {
    let Explain { whom, output, to } = arguments;
    let subject = whom.subject()?;
    let function = to.reach().await?;
    let field = |kind: &IdentityType| match kind {
        IdentityType::User => "user",
        IdentityType::Group => "group",
    };
    let (field, value) = match &subject {
        Subject::Name(kind, name) => (field(kind).to_owned(), name.clone()),
        Subject::Id(identity) => (
            format!("{}_id", field(&identity.kind)),
            identity.id.to_string(),
        ),
    };
    let order = json!({ "action": "explain", field: value });
    let answer = function.send(order).await?;
    let explanation = Explanation {
        action: "explain",
        identity_type: part(&answer, "identity_type")?,
        identity_id: part(&answer, "identity_id")?,
        studios: part(&answer, "studios")?,
        problems: part(&answer, "problems")?,
    };
    let mut connected = to.connect(Vec::new()).await?;
    explain::print(&mut connected, &explanation, output).await
}

/// The function that answers.
struct Function<'t> {
    to: &'t Deployed,
    sdk: SdkConfig,
    name: String,
}

impl Deployed {
    async fn reach(&self) -> Result<Function<'_>, String> {
        let sdk = self.account.sdk().await?;
        let name = self.which.function(&sdk).await?;
        Ok(Function {
            to: self,
            sdk,
            name,
        })
    }

    /// What an answer about these Studios is told with.
    pub(super) async fn connect(
        &self,
        studios: Vec<(String, String)>,
    ) -> Result<Connected, String> {
        let document = match &self.table {
            Some(path) => table::load(path)?.1,
            None => Document::default(),
        };
        let mut words = Words::of(&document);
        words.is_remote = true;
        let studios = studios.into_iter();
        let document = Document {
            studios: studios
                .map(|(alias, id)| (alias, Studio::with_id(&id)))
                .collect(),
            ..Document::default()
        };
        let table = read::resolved(&document).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            format!(
                "the function answered with what is no Studio: {}",
                problems.join("; ")
            )
        })?;
        let store = self.account.store_id().unwrap_or_default();
        let engine = self.account.engine(store, table).await?;
        let place = self.account.place(None).await?;
        Ok(Connected {
            engine,
            words,
            place,
        })
    }
}

impl Function<'_> {
    async fn send(&self, mut order: Value) -> Result<Value, String> {
        if let Some(fields) = order.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let answer = invoke(&self.sdk, &self.name, order).await?;
        match answer["reason"].as_str() {
            // An order that was refused: it says why among the problems.
            Some(reason) if answer["scope"] == "nothing" => {
                let problems: Vec<String> = part(&answer, "problems")?;
                Err(format!(
                    "the function refused: {reason}: {}",
                    problems.join("; ")
                ))
            }
            _ => Ok(answer),
        }
    }

    /// Sends an order for a pass, and reads the report.
    async fn pass(&self, order: Value) -> Result<(Connected, Pass), String> {
        let answer = self.send(order).await?;
        let changes: Vec<ChangeReport> = part(&answer, "changes")?;
        let report = Report {
            mode: match answer["mode"] == "apply" {
                true => Mode::Apply.name(),
                false => Mode::Plan.name(),
            },
            scope: "everything",
            reason: part(&answer, "reason")?,
            plan_id: part(&answer, "plan_id")?,
            created: part(&answer, "created")?,
            updated: part(&answer, "updated")?,
            deleted: part(&answer, "deleted")?,
            unchanged: part(&answer, "unchanged")?,
            held: part(&answer, "held")?,
            over_capacity: part(&answer, "over_capacity")?,
            failed: part(&answer, "failed")?,
            remaining: part(&answer, "remaining")?,
            // What an older release does not say.
            unresolved: part(&answer, "unresolved").unwrap_or_default(),
            problems: part(&answer, "problems")?,
            changes,
        };
        let of_change = |change: &ChangeReport| (change.studio.clone(), change.studio_id.clone());
        let studios = report.changes.iter().map(of_change);
        let mut connected = self.to.connect(studios.collect()).await?;
        let pass = Pass {
            report,
            ..Pass::default()
        };
        if self.to.account.store_id().is_ok() {
            connected.learn_names_of_changes(&pass).await;
        }
        Ok((connected, pass))
    }
}

/// A part of the function's answer.
fn part<T: DeserializeOwned>(answer: &Value, field: &str) -> Result<T, String> {
    let read = serde_json::from_value(answer[field].clone());
    read.map_err(|error| {
        format!(
            "the function's answer is not one of ours: {field}: {error}; is it of another release?"
        )
    })
}
