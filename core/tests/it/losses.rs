//! A connection is lost, once or twice, and every stale word about it is ignored.

use redial_core::{
    Action, Cause, Continuity, Event, Intent, Notice, Reason, Recovery, Rule, Rules, StopReason,
    SuspendReason, TokenUse, Verdict, Wait,
};

use crate::support::{
    LIVEPERSON, Rig, at, closed, conn, inbound, liveperson_with, secs, token, token_failed,
    token_ready,
};

const OFFLINE_1006: Action =
    Action::Notify(Notice::Offline { conn: conn(1), cause: Cause::Close(1006) });

#[test]
fn a_loss_is_followed_by_one_connect_after_exactly_ten_seconds() {
    let mut rig = Rig::online(&LIVEPERSON);
    assert_eq!(
        rig.event(3_000, closed(1, Cause::Close(1006))),
        [OFFLINE_1006, retry(13_000, 1, TokenUse::Keep, Cause::Close(1006))]
    );
    assert_eq!(rig.timeout(), Some(13_000));
    assert_eq!(rig.tick(12_999), []);
    assert_eq!(rig.tick(13_000), [connect(2, 1)]);
}

#[test]
fn the_same_loss_reported_twice_gives_one_pending_reconnect_and_regenerate_wins() {
    for (first, second) in [(1006, 4401), (4401, 1006)] {
        let mut rig = Rig::online(&LIVEPERSON);
        let actions = rig.event(0, closed(1, Cause::Close(first)));
        assert_eq!(actions.len(), 2, "{actions:?}");
        assert_eq!(rig.event(5, closed(1, Cause::Close(second))), []);
        assert_eq!(rig.timeout(), Some(10_000));
        assert_eq!(rig.tick(10_000), [regenerate(2, Reason::Rejected)]);
    }
}

#[test]
fn a_loss_reported_as_an_http_error_and_a_close_regenerates_in_either_order() {
    for (first, second) in [
        (Cause::Handshake(401), Cause::Close(1006)),
        (Cause::Close(1006), Cause::Handshake(401)),
        (Cause::Network, Cause::Close(4407)),
        (Cause::Close(1011), Cause::Network),
    ] {
        let mut rig = Rig::online(&LIVEPERSON);
        rig.event(0, closed(1, first));
        assert_eq!(rig.event(0, closed(1, second)), []);
        assert_eq!(rig.tick(10_000), [regenerate(2, Reason::Rejected)]);
    }
}

#[test]
fn a_second_report_with_retry_after_moves_the_wait_and_announces_it() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(0, closed(1, Cause::Close(1006)));
    let late =
        Event::Closed { conn: conn(1), cause: Cause::Handshake(429), retry_after: Some(secs(61)) };
    assert_eq!(
        rig.event(1_000, late),
        [Action::ScheduleRetry {
            at: at(62_000),
            attempt: 1,
            token: TokenUse::Regenerate,
            cause: Cause::Held,
            not_before: Some(at(62_000)),
        }]
    );
    assert_eq!(rig.timeout(), Some(62_000));
}

#[test]
fn rejections_count_once_for_a_loss_whichever_report_brings_them() {
    let policy = liveperson_with(|spec| spec.token.rejections = Some(1));
    for (first, second) in [(1006, 4401), (4401, 1006)] {
        let mut rig = Rig::online(&policy);
        rig.event(0, closed(1, Cause::Close(first)));
        rig.event(0, closed(1, Cause::Close(second)));
        let reason = StopReason::TokenRejected(Cause::Close(4401));
        assert_eq!(*rig.machine.phase(), redial_core::Phase::Stopped(reason));
    }
    let policy = liveperson_with(|spec| spec.token.rejections = Some(2));
    let mut rig = Rig::online(&policy);
    rig.event(0, closed(1, Cause::Close(4401)));
    rig.event(0, closed(1, Cause::Close(4407)));
    assert_eq!(rig.phase(), "Waiting");
}

#[test]
fn a_late_report_of_a_loss_does_not_cost_a_token_that_came_after_it() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(0, closed(1, Cause::Close(1006)));
    rig.event(1_000, Event::TokenOffered { resumable: true });
    assert_eq!(rig.event(2_000, closed(1, Cause::Close(4401))), []);
    assert_eq!(rig.tick(10_000), [connect(2, 1)]);
}

#[test]
fn a_token_offered_while_another_is_used_survives_the_rejection_of_that_one() {
    let mut rig = Rig::new(&LIVEPERSON);
    rig.event(0, Event::Connect);
    rig.event(0, token_ready(1));
    rig.event(0, Event::Dialing { conn: conn(1) });
    rig.event(10, Event::TokenOffered { resumable: true });
    assert_eq!(
        rig.event(20, closed(1, Cause::Handshake(401))),
        [retry(10_020, 1, TokenUse::Keep, Cause::Handshake(401))]
    );
    assert_eq!(rig.tick(10_020), [connect(2, 1)]);
}

