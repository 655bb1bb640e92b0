//! The adapter.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use redial_core::http::HttpResult;
use redial_core::{
    Adapter, Authorize, Cause, Class, Continuity, Cut, Fault, Frame, Handshake, Intent, Io,
    MessageId, Outcome, Path, Policy, Proof, Reason, Secret, Span, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{READ_ONLY, TOO_LONG};
use super::config::{self, Builder, Health};
use super::expiry::{Due, Expiry};
use super::gap::{Gap, Step};
use super::inbound::{self, Echo, Message};
use super::limiter::Limiter;
use super::outgoing::{Command, Outgoing};
use super::policy::{MAX_TEXT, Refusal};
use super::request::Lane;
use crate::Recent;
use crate::net;

/// A guest's Web Messaging session.
///
/// Made by [`WebMessaging::builder`], and driven by a [`Session`](redial_core::Session).
pub struct WebMessaging {
    pub(super) config: Builder,
    pub(super) policy: Policy,
    pub(super) token: Option<Secret>,
    /// Whether no dial has used the token yet.
    pub(super) fresh: bool,
    /// Whether the next configuration begins a new conversation.
    pub(super) start_new: bool,
    /// When it is begun although the end of the old one was not answered.
    pub(super) start_due: Option<Timestamp>,
    pub(super) read_only: bool,
    /// Whether the conversation was cleared on this connection.
    pub(super) cleared: bool,
    /// The number of the last control request.
    pub(super) controls: u64,
    pub(super) limiter: Limiter,
    pub(super) expiry: Expiry,
    pub(super) last_echo: Option<Timestamp>,
    pub(super) echo_due: Option<Timestamp>,
    pub(super) gap: Option<Gap>,
    /// Whether the application knows of a gap that is not closed.
    pub(super) gap_told: bool,
    pub(super) rounds: u32,
    pub(super) recent: Recent,
    /// The messages that are sent without their attributes.
    pub(super) bare: Vec<MessageId>,
}

/// What a later process needs to go on. It holds the session token.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Cursor {
    token: Option<String>,
    recent: Vec<String>,
    start_new: bool,
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("recent", &self.recent.len()).finish_non_exhaustive()
    }
}

impl WebMessaging {
    /// Begins to make an adapter for a region's domain, such as `mypurecloud.com`, and a
    /// deployment.
    pub fn builder(domain: &str, deployment: impl Into<String>) -> Builder {
        Builder::new(domain, deployment.into())
    }

    /// Returns whether the conversation takes no messages.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        self.read_only
    }

    pub(super) fn new(config: Builder, policy: Policy) -> Self {
        let token = config.token.clone();
        let limiter =
            Limiter::new(config.messages_per_second, config.requests_per_minute, config.speed);
        Self {
            config,
            policy,
            fresh: token.is_some(),
            token,
            start_new: false,
            start_due: None,
            read_only: false,
            cleared: false,
            controls: 0,
            limiter,
            expiry: Expiry::default(),
            last_echo: None,
            echo_due: None,
            gap: None,
            gap_told: false,
            rounds: 0,
            recent: Recent::default(),
            bare: Vec::new(),
        }
    }
}

impl Adapter for WebMessaging {
    type Outgoing = Outgoing;
    type Message = Message;
    type Reply = Echo;
    type Command = Command;
    type Step = Step;
    type Cursor = Cursor;

    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn account(&self) -> &str {
        &self.config.deployment
    }

