//! A plain client, made of sockets and a foreign WebSocket library only.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt, StreamExt};
use redial_testkit::servers::vonage::{Generation, VonageSim};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

pub(super) use crate::client::{Answer, SOON, WHILE, Ws, call, next, open_at};

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

pub(super) async fn put_session(sim: &VonageSim, id: &str, token: &str) -> io::Result<Answer> {
    let bearer = format!("Bearer {token}");
    call(sim, "PUT", &format!("/v0.2/sessions/{id}"), &[("authorization", &bearer)], b"").await
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
