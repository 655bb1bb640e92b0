//! One message that has no fate yet.

use super::fate::{Class, Cut, Fate, Path, Settled};
use crate::id::MessageId;
use crate::time::Timestamp;

#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Entry<P> {
    pub(super) class: Class,
    pub(super) weight: u32,
    pub(super) payload: P,
    pub(super) tries: u8,
    /// How many writes ended without anybody knowing whether they arrived.
    pub(super) doubts: u8,
    pub(super) path: Option<Path>,
    /// The session that it was written in is gone and it may not move to another one: it is not
    /// written again unless every write is known to have been refused.
    pub(super) bound: bool,
    pub(super) expires_at: Timestamp,
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub(super) enum State {
    /// May be written.
    Queued,
    /// May be written from this instant on, and nothing behind it earlier.
    Held { until: Timestamp },
    /// May be written when there is a new token, and nothing behind it earlier.
    AfterToken,
    /// Written; the proof is due.
    Sent { path: Path, deadline: Timestamp },
    /// Written on a connection that is lost; the next session decides.
    Cut,
}

impl<P> Entry<P> {
    /// Returns when time alone changes something about it.
    pub(super) fn due(&self) -> Timestamp {
        match self.state {
            State::Queued | State::AfterToken | State::Cut => self.expires_at,
            State::Held { until } => until.min(self.expires_at),
            State::Sent { deadline, .. } => deadline,
        }
    }

    /// Returns whether what was accepted later may be written. Only a first write on the socket
    /// lets it: a resend waits for its proof, and so does an exchange, or the order is lost.
    pub(super) fn is_passable(&self) -> bool {
        matches!(self.state, State::Sent { path: Path::Socket, .. }) && self.tries <= 1
    }

    pub(super) fn is_sent(&self) -> bool {
        matches!(self.state, State::Sent { .. })
    }

    /// Returns whether it may be written once more.
    pub(super) fn has_tries(&self) -> bool {
        self.tries < self.class.tries && !(self.bound && self.arrivals() > 0)
    }

    /// Returns whether a new session must not have it: the old one may have it already.
    pub(super) fn is_stranded(&self) -> bool {
        !self.class.portable && self.arrivals() > 0
    }

    /// Notes that nobody will know what became of the write that was under way.
    pub(super) fn doubt(&mut self) {
        if self.is_sent() {
            self.doubts = self.doubts.saturating_add(1);
        }
    }

    /// Returns what becomes of it when the write that was under way has no proof.
    pub(super) fn after_loss(&self) -> Option<Fate> {
        (self.class.cut == Cut::Report || !self.has_tries()).then_some(Fate::Unknown)
    }

    /// Returns `fate` for a message that was never written, and doubt for any other.
    pub(super) fn unwritten(&self, fate: Fate) -> Fate {
        if self.tries == 0 { fate } else { Fate::Unknown }
    }

    /// Returns how many of its writes may have arrived.
    pub(super) fn arrivals(&self) -> u8 {
        self.doubts.saturating_add(u8::from(self.is_sent()))
    }

    pub(super) fn settled(&self, id: MessageId, fate: Fate) -> Settled {
        let arrivals = match fate {
            Fate::Acked => self.arrivals().max(1),
            // What was refused has not arrived, but what was written before it may have.
            Fate::Rejected(_) => self.doubts,
            Fate::Expired | Fate::NotSent => 0,
            Fate::Unknown => self.arrivals(),
        };
        Settled { id, fate, tries: self.tries, path: self.path, arrivals }
    }
}
