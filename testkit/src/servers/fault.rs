//! What a script may ask of a simulator: the faults and the other commands.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

/// One command of the fault script.
///
/// [`Command::parse`](Self::parse) reads the JSON form that the control endpoint takes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// Ends every live socket with a close frame; 1005 sends an empty one, 1006 is a cut.
    Close {
        /// Close code, legal or not.
        code: u16,
        /// Reason, at most 123 bytes.
        reason: String,
    },
    /// Ends every live socket without a close frame.
    Cut {
        /// Whether by RST; else by FIN.
        rst: bool,
    },
    /// Makes live sockets half-open, or ends that.
    Silent(Silence),
    /// Refuses every connection for a while and cuts those that there are.
    Down(Duration),
    /// Refuses a step of the connect sequence.
    Refuse(Refusal),
    /// Makes every token that was ever issued or accepted invalid.
    RevokeTokens,
    /// Makes the sessions behind the tokens invalid.
    ExpireSessions,
    /// Pushes messages to the client.
    Notify {
        /// How many.
        n: u32,
        /// The message, in the vendor's terms.
        body: Value,
    },
    /// Keeps the next responses back.
    LoseAcks(u32),
    /// Sends a text frame.
    SendText(String),
    /// Sends a binary frame.
    SendBinary(Bytes),
    /// Writes bytes to the socket as they are, frame or not.
    SendRaw(Bytes),
    /// Sends a ping.
    SendPing(Bytes),
    /// Sends a text frame of about so many bytes.
    SendLarge(usize),
    /// Answers the next requests with an error code.
    FailRequests {
        /// How many.
        n: u32,
        /// The code.
        code: u16,
        /// The body of the answers.
        body: Value,
    },
    /// Answers the next requests under an id that nobody asked with.
    UnknownIds(u32),
    /// Changes an option.
    Set {
        /// Name of the option.
        key: String,
        /// Its new value.
        value: Value,
    },
    /// Asks for the counters.
    State,
}

/// How a half-open connection behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Silence {
    /// Whether it begins or ends.
    pub on: bool,
    /// What no longer arrives.
    pub direction: Direction,
    /// Whether the server stops reading, so that the client's send buffer fills; else it reads and
    /// discards.
    pub stall: bool,
    /// Whether new connections are swallowed too: accepted, never read, never answered.
    pub new: bool,
}

/// The direction that is silenced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// Nothing arrives anywhere.
    Both,
    /// The server hears the client and does not answer.
    ToClient,
    /// The client still gets what the server pushes; the server hears nothing.
    ToServer,
}

impl Direction {
    /// Tells whether the client hears nothing.
    #[must_use]
    pub fn mutes_server(self) -> bool {
        matches!(self, Self::Both | Self::ToClient)
    }

    /// Tells whether the server hears nothing.
    #[must_use]
    pub fn mutes_client(self) -> bool {
        matches!(self, Self::Both | Self::ToServer)
    }
}

/// How a step is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// One of [`STEPS`].
    pub step: String,
    /// How often; 0 forgets what was asked for this step before.
    pub times: u32,
    /// Status of the answer; without one the connection is reset.
    pub status: Option<u16>,
    /// Value of `Retry-After`, as it is.
    pub retry_after: Option<String>,
    /// Whether the request is never answered.
    pub hang: bool,
    /// Body of the answer; the vendor's own error body when absent.
    pub body: Option<Value>,
    /// Size of a body of padding.
    pub body_bytes: Option<usize>,
    /// A field that an otherwise good answer lacks.
    pub omit: Option<String>,
}

impl Refusal {
    /// Resets the connection once.
    #[must_use]
    pub fn reset(step: &str) -> Self {
        Self {
            step: step.to_owned(),
            times: 1,
            status: None,
            retry_after: None,
            hang: false,
            body: None,
            body_bytes: None,
            omit: None,
        }
    }

    /// Answers once with `status`.
    #[must_use]
    pub fn status(step: &str, status: u16) -> Self {
        Self { status: Some(status), ..Self::reset(step) }
    }

    /// Never answers, once.
    #[must_use]
    pub fn hang(step: &str) -> Self {
        Self { hang: true, ..Self::reset(step) }
    }

    /// Answers once without `field`.
    #[must_use]
    pub fn omit(step: &str, field: &str) -> Self {
        Self { omit: Some(field.to_owned()), ..Self::reset(step) }
    }

    /// Repeats the refusal.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Adds a `Retry-After` header.
    #[must_use]
    pub fn retry_after(self, value: &str) -> Self {
        Self { retry_after: Some(value.to_owned()), ..self }
    }

    /// Says what becomes of the request.
    #[must_use]
    pub fn verdict(&self) -> Refused {
        match (self.hang, &self.omit, self.status) {
            (true, ..) => Refused::Hang,
            (_, Some(_), _) => Refused::Omit,
            (.., Some(status)) => Refused::Status(status),
            _ => Refused::Reset,
        }
    }
}

/// What becomes of a refused request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// It is answered with a status.
    Status(u16),
    /// Its connection is reset.
    Reset,
    /// It is never answered.
    Hang,
    /// It is answered, but a field is missing.
    Omit,
}

/// The armed faults of one simulator.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    refusals: Vec<Refusal>,
    lose_acks: u32,
    fail: Option<(u32, u16, Value)>,
    unknown_ids: u32,
}

impl Faults {
    /// Arms a refusal, after those that are armed already.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        if refusal.times == 0 {
            self.refusals.retain(|armed| armed.step != refusal.step);
        } else {
            self.refusals.push(refusal);
        }
    }

    /// Takes one refusal of `step`.
    pub(crate) fn take(&mut self, step: &str) -> Option<Refusal> {
        let at = self.refusals.iter().position(|armed| armed.step == step)?;
        let taken = self.refusals[at].clone();
        self.refusals[at].times -= 1;
        if self.refusals[at].times == 0 {
            self.refusals.remove(at);
        }
        Some(taken)
    }

    /// Arms `n` lost responses.
    pub(crate) fn lose_acks(&mut self, n: u32) {
        self.lose_acks = n;
    }

    /// Arms `n` failed requests.
    pub(crate) fn fail_requests(&mut self, n: u32, code: u16, body: Value) {
        self.fail = (n > 0).then_some((n, code, body));
    }

    /// Arms `n` answers under a wrong id.
    pub(crate) fn unknown_ids(&mut self, n: u32) {
        self.unknown_ids = n;
    }

    /// Tells whether this response is lost.
    pub(crate) fn loses_ack(&mut self) -> bool {
        take_one(&mut self.lose_acks)
    }

    /// Tells whether this response goes out under a wrong id.
    pub(crate) fn mistakes_id(&mut self) -> bool {
        take_one(&mut self.unknown_ids)
    }

    /// Tells how this request fails.
    pub(crate) fn fails_request(&mut self) -> Option<(u16, Value)> {
        let (left, code, body) = self.fail.as_mut()?;
        let failure = (*code, body.clone());
        *left -= 1;
        if *left == 0 {
            self.fail = None;
        }
        Some(failure)
    }
}

fn take_one(left: &mut u32) -> bool {
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}

/// Every step name that a refusal may carry, whatever the vendor.
pub const STEPS: [&str; 11] = [
    "csds",
    "login",
    "refresh",
    "token",
    "wstoken",
    "guest",
    "upgrade",
    "rest",
    "subscribe",
    "history",
    "join",
];
