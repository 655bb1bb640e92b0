//! Tokens: reused, renewed, rejected, spent, and the old session that may not survive them.

use redial_core::{
    Action, Cause, Cx, Event, Intent, Notice, Phase, Policy, Reason, Renew, Resumable, Resume,
    StopReason, Terms, Token,
};

use crate::support::{
    LIVEPERSON, Rig, at, closed, conn, liveperson_with, secs, token, token_failed, token_ready,
};

#[test]
fn a_token_is_reused_until_it_is_rejected() {
    let mut rig = Rig::online(&LIVEPERSON);
    for number in 1..=5 {
        let ms = u64::from(number) * 20_000;
        rig.event(ms, closed(number, Cause::Close(1006)));
        assert_eq!(rig.tick(ms + 10_000), [connect(number + 1, Intent::Restart, 1)]);
        rig.open(ms + 10_000, number + 1);
    }
}

#[test]
fn a_token_is_renewed_every_five_minutes_beside_the_connection() {
    let policy = quiet(Renew::Every(secs(300)));
    let mut rig = Rig::online(&policy);
    assert_eq!(rig.tick(299_999), []);
    assert_eq!(rig.tick(300_000), [Action::RenewToken { token: token(2) }]);
    assert_eq!(
        rig.event(301_000, token_ready(2)),
        [Action::Notify(Notice::Token { token: token(2), expires_in: None })]
    );
    assert_eq!(rig.tick(601_000), [Action::RenewToken { token: token(3) }]);
}

#[test]
fn a_token_is_renewed_before_it_expires() {
    let policy = quiet(Renew::Before(secs(60)));
    let mut rig = Rig::new(&policy);
    rig.event(0, Event::Connect);
    rig.event(0, expiring(1, 600));
    rig.open(0, 1);
    assert_eq!(rig.timeout(), Some(540_000));
    assert_eq!(rig.tick(540_000), [Action::RenewToken { token: token(2) }]);
}

#[test]
fn a_token_that_lives_hardly_longer_than_the_margin_is_renewed_at_half_of_its_life() {
    let policy = quiet(Renew::Before(secs(3_600)));
    for life in [40, 3_600, 3_610, 7_200, 8_000] {
        let mut rig = Rig::new(&policy);
        rig.event(0, Event::Connect);
        rig.event(0, expiring(1, 9_000));
        rig.open(0, 1);
        assert_eq!(rig.tick(5_400_000), [Action::RenewToken { token: token(2) }]);
        rig.event(5_400_000, expiring(2, life));
        let half = u64::from(life).saturating_sub(3_600).max(u64::from(life / 2));
        assert_eq!(rig.timeout(), Some(5_400_000 + half * 1_000), "a life of {life} s");
    }
}

#[test]
fn a_token_about_to_expire_is_replaced_before_a_dial_unless_it_is_fresh() {
    let policy = quiet(Renew::Before(secs(60)));
    let mut rig = Rig::new(&policy);
    rig.event(0, Event::Connect);
    assert_eq!(
        rig.event(0, expiring(1, 30)).as_slice().last(),
        Some(&connect(1, Intent::Restart, 0)),
        "the local clock never refuses a fresh token"
    );
    rig.event(1_000, closed(1, Cause::Network));
    assert_eq!(rig.tick(11_000), [regenerate(2, Reason::Expiring)]);
}

#[test]
fn a_refused_renewal_gets_one_regeneration_at_once_and_then_waits() {
    let policy = quiet(Renew::Every(secs(300)));
    let mut rig = Rig::online(&policy);
    rig.tick(300_000);
    assert_eq!(
        rig.event(300_100, token_failed(2, 401, None)),
        [failed(2, 401), regenerate(3, Reason::Rejected)]
    );
    assert_eq!(rig.event(300_200, token_failed(3, 401, None)), [failed(3, 401)]);
    assert_eq!(rig.timeout(), Some(310_200));
    assert_eq!(rig.tick(310_200), [regenerate(4, Reason::Rejected)]);
    assert!(matches!(rig.machine.phase(), Phase::Online(_)));
}

