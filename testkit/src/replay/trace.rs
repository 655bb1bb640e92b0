//! The form of a trace.

use std::io::{self, BufRead, Read as _, Write};

use redial_core::{Actions, Cx, Event, Machine, Policy, Recorded};
use serde::{Deserialize, Serialize};

use crate::scenario;
use crate::world::Origin;

/// The version that is written.
pub const VERSION: u32 = 2;

/// The longest line that is read, in bytes.
pub const MAX_LINE: usize = 64 * 1024;

/// What the first line says.
#[derive(Clone, Debug)]
pub struct Header {
    /// The version of the form.
    pub version: u32,
    /// The policy; none in version 1.
    pub policy: Option<Policy>,
    /// The machine that the recording began with. In version 1 it is always a new one.
    pub machine: Machine,
    /// The simulation, where the trace is that of a failure in one.
    pub world: Option<Box<Origin>>,
    /// The history, where the trace is that of a failure in one.
    pub history: Option<Box<scenario::Origin>>,
}

/// An entry.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The line that it stands in.
    pub line: u64,
    /// When it was, and the chance that it was given.
    pub cx: Cx,
    /// What happened.
    pub event: Event,
    /// What was to be done about it; not in version 1.
    pub actions: Option<Actions>,
}

/// Why a trace cannot be executed again. No text repeats what the file contains.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The file cannot be read.
    #[error("line {line}: cannot be read")]
    Read {
        /// The line.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// The first line is not that of a trace.
    #[error("line 1: not a trace of the flight recorder")]
    NotATrace,
    /// A later release has written it.
    #[error("line 1: written in version {version}, and this release reads up to {VERSION}")]
    Newer {
        /// Its version.
        version: u64,
    },
    /// The first line is not whole.
    #[error("line 1: cut off, so there is nothing to execute again")]
    Cut,
    /// A line is damaged.
    #[error("line {line}: {what}, at column {column}")]
    Corrupt {
        /// The line.
        line: u64,
        /// The place in it.
        column: usize,
        /// In which way.
        what: &'static str,
    },
    /// A line is longer than [`MAX_LINE`].
    #[error("line {line}: longer than {MAX_LINE} bytes")]
    TooLong {
        /// The line.
        line: u64,
    },
    /// It is of version 1, which holds no policy.
    #[error("line 1: version 1 holds no policy, so one must be named")]
    NoPolicy,
    /// It is not of a simulation.
    #[error("line 1: not of a simulation")]
    NoWorld,
    /// It is not of a history.
    #[error("line 1: not of a history")]
    NoHistory,
    /// A decision is not the recorded one.
    #[error("line {line}: {} was recorded, and is now {}", list(&.difference.0), list(&.difference.1))]
    Differs {
        /// The line.
        line: u64,
        /// What was recorded, and what is decided now.
        difference: Box<(Actions, Actions)>,
    },
    /// It has more steps than a test may have.
    #[error("line {line}: more steps than the {most} that a test may have")]
    TooManySteps {
        /// The line.
        line: u64,
        /// How many it may have.
        most: usize,
    },
}

