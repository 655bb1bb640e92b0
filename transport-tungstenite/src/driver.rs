//! Performs what a session asks for.

mod alarm;
mod observe;
mod reading;
mod socket;
mod tasks;
mod traffic;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use redial_auth_http::{HttpClient, TokenRequest, TokenSource};
use redial_core::{
    Adapter, Cause, Cx, Effect, Fault, Input, Item, Notice, Session, Snapshot, Timestamp, TokenId,
};

use self::alarm::Alarm;
use self::observe::Observer;
use self::reading::Reading;
use self::socket::Live;
use self::tasks::{Dial, DialStep, Exchanges, Fetch};
pub use self::traffic::Direction;
pub(crate) use self::traffic::Tap;
use crate::clock::Clock;
use crate::connector::Connector;

/// A session and everything that is under way for it.
pub(crate) struct Driver<A: Adapter> {
    pub(crate) session: Session<A>,
    pub(crate) connector: Connector,
    /// Items that have left the session and wait elsewhere for the application.
    pub(crate) backlog: usize,
    pub(crate) tap: Option<Tap>,
    pub(crate) write_ahead: Option<WriteAhead<A>>,
    clock: Arc<dyn Clock>,
    token_source: Option<Arc<dyn TokenSource>>,
    entropy: Entropy,
    dial: Option<Dial>,
    socket: Option<Live>,
    exchanges: Exchanges,
    fetch: Option<Fetch>,
    /// The token request that the token source was asked for last, and how often.
    asked: (TokenId, u8),
    /// Dials and exchanges that wait because a server of the account asked for it.
    held: VecDeque<Effect>,
    alarm: Alarm,
    reading: Reading,
    observer: Observer,
    /// The latest time of the governor that the session was told, or has told.
    governed: Timestamp,
    /// When there was a round last.
    looked: Timestamp,
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
            backlog: 0,
            tap: None,
            write_ahead: None,
            clock,
            token_source,
            entropy: Entropy::new(seed),
            dial: None,
            socket: None,
            exchanges: Exchanges::new(http),
            fetch: None,
            asked: (TokenId::new(0), 0),
            held: VecDeque::new(),
            alarm: Alarm::default(),
            reading: Reading::default(),
            observer: Observer::default(),
            governed: Timestamp::ZERO,
            looked: Timestamp::ZERO,
        }
    }

    /// Takes a wish of the application.
    pub(crate) fn handle(&mut self, input: Input<A>) {
        let cx = self.cx();
        self.heed_governor(cx);
        self.session.handle(cx, input);
    }

    pub(crate) fn cx(&self) -> Cx {
        Cx::new(self.clock.now(), self.entropy.bits())
    }

    /// Goes on until there is an item for the application, or nothing to do.
    pub(crate) fn poll_item(&mut self, task: &mut Context<'_>) -> Poll<Option<Item<A>>> {
        for _ in 0..ROUNDS {
            let now = self.clock.now();
            // While items wait, one look at the world in a millisecond is enough.
            let mut busy = true;
            if self.session.items_waiting() == 0 || now != self.looked {
                self.looked = now;
                busy = self.round(task);
            }
            while let Some(item) = self.session.poll_item() {
                match self.intercept(item) {
                    Some(item) => return Poll::Ready(Some(item)),
                    None => busy = true,
                }
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
        let due = self
            .poll_timeout()
            .is_some_and(|at| at <= cx.now && self.alarm.poll(task, cx.now, at).is_ready());
        let mut busy = self.poll_exchanges(task);
        busy |= self.poll_fetch(task);
        busy |= self.poll_dial(task, cx.now);
        busy |= self.poll_read(task);
        if due {
            busy |= self.tick(cx);
        }
        self.publish(cx);
        busy |= self.perform_effects(cx);
        busy |= self.poll_write(task);
        self.save();
        self.observer.look(cx.now, &self.session);
        // A message that goes over HTTP leaves the ledger as an effect.
        busy | self.session.has_effects()
    }

    /// Lets a deadline fire, if whatever had arrived has been taken in.
    fn tick(&mut self, cx: Cx) -> bool {
        if self.reading.is_behind() {
            return false;
        }
        if self.session.poll_timeout().is_none_or(|at| at > cx.now) {
            return false;
        }
        if self.reading.is_unread() {
            self.vouch(cx);
        }
        self.session.handle(cx, Input::Tick);
        true
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
        // One that is asked for beside a living connection is pending nowhere.
        let wanted =
            self.session.machine().is_token_pending(fetch.token) || self.session.is_online();
        self.fetch = None;
        if wanted {
            let cx = self.cx();
            let input = match answer {
                Ok(token) => Input::OfferToken(token),
                Err(error) => {
                    self.problem(error.fault(), "the token source failed");
                    tasks::unavailable(&error)
                }
            };
            self.session.handle(cx, input);
        }
        true
    }

    fn poll_dial(&mut self, task: &mut Context<'_>, now: Timestamp) -> bool {
        let Some(dial) = &mut self.dial else { return false };
        // A dial that waits for its turn leaves the queue while the account is held back.
        if self.session.machine().not_before() > now
            && let Some(effect) = dial.take_back()
        {
            self.dial = None;
            self.held.push_back(effect);
            return true;
        }
        let conn = dial.conn;
        let Poll::Ready(step) = dial.poll(task) else { return false };
        match step {
            DialStep::Permitted => {
                let cx = self.cx();
                self.session.handle(cx, Input::Dialing { conn });
            }
            DialStep::Opened(socket) => {
                self.dial = None;
                self.reading.begin();
                self.socket = Some(Live::new(conn, *socket));
                let cx = self.cx();
                self.session.handle(cx, Input::Opened { conn });
            }
            DialStep::Failed(error) => {
                self.dial = None;
                let why = tasks::root(&error);
                tracing::warn!(target: "redial", conn = conn.get(), %error, why, "dial failed");
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

    fn perform_effects(&mut self, cx: Cx) -> bool {
        let mut busy = false;
        while let Some(effect) = self.next_effect(cx.now) {
            busy = true;
            self.save();
            match effect {
                Effect::Dial { conn, handshake } => {
                    self.dial = Some(Dial::new(conn, &self.connector, handshake));
                }
                Effect::Drop { conn, code } => {
                    self.dial.take_if(|dial| dial.conn == conn);
                    self.held.retain(
                        |held| !matches!(held, Effect::Dial { conn: held, .. } if *held == conn),
                    );
                    if let Some(live) = self.socket.take_if(|live| live.conn == conn) {
                        live.part(code);
                    }
                }
                Effect::Http { id, request } => self.exchanges.start(id, request),
                Effect::Abort { id } => {
                    self.held.retain(
                        |held| !matches!(held, Effect::Http { id: held, .. } if *held == id),
                    );
                    self.exchanges.abort(id);
                }
            }
        }
        busy
    }

    /// Hands out a snapshot where one is wanted and the last one is out of date.
    fn save(&mut self) {
        if let Some(write_ahead) = &mut self.write_ahead
            && self.session.take_unsaved()
        {
            write_ahead(self.session.snapshot());
        }
    }

    /// Takes the next effect that may be performed; what asks a server for something may not
    /// while a server of the account wants to be left alone.
    fn next_effect(&mut self, now: Timestamp) -> Option<Effect> {
        let free = self.session.machine().not_before() <= now;
        if free && let Some(effect) = self.held.pop_front() {
            return Some(effect);
        }
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                Effect::Dial { .. } | Effect::Http { .. } if !free => self.held.push_back(effect),
                effect => return Some(effect),
            }
        }
        None
    }

    /// Lets the application's token source answer where there is one.
    fn intercept(&mut self, item: Item<A>) -> Option<Item<A>> {
        self.observer.see(&item);
        if let Item::Notice(Notice::RetryScheduled { .. } | Notice::TokenFailed { .. }) = &item {
            self.entropy.advance();
        }
        match (item, &self.token_source) {
            (Item::TokenNeeded { token, rejected, cause, .. }, Some(source)) => {
                let mut request = TokenRequest::first();
                request.rejected = rejected;
                request.cause = cause;
                let fetch = Fetch::new(token, Arc::clone(source), request);
                self.ask_source(token, fetch);
                None
            }
            (item, _) => Some(item),
        }
    }

    /// Asks the token source, but not for ever: one whose tokens the session does not take has none.
    fn ask_source(&mut self, token: TokenId, fetch: Fetch) {
        let (last, times) = self.asked;
        let times = if last == token { times.saturating_add(1) } else { 1 };
        self.asked = (token, times);
        if times <= ASKS_MAX {
            self.fetch = Some(fetch);
            return;
        }
        self.problem(Fault::Caller, "what the token source gives is no token for this session");
        let cx = self.cx();
        let none = Input::TokenUnavailable { cause: Cause::Network, retry_after: None };
        self.session.handle(cx, none);
    }

    /// Waits as long as any session of this account was told to.
    fn heed_governor(&mut self, cx: Cx) {
        let account = self.session.adapter().account();
        if let Some(at) = self.connector.governor().held_until(cx.now, account)
            && at > self.governed
        {
            self.governed = at;
            let within = at.since(cx.now);
            self.session.handle(cx, Input::Throttled { within });
        }
    }

    /// Tells the other sessions of this account what this one was told.
    fn publish(&mut self, cx: Cx) {
        let at = self.session.machine().not_before();
        if at > self.governed {
            self.governed = at;
            let account = self.session.adapter().account();
            self.connector.governor().raise(cx.now, account, at);
        }
    }

    /// Returns when there is something to do.
    fn poll_timeout(&self) -> Option<Timestamp> {
        let held = (!self.held.is_empty()).then(|| self.session.machine().not_before());
        [self.session.poll_timeout(), held].into_iter().flatten().min()
    }

    fn sleep(&mut self, task: &mut Context<'_>) -> Poll<Option<Item<A>>> {
        match self.poll_timeout() {
            None => self.alarm.disarm(),
            Some(at) => {
                if self.alarm.poll(task, self.clock.now(), at).is_ready() {
                    task.waker().wake_by_ref();
                }
            }
        }
        Poll::Pending
    }
}

/// Whoever stores snapshots.
pub(crate) type WriteAhead<A> = Box<dyn FnMut(Snapshot<A>) + Send>;

/// Random bits for jitter (SplitMix64); nothing secret comes from here.
///
/// They change with each wait that was announced and with nothing else: how often a session was
/// polled has no say in its delays, so a seed repeats them.
struct Entropy(u64);

impl Entropy {
    const fn new(seed: u64) -> Self {
        let mut entropy = Self(seed);
        entropy.advance();
        entropy
    }

    const fn bits(&self) -> u64 {
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    const fn advance(&mut self) {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
    }
}

/// How many rounds a wake-up may have.
const ROUNDS: usize = 32;
/// How often the token source is asked for one token: for one that it had, and for a better one.
const ASKS_MAX: u8 = 2;
