//! Clients that fail together come back apart, and the check sees those that do not.

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use redial_core::{
    Backoff, Cause, Clip, Delay, Growth, Jitter, Policy, PolicySpec, Recovery, Rule, Rules, Span,
    Verdict, When,
};
use redial_testkit::jitter::{self, Fleet, Herd};

use crate::policies;
use crate::shipped;

const SECOND: Span = Span::from_secs(1);

#[test]
fn the_default_policy_draws_every_wait_the_first_and_the_longest_too() {
    let spread = jitter::check(&Policy::new(PolicySpec::DEFAULT)).expect("jitter everywhere");
    let attempts: Vec<u16> = spread.attempts().collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5, 6, 7, 8]);
    for (attempt, least, most) in [(1, 1_000, 2_000), (2, 2_000, 4_000), (8, 15_000, 30_000)] {
        let waits = spread.waits(attempt);
        assert!(waits[0] >= least && waits[0] < least + least / 20, "{}", waits[0]);
        let last = waits[waits.len() - 1];
        assert!(last <= most && last > most - most / 20, "{last}");
    }
}

#[test]
fn a_policy_without_jitter_is_a_herd() {
    for growth in [Growth::Fixed(Span::from_secs(10)), doubling(2, 30)] {
        let policy = policy(growth, Jitter::None, Clip::ThenJitter);
        assert!(!jitter::is_jittered(&policy));
        let herd = jitter::check(&policy).expect_err("everybody waits the same time");
        let Herd::TooMany { attempt: 1, peak, .. } = herd else { panic!("{herd}") };
        assert_eq!(peak.clients, peak.of);
    }
    let herd = jitter::check(&policies::LIVEPERSON).expect_err("ten seconds for everybody");
    let text = "attempt 1: 4000 of 4000 clients wait 10000 to 10009 ms; 5.0 % may";
    assert_eq!(herd.to_string(), text);
}

#[test]
fn a_cap_that_cuts_the_jitter_gathers_clients_at_the_cap_and_nowhere_before() {
    let late = policy(doubling(2, 16), Jitter::Additive(SECOND), Clip::AfterJitter);
    let herd = jitter::check(&late).expect_err("everybody waits for the cap");
    assert!(matches!(herd, Herd::TooMany { attempt: 4, .. }), "{herd}");
    let mut spec = *late.spec();
    spec.backoff.attempts = Some(3);
    jitter::check(&Policy::new(spec)).expect("the budget ends before the cap");
    let first = policy(doubling(2, 16), Jitter::Additive(SECOND), Clip::ThenJitter);
    jitter::check(&first).expect("jitter beyond the cap");
}

#[test]
fn a_floor_that_leaves_no_room_gathers_clients_at_the_first_retry() {
    let policy = policy(doubling(1, 16), Jitter::Equal, Clip::ThenJitter);
    let herd = jitter::check(&policy).expect_err("half a second to a second, and a floor of one");
    assert!(matches!(herd, Herd::TooMany { attempt: 1, .. }), "{herd}");
}

#[test]
fn a_cause_that_befalls_all_at_once_is_not_answered_at_once() {
    let now = Verdict::Retry(Recovery { delay: Delay::Now, ..Recovery::KEEP });
    let with = |rule: Rule| {
        let rules = Rules::new(&[rule]);
        jitter::check(&Policy::new(PolicySpec { rules, ..PolicySpec::DEFAULT }))
    };
    for cause in jitter::COMMON {
        let when = match cause {
            Cause::Close(code) => When::Close(code, code),
            Cause::Handshake(status) => When::Handshake(status, status),
            Cause::Timeout(wait) => When::Timeout(wait),
            _ => When::Network,
        };
        assert_eq!(with(Rule::new(when, now)), Err(Herd::AtOnce { cause }));
    }
    // What one client is told is a matter of that client.
    with(Rule::close(4401, now)).expect("one client is not a herd");
    let herd = Herd::AtOnce { cause: Cause::Close(1012) };
    let text = "after Close(1012), which befalls all clients at once, nobody waits";
    assert_eq!(herd.to_string(), text);
}

#[test]
fn jitter_of_a_tenth_of_a_second_is_none() {
    let growth = Growth::Fixed(Span::from_secs(10));
    let with = |millis: u32| {
        jitter::check(&policy(
            growth,
            Jitter::Additive(Span::from_millis(millis)),
            Clip::ThenJitter,
        ))
    };
    assert!(with(100).is_err());
    assert!(with(400).is_ok());
}

#[test]
fn a_policy_that_never_draws_a_wait_is_told_so() {
    let spec = PolicySpec { otherwise: Verdict::Stop, ..PolicySpec::DEFAULT };
    assert_eq!(jitter::check(&Policy::new(spec)), Err(Herd::NothingDrawn));
}

#[test]
fn a_policy_that_only_draws_after_rare_failures_is_judged_all_the_same() {
    let keep = Verdict::Retry(Recovery::KEEP);
    let rules = Rules::new(&[Rule::handshake(503, keep)]);
    let backoff = Backoff::fixed(Span::from_secs(5));
    let spec = PolicySpec { rules, otherwise: Verdict::Stop, backoff, ..PolicySpec::DEFAULT };
    assert!(matches!(jitter::check(&Policy::new(spec)), Err(Herd::TooMany { attempt: 1, .. })));
}

