//! What an event may come wrapped in: a topic's notification, a queue's batch
//! of one, a text of JSON, and one of these in another. What is inside is an
//! event or nothing: a request in an envelope is data.

use std::borrow::Cow;

use serde_json::Value;

use super::is_event;

/// How many envelopes are opened, one in the other. A topic behind a topic
/// behind a queue needs two.
const DEEPEST: usize = 4;

/// Takes the event out of what it is in, and tells where that is, to put before
/// what is wrong with it: nothing, or `in the notification's Message: `.
///
/// # Errors
/// If an envelope has nothing in it that could be an event.
pub(super) fn opened(outer: &Value) -> Result<(Cow<'_, Value>, String), String> {
    let mut inner = Cow::Borrowed(outer);
    let mut place = String::new();
    for depth in 0.. {
        let letter = letter(&inner).map_err(|why| format!("{place}{why}"))?;
        let Some(Letter { called, text }) = letter else {
            break;
        };
        if depth == DEEPEST {
            return Err(format!("{place}there are too many envelopes around it"));
        }
        place += &format!("in {called}: ");
        let next = serde_json::from_str(text);
        inner = Cow::Owned(next.map_err(|error| format!("{place}that is not JSON: {error}"))?);
    }
    Ok((inner, place))
}

/// What an envelope has in it.
pub(super) struct Letter<'a> {
    /// Where it was, in words.
    pub(super) called: &'static str,
    /// It, as a text.
    pub(super) text: &'a str,
}

/// What is in a value, if that is an envelope.
fn letter(value: &Value) -> Result<Option<Letter<'_>>, String> {
    let fields = match value {
        Value::String(text) => {
            let called = "the text";
            return Ok(Some(Letter { called, text }));
        }
        Value::Object(fields) if !is_event(fields) => fields,
        _ => return Ok(None),
    };
    match fields.get("Records") {
        Some(Value::Array(records)) => match &records[..] {
            [record] => in_record(record).map(Some),
            all => Err(format!(
                "a batch of {} stands where one event belongs",
                all.len()
            )),
        },
        _ if is_notification(value) => in_notification(value).map(Some),
        _ => Ok(None),
    }
}

/// What a record of a queue's or a topic's batch has in it.
pub(super) fn in_record(record: &Value) -> Result<Letter<'_>, String> {
    match record["body"].as_str() {
        Some(text) => Ok(Letter {
            called: "the message's body",
            text,
        }),
        None if record["Sns"].is_object() => in_notification(&record["Sns"]),
        None => Err("the message has no body".to_owned()),
    }
}

/// Whether it is what a topic sends to a queue.
pub(super) fn is_notification(value: &Value) -> bool {
    value["Type"] == "Notification"
}

fn in_notification(notification: &Value) -> Result<Letter<'_>, String> {
    match notification["Message"].as_str() {
        Some(text) => Ok(Letter {
            called: "the notification's Message",
            text,
        }),
        None => Err("the notification has no Message".to_owned()),
    }
}
