//! Every row of the vendor's errors, by bytes.

use redial_core::{Cause, Continuity, Input, Notice, StopReason, SuspendReason};
use redial_vonage::{Callback, DisconnectReason, Message, Refusal};
use serde_json::json;

use crate::support::{BOTH, V1, V2, Wire, World, builder};

const LOST: Callback = Callback::Disconnect { reason: DisconnectReason::ConnectionFailed };

/// Row: TCP loss, or a close frame with any code.
#[test]
fn any_close_is_a_failed_connection_and_starts_the_cycle_with_session_and_token() {
    for generation in BOTH {
        for code in [1000, 1001, 1005, 1006, 1011, 4001] {
            let mut world = World::online(generation);
            world.lose(Cause::Close(code));
            assert_eq!(world.take_callbacks(), [(0, LOST)], "{code}");
            world.run(1_000);
            assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T1"));
        }
    }
}

/// Row: heartbeat timeout.
#[test]
fn a_silent_peer_is_given_up_when_its_own_numbers_say_so() {
    for generation in BOTH {
        let mut world = World::new(generation, builder(generation).token("T1".into()));
        world.input(Input::Connect);
        world.join_with(3_000, 2_000);
        world.log_in_answer("S1");
        world.forget();
        world.run_until(4_999);
        assert!(world.session.is_online());
        world.run_until(5_000);
        assert_eq!(world.take_callbacks(), [(5_000, LOST)]);
        assert!(world.wire.contains(&(5_000, Wire::Drop(None))));
        assert_eq!(world.texts(), if generation == V1 { vec!["2"] } else { vec![] });
        world.run(1_000);
        assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T1"));
    }
}

/// Row: upgrade refused, HTTP error, 20 s to connect.
#[test]
fn a_failed_upgrade_is_a_failed_attempt() {
    for status in [400, 401, 403, 429, 500, 503] {
        let mut world = World::online(V2);
        world.lose(Cause::Network);
        for at in [1_000, 3_000, 7_000, 15_000, 31_000] {
            world.run_until(at);
            world.fail_dial(Cause::Handshake(status));
        }
        let reason = SuspendReason::AttemptsExhausted(Cause::Handshake(status));
        assert_eq!(world.last_notice(), Notice::Suspended { reason });
    }
}

#[test]
fn an_upgrade_that_is_never_answered_fails_after_20_seconds_and_a_mute_server_after_10() {
    let mut world = World::online(V2);
    world.lose(Cause::Network);
    world.run(1_000);
    let (conn, _) = world.dial.clone().expect("a dial");
    world.input(Input::Dialing { conn });
    world.run_until(20_999);
    assert!(world.dial.is_some());
    world.run_until(21_000);
    assert!(world.dial.is_none());
    world.run_until(23_000);
    world.open();
    world.run_until(33_000);
    assert_eq!(world.wire.last(), Some(&(33_000, Wire::Drop(None))));
}

/// Row: `41` on an established session.
#[test]
fn a_disconnect_packet_of_a_session_is_token_expired() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.text("41");
        let reason = DisconnectReason::TokenExpired;
        assert_eq!(world.take_callbacks(), [(0, Callback::Disconnect { reason })]);
        assert_eq!(world.wire, [(0, Wire::Drop(Some(1000)))], "as the SDK, we close the socket");
        // The socket's own end says nothing new.
        world.lose(Cause::Close(1005));
        world.run(600_000);
        assert!(world.take_dials().is_empty());
    }
}

/// Row: `41` before any session.
#[test]
fn a_disconnect_packet_before_any_session_is_a_refused_login_and_no_loop() {
    for generation in BOTH {
        let mut world = joined(generation);
        world.text("41");
        world.run(600_000);
        assert_eq!(suspended(&world), Some(Refusal::LoginDisconnected));
        assert!(world.take_dials().is_empty());
    }
}

