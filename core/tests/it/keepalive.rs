//! How a dead peer is noticed, to the millisecond.

use redial_core::{
    Action, Cause, Event, Keepalive, Notice, Pace, Phase, Renew, Span, Terms, TokenUse, Wait,
};

use crate::support::{
    LIVEPERSON, Rig, at, closed, conn, inbound, liveperson_with, probe_answered, secs,
};

const PING: Action = Action::SendPing { conn: conn(1) };

#[test]
fn steady_probes_stand_on_a_grid_of_exactly_thirty_seconds_whatever_arrives() {
    let mut rig = Rig::online(&LIVEPERSON);
    let mut log = Vec::new();
    for ms in (0..=95_000).step_by(500) {
        log.extend(rig.run_to(ms));
        rig.event(ms, inbound(1));
        if log.last().is_some_and(|(at, _)| at + 2_000 == ms) {
            rig.event(ms, probe_answered(1));
        }
    }
    assert_eq!(log, [(30_000, PING), (60_000, PING), (90_000, PING)]);
}

#[test]
fn a_probe_without_answer_for_ten_seconds_is_the_end_of_the_connection() {
    let mut rig = Rig::online(&LIVEPERSON);
    assert_eq!(rig.tick(30_000), [PING]);
    assert_eq!(rig.tick(39_999), []);
    assert_eq!(rig.tick(40_000), dead(50_000, Wait::Pong));
}

#[test]
fn other_evidence_postpones_the_verdict_to_the_next_probe_and_no_further() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.tick(30_000);
    for ms in (35_000..60_000).step_by(5_000) {
        assert_eq!(rig.event(ms, inbound(1)), []);
        assert_eq!(rig.tick(ms), []);
    }
    assert_eq!(rig.timeout(), Some(60_000));
    assert_eq!(rig.tick(60_000), dead(70_000, Wait::Pong));
}

#[test]
fn evidence_that_arrives_with_the_deadline_wins() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.tick(30_000);
    rig.event(40_000, probe_answered(1));
    assert_eq!(rig.tick(40_000), []);
    assert_eq!(rig.timeout(), Some(60_000));
}

#[test]
fn a_quiet_pace_never_probes_a_busy_connection() {
    let policy = liveperson_with(|spec| {
        spec.keepalive = probe(30, 10, 1, Pace::Quiet);
        spec.token.renew = Renew::Never;
    });
    let mut rig = Rig::online(&policy);
    for ms in (0..600_000).step_by(20_000) {
        assert_eq!(rig.run_to(ms), []);
        rig.event(ms, inbound(1));
    }
    assert_eq!(rig.timeout(), Some(580_000 + 30_000));
}

#[test]
fn two_misses_send_a_second_probe_before_the_verdict() {
    let policy = liveperson_with(|spec| spec.keepalive = probe(30, 10, 2, Pace::Steady));
    let mut rig = Rig::online(&policy);
    assert_eq!(rig.tick(30_000), [PING]);
    assert_eq!(rig.tick(40_000), [PING]);
    assert_eq!(rig.tick(50_000), dead(60_000, Wait::Pong));
    let mut rig = Rig::online(&policy);
    rig.tick(30_000);
    rig.tick(40_000);
    rig.event(41_000, probe_answered(1));
    assert_eq!(rig.timeout(), Some(60_000));
}

#[test]
fn a_promised_sign_of_life_that_does_not_come_is_the_end_of_the_connection() {
    let policy = liveperson_with(|spec| spec.keepalive = Keepalive::Listen { within: secs(25) });
    let mut rig = Rig::online(&policy);
    rig.event(20_000, inbound(1));
    assert_eq!(rig.tick(44_999), []);
    assert_eq!(rig.tick(45_000), dead(55_000, Wait::Health));
}

#[test]
fn keepalive_never_acts_on_a_closed_socket() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.tick(30_000);
    rig.event(31_000, closed(1, Cause::Close(1006)));
    for ms in [35_000, 40_000, 40_999] {
        assert_eq!(rig.tick(ms), []);
    }
    assert_eq!(rig.timeout(), Some(41_000));
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(29_000, Event::Shutdown);
    assert_eq!(rig.tick(30_000), []);
    assert_eq!(rig.phase(), "Closing");
}

#[test]
fn a_process_that_slept_through_probes_sends_one() {
    let policy = liveperson_with(|spec| spec.token.renew = Renew::Never);
    let mut rig = Rig::online(&policy);
    assert_eq!(rig.tick(3_600_000), [PING]);
    assert_eq!(rig.tick(3_600_000), []);
    rig.event(3_600_000, probe_answered(1));
    assert_eq!(rig.timeout(), Some(3_630_000));
}

