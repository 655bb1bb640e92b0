//! The rules of a proxy, and which of them are due.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::rule::{Act, On, Rule, Toward};
use super::scan::Place;

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Book {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u32,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    id: u32,
    rule: Rule,
    /// How many connections or requests it has looked at.
    seen: u64,
    fired: u32,
}

/// A rule that is due.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) rule: u32,
    pub(crate) on: &'static str,
    pub(crate) act: Act,
}

/// Which frame of one direction of one connection each rule fired on last; 0 for a place in the
/// data.
pub(crate) type Fired = HashMap<u32, u64>;

impl Book {
    /// Takes a rule; returns its name, or nothing where there is no room.
    pub(crate) fn add(&self, rule: Rule) -> Option<u32> {
        let mut inner = self.lock();
        if inner.entries.len() >= MAX_RULES {
            return None;
        }
        inner.next += 1;
        let id = inner.next;
        inner.entries.push(Entry { id, rule, seen: 0, fired: 0 });
        Some(id)
    }

    /// Forgets a rule; returns whether there was one.
    pub(crate) fn remove(&self, id: u32) -> bool {
        let mut inner = self.lock();
        let before = inner.entries.len();
        inner.entries.retain(|entry| entry.id != id);
        inner.entries.len() < before
    }

    /// Forgets all rules.
    pub(crate) fn clear(&self) {
        self.lock().entries.clear();
    }

    /// Returns how often each rule has fired.
    pub(crate) fn fired(&self) -> Vec<(u32, u32)> {
        self.lock().entries.iter().map(|entry| (entry.id, entry.fired)).collect()
    }

    /// Counts a connection.
    pub(crate) fn connect(&self) -> Vec<Due> {
        self.count(|on| matches!(on, On::Connect))
    }

    /// Counts a request.
    pub(crate) fn http(&self, method: &str, target: &str) -> Vec<Due> {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        self.count(|on| match on {
            On::Http { method: wanted, path: begin } => {
                let method =
                    wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method));
                method && path.starts_with(begin.as_str())
            }
            On::Connect | On::Frame { .. } | On::Data { .. } => false,
        })
    }

    /// Returns what is due at this place of a stream, and how many bytes lie before the next place
    /// at which something may be.
    pub(crate) fn place(&self, here: Toward, place: Place, fired: &mut Fired) -> (Vec<Due>, u64) {
        let (mut due, mut free) = (Vec::new(), u64::MAX);
        for entry in &mut self.lock().entries {
            if entry.is_spent() {
                continue;
            }
            let before = match (&entry.rule.on, place.frame) {
                (On::Data { toward, after }, _) if *toward == here => {
                    after.checked_sub(place.pos).map(|left| (left, 0))
                }
                (On::Frame { toward, at }, Some((number, into))) if *toward == here => {
                    let wanted = if entry.rule.every {
                        number >= entry.rule.nth
                    } else {
                        number == entry.rule.nth
                    };
                    at.checked_sub(into).filter(|_| wanted).map(|left| (left, number))
                }
                _ => None,
            };
            match before {
                Some((0, number)) if fired.get(&entry.id) != Some(&number) => {
                    fired.insert(entry.id, number);
                    due.push(entry.fire());
                }
                Some((left @ 1.., _)) => free = free.min(left),
                Some((0, _)) | None => {}
            }
        }
        (due, free)
    }

    fn count(&self, matches: impl Fn(&On) -> bool) -> Vec<Due> {
        let mut due = Vec::new();
        for entry in &mut self.lock().entries {
            if entry.is_spent() || !matches(&entry.rule.on) {
                continue;
            }
            entry.seen += 1;
            if entry.seen >= entry.rule.nth {
                due.push(entry.fire());
            }
        }
        due
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_spent(&self) -> bool {
        self.rule.times.is_some_and(|times| self.fired >= times)
    }

    fn fire(&mut self) -> Due {
        self.fired = self.fired.saturating_add(1);
        Due { rule: self.id, on: self.rule.on.name(), act: self.rule.act.clone() }
    }
}

/// The most rules that are kept.
pub(crate) const MAX_RULES: usize = 256;
