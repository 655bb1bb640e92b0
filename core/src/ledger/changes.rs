//! What befalls all messages at once: losses, new sessions, new tokens, time, the end.

use super::entry::State;
use super::fate::{Cut, Fate, Path};
use super::window::Change;
use super::{Ledger, Timestamp};
use crate::event::Continuity;

impl<P> Ledger<P> {
    /// There is a new token: what waited for one may be written.
    pub fn token_ready(&mut self) {
        self.window.decide_all(|entry| match entry.state {
            State::AfterToken => Change::To(State::Queued),
            State::Queued | State::Held { .. } | State::Sent { .. } | State::Cut => Change::Nothing,
        });
    }

    /// The connection is lost.
    ///
    /// What was on it waits for the next session, or is reported where its class says so. What is
    /// on its way over HTTP is not touched.
    pub fn cut(&mut self) {
        self.limit = None;
        self.window.decide_all(|entry| match entry.state {
            State::Sent { path: Path::Socket, .. } => match entry.class.cut {
                Cut::Report => Change::End(Fate::Unknown),
                Cut::Resend => {
                    entry.doubt();
                    Change::To(State::Cut)
                }
            },
            State::Queued
            | State::Held { .. }
            | State::AfterToken
            | State::Sent { path: Path::Http, .. }
            | State::Cut => Change::Nothing,
        });
    }

    /// The process has ended, and with it all that was on its way. What was on its way over HTTP
    /// goes again as its class allows.
    pub fn interrupt(&mut self) {
        self.cut();
        self.window.decide_all(|entry| {
            let State::Sent { .. } = entry.state else { return Change::Nothing };
            match entry.after_loss() {
                Some(fate) => Change::End(fate),
                None => {
                    entry.doubt();
                    Change::To(State::Queued)
                }
            }
        });
    }

    /// The session can be used again.
    ///
    /// In the same session everything that was cut goes again. In a new one only what is portable
    /// does, and what the old one cannot have: what was never written or always refused.
    pub fn online(&mut self, continuity: Continuity) {
        let fresh = continuity == Continuity::Fresh;
        self.window.decide_all(|entry| {
            let stranded = fresh && entry.is_stranded();
            match entry.state {
                State::Sent { .. } => {
                    entry.bound |= stranded;
                    Change::Nothing
                }
                State::Cut if stranded || !entry.has_tries() => Change::End(Fate::Unknown),
                State::Cut => Change::To(State::Queued),
                State::Queued | State::Held { .. } | State::AfterToken if stranded => {
                    Change::End(Fate::Unknown)
                }
                State::Queued | State::Held { .. } | State::AfterToken => Change::Nothing,
            }
        });
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Timestamp) {
        self.window.decide_due(now, |entry| match entry.state {
            // Where its time is over too, it is looked at again at once.
            State::Sent { .. } => match entry.after_loss() {
                Some(fate) => Change::End(fate),
                None => {
                    entry.doubt();
                    Change::To(State::Queued)
                }
            },
            State::Queued | State::Held { .. } | State::AfterToken | State::Cut
                if entry.expires_at <= now =>
            {
                Change::End(entry.unwritten(Fate::Expired))
            }
            State::Held { .. } => Change::To(State::Queued),
            State::Queued | State::AfterToken | State::Cut => Change::Nothing,
        });
    }

    /// The session has ended: everything gets its fate.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.window.decide_all(|entry| Change::End(entry.unwritten(Fate::NotSent)));
    }
}
