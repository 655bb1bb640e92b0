//! What Web Messaging refuses, by itself and by script.

use redial_testkit::servers::Refusal;
use serde_json::{Value, json};

use super::client::{
    WEB, ask, configure, history, is_quiet, jwt, next, open_with, put, say, status, web_connect,
    web_open, web_sim,
};
use crate::client::instruct;

fn rate(n: u32) -> Value {
    json!({ "n": n, "window_ms": 60_000 })
}

#[tokio::test]
async fn the_sixth_message_of_a_second_is_too_much() {
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    let mut refused = 0;
    let begun = std::time::Instant::now();
    for n in 0..6 {
        let answer = ask(&mut ws, say("t-1", &format!("x{n}"), "x")).await;
        refused += usize::from(answer["class"] == "TooManyRequestsErrorMessage");
        if n == 5 && begun.elapsed().as_millis() < 900 {
            let body = json!({
                "errorCode": 4029, "errorMessage": "Message rate too high for this session",
                "retryAfter": 1,
            });
            assert_eq!((&answer["code"], &answer["body"]), (&json!(429), &body));
            assert_eq!((&answer["type"], &answer["tracingId"]), (&json!("response"), &json!("x5")));
            assert_eq!(refused, 1);
        }
    }
    let state = sim.state();
    assert_eq!(state.messages.len() + refused, 6);
    assert_eq!(state.refused_messages, refused as u64);
}

#[tokio::test]
async fn every_other_rate_is_kept_too() {
    let sim = web_sim().await;
    sim.set("message_rate", Value::Null).await.unwrap();
    let mut ws = web_connect(&sim, "t-1").await;
    for n in 0..59 {
        assert_eq!(ask(&mut ws, say("t-1", &format!("x{n}"), "x")).await["code"], 200);
    }
    let limited = ask(&mut ws, say("t-1", "one-more", "x")).await;
    assert_eq!(limited["class"], "TooManyRequestsErrorMessage");
    assert!(limited["body"]["retryAfter"].as_u64().unwrap() > 30);

    sim.set("request_rate", Value::Null).await.unwrap();
    let echo = json!({ "action": "echo", "token": "t-1", "tracingId": "e" });
    for expected in [200, 200, 429] {
        assert_eq!(ask(&mut ws, echo.clone()).await["code"], expected);
    }
    let jwt = jwt(&mut ws, "t-1").await;
    for _ in 0..10 {
        assert_eq!(history(&sim, &jwt, 1, 25).await.status, 200);
    }
    let limited = history(&sim, &jwt, 1, 25).await;
    assert_eq!(limited.status, 429);
    assert!(limited.header("retry-after").unwrap().parse::<u64>().unwrap() > 30);
    sim.set("configure_rate", rate(1)).await.unwrap();
    configure(&mut ws, "t-1").await;
    let limited = configure(&mut ws, "t-1").await;
    assert_eq!(limited["body"]["errorCode"], 429);
    assert_eq!(limited["body"]["errorMessage"], "ConfigureSession rate too high for this session");
    sim.set("connect_rate", rate(0)).await.unwrap();
    assert_eq!(status(open_with(&sim, WEB, &[]).await), 429);
}

#[tokio::test]
async fn messages_are_checked() {
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    let message = |message: Value| json!({ "action": "onMessage", "token": "t-1", "tracingId": "x", "message": message });
    let attributes = json!({ "metadata": { "customAttributes": { "a": "x".repeat(2048) } } });
    let mut beside = say("t-1", "x", "x");
    beside["channel"] = attributes.clone();
    for (frame, code) in [
        (message(Value::Null), 4020),
        (message(json!({ "text": "x" })), 4020),
        (message(json!({ "type": "Text" })), 400),
        (message(json!({ "type": "Event" })), 400),
        (say("t-1", "x", &"é".repeat(2049)), 4011),
        (message(json!({ "type": "Text", "text": "x", "channel": attributes })), 4013),
        (beside, 4013),
        (json!({ "action": "configureSession", "token": "t-1" }), 4020),
        (json!({ "action": "configureSession", "deploymentId": "d-1" }), 4020),
        (json!({ "action": "configureAuthenticatedSession", "deploymentId": "d-1" }), 401),
        (json!({ "action": "onAttachment", "token": "t-1" }), 4000),
        (json!({ "action": "dance" }), 400),
        (json!({ "token": "t-1" }), 400),
        (json!([1]), 400),
    ] {
        assert_eq!(ask(&mut ws, frame.clone()).await["code"], code, "{frame}");
    }
    assert_eq!(ask(&mut ws, say("t-1", "x", &"é".repeat(2048))).await["code"], 200);
    let state = sim.state();
    assert_eq!((state.delivered.len(), state.bad_frames, state.refused_messages), (1, 2, 7));
}

