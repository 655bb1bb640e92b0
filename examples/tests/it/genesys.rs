//! `connect genesys --profile guest` against `serve genesys`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{PATIENCE, Running, Sim, Tool, scratch, timeless};

#[test]
fn a_session_begins_with_these_lines() {
    let sim = serve(&[]);
    let mut client = guest(&sim, 10).start();
    let mut lines = client.lines_until("online");
    lines.push(client.expect("vendor"));
    let lines: Vec<Value> = lines.iter().map(timeless).collect();
    assert_eq!(
        lines,
        [
            json!({ "kind": "authorizing", "reason": "start" }),
            json!({ "kind": "token", "id": 1, "expires_in_ms": 3_600_000 }),
            json!({ "kind": "connecting", "conn": 1, "intent": "restart" }),
            json!({ "kind": "online", "conn": 1, "continuity": "fresh", "after_ms": 0 }),
            json!({ "kind": "vendor", "name": "connected" }),
        ]
    );
    let conversation = client.expect("message");
    assert_eq!(conversation["event"], "conversation");
    assert!(conversation["body"]["instance"].is_string());
    assert_eq!(conversation["body"]["previous"], Value::Null);
    client.shut_down();
}

#[test]
fn a_message_is_acked_on_the_socket() {
    let sim = serve(&[]);
    let mut client = online(guest(&sim, 10));
    send(&mut client, "m1");
    let acked = json!({ "kind": "fate", "id": "m1", "fate": "acked", "via": "socket", "tries": 1 });
    assert_eq!(timeless(&client.expect("fate")), acked);
    let state = sim.state();
    assert_eq!(state["proofs"][0]["id"], state["messages"][0]["id"]);
    assert_eq!(state["messages"][0]["path"], "socket");
    client.expect("outbox");
    client.shut_down();
}

#[test]
fn what_was_cut_off_is_sent_again_by_rest_under_the_same_id() {
    let sim = serve(&["--dedupe", "off"]);
    let mut client = online(guest(&sim, 10));
    cut_at(&sim, "before_ack");
    send(&mut client, "m1");
    let gap = client.expect("gap");
    assert_eq!((&gap["certainty"], &gap["filled"]), (&json!("possible"), &json!(false)));
    assert_eq!(gap["cause"], "network");
    assert!(gap["from_ms"].as_u64() < gap["to_ms"].as_u64(), "{gap}");
    let fate = timeless(&client.expect("fate"));
    let acked = json!({ "kind": "fate", "id": "m1", "fate": "acked", "via": "rest", "tries": 2,
                        "duplicate": true });
    assert_eq!(fate, acked);
    let state = sim.state();
    assert_eq!(state["duplicates"], 1);
    assert_eq!(state["messages"][0]["id"], state["messages"][1]["id"]);
    assert_eq!(state["messages"][1]["path"], "rest");
    assert_eq!(state["delivered"].as_array().unwrap().len(), 2);
    client.shut_down();
}

#[test]
fn a_server_that_knows_the_id_delivers_once() {
    let sim = serve(&["--dedupe", "on"]);
    let mut client = online(guest(&sim, 10));
    cut_at(&sim, "before_ack");
    for n in 1..=5 {
        send(&mut client, &format!("m{n}"));
    }
    for n in 1..=5 {
        let fate = client.expect("fate");
        assert_eq!((&fate["id"], &fate["fate"]), (&json!(format!("m{n}")), &json!("acked")));
    }
    assert_eq!(sim.state()["delivered"].as_array().unwrap().len(), 5);
    client.shut_down();
}

#[test]
fn messages_can_be_sent_again_on_the_socket() {
    let sim = serve(&[]);
    let mut client = online(guest(&sim, 10).args(["--resend", "socket"]));
    cut_at(&sim, "before_ack");
    send(&mut client, "m1");
    let fate = client.expect("fate");
    assert_eq!((&fate["via"], &fate["tries"]), (&json!("socket"), &json!(2)));
    client.shut_down();
}

#[test]
fn a_second_429_is_waited_for_as_the_first() {
    let sim = serve(&[]);
    let mut client = online(guest(&sim, 10));
    cut_at(&sim, "before_ack");
    sim.control(json!({ "do": "refuse", "step": "rest", "times": 2, "status": 429,
                        "retry_after": "1" }));
    send(&mut client, "m1");
    let fate = client.expect("fate");
    assert_eq!((&fate["fate"], &fate["tries"]), (&json!("acked"), &json!(4)));
    let state = sim.state();
    let calls = state["rest_calls"].as_array().unwrap();
    let times: Vec<u64> = calls.iter().map(|call| call["t_ms"].as_u64().unwrap()).collect();
    assert_eq!(times.len(), 3);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 950), "{times:?}");
    client.shut_down();
}

