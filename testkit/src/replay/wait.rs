//! Why a wait is as long as it is.

use redial_core::{
    Backoff, Cause, Clip, Delay, Event, Growth, Jitter, Phase, Policy, Recovery, Span, Timestamp,
    Verdict,
};

use super::Turn;
use super::explain::Tale;
use super::words::{At, span};

/// What a wait was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// When the wait began.
    pub now: Timestamp,
    /// The attempt that follows it.
    pub attempt: u16,
    /// What the verdict says about the wait; nothing where one that had begun was moved.
    pub delay: Option<Delay>,
    /// Whether the server has named a time itself, so that the least time of a verdict, which is
    /// for servers that name none, does not count.
    pub is_named: bool,
    /// The backoff before this attempt, without chance. Where Socket.IO's formula cuts the wait
    /// only after chance, not cut yet either.
    pub base: Span,
    /// The backoff with what chance, the clip and the floor made of it.
    pub drawn: Span,
    /// What comes of the two.
    pub chosen: Span,
    /// The earliest time that servers asked for.
    pub not_before: Timestamp,
    /// The earliest time that the policy's floor allows, where it counts.
    pub pace: Timestamp,
}

impl Tale<'_> {
    /// Says how long a wait is, and why.
    pub(super) fn waits(&self, wait: &Wait) -> String {
        let end = wait.end();
        let length = span(end.since(wait.now));
        let began = match (wait.delay, self.turn.before.phase()) {
            (Some(_), _) => "",
            // Announced again, since the count of attempts has begun anew.
            (None, Phase::Waiting { until }) if *until == end => "the wait keeps its end, since ",
            (None, Phase::Waiting { until }) if *until > wait.now => {
                "the wait has another end, since "
            }
            (None, _) => "nothing may begin yet, since ",
        };
        let (until, reason) = (self.at.of(end), wait.reason(self.policy, self.at));
        format!("waits {length}, until {until}, before attempt {}: {began}{reason}", wait.attempt)
    }
}

impl Wait {
    /// Finds out what the wait of a turn was made from. `attempt` and `cause` are those of its
    /// [`ScheduleRetry`](redial_core::Action::ScheduleRetry).
    #[must_use]
    pub fn of(policy: &Policy, turn: &Turn, attempt: u16, cause: Cause) -> Self {
        let delay = match policy.verdict(cause) {
            Verdict::Retry(Recovery { delay, .. }) if cause != Cause::Held => Some(delay),
            _ => None,
        };
        Self::new(policy, turn, attempt, delay, asked(turn.event).is_some())
    }

    /// Finds out what the wait was made from after which a renewal beside a living connection is
    /// tried again. `cause` is why it failed.
    #[must_use]
    pub fn of_renewal(policy: &Policy, turn: &Turn, cause: Cause) -> Self {
        let (attempt, delay) = match policy.verdict(cause) {
            Verdict::Retry(Recovery { delay: Delay::AtLeast(least), .. }) => {
                (1, Delay::AtLeast(least))
            }
            Verdict::Retry(_) => (1, Delay::Backoff),
            // What would end a session waits for as long as any attempt does.
            Verdict::Suspend | Verdict::Stop => (u16::MAX, Delay::Backoff),
        };
        Self::new(policy, turn, attempt, Some(delay), false)
    }

    fn new(
        policy: &Policy,
        turn: &Turn,
        attempt: u16,
        delay: Option<Delay>,
        is_named: bool,
    ) -> Self {
        let spec = policy.spec();
        let growth = uncut(&spec.backoff).unwrap_or(spec.backoff.growth);
        let (jitter, clip) = (Jitter::None, Clip::ThenJitter);
        let plain = Backoff { growth, jitter, clip, ..spec.backoff };
        let drawn = spec.backoff.wait(attempt, turn.cx.entropy, spec.floor);
        let chosen = match delay {
            None | Some(Delay::Now) => Span::ZERO,
            Some(Delay::AtLeast(least)) if !is_named => drawn.max(least),
            Some(Delay::Backoff | Delay::AtLeast(_)) => drawn,
        };
        Self {
            now: turn.after.now(),
            attempt,
            delay,
            is_named,
            base: plain.wait(attempt, 0, Span::ZERO),
            drawn,
            chosen,
            not_before: turn.after.not_before(),
            pace: pace(turn),
        }
    }

