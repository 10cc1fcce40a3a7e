//! What came of a pass, told: the report, and what of it is unfinished.

use std::collections::BTreeSet;

use super::judge::Judged;
use super::way::Step;
use super::{Course, Engine, Read, Task};
use crate::aws::{CallError, Kind};
use crate::event::Scope;
use crate::identity::{Identity, IdentityType};
use crate::plan::{Action, LeftAlone, StudioPlan};
use crate::policy::doubt::Cause;
use crate::policy::fit::{Answer, Directory, Reach};
use crate::policy::{OnMissingGroup, Selector};
use crate::report::{Outcome, Pass};
use crate::unfinished::merge;
use crate::visible;

impl Engine {
    /// Writes down what a person should know, and what the function has to.
    pub(super) fn tell(&self, task: &Task<'_>, read: &Read, courses: Vec<Course>, pass: &mut Pass) {
        self.tell_unresolved(read, pass);
        for failure in &read.reading.failures {
            count(&failure.error, pass);
            pass.report.problems.push(match &failure.about {
                Some(identity) => format!("{identity}: {}", failure.error),
                None => failure.error.to_string(),
            });
        }
        let mut held = Vec::new();
        let (mut all_read, mut all_proven, mut all_tried) = (true, true, true);
        // A Studio that can have no mappings is no answer for the others.
        let mut usable = courses
            .iter()
            .filter_map(|course| course.plan.as_ref())
            .peekable();
        let blind = usable.peek().is_some() && usable.all(StudioPlan::is_blind);
        for course in &courses {
            self.tell_course(task, course, pass);
            let is_held = |step: &&Step| step.outcome == Outcome::Held;
            let studio = &self.table.studios[course.studio];
            held.extend(
                course
                    .steps
                    .iter()
                    .filter(is_held)
                    .map(|step| (studio, &step.change)),
            );
            for doubt in course.plan.iter().flat_map(|plan| &plan.doubts) {
                all_read &= !doubt.is_unread();
                all_proven &= matches!(doubt.cause, Cause::Missing { .. });
            }
            all_tried &= !course.steps.iter().any(is_unapproved);
        }
        say_the_cure_once(&mut pass.report.problems);
        pass.report.plan_id = crate::guard::plan_id(held);
        pass.dealt_with_none = blind || read.reading.is_blind();
        let is_full = task.look.scope == Scope::Everything
            && task.look.studio.is_none()
            // A plan that a person asks for is no pass of a function that applies.
            && task.mode == self.mode;
        let complete = all_read && all_tried && pass.report.remaining == 0;
        pass.full_and_complete = is_full.then_some(complete);
        pass.covers = is_full && complete && all_proven;
    }

    fn tell_course(&self, task: &Task<'_>, course: &Course, pass: &mut Pass) {
        let name = self.name(course.studio);
        // What was not deleted for want of approval is as unfinished as before.
        if !course.steps.iter().any(is_unapproved) {
            merge(&mut pass.looked_at, course.studio, course.asked.clone());
        }
        if course.seen.hangs {
            pass.hang.insert(course.studio);
        }
        let remarks = course.seen.remarks.iter();
        for remark in remarks.map(|remark| format!("{name} {remark}")) {
            // A second look at the Studio sees it again.
            if !pass.report.problems.contains(&remark) {
                pass.report.problems.push(remark);
            }
        }
        if let Some(why) = &course.seen.unusable {
            pass.report.failed += 1;
            pass.refused += 1;
            pass.report.problems.push(format!("{name} {why}"));
        }
        for (about, refusal) in &course.seen.failures {
            pass.report.problems.push(match about {
                Some(identity) => format!("{name}: {identity}: {refusal}"),
                None => format!("{name}: {refusal}"),
            });
            match refusal.is_no_time() {
                true => pass.report.remaining += 1,
                false => pass.report.failed += 1,
            }
            pass.refused += usize::from(!refusal.is_transient());
        }
        for error in &course.refusals {
            pass.refused += usize::from(!error.is_transient());
        }
        for problem in &course.problems {
            // Studios may have one reason, and it is told once.
            if !pass.report.problems.contains(problem) {
                pass.report.problems.push(problem.clone());
            }
        }
        if let Some(actual) = &course.seen.actual {
            for (identity, mapping) in &actual.mappings {
                let name = mapping.name.clone();
                name.map(|name| pass.names.insert(identity.clone(), name));
            }
        }
        if let Some(plan) = &course.plan {
            self.tell_plan(task, plan, pass);
        }
        for step in &course.steps {
            self.tell_step(task, course.studio, step, pass);
        }
        self.tell_unfinished(task, course, pass);
    }

