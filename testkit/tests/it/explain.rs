//! The words of a replay are true: each reason that they give is the one that counted.
#![expect(clippy::unwrap_used, reason = "helpers of tests assert by it, too")]

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use redial_core::{
    Action, Backoff, Cause, Clip, ConnId, Continuity, Cx, Delay, Event, Growth, Intent, Jitter,
    Keepalive, Machine, Notice, Online, Pace, Phase, Policy, PolicySpec, Recorded, Recovery, Renew,
    Renewal, RenewalKind, Reset, Resume, Rule, Rules, Span, Terms, Timestamp, TokenId, TokenPolicy,
    TokenUse, Verdict, Wait as Silence, When,
};
use redial_testkit::replay::{Replay, Wait, Writer, explain};
use redial_testkit::scenario::History;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_renewal_that_failed_is_tried_again_when_its_reasons_say(seed in any::<u64>()) {
        let history = History::of_seed(seed);
        let events = history.play().map_or_else(|failed| failed.trace, |played| played.trace);
        let mut machine = Machine::new();
        for (cx, event) in events {
            let (turn, cause) = {
                let before = machine;
                let actions = machine.handle(&history.policy, cx, event);
                let failed = actions.iter().find_map(|action| match action {
                    Action::Notify(Notice::TokenFailed { cause, .. }) => Some(*cause),
                    _ => None,
                });
                let turn = redial_testkit::replay::Turn {
                    line: 2, before, cx, event, actions, after: machine,
                };
                (turn, failed)
            };
            let Some(cause) = cause else { continue };
            let (Phase::Online(Online { renewal: Renewal::Running { kind: old, .. }, .. }),
                Phase::Online(Online { renewal: Renewal::At { at, kind }, .. })) =
                (turn.before.phase(), turn.after.phase()) else { continue };
            if let (RenewalKind::Renew, RenewalKind::Regenerate(_)) = (old, kind) {
                continue;
            }
            let wait = Wait::of_renewal(&history.policy, &turn, cause);
            prop_assert_eq!(wait.end(), *at, "{:?} of {:?}", wait, turn);
        }
    }

    /// What servers wish and what is counted is told only where it has come to something.
    #[test]
    fn what_counts_for_nothing_is_not_told(seed in any::<u64>()) {
        let history = History::of_seed(seed);
        let events = history.play().map_or_else(|failed| failed.trace, |played| played.trace);
        let mut machine = Machine::new();
        for (cx, event) in events {
            let before = machine;
            let actions = machine.handle(&history.policy, cx, event);
            let turn = redial_testkit::replay::Turn {
                line: 2, before, cx, event, actions, after: machine,
            };
            let words = explain(&history.policy, Timestamp::ZERO, &turn).to_string();
            if words.contains("nothing starts before") {
                prop_assert!(machine.not_before() > Timestamp::ZERO, "{}", words);
                prop_assert!(machine.not_before() >= machine.now(), "{}", words);
            }
            if words.contains("attempts count from zero again") {
                prop_assert_eq!(machine.attempts(), 0, "{}", words);
            }
            if words.contains("tokens count from zero again") {
                prop_assert_eq!(machine.rejections(), 0, "{}", words);
            }
        }
    }
}

#[test]
fn an_attempt_that_a_floor_holds_back_has_no_wait_before_it() {
    let told = tell(&PLAIN, &[(0, Event::Connect), (1, got(1)), (2, REGENERATE)]);
    assert_eq!(
        told[2],
        [
            "drops connection 1",
            "waits 998 ms, until +1 s, before attempt 1: nothing may begin yet, since attempts \
             keep 1 s between them; then it goes on with a new token",
        ]
    );
}

#[test]
fn a_loss_says_whether_the_session_can_be_resumed() {
    let lost = [(90, closed(1, Cause::Network))];
    let offline = |policy: &Policy| tell_online(policy, &lost)[0][1].clone();
    assert_eq!(offline(&PLAIN), "is offline; this policy resumes no session");
    let window = Policy::new(PolicySpec { resume: Resume::Within(SECS_60), ..SPEC });
    assert_eq!(offline(&window), "is offline; the session can be resumed until +60.09 s");
    let always = Policy::new(PolicySpec { resume: Resume::Always, ..SPEC });
    assert_eq!(
        offline(&always),
        "is offline; the session can be resumed as long as its server agrees"
    );
}

