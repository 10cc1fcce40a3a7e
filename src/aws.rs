//! What the clients of both services have in common: their settings, how their
//! answers are checked before anybody believes them, and how their errors read.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader};
use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::{Value, json};

use crate::error::shortened;

/// The longest that one attempt at a call may take: less than the time that is
/// kept before the deadline, so that what was begun is also ended.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// The SDK's settings: Region, credentials and endpoints as every AWS tool finds
/// them, and our timeouts. Retries are [`Pace::call`](crate::pace::Pace::call)'s.
pub fn sdk_config() -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(2 * ATTEMPT_TIMEOUT)
        .build();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
}

/// How many requests were sent, and how many of them throttled. Each retry is a
/// request.
#[derive(Debug, Default)]
pub struct Tally {
    requests: AtomicU64,
    throttled: AtomicU64,
}

impl Tally {
    /// Requests since the last time somebody took them.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Requests and throttled requests since the last time somebody asked.
    pub fn take(&self) -> (u64, u64) {
        (
            self.requests.swap(0, Ordering::Relaxed),
            self.throttled.swap(0, Ordering::Relaxed),
        )
    }
}

/// Counts requests, and turns an answer that is not whole into the failure it is.
///
/// The SDK fills in what an answer lacks: `{}` to a list call would read as an
/// empty list, a row without `MembershipExists` as somebody who is no member,
/// and everybody's mapping would go.
#[derive(Debug)]
pub struct Witness(pub Arc<Tally>);

#[dyn_dispatch_hint]
impl Intercept for Witness {
    fn name(&self) -> &'static str {
        "Witness"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(response) = context.response() else {
            return Ok(());
        };
        let succeeded = response.status().is_success();
        let body = response.body().bytes().map(|body| match body {
            // A write may be answered with nothing.
            b"" => Ok(json!({})),
            body => serde_json::from_slice::<Value>(body),
        });
        let operation = config
            .load::<Metadata>()
            .map_or("", |metadata| metadata.name());
        let broken = match body {
            // Not read to its end: the SDK knows, and has its own error for it.
            None => return Ok(()),
            Some(Ok(body)) if succeeded => missing(operation, &body),
            Some(Ok(body)) => {
                let header = response.headers().get("x-amzn-errortype");
                let code = header.or(body["__type"].as_str()).map(bare);
                if code.is_some_and(is_throttle) || response.status().as_u16() == 429 {
                    self.0.throttled.fetch_add(1, Ordering::Relaxed);
                }
                None
            }
            Some(Err(error)) => Some(format!("{operation} was answered with no JSON: {error}")),
        };
        if let (Some(broken), Some(outcome)) = (broken, context.output_or_error_mut()) {
            *outcome = Err(OrchestratorError::response(broken.into()));
        }
        Ok(())
    }
}

/// What an answer lacks for being one. Those to the writes are empty.
fn missing(operation: &str, body: &Value) -> Option<String> {
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let rows = |list: &str, is_whole: &dyn Fn(&Value) -> bool| {
        let rows = body[list].as_array();
        rows.is_some_and(|rows| rows.iter().all(is_whole))
    };
    let (member, is_whole) = match operation {
        "ListGroups" => ("Groups", rows("Groups", &|row| is_text(&row["GroupId"]))),
        "ListGroupMemberships" => (
            "GroupMemberships",
            rows("GroupMemberships", &|row| {
                is_text(&row["MemberId"]["UserId"])
            }),
        ),
        "ListGroupMembershipsForMember" => (
            "GroupMemberships",
            rows("GroupMemberships", &|row| is_text(&row["GroupId"])),
        ),
        "IsMemberInGroups" => (
            "Results",
            rows("Results", &|row| {
                is_text(&row["GroupId"]) && row["MembershipExists"].is_boolean()
            }),
        ),
        "GetGroupId" | "DescribeGroup" => ("GroupId", is_text(&body["GroupId"])),
        "GetUserId" | "DescribeUser" => ("UserId", is_text(&body["UserId"])),
        "ListStudioSessionMappings" => (
            "SessionMappings",
            rows("SessionMappings", &|row| {
                ["IdentityId", "IdentityType", "SessionPolicyArn"]
                    .iter()
                    .all(|name| is_text(&row[name]))
            }),
        ),
        "GetStudioSessionMapping" => (
            "SessionMapping",
            is_text(&body["SessionMapping"]["SessionPolicyArn"]),
        ),
        "ListStudios" => ("Studios", rows("Studios", &|row| is_text(&row["StudioId"]))),
        "DescribeStudio" => ("Studio", body["Studio"].is_object()),
        _ => ("an object", body.is_object()),
    };
    (!is_whole).then(|| format!("{operation} was answered without {member}, or not all of it"))
}

