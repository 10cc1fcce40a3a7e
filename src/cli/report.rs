//! `report`: who can open which Studio, with which session policy, by which
//! rule, and since when.

mod access;
mod findings;
mod html;
mod matrix;
mod people;
mod read;
mod rows;
mod say;

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::connection::{Connection, say_place};
use super::output::{Output, csv, put, remark, say, tell_place};
use super::words::grid;
use crate::plan::Action;
use crate::report::Outcome;
use crate::sync::Fates;
use crate::visible;
use rows::{Finding, Row, Status};

/// The version of the JSON that `report` prints. Fields may be added to one
/// version; none changes its meaning or goes.
///
/// * `version`
/// * `generated_at`: RFC 3339, in UTC
/// * `identity_store_id`
/// * `complete`: whether everything was read. If not, `problems` says what was
///   not, and that somebody is not in `rows` says nothing.
/// * `problems`: what could not be read, in words
/// * `notes`: which Studios people get into without a mapping, whom the table names
///   and who is not there, what waits and why, and who is not mapped, in words
/// * `studios`: one for each, as [`Studio`] has it
/// * `rows`: one for each grant, as [`Row`] has it
const JSON_VERSION: u32 = 1;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, or something could not be read\n\n\
    Example:\n  emr-studio-sync report --table policy.toml --output html > access.html"
)]
pub(super) struct Arguments {
    /// Only this Studio, by alias or id
    #[arg(long, value_name = "ALIAS|ID")]
    studio: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Form::Table)]
    output: Form,
    #[command(flatten)]
    connection: Connection,
}

/// How the report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For a terminal
    Table,
    /// For programs
    Json,
    /// For spreadsheets: a line of names, then one line for each grant
    Csv,
    /// For auditors: one page that needs nothing else
    Html,
}

/// Who can open what, and all that a reader needs to judge it.
struct Report {
    generated_at: DateTime<Utc>,
    /// Account, Region and identity store, in a line.
    place: String,
    identity_store_id: String,
    /// The file that the table was read from.
    table: String,
    studios: Vec<Studio>,
    rules: Vec<Rule>,
    rows: Vec<Row>,
    /// What could not be read.
    problems: Vec<String>,
    /// Which Studios people get into without a mapping, or may.
    open: Vec<String>,
    /// Whom the table names, and who is not there, and what follows.
    missing: Vec<String>,
    /// What the next full pass would do, and does not, and why.
    waits: Vec<String>,
}

/// A Studio, and how much of it was seen.
#[derive(Serialize)]
struct Studio {
    #[serde(rename = "studio")]
    alias: String,
    #[serde(rename = "studio_id")]
    id: String,
    /// Whether its mappings could be read.
    read: bool,
    /// How many users and groups it has mapped.
    users: usize,
    groups: usize,
    /// Whether people get into it without a mapping; none if that is not known.
    open: Option<bool>,
    /// Whom the rules want besides; none if it was not read.
    not_mapped: Option<NotMapped>,
}

/// How many users and groups the rules want that are not mapped: by what the next
/// full pass would make of that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct NotMapped {
    planned: usize,
    withheld: usize,
    over_capacity: usize,
}

impl NotMapped {
    fn of(fates: &Fates) -> NotMapped {
        let creations = fates
            .values()
            .filter(|(action, _)| *action == Action::Create);
        let with = |fate| creations.clone().filter(|(_, one)| *one == fate).count();
        NotMapped {
            planned: with(Outcome::Planned),
            withheld: with(Outcome::Withheld),
            over_capacity: with(Outcome::OverCapacity),
        }
    }

    fn all(self) -> usize {
        self.planned + self.withheld + self.over_capacity
    }

