//! The earliest times that servers have asked for, shared by all sessions of a process.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;

use crate::time::Timestamp;

/// Keeps the earliest time at which anything may be sent on behalf of an account.
///
/// A session raises its own; whoever drives several sessions merges them here, so that a second
/// session of an account waits for what the first one was told.
#[derive(Clone, Debug, Default)]
pub struct Governor {
    accounts: BTreeMap<String, Timestamp>,
}

impl Governor {
    /// The most accounts that are kept. Beyond it the one that waits least is forgotten.
    pub const CAPACITY: usize = 4096;

    /// Makes a governor that holds nobody back.
    #[must_use]
    pub const fn new() -> Self {
        Self { accounts: BTreeMap::new() }
    }

    /// Holds an account back until `at`; returns whether that is later than before.
    pub fn raise(&mut self, now: Timestamp, account: &str, at: Timestamp) -> bool {
        if at <= now || at <= self.not_before(account) {
            return false;
        }
        if let Some(known) = self.accounts.get_mut(account) {
            *known = at;
            return true;
        }
        if self.accounts.len() >= Self::CAPACITY {
            self.accounts.retain(|_, until| *until > now);
        }
        if self.accounts.len() >= Self::CAPACITY {
            let first = self.accounts.iter().min_by_key(|(_, until)| **until);
            if let Some(account) = first.map(|(account, _)| account.clone()) {
                self.accounts.remove(&account);
            }
        }
        self.accounts.insert(account.to_owned(), at);
        true
    }

    /// Returns the earliest time at which anything may be sent on behalf of an account.
    #[must_use]
    pub fn not_before(&self, account: &str) -> Timestamp {
        self.accounts.get(account).copied().unwrap_or(Timestamp::ZERO)
    }
}
