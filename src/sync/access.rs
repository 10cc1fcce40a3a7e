//! Who can open what: every mapping of every Studio, and the rule behind it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join;
use tokio::time::Instant;

use super::{Engine, Look};
use crate::identity::{Id, Identity, IdentityType};
use crate::policy::doubt::Cause;
use crate::policy::fit::Wanted;

/// Who can open what, as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// Every mapping that was read, by Studio and identity.
    pub rows: Vec<Access>,
    /// The Studios whose mappings could not be read: that `rows` has none of
    /// theirs says nothing.
    pub unread: BTreeSet<usize>,
    /// What could not be read, in words.
    pub problems: Vec<String>,
    /// The groups that the table names and that are not there, in words.
    pub missing: BTreeSet<String>,
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
    /// Whether the rules could not be read to the end, so that one may want it
    /// although `rule` has none.
    pub doubtful: bool,
}

impl Engine {
    /// Reads every mapping of every Studio, or of one, and the rule that wants
    /// it so.
    pub async fn access(&self, studio: Option<usize>, deadline: Instant) -> Survey {
        let look = Look::everything(studio, deadline);
        let seen = self.observe(&look, true).await;
        let directory = &seen.reading.directory;
        let mut survey = Survey::default();
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
            let mut doubtful = false;
            for doubt in self.table.doubts(*studio, directory, reach) {
                match doubt.cause {
                    Cause::Missing { .. } => drop(survey.missing.insert(doubt.to_string())),
                    Cause::Unread { .. } | Cause::BareList | Cause::Nobodys => doubtful = true,
                }
            }
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
                    doubtful,
                });
            }
        }
        survey
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
