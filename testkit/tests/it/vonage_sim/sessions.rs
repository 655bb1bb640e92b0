//! Sessions of both generations: login, resuming, tokens, events.

use std::time::Duration;

use redial_testkit::servers::Refusal;
use redial_testkit::servers::vonage::{Generation, OnExpiry, Outcome, VonageSim};
use serde_json::json;

use super::client::{
    SOON, asked, call, closed, emit, event, jwt, login, nothing, open, put_session, resume, say,
    text, token,
};

const BOTH: [Generation; 2] = [Generation::V1, Generation::V2];

async fn start(generation: Generation) -> VonageSim {
    VonageSim::builder(generation).start().await.unwrap()
}

#[tokio::test]
async fn a_session_is_resumed_with_what_it_missed() {
    for generation in BOTH {
        let sim = start(generation).await;
        let jwt = jwt("alice", 60);
        let (ws, id) = login(&sim, generation, &jwt).await;
        sim.cut().await;
        drop(ws);
        sim.notify(2, json!({ "event": "text", "cid": "CON-1", "body": {} })).await;
        let (mut ws, name, payload) = resume(&sim, generation, &id, &jwt).await;
        assert_eq!((name.as_str(), &payload["body"]["id"]), ("session:success", &json!(id)));
        if generation == Generation::V2 {
            let pending = payload["body"]["pending_events"].as_array().unwrap();
            let seen: Vec<_> = pending.iter().map(|one| (&one["type"], &one["id"])).collect();
            assert_eq!(seen, [(&json!("text"), &json!("1")), (&json!("text"), &json!("2"))]);
        } else {
            assert!(payload["body"].get("pending_events").is_none());
            for id in ["1", "2"] {
                let (name, payload) = event(&mut ws).await;
                assert_eq!((name.as_str(), &payload["id"]), ("text", &json!(id)));
            }
        }
        let state = sim.state();
        assert_eq!((state.logins(), state.resumed(), state.sessions), (1, 1, 1));
        let token = |at: usize| state.attaches[at].token.clone();
        assert_eq!((token(0), token(1)), ("jwt-1".to_owned(), "jwt-1".to_owned()));
        let shown = sim.wire().iter().map(ToString::to_string).collect::<String>();
        assert!(!shown.contains(&jwt) && shown.contains("jwt-1"));
    }
}

#[tokio::test]
async fn the_window_is_counted_from_the_loss() {
    for generation in BOTH {
        let sim = start(generation).await;
        let jwt = jwt("alice", 3600);
        let (ws, id) = login(&sim, generation, &jwt).await;
        // Time that passes while the session is attached does not count.
        sim.advance(Duration::from_secs(1000)).await;
        sim.cut().await;
        drop(ws);
        sim.advance(Duration::from_millis(299_000)).await;
        let (ws, name, _) = resume(&sim, generation, &id, &jwt).await;
        assert_eq!(name, "session:success");
        sim.cut().await;
        drop(ws);
        sim.advance(Duration::from_millis(300_001)).await;
        let (mut ws, name, payload) = resume(&sim, generation, &id, &jwt).await;
        assert_eq!(name, "session:error:invalid");
        assert_eq!(payload["description"], "The session is invalid.");
        assert_eq!(text(&mut ws).await, "41");
        assert_eq!(closed(&mut ws).await, 1005);
        sim.set("unknown_session", "new_session").await.unwrap();
        let (_ws, name, payload) = resume(&sim, generation, &id, &jwt).await;
        assert_eq!(name, "session:success");
        assert_ne!(payload["body"]["id"], json!(id));
        assert_eq!(sim.state().attaches.last().unwrap().outcome, Outcome::Replaced);
    }
}

