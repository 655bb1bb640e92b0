//! What a test does.

use std::fmt;

use bytes::Bytes;
use redial_core::http::{HttpResponse, HttpResult, NoAnswer};
use redial_core::{
    Adapter, Cause, Cx, Effect, Frame, HttpId, Input, MessageId, Secret, Session, Span, Transmit,
};

use super::wire::line;
use super::{Rig, Wire, response};

/// What the application does.
impl<A: Adapter> Rig<A> {
    /// The application wants the session.
    #[track_caller]
    pub fn connect(&mut self) {
        self.input(Input::Connect);
    }

    /// The application wants the end.
    #[track_caller]
    pub fn shutdown(&mut self) {
        self.input(Input::Shutdown);
    }

    /// The application gives a token.
    #[track_caller]
    pub fn offer(&mut self, token: impl Into<Secret>) {
        self.input(Input::OfferToken(token.into()));
    }

    /// The application sets something.
    #[track_caller]
    pub fn command(&mut self, command: A::Command) {
        self.input(Input::Command(command));
    }

    /// The application sends a message.
    ///
    /// # Panics
    ///
    /// Where the session does not accept it. To see that, call [`Session::send`].
    #[track_caller]
    pub fn send(&mut self, message: A::Outgoing) -> MessageId {
        let cx = self.cx();
        let id = match self.session.send(cx, message) {
            Ok(id) => id,
            Err(refused) => self.fail(format_args!("the message was refused: {refused}")),
        };
        self.pump();
        id
    }

    /// The process dies, and another one goes on with a fresh adapter and what
    /// [`Session::snapshot`] left. Sockets and exchanges are gone; the lists of what was done and
    /// told stay, and the application of the new process has yet to [connect](Rig::connect).
    #[track_caller]
    pub fn restart(&mut self, adapter: A) {
        let saved = self.session.snapshot();
        self.session = Session::restore(adapter, self.cx().now, saved);
        self.dial = None;
        self.http.clear();
        self.pump();
    }
}

/// What the network does. All but [`Rig::receive`], [`Rig::lose`] and their like panic where what
/// they end is not there.
impl<A: Adapter> Rig<A> {
    /// The dial that waits becomes a connection.
    #[track_caller]
    pub fn open(&mut self) {
        let Some((conn, _)) = self.dial.take() else { self.fail("a dial to open was expected") };
        self.input(Input::Dialing { conn });
        self.input(Input::Opened { conn });
    }

    /// The dial that waits is answered with this HTTP status, and with a `Retry-After`.
    #[track_caller]
    pub fn refuse(&mut self, status: u16, retry_after: Option<Span>) {
        self.end_dial(Cause::Handshake(status), retry_after);
    }

    /// The dial that waits comes to nothing.
    #[track_caller]
    pub fn fail_dial(&mut self, cause: Cause) {
        self.end_dial(cause, None);
    }

    /// The peer writes text: a `str`, a `serde_json::Value`, whatever displays as the text.
    #[track_caller]
    pub fn receive(&mut self, text: impl fmt::Display) {
        self.receive_frame(Frame::Text(Bytes::from(text.to_string())));
    }

    /// The peer writes a frame.
    #[track_caller]
    pub fn receive_frame(&mut self, frame: Frame) {
        self.input(Input::Frame { conn: self.conn, frame });
    }

    /// The connection ends.
    #[track_caller]
    pub fn lose(&mut self, cause: Cause) {
        self.input(Input::Closed { conn: self.conn, cause, retry_after: None });
    }

    /// The peer closes the connection with this code and this reason.
    #[track_caller]
    pub fn peer_closes(&mut self, code: u16, reason: &str) {
        self.session.note_reason(self.conn, reason);
        self.lose(Cause::Close(code));
    }

    /// The exchange that waits longest is answered. The body is a `str`, a `serde_json::Value`,
    /// whatever displays as the body.
    #[track_caller]
    pub fn answer(&mut self, status: u16, body: impl fmt::Display) {
        self.answer_with(response(status, body));
    }

    /// The exchange that waits longest is answered so.
    #[track_caller]
    pub fn answer_with(&mut self, answer: HttpResponse) {
        self.end_exchange("", Ok(answer));
    }

    /// The exchange that waits longest ends without an answer.
    #[track_caller]
    pub fn no_answer(&mut self, why: NoAnswer) {
        self.end_exchange("", Err(why));
    }

    /// The eldest exchange of which `what` is a part is answered: a part of the verb, a space and
    /// the whole URL, such as `"POST https://acme.test/login"` or `"/login"`.
    #[track_caller]
    pub fn answer_to(&mut self, what: &str, status: u16, body: impl fmt::Display) {
        self.end_exchange(what, Ok(response(status, body)));
    }

