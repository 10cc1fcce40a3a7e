//! The policy table, from wherever a flag or `POLICY_TABLE` says it is.

use std::io::Read as _;
use std::path::Path;

use super::output::remark;
use super::words::counted;
use crate::policy::Table;
use crate::policy::document::Document;
use crate::policy::source::Source;

/// Reads a file, or standard input for `-`; or takes the table itself, as the
/// function takes it in `POLICY_TABLE`.
///
/// # Errors
/// If the file cannot be read, or is neither JSON nor TOML by its name.
pub(super) fn source(given: &Path) -> Result<Source, String> {
    if let Some(source) = given.to_str().and_then(Source::inline) {
        return Ok(source);
    }
    let name = given.display().to_string();
    let bytes = match given.to_str() {
        Some("-") => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().read_to_end(&mut bytes);
            read.map_err(|error| format!("standard input cannot be read: {error}"))?;
            bytes
        }
        _ => std::fs::read(given).map_err(|error| format!("{name} cannot be read: {error}"))?,
    };
    Source::of(&name, &bytes).map_err(|problem| format!("{name} {problem}"))
}

/// Reads a table, checked and as it was written.
///
/// # Errors
/// If anything is wrong with it, which is told already.
pub(super) fn load(given: &Path) -> Result<(Table, Document), String> {
    let source = source(given)?;
    source.read().map_err(|problems| {
        for problem in &problems {
            remark("error:", &problem.to_string());
        }
        let count = counted(problems.len(), "problem");
        format!("{} is not a usable policy table: {count}", source.name)
    })
}
