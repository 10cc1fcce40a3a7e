//! `adopt`: the table that keeps the mappings as they are. The first step of
//! everyone who has mappings already.

mod first;
mod kept;
mod present;
mod toml;
mod written;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;

use super::connection::Account;
use super::output::{put, tell_place};
use super::progress::watched;
use crate::policy::document::{Document, Studio};
use crate::policy::read;
use crate::studio::Described;

#[derive(Debug, Args)]
#[command(
    after_help = "The table goes to standard output, and keeps everything as it is: `plan` finds \
    nothing to do.\nThen change it to what it should be. Of a Studio that nobody is mapped to\n\
    it has rules for groups of the directory, commented out.\n\n\
    Example:\n  emr-studio-sync adopt --studio es-ABCDEFGHIJKLMNOPQRSTUVWXY > policy.toml"
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
    tell_place(&account.place(None).await?);
    account.knock().await?;
    let region = sdk.region().map(ToString::to_string).unwrap_or_default();
    let listed: BTreeMap<String, Option<Described>> = match studios.is_empty() {
        true => {
            let all = account.studios().await?.into_iter();
            all.map(|studio| (studio.id.clone(), Some(studio)))
                .collect()
        }
        false => studios.into_iter().map(|id| (id, None)).collect(),
    };
    let document = Document {
        studios: listed
            .keys()
            .map(|id| (id.clone(), Studio::with_id(id)))
            .collect(),
        ..Document::default()
    };
    let table = read::resolved(&document).map_err(|problems| {
        let problems = problems.into_iter().map(|problem| problem.message);
        format!("--studio: {}", problems.collect::<Vec<_>>().join("; "))
    })?;
    let engine = account.engine(store_id, table).await?;
    account.is_there(&engine).await?;
    let reading = present::read(&engine, &listed, &region);
    let present = watched(&engine, "reading", reading).await?;
    put(written::table(&present, &region)?)?;
    Ok(ExitCode::SUCCESS)
}
