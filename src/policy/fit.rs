//! Which rule fits whom: the table applied to what was read of the directory.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Assign, OnDisabledUser, Protected, Rule, Selector, Table};
use crate::identity::{Id, Identity, IdentityType};

/// What was read of the identity store, as far as somebody asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directory {
    /// The users or groups that each selector stands for. A pattern that
    /// matches nothing is an empty answer; only what is named can be gone.
    pub selected: BTreeMap<Selector, Answer<BTreeSet<Id>>>,
    /// All members, by group.
    pub members: BTreeMap<Id, Answer<BTreeSet<Id>>>,
    /// The groups that users were asked about.
    pub asked_about: BTreeSet<Id>,
    /// By user, which of those groups hold them.
    pub groups_of: BTreeMap<Id, Answer<BTreeSet<Id>>>,
    /// The groups that were looked up by id, with their display names.
    pub groups: BTreeMap<Id, Answer<Option<String>>>,
    /// Whether a user is enabled.
    pub enabled: BTreeMap<Id, Answer<bool>>,
    /// Names, where an answer happened to bring them.
    pub names: BTreeMap<Identity, String>,
}

/// An answer of the identity store. Not having one is never taken for "no".
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<T> {
    /// It is so.
    Is(T),
    /// There is no such user or group.
    Gone,
    /// It could not be read, or not to the end.
    Unread {
        /// Whether it may be another time: the reason passes by itself.
        passes: bool,
    },
}

impl<T> Answer<T> {
    /// What was answered.
    pub fn known(&self) -> Option<&T> {
        match self {
            Answer::Is(value) => Some(value),
            Answer::Gone | Answer::Unread { .. } => None,
        }
    }

    /// The same answer about something else.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Answer::Is(value) => Answer::Is(f(value)),
            Answer::Gone => Answer::Gone,
            Answer::Unread { passes } => Answer::Unread { passes },
        }
    }

    /// Whether there is such a user or group, if that was read.
    pub fn is_there(&self) -> Option<bool> {
        match self {
            Answer::Is(_) => Some(true),
            Answer::Gone => Some(false),
            Answer::Unread { .. } => None,
        }
    }
}

/// Which identities of a Studio a pass looks at.
#[derive(Clone, Debug, PartialEq)]
pub enum Reach {
    /// All that are mapped or should be.
    All,
    /// Only these.
    Only(BTreeSet<Identity>),
}

impl Reach {
    /// Whether it covers this identity.
    pub fn covers(&self, identity: &Identity) -> bool {
        match self {
            Reach::All => true,
            Reach::Only(identities) => identities.contains(identity),
        }
    }

    /// The reach that covers both.
    #[must_use]
    pub fn and(self, other: Reach) -> Reach {
        match (self, other) {
            (Reach::Only(mut all), Reach::Only(more)) => {
                all.extend(more);
                Reach::Only(all)
            }
            (Reach::All, _) | (_, Reach::All) => Reach::All,
        }
    }

    /// The users it is limited to, if it is.
    pub fn users(&self) -> Option<impl Iterator<Item = &Id>> {
        match self {
            Reach::All => None,
            Reach::Only(identities) => Some(
                identities
                    .iter()
                    .filter(|identity| identity.kind == IdentityType::User)
                    .map(|identity| &identity.id),
            ),
        }
    }
}

/// That a rule fits an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The rule's place in the table.
    pub rule: usize,
    /// The identity.
    pub identity: Identity,
    /// The group that brought it in, for the members of groups.
    pub via_group: Option<Id>,
}

/// The mapping an identity should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The ARN of its session policy.
    pub session_policy: String,
    /// The rule that says so.
    pub rule: usize,
    /// The group that brought it in, for the members of groups.
    pub via_group: Option<Id>,
}

