//! The names that the directory really has, held against those that a table writes:
//! AWS does not say whether it minds their case, so that a name in another case finds
//! nobody, or whom it means.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::{Duration, Instant};

use super::Engine;
use crate::error::Problem;
use crate::identity::{Id, Identity, IdentityType};
use crate::policy::fit::{Answer, Directory};
use crate::policy::{Selector, resolve};
use crate::visible;

/// So long the list of users is read for a name that was meant.
const A_WHILE: Duration = Duration::from_secs(10);
/// So many names that lead nowhere are looked for in it.
const LOOKED_FOR: usize = 100;

/// Names as the directory writes them.
pub(super) struct Names {
    /// Of all groups, if the table names any, and of the users it names.
    known: BTreeMap<Identity, String>,
    /// Of users that a name may mean which leads nowhere.
    meant: Vec<String>,
    /// Why some of the known are missing.
    pub(super) failures: BTreeSet<String>,
}

impl Names {
    /// Reads as many as there is something to say of.
    pub(super) async fn read(engine: &Engine, directory: &Directory, deadline: Instant) -> Names {
        let mut names = Names {
            known: BTreeMap::new(),
            meant: Vec::new(),
            failures: BTreeSet::new(),
        };
        let selectors = engine.table.selectors();
        let store = &engine.store;
        if selectors
            .iter()
            .any(|one| matches!(one, Selector::Group(_)))
        {
            match store.all_groups(deadline).await {
                Ok(groups) => {
                    let groups = groups.into_iter();
                    let groups = groups.map(|(id, name)| (Identity::group(id), name));
                    names.known.extend(groups);
                }
                Err(error) => drop(names.failures.insert(error.to_string())),
            }
        }
        let (mut found, mut missing): (BTreeSet<Id>, Vec<&str>) = Default::default();
        for selector in selectors {
            let Selector::User(name) = selector else {
                continue;
            };
            match directory.selected.get(selector) {
                Some(Answer::Is(ids)) => found.extend(ids.iter().cloned()),
                Some(Answer::Gone) => missing.push(name),
                _ => {}
            }
        }
        let described = store.users(&found, deadline).await;
        for (id, described) in found.into_iter().zip(described) {
            match described {
                Ok(Answer::Is(user)) => {
                    let user = user.name.map(|name| (Identity::user(id), name));
                    names.known.extend(user);
                }
                Ok(Answer::Gone | Answer::Unread { .. }) => {}
                Err(error) => drop(names.failures.insert(error.to_string())),
            }
        }
        if !missing.is_empty() {
            missing.truncate(LOOKED_FOR);
            let is_meant = |name: &str| missing.iter().any(|one| is_alike(one, name));
            let soon = deadline.min(Instant::now() + A_WHILE);
            names.meant = store.user_names(is_meant, soon).await.unwrap_or_default();
        }
        names
    }

    fn of(&self, kind: IdentityType) -> impl Iterator<Item = (&Id, &str)> {
        let known = self.known.iter().filter(move |(one, _)| one.kind == kind);
        known.map(|(one, name)| (&one.id, name.as_str()))
    }

    /// The name that one is most likely a misspelling of.
    pub(super) fn meant_by(&self, selector: &Selector) -> Option<&str> {
        match selector {
            Selector::Group(pattern) => {
                let names = self.of(IdentityType::Group).map(|(_, name)| name);
                resolve::alike(pattern.as_str(), names)
            }
            Selector::User(name) => resolve::alike(name, self.meant.iter().map(String::as_str)),
            Selector::GroupId(_) | Selector::UserId(_) => None,
        }
    }

    /// What is to be said of how a name is written that leads to these.
    pub(super) fn warnings(
        &self,
        place: &str,
        selector: &Selector,
        ids: &BTreeSet<Id>,
    ) -> Vec<Problem> {
        let kind = selector.kind();
        let (written, is_pattern) = match selector {
            Selector::Group(pattern) => (pattern.as_str(), pattern.exact().is_none()),
            Selector::User(name) => (name.as_str(), false),
            Selector::GroupId(_) | Selector::UserId(_) => return Vec::new(),
        };
        let differs = self.of(kind).filter(|(id, name)| {
            let is_it = ids.contains(id) && !is_pattern;
            is_it && *name != written
        });
        let differs = differs.map(|(_, name)| {
            format!(
                "the directory has it as {}, and AWS does not say whether it minds the case of \
                 names: write it so",
                visible::quoted(name)
            )
        });
        let others = self.of(kind).filter(|(id, name)| {
            let in_another_case = selector.names(kind, name);
            in_another_case && !ids.contains(id)
        });
        let others: Vec<String> = others.map(|(_, name)| visible::quoted(name)).collect();
        let others = others.split_first().map(|(first, more)| {
            let first = match more.len() {
                0 => first.clone(),
                more => format!("{first} and {more} more"),
            };
            match is_pattern {
                true => format!("does not fit {first}, for the case of a letter"),
                false => format!(
                    "the directory has {first} too, and AWS does not say whether it minds the \
                     case of names: write {}_id",
                    kind.to_string().to_lowercase()
                ),
            }
        });
        let messages = differs.chain(others);
        messages
            .map(|message| Problem::new(place, message))
            .collect()
    }
}

fn is_alike(name: &str, other: &str) -> bool {
    resolve::alike(name, [other]).is_some()
}
