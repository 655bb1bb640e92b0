//! `connect evolution --profile codechat` against `serve evolution`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::secrets::checked;
use crate::state::mode;
use crate::support::{PATIENCE, Running, Sim, Tool, scratch, timeless};

#[test]
fn a_session_begins_with_these_lines() {
    let sim = serve(&[]);
    let mut client = connect(&sim, &["call.upsert"]).start();
    let mut lines = client.lines_until("online");
    lines.push(client.expect("vendor"));
    let lines: Vec<Value> = lines.iter().map(timeless).collect();
    assert_eq!(
        lines,
        [
            json!({ "kind": "authorizing", "reason": "start" }),
            json!({ "kind": "token", "id": 1, "expires_in_ms": null }),
            json!({ "kind": "connecting", "conn": 1, "intent": "restart" }),
            json!({ "kind": "online", "conn": 1, "continuity": "fresh", "after_ms": 0 }),
            json!({ "kind": "vendor", "name": "open" }),
        ]
    );
    client.shut_down();
    assert!(client.seen().iter().all(|line| line["session"].is_null()), "one needs no name");
    let state = sim.state();
    assert_eq!(state["sockets"][0]["first_message"], r#"{"message":"test data"}"#);
    assert_eq!(state["upgrade_calls"][0]["path"], "/ws/events");
}

#[test]
fn several_events_are_several_sockets_in_one_process_and_every_line_says_which() {
    let sim = serve(&[]);
    let events = ["call.upsert", "connection.update", "messages.upsert"];
    let mut client = connect(&sim, &events).start();
    for _ in events {
        client.expect("online");
    }
    for event in events {
        emit(&sim, event, &json!({ "for": event }));
        let message = client.expect("message");
        let wanted = json!({ "kind": "message", "session": event, "event": event,
                             "body": { "for": event } });
        assert_eq!(timeless(&message), wanted);
    }
    let state = sim.state();
    assert_eq!((&state["upgrades"], &state["mute_sockets"]), (&json!(3), &json!(0)));
    client.cmd("shutdown");
    assert_eq!(client.code(), 0);
    for line in client.seen() {
        let session = line["session"].as_str().unwrap_or_default();
        assert!(events.contains(&session), "{line}");
    }
    let ends = client.seen().iter().filter(|line| line["kind"] == "stopped").count();
    assert_eq!(ends, 3);
}

#[test]
fn a_socket_that_is_lost_is_back_after_five_seconds_and_the_others_stay() {
    let sim = serve(&[]);
    let mut client = online(connect(&sim, &["call.upsert", "send.message"]), 2);
    sim.control(json!({ "do": "set", "key": "cut_event", "value": "send.message" }));
    let retry = client.expect("retry_scheduled");
    let wanted = json!({ "kind": "retry_scheduled", "session": "send.message", "attempt": 1,
                         "delay_ms": 500, "token": "keep", "cause": "network" });
    assert_eq!(timeless(&retry), wanted);
    let online = client.expect("online");
    assert_eq!((&online["session"], &online["conn"]), (&json!("send.message"), &json!(2)));
    let gap = client.expect("gap");
    assert_eq!((&gap["session"], &gap["certainty"]), (&json!("send.message"), &json!("possible")));
    assert_eq!((&gap["cause"], &gap["filled"]), (&json!("network"), &json!(false)));
    emit(&sim, "send.message", &json!([1, 2]));
    assert_eq!(client.expect("message")["body"], json!([1, 2]));
    client.shut_down();
    let state = sim.state();
    assert_eq!(state["upgrades"], 3);
    let since = state["upgrade_calls"][2]["since_ms"].as_u64().unwrap();
    assert!((490..5_000).contains(&since), "{since}");
}

#[test]
fn the_seed_waits_five_seconds() {
    let sim = serve(&[]);
    let token = create(&sim, "shop-1");
    let tool = Tool::new(["connect", "evolution", "--json", "--event", "call.upsert"]);
    let tool = tool.args(["--url", ws(&sim), "--token", &token]);
    let mut client = tool.start();
    client.expect("online");
    sim.control(json!({ "do": "close", "code": 1011, "reason": "as a proxy" }));
    let offline = client.expect("offline");
    assert_eq!(
        (&offline["cause"], &offline["reason"]),
        (&json!({ "close": 1011 }), &json!("as a proxy"))
    );
    assert_eq!(client.expect("retry_scheduled")["delay_ms"], 5_000);
    // In the middle of the wait.
    client.signal("TERM");
    assert_eq!(client.code(), 0);
    assert_eq!(sim.state()["upgrades"], 1);
}

#[test]
fn a_refused_token_is_reported_each_time_at_the_same_pace() {
    let sim = serve(&[]);
    let tool = Tool::new(["connect", "evolution", "--json", "--event", "call.upsert"]);
    let tool = tool.args(["--url", ws(&sim), "--token", "no.such.token", "--speed", "20"]);
    let mut client = tool.start();
    for attempt in 1..=3 {
        let retry = timeless(&client.expect("retry_scheduled"));
        let wanted = json!({ "kind": "retry_scheduled", "attempt": attempt, "delay_ms": 250,
                             "token": "regenerate", "cause": { "handshake": 401 },
                             "text": "token or event refused" });
        assert_eq!(retry, wanted);
        let error = timeless(&client.expect("error"));
        let wanted =
            json!({ "kind": "error", "fault": "caller", "text": "token or event refused" });
        assert_eq!(error, wanted);
    }
    // A token that the user gives is used by the next attempt.
    client.say(&json!({ "cmd": "update_token", "token": create(&sim, "shop-1") }));
    client.expect("online");
    client.shut_down();
}

#[test]
fn any_refusal_is_an_error_in_words_and_a_close() {
    let sim = serve(&[]);
    sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 1, "status": 502 }));
    let mut client = online(connect(&sim, &["call.upsert"]), 1);
    client.shut_down();
    let vendor: Vec<_> = client.seen().iter().filter(|line| line["kind"] == "vendor").collect();
    assert_eq!(
        (&vendor[0]["name"], &vendor[0]["text"]),
        (&json!("error"), &json!("handshake 502"))
    );
    assert_eq!((&vendor[1]["name"], &vendor[1]["code"]), (&json!("close"), &json!(1006)));
}

