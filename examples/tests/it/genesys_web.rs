//! `connect genesys --profile web-messaging` against `serve genesys`.

use serde_json::{Value, json};

use crate::genesys::{cut_at, online, send};
use crate::support::{Sim, Tool, timeless};

#[test]
fn a_session_begins_with_these_lines() {
    let sim = serve(&[]);
    let mut client = web(&sim, 10).start();
    let lines = client.lines_until("online");
    let lines: Vec<Value> = lines.iter().map(timeless).collect();
    assert_eq!(
        lines,
        [
            json!({ "kind": "authorizing", "reason": "start" }),
            json!({ "kind": "token", "id": 1, "expires_in_ms": null }),
            json!({ "kind": "connecting", "conn": 1, "intent": "restart" }),
            json!({ "kind": "vendor", "name": "Connecting" }),
            json!({ "kind": "online", "conn": 1, "continuity": "fresh", "after_ms": 0 }),
        ]
    );
    let configured = json!({ "kind": "vendor", "name": "Configured", "newSession": true });
    assert_eq!(timeless(&client.expect("vendor")), configured);
    let session = client.expect("message");
    assert_eq!(
        (&session["event"], &session["type"]),
        (&json!("session"), &json!("SessionResponse"))
    );
    client.shut_down();
}

#[test]
fn the_echo_of_a_message_is_its_proof() {
    let sim = serve(&[]);
    let mut client = online(web(&sim, 10));
    client.say(&json!({ "request": { "text": "Hello" }, "id": "q1" }));
    let response = client.expect("response");
    assert_eq!((&response["id"], &response["status"]), (&json!("q1"), &json!(200)));
    assert_eq!((&response["via"], &response["body"]["text"]), (&json!("socket"), &json!("Hello")));
    let fate = timeless(&client.expect("fate"));
    let acked = json!({ "kind": "fate", "id": "q1", "fate": "acked", "via": "socket", "tries": 1 });
    assert_eq!(fate, acked);
    client.shut_down();
}

#[test]
fn a_refused_configuration_is_named_by_the_vendors_number() {
    let sim = serve(&[]);
    for code in [4007, 4006, 429] {
        sim.control(json!({ "do": "refuse", "step": "join", "status": code }));
        let mut client = web(&sim, 20).start();
        let retry = client.expect("retry_scheduled");
        assert_eq!(retry["cause"], json!({ "refused": code.to_string() }));
        assert_eq!(retry["token"], if code == 4006 { "regenerate" } else { "keep" });
        client.expect("online");
        client.shut_down();
    }
}

#[test]
fn the_history_closes_the_gap() {
    let sim = serve(&[]);
    let mut client = online(web(&sim, 10));
    send(&mut client, "before");
    client.expect("fate");
    cut_at(&sim, "before_ack");
    send(&mut client, "cut off");
    let fate = client.expect("fate");
    assert_eq!((&fate["id"], &fate["fate"]), (&json!("cut off"), &json!("unknown")));
    sim.control(json!({ "do": "notify", "n": 2, "body": { "text": "while away" } }));
    let online = client.expect("online");
    assert_eq!(online["continuity"], "resumed");
    let open = client.expect("gap");
    assert_eq!((&open["certainty"], &open["filled"]), (&json!("possible"), &json!(false)));
    let lines = client.lines_until("gap");
    let (closed, lines) = lines.split_last().unwrap();
    assert_eq!((&closed["certainty"], &closed["filled"]), (&json!("none"), &json!(true)));
    for field in ["from_ms", "to_ms", "cause"] {
        assert_eq!(open[field], closed[field]);
    }
    let found: Vec<(&Value, &Value)> = lines
        .iter()
        .filter(|line| line["history"] == true)
        .map(|line| (&line["event"], &line["body"]["text"]))
        .collect();
    let (own, theirs) = (json!("own_message"), json!("message"));
    let (cut_off, away) = (json!("cut off"), json!("while away"));
    assert_eq!(found, [(&own, &cut_off), (&theirs, &away), (&theirs, &away)]);
    client.shut_down();
}

