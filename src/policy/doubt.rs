//! What is not known well enough to act on it, whom that is about, and whether
//! it passes. A change waits for the doubts about itself, and for no others.

use std::collections::BTreeSet;
use std::fmt;

use super::fit::{Answer, Directory, Reach};
use super::{Assign, OnDisabledUser, OnMissingGroup, Selector, Table};
use crate::identity::{Identity, IdentityType};

/// Why something is not known well enough to act on it: whom it is about, why,
/// and whether that passes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Doubt {
    /// Whose mapping may depend on it.
    pub whom: Whom,
    /// The rule that it is about, if it is about one.
    pub rule: Option<usize>,
    /// Why.
    pub cause: Cause,
    /// Whether it may be gone another time, by itself.
    pub passes: bool,
}

/// Whom a doubt is about, in one Studio.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    /// One identity.
    One(Identity),
    /// Whoever a rule, or an entry of `protect`, may stand for: all of a kind.
    Any(IdentityType),
    /// All of a kind who are still in the directory.
    Present(IdentityType),
    /// Everybody.
    All,
}

/// What is not known, or not there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A rule, or an entry of `protect`, names a group or a user who is not
    /// there.
    Missing {
        /// Its place in the table, `rules[0]`.
        place: String,
        /// What it says.
        selector: Selector,
    },
    /// Something it rests on could not be read.
    Unread {
        /// What, in words.
        what: String,
    },
    /// A list of mappings was answered without its rows, and without saying that
    /// there are none.
    BareList,
    /// A mapping was listed without the id of whose it is.
    Nobodys,
}

impl Doubt {
    /// That something was not read.
    pub fn unread(whom: Whom, rule: Option<usize>, what: String, passes: bool) -> Doubt {
        let cause = Cause::Unread { what };
        Doubt {
            whom,
            rule,
            cause,
            passes,
        }
    }

    /// Whether an identity's mapping may depend on it. `is_gone`: that identity is
    /// in the directory no more.
    pub fn concerns(&self, identity: &Identity, is_gone: bool) -> bool {
        match &self.whom {
            Whom::One(one) => one == identity,
            _ => self.is_about(identity.kind, is_gone),
        }
    }

    /// Whether everybody of a kind may depend on it, here or gone.
    pub fn is_about(&self, this: IdentityType, is_gone: bool) -> bool {
        match &self.whom {
            Whom::One(_) => false,
            Whom::Any(kind) => *kind == this,
            Whom::Present(kind) => *kind == this && !is_gone,
            Whom::All => true,
        }
    }

    /// Whether something was not read, other than what is not there.
    pub fn is_unread(&self) -> bool {
        matches!(self.cause, Cause::Unread { .. })
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Missing { place, selector } => {
                write!(
                    f,
                    "{place}: {selector} is not there (renamed, deleted or misspelt)"
                )
            }
            Cause::Unread { what } => write!(f, "{what} could not be read"),
            Cause::BareList => f.write_str("the list of mappings came without its rows"),
            Cause::Nobodys => f.write_str("a mapping is listed without the id of whose it is"),
        }
    }
}

impl Table {
    /// Whether a rule may fit an identity, for all that its row says: whatever
    /// group or user bears the name in it.
    pub fn may_fit(&self, rule: usize, identity: &Identity) -> bool {
        let row = &self.rules[rule];
        let doubt = whom(&row.select, Some(row.assign));
        match doubt {
            Whom::One(one) => one == *identity,
            Whom::Any(kind) | Whom::Present(kind) => kind == identity.kind,
            Whom::All => true,
        }
    }

    /// What of the reading is missing for a deletion, or a change of policy, in
    /// this Studio, and for whose. None: all are proven.
    pub fn doubts(&self, studio: usize, directory: &Directory, reach: &Reach) -> Vec<Doubt> {
        let mut doubts = BTreeSet::new();
        for (index, rule) in self.rules_of(studio) {
            let row = Row {
                place: format!("rules[{index}]"),
                rule: Some(index),
                select: &rule.select,
                assign: Some(rule.assign),
            };
            doubts.extend(self.doubt_missing(&row, directory));
            row.doubt_unread(directory, reach, &mut doubts);
        }
        doubts.extend(self.doubts_of_protect(directory, reach));
        if self.on_disabled_user == OnDisabledUser::Remove {
            for fit in self.fits(studio, directory, reach) {
                let user = fit.identity;
                if user.kind != IdentityType::User {
                    continue;
                }
                if let Some(passes) = unread(directory.enabled.get(&user.id)) {
                    let what = format!("the status of {user}");
                    doubts.insert(Doubt::unread(Whom::One(user), None, what, passes));
                }
            }
        }
        doubts.into_iter().collect()
    }

