//! What a server asked for, what the policy's floor asks for, and what the application may do
//! about a wait.

use redial_core::{
    Action, Cause, Delay, Event, Intent, Machine, Notice, Reason, Recovery, Rule, Rules,
    StopReason, SuspendReason, TokenUse, Verdict, Wait,
};

use crate::support::{
    LIVEPERSON, Rig, at, closed, conn, liveperson_with, secs, token, token_failed, token_ready,
};

#[test]
fn retry_after_of_61_s_moves_the_wait_of_10_s_exactly() {
    let mut rig = Rig::online(&LIVEPERSON);
    let cause = Cause::Handshake(503);
    let closed = Event::Closed { conn: conn(1), cause, retry_after: Some(secs(61)) };
    assert_eq!(
        rig.event(500, closed),
        [
            Action::Notify(Notice::Offline { conn: conn(1), cause }),
            Action::ScheduleRetry {
                at: at(61_500),
                attempt: 1,
                token: TokenUse::Regenerate,
                cause,
                not_before: Some(at(61_500)),
            }
        ]
    );
    assert_eq!(rig.tick(61_499), []);
    assert_eq!(rig.tick(61_500), [regenerate(2, Reason::Policy)]);
}

#[test]
fn a_login_answered_with_429_waits_as_long_as_the_server_says() {
    let mut rig = Rig::new(&LIVEPERSON);
    rig.event(0, Event::Connect);
    let cause = Cause::Http { step: 0, status: 429 };
    assert_eq!(
        rig.event(0, token_failed(1, 429, Some(secs(61)))),
        [Action::ScheduleRetry {
            at: at(61_000),
            attempt: 1,
            token: TokenUse::Regenerate,
            cause,
            not_before: Some(at(61_000)),
        }]
    );
    assert_eq!(rig.tick(61_000), [regenerate(2, Reason::Start)]);
}

#[test]
fn a_shorter_retry_after_never_shortens_the_wait() {
    let mut rig = Rig::online(&LIVEPERSON);
    let cause = Cause::Handshake(503);
    rig.event(0, Event::Closed { conn: conn(1), cause, retry_after: Some(secs(3)) });
    assert_eq!(rig.timeout(), Some(10_000));
}

#[test]
fn without_attempts_a_loss_suspends_and_a_rejected_token_is_forgotten_all_the_same() {
    let policy = liveperson_with(|spec| spec.backoff.attempts = Some(0));
    for (cause, token) in [(Cause::Network, true), (Cause::Close(4401), false)] {
        let mut rig = Rig::online(&policy);
        let reason = SuspendReason::AttemptsExhausted(cause);
        assert_eq!(
            rig.event(500, closed(1, cause)),
            [
                Action::Notify(Notice::Offline { conn: conn(1), cause }),
                Action::Notify(Notice::Suspended { reason }),
            ]
        );
        let again = rig.event(5_000, Event::Connect);
        assert_eq!(matches!(again[0], Action::Connect { attempt: 0, .. }), token, "{again:?}");
    }
}

#[test]
fn retry_after_is_bounded_by_the_policy() {
    let policy = liveperson_with(|spec| spec.retry_after_max = secs(120));
    let mut rig = Rig::online(&policy);
    let cause = Cause::Handshake(503);
    rig.event(0, Event::Closed { conn: conn(1), cause, retry_after: Some(secs(999_999)) });
    assert_eq!(rig.timeout(), Some(120_000));
}

#[test]
fn recover_cannot_pass_retry_after_nor_the_floor() {
    let mut rig = Rig::online(&LIVEPERSON);
    let cause = Cause::Close(1006);
    rig.event(0, Event::Closed { conn: conn(1), cause, retry_after: Some(secs(61)) });
    for event in [Event::Recover, Event::NetworkChanged] {
        assert_eq!(rig.event(5_000, event), []);
        assert_eq!(rig.timeout(), Some(61_000));
    }
    assert_eq!(rig.event(61_000, Event::Recover), [connect(2, 1)]);
    // The attempt began at 61.0 s, so the floor ends at 62.0 s.
    rig.event(61_200, closed(2, Cause::Close(1006)));
    assert_eq!(rig.event(61_300, Event::Recover), [held(62_000, 2)]);
    assert_eq!(rig.event(61_400, Event::Recover), []);
    assert_eq!(rig.tick(62_000), [connect(3, 2)]);
}

#[test]
fn recover_ends_a_wait_at_once_and_spends_its_attempt() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(5_000, closed(1, Cause::Close(1006)));
    assert_eq!(rig.event(6_000, Event::Recover), [connect(2, 1)]);
    assert_eq!(rig.event(6_000, Event::Recover), []);
}