#[tokio::test]
async fn one_message_can_be_refused_twice_and_then_taken() {
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    sim.refuse(Refusal::status("rest", 429).times(2).retry_after("3")).await;
    for _ in 0..2 {
        let answer = ask(&mut ws, say("t-1", "x", "one")).await;
        assert_eq!(answer["class"], "TooManyRequestsErrorMessage");
        assert_eq!((&answer["body"]["retryAfter"], &answer["tracingId"]), (&json!(3), &json!("x")));
    }
    sim.refuse(Refusal::status("rest", 429)).await;
    let bare = ask(&mut ws, say("t-1", "x", "one")).await;
    assert_eq!(bare["body"].get("retryAfter"), None);
    sim.refuse(Refusal::status("rest", 500)).await;
    assert_eq!(ask(&mut ws, say("t-1", "x", "one")).await["code"], 500);
    for (code, expected) in [(4011, 4011), (429, 429)] {
        let fail = json!({ "do": "fail_requests", "code": code, "body": { "retryAfter": 2 } });
        sim.control_json(fail).await.unwrap();
        assert_eq!(ask(&mut ws, say("t-1", "x", "one")).await["code"], expected);
    }
    sim.refuse(Refusal::hang("rest")).await;
    put(&mut ws, &say("t-1", "x", "one")).await;
    assert!(is_quiet(&mut ws).await);
    assert_eq!(ask(&mut ws, say("t-1", "x", "one")).await["code"], 200);
    let state = sim.state();
    assert_eq!((state.texts(), state.duplicates(), state.refused_messages), (vec!["one"], 0, 7));
    sim.refuse(Refusal::reset("rest")).await;
    put(&mut ws, &say("t-1", "x", "one")).await;
    assert!(next(&mut ws).await.is_err());
}

#[tokio::test]
async fn configuration_and_tokens_are_refused_in_band() {
    let sim = web_sim().await;
    let mut ws = web_open(&sim).await;
    for code in [401, 403, 404, 408, 429, 500] {
        sim.refuse(Refusal::status("join", code).retry_after("2")).await;
        assert_eq!(configure(&mut ws, "t-1").await["code"], code);
    }
    // In band the vendor's own numbers count on from 4000; no HTTP status does.
    for (step, code, status) in [("join", 4007, 200), ("join", 5000, 400), ("upgrade", 4007, 400)] {
        let refuse = json!({ "do": "refuse", "step": step, "status": code });
        let answer = instruct(&sim.control_base(), refuse.to_string().as_bytes()).await;
        assert_eq!(answer.status, status, "{step} {code}");
    }
    assert_eq!(configure(&mut ws, "t-1").await["code"], 4007);
    sim.refuse(Refusal::omit("join", "newSession")).await;
    let body = configure(&mut ws, "t-1").await["body"].clone();
    assert_eq!((body.get("newSession"), &body["connected"]), (None, &json!(true)));
    sim.refuse(Refusal::status("token", 401)).await;
    let ask_jwt = json!({ "action": "getJwt", "token": "t-1", "tracingId": "j" });
    assert_eq!(ask(&mut ws, ask_jwt.clone()).await["code"], 401);
    assert_eq!(ask(&mut ws, ask_jwt).await["class"], "JwtResponse");
    let codes: Vec<_> = sim.state().configures.iter().map(|call| call.code).collect();
    assert_eq!(codes.len(), 8);
    assert_eq!(codes[5..], [Some(500), Some(4007), Some(200)]);
    assert_eq!(sim.state().token_calls().len(), 2);
}

#[tokio::test]
async fn the_history_needs_a_fresh_token_and_obeys_the_script() {
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    assert_eq!(history(&sim, "made-up", 1, 25).await.status, 401);
    let old = jwt(&mut ws, "t-1").await;
    sim.refuse(Refusal::status("history", 503)).await;
    assert_eq!(history(&sim, &old, 1, 25).await.status, 503);
    sim.refuse(Refusal::status("history", 429).retry_after("7")).await;
    assert_eq!(history(&sim, &old, 1, 25).await.header("retry-after"), Some("7"));
    sim.refuse(Refusal::omit("history", "entities")).await;
    assert_eq!(history(&sim, &old, 1, 25).await.json().get("entities"), None);
    assert_eq!(history(&sim, &old, 1, 25).await.status, 200);
    sim.set("jwt_life_ms", 0).await.unwrap();
    let stale = jwt(&mut ws, "t-1").await;
    assert_eq!(history(&sim, &stale, 1, 25).await.status, 401);
    sim.revoke_tokens().await;
    assert_eq!(history(&sim, &old, 1, 25).await.status, 401);
}
