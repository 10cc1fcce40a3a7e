//! The world at one moment, and over the time of an invocation. Reads and writes
//! are moments apart: what changed meanwhile may have been seen or not, and only
//! what held all the time had to be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use emr_studio_sync::emulator::{IdentityType, World};

use super::table::{Rule, Table, Who, fits};

/// A Studio, a kind of identity, and an id.
pub(super) type Key = (String, IdentityType, String);

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Moment {
    /// Names, and whether they are enabled.
    users: BTreeMap<String, (String, bool)>,
    groups: BTreeMap<String, String>,
    /// Groups and users.
    members: BTreeSet<(String, String)>,
    /// Session policies, and the names that the mappings are shown under.
    pub(super) mappings: BTreeMap<Key, (String, String)>,
    ignores_case: bool,
}

impl Moment {
    pub(super) fn of(world: &World) -> Moment {
        let users = world.users.iter();
        let groups = world.groups.iter();
        // What does not show yet is not there for anybody.
        let lag = Duration::from_millis(world.settings.directory_lags_ms);
        let members = world.memberships.values();
        let members = members.filter(|one| one.created.elapsed() >= lag);
        let mappings = world.mappings.iter();
        Moment {
            users: users
                .map(|(id, user)| (id.clone(), (user.name.clone(), user.enabled)))
                .collect(),
            groups: groups
                .map(|(id, group)| (id.clone(), group.name.clone()))
                .collect(),
            members: members
                .map(|one| (one.group.clone(), one.user.clone()))
                .collect(),
            mappings: mappings
                .map(|(key, mapping)| {
                    let policy = mapping.session_policy_arn.clone();
                    let follows = world.settings.lists_follow_renames;
                    let name = world.identity_name(key.1, &key.2).filter(|_| follows);
                    let name = name.unwrap_or(&mapping.identity_name).to_owned();
                    (key.clone(), (policy, name))
                })
                .collect(),
            ignores_case: world.settings.names_ignore_case,
        }
    }

    pub(super) fn has(&self, kind: IdentityType, id: &str) -> bool {
        match kind {
            IdentityType::User => self.users.contains_key(id),
            IdentityType::Group => self.groups.contains_key(id),
        }
    }

    /// Everybody who is there, or is still a member.
    pub(super) fn identities(&self) -> BTreeSet<(IdentityType, String)> {
        let members = self.members.iter().map(|(_, user)| user);
        let users = self.users.keys().chain(members);
        let users = users.map(|id| (IdentityType::User, id.clone()));
        let groups = self
            .groups
            .keys()
            .map(|id| (IdentityType::Group, id.clone()));
        users.chain(groups).collect()
    }

    /// The groups that a row means.
    pub(super) fn groups_of(&self, who: &Who) -> BTreeSet<&str> {
        let all = self.groups.iter();
        let is_meant = |id: &str, name: &str| match who {
            Who::Group(pattern) if pattern.contains('*') => fits(pattern, name),
            Who::Group(exact) => self.same(exact, name),
            Who::GroupId(other) => other == id,
            Who::User(_) | Who::UserId(_) => false,
        };
        all.filter(|(id, name)| is_meant(id, name))
            .map(|(id, _)| id.as_str())
            .collect()
    }

    /// The users that a row means.
    pub(super) fn users_of(&self, who: &Who) -> BTreeSet<&str> {
        let all = self.users.iter();
        let is_meant = |id: &str, name: &str| match who {
            Who::User(exact) => self.same(exact, name),
            Who::UserId(other) => other == id,
            Who::Group(_) | Who::GroupId(_) => false,
        };
        all.filter(|(id, (name, _))| is_meant(id, name))
            .map(|(id, _)| id.as_str())
            .collect()
    }

    fn means(&self, who: &Who, id: &str) -> bool {
        self.groups_of(who).contains(id) || self.users_of(who).contains(id)
    }

    fn same(&self, one: &str, other: &str) -> bool {
        match self.ignores_case {
            true => one.to_lowercase() == other.to_lowercase(),
            false => one == other,
        }
    }

    pub(super) fn holds(&self, group: &str, user: &str) -> bool {
        self.members.contains(&(group.to_owned(), user.to_owned()))
    }

