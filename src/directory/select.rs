//! Whom the selectors of a table stand for, which is remembered for a while.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::PoisonError;

use futures_util::future::join;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::IdentityStore;
use super::many::{ask_or_list, tell};
use super::reading::Reading;
use crate::aws::CallError;
use crate::identity::{Id, Identity, IdentityType};
use crate::policy::fit::{Answer, Directory};
use crate::policy::{Pattern, Selector, Table};

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

/// Whom a selector stands for, and under which names.
type Selected = (Answer<BTreeSet<Id>>, BTreeMap<Identity, String>);

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

    /// Looks up what each selector of the table stands for: patterns in the list of
    /// all groups, of the others each by itself. `now_ms` tells how old is what is
    /// remembered.
    pub async fn select(&self, table: &Table, now_ms: i64, deadline: Instant) -> Reading {
        let mut reading = Reading {
            began: Instant::now(),
            directory: Directory::default(),
            failures: Vec::new(),
            remembered: false,
        };
        let mut known = self.with_memory(|memory| {
            memory.retain(|_, known| (0..MEMORY_MS).contains(&(now_ms - known.at_ms)));
            memory.clone()
        });
        reading.remembered = !known.is_empty();
        let mut unknown = table.selectors();
        unknown.retain(|selector| !known.contains_key(*selector));

        let (patterns, single): (Vec<_>, Vec<_>) = unknown
            .into_iter()
            .partition(|selector| pattern(selector).is_some());
        let list = OnceCell::new();
        let all_groups = async || {
            list.get_or_init(|| self.all_groups(deadline))
                .await
                .as_ref()
        };
        let for_patterns = async {
            match patterns.is_empty() {
                true => None,
                false => Some(all_groups().await),
            }
        };
        // In this order: who else wants the list waits for the one that is sure to
        // be read.
        let found = self.select_each(single, all_groups, deadline);
        let (for_patterns, mut found) = join(for_patterns, found).await;
        match for_patterns {
            None => {}
            Some(Ok(groups)) => found.extend(fitting(patterns, groups)),
            Some(Err(error)) => {
                let unread: Answer<BTreeSet<Id>> = reading.failed(None, error.clone());
                let unread = patterns
                    .into_iter()
                    .map(|one| (one.clone(), unread.clone()));
                reading.directory.selected.extend(unread);
            }
        }
        for (selector, found) in found {
            match found {
                Ok((answer, names)) => {
                    let at_ms = now_ms;
                    let found = Remembered {
                        at_ms,
                        answer,
                        names,
                    };
                    known.insert(selector.clone(), found);
                }
                Err(error) => {
                    let unread = reading.failed(None, error);
                    reading.directory.selected.insert(selector.clone(), unread);
                }
            }
        }
        for (selector, known) in &known {
            let answer = known.answer.clone();
            reading.directory.selected.insert(selector.clone(), answer);
            reading.directory.names.extend(known.names.clone());
        }
        self.with_memory(|memory| memory.extend(known));
        reading
    }

    /// What each of these selectors stands for, none of which is a pattern.
    /// `all_groups` is there for whoever names many.
    async fn select_each<'s, 'l>(
        &self,
        selectors: Vec<&'s Selector>,
        all_groups: impl AsyncFn() -> Result<&'l BTreeMap<Id, String>, &'l CallError>,
        deadline: Instant,
    ) -> Vec<(&'s Selector, Result<Selected, CallError>)> {
        let is_group = |selector: &&Selector| selector.kind() == IdentityType::Group;
        let (groups, users): (Vec<_>, Vec<_>) = selectors.into_iter().partition(is_group);
        let ask = async |selector: &&Selector| self.select_one(selector, deadline).await;
        let (of_groups, of_users) = (Named::of(&groups), Named::of(&users));
        let list_groups = async {
            let groups = all_groups().await.map_err(tell).into_iter().flatten();
            let fitting = groups.flat_map(|(id, name)| of_groups.fitting(id, name));
            fitting.collect()
        };
        let list_users = async {
            let is_asked = |id: &Id, name: &str| !of_users.fitting(id, name).is_empty();
            let users = self.users_listed(is_asked, deadline).await;
            let users = users.inspect_err(tell).unwrap_or_default().into_iter();
            let fitting = users.flat_map(|user| of_users.fitting(&user.id, &user.name));
            fitting.collect()
        };
        let found = join(
            ask_or_list(&groups, ask, list_groups),
            ask_or_list(&users, ask, list_users),
        );
        let (found_groups, found_users) = found.await;
        let groups = groups.into_iter().zip(found_groups);
        groups.chain(users.into_iter().zip(found_users)).collect()
    }

    async fn select_one(
        &self,
        selector: &Selector,
        deadline: Instant,
    ) -> Result<Selected, CallError> {
        let (answer, name) = match selector {
            Selector::Group(pattern) => {
                let name = pattern.exact().unwrap_or_default();
                (self.group_id(name, deadline).await?, Some(name.to_owned()))
            }
            Selector::User(name) => (self.user_id(name, deadline).await?, Some(name.clone())),
            Selector::GroupId(id) => match self.describe_group(id, deadline).await? {
                Answer::Is(name) => (Answer::Is(id.clone()), name),
                gone => (gone.map(|_| id.clone()), None),
            },
            Selector::UserId(id) => match self.describe_user(id, deadline).await? {
                Answer::Is(user) => (Answer::Is(id.clone()), user.name),
                gone => (gone.map(|_| id.clone()), None),
            },
        };
        Ok(match answer {
            Answer::Is(id) => selected(selector.kind(), &id, name),
            none => (none.map(|_| BTreeSet::new()), BTreeMap::new()),
        })
    }
}

