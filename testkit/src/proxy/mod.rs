//! A TCP proxy that breaks connections on purpose, in real sockets.
//!
//! It stands between a client and a server and does what its rules say: refuse, cut, delay, let
//! nothing through while TCP stays established, throttle, send a close frame in the server's name.
//! So half-open connections and frames that arrive in pieces are real.
//!
//! ```no_run
//! # async fn example(server: std::net::SocketAddr) -> std::io::Result<()> {
//! use redial_testkit::proxy::{Act, FaultProxy, Rule, Toward};
//!
//! let proxy = FaultProxy::builder().target(server).start().await?;
//! // ... let a client connect to `proxy.addr()` ...
//! proxy.rule(Rule::on_connect(Act::Refuse).times(3));
//! proxy.rule(Rule::on_frame(Toward::Client, 4, Act::Close { code: 4401 }));
//! proxy.act(&Act::Blackhole { toward: Some(Toward::Client), stall: false });
//! # Ok(()) }
//! ```
//!
//! Rules are counted, never drawn: the same traffic meets the same faults. Of a plain connection
//! the proxy reads as much as it needs to count requests and frames; TLS it passes on unread, so
//! only the rules on connections and on data apply there, no close frame can be sent, and
//! [`Event::Unread`] and [`Event::Missed`] say so. Every direction has room for 16 KiB, and
//! a request's head for 64 KiB; a slow receiver slows its sender. What a connection carries is in
//! no event, and neither are paths.

mod book;
mod command;
mod conn;
mod event;
mod gate;
mod pump;
mod rule;
mod scan;
mod serve;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::book::Book;
use self::conn::{Conn, End};
pub use self::event::{Event, State};
use self::gate::{Door, Gate};
pub use self::rule::{Act, On, Rule, Toward};
pub use self::serve::serve;
use crate::servers::control;
use crate::servers::listener::{BACKLOG, bind};

/// A proxy that listens; it ends when dropped, and all its connections with it.
pub struct FaultProxy {
    shared: Arc<Shared>,
    addr: SocketAddr,
    control: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// What a proxy is made from.
#[derive(Debug)]
pub struct Builder {
    listen: SocketAddr,
    control: Option<SocketAddr>,
    targets: Vec<SocketAddr>,
    buffers: Option<u32>,
    room: usize,
    events: Option<mpsc::Sender<Event>>,
    rules: Vec<Rule>,
}

/// What all tasks of a proxy share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) book: Book,
    pub(crate) buffers: Option<u32>,
    pub(crate) room: usize,
    targets: Mutex<Vec<SocketAddr>>,
    conns: Mutex<BTreeMap<u64, Arc<Conn>>>,
    state: watch::Sender<State>,
    events: Option<mpsc::Sender<Event>>,
    door: mpsc::Sender<Door>,
}

