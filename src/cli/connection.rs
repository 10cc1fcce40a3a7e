//! Where the tool's commands find AWS and the table: the flags they share.

use std::path::PathBuf;
use std::time::Duration;

use aws_config::Region;
use clap::Args;
use tokio::time::Instant;

use super::words::Words;
use crate::aws;
use crate::config::{Config, Mode};
use crate::event;
use crate::policy::read;
use crate::sync::Engine;

/// AWS as the AWS CLI finds it (profiles, SSO, roles, `AWS_ENDPOINT_URL_*`), an
/// identity store, and a table.
#[derive(Debug, Args)]
pub(super) struct Connection {
    /// The policy table, JSON or TOML
    #[arg(long, env = "POLICY_TABLE")]
    table: PathBuf,
    /// The identity store: its d-… id, its UUID or its ARN
    #[arg(long, env = "IDENTITY_STORE_ID")]
    identity_store_id: String,
    /// The Region of the identity store, if it is not the one of the Studios
    #[arg(long, env = "IDENTITY_STORE_REGION")]
    identity_store_region: Option<String>,
    /// The profile to use, as the AWS CLI has them
    #[arg(long)]
    profile: Option<String>,
    /// The Region of the Studios
    #[arg(long)]
    region: Option<String>,
}

/// The engine, and the words for what it does.
pub(super) struct Connected {
    pub(super) engine: Engine,
    pub(super) words: Words,
}

impl Connection {
    /// Connects. No call is made yet.
    pub(super) async fn connect(&self) -> Result<Connected, String> {
        let store = event::store_id(&self.identity_store_id).ok_or_else(|| {
            format!(
                "--identity-store-id: {:?} is not an identity store: give its d-… id, its UUID \
                 or its ARN",
                self.identity_store_id
            )
        })?;
        let text = super::read(&self.table)?;
        let (table, document) = read::table_and_document(&text, super::format_of(&self.table))
            .map_err(|problems| super::all_of(&self.table, &problems))?;
        let mut loader = aws::sdk_config();
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let sdk = loader.load().await;
        if sdk.region().is_none() {
            return Err("no Region: give --region, or set AWS_REGION or the profile's".to_owned());
        }
        let config = Config {
            identity_store_id: store.to_owned(),
            identity_store_region: self.identity_store_region.clone(),
            table,
            mode: Mode::Plan,
            log_names: false,
        };
        Ok(Connected {
            engine: Engine::new(&config, &sdk).await,
            words: Words::of(&document),
        })
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