impl Table {
    /// Every fit of a rule of this Studio, in the order of the rules; of the
    /// groups that bring one user in by one rule, the one with the least id.
    pub fn fits(&self, studio: usize, directory: &Directory, reach: &Reach) -> Vec<Fit> {
        let mut fits = Vec::new();
        for (rule, row) in self.rules_of(studio) {
            let mut found: BTreeMap<Identity, Option<&Id>> = BTreeMap::new();
            row.each_fit(
                directory,
                reach,
                |_| true,
                |kind, id, via_group| {
                    let id = id.clone();
                    found.entry(Identity { kind, id }).or_insert(via_group);
                },
            );
            fits.extend(found.into_iter().map(|(identity, via_group)| Fit {
                rule,
                identity,
                via_group: via_group.cloned(),
            }));
        }
        fits
    }

    /// The mappings this Studio should have: for each identity, what the first
    /// rule that fits it gives.
    pub fn wanted(
        &self,
        studio: usize,
        directory: &Directory,
        reach: &Reach,
    ) -> BTreeMap<Identity, Wanted> {
        let mut wanted: HashMap<(IdentityType, &Id), Wanted> = HashMap::new();
        // Whoever a group brings in has had a rule, once one has gone through it.
        let mut gone_through: HashSet<&Id> = HashSet::new();
        for (rule, row) in self.rules_of(studio) {
            let is_new = |group| gone_through.insert(group);
            row.each_fit(directory, reach, is_new, |kind, id, via_group| {
                if let Entry::Vacant(free) = wanted.entry((kind, id))
                    && self.applies_to(kind, id, directory)
                {
                    free.insert(Wanted {
                        session_policy: row.session_policy.clone(),
                        rule,
                        via_group: via_group.cloned(),
                    });
                }
            });
        }
        let wanted = wanted.into_iter().map(|((kind, id), wanted)| {
            let id = id.clone();
            (Identity { kind, id }, wanted)
        });
        wanted.collect()
    }

    /// Whether rules apply to an identity that they fit: not to users who are
    /// gone, nor, if the table says so, to disabled ones.
    fn applies_to(&self, kind: IdentityType, id: &Id, directory: &Directory) -> bool {
        if kind == IdentityType::Group {
            return true;
        }
        let enabled = directory.enabled.get(id);
        let gone =
            directory.groups_of.get(id) == Some(&Answer::Gone) || enabled == Some(&Answer::Gone);
        match self.on_disabled_user {
            OnDisabledUser::Keep => !gone,
            OnDisabledUser::Remove => !gone && enabled == Some(&Answer::Is(true)),
        }
    }

    /// Whether an identity's mapping may never be changed or deleted. `name` is
    /// the one the mapping was made under, if known.
    pub fn protects(&self, identity: &Identity, name: Option<&str>, directory: &Directory) -> bool {
        self.protected_by(identity, name, directory).is_some()
    }

    /// The first entry of `protect` that says so, by its place in the table.
    pub fn protected_by(
        &self,
        identity: &Identity,
        name: Option<&str>,
        directory: &Directory,
    ) -> Option<usize> {
        let mut entries = self.protect.iter();
        entries.position(|entry| entry.means(identity, name, directory))
    }
}

impl Protected {
    fn means(&self, identity: &Identity, name: Option<&str>, directory: &Directory) -> bool {
        let selected = directory.selected.get(&self.select);
        let ids = selected.and_then(Answer::known);
        let is_of_kind = self.select.kind() == identity.kind;
        let by_name = match name {
            Some(name) => {
                self.assign != Some(Assign::Members) && self.select.names(identity.kind, name)
            }
            // Somebody protected is gone, and this could be theirs.
            None => is_of_kind && self.select.is_name() && selected == Some(&Answer::Gone),
        };
        let itself = is_of_kind
            && self.assign != Some(Assign::Members)
            // Who is protected by id stays so when gone from the directory.
            && (self.select.id() == Some(&identity.id)
                || ids.is_some_and(|ids| ids.contains(&identity.id)));
        let as_member = self.select.kind() == IdentityType::Group
            && identity.kind == IdentityType::User
            && self.assign != Some(Assign::Group)
            && ids
                .into_iter()
                .flatten()
                .any(|group| directory.holds(group, &identity.id) == Some(true));
        by_name || itself || as_member
    }
}

