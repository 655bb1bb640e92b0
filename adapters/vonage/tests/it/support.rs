//! A scripted platform in virtual time.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResponse, NoAnswer};
use redial_core::{
    Cause, ConnId, Continuity, Cx, Effect, Fate, Frame, Handshake, HttpId, Input, Item, MessageId,
    Notice, Session, Span, Timestamp, Transmit,
};
use redial_vonage::{Builder, Callback, Callbacks, Generation, Message, Outgoing, Vonage};
use serde_json::{Value, json};

pub(crate) use Generation::{V1, V2};

pub(crate) const NONCE: u128 = 0x5EED_0123_4567_89AB_CDEF_0246_8ACE_1357;
pub(crate) const START: u64 = 1_790_000_000_000;
pub(crate) const BASE: &str = "http://127.0.0.1:4433";
pub(crate) const BOTH: [Generation; 2] = [V1, V2];

/// What the session did, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wire {
    Dial(String),
    Text(String),
    Binary(Bytes),
    Close(u16),
    Drop(Option<u16>),
    Http { method: &'static str, url: String, bearer: String, body: Bytes },
    Abort,
}

/// A session and the world around it. Times are counted from the start.
pub(crate) struct World {
    pub(crate) session: Session<Vonage>,
    pub(crate) generation: Generation,
    pub(crate) now: u64,
    pub(crate) entropy: u64,
    pub(crate) wire: Vec<(u64, Wire)>,
    pub(crate) items: Vec<(u64, Item<Vonage>)>,
    pub(crate) callbacks: Vec<(u64, Callback)>,
    pub(crate) http: VecDeque<(HttpId, HttpRequest)>,
    pub(crate) dial: Option<(ConnId, Handshake)>,
    pub(crate) conn: ConnId,
    /// Whether a token source keeps its questions from the application.
    pub(crate) sourced: bool,
    seer: Callbacks,
}

/// What a test begins with.
pub(crate) fn builder(generation: Generation) -> Builder {
    Vonage::builder(generation).url(BASE)
}

/// A token that lives from `from` for `life` seconds, counted from the start of the test.
pub(crate) fn jwt(name: &str, from: i64, life: u64) -> String {
    let iat = (START / 1000).saturating_add_signed(from);
    claims(&json!({ "sub": "alice", "jti": name, "iat": iat, "exp": iat + life }))
}

pub(crate) fn claims(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(&json!({ "alg": "RS256" })), part(claims), "c2ln")
}

impl World {
    pub(crate) fn new(generation: Generation, builder: Builder) -> Self {
        let adapter = builder.build().expect("a good configuration");
        Self::with(generation, Session::new(adapter, NONCE))
    }

    pub(crate) fn with(generation: Generation, session: Session<Vonage>) -> Self {
        Self {
            session,
            generation,
            now: 0,
            entropy: 0,
            wire: Vec::new(),
            items: Vec::new(),
            callbacks: Vec::new(),
            http: VecDeque::new(),
            dial: None,
            conn: ConnId::new(0),
            sourced: false,
            seer: Callbacks::new(),
        }
    }

    /// A session that is online with the token "T1", as session "S1".
    pub(crate) fn online(generation: Generation) -> Self {
        Self::online_with(generation, builder(generation).token("T1".into()))
    }

    pub(crate) fn online_with(generation: Generation, builder: Builder) -> Self {
        let mut world = Self::new(generation, builder);
        world.input(Input::Connect);
        world.log_in("S1");
        world.forget();
        world
    }

    /// Forgets what has been done so far.
    pub(crate) fn forget(&mut self) {
        self.wire.clear();
        self.items.clear();
        self.callbacks.clear();
    }

    /// The dial that there is becomes a session.
    pub(crate) fn log_in(&mut self, id: &str) {
        self.join();
        self.log_in_answer(id);
    }

    /// The platform confirms the session.
    pub(crate) fn log_in_answer(&mut self, id: &str) {
        self.succeed(&json!({ "id": id, "user_id": "USR-1", "name": "alice", "api_key": "k" }));
        assert!(self.session.is_online());
    }

    /// The dial that there is becomes a connection whose namespace is confirmed.
    pub(crate) fn join(&mut self) {
        self.join_with(25_000, 20_000);
    }

