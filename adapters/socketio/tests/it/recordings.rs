//! The reference implementations were recorded; ours understands and sends the same.

use std::path::Path;

use bytes::Bytes;
use redial_core::Frame;
use redial_socketio::{
    Args, Connection, Decoder, Event, Generation, Inbound, Join, Limits, Placeholder, Query, Signal,
};
use serde_json::{Value, json};

use crate::support::{Eio3, Eio4, World, main, namespace, show, text};

#[test]
fn every_recorded_packet_is_written_as_it_was() {
    let mut packets = 0;
    for name in ["v2", "v4", "csr", "raw", "vonage-v1-login", "vonage-v2-cut-resume"] {
        for connection in connections(name) {
            let generation = connection.generation;
            for from_client in [true, false] {
                let mut decoder = Decoder::new(generation, Limits::DEFAULT);
                let mut frames = Vec::new();
                for line in connection.lines.iter().filter(|line| line.from_client == from_client) {
                    // What was sent to see it refused.
                    if ["4x", "9"].contains(&show(&line.frame).as_str()) {
                        assert!(decoder.handle_frame(&line.frame).is_err());
                        continue;
                    }
                    frames.push(line.frame.clone());
                    match decoder.handle_frame(&line.frame).expect(name) {
                        None => continue,
                        Some(Inbound::Packet(packet)) => {
                            assert_eq!(packet.frames(generation).collect::<Vec<_>>(), frames);
                            packets += 1;
                        }
                        Some(_) => {}
                    }
                    frames.clear();
                }
                assert_eq!(decoder.missing(), 0);
            }
        }
    }
    assert_eq!(packets, 88);
}

#[test]
fn a_recorded_session_of_the_newer_generation_is_ours() {
    let said = replay("v4", &mut Connection::new(Eio4, Limits::DEFAULT));
    assert_eq!(said[0], "opened");
    assert_eq!(said[1..], expected("sid", r#"not authorized {"code":"E1"}"#));
}

#[test]
fn a_recorded_session_of_the_older_generation_is_ours() {
    let said = replay("v2", &mut Connection::new(Eio3, Limits::DEFAULT));
    assert_eq!(said[0], "opened");
    assert_eq!(said[1..], expected("no id", r#"- {"code":"E1"}"#));
}

#[test]
fn a_recorded_recovery_is_ours() {
    let recorded = connections("csr");
    let mut lost = None;
    let mut said = Vec::new();
    for recorded in recorded.iter().filter(|recorded| !recorded.lines.is_empty()) {
        let mut world = World::new(Eio4);
        let join = Join::new().auth(&json!({"token": "T"})).expect("an object").recover(lost);
        world.connection.join(&main(), join).expect("a join");
        for line in &recorded.lines {
            if line.from_client {
                assert_eq!(world.written(), [show(&line.frame)]);
            } else {
                world.connection.handle_frame(&line.frame).expect("a recorded frame");
                said.extend(world.signals().iter().map(tell));
            }
        }
        lost = world.connection.recovery(&main()).cloned();
    }
    assert_eq!(
        said,
        [
            "opened",
            "joined / sid",
            r#"event / ["ev",1,"Q7xrsgY"]"#,
            "opened",
            "joined / sid recovered",
            r#"event / ["ev",2,"Q7xrskc"]"#,
            r#"event / ["ev",3,"Q7xrskc.0"]"#,
            "opened",
            "joined / sid",
        ],
    );
}

#[test]
fn recorded_heartbeats_are_ours() {
    let mut answered = 0;
    for recorded in connections("raw") {
        let mut world = World::new(recorded.generation);
        for line in recorded.lines.iter().filter(|line| !line.from_client) {
            let result = world.connection.handle_frame(&line.frame);
            if show(&line.frame) == "2" {
                assert_eq!((result, world.written()), (Ok(()), vec!["3".into()]));
                answered += 1;
            }
        }
    }
    assert_eq!(answered, 4);
}

#[test]
fn the_recorded_older_server_is_told_from_a_newer_one() {
    let recorded = connections("raw");
    let older = recorded.last().expect("connections");
    assert_eq!(older.generation, Eio4);
    let mut world = World::new(Eio4);
    let results: Vec<_> = older
        .lines
        .iter()
        .filter(|line| !line.from_client)
        .map(|line| world.connection.handle_frame(&line.frame))
        .collect();
    let error = redial_socketio::Error::WrongGeneration { ours: Eio4 };
    assert_eq!(results, [Ok(()), Err(error)]);
}

#[test]
fn a_recorded_session_of_vonage_is_ours() {
    let mut older = Connection::new(Eio3, Limits::DEFAULT);
    let said = replay("vonage-v1-login", &mut older);
    let names: Vec<_> =
        said.iter().map(|said| said.split('"').take(2).collect::<String>()).collect();
    assert_eq!(
        names,
        [
            "opened",
            "joined / no id",
            "event / [session:success",
            "event / 0[custom:hello",
            "event / [session:logged-out",
        ],
    );
}

/// What both recorded sessions say; they differ in ids and in what a refusal carries.
fn expected(sid: &str, locked: &str) -> Vec<String> {
    let lines = [
        format!("joined / {sid}"),
        format!("joined /chat {sid}"),
        format!("refused /locked {locked}"),
        "refused /nope Invalid namespace -".into(),
        r#"answered / 0 [null,{"a":1}]"#.into(),
        r#"answered /chat 0 [null,"hi"]"#.into(),
        r#"event / 0["question",{"q":1}]"#.into(),
        r#"event / ["got",{"yes":true}]"#.into(),
        r#"answered / 1 [{"_placeholder":true,"num":0}] 0908"#.into(),
        r#"event / ["blob",{"part":{"_placeholder":true,"num":0},"n":7}] 010203"#.into(),
        "left /".into(),
    ];
    lines.into()
}

/// Replays the only connection of a recording and returns what the signals say.
fn replay(name: &str, connection: &mut Connection) -> Vec<String> {
    let recorded = connections(name).remove(0);
    let mut said = Vec::new();
    for line in &recorded.lines {
        if line.from_client {
            let wire = show(&line.frame);
            if matches!(line.frame, Frame::Text(_)) {
                act(connection, &wire);
            }
            let frame = connection.poll_frame();
            assert_eq!(frame.as_ref().map(show), Some(wire), "{name}");
        } else {
            connection.handle_frame(&line.frame).expect(name);
            said.extend(
                core::iter::from_fn(|| connection.poll_signal()).map(|signal| tell(&signal)),
            );
        }
    }
    said
}

/// Does what the recorded client was told to do when it sent this.
fn act(connection: &mut Connection, wire: &str) {
    let chat = namespace("chat");
    let event = |name: &str, args: Value| Event::new(name, &args).expect("an event");
    let token = |token: &str| Join::new().auth(&json!({ "token": token })).expect("an object");
    let result = match wire {
        r#"40{"token":"T"}"# => connection.join(&main(), token("T")),
        r#"40/chat,{"token":"T2"}"# => connection.join(&chat, token("T2")),
        "40/chat?token=T2," => {
            let query = Query::new("token=T2").expect("a query");
            connection.join(&chat, Join::new().query(query))
        }
        "40/locked," => connection.join(&namespace("locked"), Join::new()),
        "40/nope," => connection.join(&namespace("/nope"), Join::new()),
        r#"420["echo",{"a":1}]"# => {
            connection.request(&main(), &event("echo", json!([{"a": 1}]))).map(|_| ())
        }
        r#"42/chat,0["echo","hi"]"# => {
            connection.request(&chat, &event("echo", json!(["hi"]))).map(|_| ())
        }
        r#"430[{"yes":true}]"# => {
            connection.answer(&main(), 0, &Args::new(&[json!({"yes": true})]).expect("args"))
        }
        r#"451-1["bin",{"_placeholder":true,"num":0}]"# => {
            let bytes = vec![Bytes::from_static(&[9, 8])];
            let event = Event::with_attachments("bin", &(Placeholder(0),), bytes);
            connection.request(&main(), &event.expect("an event")).map(|_| ())
        }
        "41" => connection.leave(&main()),
        "41/chat," => connection.leave(&chat),
        wire => {
            let array: Vec<Value> = serde_json::from_str(&wire[2..]).expect("an event");
            let name = array[0].as_str().expect("a name");
            if name.starts_with("session:") {
                // Their keys are not in an order that a value keeps.
                let raw: Vec<Box<serde_json::value::RawValue>> =
                    serde_json::from_str(&wire[2..]).expect("an event");
                connection.emit(&main(), &Event::new(name, &raw[1..]).expect("an event"))
            } else {
                connection.emit(&main(), &event(name, json!(array[1..])))
            }
        }
    };
    assert_eq!(result, Ok(()), "{wire}");
}

