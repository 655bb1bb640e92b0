//! Histories that failed as traces, and histories read back from them.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use redial_core::{Machine, Recorded};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::history::History;
use super::play::Failed;
use crate::replay::{Reader, TraceError, Writer};
use crate::watch::Breach;

/// The history that a trace is of. With the policy of the trace it is the whole history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The seed, where it was made of one.
    pub seed: Option<u64>,
    /// What the moves were read from; in hexadecimal digits where it is written.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub bytes: Bytes,
    /// The name of what did not hold.
    pub invariant: String,
}

impl Origin {
    pub(super) fn of(history: &History, breach: &Breach) -> Self {
        let (seed, bytes) = (history.seed, history.bytes.clone());
        Self { seed, bytes, invariant: breach.invariant.to_owned() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seed {
            Some(seed) => write!(f, "seed {seed}"),
            None => write!(f, "bytes {:x}", self.bytes),
        }
    }
}

impl Failed {
    /// Writes its events as a trace of the [flight recorder](crate::replay), with what a machine
    /// of this release decides about each: what fails in a machine is what it decided.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut machine = Machine::new();
        let mut writer = match &self.origin {
            Some(origin) => Writer::of_history(out, &self.policy, &machine, origin)?,
            None => Writer::new(out, &self.policy, &machine)?,
        };
        for &(cx, event) in &self.trace {
            let actions = machine.handle(&self.policy, cx, event);
            writer.write(&Recorded { cx, event, actions })?;
        }
        writer.flush()
    }

    /// Writes its trace into a folder and returns the path.
    ///
    /// The name has the seed, where there is one, and what did not hold. A history that was read
    /// from bytes has none, and the next one that breaks the same takes its place: what remains of
    /// a property test that shrinks is the shortest.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub fn save(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let invariant = self.breach.invariant;
        let path = folder.join(match self.origin.as_ref().and_then(|origin| origin.seed) {
            Some(seed) => format!("history-seed-{seed}-{invariant}.trace"),
            None => format!("history-{invariant}.trace"),
        });
        self.write(BufWriter::new(File::create(&path)?))?;
        Ok(path)
    }
}

impl History {
    /// Reads the history of a failure from a file.
    ///
    /// # Errors
    ///
    /// As [`History::read`], and where there is no such file.
    pub fn load(path: &Path) -> Result<Self, TraceError> {
        let file = File::open(path).map_err(|source| TraceError::Read { line: 1, source })?;
        Self::read(BufReader::new(file))
    }

    /// Reads the history of a failure, to be played again. What was decided then is not compared.
    ///
    /// # Errors
    ///
    /// Where the first line cannot be read, and where it is not that of a history.
    pub fn read(trace: impl BufRead) -> Result<Self, TraceError> {
        let reader = Reader::new(trace)?;
        let header = reader.header();
        let policy = header.policy.ok_or(TraceError::NoPolicy)?;
        let origin = header.history.as_deref().ok_or(TraceError::NoHistory)?;
        Ok(Self { seed: origin.seed, ..Self::under(&policy, &origin.bytes) })
    }
}

fn to_hex<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{bytes:x}"))
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    let bytes: Option<Vec<u8>> = pairs.collect();
    bytes.map(Bytes::from).ok_or_else(|| D::Error::custom("not hexadecimal digits"))
}
