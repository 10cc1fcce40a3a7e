//! The account's event bus, which is told of each pass that changed who may open a
//! Studio. The only file that names EventBridge.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use serde_json::{Value, json};

use crate::aws::{self, Call, CallError, Service, Tally};
use crate::event::Event;
use crate::report::{Outcome, Report};

/// EventBridge.
const EVENTS: Service = Service {
    name: "events",
    target: "AWSEvents",
    id: "EventBridge",
};
/// What all attempts may take together: a pass may have used all its time but for
/// five seconds.
const TIME: Duration = Duration::from_secs(3);
const ATTEMPTS: usize = 2;
/// An event may be 256 KB; this much of it is for changes.
const ROOM: usize = 200_000;

/// Where the events come from, as a rule matches it.
pub const SOURCE: &str = "emr-studio-sync";
/// What they are called.
pub const DETAIL_TYPE: &str = "Access Changed";

/// The default bus of the account and Region.
#[derive(Debug)]
pub struct Bus {
    put: Call,
    function: Option<String>,
}

impl Bus {
    /// The bus, for the function of this name.
    pub fn new(function: Option<String>, sdk: &SdkConfig, tally: &Arc<Tally>) -> Bus {
        let put = Call::new(EVENTS, "PutEvents", sdk, aws::timeouts(TIME), tally);
        Bus { put, function }
    }

    /// Tells of the changes that were made, if any were. Whoever has to know of all
    /// of them reads the log: this is said once, or after a failure not at all.
    pub async fn tell(&self, report: &Report, causes: &[Event]) {
        let Some(detail) = detail(report, causes, self.function.as_deref()) else {
            return;
        };
        let entry = json!({
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Detail": detail.to_string(),
        });
        let told = tokio::time::timeout(TIME, self.put(json!({ "Entries": [entry] })));
        let error = match told.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "EventBridge did not answer in time".to_owned(),
        };
        let problem =
            format!("the bus was not told of changed access; this log has it all: {error}");
        tracing::warn!(problem, "problem");
    }

    async fn put(&self, input: Value) -> Result<(), CallError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.put.send(input.clone()).await {
                Err(error) if attempt < ATTEMPTS && error.is_transient() => {}
                Err(error) => return Err(error),
                // The call may succeed and its entry fail.
                Ok(answer) => match answer["Entries"][0]["ErrorCode"].as_str() {
                    None => return Ok(()),
                    Some(_) if attempt < ATTEMPTS => {}
                    Some(code) => return Err(CallError::malformed("PutEvents", code)),
                },
            }
        }
    }
}

/// What the event says: who, what, why, by ids. `None` if nothing was changed.
pub fn detail(report: &Report, causes: &[Event], function: Option<&str>) -> Option<Value> {
    let done = report.changes.iter();
    let done: Vec<Value> = done
        .filter(|change| change.outcome == Outcome::Done)
        .map(|change| json!(change))
        .collect();
    if done.is_empty() {
        return None;
    }
    let mut room = ROOM;
    let fits = |change: &&Value| {
        let length = change.to_string().len() + 1;
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    };
    let changes: Vec<&Value> = done.iter().take_while(fits).collect();
    // Ids of a batch: ten at most.
    let ids = |id: fn(&Event) -> Option<&str>| causes.iter().filter_map(id).collect::<Vec<_>>();
    Some(json!({
        "version": 1,
        "function": function,
        "scope": report.scope,
        "reason": report.reason,
        "cause": ids(|event| event.id.as_deref()),
        "cloudtrail": ids(|event| event.cloudtrail_id.as_deref()),
        "created": report.created,
        "updated": report.updated,
        "deleted": report.deleted,
        "changes": changes,
        "left_out": done.len() - changes.len(),
    }))
}
