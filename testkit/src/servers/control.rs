//! The control endpoint: one JSON command for each `POST`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::listener::stopped;

/// Serves the control endpoint until `stop`; each command is answered by `execute`.
pub(crate) async fn run<E: Execute>(
    execute: E,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            accepted = listener.accept() => match accepted {
                // Whoever says nothing takes no room from those who do for ever.
                Ok((tcp, _)) => if let Ok(place) = room.clone().try_acquire_owned() {
                    tokio::spawn(serve(execute.clone(), tcp, stop.clone(), place));
                },
                // What lacks, sockets perhaps, may be there again soon.
                Err(_) => sleep(AGAIN).await,
            },
        }
    }
}

/// Whoever performs the commands.
pub(crate) trait Execute: Clone + Send + Sync + 'static {
    /// Performs one command.
    fn execute(&self, command: Value) -> impl Future<Output = Result<Value, String>> + Send;
}

async fn serve<E: Execute>(
    execute: E,
    tcp: TcpStream,
    mut stop: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    let service = service_fn(move |request| {
        let execute = execute.clone();
        async move { Ok::<_, Infallible>(answer(&execute, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(tcp), service);
    tokio::select! {
        biased;
        () = stopped(&mut stop) => {}
        _ = connection => {}
    }
}

async fn answer(target: &impl Execute, request: http::Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, body) = match perform(target, request).await {
        Ok(body) => (StatusCode::OK, body),
        Err(reason) => (StatusCode::BAD_REQUEST, json!({ "error": reason })),
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

async fn perform(target: &impl Execute, request: http::Request<Incoming>) -> Result<Value, String> {
    if request.method() != Method::POST || request.uri().path() != "/" {
        return Err("commands are sent by POST to /".to_owned());
    }
    let body = Limited::new(request.into_body(), MAX_COMMAND).collect();
    let body = timeout(PATIENCE, body).await.map_err(|_| "the command did not come".to_owned())?;
    let body = body.map_err(|_| "the command is longer than 64 KiB".to_owned())?.to_bytes();
    // The parser's own text names positions only, never what was sent.
    let value = serde_json::from_slice(&body).map_err(|error| format!("not JSON: {error}"))?;
    target.execute(value).await
}

const MAX_COMMAND: usize = 64 * 1024;
/// The most connections at a time; further ones are closed at once.
const MAX_CONNECTIONS: usize = 256;
/// How long a request may take to come, and a kept connection to bring another.
const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(20);
