//! Against socketioxide, which speaks both generations.

use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use redial_interop_socketio::everything;
use redial_socketio::Generation;
use serde::Serialize;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};
use tokio::net::TcpListener;

#[tokio::test]
async fn engine_io_4() {
    everything(&serve().await, Generation::Eio4, None).await;
}

#[tokio::test]
async fn engine_io_3() {
    everything(&serve().await, Generation::Eio3, None).await;
}

async fn serve() -> String {
    let (service, io) = SocketIo::builder()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .build_svc();
    io.ns("/", member);
    io.ns("/chat", member);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("ws://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
            tokio::spawn(connection.with_upgrades());
        }
    });
    base
}

async fn member(socket: SocketRef) {
    socket.on("echo", async |Data::<Value>(value), ack: AckSender| {
        ack.send(&value).expect("an answer");
    });
    socket.on("bin", async |Data::<Bytes>(bytes), ack: AckSender| {
        ack.send(&bytes).expect("an answer");
    });
    socket.on("send-bin", async |socket: SocketRef| {
        let blob = Blob { part: Bytes::from_static(&[1, 2, 3]), n: 7 };
        socket.emit("blob", &blob).expect("an event");
    });
    socket.on("ask-me", async |socket: SocketRef| {
        let answer = socket.emit_with_ack::<_, Value>("question", &json!({"q": 1}));
        let answer = answer.expect("a question").await.expect("an answer");
        socket.emit("got", &answer).expect("an event");
    });
    socket.on("kick", async |socket: SocketRef| {
        socket.disconnect().expect("a member");
    });
}

#[derive(Serialize)]
struct Blob {
    part: Bytes,
    n: u8,
}