#[test]
fn a_disconnect_packet_in_answer_to_a_resume_is_a_dead_token() {
    for generation in BOTH {
        let mut world = resuming(generation);
        world.text("41");
        world.run(60_000);
        assert!(world.take_dials().is_empty());
        assert_eq!(world.asked().len(), 1);
    }
}

/// Row: `system:error:expired-token`.
#[test]
fn an_expired_token_is_replaced_once() {
    for generation in BOTH {
        let mut world = joined(generation);
        refuse(&mut world, "system:error:expired-token");
        world.run(1_000);
        assert_eq!(world.asked(), [(1, Some("T1".to_owned()))]);
        world.offer("T2");
        assert_eq!(world.take_dials().len(), 1);
        world.join();
        refuse(&mut world, "system:error:expired-token");
        world.run(600_000);
        assert_eq!(suspended(&world), Some(Refusal::ExpiredTokenAgain));
        assert!(world.take_dials().is_empty());
        // The application may go on, with a third token and not with the dead one.
        world.input(Input::Connect);
        assert!(world.dial.is_none());
        world.offer("T3");
        world.log_in("S1");
    }
}

#[test]
fn an_expired_token_in_answer_to_a_resume_keeps_the_session() {
    for generation in BOTH {
        let mut world = resuming(generation);
        world.error("system:error:expired-token");
        world.text("41");
        world.run(10_000);
        world.offer("T2");
        assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T2"));
        world.log_in("S1");
        assert_eq!(world.continuities(), [Continuity::Resumed]);
    }
}

/// Row: `system:error:invalid-token`.
#[test]
fn an_invalid_token_is_replaced_once_and_then_it_is_over() {
    for generation in BOTH {
        let mut world = joined(generation);
        refuse(&mut world, "system:error:invalid-token");
        world.run(1_000);
        world.offer("T2");
        world.join();
        refuse(&mut world, "system:error:invalid-token");
        assert_eq!(stopped(&world), Some(Refusal::InvalidTokenAgain));
    }
}

/// Rows: `user:error:invalid-user`, `user:error:not-found`, `system:error:permission`.
#[test]
fn what_no_token_can_mend_is_the_end() {
    for (name, refusal) in [
        ("user:error:invalid-user", Refusal::InvalidUser),
        ("user:error:not-found", Refusal::UserNotFound),
        ("system:error:permission", Refusal::Permission),
    ] {
        for generation in BOTH {
            let mut world = joined(generation);
            refuse(&mut world, name);
            assert_eq!(stopped(&world), Some(refusal));
            assert_eq!(world.take_callbacks(), [(0, Callback::Error { kind: name })]);
            world.run(600_000);
            assert!(world.take_dials().is_empty() && world.asked().is_empty());
        }
    }
}

/// Row: `session:invalid`, `session:error:invalid`.
#[test]
fn an_unknown_session_is_reported_lost_and_a_new_one_is_asked_for() {
    for name in ["session:invalid", "session:error:invalid"] {
        for generation in BOTH {
            let mut world = resuming(generation);
            world.error(name);
            world.text("41");
            let lost = Message::SessionLost { id: "S1".to_owned() };
            assert_eq!(world.messages(), [&lost]);
            world.run(10_000);
            let url = world.dialled().expect("a dial");
            assert!(!url.contains("session_id"), "{url}");
            assert!(url.contains("token=T1") || generation == V1, "the token is good: {url}");
            world.log_in("S2");
            assert_eq!(world.continuities(), [Continuity::Fresh]);
            assert_eq!(world.sessions(), [("S2".to_owned(), Some("S1".to_owned()))]);
        }
    }
}

#[test]
fn an_invalid_session_in_answer_to_a_login_is_a_refused_login() {
    let mut world = joined(V2);
    world.error("session:error:invalid");
    world.run(600_000);
    assert_eq!(suspended(&world), Some(Refusal::LoginRefused));
    assert!(world.take_dials().is_empty());
}

