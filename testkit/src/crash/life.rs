//! One life: a session, its vendor and its application, driven by a script.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use redial_core::http::{HttpRequest, HttpResponse, NoAnswer};
use redial_core::{
    Adapter, Cause, ConnId, Cx, Effect, Frame, Handshake, HttpId, Input, Item, Notice, Secret,
    Session, Snapshot, Span, Timestamp, Transmit,
};

use super::wire_id;
use crate::accounts::Accounts;
use crate::conformance::{START, Sent, Vendor};
use crate::peer::Carried;
use crate::rig::NONCE;
use crate::scenario::Source;
use crate::watch::Breach;

/// What a life came to.
#[derive(Clone, Debug)]
pub struct Lived {
    /// How many boundaries it had.
    pub boundaries: usize,
    /// How many processes died.
    pub deaths: usize,
    /// How often a later process wrote a message again, with the id that it had before.
    pub ids_kept: u64,
    /// What became of the messages.
    pub accounts: Accounts,
}

/// Lives through a script, then through calm weather to the end. A process dies at each of these
/// boundaries, counted over the whole life.
///
/// # Errors
///
/// Names the first thing that did not hold; a panic is `never_panics`.
pub fn live<V: Vendor>(
    vendor: &V,
    script: &[u8],
    deaths: &BTreeSet<usize>,
) -> Result<Lived, Breach> {
    catch_unwind(AssertUnwindSafe(|| lived(vendor, script, deaths)))
        .unwrap_or_else(|panic| Err(Breach::of_panic(panic.as_ref())))
}

fn lived<V: Vendor>(vendor: &V, script: &[u8], deaths: &BTreeSet<usize>) -> Result<Lived, Breach> {
    let mut life = Life {
        vendor,
        session: Session::new(vendor.adapter(), NONCE),
        now: START,
        source: Source::new(script),
        dial: None,
        conn: None,
        swallowed: false,
        exchanges: VecDeque::new(),
        said: VecDeque::new(),
        asked: None,
        sent: 0,
        stopped: false,
        deaths_due: deaths,
        written: BTreeMap::new(),
        lived: Lived { boundaries: 0, deaths: 0, ids_kept: 0, accounts: Accounts::default() },
    };
    life.input(Input::Connect)?;
    while !life.source.is_empty() {
        life.turn()?;
    }
    life.end()?;
    Ok(life.lived)
}

struct Life<'a, V: Vendor> {
    vendor: &'a V,
    session: Session<V::Adapter>,
    now: u64,
    source: Source<'a>,
    dial: Option<(ConnId, Handshake)>,
    /// The connection whose socket is open.
    conn: Option<ConnId>,
    /// Whether what is written there is swallowed.
    swallowed: bool,
    exchanges: VecDeque<(HttpId, HttpRequest)>,
    /// What the vendor has said and the session has not read.
    said: VecDeque<Frame>,
    /// Whether the application was asked for a token.
    asked: Option<Option<Secret>>,
    sent: u64,
    stopped: bool,
    deaths_due: &'a BTreeSet<usize>,
    /// In which process a message was written last.
    written: BTreeMap<u64, usize>,
    lived: Lived,
}

