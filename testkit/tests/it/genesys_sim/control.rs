//! The control endpoint, the wire log, and `serve`.

use redial_testkit::servers::genesys::{GenesysSim, Options, Profile, Settings, serve};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::client::{
    Answer, GUEST_BODY, GUESTS, SOON, ask, call, chat, connect, guest_sim, history, jwt, open_with,
    post, put, say, try_create, web_connect, web_sim,
};
use crate::client::instruct;

async fn command(control: &str, body: &Value) -> Answer {
    instruct(control, body.to_string().as_bytes()).await
}

#[tokio::test]
async fn every_command_of_the_table_is_answered_by_an_object() {
    for profile in [Profile::Guest, Profile::WebMessaging] {
        let sim = GenesysSim::builder().profile(profile).start().await.unwrap();
        for body in [
            json!({ "do": "silent", "on": true, "direction": "to_server", "mode": "stall" }),
            json!({ "do": "silent", "on": false }),
            json!({ "do": "refuse", "step": "guest", "status": 429, "retry_after": "3" }),
            json!({ "do": "refuse", "step": "rest", "times": 2, "status": 500 }),
            json!({ "do": "refuse", "step": "history", "hang": true }),
            json!({ "do": "revoke_tokens" }),
            json!({ "do": "expire_sessions" }),
            json!({ "do": "notify", "n": 3, "body": { "text": "hi" } }),
            json!({ "do": "lose_acks", "n": 2 }),
            json!({ "do": "send_text", "text": "not json" }),
            json!({ "do": "send_binary", "base64": "AAE=" }),
            json!({ "do": "send_raw", "base64": "iQA=" }),
            json!({ "do": "send_ping" }),
            json!({ "do": "send_large", "bytes": 10 }),
            json!({ "do": "fail_requests", "n": 1, "code": 500 }),
            json!({ "do": "unknown_ids", "n": 1 }),
            json!({ "do": "close", "code": 4401, "reason": "" }),
            json!({ "do": "cut" }),
            json!({ "do": "down", "ms": 1 }),
            json!({ "do": "state" }),
        ] {
            let answer = command(&sim.control_base(), &body).await;
            assert_eq!(answer.status, 200, "{body}");
            assert!(answer.json().is_object(), "{body}");
        }
    }
}

#[tokio::test]
async fn every_option_can_be_set_and_wrong_ones_are_refused() {
    let sim = guest_sim().await;
    let rate = json!({ "n": 5, "window_ms": 1000 });
    for (key, good, bad) in [
        ("dedupe", json!("on"), json!("perhaps")),
        ("dedupe", json!(false), json!(1)),
        ("dedupe_scope", json!("server"), json!("moon")),
        ("answer_pings", json!(false), json!("x")),
        ("extra_fields", json!(true), Value::Null),
        ("answer_delay_ms", json!(0), json!(-1)),
        ("out_of_order_ms", json!(0), json!("x")),
        ("idle_close_ms", json!(0), json!(u64::MAX)),
        ("idle_close_code", json!(4410), json!(70_000)),
        ("refuse_mode", json!("close"), json!("open")),
        ("expires_in_s", json!(60), json!(1.5)),
        ("token_life_ms", Value::Null, json!("x")),
        ("socket_auth", json!("if_present"), json!(true)),
        ("oauth_token", json!("t"), json!(1)),
        ("api_key", Value::Null, json!(1)),
        ("deployment", json!("d"), json!(1)),
        ("origin", json!("o"), json!(1)),
        ("session_ttl_ms", json!(1000), json!("x")),
        ("jwt_life_ms", json!(1000), json!("x")),
        ("max_connections", json!(1), json!(0)),
        ("guest_rate", Value::Null, json!(5)),
        ("rest_rate", rate.clone(), json!({ "n": 5 })),
        ("message_rate", rate.clone(), json!({ "n": u64::MAX, "window_ms": 1 })),
        ("request_rate", rate.clone(), json!([])),
        ("configure_rate", rate.clone(), json!(true)),
        ("echo_rate", rate.clone(), json!("x")),
        ("history_rate", rate.clone(), json!({})),
        ("connect_rate", rate, json!({ "n": -1, "window_ms": 1 })),
        ("cut_at", json!({ "n": 2, "when": "before_ack" }), json!({ "when": "never" })),
        ("cut_at", Value::Null, json!({ "n": "x", "when": "before_ack" })),
        ("lose_rest_replies", json!(0), json!("x")),
        ("read_only", json!(true), json!("x")),
    ] {
        sim.set(key, good).await.unwrap();
        let reason = sim.set(key, bad).await.unwrap_err();
        assert!(reason.contains(key) || reason.contains("when"), "{reason}");
    }
    let unknown = json!({ "do": "set", "key": "colour", "value": 1 });
    let answer = command(&sim.control_base(), &unknown).await;
    assert_eq!(answer.status, 400);
    assert!(answer.json()["error"].as_str().unwrap().contains("colour"));
}

