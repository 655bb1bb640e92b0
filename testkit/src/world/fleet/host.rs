//! One session, its application and its driver.

mod checks;

use redial_core::{
    Adapter, Cause, ConnId, Cx, Effect, Frame, Input, Item, Keepalive, Notice, Recorded, Session,
    Span, Timestamp, Transmit,
};

use super::net::{Due, Net, What};
use super::plan::Plan;
use super::report::Counts;
use super::server::Server;
use crate::accounts::Accounts;
use crate::conformance::Sent;
use crate::explorer::Subject;
use crate::peer::Peer;
use crate::scenario::{Command, Fault, Source};
use crate::watch::{Breach, Watched};

/// One session, its application and its driver.
pub(super) struct Host<P: Peer, S> {
    number: usize,
    session: Session<P::Adapter>,
    watched: Watched<S>,
    pub(super) server: Server<P>,
    pub(super) accounts: Accounts,
    pub(super) counts: Counts,
    /// The connection whose socket is open.
    socket: Option<ConnId>,
    /// The connection that holds a permit to dial.
    permit: Option<ConnId>,
    alarm: Option<u64>,
    asleep_until: u64,
    sent: u64,
    /// Deadlines that fired without time passing.
    ticks: (u64, u32),
    /// What the governor was told, or has told.
    heeded: Timestamp,
    pub(super) trace: Option<Vec<Recorded>>,
    send_every: Span,
    fault_every: Span,
    fault_lasts: Span,
}

impl<P: Peer, S: Subject> Host<P, S> {
    pub(super) fn new(number: usize, plan: &Plan, peer: P, subject: S) -> Self {
        let beat = match plan.policy.spec().keepalive {
            Keepalive::Listen { within } => Some(Span::from_millis(within.as_millis() / 3)),
            Keepalive::Off | Keepalive::Probe { .. } => None,
        };
        let session = Session::new(peer.adapter(), plan.nonce(number, 0));
        Self {
            number,
            session,
            watched: Watched::new(&plan.policy, subject),
            server: Server::new(number, peer, beat),
            accounts: Accounts::default(),
            counts: Counts::default(),
            socket: None,
            permit: None,
            alarm: None,
            asleep_until: 0,
            sent: 0,
            ticks: (0, 0),
            heeded: Timestamp::ZERO,
            trace: None,
            send_every: plan.send_every,
            fault_every: plan.fault_every,
            fault_lasts: plan.fault_lasts,
        }
    }

    /// The first that happens.
    pub(super) fn begin(&mut self, net: &mut Net) {
        self.session.record();
        let first = net.about(Span::from_secs(1));
        net.after(first, self.number, What::Connect);
        let sends = net.about(self.send_every);
        net.after(sends, self.number, What::Send);
        let fails = net.about(self.fault_every);
        net.after(fails, self.number, What::Fault);
    }

    /// Another process begins anew.
    pub(super) fn begin_again(&mut self, net: &mut Net, subject: S, plan: &Plan) {
        self.counts.stops += 1;
        self.release(net, None);
        let process = net.next_process(self.number);
        let adapter = self.server.peer.adapter();
        self.session = Session::new(adapter, plan.nonce(self.number, process));
        self.session.record();
        self.watched = Watched::new(self.watched.policy(), subject);
        self.heeded = Timestamp::ZERO;
        (self.alarm, self.socket) = (None, None);
        if let Some(trace) = &mut self.trace {
            trace.clear();
        }
        let rest = net.about(self.fault_every);
        net.after(rest, self.number, What::Connect);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.session.is_stopped()
    }

