//! Every control command of `serve`, seen from a session.

use serde_json::{Value, json};

use crate::support::{Sim, connect, online, publish};

#[test]
fn an_unknown_command_is_400_with_the_reason() {
    let sim = Sim::plain();
    for body in [
        "not json",
        "[]",
        "{}",
        r#"{"do":"no-such"}"#,
        r#"{"do":"close","code":"x"}"#,
        r#"{"do":"close","cod":1000}"#,
        r#"{"do":"refuse","step":"no-such"}"#,
        r#"{"do":"set","key":"no-such","value":1}"#,
        r#"{"do":"set","key":"session_ttl_ms","value":"x"}"#,
        r#"{"do":"send_binary","base64":"!"}"#,
    ] {
        let (status, answer) = sim.post(body);
        assert_eq!(status, 400, "{body}: {answer}");
        assert!(answer["error"].is_string(), "{body}: {answer}");
    }
}

#[test]
fn every_command_answers_200_with_an_object() {
    let sim = Sim::plain();
    for command in [
        json!({ "do": "close", "code": 1001, "reason": "bye" }),
        json!({ "do": "cut" }),
        json!({ "do": "silent", "on": true }),
        json!({ "do": "silent", "on": false }),
        json!({ "do": "refuse", "step": "login", "times": 0, "status": 429, "retry_after": "3" }),
        json!({ "do": "revoke_tokens" }),
        json!({ "do": "expire_sessions" }),
        json!({ "do": "notify", "n": 3, "body": {} }),
        json!({ "do": "lose_acks", "n": 0 }),
        json!({ "do": "send_text", "text": "not json" }),
        json!({ "do": "send_binary", "base64": "AAE=" }),
        json!({ "do": "set", "key": "session_ttl_ms", "value": 1000 }),
        json!({ "do": "state" }),
        json!({ "do": "down", "ms": 1 }),
    ] {
        assert!(sim.control(command.clone()).is_object(), "{command}");
    }
}

#[test]
fn state_counts_what_happened() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    client.say(&json!({ "request": publish("one"), "id": "q1" }));
    client.expect("fate");
    let state = sim.state();
    for (key, value) in [("upgrades", 1), ("live_sockets", 1), ("logins", 1), ("refreshes", 0)] {
        assert_eq!(state[key], value, "{key}");
    }
    assert_eq!(state["token_calls"].as_array().unwrap().len(), 1);
    assert!(state["token_calls"][0].is_u64());
    let message = &state["messages"][0];
    assert_eq!((&message["path"], &message["duplicate"]), (&json!("socket"), &json!(false)));
    assert!(message["id"].is_string() && message["t_ms"].is_u64());
    client.shut_down();
    assert_eq!(sim.state()["live_sockets"], 0);
}

#[test]
fn revoked_tokens_are_good_for_nothing() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    sim.control(json!({ "do": "set", "key": "refuse_mode", "value": "close4401" }));
    sim.control(json!({ "do": "revoke_tokens" }));
    sim.control(json!({ "do": "close", "code": 1001 }));
    assert_eq!(client.expect("retry_scheduled")["token"], "keep");
    // The upgrade is accepted, and then the close frame tells.
    assert_eq!(client.expect("offline")["cause"], json!({ "close": 4401 }));
    client.expect("online");
    assert_eq!(sim.state()["logins"], 2);
    client.shut_down();
}

#[test]
fn an_expired_session_fails_the_refresh_and_leaves_the_connection_alone() {
    let sim = Sim::plain();
    let policy = "[token]\nrenew = { every = 700 }\n";
    let mut client = crate::support::connect_with(&sim, policy).start();
    client.until("a refresh", |line| line["kind"] == "token" && line["id"] == 2);
    assert!(sim.state()["refreshes"].as_u64().unwrap() >= 1);
    sim.control(json!({ "do": "expire_sessions" }));
    let error = client.expect("error");
    assert!(error["text"].as_str().unwrap().contains("401"), "{error}");
    assert!(client.seen().iter().all(|line| line["kind"] != "offline"));
}

#[test]
fn a_silent_server_keeps_tcp_up() {
    let mut sim = Sim::plain();
    let mut client = online(&sim);
    sim.control(json!({ "do": "silent", "on": true }));
    client.say(&json!({ "request": publish("unheard"), "id": "q1" }));
    client.until("in flight", |line| line["kind"] == "outbox" && line["in_flight"] == 1);
    assert_eq!(sim.state()["live_sockets"], 1);
    sim.control(json!({ "do": "silent", "on": false }));
    client.say(&json!({ "request": publish("heard"), "id": "q2" }));
    let fate = client.expect("fate");
    assert_eq!((&fate["id"], &fate["fate"]), (&json!("q2"), &json!("acked")));
    sim.expect_request(".ams.ms.PublishEvent");
    client.shut_down();
}

