//! The policy that is shipped, explored.

use redial_core::{Event, Phase, Policy};
use redial_liveperson::{POLICY, POLICY_BACKOFF};
use redial_testkit::explorer::{Explorer, Extent, Report, scaled_to_small};

#[test]
fn the_seed_is_sound_in_every_state_and_no_cell_of_its_matrix_is_empty() {
    let report = explore(&POLICY);
    for (event, name) in Event::NAMES.iter().enumerate() {
        for (phase, in_phase) in Phase::NAMES.iter().enumerate() {
            assert!(report.matrix.delivered(event, phase) > 0, "{name} in {in_phase}");
        }
    }
}

#[test]
fn the_vendors_backoff_is_sound_in_every_state() {
    // Thirty-five attempts are a dimension of their own; three show the same.
    let mut spec = *POLICY_BACKOFF.spec();
    spec.backoff.attempts = Some(3);
    explore(&Policy::new(spec));
}

fn explore(policy: &Policy) -> Report {
    let report = Explorer::new(scaled_to_small(policy)).extent(Extent::Plain).run();
    assert!(report.is_sound(), "{report}");
    report
}
