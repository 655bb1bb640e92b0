//! Sessions driven by scripts: lines of text that a fuzzer can change and a person can read.

use std::collections::VecDeque;

use bytes::Bytes;
use redial_core::http::{HttpResponse, NoAnswer};
use redial_core::{
    Adapter, Cause, ConnId, Cx, Effect, Fate, Frame, HttpId, Input, Item, Notice, Secret, Session,
    Span, Timestamp, TokenUse, Transmit,
};

/// Plays a script with a session of this adapter, and checks what holds for every session.
///
/// | line | what happens |
/// | --- | --- |
/// | `open`, `refuse 401`, `cut`, `close 4401` | the dial or the socket |
/// | `http 200 {..}`, `after 30`, `no-answer` | the oldest exchange; `after` is the next answer's `Retry-After` |
/// | `text ..`, `binary ..`, `pong` | a frame; a line that is none of these is one, too |
/// | `wait 5000` | time passes, deadline by deadline |
/// | `send ..` | a message that `message` makes of the rest |
/// | `token ..`, `connect`, `recover`, `network`, `reconnect`, `shutdown`, `restore` | the application |
///
/// In frames and bodies `$` stands for the last id that the session wrote.
///
/// # Panics
///
/// Where something does not hold.
pub fn play<A: Adapter>(
    make: impl Fn() -> A,
    script: &[u8],
    message: impl Fn(&str) -> Option<A::Outgoing>,
) -> Reached {
    let mut world = World::new(make());
    world.input(Input::Connect);
    for line in script.split(|byte| *byte == b'\n').take(LINES) {
        let line = String::from_utf8_lossy(line);
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "send" => world.send(message(rest)),
            "restore" => world = world.restored(make()),
            _ => world.line(word, rest, &line),
        }
    }
    world.end()
}

/// How far a script got.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reached {
    /// How often the session was online.
    pub online: u32,
    /// How many messages were acknowledged.
    pub acked: u32,
}

struct World<A: Adapter> {
    session: Session<A>,
    now: u64,
    dial: Option<ConnId>,
    conn: Option<ConnId>,
    http: VecDeque<HttpId>,
    after: Option<Span>,
    last_id: String,
    accepted: u64,
    settled: u64,
    /// How many more deadlines are passed.
    ticks: u32,
    reached: Reached,
}

impl<A: Adapter> World<A> {
    fn new(adapter: A) -> Self {
        Self::with(Session::new(adapter, NONCE))
    }

    fn with(session: Session<A>) -> Self {
        Self {
            session,
            now: START,
            dial: None,
            conn: None,
            http: VecDeque::new(),
            after: None,
            last_id: String::new(),
            accepted: 0,
            settled: 0,
            ticks: TICKS,
            reached: Reached::default(),
        }
    }

    /// Goes on in another process.
    fn restored(self, adapter: A) -> Self {
        let session =
            Session::restore(adapter, Timestamp::from_millis(self.now), self.session.snapshot());
        let mut world = Self::with(session);
        (world.now, world.accepted, world.settled) = (self.now, self.accepted, self.settled);
        world.ticks = self.ticks;
        world.reached = self.reached;
        world.last_id = self.last_id;
        world.input(Input::Connect);
        world
    }

    fn line(&mut self, word: &str, rest: &str, line: &str) {
        match word {
            "open" => {
                if let Some(conn) = self.dial.take() {
                    self.conn = Some(conn);
                    self.input(Input::Dialing { conn });
                    self.input(Input::Opened { conn });
                }
            }
            "refuse" => {
                if let Some(conn) = self.dial.take() {
                    self.closed(conn, Cause::Handshake(number(rest)));
                }
            }
            "cut" | "close" => {
                if let Some(conn) = self.conn.take().or(self.dial.take()) {
                    let close = Cause::Close(number(rest));
                    self.closed(conn, if word == "cut" { Cause::Network } else { close });
                }
            }
            "http" => {
                let (status, body) = rest.split_once(' ').unwrap_or((rest, ""));
                let body = Bytes::from(body.replace('$', &self.last_id));
                let status = number(status);
                let headers = vec![
                    ("content-type".into(), "application/json".into()),
                    ("set-cookie".into(), "JSESSIONID=cookie; Path=/".into()),
                ];
                let retry_after = self.after.take();
                self.answer(Ok(HttpResponse { status, headers, body, retry_after }));
            }
            "no-answer" => self.answer(Err(NoAnswer::Network)),
            "after" => self.after = Some(Span::from_secs(number(rest).into())),
            "text" => self.text(rest),
            "binary" => self.frame(Frame::Binary(Bytes::from(rest.to_owned()))),
            "pong" => self.frame(Frame::Pong(Bytes::new())),
            "wait" => self.wait(rest.trim().parse().unwrap_or(0).min(WAIT_MAX)),
            "token" => self.input(Input::OfferToken(Secret::new(rest))),
            "connect" => self.input(Input::Connect),
            "recover" => self.input(Input::Recover),
            "network" => self.input(Input::NetworkChanged),
            "reconnect" => self.input(Input::Reconnect { token: TokenUse::Regenerate }),
            "shutdown" => self.input(Input::Shutdown),
            _ => self.text(line),
        }
    }

    fn text(&mut self, text: &str) {
        self.frame(Frame::Text(Bytes::from(text.replace('$', &self.last_id))));
    }

    fn frame(&mut self, frame: Frame) {
        if let Some(conn) = self.conn {
            self.input(Input::Frame { conn, frame });
        }
    }

    fn closed(&mut self, conn: ConnId, cause: Cause) {
        let retry_after = self.after.take();
        self.input(Input::Closed { conn, cause, retry_after });
    }

