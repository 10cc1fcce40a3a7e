//! From text to a checked [`Table`], with every problem of it at once.
//!
//! Three steps: the text becomes a JSON value, the value a [`Document`] (are
//! the fields known, there, and of the right kind?), the document a [`Table`]
//! (do the names lead somewhere, and is what they say possible?). Each step
//! goes on past a problem, so that one run shows them all.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::document::{self, Document, Limits};
use super::fields::{Fields, no_json, text};
use super::json::NoDuplicates;
use super::resolve::resolve;
use super::{Assign, Deletions, OnDisabledUser, OnMissingGroup, Ownership, Pace, Table};
use crate::error::Problem;

/// How the text of a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// TOML.
    Toml,
}

impl Format {
    /// That of a file of this name, if it has the name of one.
    pub fn of(name: &str) -> Option<Format> {
        let extension = Path::new(name).extension()?.to_str()?;
        match extension.to_ascii_lowercase().as_str() {
            "json" => Some(Format::Json),
            "toml" => Some(Format::Toml),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Format::Json => "JSON",
            Format::Toml => "TOML",
        }
    }
}

/// Reads a table from its text.
///
/// # Errors
/// All problems at once, each with its place (`rules[2].studio`).
pub fn table(text: &str, format: Format) -> Result<Table, Vec<Problem>> {
    table_and_document(text, format).map(|(table, _)| table)
}

/// Reads a table from its text, and keeps it as it was written too.
///
/// # Errors
/// As [`table`].
pub fn table_and_document(text: &str, format: Format) -> Result<(Table, Document), Vec<Problem>> {
    let value = value(text, format).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let document = document(value, &mut problems);
    let table = resolve(&document, &mut problems);
    if problems.is_empty() {
        Ok((table, document))
    } else {
        Err(problems)
    }
}

/// Resolves a table that nobody wrote: one that was put together.
///
/// # Errors
/// As [`table`].
pub fn resolved(document: &Document) -> Result<Table, Vec<Problem>> {
    let mut problems = Vec::new();
    let table = resolve(document, &mut problems);
    match problems.is_empty() {
        true => Ok(table),
        false => Err(problems),
    }
}

fn value(text: &str, format: Format) -> Result<Value, Problem> {
    parsed(text, format).map_err(|error| {
        let message = match written_as(text).filter(|(name, _)| *name != format.name()) {
            Some((name, cure)) => format!("this is {name}, and not {}; {cure}", format.name()),
            None => format!("not {}: {error}", format.name()),
        };
        Problem::new("", message)
    })
}

fn parsed(text: &str, format: Format) -> Result<Value, String> {
    match format {
        Format::Json => serde_json::from_str::<NoDuplicates>(text)
            .map(|value| value.0)
            .map_err(|error| error.to_string()),
        Format::Toml => {
            let table: toml::Table = toml::from_str(text).map_err(|error: toml::de::Error| {
                if text.contains('\r') && !text.contains('\n') {
                    return "its lines end with a carriage return alone: save it with line feeds"
                        .to_owned();
                }
                let (line, column) = position(text, error.span().map_or(0, |span| span.start));
                format!("{} at line {line} column {column}", error.message())
            })?;
            Ok(plain(toml::Value::Table(table)))
        }
    }
}

/// A value of TOML as one of JSON, which has no dates, and no number without end.
fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) if number.is_finite() => number.into(),
        toml::Value::Float(number) => no_json(number.to_string()),
        toml::Value::Boolean(value) => value.into(),
        toml::Value::Datetime(at) if at.date.is_none() => no_json(format!("the time {at}")),
        toml::Value::Datetime(at) => no_json(format!("the date {at}")),
        toml::Value::Array(values) => values.into_iter().map(plain).collect(),
        toml::Value::Table(fields) => {
            let fields = fields.into_iter();
            fields.map(|(name, value)| (name, plain(value))).collect()
        }
    }
}

