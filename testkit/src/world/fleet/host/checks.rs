//! What must hold of one session.

use redial_core::{ConnId, Frame, Input, Session};

use super::super::net::Net;
use super::Host;
use crate::explorer::Subject;
use crate::peer::Peer;
use crate::watch::Breach;

impl<P: Peer, S: Subject> Host<P, S> {
    /// A frame of a connection that is gone arrives.
    pub(super) fn ignore(
        &mut self,
        net: &mut Net,
        conn: ConnId,
        frame: Frame,
    ) -> Result<(), Breach> {
        let shown = |session: &Session<P::Adapter>| {
            (*session.machine(), session.load(), session.items_waiting(), session.has_effects())
        };
        let before = shown(&self.session);
        let cx = self.cx(net);
        self.session.handle(cx, Input::Frame { conn, frame });
        if shown(&self.session) != before {
            let what = "a frame of a connection that is gone has an effect";
            return Err(Breach::new("no_action_for_dead_generation", what));
        }
        Ok(())
    }

    /// Feeds the subject what the machine was fed.
    pub(super) fn check_steps(&mut self) -> Result<(), Breach> {
        while let Some(recorded) = self.session.poll_record() {
            self.counts.events += 1;
            if let Some(trace) = &mut self.trace {
                trace.push(recorded);
            }
            self.watched.handle(recorded.cx, recorded.event)?;
        }
        Ok(())
    }

    /// Checks the steps, what they lead to, and the messages.
    pub(super) fn check(&mut self) -> Result<(), Breach> {
        self.check_steps()?;
        if self.watched.machine() != *self.session.machine() {
            let what = "the recorded events lead to another state";
            return Err(Breach::new("replay_is_equal", what));
        }
        if self.session.machine().live_conn().is_none() {
            self.accounts.check_cut(|id| self.session.status(id))?;
        }
        self.accounts.check(self.session.load())
    }
}
