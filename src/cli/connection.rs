//! Where the tool's commands find AWS and the table: the flags they share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use clap::Args;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use super::credentials::Kept;
use super::output::{Output, sayln};
use super::whereabouts::{self, Astray, EMR, IDENTITY_STORE, STS};
use super::words::Words;
use super::{credentials, output};
use crate::aws::{self, CallError, Kind};
use crate::config::{Config, Mode};
use crate::identity;
use crate::pace;
use crate::policy::Table;
use crate::policy::document::{Document, Pace};
use crate::studio::{self, Described, SSO};
use crate::sync::Engine;
use crate::visible;

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
    /// Do nothing if the credentials are another account's
    #[arg(long, value_name = "ID", value_parser = account)]
    expect_account: Option<String>,
    #[arg(skip)]
    asked: OnceCell<Asked>,
}

/// What there is to know before anything is done.
#[derive(Debug)]
struct Asked {
    sdk: SdkConfig,
    /// Of the credentials, if STS says so.
    account: Option<String>,
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
    /// Where it works, in a line.
    pub(super) place: String,
}

impl Account {
    /// The settings of the SDK. That there are credentials, and of which account, is
    /// asked once.
    pub(super) async fn sdk(&self) -> Result<SdkConfig, String> {
        Ok(self.asked().await?.sdk.clone())
    }

    async fn asked(&self) -> Result<&Asked, String> {
        let ask = || async {
            let sdk = self.unasked().await?;
            let profile = self.profile_name();
            let profile = profile.as_deref();
            credentials::found(&sdk, profile).await?;
            let is_needed = self.expect_account.is_some();
            let account = whereabouts::account(&sdk, profile, is_needed).await?;
            if account.is_none() {
                whereabouts::are_taken(&sdk, profile).await?;
            }
            let Some(expected) = &self.expect_account else {
                return Ok(Asked { sdk, account });
            };
            match &account {
                Some(account) if account == expected => {}
                Some(other) => {
                    return Err(format!(
                        "--expect-account: these are credentials of account {other}, not of \
                         {expected}"
                    ));
                }
                None => {
                    whereabouts::knock(STS, &sdk).await?;
                    return Err(
                        "--expect-account: STS does not say whose credentials these are".to_owned(),
                    );
                }
            }
            Ok(Asked { sdk, account })
        };
        self.asked.get_or_try_init(ask).await
    }

    /// For a command that says itself what is wrong with them, and where.
    pub(super) async fn leave_unasked(&self) -> Result<(), Astray> {
        if self.expect_account.is_none() {
            let (sdk, account) = (self.unasked().await?, None);
            // Nobody has asked before.
            let _ = self.asked.set(Asked { sdk, account });
        }
        Ok(())
    }

    /// The profile that is used, if one is named.
    fn profile_name(&self) -> Option<String> {
        let named = || std::env::var("AWS_PROFILE").ok();
        let named = self.profile.clone().or_else(named);
        named.filter(|name| !name.is_empty())
    }

    /// Whether the services that a command needs answer.
    pub(super) async fn knock(&self) -> Result<(), String> {
        self.knock_at_both().await?
    }

    /// Whether EMR answers; and if it does, whether the identity store does, if one is
    /// given: some of what is done goes without.
    ///
    /// # Errors
    /// If EMR does not.
    pub(super) async fn knock_at_both(&self) -> Result<Result<(), String>, String> {
        let sdk = self.sdk().await?;
        let region = self.identity_store_region.as_deref();
        let there = whereabouts::in_region(&sdk, region);
        let (emr, store) = tokio::join!(
            whereabouts::knock(EMR, &sdk),
            whereabouts::knock(IDENTITY_STORE, &there)
        );
        emr?;
        Ok(match self.store_if_given()? {
            Some(_) => store.map_err(String::from),
            None => Ok(()),
        })
    }

    /// Whether the identity store is where it is said to be.
    pub(super) async fn is_there(&self, engine: &Engine) -> Result<(), String> {
        let asking = engine.store().lists_users(no_deadline());
        let Ok(answer) = tokio::time::timeout(SOON, asking).await else {
            return Ok(());
        };
        match answer {
            Err(CallError {
                kind: Kind::Refused,
                text,
                ..
            }) => Err(format!(
                "{} is no identity store that there is ({text}): see `aws sso-admin \
                 list-instances`, and give --identity-store-region if it is in another Region",
                engine.store_id()
            )),
            _ => Ok(()),
        }
    }

    /// The account of the credentials, if STS says.
    pub(super) async fn id(&self) -> Result<Option<String>, String> {
        Ok(self.asked().await?.account.clone())
    }

    /// The partition and the account, if STS says.
    pub(super) async fn home(&self) -> Result<Option<(&'static str, String)>, String> {
        let Asked { sdk, account } = self.asked().await?;
        let partition = whereabouts::partition(whereabouts::region(sdk));
        Ok(account.clone().map(|account| (partition, account)))
    }

    /// Where it works, in a line.
    pub(super) async fn place(&self, table: Option<&Table>) -> Result<String, String> {
        let Asked { sdk, account } = self.asked().await?;
        let store = self.store_if_given()?;
        let region = self.identity_store_region.as_deref();
        let store = store.as_deref().map(|store| (store, region));
        let services = [EMR, IDENTITY_STORE];
        let account = account.as_deref();
        Ok(whereabouts::line(account, sdk, store, &services, table))
    }

