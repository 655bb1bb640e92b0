//! How long to wait before an attempt.

use super::PolicyError;
use crate::time::{Span, Speed};

/// The wait before each attempt of an outage, and how many attempts there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Backoff {
    /// How the wait grows.
    pub growth: Growth,
    /// What chance does to it.
    pub jitter: Jitter,
    /// Whether the cap of the growth also holds for the jitter.
    pub clip: Clip,
    /// How many attempts an outage has before the session is suspended; `None`: no end, 0: a loss
    /// suspends it at once.
    pub attempts: Option<u16>,
    /// When the attempts are counted from zero again.
    pub reset: Reset,
}

/// How the wait grows from attempt to attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Growth {
    /// The same wait each time.
    Fixed(Span),
    /// `first`, then each time `percent` per cent of the wait before, up to `cap`.
    Exponential {
        /// The first wait.
        first: Span,
        /// 200 doubles.
        percent: u16,
        /// The longest wait.
        cap: Span,
    },
    /// `first`, then each time `step` more, up to `cap`.
    Linear {
        /// The first wait.
        first: Span,
        /// What each attempt adds.
        step: Span,
        /// The longest wait.
        cap: Span,
    },
    /// The waits one by one; the last one for all that follow. Unused places repeat the last wait.
    Table([Span; 8]),
}

/// What chance does to a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Jitter {
    /// Nothing.
    None,
    /// Adds up to this span.
    Additive(Span),
    /// Takes any wait between the floor and the whole.
    Full,
    /// Takes any wait between half and the whole.
    Equal,
    /// Takes or adds up to this many per cent, by the formula of Socket.IO's reference client:
    /// one draw says how far, and the first decimal digit of the same draw in which direction.
    SocketIo {
        /// From 1 to 100.
        percent: u16,
    },
}

/// Whether the cap is applied before the jitter or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Clip {
    /// Clip, then jitter: clients stay apart at the cap too.
    ThenJitter,
    /// Jitter, then clip: only for a vendor that publishes its formula so.
    AfterJitter,
}

/// When the attempts are counted from zero again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Reset {
    /// As soon as the session is online.
    Online,
    /// After the session has been online for this long, so that a server that accepts and then
    /// closes meets growing waits.
    Stable(Span),
}

impl Backoff {
    /// The same wait each time, for ever.
    #[must_use]
    pub const fn fixed(wait: Span) -> Self {
        Self {
            growth: Growth::Fixed(wait),
            jitter: Jitter::None,
            clip: Clip::ThenJitter,
            attempts: None,
            reset: Reset::Online,
        }
    }

    /// Returns the wait before `attempt` (the first is 1), never below `floor`.
    ///
    /// The floor narrows the range that chance draws from; it does not gather what lies below it
    /// into one instant. Where all of the range lies below the floor, the wait is the floor.
    #[must_use]
    pub const fn wait(&self, attempt: u16, entropy: u64, floor: Span) -> Span {
        let base = self.jittered_growth().base(attempt) as u64;
        let floor = floor.as_millis() as u64;
        let (least, most) = match self.jitter {
            Jitter::None => (base, base),
            Jitter::Additive(most) => (base, base + most.as_millis() as u64),
            Jitter::Full => (0, base),
            Jitter::Equal => (base / 2, base),
            // The reference client's draw decides alone; what falls below the floor is lifted.
            Jitter::SocketIo { percent } => {
                let most = base as u128 * percent as u128 / 100;
                let deviation = ((entropy as u128 * most) >> 64) as u64;
                let digit = (entropy as u128 * 10) >> 64;
                let wait =
                    if digit.is_multiple_of(2) { base - deviation } else { base + deviation };
                (wait, wait)
            }
        };
        let least = if least < floor { floor } else { least };
        let jittered = if most <= least { least } else { least + draw(entropy, most - least) };
        let clipped = match self.clip {
            Clip::ThenJitter => jittered,
            Clip::AfterJitter => {
                let cap = self.growth.cap() as u64;
                if jittered > cap { cap } else { jittered }
            }
        };
        Span::saturating_from_millis(if clipped < floor { floor } else { clipped })
    }

    /// Returns the attempt after which neither the wait nor the budget tells attempts apart.
    #[must_use]
    pub const fn plateau(&self) -> u16 {
        let attempt = self.jittered_growth().plateau();
        match self.attempts {
            Some(budget) if budget > attempt => budget,
            _ => attempt,
        }
    }

    /// Returns the growth to which the jitter is applied. Socket.IO's formula cuts nothing before
    /// the end: a wait of ten times the cap is one that no jitter brings below it.
    const fn jittered_growth(&self) -> Growth {
        match (self.jitter, self.clip, self.growth) {
            (
                Jitter::SocketIo { .. },
                Clip::AfterJitter,
                Growth::Exponential { first, percent, cap },
            ) => {
                let cap = Span::saturating_from_millis(cap.as_millis() as u64 * 10);
                Growth::Exponential { first, percent, cap }
            }
            (_, _, growth) => growth,
        }
    }

