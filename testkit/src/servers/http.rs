//! The HTTP side of a simulator: logs, refuses as scripted, and hands over to the vendor.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::fault::{Refusal, Refused};
use super::hub::{Answer, Hub, Reply, Request};
use super::shared::Shared;
use super::socket::{self, Out, SocketHandle};
use super::valve::{End, Link};

/// Serves one connection until it ends or is killed.
pub(crate) async fn serve<Io>(hub: Arc<Hub>, link: Link, io: Io)
where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let valve = link.valve.clone();
    let (bare, mut bares) = mpsc::channel(1);
    let mut io = Shared::new(io);
    let connection = TokioIo::new(io.clone());
    let service =
        service_fn(move |request| handle(hub.clone(), link.clone(), bare.clone(), request));
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(connection, service)
        .with_upgrades();
    tokio::select! {
        biased;
        _ = valve.killed() => {}
        Some(bytes) = bares.recv() => {
            // The end of the connection follows even when the client is gone already.
            let _ = write_bare(&mut io, &bytes).await;
        }
        _ = connection => {}
    }
}

/// Writes an answer past the HTTP library, and the end of the stream behind it.
async fn write_bare<Io: AsyncWrite + Unpin>(io: &mut Io, bytes: &[u8]) -> std::io::Result<()> {
    io.write_all(bytes).await?;
    io.flush().await?;
    io.shutdown().await
}

async fn handle(
    hub: Arc<Hub>,
    link: Link,
    bare: mpsc::Sender<Bytes>,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (mut parts, body) = request.into_parts();
    let on_upgrade = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
    let upgrade = header(&parts.headers, UPGRADE).eq_ignore_ascii_case("websocket");
    let body = Limited::new(body, MAX_BODY).collect().await.map(|body| body.to_bytes());
    let too_big = body.is_err();
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        body: body.unwrap_or_default(),
        upgrade,
    };
    hub.vendor.label_secrets(&hub, &request);
    log_request(&hub, &request);
    if too_big {
        return Ok(respond(&hub, Reply::empty(413), None));
    }

    let refusal = hub.take_refusal(hub.vendor.step(&request));
    let refusal = refusal.or_else(|| hub.take_refusal(hub.vendor.wider_step(&request)));
    let omit = match refusal.as_ref().map(|refusal| (refusal, refusal.verdict())) {
        None => None,
        Some((refusal, Refused::Omit)) => refusal.omit.clone(),
        Some((refusal, verdict)) => {
            let reply = refuse(&hub, &link, &request, refusal, verdict).await;
            return Ok(say(&hub, &bare, reply).await);
        }
    };
    match hub.vendor.answer(&hub, &request, omit.as_deref()) {
        Answer::Reply(reply) => Ok(say(&hub, &bare, reply).await),
        Answer::Bytes { status, headers, body } => {
            let reply = Reply { status, headers, body: None, bare: false };
            Ok(respond_bytes(&hub, reply, body, None))
        }
        Answer::Lost(end) => {
            let how = if end == End::Reset { "reset" } else { "ended" };
            log_note(&hub, &format!("answer lost, connection {how}"));
            link.valve.kill(end);
            pending().await
        }
        Answer::Upgrade { conn, headers, then } => {
            let Some(on_upgrade) = on_upgrade else {
                return Ok(respond(&hub, Reply::empty(400), None));
            };
            let (handle, queue) = SocketHandle::new(conn, link);
            for out in then {
                handle.send(out);
            }
            hub.vendor.opened(&hub, &handle);
            // Live before the client can see the 101, so that a script which follows the
            // handshake reaches the socket.
            hub.insert(handle.clone());
            let response = switch(&hub, &request, conn, headers);
            tokio::spawn(become_socket(hub, handle, queue, on_upgrade));
            Ok(response)
        }
    }
}

async fn become_socket(
    hub: Arc<Hub>,
    handle: SocketHandle,
    queue: tokio::sync::mpsc::Receiver<Out>,
    on_upgrade: hyper::upgrade::OnUpgrade,
) {
    let conn = handle.conn;
    match on_upgrade.await {
        Ok(upgraded) => socket::run(hub, handle, queue, TokioIo::new(upgraded)).await,
        Err(_) => hub.remove(conn),
    }
}

async fn refuse(
    hub: &Hub,
    link: &Link,
    request: &Request,
    refusal: &Refusal,
    verdict: Refused,
) -> Reply {
    let status = match verdict {
        Refused::Status(status) => Some(status),
        _ => None,
    };
    let mut reply = hub.vendor.refused(hub, request, status);
    match verdict {
        Refused::Status(_) | Refused::Omit => {
            if let Some(value) = &refusal.retry_after {
                reply.headers.push(("retry-after", value.clone()));
            }
            if let Some(body) = &refusal.body {
                reply.body = Some(body.clone());
            }
            if let Some(bytes) = refusal.body_bytes {
                reply.body = Some(Value::String("x".repeat(bytes)));
            }
            reply
        }
        Refused::Reset => {
            log_note(hub, "connection reset");
            link.valve.kill(End::Reset);
            pending().await
        }
        Refused::Hang => {
            let what = if request.upgrade { "upgrade" } else { "request" };
            log_note(hub, &format!("{what} never answered (hang)"));
            pending().await
        }
    }
}

