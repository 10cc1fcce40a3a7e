//! What an event comes in: a record of a queue.

use serde_json::Value;

use super::{Event, read};

/// One record of a batch: an event, and how it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The queue's id of it, by which it can be sent back; empty if it has none.
    pub id: String,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: Option<i64>,
    /// How often it has come, this time included.
    pub receives: u32,
    /// The event in it, or what keeps it from being understood.
    pub event: Result<Event, String>,
}

/// Reads a record. Only what is used has to be as it should: a message that is
/// not understood is not seen again.
pub fn message(record: &Value, store: &str) -> Message {
    let attribute = |name: &str| record["attributes"][name].as_str();
    Message {
        id: record["messageId"].as_str().unwrap_or_default().to_owned(),
        sent_ms: attribute("SentTimestamp").and_then(|ms| ms.parse().ok()),
        receives: attribute("ApproximateReceiveCount")
            .and_then(|count| count.parse().ok())
            .unwrap_or(1),
        event: event(record, store),
    }
}

fn event(record: &Value, store: &str) -> Result<Event, String> {
    let body = record["body"].as_str().ok_or("the message has no body")?;
    let body: Value = serde_json::from_str(body)
        .map_err(|error| format!("the message's body is not JSON: {error}"))?;
    read(&body, store)
}