    pub(super) fn is_enabled(&self, user: &str) -> bool {
        self.users.get(user).is_some_and(|(_, enabled)| *enabled)
    }

    /// Whether a rule is about somebody who is in the directory no more, and still
    /// a member: in a list of members nothing tells.
    pub(super) fn ghost(&self, table: &Table, rule: &Rule, kind: IdentityType, id: &str) -> bool {
        let is_gone = kind == IdentityType::User && !self.has(kind, id);
        is_gone && !table.remove_disabled && !self.ways(rule, kind, id).is_empty()
    }

    /// The groups that bring an identity in by a rule; itself, where it needs none.
    fn ways(&self, rule: &Rule, kind: IdentityType, id: &str) -> BTreeSet<String> {
        let (groups, users) = (self.groups_of(&rule.who), self.users_of(&rule.who));
        let itself = match kind {
            IdentityType::User => users.contains(id),
            IdentityType::Group => rule.as_group && groups.contains(id),
        };
        let through = groups
            .iter()
            .filter(|group| kind == IdentityType::User && !rule.as_group && self.holds(group, id));
        let through = through.map(|group| (*group).to_owned());
        through.chain(itself.then(|| id.to_owned())).collect()
    }

    /// How many mappings of a Studio are the table's.
    pub(super) fn owned(&self, table: &Table, studio: &str) -> usize {
        let mappings = self.mappings.iter();
        mappings
            .filter(|((of, _, _), (policy, _))| of == studio && table.owns(studio, policy))
            .count()
    }

    /// Why a mapping is protected: the places of the entries, and how they come
    /// to be about it.
    fn protections(&self, table: &Table, key: &Key) -> BTreeSet<(usize, Protection)> {
        let (_, kind, id) = key;
        let mut found = BTreeSet::new();
        for (place, entry) in table.protect.iter().enumerate() {
            let groups = self.groups_of(&entry.who);
            let is_it = match (&entry.who, kind) {
                // Who is protected by id stays so when gone from the directory.
                (Who::UserId(other), IdentityType::User)
                | (Who::GroupId(other), IdentityType::Group) => other == id,
                (_, IdentityType::User) => self.users_of(&entry.who).contains(id.as_str()),
                (_, IdentityType::Group) => groups.contains(id.as_str()),
            };
            if entry.itself && is_it {
                found.insert((place, Protection::Itself));
            }
            let through = groups
                .iter()
                .filter(|group| *kind == IdentityType::User && self.holds(group, id));
            if entry.members {
                let group = |group: &&str| (place, Protection::Member((*group).to_owned()));
                found.extend(through.map(group));
            }
            let made_under = self.mappings.get(key).map(|(_, name)| name.as_str());
            match made_under {
                Some(name) if !name.is_empty() && entry.names(*kind, name) => {
                    found.insert((place, Protection::MadeUnder));
                }
                // Made for somebody gone, and by no name: it may be the one.
                Some("") if *kind == IdentityType::User => {
                    let by_name = matches!(entry.who, Who::User(_));
                    if by_name && entry.who.leads_nowhere(self) {
                        found.insert((place, Protection::MadeUnder));
                    }
                }
                _ => {}
            }
        }
        found
    }

    pub(super) fn protects(&self, table: &Table, key: &Key) -> bool {
        !self.protections(table, key).is_empty()
    }
}

/// How an entry of `protect` comes to be about a mapping.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Protection {
    Itself,
    Member(String),
    MadeUnder,
}

/// What the world was since an invocation began, change by change.
#[derive(Clone, Debug, Default)]
pub(super) struct Span {
    moments: Vec<Moment>,
    /// What it was before, as far as a process may remember it.
    pub(super) before: Vec<Moment>,
    /// Whether answers lied of users' status: then none is disabled for sure.
    pub(super) status_lied: bool,
    /// Whether answers left out under which names mappings were made.
    pub(super) names_lied: bool,
}

impl Span {
    pub(super) fn from(moment: Moment) -> Span {
        let moments = vec![moment];
        Span {
            moments,
            ..Span::default()
        }
    }

    pub(super) fn then(&mut self, moment: Moment) {
        if self.moments.last() != Some(&moment) {
            self.moments.push(moment);
        }
    }