    /// The settings as they are found. A profile that is given decides, whatever else
    /// is in the environment: who names one means that account.
    async fn unasked(&self) -> Result<SdkConfig, Astray> {
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
            let provider = SharedCredentialsProvider::new(provider);
            sdk = sdk.into_builder().credentials_provider(provider).build();
        }
        if let Some(provider) = sdk.credentials_provider() {
            let kept = SharedCredentialsProvider::new(Kept::of(provider));
            sdk = sdk.into_builder().credentials_provider(kept).build();
        }
        let Some(region) = sdk.region() else {
            // It would have been the profile's.
            if let Some(profile) = self.profile_name()
                && let Some(none) = credentials::no_profile(&profile).await
            {
                return Err(none);
            }
            return Err(Astray {
                what: "no Region".to_owned(),
                cure: "give --region, or set AWS_REGION or the profile's".to_owned(),
            });
        };
        let variables = ["AWS_REGION", "AWS_DEFAULT_REGION"];
        let variable = variables.into_iter().find(|name| is_set(name));
        let place = match &self.region {
            Some(_) => "--region",
            None => variable.unwrap_or("region in the profile"),
        };
        whereabouts::is_region(region.as_ref(), place)?;
        if let Some(region) = &self.identity_store_region {
            let variable = "IDENTITY_STORE_REGION";
            let place = match std::env::var(variable).is_ok_and(|value| value == *region) {
                true => variable,
                false => "--identity-store-region",
            };
            whereabouts::is_region(region, place)?;
        }
        whereabouts::are_urls(&sdk)?;
        Ok(sdk)
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
        let region = whereabouts::region(&sdk);
        if all.is_empty() {
            return Err(format!(
                "this account has no Studios in {region}: if they are in another Region, give \
                 --region or set AWS_REGION, and if in another account, --profile"
            ));
        }
        let may = |studio: &Described| studio.auth_mode.as_deref().is_none_or(|mode| mode == SSO);
        let some: Vec<Described> = all.into_iter().filter(may).collect();
        match some.is_empty() {
            true => Err(format!(
                "none of the {count} Studios of this account in {region} has AuthMode SSO, so none \
                 can have mappings"
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
        self.store_if_given()?.ok_or_else(|| {
            "no identity store: give --identity-store-id, or set IDENTITY_STORE_ID \
             (`aws sso-admin list-instances` shows it, d-…)"
                .to_owned()
        })
    }

    /// The same, for what goes without.
    ///
    /// # Errors
    /// If what was given is none: somebody wanted one.
    pub(super) fn store_if_given(&self) -> Result<Option<String>, String> {
        // An empty variable is an unset one.
        let given = self.identity_store_id.as_ref();
        let Some(given) = given.filter(|given| !given.is_empty()) else {
            return Ok(None);
        };
        let id = identity::store_id(given).ok_or_else(|| {
            format!(
                "--identity-store-id: {} is not an identity store: give its d-… id, its UUID \
                 or its ARN",
                visible::quoted(given)
            )
        })?;
        Ok(Some(id.to_owned()))
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
        let store_id = self.store_id()?;
        let place = self.place(Some(&table)).await?;
        self.knock().await?;
        if table.studios.iter().any(|studio| studio.role_arn.is_some()) {
            whereabouts::knock(STS, &self.sdk().await?).await?;
        }
        let engine = self.engine(store_id, table).await?;
        self.is_there(&engine).await?;
        Ok(Connected {
            engine,
            words: Words::of(document),
            place,
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

    /// Connects, once it is known that somebody answers there.
    pub(super) async fn connect(&self) -> Result<Connected, String> {
        let (table, document) = super::table::load(&self.table)?;
        self.account.connect(table, &document).await
    }

    /// Connects without a question asked, if [`Account::leave_unasked`] has left it so.
    pub(super) async fn unasked(&self) -> Result<Connected, String> {
        let (table, document) = super::table::load(&self.table)?;
        let place = self.account.place(Some(&table)).await?;
        Ok(Connected {
            engine: self.account.engine(self.account.store_id()?, table).await?,
            words: Words::of(&document),
            place,
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

/// Says on top where a command works: with the result, where people read that.
pub(super) fn say_place(place: &str, output: Output) -> Result<(), String> {
    match output {
        Output::Table => sayln!("{}", visible::line(place)),
        Output::Json | Output::Csv => output::tell_place(place),
    }
    Ok(())
}

/// An account's id, which the console shows as `1111-2222-3333`.
fn account(text: &str) -> Result<String, String> {
    let id = text.replace('-', "");
    match id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(id),
        false => Err("that is not the id of an account: it has twelve digits".to_owned()),
    }
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some()
}

/// So long the first question may take: what does not answer it may answer others.
const SOON: Duration = Duration::from_secs(2);

/// A person waits for as long as it takes, or stops it.
pub(super) fn no_deadline() -> Instant {
    Instant::now() + Duration::from_secs(24 * 3600)
}
