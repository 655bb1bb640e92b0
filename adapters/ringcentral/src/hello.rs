//! The hello: what the server says about a connection, and about the session before it.

use redial_core::{Continuity, Fault, Io, Keepalive, Span, Terms, Timestamp};

use crate::adapter::{Lost, RingCentral};
use crate::envelope::Envelope;
use crate::message::{Certainty, ConnectionDetails, Gap, Message, Wsc};

/// What is still being replayed after a recovery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replay {
    /// The server's time at the hello: what happened before it is replayed.
    until: Option<Timestamp>,
    /// When the hello came.
    begun: Timestamp,
    /// When nothing is taken for a replay any more, if nothing comes until then.
    ends: Timestamp,
    count: u32,
    size: u32,
    lost: Option<Lost>,
}

impl RingCentral {
    pub(crate) fn handle_hello(&mut self, envelope: Envelope, io: &mut Io<'_, Self>) {
        let Some(conn) = io.conn().filter(|_| !io.is_online() && !self.greeted) else {
            return io.problem(Fault::Vendor, "a second hello");
        };
        self.greeted = true;
        let details = ConnectionDetails::read(envelope.body);
        self.slots.limit(details.max_active_requests);
        self.adopt_terms(&details, io);
        let asked = core::mem::take(&mut self.asked);
        // The server's answer decides. A session that nobody named cannot be the old one.
        let resumed = asked && details.is_recovered();
        if details.is_recovered() && !asked {
            io.problem(Fault::Vendor, "a recovery that nobody asked for");
        }
        let error_code = details.recovery_error_code.clone();
        self.imported = false;
        let news = match (envelope.wsc, resumed) {
            (Some(wsc), _) => Some(wsc),
            // The same session, and so the same context.
            (None, true) => None,
            (None, false) => {
                self.wsc = None;
                None
            }
        };
        let (lost, abandoned) = (self.lost.take(), core::mem::take(&mut self.abandoned));
        // A recovery that failed before, and was not told of because this loss came first.
        let untold = self.recovery_failed.take();
        let replay = details.recovery_buffer_size.filter(|_| resumed).map(|size| Replay {
            until: details.creation_time.map(whole_second),
            begun: io.cx.now,
            ends: io.cx.now + REPLAY,
            count: 0,
            size,
            lost,
        });
        self.replay = replay;
        io.ready(if resumed { Continuity::Resumed } else { Continuity::Fresh });
        if let Some(wsc) = news {
            self.adopt(wsc, io);
        }
        io.message(Message::ConnectionReady { conn, details });
        // A context of an earlier process, or a session of this one.
        let recovery = lost.is_some() || asked || abandoned;
        if resumed && untold.is_none() {
            io.message(Message::AutoRecoverSuccess { conn });
            if self.replay.is_some_and(|replay| replay.size == 0) {
                self.end_replay(io);
            }
        } else if recovery || untold.is_some() {
            let (first, before) = untold.unwrap_or((lost, None));
            self.recovery_failed = Some((first, error_code.or(before)));
            if self.desired.filters.is_none() {
                self.tell_failed_recovery(io);
            }
        }
    }

    /// Tells that the session is another one, once what was wanted exists in it again.
    pub(crate) fn tell_failed_recovery(&mut self, io: &mut Io<'_, Self>) {
        let Some((lost, error_code)) = self.recovery_failed.take() else { return };
        let Some(conn) = io.conn() else { return };
        io.message(Message::AutoRecoverFailed { conn, error_code });
        // Without a subscription there was nothing to miss.
        if self.desired.filters.is_some() {
            self.tell_gap(Certainty::Certain, lost, io);
        }
    }

    /// Tells what was lost although there is no subscription to tell it after.
    pub(crate) fn give_up_recovery(&mut self, io: &mut Io<'_, Self>) {
        if let Some((lost, _)) = self.recovery_failed.take() {
            self.tell_gap(Certainty::Certain, lost, io);
        }
    }

