//! How `connect ringcentral` recovers, and what it says about that.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::ringcentral::{MESSAGES, connect, connect_with, serve, subscribed};
use crate::support::{Running, Sim};

#[test]
fn what_was_missed_follows_in_the_same_burst_and_none_is_lost_or_told_twice() {
    let sim = serve(&["--replay-delay-ms", "0", "--recovery-buffer", "200"]);
    let mut client = subscribed(connect_with(&sim, LATER).args(["--subscribe", MESSAGES]));
    let from = client.seen().len();
    miss(&sim, &mut client, 130);
    let last = client.until("the last", |line| line["body"]["body"]["n"] == 130);
    assert_eq!(last["kind"], "message");
    let story: Vec<&str> = client.seen()[from..].iter().map(name).collect();
    let begin = story.iter().position(|name| *name == "authorizing").unwrap();
    let order = [
        "authorizing",
        "token",
        "connecting",
        "newWebSocketObject",
        "online",
        "newWsc",
        "connectionReady",
        "autoRecoverSuccess",
        "message",
    ];
    assert_eq!(story[begin..begin + order.len()], order, "{story:?}");
    assert!(!story.contains(&"gap"), "nothing is missing");
    let success = client.seen().iter().find(|line| line["name"] == "autoRecoverSuccess").unwrap();
    assert_eq!(success["conn"], 2);
    let online = client.seen().iter().rfind(|line| line["kind"] == "online").unwrap();
    assert_eq!((&online["continuity"], &online["conn"]), (&json!("resumed"), &json!(2)));
    assert_eq!(numbers(&client), (1..=130).collect::<Vec<_>>(), "in order");
    client.shut_down();
    let state = sim.state();
    assert_eq!(uuids(&client), sent(&state));
    assert_eq!(state["upgrade_calls"][1]["outcome"], "resumed");
    assert_eq!(state["subscriptions_made"], 1);
}

#[test]
fn a_notification_that_comes_again_is_not_told_again() {
    let sim = serve(&["--replay-delay-ms", "0", "--set", "replay_overlap=3"]);
    let mut client = subscribed(connect_with(&sim, LATER).args(["--subscribe", MESSAGES]));
    sim.control(json!({ "do": "notify", "n": 3, "body": {} }));
    client.until("the third", |line| line["body"]["body"]["n"] == 3);
    miss(&sim, &mut client, 2);
    client.until("the last", |line| line["body"]["body"]["n"] == 5);
    client.shut_down();
    assert_eq!(numbers(&client), [1, 2, 3, 4, 5]);
    let state = sim.state();
    assert_eq!(state["notifications"][0]["written"], 2, "it was sent again");
}

#[test]
fn a_full_buffer_is_a_possible_gap() {
    let sim = serve(&["--replay-delay-ms", "0", "--recovery-buffer", "100"]);
    let mut client = subscribed(connect_with(&sim, LATER).args(["--subscribe", MESSAGES]));
    miss(&sim, &mut client, 130);
    let gap = client.expect("gap");
    assert_eq!((&gap["certainty"], &gap["filled"]), (&json!("possible"), &json!(false)));
    assert_eq!(gap["cause"], "network");
    spans(&gap, &client, 1);
    client.shut_down();
    assert_eq!(numbers(&client), (31..=130).collect::<Vec<_>>(), "the newest are kept");
    assert_eq!(sim.state()["dropped"], 30);
}

#[test]
fn a_refused_recovery_is_told_once_there_is_a_new_subscription() {
    let sim = serve(&[]);
    let mut client = subscribed(connect_with(&sim, LATER).args(["--subscribe", MESSAGES]));
    let refused = json!({ "mode": "failed", "code": "WSG-1003", "times": 1 });
    sim.control(json!({ "do": "set", "key": "recovery_answer", "value": refused }));
    let from = client.seen().len();
    miss(&sim, &mut client, 2);
    let gap = client.expect("gap");
    assert_eq!((&gap["certainty"], &gap["cause"]), (&json!("certain"), &json!("network")));
    spans(&gap, &client, 1);
    let story: Vec<&str> = client.seen()[from..].iter().map(name).collect();
    let end = ["newWsc", "connectionReady", "subscribed", "autoRecoverFailed", "gap"];
    assert!(story.ends_with(&end), "{story:?}");
    let failed = client.seen().iter().find(|line| line["name"] == "autoRecoverFailed").unwrap();
    assert_eq!((&failed["conn"], &failed["errorCode"]), (&json!(2), &json!("WSG-1003")));
    let online = client.seen().iter().rfind(|line| line["kind"] == "online").unwrap();
    assert_eq!(online["continuity"], "fresh", "the server's answer decides");
    // The new session is the one that is recovered next, and with nothing missing.
    let again = client.seen().len();
    miss(&sim, &mut client, 1);
    client.until("the third", |line| line["body"]["body"]["n"] == 3);
    assert!(client.seen()[again..].iter().all(|line| line["kind"] != "gap"));
    client.shut_down();
    let state = sim.state();
    let outcomes: Vec<&Value> =
        calls(&state, "upgrade_calls").map(|call| &call["outcome"]).collect();
    assert_eq!(outcomes, ["fresh", "failed", "resumed"]);
    assert_eq!(state["subscriptions_made"], 2);
    assert_eq!(numbers(&client), [3], "what the lost session had is lost");
}

