//! Histories read from bytes: total, bounded, of a known distribution, and kept by every law.

use std::collections::BTreeMap;

use proptest::prelude::*;
use redial_core::{Cx, Event, Machine, Policy, Span, Timestamp};
use redial_testkit::scenario::{
    Distribution, Fault, History, Schedule, Source, bytes_of, replay, strategy,
};
use redial_testkit::{Model, Watched};

use crate::faulty::{Fault as Planted, Faulty};
use crate::policies::{EXPIRING, LIVEPERSON, RESUMING, SHORT};

#[test]
fn histories_reach_what_they_must() {
    let all = Distribution::of_seeds(0..3_000)
        .unwrap_or_else(|(seed, failed)| panic!("seed {seed}: {failed}"));
    println!("{all}");
    assert!(all.percent("online") >= 90, "{all}");
    assert!(all.percent("regained") >= 50, "{all}");
    for verdict in [
        "retry keeping the token",
        "retry with a new token",
        "suspended by the policy",
        "attempts spent",
        "stopped by the policy",
        "tokens rejected too often",
    ] {
        assert!(all.percent(verdict) >= 10, "{verdict}: {all}");
    }
}

#[test]
fn no_bytes_at_all_are_a_calm_history() {
    let history = History::decode(&[]);
    assert_eq!(history.moves, []);
    let history = History::decode(&[0; 120]);
    let played = history.play().expect("a calm history");
    assert!(played.reach.has("online"));
    assert!(!played.reach.has("regained"));
}

#[test]
fn histories_are_bounded() {
    let history = History::decode(&bytes_of(3, 1 << 20));
    assert_eq!(history.moves.len(), History::LONGEST);
    let (mean, longest) = (Span::from_secs(60), Span::from_secs(9));
    let schedule = Schedule::decode(&bytes_of(3, 1 << 20), mean, longest);
    assert_eq!(schedule.faults.len(), Schedule::LONGEST);
}

