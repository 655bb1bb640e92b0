//! Five kinds of credentials, and what replaces a bearer that is refused.

use serde_json::{Value, json};

use crate::support::{PATIENCE, Sim, Tool, connect_bare, scratch};

/// Lets only these credentials in, so that a session is the proof that they arrived.
fn only(sim: &Sim, settings: &[(&str, Value)]) {
    for (key, value) in settings {
        sim.control(json!({ "do": "set", "key": key, "value": value }));
    }
}

/// Returns the sorted keys of the login's body, with the session up.
fn login_keys(sim: &mut Sim, tool: Tool) -> Vec<String> {
    let mut client = tool.start();
    client.expect("online");
    let login = sim.expect_http("/login?v=1.3");
    client.shut_down();
    let mut keys: Vec<String> = login["body"].as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

#[test]
fn a_password_arrives() {
    let mut sim = Sim::plain();
    only(&sim, &[("user", json!(["agent", "pass-word-1"]))]);
    let tool = connect_bare(&sim).args(["--username", "agent", "--password", "pass-word-1"]);
    assert_eq!(login_keys(&mut sim, tool), ["password", "username"]);
    let tool =
        connect_bare(&sim).env("REDIAL_USERNAME", "agent").env("REDIAL_PASSWORD", "pass-word-1");
    assert_eq!(login_keys(&mut sim, tool), ["password", "username"]);
}

const OAUTH_KEYS: [&str; 5] = ["accessToken", "accessTokenSecret", "appKey", "secret", "username"];

#[test]
fn the_fields_of_oauth_1_arrive() {
    let mut sim = Sim::plain();
    only(&sim, &[("app_secret", json!(["key-1", "secret-1"]))]);
    let app = ["--username", "bot", "--app-key", "key-1", "--secret", "secret-1"];
    let token = ["--access-token", "token-1", "--access-token-secret", "token-secret-1"];
    let tool = connect_bare(&sim).args(app).args(token);
    assert_eq!(login_keys(&mut sim, tool), OAUTH_KEYS);
    let tool = connect_bare(&sim)
        .args(["--username", "bot"])
        .env("REDIAL_APP_KEY", "key-1")
        .env("REDIAL_CLIENT_SECRET", "secret-1")
        .env("REDIAL_ACCESS_TOKEN", "token-1")
        .env("REDIAL_ACCESS_TOKEN_SECRET", "token-secret-1");
    assert_eq!(login_keys(&mut sim, tool), OAUTH_KEYS);
}

#[test]
fn oauth_2_client_credentials_arrive_as_the_fields_of_oauth_1() {
    let mut sim = Sim::plain();
    only(&sim, &[("app_secret", json!(["client-1", "secret-1"]))]);
    let app = ["--username", "bot", "--app-key", "client-1", "--secret", "secret-1"];
    let tool = connect_bare(&sim).args(app);
    assert_eq!(login_keys(&mut sim, tool), OAUTH_KEYS);
}

#[test]
fn an_assertion_arrives() {
    let mut sim = Sim::plain();
    only(&sim, &[("assertion", json!("PHNhbWw+"))]);
    let tool = connect_bare(&sim).args(["--assertion", "PHNhbWw+"]);
    assert_eq!(login_keys(&mut sim, tool), ["assertion", "jwt"]);
    let tool = connect_bare(&sim).env("REDIAL_ASSERTION", "PHNhbWw+");
    assert_eq!(login_keys(&mut sim, tool), ["assertion", "jwt"]);
}

#[test]
fn a_ready_made_bearer_needs_no_login() {
    let sim = Sim::plain();
    only(&sim, &[("bearers", json!("issued")), ("accept_bearer", json!("mine/+ %"))]);
    for tool in [
        connect_bare(&sim).args(["--bearer", "mine/+ %"]),
        connect_bare(&sim).env("REDIAL_TOKEN", "mine/+ %"),
    ] {
        let mut client = tool.start();
        client.expect("online");
        client.shut_down();
    }
    assert_eq!(sim.state()["logins"], 0);
}

#[test]
fn what_is_typed_counts_more_than_the_environment() {
    let mut sim = Sim::plain();
    let tool = connect_bare(&sim)
        .args(["--username", "agent", "--password", "typed-1"])
        .env("REDIAL_TOKEN", "from-the-environment")
        .env("REDIAL_ASSERTION", "from-the-environment");
    assert_eq!(login_keys(&mut sim, tool), ["password", "username"]);
    let tool = connect_bare(&sim)
        .args(["--username", "bot", "--app-key", "typed-1"])
        .env("REDIAL_CLIENT_SECRET", "secret-1")
        .env("REDIAL_PASSWORD", "from-the-environment");
    assert_eq!(login_keys(&mut sim, tool), OAUTH_KEYS);
}

#[test]
fn a_refused_bearer_without_a_command_is_tried_again_at_the_policys_pace() {
    let sim = Sim::plain();
    only(&sim, &[("bearers", json!("issued"))]);
    let mut client = connect_bare(&sim).args(["--bearer", "refused-1", "--speed", "20"]).start();
    let mut attempts = Vec::new();
    for attempt in 1..=3 {
        let retry = client.expect("retry_scheduled");
        assert_eq!(retry["cause"], json!({ "handshake": 401 }));
        assert_eq!((&retry["attempt"], &retry["delay_ms"]), (&json!(attempt), &json!(500)));
        let error = client.expect("error");
        assert_eq!(error["fault"], "caller", "{error}");
        attempts.push(error["t_ms"].as_u64().unwrap());
    }
    client.shut_down();
    assert!(attempts.windows(2).all(|pair| pair[1] - pair[0] >= 480), "{attempts:?}");
    let state = sim.state();
    let bearers: Vec<&Value> =
        state["upgrade_calls"].as_array().unwrap().iter().map(|call| &call["bearer"]).collect();
    assert!(bearers.len() >= 3 && bearers.iter().all(|bearer| **bearer == *bearers[0]));
}

#[test]
fn a_refused_bearer_with_a_command_is_replaced() {
    let mut sim = Sim::plain();
    only(&sim, &[("bearers", json!("issued")), ("accept_bearer", json!("fresh-1"))]);
    let asked = scratch("asked");
    let command = format!("echo asked >> {}; echo fresh-1", asked.display());
    let mut client = connect_bare(&sim)
        .args(["--bearer", "stale-1", "--speed", "20", "--token-command", &command])
        .start();
    let retry = client.expect("retry_scheduled");
    assert_eq!(retry["cause"], json!({ "handshake": 401 }));
    assert_eq!(client.expect("authorizing")["reason"], "rejected");
    client.expect("online");
    let stale = sim.expect_http("/brand/");
    let fresh = sim.expect_http("/brand/");
    assert_ne!(stale["path"], fresh["path"]);
    client.shut_down();
    assert_eq!(std::fs::read_to_string(asked).unwrap(), "asked\n", "asked once");
}

#[test]
fn the_command_gives_the_first_bearer_too() {
    let sim = Sim::plain();
    only(&sim, &[("bearers", json!("issued")), ("accept_bearer", json!("fresh-1"))]);
    let mut client = connect_bare(&sim).args(["--token-command", "echo fresh-1"]).start();
    client.expect("online");
    client.shut_down();
}

#[test]
fn a_command_that_fails_is_an_error_and_is_asked_again() {
    let sim = Sim::plain();
    only(&sim, &[("bearers", json!("issued")), ("accept_bearer", json!("fresh-1"))]);
    for first in [&["--bearer", "stale-1"][..], &[]] {
        let once = scratch("once");
        let command =
            format!("test -e {0} && echo fresh-1 || {{ touch {0}; exit 1; }}", once.display());
        let mut client = connect_bare(&sim)
            .args(first)
            .args(["--speed", "20", "--token-command", &command])
            .start();
        let error = client.expect("error");
        assert_eq!(error["fault"], "caller", "{error}");
        client.expect("online");
        client.shut_down();
    }
}

#[test]
fn a_command_that_hangs_is_given_up() {
    let sim = Sim::plain();
    only(&sim, &[("bearers", json!("issued"))]);
    let mut client = connect_bare(&sim)
        .args(["--bearer", "stale-1", "--speed", "30", "--token-command", "exec sleep 600"])
        .start();
    client.until("a timeout", |line| line["cause"] == json!({ "timeout": "token" }));
    client.shut_down();
}

#[test]
fn a_signal_ends_the_wait_for_a_first_bearer() {
    let sim = Sim::plain();
    for signal in ["INT", "TERM"] {
        let mut client = connect_bare(&sim).args(["--token-command", "exec sleep 600"]).start();
        assert_eq!(client.expect("authorizing")["reason"], "start");
        client.signal(signal);
        assert_eq!(client.expect("stopped")["reason"], "requested");
        assert_eq!(client.code(), 0);
    }
}

#[test]
fn nothing_of_a_command_outlives_the_wait_for_it() {
    let sim = Sim::plain();
    // The shell has a child, and that has the tool's stderr.
    let command = "echo begun >&2; sleep 60; echo late";
    let mut client = connect_bare(&sim).args(["--token-command", command]).start();
    let begun = std::time::Instant::now();
    while !client.stderr().contains("begun") {
        assert!(begun.elapsed() < PATIENCE, "{}", client.story());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    client.signal("TERM");
    // This waits for the end of stderr, too.
    assert_eq!(client.code(), 0);
    assert!(begun.elapsed() < PATIENCE, "stderr was open for {:?}", begun.elapsed());
}

#[test]
fn an_empty_bearer_is_wrong_usage() {
    let sim = Sim::plain();
    let (code, _, stderr) = connect_bare(&sim).args(["--bearer", ""]).finish();
    assert_eq!((code, stderr.contains("the bearer is empty")), (Some(2), true), "{stderr}");
}
