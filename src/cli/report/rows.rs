//! The rows of the report: mappings, taken apart into who has what by them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::cli::words::Words;
use crate::directory::Described;
use crate::identity::{Id, Identity, IdentityType};
use crate::plan::Action;
use crate::policy::Table;
use crate::policy::fit::Answer;
use crate::report::Outcome;
use crate::sync::{Access, Forecast, Survey};
use crate::visible;

/// What was read of those who are mapped, and of the members of mapped groups.
#[derive(Debug, Default)]
pub(super) struct People {
    pub(super) users: BTreeMap<Id, Answer<Described>>,
    pub(super) groups: BTreeMap<Id, Answer<Option<String>>>,
    pub(super) members: BTreeMap<Id, Answer<BTreeSet<Id>>>,
}

impl People {
    /// Who of them is in the directory no more.
    pub(super) fn gone(&self) -> BTreeSet<Identity> {
        let users = self.users.iter();
        let users = users.filter(|(_, answer)| **answer == Answer::Gone);
        let users = users.map(|(id, _)| Identity::user(id.clone()));
        let groups = self.groups.iter();
        let groups = groups.filter(|(_, answer)| **answer == Answer::Gone);
        let groups = groups.map(|(id, _)| Identity::group(id.clone()));
        users.chain(groups).collect()
    }
}

/// One grant: what one mapping gives to one user. A mapping that gives nobody
/// anything has one row too, without a user.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    /// The Studio's alias, and its id.
    pub(super) studio: String,
    pub(super) studio_id: String,
    /// Who has it; none if the mapped group has no members, or they could not
    /// be read. The name of who is gone is the one the mapping was made under.
    pub(super) user_name: Option<String>,
    pub(super) user_id: Option<Id>,
    pub(super) user_status: Option<Status>,
    /// The session policy as the table calls it, and its ARN.
    pub(super) session_policy: String,
    pub(super) session_policy_arn: String,
    /// USER: the user is mapped. GROUP: a group of the user's is.
    pub(super) mapping: IdentityType,
    /// The mapped group.
    pub(super) group_name: Option<String>,
    pub(super) group_id: Option<Id>,
    /// The rule that wants the mapping, counted from 0 as in `rules[0]`, and
    /// the group through which it fits.
    pub(super) rule: Option<usize>,
    pub(super) via_group_name: Option<String>,
    pub(super) via_group_id: Option<Id>,
    /// The session policy that the table says instead, if it does.
    pub(super) wanted_policy: Option<String>,
    /// Whether the mapping is the table's, and whether the table protects it.
    pub(super) owned: bool,
    pub(super) protected: bool,
    /// When the mapping was made, and how many whole days ago.
    pub(super) created: Option<String>,
    pub(super) age_days: Option<i64>,
    /// What somebody should look at.
    pub(super) findings: Vec<Finding>,
    /// What the next full pass would do to the mapping, if it is not as the table
    /// says, and what would become of that.
    pub(super) action: Option<Action>,
    pub(super) outcome: Option<Outcome>,
}

/// Whether somebody can sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Enabled,
    Disabled,
    /// No longer in the identity store.
    Gone,
    /// Could not be read.
    Unknown,
}

/// What an auditor should look at, what matters most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Finding {
    /// Something of it could not be read.
    Unread,
    /// The user or the group is no longer in the identity store.
    Gone,
    /// The user is disabled.
    Disabled,
    /// It is the table's, but no rule wants it so.
    NoRule,
    /// It is not the table's: somebody else made it.
    NotOwned,
    /// The mapped group has no members.
    NoMembers,
}

impl Finding {
    pub(super) const ALL: [Finding; 6] = [
        Finding::Unread,
        Finding::Gone,
        Finding::Disabled,
        Finding::NoRule,
        Finding::NotOwned,
        Finding::NoMembers,
    ];

    /// Its name for programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Finding::Unread => "unread",
            Finding::Gone => "gone",
            Finding::Disabled => "disabled",
            Finding::NoRule => "no_rule",
            Finding::NotOwned => "not_owned",
            Finding::NoMembers => "no_members",
        }
    }
}

impl Status {
    /// Its name for programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Status::Enabled => "enabled",
            Status::Disabled => "disabled",
            Status::Gone => "gone",
            Status::Unknown => "unknown",
        }
    }
}

impl Row {
    /// Who it is about: the user, or the group if there is none.
    pub(super) fn subject(&self) -> Option<Identity> {
        let user = self.user_id.clone().map(Identity::user);
        user.or(self.group_id.clone().map(Identity::group))
    }

    /// Whom the mapping names.
    pub(super) fn mapped(&self) -> Option<Identity> {
        let group = self.group_id.clone().map(Identity::group);
        group.or(self.user_id.clone().map(Identity::user))
    }

    /// The row as people read it.
    pub(super) fn for_people(&self) -> Row {
        let name = |name: &Option<String>| name.as_deref().map(visible::name);
        Row {
            studio: visible::name(&self.studio),
            user_name: name(&self.user_name),
            session_policy: visible::name(&self.session_policy),
            group_name: name(&self.group_name),
            via_group_name: name(&self.via_group_name),
            wanted_policy: name(&self.wanted_policy),
            ..self.clone()
        }
    }

    pub(super) fn has(&self, finding: Finding) -> bool {
        self.findings.contains(&finding)
    }

