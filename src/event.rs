//! What a payload says about where to look. Plain functions of plain values.
//!
//! An event says where to look, never what to do: it may be lost, late,
//! repeated, out of order, or have its members redacted. So all that is taken
//! from it is a [`Scope`], whose truth is then read from the services.
//!
//! The shapes are those of CloudTrail's three sources, of the identity store's
//! own events, and of what comes next: nothing is required but what is used,
//! and what names nobody we can read leads to a look at everything.

mod envelope;
mod message;
mod request;

use std::collections::BTreeSet;

use chrono::DateTime;
use serde_json::{Map, Value};

pub use message::{Message, message};
pub use request::{Request, Subject};

use crate::error::shortened;
use crate::identity::{Id, Identity, IdentityType, store_id};
use crate::policy::fit::{Answer, Directory};
use crate::visible;

/// What has to be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Nothing: no call is made.
    #[default]
    Nothing,
    /// These users and groups.
    Identities(BTreeSet<Identity>),
    /// Every Studio, every rule.
    Everything,
}

impl Scope {
    /// The scope that covers both.
    #[must_use]
    pub fn and(self, other: Scope) -> Scope {
        match (self, other) {
            (Scope::Everything, _) | (_, Scope::Everything) => Scope::Everything,
            (Scope::Nothing, scope) | (scope, Scope::Nothing) => scope,
            (Scope::Identities(mut all), Scope::Identities(more)) => {
                all.extend(more);
                Scope::Identities(all)
            }
        }
    }

    /// The name it has in a report.
    pub fn name(&self) -> &'static str {
        match self {
            Scope::Nothing => "nothing",
            Scope::Everything => "everything",
            Scope::Identities(_) => {
                let has = |kind| self.identities().any(|identity| identity.kind == kind);
                match (has(IdentityType::User), has(IdentityType::Group)) {
                    (true, true) => "users+groups",
                    (false, true) => "group",
                    _ => "user",
                }
            }
        }
    }

    /// The identities it names.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        let named = match self {
            Scope::Identities(identities) => Some(identities.iter()),
            Scope::Nothing | Scope::Everything => None,
        };
        named.into_iter().flatten()
    }

    /// Whether a change to this identity can have come of it. A group's event
    /// may be about any of its members.
    pub fn may_concern(&self, identity: &Identity) -> bool {
        match self {
            Scope::Nothing => false,
            Scope::Everything => true,
            Scope::Identities(named) => {
                named.contains(identity) || named.iter().any(|one| one.kind == IdentityType::Group)
            }
        }
    }
}

/// What an event says has happened. Never acted upon: only compared with what
/// is read, to notice that the directory lags behind its own events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A user is, or is no longer, a member of a group.
    Member {
        /// The group.
        group: Id,
        /// The user.
        user: Id,
        /// Added (true) or removed (false).
        now: bool,
    },
    /// An identity has been created (true) or deleted (false).
    Exists {
        /// The identity.
        identity: Identity,
        /// Created (true) or deleted (false).
        now: bool,
    },
    /// A user has been enabled (true) or disabled (false).
    Enabled {
        /// The user.
        user: Id,
        /// Enabled (true) or disabled (false).
        now: bool,
    },
}

impl Claim {
    /// Whether both are about the same thing, so that the later one counts.
    pub fn is_about_the_same(&self, other: &Claim) -> bool {
        match (self, other) {
            (
                Claim::Member { group, user, .. },
                Claim::Member {
                    group: other_group,
                    user: other_user,
                    ..
                },
            ) => group == other_group && user == other_user,
            (
                Claim::Exists { identity, .. },
                Claim::Exists {
                    identity: other, ..
                },
            ) => identity == other,
            (Claim::Enabled { user, .. }, Claim::Enabled { user: other, .. }) => user == other,
            _ => false,
        }
    }

    /// Whether what was read says otherwise.
    pub fn is_contradicted_by(&self, directory: &Directory) -> bool {
        let (read, claimed) = match self {
            Claim::Member { group, user, now } => (directory.holds(group, user), now),
            Claim::Exists { identity, now } => (directory.exists(identity), now),
            Claim::Enabled { user, now } => (
                directory.enabled.get(user).and_then(Answer::known).copied(),
                now,
            ),
        };
        read.is_some_and(|read| read != *claimed)
    }
}

