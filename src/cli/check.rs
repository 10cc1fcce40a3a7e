//! `check`: is a policy table right? Every problem, drawn where it is.

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::connection::{Account, no_deadline};
use super::output::{Output, csv, outln, put};
use super::place;
use super::progress::watched;
use super::table::Source;
use super::words::counted;
use crate::error::Problem;
use crate::policy::read;

/// The version of the JSON that `check` prints.
const JSON_VERSION: u32 = 1;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  emr-studio-sync check policy.toml\n  \
    emr-studio-sync check --live policy.toml --identity-store-id d-1234567890")]
pub(super) struct Arguments {
    /// The policy table, JSON or TOML
    #[arg(env = "POLICY_TABLE", hide_env_values = true)]
    table: PathBuf,
    /// Ask AWS too: do the groups, users and Studios exist, and is there room?
    #[arg(long)]
    live: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    account: Account,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let source = Source::read(&arguments.table)?;
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let (mut counts, mut wrong) = (String::new(), "is not a usable policy table");
    match read::table(&source.text, source.format) {
        Err(found) => problems = found,
        Ok(table) => {
            warnings = table.warnings();
            counts = format!(
                "{}, {}",
                counted(table.studios.len(), "Studio"),
                counted(table.rules.len(), "rule")
            );
            if arguments.live {
                let account = &arguments.account;
                let engine = account.engine(account.store_id()?, table).await?;
                let review = watched(&engine, "asking AWS", engine.review(no_deadline())).await;
                warnings.extend(review.warnings);
                (problems, wrong) = (review.problems, "is not what AWS has");
                if warnings.is_empty() {
                    counts += ", all of them there";
                }
            }
        }
    }
    match arguments.output {
        Output::Table => {
            let show = |level: &Level<'static>, problem| {
                anstream::eprintln!("{}\n", drawn(level.clone(), problem, &source));
            };
            warnings.iter().for_each(|one| show(&Level::WARNING, one));
            problems.iter().for_each(|one| show(&Level::ERROR, one));
        }
        Output::Json => outln!(
            "{:#}",
            json!({
                "version": JSON_VERSION,
                "table": source.name,
                "problems": placed("problem", &problems, &source),
                "warnings": placed("warning", &warnings, &source),
            })
        ),
        Output::Csv => {
            let mut rows = placed("problem", &problems, &source);
            rows.extend(placed("warning", &warnings, &source));
            put(csv(
                &["level", "place", "line", "column", "message"],
                &rows,
            )?)?;
        }
    }
    let file = &source.name;
    if !problems.is_empty() {
        let count = counted(problems.len(), "problem");
        return Err(format!("{file} {wrong}: {count}"));
    }
    if arguments.output == Output::Table {
        let warnings = match warnings.len() {
            0 => String::new(),
            warnings => format!(", {}", counted(warnings, "warning")),
        };
        outln!("{file} is a usable policy table: {counts}{warnings}");
    }
    Ok(ExitCode::SUCCESS)
}

/// A problem or a warning, for programs.
#[derive(Debug, Serialize)]
struct Placed {
    level: &'static str,
    place: String,
    /// Both from 1; none of what is nowhere in the file.
    line: Option<usize>,
    column: Option<usize>,
    message: String,
}

fn placed(level: &'static str, problems: &[Problem], source: &Source) -> Vec<Placed> {
    let one = |problem: &Problem| {
        let at = range(problem, source).map(|range| read::position(&source.text, range.start));
        Placed {
            level,
            place: problem.place.clone(),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            message: problem.message.clone(),
        }
    };
    problems.iter().map(one).collect()
}

/// A problem, drawn into the lines it is in.
fn drawn(level: Level<'static>, problem: &Problem, source: &Source) -> String {
    let Source { name, text, .. } = source;
    let title = level.primary_title(problem.to_string());
    let group = match range(problem, source) {
        Some(range) => {
            let note = AnnotationKind::Primary.span(first_line(text, range));
            title.element(Snippet::source(text).path(name).annotation(note))
        }
        None => Group::with_title(title),
    };
    Renderer::styled().render(&[group])
}

/// Where in the file a problem is.
fn range(problem: &Problem, source: &Source) -> Option<Range<usize>> {
    match problem.place.as_str() {
        "" => at_line_and_column(&source.text, &problem.message),
        _ => place::range(&source.text, source.format, problem),
    }
}

/// A whole table of rules is named by where it begins.
fn first_line(text: &str, range: Range<usize>) -> Range<usize> {
    let end = text[range.clone()]
        .find('\n')
        .map_or(range.end, |line| range.start + line);
    range.start..end
}

/// Syntax errors carry their place in their words.
fn at_line_and_column(text: &str, message: &str) -> Option<Range<usize>> {
    let numbers = message.rsplit_once(" at line ").and_then(|(_, numbers)| {
        let (line, column) = numbers.split_once(" column ")?;
        Some((line.parse::<usize>().ok()?, column.parse::<usize>().ok()?))
    });
    let (line, column) = numbers?;
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let rest = &text[before..];
    let start = rest
        .char_indices()
        .nth(column.saturating_sub(1))
        .map_or(rest.len(), |(at, _)| at);
    Some(before + start..before + start)
}
