//! The guide's own words.

use alloc::borrow::Cow;
use alloc::format;

use redial_core::{Cause, Notice, StopReason, SuspendReason};

use super::adapter::Step;
use super::policy::Refusal;

/// Says in the guide's words why nothing more will happen, or why a token could not be had.
///
/// Returns nothing for notices that need no words.
#[must_use]
pub fn explain(notice: &Notice) -> Option<Cow<'static, str>> {
    match *notice {
        Notice::Suspended { reason: SuspendReason::AttemptsExhausted(_) } => {
            Some("maximum reconnection attempts reached".into())
        }
        Notice::Suspended { reason: SuspendReason::Policy(cause) }
        | Notice::Stopped {
            reason: StopReason::Policy(cause) | StopReason::TokenRejected(cause),
        }
        | Notice::RetryScheduled { cause, .. }
        | Notice::TokenFailed { cause, .. } => of_cause(cause),
        _ => None,
    }
}

fn of_cause(cause: Cause) -> Option<Cow<'static, str>> {
    match cause {
        Cause::Http { step, status } if step == Step::GUEST => Some(match of_status(status) {
            Some(text) => text.into(),
            None => format!("Guest creation failed with status {status}").into(),
        }),
        Cause::Handshake(status) => Some(format!("upgrade refused with status {status}").into()),
        Cause::Refused(code) if code == Refusal::OauthExpired as u16 => Some(EXPIRED.into()),
        Cause::Refused(code) if code == Refusal::TokenMalformed as u16 => Some(MALFORMED.into()),
        Cause::Refused(code) if code == Refusal::GuestRejectedAgain as u16 => Some(REFUSED.into()),
        _ => None,
    }
}

/// The guide, `authenticateGuest`.
pub(super) const fn of_status(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("Invalid OAuth token or missing webchat:guest:write scope"),
        403 => Some("Account lacks Web Messaging entitlement"),
        429 => Some("Rate limited on guest creation. Back off and retry."),
        500.. => Some("Genesys Cloud service unavailable. Retry with exponential backoff."),
        _ => None,
    }
}

/// The guide, "401 Unauthorized on Guest Creation": "the token has expired".
pub(super) const EXPIRED: &str = "the OAuth token has expired";
/// The guide, "401 Unauthorized on Guest Creation", about a token that is too short.
pub(super) const MALFORMED: &str = "the OAuth token is missing or malformed";
/// Chosen.
pub(super) const REFUSED: &str = "a guest session and the one in its place were refused";
