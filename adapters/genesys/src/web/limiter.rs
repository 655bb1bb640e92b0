//! The vendor's rates, kept on this side.

use alloc::collections::VecDeque;

use redial_core::{Span, Speed, Timestamp};

/// Counts what is sent, so that the server has nothing to refuse.
#[derive(Clone, Debug)]
pub(super) struct Limiter {
    /// When each message of the last second was sent, over all connections of the session.
    messages: Window,
    /// When each request of the last minute was sent, on this connection.
    requests: Window,
    /// Until when no message may be sent.
    until: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Window {
    sent: VecDeque<Timestamp>,
    most: usize,
    span: Span,
}

impl Limiter {
    /// Requests that are kept for what is no message: health checks, a token for the history.
    const RESERVE: u16 = 4;

    pub(super) fn new(messages: u16, requests: u16, speed: Speed) -> Self {
        Self {
            messages: Window::new(messages, Span::from_secs(1).scaled(speed)),
            requests: Window::new(
                requests.saturating_sub(Self::RESERVE),
                Span::from_secs(60).scaled(speed),
            ),
            until: None,
        }
    }

    /// A connection begins with no requests.
    pub(super) fn renew(&mut self) {
        self.requests.sent.clear();
    }

    /// Something other than a message was sent.
    pub(super) fn note_request(&mut self, now: Timestamp) {
        self.requests.note(now);
        self.refresh(now);
    }

    /// A message was sent.
    pub(super) fn note_message(&mut self, now: Timestamp) {
        self.messages.note(now);
        self.note_request(now);
    }

    /// The server asks for quiet.
    pub(super) fn hold(&mut self, until: Timestamp) {
        self.until = self.until.max(Some(until));
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Timestamp) {
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
            self.refresh(now);
        }
    }

    pub(super) const fn until(&self) -> Option<Timestamp> {
        self.until
    }

    fn refresh(&mut self, now: Timestamp) {
        let free = self.messages.free_at(now).max(self.requests.free_at(now));
        self.until = self.until.max(free);
    }
}

impl Window {
    fn new(most: u16, span: Span) -> Self {
        Self { sent: VecDeque::new(), most: usize::from(most.max(1)), span }
    }

    fn note(&mut self, now: Timestamp) {
        while self.sent.len() >= self.most {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }

    /// Returns when another one fits; `None`: now.
    fn free_at(&self, now: Timestamp) -> Option<Timestamp> {
        let oldest = (self.sent.len() >= self.most).then(|| self.sent.front()).flatten()?;
        let free = *oldest + self.span;
        (free > now).then_some(free)
    }
}
