//! The adapter.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt;
use core::mem;

use redial_core::http::{HttpResult, NoAnswer};
use redial_core::{
    Adapter, Authorize, Cause, Class, Continuity, Cut, Fault, Frame, Handshake, Intent, Io,
    MessageId, Path, Policy, Proof, Reason, Secret, Wait,
};
use redial_socketio::Json;
use serde::{Deserialize, Serialize};

use super::config::{Builder, Config, PATH};
use super::events;
use super::explain;
use super::message::{Event, Message, Payload};
use super::policy::Refusal;
use super::token::{Credentials, Refresh};
use crate::net;

/// One event of one instance: one socket.
///
/// Made by [`CodeChat::builder`], and driven by a [`Session`](redial_core::Session).
///
/// It is online as soon as its socket is open, and every connection is a new session: what was
/// sent while there was none is gone, and a [gap](redial_core::Item::Gap) says so after each loss.
/// A refusal with 401 is reported each time, as a
/// [problem](redial_core::Item::Problem) `token or event refused`.
pub struct CodeChat {
    config: Config,
    token: Option<Secret>,
    /// Whether the application gave the token and no dial has used it.
    given: bool,
    /// Whether the application was asked for a token and has not answered.
    asked: bool,
    /// Whether the application has been told that this event never comes.
    warned: bool,
    was_online: bool,
}

/// A step of the adapter's HTTP exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The token is replaced: [`Refresh`].
    Refresh,
}

impl Step {
    /// The number of the refresh in a [`Cause::Http`].
    pub const REFRESH: u8 = 0;
}

/// What a later process needs to go on. It holds tokens.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Cursor {
    /// The token of the configuration, and the newest: a later process may have a newer one.
    first: Option<String>,
    newest: Option<String>,
    was_online: bool,
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("was_online", &self.was_online).finish_non_exhaustive()
    }
}

impl CodeChat {
    /// Begins to make an adapter for a server such as `ws://localhost:8084` (`/ws/events` is
    /// added, `wss`, `http`, `https` and the path of a reverse proxy are taken) and an event such
    /// as `messages.upsert`.
    pub fn builder(
        url: impl Into<String>,
        event: impl Into<String>,
        credentials: Credentials,
    ) -> Builder {
        Builder::new(url.into(), event.into(), credentials)
    }

    /// Returns the name of the event.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.config.event
    }

    /// Returns whether the server takes this event and never sends it: see
    /// [`SILENT`](super::SILENT).
    #[must_use]
    pub fn is_silent(&self) -> bool {
        events::SILENT.contains(&self.event())
    }

    pub(super) fn new(config: Config) -> Self {
        Self {
            token: config.credentials.token().cloned(),
            config,
            given: false,
            asked: false,
            warned: false,
            was_online: false,
        }
    }

    /// Has the token replaced; without a way to do that the old one must do.
    fn replace(&mut self, io: &mut Io<'_, Self>) {
        match (&self.config.credentials, &self.token, &self.config.refresh) {
            (Credentials::Refresh { .. }, Some(old), Some(refresh)) => {
                let within = self.config.policy.spec().timeouts.http;
                io.http(Step::Refresh, within, refresh.request(old));
            }
            (Credentials::Token(_), Some(_), _) => io.token_ready(None, true),
            (_, old, _) => {
                self.asked = true;
                io.token_needed(old.clone());
            }
        }
    }
}

impl Adapter for CodeChat {
    type Outgoing = Payload;
    type Message = Message;
    type Reply = core::convert::Infallible;
    type Command = core::convert::Infallible;
    type Step = Step;
    type Cursor = Cursor;

    fn policy(&self) -> &Policy {
        &self.config.policy
    }

    fn account(&self) -> &str {
        self.config.base.authority()
    }