#[test]
fn a_late_probe_keeps_the_grid_and_one_that_is_late_by_a_whole_interval_is_not_made_up_for() {
    let policy = liveperson_with(|spec| spec.token.renew = Renew::Never);
    for (late, next) in [(35_000, 60_000), (59_999, 60_000), (60_000, 90_000), (60_001, 90_001)] {
        let mut rig = Rig::online(&policy);
        assert_eq!(rig.tick(late), [PING]);
        assert_eq!(rig.tick(late), []);
        rig.event(late, probe_answered(1));
        assert_eq!(rig.timeout(), Some(next), "after {late}");
    }
}

#[test]
fn a_network_change_probes_at_once_and_keeps_the_grid() {
    let mut rig = Rig::online(&LIVEPERSON);
    assert_eq!(rig.event(12_000, Event::NetworkChanged), [PING]);
    assert_eq!(rig.event(12_500, Event::NetworkChanged), []);
    rig.event(13_000, probe_answered(1));
    assert_eq!(rig.timeout(), Some(30_000));
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(12_000, Event::NetworkChanged);
    assert_eq!(rig.tick(22_000), dead(32_000, Wait::Pong));
}

#[test]
fn the_steady_grid_goes_on_while_a_probe_out_of_turn_is_unanswered() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(25_000, Event::NetworkChanged);
    assert_eq!(rig.tick(30_000), [PING]);
    assert_eq!(rig.tick(35_000), dead(45_000, Wait::Pong));
}

#[test]
fn a_server_announces_another_span_before_it_is_ready_or_later() {
    let keepalive = Some(probe(5, 2, 1, Pace::Steady));
    let announced =
        Event::Announced { conn: conn(1), terms: Terms { keepalive, ..Terms::default() } };
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(1_000, announced);
    assert_eq!(rig.tick(6_000), [PING]);
    assert_eq!(rig.event(6_500, announced), []);
    assert_eq!(rig.tick(8_000), dead(18_000, Wait::Pong));
}

#[test]
fn an_announced_keepalive_that_contradicts_itself_is_ignored() {
    for keepalive in [
        probe(0, 10, 1, Pace::Steady),
        probe(30, 0, 1, Pace::Quiet),
        probe(30, 10, 0, Pace::Steady),
        probe(10, 20, 1, Pace::Steady),
        Keepalive::Listen { within: Span::ZERO },
    ] {
        let terms = Terms { keepalive: Some(keepalive), ..Terms::default() };
        let mut rig = Rig::online(&LIVEPERSON);
        let before = rig.machine;
        assert_eq!(rig.event(0, Event::Announced { conn: conn(1), terms }), []);
        assert_eq!(rig.machine, before, "{keepalive:?}");
    }
}

#[test]
fn a_connection_that_the_server_retires_is_replaced_in_time() {
    let terms = Terms { retire: Some(secs(15)), ..Terms::default() };
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(1_000, Event::Announced { conn: conn(1), terms });
    assert_eq!(
        rig.tick(16_000),
        [
            Action::Close { conn: conn(1), code: Some(1000) },
            Action::Notify(Notice::Offline { conn: conn(1), cause: Cause::Replaced }),
            schedule(26_000, Cause::Replaced),
        ]
    );
}

#[test]
fn a_connection_that_is_retired_when_a_probe_is_due_is_not_probed() {
    let terms = Terms { retire: Some(secs(30)), ..Terms::default() };
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(0, Event::Announced { conn: conn(1), terms });
    assert_eq!(
        rig.tick(30_000),
        [
            Action::Close { conn: conn(1), code: Some(1000) },
            Action::Notify(Notice::Offline { conn: conn(1), cause: Cause::Replaced }),
            schedule(40_000, Cause::Replaced),
        ]
    );
}

#[test]
fn without_a_keepalive_nothing_is_ever_due() {
    let policy = liveperson_with(|spec| {
        spec.keepalive = Keepalive::Off;
        spec.token.renew = Renew::Never;
    });
    let mut rig = Rig::online(&policy);
    assert_eq!(rig.timeout(), None);
    assert_eq!(rig.event(0, Event::NetworkChanged), []);
    assert!(matches!(rig.machine.phase(), Phase::Online(_)));
}

fn dead(retry_at: u64, wait: Wait) -> [Action; 3] {
    let cause = Cause::Timeout(wait);
    [
        Action::Close { conn: conn(1), code: None },
        Action::Notify(Notice::Offline { conn: conn(1), cause }),
        schedule(retry_at, cause),
    ]
}

fn schedule(ms: u64, cause: Cause) -> Action {
    Action::ScheduleRetry { at: at(ms), attempt: 1, token: TokenUse::Keep, cause, not_before: None }
}

fn probe(interval: u32, timeout: u32, misses: u8, pace: Pace) -> Keepalive {
    Keepalive::Probe { interval: secs(interval), timeout: secs(timeout), misses, pace }
}