/// The selectors that name one identity, by how they name it.
struct Named<'s> {
    by_name: HashMap<&'s str, &'s Selector>,
    by_id: HashMap<&'s Id, &'s Selector>,
}

impl<'s> Named<'s> {
    fn of(selectors: &[&'s Selector]) -> Named<'s> {
        let (mut by_name, mut by_id) = (HashMap::new(), HashMap::new());
        for selector in selectors {
            match *selector {
                Selector::User(name) => drop(by_name.insert(name.as_str(), *selector)),
                Selector::Group(pattern) => {
                    let name = pattern.exact();
                    name.map(|name| by_name.insert(name, *selector));
                }
                Selector::GroupId(id) | Selector::UserId(id) => drop(by_id.insert(id, *selector)),
            }
        }
        Named { by_name, by_id }
    }

    /// What a row of a list tells of them.
    fn fitting(&self, id: &Id, name: &str) -> Vec<(&'s Selector, Selected)> {
        let fitting = [self.by_name.get(name), self.by_id.get(id)];
        let is = |selector: &&'s Selector| {
            let name = Some(name.to_owned());
            (*selector, selected(selector.kind(), id, name))
        };
        fitting.into_iter().flatten().map(is).collect()
    }
}

fn selected(kind: IdentityType, id: &Id, name: Option<String>) -> Selected {
    let identity = Identity {
        kind,
        id: id.clone(),
    };
    let names = name.map(|name| (identity, name)).into_iter().collect();
    (Answer::Is([id.clone()].into()), names)
}

/// What patterns stand for, by the list of all groups.
fn fitting<'s>(
    patterns: Vec<&'s Selector>,
    groups: &BTreeMap<Id, String>,
) -> Vec<(&'s Selector, Result<Selected, CallError>)> {
    let found = patterns.into_iter().map(|selector| {
        let fits = |(_, name): &(&Id, &String)| pattern(selector).is_some_and(|p| p.matches(name));
        let fitting = groups.iter().filter(fits);
        let named = |(id, name): (&Id, &String)| (Identity::group(id.clone()), name.clone());
        let names: BTreeMap<Identity, String> = fitting.map(named).collect();
        let ids = names.keys().map(|group| group.id.clone()).collect();
        (selector, Ok((Answer::Is(ids), names)))
    });
    found.collect()
}

fn pattern(selector: &Selector) -> Option<&Pattern> {
    match selector {
        Selector::Group(pattern) if pattern.exact().is_none() => Some(pattern),
        _ => None,
    }
}