    /// What a plan leaves as it is: what agrees, what is not the table's, and what
    /// lacks proof.
    fn tell_plan(&self, task: &Task<'_>, plan: &StudioPlan, pass: &mut Pass) {
        let name = self.name(plan.studio);
        let report = &mut pass.report;
        report.unchanged += plan.unchanged;
        for change in &plan.withheld {
            self.record_withheld(task, plan.studio, change);
            let studio = &self.table.studios[plan.studio];
            report.add(studio, change, Outcome::Withheld);
        }
        pass.withheld += plan.withheld.len();
        report.problems.extend(self.told_withheld(plan));
        for (identity, reason) in &plan.left_alone {
            if *reason == LeftAlone::NotOurs {
                report.problems.push(format!(
                    "{name}: {identity} has a session policy that the table does not name; \
                     left alone (to take it over, name that policy in retired_policies)"
                ));
            }
            let left = (plan.studio, identity.clone(), *reason);
            pass.left_alone.push(left);
        }
    }

    /// How many changes a plan withholds, and for want of what.
    pub(super) fn told_withheld(&self, plan: &StudioPlan) -> Option<String> {
        let withheld = match plan.withheld.len() {
            0 => return None,
            1 => "1 change is withheld".to_owned(),
            count => format!("{count} changes are withheld"),
        };
        let doubts = plan.standing().into_iter();
        let doubts: BTreeSet<String> = doubts.map(ToString::to_string).collect();
        let doubts: Vec<String> = doubts.into_iter().collect();
        let name = self.name(plan.studio);
        Some(format!("{name}: {withheld}: {}", doubts.join("; ")))
    }

    fn tell_step(&self, task: &Task<'_>, studio: usize, step: &Step, pass: &mut Pass) {
        let (name, identity) = (self.name(studio), &step.change.identity);
        pass.report
            .add(&self.table.studios[studio], &step.change, step.outcome);
        match step.outcome {
            Outcome::Done => pass.latencies_ms.extend(self.latency_ms(task, identity)),
            Outcome::Failed if !step.passes => pass.refused += 1,
            Outcome::Withheld => pass.withheld += 1,
            Outcome::Orphan => pass.orphans += 1,
            _ => {}
        }
        let Some(refusal) = &step.refusal else {
            return;
        };
        let consequence = match step.outcome {
            Outcome::Gone => "; nor does the directory: whoever it was is gone, and not mapped",
            Outcome::Orphan => {
                "; nor does the directory: the mapping of somebody gone, which EMR does not let \
                 go. It is tried again once a day"
            }
            _ => "",
        };
        pass.report
            .problems
            .push(format!("{name}: {identity}: {refusal}{consequence}"));
    }

    /// Who has to be looked at again: whose change did not go for a reason that
    /// passes, and of whom something was not known for such a reason.
    fn tell_unfinished(&self, task: &Task<'_>, course: &Course, pass: &mut Pass) {
        // What a group's event means in a Studio is known only once all was read.
        let asked = match task.look.names_groups() {
            true => Reach::All,
            false => course.asked.clone(),
        };
        let left = course
            .plan
            .as_ref()
            .and_then(|plan| plan.unfinished(&asked));
        let steps = course.steps.iter();
        let steps = steps
            .filter(|step| step.passes)
            .map(|step| &step.change.identity);
        let steps: BTreeSet<Identity> = steps.cloned().collect();
        let steps = (!steps.is_empty()).then_some(Reach::Only(steps));
        // Who waits for a Studio that hangs waits with everybody.
        let all = course.seen.hangs.then_some(Reach::All);
        for reach in [left, steps, all].into_iter().flatten() {
            merge(&mut pass.looked_at, course.studio, reach.clone());
            merge(&mut pass.unfinished, course.studio, reach);
        }
        let with = |outcome| course.steps.iter().any(|step| step.outcome == outcome);
        let failing = course
            .steps
            .iter()
            .any(|step| step.passes && step.outcome == Outcome::Failed);
        if with(Outcome::Done) && with(Outcome::Remaining) && !failing {
            pass.goes_on.insert(course.studio);
        }
    }

