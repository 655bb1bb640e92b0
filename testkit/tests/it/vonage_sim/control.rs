//! The control endpoint and what becomes of commands.

use redial_testkit::servers::vonage::{Generation, VonageSim};
use serde_json::json;

use super::client::{call, closed, emit, event, jwt, login, next, nothing, put_session, text};

async fn start(generation: Generation) -> VonageSim {
    VonageSim::builder(generation).start().await.unwrap()
}

#[tokio::test]
async fn every_documented_option_can_be_set() {
    let sim = start(Generation::V2).await;
    for (key, value) in [
        ("ping_interval_ms", json!(100)),
        ("ping_timeout_ms", json!(100)),
        ("window_ms", json!(0)),
        ("disconnect_delay_ms", json!(0)),
        ("answer_delay_ms", json!(1)),
        ("max_payload", json!(1000)),
        ("event_buffer", json!(3)),
        ("skip_ids", json!(1)),
        ("repeat_events", json!(1)),
        ("max_sessions", json!(null)),
        ("allow_eio3", json!(true)),
        ("close_after_disconnect", json!(false)),
        ("check_acl", json!(false)),
        ("redeliver", json!(true)),
        ("pending_inside", json!(false)),
        ("extra_fields", json!(true)),
        ("ask_acks", json!(null)),
        ("on_expiry", json!("event")),
        ("resume_answer", json!("invalid")),
        ("unknown_session", json!("new_session")),
        ("reject_with", json!("event")),
        ("withhold", json!(null)),
        ("user", json!("alice")),
        ("user", json!(null)),
        ("advance_ms", json!(5)),
        ("expire_tokens", json!(true)),
        ("disconnect", json!("open")),
    ] {
        let answer = sim.control_json(json!({ "do": "set", "key": key, "value": value })).await;
        assert_eq!(answer, Ok(json!({ "ok": true })), "{key}");
        let wrong = sim.control_json(json!({ "do": "set", "key": key, "value": [1] })).await;
        assert!(wrong.unwrap_err().contains(key), "{key}");
    }
    let unknown = sim.control_json(json!({ "do": "set", "key": "nope", "value": 1 })).await;
    assert_eq!(unknown, Err("unknown option \"nope\"".to_owned()));
}

#[tokio::test]
async fn events_can_skip_repeat_and_be_whole() {
    let sim = start(Generation::V1).await;
    let (mut ws, _) = login(&sim, Generation::V1, &jwt("alice", 60)).await;
    sim.set("skip_ids", 2).await.unwrap();
    sim.set("repeat_events", 1).await.unwrap();
    sim.notify(2, json!({ "event": "text", "cid": "CON-1" })).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(event(&mut ws).await.1["id"].clone());
    }
    assert_eq!(ids, ["3", "3", "4"]);
    sim.notify(1, json!({ "event": "echo", "payload": { "any": 1 } })).await;
    assert_eq!(event(&mut ws).await, ("echo".to_owned(), json!({ "any": 1 })));
    let wrong = json!({ "do": "notify", "body": { "event": "text", "colour": 1 } });
    assert!(sim.control_json(wrong).await.unwrap_err().contains("colour"));
    assert!(sim.control_json(json!({ "do": "notify", "body": 1 })).await.is_err());
}

#[tokio::test]
async fn only_so_many_events_wait_for_a_session() {
    let sim = start(Generation::V2).await;
    let jwt = jwt("alice", 60);
    let (ws, id) = login(&sim, Generation::V2, &jwt).await;
    sim.set("event_buffer", 2).await.unwrap();
    sim.cut().await;
    drop(ws);
    sim.notify(5, json!({})).await;
    let (_ws, _, payload) = super::client::resume(&sim, Generation::V2, &id, &jwt).await;
    let pending = payload["body"]["pending_events"].as_array().unwrap();
    assert_eq!(pending.iter().map(|one| &one["id"]).collect::<Vec<_>>(), ["4", "5"]);
}

