//! The adapter.

use alloc::string::{String, ToString as _};
use core::fmt;

use redial_core::http::HttpResult;
use redial_core::{
    Adapter, Authorize, Cause, Class, ConnId, Continuity, Cut, Fault, Frame, Handshake, Intent, Io,
    MessageId, Path, Policy, Proof, Secret, Timestamp,
};
use serde_json::json;

use crate::Recent;
use crate::config::{Builder, Credentials};
use crate::cursor::{Command, Cursor, Step};
use crate::group::AuthGroup;
use crate::hello::Replay;
use crate::login::{self, Login};
use crate::message::{Message, SubscriptionInfo, Wsc};
use crate::policy::Refusal;
use crate::request::{Request, Response};
use crate::slots::Slots;
use crate::subscription::Desired;
use crate::token::{Making, WsToken};
use crate::{body, net};

/// A session of RingCentral's WebSocket gateway.
///
/// Made by [`RingCentral::builder`], and driven by a [`Session`](redial_core::Session).
pub struct RingCentral {
    pub(crate) config: Builder,
    pub(crate) policy: Policy,
    account: String,
    pub(crate) login: Login,
    pub(crate) making: Making,
    pub(crate) ws: Option<WsToken>,
    /// The access token that was refused last.
    pub(crate) rejected: Option<Secret>,
    /// The access token that a wstoken was asked for with, while there is no answer.
    pub(crate) asked_with: Option<Secret>,
    /// The access token of the request that is under way over HTTPS, so that a late refusal is not
    /// held against a later one.
    pub(crate) sent_with: Option<Secret>,
    pub(crate) wsc: Option<Wsc>,
    /// Whether the context is of an earlier process, so that no hello has confirmed it.
    pub(crate) imported: bool,
    /// Whether the connection presents the context.
    pub(crate) asked: bool,
    /// Whether the connection has had its hello.
    pub(crate) greeted: bool,
    pub(crate) conn: Option<ConnId>,
    /// The connection that was lost, until there is another one.
    pub(crate) lost: Option<Lost>,
    /// Whether a context was given up without a connection that would have presented it.
    pub(crate) abandoned: bool,
    pub(crate) replay: Option<Replay>,
    /// A recovery that has failed and is told once the subscription exists again.
    pub(crate) recovery_failed: Option<(Option<Lost>, Option<String>)>,
    pub(crate) desired: Desired,
    pub(crate) slots: Slots,
    pub(crate) recent: Recent,
    pub(crate) ignored: u64,
    heartbeats: u64,
    /// When the peer was last heard.
    heard: Timestamp,
}

/// A connection that was lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    pub(crate) at: Timestamp,
    pub(crate) cause: Cause,
}

impl RingCentral {
    /// Begins to make an adapter for an application and one of its users.
    pub fn builder(
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
        credentials: Credentials,
    ) -> Builder {
        Builder::new(client_id.into(), client_secret.into(), credentials)
    }

    /// Returns the refresh token that is good now, to be kept for a later process.
    #[must_use]
    pub const fn refresh_token(&self) -> Option<&Secret> {
        self.login.refresh_token()
    }

    /// Returns the access token that is there.
    #[must_use]
    pub fn access_token(&self) -> Option<&Secret> {
        self.login.access()
    }

    /// Returns the context token that the next connection presents.
    #[must_use]
    pub const fn wsc(&self) -> Option<&Wsc> {
        self.wsc.as_ref()
    }

    /// Returns the subscription that there is.
    #[must_use]
    pub const fn subscription(&self) -> Option<&SubscriptionInfo> {
        self.desired.info.as_ref()
    }

