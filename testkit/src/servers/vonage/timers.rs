//! The end of tokens.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::attach::Problem;
use super::options::OnExpiry;
use super::{Inner, Vonage};

impl Vonage {
    /// Waits for tokens to expire, for ever.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            let next = self.expire(&mut self.lock()).unwrap_or(LONG).min(LONG);
            tokio::select! {
                () = self.waker.notified() => {}
                () = tokio::time::sleep(next) => {}
            }
        }
    }

    /// Tells attached sessions that their tokens are over; gives the time until the next one is.
    pub(super) fn expire(self: &Arc<Self>, inner: &mut Inner) -> Option<Duration> {
        let wall = self.wall_ms(inner);
        let (mut due, mut next) = (Vec::new(), None);
        for (id, session) in inner.sessions.iter_mut() {
            let Some(conn) = session.conn.filter(|_| !session.told) else { continue };
            let declared = inner.tokens.expired.contains(&session.token);
            match session.exp_ms {
                _ if declared => due.push((id.clone(), conn)),
                Some(exp) if exp <= wall => due.push((id.clone(), conn)),
                Some(exp) => next = Some(next.map_or(exp, |next: u64| next.min(exp))),
                None => {}
            }
        }
        for (id, conn) in due {
            if let Some(session) = inner.sessions.get_mut(&id) {
                session.told = true;
            }
            self.over(inner, conn);
        }
        next.map(|at| Duration::from_millis(at.saturating_sub(wall).max(1)))
    }

    fn over(self: &Arc<Self>, inner: &mut Inner, conn: u64) {
        let on_expiry = inner.settings.on_expiry;
        if matches!(on_expiry, OnExpiry::Event | OnExpiry::EventDisconnect) {
            let problem = Problem::of("system:error:expired-token");
            let payload = json!({ "description": problem.description, "body": {} });
            self.io.emit(conn, "/", &problem.event, vec![payload]);
        }
        match on_expiry {
            OnExpiry::Disconnect => {
                let close = inner.settings.close_after_disconnect;
                self.throw_out(inner, conn, close);
            }
            OnExpiry::EventDisconnect => {
                self.detach(inner, conn);
                if let Some(conn) = inner.conns.get_mut(&conn) {
                    conn.refused = true;
                }
                inner.seen.disconnects += 1;
                self.disconnect_soon(conn, &inner.settings);
            }
            OnExpiry::Event | OnExpiry::Nothing => {}
        }
        self.wire.touch();
    }
}

/// Longest sleep; the runtime's timers need not go further.
const LONG: Duration = Duration::from_secs(60 * 60);
