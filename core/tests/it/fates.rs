//! Each end of a message, and what is known about it.

use redial_core::{
    Bounds, Class, Continuity, Cut, Fate, Ledger, MessageId, Outcome, Path, Proof, Refusal, Room,
    Settled, Span, Status, Timestamp,
};

const CLASS: Class = Class {
    proof: Proof::Answer,
    cut: Cut::Resend,
    portable: false,
    within: Span::from_secs(10),
    ttl: Span::from_secs(60),
    tries: 3,
};

#[test]
fn acked_is_what_has_proof() {
    let (mut ledger, id) = written(CLASS, Path::Socket);
    ledger.settle(at(1), id, Outcome::Acked);
    assert_eq!(end(&mut ledger), settled(id, Fate::Acked, 1, Path::Socket, 1));
}

#[test]
fn rejected_is_what_the_vendor_refused_for_good() {
    let (mut ledger, id) = written(CLASS, Path::Http);
    ledger.settle(at(1), id, Outcome::Rejected(413));
    assert_eq!(end(&mut ledger), settled(id, Fate::Rejected(413), 1, Path::Http, 0));
}

#[test]
fn expired_is_what_was_never_written_in_its_time() {
    let mut ledger = Ledger::default();
    let id = ledger.accept(at(0), CLASS, 1, ()).expect("room");
    ledger.tick(at(59));
    assert_eq!(ledger.poll_fate(), None);
    assert_eq!(ledger.poll_timeout(), Some(at(60)));
    ledger.tick(at(60));
    assert_eq!(end(&mut ledger), unwritten(id, Fate::Expired));
}

#[test]
fn not_sent_is_what_was_never_written_when_the_session_ended() {
    let mut ledger = Ledger::default();
    let id = ledger.accept(at(0), CLASS, 1, ()).expect("room");
    ledger.stop();
    assert_eq!(end(&mut ledger), unwritten(id, Fate::NotSent));
}

#[test]
fn unknown_is_what_was_written_when_the_session_ended() {
    let (mut ledger, id) = written(CLASS, Path::Socket);
    ledger.stop();
    assert_eq!(end(&mut ledger), settled(id, Fate::Unknown, 1, Path::Socket, 1));
}

#[test]
fn a_cut_between_write_and_ack_is_unknown_in_a_new_session() {
    let (mut ledger, id) = written(CLASS, Path::Socket);
    ledger.cut();
    assert_eq!(ledger.poll_fate(), None, "the next session decides");
    ledger.online(Continuity::Fresh);
    assert_eq!(end(&mut ledger), settled(id, Fate::Unknown, 1, Path::Socket, 1));
}

#[test]
fn a_cut_is_unknown_at_once_where_nothing_may_be_resent() {
    let (mut ledger, id) = written(Class { cut: Cut::Report, ..CLASS }, Path::Socket);
    ledger.cut();
    assert_eq!(end(&mut ledger), settled(id, Fate::Unknown, 1, Path::Socket, 1));
}

#[test]
fn tries_spent_without_an_answer_are_unknown() {
    let (mut ledger, id) = written(CLASS, Path::Socket);
    for now in [10, 20] {
        ledger.tick(at(now));
        assert_eq!(ledger.next(at(now)), Some((id, &(), (now / 10) as u8)));
        ledger.sent(at(now), id, Path::Http);
    }
    ledger.tick(at(30));
    assert_eq!(end(&mut ledger), settled(id, Fate::Unknown, 3, Path::Http, 3));
}

#[test]
fn tries_spent_on_refusals_are_unknown_and_have_not_arrived() {
    let (mut ledger, id) = written(CLASS, Path::Http);
    for now in [1, 2] {
        ledger.settle(at(now), id, Outcome::Retry { after: None });
        ledger.sent(at(now), id, Path::Http);
    }
    ledger.settle(at(3), id, Outcome::Retry { after: None });
    assert_eq!(end(&mut ledger), settled(id, Fate::Unknown, 3, Path::Http, 0));
}

