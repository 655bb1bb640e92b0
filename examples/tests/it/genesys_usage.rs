//! What can be typed after `connect genesys`, and what is never printed.

use serde_json::{Value, json};

use crate::genesys::{cut_at, guest, online, send, serve};
use crate::genesys_web::web;
use crate::secrets::{checked, nowhere};
use crate::support::{Sim, Tool, scratch};

#[test]
fn wrong_usage_gives_2() {
    let org = ["--org", "127.0.0.1:9"];
    let token = ["--oauth-token", "only-for-tests"];
    let web = ["--profile", "web-messaging"];
    let socket = ["--url", "wss://127.0.0.1:9/v1"];
    let rest = ["--api", "https://127.0.0.1:9", "--deployment", "d"];
    let usages: [Vec<&str>; 13] = [
        vec![],
        org.to_vec(),
        token.to_vec(),
        [&org[..], &token, &["--api-key", "k"]].concat(),
        [&org[..], &token, &["--health-timeout", "0"]].concat(),
        [&org[..], &token, &["--resend", "pigeon"]].concat(),
        [&org[..], &token, &["--deployment", "d"]].concat(),
        web.to_vec(),
        [&web[..], &socket].concat(),
        [&web[..], &["--url", "wss://127.0.0.1:9"], &rest].concat(),
        [&web[..], &["--url", "127.0.0.1:9/v1"], &rest].concat(),
        [&web[..], &["--url", "ws://127.0.0.1:9/v1"], &rest].concat(),
        [&web[..], &socket, &rest, &org].concat(),
    ];
    for usage in usages {
        let (code, stdout, stderr) = Tool::new(["connect", "genesys"]).args(&usage).finish();
        assert_eq!(code, Some(2), "{usage:?}: {stderr}");
        assert!(stdout.is_empty(), "{usage:?}: {stdout}");
    }
}

#[test]
fn what_no_run_could_use_gives_2() {
    for args in [
        ["--org", "127.0.0.1:9", "--oauth-token", "short"],
        ["--org", "not a host", "--oauth-token", "only-for-tests"],
        ["--org", "127.0.0.1:9", "--api-key", ""],
    ] {
        let (code, _, stderr) = Tool::new(["connect", "genesys"]).args(args).finish();
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.starts_with("redial: "), "{args:?}: {stderr}");
    }
}

#[test]
fn the_guides_variables_are_read() {
    let sim = serve(&["--set", "oauth_token=the-token-of-the-guide"]);
    for name in ["GENESYS_OAUTH_TOKEN", "REDIAL_TOKEN"] {
        let tool = Tool::new(["connect", "genesys", "--json", "--plain"]);
        let tool = tool.env("GENESYS_ORG_HOSTNAME", sim.host());
        let mut client = online(tool.env(name, "the-token-of-the-guide"));
        client.shut_down();
    }
}

#[test]
fn an_api_key_serves_instead() {
    let sim = serve(&["--set", "api_key=the-key", "--tls"]);
    let tool = Tool::new(["connect", "genesys", "--json", "--org", sim.host()]);
    let mut client = online(tool.args(["--api-key", "the-key", "--ca", sim.ca().unwrap()]));
    client.shut_down();
}

#[test]
fn a_policy_file_changes_the_rules() {
    let sim = serve(&[]);
    let path = scratch("policy.toml");
    std::fs::write(&path, "floor = 10\n[backoff]\ngrowth = { fixed = 77 }\njitter = \"none\"\n")
        .unwrap();
    let mut client = online(guest(&sim, 1).arg("--policy").arg(&path));
    sim.control(json!({ "do": "cut" }));
    assert_eq!(client.expect("retry_scheduled")["delay_ms"], 77);
    client.shut_down();
    for profile in ["guest", "web-messaging"] {
        let tool = Tool::new(["check", "--vendor", "genesys", "--profile", profile]).arg(&path);
        let (code, stdout, stderr) = tool.finish();
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stdout.contains("77 ms"), "{stdout}");
    }
}

#[test]
fn no_secret_is_printed() {
    let sim = Sim::start(Tool::new(["serve", "genesys"]).env("REDIAL_LOG", "trace"));
    let (record, state) = (scratch("record"), scratch("state"));
    let tool = Tool::new(["connect", "genesys", "--json", "--plain", "--org", sim.host()])
        .args(["--speed", "10", "--debug-frames", "--record"])
        .arg(&record)
        .arg("--state")
        .arg(&state)
        .env("REDIAL_LOG", "trace")
        .env("GENESYS_OAUTH_TOKEN", "canary-oauth-token");
    let mut client = online(tool);
    cut_at(&sim, "before_ack");
    client.say(&json!({ "send": { "text": "canary-text" }, "id": "m1" }));
    client.expect("fate");
    client.say(&json!({ "cmd": "update_token", "token": "offered-canary-token" }));
    client.say(&json!({ "cmd": "reconnect" }));
    client.expect("offline");
    client.expect("online");
    client.shut_down();
    checked(&client, "the client");
    let saved: Value = serde_json::from_str(&std::fs::read_to_string(&state).unwrap()).unwrap();
    let guest = saved["snapshot"]["cursor"]["guest"]["token"].as_str().unwrap().to_owned();
    for file in [&record, &state] {
        nowhere(&std::fs::read_to_string(file).unwrap(), "a file");
    }
    // The guest's token stands in the state, and nowhere else.
    let record = std::fs::read_to_string(record).unwrap();
    for text in [client.stdout(), client.stderr(), record, sim.process.stdout()] {
        assert!(!text.contains(&guest));
    }
    // The simulator prints what is said, and so does whoever is asked for messages: no tokens.
    let Sim { mut process, .. } = sim;
    process.signal("TERM");
    assert_eq!(process.code(), 0);
    nowhere(&process.stdout().replace("canary-text", ""), "stdout of the simulator");
}

#[test]
fn no_session_token_is_printed() {
    let sim = serve(&["--profile", "web-messaging"]);
    let tool = web(&sim, 10).args(["--debug-frames"]).env("REDIAL_LOG", "trace");
    let mut client = online(tool.env("REDIAL_SESSION_TOKEN", "canary-session-token"));
    send(&mut client, "m1");
    client.expect("fate");
    sim.control(json!({ "do": "cut" }));
    client.until("the end of the gap", |line| line["filled"] == true);
    client.shut_down();
    checked(&client, "the client");
    let Sim { mut process, .. } = sim;
    process.signal("TERM");
    assert_eq!(process.code(), 0);
    checked(&process, "the simulator");
}

#[test]
fn help_names_the_variables_and_not_their_values() {
    let mut tool = Tool::new(["connect", "genesys", "--help"]);
    let names = ["GENESYS_OAUTH_TOKEN", "REDIAL_TOKEN", "REDIAL_API_KEY", "REDIAL_SESSION_TOKEN"];
    for name in names {
        tool = tool.env(name, "canary");
    }
    let (code, stdout, _) = tool.finish();
    assert_eq!(code, Some(0));
    for name in names {
        assert!(stdout.contains(name), "{name}");
    }
    nowhere(&stdout, "help");
}
