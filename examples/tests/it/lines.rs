//! Every kind of line, with its fields.

use serde_json::{Value, json};

use crate::support::{
    PASSWORD, Running, Sim, connect, connect_bare, connect_with, online, publish, timeless,
};

#[test]
fn a_session_begins_with_these_lines() {
    let mut sim = Sim::plain();
    let mut client = connect(&sim).start();
    let lines = client.lines_until("online");
    let lines: Vec<Value> = lines.iter().map(timeless).collect();
    assert_eq!(
        lines,
        [
            json!({ "kind": "authorizing", "reason": "start" }),
            json!({ "kind": "token", "id": 1, "expires_in_ms": 28_800_000 }),
            json!({ "kind": "connecting", "conn": 1, "intent": "restart" }),
            json!({ "kind": "online", "conn": 1, "continuity": "fresh", "after_ms": 0 }),
        ]
    );
    assert_eq!(
        timeless(&client.expect("vendor")),
        json!({ "kind": "vendor", "name": "connected" })
    );
    client.cmd("shutdown");
    let offline = json!({ "kind": "offline", "conn": 1, "cause": "requested" });
    assert_eq!(timeless(&client.expect("offline")), offline);
    let closed = json!({ "kind": "vendor", "name": "closed", "code": 1000 });
    assert_eq!(timeless(&client.expect("vendor")), closed);
    let stopped = json!({ "kind": "stopped", "reason": "requested" });
    assert_eq!(timeless(&client.expect("stopped")), stopped);
    assert_eq!(client.code(), 0);
    sim.process.until("the close frame", |line| {
        line["dir"] == "client" && line["frame"] == "close" && line["code"] == 1000
    });
}

#[test]
fn times_never_run_backwards() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    sim.control(json!({ "do": "cut" }));
    client.expect("offline");
    client.expect("online");
    client.shut_down();
    let times: Vec<u64> = client.seen().iter().map(|line| line["t_ms"].as_u64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn an_outage_has_these_lines() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    sim.control(json!({ "do": "close", "code": 4401, "reason": "token expired" }));
    let lines = client.lines_until("online");
    let (online, lines) = lines.split_last().unwrap();
    let named: Vec<&Value> = lines.iter().filter(|line| line["name"] != "connected").collect();
    let lost = named[0]["t_ms"].as_u64().unwrap();
    let named: Vec<Value> = named.into_iter().map(timeless).collect();
    let cause = json!({ "close": 4401 });
    assert_eq!(
        named,
        [
            json!({ "kind": "offline", "conn": 1, "cause": cause, "reason": "token expired" }),
            json!({ "kind": "vendor", "name": "closed", "code": 4401 }),
            json!({ "kind": "retry_scheduled", "attempt": 1, "delay_ms": 300,
                    "token": "regenerate", "cause": cause }),
            json!({ "kind": "authorizing", "reason": "rejected" }),
            json!({ "kind": "token", "id": 2, "expires_in_ms": 28_800_000 }),
            json!({ "kind": "connecting", "conn": 2, "intent": "restart" }),
        ]
    );
    let after = online["after_ms"].as_u64().unwrap();
    assert_eq!(online["t_ms"].as_u64().unwrap() - lost, after);
    assert!((300..5000).contains(&after), "{after}");
    let gap = client.expect("gap");
    assert_eq!(gap["certainty"], "possible");
    assert_eq!(gap["from_ms"], lost);
    assert_eq!(gap["to_ms"], online["t_ms"]);
    assert_eq!(gap["cause"], cause);
    client.shut_down();
}

#[test]
fn attempts_count_from_one_in_each_outage() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    for _ in 0..2 {
        sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 2, "status": 503 }));
        sim.control(json!({ "do": "cut" }));
        let lines = client.lines_until("online");
        let attempts: Vec<&Value> = lines
            .iter()
            .filter(|l| l["kind"] == "retry_scheduled")
            .map(|l| &l["attempt"])
            .collect();
        assert_eq!(attempts, [1, 2, 3]);
    }
}

