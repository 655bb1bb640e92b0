//! One session by hand, in virtual time: a test says what comes in and when, and reads what comes
//! out, frame by frame.
//!
//! A [`Rig`] is the driver, the network and the clock of a [`Session`]. It does no IO and starts
//! nothing: it takes what the session wants done into lists, and waits for the test to say how that
//! ends. So a test of an adapter is bytes in and bytes out, exact to the millisecond.
//!
//! ```
//! # use redial_core::http::{HttpRequest, HttpResult, Method};
//! # use redial_core::*;
//! # const POLICY: Policy = Policy::new(PolicySpec {
//! #     backoff: Backoff::fixed(Span::from_secs(5)), ..PolicySpec::DEFAULT
//! # });
//! # #[derive(Default)]
//! # struct Acme(Option<Secret>);
//! # impl Adapter for Acme {
//! #     type Outgoing = String; type Message = String; type Reply = ();
//! #     type Command = (); type Step = (); type Cursor = ();
//! #     fn policy(&self) -> &Policy { &POLICY }
//! #     fn account(&self) -> &str { "acme" }
//! #     fn step_name(_: u8) -> &'static str { "login" }
//! #     fn authorize(&mut self, _: Authorize, io: &mut Io<'_, Self>) {
//! #         let url = "https://acme.test/login".into();
//! #         let (headers, body) = (Vec::new(), "me".into());
//! #         let login = HttpRequest { method: Method::Post, url, headers, body };
//! #         io.http((), Span::from_secs(5), login);
//! #     }
//! #     fn offer_token(&mut self, _: Secret, _: &mut Io<'_, Self>) -> bool { false }
//! #     fn handle_http(&mut self, (): (), answer: HttpResult, io: &mut Io<'_, Self>) {
//! #         let body = answer.map(|answer| answer.body).unwrap_or_default();
//! #         self.0 = Some(Secret::new(str::from_utf8(&body).unwrap_or_default()));
//! #         io.token_ready(None, true);
//! #     }
//! #     fn dial(&mut self, _: Intent, out: &mut Handshake) {
//! #         out.url = format!("wss://acme.test/?token={}", self.0.as_ref().unwrap().expose());
//! #     }
//! #     fn handle_opened(&mut self, _: &mut Io<'_, Self>) {}
//! #     fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
//! #         let Frame::Text(bytes) = frame else { return };
//! #         match str::from_utf8(&bytes).unwrap().split_once(' ') {
//! #             Some(("hello", _)) => io.ready(Continuity::Fresh),
//! #             Some(("ack", id)) => io.settle(MessageId::new(id.parse().unwrap()), Outcome::Acked),
//! #             _ => io.problem(Fault::Vendor, "a frame that is no message"),
//! #         }
//! #     }
//! #     fn transmit(
//! #         &mut self, id: MessageId, text: &String, _: u8, io: &mut Io<'_, Self>,
//! #     ) -> Path {
//! #         io.text(|out| out.extend_from_slice(format!("msg {id} {text}").as_bytes()));
//! #         Path::Socket
//! #     }
//! #     fn class(&self, _: &String) -> Class {
//! #         let (within, ttl) = (Span::from_secs(10), Span::from_secs(60));
//! #         let (proof, cut) = (Proof::Answer, Cut::Resend);
//! #         Class { proof, cut, portable: true, within, ttl, tries: 3 }
//! #     }
//! #     fn weight(&self, _: &String) -> u32 { 1 }
//! #     fn cursor(&self) {}
//! #     fn restore(&mut self, (): ()) {}
//! #     fn handle_command(&mut self, (): (), _: &mut Io<'_, Self>) {}
//! # }
//! use redial_testkit::rig::{Rig, Wire};
//!
//! let mut rig = Rig::new(Acme::default());
//! rig.connect();
//! rig.answer_to("POST https://acme.test/login", 200, "token-1");
//! rig.open();
//! rig.receive("hello you");
//! let id = rig.send("good morning".into());
//! assert_eq!(rig.take_texts(), ["msg 1 good morning"]);
//!
//! // The connection dies before the answer has come: five seconds later there is another dial.
//! rig.lose(Cause::Close(1006));
//! rig.step();
//! let dial = Wire::Dial("wss://acme.test/?token=token-1".into());
//! assert_eq!(rig.take_wire(), [(5_000, dial)]);
//! // The message is written again, and its fate is told when the answer comes.
//! rig.open();
//! rig.receive("hello again");
//! assert_eq!(rig.take_texts(), ["msg 1 good morning"]);
//! rig.receive("ack 1");
//! assert_eq!(rig.fates(), [(id, Fate::Acked)]);
//! // What makes no sense is told, and ends nothing.
//! rig.receive("ack");
//! assert_eq!(rig.problems(), ["a frame that is no message"]);
//! assert!(rig.session.is_online());
//! ```
//!
//! An adapter's own tests usually wrap it: a type of theirs with `Deref` to the rig, and methods
//! that speak the vendor's language. Those of redial's own adapters (`tests/it/support.rs`) do so.
//!
//! A rig drives what a test says and nothing else. To have a whole adapter judged by rules that
//! hold for every vendor, give it to [`conformance::check`](crate::conformance::check).

