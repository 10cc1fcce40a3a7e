//! Whether a trail of CloudTrail records the directory's changes: without one,
//! EventBridge hears of no call.

use aws_config::SdkConfig;
use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::operation::get_event_selectors::GetEventSelectorsOutput;
use aws_sdk_cloudtrail::types::{AdvancedEventSelector, ReadWriteType};

use super::{Finding, region};
use crate::aws::CallError;

pub(super) async fn recording(sdk: &SdkConfig) -> Finding {
    let about = format!("trail {}", region(sdk));
    match examined(&Client::new(sdk), &about).await {
        Ok(finding) => finding,
        Err(error) => Finding::not_told(&about, "cloudtrail", &error),
    }
}

/// One good trail is enough. Of the others, one that is switched off is worth
/// more words than one that is meant for something else.
async fn examined(client: &Client, about: &str) -> Result<Finding, CallError> {
    let trails = client.describe_trails().send().await;
    let trails = trails.map_err(|error| CallError::of("DescribeTrails", &error))?;
    let mut off = None;
    for trail in trails.trail_list() {
        // Another Region's trail, or the organization's, is known by its ARN only.
        let arn = trail.trail_arn().unwrap_or_default();
        let selectors = client.get_event_selectors().trail_name(arn).send().await;
        let selectors = selectors.map_err(|error| CallError::of("GetEventSelectors", &error))?;
        if !records_writes(&selectors) {
            continue;
        }
        let status = client.get_trail_status().name(arn).send().await;
        let status = status.map_err(|error| CallError::of("GetTrailStatus", &error))?;
        if status.is_logging() == Some(true) {
            let found = format!("{arn} records management events");
            return Ok(Finding::ok(about, found));
        }
        off = Some(arn);
    }
    Ok(match off {
        Some(arn) => Finding::problem(
            about,
            format!("{arn} is not logging"),
            format!("aws cloudtrail start-logging --name {arn}"),
        ),
        None => Finding::warning(
            about,
            "no trail records management events that write",
            "make one, unless changes are recorded in another account; docs/deployment.md, The trail",
        ),
    })
}

fn records_writes(selectors: &GetEventSelectorsOutput) -> bool {
    let basic = selectors.event_selectors().iter().any(|selector| {
        // Both are so unless they say otherwise.
        selector.include_management_events() != Some(false)
            && selector.read_write_type() != Some(&ReadWriteType::ReadOnly)
    });
    let mut advanced = selectors.advanced_event_selectors().iter();
    basic || advanced.any(selects_writes)
}

fn selects_writes(selector: &AdvancedEventSelector) -> bool {
    let has = |values: &[String], text: &str| values.iter().any(|value| value == text);
    let is_management = selector
        .field_selectors()
        .iter()
        .any(|field| field.field() == "eventCategory" && has(field.equals(), "Management"));
    let only_reads = selector.field_selectors().iter().any(|field| {
        field.field() == "readOnly"
            && (has(field.equals(), "true") || has(field.not_equals(), "false"))
    });
    is_management && !only_reads
}