    /// What kept the guard from judging as it should.
    pub(super) fn told_of(&self, judged: &Judged, course: &mut Course) {
        if let Some(refusal) = &judged.refusal {
            let what = "the deletions there could not be counted against its mappings";
            let name = self.name(course.studio);
            course.problems.push(format!("{name}: {what}: {refusal}"));
        }
        if let Some(error) = &judged.forgotten {
            course.problems.push(format!(
                "the deletions before this process are not known, and the guard goes by its \
                 own: {error}"
            ));
            course.refusals.push(error.clone());
        }
    }

    fn tell_unresolved(&self, read: &Read, pass: &mut Pass) {
        let unresolved = self.unresolved(&read.reading.directory, None);
        pass.report.unresolved += unresolved.len();
        pass.report.problems.extend(unresolved);
    }

    /// Rules, of all Studios or of one, and entries of `protect` that lead nowhere, and
    /// what follows.
    pub(super) fn unresolved(&self, directory: &Directory, only: Option<usize>) -> Vec<String> {
        let is_gone = |selector| directory.selected.get(selector) == Some(&Answer::Gone);
        let rules = self.table.rules.iter().enumerate();
        let of_interest = |studio| only.is_none_or(|only| only == studio);
        let rules = rules.filter(|(_, rule)| of_interest(rule.studio) && is_gone(&rule.select));
        let rules = rules.map(|(index, rule)| {
            let hold = self.table.on_missing_group == OnMissingGroup::Hold;
            let effect = match rule.select.kind() {
                IdentityType::Group if hold => format!(
                    "nothing is deleted or changed in {} until it is",
                    self.name(rule.studio)
                ),
                IdentityType::Group => "the rule maps nobody".to_owned(),
                IdentityType::User => {
                    let renamed = match rule.select {
                        Selector::User(_) => {
                            ". If it is the same person under a new name, write that name, or \
                             user_id, which survives it"
                        }
                        _ => "",
                    };
                    format!("the rule maps nobody, and what it had mapped goes{renamed}")
                }
            };
            format!("rules[{index}]: {} is not there; {effect}", rule.select)
        });
        let protect = self.table.protect.iter().enumerate();
        let protect =
            protect.filter(|(_, entry)| entry.needs_directory() && is_gone(&entry.select));
        let protect = protect.map(|(index, entry)| {
            let effect = match entry.select.kind() {
                IdentityType::Group => "nothing is deleted or changed until it is",
                IdentityType::User => {
                    "no user who is still in the directory loses a mapping or gets another policy \
                     until it is; it may be one of them, under a new name, which user_id survives"
                }
            };
            format!("protect[{index}]: {} is not there; {effect}", entry.select)
        });
        rules.chain(protect).collect()
    }

    /// The name a Studio has where a person reads it.
    pub(super) fn name(&self, studio: usize) -> String {
        let studio = &self.table.studios[studio];
        match studio.alias == studio.id {
            true => format!("Studio {}", studio.id),
            false => format!("Studio {} ({})", visible::name(&studio.alias), studio.id),
        }
    }

    /// How long ago the oldest event happened that can have led to a change of
    /// this identity's. The schedule leads to none: it finds what events should
    /// have.
    fn latency_ms(&self, task: &Task<'_>, identity: &Identity) -> Option<i64> {
        let now_ms = self.now_ms();
        let events = task.look.events.iter();
        events
            .filter(|event| event.scope.may_concern(identity))
            .filter(|event| event.kind == crate::event::Kind::Change)
            .filter_map(|event| event.time_ms)
            .map(|at| (now_ms - at).max(0))
            .max()
    }
}

/// Whether a deletion was not made because another set was approved.
fn is_unapproved(step: &Step) -> bool {
    step.outcome == Outcome::Skipped && step.change.action == Action::Delete && !step.passes
}

/// One key, one cure, however many calls it kept from being answered.
fn say_the_cure_once(problems: &mut [String]) {
    let Some(cure) = Kind::NoKey.cure() else {
        return;
    };
    let cure = format!(" ({cure})");
    let mut with_cure = problems
        .iter_mut()
        .filter(|problem| problem.contains(&cure));
    with_cure.next();
    with_cure.for_each(|problem| *problem = problem.replace(&cure, ""));
}

fn count(error: &CallError, pass: &mut Pass) {
    match error.kind {
        Kind::NoTime => pass.report.remaining += 1,
        _ => pass.report.failed += 1,
    }
    pass.refused += usize::from(!error.is_transient());
}
