//! What can be asked of a ledger, a machine and a policy, and what the answer is at its bounds.

use redial_core::{
    Backoff, Bounds, Cause, Class, Cut, Delay, Event, Growth, Intent, Keepalive, Ledger, MessageId,
    Outcome, Path, PolicyError, Proof, Recovery, Renew, Reset, Resume, Room, Rule, Rules, Span,
    Speed, Timeouts, Timestamp, TokenUse, Verdict, When,
};

use crate::support::{LIVEPERSON, Rig, closed, liveperson_with, secs, token_failed};

const CLASS: Class = Class {
    proof: Proof::Answer,
    cut: Cut::Resend,
    portable: false,
    within: Span::from_millis(10),
    ttl: Span::from_millis(50),
    tries: 2,
};
const NOW: Timestamp = Timestamp::from_millis(0);

#[test]
fn there_is_room_up_to_the_bound_and_never_above_it() {
    let mut ledger = Ledger::new(Bounds { messages: 2, bytes: 10 });
    assert_eq!((ledger.room(10), ledger.room(11)), (Room::Now, Room::Never));
    let first = ledger.accept(NOW, CLASS, 4, ()).expect("room");
    assert_eq!((ledger.room(6), ledger.room(7)), (Room::Now, Room::Later));
    ledger.accept(NOW, CLASS, 1, ()).expect("room");
    assert_eq!(ledger.room(0), Room::Later, "two messages are two messages");
    ledger.sent(NOW, first, Path::Socket);
    ledger.settle(NOW, first, Outcome::Acked);
    assert_eq!((ledger.room(9), ledger.room(10)), (Room::Now, Room::Later));
    assert_eq!(Ledger::<()>::new(Bounds { messages: 0, bytes: 10 }).room(1), Room::Never);
}

#[test]
fn a_ledger_says_what_it_holds() {
    let mut ledger = Ledger::default();
    assert!(ledger.is_empty());
    let id = ledger.accept(NOW, CLASS, 3, "a body").expect("room");
    assert!(!ledger.is_empty() && ledger.contains(id) && !ledger.is_written(id));
    ledger.sent(NOW, id, Path::Socket);
    assert!(ledger.contains(id) && ledger.is_written(id));
    let shown = format!("{ledger:?}");
    assert!(shown.contains("Load") && !shown.contains("body"), "{shown}");
    ledger.settle(NOW, id, Outcome::Acked);
    assert!(ledger.is_empty() && !ledger.contains(id) && !ledger.is_written(id));
}

#[test]
fn a_ledger_counts_what_waits_and_what_is_on_its_way() {
    let mut ledger = Ledger::default();
    for weight in [1, 2, 4] {
        ledger.accept(NOW, CLASS, weight, ()).expect("room");
    }
    ledger.sent(NOW, MessageId::new(1), Path::Socket);
    let load = ledger.load();
    assert_eq!((load.queued, load.in_flight, load.bytes), (2, 1, 7));
}

#[test]
fn a_message_that_is_handed_back_says_why_and_not_what_it_is() {
    let mut ledger = Ledger::new(Bounds { messages: 1, bytes: 10 });
    ledger.accept(NOW, CLASS, 1, "first").expect("room");
    let full = ledger.accept(NOW, CLASS, 1, "second").expect_err("no room");
    ledger.stop();
    let stopped = ledger.accept(NOW, CLASS, 1, "third").expect_err("an end");
    assert_eq!(full.to_string(), "too many messages or bytes are waiting");
    assert_eq!(stopped.to_string(), "the session has ended");
    assert_eq!(
        format!("{full:?} {stopped:?}"),
        "Refused { why: Full, .. } Refused { why: Stopped, .. }"
    );
}

