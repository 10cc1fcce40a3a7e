//! The fields of one object of a table, taken one by one, each as the kind of value
//! it is. What is of another kind is a problem in the words of the table.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::resolve::alike;
use crate::error::Problem;
use crate::visible;

/// The fields of one object; what is left over is unknown.
pub(super) struct Fields<'p> {
    place: String,
    left: Map<String, Value>,
    asked: Vec<&'static str>,
    pub(super) problems: &'p mut Vec<Problem>,
}

impl<'p> Fields<'p> {
    /// The fields of a value, which should be `what`.
    pub(super) fn of(
        value: Value,
        what: &str,
        place: String,
        problems: &'p mut Vec<Problem>,
    ) -> Option<Fields<'p>> {
        match object(value) {
            Ok(left) => Some(Fields {
                place,
                left,
                asked: Vec::new(),
                problems,
            }),
            Err(other) => {
                problems.push(Problem::new(place, not(what, &other)));
                None
            }
        }
    }

    pub(super) fn place_of(&self, name: &str) -> String {
        if self.place.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.place)
        }
    }

    /// A field's value, if it is there and what it should be.
    fn take<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Value) -> Result<T, String>,
    ) -> Option<T> {
        self.asked.push(name);
        let value = self.left.remove(name)?;
        let read = read(value);
        read.map_err(|message| {
            let place = self.place_of(name);
            self.problems.push(Problem::new(place, message));
        })
        .ok()
    }

    /// A text, which is `what`.
    pub(super) fn text(&mut self, name: &'static str, what: &str) -> Option<String> {
        self.take(name, |value| text(value, what))
    }

    /// A list of texts, each of which is `what`.
    pub(super) fn texts(&mut self, name: &'static str, what: &str) -> Option<Vec<String>> {
        let values = self.list(name, &format!("a list, each {what}"))?;
        let mut texts = Some(Vec::new());
        for (index, value) in values.into_iter().enumerate() {
            match text(value, what) {
                Ok(text) => texts.iter_mut().for_each(|texts| texts.push(text.clone())),
                // Without one of them the others would be in other places.
                Err(message) => {
                    texts = None;
                    let place = format!("{}[{index}]", self.place_of(name));
                    self.problems.push(Problem::new(place, message));
                }
            }
        }
        texts
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        self.take(name, |value| {
            let known = || words.iter().map(|(word, _)| *word);
            let given = value.as_str();
            if let Some((_, meant)) = words.iter().find(|(word, _)| given == Some(*word)) {
                return Ok(*meant);
            }
            let quoted: Vec<String> = known().map(visible::quoted).collect();
            let mut message = not_set(&quoted.join(" or "), &value);
            if let Some(word) = given.and_then(|given| alike(given, known())) {
                message += &format!("; did you mean {}?", visible::quoted(word));
            }
            Err(message)
        })
    }

    /// A whole number within a range.
    pub(super) fn whole(&mut self, name: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        self.take(name, |value| {
            let number = value.as_u64();
            let fits = number.and_then(|number| u32::try_from(number).ok());
            fits.filter(|number| range.contains(number)).ok_or_else(|| {
                let (least, most) = (range.start(), range.end());
                // A limit that nobody comes near is not worth its many digits.
                let to = match *most == u32::MAX && number.is_none_or(|it| it < u64::from(*least)) {
                    true => "up".to_owned(),
                    false => format!("to {most}"),
                };
                not_set(&format!("a whole number from {least} {to}"), &value)
            })
        })
    }

    /// How often a second.
    pub(super) fn rate(&mut self, name: &'static str) -> Option<f64> {
        self.take(name, |value| {
            let rate = value.as_f64().filter(|rate| *rate > 0.0);
            rate.ok_or_else(|| not_set("a number above 0", &value))
        })
    }

    /// A list, which is `what`.
    pub(super) fn list(&mut self, name: &'static str, what: &str) -> Option<Vec<Value>> {
        self.take(name, |value| match value {
            Value::Array(values) => Ok(values),
            other => Err(match object(other) {
                Ok(_) => format!(
                    "expected {what}, found a single one; in TOML each begins with [[{name}]]"
                ),
                Err(other) => not(what, &other),
            }),
        })
    }

    /// What stands under names of one's own.
    pub(super) fn named(&mut self, name: &'static str, what: &str) -> Option<Map<String, Value>> {
        self.take(name, |value| {
            object(value).map_err(|other| not(what, &other))
        })
    }

    /// Some settings under one name; as they are without any, if it is not there.
    pub(super) fn section<T: Default>(
        &mut self,
        name: &'static str,
        what: &str,
        read: impl Fn(Fields<'_>) -> T,
    ) -> T {
        self.asked.push(name);
        let place = self.place_of(name);
        let fields = self
            .left
            .remove(name)
            .and_then(|value| Fields::of(value, what, place, self.problems));
        fields.map(read).unwrap_or_default()
    }

    /// Tells that a field is needed, if it is not there.
    pub(super) fn need(&mut self, name: &'static str, otherwise: &str) {
        if !self.left.contains_key(name) {
            // A likely misspelling is reported once, as the unknown field it is.
            let misspelt = self.left.keys().any(|key| alike(key, [name]).is_some());
            if !misspelt {
                let place = self.place_of(name);
                self.problems.push(Problem::new(place, otherwise));
            }
        }
    }

    /// Tells of every field that nobody asked for.
    pub(super) fn finish(self) {
        for name in self.left.keys() {
            let place = self.place_of(name);
            let hint = match alike(name, self.asked.iter().copied()) {
                Some(name) => format!("did you mean {}?", visible::quoted(name)),
                None => format!("known are {}", self.asked.join(", ")),
            };
            let message = format!("there is no such field; {hint}");
            self.problems.push(Problem::of_name(place, message));
        }
    }
}

/// A text, which is `what`.
pub(super) fn text(value: Value, what: &str) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(not(what, &other)),
    }
}

/// What TOML can say and JSON cannot, in words: `the date 1979-05-27`. As a JSON value
/// it is an object with this one field, which is no object of the table's.
const NO_JSON: &str = "\0";

/// Such a value.
pub(super) fn no_json(words: String) -> Value {
    json!({ NO_JSON: words })
}

fn object(value: Value) -> Result<Map<String, Value>, Value> {
    match value {
        Value::Object(fields) if !fields.contains_key(NO_JSON) => Ok(fields),
        other => Err(other),
    }
}

/// That something else was expected, and what kind of value there is. No text is
/// told: somebody's name may stand in the wrong place, and this be logged.
fn not(what: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "nothing (null)".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(fields) => match fields.get(NO_JSON).and_then(Value::as_str) {
            Some(words) => visible::name(words),
            None => "an object".to_owned(),
        },
    };
    format!("expected {what}, found {found}")
}

/// The same of a setting, where no name stands: with the text.
fn not_set(what: &str, found: &Value) -> String {
    match found.as_str().filter(|text| text.len() <= 20) {
        Some(text) => format!("expected {what}, found the text {}", visible::quoted(text)),
        None => not(what, found),
    }
}
