//! Reading both sides of what a pass is about.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all};
use tokio::time::Instant;

use super::{Engine, Task};
use crate::aws::CallError;
use crate::directory::{Failure, Reading, Stale};
use crate::event::Scope;
use crate::guard::Occupancy;
use crate::identity::{Id, Identity, IdentityType};
use crate::plan::{Actual, Mappings};
use crate::policy::fit::{Answer, Directory, Doubt, Reach};
use crate::policy::{Selector, Table};
use crate::studio::{Refusal, Usable};

/// Up to how many mappings of a Studio are asked for one by one.
const GETS: usize = 5;

/// What was read for a pass.
#[derive(Debug, Default)]
pub(crate) struct Observation {
    /// The directory.
    pub(crate) reading: Reading,
    /// What was to be looked at, by Studio.
    pub(crate) reaches: BTreeMap<usize, Reach>,
    /// What was seen there.
    pub(crate) studios: BTreeMap<usize, Seen>,
}

impl Observation {
    /// Whether everything that was asked for was read.
    pub(crate) fn is_whole(&self) -> bool {
        let whole = |seen: &Seen| seen.failures.is_empty() && seen.unusable.is_none();
        self.reading.failures.is_empty() && self.studios.values().all(whole)
    }

    /// The names under which the mappings were made.
    pub(crate) fn names(&self) -> BTreeMap<Identity, String> {
        let actual = self
            .studios
            .values()
            .filter_map(|seen| seen.actual.as_ref());
        let mappings = actual.flat_map(|actual| &actual.mappings);
        mappings
            .filter_map(|(identity, mapping)| Some((identity.clone(), mapping.name.clone()?)))
            .collect()
    }
}

/// What was seen of a Studio.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Its mappings; none if there is nothing to plan with.
    pub(crate) actual: Option<Actual>,
    /// The identities that were read, which may be fewer than were asked for.
    pub(crate) reach: Option<Reach>,
    /// How many identities it has mapped, if all were listed.
    pub(crate) occupancy: Option<Occupancy>,
    /// What could not be read.
    pub(crate) failures: Vec<(Option<Identity>, Refusal)>,
    /// Why the Studio can have no mappings at all, in words that follow its
    /// name: `signs people in with IAM, …`.
    pub(crate) unusable: Option<String>,
}

/// Which Studios, and whom in them, a scope means.
///
/// A user is looked at in every Studio. So is a group, and beyond that all of
/// the Studios whose rules select it, now or when they were last looked up, or
/// name a group that is not there and may be the one. A group that is gone can
/// have been anywhere.
pub(crate) fn reaches(
    table: &Table,
    scope: &Scope,
    only: Option<usize>,
    directory: &Directory,
    formerly: &BTreeSet<Selector>,
) -> BTreeMap<usize, Reach> {
    let groups: Vec<&Identity> = scope
        .identities()
        .filter(|identity| identity.kind == IdentityType::Group)
        .collect();
    let one_is_gone = groups
        .iter()
        .any(|group| directory.exists(group) == Some(false));
    let may_select_one = |selector: &Selector| {
        let selected = directory.selected.get(selector);
        let now = groups.iter().any(|group| {
            selected
                .and_then(Answer::known)
                .is_some_and(|ids| ids.contains(&group.id))
        });
        let missing = selector.names_one_group() && selected == Some(&Answer::Gone);
        now || missing || formerly.contains(selector)
    };
    (0..table.studios.len())
        .filter(|studio| only.is_none_or(|only| only == *studio))
        .filter_map(|studio| {
            let reach = match scope {
                Scope::Nothing => return None,
                Scope::Everything => Reach::All,
                Scope::Identities(_) if one_is_gone => Reach::All,
                Scope::Identities(identities) => {
                    let mut rules = table.rules_of(studio);
                    let concerned = !groups.is_empty()
                        && rules.any(|(_, rule)| {
                            rule.select.kind() == IdentityType::Group
                                && may_select_one(&rule.select)
                        });
                    match concerned {
                        true => Reach::All,
                        false => Reach::Only(identities.clone()),
                    }
                }
            };
            Some((studio, reach))
        })
        .collect()
}

impl Engine {
    /// Reads both sides. `fresh`: nothing remembered is used.
    pub(crate) async fn observe(
        &self,
        task: &Task<'_>,
        formerly: &BTreeSet<Selector>,
        mut fresh: bool,
    ) -> Observation {
        loop {
            if fresh {
                self.store.forget();
            }
            let mut reading = self.store.select(&self.table, task.deadline).await;
            self.look_up_groups(&task.scope, &mut reading, task.deadline)
                .await;
            let reaches = reaches(
                &self.table,
                &task.scope,
                task.studio,
                &reading.directory,
                formerly,
            );
            let fill = self
                .store
                .fill(&self.table, &reaches, &mut reading, task.deadline);
            let looks = reaches
                .iter()
                .map(|(studio, reach)| self.look(*studio, reach, task.deadline));
            let (filled, seen) = join(fill, join_all(looks)).await;
            match filled {
                Err(Stale) if !fresh => {
                    fresh = true;
                    continue;
                }
                // Just looked up, and gone again: it is left unread, which is
                // enough to keep anything from being deleted.
                Err(Stale) => reading.failures.push(Failure {
                    about: None,
                    error: CallError::malformed(
                        "ListGroupMemberships",
                        "a group that was just looked up is not there",
                    ),
                }),
                Ok(()) => {}
            }
            let studios = reaches.keys().copied().zip(seen).collect();
            return Observation {
                reading,
                reaches,
                studios,
            };
        }
    }

