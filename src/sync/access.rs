//! Who can open what: every mapping of every Studio, and the rule behind it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Engine, Task};
use crate::config::Mode;
use crate::event::Scope;
use crate::identity::{Id, Identity, IdentityType};

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
    /// Whether it is the table's.
    pub owned: bool,
    /// The rule that wants it, if one does.
    pub rule: Option<usize>,
    /// The group through which that rule fits.
    pub via_group: Option<Id>,
}

impl Engine {
    /// Reads every mapping of every Studio, and the rule that wants it so.
    /// Second, in words, what could not be read.
    pub async fn access(&self, deadline: Instant) -> (Vec<Access>, Vec<String>) {
        let task = Task {
            scope: Scope::Everything,
            events: &[],
            studio: None,
            approve: None,
            mode: Mode::Plan,
            deadline,
        };
        let seen = self.observe(&task, &BTreeSet::new(), true).await;
        let mut problems: Vec<String> = seen
            .reading
            .failures
            .iter()
            .map(|failure| failure.error.to_string())
            .collect();
        let mut rows = Vec::new();
        for (studio, looked) in &seen.studios {
            let name = self.name(*studio);
            problems.extend(looked.unusable.iter().map(|why| format!("{name} {why}")));
            problems.extend(
                looked
                    .failures
                    .iter()
                    .map(|(_, why)| format!("{name}: {why}")),
            );
            let (Some(actual), Some(reach)) = (&looked.actual, &looked.reach) else {
                continue;
            };
            let wanted = self.table.wanted(*studio, &seen.reading.directory, reach);
            for (identity, mapping) in &actual.mappings {
                let wanted = wanted
                    .get(identity)
                    .filter(|wanted| wanted.session_policy == mapping.session_policy);
                rows.push(Access {
                    studio: *studio,
                    identity: identity.clone(),
                    name: mapping.name.clone(),
                    session_policy: mapping.session_policy.clone(),
                    owned: self.table.owns(*studio, &mapping.session_policy),
                    rule: wanted.map(|wanted| wanted.rule),
                    via_group: wanted.and_then(|wanted| wanted.via_group.clone()),
                });
            }
        }
        (rows, problems)
    }

    /// The names of these users and groups, of those who have one and can be
    /// asked for.
    pub async fn names(
        &self,
        identities: &BTreeSet<Identity>,
        deadline: Instant,
    ) -> BTreeMap<Identity, String> {
        let name = |identity: Identity| async move {
            let name = match identity.kind {
                IdentityType::User => {
                    let user = self
                        .store
                        .describe_user(&identity.id, deadline)
                        .await
                        .ok()?;
                    user.known()?.name.clone()?
                }
                IdentityType::Group => {
                    let group = self
                        .store
                        .describe_group(&identity.id, deadline)
                        .await
                        .ok()?;
                    group.known()?.clone()?
                }
            };
            Some((identity, name))
        };
        let names = join_all(identities.iter().cloned().map(name)).await;
        names.into_iter().flatten().collect()
    }
}
