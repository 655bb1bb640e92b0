//! Performs what a session asks for.

mod socket;
mod tasks;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use redial_auth_http::{HttpClient, TokenRequest, TokenSource};
use redial_core::{
    Adapter, ConnId, Cx, Effect, Fault, Input, Item, Notice, Problem, Session, Span, Timestamp,
};

use self::socket::{Live, Read, Write};
use self::tasks::{Dial, DialStep, Exchanges, Fetch};
use crate::clock::Clock;
use crate::connector::Connector;

/// A session and everything that is under way for it.
pub(crate) struct Driver<A: Adapter> {
    pub(crate) session: Session<A>,
    pub(crate) connector: Connector,
    clock: Arc<dyn Clock>,
    token_source: Option<Arc<dyn TokenSource>>,
    entropy: Entropy,
    dial: Option<Dial>,
    socket: Option<Live>,
    exchanges: Exchanges,
    fetch: Option<Fetch>,
    timer: Option<Timer>,
    /// Items that have left the session and wait elsewhere for the application.
    pub(crate) backlog: usize,
    /// Whether the socket is not being read, and whether the application was told.
    stalled: bool,
    published: Timestamp,
}

/// What the driver sleeps on, and until when.
struct Timer {
    at: Timestamp,
    sleep: std::pin::Pin<Box<tokio::time::Sleep>>,
}

