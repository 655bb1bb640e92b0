//! Failures as traces, and what can be done with one.
//!
//! What fails becomes a trace of the [flight recorder](crate::replay), so that everything that
//! reads traces reads it: the session that failed, from its beginning to the event that broke a
//! law. Its first line also says where it comes from.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use redial_core::{Cx, Event, Machine};
use serde::{Deserialize, Serialize};

use super::{Plan, Tally, WorldFailed};
use crate::explorer::Subject;
use crate::replay::{Reader, TraceError, Writer};
use crate::scenario::{self, Failed};
use crate::watch::Breach;

/// Where the trace of a failure comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The simulation.
    pub plan: Plan,
    /// The session that failed.
    pub session: usize,
    /// When, in milliseconds since the beginning.
    pub at: u64,
    /// The name of what did not hold.
    pub invariant: String,
}

/// A failure that was read from its trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Where it comes from.
    pub origin: Origin,
    /// Every event of the session's last process.
    pub trace: Vec<(Cx, Event)>,
}

impl WorldFailed {
    /// Returns where its trace comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let invariant = self.breach.invariant.to_owned();
        Origin { plan: self.plan, session: self.session, at: self.at, invariant }
    }

    /// Writes its trace.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut writer = Writer::of_world(out, &Machine::new(), &self.origin())?;
        self.trace.iter().try_for_each(|recorded| writer.write(recorded))?;
        writer.flush()
    }

    /// Writes its trace into a folder and returns the path, which names the seed.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub fn save(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("seed-{}-{}.trace", self.plan.seed, self.breach.invariant));
        self.write(BufWriter::new(File::create(&path)?))?;
        Ok(path)
    }
}

impl Case {
    /// Reads a failure from a file.
    ///
    /// # Errors
    ///
    /// As [`Case::read`], and where there is no such file.
    pub fn load(path: &Path) -> Result<Self, TraceError> {
        let file = File::open(path).map_err(|source| TraceError::Read { line: 1, source })?;
        Self::read(BufReader::new(file))
    }

    /// Reads a failure. What was decided then is not compared: a machine that is mended decides
    /// something else.
    ///
    /// # Errors
    ///
    /// Where the trace cannot be read, and where it is not of a simulation.
    pub fn read(trace: impl BufRead) -> Result<Self, TraceError> {
        let mut reader = Reader::new(trace)?;
        let origin = reader.header().world.clone().ok_or(TraceError::NoWorld)?;
        let mut trace = Vec::new();
        while let Some(step) = reader.step()? {
            trace.push((step.cx, step.event));
        }
        // The last event is the one that matters.
        if reader.is_cut() {
            let line = trace.len() as u64 + 2;
            return Err(TraceError::Corrupt { line, column: 0, what: "cut off" });
        }
        Ok(Self { origin: *origin, trace })
    }

    /// Feeds the events to a subject that has not begun.
    ///
    /// # Errors
    ///
    /// Names what did not hold. What only the whole simulation can break, such as the account of
    /// messages, is not seen here but by [`Case::simulate`].
    pub fn feed<S: Subject>(&self, subject: S) -> Result<(), Box<Failed>> {
        scenario::replay(&self.origin.plan.policy, subject, &self.trace)
    }

    /// Runs the whole simulation again, which takes as long as its plan says.
    ///
    /// # Errors
    ///
    /// Names the first thing that did not hold.
    pub fn simulate<S: Subject>(&self, subject: impl Fn() -> S) -> Result<Tally, Box<WorldFailed>> {
        self.origin.plan.run_with(subject)
    }

    /// Returns whether this is the failure that the trace tells of.
    #[must_use]
    pub fn is_of(&self, breach: &Breach) -> bool {
        self.origin.invariant == breach.invariant
    }
}
