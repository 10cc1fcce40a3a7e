//! The identity store: its answers, as plain values. The only file that names
//! its client.
//!
//! Reads are whole or they are failures: every page is read, every row has to
//! have what makes it one, and a question about a hundred groups has to be
//! answered for each. What is not known is [`Answer::Unread`], never "no".

mod reading;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use aws_config::SdkConfig;
use aws_sdk_identitystore::Client;
use aws_sdk_identitystore::config::{Builder, Region};
use aws_sdk_identitystore::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_identitystore::types::error::ResourceNotFoundException;
use aws_sdk_identitystore::types::{
    AlternateIdentifier, GroupMembership, MemberId, ResourceType, UniqueAttribute, UserStatus,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::Document;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::aws::{CallError, Kind, Tally, Witness};
use crate::config::Config;
use crate::identity::Id;
use crate::pace::Pace;
use crate::policy::Selector;
use crate::policy::fit::Answer;
use reading::Remembered;
pub use reading::{Failure, Reading, Stale};

/// The Identity Store takes 20 calls a second of each kind: a burst of 5 on top
/// of the pace stays below that even in the first second.
const BURST: f64 = 5.0;

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
            pace: Pace::new(BURST, rate, Arc::clone(flight)),
            names: config.log_names,
            memory: Mutex::default(),
        }
    }

    /// The store's id.
    pub fn id(&self) -> &str {
        &self.store_id
    }

    async fn admit(
        &self,
        call: &'static str,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, CallError> {
        self.pace
            .admit(call, deadline)
            .await
            .map_err(|none| CallError::no_time(call, none))
    }

    /// GetGroupId: the group with exactly this display name.
    pub async fn group_id(&self, name: &str, deadline: Instant) -> Result<Answer<Id>, CallError> {
        let call = "GetGroupId";
        let _permit = self.admit(call, deadline).await?;
        let request = self.client.get_group_id().identity_store_id(&self.store_id);
        let answer = request
            .alternate_identifier(unique(call, "displayName", name)?)
            .send()
            .await;
        match answer {
            Ok(answer) => id(call, answer.group_id()).map(Answer::Is),
            Err(error) => gone_or(call, &error, ResourceType::Group),
        }
    }

    /// GetUserId: the user with exactly this user name.
    pub async fn user_id(&self, name: &str, deadline: Instant) -> Result<Answer<Id>, CallError> {
        let call = "GetUserId";
        let _permit = self.admit(call, deadline).await?;
        let request = self.client.get_user_id().identity_store_id(&self.store_id);
        let answer = request
            .alternate_identifier(unique(call, "userName", name)?)
            .send()
            .await;
        match answer {
            Ok(answer) => id(call, answer.user_id()).map(Answer::Is),
            Err(error) => gone_or(call, &error, ResourceType::User),
        }
    }

    /// DescribeGroup: its display name, if it has one.
    pub async fn describe_group(
        &self,
        group: &Id,
        deadline: Instant,
    ) -> Result<Answer<Option<String>>, CallError> {
        let call = "DescribeGroup";
        let _permit = self.admit(call, deadline).await?;
        let request = self
            .client
            .describe_group()
            .identity_store_id(&self.store_id);
        match request.group_id(group.as_str()).send().await {
            Ok(answer) => Ok(Answer::Is(answer.display_name)),
            Err(error) => gone_or(call, &error, ResourceType::Group),
        }
    }

    /// DescribeUser: the user name, and whether the user is enabled.
    pub(crate) async fn describe_user(
        &self,
        user: &Id,
        deadline: Instant,
    ) -> Result<Answer<Described>, CallError> {
        let call = "DescribeUser";
        let _permit = self.admit(call, deadline).await?;
        let request = self
            .client
            .describe_user()
            .identity_store_id(&self.store_id);
        match request.user_id(user.as_str()).send().await {
            Ok(answer) => Ok(Answer::Is(Described {
                // A status that is left out, or new, disables nobody.
                enabled: answer.user_status != Some(UserStatus::Disabled),
                name: answer.user_name,
            })),
            Err(error) => gone_or(call, &error, ResourceType::User),
        }
    }

    /// ListGroups, all pages: display names by id.
    async fn all_groups(&self, deadline: Instant) -> Result<BTreeMap<Id, String>, CallError> {
        let call = "ListGroups";
        let mut groups = BTreeMap::new();
        let request = self.client.list_groups().identity_store_id(&self.store_id);
        let mut pages = request.max_results(PAGE).into_paginator().send();
        loop {
            let permit = self.admit(call, deadline).await?;
            let Some(page) = pages.next().await else {
                return Err(endless(call));
            };
            let page = page.map_err(|error| CallError::of(call, &error))?;
            drop(permit);
            for group in page.groups() {
                let id = id(call, group.group_id())?;
                let name = match group.display_name() {
                    Some(name) => Some(name.to_owned()),
                    // It may have none, or the row may have lost it.
                    None => match self.describe_group(&id, deadline).await? {
                        Answer::Is(name) => name,
                        Answer::Gone | Answer::Unread => None,
                    },
                };
                name.map(|name| groups.insert(id, name));
            }
            if page.next_token().unwrap_or_default().is_empty() {
                break;
            }
        }
        Ok(groups)
    }

    /// ListGroupMemberships, all pages.
    async fn members(
        &self,
        group: &Id,
        deadline: Instant,
    ) -> Result<Answer<BTreeSet<Id>>, CallError> {
        let call = "ListGroupMemberships";
        let mut members = BTreeSet::new();
        let request = self
            .client
            .list_group_memberships()
            .identity_store_id(&self.store_id);
        let mut pages = request
            .group_id(group.as_str())
            .max_results(PAGE)
            .into_paginator()
            .send();
        loop {
            let permit = self.admit(call, deadline).await?;
            let Some(page) = pages.next().await else {
                return Err(endless(call));
            };
            drop(permit);
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    return gone_or(call, &error, ResourceType::Group);
                }
            };
            for row in page.group_memberships() {
                if row
                    .group_id()
                    .and_then(Id::from_service)
                    .is_some_and(|id| id != *group)
                {
                    return Err(CallError::malformed(call, "a row is about another group"));
                }
                let Some(MemberId::UserId(user)) = row.member_id() else {
                    return Err(CallError::malformed(call, "a row has no user id"));
                };
                members.insert(id(call, user)?);
            }
            if page.next_token().unwrap_or_default().is_empty() {
                break;
            }
        }
        Ok(Answer::Is(members))
    }

    /// Which of the asked groups hold a user.
    async fn groups_of(
        &self,
        user: &Id,
        asked: &BTreeSet<Id>,
        deadline: Instant,
    ) -> Result<Answer<BTreeSet<Id>>, NotRead> {
        if asked.len() > GROUPS_A_CALL {
            let all = self
                .all_groups_of(user, deadline)
                .await
                .map_err(NotRead::Failed)?;
            return Ok(all.map(|all| all.intersection(asked).cloned().collect()));
        }
        self.is_member_in(user, asked, deadline).await
    }

    /// IsMemberInGroups: one call for up to a hundred groups.
    async fn is_member_in(
        &self,
        user: &Id,
        asked: &BTreeSet<Id>,
        deadline: Instant,
    ) -> Result<Answer<BTreeSet<Id>>, NotRead> {
        let call = "IsMemberInGroups";
        let _permit = self.admit(call, deadline).await.map_err(NotRead::Failed)?;
        let request = self
            .client
            .is_member_in_groups()
            .identity_store_id(&self.store_id);
        let request = request.member_id(MemberId::UserId(user.as_str().to_owned()));
        let groups = asked
            .iter()
            .map(|group| group.as_str().to_owned())
            .collect();
        let answer = match request.set_group_ids(Some(groups)).send().await {
            Ok(answer) => answer,
            Err(error) => {
                return match not_found(&error) {
                    Some(ResourceType::User) => Ok(Answer::Gone),
                    Some(ResourceType::Group) => Err(NotRead::GroupGone),
                    _ => Err(NotRead::Failed(CallError::of(call, &error))),
                };
            }
        };
        let mut results: BTreeMap<Id, bool> = BTreeMap::new();
        for row in answer.results() {
            let about_user = row.member_id() == Some(&MemberId::UserId(user.as_str().to_owned()));
            if row.member_id().is_some() && !about_user {
                let malformed = CallError::malformed(call, "a row is about another user");
                return Err(NotRead::Failed(malformed));
            }
            let group = id(call, row.group_id().unwrap_or_default()).map_err(NotRead::Failed)?;
            results.insert(group, row.membership_exists());
        }
        if let Some(group) = asked.iter().find(|group| !results.contains_key(group)) {
            let malformed = CallError::malformed(call, format!("no row is about group {group}"));
            return Err(NotRead::Failed(malformed));
        }
        results.retain(|group, is_member| *is_member && asked.contains(group));
        Ok(Answer::Is(results.into_keys().collect()))
    }

    /// ListGroupMembershipsForMember, all pages: for when there are more groups
    /// to ask about than one IsMemberInGroups takes.
    async fn all_groups_of(
        &self,
        user: &Id,
        deadline: Instant,
    ) -> Result<Answer<BTreeSet<Id>>, CallError> {
        let call = "ListGroupMembershipsForMember";
        let mut groups = BTreeSet::new();
        let request = self
            .client
            .list_group_memberships_for_member()
            .identity_store_id(&self.store_id);
        let request = request.member_id(MemberId::UserId(user.as_str().to_owned()));
        let mut pages = request.max_results(PAGE).into_paginator().send();
        loop {
            let permit = self.admit(call, deadline).await?;
            let Some(page) = pages.next().await else {
                return Err(endless(call));
            };
            drop(permit);
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    return gone_or(call, &error, ResourceType::User);
                }
            };
            let group = |row: &GroupMembership| id(call, row.group_id().unwrap_or_default());
            for row in page.group_memberships() {
                groups.insert(group(row)?);
            }
            if page.next_token().unwrap_or_default().is_empty() {
                break;
            }
        }
        Ok(Answer::Is(groups))
    }
}

