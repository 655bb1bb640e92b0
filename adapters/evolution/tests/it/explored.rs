//! The policies that are shipped, explored.

use redial_core::{Event, Keepalive, Phase, Policy};
use redial_evolution::{codechat, v2};
use redial_testkit::explorer::{Explorer, Extent, Report, scaled_to_small};

#[test]
fn the_seed_is_sound_in_every_state_and_no_cell_of_its_matrix_is_empty() {
    let report = explore(&codechat::POLICY);
    for (event, name) in Event::NAMES.iter().enumerate() {
        for (phase, in_phase) in Phase::NAMES.iter().enumerate() {
            assert!(report.matrix.delivered(event, phase) > 0, "{name} in {in_phase}");
        }
    }
}

#[test]
fn the_seed_without_pings_is_sound_in_every_state() {
    let mut spec = *codechat::POLICY.spec();
    spec.keepalive = Keepalive::Off;
    explore(&Policy::new(spec));
}

#[test]
fn the_namespaces_are_sound_in_every_state() {
    explore(&v2::POLICY);
    explore(&v2::POLICY_FIXED_KEY);
}

fn explore(policy: &Policy) -> Report {
    let report = Explorer::new(scaled_to_small(policy)).extent(Extent::Plain).run();
    assert!(report.is_sound(), "{report}");
    report
}
