//! The vendors' own servers were recorded; ours does what their answers ask for.

use redial_core::{Cause, Input};
use redial_evolution::codechat::{Credentials, EVENTS, Payload};
use redial_evolution::v2::{ApiKey, KeyPlace, Scope};
use redial_evolution::{CodeChat, EvolutionApi};
use serde_json::Value;

use crate::support::{URL, Wire, World, inst1, recording, sockets};

const CODECHAT: &str = "codechat-1.3.7-probe";
const V2: &str = "v2.3.6-socketio-probe";

#[test]
fn the_names_are_those_that_the_server_states() {
    let lines = recording(CODECHAT);
    let names: Vec<&str> =
        lines[0]["events"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    assert_eq!(names, EVENTS);
}

/// Every handshake that the server accepted is the one that we dial, and none that it refused.
#[test]
fn the_recorded_handshakes_are_ours() {
    let lines = recording(CODECHAT);
    let mut seen = (0, 0);
    for (at, line) in lines.iter().enumerate() {
        let Some(path) = line["path"].as_str().filter(|_| line["upgrade"] == "websocket") else {
            continue;
        };
        let outcome = lines[at + 1..].iter().find(|later| later["case"] == line["case"]);
        let accepted = outcome.expect("an outcome")["status"] == 101;
        let event = path.split("event=").nth(1).unwrap_or_default();
        let event = event.split('&').next().unwrap_or_default();
        let token = path.split("token=").nth(1).unwrap_or_default();
        let builder = CodeChat::builder(URL, event, Credentials::Token(token.into()));
        match builder.build() {
            Ok(adapter) => {
                let mut world = World::with(redial_core::Session::new(adapter, 1));
                world.input(Input::Connect);
                let ours = world.take_wire();
                let theirs = Wire::Dial(format!("{URL}{path}"));
                if accepted || path.starts_with("/ws/events?event=") {
                    assert_eq!(ours, [(0, theirs)], "{path}");
                } else {
                    assert_ne!(ours, [(0, theirs)], "{path}");
                }
            }
            // What cannot be made here was refused there.
            Err(_) => assert!(!accepted, "{path}"),
        }
        if accepted { seen.0 += 1 } else { seen.1 += 1 }
    }
    assert!(seen.0 >= 6 && seen.1 >= 9, "{seen:?}");
}

/// Every refusal is the same 29 bytes, and says neither which nor why.
#[test]
fn the_recorded_refusal_is_a_401_that_leads_to_another_token() {
    let lines = recording(CODECHAT);
    let raw = lines.iter().find(|line| line["case"] == "raw-401").expect("the refusal");
    let raw = raw["raw"].as_str().expect("bytes");
    assert_eq!(raw, "HTTP/1.1 401 Unauthorized\r\n\r\n");
    let status = raw[9..12].parse().expect("a status");
    let mut world = World::codechat(CodeChat::builder(URL, "call.upsert", Credentials::Ask));
    world.input(Input::Connect);
    world.offer("old");
    world.refuse(status, None);
    world.run(5_000);
    assert_eq!(world.wanted(), [None, Some(&"old".into())]);
}

#[test]
fn every_recorded_frame_of_the_event_sockets_reaches_the_application_as_it_stands() {
    let lines = recording(CODECHAT);
    let frames: Vec<&str> = lines
        .iter()
        .filter(|line| line["dir"] == "server" && line["frame"] == "text")
        .filter_map(|line| line["text"].as_str())
        .collect();
    let mut world = World::online("messages.upsert");
    for frame in &frames {
        world.receive(frame);
    }
    let bodies: Vec<_> = world.payloads().into_iter().map(|(_, body)| body).collect();
    let wanted: Vec<Value> =
        frames.iter().map(|frame| serde_json::from_str(frame).expect("JSON")).collect();
    assert_eq!(bodies, wanted);
    assert!(wanted.len() >= 6 && world.problems().is_empty());
    let sent = lines.iter().find(|line| line["dir"] == "client" && line["frame"] == "text");
    let sent = sent.and_then(|line| line["text"].as_str()).expect("the test message");
    assert_eq!(world.take_texts(), [sent]);
}

/// The server was silent for 65 s and answered a ping: that is all a client can go by.
#[test]
fn the_recorded_silence_is_bridged_by_pings() {
    let mut world = World::online("call.upsert");
    world.run(65_000);
    assert!(world.session.is_online());
    let pings = world.wire.iter().filter(|(_, wire)| *wire == Wire::Ping).count();
    assert_eq!(pings, 2);
    world.lose(Cause::Close(1006));
    world.run(5_000);
    assert!(world.dial.is_some());
}

/// The raw connection that was recorded: open packet, join, an unknown namespace, an event and
/// three heartbeats.
#[test]
fn the_recorded_socket_io_connection_is_ours() {
    let lines = recording(V2);
    let lines = lines.iter().filter(|line| line["case"] == "raw-engine" && line["frame"] == "text");
    let mut world = World::v2(inst1());
    world.connect();
    world.take_wire();
    let mut ours = 0;
    for line in lines {
        let text = line["text"].as_str().expect("a text");
        if text.contains("/nope,") {
            // Its client joined another namespace to see it refused.
            continue;
        }
        if line["dir"] == "client" {
            assert_eq!(world.take_texts(), [text]);
            ours += 1;
        } else {
            world.receive(text);
        }
    }
    assert_eq!(ours, 3);
    assert!(world.session.is_online());
    let [event] = world.messages()[..] else { panic!("one event") };
    assert_eq!(
        (event.name.as_str(), event.instance().as_deref()),
        ("messages.upsert", Some("inst1"))
    );
    world.lose(Cause::Close(1005));
    world.run(1_000);
    assert!(world.dial.is_some());
}

/// With a wrong key a WebSocket is a 400; in a header or in the query it is let in.
#[test]
fn the_recorded_refusals_of_keys_are_understood() {
    let lines = recording(V2);
    let raw = |case: &str| {
        let line = lines.iter().find(|line| line["case"] == case).expect("a case");
        line["raw"].as_str().expect("bytes")[9..12].parse::<u16>().expect("a status")
    };
    assert_eq!((raw("raw-ws-no-key"), raw("raw-ws-header-key")), (400, 101));
    let mut world = World::v2(inst1());
    world.input(Input::Connect);
    world.refuse(raw("raw-ws-no-key"), None);
    let refused = redial_evolution::v2::explain(&world.last_notice());
    assert_eq!(refused, Some("the key is missing or refused"));
    let let_in =
        |case: &str| lines.iter().any(|line| line["case"] == case && line["ev"] == "connect");
    assert!(let_in("sio-query-key") && let_in("sio-header-key") && !let_in("sio-auth-object"));
}

/// The official client gives a refused namespace up (`active: false`); ours does not.
#[test]
fn the_recorded_invalid_namespace_is_asked_for_again() {
    let lines = recording(V2);
    let refused = lines
        .iter()
        .find(|line| line["case"] == "ns-before-first-event" && line["ev"] == "connect_error")
        .expect("the refusal");
    let text = refused["message"].as_str().expect("a text");
    assert_eq!((text, &refused["active"]), ("Invalid namespace", &Value::Bool(false)));
    let mut world = World::joining(inst1());
    world.receive(format!(r#"44/inst1,{{"message":"{text}"}}"#));
    world.take_wire();
    world.run(5_000);
    assert_eq!(world.take_texts(), ["40/inst1,"]);
}

/// Every event that the official client had in the recording comes out of ours.
#[test]
fn every_recorded_event_of_the_namespaces_reaches_the_application() {
    let lines = recording(V2);
    for (case, scope) in
        [("root-ns", Scope::Global), ("ns-after-first-event", Scope::Instance("inst1".into()))]
    {
        let events = lines.iter().filter(|line| line["case"] == case && line["ev"] == "event");
        let key = ApiKey::Key("key-1".into());
        let builder = EvolutionApi::builder("http://localhost:8080", scope.clone(), key);
        let mut world = World::joining(builder.key_place(KeyPlace::Query));
        let prefix = if scope == Scope::Global { "" } else { "/inst1," };
        world.receive(format!(r#"40{prefix}{{"sid":"SID"}}"#));
        let mut wanted = Vec::new();
        for line in events {
            let (name, envelope) = (&line["name"], &line["args"][0]);
            world.receive(format!("42{prefix}[{name},{envelope}]"));
            wanted.push((name.as_str().expect("a name").to_owned(), envelope.clone()));
        }
        let ours: Vec<_> = world
            .messages()
            .into_iter()
            .map(|event| (event.name.to_string(), event.envelope.value()))
            .collect();
        assert!(wanted.len() >= 3, "{case}");
        assert_eq!(ours, wanted);
    }
}

#[test]
fn the_seeds_own_test_message_is_the_recorded_one() {
    let payload = Payload::new(crate::support::TEST_DATA).expect("JSON");
    let mut with = World::codechat(sockets("call.upsert").test_message(Some(payload)));
    let mut without = World::codechat(sockets("call.upsert"));
    with.connect();
    without.connect();
    assert_eq!(with.take_texts(), without.take_texts());
}
