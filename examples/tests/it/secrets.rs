//! No secret is printed anywhere, whatever is logged.

use serde_json::json;

use crate::support::{Running, Sim, Tool, connect_bare, scratch};

/// Fails where a canary, or a part of one, is found.
pub(crate) fn nowhere(text: &str, what: &str) {
    for form in ["canary", "Canary", "CANARY", "Y2FuYX", "NhbmFye", "jYW5hcn"] {
        if let Some(at) = text.find(form) {
            let from = at.saturating_sub(200);
            let around: String = text.chars().skip(from).take(300).collect();
            panic!("{form} in {what}: {around}");
        }
    }
}

/// Goes through a login, a cut, a refusal and the end with these secrets.
fn live_with(add: impl Fn(Tool) -> Tool) {
    let sim = Sim::start(Tool::new(["serve", "liveperson", "--tls"]).env("REDIAL_LOG", "trace"));
    let (record, state) = (scratch("record"), scratch("state"));
    let tool = connect_bare(&sim).env("REDIAL_LOG", "trace").args(["--speed", "10"]);
    let tool =
        add(tool).arg("--debug-frames").arg("--record").arg(&record).arg("--state").arg(&state);
    let mut client = tool.start();
    client.expect("online");
    client.say(&json!({ "cmd": "update_token", "token": "offered-canary-token" }));
    client.say(&json!({ "cmd": "reconnect", "token": "keep" }));
    client.expect("offline");
    client.expect("online");
    sim.control(json!({ "do": "revoke_tokens" }));
    sim.control(json!({ "do": "cut" }));
    client.expect("retry_scheduled");
    let refused = client.expect("retry_scheduled");
    assert_eq!(refused["cause"], json!({ "handshake": 401 }));
    client.expect("authorizing");
    client.cmd("snapshot");
    client.expect("snapshot");
    client.shut_down();
    assert!(client.stderr().len() > 100, "it logs at trace");
    checked(&client, "the client");
    let Sim { mut process, .. } = sim;
    process.signal("TERM");
    assert_eq!(process.code(), 0);
    checked(&process, "the simulator");
    for file in [record, state] {
        nowhere(&std::fs::read_to_string(file).unwrap(), "a file");
    }
}

pub(crate) fn checked(process: &Running, what: &str) {
    nowhere(&process.stdout(), &format!("stdout of {what}"));
    nowhere(&process.stderr(), &format!("stderr of {what}"));
}

#[test]
fn a_password_is_printed_nowhere() {
    live_with(|tool| tool.args(["--username", "agent", "--password", "canary-password"]));
    live_with(|tool| tool.args(["--username", "agent"]).env("REDIAL_PASSWORD", "canary-password"));
}

#[test]
fn the_secrets_of_a_bot_are_printed_nowhere() {
    live_with(|tool| {
        tool.args(["--username", "bot", "--app-key", "canary-app-key"])
            .args(["--secret", "canary-secret", "--access-token", "canary-access-token"])
            .args(["--access-token-secret", "canary-access-token-secret"])
    });
    live_with(|tool| {
        tool.args(["--username", "bot"])
            .env("REDIAL_APP_KEY", "canary-app-key")
            .env("REDIAL_CLIENT_SECRET", "canary-secret")
            .env("REDIAL_ACCESS_TOKEN", "canary-access-token")
            .env("REDIAL_ACCESS_TOKEN_SECRET", "canary-access-token-secret")
    });
}

#[test]
fn an_assertion_is_printed_nowhere() {
    live_with(|tool| tool.args(["--assertion", "canary-assertion"]));
    live_with(|tool| tool.env("REDIAL_ASSERTION", "canary-assertion"));
}

#[test]
fn a_bearer_is_printed_nowhere() {
    let command = ["--token-command", "echo canary-command-bearer"];
    live_with(|tool| tool.args(["--bearer", "canary/bearer+%20"]).args(command));
    live_with(|tool| {
        tool.env("REDIAL_TOKEN", "canary-bearer")
            .env("REDIAL_TOKEN_COMMAND", "echo canary-command-bearer")
    });
}