#[test]
fn retry_after_of_a_second_report_counts_in_every_phase_that_follows_the_loss() {
    let policy = liveperson_with(|spec| spec.backoff.attempts = Some(1));
    let late =
        Event::Closed { conn: conn(1), cause: Cause::Handshake(429), retry_after: Some(secs(61)) };
    // Suspended: all attempts were spent on tokens.
    let mut rig = Rig::online(&policy);
    rig.event(0, closed(1, Cause::Close(4401)));
    rig.tick(10_000);
    rig.event(10_000, token_failed(2, 500, None));
    assert_eq!(rig.phase(), "Suspended");
    rig.event(10_000, late);
    assert_eq!(rig.event(10_001, Event::Connect), [held(71_000, 1, TokenUse::Regenerate)]);
    // Authorizing: the token comes, the dial waits.
    let mut rig = Rig::online(&policy);
    rig.event(0, closed(1, Cause::Close(4401)));
    rig.tick(10_000);
    assert_eq!(rig.phase(), "Authorizing");
    rig.event(10_000, late);
    assert_eq!(
        rig.event(10_500, token_ready(2)),
        [
            Action::Notify(Notice::Token { token: token(2), expires_in: None }),
            held(71_000, 1, TokenUse::Keep)
        ]
    );
}

#[test]
fn events_of_a_replaced_connection_change_nothing() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(0, closed(1, Cause::Close(1006)));
    rig.tick(10_000);
    rig.open(10_000, 2);
    let before = rig.machine;
    let terms = redial_core::Terms { retire: Some(secs(1)), ..Default::default() };
    for event in [
        closed(1, Cause::Close(4401)),
        closed(3, Cause::Close(4401)),
        Event::Refused { conn: conn(1), code: 1, retry_after: Some(secs(61)) },
        Event::Dialing { conn: conn(1) },
        Event::Opened { conn: conn(1) },
        Event::Announced { conn: conn(1), terms },
        Event::Ready { conn: conn(1), continuity: Continuity::Fresh },
        inbound(1),
        token_ready(1),
        token_failed(1, 401, Some(secs(61))),
        Event::TokenRejected { token: token(0) },
    ] {
        assert_eq!(rig.event(10_000, event), [], "{event:?}");
        assert_eq!(rig.machine, before, "{event:?}");
    }
}

#[test]
fn only_the_connection_that_is_being_made_can_open_and_only_once() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(0, closed(1, Cause::Close(1006)));
    rig.tick(10_000);
    assert_eq!(rig.phase(), "Connecting");
    let connecting = rig.machine;
    assert_eq!(rig.event(10_000, Event::Opened { conn: conn(1) }), []);
    assert_eq!(rig.machine, connecting);
    rig.open(10_000, 2);
    let online = rig.machine;
    assert_eq!(rig.event(10_000, Event::Opened { conn: conn(2) }), []);
    assert_eq!(rig.machine, online);
}

#[test]
fn a_handshake_401_means_a_dead_token_although_the_close_code_says_1006() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(0, closed(1, Cause::Close(1006)));
    assert_eq!(rig.tick(10_000), [connect(2, 1)]);
    rig.event(10_000, Event::Dialing { conn: conn(2) });
    assert_eq!(
        rig.event(10_100, closed(2, Cause::Handshake(401))),
        [retry(20_100, 2, TokenUse::Regenerate, Cause::Handshake(401))]
    );
    assert_eq!(rig.event(10_100, closed(2, Cause::Close(1006))), []);
    assert_eq!(rig.tick(20_100), [regenerate(2, Reason::Rejected)]);
}

#[test]
fn an_upgrade_that_never_completes_times_out_after_the_permit_not_before() {
    let mut rig = Rig::new(&LIVEPERSON);
    rig.event(0, Event::Connect);
    rig.event(0, token_ready(1));
    assert_eq!(rig.timeout(), None);
    rig.event(7_000, Event::Dialing { conn: conn(1) });
    assert_eq!(rig.tick(26_999), []);
    assert_eq!(
        rig.tick(27_000),
        [
            Action::Close { conn: conn(1), code: None },
            retry(37_000, 1, TokenUse::Keep, Cause::Timeout(Wait::Connect))
        ]
    );
}

#[test]
fn an_open_socket_that_never_becomes_ready_times_out() {
    let mut rig = Rig::new(&LIVEPERSON);
    rig.event(0, Event::Connect);
    rig.event(0, token_ready(1));
    rig.event(0, Event::Dialing { conn: conn(1) });
    rig.event(500, Event::Opened { conn: conn(1) });
    assert_eq!(
        rig.tick(10_500),
        [
            Action::Close { conn: conn(1), code: None },
            retry(20_500, 1, TokenUse::Keep, Cause::Timeout(Wait::Ready))
        ]
    );
}

