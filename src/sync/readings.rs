//! The directory, read once for all the Studios of a pass, and once more for those
//! to whom it is not enough what is remembered.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::{Engine, FRESH_MS, LAG, Look, PAUSES};
use crate::aws::CallError;
use crate::directory::{Failure, Reading, Stale};
use crate::event::{Claim, Scope};
use crate::identity::{Id, Identity, IdentityType};
use crate::policy::fit::{Answer, Directory, Reach};
use crate::policy::{Selector, Table};
use crate::unfinished::merge;

/// The readings of one pass.
#[derive(Debug)]
pub(crate) struct Readings<'p> {
    engine: &'p Engine,
    pub(crate) look: &'p Look<'p>,
    /// Whether nothing remembered is used from the beginning.
    pub(crate) fresh: bool,
    /// The selectors that stood for the groups of the scope until now.
    formerly: BTreeSet<Selector>,
    first: OnceCell<Read>,
    again: OnceCell<Read>,
}

/// A reading, and whom it means in which Studio.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) reading: Reading,
    pub(crate) reaches: BTreeMap<usize, Reach>,
}

impl<'p> Readings<'p> {
    /// Nothing is read yet; but what the look makes doubtful is forgotten.
    pub(crate) fn new(engine: &'p Engine, look: &'p Look<'p>, fresh: bool) -> Readings<'p> {
        Readings {
            engine,
            look,
            fresh,
            formerly: engine.prepare_memory(look),
            first: OnceCell::new(),
            again: OnceCell::new(),
        }
    }

    /// The first reading: again while it lags behind a fresh event.
    pub(crate) async fn first(&self) -> &Read {
        // Boxed: the way of each Studio has room for this in it, and one makes it.
        let read = || {
            Box::pin(async {
                // A directory that takes longer to read than it is waited for has had
                // that time already.
                let until = (Instant::now() + LAG).min(self.look.deadline);
                let mut read = self.read(self.fresh).await;
                for pause in PAUSES {
                    if Instant::now() + pause >= until || !self.lags(&read.reading.directory) {
                        break;
                    }
                    tokio::time::sleep(pause).await;
                    read = self.read(true).await;
                }
                read
            })
        };
        self.first.get_or_init(read).await
    }

    /// A reading in which nothing is remembered.
    pub(crate) async fn again(&self) -> &Read {
        let read = || Box::pin(self.read(true));
        self.again.get_or_init(read).await
    }

    /// The last reading that was made.
    pub(crate) async fn into_last(mut self) -> Read {
        self.first().await;
        let read = self.again.take().or(self.first.take());
        match read {
            Some(read) => read,
            // The cell has just been filled.
            None => self.read(self.fresh).await,
        }
    }

    /// Reads the directory. `fresh`: nothing remembered is used.
    async fn read(&self, mut fresh: bool) -> Read {
        let (engine, look) = (self.engine, self.look);
        loop {
            if fresh {
                engine.store.forget();
            }
            let select = engine
                .store
                .select(&engine.table, engine.now_ms(), look.deadline);
            let mut reading = select.await;
            self.look_up_groups(&mut reading).await;
            let reaches = reaches(&engine.table, look, &reading.directory, &self.formerly);
            // What an event names and memory does not know decides nothing unseen.
            let claimed = self.look_up_claimed(reading.remembered);
            let fill = engine
                .store
                .fill(&engine.table, &reaches, &mut reading, look.deadline);
            let (claimed, filled) = join(claimed, fill).await;
            reading.directory.groups.extend(claimed);
            match filled {
                Ok(()) => {}
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
            }
            let out_of_date = reading.remembered && reading.directory.is_out_of_date();
            if out_of_date && !fresh {
                fresh = true;
                continue;
            }
            return Read { reading, reaches };
        }
    }

    /// Looks up the groups of a scope that no selector stands for: are they
    /// there?
    async fn look_up_groups(&self, reading: &mut Reading) {
        let groups = self.look.scope.identities();
        let unknown = groups
            .filter(|identity| identity.kind == IdentityType::Group)
            .filter(|group| reading.directory.exists(group).is_none());
        let unknown: BTreeSet<&Id> = unknown.map(|group| &group.id).collect();
        for (group, answer) in self.describe(unknown).await {
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => reading.failed(Some(Identity::group(group.clone())), error),
            };
            reading.directory.groups.insert(group, answer);
        }
    }

