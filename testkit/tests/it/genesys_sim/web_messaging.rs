//! Web Messaging as it is meant to be.

use std::time::Duration;

use redial_testkit::servers::genesys::GenesysSim;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::{
    Ws, ask, call, configure, history, is_quiet, jwt, next, next_json, open_with, put, say, status,
    web_connect, web_open, web_sim,
};

#[tokio::test]
async fn a_session_answers_its_configuration_and_is_resumed() {
    let sim = web_sim().await;
    let mut ws = web_open(&sim).await;
    assert_eq!(ask(&mut ws, say("t-1", "x", "early")).await["code"], 4007);
    let first = configure(&mut ws, "t-1").await;
    assert_eq!((&first["class"], &first["tracingId"]), (&json!("SessionResponse"), &json!("c")));
    assert_eq!(first["body"]["newSession"], true);
    assert_eq!(first["body"]["durationSeconds"], 259_200);
    drop(ws);
    let mut ws = web_open(&sim).await;
    assert_eq!(configure(&mut ws, "t-1").await["body"]["newSession"], false);
    assert_eq!(ask(&mut ws, say("t-2", "x", "foreign")).await["code"], 4007);
    let start = json!({
        "action": "configureSession", "deploymentId": "d-1", "token": "t-1", "startNew": true,
    });
    assert_eq!(ask(&mut ws, start).await["body"]["newSession"], true);
    let authenticated = json!({
        "action": "configureAuthenticatedSession", "deploymentId": "d-1", "token": "t-1",
        "data": { "code": "eyJ" },
    });
    assert_eq!(ask(&mut ws, authenticated).await["body"]["connected"], true);
    let state = sim.state();
    assert_eq!((state.configures.len(), state.sessions_ok(), state.conversations), (4, 2, 2));
    assert_eq!(state.sockets[1].conversation, Some(2));
}

#[tokio::test]
async fn a_message_is_echoed_to_every_connection_of_its_session() {
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    let mut other = web_connect(&sim, "t-1").await;
    let mut stranger = web_connect(&sim, "t-2").await;
    let echo = ask(&mut ws, say("t-1", "x1", "Hello")).await;
    assert_eq!((&echo["type"], &echo["class"]), (&json!("message"), &json!("StructuredMessage")));
    assert_eq!((&echo["code"], &echo["tracingId"]), (&json!(200), &json!("x1")));
    let body = &echo["body"];
    assert_eq!((&body["text"], &body["direction"]), (&json!("Hello"), &json!("Inbound")));
    assert_eq!(body["id"].as_str().unwrap().len(), 32);
    assert_eq!(body["channel"]["messageId"].as_str().unwrap().len(), 36);
    assert_eq!(body["channel"]["time"].as_str().unwrap().len(), 24);
    assert_eq!(next_json(&mut other).await, echo);
    assert!(is_quiet(&mut stranger).await);
    assert_eq!(sim.state().proofs.len(), 1);
}

#[tokio::test]
async fn a_fourth_connection_closes_the_oldest() {
    let sim = web_sim().await;
    let mut oldest = web_connect(&sim, "t-1").await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(web_connect(&sim, "t-1").await);
    }
    let event = next_json(&mut oldest).await;
    assert_eq!(event["class"], "ConnectionClosedEvent");
    assert_eq!(event["body"]["reason"], "sessionLimitReached");
    assert!(next(&mut oldest).await.unwrap().is_close());
    assert_eq!(ask(&mut others[0], say("t-1", "x", "on")).await["tracingId"], "x");
}

#[tokio::test]
async fn typing_and_presence_are_events() {
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    let event = |kind: &str, name: &str, value: &str| {
        let events = json!([{ "eventType": kind, name: { "type": value } }]);
        json!({
            "action": "onMessage", "token": "t-1", "tracingId": "e",
            "message": { "type": "Event", "events": events },
        })
    };
    let join = ask(&mut ws, event("Presence", "presence", "Join")).await;
    assert_eq!(join["body"]["events"][0]["presence"]["type"], "Join");
    ask(&mut ws, event("Typing", "typing", "On")).await;
    let kinds: Vec<_> = sim.state().events.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["Presence.Join", "Typing.On"]);
    assert!(sim.state().delivered.is_empty());
    let cleared = ask(&mut ws, event("Presence", "presence", "Clear")).await;
    assert_eq!(cleared["class"], "StructuredMessage");
    assert_eq!(next_json(&mut ws).await["class"], "SessionClearedEvent");
    assert_eq!(next_json(&mut ws).await["class"], "ConnectionClosedEvent");
    assert_eq!(configure(&mut ws, "t-1").await["body"]["newSession"], true);
}

