//! Many names, or many users, at once: while each is asked for, the list they may
//! be in is read beside it, and whom that tells of needs no asking any more.
//!
//! A list only ever says who is there, and who may sign in. Whom it lacks, or calls
//! disabled, is asked about: so it takes nothing from anybody, however old it is, and
//! one that fails costs nothing but time.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::OnceLock;

use aws_sdk_identitystore::types::{User, UserStatus};
use futures_util::StreamExt;
use futures_util::future::{Either, join_all, select};
use futures_util::stream;
use tokio::time::Instant;

use super::{Described, IdentityStore, PAGE, failed};
use crate::aws::CallError;
use crate::identity::Id;
use crate::pace::IN_FLIGHT;
use crate::policy::fit::Answer;

/// Up to so many are asked for in a second or two, and no list is read.
const MANY: usize = 20;

/// The answers about each of those asked, in their order: by `ask`, or by the
/// `list` that is read meanwhile, whichever is sooner. Both have a pace of their
/// own, so that a few names in a large directory are not kept waiting for its list,
/// nor many in a small one for their turn.
pub(super) async fn ask_or_list<K: Eq + Hash, T: Clone>(
    asked: &[K],
    ask: impl AsyncFn(&K) -> Result<T, CallError>,
    list: impl Future<Output = HashMap<K, T>>,
) -> Vec<Result<T, CallError>> {
    if asked.len() <= MANY {
        // Boxed, as what the SDK makes of a call is large.
        return join_all(asked.iter().map(|key| Box::pin(ask(key)))).await;
    }
    let listed = OnceLock::new();
    let told = |key| {
        listed
            .get()
            .and_then(|all: &HashMap<K, T>| all.get(key))
            .cloned()
    };
    let answer = async |key| match told(key) {
        Some(answer) => Ok(answer),
        // Whom asking failed about, the list may have told of since.
        None => match Box::pin(ask(key)).await {
            Err(error) => told(key).ok_or(error),
            answer => answer,
        },
    };
    let answers = stream::iter(asked).map(answer).buffered(IN_FLIGHT);
    let answers = Box::pin(answers.collect());
    let list = Box::pin(async {
        let _ = listed.set(list.await);
    });
    match select(answers, list).await {
        Either::Left((answers, _)) => answers,
        Either::Right(((), answers)) => answers.await,
    }
}

/// What ListUsers tells of somebody.
pub(super) struct Listed {
    pub(super) id: Id,
    pub(super) name: String,
    /// Whether it says that the user may sign in. What it says of others may be old,
    /// and mappings would go by it.
    pub(super) is_enabled: bool,
}

impl IdentityStore {
    /// What DescribeUser tells of each of these, in their order. Of whom the list of
    /// all users tells sooner that they may sign in, that is taken for it; everybody
    /// else is asked about.
    pub async fn users(
        &self,
        users: &BTreeSet<Id>,
        deadline: Instant,
    ) -> Vec<Result<Answer<Described>, CallError>> {
        let asked: Vec<&Id> = users.iter().collect();
        let describe = async |user: &&Id| self.describe_user(user, deadline).await;
        let list = async {
            let is_asked = |user: &Id, _: &str| users.contains(user);
            let listed = self.users_listed(is_asked, deadline).await;
            let listed = listed.inspect_err(tell).unwrap_or_default().into_iter();
            let told = listed.filter(|user| user.is_enabled);
            let told = told.filter_map(|user| {
                let described = Described {
                    enabled: true,
                    name: Some(user.name),
                };
                Some((users.get(&user.id)?, Answer::Is(described)))
            });
            told.collect()
        };
        ask_or_list(&asked, describe, list).await
    }

    /// What DescribeGroup tells of each of these, in their order; or the list of all
    /// groups, which is taken for it where it has one.
    pub async fn groups(
        &self,
        groups: &BTreeSet<Id>,
        deadline: Instant,
    ) -> Vec<Result<Answer<Option<String>>, CallError>> {
        let asked: Vec<&Id> = groups.iter().collect();
        let describe = async |group: &&Id| self.describe_group(group, deadline).await;
        let list = async {
            let listed = self.all_groups(deadline).await;
            let listed = listed.inspect_err(tell).unwrap_or_default().into_iter();
            let told =
                listed.filter_map(|(id, name)| Some((groups.get(&id)?, Answer::Is(Some(name)))));
            told.collect()
        };
        ask_or_list(&asked, describe, list).await
    }

    /// ListUsers: the names that are asked about.
    ///
    /// # Errors
    /// If any page failed.
    pub async fn user_names(
        &self,
        is_asked: impl Fn(&str) -> bool,
        deadline: Instant,
    ) -> Result<Vec<String>, CallError> {
        let is_asked = |_: &Id, name: &str| is_asked(name);
        let listed = self.users_listed(is_asked, deadline).await?;
        Ok(listed.into_iter().map(|user| user.name).collect())
    }

    /// ListUsers: what it tells of those who are asked about.
    pub(super) async fn users_listed(
        &self,
        is_asked: impl Fn(&Id, &str) -> bool,
        deadline: Instant,
    ) -> Result<Vec<Listed>, CallError> {
        let call = "ListUsers";
        let request = self
            .client
            .list_users()
            .identity_store_id(&self.store_id)
            .max_results(PAGE);
        let row = |user: &User| {
            let (id, name) = (Id::from_service(user.user_id())?, user.user_name()?);
            let status = user.user_status();
            is_asked(&id, name).then(|| Listed {
                id,
                name: name.to_owned(),
                is_enabled: status.is_some_and(|status| *status != UserStatus::Disabled),
            })
        };
        let rows = self.pace.pages(call, call, deadline, async |token| {
            let page = request.clone().set_next_token(token).send().await;
            let page = page.map_err(|error| failed(call, &error))?;
            let rows = page.users().iter().filter_map(row).collect();
            Ok((rows, page.next_token))
        });
        rows.await
    }

    /// ListUsers: whether it is answered at all.
    ///
    /// # Errors
    /// If it is not.
    pub async fn lists_users(&self, deadline: Instant) -> Result<(), CallError> {
        let call = "ListUsers";
        let request = self.client.list_users().identity_store_id(&self.store_id);
        let send = async || request.clone().max_results(1).send().await;
        self.ask(call, deadline, send, |_| Ok(())).await
    }
}

/// A list that fails is no failure of the pass.
pub(super) fn tell(error: &CallError) {
    let problem = format!("{error}; each is asked for one by one, which takes longer");
    tracing::warn!(problem, "problem");
}
