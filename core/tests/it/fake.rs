//! A vendor that does what a test tells it, and the loop around its session.

use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResponse, HttpResult, Method, NoAnswer};
use redial_core::{
    Adapter, Authorize, Backoff, Cause, Class, ConnId, Continuity, Cut, Cx, Effect, Fault, Frame,
    Handshake, HttpId, Input, Intent, Io, Item, Keepalive, MessageId, Notice, Outcome, Path,
    Policy, PolicySpec, Proof, Recovery, Resume, Rule, Rules, Secret, Session, Span, Timestamp,
    Transmit, Verdict,
};

/// One second between attempts, no probes; 4000 stops, 4401 wants a new token.
pub(crate) const POLICY: Policy = Policy::new(PolicySpec {
    rules: Rules::new(&[
        Rule::close(4000, Verdict::Stop),
        Rule::close(4401, Verdict::Retry(Recovery::REGENERATE)),
        Rule::refused(1, Verdict::Stop),
    ]),
    backoff: Backoff::fixed(Span::from_secs(1)),
    keepalive: Keepalive::Off,
    resume: Resume::Always,
    ..PolicySpec::DEFAULT
});

/// The vendor. Its frames are words.
pub(crate) struct Fake {
    policy: Policy,
    /// How a token is made.
    pub(crate) tokens: Tokens,
    pub(crate) causes: Vec<Option<Cause>>,
    pub(crate) closed: Vec<Cause>,
    pub(crate) dialled: Vec<ConnId>,
    /// What it says of every loss.
    pub(crate) last_word: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tokens {
    AtOnce,
    ByHttp,
    ByApplication {
        offered: bool,
    },
    /// The application is asked, and the token that is there will do.
    Kept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Token,
    Side,
    Send(MessageId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Out {
    pub(crate) class: Class,
    pub(crate) path: Path,
}

/// A message whose answer proves it, written again after a cut.
pub(crate) const RESENT: Out = Out {
    class: Class {
        proof: Proof::Answer,
        cut: Cut::Resend,
        portable: false,
        within: Span::from_secs(10),
        ttl: Span::from_secs(60),
        tries: 3,
    },
    path: Path::Socket,
};
/// A message whose fate is told at once when the connection is cut.
pub(crate) const REPORTED: Out =
    Out { class: Class { cut: Cut::Report, ..RESENT.class }, path: Path::Socket };
pub(crate) const OVER_HTTP: Out = Out { class: RESENT.class, path: Path::Http };

impl Fake {
    pub(crate) fn new(tokens: Tokens) -> Self {
        Self {
            policy: POLICY,
            tokens,
            causes: Vec::new(),
            closed: Vec::new(),
            dialled: Vec::new(),
            last_word: None,
        }
    }
}

impl Adapter for Fake {
    type Outgoing = Out;
    type Message = String;
    type Reply = String;
    type Command = &'static str;
    type Step = Step;
    type Cursor = usize;

    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn account(&self) -> &str {
        "fake"
    }

    fn step_name(_step: u8) -> &'static str {
        "fake"
    }

    fn authorize(&mut self, kind: Authorize, io: &mut Io<'_, Self>) {
        if let Authorize::Regenerate { cause, .. } = kind {
            self.causes.push(cause);
        }
        match self.tokens {
            Tokens::AtOnce => io.token_ready(None, true),
            Tokens::ByApplication { offered: true } => {
                self.tokens = Tokens::ByApplication { offered: false };
                io.token_ready(None, true);
            }
            Tokens::ByHttp => io.http(Step::Token, Span::from_secs(5), get("token")),
            Tokens::ByApplication { offered: false } | Tokens::Kept => {
                io.token_needed(Some(Secret::new("old")));
            }
        }
    }

    fn offer_token(&mut self, token: Secret, io: &mut Io<'_, Self>) -> bool {
        if token.expose().is_empty() {
            io.token_failed(Cause::Refused(2), None);
            return false;
        }
        self.tokens = Tokens::ByApplication { offered: true };
        true
    }

    fn keep_token(&mut self) -> bool {
        matches!(self.tokens, Tokens::Kept)
    }

    fn handle_dial(&mut self, conn: ConnId) {
        self.dialled.push(conn);
    }

    fn dial(&mut self, _intent: Intent, out: &mut Handshake) {
        out.url = "ws://fake".into();
    }

    fn handle_opened(&mut self, io: &mut Io<'_, Self>) {
        io.text(|out| out.extend_from_slice(b"hello"));
    }

    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
        let Frame::Text(bytes) = frame else {
            io.problem(Fault::Vendor, "binary");
            return;
        };
        let text = std::str::from_utf8(&bytes).expect("text");
        for sentence in text.split(';') {
            say(sentence, io);
        }
    }

    fn handle_http(&mut self, step: Step, answer: HttpResult, io: &mut Io<'_, Self>) {
        match (step, answer) {
            (Step::Token, Ok(answer)) if answer.status == 200 => io.token_ready(None, true),
            (Step::Token, Ok(answer)) => {
                let cause = Cause::Http { step: 0, status: answer.status };
                io.token_failed(cause, answer.retry_after);
            }
            (Step::Token, Err(NoAnswer::Network | NoAnswer::Unreached)) => {
                io.token_failed(Cause::Network, None)
            }
            (Step::Token, Err(NoAnswer::Timeout)) => {
                io.token_failed(Cause::Timeout(redial_core::Wait::Token), None);
            }
            (Step::Side, answer) => io.message(format!("side {}", answer.is_ok())),
            (Step::Send(id), Ok(answer)) => match answer.status {
                200 => io.reply(id, Outcome::Acked, "done".into()),
                401 => {
                    io.token_rejected();
                    io.settle(id, Outcome::AfterToken);
                }
                429 => io.settle(id, Outcome::Retry { after: answer.retry_after }),
                status => io.settle(id, Outcome::Rejected(status)),
            },
            (Step::Send(id), Err(_)) => io.settle(id, Outcome::Retry { after: None }),
        }
    }

    fn transmit(&mut self, id: MessageId, out: &Out, tries: u8, io: &mut Io<'_, Self>) -> Path {
        let wire = io.wire_ids().encode(0, id.get());
        match out.path {
            Path::Socket => {
                let text = format!("{} {tries} {}", id.get(), wire.as_str());
                io.text(|out| out.extend_from_slice(text.as_bytes()));
            }
            Path::Http => io.http(Step::Send(id), Span::from_secs(5), get("send")),
        }
        out.path
    }

    fn class(&self, message: &Out) -> Class {
        message.class
    }

    fn weight(&self, _message: &Out) -> u32 {
        10
    }

    fn cursor(&self) -> usize {
        self.closed.len()
    }

    fn restore(&mut self, _cursor: usize) {}

    fn handle_closed(&mut self, cause: Cause, io: &mut Io<'_, Self>) {
        self.closed.push(cause);
        if let Some(word) = self.last_word {
            assert_eq!(io.conn(), None, "there is nobody to say it to");
            say(word, io);
        }
    }

    fn secrets(&self, name: &mut dyn FnMut(&str)) {
        name(SECRET);
    }

    fn handle_command(&mut self, command: &'static str, io: &mut Io<'_, Self>) {
        say(command, io);
    }
}

/// Does what a word of the server, or of the test, says.
fn say(sentence: &str, io: &mut Io<'_, Fake>) {
    let (word, number) = sentence.split_once(' ').unwrap_or((sentence, "0"));
    let number: u64 = number.parse().unwrap_or(0);
    let span = Span::saturating_from_millis(number);
    match word {
        "ready" => io.ready(Continuity::Fresh),
        "resumed" => io.ready(Continuity::Resumed),
        "ack" => io.reply(MessageId::new(number), Outcome::Acked, "done".into()),
        "reject" => io.settle(MessageId::new(number), Outcome::Rejected(7)),
        "refused" => io.refused(number as u16, None),
        "throttled" => io.throttled(span),
        "window" => io.window(number as u16),
        "text" => io.text(|out| out.extend_from_slice(b"text")),
        "needed" => io.token_needed(Some(Secret::new("old"))),
        "lasting" => io.session_http(Step::Side, Span::from_secs(5), get("side")),
        "side" => io.http(Step::Side, Span::from_secs(5), get("side")),
        _ => io.message(sentence.into()),
    }
}

fn get(what: &str) -> HttpRequest {
    let url = format!("http://fake/{what}");
    HttpRequest { method: Method::Get, url, headers: Vec::new(), body: Bytes::new() }
}

/// A session, its time, and what came out.
pub(crate) struct Loop {
    pub(crate) session: Session<Fake>,
    pub(crate) now: u64,
    pub(crate) conn: ConnId,
    pub(crate) http: Vec<HttpId>,
    /// Everything that came out, in words.
    pub(crate) out: Vec<String>,
}

impl Loop {
    pub(crate) fn new(tokens: Tokens) -> Self {
        Self::with(Session::new(Fake::new(tokens), NONCE))
    }

