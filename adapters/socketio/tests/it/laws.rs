//! Properties that hold for every input.

use bytes::Bytes;
use proptest::prelude::*;
use redial_core::Frame;
use redial_socketio::{
    Args, Connection, Content, Decoder, EnginePacket, Event, Generation, Inbound, Join, Json,
    Limits, Namespace, Packet, Placeholder, Query, Refusal,
};
use serde_json::Value;

use crate::support::{Eio3, Eio4, World, main};

proptest! {
    #[test]
    fn every_packet_survives_the_wire((generation, packet) in packet()) {
        let mut decoder = Decoder::new(generation, Limits::DEFAULT);
        let frames: Vec<_> = packet.frames(generation).collect();
        let (last, first) = frames.split_last().expect("a text");
        for frame in first {
            prop_assert_eq!(decoder.handle_frame(frame), Ok(None));
        }
        let inbound = decoder.handle_frame(last).expect("what we wrote");
        prop_assert_eq!(inbound, Some(Inbound::Packet(packet)));
        prop_assert_eq!(decoder.missing(), 0);
    }

    #[test]
    fn arguments_come_back_one_by_one(values in prop::collection::vec(json_value(), 0..6), name in name()) {
        let event = Event::new(&name, &values).expect("an event");
        let read: Vec<Value> = event.args().map(|json| json.value()).collect();
        prop_assert_eq!(&read, &values);
        prop_assert_eq!(event.arg(values.len()), None);
        let args = Args::new(&values).expect("args");
        prop_assert_eq!(args.parse::<Vec<Value>>().expect("a list"), values);
    }

    #[test]
    fn no_bytes_panic(generation in generation(), frames in prop::collection::vec(any_frame(), 0..8)) {
        let mut decoder = Decoder::new(generation, Limits::DEFAULT);
        let mut world = World::joined(generation);
        for frame in frames {
            let _ = EnginePacket::decode(&frame, generation, &Limits::DEFAULT);
            if let Ok(Some(Inbound::Packet(packet))) = decoder.handle_frame(&frame) {
                touch(&packet);
            }
            let _ = world.connection.handle_frame(&frame);
        }
        let _ = (world.signals(), world.frames());
    }

    #[test]
    fn what_is_decoded_can_be_written_and_read_again(generation in generation(), frame in any_frame()) {
        let mut decoder = Decoder::new(generation, Limits::DEFAULT);
        if let Ok(Some(Inbound::Packet(packet))) = decoder.handle_frame(&frame) {
            let frames: Vec<_> = packet.frames(generation).collect();
            prop_assert_eq!(decoder.handle_frame(&frames[0]), Ok(Some(Inbound::Packet(packet))));
        }
    }

    #[test]
    fn a_newer_server_is_never_sent_a_ping_nor_an_unasked_packet(
        frames in prop::collection::vec(any_frame(), 0..20),
    ) {
        let mut connection = Connection::new(Eio4, Limits::DEFAULT);
        connection.join(&main(), Join::new()).expect("a join");
        let mut asked = 0;
        for frame in frames {
            let _ = connection.handle_frame(&frame);
            connection.ping().ok();
            while let Some(frame) = connection.poll_frame() {
                match &frame {
                    Frame::Text(text) if text.as_ref() == b"40" => asked += 1,
                    frame => prop_assert_eq!(frame, &Frame::Text("3".into())),
                }
            }
        }
        prop_assert!(asked <= 1);
    }
}

/// Calls what reads a payload.
fn touch(packet: &Packet) {
    match &packet.content {
        Content::Event { event, .. } => {
            for json in event.args() {
                let _ = (json.value(), event.attachment(&json));
            }
        }
        Content::Ack { args, .. } => {
            let _ = (args.iter().count(), args.get(1), args.parse::<Value>());
        }
        Content::Refused(refusal) => {
            let _ = (refusal.message(), refusal.data(), refusal.is_unknown_namespace());
        }
        Content::Connect { .. } | Content::Disconnect => {}
    }
}

