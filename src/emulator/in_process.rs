//! The embedded AWS without a socket: the transport of SDK clients that live in
//! the same process. Headers, bodies and faults are those of the HTTP side.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};

use super::server;
use super::world::World;

pub(super) fn http_client(world: &Arc<Mutex<World>>) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(InProcess {
        world: Arc::clone(world),
    });
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Debug)]
struct InProcess {
    world: Arc<Mutex<World>>,
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let world = Arc::clone(&self.world);
        HttpConnectorFuture::new(async move {
            let broken = |error: std::io::Error| ConnectorError::io(error.into());
            let headers = request.headers().iter().filter_map(|(name, value)| {
                let name = HeaderName::try_from(name).ok()?;
                Some((name, HeaderValue::try_from(value).ok()?))
            });
            let headers: HeaderMap = headers.collect();
            // Requests of these services are held in memory.
            let body = Bytes::copy_from_slice(request.body().bytes().unwrap_or_default());
            let (_, path) = request.uri().split_once("://").unwrap_or_default();
            let path = path.find('/').map_or("/", |at| &path[at..]);
            let path = path.split('?').next().unwrap_or(path);
            let response = server::respond_to(world, path, headers, body).await;
            let (head, body) = response.map_err(broken)?.into_parts();
            let Ok(body) = body.collect().await;
            let body = body.to_bytes();
            let length = head.headers.get(CONTENT_LENGTH);
            let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
            if length.is_some_and(|length| length > body.len()) {
                return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
            }
            let status = StatusCode::try_from(head.status.as_u16())
                .map_err(|error| ConnectorError::other(error.into(), None))?;
            let mut response = HttpResponse::new(status, SdkBody::from(body.to_vec()));
            for (name, value) in &head.headers {
                if let Ok(value) = value.to_str() {
                    response
                        .headers_mut()
                        .append(name.as_str().to_owned(), value.to_owned());
                }
            }
            Ok(response)
        })
    }
}