#[test]
fn an_outage_longer_than_the_window_begins_a_new_session() {
    let sim = serve(&["--recovery-timeout", "1"]);
    let mut client = subscribed(connect(&sim).args(["--subscribe", MESSAGES]));
    sim.control(json!({ "do": "down", "ms": 2_500 }));
    sim.control(json!({ "do": "cut" }));
    let error = client.expect_vendor("autoRecoverError");
    assert_eq!((&error["conn"], &error["cause"]), (&json!(1), &json!("network")));
    let gap = client.expect("gap");
    assert_eq!(gap["certainty"], "certain");
    let offline = client.seen().iter().find(|line| line["kind"] == "offline").unwrap();
    let (from, lost) = (gap["from_ms"].as_u64().unwrap(), offline["t_ms"].as_u64().unwrap());
    assert!(from.abs_diff(lost) < 100, "{from} {lost}");
    let errors = client.seen().iter().filter(|line| line["name"] == "autoRecoverError").count();
    assert!(errors >= 2, "each attempt that fails is told");
    let attempts: Vec<u64> = client
        .seen()
        .iter()
        .filter(|line| line["kind"] == "retry_scheduled")
        .map(|line| line["attempt"].as_u64().unwrap())
        .collect();
    assert_eq!(attempts, (1..=attempts.len() as u64).collect::<Vec<_>>());
    client.shut_down();
    let state = sim.state();
    let last = calls(&state, "upgrade_calls").last().unwrap();
    assert_eq!(
        (&last["wsc"], &last["outcome"]),
        (&json!(null), &json!("fresh")),
        "given up in time"
    );
    assert_eq!(state["subscriptions_made"], 2);
}

#[test]
fn a_wstoken_opens_one_connection() {
    let sim = serve(&["--ws-token-reuse", "reject"]);
    let mut client = subscribed(connect(&sim).args(["--subscribe", MESSAGES]));
    for _ in 0..3 {
        sim.control(json!({ "do": "cut" }));
        client.expect_vendor("autoRecoverSuccess");
    }
    client.shut_down();
    let state = sim.state();
    let used: BTreeSet<String> =
        calls(&state, "upgrade_calls").map(|call| call["wstoken"].to_string()).collect();
    assert_eq!(used.len(), 4, "{state}");
    assert_eq!(state["ws_tokens"], 4);
}

#[test]
fn a_wstoken_that_opened_nothing_is_kept() {
    let sim = serve(&["--ws-token-reuse", "reject"]);
    let mut client = subscribed(connect(&sim).args(["--subscribe", MESSAGES]));
    let refused = json!({ "do": "refuse", "step": "upgrade", "times": 3, "status": 503 });
    sim.control(refused);
    sim.control(json!({ "do": "cut" }));
    client.expect_vendor("autoRecoverSuccess");
    client.shut_down();
    assert_eq!(sim.state()["ws_tokens"], 2, "one for each connection");
}

#[test]
fn nothing_is_asked_for_before_a_429_allows_it() {
    let sim = serve(&[]);
    let mut client = subscribed(connect(&sim).args(["--subscribe", MESSAGES]));
    let limited = json!({ "do": "refuse", "step": "wstoken", "times": 1, "status": 429,
                          "retry_after": "2" });
    sim.control(limited);
    sim.control(json!({ "do": "cut" }));
    let cause = json!({ "http": { "step": "wstoken", "status": 429 } });
    let retry = client
        .until("the wait", |line| line["kind"] == "retry_scheduled" && line["cause"] == cause);
    let earliest = retry["not_before_ms"].as_u64().unwrap();
    assert!(earliest.abs_diff(retry["t_ms"].as_u64().unwrap() + 2_000) < 100, "{retry}");
    let error = client.expect_vendor("autoRecoverError");
    assert_eq!((&error["conn"], &error["cause"]), (&json!(1), &cause));
    // Nobody gets around it.
    client.cmd("recover");
    client.cmd("network_changed");
    client.expect_vendor("autoRecoverSuccess");
    client.shut_down();
    let state = sim.state();
    let asked: Vec<u64> =
        calls(&state, "wstoken_calls").map(|call| call["t_ms"].as_u64().unwrap()).collect();
    assert_eq!(asked.len(), 3, "{state}");
    // The answer was under way for a moment.
    assert!(asked[2] - asked[1] >= 1_990, "{asked:?}");
}

