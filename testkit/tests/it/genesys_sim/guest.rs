//! Guest creation, upgrade, and what runs on a guest's socket.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::SinkExt;
use redial_testkit::servers::Refusal;
use redial_testkit::servers::genesys::GenesysSim;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::client::{
    GUEST_BODY, GUESTS, Guest, SOON, WHILE, ask, call, chat, connect, create, dial, guest_sim,
    next, next_json, open, open_with, post, send, status, tcp, try_create,
};

#[tokio::test]
async fn a_guest_needs_a_bearer_of_ten_characters() {
    let sim = guest_sim().await;
    for (authorization, expected) in [
        ("Bearer oauth-sim-token", 200),
        ("bearer 1234567890", 200),
        ("Bearer 123456789", 401),
        ("Bearer ", 401),
        ("Basic 1234567890", 401),
        ("", 401),
    ] {
        let answer = try_create(&sim, authorization).await.unwrap();
        assert_eq!(answer.status, expected, "{authorization}");
    }
    assert_eq!(sim.state().guests_ok(), 2);
    let bad_body = call(&sim, "POST", GUESTS, &[("authorization", "Bearer 1234567890")], b"{}");
    assert_eq!(bad_body.await.unwrap().status, 400);
    assert_eq!(call(&sim, "GET", GUESTS, &[], b"").await.unwrap().status, 405);
}

#[tokio::test]
async fn the_options_name_the_credentials_that_are_good() {
    let sim = guest_sim().await;
    sim.set("oauth_token", "the-right-token").await.unwrap();
    sim.set("api_key", "the-key").await.unwrap();
    assert_eq!(try_create(&sim, "Bearer another-token").await.unwrap().status, 401);
    assert_eq!(try_create(&sim, "Bearer the-right-token").await.unwrap().status, 200);
    for (key, expected) in [("the-key", 200), ("another-key", 401)] {
        let answer = call(&sim, "POST", GUESTS, &[("api_key", key)], GUEST_BODY).await.unwrap();
        assert_eq!(answer.status, expected, "{key}");
    }
}

#[tokio::test]
async fn an_oauth_token_whose_time_has_passed_is_refused() {
    let sim = guest_sim().await;
    for (exp, expected) in [(1, 401), (99_999_999_999_u64, 200)] {
        let claims = URL_SAFE_NO_PAD.encode(json!({ "exp": exp }).to_string());
        let answer = try_create(&sim, &format!("Bearer e30.{claims}.sig")).await.unwrap();
        assert_eq!(answer.status, expected);
    }
}

#[tokio::test]
async fn each_guest_is_a_conversation_of_its_own() {
    let sim = guest_sim().await;
    sim.set("expires_in_s", 7).await.unwrap();
    let answer = try_create(&sim, "Bearer oauth-sim-token").await.unwrap().json();
    assert_eq!(answer["expiresIn"], 7);
    let (first, second) = (create(&sim).await, create(&sim).await);
    assert_ne!(first.id, second.id);
    assert_ne!(first.token, second.token);
    let crossed = Guest { id: first.id.clone(), token: second.token.clone() };
    assert_eq!(status(open(&sim, &crossed).await), 401);
    assert_eq!(post(&sim, &crossed, "1", "x").await.status, 401);
    assert_eq!(sim.state().conversations, 3);
}

#[tokio::test]
async fn creation_fails_as_the_script_says() {
    let sim = guest_sim().await;
    for code in [401, 403, 429, 500, 503, 418] {
        sim.refuse(Refusal::status("guest", code).retry_after("Wed, 21 Oct 2099 07:28:00 GMT"))
            .await;
        let answer = try_create(&sim, "Bearer oauth-sim-token").await.unwrap();
        assert_eq!(answer.status, code);
        assert_eq!(answer.header("retry-after"), Some("Wed, 21 Oct 2099 07:28:00 GMT"));
    }
    for field in ["webchatInstanceId", "token", "expiresIn"] {
        sim.refuse(Refusal::omit("guest", field)).await;
        let body = try_create(&sim, "Bearer oauth-sim-token").await.unwrap().json();
        assert_eq!(body.as_object().unwrap().len(), 2);
        assert_eq!(body.get(field), None);
    }
    sim.refuse(Refusal::reset("guest")).await;
    assert!(try_create(&sim, "Bearer oauth-sim-token").await.is_err());
    sim.refuse(Refusal::hang("guest")).await;
    let mut io = dial(&sim).await.unwrap();
    send(&mut io, "POST", GUESTS, &[], GUEST_BODY).await.unwrap();
    assert!(timeout(WHILE, io.read_u8()).await.is_err());
    let statuses: Vec<_> = sim.state().guests.iter().map(|call| call.status).collect();
    assert_eq!(statuses.len(), 11);
    assert_eq!(statuses[..3], [Some(401), Some(403), Some(429)]);
    assert_eq!(statuses[9..], [None, None]);
    assert_eq!(sim.state().token_calls().len(), 11);
}

