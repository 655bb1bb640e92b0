//! What an application holds of a session that runs in a task of its own.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use redial_core::{Adapter, Item, MessageId, Refusal, Refused, Secret, Settled, TokenUse};
use tokio::sync::{mpsc, oneshot};

/// Gives orders to a session that runs in a task of its own. Clones give orders to the same one.
pub struct Handle<A: Adapter> {
    pub(crate) orders: mpsc::Sender<Order<A>>,
    /// Messages that wait for room in the session; orders overtake them.
    pub(crate) sends: mpsc::Sender<Sending<A>>,
}

impl<A: Adapter> Handle<A> {
    /// Sends a message, and waits for room where too much is waiting. The [`Receipt`] tells the
    /// message's fate.
    ///
    /// Messages keep the order in which they were sent. One that is sent with
    /// [`Handle::try_send`] or [`Handle::request`] does not wait behind those that wait for room.
    ///
    /// # Errors
    ///
    /// Hands the message back when the session has ended. The receipt does when the message is
    /// larger than the session's bounds.
    pub async fn send(&self, message: A::Outgoing) -> Result<Receipt<A>, Refused<A::Outgoing>> {
        match self.sends.reserve().await {
            Ok(room) => Ok(Receipt::of(message, |sending| room.send(sending))),
            Err(_) => Err(Refused { why: Refusal::Stopped, message }),
        }
    }

    /// Sends a message without waiting for anything.
    ///
    /// # Errors
    ///
    /// Hands the message back when the queue of orders is full or the session has ended; the
    /// receipt does when too much is waiting.
    pub fn try_send(&self, message: A::Outgoing) -> Result<Receipt<A>, Refused<A::Outgoing>> {
        match self.orders.try_reserve() {
            Ok(room) => Ok(Receipt::of(message, |sending| room.send(Order::Send(sending)))),
            Err(mpsc::error::TrySendError::Full(())) => {
                Err(Refused { why: Refusal::Full, message })
            }
            Err(mpsc::error::TrySendError::Closed(())) => {
                Err(Refused { why: Refusal::Stopped, message })
            }
        }
    }

    /// Sends a message and waits for its answer. It needs nobody to read the [`Updates`].
    ///
    /// # Errors
    ///
    /// Fails when the message is not accepted, or ends without an answer.
    pub async fn request(&self, message: A::Outgoing) -> Result<A::Reply, RequestError<A>> {
        let receipt = self.try_send(message).map_err(RequestError::Refused)?;
        let delivery = receipt.await.map_err(RequestError::Refused)?;
        match delivery.reply {
            Some(reply) => Ok(reply),
            None => Err(RequestError::NoReply(delivery.settled)),
        }
    }

    /// Sets something in the vendor's own terms: a subscription, a state.
    pub async fn command(&self, command: A::Command) {
        self.order(Order::Command(command)).await;
    }

    /// Begins again after the session was suspended.
    pub async fn connect(&self) {
        self.order(Order::Connect).await;
    }

    /// Ends a wait. The floors of the policy and what servers asked for hold all the same.
    pub async fn recover(&self) {
        self.order(Order::Recover).await;
    }

    /// Cuts the connection and makes another one, with the same token or with a new one.
    pub async fn reconnect(&self, token: TokenUse) {
        self.order(Order::Reconnect(token)).await;
    }

    /// Gives the session a token.
    pub async fn update_token(&self, token: Secret) {
        self.order(Order::UpdateToken(token)).await;
    }

    /// Says that the host has another network.
    pub async fn network_changed(&self) {
        self.order(Order::NetworkChanged).await;
    }

    /// Ends the session, and waits until it has ended: close 1000, no reconnect, also in the
    /// middle of a wait.
    pub async fn shutdown(&self) {
        self.order(Order::Shutdown).await;
        self.orders.closed().await;
    }

