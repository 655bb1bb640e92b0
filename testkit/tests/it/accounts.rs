//! The onlooker's account of messages finds each lie.

use redial_core::{Class, Cut, Fate, Load, MessageId, Path, Proof, Settled, Span, Status};
use redial_testkit::peer::Carried;
use redial_testkit::{Accounts, Breach};

#[test]
fn a_message_that_goes_well_is_no_breach() {
    let mut accounts = sent(&[1, 2]);
    accounts.arrive(1);
    assert_eq!(accounts.settle(&end(1, Fate::Acked, 1)), Ok(()));
    assert_eq!(accounts.check(Load { queued: 0, in_flight: 1, bytes: 0 }), Ok(()));
    assert_eq!(accounts.settle(&end(2, Fate::Unknown, 1)), Ok(()));
    assert_eq!(accounts.close(), Ok(()));
    assert_eq!((accounts.accepted(), accounts.fates()), (2, [1, 0, 0, 0, 1]));
}

#[test]
fn a_message_that_is_lost_breaks_the_account() {
    let mut accounts = sent(&[1, 2]);
    breaks(accounts.check(Load { queued: 1, in_flight: 0, bytes: 0 }), "ledger_conserves");
    breaks(accounts.close(), "ledger_conserves");
}

#[test]
fn a_message_that_overtakes_breaks_the_order() {
    let mut accounts = sent(&[1, 3]);
    accounts.accept(2, MessageId::new(2), CLASS);
    breaks(accounts.write(&on_wire(2, "b")), "order_kept");
    assert_eq!(accounts.write(&on_wire(1, "1")), Ok(()), "a resend overtakes nobody");
}

#[test]
fn messages_that_are_written_again_keep_their_order_on_each_connection() {
    let mut accounts = sent(&[1, 2, 3]);
    accounts.connect();
    for number in ["1", "3"] {
        assert_eq!(accounts.write(&on_wire(number.parse().expect("a number"), number)), Ok(()));
    }
    breaks(accounts.write(&on_wire(2, "2")), "order_kept");
}

#[test]
fn an_end_that_is_not_true_is_found() {
    for (fate, arrivals) in [(Fate::Acked, 1), (Fate::Expired, 0), (Fate::NotSent, 0)] {
        let mut accounts = sent(&[1]);
        breaks(accounts.settle(&end(1, fate, arrivals)), "ack_settles_once");
    }
    let mut accounts = sent(&[1]);
    accounts.arrive(1);
    accounts.arrive(1);
    breaks(accounts.settle(&end(1, Fate::Unknown, 1)), "ack_settles_once");
}

#[test]
fn what_nothing_proves_counts_as_arrived_when_it_is_handed_over() {
    let mut accounts = Accounts::default();
    for number in [1, 2] {
        let class = Class { proof: Proof::Written, ..CLASS };
        accounts.accept(number, MessageId::new(number), class);
    }
    assert_eq!(accounts.write(&on_wire(1, "1")), Ok(()));
    assert_eq!(accounts.settle(&end(1, Fate::Acked, 1)), Ok(()));
    breaks(accounts.settle(&end(2, Fate::Acked, 0)), "ack_settles_once");
}

#[test]
fn a_second_end_is_found() {
    let mut accounts = sent(&[1]);
    assert_eq!(accounts.settle(&end(1, Fate::Unknown, 1)), Ok(()));
    breaks(accounts.settle(&end(1, Fate::Unknown, 1)), "ack_settles_once");
    breaks(accounts.write(&on_wire(1, "1")), "ack_settles_once");
}

#[test]
fn another_id_on_the_wire_is_found() {
    let mut accounts = sent(&[1, 2]);
    breaks(accounts.write(&on_wire(1, "another")), "ids_kept");
    accounts.accept(3, MessageId::new(3), CLASS);
    breaks(accounts.write(&on_wire(3, "2")), "ids_kept");
}

#[test]
fn a_message_that_is_written_too_often_is_found() {
    let mut accounts = sent(&[1]);
    assert_eq!(accounts.write(&on_wire(1, "1")), Ok(()));
    breaks(accounts.write(&on_wire(1, "1")), "tries_bounded");
}

#[test]
fn a_message_on_a_socket_that_is_gone_is_found() {
    let accounts = sent(&[1]);
    let status = |path, in_flight| Status { tries: 1, path: Some(path), in_flight, arrivals: 1 };
    assert_eq!(accounts.check_cut(|_| None), Ok(()));
    assert_eq!(accounts.check_cut(|_| Some(status(Path::Socket, false))), Ok(()));
    assert_eq!(accounts.check_cut(|_| Some(status(Path::Http, true))), Ok(()));
    breaks(accounts.check_cut(|_| Some(status(Path::Socket, true))), "cut_at_loss");
}

/// An account of messages that were accepted and written, each with its number as its id.
fn sent(numbers: &[u64]) -> Accounts {
    let mut accounts = Accounts::default();
    for number in numbers {
        accounts.accept(*number, MessageId::new(*number), CLASS);
        assert_eq!(accounts.write(&on_wire(*number, &number.to_string())), Ok(()));
    }
    accounts
}

fn on_wire(number: u64, id: &str) -> Carried {
    Carried { number, id: id.to_owned() }
}

fn end(number: u64, fate: Fate, arrivals: u8) -> Settled {
    Settled { id: MessageId::new(number), fate, tries: 1, path: None, arrivals }
}

fn breaks(outcome: Result<(), Breach>, law: &str) {
    assert_eq!(outcome.expect_err("a breach").invariant, law);
}

const CLASS: Class = Class {
    proof: Proof::Answer,
    cut: Cut::Resend,
    portable: true,
    within: Span::from_secs(1),
    ttl: Span::from_secs(9),
    tries: 2,
};
