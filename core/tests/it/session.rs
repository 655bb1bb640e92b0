//! The session: what goes in where, what comes out in which order, and what never does.

use bytes::Bytes;
use redial_core::{
    Bounds, Cause, Class, ConnId, Frame, HttpId, Input, Machine, Problem, Recorded, Refusal,
    Secret, Session, Span, Timestamp, TokenUse, Wait,
};

use crate::fake::{Fake, Loop, NONCE, OVER_HTTP, Out, POLICY, REPORTED, RESENT, Tokens};

#[test]
fn a_session_begins_in_order() {
    let mut it = Loop::new(Tokens::ByHttp);
    it.input(Input::Connect);
    assert_eq!(it.take(), ["http token", "authorizing Start"]);
    it.answer(200, None);
    assert_eq!(it.take(), ["dial 1", "token", "connecting Restart"]);
    it.open();
    assert_eq!(it.take(), ["> hello"]);
    it.frame("ready");
    assert_eq!(it.take(), ["online Fresh"]);
}

#[test]
fn what_a_dead_connection_says_is_not_heard() {
    let mut it = Loop::online();
    let old = it.conn;
    it.lose(Cause::Network);
    it.run_until(1_000);
    it.open();
    it.frame("ready");
    let id = it.send(RESENT);
    it.take();
    let frame = Frame::Text(Bytes::from(format!("message;ack {};refused 1;ready", id.get())));
    it.input(Input::Frame { conn: old, frame });
    it.input(Input::Opened { conn: old });
    it.input(Input::Dialing { conn: old });
    it.input(Input::Closed { conn: old, cause: Cause::Close(4000), retry_after: None });
    it.input(Input::Frame { conn: ConnId::new(99), frame: Frame::Text(Bytes::new()) });
    it.session.note_reason(old, "late");
    assert_eq!(it.take(), Vec::<String>::new());
    assert!(it.session.is_online());
}

#[test]
fn frames_for_a_dead_connection_never_reach_the_next() {
    let mut it = Loop::online();
    it.quietly(it.frame_of("text;text"));
    let cx = it.cx();
    it.session.send(cx, RESENT).expect("room");
    it.quietly(Input::Closed { conn: it.conn, cause: Cause::Network, retry_after: None });
    it.pump();
    assert_eq!(it.take(), ["offline Network", "retry in 1000ms"]);
    it.run_until(1_000);
    it.open();
    it.frame("ready");
    let out = it.take();
    assert_eq!(out, ["dial 2", "connecting Resume", "> hello", "> 1 0", "online Fresh"]);
}

#[test]
fn no_frame_goes_to_a_socket_that_is_not_open() {
    let mut it = Loop::online();
    it.lose(Cause::Network);
    it.run_until(1_000);
    it.take();
    it.input(Input::Command("text"));
    assert_eq!(it.take(), Vec::<String>::new());
    it.open();
    assert_eq!(it.take(), ["> hello"]);
}

#[test]
fn exchanges_die_with_what_they_belong_to() {
    // A token's with the request.
    let mut it = Loop::new(Tokens::ByHttp);
    it.input(Input::Connect);
    let token = it.http[0];
    it.input(Input::Shutdown);
    assert_eq!(it.take(), ["http token", "authorizing Start", "abort", "stopped"]);
    it.input(Input::Http { id: token, answer: Err(redial_core::http::NoAnswer::Network) });
    assert_eq!(it.take(), Vec::<String>::new());

    // A connection's with the connection; the application's with the session.
    let mut it = Loop::online();
    it.frame("side");
    it.input(Input::Command("side"));
    let (of_conn, of_session) = (it.http[0], it.http[1]);
    it.lose(Cause::Network);
    assert_eq!(it.http, [of_session], "one scope alone is aborted");
    it.take();
    let answer = |id: HttpId| {
        let body = Bytes::new();
        let status = 200;
        let (headers, retry_after) = (Vec::new(), None);
        let answer = redial_core::http::HttpResponse { status, headers, body, retry_after };
        Input::Http { id, answer: Ok(answer) }
    };
    it.input(answer(of_conn));
    assert_eq!(it.take(), Vec::<String>::new());
    it.input(answer(of_session));
    assert_eq!(it.take(), ["message side true"]);
    it.input(answer(of_session));
    assert_eq!(it.take(), Vec::<String>::new(), "an answer counts once");
}

