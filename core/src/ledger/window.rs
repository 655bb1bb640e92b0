//! The messages of a ledger, in the order in which they were accepted.

use alloc::collections::VecDeque;

use super::entry::{Entry, State};
use super::fate::{Fate, Path, Settled};
use super::timers::Timers;
use crate::id::MessageId;
use crate::time::Timestamp;

/// The messages that have no fate yet, and the ends of those that have one.
///
/// A message that leaves the middle leaves a gap behind, which is closed when there are more gaps
/// than messages: whatever the order of the ends, each costs the same.
#[derive(Clone)]
pub(super) struct Window<P> {
    slots: VecDeque<Slot<P>>,
    timers: Timers,
    pub(super) settled: VecDeque<Settled>,
    /// No message before this one can be written or keeps back another.
    cursor: MessageId,
    len: usize,
    bytes: usize,
    in_flight: usize,
    on_socket: usize,
}

#[derive(Clone)]
struct Slot<P> {
    id: MessageId,
    entry: Option<Entry<P>>,
}

/// What becomes of a message.
pub(super) enum Change {
    Nothing,
    To(State),
    End(Fate),
}

impl<P> Window<P> {
    pub(super) const fn new() -> Self {
        Self {
            slots: VecDeque::new(),
            timers: Timers::new(),
            settled: VecDeque::new(),
            cursor: MessageId::new(0),
            len: 0,
            bytes: 0,
            in_flight: 0,
            on_socket: 0,
        }
    }

    pub(super) fn push(&mut self, id: MessageId, entry: Entry<P>) {
        self.len += 1;
        self.bytes = self.bytes.saturating_add(entry.weight as usize);
        self.count(entry.state, true);
        self.timers.push(entry.due(), id);
        self.slots.push_back(Slot { id, entry: Some(entry) });
        self.tidy();
    }

    /// Returns the first message that is neither on its way nor done with.
    pub(super) fn head(&self) -> Option<(MessageId, &Entry<P>)> {
        let from = self.slots.partition_point(|slot| slot.id < self.cursor);
        self.slots.range(from..).find_map(Slot::live).filter(|(_, entry)| !entry.is_passable())
    }

    /// Returns the oldest message.
    pub(super) fn oldest(&self) -> Option<MessageId> {
        self.slots.front().map(|slot| slot.id)
    }

    pub(super) fn entry(&self, id: MessageId) -> Option<&Entry<P>> {
        self.slots.get(self.position(id)?)?.entry.as_ref()
    }

    /// Decides about one message; returns whether it is there.
    pub(super) fn decide(
        &mut self,
        id: MessageId,
        decide: impl FnOnce(&mut Entry<P>) -> Change,
    ) -> bool {
        let Some(index) = self.position(id) else { return false };
        let found = self.apply(index, decide);
        self.tidy();
        found
    }

    /// Decides about every message.
    pub(super) fn decide_all(&mut self, mut decide: impl FnMut(&mut Entry<P>) -> Change) {
        for index in 0..self.slots.len() {
            self.apply(index, &mut decide);
        }
        self.tidy();
    }

    /// Decides about every message whose time has come.
    pub(super) fn decide_due(
        &mut self,
        now: Timestamp,
        mut decide: impl FnMut(&mut Entry<P>) -> Change,
    ) {
        while let Some((_, id)) = self.timers.first().filter(|(at, _)| *at <= now) {
            self.timers.pop();
            if let Some(index) = self.position(id)
                && self.slots[index].entry.as_ref().is_some_and(|entry| entry.due() <= now)
            {
                self.apply(index, &mut decide);
            }
        }
        self.tidy();
    }

