//! Lambda: the function itself, run in this process against this world.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::Region;
use aws_credential_types::Credentials;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::runtime;
use tokio::time::Instant;

use super::deployment::{Function, is_here};
use super::records::LogLine;
use super::wire::{Answer, Caller, Refusal, required};
use super::world::World;
use super::{in_process, lock};
use crate::config::Config;
use crate::sync::Engine;
use crate::{aws, handler, telemetry};

/// The timeout that the template gives it.
const TIMEOUT: Duration = Duration::from_secs(180);

/// Invoke. Each invocation is a process of its own, which remembers nothing; its
/// log is in the world, where FilterLogEvents finds it. What the function fails
/// with is an answer with an `errorType`.
pub(super) async fn invoke(
    world: &Arc<Mutex<World>>,
    caller: &Caller,
    name: &str,
    payload: Value,
) -> Answer {
    let function = deployed(&lock(world), caller, name)?;
    lock(world).log_groups.insert(function.log_group());
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = {
        let log = Arc::clone(&log);
        move || Lines(Arc::clone(&log))
    };
    let (at, as_who, runs) = (Arc::clone(world), caller.clone(), function.clone());
    let process = tokio::task::spawn_blocking(move || -> io::Result<Value> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let running = run(&at, &as_who, &runs, payload);
        let lines = telemetry::lines(None, writer);
        Ok(tracing::subscriber::with_default(lines, || {
            runtime.block_on(running)
        }))
    });
    let answer = match process.await {
        Ok(Ok(answer)) => answer,
        _ => exited(),
    };
    let written = std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner));
    let group = function.log_group();
    let lines = String::from_utf8_lossy(&written);
    let lines = lines.lines().map(|line| LogLine {
        group: group.clone(),
        at_ms: at_ms(line),
        message: line.to_owned(),
    });
    lock(world).log.extend(lines);
    Ok(answer)
}

async fn run(
    world: &Arc<Mutex<World>>,
    caller: &Caller,
    function: &Function,
    payload: Value,
) -> Value {
    let (store, group) = (lock(world).store_id.clone(), function.log_group());
    let variable = |name: &str| match (function.environment.get(name), name) {
        (Some(value), _) => Some(value.clone()),
        (None, "IDENTITY_STORE_ID") => Some(store.clone()),
        (None, "AWS_LAMBDA_LOG_GROUP_NAME") => Some(group.clone()),
        _ => None,
    };
    let config = match Config::from_env(variable) {
        Ok(config) => config,
        Err(problems) => {
            telemetry::wrong_configuration(&problems);
            return exited();
        }
    };
    let region = caller.region.clone();
    let sdk = aws::sdk_config()
        .http_client(in_process::http_client(world))
        .endpoint_url("http://in.process.invalid")
        .region(Region::new(region.unwrap_or_else(|| "us-east-1".into())))
        .credentials_provider(Credentials::new("lambda", "lambda", None, None, "lambda"))
        .load()
        .await;
    let engine = Engine::new(&config, &sdk).await;
    let function = handler::Function::new(engine, Some(function.name.clone()), |_| {});
    // Boxed: the future is large, and it would be a part of the server's.
    let answer = function.handle(payload, Instant::now() + TIMEOUT).await;
    answer.unwrap_or_else(|error| {
        let diagnostic = lambda_runtime::Diagnostic::from(error);
        json!({ "errorType": diagnostic.error_type, "errorMessage": diagnostic.error_message })
    })
}

/// What Lambda says of a function that stopped.
fn exited() -> Value {
    json!({
        "errorType": "Runtime.ExitError",
        "errorMessage": "Runtime exited with error: exit status 1",
    })
}

/// The function of this name, or of this ARN.
fn deployed(world: &World, caller: &Caller, name: &str) -> Result<Function, Refusal> {
    let plain = name.rsplit(":function:").next().unwrap_or(name);
    let mut functions = world.deployment.functions.iter();
    let found = functions
        .find(|one| one.name == plain && is_here(one.region.as_deref(), caller.region.as_deref()));
    found.cloned().ok_or_else(|| {
        let region = caller.region.as_deref().unwrap_or("us-east-1");
        let account = &world.account;
        let message =
            format!("Function not found: arn:aws:lambda:{region}:{account}:function:{plain}");
        Refusal::modelled(404, "ResourceNotFoundException", &message)
    })
}

/// Lambda, but for Invoke. `None`: no such operation.
pub(super) fn lambda(
    world: &World,
    caller: &Caller,
    operation: &str,
    name: &str,
) -> Option<Answer> {
    (operation == "GetFunctionConfiguration").then(|| {
        let function = deployed(world, caller, name)?;
        Ok(json!({
            "FunctionName": function.name,
            "LoggingConfig": { "LogFormat": "JSON", "LogGroup": function.log_group() },
        }))
    })
}

/// CloudFormation. `None`: no such operation.
pub(super) fn cloud_formation(
    world: &World,
    caller: &Caller,
    operation: &str,
    input: &Value,
) -> Option<Answer> {
    (operation == "DescribeStackResource").then(|| {
        let (stack, resource) = (
            required(input, "StackName")?,
            required(input, "LogicalResourceId")?,
        );
        let mut functions = world.deployment.functions.iter();
        let function = functions.find(|one| {
            one.stack.as_deref() == Some(stack)
                && is_here(one.region.as_deref(), caller.region.as_deref())
        });
        let invalid = |message: String| Err(Refusal::front_door(400, "ValidationError", &message));
        let Some(function) = function else {
            return invalid(format!("Stack '{stack}' does not exist"));
        };
        let id = match resource {
            "Function" => function.name.clone(),
            "LogGroup" => function.log_group(),
            _ => {
                return invalid(format!(
                    "Resource {resource} does not exist for stack {stack}"
                ));
            }
        };
        Ok(json!({ "StackResourceDetail": {
            "StackName": stack,
            "LogicalResourceId": resource,
            "PhysicalResourceId": id,
        } }))
    })
}

/// When a line was written, as it says itself.
fn at_ms(line: &str) -> i64 {
    let line: Option<Value> = serde_json::from_str(line).ok();
    let time = line.and_then(|line| DateTime::parse_from_rfc3339(line["timestamp"].as_str()?).ok());
    time.map_or_else(
        || Utc::now().timestamp_millis(),
        |time| time.timestamp_millis(),
    )
}

/// Where an invocation's lines go.
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
