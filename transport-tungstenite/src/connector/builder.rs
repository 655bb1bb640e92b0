//! How a [`Connector`] is made.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redial_auth_http::tls::{DEFAULT_TICKETS, TlsBuilder};
use redial_core::Secret;
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::proxy::Proxies;
use super::{Connector, Inner, request};
use crate::error::ConnectorError;
use crate::governor::SharedGovernor;

/// Builds a [`Connector`].
pub struct ConnectorBuilder {
    tls: Option<Arc<ClientConfig>>,
    roots: Vec<Root>,
    tickets: Option<usize>,
    proxy: ProxyChoice,
    deadlines: Deadlines,
    in_flight: usize,
    message_limit: usize,
    frame_limit: usize,
    read_buffer: usize,
    write_buffer: usize,
    write_limit: usize,
    headers: Vec<(String, Secret)>,
}

impl ConnectorBuilder {
    pub(super) fn new() -> Self {
        Self {
            tls: None,
            roots: Vec::new(),
            tickets: None,
            proxy: ProxyChoice::None,
            deadlines: Deadlines::default(),
            in_flight: IN_FLIGHT,
            message_limit: 16 * MIB,
            frame_limit: 16 * MIB,
            read_buffer: 4 * KIB,
            write_buffer: 4 * KIB,
            write_limit: 32 * MIB,
            headers: Vec::new(),
        }
    }