    fn step_name(_step: u8) -> &'static str {
        "refresh"
    }

    fn refusal_name(code: u16) -> &'static str {
        if code == Refusal::TokenMalformed as u16 { "token-malformed" } else { "refused" }
    }

    /// The life that a token states is not read: with the server's sample configuration it does
    /// not count, and it never counts for a socket that is open.
    fn authorize(&mut self, kind: Authorize, io: &mut Io<'_, Self>) {
        if !mem::replace(&mut self.warned, true) && self.is_silent() {
            io.problem(Fault::Caller, explain::SILENT);
        }
        let first = matches!(kind, Authorize::Regenerate { reason: Reason::Start, .. });
        let unanswered = mem::take(&mut self.asked);
        if self.token.is_some() && (first || self.given) {
            io.token_ready(None, true);
        } else if self.token.is_some() && unanswered {
            io.problem(Fault::Caller, explain::NO_OTHER);
            io.token_ready(None, true);
        } else {
            self.replace(io);
        }
    }

    fn offer_token(&mut self, token: Secret, io: &mut Io<'_, Self>) -> bool {
        if !net::is_credential(token.expose()) {
            io.problem(Fault::Caller, explain::MALFORMED);
            io.token_failed(Cause::Refused(Refusal::TokenMalformed as u16), None);
            self.asked = false;
            return false;
        }
        self.token = Some(token);
        self.given = true;
        true
    }

    /// The refusal may have been about something else, and the seed never stops dialling.
    fn keep_token(&mut self) -> bool {
        self.asked = false;
        self.token.is_some()
    }

    fn secrets(&self, name: &mut dyn FnMut(&str)) {
        if let Some(token) = &self.token {
            name(token.expose());
        }
    }

    /// The event is part of what this adapter is, so no reconnect can ask for another one.
    fn dial(&mut self, _intent: Intent, out: &mut Handshake) {
        self.given = false;
        let token = self.token.as_ref().map_or("", Secret::expose);
        out.url = self.config.base.ws(PATH);
        out.url.push_str("?event=");
        out.url.push_str(&net::encoded(&self.config.event));
        out.url.push_str("&token=");
        out.url.push_str(&net::encoded(token));
    }

    /// There is no hello: the session can be used as soon as the socket is open.
    fn handle_opened(&mut self, io: &mut Io<'_, Self>) {
        if let Some(message) = &self.config.test_message {
            io.text(|out| out.extend_from_slice(message.as_str().as_bytes()));
        }
        io.ready(Continuity::Fresh);
    }

    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
        match frame {
            Frame::Text(bytes) => match Json::check(&bytes) {
                Ok(body) => {
                    let name = self.config.event.clone();
                    io.message(Message::Event(Event { name, body }));
                }
                Err(_) => io.problem(Fault::Vendor, "a frame that is not JSON"),
            },
            Frame::Binary(_) => io.problem(Fault::Vendor, "a binary frame"),
            Frame::Ping(_) | Frame::Pong(_) => {}
        }
    }

    fn handle_http(&mut self, step: Step, answer: HttpResult, io: &mut Io<'_, Self>) {
        let Step::Refresh = step;
        let answer = match answer {
            Ok(answer) => answer,
            Err(NoAnswer::Network | NoAnswer::Unreached) => {
                return io.token_failed(Cause::Network, None);
            }
            Err(NoAnswer::Timeout) => {
                return io.token_failed(Cause::Timeout(Wait::Token), None);
            }
        };
        match (Refresh::token(&answer), answer.status) {
            (Some(token), _) => {
                self.token = Some(token.clone());
                io.message(Message::TokenRefreshed(token));
                io.token_ready(None, true);
            }
            // The old one may serve all the same: it may not be the token that was refused.
            (None, 400..=407 | 409..=428 | 430..=499) => {
                io.problem(Fault::Vendor, explain::NOT_REFRESHED);
                io.token_ready(None, true);
            }
            (None, status) => {
                io.token_failed(Cause::Http { step: Step::REFRESH, status }, answer.retry_after);
            }
        }
    }

    fn transmit(
        &mut self,
        _id: MessageId,
        message: &Payload,
        _tries: u8,
        io: &mut Io<'_, Self>,
    ) -> Path {
        io.text(|out| out.extend_from_slice(message.as_str().as_bytes()));
        Path::Socket
    }

    fn class(&self, _message: &Payload) -> Class {
        let timeouts = self.config.policy.spec().timeouts;
        Class {
            proof: Proof::Written,
            cut: Cut::Report,
            portable: true,
            within: timeouts.request,
            ttl: timeouts.request,
            tries: 1,
        }
    }

    fn weight(&self, message: &Payload) -> u32 {
        u32::try_from(message.as_str().len()).unwrap_or(u32::MAX)
    }

    fn cursor(&self) -> Cursor {
        let text = |secret: &Secret| secret.expose().to_owned();
        Cursor {
            first: self.config.credentials.token().map(text),
            newest: self.token.as_ref().map(text),
            was_online: self.was_online,
        }
    }

    fn restore(&mut self, cursor: Cursor) {
        let Cursor { first, newest, was_online } = cursor;
        // A token that is new in the configuration is newer than any of the process before.
        if first.as_deref() == self.config.credentials.token().map(Secret::expose) {
            let newest = newest.filter(|token| net::is_credential(token));
            self.token = newest.map(Secret::new).or_else(|| self.token.take());
        }
        self.was_online = was_online;
    }

    fn handle_closed(&mut self, cause: Cause, io: &mut Io<'_, Self>) {
        if let Cause::Handshake(401 | 403) = cause {
            io.problem(Fault::Caller, explain::REFUSED);
        }
    }

    fn handle_online(&mut self, _continuity: Continuity, io: &mut Io<'_, Self>) {
        if mem::replace(&mut self.was_online, true) {
            io.gap(false);
        }
    }

    fn handle_command(&mut self, command: Self::Command, _io: &mut Io<'_, Self>) {
        match command {}
    }
}

impl fmt::Debug for CodeChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeChat")
            .field("event", &self.config.event)
            .field("credentials", &self.config.credentials)
            .finish_non_exhaustive()
    }
}
