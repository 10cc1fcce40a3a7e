//! What a pass reads of the directory, and who is a member of what: which is never
//! remembered.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all};
use tokio::time::Instant;

use super::IdentityStore;
use crate::aws::{CallError, Kind};
use crate::identity::{Id, Identity};
use crate::policy::fit::{Answer, Directory, Reach};
use crate::policy::{Assign, OnDisabledUser, Selector, Table};

/// A reading of the directory, and what went wrong with it.
#[derive(Debug)]
pub struct Reading {
    /// When it was begun.
    pub began: Instant,
    /// What was read.
    pub directory: Directory,
    /// What could not be.
    pub failures: Vec<Failure>,
    /// Whether anything of it was remembered, and not read just now.
    pub remembered: bool,
}

/// A read that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The one identity it was about, if it was about one.
    pub about: Option<Identity>,
    /// Why it failed.
    pub error: CallError,
}

/// A selected group was gone when its members were read: the selection was
/// stale, and has to be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale;

impl IdentityStore {
    /// Reads the memberships, and whatever else the rules ask of users, for the
    /// reach of a pass in each Studio.
    ///
    /// # Errors
    /// If a selected group turned out to be gone.
    pub async fn fill(
        &self,
        table: &Table,
        reaches: &BTreeMap<usize, Reach>,
        reading: &mut Reading,
        deadline: Instant,
    ) -> Result<(), Stale> {
        let asked = groups_asked_for(table, |studio| reaches.contains_key(&studio), reading);
        let whole = |studio| reaches.get(&studio) == Some(&Reach::All);
        let listed = match reaches.values().any(|reach| *reach == Reach::All) {
            true => groups_asked_for(table, whole, reading),
            false => BTreeSet::new(),
        };
        let users: BTreeSet<Id> = reaches
            .values()
            .filter_map(Reach::users)
            .flatten()
            .cloned()
            .collect();
        let looked_up: Vec<&Id> = match asked.is_empty() {
            true => Vec::new(),
            false => users.iter().collect(),
        };

        let members = join_all(listed.iter().map(|group| self.members(group, deadline)));
        let groups_of = join_all(
            looked_up
                .iter()
                .map(|user| self.groups_of(user, &asked, deadline)),
        );
        let (members, groups_of) = join(members, groups_of).await;
        for (group, members) in listed.into_iter().zip(members) {
            let members = match members {
                Ok(Answer::Gone) => return Err(Stale),
                Ok(members) => members,
                Err(error) => reading.failed(None, error),
            };
            reading.directory.members.insert(group, members);
        }
        for (user, groups) in looked_up.into_iter().zip(groups_of) {
            let groups = match groups {
                Ok(groups) => groups,
                Err(error) if error.kind == Kind::NoGroup => return Err(Stale),
                Err(error) => reading.failed(Some(Identity::user(user.clone())), error),
            };
            reading.directory.groups_of.insert(user.clone(), groups);
        }
        reading.directory.asked_about = asked;
        self.describe_users(table, reaches, &users, reading, deadline)
            .await;
        Ok(())
    }

    async fn describe_users(
        &self,
        table: &Table,
        reaches: &BTreeMap<usize, Reach>,
        users: &BTreeSet<Id>,
        reading: &mut Reading,
        deadline: Instant,
    ) {
        let mut asked = BTreeSet::new();
        if table.on_disabled_user == OnDisabledUser::Remove {
            for (studio, reach) in reaches {
                let fits = table.fits(*studio, &reading.directory, reach);
                let identities = fits.into_iter().map(|fit| fit.identity);
                let users = identities.filter(|one| *one == Identity::user(one.id.clone()));
                asked.extend(users.map(|identity| identity.id));
            }
        }
        if self.names {
            asked.extend(users.iter().cloned());
        }
        asked.retain(|user| reading.directory.groups_of.get(user) != Some(&Answer::Gone));
        let answers = self.users(&asked, deadline).await;
        for (user, answer) in asked.into_iter().zip(answers) {
            let identity = Identity::user(user.clone());
            let enabled = match answer {
                Ok(Answer::Is(described)) => {
                    let names = &mut reading.directory.names;
                    described.name.map(|name| names.insert(identity, name));
                    Answer::Is(described.enabled)
                }
                Ok(answer) => answer.map(|described| described.enabled),
                Err(error) => reading.failed(Some(identity), error),
            };
            reading.directory.enabled.insert(user, enabled);
        }
    }
}

impl Reading {
    /// Keeps a failure, and gives the answer that there is none.
    pub fn failed<T>(&mut self, about: Option<Identity>, error: CallError) -> Answer<T> {
        let passes = error.is_transient();
        self.failures.push(Failure { about, error });
        Answer::Unread { passes }
    }

    /// Whether nothing that the table names could be looked up, for a reason that
    /// passes.
    pub fn is_blind(&self) -> bool {
        let mut selected = self.directory.selected.values().peekable();
        selected.peek().is_some()
            && selected.all(|answer| matches!(answer, Answer::Unread { passes: true }))
    }
}

/// The groups whose members matter: to rules of these Studios, and to `protect`.
fn groups_asked_for(
    table: &Table,
    of_studio: impl Fn(usize) -> bool,
    reading: &Reading,
) -> BTreeSet<Id> {
    let rules = table
        .rules
        .iter()
        .filter(|rule| of_studio(rule.studio) && rule.assign == Assign::Members)
        .map(|rule| &rule.select);
    let protect = table
        .protect
        .iter()
        .filter(|entry| entry.assign != Some(Assign::Group))
        .map(|entry| &entry.select);
    rules
        .chain(protect)
        .filter(|selector| matches!(selector, Selector::Group(_) | Selector::GroupId(_)))
        .filter_map(|selector| reading.directory.selected.get(selector)?.known())
        .flatten()
        .cloned()
        .collect()
}
