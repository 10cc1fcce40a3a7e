//! From text to a checked [`Table`], with every problem of it at once.
//!
//! Three steps: the text becomes a JSON value, the value a [`Document`] (are
//! the fields known, there, and of the right kind?), the document a [`Table`]
//! (do the names lead somewhere, and is what they say possible?). Each step
//! goes on past a problem, so that one run shows them all.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Table;
use super::document::{self, Deletions, Document, Limits, Pace};
use super::json::NoDuplicates;
use super::resolve::{alike, resolve};
use crate::error::Problem;

/// How the text of a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// TOML.
    Toml,
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
    let syntax = |name: &str, error: String| Problem::new("", format!("not {name}: {error}"));
    match format {
        Format::Json => serde_json::from_str::<NoDuplicates>(text)
            .map(|value| value.0)
            .map_err(|error| syntax("JSON", error.to_string())),
        Format::Toml => toml::from_str::<toml::Table>(text)
            .map_err(|error| {
                let (line, column) = position(text, error.span().map_or(0, |span| span.start));
                syntax(
                    "TOML",
                    format!("{} at line {line} column {column}", error.message()),
                )
            })
            .and_then(|table| {
                serde_json::to_value(table).map_err(|error| syntax("TOML", error.to_string()))
            }),
    }
}

/// Line and column, both from 1, of a byte of the text.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

fn document(value: Value, problems: &mut Vec<Problem>) -> Document {
    let Some(mut top) = Fields::of(value, String::new(), problems) else {
        return Document::default();
    };
    let document = Document {
        studios: entries(
            top.needed::<Map<String, Value>>("studios"),
            "studios",
            top.problems,
            studio,
        ),
        session_policies: strings(
            top.needed::<Map<String, Value>>("session_policies"),
            "session_policies",
            top.problems,
        ),
        rules: rows(
            top.needed::<Vec<Value>>("rules"),
            "rules",
            top.problems,
            rule,
        ),
        protect: rows(
            top.optional::<Vec<Value>>("protect"),
            "protect",
            top.problems,
            protected,
        ),
        deletions: top.section("deletions", deletions),
        pace: top.section("pace", pace),
        on_missing_group: top.optional("on_missing_group").unwrap_or_default(),
        on_disabled_user: top.optional("on_disabled_user").unwrap_or_default(),
        ownership: top.optional("ownership").unwrap_or_default(),
    };
    top.finish();
    document
}

fn studio(mut fields: Fields<'_>) -> document::Studio {
    let studio = document::Studio {
        id: fields.needed("id").unwrap_or_default(),
        region: fields.optional("region"),
        role_arn: fields.optional("role_arn"),
        external_id: fields.optional("external_id"),
        limits: fields.section("limits", |mut fields| {
            let default = Limits::default();
            let limits = Limits {
                users: fields.optional("users").unwrap_or(default.users),
                groups: fields.optional("groups").unwrap_or(default.groups),
            };
            fields.finish();
            limits
        }),
        retired_policies: fields.optional("retired_policies").unwrap_or_default(),
    };
    fields.finish();
    studio
}

fn rule(mut fields: Fields<'_>) -> document::Rule {
    let rule = document::Rule {
        group: fields.optional("group"),
        group_id: fields.optional("group_id"),
        user: fields.optional("user"),
        user_id: fields.optional("user_id"),
        studio: fields.needed("studio").unwrap_or_default(),
        session_policy: fields.needed("session_policy").unwrap_or_default(),
        assign: fields.optional("assign"),
    };
    fields.finish();
    rule
}

fn protected(mut fields: Fields<'_>) -> document::Protected {
    let entry = document::Protected {
        group: fields.optional("group"),
        group_id: fields.optional("group_id"),
        user: fields.optional("user"),
        user_id: fields.optional("user_id"),
        assign: fields.optional("assign"),
    };
    fields.finish();
    entry
}

