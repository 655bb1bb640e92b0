//! How an adapter is made.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use redial_core::{Policy, PolicyError, Renew, Secret, Span, Speed};

use crate::account::Account;
use crate::adapter::RingCentral;
use crate::group::{AuthGroup, REQUESTS, WINDOW};
use crate::message::SubscriptionInfo;
use crate::net;
use crate::policy::{PENALTY, POLICY};

/// How the OAuth session is had.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// A JWT credential, the assertion of `jwt-bearer`.
    Jwt(Secret),
    /// An authorization code, which is good once.
    AuthCode {
        /// The code.
        code: Secret,
        /// The redirect URI that it was given to.
        redirect_uri: String,
        /// The PKCE verifier, where the request had a challenge.
        verifier: Option<Secret>,
    },
    /// A refresh token, which is good once: [`Message::RefreshToken`](crate::Message::RefreshToken)
    /// brings the next.
    RefreshToken(Secret),
    /// The application gives access tokens when it is asked, by
    /// [`Item::TokenNeeded`](redial_core::Item::TokenNeeded): so several sessions share one OAuth
    /// session, and so a device never sees the client's secret.
    Ask,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jwt(_) => "Jwt(..)",
            Self::AuthCode { .. } => "AuthCode(..)",
            Self::RefreshToken(_) => "RefreshToken(..)",
            Self::Ask => "Ask",
        })
    }
}

/// Who asks, and where.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) server: String,
    pub(crate) id: String,
    pub(crate) secret: Secret,
    pub(crate) user_agent: String,
}

impl Client {
    /// Returns whether the server is without TLS.
    pub(crate) fn is_plain(&self) -> bool {
        self.server.starts_with("http://")
    }
}

/// Makes a [`RingCentral`].
#[derive(Clone)]
#[must_use]
pub struct Builder {
    pub(crate) client: Client,
    pub(crate) credentials: Credentials,
    pub(crate) account: Option<String>,
    pub(crate) group: Option<AuthGroup>,
    /// The wait that a 429 without `Retry-After` asks for.
    pub(crate) penalty: Span,
    pub(crate) rest_over_websocket: bool,
    pub(crate) auto_recover: bool,
    pub(crate) wsc_token: Option<Secret>,
    pub(crate) subscribe: Option<(Vec<String>, Option<SubscriptionInfo>)>,
    pub(crate) ttl: Span,
    policy: Policy,
    speed: Speed,
}

impl Builder {
    pub(crate) fn new(client_id: String, client_secret: Secret, credentials: Credentials) -> Self {
        let client = Client {
            server: PRODUCTION.to_owned(),
            id: client_id,
            secret: client_secret,
            user_agent: concat!("redial-ringcentral/", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        Self {
            client,
            credentials,
            account: None,
            group: None,
            penalty: PENALTY,
            rest_over_websocket: false,
            auto_recover: true,
            wsc_token: None,
            subscribe: None,
            ttl: Span::from_secs(60),
            policy: POLICY,
            speed: Speed::REAL,
        }
    }

    /// Asks this server: a scheme, a host and a port perhaps. [`PRODUCTION`] by default. Without TLS
    /// (`http://`), the gateway may be without TLS too; that is for simulators on the same machine.
    pub fn server(mut self, server: impl Into<String>) -> Self {
        self.client.server = server.into();
        self
    }

    /// Names the account whose rate limits hold. By default every client id is an account of its
    /// own.
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Shares the rate group with the other sessions of the account.
    pub fn auth_group(mut self, group: &AuthGroup) -> Self {
        self.group = Some(group.clone());
        self
    }

    /// Sends requests over the socket where they can go there; false by default.
    pub const fn rest_over_websocket(mut self, on: bool) -> Self {
        self.rest_over_websocket = on;
        self
    }

    /// Recovers a lost connection by itself; true by default. Without it the session is suspended
    /// after every loss until the application recovers it, each time by one attempt.
    pub const fn auto_recover(mut self, on: bool) -> Self {
        self.auto_recover = on;
        self
    }

    /// Begins with the context token of an earlier process.
    pub fn wsc_token(mut self, token: impl Into<Secret>) -> Self {
        self.wsc_token = Some(token.into());
        self
    }

    /// Subscribes from the beginning on; see [`Command::Subscribe`](crate::Command::Subscribe).
    pub fn subscribe<F: Into<String>>(
        mut self,
        filters: impl IntoIterator<Item = F>,
        restore: Option<SubscriptionInfo>,
    ) -> Self {
        self.subscribe = Some((filters.into_iter().map(Into::into).collect(), restore));
        self
    }

    /// Lets a request wait this long to be sent; 60 s by default.
    pub const fn ttl(mut self, span: Span) -> Self {
        self.ttl = span;
        self
    }

    /// Uses these rules instead of [`POLICY`]. A wstoken is single-use whatever they say.
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Divides every span of the policy by this. Spans that the server gives stay as they are.
    pub const fn speed(mut self, speed: Speed) -> Self {
        self.speed = speed;
        self
    }

    /// Sends this as `X-User-Agent`, over HTTPS and over the socket.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.client.user_agent = name.into();
        self
    }

    /// Makes an [`Account`] in place of one session: the OAuth session that several sessions share.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn share(self) -> Result<Account, ConfigError> {
        // What would make no session makes no account.
        let checked = self.clone().build()?;
        let mut template = self;
        template.client = checked.config.client.clone();
        template.penalty = checked.config.penalty;
        template.group = checked.config.group.clone();
        Ok(Account::new(template))
    }

