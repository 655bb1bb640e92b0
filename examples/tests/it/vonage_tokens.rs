//! `connect vonage` against `serve vonage`: tokens, refusals and secrets.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::secrets::{checked, nowhere};
use crate::support::{Sim, Tool, scratch, timeless};
use crate::vonage::{BOTH, connect, connect_bare, jwt, of, online, serve, story, until_state};

#[test]
fn an_expired_token_waits_for_another_one() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let mut client = online(connect(&sim, generation));
        expire(&sim);
        let lines = client.lines_until("error");
        let wanted = json!(["offline", "disconnect", ["retry", 1], "authorizing", "error"]);
        assert_eq!(Value::from(story(&lines)), wanted, "{generation}");
        let disconnect = of(&lines, "vendor").next().unwrap();
        assert_eq!(disconnect["reason"], "TOKEN_EXPIRED");
        assert_eq!(of(&lines, "offline").next().unwrap()["cause"], refused("token-expired"));
        let retry = timeless(of(&lines, "retry_scheduled").next().unwrap());
        assert_eq!(
            retry,
            json!({ "kind": "retry_scheduled", "attempt": 1, "delay_ms": 0, "token": "regenerate",
                    "cause": refused("token-expired"),
                    "text": "the token has expired, the session has not: a new token is needed" })
        );
        let error = &lines[lines.len() - 1];
        assert_eq!(
            (&error["fault"], &error["text"]),
            (&json!("caller"), &json!("a token is needed: give one with update_token"))
        );
        // The dead token opens nothing, whoever asks.
        client.cmd("connect");
        client.say(&json!({ "cmd": "update_token", "token": jwt(&json!({})) }));
        let error = client.expect("error");
        assert_eq!(error["text"], "the token that was offered is the one that was refused");
        assert_eq!(sim.state()["upgrades"], 1, "{generation}");
        client.say(&json!({ "cmd": "update_token", "token": jwt(&json!({ "n": 2 })) }));
        let lines = client.lines_until("message");
        let told = story(&lines);
        assert_eq!(told[told.len() - 4..], ["connecting", "online", "ready", "message"]);
        assert_eq!(of(&lines, "online").next().unwrap()["continuity"], "resumed");
        client.shut_down();
        let state = sim.state();
        assert_eq!((&state["logins"], &state["resumed"]), (&json!(1), &json!(1)), "{generation}");
        assert_eq!(labels(&state["attaches"]).last().unwrap(), "jwt-2");
    }
}

#[test]
fn a_token_command_replaces_an_expired_token() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let (calls, command) = counted(&jwt(&json!({ "n": 2 })));
        let mut client = online(connect(&sim, generation).args(["--token-command", &command]));
        assert_eq!(count(&calls), 0, "there was a first token");
        expire(&sim);
        let lines = client.lines_until("message");
        let wanted = json!([
            "offline",
            "disconnect",
            ["retry", 1],
            "authorizing",
            "token",
            "connecting",
            ["reconnecting", 1],
            "online",
            "reconnect",
            "message",
        ]);
        assert_eq!(Value::from(story(&lines)), wanted, "{generation}");
        assert_eq!(of(&lines, "online").next().unwrap()["continuity"], "resumed");
        assert_eq!(count(&calls), 1, "{generation}");
        client.shut_down();
    }
}

#[test]
fn a_token_command_alone_gives_the_first_token_too() {
    let sim = serve("v2", &[]);
    let (calls, command) = counted(&jwt(&json!({})));
    let mut client = online(connect_bare(&sim, "v2").args(["--token-command", &command]));
    assert_eq!(count(&calls), 1);
    client.shut_down();
}

#[test]
fn a_token_that_is_given_while_online_is_made_known_at_once() {
    for (generation, via) in [("v1", "socket"), ("v2", "rest")] {
        let sim = serve(generation, &[]);
        let mut client = online(connect(&sim, generation));
        client.say(&json!({ "cmd": "update_token", "token": jwt(&json!({ "n": 2 })) }));
        assert_eq!(client.expect("authorizing")["reason"], "expiring");
        assert_eq!(client.expect("token")["id"], 2);
        let state = sim.state();
        let call = &state["refresh_calls"][0];
        assert_eq!((&call["via"], &call["ok"]), (&json!(via), &json!(true)));
        // One that is not taken leaves the old one in its place.
        sim.control(json!({ "do": "refuse", "step": "refresh", "status": 401 }));
        client.say(&json!({ "cmd": "update_token", "token": jwt(&json!({ "n": 3 })) }));
        let error = client.until("the refusal", |line| line["kind"] == "error");
        let text = error["text"].as_str().unwrap();
        assert!(text.starts_with("the token could not be renewed: "), "{text}");
        sim.control(json!({ "do": "cut" }));
        client.expect("online");
        assert_eq!(labels(&sim.state()["attaches"]).last().unwrap(), "jwt-2", "{generation}");
        client.shut_down();
        assert_eq!(of(client.seen(), "offline").count(), 2, "the cut and the end");
    }
}

