//! `plan` and `apply`: what would change, and making it so. The same pass as the
//! function's, with its guard and its pace.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::Args;
use serde_json::{Value, json};

use super::confirm::confirmed;
use super::connection::{Connected, Connection, no_deadline};
use super::output::{Output, csv, harmless, outln, put};
use super::progress::watched;
use super::words::paint;
use crate::config::Mode;
use crate::event::Scope;
use crate::identity::Identity;
use crate::plan::LeftAlone;
use crate::report::{ChangeReport, Outcome, Report};
use crate::sync::{Pass, Task};

/// The version of the JSON that `plan` and `apply` print. Fields may be added
/// to one version; none changes its meaning or goes.
const JSON_VERSION: u32 = 1;

/// The exit code of `plan` when there is something to do.
const CHANGES: u8 = 2;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing to do, 1 failed, 2 there are changes\n\n\
    Example:\n  emr-studio-sync plan --table policy.toml --identity-store-id d-1234567890"
)]
pub(super) struct PlanArguments {
    /// Only this Studio, by alias or id
    #[arg(long)]
    studio: Option<String>,
    /// Say also what is left alone, and why
    #[arg(long)]
    detailed: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, or something is still to do\n\n\
    Examples:\n  emr-studio-sync apply --table policy.toml --identity-store-id d-1234567890\n  \
    emr-studio-sync apply --table policy.toml --approve 0f3c9a6b21d4e875"
)]
pub(super) struct ApplyArguments {
    /// Only this Studio, by alias or id
    #[arg(long)]
    studio: Option<String>,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// The plan id of held deletions that may now go
    #[arg(long, value_name = "PLAN_ID")]
    approve: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn plan(arguments: PlanArguments) -> Result<ExitCode, String> {
    let mut connected = arguments.connection.connect().await?;
    let studio = arguments.studio.as_deref();
    let pass = connected.pass(studio, None, Mode::Plan).await?;
    match arguments.output {
        Output::Json => outln!("{:#}", connected.json(&pass)),
        Output::Csv => connected.print_csv(&pass)?,
        Output::Table => put(connected.tell(&pass, arguments.detailed))?,
    }
    Ok(match (is_sound(&pass), pass.report.changes.is_empty()) {
        (false, _) => ExitCode::FAILURE,
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::from(CHANGES),
    })
}

pub(super) async fn apply(arguments: ApplyArguments) -> Result<ExitCode, String> {
    let mut connected = arguments.connection.connect().await?;
    let (studio, approve) = (arguments.studio.as_deref(), arguments.approve.as_deref());
    let planned = connected.pass(studio, approve, Mode::Plan).await?;
    if arguments.output == Output::Table {
        put(connected.tell(&planned, false))?;
    }
    let to_do = |pass: &Pass| {
        let changes = &pass.report.changes;
        changes
            .iter()
            .filter(|change| change.outcome == Outcome::Planned)
            .count()
    };
    if to_do(&planned) > 0 && !arguments.yes && !confirmed("\nMake these changes?")? {
        return Err("nothing was changed".to_owned());
    }
    let pass = match to_do(&planned) {
        0 => planned,
        _ => {
            let made = connected.pass(studio, approve, Mode::Apply).await?;
            if arguments.output == Output::Table {
                outln!("\n{}", summary(&made.report));
                made.report
                    .problems
                    .iter()
                    .for_each(|problem| anstream::eprintln!("! {problem}"));
            }
            made
        }
    };
    match arguments.output {
        Output::Json => outln!("{:#}", connected.json(&pass)),
        Output::Csv => connected.print_csv(&pass)?,
        Output::Table => {}
    }
    let left = pass.report.held + pass.report.over_capacity;
    Ok(match is_sound(&pass) && left == 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Whether everything that was tried went well.
fn is_sound(pass: &Pass) -> bool {
    pass.setbacks.is_empty() && pass.report.failed == 0 && pass.report.remaining == 0
}

impl Connected {
    async fn pass(
        &mut self,
        studio: Option<&str>,
        approve: Option<&str>,
        mode: Mode,
    ) -> Result<Pass, String> {
        let studio = studio.map(|name| self.studio(name)).transpose()?;
        let task = Task {
            scope: Scope::Everything,
            events: &[],
            studio,
            approve,
            mode,
            deadline: no_deadline(),
        };
        let doing = match mode {
            Mode::Plan => "reading",
            Mode::Apply => "applying",
        };
        let pass = watched(&self.engine, doing, self.engine.pass(&task)).await;
        let changes = pass.report.changes.iter();
        let mut named: BTreeSet<Identity> = changes
            .flat_map(|change| {
                [
                    Some(identity_of(change)),
                    change.via_group.clone().map(Identity::group),
                ]
            })
            .flatten()
            .collect();
        named.extend(
            pass.left_alone
                .iter()
                .map(|(_, identity, _)| identity.clone()),
        );
        named.retain(|identity| !self.words.names.contains_key(identity));
        let names = self.engine.names(&named, task.deadline);
        let names = watched(&self.engine, "looking up names", names).await;
        // Who is gone has no other name than the one they were mapped under.
        for (identity, name) in &pass.names {
            let names = &mut self.words.names;
            names.entry(identity.clone()).or_insert(name.clone());
        }
        self.words.names.extend(names);
        Ok(pass)
    }

    /// The plan as people read it.
    fn tell(&self, pass: &Pass, detailed: bool) -> String {
        let mut text = String::new();
        let report = &pass.report;
        for (index, studio) in self.engine.table().studios.iter().enumerate() {
            let changes = report
                .changes
                .iter()
                .filter(|change| change.studio == studio.alias);
            let mut lines: Vec<String> = changes.map(|change| self.words.change(change)).collect();
            if detailed {
                let left = pass
                    .left_alone
                    .iter()
                    .filter(|(studio, ..)| *studio == index);
                lines.extend(left.map(|(_, identity, reason)| {
                    let reason = match reason {
                        LeftAlone::NotOurs => "somebody's own, though a rule wants another",
                        LeftAlone::Unrelated => "somebody's own",
                        LeftAlone::Protected => "protected",
                    };
                    format!("= {:<31} (left alone: {reason})", self.words.name(identity))
                }));
            }
            if !lines.is_empty() {
                let title = format!("{} ({})", studio.alias, studio.id);
                let _ = writeln!(text, "{}", paint(Style::new().bold(), &title));
                lines.iter().for_each(|line| {
                    let _ = writeln!(text, "  {line}");
                });
            }
        }
        for problem in &report.problems {
            let _ = writeln!(
                text,
                "{}",
                paint(AnsiColor::Yellow.on_default(), &format!("! {problem}"))
            );
        }
        let _ = writeln!(text, "{}", summary(report));
        text
    }

    /// The changes, a line each; what is no change goes to standard error.
    fn print_csv(&self, pass: &Pass) -> Result<(), String> {
        let changes = pass.report.changes.iter();
        let rows: Vec<_> = changes
            .map(|change| {
                let name = self.words.names.get(&identity_of(change));
                (change, name.map(|name| harmless(name)))
            })
            .collect();
        put(csv(&COLUMNS, &rows)?)?;
        pass.report
            .problems
            .iter()
            .for_each(|problem| anstream::eprintln!("! {problem}"));
        Ok(())
    }

    /// The plan as programs read it: the report, and names beside the ids.
    fn json(&self, pass: &Pass) -> Value {
        let mut all = json!(pass.report);
        all["version"] = json!(JSON_VERSION);
        for (row, change) in pass.report.changes.iter().enumerate() {
            let name = self.words.names.get(&identity_of(change));
            all["changes"][row]["identity_name"] = json!(name);
        }
        let left = pass.left_alone.iter().map(|(studio, identity, reason)| {
            json!({
                "studio": self.engine.table().studios[*studio].alias,
                "identity_type": identity.kind,
                "identity_id": identity.id,
                "identity_name": self.words.names.get(identity),
                "reason": reason,
            })
        });
        all["left_alone"] = left.collect();
        all
    }
}

/// The columns of the CSV: a change's fields, and whose mapping it is.
const COLUMNS: [&str; 11] = [
    "action",
    "outcome",
    "studio",
    "studio_id",
    "identity_type",
    "identity_id",
    "session_policy",
    "previous_policy",
    "rule",
    "via_group",
    "identity_name",
];

fn identity_of(change: &ChangeReport) -> Identity {
    Identity {
        kind: change.identity_type,
        id: change.identity_id.clone(),
    }
}

/// The last line: how many of what.
fn summary(report: &Report) -> String {
    let counts = [
        (report.created, "to create", "created"),
        (report.updated, "to update", "updated"),
        (report.deleted, "to delete", "deleted"),
        (report.held, "held", "held"),
        (report.over_capacity, "over capacity", "over capacity"),
        (report.failed, "failed", "failed"),
    ];
    let done = report.mode == Mode::Apply.name();
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, to_do, made)| format!("{count} {}", if done { made } else { to_do }))
        .collect();
    let mut line = match counts.is_empty() {
        true => format!(
            "Nothing to do: {} mappings are as they should be.",
            report.unchanged
        ),
        false => format!(
            "{}; {} as they should be.",
            counts.join(", "),
            report.unchanged
        ),
    };
    if let Some(plan_id) = &report.plan_id {
        line += &format!("\nThe held deletions go with: apply --approve {plan_id}");
    }
    line
}
