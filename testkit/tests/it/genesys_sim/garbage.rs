//! Nothing that a client sends ends the simulator.

use futures_util::SinkExt;
use redial_testkit::servers::genesys::GenesysSim;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::client::{
    GUESTS, SOON, WEB, ask, call, chat, connect, create, guest_sim, post, say, tcp, web_connect,
    web_sim,
};

const TEXTS: [&str; 22] = [
    "",
    "not json",
    "null",
    "[]",
    "42",
    "\"text\"",
    "{}",
    r#"{"type":1}"#,
    r#"{"type":"message"}"#,
    r#"{"type":"message","messageId":"","content":"x"}"#,
    r#"{"type":"message","messageId":7,"content":"x"}"#,
    r#"{"type":"message","messageId":"1","content":{}}"#,
    r#"{"type":"messageReceived","messageId":"1"}"#,
    r#"{"action":1}"#,
    r#"{"action":"onMessage"}"#,
    r#"{"action":"onMessage","token":{},"message":[]}"#,
    r#"{"action":"onMessage","token":"t-1","message":{"type":"Text","text":7}}"#,
    r#"{"action":"onMessage","token":"t-1","message":{"type":"Event","events":[1,{},{"eventType":2}]}}"#,
    r#"{"action":"onMessage","token":"t-1","message":{"type":"Text","text":"x","channel":7}}"#,
    r#"{"action":"echo","token":"t-1","message":7}"#,
    r#"{"action":"configureSession","deploymentId":{},"token":[]}"#,
    "{\"action\":\"\\u0000\",\"token\":\"\\ud83d\\ude00\"}",
];

async fn feed(ws: &mut super::client::Ws) {
    for text in TEXTS {
        ws.feed(Message::text(text)).await.unwrap();
    }
    ws.feed(Message::text("[".repeat(10_000))).await.unwrap();
    ws.feed(Message::binary(vec![0, 159, 146, 150])).await.unwrap();
    ws.feed(Message::Pong("unasked".into())).await.unwrap();
    ws.flush().await.unwrap();
}

#[tokio::test]
async fn a_guest_may_send_any_text() {
    let sim = guest_sim().await;
    let (_guest, mut ws) = connect(&sim).await;
    feed(&mut ws).await;
    assert_eq!(ask(&mut ws, chat("1", "x")).await["messageId"], "1");
    let state = sim.state();
    assert_eq!((state.bad_frames, state.messages.len()), (24, 1));
}

#[tokio::test]
async fn a_web_client_may_send_any_text() {
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    feed(&mut ws).await;
    super::client::put(&mut ws, &say("t-1", "end", "x")).await;
    sim.until(SOON, |state| state.proves("end")).await.unwrap();
    assert_eq!(sim.state().live_sockets, 1);
}

#[tokio::test]
async fn bodies_and_targets_may_be_anything() {
    let sim = guest_sim().await;
    let guest = create(&sim).await;
    let authorization = format!("Bearer {}", guest.token);
    let headers = [("authorization", authorization.as_str())];
    for text in TEXTS {
        let answer =
            call(&sim, "POST", &guest.messages(), &headers, text.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 400, "{text}");
        let answer = call(&sim, "POST", GUESTS, &headers, text.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 400, "{text}");
    }
    assert_eq!(post(&sim, &guest, &"i".repeat(257), "x").await.status, 400);
    let targets = [
        "/",
        "/%",
        "/api/v2/webchat/instances//websocket",
        "/api/v2/webchat/guests/",
        "/v1?%=%&=&",
    ];
    for (target, method) in targets.iter().zip(["GET", "POST", "PATCH", "DELETE", "GET"]) {
        let answer = call(&sim, method, target, &[], b"\xFF").await.unwrap();
        assert!((400..500).contains(&answer.status), "{target}: {}", answer.status);
    }
    let web = web_sim().await;
    for target in [WEB, "/api/v2/webmessaging/messages?pageNumber=-1&pageSize=x", "/nowhere"] {
        let answer = call(&web, "POST", target, &[], b"{").await.unwrap();
        assert!((400..500).contains(&answer.status), "{target}: {}", answer.status);
    }
    let huge = vec![b'x'; 1024 * 1024 + 1];
    let answer = call(&sim, "POST", GUESTS, &headers, &huge).await;
    assert!(answer.map_or(true, |answer| answer.status == 413));
}

#[tokio::test]
async fn bytes_that_are_no_http_and_no_frames_end_their_connection_only() {
    let sim = GenesysSim::builder().start().await.unwrap();
    for bytes in [&b"\x16\x03\x01\0\0"[..], b"GET / HTTP/9.9\r\n\r\n", &[0xFF; 64]] {
        let mut tcp = tcp(&sim).await.unwrap();
        tcp.write_all(bytes).await.unwrap();
        tcp.shutdown().await.unwrap();
        let _ = timeout(SOON, tcp.read_to_end(&mut Vec::new())).await.unwrap();
    }
    let (guest, ws) = connect(&sim).await;
    let mut raw = ws.into_inner();
    raw.write_all(&[0xC1, 0x80, 0, 0, 0, 0]).await.unwrap();
    let state = sim.until(SOON, |state| state.bad_frames == 1).await.unwrap();
    assert!(state.upgrades_ok() == 1);
    assert_eq!(post(&sim, &guest, "1", "x").await.status, 200);
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let sim =
        GenesysSim::builder().with(|options| options.wire_capacity = 5).start().await.unwrap();
    let guest = create(&sim).await;
    for n in 0..5 {
        post(&sim, &guest, &n.to_string(), "x").await;
    }
    assert_eq!(sim.wire().len(), 5);
    let web = web_sim().await;
    let mut ws = web_connect(&web, "t-1").await;
    for token in ["x".repeat(2049), String::new()] {
        let frame = json!({ "action": "configureSession", "deploymentId": "d", "token": token });
        assert_ne!(ask(&mut ws, frame).await["code"], 200);
    }
    let longest = "x".repeat(2048);
    let frame = json!({ "action": "configureSession", "deploymentId": "d", "token": longest });
    assert_eq!(ask(&mut ws, frame).await["code"], 200);
}