    /// Lets something happen; returns a fault that befalls more than this session.
    pub(super) fn handle(&mut self, net: &mut Net, due: Due) -> Result<Option<Fault>, Breach> {
        if net.is_of_the_dead(&due) {
            match due.what {
                What::Permit(..) => net.give_permit_back(),
                What::Send => self.send(net)?,
                What::Fault => return self.fault(net),
                // What belonged to a process went with it.
                _ => {}
            }
            return Ok(None);
        }
        let for_the_host = !matches!(
            due.what,
            What::Dial(..) | What::Up(..) | What::Request(..) | What::Farewell(_) | What::Beat(_)
        );
        if for_the_host && net.now < self.asleep_until {
            // Whatever arrives while the host sleeps is there when it wakes.
            net.put_off(self.asleep_until, due);
            return Ok(None);
        }
        match due.what {
            What::Dial(conn, handshake) => self.server.handle_dial(net, conn, &handshake),
            What::Up(conn, frame) => {
                self.server.handle_frame(net, &mut self.accounts, conn, &frame);
            }
            What::Farewell(conn) => self.server.handle_farewell(net, conn),
            What::Beat(conn) => self.server.handle_beat(net, conn),
            What::Request(id, request) => {
                self.server.handle_request(net, &mut self.accounts, id, &request);
            }
            What::Alarm => self.wake(net)?,
            What::Permit(conn, handshake) => {
                self.permit = Some(conn);
                if self.session.is_conn_live(conn) {
                    self.server.send(net, What::Dial(conn, handshake));
                    self.take(net, Input::Dialing { conn })?;
                } else {
                    self.release(net, None);
                }
            }
            What::Opened(conn) => {
                self.release(net, Some(conn));
                if self.session.is_conn_live(conn) {
                    self.socket = Some(conn);
                    self.accounts.connect();
                }
                self.take(net, Input::Opened { conn })?;
            }
            What::Closed(conn, cause, retry_after) => {
                self.release(net, Some(conn));
                if self.socket == Some(conn) {
                    self.socket = None;
                    self.report_again(net, conn);
                }
                self.take(net, Input::Closed { conn, cause, retry_after })?;
            }
            What::Down(conn, frame) if self.session.is_conn_live(conn) => {
                self.take(net, Input::Frame { conn, frame })?;
            }
            What::Down(conn, frame) => self.ignore(net, conn, frame)?,
            What::Answer(id, answer) => self.take(net, Input::Http { id, answer: *answer })?,
            What::Connect => self.take(net, Input::Connect)?,
            What::Token => {
                let token = self.server.peer.token(net.instant());
                token.map_or(Ok(()), |token| self.take(net, Input::OfferToken(token)))?;
            }
            What::Send => self.send(net)?,
            What::Fault => return self.fault(net),
        }
        Ok(None)
    }

