//! What is still to be looked at: who, or everybody, in which Studio, and when
//! again. Pure; the time is a parameter.
//!
//! Nothing waits behind a failure. What could not be done for a reason that
//! passes is written down here, its message is acknowledged, and it is looked at
//! again by later invocations, after pauses that grow. A process that dies loses
//! it; the next full pass finds it again.

use std::collections::BTreeMap;

use crate::event::Event;
use crate::identity::Identity;
use crate::policy::fit::Reach;

/// The pauses before it is looked at again, in milliseconds: the next invocation
/// may be at once. The longest, with the minute's event and a pass behind it, is
/// less than five minutes: so long may it take after a failure has ended.
const PAUSES_MS: [i64; 6] = [0, 15_000, 30_000, 60_000, 120_000, 180_000];
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

    /// Writes down what came of a pass: whom it looked at, whom of them it leaves
    /// unfinished, and what had led to it.
    pub fn settle(
        &mut self,
        looked_at: &BTreeMap<usize, Reach>,
        left: &BTreeMap<usize, Reach>,
        events: &[Event],
        now_ms: i64,
    ) {
        for (studio, reach) in looked_at {
            let entries = self.studios.remove(studio).unwrap_or_default();
            let left: Vec<Whose> = match left.get(studio) {
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
                if let Some(entry) = again(before, &whose, events, now_ms) {
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

/// The entry of what was tried once more, and in vain; none when it has been so
/// for too long.
fn again(before: Option<&Entry>, whose: &Whose, events: &[Event], now_ms: i64) -> Option<Entry> {
    let (since_ms, tries) = before.map_or((now_ms, 0), |entry| (entry.since_ms, entry.tries));
    if now_ms - since_ms > PATIENCE_MS {
        return None;
    }
    let mut causes = before.map_or(Vec::new(), |entry| entry.events.clone());
    for event in events {
        let concerns = whose
            .as_ref()
            .is_none_or(|who| event.scope.may_concern(who));
        if causes.len() < CAUSES && concerns && !causes.contains(event) {
            causes.push(event.clone());
        }
    }
    let pause = PAUSES_MS[tries.min(PAUSES_MS.len() - 1)];
    Some(Entry {
        since_ms,
        again_ms: now_ms + pause,
        tries: tries + 1,
        events: causes,
    })
}

/// Everybody, in place of many.
fn all_as_one(entries: BTreeMap<Whose, Entry>) -> BTreeMap<Whose, Entry> {
    let one = entries.into_values().reduce(|one, other| Entry {
        since_ms: one.since_ms.min(other.since_ms),
        // One more who meets the same failure is no reason to hurry.
        again_ms: one.again_ms.max(other.again_ms),
        tries: one.tries.max(other.tries),
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
