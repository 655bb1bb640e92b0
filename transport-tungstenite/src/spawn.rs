//! A session in a task of its own.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll};

use redial_core::{Adapter, Item, MessageId, Room};
use tokio::sync::mpsc;

use crate::client::Client;
use crate::handle::{Delivery, Handle, Order, Outcome, Sending, Updates};

impl<A> Client<A>
where
    A: Adapter + Send + 'static,
    A::Outgoing: Send,
    A::Message: Send,
    A::Reply: Send,
    A::Command: Send,
    A::Step: Send,
    A::Cursor: Send,
{
    /// Gives the session a task of its own: it goes on whatever the caller does.
    ///
    /// The session ends when every [`Handle`] and the [`Updates`] are gone.
    #[must_use]
    pub fn spawn(self) -> (Handle<A>, Updates<A>) {
        let (orders, inbox) = mpsc::channel(ORDERS);
        let (sends, messages) = mpsc::channel(ORDERS);
        let (outbox, updates) = mpsc::channel(UPDATES);
        let listening = outbox.clone();
        let task = Task {
            client: self,
            inbox,
            inbox_closed: false,
            messages: Some(messages),
            next: None,
            outbox: Some(outbox),
            silence: Box::pin(async move { listening.closed().await }),
            place: None,
            backlog: VecDeque::new(),
            receipts: BTreeMap::new(),
        };
        tokio::spawn(task.run());
        (Handle { orders, sends }, Updates { updates })
    }
}

/// A client, and what stands between it and its handles.
struct Task<A: Adapter> {
    client: Client<A>,
    inbox: mpsc::Receiver<Order<A>>,
    inbox_closed: bool,
    /// Messages that may wait for room. None when no more can come.
    messages: Option<mpsc::Receiver<Sending<A>>>,
    /// The message that waits for room.
    next: Option<Sending<A>>,
    /// None when the application has dropped its end.
    outbox: Option<mpsc::Sender<Item<A>>>,
    /// Ends when the application has dropped its end.
    silence: Pin<Box<dyn Future<Output = ()> + Send>>,
    place: Option<Place<A>>,
    /// What waits for the application to take it.
    backlog: VecDeque<Item<A>>,
    receipts: BTreeMap<MessageId, (Outcome<A>, Option<A::Reply>)>,
}

/// A place in the outbox that is waited for.
type Place<A> = Pin<
    Box<dyn Future<Output = Result<mpsc::OwnedPermit<Item<A>>, mpsc::error::SendError<()>>> + Send>,
>;

