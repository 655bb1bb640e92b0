//! The guide's sample code and the vendor's Java SDK were recorded; ours sends the same, field by
//! field.

use redial_core::http::HttpRequest;
use redial_core::{Cause, Handshake, Input};
use redial_genesys::guest::SocketAuth;
use redial_genesys::web::{Command, Outgoing};
use redial_genesys::{GuestChat, WebMessaging};
use serde_json::{Value, json};

use crate::support::{OAUTH, World, chat, recording};

const SEED: [&str; 11] = [
    "seed-usage",
    "seed-basic",
    "seed-drop",
    "seed-idle",
    "seed-server-down",
    "seed-upgrade-401",
    "seed-shutdown-during-backoff",
    "seed-ack-lost",
    "seed-retry-after-twice",
    "seed-rest-500-order",
    "seed-token-expired",
];

/// Every request of the sample code, in every recording, is one that we send: guest creation and
/// upgrade as they are, messages with their own ids.
#[test]
fn every_recorded_request_of_the_sample_code_is_ours() {
    for name in SEED {
        let lines = recording(name);
        let mut seen = 0;
        let session = guest_of(&lines);
        let mut world = online_with(&session);
        for line in lines.iter().filter(|line| line["dir"] == "client") {
            if line["channel"] == "http" {
                let path = line["path"].as_str().expect("a path");
                let ours = if path.ends_with("/guests") {
                    guest_request()
                } else {
                    resend(&lines, path, line["body"]["content"].as_str().expect("content"))
                };
                assert_request(line, &ours);
                seen += 1;
            } else if line["event"] == "upgrade-request" {
                let instance = line["path"].as_str().expect("a path").split('/').nth(5);
                let handshake = upgrade(&lines, instance.expect("an instance"));
                assert!(handshake.url.ends_with(line["path"].as_str().expect("a path")));
                // The sample code sends no credential at all; nor do we, where it is so set.
                assert_eq!(line["headers"], json!({}));
                assert!(handshake.headers.is_empty());
                seen += 1;
            } else if line["event"] == "frame" {
                world.say(line["data"]["content"].as_str().expect("content"));
                let ours = world.take_texts().pop().expect("a frame");
                assert_eq!(keys(&ours), keys(&line["data"]), "{name}");
                assert_eq!(without_id(&ours), without_id(&line["data"]), "{name}");
                seen += 1;
            }
        }
        assert!(seen >= 3, "{name}");
    }
}

/// The frames of the Java SDK are ours, but for the ids that each makes for itself.
#[test]
fn every_recorded_frame_of_the_java_sdk_is_ours() {
    let lines = recording("webmessaging-java-sdk");
    let token = "11111111-2222-4333-8444-555555555555";
    let builder = WebMessaging::builder("mypurecloud.com", "dep-1")
        .application("WebMessagingSDK-Default-1.0.1")
        .origin("http://localhost")
        .token(token.into());
    let mut world = World::web(builder);
    world.input(Input::Connect);
    let (mut frames, mut conn) = (0, 0);
    for line in &lines {
        let client = line["dir"] == "client";
        match line["event"].as_str() {
            Some("upgrade-request") => {
                if conn > 0 {
                    world.lose(Cause::Network);
                    world.step();
                }
                conn += 1;
                let (_, handshake) = world.dial.as_ref().expect("a dial");
                let path = line["path"].as_str().expect("a path");
                assert_eq!(handshake.url, format!("wss://webmessaging.mypurecloud.com{path}"));
                let origin = line["headers"]["origin"].as_str().expect("an origin").to_owned();
                assert_eq!(handshake.headers, [("origin", origin)]);
                world.open();
            }
            Some("frame") if client => {
                let ours = ours(&mut world, &line["data"]);
                let ours = ours.expect("a frame of ours");
                let mut theirs = line["data"].clone();
                assert_eq!(ours["tracingId"].as_str().map(str::len), Some(36));
                theirs["tracingId"] = ours["tracingId"].clone();
                assert_eq!(ours, theirs);
                frames += 1;
                answer(&mut world, &ours);
            }
            _ => {}
        }
    }
    assert_eq!((frames, conn), (13, 2));
}