    /// `3 over capacity, 2 planned`
    fn words(self) -> String {
        let counts = [
            (self.over_capacity, Outcome::OverCapacity),
            (self.withheld, Outcome::Withheld),
            (self.planned, Outcome::Planned),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts
            .map(|(count, what)| format!("{count} {}", what.words()))
            .collect();
        counts.join(", ")
    }
}

/// A rule, in words.
struct Rule {
    /// Its place in the table.
    index: usize,
    whom: String,
    studio: String,
    session_policy: String,
}

impl Studio {
    /// What its mappings do not show: findings of its own, by their names for programs.
    fn findings(&self) -> Vec<&'static str> {
        let over = |all: NotMapped| all.over_capacity > 0;
        let findings = [
            (Finding::Unread.name(), !self.read),
            ("open", self.is_open()),
            (
                Outcome::OverCapacity.name(),
                self.not_mapped.is_some_and(over),
            ),
        ];
        let found = findings.into_iter().filter(|(_, is_so)| *is_so);
        found.map(|(finding, _)| finding).collect()
    }

    /// Its name in a sentence.
    fn name(&self) -> String {
        match self.alias == self.id {
            true => format!("Studio {}", self.id),
            false => format!("Studio {} ({})", visible::name(&self.alias), self.id),
        }
    }

    fn is_open(&self) -> bool {
        self.open == Some(true)
    }

    /// Whom the rules want besides, if that is anybody.
    fn not_mapped(&self) -> Option<NotMapped> {
        self.not_mapped.filter(|all| all.all() > 0)
    }

    fn for_people(&self) -> Studio {
        Studio {
            alias: visible::name(&self.alias),
            id: visible::name(&self.id),
            ..*self
        }
    }
}

impl Rule {
    fn for_people(&self) -> Rule {
        Rule {
            index: self.index,
            whom: visible::line(&self.whom),
            studio: visible::name(&self.studio),
            session_policy: visible::name(&self.session_policy),
        }
    }
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let connected = arguments.connection.connect().await?;
    match arguments.output {
        Form::Table => say_place(&connected.place, Output::Table)?,
        Form::Json | Form::Csv | Form::Html => tell_place(&connected.place),
    }
    let only = arguments
        .studio
        .as_deref()
        .map(|name| connected.studio(name))
        .transpose()?;
    let table = arguments.connection.table().display().to_string();
    let report = connected.report(only, table).await;
    match arguments.output {
        Form::Json => put(format_args!("{}\n", report.as_json()?))?,
        Form::Csv => put(report.as_csv()?)?,
        Form::Table => say(format_args!("{}\n", report.for_people().as_grid()))?,
        Form::Html => put(html::page(&report.for_people()))?,
    }
    let notes = report.notes();
    let notes = notes.iter().chain(&report.problems);
    notes.for_each(|note| remark("!", note));
    if report.is_complete() {
        return Ok(ExitCode::SUCCESS);
    }
    Err("the report is incomplete: what could not be read is not in it".to_owned())
}

impl Report {
    fn is_complete(&self) -> bool {
        self.problems.is_empty() && self.studios.iter().all(|studio| studio.read)
    }

    /// What there is to say besides, in words.
    fn notes(&self) -> Vec<String> {
        let not_mapped = self.studios.iter().filter_map(|studio| {
            let all = studio.not_mapped()?;
            Some(format!(
                "{}: the rules want {} more, who are not mapped: {}",
                studio.name(),
                all.all(),
                all.words()
            ))
        });
        let told = self.open.iter().chain(&self.missing).chain(&self.waits);
        told.cloned().chain(not_mapped).collect()
    }

    /// The same, with names as people read them.
    fn for_people(&self) -> Report {
        let lines = |all: &[String]| all.iter().map(|one| visible::line(one)).collect();
        Report {
            generated_at: self.generated_at,
            place: visible::line(&self.place),
            identity_store_id: self.identity_store_id.clone(),
            table: visible::name(&self.table),
            studios: self.studios.iter().map(Studio::for_people).collect(),
            rules: self.rules.iter().map(Rule::for_people).collect(),
            rows: self.rows.iter().map(Row::for_people).collect(),
            problems: lines(&self.problems),
            open: lines(&self.open),
            missing: lines(&self.missing),
            waits: lines(&self.waits),
        }
    }

