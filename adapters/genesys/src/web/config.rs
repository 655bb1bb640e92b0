//! How an adapter is made.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use core::fmt;

use redial_core::{Keepalive, Pace, Policy, Secret, Span, Speed};

use super::adapter::WebMessaging;
use super::policy::{
    HEALTH_COOL_DOWN, MESSAGES_PER_SECOND, POLICY, REQUESTS_PER_MINUTE, RETRY_AFTER,
};
use crate::error::ConfigError;
use crate::net;

/// How a living connection is told from a dead one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// By pings, as the policy says.
    Ping,
    /// By `echo`, every 30 s, which is as often as the service allows.
    Echo,
}

/// Makes a [`WebMessaging`].
#[derive(Clone)]
#[must_use]
pub struct Builder {
    pub(super) deployment: String,
    pub(super) socket_host: String,
    pub(super) api_host: String,
    pub(super) application: String,
    pub(super) origin: Option<String>,
    pub(super) token: Option<Secret>,
    pub(super) plain: bool,
    pub(super) autostart: bool,
    pub(super) history: bool,
    pub(super) pages: u32,
    pub(super) page_size: u32,
    pub(super) resend: bool,
    pub(super) health: Health,
    pub(super) messages_per_second: u16,
    pub(super) requests_per_minute: u16,
    pub(super) ttl: Span,
    pub(super) retries: u8,
    pub(super) user_agent: String,
    pub(super) speed: Speed,
    policy: Policy,
}

impl Builder {
    pub(super) fn new(domain: &str, deployment: String) -> Self {
        Self {
            deployment,
            socket_host: format!("webmessaging.{domain}"),
            api_host: format!("api.{domain}"),
            application: concat!("redial-genesys-", env!("CARGO_PKG_VERSION")).to_owned(),
            origin: None,
            token: None,
            plain: false,
            autostart: false,
            history: true,
            // Limits: 10 pages of history per session and minute. Chosen below that.
            pages: 8,
            // Mobile SDK: the size of a page.
            page_size: 25,
            resend: false,
            health: Health::Ping,
            messages_per_second: MESSAGES_PER_SECOND,
            requests_per_minute: REQUESTS_PER_MINUTE,
            ttl: Span::from_secs(300),
            retries: 3,
            user_agent: concat!("redial-genesys/", env!("CARGO_PKG_VERSION")).to_owned(),
            speed: Speed::REAL,
            policy: POLICY,
        }
    }

    /// Uses this session token, which resumes its session where there is one. It must be
    /// unguessable: whoever has it has the conversation; see [`session_token`].
    ///
    /// Without one, and when one is spent, the application is asked by
    /// [`Item::TokenNeeded`](redial_core::Item::TokenNeeded).
    pub fn token(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    /// Names the socket's host and the API's, with or without a port. For simulators, and for
    /// regions whose hosts are named otherwise.
    pub fn hosts(mut self, socket: impl Into<String>, api: impl Into<String>) -> Self {
        self.socket_host = socket.into();
        self.api_host = api.into();
        self
    }

    /// Names the application to the service.
    pub fn application(mut self, name: impl Into<String>) -> Self {
        self.application = name.into();
        self
    }

    /// Sends this `Origin`, which the service checks against the deployment's allowed domains.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Speaks `http` and `ws` without TLS. For simulators on the same machine.
    pub const fn plain(mut self, plain: bool) -> Self {
        self.plain = plain;
        self
    }

    /// Says whether a new session begins with a `Join`, so that the other side speaks first.
    pub const fn autostart(mut self, autostart: bool) -> Self {
        self.autostart = autostart;
        self
    }

    /// Says whether the history is fetched after a reconnect; it is, by default.
    pub const fn history(mut self, history: bool) -> Self {
        self.history = history;
        self
    }

    /// Fetches at most this many pages of the history, 8 by default.
    pub const fn pages(mut self, pages: u32) -> Self {
        self.pages = if pages == 0 { 1 } else { pages };
        self
    }

    /// Says whether a message that was written before the connection was lost is written again
    /// where the session is resumed. By default it is not: whether the service knows a repeated
    /// `tracingId` again is not documented.
    pub const fn resend(mut self, resend: bool) -> Self {
        self.resend = resend;
        self
    }

    /// Says how a dead connection is noticed; by pings, by default.
    pub const fn health(mut self, health: Health) -> Self {
        self.health = health;
        self
    }

    /// Sends at most this many messages per second and requests per minute; 5 and 60 by default.
    pub const fn rates(mut self, messages_per_second: u16, requests_per_minute: u16) -> Self {
        self.messages_per_second = messages_per_second;
        self.requests_per_minute = requests_per_minute;
        self
    }

    /// Lets a message live this long; 300 s by default.
    pub const fn ttl(mut self, span: Span) -> Self {
        self.ttl = span;
        self
    }

    /// Sends a refused message at most this often again; 3 times by default.
    pub const fn retries(mut self, retries: u8) -> Self {
        self.retries = retries;
        self
    }

    /// Uses these rules instead of [`POLICY`].
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Divides every span by this: those of the policy, of messages and of rates.
    pub const fn speed(mut self, speed: Speed) -> Self {
        self.speed = speed;
        self
    }

    /// Sends this `User-Agent` with HTTP requests.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// Makes the adapter.
    ///
    /// # Errors
    ///
    /// Where there is no deployment, a host is no host, the token or a header value cannot be
    /// sent, or the policy contradicts itself.
    pub fn build(mut self) -> Result<WebMessaging, ConfigError> {
        if self.deployment.is_empty() {
            return Err(ConfigError::Deployment);
        }
        if !net::is_host(&self.socket_host) || !net::is_host(&self.api_host) {
            return Err(ConfigError::Host);
        }
        if self.token.as_ref().is_some_and(|token| !is_token(token)) {
            return Err(ConfigError::SessionToken);
        }
        if self.origin.as_deref().is_some_and(|origin| !net::is_header_value(origin)) {
            return Err(ConfigError::Origin);
        }
        if !net::is_header_value(&self.user_agent) {
            return Err(ConfigError::UserAgent);
        }
        let mut spec = *self.policy.spec();
        if self.health == Health::Echo {
            spec.keepalive = Keepalive::Probe {
                interval: HEALTH_COOL_DOWN,
                timeout: spec.timeouts.request.min(HEALTH_COOL_DOWN),
                misses: 1,
                pace: Pace::Steady,
            };
        }
        let policy = Policy::try_new(spec).map_err(ConfigError::Policy)?.scaled(self.speed);
        self.ttl = self.ttl.scaled(self.speed);
        Ok(WebMessaging::new(self, policy))
    }

    pub(super) const fn retry_after(&self) -> Span {
        RETRY_AFTER.scaled(self.speed)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("deployment", &self.deployment)
            .field("socket_host", &self.socket_host)
            .finish_non_exhaustive()
    }
}

/// Makes a session token, a UUID, from 128 random bits. They must come from a source fit for
/// credentials.
#[must_use]
pub fn session_token(bits: u128) -> Secret {
    let bits = (bits & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let (a, rest) = hex.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    Secret::new(format!("{a}-{b}-{c}-{d}-{e}"))
}

/// Genesys help, "What are Guest Session Token requirements?": up to 2048 characters.
pub(super) fn is_token(token: &Secret) -> bool {
    token.expose().len() <= 2048 && net::is_credential(token.expose())
}