mod drive;
mod seen;
mod wire;

use std::collections::VecDeque;
use std::fmt;

use redial_core::http::{HttpRequest, HttpResponse};
use redial_core::{Adapter, ConnId, Cx, Frame, Handshake, HttpId, Item, Session, Timestamp};

pub use crate::conformance::START;
pub use wire::Wire;

use wire::{line, place};

/// A session and the world around it, which does what a test says.
///
/// Times are milliseconds since the start. The fields are open: what a test may read it may also
/// change, and the lists are the test's to clear.
///
/// # Panics
///
/// It is a tool for tests, so what a test expected and did not find is a panic, at the line of the
/// test, which names what there was instead. All methods that take something in or let time pass
/// also panic where a session does what no driver could follow: a second dial beside the first, the
/// end of a connection that is not there, a text frame that is not UTF-8, a deadline that stays due
/// however often it is ticked, frames without end while no time passes.
pub struct Rig<A: Adapter> {
    /// The session. Whoever calls it directly calls [`Rig::pump`] afterwards.
    pub session: Session<A>,
    /// The time. Set it for a session that begins later; after that, time is passed by
    /// [`Rig::run`] and its like.
    pub now: u64,
    /// What all jitter is drawn from: 0 is the shortest wait, `u64::MAX` the longest.
    pub entropy: u64,
    /// Whether the peer [answers](Rig::answering) frames at once, as it does in the beginning.
    pub answers: bool,
    /// Whether the socket takes frames, as it does in the beginning. While it does not, what there
    /// is to write stays in the session; [`Rig::pump`] writes it when it does again.
    pub writable: bool,
    /// What the session did, and when.
    pub wire: Vec<(u64, Wire)>,
    /// What came out for the application, and when.
    pub items: Vec<(u64, Item<A>)>,
    /// The exchanges that wait for an answer, the eldest first. Aborted ones are gone.
    pub http: VecDeque<(HttpId, HttpRequest)>,
    /// The dial that waits for its end.
    pub dial: Option<(ConnId, Handshake)>,
    /// The connection that was dialled last.
    pub conn: ConnId,
    start: Timestamp,
    peer: Peer,
}

impl<A: Adapter> Rig<A> {
    /// Makes a rig for a new session that begins at [`START`]. Its ids are made from [`NONCE`].
    #[must_use]
    pub fn new(adapter: A) -> Self {
        Self::with(Session::new(adapter, NONCE))
    }

    /// Makes a rig for a session that is there: with bounds of its own, or restored from what an
    /// earlier one left.
    #[must_use]
    pub fn with(session: Session<A>) -> Self {
        Self {
            session,
            now: 0,
            entropy: 0,
            answers: true,
            writable: true,
            wire: Vec::new(),
            items: Vec::new(),
            http: VecDeque::new(),
            dial: None,
            conn: ConnId::new(0),
            start: Timestamp::from_millis(START),
            peer: Box::new(pong),
        }
    }

