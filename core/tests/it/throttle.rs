//! One earliest time for token calls, connects and messages.

use redial_core::{Cause, Input, Session, Span};

use crate::fake::{Fake, Loop, OVER_HTTP, RESENT};

#[test]
fn what_the_adapter_throttles_is_the_whole_session() {
    let mut it = Loop::online();
    it.frame("throttled 5000");
    it.send(RESENT);
    it.send(OVER_HTTP);
    assert_eq!(it.take(), NOTHING);
    it.run_until(4_999);
    assert_eq!(it.take(), NOTHING);
    it.run_until(5_000);
    assert_eq!(it.take(), ["> 1 0"]);
    it.frame("ack 1");
    assert_eq!(it.take(), ["reply 1 done", "fate 1 Acked", "http send"]);
}

#[test]
fn a_peer_that_asks_for_answers_and_reads_none_is_given_up() {
    let mut it = Loop::online();
    for _ in 0..Session::<Fake>::FRAMES_MAX {
        it.quietly(it.frame_of("text"));
        assert!(it.session.is_online());
    }
    it.quietly(it.frame_of("text"));
    assert!(!it.session.is_online());
    it.pump();
    let out = it.take();
    assert!(out.iter().any(|word| word == "drop 1 Some(1008)"), "{out:?}");
    assert!(!out.iter().any(|word| word == "text"), "what was meant for it is gone: {out:?}");
}

#[test]
fn an_exchange_waits_for_what_was_written_on_the_socket() {
    let mut it = Loop::online();
    it.send(RESENT);
    it.send(OVER_HTTP);
    it.send(RESENT);
    assert_eq!(it.take(), ["> 1 0"], "it may be lost with its socket");
    it.frame("ack 1");
    assert_eq!(it.take(), ["reply 1 done", "fate 1 Acked", "http send"]);
    it.answer(200, None);
    assert_eq!(it.take(), ["> 3 0", "reply 2 done", "fate 2 Acked"]);
}

#[test]
fn a_throttled_account_holds_exchanges_and_not_the_open_socket() {
    let mut it = Loop::online();
    it.input(Input::Throttled { within: Span::from_secs(5) });
    it.send(RESENT);
    it.send(OVER_HTTP);
    it.send(RESENT);
    assert_eq!(it.take(), ["> 1 0"], "order is kept behind the exchange");
    assert_eq!(it.session.status(redial_core::MessageId::new(2)).map(|it| it.tries), Some(0));
    it.frame("ack 1");
    assert_eq!(it.take(), ["reply 1 done", "fate 1 Acked"]);
    it.run_until(4_999);
    assert_eq!(it.take(), NOTHING);
    it.run_until(5_000);
    assert_eq!(it.take(), ["http send"]);
    it.answer(200, None);
    assert_eq!(it.take(), ["> 3 0", "reply 2 done", "fate 2 Acked"]);
}

#[test]
fn a_resend_waits_for_the_earliest_time_too() {
    let mut it = Loop::online();
    it.send(RESENT);
    it.lose(Cause::Network);
    it.run_until(1_000);
    it.open();
    it.take();
    it.input(Input::Throttled { within: Span::from_secs(5) });
    it.frame("resumed");
    it.send(RESENT);
    assert_eq!(it.take(), ["online Resumed"]);
    it.run_until(5_999);
    assert_eq!(it.take(), NOTHING);
    it.run_until(6_000);
    assert_eq!(it.take(), ["> 1 1"]);
    it.frame("ack 1");
    assert_eq!(it.take(), ["> 2 0", "reply 1 done", "fate 1 Acked"]);
}

#[test]
fn a_connect_and_a_message_share_the_earliest_time() {
    let mut it = Loop::online();
    it.frame("throttled 5000");
    it.send(RESENT);
    it.lose(Cause::Network);
    it.take();
    it.run_until(4_999);
    assert_eq!(it.take(), NOTHING);
    it.run_until(5_000);
    assert_eq!(it.take(), ["dial 2", "connecting Resume"]);
}

#[test]
fn what_the_adapter_says_of_itself_goes_before_messages() {
    let mut it = Loop::online();
    let cx = it.cx();
    it.session.send(cx, RESENT).expect("room");
    it.quietly(it.frame_of("text"));
    it.pump();
    assert_eq!(it.take(), ["> text", "> 1 0"]);
}

#[test]
fn an_exchange_without_an_answer_leaves_a_doubt() {
    // The adapter calls it a refusal, but nobody has refused anything.
    let mut it = Loop::online();
    let id = it.send(OVER_HTTP);
    it.run_until(5_000);
    assert_eq!(it.take(), ["http send", "abort", "http send"]);
    assert_eq!(it.session.status(id).map(|it| (it.tries, it.arrivals)), Some((2, 2)));
    it.answer(429, None);
    assert_eq!(it.session.status(id).map(|it| (it.tries, it.arrivals)), Some((3, 2)));
}

#[test]
fn a_late_ack_is_counted() {
    let mut it = Loop::online();
    it.send(RESENT);
    it.frame("ack 1");
    it.frame("ack 1");
    assert_eq!(it.take(), ["> 1 0", "reply 1 done", "fate 1 Acked"]);
    assert_eq!(it.session.late_answers(), 1);
}

const NOTHING: [&str; 0] = [];
