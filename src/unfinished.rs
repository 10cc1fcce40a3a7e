//! What is still to be looked at: who, or everybody, in which Studio, and when
//! again. Pure; the time is a parameter.
//!
//! Nothing waits behind a failure. What could not be done for a reason that
//! passes is written down here, its message is acknowledged, and it is looked at
//! again by later invocations, after pauses that grow. A process that dies loses
//! it; the next full pass finds it again.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Event, Scope};
use crate::identity::Identity;
use crate::policy::fit::Reach;

/// The pauses before it is looked at again, in milliseconds: the next invocation
/// may be at once. The longest, with the minute's event and a pass behind it, is
/// less than five minutes: so long may it take after a failure has ended.
const PAUSES_MS: [i64; 6] = [0, 15_000, 30_000, 60_000, 120_000, 180_000];
/// At which of the pauses what hangs begins.
const HUNG: usize = 2;
/// After so long it is left to the full pass.
const PATIENCE_MS: i64 = 3_600_000;
/// From so many of one Studio on, all of that Studio is looked at: a list says as
/// much as many questions.
const MANY: usize = 100;
/// So many events are remembered as the cause of one.
const CAUSES: usize = 10;

/// Who, or everybody.
type Whose = Option<Identity>;

/// What is still to be looked at.
#[derive(Clone, Debug, Default)]
pub struct Unfinished {
    /// By the Studio's place in the table.
    studios: BTreeMap<usize, BTreeMap<Whose, Entry>>,
}

#[derive(Clone, Debug)]
struct Entry {
    since_ms: i64,
    again_ms: i64,
    tries: usize,
    hangs: bool,
    events: Vec<Event>,
}

impl Unfinished {
    /// How much there is: identities, and Studios of which everybody is.
    pub fn len(&self) -> usize {
        self.studios.values().map(BTreeMap::len).sum()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.studios.is_empty()
    }

    /// What is due to be looked at, and the events that once led to it.
    pub fn due(&self, now_ms: i64) -> (BTreeMap<usize, Reach>, Vec<Event>) {
        let (mut reaches, mut events) = (BTreeMap::new(), Vec::new());
        for (studio, entries) in &self.studios {
            let due = entries.iter().filter(|(_, entry)| entry.again_ms <= now_ms);
            for (whose, entry) in due {
                merge(&mut reaches, *studio, reach_of(whose));
                for event in &entry.events {
                    if !events.contains(event) {
                        events.push(event.clone());
                    }
                }
            }
        }
        (reaches, events)
    }

    /// The Studios that did not answer in time, and are not due yet: what comes for
    /// them meanwhile is among what is unfinished, and need not wait for them.
    pub fn resting(&self, now_ms: i64) -> BTreeSet<usize> {
        let hang = |entries: &BTreeMap<Whose, Entry>| {
            let all = entries.get(&None);
            all.is_some_and(|entry| entry.hangs && entry.again_ms > now_ms)
        };
        let studios = self.studios.iter();
        let resting = studios.filter(|(_, entries)| hang(entries));
        resting.map(|(studio, _)| *studio).collect()
    }

    /// Writes down what came of a pass.
    pub fn settle(&mut self, came: &Came<'_>, now_ms: i64) {
        for (studio, reach) in came.looked_at {
            let entries = self.studios.remove(studio).unwrap_or_default();
            let left: Vec<Whose> = match came.left.get(studio) {
                None => Vec::new(),
                Some(Reach::All) => vec![None],
                Some(Reach::Only(identities)) => identities.iter().cloned().map(Some).collect(),
            };
            let was_looked_at = |whose: &Whose| match (reach, whose) {
                (Reach::All, _) => true,
                (Reach::Only(_), None) => false,
                (Reach::Only(identities), Some(identity)) => identities.contains(identity),
            };
            let (old, mut entries): (BTreeMap<_, _>, BTreeMap<_, _>) = entries
                .into_iter()
                .partition(|(whose, _)| was_looked_at(whose) || left.contains(whose));
            for whose in left {
                // Who waits among everybody has waited since everybody does.
                let before = old.get(&whose).or(old.get(&None));
                if let Some(entry) = came.again(*studio, before, &whose, now_ms) {
                    entries.insert(whose, entry);
                }
            }
            if entries.len() > MANY || entries.contains_key(&None) {
                entries = all_as_one(entries);
            }
            if !entries.is_empty() {
                self.studios.insert(*studio, entries);
            }
        }
    }
}

