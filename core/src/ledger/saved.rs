//! The form in which a ledger is stored.

use alloc::vec::Vec;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::entry::{Entry, State};
use super::fate::Settled;
use super::window::Window;
use super::{Bounds, Ledger};
use crate::id::MessageId;
use crate::saved::Version;

#[derive(Serialize)]
#[serde(rename = "Ledger")]
struct Stored<'a, P> {
    version: Version,
    next: MessageId,
    bounds: Bounds,
    limit: Option<u16>,
    stopped: bool,
    late: u64,
    settled: Vec<&'a Settled>,
    messages: Vec<(MessageId, &'a Entry<P>)>,
}

#[derive(Deserialize)]
#[serde(rename = "Ledger")]
struct Loaded<P> {
    #[serde(rename = "version")]
    _version: Version,
    next: MessageId,
    bounds: Bounds,
    limit: Option<u16>,
    stopped: bool,
    late: u64,
    settled: Vec<Settled>,
    messages: Vec<(MessageId, Entry<P>)>,
}

impl<P: Serialize> Serialize for Ledger<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stored = Stored {
            version: Version,
            next: self.next,
            bounds: self.bounds,
            limit: self.limit,
            stopped: self.stopped,
            late: self.late,
            settled: self.window.settled.iter().collect(),
            messages: self.window.iter().collect(),
        };
        stored.serialize(serializer)
    }
}

impl<'de, P: Deserialize<'de>> Deserialize<'de> for Ledger<P> {
    /// Fails where the stored form is of a later version or contradicts itself. What it holds
    /// never takes more memory than the stored form has bytes, times a constant.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Loaded::deserialize(deserializer)?.into_ledger().map_err(D::Error::custom)
    }
}

impl<P> Loaded<P> {
    fn into_ledger(self) -> Result<Ledger<P>, &'static str> {
        let Self { next, bounds, limit, stopped, late, .. } = self;
        if self.messages.len() > bounds.messages {
            return Err("more messages than the ledger's bound");
        }
        let mut window = Window::new();
        let mut last = MessageId::new(0);
        for (id, entry) in self.messages {
            if id <= last || id >= next {
                return Err("messages out of order");
            }
            if !entry.is_sound() {
                return Err("a message that contradicts itself");
            }
            if stopped {
                return Err("a message without fate in a session that has ended");
            }
            let room = bounds.bytes.checked_sub(window.bytes());
            if room.is_none_or(|room| room < entry.weight as usize) {
                return Err("more bytes than the ledger's bound");
            }
            last = id;
            window.push(id, entry);
        }
        for settled in self.settled {
            if settled.id >= next || window.entry(settled.id).is_some() {
                return Err("a fate of a message that has none");
            }
            window.settled.push_back(settled);
        }
        Ok(Ledger { window, next, bounds, limit, stopped, late })
    }
}

impl<P> Entry<P> {
    /// Returns whether the numbers of a message could have come about.
    fn is_sound(&self) -> bool {
        let written = self.tries > 0;
        let open = u8::from(self.is_sent());
        let waiting = matches!(self.state, State::Queued | State::Held { .. } | State::AfterToken);
        (written || waiting)
            && written == self.path.is_some()
            && self.doubts.saturating_add(open) <= self.tries
    }
}
