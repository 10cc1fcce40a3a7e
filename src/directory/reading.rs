//! What a pass wants to know of the directory: whom the selectors stand for,
//! which is remembered for a while, and who is a member, which never is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::PoisonError;

use futures_util::future::{join, join_all};
use tokio::time::Instant;

use super::IdentityStore;
use crate::aws::{CallError, Kind};
use crate::identity::{Id, Identity, IdentityType};
use crate::policy::fit::{Answer, Directory, Reach};
use crate::policy::{Assign, OnDisabledUser, Selector, Table};

/// How long it is remembered which groups and users the selectors stand for, in
/// milliseconds.
const MEMORY_MS: i64 = 5 * 60_000;

/// What a selector stood for when it was last looked up.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    at_ms: i64,
    answer: Answer<BTreeSet<Id>>,
    names: BTreeMap<Identity, String>,
}

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
    /// Forgets everything.
    pub fn forget(&self) {
        self.with_memory(HashMap::clear);
    }

    /// Forgets which users the table's user names and ids stand for.
    pub fn forget_users(&self) {
        self.with_memory(|memory| {
            memory.retain(|selector, _| {
                matches!(selector, Selector::Group(_) | Selector::GroupId(_))
            });
        });
    }

    /// The selectors that stood for a group when they were last looked up, and
    /// the patterns of the table that were not: they may have.
    pub fn formerly_selecting(&self, table: &Table, group: &Id) -> BTreeSet<Selector> {
        self.with_memory(|memory| {
            let selects = |known: &Remembered| {
                known
                    .answer
                    .known()
                    .is_some_and(|groups| groups.contains(group))
            };
            let is_pattern = |selector: &&Selector| {
                selector.kind() == IdentityType::Group && !selector.names_one_group()
            };
            let may_have = |selector: &&Selector| match memory.get(*selector) {
                Some(known) => selects(known),
                None => is_pattern(selector),
            };
            table
                .selectors()
                .into_iter()
                .filter(may_have)
                .cloned()
                .collect()
        })
    }

    fn with_memory<T>(&self, f: impl FnOnce(&mut HashMap<Selector, Remembered>) -> T) -> T {
        f(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks up what each selector of the table stands for. `now_ms` tells how old
    /// is what is remembered.
    pub async fn select(&self, table: &Table, now_ms: i64, deadline: Instant) -> Reading {
        let selectors = table.selectors();
        let mut reading = Reading {
            began: Instant::now(),
            directory: Directory::default(),
            failures: Vec::new(),
            remembered: false,
        };
        let remembered: BTreeMap<Selector, Remembered> = self.with_memory(|memory| {
            memory.retain(|_, known| (0..MEMORY_MS).contains(&(now_ms - known.at_ms)));
            memory
                .iter()
                .map(|(selector, known)| (selector.clone(), known.clone()))
                .collect()
        });
        let unknown: Vec<&Selector> = selectors
            .into_iter()
            .filter(|selector| !remembered.contains_key(selector))
            .collect();
        reading.remembered = !remembered.is_empty();

        let (patterns, single): (Vec<&Selector>, Vec<&Selector>) = unknown
            .into_iter()
            .partition(|selector| matches!(selector, Selector::Group(p) if p.exact().is_none()));
        let found = join_all(
            single
                .iter()
                .map(|selector| self.select_one(selector, deadline)),
        );
        let all_groups = async {
            if patterns.is_empty() {
                Ok(BTreeMap::new())
            } else {
                self.all_groups(deadline).await
            }
        };
        let (found, all_groups) = join(found, all_groups).await;

        let at_ms = now_ms;
        let mut looked_up: BTreeMap<Selector, Remembered> = remembered;
        for (selector, found) in single.into_iter().zip(found) {
            match found {
                Ok((answer, names)) => {
                    looked_up.insert(
                        selector.clone(),
                        Remembered {
                            at_ms,
                            answer,
                            names,
                        },
                    );
                }
                Err(error) => reading.unread(selector, error),
            }
        }
        match all_groups {
            Ok(groups) => {
                for selector in patterns {
                    let Selector::Group(pattern) = selector else {
                        continue;
                    };
                    let fitting: Vec<(&Id, &String)> = groups
                        .iter()
                        .filter(|(_, name)| pattern.matches(name))
                        .collect();
                    let answer = Answer::Is(fitting.iter().map(|(id, _)| (*id).clone()).collect());
                    let name =
                        |(id, name): (&Id, &String)| (Identity::group(id.clone()), name.clone());
                    let names = fitting.into_iter().map(name).collect();
                    looked_up.insert(
                        selector.clone(),
                        Remembered {
                            at_ms,
                            answer,
                            names,
                        },
                    );
                }
            }
            Err(error) => {
                for selector in patterns {
                    let passes = error.is_transient();
                    let unread = Answer::Unread { passes };
                    reading.directory.selected.insert(selector.clone(), unread);
                }
                reading.failures.push(Failure { about: None, error });
            }
        }
        for (selector, known) in &looked_up {
            reading
                .directory
                .selected
                .insert(selector.clone(), known.answer.clone());
            reading.directory.names.extend(known.names.clone());
        }
        self.with_memory(|memory| memory.extend(looked_up));
        reading
    }

    async fn select_one(
        &self,
        selector: &Selector,
        deadline: Instant,
    ) -> Result<(Answer<BTreeSet<Id>>, BTreeMap<Identity, String>), CallError> {
        let one = |id: &Id| BTreeSet::from([id.clone()]);
        let (answer, named) = match selector {
            Selector::Group(pattern) => {
                let name = pattern.exact().unwrap_or_default();
                (
                    self.group_id(name, deadline).await?.map(Identity::group),
                    Some(name.to_owned()),
                )
            }
            Selector::User(name) => (
                self.user_id(name, deadline).await?.map(Identity::user),
                Some(name.clone()),
            ),
            Selector::GroupId(id) => match self.describe_group(id, deadline).await? {
                Answer::Is(name) => (Answer::Is(Identity::group(id.clone())), name),
                gone => (gone.map(|_| Identity::group(id.clone())), None),
            },
            Selector::UserId(id) => match self.describe_user(id, deadline).await? {
                Answer::Is(user) => (Answer::Is(Identity::user(id.clone())), user.name),
                gone => (gone.map(|_| Identity::user(id.clone())), None),
            },
        };
        let names = match (&answer, named) {
            (Answer::Is(identity), Some(name)) => BTreeMap::from([(identity.clone(), name)]),
            _ => BTreeMap::new(),
        };
        Ok((answer.map(|identity| one(&identity.id)), names))
    }

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
        let answers = join_all(asked.iter().map(|user| self.describe_user(user, deadline))).await;
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
    fn unread(&mut self, selector: &Selector, error: CallError) {
        let unread = self.failed(None, error);
        self.directory.selected.insert(selector.clone(), unread);
    }

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
