//! What `plan` and `apply` say: for people, for programs, for spreadsheets.

use std::collections::HashMap;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::cli::connection::Connected;
use crate::cli::output::{csv, put, remark};
use crate::cli::words::{Line, Widths, Words, paint};
use crate::identity::Identity;
use crate::plan::LeftAlone;
use crate::report::{ChangeReport, Outcome, Pass, Report};
use crate::visible;

/// The version of the JSON that `plan` and `apply` print. Fields may be added
/// to one version; none changes its meaning or goes.
const JSON_VERSION: u32 = 1;

impl Connected {
    /// The plan as people read it.
    pub(in crate::cli) fn tell(&self, pass: &Pass, detailed: bool) -> String {
        let mut text = String::new();
        let report = &pass.report;
        let studios = &self.engine.table().studios;
        let changes = report.changes.iter();
        let changes: Vec<(&str, Line)> = changes
            .map(|change| (change.studio.as_str(), self.words.change(change)))
            .collect();
        let left = pass.left_alone.iter().filter(|_| detailed);
        let left = left.map(|(_, identity, _)| self.words.name(identity));
        let widths = Widths::of(changes.iter().map(|(_, line)| line));
        let widths = left.fold(widths, |widths, name| widths.and_name(&name));
        let mut lines_of: HashMap<&str, Vec<String>> = HashMap::new();
        for (studio, line) in &changes {
            let lines = lines_of.entry(studio).or_default();
            lines.push(line.text(widths));
        }
        for (studio, identity, reason) in pass.left_alone.iter().filter(|_| detailed) {
            let reason = match reason {
                LeftAlone::NotOurs => "somebody's own, though a rule wants another",
                LeftAlone::Unrelated => "somebody's own",
                LeftAlone::Protected => "protected",
            };
            let lines = lines_of.entry(&studios[*studio].alias).or_default();
            lines.push(format!(
                "= {:<width$} (left alone: {reason})",
                self.words.name(identity),
                width = widths.of_both(),
            ));
        }
        for studio in studios {
            if let Some(lines) = lines_of.get(studio.alias.as_str()) {
                let title = format!("{} ({})", visible::name(&studio.alias), studio.id);
                let _ = writeln!(text, "{}", paint(Style::new().bold(), &title));
                lines.iter().for_each(|line| {
                    let _ = writeln!(text, "  {line}");
                });
            }
        }
        text += &problems(report);
        let _ = writeln!(text, "{}", summary(report, &self.words));
        text
    }

    /// What came of the changes that were shown before: what was not done, and
    /// how many were. Of those that were stopped, all.
    pub(in crate::cli) fn tell_made(&self, pass: &Pass, stopped: bool) -> String {
        let is_done = |change: &&ChangeReport| change.outcome == Outcome::Done;
        let (done, others): (Vec<_>, Vec<_>) = pass.report.changes.iter().partition(is_done);
        let parts = match stopped {
            true => vec![("Done before it was stopped", done), ("Not done", others)],
            false => vec![("", others)],
        };
        self.tell_parts(pass, parts)
    }

    /// The same, with the changes in parts: what each is about, and they.
    pub(in crate::cli) fn tell_parts(
        &self,
        pass: &Pass,
        parts: Vec<(&str, Vec<&ChangeReport>)>,
    ) -> String {
        let text = |(head, changes): (&str, Vec<&ChangeReport>)| {
            let head = match head.is_empty() || changes.is_empty() {
                true => String::new(),
                false => format!("{}\n", paint(Style::new().bold(), head)),
            };
            let changes = changes.into_iter();
            let lines: Vec<Line> = changes.map(|change| self.words.change(change)).collect();
            let widths = Widths::of(&lines);
            let lines = lines.iter();
            let lines = lines.map(|line| format!("  {}\n", line.text(widths)));
            head + &lines.collect::<String>()
        };
        format!(
            "\n{}{}{}\n",
            parts.into_iter().map(text).collect::<String>(),
            problems(&pass.report),
            summary(&pass.report, &self.words)
        )
    }

