//! One pass: observe, plan, guard, apply, for a scope. An event, the schedule
//! and a person's request are the same pass with another scope.
//!
//! The Studios of a pass go their ways side by side: one that is slow, or does not
//! answer, delays only itself. What they share is the reading of the directory
//! (`readings`), and the memory of the process (`memory`).

mod access;
mod explain;
mod foretell;
mod judge;
mod make;
mod memory;
mod observe;
mod prepare;
mod readings;
mod review;
mod tell;
mod way;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::SdkConfig;
use chrono::Utc;
use futures_util::future::join_all;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::Instant;

pub use access::{Access, Forecast, Survey};
pub use explain::{Explanation, RuleExplanation, StudioExplanation};
pub use foretell::{Foretold, Shield, Supposed};
pub use judge::Fates;
pub use review::Review;

use crate::aws::{CallError, Tally};
use crate::config::{Config, Mode};
use crate::directory::IdentityStore;
use crate::event::{Event, Scope};
use crate::identity::{Identity, IdentityType};
use crate::log::Log;
use crate::pace::IN_FLIGHT;
use crate::plan::{Action, StudioPlan};
use crate::policy::Table;
use crate::policy::fit::Reach;
use crate::report::{Pass, Report};
use crate::studio::Studio;
use crate::unfinished::merge;
use memory::{Memory, Recalled, Remembered};
use observe::Seen;
use readings::{Read, Readings};
use way::Step;

/// How long an event is fresh enough that the directory may lag behind it.
const FRESH_MS: i64 = 120_000;
/// How long after the first reading of a directory that seems to lag another may be
/// begun.
const LAG: Duration = Duration::from_secs(3);
/// The pauses before it is read again: about three seconds, with the reading
/// itself.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1300),
];

/// The engine: both services, the table, and what is remembered between passes.
#[derive(Debug)]
pub struct Engine {
    table: Table,
    mode: Mode,
    log_names: bool,
    store: IdentityStore,
    studios: Vec<Studio>,
    log: Option<Log>,
    /// What came of asking the log for the deletions before this process.
    recalled: AsyncMutex<Recalled>,
    tally: Arc<Tally>,
    memory: Mutex<Memory>,
    /// Changes that are being made at once, or wait for their turn.
    turns: Semaphore,
    /// Whether any change was begun.
    has_begun: AtomicBool,
    now_ms: fn() -> i64,
}

/// Where to look. A question is no more than this: it can write nothing.
#[derive(Clone, Debug)]
pub struct Look<'a> {
    /// Whom to look at, in every Studio.
    pub scope: Scope,
    /// Whom to look at besides, in one Studio or another.
    pub more: BTreeMap<usize, Reach>,
    /// The Studios not to be asked now, but for what is to be looked at besides.
    pub resting: BTreeSet<usize>,
    /// The one Studio to look at, if not all.
    pub studio: Option<usize>,
    /// The events that led to it.
    pub events: &'a [Event],
    /// When the last call may be begun.
    pub deadline: Instant,
}

/// What a pass is asked to do.
#[derive(Debug)]
pub struct Task<'a> {
    /// Where to look.
    pub look: Look<'a>,
    /// The id of held deletions that may now go.
    pub approve: Option<&'a str>,
    /// What somebody has agreed to, if somebody was asked: no other change is made; and
    /// none at all, if the id is not that of what is held.
    pub agreed: Option<Agreement<'a>>,
    /// Whether anything is written.
    pub mode: Mode,
}

/// What somebody has agreed to.
#[derive(Clone, Copy, Debug)]
pub struct Agreement<'a> {
    /// The changes that were shown.
    pub changes: &'a BTreeSet<Agreed>,
    /// Whether they are made only if they are just what is to be done. If not, none
    /// is, and the pass is one of the mode `plan`.
    pub all_or_none: bool,
}

/// A change that was shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Agreed {
    /// Index into [`Table::studios`].
    pub studio: usize,
    /// What is done.
    pub action: Action,
    /// To whose mapping.
    pub identity: Identity,
    /// The session policy it leads to.
    pub session_policy: Option<String>,
    /// The session policy it replaces or takes away.
    pub previous_policy: Option<String>,
}

/// How a pass went in one Studio.
struct Course {
    studio: usize,
    /// Whom it was to look at.
    asked: Reach,
    seen: Seen,
    /// None where the Studio can have no mappings.
    plan: Option<StudioPlan>,
    steps: Vec<Step>,
    problems: Vec<String>,
    /// Failures beside those of the reading and of the steps.
    refusals: Vec<CallError>,
}

