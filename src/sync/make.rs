//! Carrying out plans, as far as the guard lets them.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::observe::Observation;
use super::{Engine, OCCUPANCY_MEMORY, Pass, Task, now_ms};
use crate::config::Mode;
use crate::event::Kind;
use crate::guard::{self, Occupancy, Verdict};
use crate::identity::{Identity, IdentityType};
use crate::plan::{Action, Change, StudioPlan};
use crate::report::Outcome;
use crate::studio::{Made, Refusal};
use crate::telemetry;

/// What happens to the deletions of one Studio's plan.
struct Judged<'p> {
    plan: &'p StudioPlan,
    changes: Vec<&'p Change>,
    /// Done, for those that may go.
    fate: Outcome,
    occupancy: Option<Occupancy>,
}

/// A change, what became of it, and why if that was not what it was for.
struct Step<'p> {
    change: &'p Change,
    outcome: Outcome,
    refusal: Option<Refusal>,
    collided: bool,
}

impl<'p> Step<'p> {
    fn new(change: &'p Change, outcome: Outcome) -> Step<'p> {
        Step {
            change,
            outcome,
            refusal: None,
            collided: false,
        }
    }

    fn refused(change: &'p Change, refusal: Refusal) -> Step<'p> {
        let outcome = match refusal.is_no_time() {
            true => Outcome::Remaining,
            false => Outcome::Failed,
        };
        Step {
            change,
            outcome,
            refusal: Some(refusal),
            collided: false,
        }
    }
}

impl Task<'_> {
    fn agrees(&self, studio: usize, change: &Change) -> bool {
        let policy = change.session_policy.clone();
        let this = (studio, change.action, change.identity.clone(), policy);
        self.agreed.is_none_or(|agreed| agreed.contains(&this))
    }
}

impl Engine {
    /// Carries out the plans, and reports what became of each change. Returns the
    /// creations that met a mapping which had not been there, and are not reported.
    pub(super) async fn execute(
        &self,
        task: &Task<'_>,
        seen: &Observation,
        plans: Vec<StudioPlan>,
        pass: &mut Pass,
    ) -> BTreeSet<(usize, Identity)> {
        let judged = plans.iter().map(|plan| {
            let occupancy = seen
                .studios
                .get(&plan.studio)
                .and_then(|seen| seen.occupancy);
            self.judge(task, plan, occupancy)
        });
        let (mut judged, refusals): (Vec<_>, Vec<_>) = join_all(judged).await.into_iter().unzip();
        for (studio, refusal) in refusals.into_iter().flatten() {
            let what = "the deletions there could not be counted against its mappings";
            pass.report
                .problems
                .push(format!("{}: {what}: {refusal}", self.name(studio)));
            pass.setbacks.extend(refusal.is_transient().then_some(None));
        }
        self.approve(task, &mut judged, pass);

        let carried_out = judged
            .iter()
            .map(|deletions| self.carry_out(task, deletions));
        let mut collided = BTreeSet::new();
        for (deletions, steps) in judged.iter().zip(join_all(carried_out).await) {
            let studio = &self.table.studios[deletions.plan.studio];
            for step in steps {
                if step.collided {
                    collided.insert((deletions.plan.studio, step.change.identity.clone()));
                    continue;
                }
                pass.report.add(studio, step.change, step.outcome);
                if let Some(refusal) = &step.refusal {
                    let (name, identity) =
                        (self.name(deletions.plan.studio), &step.change.identity);
                    pass.report
                        .problems
                        .push(format!("{name}: {identity}: {refusal}"));
                    if refusal.is_transient() {
                        pass.setbacks.push(Some(step.change.identity.clone()));
                    }
                }
                if step.outcome == Outcome::Done {
                    pass.latencies_ms.extend(latency_ms(task, step.change));
                }
            }
        }
        collided
    }

    /// What would become of the change that a plan has for one identity.
    pub(super) async fn fate(
        &self,
        task: &Task<'_>,
        seen: &Observation,
        plan: &StudioPlan,
        identity: &Identity,
    ) -> Option<Outcome> {
        let occupancy = seen.studios.get(&plan.studio)?.occupancy;
        let mut changes = plan.changes.iter();
        let change = changes.find(|change| change.identity == *identity)?;
        let (judged, _) = self.judge(task, plan, occupancy).await;
        if change.action != Action::Create {
            return Some(judged.fate);
        }
        let leaving = match judged.fate {
            Outcome::Done => judged.changes,
            _ => Vec::new(),
        };
        let creations: Vec<&Change> = plan.of(Action::Create).collect();
        let room = self.room(task, plan.studio, judged.occupancy, &creations);
        let studio = &self.table.studios[plan.studio];
        let (_, over) = guard::fit(studio, &room.await.ok()?, &leaving, creations);
        let is_over = over.iter().any(|change| change.identity == *identity);
        Some(match is_over {
            true => Outcome::OverCapacity,
            false => Outcome::Planned,
        })
    }

