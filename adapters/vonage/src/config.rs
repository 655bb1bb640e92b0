//! How an adapter is made.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt;

use redial_core::{Policy, PolicySpec, Resume, Secret, Span, Speed};

use crate::adapter::Vonage;
use crate::error::ConfigError;
use crate::net::{self, Base};
use crate::policy::{ASKING_PACE, GRACE, POLICY, RENEWAL_PACE};

/// The generation of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Generation {
    /// `nexmo-client` up to 9.1: Engine.IO 3 at `/rtc/`, `session:login` on the open socket.
    V1,
    /// `nexmo-client` from 9.2 and `@vonage/client-sdk`: Engine.IO 4 at `/v2/rtc/`, the token in
    /// the address.
    V2,
}

impl Generation {
    pub(crate) const fn socketio(self) -> redial_socketio::Generation {
        match self {
            Self::V1 => redial_socketio::Generation::Eio3,
            Self::V2 => redial_socketio::Generation::Eio4,
        }
    }

    /// The socket's and the API's addresses, the path, and the SDK's version.
    const fn defaults(self) -> [&'static str; 4] {
        match self {
            Self::V1 => ["https://ws.nexmo.com", "https://api.nexmo.com", "/rtc/", "8.7.3"],
            Self::V2 => {
                ["https://ws-us.vonage.com", "https://api-us.vonage.com", "/v2/rtc/", "9.5.1"]
            }
        }
    }
}

/// Makes a [`Vonage`].
#[derive(Clone)]
#[must_use]
pub struct Builder {
    pub(crate) generation: Generation,
    url: String,
    api_url: Option<String>,
    pub(crate) path: String,
    pub(crate) token: Option<Secret>,
    token_source: bool,
    proactive: Option<bool>,
    pub(crate) logout: bool,
    pub(crate) resend: bool,
    pub(crate) ttl: Span,
    pub(crate) retries: u8,
    pub(crate) sdk_version: String,
    pub(crate) session_version: String,
    pub(crate) os_family: String,
    pub(crate) os_revision: String,
    attempts: Option<u16>,
    window: Option<Span>,
    speed: Speed,
    policy: Policy,
}

impl Builder {
    pub(crate) fn new(generation: Generation) -> Self {
        let [url, _, path, sdk_version] = generation.defaults();
        Self {
            generation,
            url: url.to_owned(),
            api_url: None,
            path: path.to_owned(),
            token: None,
            token_source: false,
            proactive: None,
            logout: true,
            resend: false,
            ttl: Span::from_secs(60),
            retries: 3,
            sdk_version: sdk_version.to_owned(),
            // SDK 9.5.1 without inbound offers.
            session_version: "0.0.1".to_owned(),
            os_family: "rust".to_owned(),
            os_revision: concat!("redial-vonage/", env!("CARGO_PKG_VERSION")).to_owned(),
            attempts: None,
            window: None,
            speed: Speed::REAL,
            policy: POLICY,
        }
    }

    /// Dials this address: `https://ws-eu.vonage.com`, or `http://127.0.0.1:4000` for a simulator.
    /// `http` and `ws` mean no TLS. Unless [`Builder::api_url`] says something else, the REST API
    /// is at the same address; where nothing is said, it is the vendor's own.
    pub fn url(mut self, base: impl Into<String>) -> Self {
        self.url = base.into();
        self.api_url.get_or_insert_with(|| self.url.clone());
        self
    }

    /// Asks the REST API at this address. To be called after [`Builder::url`].
    pub fn api_url(mut self, base: impl Into<String>) -> Self {
        self.api_url = Some(base.into());
        self
    }