#[test]
fn credentials_that_are_refused_end_the_process_with_the_guides_words() {
    for (status, words) in [
        (401, "Invalid OAuth token or missing webchat:guest:write scope"),
        (403, "Account lacks Web Messaging entitlement"),
    ] {
        let sim = serve(&[]);
        sim.control(json!({ "do": "refuse", "step": "guest", "status": status }));
        let mut client = guest(&sim, 10).start();
        let error = client.expect("error");
        assert_eq!((&error["fault"], &error["text"]), (&json!("caller"), &json!(words)));
        let stopped = client.expect("stopped");
        assert_eq!(stopped["reason"], "policy");
        assert_eq!(stopped["cause"], json!({ "http": { "step": "guests", "status": status } }));
        assert_eq!(stopped["text"], words);
        assert_eq!(client.code(), 3);
        assert!(client.stderr().contains(words));
        assert_eq!(sim.state()["guest_calls"].as_array().unwrap().len(), 1, "no retry can help");
    }
}

#[test]
fn guest_creation_waits_as_it_is_told() {
    let sim = serve(&[]);
    let refusal = json!({ "do": "refuse", "step": "guest", "status": 429, "retry_after": "2" });
    sim.control(refusal);
    let mut client = guest(&sim, 20).start();
    let retry = client.expect("retry_scheduled");
    assert!(retry["delay_ms"].as_u64().unwrap() >= 1_900, "{retry}");
    assert!(retry["not_before_ms"].is_u64(), "{retry}");
    assert_eq!(retry["text"], "Rate limited on guest creation. Back off and retry.");
    client.expect("online");
    let state = sim.state();
    let calls = state["token_calls"].as_array().unwrap();
    assert!(calls[1].as_u64().unwrap() - calls[0].as_u64().unwrap() >= 1_950, "{calls:?}");
    client.shut_down();
}

#[test]
fn five_attempts_then_it_waits_to_be_asked() {
    let sim = serve(&[]);
    let mut client = online(guest(&sim, 50));
    sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 99 }));
    sim.control(json!({ "do": "cut" }));
    let lines = client.lines_until("suspended");
    let attempts: Vec<&Value> =
        lines.iter().filter(|line| line["kind"] == "retry_scheduled").collect();
    let numbers: Vec<&Value> = attempts.iter().map(|line| &line["attempt"]).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    for (line, least) in attempts.iter().zip([1_000, 2_000, 4_000, 8_000, 16_000]) {
        let delay = line["delay_ms"].as_u64().unwrap();
        assert!((least / 50..=(least + 1_000) / 50).contains(&delay), "{line}");
    }
    let suspended = lines.last().unwrap();
    assert_eq!(suspended["reason"], "attempts_exhausted");
    assert_eq!(suspended["text"], "maximum reconnection attempts reached");
    // What is sent meanwhile goes once there is a connection.
    send(&mut client, "m1");
    sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 0 }));
    client.cmd("connect");
    client.expect("online");
    assert_eq!(client.expect("fate")["fate"], "acked");
    client.shut_down();
}

#[test]
fn an_interrupt_gives_each_message_its_fate() {
    let sim = serve(&[]);
    let mut client = online(guest(&sim, 1));
    lose_one(&sim, &mut client);
    sim.control(json!({ "do": "cut" }));
    client.expect("retry_scheduled");
    send(&mut client, "m2");
    send(&mut client, "m3");
    // A line that is answered: the two before it have been read.
    client.cmd("snapshot");
    client.expect("error");
    let begun = Instant::now();
    client.signal("INT");
    let mut fates: Vec<Value> = (0..3).map(|_| timeless(&client.expect("fate"))).collect();
    fates.sort_by_key(|fate| fate["id"].to_string());
    let of = |id: &str, fate: &str, tries: u8, via: Value| json!({ "kind": "fate", "id": id, "fate": fate, "tries": tries, "via": via });
    assert_eq!(
        fates,
        [
            of("m1", "unknown", 1, json!("socket")),
            of("m2", "not_sent", 0, Value::Null),
            of("m3", "not_sent", 0, Value::Null),
        ]
    );
    assert_eq!(client.code(), 0);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(sim.state()["upgrades"], 1, "nothing reconnects");
}

