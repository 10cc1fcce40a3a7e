//! Reading a Studio's side, and what a question needs of both.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all};
use tokio::time::{Duration, Instant};

use super::readings::Readings;
use super::{Engine, Look, Remembered};
use crate::directory::Reading;
use crate::guard::Occupancy;
use crate::identity::Identity;
use crate::plan::{Actual, Mappings};
use crate::policy::doubt::{Cause, Doubt, Whom};
use crate::policy::fit::Reach;
use crate::studio::{Listed, Refusal, Usable};

/// A Studio that fails after so long keeps others waiting.
const LONG: Duration = Duration::from_secs(10);
/// Up to how many mappings of a Studio are asked for one by one.
const GETS: usize = 5;

/// What was read for a question.
#[derive(Debug)]
pub(crate) struct Observation {
    /// The directory.
    pub(crate) reading: Reading,
    /// What was to be looked at, by Studio.
    pub(crate) reaches: BTreeMap<usize, Reach>,
    /// What was seen there.
    pub(crate) studios: BTreeMap<usize, Seen>,
}

/// What was seen of a Studio.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Its mappings; none if there is nothing to plan with.
    pub(crate) actual: Option<Actual>,
    /// The identities that were read, which may be fewer than were asked for.
    pub(crate) reach: Option<Reach>,
    /// How many identities it has mapped, if all were listed.
    pub(crate) occupancy: Option<Occupancy>,
    /// What could not be read.
    pub(crate) failures: Vec<(Option<Identity>, Refusal)>,
    /// Whether it did not answer in time.
    pub(crate) hangs: bool,
    /// What is told of it, in words that follow its name.
    pub(crate) remarks: Vec<String>,
    /// Why the Studio can have no mappings at all, in words that follow its
    /// name: `signs people in with IAM, …`.
    pub(crate) unusable: Option<String>,
}

impl Engine {
    /// Reads both sides, for whoever only asks. `fresh`: nothing remembered is
    /// used.
    pub(crate) async fn observe(&self, look: &Look<'_>, fresh: bool) -> Observation {
        let readings = Readings::new(self, look, fresh);
        let studios = self.studios_of(look);
        let seen = studios.iter().map(|studio| self.see(*studio, &readings));
        let seen = join_all(seen).await;
        let read = readings.into_last().await;
        Observation {
            reading: read.reading,
            reaches: read.reaches,
            studios: studios.into_iter().zip(seen).collect(),
        }
    }

    /// The Studios that a look is about, whoever turns out to be meant there.
    pub(crate) fn studios_of(&self, look: &Look<'_>) -> Vec<usize> {
        let studios = 0..self.table.studios.len();
        studios.filter(|studio| look.is_about(*studio)).collect()
    }

    /// Looks at a Studio's mappings: beside the reading of the directory, unless
    /// that has to tell whom to look at.
    pub(crate) async fn see(&self, studio: usize, readings: &Readings<'_>) -> Seen {
        let look = readings.look;
        let remembered = match readings.fresh {
            true => None,
            false => self.remembered(studio),
        };
        let look_at = async |reach: &Reach| match (reach, &remembered) {
            (Reach::Only(identities), Some(listed)) => {
                self.look_again(studio, identities, listed, look.deadline)
                    .await
            }
            _ => self.look_at(studio, reach, look.deadline).await,
        };
        if let Some(reach) = look.reach(studio) {
            return join(look_at(&reach), readings.first()).await.0;
        }
        match readings.first().await.reaches.get(&studio) {
            Some(reach) => look_at(reach).await,
            None => Seen::default(),
        }
    }

