//! A scripted peer in virtual time.

use std::collections::VecDeque;

use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResponse, NoAnswer};
use redial_core::{
    Cause, ConnId, Cx, Effect, Fate, Frame, HttpId, Input, Item, MessageId, Notice, Secret,
    Session, Span, Timestamp, Transmit,
};
use redial_liveperson::{Builder, Credentials, LivePerson, Request};
use serde_json::{Value, json};

pub(crate) const ACCOUNT: &str = "12345678";
pub(crate) const HOST: &str = "127.0.0.1:4431";

/// What the session did, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wire {
    Http { method: &'static str, url: String },
    Dial(String),
    Text(Value),
    Ping,
    Close(u16),
    Drop(Option<u16>),
    Abort,
}

/// A session and the world around it.
pub(crate) struct World {
    pub(crate) session: Session<LivePerson>,
    pub(crate) now: u64,
    pub(crate) wire: Vec<(u64, Wire)>,
    pub(crate) items: Vec<(u64, Item<LivePerson>)>,
    pub(crate) http: VecDeque<(HttpId, HttpRequest)>,
    pub(crate) dial: Option<(ConnId, redial_core::Handshake)>,
    pub(crate) conn: ConnId,
    pub(crate) logins: u32,
    /// Whether probes are answered at once.
    pub(crate) answers: bool,
}

impl World {
    pub(crate) fn new(builder: Builder) -> Self {
        let adapter = builder.csds(HOST).plain(true).build().expect("a good configuration");
        Self::with(Session::new(adapter, 0x5EED_0123_4567_89AB_CDEF_0246_8ACE_1357))
    }

    pub(crate) fn with(session: Session<LivePerson>) -> Self {
        Self {
            session,
            now: 0,
            wire: Vec::new(),
            items: Vec::new(),
            http: VecDeque::new(),
            dial: None,
            conn: ConnId::new(0),
            logins: 0,
            answers: true,
        }
    }

    /// A session with a password.
    pub(crate) fn password() -> Self {
        Self::new(LivePerson::builder(ACCOUNT, password()))
    }

    /// A session with a password that is online.
    pub(crate) fn online() -> Self {
        let mut world = Self::password();
        world.connect();
        world
    }

    pub(crate) fn connect(&mut self) {
        self.input(Input::Connect);
        self.settle();
        assert!(self.session.is_online());
    }

    pub(crate) fn cx(&self) -> Cx {
        Cx::new(Timestamp::from_millis(self.now), u64::MAX / 2)
    }

    pub(crate) fn input(&mut self, input: Input<LivePerson>) {
        let cx = self.cx();
        self.session.handle(cx, input);
        self.pump();
    }

    /// Does what the session wants until it waits for something.
    fn pump(&mut self) {
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
                        let text: Value = serde_json::from_slice(&bytes).expect("JSON");
                        self.wire.push((self.now, Wire::Text(text.clone())));
                        if self.answers && text["type"] == ".GetClock" {
                            self.frame(&response(&text, 200, json!({ "currentTime": 1 })));
                        }
                    }
                    Transmit::Frame(_) => self.wire.push((self.now, Wire::Ping)),
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
                let wire = Wire::Http { method: request.method.as_str(), url: request.url.clone() };
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

    /// Hands a frame over without pumping.
    fn frame(&mut self, value: &Value) {
        let (cx, frame) = (self.cx(), Frame::Text(Bytes::from(value.to_string())));
        self.session.handle(cx, Input::Frame { conn: self.conn, frame });
    }

    /// Answers every exchange and dial well until nothing is asked for.
    pub(crate) fn settle(&mut self) {
        loop {
            if let Some((_, request)) = self.http.front() {
                let url = request.url.clone();
                if url.contains("baseURI.json") {
                    self.answer(200, &lookup());
                } else if url.contains("/login") {
                    self.answer_login();
                } else {
                    self.answer(200, &Value::Null);
                }
            } else if self.dial.is_some() {
                self.open();
            } else {
                return;
            }
        }
    }

    pub(crate) fn answer(&mut self, status: u16, body: &Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.answer_with(response_of(status, body));
    }

    pub(crate) fn answer_with(&mut self, answer: HttpResponse) {
        let (id, _) = self.http.pop_front().expect("an exchange");
        self.input(Input::Http { id, answer: Ok(answer) });
    }

    pub(crate) fn answer_login(&mut self) {
        self.logins += 1;
        let n = self.logins;
        let mut answer = response_of(200, login(n).to_string());
        let cookie = format!("Session_id=sess-{n}; Path=/; Secure; HttpOnly");
        answer.headers.push(("set-cookie".into(), cookie));
        self.answer_with(answer);
    }

