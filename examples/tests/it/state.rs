//! `--state`: what a later process goes on from.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{PASSWORD, Sim, connect, connect_bare, publish, scratch};

/// Returns who may do what with a file.
pub(crate) fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn saved(path: &Path) -> Value {
    assert_eq!(mode(path), 0o600);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_next_process_sets_the_same_state_and_subscriptions() {
    let mut sim = Sim::plain();
    let state = scratch("state.json");
    let mut client = connect(&sim).arg("--state").arg(&state).start();
    client.expect("online");
    let away = json!({ "type": ".ams.routing.SetAgentState",
        "body": { "channels": ["MESSAGING"], "availability": "AWAY" } });
    let routing = json!({ "type": ".ams.routing.SubscribeRoutingTasks",
        "body": { "channelType": "MESSAGING" } });
    for (id, request) in [("q1", away), ("q2", routing)] {
        client.say(&json!({ "request": request, "id": id }));
        client.expect("fate");
    }
    client.shut_down();
    let first = saved(&state);
    sim.expect_request(".ams.routing.SubscribeRoutingTasks");

    let mut client = connect(&sim).arg("--state").arg(&state).start();
    client.expect("online");
    let set = sim.expect_request(".ams.routing.SetAgentState");
    assert_eq!(set["json"]["body"]["availability"], "AWAY");
    sim.expect_request(".ams.routing.SubscribeRoutingTasks");
    client.shut_down();
    let second = saved(&state);
    let (first, second) = (&first["snapshot"], &second["snapshot"]);
    assert_eq!(first["cursor"], second["cursor"]);
    assert_ne!(first["nonce"], second["nonce"], "its messages are others");
}

#[test]
fn a_snapshot_is_saved_on_request() {
    let sim = Sim::plain();
    let state = scratch("state.json");
    let mut client = connect(&sim).arg("--state").arg(&state).start();
    client.expect("online");
    client.cmd("snapshot");
    let line = client.expect("snapshot");
    assert_eq!(line["saved"], true);
    saved(&state);
    client.signal("KILL");
    assert!(client.status().code().is_none());
    // What a killed process left behind serves, too.
    let mut client = connect(&sim).arg("--state").arg(&state).start();
    client.expect("online");
    client.shut_down();
}

#[test]
fn an_empty_file_holds_no_snapshot() {
    let sim = Sim::plain();
    let state = scratch("state.json");
    std::fs::write(&state, "").unwrap();
    let mut client = connect(&sim).arg("--state").arg(&state).start();
    client.expect("online");
    client.shut_down();
    saved(&state);
}

#[test]
fn the_rights_of_an_older_file_do_not_matter() {
    let sim = Sim::plain();
    let state = scratch("state.json");
    let mut client = connect(&sim).arg("--state").arg(&state).start();
    client.expect("online");
    client.shut_down();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut client = connect(&sim).arg("--state").arg(&state).start();
    client.expect("online");
    client.shut_down();
    saved(&state);
}

#[test]
fn a_retry_after_holds_for_the_next_process() {
    let sim = Sim::plain();
    let state = scratch("state.json");
    let refusal = json!({ "do": "refuse", "step": "login", "status": 429, "retry_after": "3" });
    sim.control(refusal);
    let tool = || {
        connect_bare(&sim)
            .args(["--username", "u", "--speed", "20"])
            .args(PASSWORD)
            .arg("--state")
            .arg(&state)
    };
    let mut client = tool().start();
    let retry = client.expect("retry_scheduled");
    assert!(retry["delay_ms"].as_u64().unwrap() > 2500, "{retry}");
    client.shut_down();
    let mut client = tool().start();
    let retry = client.expect("retry_scheduled");
    assert!(retry["not_before_ms"].is_u64(), "{retry}");
    client.expect("online");
    client.shut_down();
    let state = sim.state();
    let calls = state["token_calls"].as_array().unwrap();
    let waited = calls[1].as_u64().unwrap() - calls[0].as_u64().unwrap();
    assert!(waited >= 2950, "{calls:?}");
}

#[test]
fn a_session_that_the_policy_ended_can_begin_again() {
    let sim = Sim::plain();
    let state = scratch("state.json");
    let policy = "rules = [{ when = { close = [4403, 4403] }, verdict = \"stop\" }]\n";
    let tool = || crate::support::connect_with(&sim, policy).arg("--state").arg(&state);
    let mut client = tool().start();
    client.expect("online");
    sim.control(json!({ "do": "close", "code": 4403 }));
    assert_eq!(client.code(), 3);
    let mut client = tool().start();
    client.expect("online");
    client.shut_down();
}

#[test]
fn a_message_that_waited_is_sent_by_the_next_process() {
    let sim = Sim::plain();
    let state = scratch("state.json");
    let mut client = connect(&sim).arg("--state").arg(&state).start();
    client.expect("online");
    sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 99 }));
    sim.control(json!({ "do": "cut" }));
    client.expect("retry_scheduled");
    client.say(&json!({ "request": publish("late"), "id": "q1" }));
    client.cmd("snapshot");
    client.expect("snapshot");
    client.signal("KILL");
    assert!(client.status().code().is_none());
    sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 0 }));
    let mut client = connect(&sim).arg("--state").arg(&state).start();
    assert_eq!(client.expect("response")["id"], "q1");
    let fate = client.expect("fate");
    assert_eq!((&fate["id"], &fate["fate"]), (&json!("q1"), &json!("acked")));
    client.shut_down();
}
