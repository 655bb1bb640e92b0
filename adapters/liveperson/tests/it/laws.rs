//! Properties that hold for every input.

use bytes::Bytes;
use proptest::prelude::*;
use redial_core::{Fate, Frame, Input};
use redial_liveperson::Request;
use serde_json::{Map, Value, json};

use crate::support::{World, response, response_of};

proptest! {
    #[test]
    fn no_frame_panics_or_ends_the_session(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut world = World::online();
        world.receive_frame(Frame::Text(bytes.clone().into()));
        world.receive_frame(Frame::Binary(bytes.into()));
        prop_assert!(world.session.is_online());
    }

    #[test]
    fn no_message_panics_or_ends_the_session(fields in fields()) {
        let mut world = World::online();
        world.receive(&Value::Object(fields));
        prop_assert!(world.session.is_online());
    }

    #[test]
    fn no_answer_to_an_exchange_panics(
        step in 0..3_usize,
        status in any::<u16>(),
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..100).prop_map(Bytes::from),
            json_value().prop_map(|value| Bytes::from(value.to_string())),
        ],
        cookie in ".{0,40}",
    ) {
        let mut world = World::password();
        world.input(Input::Connect);
        for _ in 0..step.min(1) {
            world.settle_one();
        }
        if step == 2 {
            world.settle();
            world.run_until(300_000);
        }
        let mut answer = response_of(status, body);
        answer.headers.push(("set-cookie".into(), cookie));
        world.answer_with(answer);
        for _ in 0..20 {
            world.run(1_000);
            world.settle();
        }
        prop_assert!(world.session.is_online());
    }

    #[test]
    fn a_request_is_written_as_it_was_made_and_finds_its_answer(
        name in ".{0,20}",
        body in json_value(),
        headers in json_value(),
        code in any::<u16>(),
        answer in json_value(),
    ) {
        let mut world = World::online();
        world.take_wire();
        let id = world.send(Request::new(name.clone(), body.clone()).with_headers(headers.clone()));
        let sent = world.take_texts().remove(0);
        let wire_id = sent["id"].clone();
        let expected = json!({ "kind": "req", "id": wire_id, "type": name, "body": body,
                               "headers": headers });
        prop_assert_eq!(&sent, &expected);
        world.receive(&response(&sent, code, answer));
        let fate = if code > 399 { Fate::Rejected(code) } else { Fate::Acked };
        prop_assert_eq!(world.fates().first().map(|fate| (fate.1, fate.2)), Some((id, fate)));
    }
}

/// Any JSON, the words of the protocol among its strings.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
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
    let field = (word(), prop_oneof![word().prop_map(Value::from), json_value()]);
    prop::collection::vec(field, 0..8).prop_map(|fields| fields.into_iter().collect())
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "kind",
        "resp",
        "req",
        "notification",
        "reqId",
        "id",
        "code",
        "type",
        "body",
        "changes",
        "result",
        "baseURIs",
        "service",
        "baseURI",
        "agentVep",
        "facadeMsg",
        "host.test:1",
        "bearer",
        "config",
        "userId",
        "csrf",
        "sessionTTl",
        "subscriptionId",
        ".ams.routing.RoutingTaskNotification",
        ".ams.ms.OnlineEventDistribution",
    ])
    .prop_map(str::to_owned)
}
