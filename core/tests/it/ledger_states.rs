//! Every state that a small ledger can reach, and what must hold in each.

use std::collections::{HashSet, VecDeque};

use redial_core::{
    Bounds, Class, Continuity, Cut, Fate, Ledger, MessageId, Outcome, Path, Proof, Span, Timestamp,
};

use crate::keeper::{Flaw, Keeper, Plain};

#[test]
fn what_must_hold_holds_in_every_state() {
    let states = explore(&Ledger::new(BOUNDS), 3).unwrap_or_else(|broken| panic!("{broken}"));
    println!("{states} states");
    assert!(states > 100_000, "{states} states are fewer than these numbers lead to");
}

#[test]
fn the_plain_ledger_reaches_as_many_states() {
    let real = explore(&Ledger::new(BOUNDS), 2).unwrap_or_else(|broken| panic!("{broken}"));
    let plain = explore(&Plain::new(BOUNDS, None), 2).unwrap_or_else(|broken| panic!("{broken}"));
    assert_eq!(real, plain);
}

#[test]
fn each_invariant_catches_a_ledger_that_breaks_it() {
    for (flaw, invariant) in [
        (Flaw::ForgetsOnCut, "ledger_conserves"),
        (Flaw::KeepsTheDead, "ledger_conserves"),
        (Flaw::TellsTwice, "ack_settles_once"),
        (Flaw::HearsLateAnswers, "ack_settles_once"),
        (Flaw::OvertakesHeld, "order_kept"),
        (Flaw::ResendsInParallel, "order_kept"),
        (Flaw::MixesPaths, "order_kept"),
    ] {
        let broken = explore(&Plain::new(BOUNDS, Some(flaw)), 3).expect_err("a flaw");
        assert!(broken.starts_with(invariant), "{flaw:?}: {broken}");
    }
}

/// A ledger, the time, and what an onlooker has seen of each message.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State<K> {
    keeper: K,
    now: u64,
    online: bool,
    stopped: bool,
    seen: Vec<Seen>,
}

/// What an onlooker knows of a message, from what was done and told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Seen {
    writes: u8,
    /// Written on the connection that lives, or over HTTP, and not answered, and when the proof
    /// is due.
    way: Option<(Path, u64)>,
    fate: Option<Fate>,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Accept,
    Write(Path),
    Settle(u64, Outcome),
    TokenReady,
    Cut,
    Online(Continuity),
    Pass,
    Stop,
}

/// Visits every state of the first `last` seconds; returns how many there are, or what is broken and how it came about.
fn explore<K: Keeper>(keeper: &K, last: u64) -> Result<usize, String> {
    let begin =
        State { keeper: keeper.clone(), now: 0, online: true, stopped: false, seen: Vec::new() };
    let mut known = HashSet::from([begin.clone()]);
    let mut open = VecDeque::from([begin]);
    while let Some(state) = open.pop_front() {
        for act in acts(&state, last) {
            let mut after = state.clone();
            after.perform(act)?;
            if known.insert(after.clone()) {
                open.push_back(after);
            }
        }
    }
    Ok(known.len())
}

/// Everything that can happen.
fn acts<K>(state: &State<K>, last: u64) -> Vec<Act> {
    let mut acts = vec![Act::Accept];
    if !state.stopped {
        acts.extend([Act::TokenReady, Act::Stop]);
    }
    if state.online {
        acts.extend([Act::Write(Path::Socket), Act::Write(Path::Http), Act::Cut]);
    } else {
        acts.extend([Act::Online(Continuity::Resumed), Act::Online(Continuity::Fresh)]);
    }
    if state.now < last {
        acts.push(Act::Pass);
    }
    // An answer comes to what was written, at any time later and more than once.
    for (index, _) in state.seen.iter().enumerate().filter(|(_, seen)| seen.writes > 0) {
        let id = index as u64 + 1;
        let after = Some(Span::from_secs(1));
        acts.extend([
            Act::Settle(id, Outcome::Acked),
            Act::Settle(id, Outcome::Rejected(1)),
            Act::Settle(id, Outcome::Retry { after }),
            Act::Settle(id, Outcome::Lost { after: None }),
            Act::Settle(id, Outcome::AfterToken),
        ]);
    }
    acts
}

