//! A world with a clock of its own, in which one session meets a server that follows a script.
//!
//! Nothing waits and nothing is left to chance, so times are exact to the millisecond. Every step
//! is checked against the explorer's [invariants](crate::explorer::INVARIANTS).
//!
//! ```
//! use redial_core::{Backoff, Cause, Policy, PolicySpec, Span};
//! use redial_testkit::world::World;
//!
//! let backoff = Backoff::fixed(Span::from_secs(10));
//! let mut world = World::new(&Policy::new(PolicySpec { backoff, ..PolicySpec::DEFAULT }));
//! world.cut(3_000, Cause::Close(1006));
//! world.run_until(20_000);
//! assert_eq!(world.connects(), [0, 13_000]);
//! ```

mod fleet;
mod script;

use std::collections::{BTreeMap, VecDeque};

use redial_core::{
    Action, Cause, ConnId, Continuity, Cx, Event, Evidence, Machine, Phase, Policy, Span,
    Timestamp, TokenId,
};

pub use fleet::{Case, Fleet, Origin, Plan, Tally, WorldFailed};
pub use script::{Dial, Link, Login};

use crate::explorer::{INVARIANTS, Step, Witness};

/// One session, one server, one clock.
#[derive(Clone, Debug)]
pub struct World {
    policy: Policy,
    machine: Machine,
    witness: Witness,
    now: u64,
    /// What will happen, in the order of time and of planning.
    plan: BTreeMap<(u64, u64), Item>,
    planned: u64,
    logins: VecDeque<Login>,
    dials: VecDeque<Dial>,
    link: Link,
    entropy: u64,
    log: Vec<(u64, Action)>,
}

/// Something that will happen.
#[derive(Clone, Copy, Debug)]
enum Item {
    /// The session hears of it.
    Event(Event),
    /// Whatever connection there is ends.
    Cut(Cause),
    /// Whatever connection there is does this from now on.
    Link(Link),
    /// The server sends something, if it is able to.
    Talk,
    /// The server answers a probe, if it is able to.
    Pong(ConnId),
}