    pub(crate) fn with(session: Session<Fake>) -> Self {
        Self { session, now: 0, conn: ConnId::new(0), http: Vec::new(), out: Vec::new() }
    }

    /// A session that is online.
    pub(crate) fn online() -> Self {
        let mut it = Self::new(Tokens::AtOnce);
        it.input(Input::Connect);
        it.open();
        it.frame("ready");
        it.out.clear();
        it
    }

    pub(crate) fn cx(&self) -> Cx {
        Cx::new(Timestamp::from_millis(self.now), 0)
    }

    pub(crate) fn input(&mut self, input: Input<Fake>) {
        let cx = self.cx();
        self.session.handle(cx, input);
        self.pump();
    }

    /// Takes in without letting anything out.
    pub(crate) fn quietly(&mut self, input: Input<Fake>) {
        let cx = self.cx();
        self.session.handle(cx, input);
    }

    pub(crate) fn send(&mut self, out: Out) -> MessageId {
        let cx = self.cx();
        let id = self.session.send(cx, out).expect("room");
        self.pump();
        id
    }

    pub(crate) fn open(&mut self) {
        let conn = self.conn;
        self.input(Input::Dialing { conn });
        self.input(Input::Opened { conn });
    }

    pub(crate) fn frame_of(&self, text: &str) -> Input<Fake> {
        let frame = Frame::Text(Bytes::copy_from_slice(text.as_bytes()));
        Input::Frame { conn: self.conn, frame }
    }

