//! When time alone changes something about a message.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

use crate::id::MessageId;
use crate::time::Timestamp;

/// The deadlines of all messages, the earliest on top.
///
/// A deadline that no longer holds stays until it comes to the top or there are too many of them:
/// to look for it would cost more than to skip it.
#[derive(Clone)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Timestamp, MessageId)>>,
}

impl Timers {
    pub(super) const fn new() -> Self {
        Self { heap: BinaryHeap::new() }
    }

    pub(super) fn push(&mut self, at: Timestamp, id: MessageId) {
        self.heap.push(Reverse((at, id)));
    }

    pub(super) fn first(&self) -> Option<(Timestamp, MessageId)> {
        self.heap.peek().map(|Reverse(first)| *first)
    }

    pub(super) fn pop(&mut self) {
        self.heap.pop();
    }

    /// Returns whether most of these deadlines hold no longer, where so many hold.
    pub(super) fn is_stale(&self, live: usize) -> bool {
        self.heap.len() > 2 * live + SLACK
    }

    pub(super) fn clear(&mut self) {
        self.heap.clear();
    }
}

/// How many deadlines are not worth clearing away.
const SLACK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_stale_when_most_of_them_hold_no_longer() {
        let mut timers = Timers::new();
        for number in 0..2 * 3 + SLACK as u64 {
            assert!(!timers.is_stale(3), "{number}");
            timers.push(Timestamp::from_millis(number), MessageId::new(number));
        }
        assert!(!timers.is_stale(3));
        timers.push(Timestamp::ZERO, MessageId::new(99));
        assert!(timers.is_stale(3) && !timers.is_stale(4));
    }
}
