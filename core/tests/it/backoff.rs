//! Waits: exact, grown, capped, spread, never below the floor.

use std::time::Instant;

use proptest::prelude::{any, prop_assert, proptest};
use redial_core::{Backoff, Clip, Growth, Jitter, Policy, PolicySpec, Reset, Span};

const SECOND: Span = Span::from_secs(1);

#[test]
fn a_fixed_wait_is_the_same_each_time() {
    let backoff = Backoff::fixed(Span::from_secs(10));
    for attempt in [1, 2, 100, u16::MAX] {
        for entropy in [0, u64::MAX] {
            assert_eq!(backoff.wait(attempt, entropy, SECOND), Span::from_secs(10));
        }
    }
}

#[test]
fn a_wait_that_is_cut_after_the_jitter_is_not_cut_below_the_floor() {
    let growth = exponential(100, 200, 200);
    for jitter in [Jitter::SocketIo { percent: 50 }, Jitter::Full, Jitter::Additive(SECOND)] {
        let backoff = Backoff { jitter, clip: Clip::AfterJitter, ..plain(growth) };
        for attempt in [1, 2, 3, u16::MAX] {
            for entropy in [0, 1 << 63, u64::MAX] {
                assert_eq!(backoff.wait(attempt, entropy, SECOND), SECOND, "{jitter:?}");
            }
        }
    }
}

#[test]
fn every_jitter_makes_a_policy_unless_it_is_none_at_all() {
    for (jitter, good) in [
        (Jitter::None, true),
        (Jitter::Full, true),
        (Jitter::Equal, true),
        (Jitter::Additive(Span::from_millis(1)), true),
        (Jitter::Additive(Span::ZERO), false),
        (Jitter::SocketIo { percent: 1 }, true),
        (Jitter::SocketIo { percent: 100 }, true),
        (Jitter::SocketIo { percent: 0 }, false),
        (Jitter::SocketIo { percent: 101 }, false),
    ] {
        let backoff = Backoff { jitter, ..Backoff::fixed(SECOND) };
        let policy = Policy::try_new(PolicySpec { backoff, ..PolicySpec::DEFAULT });
        assert_eq!(policy.is_ok(), good, "{jitter:?}");
    }
}

#[test]
fn an_exponential_wait_doubles_up_to_its_cap() {
    let backoff = plain(exponential(1_000, 200, 30_000));
    let waits: Vec<u32> = (1..=8).map(|attempt| millis(&backoff, attempt, 0)).collect();
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
}

#[test]
fn a_factor_below_two_is_taken_in_whole_milliseconds() {
    let backoff = plain(exponential(1_000, 150, 10_000));
    let waits: Vec<u32> = (1..=7).map(|attempt| millis(&backoff, attempt, 0)).collect();
    assert_eq!(waits, [1_000, 1_500, 2_250, 3_375, 5_062, 7_593, 10_000]);
}

#[test]
fn a_wait_too_short_for_its_percentage_grows_all_the_same() {
    let backoff = plain(exponential(1, 101, 5));
    let floor = Span::ZERO;
    let waits: Vec<u32> =
        (1..=6).map(|attempt| backoff.wait(attempt, 0, floor).as_millis()).collect();
    assert_eq!(waits, [1, 2, 3, 4, 5, 5]);
}

#[test]
fn a_linear_wait_grows_by_its_step_up_to_its_cap() {
    let backoff = plain(Growth::Linear {
        first: Span::from_secs(2),
        step: Span::from_secs(3),
        cap: Span::from_secs(10),
    });
    let waits: Vec<u32> = (1..=5).map(|attempt| millis(&backoff, attempt, 0)).collect();
    assert_eq!(waits, [2_000, 5_000, 8_000, 10_000, 10_000]);
}

#[test]
fn a_table_is_read_line_by_line_and_its_last_line_stays() {
    let waits = [1, 2, 3, 5, 8, 13, 21, 34].map(Span::from_secs);
    let backoff = plain(Growth::Table(waits));
    for (index, wait) in waits.into_iter().enumerate() {
        let attempt = u16::try_from(index).expect("eight lines") + 1;
        assert_eq!(backoff.wait(attempt, 0, SECOND), wait);
    }
    assert_eq!(backoff.wait(u16::MAX, 0, SECOND), Span::from_secs(34));
}