    /// What keeps the next full pass from doing what it would, in a word.
    pub(super) fn waits(&self) -> Option<&'static str> {
        let outcome = self.outcome.filter(|outcome| *outcome != Outcome::Planned);
        outcome.map(Outcome::words)
    }
}

/// Takes the mappings apart: by Studio, and in it by user.
pub(super) fn rows(
    survey: &Survey,
    forecast: &Forecast,
    people: &People,
    table: &Table,
    words: &Words,
    now: DateTime<Utc>,
) -> Vec<Row> {
    let mut rows: Vec<(usize, Row)> = Vec::new();
    for access in &survey.rows {
        let fates = forecast.fates.get(&access.studio);
        let rows_of = Split {
            access,
            fate: fates.and_then(|fates| fates.get(&access.identity)).copied(),
            people,
            table,
            words,
            now,
        };
        rows.extend(rows_of.rows().into_iter().map(|row| (access.studio, row)));
    }
    rows.sort_by_cached_key(|(studio, row)| {
        let subject = row.subject();
        let kind = subject.as_ref().map(|subject| subject.kind);
        let name = row.user_name.as_ref().map(|name| name.to_lowercase());
        // Who has no name comes after those who have.
        (*studio, kind, name.is_none(), name, subject)
    });
    rows.into_iter().map(|(_, row)| row).collect()
}

/// One mapping, and all that is known of it.
struct Split<'a> {
    access: &'a Access,
    fate: Option<(Action, Outcome)>,
    people: &'a People,
    table: &'a Table,
    words: &'a Words,
    now: DateTime<Utc>,
}

impl Split<'_> {
    fn rows(&self) -> Vec<Row> {
        let id = &self.access.identity.id;
        if self.access.identity.kind == IdentityType::User {
            return vec![self.of_user(id, self.row())];
        }
        let mut row = self.row();
        row.group_id = Some(id.clone());
        row.group_name = self.group_name(id).or(self.access.name.clone());
        let is_gone = self.people.groups.get(id) == Some(&Answer::Gone);
        let nobody = |finding| {
            let mut row = row.clone();
            row.findings.push(finding);
            row.findings.sort();
            row.findings.dedup();
            vec![row]
        };
        match self.people.members.get(id) {
            _ if is_gone => nobody(Finding::Gone),
            // Only looking a group up tells that it is gone.
            None | Some(Answer::Gone | Answer::Unread { .. }) => nobody(Finding::Unread),
            Some(Answer::Is(members)) if members.is_empty() => nobody(Finding::NoMembers),
            Some(Answer::Is(members)) => {
                let of_member = |user: &Id| self.of_user(user, row.clone());
                members.iter().map(of_member).collect()
            }
        }
    }

    /// What is the same for all whom the mapping lets in.
    fn row(&self) -> Row {
        let access = self.access;
        let studio = &self.table.studios[access.studio];
        let made = access
            .created
            .and_then(|at| DateTime::from_timestamp(at, 0));
        let findings = match (access.owned, access.rule, access.doubtful) {
            (false, ..) => vec![Finding::NotOwned],
            (true, Some(_), _) => Vec::new(),
            (true, None, true) => vec![Finding::Unread],
            (true, None, false) => vec![Finding::NoRule],
        };
        let instead = access.instead.as_ref();
        Row {
            studio: studio.alias.clone(),
            studio_id: studio.id.clone(),
            user_name: None,
            user_id: None,
            user_status: None,
            session_policy: self.words.alias(&access.session_policy).to_owned(),
            session_policy_arn: access.session_policy.clone(),
            mapping: access.identity.kind,
            group_name: None,
            group_id: None,
            rule: access.rule,
            via_group_name: access
                .via_group
                .as_ref()
                .and_then(|group| self.group_name(group)),
            via_group_id: access.via_group.clone(),
            wanted_policy: instead
                .map(|wanted| self.words.alias(&wanted.session_policy).to_owned()),
            owned: access.owned,
            protected: access.protected,
            created: made.map(rfc3339),
            age_days: made.map(|made| (self.now - made).num_days().max(0)),
            findings,
            action: self.fate.map(|(action, _)| action),
            outcome: self.fate.map(|(_, outcome)| outcome),
        }
    }

    fn of_user(&self, user: &Id, mut row: Row) -> Row {
        let described = self.people.users.get(user);
        let status = match described {
            Some(Answer::Is(Described { enabled: true, .. })) => Status::Enabled,
            Some(Answer::Is(Described { enabled: false, .. })) => Status::Disabled,
            Some(Answer::Gone) => Status::Gone,
            None | Some(Answer::Unread { .. }) => Status::Unknown,
        };
        let name = described
            .and_then(Answer::known)
            .and_then(|user| user.name.clone());
        // The mapping's own name is of a user only if a user is mapped.
        let mapped_as = match row.mapping {
            IdentityType::User => self.access.name.clone(),
            IdentityType::Group => None,
        };
        row.user_id = Some(user.clone());
        row.user_name = name.or(mapped_as);
        row.user_status = Some(status);
        row.findings.extend(match status {
            Status::Enabled => None,
            Status::Disabled => Some(Finding::Disabled),
            Status::Gone => Some(Finding::Gone),
            Status::Unknown => Some(Finding::Unread),
        });
        row.findings.sort();
        row.findings.dedup();
        row
    }

    fn group_name(&self, group: &Id) -> Option<String> {
        self.people.groups.get(group)?.known()?.clone()
    }
}

/// A time as the report writes it.
pub(super) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
