//! `connect ringcentral` against `serve ringcentral`: a session, its subscription, and its ends.

use serde_json::{Value, json};

use crate::secrets::{checked, nowhere};
use crate::support::{Running, Sim, Tool, scratch, timeless};

#[test]
fn a_session_begins_with_these_lines() {
    let sim = serve(&[]);
    let mut client = subscribed(connect(&sim).args(["--subscribe", MESSAGES]));
    let mut lines: Vec<Value> = client.seen().iter().map(timeless).collect();
    let id = lines[7]["body"]["id"].take();
    assert_eq!(sim.state()["subscriptions"], 1);
    assert!(id.as_str().is_some_and(|id| id.len() == 36), "{id}");
    assert_eq!(
        lines,
        [
            json!({ "kind": "authorizing", "reason": "start" }),
            json!({ "kind": "token", "id": 1, "expires_in_ms": 600_000 }),
            json!({ "kind": "connecting", "conn": 1, "intent": "restart" }),
            json!({ "kind": "vendor", "name": "newWebSocketObject", "conn": 1 }),
            json!({ "kind": "online", "conn": 1, "continuity": "fresh", "after_ms": 0 }),
            json!({ "kind": "vendor", "name": "newWsc", "conn": 1, "sequence": 1 }),
            json!({ "kind": "vendor", "name": "connectionReady", "conn": 1,
                    "recoveryTimeout": 180, "recoveryBufferSize": 100, "idleTimeout": 1800,
                    "absoluteTimeout": 86_400, "maxActiveRequests": 10 }),
            json!({ "kind": "message", "event": "subscribed", "type": "subscription", "conn": 1,
                    "body": { "id": null, "eventFilters": [MESSAGES] }, "restored": false }),
        ]
    );
    sim.control(json!({ "do": "notify", "n": 1, "body": { "said": "hello" } }));
    let message = client.expect("message");
    assert_eq!(message["event"], message["body"]["event"]);
    assert!(message["event"].as_str().unwrap().ends_with("/message-store"), "{message}");
    assert_eq!(message["body"]["body"]["said"], "hello");
    assert_eq!(message["duplicate"], false);
    client.shut_down();
    assert_eq!(sim.state()["null_bodies"], 0);
    assert_eq!(sim.state()["early_frames"], 0);
}

#[test]
fn a_second_subscription_replaces_the_first() {
    let sim = serve(&[]);
    let mut client = subscribed(connect(&sim).args(["--subscribe", MESSAGES]));
    client.say(&json!({ "cmd": "subscribe", "filters": [PRESENCE, CALLS] }));
    let second = event(&mut client, "subscribed");
    assert_eq!(second["body"]["eventFilters"], json!([PRESENCE, CALLS]));
    assert_eq!(sim.state()["subscriptions"], 1);
    for event in [MESSAGES, CALLS] {
        sim.control(json!({ "do": "notify", "n": 1, "body": { "event": event } }));
    }
    assert_eq!(client.expect("message")["event"], CALLS, "the first is gone");
    // The only one that is restored, too.
    sim.control(json!({ "do": "expire_sessions" }));
    sim.control(json!({ "do": "cut" }));
    sim.control(json!({ "do": "expire_sessions" }));
    let anew = event(&mut client, "subscribed");
    assert_eq!(anew["body"]["eventFilters"], json!([PRESENCE, CALLS]));
    client.shut_down();
}

#[test]
fn wrong_filters_are_an_error_and_nothing_else() {
    let sim = serve(&[]);
    let mut client = connect(&sim).start();
    client.expect_vendor("connectionReady");
    for filters in [json!([]), json!([1]), json!([""]), json!("one"), json!(null)] {
        client.say(&json!({ "cmd": "subscribe", "filters": filters }));
        assert_eq!(client.expect("error")["fault"], "caller", "{filters}");
    }
    client.shut_down();
    assert_eq!(sim.state()["subscriptions_made"], 0);
}