    /// Lists a Studio's mappings, and sees whether it can have any.
    async fn look_at(&self, studio: usize, reach: &Reach, deadline: Instant) -> Seen {
        let mut seen = Seen::default();
        let begun = Instant::now();
        let usable = self.studios[studio].usable(deadline);
        let (usable, listed) = join(usable, self.list(studio, deadline)).await;
        seen.hangs = begun.elapsed() > LONG && (usable.is_err() || listed.is_err());
        if !self.can_be_used(studio, usable, &mut seen) {
            return seen;
        }
        // Who may not list, or is told nothing by it, may still ask for a few.
        let doubts = listed.as_ref().map(|(listed, _)| of_list(listed));
        let doubts = doubts.unwrap_or_default();
        let says_nothing = match &listed {
            Err(Refusal::Other(error)) => !error.is_transient(),
            _ => !doubts.is_empty(),
        };
        match reach {
            Reach::Only(identities) if says_nothing && identities.len() <= GETS => {
                let identities: Vec<&Identity> = identities.iter().collect();
                self.get_each(studio, reach, &identities, &mut seen, deadline)
                    .await;
                if let Some(actual) = &mut seen.actual {
                    actual.doubts.extend(doubts);
                }
                seen.remarks
                    .extend(listed.ok().and_then(|(listed, _)| remark(&listed)));
            }
            reach => self.take_list(listed, reach, &mut seen),
        }
        seen
    }

    /// Looks at a few identities of a Studio that was listed not long ago. Who was
    /// not mapped then is not asked for: nobody wants them mapped, or they are
    /// about to be, and a creation that meets a mapping says so.
    async fn look_again(
        &self,
        studio: usize,
        identities: &BTreeSet<Identity>,
        listed: &Remembered,
        deadline: Instant,
    ) -> Seen {
        let mut seen = Seen::default();
        let usable = self.studios[studio].usable(deadline).await;
        if !self.can_be_used(studio, usable, &mut seen) {
            return seen;
        }
        let reach = Reach::Only(identities.clone());
        let mapped: BTreeSet<&Identity> = identities.intersection(&listed.mapped).collect();
        if mapped.len() > GETS {
            let listed = self.list(studio, deadline).await;
            self.take_list(listed, &reach, &mut seen);
            return seen;
        }
        let mapped: Vec<&Identity> = mapped.into_iter().collect();
        self.get_each(studio, &reach, &mapped, &mut seen, deadline)
            .await;
        seen
    }

    /// Asks for the mappings of some identities of a reach, one by one; the others
    /// have none.
    async fn get_each(
        &self,
        studio: usize,
        reach: &Reach,
        asked: &[&Identity],
        seen: &mut Seen,
        deadline: Instant,
    ) {
        let get = |identity| self.studios[studio].mapping(identity, deadline);
        let answers = join_all(asked.iter().copied().map(get)).await;
        let mut actual = Actual::default();
        let mut unread = BTreeSet::new();
        for (identity, answer) in asked.iter().copied().zip(answers) {
            match answer {
                Ok(mapping) => {
                    mapping.map(|mapping| actual.mappings.insert(identity.clone(), mapping));
                }
                // What is gone from the directory can still have its mapping:
                // the list knows.
                Err(Refusal::InvalidIdentity(_)) => {
                    let listed = self.list(studio, deadline).await;
                    return self.take_list(listed, reach, seen);
                }
                Err(refusal @ Refusal::NoStudio(_)) => {
                    seen.unusable = Some(unreadable(&refusal));
                    return;
                }
                Err(refusal) => {
                    unread.insert(identity.clone());
                    let what = format!("the mapping of {identity}");
                    let whom = Whom::One(identity.clone());
                    let passes = refusal.is_transient();
                    actual.doubts.push(Doubt::unread(whom, None, what, passes));
                    seen.failures.push((Some(identity.clone()), refusal));
                }
            }
        }
        seen.actual = Some(actual);
        seen.reach = Some(match reach {
            Reach::Only(all) => Reach::Only(all.difference(&unread).cloned().collect()),
            Reach::All => Reach::All,
        });
    }