#[test]
fn a_throttled_session_neither_logs_in_nor_dials_nor_renews() {
    let throttled = Event::Throttled { within: secs(61) };
    let mut rig = Rig::new(&LIVEPERSON);
    rig.event(0, throttled);
    assert_eq!(rig.event(0, Event::Connect), [at_retry_after(61_000, 1, TokenUse::Regenerate)]);

    let mut rig = Rig::new(&LIVEPERSON);
    rig.event(0, Event::Connect);
    rig.event(0, throttled);
    assert_eq!(
        rig.event(100, token_ready(1)),
        [
            Action::Notify(Notice::Token { token: token(1), expires_in: None }),
            at_retry_after(61_000, 1, TokenUse::Keep),
        ]
    );

    let mut rig = Rig::online(&LIVEPERSON);
    answer_probes(&mut rig, 290_000);
    rig.event(290_000, throttled);
    let log = answer_probes(&mut rig, 360_000);
    let renewals: Vec<_> =
        log.iter().filter(|(_, action)| !matches!(action, Action::SendPing { .. })).collect();
    assert_eq!(renewals, [&(351_000, Action::RenewToken { token: token(2) })]);
}

#[test]
fn a_second_throttle_lengthens_a_wait_and_never_shortens_it() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(0, closed(1, Cause::Network));
    let throttled = |span| Event::Throttled { within: secs(span) };
    assert_eq!(rig.event(0, throttled(5)), []);
    assert_eq!(rig.event(0, throttled(20)), [at_retry_after(20_000, 1, TokenUse::Keep)]);
    assert_eq!(rig.event(0, throttled(15)), []);
    assert_eq!(rig.timeout(), Some(20_000));
}

#[test]
fn shutdown_in_a_wait_stops_at_once_and_for_good() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(0, closed(1, Cause::Network));
    let reason = StopReason::Requested;
    assert_eq!(rig.event(1_000, Event::Shutdown), [Action::Notify(Notice::Stopped { reason })]);
    assert_eq!(rig.timeout(), None);
    for event in [Event::Tick, Event::Connect, Event::Recover, closed(1, Cause::Network)] {
        assert_eq!(rig.event(20_000, event), []);
    }
}

#[test]
fn shutdown_says_goodbye_to_a_living_connection_and_waits_for_the_end() {
    let goodbye = Action::Close { conn: conn(1), code: Some(1000) };
    let offline = Action::Notify(Notice::Offline { conn: conn(1), cause: Cause::Requested });
    let stopped = Action::Notify(Notice::Stopped { reason: StopReason::Requested });
    let mut rig = Rig::online(&LIVEPERSON);
    assert_eq!(rig.event(0, Event::Shutdown), [goodbye, offline]);
    assert_eq!(rig.event(0, Event::Shutdown), []);
    assert_eq!(rig.event(100, closed(1, Cause::Close(1000))), [stopped]);

    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(0, Event::Shutdown);
    assert_eq!(rig.tick(4_999), []);
    assert_eq!(rig.tick(5_000), [Action::Close { conn: conn(1), code: None }, stopped]);
}

#[test]
fn a_refusal_while_closing_does_not_leave_the_socket_behind() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(0, Event::Shutdown);
    let refused = Event::Refused { conn: conn(1), code: 41, retry_after: None };
    assert_eq!(rig.event(100, refused), []);
    assert_eq!(rig.phase(), "Closing");
}

#[test]
fn shutdown_before_the_socket_is_open_drops_it() {
    let mut rig = Rig::new(&LIVEPERSON);
    rig.event(0, Event::Connect);
    rig.event(0, token_ready(1));
    let stopped = Action::Notify(Notice::Stopped { reason: StopReason::Requested });
    assert_eq!(
        rig.event(0, Event::Shutdown),
        [Action::Close { conn: conn(1), code: None }, stopped]
    );
}

#[test]
fn a_reconnect_during_a_wait_announces_the_attempt_that_follows() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(0, closed(1, Cause::Network));
    rig.tick(10_000);
    rig.event(10_000, closed(2, Cause::Network));
    rig.event(10_100, Event::Recover);
    assert_eq!(rig.timeout(), Some(11_000));
    let reconnect = Event::Reconnect { token: TokenUse::Keep };
    assert_eq!(rig.event(10_200, reconnect), [held(11_000, 1)]);
    assert_eq!(rig.event(10_300, reconnect), []);
    assert_eq!(rig.tick(11_000), [connect(3, 1)]);
}

#[test]
fn a_reconnect_replaces_the_connection_with_the_token_that_was_asked_for() {
    let goodbye = Action::Close { conn: conn(1), code: Some(1000) };
    let offline = Action::Notify(Notice::Offline { conn: conn(1), cause: Cause::Requested });
    let mut rig = Rig::online(&LIVEPERSON);
    let keep = Event::Reconnect { token: TokenUse::Keep };
    assert_eq!(rig.event(5_000, keep), [goodbye, offline, connect(2, 0)]);
    let mut rig = Rig::online(&LIVEPERSON);
    let regenerate_token = Event::Reconnect { token: TokenUse::Regenerate };
    assert_eq!(
        rig.event(5_000, regenerate_token),
        [goodbye, offline, regenerate(2, Reason::Policy)]
    );
}