    /// Looks up the groups of a scope that no selector stands for: are they
    /// there?
    async fn look_up_groups(&self, scope: &Scope, reading: &mut Reading, deadline: Instant) {
        let unknown: Vec<&Id> = scope
            .identities()
            .filter(|identity| identity.kind == IdentityType::Group)
            .filter(|group| reading.directory.exists(group).is_none())
            .map(|group| &group.id)
            .collect();
        let answers = join_all(
            unknown
                .iter()
                .map(|group| self.store.describe_group(group, deadline)),
        )
        .await;
        for (group, answer) in unknown.into_iter().zip(answers) {
            let answer = answer.unwrap_or_else(|error| {
                let about = Some(Identity::group(group.clone()));
                reading.failures.push(Failure { about, error });
                Answer::Unread
            });
            reading.directory.groups.insert(group.clone(), answer);
        }
    }

    /// Looks at a Studio's mappings.
    async fn look(&self, studio: usize, reach: &Reach, deadline: Instant) -> Seen {
        let mut seen = Seen::default();
        match self.studios[studio].usable(deadline).await {
            Ok(Usable::Yes) => {}
            Ok(Usable::NotTold(why)) => self.warn_once(studio, &why),
            Ok(Usable::No(auth_mode)) => {
                seen.unusable = Some(format!(
                    "signs people in with {auth_mode}, but session mappings need AuthMode SSO; \
                     take it out of the table"
                ));
                return seen;
            }
            Err(refusal @ Refusal::NoStudio(_)) => {
                seen.unusable = Some(unreadable(&refusal));
                return seen;
            }
            Err(refusal) => {
                seen.failures.push((None, refusal));
                return seen;
            }
        }
        match reach {
            Reach::Only(identities) if identities.len() <= GETS => {
                self.look_at_each(studio, identities, &mut seen, deadline)
                    .await
            }
            // A page or two say as much as many calls about one each.
            reach => match self.list(studio, deadline).await {
                Ok((mut mappings, occupancy)) => {
                    mappings.retain(|identity, _| reach.covers(identity));
                    seen.occupancy = Some(occupancy);
                    seen.actual = Some(Actual {
                        mappings,
                        doubts: Vec::new(),
                    });
                    seen.reach = Some(reach.clone());
                }
                Err(refusal @ Refusal::NoStudio(_)) => {
                    seen.unusable = Some(unreadable(&refusal));
                }
                Err(refusal) => seen.failures.push((None, refusal)),
            },
        }
        seen
    }

    async fn look_at_each(
        &self,
        studio: usize,
        identities: &BTreeSet<Identity>,
        seen: &mut Seen,
        deadline: Instant,
    ) {
        let get = |identity| self.studios[studio].mapping(identity, deadline);
        let answers = join_all(identities.iter().map(get)).await;
        let (mut actual, mut read) = (Actual::default(), identities.clone());
        let mut listed: Option<Result<Mappings, Refusal>> = None;
        for (identity, answer) in identities.iter().zip(answers) {
            let mapping = match answer {
                // What is gone from the directory can still have its mapping:
                // the list knows.
                Err(Refusal::InvalidIdentity(_)) => {
                    if listed.is_none() {
                        let list = self.list(studio, deadline).await;
                        listed = Some(list.map(|(mappings, occupancy)| {
                            seen.occupancy = Some(occupancy);
                            mappings
                        }));
                    }
                    match &listed {
                        Some(Ok(mappings)) => Ok(mappings.get(identity).cloned()),
                        Some(Err(refusal)) => Err(refusal.clone()),
                        None => Ok(None),
                    }
                }
                answer => answer,
            };
            match mapping {
                Ok(mapping) => {
                    mapping.map(|mapping| actual.mappings.insert(identity.clone(), mapping));
                }
                Err(refusal @ Refusal::NoStudio(_)) => {
                    seen.unusable = Some(unreadable(&refusal));
                    return;
                }
                Err(refusal) => {
                    read.remove(identity);
                    let what = format!("the mapping of {identity}");
                    actual.doubts.push(Doubt::Unread { what });
                    seen.failures.push((Some(identity.clone()), refusal));
                }
            }
        }
        seen.actual = Some(actual);
        seen.reach = Some(Reach::Only(read));
    }

    /// Lists a Studio's mappings and counts them.
    pub(crate) async fn list(
        &self,
        studio: usize,
        deadline: Instant,
    ) -> Result<(Mappings, Occupancy), Refusal> {
        let mappings = self.studios[studio].mappings(deadline).await?;
        let mut occupancy = Occupancy::default();
        for (identity, mapping) in &mappings {
            match identity.kind {
                IdentityType::User => occupancy.users += 1,
                IdentityType::Group => occupancy.groups += 1,
            }
            if self.table.owns(studio, &mapping.session_policy) {
                occupancy.owned += 1;
            }
        }
        self.remember_occupancy(studio, occupancy);
        Ok((mappings, occupancy))
    }
}

fn unreadable(refusal: &Refusal) -> String {
    format!("cannot be read: {refusal}")
}
