//! Every shape that a cause has.

use serde_json::{Value, json};

use crate::support::{FAST, Running, Sim, connect, connect_bare, connect_with, online, timeless};

/// Waits for `offline` and `retry_scheduled`; both must have this cause. Returns the latter.
fn loses(client: &mut Running, cause: &Value) -> Value {
    assert_eq!(client.expect("offline")["cause"], *cause);
    let retry = client.expect("retry_scheduled");
    assert_eq!(retry["cause"], *cause);
    retry
}

#[test]
fn a_close_frame_gives_its_code() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    for (code, token) in [
        (4401, "regenerate"),
        (4407, "regenerate"),
        (1011, "regenerate"),
        (1000, "keep"),
        (1001, "keep"),
        (4410, "keep"),
        (4500, "keep"),
        (1005, "keep"),
    ] {
        sim.control(json!({ "do": "close", "code": code, "reason": "" }));
        let offline = client.expect("offline");
        assert_eq!(offline["cause"], json!({ "close": code }));
        assert!(offline.get("reason").is_none(), "{offline}");
        assert_eq!(client.expect("retry_scheduled")["token"], token, "{code}");
        client.expect("online");
    }
    client.shut_down();
}

#[test]
fn a_cut_is_the_network() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    for command in [json!({ "do": "cut" }), json!({ "do": "cut", "rst": true })] {
        sim.control(command);
        assert_eq!(loses(&mut client, &json!("network"))["token"], "keep");
        client.expect("online");
    }
    client.shut_down();
}

#[test]
fn an_outage_is_the_network() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    sim.control(json!({ "do": "down", "ms": 1000 }));
    loses(&mut client, &json!("network"));
    let next = client.expect("retry_scheduled");
    assert_eq!((&next["cause"], &next["attempt"]), (&json!("network"), &json!(2)));
    client.expect("online");
    client.shut_down();
}

#[test]
fn a_refused_upgrade_gives_its_status() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    sim.control(json!({ "do": "revoke_tokens" }));
    sim.control(json!({ "do": "cut" }));
    assert_eq!(loses(&mut client, &json!("network"))["token"], "keep");
    let retry = client.expect("retry_scheduled");
    assert_eq!(retry["cause"], json!({ "handshake": 401 }));
    assert_eq!(retry["token"], "regenerate");
    client.expect("online");
    assert_eq!(sim.state()["logins"], 2);
    client.shut_down();
}

#[test]
fn a_refused_exchange_gives_its_step_and_status() {
    let sim = Sim::plain();
    for (step, status) in [("csds", 500), ("login", 401), ("login", 451), ("login", 429)] {
        sim.control(json!({ "do": "refuse", "step": step, "status": status }));
        let mut client = connect(&sim).start();
        let retry = client.expect("retry_scheduled");
        assert_eq!(retry["cause"], json!({ "http": { "step": step, "status": status } }));
        assert_eq!(retry["token"], "regenerate");
        let told = retry["text"].as_str().is_some_and(|text| text.contains("credentials"));
        assert_eq!(told, status == 401, "{retry}");
        client.expect("online");
        client.shut_down();
    }
}

#[test]
fn a_login_without_a_user_is_a_refused_exchange() {
    let sim = Sim::plain();
    for field in ["userId", "bearer"] {
        sim.control(json!({ "do": "refuse", "step": "login", "omit": field }));
        let mut client = connect(&sim).start();
        assert_eq!(client.expect("error")["fault"], "vendor");
        let cause = json!({ "http": { "step": "login", "status": 200 } });
        assert_eq!(client.expect("retry_scheduled")["cause"], cause);
        client.expect("online");
        client.shut_down();
    }
}

#[test]
fn a_reset_exchange_is_the_network() {
    let sim = Sim::plain();
    sim.control(json!({ "do": "refuse", "step": "login" }));
    let mut client = connect(&sim).start();
    assert_eq!(client.expect("retry_scheduled")["cause"], "network");
    client.expect("online");
    client.shut_down();
}

#[test]
fn an_unanswered_probe_is_a_timeout() {
    let sim = Sim::plain();
    let policy = "floor = 50\nkeepalive = { probe = { interval = 500, timeout = 300, misses = 1, \
                  pace = \"steady\" } }\n[backoff]\ngrowth = { fixed = 300 }\n";
    let mut client = connect_with(&sim, policy).start();
    client.expect("online");
    sim.control(json!({ "do": "silent", "on": true }));
    loses(&mut client, &json!({ "timeout": "pong" }));
    sim.control(json!({ "do": "silent", "on": false }));
    client.expect("online");
    client.shut_down();
}

#[test]
fn an_unanswered_upgrade_is_a_timeout() {
    let sim = Sim::plain();
    sim.control(json!({ "do": "refuse", "step": "upgrade", "hang": true }));
    let mut client = connect_with(&sim, &format!("{FAST}[timeouts]\nconnect = 800\n")).start();
    assert_eq!(client.expect("retry_scheduled")["cause"], json!({ "timeout": "connect" }));
    client.expect("online");
    client.shut_down();
}

#[test]
fn an_unanswered_login_is_a_timeout() {
    let sim = Sim::plain();
    sim.control(json!({ "do": "refuse", "step": "login", "hang": true }));
    let mut client = connect_with(&sim, &format!("{FAST}[timeouts]\nhttp = 800\n")).start();
    assert_eq!(client.expect("retry_scheduled")["cause"], json!({ "timeout": "token" }));
    client.expect("online");
    client.shut_down();
}

#[test]
fn a_reconnect_on_request_says_so() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    client.cmd("reconnect");
    let offline = json!({ "kind": "offline", "conn": 1, "cause": "requested" });
    assert_eq!(timeless(&client.expect("offline")), offline);
    assert_eq!(client.expect_vendor("closed")["code"], 1000);
    client.expect("online");
    client.shut_down();
}

#[test]
fn the_network_is_the_cause_where_nobody_ever_listened() {
    let sim = Sim::plain();
    let tool = connect_bare(&sim).args(["--bearer", "mine", "--speed", "20"]);
    drop(sim);
    let mut client = tool.start();
    let retry = client.expect("retry_scheduled");
    assert_eq!((&retry["cause"], &retry["delay_ms"]), (&json!("network"), &json!(500)));
    assert_eq!(client.expect("retry_scheduled")["attempt"], 2);
    client.shut_down();
}

#[test]
fn a_peer_that_breaks_the_protocol_is_closed_with_its_code() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    // A text frame that is not UTF-8, then a frame with a reserved opcode.
    for (base64, code) in [("gQL//g==", 1007), ("gwA=", 1002)] {
        sim.control(json!({ "do": "send_raw", "base64": base64 }));
        assert_eq!(client.expect("error")["fault"], "vendor");
        assert_eq!(client.expect("offline")["cause"], json!({ "close": code }));
        client.expect("online");
    }
    client.shut_down();
}