    /// The changes, a line each; what is no change goes to standard error.
    pub(in crate::cli) fn print_csv(&self, pass: &Pass, detailed: bool) -> Result<(), String> {
        let name_of = |identity: &Identity| {
            let name = self.words.names.get(identity);
            name.cloned().unwrap_or_default()
        };
        let mut rows: Vec<[String; COLUMNS.len()]> = Vec::new();
        for change in &pass.report.changes {
            // Taken apart, so that no new field is forgotten.
            let ChangeReport {
                action,
                outcome,
                studio,
                studio_id,
                identity_type,
                identity_id,
                session_policy,
                previous_policy,
                rule,
                via_group,
            } = change;
            rows.push([
                action.name().to_owned(),
                outcome.name().to_owned(),
                studio.clone(),
                studio_id.clone(),
                identity_type.to_string(),
                identity_id.to_string(),
                session_policy.clone().unwrap_or_default(),
                previous_policy.clone().unwrap_or_default(),
                rule.map(|rule| rule.to_string()).unwrap_or_default(),
                via_group
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                name_of(&identity_of(change)),
            ]);
        }
        for (studio, identity, reason) in pass.left_alone.iter().filter(|_| detailed) {
            let studio = &self.engine.table().studios[*studio];
            let mut row = COLUMNS.map(|_| String::new());
            row[..6].clone_from_slice(&[
                "leave".to_owned(),
                json!(reason).as_str().unwrap_or_default().to_owned(),
                studio.alias.clone(),
                studio.id.clone(),
                identity.kind.to_string(),
                identity.id.to_string(),
            ]);
            row[COLUMNS.len() - 1] = name_of(identity);
            rows.push(row);
        }
        put(csv(&COLUMNS, &rows)?)?;
        anstream::eprint!("{}", problems(&pass.report));
        if let Some(approving) = approving(&pass.report, &self.words) {
            remark("!", &approving);
        }
        Ok(())
    }

    /// The plan as programs read it: the report, and names beside the ids.
    pub(in crate::cli) fn json(&self, pass: &Pass) -> Value {
        let mut all = json!(pass.report);
        all["version"] = json!(JSON_VERSION);
        all["unresolved"] = json!(pass.report.unresolved);
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

pub(in crate::cli) fn identity_of(change: &ChangeReport) -> Identity {
    Identity {
        kind: change.identity_type,
        id: change.identity_id.clone(),
    }
}

/// What makes a change this one, and no other.
pub(in crate::cli) fn key(change: &ChangeReport) -> impl Ord + use<> {
    (
        change.studio_id.clone(),
        change.action,
        identity_of(change),
        change.session_policy.clone(),
        change.previous_policy.clone(),
    )
}

/// The last line: how many of what.
fn summary(report: &Report, words: &Words) -> String {
    let mut line = match report.counts() {
        none if none.is_empty() => match report.unchanged {
            1 => "Nothing to do: 1 mapping is as it should be.".to_owned(),
            count => format!("Nothing to do: {count} mappings are as they should be."),
        },
        counts => format!("{counts}; {} as they should be.", report.unchanged),
    };
    line += &match report.unresolved {
        0 => String::new(),
        1 => "\n1 entry of the table leads nowhere: what it names is not there.".to_owned(),
        count => {
            format!("\n{count} entries of the table lead nowhere: what they name is not there.")
        }
    };
    if let Some(approving) = approving(report, words) {
        line += &format!("\n{approving}");
    }
    line
}

/// How held deletions are let go.
fn approving(report: &Report, words: &Words) -> Option<String> {
    let plan_id = report.plan_id.as_ref()?;
    let command = match words.is_remote {
        true => "remote approve",
        false => "apply --approve",
    };
    Some(format!(
        "The held deletions go with: {command} {}",
        visible::line(plan_id)
    ))
}

/// What a person should know, a line each.
fn problems(report: &Report) -> String {
    let line = |problem: &String| {
        format!(
            "{}\n",
            paint(
                AnsiColor::Yellow.on_default(),
                &format!("! {}", visible::line(problem))
            )
        )
    };
    report.problems.iter().map(line).collect()
}
