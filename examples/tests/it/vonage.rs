//! `connect vonage` against `serve vonage`: the connection and what goes over it.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Running, Sim, Tool, scratch, timeless};

/// Both generations.
pub(crate) const BOTH: [&str; 2] = ["v1", "v2"];

#[test]
fn a_session_begins_with_these_lines() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let mut client = connect(&sim, generation).start();
        let lines = client.lines_until("message");
        let lines: Vec<Value> = lines.iter().map(timeless).collect();
        let body = &sim.state()["attaches"][0];
        let mut session = lines[5].clone();
        assert!(session["body"]["user_id"].take().is_string(), "{generation}");
        assert_eq!(
            (&lines[..5], &session),
            (
                &[
                    json!({ "kind": "authorizing", "reason": "start" }),
                    json!({ "kind": "token", "id": 1, "expires_in_ms": null }),
                    json!({ "kind": "connecting", "conn": 1, "intent": "restart" }),
                    json!({ "kind": "online", "conn": 1, "continuity": "fresh", "after_ms": 0 }),
                    json!({ "kind": "vendor", "name": "ready" }),
                ][..],
                &json!({ "kind": "message", "event": "session:success", "type": "session",
                         "duplicate": false, "body": { "id": body["session_id"], "name": "alice",
                         "previous": null, "user_id": null } }),
            ),
            "{generation}"
        );
        client.shut_down();
        assert_eq!(client.seen().last().unwrap()["reason"], "requested");
        let state = sim.state();
        let counts = ["upgrades", "logins", "logouts", "sessions"].map(|key| state[key].clone());
        assert_eq!(counts, [json!(1), json!(1), json!(1), json!(0)], "{generation}");
    }
}

#[test]
fn a_lost_connection_is_made_again_with_these_lines() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let mut client = online(connect(&sim, generation));
        sim.control(json!({ "do": "cut" }));
        let lines = client.lines_until("message");
        let told: Vec<Value> = lines
            .iter()
            .map(|line| {
                let mut line = timeless(line);
                line["after_ms"].take();
                line["body"].take();
                line.as_object_mut().unwrap().retain(|_, value| !value.is_null());
                line
            })
            .collect();
        assert_eq!(
            told,
            [
                json!({ "kind": "offline", "conn": 1, "cause": "network" }),
                json!({ "kind": "vendor", "name": "disconnect", "reason": "CONNECTION_FAILED" }),
                json!({ "kind": "retry_scheduled", "attempt": 1, "delay_ms": 50, "token": "keep",
                        "cause": "network" }),
                json!({ "kind": "connecting", "conn": 2, "intent": "resume" }),
                json!({ "kind": "vendor", "name": "reconnecting", "retryCount": 1 }),
                json!({ "kind": "online", "conn": 2, "continuity": "resumed" }),
                json!({ "kind": "vendor", "name": "reconnect" }),
                json!({ "kind": "message", "event": "session:success", "type": "session",
                        "duplicate": false }),
            ],
            "{generation}"
        );
        waited(&lines[0], &lines[3], 50);
        let state = sim.state();
        assert_eq!((&state["logins"], &state["resumed"]), (&json!(1), &json!(1)), "{generation}");
        client.shut_down();
    }
}

