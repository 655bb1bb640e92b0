//! Every number and rule of the guide, S1 to S15 of the notes on it.

use redial_core::{Backoff, Cause, Fate, Frame, Input, Notice, Path, Span, StopReason, Verdict};
use redial_genesys::guest::{POLICY, explain};
use serde_json::json;

use crate::support::{Wire, World, chat};

/// S1: min(30000, 1000 * 2^attempt + [0, 1000)), attempt from 0.
#[test]
fn s1_the_delay_is_the_guides_formula() {
    let Backoff { .. } = POLICY.spec().backoff;
    let wait = |attempt, entropy| {
        POLICY.spec().backoff.wait(attempt, entropy, POLICY.spec().floor).as_millis()
    };
    for (attempt, low, high) in [
        (1, 1_000, 2_000),
        (2, 2_000, 3_000),
        (3, 4_000, 5_000),
        (4, 8_000, 9_000),
        (5, 16_000, 17_000),
        (6, 30_000, 30_000),
        (60, 30_000, 30_000),
    ] {
        assert_eq!((wait(attempt, 0), wait(attempt, u64::MAX)), (low, high));
        for step in 0..1_000_u64 {
            let drawn = wait(attempt, step * (u64::MAX / 1_000));
            assert!((low..=high).contains(&drawn));
        }
    }
}

/// S2: five attempts, then permanent failure with the guide's words.
#[test]
fn s2_five_attempts_and_then_nothing() {
    let mut world = World::chatting();
    world.entropy = u64::MAX;
    world.lose(Cause::Close(1006));
    for _ in 0..5 {
        world.step();
        world.fail_dial();
    }
    let waits: Vec<_> = world.waits().iter().map(|wait| wait.1).collect();
    assert_eq!(waits, [2_000, 3_000, 5_000, 9_000, 17_000]);
    let words = explain(&world.last()).expect("words");
    assert_eq!(words, "maximum reconnection attempts reached");
    world.run(1_000);
    world.input(Input::Recover);
    assert!(world.dial.is_some(), "the application can go on");
}

/// S3: the counter returns to 0 when the connection is restored.
#[test]
fn s3_a_restored_connection_counts_from_zero() {
    let mut world = World::chatting();
    for _ in 0..3 {
        world.lose(Cause::Network);
        world.step();
        world.fail_dial();
        world.come_back();
    }
    let attempts: Vec<_> = world.waits().iter().map(|wait| wait.0).collect();
    assert_eq!(attempts, [1, 2, 1, 2, 1, 2]);
}

/// S4: an expired guest session is replaced before a reconnect, and only then.
#[test]
fn s4_an_expired_session_is_replaced_before_the_reconnect() {
    let mut world = World::guest(chat());
    world.input(Input::Connect);
    world.answer_guest(100);
    world.open();
    world.run(50_000);
    world.lose(Cause::Network);
    world.step();
    assert!(world.dial.is_some(), "the cached session is used");
    world.open();
    world.run(100_000);
    assert!(world.session.is_online(), "expiry does not cut a connection");
    world.lose(Cause::Network);
    world.step();
    assert!(world.dial.is_none());
    world.answer_guest(100);
    let url = &world.dial.as_ref().expect("a dial").1.url;
    assert!(url.contains("/instance-2/"));
}

/// S5: a UUID for every message; it is kept first, and sent when the socket is open.
#[test]
fn s5_every_message_is_kept_first_and_has_a_uuid() {
    let mut world = World::guest(chat());
    let cx = world.cx();
    world.session.send(cx, redial_genesys::guest::Text::new("m1")).expect("room");
    assert_eq!(world.session.load().queued, 1);
    world.connect();
    let text = world.take_texts().remove(0);
    let id = text["messageId"].as_str().expect("an id");
    let dashes: Vec<_> = id.match_indices('-').map(|(at, _)| at).collect();
    assert_eq!((id.len(), dashes, &id[14..15]), (36, vec![8, 13, 18, 23], "4"));
    assert_eq!(text, json!({ "type": "message", "content": "m1", "messageId": id }));
    assert_eq!(world.session.load().in_flight, 1);
}

/// S6: `messageReceived` removes it.
#[test]
fn s6_the_acknowledgment_removes_it() {
    let mut world = World::chatting();
    let id = world.say("m1");
    let texts = world.take_texts();
    world.acknowledge(&texts);
    assert_eq!(world.fates(), [(id, Fate::Acked)]);
    assert_eq!(world.settled()[0].path, Some(Path::Socket));
    world.acknowledge(&texts);
    assert_eq!(world.fates().len(), 1, "an acknowledgment twice is one");
    world.receive(&json!({ "type": "messageReceived", "messageId": "somebody-else" }));
    assert_eq!(world.session.adapter().ignored(), 1);
}

