//! A plain client, made of sockets and a foreign WebSocket library only.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use redial_testkit::servers::ringcentral::RingCentralSim;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

pub(super) use crate::client::{
    Answer, SOON, WHILE, Ws, call, next, next_json, next_text, open_at,
};

/// The tokens of one OAuth session.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) access: String,
    pub(super) refresh: String,
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
