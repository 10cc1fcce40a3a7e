//! When the function last completed a full pass, by its metric.

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{Dimension, Metric, Statistic};
use aws_smithy_types::DateTime;
use chrono::Utc;

use super::{Finding, region};
use crate::aws::CallError;
use crate::pace::pages;
use crate::telemetry::NAMESPACE;

const METRIC: &str = "FullPassCompleted";
/// How far back to look: the longest FullPassEvery, and time to be late in.
const HOURS: i64 = 26;
/// Seconds; the fewest of which all these hours fit into one answer, rounded.
const PERIOD: i32 = 300;

pub(super) async fn last(sdk: &SdkConfig) -> Vec<Finding> {
    let client = Client::new(sdk);
    match examined(&client, region(sdk)).await {
        Ok(findings) => findings,
        Err(error) => vec![Finding::not_told(ABOUT, "cloudwatch", &error)],
    }
}

const ABOUT: &str = "full pass";

async fn examined(client: &Client, region: &str) -> Result<Vec<Finding>, CallError> {
    let mut findings = Vec::new();
    for metric in &metrics(client).await? {
        if let Some(function) = function_of(metric) {
            findings.push(of_function(client, function).await?);
        }
    }
    if findings.is_empty() {
        let found = format!("no function has reported in {region} these two weeks");
        let cure = "deploy it; if it is elsewhere, use that account's credentials and --region";
        findings.push(Finding::warning(ABOUT, found, cure));
    }
    Ok(findings)
}

async fn metrics(client: &Client) -> Result<Vec<Metric>, CallError> {
    let call = "ListMetrics";
    let request = client
        .list_metrics()
        .namespace(NAMESPACE)
        .metric_name(METRIC);
    pages(call, async |token| {
        let page = request.clone().set_next_token(token).send().await;
        let page = page.map_err(|error| CallError::of(call, &error))?;
        Ok((page.metrics.unwrap_or_default(), page.next_token))
    })
    .await
}

fn function_of(metric: &Metric) -> Option<&str> {
    let mut dimensions = metric.dimensions().iter();
    let function = dimensions.find(|one| one.name() == Some("FunctionName"))?;
    function.value()
}

async fn of_function(client: &Client, function: &str) -> Result<Finding, CallError> {
    let now = Utc::now().timestamp();
    let dimension = Dimension::builder()
        .name("FunctionName")
        .value(function)
        .build();
    let request = client
        .get_metric_statistics()
        .namespace(NAMESPACE)
        .metric_name(METRIC)
        .dimensions(dimension)
        .start_time(DateTime::from_secs(now - HOURS * 3600))
        .end_time(DateTime::from_secs(now))
        .period(PERIOD)
        .statistics(Statistic::Sum);
    let answer = request.send().await;
    let answer = answer.map_err(|error| CallError::of("GetMetricStatistics", &error))?;
    // A full pass that was not complete says 0.
    let full = answer
        .datapoints()
        .iter()
        .filter(|point| point.sum() > Some(0.0));
    let last = full
        .filter_map(|point| point.timestamp())
        .map(DateTime::secs)
        .max();
    Ok(match last {
        Some(at) => Finding::ok(
            ABOUT,
            format!("{function} completed one {} ago", age(now - at)),
        ),
        None => Finding::problem(
            ABOUT,
            format!("{function} has completed none in {HOURS} hours"),
            "invoke it with {\"action\":\"reconcile\"} and read its answer; docs/operations.md, \
             NoFullPassAlarm",
        ),
    })
}

fn age(seconds: i64) -> String {
    match seconds / 60 {
        minutes if minutes < 120 => format!("{minutes} minutes"),
        minutes => format!("{} hours", minutes / 60),
    }
}
