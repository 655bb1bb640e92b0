//! What can be said on stdin.

use serde_json::{Value, json};

use crate::support::{Sim, connect, connect_with, online, publish};

const SLOW: &str = "floor = 50\n[backoff]\ngrowth = { fixed = 600000 }\n";

#[test]
fn the_end_of_stdin_keeps_the_session_up() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    client.close_stdin();
    sim.control(json!({ "do": "cut" }));
    client.expect("offline");
    client.expect("online");
    client.signal("TERM");
    assert_eq!(client.code(), 0);
}

#[test]
fn shutdown_ends_the_session() {
    let sim = Sim::plain();
    online(&sim).shut_down();
    assert_eq!(sim.state()["live_sockets"], 0);
}

#[test]
fn recover_ends_a_wait() {
    let sim = Sim::plain();
    let mut client = connect_with(&sim, SLOW).start();
    client.expect("online");
    sim.control(json!({ "do": "cut" }));
    assert_eq!(client.expect("retry_scheduled")["delay_ms"], 600_000);
    client.cmd("recover");
    client.expect("online");
    client.shut_down();
}

#[test]
fn network_changed_ends_a_wait() {
    let sim = Sim::plain();
    let mut client = connect_with(&sim, SLOW).start();
    client.expect("online");
    sim.control(json!({ "do": "cut" }));
    client.expect("retry_scheduled");
    client.cmd("network_changed");
    client.expect("online");
    client.shut_down();
}

#[test]
fn network_changed_probes_a_connection() {
    let mut sim = Sim::plain();
    let mut client = online(&sim);
    client.cmd("network_changed");
    sim.expect_request(".GetClock");
    client.shut_down();
}

#[test]
fn connect_begins_again_after_a_suspension() {
    let sim = Sim::plain();
    let policy = "floor = 50\n[backoff]\ngrowth = { fixed = 100 }\nattempts = 2\n";
    sim.control(json!({ "do": "refuse", "step": "login", "status": 500, "times": 3 }));
    let mut client = connect_with(&sim, policy).start();
    let suspended = client.expect("suspended");
    assert_eq!(suspended["reason"], "attempts_exhausted");
    assert_eq!(sim.state()["login_calls"].as_array().unwrap().len(), 3);
    client.cmd("connect");
    client.expect("online");
    client.shut_down();
}

#[test]
fn reconnect_makes_a_new_token_by_default() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    for (order, logins) in [
        (json!({ "cmd": "reconnect" }), 2),
        (json!({ "cmd": "reconnect", "token": "regenerate" }), 3),
        (json!({ "cmd": "reconnect", "token": "keep" }), 3),
    ] {
        client.say(&order);
        assert_eq!(client.expect("offline")["cause"], "requested");
        let lines = client.lines_until("online");
        // Now, or as soon as the policy's floor lets it.
        for retry in lines.iter().filter(|line| line["kind"] == "retry_scheduled") {
            assert_eq!(retry["cause"], "requested");
            assert!(retry["delay_ms"].as_u64().unwrap() <= 50, "{retry}");
        }
        assert_eq!(sim.state()["logins"], logins, "{order}");
    }
    client.shut_down();
}

#[test]
fn update_token_is_used_by_the_next_connection() {
    let mut sim = Sim::plain();
    let mut client = crate::support::connect_bare(&sim).args(["--bearer", "first-bearer"]).start();
    client.expect("online");
    client.say(&json!({ "cmd": "update_token", "token": "second-bearer" }));
    client.say(&json!({ "cmd": "reconnect", "token": "keep" }));
    client.expect("offline");
    client.expect("online");
    let first = sim.expect_http("/brand/");
    let second = sim.expect_http("/brand/");
    assert_ne!(first["path"], second["path"]);
    client.shut_down();
}

#[test]
fn update_token_ends_the_wait_for_one() {
    let sim = Sim::plain();
    sim.control(json!({ "do": "set", "key": "bearers", "value": "issued" }));
    sim.control(json!({ "do": "set", "key": "accept_bearer", "value": "good-bearer" }));
    let mut client = crate::support::connect_bare(&sim).args(["--bearer", "bad-bearer"]).start();
    assert_eq!(client.expect("retry_scheduled")["cause"], json!({ "handshake": 401 }));
    client.say(&json!({ "cmd": "update_token", "token": "good-bearer" }));
    client.cmd("recover");
    client.expect("online");
    client.shut_down();
}

#[test]
fn what_a_request_sets_is_set_again_on_every_connection() {
    let mut sim = Sim::plain();
    let mut client = online(&sim);
    let subscribe = json!({ "type": ".ams.routing.SubscribeRoutingTasks",
        "body": { "channelType": "MESSAGING" } });
    client.say(&json!({ "request": subscribe, "id": "s1" }));
    assert_eq!(client.expect("response")["status"], 200);
    client.expect("fate");
    sim.expect_request(".ams.routing.SubscribeRoutingTasks");
    sim.control(json!({ "do": "cut" }));
    client.expect("offline");
    client.expect("online");
    sim.expect_request(".ams.routing.SubscribeRoutingTasks");
    client.shut_down();
}

