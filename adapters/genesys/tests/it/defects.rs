//! The defects of the guide's sample code, each with the recording in which it shows.
//!
//! Where a comment says "source", no recording can show the defect as such; what it shows of it is
//! named all the same. `evidence.rs` reads the recordings.

use redial_core::http::NoAnswer;
use redial_core::{
    Cause, Continuity, Fate, Frame, Input, Jitter, Notice, Path, Reason, Span, StopReason,
    SuspendReason, TokenUse, Wait,
};
use redial_genesys::guest::{Credentials, Message, POLICY, SocketAuth};
use redial_genesys::{ConfigError, GuestChat};
use serde_json::json;

use crate::support::{OAUTH, ORG, Wire, World, chat, guest_session};

/// Recording `seed-idle`: with no acknowledgment yet the first check, 10 s after open, replaces
/// the connection, and so for ever.
#[test]
fn g1_the_health_clock_starts_at_open() {
    let mut world = World::chatting();
    world.take_wire();
    world.run(600_000);
    assert!(world.session.is_online());
    assert_eq!(world.dials().len(), 0);
    world.answers = false;
    let silent_from = world.now;
    world.run_until(silent_from + 29_999);
    assert!(world.session.is_online());
    world.run_until(silent_from + 30_000);
    assert!(!world.session.is_online());
}

/// Source: only acknowledgments count, and no ping is ever sent, so 30 s of idleness after an
/// acknowledgment fire, too. Recording `seed-idle` has no ping in it.
#[test]
fn g2_pongs_and_frames_count_and_pings_go_out() {
    let mut world = World::chatting();
    world.take_wire();
    world.run(40_000);
    let pings: Vec<_> = world.take_wire();
    assert_eq!(pings, [10_000, 20_000, 30_000, 40_000].map(|at| (at, Wire::Ping)));
    world.answers = false;
    for _ in 0..20 {
        world.run(29_000);
        world.receive(&json!({ "type": "message", "content": "still here" }));
    }
    assert!(world.session.is_online());
}

/// Recording `seed-idle`: four sockets are open after 45 s, because an unhealthy one is left
/// alone, and each goes on delivering.
#[test]
fn g3_an_unhealthy_socket_is_dropped_before_the_next_is_dialled() {
    let mut world = World::chatting();
    world.answers = false;
    world.take_wire();
    let old = world.conn;
    world.run(60_000);
    let ends: Vec<_> = world
        .wire
        .iter()
        .filter(|(_, wire)| matches!(wire, Wire::Drop(_) | Wire::Dial(_)))
        .map(|(at, wire)| (*at, matches!(wire, Wire::Drop(None))))
        .collect();
    assert_eq!(ends, [(30_000, true), (31_000, false)]);
    let before = world.items.len();
    let frame = Frame::Text(json!({ "type": "message", "content": "late" }).to_string().into());
    world.input(Input::Frame { conn: old, frame });
    assert_eq!(world.items.len(), before, "a dropped socket delivers nothing");
}

/// Source: a health failure and a close, or two closes, start two backoffs. Recording `seed-idle`
/// has the sockets that are left open, each of which starts another one when it closes.
#[test]
fn g4_one_loss_told_twice_is_one_reconnection() {
    let mut world = World::chatting();
    world.answers = false;
    world.run(30_000);
    let conn = world.conn;
    for cause in [Cause::Network, Cause::Close(1006), Cause::Close(1011)] {
        world.input(Input::Closed { conn, cause, retry_after: None });
    }
    world.take_wire();
    world.run(1_000);
    assert_eq!(world.dials().len(), 1);
    world.open();
    assert_eq!(world.waits().len(), 1);
}

/// Source: the callback is not awaited, so a failure in it is an unhandled rejection and nothing
/// tries again (recording `seed-server-down`: every failure is "attempt 1").
#[test]
fn g5_a_failing_reconnect_is_tried_again() {
    let mut world = World::guest(chat());
    world.input(Input::Connect);
    world.answer_guest(3);
    world.open();
    world.run(3_000);
    world.lose(Cause::Network);
    world.step();
    // The guest has expired, and its replacement fails in each way.
    world.no_answer(NoAnswer::Network);
    world.step();
    world.answer(503, &json!(null));
    world.step();
    world.answer_guest(3600);
    world.open();
    assert!(world.session.is_online());
    let attempts: Vec<_> = world.waits().iter().map(|wait| wait.0).collect();
    assert_eq!(attempts, [1, 2, 3]);
}

