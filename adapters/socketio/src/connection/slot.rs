//! The namespaces of a connection.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;

use bytes::{BufMut as _, BytesMut};
use serde::Serialize;

use crate::engine::id;
use crate::{Content, Error, Event, Generation, Json, Limits, Namespace, Packet, Query, Text};

/// How a namespace is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Join {
    query: Option<Query>,
    auth: Option<Json>,
    recovery: Option<Recovery>,
}

impl Join {
    /// Asks without a further word.
    #[must_use]
    pub const fn new() -> Self {
        Self { query: None, auth: None, recovery: None }
    }

    /// Adds what a newer server reads as `auth`. An older one is not sent it.
    ///
    /// # Errors
    ///
    /// [`Error::NotJson`] where it cannot be written, [`Error::BadPayload`] where it is no object.
    pub fn auth<T: Serialize + ?Sized>(mut self, auth: &T) -> Result<Self, Error> {
        let json = Json::of(auth).map_err(|_| Error::NotJson)?;
        if !json.is_object() {
            return Err(Error::BadPayload);
        }
        self.auth = Some(json);
        Ok(self)
    }

    /// Adds what an older server reads as the namespace's query. A newer one is not sent it, and
    /// the main namespace of an older one has the query of the address.
    #[must_use]
    pub fn query(mut self, query: Query) -> Self {
        self.query = Some(query);
        self
    }

    /// Asks a newer server to go on where a lost connection ended.
    #[must_use]
    pub fn recover(mut self, recovery: Option<Recovery>) -> Self {
        self.recovery = recovery;
        self
    }

    /// Returns the packet that asks.
    pub(super) fn packet(&self, namespace: &Namespace, generation: Generation) -> Packet {
        let (query, payload) = self.content(generation);
        Packet { namespace: namespace.clone(), content: Content::Connect { query, payload } }
    }

    pub(super) const fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    /// Returns what the packet carries, in the reference client's order.
    fn content(&self, generation: Generation) -> (Option<Query>, Option<Json>) {
        match generation {
            Generation::Eio3 => (self.query.clone(), None),
            Generation::Eio4 => {
                let Some(recovery) = &self.recovery else { return (None, self.auth.clone()) };
                let mut out = BytesMut::new();
                out.put_slice(b"{\"pid\":");
                put_string(&mut out, &recovery.pid);
                if let Some(offset) = &recovery.offset {
                    out.put_slice(b",\"offset\":");
                    put_string(&mut out, offset);
                }
                let auth = self.auth.as_ref().map(Json::inside).unwrap_or_default();
                if !auth.is_empty() {
                    out.put_u8(b',');
                    out.put_slice(auth.as_bytes());
                }
                out.put_u8(b'}');
                (None, Some(Json::trusted(out.freeze())))
            }
        }
    }
}

/// Where a lost connection ended. It is as good as a credential, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Recovery {
    pid: Text,
    offset: Option<Text>,
}

impl Recovery {
    /// Takes what an earlier process left.
    #[must_use]
    pub fn new(pid: &str, offset: Option<&str>) -> Self {
        Self { pid: pid.into(), offset: offset.map(Text::from) }
    }

    /// Returns the private id of the lost connection.
    #[must_use]
    pub fn pid(&self) -> &str {
        &self.pid
    }

    /// Returns the offset of the last event that was seen.
    #[must_use]
    pub fn offset(&self) -> Option<&str> {
        self.offset.as_deref()
    }
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovery").finish_non_exhaustive()
    }
}

/// A namespace that is wanted.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) namespace: Namespace,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// The server has not opened the connection.
    Wanted(Join),
    /// The server has not answered.
    Asked { recovery: Option<Recovery>, early: Early },
    /// It was left before the server had answered.
    Leaving,
    /// The server has confirmed it.
    Joined(Joined),
}

impl State {
    pub(super) fn asked(recovery: Option<Recovery>) -> Self {
        Self::Asked { recovery, early: Early::default() }
    }
}

/// Events that came before the confirmation.
#[derive(Debug, Default)]
pub(super) struct Early {
    pub(super) events: Vec<(Option<u64>, Event)>,
    bytes: usize,
}

impl Early {
    pub(super) fn push(
        &mut self,
        ack: Option<u64>,
        event: Event,
        limits: &Limits,
    ) -> Result<(), Error> {
        let array = event.array();
        let attached: usize = array.attachments().iter().map(bytes::Bytes::len).sum();
        self.bytes = self.bytes.saturating_add(array.json().as_str().len() + attached);
        if self.events.len() >= limits.early || self.bytes > limits.early_bytes {
            return Err(Error::ManyEarlyEvents);
        }
        self.events.push((ack, event));
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(super) struct Joined {
    recovery: Option<Recovery>,
    next_ack: u64,
    waiting: BTreeSet<u64>,
}

impl Joined {
    /// Begins what the server has confirmed, and says whether it goes on from a lost connection.
    pub(super) fn start(pid: Option<Text>, lost: Option<Recovery>) -> (Self, bool) {
        let recovered = match (&pid, &lost) {
            (Some(pid), Some(lost)) => *pid == lost.pid,
            (Some(_) | None, None) | (None, Some(_)) => false,
        };
        let recovery = if recovered { lost } else { pid.map(|pid| Recovery { pid, offset: None }) };
        (Self { recovery, ..Self::default() }, recovered)
    }

    pub(super) const fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    /// An event without an acknowledgement has its offset as a further argument.
    pub(super) fn note(&mut self, ack: Option<u64>, event: &Event, limits: &Limits) {
        let Some(recovery) = &mut self.recovery else { return };
        if ack.is_none()
            && let Some(offset) = event.args().last().as_ref().and_then(id)
            && offset.len() <= limits.name
        {
            // A copy, so that the offset does not keep the whole frame.
            recovery.offset = Some(offset.as_str().into());
        }
    }

    pub(super) fn ask(&self, limits: &Limits) -> Option<u64> {
        if self.waiting.len() >= limits.acks {
            return None;
        }
        Some(self.next_ack)
    }

    pub(super) fn asked(&mut self) {
        self.waiting.insert(self.next_ack);
        self.next_ack = self.next_ack.wrapping_add(1);
    }

    /// Returns whether the id was waited for.
    pub(super) fn settle(&mut self, id: u64) -> bool {
        self.waiting.remove(&id)
    }
}

fn put_string(out: &mut BytesMut, text: &str) {
    match Json::of(text) {
        Ok(json) => out.put_slice(json.as_bytes()),
        Err(_) => out.put_slice(b"\"\""),
    }
}
