//! What of a plan must wait: a flood of deletions for a person, and what a
//! Studio has no room for. Pure; the time is a parameter.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::identity::{Identity, IdentityType};
use crate::plan::Change;
use crate::policy::{Deletions, Studio};

/// The deletions of late, by Studio id: those of this process, and those that
/// the function's own log tells of. Deletions that a person approved are not among
/// them: they say nothing of whether the next ones are meant.
#[derive(Clone, Debug, Default)]
pub struct Window {
    deletions: BTreeMap<String, Vec<Deletion>>,
    /// What was held because it was all, and has not gone since, by Studio id.
    held: BTreeMap<String, BTreeSet<Identity>>,
}

/// A deletion, and when it was made.
#[derive(Clone, Debug)]
struct Deletion {
    identity: Identity,
    at_ms: i64,
    /// Its answer was lost: it may not have been made, and be tried again.
    perhaps: bool,
}

impl Window {
    /// Remembers what is held in a Studio because it is all, in place of what was
    /// before.
    pub fn hold<'a>(&mut self, studio_id: &str, held: impl IntoIterator<Item = &'a Identity>) {
        let held: BTreeSet<Identity> = held.into_iter().cloned().collect();
        self.held.insert(studio_id.to_owned(), held);
        self.held.retain(|_, held| !held.is_empty());
    }

    /// Remembers one more that is held.
    pub fn hold_too(&mut self, studio_id: &str, identity: Identity) {
        let held = self.held.entry(studio_id.to_owned()).or_default();
        held.insert(identity);
    }

    /// It has gone, and is held no more.
    pub fn release(&mut self, studio_id: &str, identity: &Identity) {
        if let Some(held) = self.held.get_mut(studio_id) {
            held.remove(identity);
        }
        self.held.retain(|_, held| !held.is_empty());
    }

    /// Whether all that was held in a Studio is planned again: then it is still the
    /// same flood, and waits, however many mappings have come meanwhile.
    fn holds(&self, studio_id: &str, planned: &[&Change]) -> bool {
        let planned: BTreeSet<&Identity> = planned.iter().map(|change| &change.identity).collect();
        self.held
            .get(studio_id)
            .is_some_and(|held| held.iter().all(|identity| planned.contains(identity)))
    }

    /// Forgets what is out of the window: whatever was made until then.
    pub fn forget_until(&mut self, since_ms: i64) {
        for deletions in self.deletions.values_mut() {
            deletions.retain(|deletion| deletion.at_ms > since_ms);
        }
        self.deletions.retain(|_, deletions| !deletions.is_empty());
    }

    /// How many deletions it remembers.
    pub fn len(&self) -> usize {
        self.deletions.values().map(Vec::len).sum()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.deletions.is_empty()
    }

    /// Remembers a deletion that was made, at a time in milliseconds.
    pub fn record(&mut self, studio_id: &str, identity: Identity, now_ms: i64) {
        self.put(studio_id, identity, now_ms, false);
    }

    /// Remembers a deletion that the log tells of; but for one that is remembered
    /// already, and was this process's own.
    pub fn recall(&mut self, studio_id: &str, identity: Identity, at_ms: i64) {
        const SAME_MS: i64 = 60_000;
        let known = self.deletions.get(studio_id).into_iter().flatten();
        let mut same = known.filter(|known| known.identity == identity);
        if !same.any(|known| (known.at_ms - at_ms).abs() < SAME_MS) {
            self.record(studio_id, identity, at_ms);
        }
    }

    /// Remembers a deletion that was perhaps made. However often it is tried, it
    /// counts once.
    pub fn record_perhaps(&mut self, studio_id: &str, identity: Identity, now_ms: i64) {
        self.put(studio_id, identity, now_ms, true);
    }

    /// An identity was mapped again: then its mapping had been deleted for sure.
    pub fn confirm(&mut self, studio_id: &str, identity: &Identity) {
        let deletions = self.deletions.get_mut(studio_id).into_iter().flatten();
        deletions
            .filter(|deletion| deletion.identity == *identity)
            .for_each(|deletion| deletion.perhaps = false);
    }

    fn put(&mut self, studio_id: &str, identity: Identity, at_ms: i64, perhaps: bool) {
        let deletions = self.deletions.entry(studio_id.to_owned()).or_default();
        deletions.retain(|deletion| !(deletion.perhaps && deletion.identity == identity));
        deletions.push(Deletion {
            identity,
            at_ms,
            perhaps,
        });
    }

    /// Those that still count, but for attempts at what is planned again.
    fn others(&self, studio_id: &str, planned: &[&Change], since_ms: i64) -> usize {
        let planned: BTreeSet<&Identity> = planned.iter().map(|change| &change.identity).collect();
        let recorded = self.deletions.get(studio_id).into_iter().flatten();
        recorded
            .filter(|deletion| deletion.at_ms > since_ms)
            .filter(|deletion| !(deletion.perhaps && planned.contains(&deletion.identity)))
            .count()
    }
}

