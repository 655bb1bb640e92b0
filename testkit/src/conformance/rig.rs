//! A session in virtual time, between an application and a vendor that follow a script.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use redial_core::http::HttpRequest;
use redial_core::{
    Cause, ConnId, Continuity, Cx, Effect, Fate, Frame, Handshake, HttpId, Item, MessageId, Notice,
    Secret, Session, Span, Timestamp, Transmit,
};

use super::act::{Act, Link, Prints, Seen, Swap};
use super::report::Broken;
use super::vendor::Vendor;
use crate::rig::NONCE;
use crate::watch::panic_text;

/// When every conversation of the suite begins: 21 September 2026, in milliseconds.
pub const START: u64 = 1_790_000_000_000;

/// A session and everything around it.
pub(super) struct Rig<'a, V: Vendor> {
    vendor: &'a V,
    pub(super) session: Session<V::Adapter>,
    /// Milliseconds since [`START`].
    pub(super) now: u64,
    pub(super) entropy: u64,
    pub(super) link: Link,
    pub(super) dial: Option<(ConnId, Handshake)>,
    pub(super) conn: Option<ConnId>,
    pub(super) http: VecDeque<(HttpId, HttpRequest)>,
    /// What the vendor has said and the session has not heard.
    inbox: VecDeque<Frame>,
    asked: Option<Option<Secret>>,
    /// The close frame that the session has written.
    farewell: Option<u16>,
    /// Everything that was done to the session.
    pub(super) acts: Vec<(Cx, Act)>,
    /// What the socket did at each of these.
    pub(super) links: Vec<Link>,
    /// Everything that the session did.
    pub(super) seen: Vec<Seen>,
    pub(super) texts: Vec<String>,
    pub(super) fates: Vec<(MessageId, Fate)>,
    pub(super) accepted: Vec<MessageId>,
    pub(super) continuity: Option<Continuity>,
    pub(super) prints: Option<Prints>,
    /// What stands in the place of a secret in whatever the session is given from now on.
    pub(super) swap: Swap,
    /// What the session was given by exchanges and the application, and how much it had done then.
    pub(super) given: Vec<(usize, Vec<u8>)>,
}

impl<'a, V: Vendor> Rig<'a, V> {
    pub(super) fn new(vendor: &'a V) -> Self {
        Self::with(vendor, Session::new(vendor.adapter(), NONCE), 0)
    }

    pub(super) fn with(vendor: &'a V, session: Session<V::Adapter>, now: u64) -> Self {
        Self {
            vendor,
            session,
            now,
            entropy: u64::MAX / 2,
            link: Link::Healthy,
            dial: None,
            conn: None,
            http: VecDeque::new(),
            inbox: VecDeque::new(),
            asked: None,
            farewell: None,
            acts: Vec::new(),
            links: Vec::new(),
            seen: Vec::new(),
            texts: Vec::new(),
            fates: Vec::new(),
            accepted: Vec::new(),
            continuity: None,
            prints: None,
            swap: Swap::default(),
            given: Vec::new(),
        }
    }

    /// A session that is online.
    pub(super) fn online(vendor: &'a V) -> Result<Self, Broken> {
        let mut rig = Self::new(vendor);
        rig.act(Act::Connect)?;
        rig.get_online()?;
        Ok(rig)
    }

    /// Answers everything well until the session is online.
    pub(super) fn get_online(&mut self) -> Result<(), Broken> {
        let end = self.now + PATIENCE;
        self.settle()?;
        while !self.session.is_online() {
            let due = self.due().filter(|due| *due <= end);
            let Some(due) = due else {
                let phase = self.session.machine().phase().name();
                return Err(self.broken(format!("the script gets it no further than {phase}")));
            };
            self.run_until(due.max(self.now))?;
        }
        Ok(())
    }

    pub(super) fn cx(&self) -> Cx {
        Cx::new(Timestamp::from_millis(START + self.now), self.entropy)
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.session.poll_timeout().map(|at| at.as_millis().saturating_sub(START))
    }