/// What a text is written in that is not what it should be, by its first line that
/// says anything; and what to do about it. Nothing, if it could be anything.
fn written_as(text: &str) -> Option<(&'static str, &'static str)> {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let key = |end: char| {
        let (key, rest) = first.split_once(end)?;
        let is_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | ' ');
        (!key.is_empty() && key.chars().all(is_key)).then_some(rest)
    };
    if first.starts_with('{') {
        return Some(("JSON", "give the file a name that ends with .json"));
    }
    let is_yaml = |rest: &str| rest.is_empty() || rest.starts_with(' ');
    if first.starts_with("---") || first.starts_with("%YAML") || key(':').is_some_and(is_yaml) {
        let cure = "a table is JSON or TOML: `yq -o json FILE > policy.json` makes JSON of it";
        return Some(("YAML", cure));
    }
    let head = first.strip_prefix("[[").or(first.strip_prefix('['));
    let is_head = head.is_some_and(|head| head.starts_with(char::is_alphabetic));
    let is_toml = is_head || key('=').is_some();
    is_toml.then_some(("TOML", "give the file a name that ends with .toml"))
}

/// Line and column, both from 1, of a byte of the text.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

fn document(value: Value, problems: &mut Vec<Problem>) -> Document {
    let Some(mut top) = Fields::of(value, "a policy table", String::new(), problems) else {
        return Document::default();
    };
    top.need(
        "studios",
        "is missing; it has the Studios, under names of your own",
    );
    top.need(
        "session_policies",
        "is missing; it has the ARNs of the session policies, under names of your own",
    );
    top.need(
        "rules",
        "is missing; it says who is mapped, each rule with [[rules]] in TOML",
    );
    let document = Document {
        studios: entries(
            top.named("studios", "Studios under names of your own"),
            "studios",
            top.problems,
            studio,
        ),
        session_policies: strings(
            top.named("session_policies", "ARNs under names of your own"),
            "session_policies",
            top.problems,
        ),
        rules: rows(
            top.list("rules", "a list of rules"),
            "rules",
            "a rule",
            top.problems,
            rule,
        ),
        protect: rows(
            top.list("protect", "a list of users and groups"),
            "protect",
            "a user or a group",
            top.problems,
            protected,
        ),
        deletions: top.section("deletions", "the settings of the deletion guard", deletions),
        pace: top.section("pace", "rates of calls", pace),
        on_missing_group: top
            .word(
                "on_missing_group",
                &[
                    ("hold", OnMissingGroup::Hold),
                    ("revoke", OnMissingGroup::Revoke),
                ],
            )
            .unwrap_or_default(),
        on_disabled_user: top
            .word(
                "on_disabled_user",
                &[
                    ("keep", OnDisabledUser::Keep),
                    ("remove", OnDisabledUser::Remove),
                ],
            )
            .unwrap_or_default(),
        ownership: top
            .word(
                "ownership",
                &[
                    ("session_policy", Ownership::SessionPolicy),
                    ("studio", Ownership::Studio),
                ],
            )
            .unwrap_or_default(),
    };
    top.finish();
    document
}

const MISSING: &str = "is missing";

fn studio(mut fields: Fields<'_>) -> document::Studio {
    fields.need("id", MISSING);
    let studio = document::Studio {
        id: fields.text("id", "the id of a Studio").unwrap_or_default(),
        region: fields.text("region", "a Region"),
        role_arn: fields.text("role_arn", "the ARN of a role"),
        external_id: fields.text("external_id", "a text in quotes"),
        limits: fields.section("limits", "how many users and groups it takes", limits),
        retired_policies: fields.texts("retired_policies", POLICY).unwrap_or_default(),
    };
    fields.finish();
    studio
}

fn limits(mut fields: Fields<'_>) -> Limits {
    let default = Limits::default();
    let limits = Limits {
        users: fields.whole("users", 0..=u32::MAX).unwrap_or(default.users),
        groups: fields
            .whole("groups", 0..=u32::MAX)
            .unwrap_or(default.groups),
    };
    fields.finish();
    limits
}

