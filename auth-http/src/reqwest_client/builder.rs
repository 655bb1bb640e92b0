//! How a [`ReqwestClient`] is made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Proxy, Url};
use rustls::ClientConfig;

use super::ReqwestClient;
use crate::HttpError;
use crate::tls::TlsBuilder;

/// Builds a [`ReqwestClient`].
pub struct ReqwestClientBuilder {
    client: Option<reqwest::Client>,
    connect_timeout: Option<Duration>,
    exchange_timeout: Option<Duration>,
    body_limit: usize,
    proxy: ProxyChoice,
    tls: Option<Arc<ClientConfig>>,
    roots: Vec<Vec<u8>>,
}

impl ReqwestClientBuilder {
    pub(super) fn new() -> Self {
        Self {
            client: None,
            connect_timeout: Some(CONNECT_TIMEOUT),
            exchange_timeout: Some(EXCHANGE_TIMEOUT),
            body_limit: BODY_LIMIT,
            proxy: ProxyChoice::None,
            tls: None,
            roots: Vec::new(),
        }
    }

    /// Uses a client that the application has made.
    ///
    /// Its proxies, TLS, connect timeout and redirect policy count then. Build it with
    /// [`reqwest::redirect::Policy::none`]: reqwest's default sends custom headers and, for 307 and
    /// 308, the body to whatever host a redirect names. An answer from another origin than the one
    /// that was asked is refused with an error of the caller, but by then the request is out.
    #[must_use]
    pub fn client(mut self, client: reqwest::Client) -> Self {
        self.client = Some(client);
        self
    }

    /// Sets the limit for name resolution, TCP, proxy and TLS together; 10 s at first.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the limit for a whole exchange, its redirects and its body included; 60 s at first.
    ///
    /// It is a backstop: a session has a deadline of its own for each exchange and drops it then.
    #[must_use]
    pub fn exchange_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.exchange_timeout = timeout;
        self
    }

    /// Sets how many bytes the body of an answer may have; 1 MiB at first.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sends everything through a proxy: `http://`, `https://` (both HTTP CONNECT for https),
    /// `socks5://` or `socks5h://`, with `user:password@` where it wants one.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = ProxyChoice::Url(url.into());
        self
    }

    /// Uses the proxies that the environment names (`HTTPS_PROXY`, `NO_PROXY`, ...).
    #[must_use]
    pub fn proxy_from_env(mut self) -> Self {
        self.proxy = ProxyChoice::Env;
        self
    }

    /// Uses this TLS configuration; see [`TlsBuilder`] for a way to make one.
    #[must_use]
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Trusts the certificates of a PEM text as well as the platform's.
    #[must_use]
    pub fn root_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    ///
    /// Fails when a proxy URL or a root certificate is invalid, and when options contradict each
    /// other: a given client with a proxy or TLS settings, a given TLS configuration with roots.
    pub fn build(self) -> Result<ReqwestClient, HttpError> {
        let (exchange_timeout, body_limit) = (self.exchange_timeout, self.body_limit);
        let client = self.into_client()?;
        Ok(ReqwestClient { client, exchange_timeout, body_limit })
    }

    fn into_client(self) -> Result<reqwest::Client, HttpError> {
        if let Some(client) = self.client {
            let untouched = matches!(self.proxy, ProxyChoice::None)
                && self.tls.is_none()
                && self.roots.is_empty();
            return if untouched {
                Ok(client)
            } else {
                Err(HttpError::caller("a given reqwest client has its own proxy and TLS", None))
            };
        }
        let tls = match (self.tls, self.roots) {
            (Some(config), roots) if roots.is_empty() => config,
            (Some(_), _) => {
                return Err(HttpError::caller("a given TLS configuration has its own roots", None));
            }
            (None, roots) => roots
                .iter()
                .try_fold(TlsBuilder::new(), |builder, pem| builder.root_pem(pem))?
                .build()?,
        };
        let mut builder = reqwest::Client::builder()
            .http1_only()
            .tls_backend_preconfigured((*tls).clone())
            .redirect(Policy::custom(same_origin_only))
            .referer(false);
        if let Some(timeout) = self.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        builder = match self.proxy {
            ProxyChoice::None => builder.no_proxy(),
            ProxyChoice::Env => builder,
            ProxyChoice::Url(url) => builder.no_proxy().proxy(parse_proxy(&url)?),
        };
        builder.build().map_err(|error| {
            HttpError::caller("the HTTP client cannot be made", super::scrub(error))
        })
    }
}

impl fmt::Debug for ReqwestClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The proxy's URL may hold a password.
        f.debug_struct("ReqwestClientBuilder")
            .field("connect_timeout", &self.connect_timeout)
            .field("exchange_timeout", &self.exchange_timeout)
            .field("body_limit", &self.body_limit)
            .finish_non_exhaustive()
    }
}

enum ProxyChoice {
    None,
    Env,
    Url(String),
}

/// Follows a redirect only where the credentials belong; elsewhere the 3xx is the answer.
fn same_origin_only(attempt: Attempt<'_>) -> Action {
    let stays = attempt.previous().iter().all(|url| url.origin() == attempt.url().origin());
    if stays && attempt.previous().len() <= MAX_REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

fn parse_proxy(url: &str) -> Result<Proxy, HttpError> {
    let parsed = Url::parse(url).map_err(|error| {
        HttpError::caller("the URL of the proxy is invalid", Some(error.into()))
    })?;
    // reqwest goes around a proxy whose scheme it does not know, so it must not get one.
    if !matches!(parsed.scheme(), "http" | "https" | "socks5" | "socks5h") || !parsed.has_host() {
        return Err(HttpError::caller(
            "the proxy is none of http, https, socks5 and socks5h",
            None,
        ));
    }
    Proxy::all(parsed)
        .map_err(|error| HttpError::caller("the URL of the proxy is invalid", super::scrub(error)))
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(60);
const BODY_LIMIT: usize = 1024 * 1024;
const MAX_REDIRECTS: usize = 5;
