//! `connect evolution --profile v2` against `serve evolution --profile v2`.

use serde_json::{Value, json};

use crate::secrets::checked;
use crate::support::{Running, Sim, Tool, scratch, timeless};

#[test]
fn an_instance_is_asked_for_until_it_is_there_on_one_connection() {
    let sim = serve(&[]);
    let mut client = connect(&sim, &["--instance", "shop-1"]).start();
    let error = timeless(&client.expect("error"));
    let text = "the namespace is not there: no event of the instance yet, or a wrong name";
    assert_eq!(error, json!({ "kind": "error", "fault": "caller", "text": text }));
    // The first event makes the namespace, and nobody gets that one.
    emit(&sim, "shop-1", "messages.upsert", &json!({ "key": { "id": "M0" } }));
    let online = timeless(&client.expect("online"));
    assert_eq!((&online["conn"], &online["continuity"]), (&json!(1), &json!("fresh")));
    client.expect_vendor("connect");
    emit(&sim, "shop-1", "messages.upsert", &json!({ "key": { "id": "M1" } }));
    let message = client.expect("message");
    assert_eq!(
        (&message["event"], &message["instance"]),
        (&json!("messages.upsert"), &json!("shop-1"))
    );
    assert_eq!(message["body"]["data"], json!({ "key": { "id": "M1" } }));
    client.shut_down();
    assert!(client.seen().iter().all(|line| line["kind"] != "retry_scheduled"));
    assert_eq!(sim.state()["upgrades"], 1);
}

#[test]
fn global_mode_has_the_events_of_all_instances() {
    let sim = serve(&["--set", "global=true"]);
    let mut client = online(connect(&sim, &["--global", "--event", "call"]));
    for instance in ["shop-1", "shop-2"] {
        emit(&sim, instance, "messages.upsert", &json!({ "for": instance }));
        // Not among those that are wanted.
        emit(&sim, instance, "presence.update", &json!({}));
        let message = client.expect("message");
        assert_eq!(message["instance"], instance);
        assert_eq!(message["body"]["data"], json!({ "for": instance }));
    }
    client.shut_down();
    assert_eq!(client.seen().iter().filter(|line| line["kind"] == "message").count(), 2);
}

#[test]
fn every_event_can_be_wanted() {
    let sim = serve(&["--set", "global=true"]);
    let tool = Tool::new(["connect", "evolution", "--json", "--profile", "v2", "--event", "*"]);
    let tool = tool.args(["--url", http(&sim), "--apikey", "k", "--global"]);
    let mut client = online(tool.args(["--apikey-in", "query"]));
    emit(&sim, "shop-1", "presence.update", &json!({}));
    assert_eq!(client.expect("message")["event"], "presence.update");
    client.shut_down();
}

#[test]
fn a_lost_connection_comes_back_and_says_what_may_be_missing() {
    let sim = serve_shop(&[]);
    let mut client = online(connect(&sim, &["--instance", "shop-1"]));
    sim.control(json!({ "do": "cut" }));
    assert_eq!(client.expect("offline")["cause"], "network");
    assert_eq!(client.expect_vendor("disconnect")["reason"], "transport error");
    let retry = client.expect("retry_scheduled");
    assert_eq!((&retry["attempt"], &retry["token"]), (&json!(1), &json!("keep")));
    assert_eq!(client.expect("online")["conn"], 2);
    let first = client.expect("gap");
    assert_eq!(first["certainty"], "possible");
    sim.control(json!({ "do": "cut" }));
    let lost = client.expect("offline");
    let second = client.expect("gap");
    assert!(second["from_ms"].as_u64() >= first["to_ms"].as_u64(), "{first} {second}");
    assert_eq!(second["from_ms"], lost["t_ms"]);
    // Thrown out of the namespace, it begins anew.
    sim.control(json!({ "do": "set", "key": "disconnect", "value": "/shop-1" }));
    assert_eq!(client.expect("offline")["cause"], json!({ "refused": "removed" }));
    assert_eq!(client.expect_vendor("disconnect")["reason"], "io server disconnect");
    client.expect("online");
    client.shut_down();
}

