//! EMR Studios: their mappings, as plain values, and the calls that change
//! them. The only file that names EMR's client, but for the one below it.

#[cfg(feature = "cli")]
mod all;
mod refusal;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_sdk_emr::Client;
use aws_sdk_emr::config::Region;
use aws_sdk_emr::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_emr::types::{IdentityType as EmrIdentityType, SessionMappingSummary};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::DateTime;
use tokio::sync::Semaphore;
use tokio::time::Instant;

#[cfg(feature = "cli")]
pub use all::all;
pub use refusal::Refusal;
use refusal::refusal;

use crate::aws::{self, CallError, Kind, Tally, Witness};
use crate::identity::{Id, Identity, IdentityType};
use crate::pace::Pace;
use crate::plan::{Action, Change, Mapping, Mappings};
use crate::policy::{self, Table};

/// One Studio's side of the service.
#[derive(Debug)]
pub struct Studio {
    id: String,
    client: Client,
    pace: Arc<Pace>,
    checked: Mutex<Option<Usable>>,
}

/// What DescribeStudio and ListStudios say of a Studio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// `es-…`
    pub id: String,
    /// What its owner called it.
    pub name: Option<String>,
    /// How people sign in to it: `SSO` or `IAM`. Only with `SSO` it can have
    /// mappings.
    pub auth_mode: Option<String>,
    /// `REQUIRED`, or `OPTIONAL`: people get in without a mapping too. Lists do
    /// not tell it.
    pub user_assignment: Option<String>,
}

impl Described {
    /// Whether people get in without a mapping.
    pub fn is_open(&self) -> bool {
        self.user_assignment.as_deref() == Some("OPTIONAL")
    }
}

/// What a Studio lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// Its mappings.
    pub mappings: Mappings,
    /// The kinds of those identities whose rows come without their ids: they are
    /// somebody's, and nobody can tell whose.
    pub nobodys: Vec<IdentityType>,
    /// Whether it was answered without its rows, and without a marker: it may be
    /// empty, or the answer may be broken.
    pub is_bare: bool,
}

/// A row of a list.
enum Row {
    Of(Identity, Mapping),
    Nobodys(IdentityType),
    Bare,
}

/// Whether a Studio can have mappings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Usable {
    /// It can.
    Yes {
        /// Whether people get in without one as well.
        is_open: bool,
    },
    /// It may: DescribeStudio is not permitted, so nobody knows.
    NotTold(String),
    /// It cannot: people sign in to it with IAM.
    No(String),
}

/// How a change went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// The mapping is now as it should be.
    Done,
    /// A mapping with another session policy has appeared since it was read.
    Collided,
}

impl Studio {
    /// The Studios of a table, in its order. EMR throttles by account, so those
    /// of one account share a pace, whatever their Region.
    pub async fn of_table(
        table: &Table,
        config: &SdkConfig,
        flight: &Arc<Semaphore>,
        tally: &Arc<Tally>,
    ) -> Vec<Studio> {
        let mut paces: HashMap<Option<&str>, Arc<Pace>> = HashMap::new();
        // One for all Studios that are reached alike: a role is assumed once, and not
        // for each of them.
        let mut clients: HashMap<_, Client> = HashMap::new();
        let mut studios = Vec::new();
        for studio in &table.studios {
            let reached = (&studio.region, &studio.role_arn, &studio.external_id);
            let client = match clients.get(&reached) {
                Some(client) => client.clone(),
                None => client(studio, config, tally).await,
            };
            clients.insert(reached, client.clone());
            let pace = paces.entry(studio.account()).or_insert_with(|| {
                let burst = f64::from(table.pace.emr_burst);
                Arc::new(Pace::new(
                    burst,
                    table.pace.emr_per_second,
                    Arc::clone(flight),
                ))
            });
            studios.push(Studio {
                id: studio.id.clone(),
                client,
                pace: Arc::clone(pace),
                checked: Mutex::default(),
            });
        }
        studios
    }

    /// DescribeStudio, once as long as the process lives: whether the Studio
    /// can have mappings.
    ///
    /// # Errors
    /// If it is not known, and may be another time.
    pub async fn usable(&self, deadline: Instant) -> Result<Usable, Refusal> {
        let checked = || self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = checked().clone() {
            return Ok(known);
        }
        let usable = match self.describe(deadline).await {
            Ok(described) => match described.auth_mode.as_deref() {
                Some(SSO) => Usable::Yes {
                    is_open: described.is_open(),
                },
                Some(other) => Usable::No(other.to_owned()),
                None => Usable::NotTold("its answer has no AuthMode".to_owned()),
            },
            Err(refusal) => match refusal {
                Refusal::Other(error) if error.kind == Kind::Denied => {
                    Usable::NotTold(error.to_string())
                }
                other => return Err(other),
            },
        };
        *checked() = Some(usable.clone());
        Ok(usable)
    }