#[test]
fn a_refused_renewal_with_retry_after_regenerates_when_the_server_allows() {
    let policy = quiet(Renew::Every(secs(300)));
    let mut rig = Rig::online(&policy);
    rig.tick(300_000);
    assert_eq!(rig.event(300_000, token_failed(2, 429, Some(secs(61)))), [failed(2, 429)]);
    assert_eq!(rig.tick(360_999), []);
    assert_eq!(rig.tick(361_000), [regenerate(3, Reason::Rejected)]);
}

#[test]
fn a_renewal_that_is_put_off_is_due_when_the_server_allows_and_not_before() {
    let policy = quiet(Renew::Every(secs(300)));
    let mut rig = Rig::online(&policy);
    rig.event(0, Event::Throttled { within: secs(400) });
    assert_eq!(rig.timeout(), Some(400_000));
    assert_eq!(rig.tick(399_999), []);
    assert_eq!(rig.tick(400_000), [Action::RenewToken { token: token(2) }]);
    // What was asked for is over at this very instant.
    rig.event(401_000, Event::Throttled { within: secs(4) });
    assert_eq!(
        rig.event(405_000, token_failed(2, 401, None)),
        [failed(2, 401), regenerate(3, Reason::Rejected)]
    );
}

#[test]
fn a_token_is_used_again_until_it_is_within_the_margin() {
    let policy = quiet(Renew::Before(secs(30)));
    for (lost, action) in [
        (59_999, connect(2, Intent::Restart, 1)),
        (60_000, regenerate(2, Reason::Expiring)),
        (60_001, regenerate(2, Reason::Expiring)),
    ] {
        let mut rig = Rig::new(&policy);
        rig.event(0, Event::Connect);
        rig.event(0, expiring(1, 100));
        rig.open(0, 1);
        rig.event(lost, closed(1, Cause::Network));
        assert_eq!(rig.tick(lost + 10_000), [action], "lost at {lost}");
    }
}

#[test]
fn a_token_that_is_not_renewed_can_have_a_margin_before_a_dial() {
    let policy = quiet(Renew::BeforeDial(secs(30)));
    for (lost, action) in [
        (59_999, connect(2, Intent::Restart, 1)),
        (60_000, regenerate(2, Reason::Expiring)),
        (200_000, regenerate(2, Reason::Expiring)),
    ] {
        let mut rig = Rig::new(&policy);
        rig.event(0, Event::Connect);
        let expires_in = Some(secs(100));
        let told = Action::Notify(Notice::Token { token: token(1), expires_in });
        assert!(rig.event(0, expiring(1, 100)).as_slice().contains(&told), "as the server said");
        rig.open(0, 1);
        assert_eq!(rig.timeout(), None, "nothing is done while the connection lives");
        rig.event(lost, closed(1, Cause::Network));
        assert_eq!(rig.tick(lost + 10_000), [action], "lost at {lost}");
    }
}

#[test]
fn only_a_connection_counts_as_a_rejection_of_its_token_and_only_where_it_says_so() {
    let policy = liveperson_with(|spec| spec.token.rejections = Some(9));
    for (cause, rejections) in [
        (Cause::Close(4401), 1),
        (Cause::Handshake(401), 1),
        (Cause::Handshake(500), 0),
        (Cause::Http { step: 0, status: 401 }, 0),
        (Cause::Http { step: 0, status: 500 }, 0),
    ] {
        let mut rig = Rig::online(&policy);
        rig.event(0, closed(1, cause));
        assert_eq!(rig.machine.rejections(), rejections, "{cause:?}");
    }
}

