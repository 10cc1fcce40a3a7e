//! The answer to an invocation: what was looked at, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config::Mode;
use crate::identity::{Id, Identity, IdentityType};
use crate::plan::{Action, Change, LeftAlone};
use crate::policy::Studio;
use crate::policy::fit::Reach;

/// What came of a pass: the report, and what only the function itself wants to
/// know of it.
#[derive(Debug, Default)]
pub struct Pass {
    /// The report.
    pub report: Report,
    /// Whom it looked at, by the Studio's place in the table.
    pub looked_at: BTreeMap<usize, Reach>,
    /// Who of them has to be looked at again, since something stood in the way
    /// that passes.
    pub unfinished: BTreeMap<usize, Reach>,
    /// The Studios in which changes were made, and for want of time not all.
    pub goes_on: BTreeSet<usize>,
    /// The Studios that did not answer in time.
    pub hang: BTreeSet<usize>,
    /// Whether it could deal with no Studio at all, for a reason that passes.
    pub dealt_with_none: bool,
    /// Of a full pass, whether all was read, and all that could be tried was tried.
    pub full_and_complete: Option<bool>,
    /// Whether it has seen to all that any message could tell which was sent before
    /// it began.
    pub covers: bool,
    /// When it began to read, in milliseconds since 1970.
    pub began_ms: i64,
    /// Reads and changes that failed for a reason that does not pass.
    pub refused: usize,
    /// Changes that lack proof.
    pub withheld: usize,
    /// Mappings of identities who are gone, and that cannot be deleted.
    pub orphans: usize,
    /// What differs from the table and stays so: in which Studio, whose, why.
    pub left_alone: Vec<(usize, Identity, LeftAlone)>,
    /// From an event's time to the change it led to, in milliseconds.
    pub latencies_ms: Vec<i64>,
    /// The names under which the mappings that were read had been made: all that
    /// is known of who is gone. For a terminal, never for a report or a log.
    pub names: BTreeMap<Identity, String>,
}

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
    /// Rules, and entries of `protect`, whose group or user is not there. Left out
    /// of the function's answer where there are none.
    #[serde(skip_serializing_if = "is_none")]
    pub unresolved: usize,
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
    /// A change without proof: something could not be read, or who a rule or an
    /// entry of `protect` names is missing.
    Withheld,
    /// Not made, because nobody agreed to it: a deletion where the approval given
    /// was for another set, or a change that was not there yet when somebody at a
    /// terminal was asked. Or a creation whose turn came so late that the
    /// membership was asked for again, and was there no more.
    Skipped,
    /// A creation for which the Studio has no room.
    OverCapacity,
    /// A creation for somebody who is gone: EMR does not know them, and neither
    /// does the directory.
    Gone,
    /// A deletion that EMR refuses because it does not know the identity any more,
    /// and neither does the directory. It is tried again once a day.
    Orphan,
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
            Outcome::Gone => "gone",
            Outcome::Orphan => "orphan",
            Outcome::Failed => "failed",
            Outcome::Remaining => "remaining",
        }
    }

    /// The word people read for it, wherever they do.
    pub fn words(self) -> &'static str {
        match self {
            Outcome::OverCapacity => "over capacity",
            Outcome::Orphan => "orphaned",
            other => other.name(),
        }
    }
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

/// What a problem begins with that says an approval was of another set of
/// deletions than is held.
pub const WRONG_APPROVAL: &str = "approve: ";

impl Report {
    /// What it says of an approval that was of another set than is held.
    pub fn wrong_approval(&self) -> Option<&str> {
        let mut problems = self.problems.iter().map(String::as_str);
        problems.find(|problem| problem.starts_with(WRONG_APPROVAL))
    }

    /// How many of what, in words: `2 created, 1 held`, or `2 to create` of a plan.
    /// Empty if there is nothing to count.
    pub fn counts(&self) -> String {
        let with = |outcome| {
            let changes = self.changes.iter();
            changes.filter(|change| change.outcome == outcome).count()
        };
        let [created, updated, deleted] = match self.mode == Mode::Plan.name() {
            true => ["to create", "to update", "to delete"],
            false => ["created", "updated", "deleted"],
        };
        let counts = [
            (self.created, created),
            (self.updated, updated),
            (self.deleted, deleted),
            (self.held, Outcome::Held.words()),
            (with(Outcome::Withheld), Outcome::Withheld.words()),
            (with(Outcome::Skipped), Outcome::Skipped.words()),
            (self.over_capacity, Outcome::OverCapacity.words()),
            (with(Outcome::Gone), Outcome::Gone.words()),
            (with(Outcome::Orphan), Outcome::Orphan.words()),
            (self.failed, Outcome::Failed.words()),
            (self.remaining, Outcome::Remaining.words()),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        counts.join(", ")
    }

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
            (Outcome::Withheld | Outcome::Skipped | Outcome::Gone | Outcome::Orphan, _) => None,
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
