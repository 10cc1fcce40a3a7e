//! `check`: is a policy table right? Every problem, drawn where it is.

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use clap::Args;

use super::connection::{Account, no_deadline};
use super::output::outln;
use super::place;
use super::progress::watched;
use super::table::Source;
use crate::error::Problem;
use crate::policy::read::{self, Format};

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
    #[command(flatten)]
    account: Account,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let Source {
        name: file,
        text,
        format,
    } = Source::read(&arguments.table)?;
    let show = |level: Level<'static>, problem: &Problem| {
        let text = drawn(level, problem, &file, &text, format);
        anstream::eprintln!("{text}\n");
    };
    let refused = |problems: &[Problem], why: &str| {
        problems
            .iter()
            .for_each(|problem| show(Level::ERROR, problem));
        format!("{file} {why}: {}", counted(problems.len(), "problem"))
    };
    let table = read::table(&text, format)
        .map_err(|problems| refused(&problems, "is not a usable policy table"))?;
    let mut warnings = table.warnings();
    let counts = format!(
        "{}, {}",
        counted(table.studios.len(), "Studio"),
        counted(table.rules.len(), "rule")
    );
    let mut problems = Vec::new();
    if arguments.live {
        let engine = arguments
            .account
            .engine(arguments.account.store_id()?, table)
            .await?;
        let review = watched(&engine, "asking AWS", engine.review(no_deadline())).await;
        warnings.extend(review.warnings);
        problems = review.problems;
    }
    warnings
        .iter()
        .for_each(|warning| show(Level::WARNING, warning));
    if !problems.is_empty() {
        return Err(refused(&problems, "is not what AWS has"));
    }
    outln!(
        "{file} is a usable policy table: {counts}{}{}",
        match arguments.live {
            true => ", all of them there",
            false => "",
        },
        match warnings.len() {
            0 => String::new(),
            warnings => format!(", {}", counted(warnings, "warning")),
        },
    );
    Ok(ExitCode::SUCCESS)
}

/// So many of something.
pub(super) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// A problem, drawn into the lines it is in.
fn drawn(
    level: Level<'static>,
    problem: &Problem,
    file: &str,
    text: &str,
    format: Format,
) -> String {
    let title = level.primary_title(problem.to_string());
    let range = match problem.place.as_str() {
        "" => at_line_and_column(text, &problem.message),
        _ => place::range(text, format, problem),
    };
    let group = match range {
        Some(range) => {
            let note = AnnotationKind::Primary.span(first_line(text, range));
            title.element(Snippet::source(text).path(file).annotation(note))
        }
        None => Group::with_title(title),
    };
    Renderer::styled().render(&[group])
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
