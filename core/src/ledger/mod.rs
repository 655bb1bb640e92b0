//! What becomes of every message.

mod changes;
mod entry;
mod fate;
#[cfg(feature = "serde")]
mod saved;
mod timers;
mod window;

pub use fate::{Class, Cut, Fate, Outcome, Path, Proof, Refusal, Refused, Room, Settled, Status};

use self::entry::{Entry, State};
use self::window::{Change, Window};
use crate::id::MessageId;
use crate::time::{Span, Timestamp};

/// Keeps account of messages: every accepted one ends in exactly one [`Fate`].
///
/// At every moment, the messages accepted are those settled plus those in the ledger.
///
/// # Order
///
/// Messages are written in the order in which they were accepted. First writes on the socket
/// follow each other without waiting. Everything else keeps back what was accepted later: a
/// message that is held, one that waits for a token, one that is on its way over HTTP, and one
/// that is being written again, until there is its proof. A message that goes over HTTP waits, by
/// [`Ledger::allows`], for the proof of all that were written on the socket before it. So resends are sequential and no new
/// message overtakes one. What was in flight when a refusal arrived is the one exception: it had
/// left already. Whoever cannot bear that sets [`Ledger::limit`] to 1.
///
/// # Ends
///
/// A message that was never written ends as [`Fate::Expired`] by its time and as
/// [`Fate::NotSent`] with the session. One that was written ends with its proof, or as
/// [`Fate::Unknown`]: at the loss of its connection where its class is [`Cut::Report`], in a new
/// session where it is not portable and the old one may have it, and when its time, its tries or
/// the session are spent.
/// Whatever is said about it later is not heard, only counted by [`Ledger::late_answers`].
///
/// Accepting, writing and settling cost a logarithm of what is waiting and, once its memory has
/// grown to its load, allocate nothing.
#[derive(Clone)]
pub struct Ledger<P> {
    window: Window<P>,
    next: MessageId,
    bounds: Bounds,
    /// How many may be on the socket without an answer.
    limit: Option<u16>,
    stopped: bool,
    late: u64,
}

/// How much a ledger holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Bounds {
    /// The most messages.
    pub messages: usize,
    /// The most bytes, by the adapter's weights.
    pub bytes: usize,
}

/// How much is in a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Load {
    /// The messages that wait to be written.
    pub queued: usize,
    /// The messages that were written and have no proof yet.
    pub in_flight: usize,
    /// The bytes of both.
    pub bytes: usize,
}

impl<P> Ledger<P> {
    /// Makes an empty ledger.
    #[must_use]
    pub const fn new(bounds: Bounds) -> Self {
        Self {
            window: Window::new(),
            next: MessageId::new(1),
            bounds,
            limit: None,
            stopped: false,
            late: 0,
        }
    }

    /// Accepts a message.
    ///
    /// # Errors
    ///
    /// Hands the message back when the ledger is full or the session has ended.
    pub fn accept(
        &mut self,
        now: Timestamp,
        class: Class,
        weight: u32,
        payload: P,
    ) -> Result<MessageId, Refused<P>> {
        if self.stopped {
            return Err(Refused { why: Refusal::Stopped, message: payload });
        }
        if self.room(weight) != Room::Now {
            return Err(Refused { why: Refusal::Full, message: payload });
        }
        let id = self.next;
        self.next = id.next();
        let expires_at = now + class.ttl;
        self.window.push(
            id,
            Entry {
                class,
                weight,
                payload,
                tries: 0,
                doubts: 0,
                path: None,
                bound: false,
                expires_at,
                state: State::Queued,
            },
        );
        Ok(id)
    }

    /// Returns whether a message of this weight would be accepted. It may change after every
    /// [`Ledger::accept`] and whenever a message ends.
    #[must_use]
    pub fn room(&self, weight: u32) -> Room {
        let weight = weight as usize;
        if self.stopped || weight > self.bounds.bytes || self.bounds.messages == 0 {
            Room::Never
        } else if self.window.len() >= self.bounds.messages
            || self.window.bytes().saturating_add(weight) > self.bounds.bytes
        {
            Room::Later
        } else {
            Room::Now
        }
    }

    /// Returns the message that is to be written next, and how often it was written before. It
    /// may change after every call that takes `&mut self`, and at [`Ledger::poll_timeout`].
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Option<(MessageId, &P, u8)> {
        let (id, entry) = self.window.head()?;
        let may = match entry.state {
            State::Queued => true,
            State::Held { until } => until <= now,
            State::AfterToken | State::Cut | State::Sent { .. } => false,
        };
        let full = self.limit.is_some_and(|limit| self.window.on_socket() >= usize::from(limit));
        (may && !full).then_some((id, &entry.payload, entry.tries))
    }

    /// Returns whether a message may go this way. One that was accepted earlier may be lost with
    /// its socket while an exchange arrives, so nothing goes over HTTP until all before it have
    /// their fate.
    #[must_use]
    pub fn allows(&self, id: MessageId, path: Path) -> bool {
        match path {
            Path::Socket => true,
            Path::Http => self.window.oldest().is_none_or(|oldest| oldest >= id),
        }
    }