impl FaultProxy {
    /// Begins a proxy that listens on a free port of the loopback.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            control: None,
            targets: Vec::new(),
            buffers: None,
            room: 1024,
            events: None,
            rules: Vec::new(),
        }
    }

    /// Returns where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns where its control endpoint listens, where it has one.
    #[must_use]
    pub fn control(&self) -> Option<SocketAddr> {
        self.control
    }

    /// Sets where later connections go.
    pub fn aim(&self, target: SocketAddr) {
        *lock(&self.shared.targets) = vec![target];
    }

    /// Takes a rule; returns its name, or nothing where there are 256 already.
    pub fn rule(&self, rule: Rule) -> Option<u32> {
        self.shared.book.add(rule)
    }

    /// Forgets a rule; returns whether there was one.
    pub fn remove(&self, rule: u32) -> bool {
        self.shared.book.remove(rule)
    }

    /// Forgets all rules.
    pub fn clear(&self) {
        self.shared.book.clear();
    }

    /// Does something to every connection that lives; returns how many those are. A delay has no
    /// meaning here.
    pub fn act(&self, act: &Act) -> usize {
        self.shared.act(None, act)
    }

    /// Lets everything through again on every connection that lives, at full speed.
    ///
    /// What a blackhole has swallowed is gone, so where it began in the middle of a frame the
    /// stream makes no sense any more.
    pub fn heal(&self) {
        self.shared.each(None, |conn| conn.heal());
    }

    /// Cuts every connection and refuses new ones, at the level of TCP, for a while.
    pub async fn down(&self, span: Duration) {
        self.shared.door(Some(span)).await;
    }

    /// Listens again.
    pub async fn up(&self) {
        self.shared.door(None).await;
    }

    /// Returns what has been seen.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// Waits until what has been seen is as wanted, so long at most.
    ///
    /// # Errors
    ///
    /// Gives what had been seen by then.
    pub async fn until(
        &self,
        within: Duration,
        mut wanted: impl FnMut(&State) -> bool,
    ) -> Result<State, State> {
        let mut changes = self.shared.state.subscribe();
        let wait = async {
            loop {
                let state = self.state();
                if wanted(&state) {
                    return state;
                }
                // Bytes and frames are counted without a word, so they are looked at now and then.
                let _ = timeout(LOOK, changes.changed()).await;
            }
        };
        timeout(within, wait).await.map_err(|_| self.state())
    }

    /// Ends every connection and the listeners, and waits for it.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl std::fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultProxy").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Builder {
    /// Sets where it listens.
    #[must_use]
    pub fn listen(mut self, addr: SocketAddr) -> Self {
        self.listen = addr;
        self
    }

    /// Gives it a control endpoint: JSON by `POST`.
    #[must_use]
    pub fn control(mut self, addr: SocketAddr) -> Self {
        self.control = Some(addr);
        self
    }

    /// Sets where connections go. Without it they are refused until [`FaultProxy::aim`].
    #[must_use]
    pub fn target(mut self, addr: SocketAddr) -> Self {
        self.targets = vec![addr];
        self
    }

    /// Sets where connections go: to the first of these addresses, of one host, that answers.
    #[must_use]
    pub fn targets(mut self, addrs: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.targets = addrs.into_iter().collect();
        self
    }

    /// Makes the kernel's buffers about so large, in bytes, so that little is on its way.
    #[must_use]
    pub fn buffers(mut self, bytes: u32) -> Self {
        self.buffers = Some(bytes);
        self
    }

    /// Sets how many connections there may be at a time, 1024 unless told otherwise. Whoever comes
    /// then is reset, and [`Event::Full`] tells of it.
    #[must_use]
    pub fn room(mut self, connections: usize) -> Self {
        self.room = connections;
        self
    }

    /// Tells what happens. What finds no room in the channel is counted and lost.
    #[must_use]
    pub fn events(mut self, events: mpsc::Sender<Event>) -> Self {
        self.events = Some(events);
        self
    }

    /// Begins with a rule. Of more than 256 the rest is lost.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Starts listening.
    ///
    /// # Errors
    ///
    /// Where an address cannot be had.
    pub async fn start(self) -> io::Result<FaultProxy> {
        let listener = bind(self.listen, self.buffers)?.listen(BACKLOG)?;
        let addr = listener.local_addr()?;
        let control = match self.control {
            Some(addr) => Some(TcpListener::bind(addr).await?),
            None => None,
        };
        let control_addr = control.as_ref().map(TcpListener::local_addr).transpose()?;
        let (stop, stopped) = watch::channel(false);
        let (door, requests) = mpsc::channel(16);
        let shared = Arc::new(Shared {
            book: Book::default(),
            buffers: self.buffers,
            room: self.room,
            targets: Mutex::new(self.targets),
            conns: Mutex::default(),
            state: watch::Sender::new(State::default()),
            events: self.events,
            door,
        });
        for rule in self.rules {
            let _ = shared.book.add(rule);
        }
        let mut tasks = JoinSet::new();
        let gate = Gate::new(shared.clone(), addr, requests, stopped.clone());
        tasks.spawn(gate.run(listener));
        if let Some(control) = control {
            tasks.spawn(control::run(shared.clone(), control, stopped));
        }
        Ok(FaultProxy { shared, addr, control: control_addr, stop, tasks })
    }
}

impl Shared {
    pub(crate) fn targets(&self) -> Vec<SocketAddr> {
        lock(&self.targets).clone()
    }

    /// Does something to one connection or to all; returns to how many.
    pub(crate) fn act(&self, only: Option<u64>, act: &Act) -> usize {
        let mut suffering = Vec::new();
        let count = self.each(only, |conn| {
            conn.suffer(act);
            suffering.extend(conn.misses().then_some(conn.id));
        });
        for conn in suffering {
            self.tell(Event::Missed { conn, act: act.name() });
        }
        count
    }

    pub(crate) fn each(&self, only: Option<u64>, mut act: impl FnMut(&Conn)) -> usize {
        let conns = lock(&self.conns);
        let chosen = conns.values().filter(|conn| only.is_none_or(|id| id == conn.id));
        chosen.map(|conn| act(conn)).count()
    }

    pub(crate) fn live(&self) -> usize {
        lock(&self.conns).len()
    }

    pub(crate) fn end_all(&self) {
        self.each(None, |conn| conn.end(End::Fin));
    }

    pub(crate) fn register(&self, conn: &Arc<Conn>) {
        lock(&self.conns).insert(conn.id, conn.clone());
        self.tell(Event::Accepted { conn: conn.id });
    }

    pub(crate) fn forget(&self, conn: u64) {
        lock(&self.conns).remove(&conn);
        self.state.send_modify(|state| state.live = state.live.saturating_sub(1));
    }

    pub(crate) fn tell(&self, event: Event) {
        let lost = match &self.events {
            Some(events) => events.try_send(event.clone()).is_err(),
            None => false,
        };
        self.state.send_modify(|state| {
            state.count(&event);
            state.untold += u64::from(lost);
        });
    }

    pub(crate) fn state(&self) -> State {
        let mut state = self.state.borrow().clone();
        state.rules = self.book.fired();
        state.sockets = lock(&self.conns).values().map(|conn| event::Socket::of(conn)).collect();
        state
    }

    /// Stops listening for so long, or listens again, and waits until that is done.
    pub(crate) async fn door(&self, down: Option<Duration>) {
        let (done, wait) = oneshot::channel();
        if self.door.send(Door { down, done }).await.is_ok() {
            let _ = wait.await;
        }
    }
}

/// How long nobody looks at what is counted without a word.
const LOOK: Duration = Duration::from_millis(10);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