impl<V: Vendor> Life<'_, V> {
    /// One turn of the script.
    fn turn(&mut self) -> Result<(), Breach> {
        match self.source.below(12) {
            0..=2 => self.speak(),
            3..=5 => self.send(),
            6 => self.lose(),
            7 => {
                let span = self.source.span(0, 20_000);
                self.pass(u64::from(span.as_millis()))
            }
            8 => self.wait(),
            9 => self.answer(),
            _ => self.open(),
        }
    }

    /// No more faults: everything that can arrive does. Then the session ends.
    fn end(&mut self) -> Result<(), Breach> {
        for _ in 0..80 {
            self.settle()?;
            if self.lived.accounts.check(Default::default()).is_ok() {
                break;
            }
            self.wait()?;
        }
        self.send()?;
        self.input(Input::Shutdown)?;
        for _ in 0..20 {
            self.lose()?;
            self.wait()?;
            if self.stopped {
                break;
            }
        }
        if !self.stopped {
            return Err(Breach::new("stopped_is_silent", "the end is not told"));
        }
        self.lived.accounts.close()
    }

    /// Everything that is on its way arrives, and so does what follows it.
    fn settle(&mut self) -> Result<(), Breach> {
        for _ in 0..20 {
            let waiting = self.conn.is_some() && !self.said.is_empty();
            if waiting {
                self.speak()?;
            } else if !self.exchanges.is_empty() {
                self.answer()?;
            } else if self.dial.is_some() || self.asked.is_some() {
                self.open()?;
            } else {
                break;
            }
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), Breach> {
        let number = self.sent + 1;
        let Some(message) = self.vendor.outgoing(&number.to_string()) else { return Ok(()) };
        let class = self.session.adapter().class(&message);
        if let Ok(id) = self.session.send(self.cx(), message) {
            self.sent = number;
            self.lived.accounts.accept(number, id, class);
        }
        self.boundary()?;
        self.pump()
    }

    /// The dial that is there ends.
    fn open(&mut self) -> Result<(), Breach> {
        let Some((conn, handshake)) = self.dial.take() else {
            return self.asked.take().map_or(Ok(()), |rejected| self.give_token(rejected.as_ref()));
        };
        self.input(Input::Dialing { conn })?;
        let cause = match self.source.below(6) {
            1 => Cause::Network,
            2 => Cause::Handshake(503),
            _ if !self.session.is_conn_live(conn) => return Ok(()),
            _ => {
                self.conn = Some(conn);
                self.swallowed = false;
                self.lived.accounts.connect();
                self.said = self.vendor.greet(&handshake).into();
                return self.input(Input::Opened { conn });
            }
        };
        self.input(Input::Closed { conn, cause, retry_after: None })
    }

    fn give_token(&mut self, rejected: Option<&Secret>) -> Result<(), Breach> {
        match self.vendor.token(rejected) {
            Some(token) => self.input(Input::OfferToken(token)),
            None => {
                self.input(Input::TokenUnavailable { cause: Cause::Network, retry_after: None })
            }
        }
    }

    fn lose(&mut self) -> Result<(), Breach> {
        self.said.clear();
        let Some(conn) = self.conn.take() else { return Ok(()) };
        let cause = self.source.pick(&[Cause::Network, Cause::Close(1006), Cause::Close(1001)]);
        self.input(Input::Closed { conn, cause, retry_after: None })
    }

    /// Time passes; whatever is due is told.
    fn pass(&mut self, millis: u64) -> Result<(), Breach> {
        let until = self.now + millis;
        for _ in 0..20 {
            let Some(due) = self.due().filter(|due| *due <= until) else { break };
            self.now = due;
            self.input(Input::Tick)?;
        }
        self.now = self.now.max(until);
        Ok(())
    }

    fn wait(&mut self) -> Result<(), Breach> {
        let due = self.due().unwrap_or(self.now);
        self.pass(due - self.now)
    }

    fn due(&self) -> Option<u64> {
        self.session.poll_timeout().map(|at| at.as_millis().max(self.now))
    }

    /// The oldest exchange ends.
    fn answer(&mut self) -> Result<(), Breach> {
        let Some((id, request)) = self.exchanges.pop_front() else { return Ok(()) };
        let refusal = |status, retry_after| {
            Ok(HttpResponse { status, headers: Vec::new(), body: Default::default(), retry_after })
        };
        let answer = match self.source.below(10) {
            1 => Err(NoAnswer::Network),
            2 => refusal(500, None),
            3 => refusal(429, Some(Span::from_secs(2))),
            4 => {
                self.arrive(Sent::Http(&request));
                Err(NoAnswer::Timeout)
            }
            _ => {
                self.arrive(Sent::Http(&request));
                self.vendor.exchange(&request)
            }
        };
        self.input(Input::Http { id, answer })
    }

    /// What the vendor has said reaches the session.
    fn speak(&mut self) -> Result<(), Breach> {
        while let (Some(frame), Some(conn)) = (self.said.pop_front(), self.conn) {
            self.input(Input::Frame { conn, frame })?;
        }
        Ok(())
    }

    fn input(&mut self, input: Input<V::Adapter>) -> Result<(), Breach> {
        let cx = self.cx();
        self.session.handle(cx, input);
        self.boundary()?;
        self.pump()
    }

    fn pump(&mut self) -> Result<(), Breach> {
        loop {
            let cx = self.cx();
            if let Some(effect) = self.session.poll_effect() {
                // Between being given out and being performed.
                if !self.boundary()? {
                    self.perform(effect)?;
                }
            } else if let Some(conn) = self.conn
                && let Some(transmit) = self.session.poll_transmit(cx)
            {
                // It has left the session, if not the process.
                if let Transmit::Frame(frame) = &transmit {
                    self.note(Sent::Frame(frame))?;
                }
                if !self.boundary()? {
                    self.write(conn, transmit)?;
                    self.boundary()?;
                }
            } else if let Some(item) = self.session.poll_item() {
                match item {
                    Item::Fate(settled) => self.lived.accounts.settle(&settled)?,
                    Item::TokenNeeded { rejected, .. } => self.asked = Some(rejected),
                    Item::Notice(Notice::Stopped { .. }) => self.stopped = true,
                    _ => {}
                }
                self.boundary()?;
            } else if !self.session.has_effects() {
                let accounts = &self.lived.accounts;
                if self.session.machine().live_conn().is_none() {
                    accounts.check_cut(|id| self.session.status(id))?;
                }
                return accounts.check(self.session.load());
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Result<(), Breach> {
        match effect {
            Effect::Dial { conn, handshake } => self.dial = Some((conn, handshake)),
            Effect::Drop { conn, .. } => {
                self.dial.take_if(|(dialled, _)| *dialled == conn);
                if self.conn.take_if(|open| *open == conn).is_some() {
                    self.said.clear();
                }
            }
            Effect::Http { id, request } => {
                self.note(Sent::Http(&request))?;
                self.exchanges.push_back((id, request));
            }
            Effect::Abort { id } => self.exchanges.retain(|(known, _)| *known != id),
        }
        Ok(())
    }

    fn write(&mut self, conn: ConnId, transmit: Transmit) -> Result<(), Breach> {
        let frame = match transmit {
            Transmit::Frame(frame) => frame,
            Transmit::Close { .. } => {
                let closed = Input::Closed { conn, cause: Cause::Close(1000), retry_after: None };
                self.session.handle(self.cx(), closed);
                return Ok(());
            }
        };
        if let Frame::Ping(bytes) = frame {
            if !self.swallowed {
                self.said.push_back(Frame::Pong(bytes));
            }
            return Ok(());
        }
        match self.source.below(8) {
            // From here on nothing gets through.
            1 => self.swallowed = true,
            // It arrives, and its answer does not.
            2 if !self.swallowed => self.arrive(Sent::Frame(&frame)),
            _ if self.swallowed => {}
            _ => {
                self.arrive(Sent::Frame(&frame));
                self.said.extend(self.vendor.answer(&frame));
            }
        }
        Ok(())
    }

    /// A message leaves the session.
    fn note(&mut self, sent: Sent<'_>) -> Result<(), Breach> {
        let Some(number) = self.number(sent) else { return Ok(()) };
        let id = wire_id(sent, NONCE).unwrap_or_else(|| number.to_string());
        self.lived.accounts.write(&Carried { number, id })?;
        let process = self.lived.deaths;
        if self.written.insert(number, process).is_some_and(|before| before < process) {
            self.lived.ids_kept += 1;
        }
        Ok(())
    }

    fn arrive(&mut self, sent: Sent<'_>) {
        if let Some(number) = self.number(sent) {
            self.lived.accounts.arrive(number);
        }
    }

    fn number(&self, sent: Sent<'_>) -> Option<u64> {
        self.vendor.vendor_reads(sent)?.parse().ok()
    }

    /// Something may end here; returns whether it did.
    fn boundary(&mut self) -> Result<bool, Breach> {
        let number = self.lived.boundaries;
        self.lived.boundaries += 1;
        if !self.deaths_due.contains(&number) {
            return Ok(false);
        }
        self.lived.deaths += 1;
        let stored = |error: serde_json::Error| {
            Breach::new("ledger_conserves", format!("the snapshot is lost: {error}"))
        };
        let bytes = serde_json::to_vec(&self.session.snapshot()).map_err(stored)?;
        let saved: Snapshot<V::Adapter> = serde_json::from_slice(&bytes).map_err(stored)?;
        let now = Timestamp::from_millis(self.now);
        self.session = Session::restore(self.vendor.adapter(), now, saved);
        if self.session.load().in_flight > 0 {
            let what = "a later process believes that messages are on their way";
            return Err(Breach::new("cut_at_loss", what));
        }
        // Sockets and exchanges go with their process, and what was on its way to it.
        (self.dial, self.conn, self.asked) = (None, None, None);
        self.exchanges.clear();
        self.said.clear();
        self.session.handle(self.cx(), Input::Connect);
        Ok(true)
    }

    fn cx(&self) -> Cx {
        Cx::new(Timestamp::from_millis(self.now), u64::MAX / 2)
    }
}