    fn can_be_used(&self, studio: usize, usable: Result<Usable, Refusal>, seen: &mut Seen) -> bool {
        match usable {
            Ok(Usable::Yes { .. }) => return true,
            Ok(Usable::NotTold(why)) => {
                self.warn_once(studio, &why);
                return true;
            }
            Ok(Usable::No(auth_mode)) => {
                seen.unusable = Some(format!(
                    "signs people in with {auth_mode}, but session mappings need AuthMode SSO; \
                     take it out of the table"
                ));
            }
            Err(refusal @ Refusal::NoStudio(_)) => seen.unusable = Some(unreadable(&refusal)),
            Err(refusal) => seen.failures.push((None, refusal)),
        }
        false
    }

    /// What a list tells of a reach.
    fn take_list(
        &self,
        listed: Result<(Listed, Occupancy), Refusal>,
        reach: &Reach,
        seen: &mut Seen,
    ) {
        let (listed, occupancy) = match listed {
            Ok(listed) => listed,
            Err(refusal @ Refusal::NoStudio(_)) => {
                seen.unusable = Some(unreadable(&refusal));
                return;
            }
            Err(refusal) => {
                seen.failures.push((None, refusal));
                return;
            }
        };
        seen.remarks.extend(remark(&listed));
        let mut actual = Actual {
            doubts: of_list(&listed),
            ..Actual::default()
        };
        actual.mappings = listed.mappings;
        actual.mappings.retain(|identity, _| reach.covers(identity));
        seen.actual = Some(actual);
        seen.reach = Some(reach.clone());
        seen.occupancy = Some(occupancy);
    }

    /// Lists a Studio's mappings and counts them.
    pub(crate) async fn list(
        &self,
        studio: usize,
        deadline: Instant,
    ) -> Result<(Listed, Occupancy), Refusal> {
        let began_ms = self.now_ms();
        let listed = self.studios[studio].list(deadline).await?;
        let mut occupancy = self.count(studio, &listed.mappings);
        listed
            .nobodys
            .iter()
            .for_each(|kind| *occupancy.of_mut(*kind) += 1);
        // Where nothing was told, what was last counted is as good as anything.
        if let Some(before) = self.remembered(studio).filter(|_| listed.is_bare) {
            occupancy = before.occupancy;
        }
        // What may be broken proves nobody's absence.
        if !listed.is_bare && listed.nobodys.is_empty() {
            let mapped = listed.mappings.keys().cloned().collect();
            self.remember(
                studio,
                Remembered {
                    began_ms,
                    mapped,
                    occupancy,
                },
            );
        }
        Ok((listed, occupancy))
    }

    pub(super) fn count(&self, studio: usize, mappings: &Mappings) -> Occupancy {
        let mut occupancy = Occupancy::default();
        for (identity, mapping) in mappings {
            *occupancy.of_mut(identity.kind) += 1;
            if self.table.owns(studio, &mapping.session_policy) {
                occupancy.owned += 1;
            }
        }
        occupancy
    }
}

/// What a list leaves doubtful, for all of the Studio.
fn of_list(listed: &Listed) -> Vec<Doubt> {
    let causes = [
        (listed.is_bare, Cause::BareList),
        (!listed.nobodys.is_empty(), Cause::Nobodys),
    ];
    let causes = causes.into_iter().filter(|(is_so, _)| *is_so);
    let doubt = |(_, cause)| Doubt {
        whom: Whom::All,
        rule: None,
        cause,
        passes: false,
    };
    causes.map(doubt).collect()
}

/// What a person should know of a list, in words that follow the Studio's name.
fn remark(listed: &Listed) -> Option<String> {
    (!listed.nobodys.is_empty()).then(|| {
        format!(
            "lists mappings without the id of whose they are ({}), so nothing is deleted or \
             changed there; `aws emr list-studio-session-mappings` shows them: delete them by \
             the names they bear",
            listed.nobodys.len()
        )
    })
}

fn unreadable(refusal: &Refusal) -> String {
    format!("cannot be read: {refusal}")
}
