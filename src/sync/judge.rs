//! What of a plan may be made: what the deletion guard says, what a person has
//! approved, and how much room there is.

use std::collections::BTreeMap;

use super::memory::Orphan;
use super::observe::Seen;
use super::prepare::Prepared;
use super::{Engine, Look, Task};
use crate::aws::CallError;
use crate::config::Mode;
use crate::guard::{self, Occupancy, Verdict};
use crate::identity::{Identity, IdentityType};
use crate::plan::{Action, Change, StudioPlan};
use crate::report::{Outcome, Pass, WRONG_APPROVAL};
use crate::studio::Refusal;

/// What is to be done to the mappings of one Studio, and what becomes of it.
pub type Fates = BTreeMap<Identity, (Action, Outcome)>;

/// What happens to the deletions of one Studio's plan.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    /// Those that the guard was asked about.
    pub(super) deletions: Vec<Change>,
    /// Those that are known not to go, and that it is too soon to try again.
    pub(super) orphans: Vec<Change>,
    /// Those that did not go when they were tried last, a day ago: they were judged
    /// then, and are no flood.
    pub(super) again: Vec<Change>,
    /// What becomes of the deletions: done, if they may go.
    pub(super) fate: Outcome,
    /// Whether they are held because they are all that there is.
    pub(super) is_all: bool,
    /// Whether they may go because a person approved it.
    pub(super) approved: bool,
    pub(super) occupancy: Option<Occupancy>,
    /// Why the Studio's mappings could not be counted, if they could not.
    pub(super) refusal: Option<Refusal>,
    /// Why it is not known what was deleted before this process, if it is not.
    pub(super) forgotten: Option<CallError>,
}

impl Default for Judged {
    fn default() -> Judged {
        Judged {
            deletions: Vec::new(),
            orphans: Vec::new(),
            again: Vec::new(),
            fate: Outcome::Done,
            is_all: false,
            approved: false,
            occupancy: None,
            refusal: None,
            forgotten: None,
        }
    }
}

impl Engine {
    /// Asks the guard, and counts the Studio's mappings if it needs to know.
    pub(super) async fn judge(
        &self,
        task: &Task<'_>,
        plan: &StudioPlan,
        mut occupancy: Option<Occupancy>,
    ) -> Judged {
        if plan.of(Action::Delete).next().is_none() {
            return Judged {
                occupancy,
                ..Judged::default()
            };
        }
        let deadline = task.look.deadline;
        let forgotten = self.recall(&task.look).await;
        let (mut orphans, mut again, mut deletions) = (Vec::new(), Vec::new(), Vec::new());
        for change in plan.of(Action::Delete).cloned() {
            match self.orphan(plan.studio, &change.identity) {
                Some(Orphan::TooSoon) => orphans.push(change),
                Some(Orphan::Due) => again.push(change),
                None => deletions.push(change),
            }
        }
        let judged = Judged {
            orphans,
            again,
            occupancy,
            forgotten,
            ..Judged::default()
        };
        if deletions.is_empty() {
            return judged;
        }
        let studio_id = &self.table.studios[plan.studio].id;
        let planned: Vec<&Change> = deletions.iter().collect();
        let now_ms = self.now_ms();
        let ask = |owned: Option<usize>| {
            self.with_memory(|memory| {
                let (limits, window) = (&self.table.deletions, &memory.window);
                guard::judge(limits, window, studio_id, &planned, owned, now_ms)
            })
        };
        let mut verdict = ask(occupancy.map(|occupancy| occupancy.owned));
        let mut refusal = None;
        if verdict == Verdict::Count {
            match self.list(plan.studio, deadline).await {
                Ok((_, counted)) => {
                    occupancy = Some(counted);
                    verdict = ask(Some(counted.owned));
                }
                Err(error) => refusal = Some(error),
            }
        }
        if task.mode == Mode::Apply && verdict != Verdict::Count {
            let held = match verdict {
                Verdict::HoldAll => &planned[..],
                Verdict::Pass | Verdict::Hold | Verdict::Count => &[],
            };
            let held = held.iter().map(|change| &change.identity);
            self.with_memory(|memory| memory.window.hold(studio_id, held));
        }
        let fate = match verdict {
            Verdict::Pass => Outcome::Done,
            Verdict::Hold | Verdict::HoldAll => Outcome::Held,
            Verdict::Count => Outcome::Withheld,
        };
        Judged {
            deletions,
            fate,
            occupancy,
            refusal,
            is_all: verdict == Verdict::HoldAll,
            ..judged
        }
    }