/// What an event is, besides where it says to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// It tells of something that happened.
    #[default]
    Change,
    /// It is the schedule, and tells of no change.
    Schedule,
    /// It is our own reminder: what an earlier invocation could not finish is
    /// looked at again.
    Unfinished,
}

/// One event, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// EventBridge's id of it.
    pub id: Option<String>,
    /// CloudTrail's id of the call it tells of.
    pub cloudtrail_id: Option<String>,
    /// When it happened, in milliseconds since 1970.
    pub time_ms: Option<i64>,
    /// Where to look.
    pub scope: Scope,
    /// Why there, in words for a log; always there if `scope` is nothing.
    pub reason: Option<String>,
    /// What it says has happened.
    pub claim: Option<Claim>,
    /// What it is besides.
    pub kind: Kind,
}

/// A payload, by its form.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload<'a> {
    /// The records of an SQS batch, or of an SNS one: for [`message`].
    Batch(&'a [Value]),
    /// Meant to be an EventBridge event, or what a topic makes of one: for
    /// [`read`].
    Event(&'a Value),
    /// An order of a person, or what is wrong with it. It may name somebody,
    /// so it is never logged whole.
    Request(Result<Request, String>),
    /// None of these.
    Unknown(String),
}

/// Tells the payloads apart.
///
/// Only the payload itself can be a request. What comes in a queue, in a
/// notification or in an event's detail is data, whatever it looks like.
pub fn payload(payload: &Value) -> Payload<'_> {
    let Value::Object(fields) = payload else {
        return match request::is_meant(payload) {
            true => Payload::Request(Err("a request is a JSON object, bare".to_owned())),
            false => Payload::Unknown("the payload is not a JSON object".to_owned()),
        };
    };
    if let Some(Value::Array(records)) = fields.get("Records") {
        return Payload::Batch(records);
    }
    if is_event(fields) || envelope::is_notification(payload) {
        return Payload::Event(payload);
    }
    match request::is_meant(payload) {
        true => Payload::Request(request::read(fields)),
        false => Payload::Unknown(
            "the payload is neither an EventBridge event, nor an SQS batch, nor a request \
             with an action"
                .to_owned(),
        ),
    }
}

fn is_event(fields: &Map<String, Value>) -> bool {
    ["detail-type", "source", "detail"]
        .iter()
        .any(|name| fields.contains_key(*name))
}

/// The detail-type of what EventBridge sends on a schedule.
const SCHEDULE: &str = "Scheduled Event";
/// The source and the detail-type of our own reminder.
const OURS: &str = "emr-studio-sync";
const UNFINISHED: &str = "Unfinished";

/// Reads an EventBridge event, also one in the envelope of another service.
///
/// # Errors
/// What keeps it from being understood at all. An event that is understood and
/// concerns nothing is none of these: its scope is [`Scope::Nothing`].
pub fn read(event: &Value, store: &str) -> Result<Event, String> {
    let (event, place) = envelope::opened(event)?;
    bare(&event, store).map_err(|why| format!("{place}{why}"))
}

