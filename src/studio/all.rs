//! Every Studio of an account. The function knows its Studios from the table, and
//! has no permission for this; the operator's tool asks.

use aws_config::SdkConfig;
use aws_sdk_emr::Client;
use aws_sdk_emr::types::StudioSummary;
use std::sync::Arc;
use tokio::time::Instant;

use super::{BUCKET, Described, Refusal, refusal};
use crate::aws::{CallError, Witness};
use crate::pace::Pace;

/// ListStudios, all pages: every Studio of the account in this Region.
///
/// # Errors
/// If any page failed, or any row has no id.
pub async fn all(
    config: &SdkConfig,
    pace: Pace,
    deadline: Instant,
) -> Result<Vec<Described>, Refusal> {
    let call = "ListStudios";
    let settings = aws_sdk_emr::config::Builder::from(config);
    let settings = settings.interceptor(Witness(Arc::default()));
    let request = Client::from_conf(settings.build()).list_studios();
    let rows = pace.pages(call, BUCKET, deadline, async |marker| {
        let page = request.clone().set_marker(marker).send().await;
        let page = page.map_err(|error| CallError::of(call, &error))?;
        let row = |row: &StudioSummary| {
            let id = row.studio_id().filter(|id| !id.is_empty());
            Ok(Described {
                id: id
                    .ok_or_else(|| CallError::malformed(call, "a row has no id"))?
                    .to_owned(),
                name: row.name().map(str::to_owned),
                auth_mode: row.auth_mode().map(|mode| mode.as_str().to_owned()),
                user_assignment: None,
            })
        };
        let rows = page.studios().iter().map(row);
        Ok((rows.collect::<Result<Vec<_>, CallError>>()?, page.marker))
    });
    rows.await.map_err(refusal)
}
