//! Each planted fault is found, by the invariant that it breaks, with a story.

use redial_core::{Backoff, Growth, Jitter, Policy, PolicySpec, Span};
use redial_testkit::explorer::{Explorer, Extent, INVARIANTS, Violation};

use crate::faulty::{Fault, Faulty};
use crate::policies::SHORT;

/// Every fault, and what finds it.
const FAULTS: [(Fault, &str); 20] = [
    (Fault::DropsTheFence, "no_action_for_dead_generation"),
    (Fault::SchedulesTwoRetries, "schedule_announced"),
    (Fault::IgnoresRetryAfter, "retry_after_respected"),
    (Fault::ForgetsTheDeadline, "pending_effect_or_deadline"),
    (Fault::DialsWithoutToken, "token_before_connect"),
    (Fault::HammersAcceptThenClose, "no_tight_loop"),
    (Fault::PingsAfterClose, "no_action_for_dead_generation"),
    (Fault::TalksAfterTheEnd, "stopped_is_silent"),
    (Fault::LosesRegenerateOnMerge, "token_before_connect"),
    (Fault::IsOnlineBeforeReady, "online_implies_ready"),
    (Fault::HasNoConnectDeadline, "pending_effect_or_deadline"),
    (Fault::DialsTwice, "one_connection"),
    (Fault::LeavesTheSocketBehind, "one_connection"),
    (Fault::AsksTwice, "one_token_request"),
    (Fault::SleepsThroughTicks, "no_overdue_deadline_after_tick"),
    (Fault::FiresWithoutTick, "clock_jump_changes_only_waiting"),
    (Fault::TalksTooMuch, "actions_bounded"),
    (Fault::PassesTheFloor, "floor_respected"),
    (Fault::IsDeafToReady, "online_reachable"),
    (Fault::WaitsAtRandom, "waits_grow"),
];

#[test]
fn each_planted_fault_is_found_by_the_invariant_that_it_breaks() {
    for (fault, invariant) in FAULTS {
        let violation = find(fault, invariant);
        println!("{fault:?} breaks {invariant}: {}\n{}", violation.what, violation.story);
        // A session that can never get online is told of from its first instant on.
        let told = !violation.story.lines().is_empty() || invariant == "online_reachable";
        assert!(told, "{fault:?} is found without a story");
    }
}

#[test]
fn each_invariant_finds_a_fault() {
    let of_graph = ["no_tight_loop", "online_reachable", "waits_grow"];
    for name in INVARIANTS.iter().map(|invariant| invariant.name).chain(of_graph) {
        assert!(FAULTS.iter().any(|(_, found)| *found == name), "{name} has no fault");
    }
}

#[test]
fn a_story_tells_the_shortest_way_to_a_fault() {
    let violation = find(Fault::LosesRegenerateOnMerge, "token_before_connect");
    let story = violation.story.to_string();
    let names: Vec<&str> = violation.story.lines().iter().map(|line| line.event.name()).collect();
    let expected = ["Connect", "TokenOffered", "Reconnect", "Closed", "Recover"];
    assert_eq!(names, expected, "{story}");
    assert!(story.contains("→ Connect"), "{story}");
}

fn find(fault: Fault, invariant: &str) -> Violation {
    let policy = if fault == Fault::WaitsAtRandom { growing() } else { SHORT };
    let explorer = Explorer::of(policy, Faulty::new(fault)).extent(Extent::Plain).limit(50_000);
    let in_a_step = INVARIANTS.iter().any(|known| known.name == invariant);
    let report = if in_a_step { explorer.until_violation().run() } else { explorer.run() };
    report
        .violation(invariant)
        .unwrap_or_else(|| panic!("{fault:?} goes unseen:\n{report}"))
        .clone()
}

/// Waits of 2, 4 and 8 ms, taken by chance from the floor on.
fn growing() -> Policy {
    let (first, cap) = (Span::from_millis(2), Span::from_millis(8));
    let growth = Growth::Exponential { first, percent: 200, cap };
    let backoff = Backoff { growth, jitter: Jitter::Full, ..Backoff::fixed(first) };
    let spec = PolicySpec { backoff, ..*SHORT.spec() };
    Policy::try_new(spec).expect("a policy without contradictions")
}
