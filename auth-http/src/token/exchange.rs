//! Tokens that one HTTP exchange gives.

use std::fmt;

use async_trait::async_trait;
use redial_core::http::{HttpRequest, HttpResponse};
use redial_core::{Cause, Fault, Secret};

use super::{TokenRequest, TokenSource, TokenSourceError};
use crate::HttpClient;

/// A [`TokenSource`] that makes one HTTP exchange.
///
/// For tokens that several sessions share and a server replaces: inside a
/// [`SharedTokenSource`](crate::SharedTokenSource), to which the first token is
/// [offered](crate::SharedTokenSource::offer), the exchange is made once for all of them.
///
/// ```
/// use redial_auth_http::{HttpTokenSource, ReqwestClient, SharedTokenSource};
/// use redial_core::Secret;
/// use redial_core::http::{HttpRequest, Method};
///
/// # fn run() -> Result<(), redial_auth_http::HttpError> {
/// let http = ReqwestClient::builder().build()?;
/// let tokens = SharedTokenSource::new(HttpTokenSource::new(
///     http,
///     |request| {
///         let old = request.rejected.as_ref()?;
///         Some(HttpRequest {
///             method: Method::Post,
///             url: "https://api.example.com/refresh".into(),
///             headers: vec![("authorization", format!("Bearer {}", old.expose()))],
///             body: Default::default(),
///         })
///     },
///     |answer| {
///         let text = String::from_utf8(answer.body.to_vec()).ok()?;
///         (answer.status == 200).then(|| text.into())
///     },
/// ));
/// tokens.offer(Secret::new("first"));
/// # Ok(())
/// # }
/// ```
pub struct HttpTokenSource<C, Q, R> {
    http: C,
    ask: Q,
    read: R,
    step: u8,
}

/// What the answer to an exchange brings. An `Option` of a token is one, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenAnswer {
    /// A token.
    Token(Secret),
    /// None. To the session's policy the status is that of an exchange for a token, so it may say
    /// that the session waits and asks again, is suspended, or stops.
    None,
    /// None, and what is asked next is something else: it is asked at once.
    AskOn,
}

impl From<Option<Secret>> for TokenAnswer {
    fn from(token: Option<Secret>) -> Self {
        token.map_or(Self::None, Self::Token)
    }
}

impl<C, Q, R> HttpTokenSource<C, Q, R>
where
    C: HttpClient,
    Q: Fn(&TokenRequest) -> Option<HttpRequest> + Send + Sync,
{
    /// Asks with what `ask` makes of a request and takes the token that `read` finds in the
    /// answer.
    pub const fn new<T: Into<TokenAnswer>>(http: C, ask: Q, read: R) -> Self
    where
        R: Fn(&HttpResponse) -> T + Send + Sync,
    {
        Self { http, ask, read, step: 0 }
    }

    /// Says by which of its adapter's steps the session's policy knows the exchange; the first one
    /// by default.
    #[must_use]
    pub const fn step(mut self, step: u8) -> Self {
        self.step = step;
        self
    }

    async fn exchange(
        &self,
        request: HttpRequest,
        read: impl Fn(&HttpResponse) -> TokenAnswer,
    ) -> Result<Option<Secret>, TokenSourceError> {
        let answer = self.http.perform(request).await?;
        match read(&answer) {
            TokenAnswer::Token(token) => Ok(Some(token)),
            TokenAnswer::AskOn => Ok(None),
            TokenAnswer::None => {
                let text = format!("the answer, status {}, holds no token", answer.status);
                let cause = Cause::Http { step: self.step, status: answer.status };
                let error = TokenSourceError::new(Fault::Vendor, text).with_cause(cause);
                Err(match answer.retry_after {
                    Some(wait) => error.with_retry_after(wait),
                    None => error,
                })
            }
        }
    }
}

#[async_trait]
impl<C, Q, R, T> TokenSource for HttpTokenSource<C, Q, R>
where
    C: HttpClient,
    Q: Fn(&TokenRequest) -> Option<HttpRequest> + Send + Sync,
    R: Fn(&HttpResponse) -> T + Send + Sync,
    T: Into<TokenAnswer>,
{
    async fn token(&self, request: TokenRequest) -> Result<Secret, TokenSourceError> {
        for _ in 0..EXCHANGES_MAX {
            let Some(exchange) = (self.ask)(&request) else {
                return Err(TokenSourceError::new(
                    Fault::Caller,
                    "there is no token to begin with",
                ));
            };
            let read = |answer: &HttpResponse| (self.read)(answer).into();
            if let Some(token) = self.exchange(exchange, read).await? {
                return Ok(token);
            }
        }
        Err(TokenSourceError::new(Fault::Caller, "one exchange led to the next without end"))
    }
}

impl<C, Q, R> fmt::Debug for HttpTokenSource<C, Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTokenSource").finish_non_exhaustive()
    }
}

/// How often one request for a token may ask on.
const EXCHANGES_MAX: u32 = 4;
