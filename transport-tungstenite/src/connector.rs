//! Dials: name resolution, TCP, proxy, TLS, upgrade.

mod builder;
mod proxy;
mod request;
mod stream;
mod tcp;
mod upgrade;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderName;
use redial_core::Handshake;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tracing::{Instrument, field};

pub use self::builder::{ConnectorBuilder, Deadlines};
use self::proxy::Proxies;
use self::request::{HeaderBytes, Request};
pub use self::stream::NetStream;
use crate::error::{ConnectorError, DialError, Stage};
use crate::governor::SharedGovernor;

/// A WebSocket that is open.
pub type Socket = WebSocketStream<NetStream>;

/// Opens WebSockets for all sessions of a process.
///
/// It is cheap to clone, and the clones share what a fleet must share: the TLS configuration with
/// its session tickets, the proxy, and the cap on connects in flight. A dial has two phases, so that
/// a session can be told when its own deadline begins:
///
/// ```no_run
/// # async fn run(handshake: redial_core::Handshake) -> Result<(), Box<dyn std::error::Error>> {
/// use redial_tungstenite::Connector;
///
/// let connector = Connector::new()?;
/// let permit = connector.permit().await; // waits while too many connects are in flight
/// // Here a driver tells its session that it is dialling.
/// let socket = connector.dial(permit, &handshake).await?;
/// # let _ = socket; Ok(())
/// # }
/// ```
///
/// # Tracing
///
/// Each dial is one span, `redial.dial` at level `DEBUG`, with the fields `host` (host and port, never
/// path, query or user information), `stage` (how far it came, where it failed), `status` (of an
/// answer other than 101), `elapsed_ms` and `fault`, and an event in it when it ends. The upgrade
/// is written and read here and not by tungstenite, which logs the whole request, tokens and
/// all, at `TRACE` through the `log` crate. It still logs *frames* that way once the socket is open:
/// an application that forwards `log` records should keep the target `tungstenite` at `debug`.
#[derive(Clone)]
pub struct Connector {
    inner: Arc<Inner>,
}

impl Connector {
    /// Makes a connector with every option at its default.
    ///
    /// # Errors
    ///
    /// Fails when TLS cannot be configured.
    pub fn new() -> Result<Self, ConnectorError> {
        Self::builder().build()
    }

    /// Starts to build a connector.
    #[must_use]
    pub fn builder() -> ConnectorBuilder {
        ConnectorBuilder::new()
    }

    /// Waits until one more connect may be in flight.
    ///
    /// Permits are given in the order in which they were asked for. The wait costs a session no
    /// attempt, and dropping the future leaves the queue.
    pub async fn permit(&self) -> Permit {
        let permit = Arc::clone(&self.inner.in_flight).acquire_owned().await;
        Permit { _permit: permit.expect("the semaphore is never closed") }
    }

    /// Returns what all sessions of the process know of servers that asked to wait.
    #[must_use]
    pub fn governor(&self) -> &SharedGovernor {
        &self.inner.governor
    }

    /// Opens a WebSocket.
    ///
    /// The permit is given back when the dial ends, or when its future is dropped. Only subprotocols
    /// that were offered are accepted; redirects are not followed, and nothing of a refusal's body
    /// is read.
    ///
    /// # Errors
    ///
    /// Fails when any stage fails or does not end in its time; [`DialError::cause`] is what the
    /// session is to be told.
    pub async fn dial(&self, permit: Permit, handshake: &Handshake) -> Result<Socket, DialError> {
        let _permit = permit;
        let begun = Instant::now();
        let request = Request::new(handshake, &self.inner.headers);
        let span = tracing::debug_span!(
            "redial.dial",
            host = request.as_ref().ok().map(Request::peer),
            stage = field::Empty,
            status = field::Empty,
            elapsed_ms = field::Empty,
            fault = field::Empty,
        );
        async {
            let result = match request {
                Ok(request) => {
                    let result = self.inner.dial(&request).await;
                    result.map_err(|error| error.with_peer(request.peer()))
                }
                Err(error) => Err(error),
            };
            let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let span = tracing::Span::current();
            span.record("elapsed_ms", millis);
            match &result {
                Ok(_) => tracing::debug!("the socket is open"),
                Err(error) => {
                    span.record("stage", error.stage().as_str());
                    span.record("fault", error.fault().as_str());
                    if let Some(status) = error.status() {
                        span.record("status", status);
                    }
                    tracing::debug!(%error, "the dial failed");
                }
            }
            result
        }
        .instrument(span)
        .await
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("deadlines", &self.inner.deadlines)
            .field("free_permits", &self.inner.in_flight.available_permits())
            .finish_non_exhaustive()
    }
}

/// The right to have one connect in flight; see [`Connector::permit`].
#[derive(Debug)]
pub struct Permit {
    _permit: OwnedSemaphorePermit,
}

struct Inner {
    tls: Arc<ClientConfig>,
    proxies: Proxies,
    headers: Vec<(HeaderName, HeaderBytes)>,
    deadlines: Deadlines,
    websocket: WebSocketConfig,
    in_flight: Arc<Semaphore>,
    governor: SharedGovernor,
}

impl Inner {
    async fn dial(&self, request: &Request) -> Result<Socket, DialError> {
        let mut stage = Stage::Dns;
        let dial = self.stages(request, &mut stage);
        let result = match self.deadlines.total {
            Some(total) => timeout(total, dial).await.ok(),
            None => Some(dial.await),
        };
        result.unwrap_or_else(|| Err(DialError::timeout(stage)))
    }

    /// Goes through the stages and says in `stage` which one it is at.
    async fn stages(&self, request: &Request, stage: &mut Stage) -> Result<Socket, DialError> {
        let tcp = match self.proxies.for_request(request)? {
            Some(proxy) => proxy.tunnel(request, &self.deadlines, stage).await?,
            None => tcp::connect(request.host(), request.port(), &self.deadlines, stage).await?,
        };
        let mut stream = if request.is_tls() {
            *stage = Stage::Tls;
            let name = ServerName::try_from(request.host().to_owned())
                .map_err(|_| DialError::caller("the host of the URL is no name for TLS"))?;
            let handshake = TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp);
            let tls = limited(self.deadlines.tls, Stage::Tls, async {
                handshake.await.map_err(|error| DialError::network(Stage::Tls, error))
            });
            NetStream::tls(tls.await?)
        } else {
            NetStream::plain(tcp)
        };
        *stage = Stage::Upgrade;
        let exchange = upgrade::perform(&mut stream, request);
        let early = limited(self.deadlines.upgrade, Stage::Upgrade, exchange).await?;
        let config = Some(self.websocket);
        Ok(WebSocketStream::from_partially_read(stream, early, Role::Client, config).await)
    }
}

/// Bounds a stage by its own deadline.
async fn limited<T>(
    limit: Option<Duration>,
    stage: Stage,
    work: impl Future<Output = Result<T, DialError>>,
) -> Result<T, DialError> {
    match limit {
        Some(limit) => {
            timeout(limit, work).await.unwrap_or_else(|_| Err(DialError::timeout(stage)))
        }
        None => work.await,
    }
}