    fn answer(&mut self, answer: Result<HttpResponse, NoAnswer>) {
        if let Some(id) = self.http.pop_front() {
            self.input(Input::Http { id, answer });
        }
    }

    fn send(&mut self, message: Option<A::Outgoing>) {
        let Some(message) = message else { return };
        let cx = self.cx();
        self.accepted += u64::from(self.session.send(cx, message).is_ok());
        self.pump();
    }

    /// Lets time pass, from deadline to deadline.
    fn wait(&mut self, span: u64) {
        let end = self.now + span;
        while self.ticks > 0 {
            self.ticks -= 1;
            let due = self.session.poll_timeout().map(Timestamp::as_millis);
            let Some(at) = due.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.input(Input::Tick);
            let next = self.session.poll_timeout().map(Timestamp::as_millis);
            assert!(next.is_none_or(|next| next > self.now), "a deadline is overdue after a tick");
        }
        self.now = end;
    }

    fn cx(&self) -> Cx {
        Cx::new(Timestamp::from_millis(self.now), u64::MAX / 2)
    }

    fn input(&mut self, input: Input<A>) {
        let cx = self.cx();
        self.session.handle(cx, input);
        self.pump();
    }

    /// Does what the session wants until it waits for something.
    fn pump(&mut self) {
        let cx = self.cx();
        for _ in 0..STEPS {
            let mut idle = true;
            while let Some(effect) = self.session.poll_effect() {
                idle = false;
                self.perform(effect);
            }
            while self.conn.is_some()
                && let Some(transmit) = self.session.poll_transmit(cx)
            {
                idle = false;
                self.note(&transmit);
            }
            while let Some(item) = self.session.poll_item() {
                idle = false;
                self.take(&item);
            }
            if idle && !self.session.has_effects() {
                return;
            }
        }
        panic!("the session never rests");
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Dial { conn, handshake } => {
                assert!(self.dial.is_none() && self.conn.is_none(), "one connection at a time");
                assert!(handshake.url.starts_with("ws"), "a WebSocket URL");
                assert!(handshake.url.bytes().all(|byte| byte.is_ascii_graphic()), "a clean URL");
                for (name, value) in &handshake.headers {
                    assert!(value.bytes().all(|byte| byte >= b' ' && byte != 127), "{name}");
                }
                self.dial = Some(conn);
            }
            Effect::Drop { conn, .. } => {
                self.dial.take_if(|dial| *dial == conn);
                self.conn.take_if(|live| *live == conn);
            }
            Effect::Http { id, request } => {
                assert!(request.url.bytes().all(|byte| byte.is_ascii_graphic()), "a clean URL");
                for (name, value) in &request.headers {
                    assert!(!value.contains(['\r', '\n', '\0']), "{name} has a line break");
                }
                if let Ok(body) = std::str::from_utf8(&request.body) {
                    self.note_id(body);
                }
                self.http.push_back(id);
            }
            Effect::Abort { id } => self.http.retain(|known| *known != id),
        }
    }

    fn note(&mut self, transmit: &Transmit) {
        match transmit {
            Transmit::Frame(Frame::Text(text)) => {
                let text = std::str::from_utf8(text).expect("text is UTF-8");
                self.note_id(text);
            }
            Transmit::Frame(_) => {}
            Transmit::Close { .. } => {
                if let Some(conn) = self.conn.take() {
                    let cx = self.cx();
                    let (cause, retry_after) = (Cause::Close(1000), None);
                    self.session.handle(cx, Input::Closed { conn, cause, retry_after });
                }
            }
        }
    }

    /// Remembers the last id in what was written, whatever the vendor calls it.
    fn note_id(&mut self, text: &str) {
        let found = ["\"tid\":\"", "\"id\":\"", "\"messageId\":\"", "\"tracingId\":\""]
            .iter()
            .find_map(|key| text.split_once(key)?.1.split_once('"'));
        if let Some((id, _)) = found {
            self.last_id = id.to_owned();
        }
    }

    fn take(&mut self, item: &Item<A>) {
        let shown = format!("{item:?}");
        assert!(!shown.contains(crate::CANARY), "a secret in {shown}");
        if let Item::Notice(Notice::Online { .. }) = item {
            self.reached.online += 1;
        }
        if let Item::Fate(settled) = item {
            self.settled += 1;
            self.reached.acked += u32::from(settled.fate == Fate::Acked);
            assert!(
                settled.tries > 0 || settled.fate != Fate::Unknown,
                "never written, yet unknown"
            );
        }
    }

    fn end(mut self) -> Reached {
        self.conserves();
        let shown = format!("{:?} {:?}", self.session, self.session.snapshot());
        assert!(!shown.contains(crate::CANARY), "a secret in {shown}");
        self.input(Input::Shutdown);
        self.ticks = TICKS;
        self.wait(WAIT_MAX);
        assert!(self.session.is_stopped(), "a session that is shut down ends");
        assert_eq!(self.accepted, self.settled, "every message has one fate");
        self.reached
    }

    fn conserves(&self) {
        let load = self.session.load();
        let open = (load.queued + load.in_flight) as u64;
        assert_eq!(self.accepted, self.settled + open, "every message is somewhere");
    }
}

fn number(text: &str) -> u16 {
    text.trim().parse().unwrap_or(0)
}

/// 128 bits that are random elsewhere.
const NONCE: u128 = 0x5EED_0123_4567_89AB_CDEF_0246_8ACE_1357;
/// A time of this century.
const START: u64 = 1_790_000_000_000;
/// The most lines of a script that count.
const LINES: usize = 200;
/// The longest wait of one line: an hour.
const WAIT_MAX: u64 = 3_600_000;
/// The most deadlines that one script passes.
const TICKS: u32 = 2_000;
/// How often the session may have something more to do.
const STEPS: usize = 10_000;