/// S7: 300 s and three retries.
#[test]
fn s7_ttl_and_retries_are_the_guides() {
    use redial_genesys::guest::{RETRIES, RETRY_AFTER, TTL};
    assert_eq!((TTL.as_millis(), RETRIES, RETRY_AFTER.as_millis()), (300_000, 3, 5_000));
    let mut world = World::chatting();
    let id = world.say("written, never acknowledged, and then too old");
    world.lose(Cause::Network);
    for _ in 0..5 {
        world.step();
        world.fail_dial();
    }
    world.run_until(299_999);
    assert_eq!(world.fates(), []);
    world.run_until(300_000);
    assert_eq!(world.fates(), [(id, Fate::Unknown)]);
}

/// S8: everything unacknowledged is sent again, one after the other, by REST; by the socket when
/// that is the policy.
#[test]
fn s8_the_resend_is_sequential() {
    for path in [Path::Http, Path::Socket] {
        let mut world = World::guest(chat().resend(path));
        world.connect();
        for n in 0..4 {
            world.say(&format!("m{n}"));
        }
        world.lose(Cause::Network);
        world.take_wire();
        world.come_back();
        for n in 0..4 {
            let content = format!("m{n}");
            if path == Path::Http {
                assert_eq!(world.http.len(), 1, "never in parallel");
                assert_eq!(world.answer_send(200)["content"], content);
            } else {
                let texts = world.take_texts();
                assert_eq!(texts.len(), 1, "one after the other");
                assert_eq!(texts[0]["content"], content);
                world.acknowledge(&texts);
            }
        }
        assert!(world.settled().iter().all(|settled| {
            (settled.fate, settled.path, settled.tries) == (Fate::Acked, Some(path), 2)
        }));
        assert_eq!(world.settled().len(), 4);
    }
}

/// S9: never faster than the server says; 5 s where it says nothing. Each wait spends a retry.
#[test]
fn s9_retry_after_is_kept_and_five_seconds_are_the_default() {
    let mut world = World::chatting();
    let ids = [world.say("m1"), world.say("m2")];
    world.lose(Cause::Network);
    world.come_back();
    let asked_at = world.now;
    world.answer_send(429);
    world.run_until(asked_at + 4_999);
    assert!(world.http.is_empty());
    world.run_until(asked_at + 5_000);
    world.answer_after(429, 2);
    world.run(2_000);
    world.answer_after(429, 2);
    // The third retry is spent; the next message waits for as long as the server says.
    assert_eq!(world.fates(), [(ids[0], Fate::Unknown)]);
    assert!(world.http.is_empty());
    world.run(2_000);
    assert_eq!(world.answer_send(200)["content"], "m2");
    assert_eq!(world.fates(), [(ids[0], Fate::Unknown), (ids[1], Fate::Acked)]);
}

/// S9: a 429 holds the whole account, so no dial goes out either.
#[test]
fn s9_a_429_of_a_send_holds_dials_too() {
    let mut world = World::chatting();
    world.say("m1");
    world.lose(Cause::Network);
    world.come_back();
    world.answer_after(429, 60);
    let asked_at = world.now;
    world.lose(Cause::Network);
    world.take_wire();
    world.run_until(asked_at + 59_999);
    assert_eq!(world.dials().len(), 0);
    world.run_until(asked_at + 60_000);
    assert_eq!(world.dials().len(), 1);
}

/// S10: any other failure keeps the message.
#[test]
fn s10_a_failed_send_keeps_the_message() {
    for status in [301, 408, 500, 502, 503, 504] {
        let mut world = World::chatting();
        let id = world.say("m1");
        world.lose(Cause::Network);
        world.come_back();
        world.answer_send(status);
        assert_eq!(world.fates(), [], "{status}");
        while world.http.is_empty() {
            world.step();
        }
        world.answer_send(201);
        assert_eq!(world.fates(), [(id, Fate::Acked)]);
        // A gateway that gave up does not say whether the server has it.
        let arrivals = if matches!(status, 408 | 502 | 504) { 3 } else { 2 };
        assert_eq!(world.settled()[0].arrivals, arrivals, "{status}");
    }
}

