//! Tokens: expiry, updates, renewals.

use redial_core::{Cause, Continuity, Input, Notice, Reason, SuspendReason};
use redial_vonage::{Callback, DisconnectReason, Refusal};
use serde_json::json;

use crate::support::{BOTH, START, V1, V2, Wire, World, builder, claims, jwt, parse};

const EXPIRED: Callback = Callback::Disconnect { reason: DisconnectReason::TokenExpired };

#[test]
fn a_malformed_token_is_told_at_once_while_the_session_lives() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.offer("not a token");
        world.run(0);
        let told = world.problems();
        assert_eq!(told, ["the token that was offered is malformed"], "{generation:?}");
    }
}

#[test]
fn after_token_expired_nothing_is_dialled_until_the_application_has_given_a_token() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.run(10);
        world.text("41");
        assert_eq!(world.take_callbacks(), [(10, EXPIRED)]);
        world.run(119_990);
        assert!(world.take_dials().is_empty());
        assert_eq!(world.asked(), [(10, Some("T1".to_owned()))]);
        // The seed: `updateToken`, then `connect`.
        world.offer("T2");
        world.input(Input::Connect);
        let url = world.dialled().expect("a dial");
        assert!(url.contains("?session_id=S1&token=T2&"), "{url}");
        world.log_in("S1");
        assert_eq!(world.continuities(), [Continuity::Resumed]);
        assert_eq!(world.take_callbacks(), [(120_000, Callback::Ready)]);
    }
}

#[test]
fn a_token_that_comes_before_it_is_asked_for_is_used_without_being_asked_for() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.text("41");
        world.offer("T2");
        world.input(Input::Connect);
        world.run(10);
        assert_eq!(world.asked(), []);
        assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T2&"));
    }
}

#[test]
fn the_dead_token_is_not_taken_again() {
    let mut world = World::online(V2);
    world.text("41");
    world.run(1);
    world.offer("T1");
    assert!(world.dial.is_none());
    assert_eq!(world.problems(), ["the token that was offered is the one that was refused"]);
    world.run(999);
    assert_eq!(world.asked().len(), 1);
    world.run(1);
    assert_eq!(world.asked().len(), 2, "it is asked for again, a second later");
    world.offer("not printable\n");
    assert_eq!(world.problems()[1..], ["the token that was offered is malformed"]);
    assert!(world.dial.is_none());
    world.offer("T2");
    assert!(world.dial.is_some());
}

#[test]
fn without_automatic_reconnection_the_dead_token_is_not_presented_either() {
    let mut world = World::online_with(V2, builder(V2).token("T1".into()).automatic(false));
    world.run(10);
    world.text("41");
    let cause = Cause::Refused(Refusal::TokenExpired as u16);
    let reason = SuspendReason::AttemptsExhausted(cause);
    assert_eq!(world.last_notice(), Notice::Suspended { reason });
    world.input(Input::Connect);
    assert!(world.dial.is_none());
    assert_eq!(world.asked(), [(10, Some("T1".to_owned()))]);
    world.offer("T2");
    assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T2"));
}

#[test]
fn a_token_source_answers_and_the_attempt_is_an_automatic_one() {
    // The driver takes the question out of what the application sees, and answers it.
    let mut world = World::online_with(V2, builder(V2).token("T1".into()).token_source(true));
    world.sourced = true;
    world.text("41");
    world.run(10);
    world.offer("T2");
    world.log_in("S1");
    assert_eq!(
        world.take_callbacks(),
        [(0, EXPIRED), (10, Callback::Reconnecting { retry_count: 1 }), (10, Callback::Reconnect)]
    );
}

#[test]
fn an_update_while_disconnected_is_local_and_causes_no_attempt() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.lose(Cause::Network);
        world.run(500);
        world.offer("T2");
        assert!(world.wire.is_empty() && world.asked().is_empty());
        world.run(500);
        assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T2"));
        world.log_in("S1");
        assert!(world.http.is_empty());
        assert!(!world.texts().iter().any(|text| text.contains("update-token")));
    }
}

