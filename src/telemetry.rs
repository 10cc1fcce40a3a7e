//! What the function says while it runs: JSON log lines, one for each change,
//! and one line of metrics for each invocation.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::time::ChronoUtc;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Mode;
use crate::error::Problem;
use crate::event::Event;
use crate::plan::Change;
use crate::policy::Studio;
use crate::report::{Outcome, Report};
use crate::studio::Refusal;
use crate::sync::{Pass, now_ms};

/// The namespace of the metrics.
pub const NAMESPACE: &str = "EmrStudioSync";

/// Sends log lines to standard output as JSON with a timestamp: without one,
/// Lambda's own filter takes every line for INFO. Our lines from `level` on
/// (`AWS_LAMBDA_LOG_LEVEL`; INFO unless it says), everybody else's from WARN on.
pub fn init(level: Option<&str>) {
    let ours = match level.map(str::to_ascii_uppercase).as_deref() {
        Some("TRACE") => LevelFilter::TRACE,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some("WARN") => LevelFilter::WARN,
        Some("ERROR" | "FATAL") => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    };
    let others = ours.min(LevelFilter::WARN);
    let filter = Targets::new()
        .with_default(others)
        .with_target(env!("CARGO_CRATE_NAME"), ours);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_timer(ChronoUtc::new("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned()));
    // Only a second subscriber in one process is refused, and then one is there.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
}

/// Sends log lines to standard error as text, for somebody at a terminal: none
/// at all at 0, and more from step to step.
#[cfg(feature = "cli")]
pub fn init_terminal(verbosity: u8) {
    let (ours, others) = match verbosity {
        0 => return,
        1 => (LevelFilter::INFO, LevelFilter::WARN),
        2 => (LevelFilter::DEBUG, LevelFilter::WARN),
        _ => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    let filter = Targets::new()
        .with_default(others)
        .with_target(env!("CARGO_CRATE_NAME"), ours);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_target(false)
        .with_timer(ChronoUtc::new("%H:%M:%S%.3f".to_owned()))
        .with_writer(std::io::stderr);
    // Only a second subscriber in one process is refused, and then one is there.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
}

/// One change, one record: who, where, what, by which rule, and because of
/// which events.
pub(crate) fn change<'e>(
    studio: &Studio,
    change: &Change,
    name: Option<&str>,
    outcome: Outcome,
    refusal: Option<&Refusal>,
    causes: impl Iterator<Item = &'e Event> + Clone,
) {
    let ids = |id: fn(&Event) -> Option<&str>| {
        let ids: Vec<&str> = causes.clone().filter_map(id).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    };
    let cause = ids(|event| event.id.as_deref());
    let cloudtrail = ids(|event| event.cloudtrail_id.as_deref());
    let error = refusal.map(Refusal::to_string);
    let action = change.action.name();
    // The level is part of a record's type, so each needs a line of its own.
    macro_rules! record {
        ($level:ident) => {
            tracing::$level!(
                action,
                outcome = outcome.name(),
                studio = studio.alias,
                studio_id = studio.id,
                identity_type = %change.identity.kind,
                identity_id = %change.identity.id,
                identity_name = name,
                session_policy = change.session_policy,
                previous_policy = change.previous_policy,
                rule = change.rule,
                via_group = change.via_group.as_ref().map(tracing::field::display),
                cause,
                cloudtrail,
                error,
                "change"
            )
        };
    }
    match outcome {
        Outcome::Done | Outcome::Planned => record!(info),
        Outcome::Failed => record!(error),
        Outcome::Held
        | Outcome::Withheld
        | Outcome::Skipped
        | Outcome::OverCapacity
        | Outcome::Remaining => record!(warn),
    }
}

/// The report, as one record; its changes have theirs already.
pub(crate) fn report(report: &Report) {
    for problem in &report.problems {
        tracing::warn!(problem, "problem");
    }
    let Report {
        mode,
        scope,
        reason,
        plan_id,
        created,
        updated,
        deleted,
        unchanged,
        held,
        over_capacity,
        failed,
        remaining,
        changes: _,
        problems,
    } = report;
    tracing::info!(
        mode,
        scope,
        reason,
        plan_id,
        created,
        updated,
        deleted,
        unchanged,
        held,
        over_capacity,
        failed,
        remaining,
        problems = problems.len(),
        "report"
    );
}

/// What an invocation adds to the metrics beside its pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that concern nothing.
    pub ignored: usize,
    /// Payloads and messages that could not be understood.
    pub rejected: usize,
    /// Requests sent to AWS.
    pub api_calls: u64,
    /// How many of them were throttled.
    pub throttled: u64,
}

/// The metrics of one invocation, as the line of CloudWatch's embedded metric
/// format. They carry the function's name, so that two of them in one account
/// don't add up.
pub fn metrics(pass: &Pass, counts: &Counts, function: Option<&str>) -> Value {
    let report = &pass.report;
    // What a plan would do has not been done.
    let done = |count: usize| match report.mode == Mode::Apply.name() {
        true => json!(count),
        false => json!(0),
    };
    let mut values: BTreeMap<&str, Value> = BTreeMap::from([
        ("Created", done(report.created)),
        ("Updated", done(report.updated)),
        ("Deleted", done(report.deleted)),
        ("Held", json!(report.held)),
        ("OverCapacity", json!(report.over_capacity)),
        ("Failed", json!(report.failed)),
        ("Ignored", json!(counts.ignored)),
        ("Rejected", json!(counts.rejected)),
        ("UnresolvedRules", json!(pass.unresolved_rules)),
        ("Throttled", json!(counts.throttled)),
        ("ApiCalls", json!(counts.api_calls)),
        ("FullPassCompleted", json!(u8::from(pass.full_and_complete))),
    ]);
    // The format takes at most 100 values of one metric in a line.
    match &pass.latencies_ms[..] {
        [] => {}
        [one] => drop(values.insert("EventToMappingMs", json!(one))),
        many => drop(values.insert("EventToMappingMs", json!(many[..many.len().min(100)]))),
    }
    let unit = |name: &str| {
        if name.ends_with("Ms") {
            "Milliseconds"
        } else {
            "Count"
        }
    };
    let metrics: Vec<Value> = values
        .keys()
        .map(|name| json!({ "Name": name, "Unit": unit(name) }))
        .collect();
    let dimensions = if function.is_some() {
        json!([["FunctionName"]])
    } else {
        json!([[]])
    };
    let mut line = json!({
        "_aws": {
            "Timestamp": now_ms(),
            "CloudWatchMetrics": [
                { "Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": metrics }
            ],
        },
    });
    if let Some(function) = function {
        line["FunctionName"] = json!(function);
    }
    for (name, value) in values {
        line[name] = value;
    }
    line
}

/// Writes a line of metrics: straight to standard output, where the log level
/// is not asked.
pub fn emit(metrics: &Value) {
    println!("{metrics}");
}

/// The one error that stops a start: every problem of the configuration.
pub fn wrong_configuration(problems: &[Problem]) {
    let text: Vec<String> = problems.iter().map(Problem::to_string).collect();
    tracing::error!(
        count = problems.len(),
        problems = %json!(text),
        "the configuration is wrong; nothing was started"
    );
}