/// Recording `seed-server-down`: 26 attempts in 40 s, all "attempt 1", because the counter is
/// reset before the socket is open.
#[test]
fn g6_the_counter_is_reset_by_an_open_socket_only() {
    let mut world = World::chatting();
    world.lose(Cause::Network);
    for _ in 0..5 {
        world.step();
        world.fail_dial();
    }
    let waits = [(1, 1_000), (2, 2_000), (3, 4_000), (4, 8_000), (5, 16_000)];
    assert_eq!(world.waits(), waits);
    let reason = SuspendReason::AttemptsExhausted(Cause::Network);
    assert_eq!(world.last(), Notice::Suspended { reason });
    world.take_wire();
    world.run(3_600_000);
    assert_eq!(world.take_wire(), []);
}

/// Recording `seed-upgrade-401`: the same dead token every 1 to 2 s, for ever.
#[test]
fn g7_a_refused_upgrade_gets_one_new_guest_and_then_stops() {
    let mut world = World::chatting();
    world.lose(Cause::Network);
    world.step();
    world.refuse(401, None);
    world.step();
    world.answer_guest(3600);
    let (_, handshake) = world.dial.as_ref().expect("a dial");
    assert!(handshake.headers.contains(&("authorization", "Bearer GT_2".into())));
    world.refuse(401, None);
    let reason = StopReason::TokenRejected(Cause::Handshake(401));
    assert_eq!(world.last(), Notice::Stopped { reason });
    assert!(world.session.is_stopped());
}

/// Recording `seed-server-down`: the resend runs, and "Session restored" is printed, while no
/// socket is open.
#[test]
fn g8_nothing_is_resent_before_the_socket_is_open() {
    let mut world = World::chatting();
    world.say("m1");
    world.lose(Cause::Network);
    world.take_wire();
    world.step();
    assert!(world.http.is_empty());
    world.fail_dial();
    world.step();
    assert!(world.http.is_empty());
    world.open();
    assert_eq!(world.http.len(), 1);
}

/// Recording `seed-ack-lost`: the message is sent again with the same id, and nobody is told that
/// it may stand there twice.
#[test]
fn g9_a_lost_ack_is_a_resend_with_the_same_id_and_is_told() {
    let mut world = World::chatting();
    let id = world.say("m1");
    let sent = world.take_texts().remove(0);
    world.lose(Cause::Close(1006));
    world.come_back();
    let body = world.answer_send(200);
    assert_eq!(body, sent);
    let settled = world.settled().pop().expect("a fate");
    assert_eq!((settled.id, settled.fate, settled.path), (id, Fate::Acked, Some(Path::Http)));
    assert_eq!(settled.tries, 2);
    assert!(settled.may_be_duplicate());
}

/// Recording `seed-retry-after-twice`: the answer to the only retry is not looked at, and a second
/// 429 loses the message.
#[test]
fn g10_a_second_429_waits_again() {
    let mut world = World::chatting();
    let id = world.say("m1");
    world.lose(Cause::Network);
    world.come_back();
    for _ in 0..2 {
        let asked_at = world.now;
        world.answer_after(429, 7);
        world.take_wire();
        world.run_until(asked_at + 6_999);
        assert!(world.http.is_empty());
        world.run_until(asked_at + 7_000);
        assert_eq!(world.http.len(), 1);
    }
    world.answer_send(200);
    assert_eq!(world.fates(), [(id, Fate::Acked)]);
}

/// Recording `seed-rest-500-order`: the loop goes on with the next message, and the first comes
/// last or never.
#[test]
fn g11_a_500_keeps_the_order() {
    let mut world = World::chatting();
    let ids = [world.say("m1"), world.say("m2")];
    world.lose(Cause::Network);
    world.come_back();
    assert_eq!(world.answer_send(500)["content"], "m1");
    assert!(world.http.is_empty(), "m2 waits for m1");
    let m3 = world.say("m3");
    world.step();
    assert_eq!(world.answer_send(200)["content"], "m1");
    assert_eq!(world.answer_send(200)["content"], "m2");
    let last = world.take_texts().pop().expect("m3 on the socket");
    assert_eq!(last["content"], "m3");
    world.acknowledge(&[last]);
    assert_eq!(world.fates(), [(ids[0], Fate::Acked), (ids[1], Fate::Acked), (m3, Fate::Acked)]);
}

