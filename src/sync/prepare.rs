//! From what was seen of a Studio to a plan that can be relied on, and what the
//! guard says to it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::judge::Judged;
use super::observe::Seen;
use super::readings::{Read, Readings};
use super::{Engine, Task};
use crate::aws::{CallError, Kind};
use crate::directory::Reading;
use crate::identity::Identity;
use crate::plan::{self, Action, Change, StudioPlan};
use crate::policy::Selector;
use crate::policy::doubt::{Doubt, Whom};
use crate::policy::fit::{Answer, Directory, Reach};
use crate::studio::Refusal;

/// A Studio, ready for its changes to be made.
#[derive(Clone)]
pub(super) struct Prepared<'r> {
    pub(super) studio: usize,
    /// Whom it was to look at.
    pub(super) asked: Reach,
    pub(super) seen: Seen,
    /// None where the Studio can have no mappings.
    pub(super) plan: Option<StudioPlan>,
    pub(super) judged: Judged,
    /// The reading that the plan rests on.
    pub(super) read: &'r Read,
}

impl Engine {
    /// Looks at a Studio and plans.
    pub(super) async fn prepare<'r>(
        &self,
        task: &Task<'_>,
        studio: usize,
        readings: &'r Readings<'_>,
    ) -> Prepared<'r> {
        let mut seen = self.see(studio, readings).await;
        let mut read = readings.first().await;
        let mut plan = self.plan(studio, &read.reading, &seen);
        if let Some(first) = &plan
            && read.reading.remembered
            && (first.needs_proof() || self.rests_on_an_old_name(first, read, task).await)
        {
            read = readings.again().await;
            plan = self.plan(studio, &read.reading, &seen);
        }
        let deadline = task.look.deadline;
        if self
            .see_who_is_gone(plan.as_ref(), &mut seen, deadline)
            .await
        {
            plan = self.plan(studio, &read.reading, &seen);
        }
        let judged = match &plan {
            Some(plan) => self.judge(task, plan, seen.occupancy).await,
            None => Judged::default(),
        };
        Prepared {
            studio,
            asked: read.reaches.get(&studio).cloned().unwrap_or(Reach::All),
            seen,
            plan,
            judged,
            read,
        }
    }

    /// The plan for a Studio; none if it can have no mappings.
    pub(super) fn plan(&self, studio: usize, reading: &Reading, seen: &Seen) -> Option<StudioPlan> {
        if seen.unusable.is_some() {
            return None;
        }
        let directory = &reading.directory;
        match (&seen.reach, &seen.actual) {
            (Some(reach), Some(actual)) => {
                Some(plan::plan(&self.table, studio, directory, reach, actual))
            }
            _ => {
                let mut failures = seen.failures.iter();
                let passes = failures.all(|(_, refusal)| refusal.is_transient());
                let what = format!("{}'s mappings", self.name(studio));
                let doubt = Doubt::unread(Whom::All, None, what, passes);
                Some(StudioPlan::blind(studio, doubt))
            }
        }
    }

    /// Whether a creation goes by a name that is remembered, and that who bore it
    /// bears no longer, or may bear no longer.
    async fn rests_on_an_old_name(&self, plan: &StudioPlan, read: &Read, task: &Task<'_>) -> bool {
        let deadline = task.look.deadline;
        let known = &read.reading.directory.groups;
        // One creation by a selector and a group stands for all.
        let named: BTreeSet<(&Selector, Identity)> = plan
            .of(Action::Create)
            .filter_map(|change| self.named(change))
            .filter(|(_, who)| !known.contains_key(&who.id))
            .collect();
        let asked = named.into_iter().map(async |(selector, who)| {
            let name = self.store.look_up(&who, deadline).await;
            let Ok(Answer::Is(Some(name))) = name else {
                return false;
            };
            match selector {
                Selector::Group(pattern) => pattern.is_borne_by(&name),
                Selector::User(user) => user.to_lowercase() == name.to_lowercase(),
                Selector::GroupId(_) | Selector::UserId(_) => true,
            }
        });
        join_all(asked).await.contains(&false)
    }

    /// The name a creation goes by, and who bore it when that was looked up.
    fn named(&self, creation: &Change) -> Option<(&Selector, Identity)> {
        let selector = &self.table.rules.get(creation.rule?)?.select;
        let group = creation.via_group.clone().map(Identity::group);
        let who = group.unwrap_or_else(|| creation.identity.clone());
        selector.is_name().then_some((selector, who))
    }

    /// Whether a change of a user's mapping still is what the table wants: asked
    /// again of the memberships, by what is known of the selectors.
    pub(super) async fn is_still_wanted(
        &self,
        studio: usize,
        change: &Change,
        directory: &Directory,
        deadline: Instant,
    ) -> Result<bool, CallError> {
        let user = &change.identity.id;
        let asked = &directory.asked_about;
        let groups = match asked.is_empty() {
            true => Answer::Is(BTreeSet::new()),
            false => match self.store.groups_of(user, asked, deadline).await {
                Ok(groups) => groups,
                // One of them has gone meanwhile.
                Err(error) if error.kind == Kind::NoGroup => return Ok(false),
                Err(error) => return Err(error),
            },
        };
        let mut enabled = directory.enabled.clone();
        enabled.retain(|one, _| one == user);
        let now = Directory {
            selected: directory.selected.clone(),
            asked_about: asked.clone(),
            groups_of: BTreeMap::from([(user.clone(), groups)]),
            enabled,
            ..Directory::default()
        };
        let reach = Reach::Only(BTreeSet::from([change.identity.clone()]));
        let wanted = self.table.wanted(studio, &now, &reach);
        let wanted = wanted.get(&change.identity);
        let name = change.name.as_deref();
        let is_protected =
            change.action != Action::Create && self.table.protects(&change.identity, name, &now);
        let policy = wanted.map(|wanted| &wanted.session_policy);
        Ok(policy == change.session_policy.as_ref() && !is_protected)
    }

    /// Looks up who of those mapped is gone, where that is all a change waits for.
    /// Returns whether anything was learned.
    pub(super) async fn see_who_is_gone(
        &self,
        plan: Option<&StudioPlan>,
        seen: &mut Seen,
        deadline: Instant,
    ) -> bool {
        let Some((plan, actual)) = plan.zip(seen.actual.as_mut()) else {
            return false;
        };
        let asked: Vec<&Identity> = plan.unless_gone().collect();
        let there = asked.iter().map(|who| self.is_there(who, deadline));
        let there = join_all(there).await;
        for (who, there) in asked.iter().zip(there) {
            match there {
                Ok(true) => {}
                Ok(false) => {
                    actual.gone.insert((*who).clone());
                }
                Err(error) => {
                    let what = format!("whether {who} is in the directory");
                    let whom = Whom::One((*who).clone());
                    let passes = error.is_transient();
                    actual.doubts.push(Doubt::unread(whom, None, what, passes));
                    let refusal = Refusal::Other(error);
                    seen.failures.push((Some((*who).clone()), refusal));
                }
            }
        }
        !asked.is_empty()
    }
}
