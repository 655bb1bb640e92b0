//! Random histories: what the exploration takes for granted.

use std::cell::Cell;

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, proptest,
};
use proptest::test_runner::TestRunner;
use redial_core::{
    Action, Cause, ConnId, Continuity, Cx, Event, Evidence, Liveness, Machine, Phase, Policy,
    PolicySpec, Renew, Renewal, Resumable, Resume, Span, Terms, Timestamp, Token, TokenId,
    TokenUse,
};
use redial_testkit::explorer::{Alphabet, Explorer, Extent, named_spans, scaled_to_small};

use crate::policies::{EXPIRING, LIVEPERSON, RESUMING, SHORT};
use crate::shipped;

/// One step, in words that mean the same to every machine.
#[derive(Clone, Copy, Debug)]
struct Move {
    what: u8,
    which: u8,
    late: u8,
    entropy: u64,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// A canonical session behaves as the one that it stands for.
    #[test]
    fn the_canonical_form_is_sound(
        moves in moves(60),
        policy in prop::sample::select(explored()),
    ) {
        let mut real = Machine::new();
        let mut now = Timestamp::from_millis(1_700_000_000_000);
        for step in moves {
            let mut canonical = real.canonical(&policy);
            now = now + time(step, &real, now);
            let shift = now.since(real.now());
            let cx = Cx::new(now, step.entropy);
            let known = real.now() != Timestamp::ZERO;
            let canonical_now = if known { Machine::ORIGIN + shift } else { Machine::ORIGIN };
            let canonical_cx = Cx::new(canonical_now, step.entropy);
            let spans = |at: u8| span(&policy, at);
            let expected = real.handle(&policy, cx, event(step, &real, spans));
            let event = event(step, &canonical, spans);
            let actions = canonical.handle(&policy, canonical_cx, event);
            prop_assert_eq!(names(&actions), names(&expected), "{:?}", event);
            prop_assert_eq!(canonical.canonical(&policy), real.canonical(&policy), "{:?}", event);
        }
    }

    /// A session that another process restores, whatever was under way, waits for the floors and
    /// gets online again; one that is over stays over.
    #[test]
    fn a_restored_session_gets_online_again(
        moves in moves(40),
        policy in prop::sample::select(vec![LIVEPERSON, SHORT, RESUMING, EXPIRING]),
        gap in 0_u32..100_000,
    ) {
        let mut machine = Machine::new();
        let mut now = Timestamp::from_millis(1_000_000);
        for step in moves {
            now = now + time(step, &machine, now);
            let spans = |at: u8| span(&policy, at);
            let event = event(step, &machine, spans);
            machine.handle(&policy, Cx::new(now, step.entropy), event);
        }
        let floors = machine.not_before().max(machine.pace());
        now = now + Span::from_millis(gap);
        let mut machine = machine.restore(&policy, now);
        let over = matches!(machine.phase(), Phase::Stopped(_));
        let asleep = matches!(machine.phase(), Phase::Idle | Phase::Suspended(_));
        prop_assert_eq!(machine.live_conn(), None);
        prop_assert_eq!(machine.pending_token(), None);
        let waits = matches!(machine.phase(), Phase::Waiting { .. });
        prop_assert!(over || asleep || waits);
        machine.handle(&policy, Cx::new(now, 0), Event::Connect);
        for _ in 0..12 {
            if let Some(token) = machine.pending_token() {
                prop_assert!(now >= floors, "an attempt before the floors have passed");
                let ready = Event::TokenReady { token, expires_in: None, resumable: true };
                machine.handle(&policy, Cx::new(now, 0), ready);
            } else if let Some(conn) = machine.live_conn() {
                machine.handle(&policy, Cx::new(now, 0), Event::Opened { conn });
                let ready = Event::Ready { conn, continuity: Continuity::Fresh };
                machine.handle(&policy, Cx::new(now, 0), ready);
            }
            if matches!(machine.phase(), Phase::Online(_)) {
                break;
            }
            now = machine.poll_timeout().map_or(now, |due| due.max(now));
            machine.handle(&policy, Cx::new(now, 0), Event::Tick);
        }
        prop_assert_eq!(machine.phase().name(), if over { "Stopped" } else { "Online" });
    }