fn bare(event: &Value, store: &str) -> Result<Event, String> {
    let Value::Object(fields) = event else {
        return Err("the event is not a JSON object".to_owned());
    };
    if !is_event(fields) {
        return Err("the event has neither a detail-type, nor a source, nor a detail".to_owned());
    }
    let source = fields
        .get("source")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let detail_type = fields.get("detail-type").and_then(Value::as_str);
    let detail = &event["detail"];
    let call = || detail["eventSource"].as_str();

    let kind = match detail_type {
        Some(UNFINISHED) if source == OURS => Kind::Unfinished,
        Some(SCHEDULE) if source != OURS => Kind::Schedule,
        _ => Kind::Change,
    };
    let look = match detail_type {
        _ if kind == Kind::Unfinished => Look::nothing("what is unfinished is looked at again"),
        // Whatever else it looks like: nothing but the reminder is ours to send.
        _ if source == OURS => Look::concerns_nobody(source),
        Some(SCHEDULE) => Look::everything("the scheduled full pass"),
        Some(kind) if kind.ends_with("via CloudTrail") => match call() {
            Some(service) => cloudtrail(service, detail, store),
            None => return Err("the CloudTrail event has no detail.eventSource".to_owned()),
        },
        None if call().is_some() => cloudtrail(call().unwrap_or_default(), detail, store),
        kind if source == "aws.identitystore" => {
            native(kind.unwrap_or("an event of no kind"), event, store)
        }
        None => return Err("the event has no detail-type, nor a detail.eventSource".to_owned()),
        _ if source.is_empty() => return Err("the event has no source".to_owned()),
        _ => Look::concerns_nobody(source),
    };
    let text = |value: &Value| value.as_str().map(|text| shortened(text.to_owned()));
    let time = [&detail["eventTime"], &event["time"]]
        .into_iter()
        .find_map(|time| DateTime::parse_from_rfc3339(time.as_str()?).ok());
    Ok(Event {
        id: text(&event["id"]),
        cloudtrail_id: text(&detail["eventID"]),
        time_ms: time.map(|time| time.timestamp_millis()),
        scope: look.scope,
        reason: look.reason.map(shortened),
        claim: look.claim,
        kind,
    })
}

/// Where an event says to look.
struct Look {
    scope: Scope,
    reason: Option<String>,
    claim: Option<Claim>,
}

impl Look {
    fn nothing(reason: impl Into<String>) -> Look {
        Look {
            scope: Scope::Nothing,
            reason: Some(reason.into()),
            claim: None,
        }
    }

    fn concerns_nobody(source: &str) -> Look {
        Look::nothing(format!(
            "an event of {} is no concern of session mappings",
            visible::quoted(source)
        ))
    }

    fn everything(reason: impl Into<String>) -> Look {
        Look {
            scope: Scope::Everything,
            reason: Some(reason.into()),
            claim: None,
        }
    }
}

/// What of a call's name tells that it concerns no mapping.
const UNCONCERNED: [&str; 4] = ["Mfa", "MFA", "WebAuthn", "BearerToken"];
/// How the names of calls begin that change nothing.
const READS: [&str; 5] = ["Describe", "Get", "Is", "List", "Search"];

fn cloudtrail(service: &str, detail: &Value, store: &str) -> Look {
    let name = detail["eventName"].as_str().unwrap_or_default();
    let (asked, answered) = (&detail["requestParameters"], &detail["responseElements"]);
    let scim = match service {
        "sso-directory.amazonaws.com" | "identitystore.amazonaws.com" => false,
        "identitystore-scim.amazonaws.com" => true,
        // It has hundreds of calls; these three replace the whole directory.
        "sso.amazonaws.com" => match name {
            _ if !detail["errorCode"].is_null() => return failed(name, detail),
            "AssociateDirectory" | "DisassociateDirectory" | "UpdateDirectoryAssociation" => {
                return Look::everything(format!("{name} may have replaced every id"));
            }
            _ => return Look::nothing(format!("{service} {name} is no change of a directory")),
        },
        _ => return Look::nothing(format!("{service} is another service")),
    };
    if !detail["errorCode"].is_null() {
        return failed(name, detail);
    }
    if detail["readOnly"] == true || READS.iter().any(|read| name.starts_with(read)) {
        return Look::nothing(format!("{name} only reads"));
    }
    if UNCONCERNED.iter().any(|part| name.contains(part)) {
        return Look::nothing(format!("{name} is no concern of session mappings"));
    }
    // SCIM events name their tenant in place of the store.
    let stores = [&asked["identityStoreId"], &answered["identityStoreId"]];
    if let Some(other) = stores
        .into_iter()
        .find_map(|id| other_store(id.as_str()?, store))
    {
        return Look::nothing(format!("{name} is about another identity store, {other}"));
    }

    let first = |places: &[&Value]| places.iter().find_map(|id| Id::parse(id.as_str()?));
    let (user, group) = if scim {
        let id = first(&[&asked["id"], &answered["id"]]);
        match (name.ends_with("User"), name.ends_with("Group")) {
            (true, _) => (id, None),
            (_, true) => (None, id),
            _ => (None, None),
        }
    } else {
        let user = first(&[
            &asked["userId"],
            &asked["memberId"],
            &asked["memberId"]["userId"],
            &asked["member"]["memberId"],
            &asked["member"]["memberId"]["userId"],
            &answered["userId"],
            &answered["user"]["userId"],
        ]);
        let group = first(&[
            &asked["groupId"],
            &answered["groupId"],
            &answered["group"]["groupId"],
        ]);
        (user, group)
    };
    let claim = match (&user, &group, name) {
        (Some(user), Some(group), "AddMemberToGroup" | "CreateGroupMembership") => {
            member(group, user, true)
        }
        (Some(user), Some(group), "RemoveMemberFromGroup") => member(group, user, false),
        (Some(user), _, "CreateUser") => exists(Identity::user(user.clone()), true),
        (Some(user), _, "DeleteUser") => exists(Identity::user(user.clone()), false),
        (Some(user), _, "EnableUser") => Some(Claim::Enabled {
            user: user.clone(),
            now: true,
        }),
        (Some(user), _, "DisableUser") => Some(Claim::Enabled {
            user: user.clone(),
            now: false,
        }),
        (None, Some(group), "CreateGroup") => exists(Identity::group(group.clone()), true),
        (None, Some(group), "DeleteGroup") => exists(Identity::group(group.clone()), false),
        _ => None,
    };
    named(user, group, claim, name)
}

