//! What a fleet does to a server that comes back: many sessions lose their connections at once.
//!
//! Every client is the real [`Machine`] under the policy that is looked at, with chance of its own,
//! in virtual time. The server refuses everything while it is out, then takes so many connections
//! in each second and refuses the others. The same seed gives the same storm.
//!
//! ```
//! use redial_core::{Policy, PolicySpec};
//! use redial_testkit::storm::Storm;
//!
//! const POLICY: Policy = Policy::new(PolicySpec::DEFAULT);
//! let storm = Storm { clients: 1_000, outage_s: 20, capacity: 200, seed: 1 };
//! let aftermath = storm.run(&POLICY);
//! assert_eq!(aftermath.back, 1_000);
//! assert!(aftermath.all.is_some_and(|millis| millis > 20_000));
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use redial_core::{
    Action, Cause, ConnId, Continuity, Cx, Event, Machine, Phase, Policy, Span, Timestamp,
};

use crate::scenario::Random;

/// A fleet, an outage and a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storm {
    /// How many clients lose their server.
    pub clients: u32,
    /// How many seconds it is out.
    pub outage_s: u32,
    /// How many connections it takes in each second after that.
    pub capacity: u32,
    /// What chance is made from.
    pub seed: u64,
}

/// How a storm went. Times are milliseconds since the loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aftermath {
    /// How many clients are back.
    pub back: u32,
    /// How many have given up, or wait for their application.
    pub gave_up: u32,
    /// When half of the fleet was back.
    pub half: Option<u64>,
    /// When 90 % were.
    pub most: Option<u64>,
    /// When 99 % were.
    pub nearly: Option<u64>,
    /// When all were.
    pub all: Option<u64>,
    /// The most connects in one second.
    pub peak: u32,
    /// The most connects in one second once the server was there again.
    pub peak_after: u32,
    /// How many connects there were.
    pub connects: u64,
    /// How many of them were refused.
    pub wasted: u64,
    /// How many tokens were asked for.
    pub tokens: u64,
    /// When each client came back, in order.
    pub returns: Vec<u32>,
}

impl Storm {
    /// The longest storm that is watched, in seconds.
    pub const LONGEST_S: u64 = 24 * 3600;

    /// Lets a fleet go through it under one policy.
    #[must_use]
    pub fn run(&self, policy: &Policy) -> Aftermath {
        let mut fleet = Fleet {
            storm: self,
            policy,
            clients: Vec::new(),
            due: BinaryHeap::new(),
            random: Random::new(self.seed),
            connects: Vec::new(),
            accepted: Vec::new(),
            returns: Vec::new(),
            connect_count: 0,
            tokens: 0,
        };
        fleet.begin();
        fleet.weather();
        fleet.aftermath()
    }
}

struct Fleet<'a> {
    storm: &'a Storm,
    policy: &'a Policy,
    clients: Vec<Machine>,
    /// When which client has a deadline.
    due: BinaryHeap<Reverse<(u64, u32)>>,
    random: Random,
    /// By the second.
    connects: Vec<u32>,
    accepted: Vec<u32>,
    returns: Vec<u32>,
    connect_count: u64,
    tokens: u64,
}

