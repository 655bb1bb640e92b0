//! What is printed.

mod queue;

use std::fmt;
use std::io::Write as _;
use std::time::Instant;

use serde_json::{Map, Value};

pub(crate) use queue::{flush, hurry, room, say};

/// Why a command failed. The text holds no secret.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1 }
    }

    /// What was typed cannot be meant.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 2 }
    }

    /// Returns the exit status.
    pub(crate) const fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Prints lines with a kind and a time: as JSON, or for people.
#[derive(Clone)]
pub(crate) struct Lines {
    json: bool,
    start: Instant,
    /// Which session of several they are about.
    session: Option<String>,
}

impl Lines {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, start: Instant::now(), session: None }
    }

    /// Prints lines about one session of several, with the same clock.
    pub(crate) fn of_session(&self, name: &str) -> Self {
        Self { session: Some(name.to_owned()), ..self.clone() }
    }

    /// Returns the milliseconds since the start.
    pub(crate) fn t_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Prints a line. Where nobody reads any more, the line is lost.
    pub(crate) fn line(&self, kind: &str, fields: Value) {
        self.line_at(self.t_ms(), kind, fields);
    }

    /// Prints a line that has its time and its kind already.
    pub(crate) fn record(&self, record: Value) {
        let Value::Object(mut fields) = record else { return };
        let t_ms = fields.remove("t_ms").and_then(|t_ms| t_ms.as_u64()).unwrap_or(0);
        let kind = fields.remove("kind");
        let kind = kind.as_ref().and_then(Value::as_str).unwrap_or_default();
        self.line_at(t_ms, kind, Value::Object(fields));
    }

    /// Prints a line about this moment.
    pub(crate) fn line_at(&self, t_ms: u64, kind: &str, fields: Value) {
        let text = if self.json {
            let mut line = Map::new();
            line.insert("t_ms".into(), t_ms.into());
            line.insert("kind".into(), kind.into());
            if let Some(session) = &self.session {
                line.insert("session".into(), session.as_str().into());
            }
            if let Value::Object(fields) = fields {
                line.extend(fields);
            }
            Value::Object(line).to_string()
        } else {
            let seconds = t_ms as f64 / 1000.0;
            let session = match &self.session {
                Some(session) => format!("{:<16} ", visible(session)),
                None => String::new(),
            };
            format!("{seconds:9.3}  {session}{kind:<16} {}", Plain(&fields))
        };
        say(text);
    }
}

/// Prints a complaint on stderr.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "redial: {text}");
}

/// The fields of a line, for people.
struct Plain<'a>(&'a Value);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Value::Object(fields) = self.0 else { return self.0.fmt(f) };
        let shown = fields.iter().filter(|(_, value)| !value.is_null());
        for (index, (key, value)) in shown.enumerate() {
            if index > 0 {
                f.write_str("  ")?;
            }
            match value {
                Value::String(text) => write!(f, "{key}={}", visible(text))?,
                value => write!(f, "{key}={}", visible(&value.to_string()))?,
            }
        }
        Ok(())
    }
}

/// Keeps what a peer wrote from driving the terminal.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
