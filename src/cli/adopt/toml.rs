//! Keys and strings as TOML writes them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::visible;

/// A bare key of TOML that is not taken.
pub(super) fn alias(name: &str, otherwise: &str, taken: &mut BTreeSet<String>) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let alias = match words.is_empty() {
        true => otherwise.to_owned(),
        false => words.join("-"),
    };
    let numbered = (2..).map(|number| format!("{alias}-{number}"));
    let mut free = std::iter::once(alias.clone()).chain(numbered);
    let free = free.find(|alias| taken.insert(alias.clone()));
    free.unwrap_or(alias)
}

/// A string of TOML, on one line and to be seen whatever is in it: a name is what
/// somebody once typed, and could look like another rule.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted += "\\n",
            c if visible::is_invisible(c) => {
                let _ = match u32::from(c) {
                    short @ ..=0xffff => write!(quoted, "\\u{short:04x}"),
                    long => write!(quoted, "\\U{long:08x}"),
                };
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