impl Fleet<'_> {
    /// Brings everybody online, then takes the server away.
    fn begin(&mut self) {
        for number in 0..self.storm.clients {
            let mut machine = Machine::new();
            let mut at = START;
            // A first connection that is held back by a floor is none here: time goes on.
            let mut event = Event::Connect;
            while !matches!(machine.phase(), Phase::Online(_)) {
                let actions = machine.handle(self.policy, Cx::new(at, 0), event);
                let Some(next) = answer(&machine, actions.as_slice()) else { break };
                event = next;
                at = at + Span::from_millis(1);
            }
            self.clients.push(machine);
            let conn = machine.newest_conn();
            let lost = Event::Closed { conn, cause: Cause::Network, retry_after: None };
            self.handle(number, LOSS, lost);
        }
    }

    /// Lets time pass until everybody is back or has given up.
    fn weather(&mut self) {
        while let Some(Reverse((millis, number))) = self.due.pop() {
            if millis > LOSS.as_millis() + Storm::LONGEST_S * 1000 {
                return;
            }
            let machine = &self.clients[number as usize];
            // A deadline that has moved is in the queue again.
            if machine.poll_timeout().map(Timestamp::as_millis) == Some(millis) {
                self.handle(number, Timestamp::from_millis(millis), Event::Tick);
            }
        }
    }

    /// Hands an event to a client, and does what it asks for until it waits or is back.
    fn handle(&mut self, number: u32, at: Timestamp, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let cx = Cx::new(at, self.random.next());
            let machine = &mut self.clients[number as usize];
            let actions = machine.handle(self.policy, cx, event);
            let machine = *machine;
            next = answer(&machine, actions.as_slice());
            match next {
                Some(Event::TokenReady { .. }) => self.tokens += 1,
                Some(Event::Opened { conn }) if !self.dial(at) => {
                    let cause = Cause::Network;
                    next = Some(Event::Closed { conn, cause, retry_after: None });
                }
                _ => {}
            }
        }
        let machine = &self.clients[number as usize];
        if !matches!(machine.phase(), Phase::Online(_))
            && let Some(at) = machine.poll_timeout()
        {
            self.due.push(Reverse((at.as_millis(), number)));
        }
    }

    /// Counts a connect; returns whether the server takes it.
    fn dial(&mut self, at: Timestamp) -> bool {
        self.connect_count += 1;
        let since = at.as_millis() - LOSS.as_millis();
        count(&mut self.connects, since / 1000);
        if since < u64::from(self.storm.outage_s) * 1000 {
            return false;
        }
        let second = since / 1000;
        let taken = self.accepted.get(second as usize).copied().unwrap_or(0);
        if taken >= self.storm.capacity {
            return false;
        }
        count(&mut self.accepted, second);
        self.returns.push(u32::try_from(since).unwrap_or(u32::MAX));
        true
    }

    fn aftermath(self) -> Aftermath {
        let back = u32::try_from(self.returns.len()).unwrap_or(u32::MAX);
        let phase =
            |machine: &&Machine| matches!(machine.phase(), Phase::Suspended(_) | Phase::Stopped(_));
        let gave_up = self.clients.iter().filter(phase).count();
        let when = |percent: u64| {
            let wanted = (u64::from(self.storm.clients) * percent).div_ceil(100);
            let last = usize::try_from(wanted.max(1) - 1).unwrap_or(usize::MAX);
            self.returns.get(last).copied().map(u64::from)
        };
        let end = self.storm.outage_s as usize;
        let after = self.connects.get(end..).unwrap_or_default();
        Aftermath {
            back,
            gave_up: u32::try_from(gave_up).unwrap_or(u32::MAX),
            half: when(50),
            most: when(90),
            nearly: when(99),
            all: when(100),
            peak: self.connects.iter().copied().max().unwrap_or(0),
            peak_after: after.iter().copied().max().unwrap_or(0),
            connects: self.connect_count,
            wasted: self.connect_count - u64::from(back),
            tokens: self.tokens,
            returns: self.returns,
        }
    }
}

/// Returns what a world without delays answers to what a machine asks for.
fn answer(machine: &Machine, actions: &[Action]) -> Option<Event> {
    let asked = actions.iter().find_map(|action| match *action {
        Action::RegenerateToken { token, .. } | Action::RenewToken { token } => {
            Some(Event::TokenReady { token, expires_in: None, resumable: true })
        }
        Action::Connect { conn, .. } => Some(Event::Opened { conn }),
        Action::SendPing { .. }
        | Action::Close { .. }
        | Action::ScheduleRetry { .. }
        | Action::Notify(_) => None,
    });
    asked.or_else(|| ready(machine))
}

fn ready(machine: &Machine) -> Option<Event> {
    match machine.phase() {
        Phase::Starting { .. } => {
            let conn: ConnId = machine.newest_conn();
            Some(Event::Ready { conn, continuity: Continuity::Fresh })
        }
        _ => None,
    }
}

fn count(seconds: &mut Vec<u32>, second: u64) {
    let second = usize::try_from(second).unwrap_or(usize::MAX);
    if second > Storm::LONGEST_S as usize {
        return;
    }
    if seconds.len() <= second {
        seconds.resize(second + 1, 0);
    }
    seconds[second] += 1;
}

/// When the fleet comes online.
const START: Timestamp = Timestamp::from_millis(1 << 40);
/// When it loses its server: long after every floor of the first connection.
const LOSS: Timestamp = Timestamp::from_millis((1 << 40) + 3_600_000);
