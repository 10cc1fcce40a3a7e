//! Why an identity is, or is not, mapped. Reads, and never writes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::foretell::Supposed;
use super::observe::Observation;
use super::{Engine, Look};
use crate::event::Subject;
use crate::identity::{Id, Identity, IdentityType};
use crate::plan::{self, Action, LeftAlone, StudioPlan};
use crate::policy::fit::{Answer, Directory, Reach};
use crate::policy::{Assign, Rule};
use crate::report::Outcome;

/// The answer to "why?" for one identity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Always `explain`.
    pub action: &'static str,
    /// `USER` or `GROUP`.
    pub identity_type: IdentityType,
    /// Its id; none if there is nobody of that name.
    pub identity_id: Option<Id>,
    /// Each Studio of the table.
    pub studios: Vec<StudioExplanation>,
    /// What could not be read, in words.
    pub problems: Vec<String>,
}

/// The answer for one Studio.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudioExplanation {
    /// The Studio's alias.
    pub studio: String,
    /// The Studio's id.
    pub studio_id: String,
    /// The mapping there should be.
    pub wanted: Option<RuleExplanation>,
    /// The session policy of the mapping there is.
    pub session_policy: Option<String>,
    /// Whether that mapping is the table's.
    pub owned: bool,
    /// The rules that fit too, but come later.
    pub losing_rules: Vec<RuleExplanation>,
    /// What follows, in words.
    pub verdict: String,
    /// What a plan for this identity alone would do.
    #[serde(skip)]
    pub(super) change: Option<Action>,
}

/// A rule that fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleExplanation {
    /// Its place in the table.
    pub rule: usize,
    /// The session policy it gives.
    pub session_policy: String,
    /// The group through which it fits.
    pub via_group: Option<Id>,
}

impl Engine {
    /// Explains one identity, in every Studio or in one.
    pub async fn explain(
        &self,
        subject: &Subject,
        studio: Option<usize>,
        deadline: Instant,
    ) -> Explanation {
        let (kind, found) = match subject {
            Subject::Id(identity) => {
                // That somebody is gone is no reason not to explain their mapping.
                let there = self.store.look_up(identity, deadline).await;
                (
                    identity.kind,
                    there.map(|there| there.map(|_| identity.clone())),
                )
            }
            Subject::Name(kind, name) => (*kind, self.store.called(*kind, name, deadline).await),
        };
        let mut explanation = Explanation {
            action: "explain",
            identity_type: kind,
            identity_id: None,
            studios: Vec::new(),
            problems: Vec::new(),
        };
        let is_gone = matches!(found, Ok(Answer::Gone));
        let identity = match (found, subject) {
            (Ok(Answer::Is(identity)), _) => identity,
            (Ok(Answer::Gone), Subject::Id(identity)) => identity.clone(),
            (Ok(Answer::Gone), Subject::Name(..)) => {
                explanation
                    .problems
                    .push(format!("there is no {kind} of that name"));
                return explanation;
            }
            // The mappings may be readable all the same.
            (Ok(Answer::Unread { .. }), Subject::Id(identity)) => identity.clone(),
            (Err(error), Subject::Id(identity)) => {
                explanation.problems.push(error.to_string());
                identity.clone()
            }
            (Ok(Answer::Unread { .. }), Subject::Name(..)) => {
                explanation
                    .problems
                    .push(format!("whether there is such a {kind} could not be read"));
                return explanation;
            }
            (Err(error), Subject::Name(..)) => {
                explanation.problems.push(error.to_string());
                return explanation;
            }
        };
        explanation.identity_id = Some(identity.id.clone());
        let who = BTreeSet::from([identity.clone()]);
        let look = Look::at(who, studio, deadline);
        let seen = self.observe(&look, true).await;
        for problem in self.not_read(&seen) {
            if !explanation.problems.contains(&problem) {
                explanation.problems.push(problem);
            }
        }
        for studio in seen.studios.keys() {
            let mut one = self.explain_in(*studio, &identity, is_gone, &seen);
            let hindered = self.hindered(*studio, &identity, &one, None, deadline);
            let (verdict, problems) = hindered.await;
            if let Some(verdict) = verdict {
                one.verdict = verdict;
            }
            for problem in problems {
                if !explanation.problems.contains(&problem) {
                    explanation.problems.push(problem);
                }
            }
            explanation.studios.push(one);
        }
        explanation
    }