#[test]
fn a_server_that_no_longer_pings_is_a_dead_one() {
    let sim = serve_shop(&["--set", "ping_interval_ms=200", "--set", "ping_timeout_ms=300"]);
    let mut client = online(connect(&sim, &["--instance", "shop-1"]));
    sim.control(json!({ "do": "silent", "on": true }));
    assert_eq!(client.expect("offline")["cause"], json!({ "timeout": "health" }));
    assert_eq!(client.expect_vendor("disconnect")["reason"], "ping timeout");
    sim.control(json!({ "do": "silent", "on": false }));
    client.expect("online");
    client.shut_down();
}

#[test]
fn a_refused_key_suspends_until_another_is_given() {
    let sim = serve_shop(&["--set", "api_key=the-key"]);
    let mut client = connect(&sim, &["--instance", "shop-1"]).start();
    let suspended = timeless(&client.expect("suspended"));
    let wanted = json!({ "kind": "suspended", "reason": "policy",
                         "cause": { "handshake": 400 },
                         "text": "the key is missing or refused" });
    assert_eq!(suspended, wanted);
    client.say(&json!({ "cmd": "update_token", "token": "the-key" }));
    client.expect("online");
    client.say(&json!({ "send": {}, "id": "m" }));
    assert_eq!(
        client.expect("error")["text"],
        "there is nothing to send: the server reads nothing"
    );
    client.shut_down();
}

#[test]
fn a_key_command_gives_another_key() {
    let sim = serve_shop(&["--set", "api_key=the-key"]);
    let tool = connect(&sim, &["--instance", "shop-1", "--token-command", "echo the-key"]);
    let mut client = online(tool);
    client.shut_down();
    let statuses = sim.state()["upgrade_calls"].clone();
    let statuses: Vec<_> =
        statuses.as_array().unwrap().iter().map(|call| &call["status"]).collect();
    assert_eq!(statuses, [400, 101]);
}

#[test]
fn no_key_is_printed_anywhere() {
    let args = ["--set", "expose_key=true", "--set", "api_key=canary-key"];
    let tool = Tool::new(["serve", "evolution", "--profile", "v2"]).args(args);
    let sim = Sim::start(tool.env("REDIAL_LOG", "trace"));
    sim.control(json!({ "do": "set", "key": "namespace", "value": "shop-1" }));
    let state = scratch("state");
    let tool = Tool::new(["connect", "evolution", "--json", "--profile", "v2"])
        .args(["--url", http(&sim), "--instance", "shop-1", "--event", "messages.upsert"])
        .args(["--apikey-in", "query", "--debug-frames"])
        .arg("--state")
        .arg(&state)
        .env("REDIAL_LOG", "trace")
        .env("REDIAL_API_KEY", "canary-key");
    let mut client = online(tool);
    emit(&sim, "shop-1", "messages.upsert", &json!({ "text": "oi" }));
    let message = client.expect("message");
    assert_eq!(message["body"]["apikey"], Value::Null, "it was a key on the wire");
    client.shut_down();
    checked(&client, "the client");
    let Sim { mut process, .. } = sim;
    process.signal("TERM");
    assert_eq!(process.code(), 0);
    crate::secrets::nowhere(&std::fs::read_to_string(state).unwrap(), "a snapshot");
}

fn serve(args: &[&str]) -> Sim {
    Sim::start(Tool::new(["serve", "evolution", "--profile", "v2"]).args(args))
}

/// A server that has had an event of an instance.
fn serve_shop(args: &[&str]) -> Sim {
    let sim = serve(args);
    sim.control(json!({ "do": "set", "key": "namespace", "value": "shop-1" }));
    sim
}

fn http(sim: &Sim) -> &str {
    sim.listening["base"].as_str().unwrap()
}

/// Begins a `connect evolution` for messages that is ten times faster than life.
fn connect(sim: &Sim, args: &[&str]) -> Tool {
    let tool = Tool::new(["connect", "evolution", "--json", "--profile", "v2", "--speed", "10"]);
    let tool = tool.args(["--url", http(sim), "--apikey", "any", "--event", "messages.upsert"]);
    tool.args(args)
}

fn online(tool: Tool) -> Running {
    let mut client = tool.start();
    client.expect("online");
    client
}

fn emit(sim: &Sim, instance: &str, event: &str, data: &Value) {
    let body = json!({ "instance": instance, "event": event, "data": data });
    sim.control(json!({ "do": "notify", "n": 1, "body": body }));
}
