//! How an adapter is made.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt;

use redial_core::{Policy, PolicyError, Renew, Secret, Span, Speed, net};

use crate::adapter::LivePerson;
use crate::policy::POLICY;

/// Who logs in.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// A user's name and password.
    Password {
        /// The login name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A bot's OAuth 1 fields. They are sent as they are, in the login's body: nothing is signed.
    OAuth1 {
        /// The login name.
        username: String,
        /// The application key.
        app_key: Secret,
        /// The application secret.
        secret: Secret,
        /// The access token.
        access_token: Secret,
        /// The access token's secret.
        access_token_secret: Secret,
    },
    /// A bot's OAuth 2 client. The login has the fields of OAuth 1; those that an OAuth 2 client
    /// does not have hold a placeholder, as the vendor's documents say.
    OAuth2ClientCredentials {
        /// The login name.
        username: String,
        /// The client's id.
        client_id: Secret,
        /// The client's secret.
        client_secret: Secret,
    },
    /// A SAML assertion.
    Saml {
        /// The assertion, in Base64.
        assertion: Secret,
    },
    /// A ready-made bearer: there is no login, and no refresh.
    ///
    /// When it is refused, the application is asked for another one if the adapter was built with
    /// [`Builder::token_source`]; else the refusal is reported as a problem and the same bearer
    /// is tried again, at the policy's pace.
    Bearer(Secret),
    /// The application is asked for every bearer, the first one too: there is no login, and no
    /// refresh.
    Ask,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(..)",
            Self::OAuth1 { .. } => "OAuth1(..)",
            Self::OAuth2ClientCredentials { .. } => "OAuth2ClientCredentials(..)",
            Self::Saml { .. } => "Saml(..)",
            Self::Bearer(_) => "Bearer(..)",
            Self::Ask => "Ask",
        })
    }
}

/// Makes a [`LivePerson`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    pub(crate) account: String,
    pub(crate) credentials: Credentials,
    pub(crate) csds: String,
    pub(crate) service: Option<String>,
    pub(crate) user_agent: String,
    pub(crate) user_id: Option<String>,
    pub(crate) integration: Option<Integration>,
    pub(crate) plain: bool,
    pub(crate) token_source: bool,
    pub(crate) remember: bool,
    pub(crate) ttl: Span,
    pub(crate) cache: Span,
    policy: Policy,
    refresh: Option<Renew>,
    pub(crate) speed: Speed,
}

/// Who the vendor's servers are told is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Integration {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) app_id: String,
}

impl Builder {
    /// The host of the domain lookup that the vendor's SDK asks.
    pub const CSDS: &str = "adminlogin.liveperson.net";

    pub(crate) fn new(account: String, credentials: Credentials) -> Self {
        Self {
            account,
            credentials,
            csds: Self::CSDS.to_owned(),
            service: None,
            user_agent: concat!("redial-liveperson/", env!("CARGO_PKG_VERSION")).to_owned(),
            user_id: None,
            integration: None,
            plain: false,
            token_source: false,
            remember: true,
            ttl: Span::from_secs(60),
            // The SDK's own span, observed: a login within 60 s of a lookup makes no new one.
            cache: Span::from_secs(60),
            policy: POLICY,
            refresh: None,
            speed: Speed::REAL,
        }
    }

    /// Asks this host, with or without a port, where the account's services are.
    pub fn csds(mut self, host: impl Into<String>) -> Self {
        self.csds = host.into();
        self
    }

    /// Speaks `http` and `ws` without TLS. For simulators on the same machine.
    pub const fn plain(mut self, plain: bool) -> Self {
        self.plain = plain;
        self
    }

    /// Names the service that has the WebSocket. By default it is `facadeMsg` when the lookup
    /// lists it, else `asyncMessagingEnt`.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// Refreshes the login's session in this interval; `None`: never. By default the policy says.
    pub const fn refresh(mut self, interval: Option<Span>) -> Self {
        self.refresh = Some(match interval {
            Some(span) => Renew::Every(span),
            None => Renew::Never,
        });
        self
    }