#[test]
fn a_process_that_is_killed_between_write_and_acknowledgment_leaves_the_message_to_the_next() {
    let sim = serve(&["--dedupe", "off"]);
    let state = scratch("state.json");
    let mut client = online(guest(&sim, 10).arg("--state").arg(&state));
    lose_one(&sim, &mut client);
    client.cmd("snapshot");
    client.expect("snapshot");
    client.signal("KILL");
    assert!(client.status().code().is_none());
    assert_eq!(crate::state::mode(&state), 0o600);

    let mut client = guest(&sim, 10).arg("--state").arg(&state).start();
    assert_eq!(client.expect("online")["continuity"], "resumed", "the same guest");
    assert_eq!(timeless(&client.expect("fate")), twice("m1"));
    let state = sim.state();
    assert_eq!((&state["logins"], &state["duplicates"]), (&json!(1), &json!(1)));
    assert_eq!(state["messages"][0]["id"], state["messages"][1]["id"], "the same id on the wire");
    assert_eq!(state["messages"][1]["duplicate"], true);
    client.shut_down();
}

#[test]
fn another_process_sends_what_waited_in_one_that_was_killed() {
    let sim = serve(&["--dedupe", "off"]);
    let state = scratch("state.json");
    let mut client = online(guest(&sim, 10).arg("--state").arg(&state));
    lose_one(&sim, &mut client);
    sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 99 }));
    sim.control(json!({ "do": "cut" }));
    client.expect("retry_scheduled");
    send(&mut client, "m2");
    client.cmd("snapshot");
    client.expect("snapshot");
    client.signal("KILL");
    assert!(client.status().code().is_none());

    sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 0 }));
    let mut client = guest(&sim, 10).arg("--state").arg(&state).start();
    assert_eq!(timeless(&client.expect("fate")), twice("m1"));
    let acked = json!({ "kind": "fate", "id": "m2", "fate": "acked", "via": "socket", "tries": 1 });
    assert_eq!(timeless(&client.expect("fate")), acked);
    let state = sim.state();
    let ids: Vec<&Value> =
        state["messages"].as_array().unwrap().iter().map(|message| &message["id"]).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
    client.shut_down();
}

#[test]
fn what_was_accepted_outlives_a_process_that_is_killed_unasked() {
    let sim = serve(&["--dedupe", "off"]);
    let state = scratch("state.json");
    let mut client = online(guest(&sim, 10).arg("--state").arg(&state));
    cut_at(&sim, "before_ack");
    sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 99 }));
    send(&mut client, "m1");
    client.expect("retry_scheduled");
    send(&mut client, "m2");
    let saved = || std::fs::read_to_string(&state).unwrap().contains("\"m2\"");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !saved() {
        assert!(Instant::now() < deadline, "{}", client.story());
        std::thread::sleep(Duration::from_millis(5));
    }
    client.signal("KILL");
    assert!(client.status().code().is_none());

    sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 0 }));
    let mut client = guest(&sim, 10).arg("--state").arg(&state).start();
    assert_eq!(timeless(&client.expect("fate")), twice("m1"), "it had been written");
    let second = client.expect("fate");
    assert_eq!((&second["id"], &second["tries"]), (&json!("m2"), &json!(1)));
    assert_eq!(sim.state()["messages"].as_array().unwrap().len(), 3);
    client.shut_down();
}

#[test]
fn what_waits_too_long_expires() {
    let sim = serve(&[]);
    // 300 s become one and a half.
    let mut client = online(guest(&sim, 200));
    sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 99 }));
    sim.control(json!({ "do": "cut" }));
    client.expect("suspended");
    send(&mut client, "m1");
    let fate = timeless(&client.expect("fate"));
    let expired = json!({ "kind": "fate", "id": "m1", "fate": "expired", "via": null, "tries": 0 });
    assert_eq!(fate, expired);
    client.shut_down();
}

#[test]
fn what_the_server_refuses_is_rejected_and_the_rest_goes_on() {
    let sim = serve(&[]);
    let mut client = online(guest(&sim, 10));
    cut_at(&sim, "before_ack");
    sim.control(json!({ "do": "refuse", "step": "rest", "status": 400 }));
    send(&mut client, "m1");
    send(&mut client, "m2");
    let rejected = client.expect("fate");
    assert_eq!((&rejected["id"], &rejected["fate"]), (&json!("m1"), &json!("rejected")));
    assert_eq!((&rejected["code"], &rejected["via"]), (&json!(400), &json!("rest")));
    assert_eq!(client.expect("fate")["fate"], "acked");
    client.shut_down();
}

#[test]
fn what_rest_answers_is_a_response() {
    let sim = serve(&[]);
    let mut client = online(guest(&sim, 10));
    cut_at(&sim, "before_ack");
    client.say(&json!({ "request": { "text": "Hello" }, "id": "q1" }));
    let response = client.expect("response");
    assert_eq!((&response["id"], &response["status"]), (&json!("q1"), &json!(200)));
    assert_eq!(response["via"], "https");
    assert_eq!(client.expect("fate")["id"], "q1");
    client.shut_down();
}