impl World {
    /// Makes a world in which a session under `policy` begins at once and everything succeeds
    /// without delay.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        let mut world = Self {
            policy: *policy,
            machine: Machine::new(),
            witness: Witness::new(),
            now: 0,
            plan: BTreeMap::new(),
            planned: 0,
            logins: VecDeque::new(),
            dials: VecDeque::new(),
            link: Link::Healthy { latency: Span::ZERO },
            entropy: 0,
            log: Vec::new(),
        };
        world.at(0, Event::Connect);
        world
    }

    /// Sets how token requests end, one after the other; the last one stands for all that follow.
    #[must_use]
    pub fn logins(mut self, script: impl IntoIterator<Item = Login>) -> Self {
        self.logins = script.into_iter().collect();
        self
    }

    /// Sets how dials end, one after the other; the last one stands for all that follow.
    #[must_use]
    pub fn dials(mut self, script: impl IntoIterator<Item = Dial>) -> Self {
        self.dials = script.into_iter().collect();
        self
    }

    /// Sets what all jitter is drawn from.
    #[must_use]
    pub fn entropy(mut self, entropy: u64) -> Self {
        self.entropy = entropy;
        self
    }

    /// Lets something happen at `ms`.
    pub fn at(&mut self, ms: u64, event: Event) {
        self.plan(ms, Item::Event(event));
    }

    /// Ends whatever connection there is at `ms`.
    pub fn cut(&mut self, ms: u64, cause: Cause) {
        self.plan(ms, Item::Cut(cause));
    }

    /// Makes the connection that there is at `ms` behave like `link`.
    pub fn become_link(&mut self, ms: u64, link: Link) {
        self.plan(ms, Item::Link(link));
    }

    /// Lets the server send something every `every` milliseconds from `from` up to `until`.
    pub fn talk(&mut self, from: u64, every: u64, until: u64) {
        let mut ms = from;
        while ms <= until {
            self.plan(ms, Item::Talk);
            ms += every.max(1);
        }
    }

    /// Lets time pass up to and including `ms`.
    ///
    /// What happens at an instant is told before a deadline at the same instant fires, as a driver
    /// must do it.
    ///
    /// # Panics
    ///
    /// Where an invariant of the machine is broken.
    pub fn run_until(&mut self, ms: u64) {
        loop {
            let due = self.machine.poll_timeout().map(|due| self.since(due).max(self.now));
            let next = self.plan.first_key_value().map(|((at, _), _)| *at);
            match (next, due) {
                (Some(next), due) if next <= ms && due.is_none_or(|due| next <= due) => {
                    let Some((_, item)) = self.plan.pop_first() else { break };
                    self.now = self.now.max(next);
                    self.happen(item);
                }
                (_, Some(due)) if due <= ms => {
                    self.now = due;
                    self.tell(Event::Tick);
                }
                _ => break,
            }
        }
        self.now = self.now.max(ms);
    }

    /// Returns every action and when it was due.
    #[must_use]
    pub fn log(&self) -> &[(u64, Action)] {
        &self.log
    }

    /// Returns when the session dialled.
    #[must_use]
    pub fn connects(&self) -> Vec<u64> {
        self.times(|action| matches!(action, Action::Connect { .. }))
    }

    /// Returns when the session asked for a token.
    #[must_use]
    pub fn logged_in(&self) -> Vec<u64> {
        self.times(|action| matches!(action, Action::RegenerateToken { .. }))
    }

    /// Returns when the session probed its connection.
    #[must_use]
    pub fn probes(&self) -> Vec<u64> {
        self.times(|action| matches!(action, Action::SendPing { .. }))
    }

    /// Returns when the session did what `which` names.
    pub fn times(&self, which: impl Fn(&Action) -> bool) -> Vec<u64> {
        self.log.iter().filter(|(_, action)| which(action)).map(|(at, _)| *at).collect()
    }

    /// Returns the session.
    #[must_use]
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    fn happen(&mut self, item: Item) {
        let live = self.machine.live_conn();
        match (item, live) {
            (Item::Event(event), _) => self.tell(event),
            (Item::Cut(cause), Some(conn)) => {
                self.tell(Event::Closed { conn, cause, retry_after: None });
            }
            (Item::Link(link), Some(conn)) => self.join(conn, link),
            (Item::Talk, Some(conn)) if self.link.latency().is_some() => {
                self.tell(Event::Ack { conn, evidence: Evidence::Inbound });
            }
            (Item::Pong(conn), Some(live)) if conn == live && self.link.latency().is_some() => {
                self.tell(Event::Ack { conn, evidence: Evidence::Probe });
            }
            (Item::Cut(_) | Item::Link(_) | Item::Talk | Item::Pong(_), _) => {}
        }
    }

    fn tell(&mut self, event: Event) {
        let (before, seen_before) = (self.machine, self.witness);
        let cx = Cx::new(self.instant(), self.entropy);
        let actions = self.machine.handle(&self.policy, cx, event);
        self.witness.see_event(&self.policy, &before, cx.now.max(before.now()), event);
        self.witness.see_actions(&actions, self.machine.phase());
        let step = Step {
            policy: &self.policy,
            before: &before,
            seen_before: &seen_before,
            cx,
            event,
            actions: &actions,
            after: &self.machine,
            timeout: self.machine.poll_timeout(),
            seen: &self.witness,
            at_once: None,
        };
        for invariant in &INVARIANTS {
            if let Err(what) = (invariant.check)(&step) {
                panic!("{} at {} ms: {what}\n{step:?}", invariant.name, self.now);
            }
        }
        for action in actions.as_slice() {
            self.log.push((self.now, *action));
            self.perform(*action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::RegenerateToken { token, .. } | Action::RenewToken { token } => {
                self.log_in(token);
            }
            Action::Connect { conn, .. } => self.dial(conn),
            Action::SendPing { conn } => {
                if let Some(latency) = self.link.latency() {
                    self.plan_after(latency, Item::Pong(conn));
                }
            }
            Action::Close { conn, code: Some(_) } => {
                if let (Phase::Closing { .. }, Some(latency)) =
                    (self.machine.phase(), self.link.latency())
                {
                    let cause = Cause::Close(1000);
                    let closed = Event::Closed { conn, cause, retry_after: None };
                    self.plan_after(latency, Item::Event(closed));
                }
            }
            Action::Close { code: None, .. } | Action::ScheduleRetry { .. } | Action::Notify(_) => {
            }
        }
    }

    fn log_in(&mut self, token: TokenId) {
        let script = next(&mut self.logins).unwrap_or(Login::Good { after: Span::ZERO });
        let (after, event) = match script {
            Login::Good { after } => {
                (after, Event::TokenReady { token, expires_in: None, resumable: true })
            }
            Login::Expiring { after, within } => {
                (after, Event::TokenReady { token, expires_in: Some(within), resumable: true })
            }
            Login::Refused { after, status, retry_after } => {
                let cause = Cause::Http { step: 0, status };
                (after, Event::TokenFailed { token, cause, retry_after })
            }
            Login::Silent => return,
        };
        self.plan_after(after, Item::Event(event));
    }

    fn dial(&mut self, conn: ConnId) {
        self.plan_after(Span::ZERO, Item::Event(Event::Dialing { conn }));
        let healthy = Link::Healthy { latency: Span::ZERO };
        match next(&mut self.dials).unwrap_or(Dial::Open { after: Span::ZERO, link: healthy }) {
            Dial::Open { after, link } => {
                self.plan_after(after, Item::Event(Event::Opened { conn }));
                let ready = Event::Ready { conn, continuity: Continuity::Fresh };
                self.plan_after(after, Item::Event(ready));
                self.plan_after(after, Item::Link(link));
            }
            Dial::OpenUnready { after } => {
                self.plan_after(after, Item::Event(Event::Opened { conn }));
            }
            Dial::Refused { after, status, retry_after } => {
                let cause = Cause::Handshake(status);
                self.plan_after(after, Item::Event(Event::Closed { conn, cause, retry_after }));
            }
            Dial::Silent => {}
        }
    }

    fn join(&mut self, conn: ConnId, link: Link) {
        self.link = link;
        if let Link::Closes { after, cause } = link {
            let closed = Event::Closed { conn, cause, retry_after: None };
            self.plan_after(after, Item::Event(closed));
        }
    }

    fn plan_after(&mut self, after: Span, item: Item) {
        self.plan(self.now + u64::from(after.as_millis()), item);
    }

    fn plan(&mut self, ms: u64, item: Item) {
        self.plan.insert((ms, self.planned), item);
        self.planned += 1;
    }

    fn instant(&self) -> Timestamp {
        Timestamp::from_millis(BEGINNING + self.now)
    }

    fn since(&self, at: Timestamp) -> u64 {
        at.as_millis().saturating_sub(BEGINNING)
    }
}

/// Takes the next line of a script; the last one stays.
fn next<T: Copy>(script: &mut VecDeque<T>) -> Option<T> {
    if script.len() > 1 { script.pop_front() } else { script.front().copied() }
}

/// When the world begins.
const BEGINNING: u64 = 1_700_000_000_000;
