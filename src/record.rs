//! One change, one record in the log: who, where, what, by which rule, and because
//! of which events. The log is what an auditor reads, and what the deletion guard
//! of a later process remembers by.

use serde_json::Value;

use crate::event::Event;
use crate::identity::{Id, Identity, IdentityType};
use crate::plan::{Action, Change};
use crate::policy::Studio;
use crate::report::Outcome;

/// What is recorded.
#[derive(Debug)]
pub struct Record<'r> {
    /// Where.
    pub studio: &'r Studio,
    /// What.
    pub change: &'r Change,
    /// The identity's name, if names may stand in the log.
    pub name: Option<&'r str>,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether a person approved it.
    pub approved: bool,
    /// Whether it is held because it is one of all that there are.
    pub is_all: bool,
    /// Why it was not made.
    pub error: Option<String>,
    /// The events that led to it.
    pub causes: Vec<&'r Event>,
}

/// What the message of each record is.
const CHANGE: &str = "change";

/// CloudWatch Logs' filter for the records that the guard remembers by.
pub const DELETIONS: &str = r#"{ ($.message = "change") && ($.action = "delete") }"#;

/// CloudWatch Logs' filter for the records of changes that were made.
pub const CHANGES: &str = r#"{ ($.message = "change") && ($.outcome = "done") }"#;

impl Record<'_> {
    /// Writes it to the log.
    pub fn write(&self) {
        let Record {
            studio,
            change,
            name,
            outcome,
            approved,
            is_all,
            error,
            causes,
        } = self;
        let ids = |id: fn(&Event) -> Option<&str>| {
            let ids: Vec<&str> = causes.iter().filter_map(|event| id(event)).collect();
            (!ids.is_empty()).then(|| ids.join(" "))
        };
        let cause = ids(|event| event.id.as_deref());
        let cloudtrail = ids(|event| event.cloudtrail_id.as_deref());
        let action = change.action.name();
        // The level is part of a record's type, so each needs a line of its own.
        macro_rules! record {
            ($level:ident) => {
                tracing::$level!(
                    action,
                    outcome = outcome.name(),
                    studio = studio.alias,
                    studio_id = studio.id,
                    identity_type = %change.identity.kind,
                    identity_id = %change.identity.id,
                    identity_name = name,
                    session_policy = change.session_policy,
                    previous_policy = change.previous_policy,
                    rule = change.rule,
                    via_group = change.via_group.as_ref().map(tracing::field::display),
                    approved = approved.then_some(true),
                    all = is_all.then_some(true),
                    cause,
                    cloudtrail,
                    error,
                    "{CHANGE}"
                )
            };
        }
        match outcome {
            Outcome::Done | Outcome::Planned => record!(info),
            Outcome::Failed => record!(error),
            Outcome::Held
            | Outcome::Withheld
            | Outcome::Skipped
            | Outcome::OverCapacity
            | Outcome::Gone
            | Outcome::Orphan
            | Outcome::Remaining => record!(warn),
        }
    }
}

/// A deletion that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The Studio's id.
    pub studio_id: String,
    /// Whose mapping it is about.
    pub identity: Identity,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a recorded deletion, as far as the guard minds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was made.
    Made,
    /// It was made, or tried, because a person had approved it.
    Approved,
    /// It was held, because it was one of all that there were.
    Held,
    /// It was tried in vain: EMR knows the identity no more.
    Orphan,
}

/// Reads a line of the log: the deletion that it tells of, if the guard minds.
pub fn deletion(line: &str) -> Option<Deletion> {
    let record: Value = serde_json::from_str(line).ok()?;
    let text = |field: &str| record[field].as_str();
    if text("message") != Some(CHANGE) || text("action") != Some(Action::Delete.name()) {
        return None;
    }
    let outcome = text("outcome")?;
    let (done, failed) = (
        outcome == Outcome::Done.name(),
        outcome == Outcome::Failed.name(),
    );
    let fate = match record["approved"] == true {
        true if done || failed => Fate::Approved,
        false if done => Fate::Made,
        _ if outcome == Outcome::Held.name() && record["all"] == true => Fate::Held,
        // One that was not tried has no error.
        _ if outcome == Outcome::Orphan.name() && text("error").is_some() => Fate::Orphan,
        _ => return None,
    };
    let id = Id::from_service(text("identity_id")?)?;
    let kind = match text("identity_type")? {
        "USER" => IdentityType::User,
        "GROUP" => IdentityType::Group,
        _ => return None,
    };
    Some(Deletion {
        studio_id: text("studio_id")?.to_owned(),
        identity: Identity { kind, id },
        fate,
    })
}

/// A change that was made, as its record tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// What.
    pub action: Action,
    /// The Studio's alias then.
    pub studio: String,
    /// The Studio's id.
    pub studio_id: String,
    /// Whose mapping.
    pub identity: Identity,
    /// Their name, where names stand in the log.
    pub name: Option<String>,
    /// The session policy after.
    pub session_policy: Option<String>,
    /// The session policy before.
    pub previous_policy: Option<String>,
    /// The rule that wanted it, by its place in the table of then.
    pub rule: Option<u64>,
    /// The group through which the rule fitted.
    pub via_group: Option<Id>,
    /// Whether a person approved it.
    pub approved: bool,
    /// The events that led to it.
    pub cause: Option<String>,
    /// The same as CloudTrail calls them.
    pub cloudtrail: Option<String>,
}

/// Reads a line of the log: the change that it tells of, if that was made.
pub fn change(line: &str) -> Option<Past> {
    let record: Value = serde_json::from_str(line).ok()?;
    let text = |field: &str| record[field].as_str().map(str::to_owned);
    let is_change = record["message"] == CHANGE && record["outcome"] == Outcome::Done.name();
    if !is_change {
        return None;
    }
    let kind: IdentityType = serde_json::from_value(record["identity_type"].clone()).ok()?;
    let via_group = record["via_group"].as_str();
    Some(Past {
        action: serde_json::from_value(record["action"].clone()).ok()?,
        studio: text("studio")?,
        studio_id: text("studio_id")?,
        identity: Identity {
            kind,
            id: Id::from_service(record["identity_id"].as_str()?)?,
        },
        name: text("identity_name"),
        session_policy: text("session_policy"),
        previous_policy: text("previous_policy"),
        rule: record["rule"].as_u64(),
        via_group: via_group.and_then(Id::from_service),
        approved: record["approved"] == true,
        cause: text("cause"),
        cloudtrail: text("cloudtrail"),
    })
}