/// S11: any 2xx is an acknowledgment, and the server's word about duplicates is handed on.
#[test]
fn s11_a_2xx_is_an_acknowledgment() {
    for status in [200, 201, 202, 204, 299] {
        let mut world = World::chatting();
        let id = world.say("m1");
        world.lose(Cause::Network);
        world.come_back();
        world.answer(status, &json!({ "messageId": "x", "duplicate": true }));
        assert_eq!(world.fates(), [(id, Fate::Acked)]);
        let receipt = world.items.iter().find_map(|(_, item)| match item {
            redial_core::Item::Reply { reply, .. } => Some(reply.clone()),
            _ => None,
        });
        let receipt = receipt.expect("a receipt");
        assert_eq!((receipt.status, receipt.duplicate), (status, true));
    }
}

/// S12: 1006 and every other loss that nobody asked for goes to the backoff.
#[test]
fn s12_every_loss_is_backed_off() {
    for cause in [
        Cause::Network,
        Cause::Close(1000),
        Cause::Close(1001),
        Cause::Close(1005),
        Cause::Close(1006),
        Cause::Close(1011),
        Cause::Close(4000),
    ] {
        let mut world = World::chatting();
        world.lose(cause);
        assert_eq!(world.waits(), [(1, 1_000)], "{cause:?}");
        world.come_back();
        assert!(world.session.is_online());
    }
}

/// S13: shutdown closes with 1000 and the guide's reason, and never reconnects.
#[test]
fn s13_shutdown_says_goodbye_and_stays_away() {
    let mut world = World::chatting();
    let ids = [world.say("written")];
    let waiting = {
        world.input(Input::Shutdown);
        let cx = world.cx();
        world.session.send(cx, redial_genesys::guest::Text::new("too late"))
    };
    drop(waiting);
    assert!(world.wire.contains(&(0, Wire::Close(1000, "Client disconnect"))));
    world.lose(Cause::Close(1000));
    assert_eq!(world.last(), Notice::Stopped { reason: StopReason::Requested });
    assert_eq!(world.fates()[0], (ids[0], Fate::Unknown));
    world.take_wire();
    world.run(3_600_000);
    assert_eq!(world.take_wire(), []);
}

/// S13: where the peer does not answer the goodbye, every fate is there within 5 s.
#[test]
fn s13_every_waiting_message_has_its_fate_within_five_seconds() {
    let mut world = World::chatting();
    let written = world.say("written");
    world.lose(Cause::Network);
    world.come_back();
    let behind = world.say("waits behind the resend");
    world.input(Input::Shutdown);
    world.run(5_000);
    assert!(world.session.is_stopped());
    assert_eq!(world.fates(), [(written, Fate::Unknown), (behind, Fate::NotSent)]);
    assert_eq!(world.last(), Notice::Stopped { reason: StopReason::Requested });
}

/// S14: the size of the buffer can be seen at any time.
#[test]
fn s14_the_buffer_can_be_seen() {
    let mut world = World::chatting();
    world.say("m1");
    world.lose(Cause::Network);
    world.say("m2");
    let load = world.session.load();
    assert_eq!((load.queued, load.in_flight), (2, 0));
    assert!(load.bytes > 4);
    world.come_back();
    assert_eq!(world.session.load().in_flight, 1);
}

/// S15 names languages and platforms that this crate is not; what is left of it is that the policy
/// has an answer for everything, wherever the client runs.
#[test]
fn s15_every_cause_has_a_verdict() {
    for code in 0..=u16::MAX {
        for cause in [
            Cause::Close(code),
            Cause::Handshake(code),
            Cause::Refused(code),
            Cause::Http { step: 0, status: code },
        ] {
            match POLICY.verdict(cause) {
                Verdict::Retry(_) => {}
                Verdict::Suspend => assert!(matches!(cause, Cause::Refused(1 | 2))),
                Verdict::Stop => {
                    let client = matches!(cause, Cause::Http { status: 400..=499, .. });
                    assert!(client || cause == Cause::Refused(3), "{cause:?}");
                }
            }
        }
    }
}

/// The guide, Step 1: 30 s by default, checked each 10 s, 45 s to match a proxy.
#[test]
fn the_health_timeout_is_tunable() {
    for (millis, dead_at) in [(30_000, 30_000), (45_000, 45_000), (60_000, 60_000), (8_000, 8_000)]
    {
        let mut world = World::guest(chat().health_timeout(Span::from_millis(millis)));
        world.connect();
        world.answers = false;
        world.run(dead_at - 1);
        assert!(world.session.is_online(), "{millis}");
        world.run(1);
        assert!(!world.session.is_online(), "{millis}");
    }
    // Any frame is evidence, also one that says nothing.
    let mut world = World::chatting();
    world.answers = false;
    world.run(29_999);
    world.receive_frame(Frame::Text("not JSON".into()));
    world.run(29_999);
    assert!(world.session.is_online());
    world.run(1);
    assert!(!world.session.is_online());
}
