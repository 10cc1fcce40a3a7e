//! The identity store: its answers, as plain values. The only file that names
//! its client.
//!
//! Reads are whole or they are failures: every page is read, every row has to
//! have what makes it one, and a question about a hundred groups has to be
//! answered for each. What is not known is [`Answer::Unread`], never "no".

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_identitystore::Client;
use aws_sdk_identitystore::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_identitystore::types::error::ResourceNotFoundException;
use aws_sdk_identitystore::types::{
    AlternateIdentifier, GroupMembership, MemberId, ResourceType, UniqueAttribute, UserStatus,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::Document;
use futures_util::future::join_all;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::aws::{CallError, Kind};
use crate::identity::{Id, Identity};
use crate::pace::Pace;
use crate::policy::fit::{Answer, Directory, Reach};
use crate::policy::{Assign, OnDisabledUser, Selector, Table};

/// How long it is remembered which groups and users the selectors stand for.
const MEMORY: Duration = Duration::from_secs(5 * 60);
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

#[derive(Clone, Debug)]
struct Remembered {
    at: Instant,
    answer: Answer<BTreeSet<Id>>,
    names: BTreeMap<Identity, String>,
}

/// A reading of the directory, and what went wrong with it.
#[derive(Debug, Default)]
pub struct Reading {
    /// What was read.
    pub directory: Directory,
    /// What could not be.
    pub failures: Vec<Failure>,
    /// Whether anything of it was remembered, and not read just now.
    pub remembered: bool,
}

/// A read that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The one identity it was about, if it was about one.
    pub about: Option<Identity>,
    /// Why it failed.
    pub error: CallError,
}

/// A selected group was gone when its members were read: the selection was
/// stale, and has to be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale;

impl IdentityStore {
    /// A store, by its id. With `names`, the names of users are read where
    /// nothing else would ask for them.
    pub fn new(client: Client, store_id: String, pace: Pace, names: bool) -> IdentityStore {
        IdentityStore {
            client,
            store_id,
            pace,
            names,
            memory: Mutex::default(),
        }
    }

    /// The store's id.
    pub fn id(&self) -> &str {
        &self.store_id
    }

    /// Forgets everything.
    pub fn forget(&self) {
        self.with_memory(HashMap::clear);
    }

    /// Forgets which users the table's user names and ids stand for.
    pub fn forget_users(&self) {
        self.with_memory(|memory| {
            memory.retain(|selector, _| {
                matches!(selector, Selector::Group(_) | Selector::GroupId(_))
            });
        });
    }

    /// The selectors that stood for a group when they were last looked up.
    pub fn formerly_selecting(&self, group: &Id) -> BTreeSet<Selector> {
        self.with_memory(|memory| {
            let selects = |known: &Remembered| {
                known
                    .answer
                    .known()
                    .is_some_and(|groups| groups.contains(group))
            };
            memory
                .iter()
                .filter(|(_, known)| selects(known))
                .map(|(selector, _)| selector.clone())
                .collect()
        })
    }

