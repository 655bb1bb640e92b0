//! The flags that are not tested elsewhere.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{PASSWORD, Sim, Tool, connect, connect_bare, online, scratch};

#[test]
fn tls_needs_the_authority() {
    let sim = Sim::tls();
    let mut client = online(&sim);
    client.shut_down();
    let args = ["connect", "liveperson", "--json", "--account", "1", "--csds", sim.host()];
    let mut client = Tool::new(args).args(["--username", "u"]).args(PASSWORD).start();
    assert_eq!(client.expect("retry_scheduled")["cause"], "network");
    client.shut_down();
    assert_eq!(sim.state()["csds"], 1, "nothing was asked without trust");
}

#[test]
fn speed_divides_the_spans_of_the_policy() {
    let sim = Sim::plain();
    let mut client =
        connect_bare(&sim).args(["--username", "u", "--speed", "20"]).args(PASSWORD).start();
    let token = client.expect("token");
    assert_eq!(token["expires_in_ms"], 28_800_000, "the server's own span");
    client.expect("online");
    sim.control(json!({ "do": "cut" }));
    assert_eq!(client.expect("retry_scheduled")["delay_ms"], 500);
    client.expect("online");
    let opened = &sim.state()["upgrade_calls"][1]["t_ms"];
    let opened = opened.as_u64().unwrap();
    let mut clocks = Vec::new();
    while clocks.len() < 2 {
        client.say(&json!({ "request": { "type": ".GetProfile" }, "id": "q" }));
        client.expect("fate");
        clocks = sim.state()["requests"][".GetClock"].as_array().cloned().unwrap_or_default();
    }
    for (clock, n) in clocks.iter().zip(1..) {
        let at = clock.as_u64().unwrap() - opened;
        assert!((n * 1500 - 20..n * 1500 + 700).contains(&at), "{clocks:?} after {opened}");
    }
    client.shut_down();
}

#[test]
fn the_vendors_waits_are_whole_without_speed() {
    let sim = Sim::plain();
    let mut client = connect_bare(&sim).args(["--username", "u"]).args(PASSWORD).start();
    client.expect("online");
    sim.control(json!({ "do": "cut" }));
    assert_eq!(client.expect("retry_scheduled")["delay_ms"], 10_000);
    client.shut_down();
}

#[test]
fn the_vendors_later_documents_have_growing_waits() {
    let sim = Sim::plain();
    sim.control(json!({ "do": "refuse", "step": "login", "status": 500, "times": 3 }));
    let mut client = connect_bare(&sim)
        .args(["--username", "u", "--backoff", "vendor", "--speed", "20"])
        .args(PASSWORD)
        .start();
    let waits: Vec<Value> =
        (0..3).map(|_| client.expect("retry_scheduled")["delay_ms"].clone()).collect();
    assert_eq!(waits, [250, 312, 390]);
    client.shut_down();
}

#[test]
fn the_session_is_refreshed_unless_told_not_to() {
    let sim = Sim::plain();
    let policy = "[token]\nrenew = { every = 300 }\n";
    let mut client = crate::support::connect_with(&sim, policy).start();
    client.until("a refresh", |line| line["reason"] == "expiring");
    client.until("a refresh", |line| line["kind"] == "token" && line["id"] == 2);
    client.shut_down();
    assert!(sim.state()["refreshes"].as_u64().unwrap() >= 1);

    let sim = Sim::plain();
    let mut client = crate::support::connect_with(&sim, policy).arg("--no-refresh").start();
    client.expect("online");
    // Longer than two refreshes take.
    sim.control(json!({ "do": "set", "key": "answer_delay_ms", "value": 700 }));
    client.say(&json!({ "request": { "type": ".GetClock" }, "id": "q" }));
    client.expect("fate");
    client.shut_down();
    assert_eq!(sim.state()["refreshes"], 0);
}

#[test]
fn the_lookup_is_asked_at_the_given_host_and_names_the_service() {
    let sim = Sim::plain();
    let mut client = connect(&sim).args(["--service", "asyncMessagingEnt"]).start();
    client.expect("online");
    client.shut_down();
    let mut client = connect(&sim).args(["--service", "noSuchService"]).start();
    let error = client.expect("error");
    assert_eq!(error["fault"], "vendor", "{error}");
    let cause = json!({ "http": { "step": "csds", "status": 200 } });
    assert_eq!(client.expect("retry_scheduled")["cause"], cause);
    client.shut_down();
}

#[test]
fn http_and_websocket_go_through_the_proxy() {
    let sim = Sim::tls();
    let proxy = Proxy::start();
    let url = format!("http://user:pass-word@{}", proxy.addr);
    for tool in [connect(&sim).args(["--proxy", &url]), connect(&sim).env("REDIAL_PROXY", &url)] {
        let before = proxy.tunnels.load(Ordering::SeqCst);
        let mut client = tool.start();
        client.expect("online");
        client.shut_down();
        assert!(
            proxy.tunnels.load(Ordering::SeqCst) >= before + 2,
            "one for HTTP, one for the socket"
        );
    }
}