    pub(crate) fn join_with(&mut self, interval: u32, timeout: u32) {
        self.open();
        self.text(&format!(
            r#"0{{"sid":"e","upgrades":[],"pingInterval":{interval},"pingTimeout":{timeout}}}"#
        ));
        match self.generation {
            V1 => self.text("40"),
            V2 => {
                assert_eq!(self.last_text().as_deref(), Some("40"));
                self.text(r#"40{"sid":"s"}"#);
            }
        }
    }

    pub(crate) fn succeed(&mut self, body: &Value) {
        let mut payload = json!({ "body": body });
        if let Some(tid) = self.tid_of("session:login") {
            payload["rid"] = tid.into();
        }
        self.event("session:success", &payload);
    }

    /// Returns the `tid` of the last frame, if that was this event.
    pub(crate) fn tid_of(&self, name: &str) -> Option<String> {
        let (event, payload) = parse(&self.last_text()?)?;
        (event == name).then(|| payload["tid"].as_str().expect("a tid").to_owned())
    }

    pub(crate) fn last_text(&self) -> Option<String> {
        self.texts().pop()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        let texts = self.wire.iter().filter_map(|(_, wire)| match wire {
            Wire::Text(text) => Some(text.clone()),
            _ => None,
        });
        texts.collect()
    }

    pub(crate) fn event(&mut self, name: &str, payload: &Value) {
        self.text(&format!("42{}", json!([name, payload])));
    }

    pub(crate) fn error(&mut self, name: &str) {
        self.event(name, &json!({ "description": "no", "body": {} }));
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.frame(Frame::Text(Bytes::copy_from_slice(text.as_bytes())));
    }

    pub(crate) fn frame(&mut self, frame: Frame) {
        self.input(Input::Frame { conn: self.conn, frame });
    }

    pub(crate) fn cx(&self) -> Cx {
        Cx::new(Timestamp::from_millis(START + self.now), self.entropy)
    }

    pub(crate) fn input(&mut self, input: Input<Vonage>) {
        let cx = self.cx();
        self.session.handle(cx, input);
        self.pump();
    }

    pub(crate) fn offer(&mut self, token: &str) {
        self.input(Input::OfferToken(token.into()));
        // A driver lets what is due at once happen at once.
        self.run(0);
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
                let wire = match transmit {
                    Transmit::Frame(Frame::Text(bytes)) => {
                        Wire::Text(String::from_utf8(bytes.to_vec()).expect("UTF-8"))
                    }
                    Transmit::Frame(Frame::Binary(bytes)) => Wire::Binary(bytes),
                    Transmit::Frame(frame) => panic!("nobody sends {frame:?}"),
                    Transmit::Close { code } => Wire::Close(code),
                };
                self.wire.push((self.now, wire));
            }
            while let Some(item) = self.session.poll_item() {
                idle = false;
                let hidden = self.sourced && matches!(item, Item::TokenNeeded { .. });
                if !hidden && let Some(callback) = self.seer.see(&item) {
                    self.callbacks.push((self.now, callback));
                }
                self.items.push((self.now, item));
            }
            if idle && !self.session.has_effects() {
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
                let bearer = request.headers.iter().find(|(name, _)| *name == "authorization");
                let wire = Wire::Http {
                    method: request.method.as_str(),
                    url: request.url.clone(),
                    bearer: bearer.expect("a credential").1.clone(),
                    body: request.body.clone(),
                };
                self.http.push_back((id, request));
                wire
            }
            Effect::Abort { id } => {
                self.http.retain(|(known, _)| *known != id);
                Wire::Abort
            }
        };
        self.wire.push((self.now, wire));
    }

    pub(crate) fn answer(&mut self, status: u16, body: &Value) {
        self.answer_with(Ok(HttpResponse {
            status,
            headers: Vec::new(),
            body: body.to_string().into(),
            retry_after: None,
        }));
    }

    pub(crate) fn answer_with(&mut self, answer: Result<HttpResponse, NoAnswer>) {
        let (id, _) = self.http.pop_front().expect("an exchange");
        self.input(Input::Http { id, answer });
    }

    pub(crate) fn open(&mut self) {
        let (conn, _) = self.dial.take().expect("a dial");
        self.input(Input::Dialing { conn });
        self.input(Input::Opened { conn });
    }

    /// The dial that there is comes to nothing.
    pub(crate) fn fail_dial(&mut self) {
        self.end_dial(Cause::Network, None);
    }

    pub(crate) fn end_dial(&mut self, cause: Cause, retry_after: Option<Span>) {
        let (conn, _) = self.dial.take().expect("a dial");
        self.input(Input::Dialing { conn });
        self.input(Input::Closed { conn, cause, retry_after });
    }

    pub(crate) fn lose(&mut self, cause: Cause) {
        self.input(Input::Closed { conn: self.conn, cause, retry_after: None });
    }

    pub(crate) fn submit(&mut self, message: Outgoing) -> MessageId {
        let cx = self.cx();
        let id = self.session.send(cx, message).expect("room");
        self.pump();
        id
    }

    /// Lets time pass, with a tick at every deadline.
    pub(crate) fn run_until(&mut self, at: u64) {
        for _ in 0..10_000 {
            let Some(due) = self.due().filter(|due| *due <= at) else {
                self.now = self.now.max(at);
                return;
            };
            self.now = self.now.max(due);
            self.input(Input::Tick);
        }
        panic!("a deadline that never passes");
    }

    pub(crate) fn run(&mut self, millis: u64) {
        self.run_until(self.now + millis);
    }

    /// Lets time pass on a connection whose heartbeat goes on.
    pub(crate) fn stay(&mut self, millis: u64) {
        let end = self.now + millis;
        while self.now < end {
            self.run_until(end.min(self.now + 10_000));
            self.answer_heartbeats();
        }
    }

    /// The platform shows that it lives, in the way of the generation.
    pub(crate) fn answer_heartbeats(&mut self) {
        self.text(match self.generation {
            V1 => "3",
            V2 => "2",
        });
    }

    /// The platform takes the token that it was told of last.
    pub(crate) fn accept_update(&mut self) {
        match self.generation {
            V1 => {
                let rid = self.tid_of("session:update-token").expect("an update");
                self.event("session:update-token:success", &json!({ "rid": rid, "body": {} }));
            }
            V2 => self.answer(200, &json!({ "session_id": "S1" })),
        }
    }

    pub(crate) fn due(&self) -> Option<u64> {
        self.session.poll_timeout().map(|at| at.as_millis().saturating_sub(START))
    }

    /// Takes the addresses that were dialled since the last call, without the base.
    pub(crate) fn take_dials(&mut self) -> Vec<(u64, String)> {
        let dials = self.wire.extract_if(.., |(_, wire)| matches!(wire, Wire::Dial(_)));
        dials
            .map(|(at, wire)| match wire {
                Wire::Dial(url) => {
                    (at, url.strip_prefix("ws://127.0.0.1:4433").expect("the base").to_owned())
                }
                _ => unreachable!("only dials were taken"),
            })
            .collect()
    }

    pub(crate) fn dialled(&mut self) -> Option<String> {
        self.take_dials().pop().map(|(_, url)| url)
    }

    pub(crate) fn take_callbacks(&mut self) -> Vec<(u64, Callback)> {
        std::mem::take(&mut self.callbacks)
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        let notices = self.items.iter().filter_map(|(_, item)| match item {
            Item::Notice(notice) => Some(*notice),
            _ => None,
        });
        notices.collect()
    }

    pub(crate) fn last(&self) -> Notice {
        *self.notices().last().expect("a notice")
    }

    pub(crate) fn continuities(&self) -> Vec<Continuity> {
        let notices = self.notices().into_iter().filter_map(|notice| match notice {
            Notice::Online { continuity, .. } => Some(continuity),
            _ => None,
        });
        notices.collect()
    }

    /// Returns when the application was asked for a token, and which one is to be replaced.
    pub(crate) fn asked(&self) -> Vec<(u64, Option<String>)> {
        let asked = self.items.iter().filter_map(|(at, item)| match item {
            Item::TokenNeeded { rejected, .. } => {
                Some((*at, rejected.as_ref().map(|token| token.expose().to_owned())))
            }
            _ => None,
        });
        asked.collect()
    }

    pub(crate) fn fates(&self) -> Vec<(MessageId, Fate)> {
        let fates = self.items.iter().filter_map(|(_, item)| match item {
            Item::Fate(settled) => Some((settled.id, settled.fate)),
            _ => None,
        });
        fates.collect()
    }

    pub(crate) fn problems(&self) -> Vec<&'static str> {
        let problems = self.items.iter().filter_map(|(_, item)| match item {
            Item::Problem(problem) => Some(problem.text),
            _ => None,
        });
        problems.collect()
    }

    pub(crate) fn messages(&self) -> Vec<&Message> {
        let messages = self.items.iter().filter_map(|(_, item)| match item {
            Item::Message(message) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    /// Returns the ids of the sessions that were confirmed, and those before them.
    pub(crate) fn sessions(&self) -> Vec<(String, Option<String>)> {
        let sessions = self.messages().into_iter().filter_map(|message| match message {
            Message::Session(info) => Some((info.id.clone(), info.previous.clone())),
            _ => None,
        });
        sessions.collect()
    }
}

/// Reads the name and the one argument of an event.
pub(crate) fn parse(text: &str) -> Option<(String, Value)> {
    let json = text.strip_prefix("42")?;
    let json = json.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let (name, payload) = serde_json::from_str(json).ok()?;
    Some((name, payload))
}