#[test]
fn an_exchange_of_the_sessions_outlives_what_it_was_asked_for_in() {
    let mut it = Loop::online();
    it.frame("side;lasting");
    it.take();
    it.lose(Cause::Close(1006));
    let out = it.take();
    assert_eq!(out.iter().filter(|word| *word == "abort").count(), 1, "{out:?}");
    it.answer(200, None);
    assert_eq!(it.take(), ["message side true"]);
}

#[test]
fn an_adapter_is_told_the_name_of_each_connection_that_is_dialled() {
    let mut it = Loop::online();
    it.lose(Cause::Close(1006));
    it.run_until(1_000);
    assert_eq!(it.session.adapter().dialled, [ConnId::new(1), ConnId::new(2)]);
}

#[test]
fn an_exchange_has_a_deadline_of_the_sessions() {
    let mut it = Loop::new(Tokens::ByHttp);
    it.input(Input::Connect);
    it.take();
    assert_eq!(it.session.poll_timeout(), Some(Timestamp::from_millis(5_000)));
    it.run_until(4_999);
    assert_eq!(it.take(), Vec::<String>::new());
    it.run_until(5_000);
    assert_eq!(it.take(), ["abort", "retry in 1000ms"]);
    it.run_until(6_000);
    assert_eq!(it.take(), ["http token", "authorizing Start"]);
}

#[test]
fn messages_before_online_follow_it() {
    let mut it = Loop::new(Tokens::AtOnce);
    it.input(Input::Connect);
    it.open();
    it.take();
    it.frame("early 1;early 2");
    assert_eq!(it.take(), Vec::<String>::new());
    it.frame("early 3;ready;late");
    let expected = ["early 1", "early 2", "early 3", "late"].map(|text| format!("message {text}"));
    let out = it.take();
    assert_eq!(out[0], "online Fresh");
    assert_eq!(out[1..], expected);
}

#[test]
fn messages_before_an_end_come_out_in_order() {
    let mut it = Loop::new(Tokens::AtOnce);
    it.input(Input::Connect);
    it.open();
    it.take();
    it.frame("early");
    it.lose(Cause::Network);
    assert_eq!(it.take(), ["message early", "retry in 1000ms"]);

    it.run_until(1_000);
    it.open();
    it.frame("first");
    it.input(Input::Shutdown);
    it.take();
    it.frame("second");
    it.lose(Cause::Close(1000));
    assert_eq!(it.take(), ["message first", "message second", "stopped"]);
}

#[test]
fn too_many_messages_before_online_end_the_connection() {
    let mut it = Loop::new(Tokens::AtOnce);
    it.input(Input::Connect);
    it.open();
    it.take();
    for _ in 0..Session::<Fake>::HELD_MAX {
        it.quietly(it.frame_of("early"));
    }
    it.pump();
    assert_eq!(it.take(), Vec::<String>::new());
    it.frame("one more");
    let out = it.take();
    assert_eq!(out[0], "drop 1 Some(1008)");
    assert_eq!(out.iter().filter(|word| *word == "message early").count(), 1024);
    assert_eq!(out.last().map(String::as_str), Some("retry in 1000ms"));
    assert_eq!(it.session.problems(), 1);
}

#[test]
fn a_cut_tells_offline_then_fates() {
    let mut it = Loop::online();
    it.send(REPORTED);
    it.send(RESENT);
    it.send(REPORTED);
    it.take();
    it.lose(Cause::Close(1001));
    let expected = ["offline Close(1001)", "fate 1 Unknown", "fate 3 Unknown", "retry in 1000ms"];
    assert_eq!(it.take(), expected);
}

#[test]
fn an_end_tells_fates_then_stopped() {
    let mut it = Loop::online();
    it.send(REPORTED);
    it.send(RESENT);
    it.take();
    let cx = it.cx();
    it.lose(Cause::Close(4000));
    let expected = ["offline Close(4000)", "fate 1 Unknown", "fate 2 Unknown", "stopped"];
    assert_eq!(it.take(), expected);
    let refused = it.session.send(cx, RESENT).expect_err("it has ended");
    assert_eq!((refused.why, refused.message), (Refusal::Stopped, RESENT));

    // Never written, in the middle of a wait.
    let mut it = Loop::online();
    it.lose(Cause::Network);
    it.send(REPORTED);
    it.take();
    it.input(Input::Shutdown);
    assert_eq!(it.take(), ["fate 1 NotSent", "stopped"]);
}