#[test]
fn a_request_has_a_response_and_then_a_fate() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    client.say(&json!({ "request": { "type": ".GetClock", "body": {} }, "id": "q1" }));
    let response = client.expect("response");
    assert_eq!(response["id"], "q1");
    assert_eq!(response["status"], 200);
    assert_eq!(response["via"], "socket");
    assert!(response["body"]["currentTime"].is_u64(), "{response}");
    let fate = json!({ "kind": "fate", "id": "q1", "fate": "acked", "via": "socket", "tries": 1 });
    assert_eq!(timeless(&client.expect("fate")), fate);
}

#[test]
fn a_message_has_a_fate_and_no_response() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    client.say(&json!({ "send": publish("hello"), "id": "m1" }));
    let lines = client.lines_until("fate");
    assert!(lines.iter().all(|line| line["kind"] != "response"), "{lines:?}");
    assert_eq!(lines.last().unwrap()["id"], "m1");
    assert_eq!(lines.last().unwrap()["fate"], "acked");
    assert_eq!(sim.state()["messages"].as_array().unwrap().len(), 1);
}

#[test]
fn a_refused_request_is_rejected_with_its_code() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    client.say(&json!({ "request": { "type": ".no.Such", "body": {} }, "id": 7 }));
    let response = client.expect("response");
    assert_eq!((&response["id"], &response["status"]), (&json!(7), &json!(400)));
    let fate = client.expect("fate");
    assert_eq!((&fate["id"], &fate["fate"]), (&json!(7), &json!("rejected")));
    assert_eq!(fate["code"], 400);
}

#[test]
fn a_request_in_flight_at_a_cut_ends_at_once() {
    let mut sim = Sim::plain();
    let mut client = online(&sim);
    sim.control(json!({ "do": "lose_acks", "n": 1 }));
    client.say(&json!({ "request": publish("lost"), "id": "q1" }));
    sim.expect_request(".ams.ms.PublishEvent");
    sim.control(json!({ "do": "cut" }));
    let fate = client.expect("fate");
    let expected =
        json!({ "kind": "fate", "id": "q1", "fate": "unknown", "via": "socket", "tries": 1 });
    assert_eq!(timeless(&fate), expected);
}

#[test]
fn the_fate_of_an_unanswered_request_is_unknown() {
    let sim = Sim::plain();
    let mut client = connect_with(&sim, "[timeouts]\nrequest = 400\n").start();
    client.expect("online");
    sim.control(json!({ "do": "lose_acks", "n": 1 }));
    client.say(&json!({ "request": publish("lost"), "id": "q1" }));
    assert_eq!(client.expect("fate")["fate"], "unknown");
}

#[test]
fn a_message_that_waits_too_long_expires() {
    let sim = Sim::plain();
    sim.control(json!({ "do": "down", "ms": 600_000 }));
    let mut client =
        connect_bare(&sim).args(["--username", "u", "--speed", "60"]).args(PASSWORD).start();
    client.say(&json!({ "send": publish("late"), "id": "m1" }));
    let fate = client.expect("fate");
    let expired = json!({ "kind": "fate", "id": "m1", "fate": "expired", "via": null, "tries": 0 });
    assert_eq!(timeless(&fate), expired);
    client.shut_down();
}

#[test]
fn what_waits_at_the_end_was_not_sent() {
    let sim = Sim::plain();
    sim.control(json!({ "do": "refuse", "step": "login", "times": 1, "hang": true }));
    let mut client = connect(&sim).start();
    client.expect("authorizing");
    client.say(&json!({ "send": publish("early"), "id": "m1" }));
    client.until("the queue", |line| line["kind"] == "outbox" && line["queued"] == 1);
    client.cmd("shutdown");
    let fate = client.expect("fate");
    let expected =
        json!({ "kind": "fate", "id": "m1", "fate": "not_sent", "via": null, "tries": 0 });
    assert_eq!(timeless(&fate), expected);
    assert_eq!(client.code(), 0);
}

