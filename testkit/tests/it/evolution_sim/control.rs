//! The control endpoint, the wire log, and `serve`.

use redial_testkit::servers::evolution::{EvolutionSim, Options, serve};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::{
    Answer, SECRET, SOON, chat_sim, create, next, open, refresh, token, try_create, try_open,
};
use crate::client::instruct;

async fn command(control: &str, body: &Value) -> Answer {
    instruct(control, body.to_string().as_bytes()).await
}

#[tokio::test]
async fn every_command_of_the_table_is_answered_by_an_object() {
    let sim = chat_sim().await;
    for body in [
        json!({ "do": "silent", "on": true, "direction": "to_server", "mode": "stall" }),
        json!({ "do": "silent", "on": false }),
        json!({ "do": "refuse", "step": "upgrade", "status": 401 }),
        json!({ "do": "refuse", "step": "token", "times": 2, "status": 500 }),
        json!({ "do": "refuse", "step": "refresh", "hang": true }),
        json!({ "do": "refuse", "step": "login" }),
        json!({ "do": "revoke_tokens" }),
        json!({ "do": "expire_sessions" }),
        json!({ "do": "notify", "n": 3, "body": { "event": "messages.upsert", "data": { "n": 1 } } }),
        json!({ "do": "send_text", "text": "not json" }),
        json!({ "do": "send_binary", "base64": "AAE=" }),
        json!({ "do": "send_raw", "base64": "iQA=" }),
        json!({ "do": "send_ping" }),
        json!({ "do": "send_large", "bytes": 10 }),
        json!({ "do": "close", "code": 4401, "reason": "" }),
        json!({ "do": "cut" }),
        json!({ "do": "set", "key": "cut_event", "value": "messages.upsert" }),
        json!({ "do": "down", "ms": 1 }),
        json!({ "do": "state" }),
    ] {
        let answer = command(&sim.control_base(), &body).await;
        assert_eq!(answer.status, 200, "{body}");
        assert!(answer.json().is_object(), "{body}");
    }
}

#[tokio::test]
async fn every_option_can_be_set_and_wrong_ones_are_refused() {
    let sim = chat_sim().await;
    for (key, good, bad) in [
        ("jwt_secret", json!("s"), json!("")),
        ("expires_in_s", json!(0), json!("never")),
        ("adopt", json!(true), json!(1)),
        ("answer_pings", json!(false), json!("x")),
        ("extra_fields", json!(true), Value::Null),
        ("api_key", json!("k"), json!(1)),
        ("api_key", Value::Null, json!([])),
        ("refuse_mode", json!("reset"), json!("moon")),
        ("greeting", json!([1]), Value::Null),
        ("idle_close_ms", json!(0), json!(u64::MAX)),
        ("idle_close_code", json!(4410), json!(70_000)),
        ("cut_event", json!("messages.upsert"), json!(7)),
    ] {
        sim.set(key, good).await.unwrap();
        let bad = sim.set(key, bad).await;
        // Any JSON is a greeting.
        assert!(key == "greeting" || bad.unwrap_err().contains(key));
    }
    let unknown = json!({ "do": "set", "key": "colour", "value": 1 });
    let answer = command(&sim.control_base(), &unknown).await;
    assert_eq!(answer.status, 400);
    assert!(answer.json()["error"].as_str().unwrap().contains("colour"));
}

#[tokio::test]
async fn options_do_what_they_say() {
    let sim = chat_sim().await;
    sim.set("extra_fields", true).await.unwrap();
    sim.set("idle_close_ms", 50).await.unwrap();
    sim.set("idle_close_code", 1001).await.unwrap();
    let mut ws = open(&sim, "messages.upsert", "shop-1").await;
    sim.emit("shop-1", "messages.upsert", json!({})).await;
    let frame = next(&mut ws).await.unwrap().into_text().unwrap();
    assert!(frame.contains("x-unknown"), "{frame}");
    match next(&mut ws).await.unwrap() {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1001),
        other => panic!("not closed: {other:?}"),
    }
}

#[tokio::test]
async fn faults_reach_every_socket_of_a_client() {
    let sim = chat_sim().await;
    let mut one = open(&sim, "messages.upsert", "shop-1").await;
    let mut two = open(&sim, "chats.set", "shop-1").await;
    sim.send_text("not json").await;
    sim.send_binary(vec![0, 1]).await;
    sim.close(4000, "proxy").await;
    for ws in [&mut one, &mut two] {
        assert_eq!(next(ws).await.unwrap(), Message::text("not json"));
        assert_eq!(next(ws).await.unwrap(), Message::binary(vec![0, 1]));
        assert!(next(ws).await.unwrap().is_close());
    }
    let mut one = open(&sim, "messages.upsert", "shop-1").await;
    sim.cut().await;
    assert!(matches!(next(&mut one).await, Err(Error::Protocol(_) | Error::Io(_))));
    let mut one = open(&sim, "messages.upsert", "shop-1").await;
    sim.silent(true).await;
    assert!(!sim.emit("shop-1", "messages.upsert", json!({})).await, "nobody can hear it");
    sim.silent(false).await;
    assert!(sim.emit("shop-1", "messages.upsert", json!({})).await);
    assert!(next(&mut one).await.unwrap().is_text());
    sim.down(std::time::Duration::from_millis(1)).await;
    assert!(next(&mut one).await.is_err());
}

