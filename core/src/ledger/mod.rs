//! What becomes of every message.

mod fate;

use alloc::collections::VecDeque;

pub use fate::{Class, Cut, Fate, Outcome, Path, Proof, Refusal, Refused, Settled};

use crate::event::Continuity;
use crate::id::MessageId;
use crate::time::{Span, Timestamp};

/// Keeps account of messages: every accepted one ends in exactly one [`Fate`].
///
/// At every moment, the messages accepted are those settled plus those in the ledger.
#[derive(Clone, PartialEq, Eq)]
pub struct Ledger<P> {
    /// In the order in which they were accepted.
    entries: VecDeque<Entry<P>>,
    settled: VecDeque<Settled>,
    next: MessageId,
    bytes: usize,
    bounds: Bounds,
    /// How many may be on the socket without an answer.
    window: Option<u16>,
    stopped: bool,
}

/// How much a ledger holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most messages.
    pub messages: usize,
    /// The most bytes, by the adapter's weights.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { messages: 1024, bytes: 16 << 20 }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry<P> {
    id: MessageId,
    class: Class,
    weight: u32,
    payload: P,
    tries: u8,
    path: Option<Path>,
    expires_at: Timestamp,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
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

impl<P> Default for Ledger<P> {
    fn default() -> Self {
        Self::new(Bounds::default())
    }
}

impl<P> Ledger<P> {
    /// Makes an empty ledger.
    #[must_use]
    pub const fn new(bounds: Bounds) -> Self {
        Self {
            entries: VecDeque::new(),
            settled: VecDeque::new(),
            next: MessageId::new(1),
            bytes: 0,
            bounds,
            window: None,
            stopped: false,
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
        let bytes = self.bytes.saturating_add(weight as usize);
        if self.entries.len() >= self.bounds.messages || bytes > self.bounds.bytes {
            return Err(Refused { why: Refusal::Full, message: payload });
        }
        let id = self.next;
        self.next = id.next();
        self.bytes = bytes;
        self.entries.push_back(Entry {
            id,
            class,
            weight,
            payload,
            tries: 0,
            path: None,
            expires_at: now + class.ttl,
            state: State::Queued,
        });
        Ok(id)
    }

    /// Returns the message that is to be written next, and how often it was written before.
    ///
    /// A message that is held, or on its way over HTTP, keeps back all that were accepted later.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Option<(MessageId, &P, u8)> {
        let mut on_socket = 0;
        for entry in &self.entries {
            match entry.state {
                State::Queued => {
                    let full = self.window.is_some_and(|window| on_socket >= window);
                    return (!full).then_some((entry.id, &entry.payload, entry.tries));
                }
                State::Held { until } if until <= now => {
                    return Some((entry.id, &entry.payload, entry.tries));
                }
                State::Held { .. } | State::AfterToken | State::Cut => return None,
                State::Sent { path: Path::Http, .. } => return None,
                State::Sent { path: Path::Socket, .. } => on_socket += 1,
            }
        }
        None
    }

    /// Notes that a message was written.
    pub fn sent(&mut self, now: Timestamp, id: MessageId, path: Path) {
        let Some(index) = self.position(id) else { return };
        let Some(entry) = self.entries.get_mut(index) else { return };
        entry.tries = entry.tries.saturating_add(1);
        entry.path = Some(path);
        entry.state = State::Sent { path, deadline: now + entry.class.within };
        if (entry.class.proof, path) == (Proof::Written, Path::Socket) {
            self.remove(index, Fate::Acked);
        }
    }

    /// Takes what is known about a message. Of a message that is settled nothing more is heard.
    pub fn settle(&mut self, now: Timestamp, id: MessageId, outcome: Outcome) {
        let Some(index) = self.position(id) else { return };
        let Some(entry) = self.entries.get_mut(index) else { return };
        let spent = entry.tries >= entry.class.tries;
        match outcome {
            Outcome::Acked => self.remove(index, Fate::Acked),
            Outcome::Rejected(code) => self.remove(index, Fate::Rejected(code)),
            Outcome::Unknown => self.remove(index, Fate::Unknown),
            Outcome::Retry { .. } | Outcome::AfterToken if spent => {
                self.remove(index, Fate::Unknown);
            }
            Outcome::Retry { after } => {
                entry.state = State::Held { until: now + after.unwrap_or(Span::ZERO) };
            }
            Outcome::AfterToken => entry.state = State::AfterToken,
        }
    }

    /// There is a new token: what waited for one may be written.
    pub fn token_ready(&mut self) {
        for entry in &mut self.entries {
            if entry.state == State::AfterToken {
                entry.state = State::Queued;
            }
        }
    }

