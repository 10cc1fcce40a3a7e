//! A table as it stands in a file: its bytes become a text, and the file's name says
//! how that is written. The function and the tool read with this and nothing else.

use std::path::Path;

use super::Table;
use super::document::Document;
use super::read::{self, Format};
use crate::error::Problem;

/// The text of a table, before anything of it is understood.
#[derive(Clone, Debug)]
pub struct Source {
    /// What to call it: its file.
    pub name: String,
    /// Its text, without a byte order mark, each line ended by a line feed.
    pub text: String,
    /// How it is written.
    pub format: Format,
}

impl Source {
    /// The text of a file; one without an extension (a pipe) is known by how it
    /// begins.
    ///
    /// # Errors
    /// If it is called like something else, or its bytes are no text.
    pub fn of(name: &str, bytes: &[u8]) -> Result<Source, Problem> {
        let text = text(bytes)?;
        let extension = Path::new(name).extension();
        let format = match extension.is_some() {
            true => Format::of(name).ok_or_else(|| {
                let message = "is neither a .json nor a .toml file, and a table is no other";
                Problem::new("", message)
            })?,
            false if is_object(&text) => Format::Json,
            false => Format::Toml,
        };
        let name = name.to_owned();
        Ok(Source { name, text, format })
    }

    /// A table that stands in the variable itself; nothing, if that has a path.
    pub fn inline(given: &str) -> Option<Source> {
        is_object(given).then(|| Source {
            name: "POLICY_TABLE".to_owned(),
            text: given.to_owned(),
            format: Format::Json,
        })
    }

    /// The table, checked, and as it was written.
    ///
    /// # Errors
    /// All problems at once, each with its place.
    pub fn read(&self) -> Result<(Table, Document), Vec<Problem>> {
        read::table_and_document(&self.text, self.format)
    }
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn text(bytes: &[u8]) -> Result<String, Problem> {
    let told = |message: String| Problem::new("", message);
    match width(bytes) {
        1 => {}
        2 => {
            return Err(told(
                "is UTF-16: save it as UTF-8 (of what PowerShell's `>` has written: \
                 `Get-Content FILE | Set-Content -Encoding utf8 NEW`)"
                    .to_owned(),
            ));
        }
        _ => return Err(told("is UTF-32: save it as UTF-8".to_owned())),
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => match text.find('\0') {
            None => Ok(text.replace("\r\n", "\n")),
            Some(at) => {
                let (line, column) = read::position(text, at);
                Err(told(format!(
                    "has a zero byte at line {line} column {column}, as no text has: is it \
                     damaged, or something else?"
                )))
            }
        },
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let (line, column) = read::position(&before, before.len());
            Err(told(format!(
                "is not UTF-8: save it so; the first byte that is not stands at line {line} \
                 column {column}"
            )))
        }
    }
}

/// How many bytes an editor has written for each character: a text of two or four
/// begins with a mark, or most of what is not its letters' own byte is zero.
fn width(bytes: &[u8]) -> usize {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return 4,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return 2,
        _ => {}
    }
    let begin = &bytes[..bytes.len().min(256)];
    let zeros = |of: usize| {
        let of = begin.iter().skip(of).step_by(2);
        of.filter(|byte| **byte == 0).count()
    };
    let half = begin.len().div_ceil(2);
    match (zeros(0), zeros(1)) {
        (0, 0) => 1,
        (even, odd) if even > 0 && odd > 0 && even + odd > half => 4,
        (0, zeros) | (zeros, 0) if 2 * zeros > half => 2,
        _ => 1,
    }
}
