//! The ledger on its own: at every moment, what was accepted is what is settled and what is there.

use std::collections::BTreeSet;

use proptest::prelude::*;
use redial_core::{
    Bounds, Class, Continuity, Cut, Fate, Ledger, MessageId, Outcome, Path, Proof, Refusal,
    Settled, Span, Timestamp,
};

const CLASS: Class = Class {
    proof: Proof::Answer,
    cut: Cut::Resend,
    portable: false,
    within: Span::from_millis(10),
    ttl: Span::from_millis(50),
    tries: 2,
};

#[test]
fn a_message_without_proof_counts_when_it_is_written() {
    let mut ledger = Ledger::default();
    let class = Class { proof: Proof::Written, ..CLASS };
    let id = ledger.accept(at(0), class, 1, "x").expect("room");
    assert_eq!(ledger.next(at(0)), Some((id, &"x", 0)));
    ledger.sent(at(0), id, Path::Socket);
    let path = Some(Path::Socket);
    let settled = Settled { id, fate: Fate::Acked, tries: 1, path, arrivals: 1 };
    assert_eq!((ledger.poll_fate(), ledger.poll_fate()), (Some(settled), None));
    assert!(ledger.is_empty());
}

#[test]
fn a_held_message_holds_back_those_behind_it() {
    let mut ledger = Ledger::default();
    let first = ledger.accept(at(0), CLASS, 1, 'a').expect("room");
    let second = ledger.accept(at(0), CLASS, 1, 'b').expect("room");
    ledger.sent(at(0), first, Path::Socket);
    ledger.settle(at(0), first, Outcome::Retry { after: Some(Span::from_millis(5)) });
    assert_eq!(ledger.next(at(4)), None);
    assert_eq!(ledger.poll_timeout(), Some(at(5)));
    assert_eq!(ledger.next(at(5)), Some((first, &'a', 1)));
    ledger.sent(at(5), first, Path::Http);
    assert_eq!(ledger.next(at(5)), None);
    ledger.settle(at(6), first, Outcome::Acked);
    assert_eq!(ledger.next(at(6)), Some((second, &'b', 0)));
}

#[test]
fn what_waits_for_a_token_goes_when_there_is_one() {
    let mut ledger = Ledger::default();
    let id = ledger.accept(at(0), CLASS, 1, ()).expect("room");
    ledger.sent(at(0), id, Path::Http);
    ledger.settle(at(1), id, Outcome::AfterToken);
    assert_eq!(ledger.next(at(1)), None);
    ledger.token_ready();
    assert_eq!(ledger.next(at(1)), Some((id, &(), 1)));
}

#[test]
fn spent_tries_end_without_knowledge() {
    for outcome in [Outcome::Retry { after: None }, Outcome::AfterToken] {
        let mut ledger = Ledger::default();
        let id = ledger.accept(at(0), Class { tries: 1, ..CLASS }, 1, ()).expect("room");
        ledger.sent(at(0), id, Path::Socket);
        ledger.settle(at(0), id, outcome);
        assert_eq!(ledger.poll_fate().map(|settled| settled.fate), Some(Fate::Unknown));
    }
}

#[test]
fn portable_messages_survive_a_new_session_and_others_do_not() {
    for (portable, continuity, expected) in [
        (false, Continuity::Fresh, Some(Fate::Unknown)),
        (true, Continuity::Fresh, None),
        (false, Continuity::Resumed, None),
    ] {
        let mut ledger = Ledger::default();
        let id = ledger.accept(at(0), Class { portable, ..CLASS }, 1, ()).expect("room");
        ledger.sent(at(0), id, Path::Socket);
        ledger.cut();
        assert_eq!(ledger.next(at(0)), None);
        ledger.online(continuity);
        assert_eq!(ledger.poll_fate().map(|settled| settled.fate), expected);
        assert_eq!(ledger.next(at(0)).is_some(), expected.is_none());
    }
}

#[test]
fn a_message_that_was_never_written_cannot_have_been_answered() {
    let mut ledger = Ledger::default();
    let id = ledger.accept(at(0), CLASS, 1, ()).expect("room");
    for outcome in [Outcome::Acked, Outcome::Rejected(9), Outcome::Unknown] {
        ledger.settle(at(1), id, outcome);
    }
    assert_eq!(ledger.poll_fate(), None);
    assert_eq!(ledger.next(at(1)), Some((id, &(), 0)));
}

#[test]
fn a_settled_message_hears_no_more() {
    let mut ledger = Ledger::default();
    let id = ledger.accept(at(0), CLASS, 1, ()).expect("room");
    ledger.sent(at(0), id, Path::Socket);
    ledger.settle(at(0), id, Outcome::Rejected(9));
    for outcome in [Outcome::Acked, Outcome::Unknown, Outcome::AfterToken] {
        ledger.settle(at(0), id, outcome);
    }
    ledger.stop();
    assert_eq!(ledger.poll_fate().map(|settled| settled.fate), Some(Fate::Rejected(9)));
    assert_eq!(ledger.poll_fate(), None);
}

