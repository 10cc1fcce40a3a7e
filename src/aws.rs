//! What the clients of both services have in common: their settings, how their
//! answers are checked before anybody believes them, and how their errors read.

pub(crate) mod call;
mod error;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{Metadata, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::{Value, json};

pub use call::{Call, Service};
pub use error::{CallError, Kind, classify};

/// The longest that one attempt at a call may take, where a service has no need of
/// more.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// The SDK's settings: Region, credentials and endpoints as every AWS tool finds
/// them, and our timeouts. Retries are [`Pace::call`](crate::pace::Pace::call)'s.
pub fn sdk_config() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(https())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(ATTEMPT_TIMEOUT))
}

/// An HTTP client. One serves for all: so there is one pool of connections, and the
/// certificates of the system are read once. A proxy is what the environment says.
/// Whatever is not configured by [`sdk_config`] has to be given one.
pub fn https() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let ring = Provider::Rustls(CryptoMode::Ring);
        let mut connector = Connector::builder().tls_provider(ring);
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}

/// The timeouts of calls of which an attempt may take so long.
pub fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(attempt)
        // Getting credentials may come before it.
        .operation_timeout(attempt + ATTEMPT_TIMEOUT)
        .build()
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
                let code = header.or(body["__type"].as_str());
                // The services spell it in both ways.
                let message = body["message"].as_str().or(body["Message"].as_str());
                if error::is_throttling(response.status().as_u16(), code, message) {
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
        // Nobody has published how an empty Studio is answered, nor whether every
        // row has an id: what follows is for the Studio's own reader.
        "ListStudioSessionMappings" => (
            "SessionMappings",
            body.is_object()
                && (body["SessionMappings"].is_null()
                    || rows("SessionMappings", &|row| {
                        ["IdentityType", "SessionPolicyArn"]
                            .iter()
                            .all(|name| is_text(&row[name]))
                    })),
        ),
        "GetStudioSessionMapping" => (
            "SessionMapping",
            is_text(&body["SessionMapping"]["SessionPolicyArn"]),
        ),
        // The guard's memory: a line that is left out is a deletion it does not count.
        "FilterLogEvents" => (
            "events",
            rows("events", &|row| {
                row["message"].is_string() && row["timestamp"].is_i64()
            }) && (body["nextToken"].is_null() || body["nextToken"].is_string()),
        ),
        "ListStudios" => ("Studios", rows("Studios", &|row| is_text(&row["StudioId"]))),
        "DescribeStudio" => ("Studio", body["Studio"].is_object()),
        _ => ("an object", body.is_object()),
    };
    (!is_whole).then(|| format!("{operation} was answered without {member}, or not all of it"))
}
