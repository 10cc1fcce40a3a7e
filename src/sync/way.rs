//! One Studio's way through its changes: whose turn it is, whether a change still
//! should be, and what became of each.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::{Duration, Instant};

use super::judge::Judged;
use super::memory::Made as Remembered;
use super::prepare::Prepared;
use super::{Agreed, Engine, PAUSES, Read, Task};
use crate::aws::{CallError, Kind};
use crate::config::Mode;
use crate::event::Scope;
use crate::guard::{self, Occupancy};
use crate::identity::{Identity, IdentityType};
use crate::pace::IN_FLIGHT;
use crate::plan::{Action, Change};
use crate::report::Outcome;
use crate::studio::{Made, Refusal};

/// After how long it is asked again, before a change, whether the memberships still
/// are that it rests on: another writer may have been there since. Sooner where
/// something is taken away, or given in place of something else.
const OLD: Duration = Duration::from_secs(10);
const OLD_TO_TAKE: Duration = Duration::from_secs(2);
/// A call that fails after so long keeps others waiting.
const LONG: Duration = Duration::from_secs(10);
/// So many failures in a row that may pass are the Studio's, and not theirs whose
/// changes they are: the rest of its changes is left for later.
const TROUBLE: usize = 3;

/// A change, what became of it, and why if that was not what it was for.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) change: Change,
    pub(super) outcome: Outcome,
    pub(super) refusal: Option<Refusal>,
    /// Whether it may go another time.
    pub(super) passes: bool,
    pub(super) approved: bool,
    /// Whether a deletion is held because it is one of all that there are.
    pub(super) is_all: bool,
    /// Whether a creation met a mapping that had not been there when it was read.
    pub(super) collided: bool,
}

impl Step {
    pub(super) fn new(change: &Change, outcome: Outcome) -> Step {
        Step {
            change: change.clone(),
            outcome,
            refusal: None,
            passes: false,
            approved: false,
            is_all: false,
            collided: false,
        }
    }

    /// Whether what it is about is mapped now, or may be, or will be.
    fn may_take_room(&self) -> bool {
        match self.outcome {
            Outcome::Gone | Outcome::Skipped => false,
            Outcome::Failed => self.passes || self.collided,
            _ => true,
        }
    }

    pub(super) fn refused(change: &Change, refusal: Refusal) -> Step {
        let outcome = match refusal.is_no_time() {
            true => Outcome::Remaining,
            false => Outcome::Failed,
        };
        Step {
            passes: refusal.is_transient(),
            refusal: Some(refusal),
            ..Step::new(change, outcome)
        }
    }
}

impl Agreed {
    pub(super) fn of(studio: usize, change: &Change) -> Agreed {
        Agreed {
            studio,
            action: change.action,
            identity: change.identity.clone(),
            session_policy: change.session_policy.clone(),
            previous_policy: change.previous_policy.clone(),
        }
    }
}

impl Task<'_> {
    fn agrees(&self, studio: usize, change: &Change) -> bool {
        let this = Agreed::of(studio, change);
        self.agreed
            .is_none_or(|agreed| agreed.changes.contains(&this))
    }
}

/// One Studio's way through its changes.
pub(super) struct Way<'w> {
    engine: &'w Engine,
    task: &'w Task<'w>,
    studio: usize,
    /// The reading that they rest on.
    read: &'w Read,
    approved: bool,
    is_all: bool,
    /// How many failures in a row that may pass there were.
    trouble: AtomicUsize,
    /// Whether one of them came after long.
    hangs: AtomicBool,
}

