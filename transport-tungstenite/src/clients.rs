//! Many sessions in one process.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::future::join_all;
use futures_util::stream::SelectAll;
use redial_core::{Adapter, Item};

use crate::client::ClientBuilder;
use crate::error::ClientError;
use crate::handle::{Handle, Updates};

/// Many sessions in one process, each in a task of its own and under a key of its own.
///
/// For vendors with a socket for each thing that is watched, and for many accounts. There is never
/// more than one session under a key: a second one is refused before it dials, and the key is free
/// again only after the first has ended.
///
/// What the sessions should have in common they are given: the same
/// [`Connector`](crate::Connector), which has the governor, the cap on connects and the TLS tickets
/// of all of them, the same HTTP client, and for one credential the same
/// [`SharedTokenSource`](redial_auth_http::SharedTokenSource).
///
/// ```no_run
/// # async fn run<A>(a: A, b: A) -> Result<(), Box<dyn std::error::Error>>
/// # where A: redial_core::Adapter + Send + 'static, A::Outgoing: Send, A::Message: Send,
/// #     A::Reply: Send, A::Command: Send, A::Step: Send, A::Cursor: Send {
/// use redial_tungstenite::{Client, Clients, Connector};
///
/// let connector = Connector::new()?;
/// let mut clients = Clients::new();
/// for (key, adapter) in [("shop-1", a), ("shop-2", b)] {
///     clients.insert(key, Client::builder(adapter).connector(connector.clone()))?;
/// }
/// while let Some((key, item)) = clients.next().await {
///     println!("{key}: {item:?}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// The sessions go on whether or not anybody takes their items; one whose items are not taken is
/// held back by itself. Dropping the clients ends them.
pub struct Clients<K, A: Adapter> {
    handles: BTreeMap<K, Handle<A>>,
    updates: SelectAll<Keyed<K, A>>,
}

impl<K, A> Clients<K, A>
where
    K: Clone + Ord,
    A: Adapter + Send + 'static,
    A::Outgoing: Send,
    A::Message: Send,
    A::Reply: Send,
    A::Command: Send,
    A::Step: Send,
    A::Cursor: Send,
{
    /// Makes room for sessions.
    #[must_use]
    pub fn new() -> Self {
        Self { handles: BTreeMap::new(), updates: SelectAll::new() }
    }

    /// Adds a session, and begins to connect it. Called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// Fails when there is a session under this key, also one that has ended and whose last item
    /// nobody has taken yet, and when the client cannot be made.
    pub fn insert(
        &mut self,
        key: K,
        builder: ClientBuilder<A>,
    ) -> Result<&Handle<A>, ClientsError> {
        if self.handles.contains_key(&key) {
            return Err(ClientsError::Duplicate);
        }
        let (handle, updates) = builder.build()?.spawn();
        self.updates.push(Keyed { key: Some(key.clone()), updates });
        Ok(self.handles.entry(key).or_insert(handle))
    }
}

impl<K: Clone + Ord, A: Adapter> Clients<K, A> {
    /// Returns what gives orders to the session under a key.
    #[must_use]
    pub fn handle(&self, key: &K) -> Option<&Handle<A>> {
        self.handles.get(key)
    }

    /// Goes through the sessions that have not ended.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Handle<A>)> {
        self.handles.iter()
    }

    /// Returns how many sessions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// Ends all sessions at once, and waits until they have ended. Their last items can be taken
    /// afterwards.
    pub async fn shutdown(&self) {
        join_all(self.handles.values().map(Handle::shutdown)).await;
    }

    /// Waits for the next item of any session; none when the last one has ended, and where there
    /// was none.
    pub async fn next(&mut self) -> Option<(K, Item<A>)> {
        std::future::poll_fn(|task| self.poll_item(task)).await
    }

    fn poll_item(&mut self, task: &mut Context<'_>) -> Poll<Option<(K, Item<A>)>> {
        loop {
            match Pin::new(&mut self.updates).poll_next(task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some((key, Some(item)))) => return Poll::Ready(Some((key, item))),
                Poll::Ready(Some((key, None))) => {
                    self.handles.remove(&key);
                }
            }
        }
    }
}

impl<K: Clone + Ord, A: Adapter> Stream for Clients<K, A> {
    type Item = (K, Item<A>);

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<(K, Item<A>)>> {
        self.get_mut().poll_item(task)
    }
}

/// Keys and handles are owned and never pinned.
impl<K, A: Adapter> Unpin for Clients<K, A> {}

impl<K, A> Default for Clients<K, A>
where
    K: Clone + Ord,
    A: Adapter + Send + 'static,
    A::Outgoing: Send,
    A::Message: Send,
    A::Reply: Send,
    A::Command: Send,
    A::Step: Send,
    A::Cursor: Send,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, A: Adapter> fmt::Debug for Clients<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.handles.keys()).finish()
    }
}

/// Why a session cannot be added to [`Clients`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientsError {
    /// There is a session under this key.
    #[error("there is a session under this key already")]
    Duplicate,
    /// The client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What one session has, and once, at the end, nothing.
struct Keyed<K, A: Adapter> {
    /// None after the end.
    key: Option<K>,
    updates: Updates<A>,
}

/// The key is owned and never pinned.
impl<K, A: Adapter> Unpin for Keyed<K, A> {}

impl<K: Clone, A: Adapter> Stream for Keyed<K, A> {
    type Item = (K, Option<Item<A>>);

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(key) = &self.key else { return Poll::Ready(None) };
        let key = key.clone();
        match Pin::new(&mut self.updates).poll_next(task) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(item)) => Poll::Ready(Some((key, Some(item)))),
            Poll::Ready(None) => {
                self.key = None;
                Poll::Ready(Some((key, None)))
            }
        }
    }
}