#[tokio::test]
async fn a_mode_answers_with_another_session() {
    for generation in BOTH {
        let sim = start(generation).await;
        let jwt = jwt("alice", 60);
        let (_ws, id) = login(&sim, generation, &jwt).await;
        sim.set("resume_answer", "other_id").await.unwrap();
        let (mut ws, name, payload) = resume(&sim, generation, &id, &jwt).await;
        assert_eq!(name, "session:success");
        let other = payload["body"]["id"].as_str().unwrap().to_owned();
        assert_ne!(other, id);
        nothing(&mut ws).await;
        sim.set("resume_answer", "honest").await.unwrap();
        let (_ws, name, payload) = resume(&sim, generation, &other, &jwt).await;
        assert_eq!((name.as_str(), &payload["body"]["id"]), ("session:success", &json!(other)));
    }
}

#[tokio::test]
async fn tokens_are_judged_by_their_claims() {
    let sim = VonageSim::builder(Generation::V2)
        .settings(|settings| {
            settings.users = vec!["alice".to_owned()];
            settings.check_acl = true;
        })
        .start()
        .await
        .unwrap();
    for (jwt, expected) in [
        (jwt("alice", -1), "system:error:expired-token"),
        (jwt("bob", 60), "user:error:not-found"),
        (token(&json!({ "sub": "alice" })), "system:error:permission"),
        ("nonsense".to_owned(), "system:error:invalid-token"),
        (String::new(), "system:error:invalid-token"),
    ] {
        let mut ws = open(&sim, Generation::V2, &format!("token={jwt}&")).await;
        assert_eq!(event(&mut ws).await.0, expected);
        assert_eq!(text(&mut ws).await, "41");
        assert_eq!(closed(&mut ws).await, 1005);
    }
    let (_ws, _) = login(&sim, Generation::V2, &jwt("alice", 60)).await;
    sim.revoke_tokens().await;
    assert_eq!(sim.state().live_sockets, 1);
    let mut ws = open(&sim, Generation::V2, &format!("token={}&", jwt("alice", 60))).await;
    assert_eq!(event(&mut ws).await.0, "system:error:invalid-token");
}

#[tokio::test]
async fn a_token_that_expires_disconnects_its_session() {
    for generation in BOTH {
        let sim = start(generation).await;
        let (mut ws, id) = login(&sim, generation, &jwt("alice", 2)).await;
        // The token's own end, on the real clock.
        assert_eq!(text(&mut ws).await, "41");
        assert_eq!(closed(&mut ws).await, 1005);
        let (_ws, name, _) = resume(&sim, generation, &id, &jwt("alice", 2)).await;
        assert_eq!(name, "session:success");

        for (on_expiry, named, ends) in [
            (OnExpiry::EventDisconnect, true, true),
            (OnExpiry::Event, true, false),
            (OnExpiry::Nothing, false, false),
        ] {
            let settings = |settings: &mut redial_testkit::servers::vonage::Settings| {
                settings.on_expiry = on_expiry;
            };
            let sim = VonageSim::builder(generation).settings(settings).start().await.unwrap();
            let (mut ws, _) = login(&sim, generation, &jwt("alice", 60)).await;
            sim.advance(Duration::from_secs(61)).await;
            if named {
                assert_eq!(event(&mut ws).await.0, "system:error:expired-token");
            }
            if ends {
                assert_eq!(text(&mut ws).await, "41");
                assert_eq!(closed(&mut ws).await, 1005);
            } else {
                nothing(&mut ws).await;
            }
        }
    }
}

