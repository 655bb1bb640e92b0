//! What happens to a connection by the clock.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tokio::time::{Duration, Instant, sleep_until};

use super::delivery::Greeting;
use super::rest::{Body, rest_error};
use super::{Inner, RingCentral};
use crate::servers::socket::{Out, SocketHandle};
use crate::servers::valve::End;
use crate::servers::wire::WireLog;

/// The two ends that the server gives a connection on its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Timeout {
    /// `WSG-902`: the client's application was silent for too long.
    Idle,
    /// `WSG-903`: the connection has lived for as long as one may.
    Absolute,
}

impl Timeout {
    /// Gives the error code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Idle => "WSG-902",
            Self::Absolute => "WSG-903",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Idle => "Idle timeout expired",
            Self::Absolute => "Absolute timeout expired",
        }
    }
}

impl RingCentral {
    /// Keeps the deadlines of a connection until it is gone.
    pub(super) async fn watch(
        self: Arc<Self>,
        wire: Arc<WireLog>,
        conn: u64,
        waker: Arc<tokio::sync::Notify>,
    ) {
        loop {
            let Some(next) = self.tick(conn, &wire) else { return };
            wire.touch();
            tokio::select! {
                () = sleep_until(next) => {}
                () = waker.notified() => {}
            }
        }
    }

    /// Does what is due; gives the time of what comes next.
    fn tick(&self, id: u64, wire: &WireLog) -> Option<Instant> {
        let inner = &mut *self.lock();
        let now = Instant::now();
        let conn = inner.conns.get_mut(&id)?;
        let handle = conn.handle.clone();
        if let Greeting::Due(Some(at), _) = &conn.greeting {
            if *at > now {
                return Some(*at);
            }
            self.greet(inner, id, wire);
        }
        let conn = inner.conns.get_mut(&id)?;
        if conn.replay_at.is_some_and(|at| at <= now) {
            conn.replay_at = None;
            if let Some(session) = conn.session {
                self.flush(inner, session, wire);
            }
        }
        self.ping(inner, id, now, &handle);
        let conn = inner.conns.get_mut(&id)?;
        if conn.ending {
            return Some(now + FAR);
        }
        if handle.is_deaf() {
            // A silence that was asked for: nobody can tell whether the client is alive.
            conn.heard = now;
        }
        let settings = &inner.settings;
        let greeted = conn.greeting == Greeting::Sent;
        let idle_at = conn.heard + settings.idle_timeout;
        let absolute_at = conn.opened + settings.absolute_timeout;
        if handle.is_muted() {
            // Nothing can be said; what is due waits for the end of the silence.
            return Some(now + MUTED);
        }
        if greeted && absolute_at <= now {
            self.end(inner, id, Timeout::Absolute, wire);
        } else if greeted && idle_at <= now {
            self.end(inner, id, Timeout::Idle, wire);
        }
        let conn = inner.conns.get_mut(&id)?;
        let soonest = [conn.replay_at, conn.next_ping, conn.pong_due];
        let soonest = soonest.into_iter().flatten().chain([idle_at, absolute_at, now + FAR]).min();
        soonest.map(|at| at.max(now + AGAIN))
    }

    fn ping(&self, inner: &mut Inner, id: u64, now: Instant, handle: &SocketHandle) {
        let settings = &inner.settings;
        let Some(conn) = inner.conns.get_mut(&id) else { return };
        if handle.is_deaf() {
            conn.pong_due = None;
        }
        if conn.pong_due.is_some_and(|at| at <= now) && !conn.ending {
            conn.pong_due = None;
            conn.ending = true;
            inner.seen.pong_timeouts += 1;
            handle.link.valve.kill(End::Fin);
            return;
        }
        match (conn.next_ping, settings.ping_interval) {
            (Some(at), Some(interval)) if at <= now => {
                conn.next_ping = Some(now + interval);
                let heard = !conn.ending && handle.send(Out::Ping(Bytes::new()));
                if heard && conn.pong_due.is_none() && !handle.is_deaf() {
                    conn.pong_due = settings.pong_timeout.map(|timeout| now + timeout);
                }
            }
            (None, Some(interval)) => conn.next_ping = Some(now + interval),
            (Some(at), Some(interval)) => conn.next_ping = Some(at.min(now + interval)),
            (_, None) => conn.next_ping = None,
        }
    }

    /// Ends a connection as the gateway does: an error, then a close frame.
    pub(super) fn end(&self, inner: &mut Inner, id: u64, timeout: Timeout, wire: &WireLog) {
        let message = inner.tokens.uuid();
        let meta = json!({ "type": "Error", "messageId": message, "status": 400, "headers": {} });
        let body = Body::Json(rest_error(timeout.code(), timeout.text()));
        let frame = self.envelope(inner, id, meta, body, wire);
        let code = inner.settings.timeout_close_code;
        let Some(conn) = inner.conns.get_mut(&id) else { return };
        if conn.handle.send(Out::Text(frame)) {
            conn.handle.send(Out::Close(code, timeout.text().to_owned()));
            conn.ending = true;
            match timeout {
                Timeout::Idle => inner.seen.idle_timeouts += 1,
                Timeout::Absolute => inner.seen.absolute_timeouts += 1,
            }
        }
    }
}

const FAR: Duration = Duration::from_secs(3600);
const MUTED: Duration = Duration::from_millis(100);
const AGAIN: Duration = Duration::from_millis(5);
