//! What a world is made of: users, groups, memberships, Studios, mappings.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// How many ids of each kind a world has made up, and how many calls it has
/// counted: none of them comes twice.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Minted {
    pub users: u64,
    pub groups: u64,
    pub memberships: u64,
    pub calls: u64,
}

/// A user of the identity store.
#[derive(Clone, Debug)]
pub struct User {
    /// The user name, unique in the store.
    pub name: String,
    /// `UserStatus`.
    pub enabled: bool,
    /// Grows with every change.
    pub revision: u64,
    /// When it was added; see [`super::Settings::emr_learns_late_ms`].
    pub created: Instant,
}

/// A group of the identity store.
#[derive(Clone, Debug)]
pub struct Group {
    /// The display name, unique in the store.
    pub name: String,
    /// Grows with every change.
    pub revision: u64,
    /// When it was added; see [`super::Settings::emr_learns_late_ms`].
    pub created: Instant,
}

/// One user in one group.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The group's id.
    pub group: String,
    /// The user's id.
    pub user: String,
    /// When it was added; see [`super::Settings::directory_lags_ms`].
    pub created: Instant,
}

/// An EMR Studio.
#[derive(Clone, Debug)]
pub struct Studio {
    /// The display name.
    pub name: String,
    /// Where it is. Without one it is wherever the caller asks.
    pub region: Option<String>,
    /// Whose it is. Without one it is the caller's.
    pub account: Option<String>,
    /// Who signs its users in.
    pub auth_mode: AuthMode,
    /// `IdcUserAssignment`, if the service tells it.
    pub idc_user_assignment: Option<UserAssignment>,
    /// The most users that may be mapped. AWS documents 100.
    pub user_limit: usize,
    /// The most groups that may be mapped. AWS documents 5.
    pub group_limit: usize,
    /// Seconds since 1970.
    pub created: f64,
}

/// Who signs a Studio's users in. Only `SSO` has session mappings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AuthMode {
    /// IAM Identity Center.
    #[default]
    Sso,
    /// IAM, or a federation with it.
    Iam,
}

/// Whether people need a mapping to get into a Studio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum UserAssignment {
    /// They do.
    Required,
    /// They don't.
    Optional,
}

/// A line of a log, as the function wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The name of the log group.
    pub group: String,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// The line.
    pub message: String,
}

/// A user or a group, as EMR writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum IdentityType {
    User,
    Group,
}

impl fmt::Display for IdentityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IdentityType::User => "USER",
            IdentityType::Group => "GROUP",
        })
    }
}

/// Who may open a Studio, and with which rights.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// The session policy.
    pub session_policy_arn: String,
    /// The identity's name when it was mapped; whether a later rename shows is a switch
    /// ([`super::Settings::lists_follow_renames`]). Empty if it was gone already.
    pub identity_name: String,
    /// Seconds since 1970.
    pub created: f64,
    /// Seconds since 1970.
    pub modified: f64,
}

impl Mapping {
    /// A mapping made now.
    pub(super) fn new(policy: &str, identity_name: String) -> Mapping {
        let now = now();
        Mapping {
            session_policy_arn: policy.into(),
            identity_name,
            created: now,
            modified: now,
        }
    }
}

/// AWS documents `([0-9a-f]{10}-|)` and a UUID in any case.
pub(super) fn looks_like_an_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let uuid = match parts.as_slice() {
        [prefix, uuid @ ..] if uuid.len() == 5 && prefix.len() == 10 => uuid,
        uuid => uuid,
    };
    let hex = |part: &&str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    parts.iter().all(hex) && uuid.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
}

/// Seconds since 1970, as AWS JSON writes times.
pub(super) fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // Milliseconds, as the service has them.
    since.map_or(0.0, |since| since.as_millis() as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_apart_from_names() {
        assert!(looks_like_an_id(
            "906757b26f-84c89418-1041-7072-fde2-2021585e60cf"
        ));
        assert!(looks_like_an_id("84C89418-1041-7072-fde2-2021585e60cf"));
        assert!(!looks_like_an_id("alice@example.com"));
        assert!(!looks_like_an_id("84c89418-1041-7072-fde2"));
        assert!(!looks_like_an_id(""));
    }
}