    /// Uses this TLS configuration; [`TlsBuilder`] makes one that HTTP can share.
    #[must_use]
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Trusts the certificates of a PEM text as well as the platform's.
    #[must_use]
    pub fn root_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(Root::Pem(pem.into()));
        self
    }

    /// Trusts the certificates of a PEM file as well as the platform's.
    #[must_use]
    pub fn root_file(mut self, path: impl AsRef<Path>) -> Self {
        self.roots.push(Root::File(path.as_ref().into()));
        self
    }

    /// Sets how many TLS session tickets are kept; the fleet's size is the right number. At first
    /// it is 1024.
    #[must_use]
    pub fn tickets(mut self, tickets: usize) -> Self {
        self.tickets = Some(tickets);
        self
    }

    /// Dials through a proxy: `http://` (CONNECT), `socks5://` (names are resolved here) or
    /// `socks5h://` (names are resolved by the proxy), with `user:password@` where it wants one.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = ProxyChoice::Url(url.into().into());
        self
    }

    /// Uses the proxies that the environment names: `HTTPS_PROXY` for `wss`, `HTTP_PROXY` for `ws`,
    /// `ALL_PROXY` for both, `NO_PROXY` for exceptions, in upper or lower case.
    #[must_use]
    pub fn proxy_from_env(mut self) -> Self {
        self.proxy = ProxyChoice::Env;
        self
    }

    /// Sets the limits of time of a dial.
    #[must_use]
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// Sets how many connects may be in flight at once; 512 at first.
    #[must_use]
    pub fn connects_in_flight(mut self, connects: usize) -> Self {
        self.in_flight = connects;
        self
    }

    /// Sets how many bytes a message from the peer may have; 16 MiB at first.
    #[must_use]
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.message_limit = bytes;
        self
    }

    /// Sets how many bytes a frame from the peer may have; 16 MiB at first.
    #[must_use]
    pub fn frame_limit(mut self, bytes: usize) -> Self {
        self.frame_limit = bytes;
        self
    }

    /// Sets the size of the read buffer; 4 KiB at first.
    ///
    /// The buffer is filled with zeros before every read, so a large one costs time and memory on
    /// every connection.
    #[must_use]
    pub fn read_buffer(mut self, bytes: usize) -> Self {
        self.read_buffer = bytes;
        self
    }

    /// Sets how many bytes are gathered before they are written, and how many may wait while the
    /// socket takes none; 4 KiB and 32 MiB at first.
    ///
    /// The second must be larger than the first by one message.
    #[must_use]
    pub fn write_buffer(mut self, gather: usize, limit: usize) -> Self {
        self.write_buffer = gather;
        self.write_limit = limit;
        self
    }

    /// Sends this header with every upgrade, unless the handshake has one of the same name.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends this `Origin` with every upgrade, unless the handshake has one.
    #[must_use]
    pub fn origin(self, origin: impl Into<Secret>) -> Self {
        self.header("Origin", origin)
    }

    /// Builds the connector.
    ///
    /// # Errors
    ///
    /// Fails when a proxy URL, a root certificate, a header or a limit is invalid, and when a given
    /// TLS configuration is to have more roots or tickets.
    pub fn build(self) -> Result<Connector, ConnectorError> {
        if self.in_flight == 0 || self.in_flight > Semaphore::MAX_PERMITS {
            return Err(ConnectorError::caller("no connect could ever be in flight"));
        }
        if self.write_limit <= self.write_buffer {
            return Err(ConnectorError::caller("the write limit must exceed the write buffer"));
        }
        if self.read_buffer == 0 {
            return Err(ConnectorError::caller("the read buffer must not be empty"));
        }
        let websocket = WebSocketConfig::default()
            .read_buffer_size(self.read_buffer)
            .write_buffer_size(self.write_buffer)
            .max_write_buffer_size(self.write_limit)
            .max_message_size(Some(self.message_limit))
            .max_frame_size(Some(self.frame_limit));
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let header = request::header(name, value.expose()).map_err(ConnectorError::caller)?;
            headers.push(header);
        }
        let proxies = match &self.proxy {
            ProxyChoice::None => Proxies::none(),
            ProxyChoice::Env => Proxies::from_env(),
            ProxyChoice::Url(url) => Proxies::one(url.expose())?,
        };
        let (deadlines, in_flight) = (self.deadlines, self.in_flight);
        let inner = Inner {
            tls: self.into_tls()?,
            proxies,
            headers,
            deadlines,
            websocket,
            in_flight: Arc::new(Semaphore::new(in_flight)),
            governor: SharedGovernor::new(),
        };
        Ok(Connector { inner: Arc::new(inner) })
    }

    fn into_tls(self) -> Result<Arc<ClientConfig>, ConnectorError> {
        if let Some(config) = self.tls {
            return if self.roots.is_empty() && self.tickets.is_none() {
                Ok(config)
            } else {
                Err(ConnectorError::caller("a given TLS configuration has its roots and tickets"))
            };
        }
        let builder = TlsBuilder::new().tickets(self.tickets.unwrap_or(DEFAULT_TICKETS));
        let builder = self.roots.iter().try_fold(builder, |builder, root| match root {
            Root::Pem(pem) => builder.root_pem(pem),
            Root::File(path) => builder.root_file(path),
        })?;
        Ok(builder.build()?)
    }
}

impl fmt::Debug for ConnectorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Proxy and headers may hold secrets.
        f.debug_struct("ConnectorBuilder")
            .field("deadlines", &self.deadlines)
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

/// The limits of time of a dial.
///
/// Each stage may have its own; the total counts in any case, and is the only one at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Name resolution, of the server or of the proxy.
    pub dns: Option<Duration>,
    /// TCP, over all addresses that a name has.
    pub tcp: Option<Duration>,
    /// The proxy's part, after TCP.
    pub proxy: Option<Duration>,
    /// TLS.
    pub tls: Option<Duration>,
    /// The upgrade.
    pub upgrade: Option<Duration>,
    /// Everything together; 20 s at first.
    pub total: Option<Duration>,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { dns: None, tcp: None, proxy: None, tls: None, upgrade: None, total: Some(TOTAL) }
    }
}

enum Root {
    Pem(Vec<u8>),
    File(Box<Path>),
}

enum ProxyChoice {
    None,
    Env,
    Url(Secret),
}

const IN_FLIGHT: usize = 512;
const TOTAL: Duration = Duration::from_secs(20);
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