/// What can befall a ledger.
#[derive(Clone, Copy, Debug)]
enum Step {
    Accept { class: Class, weight: u32 },
    Next { path: Path },
    Settle { id: u64, outcome: Outcome },
    TokenReady,
    Cut,
    Online(Continuity),
    Pass(u64),
    Limit(u16),
    Stop,
}

proptest! {
    #[test]
    fn every_accepted_message_ends_once(steps in prop::collection::vec(step(), 0..80)) {
        let bounds = Bounds { messages: 6, bytes: 40 };
        let mut ledger = Ledger::new(bounds);
        let (mut now, mut accepted, mut settled) = (0, BTreeSet::new(), BTreeSet::new());
        let (mut stopped, mut fates) = (false, Vec::new());
        for step in steps {
            match step {
                Step::Accept { class, weight } => {
                    match ledger.accept(at(now), class, weight, weight) {
                        Ok(id) => prop_assert!(!stopped && accepted.insert(id)),
                        Err(refused) => {
                            prop_assert_eq!(refused.message, weight);
                            prop_assert_eq!(refused.why == Refusal::Stopped, stopped);
                        }
                    }
                }
                Step::Next { path } => {
                    if let Some((id, _, tries)) = ledger.next(at(now)) {
                        prop_assert!(ledger.contains(id) && tries <= 3);
                        ledger.sent(at(now), id, path);
                    }
                }
                Step::Settle { id, outcome } => {
                    ledger.settle(at(now), MessageId::new(id), outcome);
                }
                Step::TokenReady => ledger.token_ready(),
                Step::Cut => ledger.cut(),
                Step::Online(continuity) => ledger.online(continuity),
                Step::Pass(millis) => {
                    now += millis;
                    ledger.tick(at(now));
                    prop_assert!(ledger.poll_timeout().is_none_or(|due| due > at(now)));
                }
                Step::Limit(window) => ledger.limit(window),
                Step::Stop => {
                    stopped = true;
                    ledger.stop();
                }
            }
            while let Some(end) = ledger.poll_fate() {
                prop_assert!(accepted.contains(&end.id) && settled.insert(end.id));
                let written = end.tries > 0;
                match end.fate {
                    Fate::Expired | Fate::NotSent => prop_assert!(!written),
                    Fate::Unknown => {}
                    Fate::Acked | Fate::Rejected(_) => {}
                }
                fates.push(end);
            }
            let load = ledger.load();
            prop_assert_eq!(accepted.len(), settled.len() + ledger.len());
            prop_assert_eq!(ledger.len(), load.queued + load.in_flight);
            prop_assert!(ledger.len() <= bounds.messages && load.bytes <= bounds.bytes);
        }
        ledger.stop();
        while let Some(end) = ledger.poll_fate() {
            prop_assert!(settled.insert(end.id));
        }
        prop_assert_eq!(accepted, settled);
    }

    #[test]
    fn messages_go_in_the_order_in_which_they_came(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        // Without answers and deadlines in between, no later message is written before an
        // earlier one that has not been written as often.
        let mut ledger = Ledger::default();
        let mut last = None;
        for step in steps {
            match step {
                Step::Accept { class, weight } => {
                    let class = Class { proof: Proof::Answer, cut: Cut::Resend, tries: 9, ..class };
                    let _ = ledger.accept(at(0), class, weight, ());
                }
                Step::Next { .. } => {
                    if let Some((id, (), _)) = ledger.next(at(0)) {
                        prop_assert!(last.is_none_or(|last| last < id));
                        last = Some(id);
                        ledger.sent(at(0), id, Path::Socket);
                    }
                }
                Step::Cut => {
                    ledger.cut();
                    ledger.online(Continuity::Resumed);
                    last = None;
                }
                _ => {}
            }
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let class = (any::<bool>(), any::<bool>(), any::<bool>(), 1..30_u32, 1..60_u32, 1..4_u8);
    let class = class.prop_map(|(written, report, portable, within, ttl, tries)| Class {
        proof: if written { Proof::Written } else { Proof::Answer },
        cut: if report { Cut::Report } else { Cut::Resend },
        portable,
        within: Span::from_millis(within),
        ttl: Span::from_millis(ttl),
        tries,
    });
    let path = any::<bool>().prop_map(|http| if http { Path::Http } else { Path::Socket });
    let outcome = prop_oneof![
        Just(Outcome::Acked),
        Just(Outcome::Rejected(4)),
        Just(Outcome::Unknown),
        Just(Outcome::AfterToken),
        prop::option::of(0..20_u32)
            .prop_map(|after| Outcome::Retry { after: after.map(Span::from_millis) }),
    ];
    prop_oneof![
        6 => (class, 0..20_u32).prop_map(|(class, weight)| Step::Accept { class, weight }),
        6 => path.prop_map(|path| Step::Next { path }),
        4 => (0..12_u64, outcome).prop_map(|(id, outcome)| Step::Settle { id, outcome }),
        1 => Just(Step::TokenReady),
        2 => Just(Step::Cut),
        2 => prop_oneof![Just(Continuity::Fresh), Just(Continuity::Resumed)].prop_map(Step::Online),
        4 => (0..40_u64).prop_map(Step::Pass),
        1 => (0..3_u16).prop_map(Step::Limit),
        1 => Just(Step::Stop),
    ]
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}
