//! Properties that hold for every input.

use bytes::Bytes;
use proptest::prelude::*;
use redial_core::http::{HttpResponse, NoAnswer};
use redial_core::{Cause, Frame, Input};
use redial_vonage::{Command, Outgoing};
use serde_json::{Value, json};

use crate::support::{BOTH, V1, V2, World, builder};

proptest! {
    #[test]
    fn no_frame_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,80}") {
        for generation in BOTH {
            for mut world in [World::online(generation), begun(generation)] {
                world.receive_frame(Frame::Binary(bytes.clone().into()));
                world.receive_frame(Frame::Text(bytes.clone().into()));
                let mut world_two = World::online(generation);
                world_two.text(&format!("42{text}"));
                world_two.text(&format!("42[\"session:success\",{text}]"));
            }
        }
    }

    #[test]
    fn no_event_panics_and_every_request_has_one_fate(
        events in prop::collection::vec((name(), payload(), 0..4_u8), 1..12),
    ) {
        for generation in BOTH {
            let mut world = World::online_with(
                generation,
                builder(generation).token("T1".into()).resend(true).token_source(true),
            );
            world.send(Outgoing::request("text", json!({})));
            world.send(Outgoing::event("text", json!({})));
            let tid = world.texts().iter().find_map(|text| crate::support::parse(text));
            let tid = tid.map(|(_, payload)| payload["tid"].clone());
            for (name, mut payload, rid) in events.clone() {
                if let (0, Value::Object(fields), Some(tid)) = (rid, &mut payload, &tid) {
                    fields.insert("rid".to_owned(), tid.clone());
                }
                world.event(&name, &payload);
                world.run(3_000);
                let token = format!("token-{}", world.now);
                world.input(Input::OfferToken(token.into()));
                world.run(20);
                while !world.http.is_empty() {
                    world.answer(200, &json!({}));
                }
                if world.dial.is_some() {
                    world.join();
                    world.event("session:success", &json!({ "body": { "id": "S1" } }));
                }
            }
            world.input(Input::Command(Command::Logout));
            for (name, payload, _) in &events {
                world.event(name, payload);
            }
            let load = world.session.load();
            prop_assert_eq!(load.queued + load.in_flight + world.fates().len(), 2);
        }
    }

    #[test]
    fn no_answer_to_an_update_panics_or_ends_a_session(
        answers in prop::collection::vec(answer(), 1..8),
        offered in ".{0,40}",
    ) {
        let mut world = World::online(V2);
        world.run(10);
        for (number, answer) in answers.into_iter().enumerate() {
            world.offer(&format!("T{number}"));
            world.input(Input::OfferToken(offered.as_str().into()));
            world.stay(31_000);
            let lost = matches!(&answer, Ok(answer) if answer.status == 404);
            if !world.http.is_empty() {
                match answer {
                    Ok(answer) => world.answer_with(answer),
                    Err(why) => world.no_answer(why),
                }
                prop_assert_eq!(world.session.is_online(), !lost);
            }
            if lost {
                return Ok(());
            }
        }
    }

    #[test]
    fn no_token_panics(parts in prop::collection::vec("[A-Za-z0-9_=-]{0,30}", 0..5), claims in payload()) {
        for token in [parts.join("."), crate::support::claims(&claims)] {
            let Ok(adapter) = builder(V1).token(token.as_str().into()).proactive(true).build() else {
                prop_assert!(token.is_empty());
                continue;
            };
            let mut world = World::with(V1, redial_core::Session::new(adapter, 7));
            world.input(Input::Connect);
            if world.dial.is_some() {
                world.log_in("S1");
                world.stay(100_000);
            }
        }
    }

    /// Whatever happens, no more than the budget follows a loss, and never faster than the seed.
    #[test]
    fn attempts_keep_the_pace(
        causes in prop::collection::vec(
            prop_oneof![
                Just(Cause::Network), Just(Cause::Close(1006)), Just(Cause::Handshake(401)),
                Just(Cause::Handshake(503)),
            ],
            6,
        ),
    ) {
        let mut world = World::online(V2);
        world.lose(causes[0]);
        let mut dials = Vec::new();
        for cause in &causes[1..] {
            world.run(20_000);
            dials.extend(world.take_dials().into_iter().map(|(at, _)| at));
            if world.dial.is_some() {
                world.fail_dial(*cause);
            }
        }
        world.run(1_000_000);
        prop_assert_eq!(dials.len(), 5);
        prop_assert!(world.take_dials().is_empty());
    }
}

/// A connection that waits for the platform's word.
fn begun(generation: redial_vonage::Generation) -> World {
    let mut world = World::new(generation, builder(generation).token("T1".into()));
    world.input(Input::Connect);
    world.join();
    world
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z:]{0,20}",
        prop::sample::select(vec![
            "session:success",
            "session:invalid",
            "session:error:invalid",
            "session:terminated",
            "system:error:expired-token",
            "system:error:invalid-token",
            "text",
            "echo",
            "session:update-token:success",
            "session:logged-out",
            "session:error:max-open-sessions",
        ])
        .prop_map(str::to_owned),
    ]
}

fn payload() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        "[a-z]{0,5}",
        prop::sample::select(vec![
            "id",
            "cid",
            "body",
            "rid",
            "type",
            "exp",
            "iat",
            "pending_events",
            "from",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn answer() -> impl Strategy<Value = Result<HttpResponse, NoAnswer>> {
    let response =
        (100..600_u16, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(status, body)| {
            HttpResponse { status, headers: Vec::new(), body: Bytes::from(body), retry_after: None }
        });
    prop_oneof![
        8 => response.prop_map(Ok),
        1 => Just(Err(NoAnswer::Network)),
        1 => Just(Err(NoAnswer::Timeout)),
    ]
}