#[test]
fn an_update_while_suspended_waits_for_connect() {
    let mut world = World::online_with(V2, builder(V2).token("T1".into()).attempts(0));
    world.lose(Cause::Network);
    world.offer("T2");
    world.run(60_000);
    assert!(world.dial.is_none());
    world.input(Input::Connect);
    assert!(world.dialled().expect("a dial").contains("token=T2"));
}

#[test]
fn a_live_update_is_a_request_on_the_older_wire() {
    let mut world = World::online(V1);
    world.run(5_000);
    world.offer("T2");
    let (name, payload) = parse(&world.last_text().expect("a request")).expect("an event");
    assert_eq!(
        (name.as_str(), &payload["body"]),
        ("session:update-token", &json!({ "token": "T2" }))
    );
    // The token changes only after success.
    let told =
        |world: &World| world.notices().iter().any(|notice| matches!(notice, Notice::Token { .. }));
    assert!(!told(&world));
    world.event("session:update-token:success", &json!({ "rid": payload["tid"], "body": {} }));
    assert!(told(&world));
    world.lose(Cause::Network);
    world.run(1_000);
    assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T2"));
}

#[test]
fn a_live_update_is_a_put_on_the_newer_wire() {
    let mut world = World::online(V2);
    world.run(5_000);
    world.offer("T2");
    let put = Wire::Http {
        method: "PUT",
        url: "http://127.0.0.1:4433/v0.2/sessions/S1".to_owned(),
        headers: vec![
            ("authorization", "Bearer T2".into()),
            ("content-type", "application/json; charset=utf-8".into()),
        ],
        body: Default::default(),
    };
    assert_eq!(world.wire, [(5_000, put)]);
    world.answer(200, &json!({ "id": "S1", "session_id": "S1" }));
    assert!(matches!(world.last_notice(), Notice::Token { .. }));
    world.lose(Cause::Network);
    world.run(1_000);
    assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T2"));
}

#[test]
fn a_refused_update_keeps_the_old_token_and_asks_for_a_newer_one_later() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.run(5_000);
        world.offer("T2");
        let cause = match generation {
            V1 => {
                let rid = world.tid_of("session:update-token").expect("an update");
                world.event("system:error:invalid-token", &json!({ "rid": rid, "body": {} }));
                Cause::Refused(Refusal::UpdateRefused as u16)
            }
            V2 => {
                world.answer(401, &json!({ "code": "system:error:invalid-token" }));
                Cause::Http { step: 0, status: 401 }
            }
        };
        let failed = world
            .notices()
            .into_iter()
            .any(|notice| matches!(notice, Notice::TokenFailed { cause: why, .. } if why == cause));
        assert!(failed && world.session.is_online());
        world.run(29_000);
        assert_eq!(world.asked(), []);
        world.run(1_000);
        assert_eq!(world.asked(), [(35_000, Some("T1".to_owned()))]);
        world.lose(Cause::Network);
        world.run(1_000);
        assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T1"));
    }
}

#[test]
fn an_update_without_an_answer_is_tried_again_after_30_seconds() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.run(10);
        world.offer("T2");
        world.forget();
        world.http.clear();
        world.run(29_999);
        assert!(world.texts().is_empty() || generation == V1);
        let told = |world: &World| match generation {
            V1 => world.texts().iter().filter(|text| text.contains("update-token")).count(),
            V2 => world.http.len(),
        };
        assert_eq!(told(&world), 0);
        world.answer_heartbeats();
        world.run(1);
        assert_eq!(told(&world), 1);
        assert!(world.session.is_online());
    }
}

#[test]
fn a_cut_during_an_update_goes_on_with_the_known_token_and_tells_the_new_one_again() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.run(10);
        world.offer("T2");
        world.lose(Cause::Network);
        world.run(1_000);
        assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T1"));
        world.log_in("S1");
        world.run(10);
        match generation {
            V1 => assert!(world.tid_of("session:update-token").is_some()),
            V2 => assert_eq!(world.http.len(), 1),
        }
    }
}