/// Row: `session:error:max-open-sessions`.
#[test]
fn too_many_sessions_are_surfaced_and_not_hammered() {
    for generation in BOTH {
        let mut world = joined(generation);
        refuse(&mut world, "session:error:max-open-sessions");
        let cause = Cause::Refused(Refusal::MaxOpenSessions as u16);
        assert!(
            matches!(world.last_notice(), Notice::RetryScheduled { cause: why, .. } if why == cause),
            "{:?}",
            world.last_notice()
        );
        world.run(59_999);
        assert!(world.take_dials().is_empty());
        world.run(1);
        assert_eq!(world.take_dials().len(), 1);
    }
}

/// Row: `session:terminated`, `session:logged-out`.
#[test]
fn a_session_that_was_ended_on_purpose_stays_ended() {
    for (name, refusal) in
        [("session:terminated", Refusal::Terminated), ("session:logged-out", Refusal::LoggedOut)]
    {
        for generation in BOTH {
            let mut world = World::online(generation);
            world.error(name);
            assert_eq!(stopped(&world), Some(refusal));
            world.run(600_000);
            assert!(world.take_dials().is_empty());
        }
    }
}

/// Row: `system:error:invalid-event`.
#[test]
fn an_unknown_event_is_a_bug_and_no_reconnect() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.error("system:error:invalid-event");
        assert_eq!(world.problems(), ["the server does not know an event that was sent"]);
        assert_eq!(world.messages().len(), 1);
        assert!(world.session.is_online() && world.wire.is_empty());
    }
}

/// Row: CONNECT_ERROR, EIO=4.
#[test]
fn a_refused_namespace_is_classified_by_its_message() {
    for (message, asked, refusal) in [
        ("token expired", true, Refusal::ExpiredToken),
        ("system:error:invalid-token", true, Refusal::InvalidToken),
        ("Authentication error", true, Refusal::NamespaceRefused),
        ("anything else", true, Refusal::NamespaceRefused),
        ("no permission", false, Refusal::Permission),
        ("session:error:max-open-sessions", false, Refusal::MaxOpenSessions),
    ] {
        let mut world = opened(V2);
        world.text(&format!("44{}", json!({ "message": message })));
        assert_eq!(world.wire.last(), Some(&(0, Wire::Drop(Some(1000)))));
        let told = world.notices().iter().any(|notice| {
            let code = refusal as u16;
            matches!(notice,
                Notice::RetryScheduled { cause: Cause::Refused(why), .. }
                | Notice::Stopped { reason: StopReason::Policy(Cause::Refused(why)) } if *why == code)
        });
        assert!(told, "{message}: {:?}", world.notices());
        world.run(2_000);
        assert_eq!(!world.asked().is_empty(), asked, "{message}");
        assert!(world.take_dials().is_empty());
    }
}

/// Row: ERROR, EIO=3, whose engine stays open.
#[test]
fn a_refused_namespace_of_the_older_wire_is_closed_by_us() {
    for payload in [r#""no""#, "{}", ""] {
        let mut world = opened(V1);
        world.text(&format!("44{payload}"));
        assert_eq!(world.wire.last(), Some(&(0, Wire::Drop(Some(1000)))), "{payload}");
        world.run(1_000);
        assert_eq!(world.asked().len(), 1);
    }
}

