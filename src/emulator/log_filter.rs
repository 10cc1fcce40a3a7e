//! CloudWatch Logs' filter patterns for JSON: the part of the language that our
//! question is written in, and no more.

use serde_json::Value;

/// Which lines of a log are let through: all, or those in which this holds.
#[derive(Debug, PartialEq)]
pub(super) struct Filter(Option<Term>);

#[derive(Debug, PartialEq)]
enum Term {
    /// Every one of them holds.
    All(Vec<Term>),
    /// The property at a path equals a value, or is there and does not.
    Compare {
        path: Vec<String>,
        equal: bool,
        value: Value,
    },
}

impl Filter {
    /// Reads a pattern like `{ ($.message = "change") && ($.size != 3) }`.
    ///
    /// # Errors
    /// What in the pattern is none of the language, or is not known here.
    pub(super) fn read(pattern: &str) -> Result<Filter, String> {
        let pattern = pattern.trim();
        if pattern.is_empty() {
            return Ok(Filter(None));
        }
        let mut rest = Rest(pattern);
        rest.expect("{")?;
        let term = rest.all()?;
        rest.expect("}")?;
        match rest.0 {
            "" => Ok(Filter(Some(term))),
            more => Err(unknown(more)),
        }
    }

    /// Whether a line is let through. One that is no JSON meets no condition.
    pub(super) fn lets_through(&self, line: &str) -> bool {
        let Filter(Some(term)) = self else {
            return true;
        };
        serde_json::from_str(line).is_ok_and(|line| term.holds(&line))
    }
}

impl Term {
    fn holds(&self, line: &Value) -> bool {
        match self {
            Term::All(terms) => terms.iter().all(|term| term.holds(line)),
            Term::Compare { path, equal, value } => {
                let found = path.iter().try_fold(line, |value, name| value.get(name));
                found.is_some_and(|found| is_same(found, value) == *equal)
            }
        }
    }
}

/// Numbers are the same by what they are, not by how they are written.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// What of a pattern is still to be read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, word: &str) -> bool {
        let text = self.0.trim_start();
        let rest = text.strip_prefix(word);
        self.0 = rest.unwrap_or(text).trim_start();
        rest.is_some()
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        match self.take(word) {
            true => Ok(()),
            false => Err(format!("{}, where {word:?} should be", unknown(self.0))),
        }
    }

    fn all(&mut self) -> Result<Term, String> {
        let mut terms = vec![self.one()?];
        while self.take("&&") {
            terms.push(self.one()?);
        }
        Ok(Term::All(terms))
    }

    fn one(&mut self) -> Result<Term, String> {
        if self.take("(") {
            let inner = self.all()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let path = self.path()?;
        let equal = match self.take("!=") {
            true => false,
            false => self.expect("=").map(|()| true)?,
        };
        let value = self.value()?;
        Ok(Term::Compare { path, equal, value })
    }

    /// `$.a.b`
    fn path(&mut self) -> Result<Vec<String>, String> {
        let whole = self.0;
        self.expect("$")?;
        let mut path = Vec::new();
        while let Some(rest) = self.0.strip_prefix('.') {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            if end == 0 {
                return Err(unknown(whole));
            }
            path.push(rest[..end].to_owned());
            self.0 = &rest[end..];
        }
        match path.is_empty() {
            true => Err(unknown(whole)),
            false => Ok(path),
        }
    }

    /// A text in quotes, a number, `true` or `false`.
    fn value(&mut self) -> Result<Value, String> {
        let whole = self.0;
        let end = match whole.strip_prefix('"') {
            // Up to the first quote that is not escaped.
            Some(text) => {
                let mut escaped = false;
                let closes = |c: char| {
                    let is_end = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    is_end
                };
                text.find(closes).map(|end| end + 2)
            }
            None => whole.find(|c: char| c.is_whitespace() || ")}&".contains(c)),
        };
        let end = end.unwrap_or(whole.len());
        let value = serde_json::from_str(&whole[..end]).map_err(|_| unknown(whole))?;
        // In the real language an asterisk stands for any text.
        let is_known = match &value {
            Value::String(text) => !text.contains('*'),
            other => other.is_number() || other.is_boolean(),
        };
        self.0 = &whole[end..];
        match is_known {
            true => Ok(value),
            false => Err(unknown(whole)),
        }
    }
}

fn unknown(text: &str) -> String {
    match text {
        "" => "the emulator finds its end too early".to_owned(),
        text => format!("the emulator does not know {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lets_through(pattern: &str, line: &str) -> bool {
        Filter::read(pattern).unwrap().lets_through(line)
    }

    #[test]
    fn conditions_on_texts_numbers_and_booleans_are_joined() {
        let line = r#"{ "message": "change", "size": 3, "is_new": true, "a": { "b": "c" } }"#;
        for (pattern, expected) in [
            ("", true),
            (r#"{ $.message = "change" }"#, true),
            (r#"{$.message="change"&&$.size=3}"#, true),
            (r#"{ ($.message = "change") && ($.size = 3.0) }"#, true),
            (r#"{ (($.message = "change") && ($.a.b != "d")) }"#, true),
            (r#"{ $.is_new = true && $.size != 4 }"#, true),
            (r#"{ $.is_new = false }"#, false),
            (r#"{ $.message = "change" && $.size = 4 }"#, false),
            (r#"{ $.a = "c" }"#, false),
            (r#"{ $.size = "3" }"#, false),
            (r#"{ $.message != "a \" && } b" }"#, true),
            // What is not there neither equals a value nor differs from it.
            (r#"{ $.a.x = "c" }"#, false),
            (r#"{ $.a.x != "c" }"#, false),
        ] {
            assert_eq!(lets_through(pattern, line), expected, "{pattern}");
        }
    }

    #[test]
    fn a_line_that_is_no_json_meets_no_condition() {
        assert!(lets_through("", "START RequestId: 1"));
        assert!(!lets_through(r#"{ $.a != 1 }"#, "START RequestId: 1"));
    }

    #[test]
    fn what_the_emulator_does_not_know_is_named() {
        for (pattern, named) in [
            ("ERROR", r#""ERROR""#),
            (r#"{ $.a = "x*" }"#, r#"x*"#),
            ("{ $.a = 1 || $.b = 2 }", "|| $.b"),
            ("{ $.a IS TRUE }", "IS TRUE"),
            ("{ $.a > 1 }", "> 1"),
            ("{ $.a[0] = 1 }", "[0]"),
            ("{ $ = 1 }", "$ = 1"),
            ("{ $.a = word }", "word"),
            ("{ $.a = null }", "null"),
            ("{ ($.a = 1 }", "}"),
            ("{ $.a = 1 } and", "and"),
            ("{ $.a = 1", "end too early"),
        ] {
            let problem = Filter::read(pattern).unwrap_err();
            assert!(problem.contains(named), "{pattern}: {problem}");
        }
    }
}