    /// Counts what is replayed: a full buffer may have dropped what is older.
    pub(crate) fn note_replayed(&mut self, timestamp: &str, io: &mut Io<'_, Self>) {
        let Some(replay) = &mut self.replay else { return };
        let now = io.cx.now;
        let since = |until| Some(crate::time::parse(timestamp)?.since(until));
        let live = match replay.until.and_then(since) {
            // After the hello by the server's clock. If that is more than has passed here, the
            // clock that stamps is another one, and says nothing.
            Some(span) if !span.is_zero() => {
                span.as_millis() <= now.since(replay.begun).as_millis().saturating_add(SKEW)
            }
            Some(_) | None => false,
        };
        if live || now > replay.ends {
            self.replay = None;
            return;
        }
        replay.ends = now + REPLAY;
        replay.count = replay.count.saturating_add(1);
        if replay.count >= replay.size {
            self.end_replay(io);
        }
    }

    fn end_replay(&mut self, io: &mut Io<'_, Self>) {
        if let Some(replay) = self.replay.take() {
            self.tell_gap(Certainty::Possible, replay.lost, io);
        }
    }

    fn tell_gap(&mut self, certainty: Certainty, lost: Option<Lost>, io: &mut Io<'_, Self>) {
        let Some(conn) = io.conn() else { return };
        let (from, cause) = (lost.map(|lost| lost.at), lost.map(|lost| lost.cause));
        io.message(Message::Gap(Gap { conn, certainty, from, to: io.cx.now, cause }));
        io.gap(false);
    }

    /// Takes a context token that came with any frame: the hello's always, a later one where its
    /// sequence has risen.
    pub(crate) fn note_wsc(&mut self, wsc: Option<Wsc>, io: &mut Io<'_, Self>) {
        let newer = |wsc: &Wsc| self.wsc.as_ref().is_none_or(|own| wsc.sequence > own.sequence);
        if let Some(wsc) = wsc.filter(newer) {
            self.adopt(wsc, io);
        }
    }

    fn adopt(&mut self, wsc: Wsc, io: &mut Io<'_, Self>) {
        self.wsc = Some(wsc.clone());
        if let Some(conn) = io.conn() {
            io.message(Message::NewWsc { conn, wsc });
        }
    }

    /// The server's numbers govern the session.
    fn adopt_terms(&self, details: &ConnectionDetails, io: &mut Io<'_, Self>) {
        let own = self.policy.spec().keepalive;
        let idle = details.idle_timeout.filter(|span| !span.is_zero());
        let keepalive = match (own, idle) {
            (Keepalive::Probe { interval, timeout, misses, pace }, Some(idle)) => {
                let half = Span::from_millis(idle.as_millis() / 2).max(LEAST);
                let interval = interval.min(half);
                // The verdict about one heartbeat falls before the next is due.
                let most = Span::from_millis(interval.as_millis() / u32::from(misses.max(1)));
                let timeout = timeout.min(most).max(Span::from_millis(1));
                Some(Keepalive::Probe { interval, timeout, misses, pace })
            }
            _ => None,
        };
        let retire = details.absolute_timeout.filter(|span| !span.is_zero());
        // The server ends the connection itself; where it does not, we do.
        let retire = retire.map(|span| {
            Span::saturating_from_millis(u64::from(span.as_millis()) + u64::from(GRACE.as_millis()))
        });
        io.announce(Terms { keepalive, resume: details.recovery_timeout, retire });
    }
}

/// Returns the last instant of what may be a whole second: not every server writes a fraction.
fn whole_second(at: Timestamp) -> Timestamp {
    if at.as_millis().is_multiple_of(1000) { at + Span::from_millis(999) } else { at }
}

/// The shortest wait between heartbeats that a server can ask for.
const LEAST: Span = Span::from_millis(100);
/// What a notification may take longer than the hello did, in milliseconds.
const SKEW: u32 = 1000;
/// How long a replay pauses.
const REPLAY: Span = Span::from_secs(10);
/// What a server has to end a connection that is too old.
const GRACE: Span = Span::from_secs(10);
