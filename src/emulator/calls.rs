//! The log: every request that reached the emulator, and what came of it.

use serde_json::Value;
use tokio::time::Instant;

/// One HTTP attempt. A call that the SDK retries is logged once per attempt, also
/// where a fault kept it from having any effect.
#[derive(Clone, Debug)]
pub struct Call {
    /// Counts from 1 over the life of the world, also across a cleared log.
    pub number: u64,
    /// The operation's name, for example `GetStudioSessionMapping`.
    pub operation: String,
    /// The request as JSON; `null` if it was none.
    pub input: Value,
    /// What the caller got.
    pub outcome: Outcome,
    /// When it arrived.
    pub arrived: Instant,
}

impl Call {
    /// Whether the call would change a mapping. The Identity Store's calls are
    /// all reads here.
    pub fn is_write(&self) -> bool {
        ["Create", "Update", "Delete"]
            .iter()
            .any(|verb| self.operation.starts_with(verb))
    }
}

/// What a caller got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is being answered: a fault keeps it waiting.
    Pending,
    /// An answer was sent.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The error's code, for example `InvalidRequestException`.
        code: Option<String>,
    },
    /// The connection was closed without an answer, or in the middle of one.
    Dropped,
}

impl Outcome {
    /// Whether an answer with status 200 was sent.
    pub fn is_ok(&self) -> bool {
        matches!(self, Outcome::Answered { status: 200, .. })
    }
}
