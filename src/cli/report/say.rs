//! How the report says things to people.

use super::rows::{Finding, Row, Status};
use crate::identity::IdentityType;
use crate::policy::{self, Assign, Selector};
use crate::visible;

impl Row {
    /// Whom the row is about, by name; by id, if nobody knows it.
    pub(super) fn who(&self) -> String {
        if self.user_id.is_none() {
            return format!("group {}", self.group());
        }
        let id = self.user_id.as_ref().map(ToString::to_string);
        self.user_name.clone().or(id).unwrap_or_default()
    }

    /// The mapped group, by name or id.
    pub(super) fn group(&self) -> String {
        let id = self.group_id.as_ref().map(ToString::to_string);
        self.group_name.clone().or(id).unwrap_or_default()
    }

    /// The group through which the rule fits, by name or id.
    pub(super) fn via_group(&self) -> Option<String> {
        let id = self.via_group_id.as_ref().map(ToString::to_string);
        self.via_group_name.clone().or(id)
    }

    /// Whether somebody has it as a member of a mapped group.
    pub(super) fn is_member(&self) -> bool {
        self.mapping == IdentityType::Group && self.user_id.is_some()
    }

    /// The groups that it comes by: of a mapping that a rule wants of each member,
    /// and of a group's mapping.
    pub(super) fn how(&self) -> Vec<(&'static str, String)> {
        let member = self.is_member().then(|| ("member of", self.group()));
        let through = self.via_group().map(|group| ("through", group));
        member.into_iter().chain(through).collect()
    }

    /// How it came to be: `rules[0], through data-engineers`.
    pub(super) fn by(&self) -> String {
        let mut by = match (self.rule, self.via_group()) {
            (Some(rule), Some(group)) => format!("rules[{rule}], through {group}"),
            (Some(rule), None) => format!("rules[{rule}]"),
            (None, _) => String::new(),
        };
        if self.is_member() {
            let comma = if by.is_empty() { "" } else { ", " };
            by += &format!("{comma}as member of {}", self.group());
        }
        by
    }
}

impl Finding {
    /// What it is, about one row.
    pub(super) fn words(self, row: &Row) -> String {
        let group = row.user_id.is_none();
        match self {
            Finding::Unread if row.user_status == Some(Status::Unknown) => {
                "status could not be read".to_owned()
            }
            Finding::Unread if group && !row.has(Finding::NoMembers) && !row.has(Finding::Gone) => {
                "members could not be read".to_owned()
            }
            Finding::Unread => "rules could not be read".to_owned(),
            Finding::Gone if group => "group is gone".to_owned(),
            Finding::Gone => "gone from the directory".to_owned(),
            Finding::Disabled => "disabled".to_owned(),
            Finding::NoRule => {
                let mut words = match &row.wanted_policy {
                    Some(policy) => format!("the table says {policy}"),
                    None => "no rule wants it".to_owned(),
                };
                if row.protected {
                    words += ", protected";
                }
                words
            }
            Finding::NotOwned => "not the table's".to_owned(),
            Finding::NoMembers => "no members".to_owned(),
        }
    }

    /// What they are, about many.
    pub(super) fn title(self) -> &'static str {
        match self {
            Finding::Unread => "Not known",
            Finding::Gone => "Gone from the directory",
            Finding::Disabled => "Disabled, but mapped",
            Finding::NoRule => "Not what the table says",
            Finding::NotOwned => "Not the table's",
            Finding::NoMembers => "Groups without members",
        }
    }

    /// What it means for whoever has to judge it.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Finding::Unread => "Something of these could not be read. Judge them when it can be.",
            Finding::Gone => "Nobody can sign in with these any more; the mappings are left over.",
            Finding::Disabled => {
                "They cannot sign in while they are disabled, and have this again once they are \
                 enabled."
            }
            Finding::NoRule => {
                "Mappings of the table that no rule wants as they are. The next full pass takes \
                 them away or changes them, but for those that are protected; held, since too many \
                 would go at once, until somebody approves; or withheld, since what it rests on \
                 could not be read or is not there."
            }
            Finding::NotOwned => {
                "Somebody made these beside the table, with a session policy it does not name. \
                 They are never changed or taken away."
            }
            Finding::NoMembers => {
                "Nobody gets in by these now; whoever joins the group does, at once."
            }
        }
    }
}

/// Whom a rule is about, and what it maps of them.
pub(super) fn whom(rule: &policy::Rule) -> String {
    match (&rule.select, rule.assign) {
        (Selector::User(name), _) => format!("user {}", visible::quoted(name)),
        (select, Assign::Members) if select.kind() == IdentityType::Group => {
            format!("each member of {select}")
        }
        (select, _) => select.to_string(),
    }
}
