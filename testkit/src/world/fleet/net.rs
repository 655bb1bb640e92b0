//! What lies between sessions and servers: time, ways of different length, permits, the governor.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use redial_core::http::{HttpRequest, HttpResult};
use redial_core::{Cause, ConnId, Frame, Governor, Handshake, HttpId, Span, Timestamp};

use super::plan::Plan;
use crate::scenario::Random;

/// Everything that all sessions share.
pub(super) struct Net {
    pub(super) now: u64,
    pub(super) random: Random,
    pub(super) governor: Governor,
    queue: BinaryHeap<Reverse<Due>>,
    planned: u64,
    latency: u64,
    /// How many dials may begin.
    permits: usize,
    waiting: VecDeque<(usize, u64, What)>,
    /// The process of each session.
    processes: Vec<u64>,
}

/// Something that will happen to a session.
pub(super) struct Due {
    at: u64,
    /// What arrives comes before what is due.
    late: bool,
    number: u64,
    pub(super) host: usize,
    /// The process that it belongs to: names begin anew with each.
    pub(super) process: u64,
    pub(super) what: What,
}

/// What will happen.
pub(super) enum What {
    /// A deadline of the session.
    Alarm,
    /// The session may dial.
    Permit(ConnId, Box<Handshake>),
    /// A dial arrives at the server.
    Dial(ConnId, Box<Handshake>),
    /// A frame arrives at the server.
    Up(ConnId, Frame),
    /// The close frame that ends the session arrives at the server.
    Farewell(ConnId),
    /// A request arrives at the server.
    Request(HttpId, Box<HttpRequest>),
    /// The dial has succeeded.
    Opened(ConnId),
    /// The dial has failed, or the connection has ended.
    Closed(ConnId, Cause, Option<Span>),
    /// A frame arrives at the session.
    Down(ConnId, Frame),
    /// An answer arrives at the session.
    Answer(HttpId, Box<HttpResult>),
    /// The server gives a sign of life.
    Beat(ConnId),
    /// The application sends something.
    Send,
    /// The application wants the session.
    Connect,
    /// The application has a token.
    Token,
    /// Something goes wrong.
    Fault,
}

impl Net {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            now: BEGINNING,
            random: Random::new(plan.seed),
            governor: Governor::new(),
            queue: BinaryHeap::new(),
            planned: 0,
            latency: u64::from(plan.latency.as_millis()),
            permits: usize::from(plan.dials_at_once),
            waiting: VecDeque::new(),
            processes: vec![0; usize::from(plan.sessions)],
        }
    }

    /// Takes the next thing that happens up to `until`.
    pub(super) fn next(&mut self, until: u64) -> Option<Due> {
        if self.queue.peek().is_none_or(|Reverse(due)| due.at > until) {
            return None;
        }
        let Reverse(due) = self.queue.pop()?;
        self.now = self.now.max(due.at);
        Some(due)
    }

    pub(super) fn at(&mut self, at: u64, host: usize, what: What) {
        self.plan(at, host, self.processes[host], what);
    }

    fn plan(&mut self, at: u64, host: usize, process: u64, what: What) {
        let late = matches!(what, What::Alarm);
        let number = self.planned;
        self.planned += 1;
        let due = Due { at: at.max(self.now), late, number, host, process, what };
        self.queue.push(Reverse(due));
    }

    /// Another process has begun; returns its number.
    pub(super) fn next_process(&mut self, host: usize) -> u64 {
        self.processes[host] += 1;
        self.processes[host]
    }

    /// Returns whether this belongs to a process that is gone.
    pub(super) fn is_of_the_dead(&self, due: &Due) -> bool {
        due.process != self.processes[due.host]
    }

    pub(super) fn after(&mut self, millis: u64, host: usize, what: What) {
        self.at(self.now + millis, host, what);
    }

    /// Puts something off, behind all that was put off before.
    pub(super) fn put_off(&mut self, until: u64, due: Due) {
        self.plan(until, due.host, due.process, due.what);
    }

    /// Draws how long something is on its way.
    pub(super) fn way(&mut self, slow: bool) -> u64 {
        let most = if slow { self.latency * 60 } else { self.latency };
        self.random.between(1, most.max(1))
    }

    /// Draws a span of this mean.
    pub(super) fn about(&mut self, mean: Span) -> u64 {
        self.random.between(1, u64::from(mean.as_millis()) * 2)
    }

    pub(super) fn instant(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    /// Lets a dial begin, now or when others have ended.
    pub(super) fn ask_for_permit(&mut self, host: usize, conn: ConnId, handshake: Handshake) {
        let (process, permit) = (self.processes[host], What::Permit(conn, Box::new(handshake)));
        if self.permits > 0 {
            self.permits -= 1;
            self.plan(self.now, host, process, permit);
        } else {
            self.waiting.push_back((host, process, permit));
        }
    }

    /// A dial has ended.
    pub(super) fn give_permit_back(&mut self) {
        if let Some((host, process, permit)) = self.waiting.pop_front() {
            self.plan(self.now, host, process, permit);
        } else {
            self.permits += 1;
        }
    }
}

impl Due {
    fn key(&self) -> (u64, bool, u64) {
        (self.at, self.late, self.number)
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// When simulations begin.
pub(super) const BEGINNING: u64 = 1_700_000_000_000;