impl<A> Task<A>
where
    A: Adapter + Send + 'static,
    A::Message: Send,
    A::Reply: Send,
    A::Outgoing: Send,
{
    async fn run(mut self) {
        let mut ended = false;
        std::future::poll_fn(|task| {
            loop {
                // Before orders, so that an end that was asked for later does not overtake them.
                let mut busy = self.poll_messages(task);
                busy |= self.poll_orders(task);
                if !ended {
                    self.client.set_backlog(self.backlog.len());
                    match self.client.poll_item(task) {
                        Poll::Ready(Some(item)) => {
                            busy = true;
                            self.sort(item);
                        }
                        Poll::Ready(None) => {
                            ended = true;
                            busy = true;
                            // Whoever waits for the end has it; orders that wait are answered.
                            self.inbox.close();
                            if let Some(messages) = &mut self.messages {
                                messages.close();
                            }
                        }
                        Poll::Pending => {}
                    }
                }
                busy |= self.poll_outbox(task);
                let told = self.inbox_closed && self.messages.is_none();
                if ended && told && self.backlog.is_empty() {
                    return Poll::Ready(());
                }
                if !busy {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    /// Takes the messages that there is room for.
    fn poll_messages(&mut self, task: &mut Context<'_>) -> bool {
        let mut busy = false;
        while let Some(messages) = &mut self.messages {
            if self.next.is_none() {
                match messages.poll_recv(task) {
                    Poll::Pending => return busy,
                    Poll::Ready(Some(sending)) => self.next = Some(sending),
                    Poll::Ready(None) => self.messages = None,
                }
                busy = true;
            }
            let Some(sending) = self.next.take() else { continue };
            if self.client.room(&sending.message) == Room::Later {
                // A fate makes room, and comes by here.
                self.next = Some(sending);
                return busy;
            }
            self.send(sending);
        }
        busy
    }

    fn send(&mut self, Sending { message, receipt }: Sending<A>) {
        match self.client.send(message) {
            Ok(id) => {
                self.receipts.insert(id, (receipt, None));
            }
            Err(refused) => {
                let _ = receipt.send(Err(refused));
            }
        }
    }

    /// Takes orders, one at a time so that the socket gets its turn.
    fn poll_orders(&mut self, task: &mut Context<'_>) -> bool {
        if self.inbox_closed {
            return false;
        }
        match self.inbox.poll_recv(task) {
            Poll::Pending => false,
            Poll::Ready(Some(order)) => {
                self.obey(order);
                true
            }
            Poll::Ready(None) => {
                self.inbox_closed = true;
                if self.outbox.is_none() {
                    self.client.shutdown();
                }
                true
            }
        }
    }

    fn obey(&mut self, order: Order<A>) {
        match order {
            Order::Send(sending) => self.send(sending),
            Order::Command(command) => self.client.command(command),
            Order::Connect => self.client.connect(),
            Order::Recover => self.client.recover(),
            Order::Reconnect(token) => self.client.reconnect(token),
            Order::UpdateToken(token) => self.client.update_token(token),
            Order::NetworkChanged => self.client.network_changed(),
            Order::Shutdown => self.client.shutdown(),
        }
    }

    /// Gives answers and fates to their receipts and keeps the rest for the application.
    fn sort(&mut self, item: Item<A>) {
        match item {
            Item::Reply { id, reply } => match self.receipts.get_mut(&id) {
                Some((_, place)) => *place = Some(reply),
                None => self.keep(Item::Reply { id, reply }),
            },
            Item::Fate(settled) => match self.receipts.remove(&settled.id) {
                Some((receipt, reply)) => {
                    let _ = receipt.send(Ok(Delivery { settled, reply }));
                }
                None => self.keep(Item::Fate(settled)),
            },
            item => self.keep(item),
        }
    }

    fn keep(&mut self, item: Item<A>) {
        if self.outbox.is_none() {
            return;
        }
        // What peers send is bounded by not reading it, fates by what was sent. What the session
        // says of itself goes on while nobody listens: there the newest counts.
        if self.backlog.len() >= BACKLOG
            && let Some(oldest) = self.backlog.iter().position(is_news)
        {
            self.backlog.remove(oldest);
        }
        self.backlog.push_back(item);
    }

    fn poll_outbox(&mut self, task: &mut Context<'_>) -> bool {
        let mut busy = false;
        if self.outbox.is_some() && self.silence.as_mut().poll(task).is_ready() {
            self.mute();
            return true;
        }
        while let Some(outbox) = &self.outbox {
            if self.backlog.is_empty() {
                return busy;
            }
            let place = self.place.get_or_insert_with(|| Box::pin(outbox.clone().reserve_owned()));
            match place.as_mut().poll(task) {
                Poll::Pending => return busy,
                Poll::Ready(Ok(permit)) => {
                    self.place = None;
                    if let Some(item) = self.backlog.pop_front() {
                        permit.send(item);
                    }
                    busy = true;
                }
                Poll::Ready(Err(_)) => {
                    self.mute();
                    busy = true;
                }
            }
        }
        busy
    }

    /// Nobody listens any more.
    fn mute(&mut self) {
        self.outbox = None;
        self.place = None;
        self.backlog.clear();
        if self.inbox_closed {
            self.client.shutdown();
        }
    }
}

/// Returns whether an item is one of those that a session makes by itself, as long as it lives.
fn is_news<A: Adapter>(item: &Item<A>) -> bool {
    match item {
        Item::Notice(_)
        | Item::Problem(_)
        | Item::PeerReason { .. }
        | Item::Gap { .. }
        | Item::TokenNeeded { .. } => true,
        Item::Message(_) | Item::Reply { .. } | Item::Fate(_) => false,
    }
}

/// How many orders may wait.
const ORDERS: usize = 64;
/// How many items may wait in the channel; more wait behind it, bounded by the driver. Each may be
/// as large as a message may be, and the driver does not count these, so they are few.
const UPDATES: usize = 16;
/// How many items may wait behind the channel before old notices are forgotten.
const BACKLOG: usize = 2048;
