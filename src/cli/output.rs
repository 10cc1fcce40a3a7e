//! How results are printed: for people, for programs, for spreadsheets.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

use clap::ValueEnum;
use serde::Serialize;

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

/// Prints a result. Where nobody reads any more (`… | head`), that ends the
/// process as it would end any other.
///
/// # Errors
/// If it cannot be written: half a result is none.
pub(super) fn put(text: impl Display) -> Result<(), String> {
    let mut out = anstream::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(NOBODY_READS),
        written => written.map_err(|error| format!("the result cannot be written: {error}")),
    }
}

/// Prints a result as a line of its own, as [`put`] does.
macro_rules! outln {
    ($($text:tt)*) => {
        $crate::cli::output::put(format_args!("{}\n", format_args!($($text)*)))?
    };
}
pub(super) use outln;

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
