//! What is told of a loss: when it began, what it cost, and once only.

use redial_core::{Cause, Input, Item, Notice, Secret, Session, Span, Timestamp, Wait};
use redial_ringcentral::{Certainty, Gap, Message, RingCentral};
use serde_json::{Value, json};

use crate::support::{FILTER, START, World, adapter, error, hello, notification, subscription};

fn failed(wsc: &str) -> Value {
    hello(wsc, json!({ "recoveryState": "Failed", "recoveryErrorCode": "WSG-1003" }))
}

fn recovered_with(size: u32, created: &str) -> Value {
    let more = json!({
        "recoveryState": "Successful", "recoveryBufferSize": size, "creationTime": created,
    });
    hello("wsc-2", more)
}

fn gaps(it: &World) -> Vec<Gap> {
    let gaps = it.messages().into_iter().filter_map(|message| match message {
        Message::Gap(gap) => Some(*gap),
        _ => None,
    });
    gaps.collect()
}

fn at(millis: u64) -> Option<Timestamp> {
    Some(Timestamp::from_millis(START + millis))
}

fn notified(uuid: &str, timestamp: &str) -> Value {
    let mut notification = notification(uuid);
    notification[1]["timestamp"] = json!(timestamp);
    notification
}

#[test]
fn a_gap_begins_when_the_connection_is_lost() {
    let mut it = World::subscribed(adapter());
    // Nothing comes for a while.
    it.run(50_000);
    it.lose(Cause::Network);
    it.reconnect();
    it.receive(failed("wsc-2"));
    it.answer_last(200, Some(subscription("sub-2")));
    let [gap] = gaps(&it)[..] else { panic!("{:?}", gaps(&it)) };
    assert_eq!((gap.from, gap.cause), (at(50_000), Some(Cause::Network)));
    assert_eq!(gap.to, Timestamp::from_millis(START + it.now));
}

#[test]
fn the_gap_of_a_silent_peer_begins_when_it_was_last_heard() {
    let mut it = World::subscribed(adapter());
    it.run(20_000);
    it.receive(notification("n-1"));
    // A heartbeat at 60 s, and no answer.
    it.run(60_000);
    assert_eq!(it.drops().len(), 1);
    it.reconnect();
    it.receive(failed("wsc-2"));
    it.answer_last(200, Some(subscription("sub-2")));
    let gap = gaps(&it)[0];
    assert_eq!((gap.from, gap.cause), (at(20_000), Some(Cause::Timeout(Wait::Pong))));
}

#[test]
fn a_gap_that_a_second_loss_lengthens_begins_with_the_first() {
    for second in ["Failed", "Successful"] {
        let mut it = World::subscribed(adapter());
        it.run(10_000);
        it.lose(Cause::Network);
        it.reconnect();
        it.receive(failed("wsc-2"));
        // Lost again before there is a subscription.
        it.run(5_000);
        it.lose(Cause::Close(1001));
        it.reconnect();
        it.items.clear();
        it.receive(hello("wsc-3", json!({ "recoveryState": second })));
        it.answer_last(200, Some(subscription("sub-3")));
        let words = it.told();
        let expected = ["newWsc 3 1", "subscribed false", "autoRecoverFailed 3", "gap certain"];
        assert_eq!(words[1..], expected, "{second}: nothing of the old subscription goes on");
        assert_eq!(gaps(&it)[0].from, at(10_000), "{second}");
    }
}

#[test]
fn a_context_of_an_earlier_process_that_is_refused_leaves_a_gap() {
    let mut it = World::new(adapter().wsc_token("garbage").subscribe([FILTER], None));
    it.input(Input::Connect);
    it.authorize();
    it.open();
    it.receive(error("WSG-400"));
    it.reconnect();
    it.receive(hello("wsc-2", json!({})));
    it.answer_last(200, Some(subscription("sub-1")));
    let words = it.told();
    let expected =
        ["Fresh", "newWsc 2 1", "subscribed false", "autoRecoverFailed 2", "gap certain"];
    assert_eq!(words, expected);
    assert_eq!(gaps(&it)[0].from, None);
    // A later loss has a gap of its own.
    it.lose(Cause::Network);
    it.reconnect();
    it.receive(hello("wsc-3", json!({ "recoveryState": "Successful" })));
    assert_eq!(it.told().last().unwrap(), "autoRecoverSuccess 3");
}

#[test]
fn a_process_that_comes_back_too_late_tells_of_the_gap() {
    let it = World::subscribed(adapter());
    let saved = serde_json::to_string(&it.session.snapshot()).unwrap();
    let saved = serde_json::from_str(&saved).unwrap();
    let now = Timestamp::from_millis(START + 300_000);
    let fresh = adapter().build().unwrap();
    let mut it = World::with(Session::<RingCentral>::restore(fresh, now, saved));
    it.now = 300_000;
    it.pump();
    it.reconnect();
    it.receive(failed("wsc-2"));
    it.answer_last(200, Some(subscription("sub-2")));
    let words = it.told();
    assert_eq!(words[2..], ["subscribed false", "autoRecoverFailed 3", "gap certain"], "{words:?}");
}

#[test]
fn a_refused_subscription_after_a_failed_recovery_does_not_hide_the_gap() {
    let mut it = World::subscribed(adapter());
    it.lose(Cause::Network);
    it.reconnect();
    it.receive(failed("wsc-2"));
    it.answer_last(403, Some(json!({ "errorCode": "SUB-528" })));
    assert_eq!(gaps(&it).len(), 1);
    assert_eq!(gaps(&it)[0].certainty, Certainty::Certain);
    assert!(!it.told().iter().any(|word| word.starts_with("autoRecoverFailed")), "none exists");
}

