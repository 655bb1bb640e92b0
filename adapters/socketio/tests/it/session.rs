//! A connection under the session of `redial-core`.

use bytes::Bytes;
use redial_core::http::HttpResult;
use redial_core::{
    Adapter, Authorize, Cause, Class, Continuity, Cut, Frame, Handshake, Intent, Io, MessageId,
    Path, Policy, PolicySpec, Proof, Secret, Span,
};
use redial_socketio::{Args, Connection, Event, Generation, Join, Limits, Placeholder, Signal};
use redial_testkit::rig::{Rig, Wire};

use crate::support::{Eio3, Eio4, OPEN, main};

#[test]
fn what_waits_is_written_text_and_bytes_in_their_order() {
    for (generation, bytes) in [(Eio3, &b"\x04ab"[..]), (Eio4, b"ab")] {
        let mut rig = opened(generation);
        rig.receive(OPEN);
        rig.receive(if generation == Eio3 { "40" } else { r#"40{"sid":"s"}"# });
        let asked = if generation == Eio3 { vec![] } else { vec![(0, Wire::Text("40".into()))] };
        assert_eq!(rig.take_wire(), asked);
        assert!(rig.session.is_online());
        rig.receive(r#"427["echo"]"#);
        let echo = r#"451-["echo",{"_placeholder":true,"num":0}]"#;
        assert_eq!(
            rig.take_wire(),
            [
                (0, Wire::Text(r#"437["done"]"#.into())),
                (0, Wire::Text(echo.into())),
                (0, Wire::Binary(Bytes::from_static(bytes))),
            ]
        );
    }
}

#[test]
fn nothing_is_written_to_a_socket_that_is_gone() {
    let mut rig = opened(Eio4);
    // The join waits to be written when the connection ends.
    rig.writable = false;
    rig.receive(OPEN);
    rig.lose(Cause::Network);
    rig.writable = true;
    rig.pump();
    assert_eq!(rig.take_wire(), []);
}

/// Answers each event, and sends bytes back.
struct Echo {
    policy: Policy,
    generation: Generation,
    connection: Option<Connection>,
}

impl Adapter for Echo {
    type Outgoing = ();
    type Message = ();
    type Reply = ();
    type Command = ();
    type Step = ();
    type Cursor = ();

    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn account(&self) -> &'static str {
        "account"
    }

    fn step_name(_step: u8) -> &'static str {
        "step"
    }

    fn authorize(&mut self, _kind: Authorize, io: &mut Io<'_, Self>) {
        io.token_ready(None, true);
    }

    fn offer_token(&mut self, _token: Secret, _io: &mut Io<'_, Self>) -> bool {
        false
    }

    fn dial(&mut self, _intent: Intent, out: &mut Handshake) {
        out.url = format!("ws://127.0.0.1/socket.io/?{}", self.generation.query());
    }

    fn handle_opened(&mut self, io: &mut Io<'_, Self>) {
        let connection = self.connection.insert(Connection::new(self.generation, Limits::DEFAULT));
        connection.join(&main(), Join::new()).expect("a join");
        connection.flush(io);
    }

    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
        let connection = self.connection.as_mut().expect("a connection");
        connection.handle_frame(&frame).expect("a good frame");
        while let Some(signal) = connection.poll_signal() {
            match signal {
                Signal::Joined { .. } => io.ready(Continuity::Fresh),
                Signal::Event { ack: Some(id), event, .. } => {
                    let done = Args::new(&("done",)).expect("a tuple");
                    connection.answer(&main(), id, &done).expect("an answer");
                    let bytes = vec![Bytes::from_static(b"ab")];
                    let values = (Placeholder(0),);
                    let back = Event::with_attachments(event.name(), &values, bytes);
                    connection.emit(&main(), &back.expect("an event")).expect("room");
                }
                _ => {}
            }
        }
        connection.flush(io);
    }

    fn handle_http(&mut self, (): (), _answer: HttpResult, _io: &mut Io<'_, Self>) {}

    fn transmit(&mut self, _: MessageId, (): &(), _: u8, _: &mut Io<'_, Self>) -> Path {
        Path::Socket
    }

    fn class(&self, (): &()) -> Class {
        Class {
            proof: Proof::Written,
            cut: Cut::Report,
            portable: false,
            within: Span::from_secs(1),
            ttl: Span::from_secs(1),
            tries: 1,
        }
    }

    fn weight(&self, (): &()) -> u32 {
        1
    }

    fn cursor(&self) {}

    fn restore(&mut self, (): ()) {}

    fn handle_command(&mut self, (): (), _io: &mut Io<'_, Self>) {}
}

/// A session whose socket has just opened.
fn opened(generation: Generation) -> Rig<Echo> {
    let policy = Policy::try_new(PolicySpec::DEFAULT).expect("a policy");
    let mut rig = Rig::new(Echo { policy, generation, connection: None });
    rig.connect();
    rig.open();
    rig.wire.clear();
    rig
}
