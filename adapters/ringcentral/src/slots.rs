//! How many requests are under way on the socket.

use alloc::vec::Vec;

use redial_core::{MessageId, Timestamp};

/// Keeps requests within the server's `maxActiveRequests`, those of the adapter among them.
#[derive(Debug)]
pub(crate) struct Slots {
    most: usize,
    /// The application's requests that have no answer yet, and when they are given up.
    taken: Vec<(MessageId, Timestamp)>,
    /// Whether the adapter has a request of its own under way.
    pub(crate) reserved: bool,
}

impl Slots {
    pub(crate) const fn new() -> Self {
        Self { most: DEFAULT, taken: Vec::new(), reserved: false }
    }

    /// Takes the server's number; one that makes no sense is not taken.
    pub(crate) fn limit(&mut self, most: Option<u16>) {
        self.most = most.filter(|most| *most > 0).map_or(DEFAULT, usize::from);
    }

    pub(crate) fn take(&mut self, id: MessageId, until: Timestamp) {
        self.taken.retain(|(known, _)| *known != id);
        self.taken.push((id, until));
    }

    pub(crate) fn free(&mut self, id: MessageId) {
        self.taken.retain(|(known, _)| *known != id);
    }

    /// Gives up what was not answered.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        self.taken.retain(|(_, until)| *until > now);
    }

    /// The connection is gone, and what was under way on it.
    pub(crate) fn clear(&mut self) {
        self.taken.clear();
        self.reserved = false;
    }

    pub(crate) fn is_full(&self, now: Timestamp) -> bool {
        let taken = self.taken.iter().filter(|(_, until)| *until > now).count();
        taken + usize::from(self.reserved) >= self.most
    }

    /// Returns whether the application may send another one.
    pub(crate) fn has_room(&self, waiting: bool) -> bool {
        // A request of the adapter that waits goes first.
        self.taken.len() + usize::from(self.reserved || waiting) < self.most
    }

    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        self.taken.iter().map(|(_, until)| *until).min()
    }
}

/// Guide, sample of `maxActiveRequests`.
const DEFAULT: usize = 10;