/// Recording `seed-server-down`: one message is sent 25 times and more, because `retryCount` is
/// raised after success only and the limit of 3 never works.
#[test]
fn g12_three_retries_are_the_end() {
    let mut world = World::chatting();
    let id = world.say("m1");
    world.lose(Cause::Network);
    world.come_back();
    for _ in 0..3 {
        assert_eq!(world.fates(), []);
        if world.http.is_empty() {
            world.step();
        }
        world.answer_send(500);
    }
    assert_eq!(world.fates(), [(id, Fate::Unknown)]);
    assert_eq!(world.settled()[0].tries, 4);
}

/// Source: the TTL is looked at only when a message is added, and dropping is silent. Recording
/// `seed-server-down` shows what the application is told of a message that waits: "Buffer
/// cleared".
#[test]
fn g13_expiry_is_by_time_and_is_told() {
    let mut world = World::chatting();
    world.lose(Cause::Network);
    let id = world.say("never written");
    world.run(299_999);
    assert_eq!(world.fates(), []);
    world.run(1);
    assert_eq!(world.fates(), [(id, Fate::Expired)]);
    assert_eq!(world.session.load().queued, 0);
}

/// Recording `seed-usage`: what is sent while the socket is connecting waits for 12 s, until the
/// health check fires by mistake.
#[test]
fn g14_what_waits_goes_out_when_the_socket_opens() {
    let mut world = World::guest(chat());
    world.input(Input::Connect);
    world.say("Hello Genesys Cloud");
    world.say("Testing resilient delivery");
    world.answer_guest(3600);
    world.take_wire();
    world.open();
    let texts = world.take_texts();
    let contents: Vec<_> = texts.iter().map(|text| &text["content"]).collect();
    assert_eq!(contents, ["Hello Genesys Cloud", "Testing resilient delivery"]);
    assert_eq!(world.now, 0);
}

/// Argued: the sample code's `sendMessage` writes to the new socket at once while
/// `resendBufferViaRest` is still awaiting its answers, so a later message overtakes an earlier
/// one. No recording has the timing. Here the first message that is sent again keeps back all
/// that were accepted later, on both paths.
#[test]
fn g15_new_sends_do_not_overtake_a_resend() {
    let mut world = World::chatting();
    world.say("m1");
    world.say("m2");
    world.lose(Cause::Network);
    world.come_back();
    world.take_wire();
    world.say("m3");
    assert_eq!(world.take_texts(), [] as [serde_json::Value; 0]);
    assert_eq!(world.answer_send(200)["content"], "m1");
    assert_eq!(world.take_texts(), [] as [serde_json::Value; 0]);
    assert_eq!(world.answer_send(200)["content"], "m2");
    assert_eq!(world.take_texts()[0]["content"], "m3");
}

/// Recording `seed-token-expired`: the message is posted to another conversation and nobody is
/// told that it is another one.
#[test]
fn g16_a_new_guest_is_told_as_a_new_conversation() {
    for carry_over in [false, true] {
        let mut world = World::guest(chat().carry_over(carry_over));
        world.input(Input::Connect);
        world.answer_guest(7);
        world.open();
        let id = world.say("m1");
        world.run(7_000);
        world.lose(Cause::Network);
        world.step();
        world.answer_guest(3600);
        world.open();
        assert_eq!(world.continuities(), [Continuity::Fresh, Continuity::Fresh]);
        let conversation = Message::Conversation {
            instance: "instance-2".into(),
            previous: Some("instance-1".into()),
        };
        assert!(world.messages().contains(&&conversation));
        if carry_over {
            world.answer_send(200);
            assert!(world.settled()[0].may_be_duplicate());
        }
        let fate = if carry_over { Fate::Acked } else { Fate::Unknown };
        assert_eq!(world.fates(), [(id, fate)]);
        assert!(world.http.is_empty());
    }
}