#[test]
fn a_renewal_without_an_answer_is_tried_again_later() {
    let policy = quiet(Renew::Every(secs(300)));
    let mut rig = Rig::online(&policy);
    rig.tick(300_000);
    let cause = Cause::Timeout(redial_core::Wait::Token);
    let notice = Action::Notify(Notice::TokenFailed { token: token(2), cause });
    assert_eq!(rig.tick(330_000), [notice]);
    assert_eq!(rig.tick(340_000), [Action::RenewToken { token: token(3) }]);
}

#[test]
fn a_renewal_that_is_asked_for_begins_at_once_and_once() {
    let policy = quiet(Renew::Every(secs(300)));
    let mut rig = Rig::online(&policy);
    assert_eq!(rig.event(5_000, Event::Renew), [Action::RenewToken { token: token(2) }]);
    assert_eq!(rig.event(5_000, Event::Renew), [], "one is under way");
    rig.event(5_100, token_ready(2));
    // The floor holds for it as for every other.
    assert_eq!(rig.event(5_200, Event::Renew), []);
    assert_eq!(rig.timeout(), Some(6_000));
    assert_eq!(rig.tick(6_000), [Action::RenewToken { token: token(3) }]);
    // What the failure of the one before has planned comes earlier, and stays what it is.
    rig.event(6_100, token_failed(3, 401, None));
    assert_eq!(rig.event(6_200, token_failed(4, 401, None)), [failed(4, 401)]);
    assert_eq!(rig.event(9_000, Event::Renew), [regenerate(5, Reason::Rejected)]);
}

#[test]
fn a_renewal_is_a_matter_of_a_session_that_is_online() {
    let mut rig = Rig::new(&LIVEPERSON);
    let story = [
        Event::Connect,
        token_ready(1),
        Event::Dialing { conn: conn(1) },
        Event::Opened { conn: conn(1) },
        Event::Shutdown,
        closed(1, Cause::Close(1000)),
    ];
    for event in story {
        assert_eq!(rig.event(0, Event::Renew), [], "{}", rig.phase());
        rig.event(0, event);
    }
    assert_eq!(rig.event(0, Event::Renew), []);
    let mut waiting = Rig::online(&LIVEPERSON);
    waiting.event(0, closed(1, Cause::Network));
    assert_eq!(waiting.event(0, Event::Renew), []);
}

#[test]
fn a_side_call_that_finds_the_token_dead_renews_it_once_without_a_cut() {
    let mut rig = Rig::online(&LIVEPERSON);
    let rejected = Event::TokenRejected { token: token(1) };
    assert_eq!(rig.event(5_000, rejected), [regenerate(2, Reason::Rejected)]);
    assert_eq!(rig.event(5_000, rejected), []);
    rig.event(5_500, token_ready(2));
    assert_eq!(rig.event(6_000, rejected), [], "the outdated token is not news");
    assert!(matches!(rig.machine.token(), Token::Held { token: held, .. } if held == token(2)));
}

#[test]
fn a_renewal_that_times_out_within_the_floor_waits_for_the_floor() {
    let policy = liveperson_with(|spec| {
        spec.keepalive = redial_core::Keepalive::Off;
        spec.token.renew = Renew::Every(secs(300));
        spec.timeouts.token = Some(secs(2));
        spec.floor = secs(5);
        spec.otherwise = redial_core::Verdict::Retry(redial_core::Recovery::REGENERATE);
    });
    let mut rig = Rig::online(&policy);
    assert_eq!(rig.tick(300_000), [Action::RenewToken { token: token(2) }]);
    let cause = Cause::Timeout(redial_core::Wait::Token);
    assert_eq!(rig.tick(302_000), [Action::Notify(Notice::TokenFailed { token: token(2), cause })]);
    assert_eq!(rig.timeout(), Some(305_000));
    assert_eq!(rig.tick(305_000), [regenerate(3, Reason::Rejected)]);
}