    fn step_name(_step: u8) -> &'static str {
        "history"
    }

    fn refusal_name(code: u16) -> &'static str {
        match code {
            code if code == Refusal::SessionLimit as u16 => "session-limit",
            code if code == Refusal::SignedIn as u16 => "signed-in",
            code if code == Refusal::LoggedOut as u16 => "logged-out",
            code if code == Refusal::Cleared as u16 => "cleared",
            code if code == Refusal::NotConnected as u16 => "not-connected",
            // The vendor has numbers where it has no names.
            400 => "400",
            401 => "401",
            403 => "403",
            404 => "404",
            408 => "408",
            409 => "409",
            429 => "429",
            500 => "500",
            503 => "503",
            4006 => "4006",
            4007 => "4007",
            4013 => "4013",
            4017 => "4017",
            4020 => "4020",
            4029 => "4029",
            _ => "refused",
        }
    }

    /// The client invents its token: it is configuration, or the application's answer.
    fn authorize(&mut self, kind: Authorize, io: &mut Io<'_, Self>) {
        let reason = match kind {
            Authorize::Regenerate { reason, .. } => reason,
            Authorize::Renew => return io.token_ready(None, true),
        };
        let held = self.token.is_some() && (self.fresh || reason == Reason::Start);
        if held {
            return io.token_ready(None, reason == Reason::Start);
        }
        let rejected = self.token.take().filter(|_| reason == Reason::Rejected);
        io.token_needed(rejected);
    }

    fn offer_token(&mut self, token: Secret, io: &mut Io<'_, Self>) -> bool {
        if !config::is_token(&token) {
            io.problem(Fault::Caller, "the session token that was offered is malformed");
            return false;
        }
        self.token = Some(token);
        self.fresh = true;
        self.recent.clear();
        true
    }

    fn secrets(&self, name: &mut dyn FnMut(&str)) {
        if let Some(token) = &self.token {
            name(token.expose());
        }
    }

    fn dial(&mut self, _intent: Intent, out: &mut Handshake) {
        self.fresh = false;
        let scheme = if self.config.plain { "ws" } else { "wss" };
        let host = &self.config.socket_host;
        let (deployment, application) =
            (net::encoded(&self.config.deployment), net::encoded(&self.config.application));
        out.url =
            format!("{scheme}://{host}/v1?deploymentId={deployment}&application={application}");
        if let Some(origin) = &self.config.origin {
            out.headers.push(("origin", origin.to_string()));
        }
    }

    /// Nothing may be sent before the session is configured.
    fn handle_opened(&mut self, io: &mut Io<'_, Self>) {
        self.limiter.renew();
        self.configure(io);
    }

    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
        let bytes = match frame {
            Frame::Text(bytes) => bytes,
            Frame::Binary(_) => return io.problem(Fault::Vendor, "a binary frame"),
            Frame::Ping(_) | Frame::Pong(_) => return,
        };
        match inbound::decode(&bytes) {
            Ok(inbound) => self.handle_inbound(inbound, io),
            Err(text) => io.problem(Fault::Vendor, text),
        }
    }

    fn handle_http(&mut self, step: Step, answer: HttpResult, io: &mut Io<'_, Self>) {
        self.handle_page(step, answer, io);
    }

    fn transmit(
        &mut self,
        id: MessageId,
        message: &Outgoing,
        _tries: u8,
        io: &mut Io<'_, Self>,
    ) -> Path {
        // What the server is known to refuse is not sent.
        if self.read_only {
            io.settle(id, Outcome::Rejected(READ_ONLY));
        } else if message.text_len() > MAX_TEXT {
            io.settle(id, Outcome::Rejected(TOO_LONG));
        } else {
            let wire_id = io.wire_ids().encode(Lane::Message as u8, id.get());
            let bare = message.has_attributes() && self.bare.contains(&id);
            self.write(wire_id, "onMessage", &[("message", &message.message(bare))], io);
            self.limiter.note_message(io.cx.now);
        }
        Path::Socket
    }

    fn class(&self, message: &Outgoing) -> Class {
        let within = self.policy.spec().timeouts.request;
        if message.is_typing() {
            return Class {
                proof: Proof::Written,
                cut: Cut::Report,
                portable: false,
                within,
                // Mobile SDK: the cool-down of typing.
                ttl: Span::from_secs(5).scaled(self.config.speed),
                tries: 1,
            };
        }
        Class {
            proof: Proof::Answer,
            cut: if self.config.resend { Cut::Resend } else { Cut::Report },
            portable: false,
            within,
            ttl: self.config.ttl,
            tries: self.config.retries.saturating_add(1),
        }
    }

    fn weight(&self, message: &Outgoing) -> u32 {
        u32::try_from(message.weight()).unwrap_or(u32::MAX).saturating_add(ENVELOPE)
    }

    fn cursor(&self) -> Cursor {
        Cursor {
            token: self.token.as_ref().map(|token| token.expose().to_string()),
            recent: self.recent.iter().map(String::from).collect(),
            start_new: self.start_new,
        }
    }

    fn restore(&mut self, cursor: Cursor) {
        // A session that had given its token up does not begin with the configured one again.
        self.token = cursor.token.map(Secret::new);
        self.start_new = cursor.start_new;
        for id in &cursor.recent {
            self.recent.insert(id);
        }
    }

    fn handle_closed(&mut self, _cause: Cause, _io: &mut Io<'_, Self>) {
        self.gap = None;
        self.echo_due = None;
        self.start_due = None;
        self.expiry = Expiry::default();
    }

    fn handle_online(&mut self, continuity: Continuity, io: &mut Io<'_, Self>) {
        match continuity {
            Continuity::Resumed => self.open_gap(io),
            Continuity::Fresh => self.gap_told = false,
        }
    }

    fn handle_command(&mut self, command: Command, io: &mut Io<'_, Self>) {
        match command {
            Command::HealthCheck if io.is_online() => self.check_health(io),
            Command::HealthCheck => {}
            Command::StartNew => {
                self.start_new = true;
                if io.is_online() {
                    self.end_conversation(io);
                }
            }
            Command::CloseSession { all } => {
                let all = Value::Bool(all);
                self.write_control(
                    Lane::Close,
                    "closeSession",
                    &[("closeAllConnections", &all)],
                    io,
                );
            }
        }
    }

    fn handle_tick(&mut self, io: &mut Io<'_, Self>) {
        let now = io.cx.now;
        self.limiter.tick(now);
        self.tick_gap(io);
        if self.echo_due.is_some_and(|at| at <= now) {
            self.echo(io);
        }
        if self.start_due.is_some_and(|at| at <= now) {
            self.begin_anew(io);
        }
        match self.expiry.tick(now, self.notice()) {
            Some(Due::Check) => self.check_health(io),
            Some(Due::Notice(at)) => io.message(Message::Expiring { at }),
            None => {}
        }
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let gap = self.gap.as_ref().and_then(Gap::poll_timeout);
        let expiry = self.expiry.poll_timeout(self.notice());
        [self.limiter.until(), self.echo_due, self.start_due, gap, expiry]
            .into_iter()
            .flatten()
            .min()
    }

    fn probe(&mut self, io: &mut Io<'_, Self>) {
        let cool = self.cool_until().is_none_or(|until| until <= io.cx.now);
        match self.config.health {
            Health::Echo if cool => self.echo(io),
            Health::Echo | Health::Ping => io.ping(),
        }
    }

    fn can_transmit(&self) -> bool {
        self.limiter.until().is_none()
    }

    fn close_reason(&self) -> &'static str {
        "The user has closed the connection."
    }
}

impl fmt::Debug for WebMessaging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebMessaging")
            .field("config", &self.config)
            .field("read_only", &self.read_only)
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}

/// What a request has besides its message.
const ENVELOPE: u32 = 128;
