//! Traces of the flight recorder: written, read, executed again and explained.
//!
//! A trace is a text of JSON lines. The first one has the version, the policy and the machine that
//! the recording began with; each of the others has what the machine was given (`cx`, `event`) and
//! what it asked for (`actions`). Since a machine is a pure function, that is enough to execute the
//! session again and to see whether every decision is the same, bit for bit.
//!
//! ```
//! use redial_core::{Cx, Event, Machine, Policy, PolicySpec, Recorded, Timestamp};
//! use redial_testkit::replay::{self, Writer};
//!
//! const POLICY: Policy = Policy::new(PolicySpec::DEFAULT);
//! let mut machine = Machine::new();
//! let mut trace = Vec::new();
//! let mut writer = Writer::new(&mut trace, &POLICY, &machine)?;
//! let (cx, event) = (Cx::new(Timestamp::from_millis(5), 0), Event::Connect);
//! let actions = machine.handle(&POLICY, cx, event);
//! writer.write(&Recorded { cx, event, actions })?;
//!
//! let verified = replay::verify(trace.as_slice())?;
//! assert_eq!((verified.steps, verified.machine), (1, machine));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Reading holds one line at a time, of at most [`MAX_LINE`] bytes, whatever the length of the
//! trace, and nothing that a file contains makes it panic. What a process did not finish writing
//! before it was killed, the last line, is left out, and [`Replay::is_cut`] says so.

mod ahead;
mod code;
mod explain;
mod test;
mod trace;
mod wait;
mod words;

use std::io::BufRead;

use redial_core::{Actions, Cx, Event, Machine, Policy};

pub use explain::{Explanation, explain, explain_as};
pub use test::to_test;
pub use trace::{Header, MAX_LINE, Reader, Step, TraceError, VERSION, Writer};
pub use wait::Wait;
pub use words::Names;

/// Executes a trace again, step by step.
#[derive(Debug)]
pub struct Replay<R> {
    reader: Reader<R>,
    policy: Policy,
    machine: Machine,
    steps: u64,
}

/// One step, executed again.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// The line of the trace that it stands in.
    pub line: u64,
    /// The machine before it.
    pub before: Machine,
    /// What the machine was given.
    pub cx: Cx,
    /// What happened.
    pub event: Event,
    /// What was to be done about it.
    pub actions: Actions,
    /// The machine after it.
    pub after: Machine,
}

/// What a trace comes to that is the same when it is executed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many steps it has.
    pub steps: u64,
    /// The machine at its end.
    pub machine: Machine,
    /// Whether its last line is not whole.
    pub cut: bool,
}

/// Executes a whole trace again.
///
/// # Errors
///
/// Where it cannot be read, and where a decision is not the recorded one.
pub fn verify(trace: impl BufRead) -> Result<Verified, TraceError> {
    let mut replay = Replay::new(trace)?;
    while replay.turn()?.is_some() {}
    Ok(Verified { steps: replay.steps, machine: replay.machine, cut: replay.is_cut() })
}

impl<R: BufRead> Replay<R> {
    /// Begins to execute a trace again, under the policy that it was recorded with.
    ///
    /// # Errors
    ///
    /// Where its first line cannot be read. A trace of version 1 has no policy, and needs
    /// [`Replay::under`].
    pub fn new(trace: R) -> Result<Self, TraceError> {
        let reader = Reader::new(trace)?;
        let policy = reader.header().policy.ok_or(TraceError::NoPolicy)?;
        Ok(Self::begin(reader, policy))
    }

    /// Begins to execute a trace again. `policy` is taken only where the trace has none itself.
    ///
    /// # Errors
    ///
    /// Where its first line cannot be read.
    pub fn under(trace: R, policy: Policy) -> Result<Self, TraceError> {
        let reader = Reader::new(trace)?;
        let policy = reader.header().policy.unwrap_or(policy);
        Ok(Self::begin(reader, policy))
    }

    fn begin(reader: Reader<R>, policy: Policy) -> Self {
        let machine = reader.header().machine;
        Self { reader, policy, machine, steps: 0 }
    }

    /// Executes the next step; returns nothing at the end.
    ///
    /// # Errors
    ///
    /// Where the line cannot be read, and where the decision is not the recorded one.
    pub fn turn(&mut self) -> Result<Option<Turn>, TraceError> {
        let Some(step) = self.reader.step()? else { return Ok(None) };
        let Step { line, cx, event, actions: recorded } = step;
        let before = self.machine;
        let actions = self.machine.handle(&self.policy, cx, event);
        if let Some(recorded) = recorded
            && recorded != actions
        {
            let difference = Box::new((recorded, actions));
            return Err(TraceError::Differs { line, difference });
        }
        self.steps += 1;
        Ok(Some(Turn { line, before, cx, event, actions, after: self.machine }))
    }

    /// Returns what the first line says.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// Returns the policy that decides.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns the machine as it is after the steps so far.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Returns how many steps have been executed.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Returns whether the last line was not whole and has been left out. Known at the end.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.reader.is_cut()
    }
}