    /// What of the reading is missing to tell whom `protect` means.
    pub fn doubts_of_protect(&self, directory: &Directory, reach: &Reach) -> BTreeSet<Doubt> {
        let mut doubts = BTreeSet::new();
        let protect = self.protect.iter().enumerate();
        for (index, entry) in protect.filter(|(_, entry)| entry.needs_directory()) {
            let row = Row {
                place: format!("protect[{index}]"),
                rule: None,
                select: &entry.select,
                assign: entry.assign,
            };
            doubts.extend(self.doubt_missing(&row, directory));
            row.doubt_unread(directory, reach, &mut doubts);
        }
        doubts
    }

    /// The doubt that follows from a row which leads nowhere. A rule that names a
    /// user leads to none: a revocation does not wait for the table to be tidied.
    fn doubt_missing(&self, row: &Row<'_>, directory: &Directory) -> Option<Doubt> {
        if directory.selected.get(row.select) != Some(&Answer::Gone) {
            return None;
        }
        let whom = match (row.rule, row.select.kind()) {
            (Some(_), IdentityType::User) => return None,
            (Some(_), IdentityType::Group) if self.on_missing_group == OnMissingGroup::Revoke => {
                return None;
            }
            (_, IdentityType::Group) => Whom::All,
            // Somebody who is still there may be the one, under another name.
            (None, IdentityType::User) => Whom::Present(IdentityType::User),
        };
        let cause = Cause::Missing {
            place: row.place.clone(),
            selector: row.select.clone(),
        };
        Some(Doubt {
            whom,
            rule: row.rule,
            cause,
            passes: false,
        })
    }
}

/// A rule or an entry of `protect`, as far as it says whom it means.
struct Row<'t> {
    place: String,
    rule: Option<usize>,
    select: &'t Selector,
    assign: Option<Assign>,
}

impl Row<'_> {
    fn doubt_unread(&self, directory: &Directory, reach: &Reach, doubts: &mut BTreeSet<Doubt>) {
        if let Some(passes) = unread(directory.selected.get(self.select)) {
            let what = format!("{}: {}", self.place, self.select);
            let whom = whom(self.select, self.assign);
            doubts.insert(Doubt::unread(whom, self.rule, what, passes));
            return;
        }
        let selected = directory.selected.get(self.select).and_then(Answer::known);
        let groups = selected.filter(|_| {
            self.select.kind() == IdentityType::Group && self.assign != Some(Assign::Group)
        });
        let Some(groups) = groups.filter(|groups| !groups.is_empty()) else {
            return;
        };
        match reach.users() {
            None => {
                for group in groups {
                    // A group that was selected and has gone since is no empty one.
                    let gone = directory.members.get(group) == Some(&Answer::Gone);
                    let lost = gone.then_some(true);
                    if let Some(passes) = unread(directory.members.get(group)).or(lost) {
                        let what = format!("the list of members of GROUP {group}");
                        let whom = Whom::Any(IdentityType::User);
                        doubts.insert(Doubt::unread(whom, self.rule, what, passes));
                    }
                }
            }
            Some(users) => {
                for user in users {
                    if let Some(passes) = unread(directory.groups_of.get(user)) {
                        let what = format!("the groups of USER {user}");
                        let whom = Whom::One(Identity::user(user.clone()));
                        doubts.insert(Doubt::unread(whom, self.rule, what, passes));
                    }
                }
            }
        }
    }
}

/// Whether an answer is one that was not read, and if so, whether that passes.
/// What was not even asked for waits for something else that failed.
fn unread<T>(answer: Option<&Answer<T>>) -> Option<bool> {
    match answer {
        None => Some(true),
        Some(Answer::Unread { passes }) => Some(*passes),
        Some(Answer::Is(_) | Answer::Gone) => None,
    }
}

/// Whose mappings may depend on whom a selector stands for.
fn whom(selector: &Selector, assign: Option<Assign>) -> Whom {
    match (selector, assign) {
        (Selector::UserId(id), _) => Whom::One(Identity::user(id.clone())),
        (Selector::User(_), _) => Whom::Any(IdentityType::User),
        (Selector::GroupId(id), Some(Assign::Group)) => Whom::One(Identity::group(id.clone())),
        (Selector::Group(_), Some(Assign::Group)) => Whom::Any(IdentityType::Group),
        (Selector::Group(_) | Selector::GroupId(_), Some(Assign::Members)) => {
            Whom::Any(IdentityType::User)
        }
        // An entry of `protect` that means the group and its members.
        (Selector::Group(_) | Selector::GroupId(_), None) => Whom::All,
    }
}
