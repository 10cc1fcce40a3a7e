//! How results are printed: for people, for programs, for spreadsheets.

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
