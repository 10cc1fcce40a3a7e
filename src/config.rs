//! The function's environment, read once at its start and checked as a whole.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Problem;
use crate::identity::store_id;
use crate::policy::document::Document;
use crate::policy::read::Format;
use crate::policy::source::Source;
use crate::policy::{Table, lint, resolve};
use crate::visible::quoted;

/// What Lambda takes of environment variables, all of a function's together.
const ENVIRONMENT_LIMIT: usize = 4096;

/// Whether anything is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Reads, logs what would change, writes nothing.
    #[default]
    Plan,
    /// Makes the changes.
    Apply,
}

impl Mode {
    /// The name it has in the environment and in a report.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Plan => "plan",
            Mode::Apply => "apply",
        }
    }
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The identity store's id, without the ARN it may have been given as.
    pub identity_store_id: String,
    /// The Region of the identity store, if it is not the function's.
    pub identity_store_region: Option<String>,
    /// The policy table.
    pub table: Table,
    /// Whether anything is written.
    pub mode: Mode,
    /// Whether names of people and groups may stand in the log.
    pub log_names: bool,
    /// Whether the account's event bus is told of changed access.
    pub access_events: bool,
    /// The log group that the function writes to, which Lambda tells it.
    pub log_group: Option<String>,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Every problem it has, the table's included.
    pub fn from_env(var: impl Fn(&str) -> Option<String>) -> Result<Config, Vec<Problem>> {
        Config::with_warnings(var).map(|(config, _)| config)
    }

    /// Reads the environment, and says what in the table is hardly meant.
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn with_warnings(
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<(Config, Vec<Problem>), Vec<Problem>> {
        let mut problems = Vec::new();
        let mut wrong = |place: &str, message: String| problems.push(Problem::new(place, message));
        let var = |name: &str| var(name).filter(|value| !value.trim().is_empty());

        let store = var("IDENTITY_STORE_ID");
        let store_id = store.as_deref().and_then(store_id).map(str::to_owned);
        match (&store, &store_id) {
            (None, _) => wrong(
                "IDENTITY_STORE_ID",
                "is missing; `aws sso-admin list-instances` shows it (d-…)".to_owned(),
            ),
            (Some(given), None) => wrong(
                "IDENTITY_STORE_ID",
                format!(
                    "{} is not an identity store: give its d-… id, its UUID or its ARN",
                    quoted(given)
                ),
            ),
            _ => {}
        }
        let region = var("IDENTITY_STORE_REGION");
        if let Some(region) = region
            .as_deref()
            .filter(|region| !resolve::is_region(region))
        {
            wrong(
                "IDENTITY_STORE_REGION",
                format!("{} is not a Region", quoted(region)),
            );
        }
        let mode = match var("MODE").as_deref() {
            None | Some("plan") => Mode::Plan,
            Some("apply") => Mode::Apply,
            Some(other) => {
                wrong(
                    "MODE",
                    format!("{} is no mode; modes are plan, apply", quoted(other)),
                );
                Mode::Plan
            }
        };
        let mut switch = |name: &str, value: Option<String>| match value.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                wrong(name, format!("{} is neither true nor false", quoted(other)));
                false
            }
        };
        let log_names = switch("LOG_NAMES", var("LOG_NAMES"));
        let access_events = switch("ACCESS_EVENTS", var("ACCESS_EVENTS"));
        let root = var("LAMBDA_TASK_ROOT").map(PathBuf::from);
        let table = match var("POLICY_TABLE") {
            None => {
                let message =
                    "is missing; give the table as JSON, or the path of a .json or .toml file";
                wrong("POLICY_TABLE", message.to_owned());
                None
            }
            Some(given) => match table(&given, root.as_deref()) {
                Ok(table) => Some(table),
                Err(found) => {
                    problems.extend(found);
                    None
                }
            },
        };
        match (store_id, table) {
            (Some(identity_store_id), Some((table, document))) if problems.is_empty() => {
                let warnings = lint::warnings(&table, &document);
                let config = Config {
                    identity_store_id,
                    identity_store_region: region,
                    table,
                    mode,
                    log_names,
                    access_events,
                    log_group: var("AWS_LAMBDA_LOG_GROUP_NAME"),
                };
                Ok((config, warnings))
            }
            _ => Err(problems),
        }
    }
}

/// Whether the variables are more than Lambda takes. It would refuse to deploy
/// them, and not say what helps: a local run does.
pub fn too_long_for_lambda(var: impl Fn(&str) -> Option<String>) -> Option<Problem> {
    let names = [
        "ACCESS_EVENTS",
        "IDENTITY_STORE_ID",
        "IDENTITY_STORE_REGION",
        "LOG_NAMES",
        "MODE",
        "POLICY_TABLE",
    ];
    let set = names
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), Value::from(var(name)?))));
    // It counts the JSON text of them all, in which each quote of an inline
    // table is two bytes.
    let size = Value::Object(set.collect()).to_string().len();
    (size > ENVIRONMENT_LIMIT).then(|| {
        let message = format!(
            "is too long for Lambda: with it, the variables are {size} bytes as Lambda counts \
             them, of {ENVIRONMENT_LIMIT}; put the table into a .json or .toml file and give its \
             path"
        );
        Problem::new("POLICY_TABLE", message)
    })
}

/// A table given inline as JSON, or as the path of a file: absolute, or
/// relative to the function's package.
fn table(given: &str, root: Option<&Path>) -> Result<(Table, Document), Vec<Problem>> {
    let source = match Source::inline(given) {
        Some(source) => source,
        None => file(given.trim(), root).map_err(|message| {
            let problem = Problem::new("POLICY_TABLE", message);
            vec![problem]
        })?,
    };
    source.read().map_err(in_variable)
}

fn file(given: &str, root: Option<&Path>) -> Result<Source, String> {
    if Format::of(given).is_none() {
        let start: String = given.chars().take(40).collect();
        return Err(format!(
            "{start:?} is neither a JSON object nor the path of a .json or .toml file"
        ));
    }
    let path = root.map_or_else(|| PathBuf::from(given), |root| root.join(given));
    let name = path.display();
    let bytes = std::fs::read(&path).map_err(|error| format!("{name} cannot be read: {error}"))?;
    Source::of(given, &bytes).map_err(|problem| format!("{name} {problem}"))
}

/// A problem of the table as a whole has the variable for its place.
fn in_variable(problems: Vec<Problem>) -> Vec<Problem> {
    let place = |problem: Problem| match problem.place.is_empty() {
        true => Problem::new("POLICY_TABLE", problem.message),
        false => problem,
    };
    problems.into_iter().map(place).collect()
}
