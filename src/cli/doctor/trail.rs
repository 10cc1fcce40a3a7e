//! Whether a trail of CloudTrail records the directory's changes: without one,
//! EventBridge hears of no call.

use aws_config::{Region, SdkConfig};
use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::operation::get_event_selectors::GetEventSelectorsOutput;
use aws_sdk_cloudtrail::types::{AdvancedEventSelector, ReadWriteType, Trail};

use super::{Finding, region};
use crate::aws::CallError;

pub(super) async fn recording(sdk: &SdkConfig) -> Finding {
    let about = format!("trail {}", region(sdk));
    match examined(sdk, &about).await {
        Ok(finding) => finding,
        Err(error) => Finding::not_told(&about, "cloudtrail", &error),
    }
}

/// What a trail does for EventBridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Records,
    IsOff,
    /// It is meant for something else.
    None,
}

/// One good trail is enough, whatever the others are.
async fn examined(sdk: &SdkConfig, about: &str) -> Result<Finding, CallError> {
    let trails = Client::new(sdk).describe_trails().send().await;
    let trails = trails.map_err(|error| CallError::of("DescribeTrails", &error))?;
    let (mut off, mut unread) = (None, None);
    for trail in trails.trail_list() {
        let arn = trail.trail_arn().unwrap_or_default();
        match use_of(sdk, trail).await {
            Ok(Use::Records) => {
                let found = format!("{arn} records management events");
                return Ok(Finding::ok(about, found));
            }
            Ok(Use::IsOff) => off = Some(arn),
            Ok(Use::None) => {}
            Err(error) => unread = Some(error),
        }
    }
    match (off, unread) {
        (Some(arn), _) => Ok(Finding::problem(
            about,
            format!("{arn} is not logging"),
            format!("aws cloudtrail start-logging --name {arn}"),
        )),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(Finding::warning(
            about,
            "no trail records management events that write",
            "make one, unless changes are recorded in another account; docs/deployment.md, The trail",
        )),
    }
}

/// Asks in the trail's own Region: the list has those of others too.
async fn use_of(sdk: &SdkConfig, trail: &Trail) -> Result<Use, CallError> {
    let arn = trail.trail_arn().unwrap_or_default();
    let home = trail.home_region().map(|home| Region::new(home.to_owned()));
    let client = Client::new(&sdk.to_builder().region(home).build());
    let selectors = client.get_event_selectors().trail_name(arn).send().await;
    let selectors = selectors.map_err(|error| CallError::of("GetEventSelectors", &error))?;
    if !records_writes(&selectors) {
        return Ok(Use::None);
    }
    let status = client.get_trail_status().name(arn).send().await;
    let status = status.map_err(|error| CallError::of("GetTrailStatus", &error))?;
    Ok(match status.is_logging() {
        Some(true) => Use::Records,
        _ => Use::IsOff,
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
