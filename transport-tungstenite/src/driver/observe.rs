//! What is logged and counted.

use redial_core::{Adapter, ConnId, Item, Notice, Session, Timestamp};

/// Follows a session.
#[derive(Default)]
pub(super) struct Observer {
    /// The connection that was online last.
    last: Option<ConnId>,
    /// When it was lost.
    lost: Option<Timestamp>,
    problems: u64,
}

impl Observer {
    /// Looks at the session after something has happened.
    pub(super) fn look<A: Adapter>(&mut self, now: Timestamp, session: &Session<A>) {
        let fresh = session.problems().saturating_sub(self.problems);
        if fresh > 0 {
            self.problems += fresh;
            count("redial.problems", fresh);
        }
        if !session.is_online() {
            if self.last.is_some() && self.lost.is_none() {
                self.lost = Some(now);
            }
            return;
        }
        let conn = session.machine().newest_conn();
        if self.last != Some(conn) {
            count("redial.connects", 1);
            if self.last.replace(conn).is_some() {
                count("redial.reconnects", 1);
                record("redial.offline.seconds", now.since(self.lost.take().unwrap_or(now)));
            }
        }
    }

    /// Sees what goes to the application.
    pub(super) fn see<A: Adapter>(&self, item: &Item<A>) {
        let Item::Notice(notice) = item else { return };
        match notice {
            Notice::Online { .. }
            | Notice::Offline { .. }
            | Notice::Suspended { .. }
            | Notice::Stopped { .. } => tracing::info!(target: "redial", ?notice),
            notice => tracing::debug!(target: "redial", ?notice),
        }
        match notice {
            Notice::Authorizing { .. } => count("redial.token_fetches", 1),
            Notice::Connecting { .. } => count("redial.dials", 1),
            _ => {}
        }
    }

    pub(super) fn received(&self) {
        count("redial.messages.received", 1);
    }

    pub(super) fn sent(&self) {
        count("redial.messages.sent", 1);
    }
}

#[cfg(feature = "metrics")]
fn count(name: &'static str, more: u64) {
    metrics::counter!(name).increment(more);
}

#[cfg(not(feature = "metrics"))]
const fn count(_: &'static str, _: u64) {}

#[cfg(feature = "metrics")]
fn record(name: &'static str, span: redial_core::Span) {
    metrics::histogram!(name).record(std::time::Duration::from(span));
}

#[cfg(not(feature = "metrics"))]
const fn record(_: &'static str, _: redial_core::Span) {}