#[test]
fn ledgers_are_equal_when_they_go_on_alike() {
    let hash = |ledger: &Ledger<&str>| {
        use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
        BuildHasherDefault::<DefaultHasher>::default().hash_one(ledger)
    };
    let accept =
        |ledger: &mut Ledger<&'static str>, text| ledger.accept(NOW, CLASS, 1, text).expect("room");
    let mut plain = Ledger::default();
    accept(&mut plain, "a");
    let mut same = plain.clone();
    // What has been counted does not matter.
    same.settle(NOW, MessageId::new(0), Outcome::Acked);
    assert!(plain == same && hash(&plain) == hash(&same));
    let changes: [fn(&mut Ledger<&'static str>); 4] = [
        // Another limit, and nothing else.
        |ledger| ledger.limit(3),
        // The same numbers, and a fate that nobody has taken.
        |ledger| {
            ledger.sent(NOW, MessageId::new(1), Path::Socket);
            ledger.settle(NOW, MessageId::new(1), Outcome::Acked);
        },
        // The same message in another state.
        |ledger| ledger.sent(NOW, MessageId::new(1), Path::Socket),
        |ledger| ledger.stop(),
    ];
    for change in changes {
        let mut other = plain.clone();
        change(&mut other);
        assert!(plain != other);
        assert!(other != plain);
        assert_ne!(hash(&plain), hash(&other));
    }
    // The same history, and another fate of the same message.
    let [acked, rejected] = [Outcome::Acked, Outcome::Rejected(7)].map(|outcome| {
        let mut ledger = plain.clone();
        ledger.sent(NOW, MessageId::new(1), Path::Socket);
        ledger.settle(NOW, MessageId::new(1), outcome);
        ledger
    });
    assert!(acked != rejected);
    assert_ne!(hash(&acked), hash(&rejected));
}

#[test]
fn an_answer_counts_as_late_only_for_a_message_that_there_was() {
    let mut ledger = Ledger::default();
    let id = ledger.accept(NOW, CLASS, 1, ()).expect("room");
    ledger.sent(NOW, id, Path::Socket);
    ledger.settle(NOW, id, Outcome::Acked);
    for (of, late) in [(0, 0), (2, 0), (3, 0), (1, 1)] {
        ledger.settle(NOW, MessageId::new(of), Outcome::Acked);
        assert_eq!(ledger.late_answers(), late, "an answer for {of}");
    }
}

#[test]
fn a_machine_counts_attempts_and_rejections_until_it_is_online_again() {
    let mut rig = Rig::online(&LIVEPERSON);
    assert_eq!((rig.machine.attempts(), rig.machine.rejections()), (0, 0));
    rig.event(1_000, closed(1, Cause::Close(1006)));
    rig.tick(11_000);
    rig.event(11_000, closed(2, Cause::Handshake(401)));
    assert_eq!((rig.machine.attempts(), rig.machine.rejections()), (1, 1));
    rig.tick(21_000);
    rig.event(21_000, token_failed(2, 401, None));
    rig.tick(31_000);
    rig.event(31_000, crate::support::token_ready(3));
    assert_eq!(rig.machine.attempts(), 3);
    rig.open(31_000, 3);
    assert_eq!((rig.machine.attempts(), rig.machine.rejections()), (0, 0));
}

#[test]
fn a_policy_is_refused_for_any_span_of_nothing() {
    let zero = Span::ZERO;
    let changes: [fn(&mut redial_core::PolicySpec, Span); 6] = [
        |spec, span| spec.timeouts.token = Some(span),
        |spec, span| spec.timeouts.http = span,
        |spec, span| spec.timeouts.connect = span,
        |spec, span| spec.timeouts.ready = span,
        |spec, span| spec.timeouts.close = span,
        |spec, span| spec.timeouts.request = span,
    ];
    for change in changes {
        let mut spec = *LIVEPERSON.spec();
        change(&mut spec, secs(1));
        assert!(redial_core::Policy::try_new(spec).is_ok());
        change(&mut spec, zero);
        assert_eq!(redial_core::Policy::try_new(spec).err(), Some(PolicyError::ZeroSpan));
    }
    assert_eq!(PolicyError::ZeroSpan.to_string(), "a span that must not be zero is zero");
    assert_eq!(liveperson_with(|_| {}), LIVEPERSON);
}

#[test]
fn what_comes_for_nobody_changes_nothing() {
    let mut rig = Rig::online(&LIVEPERSON);
    let before = rig.machine;
    assert_eq!(rig.event(0, Event::Dialing { conn: crate::support::conn(9) }), []);
    assert_eq!(rig.machine, before);
}

#[test]
fn each_kind_of_rule_names_its_cause_and_no_other() {
    use redial_core::Wait::{Connect, Health, Pong, Ready, Token};
    let http = |status| Cause::Http { step: 3, status };
    let pairs = [
        (When::Close(4400, 4402), Cause::Close(4402)),
        (When::Handshake(401, 401), Cause::Handshake(401)),
        (When::Http(500, 599), http(500)),
        (When::Refused(1, 2), Cause::Refused(1)),
        (When::Timeout(Token), Cause::Timeout(Token)),
        (When::Timeout(Connect), Cause::Timeout(Connect)),
        (When::Timeout(Ready), Cause::Timeout(Ready)),
        (When::Timeout(Pong), Cause::Timeout(Pong)),
        (When::Timeout(Health), Cause::Timeout(Health)),
        (When::Network, Cause::Network),
        (When::Replaced, Cause::Replaced),
        (When::Overflow, Cause::Overflow),
    ];
    let outside = [
        (When::Close(4400, 4402), Cause::Close(4403)),
        (When::Close(4400, 4402), Cause::Close(4399)),
        (When::Handshake(401, 401), Cause::Close(401)),
        (When::Http(500, 599), http(600)),
        (When::Refused(1, 2), Cause::Refused(0)),
    ];
    for (when, _) in pairs {
        let policy = liveperson_with(|spec| {
            spec.rules = Rules::new(&[Rule::new(when, Verdict::Stop)]);
            spec.otherwise = Verdict::Suspend;
        });
        for (other, cause) in pairs.into_iter().chain(outside) {
            let named = when == other && pairs.contains(&(other, cause));
            let verdict = if named { Verdict::Stop } else { Verdict::Suspend };
            assert_eq!(policy.verdict(cause), verdict, "{when:?} {cause:?}");
            assert_eq!(policy.rule(cause).is_some(), named, "{when:?} {cause:?}");
        }
    }
}

#[test]
fn as_many_rules_as_fit_are_checked_and_found() {
    let codes = 0..u16::try_from(Rules::CAPACITY).expect("few");
    let wait = |span| Verdict::Retry(Recovery { delay: Delay::AtLeast(span), ..Recovery::KEEP });
    let mut all: Vec<Rule> = codes.map(|code| Rule::close(4000 + code, Verdict::Stop)).collect();
    all[0] = Rule::close(4000, wait(secs(10)));
    let policy = liveperson_with(|spec| {
        spec.rules = Rules::new(&all);
        spec.otherwise = Verdict::Suspend;
    });
    let last = 4000 + u16::try_from(Rules::CAPACITY).expect("few") - 1;
    assert_eq!(policy.verdict(Cause::Close(last)), Verdict::Stop);
    assert_eq!(policy.verdict(Cause::Close(last + 1)), Verdict::Suspend);
    assert_eq!(policy.verdict(Cause::Network), Verdict::Suspend);
    let faster = policy.scaled(Speed::new(10));
    assert_eq!(faster.verdict(Cause::Close(4000)), wait(secs(1)));
    assert_eq!(faster.verdict(Cause::Close(last)), Verdict::Stop);
}

#[test]
fn a_faster_policy_has_every_span_divided() {
    let table = [1, 2, 4, 8, 16, 32, 64, 128].map(secs);
    let at_least = |span| {
        Verdict::Retry(Recovery {
            token: TokenUse::Keep,
            intent: Intent::Resume,
            delay: Delay::AtLeast(span),
        })
    };
    let made = |by: u32| {
        let ms = |whole: u32| Span::from_millis(whole * 1000 / by);
        liveperson_with(|spec| {
            spec.backoff.growth = Growth::Table(table.map(|span| ms(span.as_millis() / 1000)));
            spec.rules = Rules::new(&[Rule::close(4000, at_least(ms(30)))]);
            spec.otherwise = at_least(ms(20));
            spec.floor = ms(1);
            spec.keepalive = Keepalive::Listen { within: ms(40) };
            spec.token.renew = Renew::Every(ms(300));
            spec.resume = Resume::Within(ms(180));
            spec.timeouts = Timeouts {
                token: Some(ms(5)),
                http: ms(6),
                connect: ms(7),
                ready: ms(8),
                close: ms(9),
                request: ms(10),
            };
        })
    };
    assert_eq!(made(1).scaled(Speed::new(10)), made(10));
    for (attempt, wait) in [(1, 100), (8, 12_800), (9, 12_800), (u16::MAX, 12_800)] {
        let spec = *made(10).spec();
        assert_eq!(spec.backoff.wait(attempt, 0, spec.floor).as_millis(), wait);
    }
}

#[test]
fn a_backoff_has_a_plateau_and_may_begin_on_it() {
    let grown = |growth| Backoff { growth, ..LIVEPERSON.spec().backoff };
    let exponential = Growth::Exponential { first: secs(1), percent: 200, cap: secs(10) };
    let linear = Growth::Linear { first: secs(2), step: secs(3), cap: secs(10) };
    for (growth, attempts) in [
        (Growth::Fixed(secs(5)), 1),
        (exponential, 5),
        (Growth::Exponential { first: secs(1), percent: 200, cap: secs(8) }, 4),
        (linear, 4),
        (Growth::Linear { first: secs(4), step: secs(3), cap: secs(4) }, 1),
        (Growth::Table([1, 2, 3, 3, 3, 3, 3, 3].map(secs)), 3),
    ] {
        let backoff = grown(growth);
        assert_eq!(backoff.plateau(), attempts, "{growth:?}");
        let wait = |attempt| backoff.wait(attempt, 0, Span::from_millis(1));
        assert_eq!(wait(attempts), wait(u16::MAX), "{growth:?}");
        assert!(attempts == 1 || wait(attempts - 1) < wait(attempts), "{growth:?}");
        let policy = redial_core::PolicySpec { backoff, ..*LIVEPERSON.spec() };
        assert!(redial_core::Policy::try_new(policy).is_ok(), "{growth:?}");
    }
}

#[test]
fn attempts_count_anew_when_a_session_has_been_stable() {
    let policy = liveperson_with(|spec| {
        spec.keepalive = Keepalive::Off;
        spec.token.renew = Renew::Never;
        spec.backoff.reset = Reset::Stable(secs(10));
    });
    let mut rig = Rig::online(&policy);
    rig.tick(10_000);
    rig.event(11_000, closed(1, Cause::Close(1006)));
    rig.tick(21_000);
    rig.open(21_000, 2);
    assert_eq!((rig.machine.attempts(), rig.timeout()), (1, Some(31_000)));
    rig.tick(30_999);
    assert_eq!(rig.machine.attempts(), 1, "not yet");
    rig.tick(31_000);
    assert_eq!((rig.machine.attempts(), rig.timeout()), (0, None));
}

#[cfg(feature = "serde")]
#[test]
fn a_full_ledger_is_stored_and_read_and_one_that_contradicts_itself_is_not() {
    let mut ledger = Ledger::new(Bounds { messages: 2, bytes: 10 });
    let first = ledger.accept(NOW, CLASS, 5, 1_u32).expect("room");
    ledger.accept(NOW, CLASS, 5, 2).expect("room");
    ledger.sent(NOW, first, Path::Socket);
    let stored = serde_json::to_value(&ledger).expect("a value");
    let read: Ledger<u32> = serde_json::from_value(stored.clone()).expect("a full ledger");
    assert_eq!(read, ledger);
    let text = stored.to_string();
    for (from, to) in [
        (r#""tries":1"#, r#""tries":0"#),
        (r#""path":"socket","payload""#, r#""path":null,"payload""#),
    ] {
        assert!(text.contains(from), "{text}");
        assert!(serde_json::from_str::<Ledger<u32>>(&text.replacen(from, to, 1)).is_err(), "{to}");
    }
}
