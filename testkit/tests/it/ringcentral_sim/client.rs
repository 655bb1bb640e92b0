//! A plain client, made of sockets and a foreign WebSocket library only.

use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use redial_testkit::servers::ringcentral::RingCentralSim;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Far more than anything here takes.
pub(super) const SOON: Duration = Duration::from_secs(20);
/// Long enough to believe that nothing comes.
pub(super) const WHILE: Duration = Duration::from_millis(250);

pub(super) type Ws = WebSocketStream<TcpStream>;

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

/// The tokens of one OAuth session.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) access: String,
    pub(super) refresh: String,
}

pub(super) async fn call(
    sim: &RingCentralSim,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let mut tcp = TcpStream::connect(sim.addr()).await?;
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    tcp.write_all(head.as_bytes()).await?;
    tcp.write_all(body).await?;
    timeout(SOON, receive(&mut tcp)).await?
}

async fn receive(tcp: &mut TcpStream) -> io::Result<Answer> {
    let mut seen = Vec::new();
    let end = loop {
        if let Some(at) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if tcp.read_buf(&mut seen).await? == 0 {
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
        if tcp.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Answer { body, ..answer })
}

pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

pub(super) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// Asks the token endpoint, or the one for revocations.
pub(super) async fn oauth(
    sim: &RingCentralSim,
    endpoint: &str,
    form: &[(&str, &str)],
) -> io::Result<Answer> {
    let form: Vec<_> =
        form.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let basic = basic("sim-client", "canary-secret");
    let headers = [("authorization", basic.as_str()), FORM];
    let target = format!("/restapi/oauth/{endpoint}");
    call(sim, "POST", &target, &headers, form.join("&").as_bytes()).await
}

pub(super) async fn try_login(sim: &RingCentralSim) -> io::Result<Answer> {
    oauth(sim, "token", &[("grant_type", JWT), ("assertion", "canary-assertion")]).await
}

pub(super) async fn login(sim: &RingCentralSim) -> Login {
    let answer = try_login(sim).await.unwrap();
    assert_eq!(answer.status, 200);
    tokens(&answer)
}

pub(super) fn tokens(answer: &Answer) -> Login {
    let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
    Login { access: text("access_token"), refresh: text("refresh_token") }
}

pub(super) async fn try_ws_token(sim: &RingCentralSim, access: &str) -> io::Result<Answer> {
    let bearer = format!("Bearer {access}");
    call(sim, "POST", "/restapi/oauth/wstoken", &[("authorization", &bearer), FORM], b"").await
}

pub(super) async fn ws_token(sim: &RingCentralSim, login: &Login) -> String {
    let answer = try_ws_token(sim, &login.access).await.unwrap();
    assert_eq!(answer.status, 200, "{:?}", answer.json());
    answer.json()["ws_access_token"].as_str().unwrap().to_owned()
}

pub(super) async fn open_at(sim: &RingCentralSim, target: &str) -> Result<Ws, Error> {
    let url = format!("ws://127.0.0.1{target}");
    let tcp = TcpStream::connect(sim.addr()).await?;
    let connecting = tokio_tungstenite::client_async(url, tcp);
    timeout(SOON, connecting).await.expect("an upgrade is answered").map(|(ws, _)| ws)
}

pub(super) fn socket_path(token: &str, wsc: Option<&str>) -> String {
    let wsc = wsc.map(|wsc| format!("&wsc={}", encode(wsc))).unwrap_or_default();
    format!("/ws?access_token={}{wsc}", encode(token))
}

pub(super) async fn open(sim: &RingCentralSim, token: &str, wsc: Option<&str>) -> Ws {
    open_at(sim, &socket_path(token, wsc)).await.unwrap()
}

/// Opens a socket with a new wstoken; the hello comes, too.
pub(super) async fn connect(sim: &RingCentralSim, login: &Login, wsc: Option<&str>) -> (Ws, Value) {
    let token = ws_token(sim, login).await;
    let mut ws = open(sim, &token, wsc).await;
    let hello = next_json(&mut ws).await;
    assert_eq!(hello[0]["type"], "ConnectionDetails");
    (ws, hello)
}

/// Logs in, connects and subscribes.
pub(super) async fn subscribed(sim: &RingCentralSim) -> (Login, Ws, String) {
    let login = login(sim).await;
    let (mut ws, hello) = connect(sim, &login, None).await;
    assert_eq!(subscribe(&mut ws, "s1").await[0]["status"], 200);
    (login, ws, wsc(&hello))
}

pub(super) fn wsc(frame: &Value) -> String {
    frame[0]["wsc"]["token"].as_str().unwrap().to_owned()
}

pub(super) async fn subscribe(ws: &mut Ws, id: &str) -> Value {
    ask(ws, id, "POST", "/restapi/v1.0/subscription", Some(filters())).await
}

pub(super) fn filters() -> Value {
    json!({
        "eventFilters": ["/restapi/v1.0/account/~/extension/~/message-store"],
        "deliveryMode": { "transportType": "WebSocket" },
    })
}

pub(super) async fn send(ws: &mut Ws, id: &str, method: &str, path: &str, body: Option<Value>) {
    let meta = json!({
        "type": "ClientRequest", "messageId": id, "method": method, "path": path, "headers": {},
    });
    let frame = match body {
        Some(body) => json!([meta, body]),
        None => json!([meta]),
    };
    ws.send(Message::text(frame.to_string())).await.unwrap();
}

pub(super) async fn ask(
    ws: &mut Ws,
    id: &str,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> Value {
    send(ws, id, method, path, body).await;
    loop {
        let frame = next_json(ws).await;
        if frame[0]["messageId"] == id {
            return frame;
        }
    }
}

pub(super) async fn next(ws: &mut Ws) -> Result<Message, Error> {
    let message = timeout(SOON, ws.next()).await.expect("a frame comes");
    message.unwrap_or(Err(Error::ConnectionClosed))
}

pub(super) async fn next_text(ws: &mut Ws) -> String {
    loop {
        match next(ws).await.unwrap() {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("not a text frame: {other:?}"),
        }
    }
}

pub(super) async fn next_json(ws: &mut Ws) -> Value {
    serde_json::from_str(&next_text(ws).await).unwrap()
}

pub(super) async fn closed(ws: &mut Ws) -> (u16, String) {
    match next(ws).await.unwrap() {
        Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("not a close frame: {other:?}"),
    }
}

/// Reads so many notifications; their counts come back.
pub(super) async fn notes(ws: &mut Ws, count: usize) -> Vec<u64> {
    let mut seen = Vec::new();
    for _ in 0..count {
        let frame = next_json(ws).await;
        assert_eq!(frame[0]["type"], "ServerNotification", "{frame}");
        seen.push(frame[1]["body"]["n"].as_u64().unwrap());
    }
    seen
}

pub(super) async fn quiet(ws: &mut Ws) {
    let heard = timeout(WHILE, ws.next()).await;
    assert!(heard.is_err(), "{heard:?}");
}

/// Waits until the simulator has noticed that no socket is left.
pub(super) async fn gone(sim: &RingCentralSim) {
    sim.until(SOON, |state| state.live_sockets == 0).await.unwrap();
}

pub(super) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
pub(super) const JWT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