#[test]
fn five_attempts_then_it_waits_to_be_told() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let mut client = online(connect(&sim, generation));
        sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 5, "status": 503 }));
        sim.control(json!({ "do": "cut" }));
        let mut lines = client.lines_until("suspended");
        lines.push(client.expect("vendor"));
        let told = story(&lines);
        let mut wanted = vec![json!("offline"), json!("disconnect")];
        for attempt in 1..=5 {
            wanted.extend([json!(["retry", attempt]), json!("connecting")]);
            wanted.push(json!(["reconnecting", attempt]));
        }
        wanted.extend([json!("suspended"), json!("error:client:reconnection_failed")]);
        assert_eq!(told, wanted, "{generation}");
        // Nominally 1, 2, 4, 8 and 16 s.
        let delays: Vec<&Value> = of(&lines, "retry_scheduled").map(|l| &l["delay_ms"]).collect();
        assert_eq!(delays, [50, 100, 200, 400, 800]);
        let dials: Vec<&Value> = of(&lines, "connecting").collect();
        for ((begin, dial), wait) in
            of(&lines, "retry_scheduled").zip(&dials).zip([50, 100, 200, 400, 800])
        {
            waited(begin, dial, wait);
        }
        let suspended = &lines[lines.len() - 2];
        assert_eq!(
            (&suspended["reason"], &suspended["cause"]),
            (&json!("attempts_exhausted"), &json!({ "handshake": 503 }))
        );
        assert_eq!(sim.state()["upgrade_calls"].as_array().unwrap().len(), 6);

        // One try at once, and then a fresh cycle.
        sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 2, "status": 503 }));
        client.cmd("connect");
        let lines = client.lines_until("online");
        let told = story(&lines);
        let wanted = json!([
            "connecting",
            ["retry", 1],
            "connecting",
            ["reconnecting", 1],
            ["retry", 2],
            "connecting",
            ["reconnecting", 2],
            "online",
        ]);
        assert_eq!(Value::from(told), wanted, "{generation}");
        assert_eq!(lines[1]["delay_ms"], 50);
        assert_eq!(lines.last().unwrap()["continuity"], "resumed");
        assert_eq!(client.expect("vendor")["name"], "reconnect");
        client.shut_down();
        assert_eq!(sim.state()["logins"], 1);
    }
}

#[test]
fn a_connect_that_succeeds_is_no_reconnect() {
    let sim = serve("v2", &[]);
    let mut client = online(connect(&sim, "v2").args(["--attempts", "0"]));
    sim.control(json!({ "do": "cut" }));
    let lines = client.lines_until("suspended");
    let told = story(&lines);
    assert_eq!(told, ["offline", "disconnect", "suspended"], "no attempt, so none has failed");
    client.cmd("connect");
    let lines = client.lines_until("vendor");
    let told = story(&lines);
    assert_eq!(told, ["connecting", "online", "ready"]);
    client.shut_down();
}

#[test]
fn connecting_while_online_or_in_a_cycle_does_nothing() {
    let sim = serve("v2", &[]);
    // At life's own speed, so that a dial before its time shows.
    let mut client = online(connect_bare(&sim, "v2").args(["--token", &jwt(&json!({}))]));
    client.cmd("connect");
    client.say_bytes(b"marker\n");
    client.expect("error");
    sim.control(json!({ "do": "cut" }));
    let lost = client.expect("offline");
    client.expect("retry_scheduled");
    client.cmd("connect");
    let dial = client.expect("connecting");
    waited(&lost, &dial, 1_000);
    client.expect("online");
    client.shut_down();
    assert_eq!(sim.state()["upgrade_calls"].as_array().unwrap().len(), 2);
}

#[test]
fn todays_sdk_waits_otherwise() {
    let sim = serve("v2", &[]);
    let mut client = online(connect(&sim, "v2").args(["--backoff", "sdk", "--seed", "3"]));
    sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 5, "status": 503 }));
    sim.control(json!({ "do": "cut" }));
    let lines = client.lines_until("suspended");
    let delays: Vec<u64> =
        of(&lines, "retry_scheduled").map(|line| line["delay_ms"].as_u64().unwrap()).collect();
    // 2, 4, 8, 16 and 32 s, 75 per cent more or less, at most 15 s, at twenty times the speed.
    let bounds = [(25, 175), (50, 350), (100, 700), (200, 750), (400, 750)];
    assert_eq!(delays.len(), 5);
    for (delay, (least, most)) in delays.iter().zip(bounds) {
        assert!((least..=most).contains(delay), "{delays:?}");
    }
    assert_ne!(delays[..2], [100, 200], "there is jitter");
    client.shut_down();
}

#[test]
fn another_session_is_told_and_is_a_gap() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let mut client = connect(&sim, generation).start();
        let first = client.expect("message")["body"]["id"].clone();
        sim.control(json!({ "do": "set", "key": "resume_answer", "value": "other_id" }));
        sim.control(json!({ "do": "cut" }));
        let lost = client.expect("offline");
        assert_eq!(client.expect("online")["continuity"], "fresh");
        let session = client.expect("message")["body"].clone();
        assert_eq!(session["previous"], first, "{generation}");
        assert_ne!(session["id"], first, "{generation}");
        let gap = client.expect("gap");
        assert_eq!(
            (&gap["certainty"], &gap["cause"], &gap["from_ms"]),
            (&json!("possible"), &json!("network"), &lost["t_ms"])
        );
        client.shut_down();
        assert_eq!(of(client.seen(), "gap").count(), 1, "{generation}");
    }
}