#[test]
fn jitter_takes_exactly_its_range() {
    let growth = Growth::Fixed(Span::from_secs(8));
    for (jitter, least, most) in [
        (Jitter::None, 8_000, 8_000),
        (Jitter::Additive(Span::from_secs(3)), 8_000, 11_000),
        (Jitter::Full, 1_000, 8_000),
        (Jitter::Equal, 4_000, 8_000),
    ] {
        let backoff = Backoff { jitter, ..plain(growth) };
        assert_eq!(millis(&backoff, 1, 0), least, "{jitter:?}");
        assert_eq!(millis(&backoff, 1, u64::MAX), most, "{jitter:?}");
    }
}

#[test]
fn no_wait_is_shorter_than_the_floor() {
    for jitter in [Jitter::None, Jitter::Full, Jitter::Equal] {
        let backoff = Backoff { jitter, ..plain(Growth::Fixed(Span::from_millis(100))) };
        assert_eq!(backoff.wait(1, 0, SECOND), SECOND);
    }
}

#[test]
fn the_floor_narrows_what_chance_draws_from_and_gathers_nobody() {
    for (jitter, whole, most) in [
        (Jitter::Additive(Span::from_millis(1_000)), 500, 1_500),
        (Jitter::Full, 2_000, 2_000),
        (Jitter::Equal, 1_500, 1_500),
    ] {
        let backoff = Backoff { jitter, ..plain(Growth::Fixed(Span::from_millis(whole))) };
        assert_eq!(millis(&backoff, 1, 0), 1_000, "{jitter:?}");
        assert_eq!(millis(&backoff, 1, u64::MAX / 2), u32::midpoint(1_000, most), "{jitter:?}");
        assert_eq!(millis(&backoff, 1, u64::MAX), most, "{jitter:?}");
    }
}

#[test]
fn clipping_first_keeps_clients_apart_at_the_cap_and_clipping_last_does_not() {
    let growth = exponential(1_000, 200, 4_000);
    let jitter = Jitter::Additive(Span::from_secs(2));
    let first = Backoff { jitter, ..plain(growth) };
    let last = Backoff { clip: Clip::AfterJitter, ..first };
    assert_eq!((millis(&first, 3, 0), millis(&first, 3, u64::MAX)), (4_000, 6_000));
    assert_eq!((millis(&last, 3, 0), millis(&last, 3, u64::MAX)), (4_000, 4_000));
    assert_eq!((millis(&last, 1, 0), millis(&last, 1, u64::MAX)), (1_000, 3_000));
}

#[test]
fn no_millisecond_holds_more_than_its_share_of_the_clients() {
    let clients = 100_000_u64;
    for jitter in [Jitter::Additive(Span::from_secs(1)), Jitter::Full, Jitter::Equal] {
        let backoff = Backoff { jitter, ..plain(exponential(2_000, 200, 30_000)) };
        for attempt in [1, 5, 50] {
            let mut buckets = [0_u32; 20];
            let least = millis(&backoff, attempt, 0);
            let range = millis(&backoff, attempt, u64::MAX) - least + 1;
            for client in 0..clients {
                let entropy = client.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let place = millis(&backoff, attempt, entropy) - least;
                buckets[(u64::from(place) * 20 / u64::from(range)) as usize] += 1;
            }
            // Twenty parts with a twentieth of the clients each.
            for count in buckets {
                assert!((4_800..=5_200).contains(&count), "{jitter:?} {attempt}: {buckets:?}");
            }
        }
    }
}