/// What came of a pass, as far as it leaves something.
#[derive(Clone, Copy, Debug)]
pub struct Came<'p> {
    /// Whom it looked at, by Studio.
    pub looked_at: &'p BTreeMap<usize, Reach>,
    /// Whom of them it leaves unfinished.
    pub left: &'p BTreeMap<usize, Reach>,
    /// The Studios in which it made changes, and had no time for all.
    pub goes_on: &'p BTreeSet<usize>,
    /// The Studios that did not answer in time.
    pub hang: &'p BTreeSet<usize>,
    /// Whether it was a full pass: the hour of what still fails begins anew with it.
    pub is_full: bool,
    /// The events that had led to it.
    pub events: &'p [Event],
}

impl Came<'_> {
    /// The entry of what was tried once more, and in vain; none when it has been
    /// so for too long.
    fn again(
        &self,
        studio: usize,
        before: Option<&Entry>,
        whose: &Whose,
        now_ms: i64,
    ) -> Option<Entry> {
        // Where it goes on, nothing has failed: there was only no time.
        let before = before.filter(|_| !self.goes_on.contains(&studio));
        let (mut since_ms, tries) =
            before.map_or((now_ms, 0), |entry| (entry.since_ms, entry.tries));
        if self.is_full {
            since_ms = now_ms;
        }
        if now_ms - since_ms > PATIENCE_MS {
            return None;
        }
        let mut causes = before.map_or(Vec::new(), |entry| entry.events.clone());
        for event in self.events {
            let concerns = match whose {
                Some(who) => event.scope.may_concern(who),
                // A reminder is no cause.
                None => event.scope != Scope::Nothing,
            };
            if causes.len() < CAUSES && concerns && !causes.contains(event) {
                causes.push(event.clone());
            }
        }
        // Each look at what hangs keeps others waiting: it is given time at once.
        let hangs = self.hang.contains(&studio);
        let pause = tries + if hangs { HUNG } else { 0 };
        let pause = PAUSES_MS[pause.min(PAUSES_MS.len() - 1)];
        Some(Entry {
            since_ms,
            again_ms: now_ms + pause,
            tries: tries + 1,
            hangs,
            events: causes,
        })
    }
}

/// Everybody, in place of many.
fn all_as_one(entries: BTreeMap<Whose, Entry>) -> BTreeMap<Whose, Entry> {
    let one = entries.into_values().reduce(|one, other| Entry {
        since_ms: one.since_ms.min(other.since_ms),
        // One more who meets the same failure is no reason to hurry.
        again_ms: one.again_ms.max(other.again_ms),
        tries: one.tries.max(other.tries),
        hangs: one.hangs || other.hangs,
        events: one
            .events
            .into_iter()
            .chain(other.events)
            .take(CAUSES)
            .collect(),
    });
    one.into_iter().map(|entry| (None, entry)).collect()
}

fn reach_of(whose: &Whose) -> Reach {
    match whose {
        None => Reach::All,
        Some(identity) => Reach::Only([identity.clone()].into()),
    }
}

/// Adds to what is looked at in a Studio.
pub fn merge(reaches: &mut BTreeMap<usize, Reach>, studio: usize, more: Reach) {
    let reach = match reaches.remove(&studio) {
        Some(reach) => reach.and(more),
        None => more,
    };
    reaches.insert(studio, reach);
}