#[test]
fn every_fault_is_drawn() {
    let mut names = BTreeMap::new();
    for seed in 0..2_000 {
        let fault = Fault::decode(&mut Source::new(&bytes_of(seed, 24)), Span::from_secs(60));
        let name = format!("{fault:?}");
        let name = name.split(['(', ' ']).next().unwrap_or_default().to_owned();
        *names.entry(name).or_insert(0) += 1;
    }
    let expected = [
        "Blackhole",
        "Command",
        "Cut",
        "Down",
        "Forget",
        "HalfOpen",
        "Http",
        "Revoke",
        "Sleep",
        "Slow",
    ];
    assert_eq!(names.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    assert!(names.values().all(|count| *count >= 20), "{names:?}");
}

#[test]
fn a_seed_is_the_same_history_each_time() {
    let (first, again) = (History::of_seed(11), History::of_seed(11));
    assert_eq!(first, again);
    assert_eq!(first.play(), again.play());
    assert_ne!(first, History::of_seed(12));
}

#[test]
fn the_laws_hold_under_given_policies() {
    for policy in [LIVEPERSON, SHORT, RESUMING, EXPIRING] {
        for seed in 0..200 {
            let history = History::under(&policy, &bytes_of(seed, 250));
            history.play().unwrap_or_else(|failed| panic!("seed {seed}: {failed}"));
        }
    }
}

#[test]
fn the_model_finds_every_fault_that_is_planted() {
    // What is found may be found by an invariant first; the model alone finds each of these too.
    for fault in [
        Planted::DropsTheFence,
        Planted::IgnoresRetryAfter,
        Planted::ForgetsTheDeadline,
        Planted::DialsWithoutToken,
        Planted::HammersAcceptThenClose,
        Planted::PingsAfterClose,
        Planted::LosesRegenerateOnMerge,
        Planted::IsOnlineBeforeReady,
        Planted::HasNoConnectDeadline,
        Planted::SleepsThroughTicks,
        Planted::FiresWithoutTick,
        Planted::PassesTheFloor,
        Planted::IsDeafToReady,
        Planted::WaitsAtRandom,
    ] {
        let found = (0..400).any(|seed| disagrees(&History::of_seed(seed), fault));
        assert!(found, "{fault:?} goes unseen");
    }
}

#[test]
fn a_failure_comes_back_from_its_trace() {
    let fault = Planted::IgnoresRetryAfter;
    let (history, failed) = (0..400)
        .find_map(|seed| {
            let history = History::of_seed(seed);
            let failed = history.play_with(Faulty::new(fault)).err()?;
            Some((history, failed))
        })
        .expect("the fault is found");
    let again = replay(&history.policy, Faulty::new(fault), &failed.trace);
    assert_eq!(again, Err(failed.clone()));
    assert_eq!(replay(&history.policy, Machine::new(), &failed.trace), Ok(()));
    assert!(failed.to_string().contains(failed.breach.invariant), "{failed}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_the_laws(history in strategy::histories()) {
        if let Err(failed) = history.play() {
            return Err(TestCaseError::fail(failed.to_string()));
        }
    }

    #[test]
    fn any_bytes_are_a_history(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let history = History::decode(&bytes);
        prop_assert!(history.moves.len() <= bytes.len());
        prop_assert!(history.play().is_ok());
    }

    #[test]
    fn any_policy_stands_the_check(policy in strategy::policies()) {
        prop_assert_eq!(Policy::try_new(*policy.spec()), Ok(policy));
    }

    #[test]
    fn any_event_is_taken(
        policy in strategy::policies(),
        events in prop::collection::vec((strategy::events(), 0..40_000_u64, any::<u64>()), 1..60),
        // At the very end of time every deadline is due for ever.
        begin in prop_oneof![Just(1_000_000_u64), 0..u64::MAX - (1 << 40)],
    ) {
        let mut watched = Watched::new(&policy, Machine::new());
        let mut now = begin;
        for (event, later, entropy) in events {
            now = now.saturating_add(later);
            let cx = Cx::new(Timestamp::from_millis(now), entropy);
            if let Err(breach) = watched.handle(cx, event) {
                return Err(TestCaseError::fail(breach.to_string()));
            }
        }
    }

    #[test]
    fn any_schedule_is_bounded(
        schedule in strategy::schedules(Span::from_secs(60), Span::from_secs(9)),
    ) {
        for (pause, fault) in schedule.faults {
            prop_assert!(pause <= Span::from_secs(120));
            let within = match fault {
                Fault::Down { within, .. }
                | Fault::Blackhole { within }
                | Fault::Http { within, .. }
                | Fault::Slow { within }
                | Fault::Sleep { within } => within,
                _ => Span::ZERO,
            };
            prop_assert!(within <= Span::from_secs(9));
        }
    }

    #[test]
    fn what_is_drawn_lies_within_its_bounds(
        bytes in prop::collection::vec(any::<u8>(), 0..8),
        first in 0..5_000_u32,
        width in 0..5_000_u32,
    ) {
        let span = Source::new(&bytes).span(first, first + width).as_millis();
        prop_assert!((first..=first + width).contains(&span));
        prop_assert!(Source::new(&bytes).below(9) < 9);
    }
}

/// Plays a history with a faulty machine and a model side by side, without the invariants.
fn disagrees(history: &History, fault: Planted) -> bool {
    use redial_testkit::explorer::Subject;
    let Ok(played) = history.play() else { return false };
    let (mut faulty, mut model) = (Faulty::new(fault), Model::new());
    played.trace.iter().any(|(cx, event): &(Cx, Event)| {
        let did = Subject::handle(&mut faulty, &history.policy, *cx, *event);
        let should = model.handle(&history.policy, *cx, *event);
        did[..] != should[..] || Subject::poll_timeout(&faulty) != model.poll_timeout()
    })
}