#[test]
fn a_cut_during_an_update_with_the_old_token_dead_uses_the_new_one() {
    let mut world = World::online(V2);
    world.run(10);
    world.offer("T2");
    world.text("41");
    world.run(1_000);
    assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T2"));
    assert_eq!(world.asked(), []);
}

#[test]
fn a_token_that_comes_while_a_connection_is_made_is_told_when_it_is_made() {
    let mut world = World::new(V2, builder(V2).token("T1".into()));
    world.input(Input::Connect);
    world.offer("T2");
    world.log_in("S1");
    world.run(10);
    let (_, last) = world.wire.last().expect("an exchange");
    assert_eq!(last.header("authorization"), Some("Bearer T2"));
    // Where the connection is not made, it is the next one's.
    let mut world = World::new(V2, builder(V2).token("T1".into()));
    world.input(Input::Connect);
    world.take_dials();
    world.offer("T2");
    world.fail_dial(Cause::Network);
    world.run(1_000);
    assert!(world.dialled().expect("a dial").contains("token=T2"));
}

#[test]
fn an_unknown_session_at_an_update_is_lost_and_the_token_goes_into_the_next() {
    let mut world = World::online(V2);
    world.run(10);
    world.offer("T2");
    world.answer(404, &json!({}));
    world.run(1_000);
    let url = world.dialled().expect("a dial");
    assert!(url.contains("?token=T2&") && !url.contains("session_id"), "{url}");
}

#[test]
fn with_a_source_a_token_is_renewed_at_four_fifths_of_its_life() {
    for generation in BOTH {
        let token = jwt("T1", 0, 1_000);
        let sourced = builder(generation).token(token.as_str().into()).token_source(true);
        let mut world = World::online_with(generation, sourced);
        world.stay(799_999);
        assert_eq!(world.asked(), []);
        world.stay(1);
        assert_eq!(world.asked(), [(800_000, Some(token))]);
        let reason = Reason::Expiring;
        assert!(
            matches!(world.last_notice(), Notice::Authorizing { reason: why, .. } if why == reason)
        );
        let next = jwt("T2", 800, 1_000);
        world.offer(&next);
        world.accept_update();
        world.stay(799_999);
        assert_eq!(world.asked().len(), 1);
        world.stay(1);
        assert_eq!(world.asked().len(), 2);
    }
}

#[test]
fn renewals_by_time_are_never_closer_than_30_seconds() {
    let sourced = builder(V2).token(jwt("T0", 0, 10).as_str().into()).token_source(true);
    let mut world = World::online_with(V2, sourced);
    for round in 0..5_u32 {
        world.stay(if round == 0 { 8_000 } else { 30_000 });
        assert_eq!(world.asked().len(), 1 + round as usize, "{}", world.now);
        world.offer(&jwt(&format!("T{}", round + 1), (world.now / 1000).cast_signed(), 10));
        world.accept_update();
    }
}

#[test]
fn a_source_that_fails_is_asked_again_after_30_seconds() {
    let sourced = builder(V2).token(jwt("T1", 0, 100).as_str().into()).token_source(true);
    let mut world = World::online_with(V2, sourced);
    world.stay(80_000);
    for round in 1..4 {
        assert_eq!(world.asked().len(), round);
        let retry_after = None;
        world.input(Input::TokenUnavailable { cause: Cause::Network, retry_after });
        world.stay(29_999);
        assert_eq!(world.asked().len(), round);
        world.stay(1);
    }
    assert!(world.session.is_online());
}