/// Found by a random history: the wait that chance makes may be nothing at all.
#[test]
fn a_renewal_that_would_end_another_session_waits_for_the_floor() {
    let policy = liveperson_with(|spec| {
        spec.keepalive = redial_core::Keepalive::Off;
        spec.token.renew = Renew::Never;
        spec.timeouts.token = Some(secs(20));
        spec.floor = secs(5);
        spec.backoff.jitter = redial_core::Jitter::Full;
        spec.rules = redial_core::Rules::new(&[]);
        spec.otherwise = redial_core::Verdict::Suspend;
    });
    let mut rig = Rig::online(&policy);
    let rejected = Event::TokenRejected { token: token(1) };
    assert_eq!(rig.event(100_000, rejected), [regenerate(2, Reason::Rejected)]);
    let cause = Cause::Timeout(redial_core::Wait::Token);
    assert_eq!(rig.tick(120_000), [Action::Notify(Notice::TokenFailed { token: token(2), cause })]);
    assert_eq!(rig.timeout(), Some(125_000));
}

#[test]
fn a_connection_lost_during_a_regeneration_does_not_go_on_with_the_dead_token() {
    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(5_000, Event::TokenRejected { token: token(1) });
    rig.event(5_100, closed(1, Cause::Network));
    assert_eq!(rig.event(5_200, token_ready(2)), [], "that request died with the connection");
    assert_eq!(rig.tick(15_100), [regenerate(3, Reason::Rejected)]);
}

#[test]
fn a_single_use_token_is_spent_when_the_connection_opens_and_not_before() {
    let policy = liveperson_with(|spec| spec.token.single_use = true);
    let mut rig = Rig::new(&policy);
    rig.event(0, Event::Connect);
    rig.event(0, token_ready(1));
    rig.event(0, closed(1, Cause::Network));
    assert_eq!(rig.tick(10_000), [connect(2, Intent::Restart, 1)]);
    rig.open(10_000, 2);
    rig.event(20_000, closed(2, Cause::Network));
    assert_eq!(rig.tick(30_000), [regenerate(2, Reason::Policy)]);
}

#[test]
fn a_rejected_single_use_token_is_named_as_rejected() {
    let policy = liveperson_with(|spec| spec.token.single_use = true);
    let mut rig = Rig::online(&policy);
    rig.event(0, closed(1, Cause::Close(4401)));
    assert_eq!(rig.tick(10_000), [regenerate(2, Reason::Rejected)]);
}

#[test]
fn tokens_rejected_twice_in_a_row_stop_the_session_where_the_policy_says_so() {
    let policy = liveperson_with(|spec| spec.token.rejections = Some(2));
    let mut rig = Rig::online(&policy);
    rig.event(0, closed(1, Cause::Close(4401)));
    rig.tick(10_000);
    rig.event(10_000, token_ready(2));
    rig.event(10_000, Event::Dialing { conn: conn(2) });
    let cause = Cause::Handshake(401);
    assert_eq!(
        rig.event(10_000, closed(2, cause)),
        [Action::Notify(Notice::Stopped { reason: StopReason::TokenRejected(cause) })]
    );
}

#[test]
fn liveperson_never_gives_up_on_rejected_tokens() {
    let mut rig = Rig::online(&LIVEPERSON);
    for number in 1..=400_u32 {
        let ms = u64::from(number) * 10_000;
        rig.event(ms - 10_000, closed(number, Cause::Handshake(401)));
        assert_eq!(rig.tick(ms), [regenerate(number + 1, Reason::Rejected)]);
        rig.event(ms, token_ready(number + 1));
    }
}

#[test]
fn a_session_is_resumed_within_its_window_and_restarted_after_it() {
    let policy = liveperson_with(|spec| spec.resume = Resume::Within(secs(15)));
    let mut rig = Rig::online(&policy);
    rig.event(0, closed(1, Cause::Network));
    assert_eq!(rig.tick(10_000), [connect(2, Intent::Resume, 1)]);
    rig.event(10_000, Event::Dialing { conn: conn(2) });
    rig.event(10_000, closed(2, Cause::Network));
    assert_eq!(rig.timeout(), Some(15_000));
    assert_eq!(rig.tick(15_000), [Action::Notify(Notice::ResumeExpired)]);
    assert_eq!(rig.tick(20_000), [connect(3, Intent::Restart, 2)]);
}

