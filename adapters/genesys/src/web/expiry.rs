//! When the session expires, and what is done about it.

use redial_core::{Span, Timestamp};

/// Watches over the end of the session, as the vendor's mobile SDK does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Expiry {
    at: Option<Timestamp>,
    /// How long the session lives after a message, in milliseconds.
    duration: Option<u64>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Far,
    /// A health check has confirmed the instant.
    Checked,
    /// The application knows.
    Noticed,
    /// A health check has asked whether it is over.
    Asked,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Check,
    Notice(Timestamp),
}

impl Expiry {
    /// The server says when the session expires (in seconds since the Unix epoch) and how long it
    /// lives after each message.
    pub(super) fn set(&mut self, now: Timestamp, date: Option<u64>, duration: Option<u64>) {
        self.duration = duration.map(|secs| secs.saturating_mul(1000)).or(self.duration);
        let date = date.map(|secs| Timestamp::from_millis(secs.saturating_mul(1000)));
        // A date that has passed is the fault of one of two clocks.
        let date = date.filter(|date| *date > now);
        if let Some(at) = date.or_else(|| self.after_message(now)) {
            self.move_to(at);
        }
    }

    /// A message was sent or has come.
    pub(super) fn prolong(&mut self, now: Timestamp) {
        if let Some(at) = self.after_message(now) {
            self.move_to(at);
        }
    }

    pub(super) const fn at(&self) -> Option<Timestamp> {
        self.at
    }

    pub(super) fn poll_timeout(&self, notice: Span) -> Option<Timestamp> {
        let at = self.at?;
        match self.stage {
            Stage::Far => Some(at.minus(notice).minus(BEFORE)),
            Stage::Checked => Some(at.minus(notice)),
            Stage::Noticed => Some(at + AFTER),
            Stage::Asked => None,
        }
    }

    pub(super) fn tick(&mut self, now: Timestamp, notice: Span) -> Option<Due> {
        let at = self.at?;
        if self.poll_timeout(notice)? > now {
            return None;
        }
        let (stage, due) = match self.stage {
            Stage::Far => (Stage::Checked, Due::Check),
            Stage::Checked => (Stage::Noticed, Due::Notice(at)),
            Stage::Noticed | Stage::Asked => (Stage::Asked, Due::Check),
        };
        self.stage = stage;
        Some(due)
    }

    fn after_message(&self, now: Timestamp) -> Option<Timestamp> {
        Some(Timestamp::from_millis(now.as_millis().saturating_add(self.duration?)))
    }

    /// The same instant again, give or take what a date in whole seconds hides, is no news.
    fn move_to(&mut self, at: Timestamp) {
        let moved = self.at.is_none_or(|before| before.as_millis().abs_diff(at.as_millis()) > SAME);
        if moved {
            self.at = Some(at);
            self.stage = Stage::Far;
        }
    }
}

/// Mobile SDK: a health check this long before the notice.
const BEFORE: Span = Span::from_secs(10);
/// Mobile SDK: a health check this long after the end.
const AFTER: Span = Span::from_secs(2);
const SAME: u64 = 1_500;
