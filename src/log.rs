//! The function's own log, read again: which deletions were made before this
//! process began. The only file that names the client of CloudWatch Logs.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::Builder;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::aws::{self, CallError, Tally, Witness};
use crate::pace::Pace;
use crate::record::{self, Deletion};

/// FilterLogEvents reads through all there is: that may take a while.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// It takes 5 calls a second.
const PER_SECOND: f64 = 4.0;

/// The log group of the function.
#[derive(Debug)]
pub struct Log {
    client: Client,
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
        let settings = Builder::from(config)
            .timeout_config(aws::timeouts(ATTEMPT_TIMEOUT))
            .interceptor(Witness(Arc::clone(tally)));
        Log {
            client: Client::from_conf(settings.build()),
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
        let request = self
            .client
            .filter_log_events()
            .log_group_name(&self.group)
            .start_time(since_ms)
            .filter_pattern(record::DELETIONS);
        // A page may be empty although more follow.
        self.pace
            .pages(call, call, deadline, async |token| {
                let page = request.clone().set_next_token(token).send().await;
                let page = page.map_err(|error| CallError::of(call, &error))?;
                let events = page.events().iter();
                let rows = events.filter_map(|event| {
                    let deletion = record::deletion(event.message()?)?;
                    Some((deletion, event.timestamp()?))
                });
                Ok((rows.collect(), page.next_token))
            })
            .await
    }
}
