//! How an adapter is made.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt;

use redial_core::{Keepalive, Pace, Path, Policy, Secret, Span, Speed};

use super::adapter::GuestChat;
use super::policy::{POLICY, RETRIES, RETRY_AFTER, TTL};
use super::session::MIN_OAUTH;
use crate::error::ConfigError;
use crate::net;

/// Who makes guest sessions.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// An OAuth bearer with the scope `webchat:guest:write`.
    OAuth(Secret),
    /// The value of an `api_key` header.
    ApiKey(Secret),
    /// The application gives an OAuth bearer when it is asked, by
    /// [`Item::TokenNeeded`](redial_core::Item::TokenNeeded).
    Ask,
    /// The application gives guest sessions when it is asked: the JSON object with which guest
    /// creation answers. So the OAuth bearer stays with the server that makes them, and never
    /// comes near a guest's device.
    Backend,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OAuth(_) => "OAuth(..)",
            Self::ApiKey(_) => "ApiKey(..)",
            Self::Ask => "Ask",
            Self::Backend => "Backend",
        })
    }
}

/// Where the guest token stands on the upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketAuth {
    /// `Authorization: Bearer <guest token>`.
    Header,
    /// A query parameter of this name, for environments that cannot set headers.
    Query(&'static str),
    /// Nowhere, as in the guide's sample code.
    None,
}

/// Makes a [`GuestChat`].
#[derive(Clone)]
#[must_use]
pub struct Builder {
    pub(super) org: String,
    pub(super) credentials: Credentials,
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) plain: bool,
    pub(super) socket_auth: SocketAuth,
    pub(super) resend: Path,
    pub(super) carry_over: bool,
    pub(super) user_agent: String,
    pub(super) ttl: Span,
    pub(super) retries: u8,
    pub(super) retry_after: Span,
    health: Option<Span>,
    policy: Policy,
    speed: Speed,
}

impl Builder {
    pub(super) fn new(org: String, credentials: Credentials) -> Self {
        Self {
            org,
            credentials,
            // The guide's own guest.
            email: "anonymous@local".to_owned(),
            first_name: "Guest".to_owned(),
            last_name: "User".to_owned(),
            plain: false,
            socket_auth: SocketAuth::Header,
            resend: Path::Http,
            carry_over: true,
            user_agent: concat!("redial-genesys/", env!("CARGO_PKG_VERSION")).to_owned(),
            ttl: TTL,
            retries: RETRIES,
            retry_after: RETRY_AFTER,
            health: None,
            policy: POLICY,
            speed: Speed::REAL,
        }
    }

    /// Says who the guest is; `anonymous@local`, `Guest`, `User` by default.
    pub fn guest(
        mut self,
        email: impl Into<String>,
        first_name: impl Into<String>,
        last_name: impl Into<String>,
    ) -> Self {
        self.email = email.into();
        self.first_name = first_name.into();
        self.last_name = last_name.into();
        self
    }

    /// Speaks `http` and `ws` without TLS. For simulators on the same machine.
    pub const fn plain(mut self, plain: bool) -> Self {
        self.plain = plain;
        self
    }

    /// Says where the guest token stands on the upgrade; in a header by default.
    pub const fn socket_auth(mut self, auth: SocketAuth) -> Self {
        self.socket_auth = auth;
        self
    }

    /// Sends messages again this way: by REST, which is the default, or on the socket.
    pub const fn resend(mut self, path: Path) -> Self {
        self.resend = path;
        self
    }

    /// Says whether a message that may have arrived in one conversation is sent again in the next.
    ///
    /// By default it is, as the guide does: nothing is lost, and the message may stand in both
    /// conversations, which [`Settled::may_be_duplicate`](redial_core::Settled::may_be_duplicate)
    /// tells. If it is not, its fate is [`Unknown`](redial_core::Fate::Unknown). A message that
    /// cannot have arrived always goes to the conversation that there is.
    pub const fn carry_over(mut self, carry_over: bool) -> Self {
        self.carry_over = carry_over;
        self
    }

    /// Takes a connection for dead after this time without a sign of life: 30 s by default, 45 s
    /// to match a proxy. Pings go out from the tenth second on.
    pub const fn health_timeout(mut self, span: Span) -> Self {
        self.health = Some(span);
        self
    }

    /// Lets a message live this long; 300 s by default.
    pub const fn ttl(mut self, span: Span) -> Self {
        self.ttl = span;
        self
    }

    /// Sends a message at most this often again; 3 times by default.
    pub const fn retries(mut self, retries: u8) -> Self {
        self.retries = retries;
        self
    }

    /// Uses these rules instead of [`POLICY`].
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Divides every span by this: those of the policy and those of messages.
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
    /// Where the organisation's host is no host, the OAuth token is missing or malformed (shorter
    /// than 10 characters), the user agent cannot stand in a header, or the policy contradicts
    /// itself.
    pub fn build(mut self) -> Result<GuestChat, ConfigError> {
        if !net::is_host(&self.org) {
            return Err(ConfigError::Host);
        }
        match &self.credentials {
            Credentials::OAuth(token) if !is_oauth(token) => return Err(ConfigError::OauthToken),
            Credentials::ApiKey(key) if !net::is_credential(key.expose()) => {
                return Err(ConfigError::ApiKey);
            }
            Credentials::OAuth(_)
            | Credentials::ApiKey(_)
            | Credentials::Ask
            | Credentials::Backend => {}
        }
        if !net::is_header_value(&self.user_agent) {
            return Err(ConfigError::UserAgent);
        }
        let mut spec = *self.policy.spec();
        if let Some(span) = self.health {
            spec.keepalive = health(span);
        }
        let policy = Policy::try_new(spec).map_err(ConfigError::Policy)?.scaled(self.speed);
        self.ttl = self.ttl.scaled(self.speed);
        self.retry_after = self.retry_after.scaled(self.speed);
        Ok(GuestChat::new(self, policy))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("org", &self.org)
            .field("credentials", &self.credentials)
            .field("resend", &self.resend)
            .finish_non_exhaustive()
    }
}

/// The guide, "401 Unauthorized on Guest Creation": a token shorter than 10 characters is none.
pub(super) fn is_oauth(token: &Secret) -> bool {
    token.expose().len() >= MIN_OAUTH && net::is_credential(token.expose())
}

/// Spreads a health timeout over pings: the first after 10 s, then about every 10 s.
fn health(span: Span) -> Keepalive {
    let total = span.as_millis();
    let rest = total.saturating_sub(CHECK).max(total / 2);
    let misses = rest.div_ceil(CHECK).clamp(1, u32::from(u8::MAX));
    let timeout = rest / misses;
    Keepalive::Probe {
        interval: Span::from_millis(total - timeout * misses),
        timeout: Span::from_millis(timeout),
        misses: misses as u8,
        pace: Pace::Quiet,
    }
}

/// The guide, `startHealthMonitor`.
const CHECK: u32 = 10_000;