    /// Something goes wrong for this session.
    pub(super) fn suffer(&mut self, net: &mut Net, fault: Fault) -> Result<(), Breach> {
        self.counts.faults += 1;
        self.server.suffer(net, fault);
        match fault {
            Fault::Sleep { within } => {
                self.asleep_until = net.now + u64::from(within.as_millis());
                Ok(())
            }
            Fault::Command(command) => match command {
                Command::Connect => self.take(net, Input::Connect),
                Command::Recover => self.take(net, Input::Recover),
                Command::Reconnect(token) => self.take(net, Input::Reconnect { token }),
                Command::NetworkChanged => self.take(net, Input::NetworkChanged),
                Command::Shutdown => self.take(net, Input::Shutdown),
                Command::OfferToken { .. } => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn fault(&mut self, net: &mut Net) -> Result<Option<Fault>, Breach> {
        let next = net.about(self.fault_every);
        net.after(next, self.number, What::Fault);
        if net.random.permille(20) {
            self.suffer(net, Fault::Command(Command::Shutdown))?;
            return Ok(None);
        }
        let bytes: Vec<u8> = (0..3).flat_map(|_| net.random.next().to_le_bytes()).collect();
        let fault = Fault::decode(&mut Source::new(&bytes), self.fault_lasts);
        // One session in a while sees what all see: the server is down for everybody.
        if matches!(fault, Fault::Down { .. }) && net.random.permille(100) {
            return Ok(Some(fault));
        }
        self.suffer(net, fault)?;
        Ok(None)
    }

    fn send(&mut self, net: &mut Net) -> Result<(), Breach> {
        let next = net.about(self.send_every);
        net.after(next, self.number, What::Send);
        let message = self.server.peer.message(self.sent + 1);
        let class = self.session.adapter().class(&message);
        if let Ok(id) = self.session.send(self.cx(net), message) {
            self.sent += 1;
            self.accounts.accept(self.sent, id, class);
        }
        self.pump(net)
    }

    fn wake(&mut self, net: &mut Net) -> Result<(), Breach> {
        if self.alarm.is_none_or(|at| at > net.now) {
            return Ok(());
        }
        self.alarm = None;
        if self.session.poll_timeout().is_none_or(|at| at > net.instant()) {
            return self.pump(net);
        }
        let again = if self.ticks.0 == net.now { self.ticks.1 + 1 } else { 0 };
        self.ticks = (net.now, again);
        if again > 50 {
            let what = "the session is due again and again without time";
            return Err(Breach::new("no_overdue_deadline_after_tick", what));
        }
        self.take(net, Input::Tick)
    }

    fn take(&mut self, net: &mut Net, input: Input<P::Adapter>) -> Result<(), Breach> {
        self.heed_governor(net);
        let cx = self.cx(net);
        self.session.handle(cx, input);
        self.pump(net)
    }

    /// Does what the session wants until it waits for something, and checks what it did.
    fn pump(&mut self, net: &mut Net) -> Result<(), Breach> {
        let cx = self.cx(net);
        self.check_steps()?;
        loop {
            if let Some(effect) = self.session.poll_effect() {
                self.perform(net, effect)?;
            } else if let Some(conn) = self.socket
                && let Some(transmit) = self.session.poll_transmit(cx)
            {
                self.write(net, conn, transmit)?;
            } else if let Some(item) = self.session.poll_item() {
                self.read(net, &item)?;
            } else if !self.session.has_effects() {
                break;
            }
        }
        self.check()?;
        self.tell_governor(net);
        self.arm(net);
        Ok(())
    }

    fn perform(&mut self, net: &mut Net, effect: Effect) -> Result<(), Breach> {
        match effect {
            Effect::Dial { conn, handshake } => {
                self.counts.dials += 1;
                net.ask_for_permit(self.number, conn, handshake);
            }
            Effect::Drop { conn, .. } => {
                if self.socket == Some(conn) {
                    self.socket = None;
                    self.report_again(net, conn);
                }
                self.release(net, Some(conn));
            }
            Effect::Http { id, request } => {
                if let Some(letter) = self.server.peer.read(Sent::Http(&request)) {
                    self.accounts.write(&letter)?;
                }
                self.server.send(net, What::Request(id, Box::new(request)));
            }
            // Its answer comes all the same, and finds nobody.
            Effect::Abort { .. } => {}
        }
        Ok(())
    }

    /// Now and then an end is reported once more, soon or when nobody thinks of it any longer.
    fn report_again(&self, net: &mut Net, conn: ConnId) {
        if net.random.permille(300) {
            let cause = if net.random.permille(500) { Cause::Network } else { Cause::Close(4401) };
            let late = if net.random.permille(500) { 1 } else { net.about(self.fault_lasts) };
            net.after(late, self.number, What::Closed(conn, cause, None));
        }
    }

    fn write(&mut self, net: &mut Net, conn: ConnId, transmit: Transmit) -> Result<(), Breach> {
        match transmit {
            Transmit::Frame(frame) => {
                if let Frame::Text(_) | Frame::Binary(_) = frame
                    && let Some(letter) = self.server.peer.read(Sent::Frame(&frame))
                {
                    self.accounts.write(&letter)?;
                }
                self.server.send_up(net, What::Up(conn, frame));
            }
            Transmit::Close { .. } => self.server.send_up(net, What::Farewell(conn)),
        }
        Ok(())
    }

    fn read(&mut self, net: &mut Net, item: &Item<P::Adapter>) -> Result<(), Breach> {
        match item {
            Item::Fate(settled) => self.accounts.settle(settled)?,
            Item::TokenNeeded { .. } => {
                let wait = net.way(false);
                net.after(wait, self.number, What::Token);
            }
            Item::Notice(Notice::Online { .. }) => self.counts.onlines += 1,
            Item::Notice(Notice::Offline { .. }) => self.counts.losses += 1,
            Item::Notice(Notice::Suspended { .. }) => {
                self.counts.suspensions += 1;
                let wait = net.about(self.fault_lasts);
                net.after(wait, self.number, What::Connect);
            }
            Item::Notice(Notice::Stopped { .. }) => self.accounts.close()?,
            _ => {}
        }
        Ok(())
    }

    fn heed_governor(&mut self, net: &mut Net) {
        let at = net.governor.not_before(self.session.adapter().account());
        if at > net.instant() && at > self.heeded {
            self.heeded = at;
            let within = at.since(net.instant());
            let cx = self.cx(net);
            self.session.handle(cx, Input::Throttled { within });
        }
    }

    fn tell_governor(&mut self, net: &mut Net) {
        let at = self.session.machine().not_before();
        if at > net.instant() && at > self.heeded {
            self.heeded = at;
            let now = net.instant();
            net.governor.raise(now, self.session.adapter().account(), at);
        }
    }

    fn arm(&mut self, net: &mut Net) {
        let Some(due) = self.session.poll_timeout() else { return };
        let due = due.as_millis().max(net.now);
        if self.alarm.is_none_or(|at| due < at || at < net.now) {
            self.alarm = Some(due);
            net.at(due, self.number, What::Alarm);
        }
    }

    /// Gives the permit of a dial back; `None`: whichever there is.
    fn release(&mut self, net: &mut Net, conn: Option<ConnId>) {
        if self.permit.is_some() && (conn.is_none() || conn == self.permit) {
            self.permit = None;
            net.give_permit_back();
        }
    }

    fn cx(&self, net: &mut Net) -> Cx {
        Cx::new(net.instant(), net.random.next())
    }
}
