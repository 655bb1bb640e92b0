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
    /// When nothing is taken for a replay any more.
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
        let lost = self.lost.take();
        let replay = details.recovery_buffer_size.filter(|_| resumed).map(|size| Replay {
            until: details.creation_time,
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
        let recovery = lost.is_some() || asked;
        if recovery && resumed {
            io.message(Message::AutoRecoverSuccess { conn });
        } else if recovery {
            self.recovery_failed = Some((lost, error_code));
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

    /// Counts what is replayed: a full buffer may have dropped what is older.
    pub(crate) fn note_replayed(&mut self, timestamp: &str, io: &mut Io<'_, Self>) {
        let Some(replay) = &mut self.replay else { return };
        let happened = crate::time::parse(timestamp);
        let later = match (happened, replay.until) {
            (Some(happened), Some(until)) => happened > until,
            _ => io.cx.now > replay.ends,
        };
        if later {
            self.replay = None;
            return;
        }
        replay.count = replay.count.saturating_add(1);
        if replay.count >= replay.size {
            let lost = replay.lost;
            self.replay = None;
            self.tell_gap(Certainty::Possible, lost, io);
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
                let half = Span::from_millis((idle.as_millis() / 2).max(1));
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

/// How long notifications of which nobody knows when they happened are taken for a replay.
const REPLAY: Span = Span::from_secs(10);
/// What a server has to end a connection that is too old.
const GRACE: Span = Span::from_secs(10);
