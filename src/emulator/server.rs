//! The HTTP side: one request, one answer, or a connection closed without one.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::calls::{Call, Outcome};
use super::faults::FaultKind;
use super::protocol::{Asked, Written};
use super::wire::{Answer, Caller, Refusal, Service};
use super::world::World;
use super::{account, functions, identity_store, lock, logs, studios, watching};

pub(super) type Body = BoxBody<Bytes, Infallible>;

/// Far above any request of these services.
const BODY_LIMIT: usize = 4 << 20;

/// Serves until it is aborted, and its connections with it.
pub(super) async fn accept(listener: TcpListener, world: Arc<Mutex<World>>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Out of file descriptors, say: that passes, and a busy loop would not help.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let world = Arc::clone(&world);
        let service = service_fn(move |request| respond(Arc::clone(&world), request));
        // How a connection ended is the client's to notice; a fault ends it in error.
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        while connections.try_join_next().is_some() {}
    }
}

/// An error makes hyper close the connection: that is how the drop faults drop.
async fn respond(
    world: Arc<Mutex<World>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, io::Error> {
    let (head, mut rest) = request.into_parts();
    // Read to its end, too long or not: whoever is answered while still sending
    // may see the connection break before the answer.
    let (mut body, mut length) = (Vec::new(), 0);
    while let Some(frame) = rest.frame().await {
        let frame = frame.map_err(io::Error::other)?;
        let data = frame.data_ref().map_or(&[][..], Bytes::as_ref);
        length += data.len();
        if length <= BODY_LIMIT {
            body.extend_from_slice(data);
        }
    }
    if length > BODY_LIMIT {
        let message = format!("The request body is over {BODY_LIMIT} bytes");
        let refusal = Refusal::front_door(413, "RequestEntityTooLargeException", &message);
        return Ok(turned_away(&refusal));
    }
    let body = Bytes::from(body);
    let reads = head.method == Method::GET && head.uri.path().ends_with("/configuration");
    if head.method != Method::POST && !reads {
        let message = "AWS is asked with POST here";
        let refusal = Refusal::front_door(404, "UnknownOperationException", message);
        return Ok(turned_away(&refusal));
    }
    respond_to(world, head.uri.path(), head.headers, body).await
}

/// Answers a request, however it came.
pub(super) async fn respond_to(
    world: Arc<Mutex<World>>,
    path: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, io::Error> {
    // In a task of its own: a service finishes what it began, also where the caller
    // has hung up. A write that timed out takes effect all the same.
    let asked = Asked::read(path, &headers, &body);
    let answering =
        tokio::spawn(async move { answer(&world, caller(&headers), asked, &body).await });
    answering.await.map_err(io::Error::other)?
}

async fn answer(
    world: &Arc<Mutex<World>>,
    mut caller: Caller,
    mut asked: Asked,
    body: &[u8],
) -> Result<Response<Body>, io::Error> {
    let mut input = asked.input.take();
    let (service, operation) = (asked.service, asked.operation.as_str());
    let (number, account, verdict) = {
        let world = &mut *lock(world);
        let number = arrive(world, operation, input.as_ref());
        // What is no JSON is looked at as if it were, like everywhere.
        let text = match str::from_utf8(body) {
            Ok(json) if json.starts_with('{') => json.into(),
            _ => input.as_ref().map(Value::to_string).unwrap_or_default(),
        };
        let verdict = service.map(|service| {
            let now = Instant::now();
            world.faults.judge(service, operation, &text, now)
        });
        (number, world.account.clone(), verdict.unwrap_or_default())
    };
    caller.request_id = format!("00000000-0000-4000-8000-{number:012x}");

    tokio::time::sleep(verdict.delay).await;

    // A function runs while the world goes on: it calls it itself.
    let ran = match (service, &verdict.fault) {
        (Some(Service::Lambda), None) if operation == "Invoke" => {
            let payload = input.take().unwrap_or(Value::Null);
            Some(functions::invoke(world, &caller, &asked.subject, payload).await)
        }
        _ => None,
    };
    let world = &mut *lock(world);
    let (outcome, response) = match service {
        None => answered(Err(unknown(operation)), &asked, &caller),
        Some(service) => {
            let account = caller.account.as_ref().unwrap_or(&account);
            let fault = verdict.fault.as_ref();
            let id = &caller.request_id;
            let refusal = fault.and_then(|fault| fault.refusal(service, operation, account, id));
            let act = || match ran {
                Some(answer) => answer,
                None => operate(world, &caller, (service, &asked), input, &verdict.mangling),
            };
            match (refusal, fault) {
                (Some(refusal), _) => answered(Err(refusal), &asked, &caller),
                (None, Some(fault)) => spoiled(fault, &asked, &caller, act),
                (None, None) => answered(act(), &asked, &caller),
            }
        }
    };
    if let Some(call) = world
        .calls
        .iter_mut()
        .rev()
        .find(|call| call.number == number)
    {
        call.outcome = outcome;
    }
    response.ok_or_else(|| io::Error::other("dropped by a fault rule"))
}

fn arrive(world: &mut World, operation: &str, input: Option<&Value>) -> u64 {
    world.minted.calls += 1;
    let number = world.minted.calls;
    world.calls.push(Call {
        number,
        operation: operation.into(),
        input: input.cloned().unwrap_or(Value::Null),
        outcome: Outcome::Pending,
        arrived: Instant::now(),
    });
    number
}

/// Who asks: the credential scope of the signature, which nobody verifies here,
/// names the Region: `AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/…`.
fn caller(headers: &HeaderMap) -> Caller {
    let authorization = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let scope = authorization.and_then(|text| text.split_once("Credential="));
    let mut parts = scope.map_or("", |(_, scope)| scope).split('/');
    let key = parts.next().unwrap_or_default();
    let is_account = key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit());
    Caller {
        region: parts.nth(1).map(str::to_owned),
        account: is_account.then(|| key.to_owned()),
        request_id: String::new(),
    }
}

fn operate(
    world: &mut World,
    caller: &Caller,
    (service, asked): (Service, &Asked),
    input: Option<Value>,
    mangling: &[FaultKind],
) -> Answer {
    let Some(mut input) = input else {
        let message = "The request body is not an object";
        return Err(Refusal::front_door(400, "SerializationException", message));
    };
    let operation = asked.operation.as_str();
    for fault in mangling {
        fault.mangle_input(&mut input);
    }
    world.watched(operation, &input);
    let answer = match service {
        Service::Emr => studios::answer(world, caller, operation, &input),
        Service::IdentityStore => identity_store::answer(world, caller, operation, &input),
        Service::Sts => account::sts(world, caller, operation, &input),
        Service::Iam => account::iam(world, operation, &input),
        Service::EventBridge => watching::event_bridge(world, caller, operation, &input),
        Service::CloudTrail => watching::cloud_trail(world, caller, operation, &input),
        Service::CloudWatch => watching::cloud_watch(world, caller, operation, &input),
        Service::CloudFormation => functions::cloud_formation(world, caller, operation, &input),
        Service::Lambda => functions::lambda(world, caller, operation, &asked.subject),
        Service::Logs => logs::answer(world, operation, &input),
    };
    let mut answer = answer.unwrap_or_else(|| Err(unknown(operation)))?;
    for fault in mangling {
        fault.mangle_answer(service, &mut answer);
    }
    Ok(answer)
}

fn unknown(operation: &str) -> Refusal {
    let message = format!("The emulator has no operation \"{operation}\"");
    Refusal::front_door(400, "UnknownOperationException", &message)
}

fn answered(answer: Answer, asked: &Asked, caller: &Caller) -> (Outcome, Option<Response<Body>>) {
    let id = &caller.request_id;
    let failed = answer
        .as_ref()
        .is_ok_and(|answer| answer["errorType"].is_string());
    let (status, code, written) = match answer {
        Ok(answer) => (200, None, asked.answer(&answer, id)),
        Err(refusal) => {
            let written = asked.refusal(&refusal, id);
            (refusal.status, Some(refusal.code), written)
        }
    };
    let mut response = response(status, written, id);
    if asked.service == Some(Service::Lambda) {
        let error = match &code {
            Some(code) => Some(("x-amzn-errortype", code.as_str())),
            None if failed => Some(("x-amz-function-error", "Unhandled")),
            None => None,
        };
        if let Some((name, Ok(value))) = error.map(|(name, text)| (name, text.parse())) {
            response.headers_mut().insert(name, value);
        }
    }
    let outcome = Outcome::Answered { status, code };
    (outcome, Some(response))
}

/// The faults that are no error answer of the service: something broke on the way.
fn spoiled(
    fault: &FaultKind,
    asked: &Asked,
    caller: &Caller,
    act: impl FnOnce() -> Answer,
) -> (Outcome, Option<Response<Body>>) {
    let id = &caller.request_id;
    let sent = |status, written| {
        let outcome = Outcome::Answered { status, code: None };
        (outcome, Some(response(status, written, id)))
    };
    match fault {
        FaultKind::DropBefore => (Outcome::Dropped, None),
        FaultKind::HtmlError => {
            let page = "<html><body><h1>502 Bad Gateway</h1></body></html>";
            sent(502, ("text/html", page.into()))
        }
        // What the service answered is lost, and only what it did remains.
        FaultKind::DropAfter => {
            let _lost = act();
            (Outcome::Dropped, None)
        }
        FaultKind::Garbage => {
            let _lost = act();
            let (content_type, _) = asked.answer(&Value::Null, id);
            sent(200, (content_type, "\u{1}{\"not: json".into()))
        }
        FaultKind::EmptyObject => {
            let _lost = act();
            sent(200, asked.answer(&json!({}), id))
        }
        FaultKind::Truncated => {
            let whole = match act() {
                Ok(answer) => asked.answer(&answer, id),
                Err(refusal) => asked.refusal(&refusal, id),
            };
            (Outcome::Dropped, Some(truncated(whole, id)))
        }
        // The rest is an error answer or lets the call go on, and does not come here.
        _ => answered(act(), asked, caller),
    }
}

/// A refusal of what is no request.
fn turned_away(refusal: &Refusal) -> Response<Body> {
    let body = refusal.body.to_string().into_bytes();
    response(refusal.status, ("application/x-amz-json-1.1", body), "none")
}

/// Half of `whole` behind the length of all of it. hyper closes the connection
/// when the body ends early; it would correct the length if it knew the body's,
/// which `map_frame` hides.
fn truncated((content_type, whole): Written, request_id: &str) -> Response<Body> {
    let half = Bytes::copy_from_slice(&whole[..whole.len() / 2]);
    let mut response = response(200, (content_type, Vec::new()), request_id);
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, whole.len().into());
    response.map(|_| Full::new(half).map_frame(|frame| frame).boxed())
}

fn response(status: u16, (content_type, body): Written, request_id: &str) -> Response<Body> {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        .header("x-amzn-requestid", request_id)
        .body(Full::new(Bytes::from(body)).boxed());
    // Only a header or status that is no header or status fails, and these are ours.
    response.unwrap_or_else(|_| Response::new(Full::default().boxed()))
}
