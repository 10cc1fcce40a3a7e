//! Where the tool's commands find AWS and the table: the flags they share.

use std::path::PathBuf;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use clap::Args;
use tokio::time::Instant;

use super::words::Words;
use crate::aws;
use crate::config::{Config, Mode};
use crate::event;
use crate::policy::Table;
use crate::policy::document::Document;
use crate::policy::read;
use crate::sync::Engine;

/// AWS as the AWS CLI finds it (profiles, SSO, roles, `AWS_ENDPOINT_URL_*`), and
/// an identity store.
#[derive(Debug, Args)]
#[command(next_help_heading = "AWS")]
pub(super) struct Account {
    /// The identity store: its d-… id, its UUID or its ARN
    #[arg(long, env = "IDENTITY_STORE_ID", value_name = "ID")]
    identity_store_id: Option<String>,
    /// The Region of the identity store, if it is not the one of the Studios
    #[arg(long, env = "IDENTITY_STORE_REGION", value_name = "REGION")]
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
    #[arg(long, env = "POLICY_TABLE", value_name = "FILE")]
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
    /// The settings of the SDK.
    pub(super) async fn sdk(&self) -> Result<SdkConfig, String> {
        let mut loader = aws::sdk_config();
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let sdk = loader.load().await;
        match sdk.region() {
            Some(_) => Ok(sdk),
            None => Err("no Region: give --region, or set AWS_REGION or the profile's".to_owned()),
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
        let id = event::store_id(given).ok_or_else(|| {
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
    /// Where AWS is.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Connects. No call is made yet.
    pub(super) async fn connect(&self) -> Result<Connected, String> {
        let text = super::read(&self.table)?;
        let (table, document) = read::table_and_document(&text, super::format_of(&self.table))
            .map_err(|problems| super::all_of(&self.table, &problems))?;
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
