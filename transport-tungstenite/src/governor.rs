//! The earliest times that servers have asked for, shared by all sessions of a process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redial_core::{Governor, Timestamp};

/// Shares one [`Governor`] between the sessions of a process.
#[derive(Clone, Debug, Default)]
pub struct SharedGovernor {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The latest time of all accounts, so that nobody takes the lock while nobody is held back.
    latest: AtomicU64,
    accounts: Mutex<Governor>,
}

impl SharedGovernor {
    /// Makes a governor that holds nobody back.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds an account back until `at`.
    pub fn raise(&self, now: Timestamp, account: &str, at: Timestamp) {
        let mut accounts = self.lock();
        accounts.raise(now, account, at);
        self.inner.latest.fetch_max(at.as_millis(), Ordering::Release);
    }

    /// Returns the earliest time at which anything may be sent on behalf of an account.
    #[must_use]
    pub fn not_before(&self, account: &str) -> Timestamp {
        self.lock().not_before(account)
    }

    /// Returns until when an account is held back, if it is.
    #[must_use]
    pub fn held_until(&self, now: Timestamp, account: &str) -> Option<Timestamp> {
        if self.inner.latest.load(Ordering::Acquire) <= now.as_millis() {
            return None;
        }
        Some(self.not_before(account)).filter(|at| *at > now)
    }

    fn lock(&self) -> MutexGuard<'_, Governor> {
        // A panic under the lock leaves at worst one account's time as it was.
        self.inner.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