    pub(crate) fn no_answer(&mut self, why: NoAnswer) {
        let (id, _) = self.http.pop_front().expect("an exchange");
        self.input(Input::Http { id, answer: Err(why) });
    }

    pub(crate) fn open(&mut self) {
        let (conn, _) = self.dial.take().expect("a dial");
        self.input(Input::Dialing { conn });
        self.input(Input::Opened { conn });
    }

    pub(crate) fn refuse(&mut self, status: u16, retry_after: Option<Span>) {
        let (conn, _) = self.dial.take().expect("a dial");
        self.input(Input::Dialing { conn });
        self.input(Input::Closed { conn, cause: Cause::Handshake(status), retry_after });
    }

    pub(crate) fn lose(&mut self, cause: Cause) {
        self.input(Input::Closed { conn: self.conn, cause, retry_after: None });
    }

    pub(crate) fn receive(&mut self, value: &Value) {
        self.frame(value);
        self.pump();
    }

    pub(crate) fn receive_frame(&mut self, frame: Frame) {
        self.input(Input::Frame { conn: self.conn, frame });
    }

    pub(crate) fn send(&mut self, request: Request) -> MessageId {
        let cx = self.cx();
        let id = self.session.send(cx, request).expect("room");
        self.pump();
        id
    }

    /// Lets time pass, with a tick at every deadline.
    pub(crate) fn run_until(&mut self, at: u64) {
        while let Some(due) = self.session.poll_timeout().map(Timestamp::as_millis)
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

    /// Takes what was done since the last call.
    pub(crate) fn take_wire(&mut self) -> Vec<(u64, Wire)> {
        std::mem::take(&mut self.wire)
    }

    /// Takes the frames that were sent since the last call.
    pub(crate) fn take_texts(&mut self) -> Vec<Value> {
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

    pub(crate) fn fates(&self) -> Vec<(u64, MessageId, Fate)> {
        let fates = self.items.iter().filter_map(|(at, item)| match item {
            Item::Fate(settled) => Some((*at, settled.id, settled.fate)),
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

    /// Returns the wait that was announced last: its length, and whether the token is kept.
    pub(crate) fn wait(&self) -> Option<(Span, redial_core::TokenUse, Cause)> {
        self.notices().iter().rev().find_map(|notice| match notice {
            Notice::RetryScheduled { delay, token, cause, .. } => Some((*delay, *token, *cause)),
            _ => None,
        })
    }
}

/// Names a step of the wire in a few letters.
pub(crate) fn names(wire: &[(u64, Wire)]) -> Vec<(u64, &'static str)> {
    let name = |wire: &Wire| match wire {
        Wire::Http { url, .. } if url.contains("baseURI.json") => "csds",
        Wire::Http { url, .. } if url.contains("/login?") => "login",
        Wire::Http { .. } => "refresh",
        Wire::Dial(url) if url.contains("bearer-1") => "dial bearer-1",
        Wire::Dial(url) if url.contains("bearer-2") => "dial bearer-2",
        Wire::Dial(url) if url.contains("bearer-3") => "dial bearer-3",
        Wire::Dial(_) => "dial",
        Wire::Text(text) if text["type"] == ".GetClock" => "clock",
        Wire::Text(_) => "text",
        Wire::Ping => "ping",
        Wire::Close(_) => "close",
        Wire::Drop(_) => "drop",
        Wire::Abort => "abort",
    };
    wire.iter().map(|(at, wire)| (*at, name(wire))).collect()
}

pub(crate) fn password() -> Credentials {
    Credentials::Password { username: "bot1".into(), password: Secret::new("secret-pw") }
}

pub(crate) fn lookup() -> Value {
    let entry = |service: &str| json!({ "service": service, "account": ACCOUNT, "baseURI": HOST });
    json!({ "baseURIs": [entry("agentVep"), entry("asyncMessagingEnt"), entry("facadeMsg")] })
}

pub(crate) fn login(n: u32) -> Value {
    json!({
        "bearer": format!("bearer-{n}"),
        "csrf": format!("csrf-{n}"),
        "config": { "userId": "3705342610", "userPid": "pid-1" },
        "sessionTTl": "28800000",
        "wsuk": "1",
    })
}

pub(crate) fn response(request: &Value, code: u16, body: Value) -> Value {
    json!({ "kind": "resp", "reqId": request["id"], "code": code, "type": "r", "body": body })
}

pub(crate) fn response_of(status: u16, body: impl Into<Bytes>) -> HttpResponse {
    HttpResponse { status, headers: Vec::new(), body: body.into(), retry_after: None }
}

impl World {
    /// Answers one exchange well.
    pub(crate) fn settle_one(&mut self) {
        self.answer(200, &lookup());
    }
}
