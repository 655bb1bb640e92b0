//! The adapter.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::BytesMut;
use redial_core::http::HttpResult;
use redial_core::{
    Adapter, Authorize, Cause, Class, Continuity, Cut, Fault, Frame, Handshake, Intent, Io,
    MessageId, Path, Policy, Proof, Reason, Secret, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::config::{self, Builder, Credentials, SocketAuth};
use super::explain;
use super::message::{self, Inbound, Message, Receipt, Text};
use super::policy::Refusal;
use super::session::Guest;
use crate::Recent;
use crate::net;

/// A guest's chat.
///
/// Made by [`GuestChat::builder`], and driven by a [`Session`](redial_core::Session).
pub struct GuestChat {
    pub(super) config: Builder,
    pub(super) policy: Policy,
    pub(super) oauth: Option<Secret>,
    /// A guest session that the application gave and nobody has used yet.
    pub(super) offered: Option<Guest>,
    /// Whether guest creation was refused since it last succeeded.
    pub(super) refused: bool,
    pub(super) guest: Option<Guest>,
    /// The number of the guest session, so that a late answer is not held against a later one.
    pub(super) generation: u32,
    /// Whether a REST call found the guest session dead while no connection could be told.
    pub(super) dead: bool,
    /// Whether the vendor has shown that it takes this guest: an open socket alone does not.
    pub(super) taken: bool,
    /// When the socket was opened last.
    pub(super) opened: Timestamp,
    /// How many guests in a row were refused by a close frame before they were taken.
    pub(super) refusals: u8,
    /// The instance that was online last.
    pub(super) instance: Option<String>,
    pub(super) recent: Recent,
    pub(super) ignored: u64,
}

/// A step of the adapter's HTTP exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Guest creation.
    Guest,
    /// A message by REST.
    Message {
        /// The message.
        id: MessageId,
        /// How often it was written before.
        tries: u8,
        /// The number of the guest session.
        guest: u32,
    },
}

impl Step {
    /// The number of guest creation in a [`Cause::Http`](redial_core::Cause::Http).
    pub const GUEST: u8 = 0;
}

/// What a later process needs to go on. It holds the guest token.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Cursor {
    guest: Option<Guest>,
    instance: Option<String>,
    recent: Vec<String>,
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("guest", &self.guest).finish_non_exhaustive()
    }
}

impl GuestChat {
    /// Begins to make an adapter for an organisation's host, such as `your-org.mypurecloud.com`.
    pub fn builder(org: impl Into<String>, credentials: Credentials) -> Builder {
        Builder::new(org.into(), credentials)
    }

    /// Returns how many acknowledgments belonged to no message of this session.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Returns the instance of the guest session that there is.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.guest.as_ref().map(|guest| guest.instance.as_str())
    }

    pub(super) fn new(config: Builder, policy: Policy) -> Self {
        let oauth = match &config.credentials {
            Credentials::OAuth(token) => Some(token.clone()),
            Credentials::ApiKey(_) | Credentials::Ask | Credentials::Backend => None,
        };
        Self {
            config,
            policy,
            oauth,
            offered: None,
            refused: false,
            guest: None,
            generation: 0,
            dead: false,
            taken: false,
            opened: Timestamp::ZERO,
            refusals: 0,
            instance: None,
            recent: Recent::default(),
            ignored: 0,
        }
    }
}

impl Adapter for GuestChat {
    type Outgoing = Text;
    type Message = Message;
    type Reply = Receipt;
    type Command = core::convert::Infallible;
    type Step = Step;
    type Cursor = Cursor;

    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn account(&self) -> &str {
        &self.config.org
    }