#[tokio::test]
async fn a_new_token_keeps_a_session_alive() {
    for generation in BOTH {
        let sim = start(generation).await;
        let (mut ws, id) = login(&sim, generation, &jwt("alice", 60)).await;
        let later = jwt("alice", 120);
        match generation {
            Generation::V1 => {
                let update = json!({ "body": { "token": later }, "tid": "t-1" });
                emit(&mut ws, "session:update-token", update).await;
                let (name, payload) = event(&mut ws).await;
                assert_eq!(name, "session:update-token:success");
                assert_eq!(payload, json!({ "rid": "t-1", "body": {} }));
                let update = json!({ "body": { "token": jwt("alice", -1) }, "tid": "t-2" });
                emit(&mut ws, "session:update-token", update).await;
                let (name, payload) = event(&mut ws).await;
                assert_eq!(
                    (name.as_str(), &payload["rid"]),
                    ("system:error:expired-token", &json!("t-2"))
                );
            }
            Generation::V2 => {
                let answer = put_session(&sim, &id, &later).await.unwrap();
                assert_eq!(answer.status, 200);
                assert_eq!(answer.json(), json!({ "id": id, "session_id": id }));
                let answer = put_session(&sim, &id, &jwt("alice", -1)).await.unwrap();
                assert_eq!(answer.status, 401);
                assert_eq!(answer.json()["code"], "system:error:expired-token");
                assert_eq!(put_session(&sim, "other", &later).await.unwrap().status, 404);
                let bob = put_session(&sim, &id, &jwt("bob", 60)).await.unwrap();
                assert_eq!(bob.json()["code"], "session:error:invalid");
            }
        }
        sim.advance(Duration::from_secs(61)).await;
        nothing(&mut ws).await;
        sim.advance(Duration::from_secs(60)).await;
        assert_eq!(text(&mut ws).await, "41");
        let refreshes = sim.state().refreshes;
        assert_eq!(refreshes.iter().filter(|call| call.ok).count(), 1);
        assert!(refreshes.len() > 1);
    }
}

#[tokio::test]
async fn a_second_connection_takes_the_session() {
    for generation in BOTH {
        let sim = start(generation).await;
        let jwt = jwt("alice", 60);
        let (mut first, id) = login(&sim, generation, &jwt).await;
        let (mut second, name, _) = resume(&sim, generation, &id, &jwt).await;
        assert_eq!(name, "session:success");
        assert_eq!(text(&mut first).await, "41");
        assert_eq!(closed(&mut first).await, 1005);
        sim.notify(1, json!({ "n": 7 })).await;
        let (name, payload) = event(&mut second).await;
        assert_eq!((name.as_str(), &payload["body"]), ("custom:notify", &json!({ "n": 7 })));
    }
}

#[tokio::test]
async fn events_ask_to_be_acknowledged_and_can_be_sent_again() {
    let sim = start(Generation::V2).await;
    sim.set("redeliver", true).await.unwrap();
    let jwt = jwt("alice", 60);
    let (mut ws, id) = login(&sim, Generation::V2, &jwt).await;
    sim.notify(2, json!({})).await;
    let (first, ..) = asked(&mut ws).await;
    let (second, ..) = asked(&mut ws).await;
    assert_eq!((first, second), (Some(0), Some(1)));
    say(&mut ws, "430[]").await;
    // An acknowledgment of nothing, and one that comes twice.
    say(&mut ws, "4399[]").await;
    say(&mut ws, "430[]").await;
    let acked = |state: &redial_testkit::servers::vonage::State| state.events[0].acked_ms.is_some();
    let state = sim.until(SOON, acked).await.unwrap();
    assert_eq!(state.events[1].acked_ms, None);
    sim.cut().await;
    let (_ws, _, payload) = resume(&sim, Generation::V2, &id, &jwt).await;
    let pending = payload["body"]["pending_events"].as_array().unwrap();
    assert_eq!(pending.iter().map(|one| &one["id"]).collect::<Vec<_>>(), [&json!("2")]);
    let sent: Vec<_> = sim.state().events.iter().map(|event| event.sent).collect();
    assert_eq!(sent, [1, 2]);
}

#[tokio::test]
async fn a_logout_ends_the_session() {
    for generation in BOTH {
        let sim = start(generation).await;
        let jwt = jwt("alice", 60);
        let (mut ws, id) = login(&sim, generation, &jwt).await;
        emit(&mut ws, "session:logout", json!({ "body": {}, "tid": "t-1" })).await;
        assert_eq!(
            event(&mut ws).await,
            ("session:logged-out".to_owned(), json!({ "rid": "t-1", "body": {} }))
        );
        emit(&mut ws, "session:logout", json!({ "body": {}, "tid": "t-2" })).await;
        assert_eq!(event(&mut ws).await.0, "session:terminated");
        let (_ws, name, _) = resume(&sim, generation, &id, &jwt).await;
        assert_eq!(name, "session:error:invalid");
        assert_eq!(sim.state().logouts, 1);
    }
}