/// What the guard says to the deletions planned for one Studio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They may go.
    Pass,
    /// They wait for a person, or until the window has moved on.
    Hold,
    /// They wait for a person: they would take all that the table has there, or all
    /// that it had when that was held.
    HoldAll,
    /// It depends on how many mappings the table owns there.
    Count,
}

/// So many mappings are enough for it to be strange that all of them should go.
const A_FEW: usize = 3;

/// When the window begins that ends now, in milliseconds.
pub fn window_begins(deletions: &Deletions, now_ms: i64) -> i64 {
    now_ms - i64::from(deletions.window_minutes) * 60_000
}

/// Judges the deletions planned for one Studio: with those of the window, at
/// most `max(floor, max_percent × owned)` may go; else none of this plan does. Nor
/// does a plan that would take every one of three or more, unless all may go; and
/// that waits as long as all of it is planned, however many have come meanwhile.
///
/// `owned` is the number of the table's mappings in the Studio, if known. It is
/// asked for only where the floor alone does not let them pass.
pub fn judge(
    deletions: &Deletions,
    window: &Window,
    studio_id: &str,
    planned: &[&Change],
    owned: Option<usize>,
    now_ms: i64,
) -> Verdict {
    if planned.is_empty() {
        return Verdict::Pass;
    }
    if window.holds(studio_id, planned) && deletions.max_percent < 100 {
        return Verdict::HoldAll;
    }
    let since = window_begins(deletions, now_ms);
    let all = planned.len() + window.others(studio_id, planned, since);
    let few = all <= deletions.floor as usize;
    let may_empty = planned.len() < A_FEW || deletions.max_percent == 100;
    match owned {
        _ if few && may_empty => Verdict::Pass,
        None => Verdict::Count,
        Some(owned) if planned.len() >= owned && !may_empty => Verdict::HoldAll,
        Some(owned) if few || all * 100 <= owned * deletions.max_percent as usize => Verdict::Pass,
        Some(_) => Verdict::Hold,
    }
}

/// The id of a set of deletions: the same for the same set, whatever its order,
/// and for no other. None for no deletion.
pub fn plan_id<'a>(held: impl IntoIterator<Item = (&'a Studio, &'a Change)>) -> Option<String> {
    let rows: BTreeSet<String> = held
        .into_iter()
        .map(|(studio, change)| {
            let Identity { kind, id } = &change.identity;
            format!(
                "{} {kind} {}\n",
                studio.id,
                id.as_str().to_ascii_lowercase()
            )
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let mut hash = Sha256::new();
    rows.iter().for_each(|row| hash.update(row));
    Some(
        hash.finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    )
}

/// How many identities of each kind a Studio has mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Users.
    pub users: usize,
    /// Groups.
    pub groups: usize,
    /// Those of both that are the table's.
    pub owned: usize,
}

impl Occupancy {
    /// How many of one kind.
    pub fn of(&self, kind: IdentityType) -> usize {
        match kind {
            IdentityType::User => self.users,
            IdentityType::Group => self.groups,
        }
    }

    /// The count of one kind, to be changed.
    pub fn of_mut(&mut self, kind: IdentityType) -> &mut usize {
        match kind {
            IdentityType::User => &mut self.users,
            IdentityType::Group => &mut self.groups,
        }
    }
}

/// Splits creations into those the Studio has room for and those it has not.
/// `creations` are in the order of their rules, then of their ids: so who comes
/// first in the table comes first here. `leaving` are the deletions made before.
pub fn fit<'a>(
    studio: &Studio,
    occupancy: &Occupancy,
    leaving: &[&Change],
    creations: impl IntoIterator<Item = &'a Change>,
) -> (Vec<&'a Change>, Vec<&'a Change>) {
    let room = |kind| {
        let leaving = leaving
            .iter()
            .filter(|change| change.identity.kind == kind)
            .count();
        studio
            .limit(kind)
            .saturating_sub(occupancy.of(kind).saturating_sub(leaving))
    };
    let (mut users, mut groups) = (room(IdentityType::User), room(IdentityType::Group));
    creations.into_iter().partition(|change| {
        let room = match change.identity.kind {
            IdentityType::User => &mut users,
            IdentityType::Group => &mut groups,
        };
        let fits = *room > 0;
        *room = room.saturating_sub(1);
        fits
    })
}
