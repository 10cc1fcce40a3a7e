//! `check`: is a policy table right? Every problem, drawn where it is.

use std::path::PathBuf;
use std::process::ExitCode;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::connection::{Account, no_deadline};
use super::output::{Output, csv, outln, put, sayln};
use super::place::Places;
use super::progress::watched;
use super::table;
use super::words::counted;
use crate::error::Problem;
use crate::policy::lint;
use crate::policy::source::Source;
use crate::visible;

/// So many of each are drawn: nobody reads thousands.
const DRAWN: usize = 100;

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
    let source = table::source(&arguments.table)?;
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let (mut counts, mut wrong) = (String::new(), "is not a usable policy table");
    match source.read() {
        Err(found) => problems = found,
        Ok((table, document)) => {
            warnings = lint::warnings(&table, &document);
            counts = format!(
                "{}, {}",
                counted(table.studios.len(), "Studio"),
                counted(table.rules.len(), "rule")
            );
            if arguments.live {
                let connected = arguments.account.connect(table, &document).await?;
                let engine = connected.engine;
                if let Some((partition, account)) = arguments.account.home().await? {
                    let table = engine.table();
                    warnings.extend(lint::of_account(table, &document, partition, &account));
                }
                let review = watched(&engine, "asking AWS", engine.review(no_deadline())).await;
                warnings.extend(review.warnings);
                (problems, wrong) = (review.problems, "is not what AWS has");
                if warnings.is_empty() {
                    counts += ", all of them there";
                }
            }
        }
    }
    let places = Places::of(&source);
    match arguments.output {
        Output::Table => {
            let show = |level: &Level<'static>, problem: &Problem| {
                anstream::eprintln!("{}\n", drawn(level.clone(), problem, &source, &places));
            };
            let show_all = |level: Level<'static>, what: &str, all: &[Problem]| {
                all.iter().take(DRAWN).for_each(|one| show(&level, one));
                if let Some(more @ 1..) = all.len().checked_sub(DRAWN) {
                    let more = counted(more, &format!("more {what}"));
                    anstream::eprintln!("and {more}; `--output csv` has all of them\n");
                }
            };
            show_all(Level::WARNING, "warning", &warnings);
            show_all(Level::ERROR, "problem", &problems);
        }
        Output::Json => outln!(
            "{:#}",
            json!({
                "version": JSON_VERSION,
                "table": source.name,
                "problems": placed("problem", &problems, &places),
                "warnings": placed("warning", &warnings, &places),
            })
        ),
        Output::Csv => {
            let mut rows = placed("problem", &problems, &places);
            rows.extend(placed("warning", &warnings, &places));
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
        sayln!("{file} is a usable policy table: {counts}{warnings}");
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

fn placed(level: &'static str, problems: &[Problem], places: &Places<'_>) -> Vec<Placed> {
    let one = |problem: &Problem| {
        let at = places.range(problem);
        let at = at.map(|range| places.position(range.start));
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

/// A problem, drawn into the line it is in, or begins in: a whole table of rules is
/// named by where it begins.
fn drawn(level: Level<'static>, problem: &Problem, source: &Source, places: &Places<'_>) -> String {
    let title = level.primary_title(visible::text(&problem.to_string()));
    match places.range(problem) {
        Some(range) => {
            let (number, line) = places.line(range.start);
            let text = source.text[line.clone()].trim_end_matches(['\n', '\r']);
            let place = |at: usize| text.floor_char_boundary(at.min(text.len()));
            let (before, rest) = text.split_at(place(range.start - line.start));
            let (marked, after) = rest.split_at(place(range.end - line.start) - before.len());
            // A tab is usual, and drawn as spaces.
            let parts = [before, marked, after].map(|part| {
                let words = part.split('\t').map(visible::line);
                words.collect::<Vec<_>>().join("\t")
            });
            let begin = parts[0].len();
            let note = AnnotationKind::Primary.span(begin..begin + parts[1].len());
            let snippet = Snippet::source(parts.concat()).line_start(number);
            let group = title.element(snippet.path(&source.name).annotation(note));
            let drawing = Renderer::styled().render(&[group]);
            // It counts what is drawn; in the file it may stand elsewhere.
            let at = |column: usize| format!("{}:{number}:{column}", source.name);
            let drawn = at(parts[0].chars().count() + 1);
            drawing.replacen(&drawn, &at(places.position(range.start).1), 1)
        }
        None => Renderer::styled().render(&[Group::with_title(title)]),
    }
}