#[tokio::test]
async fn events_of_the_client_are_answered_and_become_events_of_the_conversation() {
    let sim = start(Generation::V2).await;
    let jwt = jwt("alice", 60);
    let (mut ws, _) = login(&sim, Generation::V2, &jwt).await;
    let message = json!({ "tid": "t-1", "cid": "CON-7", "body": { "text": "hi" } });
    emit(&mut ws, "text", message.clone()).await;
    let (name, reply) = event(&mut ws).await;
    assert_eq!((name.as_str(), &reply["rid"]), ("text:success", &json!("t-1")));
    let (name, own) = event(&mut ws).await;
    assert_eq!(
        (name.as_str(), &own["id"], &own["body"]),
        ("text", &json!("1"), &json!({ "text": "hi" }))
    );
    emit(&mut ws, "text", message).await;
    emit(&mut ws, "session:nonsense", json!({ "tid": "t-2", "body": {} })).await;
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(event(&mut ws).await.0);
    }
    assert_eq!(names, ["text:success", "text", "system:error:invalid-event"]);
    let seen: Vec<_> =
        sim.state().messages.into_iter().map(|one| (one.id, one.duplicate)).collect();
    assert_eq!(seen, [("t-1".to_owned(), false), ("t-1".to_owned(), true)]);

    let bearer = format!("bearer {jwt}");
    let headers = [("authorization", bearer.as_str())];
    let target = "/beta2/conversations/CON-7/events?start_id=2&end_id=9";
    let history = call(&sim, "GET", target, &headers, b"").await.unwrap().json();
    let events = history["_embedded"]["data"]["events"].as_array().unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["id"], &events[0]["type"]), (&json!("2"), &json!("text")));
}

#[tokio::test]
async fn what_is_refused_is_refused_as_the_script_says() {
    for generation in BOTH {
        let sim = start(generation).await;
        let jwt = jwt("alice", 60);
        let (ws, id) = login(&sim, generation, &jwt).await;
        drop(ws);
        for (status, expected) in [
            (401, "system:error:invalid-token"),
            (403, "system:error:permission"),
            (404, "user:error:not-found"),
            (410, "session:error:invalid"),
            (429, "session:error:max-open-sessions"),
        ] {
            sim.refuse(Refusal::status("login", status)).await;
            let (_ws, name, _) = resume(&sim, generation, &id, &jwt).await;
            assert_eq!(name, expected);
        }
        let body = Some(json!({ "event": "session:error:special", "description": "no" }));
        sim.refuse(Refusal { body, ..Refusal::status("token", 500) }).await;
        let (_ws, name, payload) = resume(&sim, generation, &id, &jwt).await;
        assert_eq!(
            (name.as_str(), &payload["description"]),
            ("session:error:special", &json!("no"))
        );
        sim.refuse(Refusal::hang("login")).await;
        let mut ws = open(&sim, generation, &format!("session_id={id}&token={jwt}&")).await;
        nothing(&mut ws).await;
        let (_ws, name, _) = resume(&sim, generation, &id, &jwt).await;
        assert_eq!(name, "session:success");
        assert_eq!(
            sim.state().attaches.iter().filter(|one| one.outcome == Outcome::Lost).count(),
            1
        );
    }
}

#[tokio::test]
async fn too_many_sessions_are_refused() {
    let sim = start(Generation::V2).await;
    sim.set("max_sessions", 1).await.unwrap();
    let jwt = jwt("alice", 60);
    let (_ws, id) = login(&sim, Generation::V2, &jwt).await;
    let mut ws = open(&sim, Generation::V2, &format!("token={jwt}&")).await;
    assert_eq!(event(&mut ws).await.0, "session:error:max-open-sessions");
    let (_ws, name, _) = resume(&sim, Generation::V2, &id, &jwt).await;
    assert_eq!(name, "session:success");
    sim.expire_sessions().await;
    let (_ws, name, _) = resume(&sim, Generation::V2, &id, &jwt).await;
    assert_eq!(name, "session:error:invalid");
}