/// Answers through the HTTP library, or past it.
async fn say(hub: &Hub, bare: &mpsc::Sender<Bytes>, reply: Reply) -> Response<Full<Bytes>> {
    if !reply.bare {
        return respond(hub, reply, None);
    }
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut text = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in &reply.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(&String::from_utf8_lossy(&body_of(&reply)));
    let mut record = record("server");
    record.insert("status".into(), json!(reply.status));
    record.insert("raw".into(), json!(hub.wire.redact(&text)));
    record.insert("note".into(), json!("TCP connection destroyed"));
    hub.wire.push(record);
    let _ = bare.send(Bytes::from(text)).await;
    pending().await
}

fn respond(hub: &Hub, reply: Reply, conn: Option<u64>) -> Response<Full<Bytes>> {
    let body = body_of(&reply);
    respond_bytes(hub, reply, body, conn)
}

fn body_of(reply: &Reply) -> Bytes {
    match &reply.body {
        Some(Value::String(text)) => Bytes::from(text.clone()),
        Some(value) => Bytes::from(value.to_string()),
        None => Bytes::new(),
    }
}

fn respond_bytes(hub: &Hub, reply: Reply, body: Bytes, conn: Option<u64>) -> Response<Full<Bytes>> {
    let mut record = record("server");
    record.insert("status".into(), json!(reply.status));
    if !body.is_empty() {
        record.insert("body".into(), hub.wire.show_body(&body, false));
    }
    if let Some(conn) = conn {
        record.insert("conn".into(), json!(conn));
    }
    let mut response = Response::new(Full::new(body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    record.insert("headers".into(), show_headers(hub, response.headers()));
    hub.wire.push(record);
    response
}

fn switch(
    hub: &Hub,
    request: &Request,
    conn: u64,
    mut headers: Vec<(&'static str, String)>,
) -> Response<Full<Bytes>> {
    let key = header(&request.headers, SEC_WEBSOCKET_KEY);
    headers.push(("connection", "Upgrade".to_owned()));
    headers.push(("upgrade", "websocket".to_owned()));
    headers.push(("sec-websocket-accept", derive_accept_key(key.as_bytes())));
    respond(hub, Reply { status: 101, headers, body: None, bare: false }, Some(conn))
}

/// Tells what is wrong with a WebSocket handshake, as a status.
pub(crate) fn handshake_fault(request: &Request) -> Option<u16> {
    if request.method != http::Method::GET {
        return Some(405);
    }
    if header(&request.headers, SEC_WEBSOCKET_VERSION) != "13" {
        return Some(426);
    }
    let connection = header(&request.headers, CONNECTION).to_ascii_lowercase();
    let upgrades = connection.split(',').any(|token| token.trim() == "upgrade");
    let keyed = !header(&request.headers, SEC_WEBSOCKET_KEY).is_empty();
    (!upgrades || !keyed).then_some(400)
}

/// Gives a header as text, empty when it is absent.
pub(crate) fn header(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn log_request(hub: &Hub, request: &Request) {
    let mut record = record("client");
    let mut target = request.path.clone();
    if let Some(query) = &request.query {
        target.push('?');
        target.push_str(query);
    }
    record.insert("method".into(), json!(request.method.as_str()));
    record.insert("path".into(), json!(hub.wire.redact_target(&target)));
    record.insert("headers".into(), show_headers(hub, &request.headers));
    if request.upgrade {
        record.insert("upgrade".into(), json!("websocket"));
    }
    if !request.body.is_empty() {
        let kind = header(&request.headers, http::header::CONTENT_TYPE);
        let form = kind.starts_with("application/x-www-form-urlencoded");
        record.insert("body".into(), hub.wire.show_body(&request.body, form));
    }
    hub.wire.push(record);
}

fn log_note(hub: &Hub, note: &str) {
    let mut record = record("server");
    record.insert("note".into(), json!(note));
    hub.wire.push(record);
}

fn record(dir: &str) -> Map<String, Value> {
    let mut record = Map::new();
    record.insert("dir".into(), json!(dir));
    record.insert("channel".into(), json!("http"));
    record
}

fn show_headers(hub: &Hub, headers: &HeaderMap) -> Value {
    let shown = headers.iter().map(|(name, value)| {
        let text = String::from_utf8_lossy(value.as_bytes());
        (name.as_str().to_owned(), json!(hub.wire.redact_header(name.as_str(), &text)))
    });
    Value::Object(shown.collect())
}

const MAX_BODY: usize = 1024 * 1024;