#[test]
fn a_token_for_one_connection_is_spent_when_that_opens() {
    let token = TokenPolicy { single_use: true, ..SPEC.token };
    let policy = Policy::new(PolicySpec { token, ..SPEC });
    let told =
        tell(&policy, &[(0, Event::Connect), (1, got(1)), (2, OPENED), (3, ready(1)), (4, cut(1))]);
    assert_eq!(
        told[2],
        ["token 1 is spent: it is good for one connection", "it must be ready by +10.002 s"]
    );
    // The verdict keeps a token that is not there any more.
    let wait = told[4].last().unwrap();
    assert!(wait.ends_with("then it goes on with a new token, since it holds none"), "{wait}");
}

#[test]
fn a_server_that_names_a_time_takes_the_place_of_the_least_time_of_the_verdict() {
    let refused = |retry_after| Event::Closed {
        conn: ConnId::new(1),
        cause: Cause::Handshake(429),
        retry_after,
    };
    let wait = |retry_after| {
        let told = tell(&PLAIN, &[(0, Event::Connect), (1, got(1)), (2, refused(retry_after))]);
        told[2].last().unwrap().clone()
    };
    assert_eq!(
        wait(None),
        "waits 60 s, until +60.002 s, before attempt 1: the backoff is always 5 s, and the verdict \
         asks for at least 60 s; then it goes on with the token that it has"
    );
    assert_eq!(
        wait(Some(Span::from_secs(7))),
        "waits 7 s, until +7.002 s, before attempt 1: the backoff is always 5 s, and the 60 s of \
         the verdict give way to the server's own; a server asked for nothing before +7.002 s; \
         then it goes on with the token that it has"
    );
}

#[test]
fn a_wish_for_less_than_an_earlier_one_says_so() {
    let throttled = |secs| Event::Throttled { within: Span::from_secs(secs) };
    let told = tell(
        &PLAIN,
        &[
            (0, Event::Connect),
            (1, throttled(60)),
            (2, failed(1, 503, Some(3))),
            // It belongs to no connection that there is.
            (3, Event::Closed { conn: ConnId::new(9), cause: Cause::Network, retry_after: SOON }),
        ],
    );
    assert_eq!(told[1], ["the server asks for 60 s: nothing starts before +60.001 s"]);
    assert_eq!(
        told[2][0],
        "the server asks for 3 s: nothing starts before +60.001 s, which was asked for earlier"
    );
    assert_eq!(told[3], ["changes nothing: what it belongs to is gone"]);
}

#[test]
fn a_second_report_of_a_loss_says_what_of_it_counts() {
    let told = tell_online(
        &PLAIN,
        &[(90, cut(1)), (91, closed(1, Cause::Close(4401))), (92, closed_later(1, 4403))],
    );
    assert_eq!(
        told[1],
        [
            "this loss is known, so what was decided stays; for a close frame with code 4401, the \
          rule \"close 4401\" says: try again with a new token and the same session if there \
          still is one, after the backoff, of which the token counts",
            "tokens rejected in a row: 1, and 3 end the session"
        ]
    );
    assert_eq!(
        told[2][..2],
        [
            "the server asks for 9 s: nothing starts before +9.092 s",
            "this loss is known, so what was decided stays; for a close frame with code 4403, the \
             rule \"close 4403\" says: give up, of which nothing counts"
        ]
    );
}

#[test]
fn a_renewal_says_when_and_why_then() {
    let token = TokenPolicy { renew: Renew::Every(SECS_60), ..SPEC.token };
    let policy = Policy::new(PolicySpec { token, ..SPEC });
    let told = tell_online(
        &policy,
        &[
            (60_003, Event::Tick),
            (60_010, failed(2, 500, None)),
            (65_010, Event::Tick),
            (65_020, failed(3, 403, None)),
        ],
    );
    assert_eq!(
        told[0],
        [
            "the renewal of the token, due at +60.003 s",
            "renews the token as 2",
            "the token must be there by +90.003 s"
        ]
    );
    assert_eq!(
        told[1],
        [
            "for status 500 in answer to the adapter's HTTP step 1, no rule names it, and \
             otherwise the policy says: try again with the same token and the same session if \
             there still is one, after the backoff",
            "keeps the connection that it has",
            "renews the token at +65.01 s: the backoff is always 5 s",
        ]
    );
    // A verdict that ends a session without a connection.
    assert_eq!(
        told[3][1..],
        [
            "keeps the connection that it has: only a session without one ends by that",
            "asks for token 4: a server rejected the one there was",
            "the token must be there by +95.02 s",
        ]
    );
    let online = tell(&policy, &[(0, Event::Connect), (1, got(1)), (2, OPENED), (3, ready(1))]);
    assert_eq!(
        online[3],
        ["is online, in a new session", "renews the token at +60.003 s, every 60 s"]
    );
}