#[test]
fn a_proxys_password_is_printed_nowhere() {
    let sim = Sim::plain();
    for url in ["http://user:canary-pass@127.0.0.1:1", "no-such://user:canary-pass@127.0.0.1:1"] {
        let tool = connect_bare(&sim).args(["--bearer", "canary", "--speed", "100"]);
        let mut client = tool.env("REDIAL_LOG", "trace").args(["--proxy", url]).start();
        if url.starts_with("http") {
            client.expect("retry_scheduled");
            client.shut_down();
        } else {
            assert_eq!(client.code(), 2);
        }
        nowhere(&client.stdout(), "stdout");
        nowhere(&client.stderr(), "stderr");
    }
}

#[test]
fn what_the_peer_says_of_a_token_is_printed_without_it() {
    let token = |_: &Sim| "canary-token-0123456789".to_owned();
    let uuid = |_: &Sim| "ca4a27ca-4a27-4a27-8a27-ca4a27ca4a27".to_owned();
    let jwt = |_: &Sim| crate::vonage::jwt(&json!({}));
    let issued = |sim: &Sim| crate::evolution::create(sim, "shop-1");
    let web = ["--profile", "web-messaging", "--deployment", "d", "--session-token"];
    type Case<'a> = (&'a str, &'a [&'a str], &'a dyn Fn(&Sim) -> String, &'a [&'a str]);
    let cases: [Case<'_>; 5] = [
        ("liveperson", &["--account", "1", "--bearer"], &token, &["--csds"]),
        ("genesys", &["--oauth-token"], &token, &["--org"]),
        ("genesys", &web, &uuid, &["--api", "--url"]),
        ("vonage", &["--gen", "v2", "--token"], &jwt, &["--url"]),
        ("evolution", &["--event", "call.upsert", "--token"], &issued, &["--url"]),
    ];
    for (vendor, flags, token, places) in cases {
        let profile = if flags.contains(&"web-messaging") { &web[..2] } else { &[] };
        let sim = Sim::start(Tool::new(["serve", vendor]).args(profile));
        let token = token(&sim);
        let mut tool = Tool::new(["connect", vendor, "--json", "--plain"]).args(flags).arg(&token);
        for place in places {
            let base = match (*place, profile.is_empty()) {
                ("--api", _) => format!("http://{}", sim.host()),
                ("--url", false) => format!("ws://{}/v1", sim.host()),
                _ => sim.host().to_owned(),
            };
            tool = tool.arg(place).arg(base);
        }
        let mut client = tool.env("REDIAL_LOG", "trace").start();
        client.expect("online");
        // As much as a close frame has room for, and less.
        let most = token.len().min(60);
        let reason = format!("no {}: {}", &token[..most], &token[..14]);
        sim.control(json!({ "do": "close", "code": 4000, "reason": reason }));
        assert_eq!(client.expect("offline")["reason"], "no ..: ..", "{vendor}");
        client.shut_down();
        for text in [client.stdout(), client.stderr()] {
            assert!(!text.contains(&token[..14]), "{vendor}: {text}");
        }
    }
}

#[test]
fn help_shows_no_value_of_the_environment() {
    let mut tool = Tool::new(["connect", "liveperson", "--help"]);
    for name in [
        "REDIAL_PASSWORD",
        "REDIAL_APP_KEY",
        "REDIAL_CLIENT_SECRET",
        "REDIAL_ACCESS_TOKEN",
        "REDIAL_ACCESS_TOKEN_SECRET",
        "REDIAL_ASSERTION",
        "REDIAL_TOKEN",
        "REDIAL_TOKEN_COMMAND",
        "REDIAL_PROXY",
    ] {
        tool = tool.env(name, "canary");
    }
    let (code, stdout, stderr) = tool.finish();
    assert_eq!(code, Some(0));
    assert!(stdout.contains("REDIAL_PASSWORD"), "the help names the variables");
    nowhere(&stdout, "help");
    nowhere(&stderr, "stderr");
}
