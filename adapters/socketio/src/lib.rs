//! Engine.IO 3 and 4 and Socket.IO 2 to 4 over WebSocket, without IO.
//!
//! A [`Connection`] is what an adapter keeps beside its own state: frames go in, frames and
//! [`Signal`]s come out. Beneath it a [`Decoder`] makes [`Packet`]s of frames, and a packet writes
//! its own [`frames`](Packet::frames). Polling, and the change from polling to WebSocket, are not
//! spoken.
//!
//! ```
//! use bytes::Bytes;
//! use redial_core::Frame;
//! use redial_socketio::{Connection, Event, Generation, Join, Limits, Namespace, Signal};
//!
//! let text = |text: &'static str| Frame::Text(Bytes::from_static(text.as_bytes()));
//! let mut connection = Connection::new(Generation::Eio4, Limits::DEFAULT);
//! let main = Namespace::main();
//! connection.join(&main, Join::new()).expect("nothing was asked for before");
//!
//! connection
//!     .handle_frame(&text(r#"0{"sid":"t","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#))
//!     .expect("an open packet");
//! assert_eq!(connection.poll_frame(), Some(text("40")));
//! let Some(Signal::Opened(open)) = connection.poll_signal() else { panic!("opened") };
//! let terms = connection.generation().terms(&open); // for `Io::announce`
//! assert!(terms.keepalive.is_some());
//!
//! connection.handle_frame(&text(r#"40{"sid":"s"}"#)).expect("a confirmation");
//! assert!(connection.is_joined(&main));
//! let event = Event::new("hello", &("world", 1)).expect("a tuple");
//! let id = connection.request(&main, &event).expect("room for one");
//! assert_eq!((id, connection.poll_frame()), (0, Some(text(r#"420["hello","world",1]"#))));
//! ```
//!
//! # Generations
//!
//! | | [`Generation::Eio3`] | [`Generation::Eio4`] |
//! | --- | --- | --- |
//! | Socket.IO | 1, 2 | 3, 4 |
//! | heartbeat | we ping: [`Connection::ping`] | the server pings, the connection answers |
//! | main namespace | given unasked | asked for, as every other |
//! | credentials of a namespace | its query | its `auth` |
//! | bytes | after a prefix byte | as they are |
//! | recovery of a lost connection | no | where the server has it switched on |
//!
//! A server of the other generation is an [`Error::WrongGeneration`] as soon as it shows: a newer
//! server by a ping or an id in its CONNECT, an older one by a CONNECT without an id. A newer
//! server that does not speak the older generation at all breaks the WebSocket protocol instead;
//! [`Connection::suspicion`] is what can be known then.
//!
//! # Bounds
//!
//! Whatever a peer can make us keep is bounded by [`Limits`]. Payloads are slices of the frames in
//! which they came: JSON is checked and not taken apart before somebody asks for a value.
//!
//! # Bad input
//!
//! A packet that is malformed is an [`Error`] and the end of the connection, as it is in the
//! reference implementation. A packet that is well made and out of place, such as an
//! acknowledgement nobody waits for, is [`Signal::Ignored`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod args;
mod connection;
mod decoder;
mod engine;
mod error;
mod generation;
mod limits;
mod packet;
mod placeholder;
mod text;

pub use args::{Args, Event, Placeholder};
pub use connection::{Connection, Join, Recovery, Signal};
pub use decoder::{Decoder, Inbound};
pub use engine::{EnginePacket, Open};
pub use error::{Error, SendError};
pub use generation::Generation;
pub use limits::Limits;
pub use packet::{Content, Namespace, Packet, Query, Refusal, attachment_frame};
pub use text::{Json, Text};
