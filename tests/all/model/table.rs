//! The table as the model reads it: straight from its JSON, and by means of its
//! own. No line of the engine is used here.

use std::collections::BTreeSet;

use emr_studio_sync::emulator::IdentityType;
use serde_json::Value;

use super::moment::Moment;

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) studios: Vec<Studio>,
    pub(super) rules: Vec<Rule>,
    pub(super) protect: Vec<Entry>,
    pub(super) most_percent: usize,
    pub(super) floor: usize,
    pub(super) window_ms: i64,
    pub(super) hold: bool,
    pub(super) remove_disabled: bool,
    all_is_ours: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Studio {
    pub(super) id: String,
    pub(super) user_limit: usize,
    pub(super) group_limit: usize,
    /// The session policies that mark a mapping as the table's.
    marks: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) who: Who,
    /// Of a group: whether it is mapped itself, and not its members.
    pub(super) as_group: bool,
    pub(super) studio: String,
    pub(super) policy: String,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) who: Who,
    pub(super) itself: bool,
    pub(super) members: bool,
}

/// How a row says whom it means.
#[derive(Clone, Debug)]
pub(super) enum Who {
    Group(String),
    GroupId(String),
    User(String),
    UserId(String),
}

impl Table {
    pub(super) fn read(json: &Value) -> Table {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let policy = |name: &Value| {
            let named = text(&json["session_policies"][name.as_str().unwrap()]);
            named.or_else(|| text(name)).unwrap()
        };
        let studio = |name: &Value| {
            let named = text(&json["studios"][name.as_str().unwrap()]["id"]);
            named.or_else(|| text(name)).unwrap()
        };
        let rows = |name: &str| json[name].as_array().cloned().unwrap_or_default();
        let number = |value: &Value, otherwise| value.as_u64().unwrap_or(otherwise) as usize;
        let rules: Vec<Rule> = rows("rules")
            .iter()
            .map(|row| Rule {
                who: Who::read(row),
                as_group: row["assign"] == "group",
                studio: studio(&row["studio"]),
                policy: policy(&row["session_policy"]),
            })
            .collect();
        let studios = json["studios"].as_object().unwrap().values().map(|row| {
            let id = text(&row["id"]).unwrap();
            let retired = row["retired_policies"].as_array().into_iter().flatten();
            let given = rules.iter().filter(|rule| rule.studio == id);
            Studio {
                user_limit: number(&row["limits"]["users"], 100),
                group_limit: number(&row["limits"]["groups"], 5),
                marks: given
                    .map(|rule| rule.policy.clone())
                    .chain(retired.map(policy))
                    .collect(),
                id,
            }
        });
        let deletions = &json["deletions"];
        Table {
            studios: studios.collect(),
            protect: rows("protect").iter().map(Entry::read).collect(),
            most_percent: number(&deletions["max_percent"], 20),
            floor: number(&deletions["floor"], 5),
            window_ms: deletions["window_minutes"].as_i64().unwrap_or(60) * 60_000,
            hold: json["on_missing_group"] != "revoke",
            remove_disabled: json["on_disabled_user"] == "remove",
            all_is_ours: json["ownership"] == "studio",
            rules,
        }
    }

    pub(super) fn studio(&self, id: &str) -> Option<&Studio> {
        self.studios.iter().find(|studio| studio.id == id)
    }

    /// The rules of a Studio, with their places in the table.
    pub(super) fn rules_of(&self, studio: &str) -> impl Iterator<Item = (usize, &Rule)> {
        let rules = self.rules.iter().enumerate();
        rules.filter(move |(_, rule)| rule.studio == studio)
    }

    /// Whether a mapping with this session policy is the table's.
    pub(super) fn owns(&self, studio: &str, policy: &str) -> bool {
        let marked = |studio: &Studio| studio.marks.contains(policy);
        self.studio(studio)
            .is_some_and(|studio| self.all_is_ours || marked(studio))
    }