#[test]
fn draws_are_even_for_every_seed() {
    let even = [
        policy(doubling(2, 30), Jitter::Full, Clip::ThenJitter),
        policy(doubling(2, 30), Jitter::Equal, Clip::ThenJitter),
        policy(doubling(2, 30), Jitter::Additive(SECOND), Clip::ThenJitter),
        policy(Growth::Fixed(Span::from_millis(1_500)), Jitter::Equal, Clip::ThenJitter),
    ];
    for (policy, seed) in even.iter().flat_map(|policy| (1..=4).map(move |seed| (policy, seed))) {
        let fleet = Fleet { clients: 20_000, seed, ..Fleet::default() };
        let spread = fleet.fail(policy);
        for attempt in spread.attempts() {
            let measured = spread.chi_square(attempt, PARTS);
            assert!(is_even(measured), "seed {seed}, attempt {attempt}: {measured}");
        }
    }
}

#[test]
fn uneven_draws_are_seen() {
    // A third of the range is cut off and gathers at the cap.
    let growth = Growth::Table(
        [10_000, 12_000, 12_000, 12_000, 12_000, 12_000, 12_000, 12_000].map(Span::from_millis),
    );
    let policy = policy(growth, Jitter::Additive(Span::from_secs(3)), Clip::AfterJitter);
    let spread = Fleet { clients: 20_000, ..Fleet::default() }.fail(&policy);
    let measured = spread.chi_square(1, PARTS);
    assert!(measured > 10_000.0, "{measured}");
}

#[test]
fn waits_that_grow_for_ever_are_judged_at_their_longest_too() {
    let growth =
        Growth::Linear { first: Span::from_secs(2), step: SECOND, cap: Span::from_secs(3_000) };
    let gathered = policy(growth, Jitter::Additive(SECOND), Clip::AfterJitter);
    let fleet = Fleet { clients: 200, ..Fleet::default() };
    let herd = fleet.check(&gathered).expect_err("everybody waits for the cap");
    assert!(matches!(herd, Herd::TooMany { attempt: 3_002, .. }), "{herd}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Whatever grows how, half a second of jitter above the floor keeps clients apart.
    #[test]
    fn jittered_policies_keep_their_clients_apart(
        growth in growth(), jitter in drawn(), attempts in prop::option::of(1_u16..20), seed: u64,
    ) {
        let mut spec = *policy(growth, jitter, Clip::ThenJitter).spec();
        spec.backoff.attempts = attempts;
        let fleet = Fleet { clients: 2_000, seed, ..Fleet::default() };
        let spread = fleet.check(&Policy::new(spec));
        prop_assert!(spread.is_ok(), "{}", spread.expect_err("a herd"));
        let spread = spread.expect("checked");
        prop_assert_eq!(spread.attempts().next(), Some(1));
    }

    /// The same seed gives the same waits, and no wait is shorter than the floor.
    #[test]
    fn a_fleet_is_repeated_by_its_seed(growth in growth(), jitter in drawn(), seed in any::<u64>()) {
        let policy = policy(growth, jitter, Clip::ThenJitter);
        let fleet = Fleet { clients: 50, seed, ..Fleet::default() };
        let spread = fleet.fail(&policy);
        prop_assert_eq!(&spread, &fleet.fail(&policy));
        prop_assert!(spread.attempts().all(|attempt| spread.waits(attempt)[0] >= 1_000));
    }
}

/// Waits that leave chance at least half a second above the floor of one second.
fn growth() -> impl Strategy<Value = Growth> {
    let first = || (2_000_u32..20_000).prop_map(Span::from_millis);
    let longer = |first: Span, more: u32| Span::from_millis(first.as_millis() + more);
    prop_oneof![
        first().prop_map(Growth::Fixed),
        (first(), 101_u16..400, 0_u32..200_000).prop_map(move |(first, percent, more)| {
            Growth::Exponential { first, percent, cap: longer(first, more) }
        }),
        (first(), 500_u32..20_000, 0_u32..200_000).prop_map(move |(first, step, more)| {
            Growth::Linear { first, step: Span::from_millis(step), cap: longer(first, more) }
        }),
        prop::array::uniform8(2_000_u32..200_000).prop_map(|mut waits| {
            waits.sort_unstable();
            Growth::Table(waits.map(Span::from_millis))
        }),
    ]
}

fn drawn() -> impl Strategy<Value = Jitter> {
    let additive = (500_u32..60_000).prop_map(|millis| Jitter::Additive(Span::from_millis(millis)));
    prop_oneof![additive, Just(Jitter::Full), Just(Jitter::Equal)]
}

fn doubling(first: u32, cap: u32) -> Growth {
    Growth::Exponential { first: Span::from_secs(first), percent: 200, cap: Span::from_secs(cap) }
}

fn policy(growth: Growth, jitter: Jitter, clip: Clip) -> Policy {
    let backoff = Backoff { growth, jitter, clip, ..PolicySpec::DEFAULT.backoff };
    Policy::new(PolicySpec { backoff, floor: SECOND, ..PolicySpec::DEFAULT })
}

/// The parts of the range; 49 degrees of freedom.
const PARTS: u32 = 50;

/// Even draws leave this range once in some hundred thousand times; too even is not even either.
fn is_even(measured: f64) -> bool {
    (15.0..105.0).contains(&measured)
}

#[test]
fn what_is_shipped_with_jitter_keeps_its_clients_apart() {
    for (name, policy) in shipped::policies() {
        let judged = jitter::check(&policy);
        let expected = if !jitter::is_jittered(&policy) {
            // The vendor's own documents want the same wait for everybody.
            Some(1)
        } else if policy == redial_vonage::POLICY_SDK {
            // The official Socket.IO clients cut the jitter off at the cap.
            Some(4)
        } else if policy == redial_evolution::v2::POLICY {
            Some(3)
        } else {
            None
        };
        match (judged, expected) {
            (Ok(_), None) => {}
            (Err(Herd::TooMany { attempt, .. }), Some(at)) => assert_eq!(attempt, at, "{name}"),
            (Ok(_), Some(_)) => panic!("{name} draws its waits now"),
            (Err(herd), _) => panic!("{name}: {herd}"),
        }
    }
}