#[test]
fn one_token_command_serves_all_sockets() {
    let sim = serve(&[]);
    let (first, second) = (create(&sim, "shop-1"), scratch("token"));
    let calls = scratch("calls");
    let command = format!("echo called >> {}; cat {}", calls.display(), second.display());
    let tool = connect_with(&sim, &["call.upsert", "send.message", "messages.upsert"], &first);
    let mut client = online(tool.args(["--token-command", &command]), 3);
    assert!(!calls.exists(), "there was a first token");
    sim.control(json!({ "do": "revoke_tokens" }));
    std::fs::write(&second, create(&sim, "shop-1-again")).unwrap();
    sim.control(json!({ "do": "cut" }));
    for _ in 0..3 {
        client.expect("online");
    }
    assert_eq!(std::fs::read_to_string(&calls).unwrap(), "called\n");
    client.shut_down();
}

#[test]
fn a_token_command_alone_gives_the_first_token_too() {
    let sim = serve(&[]);
    let command = format!("echo {}", create(&sim, "shop-1"));
    let tool = Tool::new(["connect", "evolution", "--json", "--event", "call.upsert"]);
    let mut client = online(tool.args(["--url", ws(&sim), "--token-command", &command]), 1);
    client.shut_down();
}

#[test]
fn the_server_replaces_the_token_once_for_all_sockets() {
    let sim = serve(&[]);
    let tool = connect(&sim, &["call.upsert", "send.message"]);
    let mut client = online(tool.args(["--refresh-instance", "shop-1"]), 2);
    sim.control(json!({ "do": "revoke_tokens" }));
    sim.control(json!({ "do": "cut" }));
    for _ in 0..2 {
        client.expect("online");
    }
    client.shut_down();
    assert_eq!(sim.state()["refreshes"], 1);
}

