//! The answer to an invocation: what was looked at, and what came of it.

use serde::{Deserialize, Serialize};

use crate::identity::{Id, IdentityType};
use crate::plan::{Action, Change};
use crate::policy::Studio;

/// What one invocation did, or in mode `plan` would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// `plan` or `apply`.
    pub mode: &'static str,
    /// `nothing`, `user`, `group`, `users+groups` or `everything`.
    pub scope: &'static str,
    /// Why that was looked at, or why nothing was.
    pub reason: Option<String>,
    /// Identifies exactly the set of held deletions, if there are any.
    pub plan_id: Option<String>,
    /// Mappings created.
    pub created: usize,
    /// Mappings that got another session policy.
    pub updated: usize,
    /// Mappings deleted.
    pub deleted: usize,
    /// Mappings that were as they should be.
    pub unchanged: usize,
    /// Deletions that wait for approval.
    pub held: usize,
    /// Creations for which the Studio has no room.
    pub over_capacity: usize,
    /// Changes and reads that failed.
    pub failed: usize,
    /// Changes for which there was no time.
    pub remaining: usize,
    /// One entry for each change, whatever became of it.
    pub changes: Vec<ChangeReport>,
    /// What a person should know, in words.
    pub problems: Vec<String>,
}

/// One change, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeReport {
    /// What is done.
    pub action: Action,
    /// What became of it.
    pub outcome: Outcome,
    /// The Studio's alias.
    pub studio: String,
    /// The Studio's id.
    pub studio_id: String,
    /// `USER` or `GROUP`.
    pub identity_type: IdentityType,
    /// The identity's id.
    pub identity_id: Id,
    /// The session policy it gets.
    pub session_policy: Option<String>,
    /// The session policy it had.
    pub previous_policy: Option<String>,
    /// The rule that says so, by its place in the table.
    pub rule: Option<usize>,
    /// The group through which the rule fits.
    pub via_group: Option<Id>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was made.
    Done,
    /// It would be made: the mode is `plan`.
    Planned,
    /// A deletion that waits for approval.
    Held,
    /// A deletion or update without proof: something could not be read, or a
    /// group that a rule names is missing.
    Withheld,
    /// Not made, because nobody agreed to it: a deletion where the approval given
    /// was for another set, or a change that was not there yet when somebody at a
    /// terminal was asked.
    Skipped,
    /// A creation for which the Studio has no room.
    OverCapacity,
    /// It was tried in vain.
    Failed,
    /// There was no time for it.
    Remaining,
}

impl Outcome {
    /// The name it has in a report.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Planned => "planned",
            Outcome::Held => "held",
            Outcome::Withheld => "withheld",
            Outcome::Skipped => "skipped",
            Outcome::OverCapacity => "over_capacity",
            Outcome::Failed => "failed",
            Outcome::Remaining => "remaining",
        }
    }
}

impl Report {
    /// Adds a change and counts it.
    pub fn add(&mut self, studio: &Studio, change: &Change, outcome: Outcome) {
        let count = match (outcome, change.action) {
            (Outcome::Done | Outcome::Planned, Action::Create) => Some(&mut self.created),
            (Outcome::Done | Outcome::Planned, Action::Update) => Some(&mut self.updated),
            (Outcome::Done | Outcome::Planned, Action::Delete) => Some(&mut self.deleted),
            (Outcome::Held, _) => Some(&mut self.held),
            (Outcome::OverCapacity, _) => Some(&mut self.over_capacity),
            (Outcome::Failed, _) => Some(&mut self.failed),
            (Outcome::Remaining, _) => Some(&mut self.remaining),
            (Outcome::Withheld | Outcome::Skipped, _) => None,
        };
        if let Some(count) = count {
            *count += 1;
        }
        let Change {
            action,
            identity,
            session_policy,
            previous_policy,
            rule,
            via_group,
            name: _,
        } = change;
        self.changes.push(ChangeReport {
            action: *action,
            outcome,
            studio: studio.alias.clone(),
            studio_id: studio.id.clone(),
            identity_type: identity.kind,
            identity_id: identity.id.clone(),
            session_policy: session_policy.clone(),
            previous_policy: previous_policy.clone(),
            rule: *rule,
            via_group: via_group.clone(),
        });
    }
}