#[test]
fn a_token_that_is_given_while_disconnected_waits_for_the_next_attempt() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let mut client = online(connect(&sim, generation).args(["--attempts", "0"]));
        sim.control(json!({ "do": "cut" }));
        client.expect("suspended");
        client.say(&json!({ "cmd": "update_token", "token": jwt(&json!({ "n": 2 })) }));
        client.say_bytes(b"marker\n");
        client.expect("error");
        assert_eq!(sim.state()["upgrades"], 1, "it is no reason to dial");
        client.cmd("connect");
        let lines = client.lines_until("online");
        assert!(of(&lines, "error").next().is_none(), "{generation}");
        assert_eq!(labels(&sim.state()["attaches"]), ["jwt-1", "jwt-2"], "{generation}");
        client.shut_down();
    }
}

#[test]
fn a_token_is_renewed_before_it_expires_where_a_command_gives_another() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let (calls, command) = counted(&jwt(&json!({ "n": 2 })));
        let short = short_lived();
        let tool = connect_bare(&sim, generation).args(["--speed", "20", "--token", &short]);
        let mut client = tool.args(["--token-command", &command]).start();
        assert!(client.expect("token")["expires_in_ms"].as_u64().is_some_and(|ms| ms <= 4_000));
        let lines = client.lines_until("authorizing");
        assert_eq!(lines.last().unwrap()["reason"], "expiring", "{generation}");
        // The new one never expires.
        let token = client.expect("token");
        assert_eq!((&token["id"], &token["expires_in_ms"]), (&json!(2), &Value::Null));
        assert_eq!(count(&calls), 1, "{generation}");
        client.shut_down();
        let state = sim.state();
        let counts = ["refreshes", "disconnects", "upgrades"].map(|key| state[key].clone());
        assert_eq!(counts, [json!(1), json!(0), json!(1)], "{generation}");
    }
}

#[test]
fn proactive_renewal_can_be_switched_off() {
    let sim = serve("v2", &[]);
    let (calls, command) = counted(&jwt(&json!({ "n": 2 })));
    let tool = connect_bare(&sim, "v2").args(["--speed", "20", "--token", &short_lived()]);
    let mut client = tool.args(["--token-command", &command, "--no-proactive-refresh"]).start();
    client.expect("online");
    let lines = client.lines_until("offline");
    assert_eq!(lines.last().unwrap()["cause"], refused("token-expired"));
    assert!(of(&lines, "authorizing").next().is_none(), "nobody was asked before");
    assert_eq!(client.expect("authorizing")["reason"], "rejected");
    assert_eq!(client.expect("online")["continuity"], "resumed");
    assert_eq!(count(&calls), 1);
    client.shut_down();
    assert_eq!(sim.state()["refreshes"], 0);
}

#[test]
fn a_token_that_does_not_say_when_it_expires_is_never_renewed_by_time() {
    let mut sim = serve("v2", &["--ping-interval", "100"]);
    let (calls, command) = counted(&jwt(&json!({ "n": 2 })));
    let mut client = online(connect(&sim, "v2").args(["--token-command", &command]));
    for _ in 0..10 {
        sim.process.until("a heartbeat", |line| line["dir"] == "client" && line["json"] == 3);
    }
    assert_eq!((count(&calls), &sim.state()["refreshes"]), (0, &json!(0)));
    client.shut_down();
}

#[test]
fn a_token_that_is_not_good_is_replaced_once() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let (calls, command) = counted(&jwt(&json!({ "n": 2 })));
        let mut client = online(connect(&sim, generation).args(["--token-command", &command]));
        sim.control(json!({ "do": "revoke_tokens" }));
        sim.control(json!({ "do": "cut" }));
        client.until("the refusal", |line| line["cause"] == refused("system:error:invalid-token"));
        assert_eq!(client.expect("online")["continuity"], "resumed", "{generation}");
        assert_eq!(count(&calls), 1);
        // The next one is not good either.
        sim.control(json!({ "do": "refuse", "step": "login", "times": 2, "status": 401 }));
        std::fs::write(calls.with_file_name("token"), jwt(&json!({ "n": 3 }))).unwrap();
        sim.control(json!({ "do": "cut" }));
        let stopped = client.expect("stopped");
        assert_eq!(stopped["cause"], refused("system:error:invalid-token"));
        assert_eq!(stopped["text"], "another token has not helped");
        assert_eq!(client.code(), 3, "{generation}");
        let why = "redial: the policy gave the session up: another token has not helped\n";
        assert!(client.stderr().ends_with(why), "{}", client.stderr());
    }
}