    /// No history, however odd, makes a machine panic or overflow.
    #[test]
    fn any_event_at_any_time_is_taken(
        steps in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u8>()), 1..80),
        policy in prop::sample::select(vec![LIVEPERSON, SHORT, RESUMING, EXPIRING]),
    ) {
        let alphabet = Alphabet::new(&policy, Extent::Full);
        let mut machine = Machine::new();
        for (now, entropy, which) in steps {
            let event = alphabet.events()[usize::from(which) % alphabet.events().len()];
            machine.handle(&policy, Cx::new(Timestamp::from_millis(now), entropy), event);
            let restored = machine.restore(&policy, Timestamp::from_millis(entropy));
            prop_assert_eq!(machine.canonical(&policy).now(), restored.canonical(&policy).now());
        }
    }
}

/// A scaled policy does the same in the same order, as long as time passes by deadlines and the
/// deadlines come in the same order: where a short span fits into a long one another number of
/// times, the two part, and the comparison ends.
#[test]
fn a_policy_scaled_to_small_numbers_behaves_as_the_real_one() {
    let (steps, compared) = (Cell::new(0_u32), Cell::new(0_u32));
    let mut all = vec![LIVEPERSON, patient(), renewing()];
    all.extend(shipped::policies().into_iter().map(|(_, policy)| policy));
    let policies = prop::sample::select(all);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&(moves(40), policies), |(moves, policy)| {
        steps.set(steps.get() + u32::try_from(moves.len()).expect("short histories"));
        let small = scaled_to_small(&policy);
        let start = Timestamp::from_millis(1_000_000);
        let (mut real, mut scaled) = (Machine::new(), Machine::new());
        let (mut real_now, mut scaled_now) = (start, start);
        for step in moves {
            let (event, scaled_event) = if step.what.is_multiple_of(4) {
                real_now = real.poll_timeout().map_or(real_now, |due| due.max(real_now));
                scaled_now = scaled.poll_timeout().map_or(scaled_now, |due| due.max(scaled_now));
                (Event::Tick, Event::Tick)
            } else {
                (
                    event(step, &real, |at| span(&policy, at)),
                    event(step, &scaled, |at| span(&small, at)),
                )
            };
            if outlook(&real, &policy, real_now) != outlook(&scaled, &small, scaled_now) {
                break;
            }
            let expected = real.handle(&policy, Cx::new(real_now, step.entropy), event);
            let actions = scaled.handle(&small, Cx::new(scaled_now, step.entropy), scaled_event);
            prop_assert_eq!(unmoved(&actions), unmoved(&expected), "{:?}", event);
            prop_assert_eq!(real.phase().name(), scaled.phase().name());
            compared.set(compared.get() + 1);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|what| panic!("{what}"));
    let share = compared.get() * 100 / steps.get();
    assert!(share >= 50, "only {share} % of the steps were compared");
}

#[test]
fn scaling_keeps_the_order_of_the_spans() {
    for policy in [LIVEPERSON, patient(), renewing(), SHORT, RESUMING, EXPIRING] {
        let (real, small) = (named_spans(&policy), named_spans(&scaled_to_small(&policy)));
        assert_eq!(real.len(), small.len());
        for (a, b) in real.iter().zip(&small) {
            assert_eq!(a.0, b.0);
            for (c, d) in real.iter().zip(&small) {
                assert_eq!(a.1.cmp(&c.1), b.1.cmp(&d.1), "{} and {}", a.0, c.0);
            }
        }
    }
}

#[test]
fn scaling_leaves_room_for_the_probes_of_a_steady_pace() {
    let mut spec = *LIVEPERSON.spec();
    spec.keepalive = redial_core::Keepalive::Probe {
        interval: Span::from_secs(30),
        timeout: Span::from_secs(10),
        misses: 3,
        pace: redial_core::Pace::Steady,
    };
    let policy = Policy::try_new(spec).expect("three times ten fit into thirty");
    let small = scaled_to_small(&policy);
    assert!(Explorer::new(small).extent(Extent::Plain).limit(2_000).run().violations.is_empty());
}

/// What is due, and in which order.
fn outlook(machine: &Machine, policy: &Policy, now: Timestamp) -> Vec<&'static str> {
    let mut due: Vec<(Timestamp, &'static str)> = Vec::new();
    if let Phase::Online(online) = machine.phase() {
        match online.liveness {
            Liveness::Off => {}
            Liveness::Quiet { probe_at } => due.push((probe_at, "probe")),
            Liveness::Probing { probe_at, deadline, .. } => {
                due.extend([(probe_at, "probe"), (deadline, "verdict")]);
            }
            Liveness::Listening { deadline } => due.push((deadline, "verdict")),
        }
        match online.renewal {
            Renewal::None | Renewal::Running { deadline: None, .. } => {}
            Renewal::At { at, .. } | Renewal::Running { deadline: Some(at), .. } => {
                due.push((at, "renewal"));
            }
        }
        due.extend(online.retire.map(|at| (at, "retire")));
        due.extend(online.stable_at.map(|at| (at, "stable")));
    } else {
        let window = match machine.resumable() {
            Resumable::Until(at) => Some(at),
            Resumable::No | Resumable::Always => None,
        };
        due.extend(window.map(|at| (at, "window")));
        let phase = match machine.phase() {
            Phase::Authorizing { deadline } | Phase::Connecting { deadline } => *deadline,
            Phase::Waiting { until: at }
            | Phase::Starting { deadline: at, .. }
            | Phase::Closing { deadline: at } => Some(*at),
            Phase::Idle | Phase::Online(_) | Phase::Suspended(_) | Phase::Stopped(_) => None,
        };
        due.extend(phase.map(|at| (at, "phase")));
    }
    let margin = match policy.spec().token.renew {
        Renew::Before(span) | Renew::BeforeDial(span) => span,
        Renew::Never | Renew::Every(_) => Span::ZERO,
    };
    if let Token::Held { expires_at: Some(at), .. } = machine.token() {
        due.push((at.minus(margin), "expiry"));
    }
    due.push((machine.not_before(), "retry after"));
    due.push((machine.pace(), "floor"));
    // What has passed is no longer told apart.
    due.iter_mut().for_each(|(at, _)| *at = (*at).max(now));
    due.sort_unstable();
    let mut order = Vec::new();
    for (place, (at, name)) in due.iter().enumerate() {
        let together = place > 0 && due[place - 1].0 == *at;
        order.push(if *at == now || together { "and" } else { "then" });
        order.push(name);
    }
    order
}

/// Returns the event of a move with the names that this machine has given.
fn event(step: Move, machine: &Machine, span: impl Fn(u8) -> Span) -> Event {
    let conn = match step.which % 8 {
        0 => ConnId::new(machine.newest_conn().get().wrapping_sub(1)),
        _ => machine.newest_conn(),
    };
    let token = match (step.which % 8, machine.token()) {
        (0, _) => TokenId::new(machine.newest_token().get().wrapping_sub(9)),
        (1, Token::Held { token, .. }) => token,
        _ => machine.newest_token(),
    };
    let some = (step.which % 4 == 3).then(|| span(step.late));
    let loss = [Cause::Close(1006), Cause::Close(4401), Cause::Handshake(401), Cause::Network];
    let refusal = [Cause::Http { step: 0, status: 401 }, Cause::Network];
    match step.what % 24 {
        0 | 4 | 8 | 12 | 16 | 20 => Event::Tick,
        1 => Event::Connect,
        2 => Event::Recover,
        3 => Event::Reconnect {
            token: if step.which.is_multiple_of(2) { TokenUse::Keep } else { TokenUse::Regenerate },
        },
        5 if step.which.is_multiple_of(4) => Event::Renew,
        5 => Event::NetworkChanged,
        6 if step.which.is_multiple_of(16) => Event::Shutdown,
        6 | 7 => Event::TokenReady { token, expires_in: some, resumable: step.which > 64 },
        9 => Event::TokenOffered { resumable: step.which > 64 },
        10 => Event::TokenFailed {
            token,
            cause: refusal[usize::from(step.which / 8) % 2],
            retry_after: some,
        },
        11 => Event::TokenRejected { token },
        13 => Event::Dialing { conn },
        14 | 21 => Event::Opened { conn },
        15 => Event::Announced { conn, terms: Terms::default() },
        17 | 22 => Event::Ready { conn, continuity: Continuity::Fresh },
        18 => Event::Ack {
            conn,
            evidence: if step.which > 128 { Evidence::Probe } else { Evidence::Inbound },
        },
        19 => Event::Refused { conn, code: 1, retry_after: some },
        23 if step.which > 192 => Event::Throttled { within: span(step.late) },
        _ => {
            Event::Closed { conn, cause: loss[usize::from(step.which / 8) % 4], retry_after: some }
        }
    }
}

/// Returns how long it takes until the move happens: nothing, the way to the deadline, or odd.
fn time(step: Move, machine: &Machine, now: Timestamp) -> Span {
    let due = machine.poll_timeout().map_or(Span::ZERO, |due| due.since(now));
    match step.late % 4 {
        0 | 1 => Span::ZERO,
        2 => due,
        _ => Span::from_millis(due.as_millis().saturating_add(u32::from(step.late))),
    }
}

fn span(policy: &Policy, at: u8) -> Span {
    let spans = named_spans(policy);
    spans[usize::from(at) % spans.len()].1
}

/// Leaves out where the end of a wait was moved to: whether it had to be is a matter of numbers.
fn unmoved(actions: &[Action]) -> Vec<String> {
    let mut names = names(actions);
    names.retain(|name| !(name.starts_with("ScheduleRetry") && name.ends_with("Held")));
    names
}

fn names(actions: &[Action]) -> Vec<String> {
    actions
        .iter()
        .map(|action| match action {
            // Attempts are counted up to the plateau of the backoff, and further where it matters not.
            Action::Connect { intent, .. } => format!("Connect {intent:?}"),
            Action::ScheduleRetry { token, cause, .. } => {
                format!("ScheduleRetry {token:?} {cause:?}")
            }
            Action::RegenerateToken { reason, .. } => format!("RegenerateToken {reason:?}"),
            Action::Close { code, .. } => format!("Close {code:?}"),
            Action::RenewToken { .. } => "RenewToken".to_owned(),
            Action::SendPing { .. } => "SendPing".to_owned(),
            Action::Notify(notice) => {
                let text = format!("{notice:?}");
                text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
            }
        })
        .collect()
}

fn moves(most: usize) -> impl Strategy<Value = Vec<Move>> {
    let step = (any::<u8>(), any::<u8>(), any::<u8>(), any::<u64>());
    let step = step.prop_map(|(what, which, late, entropy)| Move { what, which, late, entropy });
    // Half of the steps go the way to an open session, or few histories would get there.
    let way = [1_u8, 7, 13, 14, 17].map(|what| Move { what, which: 255, late: 0, entropy: 0 });
    let begin = prop_oneof_empty_or(way.to_vec());
    (begin, prop::collection::vec(step, 1..most)).prop_map(|(mut begin, rest)| {
        begin.extend(rest);
        begin
    })
}

fn prop_oneof_empty_or(way: Vec<Move>) -> impl Strategy<Value = Vec<Move>> {
    proptest::prop_oneof![Just(Vec::new()), Just(way)]
}

/// Growing waits with a budget, and a window for the old session.
fn patient() -> Policy {
    let mut spec = PolicySpec::DEFAULT;
    spec.backoff.attempts = Some(5);
    spec.resume = Resume::Within(Span::from_secs(120));
    Policy::try_new(spec).expect("a policy without contradictions")
}

/// Tokens that are renewed before they expire.
fn renewing() -> Policy {
    let mut spec = *LIVEPERSON.spec();
    spec.token.renew = Renew::Before(Span::from_secs(60));
    Policy::try_new(spec).expect("a policy without contradictions")
}

/// What differs in everything, and what is shipped.
fn explored() -> Vec<Policy> {
    let mut all = vec![LIVEPERSON, SHORT, RESUMING, EXPIRING];
    all.extend(shipped::policies().into_iter().map(|(_, policy)| policy));
    all
}
