//! The policies that are shipped, explored.

use redial_core::{Event, Growth, Keepalive, Phase, Policy, Resume, Span};
use redial_testkit::explorer::{Explorer, Extent, Report, scaled_to_small};
use redial_vonage::{LONG_PAUSE, POLICY, POLICY_SDK};

#[test]
fn the_seed_is_sound_in_every_state_and_no_cell_of_its_matrix_is_empty() {
    let report = explore(&POLICY, 1);
    for (event, name) in Event::NAMES.iter().enumerate() {
        for (phase, in_phase) in Phase::NAMES.iter().enumerate() {
            assert!(report.matrix.delivered(event, phase) > 0, "{name} in {in_phase}");
        }
    }
}

#[test]
fn todays_sdk_is_sound_in_every_state() {
    explore(&POLICY_SDK, 1);
}

#[test]
fn without_automatic_attempts_it_is_sound_in_every_state() {
    explore(&POLICY, 0);
}

/// Five attempts are a dimension of their own; fewer show the same. Spans whose order says nothing
/// are made equal, so that the exploration ends in a test's time.
fn explore(policy: &Policy, attempts: u16) -> Report {
    let mut spec = *policy.spec();
    let minute = LONG_PAUSE;
    spec.backoff.attempts = Some(attempts);
    spec.backoff.growth = Growth::Fixed(Span::from_secs(1));
    spec.timeouts.connect = spec.timeouts.ready;
    spec.timeouts.close = spec.timeouts.ready;
    spec.keepalive = Keepalive::Listen { within: minute };
    spec.resume = Resume::Within(minute);
    spec.retry_after_max = minute;
    let report = Explorer::new(scaled_to_small(&Policy::new(spec))).extent(Extent::Plain).run();
    assert!(report.is_sound(), "{report}");
    report
}
