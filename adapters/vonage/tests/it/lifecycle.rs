//! The seed: attempts, giving up, the application's own connect, the window.

use redial_core::{Cause, Continuity, Input, Notice, Span, StopReason, SuspendReason};
use redial_vonage::{Callback, DisconnectReason, RECONNECTION_FAILED};

use crate::support::{BOTH, V1, V2, Wire, World, builder, parse};

const FAILED: Callback = Callback::Error { kind: RECONNECTION_FAILED };
const LOST: Callback = Callback::Disconnect { reason: DisconnectReason::ConnectionFailed };

#[test]
fn the_older_generation_logs_in_on_the_open_socket() {
    let mut world = World::new(V1, builder(V1).token("T1".into()));
    world.input(Input::Connect);
    assert_eq!(world.dialled().as_deref(), Some("/rtc/?EIO=3&transport=websocket"));
    world.join();
    let (name, payload) = parse(&world.last_text().expect("a login")).expect("an event");
    assert_eq!(name, "session:login");
    assert_eq!(payload["body"]["token"], "T1");
    assert!(!world.session.is_online());
    world.log_in_answer("S1");
    assert_eq!(world.continuities(), [Continuity::Fresh]);
    assert_eq!(world.take_callbacks(), [(0, Callback::Ready)]);
    assert_eq!(world.sessions(), [("S1".to_owned(), None)]);
}

#[test]
fn the_newer_generation_has_its_token_in_the_address() {
    let mut world = World::new(
        V2,
        builder(V2).token("T1".into()).client("9.5.1", "js", "Generic JS navigator"),
    );
    world.input(Input::Connect);
    assert_eq!(
        world.dialled().as_deref(),
        Some(
            "/v2/rtc/?token=T1&SDK_version=9.5.1&session_version=0.0.1&acknowledge_events=true\
             &OS_family=js&OS_revision=Generic%20JS%20navigator&EIO=4&transport=websocket"
        )
    );
    world.log_in("S1");
    assert_eq!(world.texts(), ["40"]);
    assert_eq!(world.take_callbacks(), [(0, Callback::Ready)]);
}

#[test]
fn a_cut_is_followed_by_the_same_session_after_one_second() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.run(5_000);
        world.lose(Cause::Network);
        world.run(5_000);
        let (path, end) = match generation {
            V1 => ("/rtc/", "EIO=3&transport=websocket"),
            V2 => ("/v2/rtc/", "EIO=4&transport=websocket"),
        };
        let url = format!("{path}?session_id=S1&token=T1&{end}");
        assert_eq!(world.take_dials(), [(6_000, url)]);
        world.log_in("S1");
        assert!(!world.texts().iter().any(|text| text.contains("session:login")));
        assert_eq!(world.continuities(), [Continuity::Resumed]);
        assert_eq!(
            world.take_callbacks(),
            [
                (5_000, LOST),
                (6_000, Callback::Reconnecting { retry_count: 1 }),
                (10_000, Callback::Reconnect),
            ]
        );
    }
}

#[test]
fn five_attempts_at_1_2_4_8_16_seconds_and_then_the_application_must_act() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.lose(Cause::Close(1006));
        let mut expected = vec![(0, LOST)];
        for (retry_count, at) in [(1, 1_000), (2, 3_000), (3, 7_000), (4, 15_000), (5, 31_000)] {
            world.run_until(at - 1);
            assert!(world.dial.is_none());
            world.run_until(at);
            world.fail_dial(Cause::Network);
            expected.push((at, Callback::Reconnecting { retry_count }));
        }
        expected.push((31_000, FAILED));
        assert_eq!(world.take_callbacks(), expected);
        let reason = SuspendReason::AttemptsExhausted(Cause::Network);
        assert_eq!(world.last_notice(), Notice::Suspended { reason });
        world.run(200_000);
        assert!(world.dial.is_none() && world.take_callbacks().is_empty());
    }
}

#[test]
fn connect_makes_one_try_at_once_and_then_a_fresh_cycle() {
    for generation in BOTH {
        let mut world = World::online(generation);
        give_up(&mut world);
        world.run(10_000);
        let connected = world.now;
        world.input(Input::Connect);
        world.fail_dial(Cause::Network);
        let mut expected = Vec::new();
        for (retry_count, after) in [(1, 1_000), (2, 3_000), (3, 7_000), (4, 15_000), (5, 31_000)] {
            world.run_until(connected + after);
            world.fail_dial(Cause::Network);
            expected.push((connected + after, Callback::Reconnecting { retry_count }));
        }
        expected.push((connected + 31_000, FAILED));
        assert_eq!(world.take_callbacks(), expected);
        world.run(10);
        world.input(Input::Connect);
        let url = world.dialled().expect("a dial");
        assert!(url.contains("?session_id=S1&token=T1&"), "{url}");
        world.log_in("S1");
        // A manual success is `ready`, not `reconnect`.
        assert_eq!(world.take_callbacks(), [(world.now, Callback::Ready)]);
        assert_eq!(world.continuities(), [Continuity::Resumed]);
    }
}