#[test]
fn nothing_follows_stopped() {
    let mut it = Loop::online();
    it.send(RESENT);
    it.take();
    it.frame("before;refused 1;after;side;text;throttled 5;ack 1");
    let out = it.take();
    assert_eq!(out.last().map(String::as_str), Some("stopped"), "{out:?}");
    assert_eq!(out.iter().filter(|word| word.starts_with("message")).count(), 1);
    for input in [
        Input::Connect,
        Input::Recover,
        Input::NetworkChanged,
        Input::Shutdown,
        Input::Tick,
        Input::Command("side"),
        Input::Command("text"),
        Input::Command("message"),
        Input::OfferToken(Secret::new("late")),
        Input::Throttled { within: Span::from_secs(1) },
        Input::Problem(Problem { fault: redial_core::Fault::Ours, text: "late" }),
    ] {
        it.input(input);
        assert_eq!(it.take(), Vec::<String>::new());
    }
    assert_eq!(it.session.poll_timeout(), None);
}

#[test]
fn a_farewell_is_the_last_thing_written() {
    let mut it = Loop::online();
    it.quietly(it.frame_of("text"));
    let cx = it.cx();
    it.session.send(cx, RESENT).expect("room");
    it.input(Input::Shutdown);
    let expected = ["> text", "> close 1000", "offline Requested"];
    assert_eq!(it.take(), expected);
    // Whatever the server says, and nobody answers.
    it.frame("text");
    it.input(Input::Command("text"));
    it.run_until(5_000);
    assert_eq!(it.take(), ["drop 1 None", "fate 1 NotSent", "stopped"]);
}

#[test]
fn what_expires_or_is_not_answered_has_its_fate() {
    let mut it = Loop::online();
    it.send(REPORTED);
    it.run_until(10_000);
    assert_eq!(it.take(), ["> 1 0", "fate 1 Unknown"]);
    // Written again, as often as its class allows.
    it.send(RESENT);
    it.run_until(40_000);
    assert_eq!(it.take(), ["> 2 0", "> 2 1", "> 2 2", "fate 2 Unknown"]);
    it.lose(Cause::Network);
    it.send(RESENT);
    it.take();
    it.run_until(100_000);
    assert!(it.take().contains(&"fate 3 Expired".to_owned()));
}

#[test]
fn the_same_session_resends_and_another_reports() {
    for (word, expected) in
        [("resumed", ["> 1 1", "online Resumed"]), ("ready", ["online Fresh", "fate 1 Unknown"])]
    {
        let mut it = Loop::online();
        it.send(RESENT);
        it.lose(Cause::Network);
        it.run_until(1_000);
        it.open();
        it.take();
        it.frame(word);
        assert_eq!(it.take(), expected);
    }
}

#[test]
fn a_reply_comes_before_its_fate_and_once() {
    let mut it = Loop::online();
    it.send(RESENT);
    it.take();
    it.frame("ack 1;ack 1;reject 1;ack 7");
    assert_eq!(it.take(), ["reply 1 done", "fate 1 Acked"]);
    it.send(RESENT);
    it.take();
    it.frame("reject 2");
    assert_eq!(it.take(), ["fate 2 Rejected(7)"]);
}

#[test]
fn bounds_hand_the_message_back() {
    let session = Session::new(Fake::new(Tokens::AtOnce), NONCE);
    let mut it = Loop::with(session.with_bounds(Bounds { messages: 2, bytes: 25 }));
    let cx = it.cx();
    it.send(RESENT);
    it.send(RESENT);
    let refused = it.session.send(cx, REPORTED).expect_err("two are there");
    assert_eq!((refused.why, refused.message), (Refusal::Full, REPORTED));
    let session = Session::new(Fake::new(Tokens::AtOnce), NONCE);
    let mut it = Loop::with(session.with_bounds(Bounds { messages: 9, bytes: 25 }));
    it.send(RESENT);
    it.send(RESENT);
    assert_eq!(it.session.send(cx, RESENT).expect_err("20 bytes").why, Refusal::Full);
    assert_eq!(it.session.load().queued, 2);
}

#[test]
fn a_window_holds_messages_back() {
    let mut it = Loop::online();
    it.frame("window 2");
    for _ in 0..3 {
        it.send(RESENT);
    }
    assert_eq!(it.take(), ["> 1 0", "> 2 0"]);
    it.frame("ack 2");
    assert_eq!(it.take(), ["> 3 0", "reply 2 done", "fate 2 Acked"]);
}