#[test]
fn a_namespace_that_is_refused_twice_waits_for_the_application() {
    let mut world = opened(V2);
    world.text(r#"44{"message":"no"}"#);
    world.run(1_000);
    world.offer("T2");
    world.open();
    world.text(r#"0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#);
    world.text(r#"44{"message":"no"}"#);
    assert_eq!(suspended(&world), Some(Refusal::NamespaceRefusedAgain));
    world.run(600_000);
    assert!(world.dial.is_none());
}

/// "login-refused" alone would not say why: the event does, in its name and in what it holds.
#[test]
fn an_error_without_a_row_of_its_own_is_handed_on() {
    for generation in BOTH {
        let mut world = joined(generation);
        refuse(&mut world, "some:error:new");
        assert_eq!(suspended(&world), Some(Refusal::LoginRefused));
        let names: Vec<_> = world
            .messages()
            .into_iter()
            .filter_map(|message| match message {
                Message::Event(event) => Some(event.name().to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(names, ["some:error:new"]);
    }
}

/// The answer to `session:login` is known by its `rid`: any other event rejects the login.
#[test]
fn any_other_answer_to_the_login_rejects_it() {
    let mut world = joined(V1);
    refuse(&mut world, "something:else");
    assert_eq!(suspended(&world), Some(Refusal::LoginRefused));
    // One without it is the platform's own affair.
    let mut world = joined(V1);
    world.event("something:else", &json!({ "rid": "e0000000-0000-4000-8000-000000000000" }));
    world.log_in_answer("S1");
    // An error of any name is an answer.
    let mut world = joined(V2);
    world.error("some:error:new");
    assert_eq!(suspended(&world), Some(Refusal::LoginRefused));
}

#[test]
fn a_success_without_an_id_is_a_broken_protocol() {
    for body in [json!({}), json!({ "id": "" }), json!({ "id": 7 }), json!([]), json!(null)] {
        let mut world = joined(V2);
        world.event("session:success", &json!({ "body": body }));
        assert!(!world.session.is_online());
        assert_eq!(world.problems(), ["a session:success without the session's id"]);
        world.run(1_000);
        assert_eq!(world.take_dials().len(), 1, "it is met like a lost connection");
    }
}

#[test]
fn a_server_of_the_other_generation_is_named() {
    for (generation, text) in [(V2, "40"), (V1, "2")] {
        let mut world = opened(generation);
        world.text(text);
        assert_eq!(suspended(&world), Some(Refusal::WrongGeneration));
    }
}

/// A connection on which the platform has opened the engine and nothing else.
fn opened(generation: redial_vonage::Generation) -> World {
    let mut world = World::new(generation, builder(generation).token("T1".into()));
    world.input(Input::Connect);
    world.open();
    world.text(r#"0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#);
    world.take_dials();
    world
}

/// A first connection that waits for the platform's word.
fn joined(generation: redial_vonage::Generation) -> World {
    let mut world = World::new(generation, builder(generation).token("T1".into()));
    world.input(Input::Connect);
    world.join();
    world.take_dials();
    world
}

/// A connection after a loss that waits for the platform's word about its session.
fn resuming(generation: redial_vonage::Generation) -> World {
    let mut world = World::online(generation);
    world.lose(Cause::Network);
    world.run(1_000);
    world.join();
    world.forget();
    world
}

/// The platform refuses the login, in the way of the generation.
fn refuse(world: &mut World, name: &str) {
    let mut payload = json!({ "description": "no", "body": {} });
    if let Some(tid) = world.tid_of("session:login") {
        payload["rid"] = tid.into();
    }
    world.event(name, &payload);
    if world.session.machine().live_conn().is_some() {
        world.text("41");
    }
}

fn suspended(world: &World) -> Option<Refusal> {
    match world.last_notice() {
        Notice::Suspended { reason: SuspendReason::Policy(Cause::Refused(code)) } => named(code),
        _ => None,
    }
}

fn stopped(world: &World) -> Option<Refusal> {
    match world.last_notice() {
        Notice::Stopped { reason: StopReason::Policy(Cause::Refused(code)) } => named(code),
        _ => None,
    }
}

fn named(code: u16) -> Option<Refusal> {
    use Refusal::*;
    [
        ExpiredTokenAgain,
        InvalidTokenAgain,
        InvalidUser,
        UserNotFound,
        Permission,
        Terminated,
        LoggedOut,
        LoginRefused,
        LoginDisconnected,
        WrongGeneration,
        NamespaceRefusedAgain,
    ]
    .into_iter()
    .find(|refusal| *refusal as u16 == code)
}