#[test]
fn a_delay_of_the_rule_holds_where_the_server_names_none() {
    let recovery = Recovery { delay: Delay::AtLeast(secs(30)), ..Recovery::KEEP };
    let rule = Rule::close(4429, Verdict::Retry(recovery));
    let policy = liveperson_with(|spec| spec.rules = Rules::new(&[rule]));
    let mut rig = Rig::online(&policy);
    rig.event(0, closed(1, Cause::Close(4429)));
    assert_eq!(rig.timeout(), Some(30_000));
    let mut rig = Rig::online(&policy);
    let cause = Cause::Close(4429);
    rig.event(0, Event::Closed { conn: conn(1), cause, retry_after: Some(secs(12)) });
    assert_eq!(rig.timeout(), Some(12_000));
}

#[test]
fn a_token_that_does_not_come_in_time_is_a_failed_attempt() {
    let mut rig = Rig::new(&LIVEPERSON);
    rig.event(0, Event::Connect);
    assert_eq!(
        rig.tick(30_000),
        [Action::ScheduleRetry {
            at: at(40_000),
            attempt: 1,
            token: TokenUse::Regenerate,
            cause: Cause::Timeout(Wait::Token),
            not_before: None,
        }]
    );
    assert_eq!(rig.event(30_500, token_ready(1)), [], "an answer that nobody waits for");
}

#[test]
fn a_clock_that_runs_backwards_stands_still() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(20_000, closed(1, Cause::Network));
    let before = rig.machine;
    assert_eq!(rig.tick(0), []);
    assert_eq!(rig.machine, before);
    assert_eq!(rig.event(1_000, Event::Throttled { within: secs(61) }).len(), 1);
    assert_eq!(rig.timeout(), Some(81_000), "61 s after the latest time that was seen");
}

#[test]
fn the_last_instant_of_time_does_no_harm() {
    let mut machine = Machine::new();
    let cx = redial_core::Cx::new(redial_core::Timestamp::MAX, u64::MAX);
    for event in [Event::Connect, token_ready(1), Event::Dialing { conn: conn(1) }, Event::Tick] {
        machine.handle(&LIVEPERSON, cx, event);
    }
    assert_eq!(machine.phase().name(), "Connecting");
}

/// Ticks up to `ms` and answers each probe at once.
fn answer_probes(rig: &mut Rig, ms: u64) -> Vec<(u64, Action)> {
    let mut log = Vec::new();
    while let Some(due) = rig.timeout().filter(|due| *due <= ms) {
        for action in rig.tick(due).as_slice() {
            log.push((due, *action));
            if let Action::SendPing { .. } = action {
                rig.event(due, crate::support::probe_answered(1));
            }
        }
    }
    log
}

fn at_retry_after(ms: u64, attempt: u16, token: TokenUse) -> Action {
    let not_before = Some(at(ms));
    Action::ScheduleRetry { at: at(ms), attempt, token, cause: Cause::Held, not_before }
}

fn held(ms: u64, attempt: u16) -> Action {
    let token = TokenUse::Keep;
    Action::ScheduleRetry { at: at(ms), attempt, token, cause: Cause::Held, not_before: None }
}

#[test]
fn without_retries_every_loss_waits_for_the_application_and_a_recovery_is_one_attempt() {
    let policy = LIVEPERSON.manual();
    let mut rig = Rig::online(&policy);
    let cause = Cause::Close(1006);
    let reason = SuspendReason::AttemptsExhausted(cause);
    let suspended = Action::Notify(Notice::Suspended { reason });
    assert_eq!(
        rig.event(5_000, closed(1, cause)),
        [Action::Notify(Notice::Offline { conn: conn(1), cause }), suspended]
    );
    assert_eq!(rig.timeout(), None);
    assert_eq!(rig.event(9_000, Event::Recover), [connect(2, 0)]);
    // Whoever asks again meanwhile changes nothing.
    assert_eq!(rig.event(9_001, Event::Recover), []);
    assert_eq!(rig.event(9_500, closed(2, cause)), [suspended]);
    assert_eq!(rig.timeout(), None);
}

#[test]
fn without_retries_a_rejected_token_is_given_up_all_the_same() {
    let policy = LIVEPERSON.manual();
    let mut rig = Rig::online(&policy);
    rig.event(5_000, closed(1, Cause::Close(4401)));
    assert_eq!(rig.timeout(), None);
    assert_eq!(rig.event(9_000, Event::Recover), [regenerate(2, Reason::Rejected)]);
}

fn connect(number: u32, attempt: u16) -> Action {
    Action::Connect { conn: conn(number), intent: Intent::Restart, attempt }
}

fn regenerate(number: u32, reason: Reason) -> Action {
    Action::RegenerateToken { token: token(number), reason }
}