#[test]
fn a_full_replay_is_known_whatever_the_servers_clocks_say() {
    let clocks = [
        // The sample of the documentation: what is replayed is later than the hello.
        ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:05Z"),
        // Whole seconds in the hello.
        ("2026-09-21T14:13:20Z", "2026-09-21T14:13:20.700Z"),
        ("2026-09-21T14:13:20.000Z", "2020-01-01T00:00:00Z"),
        ("no time", "2026-09-21T14:13:20.700Z"),
        ("2026-09-21T14:13:20.000Z", "no time"),
    ];
    for (created, happened) in clocks {
        let mut it = World::subscribed(adapter());
        it.lose(Cause::Network);
        it.reconnect();
        it.receive(recovered_with(3, created));
        for uuid in ["n-1", "n-2"] {
            it.receive(notified(uuid, happened));
        }
        assert_eq!(gaps(&it).len(), 0, "{created} {happened}");
        it.run(50);
        it.receive(notified("n-3", happened));
        assert_eq!(gaps(&it).len(), 1, "{created} {happened}");
        assert_eq!(gaps(&it)[0].certainty, Certainty::Possible);
    }
}

#[test]
fn what_comes_long_after_a_short_replay_is_no_part_of_it() {
    for happened in ["2026-01-01T00:00:05Z", "2020-01-01T00:00:00Z", "no time"] {
        let mut it = World::subscribed(adapter());
        it.lose(Cause::Network);
        it.reconnect();
        it.receive(recovered_with(3, "2026-01-01T00:00:00.000Z"));
        it.receive(notified("n-1", happened));
        for number in 2..9 {
            it.run(11_000);
            it.receive(notified(&format!("n-{number}"), happened));
        }
        assert_eq!(gaps(&it).len(), 0, "{happened}");
    }
}

#[test]
fn without_a_buffer_every_recovery_may_have_a_gap() {
    let mut it = World::subscribed(adapter());
    it.lose(Cause::Network);
    it.reconnect();
    it.receive(recovered_with(0, "2026-09-21T14:13:20.000Z"));
    it.receive(notification("n-1"));
    let words = it.told();
    assert_eq!(words[words.len() - 3..], ["autoRecoverSuccess 2", "gap possible", "n n-1"]);
}

#[test]
fn the_first_attempt_begins_within_two_seconds_and_the_others_as_the_vendor_waits() {
    for entropy in [0, u64::MAX / 2, u64::MAX] {
        let spec = redial_ringcentral::POLICY.spec();
        let wait = |attempt| spec.backoff.wait(attempt, entropy, spec.floor).as_millis();
        // What a token and a handshake take belongs to it.
        assert!((500..=1_500).contains(&wait(1)), "{}", wait(1));
        for (attempt, least) in [(2, 4_000), (3, 6_000), (4, 8_000), (5, 8_000), (90, 8_000)] {
            let wait = wait(attempt);
            assert!((least..=least + 1_000).contains(&wait), "{attempt}: {wait}");
        }
    }
}

#[test]
fn an_attempt_that_ends_for_want_of_an_access_token_is_told_too() {
    let mut it = World::new(adapter().share().unwrap().session());
    it.input(Input::Connect);
    it.input(Input::OfferToken("one".into()));
    it.authorize();
    it.open();
    it.receive(hello("wsc-1", json!({})));
    it.lose(Cause::Network);
    while it.http.is_empty() {
        it.step();
    }
    it.answer(401, json!({}));
    let retry_after = Some(Span::from_secs(2));
    it.input(Input::TokenUnavailable { cause: Cause::Network, retry_after });
    assert!(matches!(it.notices().last(), Some(Notice::RetryScheduled { .. })));
    it.run(10_000);
    // It is still known which token is dead: a source that keeps it would give it again.
    let rejected = it.items.iter().filter_map(|(_, item)| match item {
        Item::TokenNeeded { rejected, .. } => Some(rejected.as_ref().map(Secret::expose)),
        _ => None,
    });
    assert_eq!(rejected.collect::<Vec<_>>(), [None, Some("one"), Some("one")]);
    it.input(Input::OfferToken("two".into()));
    it.authorize();
    it.open();
    it.receive(hello("wsc-2", json!({ "recoveryState": "Successful" })));
    let words = it.told();
    let expected = ["autoRecoverError 1", "Resumed", "newWsc 2 1", "autoRecoverSuccess 2"];
    assert_eq!(words[2..], expected, "{words:?}");
}

#[test]
fn without_auto_recovery_nothing_claims_that_there_are_more_attempts() {
    let mut it = World::subscribed(adapter().auto_recover(false));
    it.lose(Cause::Network);
    it.items.clear();
    it.run(60_000);
    assert_eq!(it.asked().len(), 2, "nothing happens by itself");
    it.input(Input::Recover);
    it.authorize();
    it.fail_dial(Cause::Handshake(503));
    it.run(60_000);
    assert_eq!(it.told(), [""; 0]);
    assert!(matches!(it.notices().last(), Some(Notice::Suspended { .. })));
    // The token is kept, and the session recovered within its window.
    it.input(Input::Recover);
    it.open();
    assert!(it.dials().last().unwrap().1.ends_with("&wsc=wsc-1"), "{:?}", it.dials());
    it.receive(hello("wsc-2", json!({ "recoveryState": "Successful" })));
    assert_eq!(it.told(), ["Resumed", "newWsc 3 1", "autoRecoverSuccess 3"]);
}
