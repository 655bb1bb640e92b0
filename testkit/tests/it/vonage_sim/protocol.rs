//! The protocol underneath, as the recordings of the reference servers have it.

use std::time::Duration;

use futures_util::SinkExt;
use redial_testkit::servers::Refusal;
use redial_testkit::servers::vonage::{Generation, VonageSim};
use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::{Ws, call, closed, event, jwt, login, next, nothing, open, open_at, say, text};

async fn quick(generation: Generation) -> VonageSim {
    VonageSim::builder(generation)
        .settings(|settings| {
            settings.ping_interval = Duration::from_millis(100);
            settings.ping_timeout = Duration::from_millis(70);
            settings.max_payload = 200;
        })
        .start()
        .await
        .unwrap()
}

/// Opens without answering anything.
async fn raw(sim: &VonageSim, eio: u8) -> Ws {
    let target = format!("{}?EIO={eio}&transport=websocket", sim.path());
    let mut ws = open_at(sim, &target).await.unwrap();
    assert!(matches!(next(&mut ws).await, Ok(Message::Text(text)) if text.starts_with("0{")));
    ws
}

#[tokio::test]
async fn bad_handshakes_are_answered_as_the_reference_server_does() {
    let sim = quick(Generation::V2).await;
    let path = sim.path();
    for (target, code, message) in [
        (format!("{path}?EIO=4&transport=polling"), 0, "Transport unknown"),
        (format!("{path}?EIO=4"), 0, "Transport unknown"),
        (format!("{path}?EIO=4&transport=websocket&sid=nope"), 1, "Session ID unknown"),
        (format!("{path}?EIO=4&transport=websocket"), 3, "Bad request"),
    ] {
        let answer = call(&sim, "GET", &target, &[], b"").await.unwrap();
        assert_eq!(answer.status, 400, "{target}");
        let kind = answer.header("content-type").unwrap();
        assert!(kind.starts_with("application/json"), "{kind}");
        assert_eq!(answer.json(), json!({ "code": code, "message": message }));
    }
    let target = format!("{path}?EIO=4&transport=websocket");
    let answer = call(&sim, "POST", &target, &[], b"").await.unwrap();
    assert_eq!(answer.json()["code"], 2);
    for (query, message) in [
        ("transport=carrier", "Transport unknown"),
        ("transport=websocket&sid=x", "Session ID unknown"),
    ] {
        let error = open_at(&sim, &format!("{path}?EIO=4&{query}")).await.unwrap_err();
        let Error::Http(answer) = error else { panic!("{error}") };
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.body().as_deref(), Some(message.as_bytes()));
    }
    assert_eq!(sim.state().upgrades_ok(), 0);
}

#[tokio::test]
async fn the_older_protocol_is_refused_inside_the_upgraded_stream() {
    let sim = quick(Generation::V2).await;
    let mut ws = open_at(&sim, &format!("{}?EIO=3&transport=websocket", sim.path())).await.unwrap();
    assert!(matches!(next(&mut ws).await, Err(Error::Protocol(_))));
    sim.set("allow_eio3", true).await.unwrap();
    let mut ws = raw(&sim, 3).await;
    say(&mut ws, "2").await;
    // No token, and the older generation joins unasked.
    assert_eq!(text(&mut ws).await, "40");
    assert_eq!(event(&mut ws).await.0, "system:error:invalid-token");
}

#[tokio::test]
async fn the_newer_server_pings_and_gives_up_on_silence() {
    let sim = quick(Generation::V2).await;
    let (mut ws, _) = login_quick(&sim).await;
    for _ in 0..3 {
        assert_eq!(next(&mut ws).await.unwrap(), Message::text("2"));
        say(&mut ws, "3").await;
    }
    assert_eq!(next(&mut ws).await.unwrap(), Message::text("2"));
    assert_eq!(closed(&mut ws).await, 1005);
}

#[tokio::test]
async fn the_older_server_answers_pings_and_gives_up_on_silence() {
    let sim = quick(Generation::V1).await;
    let mut ws = raw(&sim, 3).await;
    assert_eq!(text(&mut ws).await, "40");
    for ping in ["2", "2probe"] {
        say(&mut ws, ping).await;
        assert_eq!(text(&mut ws).await, ping.replacen('2', "3", 1));
    }
    assert_eq!(closed(&mut ws).await, 1005);
}

#[tokio::test]
async fn broken_packets_end_the_connection() {
    let long = format!("42[\"text\",\"{}\"]", "x".repeat(300));
    for (packet, code) in [
        ("2", 1005),
        ("4x", 1005),
        ("9", 1005),
        ("", 1005),
        ("42[]", 1005),
        ("42/other,[\"text\"]", 1005),
        (long.as_str(), 1009),
    ] {
        let sim = VonageSim::builder(Generation::V2)
            .settings(|settings| settings.max_payload = 280)
            .start()
            .await
            .unwrap();
        let (mut ws, _) = login_quick(&sim).await;
        say(&mut ws, packet).await;
        assert_eq!(closed(&mut ws).await, code, "{packet}");
        assert_eq!(sim.state().bad_frames, 1, "{packet}");
    }
}