    /// Makes the adapter.
    ///
    /// # Errors
    ///
    /// Where the server is no base address, the client, a credential or the context token cannot
    /// be one, the user agent cannot stand in a header, or the policy contradicts itself.
    pub fn build(mut self) -> Result<RingCentral, ConfigError> {
        let server = net::base(&self.client.server).ok_or(ConfigError::Server)?;
        self.client.server = server.to_owned();
        let (id, secret) = (&self.client.id, self.client.secret.expose());
        // A colon would end the id in HTTP Basic.
        let printable = net::is_credential(id) && (secret.is_empty() || net::is_credential(secret));
        if !printable || id.contains(':') {
            return Err(ConfigError::Client);
        }
        let secret = match &self.credentials {
            Credentials::Jwt(secret) | Credentials::RefreshToken(secret) => Some(secret),
            Credentials::AuthCode { code, .. } => Some(code),
            Credentials::Ask => None,
        };
        if secret.is_some_and(|secret| !net::is_credential(secret.expose())) {
            return Err(ConfigError::Credentials);
        }
        if self.wsc_token.as_ref().is_some_and(|token| !net::is_credential(token.expose())) {
            return Err(ConfigError::WscToken);
        }
        if !net::is_header_value(&self.client.user_agent) {
            return Err(ConfigError::UserAgent);
        }
        let mut spec = *self.policy.spec();
        // Whatever a policy says: a wstoken opens one connection, so there is nothing to renew.
        spec.token.single_use = true;
        spec.token.renew = Renew::Never;
        let policy = Policy::try_new(spec).map_err(ConfigError::Policy)?;
        let policy = policy.scaled(self.speed);
        let policy = if self.auto_recover { policy } else { policy.manual() };
        self.ttl = self.ttl.scaled(self.speed);
        self.penalty = self.penalty.scaled(self.speed);
        let group = AuthGroup::with_rate(REQUESTS, WINDOW.scaled(self.speed));
        self.group.get_or_insert(group);
        Ok(RingCentral::new(self, policy))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("server", &self.client.server)
            .field("credentials", &self.credentials)
            .field("rest_over_websocket", &self.rest_over_websocket)
            .field("auto_recover", &self.auto_recover)
            .finish_non_exhaustive()
    }
}

/// Why an adapter cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The server is not a scheme, a host and a port.
    Server,
    /// The client's id or secret is missing or not printable, or the id holds a colon.
    Client,
    /// The credential is missing, too long or not printable.
    Credentials,
    /// The context token is empty, too long or not printable.
    WscToken,
    /// The user agent cannot stand in a header.
    UserAgent,
    /// The policy contradicts itself.
    Policy(PolicyError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "the server is not http(s)://host or http(s)://host:port",
            Self::Client => "the client's id or secret is missing or malformed",
            Self::Credentials => "the credential is missing, too long or not printable",
            Self::WscToken => "the context token is empty, too long or not printable",
            Self::UserAgent => "the user agent holds what a header cannot",
            Self::Policy(error) => return error.fmt(f),
        })
    }
}

impl core::error::Error for ConfigError {}

/// The vendor's production service.
pub const PRODUCTION: &str = "https://platform.ringcentral.com";
/// The vendor's sandbox.
pub const SANDBOX: &str = "https://platform.devtest.ringcentral.com";
