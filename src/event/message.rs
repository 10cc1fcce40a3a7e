//! What an event comes in: a record of a queue, or of a topic.

use chrono::DateTime;
use serde_json::Value;

use super::{Event, envelope, read};

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
    let sns = &record["Sns"];
    let id = record["messageId"].as_str().or(sns["MessageId"].as_str());
    let published = || {
        let time = DateTime::parse_from_rfc3339(sns["Timestamp"].as_str()?).ok()?;
        Some(time.timestamp_millis())
    };
    Message {
        id: id.unwrap_or_default().to_owned(),
        sent_ms: attribute("SentTimestamp")
            .and_then(|ms| ms.parse().ok())
            .or_else(published),
        receives: attribute("ApproximateReceiveCount")
            .and_then(|count| count.parse().ok())
            .unwrap_or(1),
        event: event(record, store),
    }
}

fn event(record: &Value, store: &str) -> Result<Event, String> {
    let envelope::Letter { called, text } = envelope::in_record(record)?;
    let inside: Value =
        serde_json::from_str(text).map_err(|error| format!("{called} is not JSON: {error}"))?;
    read(&inside, store).map_err(|why| format!("in {called}: {why}"))
}
