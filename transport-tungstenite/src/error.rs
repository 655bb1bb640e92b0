//! Why a dial failed, and why a connector cannot be made.

use std::error::Error;
use std::fmt;

use redial_auth_http::{BoxError, Fault, HttpError};
use redial_core::{Cause, Problem, Span, Wait};

/// Why a [`Client`](crate::Client) cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The operating system has no random numbers.
    #[error("the operating system has no random numbers")]
    Random(#[source] BoxError),
    /// The default HTTP client cannot be made.
    #[error("the HTTP client cannot be made")]
    Http(#[source] HttpError),
    /// The default connector cannot be made.
    #[error("the connector cannot be made")]
    Connector(#[from] ConnectorError),
}

impl ClientError {
    pub(crate) fn random(error: getrandom::Error) -> Self {
        Self::Random(error.into())
    }
}

/// Why a [`Connector`](crate::Connector) cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct ConnectorError {
    text: &'static str,
    fault: Fault,
    source: Option<BoxError>,
}

impl ConnectorError {
    pub(crate) fn caller(text: &'static str) -> Self {
        Self { text, fault: Fault::Caller, source: None }
    }

    /// Returns whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }
}

impl From<HttpError> for ConnectorError {
    fn from(error: HttpError) -> Self {
        Self { text: "TLS cannot be configured", fault: error.fault(), source: Some(error.into()) }
    }
}

/// Why a dial failed.
///
/// `Display` names the stage, the host and the port; neither it nor `Debug` nor the sources hold
/// paths, queries, headers, user information or anything that the peer wrote.
#[derive(Debug)]
pub struct DialError {
    stage: Stage,
    /// Host and port of the server; empty where the URL has none.
    peer: String,
    failure: Failure,
}

impl DialError {
    pub(crate) fn new(stage: Stage, failure: Failure) -> Self {
        Self { stage, peer: String::new(), failure }
    }

    pub(crate) fn caller(text: &'static str) -> Self {
        Self::new(Stage::Request, Failure::Caller(text))
    }

    pub(crate) fn network(stage: Stage, source: impl Into<BoxError>) -> Self {
        Self::new(stage, Failure::Network { source: source.into() })
    }

    pub(crate) fn vendor(stage: Stage, text: &'static str) -> Self {
        Self::new(stage, Failure::Vendor(text))
    }

    pub(crate) fn timeout(stage: Stage) -> Self {
        Self::new(stage, Failure::Timeout)
    }

    pub(crate) fn with_peer(mut self, peer: &str) -> Self {
        peer.clone_into(&mut self.peer);
        self
    }

    /// Returns what the session is to be told.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        match self.failure {
            Failure::Status { status, .. } => Cause::Handshake(status),
            Failure::Timeout => Cause::Timeout(Wait::Connect),
            Failure::Caller(_)
            | Failure::Vendor(_)
            | Failure::ProxyStatus(_)
            | Failure::Network { .. } => Cause::Network,
        }
    }

    /// Returns the wait that the server's refusal asked for.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Span> {
        match self.failure {
            Failure::Status { retry_after, .. } => retry_after,
            Failure::Timeout
            | Failure::Caller(_)
            | Failure::Vendor(_)
            | Failure::ProxyStatus(_)
            | Failure::Network { .. } => None,
        }
    }

    /// Returns whose fault it is.
    ///
    /// What is the caller's fault fails again however often it is tried.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self.failure {
            Failure::Caller(_) => Fault::Caller,
            Failure::ProxyStatus(PROXY_AUTHENTICATION_REQUIRED) => Fault::Caller,
            Failure::Status { .. } | Failure::Vendor(_) => Fault::Vendor,
            Failure::Timeout | Failure::ProxyStatus(_) | Failure::Network { .. } => Fault::Network,
        }
    }

    /// Returns what an application should hear of beyond the cause: that it asked for what cannot
    /// be dialled, or that the peer is no WebSocket server.
    #[must_use]
    pub const fn problem(&self) -> Option<Problem> {
        let text = match self.failure {
            Failure::Caller(text) | Failure::Vendor(text) => text,
            Failure::ProxyStatus(PROXY_AUTHENTICATION_REQUIRED) => {
                "the proxy wants other credentials"
            }
            Failure::ProxyStatus(_) => "the proxy refused",
            Failure::Status { .. } | Failure::Timeout | Failure::Network { .. } => return None,
        };
        Some(Problem { fault: self.fault(), text })
    }

    /// Returns how far the dial had come.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Returns the status of the server's answer, when it was not 101.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self.failure {
            Failure::Status { status, .. } => Some(status),
            Failure::Timeout
            | Failure::Caller(_)
            | Failure::Vendor(_)
            | Failure::ProxyStatus(_)
            | Failure::Network { .. } => None,
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.stage)?;
        if !self.peer.is_empty() {
            write!(f, " {}", self.peer)?;
        }
        match &self.failure {
            Failure::Caller(text) | Failure::Vendor(text) => write!(f, ": {text}"),
            Failure::Status { status, .. } => write!(f, ": the server answered {status}"),
            Failure::ProxyStatus(status) => write!(f, ": the proxy answered {status}"),
            Failure::Timeout => f.write_str(": not in its time"),
            Failure::Network { .. } => f.write_str(": failed"),
        }
    }
}

impl Error for DialError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.failure {
            Failure::Network { source } => Some(&**source),
            Failure::Caller(_)
            | Failure::Vendor(_)
            | Failure::Status { .. }
            | Failure::ProxyStatus(_)
            | Failure::Timeout => None,
        }
    }
}

/// How far a dial had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Nothing was sent: URL or headers cannot be used.
    Request,
    /// The name of the server or of the proxy was resolved.
    Dns,
    /// TCP was connected, to the server or to the proxy.
    Tcp,
    /// The proxy was asked for a tunnel.
    Proxy,
    /// TLS was negotiated.
    Tls,
    /// The upgrade was sent.
    Upgrade,
}

impl Stage {
    /// Returns the word for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Upgrade => "upgrade",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What failed. Texts are fixed and sources come from below HTTP, so no peer's words get in.
#[derive(Debug)]
pub(crate) enum Failure {
    Caller(&'static str),
    Vendor(&'static str),
    Status { status: u16, retry_after: Option<Span> },
    ProxyStatus(u16),
    Timeout,
    Network { source: BoxError },
}

const PROXY_AUTHENTICATION_REQUIRED: u16 = 407;
