//! What holds for every input.

use proptest::prelude::*;
use redial_core::{Frame, Input, Path};
use redial_ringcentral::{Command, Request};
use serde_json::{Value, json};

use crate::support::{FILTER, World, adapter, notification};

/// JSON of a bounded depth.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // What JSON keeps exactly.
        any::<i16>().prop_map(|number| Value::from(f64::from(number) / 4.0)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..4).prop_map(|fields| Value::from(
                fields.into_iter().collect::<serde_json::Map<_, _>>()
            )),
        ]
    })
}

fn any_frame() -> impl Strategy<Value = String> {
    let kinds = prop_oneof![
        Just("ConnectionDetails"),
        Just("ClientRequest"),
        Just("ServerNotification"),
        Just("Heartbeat"),
        Just("Error"),
        Just("Unknown"),
    ];
    let meta = (kinds, any_json(), any_json(), any_json()).prop_map(|(kind, id, status, wsc)| {
        json!({ "type": kind, "messageId": id, "status": status, "wsc": wsc, "headers": wsc })
    });
    let meta = meta.boxed();
    let whole =
        (meta.clone(), any_json()).prop_map(|(meta, body)| json!([meta, body]).to_string()).boxed();
    let raw = (meta, ".{0,40}").prop_map(|(meta, body)| format!("[{meta},--Boundary{body}]"));
    let cut = (whole.clone(), any::<prop::sample::Index>()).prop_map(|(text, at)| {
        text.chars().take(at.index(text.chars().count().max(1))).collect::<String>()
    });
    prop_oneof![whole, raw, cut, any_json().prop_map(|json| json.to_string()), ".{0,60}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_frame_panics_and_none_ends_the_reading(
        frames in prop::collection::vec(any_frame(), 1..12),
        greeted in any::<bool>(),
    ) {
        let mut it = if greeted {
            World::subscribed(adapter().rest_over_websocket(true))
        } else {
            let mut it = World::new(adapter().subscribe([FILTER], None));
            it.input(Input::Connect);
            it.authorize();
            it.open();
            it
        };
        for frame in &frames {
            it.receive(frame);
        }
        if greeted && it.drops().is_empty() {
            it.receive(notification("after-all"));
            prop_assert_eq!(it.uuids().pop(), Some("after-all".to_owned()));
        }
    }

    #[test]
    fn no_answer_over_https_panics(
        status in 100_u16..600,
        body in any_json(),
        steps in 1_usize..4,
    ) {
        let mut it = World::new(adapter());
        it.input(Input::Connect);
        for _ in 0..steps {
            if it.http.is_empty() {
                break;
            }
            it.answer(status, &body);
        }
        prop_assert!(it.dials().is_empty());
    }

    #[test]
    fn an_envelope_comes_back_as_it_went(
        body in any_json(),
        name in "[a-z]{1,8}",
        value in ".{0,20}",
    ) {
        let mut it = World::online(adapter().rest_over_websocket(true));
        let request = Request::post("/restapi/v1.0/x", body.clone()).query(name.clone(), value.clone());
        let way = request.route();
        it.send(request);
        let sent = match way {
            Path::Http => serde_json::from_slice(&it.http.front().unwrap().1.body).unwrap(),
            Path::Socket => {
                let frame = it.last();
                prop_assert_eq!(&frame[0]["query"][&name], &json!(value));
                let parts = frame.as_array().unwrap();
                prop_assert_eq!(parts.len(), if body.is_null() { 1 } else { 2 });
                let body = parts.get(1).cloned().unwrap_or_default();
                it.answer_last(200, Some(body.clone()));
                prop_assert_eq!(it.replies()[0].body.value(), body.clone());
                body
            }
        };
        prop_assert_eq!(sent, body);
    }

    #[test]
    fn no_command_makes_two_requests_run_at_once(
        steps in prop::collection::vec(0_u8..5, 1..30),
    ) {
        let mut it = World::online(adapter());
        let mut answered = 0;
        for step in steps {
            match step {
                0 => it.command(Command::Subscribe { filters: vec![FILTER.into()], restore: None }),
                1 => it.command(Command::Revoke),
                2 => it.run(500),
                _ => {
                    if it.frames().len() > answered {
                        let status = if step == 3 { 200 } else { 503 };
                        answered = it.frames().len();
                        it.answer_last(status, Some(json!({ "id": format!("s-{answered}") })));
                    }
                }
            }
            prop_assert!(it.frames().len() <= answered + 1);
        }
    }

    #[test]
    fn binary_and_control_frames_change_nothing(data in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut it = World::subscribed(adapter());
        let frames = it.frames().len();
        let bytes = bytes::Bytes::from(data);
        for frame in [Frame::Binary(bytes.clone()), Frame::Ping(bytes.clone()), Frame::Pong(bytes)] {
            it.receive_frame(frame);
        }
        prop_assert!(it.session.is_online());
        prop_assert_eq!(it.frames().len(), frames);
    }
}
