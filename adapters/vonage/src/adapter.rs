//! The adapter.

use alloc::format;
use alloc::string::{String, ToString as _};
use core::fmt;

use redial_core::http::HttpResult;
use redial_core::{
    Adapter, Authorize, Cause, Class, Cut, Fault, Frame, Handshake, Intent, Io, MessageId, Path,
    Policy, Proof, Secret, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::config::{Builder, Generation};
use crate::live::{Live, Stage};
use crate::message::{Message, Reply};
use crate::net::{Base, encoded};
use crate::outgoing::{Command, Kind, Outgoing};
use crate::policy::Refusal;
use crate::renewal::Renewal;
use crate::seen::Seen;
use crate::tokens::Tokens;

/// A user's session.
///
/// Made by [`Vonage::builder`], and driven by a [`Session`](redial_core::Session).
pub struct Vonage {
    pub(crate) config: Builder,
    pub(crate) policy: Policy,
    pub(crate) url: Base,
    pub(crate) api: Base,
    pub(crate) tokens: Tokens,
    pub(crate) renewal: Renewal,
    /// The session that the next dial asks for.
    pub(crate) session: Option<String>,
    /// The session that was there last, whether it is asked for or not.
    pub(crate) last: Option<String>,
    /// Whether the dial that is under way, or was last, has asked for a session.
    pub(crate) asked: bool,
    pub(crate) strikes: Strikes,
    /// Whether the application has asked for the end of the session.
    pub(crate) logging_out: bool,
    pub(crate) live: Option<Live>,
    pub(crate) seen: Seen,
}

/// Which refusals have come since the server last took a token. The second of a kind is the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strikes {
    pub(crate) expired: bool,
    pub(crate) invalid: bool,
    pub(crate) namespace: bool,
}

/// A step of the adapter's HTTP exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The server is told of another token.
    Update {
        /// Which time this is.
        number: u64,
    },
}

impl Step {
    /// The number of the step in a [`Cause::Http`].
    pub const UPDATE: u8 = 0;
}

/// What a later process needs to go on. It holds the session's id and the token.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Cursor {
    session: Option<String>,
    token: Option<String>,
    seen: Seen,
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").finish_non_exhaustive()
    }
}

impl Vonage {
    /// Begins to make an adapter for one generation of the wire.
    pub fn builder(generation: Generation) -> Builder {
        Builder::new(generation)
    }

    /// Returns the id of the session that there is, or that the next connection asks for.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.session.as_deref()
    }

    pub(crate) fn new(config: Builder, policy: Policy, url: Base, api: Base) -> Self {
        Self {
            tokens: Tokens::new(config.token.clone()),
            config,
            policy,
            url,
            api,
            renewal: Renewal::default(),
            session: None,
            last: None,
            asked: false,
            strikes: Strikes::default(),
            logging_out: false,
            live: None,
            seen: Seen::default(),
        }
    }

    /// Returns the address of the upgrade, without what every Socket.IO address ends with.
    fn query(&self, token: &str) -> String {
        let config = &self.config;
        match (&self.session, config.generation) {
            (Some(session), _) => {
                format!("session_id={}&token={}&", encoded(session), encoded(token))
            }
            (None, Generation::V1) => String::new(),
            (None, Generation::V2) => format!(
                "token={}&SDK_version={}&session_version={}&acknowledge_events=true&OS_family={}&OS_revision={}&",
                encoded(token),
                encoded(&config.sdk_version),
                encoded(&config.session_version),
                encoded(&config.os_family),
                encoded(&config.os_revision),
            ),
        }
    }
}

impl Adapter for Vonage {
    type Outgoing = Outgoing;
    type Message = Message;
    type Reply = Reply;
    type Command = Command;
    type Step = Step;
    type Cursor = Cursor;

    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn account(&self) -> &str {
        self.url.host()
    }

