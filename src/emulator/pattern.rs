//! Event patterns: the part of EventBridge's language that our rules are
//! written in, and no more.

use serde_json::Value;

/// Whether a pattern lets an event through.
///
/// # Errors
/// What in the pattern is none of the language, or is not known here.
pub(super) fn lets_through(pattern: &Value, event: &Value) -> Result<bool, String> {
    let Some(fields) = pattern.as_object() else {
        return Err(format!("{pattern} is not an object"));
    };
    for (name, wanted) in fields {
        let fits = match wanted {
            Value::Array(ways) if name == "$or" => any(ways, |way| lets_through(way, event))?,
            Value::Array(matchers) => any(matchers, |matcher| fits(matcher, event.get(name)))?,
            inner => lets_through(inner, &event[name])?,
        };
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether one of the matchers of a field fits its value.
fn fits(matcher: &Value, value: Option<&Value>) -> Result<bool, String> {
    // A list fits if one of its elements does.
    if let Some(Value::Array(values)) = value {
        return any(values, |value| fits(matcher, Some(value)));
    }
    let text = value.and_then(Value::as_str);
    let Some(matcher) = matcher.as_object() else {
        return Ok(value == Some(matcher));
    };
    let mut words = matcher.iter();
    match (words.next(), words.next()) {
        (Some((word, operand)), None) => match (word.as_str(), operand) {
            ("exists", Value::Bool(wanted)) => Ok(value.is_some() == *wanted),
            ("prefix", Value::String(start)) => {
                Ok(text.is_some_and(|text| text.starts_with(start)))
            }
            ("suffix", Value::String(end)) => Ok(text.is_some_and(|text| text.ends_with(end))),
            ("anything-but", Value::Array(others)) => {
                Ok(value.is_some() && !any(others, |other| fits(other, value))?)
            }
            ("anything-but", other) => Ok(value.is_some() && !fits(other, value)?),
            (word, _) => Err(format!("the emulator has no matcher {word:?}")),
        },
        _ => Err(format!("a matcher has one word, not {}", matcher.len())),
    }
}

fn any(
    values: &[Value],
    mut holds: impl FnMut(&Value) -> Result<bool, String>,
) -> Result<bool, String> {
    for value in values {
        if holds(value)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn through(pattern: Value, event: Value) -> bool {
        lets_through(&pattern, &event).unwrap()
    }

    #[test]
    fn every_field_has_to_fit_and_of_its_matchers_one() {
        let pattern = json!({ "source": ["a", "b"], "detail": { "n": [1] } });
        assert!(through(
            pattern.clone(),
            json!({ "source": "b", "detail": { "n": 1 } })
        ));
        assert!(!through(
            pattern.clone(),
            json!({ "source": "c", "detail": { "n": 1 } })
        ));
        assert!(!through(pattern, json!({ "source": "b" })));
    }

    #[test]
    fn or_takes_one_of_its_ways_beside_the_other_fields() {
        let pattern = json!({ "detail": { "e": [{ "exists": false }], "$or": [{ "x": [1] }, { "y": [2] }] } });
        assert!(through(pattern.clone(), json!({ "detail": { "y": 2 } })));
        assert!(!through(pattern.clone(), json!({ "detail": { "y": 3 } })));
        assert!(!through(
            pattern,
            json!({ "detail": { "y": 2, "e": "failed" } })
        ));
    }

    #[test]
    fn anything_but_asks_for_a_value_that_is_not_it() {
        let pattern = json!({ "t": [{ "anything-but": { "suffix": "via CloudTrail" } }] });
        assert!(through(pattern.clone(), json!({ "t": "User Created" })));
        assert!(!through(
            pattern.clone(),
            json!({ "t": "AWS API Call via CloudTrail" })
        ));
        assert!(!through(pattern, json!({})));
    }

    #[test]
    fn a_list_fits_by_one_element_and_what_is_unknown_is_told() {
        assert!(through(
            json!({ "r": [{ "prefix": "arn:" }] }),
            json!({ "r": ["x", "arn:a"] })
        ));
        let problem = lets_through(&json!({ "r": [{ "cidr": "10.0.0.0/24" }] }), &json!({}));
        assert_eq!(problem.unwrap_err(), "the emulator has no matcher \"cidr\"");
    }
}
