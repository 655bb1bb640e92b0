//! What can be explored.

use core::fmt;
use core::hash::Hash;
use core::ops::Deref;

use redial_core::{Action, Actions, Cause, ConnId, Cx, Event, Machine, Policy, Timestamp};

/// Something that behaves as a [`Machine`] should.
///
/// The machine itself is one; a machine with a planted fault is another, and shows that the
/// invariants find it.
pub trait Subject: Copy + Eq + Hash + fmt::Debug {
    /// Takes an event and returns what must be done about it.
    fn handle(&mut self, policy: &Policy, cx: Cx, event: Event) -> Output;

    /// Returns the instant at which a tick is due.
    fn poll_timeout(&self) -> Option<Timestamp>;

    /// Returns the form in which all subjects that behave alike are equal.
    #[must_use]
    fn canonical(self, policy: &Policy) -> Self;

    /// Returns what it shows of itself.
    fn machine(&self) -> Machine;
}

impl Subject for Machine {
    fn handle(&mut self, policy: &Policy, cx: Cx, event: Event) -> Output {
        Self::handle(self, policy, cx, event).into()
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        Self::poll_timeout(self)
    }

    fn canonical(self, policy: &Policy) -> Self {
        Self::canonical(self, policy)
    }

    fn machine(&self) -> Machine {
        *self
    }
}

/// The actions of one event, as the explorer sees them: a fault may add to them and take from
/// them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Output {
    actions: [Action; Output::CAPACITY],
    len: usize,
}

impl Output {
    /// More than a machine may ever return, so that one that returns too many is seen.
    pub const CAPACITY: usize = 2 * Actions::CAPACITY;

    /// Makes an empty output.
    #[must_use]
    pub const fn new() -> Self {
        let filler = Action::ScheduleRetry {
            at: Timestamp::ZERO,
            attempt: 0,
            token: redial_core::TokenUse::Keep,
            cause: Cause::Held,
            not_before: None,
        };
        Self { actions: [filler; Self::CAPACITY], len: 0 }
    }

    /// Adds an action; past the capacity it is lost.
    pub fn push(&mut self, action: Action) {
        if let Some(place) = self.actions.get_mut(self.len) {
            *place = action;
            self.len += 1;
        }
    }

    /// Keeps the actions that `keep` likes.
    pub fn retain(&mut self, keep: impl Fn(&Action) -> bool) {
        let all = *self;
        *self = all.iter().filter(|action| keep(action)).copied().collect();
    }

    /// Returns the connection that one of the actions dials.
    #[must_use]
    pub fn dialled(&self) -> Option<ConnId> {
        self.iter().find_map(|action| match action {
            Action::Connect { conn, .. } => Some(*conn),
            _ => None,
        })
    }
}

impl Default for Output {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Output {
    type Target = [Action];

    fn deref(&self) -> &[Action] {
        &self.actions[..self.len]
    }
}

impl FromIterator<Action> for Output {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        let mut output = Self::new();
        actions.into_iter().for_each(|action| output.push(action));
        output
    }
}

impl From<Actions> for Output {
    fn from(actions: Actions) -> Self {
        actions.as_slice().iter().copied().collect()
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