    /// Returns how many frames belonged to no request and to no subscription of this session.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    pub(crate) fn new(mut config: Builder, policy: Policy) -> Self {
        let login = Login::new(config.credentials.clone());
        config.group.get_or_insert_default();
        let mut desired = Desired::default();
        if let Some((filters, restore)) = config.subscribe.take() {
            desired.subscribe(filters, restore);
        }
        let imported = config.wsc_token.take();
        let wsc = imported.map(|token| Wsc { token: token.expose().to_string(), sequence: 0 });
        let own = config.account.as_deref().unwrap_or(&config.client.id);
        let account = alloc::format!("{} {own}", config.client.server);
        Self {
            imported: wsc.is_some(),
            config,
            policy,
            account,
            login,
            making: Making::default(),
            ws: None,
            rejected: None,
            asked_with: None,
            sent_with: None,
            wsc,
            asked: false,
            greeted: false,
            conn: None,
            lost: None,
            abandoned: false,
            replay: None,
            recovery_failed: None,
            desired,
            slots: Slots::new(),
            recent: Recent::default(),
            ignored: 0,
            heartbeats: 0,
            heard: Timestamp::ZERO,
        }
    }

    pub(crate) fn group(&self) -> AuthGroup {
        self.config.group.clone().unwrap_or_default()
    }

    pub(crate) fn forget_context(&mut self) {
        self.abandoned |= self.wsc.take().is_some();
        self.imported = false;
    }
}

impl Adapter for RingCentral {
    type Outgoing = Request;
    type Message = Message;
    type Reply = Response;
    type Command = Command;
    type Step = Step;
    type Cursor = Cursor;

    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn account(&self) -> &str {
        &self.account
    }