/// Does what makes us send the recorded frame, and returns what was sent.
fn ours(world: &mut World<WebMessaging>, theirs: &Value) -> Option<Value> {
    match theirs["action"].as_str().expect("an action") {
        "configureSession" if theirs["startNew"] == true => {
            world.run(1_000);
            world.take_wire();
            world.input(Input::Command(Command::StartNew));
            let close = world.take_texts().pop().expect("closeSession");
            world.receive(&json!({ "type": "response", "class": "SessionResponse", "code": 200,
                "tracingId": close["tracingId"], "body": { "connected": false } }));
            world.take_texts().pop()
        }
        "configureSession" => {
            world.take_texts().into_iter().find(|text| text["action"] == "configureSession")
        }
        "onMessage" => {
            world.run(1_000);
            world.take_wire();
            let message = match theirs["message"]["events"][0]["eventType"].as_str() {
                Some("Presence") => Outgoing::join(),
                Some("Typing") => Outgoing::typing(),
                _ => Outgoing::text(theirs["message"]["text"].as_str().expect("a text")),
            };
            world.submit(message);
            world.take_texts().pop()
        }
        "echo" => {
            world.input(Input::Command(Command::HealthCheck));
            world.take_texts().pop()
        }
        "getJwt" => {
            // Ours asks for one after a reconnect only.
            let mut world = World::web(
                WebMessaging::builder("mypurecloud.com", "dep-1")
                    .token("11111111-2222-4333-8444-555555555555".into()),
            );
            world.input(Input::Connect);
            world.configure(false);
            world.take_texts().pop()
        }
        other => panic!("{other}"),
    }
}

fn answer(world: &mut World<WebMessaging>, request: &Value) {
    match request["action"].as_str() {
        Some("configureSession") => {
            let response = world.session_response(request, true);
            world.receive(&response);
        }
        Some("onMessage" | "echo") => world.echo(request),
        _ => {}
    }
}

fn assert_request(line: &Value, ours: &HttpRequest) {
    assert_eq!(line["method"], ours.method.as_str());
    assert!(ours.url.ends_with(line["path"].as_str().expect("a path")));
    let theirs = line["headers"].as_object().expect("headers");
    for (name, value) in theirs.iter().filter(|(name, _)| *name != "user-agent") {
        let mine = ours.headers.iter().find(|(mine, _)| mine == name).map(|(_, mine)| mine);
        assert_eq!(mine.map(String::as_str), value.as_str(), "{name}");
    }
    assert_eq!(theirs.len(), ours.headers.len());
    let body: Value = serde_json::from_slice(&ours.body).expect("JSON");
    assert_eq!(keys(&body), keys(&line["body"]));
    assert_eq!(without_id(&body), without_id(&line["body"]));
}

/// The guest sessions of a recording, the first one first.
fn guests_of(lines: &[Value]) -> Vec<Value> {
    let made = lines.iter().filter(|line| {
        let path = line["path"].as_str().unwrap_or_default();
        line["dir"] == "server" && path.ends_with("/guests")
    });
    made.map(|line| line["body"].clone()).collect()
}

fn guest_of(lines: &[Value]) -> Value {
    guests_of(lines).remove(0)
}

fn online_with(session: &Value) -> World<GuestChat> {
    let mut world = World::guest(chat().socket_auth(SocketAuth::None));
    world.input(Input::Connect);
    world.answer(200, session);
    world.open();
    world
}

fn guest_request() -> HttpRequest {
    let mut world = World::guest(chat());
    world.input(Input::Connect);
    let (_, request) = world.http.pop_front().expect("guest creation");
    assert!(request.headers.contains(&("authorization", format!("Bearer {OAUTH}"))));
    request
}

fn session_of(lines: &[Value], instance: &str) -> Value {
    let guests = guests_of(lines);
    let found = guests.into_iter().find(|guest| guest["webchatInstanceId"] == instance);
    found.expect("the guest session of this instance")
}

fn upgrade(lines: &[Value], instance: &str) -> Handshake {
    let mut world = World::guest(chat().socket_auth(SocketAuth::None));
    world.input(Input::Connect);
    world.answer(200, &session_of(lines, instance));
    world.handshake().clone()
}

fn resend(lines: &[Value], path: &str, content: &str) -> HttpRequest {
    let instance = path.split('/').nth(5).expect("an instance");
    let mut world = online_with(&session_of(lines, instance));
    world.say(content);
    world.lose(Cause::Network);
    world.step();
    if world.dial.is_none() {
        // It lives for 2 s in that recording.
        world.answer(200, &session_of(lines, instance));
    }
    world.open();
    world.http.pop_front().expect("a send").1
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|fields| fields.keys().map(String::as_str).collect()).unwrap_or_default()
}

fn without_id(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(id) = value.get_mut("messageId") {
        *id = Value::from(id.as_str().map(str::len));
    }
    value
}
