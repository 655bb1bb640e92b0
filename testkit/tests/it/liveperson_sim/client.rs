//! A plain client, made of sockets and a foreign WebSocket library only.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use redial_testkit::servers::liveperson::LivePersonSim;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Far more than anything here takes.
pub(super) const SOON: Duration = Duration::from_secs(20);
/// Long enough to believe that nothing comes.
pub(super) const WHILE: Duration = Duration::from_millis(250);

pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(super) type Ws = WebSocketStream<Box<dyn Io>>;

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) bearer: String,
    pub(super) csrf: String,
    pub(super) cookie: String,
}

pub(super) async fn tcp(sim: &LivePersonSim) -> io::Result<TcpStream> {
    TcpStream::connect(sim.addr()).await
}

pub(super) async fn dial(sim: &LivePersonSim) -> io::Result<Box<dyn Io>> {
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

pub(super) async fn send<S: Io + ?Sized>(
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

pub(super) async fn receive<S: Io + ?Sized>(io: &mut S) -> io::Result<Answer> {
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

pub(super) async fn call(
    sim: &LivePersonSim,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let mut io = dial(sim).await?;
    send(&mut io, method, target, headers, body).await?;
    timeout(SOON, receive(&mut io)).await?
}

pub(super) async fn lookup(sim: &LivePersonSim) -> io::Result<Answer> {
    call(sim, "GET", "/api/account/1/service/baseURI.json?version=1.0", &[], b"").await
}

pub(super) async fn try_login(sim: &LivePersonSim, body: Value) -> io::Result<Answer> {
    let body = body.to_string();
    call(sim, "POST", "/api/account/1/login?v=1.3", JSON, body.as_bytes()).await
}

pub(super) async fn login(sim: &LivePersonSim) -> Login {
    let answer = try_login(sim, json!({ "username": "u", "password": "pw" })).await.unwrap();
    assert_eq!(answer.status, 200);
    let cookie = answer.header("set-cookie").unwrap();
    let cookie = cookie.split(';').next().unwrap().split_once('=').unwrap().1.to_owned();
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    Login { bearer: text("bearer"), csrf: text("csrf"), cookie }
}

pub(super) async fn refresh(sim: &LivePersonSim, login: &Login) -> io::Result<Answer> {
    let cookie = format!("Session_id={}", login.cookie);
    let body = json!({ "csrf": login.csrf }).to_string();
    let headers = [("cookie", cookie.as_str()), JSON[0]];
    call(sim, "POST", "/api/account/1/refresh?v=1.3", &headers, body.as_bytes()).await
}

pub(super) fn socket_path(bearer: &str) -> String {
    let bearer = utf8_percent_encode(bearer, NON_ALPHANUMERIC);
    format!("/ws_api/account/1/messaging/brand/{bearer}?v=2.1&intid=na-sdk-js")
}

pub(super) async fn open_at(sim: &LivePersonSim, target: &str) -> Result<Ws, Error> {
    let url = format!("ws://127.0.0.1{target}");
    let connecting = tokio_tungstenite::client_async(url, dial(sim).await?);
    timeout(SOON, connecting).await.expect("an upgrade is answered").map(|(ws, _)| ws)
}

pub(super) async fn open(sim: &LivePersonSim, bearer: &str) -> Result<Ws, Error> {
    open_at(sim, &socket_path(bearer)).await
}

/// Logs in and opens a socket.
pub(super) async fn connect(sim: &LivePersonSim) -> Ws {
    let login = login(sim).await;
    open(sim, &login.bearer).await.unwrap()
}

/// Upgrades by hand, so that the TCP stream stays in reach.
pub(super) async fn connect_raw(sim: &LivePersonSim) -> TcpStream {
    let login = login(sim).await;
    let mut tcp = tcp(sim).await.unwrap();
    send(&mut tcp, "GET", &socket_path(&login.bearer), UPGRADE, b"").await.unwrap();
    assert_eq!(receive(&mut tcp).await.unwrap().status, 101);
    tcp
}

pub(super) async fn request(ws: &mut Ws, id: Value, kind: &str, body: Value) {
    let frame = json!({ "kind": "req", "id": id, "type": kind, "body": body });
    ws.send(Message::text(frame.to_string())).await.unwrap();
}

pub(super) async fn next(ws: &mut Ws) -> Result<Message, Error> {
    let message = timeout(SOON, ws.next()).await.expect("a frame comes");
    message.unwrap_or(Err(Error::ConnectionClosed))
}

pub(super) async fn next_json(ws: &mut Ws) -> Value {
    loop {
        match next(ws).await.unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("not a text frame: {other:?}"),
        }
    }
}

pub(super) async fn ask(ws: &mut Ws, kind: &str, body: Value) -> Value {
    request(ws, json!("q1"), kind, body).await;
    next_json(ws).await
}

/// One masked frame with a zero mask.
pub(super) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    let mut frame = vec![0x80 | opcode, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

/// Tells whether the kernel counts the connection as established on both ends.
pub(super) fn is_established(tcp: &TcpStream) -> bool {
    let port =
        |address: io::Result<std::net::SocketAddr>| format!(":{:04X}", address.unwrap().port());
    let (ours, theirs) = (port(tcp.local_addr()), port(tcp.peer_addr()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let established = |from: &str, to: &str| {
        table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|row| {
            row.len() > 3 && row[1].ends_with(from) && row[2].ends_with(to) && row[3] == "01"
        })
    };
    established(&ours, &theirs) && established(&theirs, &ours)
}

pub(super) const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
pub(super) const UPGRADE: &[(&str, &str)] = &[
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
];
