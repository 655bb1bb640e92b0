//! The rate limit that the sessions of one account share.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use redial_core::{Span, Timestamp};

/// The vendor's rate group "Auth" of one account: at most five requests a minute.
///
/// Clones are the same group. Sessions of one account share one, by
/// [`Builder::auth_group`](crate::Builder::auth_group): a request that would be one too many waits
/// in whichever session it arises, and a 429 that one is given silences all of them. It holds
/// times only, needs no lock, and outlives any session.
#[derive(Clone, Debug)]
pub struct AuthGroup {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// When each of the latest requests began; 0 for none.
    begun: Vec<AtomicU64>,
    window: Span,
    silent_until: AtomicU64,
}

impl AuthGroup {
    /// Makes a group of five requests a minute.
    #[must_use]
    pub fn new() -> Self {
        Self::with_rate(REQUESTS, WINDOW)
    }

    /// Makes a group of `requests` within `window`. A group of no requests at all has one.
    #[must_use]
    pub fn with_rate(requests: u8, window: Span) -> Self {
        let begun = (0..requests.max(1)).map(|_| AtomicU64::new(0)).collect();
        Self { shared: Arc::new(Shared { begun, window, silent_until: AtomicU64::new(0) }) }
    }

    /// Takes the place of one request, or says when there is one.
    pub(crate) fn begin(&self, now: Timestamp) -> Result<(), Timestamp> {
        if let Some(silent) = self.silent_until(now) {
            return Err(silent);
        }
        let mut earliest = Timestamp::MAX;
        for place in &self.shared.begun {
            let begun = place.load(Ordering::Acquire);
            let free = if begun == 0 {
                Timestamp::ZERO
            } else {
                Timestamp::from_millis(begun) + self.shared.window
            };
            if free <= now {
                // Never 0, which means none.
                let now = now.as_millis().max(1);
                let taken = place.compare_exchange(begun, now, Ordering::AcqRel, Ordering::Acquire);
                if taken.is_ok() {
                    return Ok(());
                }
                // Another session was faster; what it took is free after a whole window.
                earliest = earliest.min(Timestamp::from_millis(now) + self.shared.window);
            } else {
                earliest = earliest.min(free);
            }
        }
        Err(earliest)
    }

    /// Gives back the place of a request that was begun at this time and has not reached the server:
    /// otherwise an outage of the network would be followed by a silence of a minute.
    pub(crate) fn give_back(&self, begun: Timestamp) {
        let begun = begun.as_millis().max(1);
        for place in &self.shared.begun {
            let freed = place.compare_exchange(begun, 0, Ordering::AcqRel, Ordering::Acquire);
            if freed.is_ok() {
                return;
            }
        }
    }

    /// Returns until when the group is silent, if it is.
    pub(crate) fn silent_until(&self, now: Timestamp) -> Option<Timestamp> {
        let silent = Timestamp::from_millis(self.shared.silent_until.load(Ordering::Acquire));
        Some(silent).filter(|silent| *silent > now)
    }

    /// Nothing goes out before this time.
    pub(crate) fn silence(&self, until: Timestamp) {
        self.shared.silent_until.fetch_max(until.as_millis(), Ordering::AcqRel);
    }
}

impl Default for AuthGroup {
    fn default() -> Self {
        Self::new()
    }
}

/// Guide, "Rate limits": "Auth: 5 requests per user per minute".
pub(crate) const REQUESTS: u8 = 5;
/// The minute of the guide, and a second for requests that are faster than the one before.
pub(crate) const WINDOW: Span = Span::from_secs(61);