    /// Dials this path; `/rtc/` or `/v2/rtc/` by default, as the generation has it.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Begins with this user's JWT. Without one the application is asked, by
    /// [`Item::TokenNeeded`](redial_core::Item::TokenNeeded).
    pub fn token(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    /// Says whether a token source answers when a token is needed. Then tokens are renewed before
    /// they expire, unless [`Builder::proactive`] says otherwise.
    pub const fn token_source(mut self, there_is_one: bool) -> Self {
        self.token_source = there_is_one;
        self
    }

    /// Says whether a new token is asked for when four fifths of the life of the old one are over:
    /// by default where there is a token source. It is asked for at most every 30 s, and never by
    /// time where the token does not say when it expires.
    pub const fn proactive(mut self, renew: bool) -> Self {
        self.proactive = Some(renew);
        self
    }

    /// Says whether a lost connection is made again without being asked for; it is, by default.
    /// Otherwise each loss suspends the session until the application connects.
    pub const fn automatic(mut self, reconnect: bool) -> Self {
        self.attempts = if reconnect { None } else { Some(0) };
        self
    }

    /// Makes this many attempts after a loss, 5 by default; none is the same as
    /// [`automatic(false)`](Builder::automatic).
    pub const fn attempts(mut self, budget: u16) -> Self {
        self.attempts = Some(budget);
        self
    }

    /// Asks for the same session within this span from the loss; 5 minutes by default.
    pub const fn window(mut self, span: Span) -> Self {
        self.window = Some(span);
        self
    }

    /// Says whether a shutdown ends the session on the server, too; it does, by default. Otherwise
    /// it can be resumed for as long as its window is open.
    pub const fn logout(mut self, logout: bool) -> Self {
        self.logout = logout;
        self
    }

    /// Says whether an event that was written before the connection was lost is written again
    /// where the session is resumed. By default it is not: no document says that the server knows
    /// a repeated `tid` again.
    pub const fn resend(mut self, resend: bool) -> Self {
        self.resend = resend;
        self
    }

    /// Lets an event wait this long to be written; 60 s by default.
    pub const fn ttl(mut self, span: Span) -> Self {
        self.ttl = span;
        self
    }

    /// Writes an event at most this often again; 3 times by default.
    pub const fn retries(mut self, retries: u8) -> Self {
        self.retries = retries;
        self
    }

    /// Names the client to the server: `SDK_version`, `OS_family` and `OS_revision`. By default
    /// the version of the SDK whose wire is spoken, `rust` and this crate.
    pub fn client(
        mut self,
        sdk_version: impl Into<String>,
        os_family: impl Into<String>,
        os_revision: impl Into<String>,
    ) -> Self {
        self.sdk_version = sdk_version.into();
        self.os_family = os_family.into();
        self.os_revision = os_revision.into();
        self
    }

    /// Asks for this `session_version`; `0.0.1` by default. Only the newer generation has it.
    pub fn session_version(mut self, version: impl Into<String>) -> Self {
        self.session_version = version.into();
        self
    }

    /// Uses these rules instead of [`POLICY`]: [`POLICY_SDK`](crate::POLICY_SDK), or others.
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Divides every span by this: those of the policy, of events and of renewals. What the server
    /// and the tokens say is taken as it is.
    pub const fn speed(mut self, speed: Speed) -> Self {
        self.speed = speed;
        self
    }

    /// Makes the adapter.
    ///
    /// # Errors
    ///
    /// Where an address or the path is none, the token cannot be sent, or the policy contradicts
    /// itself.
    pub fn build(mut self) -> Result<Vonage, ConfigError> {
        let [_, api, ..] = self.generation.defaults();
        let url = Base::parse(&self.url).ok_or(ConfigError::Url)?;
        let api = self.api_url.as_deref().unwrap_or(api);
        let api = Base::parse(api).ok_or(ConfigError::Url)?;
        if !net::is_path(&self.path) {
            return Err(ConfigError::Path);
        }
        if self.token.as_ref().is_some_and(|token| !net::is_credential(token.expose())) {
            return Err(ConfigError::Token);
        }
        let mut spec: PolicySpec = *self.policy.spec();
        if let Some(attempts) = self.attempts {
            spec.backoff.attempts = Some(attempts);
        }
        if let Some(window) = self.window {
            spec.resume = if window.is_zero() { Resume::Never } else { Resume::Within(window) };
        }
        let policy = Policy::try_new(spec).map_err(ConfigError::Policy)?.scaled(self.speed);
        self.ttl = self.ttl.scaled(self.speed);
        Ok(Vonage::new(self, policy, url, api))
    }

    pub(crate) const fn is_proactive(&self) -> bool {
        match self.proactive {
            Some(proactive) => proactive,
            None => self.token_source,
        }
    }

    pub(crate) const fn renewal_pace(&self) -> Span {
        RENEWAL_PACE.scaled(self.speed)
    }

    pub(crate) const fn asking_pace(&self) -> Span {
        ASKING_PACE.scaled(self.speed)
    }

    pub(crate) const fn grace(&self) -> Span {
        GRACE.scaled(self.speed)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("generation", &self.generation)
            .field("url", &self.url)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