    /// The connection is lost.
    pub fn cut(&mut self) {
        self.window = None;
        self.settle_where(|entry| match entry.state {
            State::Sent { path: Path::Socket, .. } => match entry.class.cut {
                Cut::Report => Some(Fate::Unknown),
                Cut::Resend => {
                    entry.state = State::Cut;
                    None
                }
            },
            State::Queued
            | State::Held { .. }
            | State::AfterToken
            | State::Sent { path: Path::Http, .. }
            | State::Cut => None,
        });
    }

    /// The process has ended, and with it all that was on its way. What was on its way over HTTP
    /// is no matter of the session, so it goes again as its class allows.
    pub fn interrupt(&mut self) {
        self.cut();
        self.settle_where(|entry| {
            let State::Sent { .. } = entry.state else { return None };
            if entry.class.cut == Cut::Report || entry.tries >= entry.class.tries {
                return Some(Fate::Unknown);
            }
            entry.state = State::Queued;
            None
        });
    }

    /// The session can be used again.
    pub fn online(&mut self, continuity: Continuity) {
        self.settle_where(|entry| {
            if entry.state != State::Cut {
                return None;
            }
            let allowed = continuity == Continuity::Resumed || entry.class.portable;
            if !allowed || entry.tries >= entry.class.tries {
                return Some(Fate::Unknown);
            }
            entry.state = State::Queued;
            None
        });
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Timestamp) {
        self.settle_where(|entry| {
            let spent = entry.tries >= entry.class.tries;
            match entry.state {
                State::Sent { deadline, .. } if deadline <= now => {
                    if entry.class.cut == Cut::Resend && !spent && entry.expires_at > now {
                        entry.state = State::Queued;
                        None
                    } else {
                        Some(Fate::Unknown)
                    }
                }
                State::Sent { .. } => None,
                State::Queued | State::Held { .. } | State::AfterToken | State::Cut
                    if entry.expires_at <= now =>
                {
                    Some(entry.unwritten(Fate::Expired))
                }
                State::Held { until } if until <= now => {
                    entry.state = State::Queued;
                    None
                }
                State::Queued | State::Held { .. } | State::AfterToken | State::Cut => None,
            }
        });
    }

    /// The session has ended: everything gets its fate.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.settle_where(|entry| Some(entry.unwritten(Fate::NotSent)));
    }

    /// Returns the next message that has ended.
    pub fn poll_fate(&mut self) -> Option<Settled> {
        self.settled.pop_front()
    }

    /// Returns the instant at which [`Ledger::tick`] is due, or at which a held message may go.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.entries
            .iter()
            .map(|entry| match entry.state {
                State::Queued | State::AfterToken | State::Cut => entry.expires_at,
                State::Held { until } => until.min(entry.expires_at),
                State::Sent { deadline, .. } => deadline,
            })
            .min()
    }

    /// Bounds how many messages are on the socket without an answer.
    pub fn limit(&mut self, window: u16) {
        self.window = Some(window);
    }

    /// Returns how many messages have no fate yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether every message has its fate.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether this message has no fate yet.
    #[must_use]
    pub fn contains(&self, id: MessageId) -> bool {
        self.position(id).is_some()
    }

    /// Returns how many messages wait, how many are on their way, and their bytes.
    #[must_use]
    pub fn load(&self) -> Load {
        let in_flight =
            self.entries.iter().filter(|entry| matches!(entry.state, State::Sent { .. })).count();
        Load { queued: self.entries.len() - in_flight, in_flight, bytes: self.bytes }
    }

    fn position(&self, id: MessageId) -> Option<usize> {
        self.entries.binary_search_by_key(&id, |entry| entry.id).ok()
    }

    fn remove(&mut self, index: usize, fate: Fate) {
        if let Some(entry) = self.entries.remove(index) {
            self.bytes -= entry.weight as usize;
            self.settled.push_back(entry.settled(fate));
        }
    }

    fn settle_where(&mut self, mut decide: impl FnMut(&mut Entry<P>) -> Option<Fate>) {
        let Self { entries, settled, bytes, .. } = self;
        entries.retain_mut(|entry| match decide(entry) {
            None => true,
            Some(fate) => {
                *bytes -= entry.weight as usize;
                settled.push_back(entry.settled(fate));
                false
            }
        });
    }
}

impl<P> core::fmt::Debug for Ledger<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ledger").field("load", &self.load()).finish_non_exhaustive()
    }
}

impl<P> Entry<P> {
    fn settled(&self, fate: Fate) -> Settled {
        Settled { id: self.id, fate, tries: self.tries, path: self.path }
    }

    /// Returns `fate` for a message that was never written, and doubt for any other.
    fn unwritten(&self, fate: Fate) -> Fate {
        if self.tries == 0 { fate } else { Fate::Unknown }
    }
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