fn deletions(mut fields: Fields<'_>) -> Deletions {
    let default = Deletions::default();
    let deletions = Deletions {
        max_percent: fields
            .optional("max_percent")
            .unwrap_or(default.max_percent),
        floor: fields.optional("floor").unwrap_or(default.floor),
        window_minutes: fields
            .optional("window_minutes")
            .unwrap_or(default.window_minutes),
    };
    if deletions.max_percent > 100 {
        fields.problem(
            "max_percent",
            "more than 100 percent cannot be deleted".to_owned(),
        );
    }
    if deletions.window_minutes == 0 {
        fields.problem(
            "window_minutes",
            "a window needs at least one minute".to_owned(),
        );
    }
    fields.finish();
    deletions
}

fn pace(mut fields: Fields<'_>) -> Pace {
    let default = Pace::default();
    let pace = Pace {
        emr_per_second: fields
            .optional("emr_per_second")
            .unwrap_or(default.emr_per_second),
        emr_burst: fields.optional("emr_burst").unwrap_or(default.emr_burst),
        identity_store_per_second: fields
            .optional("identity_store_per_second")
            .unwrap_or(default.identity_store_per_second),
    };
    for (name, rate) in [
        ("emr_per_second", pace.emr_per_second),
        ("identity_store_per_second", pace.identity_store_per_second),
    ] {
        if rate <= 0.0 {
            fields.problem(
                name,
                "must be more than 0, or nothing would ever be called".to_owned(),
            );
        }
    }
    if pace.emr_burst == 0 {
        fields.problem(
            "emr_burst",
            "must be at least 1, or nothing would ever be called".to_owned(),
        );
    }
    fields.finish();
    pace
}

/// The fields of one object, taken one by one; what is left over is unknown.
struct Fields<'p> {
    place: String,
    left: Map<String, Value>,
    asked: Vec<&'static str>,
    problems: &'p mut Vec<Problem>,
}

impl<'p> Fields<'p> {
    fn of(value: Value, place: String, problems: &'p mut Vec<Problem>) -> Option<Fields<'p>> {
        match value {
            Value::Object(left) => Some(Fields {
                place,
                left,
                asked: Vec::new(),
                problems,
            }),
            other => {
                problems.push(Problem::new(
                    place,
                    format!("expected an object, found {}", kind(&other)),
                ));
                None
            }
        }
    }

    fn place_of(&self, name: &str) -> String {
        if self.place.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.place)
        }
    }

    fn problem(&mut self, name: &str, message: String) {
        let place = self.place_of(name);
        self.problems.push(Problem::new(place, message));
    }

    fn optional<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        self.asked.push(name);
        let value = self.left.remove(name)?;
        match serde_json::from_value(value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(name, error.to_string());
                None
            }
        }
    }

    fn needed<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        if !self.left.contains_key(name) {
            // A likely misspelling is reported once, as the unknown field it is.
            let misspelt = self.left.keys().any(|key| alike(key, [name]).is_some());
            if !misspelt {
                self.problem(name, "is missing".to_owned());
            }
        }
        self.optional(name)
    }

    fn section<T: Default>(&mut self, name: &'static str, read: impl Fn(Fields<'_>) -> T) -> T {
        self.asked.push(name);
        let place = self.place_of(name);
        let fields = self
            .left
            .remove(name)
            .and_then(|value| Fields::of(value, place, self.problems));
        fields.map(read).unwrap_or_default()
    }

    fn finish(self) {
        for name in self.left.keys() {
            let place = self.place_of(name);
            let hint = match alike(name, self.asked.iter().copied()) {
                Some(name) => format!("did you mean {name:?}?"),
                None => format!("known are {}", self.asked.join(", ")),
            };
            let message = format!("there is no such field; {hint}");
            self.problems.push(Problem::of_name(place, message));
        }
    }
}

fn rows<T>(
    values: Option<Vec<Value>>,
    name: &str,
    problems: &mut Vec<Problem>,
    read: impl Fn(Fields<'_>) -> T,
) -> Vec<T>
where
    T: Default,
{
    let values = values.unwrap_or_default().into_iter().enumerate();
    values
        .map(|(index, value)| {
            let fields = Fields::of(value, format!("{name}[{index}]"), problems);
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
            let fields = Fields::of(value, format!("{name}.{key}"), problems);
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
        .map(|(key, value)| match value {
            Value::String(text) => (key, text),
            other => {
                let message = format!("expected a string, found {}", kind(&other));
                problems.push(Problem::new(format!("{name}.{key}"), message));
                (key, String::new())
            }
        })
        .collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