#[tokio::test]
async fn the_state_has_the_promised_fields() {
    let sim = chat_sim().await;
    let token = create(&sim, "shop-1").await;
    let _one = try_open(&sim, "messages.upsert", &token).await.unwrap();
    let _two = try_open(&sim, "messages.upsert", &token).await.unwrap();
    assert!(try_open(&sim, "nope", &token).await.is_err());
    refresh(&sim, "shop-1", &token).await;
    sim.emit("shop-1", "messages.upsert", json!({})).await;
    sim.emit("shop-1", "chats.set", json!([])).await;
    let state = command(&sim.control_base(), &json!({ "do": "state" })).await.json();
    for (field, expected) in [
        ("profile", json!("codechat")),
        ("upgrades", json!(2)),
        ("live_sockets", json!(2)),
        ("mute_sockets", json!(1)),
        ("logins", json!(1)),
        ("refreshes", json!(1)),
        ("lost", json!(1)),
        ("messages", json!([])),
    ] {
        assert_eq!(state[field], expected, "{field}");
    }
    assert_eq!(state["token_calls"].as_array().unwrap().len(), 2);
    let counts = |event: &str| state["events"][event].clone();
    assert_eq!(
        counts("messages.upsert"),
        json!({ "upgrades": 2, "refused": 0, "live": 2, "mute": 1, "sent": 1, "lost": 0 })
    );
    assert_eq!((&counts("nope")["refused"], &counts("chats.set")["lost"]), (&json!(1), &json!(1)));
    let call = &state["upgrade_calls"][0];
    assert_eq!((&call["event"], &call["token"]), (&json!("messages.upsert"), &json!("token-1")));
    assert_eq!((&call["instance"], &call["status"]), (&json!("shop-1"), &json!(101)));
}

#[tokio::test]
async fn no_secret_is_in_any_line() {
    let sim = EvolutionSim::builder().jwt_secret(SECRET).tls(true).start().await.unwrap();
    sim.set("api_key", "CANARY-KEY-1").await.unwrap();
    let headers = [("apikey", "CANARY-KEY-1")];
    let answer = try_create(&sim, &headers, &json!({ "instanceName": "shop-1" })).await;
    let issued = answer.json()["Auth"]["token"].as_str().unwrap().to_owned();
    try_create(&sim, &[("apikey", "CANARY-KEY-2")], &json!({})).await;
    let renewed = refresh(&sim, "shop-1", &issued).await.json()["token"].clone();
    let renewed = renewed.as_str().unwrap().to_owned();
    refresh(&sim, "shop-1", "CANARY-OLD").await;
    let own = token("shop-2");
    let mut ws = try_open(&sim, "messages.upsert", &own).await.unwrap();
    assert!(try_open(&sim, "messages.upsert", "CANARY%2DQUERY").await.is_err());
    assert!(try_open(&sim, &format!("x&token={renewed}&token=CANARY-TWICE"), "y").await.is_err());
    sim.send_text(&format!("not json {own}")).await;
    sim.emit("shop-2", "messages.upsert", json!({ "token": "CANARY-FIELD", "a": own })).await;
    next(&mut ws).await.unwrap();
    sim.close(4401, &own[..100]).await;
    let state = command(&sim.control_base(), &json!({ "do": "state" })).await.json();
    let mut lines: Vec<_> = sim.wire().iter().map(Value::to_string).collect();
    lines.push(state.to_string());
    for secret in ["CANARY", SECRET, &issued, &renewed, &own] {
        let leak = lines.iter().find(|line| line.contains(secret));
        assert_eq!(leak, None, "{secret}");
    }
    for label in ["token-1", "token-2", "api-key-1", "api-key-2"] {
        assert!(lines.iter().any(|line| line.contains(label)), "{label} is shown");
    }
}

#[tokio::test]
async fn wire_lines_show_what_was_said() {
    let sim = chat_sim().await;
    let _ws = open(&sim, "messages.upsert", "shop-1").await;
    assert!(try_open(&sim, "nope", &token("shop-1")).await.is_err());
    sim.emit("shop-1", "messages.upsert", json!({ "keyId": "A" })).await;
    sim.until(SOON, |state| state.emits.len() == 1).await.unwrap();
    let lines = sim.wire();
    assert_eq!(lines[0]["path"], "/ws/events?event=messages.upsert&token=token-1");
    assert_eq!((&lines[0]["upgrade"], &lines[1]["status"]), (&json!("websocket"), &json!(101)));
    assert_eq!(lines[3]["raw"], "HTTP/1.1 401 Unauthorized\r\n\r\n");
    assert_eq!(lines[3]["note"], "TCP connection destroyed");
}

#[tokio::test]
async fn serve_announces_itself_and_then_logs() {
    let (records, mut lines) = mpsc::channel(64);
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve(Options::default(), records, async {
        let _ = stopped.await;
    }));
    let first = lines.recv().await.unwrap();
    assert_eq!(first["kind"], "listening");
    assert!(first["ws"].as_str().unwrap().starts_with("ws://127.0.0.1:"));
    assert_eq!(first["ca"], Value::Null);
    let answer = command(first["control"].as_str().unwrap(), &json!({ "do": "state" })).await;
    assert_eq!(answer.json()["profile"], "codechat");
    stop.send(()).unwrap();
    timeout(SOON, served).await.unwrap().unwrap().unwrap();
    assert!(lines.recv().await.is_none());
}
