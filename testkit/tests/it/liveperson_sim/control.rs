//! The control endpoint, the wire log, and `serve`.

use redial_testkit::servers::liveperson::{LivePersonSim, Options, serve};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::client::{SOON, ask, call, connect, login, lookup, open, refresh, try_login};
use crate::client::instruct;

#[tokio::test]
async fn every_command_of_the_table_is_answered_by_an_object() {
    let sim = LivePersonSim::builder().start().await.unwrap();
    let _ws = connect(&sim).await;
    for command in [
        json!({ "do": "silent", "on": true }),
        json!({ "do": "silent", "on": true, "direction": "to_server", "mode": "stall" }),
        json!({ "do": "silent", "on": false }),
        json!({ "do": "refuse", "step": "login", "times": 2, "status": 429, "retry_after": "3" }),
        json!({ "do": "refuse", "step": "wstoken", "hang": true }),
        json!({ "do": "revoke_tokens" }),
        json!({ "do": "expire_sessions" }),
        json!({ "do": "notify", "n": 3, "body": { "message": "hi" } }),
        json!({ "do": "lose_acks", "n": 2 }),
        json!({ "do": "send_text", "text": "not json" }),
        json!({ "do": "send_binary", "base64": "AAE=" }),
        json!({ "do": "send_raw", "base64": "iQA=" }),
        json!({ "do": "send_ping" }),
        json!({ "do": "send_large", "bytes": 10 }),
        json!({ "do": "fail_requests", "n": 1, "code": 500 }),
        json!({ "do": "unknown_ids", "n": 1 }),
        json!({ "do": "set", "key": "idle_close_s", "value": 60 }),
        json!({ "do": "close", "code": 4401, "reason": "" }),
        json!({ "do": "cut" }),
        json!({ "do": "down", "ms": 1 }),
        json!({ "do": "state" }),
    ] {
        let answer = instruct(&sim.control_base(), command.to_string().as_bytes()).await;
        assert_eq!(answer.status, 200, "{command}");
        assert!(answer.json().is_object(), "{command}");
    }
    for step in
        "csds login refresh token wstoken guest upgrade rest subscribe history join".split(' ')
    {
        sim.control_json(json!({ "do": "refuse", "step": step })).await.unwrap();
    }
}

