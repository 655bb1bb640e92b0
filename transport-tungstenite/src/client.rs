//! A session that is polled in the caller's task.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use redial_auth_http::{HttpClient, TokenSource};
use redial_core::{
    Adapter, Bounds, Frame, Input, Item, Load, Machine, MessageId, Recorded, Refused, Room, Secret,
    Session, Snapshot, TokenUse,
};

use crate::clock::{Clock, SystemClock};
use crate::connector::Connector;
use crate::driver::{Direction, Driver, Tap, WriteAhead};
use crate::error::ClientError;

/// Makes a session and begins to connect it.
///
/// It comes at once: what the first attempts meet comes out as notices, under the same policy as
/// everything later. [`Client::builder`] has more options.
///
/// # Errors
///
/// Fails when the operating system has no random numbers.
pub async fn connect<A: Adapter>(
    adapter: A,
    http: impl HttpClient + 'static,
    connector: Connector,
) -> Result<Client<A>, ClientError> {
    Client::builder(adapter).http(http).connector(connector).build()
}

/// A session that is polled in the caller's task: a stream of [`Item`]s.
///
/// **A client does nothing while nobody polls it**: it answers no ping, sends no probe and tries
/// no reconnect. Poll it all the time, in a `select!` with whatever else the task does, or give it
/// a task of its own with [`Client::spawn`].
///
/// The stream ends after [`Notice::Stopped`](redial_core::Notice::Stopped).
pub struct Client<A: Adapter> {
    driver: Driver<A>,
    done: bool,
}

/// The adapter is owned and never pinned.
impl<A: Adapter> Unpin for Client<A> {}

impl<A: Adapter> Client<A> {
    /// Makes a client step by step.
    pub fn builder(adapter: A) -> ClientBuilder<A> {
        ClientBuilder {
            adapter,
            http: None,
            connector: None,
            token_source: None,
            clock: None,
            seed: None,
            bounds: Bounds::default(),
            saved: None,
            record: false,
            tap: None,
            write_ahead: None,
        }
    }

    /// Accepts a message. Its fate is an item of the stream; it leaves when the client is polled.
    ///
    /// # Errors
    ///
    /// Hands the message back when too much is waiting or the session has ended.
    pub fn send(&mut self, message: A::Outgoing) -> Result<MessageId, Refused<A::Outgoing>> {
        let cx = self.driver.cx();
        self.driver.session.send(cx, message)
    }

    /// Sets something in the vendor's own terms: a subscription, a state.
    pub fn command(&mut self, command: A::Command) {
        self.driver.handle(Input::Command(command));
    }

    /// Begins again after the session was suspended. Changes nothing while it is under way.
    pub fn connect(&mut self) {
        self.driver.handle(Input::Connect);
    }

    /// Ends a wait. The floors of the policy and what servers asked for hold all the same.
    pub fn recover(&mut self) {
        self.driver.handle(Input::Recover);
    }

    /// Cuts the connection and makes another one, with the same token or with a new one.
    pub fn reconnect(&mut self, token: TokenUse) {
        self.driver.handle(Input::Reconnect { token });
    }

    /// Gives the session a token.
    pub fn update_token(&mut self, token: Secret) {
        self.driver.handle(Input::OfferToken(token));
    }

    /// Says that the host has another network: a wait ends, a connection is probed.
    pub fn network_changed(&mut self) {
        self.driver.handle(Input::NetworkChanged);
    }

    /// Ends the session: close 1000, no reconnect, also in the middle of a wait. Poll the client
    /// until its stream ends.
    pub fn shutdown(&mut self) {
        self.driver.handle(Input::Shutdown);
    }

    /// Returns what a later process needs to go on.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<A> {
        self.driver.session.snapshot()
    }

    /// Returns the lifecycle.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        self.driver.session.machine()
    }

    /// Returns the adapter.
    #[must_use]
    pub fn adapter(&self) -> &A {
        self.driver.session.adapter()
    }

    /// Returns whether [`Client::send`] would accept this message.
    #[must_use]
    pub fn room(&self, message: &A::Outgoing) -> Room {
        self.driver.session.room(message)
    }

    /// Returns how many messages wait and how many are on their way.
    #[must_use]
    pub fn load(&self) -> Load {
        self.driver.session.load()
    }

    /// Returns the next entry of the flight recorder. See [`ClientBuilder::record`].
    pub fn poll_record(&mut self) -> Option<Recorded> {
        self.driver.session.poll_record()
    }

    /// Returns the lifecycle as it was when the flight recorder was switched on.
    pub fn recorded_from(&self) -> Option<&Machine> {
        self.driver.session.recorded_from()
    }

    /// Waits for the next item; none after the end.
    pub async fn next(&mut self) -> Option<Item<A>> {
        std::future::poll_fn(|task| self.poll_item(task)).await
    }

    pub(crate) fn poll_item(&mut self, task: &mut Context<'_>) -> Poll<Option<Item<A>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let item = self.driver.poll_item(task);
        self.done = matches!(item, Poll::Ready(None));
        item
    }

    /// Says how many items wait elsewhere for the application.
    pub(crate) fn set_backlog(&mut self, items: usize) {
        self.driver.backlog = items;
    }
}