    fn as_grid(&self) -> String {
        let mut grid = grid(&["Studio", "Who", "Session policy", "By", "Days", "Look at"]);
        for row in &self.rows {
            let findings = row.findings.iter().map(|finding| finding.words(row));
            let waits = row.waits().map(str::to_owned);
            grid.add_row([
                row.studio.clone(),
                row.who(),
                row.session_policy.clone(),
                row.by(),
                row.age_days
                    .map(|days| days.to_string())
                    .unwrap_or_default(),
                findings.chain(waits).collect::<Vec<_>>().join(", "),
            ]);
        }
        for studio in &self.studios {
            let alias = studio.alias.as_str();
            if !studio.read {
                grid.add_row([alias, "?", "?", "?", "?", "could not be read"]);
            }
            if studio.is_open() {
                grid.add_row([alias, "anybody", "", "", "", "open without a mapping"]);
            }
            if let Some(all) = studio.not_mapped() {
                let (who, why) = (format!("{} more", all.all()), all.words());
                grid.add_row([alias, &who, "", "", "", &format!("not mapped: {why}")]);
            }
        }
        grid.to_string()
    }

    /// Written as it is gone through: as one [`serde_json::Value`], the rows of a large
    /// company would take many times the room and the time.
    fn as_json(&self) -> Result<String, String> {
        #[derive(Serialize)]
        struct Document<'a> {
            version: u32,
            generated_at: String,
            identity_store_id: &'a str,
            complete: bool,
            problems: &'a [String],
            notes: Vec<String>,
            studios: &'a [Studio],
            rows: &'a [Row],
        }
        let document = Document {
            version: JSON_VERSION,
            generated_at: rows::rfc3339(self.generated_at),
            identity_store_id: &self.identity_store_id,
            complete: self.is_complete(),
            problems: &self.problems,
            notes: self.notes(),
            studios: &self.studios,
            rows: &self.rows,
        };
        serde_json::to_string_pretty(&document).map_err(|error| error.to_string())
    }

    /// A Studio has a line of its own if its mappings do not say all: for whoever gets
    /// the file without what was said beside it.
    fn as_csv(&self) -> Result<String, String> {
        let mut lines: Vec<[String; COLUMNS.len()]> = self.rows.iter().map(cells).collect();
        for studio in &self.studios {
            let findings = studio.findings();
            if findings.is_empty() {
                continue;
            }
            lines.push(COLUMNS.map(|column| match column {
                "studio" => studio.alias.clone(),
                "studio_id" => studio.id.clone(),
                "findings" => findings.join(" "),
                _ => String::new(),
            }));
        }
        csv(&COLUMNS, &lines)
    }
}

/// The columns of the CSV: a row's fields.
const COLUMNS: [&str; 21] = [
    "studio",
    "studio_id",
    "user_name",
    "user_id",
    "user_status",
    "session_policy",
    "session_policy_arn",
    "mapping",
    "group_name",
    "group_id",
    "rule",
    "via_group_name",
    "via_group_id",
    "wanted_policy",
    "owned",
    "protected",
    "created",
    "age_days",
    "findings",
    "action",
    "outcome",
];

/// A row as a line of CSV.
fn cells(row: &Row) -> [String; COLUMNS.len()] {
    // Taken apart, so that no new field is forgotten.
    let Row {
        studio,
        studio_id,
        user_name,
        user_id,
        user_status,
        session_policy,
        session_policy_arn,
        mapping,
        group_name,
        group_id,
        rule,
        via_group_name,
        via_group_id,
        wanted_policy,
        owned,
        protected,
        created,
        age_days,
        findings,
        action,
        outcome,
    } = row;
    let findings = findings.iter().map(|finding| finding.name());
    [
        studio.clone(),
        studio_id.clone(),
        user_name.clone().unwrap_or_default(),
        or_empty(user_id),
        user_status.map_or("", Status::name).to_owned(),
        session_policy.clone(),
        session_policy_arn.clone(),
        mapping.to_string(),
        group_name.clone().unwrap_or_default(),
        or_empty(group_id),
        or_empty(rule),
        via_group_name.clone().unwrap_or_default(),
        or_empty(via_group_id),
        or_empty(wanted_policy),
        owned.to_string(),
        protected.to_string(),
        or_empty(created),
        or_empty(age_days),
        findings.collect::<Vec<_>>().join(" "),
        action.map_or("", Action::name).to_owned(),
        outcome.map_or("", Outcome::name).to_owned(),
    ]
}

fn or_empty<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map(T::to_string).unwrap_or_default()
}
