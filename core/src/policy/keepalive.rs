//! How a dead peer is noticed.

use super::PolicyError;
use crate::time::{Span, Speed};

/// How a dead peer is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Keepalive {
    /// Not at all.
    Off,
    /// We ask: the peer is dead after `interval` and `misses` times `timeout` without an answer.
    Probe {
        /// The time between probes.
        interval: Span,
        /// How long a probe may stay unanswered.
        timeout: Span,
        /// How many timeouts in a row are the end.
        misses: u8,
        /// What the interval is counted from.
        pace: Pace,
    },
    /// The peer has promised a sign of life: it is dead after `within` without any.
    Listen {
        /// The time without a sign of life.
        within: Span,
    },
}

/// What the interval between probes is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Pace {
    /// From the probe before, whatever else is sent or received. Other evidence than the answer
    /// postpones the verdict until the next probe is due, no longer.
    Steady,
    /// From the last sign of life: a busy connection is never probed.
    Quiet,
}

impl Keepalive {
    pub(crate) const fn check(&self) -> Result<(), PolicyError> {
        match *self {
            Self::Off => Ok(()),
            Self::Probe { interval, timeout, misses, pace } => {
                if interval.is_zero() || timeout.is_zero() || misses == 0 {
                    return Err(PolicyError::ZeroSpan);
                }
                let verdict = timeout.as_millis() as u64 * misses as u64;
                if matches!(pace, Pace::Steady) && verdict > interval.as_millis() as u64 {
                    return Err(PolicyError::SlowVerdict);
                }
                Ok(())
            }
            Self::Listen { within } => {
                if within.is_zero() {
                    Err(PolicyError::ZeroSpan)
                } else {
                    Ok(())
                }
            }
        }
    }

    pub(super) const fn scaled(self, speed: Speed) -> Self {
        match self {
            Self::Off => Self::Off,
            Self::Probe { interval, timeout, misses, pace } => Self::Probe {
                interval: interval.scaled(speed),
                timeout: timeout.scaled(speed),
                misses,
                pace,
            },
            Self::Listen { within } => Self::Listen { within: within.scaled(speed) },
        }
    }
}