#[test]
fn a_server_that_accepts_and_closes_is_not_hammered() {
    // Even where the policy retries without a wait, the floor of 1 s stands between attempts.
    let now = Recovery { delay: redial_core::Delay::Now, ..Recovery::KEEP };
    let policy = liveperson_with(|spec| spec.otherwise = Verdict::Retry(now));
    let mut rig = Rig::online(&policy);
    let mut dials = Vec::new();
    for number in 1..=20 {
        let closed_at = dials.last().copied().unwrap_or(0);
        rig.event(closed_at, closed(number, Cause::Close(1000)));
        let due = rig.timeout().expect("a retry is planned");
        assert_eq!(rig.tick(due), [connect(number + 1, 1)]);
        rig.open(due, number + 1);
        dials.push(due);
    }
    let expected: Vec<u64> = (1..=20).map(|second| second * 1_000).collect();
    assert_eq!(dials, expected);
}

#[test]
fn attempts_of_a_server_that_accepts_and_closes_grow_with_a_stable_reset() {
    let policy = liveperson_with(|spec| {
        spec.backoff.reset = redial_core::Reset::Stable(secs(60));
        spec.backoff.attempts = Some(2);
    });
    let mut rig = Rig::online(&policy);
    rig.event(0, closed(1, Cause::Network));
    assert_eq!(rig.tick(10_000), [connect(2, 1)]);
    rig.open(10_000, 2);
    rig.event(10_000, closed(2, Cause::Network));
    assert_eq!(rig.tick(20_000), [connect(3, 2)]);
    rig.open(20_000, 3);
    let reason = SuspendReason::AttemptsExhausted(Cause::Network);
    assert_eq!(
        rig.event(20_000, closed(3, Cause::Network)).as_slice().last(),
        Some(&Action::Notify(Notice::Suspended { reason }))
    );
    // Stable long enough, and the attempts count from zero again.
    let mut rig = Rig::online(&policy);
    rig.event(0, closed(1, Cause::Network));
    rig.tick(10_000);
    rig.open(10_000, 2);
    for due in [40_000, 70_000] {
        rig.run_to(due);
        rig.event(due, crate::support::probe_answered(2));
    }
    assert_eq!(rig.machine.attempts(), 0);
}

#[test]
fn a_refusal_in_band_closes_the_connection_and_is_looked_up() {
    let stop = Rule::refused(41, Verdict::Stop);
    let policy = liveperson_with(|spec| spec.rules = Rules::new(&[stop]));
    let mut rig = Rig::online(&policy);
    let refused = Event::Refused { conn: conn(1), code: 41, retry_after: None };
    let cause = Cause::Refused(41);
    assert_eq!(
        rig.event(0, refused),
        [
            Action::Close { conn: conn(1), code: Some(1000) },
            Action::Notify(Notice::Offline { conn: conn(1), cause }),
            Action::Notify(Notice::Stopped { reason: StopReason::Policy(cause) })
        ]
    );
}

#[test]
fn a_verdict_to_suspend_waits_for_the_application_and_the_floor_still_holds() {
    let suspend = Rule::close(4403, Verdict::Suspend);
    let policy = liveperson_with(|spec| spec.rules = Rules::new(&[suspend]));
    let mut rig = Rig::online(&policy);
    let cause = Cause::Close(4403);
    assert_eq!(
        rig.event(400, closed(1, cause)),
        [
            Action::Notify(Notice::Offline { conn: conn(1), cause }),
            Action::Notify(Notice::Suspended { reason: SuspendReason::Policy(cause) })
        ]
    );
    assert_eq!(rig.timeout(), None);
    assert_eq!(rig.event(600, Event::Connect), [held(1_000, 1, TokenUse::Keep)]);
    assert_eq!(rig.tick(1_000), [connect(2, 1)]);
}

#[test]
fn the_budget_of_attempts_is_spent_exactly() {
    let policy = liveperson_with(|spec| spec.backoff.attempts = Some(3));
    let mut rig = Rig::online(&policy);
    rig.event(0, closed(1, Cause::Network));
    for attempt in 1..=3_u16 {
        let due = u64::from(attempt) * 10_000;
        let number = u32::from(attempt) + 1;
        assert_eq!(rig.tick(due), [connect(number, attempt)]);
        rig.event(due, closed(number, Cause::Network));
    }
    let reason = SuspendReason::AttemptsExhausted(Cause::Network);
    assert_eq!(*rig.machine.phase(), redial_core::Phase::Suspended(reason));
    assert_eq!(rig.event(60_000, Event::Recover), [connect(5, 0)]);
}

fn retry(ms: u64, attempt: u16, token: TokenUse, cause: Cause) -> Action {
    Action::ScheduleRetry { at: at(ms), attempt, token, cause, not_before: None }
}

fn held(ms: u64, attempt: u16, token: TokenUse) -> Action {
    let not_before = (ms > 60_000).then(|| at(ms));
    Action::ScheduleRetry { at: at(ms), attempt, token, cause: Cause::Held, not_before }
}

fn connect(number: u32, attempt: u16) -> Action {
    Action::Connect { conn: conn(number), intent: Intent::Restart, attempt }
}

fn regenerate(number: u32, reason: Reason) -> Action {
    Action::RegenerateToken { token: token(number), reason }
}