#[test]
fn the_outbox_is_printed_on_change_and_at_most_once_a_second() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    sim.control(json!({ "do": "set", "key": "answer_delay_ms", "value": 1500 }));
    for n in 0..5 {
        client.say(&json!({ "send": publish("hello"), "id": n }));
    }
    let first = client.expect("outbox");
    assert!(first["queued"].as_u64().unwrap() + first["in_flight"].as_u64().unwrap() > 0);
    assert!(first["bytes"].as_u64().unwrap() > 0);
    client.until("an empty outbox", |line| {
        line["kind"] == "outbox" && line["in_flight"] == 0 && line["queued"] == 0
    });
    let times: Vec<u64> = client
        .seen()
        .iter()
        .filter(|line| line["kind"] == "outbox")
        .map(|line| line["t_ms"].as_u64().unwrap())
        .collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 990), "{times:?}");
}

#[test]
fn what_the_server_pushes_is_a_message() {
    let sim = Sim::plain();
    let mut client = online(&sim);
    sim.control(json!({ "do": "notify", "n": 3, "body": { "message": "hello" } }));
    for _ in 0..3 {
        let message = client.expect("message");
        assert_eq!(message["type"], ".ams.ms.OnlineEventDistribution");
        assert_eq!(message["event"], "ms.MessagingEventNotification");
        assert_eq!(message["body"]["event"]["message"], "hello");
    }
}

#[test]
fn a_response_that_fails_a_step_is_a_vendor_error() {
    let sim = Sim::plain();
    sim.control(json!({ "do": "refuse", "step": "login", "status": 500 }));
    let mut client = connect(&sim).start();
    assert_eq!(client.expect_vendor("error")["code"], 500);
    client.expect("online");
    sim.control(json!({ "do": "refuse", "step": "upgrade", "status": 401 }));
    sim.control(json!({ "do": "cut" }));
    assert_eq!(client.expect_vendor("closed")["code"], 1006);
    assert_eq!(client.expect_vendor("error")["code"], 401);
    assert_eq!(client.expect_vendor("closed")["code"], 1006);
    client.expect("online");
}

#[test]
fn a_network_that_fails_a_step_is_a_vendor_error_without_a_code() {
    let sim = Sim::plain();
    let told = |client: &mut Running| -> Vec<Value> {
        let lines = client.lines_until("retry_scheduled");
        let words = lines.iter().filter(|line| line["kind"] == "vendor").map(timeless);
        words.collect()
    };
    let error = json!({ "kind": "vendor", "name": "error", "code": null });
    let closed = json!({ "kind": "vendor", "name": "closed", "code": 1006 });

    sim.control(json!({ "do": "refuse", "step": "csds" }));
    sim.control(json!({ "do": "refuse", "step": "login" }));
    sim.control(json!({ "do": "refuse", "step": "upgrade" }));
    let mut client = connect(&sim).start();
    assert_eq!(told(&mut client), [] as [Value; 0]);
    // The words about a wait follow it. First the lookup, then the login, then the upgrade.
    assert_eq!(told(&mut client), std::slice::from_ref(&error));
    assert_eq!(told(&mut client), std::slice::from_ref(&error));
    let lines = client.lines_until("online");
    let words: Vec<Value> =
        lines.iter().filter(|line| line["kind"] == "vendor").map(timeless).collect();
    assert_eq!(words, [error, closed.clone()]);

    // A connection that is lost was no failed step.
    sim.control(json!({ "do": "cut" }));
    let lines = client.lines_until("online");
    let words: Vec<Value> = lines
        .iter()
        .filter(|line| line["kind"] == "vendor" && line["name"] != "connected")
        .map(timeless)
        .collect();
    assert_eq!(words, [closed]);
    client.shut_down();
}
