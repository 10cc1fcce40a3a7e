//! Who can open what: every mapping of every Studio, the rule behind it, and what the
//! next full pass would make of it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join;
use tokio::time::Instant;

use super::judge::Fates;
use super::observe::Observation;
use super::{Engine, Look};
use crate::identity::{Id, Identity, IdentityType};
use crate::policy::doubt::{Cause, Doubt};
use crate::policy::fit::Wanted;
use crate::report::Outcome;
use crate::studio::{OPEN, Usable};

/// Who can open what, as far as it could be read.
#[derive(Debug)]
pub struct Survey {
    /// Every mapping that was read, by Studio and identity.
    pub rows: Vec<Access>,
    /// The Studios whose mappings could not be read: that `rows` has none of
    /// theirs says nothing.
    pub unread: BTreeSet<usize>,
    /// What could not be read, in words.
    pub problems: Vec<String>,
    /// Rules and entries of `protect` that lead nowhere, and what follows.
    pub missing: Vec<String>,
    /// Of the Studios that were read, whether people get into them without a
    /// mapping; none where the service does not say.
    pub open: BTreeMap<usize, Option<bool>>,
    seen: Observation,
}

impl Survey {
    /// The members of a group, if they were read for a rule.
    pub fn members(&self, group: &Id) -> Option<&BTreeSet<Id>> {
        self.seen.reading.directory.members.get(group)?.known()
    }
}

/// What the next full pass would make of what a survey saw.
#[derive(Debug, Default)]
pub struct Forecast {
    /// What it would do to whose mapping, by Studio, and what would become of that.
    pub fates: BTreeMap<usize, Fates>,
    /// What waits, and why, in words.
    pub waits: Vec<String>,
}

/// One mapping, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Index into the table's Studios.
    pub studio: usize,
    /// Who is mapped.
    pub identity: Identity,
    /// The name the mapping was made under, where the service gives one.
    pub name: Option<String>,
    /// The ARN of its session policy.
    pub session_policy: String,
    /// When it was made, in seconds since 1970, where the service says.
    pub created: Option<i64>,
    /// Whether it is the table's.
    pub owned: bool,
    /// Whether the table protects it.
    pub protected: bool,
    /// The rule that wants it, if one does.
    pub rule: Option<usize>,
    /// The group through which that rule fits.
    pub via_group: Option<Id>,
    /// What the table says in its place, if that is another session policy.
    pub instead: Option<Wanted>,
    /// Whether not all was read that its rule follows from, so that one may want it
    /// although `rule` has none.
    pub doubtful: bool,
}

impl Engine {
    /// Reads every mapping of every Studio, or of one, and the rule that wants
    /// it so.
    pub async fn access(&self, studio: Option<usize>, deadline: Instant) -> Survey {
        let look = Look::everything(studio, deadline);
        let mut survey = Survey {
            rows: Vec::new(),
            unread: BTreeSet::new(),
            problems: Vec::new(),
            missing: Vec::new(),
            open: BTreeMap::new(),
            seen: self.observe(&look, true).await,
        };
        let seen = &survey.seen;
        let directory = &seen.reading.directory;
        survey.missing = self.unresolved(directory, studio);
        for failure in &seen.reading.failures {
            survey.problems.push(match &failure.about {
                Some(identity) => format!("{identity}: {}", failure.error),
                None => failure.error.to_string(),
            });
        }
        for (studio, looked) in &seen.studios {
            let name = self.name(*studio);
            let told = looked.unusable.iter().chain(&looked.remarks);
            let told = told.map(|why| format!("{name} {why}"));
            survey.problems.extend(told);
            let failures = looked.failures.iter();
            survey
                .problems
                .extend(failures.map(|(_, why)| format!("{name}: {why}")));
            let (Some(actual), Some(reach)) = (&looked.actual, &looked.reach) else {
                survey.unread.insert(*studio);
                continue;
            };
            // Remembered from the look above.
            let usable = self.studios[*studio].usable(deadline).await;
            survey.open.insert(
                *studio,
                match usable {
                    Ok(Usable::Yes { is_open }) => Some(is_open),
                    _ => None,
                },
            );
            let doubts = self.table.doubts(*studio, directory, reach);
            let is_missing = |doubt: &Doubt| matches!(doubt.cause, Cause::Missing { .. });
            let doubts: Vec<Doubt> = doubts.into_iter().filter(|one| !is_missing(one)).collect();
            let wanted = self.table.wanted(*studio, directory, reach);
            for (identity, mapping) in &actual.mappings {
                let (so, instead) = match wanted.get(identity) {
                    Some(wanted) if wanted.session_policy == mapping.session_policy => {
                        (Some(wanted), None)
                    }
                    other => (None, other),
                };
                let name = mapping.name.as_deref();
                survey.rows.push(Access {
                    studio: *studio,
                    identity: identity.clone(),
                    name: mapping.name.clone(),
                    session_policy: mapping.session_policy.clone(),
                    created: mapping.created,
                    owned: self.table.owns(*studio, &mapping.session_policy),
                    protected: self.table.protects(identity, name, directory),
                    rule: so.map(|wanted| wanted.rule),
                    via_group: so.and_then(|wanted| wanted.via_group.clone()),
                    instead: instead.cloned(),
                    doubtful: doubts.iter().any(|doubt| doubt.concerns(identity, false)),
                });
            }
        }
        survey
    }