    async fn order(&self, order: Order<A>) {
        // A session that has ended takes no orders, and needs none.
        let _ = self.orders.send(order).await;
    }
}

impl<A: Adapter> Clone for Handle<A> {
    fn clone(&self) -> Self {
        Self { orders: self.orders.clone(), sends: self.sends.clone() }
    }
}

impl<A: Adapter> fmt::Debug for Handle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

/// What a session that runs in a task of its own has for the application: a stream of [`Item`]s.
///
/// The fate and the answer of a message that was sent through a [`Handle`] go to its [`Receipt`],
/// not here. Dropping the updates discards what would come out of them.
pub struct Updates<A: Adapter> {
    pub(crate) updates: mpsc::Receiver<Item<A>>,
}

impl<A: Adapter> Updates<A> {
    /// Waits for the next item; none after the end.
    pub async fn next(&mut self) -> Option<Item<A>> {
        self.updates.recv().await
    }
}

impl<A: Adapter> Stream for Updates<A> {
    type Item = Item<A>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Item<A>>> {
        self.updates.poll_recv(task)
    }
}

impl<A: Adapter> fmt::Debug for Updates<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Updates").finish_non_exhaustive()
    }
}

/// A message that was sent: waits for its fate.
pub struct Receipt<A: Adapter> {
    outcome: oneshot::Receiver<Result<Delivery<A>, Refused<A::Outgoing>>>,
}

impl<A: Adapter> Receipt<A> {
    fn of(message: A::Outgoing, send: impl FnOnce(Sending<A>)) -> Self {
        let (receipt, outcome) = oneshot::channel();
        send(Sending { message, receipt });
        Self { outcome }
    }
}

impl<A: Adapter> Future for Receipt<A> {
    type Output = Result<Delivery<A>, Refused<A::Outgoing>>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.outcome).poll(task).map(|outcome| {
            outcome.unwrap_or_else(|_| Ok(Delivery { settled: ABANDONED, reply: None }))
        })
    }
}

impl<A: Adapter> fmt::Debug for Receipt<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").finish_non_exhaustive()
    }
}

/// How a message ended.
pub struct Delivery<A: Adapter> {
    /// Its fate.
    pub settled: Settled,
    /// Its answer, where it had one.
    pub reply: Option<A::Reply>,
}

impl<A: Adapter> fmt::Debug for Delivery<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("settled", &self.settled).finish_non_exhaustive()
    }
}

/// Why a request has no answer.
pub enum RequestError<A: Adapter> {
    /// It was not accepted; here it is.
    Refused(Refused<A::Outgoing>),
    /// It ended without an answer.
    NoReply(Settled),
}

impl<A: Adapter> fmt::Debug for RequestError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => f.debug_tuple("Refused").field(refused).finish(),
            Self::NoReply(settled) => f.debug_tuple("NoReply").field(settled).finish(),
        }
    }
}

impl<A: Adapter> fmt::Display for RequestError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::NoReply(settled) => write!(f, "no answer: {:?}", settled.fate),
        }
    }
}

impl<A: Adapter> std::error::Error for RequestError<A> {}

/// What an application wants of its session.
pub(crate) enum Order<A: Adapter> {
    Send(Sending<A>),
    Command(A::Command),
    Connect,
    Recover,
    Reconnect(TokenUse),
    UpdateToken(Secret),
    NetworkChanged,
    Shutdown,
}

/// A message, and who waits for its end.
pub(crate) struct Sending<A: Adapter> {
    pub(crate) message: A::Outgoing,
    pub(crate) receipt: Outcome<A>,
}

pub(crate) type Outcome<A> =
    oneshot::Sender<Result<Delivery<A>, Refused<<A as Adapter>::Outgoing>>>;

/// The fate of a message whose session was dropped with its runtime.
const ABANDONED: Settled = Settled {
    id: MessageId::new(0),
    fate: redial_core::Fate::Unknown,
    tries: 0,
    path: None,
    arrivals: 0,
};
