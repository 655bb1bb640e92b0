//! `redial serve liveperson` as a process.

use serde_json::{Value, json};

use crate::support::{Sim, Tool, online, publish, scratch};

#[test]
fn the_first_line_tells_where_it_listens() {
    let sim = Sim::plain();
    let line = &sim.listening;
    let http = line["base"].as_str().unwrap();
    assert!(http.starts_with("http://127.0.0.1:"), "{line}");
    assert_eq!(line["ws"], http.replace("http", "ws"));
    assert!(line["control"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{line}");
    assert_eq!(line["ca"], Value::Null);
    assert_eq!(sim.process.seen().len(), 1);
}

#[test]
fn tls_has_an_authority_whose_file_is_removed_in_the_end() {
    let Sim { mut process, listening } = Sim::tls();
    assert!(listening["base"].as_str().unwrap().starts_with("https://"));
    assert!(listening["ws"].as_str().unwrap().starts_with("wss://"));
    assert!(listening["control"].as_str().unwrap().starts_with("http://"));
    let ca = listening["ca"].as_str().unwrap();
    assert!(std::fs::read_to_string(ca).unwrap().starts_with("-----BEGIN CERTIFICATE"));
    process.signal("TERM");
    assert_eq!(process.code(), 0);
    assert!(!std::path::Path::new(ca).exists());
    let kept = scratch("ca.pem");
    let Sim { mut process, listening } = Sim::new(&["--tls", "--ca-out", kept.to_str().unwrap()]);
    assert_eq!(listening["ca"], kept.to_str().unwrap());
    process.signal("INT");
    assert_eq!(process.code(), 0);
    assert!(kept.exists());
}

#[test]
fn json_changes_nothing() {
    let sim = Sim::new(&["--json"]);
    assert_eq!(sim.listening["kind"], "listening");
}

#[test]
fn it_listens_where_it_is_told() {
    let sim = Sim::plain();
    let (host, control) = (sim.host().to_owned(), sim.listening["control"].clone());
    drop(sim);
    let again = Sim::new(&["--listen", &host]);
    assert_eq!(again.host(), host);
    drop(again);
    let control = control.as_str().unwrap().strip_prefix("http://").unwrap();
    let again = Sim::new(&["--control", control]);
    assert_eq!(again.listening["control"], format!("http://{control}"));
}

#[test]
fn the_same_seed_gives_the_same_participants() {
    let ids = |seed: &str| {
        let sim = Sim::new(&["--seed", seed]);
        let mut client = online(&sim);
        client
            .say(&json!({ "request": { "type": ".ams.routing.SubscribeRoutingTasks" }, "id": 1 }));
        client.expect("response")["body"]["subscriptionId"].clone()
    };
    assert_eq!(ids("7"), ids("7"));
    assert_ne!(ids("7"), ids("8"));
}

#[test]
fn every_exchange_and_frame_is_a_line() {
    let mut sim = Sim::plain();
    let mut client = online(&sim);
    client.say(&json!({ "request": publish("hello"), "id": "q1" }));
    client.expect("fate");
    client.shut_down();
    let lookup = sim.process.until("lookup", |line| line["channel"] == "http");
    assert_eq!((&lookup["dir"], &lookup["method"]), (&json!("client"), &json!("GET")));
    let login = sim.expect_http("/login?v=1.3");
    assert_eq!(login["method"], "POST");
    let answer = sim.process.until("answer", |line| line["dir"] == "server");
    assert_eq!((&answer["channel"], &answer["status"]), (&json!("http"), &json!(200)));
    let upgrade = sim.expect_http("/messaging/brand/");
    let path = upgrade["path"].as_str().unwrap();
    assert_eq!(path, "/ws_api/account/12345678/messaging/brand/bearer-1?v=2.1");
    let frame = sim.expect_request(".ams.ms.PublishEvent");
    assert_eq!((&frame["channel"], &frame["frame"]), (&json!("ws"), &json!("text")));
    assert_eq!(frame["conn"], 1);
    let answer =
        sim.process.until("answer", |line| line["dir"] == "server" && line["channel"] == "ws");
    assert_eq!(answer["json"]["kind"], "resp");
    sim.process.until("close", |line| line["frame"] == "close");
}

#[test]
fn settings_can_be_given_at_the_start() {
    let sim = Sim::new(&["--set", "session_ttl_ms=5000", "--set", "user_id=u77"]);
    let mut client = crate::support::connect(&sim).start();
    assert_eq!(client.expect("token")["expires_in_ms"], 5000);
    client.shut_down();
    for wrong in ["session_ttl_ms", "no_such=1", "session_ttl_ms=x"] {
        let (code, stdout, stderr) = Tool::new(["serve", "liveperson", "--set", wrong]).finish();
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stdout.is_empty());
    }
}

#[test]
fn what_it_advertises_can_be_another_host() {
    let front = Sim::plain();
    let sim = Sim::new(&["--advertise", front.host()]);
    let mut client = crate::support::connect(&sim).start();
    // The base address is the advertised one, so the lookup goes to the other simulator.
    client.expect("online");
    assert_eq!(front.state()["logins"], 1);
}
