//! What can be asked of a ledger, a machine and a policy, and what the answer is at its bounds.

use redial_core::{
    Bounds, Cause, Class, Cut, Event, Ledger, MessageId, Outcome, Path, PolicyError, Proof, Room,
    Span, Timestamp,
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
