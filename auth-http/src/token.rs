//! Tokens that the application brings.

mod exchange;
mod shared;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use redial_core::{Cause, Secret, Span};

pub use self::exchange::{HttpTokenSource, TokenAnswer};
pub use self::shared::SharedTokenSource;
use crate::{BoxError, Fault, HttpError};

/// Gives a session its tokens.
///
/// A closure that takes a [`TokenRequest`] and returns a future is a source. Several sessions with
/// one credential should share one source through [`SharedTokenSource`].
///
/// # Examples
///
/// ```
/// use redial_auth_http::{TokenRequest, TokenSource, TokenSourceError};
/// use redial_core::Secret;
///
/// fn source() -> impl TokenSource {
///     |_request: TokenRequest| async { Ok::<_, TokenSourceError>(Secret::new("fresh")) }
/// }
/// # let _ = source();
/// ```
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// Fetches a token.
    ///
    /// # Errors
    ///
    /// Fails when there is none; the session then waits as its policy says and asks again.
    async fn token(&self, request: TokenRequest) -> Result<Secret, TokenSourceError>;
}

#[async_trait]
impl<F, T> TokenSource for F
where
    F: Fn(TokenRequest) -> T + Send + Sync,
    T: Future<Output = Result<Secret, TokenSourceError>> + Send,
{
    async fn token(&self, request: TokenRequest) -> Result<Secret, TokenSourceError> {
        self(request).await
    }
}

/// What a token is wanted for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The token that must be replaced: it was rejected, or it is about to expire. None for the
    /// first one.
    pub rejected: Option<Secret>,
    /// Why it was rejected. None where nothing was rejected.
    pub cause: Option<Cause>,
}

impl TokenRequest {
    /// Makes a request for the first token.
    #[must_use]
    pub const fn first() -> Self {
        Self { rejected: None, cause: None }
    }

    /// Makes a request for a token in place of `rejected`.
    #[must_use]
    pub const fn replacing(rejected: Secret, cause: Option<Cause>) -> Self {
        Self { rejected: Some(rejected), cause }
    }
}

/// Why a [`TokenSource`] has no token.
///
/// `Display` and `Debug` show whose fault it is and nothing else; the source is the application's
/// own error and is given as it came.
#[derive(Clone)]
pub struct TokenSourceError {
    fault: Fault,
    cause: Cause,
    retry_after: Option<Span>,
    source: Arc<dyn Error + Send + Sync>,
}

impl TokenSourceError {
    /// Makes an error from the application's own. To the session's policy it is one of the network.
    #[must_use]
    pub fn new(fault: Fault, source: impl Into<BoxError>) -> Self {
        let (cause, retry_after) = (Cause::Network, None);
        Self { fault, cause, retry_after, source: Arc::from(source.into()) }
    }

    /// Says what it is to the session's policy, which may wait, suspend or stop.
    #[must_use]
    pub const fn with_cause(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// Adds the wait that the token's issuer asked for.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Span) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Returns whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// Returns what it is to the session's policy.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Returns the wait that the token's issuer asked for.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Span> {
        self.retry_after
    }
}

impl fmt::Display for TokenSourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token source failed ({})", self.fault)
    }
}

impl fmt::Debug for TokenSourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSourceError")
            .field("fault", &self.fault)
            .field("cause", &self.cause)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

impl Error for TokenSourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

impl From<HttpError> for TokenSourceError {
    fn from(error: HttpError) -> Self {
        Self::new(error.fault(), error)
    }
}