    /// Notes that a message was written.
    pub fn sent(&mut self, now: Timestamp, id: MessageId, path: Path) {
        self.window.decide(id, |entry| {
            entry.doubt();
            entry.tries = entry.tries.saturating_add(1);
            entry.path = Some(path);
            let state = State::Sent { path, deadline: now + entry.class.within };
            if (entry.class.proof, path) == (Proof::Written, Path::Socket) {
                entry.state = state;
                return Change::End(Fate::Acked);
            }
            Change::To(state)
        });
    }

    /// Takes what is known about a message. Of a message that is settled nothing more is heard.
    pub fn settle(&mut self, now: Timestamp, id: MessageId, outcome: Outcome) {
        let found = self.window.decide(id, |entry| {
            // An answer to what was never written is a forgery: it says nothing.
            if entry.tries == 0 {
                return Change::Nothing;
            }
            let held = |after: Option<Span>| State::Held { until: now + after.unwrap_or_default() };
            let next = match outcome {
                Outcome::Acked => return Change::End(Fate::Acked),
                Outcome::Rejected(code) => return Change::End(Fate::Rejected(code)),
                Outcome::Unknown => return Change::End(Fate::Unknown),
                Outcome::Lost { after } => {
                    if entry.after_loss().is_some() {
                        return Change::End(Fate::Unknown);
                    }
                    entry.doubt();
                    held(after)
                }
                Outcome::Retry { after } => held(after),
                Outcome::AfterToken => State::AfterToken,
            };
            // This write did not arrive: that is what the answer says, or doubt is noted.
            entry.state = next;
            if !entry.has_tries() {
                return Change::End(Fate::Unknown);
            }
            Change::To(next)
        });
        if !found && id < self.next && id > MessageId::new(0) {
            self.late = self.late.saturating_add(1);
        }
    }

    /// Returns the next message that has ended.
    pub fn poll_fate(&mut self) -> Option<Settled> {
        self.window.settled.pop_front()
    }

    /// Takes back a fate that the application has not heard of, before all others.
    pub(crate) fn keep_fate(&mut self, settled: Settled) {
        self.window.settled.push_front(settled);
    }

    /// Returns the instant at which [`Ledger::tick`] is due, or at which a held message may go.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.window.first_due()
    }

    /// Bounds how many messages are on the socket without an answer.
    pub fn limit(&mut self, window: u16) {
        self.limit = Some(window);
    }

    /// Returns how many messages have no fate yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.window.len()
    }

    /// Returns whether every message has its fate.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.window.len() == 0
    }

    /// Returns whether this message has no fate yet.
    #[must_use]
    pub fn contains(&self, id: MessageId) -> bool {
        self.window.entry(id).is_some()
    }

    /// Returns whether this message was written and has no fate yet.
    #[must_use]
    pub fn is_written(&self, id: MessageId) -> bool {
        self.status(id).is_some_and(|status| status.tries > 0)
    }

    /// Returns what is known about a message that has no fate yet.
    #[must_use]
    pub fn status(&self, id: MessageId) -> Option<Status> {
        self.window.entry(id).map(|entry| Status {
            tries: entry.tries,
            path: entry.path,
            in_flight: entry.is_sent(),
            arrivals: entry.arrivals(),
        })
    }

    /// Returns whether messages that were written before have to be written again, or are being
    /// written again, before anything new may go.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        // What was written once stands before everything that was not.
        self.window.head().is_some_and(|(_, entry)| entry.tries > 0)
    }

    /// Returns how many messages wait, how many are on their way, and their bytes.
    #[must_use]
    pub fn load(&self) -> Load {
        let in_flight = self.window.in_flight();
        Load { queued: self.window.len() - in_flight, in_flight, bytes: self.window.bytes() }
    }

    /// Returns how much this ledger holds.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Returns how many answers came for messages that were settled already.
    #[must_use]
    pub const fn late_answers(&self) -> u64 {
        self.late
    }
}

impl<P> Default for Ledger<P> {
    fn default() -> Self {
        Self::new(Bounds::default())
    }
}

/// Two ledgers are equal when they go on alike. What they have counted does not matter.
impl<P: PartialEq> PartialEq for Ledger<P> {
    fn eq(&self, other: &Self) -> bool {
        (self.next, self.bounds, self.limit, self.stopped)
            == (other.next, other.bounds, other.limit, other.stopped)
            && self.window.settled == other.window.settled
            && self.window.iter().eq(other.window.iter())
    }
}

impl<P: Eq> Eq for Ledger<P> {}

impl<P: core::hash::Hash> core::hash::Hash for Ledger<P> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (self.next, self.bounds, self.limit, self.stopped).hash(state);
        self.window.settled.hash(state);
        for entry in self.window.iter() {
            entry.hash(state);
        }
    }
}

impl<P> core::fmt::Debug for Ledger<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ledger").field("load", &self.load()).finish_non_exhaustive()
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self { messages: 1024, bytes: 16 << 20 }
    }
}
