//! Failures, sorted by whose fault they are.

use std::error::Error;
use std::fmt;

use redial_core::Fault;
use redial_core::http::NoAnswer;

/// A foreign error, kept as the source of one of ours.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// Why there is no answer.
///
/// The texts are fixed: no URL, header, body or token is in them, and none is in the sources, which
/// are stripped of URLs before they are kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// A defect of this crate.
    #[error("{text}")]
    #[non_exhaustive]
    Ours {
        /// What went wrong.
        text: &'static str,
        /// The foreign error behind it.
        source: Option<BoxError>,
    },
    /// A request or a configuration that cannot work.
    #[error("{text}")]
    #[non_exhaustive]
    Caller {
        /// What is wrong with it.
        text: &'static str,
        /// The foreign error behind it.
        source: Option<BoxError>,
    },
    /// An answer beyond what is accepted.
    #[error("{text}")]
    #[non_exhaustive]
    Vendor {
        /// Which limit or rule was broken.
        text: &'static str,
        /// The foreign error behind it.
        source: Option<BoxError>,
    },
    /// No answer, or half of one.
    #[error("{text}")]
    #[non_exhaustive]
    Network {
        /// What failed.
        text: &'static str,
        /// The foreign error behind it.
        source: Option<BoxError>,
    },
    /// The server was not reached, so it has not had the request.
    #[error("{text}")]
    #[non_exhaustive]
    Unreached {
        /// What failed.
        text: &'static str,
        /// The foreign error behind it.
        source: Option<BoxError>,
    },
    /// A limit of time of the client itself passed.
    #[error("{step} did not end in its time")]
    #[non_exhaustive]
    Timeout {
        /// What took too long.
        step: Step,
    },
}

impl HttpError {
    /// Makes an error for a request or a configuration that cannot work.
    #[must_use]
    pub fn caller(text: &'static str, source: Option<BoxError>) -> Self {
        Self::Caller { text, source }
    }

    /// Makes an error for an answer beyond what is accepted.
    #[must_use]
    pub fn vendor(text: &'static str, source: Option<BoxError>) -> Self {
        Self::Vendor { text, source }
    }

    /// Makes an error for an answer that did not come.
    ///
    /// The text of `source` is shown as it stands, so it must name no URL and no secret.
    #[must_use]
    pub fn network(text: &'static str, source: Option<BoxError>) -> Self {
        Self::Network { text, source }
    }

    /// Makes an error for a server that was not reached: it has not had the request.
    ///
    /// The text of `source` is shown as it stands, so it must name no URL and no secret.
    #[must_use]
    pub fn unreached(text: &'static str, source: Option<BoxError>) -> Self {
        Self::Unreached { text, source }
    }

    /// Makes an error for a step that took too long.
    #[must_use]
    pub fn timeout(step: Step) -> Self {
        Self::Timeout { step }
    }

    /// Returns whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Ours { .. } => Fault::Ours,
            Self::Caller { .. } => Fault::Caller,
            Self::Vendor { .. } => Fault::Vendor,
            Self::Network { .. } | Self::Unreached { .. } | Self::Timeout { .. } => Fault::Network,
        }
    }
}

impl From<&HttpError> for NoAnswer {
    fn from(error: &HttpError) -> Self {
        match error {
            HttpError::Timeout { .. } => Self::Timeout,
            HttpError::Unreached { .. } => Self::Unreached,
            HttpError::Ours { .. }
            | HttpError::Caller { .. }
            | HttpError::Vendor { .. }
            | HttpError::Network { .. } => Self::Network,
        }
    }
}

impl From<HttpError> for NoAnswer {
    fn from(error: HttpError) -> Self {
        Self::from(&error)
    }
}

/// A part of an exchange that has a limit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Name resolution, TCP, proxy and TLS.
    Connect,
    /// The whole exchange.
    Exchange,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "the connection",
            Self::Exchange => "the exchange",
        })
    }
}
