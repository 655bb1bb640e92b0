//! HTTP CONNECT and SOCKS5.

use std::io;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;

use super::request::Request;
use super::upgrade::read_head;
use super::{Deadlines, limited, tcp};
use crate::error::{ConnectorError, DialError, Failure, Stage};

/// Which requests go through which proxy.
pub(super) struct Proxies(Option<Matcher>);

impl Proxies {
    pub(super) const fn none() -> Self {
        Self(None)
    }

    pub(super) fn from_env() -> Self {
        Self(Some(Matcher::from_env()))
    }

    /// Sends everything through the proxy at `url`.
    pub(super) fn one(url: &str) -> Result<Self, ConnectorError> {
        let matcher = Matcher::builder().all(url).build();
        // The matcher skips a proxy that it cannot read, and the dial would go around it.
        let probe = Uri::from_static("http://example.com/");
        let known = url.contains("://")
            && matcher.intercept(&probe).is_some_and(|found| Proxy::new(&found).is_ok());
        if known {
            Ok(Self(Some(matcher)))
        } else {
            Err(ConnectorError::caller("the proxy is none of http, socks5 and socks5h"))
        }
    }

    /// Returns the proxy for `request`, if it needs one.
    pub(super) fn for_request(&self, request: &Request) -> Result<Option<Proxy>, DialError> {
        let Some(matcher) = &self.0 else { return Ok(None) };
        let scheme = if request.is_tls() { "https" } else { "http" };
        let target = Uri::builder().scheme(scheme).authority(request.peer()).path_and_query("/");
        let target = target.build().map_err(|_| DialError::caller("the host is invalid"))?;
        matcher.intercept(&target).map(|found| Proxy::new(&found)).transpose()
    }
}

/// A proxy for one dial.
pub(super) struct Proxy {
    host: String,
    port: u16,
    kind: Kind,
}

impl Proxy {
    fn new(found: &Intercept) -> Result<Self, DialError> {
        let uri = found.uri();
        let unknown = || DialError::caller("the proxy is none of http, socks5 and socks5h");
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(unknown)?;
        let login = found.raw_auth().map(|(user, password)| (user.into(), password.into()));
        let (kind, default) = match uri.scheme_str() {
            Some("http") => (Kind::Connect(found.basic_auth().cloned()), 80),
            Some("socks5") => (Kind::Socks { login, resolve_here: true }, 1080),
            Some("socks5h") => (Kind::Socks { login, resolve_here: false }, 1080),
            _ => return Err(unknown()),
        };
        Ok(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: uri.port_u16().unwrap_or(default),
            kind,
        })
    }

    /// Connects to the proxy and has it open a tunnel to the server.
    pub(super) async fn tunnel(
        &self,
        request: &Request,
        deadlines: &Deadlines,
        stage: &mut Stage,
    ) -> Result<TcpStream, DialError> {
        match &self.kind {
            Kind::Connect(login) => {
                let stream = self.reach(deadlines, stage).await?;
                let tunnel = connect(stream, request.peer(), login.as_ref());
                limited(deadlines.proxy, Stage::Proxy, tunnel).await
            }
            Kind::Socks { login, resolve_here: false } => {
                let stream = self.reach(deadlines, stage).await?;
                let target = (request.host(), request.port());
                let tunnel = socks(stream, target, login.as_ref());
                limited(deadlines.proxy, Stage::Proxy, tunnel).await
            }
            Kind::Socks { login, resolve_here: true } => {
                let (host, port) = (request.host(), request.port());
                let mut result = Err(no_address());
                for address in tcp::resolve(host, port, deadlines, stage).await? {
                    let stream = self.reach(deadlines, stage).await?;
                    let tunnel = socks(stream, address, login.as_ref());
                    result = limited(deadlines.proxy, Stage::Proxy, tunnel).await;
                    if result.is_ok() {
                        break;
                    }
                }
                result
            }
        }
    }

    async fn reach(
        &self,
        deadlines: &Deadlines,
        stage: &mut Stage,
    ) -> Result<TcpStream, DialError> {
        let stream = tcp::connect(&self.host, self.port, deadlines, stage).await?;
        *stage = Stage::Proxy;
        Ok(stream)
    }
}

enum Kind {
    Connect(Option<HeaderValue>),
    Socks { login: Option<(Box<str>, Box<str>)>, resolve_here: bool },
}

async fn connect(
    mut stream: TcpStream,
    target: &str,
    login: Option<&HeaderValue>,
) -> Result<TcpStream, DialError> {
    let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(login) = login {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(login.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    stream.write_all(&head).await.map_err(|error| DialError::network(Stage::Proxy, error))?;
    let mut answer = Vec::with_capacity(512);
    let length = read_head(&mut stream, &mut answer, Stage::Proxy).await?;
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    if !matches!(parsed.parse(&answer[..length]), Ok(httparse::Status::Complete(_))) {
        return Err(broken("the proxy's answer is not HTTP"));
    }
    let status = parsed.code.unwrap_or_default();
    if !(200..300).contains(&status) {
        return Err(DialError::new(Stage::Proxy, Failure::ProxyStatus(status)));
    }
    // In a WebSocket the client speaks first, with TLS and without.
    if answer.len() > length {
        return Err(broken("the proxy sent bytes before the server could"));
    }
    Ok(stream)
}

async fn socks<'a>(
    stream: TcpStream,
    target: impl tokio_socks::IntoTargetAddr<'a>,
    login: Option<&(Box<str>, Box<str>)>,
) -> Result<TcpStream, DialError> {
    let tunnel = match login {
        Some((user, password)) => {
            Socks5Stream::connect_with_password_and_socket(stream, target, user, password).await
        }
        None => Socks5Stream::connect_with_socket(stream, target).await,
    };
    match tunnel {
        Ok(tunnel) => Ok(tunnel.into_inner()),
        Err(error) => Err(DialError::network(Stage::Proxy, error)),
    }
}

fn broken(text: &'static str) -> DialError {
    DialError::network(Stage::Proxy, io::Error::new(io::ErrorKind::InvalidData, text))
}

fn no_address() -> DialError {
    let error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    DialError::network(Stage::Dns, error)
}