#[tokio::test]
async fn an_event_before_the_namespace_ends_the_connection() {
    let sim = VonageSim::builder(Generation::V2).start().await.unwrap();
    let mut ws = raw(&sim, 4).await;
    say(&mut ws, "42[\"text\",{}]").await;
    assert_eq!(closed(&mut ws).await, 1005);
}

#[tokio::test]
async fn an_engine_close_and_other_namespaces_are_not_the_end() {
    let sim = VonageSim::builder(Generation::V2).start().await.unwrap();
    let (mut ws, _) = login_quick(&sim).await;
    for packet in ["1", "6", "5"] {
        say(&mut ws, packet).await;
    }
    say(&mut ws, "40/nope,").await;
    assert_eq!(text(&mut ws).await, "44/nope,{\"message\":\"Invalid namespace\"}");
    ws.send(Message::Ping("x".into())).await.unwrap();
    assert_eq!(next(&mut ws).await.unwrap(), Message::Pong("x".into()));
}

#[tokio::test]
async fn binary_packets_are_put_together() {
    for (generation, attachment) in
        [(Generation::V1, &[4, 9, 8][..]), (Generation::V2, &[9, 8][..])]
    {
        let sim = VonageSim::builder(generation).start().await.unwrap();
        let (mut ws, _) = login(&sim, generation, &jwt("alice", 60)).await;
        say(
            &mut ws,
            "451-3[\"image\",{\"tid\":\"t-1\",\"body\":{\"_placeholder\":true,\"num\":0}}]",
        )
        .await;
        ws.send(Message::binary(attachment.to_vec())).await.unwrap();
        let (name, payload) = event(&mut ws).await;
        assert_eq!((name.as_str(), &payload["rid"]), ("image:success", &json!("t-1")));
        assert_eq!(text(&mut ws).await, "433[]");
        // A text where an attachment is due.
        say(&mut ws, "451-[\"image\",{\"_placeholder\":true,\"num\":0}]").await;
        say(&mut ws, "42[\"text\",{}]").await;
        assert_eq!(closed(&mut ws).await, 1005);
    }
}

#[tokio::test]
async fn steps_of_a_connection_can_be_withheld() {
    let sim = VonageSim::builder(Generation::V2).start().await.unwrap();
    let target = format!("{}?token={}&EIO=4&transport=websocket", sim.path(), jwt("alice", 60));
    for (step, expected) in [("open", 0), ("connect", 1), ("success", 2)] {
        sim.set("withhold", step).await.unwrap();
        let mut ws = open_at(&sim, &target).await.unwrap();
        say(&mut ws, "40").await;
        for _ in 0..expected {
            text(&mut ws).await;
        }
        nothing(&mut ws).await;
    }
    sim.set("withhold", json!(null)).await.unwrap();
    let (_ws, _) = login_quick(&sim).await;
}

#[tokio::test]
async fn a_namespace_can_be_refused() {
    for (generation, expected) in [
        (
            Generation::V1,
            "44{\"description\":\"You provided an expired token. Please provide a valid token.\"}",
        ),
        (
            Generation::V2,
            "44{\"data\":{\"description\":\"You provided an expired token. Please provide a valid token.\"},\"message\":\"system:error:expired-token\"}",
        ),
    ] {
        let sim = VonageSim::builder(generation).start().await.unwrap();
        sim.set("reject_with", "connect_error").await.unwrap();
        let eio = if generation == Generation::V1 { 3 } else { 4 };
        let query = format!("session_id=x&token={}", jwt("alice", -1));
        let target = format!("{}?{query}&EIO={eio}&transport=websocket", sim.path());
        let mut ws = open_at(&sim, &target).await.unwrap();
        assert!(text(&mut ws).await.starts_with("0{"));
        if generation == Generation::V2 {
            say(&mut ws, "40").await;
        }
        let got = text(&mut ws).await;
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(&text[2..]).unwrap();
        assert_eq!((&got[..2], json(&got)), ("44", json(expected)));
        nothing(&mut ws).await;
    }
}

#[tokio::test]
async fn upgrades_are_refused_at_every_level() {
    let sim = VonageSim::builder(Generation::V1).start().await.unwrap();
    let target = format!("{}?EIO=3&transport=websocket", sim.path());
    for status in [401, 403, 429, 500, 503] {
        sim.refuse(Refusal::status("upgrade", status).retry_after("2")).await;
        let Error::Http(answer) = open_at(&sim, &target).await.unwrap_err() else {
            panic!("not an answer")
        };
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (status, &"2".parse().unwrap())
        );
    }
    sim.refuse(Refusal::reset("upgrade")).await;
    assert!(matches!(open_at(&sim, &target).await, Err(Error::Io(_))));
    assert_eq!(sim.state().upgrades.len(), 6);
    let mut ws = open(&sim, Generation::V1, "").await;
    sim.close(4001, "gone").await;
    assert_eq!(closed(&mut ws).await, 4001);
}

/// Logs in to generation 2 with a token short enough for a small limit.
async fn login_quick(sim: &VonageSim) -> (Ws, String) {
    login(sim, Generation::V2, &jwt("alice", 60)).await
}
