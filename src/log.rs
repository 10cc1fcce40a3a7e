//! The function's own log, read again: which deletions were made before this
//! process began. The only file that names CloudWatch Logs.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use serde_json::json;
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
        let call = "FilterLogEvents";
        // A page may be empty although more follow.
        self.pace
            .pages(call, call, deadline, async |token: Option<String>| {
                let mut input = json!({
                    "logGroupName": self.group,
                    "startTime": since_ms,
                    "filterPattern": record::DELETIONS,
                });
                if let Some(token) = token {
                    input["nextToken"] = token.into();
                }
                let page = self.filter.send(input).await?;
                let events = page["events"].as_array().into_iter().flatten();
                let rows = events.filter_map(|event| {
                    let deletion = record::deletion(event["message"].as_str()?)?;
                    Some((deletion, event["timestamp"].as_i64()?))
                });
                let next = page["nextToken"].as_str().map(str::to_owned);
                Ok((rows.collect(), next))
            })
            .await
    }
}
