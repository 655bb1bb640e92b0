//! A scripted peer in virtual time.

use std::collections::VecDeque;

use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResponse};
use redial_core::{
    Adapter, Cause, ConnId, Cx, Effect, Frame, Handshake, HttpId, Input, Item, Notice, Secret,
    Session, Span, Timestamp, Transmit,
};
use redial_evolution::codechat::{self, Credentials};
use redial_evolution::v2::{self, ApiKey, Scope};
use redial_evolution::{CodeChat, EvolutionApi};
use serde_json::Value;

pub(crate) const NONCE: u128 = 0x5EED_0123_4567_89AB_CDEF_0246_8ACE_1357;
pub(crate) const START: u64 = 1_790_000_000_000;
pub(crate) const URL: &str = "ws://localhost:8084";
pub(crate) const TEST_DATA: &str = r#"{"message":"test data"}"#;

/// What the session did, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wire {
    Http { method: &'static str, url: String, body: String },
    Dial(String),
    Text(String),
    Ping,
    Close(u16),
    Drop(Option<u16>),
    Abort,
}

/// A session and the world around it. Times are counted from the start.
pub(crate) struct World<A: Adapter> {
    pub(crate) session: Session<A>,
    pub(crate) now: u64,
    pub(crate) entropy: u64,
    pub(crate) wire: Vec<(u64, Wire)>,
    pub(crate) items: Vec<(u64, Item<A>)>,
    pub(crate) http: VecDeque<(HttpId, HttpRequest)>,
    pub(crate) dial: Option<(ConnId, Handshake)>,
    pub(crate) conn: ConnId,
    /// Whether pings are answered at once.
    pub(crate) pongs: bool,
}

impl<A: Adapter> World<A> {
    pub(crate) fn with(session: Session<A>) -> Self {
        Self {
            session,
            now: 0,
            entropy: 0,
            wire: Vec::new(),
            items: Vec::new(),
            http: VecDeque::new(),
            dial: None,
            conn: ConnId::new(0),
            pongs: true,
        }
    }

    pub(crate) fn cx(&self) -> Cx {
        Cx::new(Timestamp::from_millis(START + self.now), self.entropy)
    }

    pub(crate) fn input(&mut self, input: Input<A>) {
        let cx = self.cx();
        self.session.handle(cx, input);
        self.pump();
    }

