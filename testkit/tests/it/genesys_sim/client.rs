//! A plain client, made of sockets and a foreign WebSocket library only.

use std::io;

use redial_testkit::servers::genesys::{GenesysSim, Profile};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

pub(super) use crate::client::{
    Answer, JSON, SOON, WHILE, Ws, ask, call, dial, is_quiet, next, next_json, open_with, put,
    send, status, tcp,
};

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

pub(super) const GUESTS: &str = "/api/v2/webchat/guests";
pub(super) const GUEST_BODY: &[u8] =
    br#"{"guest":{"email":"anonymous@local","firstName":"Guest","lastName":"User"}}"#;
pub(super) const WEB: &str = "/v1?deploymentId=d-1&application=test-1";
