//! Nothing that a client sends ends the simulator.

use futures_util::SinkExt;
use redial_testkit::servers::evolution::sign;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::client::{
    REFUSED, SECRET, SOON, call, chat_sim, create, next_json, open, raw_upgrade, status, target,
    tcp, try_open,
};

#[tokio::test]
async fn a_client_may_send_any_frame() {
    let sim = chat_sim().await;
    let mut ws = open(&sim, "messages.upsert", "shop-1").await;
    for text in ["", "null", "[]", "{", "42", "40/shop-1,", "2"] {
        ws.feed(Message::text(text)).await.unwrap();
    }
    ws.feed(Message::text("é".repeat(2000))).await.unwrap();
    ws.feed(Message::binary(vec![0, 159, 146, 150])).await.unwrap();
    ws.feed(Message::Pong("unasked".into())).await.unwrap();
    ws.flush().await.unwrap();
    sim.until(SOON, |state| state.messages.len() == 9).await.unwrap();
    sim.emit("shop-1", "messages.upsert", json!({ "keyId": "A" })).await;
    assert_eq!(next_json(&mut ws).await, json!({ "keyId": "A" }));
}

#[tokio::test]
async fn tokens_may_be_anything() {
    let sim = chat_sim().await;
    let claims =
        [Value::Null, json!([]), json!("text"), json!({ "exp": "x" }), json!({ "exp": -1 })];
    for claims in claims {
        let token = sign(SECRET, &claims);
        let expected = if claims.get("exp").is_some() { 401 } else { 101 };
        assert_eq!(status(try_open(&sim, "chats.set", &token).await), expected, "{claims}");
    }
    for token in ["a.b.c", "..", "e30.e30.e30", "%00.%FF.%", &"x".repeat(4000)] {
        assert_eq!(raw_upgrade(&sim, &target("chats.set", token)).await, REFUSED, "{token}");
    }
    let odd = sign(SECRET, &json!({ "instanceName": { "a": [1] }, "tokenId": [null] }));
    try_open(&sim, "chats.set", &odd).await.unwrap();
    assert_eq!(sim.state().upgrades.last().unwrap().instance.as_deref(), Some("{\"a\":[1]}"));
}

#[tokio::test]
async fn bodies_and_targets_may_be_anything() {
    let sim = chat_sim().await;
    create(&sim, "shop-1").await;
    let headers = [("apikey", "k")];
    for body in ["", "null", "[]", "{\"instanceName\":7}", "{\"instanceName\":\"\"}", "\u{1}"] {
        let answer =
            call(&sim, "POST", "/instance/create", &headers, body.as_bytes()).await.unwrap();
        assert!(matches!(answer.status, 201 | 400), "{body}: {}", answer.status);
        let target = "/instance/refreshToken/shop-1";
        let answer = call(&sim, "PUT", target, &headers, body.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 400, "{body}");
    }
    for target in ["/%", "/instance//", "/ws/events?%=%&=&", "/instance/refreshToken/"] {
        let answer = call(&sim, "PATCH", target, &[], b"\xFF").await.unwrap();
        assert_eq!(answer.status, 404, "{target}");
    }
    for target in ["/%", "/?&&&", "/ws/events?event=%FF%FE&token=%E0", "/ws/events?event&token"] {
        assert_eq!(raw_upgrade(&sim, target).await, REFUSED, "{target}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_http_and_no_frames_end_their_connection_only() {
    let sim = chat_sim().await;
    for bytes in [&b"\x16\x03\x01\0\0"[..], b"GET / HTTP/9.9\r\n\r\n", &[0xFF; 64]] {
        let mut tcp = tcp(&sim).await.unwrap();
        tcp.write_all(bytes).await.unwrap();
        tcp.shutdown().await.unwrap();
        let _ = timeout(SOON, tcp.read_to_end(&mut Vec::new())).await.unwrap();
    }
    let ws = open(&sim, "messages.upsert", "shop-1").await;
    let mut raw = ws.into_inner();
    raw.write_all(&[0xC1, 0x80, 0, 0, 0, 0]).await.unwrap();
    let state = sim.until(SOON, |state| state.bad_frames == 1).await.unwrap();
    assert_eq!(state.upgrades_ok(), 1);
    open(&sim, "messages.upsert", "shop-1").await;
}

#[tokio::test]
async fn bytes_that_follow_a_refused_upgrade_are_thrown_away() {
    let sim = chat_sim().await;
    let mut tcp = tcp(&sim).await.unwrap();
    let head =
        "GET /ws/events HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    tcp.write_all(head.as_bytes()).await.unwrap();
    tcp.write_all(&[0x81, 0x80, 0, 0, 0, 0]).await.unwrap();
    let mut seen = Vec::new();
    let _ = timeout(SOON, tcp.read_to_end(&mut seen)).await.unwrap();
    assert_eq!(seen, REFUSED);
}
