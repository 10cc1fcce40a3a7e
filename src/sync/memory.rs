//! What a process remembers from pass to pass. It saves calls, and decides nothing;
//! but for the deletion guard's window, which can only hold back.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::PoisonError;

use super::{Engine, Look};
use crate::aws::CallError;
use crate::event::{Claim, Scope};
use crate::guard::{self, Occupancy, Window};
use crate::identity::{Id, Identity, IdentityType};
use crate::plan::Action;
use crate::policy::Selector;
use crate::policy::fit::Reach;
use crate::record::{Deletion, Fate};

/// How long it is remembered whom a Studio has mapped, in milliseconds.
const LISTED_MS: i64 = 5 * 60_000;
/// How long it takes until a deletion is tried again that was refused because the
/// identity is gone: nearly a day, so that one pass a day does.
const ORPHAN_MS: i64 = 23 * 3_600_000;

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) window: Window,
    listed: HashMap<usize, Remembered>,
    /// Mappings that could not be deleted because their identities are gone, and
    /// when that was last tried.
    orphans: HashMap<(usize, Identity), i64>,
    warned: HashSet<usize>,
}

/// What came of asking the function's own log which deletions were made before
/// this process.
#[derive(Debug, Default)]
pub(super) enum Recalled {
    /// It was not asked yet.
    #[default]
    NotYet,
    /// They are in the window.
    Known,
    /// It could not be read, when that was last tried, in milliseconds.
    Unknown { why: CallError, at_ms: i64 },
}

/// After how long the log is asked again that could not be read, in milliseconds.
const ASKED_MS: i64 = 5 * 60_000;

impl Engine {
    /// Asks the function's own log, once a process, which deletions were made
    /// before it: the guard goes by those too. Why that failed, if it did.
    pub(super) async fn recall(&self, look: &Look<'_>) -> Option<CallError> {
        let log = self.log.as_ref()?;
        let mut recalled = self.recalled.lock().await;
        let now_ms = self.now_ms();
        match &*recalled {
            Recalled::Known => return None,
            Recalled::Unknown { why, at_ms } if now_ms - at_ms < ASKED_MS => {
                return Some(why.clone());
            }
            Recalled::Unknown { .. } | Recalled::NotYet => {}
        }
        let begins = guard::window_begins(&self.table.deletions, now_ms);
        // Orphans are tried once a day, and whatever is older than the window does
        // not count.
        let since_ms = begins.min(now_ms - ORPHAN_MS);
        match log.deletions(since_ms, look.deadline).await {
            Ok(mut deletions) => {
                deletions.sort_by_key(|(_, at_ms)| *at_ms);
                self.with_memory(|memory| {
                    for (deletion, at_ms) in deletions {
                        let Deletion {
                            studio_id,
                            identity,
                            fate,
                        } = deletion;
                        let window = &mut memory.window;
                        match fate {
                            Fate::Orphan => {
                                let studios = self.table.studios.iter();
                                let mut studios = studios.map(|studio| &studio.id);
                                if let Some(studio) = studios.position(|id| *id == studio_id) {
                                    memory.orphans.insert((studio, identity), at_ms);
                                }
                            }
                            Fate::Held | Fate::Approved | Fate::Made if at_ms <= begins => {}
                            Fate::Held => window.hold_too(&studio_id, identity),
                            Fate::Approved => window.release(&studio_id, &identity),
                            Fate::Made => {
                                window.release(&studio_id, &identity);
                                window.recall(&studio_id, identity, at_ms);
                            }
                        }
                    }
                });
                *recalled = Recalled::Known;
                None
            }
            Err(why) => {
                *recalled = Recalled::Unknown {
                    why: why.clone(),
                    at_ms: now_ms,
                };
                Some(why)
            }
        }
    }
}

/// What a Studio's complete list had.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    /// When it was begun to be read, in milliseconds.
    pub(crate) began_ms: i64,
    pub(crate) mapped: BTreeSet<Identity>,
    pub(crate) occupancy: Occupancy,
}