#[tokio::test]
async fn rates_are_answered_429_with_the_wait() {
    let sim = guest_sim().await;
    sim.set("guest_rate", json!({ "n": 1, "window_ms": 3_600_000 })).await.unwrap();
    sim.set("rest_rate", json!({ "n": 1, "window_ms": 3_600_000 })).await.unwrap();
    let guest = create(&sim).await;
    let limited = try_create(&sim, "Bearer oauth-sim-token").await.unwrap();
    assert_eq!(post(&sim, &guest, "1", "a").await.status, 200);
    let posted = post(&sim, &guest, "2", "b").await;
    for answer in [limited, posted] {
        assert_eq!(answer.status, 429);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((3_500..=3_600).contains(&wait), "{wait}");
    }
}

#[tokio::test]
async fn the_socket_takes_the_token_in_header_or_query() {
    let sim = guest_sim().await;
    let guest = create(&sim).await;
    assert!(open(&sim, &guest).await.is_ok());
    for name in ["token", "access_token"] {
        let target = format!("{}?{name}={}", guest.socket(), guest.token);
        assert!(open_with(&sim, &target, &[]).await.is_ok());
    }
    assert_eq!(status(open_with(&sim, &guest.socket(), &[]).await), 401);
    let bad = [("authorization", "Bearer GT_wrong")];
    assert_eq!(status(open_with(&sim, &guest.socket(), &bad).await), 401);
    let unknown = Guest { id: "nobody".into(), token: guest.token.clone() };
    assert_eq!(status(open(&sim, &unknown).await), 404);
    assert_eq!(post(&sim, &unknown, "1", "x").await.status, 404);

    sim.set("socket_auth", "if_present").await.unwrap();
    assert!(open_with(&sim, &guest.socket(), &[]).await.is_ok());
    assert_eq!(status(open_with(&sim, &guest.socket(), &bad).await), 401);
    let labels: Vec<_> = sim.state().upgrades.iter().map(|call| call.token.clone()).collect();
    assert_eq!(labels[..3], ["guest-1", "guest-1", "guest-1"].map(|label| Some(label.to_owned())));
}

#[tokio::test]
async fn bad_credentials_may_be_accepted_and_closed() {
    let sim = guest_sim().await;
    sim.set("refuse_mode", "close").await.unwrap();
    let guest = create(&sim).await;
    for (guest, code) in [
        (Guest { token: "GT_wrong".into(), ..guest.clone() }, "4401"),
        (Guest { id: "nobody".into(), ..guest }, "4404"),
    ] {
        let mut ws = open(&sim, &guest).await.unwrap();
        let close = next(&mut ws).await.unwrap();
        assert!(format!("{close:?}").contains(code), "{close:?}");
    }
}

#[tokio::test]
async fn upgrades_are_refused_by_status_reset_or_silence() {
    let sim = guest_sim().await;
    let guest = create(&sim).await;
    for code in [401, 403, 404, 429, 503] {
        sim.refuse(Refusal::status("upgrade", code)).await;
        assert_eq!(status(open(&sim, &guest).await), code);
    }
    sim.refuse(Refusal::reset("upgrade")).await;
    assert!(open(&sim, &guest).await.is_err());
    assert!(open(&sim, &guest).await.is_ok());
    let no_handshake = call(&sim, "GET", &guest.socket(), &[], b"").await.unwrap();
    assert_eq!(no_handshake.status, 426);
    assert_eq!(sim.state().upgrades.len(), 8);
    assert_eq!(sim.state().upgrades_ok(), 1);
}

#[tokio::test]
async fn tokens_end_by_time_revocation_and_expiry() {
    let sim = guest_sim().await;
    sim.set("token_life_ms", 0).await.unwrap();
    let dead = create(&sim).await;
    assert_eq!(status(open(&sim, &dead).await), 401);
    assert_eq!(post(&sim, &dead, "1", "x").await.status, 401);
    sim.set("token_life_ms", Value::Null).await.unwrap();
    let (guest, mut ws) = connect(&sim).await;
    sim.revoke_tokens().await;
    assert_eq!(ask(&mut ws, chat("2", "on")).await["messageId"], "2", "the socket lives on");
    assert_eq!(status(open(&sim, &guest).await), 401);
    assert_eq!(post(&sim, &guest, "3", "x").await.status, 401);
    let (guest, _ws) = connect(&sim).await;
    sim.expire_sessions().await;
    assert_eq!(status(open(&sim, &guest).await), 404);
    assert_eq!(post(&sim, &guest, "4", "x").await.status, 404);
    assert_eq!(sim.state().texts(), ["on"]);
}

