//! What a refusal comes down to.

use redial_core::{Cause, Notice, StopReason, SuspendReason};

/// Says in words what a wait or an end is about, where numbers say too little.
#[must_use]
pub fn explain(notice: &Notice) -> Option<&'static str> {
    match *notice {
        Notice::RetryScheduled { cause, .. }
        | Notice::Offline { cause, .. }
        | Notice::TokenFailed { cause, .. }
        | Notice::Suspended {
            reason: SuspendReason::Policy(cause) | SuspendReason::AttemptsExhausted(cause),
        }
        | Notice::Stopped {
            reason: StopReason::Policy(cause) | StopReason::TokenRejected(cause),
        } => of_cause(cause),
        _ => None,
    }
}

fn of_cause(cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::Handshake(400 | 401 | 403) => Some(REFUSED),
        _ => None,
    }
}

pub(super) const REFUSED: &str = "the key is missing or refused";
pub(super) const MALFORMED: &str = "the key is empty, too long or not printable";
/// Observed: the two look alike.
pub(super) const NOT_THERE: &str =
    "the namespace is not there: no event of the instance yet, or a wrong name";
/// See [`GLOBAL_ONLY`](super::GLOBAL_ONLY).
pub(super) const NEVER_HERE: &str = "groups.update reaches the global namespace only";