    /// Looks up the groups that somebody is said to have joined or left, if memory
    /// is all that would tell whether a rule is about them.
    async fn look_up_claimed(&self, remembered: bool) -> Vec<(Id, Answer<Option<String>>)> {
        let claims = self
            .look
            .events
            .iter()
            .filter_map(|event| match &event.claim {
                Some(Claim::Member { group, .. }) => Some(group),
                _ => None,
            });
        let groups = claims.filter(|_| remembered).collect();
        let answers = self.describe(groups).await.into_iter();
        // One that cannot be read makes all be looked up again, which tells as much.
        let known =
            |answer: Result<_, CallError>| answer.unwrap_or(Answer::Unread { passes: true });
        answers
            .map(|(group, answer)| (group, known(answer)))
            .collect()
    }

    async fn describe(
        &self,
        groups: BTreeSet<&Id>,
    ) -> Vec<(Id, Result<Answer<Option<String>>, CallError>)> {
        let (store, deadline) = (&self.engine.store, self.look.deadline);
        let describe = groups
            .iter()
            .map(|group| store.describe_group(group, deadline));
        let answers = join_all(describe).await;
        groups.into_iter().cloned().zip(answers).collect()
    }

    /// Whether what was read contradicts an event so fresh that the directory may
    /// not have caught up with it.
    fn lags(&self, directory: &Directory) -> bool {
        let now_ms = self.engine.now_ms();
        let events = self.look.events;
        let claims = events
            .iter()
            .filter_map(|event| event.claim.as_ref().zip(event.time_ms));
        // Of those about the same thing, the one that happened last: the queue
        // keeps an order, but not always that.
        let is_last = |place: usize, claim: &Claim, at: i64| {
            let mut others = claims.clone().enumerate();
            // Of those of one moment, the later in the batch.
            !others.any(|(other_place, (other, other_at))| {
                claim.is_about_the_same(other) && (other_at, other_place) > (at, place)
            })
        };
        claims
            .clone()
            .enumerate()
            .filter(|(place, (claim, at))| now_ms - at < FRESH_MS && is_last(*place, claim, *at))
            .any(|(_, (claim, _))| claim.is_contradicted_by(directory))
    }
}

/// Which Studios, and whom in them, a look means.
///
/// A user is looked at in every Studio. So is a group, and beyond that all of
/// the Studios whose rules select it, now or when they were last looked up, or
/// name a group that is not there and may be the one. A group that is gone can
/// have been anywhere.
fn reaches(
    table: &Table,
    look: &Look<'_>,
    directory: &Directory,
    formerly: &BTreeSet<Selector>,
) -> BTreeMap<usize, Reach> {
    let groups: Vec<&Identity> = look
        .scope
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
    let mut reaches = BTreeMap::new();
    for studio in (0..table.studios.len()).filter(|studio| look.is_about(*studio)) {
        let reach = match &look.scope {
            Scope::Nothing => None,
            Scope::Everything => Some(Reach::All),
            Scope::Identities(_) if one_is_gone => Some(Reach::All),
            Scope::Identities(identities) => {
                let mut rules = table.rules_of(studio);
                let concerned = !groups.is_empty()
                    && rules.any(|(_, rule)| {
                        rule.select.kind() == IdentityType::Group && may_select_one(&rule.select)
                    });
                Some(match concerned {
                    true => Reach::All,
                    false => Reach::Only(identities.clone()),
                })
            }
        };
        let more = look.more.get(&studio).cloned();
        for reach in [reach, more].into_iter().flatten() {
            merge(&mut reaches, studio, reach);
        }
    }
    reaches
}
