//! What goes wrong, read from bytes.

use redial_core::{Cause, Span, TokenUse};

use super::{Command, Source, loss};

/// Something that goes wrong between a session and its servers, or that somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends.
    Cut(Cause),
    /// The connection stays, and what is sent is swallowed.
    HalfOpen(Half),
    /// The server ends the connection and answers no dial with more than this status for a while.
    Down {
        /// The status of its answers.
        status: u16,
        /// How long it asks to wait.
        retry_after: Option<Span>,
        /// How long it goes on.
        within: Span,
    },
    /// Neither dials nor exchanges are answered for a while.
    Blackhole {
        /// How long it goes on.
        within: Span,
    },
    /// HTTP exchanges are answered with this status for a while.
    Http {
        /// The status.
        status: u16,
        /// How long the server asks to wait.
        retry_after: Option<Span>,
        /// How long it goes on.
        within: Span,
    },
    /// Everything takes long and answers overtake each other for a while.
    Slow {
        /// How long it goes on.
        within: Span,
    },
    /// The server no longer knows the tokens that it gave.
    Revoke,
    /// The server no longer knows the session.
    Forget,
    /// The host sleeps: nothing is read or fired until it wakes, and then everything is there.
    Sleep {
        /// How long.
        within: Span,
    },
    /// The application wants something.
    Command(Command),
}

/// Which way nothing gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Half {
    /// Neither way.
    Both,
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// Faults and the time from each to the next.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Schedule {
    /// The time since the fault before, and the fault.
    pub faults: Vec<(Span, Fault)>,
}

impl Fault {
    /// Reads a fault. Its spans are at most `longest`.
    #[must_use]
    pub fn decode(source: &mut Source<'_>, longest: Span) -> Self {
        let longest = longest.as_millis().max(1);
        let within = source.span(1, longest);
        let asked = source.below(4) == 3;
        let retry_after = asked.then(|| source.span(0, longest));
        match source.below(32) {
            0..=7 => Self::Cut(loss(source)),
            8..=11 => Self::HalfOpen(source.pick(&[Half::Both, Half::Up, Half::Down])),
            12..=14 => {
                let status = source.pick(&[503, 500, 429, 401, 403]);
                Self::Down { status, retry_after, within }
            }
            15 | 16 => Self::Blackhole { within },
            17..=19 => {
                let status = source.pick(&[500, 503, 429, 401, 403, 404]);
                Self::Http { status, retry_after, within }
            }
            20 | 21 => Self::Slow { within },
            22 | 23 => Self::Revoke,
            24 => Self::Forget,
            25 | 26 => Self::Sleep { within },
            27 => Self::Command(Command::Recover),
            28 => Self::Command(Command::NetworkChanged),
            29 => Self::Command(Command::Reconnect(TokenUse::Keep)),
            30 => Self::Command(Command::Reconnect(TokenUse::Regenerate)),
            _ => Self::Command(Command::Connect),
        }
    }
}

impl Schedule {
    /// The most faults that a schedule has.
    pub const LONGEST: usize = 200;

    /// Reads faults that follow each other within twice `mean`. Any bytes give a schedule.
    #[must_use]
    pub fn decode(bytes: &[u8], mean: Span, longest: Span) -> Self {
        let mut source = Source::new(bytes);
        let mut faults = Vec::new();
        while !source.is_empty() && faults.len() < Self::LONGEST {
            let pause = source.span(0, mean.as_millis().saturating_mul(2));
            faults.push((pause, Fault::decode(&mut source, longest)));
        }
        Self { faults }
    }
}