    pub(crate) fn frame(&mut self, text: &str) {
        self.input(self.frame_of(text));
    }

    pub(crate) fn lose(&mut self, cause: Cause) {
        self.input(Input::Closed { conn: self.conn, cause, retry_after: None });
    }

    pub(crate) fn answer(&mut self, status: u16, retry_after: Option<Span>) {
        let id = self.http.remove(0);
        let body = Bytes::new();
        let answer = HttpResponse { status, headers: Vec::new(), body, retry_after };
        self.input(Input::Http { id, answer: Ok(answer) });
    }

    pub(crate) fn run_until(&mut self, at: u64) {
        while let Some(due) = self.session.poll_timeout().map(Timestamp::as_millis)
            && due <= at
        {
            self.now = self.now.max(due);
            self.input(Input::Tick);
        }
        self.now = at;
    }

    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out)
    }

    pub(crate) fn pump(&mut self) {
        let cx = self.cx();
        loop {
            let before = self.out.len();
            while let Some(effect) = self.session.poll_effect() {
                let word = match effect {
                    Effect::Dial { conn, .. } => {
                        self.conn = conn;
                        format!("dial {conn}")
                    }
                    Effect::Drop { conn, code } => format!("drop {conn} {code:?}"),
                    Effect::Http { id, request } => {
                        self.http.push(id);
                        let what = request.url.rsplit('/').next().unwrap_or_default().to_owned();
                        format!("http {what}")
                    }
                    Effect::Abort { id } => {
                        self.http.retain(|known| *known != id);
                        "abort".into()
                    }
                };
                self.out.push(word);
            }
            while let Some(transmit) = self.session.poll_transmit(cx) {
                self.out.push(match transmit {
                    Transmit::Frame(Frame::Text(bytes)) => {
                        let text = std::str::from_utf8(&bytes).expect("text");
                        let words: Vec<_> = text.split(' ').take(2).collect();
                        format!("> {}", words.join(" "))
                    }
                    Transmit::Frame(frame) => format!("> {frame:?}"),
                    Transmit::Close { code } => format!("> close {code}"),
                });
            }
            while let Some(item) = self.session.poll_item() {
                self.out.push(word(item));
            }
            // A message that goes over HTTP leaves by the other door.
            if self.out.len() == before && !self.session.has_effects() {
                return;
            }
        }
    }
}

fn word(item: Item<Fake>) -> String {
    match item {
        Item::Notice(notice) => match notice {
            Notice::Authorizing { reason, .. } => format!("authorizing {reason:?}"),
            Notice::Token { .. } => "token".into(),
            Notice::TokenFailed { cause, .. } => format!("token failed {cause:?}"),
            Notice::Connecting { intent, .. } => format!("connecting {intent:?}"),
            Notice::Online { continuity, .. } => format!("online {continuity:?}"),
            Notice::Offline { cause, .. } => format!("offline {cause:?}"),
            Notice::RetryScheduled { delay, .. } => format!("retry in {delay:?}"),
            Notice::Stopped { .. } => "stopped".into(),
            other => format!("{other:?}"),
        },
        Item::Message(message) => format!("message {message}"),
        Item::Reply { id, reply } => format!("reply {id} {reply}"),
        Item::Fate(settled) => format!("fate {} {:?}", settled.id, settled.fate),
        Item::TokenNeeded { rejected, reason, cause, .. } => {
            format!("token needed {} {reason:?} {cause:?}", rejected.is_some())
        }
        other => format!("{other:?}"),
    }
}

/// What the peer knows and nobody else is to see.
pub(crate) const SECRET: &str = "a-token-of-the-session";
/// From a test's source of randomness.
pub(crate) const NONCE: u128 = 0x0123_4567_89AB_CDEF_0F1E_2D3C_4B5A_6978;