#[test]
fn a_subscription_is_revoked() {
    let sim = serve(&[]);
    let file = scratch("subscription");
    let tool = connect(&sim).args(["--subscribe", MESSAGES]);
    let mut client = subscribed(tool.arg("--subscription-info").arg(&file));
    assert!(file.exists());
    client.cmd("revoke");
    event(&mut client, "revoked");
    assert!(!file.exists(), "a later process makes another one");
    let state = sim.state();
    assert_eq!((&state["subscriptions"], &state["subscriptions_deleted"]), (&json!(0), &json!(1)));
    client.shut_down();
}

#[test]
fn a_refused_subscription_is_told_and_the_session_goes_on() {
    let sim = serve(&["--set", "subscribe_permission=false"]);
    let tool = connect(&sim).args(["--subscribe", MESSAGES, "--rest-over-websocket"]);
    let mut client = tool.start();
    let failed = event(&mut client, "subscription_failed");
    assert_eq!((&failed["operation"], &failed["retry"]), (&json!("create"), &json!(false)));
    assert_eq!(
        (&failed["body"]["status"], &failed["body"]["errorCode"]),
        (&json!(403), &json!("SUB-528"))
    );
    client.say(&json!({ "request": { "method": "GET", "path": EXTENSION }, "id": "q" }));
    assert_eq!(client.expect("response")["status"], 200);
    client.shut_down();
}

#[test]
fn frames_are_shown_without_their_tokens() {
    let sim = serve(&["--set", "wsc_mode=\"every\""]);
    let file = scratch("wsc");
    let tool = connect(&sim).args(["--subscribe", MESSAGES, "--debug-frames"]);
    let mut client = subscribed(tool.arg("--wsc-out").arg(&file));
    client.shut_down();
    let shown = client.stderr();
    for part in ["frame received text", "ConnectionDetails", "frame sent text", "eventFilters"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains(&std::fs::read_to_string(file).unwrap()), "{shown}");
}

#[test]
fn no_secret_is_printed_anywhere() {
    let mut sim = Sim::start(Tool::new(["serve", "ringcentral"]).env("REDIAL_LOG", "trace"));
    let files = ["record", "state", "wsc", "subscription", "refresh"].map(scratch);
    let [record, state, wsc, subscription, refresh] = &files;
    let tool = Tool::new(["connect", "ringcentral", "--json", "--server", base(&sim)]);
    let tool = tool
        .args(["--client-id", "app", "--client-secret", "canary-client-secret"])
        .args(["--jwt", "canary.jwt.assertion", "--wsc-token", "canary-wsc"])
        .args(["--subscribe", MESSAGES, "--debug-frames", "--speed", "10"])
        .env("REDIAL_LOG", "trace");
    let tool = tool.arg("--record").arg(record).arg("--state").arg(state);
    let tool = tool.arg("--wsc-out").arg(wsc).arg("--subscription-info").arg(subscription);
    let mut client = subscribed(tool.arg("--refresh-token-out").arg(refresh));
    client.say(&json!({ "request": { "method": "POST", "path": "/restapi/oauth/revoke",
                                     "body": { "token": "canary-revoked" } }, "id": "q" }));
    client.expect("fate");
    client.say(&json!({ "cmd": "update_token", "token": "canary-offered" }));
    sim.control(json!({ "do": "revoke_tokens" }));
    sim.control(json!({ "do": "cut" }));
    client.expect_vendor("autoRecoverSuccess");
    client.cmd("snapshot");
    client.expect("snapshot");
    client.shut_down();
    assert!(client.stderr().len() > 1000, "it logs at trace");
    checked(&client, "the client");
    sim.process.signal("TERM");
    assert_eq!(sim.process.code(), 0);
    checked(&sim.process, "the simulator");
    nowhere(&std::fs::read_to_string(record).unwrap(), "the record");
    // What the server gave is in these files, and nowhere else.
    for file in [wsc, refresh] {
        let secret = std::fs::read_to_string(file).unwrap();
        assert!(secret.len() > 8 && private(file), "{}", file.display());
        for text in [client.stdout(), client.stderr(), sim.process.stdout()] {
            assert!(!text.contains(&secret), "{}", file.display());
        }
    }
    assert!(private(state) && private(subscription));
}

