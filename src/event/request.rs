//! What a person can order by invoking the function directly.

use serde_json::{Map, Value};

use crate::identity::{Id, Identity, IdentityType};

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
}

/// Whom a person asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// By name: a user name or a group's display name.
    Name(IdentityType, String),
    /// By id.
    Id(Identity),
}

/// Reads an order, strictly: one that is misspelt is none.
pub(super) fn read(fields: &Map<String, Value>) -> Result<Request, String> {
    let known: &[&str] = match fields.get("action").and_then(Value::as_str) {
        Some("reconcile" | "plan") => &["action", "studio", "approve"],
        Some("explain") => &["action", "user", "user_id", "group", "group_id"],
        _ => {
            return Err(format!(
                "action: {} is not one; actions are reconcile, plan, explain",
                fields["action"]
            ));
        }
    };
    // A misspelt `studio` would otherwise widen the order to all Studios.
    if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!(
            "{name}: there is no such field; known are {}",
            known.join(", ")
        ));
    }
    let text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(other) => Err(format!("{name}: {other} is not a text that says something")),
    };
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