#[test]
fn a_server_announces_its_own_window() {
    let policy = liveperson_with(|spec| spec.resume = Resume::Always);
    let terms = Terms { resume: Some(secs(3)), ..Terms::default() };
    let mut rig = Rig::online(&policy);
    rig.event(0, Event::Announced { conn: conn(1), terms });
    rig.event(0, closed(1, Cause::Network));
    assert_eq!(rig.machine.resumable(), Resumable::Until(at(3_000)));
}

#[test]
fn a_token_that_the_old_session_does_not_survive_restarts_it() {
    let policy = liveperson_with(|spec| spec.resume = Resume::Always);
    let fresh = Event::TokenReady { token: token(2), expires_in: None, resumable: false };
    // After the loss.
    let mut rig = Rig::online(&policy);
    rig.event(0, closed(1, Cause::Close(4401)));
    rig.tick(10_000);
    assert_eq!(rig.event(10_000, fresh).as_slice().last(), Some(&connect(2, Intent::Restart, 1)));
    // Before it, while the session was online.
    let mut rig = Rig::online(&policy);
    rig.event(5_000, Event::TokenRejected { token: token(1) });
    rig.event(5_000, fresh);
    rig.event(6_000, closed(1, Cause::Network));
    assert_eq!(rig.tick(16_000), [connect(2, Intent::Restart, 1)]);
    // The next session can be resumed again.
    rig.open(16_000, 2);
    rig.event(20_000, closed(2, Cause::Network));
    assert_eq!(rig.tick(30_000), [connect(3, Intent::Resume, 1)]);
}

#[test]
fn an_offered_token_ends_a_fetch_and_a_suspension() {
    let offered = Event::TokenOffered { resumable: true };
    let mut rig = Rig::new(&LIVEPERSON);
    rig.event(0, Event::Connect);
    assert_eq!(
        rig.event(100, offered),
        [
            Action::Notify(Notice::Token { token: token(2), expires_in: None }),
            connect(1, Intent::Restart, 0)
        ]
    );
    assert_eq!(rig.event(200, token_ready(1)), []);
    let mut rig = Rig::new(&LIVEPERSON);
    rig.event(0, offered);
    assert_eq!(rig.event(0, Event::Connect), [connect(1, Intent::Restart, 0)]);
}

#[test]
fn a_session_restored_in_any_phase_begins_again_without_its_token() {
    let mut online = Rig::online(&LIVEPERSON);
    online.restore(5_000);
    assert_eq!(online.phase(), "Waiting");
    assert_eq!(online.event(5_000, closed(1, Cause::Close(4401))), []);
    assert_eq!(online.tick(5_000), [regenerate(3, Reason::Start)]);

    let mut waiting = Rig::online(&LIVEPERSON);
    waiting.event(0, closed(1, Cause::Network));
    waiting.restore(5_000);
    assert_eq!(waiting.timeout(), Some(10_000));

    let mut throttled = Rig::new(&LIVEPERSON);
    throttled.event(0, Event::Connect);
    throttled.event(0, Event::Throttled { within: secs(61) });
    throttled.restore(5_000);
    assert_eq!(throttled.timeout(), Some(61_000));

    let mut closing = Rig::online(&LIVEPERSON);
    closing.event(0, Event::Shutdown);
    closing.restore(1_000);
    assert_eq!(*closing.machine.phase(), Phase::Stopped(StopReason::Requested));

    let mut idle = Rig::new(&LIVEPERSON);
    idle.restore(1_000);
    assert_eq!(idle.phase(), "Idle");
    assert_eq!(idle.event(1_000, Event::Connect), [regenerate(2, Reason::Start)]);

    for steps in 1..4 {
        let mut rig = Rig::new(&LIVEPERSON);
        let story = [Event::Connect, token_ready(1), Event::Opened { conn: conn(1) }];
        for event in story.into_iter().take(steps) {
            rig.event(0, event);
        }
        rig.restore(200);
        assert_eq!(rig.timeout(), Some(1_000), "the floor of the attempt that was under way");
        assert_eq!(rig.tick(1_000).len(), 1);
        assert_eq!(rig.phase(), "Authorizing");
    }
}