    /// What could not be read, in words.
    pub(super) fn not_read(&self, seen: &Observation) -> Vec<String> {
        let failures = seen.reading.failures.iter();
        let mut problems: Vec<String> = failures.map(|failure| failure.error.to_string()).collect();
        for (studio, looked) in &seen.studios {
            let name = self.name(*studio);
            let told = looked.unusable.iter().chain(&looked.remarks);
            let told = told.map(|why| format!("{name} {why}"));
            let refusals = looked.failures.iter();
            let refusals = refusals.map(|(_, why)| format!("{name}: {why}"));
            problems.extend(told.chain(refusals));
        }
        problems
    }

    /// What keeps a change from being made that a plan for this identity alone
    /// would make: that depends on all the others of its Studio, and on a mapping
    /// of its own that is only supposed. Second, what of those could not be read.
    pub(super) async fn hindered(
        &self,
        studio: usize,
        identity: &Identity,
        one: &StudioExplanation,
        supposed: Option<&Supposed>,
        deadline: Instant,
    ) -> (Option<String>, Vec<String>) {
        let Some(change) = one.change else {
            return (None, Vec::new());
        };
        let look = Look::everything(Some(studio), deadline);
        let mut seen = self.observe(&look, false).await;
        if let Some(supposed) = supposed {
            self.suppose(studio, identity, supposed, &mut seen);
        }
        let mut plan = self.plan(studio, &seen.reading, &seen.studios[&studio]);
        if let Some(looked) = seen.studios.get_mut(&studio)
            && self.see_who_is_gone(plan.as_ref(), looked, deadline).await
        {
            plan = self.plan(studio, &seen.reading, looked);
        }
        let problems = self.not_read(&seen);
        let looked = &seen.studios[&studio];
        let why = match plan.filter(|plan| !plan.is_of_nothing_read()) {
            None => Some("the Studio could not be read as a whole".to_owned()),
            Some(plan) if plan.withholds(identity) => Some(withheld(&plan, identity)),
            Some(plan) => {
                let fates = self.fates(&look, looked, &plan).await;
                let fate = fates.get(identity).map(|(_, outcome)| *outcome);
                match fate {
                    Some(Outcome::Held) => Some(
                        "held, since too many would go at once, until somebody approves".to_owned(),
                    ),
                    Some(Outcome::OverCapacity) => {
                        Some("over capacity, the Studio has no room left".to_owned())
                    }
                    Some(Outcome::Withheld) => {
                        Some("withheld, the Studio could not be counted".to_owned())
                    }
                    _ => None,
                }
            }
        };
        let what = match change {
            Action::Create => "is not mapped yet, and will not be now",
            Action::Update => "has another session policy, and keeps it for now",
            Action::Delete => "is mapped and should not be; the mapping is not deleted now",
        };
        (why.map(|why| format!("{what}: {why}")), problems)
    }

