//! Where tokens come from.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use core::fmt;

use redial_core::Secret;
use redial_core::http::{HttpRequest, HttpResponse, Method};
use serde::Deserialize;
use serde_json::json;

use crate::error::ConfigError;
use crate::net::{self, Base};

/// What opens a socket: the token of an instance, and where another one comes from when the
/// server refuses it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// This token and no other. A refusal is reported, and tried again at the policy's pace.
    Token(Secret),
    /// This token, and after a refusal another one of the server's own, by [`Refresh`].
    ///
    /// For one socket of an instance only. The server refreshes the token that it has stored and
    /// no older one, so that a second socket would come too late: several share a source and use
    /// [`Credentials::Ask`].
    Refresh {
        /// The instance that the token belongs to.
        instance: String,
        /// Its token.
        token: Secret,
    },
    /// The application gives a token when it is asked, by
    /// [`Item::TokenNeeded`](redial_core::Item::TokenNeeded).
    Ask,
    /// This token, and after a refusal another one as with [`Credentials::Ask`]. Where the
    /// application has none the old one is tried again.
    TokenThenAsk(Secret),
}

impl Credentials {
    pub(super) fn token(&self) -> Option<&Secret> {
        match self {
            Self::Token(token) | Self::Refresh { token, .. } | Self::TokenThenAsk(token) => {
                Some(token)
            }
            Self::Ask => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(..)",
            Self::Refresh { .. } => "Refresh(..)",
            Self::Ask => "Ask",
            Self::TokenThenAsk(_) => "TokenThenAsk(..)",
        })
    }
}

/// The server's own way to another token: `PUT /instance/refreshToken/{instance}`.
///
/// CodeChat 1.3.7, `src/whatsapp/routers/instance.router.ts`: the old token must be signed by this
/// server and be the one that it has stored; its expiry does not matter. The old one goes on
/// opening sockets for as long as it would have.
///
/// ```
/// use redial_core::http::HttpResponse;
/// use redial_core::Secret;
/// use redial_evolution::codechat::Refresh;
///
/// let refresh = Refresh::new("http://localhost:8084", "shop-1")?;
/// let request = refresh.request(&Secret::new("old"));
/// assert_eq!(request.url, "http://localhost:8084/instance/refreshToken/shop-1");
/// assert_eq!(request.body, r#"{"oldToken":"old"}"#);
///
/// let body = r#"{"id":1,"token":"new"}"#.into();
/// let answer = HttpResponse { status: 201, headers: vec![], body, retry_after: None };
/// assert_eq!(Refresh::token(&answer), Some(Secret::new("new")));
/// # Ok::<(), redial_evolution::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Refresh {
    url: String,
}

impl Refresh {
    /// Says which server and which instance. The address is as for [`CodeChat`](super::CodeChat).
    ///
    /// # Errors
    ///
    /// Where the address has no host, or the instance no name.
    pub fn new(url: &str, instance: &str) -> Result<Self, ConfigError> {
        Self::at(&super::config::base(url)?, instance)
    }

    pub(super) fn at(base: &Base, instance: &str) -> Result<Self, ConfigError> {
        if instance.is_empty() || instance.len() > MAX_INSTANCE {
            return Err(ConfigError::Instance);
        }
        let mut path = "/instance/refreshToken/".to_owned();
        path.push_str(&net::encoded(instance));
        Ok(Self { url: base.http(&path) })
    }

    /// Returns the request that has a token replaced.
    #[must_use]
    pub fn request(&self, old: &Secret) -> HttpRequest {
        HttpRequest {
            method: Method::Put,
            url: self.url.clone(),
            headers: [("content-type", "application/json".to_owned())].into(),
            body: json!({ "oldToken": old.expose() }).to_string().into(),
        }
    }

    /// Reads the new token; none where the server refused, or answered something else.
    #[must_use]
    pub fn token(answer: &HttpResponse) -> Option<Secret> {
        if !(200..300).contains(&answer.status) {
            return None;
        }
        let Answer { token } = serde_json::from_slice(&answer.body).ok()?;
        net::is_credential(&token).then(|| Secret::new(token))
    }
}

impl fmt::Debug for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresh").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Answer {
    token: String,
}

/// The longest name of an instance that is taken.
pub(crate) const MAX_INSTANCE: usize = 256;
