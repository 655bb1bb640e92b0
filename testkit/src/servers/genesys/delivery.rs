//! What becomes of a client's message, whichever service took it: counted, deduped, delivered.

use std::collections::HashSet;
use std::time::Duration;

use super::options::{DedupeScope, Settings};
use super::state::{Delivered, MessageSeen, Path, State, note};
use crate::servers::socket::{Out, SocketHandle};
use crate::servers::valve::End;

/// When a scripted cut comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CutWhen {
    /// The message has arrived; the application never gets it.
    BeforeDelivery,
    /// The application has it; the client is not told.
    BeforeAck,
    /// The acknowledgment is the last frame.
    AfterAck,
}

/// The ids that are known, and the faults that hit single messages.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    ids: HashSet<String>,
    scoped: HashSet<(u64, String)>,
    cut: Option<(u32, CutWhen)>,
    lose_rest: u32,
    doomed: HashSet<u64>,
}

/// A message on its way in.
pub(crate) struct Arrival<'a> {
    pub(crate) id: &'a str,
    pub(crate) text: &'a str,
    pub(crate) path: Path,
    pub(crate) conversation: u64,
    pub(crate) t_ms: u64,
}

impl Desk {
    /// Takes a message in; tells whether it was known, in the scope that ids are unique in.
    pub(crate) fn take_in(
        &mut self,
        seen: &mut State,
        settings: &Settings,
        arrival: &Arrival<'_>,
    ) -> bool {
        let &Arrival { id, text, path, conversation, t_ms } = arrival;
        let scope = match settings.dedupe_scope {
            DedupeScope::Conversation => conversation,
            DedupeScope::Server => 0,
        };
        let full = self.ids.len() >= MAX_IDS;
        let duplicate = if full { self.ids.contains(id) } else { !self.ids.insert(id.to_owned()) };
        let key = (scope, id.to_owned());
        let full = self.scoped.len() >= MAX_IDS;
        let known = if full { self.scoped.contains(&key) } else { !self.scoped.insert(key) };
        let delivered = !(known && settings.dedupe);
        let id = id.to_owned();
        if delivered {
            let (id, text) = (id.clone(), text.to_owned());
            note(&mut seen.delivered, Delivered { t_ms, id, text, path, conversation });
        }
        note(
            &mut seen.messages,
            MessageSeen { id, path, t_ms, duplicate, conversation, delivered },
        );
        known
    }

    /// Arms a cut at the `n`th message on a socket from now; 0 disarms it.
    pub(crate) fn arm_cut(&mut self, n: u32, when: CutWhen) {
        self.cut = (n > 0).then_some((n, when));
    }

    /// Counts a message on a socket; tells whether its cut has come.
    pub(crate) fn cuts(&mut self) -> Option<CutWhen> {
        let (left, when) = self.cut.as_mut()?;
        *left -= 1;
        let due = (*left == 0).then_some(*when);
        if due.is_some() {
            self.cut = None;
        }
        due
    }

    /// Cuts a socket once it has written what is queued, and hears nothing from it any more.
    pub(crate) fn cut(&mut self, socket: &SocketHandle, delay: Duration) {
        self.doomed.insert(socket.conn);
        if delay.is_zero() && !socket.send(Out::Cut) {
            socket.link.valve.kill(End::Fin);
        } else if !delay.is_zero() {
            socket.send_after(delay, Out::Cut);
        }
    }

    /// Tells whether a socket is about to be cut.
    pub(crate) fn is_doomed(&self, conn: u64) -> bool {
        self.doomed.contains(&conn)
    }

    /// Forgets a socket.
    pub(crate) fn forget(&mut self, conn: u64) {
        self.doomed.remove(&conn);
    }

    /// Arms `n` lost answers by HTTP.
    pub(crate) fn lose_rest(&mut self, n: u32) {
        self.lose_rest = n;
    }

    /// Tells whether this answer by HTTP is lost.
    pub(crate) fn loses_rest(&mut self) -> bool {
        let any = self.lose_rest > 0;
        self.lose_rest = self.lose_rest.saturating_sub(1);
        any
    }
}

impl CutWhen {
    /// Reads the name that the command takes.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "before_delivery" => Self::BeforeDelivery,
            "before_ack" => Self::BeforeAck,
            "after_ack" => Self::AfterAck,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BeforeDelivery => "before_delivery",
            Self::BeforeAck => "before_ack",
            Self::AfterAck => "after_ack",
        }
    }
}

const MAX_IDS: usize = 1_000_000;