    /// DescribeStudio.
    ///
    /// # Errors
    /// If it failed.
    pub async fn describe(&self, deadline: Instant) -> Result<Described, Refusal> {
        let call = "DescribeStudio";
        let request = self.client.describe_studio().studio_id(&self.id);
        let answer = self.call(call, deadline, async || request.clone().send().await);
        let answer = answer.await?;
        let studio = answer.studio();
        let auth_mode = studio.and_then(|studio| studio.auth_mode());
        Ok(Described {
            id: self.id.clone(),
            name: studio.and_then(|studio| studio.name()).map(str::to_owned),
            auth_mode: auth_mode.map(|mode| mode.as_str().to_owned()),
            user_assignment: studio
                .and_then(|studio| studio.idc_user_assignment())
                .map(|assignment| assignment.as_str().to_owned()),
        })
    }

    /// ListStudioSessionMappings, all pages.
    ///
    /// # Errors
    /// If any page failed, or any row is not whole but for the id of whose it is.
    pub async fn list(&self, deadline: Instant) -> Result<Listed, Refusal> {
        let call = "ListStudioSessionMappings";
        let request = self
            .client
            .list_studio_session_mappings()
            .studio_id(&self.id);
        let rows = self.pace.pages(call, BUCKET, deadline, async |marker| {
            let page = request.clone().set_marker(marker).send().await;
            let page = page.map_err(|error| CallError::of(call, &error))?;
            // An empty Studio may be answered so, and a broken one too.
            let is_bare = page.session_mappings.is_none() && page.marker.is_none();
            let bare = is_bare.then_some(Ok(Row::Bare));
            let rows = page
                .session_mappings()
                .iter()
                .map(|row| self.row(call, row));
            let rows = rows.chain(bare);
            Ok((rows.collect::<Result<Vec<_>, CallError>>()?, page.marker))
        });
        let mut listed = Listed::default();
        for row in rows.await.map_err(refusal)? {
            match row {
                Row::Of(identity, mapping) => {
                    listed.mappings.insert(identity, mapping);
                }
                Row::Nobodys(kind) => listed.nobodys.push(kind),
                Row::Bare => listed.is_bare = true,
            }
        }
        // Behind other pages it is one with nothing on it.
        listed.is_bare &= listed.mappings.is_empty() && listed.nobodys.is_empty();
        Ok(listed)
    }

    /// The same, for whoever wants to see what is there: with what is not whole, it
    /// is not seen.
    ///
    /// # Errors
    /// As above, and if a row does not say whose it is.
    pub async fn mappings(&self, deadline: Instant) -> Result<Mappings, Refusal> {
        let listed = self.list(deadline).await?;
        match listed.nobodys.is_empty() {
            true => Ok(listed.mappings),
            false => Err(Refusal::Other(CallError::malformed(
                "ListStudioSessionMappings",
                "a row has no identity id",
            ))),
        }
    }

    fn row(&self, call: &'static str, row: &SessionMappingSummary) -> Result<Row, CallError> {
        let malformed = |text: &str| CallError::malformed(call, text);
        if row.studio_id().is_some_and(|studio| studio != self.id) {
            return Err(malformed("a row is about another Studio"));
        }
        let kind = match row.identity_type() {
            Some(EmrIdentityType::User) => IdentityType::User,
            Some(EmrIdentityType::Group) => IdentityType::Group,
            _ => return Err(malformed("a row has no identity type")),
        };
        let Some(id) = row.identity_id().and_then(Id::from_service) else {
            return Ok(Row::Nobodys(kind));
        };
        let policy = row.session_policy_arn().filter(|policy| !policy.is_empty());
        let mapping = Mapping {
            session_policy: policy
                .ok_or_else(|| malformed("a row has no session policy"))?
                .to_owned(),
            name: row.identity_name().map(str::to_owned),
            created: row.creation_time().map(DateTime::secs),
            modified: None,
        };
        Ok(Row::Of(Identity { kind, id }, mapping))
    }