    /// Returns the end of the wait.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        (self.now + self.chosen).max(self.not_before).max(self.pace)
    }

    /// Says what it was made from.
    pub(super) fn reason(&self, policy: &Policy, at: At) -> String {
        let (spec, end) = (policy.spec(), self.end());
        let mut text = match self.delay {
            None => String::new(),
            Some(Delay::Now) => "the verdict asks for no wait".to_owned(),
            Some(Delay::Backoff) => self.backoff(policy),
            Some(Delay::AtLeast(least)) => {
                let (backoff, least) = (self.backoff(policy), span(least));
                if self.is_named {
                    format!(
                        "{backoff}, and the {least} of the verdict give way to the server's own"
                    )
                } else if self.chosen > self.drawn {
                    format!("{backoff}, and the verdict asks for at least {least}")
                } else {
                    format!("{backoff}, no less than the {least} that the verdict asks for")
                }
            }
        };
        let chosen = self.now + self.chosen;
        let floor = if end == chosen && self.delay.is_some() {
            None
        } else if end == self.not_before {
            Some(format!("a server asked for nothing before {}", at.of(self.not_before)))
        } else if end == self.pace {
            Some(format!("attempts keep {} between them", span(spec.floor)))
        } else {
            None
        };
        if let Some(floor) = floor {
            text += if text.is_empty() { "" } else { "; " };
            text += &floor;
        }
        text
    }

    fn backoff(&self, policy: &Policy) -> String {
        let (backoff, floor) = (policy.spec().backoff, policy.spec().floor);
        let base = span(self.base);
        let growth = match backoff.growth {
            Growth::Exponential { first, percent, .. } if uncut(&backoff).is_some() => {
                format!("{base} ({} first, then {percent} % of the one before)", span(first))
            }
            Growth::Fixed(_) => format!("always {base}"),
            Growth::Exponential { first, percent, cap } => format!(
                "{base} ({} first, then {percent} % of the one before, at most {})",
                span(first),
                span(cap)
            ),
            Growth::Linear { first, step, cap } => {
                format!(
                    "{base} ({} first, then {} more, at most {})",
                    span(first),
                    span(step),
                    span(cap)
                )
            }
            Growth::Table(_) => format!("{base} by the table"),
        };
        let drawn = span(self.drawn);
        let jitter = match backoff.jitter {
            Jitter::None => String::new(),
            Jitter::Additive(most) => {
                format!(", and up to {} more by chance: {drawn}", span(most))
            }
            Jitter::Full => format!(", of which chance takes {drawn}"),
            Jitter::SocketIo { percent } => {
                format!(", and chance takes or adds up to {percent} %: {drawn}")
            }
            Jitter::Equal => format!(", of which chance takes {drawn}, at least half"),
        };
        let clip = match backoff.clip {
            Clip::AfterJitter if uncut(&backoff).is_some() => ", cut only after chance",
            Clip::AfterJitter if backoff.jitter != Jitter::None => ", clipped after chance",
            Clip::ThenJitter | Clip::AfterJitter => "",
        };
        let floor = if self.drawn == floor && self.base < floor {
            format!(", but never less than {}", span(floor))
        } else {
            String::new()
        };
        format!("the backoff is {growth}{jitter}{clip}{floor}")
    }
}

/// Returns the growth without the cut that Socket.IO's formula makes only after chance. A wait of
/// ten times the cut is one that no chance brings below it.
fn uncut(backoff: &Backoff) -> Option<Growth> {
    match (backoff.jitter, backoff.clip, backoff.growth) {
        (
            Jitter::SocketIo { .. },
            Clip::AfterJitter,
            Growth::Exponential { first, percent, cap },
        ) => {
            let cap = Span::saturating_from_millis(u64::from(cap.as_millis()) * 10);
            Some(Growth::Exponential { first, percent, cap })
        }
        _ => None,
    }
}

/// Returns the floor that held for the wait. One that ends at once is followed by an attempt in the
/// same turn, which raises it; and a token that has just come waits for servers only.
fn pace(turn: &Turn) -> Timestamp {
    if came_in_time(turn) { Timestamp::ZERO } else { turn.before.pace() }
}

/// Returns whether the token has come that the session was waiting for.
pub(super) fn came_in_time(turn: &Turn) -> bool {
    let came = matches!(turn.event, Event::TokenReady { .. } | Event::TokenOffered { .. });
    came && matches!(turn.before.phase(), Phase::Authorizing { .. })
}

/// Returns what a server asked for with this event.
pub(super) fn asked(event: Event) -> Option<Span> {
    match event {
        Event::TokenFailed { retry_after, .. }
        | Event::Refused { retry_after, .. }
        | Event::Closed { retry_after, .. } => retry_after,
        Event::Throttled { within } => Some(within),
        _ => None,
    }
}
