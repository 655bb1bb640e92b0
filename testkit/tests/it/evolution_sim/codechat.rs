//! CodeChat's sockets: one for each event, and the traps that come with it.

use futures_util::SinkExt;
use redial_testkit::servers::Refusal;
use redial_testkit::servers::evolution::{EVENTS, EvolutionSim, sign};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::{
    REFUSED, SECRET, SOON, call, chat_sim, is_quiet, next, next_json, now_s, open, open_with,
    raw_upgrade, status, target, token, try_open,
};

#[tokio::test]
async fn the_frame_is_the_payload_and_nothing_else_comes() {
    let sim = chat_sim().await;
    let mut ws = open(&sim, "connection.update", "shop-1").await;
    let payload = json!({ "instance": "shop-1", "state": "open", "statusReason": 200 });
    assert!(sim.emit("shop-1", "connection.update", payload.clone()).await);
    assert_eq!(next_json(&mut ws).await, payload);
    assert!(is_quiet(&mut ws).await);
    let state = sim.state();
    assert_eq!((state.upgrades_ok(), state.emits.len(), state.lost()), (1, 1, 0));
}

#[tokio::test]
async fn every_accepted_name_opens_and_no_other() {
    let sim = chat_sim().await;
    for event in EVENTS {
        open(&sim, event, "shop-1").await;
    }
    for event in ["messaging-history.set", "MESSAGES_UPSERT", "messages.upsert2", "nope", "", "%20"]
    {
        assert_eq!(status(try_open(&sim, event, &token("shop-1")).await), 401, "{event}");
    }
    // Percent-encoding is undone, and the first of two parameters counts.
    let encoded = format!("/ws/events?event=messages%2Eupsert&token={}", token("shop-1"));
    open_with(&sim, &encoded, &[]).await.unwrap();
    let twice = format!("/ws/events?event=messages.set&event=nope&token={}", token("shop-1"));
    open_with(&sim, &twice, &[]).await.unwrap();
}

#[tokio::test]
async fn every_refusal_is_the_same_29_bytes_and_the_end() {
    let sim = chat_sim().await;
    let good = token("shop-1");
    let wrong = sign("another secret", &json!({ "instanceName": "shop-1" }));
    let past = sign(SECRET, &json!({ "instanceName": "shop-1", "exp": now_s() - 1 }));
    let early = sign(SECRET, &json!({ "instanceName": "shop-1", "nbf": now_s() + 3600 }));
    for refused in [
        "/ws/events".to_owned(),
        "/ws/events?event=messages.upsert".to_owned(),
        format!("/ws/events?token={good}"),
        target("messages.upsert", "abc"),
        target("messages.upsert", &wrong),
        target("messages.upsert", &past),
        target("messages.upsert", &early),
        target("nope", &good),
        target("messages.upsert", &good).replace("/events", "/events/"),
        target("messages.upsert", &good).replace("/ws/events", "/ws"),
        target("messages.upsert", &good).replace("/ws/events", "/socket.io/"),
    ] {
        assert_eq!(raw_upgrade(&sim, &refused).await, REFUSED, "{refused}");
    }
    let state = sim.state();
    assert!(state.upgrades.iter().all(|call| call.status == Some(401)));
    assert_eq!((state.upgrades.len(), state.upgrades_ok(), state.live_sockets), (11, 0, 0));
}

#[tokio::test]
async fn a_refusal_over_tls_is_the_same_bytes() {
    let sim = EvolutionSim::builder().tls(true).start().await.unwrap();
    assert_eq!(raw_upgrade(&sim, "/ws/events").await, REFUSED);
}

#[tokio::test]
async fn a_refusal_may_be_seen_as_the_end_or_a_reset() {
    let sim = chat_sim().await;
    for mode in ["end", "reset"] {
        sim.set("refuse_mode", mode).await.unwrap();
        let refused = try_open(&sim, "nope", &token("shop-1")).await;
        assert!(matches!(refused, Err(Error::Io(_) | Error::Protocol(_))), "{mode}");
    }
    assert!(sim.state().upgrades.iter().all(|call| call.status.is_none()));
}