#[test]
fn nothing_is_renewed_by_time_without_exp_without_a_source_or_where_it_is_switched_off() {
    let without = claims(&json!({ "sub": "alice", "iat": START / 1000 }));
    let dead_clock = jwt("T", -5_000, 1_000);
    let good = jwt("T", 0, 1_000);
    for builder in [
        builder(V2).token(without.as_str().into()).token_source(true),
        builder(V2).token("no.jwt".into()).token_source(true),
        // By our clock it has expired already, and the server has taken it.
        builder(V2).token(dead_clock.as_str().into()).token_source(true),
        builder(V2).token(good.as_str().into()),
        builder(V2).token(good.as_str().into()).token_source(true).proactive(false),
    ] {
        let mut world = World::online_with(V2, builder);
        world.stay(2_000_000);
        assert_eq!(world.asked(), []);
        assert!(world.session.is_online());
    }
    let asked = builder(V2).token(good.as_str().into()).proactive(true);
    let mut world = World::online_with(V2, asked);
    world.stay(800_000);
    assert_eq!(world.asked().len(), 1);
}

#[test]
fn a_token_without_iat_lives_from_when_it_was_seen() {
    let exp = START / 1000 + 1_000;
    let token = claims(&json!({ "exp": exp }));
    let sourced = builder(V2).token(token.as_str().into()).token_source(true);
    let mut world = World::online_with(V2, sourced);
    world.stay(799_000);
    assert_eq!(world.asked(), []);
    world.stay(2_000);
    assert_eq!(world.asked().len(), 1);
}

#[test]
fn a_token_that_expires_while_nothing_is_connected_is_replaced_before_the_next_attempt() {
    let token = jwt("T1", 0, 2);
    let mut world = World::online_with(V2, builder(V2).token(token.as_str().into()));
    world.run(1_000);
    world.lose(Cause::Network);
    world.run(10_000);
    assert!(world.take_dials().is_empty());
    assert_eq!(world.asked(), [(2_000, Some(token))]);
    world.offer(&jwt("T2", 10, 1_000));
    assert!(world.dialled().expect("a dial").contains("session_id=S1"));
}

#[test]
fn one_incident_is_one_renewal() {
    for generation in BOTH {
        let mut world = World::online(generation);
        // The platform says why, and then ends it.
        world.error("system:error:expired-token");
        world.text("41");
        world.run(60_000);
        assert_eq!(world.asked(), [(1, Some("T1".to_owned()))]);
    }
}

#[test]
fn an_expired_token_on_a_socket_that_stays_open_is_updated_on_it() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.error("system:error:expired-token");
        assert_eq!(world.asked(), []);
        world.run(1_000);
        assert_eq!(world.asked(), [(1_000, Some("T1".to_owned()))]);
        assert!(world.session.is_online());
        world.offer("T2");
        world.accept_update();
        assert!(matches!(world.last_notice(), Notice::Token { .. }));
        assert!(world.session.is_online() && world.take_callbacks().is_empty());
    }
}

#[test]
fn without_a_token_the_application_is_asked_for_the_first_one() {
    for generation in BOTH {
        let mut world = World::new(generation, builder(generation));
        world.input(Input::Connect);
        assert_eq!(world.asked(), [(0, None)]);
        assert!(world.dial.is_none());
        world.offer("T1");
        world.log_in("S1");
        assert_eq!(world.take_callbacks(), [(0, Callback::Ready)]);
    }
}

#[test]
fn a_token_that_was_swapped_in_locally_is_judged_by_its_own_life() {
    for generation in BOTH {
        let first = jwt("T1", 0, 60);
        let mut world =
            World::online_with(generation, builder(generation).token(first.as_str().into()));
        let second = jwt("T2", 0, 100_000);
        world.stay(50_000);
        world.lose(Cause::Network);
        world.offer(&second);
        // The first token expires between the attempts, and nobody needs another.
        for at in [51_000, 53_000, 57_000] {
            world.run_until(at);
            world.fail_dial(Cause::Network);
        }
        world.take_dials();
        world.run_until(65_000);
        let url = world.dialled().expect("a dial");
        assert!(url.contains(&format!("session_id=S1&token={second}")), "{url}");
        world.log_in("S1");
        world.stay(1_000_000);
        world.lose(Cause::Network);
        world.run(1_000);
        assert_eq!(world.take_dials().len(), 1);
        assert_eq!(world.asked(), []);
    }
}

