//! The Lambda function. Wiring only; start reading at `lib.rs`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use emr_studio_sync::bus::Bus;
use emr_studio_sync::config::{self, Config};
use emr_studio_sync::handler::Function;
use emr_studio_sync::sync::Engine;
use emr_studio_sync::{aws, environment, telemetry};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Where that cannot be, they stay what they are.
    let _ = environment::without_empty_variables();
    let var = |name: &str| std::env::var(name).ok();
    telemetry::init(var("AWS_LAMBDA_LOG_LEVEL").as_deref());
    if let Some(problem) = config::too_long_for_lambda(var) {
        tracing::warn!(problem = %problem, "problem");
    }
    let config = match Config::with_warnings(var) {
        Ok((config, warnings)) => {
            telemetry::warnings(&warnings);
            config
        }
        Err(problems) => {
            telemetry::wrong_configuration(&problems);
            return ExitCode::FAILURE;
        }
    };
    telemetry::started(config.mode);
    let (sdk, name) = (
        aws::sdk_config().load().await,
        var("AWS_LAMBDA_FUNCTION_NAME"),
    );
    let engine = Engine::new(&config, &sdk).await;
    let bus = config
        .access_events
        .then(|| Bus::new(name.clone(), &sdk, engine.tally()));
    let function = Arc::new(Function::new(engine, name, telemetry::emit).telling(bus));
    let handler = service_fn(move |event: LambdaEvent<Value>| {
        let function = Arc::clone(&function);
        async move {
            let deadline = instant(event.context.deadline);
            function.handle(event.payload, deadline).await
        }
    });
    match lambda_runtime::run(handler).await {
        Ok(()) => ExitCode::SUCCESS,
        // Lambda itself would only say that the runtime exited.
        Err(error) => {
            tracing::error!(error = %error, "the runtime stopped");
            ExitCode::FAILURE
        }
    }
}

/// Lambda's deadline, in milliseconds since 1970, on the clock that waits.
fn instant(deadline_ms: u64) -> Instant {
    let deadline = UNIX_EPOCH + Duration::from_millis(deadline_ms);
    Instant::now()
        + deadline
            .duration_since(SystemTime::now())
            .unwrap_or_default()
}