#[test]
fn an_adapter_can_go_on_with_the_token_that_the_application_cannot_replace() {
    let mut it = Loop::new(Tokens::Kept);
    it.input(Input::Connect);
    it.take();
    it.input(Input::TokenUnavailable { cause: Cause::Network, retry_after: None });
    assert_eq!(it.take(), ["dial 1", "token", "connecting Restart"]);
    // Not where the application was told to wait.
    let mut it = Loop::new(Tokens::Kept);
    it.input(Input::Connect);
    it.take();
    let retry_after = Some(Span::from_secs(7));
    it.input(Input::TokenUnavailable { cause: Cause::Network, retry_after });
    assert_eq!(it.take(), ["retry in 7000ms"]);
}

#[test]
fn a_token_is_asked_for_beside_a_living_connection() {
    let mut it = Loop::online();
    it.frame("needed");
    assert_eq!(it.take(), ["token needed true Rejected None"]);
    // Without a connection, and without a request for a token, nobody wants one.
    it.lose(Cause::Close(1006));
    it.take();
    it.input(Input::Command("needed"));
    assert_eq!(it.take(), Vec::<String>::new());
}

#[test]
fn a_new_token_is_told_what_befell_the_old_one() {
    let mut it = Loop::online();
    it.lose(Cause::Close(4401));
    it.run_until(1_000);
    assert_eq!(it.session.adapter().causes, [None, Some(Cause::Close(4401))]);
    // A request that came to nothing passes it on.
    let mut asked = Loop::new(Tokens::ByApplication { offered: false });
    asked.input(Input::Connect);
    asked.input(Input::OfferToken(Secret::new("new")));
    asked.open();
    asked.frame("ready");
    asked.lose(Cause::Close(4401));
    asked.run_until(1_000);
    asked.input(Input::TokenUnavailable { cause: Cause::Network, retry_after: None });
    // After 30 s without an answer too.
    asked.run_until(40_000);
    let cause = Some(Cause::Close(4401));
    assert_eq!(asked.session.adapter().causes, [None, None, cause, cause, cause]);

    it.open();
    it.frame("ready");
    it.input(Input::Reconnect { token: redial_core::TokenUse::Regenerate });
    it.run_until(3_000);
    assert_eq!(it.session.adapter().causes[2], None);
}

#[test]
fn retry_after_reaches_the_machine() {
    let mut it = Loop::new(Tokens::ByHttp);
    it.input(Input::Connect);
    it.answer(503, Some(Span::from_secs(61)));
    it.take();
    for input in [Input::Recover, Input::NetworkChanged, Input::Connect] {
        it.input(input);
    }
    it.take();
    it.run_until(60_999);
    assert_eq!(it.take(), Vec::<String>::new());
    it.run_until(61_000);
    assert_eq!(it.take(), ["http token", "authorizing Start"]);

    let mut it = Loop::online();
    let retry_after = Some(Span::from_secs(61));
    it.input(Input::Closed { conn: it.conn, cause: Cause::Handshake(503), retry_after });
    assert_eq!(it.take(), ["offline Handshake(503)", "retry in 61000ms"]);
}

#[test]
fn a_message_over_http_outlives_the_connection() {
    let mut it = Loop::online();
    it.send(OVER_HTTP);
    it.send(RESENT);
    assert_eq!(it.take(), ["http send"]);
    it.lose(Cause::Network);
    it.take();
    it.answer(429, Some(Span::from_secs(3)));
    it.run_until(1_000);
    it.open();
    it.frame("ready");
    it.take();
    it.run_until(2_999);
    assert_eq!(it.take(), Vec::<String>::new(), "the one behind it is held too");
    it.run_until(3_000);
    assert_eq!(it.take(), ["http send"]);
    it.answer(200, None);
    assert_eq!(it.take(), ["> 2 0", "reply 1 done", "fate 1 Acked"]);
}

#[test]
fn a_message_has_one_exchange_at_a_time() {
    let mut it = Loop::online();
    let class = Class { within: Span::from_secs(2), ..OVER_HTTP.class };
    it.send(Out { class, ..OVER_HTTP });
    it.take();
    it.run_until(2_000);
    assert_eq!(it.take(), ["abort", "http send"]);
    it.run_until(4_000);
    assert_eq!(it.take(), ["abort", "http send"]);
    it.run_until(6_000);
    assert_eq!(it.take(), ["abort", "fate 1 Unknown"]);
}

#[test]
fn a_side_call_that_finds_the_token_dead_waits_for_a_new_one() {
    let mut it = Loop::online();
    it.send(OVER_HTTP);
    it.take();
    it.run_until(2_000);
    it.answer(401, None);
    let expected = ["authorizing Rejected", "token", "http send"];
    assert_eq!(it.take(), expected);
    it.answer(200, None);
    assert_eq!(it.take(), ["reply 1 done", "fate 1 Acked"]);
}