#[test]
fn each_refusal_of_a_login_does_what_the_vendor_says() {
    // The event, what becomes of the session, and how often it was asked for.
    let rows = [
        ("system:error:expired-token", "error"),
        ("system:error:invalid-token", "error"),
        ("user:error:invalid-user", "stopped"),
        ("user:error:not-found", "stopped"),
        ("system:error:permission", "stopped"),
        ("session:error:max-open-sessions", "online"),
        ("session:terminated", "stopped"),
        ("session:logged-out", "stopped"),
    ];
    for generation in BOTH {
        for (event, end) in rows {
            let sim = serve(generation, &[]);
            let body = json!({ "event": event });
            sim.control(json!({ "do": "refuse", "step": "login", "status": 400, "body": body }));
            let token = jwt(&json!({}));
            let tool = connect_bare(&sim, generation).args(["--speed", "100", "--token", &token]);
            let mut client = tool.start();
            let lines = client.lines_until(end);
            let cause = lines.iter().find(|line| !line["cause"].is_null()).unwrap();
            assert_eq!(cause["cause"], refused(event), "{generation} {event}");
            match end {
                "stopped" => assert_eq!(client.code(), 3, "{generation} {event}"),
                _ => client.shut_down(),
            }
            let asked = if end == "online" { 2 } else { 1 };
            let attaches = sim.state()["attaches"].as_array().unwrap().len();
            assert_eq!(attaches, asked, "{generation} {event}");
        }
    }
}

#[test]
fn any_other_refusal_of_a_login_waits_to_be_told() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        sim.control(json!({ "do": "refuse", "step": "login", "status": 500 }));
        let mut client = connect(&sim, generation).start();
        let suspended = client.expect("suspended");
        assert_eq!(
            (&suspended["reason"], &suspended["cause"]),
            (&json!("policy"), &refused("login-refused"))
        );
        assert_eq!(client.expect("vendor")["name"], "login-refused");
        client.cmd("connect");
        client.expect("online");
        client.shut_down();
    }
}

#[test]
fn a_session_that_is_not_known_any_more_is_told_and_replaced() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let mut client = connect(&sim, generation).start();
        let first = client.expect("message")["body"]["id"].clone();
        sim.control(json!({ "do": "expire_sessions" }));
        sim.control(json!({ "do": "cut" }));
        let lost = timeless(&client.expect("message"));
        let wanted = json!({ "kind": "message", "event": "session:lost", "type": "session",
                             "duplicate": false, "body": { "id": first } });
        assert_eq!(lost, wanted, "{generation}");
        let retry = client.expect("retry_scheduled");
        assert_eq!(retry["cause"], refused("session:error:invalid"));
        assert_eq!(client.expect("connecting")["intent"], "restart");
        assert_eq!(client.expect("online")["continuity"], "fresh");
        assert_eq!(client.expect("message")["body"]["previous"], first, "{generation}");
        client.shut_down();
    }
}

#[test]
fn a_refused_namespace_is_judged_by_its_message() {
    let sim = serve("v2", &["--set", "reject_with=\"connect_error\""]);
    let body = json!({ "event": "x", "description": "Invalid namespace" });
    sim.control(json!({ "do": "refuse", "step": "login", "status": 400, "body": body }));
    let mut client = connect(&sim, "v2").start();
    let retry = client.expect("retry_scheduled");
    assert_eq!(
        (&retry["cause"], &retry["token"]),
        (&refused("connect-error"), &json!("regenerate"))
    );
    client.shut_down();
}

#[test]
fn the_other_generation_is_recognised() {
    let sim = serve("v2", &[]);
    let mut client = connect(&sim, "v1").start();
    let retry = client.until("an end", |line| !line["cause"].is_null());
    assert!(retry["cause"]["handshake"].is_u64(), "{retry}");
    client.shut_down();
}

#[test]
fn no_secret_is_printed_anywhere() {
    for generation in BOTH {
        let tool = Tool::new(["serve", "vonage", "--gen", generation]).env("REDIAL_LOG", "trace");
        let mut sim = Sim::start(tool);
        let canary = |n| jwt(&json!({ "note": "canary", "n": n }));
        let (record, state) = (scratch("record"), scratch("state"));
        let tool = connect_bare(&sim, generation)
            .args([
                "--speed",
                "20",
                "--debug-frames",
                "--token-command",
                &format!("echo {}", canary(2)),
            ])
            .arg("--record")
            .arg(&record)
            .arg("--state")
            .arg(&state)
            .env("REDIAL_LOG", "trace")
            .env("REDIAL_TOKEN", &canary(1));
        let mut client = tool.start();
        client.expect("online");
        client.say(&json!({ "cmd": "update_token", "token": canary(3) }));
        until_state(&sim, |state| state["refreshes"] == 1);
        client.say(&json!({ "send": { "event": "text", "body": { "text": "canary" } } }));
        client.expect("fate");
        expire(&sim);
        client.expect("offline");
        client.say(&json!({ "cmd": "update_token", "token": canary(4) }));
        client.expect("online");
        client.say(&json!({ "cmd": "update_token", "token": "can\u{7}ary" }));
        assert_eq!(client.expect("error")["text"], "the token that was offered is malformed");
        client.shut_down();
        assert!(client.stderr().len() > 100, "it logs at trace");
        checked(&client, "the client");
        nowhere(&std::fs::read_to_string(&record).unwrap(), "the record");
        assert_eq!(crate::state::mode(&state), 0o600);
        sim.process.signal("TERM");
        assert_eq!(sim.process.code(), 0);
        let tokens = sim.process.stdout();
        for n in 1..=4 {
            assert!(!tokens.contains(&canary(n)), "{generation}: a token in the simulator's lines");
        }
    }
}

