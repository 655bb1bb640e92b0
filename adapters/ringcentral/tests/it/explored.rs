//! The policy that is shipped, explored.

use redial_core::{Event, Growth, Jitter, Phase, Policy, Span};
use redial_ringcentral::POLICY;
use redial_testkit::explorer::{Explorer, Extent, Report, scaled_to_small};

#[test]
fn the_policy_is_sound_in_every_state_and_no_cell_of_its_matrix_is_empty() {
    let mut spec = *POLICY.spec();
    // Every step of the table is a dimension of its own; two of them show the same.
    let step = Span::from_secs(4);
    let first = Span::from_millis(500);
    // So is every span that no other equals.
    spec.backoff.jitter = Jitter::Additive(first);
    spec.backoff.growth = Growth::Table([first, step, step, step, step, step, step, step]);
    let report = explore(&Policy::new(spec));
    for (event, name) in Event::NAMES.iter().enumerate() {
        for (phase, in_phase) in Phase::NAMES.iter().enumerate() {
            assert!(report.matrix.delivered(event, phase) > 0, "{name} in {in_phase}");
        }
    }
}

fn explore(policy: &Policy) -> Report {
    let report = Explorer::new(scaled_to_small(policy)).extent(Extent::Plain).run();
    assert!(report.is_sound(), "{report}");
    report
}