    /// Lets held deletions go if exactly they were approved. With an approval of
    /// anything else nothing at all is deleted.
    pub(super) fn approve(&self, approved: &str, prepared: &mut [Prepared<'_>], pass: &mut Pass) {
        let held = self.plan_id(prepared, |fate| fate == Outcome::Held);
        // The guard may have forgotten since: the same set may pass unheld now.
        let all = self.plan_id(prepared, |fate| fate != Outcome::Withheld);
        if held.as_deref() == Some(approved) || (held.is_none() && all.as_deref() == Some(approved))
        {
            for one in prepared.iter_mut() {
                let judged = &mut one.judged;
                if judged.fate == Outcome::Held || held.is_none() {
                    judged.approved = judged.fate != Outcome::Withheld;
                }
                if judged.approved {
                    // Also what may fail now was approved, and is no flood.
                    let studio_id = &self.table.studios[one.studio].id;
                    self.with_memory(|memory| memory.window.hold(studio_id, []));
                }
                if judged.fate == Outcome::Held {
                    judged.fate = Outcome::Done;
                }
            }
            return;
        }
        for one in prepared.iter_mut() {
            if one.judged.fate == Outcome::Done && !one.judged.deletions.is_empty() {
                one.judged.fate = Outcome::Skipped;
            }
        }
        pass.report.problems.push(match &held {
            Some(current) => format!(
                "{WRONG_APPROVAL}{approved} is not the set of deletions held now, which is {current}; \
                 nothing was deleted. Look at the held deletions and approve that id"
            ),
            None => format!(
                "{WRONG_APPROVAL}{approved} is not a set of deletions held now; nothing was deleted"
            ),
        });
    }

    fn plan_id(&self, prepared: &[Prepared<'_>], with: impl Fn(Outcome) -> bool) -> Option<String> {
        let prepared = prepared.iter().filter(|one| with(one.judged.fate));
        guard::plan_id(prepared.flat_map(|one| {
            let studio = &self.table.studios[one.studio];
            let deletions = one.judged.deletions.iter();
            deletions.map(move |change| (studio, change))
        }))
    }

    /// What would become of each change of a plan in the next full pass.
    pub(super) async fn fates(&self, look: &Look<'_>, seen: &Seen, plan: &StudioPlan) -> Fates {
        let task = Task {
            look: look.clone(),
            approve: None,
            agreed: None,
            mode: Mode::Plan,
        };
        let judged = self.judge(&task, plan, seen.occupancy).await;
        let fate = match judged.fate {
            Outcome::Done => Outcome::Planned,
            waits => waits,
        };
        let mut fates = Fates::new();
        let mut put = |changes: &mut dyn Iterator<Item = &Change>, outcome| {
            fates.extend(changes.map(|one| (one.identity.clone(), (one.action, outcome))));
        };
        put(&mut plan.withheld.iter(), Outcome::Withheld);
        put(&mut judged.deletions.iter(), fate);
        put(&mut judged.orphans.iter(), Outcome::Orphan);
        put(&mut judged.again.iter(), Outcome::Planned);
        put(&mut plan.of(Action::Update), Outcome::Planned);
        let going = judged.deletions.iter().filter(|_| fate == Outcome::Planned);
        let leaving: Vec<&Change> = going.chain(&judged.again).collect();
        let creations: Vec<&Change> = plan.of(Action::Create).collect();
        let room = self.room(look, plan.studio, judged.occupancy, &creations);
        if let Ok(occupancy) = room.await {
            let studio = &self.table.studios[plan.studio];
            let (fitting, over) = guard::fit(studio, &occupancy, &leaving, creations);
            put(&mut fitting.into_iter(), Outcome::Planned);
            put(&mut over.into_iter(), Outcome::OverCapacity);
        }
        fates
    }

    /// How full a Studio is: counted in this pass if it was, remembered if that
    /// leaves room to spare, else counted now.
    pub(super) async fn room(
        &self,
        look: &Look<'_>,
        studio: usize,
        occupancy: Option<Occupancy>,
        creations: &[&Change],
    ) -> Result<Occupancy, Refusal> {
        if let Some(occupancy) = occupancy {
            return Ok(occupancy);
        }
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
        match self.remembered(studio).map(|listed| listed.occupancy) {
            _ if creations.is_empty() => Ok(Occupancy::default()),
            Some(occupancy) if fits_well(&occupancy) => Ok(occupancy),
            _ => {
                let listed = self.list(studio, look.deadline).await;
                listed.map(|(_, occupancy)| occupancy)
            }
        }
    }
}
