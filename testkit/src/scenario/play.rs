//! Histories come true.

use std::fmt;

use redial_core::{
    Action, Cause, Continuity, Cx, Event, Machine, Notice, Policy, StopReason, SuspendReason,
    Timestamp, TokenUse,
};

use super::case::Origin;
use super::history::{History, Move, Pause};
use crate::explorer::Subject;
use crate::watch::{Breach, Watched};

/// What a history came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// Every event and its moment, in the form of the flight recorder.
    pub trace: Vec<(Cx, Event)>,
    /// What was reached.
    pub reach: Reach,
}

/// A history in which something that must hold did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What did not hold; the last event of the trace broke it.
    pub breach: Breach,
    /// Every event and its moment, up to that one.
    pub trace: Vec<(Cx, Event)>,
    /// The rules.
    pub policy: Policy,
    /// The history, where it is one that was played.
    pub origin: Option<Origin>,
}

/// What a history may reach. [`Reach::NAMES`] names them in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach(u32);

impl History {
    /// Plays the history with a machine, under the eyes of [`Watched`].
    ///
    /// # Errors
    ///
    /// Names the first thing that did not hold, with the trace that led to it.
    pub fn play(&self) -> Result<Played, Box<Failed>> {
        self.play_with(Machine::new())
    }

    /// Plays the history with a subject that has not begun, under the eyes of [`Watched`].
    ///
    /// # Errors
    ///
    /// Names the first thing that did not hold, with the trace that led to it.
    pub fn play_with<S: Subject>(&self, subject: S) -> Result<Played, Box<Failed>> {
        let mut player = Player {
            watched: Watched::new(&self.policy, subject),
            now: BEGINNING,
            trace: Vec::new(),
            reach: Reach::default(),
        };
        let played = self.moves.iter().try_for_each(|step| player.make(step));
        match played {
            Ok(()) => Ok(Played { trace: player.trace, reach: player.reach }),
            Err(breach) => {
                let (policy, origin) = (self.policy, Some(Origin::of(self, &breach)));
                Err(Box::new(Failed { breach, trace: player.trace, policy, origin }))
            }
        }
    }
}

/// Feeds a recorded trace to a subject that has not begun.
///
/// # Errors
///
/// Names the first thing that did not hold, with the trace up to it.
pub fn replay<S: Subject>(
    policy: &Policy,
    subject: S,
    trace: &[(Cx, Event)],
) -> Result<(), Box<Failed>> {
    let mut watched = Watched::new(policy, subject);
    for (number, (cx, event)) in trace.iter().enumerate() {
        if let Err(breach) = watched.handle(*cx, *event) {
            let trace = trace[..=number].to_vec();
            return Err(Box::new(Failed { breach, trace, policy: *policy, origin: None }));
        }
    }
    Ok(())
}

impl Reach {
    /// What can be reached.
    pub const NAMES: [&'static str; 12] = [
        "online",
        "regained",
        "retry keeping the token",
        "retry with a new token",
        "suspended by the policy",
        "attempts spent",
        "stopped by the policy",
        "tokens rejected too often",
        "stopped by the application",
        "resumed",
        "renewed",
        "wait moved",
    ];

    /// Returns whether this was reached.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        let place = Self::NAMES.iter().position(|known| *known == name);
        place.is_some_and(|place| self.0 & (1 << place) != 0)
    }

    fn see(&mut self, action: &Action) {
        let place = match action {
            Action::Notify(Notice::Online { continuity: Continuity::Resumed, .. }) => {
                self.set(9);
                self.come_online();
                return;
            }
            Action::Notify(Notice::Online { .. }) => return self.come_online(),
            Action::Notify(Notice::Suspended { reason: SuspendReason::Policy(_) }) => 4,
            Action::Notify(Notice::Suspended { .. }) => 5,
            Action::Notify(Notice::Stopped { reason }) => match reason {
                StopReason::Policy(_) => 6,
                StopReason::TokenRejected(_) => 7,
                StopReason::Requested => 8,
            },
            Action::RenewToken { .. } => 10,
            Action::ScheduleRetry { cause: Cause::Held, .. } => 11,
            Action::ScheduleRetry { token: TokenUse::Keep, .. } => 2,
            Action::ScheduleRetry { token: TokenUse::Regenerate, .. } => 3,
            _ => return,
        };
        self.set(place);
    }

    fn come_online(&mut self) {
        self.set(if self.0 & 1 == 0 { 0 } else { 1 });
    }

    fn set(&mut self, place: u32) {
        self.0 |= 1 << place;
    }
}