#[test]
fn the_end_of_the_window_is_told_and_the_next_session_is_another() {
    let sim = serve("v2", &[]);
    // Five minutes are a second.
    let mut client =
        connect_bare(&sim, "v2").args(["--token", &jwt(&json!({})), "--speed", "300"]).start();
    let first = client.expect("message")["body"]["id"].clone();
    sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 5, "status": 503 }));
    sim.control(json!({ "do": "cut" }));
    let lost = client.expect("offline");
    client.expect("suspended");
    let closed = client.expect_vendor("session:window-closed");
    waited(&lost, &closed, 1_000);
    client.cmd("connect");
    assert_eq!(client.expect("connecting")["intent"], "restart");
    assert_eq!(client.expect("online")["continuity"], "fresh");
    let session = client.expect("message")["body"].clone();
    assert_eq!(session["previous"], first);
    client.shut_down();
    assert_eq!(sim.state()["logins"], 2);
}

#[test]
fn events_come_once_and_what_is_missing_is_told_by_conversation() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let mut client = online(connect(&sim, generation));
        let notify = |cid: &str, n| {
            let body = json!({ "event": "message", "cid": cid, "from": "MEM-1",
                               "body": { "message_type": "text", "text": "hi" } });
            sim.control(json!({ "do": "notify", "n": n, "body": body }));
        };
        let set = |key: &str, value: u32| {
            sim.control(json!({ "do": "set", "key": key, "value": value }));
        };
        notify("CON-1", 1);
        let message = timeless(&client.expect("message"));
        let wanted = json!({ "kind": "message", "event": "message", "type": "text", "id": 1,
            "cid": "CON-1", "from": "MEM-1", "duplicate": false, "pending": false,
            "body": { "message_type": "text", "text": "hi", "n": 1 } });
        assert_eq!(message, wanted, "{generation}");
        set("repeat_events", 1);
        notify("CON-1", 1);
        let twice = [client.expect("message"), client.expect("message")];
        assert_eq!(twice.map(|line| line["duplicate"].clone()), [json!(false), json!(true)]);
        // Another conversation has numbers of its own.
        notify("CON-2", 1);
        client.expect("message");
        set("skip_ids", 2);
        notify("CON-1", 1);
        let gap = client.expect("gap");
        assert_eq!(
            ["certainty", "cid", "first", "last", "filled"].map(|key| gap[key].clone()),
            [json!("certain"), json!("CON-1"), json!(3), json!(4), json!(false)],
            "{generation}"
        );
        assert_eq!(client.expect("message")["id"], 5);
        // What comes while the client is away comes with the session, and is no gap.
        sim.control(json!({ "do": "cut" }));
        notify("CON-2", 2);
        client.expect("online");
        let lines = [client.expect("message"), client.expect("message"), client.expect("message")];
        let ids: Vec<&Value> = lines[1..].iter().map(|line| &line["id"]).collect();
        assert_eq!(ids, [2, 3], "{generation}");
        client.shut_down();
        assert_eq!(of(client.seen(), "gap").count(), 1, "{generation}");
    }
}

