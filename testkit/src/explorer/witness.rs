//! What an onlooker knows who sees the events and the actions only.

use redial_core::{
    Action, Event, Machine, Notice, Phase, Policy, Span, Timestamp, Token, TokenUse, Verdict,
};

/// What an onlooker knows who sees the events and the actions only.
///
/// The invariants judge a machine by this and not by what it says of itself, so a machine that
/// forgets something is found out. In a machine without faults it says nothing new, so it adds
/// next to no states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Witness {
    /// The earliest time that servers asked for.
    pub not_before: Timestamp,
    /// The connection.
    pub conn: Link,
    /// The token that a dial would use.
    pub token: Seen,
    /// The end of the wait that was announced last.
    pub scheduled: Option<Timestamp>,
    /// Whether the application was told that the session can be used.
    pub online: bool,
    /// Whether the application was told that the session has ended.
    pub stopped: bool,
}

/// The newest connection, as an onlooker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// There is none.
    None,
    /// It was asked for.
    Dialled,
    /// The driver may dial.
    Permitted,
    /// It is open.
    Open,
    /// It was told to close; the session ends with it.
    Leaving,
}

/// The token, as an onlooker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// There is none that may be used.
    None,
    /// A connection was dialled with it.
    Used,
    /// It has not been used.
    Fresh,
}

impl Witness {
    /// Makes an onlooker of a session that has not begun.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            not_before: Timestamp::ZERO,
            conn: Link::None,
            token: Seen::None,
            scheduled: None,
            online: false,
            stopped: false,
        }
    }

    /// Sees an event arrive at `now`, before anything is done about it.
    pub fn see_event(&mut self, policy: &Policy, before: &Machine, now: Timestamp, event: Event) {
        let over = matches!(before.phase(), Phase::Closing { .. } | Phase::Stopped(_));
        match event {
            Event::Closed { conn, .. } | Event::Refused { conn, .. }
                if conn == before.newest_conn() && !over =>
            {
                self.see_loss(policy, before, now, event);
            }
            Event::Closed { conn, .. } if conn == before.newest_conn() => self.conn = Link::None,
            Event::TokenFailed { token, retry_after, .. } if before.is_token_pending(token) => {
                self.raise(policy, now, retry_after);
            }
            Event::TokenReady { token, .. } if before.is_token_pending(token) => {
                self.token = Seen::Fresh;
            }
            Event::TokenOffered { .. } if !over => self.token = Seen::Fresh,
            Event::TokenRejected { token } if before.pending_token().is_none() => {
                if matches!(before.token(), Token::Held { token: held, .. } if held == token) {
                    self.token = Seen::None;
                }
            }
            Event::Reconnect { token: TokenUse::Regenerate }
                if !over && !matches!(before.phase(), Phase::Authorizing { .. }) =>
            {
                self.token = Seen::None;
            }
            Event::Throttled { within } if !over => self.raise(policy, now, Some(within)),
            Event::Dialing { conn }
                if conn == before.newest_conn() && self.conn == Link::Dialled =>
            {
                self.conn = Link::Permitted;
            }
            Event::Opened { conn } if conn == before.newest_conn() => {
                if matches!(self.conn, Link::Dialled | Link::Permitted) {
                    self.conn = Link::Open;
                    if policy.spec().token.single_use {
                        self.token = Seen::None;
                    }
                }
            }
            _ => {}
        }
    }

    /// Sees what is done. `after` is the phase that follows.
    pub fn see_actions(&mut self, actions: &[Action], after: &Phase) {
        for action in actions {
            match action {
                Action::Connect { .. } => {
                    self.conn = Link::Dialled;
                    if self.token != Seen::None {
                        self.token = Seen::Used;
                    }
                }
                Action::Close { .. } => {
                    let leaving = matches!(after, Phase::Closing { .. });
                    self.conn = if leaving { Link::Leaving } else { Link::None };
                }
                Action::RegenerateToken { .. } => self.token = Seen::None,
                Action::ScheduleRetry { at, .. } => self.scheduled = Some(*at),
                Action::Notify(Notice::Online { .. }) => self.online = true,
                Action::Notify(Notice::Offline { .. }) => self.online = false,
                Action::Notify(Notice::Stopped { .. }) => self.stopped = true,
                Action::RenewToken { .. } | Action::SendPing { .. } | Action::Notify(_) => {}
            }
        }
        if !matches!(after, Phase::Waiting { .. }) {
            self.scheduled = None;
        }
    }

    /// Returns the form that goes with [`Machine::canonical`] where it is `now`.
    #[must_use]
    pub fn canonical(mut self, now: Timestamp) -> Self {
        let at = |at: Timestamp| {
            let ahead = at.as_millis().saturating_sub(now.as_millis());
            Timestamp::from_millis(Machine::ORIGIN.as_millis() + ahead)
        };
        if self.stopped || self.conn == Link::Leaving {
            return Self { conn: self.conn, stopped: self.stopped, ..Self::new() }.rested();
        }
        self.not_before = at(self.not_before);
        self.scheduled = self.scheduled.map(at);
        self
    }

    const fn rested(mut self) -> Self {
        self.not_before = Machine::ORIGIN;
        self
    }

    fn see_loss(&mut self, policy: &Policy, before: &Machine, now: Timestamp, event: Event) {
        let (cause, retry_after) = match event {
            Event::Closed { cause, retry_after, .. } => (cause, retry_after),
            Event::Refused { code, retry_after, .. } => {
                (redial_core::Cause::Refused(code), retry_after)
            }
            _ => return,
        };
        if matches!(before.phase(), Phase::Idle) {
            return;
        }
        self.raise(policy, now, retry_after);
        if matches!(event, Event::Closed { .. }) {
            self.conn = Link::None;
        }
        let regenerate = matches!(
            policy.verdict(cause),
            Verdict::Retry(recovery) if recovery.token == TokenUse::Regenerate
        );
        if regenerate && (self.token == Seen::Used || self.online) {
            self.token = Seen::None;
        }
    }

    fn raise(&mut self, policy: &Policy, now: Timestamp, retry_after: Option<Span>) {
        if let Some(span) = retry_after {
            let span = span.min(policy.spec().retry_after_max);
            self.not_before = self.not_before.max(now + span);
        }
    }
}

impl Default for Witness {
    fn default() -> Self {
        Self::new()
    }
}
