//! How services are spoken to: JSON 1.1, or the form and XML of STS, IAM and
//! CloudWatch. From here on everything is JSON.

use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::wire::{Refusal, Service};

/// What a request asks of whom, and in which protocol.
#[derive(Debug)]
pub(super) struct Asked {
    protocol: Protocol,
    /// `None`: of nobody who is here.
    pub(super) service: Option<Service>,
    pub(super) operation: String,
    /// What it is about, where the path says so: the name of a function.
    pub(super) subject: String,
    /// `None`: it cannot be read.
    pub(super) input: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// AWS JSON 1.1: the operation is in a header.
    Json,
    /// AWS Query: a form with an `Action`, answered in XML.
    Query,
    /// Lambda's REST: the operation and its subject are in the path.
    Rest,
}

/// An answer's content type and body.
pub(super) type Written = (&'static str, Vec<u8>);

impl Asked {
    pub(super) fn read(path: &str, headers: &HeaderMap, body: &[u8]) -> Asked {
        if let Some(rest) = path.strip_prefix("/2015-03-31/functions/") {
            let (name, asked) = rest.split_once('/').unwrap_or((rest, ""));
            let subject = unescaped(name).unwrap_or_default();
            let input = match body.is_empty() {
                true => Some(json!({})),
                false => serde_json::from_slice(body).ok().filter(Value::is_object),
            };
            return Asked {
                protocol: Protocol::Rest,
                service: Some(Service::Lambda),
                operation: match asked {
                    "invocations" => "Invoke",
                    "configuration" => "GetFunctionConfiguration",
                    other => other,
                }
                .to_owned(),
                subject,
                input,
            };
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let form = "application/x-www-form-urlencoded";
        if header(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with(form)) {
            let input = str::from_utf8(body).ok().and_then(read_form);
            let parameter = |name: &str| {
                let text = input.as_ref().and_then(|input| input[name].as_str());
                text.unwrap_or_default()
            };
            return Asked {
                protocol: Protocol::Query,
                service: match parameter("Version") {
                    "2011-06-15" => Some(Service::Sts),
                    "2010-05-08" => Some(Service::Iam),
                    "2010-08-01" => Some(Service::CloudWatch),
                    "2010-05-15" => Some(Service::CloudFormation),
                    _ => None,
                },
                operation: parameter("Action").to_owned(),
                subject: String::new(),
                input,
            };
        }
        let target = header("x-amz-target");
        let (prefix, operation) = target
            .and_then(|target| target.split_once('.'))
            .unwrap_or_default();
        Asked {
            protocol: Protocol::Json,
            service: match prefix {
                "ElasticMapReduce" => Some(Service::Emr),
                "AWSIdentityStore" => Some(Service::IdentityStore),
                "AWSEvents" => Some(Service::EventBridge),
                "CloudTrail_20131101" => Some(Service::CloudTrail),
                "Logs_20140328" => Some(Service::Logs),
                _ => None,
            },
            operation: operation.to_owned(),
            subject: String::new(),
            input: serde_json::from_slice(body).ok().filter(Value::is_object),
        }
    }

    /// Writes an answer as the caller expects it.
    pub(super) fn answer(&self, answer: &Value, request_id: &str) -> Written {
        let operation = &self.operation;
        match self.protocol {
            Protocol::Json | Protocol::Rest => json_text(answer),
            Protocol::Query => {
                let mut text = format!("<{operation}Response><{operation}Result>");
                xml(answer, &mut text);
                text += &format!(
                    "</{operation}Result><ResponseMetadata><RequestId>{request_id}</RequestId>\
                     </ResponseMetadata></{operation}Response>"
                );
                ("text/xml", text.into_bytes())
            }
        }
    }

    /// Writes a refusal as the caller expects it.
    pub(super) fn refusal(&self, refusal: &Refusal, request_id: &str) -> Written {
        match self.protocol {
            Protocol::Json | Protocol::Rest => json_text(&refusal.body),
            Protocol::Query => {
                let message = ["message", "Message"];
                let message = message.iter().find_map(|name| refusal.body.get(name));
                let error = json!({ "Error": {
                    "Type": if refusal.status < 500 { "Sender" } else { "Receiver" },
                    "Code": refusal.code,
                    "Message": message,
                } });
                let mut text = "<ErrorResponse>".to_owned();
                xml(&error, &mut text);
                text += &format!("<RequestId>{request_id}</RequestId></ErrorResponse>");
                ("text/xml", text.into_bytes())
            }
        }
    }
}

fn json_text(value: &Value) -> Written {
    ("application/x-amz-json-1.1", value.to_string().into_bytes())
}

/// A form's fields. `None` if it is no form.
fn read_form(text: &str) -> Option<Value> {
    let mut fields = Map::new();
    for field in text.split('&').filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        fields.insert(unescaped(name)?, unescaped(value)?.into());
    }
    Some(fields.into())
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(plain).ok()
}

fn xml(value: &Value, text: &mut String) {
    let mut element = |name: &str, inner: &Value| {
        text.push_str(&format!("<{name}>"));
        xml(inner, text);
        text.push_str(&format!("</{name}>"));
    };
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, inner)| element(name, inner)),
        Value::Array(rows) => rows.iter().for_each(|row| element("member", row)),
        Value::Null => {}
        Value::String(plain) => {
            let escaped = plain.replace('&', "&amp;").replace('<', "&lt;");
            text.push_str(&escaped.replace('>', "&gt;"));
        }
        other => text.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_with_its_escapes() {
        assert_eq!(
            read_form("Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam&Name=a+b&Empty="),
            Some(
                json!({ "Action": "AssumeRole", "RoleArn": "arn:aws:iam", "Name": "a b", "Empty": "" })
            )
        );
        assert_eq!(read_form("a=%4"), None);
        assert_eq!(read_form("a=%zz"), None);
    }

    #[test]
    fn xml_has_an_element_for_each_member_and_row() {
        let mut text = String::new();
        xml(&json!({ "A": ["x<y", true], "B": null }), &mut text);
        assert_eq!(
            text,
            "<A><member>x&lt;y</member><member>true</member></A><B></B>"
        );
    }
}