    /// GetStudioSessionMapping: the mapping of one identity, if it has one.
    ///
    /// # Errors
    /// If it is not known whether it has one.
    pub async fn mapping(
        &self,
        identity: &Identity,
        deadline: Instant,
    ) -> Result<Option<Mapping>, Refusal> {
        let call = "GetStudioSessionMapping";
        let malformed = |text: &str| CallError::malformed(call, text);
        let request = self
            .client
            .get_studio_session_mapping()
            .studio_id(&self.id)
            .identity_type(emr(identity.kind))
            .identity_id(identity.id.as_str());
        let answer = self.pace.call(call, BUCKET, deadline, async || {
            let answer = request.clone().send().await;
            let answer = answer.map_err(|error| CallError::of(call, &error))?;
            let mapping = answer
                .session_mapping()
                .ok_or_else(|| malformed("it has no mapping"))?;
            let about = mapping.identity_id().and_then(Id::from_service);
            if about.is_some_and(|id| id != identity.id) {
                return Err(malformed("the mapping is another identity's"));
            }
            let policy = mapping
                .session_policy_arn()
                .filter(|policy| !policy.is_empty());
            let policy = policy.ok_or_else(|| malformed("it has no session policy"))?;
            Ok(Mapping {
                session_policy: policy.to_owned(),
                name: mapping.identity_name().map(str::to_owned),
                created: mapping.creation_time().map(DateTime::secs),
                modified: mapping.last_modified_time().map(DateTime::secs),
            })
        });
        match answer.await.map_err(refusal) {
            Ok(mapping) => Ok(Some(mapping)),
            Err(Refusal::NotMapped) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Makes one change. A write whose answer was lost, and that was then sent
    /// again, ends right: what it wanted is there.
    ///
    /// # Errors
    /// If the mapping is not as the change wants it, or that is not known.
    pub async fn make(&self, change: &Change, deadline: Instant) -> Result<Made, Refusal> {
        match change.action {
            Action::Create => self.create(change, deadline).await,
            Action::Update => match self.update(change, deadline).await {
                Err(Refusal::NotMapped) => self.create(change, deadline).await,
                made => made,
            },
            Action::Delete => match self.delete(change, deadline).await {
                Err(Refusal::NotMapped) => Ok(Made::Done),
                made => made,
            },
        }
    }

    async fn create(&self, change: &Change, deadline: Instant) -> Result<Made, Refusal> {
        let call = "CreateStudioSessionMapping";
        let request = self
            .client
            .create_studio_session_mapping()
            .studio_id(&self.id)
            .identity_type(emr(change.identity.kind))
            .identity_id(change.identity.id.as_str())
            .set_session_policy_arn(change.session_policy.clone());
        let answer = self.call(call, deadline, async || request.clone().send().await);
        match answer.await {
            Ok(_) => Ok(Made::Done),
            Err(Refusal::AlreadyMapped) => match self.mapping(&change.identity, deadline).await? {
                Some(mapping)
                    if Some(&mapping.session_policy) == change.session_policy.as_ref() =>
                {
                    Ok(Made::Done)
                }
                Some(_) => Ok(Made::Collided),
                None => {
                    let text = "the mapping was there and gone again; somebody else changes it too";
                    Err(Refusal::Other(CallError::malformed(call, text)))
                }
            },
            Err(other) => Err(other),
        }
    }

    async fn update(&self, change: &Change, deadline: Instant) -> Result<Made, Refusal> {
        let request = self
            .client
            .update_studio_session_mapping()
            .studio_id(&self.id)
            .identity_type(emr(change.identity.kind))
            .identity_id(change.identity.id.as_str())
            .set_session_policy_arn(change.session_policy.clone());
        let call = "UpdateStudioSessionMapping";
        let answer = self.call(call, deadline, async || request.clone().send().await);
        answer.await.map(|_| Made::Done)
    }

    async fn delete(&self, change: &Change, deadline: Instant) -> Result<Made, Refusal> {
        let request = self
            .client
            .delete_studio_session_mapping()
            .studio_id(&self.id)
            .identity_type(emr(change.identity.kind))
            .identity_id(change.identity.id.as_str());
        let call = "DeleteStudioSessionMapping";
        let answer = self.call(call, deadline, async || request.clone().send().await);
        answer.await.map(|_| Made::Done)
    }

    /// Makes a call whose answer needs no more looking at.
    async fn call<T, E>(
        &self,
        call: &'static str,
        deadline: Instant,
        send: impl AsyncFn() -> Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<T, Refusal>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let attempt = async || send().await.map_err(|error| CallError::of(call, &error));
        self.pace
            .call(call, BUCKET, deadline, attempt)
            .await
            .map_err(refusal)
    }
}

/// The longest that one attempt at a call may take. A creation makes a chain of
/// calls behind the scenes; AWS's own clients wait for up to a minute.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// What is to be said of a Studio that people get into without a mapping.
pub const OPEN: &str = "mappings do not decide who may open it: its IdcUserAssignment is OPTIONAL, \
                        so people get in without one";

/// The AuthMode of Studios that have mappings.
pub const SSO: &str = "SSO";

/// All of EMR's calls share a bucket, as they do in the account.
const BUCKET: &str = "emr";

/// The client for Studios like this: in its Region, with its role's credentials.
async fn client(studio: &policy::Studio, config: &SdkConfig, tally: &Arc<Tally>) -> Client {
    let mut settings =
        aws_sdk_emr::config::Builder::from(config).timeout_config(aws::timeouts(ATTEMPT_TIMEOUT));
    if let Some(region) = &studio.region {
        settings = settings.region(Region::new(region.clone()));
    }
    if let Some(role) = &studio.role_arn {
        let mut provider = AssumeRoleProvider::builder(role)
            .session_name("emr-studio-sync")
            .configure(config);
        if let Some(external_id) = &studio.external_id {
            provider = provider.external_id(external_id);
        }
        settings = settings.credentials_provider(provider.build().await);
    }
    Client::from_conf(settings.interceptor(Witness(Arc::clone(tally))).build())
}

fn emr(kind: IdentityType) -> EmrIdentityType {
    match kind {
        IdentityType::User => EmrIdentityType::User,
        IdentityType::Group => EmrIdentityType::Group,
    }
}