/// How many histories reach what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    histories: usize,
    events: usize,
    counts: [usize; Reach::NAMES.len()],
}

impl Distribution {
    /// Plays the histories of these seeds with a machine and counts what they reach.
    ///
    /// # Errors
    ///
    /// Hands on the first seed whose history fails.
    pub fn of_seeds(seeds: impl IntoIterator<Item = u64>) -> Result<Self, (u64, Box<Failed>)> {
        let mut all = Self::default();
        for seed in seeds {
            all.count(&History::of_seed(seed).play().map_err(|failed| (seed, failed))?);
        }
        Ok(all)
    }

    /// Counts a history.
    pub fn count(&mut self, played: &Played) {
        self.histories += 1;
        self.events += played.trace.len();
        for (count, name) in self.counts.iter_mut().zip(Reach::NAMES) {
            *count += usize::from(played.reach.has(name));
        }
    }

    /// Returns how many of a hundred histories reach this.
    #[must_use]
    pub fn percent(&self, name: &str) -> usize {
        let place = Reach::NAMES.iter().position(|known| *known == name);
        place.map_or(0, |place| self.counts[place] * 100 / self.histories.max(1))
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} histories, {} events", self.histories, self.events)?;
        for name in Reach::NAMES {
            writeln!(f, "{:>4} % {name}", self.percent(name))?;
        }
        Ok(())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => writeln!(f, "{origin} breaks {}", self.breach)?,
            None => writeln!(f, "{}", self.breach)?,
        }
        for (cx, event) in &self.trace {
            writeln!(f, "    {:>8} ms  {event:?}", cx.now.as_millis().saturating_sub(BEGINNING))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failed {}

struct Player<S> {
    watched: Watched<S>,
    now: u64,
    trace: Vec<(Cx, Event)>,
    reach: Reach,
}

impl<S: Subject> Player<S> {
    fn make(&mut self, step: &Move) -> Result<(), Breach> {
        match step.pause {
            Pause::None => {}
            Pause::Jump(span) => self.now += u64::from(span.as_millis()),
            Pause::Back(span) => {
                self.now = self.now.saturating_sub(u64::from(span.as_millis())).max(BEGINNING);
            }
            Pause::Pass(span) => {
                let until = self.now + u64::from(span.as_millis());
                // A keepalive of a few milliseconds must not make a history endless.
                for _ in 0..8 {
                    let Some(due) = self.due().filter(|due| *due <= until) else { break };
                    self.now = due;
                    self.tell(step.entropy, Event::Tick)?;
                }
                self.now = until;
            }
        }
        let machine = self.watched.machine();
        if step.is_patient(&machine) {
            self.now = self.due().unwrap_or(self.now);
        }
        self.tell(step.entropy, step.event(&machine))
    }

    fn due(&self) -> Option<u64> {
        self.watched.poll_timeout().map(|due| due.as_millis().max(self.now))
    }

    fn tell(&mut self, entropy: u64, event: Event) -> Result<(), Breach> {
        let cx = Cx::new(Timestamp::from_millis(self.now), entropy);
        self.trace.push((cx, event));
        let output = self.watched.handle(cx, event)?;
        output.iter().for_each(|action| self.reach.see(action));
        Ok(())
    }
}

/// When histories begin.
const BEGINNING: u64 = 1_700_000_000_000;