#[tokio::test]
async fn a_script_refuses_as_the_server_does_or_as_a_proxy() {
    let sim = chat_sim().await;
    sim.refuse(Refusal::status("upgrade", 401).times(2)).await;
    for _ in 0..2 {
        assert_eq!(raw_upgrade(&sim, &target("qrcode.updated", &token("shop-1"))).await, REFUSED);
    }
    sim.refuse(Refusal::status("upgrade", 502)).await;
    assert_eq!(status(try_open(&sim, "qrcode.updated", &token("shop-1")).await), 502);
    open(&sim, "qrcode.updated", "shop-1").await;
}

#[tokio::test]
async fn a_second_socket_takes_the_events_and_does_not_give_them_back() {
    let sim = chat_sim().await;
    let event = "messages.upsert";
    let mut first = open(&sim, event, "shop-1").await;
    let mut second = open(&sim, event, "shop-1").await;
    sim.emit("shop-1", event, json!({ "keyId": "B" })).await;
    assert_eq!(next_json(&mut second).await, json!({ "keyId": "B" }));
    assert_eq!(sim.state().mute_sockets(), 1);

    second.close(None).await.unwrap();
    sim.until(SOON, |state| state.live_sockets == 1).await.unwrap();
    assert!(!sim.emit("shop-1", event, json!({ "keyId": "C" })).await);
    // The first one is alive all the same: it is answered, and it hears nothing.
    first.send(Message::Ping("p".into())).await.unwrap();
    assert!(next(&mut first).await.unwrap().is_pong());
    assert!(is_quiet(&mut first).await);

    let mut third = open(&sim, event, "shop-1").await;
    assert!(sim.emit("shop-1", event, json!({ "keyId": "D" })).await);
    assert_eq!(next_json(&mut third).await, json!({ "keyId": "D" }));
    let state = sim.state();
    assert_eq!((state.lost(), state.mute_sockets()), (1, 1));
}

#[tokio::test]
async fn sockets_of_other_events_and_instances_are_their_own() {
    let sim = chat_sim().await;
    let mut one = open(&sim, "chats.update", "inst1").await;
    let mut two = open(&sim, "chats.update", "inst2").await;
    let mut other = open(&sim, "chats.upsert", "inst1").await;
    sim.emit("inst1", "chats.update", json!([{ "who": "inst1" }])).await;
    sim.emit("inst2", "chats.update", json!([{ "who": "inst2" }])).await;
    assert_eq!(next_json(&mut one).await, json!([{ "who": "inst1" }]));
    assert_eq!(next_json(&mut two).await, json!([{ "who": "inst2" }]));
    assert!(is_quiet(&mut other).await);
    // A token that names no instance is let in and gets nothing of use.
    let nobody = sign(SECRET, &json!({}));
    try_open(&sim, "chats.update", &nobody).await.unwrap();
    assert_eq!(sim.state().sockets[3].instance.as_deref(), Some("undefined"));
}

#[tokio::test]
async fn a_script_reaches_all_sockets_of_an_instance_or_of_an_event() {
    let sim = chat_sim().await;
    let mut sockets = Vec::new();
    for (event, instance) in
        [("chats.update", "inst1"), ("chats.upsert", "inst1"), ("chats.update", "inst2")]
    {
        sockets.push(open(&sim, event, instance).await);
    }
    for (body, heard) in [
        (json!({ "instance": "inst1", "data": [1] }), [true, true, false]),
        (json!({ "event": "chats.update", "data": [1] }), [true, false, true]),
        (json!({ "data": [1] }), [true; 3]),
        (json!([1]), [true; 3]),
    ] {
        let count = heard.iter().filter(|heard| **heard).count();
        let command = json!({ "do": "notify", "body": body });
        let answer = sim.control_json(command).await.unwrap();
        assert_eq!(answer, json!({ "ok": true, "sockets": count, "sent": count }), "{body}");
        for (socket, heard) in sockets.iter_mut().zip(heard) {
            if heard {
                assert_eq!(next_json(socket).await, json!([1]), "{body}");
            }
        }
    }
    for socket in &mut sockets {
        assert!(is_quiet(socket).await);
    }
}

