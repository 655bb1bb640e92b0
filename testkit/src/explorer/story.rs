//! How a session came to where it is.

use core::fmt;

use redial_core::{Action, ConnId, Cx, Event, Machine, Phase, Policy, Timestamp, TokenId};

use super::{Alphabet, Subject};

/// The shortest way to a state or to a step, told event by event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    lines: Vec<Line>,
}

/// One event of a story and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it happened, in milliseconds; a story begins at 1.
    pub at: u64,
    /// What happened.
    pub event: Event,
    /// What was done about it.
    pub actions: Vec<Action>,
    /// The name of the phase that followed.
    pub phase: &'static str,
}

impl Line {
    pub(super) fn new(at: Timestamp, event: Event, actions: &[Action], phase: &Phase) -> Self {
        let at = at.as_millis();
        Self { at, event, actions: actions.to_vec(), phase: phase.name() }
    }
}

impl Story {
    /// Returns the events in their order.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn push(&mut self, line: Line) {
        self.lines.push(line);
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { at, event, actions, phase } in &self.lines {
            writeln!(f, "    {at:>5} ms  {event:?}")?;
            for action in actions {
                writeln!(f, "              → {action:?}")?;
            }
            writeln!(f, "              = {phase}")?;
        }
        Ok(())
    }
}

/// Where a state was met first: the state before, the event, and its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    parent: u32,
    event: u16,
    moment: u16,
}

impl Origin {
    /// The start with this number.
    pub(super) fn start(number: usize) -> Self {
        let event = u16::try_from(number).expect("fewer starts than numbers");
        Self { parent: NOWHERE, event, moment: 0 }
    }

    pub(super) fn new(parent: usize, event: usize, moment: usize) -> Self {
        Self {
            parent: u32::try_from(parent).expect("fewer states than numbers"),
            event: u16::try_from(event).expect("fewer events than numbers"),
            moment: u16::try_from(moment).expect("fewer moments than numbers"),
        }
    }
}

/// What a story is told from.
pub(super) struct Trail<'a, S> {
    pub(super) policy: &'a Policy,
    pub(super) starts: &'a [S],
    pub(super) alphabet: &'a Alphabet,
    pub(super) origins: &'a [Origin],
}

impl<S: Subject> Trail<'_, S> {
    /// Tells how a state was reached.
    pub(super) fn to(&self, node: u32) -> Story {
        self.story(self.origins[node as usize])
    }

    /// Tells how a step was reached, and the step.
    ///
    /// The exploration knows canonical states only; the story goes the same way once more, with
    /// the time and the names that a real session has.
    pub(super) fn story(&self, last: Origin) -> Story {
        let mut way = vec![last];
        while let Some(origin) = way.last().filter(|origin| origin.parent != NOWHERE) {
            way.push(self.origins[origin.parent as usize]);
        }
        let first = way.last().map_or(0, |origin| usize::from(origin.event));
        let (mut subject, mut now) = (self.starts[first], 1_u64);
        let mut story = Story::default();
        for origin in way.iter().rev().skip(1) {
            let canonical = subject.canonical(self.policy);
            let event = self.alphabet.events()[usize::from(origin.event)];
            let moment = self
                .alphabet
                .moments(event, canonical.poll_timeout())
                .nth(usize::from(origin.moment))
                .expect("the same state has the same moments");
            let ahead =
                i128::from(moment.cx.now.as_millis()) - i128::from(Machine::ORIGIN.as_millis());
            let at = u64::try_from(i128::from(now) + ahead).unwrap_or(0);
            let event = renamed(event, &subject.machine());
            let cx = Cx::new(Timestamp::from_millis(at), moment.cx.entropy);
            let output = subject.handle(self.policy, cx, event);
            story.push(Line::new(cx.now, event, &output, subject.machine().phase()));
            now = now.max(at);
        }
        story
    }
}

/// The parent of a start.
const NOWHERE: u32 = u32::MAX;

/// Returns the event of a canonical session with the names that `machine` has given.
fn renamed(event: Event, machine: &Machine) -> Event {
    let conn = |conn: ConnId| {
        ConnId::new(machine.newest_conn().get().wrapping_add(conn.get()).wrapping_sub(1))
    };
    let token = |token: TokenId| {
        TokenId::new(machine.newest_token().get().wrapping_add(token.get()).wrapping_sub(2))
    };
    let token = |name: TokenId| match (name.get(), machine.token()) {
        // In a canonical session 1 is the one that is held, however old it is.
        (1, redial_core::Token::Held { token: held, .. }) if held != machine.newest_token() => held,
        _ => token(name),
    };
    match event {
        Event::TokenReady { token: name, expires_in, resumable } => {
            Event::TokenReady { token: token(name), expires_in, resumable }
        }
        Event::TokenFailed { token: name, cause, retry_after } => {
            Event::TokenFailed { token: token(name), cause, retry_after }
        }
        Event::TokenRejected { token: name } => Event::TokenRejected { token: token(name) },
        Event::Dialing { conn: name } => Event::Dialing { conn: conn(name) },
        Event::Opened { conn: name } => Event::Opened { conn: conn(name) },
        Event::Announced { conn: name, terms } => Event::Announced { conn: conn(name), terms },
        Event::Ready { conn: name, continuity } => Event::Ready { conn: conn(name), continuity },
        Event::Ack { conn: name, evidence } => Event::Ack { conn: conn(name), evidence },
        Event::Refused { conn: name, code, retry_after } => {
            Event::Refused { conn: conn(name), code, retry_after }
        }
        Event::Closed { conn: name, cause, retry_after } => {
            Event::Closed { conn: conn(name), cause, retry_after }
        }
        Event::Connect
        | Event::Recover
        | Event::Reconnect { .. }
        | Event::NetworkChanged
        | Event::Renew
        | Event::Shutdown
        | Event::TokenOffered { .. }
        | Event::Tick
        | Event::Throttled { .. } => event,
    }
}
