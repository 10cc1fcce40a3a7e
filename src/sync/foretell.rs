//! What becomes of a mapping that somebody changes by hand: whether the table
//! protects it, and what the next full pass makes of it. Reads, and never writes.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::observe::Observation;
use super::{Engine, Look, RuleExplanation};
use crate::identity::Identity;
use crate::plan::{Action, Mapping};
use crate::policy::fit::Reach;

/// The mapping that an identity is supposed to have: none, if it is supposed to be
/// deleted.
pub type Supposed = Option<Mapping>;

/// What becomes of a mapping that is changed by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Foretold {
    /// Why it should not be changed.
    pub shield: Option<Shield>,
    /// What the next full pass does to it then; none, if it leaves it so.
    pub change: Option<Action>,
    /// The mapping that the table says there should be.
    pub wanted: Option<RuleExplanation>,
    /// How things stand then, in words that follow a name.
    pub verdict: String,
    /// What could not be read, in words.
    pub problems: Vec<String>,
}

/// Why a mapping should not be changed by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shield {
    /// An entry of `protect` means it, by its place in the table.
    Entry(usize),
    /// Whether one does is not known, for this reason.
    Unread(String),
}

impl Engine {
    /// What becomes of an identity's mapping in a Studio, once it is as supposed.
    /// `has` is the mapping it has now.
    pub async fn foretell(
        &self,
        studio: usize,
        identity: &Identity,
        has: Option<&Mapping>,
        supposed: &Supposed,
        deadline: Instant,
    ) -> Foretold {
        let who = BTreeSet::from([identity.clone()]);
        let look = Look::at(who, Some(studio), deadline);
        let mut seen = self.observe(&look, true).await;
        let shield = self.shield(identity, has, &seen, deadline).await;
        self.suppose(studio, identity, supposed, &mut seen);
        let mut problems = self.not_read(&seen);
        let is_gone = matches!(self.is_there(identity, deadline).await, Ok(false));
        let one = self.explain_in(studio, identity, is_gone, &seen);
        let hindered = self.hindered(studio, identity, &one, Some(supposed), deadline);
        let (hindered, more) = hindered.await;
        problems.extend(more);
        Foretold {
            shield,
            change: one.change.filter(|_| hindered.is_none()),
            wanted: one.wanted,
            verdict: hindered.unwrap_or(one.verdict),
            problems,
        }
    }

    async fn shield(
        &self,
        identity: &Identity,
        has: Option<&Mapping>,
        seen: &Observation,
        deadline: Instant,
    ) -> Option<Shield> {
        let directory = &seen.reading.directory;
        let name = has.and_then(|mapping| mapping.name.as_deref());
        if let Some(entry) = self.table.protected_by(identity, name, directory) {
            return Some(Shield::Entry(entry));
        }
        let reach = Reach::Only(BTreeSet::from([identity.clone()]));
        let doubts = self.table.doubts_of_protect(directory, &reach);
        if doubts.is_empty() {
            return None;
        }
        let is_gone = matches!(self.is_there(identity, deadline).await, Ok(false));
        let mut doubts = doubts.iter();
        let doubt = doubts.find(|doubt| doubt.concerns(identity, is_gone))?;
        let failures = seen.reading.failures.iter();
        let failures: BTreeSet<String> =
            failures.map(|failure| failure.error.to_string()).collect();
        let why = failures.iter().filter(|_| doubt.is_unread());
        let why: String = why.map(|why| format!("; {why}")).collect();
        Some(Shield::Unread(format!("{doubt}{why}")))
    }

    /// Puts what is supposed in the place of what was seen.
    pub(super) fn suppose(
        &self,
        studio: usize,
        identity: &Identity,
        supposed: &Supposed,
        seen: &mut Observation,
    ) {
        let Some(looked) = seen.studios.get_mut(&studio) else {
            return;
        };
        let Some(actual) = &mut looked.actual else {
            return;
        };
        let before = self.count(studio, &actual.mappings);
        match supposed {
            Some(mapping) => drop(actual.mappings.insert(identity.clone(), mapping.clone())),
            None => drop(actual.mappings.remove(identity)),
        }
        let after = self.count(studio, &actual.mappings);
        // It counts more than was looked at.
        if let Some(occupancy) = &mut looked.occupancy {
            occupancy.users = occupancy.users + after.users - before.users;
            occupancy.groups = occupancy.groups + after.groups - before.groups;
            occupancy.owned = occupancy.owned + after.owned - before.owned;
        }
    }
}