const GROUP: &str = "the name of a group";
const GROUP_ID: &str = "the id of a group";
const USER: &str = "the name of a user";
const USER_ID: &str = "the id of a user";
const POLICY: &str = "the alias or the ARN of a session policy";
const ASSIGN: [(&str, Assign); 2] = [("group", Assign::Group), ("members", Assign::Members)];

fn rule(mut fields: Fields<'_>) -> document::Rule {
    fields.need("studio", MISSING);
    fields.need("session_policy", MISSING);
    let rule = document::Rule {
        group: fields.text("group", GROUP),
        group_id: fields.text("group_id", GROUP_ID),
        user: fields.text("user", USER),
        user_id: fields.text("user_id", USER_ID),
        studio: fields
            .text("studio", "the alias or the id of a Studio")
            .unwrap_or_default(),
        session_policy: fields.text("session_policy", POLICY).unwrap_or_default(),
        assign: fields.word("assign", &ASSIGN),
    };
    fields.finish();
    rule
}

fn protected(mut fields: Fields<'_>) -> document::Protected {
    let entry = document::Protected {
        group: fields.text("group", GROUP),
        group_id: fields.text("group_id", GROUP_ID),
        user: fields.text("user", USER),
        user_id: fields.text("user_id", USER_ID),
        assign: fields.word("assign", &ASSIGN),
    };
    fields.finish();
    entry
}

fn deletions(mut fields: Fields<'_>) -> Deletions {
    let default = Deletions::default();
    let deletions = Deletions {
        max_percent: fields
            .whole("max_percent", 0..=100)
            .unwrap_or(default.max_percent),
        floor: fields.whole("floor", 0..=u32::MAX).unwrap_or(default.floor),
        window_minutes: fields
            .whole("window_minutes", 1..=u32::MAX)
            .unwrap_or(default.window_minutes),
    };
    fields.finish();
    deletions
}

fn pace(mut fields: Fields<'_>) -> Pace {
    let default = Pace::default();
    let pace = Pace {
        emr_per_second: fields
            .rate("emr_per_second")
            .unwrap_or(default.emr_per_second),
        emr_burst: fields
            .whole("emr_burst", 1..=u32::MAX)
            .unwrap_or(default.emr_burst),
        identity_store_per_second: fields
            .rate("identity_store_per_second")
            .unwrap_or(default.identity_store_per_second),
    };
    fields.finish();
    pace
}

fn rows<T: Default>(
    values: Option<Vec<Value>>,
    name: &str,
    what: &str,
    problems: &mut Vec<Problem>,
    read: impl Fn(Fields<'_>) -> T,
) -> Vec<T> {
    let values = values.unwrap_or_default().into_iter().enumerate();
    values
        .map(|(index, value)| {
            let fields = Fields::of(value, what, format!("{name}[{index}]"), problems);
            fields.map(&read).unwrap_or_default()
        })
        .collect()
}

fn entries<T: Default>(
    values: Option<Map<String, Value>>,
    name: &str,
    problems: &mut Vec<Problem>,
    read: impl Fn(Fields<'_>) -> T,
) -> BTreeMap<String, T> {
    let values = values.unwrap_or_default().into_iter();
    values
        .map(|(key, value)| {
            let what = "a Studio, with its id in it";
            let fields = Fields::of(value, what, format!("{name}.{key}"), problems);
            (key, fields.map(&read).unwrap_or_default())
        })
        .collect()
}

fn strings(
    values: Option<Map<String, Value>>,
    name: &str,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, String> {
    let values = values.unwrap_or_default().into_iter();
    values
        .map(|(key, value)| {
            let text = text(value, "the ARN of a session policy").unwrap_or_else(|message| {
                problems.push(Problem::new(format!("{name}.{key}"), message));
                String::new()
            });
            (key, text)
        })
        .collect()
}