/// Source: a missing `expiresIn` is NaN and never compares, and a token that lives for another
/// millisecond is dialled with. Recording `seed-token-expired` has a life of 2 s and no margin.
#[test]
fn g17_expiry_has_a_margin_and_a_missing_one_is_told() {
    let mut world = World::guest(chat());
    world.input(Input::Connect);
    world.answer_guest(60);
    world.open();
    world.run(54_500);
    world.lose(Cause::Network);
    world.step();
    assert_eq!(world.now, 55_500);
    assert!(world.dial.is_none(), "less than 5 s are left: another guest is made");
    let mut session = guest_session(2, 0);
    session.as_object_mut().expect("an object").remove("expiresIn");
    world.answer(200, &session);
    world.open();
    assert_eq!(world.problems(), ["a guest session without a readable expiresIn"]);
    assert!(
        world
            .notices()
            .contains(&Notice::Token { token: redial_core::TokenId::new(2), expires_in: None })
    );
    // Then only the server says that it is over.
    world.run(10_000_000);
    world.lose(Cause::Close(4401));
    assert!(matches!(world.last(), Notice::RetryScheduled { token: TokenUse::Regenerate, .. }));
}

/// Recording `seed-shutdown-during-backoff`: the client reconnects after `shutdown()` and stays.
#[test]
fn g18_shutdown_ends_a_backoff() {
    let mut world = World::chatting();
    world.lose(Cause::Network);
    world.run(200);
    world.input(Input::Shutdown);
    assert_eq!(world.last(), Notice::Stopped { reason: StopReason::Requested });
    world.take_wire();
    assert_eq!(world.due(), None);
    world.run(3_600_000);
    assert_eq!(world.take_wire(), []);
}

/// Source: `isRunning` becomes true after the first connect, so a close before that is ignored
/// for ever. Recording `seed-usage` shows how long that is: the socket opens well after
/// `initialize()` has returned.
#[test]
fn g19_a_close_before_the_first_open_is_retried() {
    let mut world = World::guest(chat());
    world.input(Input::Connect);
    world.answer_guest(3600);
    world.fail_dial();
    assert_eq!(world.waits(), [(1, 1_000)]);
    world.come_back();
    assert!(world.session.is_online());
}

/// Source: guest creation throws at 429 and 5xx and has no timeout. Every recording, such as
/// `seed-basic`, has one call and would end with it.
#[test]
fn g20_guest_creation_is_retried_and_has_a_timeout() {
    let mut world = World::guest(chat());
    world.input(Input::Connect);
    world.answer_after(429, 9);
    world.step();
    assert_eq!(world.now, 9_000);
    world.answer(503, &json!(null));
    world.step();
    let asked_at = world.now;
    world.run(10_000);
    let wait = Cause::Timeout(Wait::Token);
    assert!(matches!(world.last(), Notice::RetryScheduled { cause, .. } if cause == wait));
    assert_eq!(world.now, asked_at + 10_000);
    world.step();
    world.answer_guest(3600);
    world.open();
    assert!(world.session.is_online());
}

/// Source: `parseInt` of an HTTP date is NaN, which is no wait. Recording
/// `seed-retry-after-twice` has seconds. Here the driver resolves dates by `http::retry_after`.
#[test]
fn g21_an_http_date_is_waited_for() {
    let date = Some("Wed, 21 Oct 2026 07:28:00 GMT");
    let now = redial_core::Timestamp::ZERO;
    let after = redial_core::http::retry_after("Wed, 21 Oct 2026 07:28:11 GMT", date, now);
    assert_eq!(after, Some(Span::from_secs(11)));
    let mut world = World::chatting();
    world.say("m1");
    world.lose(Cause::Network);
    world.come_back();
    let asked_at = world.now;
    world.answer_with(crate::support::response(429, &json!(null), after));
    world.run_until(asked_at + 10_999);
    assert!(world.http.is_empty());
    world.run_until(asked_at + 11_000);
    assert_eq!(world.http.len(), 1);
}

