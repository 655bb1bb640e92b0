//! No `Debug` shows a secret.

use redial_core::http::HttpResponse;
use redial_core::{
    Adapter, Cause, ConnId, Cx, Effect, Frame, Input, Item, Session, Timestamp, Transmit,
};
use redial_genesys::guest::{Credentials, SocketAuth, Text};
use redial_genesys::web::Outgoing;
use redial_genesys::{GuestChat, WebMessaging};
use serde_json::{Value, json};

use crate::support::{ORG, START, response};

const CANARIES: [&str; 9] = [
    "CANARY-OAUTH",
    "CANARY-KEY",
    "CANARY-GUEST",
    "CANARY-TOKEN",
    "CANARY-OFFERED",
    "CANARY-BODY",
    "CANARY-REASON",
    "CANARY-JWT",
    "CANARY-MAIL",
];

#[test]
fn nothing_of_the_guest_chat_that_prints_shows_a_secret() {
    for credentials in [
        Credentials::OAuth("CANARY-OAUTH".into()),
        Credentials::ApiKey("CANARY-KEY".into()),
        Credentials::Ask,
        Credentials::Backend,
    ] {
        let mut seen = format!("{credentials:?}{credentials:#?}");
        let builder = GuestChat::builder(ORG, credentials)
            .plain(true)
            .guest("CANARY-MAIL", "CANARY-MAIL", "CANARY-MAIL")
            .socket_auth(SocketAuth::Query("token"));
        seen += &format!("{builder:?}{builder:#?}");
        let mut session = Session::new(builder.build().expect("good"), 1);
        let offered = json!({ "webchatInstanceId": "i", "token": "CANARY-OFFERED" }).to_string();
        seen += &format!("{:?}", Text::new("CANARY-BODY"));
        drive(&mut session, &mut seen, &Text::new("CANARY-BODY"), &offered, &chat_frames());
        seen += &format!("{:?}", session.snapshot().cursor);
        check(&seen);
    }
}

#[test]
fn nothing_of_web_messaging_that_prints_shows_a_secret() {
    let builder = WebMessaging::builder("mypurecloud.com", "dep-1").token("CANARY-TOKEN".into());
    let mut seen = format!("{builder:?}{builder:#?}");
    let mut session = Session::new(builder.build().expect("good"), 1);
    let message = Outgoing::text("CANARY-BODY");
    seen += &format!("{message:?}");
    drive(&mut session, &mut seen, &message, "CANARY-OFFERED", &web_frames());
    seen += &format!("{:?}", session.snapshot().cursor);
    check(&seen);
}

fn check(seen: &str) {
    for canary in CANARIES {
        assert!(!seen.contains(canary), "{canary} in {seen}");
    }
    assert!(seen.len() > 5_000, "a good deal was printed");
}

fn chat_frames() -> Vec<Value> {
    vec![
        json!({ "type": "message", "content": "CANARY-BODY", "messageId": "CANARY-BODY" }),
        json!({ "type": "message", "content": "CANARY-BODY", "messageId": "CANARY-BODY" }),
        json!({ "type": "messageReceived", "messageId": "CANARY-BODY" }),
        json!({ "type": "other", "content": "CANARY-BODY" }),
        json!("CANARY-BODY"),
    ]
}

fn web_frames() -> Vec<Value> {
    let frame = |class: &str, code: u16, body: Value| json!({ "type": "response", "class": class, "code": code, "body": body });
    vec![
        frame(
            "SessionResponse",
            200,
            json!({ "connected": true, "newSession": false,
                                              "x": "CANARY-BODY" }),
        ),
        frame("JwtResponse", 200, json!({ "jwt": "CANARY-JWT" })),
        json!({ "type": "message", "class": "StructuredMessage", "code": 200,
                "body": { "id": "1", "type": "Text", "text": "CANARY-BODY" } }),
        frame("Error", 4000, json!("CANARY-BODY")),
        frame("Other", 200, json!("CANARY-BODY")),
    ]
}

fn drive<A>(
    session: &mut Session<A>,
    seen: &mut String,
    message: &A::Outgoing,
    offered: &str,
    frames: &[Value],
) where
    A: Adapter + core::fmt::Debug,
    A::Message: core::fmt::Debug,
    A::Reply: core::fmt::Debug,
{
    let mut now = START;
    let mut cx = Cx::new(Timestamp::from_millis(now), 0);
    session.record();
    session.handle(cx, Input::Connect);
    session.send(cx, message.clone()).expect("room");
    for round in 0..4 {
        exchange(session, cx, seen);
        session.handle(cx, Input::OfferToken(offered.into()));
        exchange(session, cx, seen);
        let conn = ConnId::new(round + 1);
        for frame in frames {
            let frame = Frame::Text(frame.to_string().into());
            *seen += &format!("{frame:?}");
            session.handle(cx, Input::Frame { conn, frame });
            exchange(session, cx, seen);
        }
        session.note_reason(conn, "CANARY-REASON");
        let cause = Cause::Close(4401);
        session.handle(cx, Input::Closed { conn, cause, retry_after: None });
        exchange(session, cx, seen);
        now += 20_000;
        cx = Cx::new(Timestamp::from_millis(now), 0);
        session.handle(cx, Input::Tick);
    }
    *seen += &format!("{:?}", session.snapshot());
}

fn exchange<A>(session: &mut Session<A>, cx: Cx, seen: &mut String)
where
    A: Adapter + core::fmt::Debug,
    A::Message: core::fmt::Debug,
    A::Reply: core::fmt::Debug,
{
    for _ in 0..10 {
        *seen += &format!("{session:?}{:?}", session.adapter());
        while let Some(effect) = session.poll_effect() {
            *seen += &format!("{effect:?}{effect:#?}");
            match effect {
                Effect::Http { id, .. } => {
                    let answer = answer();
                    *seen += &format!("{answer:?}");
                    session.handle(cx, Input::Http { id, answer: Ok(answer) });
                }
                Effect::Dial { conn, .. } => {
                    session.handle(cx, Input::Dialing { conn });
                    session.handle(cx, Input::Opened { conn });
                }
                Effect::Drop { .. } | Effect::Abort { .. } => {}
            }
        }
        while let Some(transmit) = session.poll_transmit(cx) {
            *seen += &format!("{transmit:?}");
            let _ = matches!(transmit, Transmit::Close { .. });
        }
        while let Some(item) = session.poll_item() {
            *seen += &format!("{item:?}{item:#?}");
            match item {
                Item::Message(message) => *seen += &format!("{message:?}{message:#?}"),
                Item::Reply { reply, .. } => *seen += &format!("{reply:?}{reply:#?}"),
                _ => {}
            }
        }
        while let Some(record) = session.poll_record() {
            *seen += &format!("{record:?}");
        }
    }
}

fn answer() -> HttpResponse {
    let body = json!({
        "webchatInstanceId": "instance", "token": "CANARY-GUEST", "expiresIn": 3600,
        "entities": [{ "id": "7", "text": "CANARY-BODY" }], "message": "CANARY-BODY",
    });
    response(200, &body, None)
}