    fn step_name(step: u8) -> &'static str {
        login::step_name(step)
    }

    fn refusal_name(code: u16) -> &'static str {
        Refusal::name_of(code)
    }

    fn authorize(&mut self, kind: Authorize, io: &mut Io<'_, Self>) {
        match kind {
            Authorize::Regenerate { cause, .. } => self.begin_token(cause, io),
            // Never asked for: the builder lets no policy renew.
            Authorize::Renew => io.token_ready(None, true),
        }
    }

    fn offer_token(&mut self, token: Secret, io: &mut Io<'_, Self>) -> bool {
        if !net::is_credential(token.expose()) {
            io.problem(Fault::Caller, "the access token that was offered is malformed");
            if self.login.asks_application() {
                self.fail_token(Cause::Refused(Refusal::TokenMalformed as u16), None, io);
            } else {
                // It is not what is awaited: what is under way goes on.
                self.making.answered = self.making.wanted;
            }
            return false;
        }
        self.making.answered = self.making.wanted;
        // Until there is another one, whoever is asked is told which one is dead.
        self.rejected.take_if(|rejected| *rejected != token);
        self.login.offer(token);
        self.making.given = None;
        false
    }

    fn handle_dial(&mut self, conn: ConnId) {
        self.conn = Some(conn);
        self.greeted = false;
    }

    fn secrets(&self, name: &mut dyn FnMut(&str)) {
        self.login.secrets(name);
        if let Some(ws) = &self.ws {
            name(ws.secret());
        }
        if let Some(wsc) = &self.wsc {
            name(&wsc.token);
        }
    }

    fn dial(&mut self, intent: Intent, out: &mut Handshake) {
        self.write_handshake(intent, out);
    }

    /// Nothing may be sent before the hello. The wstoken is spent.
    fn handle_opened(&mut self, _io: &mut Io<'_, Self>) {
        self.ws = None;
    }

    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
        self.heard = io.cx.now;
        match frame {
            Frame::Text(bytes) => self.handle_text(&bytes, io),
            Frame::Binary(_) => io.problem(Fault::Vendor, "a binary frame"),
            Frame::Ping(_) | Frame::Pong(_) => {}
        }
    }

    fn handle_http(&mut self, step: Step, answer: HttpResult, io: &mut Io<'_, Self>) {
        match step {
            Step::Oauth => self.handle_oauth(answer, io),
            Step::WsToken => self.handle_wstoken(answer, io),
            Step::Rest { id, tries } => self.handle_rest(id, tries, answer, io),
        }
    }

    fn transmit(
        &mut self,
        id: MessageId,
        message: &Request,
        tries: u8,
        io: &mut Io<'_, Self>,
    ) -> Path {
        self.write(id, message, tries, io)
    }

    fn class(&self, _message: &Request) -> Class {
        Class {
            proof: Proof::Answer,
            // What may have been carried out is not sent again: that is the application's decision.
            cut: Cut::Report,
            portable: false,
            within: self.policy.spec().timeouts.request,
            ttl: self.config.ttl,
            // Once more where the access token was refused.
            tries: 2,
        }
    }

    fn weight(&self, message: &Request) -> u32 {
        u32::try_from(message.weight()).unwrap_or(u32::MAX).saturating_add(ENVELOPE)
    }

    fn cursor(&self) -> Cursor {
        self.save()
    }

    fn restore(&mut self, cursor: Cursor) {
        self.load(cursor);
    }

    fn handle_closed(&mut self, cause: Cause, io: &mut Io<'_, Self>) {
        if self.greeted && self.lost.is_none() {
            // What a peer that has fallen silent sent since is lost too.
            let silent = matches!(cause, Cause::Timeout(_));
            let at = if silent { self.heard } else { io.cx.now };
            self.lost = Some(Lost { at, cause });
        } else if let Some(message) = self.recovery_error(cause) {
            io.message(message);
        }
        self.greeted = false;
        self.asked = false;
        self.replay = None;
        self.making.given = None;
        self.desired.lose_connection();
        self.slots.clear();
    }

    fn handle_online(&mut self, continuity: Continuity, io: &mut Io<'_, Self>) {
        self.resubscribe(continuity, io);
    }

    fn handle_command(&mut self, command: Command, io: &mut Io<'_, Self>) {
        match command {
            Command::Subscribe { filters, restore } => self.desired.subscribe(filters, restore),
            Command::Revoke => self.desired.revoke(),
        }
        self.advance_subscription(io);
    }

    fn handle_tick(&mut self, io: &mut Io<'_, Self>) {
        if self.making.due.is_some_and(|at| at <= io.cx.now) {
            self.making.due = None;
            self.advance_token(io);
        }
        // What waits is sent with what there is, and refused.
        self.making.given.take_if(|until| *until <= io.cx.now);
        self.slots.tick(io.cx.now);
        self.tick_subscription(io);
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let running = self.desired.running.map(|running| running.due);
        let timers = [self.making.due, self.making.given, running, self.desired.again];
        timers.into_iter().chain([self.slots.poll_timeout()]).flatten().min()
    }

    /// Pings are no traffic to the gateway; a heartbeat is.
    fn probe(&mut self, io: &mut Io<'_, Self>) {
        self.heartbeats = self.heartbeats.wrapping_add(1);
        let id = io.wire_ids().encode(Lane::Heartbeat as u8, self.heartbeats);
        let meta = json!({ "type": "Heartbeat", "messageId": id.as_str() });
        io.text(|out| body::write_frame(out, &meta, None));
    }

    fn handle_pong(&mut self, _io: &mut Io<'_, Self>) {}

    fn can_transmit(&self) -> bool {
        // While the access token is renewed, whatever wants it waits.
        let renewing = self.making.oauth || self.making.given.is_some();
        !renewing && self.slots.has_room(self.desired.is_due())
    }
}

impl fmt::Debug for RingCentral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingCentral")
            .field("config", &self.config)
            .field("login", &self.login)
            .field("wsc", &self.wsc)
            .field("desired", &self.desired)
            .finish_non_exhaustive()
    }
}

/// Whose answer an id on the wire asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Lane {
    Message = 1,
    Subscription = 2,
    Heartbeat = 3,
}

impl Lane {
    pub(crate) const fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Message,
            2 => Self::Subscription,
            3 => Self::Heartbeat,
            _ => return None,
        })
    }
}

/// What a request has besides what the application gives.
const ENVELOPE: u32 = 160;