#[test]
fn a_source_that_fails_says_why_and_does_not_stop_the_dialling() {
    let sim = serve(&[]);
    sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 2, "status": 401 }));
    let tool = connect(&sim, &["call.upsert"]).args(["--token-command", "exit 1"]);
    let mut client = online(tool, 1);
    client.shut_down();
    let refusals = client.seen().iter().filter(|line| line["cause"] == json!({ "handshake": 401 }));
    assert_eq!(refusals.count(), 2);
    let why = "the token source failed (caller): the token command gave no token";
    assert_eq!(client.stderr().matches(why).count(), 2);
}

#[test]
fn a_token_command_that_hangs_is_run_again_for_all_sockets() {
    let sim = serve(&[]);
    let (good, calls) = (create(&sim, "shop-1"), scratch("calls"));
    let calls_path = calls.display();
    let command = format!(
        "echo called >> {calls_path}; test $(wc -l < {calls_path}) -ge 2 || exec sleep 600; \
         echo {good}"
    );
    let tool = connect_with(&sim, &["call.upsert", "send.message"], "not.a.token");
    let mut client = online(tool.args(["--token-command", &command]), 2);
    client.shut_down();
    assert_eq!(std::fs::read_to_string(&calls).unwrap(), "called\n".repeat(2));
}

#[test]
fn a_refresh_that_hangs_is_given_up_after_ten_seconds() {
    let sim = serve(&[]);
    let token = create(&sim, "shop-1");
    sim.control(json!({ "do": "revoke_tokens" }));
    sim.control(json!({ "do": "refuse", "step": "refresh", "times": 1, "hang": true }));
    let tool = connect_with(&sim, &["call.upsert"], &token);
    let mut client = online(tool.args(["--refresh-instance", "shop-1"]), 1);
    client.shut_down();
    let waits: Vec<_> =
        client.seen().iter().filter(|line| line["kind"] == "retry_scheduled").collect();
    // The token is refused, asked for in vain, refused again, and replaced.
    assert!(waits.iter().all(|wait| wait["cause"] == json!({ "handshake": 401 })), "{waits:?}");
    let between = waits[1]["t_ms"].as_u64().unwrap() - waits[0]["t_ms"].as_u64().unwrap();
    assert!((1_490..3_000).contains(&between), "{between}");
    assert!(client.stderr().contains("the server does not answer"));
}

#[test]
fn a_token_that_the_server_has_replaced_outlives_the_process() {
    let sim = serve(&[]);
    let (state, token) = (scratch("state"), create(&sim, "shop-1"));
    let events = ["call.upsert", "send.message"];
    let run = || {
        sim.control(json!({ "do": "revoke_tokens" }));
        let tool = connect_with(&sim, &events, &token).args(["--refresh-instance", "shop-1"]);
        let client = online(tool.arg("--state").arg(&state), 2);
        client.signal("KILL");
    };
    // The server replaces the newest token only, so the second process must have it.
    run();
    run();
    assert_eq!(sim.state()["refreshes"], 2);
    let kept = format!("{}.instance-token", state.display());
    assert_eq!(mode(kept.as_ref()), 0o600);
}