#[test]
fn connect_does_nothing_during_a_cycle_and_while_online() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.input(Input::Connect);
        assert!(world.wire.is_empty());
        world.lose(Cause::Network);
        world.run(300);
        world.input(Input::Connect);
        world.run(699);
        assert!(world.dial.is_none());
        world.run(1);
        assert!(world.dial.is_some());
        world.input(Input::Connect);
        assert_eq!(world.take_dials().len(), 1);
    }
}

#[test]
fn the_window_counts_from_the_first_loss_and_its_end_is_told_once() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.lose(Cause::Network);
        // An attempt that comes as far as an open socket does not prolong it.
        world.run_until(1_000);
        world.join();
        world.lose(Cause::Network);
        give_up(&mut world);
        world.run_until(299_999);
        assert!(!world.callbacks().contains(&(300_000, Callback::WindowClosed)));
        world.run_until(400_000);
        let closed = (300_000, Callback::WindowClosed);
        assert_eq!(world.callbacks().iter().filter(|callback| **callback == closed).count(), 1);
        world.take_dials();
        world.input(Input::Connect);
        let url = world.dialled().expect("a dial");
        assert!(!url.contains("session_id"), "{url}");
        world.log_in("S2");
        assert_eq!(world.continuities(), [Continuity::Fresh]);
        assert_eq!(world.sessions(), [("S2".to_owned(), Some("S1".to_owned()))]);
    }
}

#[test]
fn inside_the_window_a_manual_connect_asks_for_the_same_session() {
    let mut world = World::online(V2);
    world.lose(Cause::Network);
    give_up(&mut world);
    world.run_until(299_000);
    world.take_dials();
    world.input(Input::Connect);
    assert!(world.dialled().expect("a dial").contains("session_id=S1"));
}

#[test]
fn another_id_is_a_fresh_session_and_the_application_is_told_which() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.lose(Cause::Network);
        world.run(1_000);
        world.log_in("S2");
        assert_eq!(world.continuities(), [Continuity::Fresh]);
        assert_eq!(world.sessions(), [("S2".to_owned(), Some("S1".to_owned()))]);
        world.take_dials();
        world.lose(Cause::Network);
        world.run(1_000);
        let url = world.dialled().expect("a dial");
        assert!(url.contains("session_id=S2&token=T1"), "8.x and 9.x adopt it: {url}");
    }
}

#[test]
fn our_own_close_has_its_reason_and_no_reconnect() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.input(Input::Shutdown);
        let reason = DisconnectReason::ClientDisconnected;
        assert_eq!(world.take_callbacks(), [(0, Callback::Disconnect { reason })]);
        let texts = world.texts();
        let (name, payload) = parse(&texts[0]).expect("an event");
        assert_eq!((name.as_str(), &payload["body"]), ("session:logout", &serde_json::json!({})));
        assert_eq!(texts[1..], ["41"]);
        assert_eq!(world.wire.last(), Some(&(0, Wire::Close(1000, ""))));
        world.lose(Cause::Close(1000));
        assert_eq!(world.last_notice(), Notice::Stopped { reason: StopReason::Requested });
        world.run(600_000);
        assert!(world.dial.is_none() && world.take_callbacks().is_empty());
    }
}

/// The SDK does not wait for the answer to its logout either, so that it comes after the `41`.
#[test]
fn what_the_server_still_says_after_our_goodbye_is_no_fault_of_its() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.input(Input::Shutdown);
        let (_, logout) = parse(&world.texts()[0]).expect("a logout");
        let rid = &logout["tid"];
        world.event("session:logged-out", &serde_json::json!({ "rid": rid, "body": {} }));
        world.event("text", &serde_json::json!({ "id": "1", "cid": "CON-1", "body": {} }));
        assert!(world.problems().is_empty(), "{:?}", world.problems());
    }
}

/// A program that reads the line may be quick: its `connect` is no automatic attempt.
#[test]
fn a_connect_right_after_the_last_attempt_is_one_immediate_try_and_not_attempt_1() {
    let mut world = World::online(V2);
    world.lose(Cause::Network);
    for at in [1_000, 3_000, 7_000, 15_000, 31_000] {
        world.run_until(at);
        if at == 31_000 {
            world.run(1);
        }
        world.fail_dial(Cause::Network);
    }
    world.take_callbacks();
    world.take_dials();
    world.input(Input::Connect);
    assert_eq!(world.take_dials().len(), 1);
    world.log_in("S1");
    assert_eq!(world.take_callbacks(), [(31_001, Callback::Ready)]);
}