    /// Sets the start from which times are counted.
    #[must_use]
    pub fn starting(mut self, at: Timestamp) -> Self {
        self.start = at;
        self
    }

    /// Sets what the peer says at once, before time passes and before the next frame is written,
    /// to a frame that it gets. Unless this is set, it answers pings.
    #[must_use]
    pub fn answering(mut self, peer: impl FnMut(&Frame) -> Vec<Frame> + 'static) -> Self {
        self.peer = Box::new(peer);
        self
    }

    /// Returns the context of whatever happens now.
    #[must_use]
    pub fn cx(&self) -> Cx {
        let now = self.start.as_millis().saturating_add(self.now);
        Cx::new(Timestamp::from_millis(now), self.entropy)
    }

    /// Returns the next deadline, which may have passed already.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        let due = self.session.poll_timeout()?;
        Some(due.as_millis().saturating_sub(self.start.as_millis()))
    }

    /// Returns the exchange that waits longest for an answer.
    ///
    /// # Panics
    ///
    /// Where none waits.
    #[must_use]
    #[track_caller]
    pub fn request(&self) -> &HttpRequest {
        match self.http.front() {
            Some((_, request)) => request,
            None => self.fail("an exchange was expected"),
        }
    }

    /// Returns the upgrade that waits for its end.
    ///
    /// # Panics
    ///
    /// Where none waits.
    #[must_use]
    #[track_caller]
    pub fn handshake(&self) -> &Handshake {
        match &self.dial {
            Some((_, handshake)) => handshake,
            None => self.fail("a dial was expected"),
        }
    }

    /// Ends the test, and tells what there is.
    #[track_caller]
    fn fail(&self, what: impl fmt::Display) -> ! {
        panic!("{what}; {self:?}")
    }
}

impl<A: Adapter> fmt::Debug for Rig<A> {
    /// Tells what is waited for, in a sentence. Queries, headers and bodies, which may hold secrets,
    /// are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = self.session.machine().phase().name();
        write!(f, "at {} ms the session is {phase}", self.now)?;
        if let Some((_, handshake)) = &self.dial {
            write!(f, ", a dial waits: {}", place(&handshake.url))?;
        }
        for (index, (_, request)) in self.http.iter().enumerate() {
            let word = if index == 0 { ", exchanges wait: " } else { ", " };
            write!(f, "{word}{}", place(&line(request)))?;
        }
        if self.dial.is_none() && self.http.is_empty() {
            f.write_str(", nothing waits for an answer")?;
        }
        match self.due() {
            Some(due) => write!(f, ", the next deadline is at {due} ms")?,
            None => f.write_str(", there is no deadline")?,
        }
        match self.wire.last() {
            Some((at, wire)) => write!(f, ", the last thing it did was {} at {at} ms", wire.kind()),
            None => Ok(()),
        }
    }
}

/// Makes an answer without headers.
#[must_use]
pub fn response(status: u16, body: impl fmt::Display) -> HttpResponse {
    let body = body.to_string().into();
    HttpResponse { status, headers: Vec::new(), body, retry_after: None }
}

/// What says at once what a peer says to a frame.
type Peer = Box<dyn FnMut(&Frame) -> Vec<Frame>>;

/// A peer that answers pings and nothing else.
fn pong(frame: &Frame) -> Vec<Frame> {
    match frame {
        Frame::Ping(bytes) => vec![Frame::Pong(bytes.clone())],
        Frame::Text(_) | Frame::Binary(_) | Frame::Pong(_) => Vec::new(),
    }
}

/// What the ids of a [new](Rig::new) rig's session are made from.
pub const NONCE: u128 = 0x5EED_0123_4567_89AB_CDEF_0246_8ACE_1357;