#[test]
fn extreme_numbers_saturate_and_cost_nothing() {
    let begun = Instant::now();
    for growth in [
        exponential(1, u16::MAX, u32::MAX),
        exponential(1, 101, u32::MAX),
        exponential(u32::MAX, 200, u32::MAX),
        Growth::Linear { first: Span::from_millis(1), step: Span::from_millis(1), cap: Span::MAX },
        Growth::Linear { first: SECOND, step: Span::MAX, cap: Span::MAX },
        Growth::Table([Span::MAX; 8]),
        Growth::Fixed(Span::MAX),
    ] {
        let backoff = Backoff { jitter: Jitter::Additive(Span::MAX), ..plain(growth) };
        assert!(backoff.wait(u16::MAX, u64::MAX, SECOND) >= SECOND);
        assert_eq!(backoff.wait(1, u64::MAX, Span::MAX), Span::MAX);
        let plateau = backoff.plateau();
        let at_plateau = plain(growth).wait(plateau, 0, Span::ZERO);
        assert_eq!(at_plateau, plain(growth).wait(u16::MAX, 0, Span::ZERO), "{growth:?}");
        if plateau > 1 {
            assert!(plain(growth).wait(plateau - 1, 0, Span::ZERO) < at_plateau, "{growth:?}");
        }
    }
    assert!(begun.elapsed().as_secs() < 1, "{:?}", begun.elapsed());
}

#[test]
fn the_plateau_is_the_first_longest_wait_or_the_budget() {
    let backoff = plain(exponential(1_000, 200, 30_000));
    assert_eq!(backoff.plateau(), 6);
    assert_eq!(Backoff { attempts: Some(3), ..backoff }.plateau(), 6);
    assert_eq!(Backoff { attempts: Some(9), ..backoff }.plateau(), 9);
    assert_eq!(plain(Growth::Fixed(SECOND)).plateau(), 1);
}

/// The numbers of `nexmo-client` 9.5.1: 2 s, a cap of 15 s, a factor of 0.75. A draw is given as
/// the tenths and hundredths of the reference client's random number.
#[test]
fn socket_ios_formula_is_the_reference_clients() {
    let backoff = Backoff {
        jitter: Jitter::SocketIo { percent: 75 },
        clip: Clip::AfterJitter,
        ..plain(exponential(2_000, 200, 15_000))
    };
    let draw = |hundredths: u64| u64::MAX / 100 * hundredths + u64::MAX / 1_000;
    for (attempt, hundredths, wait) in [
        // Even tenths shorten, odd ones lengthen.
        (1, 0, 1_998),
        (1, 20, 1_698),
        (1, 80, 1_000),
        (1, 10, 2_151),
        (1, 90, 3_351),
        (4, 80, 6_388),
        // 32 s less 19.2 s and more is below the cap, and only that much shortens the fifth wait.
        (5, 80, 12_776),
        (5, 60, 15_000),
        (5, 10, 15_000),
        (50, 88, 15_000),
    ] {
        let millis = millis(&backoff, attempt, draw(hundredths));
        assert!(millis.abs_diff(wait) <= 8, "{attempt} {hundredths}: {millis}");
    }
    assert_eq!(backoff.plateau(), 8);
}

proptest! {
    #[test]
    fn a_wait_lies_between_floor_and_cap_and_never_shrinks(
        first in 1_u32..100_000,
        more in 0_u32..1_000_000,
        percent in 101_u16..1_000,
        entropy in any::<u64>(),
        attempt in 1_u16..u16::MAX,
        floor in 1_u32..50_000,
    ) {
        let cap = first + more;
        let floor = Span::from_millis(floor);
        for jitter in [Jitter::None, Jitter::Full, Jitter::Equal] {
            let backoff = Backoff { jitter, ..plain(exponential(first, percent, cap)) };
            let wait = backoff.wait(attempt, entropy, floor);
            prop_assert!(wait >= floor);
            prop_assert!(wait.as_millis() <= cap.max(floor.as_millis()));
            prop_assert!(backoff.wait(attempt + 1, entropy, floor) >= wait);
        }
    }
}

fn millis(backoff: &Backoff, attempt: u16, entropy: u64) -> u32 {
    backoff.wait(attempt, entropy, SECOND).as_millis()
}

fn plain(growth: Growth) -> Backoff {
    let backoff = Backoff {
        growth,
        jitter: Jitter::None,
        clip: Clip::ThenJitter,
        attempts: None,
        reset: Reset::Online,
    };
    let spec = PolicySpec { backoff, ..PolicySpec::DEFAULT };
    Policy::try_new(spec).expect("a policy without contradictions");
    backoff
}

fn exponential(first: u32, percent: u16, cap: u32) -> Growth {
    Growth::Exponential { first: Span::from_millis(first), percent, cap: Span::from_millis(cap) }
}
