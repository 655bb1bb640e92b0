//! What has been seen lately.

use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;

/// The ids of the messages that came last, so that one that comes twice is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recent {
    order: VecDeque<String>,
    known: BTreeSet<String>,
}

impl Recent {
    /// How many ids are remembered.
    pub(crate) const CAPACITY: usize = 2048;
    /// A longer id is not remembered: no vendor's id is, and memory is bounded.
    const MAX_LEN: usize = 128;

    /// Remembers an id; returns whether it is new.
    pub(crate) fn insert(&mut self, id: &str) -> bool {
        if id.is_empty() || id.len() > Self::MAX_LEN {
            return true;
        }
        if !self.known.insert(id.to_owned()) {
            return false;
        }
        if self.order.len() >= Self::CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(id.to_owned());
        true
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }
}