    /// Does what the session wants until it waits for something.
    pub(crate) fn pump(&mut self) {
        let cx = self.cx();
        loop {
            let mut idle = true;
            while let Some(effect) = self.session.poll_effect() {
                idle = false;
                self.perform(effect);
            }
            while let Some(transmit) = self.session.poll_transmit(cx) {
                idle = false;
                match transmit {
                    Transmit::Frame(Frame::Text(bytes)) => {
                        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
                        self.wire.push((self.now, Wire::Text(text)));
                    }
                    Transmit::Frame(_) => {
                        self.wire.push((self.now, Wire::Ping));
                        if self.pongs {
                            let (conn, frame) = (self.conn, Frame::Pong(Bytes::new()));
                            self.session.handle(cx, Input::Frame { conn, frame });
                        }
                    }
                    Transmit::Close { code } => self.wire.push((self.now, Wire::Close(code))),
                }
            }
            while let Some(item) = self.session.poll_item() {
                idle = false;
                self.items.push((self.now, item));
            }
            if idle {
                return;
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        let wire = match effect {
            Effect::Dial { conn, handshake } => {
                assert!(self.dial.is_none(), "one dial at a time");
                self.conn = conn;
                let url = handshake.url.clone();
                self.dial = Some((conn, handshake));
                Wire::Dial(url)
            }
            Effect::Drop { conn, code } => {
                assert_eq!(conn, self.conn, "only the one connection can be dropped");
                self.dial = None;
                Wire::Drop(code)
            }
            Effect::Http { id, request } => {
                let body = String::from_utf8(request.body.to_vec()).expect("UTF-8");
                let (method, url) = (request.method.as_str(), request.url.clone());
                self.http.push_back((id, request));
                Wire::Http { method, url, body }
            }
            Effect::Abort { id } => {
                self.http.retain(|(known, _)| *known != id);
                Wire::Abort
            }
        };
        self.wire.push((self.now, wire));
    }

    pub(crate) fn connect(&mut self) {
        self.input(Input::Connect);
        self.open();
    }

    pub(crate) fn answer(&mut self, status: u16, body: &str) {
        let (id, _) = self.http.pop_front().expect("an exchange");
        let body = Bytes::from(body.to_owned());
        let answer = HttpResponse { status, headers: Vec::new(), body, retry_after: None };
        self.input(Input::Http { id, answer: Ok(answer) });
    }

    pub(crate) fn open(&mut self) {
        let (conn, _) = self.dial.take().expect("a dial");
        self.input(Input::Dialing { conn });
        self.input(Input::Opened { conn });
    }

    pub(crate) fn refuse(&mut self, status: u16) {
        let (conn, _) = self.dial.take().expect("a dial");
        self.input(Input::Dialing { conn });
        let cause = Cause::Handshake(status);
        self.input(Input::Closed { conn, cause, retry_after: None });
    }

    /// The dial that is there comes to nothing.
    pub(crate) fn fail_dial(&mut self) {
        let (conn, _) = self.dial.take().expect("a dial");
        self.input(Input::Dialing { conn });
        self.input(Input::Closed { conn, cause: Cause::Network, retry_after: None });
    }

    pub(crate) fn lose(&mut self, cause: Cause) {
        self.input(Input::Closed { conn: self.conn, cause, retry_after: None });
    }

    pub(crate) fn receive(&mut self, text: &str) {
        self.frame(Frame::Text(Bytes::from(text.to_owned())));
    }

    pub(crate) fn frame(&mut self, frame: Frame) {
        self.input(Input::Frame { conn: self.conn, frame });
    }

    pub(crate) fn offer(&mut self, token: &str) {
        self.input(Input::OfferToken(Secret::new(token)));
    }

    /// Lets time pass, with a tick at every deadline.
    pub(crate) fn run_until(&mut self, at: u64) {
        while let Some(due) = self.due()
            && due <= at
        {
            self.now = self.now.max(due);
            self.input(Input::Tick);
        }
        self.now = at;
    }

    pub(crate) fn run(&mut self, millis: u64) {
        self.run_until(self.now + millis);
    }

    pub(crate) fn due(&self) -> Option<u64> {
        self.session.poll_timeout().map(|at| at.as_millis().saturating_sub(START))
    }

    /// Takes what was done since the last call.
    pub(crate) fn take_wire(&mut self) -> Vec<(u64, Wire)> {
        std::mem::take(&mut self.wire)
    }

    /// Takes the frames that were sent since the last call.
    pub(crate) fn take_texts(&mut self) -> Vec<String> {
        let texts = self.take_wire().into_iter().filter_map(|(_, wire)| match wire {
            Wire::Text(text) => Some(text),
            _ => None,
        });
        texts.collect()
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        let notices = self.items.iter().filter_map(|(_, item)| match item {
            Item::Notice(notice) => Some(*notice),
            _ => None,
        });
        notices.collect()
    }

    pub(crate) fn problems(&self) -> Vec<(u64, &'static str)> {
        let problems = self.items.iter().filter_map(|(at, item)| match item {
            Item::Problem(problem) => Some((*at, problem.text)),
            _ => None,
        });
        problems.collect()
    }

    pub(crate) fn gaps(&self) -> usize {
        self.items.iter().filter(|(_, item)| matches!(item, Item::Gap { closed: false })).count()
    }

    pub(crate) fn messages(&self) -> Vec<&A::Message> {
        let messages = self.items.iter().filter_map(|(_, item)| match item {
            Item::Message(message) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    /// Returns the waits that were announced.
    pub(crate) fn waits(&self) -> Vec<(u16, Span, Cause)> {
        let waits = self.notices().into_iter().filter_map(|notice| match notice {
            Notice::RetryScheduled { delay, attempt, cause, .. } => Some((attempt, delay, cause)),
            _ => None,
        });
        waits.collect()
    }

    pub(crate) fn last(&self) -> Notice {
        *self.notices().last().expect("a notice")
    }

    /// Returns the tokens that were asked for, by the token that each replaces.
    pub(crate) fn wanted(&self) -> Vec<Option<&Secret>> {
        let wanted = self.items.iter().filter_map(|(_, item)| match item {
            Item::TokenNeeded { rejected, .. } => Some(rejected.as_ref()),
            _ => None,
        });
        wanted.collect()
    }
}

pub(crate) fn sockets(event: &str) -> codechat::Builder {
    CodeChat::builder(URL, event, Credentials::Token("tok-1".into()))
}

pub(crate) fn url(event: &str, token: &str) -> String {
    format!("{URL}/ws/events?event={event}&token={token}")
}

impl World<CodeChat> {
    pub(crate) fn codechat(builder: codechat::Builder) -> Self {
        Self::with(Session::new(builder.build().expect("a good configuration"), NONCE))
    }

    /// A socket for an event that is open.
    pub(crate) fn online(event: &str) -> Self {
        let mut world = Self::codechat(sockets(event));
        world.connect();
        assert!(world.session.is_online());
        world
    }

    /// Returns the payloads that came, and the names under which they came.
    pub(crate) fn payloads(&self) -> Vec<(&str, Value)> {
        let payloads = self.messages().into_iter().filter_map(|message| match message {
            codechat::Message::Event(event) => Some((event.name.as_str(), event.body.value())),
            _ => None,
        });
        payloads.collect()
    }
}

pub(crate) const OPEN: &str = concat!(
    r#"0{"sid":"SID","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"#,
    r#""maxPayload":1000000}"#
);
pub(crate) const NOT_THERE: &str = r#"44/inst1,{"message":"Invalid namespace"}"#;

pub(crate) fn namespaces(scope: Scope) -> v2::Builder {
    EvolutionApi::builder("http://localhost:8080", scope, ApiKey::Key("key-1".into()))
}

pub(crate) fn inst1() -> v2::Builder {
    namespaces(Scope::Instance("inst1".into()))
}

impl World<EvolutionApi> {
    pub(crate) fn v2(builder: v2::Builder) -> Self {
        Self::with(Session::new(builder.build().expect("a good configuration"), NONCE))
    }

    /// A connection whose namespace is not confirmed.
    pub(crate) fn joining(builder: v2::Builder) -> Self {
        let mut world = Self::v2(builder);
        world.connect();
        world.receive(OPEN);
        world
    }
}

/// Reads a recording.
pub(crate) fn recording(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/data/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a recording");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}