#[tokio::test]
async fn an_agent_writes_text_structures_and_events() {
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    sim.notify(1, json!({ "text": "Hi" })).await;
    let text = next_json(&mut ws).await;
    assert_eq!(text["body"]["text"], "Hi");
    assert_eq!((&text["body"]["direction"], text.get("tracingId")), (&json!("Outbound"), None));
    let card = json!({ "type": "Structured", "content": [{ "contentType": "QuickReply" }] });
    sim.notify(1, card).await;
    assert_eq!(next_json(&mut ws).await["body"]["content"][0]["contentType"], "QuickReply");
    let typing = json!({ "events": [{ "eventType": "Typing", "typing": { "type": "On" } }] });
    sim.notify(1, typing).await;
    assert_eq!(next_json(&mut ws).await["body"]["type"], "Event");
    sim.notify(1, json!({ "class": "SomethingNew", "body": { "x": 1 } })).await;
    let odd =
        json!({ "type": "message", "class": "SomethingNew", "code": 200, "body": { "x": 1 } });
    assert_eq!(next_json(&mut ws).await, odd);
    sim.notify(2, json!({ "text": "twice", "id": "same" })).await;
    for _ in 0..2 {
        assert_eq!(next_json(&mut ws).await["body"]["id"], "same");
    }
    let jwt = jwt(&mut ws, "t-1").await;
    assert_eq!(history(&sim, &jwt, 1, 25).await.json()["total"], 4, "no events, no odd frames");
}

#[tokio::test]
async fn the_history_has_what_was_missed_newest_first() {
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    ask(&mut ws, say("t-1", "x1", "mine")).await;
    sim.cut().await;
    for text in ["away-1", "away-2"] {
        sim.notify(1, json!({ "text": text })).await;
    }
    let mut ws = web_connect_resumed(&sim).await;
    assert!(is_quiet(&mut ws).await, "nothing is replayed");
    let jwt = jwt(&mut ws, "t-1").await;
    let texts = |page: Value| {
        let entities = page["entities"].as_array().unwrap().clone();
        entities.into_iter().map(|entity| entity["text"].clone()).collect::<Vec<_>>()
    };
    let first = history(&sim, &jwt, 1, 2).await.json();
    assert_eq!((&first["total"], &first["pageCount"]), (&json!(3), &json!(2)));
    assert_eq!((&first["pageSize"], &first["pageNumber"]), (&json!(2), &json!(1)));
    assert_eq!(texts(first), ["away-2", "away-1"]);
    assert_eq!(texts(history(&sim, &jwt, 2, 2).await.json()), ["mine"]);
    assert!(texts(history(&sim, &jwt, 9, 2).await.json()).is_empty());
    assert_eq!(sim.state().histories.len(), 3);
}

async fn web_connect_resumed(sim: &GenesysSim) -> Ws {
    let mut ws = web_open(sim).await;
    assert_eq!(configure(&mut ws, "t-1").await["body"]["newSession"], false);
    ws
}

#[tokio::test]
async fn health_checks_are_echoed_with_the_life_of_the_session_as_text() {
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    let echo = json!({
        "action": "echo", "token": "t-1", "tracingId": "SGVhbHRo",
        "message": { "type": "Text", "text": "ping" },
    });
    let answer = ask(&mut ws, echo).await;
    assert_eq!((&answer["type"], &answer["tracingId"]), (&json!("response"), &json!("SGVhbHRo")));
    assert_eq!(answer["body"]["text"], "ping");
    assert_eq!(answer["body"]["metadata"]["durationSeconds"], "259200");
    assert!(answer["body"]["metadata"]["expirationDate"].is_string());
    assert_eq!(sim.state().echoes.len(), 1);
    assert!(sim.state().delivered.is_empty());
}