/// Reads a trace, one line at a time.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    header: Header,
    line: u64,
    cut: bool,
    buf: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    ///
    /// Where that is not the first line of a trace, or of a later version.
    pub fn new(input: R) -> Result<Self, TraceError> {
        let machine = Machine::new();
        let header = Header { version: 0, policy: None, machine, world: None, history: None };
        let mut reader = Self { input, header, line: 0, cut: false, buf: Vec::new() };
        if !reader.next_line()? {
            return Err(TraceError::NotATrace);
        }
        let first = match serde_json::from_slice::<Begin>(&reader.buf) {
            Ok(first) => first,
            Err(error) if error.is_eof() && reader.is_unfinished() => return Err(TraceError::Cut),
            Err(_) => return Err(TraceError::NotATrace),
        };
        if first.redial_trace > u64::from(VERSION) {
            return Err(TraceError::Newer { version: first.redial_trace });
        }
        reader.header = match first.redial_trace {
            1 => Header { version: 1, ..reader.header },
            2 => {
                let second: Second = reader.parse("no policy and machine of this release")?;
                let Second { policy, machine, world, history, .. } = second;
                if world.as_ref().is_some_and(|world| world.plan.policy != policy) {
                    let what = "a simulation under another policy";
                    return Err(TraceError::Corrupt { line: 1, column: 1, what });
                }
                Header { version: VERSION, policy: Some(policy), machine, world, history }
            }
            _ => return Err(TraceError::NotATrace),
        };
        Ok(reader)
    }

    /// Returns what the first line says.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns whether the last line was not whole. Known at the end.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Reads the next entry; returns nothing at the end.
    ///
    /// # Errors
    ///
    /// Where the line is damaged.
    pub fn step(&mut self) -> Result<Option<Step>, TraceError> {
        if self.cut || !self.next_line()? {
            return Ok(None);
        }
        if self.is_unfinished() && self.is_prefix() {
            self.cut = true;
            return Ok(None);
        }
        let line = self.line;
        Ok(Some(match self.header.version {
            1 => {
                let Given { cx, event } = self.parse("not an entry of a trace")?;
                Step { line, cx, event, actions: None }
            }
            _ => {
                let Recorded { cx, event, actions } = self.parse("not an entry of a trace")?;
                Step { line, cx, event, actions: Some(actions) }
            }
        }))
    }

    /// Reads a line; returns whether there was one.
    fn next_line(&mut self) -> Result<bool, TraceError> {
        self.line += 1;
        self.buf.clear();
        let mut some = (&mut self.input).take(MAX_LINE as u64 + 1);
        let read = some.read_until(b'\n', &mut self.buf);
        read.map_err(|source| TraceError::Read { line: self.line, source })?;
        if self.buf.len() > MAX_LINE {
            return Err(TraceError::TooLong { line: self.line });
        }
        Ok(!self.buf.is_empty())
    }

    fn is_unfinished(&self) -> bool {
        self.buf.last() != Some(&b'\n')
    }

    fn is_prefix(&self) -> bool {
        let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(&self.buf);
        parsed.is_err_and(|error| error.is_eof())
    }

    fn parse<T: for<'a> Deserialize<'a>>(&self, what: &'static str) -> Result<T, TraceError> {
        serde_json::from_slice(&self.buf).map_err(|error| {
            let what = if error.is_data() { what } else { "not JSON" };
            TraceError::Corrupt { line: self.line, column: error.column(), what }
        })
    }
}

/// Writes a trace.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Writes the first line.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn new(out: W, policy: &Policy, machine: &Machine) -> io::Result<Self> {
        let (world, history) = (None, None);
        Self::begin(out, First { redial_trace: VERSION, policy, machine, world, history })
    }

    /// Writes the first line of a failure in a simulation.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn of_world(out: W, machine: &Machine, world: &Origin) -> io::Result<Self> {
        let (policy, world, history) = (&world.plan.policy, Some(world), None);
        Self::begin(out, First { redial_trace: VERSION, policy, machine, world, history })
    }

    /// Writes the first line of a failure in a history.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn of_history(
        out: W,
        policy: &Policy,
        machine: &Machine,
        history: &scenario::Origin,
    ) -> io::Result<Self> {
        let (world, history) = (None, Some(history));
        Self::begin(out, First { redial_trace: VERSION, policy, machine, world, history })
    }

    fn begin(out: W, first: First<'_>) -> io::Result<Self> {
        let mut writer = Self { out };
        writer.line(&first)?;
        Ok(writer)
    }

    /// Writes an entry.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn write(&mut self, recorded: &Recorded) -> io::Result<()> {
        self.line(recorded)
    }

    /// Hands on what is buffered.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value)?;
        self.out.write_all(b"\n")
    }
}

#[derive(Serialize)]
struct First<'a> {
    redial_trace: u32,
    policy: &'a Policy,
    machine: &'a Machine,
    #[serde(skip_serializing_if = "Option::is_none")]
    world: Option<&'a Origin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<&'a scenario::Origin>,
}

/// What every version begins with.
#[derive(Deserialize)]
struct Begin {
    redial_trace: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Second {
    #[serde(rename = "redial_trace")]
    _version: u64,
    policy: Policy,
    machine: Machine,
    #[serde(default)]
    world: Option<Box<Origin>>,
    #[serde(default)]
    history: Option<Box<scenario::Origin>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    cx: Cx,
    event: Event,
}

fn list(actions: &Actions) -> String {
    if actions.is_empty() { "nothing".to_owned() } else { format!("{actions:?}") }
}