    fn step_name(step: u8) -> &'static str {
        match step {
            Step::GUEST => "guests",
            _ => "messages",
        }
    }

    fn refusal_name(code: u16) -> &'static str {
        match code {
            code if code == Refusal::OauthExpired as u16 => "oauth-expired",
            code if code == Refusal::TokenMalformed as u16 => "token-malformed",
            code if code == Refusal::GuestRejected as u16 => "guest-rejected",
            code if code == Refusal::GuestRejectedAgain as u16 => "guest-rejected-again",
            _ => "refused",
        }
    }

    fn authorize(&mut self, kind: Authorize, io: &mut Io<'_, Self>) {
        let reason = match kind {
            Authorize::Regenerate { reason, .. } => reason,
            // The policy of this crate renews nothing; one that does gets what there is.
            Authorize::Renew => return self.supply(true, io),
        };
        let now = io.cx.now;
        let margin = self.policy.spec().token.renew.margin();
        // A restored session begins with the guest that the process before it had.
        let cached = self
            .guest
            .as_ref()
            .is_some_and(|guest| guest.life(now).is_none_or(|life| life > margin));
        if cached && !self.dead && reason == Reason::Start {
            return self.supply(true, io);
        }
        self.guest = None;
        self.create(io);
    }

    fn offer_token(&mut self, token: Secret, io: &mut Io<'_, Self>) -> bool {
        let taken = if self.config.credentials == Credentials::Backend {
            let guest = Guest::parse(token.expose().as_bytes(), io.cx.now);
            guest.map(|guest| self.offered = Some(guest))
        } else {
            config::is_oauth(&token).then(|| self.oauth = Some(token))
        };
        if taken.is_none() {
            io.problem(Fault::Caller, explain::MALFORMED);
            io.token_failed(Cause::Refused(Refusal::TokenMalformed as u16), None);
        }
        false
    }

    fn secrets(&self, name: &mut dyn FnMut(&str)) {
        if let Some(guest) = &self.guest {
            name(&guest.token);
        }
        if let Some(oauth) = &self.oauth {
            name(oauth.expose());
        }
        if let Credentials::ApiKey(key) = &self.config.credentials {
            name(key.expose());
        }
    }

    fn dial(&mut self, _intent: Intent, out: &mut Handshake) {
        let Some(guest) = &self.guest else { return };
        out.url = self.config.socket(guest);
        match self.config.socket_auth {
            SocketAuth::Header => {
                out.headers.push(("authorization", format!("Bearer {}", guest.token)));
            }
            SocketAuth::Query(name) => {
                out.url.push_str(&format!(
                    "?{}={}",
                    net::encoded(name),
                    net::encoded(&guest.token)
                ));
            }
            SocketAuth::None => {}
        }
    }

    /// There is no hello: the session can be used as soon as the socket is open.
    fn handle_opened(&mut self, io: &mut Io<'_, Self>) {
        self.opened = io.cx.now;
        let instance = self.guest.as_ref().map(|guest| guest.instance.clone());
        if instance == self.instance {
            return io.ready(Continuity::Resumed);
        }
        let previous = core::mem::replace(&mut self.instance, instance.clone());
        io.ready(Continuity::Fresh);
        if let Some(instance) = instance {
            io.message(Message::Conversation { instance, previous });
        }
    }

    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
        let bytes = match frame {
            Frame::Text(bytes) => bytes,
            Frame::Binary(_) => return io.problem(Fault::Vendor, "a binary frame"),
            Frame::Ping(_) | Frame::Pong(_) => return,
        };
        match message::decode(&bytes) {
            Ok(Inbound::Chat(chat)) => {
                self.prove();
                self.handle_chat(chat, io);
            }
            Ok(Inbound::Ack(message_id)) => {
                self.prove();
                self.handle_ack(&message_id, io);
            }
            Ok(Inbound::Other { kind, body }) => io.message(Message::Other { kind, body }),
            Err(text) => io.problem(Fault::Vendor, text),
        }
    }

    fn handle_http(&mut self, step: Step, answer: HttpResult, io: &mut Io<'_, Self>) {
        match step {
            Step::Guest => self.handle_guest(answer, io),
            Step::Message { id, tries, guest } => self.handle_sent((id, tries, guest), answer, io),
        }
    }

    fn transmit(
        &mut self,
        id: MessageId,
        message: &Text,
        tries: u8,
        io: &mut Io<'_, Self>,
    ) -> Path {
        let wire_id = io.wire_ids().encode(LANE, id.get());
        match (&self.guest, self.config.resend) {
            (Some(guest), Path::Http) if tries > 0 => {
                let mut body = BytesMut::new();
                message.encode(&mut body, wire_id);
                let request = self.config.send(guest, body.freeze());
                let step = Step::Message { id, tries, guest: self.generation };
                io.http(step, self.policy.spec().timeouts.http, request);
                Path::Http
            }
            _ => {
                io.text(|out| message.encode(out, wire_id));
                Path::Socket
            }
        }
    }

    fn class(&self, _message: &Text) -> Class {
        Class {
            proof: Proof::Answer,
            cut: Cut::Resend,
            portable: self.config.carry_over,
            within: self.policy.spec().timeouts.request,
            ttl: self.config.ttl,
            tries: self.config.retries.saturating_add(1),
        }
    }

    fn weight(&self, message: &Text) -> u32 {
        u32::try_from(message.content().len()).unwrap_or(u32::MAX).saturating_add(ENVELOPE)
    }

    fn cursor(&self) -> Cursor {
        Cursor {
            guest: self.guest.clone().filter(|_| !self.dead),
            instance: self.instance.clone(),
            recent: self.recent.iter().map(String::from).collect(),
        }
    }

    fn restore(&mut self, cursor: Cursor) {
        self.guest = cursor.guest;
        self.instance = cursor.instance;
        for id in &cursor.recent {
            self.recent.insert(id);
        }
    }

    fn handle_pong(&mut self, io: &mut Io<'_, Self>) {
        self.prove();
        io.alive();
    }

    fn handle_closed(&mut self, cause: Cause, io: &mut Io<'_, Self>) {
        // A server that looks at the guest once the socket is open does so at once.
        let lasted = io.cx.now.since(self.opened) > self.policy.spec().timeouts.ready;
        if matches!(cause, Cause::Close(4401 | 4403)) && !self.taken && !lasted {
            self.refusals = self.refusals.saturating_add(1);
        }
    }

    fn handle_online(&mut self, _continuity: Continuity, io: &mut Io<'_, Self>) {
        if self.dead {
            io.refused(Refusal::GuestRejected as u16, None);
        }
    }

    fn handle_command(&mut self, command: Self::Command, _io: &mut Io<'_, Self>) {
        match command {}
    }

    fn close_reason(&self) -> &'static str {
        "Client disconnect"
    }
}

impl fmt::Debug for GuestChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestChat")
            .field("config", &self.config)
            .field("guest", &self.guest)
            .finish_non_exhaustive()
    }
}

/// The lane of messages in ids on the wire.
pub(super) const LANE: u8 = 1;
/// What a message has besides its text.
const ENVELOPE: u32 = 85;