#[test]
fn a_clock_that_was_set_back_between_two_processes_makes_no_wait_longer() {
    const HOUR: u64 = 3_600_000;
    let mut rig = Rig::new(&LIVEPERSON);
    rig.event(HOUR, Event::Connect);
    rig.event(HOUR, Event::Throttled { within: secs(61) });
    rig.restore(5_000);
    assert_eq!(rig.timeout(), Some(66_000), "what was left of the wait, on the new clock");

    let mut rig = Rig::online(&LIVEPERSON);
    rig.event(HOUR, closed(1, Cause::Network));
    rig.restore(5_000);
    assert_eq!(rig.timeout(), Some(15_000));
    assert_eq!(rig.tick(15_000).len(), 1);

    // A server may not be made to ask for more than the policy lets it.
    let mut rig = Rig::new(&LIVEPERSON);
    rig.event(0, Event::Connect);
    let longer = liveperson_with(|spec| spec.retry_after_max = secs(40 * 86_400));
    let throttled = Event::Throttled { within: secs(40 * 86_400) };
    rig.machine.handle(&longer, Cx::new(at(0), 0), throttled);
    rig.restore(0);
    assert_eq!(rig.timeout(), Some(86_400_000));
}

#[test]
fn a_restored_session_can_be_resumed_within_its_window() {
    let policy = liveperson_with(|spec| spec.resume = Resume::Within(secs(60)));
    let mut rig = Rig::online(&policy);
    rig.restore(20_000);
    assert_eq!(rig.machine.resumable(), Resumable::Until(at(80_000)));
    rig.tick(20_000);
    let ready = Event::TokenReady { token: token(3), expires_in: None, resumable: true };
    assert_eq!(rig.event(20_000, ready).as_slice().last(), Some(&connect(3, Intent::Resume, 1)));
}

/// LivePerson's numbers with another renewal and without probes.
fn quiet(renew: Renew) -> Policy {
    liveperson_with(|spec| {
        spec.keepalive = redial_core::Keepalive::Off;
        spec.token.renew = renew;
    })
}

fn expiring(number: u32, within: u32) -> Event {
    let expires_in = Some(secs(within));
    Event::TokenReady { token: token(number), expires_in, resumable: true }
}

fn failed(number: u32, status: u16) -> Action {
    let cause = Cause::Http { step: 0, status };
    Action::Notify(Notice::TokenFailed { token: token(number), cause })
}

fn connect(number: u32, intent: Intent, attempt: u16) -> Action {
    Action::Connect { conn: conn(number), intent, attempt }
}

fn regenerate(number: u32, reason: Reason) -> Action {
    Action::RegenerateToken { token: token(number), reason }
}

/// Found by a fuzzer: a window of nothing was a deadline that was due at once, again and again.
#[test]
fn a_session_with_a_window_of_nothing_is_not_resumed() {
    let policy = liveperson_with(|spec| spec.resume = Resume::Within(redial_core::Span::ZERO));
    let mut rig = Rig::online(&policy);
    rig.event(1_000, closed(1, Cause::Network));
    assert_eq!(rig.timeout(), Some(11_000), "there is the wait and nothing else");
    assert_eq!(rig.machine.resumable(), Resumable::No);
    assert_eq!(rig.tick(11_000), [connect(2, Intent::Restart, 1)]);
}