    /// Uses these rules instead of [`POLICY`].
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Divides every span by this: those of the policy, how long a lookup holds, and how long
    /// requests wait.
    pub const fn speed(mut self, speed: Speed) -> Self {
        self.speed = speed;
        self
    }

    /// Lets the answer of a domain lookup serve this long; 60 s by default.
    pub const fn lookup_cache(mut self, span: Span) -> Self {
        self.cache = span;
        self
    }

    /// Lets a request wait this long for the session to be online; 60 s by default.
    pub const fn request_ttl(mut self, span: Span) -> Self {
        self.ttl = span;
        self
    }

    /// Says whether the application answers
    /// [`Item::TokenNeeded`](redial_core::Item::TokenNeeded): it is asked when a ready-made
    /// bearer must be replaced. Where it has not answered within the policy's time for a token, it
    /// is asked again after the policy's delay. Credentials that log in need no such source.
    pub const fn token_source(mut self, answers: bool) -> Self {
        self.token_source = answers;
        self
    }

    /// Says whether what the application's own requests set (agent state, subscriptions) is set
    /// again on every connection, as if a [`Command`](crate::Command) had set it. It is, by
    /// default, from the moment that the server has granted it.
    pub const fn remember(mut self, remember: bool) -> Self {
        self.remember = remember;
        self
    }

    /// Names the agent's user id, for a ready-made bearer. A login answers with its own.
    pub fn user_id(mut self, id: impl Into<String>) -> Self {
        self.user_id = Some(id.into());
        self
    }

    /// Sends this `User-Agent` with HTTP requests.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// Tells the messaging service who is calling (`intid`, `intvn`, `appId`), as SDK 2 does. By
    /// default it is not told.
    pub fn integration(
        mut self,
        name: impl Into<String>,
        version: impl Into<String>,
        app_id: impl Into<String>,
    ) -> Self {
        let (name, version, app_id) = (name.into(), version.into(), app_id.into());
        self.integration = Some(Integration { name, version, app_id });
        self
    }

    /// Makes the adapter.
    ///
    /// # Errors
    ///
    /// Where the account or a ready-made bearer is empty, the host of the lookup is no host, the
    /// user agent cannot stand in a header, or the policy contradicts itself with this refresh
    /// interval.
    pub fn build(mut self) -> Result<LivePerson, ConfigError> {
        if self.account.is_empty() {
            return Err(ConfigError::Account);
        }
        if !net::is_host(&self.csds) {
            return Err(ConfigError::Host);
        }
        if !self.user_agent.bytes().all(|byte| (b' '..0x7F).contains(&byte)) {
            return Err(ConfigError::UserAgent);
        }
        let mut spec = *self.policy.spec();
        if let Some(renew) = self.refresh {
            spec.token.renew = renew;
        }
        match &self.credentials {
            Credentials::Bearer(bearer) if bearer.expose().is_empty() => {
                return Err(ConfigError::Bearer);
            }
            // A refresh needs what only a login answers with.
            Credentials::Bearer(_) => spec.token.renew = Renew::Never,
            Credentials::Ask => {
                spec.token.renew = Renew::Never;
                self.token_source = true;
            }
            Credentials::Password { .. }
            | Credentials::OAuth1 { .. }
            | Credentials::OAuth2ClientCredentials { .. }
            | Credentials::Saml { .. } => {}
        }
        let policy = Policy::try_new(spec).map_err(ConfigError::Policy)?.scaled(self.speed);
        self.ttl = self.ttl.scaled(self.speed);
        self.cache = self.cache.scaled(self.speed);
        Ok(LivePerson::new(self, policy))
    }
}

/// Why an adapter cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no account.
    Account,
    /// There is no bearer.
    Bearer,
    /// The host of the lookup is not `host` or `host:port`.
    Host,
    /// The user agent holds what a header cannot.
    UserAgent,
    /// The policy contradicts itself.
    Policy(PolicyError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account => f.write_str("the account is empty"),
            Self::Bearer => f.write_str("the bearer is empty"),
            Self::Host => f.write_str("the host of the domain lookup is not host or host:port"),
            Self::UserAgent => f.write_str("the user agent holds what a header cannot"),
            Self::Policy(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ConfigError {}