    pub(super) const fn check(&self) -> Result<(), PolicyError> {
        match self.growth {
            Growth::Fixed(wait) => {
                if wait.is_zero() {
                    return Err(PolicyError::ZeroSpan);
                }
            }
            Growth::Exponential { first, percent, cap } => {
                if first.is_zero() {
                    return Err(PolicyError::ZeroSpan);
                }
                if percent <= 100 || cap.as_millis() < first.as_millis() {
                    return Err(PolicyError::ShrinkingBackoff);
                }
            }
            Growth::Linear { first, step, cap } => {
                if first.is_zero() || step.is_zero() {
                    return Err(PolicyError::ZeroSpan);
                }
                if cap.as_millis() < first.as_millis() {
                    return Err(PolicyError::ShrinkingBackoff);
                }
            }
            Growth::Table(waits) => {
                let mut index = 0;
                while index < waits.len() {
                    if waits[index].is_zero() {
                        return Err(PolicyError::ZeroSpan);
                    }
                    if index > 0 && waits[index].as_millis() < waits[index - 1].as_millis() {
                        return Err(PolicyError::ShrinkingBackoff);
                    }
                    index += 1;
                }
            }
        }
        match self.jitter {
            Jitter::Additive(most) if most.is_zero() => return Err(PolicyError::ZeroSpan),
            Jitter::SocketIo { percent: 0 | 101.. } => return Err(PolicyError::WideJitter),
            Jitter::None
            | Jitter::Additive(_)
            | Jitter::Full
            | Jitter::Equal
            | Jitter::SocketIo { .. } => {}
        }
        if let Reset::Stable(Span::ZERO) = self.reset {
            return Err(PolicyError::ZeroSpan);
        }
        Ok(())
    }

    pub(super) const fn scaled(mut self, speed: Speed) -> Self {
        self.growth = match self.growth {
            Growth::Fixed(wait) => Growth::Fixed(wait.scaled(speed)),
            Growth::Exponential { first, percent, cap } => {
                Growth::Exponential { first: first.scaled(speed), percent, cap: cap.scaled(speed) }
            }
            Growth::Linear { first, step, cap } => Growth::Linear {
                first: first.scaled(speed),
                step: step.scaled(speed),
                cap: cap.scaled(speed),
            },
            Growth::Table(mut waits) => {
                let mut index = 0;
                while index < waits.len() {
                    waits[index] = waits[index].scaled(speed);
                    index += 1;
                }
                Growth::Table(waits)
            }
        };
        self.jitter = match self.jitter {
            Jitter::Additive(most) => Jitter::Additive(most.scaled(speed)),
            other => other,
        };
        self.reset = match self.reset {
            Reset::Stable(span) => Reset::Stable(span.scaled(speed)),
            Reset::Online => Reset::Online,
        };
        self
    }
}

impl Growth {
    const fn cap(&self) -> u32 {
        match self {
            Self::Fixed(wait) => wait.as_millis(),
            Self::Exponential { cap, .. } | Self::Linear { cap, .. } => cap.as_millis(),
            Self::Table(waits) => waits[waits.len() - 1].as_millis(),
        }
    }

    /// Returns the first attempt whose wait is the longest.
    const fn plateau(&self) -> u16 {
        let cap = self.cap() as u64;
        let steps = match self {
            Self::Fixed(_) => 0,
            Self::Exponential { first, percent, .. } => {
                let mut wait = first.as_millis() as u64;
                let mut steps = 0;
                while wait < cap {
                    wait = grown(wait, *percent);
                    steps += 1;
                }
                steps
            }
            Self::Linear { first, step, .. } => {
                (cap - first.as_millis() as u64).div_ceil(step.as_millis() as u64)
            }
            Self::Table(waits) => {
                let mut index = 0;
                while index < waits.len() && (waits[index].as_millis() as u64) < cap {
                    index += 1;
                }
                index as u64
            }
        };
        if steps >= u16::MAX as u64 { u16::MAX } else { steps as u16 + 1 }
    }

    /// Returns the wait before `attempt`, without jitter.
    const fn base(&self, attempt: u16) -> u32 {
        let index = attempt.saturating_sub(1);
        let cap = self.cap();
        match self {
            Self::Fixed(wait) => wait.as_millis(),
            Self::Exponential { first, percent, .. } => {
                let mut wait = first.as_millis() as u64;
                let mut left = index;
                while left > 0 && wait < cap as u64 {
                    wait = grown(wait, *percent);
                    left -= 1;
                }
                if wait > cap as u64 { cap } else { wait as u32 }
            }
            Self::Linear { first, step, .. } => {
                let wait = first.as_millis() as u64 + step.as_millis() as u64 * index as u64;
                if wait > cap as u64 { cap } else { wait as u32 }
            }
            Self::Table(waits) => {
                let last = waits.len() - 1;
                let index = index as usize;
                waits[if index > last { last } else { index }].as_millis()
            }
        }
    }
}

/// Returns the wait that follows `wait`. One that is too short to grow by the percentage in whole
/// milliseconds grows by one.
const fn grown(wait: u64, percent: u16) -> u64 {
    let grown = wait * percent as u64 / 100;
    if grown > wait { grown } else { wait + 1 }
}

/// Takes a number from 0 to `most`, both included.
const fn draw(entropy: u64, most: u64) -> u64 {
    ((entropy as u128 * (most as u128 + 1)) >> 64) as u64
}