impl<A: Adapter> Driver<A> {
    pub(crate) fn new(
        session: Session<A>,
        connector: Connector,
        http: Arc<dyn HttpClient>,
        token_source: Option<Arc<dyn TokenSource>>,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Self {
        Self {
            session,
            connector,
            clock,
            token_source,
            entropy: Entropy(seed),
            dial: None,
            socket: None,
            exchanges: Exchanges::new(http),
            fetch: None,
            timer: None,
            backlog: 0,
            stalled: false,
            published: Timestamp::ZERO,
        }
    }

    /// Takes a wish of the application.
    pub(crate) fn handle(&mut self, input: Input<A>) {
        let cx = self.cx();
        self.heed_governor(cx);
        self.session.handle(cx, input);
    }

    pub(crate) fn cx(&mut self) -> Cx {
        Cx::new(self.clock.now(), self.entropy.next())
    }

    /// Goes on until there is an item for the application, or nothing to do.
    pub(crate) fn poll_item(&mut self, task: &mut Context<'_>) -> Poll<Option<Item<A>>> {
        for _ in 0..ROUNDS {
            let mut busy = self.round(task);
            while let Some(item) = self.session.poll_item() {
                if let Some(item) = self.intercept(item) {
                    return Poll::Ready(Some(item));
                }
                // A token source was asked, and nobody has polled its answer yet.
                busy = true;
            }
            if self.session.is_stopped() && !self.session.has_effects() {
                return Poll::Ready(None);
            }
            if !busy {
                return self.sleep(task);
            }
        }
        // Others on this thread have waited long enough.
        task.waker().wake_by_ref();
        Poll::Pending
    }

    /// Does everything that can be done now; returns whether anything was.
    fn round(&mut self, task: &mut Context<'_>) -> bool {
        let cx = self.cx();
        self.heed_governor(cx);
        let mut busy = self.poll_exchanges(task);
        busy |= self.poll_fetch(task);
        busy |= self.poll_dial(task);
        busy |= self.poll_read(task);
        // Whatever had arrived has been taken in: only now may a deadline fire.
        if self.session.poll_timeout().is_some_and(|at| at <= cx.now) {
            self.vouch_for_unread(cx);
            self.session.handle(cx, Input::Tick);
            busy = true;
        }
        self.publish(cx);
        busy |= self.perform_effects();
        busy |= self.poll_write(task);
        // A message that goes over HTTP leaves the ledger as an effect.
        busy | self.session.has_effects()
    }

    fn poll_exchanges(&mut self, task: &mut Context<'_>) -> bool {
        let mut busy = false;
        while let Poll::Ready((id, answer)) = self.exchanges.poll(task) {
            let cx = self.cx();
            self.session.handle(cx, Input::Http { id, answer });
            self.publish(cx);
            busy = true;
        }
        busy
    }

    fn poll_fetch(&mut self, task: &mut Context<'_>) -> bool {
        let Some(fetch) = &mut self.fetch else { return false };
        let Poll::Ready(answer) = fetch.poll(task) else { return false };
        let wanted = self.session.machine().is_token_pending(fetch.token);
        self.fetch = None;
        if wanted {
            let cx = self.cx();
            let input = match answer {
                Ok(token) => Input::OfferToken(token),
                Err(error) => {
                    let text = "the token source failed";
                    let problem = Problem { fault: Fault::Caller, text };
                    self.session.handle(cx, Input::Problem(problem));
                    tasks::unavailable(&error)
                }
            };
            self.session.handle(cx, input);
        }
        true
    }

    fn poll_dial(&mut self, task: &mut Context<'_>) -> bool {
        let Some(dial) = &mut self.dial else { return false };
        let conn = dial.conn;
        let Poll::Ready(step) = dial.poll(task) else { return false };
        match step {
            DialStep::Permitted => {
                let cx = self.cx();
                self.session.handle(cx, Input::Dialing { conn });
            }
            DialStep::Opened(socket) => {
                self.dial = None;
                self.socket = Some(Live::new(conn, *socket));
                let cx = self.cx();
                self.session.handle(cx, Input::Opened { conn });
            }
            DialStep::Failed(error) => {
                self.dial = None;
                tracing::debug!(target: "redial", conn = conn.get(), %error, "dial failed");
                let (cause, retry_after) = (error.cause(), error.retry_after());
                let cx = self.cx();
                if let Some(problem) = error.problem() {
                    self.session.handle(cx, Input::Problem(problem));
                }
                self.session.handle(cx, Input::Closed { conn, cause, retry_after });
            }
        }
        true
    }

    /// Reads what is there, as long as the application keeps up.
    fn poll_read(&mut self, task: &mut Context<'_>) -> bool {
        let mut busy = false;
        for _ in 0..FRAMES {
            let Some(live) = &mut self.socket else { return busy };
            if self.session.items_waiting() + self.backlog >= UNREAD_MAX {
                self.stall();
                return busy;
            }
            self.stalled = false;
            let conn = live.conn;
            match live.poll_read(task) {
                Poll::Pending => return busy,
                Poll::Ready(read) => {
                    busy = true;
                    self.take_in(conn, read);
                }
            }
        }
        // There may be more: come back for it after what this led to is done.
        task.waker().wake_by_ref();
        busy
    }

    fn take_in(&mut self, conn: ConnId, read: Read) {
        let cx = self.cx();
        match read {
            Read::Frame(frame) => self.session.handle(cx, Input::Frame { conn, frame }),
            Read::Ended { cause, reason, problem, answer } => {
                if let Some(problem) = problem {
                    self.session.handle(cx, Input::Problem(problem));
                }
                if let Some(live) = self.socket.take() {
                    live.part(answer);
                }
                self.session.note_reason(conn, &reason);
                self.session.handle(cx, Input::Closed { conn, cause, retry_after: None });
            }
        }
    }

    /// Says once for each stall that the application does not take what is there for it.
    fn stall(&mut self) {
        if !self.stalled {
            self.stalled = true;
            let text = "the application takes its items too slowly: the socket is not read";
            let cx = self.cx();
            self.session.handle(cx, Input::Problem(Problem { fault: Fault::Caller, text }));
        }
    }

    /// A peer whose words are not read must not be taken for dead.
    fn vouch_for_unread(&mut self, cx: Cx) {
        if self.stalled
            && let Some(live) = &self.socket
        {
            self.session.handle(cx, Input::Unread { conn: live.conn });
        }
    }

    fn perform_effects(&mut self) -> bool {
        let mut busy = false;
        while let Some(effect) = self.session.poll_effect() {
            busy = true;
            match effect {
                Effect::Dial { conn, handshake } => {
                    self.dial = Some(Dial::new(conn, &self.connector, handshake));
                }
                Effect::Drop { conn, code } => {
                    self.dial.take_if(|dial| dial.conn == conn);
                    if let Some(live) = self.socket.take_if(|live| live.conn == conn) {
                        live.part(code);
                    }
                }
                Effect::Http { id, request } => self.exchanges.start(id, request),
                Effect::Abort { id } => self.exchanges.abort(id),
            }
        }
        busy
    }

    fn poll_write(&mut self, task: &mut Context<'_>) -> bool {
        let mut busy = false;
        while let Some(live) = &mut self.socket {
            let conn = live.conn;
            match live.poll_ready(task) {
                Write::Ready => {}
                Write::Full => return busy,
                Write::Ended(read) => {
                    self.take_in(conn, read);
                    return true;
                }
            }
            let cx = Cx::new(self.clock.now(), self.entropy.next());
            let Some(transmit) = self.session.poll_transmit(cx) else { break };
            busy = true;
            if let Err(read) = live.start_send(transmit, self.session.adapter().close_reason()) {
                self.take_in(conn, read);
                return true;
            }
        }
        if let Some(live) = &mut self.socket {
            let conn = live.conn;
            if let Write::Ended(read) = live.poll_flush(task) {
                self.take_in(conn, read);
                return true;
            }
        }
        busy
    }

    /// Lets the application's token source answer where there is one.
    fn intercept(&mut self, item: Item<A>) -> Option<Item<A>> {
        if let Item::Notice(notice) = &item {
            log(*notice);
        }
        match (item, &self.token_source) {
            (Item::TokenNeeded { token, rejected, cause, .. }, Some(source)) => {
                let mut request = TokenRequest::first();
                request.rejected = rejected;
                request.cause = cause;
                self.fetch = Some(Fetch::new(token, Arc::clone(source), request));
                None
            }
            (item, _) => Some(item),
        }
    }

    /// Waits as long as any session of this account was told to.
    fn heed_governor(&mut self, cx: Cx) {
        let account = self.session.adapter().account();
        let at = self.connector.governor().not_before(account);
        if at > cx.now && at > self.session.machine().not_before() {
            let within = at.since(cx.now);
            self.published = at;
            self.session.handle(cx, Input::Throttled { within });
        }
    }

    /// Tells the other sessions of this account what this one was told.
    fn publish(&mut self, cx: Cx) {
        let at = self.session.machine().not_before();
        if at > self.published {
            self.published = at;
            let account = self.session.adapter().account();
            self.connector.governor().raise(cx.now, account, at);
        }
    }

    fn sleep(&mut self, task: &mut Context<'_>) -> Poll<Option<Item<A>>> {
        let Some(at) = self.session.poll_timeout() else {
            self.timer = None;
            return Poll::Pending;
        };
        let now = self.clock.now();
        // The runtime's timer may stand still while the host sleeps: look at the clock now and then.
        let span = Duration::from(at.since(now).min(GLANCE));
        if self.timer.as_ref().is_none_or(|timer| timer.at != at || timer.sleep.is_elapsed()) {
            self.timer = Some(Timer { at, sleep: Box::pin(tokio::time::sleep(span)) });
        }
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        if timer.sleep.as_mut().poll(task).is_ready() {
            self.timer = None;
            task.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// Writes a notice to the log. Notices hold numbers only.
fn log(notice: Notice) {
    match notice {
        Notice::Online { .. } | Notice::Offline { .. } | Notice::Suspended { .. } => {
            tracing::info!(target: "redial", ?notice);
        }
        Notice::Stopped { .. } => tracing::info!(target: "redial", ?notice),
        notice => tracing::debug!(target: "redial", ?notice),
    }
}

/// Random bits for jitter (SplitMix64); nothing secret comes from here.
struct Entropy(u64);

impl Entropy {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }
}

/// How many rounds a wake-up may have.
const ROUNDS: usize = 32;
/// How many frames a round may read.
const FRAMES: usize = 64;
/// How many items may wait for the application before the socket is read no more.
const UNREAD_MAX: usize = 1024;
/// The longest sleep between two looks at the clock.
const GLANCE: Span = Span::from_secs(15);
