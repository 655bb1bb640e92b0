//! A plain client, made of sockets and a foreign WebSocket library only.

#![expect(clippy::unwrap_used, reason = "helpers of tests assert by it, too")]

use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use redial_testkit::servers::Sim;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Far more than anything here takes.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Long enough to believe that nothing comes.
pub(crate) const WHILE: Duration = Duration::from_millis(250);

pub(crate) trait Io: AsyncRead + AsyncWrite + Debug + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Io for T {}

pub(crate) type Ws = WebSocketStream<Box<dyn Io>>;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(crate) async fn tcp(sim: &Sim) -> io::Result<TcpStream> {
    TcpStream::connect(sim.addr()).await
}

pub(crate) async fn dial(sim: &Sim) -> io::Result<Box<dyn Io>> {
    let tcp = tcp(sim).await?;
    let Some(pem) = sim.ca_pem() else { return Ok(Box::new(tcp)) };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    Ok(Box::new(connector.connect(name, tcp).await?))
}

pub(crate) async fn send<S: Io + ?Sized>(
    io: &mut S,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<()> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    io.write_all(head.as_bytes()).await?;
    io.write_all(body).await?;
    io.flush().await
}

pub(crate) async fn receive<S: Io + ?Sized>(io: &mut S) -> io::Result<Answer> {
    let mut seen = Vec::new();
    let end = loop {
        if let Some(at) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if io.read_buf(&mut seen).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&seen[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let answer = Answer { status, headers, body: Vec::new() };
    let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = seen.split_off(end);
    while body.len() < length {
        if io.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Answer { body, ..answer })
}

pub(crate) async fn call(
    sim: &Sim,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let mut io = dial(sim).await?;
    send(&mut io, method, target, headers, body).await?;
    timeout(SOON, receive(&mut io)).await?
}

pub(crate) async fn open_with(
    sim: &Sim,
    target: &str,
    headers: &[(&'static str, &str)],
) -> Result<Ws, Error> {
    let mut request = format!("ws://127.0.0.1{target}").into_client_request()?;
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let connecting = tokio_tungstenite::client_async(request, dial(sim).await?);
    timeout(SOON, connecting).await.expect("an upgrade is answered").map(|(ws, _)| ws)
}

pub(crate) async fn open_at(sim: &Sim, target: &str) -> Result<Ws, Error> {
    let url = format!("ws://127.0.0.1{target}");
    let connecting = tokio_tungstenite::client_async(url, dial(sim).await?);
    timeout(SOON, connecting).await.expect("an upgrade is answered").map(|(ws, _)| ws)
}

pub(crate) async fn put(ws: &mut Ws, frame: &Value) {
    ws.send(Message::text(frame.to_string())).await.unwrap();
}

pub(crate) async fn ask(ws: &mut Ws, frame: Value) -> Value {
    put(ws, &frame).await;
    next_json(ws).await
}

pub(crate) async fn next(ws: &mut Ws) -> Result<Message, Error> {
    let message = timeout(SOON, ws.next()).await.expect("a frame comes");
    message.unwrap_or(Err(Error::ConnectionClosed))
}

pub(crate) async fn next_text(ws: &mut Ws) -> String {
    loop {
        match next(ws).await.unwrap() {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("not a text frame: {other:?}"),
        }
    }
}

pub(crate) async fn next_json(ws: &mut Ws) -> Value {
    serde_json::from_str(&next_text(ws).await).unwrap()
}

/// Tells whether nothing comes for a while.
pub(crate) async fn is_quiet(ws: &mut Ws) -> bool {
    timeout(WHILE, ws.next()).await.is_err()
}

/// Posts to a control endpoint.
pub(crate) async fn instruct(control: &str, body: &[u8]) -> Answer {
    let mut tcp = TcpStream::connect(control.trim_start_matches("http://")).await.unwrap();
    send(&mut tcp, "POST", "/", &[], body).await.unwrap();
    timeout(SOON, receive(&mut tcp)).await.unwrap().unwrap()
}

pub(crate) fn status<T>(opened: Result<T, Error>) -> u16 {
    match opened {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("refused otherwise: {other}"),
        Ok(_) => 101,
    }
}

/// What a value is made of: its keys and the kinds of its values.
pub(crate) fn shape(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("text"),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect())
        }
    }
}

pub(crate) const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
