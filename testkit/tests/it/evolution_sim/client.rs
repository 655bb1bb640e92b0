//! What every test of these simulators does.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::SinkExt;
use redial_testkit::servers::Sim;
use redial_testkit::servers::evolution::{EvolutionSim, Profile, sign};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

pub(super) use crate::client::{
    Answer, SOON, Ws, call, dial, is_quiet, next, next_json, open_with, status, tcp,
};

pub(super) async fn chat_sim() -> EvolutionSim {
    EvolutionSim::builder().jwt_secret(SECRET).seed(1).start().await.unwrap()
}

/// Signs a token that names an instance.
pub(super) fn token(instance: &str) -> String {
    sign(SECRET, &json!({ "instanceName": instance, "exp": now_s() + 3600 }))
}

pub(super) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(super) fn target(event: &str, token: &str) -> String {
    format!("/ws/events?event={event}&token={token}")
}

pub(super) async fn try_open(sim: &Sim, event: &str, token: &str) -> Result<Ws, Error> {
    open_with(sim, &target(event, token), &[]).await
}

/// Opens the socket of an event of an instance.
pub(super) async fn open(sim: &Sim, event: &str, instance: &str) -> Ws {
    try_open(sim, event, &token(instance)).await.unwrap()
}

/// Asks for an upgrade and reads whatever comes until the end of the connection.
pub(super) async fn raw_upgrade(sim: &Sim, target: &str) -> Vec<u8> {
    let mut io = dial(sim).await.unwrap();
    let head = format!(
        "GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    io.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    timeout(SOON, io.read_to_end(&mut seen)).await.unwrap().unwrap();
    seen
}

pub(super) async fn try_create(sim: &Sim, headers: &[(&str, &str)], body: &Value) -> Answer {
    call(sim, "POST", "/instance/create", headers, body.to_string().as_bytes()).await.unwrap()
}

/// Creates an instance; its token comes back.
pub(super) async fn create(sim: &Sim, name: &str) -> String {
    let answer =
        try_create(sim, &[("apikey", "global-key")], &json!({ "instanceName": name })).await;
    assert_eq!(answer.status, 201, "{:?}", answer.json());
    answer.json()["Auth"]["token"].as_str().unwrap().to_owned()
}

pub(super) async fn refresh(sim: &Sim, name: &str, old: &str) -> Answer {
    let body = json!({ "oldToken": old }).to_string();
    let target = format!("/instance/refreshToken/{name}");
    call(sim, "PUT", &target, &[], body.as_bytes()).await.unwrap()
}

pub(super) async fn v2_sim() -> EvolutionSim {
    EvolutionSim::builder().profile(Profile::V2).seed(1).start().await.unwrap()
}

/// Opens an Engine.IO connection with a key; the open packet comes, too.
pub(super) async fn engine(sim: &Sim) -> (Ws, Value) {
    let mut ws = open_with(sim, ENGINE, &[("apikey", KEY)]).await.unwrap();
    let open = text(&mut ws).await;
    let open = open.strip_prefix('0').expect("an open packet");
    (ws, serde_json::from_str(open).unwrap())
}

/// Opens a connection and joins a namespace that exists.
pub(super) async fn joined(sim: &Sim, nsp: &str) -> Ws {
    let (mut ws, _) = engine(sim).await;
    assert_eq!(join(&mut ws, nsp).await.as_bytes()[1], b'0');
    ws
}

/// Asks for a namespace; the answer comes back.
pub(super) async fn join(ws: &mut Ws, nsp: &str) -> String {
    say(ws, &if nsp == "/" { "40".to_owned() } else { format!("40{nsp},") }).await;
    text(ws).await
}

pub(super) async fn say(ws: &mut Ws, text: &str) {
    ws.send(Message::text(text)).await.unwrap();
}

/// Reads the next text; what is asked by a ping is answered.
pub(super) async fn text(ws: &mut Ws) -> String {
    loop {
        match next(ws).await.unwrap() {
            Message::Text(text) if text == "2" => say(ws, "3").await,
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("not a text frame: {other:?}"),
        }
    }
}

/// Reads the next event: its namespace, its name and its one argument.
pub(super) async fn event(ws: &mut Ws) -> (String, String, Value) {
    let text = text(ws).await;
    let rest = text.strip_prefix("42").expect("an event");
    let (nsp, json) = match rest.starts_with('/') {
        true => rest.split_once(',').unwrap(),
        false => ("/", rest),
    };
    let packet: Value = serde_json::from_str(json).unwrap();
    assert_eq!(packet.as_array().unwrap().len(), 2, "{packet}");
    (nsp.to_owned(), packet[0].as_str().unwrap().to_owned(), packet[1].clone())
}

pub(super) const ENGINE: &str = "/socket.io/?EIO=4&transport=websocket";
pub(super) const KEY: &str = "canary-global-key";
pub(super) const SECRET: &str = "canary-jwt-secret";
/// What every refused upgrade is answered with, byte for byte.
pub(super) const REFUSED: &[u8] = b"HTTP/1.1 401 Unauthorized\r\n\r\n";
