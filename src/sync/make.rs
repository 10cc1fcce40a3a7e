//! Making the changes of a Studio, as far as they may be made.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::prepare::Prepared;
use super::readings::Readings;
use super::way::{Step, Way};
use super::{Agreed, Agreement, Course, Engine, Look, Task};
use crate::aws::CallError;
use crate::config::Mode;
use crate::identity::Identity;
use crate::plan::{Action, Change};
use crate::policy::doubt::Cause;
use crate::record::Record;
use crate::report::Outcome;
use crate::studio::Refusal;

impl Engine {
    /// Makes the changes of a prepared Studio. Creations that met a mapping which
    /// had not been there are looked at once more.
    pub(super) async fn go(&self, task: &Task<'_>, prepared: &mut Prepared<'_>) -> Vec<Course> {
        let mut course = self.carry_out(task, prepared).await;
        let collided = |step: &Step| step.collided.then(|| step.change.identity.clone());
        let collided: BTreeSet<Identity> = course.steps.iter().filter_map(collided).collect();
        if collided.is_empty() {
            return vec![course];
        }
        course.steps.retain(|step| !step.collided);
        let second = self.settle(task, prepared.studio, &collided).await;
        vec![course, second]
    }

    /// What would be done, if that is not just what was agreed to. Changes nothing.
    pub(super) async fn otherwise(
        &self,
        task: &Task<'_>,
        agreement: Agreement<'_>,
        prepared: &[Prepared<'_>],
    ) -> Option<Vec<Course>> {
        let courses = self.rehearsed(task, prepared).await;
        let steps = courses
            .iter()
            .flat_map(|course| course.steps.iter().map(|step| (course.studio, step)));
        let planned = steps.filter(|(_, step)| step.outcome == Outcome::Planned);
        let planned: BTreeSet<Agreed> = planned
            .map(|(studio, step)| Agreed::of(studio, &step.change))
            .collect();
        (planned != *agreement.changes).then_some(courses)
    }

    /// What would be done. Changes nothing.
    pub(super) async fn rehearsed(
        &self,
        task: &Task<'_>,
        prepared: &[Prepared<'_>],
    ) -> Vec<Course> {
        let task = &Task {
            look: task.look.clone(),
            agreed: None,
            mode: Mode::Plan,
            ..*task
        };
        let mut rehearsed = prepared.to_vec();
        let ways = rehearsed.iter_mut().map(|one| self.carry_out(task, one));
        join_all(ways).await
    }

    /// Deals with the creations that met a mapping which had not been there when
    /// it was read: looks again at just these, and leaves it to a plan whether
    /// that mapping is ours to change.
    async fn settle(&self, task: &Task<'_>, studio: usize, who: &BTreeSet<Identity>) -> Course {
        let task = &Task {
            look: Look {
                events: task.look.events,
                ..Look::at(who.clone(), Some(studio), task.look.deadline)
            },
            approve: None,
            ..*task
        };
        let readings = Readings::new(self, &task.look, true);
        let mut prepared = self.prepare(task, studio, &readings).await;
        if let Some(plan) = &mut prepared.plan {
            let ours =
                |change: &Change| change.action != Action::Delete && who.contains(&change.identity);
            plan.changes.retain(ours);
            plan.withheld.retain(ours);
            plan.left_alone
                .retain(|(identity, _)| who.contains(identity));
            plan.unchanged = 0;
            prepared.judged.deletions.clear();
            prepared.judged.orphans.clear();
            prepared.judged.again.clear();
        }
        let mut course = self.carry_out(task, &mut prepared).await;
        let mut doubts = course.plan.iter().flat_map(|plan| &plan.doubts);
        let is_hidden = doubts.any(|doubt| doubt.cause == Cause::Nobodys);
        let text = match is_hidden {
            true => "it has a mapping already, which is listed without the id of whose it is",
            false => "another mapping was there, and then another; somebody else changes it too",
        };
        for step in course.steps.iter_mut().filter(|step| step.collided) {
            let error = CallError::malformed("CreateStudioSessionMapping", text);
            step.refusal = Some(Refusal::Other(error));
            // However often it is listed, it is so.
            step.passes = !is_hidden;
        }
        course
    }

    /// Deletions and updates first, then as many creations as there is room for.
    async fn carry_out(&self, task: &Task<'_>, prepared: &mut Prepared<'_>) -> Course {
        let studio = prepared.studio;
        let mut course = Course {
            studio,
            asked: prepared.asked.clone(),
            seen: std::mem::take(&mut prepared.seen),
            plan: prepared.plan.take(),
            steps: Vec::new(),
            problems: Vec::new(),
            refusals: Vec::new(),
        };
        let judged = std::mem::take(&mut prepared.judged);
        self.told_of(&judged, &mut course);
        let Some(plan) = &course.plan else {
            return course;
        };
        let creations: Vec<&Change> = plan.of(Action::Create).collect();
        // Counted before anything is deleted: what goes is taken off below.
        let room = self
            .room(&task.look, studio, judged.occupancy, &creations)
            .await;
        let way = Way::new(self, task, prepared, &judged);
        let mut steps = match judged.fate {
            Outcome::Done => way.make_all(judged.deletions.iter()).await,
            fate => {
                let refusal = judged.refusal.clone();
                way.leave_all(judged.deletions.iter(), fate, refusal)
            }
        };
        steps.extend(way.leave_all(judged.orphans.iter(), Outcome::Orphan, None));
        // With an approval nothing goes but what it is for.
        steps.extend(match task.approve {
            None => way.make_all(judged.again.iter()).await,
            Some(_) => way.leave_all(judged.again.iter(), Outcome::Orphan, None),
        });
        let is_gone = |step: &&Step| matches!(step.outcome, Outcome::Done | Outcome::Planned);
        let gone: Vec<Change> = steps
            .iter()
            .filter(is_gone)
            .map(|step| step.change.clone())
            .collect();
        let gone: Vec<&Change> = gone.iter().collect();
        steps.extend(way.make_all(plan.of(Action::Update)).await);
        match room {
            Err(refusal) => {
                for change in creations {
                    let step = Step::refused(change, refusal.clone());
                    self.record(task, studio, &step);
                    steps.push(step);
                }
            }
            Ok(occupancy) => steps.extend(way.create_all(&occupancy, &gone, creations).await),
        }
        let hangs = way.has_hung();
        course.seen.hangs |= hangs;
        course.steps = steps;
        course
    }

    /// Whether an identity is in the directory.
    pub(super) async fn is_there(
        &self,
        who: &Identity,
        deadline: Instant,
    ) -> Result<bool, CallError> {
        let there = self.store.look_up(who, deadline).await?.is_there();
        Ok(there != Some(false))
    }

    pub(super) fn record(&self, task: &Task<'_>, studio: usize, step: &Step) {
        let events = task.look.events.iter();
        let causes = events.filter(|event| event.scope.may_concern(&step.change.identity));
        Record {
            studio: &self.table.studios[studio],
            change: &step.change,
            name: step.change.name.as_deref().filter(|_| self.log_names),
            outcome: step.outcome,
            approved: step.approved,
            is_all: step.is_all,
            error: step.refusal.as_ref().map(Refusal::to_string),
            causes: causes.collect(),
        }
        .write();
    }

    /// Records what is withheld, as what it is.
    pub(super) fn record_withheld(&self, task: &Task<'_>, studio: usize, change: &Change) {
        self.record(task, studio, &Step::new(change, Outcome::Withheld));
    }
}