    #[track_caller]
    fn end_dial(&mut self, cause: Cause, retry_after: Option<Span>) {
        let Some((conn, _)) = self.dial.take() else { self.fail("a dial to end was expected") };
        self.input(Input::Dialing { conn });
        self.input(Input::Closed { conn, cause, retry_after });
    }

    #[track_caller]
    fn end_exchange(&mut self, what: &str, answer: HttpResult) {
        let index = self.http.iter().position(|(_, request)| line(request).contains(what));
        match index.and_then(|index| self.http.remove(index)) {
            Some((id, _)) => self.input(Input::Http { id, answer }),
            None if what.is_empty() => self.fail("an exchange to answer was expected"),
            None => self.fail(format_args!("an exchange with {what:?} was expected")),
        }
    }
}

/// How time passes.
impl<A: Adapter> Rig<A> {
    /// Lets so many milliseconds pass, with a tick at every deadline.
    #[track_caller]
    pub fn run(&mut self, millis: u64) {
        self.run_until(self.now.saturating_add(millis));
    }

    /// Lets time pass up to and including `at`, with a tick at every deadline. What is due already
    /// happens even where `at` has passed.
    #[track_caller]
    pub fn run_until(&mut self, at: u64) {
        let mut ticks = 0;
        while let Some(due) = self.due()
            && due <= at
        {
            if due > self.now {
                (self.now, ticks) = (due, 0);
            }
            ticks += 1;
            if ticks > TICKS {
                self.fail("a deadline stays due however often it is ticked");
            }
            self.input(Input::Tick);
        }
        self.now = self.now.max(at);
    }

    /// Lets time pass up to the next deadline.
    ///
    /// # Panics
    ///
    /// Where there is none.
    #[track_caller]
    pub fn step(&mut self) {
        let Some(due) = self.due() else { self.fail("a deadline was expected") };
        self.run_until(due.max(self.now));
    }
}

/// The loop around the session.
impl<A: Adapter> Rig<A> {
    /// Takes something in, and then whatever the session wants.
    #[track_caller]
    pub fn input(&mut self, input: Input<A>) {
        let cx = self.cx();
        self.session.handle(cx, input);
        self.pump();
    }

    /// Takes what the session wants until it waits for something.
    #[track_caller]
    pub fn pump(&mut self) {
        let cx = self.cx();
        let mut steps = 0_usize;
        loop {
            let before = steps;
            while let Some(effect) = self.session.poll_effect() {
                steps += 1;
                self.perform(effect);
            }
            while self.writable
                && let Some(transmit) = self.session.poll_transmit(cx)
            {
                steps += 1;
                if steps > STEPS {
                    self.fail("there are frames without end while no time passes");
                }
                self.write(cx, transmit);
            }
            while let Some(item) = self.session.poll_item() {
                steps += 1;
                self.items.push((self.now, item));
            }
            // What is written by HTTP leads to an effect and to no frame.
            if steps == before && !self.session.has_effects() {
                return;
            }
        }
    }

    #[track_caller]
    fn perform(&mut self, effect: Effect) {
        let wire = match effect {
            Effect::Dial { conn, handshake } => {
                if self.dial.is_some() {
                    self.fail("there is a second dial");
                }
                self.conn = conn;
                let url = handshake.url.clone();
                self.dial = Some((conn, handshake));
                Wire::Dial(url)
            }
            Effect::Drop { conn, code } => {
                if conn != self.conn {
                    self.fail("a connection is dropped that is not the last one");
                }
                self.dial = None;
                Wire::Drop(code)
            }
            Effect::Http { id, request } => {
                let wire = Wire::of(&request);
                self.http.push_back((id, request));
                wire
            }
            Effect::Abort { id } => {
                self.forget(id);
                Wire::Abort
            }
        };
        self.wire.push((self.now, wire));
    }

    fn forget(&mut self, id: HttpId) {
        self.http.retain(|(known, _)| *known != id);
    }

    #[track_caller]
    fn write(&mut self, cx: Cx, transmit: Transmit) {
        let wire = match &transmit {
            Transmit::Frame(Frame::Text(bytes)) => match str::from_utf8(bytes) {
                Ok(text) => Wire::Text(text.to_owned()),
                Err(_) => self.fail("a text frame is not UTF-8"),
            },
            Transmit::Frame(Frame::Binary(bytes)) => Wire::Binary(bytes.clone()),
            Transmit::Frame(Frame::Ping(_)) => Wire::Ping,
            Transmit::Frame(Frame::Pong(_)) => Wire::Pong,
            Transmit::Close { code } => Wire::Close(*code, self.session.adapter().close_reason()),
        };
        self.wire.push((self.now, wire));
        if let Transmit::Frame(frame) = transmit
            && self.answers
        {
            for frame in (self.peer)(&frame) {
                self.session.handle(cx, Input::Frame { conn: self.conn, frame });
            }
        }
    }
}

/// How often something may be due at one instant.
const TICKS: usize = 10_000;
/// How many things may come out at one instant.
const STEPS: usize = 100_000;
