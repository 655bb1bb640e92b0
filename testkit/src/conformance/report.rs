//! What the suite found.

use core::fmt;

use bytes::Bytes;
use redial_core::Cx;

use super::act::Act;
use super::rig::START;

/// What the suite has shown of an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub(super) name: String,
    pub(super) holds: Vec<(&'static str, String)>,
}

impl Proof {
    /// Returns the checks that hold, each with what was tried.
    pub fn checks(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.holds.iter().map(|(name, what)| (*name, what.as_str()))
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} checks hold", self.name, self.holds.len())?;
        for (name, what) in &self.holds {
            writeln!(f, "  {name:<34} {what}")?;
        }
        Ok(())
    }
}

/// What is wrong with an adapter: each check that does not hold, in the order of the suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub(super) name: String,
    pub(super) broken: Vec<Broken>,
}

impl Failure {
    /// Returns the checks that do not hold.
    #[must_use]
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} checks do not hold", self.name, self.broken.len())?;
        self.broken.iter().try_for_each(|broken| write!(f, "{broken}"))
    }
}

impl std::error::Error for Failure {}

/// A check that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The name of the check.
    pub check: &'static str,
    /// What is wrong.
    pub what: String,
    /// The bytes that it went wrong with, where there were any.
    pub bytes: Option<Bytes>,
    /// What was done to the session, the last of it, and when.
    pub story: Vec<String>,
}

impl Broken {
    /// Something went wrong after `acts`, the last of which brought it about.
    pub(super) fn new(what: String, acts: &[(Cx, Act)]) -> Self {
        let bytes = acts.last().and_then(|(_, act)| act.bytes());
        let from = acts.len().saturating_sub(STORY);
        let story = acts[from..].iter().map(|(cx, act)| {
            let at = cx.now.as_millis().saturating_sub(START);
            format!("{at:>8} ms  {}", words(act))
        });
        Self { check: "", what, bytes, story: story.collect() }
    }

    /// Something is wrong with an adapter that has done nothing yet.
    pub(super) fn still(what: String) -> Self {
        Self { check: "", what, bytes: None, story: Vec::new() }
    }

    pub(super) fn with_bytes(mut self, bytes: Option<Bytes>) -> Self {
        self.bytes = bytes;
        self
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "BROKEN {}: {}", self.check, self.what)?;
        if let Some(bytes) = &self.bytes {
            let shown = &bytes[..bytes.len().min(SHOWN)];
            let more = if bytes.len() > SHOWN { " ..." } else { "" };
            writeln!(f, "  with {} bytes: {}{more}", bytes.len(), shown.escape_ascii())?;
        }
        if !self.story.is_empty() {
            writeln!(f, "  after:")?;
        }
        self.story.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

fn words(act: &Act) -> String {
    match act {
        Act::Connect => "the application connects".into(),
        Act::Recover => "the application recovers".into(),
        Act::NetworkChanged => "the network has changed".into(),
        Act::Reconnect(token) => format!("the application reconnects, token: {token:?}"),
        Act::Shutdown => "the application shuts down".into(),
        Act::Tick => "time passes".into(),
        Act::Token(Some(_)) => "the application gives a token".into(),
        Act::Token(None) => "the application has no token to give".into(),
        Act::Dialing(conn) => format!("connection {conn} is dialled"),
        Act::Opened(conn) => format!("connection {conn} is open"),
        Act::Frame(conn, frame) => format!("connection {conn} brings {frame:?}"),
        Act::Closed(conn, cause, None) => format!("connection {conn} ends: {cause:?}"),
        Act::Closed(conn, cause, Some(wait)) => {
            format!("connection {conn} ends: {cause:?}, retry after {wait:?}")
        }
        Act::Http(id, Ok(answer)) => {
            let (status, len) = (answer.status, answer.body.len());
            format!("exchange {id} is answered with {status} and {len} bytes")
        }
        Act::Http(id, Err(why)) => format!("exchange {id} has no answer: {why:?}"),
        Act::Send(text) => format!("the application sends {} bytes", text.len()),
    }
}

/// How many acts a story tells.
const STORY: usize = 16;
/// How many bytes are shown.
const SHOWN: usize = 400;
