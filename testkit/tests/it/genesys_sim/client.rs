//! A plain client, made of sockets and a foreign WebSocket library only.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use redial_testkit::servers::genesys::{GenesysSim, Profile};
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
pub(super) struct Guest {
    pub(super) id: String,
    pub(super) token: String,
}

impl Guest {
    pub(super) fn socket(&self) -> String {
        format!("/api/v2/webchat/instances/{}/websocket", self.id)
    }

    pub(super) fn messages(&self) -> String {
        format!("/api/v2/webchat/instances/{}/messages", self.id)
    }
}

pub(super) async fn guest_sim() -> GenesysSim {
    GenesysSim::builder().seed(1).start().await.unwrap()
}

pub(super) async fn web_sim() -> GenesysSim {
    GenesysSim::builder().profile(Profile::WebMessaging).seed(1).start().await.unwrap()
}

pub(super) async fn tcp(sim: &GenesysSim) -> io::Result<TcpStream> {
    TcpStream::connect(sim.addr()).await
}

pub(super) async fn dial(sim: &GenesysSim) -> io::Result<Box<dyn Io>> {
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
    sim: &GenesysSim,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let mut io = dial(sim).await?;
    send(&mut io, method, target, headers, body).await?;
    timeout(SOON, receive(&mut io)).await?
}

pub(super) async fn try_create(sim: &GenesysSim, authorization: &str) -> io::Result<Answer> {
    let headers = [("authorization", authorization), JSON[0]];
    call(sim, "POST", GUESTS, &headers, GUEST_BODY).await
}

pub(super) async fn create(sim: &GenesysSim) -> Guest {
    let answer = try_create(sim, "Bearer oauth-sim-token").await.unwrap();
    assert_eq!(answer.status, 200);
    let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
    Guest { id: text("webchatInstanceId"), token: text("token") }
}

pub(super) async fn post(sim: &GenesysSim, guest: &Guest, id: &str, text: &str) -> Answer {
    try_post(sim, guest, id, text).await.unwrap()
}

pub(super) async fn try_post(
    sim: &GenesysSim,
    guest: &Guest,
    id: &str,
    text: &str,
) -> io::Result<Answer> {
    let authorization = format!("Bearer {}", guest.token);
    let body = chat(id, text).to_string();
    let headers = [("authorization", authorization.as_str()), JSON[0]];
    call(sim, "POST", &guest.messages(), &headers, body.as_bytes()).await
}

pub(super) fn chat(id: &str, text: &str) -> Value {
    json!({ "type": "message", "content": text, "messageId": id })
}

pub(super) async fn open_with(
    sim: &GenesysSim,
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

pub(super) async fn open(sim: &GenesysSim, guest: &Guest) -> Result<Ws, Error> {
    let authorization = format!("Bearer {}", guest.token);
    open_with(sim, &guest.socket(), &[("authorization", &authorization)]).await
}

/// Creates a guest and opens its socket.
pub(super) async fn connect(sim: &GenesysSim) -> (Guest, Ws) {
    let guest = create(sim).await;
    let ws = open(sim, &guest).await.unwrap();
    (guest, ws)
}

/// Opens a Web Messaging socket.
pub(super) async fn web_open(sim: &GenesysSim) -> Ws {
    open_with(sim, WEB, &[]).await.unwrap()
}

pub(super) async fn configure(ws: &mut Ws, token: &str) -> Value {
    let frame = json!({
        "action": "configureSession", "deploymentId": "d-1", "token": token, "tracingId": "c",
    });
    ask(ws, frame).await
}

/// Opens and configures a Web Messaging socket.
pub(super) async fn web_connect(sim: &GenesysSim, token: &str) -> Ws {
    let mut ws = web_open(sim).await;
    assert_eq!(configure(&mut ws, token).await["body"]["connected"], true);
    ws
}

pub(super) fn say(token: &str, id: &str, text: &str) -> Value {
    let message = json!({ "type": "Text", "text": text });
    json!({ "action": "onMessage", "token": token, "tracingId": id, "message": message })
}

pub(super) async fn jwt(ws: &mut Ws, token: &str) -> String {
    let answer = ask(ws, json!({ "action": "getJwt", "token": token, "tracingId": "j" })).await;
    assert_eq!(answer["class"], "JwtResponse");
    answer["body"]["jwt"].as_str().unwrap().to_owned()
}

pub(super) async fn history(sim: &GenesysSim, jwt: &str, page: u64, size: u64) -> Answer {
    let target = format!("/api/v2/webmessaging/messages?pageNumber={page}&pageSize={size}");
    let authorization = format!("bearer {jwt}");
    call(sim, "GET", &target, &[("authorization", &authorization)], b"").await.unwrap()
}

pub(super) async fn put(ws: &mut Ws, frame: &Value) {
    ws.send(Message::text(frame.to_string())).await.unwrap();
}

pub(super) async fn ask(ws: &mut Ws, frame: Value) -> Value {
    put(ws, &frame).await;
    next_json(ws).await
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

/// Tells whether nothing comes for a while.
pub(super) async fn is_quiet(ws: &mut Ws) -> bool {
    timeout(WHILE, ws.next()).await.is_err()
}

pub(super) fn status<T>(opened: Result<T, Error>) -> u16 {
    match opened {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("refused otherwise: {other}"),
        Ok(_) => 101,
    }
}

pub(super) const GUESTS: &str = "/api/v2/webchat/guests";
pub(super) const GUEST_BODY: &[u8] =
    br#"{"guest":{"email":"anonymous@local","firstName":"Guest","lastName":"User"}}"#;
pub(super) const WEB: &str = "/v1?deploymentId=d-1&application=test-1";
pub(super) const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