impl<'a> Look<'a> {
    /// A look at everything, in all Studios or in one.
    pub fn everything(studio: Option<usize>, deadline: Instant) -> Look<'a> {
        Look {
            scope: Scope::Everything,
            more: BTreeMap::new(),
            resting: BTreeSet::new(),
            studio,
            events: &[],
            deadline,
        }
    }

    /// A look at these identities, in all Studios or in one.
    pub fn at(
        identities: BTreeSet<Identity>,
        studio: Option<usize>,
        deadline: Instant,
    ) -> Look<'a> {
        Look {
            scope: Scope::Identities(identities),
            ..Look::everything(studio, deadline)
        }
    }

    /// All that is looked at, as a scope.
    pub fn whole(&self) -> Scope {
        let more = self.more.values().map(|reach| match reach {
            Reach::All => Scope::Everything,
            Reach::Only(identities) => Scope::Identities(identities.clone()),
        });
        more.fold(self.scope.clone(), Scope::and)
    }

    fn is_about(&self, studio: usize) -> bool {
        self.studio.is_none_or(|only| only == studio)
            && (self.more.contains_key(&studio)
                || (self.scope != Scope::Nothing && !self.resting.contains(&studio)))
    }

    fn names_groups(&self) -> bool {
        let mut named = self.scope.identities();
        named.any(|identity| identity.kind == IdentityType::Group)
    }

    /// Whom it is about in a Studio, if that can be said before the directory is
    /// read: where groups are named it cannot.
    fn reach(&self, studio: usize) -> Option<Reach> {
        let mut reach = match &self.scope {
            Scope::Nothing => BTreeMap::new(),
            Scope::Everything => BTreeMap::from([(studio, Reach::All)]),
            Scope::Identities(_) if self.names_groups() => return None,
            Scope::Identities(identities) => {
                BTreeMap::from([(studio, Reach::Only(identities.clone()))])
            }
        };
        if let Some(more) = self.more.get(&studio) {
            merge(&mut reach, studio, more.clone());
        }
        reach.remove(&studio)
    }
}

impl Engine {
    /// An engine for a configuration, over the services that `sdk` leads to.
    pub async fn new(config: &Config, sdk: &SdkConfig) -> Engine {
        let flight = Arc::new(Semaphore::new(IN_FLIGHT));
        let tally = Arc::new(Tally::default());
        let table = config.table.clone();
        let log = config.log_group.as_deref();
        Engine {
            store: IdentityStore::new(config, sdk, &flight, &tally),
            studios: Studio::of_table(&table, sdk, &flight, &tally).await,
            log: log.map(|group| Log::new(group, sdk, &flight, &tally)),
            recalled: AsyncMutex::default(),
            table,
            mode: config.mode,
            log_names: config.log_names,
            tally,
            memory: Mutex::default(),
            turns: Semaphore::new(IN_FLIGHT),
            has_begun: AtomicBool::new(false),
            now_ms: || Utc::now().timestamp_millis(),
        }
    }

    /// The same, by another clock: one that tells the time in milliseconds since
    /// 1970.
    #[must_use]
    pub fn by_clock(self, now_ms: fn() -> i64) -> Engine {
        Engine { now_ms, ..self }
    }

    /// The mode it was configured with.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The id of the identity store it reads.
    pub fn store_id(&self) -> &str {
        self.store.id()
    }

    /// The table it works by.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The identity store it reads.
    pub fn store(&self) -> &IdentityStore {
        &self.store
    }

    /// A Studio, by its place in the table.
    pub fn studio(&self, index: usize) -> &Studio {
        &self.studios[index]
    }

    /// The time, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        (self.now_ms)()
    }

    /// Begins no change any more, and finishes those that are being made: what was
    /// not begun remains. Returns whether any was.
    pub fn stop(&self) -> bool {
        self.turns.close();
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Requests sent until now, since the tally was last taken.
    pub fn requests(&self) -> u64 {
        self.tally.requests()
    }

    /// What counts the requests, for those who send some beside it.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Requests sent, and how many were throttled, since last asked.
    pub fn take_tally(&self) -> (u64, u64) {
        self.tally.take()
    }

    /// Makes one pass.
    pub async fn pass(&self, task: &Task<'_>) -> Pass {
        let look = &task.look;
        let mut pass = Pass {
            report: Report {
                mode: task.mode.name(),
                scope: look.whole().name(),
                ..Report::default()
            },
            began_ms: self.now_ms(),
            ..Pass::default()
        };
        let studios = self.studios_of(look);
        if studios.is_empty() {
            return pass;
        }
        let readings = Readings::new(self, look, false);
        let prepared = studios
            .iter()
            .map(|studio| self.prepare(task, *studio, &readings));
        let all_or_none = task.agreed.filter(|agreed| agreed.all_or_none);
        let mut only_told = false;
        let courses: Vec<Vec<Course>> = match (task.approve, all_or_none) {
            (None, None) => {
                let ways = prepared.map(async |prepared| {
                    let mut prepared = prepared.await;
                    self.go(task, &mut prepared).await
                });
                join_all(ways).await
            }
            // What was approved, or reviewed, is a set over all Studios.
            (approved, reviewed) => {
                let mut prepared = join_all(prepared).await;
                if let Some(approved) = approved {
                    self.approve(approved, &mut prepared, &mut pass);
                }
                let is_wrong = pass.report.wrong_approval().is_some();
                let other = match reviewed {
                    // Somebody agreed to the whole, the deletions among it.
                    _ if is_wrong && task.agreed.is_some() => {
                        Some(self.rehearsed(task, &prepared).await)
                    }
                    None => None,
                    Some(reviewed) => self.otherwise(task, reviewed, &prepared).await,
                };
                only_told = other.is_some();
                match other {
                    Some(courses) => vec![courses],
                    None => {
                        let ways = prepared.iter_mut().map(|prepared| self.go(task, prepared));
                        join_all(ways).await
                    }
                }
            }
        };
        let told = Task {
            look: task.look.clone(),
            mode: match only_told {
                true => Mode::Plan,
                false => task.mode,
            },
            ..*task
        };
        pass.report.mode = told.mode.name();
        let read = readings.into_last().await;
        self.tell(
            &told,
            &read,
            courses.into_iter().flatten().collect(),
            &mut pass,
        );
        pass
    }
}
