//! Where the tool's commands find AWS and the table: the flags they share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_types::error::display::DisplayErrorContext;
use clap::Args;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::words::Words;
use crate::aws;
use crate::config::{Config, Mode};
use crate::identity;
use crate::pace;
use crate::policy::Table;
use crate::policy::document::{Document, Pace};
use crate::studio::{self, Described, SSO};
use crate::sync::Engine;

/// AWS as the AWS CLI finds it (profiles, SSO, roles, `AWS_ENDPOINT_URL_*`), and
/// an identity store.
#[derive(Debug, Args)]
#[command(next_help_heading = "AWS")]
pub(super) struct Account {
    /// The identity store: its d-… id, its UUID or its ARN
    #[arg(
        long,
        env = "IDENTITY_STORE_ID",
        hide_env_values = true,
        value_name = "ID"
    )]
    identity_store_id: Option<String>,
    /// The Region of the identity store, if it is not the one of the Studios
    #[arg(
        long,
        env = "IDENTITY_STORE_REGION",
        hide_env_values = true,
        value_name = "REGION"
    )]
    identity_store_region: Option<String>,
    /// The profile to use, as the AWS CLI has them
    #[arg(long)]
    profile: Option<String>,
    /// The Region of the Studios
    #[arg(long)]
    region: Option<String>,
}

/// An account, and a table to go by.
#[derive(Debug, Args)]
pub(super) struct Connection {
    /// The policy table, JSON or TOML
    #[arg(
        long,
        env = "POLICY_TABLE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    table: PathBuf,
    #[command(flatten)]
    account: Account,
}

/// The engine, and the words for what it does.
pub(super) struct Connected {
    pub(super) engine: Engine,
    pub(super) words: Words,
}

impl Account {
    /// The settings of the SDK. A profile that is given decides, whatever else is
    /// in the environment: who names one means that account.
    pub(super) async fn sdk(&self) -> Result<SdkConfig, String> {
        let mut loader = aws::sdk_config();
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let mut sdk = loader.load().await;
        if let Some(profile) = &self.profile {
            let settings = ProviderConfig::default()
                .with_http_client(aws::https())
                .with_region(sdk.region().cloned());
            let provider = ProfileFileCredentialsProvider::builder()
                .configure(&settings)
                .profile_name(profile)
                .build();
            let found = provider.provide_credentials().await;
            found.map_err(|error| match error {
                CredentialsError::CredentialsNotLoaded(_) => {
                    format!("--profile {profile}: there is none of that name with credentials")
                }
                other => format!("--profile {profile}: {}", DisplayErrorContext(other)),
            })?;
            let provider = SharedCredentialsProvider::new(provider);
            sdk = sdk.into_builder().credentials_provider(provider).build();
        }
        // An empty variable is an unset one.
        match sdk.region().filter(|region| !region.as_ref().is_empty()) {
            Some(_) => Ok(sdk),
            None => Err("no Region: give --region, or set AWS_REGION or the profile's".to_owned()),
        }
    }

    /// Every Studio of the account in this Region that may have mappings: where
    /// the service does not say how people sign in, it may.
    pub(super) async fn studios(&self) -> Result<Vec<Described>, String> {
        let Pace {
            emr_burst,
            emr_per_second,
            ..
        } = Pace::default();
        let flight = Arc::new(Semaphore::new(1));
        let pace = pace::Pace::new(f64::from(emr_burst), emr_per_second, flight);
        let sdk = self.sdk().await?;
        let all = studio::all(&sdk, pace, no_deadline()).await;
        let all = all.map_err(|why| why.to_string())?;
        let count = all.len();
        let may = |studio: &Described| studio.auth_mode.as_deref().is_none_or(|mode| mode == SSO);
        let some: Vec<Described> = all.into_iter().filter(may).collect();
        match some.is_empty() {
            true => Err(format!(
                "none of the {count} Studios of this account in {} has AuthMode SSO, so none can \
                 have mappings",
                sdk.region().map_or("", Region::as_ref)
            )),
            false => Ok(some),
        }
    }

    /// The Region of the identity store, if one was given.
    pub(super) fn store_region(&self) -> Option<String> {
        self.identity_store_region.clone()
    }

    /// The identity store, without the ARN it may have been given as.
    pub(super) fn store_id(&self) -> Result<String, String> {
        let Some(given) = &self.identity_store_id else {
            return Err(
                "no identity store: give --identity-store-id, or set IDENTITY_STORE_ID \
                 (`aws sso-admin list-instances` shows it, d-…)"
                    .to_owned(),
            );
        };
        let id = identity::store_id(given).ok_or_else(|| {
            format!(
                "--identity-store-id: {given:?} is not an identity store: give its d-… id, its \
                 UUID or its ARN"
            )
        })?;
        Ok(id.to_owned())
    }

    /// An engine for a table of one's own. No call is made yet.
    pub(super) async fn engine(&self, store_id: String, table: Table) -> Result<Engine, String> {
        let config = Config {
            identity_store_id: store_id,
            identity_store_region: self.identity_store_region.clone(),
            table,
            mode: Mode::Plan,
            log_names: false,
            access_events: false,
            log_group: None,
        };
        Ok(Engine::new(&config, &self.sdk().await?).await)
    }

    /// Connects, to go by a table that has been read already.
    pub(super) async fn connect(
        &self,
        table: Table,
        document: &Document,
    ) -> Result<Connected, String> {
        Ok(Connected {
            engine: self.engine(self.store_id()?, table).await?,
            words: Words::of(document),
        })
    }
}

impl Connection {
    /// The table's file.
    pub(super) fn table(&self) -> &Path {
        &self.table
    }

    /// Where AWS is.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Connects. No call is made yet.
    pub(super) async fn connect(&self) -> Result<Connected, String> {
        let (table, document) = super::table::load(&self.table)?;
        self.account.connect(table, &document).await
    }
}

impl Connected {
    /// The Studio that a flag names, by its place in the table.
    pub(super) fn studio(&self, name: &str) -> Result<usize, String> {
        let found = self.engine.table().studio_called(name);
        found.map_err(|why| format!("--studio: {why}"))
    }
}

/// A person waits for as long as it takes, or stops it.
pub(super) fn no_deadline() -> Instant {
    Instant::now() + Duration::from_secs(24 * 3600)
}
