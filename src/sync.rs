//! One pass: observe, plan, guard, apply, for a scope. An event, the schedule
//! and a person's request are the same pass with another scope.

mod access;
mod explain;
mod make;
mod observe;
mod review;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use chrono::Utc;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use access::{Access, Survey};
pub use explain::{Explanation, RuleExplanation, StudioExplanation};
pub use review::Review;

use crate::aws::{Kind, Tally};
use crate::config::{Config, Mode};
use crate::directory::IdentityStore;
use crate::event::{Claim, Event, Scope};
use crate::guard::{Occupancy, Window};
use crate::identity::{Id, Identity, IdentityType};
use crate::pace::IN_FLIGHT;
use crate::plan::{self, Action, Change, LeftAlone, StudioPlan};
use crate::policy::fit::{Answer, Doubt};
use crate::policy::{OnMissingGroup, Selector, Table};
use crate::report::Report;
use crate::studio::Studio;
use observe::Observation;

/// How long an event is fresh enough that the directory may lag behind it.
const FRESH_MS: i64 = 120_000;
/// The pauses before the directory is read again when it seems to lag: about
/// three seconds, with the reading itself.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1300),
];
/// How long a Studio's count of mappings is good enough to know there is room.
const OCCUPANCY_MEMORY: Duration = Duration::from_secs(5 * 60);
/// The engine: both services, the table, and what is remembered between passes.
#[derive(Debug)]
pub struct Engine {
    table: Table,
    mode: Mode,
    log_names: bool,
    store: IdentityStore,
    studios: Vec<Studio>,
    tally: Arc<Tally>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    window: Window,
    occupancy: HashMap<usize, (Instant, Occupancy)>,
    warned: HashSet<usize>,
}

/// What a pass is asked to do.
#[derive(Debug)]
pub struct Task<'a> {
    /// Whom to look at.
    pub scope: Scope,
    /// The events that led to it.
    pub events: &'a [Event],
    /// The one Studio to look at, if not all.
    pub studio: Option<usize>,
    /// The id of held deletions that may now go.
    pub approve: Option<&'a str>,
    /// The changes that somebody has agreed to, if somebody was asked: no other
    /// is made.
    pub agreed: Option<&'a BTreeSet<Agreed>>,
    /// Whether anything is written.
    pub mode: Mode,
    /// When the last call may be begun.
    pub deadline: Instant,
}

/// A change that was shown: in which Studio, what, whose, and the session policy
/// that it leads to.
pub type Agreed = (usize, Action, Identity, Option<String>);

/// What came of a pass.
#[derive(Debug, Default)]
pub struct Pass {
    /// The report.
    pub report: Report,
    /// What stood in its way and may not another time: whom it was about, or
    /// nobody in particular. If there is any, the pass has to come again.
    pub setbacks: Vec<Option<Identity>>,
    /// Rules whose group or user is not there.
    pub unresolved_rules: usize,
    /// Whether it looked at everything, and nothing failed, remained, or was
    /// held back by a failed read.
    pub full_and_complete: bool,
    /// What differs from the table and stays so: in which Studio, whose, why.
    pub left_alone: Vec<(usize, Identity, LeftAlone)>,
    /// From an event's time to the change it led to, in milliseconds.
    pub latencies_ms: Vec<i64>,
    /// The names under which the mappings that were read had been made: all that
    /// is known of who is gone. For a terminal, never for a report or a log.
    pub names: BTreeMap<Identity, String>,
}