    /// What the next full pass would make of what was seen. `gone`: who of those mapped
    /// has been looked up since, and is in the directory no more. Nothing is read
    /// again.
    pub async fn forecast(
        &self,
        survey: &mut Survey,
        gone: &BTreeSet<Identity>,
        deadline: Instant,
    ) -> Forecast {
        let mut forecast = Forecast::default();
        let seen = &mut survey.seen;
        for (studio, looked) in &mut seen.studios {
            if let Some(actual) = &mut looked.actual {
                actual.gone.extend(gone.iter().cloned());
            }
            let plan = self.plan(*studio, &seen.reading, looked);
            let Some(plan) = plan.filter(|plan| !plan.is_of_nothing_read()) else {
                continue;
            };
            let look = Look::everything(Some(*studio), deadline);
            let fates = self.fates(&look, looked, &plan).await;
            forecast.waits.extend(self.told_withheld(&plan));
            let held = fates.values().filter(|(_, fate)| *fate == Outcome::Held);
            let held = match held.count() {
                0 => None,
                1 => Some("1 deletion is held".to_owned()),
                count => Some(format!("{count} deletions are held")),
            };
            let name = self.name(*studio);
            forecast.waits.extend(held.map(|held| {
                format!("{name}: {held}, since too many would go at once, until somebody approves")
            }));
            forecast.fates.insert(*studio, fates);
        }
        forecast
    }

    /// What is to be said of a Studio that people get into without a mapping, or may.
    pub fn told_open(&self, studio: usize, is_open: Option<bool>) -> Option<String> {
        let name = self.name(studio);
        match is_open {
            Some(false) => None,
            Some(true) => Some(format!("{name}: {OPEN}")),
            None => Some(format!(
                "{name}: whether people get in without a mapping is not known: DescribeStudio \
                 did not say"
            )),
        }
    }

    /// The names of these users and groups, of those who have one and can be
    /// asked for.
    pub async fn names(
        &self,
        identities: &BTreeSet<Identity>,
        deadline: Instant,
    ) -> BTreeMap<Identity, String> {
        let of_kind = |kind| {
            let of_kind = identities.iter().filter(move |one| one.kind == kind);
            of_kind.map(|one| one.id.clone()).collect::<BTreeSet<Id>>()
        };
        let (users, groups) = (of_kind(IdentityType::User), of_kind(IdentityType::Group));
        let users_named = self.store.users(&users, deadline);
        let groups_named = self.store.groups(&groups, deadline);
        let (users_named, groups_named) = join(users_named, groups_named).await;
        let users = users.into_iter().zip(users_named).filter_map(|(id, told)| {
            let name = told.ok()?.known()?.name.clone()?;
            Some((Identity::user(id), name))
        });
        let groups = groups.into_iter().zip(groups_named);
        let groups = groups.filter_map(|(id, told)| {
            let name = told.ok()?.known()?.clone()?;
            Some((Identity::group(id), name))
        });
        users.chain(groups).collect()
    }
}