impl Engine {
    /// Forgets what the look makes doubtful; returns the selectors that stood
    /// for its groups until then.
    pub(super) fn prepare_memory(&self, look: &Look<'_>) -> BTreeSet<Selector> {
        let groups: Vec<&Id> = look
            .scope
            .identities()
            .filter(|identity| identity.kind == IdentityType::Group)
            .map(|identity| &identity.id)
            .collect();
        let formerly = groups
            .iter()
            .flat_map(|group| self.store.formerly_selecting(&self.table, group))
            .collect();
        // An event about a user, other than a membership, may be about its name.
        let renamed = look.events.iter().any(|event| {
            event.scope.name() == "user" && !matches!(event.claim, Some(Claim::Member { .. }))
        });
        let whole =
            look.scope == Scope::Everything || look.more.values().any(|reach| *reach == Reach::All);
        if whole || !groups.is_empty() {
            self.store.forget();
        } else if renamed {
            self.store.forget_users();
        }
        formerly
    }

    /// What a Studio had mapped, if that was read not long ago.
    pub(super) fn remembered(&self, studio: usize) -> Option<Remembered> {
        let now_ms = self.now_ms();
        self.with_memory(|memory| {
            let listed = memory.listed.get(&studio)?;
            let is_young = (0..LISTED_MS).contains(&(now_ms - listed.began_ms));
            is_young.then(|| listed.clone())
        })
    }

    pub(super) fn remember(&self, studio: usize, listed: Remembered) {
        self.with_memory(|memory| memory.listed.insert(studio, listed));
    }

    /// Keeps in step with a change that was made, or may have been.
    pub(super) fn remember_change(
        &self,
        studio: usize,
        action: Action,
        identity: &Identity,
        made: Made,
    ) {
        let now_ms = self.now_ms();
        let begins = guard::window_begins(&self.table.deletions, now_ms);
        let studio_id = &self.table.studios[studio].id;
        self.with_memory(|memory| {
            let listed = memory.listed.get_mut(&studio);
            match (action, made) {
                (Action::Update, _) => {}
                // Where its answer was lost, it may be there: the next look has to ask,
                // and its room is taken.
                (Action::Create, made) => {
                    if let Some(listed) = listed
                        && listed.mapped.insert(identity.clone())
                    {
                        *listed.occupancy.of_mut(identity.kind) += 1;
                        listed.occupancy.owned += 1;
                    }
                    if made != Made::Perhaps {
                        memory.window.confirm(studio_id, identity);
                    }
                }
                (Action::Delete, Made::Surely { approved }) => {
                    if let Some(listed) = listed
                        && listed.mapped.remove(identity)
                    {
                        let count = listed.occupancy.of_mut(identity.kind);
                        *count = count.saturating_sub(1);
                        listed.occupancy.owned = listed.occupancy.owned.saturating_sub(1);
                    }
                    memory.orphans.remove(&(studio, identity.clone()));
                    memory.window.release(studio_id, identity);
                    if !approved {
                        memory.window.record(studio_id, identity.clone(), now_ms);
                    }
                }
                // Its answer may be all that was lost.
                (Action::Delete, Made::Perhaps) => {
                    memory
                        .window
                        .record_perhaps(studio_id, identity.clone(), now_ms);
                }
            }
            memory.window.forget_until(begins);
        });
    }

    /// Whether a mapping was found to be one that cannot be deleted; and if so,
    /// whether it is time to try again.
    pub(super) fn orphan(&self, studio: usize, identity: &Identity) -> Option<Orphan> {
        let now_ms = self.now_ms();
        self.with_memory(|memory| {
            let tried = memory.orphans.get(&(studio, identity.clone()))?;
            Some(match (0..ORPHAN_MS).contains(&(now_ms - tried)) {
                true => Orphan::TooSoon,
                false => Orphan::Due,
            })
        })
    }

    pub(super) fn remember_orphan(&self, studio: usize, identity: &Identity) {
        let now_ms = self.now_ms();
        self.with_memory(|memory| memory.orphans.insert((studio, identity.clone()), now_ms));
    }

    pub(super) fn warn_once(&self, studio: usize, why: &str) {
        if self.with_memory(|memory| memory.warned.insert(studio)) {
            tracing::warn!(
                studio_id = %self.table.studios[studio].id,
                reason = why,
                "the Studio's AuthMode is not known; going on as if it were SSO"
            );
        }
    }

    pub(super) fn with_memory<T>(&self, f: impl FnOnce(&mut Memory) -> T) -> T {
        f(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A mapping that cannot be deleted, since EMR does not know the identity any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orphan {
    /// It was tried not long ago.
    TooSoon,
    /// It may be tried again.
    Due,
}

/// Whether a change was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// It was.
    Surely {
        /// Because a person approved it.
        approved: bool,
    },
    /// Its answer was lost.
    Perhaps,
}
