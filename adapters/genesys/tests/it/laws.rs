//! Properties that hold for every input.

use bytes::Bytes;
use proptest::prelude::*;
use redial_core::http::NoAnswer;
use redial_core::{Cause, Frame, Input};
use redial_genesys::web::Command;
use serde_json::{Map, Value, json};

use crate::support::{World, chat, messenger, response};

proptest! {
    #[test]
    fn no_frame_panics_or_ends_a_chat(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        fields in fields(),
    ) {
        let mut world = World::chatting();
        world.receive_frame(Frame::Text(bytes.clone().into()));
        world.receive_frame(Frame::Binary(bytes.into()));
        world.receive(&Value::Object(fields));
        prop_assert!(world.session.is_online());
    }

    #[test]
    fn no_frame_panics_in_web_messaging(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        frames in prop::collection::vec((fields(), 0..5_usize), 1..6),
    ) {
        let mut world = World::web(messenger().resend(true).autostart(true));
        world.input(Input::Connect);
        world.configure(false);
        world.receive_frame(Frame::Text(bytes.into()));
        world.text("mine");
        let mut sent = world.take_texts();
        for (mut fields, lane) in frames {
            if let Some(request) = sent.get(lane) {
                fields.insert("tracingId".into(), request["tracingId"].clone());
            }
            world.receive(&Value::Object(fields));
            world.input(Input::Command(Command::HealthCheck));
            world.run(7_000);
            while !world.http.is_empty() {
                world.answer(200, &json!({ "entities": [] }));
            }
            if world.dial.is_some() {
                world.open();
            }
            sent.extend(world.take_texts());
        }
        let load = world.session.load();
        prop_assert_eq!(load.queued + load.in_flight + world.fates().len(), 1);
    }

    #[test]
    fn no_answer_to_guest_creation_panics(
        status in any::<u16>(),
        body in body(),
        offered in ".{0,40}",
    ) {
        let mut world = World::guest(chat());
        world.input(Input::Connect);
        world.answer_with(redial_core::http::HttpResponse {
            status, headers: Vec::new(), body, retry_after: None,
        });
        world.input(Input::OfferToken(offered.into()));
        world.run(60_000);
        if let Some((_, handshake)) = &world.dial {
            prop_assert!(handshake.url.starts_with("ws://127.0.0.1:4432/api/v2/webchat/"));
        }
    }

    #[test]
    fn every_message_has_one_fate_whatever_rest_answers(
        answers in prop::collection::vec(prop_oneof![
            (100..600_u16).prop_map(Some), Just(None), Just(Some(401)), Just(Some(200)),
        ], 1..12),
        body in body(),
    ) {
        let mut world = World::chatting();
        let ids = [world.say("m1"), world.say("m2"), world.say("m3")];
        world.lose(Cause::Network);
        for answer in answers {
            // Guests are given whenever they are wanted, sends are answered as drawn.
            for _ in 0..20 {
                let path = world.http.front().map(|(_, request)| request.url.clone());
                match path {
                    Some(path) if path.ends_with("/guests") => world.answer_guest(3_600),
                    Some(_) => break,
                    None if world.dial.is_some() => world.open(),
                    None => world.step(),
                }
            }
            if world.http.is_empty() {
                break;
            }
            match answer {
                Some(status) => {
                    let mut answer = response(status, &Value::Null, None);
                    answer.body = body.clone();
                    world.answer_with(answer);
                }
                None => world.no_answer(NoAnswer::Network),
            }
        }
        world.input(Input::Shutdown);
        world.run(5_000);
        prop_assert!(world.session.is_stopped());
        let mut settled: Vec<_> = world.fates().iter().map(|fate| fate.0).collect();
        settled.sort();
        prop_assert_eq!(settled, ids);
    }

    #[test]
    fn no_page_of_the_history_panics(status in any::<u16>(), body in body()) {
        let mut world = World::messaging();
        world.lose(Cause::Network);
        world.step();
        world.configure(false);
        let jwt = world.take_texts().pop().expect("getJwt");
        world.receive(&json!({ "type": "response", "class": "JwtResponse", "code": 200,
            "tracingId": jwt["tracingId"], "body": { "jwt": "j", "exp": u64::MAX } }));
        let mut answer = response(status, &Value::Null, None);
        answer.body = body;
        world.answer_with(answer);
        world.run(10_000);
        prop_assert!(world.session.is_online());
    }

    #[test]
    fn a_text_is_written_as_it_was_made(content in ".{0,60}") {
        let mut world = World::chatting();
        world.take_wire();
        world.say(&content);
        let sent = world.take_texts().remove(0);
        prop_assert_eq!(&sent["content"], &Value::from(content.clone()));
        let mut world = World::messaging();
        world.text(&content);
        let sent = world.take_texts().remove(0);
        prop_assert_eq!(&sent["message"], &json!({ "type": "Text", "text": content }));
    }
}

fn body() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..100).prop_map(Bytes::from),
        json_value().prop_map(|value| Bytes::from(value.to_string())),
        fields().prop_map(|fields| Bytes::from(Value::Object(fields).to_string())),
    ]
}

/// Any JSON, the words of the protocols among its strings.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,10}".prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn fields() -> impl Strategy<Value = Map<String, Value>> {
    let code = prop::sample::select(vec![
        200, 400, 401, 403, 404, 408, 409, 429, 4006, 4007, 4011, 4013, 4017, 4020, 4029, 5000,
        70_000, -1,
    ]);
    let field = (word(), prop_oneof![word().prop_map(Value::from), json_value()]);
    let rest = prop::collection::vec(field, 0..6);
    (class(), prop::option::of(code), json_value(), rest).prop_map(|(class, code, body, rest)| {
        let mut fields: Map<_, _> = rest.into_iter().collect();
        fields.insert("class".into(), class.into());
        fields.insert("body".into(), body);
        if let Some(code) = code {
            fields.insert("code".into(), code.into());
        }
        fields
    })
}

fn class() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "SessionResponse",
        "StructuredMessage",
        "JwtResponse",
        "TooManyRequestsErrorMessage",
        "SessionExpiredEvent",
        "SessionClearedEvent",
        "ConnectionClosedEvent",
        "LogoutEvent",
        "string",
        "SomethingNew",
    ])
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "type",
        "message",
        "messageReceived",
        "content",
        "messageId",
        "webchatInstanceId",
        "token",
        "expiresIn",
        "duplicate",
        "class",
        "code",
        "body",
        "tracingId",
        "connected",
        "newSession",
        "readOnly",
        "durationSeconds",
        "expirationDate",
        "metadata",
        "retryAfter",
        "jwt",
        "exp",
        "entities",
        "pageCount",
        "id",
        "channel",
        "direction",
        "Inbound",
        "events",
        "presence",
        "Disconnect",
        "reason",
        "signedIn",
        "response",
        "true",
    ])
    .prop_map(str::to_owned)
}