/// Why a call failed, and whether it may succeed another time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The operation.
    pub call: &'static str,
    /// What the failure means for us.
    pub kind: Kind,
    /// The error in words, with its code where it has one.
    pub text: String,
}

/// What a failed call means for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was not made: there was no time left.
    NoTime,
    /// It failed for a reason that may pass: throttling, a fault of the
    /// service, the network, an answer that was broken. It has been retried.
    Transient,
    /// The caller may not make it.
    Denied,
    /// The service said no, and will again.
    Refused,
    /// The service said that this user is not there.
    NoUser,
    /// The service said that this group is not there.
    NoGroup,
}

impl CallError {
    /// A call that failed so.
    pub fn new(call: &'static str, kind: Kind, text: impl Into<String>) -> CallError {
        CallError {
            call,
            kind,
            text: shortened(text.into()),
        }
    }

    /// A call not made for want of time.
    pub fn no_time(call: &'static str) -> CallError {
        CallError::new(call, Kind::NoTime, "the time of this invocation was up")
    }

    /// An answer that cannot be what it says it is.
    pub fn malformed(call: &'static str, text: impl Into<String>) -> CallError {
        CallError::new(call, Kind::Transient, text)
    }

    /// What the SDK says of a failed call.
    pub fn of<E>(call: &'static str, error: &SdkError<E, HttpResponse>) -> CallError
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let SdkError::ServiceError(service) = error else {
            // Timeouts, connections, answers that broke off, and credentials
            // that could not be had. Only a role that may not be assumed will
            // not pass.
            let text = chain(error);
            let kind = match text.contains("AccessDenied") {
                true => Kind::Denied,
                false => Kind::Transient,
            };
            return CallError::new(call, kind, text);
        };
        let status = service.raw().status().as_u16();
        let meta = service.err().meta();
        let kind = match meta.code().map(bare) {
            // An error that says not even which: its body was unreadable.
            None => Kind::Transient,
            Some(code) if is_throttle(code) || is_passing(code) => Kind::Transient,
            Some(_) if status >= 500 || status == 429 => Kind::Transient,
            Some(code) if code.contains("AccessDenied") => Kind::Denied,
            Some(_) => Kind::Refused,
        };
        let text = match (meta.code(), meta.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            _ => format!("{} (HTTP status {status})", chain(error)),
        };
        CallError::new(call, kind, text)
    }

    /// Whether it failed for a reason that may pass.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, Kind::NoTime | Kind::Transient)
    }

    /// Whether there were too many calls for the service.
    pub fn is_throttled(&self) -> bool {
        let code = self.text.split(':').next().unwrap_or_default();
        self.kind == Kind::Transient && is_throttle(bare(code))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.call, self.text)?;
        match self.kind {
            Kind::Denied => f.write_str(" (allow it in the role's policy)"),
            Kind::NoTime | Kind::Transient | Kind::Refused | Kind::NoUser | Kind::NoGroup => Ok(()),
        }
    }
}

/// An error and what led to it, in their own words. Never its debug form, which
/// quotes the whole answer: names of people are in there.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text += &format!(": {error}");
        next = error.source();
    }
    text
}

/// A code without the namespace that some services put before it.
fn bare(code: &str) -> &str {
    code.rsplit('#').next().unwrap_or(code)
}

fn is_throttle(code: &str) -> bool {
    THROTTLING_ERRORS.contains(&code)
}

/// Codes of faults that pass, whatever HTTP status they come with. Credentials
/// that have expired, or are not known everywhere yet, are soon replaced.
fn is_passing(code: &str) -> bool {
    TRANSIENT_ERRORS.contains(&code)
        || [
            "InternalServerError",
            "InternalServerException",
            "InternalFailure",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidSignatureException",
            "RequestExpired",
            "RequestTimeTooSkewed",
            "UnrecognizedClientException",
        ]
        .contains(&code)
}