    /// Does one thing to the session and takes what follows. A panic is what is broken, and so is
    /// a loop that counts to a number of the peer's.
    pub(super) fn act(&mut self, act: Act) -> Result<(), Broken> {
        let cx = self.cx();
        self.acts.push((cx, act.clone()));
        self.links.push(self.link);
        let begun = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| {
            self.input(cx, act);
            self.drain(cx);
        }));
        done.map_err(|panic| self.broken(format!("panicked: {}", panic_text(panic.as_ref()))))?;
        let took = begun.elapsed();
        if took > LONGEST { Err(self.broken(format!("one input took {took:.1?}"))) } else { Ok(()) }
    }

    fn input(&mut self, cx: Cx, act: Act) {
        let text = match act.input() {
            Ok(input) => return self.session.handle(cx, input),
            Err(text) => text,
        };
        if let Some(message) = self.vendor.outgoing(&text) {
            self.print(|shown| *shown += &format!("{message:?}{message:#?}"));
            match self.session.send(cx, message) {
                Ok(id) => self.accepted.push(id),
                Err(refused) => self.print(|shown| *shown += &format!("{refused:?}")),
            }
        }
    }

    /// Takes what the session does until it waits for something.
    fn drain(&mut self, cx: Cx) {
        loop {
            let mut idle = true;
            while let Some(effect) = self.session.poll_effect() {
                idle = false;
                self.perform(effect);
            }
            while self.link != Link::Stuck
                && let Some(transmit) = self.session.poll_transmit(cx)
            {
                idle = false;
                self.transmit(transmit);
            }
            while let Some(item) = self.session.poll_item() {
                idle = false;
                self.take(&item);
            }
            if idle && !self.session.has_effects() {
                break;
            }
        }
        if self.prints.is_some() {
            let shown = format!("{:?}{:?}", self.session, self.session.adapter());
            let saved = format!("{:?}", self.session.snapshot());
            self.print(|prints| prints.extend([shown, saved]));
            while let Some(record) = self.session.poll_record() {
                self.print(|prints| *prints += &format!("{record:?}"));
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        self.print(|shown| *shown += &format!("{effect:?}{effect:#?}"));
        let seen = match effect {
            Effect::Dial { conn, handshake } => {
                self.wire(handshake.url.as_bytes());
                for (_, value) in &handshake.headers {
                    self.wire(value.as_bytes());
                }
                self.conn = None;
                self.dial = Some((conn, handshake.clone()));
                Seen::Dial(handshake)
            }
            Effect::Drop { code, .. } => {
                (self.conn, self.dial) = (None, None);
                self.inbox.clear();
                Seen::Drop(code)
            }
            Effect::Http { id, request } => {
                self.wire(request.url.as_bytes());
                self.wire(&request.body);
                for (_, value) in &request.headers {
                    self.wire(value.as_bytes());
                }
                self.http.push_back((id, request.clone()));
                Seen::Http(request)
            }
            Effect::Abort { id } => {
                self.http.retain(|(known, _)| *known != id);
                Seen::Abort
            }
        };
        self.seen.push(seen);
    }

    fn transmit(&mut self, transmit: Transmit) {
        self.print(|shown| *shown += &format!("{transmit:?}"));
        match transmit {
            Transmit::Frame(frame) => {
                if self.link == Link::Healthy {
                    match &frame {
                        Frame::Ping(bytes) => self.inbox.push_back(Frame::Pong(bytes.clone())),
                        Frame::Pong(_) => {}
                        Frame::Text(bytes) | Frame::Binary(bytes) => {
                            self.wire(bytes);
                            self.inbox.extend(self.vendor.answer(&frame));
                        }
                    }
                }
                self.seen.push(Seen::Frame(frame));
            }
            Transmit::Close { code } => {
                self.farewell = (self.link == Link::Healthy).then_some(code);
                self.seen.push(Seen::Close(code));
            }
        }
    }

    fn take(&mut self, item: &Item<V::Adapter>) {
        let mut text = format!("{item:?}");
        self.print(|shown| *shown += &format!("{item:#?}"));
        match item {
            Item::Message(message) => {
                text += &format!("{message:?}");
                self.print(|shown| *shown += &format!("{message:#?}"));
                if let Some(read) = self.vendor.application_reads(message) {
                    self.texts.push(read);
                }
            }
            Item::Reply { reply, .. } => {
                text += &format!("{reply:?}");
                self.print(|shown| *shown += &format!("{reply:#?}"));
            }
            Item::Fate(settled) => self.fates.push((settled.id, settled.fate)),
            Item::TokenNeeded { rejected, .. } => self.asked = Some(rejected.clone()),
            Item::Notice(Notice::Online { continuity, .. }) => self.continuity = Some(*continuity),
            Item::Notice(_) | Item::Gap { .. } | Item::Problem(_) | Item::PeerReason { .. } => {}
        }
        self.print(|shown| shown.push_str(&text));
        self.seen.push(Seen::Item(text));
    }

    /// Lets everybody do what was asked, at once, until nothing is.
    pub(super) fn settle(&mut self) -> Result<(), Broken> {
        for _ in 0..ROUNDS {
            if !self.settle_one()? {
                return Ok(());
            }
        }
        Err(self.broken("adapter and vendor talk without end while no time passes".into()))
    }

    /// Lets one thing happen that was asked for; returns whether there was any.
    pub(super) fn settle_one(&mut self) -> Result<bool, Broken> {
        if let Some((id, request)) = self.http.pop_front() {
            let mut answer = self.vendor.exchange(&request);
            if let Ok(answer) = &mut answer {
                self.swap.answer(answer);
                self.given.push((self.seen.len(), answer.body.to_vec()));
                let values = answer.headers.iter().map(|(_, value)| value.clone().into_bytes());
                self.given.extend(values.map(|value| (self.seen.len(), value)));
                self.wire(&answer.body);
                answer.headers.iter().for_each(|(_, value)| self.wire(value.as_bytes()));
                self.print(|shown| *shown += &format!("{answer:?}"));
            }
            self.act(Act::Http(id, answer))?;
        } else if let Some(rejected) = self.asked.take() {
            let token = self.vendor.token(rejected.as_ref());
            let token = token.map(|token| Secret::new(self.swap.text(token.expose())));
            if let Some(token) = &token {
                self.given.push((self.seen.len(), token.expose().into()));
                self.wire(token.expose().as_bytes());
            }
            self.act(Act::Token(token))?;
        } else if let Some((conn, handshake)) = self.dial.take() {
            self.open(conn, &handshake)?;
        } else if self.conn.is_some()
            && let Some(frame) = self.inbox.pop_front()
        {
            self.receive(frame)?;
        } else if let (Some(conn), Some(code)) = (self.conn, self.farewell.take()) {
            self.conn = None;
            self.act(Act::Closed(conn, Cause::Close(code), None))?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn open(&mut self, conn: ConnId, handshake: &Handshake) -> Result<(), Broken> {
        self.inbox.clear();
        self.act(Act::Dialing(conn))?;
        self.conn = Some(conn);
        if self.link == Link::Healthy {
            self.inbox.extend(self.vendor.greet(handshake));
        }
        self.act(Act::Opened(conn))
    }

    /// Refuses the dial that is there, or cuts the connection.
    pub(super) fn lose(&mut self, cause: Cause, wait: Option<Span>) -> Result<(), Broken> {
        let dialled = self.dial.take().map(|(conn, _)| conn);
        if let Some(conn) = dialled {
            self.act(Act::Dialing(conn))?;
        }
        match dialled.or(self.conn.take()) {
            Some(conn) => {
                self.inbox.clear();
                self.act(Act::Closed(conn, cause, wait))
            }
            None => Ok(()),
        }
    }

    /// Returns what the vendor has said and the session has not heard.
    pub(super) fn said(&self) -> Vec<Frame> {
        self.inbox.iter().cloned().collect()
    }

    /// The vendor says something.
    pub(super) fn receive(&mut self, frame: Frame) -> Result<(), Broken> {
        let Some(conn) = self.conn else { return Ok(()) };
        if let Frame::Text(bytes) | Frame::Binary(bytes) = &frame {
            self.wire(bytes);
        }
        self.act(Act::Frame(conn, frame))
    }

    /// Lets time pass, with a tick at every deadline and answers to whatever is asked.
    pub(super) fn run_until(&mut self, at: u64) -> Result<(), Broken> {
        self.settle()?;
        let (mut ticks, mut instant) = (0, 0);
        while let Some(due) = self.due().filter(|due| *due <= at) {
            if due > self.now {
                instant = 0;
            }
            (self.now, ticks, instant) = (self.now.max(due), ticks + 1, instant + 1);
            if instant > 100 || ticks > TICKS {
                return Err(self.broken("something stays due, however often it is ticked".into()));
            }
            self.act(Act::Tick)?;
            self.settle()?;
        }
        self.now = self.now.max(at);
        Ok(())
    }

    pub(super) fn run(&mut self, millis: u64) -> Result<(), Broken> {
        self.run_until(self.now + millis)
    }

    /// Returns what was written, and not by a probe.
    pub(super) fn written(&self) -> impl Iterator<Item = &Seen> {
        self.seen.iter().filter(|seen| {
            matches!(seen, Seen::Frame(Frame::Text(_) | Frame::Binary(_)) | Seen::Http(_))
        })
    }

    pub(super) fn broken(&self, what: String) -> Broken {
        Broken::new(what, &self.acts)
    }

    pub(super) fn print(&mut self, show: impl FnOnce(&mut String)) {
        if let Some(prints) = &mut self.prints {
            show(&mut prints.shown);
        }
    }

    fn wire(&mut self, bytes: &[u8]) {
        if let Some(prints) = &mut self.prints {
            prints.wire.extend_from_slice(bytes);
            prints.wire.push(b'\n');
        }
    }
}

/// How long a session may take to get online, with everybody's help.
const PATIENCE: u64 = 3_600_000;
/// How long one input may take, by the clock on the wall. It takes microseconds.
const LONGEST: Duration = Duration::from_secs(5);
const ROUNDS: usize = 10_000;
const TICKS: usize = 200_000;