#[test]
fn a_connection_that_ends_leaves_nothing_else_due_undone_in_words() {
    let backoff = Backoff { reset: Reset::Stable(SECS_60), ..SPEC.backoff };
    let keepalive = Keepalive::Probe {
        interval: SECS_60,
        timeout: Span::from_secs(10),
        misses: 2,
        pace: Pace::Quiet,
    };
    let policy = Policy::new(PolicySpec { backoff, keepalive, ..SPEC });
    // The process slept through the probe and its answer's time.
    let told = tell_online(
        &policy,
        &[(59_000, Event::NetworkChanged), (69_000, Event::Tick), (90_000, Event::Tick)],
    );
    assert_eq!(told[1][0], "the answer to a probe is missing (1 in a row of 2), due at +69 s");
    assert_eq!(
        told[2][..3],
        [
            "the answer to a probe is missing (2 in a row of 2), due at +79 s",
            "for no answer to a probe, no rule names it, and otherwise the policy says: try again \
             with the same token and the same session if there still is one, after the backoff",
            "drops connection 1",
        ]
    );
    let told = tell_online(&policy, &[(59_000, ack(1)), (60_003, Event::Tick)]);
    assert_eq!(told[1], ["the session has proved itself, due at +60.003 s"]);
}

#[test]
fn what_a_server_announces_is_told_and_what_is_planned_by_it() {
    let terms = Terms {
        keepalive: Some(Keepalive::Listen { within: Span::from_secs(45) }),
        resume: Some(Span::from_secs(180)),
        retire: Some(Span::from_secs(3_600)),
    };
    let announced = Event::Announced { conn: ConnId::new(1), terms };
    let (events, told) = tell_all(
        &PLAIN,
        &[(0, Event::Connect), (1, got(1)), (2, OPENED), (3, announced), (4, ready(1))],
    );
    assert_eq!(
        events[3],
        "+3 ms: the server of connection 1 has said its terms: it is heard of every 45 s, it can \
         be resumed for 180 s, it lives for 3600 s"
    );
    assert_eq!(
        told[4],
        [
            "is online, in a new session",
            "expects a sign of life by +45.004 s, replaces the connection at +3600.004 s"
        ]
    );
}

#[test]
fn counts_that_change_are_told() {
    let rejected = |conn, at| (at, closed(conn, Cause::Handshake(401)));
    let told = tell(
        &PLAIN,
        &[
            (0, Event::Connect),
            (1, got(1)),
            rejected(1, 2),
            (5_002, Event::Tick),
            (5_003, got(2)),
            (5_004, Event::Opened { conn: ConnId::new(2) }),
            (5_005, ready(2)),
        ],
    );
    assert!(told[2].contains(&"tokens rejected in a row: 1, and 3 end the session".to_owned()));
    assert_eq!(
        told[6],
        [
            "is online, in a new session",
            "attempts count from zero again",
            "rejected tokens count from zero again"
        ]
    );
}

#[test]
fn a_token_found_dead_while_another_is_made_says_so() {
    let token = TokenPolicy { renew: Renew::Every(SECS_60), ..SPEC.token };
    let policy = Policy::new(PolicySpec { token, ..SPEC });
    let dead = Event::TokenRejected { token: TokenId::new(1) };
    let told = tell_online(&policy, &[(60_003, Event::Tick), (60_004, dead)]);
    assert_eq!(told[1], ["changes nothing: another token is being made already"]);
    let gone = Event::TokenRejected { token: TokenId::new(7) };
    assert_eq!(
        tell_online(&policy, &[(9, gone)])[0],
        ["changes nothing: what it belongs to is gone"]
    );
}

/// Socket.IO's formula: from 10 s on chance takes nothing off the longest wait of 5 s.
#[test]
fn a_wait_that_is_cut_only_after_chance_says_what_chance_was_given() {
    let backoff = Backoff {
        growth: Growth::Exponential {
            first: Span::from_secs(1),
            percent: 200,
            cap: Span::from_secs(5),
        },
        jitter: Jitter::SocketIo { percent: 50 },
        clip: Clip::AfterJitter,
        ..SPEC.backoff
    };
    let policy = Policy::new(PolicySpec { backoff, ..SPEC });
    let mut events = vec![(0, Event::Connect), (1, got(1))];
    for conn in 1..=6 {
        let at = conn * 10_000;
        events.extend([(at, cut(conn)), (at + 5_001, Event::Tick)]);
    }
    let told = tell(&policy, &events);
    let last = told[12].last().unwrap();
    assert_eq!(
        last,
        "waits 5 s, until +65 s, before attempt 6: the backoff is 32 s (1 s first, then 200 % of \
         the one before), and chance takes or adds up to 50 %: 5 s, cut only after chance; then it \
         goes on with the token that it has"
    );
}