    /// What it was last seen to be.
    pub(super) fn latest(&self) -> &Moment {
        self.moments.last().expect("an invocation began")
    }

    pub(super) fn ever(&self, is_so: impl Fn(&Moment) -> bool) -> bool {
        self.moments.iter().any(is_so)
    }

    pub(super) fn always(&self, is_so: impl Fn(&Moment) -> bool) -> bool {
        self.moments.iter().all(is_so)
    }

    /// The most of something that there was.
    pub(super) fn most(&self, count: impl Fn(&Moment) -> usize) -> usize {
        self.moments.iter().map(count).max().unwrap_or_default()
    }

    /// Whether a rule wanted an identity mapped all the time.
    pub(super) fn surely(&self, table: &Table, rule: &Rule, kind: IdentityType, id: &str) -> bool {
        !self.sure_ways(table, rule, kind, id).is_empty()
    }

    /// The same, for whoever goes by whom the rules meant some minutes ago.
    pub(super) fn surely_remembered(
        &self,
        table: &Table,
        rule: &Rule,
        kind: IdentityType,
        id: &str,
    ) -> bool {
        let ways = self.sure_ways(table, rule, kind, id);
        let was_meant = |way: &String| {
            let mut before = self.before.iter();
            before.all(|moment| moment.means(&rule.who, way))
        };
        ways.iter().any(was_meant)
    }

    fn sure_ways(
        &self,
        table: &Table,
        rule: &Rule,
        kind: IdentityType,
        id: &str,
    ) -> BTreeSet<String> {
        let applies = |moment: &Moment| {
            kind == IdentityType::Group
                || (moment.has(kind, id) && (!table.remove_disabled || moment.is_enabled(id)))
        };
        if !self.always(applies) {
            return BTreeSet::new();
        }
        let moments = self.moments.iter();
        let ways = moments.map(|moment| moment.ways(rule, kind, id));
        let ways = ways.reduce(|all, ways| all.intersection(&ways).cloned().collect());
        ways.unwrap_or_default()
    }

    /// Whether a rule may have wanted it: by whom it meant at one moment, and who
    /// was in which group at another.
    pub(super) fn perhaps(&self, table: &Table, rule: &Rule, kind: IdentityType, id: &str) -> bool {
        let through = |group: &str| {
            self.ever(|moment| moment.groups_of(&rule.who).contains(group))
                && self.ever(|moment| moment.holds(group, id))
        };
        let mut groups = self.moments.iter().flat_map(|moment| moment.groups.keys());
        let mut is_member =
            || kind == IdentityType::User && !rule.as_group && groups.any(|group| through(group));
        let enabled = !table.remove_disabled
            || self.status_lied
            || kind == IdentityType::Group
            || self.ever(|moment| moment.is_enabled(id));
        let itself = self.ever(|moment| moment.ways(rule, kind, id).contains(id));
        (itself || is_member()) && enabled
    }

    /// Whether a mapping was protected, by one and the same reason, all the time.
    pub(super) fn protected(&self, table: &Table, key: &Key) -> bool {
        let by_name = |moment: &&Moment| moment.mappings.contains_key(key);
        let with = self.moments.iter().filter(by_name);
        let made_under: Vec<BTreeSet<_>> =
            with.map(|moment| moment.protections(table, key)).collect();
        let all = self.moments.iter();
        let all: Vec<BTreeSet<_>> = all.map(|moment| moment.protections(table, key)).collect();
        let holds = |reason: &(usize, Protection)| match reason.1 {
            Protection::MadeUnder => {
                // Where no name comes with a mapping, it is protected only while
                // the entry leads nowhere: nobody can tell that it is about it.
                let found = |moment: &Moment| !table.protect[reason.0].who.leads_nowhere(moment);
                let unseen = self.names_lied && self.ever(found);
                !unseen && made_under.iter().all(|reasons| reasons.contains(reason))
            }
            Protection::Itself => all.iter().all(|reasons| reasons.contains(reason)),
            // Who is gone is a member of nothing, whatever a list says.
            Protection::Member(_) => {
                let is_there = |moment: &Moment| moment.has(key.1, &key.2);
                all.iter().all(|reasons| reasons.contains(reason)) && self.always(is_there)
            }
        };
        all.iter().flatten().any(holds)
    }
}
