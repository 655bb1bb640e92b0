//! [`HttpClient`](crate::HttpClient) on reqwest.

mod builder;

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use redial_core::http::{HttpRequest, HttpResponse, Method};
use reqwest::Url;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use tracing::{Instrument, Span, field};

pub use self::builder::ReqwestClientBuilder;
use crate::{BoxError, HttpClient, HttpError, Step, retry_after_in};

/// Performs exchanges with reqwest; cheap to clone, connections are shared by the clones.
#[derive(Clone)]
pub struct ReqwestClient {
    client: reqwest::Client,
    exchange_timeout: Option<Duration>,
    body_limit: usize,
}

impl ReqwestClient {
    /// Starts to build a client.
    #[must_use]
    pub fn builder() -> ReqwestClientBuilder {
        ReqwestClientBuilder::new()
    }

    async fn exchange(&self, url: Url, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let asked = url.clone();
        let mut headers = header_map(&request.headers)?;
        if request.body.is_empty() && expects_body(request.method) {
            // hyper says nothing about an empty body, and some servers answer 411 then.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut builder = self.client.request(method(request.method), url).headers(headers);
        if let Some(timeout) = self.exchange_timeout {
            builder = builder.timeout(timeout);
        }
        if !request.body.is_empty() {
            builder = builder.body(request.body);
        }
        let mut response = builder.send().await.map_err(no_answer)?;
        if response.url().origin() != asked.origin() {
            return Err(HttpError::caller(
                "the given reqwest client follows redirects to other origins",
                None,
            ));
        }
        let status = response.status().as_u16();
        Span::current().record("status", status);
        let body = self.read_body(&mut response).await?;
        let retry_after = retry_after_in(
            response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())),
        );
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        Ok(HttpResponse { status, headers, body, retry_after })
    }

    async fn read_body(&self, response: &mut reqwest::Response) -> Result<Bytes, HttpError> {
        const TOO_LARGE: &str = "the body of the answer is larger than the limit";
        let declared = response.content_length().unwrap_or(0);
        if usize::try_from(declared).map_or(true, |declared| declared > self.body_limit) {
            return Err(HttpError::vendor(TOO_LARGE, None));
        }
        // Nothing is reserved for the declared length: it is the peer's word.
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if chunk.len() > self.body_limit - body.len() {
                return Err(HttpError::vendor(TOO_LARGE, None));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn perform(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let url = parse_url(&request.url);
        let span = tracing::debug_span!(
            "redial.http",
            method = request.method.as_str(),
            host = url.as_ref().ok().map(host_and_port),
            status = field::Empty,
            elapsed_ms = field::Empty,
            fault = field::Empty,
        );
        async {
            let begun = Instant::now();
            let result = match url {
                Ok(url) => self.exchange(url, request).await,
                Err(error) => Err(error),
            };
            let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let span = Span::current();
            span.record("elapsed_ms", millis);
            match &result {
                Ok(_) => tracing::debug!("the exchange ended"),
                Err(error) => {
                    span.record("fault", error.fault().as_str());
                    tracing::debug!(%error, "the exchange failed");
                }
            }
            result
        }
        .instrument(span)
        .await
    }
}

impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The inner client's Debug shows its proxies and default headers.
        f.debug_struct("ReqwestClient")
            .field("exchange_timeout", &self.exchange_timeout)
            .field("body_limit", &self.body_limit)
            .finish_non_exhaustive()
    }
}

fn parse_url(url: &str) -> Result<Url, HttpError> {
    let url = Url::parse(url).map_err(|error| {
        HttpError::caller("the URL of the request is invalid", Some(error.into()))
    })?;
    if matches!(url.scheme(), "http" | "https") {
        Ok(url)
    } else {
        Err(HttpError::caller("the URL of the request is neither http nor https", None))
    }
}

fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

const fn expects_body(method: Method) -> bool {
    match method {
        Method::Post | Method::Put | Method::Patch => true,
        Method::Get | Method::Delete => false,
    }
}

fn header_map(headers: &[(&'static str, String)]) -> Result<HeaderMap, HttpError> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| {
            HttpError::caller("the name of a header is invalid", Some(error.into()))
        })?;
        let mut value = HeaderValue::from_str(value).map_err(|error| {
            HttpError::caller("the value of a header is invalid", Some(error.into()))
        })?;
        // Any value may hold a credential, and this keeps it out of foreign `Debug` output.
        value.set_sensitive(true);
        map.append(name, value);
    }
    Ok(map)
}

fn no_answer(error: reqwest::Error) -> HttpError {
    if error.is_timeout() {
        let step = if error.is_connect() { Step::Connect } else { Step::Exchange };
        return HttpError::timeout(step);
    }
    if error.is_builder() {
        return HttpError::caller("the request cannot be made", scrub(error));
    }
    if error.is_redirect() {
        return HttpError::caller("the given reqwest client refuses a redirect", scrub(error));
    }
    if error.is_connect() {
        return HttpError::unreached("the server cannot be reached", scrub(error));
    }
    let text = if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "there was no valid answer"
    };
    HttpError::network(text, scrub(error))
}

/// Takes the URL out of an error, or drops an error that has another one deeper down.
fn scrub(error: reqwest::Error) -> Option<BoxError> {
    let error = error.without_url();
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.downcast_ref::<reqwest::Error>().is_some_and(|inner| inner.url().is_some()) {
            return None;
        }
        source = inner.source();
    }
    Some(error.into())
}
