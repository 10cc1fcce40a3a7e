//! The identity store: its answers, as plain values. The only file that names
//! its client, but for those below it.
//!
//! Reads are whole or they are failures: every page is read, every row has to
//! have what makes it one, and a question about a hundred groups has to be
//! answered for each. What is not known is [`Answer::Unread`], never "no".

mod failure;
mod many;
mod reading;
mod select;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_config::SdkConfig;
use aws_sdk_identitystore::Client;
use aws_sdk_identitystore::config::{Builder, Region};
use aws_sdk_identitystore::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_identitystore::operation::describe_group::DescribeGroupOutput;
use aws_sdk_identitystore::operation::describe_user::DescribeUserOutput;
use aws_sdk_identitystore::operation::get_group_id::GetGroupIdOutput;
use aws_sdk_identitystore::operation::get_user_id::GetUserIdOutput;
use aws_sdk_identitystore::operation::is_member_in_groups::IsMemberInGroupsOutput;
use aws_sdk_identitystore::types::{
    AlternateIdentifier, Group, GroupMembership, MemberId, UniqueAttribute, UserStatus,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::Document;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::aws::{CallError, Kind, Tally, Witness};
use crate::config::Config;
use crate::identity::{Id, Identity, IdentityType};
use crate::pace::Pace;
use crate::policy::Selector;
use crate::policy::fit::Answer;
use failure::{failed, or_gone};
pub use reading::{Failure, Reading, Stale};
use select::Remembered;

/// The Identity Store takes so many calls of one kind in a second. What the table's
/// pace leaves of them may go at once.
const A_SECOND: f64 = 20.0;

/// IsMemberInGroups takes 1 to 100 group ids.
const GROUPS_A_CALL: usize = 100;
/// The largest page the Identity Store gives.
const PAGE: i32 = 100;

/// The identity store, and what is remembered of it.
#[derive(Debug)]
pub struct IdentityStore {
    client: Client,
    store_id: String,
    pace: Pace,
    names: bool,
    memory: Mutex<HashMap<Selector, Remembered>>,
}

impl IdentityStore {
    /// The store of a configuration. Where names may be logged, users' names are
    /// read although nothing else would ask for them.
    pub fn new(
        config: &Config,
        sdk: &SdkConfig,
        flight: &Arc<Semaphore>,
        tally: &Arc<Tally>,
    ) -> IdentityStore {
        let mut settings = Builder::from(sdk).interceptor(Witness(Arc::clone(tally)));
        if let Some(region) = &config.identity_store_region {
            settings = settings.region(Region::new(region.clone()));
        }
        let rate = config.table.pace.identity_store_per_second;
        IdentityStore {
            client: Client::from_conf(settings.build()),
            store_id: config.identity_store_id.clone(),
            pace: Pace::new((A_SECOND - rate).max(1.0), rate, Arc::clone(flight)),
            names: config.log_names,
            memory: Mutex::default(),
        }
    }

    /// The store's id.
    pub fn id(&self) -> &str {
        &self.store_id
    }

    /// Makes a call, and reads its answer before it is believed.
    async fn ask<T, E, U>(
        &self,
        call: &'static str,
        deadline: Instant,
        send: impl AsyncFn() -> Result<T, SdkError<E, HttpResponse>>,
        read: impl Fn(T) -> Result<U, CallError>,
    ) -> Result<U, CallError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        // Each kind of call has a bucket of its own, as the service has it.
        let attempt = async || read(send().await.map_err(|error| failed(call, &error))?);
        self.pace.call(call, call, deadline, attempt).await
    }

    /// GetGroupId: the group with exactly this display name.
    ///
    /// # Errors
    /// If it is not known whether there is one.
    pub async fn group_id(&self, name: &str, deadline: Instant) -> Result<Answer<Id>, CallError> {
        let call = "GetGroupId";
        let request = self
            .client
            .get_group_id()
            .identity_store_id(&self.store_id)
            .alternate_identifier(unique(call, "displayName", name)?);
        let send = async || request.clone().send().await;
        let read = |answer: GetGroupIdOutput| id(call, answer.group_id());
        or_gone(self.ask(call, deadline, send, read).await, Kind::NoGroup)
    }

    /// GetUserId: the user with exactly this user name.
    ///
    /// # Errors
    /// If it is not known whether there is one.
    pub async fn user_id(&self, name: &str, deadline: Instant) -> Result<Answer<Id>, CallError> {
        let call = "GetUserId";
        let request = self
            .client
            .get_user_id()
            .identity_store_id(&self.store_id)
            .alternate_identifier(unique(call, "userName", name)?);
        let send = async || request.clone().send().await;
        let read = |answer: GetUserIdOutput| id(call, answer.user_id());
        or_gone(self.ask(call, deadline, send, read).await, Kind::NoUser)
    }

    /// DescribeGroup: its display name, if it has one.
    ///
    /// # Errors
    /// If it is not known whether there is such a group.
    pub async fn describe_group(
        &self,
        group: &Id,
        deadline: Instant,
    ) -> Result<Answer<Option<String>>, CallError> {
        let call = "DescribeGroup";
        let request = self
            .client
            .describe_group()
            .identity_store_id(&self.store_id)
            .group_id(group.as_str());
        let send = async || request.clone().send().await;
        let read = |answer: DescribeGroupOutput| Ok(answer.display_name);
        or_gone(self.ask(call, deadline, send, read).await, Kind::NoGroup)
    }

    /// DescribeUser: the user name, and whether the user is enabled.
    ///
    /// # Errors
    /// If it is not known whether there is such a user.
    pub async fn describe_user(
        &self,
        user: &Id,
        deadline: Instant,
    ) -> Result<Answer<Described>, CallError> {
        let call = "DescribeUser";
        let request = self
            .client
            .describe_user()
            .identity_store_id(&self.store_id)
            .user_id(user.as_str());
        let send = async || request.clone().send().await;
        let read = |answer: DescribeUserOutput| {
            Ok(Described {
                // A status that is left out, or new, disables nobody.
                enabled: answer.user_status != Some(UserStatus::Disabled),
                name: answer.user_name,
            })
        };
        or_gone(self.ask(call, deadline, send, read).await, Kind::NoUser)
    }

    /// The user or the group of exactly this name.
    ///
    /// # Errors
    /// If it is not known whether there is one.
    pub async fn called(
        &self,
        kind: IdentityType,
        name: &str,
        deadline: Instant,
    ) -> Result<Answer<Identity>, CallError> {
        let found = match kind {
            IdentityType::User => self.user_id(name, deadline).await,
            IdentityType::Group => self.group_id(name, deadline).await,
        };
        Ok(found?.map(|id| Identity { kind, id }))
    }

    /// Looks up whoever is known by id: the name, if there is one. This alone is
    /// the evidence by which anybody is called gone; what a list of memberships
    /// says of them is none.
    ///
    /// # Errors
    /// If it is not known whether there is such a user or group.
    pub async fn look_up(
        &self,
        identity: &Identity,
        deadline: Instant,
    ) -> Result<Answer<Option<String>>, CallError> {
        match identity.kind {
            IdentityType::User => {
                let user = self.describe_user(&identity.id, deadline).await?;
                Ok(user.map(|user| user.name))
            }
            IdentityType::Group => self.describe_group(&identity.id, deadline).await,
        }
    }

    /// ListGroups, all pages: display names by id.
    ///
    /// # Errors
    /// If any page failed, or any row has no id.
    pub async fn all_groups(&self, deadline: Instant) -> Result<BTreeMap<Id, String>, CallError> {
        let call = "ListGroups";
        let request = self
            .client
            .list_groups()
            .identity_store_id(&self.store_id)
            .max_results(PAGE);
        let rows = self.pace.pages(call, call, deadline, async |token| {
            let page = request.clone().set_next_token(token).send().await;
            let page = page.map_err(|error| failed(call, &error))?;
            let row = |group: &Group| Ok((id(call, group.group_id())?, group.display_name.clone()));
            let rows = page
                .groups()
                .iter()
                .map(row)
                .collect::<Result<Vec<_>, CallError>>()?;
            Ok((rows, page.next_token))
        });
        let mut groups = BTreeMap::new();
        for (group, name) in rows.await? {
            let name = match name {
                Some(name) => Some(name),
                // It may have none, or the row may have lost it.
                None => match self.describe_group(&group, deadline).await? {
                    Answer::Is(name) => name,
                    Answer::Gone | Answer::Unread { .. } => None,
                },
            };
            name.map(|name| groups.insert(group, name));
        }
        Ok(groups)
    }

    /// ListGroupMemberships, all pages.
    ///
    /// # Errors
    /// If any page failed, or any row is not whole.
    pub async fn members(
        &self,
        group: &Id,
        deadline: Instant,
    ) -> Result<Answer<BTreeSet<Id>>, CallError> {
        let members = self.members_up_to(usize::MAX, group, deadline).await?;
        Ok(match members {
            Answer::Is(Some(members)) => Answer::Is(members),
            Answer::Gone => Answer::Gone,
            // A list that was not read to its end is never an empty one.
            Answer::Is(None) => Answer::Unread { passes: false },
            Answer::Unread { passes } => Answer::Unread { passes },
        })
    }

    /// ListGroupMemberships, as long as there are no more than `most` members.
    /// Of a group that has more, nothing is said but that.
    ///
    /// # Errors
    /// If any page failed, or any row is not whole.
    pub async fn members_up_to(
        &self,
        most: usize,
        group: &Id,
        deadline: Instant,
    ) -> Result<Answer<Option<BTreeSet<Id>>>, CallError> {
        let call = "ListGroupMemberships";
        let request = self
            .client
            .list_group_memberships()
            .identity_store_id(&self.store_id)
            .group_id(group.as_str())
            .max_results(PAGE);
        let count = AtomicUsize::new(0);
        let rows = self.pace.pages(call, call, deadline, async |token| {
            let page = request.clone().set_next_token(token).send().await;
            let page = page.map_err(|error| failed(call, &error))?;
            let row = |row: &GroupMembership| {
                let of = row.group_id().and_then(Id::from_service);
                match row.member_id() {
                    _ if of.is_some_and(|of| of != *group) => {
                        Err(CallError::malformed(call, "a row is about another group"))
                    }
                    Some(MemberId::UserId(user)) => id(call, user),
                    _ => Err(CallError::malformed(call, "a row has no user id")),
                }
            };
            let rows = page.group_memberships().iter().map(row);
            let rows = rows.collect::<Result<Vec<_>, CallError>>()?;
            let until_now = count.fetch_add(rows.len(), Ordering::Relaxed) + rows.len();
            Ok((rows, page.next_token.filter(|_| until_now <= most)))
        });
        let members = rows
            .await
            .map(|rows| (rows.len() <= most).then(|| rows.into_iter().collect()));
        or_gone(members, Kind::NoGroup)
    }

    /// Which of the asked groups hold a user.
    ///
    /// # Errors
    /// [`Kind::NoGroup`] if one of the groups asked about is not there.
    pub async fn groups_of(
        &self,
        user: &Id,
        asked: &BTreeSet<Id>,
        deadline: Instant,
    ) -> Result<Answer<BTreeSet<Id>>, CallError> {
        if asked.len() > GROUPS_A_CALL {
            let all = self.all_groups_of(user, deadline).await?;
            return Ok(all.map(|all| all.intersection(asked).cloned().collect()));
        }
        self.is_member_in(user, asked, deadline).await
    }

    /// IsMemberInGroups: one call for up to a hundred groups.
    ///
    /// # Errors
    /// [`Kind::NoGroup`] if one of the groups asked about is not there.
    pub async fn is_member_in(
        &self,
        user: &Id,
        asked: &BTreeSet<Id>,
        deadline: Instant,
    ) -> Result<Answer<BTreeSet<Id>>, CallError> {
        let call = "IsMemberInGroups";
        let groups = asked
            .iter()
            .map(|group| group.as_str().to_owned())
            .collect();
        let request = self
            .client
            .is_member_in_groups()
            .identity_store_id(&self.store_id)
            .member_id(MemberId::UserId(user.as_str().to_owned()))
            .set_group_ids(Some(groups));
        let send = async || request.clone().send().await;
        let read = |answer: IsMemberInGroupsOutput| {
            let mut results: BTreeMap<Id, bool> = BTreeMap::new();
            for row in answer.results() {
                if let Some(MemberId::UserId(about)) = row.member_id()
                    && Id::from_service(about).as_ref() != Some(user)
                {
                    return Err(CallError::malformed(call, "a row is about another user"));
                }
                let group = id(call, row.group_id().unwrap_or_default())?;
                results.insert(group, row.membership_exists());
            }
            if let Some(group) = asked.iter().find(|group| !results.contains_key(group)) {
                return Err(CallError::malformed(
                    call,
                    format!("no row is about group {group}"),
                ));
            }
            results.retain(|group, is_member| *is_member && asked.contains(group));
            Ok(results.into_keys().collect())
        };
        or_gone(self.ask(call, deadline, send, read).await, Kind::NoUser)
    }

    /// ListGroupMembershipsForMember, all pages: for when there are more groups
    /// to ask about than one IsMemberInGroups takes.
    ///
    /// # Errors
    /// If any page failed, or any row is not whole.
    pub async fn all_groups_of(
        &self,
        user: &Id,
        deadline: Instant,
    ) -> Result<Answer<BTreeSet<Id>>, CallError> {
        let call = "ListGroupMembershipsForMember";
        let request = self
            .client
            .list_group_memberships_for_member()
            .identity_store_id(&self.store_id)
            .member_id(MemberId::UserId(user.as_str().to_owned()))
            .max_results(PAGE);
        let rows = self.pace.pages(call, call, deadline, async |token| {
            let page = request.clone().set_next_token(token).send().await;
            let page = page.map_err(|error| failed(call, &error))?;
            let row = |row: &GroupMembership| id(call, row.group_id().unwrap_or_default());
            let rows = page.group_memberships().iter().map(row);
            Ok((
                rows.collect::<Result<Vec<_>, CallError>>()?,
                page.next_token,
            ))
        });
        let groups = rows.await.map(|rows| rows.into_iter().collect());
        or_gone(groups, Kind::NoUser)
    }
}

/// What DescribeUser tells that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Whether the user may sign in.
    pub enabled: bool,
    /// The user name, if there is one.
    pub name: Option<String>,
}

fn id(call: &'static str, text: &str) -> Result<Id, CallError> {
    Id::from_service(text).ok_or_else(|| CallError::malformed(call, "the answer lacks an id"))
}

fn unique(
    call: &'static str,
    attribute: &str,
    value: &str,
) -> Result<AlternateIdentifier, CallError> {
    let unique = UniqueAttribute::builder()
        .attribute_path(attribute)
        .attribute_value(Document::String(value.to_owned()))
        .build();
    unique
        .map(AlternateIdentifier::UniqueAttribute)
        .map_err(|error| CallError::new(call, Kind::Refused, error.to_string()))
}
