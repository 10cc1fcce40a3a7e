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
/// no rows. All that a spreadsheet would take for a formula is made [`harmless`].
///
/// # Errors
/// If a row is no flat record.
pub(super) fn csv<R: Serialize>(names: &[&str], rows: &[R]) -> Result<String, String> {
    let told = |error: csv::Error| error.to_string();
    let writer = || {
        csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(Vec::new())
    };
    let mut exact = writer();
    exact.write_record(names).map_err(told)?;
    for row in rows {
        exact.serialize(row).map_err(told)?;
    }
    let exact = exact.into_inner().map_err(|error| error.to_string())?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(exact.as_slice());
    let mut safe = writer();
    for record in reader.records() {
        let record = record.map_err(told)?;
        safe.write_record(record.iter().map(harmless))
            .map_err(told)?;
    }
    let bytes = safe.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

/// What a spreadsheet takes for text and not for a formula: names are whatever
/// somebody once typed into the directory. An apostrophe comes before an apostrophe
/// too, so that each that begins a field is ours, and taking it away gives the name.
fn harmless(field: &str) -> String {
    match field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\'']) {
        true => format!("'{field}"),
        false => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field() -> impl Strategy<Value = String> {
        let sign = prop::sample::select(vec![
            "'", "=", "+", "-", "@", "\t", "\r", "\n", "\"", ",", "x", "",
        ]);
        prop::collection::vec(sign, 0..5).prop_map(|signs| signs.concat())
    }

    proptest! {
        #[test]
        fn what_a_csv_has_is_no_formula_and_leads_back_to_what_it_was(
            rows in prop::collection::vec((field(), field()), 0..5)
        ) {
            let text = csv(&["one", "two"], &rows).unwrap();
            let read = csv::Reader::from_reader(text.as_bytes()).into_deserialize();
            let read: Vec<(String, String)> = read.map(Result::unwrap).collect();
            let exact = |field: &String| {
                field.strip_prefix('\'').unwrap_or(field).to_owned()
            };
            for (one, two) in &read {
                for field in [one, two] {
                    prop_assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
                }
            }
            let read: Vec<_> = read.iter().map(|(one, two)| (exact(one), exact(two))).collect();
            prop_assert_eq!(read, rows);
        }
    }
}