#[tokio::test]
async fn wrong_commands_are_answered_400_with_the_reason() {
    let sim = LivePersonSim::builder().start().await.unwrap();
    for (command, reason) in [
        (&b"{"[..], "not JSON"),
        (b"[]", "object"),
        (b"{}", "\"do\""),
        (br#"{"do":"dance"}"#, "dance"),
        (br#"{"do":"down"}"#, "\"ms\""),
        (br#"{"do":"down","ms":-1}"#, "\"ms\""),
        (br#"{"do":"close","code":70000}"#, "\"code\""),
        (br#"{"do":"cut","softly":true}"#, "softly"),
        (br#"{"do":"refuse","step":"lunch"}"#, "lunch"),
        (br#"{"do":"refuse","step":"login","status":99}"#, "\"status\""),
        (br#"{"do":"refuse","step":"login","retry_after":"a\nb"}"#, "\"retry_after\""),
        (br#"{"do":"silent","direction":"up"}"#, "up"),
        (br#"{"do":"silent","direction":"to_client","mode":"stall"}"#, "stall"),
        (br#"{"do":"send_binary","base64":"?"}"#, "\"base64\""),
        (br#"{"do":"set","key":"colour","value":1}"#, "colour"),
        (br#"{"do":"set","key":"idle_close_s","value":"x"}"#, "idle_close_s"),
    ] {
        let answer = instruct(&sim.control_base(), command).await;
        assert_eq!(answer.status, 400);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(reason), "{error}");
    }
    let long = vec![b' '; 64 * 1024 + 1];
    assert_eq!(instruct(&sim.control_base(), &long).await.status, 400);
}

#[tokio::test]
async fn the_state_has_the_promised_fields() {
    let sim = LivePersonSim::builder().start().await.unwrap();
    lookup(&sim).await.unwrap();
    let mut ws = connect(&sim).await;
    let publish = json!({ "dialogId": "d", "event": { "type": "ContentEvent", "message": "m" } });
    for _ in 0..2 {
        ask(&mut ws, ".ams.ms.PublishEvent", publish.clone()).await;
    }
    let state = instruct(&sim.control_base(), br#"{"do":"state"}"#).await.json();
    assert_eq!(
        (&state["upgrades"], &state["live_sockets"], &state["logins"], &state["refreshes"]),
        (&json!(1), &json!(1), &json!(1), &json!(0))
    );
    assert_eq!(state["token_calls"].as_array().unwrap().len(), 1);
    assert_eq!(state["requests"][".ams.ms.PublishEvent"].as_array().unwrap().len(), 2);
    let messages = state["messages"].as_array().unwrap();
    assert_eq!(messages[0]["id"], "q1");
    assert_eq!(messages[0]["path"], "socket");
    assert_eq!(
        (&messages[0]["duplicate"], &messages[1]["duplicate"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(state["upgrade_calls"][0]["bearer"], "bearer-1");
}

#[tokio::test]
async fn no_secret_is_in_any_wire_line() {
    let canaries =
        ["CANARY-PASSWORD", "CANARY-SECRET", "CANARY/TOKEN+", "CANARY-SAML", "CANARY-KEY"];
    let sim = LivePersonSim::builder().tls(true).start().await.unwrap();
    let issued = login(&sim).await;
    try_login(&sim, json!({ "username": "u", "password": canaries[0] })).await.unwrap();
    let oauth1 = json!({
        "username": "u", "appKey": canaries[4], "secret": canaries[1],
        "accessToken": canaries[2], "accessTokenSecret": canaries[1],
    });
    try_login(&sim, oauth1).await.unwrap();
    try_login(&sim, json!({ "jwt": "dummy", "assertion": canaries[3] })).await.unwrap();
    try_login(&sim, json!({ "password": 123_456_789 })).await.unwrap();
    let headers = [("authorization", "Bearer CANARY-SECRET"), ("cookie", "Session_id=CANARY-SAML")];
    let target = "/api/account/1/service/baseURI.json?access_token=CANARY-KEY&v=1";
    call(&sim, "GET", target, &headers, b"").await.unwrap();
    refresh(&sim, &issued).await.unwrap();
    assert!(open(&sim, canaries[2]).await.is_err());
    let unencoded = "/ws_api/account/1/messaging/brand/CANARY/TOKEN+";
    call(&sim, "GET", unencoded, &[], b"").await.unwrap();
    let mut ws = open(&sim, &issued.bearer).await.unwrap();
    ask(&mut ws, ".Odd", json!({ "token": "CANARY-KEY", "echo": issued.bearer })).await;
    sim.send_text(&format!("not json {}", issued.csrf)).await;
    sim.close(4401, &issued.bearer).await;

    let state = instruct(&sim.control_base(), br#"{"do":"state"}"#).await.json();
    let mut lines: Vec<_> = sim.wire().iter().map(Value::to_string).collect();
    lines.push(state.to_string());
    let encoded = "CANARY%2FTOKEN%2B";
    let own = [issued.bearer.as_str(), &issued.bearer[..issued.bearer.len() - 6], &issued.csrf];
    for secret in canaries.iter().chain(&own).chain(&[encoded, issued.cookie.as_str(), "123456789"])
    {
        let leak = lines.iter().find(|line| line.contains(secret));
        assert_eq!(leak, None, "{secret}");
    }
    for label in ["bearer-1", "csrf-1", "session-1", "password-1", "access-token-1"] {
        assert!(lines.iter().any(|line| line.contains(label)), "{label} is shown");
    }
}

#[tokio::test]
async fn serve_announces_itself_and_then_logs() {
    let (records, mut lines) = mpsc::channel(64);
    let (stop, stopped) = oneshot::channel::<()>();
    let ca_path = std::env::temp_dir().join(format!("redial-serve-{}.pem", std::process::id()));
    let options = Options { tls: true, ca_path: Some(ca_path.clone()), ..Options::default() };
    let served = tokio::spawn(serve(options, records, async {
        let _ = stopped.await;
    }));
    let first = lines.recv().await.unwrap();
    assert_eq!(first["kind"], "listening");
    assert!(first["base"].as_str().unwrap().starts_with("https://127.0.0.1:"));
    assert!(first["ws"].as_str().unwrap().starts_with("wss://127.0.0.1:"));
    assert_eq!(first["ca"], ca_path.to_str().unwrap());
    assert!(ca_path.exists());
    let control = first["control"].as_str().unwrap();
    assert_eq!(instruct(control, br#"{"do":"state"}"#).await.status, 200);
    stop.send(()).unwrap();
    timeout(SOON, served).await.unwrap().unwrap().unwrap();
    assert!(lines.recv().await.is_none());
    std::fs::remove_file(ca_path).unwrap();
}

#[tokio::test]
async fn the_wire_log_keeps_its_newest_records() {
    let sim =
        LivePersonSim::builder().with(|options| options.wire_capacity = 3).start().await.unwrap();
    let mut live = sim.subscribe();
    for _ in 0..4 {
        lookup(&sim).await.unwrap();
    }
    assert_eq!(sim.wire().len(), 3);
    let first = live.recv().await.unwrap();
    assert_eq!(
        (&first["kind"], &first["dir"], &first["channel"], &first["method"]),
        (&json!("wire"), &json!("client"), &json!("http"), &json!("GET"))
    );
    assert!(first["t_ms"].is_u64());
}