impl Engine {
    /// An engine for a configuration, over the services that `sdk` leads to.
    pub async fn new(config: &Config, sdk: &SdkConfig) -> Engine {
        let flight = Arc::new(Semaphore::new(IN_FLIGHT));
        let tally = Arc::new(Tally::default());
        let table = config.table.clone();
        Engine {
            store: IdentityStore::new(config, sdk, &flight, &tally),
            studios: Studio::of_table(&table, sdk, &flight, &tally).await,
            table,
            mode: config.mode,
            log_names: config.log_names,
            tally,
            memory: Mutex::default(),
        }
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

    /// Requests sent until now, since the tally was last taken.
    pub fn requests(&self) -> u64 {
        self.tally.requests()
    }

    /// Requests sent, and how many were throttled, since last asked.
    pub fn take_tally(&self) -> (u64, u64) {
        self.tally.take()
    }

    /// Makes one pass.
    pub async fn pass(&self, task: &Task<'_>) -> Pass {
        let mut pass = Pass {
            report: Report {
                mode: task.mode.name(),
                scope: task.scope.name(),
                ..Report::default()
            },
            ..Pass::default()
        };
        if task.scope == Scope::Nothing {
            return pass;
        }
        let formerly = self.prepare_memory(task);
        let (seen, plans) = self.settled(task, &formerly, false).await;
        self.note(&seen, &plans, &mut pass);
        for plan in &plans {
            self.leave(task, plan, &mut pass);
        }
        pass.names = seen.names();
        let collided = self.execute(task, &seen, plans, &mut pass).await;
        if !collided.is_empty() {
            self.settle(task, &formerly, &collided, &mut pass).await;
        }
        let report = &pass.report;
        // A plan that a person asks for is no pass of a function that applies.
        pass.full_and_complete = task.scope == Scope::Everything
            && task.mode == self.mode
            && task.studio.is_none()
            && report.failed == 0
            && report.remaining == 0
            && pass.setbacks.is_empty()
            && seen.is_whole();
        pass
    }

    /// Deals with the creations that met a mapping which had not been there when
    /// it was read: looks again at just these, and leaves it to a plan whether
    /// that mapping is ours to change.
    async fn settle(
        &self,
        task: &Task<'_>,
        formerly: &BTreeSet<Selector>,
        collided: &BTreeSet<(usize, Identity)>,
        pass: &mut Pass,
    ) {
        let identities = collided.iter().map(|(_, identity)| identity.clone());
        let task = &Task {
            scope: Scope::Identities(identities.collect()),
            approve: None,
            ..*task
        };
        let (seen, mut plans) = self.settled(task, formerly, true).await;
        let is_ours =
            |studio: usize, identity: &Identity| collided.contains(&(studio, identity.clone()));
        for plan in &mut plans {
            let studio = plan.studio;
            let ours = |change: &Change| {
                change.action != Action::Delete && is_ours(studio, &change.identity)
            };
            plan.changes.retain(ours);
            plan.withheld.retain(ours);
            plan.left_alone
                .retain(|(identity, _)| is_ours(studio, identity));
            plan.unchanged = 0;
        }
        self.note(&seen, &plans, pass);
        plans.iter().for_each(|plan| self.leave(task, plan, pass));
        for (_, identity) in self.execute(task, &seen, plans, pass).await {
            pass.setbacks.push(Some(identity));
        }
    }

    /// Forgets what the scope makes doubtful; returns the selectors that stood
    /// for its groups until then.
    fn prepare_memory(&self, task: &Task<'_>) -> BTreeSet<Selector> {
        let groups: Vec<&Id> = task
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
        let renamed = task.events.iter().any(|event| {
            event.scope.name() == "user" && !matches!(event.claim, Some(Claim::Member { .. }))
        });
        if task.scope == Scope::Everything || !groups.is_empty() {
            self.store.forget();
        } else if renamed {
            self.store.forget_users();
        }
        formerly
    }

    /// Reads and plans, until the reading can be relied on: again while it lags
    /// behind a fresh event, and once more if a deletion or a change of policy
    /// would rest on anything remembered.
    async fn settled(
        &self,
        task: &Task<'_>,
        formerly: &BTreeSet<Selector>,
        fresh: bool,
    ) -> (Observation, Vec<StudioPlan>) {
        let mut seen = self.observe(task, formerly, fresh).await;
        for pause in PAUSES {
            if !lags(task.events, &seen) || Instant::now() + pause >= task.deadline {
                break;
            }
            tokio::time::sleep(pause).await;
            seen = self.observe(task, formerly, true).await;
        }
        let mut plans = self.plans(&seen);
        if seen.reading.remembered && plans.iter().any(StudioPlan::needs_proof) {
            seen = self.observe(task, formerly, true).await;
            plans = self.plans(&seen);
        }
        (seen, plans)
    }

    fn plans(&self, seen: &Observation) -> Vec<StudioPlan> {
        let directory = &seen.reading.directory;
        let studios = seen.studios.iter();
        let readable = studios.filter_map(|(studio, seen)| {
            Some((*studio, seen.reach.as_ref()?, seen.actual.as_ref()?))
        });
        readable
            .map(|(studio, reach, actual)| {
                plan::plan(&self.table, studio, directory, reach, actual)
            })
            .collect()
    }

    /// Writes down what a person should know, apart from the changes.
    fn note(&self, seen: &Observation, plans: &[StudioPlan], pass: &mut Pass) {
        self.note_unresolved(seen, pass);
        let report = &mut pass.report;
        for failure in &seen.reading.failures {
            match failure.error.kind {
                Kind::NoTime => report.remaining += 1,
                _ => report.failed += 1,
            }
            report.problems.push(match &failure.about {
                Some(identity) => format!("{identity}: {}", failure.error),
                None => failure.error.to_string(),
            });
            if failure.error.is_transient() {
                pass.setbacks.push(failure.about.clone());
            }
        }
        for (studio, seen) in &seen.studios {
            let name = self.name(*studio);
            if let Some(why) = &seen.unusable {
                report.failed += 1;
                report.problems.push(format!("{name} {why}"));
            }
            for (about, refusal) in &seen.failures {
                report.problems.push(match about {
                    Some(identity) => format!("{name}: {identity}: {refusal}"),
                    None => format!("{name}: {refusal}"),
                });
                match refusal.is_no_time() {
                    true => report.remaining += 1,
                    false => report.failed += 1,
                }
                if refusal.is_transient() {
                    pass.setbacks.push(about.clone());
                }
            }
        }
        for plan in plans {
            let name = self.name(plan.studio);
            if !plan.withheld.is_empty() {
                let doubts: BTreeMap<&Doubt, String> = plan
                    .doubts
                    .iter()
                    .map(|doubt| (doubt, doubt.to_string()))
                    .collect();
                let doubts: Vec<&str> = doubts.values().map(String::as_str).collect();
                let withheld = match plan.withheld.len() {
                    1 => "1 deletion or policy change is withheld".to_owned(),
                    count => format!("{count} deletions or policy changes are withheld"),
                };
                report
                    .problems
                    .push(format!("{name}: {withheld}: {}", doubts.join("; ")));
            }
            for (identity, reason) in &plan.left_alone {
                let LeftAlone::NotOurs = reason else { continue };
                report.problems.push(format!(
                    "{name}: {identity} has a session policy that the table does not name; \
                     left alone (to take it over, name that policy in retired_policies)"
                ));
            }
        }
    }

    /// Rules whose group or user is not there; and entries of `protect` whose
    /// group is not, since nobody knows any more whom they protect.
    fn note_unresolved(&self, seen: &Observation, pass: &mut Pass) {
        let is_gone =
            |selector| seen.reading.directory.selected.get(selector) == Some(&Answer::Gone);
        let holds = |selector: &Selector| {
            selector.names_one_group() && self.table.on_missing_group == OnMissingGroup::Hold
        };
        pass.unresolved_rules = 0;
        let mut problems = Vec::new();
        for (index, rule) in self.table.rules.iter().enumerate() {
            if !is_gone(&rule.select) {
                continue;
            }
            pass.unresolved_rules += 1;
            let effect = match holds(&rule.select) {
                true => format!(
                    "nothing is deleted or changed in {} until it is",
                    self.name(rule.studio)
                ),
                false => "the rule maps nobody".to_owned(),
            };
            problems.push(format!(
                "rules[{index}]: {} is not there; {effect}",
                rule.select
            ));
        }
        for (index, entry) in self.table.protect.iter().enumerate() {
            if entry.needs_directory() && is_gone(&entry.select) && holds(&entry.select) {
                pass.unresolved_rules += 1;
                problems.push(format!(
                    "protect[{index}]: {} is not there; nothing is deleted or changed until it is",
                    entry.select
                ));
            }
        }
        problems.retain(|problem| !pass.report.problems.contains(problem));
        pass.report.problems.extend(problems);
    }

    fn name(&self, studio: usize) -> String {
        let studio = &self.table.studios[studio];
        match studio.alias == studio.id {
            true => format!("Studio {}", studio.id),
            false => format!("Studio {} ({})", studio.alias, studio.id),
        }
    }

    fn warn_once(&self, studio: usize, why: &str) {
        if self.with_memory(|memory| memory.warned.insert(studio)) {
            tracing::warn!(
                studio_id = %self.table.studios[studio].id,
                reason = why,
                "the Studio's AuthMode is not known; going on as if it were SSO"
            );
        }
    }

    fn remember_occupancy(&self, studio: usize, occupancy: Occupancy) {
        self.with_memory(|memory| memory.occupancy.insert(studio, (Instant::now(), occupancy)));
    }

    fn with_memory<T>(&self, f: impl FnOnce(&mut Memory) -> T) -> T {
        f(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether what was read contradicts an event so fresh that the directory may
/// not have caught up with it.
fn lags(events: &[Event], seen: &Observation) -> bool {
    events.iter().any(|event| {
        let is_fresh = event.time_ms.is_some_and(|at| now_ms() - at < FRESH_MS);
        let claim = event.claim.as_ref().filter(|_| is_fresh);
        claim.is_some_and(|claim| claim.is_contradicted_by(&seen.reading.directory))
    })
}

/// The time, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    Utc::now().timestamp_millis()
}
