//! Evolution API over Socket.IO: namespaces, events, and the heartbeat.

use std::time::Duration;

use redial_testkit::servers::Refusal;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::{
    ENGINE, KEY, SOON, Ws, call, engine, event, is_quiet, join, joined, next, open_with, say, text,
    v2_sim,
};

async fn closed(ws: &mut Ws) -> Option<u16> {
    loop {
        match next(ws).await.unwrap() {
            Message::Close(frame) => return frame.map(|frame| frame.code.into()),
            Message::Text(_) => {}
            other => panic!("not closed: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_open_packet_announces_the_heartbeat() {
    let sim = v2_sim().await;
    let (_ws, open) = engine(&sim).await;
    let sid = open["sid"].clone();
    assert_eq!(sid.as_str().unwrap().len(), 20);
    let expected = json!({
        "sid": sid, "upgrades": [], "pingInterval": 25_000, "pingTimeout": 20_000,
        "maxPayload": 1_000_000,
    });
    assert_eq!(open, expected);
}

#[tokio::test]
async fn a_namespace_exists_only_after_the_first_event() {
    let sim = v2_sim().await;
    sim.set("adopt", true).await.unwrap();
    let (mut ws, _) = engine(&sim).await;
    let refused = "44/shop-1,{\"message\":\"Invalid namespace\"}";
    assert_eq!(join(&mut ws, "/shop-1").await, refused);
    assert_eq!(join(&mut ws, "/shop-1").await, refused);
    assert!(!sim.emit("shop-1", "connection.update", json!({ "state": "open" })).await);
    // The same connection is let in, and the event that made the namespace is lost.
    assert!(join(&mut ws, "/shop-1").await.starts_with("40/shop-1,{\"sid\":\""));
    assert!(is_quiet(&mut ws).await);
    assert!(join(&mut ws, "/shop-2").await.starts_with("44/shop-2,"));
    let state = sim.state();
    let joined: Vec<_> = state.joins.iter().map(|call| call.joined).collect();
    assert_eq!(joined, [Some(false), Some(false), Some(true), Some(false)]);
    assert_eq!((state.upgrades_ok(), state.lost()), (1, 1));
    assert_eq!(state.namespaces, ["shop-1"]);
}

#[tokio::test]
async fn a_restart_forgets_the_namespaces() {
    let sim = v2_sim().await;
    sim.set("namespace", "shop-1").await.unwrap();
    joined(&sim, "/shop-1").await;
    sim.expire_sessions().await;
    let (mut ws, _) = engine(&sim).await;
    assert!(join(&mut ws, "/shop-1").await.starts_with("44/shop-1,"));
}

#[tokio::test]
async fn every_client_of_a_namespace_gets_the_whole_envelope() {
    let sim = v2_sim().await;
    sim.set("adopt", true).await.unwrap();
    sim.set("namespace", "shop-1").await.unwrap();
    sim.set("namespace", "shop-2").await.unwrap();
    let mut one = joined(&sim, "/shop-1").await;
    let mut two = joined(&sim, "/shop-1").await;
    let mut other = joined(&sim, "/shop-2").await;
    assert!(sim.emit("shop-1", "messages.upsert", json!({ "key": { "id": "M1" } })).await);
    for ws in [&mut one, &mut two] {
        let (nsp, name, message) = event(ws).await;
        assert_eq!((nsp.as_str(), name.as_str()), ("/shop-1", "messages.upsert"));
        assert_eq!(message["event"], "messages.upsert");
        assert_eq!((&message["instance"], &message["apikey"]), (&json!("shop-1"), &Value::Null));
        assert_eq!(message["data"], json!({ "key": { "id": "M1" } }));
        for field in ["server_url", "date_time", "sender"] {
            assert!(message[field].is_string(), "{field}");
        }
        assert_eq!(message.as_object().unwrap().len(), 7);
    }
    assert!(is_quiet(&mut other).await);
    assert_eq!(sim.state().emits.len(), 2);
}

#[tokio::test]
async fn the_root_namespace_gets_everything_in_global_mode_only() {
    let sim = v2_sim().await;
    sim.set("adopt", true).await.unwrap();
    sim.set("namespace", "shop-1").await.unwrap();
    let mut root = joined(&sim, "/").await;
    let mut own = joined(&sim, "/shop-1").await;
    sim.emit("shop-1", "chats.upsert", json!([])).await;
    assert_eq!(event(&mut own).await.0, "/shop-1");
    assert!(is_quiet(&mut root).await);
    sim.set("global", true).await.unwrap();
    sim.emit("shop-1", "chats.update", json!([])).await;
    assert_eq!(
        (event(&mut root).await.0.as_str(), event(&mut own).await.0.as_str()),
        ("/", "/shop-1")
    );
    // This one has no name in the configuration.
    sim.emit("shop-1", "groups.update", json!([{ "id": "g2" }])).await;
    assert_eq!(event(&mut root).await.1, "groups.update");
    assert!(is_quiet(&mut own).await);
    // Nor has an instance that nobody configured.
    sim.set("adopt", false).await.unwrap();
    sim.emit("shop-1", "chats.update", json!([])).await;
    assert_eq!(event(&mut root).await.1, "chats.update");
    assert!(is_quiet(&mut own).await);
}

#[tokio::test]
async fn a_script_needs_no_names() {
    let sim = v2_sim().await;
    sim.set("adopt", true).await.unwrap();
    let (mut ws, _) = engine(&sim).await;
    assert!(join(&mut ws, "/shop-1").await.starts_with("44"));
    sim.notify(1, json!({})).await;
    assert!(join(&mut ws, "/shop-1").await.starts_with("40"));
    sim.notify(2, json!({})).await;
    let (_, name, one) = event(&mut ws).await;
    let (_, _, two) = event(&mut ws).await;
    assert_eq!(name, "messages.upsert");
    assert_ne!(one["data"]["key"]["id"], two["data"]["key"]["id"]);
    sim.notify(1, json!({ "event": "qrcode.updated" })).await;
    assert!(event(&mut ws).await.2["data"]["qrcode"]["code"].is_string());
    sim.notify(1, json!({ "n": 7 })).await;
    assert_eq!(event(&mut ws).await.2["data"], json!({ "n": 7 }));
}

#[tokio::test]
async fn the_server_pings_and_closes_those_that_do_not_answer() {
    let sim = v2_sim().await;
    sim.set("ping_interval_ms", 100).await.unwrap();
    sim.set("ping_timeout_ms", 100).await.unwrap();
    let (mut ws, open) = engine(&sim).await;
    assert_eq!((&open["pingInterval"], &open["pingTimeout"]), (&json!(100), &json!(100)));
    join(&mut ws, "/").await;
    assert_eq!(next(&mut ws).await.unwrap(), Message::text("2"));
    assert_eq!(closed(&mut ws).await, None);
    sim.until(SOON, |state| state.live_sockets == 0).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_joins_nothing_is_closed() {
    let sim = v2_sim().await;
    sim.set("join_timeout_ms", 100).await.unwrap();
    let (mut ws, _) = engine(&sim).await;
    // A refusal is no join.
    assert!(join(&mut ws, "/nope").await.starts_with("44"));
    assert_eq!(closed(&mut ws).await, None);
}

#[tokio::test]
async fn a_script_refuses_a_join_in_every_way() {
    let sim = v2_sim().await;
    let (mut ws, _) = engine(&sim).await;
    sim.refuse(Refusal::status("join", 400)).await;
    assert_eq!(join(&mut ws, "/").await, "44{\"message\":\"Invalid namespace\"}");
    sim.refuse(Refusal { body: Some(json!("not authorized")), ..Refusal::status("join", 400) })
        .await;
    assert_eq!(join(&mut ws, "/").await, "44{\"message\":\"not authorized\"}");
    sim.refuse(Refusal::hang("join")).await;
    say(&mut ws, "40").await;
    sim.until(SOON, |state| state.joins.last().is_some_and(|call| call.joined.is_none()))
        .await
        .unwrap();
    assert!(join(&mut ws, "/").await.starts_with("40{\"sid\":"));
    sim.refuse(Refusal::reset("join")).await;
    say(&mut ws, "40/shop-1,").await;
    assert!(matches!(next(&mut ws).await, Err(Error::Io(_) | Error::Protocol(_))));
}

#[tokio::test]
async fn events_of_clients_are_counted_and_never_answered() {
    let sim = v2_sim().await;
    let mut ws = joined(&sim, "/").await;
    say(&mut ws, "42[\"sendNode\",{\"instanceId\":\"i\",\"stanza\":{}}]").await;
    say(&mut ws, "427[\"send_message\",{}]").await;
    sim.until(SOON, |state| state.messages.len() == 2).await.unwrap();
    assert!(is_quiet(&mut ws).await);
    say(&mut ws, "41").await;
    sim.set("global", true).await.unwrap();
    // Whoever has left hears nothing more, and is not thrown off for it.
    say(&mut ws, "40/nope,").await;
    assert!(text(&mut ws).await.starts_with("44/nope,"));
    assert!(!sim.emit("shop-1", "chats.set", json!([])).await);
}

#[tokio::test]
async fn a_script_throws_clients_out_of_a_namespace() {
    let sim = v2_sim().await;
    sim.set("namespace", "shop-1").await.unwrap();
    let mut ws = joined(&sim, "/shop-1").await;
    sim.set("disconnect", "/shop-1").await.unwrap();
    assert_eq!(text(&mut ws).await, "41/shop-1,");
    assert!(join(&mut ws, "/shop-1").await.starts_with("40/shop-1,"));
}

#[tokio::test]
async fn broken_packets_end_their_connection_only() {
    let sim = v2_sim().await;
    sim.set("max_payload", 1000).await.unwrap();
    let mut other = joined(&sim, "/").await;
    let long = format!("42[\"x\",\"{}\"]", "y".repeat(1000));
    for (bad, code) in [
        ("", None),
        ("9", None),
        ("2", None),
        ("4", None),
        ("4x", None),
        ("42", None),
        ("42[7]", None),
        ("42/nope,[\"x\"]", None),
        ("451-[\"x\",{\"_placeholder\":true,\"num\":0}]4", None),
        ("4\u{e9}", None),
        (long.as_str(), Some(1009)),
    ] {
        let mut ws = joined(&sim, "/").await;
        say(&mut ws, bad).await;
        assert_eq!(closed(&mut ws).await, code, "{bad}");
    }
    let state = sim.until(SOON, |state| state.live_sockets == 1).await.unwrap();
    assert_eq!(state.bad_frames, 11);
    assert!(join(&mut other, "/nope").await.starts_with("44/nope,"));
}

#[tokio::test]
async fn faults_are_those_of_every_simulator() {
    let sim = v2_sim().await;
    let mut ws = joined(&sim, "/").await;
    sim.send_text("4not json").await;
    assert_eq!(text(&mut ws).await, "4not json");
    sim.close(1005, "").await;
    assert_eq!(closed(&mut ws).await, None);
    let mut ws = joined(&sim, "/").await;
    sim.cut().await;
    assert!(next(&mut ws).await.is_err());
    sim.refuse(Refusal::status("upgrade", 503)).await;
    assert!(open_with(&sim, ENGINE, &[("apikey", KEY)]).await.is_err());
    let mut ws = joined(&sim, "/").await;
    sim.down(Duration::from_millis(1)).await;
    assert!(next(&mut ws).await.is_err());
    let since: Vec<_> = sim.state().upgrades.iter().map(|call| call.since_ms.is_some()).collect();
    assert_eq!(since, [false, true, true, true]);
}

#[tokio::test]
async fn other_paths_are_not_answered() {
    let sim = v2_sim().await;
    for target in ["/ws/events?event=messages.upsert", "/socket.io?EIO=4&transport=websocket"] {
        assert!(matches!(
            open_with(&sim, target, &[]).await,
            Err(Error::Io(_) | Error::Protocol(_))
        ));
    }
    let answer = call(&sim, "GET", "/", &[], b"").await.unwrap();
    assert_eq!((answer.status, &answer.json()["error"]), (404, &json!("Not Found")));
    assert_eq!(sim.state().unknown_paths, 3);
}