#[test]
fn subscribe_is_kept_for_every_connection() {
    let mut sim = Sim::plain();
    let mut client = online(&sim);
    let filter = json!({ "type": ".ams.routing.SubscribeRoutingTasks",
        "body": { "channelType": "MESSAGING" } });
    client.say(&json!({ "cmd": "subscribe", "filters": [filter] }));
    let subscribed = client.until("subscribed", |line| line["event"] == "subscribed");
    assert!(subscribed["body"]["subscriptionId"].is_string(), "{subscribed}");
    sim.expect_request(".ams.routing.SubscribeRoutingTasks");
    sim.control(json!({ "do": "cut" }));
    client.expect("offline");
    client.until("subscribed", |line| line["event"] == "subscribed");
    client.shut_down();
}

#[test]
fn a_line_that_is_not_understood_gives_an_error_and_nothing_else() {
    let mut sim = Sim::plain();
    let mut client = online(&sim);
    let lines: [&[u8]; 19] = [
        b"not json",
        b"[]",
        b"42",
        b"{}",
        b"{\"cmd\":\"no-such\"}",
        b"{\"cmd\":7}",
        b"{\"cmd\":\"reconnect\",\"token\":\"maybe\"}",
        b"{\"cmd\":\"reconnect\",\"token\":7}",
        b"{\"cmd\":\"update_token\"}",
        b"{\"cmd\":\"update_token\",\"token\":7}",
        b"{\"cmd\":\"update_token\",\"token\":\"\"}",
        b"{\"cmd\":\"subscribe\"}",
        b"{\"cmd\":\"subscribe\",\"filters\":[7]}",
        b"{\"cmd\":\"revoke\"}",
        b"{\"cmd\":\"snapshot\"}",
        b"{\"send\":7}",
        b"{\"send\":{\"body\":{}}}",
        b"{\"request\":{\"type\":\".GetClock\",\"boddy\":{}}}",
        b"\xFF\xFE\xFD",
    ];
    for line in lines {
        client.say_bytes(&[line, b"\n"].concat());
        let error = client.until("an answer", |line| line["name"] != "connected");
        assert_eq!(error["kind"], "error", "{}", String::from_utf8_lossy(line));
        assert_eq!(error["fault"], "caller");
        assert!(error["text"].is_string());
    }
    client.say(&json!({ "request": publish("still here"), "id": "q1" }));
    // Nothing else came of them, on either side.
    let lines = client.lines_until("fate");
    let quiet =
        |line: &Value| ["outbox", "response", "fate"].contains(&line["kind"].as_str().unwrap());
    assert!(lines.iter().all(quiet), "{lines:?}");
    let first =
        sim.process.until("a frame", |line| line["dir"] == "client" && line["frame"] == "text");
    assert_eq!(first["json"]["type"], ".ams.ms.PublishEvent");
    assert_eq!(sim.state()["upgrades"], 1);
    client.shut_down();
}

#[test]
fn what_is_not_accepted_is_named() {
    let sim = Sim::plain();
    let mut client = connect_with(&sim, SLOW).start();
    client.expect("online");
    sim.control(json!({ "do": "cut" }));
    client.expect("retry_scheduled");
    let text = "x".repeat(900_000);
    for number in 0..32 {
        client.say(&json!({ "send": publish(&text), "id": number }));
    }
    let error = client.expect("error");
    assert_eq!(error["fault"], "caller");
    let refused = error["id"].as_u64().expect("the name of the message");
    client.say(&json!({ "send": 7, "id": "m-7" }));
    let error = client.until("the last", |line| line["id"] == "m-7");
    assert_eq!(error["kind"], "error");
    client.signal("TERM");
    client.expect("stopped");
    let fates = client.seen().iter().filter(|line| line["kind"] == "fate");
    let mut names: Vec<_> = fates.map(|line| line["id"].as_u64().unwrap()).collect();
    names.sort_unstable();
    // Each that was accepted has its fate, and none that was not.
    assert_eq!(names, (0..refused).collect::<Vec<_>>());
}

#[test]
fn empty_lines_are_nothing() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    client.say_bytes(b"\n   \n\r\n");
    client.shut_down();
    assert!(client.seen().iter().all(|line| line["kind"] != "error"));
}

#[test]
fn a_line_of_ten_megabytes_is_an_error_and_costs_no_memory() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    let before = peak_kib(client.pid());
    let mut line = vec![b'x'; 10 << 20];
    line.push(b'\n');
    for _ in 0..3 {
        client.say_bytes(&line);
    }
    for _ in 0..3 {
        assert_eq!(client.expect("error")["fault"], "caller");
    }
    client.say(&json!({ "request": { "type": ".GetClock" }, "id": "q1" }));
    client.expect("fate");
    let grown = peak_kib(client.pid()) - before;
    assert!(grown < 8 << 10, "grown by {grown} KiB");
    client.shut_down();
}

#[test]
fn a_last_line_without_its_end_counts() {
    let sim = Sim::plain();
    let mut client = connect(&sim).start();
    client.expect("online");
    client.say_bytes(b"{\"cmd\":\"shutdown\"}");
    client.close_stdin();
    assert_eq!(client.code(), 0);
}

/// Returns the most memory that a process has had.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