#[test]
fn a_lost_answer_leaves_the_message_delivered() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    sim.control(json!({ "do": "lose_acks", "n": 1 }));
    client.say(&json!({ "send": publish("one"), "id": "m1" }));
    client.say(&json!({ "send": publish("two"), "id": "m2" }));
    assert_eq!(client.expect("fate")["id"], "m2");
    assert_eq!(sim.state()["messages"].as_array().unwrap().len(), 2);
    client.shut_down();
    let fate = client.seen().iter().find(|line| line["kind"] == "fate" && line["id"] == "m1");
    assert_eq!(fate.unwrap()["fate"], "unknown");
}

#[test]
fn what_a_parser_cannot_read_is_an_error_and_the_session_goes_on() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    for command in [
        json!({ "do": "send_text", "text": "not json" }),
        json!({ "do": "send_text", "text": "{\"kind\":\"no-such\"}" }),
        json!({ "do": "send_binary", "base64": "AAEC" }),
    ] {
        sim.control(command.clone());
        let error = client.expect("error");
        assert_eq!(error["fault"], "vendor", "{command}");
    }
    client.say(&json!({ "request": { "type": ".GetClock" }, "id": "q1" }));
    assert_eq!(client.expect("fate")["fate"], "acked");
    assert!(client.seen().iter().all(|line| line["kind"] != "offline"));
    client.shut_down();
}

#[test]
fn a_retry_after_rules_the_wait_and_is_not_divided() {
    let sim = Sim::plain();
    let refusal = |after: &str| json!({ "do": "refuse", "step": "login", "status": 429, "retry_after": after });
    sim.control(refusal("2"));
    let mut client = crate::support::connect_bare(&sim)
        .args(["--username", "u", "--password", "only-for-tests", "--speed", "20"])
        .start();
    let retry = client.expect("retry_scheduled");
    let (delay, at) = (retry["delay_ms"].as_u64().unwrap(), retry["t_ms"].as_u64().unwrap());
    assert!((1900..=2000).contains(&delay), "{retry}");
    let not_before = retry["not_before_ms"].as_u64().unwrap();
    assert!(not_before.abs_diff(at + delay) < 50, "{retry}");
    let next = client.expect("authorizing");
    assert!(next["t_ms"].as_u64().unwrap() + 20 >= not_before, "{next}");
    client.expect("online");
    let calls: Vec<u64> = sim.state()["token_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|at| Value::as_u64(at).unwrap())
        .collect();
    assert!(calls[1] - calls[0] >= 1980, "{calls:?}");
    // A shorter one than the policy's own wait changes nothing.
    sim.control(json!({ "do": "refuse", "step": "upgrade", "status": 503, "retry_after": "0" }));
    sim.control(json!({ "do": "cut" }));
    client.expect("retry_scheduled");
    let retry = client.expect("retry_scheduled");
    assert_eq!(retry["delay_ms"], 500);
    assert!(retry.get("not_before_ms").is_none(), "{retry}");
    client.shut_down();
}

#[test]
fn a_retry_after_may_be_a_date() {
    let sim = Sim::plain();
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    sim.control(json!({ "do": "refuse", "step": "login", "status": 429, "retry_after": date }));
    let mut client = connect(&sim).start();
    // It has passed: the policy's own wait rules.
    assert_eq!(client.expect("retry_scheduled")["delay_ms"], 300);
    client.expect("online");
    client.shut_down();
}

#[test]
fn an_interrupt_ends_the_wait_for_a_retry_after() {
    let sim = Sim::plain();
    let refusal = json!({ "do": "refuse", "step": "login", "status": 429, "retry_after": "61" });
    sim.control(refusal);
    let mut client = connect(&sim).start();
    let delay = client.expect("retry_scheduled")["delay_ms"].as_u64().unwrap();
    assert!((60_500..=61_000).contains(&delay), "{delay}");
    // Nor does asking for it end that wait.
    client.cmd("recover");
    client.signal("INT");
    assert_eq!(client.code(), 0);
    assert_eq!(sim.state()["login_calls"].as_array().unwrap().len(), 1);
}