#[test]
fn what_is_sent_has_an_answer_and_a_fate() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let mut client = online(connect(&sim, generation));
        let text = json!({ "event": "text", "body": { "text": "hi" } });
        client.say(&json!({ "send": text, "id": "m1" }));
        let fate = json!({ "kind": "fate", "id": "m1", "fate": "acked", "via": "socket",
                           "tries": 1 });
        assert_eq!(timeless(&client.expect("fate")), fate, "{generation}");
        client.say(&json!({ "request": text, "id": "q1" }));
        let response = json!({ "kind": "response", "id": "q1", "status": 200,
            "event": "text:success", "body": {}, "via": "socket" });
        assert_eq!(timeless(&client.expect("response")), response, "{generation}");
        assert_eq!(client.expect("fate")["fate"], "acked");
        // In a conversation it is answered by its number, and comes to everybody.
        let text = json!({ "event": "text", "cid": "CON-1", "from": "MEM-1", "body": {} });
        client.say(&json!({ "request": text, "id": "q2" }));
        assert_eq!(client.expect("response")["body"]["id"], "1", "{generation}");
        assert_eq!(client.expect("fate")["fate"], "acked");
        sim.control(json!({ "do": "fail_requests", "code": 42, "body": "no" }));
        client.say(&json!({ "request": text, "id": "q3" }));
        let response = client.expect("response");
        assert_eq!(
            (&response["status"], &response["event"]),
            (&json!(400), &json!("system:error:failed"))
        );
        assert_eq!(client.expect("fate")["fate"], "rejected");
        // What was written and has no proof when the connection is lost is unknown.
        sim.control(json!({ "do": "lose_acks", "n": 1 }));
        client.say(&json!({ "request": text, "id": "q4" }));
        until_state(&sim, |state| state["messages"].as_array().unwrap().len() == 5);
        sim.control(json!({ "do": "cut" }));
        let fate = client.expect("fate");
        assert_eq!((&fate["id"], &fate["fate"]), (&json!("q4"), &json!("unknown")));
        client.expect("online");
        client.shut_down();
        let messages = sim.state()["messages"].as_array().unwrap().len();
        assert_eq!(messages, 5, "nothing is sent twice");
    }
}

#[test]
fn a_payload_that_is_none_is_explained() {
    let sim = serve("v2", &[]);
    let mut client = online(connect(&sim, "v2"));
    for (payload, words) in [
        (json!("text"), "a payload is an object with \"event\" and \"body\""),
        (json!({ "body": {} }), "a payload has an \"event\""),
        (json!({ "event": "text", "cid": 1 }), "\"cid\" is a string"),
        (json!({ "event": "text", "tid": "x" }), "a payload has no \"tid\""),
    ] {
        for key in ["send", "request"] {
            client.say(&json!({ key: payload }));
            assert_eq!(client.expect("error")["text"], words);
        }
    }
    client.say(&json!({ "cmd": "subscribe", "filters": ["x"] }));
    assert_eq!(client.expect("error")["text"], "subscribe: not with this vendor");
    client.shut_down();
}

#[test]
fn our_own_end_is_told_as_such_wherever_it_comes() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let mut client = online(connect_bare(&sim, generation).args(["--token", &jwt(&json!({}))]));
        client.say(&json!({ "cmd": "reconnect", "token": "keep" }));
        assert_eq!(client.expect("offline")["cause"], "requested");
        assert_eq!(client.expect_vendor("disconnect")["reason"], "CLIENT_DISCONNECTED");
        client.expect("online");
        sim.control(json!({ "do": "cut" }));
        client.expect("retry_scheduled");
        // In the middle of the wait.
        client.signal("TERM");
        assert_eq!(client.expect_vendor("disconnect")["reason"], "CLIENT_DISCONNECTED");
        assert_eq!(client.code(), 0);
        assert_eq!(sim.state()["upgrades"], 2);
    }
}

#[test]
fn a_logout_ends_the_session_on_the_server_and_here() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let mut client = online(connect(&sim, generation));
        client.cmd("logout");
        let lines = client.lines_until("stopped");
        let told = story(&lines);
        assert_eq!(told, ["offline", "disconnect", "stopped"], "{generation}");
        assert_eq!(lines[1]["reason"], "CLIENT_DISCONNECTED");
        assert_eq!(client.code(), 0, "{generation}");
        assert_eq!(sim.state()["logouts"], 1);
    }
}