    /// The most deletions that may go of so many mappings.
    pub(super) fn may_go(&self, owned: usize) -> usize {
        self.floor.max(owned * self.most_percent / 100)
    }
}

impl Studio {
    pub(super) fn limit(&self, kind: IdentityType) -> usize {
        match kind {
            IdentityType::User => self.user_limit,
            IdentityType::Group => self.group_limit,
        }
    }
}

impl Entry {
    fn read(row: &Value) -> Entry {
        Entry {
            who: Who::read(row),
            itself: row["assign"] != "members",
            members: row["assign"] != "group",
        }
    }

    /// Whether the mapping was made under a name that it protects. Case is not
    /// minded: this protects.
    pub(super) fn names(&self, kind: IdentityType, name: &str) -> bool {
        let (kind_named, pattern) = match &self.who {
            Who::Group(pattern) => (IdentityType::Group, pattern),
            Who::User(name) => (IdentityType::User, name),
            Who::GroupId(_) | Who::UserId(_) => return false,
        };
        let is_it = match kind {
            IdentityType::Group => fits(&pattern.to_lowercase(), &name.to_lowercase()),
            IdentityType::User => pattern.to_lowercase() == name.to_lowercase(),
        };
        self.itself && kind_named == kind && is_it
    }

    /// Whether it may protect a mapping of this kind, of whatever group it is about.
    pub(super) fn may_be_about(&self, kind: IdentityType) -> bool {
        match kind {
            IdentityType::User => self.members,
            IdentityType::Group => self.itself,
        }
    }

    /// Whether it names a group that has to be there: one by an id whose mapping
    /// alone is protected needs nothing but the id.
    pub(super) fn needs_its_group(&self) -> bool {
        match &self.who {
            Who::Group(_) => self.who.is_one_group(),
            Who::GroupId(_) => self.members,
            Who::User(_) | Who::UserId(_) => false,
        }
    }
}

impl Rule {
    /// Whether it may be about an identity, whoever bears the name in it.
    pub(super) fn may_fit(&self, kind: IdentityType, id: &str) -> bool {
        match (&self.who, self.as_group) {
            (Who::GroupId(group), true) => kind == IdentityType::Group && group == id,
            (Who::Group(_), true) => kind == IdentityType::Group,
            (Who::Group(_) | Who::GroupId(_), false) | (Who::User(_), _) => {
                kind == IdentityType::User
            }
            (Who::UserId(user), _) => kind == IdentityType::User && user == id,
        }
    }
}

impl Who {
    fn read(row: &Value) -> Who {
        let text = |name: &str| row[name].as_str().map(str::to_owned);
        let group = text("group").map(Who::Group);
        let group = group.or_else(|| text("group_id").map(Who::GroupId));
        let user = || text("user").map(Who::User);
        let found = group.or_else(user);
        found
            .or_else(|| text("user_id").map(Who::UserId))
            .expect("a row selects by something")
    }

    pub(super) fn is_one_group(&self) -> bool {
        match self {
            Who::Group(pattern) => !pattern.contains('*'),
            Who::GroupId(_) => true,
            Who::User(_) | Who::UserId(_) => false,
        }
    }

    /// Whether nobody is there for what has to be.
    pub(super) fn leads_nowhere(&self, moment: &Moment) -> bool {
        match self {
            Who::Group(_) | Who::GroupId(_) => {
                self.is_one_group() && moment.groups_of(self).is_empty()
            }
            Who::User(_) | Who::UserId(_) => moment.users_of(self).is_empty(),
        }
    }
}

/// Whether a name fits a pattern, in which a star is any run of characters: tried
/// in every way.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let Some(first) = pattern.chars().next() else {
        return name.is_empty();
    };
    let rest = &pattern[first.len_utf8()..];
    if first == '*' {
        let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
        return ends.into_iter().any(|at| fits(rest, &name[at..]));
    }
    name.strip_prefix(first)
        .is_some_and(|name| fits(rest, name))
}