    /// Asks the guard, and counts the Studio's mappings if it needs to know.
    async fn judge<'p>(
        &self,
        task: &Task<'_>,
        plan: &'p StudioPlan,
        mut occupancy: Option<Occupancy>,
    ) -> (Judged<'p>, Option<(usize, Refusal)>) {
        let studio_id = &self.table.studios[plan.studio].id;
        let changes: Vec<&Change> = plan.of(Action::Delete).collect();
        let ask = |owned: Option<usize>| {
            self.with_memory(|memory| {
                let (limits, window) = (&self.table.deletions, &memory.window);
                guard::judge(limits, window, studio_id, &changes, owned, now_ms())
            })
        };
        let mut verdict = ask(occupancy.map(|occupancy| occupancy.owned));
        let mut refusal = None;
        if verdict == Verdict::Count {
            match self.list(plan.studio, task.deadline).await {
                Ok((_, counted)) => {
                    occupancy = Some(counted);
                    verdict = ask(Some(counted.owned));
                }
                Err(error) => refusal = Some((plan.studio, error)),
            }
        }
        let fate = match verdict {
            Verdict::Pass => Outcome::Done,
            Verdict::Hold => Outcome::Held,
            Verdict::Count => Outcome::Withheld,
        };
        (
            Judged {
                plan,
                changes,
                fate,
                occupancy,
            },
            refusal,
        )
    }