#[test]
fn wrong_usage_gives_2_and_says_how_it_is_used() {
    let token = ["--token", "a.b.c"];
    let url = ["--url", "http://127.0.0.1:9"];
    let usages: Vec<Vec<&str>> = vec![
        vec![],
        url.to_vec(),
        [&url[..], &["--token", ""]].concat(),
        [&url[..], &["--token", "a b"]].concat(),
        [&url[..], &token, &["--gen", "v3"]].concat(),
        [&url[..], &token, &["--backoff", "none"]].concat(),
        [&url[..], &token, &["--backoff", "sdk", "--policy", "x.toml"]].concat(),
        [&url[..], &token, &["--speed", "0"]].concat(),
        [&url[..], &token, &["--attempts", "-1"]].concat(),
        [&url[..], &token, &["--event", "x"]].concat(),
        [&token[..], &["--plain"]].concat(),
        [&token[..], &["--url", "ftp://127.0.0.1:9"]].concat(),
        [&token[..], &["--url", "http://user@127.0.0.1:9"]].concat(),
        [&token[..], &["--url", "http://127.0.0.1:9?x=1"]].concat(),
        [&token[..], &url, &["--api-url", "ftp://127.0.0.1:9"]].concat(),
    ];
    for usage in usages {
        let (code, stdout, stderr) = Tool::new(["connect", "vonage"]).args(&usage).finish();
        assert_eq!(code, Some(2), "{usage:?}: {stderr}");
        assert!(stdout.is_empty(), "{usage:?}: {stdout}");
        assert!(!stderr.is_empty(), "{usage:?}");
    }
    let (_, _, stderr) = Tool::new(["connect", "vonage"]).finish();
    assert!(stderr.contains("give --token or --token-command"), "{stderr}");
    assert!(stderr.contains("Usage: redial connect vonage"), "{stderr}");
}

#[test]
fn every_scheme_is_taken_and_the_environment_gives_the_token() {
    let sim = serve("v2", &[]);
    let (host, token) = (sim.host(), jwt(&json!({})));
    for url in [format!("http://{host}"), format!("ws://{host}"), format!("http://{host}/")] {
        let tool = Tool::new(["connect", "vonage", "--json", "--url", &url]);
        let mut client = online(tool.env("REDIAL_TOKEN", &token));
        client.shut_down();
    }
    for url in [format!("https://{host}"), format!("wss://{host}"), host.to_owned()] {
        let tool = Tool::new(["connect", "vonage", "--json", "--plain", "--url", &url]);
        let mut client = online(tool.args(["--token", &token]));
        client.shut_down();
    }
    let sim = serve("v2", &["--tls"]);
    let url = format!("wss://{}", sim.host());
    let tool = Tool::new(["connect", "vonage", "--json", "--url", &url, "--token", &token]);
    let mut client = online(tool.args(["--ca", sim.ca().unwrap()]));
    client.shut_down();
}

fn refused(name: &str) -> Value {
    json!({ "refused": name })
}

fn expire(sim: &Sim) {
    sim.control(json!({ "do": "set", "key": "expire_tokens", "value": true }));
}

fn labels(calls: &Value) -> Vec<Value> {
    calls.as_array().unwrap().iter().map(|call| call["token"].clone()).collect()
}

/// Makes a token that lives for four seconds.
fn short_lived() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    jwt(&json!({ "iat": now, "exp": now + 4.0 }))
}

/// Makes a command that prints a token and notes each call in a file.
fn counted(token: &str) -> (std::path::PathBuf, String) {
    let calls = scratch("calls");
    let file = calls.with_file_name("token");
    std::fs::write(&file, token).unwrap();
    let command = format!("echo called >> {}; cat {}", calls.display(), file.display());
    (calls, command)
}

fn count(calls: &Path) -> usize {
    std::fs::read_to_string(calls).map_or(0, |text| text.lines().count())
}