impl<'w> Way<'w> {
    pub(super) fn new(
        engine: &'w Engine,
        task: &'w Task<'w>,
        prepared: &Prepared<'w>,
        judged: &Judged,
    ) -> Way<'w> {
        Way {
            engine,
            task,
            studio: prepared.studio,
            read: prepared.read,
            approved: judged.approved,
            is_all: judged.is_all,
            trouble: AtomicUsize::new(0),
            hangs: AtomicBool::new(false),
        }
    }

    /// Whether a call failed after so long that it keeps others waiting.
    pub(super) fn has_hung(&self) -> bool {
        self.hangs.load(Relaxed)
    }

    /// Makes changes, a few at a time: so that none is begun long after it was
    /// found that the Studio does not answer, and each soon after it was looked at
    /// whether it still should be.
    pub(super) async fn make_all<'c>(
        &self,
        changes: impl Iterator<Item = &'c Change>,
    ) -> Vec<Step> {
        // Half, so that one Studio never has all the turns, where there are others.
        let most = match self.engine.studios.len() {
            1 => IN_FLIGHT,
            _ => IN_FLIGHT / 2,
        };
        // Boxed: the SDK's futures are deeper than the compiler goes.
        let changes: Vec<&Change> = changes.collect();
        let steps = changes.into_iter().enumerate();
        let steps =
            steps.map(|(place, change)| Box::pin(async move { (place, self.make(change).await) }));
        let mut steps: Vec<(usize, Step)> =
            stream::iter(steps).buffer_unordered(most).collect().await;
        steps.sort_by_key(|(place, _)| *place);
        steps.into_iter().map(|(_, step)| step).collect()
    }

    pub(super) fn leave_all<'c>(
        &self,
        changes: impl Iterator<Item = &'c Change>,
        outcome: Outcome,
        refusal: Option<Refusal>,
    ) -> Vec<Step> {
        let steps = changes.map(|change| {
            let step = Step {
                passes: refusal.as_ref().is_some_and(Refusal::is_transient),
                is_all: self.is_all && outcome == Outcome::Held,
                ..Step::new(change, outcome)
            };
            self.engine.record(self.task, self.studio, &step);
            step
        });
        steps.collect()
    }

    pub(super) async fn create_all(
        &self,
        occupancy: &Occupancy,
        gone: &[&Change],
        creations: Vec<&Change>,
    ) -> Vec<Step> {
        let studio = &self.engine.table.studios[self.studio];
        let agrees = |change: &&Change| self.task.agrees(self.studio, change);
        let (creations, others): (Vec<_>, Vec<_>) = creations.into_iter().partition(agrees);
        let mut steps = Vec::new();
        let (mut occupancy, mut waiting) = (*occupancy, creations);
        loop {
            let (fitting, mut over) = guard::fit(studio, &occupancy, gone, waiting);
            if fitting.is_empty() {
                // What nobody agreed to takes no room from what somebody did.
                let (fitting, more) = guard::fit(studio, &occupancy, gone, others);
                over.extend(more);
                steps.extend(self.leave_all(fitting.into_iter(), Outcome::Skipped, None));
                steps.extend(self.leave_all(over.into_iter(), Outcome::OverCapacity, None));
                return steps;
            }
            let made = self.make_all(fitting.into_iter()).await;
            // Who is refused leaves the room to the next.
            for step in made.iter().filter(|step| step.may_take_room()) {
                *occupancy.of_mut(step.change.identity.kind) += 1;
            }
            steps.extend(made);
            waiting = over;
        }
    }

    /// Makes one change, if the mode is to make any.
    async fn make(&self, change: &Change) -> Step {
        let (engine, task) = (self.engine, self.task);
        let step = match task.mode {
            Mode::Plan => Step::new(change, Outcome::Planned),
            Mode::Apply if !task.agrees(self.studio, change) => Step::new(change, Outcome::Skipped),
            Mode::Apply => self.make_in_turn(change).await,
        };
        let step = Step {
            approved: self.approved && change.action == Action::Delete,
            ..step
        };
        let made = match (step.outcome, step.passes) {
            (Outcome::Done, _) => Some(Remembered::Surely {
                approved: step.approved,
            }),
            (Outcome::Failed, true) => Some(Remembered::Perhaps),
            _ => None,
        };
        if let Some(made) = made {
            engine.remember_change(self.studio, change.action, &change.identity, made);
        }
        if !step.collided {
            engine.record(task, self.studio, &step);
        }
        step
    }

    async fn make_in_turn(&self, change: &Change) -> Step {
        let deadline = self.task.look.deadline;
        let turn = tokio::time::timeout_at(deadline, self.engine.turns.acquire()).await;
        let later = |text: &str| {
            let error = CallError::new(change.action.name(), Kind::NoTime, text.to_owned());
            Step::refused(change, Refusal::Other(error))
        };
        let _turn = match turn {
            Ok(Ok(turn)) => turn,
            // Somebody has said stop.
            Ok(Err(_)) => {
                return Step {
                    passes: true,
                    ..Step::new(change, Outcome::Remaining)
                };
            }
            Err(_) => {
                let error = CallError::no_time(change.action.name());
                return Step::refused(change, Refusal::Other(error));
            }
        };
        if self.trouble.load(Relaxed) >= TROUBLE {
            return later("left for later, since the Studio does not answer");
        }
        if let Some(step) = self.no_longer(change).await {
            return step;
        }
        self.engine.has_begun.store(true, Relaxed);
        let begun = Instant::now();
        let step = self.make_now(change).await;
        if step.passes && begun.elapsed() > LONG {
            self.hangs.store(true, Relaxed);
        }
        match step.outcome == Outcome::Failed && step.passes {
            true => self.trouble.fetch_add(1, Relaxed),
            false => self.trouble.swap(0, Relaxed),
        };
        step
    }

    /// What becomes of a change that rests on an old reading, if it is no longer
    /// what the table wants: it is left to a look of its own.
    async fn no_longer(&self, change: &Change) -> Option<Step> {
        let old = match change.action {
            Action::Create => OLD,
            Action::Update | Action::Delete => OLD_TO_TAKE,
        };
        if self.read.reading.began.elapsed() <= old || change.identity.kind != IdentityType::User {
            return None;
        }
        let deadline = self.task.look.deadline;
        let directory = &self.read.reading.directory;
        let still = self
            .engine
            .is_still_wanted(self.studio, change, directory, deadline);
        match still.await {
            Ok(true) => None,
            Ok(false) => Some(Step {
                passes: true,
                ..Step::new(change, Outcome::Skipped)
            }),
            Err(error) => Some(Step::refused(change, Refusal::Other(error))),
        }
    }

    async fn make_now(&self, change: &Change) -> Step {
        let deadline = self.task.look.deadline;
        let studio = &self.engine.studios[self.studio];
        let mut made = studio.make(change, deadline).await;
        let mut pauses = PAUSES.into_iter();
        loop {
            let refusal = match made {
                Ok(Made::Done) => return Step::new(change, Outcome::Done),
                Ok(Made::Collided) => {
                    return Step {
                        collided: true,
                        ..Step::new(change, Outcome::Failed)
                    };
                }
                Err(refusal @ Refusal::InvalidIdentity(_)) => refusal,
                Err(refusal) => return Step::refused(change, refusal),
            };
            match self.engine.is_there(&change.identity, deadline).await {
                Ok(true) => {}
                Ok(false) => return self.is_gone(change, refusal),
                Err(error) => return Step::refused(change, Refusal::Other(error)),
            }
            if change.action == Action::Delete || !self.is_fresh(&change.identity) {
                return Step::refused(change, refusal);
            }
            // EMR lags behind the directory, as the directory behind its events.
            let pause = pauses.next();
            let Some(pause) = pause.filter(|pause| Instant::now() + *pause < deadline) else {
                return Step {
                    passes: true,
                    ..Step::refused(change, refusal)
                };
            };
            tokio::time::sleep(pause).await;
            made = studio.make(change, deadline).await;
        }
    }

    /// EMR does not know the identity, and neither does the directory.
    fn is_gone(&self, change: &Change, refusal: Refusal) -> Step {
        let outcome = match change.action {
            Action::Delete => {
                self.engine.remember_orphan(self.studio, &change.identity);
                Outcome::Orphan
            }
            Action::Create | Action::Update => Outcome::Gone,
        };
        Step {
            outcome,
            passes: false,
            ..Step::refused(change, refusal)
        }
    }

    fn is_fresh(&self, identity: &Identity) -> bool {
        let now_ms = self.engine.now_ms();
        self.task.look.events.iter().any(|event| {
            let young = event
                .time_ms
                .is_some_and(|at| now_ms - at < super::FRESH_MS);
            // The schedule, and what names nobody, is fresh news of nobody.
            let names = event.scope != Scope::Everything;
            young && names && event.scope.may_concern(identity)
        })
    }
}
