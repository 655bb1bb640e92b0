//! Failures as files that can be run again.
//!
//! A replay file has the form of the flight recorder: a line `{"redial_trace":1,…}`, then a line
//! `{"cx":…,"event":…}` for each event. Its first line also holds the plan of the simulation, its
//! seed among it, and what broke. It holds numbers only.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use redial_core::{Cx, Event};
use serde::{Deserialize, Serialize};

use crate::explorer::Subject;
use crate::scenario::{self, Failed};
use crate::watch::Breach;
use crate::world::{Plan, Tally, WorldFailed};

/// A failure that was read from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// The simulation.
    pub plan: Plan,
    /// The session that failed.
    pub session: usize,
    /// When, in milliseconds since the beginning.
    pub at: u64,
    /// The name of what did not hold.
    pub invariant: String,
    /// Every event of the session.
    pub trace: Vec<(Cx, Event)>,
}

/// Why a file is no replay file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// It cannot be read.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
    /// A line is not what it should be.
    #[error("line {line} is not what it should be")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// A later release has written it.
    #[error("the file has version {0}, and this release reads version 1")]
    Version(u64),
}

#[derive(Serialize, Deserialize)]
struct Header {
    redial_trace: u64,
    world: World,
}

#[derive(Serialize, Deserialize)]
struct World {
    plan: Plan,
    session: usize,
    at: u64,
    invariant: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    cx: Cx,
    event: Event,
}

impl WorldFailed {
    /// Returns the text of the replay file.
    ///
    /// # Panics
    ///
    /// Never: numbers can be written.
    #[must_use]
    pub fn to_trace(&self) -> String {
        let world = World {
            plan: self.plan,
            session: self.session,
            at: self.at,
            invariant: self.breach.invariant.to_owned(),
        };
        let mut text = String::new();
        let written = "numbers can be written";
        let header = serde_json::to_string(&Header { redial_trace: VERSION, world });
        writeln!(text, "{}", header.expect(written)).expect(written);
        for (cx, event) in &self.trace {
            let line = serde_json::to_string(&Line { cx: *cx, event: *event });
            writeln!(text, "{}", line.expect(written)).expect(written);
        }
        text
    }

    /// Writes the replay file into a folder and returns its path, which names the seed.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub fn save(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let name = format!("seed-{}-{}.jsonl", self.plan.seed, self.breach.invariant);
        let path = folder.join(name);
        fs::write(&path, self.to_trace())?;
        Ok(path)
    }
}

impl Replay {
    /// Reads a replay file.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, is damaged, or is from a later release.
    pub fn load(path: &Path) -> Result<Self, TraceError> {
        Self::parse(&fs::read_to_string(path)?)
    }

    /// Reads the text of a replay file.
    ///
    /// # Errors
    ///
    /// Where it is damaged or from a later release.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        #[derive(Deserialize)]
        struct Versioned {
            redial_trace: u64,
        }
        let mut lines = text.lines().enumerate();
        let at = |line: usize| move |source| TraceError::Line { line: line + 1, source };
        let (_, first) = lines.next().unwrap_or((0, ""));
        let Versioned { redial_trace } = serde_json::from_str(first).map_err(at(0))?;
        if redial_trace != VERSION {
            return Err(TraceError::Version(redial_trace));
        }
        let Header { world, .. } = serde_json::from_str(first).map_err(at(0))?;
        let mut trace = Vec::new();
        for (number, line) in lines {
            let Line { cx, event } = serde_json::from_str(line).map_err(at(number))?;
            trace.push((cx, event));
        }
        let World { plan, session, at, invariant } = world;
        Ok(Self { plan, session, at, invariant, trace })
    }

    /// Feeds the events to a subject that has not begun.
    ///
    /// # Errors
    ///
    /// Names what did not hold. What only the whole simulation can break, such as the account of
    /// messages, is not seen here but by [`Replay::simulate`].
    pub fn feed<S: Subject>(&self, subject: S) -> Result<(), Box<Failed>> {
        scenario::replay(&self.plan.policy, subject, &self.trace)
    }

    /// Runs the whole simulation again.
    ///
    /// # Errors
    ///
    /// Names the first thing that did not hold.
    pub fn simulate<S: Subject>(&self, subject: impl Fn() -> S) -> Result<Tally, Box<WorldFailed>> {
        self.plan.run_with(subject)
    }

    /// Returns whether this is the failure that the file tells of.
    #[must_use]
    pub fn is_of(&self, breach: &Breach) -> bool {
        self.invariant == breach.invariant
    }
}

const VERSION: u64 = 1;
