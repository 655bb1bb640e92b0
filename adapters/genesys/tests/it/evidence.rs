//! What the recordings of the guide's sample code show.

use serde_json::Value;

use crate::support::recording;

#[test]
fn the_recordings_show_what_the_defects_say() {
    // G1, G3: four sockets in 45 s, none of them closed, and no message at all.
    assert_eq!(count("seed-idle", |line| line["event"] == "upgrade-request"), 4);
    assert_eq!(count("seed-idle", |line| line["event"] == "closed"), 0);
    // G2: nobody pings.
    for line in recording("seed-idle") {
        assert!(!line.to_string().contains("ping"), "{line}");
    }
    // G5, G6: every attempt is the first.
    let attempts = says("seed-server-down", "Reconnection attempt ");
    assert!(attempts > 20);
    assert_eq!(says("seed-server-down", "Reconnection attempt 1 in"), attempts);
    assert_eq!(says("seed-server-down", "Reconnection failed permanently"), 0);
    // G7: a refused upgrade is tried again and again.
    assert!(count("seed-upgrade-401", |line| line["status"] == 401) > 10);
    // G8, G12, G13: one message is sent again more than three times, before any socket is open,
    // and each time the application hears that all is well.
    let failed = says("seed-server-down", "Failed to resend message");
    assert!(failed > 3);
    assert!(says("seed-server-down", "Session restored. Buffer cleared.") >= failed);
    // G9: the message was there before it was sent again.
    assert_eq!(received("seed-ack-lost"), [["m1/ws", "m1/rest"]]);
    // G10: a second 429 and the message is lost.
    assert_eq!(count("seed-retry-after-twice", |line| line["status"] == 429), 2);
    assert_eq!(received("seed-retry-after-twice"), [["m2/rest"]]);
    // G11: the second message is there, the first is not.
    assert_eq!(received("seed-rest-500-order"), [["m2/rest"]]);
    // G14: what was sent at once arrives twelve seconds later.
    let sent = at("seed-usage", |line| text(line).contains("buffered for REST fallback"));
    let arrived = at("seed-usage", |line| path(line).ends_with("/messages"));
    assert!(arrived - sent > 10_000);
    // G16: the same message in two conversations.
    assert_eq!(received("seed-token-expired"), [["m1/ws"], ["m1/rest"]]);
    // G18: a socket is opened after the shutdown, and stays.
    let shutdown = at("seed-shutdown-during-backoff", |line| {
        text(line).contains("shutdown()") || line["event"] == "shutdown() called"
    });
    let opened = recording("seed-shutdown-during-backoff")
        .into_iter()
        .filter(|line| line["event"] == "open" && line["t_ms"].as_u64() > Some(shutdown));
    assert_eq!(opened.count(), 1);
    // G22: what comes in has an id that nobody looks at.
    assert_eq!(
        count("seed-basic", |line| {
            line["dir"] == "server" && line["data"]["type"] == "message"
        }),
        1
    );
    // G23: no upgrade has a credential.
    assert_eq!(
        count("seed-basic", |line| line["headers"] == serde_json::json!({})
            && line["event"] == "upgrade-request"),
        1
    );
}

fn count(name: &str, matches: impl Fn(&Value) -> bool) -> usize {
    recording(name).iter().filter(|line| matches(line)).count()
}

fn says(name: &str, what: &str) -> usize {
    count(name, |line| text(line).contains(what))
}

fn at(name: &str, matches: impl Fn(&Value) -> bool) -> u64 {
    let lines = recording(name);
    let line = lines.iter().find(|line| matches(line)).expect("such a line");
    line["t_ms"].as_u64().expect("a time")
}

fn text(line: &Value) -> &str {
    line["text"].as_str().unwrap_or_default()
}

fn path(line: &Value) -> &str {
    line["path"].as_str().unwrap_or_default()
}

/// What each conversation of the server has in the end.
fn received(name: &str) -> Vec<Vec<String>> {
    let lines = recording(name);
    let line = lines.iter().find(|line| line["event"] == "server-received").expect("a list");
    serde_json::from_value(line["list"].clone()).expect("lists")
}