#[test]
fn without_auto_recover_nothing_happens_until_it_is_asked_for() {
    let sim = serve(&["--replay-delay-ms", "0"]);
    let tool = connect(&sim).args(["--subscribe", MESSAGES, "--no-auto-recover"]);
    let mut client = subscribed(tool);
    // There is nothing to recover.
    client.cmd("recover");
    sim.control(json!({ "do": "cut" }));
    let suspended = client.expect("suspended");
    assert_eq!(
        (&suspended["reason"], &suspended["cause"]),
        (&json!("attempts_exhausted"), &json!("network"))
    );
    let answer = sim.control(json!({ "do": "notify", "n": 3, "body": {} }));
    assert_eq!(answer["buffered"], 3);
    let seen = sim.state();
    assert_eq!((&seen["upgrades"], &seen["ws_tokens"]), (&json!(1), &json!(1)));
    // Three of them are one attempt.
    for _ in 0..3 {
        client.cmd("recover");
    }
    client.until("the last", |line| line["body"]["body"]["n"] == 3);
    let story: Vec<&str> = client.seen().iter().map(name).collect();
    assert!(story.contains(&"autoRecoverSuccess") && !story.contains(&"gap"), "{story:?}");
    client.shut_down();
    let state = sim.state();
    assert_eq!((&state["upgrades"], &state["ws_tokens"]), (&json!(2), &json!(2)));
}

#[test]
fn an_absolute_timeout_is_normal_operation() {
    let sim = serve(&["--replay-delay-ms", "0"]);
    let policy = "[backoff]\ngrowth = { fixed = 60000 }\n";
    let mut client = subscribed(connect_with(&sim, policy).args(["--subscribe", MESSAGES]));
    sim.control(json!({ "do": "set", "key": "force_timeout", "value": "absolute" }));
    let retry = client.expect("retry_scheduled");
    assert_eq!(retry["cause"], json!({ "refused": "WSG-903" }));
    assert!(retry["delay_ms"].as_u64().unwrap() <= 1_000, "at once: {retry}");
    client.expect_vendor("autoRecoverSuccess");
    client.shut_down();
    assert_eq!(sim.state()["absolute_timeouts"], 1);
}

#[test]
fn a_silent_peer_is_noticed() {
    let mut sim = serve(&["--set", "idle_timeout_ms=4000"]);
    let mut client = subscribed(connect(&sim).args(["--subscribe", MESSAGES]));
    // A heartbeat is due in each half of it, so an idle session stays.
    for _ in 0..2 {
        sim.process.until("a heartbeat", |line| line["json"][0]["type"] == "Heartbeat");
    }
    sim.control(json!({ "do": "silent", "on": true }));
    let offline = client.expect("offline");
    assert_eq!(offline["cause"], json!({ "timeout": "pong" }));
    sim.control(json!({ "do": "silent", "on": false }));
    client.expect_vendor("autoRecoverSuccess");
    client.shut_down();
    assert_eq!(sim.state()["idle_timeouts"], 0);
}

/// Cuts the connection and sends notifications before the client is back.
fn miss(sim: &Sim, client: &mut Running, n: u64) {
    sim.control(json!({ "do": "cut" }));
    let answer = sim.control(json!({ "do": "notify", "n": n, "body": {} }));
    assert_eq!(answer["sent"], 0, "the client was back too soon");
    client.expect("offline");
}

/// Returns the kind of a line, or the vendor's name for it.
fn name(line: &Value) -> &str {
    let event = line["event"].as_str().filter(|event| !event.starts_with('/'));
    let name = line["name"].as_str().or(event);
    name.or(line["kind"].as_str()).unwrap()
}

fn notifications(client: &Running) -> impl Iterator<Item = &Value> {
    client.seen().iter().filter(|line| line["type"] == "notification").map(|line| &line["body"])
}

fn numbers(client: &Running) -> Vec<u64> {
    notifications(client).map(|body| body["body"]["n"].as_u64().unwrap()).collect()
}

fn uuids(client: &Running) -> Vec<&str> {
    notifications(client).map(|body| body["uuid"].as_str().unwrap()).collect()
}

fn sent(state: &Value) -> Vec<&str> {
    calls(state, "notifications").map(|seen| seen["uuid"].as_str().unwrap()).collect()
}

fn calls<'a>(state: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    state[name].as_array().unwrap().iter()
}

/// Checks that a gap begins with the loss of a connection, and ends now.
fn spans(gap: &Value, client: &Running, conn: u64) {
    let of = |line: &&Value| line["kind"] == "offline" && line["conn"] == conn;
    let lost = client.seen().iter().find(of).unwrap()["t_ms"].as_u64().unwrap();
    let (from, to) = (gap["from_ms"].as_u64().unwrap(), gap["to_ms"].as_u64().unwrap());
    assert!(from.abs_diff(lost) < 100 && from < to, "{gap}, lost at {lost}");
    assert_eq!(gap["to_ms"], gap["t_ms"]);
}

/// Time enough for whatever has to be done before the client is back.
const LATER: &str = "[backoff]\ngrowth = { fixed = 1500 }\njitter = \"none\"\n";
