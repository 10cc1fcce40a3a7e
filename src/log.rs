//! The function's own log, read again: which deletions were made before this
//! process began, and to an operator, all that were made. The only file that names CloudWatch Logs.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::aws::{self, Call, CallError, Service, Tally};
use crate::pace::Pace;
use crate::record::{self, Deletion};

/// CloudWatch Logs.
pub const LOGS: Service = Service {
    name: "logs",
    target: "Logs_20140328",
    id: "CloudWatch Logs",
};
/// FilterLogEvents reads through all there is: that may take a while.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// It takes 5 calls a second.
const PER_SECOND: f64 = 4.0;

/// The log group of the function.
#[derive(Debug)]
pub struct Log {
    filter: Call,
    group: String,
    pace: Pace,
}

impl Log {
    /// The log group of this name.
    pub fn new(
        group: &str,
        config: &SdkConfig,
        flight: &Arc<Semaphore>,
        tally: &Arc<Tally>,
    ) -> Log {
        let timeouts = aws::timeouts(ATTEMPT_TIMEOUT);
        Log {
            filter: Call::new(LOGS, "FilterLogEvents", config, timeouts, tally),
            group: group.to_owned(),
            pace: Pace::new(1.0, PER_SECOND, Arc::clone(flight)),
        }
    }

    /// FilterLogEvents, all pages: the deletions recorded since a time in
    /// milliseconds that the guard minds, and when.
    ///
    /// # Errors
    /// If any page failed.
    pub async fn deletions(
        &self,
        since_ms: i64,
        deadline: Instant,
    ) -> Result<Vec<(Deletion, i64)>, CallError> {
        let asked = json!({ "startTime": since_ms, "filterPattern": record::DELETIONS });
        self.lines(asked, false, deadline, record::deletion).await
    }

    /// All changes recorded since a time in milliseconds that were made, oldest
    /// first, and when.
    ///
    /// # Errors
    /// If any page failed.
    #[cfg(feature = "cli")]
    pub async fn changes(
        &self,
        since_ms: i64,
        deadline: Instant,
    ) -> Result<Vec<(record::Past, i64)>, CallError> {
        let asked = json!({ "startTime": since_ms, "filterPattern": record::CHANGES });
        let changes = self.lines(asked, false, deadline, record::change);
        let mut changes = changes.await?;
        changes.sort_by_key(|(_, at_ms)| *at_ms);
        Ok(changes)
    }

    /// When its first line was written, of those that it still has.
    ///
    /// # Errors
    /// If any page failed.
    #[cfg(feature = "cli")]
    pub async fn begins(&self, deadline: Instant) -> Result<Option<i64>, CallError> {
        let asked = json!({ "startTime": 0, "limit": 1 });
        let first = self.lines(asked, true, deadline, |_| Some(())).await?;
        Ok(first.first().map(|((), at_ms)| *at_ms))
    }

    /// What `read` makes of the lines that are asked for: all, or those of the first
    /// page that has any.
    async fn lines<R>(
        &self,
        asked: Value,
        first: bool,
        deadline: Instant,
        read: fn(&str) -> Option<R>,
    ) -> Result<Vec<(R, i64)>, CallError> {
        let call = "FilterLogEvents";
        // A page may be empty although more follow.
        self.pace
            .pages(call, call, deadline, async |token: Option<String>| {
                let mut input = asked.clone();
                input["logGroupName"] = self.group.as_str().into();
                if let Some(token) = token {
                    input["nextToken"] = token.into();
                }
                let page = self.filter.send(input).await?;
                let events = page["events"].as_array().into_iter().flatten();
                let rows = events.filter_map(|event| {
                    let row = read(event["message"].as_str()?)?;
                    Some((row, event["timestamp"].as_i64()?))
                });
                let rows: Vec<(R, i64)> = rows.collect();
                let enough = first && !rows.is_empty();
                let next = page["nextToken"].as_str().filter(|_| !enough);
                Ok((rows, next.map(str::to_owned)))
            })
            .await
    }
}
