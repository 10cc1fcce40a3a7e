//! What the services have in common: members of a request, refusals, pages.

use std::ops::Bound;

use serde_json::{Map, Value, json};

/// What an operation comes to: the answer's JSON, or a refusal.
pub(super) type Answer = Result<Value, Refusal>;

/// Whose operation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Emr,
    IdentityStore,
    Sts,
    Iam,
    EventBridge,
    CloudTrail,
    CloudWatch,
    CloudFormation,
    Lambda,
    Logs,
}

impl Service {
    /// As [`super::Fault::on`] has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Service::Emr => "emr",
            Service::IdentityStore => "identitystore",
            Service::Sts => "sts",
            Service::Iam => "iam",
            Service::EventBridge => "eventbridge",
            Service::CloudTrail => "cloudtrail",
            Service::CloudWatch => "cloudwatch",
            Service::CloudFormation => "cloudformation",
            Service::Lambda => "lambda",
            Service::Logs => "logs",
        }
    }

    /// As IAM has it.
    pub(super) fn action_prefix(self) -> &'static str {
        match self {
            Service::Emr => "elasticmapreduce",
            Service::EventBridge => "events",
            other => other.name(),
        }
    }

    /// The status and the code of what IAM does not allow: as newer services
    /// have it, or as those have it that once spoke XML.
    pub(super) fn denial(self) -> (u16, &'static str) {
        match self {
            Service::Sts | Service::Iam | Service::CloudWatch | Service::CloudFormation => {
                (403, "AccessDenied")
            }
            Service::Lambda => (403, "AccessDeniedException"),
            Service::Emr
            | Service::IdentityStore
            | Service::EventBridge
            | Service::CloudTrail
            | Service::Logs => (400, "AccessDeniedException"),
        }
    }
}

/// Who asks, as far as the request tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    /// The Region the request is signed for.
    pub(super) region: Option<String>,
    /// The access key id, if it is an account number: so that a test can be two
    /// accounts.
    pub(super) account: Option<String>,
    pub(super) request_id: String,
}

/// An error answer.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) body: Value,
}

impl Refusal {
    /// An error the service's model knows: its message is spelled `Message`.
    pub(super) fn modelled(status: u16, code: &str, message: &str) -> Refusal {
        let body = json!({ "__type": code, "Message": message });
        Refusal {
            status,
            code: code.into(),
            body,
        }
    }

    /// An error of the front door, before the service: spelled `message`.
    pub(super) fn front_door(status: u16, code: &str, message: &str) -> Refusal {
        let body = json!({ "__type": code, "message": message });
        Refusal {
            status,
            code: code.into(),
            body,
        }
    }

    pub(super) fn with(mut self, member: &str, value: &str) -> Refusal {
        self.body[member] = value.into();
        self
    }

    /// `ValidationException`, worded as AWS's own frameworks word it.
    pub(super) fn constraint(member: &str, value: &str, constraint: &str) -> Refusal {
        let mut member = member.to_owned();
        if let Some(first) = member.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        Refusal::validation(&format!(
            "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: \
             Member must {constraint}"
        ))
    }

    pub(super) fn validation(message: &str) -> Refusal {
        // EMR has it unmodelled and the SDKs read both spellings; this is the Identity Store's.
        Refusal::modelled(400, "ValidationException", message)
    }
}

/// A string member, if it is there.
pub(super) fn text<'a>(input: &'a Value, member: &str) -> Option<&'a str> {
    input.get(member).and_then(Value::as_str)
}

/// A string member that must be there.
pub(super) fn required<'a>(input: &'a Value, member: &str) -> Result<&'a str, Refusal> {
    text(input, member).ok_or_else(|| Refusal::constraint(member, "null", "not be null"))
}

/// AWS accepts ARNs where ids are asked for: what stands after the last `/`.
pub(super) fn id_of(id_or_arn: &str) -> &str {
    id_or_arn.rsplit('/').next().unwrap_or(id_or_arn)
}

/// A page of `rows`, which come sorted by their keys, after the one the token
/// names. `None` if the token is not one of this list's: `list` names the
/// operation and what it was asked about.
pub(super) fn page(
    rows: impl Iterator<Item = (String, Value)>,
    list: &str,
    token: Option<&str>,
    size: usize,
) -> Option<(Vec<Value>, Option<String>)> {
    let behind = |from: Bound<&str>| {
        let from = from.map(str::to_owned);
        rows.skip_while(move |(key, _)| matches!(&from, Bound::Excluded(from) if key <= from))
    };
    page_from(behind, list, token, size)
}

/// The same of rows so many that they are not made to be skipped: they begin where
/// `rows` is told to.
pub(super) fn page_from<I: Iterator<Item = (String, Value)>>(
    rows: impl FnOnce(Bound<&str>) -> I,
    list: &str,
    token: Option<&str>,
    size: usize,
) -> Option<(Vec<Value>, Option<String>)> {
    let after = match token {
        Some(token) => Some(key_in(token, list)?),
        None => None,
    };
    let mut rows = rows(after.as_deref().map_or(Bound::Unbounded, Bound::Excluded));
    let mut last = None;
    let mut page = Vec::new();
    for (key, row) in rows.by_ref().take(size.max(1)) {
        last = Some(key);
        page.push(row);
    }
    let more = rows.next().is_some();
    let token = last.filter(|_| more).map(|key| token_for(list, &key));
    Some((page, token))
}

/// Hexadecimal, so that nobody is tempted to read it or to make one up.
pub(super) fn token_for(list: &str, key: &str) -> String {
    format!("{list}\n{key}")
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The key a token has, if it is one of this list's.
pub(super) fn key_in(token: &str, list: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = token
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let text = String::from_utf8(bytes?).ok()?;
    let (of, key) = text.split_once('\n')?;
    (of == list).then(|| key.to_owned())
}

/// A list's answer: the rows, and the token if there is more.
pub(super) fn listed(
    rows: Vec<Value>,
    rows_member: &str,
    token: Option<String>,
    token_member: &str,
) -> Value {
    let mut answer = Map::new();
    answer.insert(rows_member.into(), rows.into());
    if let Some(token) = token {
        answer.insert(token_member.into(), token.into());
    }
    answer.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> impl Iterator<Item = (String, Value)> {
        ["a", "b", "c"]
            .into_iter()
            .map(|key| (key.to_owned(), key.into()))
    }

    #[test]
    fn pages_join_up_to_the_whole_list_and_the_last_has_no_token() {
        let (one, token) = page(rows(), "L", None, 2).unwrap();
        assert_eq!(one, ["a", "b"]);
        let (two, end) = page(rows(), "L", token.as_deref(), 2).unwrap();
        assert_eq!((two, end), (vec!["c".into()], None));
    }

    #[test]
    fn a_full_last_page_has_no_token() {
        assert_eq!(page(rows(), "L", None, 3).unwrap().1, None);
    }

    #[test]
    fn a_token_of_another_list_is_none_of_ours() {
        let token = token_for("other", "a");
        assert_eq!(page(rows(), "L", Some(&token), 2), None);
        assert_eq!(page(rows(), "L", Some("not hex, ümlaut"), 2), None);
    }
}