#[tokio::test]
async fn replies_can_be_lost_wrong_failed_and_late() {
    let sim = start(Generation::V1).await;
    let (mut ws, _) = login(&sim, Generation::V1, &jwt("alice", 60)).await;
    let message = |tid: &str| json!({ "tid": tid, "body": {} });
    sim.lose_acks(1).await;
    emit(&mut ws, "custom:a", message("t-1")).await;
    nothing(&mut ws).await;
    sim.control_json(json!({ "do": "unknown_ids" })).await.unwrap();
    emit(&mut ws, "custom:a", message("t-2")).await;
    assert_ne!(event(&mut ws).await.1["rid"], "t-2");
    sim.control_json(json!({ "do": "fail_requests", "code": 503, "body": "no" })).await.unwrap();
    emit(&mut ws, "custom:a", message("t-3")).await;
    let (name, payload) = event(&mut ws).await;
    assert_eq!(name, "system:error:failed");
    let expected = json!({ "rid": "t-3", "body": {}, "code": 503, "description": "no" });
    assert_eq!(payload, expected);
    sim.set("answer_delay_ms", 20).await.unwrap();
    sim.set("extra_fields", true).await.unwrap();
    emit(&mut ws, "custom:a", message("t-4")).await;
    let (name, payload) = event(&mut ws).await;
    assert_eq!((name.as_str(), payload["x-unknown"].is_object()), ("custom:a:success", true));
    let answered: Vec<_> = sim.state().messages.iter().map(|one| one.answered).collect();
    assert_eq!(answered, [false, true, true, true]);
}

#[tokio::test]
async fn sessions_are_disconnected_with_and_without_a_close_frame() {
    for (generation, close) in [(Generation::V1, true), (Generation::V2, false)] {
        let sim = start(generation).await;
        let (mut ws, _) = login(&sim, generation, &jwt("alice", 60)).await;
        sim.disconnect(close).await;
        assert_eq!(text(&mut ws).await, "41");
        if close {
            assert_eq!(closed(&mut ws).await, 1005);
        } else {
            nothing(&mut ws).await;
            assert_eq!(sim.state().live_sockets, 1);
        }
        assert_eq!(sim.state().disconnects, 1);
    }
}

#[tokio::test]
async fn a_half_open_session_keeps_its_events() {
    let sim = start(Generation::V2).await;
    let jwt = jwt("alice", 60);
    let (mut ws, id) = login(&sim, Generation::V2, &jwt).await;
    sim.silent(true).await;
    sim.notify(1, json!({})).await;
    nothing(&mut ws).await;
    let (_ws, name, payload) = super::client::resume(&sim, Generation::V2, &id, &jwt).await;
    assert_eq!(name, "session:success");
    assert_eq!(payload["body"]["pending_events"][0]["id"], "1");
}

#[tokio::test]
async fn foreign_frames_reach_the_client() {
    let sim = start(Generation::V2).await;
    let (mut ws, _) = login(&sim, Generation::V2, &jwt("alice", 60)).await;
    sim.send_text("not a packet").await;
    assert_eq!(text(&mut ws).await, "not a packet");
    sim.send_binary(vec![1, 2]).await;
    assert_eq!(next(&mut ws).await.unwrap().into_data().as_ref(), [1, 2]);
}

#[tokio::test]
async fn refreshes_are_refused_by_http_too() {
    let sim = start(Generation::V2).await;
    let jwt = jwt("alice", 60);
    let (_ws, id) = login(&sim, Generation::V2, &jwt).await;
    let refuse = json!({ "do": "refuse", "step": "refresh", "status": 429, "retry_after": "3" });
    sim.control_json(refuse).await.unwrap();
    let answer = put_session(&sim, &id, &jwt).await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("3")));
    let refuse = json!({ "do": "refuse", "step": "token", "omit": "session_id" });
    sim.control_json(refuse).await.unwrap();
    assert_eq!(put_session(&sim, &id, &jwt).await.unwrap().json(), json!({ "id": id }));
    sim.control_json(json!({ "do": "refuse", "step": "rest", "status": 500 })).await.unwrap();
    let bearer = format!("Bearer {jwt}");
    let headers = [("authorization", bearer.as_str())];
    for status in [500, 200] {
        let answer = call(&sim, "POST", "/v2/rtc/metrics", &headers, b"{}").await.unwrap();
        assert_eq!(answer.status, status);
    }
    assert_eq!(
        call(&sim, "GET", "/nope", &headers, b"").await.unwrap().text(),
        "{\"code\":\"http:error:not-found\",\"description\":\"not found\"}"
    );
    let state = sim.control_json(json!({ "do": "state" })).await.unwrap();
    assert_eq!((&state["refreshes"], &state["metrics"]), (&json!(1), &json!(2)));
    assert_eq!(
        (&state["unknown_paths"], &state["token_calls"].as_array().unwrap().len()),
        (&json!(1), &2)
    );
}