impl<A: Adapter> Stream for Client<A> {
    type Item = Item<A>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Item<A>>> {
        self.get_mut().poll_item(task)
    }
}

impl<A: Adapter> fmt::Debug for Client<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("session", &self.driver.session).finish_non_exhaustive()
    }
}

/// Makes a [`Client`] step by step.
#[must_use]
pub struct ClientBuilder<A: Adapter> {
    adapter: A,
    http: Option<Arc<dyn HttpClient>>,
    connector: Option<Connector>,
    token_source: Option<Arc<dyn TokenSource>>,
    clock: Option<Arc<dyn Clock>>,
    seed: Option<u64>,
    bounds: Bounds,
    saved: Option<Snapshot<A>>,
    record: bool,
    tap: Option<Tap>,
    write_ahead: Option<WriteAhead<A>>,
}

impl<A: Adapter> ClientBuilder<A> {
    /// Performs HTTP exchanges with `http`; the default is a
    /// [`ReqwestClient`](redial_auth_http::ReqwestClient) of its own.
    pub fn http(mut self, http: impl HttpClient + 'static) -> Self {
        self.http = Some(Arc::new(http));
        self
    }

    /// Dials with `connector`. All sessions of a process should share one.
    pub fn connector(mut self, connector: Connector) -> Self {
        self.connector = Some(connector);
        self
    }

    /// Asks `source` when the session needs a token from the application.
    pub fn token_source(mut self, source: impl TokenSource + 'static) -> Self {
        self.token_source = Some(Arc::new(source));
        self
    }

    /// Tells the time with `clock`.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Draws jitter from this seed, so that a run can be repeated. Ids are random all the same.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Bounds the messages that wait.
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Goes on from a snapshot.
    pub fn restore(mut self, saved: Snapshot<A>) -> Self {
        self.saved = Some(saved);
        self
    }

    /// Switches the flight recorder on. Its entries hold numbers only; whoever switches it on
    /// drains [`Client::poll_record`].
    pub fn record(mut self) -> Self {
        self.record = true;
        self
    }

    /// Shows every frame to `tap`, as it was read or before it is written; close frames are not
    /// among them. Frames hold what people say: whoever logs them answers for it.
    pub fn tap(mut self, tap: impl Fn(Direction, &Frame) + Send + Sync + 'static) -> Self {
        self.tap = Some(Arc::new(tap));
        self
    }

    /// Hands a snapshot to `store` whenever what it keeps has changed: before a message is written
    /// or goes over HTTP, and soon after one is accepted or settled. A process that is killed
    /// goes on from the last one with [`ClientBuilder::restore`], and no message is lost or taken
    /// for unwritten.
    ///
    /// The session waits while `store` works, and each call has a copy of every message that is
    /// not settled. A snapshot may hold secrets and holds what people say: whoever stores it
    /// protects it.
    pub fn write_ahead(mut self, store: impl FnMut(Snapshot<A>) + Send + 'static) -> Self {
        self.write_ahead = Some(Box::new(store));
        self
    }

    /// Makes the client and begins to connect.
    ///
    /// # Errors
    ///
    /// Fails when the operating system has no random numbers, or when the default HTTP client or
    /// connector cannot be made.
    pub fn build(self) -> Result<Client<A>, ClientError> {
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let connector = match self.connector {
            Some(connector) => connector,
            None => Connector::builder().build()?,
        };
        let http: Arc<dyn HttpClient> = match self.http {
            Some(http) => http,
            None => {
                let client = redial_auth_http::ReqwestClient::builder().build();
                Arc::new(client.map_err(ClientError::Http)?)
            }
        };
        let seed = match self.seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(ClientError::random)?,
        };
        let mut session = match self.saved {
            Some(saved) => Session::restore(self.adapter, clock.now(), saved),
            None => {
                let high = getrandom::u64().map_err(ClientError::random)?;
                let low = getrandom::u64().map_err(ClientError::random)?;
                let nonce = u128::from(high) << 64 | u128::from(low);
                Session::new(self.adapter, nonce).with_bounds(self.bounds)
            }
        };
        if self.record {
            session.record();
        }
        let mut driver = Driver::new(session, connector, http, self.token_source, clock, seed);
        driver.tap = self.tap;
        driver.write_ahead = self.write_ahead;
        driver.handle(Input::Connect);
        Ok(Client { driver, done: false })
    }
}

impl<A: Adapter> fmt::Debug for ClientBuilder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").finish_non_exhaustive()
    }
}
