//! Histories read from bytes: total, bounded, of a known distribution, and kept by every law.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use redial_core::{Cx, Event, Machine, Policy, Span, Timestamp};
use redial_testkit::scenario::{
    Distribution, Fault, History, Schedule, Source, bytes_of, replay, strategy,
};
use redial_testkit::{Model, Watched, replay};

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
    let again = again.expect_err("the same fault");
    assert_eq!((&again.breach, &again.trace), (&failed.breach, &failed.trace));
    assert_eq!(replay(&history.policy, Machine::new(), &failed.trace), Ok(()));
    assert!(failed.to_string().contains(failed.breach.invariant), "{failed}");
}

#[test]
fn a_failing_history_names_its_seed_and_comes_back_from_its_file() {
    let fault = Planted::IgnoresRetryAfter;
    let fails = |history: History| Some((history.play_with(Faulty::new(fault)).err()?, history));
    let (failed, history) =
        (0..400).find_map(|seed| fails(History::of_seed(seed))).expect("the fault is found");
    let seed = history.seed.expect("a seed");
    assert!(failed.to_string().starts_with(&format!("seed {seed} breaks ")), "{failed}");

    let path = failed.save(&folder("seeds")).expect("a file");
    let name = format!("history-seed-{seed}-{}.trace", failed.breach.invariant);
    assert_eq!(path.file_name(), Some(name.as_ref()));
    let read = History::load(&path).expect("a history");
    assert_eq!(read, history);
    assert_eq!(read.play_with(Faulty::new(fault)), Err(failed.clone()));
    assert!(read.play().is_ok());

    // It is a trace like every other: decided again, explained, and turned into a test.
    let text = std::fs::read(&path).expect("a file");
    let verified = replay::verify(text.as_slice()).expect("the same decisions");
    assert_eq!((verified.steps, verified.cut), (failed.trace.len() as u64, false));
    let replay = replay::Replay::new(text.as_slice()).expect("a trace");
    assert_eq!(replay.header().history.as_deref(), failed.origin.as_ref());
    let test = replay::to_test(replay).expect("a test");
    assert_eq!(test.matches("(Cx::new(").count(), failed.trace.len());
}

#[test]
fn a_history_of_bytes_under_a_policy_comes_back_from_its_file_too() {
    let fault = Planted::IgnoresRetryAfter;
    let fails = |history: History| Some((history.play_with(Faulty::new(fault)).err()?, history));
    let (failed, history) = (0..400)
        .find_map(|seed| fails(History::under(&LIVEPERSON, &bytes_of(seed, 9_000))))
        .expect("the fault is found");
    assert!(failed.to_string().starts_with("bytes "), "{failed}");
    let path = failed.save(&folder("bytes")).expect("a file");
    let name = format!("history-{}.trace", failed.breach.invariant);
    assert_eq!(path.file_name(), Some(name.as_ref()));
    assert_eq!(History::load(&path).expect("a history"), history);
    // What lies behind the last move is not a part of it.
    assert!(history.bytes.len() < 9_000);
}

#[test]
fn a_property_test_that_fails_leaves_the_trace_of_its_shortest_history() {
    let folder = folder("shrunk");
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let found = runner.run(&strategy::histories(), |history| {
        let played = history.play_with(Faulty::new(Planted::IgnoresRetryAfter));
        strategy::judge(played, &folder).map(drop)
    });
    let Err(TestError::Fail(reason, shortest)) = found else { panic!("{found:?}") };
    let (_, path) = reason.message().rsplit_once("\ntrace: ").expect("it says where");
    assert!(Path::new(path).starts_with(&folder), "{path}");
    assert_eq!(History::load(Path::new(path)).expect("a history"), shortest);
}

#[test]
fn a_trace_of_no_history_is_refused_by_name() {
    let refuse = |text: &str| History::read(text.as_bytes()).expect_err("no history").to_string();
    let mut recorded = Vec::new();
    replay::Writer::new(&mut recorded, &LIVEPERSON, &Machine::new()).expect("a trace");
    let plain = String::from_utf8(recorded).expect("text");
    assert_eq!(refuse(&plain), "line 1: not of a history");
    let history = r#","history":{"seed":null,"bytes":"0g","invariant":"x"}}"#;
    let broken = format!("{}{history}\n", &plain[..plain.len() - 2]);
    assert!(refuse(&broken).starts_with("line 1: no policy and machine of this release"));
    for bytes in ["0", "é0", "0é"] {
        assert!(refuse(&broken.replace("0g", bytes)).starts_with("line 1: "), "{bytes}");
    }
    assert!(History::read(broken.replace("0g", "0aFf").as_bytes()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_the_laws(history in strategy::histories()) {
        strategy::judge(history.play(), folder("laws"))?;
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

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("histories").join(name)
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
