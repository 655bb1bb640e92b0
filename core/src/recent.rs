//! What has been seen lately.

use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;

/// The last `MOST` ids that came, so that an adapter knows one that comes twice.
///
/// ```
/// use redial_core::Recent;
///
/// let mut recent = Recent::<2>::default();
/// assert!(recent.insert("a") && recent.insert("b") && !recent.insert("a"));
/// // The one that came first is forgotten first.
/// assert!(recent.insert("c") && recent.iter().eq(["b", "c"]) && recent.insert("a"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent<const MOST: usize> {
    order: VecDeque<String>,
    known: BTreeSet<String>,
}

impl<const MOST: usize> Recent<MOST> {
    /// A longer id, in bytes, is not remembered, so that a peer cannot make the memory grow.
    pub const MAX_LEN: usize = 128;

    /// Remembers an id; returns whether it is new. One that is empty or too long always is.
    pub fn insert(&mut self, id: &str) -> bool {
        if id.is_empty() || id.len() > Self::MAX_LEN {
            return true;
        }
        if !self.known.insert(id.to_owned()) {
            return false;
        }
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(id.to_owned());
        true
    }

    /// Returns whether this id is remembered.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.known.contains(id)
    }

    /// Returns the ids, the eldest first: what a cursor keeps.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.order.clear();
        self.known.clear();
    }
}
