//! Messages on their way out.

use super::{Session, Transmit, abort};
use crate::adapter::Adapter;
use crate::id::MessageId;
use crate::io::{Io, Scope};
use crate::ledger::{Load, Path, Refused, Room, Status};
use crate::time::{Cx, Timestamp};

impl<A: Adapter> Session<A> {
    /// Accepts a message; its end is an [`Item::Fate`](crate::Item::Fate).
    ///
    /// # Errors
    ///
    /// Hands the message back when too much is waiting or the session has ended.
    pub fn send(
        &mut self,
        cx: Cx,
        message: A::Outgoing,
    ) -> Result<MessageId, Refused<A::Outgoing>> {
        let (class, weight) = (self.adapter.class(&message), self.adapter.weight(&message));
        let accepted = self.ledger.accept(cx.now, class, weight, message);
        self.unsaved |= accepted.is_ok();
        accepted
    }

    /// Returns whether [`Session::send`] would accept this message. `Later` changes when an
    /// [`Item::Fate`](crate::Item::Fate) comes out.
    #[must_use]
    pub fn room(&self, message: &A::Outgoing) -> Room {
        self.ledger.room(self.adapter.weight(message))
    }

    /// Returns the next thing to write. Call it only while the socket can take more: messages
    /// leave the ledger here. It may change after every [`Session::handle`] and
    /// [`Session::send`].
    ///
    /// What the adapter writes of its own accord, such as a probe or a login, goes before every
    /// message. While servers have asked to wait, no message goes over HTTP and none is written
    /// again; where the adapter said so, none is written at all. Whoever stores a
    /// [`Snapshot`](crate::Snapshot) for a later process does so between this call and the write:
    /// then a message that may have been written never counts as one that was not.
    pub fn poll_transmit(&mut self, cx: Cx) -> Option<Transmit> {
        if self.has_said_goodbye() {
            self.queue.frames.clear();
        }
        loop {
            if let Some(frame) = self.queue.frames.pop_front() {
                return Some(Transmit::Frame(frame));
            }
            if let Some(code) = self.farewell.take() {
                return Some(Transmit::Close { code });
            }
            if !self.is_online() || !self.adapter.can_transmit() {
                return None;
            }
            let now = self.machine.now().max(cx.now);
            let (id, message, tries) = self.ledger.next(cx.now)?;
            let behind = self.over_http == Some(id) && !self.ledger.allows(id, Path::Http);
            if behind || self.held_until(id, tries) > now {
                return None;
            }
            abort(&mut self.exchanges, &mut self.effects, |scope| scope == Scope::Message(id));
            let mut io = Io {
                cx,
                scope: Scope::Message(id),
                conn: self.machine.live_conn(),
                open: true,
                online: true,
                nonce: self.nonce,
                queue: &mut self.queue,
            };
            let path = self.adapter.transmit(id, message, tries, &mut io);
            let early = path == Path::Http && self.machine.not_before() > now;
            if early || !self.ledger.allows(id, path) {
                self.queue.signals.retain(|signal| !signal.is_exchange_of(id));
                self.over_http = Some(id);
            } else {
                self.unsaved = true;
                self.ledger.sent(cx.now, id, path);
            }
            self.drain(cx);
            // What is proved by being written has its fate already.
            self.take_fates();
        }
    }

    /// Returns how many messages wait and how many are on their way.
    #[must_use]
    pub fn load(&self) -> Load {
        self.ledger.load()
    }

    /// Returns what is known about a message that has no fate yet.
    #[must_use]
    pub fn status(&self, id: MessageId) -> Option<Status> {
        self.ledger.status(id)
    }

    /// Returns whether messages of an earlier try have to go before anything new does.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.ledger.is_draining()
    }

    /// Returns how many answers came for messages that had their fate already.
    #[must_use]
    pub const fn late_answers(&self) -> u64 {
        self.ledger.late_answers()
    }

    /// Returns when a message goes that only waits because servers have asked for it.
    pub(super) fn release_at(&self) -> Option<Timestamp> {
        let now = self.machine.now();
        if !self.is_online() || self.machine.not_before().max(self.silent_until) <= now {
            return None;
        }
        let (id, _, tries) = self.ledger.next(now)?;
        Some(self.held_until(id, tries)).filter(|at| *at > now)
    }

    /// Returns the earliest time at which servers let a message go. One that was never written
    /// goes on the socket at once: what is asked of token calls, dials and exchanges is no matter
    /// of an open socket.
    fn held_until(&self, id: MessageId, tries: u8) -> Timestamp {
        if tries > 0 || self.over_http == Some(id) {
            self.machine.not_before().max(self.silent_until)
        } else {
            self.silent_until
        }
    }
}
