//! Tokens that one HTTP exchange gives.

use std::fmt;

use async_trait::async_trait;
use redial_core::http::{HttpRequest, HttpResponse};
use redial_core::{Fault, Secret};

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
}

impl<C, Q, R> HttpTokenSource<C, Q, R>
where
    C: HttpClient,
    Q: Fn(&TokenRequest) -> Option<HttpRequest> + Send + Sync,
    R: Fn(&HttpResponse) -> Option<Secret> + Send + Sync,
{
    /// Asks with what `ask` makes of a request and takes the token that `read` finds in the
    /// answer. Either may say that there is none; the session then waits and asks again.
    pub const fn new(http: C, ask: Q, read: R) -> Self {
        Self { http, ask, read }
    }
}

#[async_trait]
impl<C, Q, R> TokenSource for HttpTokenSource<C, Q, R>
where
    C: HttpClient,
    Q: Fn(&TokenRequest) -> Option<HttpRequest> + Send + Sync,
    R: Fn(&HttpResponse) -> Option<Secret> + Send + Sync,
{
    async fn token(&self, request: TokenRequest) -> Result<Secret, TokenSourceError> {
        let Some(request) = (self.ask)(&request) else {
            return Err(TokenSourceError::new(Fault::Caller, "there is no token to begin with"));
        };
        let answer = self.http.perform(request).await?;
        match ((self.read)(&answer), answer.retry_after) {
            (Some(token), _) => Ok(token),
            (None, wait) => {
                let text = format!("the answer, status {}, holds no token", answer.status);
                let error = TokenSourceError::new(Fault::Vendor, text);
                Err(match wait {
                    Some(wait) => error.with_retry_after(wait),
                    None => error,
                })
            }
        }
    }
}

impl<C, Q, R> fmt::Debug for HttpTokenSource<C, Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTokenSource").finish_non_exhaustive()
    }
}
