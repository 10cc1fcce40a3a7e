//! What stops a start, what makes an invocation fail, and how long its text may
//! be.

use std::fmt;

use serde::Serialize;

use crate::visible;

/// Something wrong with the configuration or the policy table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where: a variable (`MODE`), or a path in the table (`rules[2].studio`).
    /// Empty for the table as a whole.
    pub place: String,
    /// What is wrong there, and what would be right.
    pub message: String,
    /// Whether it is the name of the place that is wrong, whatever stands there.
    #[serde(skip)]
    pub of_name: bool,
}

impl Problem {
    /// A problem at a place.
    pub fn new(place: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem {
            place: place.into(),
            message: message.into(),
            of_name: false,
        }
    }

    /// A problem of a field that should not be there.
    pub fn of_name(place: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem {
            of_name: true,
            ..Problem::new(place, message)
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => f.write_str(&self.message),
            place => write!(f, "{}: {}", visible::name(place), self.message),
        }
    }
}

/// Why an invocation fails. Its variants are the `errorType`s that a caller
/// and the function's error metric see.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something that may pass stood in the way, or time ran out: run it again.
    #[error("{0}")]
    Incomplete(String),
}

impl From<Error> for lambda_runtime::Diagnostic {
    fn from(error: Error) -> Self {
        let error_type = match &error {
            Error::Incomplete(_) => "Incomplete",
        };
        lambda_runtime::Diagnostic {
            error_type: error_type.to_owned(),
            error_message: error.to_string(),
        }
    }
}

/// As much of a text as a person reads. What it quotes came from outside, and
/// can be as long as a payload.
pub(crate) fn shortened(text: String) -> String {
    const LONG: usize = 500;
    match text.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