#[test]
fn a_missing_permission_ends_the_process_with_3() {
    let sim = serve(&["--set", "ws_permission=false"]);
    let mut client = connect(&sim).start();
    let stopped = client.expect("stopped");
    assert_eq!(stopped["cause"], json!({ "http": { "step": "wstoken", "status": 403 } }));
    assert!(stopped["text"].as_str().unwrap().contains("permission"), "{stopped}");
    assert_eq!(client.code(), 3);
    assert!(client.stderr().contains("permission"));
}

#[test]
fn an_interrupt_ends_a_wait_cleanly() {
    let sim = serve(&[]);
    let mut client = connect_with(&sim, "[backoff]\ngrowth = { fixed = 60000 }\n").start();
    client.expect("online");
    sim.control(json!({ "do": "cut" }));
    client.expect("retry_scheduled");
    client.signal("INT");
    assert_eq!(client.code(), 0);
    assert_eq!(sim.state()["upgrades"], 1);
}

#[test]
fn a_policy_file_changes_the_rules() {
    let sim = serve(&[]);
    let policy = "floor = 10\n[backoff]\ngrowth = { fixed = 77 }\njitter = \"none\"\n";
    let mut client = connect_with(&sim, policy).start();
    client.expect("online");
    sim.control(json!({ "do": "cut" }));
    assert_eq!(client.expect("retry_scheduled")["delay_ms"], 77);
    client.shut_down();
}

#[test]
fn tls_is_the_default() {
    let sim = serve(&["--tls"]);
    let mut client = connect(&sim).args(["--ca", sim.ca().unwrap()]).start();
    client.expect("online");
    client.shut_down();
}

pub(crate) fn serve(args: &[&str]) -> Sim {
    Sim::start(Tool::new(["serve", "ringcentral"]).args(args))
}

pub(crate) fn base(sim: &Sim) -> &str {
    sim.listening["base"].as_str().unwrap()
}

/// Begins a `connect ringcentral` whose first wait is short.
pub(crate) fn connect(sim: &Sim) -> Tool {
    connect_with(sim, SOON)
}

/// Begins one with what this policy file changes.
pub(crate) fn connect_with(sim: &Sim, policy: &str) -> Tool {
    let path = scratch("policy.toml");
    std::fs::write(&path, policy).unwrap();
    bare(sim).arg("--policy").arg(path).args(["--jwt", "a.b.c"])
}

/// Begins one without a login.
pub(crate) fn bare(sim: &Sim) -> Tool {
    Tool::new(["connect", "ringcentral", "--json", "--server", base(sim)]).args([
        "--client-id",
        "app",
        "--client-secret",
        "only-for-tests",
    ])
}

/// Starts it and waits until its subscription exists.
pub(crate) fn subscribed(tool: Tool) -> Running {
    let mut client = tool.start();
    event(&mut client, "subscribed");
    client
}

/// Skips lines until a message of this event.
pub(crate) fn event(client: &mut Running, name: &str) -> Value {
    client.until(name, |line| line["kind"] == "message" && line["event"] == name)
}

/// Returns whether only its owner can read a file.
pub(crate) fn private(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777 == 0o600
}

/// The vendor's policy with waits of 200 ms.
pub(crate) const SOON: &str =
    "floor = 50\n[backoff]\ngrowth = { fixed = 200 }\njitter = \"none\"\n";
pub(crate) const EXTENSION: &str = "/restapi/v1.0/account/~/extension/~";
pub(crate) const MESSAGES: &str = "/restapi/v1.0/account/~/extension/~/message-store";
const PRESENCE: &str = "/restapi/v1.0/account/~/extension/~/presence";
const CALLS: &str = "/restapi/v1.0/account/~/telephony/sessions";