#[test]
fn a_dead_proxy_is_the_network() {
    let sim = Sim::plain();
    let mut client = connect(&sim).args(["--proxy", "http://127.0.0.1:1"]).start();
    assert_eq!(client.expect("retry_scheduled")["cause"], "network");
    client.shut_down();
    assert_eq!(sim.state()["csds"], 0);
}

#[test]
fn the_record_is_json_and_holds_numbers_only() {
    let sim = Sim::plain();
    let record = scratch("record.jsonl");
    let mut client = connect(&sim).arg("--record").arg(&record).start();
    client.expect("online");
    client.say(&json!({ "send": crate::support::publish("a body"), "id": "m1" }));
    client.expect("fate");
    sim.control(json!({ "do": "close", "code": 4401, "reason": "the peer's words" }));
    client.expect("offline");
    client.expect("online");
    client.shut_down();
    let text = std::fs::read_to_string(record).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert_eq!(lines.next().unwrap()["redial_trace"], 2);
    let mut closed = 0;
    for line in lines {
        assert!(line["cx"]["now"].is_u64() && line["cx"]["entropy"].is_u64(), "{line}");
        closed += usize::from(line["event"]["closed"]["cause"]["close"] == 4401);
        words_are_known(&line["event"]);
    }
    assert_eq!(closed, 1);
}

/// Fails at a string that is not one of the machine's own words.
fn words_are_known(value: &Value) {
    match value {
        Value::String(word) => {
            let own = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(own && word.len() < 24, "{word}");
        }
        Value::Array(values) => values.iter().for_each(words_are_known),
        Value::Object(fields) => fields.values().for_each(words_are_known),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn the_envelopes_of_frames_go_to_stderr() {
    let sim = Sim::plain();
    let mut client = connect(&sim).arg("--debug-frames").start();
    client.expect("online");
    client.say(&json!({ "request": crate::support::publish("a-body-of-mine"), "id": "q1" }));
    client.expect("fate");
    sim.control(json!({ "do": "notify", "body": { "message": "a-body-of-theirs" } }));
    sim.control(json!({ "do": "send_binary", "base64": "AAEC" }));
    client.expect("error");
    client.shut_down();
    let stderr = client.stderr();
    let line = |parts: &[&str]| {
        let found = stderr.lines().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "{parts:?} in {stderr}");
    };
    line(&["frame sent text bytes=", "kind=req", "type=.ams.ms.PublishEvent", " id="]);
    line(&["frame received text bytes=", "kind=resp", "code=200", " reqId="]);
    line(&["frame received text bytes=", "kind=notification", "OnlineEventDistribution"]);
    line(&["frame received binary bytes=3"]);
    assert!(!stderr.contains("a-body-of"), "{stderr}");
    assert!(!client.stdout().contains("frame sent"));
}

#[test]
fn without_json_the_lines_are_for_people() {
    let sim = Sim::plain();
    let args = ["connect", "liveperson", "--plain", "--account", "1", "--csds", sim.host()];
    let mut client = Tool::new(args).args(["--username", "u"]).args(PASSWORD).unchecked().start();
    let online = client.until("online", |line| line.as_str().is_some_and(|l| l.contains("online")));
    assert!(online.as_str().unwrap().contains("continuity=fresh"), "{online}");
    // What a peer says does not drive the terminal.
    sim.control(json!({ "do": "close", "code": 1000, "reason": "\u{1b}[2Jgone" }));
    client.until("offline", |line| line.as_str().is_some_and(|l| l.contains("reason=")));
    client.cmd("shutdown");
    assert_eq!(client.code(), 0);
    assert!(!client.stdout().contains('\u{1b}'));
}

/// An HTTP proxy that tunnels and counts.
struct Proxy {
    addr: std::net::SocketAddr,
    tunnels: Arc<AtomicUsize>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (addr, tunnels) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
        let count = Arc::clone(&tunnels);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                std::thread::spawn(move || tunnel(client, &count));
            }
        });
        Self { addr, tunnels }
    }
}

fn tunnel(mut client: TcpStream, count: &AtomicUsize) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?;
    if !head.to_ascii_lowercase().contains("proxy-authorization: basic dxnlcjpwyxnzlxdvcmq=") {
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").ok()?;
        return None;
    }
    let mut server = TcpStream::connect(target).ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    count.fetch_add(1, Ordering::SeqCst);
    let (mut up, mut down) = (client.try_clone().ok()?, server.try_clone().ok()?);
    let up = std::thread::spawn(move || std::io::copy(&mut up, &mut server).map(drop));
    let _ = std::io::copy(&mut down, &mut client);
    let _ = client.shutdown(std::net::Shutdown::Both);
    let _ = up.join();
    Some(())
}
