//! A Lambda Runtime API for the real binary: it hands out invocations and takes
//! the answers. Two routes, and a third for a start that failed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

/// What the function answered: its response, or its error.
pub type Answer = Result<Value, Value>;

struct Invocation {
    id: String,
    payload: Vec<u8>,
    deadline_ms: u128,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Invocation>,
    running: Option<Invocation>,
    count: usize,
}

/// The real binary, running under a Runtime API of our own.
pub struct Lambda {
    state: Arc<Mutex<State>>,
    arrived: Arc<Notify>,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Lambda {
    /// Starts `bootstrap` with this environment and nothing else of ours.
    pub async fn start(env: &[(&str, &str)]) -> Lambda {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, arrived) = (
            Arc::new(Mutex::new(State::default())),
            Arc::new(Notify::new()),
        );
        let (shared, notify) = (Arc::clone(&state), Arc::clone(&arrived));
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let (shared, notify) = (Arc::clone(&shared), Arc::clone(&notify));
                let service = hyper::service::service_fn(move |request| {
                    let (shared, notify) = (Arc::clone(&shared), Arc::clone(&notify));
                    async move { Ok::<_, Infallible>(route(request, shared, notify).await) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        let mut child = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "studio-sync")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, stdout) = (Arc::clone(&log), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        Lambda {
            state,
            arrived,
            child,
            log,
        }
    }

    /// Invokes it with a payload, to be answered within five minutes.
    pub async fn invoke(&self, payload: &Value) -> Answer {
        self.invoke_within(payload.to_string().into_bytes(), Duration::from_secs(300))
            .await
    }

    /// Invokes it with these bytes and this much time.
    pub async fn invoke_within(&self, payload: Vec<u8>, time: Duration) -> Answer {
        let deadline = SystemTime::now() + time;
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.state.lock().unwrap();
            state.count += 1;
            let id = format!("8476a536-e9f4-11e8-9739-{:012}", state.count);
            let deadline_ms = deadline.duration_since(UNIX_EPOCH).unwrap().as_millis();
            state.waiting.push_back(Invocation {
                id,
                payload,
                deadline_ms,
                answer,
            });
        }
        self.arrived.notify_one();
        tokio::time::timeout(Duration::from_secs(60), answered)
            .await
            .expect("the function answers within a minute")
            .expect("the function answers")
    }

    /// Waits for the process to end; its exit code.
    pub async fn ended(&mut self) -> i32 {
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the process goes on");
    }

    /// The lines it has printed since the last look, each of them JSON.
    pub async fn log(&self) -> Vec<Value> {
        // What was printed before the answer may still be on its way.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let lines = std::mem::take(&mut *self.log.lock().unwrap());
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect()
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn route(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
    arrived: Arc<Notify>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    if request.method() == Method::GET {
        return next(state, arrived).await;
    }
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let value: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let running = state.lock().unwrap().running.take();
    if let Some(invocation) = running {
        assert!(
            path.contains(&invocation.id),
            "{path} answers another invocation"
        );
        let answer = if path.ends_with("/response") {
            Ok(value)
        } else {
            Err(value)
        };
        let _ = invocation.answer.send(answer);
    }
    Response::builder()
        .status(202)
        .body(Full::default())
        .unwrap()
}

async fn next(state: Arc<Mutex<State>>, arrived: Arc<Notify>) -> Response<Full<Bytes>> {
    loop {
        let invocation = state.lock().unwrap().waiting.pop_front();
        let Some(mut invocation) = invocation else {
            arrived.notified().await;
            continue;
        };
        let payload = std::mem::take(&mut invocation.payload);
        let response = Response::builder()
            .header("lambda-runtime-aws-request-id", &invocation.id)
            .header(
                "lambda-runtime-deadline-ms",
                invocation.deadline_ms.to_string(),
            )
            .header(
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:us-east-1:111122223333:function:studio-sync",
            )
            .header(
                "lambda-runtime-trace-id",
                "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
            )
            .body(Full::from(payload))
            .unwrap();
        state.lock().unwrap().running = Some(invocation);
        return response;
    }
}
