//! Which events of a conversation have come.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;

use serde::{Deserialize, Serialize};

/// The places of the events that have come, for each conversation, so that one that comes twice
/// is known and one that is missing is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    conversations: BTreeMap<String, Conversation>,
    /// Counts the uses, so that the conversation that was used least recently goes first.
    clock: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Conversation {
    highest: u64,
    /// The numbers that have not come, as ranges: the first of each, and its last.
    missing: BTreeMap<u64, u64>,
    /// Of the numbers up to this one nobody knows whether they have come.
    unknown: u64,
    used: u64,
}

/// What the place of an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is the next one, or nothing is known.
    Next,
    /// It has come before.
    Duplicate,
    /// Those from `from` to `to`, both included, have not come.
    After { from: u64, to: u64 },
    /// It was missing, or may have been; `closed`: nothing is missing any more, in any conversation.
    Late { closed: bool },
}

impl Seen {
    /// The most conversations, and the most ranges of missing events of one.
    const CAPACITY: usize = 256;
    /// A longer name is not remembered: no vendor's is, and memory is bounded.
    const MAX_LEN: usize = 128;

    pub(crate) fn see(&mut self, cid: &str, id: u64) -> Place {
        if cid.is_empty() || cid.len() > Self::MAX_LEN {
            return Place::Next;
        }
        self.clock = self.clock.saturating_add(1);
        let used = self.clock;
        let Some(conversation) = self.conversations.get_mut(cid) else {
            self.make_room();
            let first = Conversation { highest: id, missing: BTreeMap::new(), unknown: 0, used };
            self.conversations.insert(cid.to_owned(), first);
            return Place::Next;
        };
        conversation.used = used;
        let next = conversation.highest.saturating_add(1);
        if id >= next {
            conversation.highest = id;
            if id == next {
                return Place::Next;
            }
            conversation.miss(next, id - 1);
            return Place::After { from: next, to: id - 1 };
        }
        if conversation.find(id) {
            return Place::Late { closed: !self.is_missing_any() };
        }
        Place::Duplicate
    }

    fn is_missing_any(&self) -> bool {
        self.conversations
            .values()
            .any(|conversation| !conversation.missing.is_empty() || conversation.unknown > 0)
    }

    fn make_room(&mut self) {
        if self.conversations.len() < Self::CAPACITY {
            return;
        }
        let oldest = self.conversations.iter().min_by_key(|(_, known)| known.used);
        if let Some(cid) = oldest.map(|(cid, _)| cid.clone()) {
            self.conversations.remove(&cid);
        }
    }
}

impl Conversation {
    fn miss(&mut self, first: u64, last: u64) {
        self.missing.insert(first, last);
        if self.missing.len() > Seen::CAPACITY
            && let Some((_, last)) = self.missing.pop_first()
        {
            self.unknown = self.unknown.max(last);
        }
    }

    /// A number comes late; returns whether it was missing, or may have been.
    fn find(&mut self, id: u64) -> bool {
        let range = self.missing.range(..=id).next_back().map(|(first, last)| (*first, *last));
        let Some((first, last)) = range.filter(|(_, last)| *last >= id) else {
            return id <= self.unknown;
        };
        self.missing.remove(&first);
        if first < id {
            self.miss(first, id - 1);
        }
        if id < last {
            self.miss(id + 1, last);
        }
        true
    }
}
