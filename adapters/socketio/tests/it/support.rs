//! Helpers.

use bytes::Bytes;
use redial_core::Frame;
use redial_socketio::{
    Connection, Decoder, Error, Generation, Inbound, Join, Limits, Namespace, Signal,
};

pub(crate) use Generation::{Eio3, Eio4};

pub(crate) const OPEN: &str =
    r#"0{"sid":"t","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;

/// A connection, and what it has said.
pub(crate) struct World {
    pub(crate) connection: Connection,
}

impl World {
    /// A connection before its open packet.
    pub(crate) fn new(generation: Generation) -> Self {
        Self::limited(generation, Limits::DEFAULT)
    }

    pub(crate) fn limited(generation: Generation, limits: Limits) -> Self {
        Self { connection: Connection::new(generation, limits) }
    }

    /// A connection that is a member of the main namespace.
    pub(crate) fn joined(generation: Generation) -> Self {
        Self::joined_with(generation, Limits::DEFAULT, OPEN)
    }

    pub(crate) fn joined_with(generation: Generation, limits: Limits, open: &str) -> Self {
        let mut world = Self::limited(generation, limits);
        world.connection.join(&Namespace::main(), Join::new()).expect("a join");
        world.text(open);
        world.text(match generation {
            Eio3 => "40",
            Eio4 => r#"40{"sid":"s"}"#,
        });
        assert!(world.connection.is_joined(&Namespace::main()));
        world.signals();
        world.frames();
        world
    }

    /// Takes text, which is no error.
    pub(crate) fn text(&mut self, text: &str) {
        assert_eq!(self.try_text(text), Ok(()), "{text}");
    }

    pub(crate) fn try_text(&mut self, frame: &str) -> Result<(), Error> {
        self.connection.handle_frame(&text(frame))
    }

    pub(crate) fn signals(&mut self) -> Vec<Signal> {
        core::iter::from_fn(|| self.connection.poll_signal()).collect()
    }

    pub(crate) fn signal(&mut self) -> Signal {
        let mut signals = self.signals();
        assert_eq!(signals.len(), 1, "{signals:?}");
        signals.remove(0)
    }

    pub(crate) fn frames(&mut self) -> Vec<Frame> {
        core::iter::from_fn(|| self.connection.poll_frame()).collect()
    }

    /// The text frames that are to be written; bytes show as their hexadecimal digits.
    pub(crate) fn written(&mut self) -> Vec<String> {
        self.frames().iter().map(show).collect()
    }
}

pub(crate) fn main() -> Namespace {
    Namespace::main()
}

pub(crate) fn namespace(name: &str) -> Namespace {
    Namespace::new(name).expect("a namespace")
}

pub(crate) fn text(text: &str) -> Frame {
    Frame::Text(Bytes::copy_from_slice(text.as_bytes()))
}

pub(crate) fn binary(bytes: &[u8]) -> Frame {
    Frame::Binary(Bytes::copy_from_slice(bytes))
}

pub(crate) fn show(frame: &Frame) -> String {
    match frame {
        Frame::Text(bytes) => String::from_utf8(bytes.to_vec()).expect("text"),
        Frame::Binary(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Frame::Ping(_) | Frame::Pong(_) => panic!("not a frame of ours"),
    }
}

/// Decodes frames of which the last one completes something.
pub(crate) fn decode(generation: Generation, frames: &[Frame]) -> Result<Inbound, Error> {
    let mut decoder = Decoder::new(generation, Limits::DEFAULT);
    let (last, first) = frames.split_last().expect("a frame");
    for frame in first {
        assert_eq!(decoder.handle_frame(frame)?, None, "{frame:?}");
    }
    decoder.handle_frame(last).map(|inbound| inbound.expect("something complete"))
}
