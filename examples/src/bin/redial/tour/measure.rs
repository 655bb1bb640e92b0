//! How what was measured is judged and shown.

use std::time::Duration;

/// Returns whether a wait was as long as wanted, as far as clocks and a busy machine allow.
pub(super) fn near(ms: u64, wanted: Duration) -> bool {
    let (ms, wanted) = (u128::from(ms), wanted.as_millis());
    ms + CLOCK_MS >= wanted && ms <= wanted + LATE_MS
}

/// Shows the first of many.
pub(super) fn list<T: std::fmt::Debug>(all: &[T]) -> String {
    let shown: Vec<String> = all.iter().take(LISTED).map(|item| format!("{item:?}")).collect();
    let shown = shown.join(", ").replace('"', "").replace("Some(", "").replace(')', "");
    if all.len() > LISTED { format!("{shown}, … {} in all", all.len()) } else { shown }
}

/// What two clocks of one machine may differ by.
pub(super) const CLOCK_MS: u128 = 20;
/// What a busy machine may add to a wait.
pub(super) const LATE_MS: u128 = 750;
/// How many of a list are shown.
const LISTED: usize = 6;