#[tokio::test]
async fn pings_are_answered_unless_the_option_says_no() {
    let sim = guest_sim().await;
    let (_guest, mut ws) = connect(&sim).await;
    ws.send(Message::Ping("a".into())).await.unwrap();
    assert_eq!(next(&mut ws).await.unwrap(), Message::Pong("a".into()));
    sim.set("answer_pings", false).await.unwrap();
    ws.send(Message::Ping("b".into())).await.unwrap();
    sim.until(SOON, |state| state.pings.len() == 2).await.unwrap();
    assert_eq!(ask(&mut ws, chat("1", "x")).await["type"], "messageReceived", "no pong between");
}

#[tokio::test]
async fn every_socket_of_an_instance_is_seen() {
    let sim = guest_sim().await;
    let (guest, first) = connect(&sim).await;
    let mut second = open(&sim, &guest).await.unwrap();
    sim.notify(2, json!({ "content": "hi", "messageId": "same" })).await;
    for _ in 0..2 {
        assert_eq!(next_json(&mut second).await, chat("same", "hi"));
    }
    drop(first);
    let state = sim.until(SOON, |state| state.live_sockets == 1).await.unwrap();
    let sockets: Vec<_> =
        state.sockets.iter().map(|seen| (seen.conversation, seen.closed_ms.is_some())).collect();
    assert_eq!(sockets, [(Some(1), true), (Some(1), false)]);
}

#[tokio::test]
async fn pushes_are_messages_or_whole_frames() {
    let sim = guest_sim().await;
    let (_guest, mut ws) = connect(&sim).await;
    sim.set("extra_fields", true).await.unwrap();
    sim.notify(1, json!({ "text": "hello" })).await;
    let message = next_json(&mut ws).await;
    assert_eq!((&message["type"], &message["content"]), (&json!("message"), &json!("hello")));
    assert!(message["messageId"].is_string() && message["x-unknown"].is_object());
    sim.set("extra_fields", false).await.unwrap();
    sim.notify(1, json!({ "content": "hello", "messageId": "1", "marker": 7 })).await;
    let all = json!({ "type": "message", "content": "hello", "messageId": "1", "marker": 7 });
    assert_eq!(next_json(&mut ws).await, all);
    sim.notify(1, json!("just words")).await;
    assert_eq!(next_json(&mut ws).await["content"], "just words");
    sim.notify(1, json!({ "type": "typing", "who": "Ann" })).await;
    assert_eq!(next_json(&mut ws).await["who"], "Ann");
    sim.send_text("not json").await;
    assert_eq!(next(&mut ws).await.unwrap(), Message::text("not json"));
    sim.send_binary(vec![0, 1]).await;
    assert_eq!(next(&mut ws).await.unwrap(), Message::binary(vec![0, 1]));
}

#[tokio::test]
async fn endings_are_closes_cuts_idleness_and_absence() {
    let sim = guest_sim().await;
    let guest = create(&sim).await;
    for code in [1000, 1001, 4401, 4404] {
        let mut ws = open(&sim, &guest).await.unwrap();
        sim.close(code, "because").await;
        let Message::Close(Some(frame)) = next(&mut ws).await.unwrap() else { panic!("no close") };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (code, "because"));
    }
    let mut ws = open(&sim, &guest).await.unwrap();
    sim.cut().await;
    assert!(next(&mut ws).await.is_err());
    let mut ws = open(&sim, &guest).await.unwrap();
    sim.set("idle_close_ms", 100).await.unwrap();
    assert!(next(&mut ws).await.unwrap().is_close());
    sim.set("idle_close_ms", 0).await.unwrap();
    sim.down(Duration::from_millis(1000)).await;
    assert!(tcp(&sim).await.is_err());
    let back = async {
        while tcp(&sim).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, back).await.unwrap();
    assert!(open(&sim, &guest).await.is_ok());
}

#[tokio::test]
async fn everything_works_over_tls() {
    let sim = GenesysSim::builder().tls(true).start().await.unwrap();
    let (guest, mut ws) = connect(&sim).await;
    assert_eq!(ask(&mut ws, chat("1", "x")).await["messageId"], "1");
    assert_eq!(post(&sim, &guest, "2", "y").await.json(), json!({ "messageId": "2" }));
    assert!(sim.base().starts_with("https://") && sim.ws_base().starts_with("wss://"));
    sim.shutdown().await;
}
