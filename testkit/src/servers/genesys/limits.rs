//! Rate limits: so many within a sliding window.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

/// How many are allowed within which span.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// How many.
    pub n: u32,
    /// Within which span.
    pub window: Duration,
}

impl Rate {
    /// Allows `n` within any minute.
    #[must_use]
    pub fn per_minute(n: u32) -> Self {
        Self { n, window: Duration::from_secs(60) }
    }

    /// Allows `n` within any second.
    #[must_use]
    pub fn per_second(n: u32) -> Self {
        Self { n, window: Duration::from_secs(1) }
    }
}

/// The recent events of each key.
#[derive(Debug)]
pub(crate) struct Recent<K> {
    times: HashMap<K, VecDeque<u64>>,
}

impl<K> Default for Recent<K> {
    fn default() -> Self {
        Self { times: HashMap::new() }
    }
}

impl<K: Eq + Hash> Recent<K> {
    /// Counts one event of `key`, unless it is one too many: then the whole seconds to wait.
    ///
    /// What is refused does not count.
    pub(crate) fn admit(&mut self, key: K, now_ms: u64, rate: Option<Rate>) -> Result<(), u64> {
        let Some(rate) = rate else { return Ok(()) };
        let window = u64::try_from(rate.window.as_millis()).unwrap_or(u64::MAX);
        if self.times.len() >= MAX_KEYS && !self.times.contains_key(&key) {
            self.times.clear();
        }
        let times = self.times.entry(key).or_default();
        while times.front().is_some_and(|time| time.saturating_add(window) <= now_ms) {
            times.pop_front();
        }
        if times.len() >= (rate.n.min(MAX_N)) as usize {
            let oldest = times.front().copied().unwrap_or(now_ms);
            let wait = oldest.saturating_add(window).saturating_sub(now_ms);
            return Err(wait.div_ceil(1000).max(1));
        }
        times.push_back(now_ms);
        Ok(())
    }
}

const MAX_KEYS: usize = 10_000;
const MAX_N: u32 = 100_000;

#[cfg(test)]
mod tests {
    use super::{Rate, Recent};

    #[test]
    fn the_wait_ends_when_the_oldest_leaves_the_window() {
        let mut recent = Recent::default();
        let rate = Some(Rate::per_minute(2));
        assert_eq!(recent.admit("a", 0, rate), Ok(()));
        assert_eq!(recent.admit("a", 10_000, rate), Ok(()));
        assert_eq!(recent.admit("a", 15_500, rate), Err(45));
        assert_eq!(recent.admit("b", 15_500, rate), Ok(()));
        assert_eq!(recent.admit("a", 59_999, rate), Err(1));
        assert_eq!(recent.admit("a", 60_000, rate), Ok(()));
        assert_eq!(recent.admit("a", 60_001, rate), Err(10));
        assert_eq!(recent.admit("a", 60_001, None), Ok(()));
    }
}