#[test]
fn a_session_outlives_the_process_that_holds_it() {
    for generation in BOTH {
        let sim = serve(generation, &[]);
        let state = scratch("state.json");
        let tool = || connect(&sim, generation).arg("--state").arg(&state);
        let mut client = tool().start();
        let first = client.expect("message")["body"]["id"].clone();
        client.cmd("snapshot");
        client.expect("snapshot");
        client.signal("KILL");
        assert!(client.status().code().is_none());
        assert_eq!(crate::state::mode(&state), 0o600);
        until_state(&sim, |state| state["live_sockets"] == 0);
        sim.control(json!({ "do": "notify", "body": { "event": "text", "cid": "CON-1" } }));
        let mut client = tool().start();
        assert_eq!(client.expect("connecting")["intent"], "resume", "{generation}");
        assert_eq!(client.expect("online")["continuity"], "resumed", "{generation}");
        assert_eq!(client.expect("message")["body"]["id"], first);
        assert_eq!(client.expect("message")["cid"], "CON-1", "{generation}");
        client.shut_down();
        // Where the server has another one instead, what went to the first may be missing.
        let mut client = tool().start();
        client.expect("message");
        client.cmd("snapshot");
        client.expect("snapshot");
        client.signal("KILL");
        client.status();
        sim.control(json!({ "do": "set", "key": "resume_answer", "value": "other_id" }));
        let mut client = tool().start();
        assert_eq!(client.expect("online")["continuity"], "fresh", "{generation}");
        assert!(client.expect("message")["body"]["previous"].is_string(), "{generation}");
        let gap = client.expect("gap");
        assert_eq!((&gap["certainty"], &gap["cause"]), (&json!("possible"), &Value::Null));
        client.shut_down();
        // A session that was ended is not asked for.
        let mut client = tool().start();
        assert_eq!(client.expect("connecting")["intent"], "restart", "{generation}");
        client.expect("online");
        client.shut_down();
    }
}

/// Starts `serve vonage`.
pub(crate) fn serve(generation: &str, args: &[&str]) -> Sim {
    Sim::start(Tool::new(["serve", "vonage", "--gen", generation]).args(args))
}

/// Begins a `connect vonage` without a token, as fast as life.
pub(crate) fn connect_bare(sim: &Sim, generation: &str) -> Tool {
    let url = sim.listening["base"].as_str().unwrap();
    Tool::new(["connect", "vonage", "--json", "--gen", generation, "--url", url])
}

/// Begins a `connect vonage` that is twenty times faster than life.
pub(crate) fn connect(sim: &Sim, generation: &str) -> Tool {
    connect_bare(sim, generation).args(["--token", &jwt(&json!({})), "--speed", "20"])
}

/// Starts a session and waits until it is online.
pub(crate) fn online(tool: Tool) -> Running {
    let mut client = tool.start();
    assert_eq!(client.expect("message")["event"], "session:success");
    client
}

/// Waits until the simulator has seen this.
pub(crate) fn until_state(sim: &Sim, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = sim.state();
        if wanted(&state) {
            return state;
        }
        assert!(Instant::now() < deadline, "the simulator waited in vain: {state}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Makes a token of Alice's with more claims.
pub(crate) fn jwt(claims: &Value) -> String {
    let mut all = json!({ "sub": "alice" });
    for (key, value) in claims.as_object().unwrap() {
        all[key] = value.clone();
    }
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2ln", part(json!({ "alg": "none" }).to_string()), part(all.to_string()))
}

/// Returns the lines of this kind.
pub(crate) fn of<'a>(lines: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["kind"] == kind)
}

/// Returns what lines are, in a word or two each. The load is told when it is told.
pub(crate) fn story(lines: &[Value]) -> Vec<Value> {
    lines.iter().filter(|line| line["kind"] != "outbox").map(named).collect()
}

/// Returns what a line is, in a word or two.
fn named(line: &Value) -> Value {
    match (line["kind"].as_str().unwrap(), line["name"].as_str()) {
        ("vendor", Some("reconnecting")) => json!(["reconnecting", line["retryCount"]]),
        ("vendor", Some(name)) => json!(name),
        ("retry_scheduled", _) => json!(["retry", line["attempt"]]),
        (kind, _) => json!(kind),
    }
}

/// Checks that so much time is between two lines, or more on a busy machine.
pub(crate) fn waited(from: &Value, to: &Value, wanted: u64) {
    let ms = to["t_ms"].as_u64().unwrap() - from["t_ms"].as_u64().unwrap();
    assert!((wanted.saturating_sub(5)..wanted + 5_000).contains(&ms), "{ms} ms for {wanted}");
}
