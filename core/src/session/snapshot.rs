//! What a later process needs to go on.

use super::{Item, Session};
use crate::action::Notice;
use crate::adapter::Adapter;
use crate::ledger::Ledger;
use crate::machine::{Machine, Phase};
use crate::time::Timestamp;

/// What a later process needs to go on with a session.
///
/// With the feature `serde` it can be stored, in whatever format; what is stored begins with its
/// version, and what a later version stored is refused by name. The cursor may hold secrets and the ledger holds message bodies, so `Debug` shows neither and
/// whoever stores a snapshot protects it.
pub struct Snapshot<A: Adapter> {
    /// The lifecycle.
    pub machine: Machine,
    /// The messages that have no fate yet.
    pub ledger: Ledger<A::Outgoing>,
    /// What the adapter needs.
    pub cursor: A::Cursor,
    /// What ids on the wire are made from: a message that is sent again keeps its id.
    pub nonce: u128,
}

impl<A: Adapter> Clone for Snapshot<A> {
    fn clone(&self) -> Self {
        Self {
            machine: self.machine,
            ledger: self.ledger.clone(),
            cursor: self.cursor.clone(),
            nonce: self.nonce,
        }
    }
}

impl<A: Adapter> core::fmt::Debug for Snapshot<A> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Snapshot")
            .field("machine", &self.machine)
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}

impl<A: Adapter> Session<A> {
    /// Returns what a later process needs to go on from here.
    ///
    /// Fates that the application has not taken yet are in it. Messages of the peer and replies
    /// that it has not taken are not.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<A> {
        let mut ledger = self.ledger.clone();
        for item in self.items.iter().rev() {
            if let Item::Fate(settled) = item {
                ledger.keep_fate(*settled);
            }
        }
        Snapshot { machine: self.machine, ledger, cursor: self.adapter.cursor(), nonce: self.nonce }
    }

    /// Returns whether a snapshot would hold something that the one before this call did not: a
    /// message that was accepted, written or settled, a command, or the outcome of what a notice
    /// tells. Whoever keeps a snapshot in store for a crash asks after [`Session::poll_transmit`]
    /// and before the frame is written, and before an effect is performed.
    pub fn take_unsaved(&mut self) -> bool {
        core::mem::take(&mut self.unsaved)
    }

    /// Goes on from a snapshot. What was on its way counts as cut, and keeps its id when it is
    /// written again. A session that had ended, or was ending, tells so again.
    #[must_use]
    pub fn restore(mut adapter: A, now: Timestamp, saved: Snapshot<A>) -> Self {
        adapter.restore(saved.cursor);
        let machine = saved.machine.restore(adapter.policy(), now);
        let mut ledger = saved.ledger;
        ledger.interrupt();
        let mut session = Self::assemble(adapter, machine, ledger, saved.nonce);
        if let Phase::Stopped(reason) = *session.machine.phase() {
            session.ledger.stop();
            session.take_fates();
            session.items.push_back(Item::Notice(Notice::Stopped { reason }));
        }
        session.take_fates();
        session
    }
}