#[test]
fn a_tick_before_its_time_says_so() {
    assert_eq!(tell_online(&PLAIN, &[(9, Event::Tick)])[0], ["no deadline has been reached"]);
}

/// Tells what is decided after a session has come online at 3 ms.
fn tell_online(policy: &Policy, events: &[(u32, Event)]) -> Vec<Vec<String>> {
    let begin = [(0, Event::Connect), (1, got(1)), (2, OPENED), (3, ready(1))];
    tell(policy, &[&begin, events].concat()).split_off(begin.len())
}

fn tell(policy: &Policy, events: &[(u32, Event)]) -> Vec<Vec<String>> {
    tell_all(policy, events).1
}

/// Records these events, executes the trace again and tells what happened and was decided.
fn tell_all(policy: &Policy, events: &[(u32, Event)]) -> (Vec<String>, Vec<Vec<String>>) {
    let begin = Timestamp::from_millis(1_700_000_000_000);
    let mut machine = Machine::new();
    let mut trace = Vec::new();
    let mut writer = Writer::new(&mut trace, policy, &machine).unwrap();
    for (millis, event) in events.iter().copied() {
        let cx = Cx::new(begin + Span::from_millis(millis), 0);
        let actions = machine.handle(policy, cx, event);
        writer.write(&Recorded { cx, event, actions }).unwrap();
    }
    let mut replay = Replay::new(trace.as_slice()).unwrap();
    let (mut happened, mut told) = (Vec::new(), Vec::new());
    while let Some(turn) = replay.turn().unwrap() {
        let explanation = explain(policy, begin, &turn);
        happened.push(explanation.event);
        told.push(explanation.decisions);
    }
    (happened, told)
}

fn got(token: u32) -> Event {
    Event::TokenReady { token: TokenId::new(token), expires_in: None, resumable: true }
}

fn failed(token: u32, status: u16, retry_after: Option<u32>) -> Event {
    let cause = Cause::Http { step: 1, status };
    let retry_after = retry_after.map(Span::from_secs);
    Event::TokenFailed { token: TokenId::new(token), cause, retry_after }
}

fn ready(conn: u32) -> Event {
    Event::Ready { conn: ConnId::new(conn), continuity: Continuity::Fresh }
}

fn closed(conn: u32, cause: Cause) -> Event {
    Event::Closed { conn: ConnId::new(conn), cause, retry_after: None }
}

fn closed_later(conn: u32, code: u16) -> Event {
    let retry_after = Some(Span::from_secs(9));
    Event::Closed { conn: ConnId::new(conn), cause: Cause::Close(code), retry_after }
}

fn cut(conn: u32) -> Event {
    closed(conn, Cause::Network)
}

fn ack(conn: u32) -> Event {
    let evidence = redial_core::Evidence::Inbound;
    Event::Ack { conn: ConnId::new(conn), evidence }
}

const OPENED: Event = Event::Opened { conn: ConnId::new(1) };
const REGENERATE: Event = Event::Reconnect { token: TokenUse::Regenerate };
const SOON: Option<Span> = Some(Span::from_secs(2));
const SECS_60: Span = Span::from_secs(60);
const LATER: Recovery =
    Recovery { token: TokenUse::Keep, intent: Intent::Resume, delay: Delay::AtLeast(SECS_60) };
const RULES: &[Rule] = &[
    Rule::close(4401, Verdict::Retry(Recovery::REGENERATE)),
    Rule::close(4403, Verdict::Stop),
    Rule::handshake(401, Verdict::Retry(Recovery::REGENERATE)),
    Rule::handshake(429, Verdict::Retry(LATER)),
    Rule::new(When::Http(403, 403), Verdict::Stop),
    Rule::new(When::Timeout(Silence::Token), Verdict::Retry(Recovery::KEEP)),
];
const SPEC: PolicySpec = PolicySpec {
    rules: Rules::new(RULES),
    backoff: Backoff::fixed(Span::from_secs(5)),
    keepalive: Keepalive::Off,
    resume: Resume::Never,
    floor: Span::from_secs(1),
    token: TokenPolicy { renew: Renew::Never, rejections: Some(3), ..PolicySpec::DEFAULT.token },
    ..PolicySpec::DEFAULT
};
const PLAIN: Policy = Policy::new(SPEC);
