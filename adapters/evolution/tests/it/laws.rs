//! Properties that hold for every input.

use bytes::Bytes;
use proptest::prelude::*;
use redial_core::http::HttpResponse;
use redial_core::{Cause, Frame, Input};
use redial_evolution::codechat::{Credentials, Payload, Refresh};
use redial_evolution::v2::{ApiKey, Scope};
use redial_evolution::{CodeChat, EvolutionApi};

use crate::support::{OPEN, URL, Wire, World, inst1};

proptest! {
    #[test]
    fn no_frame_panics_or_ends_an_event_socket(
        frames in prop::collection::vec((any::<bool>(), frame()), 1..8),
    ) {
        let mut world = World::online("call.upsert");
        let mut json = 0;
        for (text, bytes) in frames {
            let is_text = text && std::str::from_utf8(&bytes).is_ok();
            json += usize::from(
                is_text && serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok(),
            );
            world.receive_frame(if is_text { Frame::Text(bytes) } else { Frame::Binary(bytes) });
        }
        prop_assert!(world.session.is_online());
        prop_assert_eq!(world.messages().len(), json);
    }

    #[test]
    fn no_frame_panics_in_a_namespace(
        frames in prop::collection::vec((any::<bool>(), packet()), 1..12),
    ) {
        let mut world = World::joining(inst1());
        for (text, bytes) in frames {
            let is_text = text && std::str::from_utf8(&bytes).is_ok();
            world.receive_frame(if is_text { Frame::Text(bytes) } else { Frame::Binary(bytes) });
            for event in world.messages() {
                let _ = (event.data(), event.instance());
            }
            world.run(5_000);
            if world.dial.is_some() {
                world.open();
                world.receive(OPEN);
            }
        }
        world.input(Input::Shutdown);
        world.run(10_000);
        prop_assert!(world.session.is_stopped());
    }

    #[test]
    fn every_name_and_token_arrives_as_it_is(event in "\\PC{1,40}", token in "[!-~]{1,60}") {
        let builder = CodeChat::builder(URL, &*event, Credentials::Token(token.as_str().into()));
        let Ok(adapter) = builder.allow_unknown_event(true).build() else {
            prop_assert!(event == "messaging-history.set" || event.len() > 128);
            return Ok(());
        };
        let mut world = World::with(redial_core::Session::new(adapter, 1));
        world.input(Input::Connect);
        let Some((_, Wire::Dial(url))) = world.take_wire().pop() else { panic!("a dial") };
        let query = url.strip_prefix("ws://localhost:8084/ws/events?").expect("the path");
        prop_assert!(query.is_ascii());
        let fields: Vec<_> = query.split('&').filter_map(|field| field.split_once('=')).collect();
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text).decode_utf8().expect("UTF-8").into_owned()
        };
        let fields: Vec<_> = fields.iter().map(|(key, value)| (*key, decoded(value))).collect();
        prop_assert_eq!(fields, [("event", event), ("token", token)]);
    }

    #[test]
    fn no_answer_to_a_refresh_panics(
        status in any::<u16>(),
        body in frame(),
        retry_after in prop::option::of(0..10_000_u32),
    ) {
        let retry_after = retry_after.map(redial_core::Span::from_millis);
        let answer = HttpResponse { status, headers: Vec::new(), body, retry_after };
        let _ = Refresh::token(&answer);
        let token = Credentials::Refresh { instance: "i".into(), token: "old".into() };
        let mut world = World::codechat(CodeChat::builder(URL, "call.upsert", token));
        world.input(Input::Connect);
        world.refuse(401, None);
        world.run(5_000);
        let (id, _) = world.http.pop_front().expect("the refresh");
        world.input(Input::Http { id, answer: Ok(answer) });
        // It goes on, at its pace: a dial now, or a wait for the next attempt.
        prop_assert!(world.dial.is_some() || world.due().is_some_and(|at| at >= 10_000));
    }

    #[test]
    fn losses_follow_each_other_no_faster_than_the_seed_says(
        steps in prop::collection::vec((0..4_u8, 0..9_000_u64), 1..40),
    ) {
        let mut world = World::online("call.upsert");
        let mut ends = Vec::new();
        world.take_wire();
        for (step, pause) in steps {
            let dialling = world.dial.is_some();
            match step {
                0 if dialling => world.open(),
                1 if dialling => { world.refuse(401, None); ends.push(world.now); }
                2 if dialling => { world.fail_dial(Cause::Network); ends.push(world.now); }
                3 if world.session.is_online() => {
                    world.lose(Cause::Close(1006));
                    ends.push(world.now);
                }
                _ => {}
            }
            world.run(pause);
        }
        let dials = world.wire.iter().filter(|(_, wire)| matches!(wire, Wire::Dial(_)));
        for ((dialled, _), ended) in dials.zip(ends) {
            prop_assert_eq!(*dialled, ended + 5_000);
        }
    }

    #[test]
    fn no_configuration_panics(
        url in "\\PC{0,40}", event in "\\PC{0,20}", instance in "\\PC{0,20}", key in "\\PC{0,20}",
        test in "\\PC{0,20}",
    ) {
        let _ = Payload::new(test);
        let key = || redial_core::Secret::new(key.as_str());
        let _ = CodeChat::builder(&*url, &*event, Credentials::Token(key())).build();
        let token = Credentials::Refresh { instance: instance.clone(), token: key() };
        let _ = CodeChat::builder(format!("ws://{url}"), "call.upsert", token).build();
        let _ = Refresh::new(&format!("https://{url}"), &instance);
        let scope = Scope::Instance(instance);
        let _ = EvolutionApi::builder("http://h", scope, ApiKey::Key(key())).event(event).build();
    }
}

fn frame() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60).prop_map(Bytes::from),
        "\\PC{0,40}".prop_map(Bytes::from),
        r#"[\{\}\[\]",:0-9a-z ]{0,30}"#.prop_map(Bytes::from),
        Just(Bytes::from_static(br#"{"keyId":"A","content":{"text":"oi"}}"#)),
    ]
}

fn packet() -> impl Strategy<Value = Bytes> {
    let namespace = prop_oneof![Just(""), Just("/inst1,"), Just("/inst1"), Just("/other,")];
    let body = prop_oneof![
        Just(r#"{"sid":"S"}"#.to_owned()),
        Just(r#"{"message":"Invalid namespace"}"#.to_owned()),
        Just(r#"["call",{"instance":7,"data":[1]}]"#.to_owned()),
        Just(r#"["call"]"#.to_owned()),
        Just(String::new()),
        r#"[\{\}\[\]",:0-9a-z]{0,20}"#,
    ];
    prop_oneof![
        4 => ("4[0-6]", namespace, body).prop_map(|(kind, namespace, body)| {
            Bytes::from(format!("{kind}{namespace}{body}"))
        }),
        1 => "[0-6]\\PC{0,10}".prop_map(Bytes::from),
        1 => frame(),
    ]
}