impl Rule {
    /// Everybody within a reach whom this rule fits, and through which group; of
    /// several groups the least comes first. Only groups that `goes_through` says
    /// yes to are gone through for their members.
    fn each_fit<'d>(
        &self,
        directory: &'d Directory,
        reach: &Reach,
        mut goes_through: impl FnMut(&'d Id) -> bool,
        mut found: impl FnMut(IdentityType, &'d Id, Option<&'d Id>),
    ) {
        let selected = directory.selected.get(&self.select).and_then(Answer::known);
        let kind = self.select.kind();
        for id in selected.into_iter().flatten() {
            if kind == IdentityType::Group && self.assign == Assign::Members {
                if goes_through(id) {
                    for user in directory.members_within(id, reach) {
                        found(IdentityType::User, user, Some(id));
                    }
                }
            } else if reach.covers(&Identity {
                kind,
                id: id.clone(),
            }) {
                found(kind, id, None);
            }
        }
    }
}

impl Directory {
    /// Whether a selector stands for this user or group.
    pub fn selects(&self, identity: &Identity) -> bool {
        self.selected.iter().any(|(selector, answer)| {
            selector.kind() == identity.kind
                && answer.known().is_some_and(|ids| ids.contains(&identity.id))
        })
    }

    /// Whether an identity is there, as far as anything that was read tells.
    pub fn exists(&self, identity: &Identity) -> Option<bool> {
        let seen = || {
            let groups = self.members.values().filter_map(Answer::known);
            let mut groups = groups.filter(|_| identity.kind == IdentityType::User);
            groups.any(|users| users.contains(&identity.id)) || self.selects(identity)
        };
        self.looked_up(identity).or_else(|| seen().then_some(true))
    }

    /// Whether an identity is there, if it was asked about itself.
    pub fn looked_up(&self, identity: &Identity) -> Option<bool> {
        let id = &identity.id;
        let looked_up = match identity.kind {
            IdentityType::Group => self.groups.get(id).map(Answer::is_there),
            IdentityType::User => self.groups_of.get(id).map(Answer::is_there),
        };
        let described = self.enabled.get(id).map(Answer::is_there);
        looked_up.flatten().or(described.flatten())
    }

    /// Whether a group that was looked up by id bears another name than one by
    /// which it is selected, or one by which it should be: then what is known of
    /// the selectors is out of date. So it may be if the group could not be read.
    pub fn is_out_of_date(&self) -> bool {
        self.groups.iter().any(|(group, answer)| {
            let name = match answer {
                Answer::Is(name) => name.as_deref(),
                Answer::Gone => None,
                Answer::Unread { .. } => return true,
            };
            self.selected.iter().any(|(selector, selected)| {
                let Selector::Group(pattern) = selector else {
                    return false;
                };
                let known = match selected {
                    Answer::Is(ids) => ids.contains(group),
                    Answer::Gone => false,
                    Answer::Unread { .. } => return false,
                };
                known != name.is_some_and(|name| pattern.is_borne_by(name))
            })
        })
    }

    /// Whether a group holds a user, if that was read.
    pub fn holds(&self, group: &Id, user: &Id) -> Option<bool> {
        if let Some(members) = self.members.get(group).and_then(Answer::known) {
            return Some(members.contains(user));
        }
        let groups = self.groups_of.get(user).and_then(Answer::known)?;
        self.asked_about
            .contains(group)
            .then(|| groups.contains(group))
    }

    /// The members of a group that a reach covers.
    fn members_within<'d>(&'d self, group: &Id, reach: &Reach) -> Vec<&'d Id> {
        match reach.users() {
            None => {
                let members = self.members.get(group).and_then(Answer::known);
                members.into_iter().flatten().collect()
            }
            Some(users) => {
                let of_user = users.filter_map(|user| self.groups_of.get_key_value(user));
                let holding = of_user.filter(|(_, groups)| {
                    let groups = groups.known();
                    groups.is_some_and(|groups| groups.contains(group))
                });
                holding.map(|(user, _)| user).collect()
            }
        }
    }
}