#[tokio::test]
async fn a_payload_is_made_up_for_each_event() {
    let sim = chat_sim().await;
    for event in EVENTS {
        let mut ws = open(&sim, event, "shop-1").await;
        sim.notify(2, json!({ "event": event })).await;
        let (one, two) = (next_json(&mut ws).await, next_json(&mut ws).await);
        let is_list = event.starts_with("chats") || event.starts_with("contacts");
        let is_list = is_list || event.starts_with("groups");
        assert_eq!(one.is_array(), is_list, "{event}: {one}");
        assert_eq!(one.is_object(), !is_list, "{event}: {one}");
        assert_eq!(one.get("event"), None, "no envelope");
        if event == "messages.upsert" {
            assert_ne!(one["keyId"], two["keyId"]);
        }
    }
}

#[tokio::test]
async fn what_a_client_sends_is_kept_and_ignored() {
    let sim = chat_sim().await;
    let mut ws = open(&sim, "messages.upsert", "shop-1").await;
    for text in [r#"{"message":"test data"}"#, "not json"] {
        ws.send(Message::text(text)).await.unwrap();
    }
    ws.send(Message::binary(vec![1, 2])).await.unwrap();
    let state = sim.until(SOON, |state| state.messages.len() == 3).await.unwrap();
    assert_eq!(state.sockets[0].first_message.as_deref(), Some(r#"{"message":"test data"}"#));
    assert!(is_quiet(&mut ws).await);
}

#[tokio::test]
async fn a_clients_close_is_echoed() {
    let sim = chat_sim().await;
    let mut ws = open(&sim, "messages.upsert", "shop-1").await;
    ws.close(None).await.unwrap();
    assert!(matches!(next(&mut ws).await, Ok(Message::Close(None))));
    assert_eq!(sim.state().live_sockets, 0);
}

#[tokio::test]
async fn the_time_since_the_end_is_counted_for_each_event() {
    let sim = chat_sim().await;
    let one = open(&sim, "messages.upsert", "shop-1").await;
    let _two = open(&sim, "qrcode.updated", "shop-1").await;
    sim.cut_event("messages.upsert").await;
    sim.until(SOON, |state| state.live_sockets == 1).await.unwrap();
    drop(one);
    let _one = open(&sim, "messages.upsert", "shop-1").await;
    sim.refuse(Refusal::status("upgrade", 401)).await;
    assert_eq!(status(try_open(&sim, "chats.set", &token("shop-1")).await), 401);
    open(&sim, "chats.set", "shop-1").await;
    let state = sim.state();
    let since = |event| -> Vec<_> {
        state.upgrades_of(event).iter().map(|call| call.since_ms.is_some()).collect()
    };
    assert_eq!(since("messages.upsert"), [false, true]);
    assert_eq!(since("qrcode.updated"), [false]);
    assert_eq!(since("chats.set"), [false, true]);
    let seen = &state.sockets[0];
    let waited = state.upgrades_of("messages.upsert")[1].t_ms - seen.closed_ms.unwrap();
    assert_eq!(state.upgrades_of("messages.upsert")[1].since_ms, Some(waited));
}

#[tokio::test]
async fn a_frame_can_come_before_the_client_is_ready() {
    let sim = chat_sim().await;
    sim.set("greeting", json!({ "keyId": "early" })).await.unwrap();
    let mut ws = open(&sim, "messages.upsert", "shop-1").await;
    assert_eq!(next_json(&mut ws).await, json!({ "keyId": "early" }));
    sim.set("greeting", Value::Null).await.unwrap();
    let mut ws = open(&sim, "messages.upsert", "shop-1").await;
    assert!(is_quiet(&mut ws).await);
}

#[tokio::test]
async fn other_requests_find_nothing() {
    let sim = chat_sim().await;
    for (method, target) in [("GET", "/ws/events"), ("GET", "/"), ("DELETE", "/instance/create")] {
        let answer = call(&sim, method, target, &[], b"").await.unwrap();
        assert_eq!((answer.status, &answer.json()["error"]), (404, &json!("Not Found")));
    }
    assert_eq!(sim.state().unknown_paths, 3);
}
