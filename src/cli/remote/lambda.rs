//! The deployed function: found by its stack, invoked, and its failures in one
//! sentence each. The only file that names Lambda and CloudFormation.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use clap::Args;
use serde_json::{Value, json};

use crate::aws::{self, Call, CallError, Kind, Service, Tally, Witness, call};
use crate::cli::credentials;
use crate::cli::whereabouts::knock;
use crate::visible::{self, quoted};

pub(super) const LAMBDA: Service = Service {
    name: "lambda",
    target: "",
    id: "Lambda",
};
const CLOUD_FORMATION: Service = Service {
    name: "cloudformation",
    target: "",
    id: "CloudFormation",
};
/// The longest that a function may run, and a little.
const INVOCATION: Duration = Duration::from_secs(15 * 60 + 10);
const DESCRIPTION: Duration = Duration::from_secs(10);
/// The code of what is no failure of Lambda, but of the function.
const OF_FUNCTION: &str = "FunctionError";

/// Which function.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct Which {
    /// The stack that the function was deployed with
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) stack: Option<String>,
    /// The function, by name or ARN
    #[arg(long, value_name = "NAME|ARN")]
    pub(in crate::cli) function: Option<String>,
}

impl Which {
    /// The function's name or ARN.
    pub(super) async fn function(&self, sdk: &SdkConfig) -> Result<String, String> {
        knock(LAMBDA, sdk).await?;
        match (&self.function, &self.stack) {
            (Some(function), _) => Ok(function.clone()),
            (None, Some(stack)) => resource(sdk, stack, "Function").await,
            (None, None) => Err("give --stack or --function".to_owned()),
        }
    }

    /// The command that tells what the function has done.
    pub(super) fn history(&self) -> String {
        let (flag, name) = match (&self.stack, &self.function) {
            (Some(stack), _) => ("stack", stack.as_str()),
            (None, function) => ("function", function.as_deref().unwrap_or_default()),
        };
        format!("emr-studio-sync history --{flag} {}", visible::name(name))
    }

    /// The name of the function's log group.
    pub(in crate::cli) async fn log_group(&self, sdk: &SdkConfig) -> Result<String, String> {
        match (&self.function, &self.stack) {
            (None, Some(stack)) => resource(sdk, stack, "LogGroup").await,
            (function, _) => {
                knock(LAMBDA, sdk).await?;
                log_group_of(sdk, function.as_deref().unwrap_or_default()).await
            }
        }
    }
}

/// Invokes a function, and waits for its answer.
pub(super) async fn invoke(
    sdk: &SdkConfig,
    function: &str,
    payload: Value,
) -> Result<Value, String> {
    let path = format!("/2015-03-31/functions/{}/invocations", escaped(function));
    let write = move |payload: Value| {
        let mut request = HttpRequest::new(SdkBody::from(payload.to_string()));
        request.set_method("POST")?;
        request.set_uri(path.as_str())?;
        request
            .headers_mut()
            .insert("content-type", "application/json");
        Ok(request)
    };
    let read = |response: &HttpResponse| {
        let answer = call::read(response)?;
        match response.headers().get("x-amz-function-error") {
            None => Ok(answer),
            Some(_) => {
                let text = |field: &str| answer[field].as_str().unwrap_or("unknown").to_owned();
                let message = format!("{}: {}", text("errorType"), text("errorMessage"));
                let error = ErrorMetadata::builder().code(OF_FUNCTION).message(message);
                Err(OrchestratorError::operation(error.build()))
            }
        }
    };
    let witness = Witness(Arc::new(Tally::default()));
    let timeouts = aws::timeouts(INVOCATION);
    let call = Call::in_words(LAMBDA, "Invoke", sdk, timeouts, Some(witness), write, read);
    let answer = call.send(payload).await;
    answer.map_err(|error| in_a_sentence(&error, function, sdk, "InvokeFunction"))
}

