//! What a peer cannot make us keep.

use redial_socketio::{Decoder, Error, Event, Join, Limits, SendError};

use crate::support::{Eio3, Eio4, OPEN, World, binary, main, namespace, text};

#[test]
fn each_length_has_its_limit() {
    let limits = Limits { frame: 100, name: 8, attachments: 2, attachment_bytes: 5, ..LIMITS };
    let table = [
        (format!("42[\"{}\"]", "x".repeat(100)), Error::LargeFrame),
        (r#"42["abcdefghi"]"#.into(), Error::LongName),
        (r#"42["abcdefgh\u0069"]"#.into(), Error::LongName),
        (r#"42/abcdefgh,["a"]"#.into(), Error::LongName),
        (r#"453-["a"]"#.into(), Error::ManyAttachments),
        (r#"0{"sid":"abcdefghi","pingInterval":9,"pingTimeout":9}"#.into(), Error::LongName),
    ];
    for (wire, error) in table {
        for generation in [Eio3, Eio4] {
            let mut decoder = Decoder::new(generation, limits);
            assert_eq!(decoder.handle_frame(&text(&wire)), Err(error), "{wire}");
        }
    }
    for wire in [r#"42["abcdefgh"]"#, r#"42/abcdefg,["a"]"#] {
        assert!(Decoder::new(Eio4, limits).handle_frame(&text(wire)).is_ok(), "{wire}");
    }
    let mut decoder = Decoder::new(Eio4, limits);
    assert_eq!(decoder.handle_frame(&text(r#"452-["a"]"#)), Ok(None));
    assert_eq!(decoder.handle_frame(&binary(b"abc")), Ok(None));
    assert_eq!(decoder.handle_frame(&binary(b"abc")), Err(Error::ManyAttachments));
    assert_eq!(decoder.handle_frame(&binary(&[0; 101])), Err(Error::LargeFrame));
}

#[test]
fn an_id_of_a_namespace_has_its_limit() {
    let limits = Limits { name: 8, ..LIMITS };
    for wire in [r#"40{"sid":"abcdefghi"}"#, r#"40{"sid":"a","pid":"abcdefghi"}"#] {
        let mut world = World::limited(Eio4, limits);
        world.connection.join(&main(), Join::new()).expect("a join");
        world.text(OPEN);
        assert_eq!(world.try_text(wire), Err(Error::LongName));
    }
}

#[test]
fn what_nobody_takes_is_an_error_and_not_a_heap() {
    let limits = Limits { queue: 4, ..LIMITS };
    let mut world = World::joined_with(Eio4, limits, OPEN);
    for _ in 0..4 {
        world.text("2");
    }
    assert_eq!(world.try_text("2"), Err(Error::Overflow));
    let mut world = World::joined_with(Eio3, limits, OPEN);
    for _ in 0..4 {
        world.text(r#"42["a"]"#);
    }
    assert_eq!(world.try_text(r#"42["a"]"#), Err(Error::Overflow));
}

#[test]
fn what_nobody_takes_is_not_sent() {
    let mut world = World::joined_with(Eio3, Limits { queue: 4, ..LIMITS }, OPEN);
    let bytes = vec![bytes::Bytes::new(); 4];
    let large = Event::with_attachments("a", &(), bytes).expect("an event");
    assert_eq!(world.connection.emit(&main(), &large), Err(SendError::Full));
    let small = Event::new("a", &()).expect("an event");
    for _ in 0..4 {
        assert_eq!(world.connection.emit(&main(), &small), Ok(()));
    }
    assert_eq!(world.connection.emit(&main(), &small), Err(SendError::Full));
    assert_eq!(world.connection.ping(), Err(SendError::Full));
    assert_eq!(world.connection.leave(&main()), Err(SendError::Full));
    assert!(world.connection.is_joined(&main()));
    assert_eq!(world.written().len(), 4);
}

#[test]
fn namespaces_are_bounded() {
    let mut world = World::joined_with(Eio4, Limits { namespaces: 2, ..LIMITS }, OPEN);
    assert_eq!(world.connection.join(&namespace("a"), Join::new()), Ok(()));
    let refused = world.connection.join(&namespace("b"), Join::new());
    assert_eq!(refused, Err(SendError::ManyNamespaces));
    world.connection.leave(&main()).expect("a member");
    assert_eq!(world.connection.join(&namespace("b"), Join::new()), Ok(()));
}

#[test]
fn the_servers_own_limit_holds_for_bytes_too() {
    let open = r#"0{"sid":"t","pingInterval":9,"pingTimeout":9,"maxPayload":200}"#;
    for (generation, fits) in [(Eio3, 199), (Eio4, 200)] {
        let mut world = World::joined_with(generation, LIMITS, open);
        let event = |length: usize| {
            let bytes = vec![bytes::Bytes::from(vec![0; length])];
            Event::with_attachments("a", &(), bytes).expect("an event")
        };
        assert_eq!(world.connection.emit(&main(), &event(fits)), Ok(()));
        assert_eq!(world.frames().len(), 2);
        assert_eq!(world.connection.emit(&main(), &event(fits + 1)), Err(SendError::TooLarge));
        assert_eq!(world.frames().len(), 0);
    }
}

const LIMITS: Limits = Limits::DEFAULT;