    fn step_name(_step: u8) -> &'static str {
        "update"
    }

    fn refusal_name(code: u16) -> &'static str {
        Refusal::named(code)
    }

    fn authorize(&mut self, kind: Authorize, io: &mut Io<'_, Self>) {
        self.supply(kind, io);
    }

    /// A token is never a reason to dial by itself: it takes its place in what is done anyway.
    fn offer_token(&mut self, token: Secret, io: &mut Io<'_, Self>) -> bool {
        if let Err(complaint) = self.tokens.offer(token) {
            io.problem(Fault::Caller, complaint);
        }
        false
    }

    fn secrets(&self, name: &mut dyn FnMut(&str)) {
        let told = self.renewal.update_token();
        for token in [self.tokens.held(), self.tokens.offered(), told].into_iter().flatten() {
            name(token.expose());
        }
    }

    fn dial(&mut self, intent: Intent, out: &mut Handshake) {
        match intent {
            Intent::Resume => {}
            Intent::Restart => self.session = None,
        }
        self.asked = self.session.is_some();
        let token = self.tokens.present().map_or("", Secret::expose).to_string();
        let end = self.config.generation.socketio().query();
        out.url = format!("{}{}?{}{end}", self.url.ws(), self.config.path, self.query(&token));
    }

    /// The server speaks first.
    fn handle_opened(&mut self, io: &mut Io<'_, Self>) {
        // The connection was lost before the answer, and what was asked for holds.
        if self.logging_out {
            return self.refuse(Refusal::OwnLogout, io);
        }
        self.live = Some(Live::new(self.config.generation));
        self.flush(io);
    }

    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
        self.receive(&frame, io);
    }

    fn handle_http(&mut self, step: Step, answer: HttpResult, io: &mut Io<'_, Self>) {
        match step {
            Step::Update { number } => self.handle_put(number, answer, io),
        }
    }

    fn transmit(
        &mut self,
        id: MessageId,
        message: &Outgoing,
        _tries: u8,
        io: &mut Io<'_, Self>,
    ) -> Path {
        self.send(id, message, io);
        Path::Socket
    }

    fn class(&self, message: &Outgoing) -> Class {
        Class {
            proof: match message.kind() {
                Kind::Reply | Kind::Either => Proof::Answer,
                Kind::Written => Proof::Written,
            },
            cut: if self.config.resend { Cut::Resend } else { Cut::Report },
            portable: false,
            within: self.policy.spec().timeouts.request,
            ttl: self.config.ttl,
            tries: self.config.retries.saturating_add(1),
        }
    }

    fn weight(&self, message: &Outgoing) -> u32 {
        u32::try_from(message.weight()).unwrap_or(u32::MAX).saturating_add(ENVELOPE)
    }

    fn cursor(&self) -> Cursor {
        Cursor {
            session: self.session.clone(),
            token: self.tokens.saved().map(|token| token.expose().to_string()),
            seen: self.seen.clone(),
        }
    }

    fn restore(&mut self, cursor: Cursor) {
        self.last.clone_from(&cursor.session);
        self.session = cursor.session;
        self.seen = cursor.seen;
        if let Some(token) = cursor.token {
            self.tokens = Tokens::new(Some(Secret::new(token)));
        }
    }

    fn handle_closed(&mut self, _cause: Cause, _io: &mut Io<'_, Self>) {
        self.live = None;
        self.renewal.forget();
        self.tokens.unbind();
    }

    fn handle_command(&mut self, command: Command, io: &mut Io<'_, Self>) {
        match command {
            Command::Logout => self.log_out(io),
        }
    }

    fn handle_tick(&mut self, io: &mut Io<'_, Self>) {
        self.tick_renewal(io);
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let online = match self.live.as_ref().map(|live| live.stage) {
            Some(Stage::Online) => self.renewal.poll_timeout(self.tokens.offered().is_some()),
            Some(Stage::Joining | Stage::Starting { .. } | Stage::Leaving) | None => None,
        };
        online.into_iter().chain(self.renewal.ask_at()).min()
    }

    fn probe(&mut self, io: &mut Io<'_, Self>) {
        self.ping(io);
    }

    fn farewell(&mut self, io: &mut Io<'_, Self>) {
        self.say_goodbye(io);
    }
}

impl fmt::Debug for Vonage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vonage").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What an event has besides its name and its body.
const ENVELOPE: u32 = 96;
