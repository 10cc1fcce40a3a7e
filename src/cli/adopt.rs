//! `adopt`: the table that keeps the mappings as they are. The first step of
//! everyone who has mappings already.

mod present;
mod written;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use aws_config::SdkConfig;
use clap::Args;
use tokio::sync::Semaphore;

use super::connection::{Account, no_deadline};
use super::progress::watched;
use crate::pace::{IN_FLIGHT, Pace};
use crate::policy::document::{self, Document};
use crate::policy::read;
use crate::studio::{self, Described, SSO};

#[derive(Debug, Args)]
#[command(
    after_help = "The table goes to standard output, and keeps everything as it is: `plan` finds \
    nothing to do.\nThen change it to what it should be.\n\n\
    Example: emr-studio-sync adopt --identity-store-id d-1234567890 > policy.toml"
)]
pub(super) struct Arguments {
    /// Only this Studio; may be given several times. Otherwise all Studios of the
    /// account in this Region that people sign in to with IAM Identity Center
    #[arg(long = "studio", value_name = "ID")]
    studios: Vec<String>,
    #[command(flatten)]
    account: Account,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let Arguments { account, studios } = arguments;
    let (store_id, sdk) = (account.store_id()?, account.sdk().await?);
    let region = sdk.region().map(ToString::to_string).unwrap_or_default();
    let listed = match studios.is_empty() {
        true => all_studios(&sdk, &region).await?,
        false => studios.into_iter().map(|id| (id, None)).collect(),
    };
    let document = Document {
        studios: listed.keys().map(|id| with_id(id)).collect(),
        ..Document::default()
    };
    let table = read::resolved(&document).map_err(|problems| {
        let problems = problems.into_iter().map(|problem| problem.message);
        format!("--studio: {}", problems.collect::<Vec<_>>().join("; "))
    })?;
    let engine = account.engine(store_id, table).await?;
    let reading = present::read(&engine, &listed, &region);
    let present = watched(&engine, "reading", reading).await?;
    anstream::print!("{}", written::table(&present, &region)?);
    Ok(ExitCode::SUCCESS)
}

fn with_id(id: &str) -> (String, document::Studio) {
    let studio = document::Studio {
        id: id.to_owned(),
        ..document::Studio::default()
    };
    (id.to_owned(), studio)
}

/// The Studios of the account that can have mappings.
async fn all_studios(
    sdk: &SdkConfig,
    region: &str,
) -> Result<BTreeMap<String, Option<Described>>, String> {
    let (burst, rate) = {
        let pace = document::Pace::default();
        (f64::from(pace.emr_burst), pace.emr_per_second)
    };
    let pace = Pace::new(burst, rate, Arc::new(Semaphore::new(IN_FLIGHT)));
    let all = studio::all(sdk, pace, no_deadline()).await;
    let all = all.map_err(|refusal| refusal.to_string())?;
    let count = all.len();
    let is_sso = |studio: &Described| studio.auth_mode.as_deref().is_none_or(|mode| mode == SSO);
    let studios: BTreeMap<_, _> = all
        .into_iter()
        .filter(is_sso)
        .map(|studio| (studio.id.clone(), Some(studio)))
        .collect();
    match studios.is_empty() {
        true => Err(format!(
            "none of the {count} Studios of this account in {region} has AuthMode SSO, \
             so none can have mappings"
        )),
        false => Ok(studios),
    }
}