fn generation() -> impl Strategy<Value = Generation> {
    prop_oneof![Just(Eio3), Just(Eio4)]
}

fn packet() -> impl Strategy<Value = (Generation, Packet)> {
    generation().prop_flat_map(|generation| {
        (Just(generation), namespace(), content(generation)).prop_map(
            |(generation, namespace, content)| (generation, Packet { namespace, content }),
        )
    })
}

fn content(generation: Generation) -> BoxedStrategy<Content> {
    let query = match generation {
        Eio3 => prop::option::of("[^,]{0,20}").boxed(),
        Eio4 => Just(None).boxed(),
    };
    let payload = match generation {
        Eio3 => Just(None).boxed(),
        Eio4 => prop::option::of(object()).boxed(),
    };
    let attachments = || prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..4);
    let values = || prop::collection::vec(json_value(), 0..4);
    prop_oneof![
        (query, payload).prop_map(|(query, payload)| Content::Connect {
            query: query.map(|query| Query::new(&query).expect("no comma")),
            payload: payload.map(|payload| json(&payload)),
        }),
        Just(Content::Disconnect),
        prop::option::of(json_value())
            .prop_map(|value| Content::Refused(Refusal::new(value.as_ref().map(json)))),
        (prop::option::of(any::<u64>()), name(), values(), attachments()).prop_map(
            |(ack, name, values, attachments)| {
                let (values, attachments) = with_placeholders(values, attachments);
                let event = Event::with_attachments(&name, &values, attachments);
                Content::Event { ack, event: event.expect("an event") }
            }
        ),
        (any::<u64>(), values(), attachments()).prop_map(|(id, values, attachments)| {
            let (values, attachments) = with_placeholders(values, attachments);
            let args = Args::with_attachments(&values, attachments);
            Content::Ack { id, args: args.expect("args") }
        }),
    ]
    .boxed()
}

/// Puts a placeholder for each attachment among the values.
fn with_placeholders(
    mut values: Vec<Value>,
    attachments: Vec<Vec<u8>>,
) -> (Vec<Value>, Vec<Bytes>) {
    for number in 0..attachments.len() {
        let placeholder = serde_json::to_value(Placeholder(number)).expect("a value");
        values.push(serde_json::json!({ "deep": [placeholder] }));
    }
    (values, attachments.into_iter().map(Bytes::from).collect())
}

fn namespace() -> impl Strategy<Value = Namespace> {
    prop_oneof![Just("/".to_owned()), "[^,?]{0,20}", "[a-z0-9-]{1,20}"]
        .prop_map(|name| Namespace::new(&name).expect("a namespace"))
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![".{0,20}", "[a-z:.]{1,20}", "\\PC{0,20}"]
        .prop_filter("a reserved name", |name| Event::new(name, &()).is_ok())
}

fn json(value: &Value) -> Json {
    Json::of(value).expect("json")
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(".{0,8}", json_value(), 0..4)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Frames of any bytes, and frames that are almost packets.
fn any_frame() -> impl Strategy<Value = Frame> {
    let almost = "[0-6]{1,2}[0-3]?-?(/[a-z]{0,3}(\\?a=1)?,)?[0-9]{0,3}(\\[\"[a-z]{0,3}\"(,[0-9])?\\]|\\{\"sid\":\"s\",\"pingInterval\":9,\"pingTimeout\":9\\}|\\[\"a\",\\{\"_placeholder\":true,\"num\":[0-3]\\}\\])?";
    let bytes = || prop::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        3 => almost.prop_map(|text| Frame::Text(text.into())),
        1 => bytes().prop_map(|bytes| Frame::Text(bytes.into())),
        1 => bytes().prop_map(|bytes| Frame::Binary(bytes.into())),
        1 => Just(Frame::Binary(Bytes::from_static(b"\x04x"))),
        1 => bytes().prop_map(|bytes| Frame::Ping(bytes.into())),
    ]
}