/// Found over real sockets, where a refusal comes back within a millisecond.
#[test]
fn a_connect_in_the_same_millisecond_waits_for_the_floor_and_is_no_automatic_attempt() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.lose(Cause::Network);
        for at in [1_000, 3_000, 7_000, 15_000, 31_000] {
            world.run_until(at);
            world.fail_dial(Cause::Network);
        }
        world.take_callbacks();
        world.input(Input::Connect);
        world.run(1);
        world.log_in("S1");
        assert_eq!(world.take_callbacks(), [(31_001, Callback::Ready)]);
    }
}

#[test]
fn a_shutdown_may_leave_the_session_to_be_resumed() {
    let mut world = World::online_with(V2, builder(V2).token("T1".into()).logout(false));
    world.input(Input::Shutdown);
    assert_eq!(world.texts(), ["41"]);
}

#[test]
fn a_shutdown_during_a_wait_ends_it_with_our_reason() {
    let mut world = World::online(V1);
    world.lose(Cause::Network);
    world.run(500);
    world.input(Input::Shutdown);
    let reason = DisconnectReason::ClientDisconnected;
    assert_eq!(world.take_callbacks(), [(0, LOST), (500, Callback::Disconnect { reason })]);
    world.run(100_000);
    assert!(world.dial.is_none());
}

#[test]
fn the_first_connect_has_a_cycle_and_no_reconnect() {
    let mut world = World::new(V2, builder(V2).token("T1".into()));
    world.input(Input::Connect);
    world.fail_dial(Cause::Network);
    world.run(1_000);
    world.log_in("S1");
    assert_eq!(
        world.take_callbacks(),
        [(1_000, Callback::Reconnecting { retry_count: 1 }), (1_000, Callback::Ready)]
    );
}

#[test]
fn a_success_counts_the_attempts_anew() {
    let mut world = World::online(V2);
    for _ in 0..3 {
        let lost = world.now;
        world.lose(Cause::Network);
        world.run_until(lost + 1_000);
        world.fail_dial(Cause::Network);
        world.run_until(lost + 3_000);
        world.log_in("S1");
        let reconnecting = world.take_callbacks();
        assert_eq!(reconnecting[1], (lost + 1_000, Callback::Reconnecting { retry_count: 1 }));
        assert_eq!(reconnecting[2], (lost + 3_000, Callback::Reconnecting { retry_count: 2 }));
    }
}

#[test]
fn the_budget_can_be_set_and_automatic_reconnection_switched_off() {
    let mut world = World::online_with(V2, builder(V2).token("T1".into()).attempts(2));
    world.lose(Cause::Network);
    world.run(1_000);
    world.fail_dial(Cause::Network);
    world.run(2_000);
    world.fail_dial(Cause::Network);
    assert_eq!(world.take_callbacks().last(), Some(&(3_000, FAILED)));

    let mut world = World::online_with(V2, builder(V2).token("T1".into()).automatic(false));
    world.lose(Cause::Network);
    assert_eq!(world.take_callbacks(), [(0, LOST)]);
    let reason = SuspendReason::AttemptsExhausted(Cause::Network);
    assert_eq!(world.last_notice(), Notice::Suspended { reason });
    world.run(60_000);
    assert!(world.dial.is_none());
    world.input(Input::Connect);
    assert!(world.dialled().expect("a dial").contains("session_id=S1"));
    world.log_in("S1");
    assert_eq!(world.take_callbacks(), [(60_000, Callback::Ready)]);
}

#[test]
fn todays_sdk_waits_are_a_named_option() {
    let policy = redial_vonage::POLICY_SDK;
    let mut world = World::online_with(V2, builder(V2).token("T1".into()).policy(policy));
    // The draw of all zeros takes nothing away.
    world.lose(Cause::Network);
    for at in [2_000, 6_000, 14_000, 29_000, 44_000] {
        world.run_until(at);
        world.fail_dial(Cause::Network);
    }
    assert_eq!(world.take_callbacks().last(), Some(&(44_000, FAILED)));
}

#[test]
fn the_window_can_be_set() {
    let window = Span::from_secs(900);
    let mut world = World::online_with(V2, builder(V2).token("T1".into()).window(window));
    world.lose(Cause::Network);
    give_up(&mut world);
    world.run_until(899_000);
    world.input(Input::Connect);
    assert!(world.dialled().expect("a dial").contains("session_id=S1"));
}

/// Lets all attempts fail.
fn give_up(world: &mut World) {
    if world.session.is_online() {
        world.lose(Cause::Network);
    }
    while world.callbacks().last().is_none_or(|(_, callback)| *callback != FAILED) {
        world.step();
        if world.dial.is_some() {
            world.fail_dial(Cause::Network);
        }
    }
    world.take_callbacks();
}