/// What DescribeUser tells that matters.
pub(crate) struct Described {
    pub(crate) enabled: bool,
    pub(crate) name: Option<String>,
}

/// Why it is not known which groups hold a user.
enum NotRead {
    /// One of the groups asked about does not exist.
    GroupGone,
    Failed(CallError),
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
        .map_err(|error| CallError {
            call,
            kind: Kind::Refused,
            text: error.to_string(),
        })
}

/// The paginator stops in silence when a page token comes twice. Had there been
/// no more pages, the last one would have had no token.
fn endless(call: &'static str) -> CallError {
    CallError::malformed(call, "a page token came twice")
}

/// [`Answer::Gone`] if the error says that a resource of this type is not
/// there, and nothing else: a store that is not there is a wrong setting.
fn gone_or<T, E>(
    call: &'static str,
    error: &SdkError<E, HttpResponse>,
    resource: ResourceType,
) -> Result<Answer<T>, CallError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match not_found(error) {
        Some(missing) if *missing == resource => Ok(Answer::Gone),
        _ => Err(CallError::of(call, error)),
    }
}

/// The type of the resource that a ResourceNotFoundException says is not there.
fn not_found<E: std::error::Error + 'static>(
    error: &SdkError<E, HttpResponse>,
) -> Option<&ResourceType> {
    let exception = error.as_service_error()?.source()?;
    exception
        .downcast_ref::<ResourceNotFoundException>()?
        .resource_type()
}