#[test]
fn the_test_message_is_another_or_none() {
    let sim = serve(&[]);
    let token = create(&sim, "shop-1");
    let first = |args: &[&str]| {
        let mut client = online(connect_with(&sim, &["call.upsert"], &token).args(args), 1);
        // What is sent later arrives later.
        client.say(&json!({ "send": { "marker": 1 }, "id": "m" }));
        let fate = client.expect("fate");
        assert_eq!((&fate["id"], &fate["fate"]), (&json!("m"), &json!("acked")));
        client.shut_down();
        let state = sim.state();
        state["sockets"].as_array().unwrap().last().unwrap()["first_message"].clone()
    };
    assert_eq!(first(&["--test-message", r#"{"message":"mine"}"#]), r#"{"message":"mine"}"#);
    assert_eq!(first(&["--no-test-message"]), r#"{"marker":1}"#);
}

#[test]
fn an_unknown_event_can_be_allowed_and_is_then_refused_by_the_server() {
    let sim = serve(&[]);
    let mut client = connect(&sim, &["new.event"]).arg("--allow-unknown-event").start();
    assert_eq!(client.expect("retry_scheduled")["cause"], json!({ "handshake": 401 }));
    client.shut_down();
    let upgrade = &sim.state()["upgrade_calls"][0];
    assert_eq!((&upgrade["event"], &upgrade["status"]), (&json!("new.event"), &json!(401)));
}

#[test]
fn an_event_that_is_never_sent_warns() {
    let sim = serve(&[]);
    let mut client = connect(&sim, &["contacts.update"]).start();
    let error = client.expect("error");
    assert_eq!(error["text"], "the server takes this event and never sends it over a socket");
    client.expect("online");
    client.shut_down();
}

#[test]
fn a_dead_peer_is_noticed_unless_that_is_switched_off() {
    let sim = serve(&[]);
    let token = create(&sim, "shop-1");
    let tool = |event| connect_with(&sim, &[event], &token);
    let mut client = online(tool("call.upsert"), 1);
    let mut deaf = online(tool("send.message").arg("--no-ping"), 1);
    sim.control(json!({ "do": "silent", "on": true }));
    assert_eq!(client.expect("offline")["cause"], json!({ "timeout": "pong" }));
    client.shut_down();
    deaf.shut_down();
    assert!(deaf.seen().iter().all(|line| line["cause"] != json!({ "timeout": "pong" })));
}

#[test]
fn a_line_of_stdin_is_for_the_session_that_it_names_or_for_all() {
    let sim = serve(&[]);
    let mut client = online(connect(&sim, &["call.upsert", "send.message"]), 2);
    client.say(&json!({ "cmd": "reconnect", "token": "keep", "session": "send.message" }));
    assert_eq!(client.expect("offline")["session"], "send.message");
    assert_eq!(client.expect("online")["session"], "send.message");
    for bad in ["no json", "[]", r#"{"cmd":"recover","session":"nobody"}"#] {
        client.say_bytes(format!("{bad}\n").as_bytes());
        let error = client.expect("error");
        assert_eq!((&error["fault"], &error["session"]), (&json!("caller"), &json!("*")));
    }
    client.say(&json!({ "cmd": "reconnect", "token": "keep" }));
    let mut lost =
        [client.expect("offline"), client.expect("offline")].map(|l| l["session"].clone());
    lost.sort_by_key(|name| name.to_string());
    assert_eq!(lost, ["call.upsert", "send.message"]);
    for _ in 0..2 {
        client.expect("online");
    }
    client.shut_down();
}

#[test]
fn a_server_that_never_stops_talking_does_not_drown_stdin() {
    let sim = serve(&[]);
    let mut client = online(connect(&sim, &["call.upsert"]), 1);
    client.signal("STOP");
    // 5,000 frames of `{"x":1}`, as many as a command can hold.
    let frames = "gQd7IngiOjF9".repeat(5_000);
    for _ in 0..10 {
        sim.control(json!({ "do": "send_raw", "base64": frames }));
    }
    client.say_bytes(b"nonsense\n");
    client.signal("CONT");
    client.expect("error");
    let messages = client.seen().iter().filter(|line| line["kind"] == "message").count();
    assert!(messages < 5_000, "{messages} came first");
    client.signal("KILL");
}

#[test]
fn each_of_several_sockets_has_files_of_its_own() {
    let sim = serve(&[]);
    let (record, state) = (scratch("record"), scratch("state"));
    let token = create(&sim, "shop-1");
    let run = || {
        let tool = connect_with(&sim, &["call.upsert", "send.message"], &token);
        let mut client = online(tool.arg("--record").arg(&record).arg("--state").arg(&state), 2);
        client.shut_down();
        client.seen().iter().filter(|line| line["kind"] == "gap").count()
    };
    assert_eq!(run(), 0);
    for event in ["call.upsert", "send.message"] {
        for path in [&record, &state] {
            let path = format!("{}.{event}", path.display());
            assert!(std::fs::metadata(&path).unwrap().len() > 50, "{path}");
        }
    }
    // What came between the two processes is gone, and each socket says so.
    assert_eq!(run(), 2);
}

#[test]
fn no_secret_is_printed_anywhere() {
    let secret = ["--jwt-secret", "canary-secret"];
    let tool = Tool::new(["serve", "evolution"]).args(secret).env("REDIAL_LOG", "trace");
    let mut sim = Sim::start(tool);
    let (record, state) = (scratch("record"), scratch("state"));
    let tool = Tool::new(["connect", "evolution", "--json", "--url", ws(&sim)])
        .args(["--event", "call.upsert", "--event", "send.message", "--speed", "20"])
        .args(["--debug-frames", "--test-message", r#""canary-message""#])
        .arg("--record")
        .arg(&record)
        .arg("--state")
        .arg(&state)
        .env("REDIAL_LOG", "trace")
        .env("REDIAL_TOKEN", "canary.canary.canary");
    let mut client = tool.start();
    client.expect("retry_scheduled");
    client.say(&json!({ "cmd": "update_token", "token": "canary-offered" }));
    client.expect("connecting");
    client.expect("retry_scheduled");
    let token = create(&sim, "shop-1");
    client.say(&json!({ "cmd": "update_token", "token": token }));
    for _ in 0..2 {
        client.expect("online");
    }
    sim.control(json!({ "do": "send_text", "text": "not json canary" }));
    assert_eq!(
        client.until("the problem", |line| line["text"] == "a frame that is not JSON")["fault"],
        "vendor"
    );
    client.shut_down();
    assert!(client.stderr().len() > 100, "it logs at trace");
    checked(&client, "the client");
    assert!(!client.stderr().contains(&token) && !client.stdout().contains(&token));
    for event in ["call.upsert", "send.message"] {
        let trace = std::fs::read_to_string(format!("{}.{event}", record.display())).unwrap();
        assert!(!trace.contains(&token));
    }
    sim.process.signal("TERM");
    assert_eq!(sim.process.code(), 0);
}

#[test]
fn wrong_usage_gives_2() {
    let event = ["--event", "call.upsert"];
    let token = ["--token", "a.b.c"];
    let v2 = ["--profile", "v2", "--event", "call"];
    let (url, key) = (["--url", "http://127.0.0.1:9"], ["--apikey", "k"]);
    let usages: Vec<Vec<&str>> = vec![
        vec![],
        event.to_vec(),
        token.to_vec(),
        [&event[..], &token, &["--profile", "v3"]].concat(),
        [&event[..], &token, &["--apikey", "k"]].concat(),
        [&event[..], &token, &["--instance", "i"]].concat(),
        [&event[..], &token, &["--global"]].concat(),
        [&event[..], &token, &["--test-message", "1", "--no-test-message"]].concat(),
        [&event[..], &token, &["--test-message", "{no json"]].concat(),
        [&event[..], &token, &["--refresh-instance", "i", "--token-command", "x"]].concat(),
        [&event[..], &["--refresh-instance", "i"]].concat(),
        [&event[..], &token, &["--url", "ftp://127.0.0.1:9"]].concat(),
        [&event[..], &token, &["--url", "ws://user@127.0.0.1:9"]].concat(),
        [&event[..], &token, &["--url", "ws://127.0.0.1:9?x=1"]].concat(),
        [&event[..], &event, &token].concat(),
        [&token[..], &["--event", "nope"]].concat(),
        [&token[..], &["--event", "MESSAGES_UPSERT"]].concat(),
        [&token[..], &["--event", "messaging-history.set"]].concat(),
        [&token[..], &["--event", "messaging-history.set", "--allow-unknown-event"]].concat(),
        [&event[..], &["--token", ""]].concat(),
        v2.to_vec(),
        [&v2[..], &url].concat(),
        [&v2[..], &url, &key].concat(),
        [&v2[..], &key, &["--global"]].concat(),
        [&v2[..], &url, &["--global"]].concat(),
        [&v2[..], &url, &key, &["--global", "--instance", "i"]].concat(),
        [&v2[..], &url, &key, &["--global", "--token", "a.b.c"]].concat(),
        [&v2[..], &url, &key, &["--global", "--no-test-message"]].concat(),
        [&v2[..], &url, &key, &["--global", "--event", "MESSAGES_UPSERT"]].concat(),
        [&v2[..], &url, &key, &["--instance", "a,b"]].concat(),
        [&v2[..], &url, &["--apikey", "a b", "--global"]].concat(),
    ];
    for usage in usages {
        let (code, stdout, stderr) = Tool::new(["connect", "evolution"]).args(&usage).finish();
        assert_eq!(code, Some(2), "{usage:?}: {stderr}");
        assert!(stdout.is_empty(), "{usage:?}: {stdout}");
        assert!(!stderr.is_empty(), "{usage:?}");
    }
}

#[test]
fn a_name_that_cannot_be_meant_is_explained() {
    for (name, words) in [
        ("messaging-history.set", "messaging-history.set is not given over a socket"),
        ("MESSAGES_UPSERT", "events are named in dotted lower case, such as messages.upsert"),
        ("nope", "the server knows no event of this name"),
    ] {
        let tool = Tool::new(["connect", "evolution", "--token", "a.b.c", "--event", name]);
        let (code, _, stderr) = tool.finish();
        assert_eq!(code, Some(2));
        assert_eq!(stderr, format!("redial: {name}: {words}\n"));
    }
}

/// Starts `serve evolution` for event sockets.
fn serve(args: &[&str]) -> Sim {
    Sim::start(Tool::new(["serve", "evolution", "--profile", "codechat"]).args(args))
}

fn ws(sim: &Sim) -> &str {
    sim.listening["ws"].as_str().unwrap()
}

/// Begins a `connect evolution` that is ten times faster than life.
fn connect(sim: &Sim, events: &[&str]) -> Tool {
    connect_with(sim, events, &create(sim, "shop-1"))
}

fn connect_with(sim: &Sim, events: &[&str], token: &str) -> Tool {
    let tool = Tool::new(["connect", "evolution", "--json", "--profile", "codechat"]);
    let mut tool = tool.args(["--url", ws(sim), "--token", token, "--speed", "10"]);
    for event in events {
        tool = tool.args(["--event", event]);
    }
    tool
}

/// Starts sessions and waits until so many are online.
fn online(tool: Tool, count: usize) -> Running {
    let mut client = tool.start();
    for _ in 0..count {
        client.expect("online");
    }
    client
}

fn emit(sim: &Sim, event: &str, data: &Value) {
    let body = json!({ "instance": "shop-1", "event": event, "data": data });
    sim.control(json!({ "do": "notify", "n": 1, "body": body }));
}

/// Has the server make an instance; returns its token.
pub(crate) fn create(sim: &Sim, instance: &str) -> String {
    let body = json!({ "instanceName": instance }).to_string();
    let (host, length) = (sim.host(), body.len());
    let mut tcp = TcpStream::connect(host).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        tcp,
        "POST /instance/create HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\napikey: any\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let answer: Value = serde_json::from_str(body).unwrap();
    answer["Auth"]["token"].as_str().unwrap().to_owned()
}
