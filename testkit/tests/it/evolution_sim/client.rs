//! What every test of these simulators does.

use std::time::{SystemTime, UNIX_EPOCH};

use redial_testkit::servers::Sim;
use redial_testkit::servers::evolution::{EvolutionSim, sign};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;

pub(super) use crate::client::{
    Answer, SOON, Ws, call, dial, is_quiet, next, next_json, open_with, receive, send, status, tcp,
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

pub(super) const SECRET: &str = "canary-jwt-secret";
/// What every refused upgrade is answered with, byte for byte.
pub(super) const REFUSED: &[u8] = b"HTTP/1.1 401 Unauthorized\r\n\r\n";