#[test]
fn a_later_process_goes_on() {
    let mut it = Loop::online();
    it.send(RESENT);
    it.send(OVER_HTTP);
    it.send(REPORTED);
    let wire = it.session.snapshot().nonce;
    let saved = it.session.snapshot();
    let text = format!("{saved:?}");
    assert!(!text.contains("nonce") && !text.contains("cursor"));
    it.take();

    let now = Timestamp::from_millis(3_000);
    let mut it = Loop::with(Session::restore(Fake::new(Tokens::AtOnce), now, saved));
    it.now = 3_000;
    assert_eq!(wire, NONCE);
    it.run_until(3_000);
    it.open();
    it.frame("resumed");
    let out = it.take();
    let expected = ["authorizing Start", "token", "connecting Resume", "online Resumed"];
    let notices: Vec<_> = out.iter().filter(|word| expected.contains(&word.as_str())).collect();
    assert_eq!(notices, expected);
    let sent: Vec<_> =
        out.iter().filter(|word| word.starts_with("> ") || *word == "http send").collect();
    assert_eq!(sent, ["> hello", "> 1 1"], "{out:?}");
    it.frame("ack 1");
    assert!(it.take().contains(&"http send".to_owned()), "resends follow each other");
    it.answer(200, None);
    let out = it.take();
    assert!(out.contains(&"> 3 0".to_owned()) && !out.contains(&"fate 3 Unknown".to_owned()));
}

#[test]
fn the_recorders_log_alone_reproduces_the_machine() {
    let mut it = Loop::new(Tokens::ByHttp);
    it.session.record();
    let mut replayed = Machine::new();
    let mut follow = |session: &mut Session<Fake>| {
        assert_eq!(session.recorded_from(), Some(&Machine::new()));
        while let Some(Recorded { cx, event, actions }) = session.poll_record() {
            assert_eq!(replayed.handle(&POLICY, cx, event), actions);
        }
        assert_eq!(&replayed, session.machine());
    };
    it.input(Input::Connect);
    follow(&mut it.session);
    it.answer(503, Some(Span::from_secs(2)));
    it.run_until(2_000);
    it.answer(200, None);
    it.open();
    follow(&mut it.session);
    it.frame("ready;message;throttled 500");
    it.send(RESENT);
    it.lose(Cause::Close(4401));
    it.run_until(9_000);
    follow(&mut it.session);
    it.input(Input::Shutdown);
    follow(&mut it.session);
}

#[test]
fn evidence_that_has_arrived_counts_before_a_deadline() {
    // A driver hands over what is there before it ticks; the session keeps that order.
    let mut it = Loop::online();
    it.send(REPORTED);
    it.take();
    it.now = 10_000;
    it.quietly(it.frame_of("ack 1"));
    it.quietly(Input::Tick);
    it.pump();
    assert_eq!(it.take(), ["reply 1 done", "fate 1 Acked"]);
}

#[test]
fn what_a_snapshot_would_miss_is_told_once() {
    let mut it = Loop::online();
    assert!(it.session.take_unsaved());
    assert!(!it.session.take_unsaved());
    it.quietly(Input::Tick);
    assert!(!it.session.take_unsaved(), "nothing has happened");
    let cx = it.cx();
    it.session.send(cx, RESENT).expect("room");
    assert!(it.session.take_unsaved(), "accepted");
    let mut probe = || {
        let written = it.session.poll_transmit(cx).is_some();
        (written, it.session.take_unsaved())
    };
    assert_eq!(probe(), (true, true), "written");
    assert_eq!(probe(), (false, false));
    it.quietly(it.frame_of("ack 1"));
    assert!(it.session.take_unsaved(), "settled");
    it.pump();
    assert!(it.session.take_unsaved(), "its fate was taken");
    let frame = it.frame_of("text");
    it.quietly(frame);
    assert!(!it.session.take_unsaved(), "what the adapter answers is made anew each time");
}

#[test]
fn an_adapter_is_told_why_a_connection_ended_that_no_peer_has_closed() {
    // A hello that never comes.
    let mut it = Loop::new(Tokens::AtOnce);
    it.input(Input::Connect);
    it.open();
    it.run_until(120_000);
    assert_eq!(it.session.adapter().closed[0], Cause::Timeout(Wait::Ready));
    // A connection that is given up on demand.
    let mut it = Loop::online();
    it.input(Input::Reconnect { token: TokenUse::Keep });
    assert_eq!(it.session.adapter().closed, [Cause::Requested]);
}