#[test]
fn time_spent_after_a_write_is_unknown() {
    let (mut ledger, id) = written(CLASS, Path::Socket);
    ledger.cut();
    ledger.tick(at(60));
    assert_eq!(end(&mut ledger), settled(id, Fate::Unknown, 1, Path::Socket, 1));
}

#[test]
fn a_resend_in_doubt_may_be_a_duplicate_and_one_after_a_refusal_is_none() {
    let mut ledger = Ledger::default();
    for (outcome, arrivals) in
        [(Outcome::Lost { after: None }, 2), (Outcome::Retry { after: None }, 1)]
    {
        let id = ledger.accept(at(0), CLASS, 1, ()).expect("room");
        ledger.sent(at(0), id, Path::Socket);
        ledger.settle(at(1), id, outcome);
        ledger.sent(at(1), id, Path::Http);
        ledger.settle(at(2), id, Outcome::Acked);
        let end = end(&mut ledger);
        assert_eq!(end, settled(id, Fate::Acked, 2, Path::Http, arrivals));
        assert_eq!(end.may_be_duplicate(), arrivals > 1);
    }
}

#[test]
fn a_late_ack_of_the_first_write_is_no_duplicate() {
    let (mut ledger, id) = written(CLASS, Path::Socket);
    ledger.tick(at(10));
    ledger.settle(at(11), id, Outcome::Acked);
    assert_eq!(end(&mut ledger), settled(id, Fate::Acked, 1, Path::Socket, 1));
}

#[test]
fn an_answer_after_the_end_is_counted_and_not_heard() {
    let (mut ledger, id) = written(CLASS, Path::Socket);
    ledger.settle(at(1), id, Outcome::Unknown);
    assert_eq!(end(&mut ledger).fate, Fate::Unknown);
    for outcome in [Outcome::Acked, Outcome::Acked, Outcome::Rejected(1)] {
        ledger.settle(at(2), id, outcome);
    }
    ledger.settle(at(2), MessageId::new(0), Outcome::Acked);
    ledger.settle(at(2), MessageId::new(99), Outcome::Acked);
    assert_eq!((ledger.poll_fate(), ledger.late_answers()), (None, 3));
}

#[test]
fn resends_follow_each_other_and_new_messages_follow_them() {
    let mut ledger = Ledger::default();
    let ids: Vec<_> = (0..4).map(|_| ledger.accept(at(0), CLASS, 1, ()).expect("room")).collect();
    for id in &ids[..3] {
        ledger.sent(at(0), *id, Path::Socket);
    }
    ledger.cut();
    ledger.online(Continuity::Resumed);
    for id in &ids[..3] {
        assert_eq!(ledger.next(at(1)), Some((*id, &(), 1)));
        assert!(ledger.is_draining());
        ledger.sent(at(1), *id, Path::Socket);
        assert_eq!(ledger.next(at(1)), None, "its proof is waited for");
        ledger.settle(at(1), *id, Outcome::Acked);
    }
    assert!(!ledger.is_draining());
    assert_eq!(ledger.next(at(1)), Some((ids[3], &(), 0)));
}

#[test]
fn a_new_session_takes_what_the_old_one_cannot_have() {
    let mut ledger = Ledger::default();
    let ids: Vec<_> = (0..3).map(|_| ledger.accept(at(0), CLASS, 1, ()).expect("room")).collect();
    ledger.sent(at(0), ids[0], Path::Socket);
    ledger.sent(at(0), ids[1], Path::Socket);
    ledger.settle(at(0), ids[1], Outcome::AfterToken);
    ledger.cut();
    ledger.token_ready();
    ledger.online(Continuity::Fresh);
    assert_eq!(end(&mut ledger).id, ids[0], "it may have arrived");
    assert_eq!(ledger.next(at(1)), Some((ids[1], &(), 1)), "it was refused");
    ledger.sent(at(1), ids[1], Path::Socket);
    ledger.settle(at(1), ids[1], Outcome::Acked);
    assert_eq!(end(&mut ledger).arrivals, 1);
    assert_eq!(ledger.next(at(1)), Some((ids[2], &(), 0)), "it was never written");
}

