//! How an adapter is made.

use alloc::string::String;
use core::fmt;

use redial_core::{Keepalive, Policy, Speed};
use redial_socketio::Text;

use super::adapter::CodeChat;
use super::events;
use super::message::Payload;
use super::policy::POLICY;
use super::token::{Credentials, Refresh};
use crate::error::ConfigError;
use crate::net::{self, Base};

/// Makes a [`CodeChat`].
#[derive(Clone)]
#[must_use]
pub struct Builder {
    url: String,
    event: String,
    credentials: Credentials,
    test_message: Option<Payload>,
    allow_unknown: bool,
    ping: bool,
    policy: Policy,
    speed: Speed,
}

/// What has been checked.
pub(super) struct Config {
    pub(super) base: Base,
    pub(super) event: Text,
    pub(super) credentials: Credentials,
    pub(super) refresh: Option<Refresh>,
    pub(super) test_message: Option<Payload>,
    pub(super) policy: Policy,
}

impl Builder {
    pub(super) fn new(url: String, event: String, credentials: Credentials) -> Self {
        Self {
            url,
            event,
            credentials,
            test_message: Some(Payload::test_data()),
            allow_unknown: false,
            ping: true,
            policy: POLICY,
            speed: Speed::REAL,
        }
    }

    /// Subscribes to this event instead: one builder serves for many sockets.
    pub fn event(mut self, name: impl Into<String>) -> Self {
        self.event = name.into();
        self
    }

    /// Sends this as soon as a socket is open, or nothing; `{"message":"test data"}` by default.
    pub fn test_message(mut self, message: Option<Payload>) -> Self {
        self.test_message = message;
        self
    }

    /// Takes event names that are not among [`EVENTS`](super::EVENTS), for servers that know more.
    /// What no server gives is refused all the same.
    pub const fn allow_unknown_event(mut self, allow: bool) -> Self {
        self.allow_unknown = allow;
        self
    }

    /// Says whether a dead peer is noticed by pings; on by default. The seed has none: without
    /// them a path that is dead without a word stays so.
    pub const fn ping(mut self, ping: bool) -> Self {
        self.ping = ping;
        self
    }

    /// Uses these rules instead of [`POLICY`].
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Divides every span of the policy by this.
    pub const fn speed(mut self, speed: Speed) -> Self {
        self.speed = speed;
        self
    }

    /// Makes the adapter.
    ///
    /// # Errors
    ///
    /// Where the address has no host, the event is none that the server gives, the token is empty
    /// or not printable, or the policy contradicts itself.
    pub fn build(self) -> Result<CodeChat, ConfigError> {
        let base = base(&self.url)?;
        events::check(&self.event, self.allow_unknown)?;
        if self.credentials.token().is_some_and(|token| !net::is_credential(token.expose())) {
            return Err(ConfigError::Token);
        }
        let refresh = match &self.credentials {
            Credentials::Refresh { instance, .. } => Some(Refresh::at(&base, instance)?),
            Credentials::Token(_) | Credentials::Ask | Credentials::TokenThenAsk(_) => None,
        };
        let mut spec = *self.policy.spec();
        if !self.ping {
            spec.keepalive = Keepalive::Off;
        }
        let policy = Policy::try_new(spec).map_err(ConfigError::Policy)?.scaled(self.speed);
        Ok(CodeChat::new(Config {
            base,
            event: self.event.into(),
            credentials: self.credentials,
            refresh,
            test_message: self.test_message,
            policy,
        }))
    }

    pub(crate) const fn refreshes(&self) -> bool {
        matches!(self.credentials, Credentials::Refresh { .. })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("event", &self.event)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

/// Reads a server's address. The seed names the whole path, so that is taken too.
pub(super) fn base(url: &str) -> Result<Base, ConfigError> {
    Base::parse(url).map(|base| base.without(PATH)).ok_or(ConfigError::Url)
}

/// The seed: `ws://localhost:8084/ws/events`. Observed: a slash after it is refused.
pub(super) const PATH: &str = "/ws/events";
