//! `remote`: orders to the deployed function, printed as the local commands do.

mod function;
pub(super) mod lambda;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::confirm::confirmed;
use super::connection::Account;
use super::explain::{self, Whom};
use super::output::{Output, outln, put, say};
use super::reconcile::code_of_plan;
use super::reconcile::shown::key;
use super::stop::{STOPPED, until_told};
use crate::config::Mode;
use crate::event::Subject;
use crate::identity::{Identity, IdentityType};
use crate::report::{ChangeReport, Outcome, Pass, Report};
use crate::sync::Explanation;
use crate::visible;
use function::{Function, part};
use lambda::Which;

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
        after_help = "It plans first, and asks. What is made is what the function then finds; what of it \
        had not been shown is named.\nCtrl-C only stops the waiting: the function goes on.\n\n\
        Exit codes: 0 done, 1 failed, or something that was shown is not done, or what the table \
        names is not there, 130 stopped\n\n\
        Example:\n  emr-studio-sync remote reconcile --stack emr-studio-sync --studio analytics"
    )]
    Reconcile(Reconcile),
    /// Let held deletions go
    #[command(
        after_help = "It shows them first, and asks. If others are held by now, none goes; other \
        changes that the function finds are made as ever, and named.\nCtrl-C only stops the \
        waiting: the function goes on.\n\n\
        Exit codes: 0 done, 1 failed, or something that was shown is not done, or what the table \
        names is not there, 130 stopped\n\n\
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
    // Names of people come from the identity store, if the function's is given: it
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
    let (mut answer, same) = (function.status, function.table_is_yours);
    let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
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
    function.say_where(output)?;
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
    function.say_where(output)?;
    let order = |action: &str| json!({ "action": action, "studio": studio, "approve": approve });
    let (connected, planned) = function.pass(order("plan")).await?;
    if let Some(wrong) = planned.report.wrong_approval() {
        return Err(wrong.to_owned());
    }
    let is_to_do = |change: &&ChangeReport| change.outcome == Outcome::Planned;
    let to_do: Vec<&ChangeReport> = planned.report.changes.iter().filter(is_to_do).collect();
    let (is_none, only_plans) = (to_do.is_empty(), function.mode() == Mode::Plan);
    let asks = !is_none && !only_plans && !yes;
    match output {
        Output::Table => say(connected.tell(&planned, false))?,
        // Nobody agrees to what they have not seen.
        Output::Json | Output::Csv if asks => {
            anstream::eprint!("{}", connected.tell(&planned, false));
        }
        Output::Json | Output::Csv => {}
    }
    if asks {
        let question = format!("Let {} make these changes?", function.name);
        if !confirmed(&function.place, &question)? {
            return Err("nothing was changed".to_owned());
        }
    }
    if !is_none && !only_plans {
        let names = &connected.words.names;
        return make(&function, order("reconcile"), &to_do, names, output).await;
    }
    match output {
        Output::Json => outln!("{:#}", connected.json(&planned)),
        Output::Csv => connected.print_csv(&planned, false)?,
        Output::Table => {}
    }
    match is_none {
        true => Ok(code_of(&planned.report)),
        false => Err("nothing was changed: the function is deployed with Mode plan".to_owned()),
    }
}

/// Lets the function make its changes, and says what came of those that were shown, and
/// which it made besides: it makes what it finds, whatever was shown.
async fn make(
    function: &Function<'_>,
    order: Value,
    shown: &[&ChangeReport],
    names: &BTreeMap<Identity, String>,
    output: Output,
) -> Result<ExitCode, String> {
    let history = function.history();
    let Some(made) = until_told(pin!(function.pass(order))).await else {
        anstream::eprintln!(
            "stopped waiting: {} goes on with the order, if that has reached it; what it changes: \
             {history}",
            visible::line(&function.name)
        );
        return Ok(ExitCode::from(STOPPED));
    };
    let (mut connected, Pass { report, .. }) =
        made.map_err(|why| format!("{why}; what it has changed, if anything: {history}"))?;
    let agreed: BTreeSet<_> = shown.iter().map(|change| key(change)).collect();
    let found: BTreeSet<_> = report.changes.iter().map(key).collect();
    let changes = report.changes.iter();
    let (done, others): (Vec<_>, Vec<_>) =
        changes.partition(|change| change.outcome == Outcome::Done);
    let done = done.into_iter();
    let besides: Vec<&ChangeReport> = done.filter(|one| !agreed.contains(&key(one))).collect();
    let shown = shown.iter().copied();
    let gone: Vec<&ChangeReport> = shown.filter(|one| !found.contains(&key(one))).collect();
    let mut problems = report.problems.clone();
    if !besides.is_empty() {
        problems.push(format!(
            "{} of what was done had not been shown: the function found it when it made the \
             changes",
            besides.len()
        ));
    }
    if !gone.is_empty() {
        problems.push(format!(
            "{} of what was shown is not to be done any more: somebody else has done it, or what \
             it rests on has changed; to see how it is: remote plan",
            gone.len()
        ));
    }
    let told = Pass {
        report: Report {
            problems,
            ..report.clone()
        },
        ..Pass::default()
    };
    let names = names.clone().into_iter();
    connected.words.names.extend(names);
    match output {
        Output::Json => outln!("{:#}", connected.json(&told)),
        Output::Csv => connected.print_csv(&told, false)?,
        Output::Table => {
            let parts = vec![
                ("Done, and not shown before", besides),
                ("Shown, and not to be done any more", gone.clone()),
                ("Not done", others),
            ];
            say(connected.tell_parts(&told, parts))?;
        }
    }
    Ok(match gone.is_empty() {
        true => code_of(&report),
        false => ExitCode::FAILURE,
    })
}

/// How it ends: whether all that there was to do is done.
fn code_of(report: &Report) -> ExitCode {
    let mut all = report.changes.iter();
    let all_done = all.all(|change| change.outcome == Outcome::Done);
    match all_done && report.failed + report.remaining + report.unresolved == 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

async fn explain(arguments: Explain) -> Result<ExitCode, String> {
    let Explain { whom, output, to } = arguments;
    let subject = whom.subject()?;
    let function = to.reach().await?;
    function.say_where(output)?;
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
    let mut connected = function.connect(Vec::new()).await?;
    explain::print(&mut connected, &explanation, output).await
}