#[tokio::test]
async fn a_conversation_that_an_agent_ends_is_read_only_until_a_new_one() {
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    sim.read_only(true).await;
    let end = next_json(&mut ws).await;
    assert_eq!(end["body"]["events"][0]["presence"]["type"], "Disconnect");
    assert_eq!(end["body"]["metadata"]["readOnly"], "true");
    assert_eq!(ask(&mut ws, say("t-1", "x", "late")).await["code"], 409);
    assert_eq!(configure(&mut ws, "t-1").await["body"]["readOnly"], true);
    let mut other = web_connect_resumed(&sim).await;
    let close = json!({ "action": "closeSession", "token": "t-1", "closeAllConnections": true });
    assert_eq!(ask(&mut ws, close).await["body"]["connected"], false);
    assert_eq!(next_json(&mut other).await["class"], "ConnectionClosedEvent");
    let fresh = configure(&mut ws, "t-1").await;
    assert_eq!(
        (&fresh["body"]["newSession"], &fresh["body"]["readOnly"]),
        (&json!(true), &json!(false))
    );
}

#[tokio::test]
async fn sessions_expire_by_script_and_by_time() {
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    sim.expire_sessions().await;
    assert_eq!(next_json(&mut ws).await["class"], "SessionExpiredEvent");
    assert_eq!(ask(&mut ws, say("t-1", "x", "late")).await["code"], 4006);
    assert_eq!(configure(&mut ws, "t-1").await["code"], 4006);
    sim.set("session_ttl_ms", 1500).await.unwrap();
    let mut ws = web_connect(&sim, "t-2").await;
    let begun = std::time::Instant::now();
    tokio::time::sleep(Duration::from_millis(300)).await;
    ask(&mut ws, say("t-2", "x", "still here")).await;
    assert_eq!(next_json(&mut ws).await["class"], "SessionExpiredEvent");
    assert!(begun.elapsed() >= Duration::from_millis(1700), "a message prolongs");
    sim.revoke_tokens().await;
    assert_eq!(ask(&mut ws, say("t-2", "x", "gone")).await["code"], 4007);
}

#[tokio::test]
async fn events_of_the_service_are_scripted() {
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    sim.connection_closed("signedIn").await;
    sim.event("LogoutEvent").await;
    let closed = next_json(&mut ws).await;
    assert_eq!(closed["class"], "ConnectionClosedEvent");
    assert_eq!(closed["body"], json!({ "reason": "signedIn" }));
    let logout = json!({ "type": "message", "class": "LogoutEvent", "code": 200, "body": {} });
    assert_eq!(next_json(&mut ws).await, logout);
    sim.set("extra_fields", true).await.unwrap();
    sim.notify(1, json!({ "text": "x" })).await;
    assert!(next_json(&mut ws).await["x-unknown"].is_object());
}

#[tokio::test]
async fn frames_can_overtake_each_other() {
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    sim.set("out_of_order_ms", 1000).await.unwrap();
    for id in ["x1", "x2"] {
        put(&mut ws, &say("t-1", id, id)).await;
    }
    let order = [next_json(&mut ws).await, next_json(&mut ws).await];
    assert_eq!(order.map(|frame| frame["tracingId"].clone()), ["x2", "x1"]);
    assert_eq!(sim.state().texts(), ["x1", "x2"]);
}

#[tokio::test]
async fn deployments_and_origins_are_checked_at_the_door() {
    let sim = web_sim().await;
    assert_eq!(status(open_with(&sim, "/v1", &[]).await), 400);
    sim.set("deployment", "d-1").await.unwrap();
    sim.set("origin", "https://shop.example").await.unwrap();
    let right = [("origin", "https://shop.example")];
    let target = super::client::WEB;
    assert_eq!(status(open_with(&sim, target, &[]).await), 403);
    assert_eq!(status(open_with(&sim, "/v1?deploymentId=d-2", &right).await), 403);
    let mut ws = open_with(&sim, target, &right).await.unwrap();
    let wrong = json!({ "action": "configureSession", "deploymentId": "d-2", "token": "t" });
    assert_eq!(ask(&mut ws, wrong).await["code"], 404);
    for (id, expected) in [("d-1", 200), ("d-2", 404)] {
        let target = format!("/webdeployments/v1/deployments/{id}/config.json");
        assert_eq!(call(&sim, "GET", &target, &[], b"").await.unwrap().status, expected);
    }
    sim.send_text("not json").await;
    assert_eq!(next(&mut ws).await.unwrap(), Message::text("not json"));
}
