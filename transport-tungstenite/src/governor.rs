//! The earliest times that servers have asked for, shared by all sessions of a process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redial_core::{Governor, Timestamp};

/// Shares one [`Governor`] between the sessions of a process.
#[derive(Clone, Debug, Default)]
pub struct SharedGovernor {
    inner: Arc<Mutex<Governor>>,
}

impl SharedGovernor {
    /// Makes a governor that holds nobody back.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds an account back until `at`.
    pub fn raise(&self, now: Timestamp, account: &str, at: Timestamp) {
        self.lock().raise(now, account, at);
    }

    /// Returns the earliest time at which anything may be sent on behalf of an account.
    #[must_use]
    pub fn not_before(&self, account: &str) -> Timestamp {
        self.lock().not_before(account)
    }

    fn lock(&self) -> MutexGuard<'_, Governor> {
        // A panic under the lock leaves at worst one account's time as it was.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