#[test]
fn a_token_that_was_called_expired_is_not_presented_after_a_cut() {
    for generation in BOTH {
        for cause in [Cause::Network, Cause::Close(1000)] {
            let mut world = World::online(generation);
            world.run(10);
            world.error("system:error:expired-token");
            world.run(500);
            world.lose(cause);
            world.run(60_000);
            assert!(world.take_dials().is_empty());
            assert_eq!(world.asked(), [(1_510, Some("T1".to_owned()))]);
            world.offer("T2");
            assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T2"));
        }
    }
}

#[test]
fn of_two_refused_tokens_neither_is_presented() {
    let mut world = World::online(V2);
    world.run(10);
    world.error("system:error:expired-token");
    world.offer("T2");
    world.answer(401, &json!({ "code": "system:error:invalid-token" }));
    world.lose(Cause::Network);
    world.run(60_000);
    assert!(world.take_dials().is_empty());
    for dead in ["T1", "T2"] {
        world.offer(dead);
        assert!(world.dial.is_none(), "{dead}");
    }
    world.offer("T3");
    assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T3"));
}

#[test]
fn a_token_that_is_called_expired_while_another_is_asked_for_is_not_presented_either() {
    let sourced = builder(V2).token(jwt("T1", 0, 100).as_str().into()).token_source(true);
    let mut world = World::online_with(V2, sourced);
    world.stay(80_000);
    assert_eq!(world.asked().len(), 1);
    world.error("system:error:expired-token");
    world.lose(Cause::Network);
    world.run(10_000);
    assert!(world.take_dials().is_empty());
    assert_eq!(world.asked().len(), 2);
    world.offer("T2");
    assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T2"));
}

#[test]
fn an_answer_that_comes_after_the_old_token_has_been_called_expired_is_told_at_once() {
    for generation in BOTH {
        let token = jwt("T1", 0, 100);
        let sourced = builder(generation).token(token.as_str().into()).token_source(true);
        let mut world = World::online_with(generation, sourced);
        world.stay(80_000);
        world.error("system:error:expired-token");
        world.offer("T2");
        world.accept_update();
        assert!(world.session.is_online());
        assert_eq!(world.asked().len(), 1);
        world.lose(Cause::Network);
        world.run(1_000);
        assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T2"));
    }
}

#[test]
fn a_token_that_is_called_expired_while_the_next_is_told_gives_its_place_to_it() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.run(10);
        world.offer("T2");
        world.error("system:error:expired-token");
        world.lose(Cause::Network);
        world.run(1_000);
        assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T2"));
        assert_eq!(world.asked(), []);
    }
}

#[test]
fn odd_claims_renew_nothing_more_often_than_every_30_seconds() {
    let exp = START / 1000 + 1_000;
    for odd in [
        json!({ "exp": 1e308, "iat": 0 }),
        json!({ "exp": 1e308, "iat": -1e308 }),
        json!({ "exp": u64::MAX, "iat": u64::MAX - 1 }),
        json!({ "exp": exp, "iat": 1 }),
        json!({ "exp": exp, "iat": exp + 1 }),
        json!({ "exp": exp, "iat": 1e308 }),
        json!({ "exp": "soon", "iat": [] }),
        json!([exp]),
        json!(exp),
    ] {
        let token = claims(&odd);
        let sourced = builder(V2).token(token.as_str().into()).token_source(true);
        let mut world = World::online_with(V2, sourced);
        for _ in 0..10 {
            world.stay(30_000);
            // The source has nothing newer.
            world.offer(&token);
        }
        assert!(world.session.is_online(), "{odd}");
        assert!(world.asked().len() <= 11 && world.http.is_empty(), "{odd}: {:?}", world.asked());
    }
}