#[test]
fn too_many_messages_wait_as_they_are_told() {
    let sim = serve(&["--set", r#"message_rate={"n":3,"window_ms":1000}"#]);
    // At this speed the tool's own limit is beyond the server's.
    let mut client = online(web(&sim, 20));
    for n in 0..5 {
        send(&mut client, &format!("m{n}"));
    }
    for _ in 0..5 {
        assert_eq!(client.expect("fate")["fate"], "acked");
    }
    let state = sim.state();
    assert!(state["refused_messages"].as_u64().unwrap() > 0);
    assert_eq!(state["delivered"].as_array().unwrap().len(), 5);
    assert_eq!(state["duplicates"], 0, "a refusal is no doubt");
    client.shut_down();
}

#[test]
fn a_session_that_has_expired_is_replaced_by_another() {
    let sim = serve(&[]);
    let mut client = online(web(&sim, 20));
    sim.control(json!({ "do": "expire_sessions" }));
    client.until("the event", |line| line["event"] == "expired");
    client.expect("offline");
    assert_eq!(client.expect("online")["continuity"], "fresh");
    let state = sim.state();
    assert_eq!(state["logins"], 2);
    let calls = state["configure_calls"].as_array().unwrap();
    assert_ne!(calls[0]["token"], calls[1]["token"]);
    send(&mut client, "m1");
    assert_eq!(client.expect("fate")["fate"], "acked");
    client.shut_down();
}

#[test]
fn a_session_token_goes_on_with_its_session() {
    let sim = serve(&[]);
    let token = ["--session-token", "01234567-89ab-4cde-8f01-23456789abcd"];
    let mut client = online(web(&sim, 10).args(token));
    client.shut_down();
    let mut client = web(&sim, 10).args(token).start();
    assert_eq!(client.expect("online")["continuity"], "resumed");
    let open = client.expect("gap");
    assert_eq!(open["cause"], Value::Null);
    client.until("the end of the gap", |line| line["filled"] == true);
    client.shut_down();
    assert_eq!(sim.state()["logins"], 1);
}

#[test]
fn a_deployment_that_refuses_the_origin_ends_the_process() {
    let sim = serve(&["--set", "origin=https://shop.example"]);
    let mut client = web(&sim, 10).args(["--origin", "https://other.example"]).start();
    let stopped = client.expect("stopped");
    assert_eq!(stopped["cause"], json!({ "handshake": 403 }));
    assert!(stopped["text"].is_string());
    assert_eq!(client.code(), 3);
    let mut client = online(web(&sim, 10).args(["--origin", "https://shop.example"]));
    client.shut_down();
}

#[test]
fn a_conversation_that_has_ended_can_begin_anew() {
    let sim = serve(&[]);
    let mut client = online(web(&sim, 10));
    sim.control(json!({ "do": "set", "key": "read_only", "value": true }));
    client.until("the event", |line| line["event"] == "read_only");
    send(&mut client, "m1");
    let fate = client.expect("fate");
    assert_eq!((&fate["fate"], &fate["code"]), (&json!("rejected"), &json!(409)));
    client.cmd("start_new");
    client.until("the new one", |line| {
        line["event"] == "session" && line["body"]["newSession"] == true
    });
    send(&mut client, "m2");
    assert_eq!(client.expect("fate")["fate"], "acked");
    client.cmd("health_check");
    client.until("the answer", |line| line["event"] == "health");
    client.shut_down();
}

fn serve(args: &[&str]) -> Sim {
    crate::genesys::serve(&[&["--profile", "web-messaging"], args].concat())
}

/// Begins a `connect genesys` with Web Messaging.
pub(crate) fn web(sim: &Sim, speed: u32) -> Tool {
    let (url, api) = (format!("ws://{}/v1", sim.host()), format!("http://{}", sim.host()));
    let tool = Tool::new(["connect", "genesys", "--json", "--profile", "web-messaging"]);
    let tool = tool.args(["--url", &url, "--api", &api, "--deployment", "d-1"]);
    tool.args(["--speed", &speed.to_string()])
}
