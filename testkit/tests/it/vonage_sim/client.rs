//! A plain client, made of sockets and a foreign WebSocket library only.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt, StreamExt};
use redial_testkit::servers::vonage::{Generation, VonageSim};
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
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Makes an unsigned token that expires so many seconds from now.
pub(super) fn jwt(sub: &str, expires_in: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let claims = json!({
        "sub": sub, "application_id": "app", "exp": now + expires_in,
        "acl": { "paths": { "/*/sessions/**": {} } },
    });
    token(&claims)
}

pub(super) fn token(claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2lnbmF0dXJl", encode(&json!({ "alg": "none" })), encode(claims))
}

pub(super) async fn call(
    sim: &VonageSim,
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
    let head = String::from_utf8_lossy(&seen[..end]).to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().unwrap());
    let mut body = seen.split_off(end);
    while body.len() < length {
        if tcp.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Answer { status, head, body })
}

pub(super) async fn put_session(sim: &VonageSim, id: &str, token: &str) -> io::Result<Answer> {
    let bearer = format!("Bearer {token}");
    call(sim, "PUT", &format!("/v0.2/sessions/{id}"), &[("authorization", &bearer)], b"").await
}

pub(super) async fn open_at(sim: &VonageSim, target: &str) -> Result<Ws, Error> {
    let url = format!("ws://127.0.0.1{target}");
    let tcp = TcpStream::connect(sim.addr()).await?;
    let connecting = tokio_tungstenite::client_async(url, tcp);
    timeout(SOON, connecting).await.expect("an upgrade is answered").map(|(ws, _)| ws)
}

/// Opens a socket with this query, and takes the open packet.
pub(super) async fn open(sim: &VonageSim, generation: Generation, query: &str) -> Ws {
    let eio = if generation == Generation::V1 { 3 } else { 4 };
    let target = format!("{}?{query}EIO={eio}&transport=websocket", sim.path());
    let mut ws = open_at(sim, &target).await.unwrap();
    let first = text(&mut ws).await;
    assert!(first.starts_with("0{"), "{first}");
    if generation == Generation::V2 {
        say(&mut ws, "40").await;
    }
    let second = text(&mut ws).await;
    assert!(second.starts_with("40"), "{second}");
    ws
}

/// Gets a session by the token, as each generation does.
pub(super) async fn login(sim: &VonageSim, generation: Generation, token: &str) -> (Ws, String) {
    let mut ws = match generation {
        Generation::V1 => {
            let mut ws = open(sim, generation, "").await;
            let login = json!(["session:login", { "body": { "token": token }, "tid": "t-login" }]);
            say(&mut ws, &format!("42{login}")).await;
            ws
        }
        Generation::V2 => {
            open(sim, generation, &format!("token={token}&acknowledge_events=true&")).await
        }
    };
    let (name, payload) = event(&mut ws).await;
    assert_eq!(name, "session:success", "{payload}");
    let id = payload["body"]["id"].as_str().unwrap().to_owned();
    (ws, id)
}

/// Presents a session; gives the first event.
pub(super) async fn resume(
    sim: &VonageSim,
    generation: Generation,
    id: &str,
    token: &str,
) -> (Ws, String, Value) {
    let mut ws = open(sim, generation, &format!("session_id={id}&token={token}&")).await;
    let (name, payload) = event(&mut ws).await;
    (ws, name, payload)
}

pub(super) async fn say(ws: &mut Ws, text: &str) {
    ws.send(Message::text(text)).await.unwrap();
}

/// Sends an event with a `tid`.
pub(super) async fn emit(ws: &mut Ws, name: &str, payload: Value) {
    say(ws, &format!("42{}", json!([name, payload]))).await;
}

pub(super) async fn next(ws: &mut Ws) -> Result<Message, Error> {
    let next = timeout(SOON, ws.next()).await.expect("something comes");
    next.unwrap_or(Err(Error::ConnectionClosed))
}

/// Takes the next text that is no heartbeat of the server's.
pub(super) async fn text(ws: &mut Ws) -> String {
    loop {
        match next(ws).await.unwrap() {
            Message::Text(text) if text == "2" => say(ws, "3").await,
            Message::Text(text) => return text.as_str().to_owned(),
            other => panic!("not a text: {other:?}"),
        }
    }
}

/// Takes the next event: its name and its payload.
pub(super) async fn event(ws: &mut Ws) -> (String, Value) {
    let (_, name, payload) = asked(ws).await;
    (name, payload)
}

/// Takes the next event, with the number of the acknowledgment that it wants.
pub(super) async fn asked(ws: &mut Ws) -> (Option<u64>, String, Value) {
    let text = text(ws).await;
    let rest = text.strip_prefix("42").unwrap_or_else(|| panic!("not an event: {text}"));
    let digits = rest.chars().take_while(char::is_ascii_digit).count();
    let args: Value = serde_json::from_str(&rest[digits..]).unwrap();
    (rest[..digits].parse().ok(), args[0].as_str().unwrap().to_owned(), args[1].clone())
}

/// Waits for the close frame; gives its code, 1005 when it has none.
pub(super) async fn closed(ws: &mut Ws) -> u16 {
    match next(ws).await.unwrap() {
        Message::Close(frame) => frame.map_or(1005, |frame| u16::from(frame.code)),
        other => panic!("not a close frame: {other:?}"),
    }
}

/// Believes that nothing comes.
pub(super) async fn nothing(ws: &mut Ws) {
    let next = timeout(WHILE, ws.next()).await;
    assert!(next.is_err(), "{next:?}");
}
