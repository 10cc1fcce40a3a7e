//! One call of a service of which no more is needed. Its whole client would be half
//! a megabyte of the package, and take longer to compile than the rest of it; the
//! parts here are those which all clients of the SDK stand on.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_types::service_config::ServiceConfigKey;
use serde_json::Value;

use super::{CallError, Tally, Witness};

/// A call in AWS JSON 1.1.
#[derive(Debug)]
pub struct Call {
    name: &'static str,
    operation: Operation<Value, Value, ErrorMetadata>,
}

/// What an answer says, or which error it is.
pub(crate) type Read = Result<Value, OrchestratorError<ErrorMetadata>>;

/// Whose call it is.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name in the endpoint and in the signature: `logs`.
    pub name: &'static str,
    /// What stands before the operation in `X-Amz-Target`: `Logs_20140328`.
    pub target: &'static str,
    /// Its id in settings: `CloudWatch Logs`, as in
    /// `AWS_ENDPOINT_URL_CLOUDWATCH_LOGS`.
    pub id: &'static str,
}

impl Service {
    /// The endpoint that is configured in place of AWS's own, as the SDK's clients
    /// find it.
    pub fn configured(&self, sdk: &SdkConfig) -> Option<String> {
        let is_given = sdk.get_origin("endpoint_url").is_client_config();
        let configured = sdk.service_config().filter(|_| !is_given).and_then(|conf| {
            let key = ServiceConfigKey::builder().service_id(self.id);
            let key = key.env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
            conf.load_config(key.ok()?)
        });
        configured.or_else(|| sdk.endpoint_url().map(str::to_owned))
    }

    /// The service's endpoint in the Region, or the one that is configured.
    pub fn endpoint(&self, sdk: &SdkConfig) -> String {
        if let Some(url) = self.configured(sdk) {
            return url;
        }
        let region = sdk.region().map_or("us-east-1", AsRef::as_ref);
        let dual_stack = sdk.use_dual_stack() == Some(true);
        // GovCloud's are FIPS endpoints under their usual names.
        let by_usual_name = region.starts_with("us-gov-") && !dual_stack;
        let fips = match sdk.use_fips() {
            Some(true) if !by_usual_name => "-fips",
            _ => "",
        };
        let suffix = suffix(region, dual_stack);
        format!("https://{}{fips}.{region}.{suffix}", self.name)
    }
}

impl Call {
    /// The call of this name.
    pub fn new(
        service: Service,
        name: &'static str,
        sdk: &SdkConfig,
        timeouts: TimeoutConfig,
        tally: &Arc<Tally>,
    ) -> Call {
        let target = format!("{}.{name}", service.target);
        let write = move |input: Value| -> Result<HttpRequest, BoxError> {
            let mut request = HttpRequest::new(SdkBody::from(input.to_string()));
            request.set_method("POST")?;
            request.set_uri("/")?;
            let headers = request.headers_mut();
            headers.insert("content-type", "application/x-amz-json-1.1");
            headers.insert("x-amz-target", target.clone());
            Ok(request)
        };
        let witness = Some(Witness(Arc::clone(tally)));
        Call::in_words(service, name, sdk, timeouts, witness, write, read)
    }

    /// A call that is written and read in another way.
    pub(crate) fn in_words(
        service: Service,
        name: &'static str,
        sdk: &SdkConfig,
        timeouts: TimeoutConfig,
        witness: Option<Witness>,
        write: impl Fn(Value) -> Result<HttpRequest, BoxError> + Send + Sync + 'static,
        read: fn(&HttpResponse) -> Read,
    ) -> Call {
        let mut operation = Operation::builder()
            .service_name(service.name)
            .operation_name(name)
            .endpoint_url(&service.endpoint(sdk))
            .no_retry()
            .timeout_config(timeouts)
            .runtime_plugin(signed(service, sdk));
        if let Some(witness) = witness {
            operation = operation.interceptor(witness);
        }
        if let Some(client) = sdk.http_client() {
            operation = operation.http_client(client);
        }
        if let Some(sleep) = sdk.sleep_impl() {
            operation = operation.sleep_impl(sleep);
        }
        let operation = operation.serializer(write).deserializer(read).build();
        Call { name, operation }
    }

    /// Makes it.
    ///
    /// # Errors
    /// If it failed, or was answered with no JSON.
    pub async fn send(&self, input: Value) -> Result<Value, CallError> {
        let answer = self.operation.invoke(input).await;
        answer.map_err(|error| CallError::of(self.name, &error))
    }
}

fn signed(service: Service, sdk: &SdkConfig) -> StaticRuntimePlugin {
    let mut layer = Layer::new("signature");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    let mut signing_options = SigningOptions::default();
    signing_options.double_uri_encode = true;
    signing_options.normalize_uri_path = true;
    layer.store_put(SigV4OperationSigningConfig {
        region: sdk.region().cloned().map(Into::into),
        name: Some(service.name.into()),
        signing_options,
        ..SigV4OperationSigningConfig::default()
    });
    let mut components = RuntimeComponentsBuilder::new("signature")
        .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
        .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
            StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]),
        )));
    if let Some(credentials) = sdk.credentials_provider() {
        components.set_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials));
    }
    StaticRuntimePlugin::new()
        .with_config(layer.freeze())
        .with_runtime_components(components)
}

/// What the names of a Region's endpoints end in: the usual ones, and those that
/// speak IPv6 too.
fn suffix(region: &str, dual_stack: bool) -> &'static str {
    let suffixes = [
        ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
        ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
        ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
        ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
        ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ];
    let (_, suffix, of_both) = suffixes
        .into_iter()
        .find(|(prefix, ..)| region.starts_with(prefix))
        .unwrap_or(("", "amazonaws.com", "api.aws"));
    match dual_stack {
        true => of_both,
        false => suffix,
    }
}

/// What the answer says: its JSON, or which error it is.
pub(crate) fn read(response: &HttpResponse) -> Read {
    let body = response.body().bytes().unwrap_or_default();
    let body = match serde_json::from_slice::<Value>(body) {
        Ok(body) => body,
        Err(_) if body.is_empty() => Value::Null,
        Err(error) => return Err(OrchestratorError::response(error.into())),
    };
    if response.status().is_success() {
        return Ok(body);
    }
    let mut error = ErrorMetadata::builder();
    let code = response.headers().get("x-amzn-errortype");
    if let Some(code) = code.or(body["__type"].as_str()) {
        // A namespace before it, an address behind it.
        let code = code.rsplit('#').next().unwrap_or(code);
        error = error.code(code.split(':').next().unwrap_or(code));
    }
    if let Some(message) = body["message"].as_str().or(body["Message"].as_str()) {
        error = error.message(message);
    }
    Err(OrchestratorError::operation(error.build()))
}
