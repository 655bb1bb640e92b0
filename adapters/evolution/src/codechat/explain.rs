//! What a refusal comes down to.

use redial_core::{Cause, Notice, StopReason, SuspendReason};

use super::adapter::Step;

/// Says in words what a wait or an end is about, where numbers say too little.
///
/// ```
/// use redial_core::{Cause, ConnId, Notice};
/// use redial_evolution::codechat::explain;
///
/// let notice = Notice::Offline { conn: ConnId::new(1), cause: Cause::Handshake(401) };
/// assert_eq!(explain(&notice), Some("token or event refused"));
/// ```
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
        Cause::Handshake(401 | 403) => Some(REFUSED),
        Cause::Http { step: Step::REFRESH, .. } => Some(NOT_REFRESHED),
        _ => None,
    }
}

/// Observed: all refusals are alike, so this is all that can be said.
pub(super) const REFUSED: &str = "token or event refused";
pub(super) const NOT_REFRESHED: &str = "the server does not refresh this token";
pub(super) const NO_OTHER: &str = "no other token came: the old one is tried again";
pub(super) const MALFORMED: &str = "the token is empty, too long or not printable";
/// See [`SILENT`](super::SILENT).
pub(super) const SILENT: &str = "the server takes this event and never sends it over a socket";