/// What somebody can do about a call that failed, which needs this permission.
fn in_a_sentence(error: &CallError, function: &str, sdk: &SdkConfig, needs: &str) -> String {
    let text = &error.text;
    let of_function = |kind: &str| {
        let rest = text.strip_prefix(OF_FUNCTION)?.strip_prefix(": ")?;
        rest.strip_prefix(kind)
    };
    if let Some(message) = of_function("Incomplete: ") {
        return format!("the function could not finish: {message}");
    }
    if let Some(failure) = of_function("") {
        return format!("the function failed, and its log says why: {failure}");
    }
    let region = sdk.region().map_or("", AsRef::as_ref);
    match error.kind {
        _ if text.starts_with("ResourceNotFoundException") => format!(
            "there is no function {} in {region}: see --region and --profile ({text})",
            quoted(function)
        ),
        _ if error.is_throttled() || text.starts_with("TooManyRequestsException") => {
            format!("Lambda lets the function run no more often just now; try again ({text})")
        }
        Kind::Denied => {
            format!(
                "{}: you may not; allow lambda:{needs} on it ({text})",
                quoted(function)
            )
        }
        _ => credentials::refused(text, None).unwrap_or_else(|| error.to_string()),
    }
}

/// Where a function writes its log: the template gives it a group of its own.
async fn log_group_of(sdk: &SdkConfig, function: &str) -> Result<String, String> {
    let path = format!("/2015-03-31/functions/{}/configuration", escaped(function));
    let write = move |_: Value| {
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_method("GET")?;
        request.set_uri(path.as_str())?;
        Ok(request)
    };
    let name = "GetFunctionConfiguration";
    let timeouts = aws::timeouts(DESCRIPTION);
    let call = Call::in_words(LAMBDA, name, sdk, timeouts, None, write, call::read);
    let answer = call.send(Value::Null).await;
    let answer = answer.map_err(|error| in_a_sentence(&error, function, sdk, name))?;
    let group = answer["LoggingConfig"]["LogGroup"].as_str();
    group.map(str::to_owned).ok_or_else(|| {
        format!(
            "Lambda does not say where {} writes its log; give --stack",
            quoted(function)
        )
    })
}

/// The physical id of a stack's resource.
async fn resource(sdk: &SdkConfig, stack: &str, resource: &str) -> Result<String, String> {
    knock(CLOUD_FORMATION, sdk).await?;
    let write = |input: Value| {
        let text = |field: &str| escaped(input[field].as_str().unwrap_or_default());
        let form = format!(
            "Action=DescribeStackResource&Version=2010-05-15&StackName={}&LogicalResourceId={}",
            text("stack"),
            text("resource")
        );
        let mut request = HttpRequest::new(SdkBody::from(form));
        request.set_method("POST")?;
        request.set_uri("/")?;
        let form = "application/x-www-form-urlencoded";
        request.headers_mut().insert("content-type", form);
        Ok(request)
    };
    let read = |response: &HttpResponse| {
        let body = response.body().bytes().unwrap_or_default();
        let body = String::from_utf8_lossy(body);
        // Names of functions and of log groups have no characters that XML escapes.
        let element = |name: &str| {
            let (_, rest) = body.split_once(&format!("<{name}>"))?;
            rest.split_once("</").map(|(text, _)| text.to_owned())
        };
        match element("PhysicalResourceId") {
            Some(id) if response.status().is_success() => Ok(json!(id)),
            _ => {
                let mut error = ErrorMetadata::builder();
                if let (Some(code), Some(message)) = (element("Code"), element("Message")) {
                    error = error.code(code).message(message);
                }
                Err(OrchestratorError::operation(error.build()))
            }
        }
    };
    let name = "DescribeStackResource";
    let timeouts = aws::timeouts(DESCRIPTION);
    let call = Call::in_words(CLOUD_FORMATION, name, sdk, timeouts, None, write, read);
    let found = call
        .send(json!({ "stack": stack, "resource": resource }))
        .await;
    let found = found.map_err(|error| match error.kind {
        Kind::Denied => format!(
            "you may not look at the stack {}: allow cloudformation:DescribeStackResource on it, \
             or give --function ({})",
            quoted(stack),
            error.text
        ),
        _ if error.text.starts_with("ValidationError") => {
            let region = sdk.region().map_or("", AsRef::as_ref);
            format!(
                "--stack {stack}: it has no function of ours in {region} ({})",
                error.text
            )
        }
        _ => credentials::refused(&error.text, None).unwrap_or_else(|| error.to_string()),
    })?;
    Ok(found.as_str().unwrap_or_default().to_owned())
}

/// A text as a part of a path or of a form.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let bytes = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    bytes.collect()
}