impl<K: Keeper> State<K> {
    fn perform(&mut self, act: Act) -> Result<(), String> {
        let now = Timestamp::from_millis(self.now * 1000);
        match act {
            Act::Accept => {
                let class = class_of(self.seen.len());
                if self.seen.len() < MESSAGES
                    && let Some(id) = self.keeper.accept(now, class, 1)
                {
                    self.seen.push(Seen::default());
                    assert_eq!(id.get(), self.seen.len() as u64);
                }
            }
            Act::Write(path) => {
                if let Some((id, _)) = self.keeper.next(now)
                    && self.keeper.allows(id, path)
                {
                    self.order_kept(id, path, act)?;
                    self.keeper.sent(now, id, path);
                    let within = u64::from(class_of(id.get() as usize - 1).within.as_millis());
                    let due = self.now + within / 1000;
                    let seen = self.seen_of(id);
                    seen.writes += 1;
                    seen.way = Some((path, due));
                }
            }
            Act::Settle(id, outcome) => {
                let id = MessageId::new(id);
                self.seen_of(id).way = None;
                self.keeper.settle(now, id, outcome);
            }
            Act::TokenReady => self.keeper.token_ready(),
            Act::Cut => {
                self.online = false;
                for seen in &mut self.seen {
                    seen.way = seen.way.filter(|(path, _)| *path == Path::Http);
                }
                self.keeper.cut();
            }
            Act::Online(continuity) => {
                self.online = true;
                self.keeper.online(continuity);
            }
            Act::Pass => {
                self.now += 1;
                let now = self.now;
                for seen in &mut self.seen {
                    seen.way = seen.way.filter(|(_, due)| *due > now);
                }
                self.keeper.tick(Timestamp::from_millis(self.now * 1000));
            }
            Act::Stop => {
                self.stopped = true;
                self.keeper.stop();
            }
        }
        self.ack_settles_once(act)?;
        self.ledger_conserves(act)?;
        self.nothing_is_overdue(act)
    }

    /// No message has two fates, and none is told of what was never accepted.
    fn ack_settles_once(&mut self, act: Act) -> Result<(), String> {
        while let Some(settled) = self.keeper.poll_fate() {
            let seen = self.seen_of(settled.id);
            if seen.fate.replace(settled.fate).is_some() {
                return Err(format!("ack_settles_once: {} again after {act:?}", settled.id));
            }
            let unwritten = matches!(settled.fate, Fate::Expired | Fate::NotSent);
            if unwritten != (seen.writes == 0) || settled.arrivals > seen.writes {
                return Err(format!("ack_settles_once: {settled:?} after {act:?}"));
            }
            seen.way = None;
        }
        Ok(())
    }

    /// What was accepted has its fate or is there.
    fn ledger_conserves(&self, act: Act) -> Result<(), String> {
        let open = self.seen.iter().filter(|seen| seen.fate.is_none()).count();
        if open == self.keeper.len() && (!self.stopped || open == 0) {
            return Ok(());
        }
        Err(format!("ledger_conserves: {open} open, {} there after {act:?}", self.keeper.len()))
    }

    /// Nothing overtakes what has no fate, unless that is under way on the socket for the first
    /// time, and this goes there too.
    fn order_kept(&self, id: MessageId, path: Path, act: Act) -> Result<(), String> {
        let before = self.seen.iter().take(id.get() as usize - 1);
        let mut open = before.filter(|seen| seen.fate.is_none());
        if open.all(|seen| {
            path == Path::Socket && seen.writes == 1 && matches!(seen.way, Some((Path::Socket, _)))
        }) {
            return Ok(());
        }
        Err(format!("order_kept: {id} overtakes after {act:?}"))
    }

    fn nothing_is_overdue(&self, act: Act) -> Result<(), String> {
        let now = Timestamp::from_millis(self.now * 1000);
        match (act, self.keeper.poll_timeout()) {
            (Act::Pass, Some(due)) if due <= now => Err("no_overdue_deadline_after_tick".into()),
            _ => Ok(()),
        }
    }

    fn seen_of(&mut self, id: MessageId) -> &mut Seen {
        &mut self.seen[id.get() as usize - 1]
    }
}

fn class_of(index: usize) -> Class {
    CLASSES[index % CLASSES.len()]
}

const BOUNDS: Bounds = Bounds { messages: 2, bytes: 2 };
/// How many messages are accepted in all.
const MESSAGES: usize = 3;
const CLASSES: [Class; 2] = [
    Class {
        proof: Proof::Answer,
        cut: Cut::Resend,
        portable: false,
        within: Span::from_secs(2),
        ttl: Span::from_secs(3),
        tries: 2,
    },
    Class {
        proof: Proof::Answer,
        cut: Cut::Report,
        portable: true,
        within: Span::from_secs(1),
        ttl: Span::from_secs(2),
        tries: 2,
    },
];
