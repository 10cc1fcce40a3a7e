//! The policy table, from wherever a flag or `POLICY_TABLE` says it is.

use std::path::Path;

use crate::error::Problem;
use crate::policy::Table;
use crate::policy::document::Document;
use crate::policy::read::{self, Format};

/// The text of a table.
pub(super) struct Source {
    /// What to call it: its file.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) format: Format,
}

impl Source {
    /// Reads a file, or standard input for `-`; or takes the table itself, as the
    /// function takes it in `POLICY_TABLE`.
    ///
    /// # Errors
    /// If the file cannot be read, or is neither JSON nor TOML by its name.
    pub(super) fn read(given: &Path) -> Result<Source, String> {
        let looks_like_json = |text: &str| text.trim_start().starts_with('{');
        let inline = given.to_str().filter(|given| looks_like_json(given));
        if let Some(text) = inline {
            return Ok(Source {
                name: "POLICY_TABLE".to_owned(),
                text: text.to_owned(),
                format: Format::Json,
            });
        }
        let text = match given.to_str() {
            Some("-") => std::io::read_to_string(std::io::stdin())
                .map_err(|error| format!("standard input cannot be read: {error}"))?,
            _ => super::read(given)?,
        };
        // Some editors begin a file with a mark that is no part of it.
        let text = text
            .strip_prefix('\u{feff}')
            .map(str::to_owned)
            .unwrap_or(text);
        let extension = given.extension().and_then(|extension| extension.to_str());
        let format = match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("toml") => Format::Toml,
            Some("json") => Format::Json,
            // A pipe has no name to tell by.
            None if looks_like_json(&text) => Format::Json,
            None => Format::Toml,
            Some(_) => {
                return Err(format!(
                    "{} is neither a .json nor a .toml file, and the function takes no other",
                    given.display()
                ));
            }
        };
        Ok(Source {
            name: given.display().to_string(),
            text,
            format,
        })
    }
}

/// Reads a table, checked and as it was written.
///
/// # Errors
/// Everything that is wrong with it, in one message.
pub(super) fn load(given: &Path) -> Result<(Table, Document), String> {
    let Source { name, text, format } = Source::read(given)?;
    let wrong = |problems: Vec<Problem>| {
        let lines = problems.iter().map(|problem| format!("\n  {problem}"));
        let lines: String = lines.collect();
        format!("{name} is not a usable policy table:{lines}")
    };
    read::table_and_document(&text, format).map_err(wrong)
}