    /// Lets held deletions go if exactly they were approved. With an approval of
    /// anything else nothing at all is deleted.
    fn approve(&self, task: &Task<'_>, judged: &mut [Judged<'_>], pass: &mut Pass) {
        let id_of = |with: &dyn Fn(&Judged<'_>) -> bool| {
            let deletions = judged.iter().filter(|deletions| with(deletions));
            guard::plan_id(deletions.flat_map(|deletions| {
                let studio = &self.table.studios[deletions.plan.studio];
                deletions
                    .changes
                    .iter()
                    .map(move |change| (studio, *change))
            }))
        };
        let held = id_of(&|deletions| deletions.fate == Outcome::Held);
        let Some(approved) = task.approve else {
            pass.report.plan_id = held.or(pass.report.plan_id.take());
            return;
        };
        // The guard forgets with its process: the same set may pass unheld now.
        let all = id_of(&|deletions| deletions.fate != Outcome::Withheld);
        if held.as_deref() == Some(approved) || (held.is_none() && all.as_deref() == Some(approved))
        {
            for deletions in judged.iter_mut().filter(|one| one.fate == Outcome::Held) {
                deletions.fate = Outcome::Done;
            }
            return;
        }
        for deletions in judged.iter_mut().filter(|one| one.fate == Outcome::Done) {
            deletions.fate = Outcome::Skipped;
        }
        pass.report.problems.push(match &held {
            Some(current) => format!(
                "approve: {approved} is not the set of deletions held now, which is {current}; \
                 nothing was deleted. Look at the held deletions and approve that id"
            ),
            None => format!(
                "approve: {approved} is not a set of deletions held now; nothing was deleted"
            ),
        });
        pass.report.plan_id = held;
    }

    /// Deletions and updates first, then as many creations as there is room for.
    async fn carry_out<'p>(&self, task: &Task<'_>, deletions: &Judged<'p>) -> Vec<Step<'p>> {
        let plan = deletions.plan;
        let go = |change: &'p Change| self.make(task, plan.studio, change);
        let creations: Vec<&'p Change> = plan.of(Action::Create).collect();
        // Counted before anything is deleted: what goes is taken off below.
        let room = self
            .room(task, plan.studio, deletions.occupancy, &creations)
            .await;
        let mut steps: Vec<Step<'p>> = match deletions.fate {
            Outcome::Done => join_all(deletions.changes.iter().copied().map(go)).await,
            fate => deletions
                .changes
                .iter()
                .map(|change| Step::new(change, fate))
                .collect(),
        };
        if deletions.fate != Outcome::Done {
            steps
                .iter()
                .for_each(|step| self.log(task, plan.studio, step));
        }
        let gone: Vec<&Change> = steps
            .iter()
            .filter(|step| matches!(step.outcome, Outcome::Done | Outcome::Planned))
            .map(|step| step.change)
            .collect();
        let updates = join_all(plan.of(Action::Update).map(go)).await;
        steps.extend(updates);
        match room {
            Err(refusal) => {
                for change in creations {
                    let step = Step::refused(change, refusal.clone());
                    self.log(task, plan.studio, &step);
                    steps.push(step);
                }
            }
            Ok(occupancy) => {
                let studio = &self.table.studios[plan.studio];
                // What nobody agreed to takes no room from what somebody did.
                let agrees = |change: &&'p Change| task.agrees(plan.studio, change);
                let (creations, others): (Vec<_>, Vec<_>) = creations.into_iter().partition(agrees);
                for change in others {
                    let step = Step::new(change, Outcome::Skipped);
                    self.log(task, plan.studio, &step);
                    steps.push(step);
                }
                let (fitting, over) = guard::fit(studio, &occupancy, &gone, creations);
                let created = join_all(fitting.into_iter().map(go)).await;
                steps.extend(created);
                for change in over {
                    let step = Step::new(change, Outcome::OverCapacity);
                    self.log(task, plan.studio, &step);
                    steps.push(step);
                }
            }
        }
        self.recount(plan.studio, &steps);
        steps
    }

    /// How full a Studio is: counted in this pass if it was, remembered if that
    /// leaves room to spare, else counted now.
    async fn room(
        &self,
        task: &Task<'_>,
        studio: usize,
        occupancy: Option<Occupancy>,
        creations: &[&Change],
    ) -> Result<Occupancy, Refusal> {
        if let Some(occupancy) = occupancy {
            return Ok(occupancy);
        }
        let remembered = self.with_memory(|memory| memory.occupancy.get(&studio).copied());
        let fits_well = |occupancy: &Occupancy| {
            [IdentityType::User, IdentityType::Group]
                .into_iter()
                .all(|kind| {
                    let new = creations
                        .iter()
                        .filter(|change| change.identity.kind == kind)
                        .count();
                    let limit = self.table.studios[studio].limit(kind);
                    new == 0 || occupancy.of(kind) + new + limit.div_ceil(10) <= limit
                })
        };
        match remembered {
            _ if creations.is_empty() => Ok(Occupancy::default()),
            Some((at, occupancy)) if at.elapsed() < OCCUPANCY_MEMORY && fits_well(&occupancy) => {
                Ok(occupancy)
            }
            _ => self
                .list(studio, task.deadline)
                .await
                .map(|(_, occupancy)| occupancy),
        }
    }

    /// Keeps the remembered count in step with what was just done.
    fn recount(&self, studio: usize, steps: &[Step<'_>]) {
        self.with_memory(|memory| {
            let Some((_, occupancy)) = memory.occupancy.get_mut(&studio) else {
                return;
            };
            for step in steps.iter().filter(|step| step.outcome == Outcome::Done) {
                let count = match step.change.identity.kind {
                    IdentityType::User => &mut occupancy.users,
                    IdentityType::Group => &mut occupancy.groups,
                };
                match step.change.action {
                    Action::Create => *count += 1,
                    Action::Delete => *count = count.saturating_sub(1),
                    Action::Update => {}
                }
            }
        });
    }

    /// Makes one change, if the mode is to make any.
    async fn make<'p>(&self, task: &Task<'_>, studio: usize, change: &'p Change) -> Step<'p> {
        let step = match task.mode {
            Mode::Plan => Step::new(change, Outcome::Planned),
            Mode::Apply if !task.agrees(studio, change) => Step::new(change, Outcome::Skipped),
            Mode::Apply => match self.studios[studio].make(change, task.deadline).await {
                Ok(Made::Done) => Step::new(change, Outcome::Done),
                Ok(Made::Collided) => {
                    return Step {
                        collided: true,
                        ..Step::new(change, Outcome::Failed)
                    };
                }
                Err(refusal) => Step::refused(change, refusal),
            },
        };
        let lost = step.refusal.as_ref().is_some_and(Refusal::is_transient);
        let (studio_id, identity) = (&self.table.studios[studio].id, &change.identity);
        self.with_memory(|memory| match (change.action, step.outcome) {
            (Action::Delete, Outcome::Done) => {
                memory.window.record(studio_id, identity.clone(), now_ms());
            }
            // Its answer may be all that was lost.
            (Action::Delete, Outcome::Failed) if lost => {
                memory
                    .window
                    .record_perhaps(studio_id, identity.clone(), now_ms());
            }
            (Action::Create, Outcome::Done) => memory.window.confirm(studio_id, identity),
            _ => {}
        });
        self.log(task, studio, &step);
        step
    }

    /// Reports what a plan leaves as it is: what agrees, and what lacks proof.
    pub(super) fn leave(&self, task: &Task<'_>, plan: &StudioPlan, pass: &mut Pass) {
        pass.report.unchanged += plan.unchanged;
        for (identity, reason) in &plan.left_alone {
            pass.left_alone
                .push((plan.studio, identity.clone(), *reason));
        }
        for change in &plan.withheld {
            self.log(task, plan.studio, &Step::new(change, Outcome::Withheld));
            let studio = &self.table.studios[plan.studio];
            pass.report.add(studio, change, Outcome::Withheld);
        }
    }

    fn log(&self, task: &Task<'_>, studio: usize, step: &Step<'_>) {
        let events = task.events.iter();
        let causes = events.filter(|event| event.scope.may_concern(&step.change.identity));
        let studio = &self.table.studios[studio];
        let name = step.change.name.as_deref().filter(|_| self.log_names);
        telemetry::change(
            studio,
            step.change,
            name,
            step.outcome,
            step.refusal.as_ref(),
            causes,
        );
    }
}

/// How long ago the oldest event happened that can have led to this change. The
/// schedule leads to none: it finds what events should have.
fn latency_ms(task: &Task<'_>, change: &Change) -> Option<i64> {
    let now = now_ms();
    task.events
        .iter()
        .filter(|event| event.scope.may_concern(&change.identity))
        .filter(|event| event.kind != Kind::Schedule)
        .filter_map(|event| event.time_ms)
        .map(|at| (now - at).max(0))
        .max()
}