#[test]
fn an_exchange_of_the_old_session_is_not_repeated_in_a_new_one() {
    for (outcome, again) in
        [(Outcome::Lost { after: None }, false), (Outcome::Retry { after: None }, true)]
    {
        let (mut ledger, id) = written(CLASS, Path::Http);
        ledger.cut();
        ledger.online(Continuity::Fresh);
        assert_eq!(ledger.status(id).map(|status| status.in_flight), Some(true));
        ledger.settle(at(1), id, outcome);
        assert_eq!(ledger.next(at(1)).is_some(), again);
        assert_eq!(ledger.poll_fate().is_none(), again);
    }
}

#[test]
fn the_state_of_a_message_can_be_asked_for() {
    let (mut ledger, id) = written(CLASS, Path::Socket);
    let status = Status { tries: 1, path: Some(Path::Socket), in_flight: true, arrivals: 1 };
    assert_eq!(ledger.status(id), Some(status));
    ledger.settle(at(1), id, Outcome::Retry { after: Some(Span::from_secs(5)) });
    let status = Status { in_flight: false, arrivals: 0, ..status };
    assert_eq!(ledger.status(id), Some(status));
    ledger.stop();
    assert_eq!(ledger.status(id), None);
}

#[test]
fn room_says_whether_waiting_helps() {
    let mut ledger = Ledger::new(Bounds { messages: 2, bytes: 10 });
    assert_eq!(ledger.room(11), Room::Never);
    let id = ledger.accept(at(0), CLASS, 6, 'a').expect("room");
    assert_eq!((ledger.room(4), ledger.room(5)), (Room::Now, Room::Later));
    let refused = ledger.accept(at(0), CLASS, 5, 'b').expect_err("too many bytes");
    assert_eq!((refused.why, refused.message), (Refusal::Full, 'b'));
    ledger.accept(at(0), CLASS, 4, 'c').expect("room");
    assert_eq!(ledger.room(0), Room::Later, "two messages are all");
    ledger.sent(at(0), id, Path::Socket);
    ledger.settle(at(0), id, Outcome::Acked);
    assert_eq!(ledger.room(5), Room::Now);
    ledger.stop();
    assert_eq!(ledger.room(1), Room::Never);
}

#[test]
fn out_of_order_ends_leave_no_trace() {
    // Every other message ends at once, so gaps arise all the time.
    let mut ledger = Ledger::default();
    let mut kept = Vec::new();
    for number in 0..2_000 {
        let id = ledger.accept(at(0), CLASS, 1, number).expect("room");
        assert_eq!(ledger.next(at(0)), Some((id, &number, 0)));
        ledger.sent(at(0), id, Path::Socket);
        if number % 2 == 0 {
            kept.push(id);
        } else {
            ledger.settle(at(0), id, Outcome::Acked);
        }
        if kept.len() > 100 {
            ledger.settle(at(0), kept.swap_remove(number % 100), Outcome::Acked);
        }
        assert_eq!(ledger.len(), kept.len());
    }
    for id in kept {
        ledger.settle(at(0), id, Outcome::Acked);
    }
    assert_eq!((ledger.is_empty(), ledger.poll_timeout()), (true, None));
}

/// A ledger with one message that was written at 0.
fn written(class: Class, path: Path) -> (Ledger<()>, MessageId) {
    let mut ledger = Ledger::default();
    let id = ledger.accept(at(0), class, 1, ()).expect("room");
    ledger.sent(at(0), id, path);
    (ledger, id)
}

fn end<P>(ledger: &mut Ledger<P>) -> Settled {
    let end = ledger.poll_fate().expect("a fate");
    assert_eq!(ledger.poll_fate(), None);
    end
}

fn settled(id: MessageId, fate: Fate, tries: u8, path: Path, arrivals: u8) -> Settled {
    Settled { id, fate, tries, path: Some(path), arrivals }
}

fn unwritten(id: MessageId, fate: Fate) -> Settled {
    Settled { id, fate, tries: 0, path: None, arrivals: 0 }
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(secs * 1000)
}
