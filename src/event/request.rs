//! What a person can order by invoking the function directly.

use serde_json::{Map, Value};

use crate::identity::{Id, Identity, IdentityType};
use crate::policy::resolve::alike;
use crate::visible::quoted;

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A full pass, of one Studio or of all.
    Reconcile {
        /// Alias or id of the Studio.
        studio: Option<String>,
        /// The id of held deletions that may now go.
        approve: Option<String>,
        /// Whether to write nothing whatever the mode.
        only_plan: bool,
    },
    /// Why an identity is, or is not, mapped.
    Explain(Subject),
    /// How the function is configured, and what it remembers. No call is made.
    Status,
}

/// Whom a person asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// By name: a user name or a group's display name.
    Name(IdentityType, String),
    /// By id.
    Id(Identity),
}

/// What an order can be.
const ACTIONS: [&str; 4] = ["reconcile", "plan", "explain", "status"];
/// What a pass takes, what an explanation does, and what a look at the function.
const OF_PASS: [&str; 3] = ["action", "studio", "approve"];
const OF_EXPLAIN: [&str; 5] = ["action", "user", "user_id", "group", "group_id"];
const OF_STATUS: [&str; 1] = ["action"];

/// Whether somebody meant it as an order, however misspelt. It may then name
/// somebody.
pub(super) fn is_meant(payload: &Value) -> bool {
    let is_word = |key: &String| {
        let key = key.to_ascii_lowercase();
        let mut words = OF_PASS.into_iter().chain(OF_EXPLAIN);
        words.any(|word| key.contains(word) || alike(&key, [word]).is_some())
    };
    match payload {
        Value::Object(fields) => fields.keys().any(is_word),
        Value::Array(items) => items.iter().any(|item| item.is_object() && is_meant(item)),
        // JSON in a text: somebody's shell quoted it once too often.
        Value::String(text) => serde_json::from_str(text)
            .is_ok_and(|inner: Value| !inner.is_string() && is_meant(&inner)),
        _ => false,
    }
}

/// Reads an order, strictly: one that is misspelt is none.
///
/// # Errors
/// What is wrong with it, in words of our own: a value may be somebody's name,
/// and is never among them.
pub(super) fn read(fields: &Map<String, Value>) -> Result<Request, String> {
    let known: &[&str] = match fields.get("action").and_then(Value::as_str) {
        Some("reconcile" | "plan") => &OF_PASS,
        Some("explain") => &OF_EXPLAIN,
        Some("status") => &OF_STATUS,
        _ => return Err(no_action(fields)),
    };
    // A misspelt `studio` would otherwise widen the order to all Studios.
    if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(no_such_field(name, known));
    }
    let text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(format!("{name}: that is not a text that says something")),
    };
    if fields["action"] == "status" {
        return Ok(Request::Status);
    }
    if fields["action"] != "explain" {
        return Ok(Request::Reconcile {
            studio: text("studio")?,
            approve: text("approve")?,
            only_plan: fields["action"] == "plan",
        });
    }
    let id = |name: &str, kind| -> Result<Option<Subject>, String> {
        let Some(text) = text(name)? else {
            return Ok(None);
        };
        let id = Id::parse(&text).ok_or_else(|| format!("{name}: that is not an id"))?;
        Ok(Some(Subject::Id(Identity { kind, id })))
    };
    let given = [
        text("user")?.map(|name| Subject::Name(IdentityType::User, name)),
        id("user_id", IdentityType::User)?,
        text("group")?.map(|name| Subject::Name(IdentityType::Group, name)),
        id("group_id", IdentityType::Group)?,
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(subject), None) => Ok(Request::Explain(subject)),
        _ => Err("explain: give exactly one of user, user_id, group, group_id".to_owned()),
    }
}

fn no_action(fields: &Map<String, Value>) -> String {
    let all = ACTIONS.join(", ");
    match fields.get("action") {
        None => match fields.keys().find(|key| meant(key, &["action"]).is_some()) {
            Some(key) => no_such_field(key, &["action"]),
            None => format!("action: is missing; actions are {all}"),
        },
        Some(given) => match given.as_str().and_then(|given| meant(given, &ACTIONS)) {
            Some(action) => format!("action: that is none; did you mean {}?", quoted(action)),
            None => format!("action: that is none; actions are {all}"),
        },
    }
}

fn no_such_field(name: &str, known: &[&str]) -> String {
    // What looks like a field of ours can be shown. Anything else may be a
    // name that got into the wrong place.
    let looks_like_one = name.len() <= 20
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let shown = if looks_like_one { name } else { "a field" };
    match meant(name, known) {
        Some(name) => format!(
            "{shown}: there is no such field; did you mean {}?",
            quoted(name)
        ),
        None => format!(
            "{shown}: there is no such field; known are {}",
            known.join(", ")
        ),
    }
}

/// The one of `known` that was probably meant, in whatever case.
fn meant<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    alike(&given.to_ascii_lowercase(), known.iter().copied())
}
