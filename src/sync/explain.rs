//! Why an identity is, or is not, mapped. Reads, and never writes.

use std::collections::BTreeSet;

use serde::Serialize;
use tokio::time::Instant;

use super::observe::Observation;
use super::{Engine, Task};
use crate::config::Mode;
use crate::event::{Scope, Subject};
use crate::identity::{Id, Identity, IdentityType};
use crate::plan::{self, Action, LeftAlone, StudioPlan};
use crate::policy::fit::{Answer, Reach};

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
#[derive(Clone, Debug, PartialEq, Serialize)]
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
}

/// A rule that fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleExplanation {
    /// Its place in the table.
    pub rule: usize,
    /// The session policy it gives.
    pub session_policy: String,
    /// The group through which it fits.
    pub via_group: Option<Id>,
}

impl Engine {
    /// Explains one identity.
    pub async fn explain(&self, subject: &Subject, deadline: Instant) -> Explanation {
        let (kind, found) = match subject {
            Subject::Id(identity) => (identity.kind, Ok(Answer::Is(identity.id.clone()))),
            Subject::Name(IdentityType::User, name) => {
                (IdentityType::User, self.store.user_id(name, deadline).await)
            }
            Subject::Name(IdentityType::Group, name) => (
                IdentityType::Group,
                self.store.group_id(name, deadline).await,
            ),
        };
        let mut explanation = Explanation {
            action: "explain",
            identity_type: kind,
            identity_id: None,
            studios: Vec::new(),
            problems: Vec::new(),
        };
        let id = match found {
            Ok(Answer::Is(id)) => id,
            Ok(Answer::Gone | Answer::Unread) => {
                explanation
                    .problems
                    .push(format!("there is no {kind} of that name"));
                return explanation;
            }
            Err(error) => {
                explanation.problems.push(error.to_string());
                return explanation;
            }
        };
        let identity = Identity { kind, id };
        explanation.identity_id = Some(identity.id.clone());
        let task = Task {
            scope: Scope::Identities(BTreeSet::from([identity.clone()])),
            events: &[],
            studio: None,
            approve: None,
            mode: Mode::Plan,
            deadline,
        };
        let seen = self.observe(&task, &BTreeSet::new(), true).await;
        let failures = seen
            .reading
            .failures
            .iter()
            .map(|failure| failure.error.to_string());
        explanation.problems.extend(failures);
        let studios = seen.studios.keys();
        explanation.studios = studios
            .map(|one| self.explain_in(*one, &identity, &seen))
            .collect();
        explanation
    }

    fn explain_in(
        &self,
        studio: usize,
        identity: &Identity,
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
        let Some(actual) = &looked.actual else {
            let refusals = looked
                .failures
                .iter()
                .map(|(_, refusal)| refusal.to_string());
            let why: Vec<String> = looked
                .unusable
                .clone()
                .into_iter()
                .chain(refusals)
                .collect();
            explanation.verdict = format!("not known: the Studio {}", why.join("; "));
            return explanation;
        };
        if let Some(mapping) = actual.mappings.get(identity) {
            explanation.owned = self.table.owns(studio, &mapping.session_policy);
            explanation.session_policy = Some(mapping.session_policy.clone());
        }
        let plan = plan::plan(&self.table, studio, directory, reach, actual);
        explanation.verdict = verdict(&plan, identity, &explanation);
        explanation
    }
}

fn verdict(plan: &StudioPlan, identity: &Identity, explanation: &StudioExplanation) -> String {
    if let Some(change) = plan
        .changes
        .iter()
        .find(|change| change.identity == *identity)
    {
        let will = match change.action {
            Action::Create => "is not mapped yet, and will be",
            Action::Update => "has another session policy, and will get this one",
            Action::Delete => "is mapped, but no rule fits any more: the mapping will be deleted",
        };
        return will.to_owned();
    }
    if plan
        .withheld
        .iter()
        .any(|change| change.identity == *identity)
    {
        let doubts: Vec<String> = plan.doubts.iter().map(ToString::to_string).collect();
        return format!("would change, but that is withheld: {}", doubts.join("; "));
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
        (None, true) => "is not mapped: no rule fits",
        (None, false) => "is not mapped: rules fit, but not a user who is disabled or gone",
    }
    .to_owned()
}
