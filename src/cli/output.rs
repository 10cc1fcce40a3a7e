//! How results are printed: for people, for programs, for spreadsheets.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::visible;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people
    Table,
    /// For programs
    Json,
    /// For spreadsheets: a line of names, then one line for each row
    Csv,
}

/// The exit code of a program that SIGPIPE has ended.
const NOBODY_READS: i32 = 128 + 13;

/// Prints a result for programs, as it is: what looks like a terminal's escape
/// sequence is part of a name.
///
/// # Errors
/// If it cannot be written: half a result is none.
pub(super) fn put(data: impl Display) -> Result<(), String> {
    print(std::io::stdout().lock(), data)
}

/// Prints a result for people: with colours only where they are wanted. Names in it
/// are [`visible`].
///
/// # Errors
/// If it cannot be written.
pub(super) fn say(text: impl Display) -> Result<(), String> {
    print(anstream::stdout().lock(), text)
}

/// Where nobody reads any more (`… | head`), that ends the process as it would end
/// any other.
fn print(mut out: impl Write, text: impl Display) -> Result<(), String> {
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(NOBODY_READS),
        written => written.map_err(|error| format!("the result cannot be written: {error}")),
    }
}

/// Prints a result for programs as a line of its own, as [`put`] does.
macro_rules! outln {
    ($($text:tt)*) => {
        $crate::cli::output::put(format_args!("{}\n", format_args!($($text)*)))?
    };
}
pub(super) use outln;

/// Prints a result for people as a line of its own, as [`say`] does.
macro_rules! sayln {
    ($($text:tt)*) => {
        $crate::cli::output::say(format_args!("{}\n", format_args!($($text)*)))?
    };
}
pub(super) use sayln;

/// Says where a command works, beside a result that is for programs.
pub(super) fn tell_place(place: &str) {
    anstream::eprintln!("{}", visible::line(place));
}

/// Says beside the result, on standard error, what a person should know: one line,
/// whatever is quoted in it.
pub(super) fn remark(sign: &str, sentence: &str) {
    anstream::eprintln!("{sign} {}", visible::line(sentence));
}

/// Several failures, each on a line of its own. The last is how the command ends.
pub(super) fn failed(mut failures: Vec<String>) -> Result<(), String> {
    let Some(last) = failures.pop() else {
        return Ok(());
    };
    failures.iter().for_each(|one| remark("error:", one));
    Err(last)
}

/// Rows as CSV (RFC 4180), the names of their fields first, even if there are
/// no rows.
///
/// # Errors
/// If a row is no flat record.
pub(super) fn csv<R: Serialize>(names: &[&str], rows: &[R]) -> Result<String, String> {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    writer
        .write_record(names)
        .map_err(|error| error.to_string())?;
    for row in rows {
        writer.serialize(row).map_err(|error| error.to_string())?;
    }
    let bytes = writer.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

/// A name that a spreadsheet takes for text and not for a formula: names are
/// whatever somebody once typed into the directory.
pub(super) fn harmless(name: &str) -> String {
    match name.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{name}"),
        false => name.to_owned(),
    }
}