#[tokio::test]
async fn the_state_has_the_promised_fields() {
    let sim = guest_sim().await;
    let (guest, mut ws) = connect(&sim).await;
    ask(&mut ws, chat("m-1", "one")).await;
    post(&sim, &guest, "m-1", "one").await;
    let state = command(&sim.control_base(), &json!({ "do": "state" })).await.json();
    for (field, expected) in [
        ("upgrades", json!(1)),
        ("live_sockets", json!(1)),
        ("logins", json!(1)),
        ("refreshes", json!(0)),
        ("duplicates", json!(1)),
        ("profile", json!("guest")),
        ("conversations", json!(1)),
    ] {
        assert_eq!(state[field], expected, "{field}");
    }
    assert_eq!(state["token_calls"].as_array().unwrap().len(), 1);
    let message = |n: usize| state["messages"][n].clone();
    assert!(message(0)["t_ms"].is_u64());
    assert_eq!((&message(0)["path"], &message(1)["path"]), (&json!("socket"), &json!("rest")));
    let duplicates = (message(0)["duplicate"].clone(), message(1)["duplicate"].clone());
    assert_eq!(duplicates, (json!(false), json!(true)));
    assert_eq!(state["delivered"].as_array().unwrap().len(), 1);
    assert_eq!(state["proofs"].as_array().unwrap().len(), 2);
    assert_eq!(state["guest_calls"][0]["token"], "guest-1");
    assert_eq!(state["upgrade_calls"][0]["token"], "guest-1");

    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    jwt(&mut ws, "t-1").await;
    let state = command(&sim.control_base(), &json!({ "do": "state" })).await.json();
    assert_eq!((&state["logins"], &state["profile"]), (&json!(1), &json!("web-messaging")));
    assert_eq!(state["token_calls"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn no_secret_of_a_guest_is_in_any_line() {
    let sim = GenesysSim::builder().tls(true).start().await.unwrap();
    sim.set("api_key", "CANARY-KEY-1").await.unwrap();
    let (guest, mut ws) = connect(&sim).await;
    try_create(&sim, "Bearer CANARY-OAUTH").await.unwrap();
    call(&sim, "POST", GUESTS, &[("api_key", "CANARY-KEY-2")], GUEST_BODY).await.unwrap();
    let target = format!("{}?token=CANARY%2DQUERY", guest.socket());
    assert!(open_with(&sim, &target, &[]).await.is_err());
    ask(&mut ws, chat("1", &format!("my token is {}", guest.token))).await;
    post(&sim, &guest, "2", &format!("api {}", guest.token)).await;
    sim.send_text(&format!("not json {}", guest.token)).await;
    sim.notify(1, json!({ "type": "odd", "token": "CANARY-FIELD" })).await;
    sim.close(4401, &guest.token).await;
    let secrets =
        [guest.token.as_str(), "CANARY", "oauth-sim-token", &guest.token[3..guest.token.len() - 6]];
    assert_hidden(&sim, &secrets, &["guest-1", "oauth-1", "api-key-2"]).await;
}

#[tokio::test]
async fn no_secret_of_a_web_session_is_in_any_line() {
    let sim = web_sim().await;
    let token = "CANARY-SESSION-TOKEN";
    let mut ws = web_connect(&sim, token).await;
    ask(&mut ws, say(token, "x1", &format!("my token is {token}"))).await;
    let jwt = jwt(&mut ws, token).await;
    history(&sim, &jwt, 1, 25).await;
    history(&sim, "CANARY-JWT", 1, 25).await;
    let authenticated = json!({
        "action": "configureAuthenticatedSession", "deploymentId": "d", "token": 123_456_789,
        "data": { "code": "CANARY-CODE" },
    });
    put(&mut ws, &authenticated).await;
    let authenticated = json!({
        "action": "configureAuthenticatedSession", "deploymentId": "d", "token": token,
        "data": { "code": "CANARY-CODE" },
    });
    ask(&mut ws, authenticated).await;
    assert_hidden(&sim, &["CANARY", jwt.as_str(), "123456789"], &["token-1", "jwt-1"]).await;
}

async fn assert_hidden(sim: &GenesysSim, secrets: &[&str], labels: &[&str]) {
    let state = command(&sim.control_base(), &json!({ "do": "state" })).await.json();
    let mut lines: Vec<_> = sim.wire().iter().map(Value::to_string).collect();
    lines.push(state.to_string());
    for secret in secrets {
        let leak = lines.iter().find(|line| line.contains(secret));
        assert_eq!(leak, None, "{secret}");
    }
    for label in labels {
        assert!(lines.iter().any(|line| line.contains(label)), "{label} is shown");
    }
}

#[tokio::test]
async fn wire_lines_show_what_was_said() {
    let sim = guest_sim().await;
    let (guest, mut ws) = connect(&sim).await;
    ask(&mut ws, chat("1", "hello")).await;
    let lines = sim.wire();
    let frames: Vec<_> = lines.iter().filter(|line| line["frame"] == "text").collect();
    assert_eq!(
        (&frames[0]["dir"], &frames[0]["json"]["content"]),
        (&json!("client"), &json!("hello"))
    );
    assert_eq!(frames[1]["json"], json!({ "type": "messageReceived", "messageId": "1" }));
    assert_eq!(lines[1]["body"]["token"], "guest-1");
    assert_eq!(lines[2]["path"], guest.socket());
    assert_eq!(lines[2]["headers"]["authorization"], "Bearer guest-1");
}

#[tokio::test]
async fn serve_announces_itself_and_then_logs() {
    let (records, mut lines) = mpsc::channel(64);
    let (stop, stopped) = oneshot::channel::<()>();
    let options = Options::new(Settings { profile: Profile::WebMessaging, ..Settings::default() });
    let served = tokio::spawn(serve(options, records, async {
        let _ = stopped.await;
    }));
    let first = lines.recv().await.unwrap();
    assert_eq!(first["kind"], "listening");
    assert!(first["ws"].as_str().unwrap().starts_with("ws://127.0.0.1:"));
    assert_eq!(first["ca"], Value::Null);
    let answer = command(first["control"].as_str().unwrap(), &json!({ "do": "state" })).await;
    assert_eq!(answer.json()["profile"], "web-messaging");
    stop.send(()).unwrap();
    timeout(SOON, served).await.unwrap().unwrap().unwrap();
    assert!(lines.recv().await.is_none());
}
