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
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::Value;

use crate::pace::NoTime;

/// The longest that one call may take, retries and the pauses between them
/// included. Less than the time kept before the deadline, so that a call which
/// was begun is also ended.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(9);

/// The SDK's settings: Region, credentials and endpoints as every AWS tool finds
/// them, the retries and timeouts of this program.
pub fn sdk_config() -> ConfigLoader {
    let retries = RetryConfig::standard()
        .with_max_attempts(4)
        .with_initial_backoff(Duration::from_millis(300));
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(4))
        .operation_timeout(CALL_TIMEOUT)
        .build();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .retry_config(retries)
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
    /// Requests and throttled requests since the last time somebody asked.
    pub fn take(&self) -> (u64, u64) {
        (
            self.requests.swap(0, Ordering::Relaxed),
            self.throttled.swap(0, Ordering::Relaxed),
        )
    }
}

/// Counts requests, and turns an answer that is not whole into the transient
/// failure it is, so that the SDK retries it.
///
/// The SDK fills in what a required member lacks: an answer `{}` to a list call
/// would read as an empty list, and everybody's mapping would go.
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
        let body = response.body().bytes().map(serde_json::from_slice::<Value>);
        let operation = config
            .load::<Metadata>()
            .map_or("", |metadata| metadata.name());
        let broken = match body {
            // Not read to its end: the SDK knows, and has its own error for it.
            None => return Ok(()),
            Some(Ok(body)) if succeeded => missing(operation, &body),
            Some(Ok(body)) => {
                let header = response.headers().get("x-amzn-errortype");
                if header.or(body["__type"].as_str()).is_some_and(is_throttle) {
                    self.0.throttled.fetch_add(1, Ordering::Relaxed);
                }
                None
            }
            // Nothing is asked of the answer to a write but that it is a success.
            Some(Err(_)) if succeeded && member_of(operation).is_none() => None,
            Some(Err(error)) => Some(format!("{operation} was answered with no JSON: {error}")),
        };
        if let (Some(broken), Some(outcome)) = (broken, context.output_or_error_mut()) {
            *outcome = Err(OrchestratorError::response(broken.into()));
        }
        Ok(())
    }
}

/// The member without which an answer is not whole, and what it must be. None
/// for the writes, whose answers are empty.
fn member_of(operation: &str) -> Option<(&'static str, Form)> {
    Some(match operation {
        "ListGroups" => ("Groups", Form::List),
        "ListGroupMemberships" | "ListGroupMembershipsForMember" => {
            ("GroupMemberships", Form::List)
        }
        "IsMemberInGroups" => ("Results", Form::List),
        "GetGroupId" | "DescribeGroup" => ("GroupId", Form::Text),
        "GetUserId" | "DescribeUser" => ("UserId", Form::Text),
        "ListStudioSessionMappings" => ("SessionMappings", Form::List),
        "GetStudioSessionMapping" => ("SessionMapping", Form::Object),
        "DescribeStudio" => ("Studio", Form::Object),
        _ => return None,
    })
}

enum Form {
    Text,
    List,
    Object,
}

fn missing(operation: &str, body: &Value) -> Option<String> {
    let (member, form) = member_of(operation)?;
    let value = &body[member];
    let is_whole = match form {
        Form::Text => value.as_str().is_some_and(|text| !text.is_empty()),
        Form::List => value.is_array(),
        Form::Object => value.is_object(),
    };
    (!is_whole).then(|| format!("{operation} was answered without {member}"))
}

/// Why a call failed, and whether it may succeed another time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The operation.
    pub call: &'static str,
    /// What the failure means for us.
    pub kind: Kind,
    /// The error in words, with its code and request id where it has them.
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
}

impl CallError {
    /// A call not made for want of time.
    pub fn no_time(call: &'static str, _: NoTime) -> CallError {
        let text = "the time of this invocation was up".to_owned();
        CallError {
            call,
            kind: Kind::NoTime,
            text,
        }
    }

    /// An answer that cannot be what it says it is.
    pub fn malformed(call: &'static str, text: impl Into<String>) -> CallError {
        CallError {
            call,
            kind: Kind::Transient,
            text: text.into(),
        }
    }

    /// What the SDK says of a failed call.
    pub fn of<E>(call: &'static str, error: &SdkError<E, HttpResponse>) -> CallError
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let kind = match error {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                match service.err().code() {
                    // An error that says not even which: its body was unreadable.
                    None => Kind::Transient,
                    Some(code) if is_throttle(code) || is_passing(code) || status >= 500 => {
                        Kind::Transient
                    }
                    Some(code) if code.contains("AccessDenied") => Kind::Denied,
                    Some(_) => Kind::Refused,
                }
            }
            // Timeouts, connections, answers that broke off, pages without end,
            // and credentials that could not be had.
            _ => Kind::Transient,
        };
        let text = match error {
            SdkError::ServiceError(service) => {
                let meta = service.err().meta();
                match (meta.code(), meta.message()) {
                    (Some(code), Some(message)) => format!("{code}: {message}"),
                    (Some(code), None) => code.to_owned(),
                    _ => format!("{}", DisplayErrorContext(error)),
                }
            }
            _ => format!("{}", DisplayErrorContext(error)),
        };
        CallError { call, kind, text }
    }

    /// Whether it may succeed another time, so that the pass should come again.
    pub fn may_pass(&self) -> bool {
        matches!(self.kind, Kind::NoTime | Kind::Transient)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.call, self.text)?;
        match self.kind {
            Kind::Denied => write!(
                f,
                " (allow it in the role's policy; docs/deployment.md lists all)"
            ),
            Kind::NoTime | Kind::Transient | Kind::Refused => Ok(()),
        }
    }
}

/// Codes of throttling; EMR's and the Identity Store's among them.
fn is_throttle(code: &str) -> bool {
    [
        "ThrottlingException",
        "Throttling",
        "TooManyRequestsException",
        "RequestLimitExceeded",
    ]
    .iter()
    .any(|known| code.rsplit('#').next() == Some(known))
}

/// Codes of faults that pass, whatever HTTP status they come with.
fn is_passing(code: &str) -> bool {
    [
        "InternalServerError",
        "InternalServerException",
        "InternalFailure",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "ExpiredTokenException",
        "RequestTimeout",
    ]
    .contains(&code)
}