    fn with_memory<T>(&self, f: impl FnOnce(&mut HashMap<Selector, Remembered>) -> T) -> T {
        f(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks up what each selector of the table stands for.
    pub async fn select(&self, table: &Table, deadline: Instant) -> Reading {
        let selectors = table.selectors();
        let mut reading = Reading::default();
        let remembered: BTreeMap<Selector, Remembered> = self.with_memory(|memory| {
            memory.retain(|_, known| known.at.elapsed() < MEMORY);
            memory
                .iter()
                .map(|(selector, known)| (selector.clone(), known.clone()))
                .collect()
        });
        let unknown: Vec<&Selector> = selectors
            .into_iter()
            .filter(|selector| !remembered.contains_key(selector))
            .collect();
        reading.remembered = !remembered.is_empty();

        let (patterns, single): (Vec<&Selector>, Vec<&Selector>) = unknown
            .into_iter()
            .partition(|selector| matches!(selector, Selector::Group(p) if p.exact().is_none()));
        let found = join_all(
            single
                .iter()
                .map(|selector| self.select_one(selector, deadline)),
        );
        let all_groups = async {
            if patterns.is_empty() {
                Ok(BTreeMap::new())
            } else {
                self.all_groups(deadline).await
            }
        };
        let (found, all_groups) = futures_util::future::join(found, all_groups).await;

        let at = Instant::now();
        let mut looked_up: BTreeMap<Selector, Remembered> = remembered;
        for (selector, found) in single.into_iter().zip(found) {
            match found {
                Ok((answer, names)) => {
                    looked_up.insert(selector.clone(), Remembered { at, answer, names });
                }
                Err(error) => reading.unread(selector, error),
            }
        }
        match all_groups {
            Ok(groups) => {
                for selector in patterns {
                    let Selector::Group(pattern) = selector else {
                        continue;
                    };
                    let fitting: Vec<(&Id, &String)> = groups
                        .iter()
                        .filter(|(_, name)| pattern.matches(name))
                        .collect();
                    let answer = Answer::Is(fitting.iter().map(|(id, _)| (*id).clone()).collect());
                    let name =
                        |(id, name): (&Id, &String)| (Identity::group(id.clone()), name.clone());
                    let names = fitting.into_iter().map(name).collect();
                    looked_up.insert(selector.clone(), Remembered { at, answer, names });
                }
            }
            Err(error) => {
                patterns
                    .iter()
                    .for_each(|selector| reading.unread(selector, error.clone()));
            }
        }
        for (selector, known) in &looked_up {
            reading
                .directory
                .selected
                .insert(selector.clone(), known.answer.clone());
            reading.directory.names.extend(known.names.clone());
        }
        self.with_memory(|memory| memory.extend(looked_up));
        reading
    }

    async fn select_one(
        &self,
        selector: &Selector,
        deadline: Instant,
    ) -> Result<(Answer<BTreeSet<Id>>, BTreeMap<Identity, String>), CallError> {
        let one = |id: &Id| BTreeSet::from([id.clone()]);
        let (answer, named) = match selector {
            Selector::Group(pattern) => {
                let name = pattern.exact().unwrap_or_default();
                (
                    self.group_id(name, deadline).await?.map(Identity::group),
                    Some(name.to_owned()),
                )
            }
            Selector::User(name) => (
                self.user_id(name, deadline).await?.map(Identity::user),
                Some(name.clone()),
            ),
            Selector::GroupId(id) => match self.describe_group(id, deadline).await? {
                Answer::Is(name) => (Answer::Is(Identity::group(id.clone())), name),
                gone => (gone.map(|_| Identity::group(id.clone())), None),
            },
            Selector::UserId(id) => match self.describe_user(id, deadline).await? {
                Answer::Is(user) => (Answer::Is(Identity::user(id.clone())), user.name),
                gone => (gone.map(|_| Identity::user(id.clone())), None),
            },
        };
        let names = match (&answer, named) {
            (Answer::Is(identity), Some(name)) => BTreeMap::from([(identity.clone(), name)]),
            _ => BTreeMap::new(),
        };
        Ok((answer.map(|identity| one(&identity.id)), names))
    }

    /// Reads the memberships, and whatever else the rules ask of users, for the
    /// reach of a pass in each Studio.
    ///
    /// # Errors
    /// If a selected group turned out to be gone.
    pub async fn fill(
        &self,
        table: &Table,
        reaches: &BTreeMap<usize, Reach>,
        reading: &mut Reading,
        deadline: Instant,
    ) -> Result<(), Stale> {
        let asked = groups_asked_for(table, |studio| reaches.contains_key(&studio), reading);
        let whole = |studio| reaches.get(&studio) == Some(&Reach::All);
        let listed = match reaches.values().any(|reach| *reach == Reach::All) {
            true => groups_asked_for(table, whole, reading),
            false => BTreeSet::new(),
        };
        let users: BTreeSet<Id> = reaches
            .values()
            .filter_map(Reach::users)
            .flatten()
            .cloned()
            .collect();
        let looked_up: Vec<&Id> = match asked.is_empty() {
            true => Vec::new(),
            false => users.iter().collect(),
        };

        let members = join_all(listed.iter().map(|group| self.members(group, deadline)));
        let groups_of = join_all(
            looked_up
                .iter()
                .map(|user| self.groups_of(user, &asked, deadline)),
        );
        let (members, groups_of) = futures_util::future::join(members, groups_of).await;
        for (group, members) in listed.into_iter().zip(members) {
            let members = match members {
                Ok(Answer::Gone) => return Err(Stale),
                Ok(members) => members,
                Err(error) => reading.failed(None, error),
            };
            reading.directory.members.insert(group, members);
        }
        for (user, groups) in looked_up.into_iter().zip(groups_of) {
            let groups = match groups {
                Ok(groups) => groups,
                Err(NotRead::GroupGone) => return Err(Stale),
                Err(NotRead::Failed(error)) => {
                    reading.failed(Some(Identity::user(user.clone())), error)
                }
            };
            reading.directory.groups_of.insert(user.clone(), groups);
        }
        self.describe_users(table, reaches, &users, reading, deadline)
            .await;
        Ok(())
    }

    async fn describe_users(
        &self,
        table: &Table,
        reaches: &BTreeMap<usize, Reach>,
        users: &BTreeSet<Id>,
        reading: &mut Reading,
        deadline: Instant,
    ) {
        let mut asked = BTreeSet::new();
        if table.on_disabled_user == OnDisabledUser::Remove {
            for (studio, reach) in reaches {
                let fits = table.fits(*studio, &reading.directory, reach);
                let identities = fits.into_iter().map(|fit| fit.identity);
                let users = identities.filter(|one| *one == Identity::user(one.id.clone()));
                asked.extend(users.map(|identity| identity.id));
            }
        }
        if self.names {
            asked.extend(users.iter().cloned());
        }
        asked.retain(|user| reading.directory.groups_of.get(user) != Some(&Answer::Gone));
        let answers = join_all(asked.iter().map(|user| self.describe_user(user, deadline))).await;
        for (user, answer) in asked.into_iter().zip(answers) {
            let identity = Identity::user(user.clone());
            let enabled = match answer {
                Ok(Answer::Is(described)) => {
                    let names = &mut reading.directory.names;
                    described.name.map(|name| names.insert(identity, name));
                    Answer::Is(described.enabled)
                }
                Ok(answer) => answer.map(|described| described.enabled),
                Err(error) => reading.failed(Some(identity), error),
            };
            reading.directory.enabled.insert(user, enabled);
        }
    }

    // ------------------------------------------------------------- the calls

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

    async fn describe_user(
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

impl Reading {
    fn unread(&mut self, selector: &Selector, error: CallError) {
        let unread = self.failed(None, error);
        self.directory.selected.insert(selector.clone(), unread);
    }

    fn failed<T>(&mut self, about: Option<Identity>, error: CallError) -> Answer<T> {
        self.failures.push(Failure { about, error });
        Answer::Unread
    }
}

/// What DescribeUser tells that matters.
struct Described {
    enabled: bool,
    name: Option<String>,
}

/// Why it is not known which groups hold a user.
enum NotRead {
    /// One of the groups asked about does not exist.
    GroupGone,
    Failed(CallError),
}

/// The groups whose members matter: to rules of these Studios, and to `protect`.
fn groups_asked_for(
    table: &Table,
    of_studio: impl Fn(usize) -> bool,
    reading: &Reading,
) -> BTreeSet<Id> {
    let rules = table
        .rules
        .iter()
        .filter(|rule| of_studio(rule.studio) && rule.assign == Assign::Members)
        .map(|rule| &rule.select);
    let protect = table
        .protect
        .iter()
        .filter(|entry| entry.assign != Some(Assign::Group))
        .map(|entry| &entry.select);
    rules
        .chain(protect)
        .filter(|selector| matches!(selector, Selector::Group(_) | Selector::GroupId(_)))
        .filter_map(|selector| reading.directory.selected.get(selector)?.known())
        .flatten()
        .cloned()
        .collect()
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
