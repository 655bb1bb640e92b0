//! Which events of a conversation have come.

use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeMap, BTreeSet};
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
    missing: BTreeSet<u64>,
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
    /// It was missing; `closed`: nothing is missing any more, in any conversation.
    Late { closed: bool },
}

impl Seen {
    /// The most conversations, and the most missing events of one.
    const CAPACITY: usize = 256;
    /// A longer name is not remembered: no vendor's is, and memory is bounded.
    const MAX_LEN: usize = 128;

    pub(crate) fn see(&mut self, cid: &str, id: u64) -> Place {
        if cid.is_empty() || cid.len() > Self::MAX_LEN {
            return Place::Next;
        }
        self.clock += 1;
        let used = self.clock;
        let Some(conversation) = self.conversations.get_mut(cid) else {
            self.make_room();
            let first = Conversation { highest: id, missing: BTreeSet::new(), used };
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
            let room = Self::CAPACITY.saturating_sub(conversation.missing.len());
            conversation.missing.extend((next..id).rev().take(room));
            return Place::After { from: next, to: id - 1 };
        }
        if conversation.missing.remove(&id) {
            return Place::Late { closed: !self.is_missing_any() };
        }
        Place::Duplicate
    }

    fn is_missing_any(&self) -> bool {
        self.conversations.values().any(|conversation| !conversation.missing.is_empty())
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
