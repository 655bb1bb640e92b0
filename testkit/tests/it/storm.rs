//! A fleet that loses its server, under the real machine.

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use redial_core::{Backoff, Growth, Jitter, Policy, PolicySpec, Span};
use redial_testkit::scenario::strategy;
use redial_testkit::storm::Storm;

const NAIVE: Policy =
    Policy::new(PolicySpec { backoff: Backoff::fixed(Span::from_secs(5)), ..PolicySpec::DEFAULT });
const DEFAULT: Policy = Policy::new(PolicySpec::DEFAULT);
const STORM: Storm = Storm { clients: 1_000, outage_s: 30, capacity: 100, seed: 7 };

#[test]
fn clients_that_wait_alike_come_in_waves_that_can_be_counted_by_hand() {
    // All dial at 5, 10, 15 ... s. Up to 25 s everybody is refused: 5 times 1,000. From 30 s on
    // each wave loses 100 clients: 1,000, 900, ... 100 dials, so the last are back at 75 s.
    let aftermath = STORM.run(&NAIVE);
    assert_eq!((aftermath.back, aftermath.gave_up), (1_000, 0));
    assert_eq!((aftermath.peak, aftermath.peak_after), (1_000, 1_000));
    assert_eq!(aftermath.connects, 5 * 1_000 + (1..=10).map(|wave| wave * 100).sum::<u64>());
    assert_eq!(aftermath.wasted, aftermath.connects - 1_000);
    assert_eq!(aftermath.half, Some(50_000));
    assert_eq!((aftermath.most, aftermath.nearly), (Some(70_000), Some(75_000)));
    assert_eq!(aftermath.all, Some(75_000));
    assert_eq!(aftermath.returns.len(), 1_000);
}

#[test]
fn the_server_never_takes_more_than_it_can() {
    for policy in [NAIVE, DEFAULT] {
        let aftermath = STORM.run(&policy);
        assert!(aftermath.returns.iter().all(|at| *at >= 30_000));
        let mut seconds = [0; 200];
        aftermath.returns.iter().for_each(|at| seconds[*at as usize / 1000] += 1);
        assert!(seconds.iter().all(|count| *count <= 100), "{seconds:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_policy_stands_a_storm(policy in strategy::policies(), seed in any::<u64>()) {
        let aftermath = Storm { clients: 5, outage_s: 20, capacity: 2, seed }.run(&policy);
        prop_assert!(aftermath.back + aftermath.gave_up <= 5, "{aftermath:?}");
        prop_assert!(aftermath.returns.iter().all(|at| *at >= 20_000), "{aftermath:?}");
        prop_assert_eq!(aftermath.back as usize, aftermath.returns.len());
    }
}

#[test]
fn chance_keeps_the_fleet_apart_and_the_seed_repeats_it() {
    let (first, again) = (STORM.run(&DEFAULT), STORM.run(&DEFAULT));
    assert_eq!(first, again);
    assert_ne!(first, Storm { seed: 8, ..STORM }.run(&DEFAULT));
    let naive = STORM.run(&NAIVE);
    assert!(first.peak_after * 4 < naive.peak_after, "{first:?}");
    assert!(first.wasted < naive.wasted, "{first:?}");
}

#[test]
fn those_whose_attempts_are_spent_are_not_back() {
    let backoff = Backoff { attempts: Some(3), ..Backoff::fixed(Span::from_secs(5)) };
    let policy = Policy::new(PolicySpec { backoff, ..PolicySpec::DEFAULT });
    let aftermath = STORM.run(&policy);
    assert_eq!((aftermath.back, aftermath.gave_up), (0, 1_000));
    assert_eq!((aftermath.connects, aftermath.wasted), (3_000, 3_000));
    assert_eq!((aftermath.half, aftermath.all), (None, None));
    // An outage that is over before they are spent brings all back that the server has room for.
    let short = Storm { outage_s: 10, capacity: 600, ..STORM };
    let aftermath = short.run(&policy);
    assert_eq!((aftermath.back, aftermath.gave_up), (1_000, 0));
    let narrow = Storm { outage_s: 10, capacity: 100, ..STORM };
    let aftermath = narrow.run(&policy);
    assert_eq!((aftermath.back, aftermath.gave_up), (200, 800));
    assert_eq!((aftermath.half, aftermath.all), (None, None));
}

#[test]
fn a_storm_without_an_outage_and_one_without_end_are_storms_too() {
    let calm = Storm { outage_s: 0, clients: 1, ..STORM };
    assert_eq!(calm.run(&NAIVE).all, Some(5_000));
    let rare = Backoff {
        growth: Growth::Fixed(Span::MAX),
        jitter: Jitter::None,
        ..Backoff::fixed(Span::from_secs(1))
    };
    let policy = Policy::new(PolicySpec { backoff: rare, ..PolicySpec::DEFAULT });
    let aftermath = calm.run(&policy);
    assert_eq!((aftermath.back, aftermath.gave_up, aftermath.all), (0, 0, None));
}