fn failed(name: &str, detail: &Value) -> Look {
    let code = detail["errorCode"].as_str().unwrap_or("no code");
    Look::nothing(format!("the call {name} failed ({code})"))
}

/// The identity store's own events say little: their `resources` are the ARNs
/// of what they are about, and their detail-types are not all documented.
fn native(kind: &str, event: &Value, store: &str) -> Look {
    let (mut users, mut groups, mut stores) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let arns = event["resources"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for arn in arns.iter().filter_map(Value::as_str) {
        let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
        match resource.split_once('/') {
            Some(("user", id)) => users.extend(Id::parse(id)),
            Some(("group", id)) => groups.extend(Id::parse(id)),
            Some(("identitystore", id)) => stores.push(id),
            _ => {}
        }
    }
    if let Some(other) = stores.iter().find_map(|id| other_store(id, store)) {
        return Look::nothing(format!("{kind} is about another identity store, {other}"));
    }
    let now = match kind.rsplit(' ').next() {
        Some("Created" | "Added") => Some(true),
        Some("Deleted" | "Removed") => Some(false),
        _ => None,
    };
    let ids = |ids: &BTreeSet<Id>| ids.iter().cloned().collect::<Vec<_>>();
    let claim = now.and_then(|now| match (&ids(&users)[..], &ids(&groups)[..]) {
        ([user], [group]) => member(group, user, now),
        ([user], []) if kind.starts_with("User ") => exists(Identity::user(user.clone()), now),
        ([], [group]) if !kind.contains("ember") => exists(Identity::group(group.clone()), now),
        _ => None,
    });
    named(users, groups, claim, kind)
}

/// Who is named: users, else groups. Where users are named, the groups tell
/// only in what they are.
fn named(
    users: impl IntoIterator<Item = Id>,
    groups: impl IntoIterator<Item = Id>,
    claim: Option<Claim>,
    name: &str,
) -> Look {
    let mut identities: BTreeSet<Identity> = users.into_iter().map(Identity::user).collect();
    if identities.is_empty() {
        identities = groups.into_iter().map(Identity::group).collect();
    }
    if identities.is_empty() {
        return Look::everything(format!("{name} does not say who"));
    }
    Look {
        scope: Scope::Identities(identities),
        reason: None,
        claim,
    }
}

fn member(group: &Id, user: &Id, now: bool) -> Option<Claim> {
    Some(Claim::Member {
        group: group.clone(),
        user: user.clone(),
        now,
    })
}

fn exists(identity: Identity, now: bool) -> Option<Claim> {
    Some(Claim::Exists { identity, now })
}

/// The store's id, if it is one and not ours. What is no id of a store says
/// nothing about whose the event is.
fn other_store<'a>(given: &'a str, ours: &str) -> Option<&'a str> {
    let id = store_id(given)?;
    (!id.eq_ignore_ascii_case(ours)).then_some(id)
}