/// Source: the `messageId` of what comes in is not looked at. Recording `seed-basic` has one: the
/// application gets its content and nothing else.
#[test]
fn g22_inbound_duplicates_are_told() {
    let mut world = World::chatting();
    let frame = json!({ "type": "message", "content": "hi", "messageId": "a-1" });
    world.receive(&frame);
    world.receive(&frame);
    world.lose(Cause::Network);
    world.come_back();
    world.receive(&frame);
    let kinds: Vec<_> = world
        .messages()
        .iter()
        .filter_map(|message| match message {
            Message::Chat(_) => Some("chat"),
            Message::Duplicate(_) => Some("duplicate"),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["chat", "duplicate", "duplicate"]);
}

/// Source, and every recording (`seed-basic`): the upgrade has no credential at all.
#[test]
fn g23_the_guest_token_is_on_the_upgrade() {
    let url = format!("ws://{ORG}/api/v2/webchat/instances/instance-1/websocket");
    for (auth, query, header) in [
        (SocketAuth::Header, "", true),
        (SocketAuth::Query("token"), "?token=GT_1", false),
        (SocketAuth::None, "", false),
    ] {
        let mut world = World::guest(chat().socket_auth(auth));
        world.input(Input::Connect);
        world.answer_guest(3600);
        let (_, handshake) = world.dial.as_ref().expect("a dial");
        assert_eq!(handshake.url, format!("{url}{query}"));
        let headers: Vec<_> =
            header.then(|| ("authorization", "Bearer GT_1".to_owned())).into_iter().collect();
        assert_eq!(handshake.headers, headers);
    }
}

/// Argued: `isHealthy` is written and never read, and `onerror` does nothing else, so an error
/// that is not followed by a close leaves a connection that nobody uses and nobody replaces. Here
/// there is no such flag: an error of the socket is an input like a close, and ends the connection.
#[test]
fn g24_an_error_of_the_socket_ends_the_connection() {
    let mut world = World::chatting();
    world.lose(Cause::Network);
    assert!(!world.session.is_online());
    world.come_back();
    assert!(world.session.is_online());
}

/// Source: the jitter adds 0 to 1 s and is cut off at the cap. Recording `seed-server-down` has
/// its spread. That is the guide's formula, so it is the default; a policy can spread more.
#[test]
fn g25_the_jitter_of_the_guide_is_the_default_and_can_be_replaced() {
    let (mut low, mut high) = (World::chatting(), World::chatting());
    high.entropy = u64::MAX;
    for world in [&mut low, &mut high] {
        world.lose(Cause::Network);
    }
    assert_eq!((low.waits()[0].1, high.waits()[0].1), (1_000, 2_000));
    let mut spec = *POLICY.spec();
    spec.backoff.jitter = Jitter::Full;
    let policy = redial_core::Policy::try_new(spec).expect("a good policy");
    let mut world = World::guest(chat().policy(policy));
    world.connect();
    world.lose(Cause::Network);
    world.step();
    world.fail_dial();
    assert_eq!(world.waits(), [(1, 1_000), (2, 1_000)]);
}

/// Argued: an OAuth bearer with write scope in a browser belongs to everyone who opens the page.
/// No recording can show that. Here a server of the application's can make the guest sessions, and
/// the client never sees the bearer.
#[test]
fn g26_guest_sessions_can_come_from_a_backend() {
    let builder = GuestChat::builder(ORG, Credentials::Backend).plain(true);
    let mut world = World::guest(builder);
    world.input(Input::Connect);
    assert!(world.http.is_empty(), "no request that would need the bearer");
    let asked = |world: &World<GuestChat>| {
        world
            .items
            .iter()
            .filter(|(_, item)| {
                matches!(item, redial_core::Item::TokenNeeded { reason: Reason::Start, .. })
            })
            .count()
    };
    assert_eq!(asked(&world), 1);
    world.input(Input::OfferToken(guest_session(1, 3600).to_string().into()));
    world.open();
    assert!(world.session.is_online());
    for (_, wire) in &world.wire {
        assert!(!matches!(wire, Wire::Http { .. }));
    }
    let short = GuestChat::builder(ORG, Credentials::OAuth("123456789".into())).build();
    assert_eq!(short.err(), Some(ConfigError::OauthToken));
    assert!(OAUTH.len() >= 10);
}
