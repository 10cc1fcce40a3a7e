//! What the function says while it runs: JSON log lines, one for each change,
//! and one line of metrics for each invocation, and for each Studio it changed.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::ChronoUtc;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Mode;
use crate::error::Problem;
use crate::plan::Action;
use crate::report::{Outcome, Pass, Report};

/// The namespace of the metrics.
pub const NAMESPACE: &str = "EmrStudioSync";

/// Sends log lines to standard output.
pub fn init(level: Option<&str>) {
    // Only a second subscriber in one process is refused, and then one is there.
    let _ = lines(level, std::io::stdout).try_init();
}

/// Writes log lines as JSON with a timestamp: without one, Lambda's own filter
/// takes every line for INFO. Our lines from `level` on (`AWS_LAMBDA_LOG_LEVEL`;
/// INFO unless it says), everybody else's from WARN on.
pub fn lines(
    level: Option<&str>,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
) -> impl Subscriber + Send + Sync {
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
        .with_timer(ChronoUtc::new("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned()))
        .with_writer(writer);
    tracing_subscriber::registry().with(filter).with(lines)
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
        .with_writer(|| Seen(std::io::stderr()));
    // Only a second subscriber in one process is refused, and then one is there.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
}

/// Lines that somebody reads at a terminal, whatever is quoted in them.
#[cfg(feature = "cli")]
struct Seen(std::io::Stderr);

#[cfg(feature = "cli")]
impl std::io::Write for Seen {
    fn write(&mut self, lines: &[u8]) -> std::io::Result<usize> {
        let seen = crate::visible::text(&String::from_utf8_lossy(lines));
        self.0.write_all(seen.as_bytes())?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
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
        unresolved,
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
        unresolved,
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
    /// Identities, and whole Studios, that are still to be looked at.
    pub unfinished: usize,
    /// Requests sent to AWS.
    pub api_calls: u64,
    /// How many of them were throttled.
    pub throttled: u64,
}

/// The metrics of one invocation, as the line of CloudWatch's embedded metric
/// format. They carry the function's name, so that two of them in one account
/// don't add up. `mode` is the function's own: in mode plan, what it would do
/// counts; a plan that somebody asks of a function that applies does not.
pub fn metrics(
    pass: &Pass,
    counts: &Counts,
    mode: Mode,
    function: Option<&str>,
    now_ms: i64,
) -> Value {
    let report = &pass.report;
    let changed = |count: usize| match report.mode == mode.name() {
        true => json!(count),
        false => json!(0),
    };
    let mut values: BTreeMap<&str, Value> = BTreeMap::from([
        ("Created", changed(report.created)),
        ("Updated", changed(report.updated)),
        ("Deleted", changed(report.deleted)),
        ("Held", json!(report.held)),
        ("Withheld", json!(pass.withheld)),
        ("OverCapacity", json!(report.over_capacity)),
        ("Failed", json!(pass.refused)),
        ("Orphans", json!(pass.orphans)),
        ("Unfinished", json!(counts.unfinished)),
        ("Ignored", json!(counts.ignored)),
        ("Rejected", json!(counts.rejected)),
        ("UnresolvedRules", json!(pass.report.unresolved)),
        ("Throttled", json!(counts.throttled)),
        ("ApiCalls", json!(counts.api_calls)),
    ]);
    // Silence is the sign that none was made: so nobody else says 0.
    if let Some(complete) = pass.full_and_complete {
        values.insert("FullPassCompleted", json!(u8::from(complete)));
    }
    // The format takes at most 100 values of one metric in a line.
    match &pass.latencies_ms[..] {
        [] => {}
        [one] => drop(values.insert("EventToMappingMs", json!(one))),
        many => drop(values.insert("EventToMappingMs", json!(many[..many.len().min(100)]))),
    }
    let dimensions: Vec<_> = function
        .map(|name| ("FunctionName", name))
        .into_iter()
        .collect();
    let mut line = line(values, &dimensions, now_ms);
    line["Version"] = json!(crate::VERSION);
    line
}

/// The metrics of each Studio in which something came of the pass, for a team that
/// has one: what is zero is left out, since each metric has its price. They carry
/// the Studio's alias beside the function's name.
pub fn of_studios(report: &Report, mode: Mode, function: Option<&str>, now_ms: i64) -> Vec<Value> {
    let mut studios: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for change in &report.changes {
        let name = match (change.outcome, change.action) {
            (Outcome::Done | Outcome::Planned, _) if report.mode != mode.name() => continue,
            (Outcome::Done | Outcome::Planned, Action::Create) => "Created",
            (Outcome::Done | Outcome::Planned, Action::Update) => "Updated",
            (Outcome::Done | Outcome::Planned, Action::Delete) => "Deleted",
            (Outcome::Held, _) => "Held",
            (Outcome::Withheld, _) => "Withheld",
            (Outcome::OverCapacity, _) => "OverCapacity",
            (Outcome::Failed, _) => "Failed",
            (Outcome::Orphan, _) => "Orphans",
            (Outcome::Skipped | Outcome::Gone | Outcome::Remaining, _) => continue,
        };
        *studios
            .entry(&change.studio)
            .or_default()
            .entry(name)
            .or_default() += 1;
    }
    let lines = studios.into_iter().map(|(studio, counts)| {
        let counts = counts.into_iter().map(|(name, count)| (name, json!(count)));
        let function = function.map(|name| ("FunctionName", name));
        let dimensions: Vec<_> = function.into_iter().chain([("Studio", studio)]).collect();
        line(counts.collect(), &dimensions, now_ms)
    });
    lines.collect()
}

/// A line of CloudWatch's embedded metric format.
fn line(values: BTreeMap<&str, Value>, dimensions: &[(&str, &str)], now_ms: i64) -> Value {
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
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": now_ms,
            "CloudWatchMetrics": [
                { "Namespace": NAMESPACE, "Dimensions": [names], "Metrics": metrics }
            ],
        },
    });
    for (name, value) in dimensions {
        line[*name] = json!(value);
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

/// The first line of a process: what it is.
pub fn started(mode: Mode) {
    tracing::info!(version = crate::VERSION, mode = mode.name(), "started");
}

/// What in the table is allowed, and hardly meant. Of many alike the first say it:
/// a log is read, and paid for, at each start.
pub fn warnings(warnings: &[Problem]) {
    const SHOWN: usize = 20;
    for warning in warnings.iter().take(SHOWN) {
        tracing::warn!(warning = %warning, "hardly meant in the table");
    }
    if let Some(more @ 1..) = warnings.len().checked_sub(SHOWN) {
        tracing::warn!(more, "hardly meant in the table; `check` shows all");
    }
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