fn tell(signal: &Signal) -> String {
    let args = |args: &Args| {
        let bytes: String = args
            .attachments()
            .iter()
            .map(|bytes| format!(" {}", show(&Frame::Binary(bytes.clone()))))
            .collect();
        format!("{}{bytes}", args.json().as_str())
    };
    match signal {
        Signal::Opened(_) => "opened".into(),
        Signal::Joined { namespace, sid, recovered } => {
            let sid = if sid.is_some() { "sid" } else { "no id" };
            format!("joined {namespace} {sid}{}", if *recovered { " recovered" } else { "" })
        }
        Signal::Refused { namespace, refusal } => {
            let data = refusal.data().map_or("-".into(), |data| data.as_str().to_owned());
            format!("refused {namespace} {} {data}", refusal.message().unwrap_or("-".into()))
        }
        Signal::Left { namespace } => format!("left {namespace}"),
        Signal::Event { namespace, ack, event } => {
            let ack = ack.map(|ack| ack.to_string()).unwrap_or_default();
            format!("event {namespace} {ack}{}", args(event.array()))
        }
        Signal::Answered { namespace, id, args: answer } => {
            format!("answered {namespace} {id} {}", args(answer))
        }
        Signal::Ping | Signal::Pong | Signal::Closed | Signal::Ignored(_) => format!("{signal:?}"),
    }
}

/// One recorded connection.
struct Recorded {
    generation: Generation,
    lines: Vec<Line>,
}

struct Line {
    from_client: bool,
    frame: Frame,
}

/// Reads a recording: a connection begins with an upgrade.
fn connections(name: &str) -> Vec<Recorded> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/{name}.jsonl"));
    let mut connections = Vec::<Recorded>::new();
    for line in std::fs::read_to_string(path).expect(name).lines() {
        let line: Value = serde_json::from_str(line).expect(name);
        match line["event"].as_str() {
            Some("upgrade") => {
                let older = line["url"].as_str().expect(name).contains("EIO=3");
                let generation = if older { Eio3 } else { Eio4 };
                connections.push(Recorded { generation, lines: Vec::new() });
            }
            Some("frame") => {
                let frame = match &line["data"] {
                    Value::String(data) => text(data),
                    data => Frame::Binary(base64(data["base64"].as_str().expect(name)).into()),
                };
                let from_client = line["dir"] == "client";
                let connection = connections.last_mut().expect(name);
                connection.lines.push(Line { from_client, frame });
            }
            _ => {}
        }
    }
    connections
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes().take_while(|digit| *digit != b'=') {
        let value = DIGITS.iter().position(|known| *known == digit).expect("a digit");
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}