#[test]
fn a_session_that_begins_anew_uses_no_id_again() {
    let sim = serve(&["--set", "dedupe_scope=server"]);
    let state = scratch("state.json");
    for _ in 0..2 {
        let mut client = online(guest(&sim, 10).arg("--state").arg(&state));
        send(&mut client, "m1");
        client.expect("fate");
        client.shut_down();
    }
    let seen = sim.state();
    assert_eq!(seen["duplicates"], 0);
    assert_eq!(seen["delivered"].as_array().unwrap().len(), 2);
}

#[test]
fn an_expired_guest_is_replaced_and_the_messages_go_along() {
    let sim = serve(&["--expires-in", "2"]);
    let mut client = online(guest(&sim, 10));
    let opened = Instant::now();
    let first = client.expect("message");
    lose_one(&sim, &mut client);
    std::thread::sleep(Duration::from_millis(2_050).saturating_sub(opened.elapsed()));
    sim.control(json!({ "do": "cut" }));
    let again = client.expect("authorizing");
    assert_eq!(again["reason"], "expiring");
    assert_eq!(client.expect("online")["continuity"], "fresh");
    let second = client.until("the conversation", |line| line["event"] == "conversation");
    assert_eq!(second["body"]["previous"], first["body"]["instance"]);
    let fate = client.expect("fate");
    assert_eq!((&fate["fate"], &fate["duplicate"]), (&json!("acked"), &json!(true)));
    assert_eq!(sim.state()["conversations"], 2);
    client.shut_down();
}

#[test]
fn a_silent_peer_is_given_up_after_the_health_timeout() {
    let sim = serve(&[]);
    let mut client = online(guest(&sim, 20).args(["--health-timeout", "45"]));
    sim.control(json!({ "do": "silent", "on": true }));
    let begun = Instant::now();
    let offline = client.expect("offline");
    assert_eq!(offline["cause"], json!({ "timeout": "pong" }));
    assert!(begun.elapsed() >= Duration::from_millis(45_000 / 20 - 600));
    sim.control(json!({ "do": "silent", "on": false }));
    client.expect("online");
    client.shut_down();
}

#[test]
fn what_the_other_side_says_is_a_message() {
    let sim = serve(&[]);
    let mut client = online(guest(&sim, 10));
    client.expect("message");
    let hello = json!({ "do": "notify", "body": { "content": "Hello", "messageId": "s-1" } });
    for duplicate in [false, true] {
        sim.control(hello.clone());
        let line = client.expect("message");
        assert_eq!((&line["event"], &line["type"]), (&json!("message"), &json!("message")));
        assert_eq!(line["body"]["content"], "Hello");
        assert_eq!(line["duplicate"], duplicate);
    }
    sim.control(json!({ "do": "send_text", "text": "not json" }));
    assert_eq!(client.expect("error")["fault"], "vendor");
    client.shut_down();
}

/// Starts a simulator.
pub(crate) fn serve(args: &[&str]) -> Sim {
    Sim::start(Tool::new(["serve", "genesys"]).args(args))
}

/// Begins a `connect genesys` as a guest.
pub(crate) fn guest(sim: &Sim, speed: u32) -> Tool {
    let tool = Tool::new(["connect", "genesys", "--json", "--plain", "--org", sim.host()]);
    tool.args(["--oauth-token", "only-for-tests", "--speed", &speed.to_string()])
}

pub(crate) fn online(tool: Tool) -> Running {
    let mut client = tool.start();
    client.expect("online");
    client
}

/// Sends a text that is its own name.
pub(crate) fn send(client: &mut Running, id: &str) {
    client.say(&json!({ "send": { "text": id }, "id": id }));
}

/// Sends a message whose acknowledgment is kept back, and waits until the simulator has it.
fn lose_one(sim: &Sim, client: &mut Running) {
    sim.control(json!({ "do": "lose_acks", "n": 1 }));
    send(client, "m1");
    let deadline = Instant::now() + PATIENCE;
    while sim.state()["lost_acks"] != 1 {
        assert!(Instant::now() < deadline, "the message does not arrive");
    }
}

/// The fate of a message that was sent again and may be there twice.
fn twice(id: &str) -> Value {
    json!({ "kind": "fate", "id": id, "fate": "acked", "via": "rest", "tries": 2, "duplicate": true })
}

/// Cuts the socket of the next message.
pub(crate) fn cut_at(sim: &Sim, when: &str) {
    sim.control(json!({ "do": "set", "key": "cut_at", "value": { "n": 1, "when": when } }));
}
