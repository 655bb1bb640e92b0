//! What must hold of all states together.

use redial_core::{Action, Cause, Cx, Delay, Event, Phase, Policy, Timestamp, Verdict};

use super::Subject;
use super::story::{Line, Story};

/// A step from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    pub(super) to: u32,
    /// It takes no time.
    pub(super) still: bool,
    /// It is what happens when everybody does what was asked.
    pub(super) friendly: bool,
    /// It costs the server an exchange.
    pub(super) effort: bool,
}

/// The steps that the properties of the whole graph need.
#[derive(Default)]
pub(super) struct Graph {
    links: Vec<Link>,
    /// Where the links of each state begin.
    starts: Vec<usize>,
}

impl Graph {
    /// Adds the links of the next state.
    pub(super) fn add(&mut self, links: &mut Vec<Link>) {
        let from = u32::try_from(self.starts.len()).expect("fewer states than numbers");
        self.starts.push(self.links.len());
        links.retain(|link| link.friendly || (link.still && (link.effort || link.to != from)));
        links.sort_unstable();
        links.dedup();
        self.links.append(links);
    }

    fn of(&self, node: usize) -> &[Link] {
        let end = self.starts.get(node + 1).copied().unwrap_or(self.links.len());
        &self.links[self.starts[node]..end]
    }

    /// Returns a state on a cycle in which an effort is repeated and no time passes.
    pub(super) fn tight_loop(&self) -> Option<u32> {
        let component = self.components();
        (0..self.starts.len()).find_map(|node| {
            self.of(node)
                .iter()
                .find(|link| {
                    link.still && link.effort && component[link.to as usize] == component[node]
                })
                .map(|link| link.to)
        })
    }

    /// Returns a state that goes on and from which no friendly answer leads online.
    pub(super) fn never_online(&self, phase: impl Fn(u32) -> Phase) -> Option<u32> {
        let count = self.starts.len();
        let mut back: Vec<Vec<u32>> = vec![Vec::new(); count];
        for node in 0..count {
            for link in self.of(node).iter().filter(|link| link.friendly) {
                back[link.to as usize].push(number(node));
            }
        }
        let mut good = vec![false; count];
        let mut stack: Vec<u32> =
            (0..number(count)).filter(|node| matches!(phase(*node), Phase::Online(_))).collect();
        stack.iter().for_each(|node| good[*node as usize] = true);
        while let Some(node) = stack.pop() {
            for from in &back[node as usize] {
                if !good[*from as usize] {
                    good[*from as usize] = true;
                    stack.push(*from);
                }
            }
        }
        (0..number(count)).find(|node| {
            let over = matches!(phase(*node), Phase::Closing { .. } | Phase::Stopped(_));
            !over && !good[*node as usize]
        })
    }

    /// Numbers the strongly connected components of the steps that take no time (Tarjan).
    fn components(&self) -> Vec<u32> {
        const NONE: u32 = u32::MAX;
        let count = self.starts.len();
        let (mut order, mut low) = (vec![NONE; count], vec![0_u32; count]);
        let mut component = vec![NONE; count];
        let (mut stack, mut calls) = (Vec::new(), Vec::new());
        let (mut next, mut found) = (0, 0);
        for root in 0..count {
            if order[root] != NONE {
                continue;
            }
            calls.push((root, 0));
            while let Some((node, place)) = calls.pop() {
                if place == 0 {
                    order[node] = next;
                    low[node] = next;
                    next += 1;
                    stack.push(node);
                }
                let links = self.of(node);
                if let Some(link) = links.get(place) {
                    calls.push((node, place + 1));
                    let to = link.to as usize;
                    if link.still && order[to] == NONE {
                        calls.push((to, 0));
                    } else if link.still && component[to] == NONE {
                        low[node] = low[node].min(order[to]);
                    }
                    continue;
                }
                if low[node] == order[node] {
                    while let Some(member) = stack.pop() {
                        component[member] = found;
                        if member == node {
                            break;
                        }
                    }
                    found += 1;
                }
                if let Some((parent, _)) = calls.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
            }
        }
        component
    }
}

/// Lets every dial fail and returns the story where a wait is shorter than the one before, or
/// where the longest wait of the policy is never reached.
pub(super) fn shrinking_wait<S: Subject>(
    policy: &Policy,
    start: S,
) -> Option<(&'static str, Story)> {
    let cause = [Cause::Network, Cause::Close(1006), Cause::Close(4999)].into_iter().find(
        |cause| matches!(policy.verdict(*cause), Verdict::Retry(recovery) if recovery.delay == Delay::Backoff),
    )?;
    let backoff = policy.spec().backoff;
    let longest = backoff.wait(u16::MAX, u64::MAX, policy.spec().floor);
    let tries = backoff.attempts.unwrap_or(u16::MAX).min(backoff.plateau());
    let (mut subject, mut now) = (start, Timestamp::from_millis(1));
    let mut story = Story::default();
    let mut last = redial_core::Span::ZERO;
    let mut tell = |subject: &mut S, now: Timestamp, event: Event| {
        let output = subject.handle(policy, Cx::new(now, u64::MAX), event);
        story.push(Line::new(now, event, &output, subject.machine().phase()));
        output
    };
    let mut output = tell(&mut subject, now, Event::Connect);
    for attempt in 1..=tries {
        if let Some(token) = subject.machine().pending_token() {
            let ready = Event::TokenReady { token, expires_in: None, resumable: true };
            output = tell(&mut subject, now, ready);
        }
        let conn = output.dialled()?;
        let closed = Event::Closed { conn, cause, retry_after: None };
        output = tell(&mut subject, now, closed);
        let at = output.iter().find_map(|action| match action {
            Action::ScheduleRetry { at, .. } => Some(*at),
            _ => None,
        });
        let Some(at) = at else { return Some(("a failure is followed by no wait", story)) };
        let wait = at.since(now);
        if wait < last {
            return Some(("a wait is shorter than the one before", story));
        }
        if attempt == backoff.plateau() && wait < longest {
            return Some(("the longest wait is never reached", story));
        }
        (last, now) = (wait, at);
        output = tell(&mut subject, now, Event::Tick);
    }
    None
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("fewer states than numbers")
}