    pub(super) fn first_due(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (MessageId, &Entry<P>)> {
        self.slots.iter().filter_map(Slot::live)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn on_socket(&self) -> usize {
        self.on_socket
    }

    fn position(&self, id: MessageId) -> Option<usize> {
        let index = self.slots.binary_search_by_key(&id, |slot| slot.id).ok()?;
        self.slots.get(index)?.entry.is_some().then_some(index)
    }

    fn apply(&mut self, index: usize, decide: impl FnOnce(&mut Entry<P>) -> Change) -> bool {
        let Some(Slot { id, entry: place }) = self.slots.get_mut(index) else { return false };
        let (id, Some(entry)) = (*id, place.as_mut()) else { return false };
        let before = entry.state;
        let change = decide(entry);
        let settled = match change {
            Change::Nothing => None,
            Change::To(state) => {
                entry.state = state;
                self.timers.push(entry.due(), id);
                if !entry.is_passable() {
                    self.cursor = self.cursor.min(id);
                }
                self.count(before, false);
                self.count(state, true);
                None
            }
            Change::End(fate) => Some(entry.settled(id, fate)),
        };
        if let Some(settled) = settled {
            self.settled.push_back(settled);
            let entry = self.slots.get_mut(index).and_then(|slot| slot.entry.take());
            self.bytes -= entry.map_or(0, |entry| entry.weight as usize);
            self.len -= 1;
            self.count(before, false);
        }
        true
    }

    fn count(&mut self, state: State, more: bool) {
        let State::Sent { path, .. } = state else { return };
        let step = |count: &mut usize| if more { *count += 1 } else { *count -= 1 };
        step(&mut self.in_flight);
        if path == Path::Socket {
            step(&mut self.on_socket);
        }
    }

    /// Closes gaps, moves the cursor on and forgets deadlines that hold no longer.
    fn tidy(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.entry.is_none()) {
            self.slots.pop_front();
        }
        while self.slots.back().is_some_and(|slot| slot.entry.is_none()) {
            self.slots.pop_back();
        }
        if self.slots.len() > 2 * self.len + GAPS {
            self.slots.retain(|slot| slot.entry.is_some());
        }
        let from = self.slots.partition_point(|slot| slot.id < self.cursor);
        for slot in self.slots.range(from..) {
            if slot.entry.as_ref().is_some_and(|entry| !entry.is_passable()) {
                break;
            }
            self.cursor = slot.id.next();
        }
        if self.timers.is_stale(self.len) {
            self.timers.clear();
            for (id, entry) in self.slots.iter().filter_map(Slot::live) {
                self.timers.push(entry.due(), id);
            }
        }
        while let Some((at, id)) = self.timers.first()
            && self.entry(id).is_none_or(|entry| entry.due() != at)
        {
            self.timers.pop();
        }
    }
}

impl<P> Slot<P> {
    fn live(&self) -> Option<(MessageId, &Entry<P>)> {
        self.entry.as_ref().map(|entry| (self.id, entry))
    }
}

/// How many gaps are not worth closing.
const GAPS: usize = 32;

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::super::fate::{Class, Cut, Proof};
    use super::*;
    use crate::time::Span;

    #[test]
    fn gaps_are_closed_when_there_are_more_of_them_than_messages() {
        for (messages, slots) in [(2 * 3 + GAPS, 2 * 3 + GAPS), (2 * 3 + GAPS + 1, 3)] {
            let mut window = filled(messages);
            let ids: Vec<_> = window.iter().map(|(id, _)| id).collect();
            // The first, the last and one between them stay.
            for id in ids.iter().take(messages - 1).skip(2) {
                window.decide(*id, |_| Change::End(Fate::Acked));
            }
            assert_eq!((window.len(), window.slots.len()), (3, slots));
            assert!(window.iter().map(|(id, _)| id).eq([ids[0], ids[1], ids[messages - 1]]));
        }
    }

    #[test]
    fn deadlines_that_hold_no_longer_are_cleared_away_and_the_others_hold() {
        let mut window = filled(3);
        let late = Timestamp::from_millis(5_000);
        let first = window.iter().next().expect("a message").0;
        for number in 0..1_000 {
            let until = Timestamp::from_millis(1_000 + number);
            window.decide(MessageId::new(1), |_| Change::To(State::Held { until }));
            window.decide(MessageId::new(2), |_| Change::To(State::Held { until: late }));
            assert!(!window.timers.is_stale(window.len()), "after {number}");
            assert_eq!(window.first_due(), Some(until), "after {number}");
        }
        window.decide(first, |_| Change::End(Fate::Acked));
        window.decide(MessageId::new(1), |_| Change::End(Fate::Acked));
        assert_eq!(window.first_due(), Some(late));
    }

    fn filled(messages: usize) -> Window<()> {
        let span = Span::from_secs(60);
        let (proof, cut) = (Proof::Answer, Cut::Resend);
        let class = Class { proof, cut, portable: true, within: span, ttl: span, tries: 3 };
        let mut window = Window::new();
        for (id, _) in (0_u64..).zip(0..messages) {
            let entry = Entry {
                class,
                weight: 1,
                payload: (),
                tries: 0,
                doubts: 0,
                path: None,
                bound: false,
                expires_at: Timestamp::from_millis(60_000),
                state: State::Queued,
            };
            window.push(MessageId::new(id), entry);
        }
        window
    }
}
