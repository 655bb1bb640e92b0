//! What is refused, and how.

use redial_core::Frame;
use redial_socketio::{Content, Decoder, Error, Inbound, Limits, Packet};

use crate::support::{Eio3, Eio4, binary, decode, text};

#[test]
fn malformed_text_has_its_error_in_both_generations() {
    let table = [
        ("", Error::Empty),
        ("9", Error::UnknownEngineType),
        ("é", Error::UnknownEngineType),
        (" 4", Error::UnknownEngineType),
        ("b4AAA=", Error::UnknownEngineType),
        ("0", Error::BadOpen),
        ("0[]", Error::BadOpen),
        (r#"0["t",1,1]"#, Error::BadOpen),
        (r#"0{"sid":"","pingInterval":1,"pingTimeout":1}"#, Error::BadOpen),
        (r#"0{"sid":7,"pingInterval":1,"pingTimeout":1}"#, Error::BadOpen),
        (r#"0{"sid":"t","pingInterval":0,"pingTimeout":1}"#, Error::BadOpen),
        (r#"0{"sid":"t","pingInterval":1,"pingTimeout":-1}"#, Error::BadOpen),
        (r#"0{"sid":"t","pingInterval":1}"#, Error::BadOpen),
        ("4", Error::UnknownType),
        ("4x", Error::UnknownType),
        ("47", Error::UnknownType),
        ("4é", Error::UnknownType),
        ("41{}", Error::BadPayload),
        ("42", Error::BadPayload),
        ("42{}", Error::BadPayload),
        ("42[]", Error::BadPayload),
        ("42[null]", Error::BadPayload),
        ("42[{}]", Error::BadPayload),
        (r#"42["\ud800"]"#, Error::BadPayload),
        (r#"42["a""#, Error::NotJson),
        (r#"42["a"]x"#, Error::NotJson),
        ("42[nul]", Error::NotJson),
        ("40{", Error::NotJson),
        ("42/chat", Error::BadPayload),
        ("43[]", Error::BadAck),
        ("4318446744073709551616[]", Error::BadAck),
        ("430{}", Error::BadPayload),
        ("430", Error::BadPayload),
        ("45", Error::BadCount),
        (r#"45["a"]"#, Error::BadCount),
        (r#"45-["a"]"#, Error::BadCount),
        (r#"45x-["a"]"#, Error::BadCount),
        (r#"451["a"]"#, Error::BadCount),
        (r#"4565-["a"]"#, Error::ManyAttachments),
        (r#"45999999999999999999999999-["a"]"#, Error::ManyAttachments),
        ("451-{}", Error::BadPayload),
        ("461-[]", Error::BadAck),
    ];
    for (wire, error) in table {
        for generation in [Eio3, Eio4] {
            assert_eq!(decode(generation, &[text(wire)]), Err(error), "{wire}");
        }
    }
}

#[test]
fn text_that_is_not_utf8_is_an_error() {
    for frame in [&b"42[\"\xff\"]"[..], b"4\xff", b"0{\"sid\":\"\xff\"}"] {
        let result = decode(Eio4, &[Frame::Text(frame.to_vec().into())]);
        assert!(matches!(result, Err(Error::NotUtf8 | Error::BadOpen)), "{result:?}");
    }
}

#[test]
fn reserved_names_are_errors_of_the_newer_generation() {
    for name in ["connect", "connect_error", "disconnect", "disconnecting", "newListener"] {
        let frame = [text(&format!("42[\"{name}\"]"))];
        assert_eq!(decode(Eio4, &frame), Err(Error::ReservedEvent), "{name}");
        assert!(decode(Eio3, &frame).is_ok(), "{name}");
    }
}

#[test]
fn only_an_object_confirms_in_the_newer_generation() {
    for wire in ["40[]", "407", r#"40"s""#, "40null"] {
        assert_eq!(decode(Eio4, &[text(wire)]), Err(Error::BadPayload), "{wire}");
        assert!(decode(Eio3, &[text(wire)]).is_ok(), "{wire}");
    }
}

#[test]
fn attachments_come_when_announced_and_never_else() {
    let announced = text(r#"451-["a",{"_placeholder":true,"num":0}]"#);
    assert_eq!(decode(Eio4, &[binary(b"x")]), Err(Error::UnexpectedAttachment));
    assert_eq!(decode(Eio3, &[binary(b"\x04x")]), Err(Error::UnexpectedAttachment));
    assert_eq!(decode(Eio4, &[announced.clone(), text("42[\"b\"]")]), Err(Error::Interrupted));
    for (generation, bytes) in [(Eio3, &b"\x04x"[..]), (Eio4, b"x")] {
        let mut decoder = Decoder::new(generation, Limits::DEFAULT);
        assert_eq!(decoder.handle_frame(&announced), Ok(None));
        assert_eq!(decoder.missing(), 1);
        assert!(matches!(decoder.handle_frame(&binary(bytes)), Ok(Some(_))));
        assert_eq!(decoder.missing(), 0);
        assert_eq!(decoder.handle_frame(&binary(bytes)), Err(Error::UnexpectedAttachment));
    }
}

#[test]
fn a_heartbeat_may_stand_between_a_packet_and_its_bytes() {
    let mut decoder = Decoder::new(Eio4, Limits::DEFAULT);
    let announced = text(r#"451-["a",{"_placeholder":true,"num":0}]"#);
    assert_eq!(decoder.handle_frame(&announced), Ok(None));
    assert!(matches!(decoder.handle_frame(&text("2")), Ok(Some(_))));
    assert_eq!(decoder.handle_frame(&Frame::Ping("x".into())), Ok(None));
    assert!(matches!(decoder.handle_frame(&binary(b"x")), Ok(Some(_))));
}

#[test]
fn a_placeholder_must_have_its_bytes() {
    let deep = format!("451-[\"a\",{}{}]", "[".repeat(200), "]".repeat(200));
    let table = [
        r#"451-["a",{"_placeholder":true,"num":1}]"#,
        r#"451-["a",{"_placeholder":true,"num":-1}]"#,
        r#"451-["a",{"_placeholder":true,"num":0.5}]"#,
        r#"451-["a",{"_placeholder":true,"num":"0"}]"#,
        r#"451-["a",[{"b":{"_placeholder":true}}]]"#,
        &deep,
    ];
    for wire in table {
        assert_eq!(decode(Eio4, &[text(wire), binary(b"x")]), Err(Error::BadPlaceholder), "{wire}");
    }
    let other = r#"451-["a",{"_placeholder":false,"num":9},{"num":9}]"#;
    assert!(decode(Eio4, &[text(other), binary(b"x")]).is_ok());
}

#[test]
fn bytes_of_the_older_generation_have_their_prefix() {
    assert_eq!(decode(Eio3, &[binary(b"\x03x")]), Err(Error::BadPrefix));
    assert_eq!(decode(Eio3, &[binary(b"")]), Err(Error::Empty));
}

#[test]
fn deep_nesting_is_no_danger() {
    let wire = format!("42[\"a\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    for generation in [Eio3, Eio4] {
        let Ok(Inbound::Packet(Packet { content: Content::Event { event, .. }, .. })) =
            decode(generation, &[text(&wire)])
        else {
            panic!("an event")
        };
        assert!(event.arg(0).expect("one").value().is_null());
    }
}
