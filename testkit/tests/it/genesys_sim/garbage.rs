//! Nothing that a client sends ends the simulator.

use futures_util::SinkExt;
use redial_testkit::servers::genesys::GenesysSim;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::client::{
    GUESTS, SOON, WEB, ask, call, chat, connect, create, guest_sim, next_json, post, say, tcp,
    web_connect, web_sim,
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

/// Builds values out of the words that the services know, in places where they make no sense.
struct Nonsense(u64);

impl Nonsense {
    fn draw(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.draw(WORDS.len())]
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.draw(if depth == 0 { 5 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.draw(2) == 0),
            2 => json!(self.draw(5000)),
            3 | 4 => json!(self.word()),
            5 => (0..self.draw(4)).map(|_| self.value(depth - 1)).collect(),
            _ => self.object(depth - 1),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        let fields = (0..self.draw(6)).map(|_| (self.word().to_owned(), self.value(depth)));
        Value::Object(fields.collect())
    }

    /// A request that is nearly good.
    fn request(&mut self) -> Value {
        let mut request = say("t-1", "x", "x");
        request["action"] = json!(ACTIONS[self.draw(ACTIONS.len())]);
        if self.draw(3) == 0 {
            request["message"][self.word()] = self.value(4);
        }
        for _ in 0..self.draw(4) {
            request[self.word()] = self.value(4);
        }
        request
    }
}

#[tokio::test]
async fn nonsense_made_of_known_words_ends_no_socket() {
    let web = web_sim().await;
    for rate in ["message_rate", "request_rate", "configure_rate", "echo_rate"] {
        web.set(rate, Value::Null).await.unwrap();
    }
    let guest = guest_sim().await;
    let mut nonsense = Nonsense(1);
    let mut ws = web_connect(&web, "t-1").await;
    let (_guest, mut guest_ws) = connect(&guest).await;
    for round in 0..400 {
        for _ in 0..5 {
            let request = nonsense.request();
            ws.send(Message::text(request.to_string())).await.unwrap();
            let mut frame = chat("1", "x");
            frame[nonsense.word()] = nonsense.value(3);
            guest_ws.send(Message::text(frame.to_string())).await.unwrap();
        }
        web.notify(1, nonsense.object(4)).await;
        guest.notify(1, nonsense.object(4)).await;
        let end = json!({ "action": "end", "tracingId": format!("end-{round}") });
        ws.send(Message::text(end.to_string())).await.unwrap();
        while next_json(&mut ws).await["tracingId"] != end["tracingId"] {}
        let end = format!("end-{round}");
        guest_ws.send(Message::text(chat(&end, "x").to_string())).await.unwrap();
        while next_json(&mut guest_ws).await["messageId"] != json!(end) {}
    }
    assert_eq!((web.state().live_sockets, guest.state().live_sockets), (1, 1));
}

const ACTIONS: [&str; 8] = [
    "configureSession",
    "configureAuthenticatedSession",
    "onMessage",
    "onMessage",
    "echo",
    "getJwt",
    "getConfiguration",
    "closeSession",
];
const WORDS: [&str; 34] = [
    "action",
    "token",
    "tracingId",
    "message",
    "type",
    "text",
    "Text",
    "Event",
    "Structured",
    "events",
    "eventType",
    "presence",
    "Presence",
    "Clear",
    "Join",
    "typing",
    "channel",
    "metadata",
    "customAttributes",
    "data",
    "code",
    "deploymentId",
    "startNew",
    "closeAllConnections",
    "t-1",
    "id",
    "class",
    "body",
    "content",
    "messageId",
    "direction",
    "from",
    "",
    "\u{1F600}",
];
