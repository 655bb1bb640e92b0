//! A plain client, made of sockets and a foreign WebSocket library only.

use std::io;

use futures_util::SinkExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use redial_testkit::servers::liveperson::LivePersonSim;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};

pub(super) use crate::client::{
    Answer, Io, JSON, SOON, WHILE, Ws, call, dial, next, next_json, open_at, receive, send, tcp,
};

#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) bearer: String,
    pub(super) csrf: String,
    pub(super) cookie: String,
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

pub(super) const UPGRADE: &[(&str, &str)] = &[
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
];