    pub(super) fn explain_in(
        &self,
        studio: usize,
        identity: &Identity,
        is_gone: bool,
        seen: &Observation,
    ) -> StudioExplanation {
        let directory = &seen.reading.directory;
        let only = Reach::Only(BTreeSet::from([identity.clone()]));
        // The Studio may have been read as a whole, and then its members were
        // listed by group and not by user.
        let reach = seen.reaches.get(&studio).unwrap_or(&only);
        let row = &self.table.studios[studio];
        let mut explanation = StudioExplanation {
            studio: row.alias.clone(),
            studio_id: row.id.clone(),
            wanted: None,
            session_policy: None,
            owned: false,
            losing_rules: Vec::new(),
            verdict: String::new(),
            change: None,
        };
        let wanted = self.table.wanted(studio, directory, reach).remove(identity);
        for fit in self.table.fits(studio, directory, reach) {
            if fit.identity != *identity {
                continue;
            }
            let rule = RuleExplanation {
                rule: fit.rule,
                session_policy: self.table.rules[fit.rule].session_policy.clone(),
                via_group: fit.via_group,
            };
            match &wanted {
                Some(wanted) if wanted.rule == rule.rule => explanation.wanted = Some(rule),
                _ => explanation.losing_rules.push(rule),
            }
        }
        let looked = &seen.studios[&studio];
        // What was read may be less than what was asked for.
        let was_read = looked
            .reach
            .as_ref()
            .is_some_and(|read| read.covers(identity));
        let Some(actual) = looked.actual.as_ref().filter(|_| was_read) else {
            let unusable = looked
                .unusable
                .iter()
                .map(|why| format!("the Studio {why}"));
            let refusals = looked.failures.iter().map(|(_, why)| why.to_string());
            let why: Vec<String> = unusable.chain(refusals).collect();
            explanation.verdict = format!("may be mapped or not: {}", why.join("; "));
            return explanation;
        };
        if let Some(mapping) = actual.mappings.get(identity) {
            explanation.owned = self.table.owns(studio, &mapping.session_policy);
            explanation.session_policy = Some(mapping.session_policy.clone());
        }
        let plan = plan::plan(&self.table, studio, directory, reach, actual);
        let mut changes = plan.changes.iter();
        let change = changes.find(|change| change.identity == *identity);
        explanation.change = change.map(|change| change.action);
        explanation.verdict = verdict(&plan, identity, is_gone, &explanation);
        if explanation.wanted.is_none()
            && explanation.session_policy.is_none()
            && let Some(rule) = self.rule_for_members(studio, identity, directory)
        {
            explanation.verdict =
                format!("is not mapped as a group: rules[{rule}] maps its members, one by one");
        }
        explanation
    }

    /// The first rule that maps the members of a group, and not the group.
    fn rule_for_members(
        &self,
        studio: usize,
        identity: &Identity,
        directory: &Directory,
    ) -> Option<usize> {
        let mut rules = self.table.rules_of(studio);
        let selects = |rule: &Rule| {
            let selected = directory.selected.get(&rule.select);
            let ids = selected.and_then(Answer::known);
            rule.select.kind() == IdentityType::Group
                && rule.assign == Assign::Members
                && ids.is_some_and(|ids| ids.contains(&identity.id))
        };
        let is_group = identity.kind == IdentityType::Group;
        let (rule, _) = rules.find(|(_, rule)| is_group && selects(rule))?;
        Some(rule)
    }
}

/// Why a plan withholds what it does.
fn withheld(plan: &StudioPlan, identity: &Identity) -> String {
    let doubts: BTreeSet<String> = plan.doubts_of(identity).map(ToString::to_string).collect();
    let doubts: Vec<String> = doubts.into_iter().collect();
    format!("withheld: {}", doubts.join("; "))
}

fn verdict(
    plan: &StudioPlan,
    identity: &Identity,
    is_gone: bool,
    explanation: &StudioExplanation,
) -> String {
    if let Some(action) = explanation.change {
        let will = match action {
            Action::Create => "is not mapped yet, and will be",
            Action::Update => "has another session policy, and will get this one",
            Action::Delete if is_gone => {
                "is mapped, and gone from the directory: the mapping will be deleted"
            }
            Action::Delete if explanation.losing_rules.is_empty() => {
                "is mapped, but no rule fits any more: the mapping will be deleted"
            }
            Action::Delete => {
                "is mapped, but rules do not apply to a user who is disabled: the mapping will be \
                 deleted"
            }
        };
        return will.to_owned();
    }
    if plan.withholds(identity) {
        return format!("would change, but not now: {}", withheld(plan, identity));
    }
    if let Some((_, reason)) = plan.left_alone.iter().find(|(one, _)| one == identity) {
        return match reason {
            LeftAlone::NotOurs => "has a mapping that is not the table's: left alone",
            LeftAlone::Unrelated => "has a mapping that is not the table's, and no rule fits",
            LeftAlone::Protected => "is protected: its mapping is left as it is",
        }
        .to_owned();
    }
    match (&explanation.wanted, explanation.losing_rules.is_empty()) {
        (Some(_), _) => "is mapped as the table says",
        (None, _) if is_gone => "is not mapped, and gone from the directory",
        (None, true) => "is not mapped: no rule fits",
        (None, false) => "is not mapped: rules fit, but do not apply to a user who is disabled",
    }
    .to_owned()
}
