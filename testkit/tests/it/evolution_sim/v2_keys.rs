//! Evolution API's keys, instances and their configuration.

use redial_testkit::servers::Refusal;
use redial_testkit::servers::evolution::{CONFIGURED_EVENTS, EvolutionSim, Profile};
use serde_json::{Value, json};

use super::client::{
    ENGINE, KEY, call, engine, event, is_quiet, join, joined, next, open_with, say, status,
    try_create, v2_sim,
};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

#[tokio::test]
async fn a_key_comes_in_the_query_or_in_a_header() {
    let sim = v2_sim().await;
    sim.set("api_key", KEY).await.unwrap();
    for target in [format!("{ENGINE}&apikey={KEY}"), format!("{ENGINE}&apikey={KEY}&apikey=x")] {
        assert_eq!(status(open_with(&sim, &target, &[]).await), 101, "{target}");
    }
    assert_eq!(status(open_with(&sim, ENGINE, &[("apikey", KEY)]).await), 101);
    // An empty one in the query does not count; a wrong one there counts before the header.
    let empty = format!("{ENGINE}&apikey=");
    assert_eq!(status(open_with(&sim, &empty, &[("apikey", KEY)]).await), 101);
    let wrong = format!("{ENGINE}&apikey=wrong");
    assert_eq!(status(open_with(&sim, &wrong, &[("apikey", KEY)]).await), 400);
    // The auth object of Socket.IO is not read.
    assert_eq!(status(open_with(&sim, ENGINE, &[]).await), 400);
    sim.set("key_required", false).await.unwrap();
    assert_eq!(status(open_with(&sim, ENGINE, &[]).await), 101);
}

#[tokio::test]
async fn refusals_say_what_the_service_says() {
    let sim = v2_sim().await;
    sim.set("api_key", KEY).await.unwrap();
    let upgrade = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (query, message) in [("", "apiKey is required"), ("&apikey=wrong", "Invalid global token")]
    {
        let answer = call(&sim, "GET", &format!("{ENGINE}{query}"), &upgrade, b"").await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (400, message.as_bytes()));
        assert_eq!(answer.header("content-type"), Some("text/html"));
        let answer = call(&sim, "GET", &format!("{POLLING}{query}"), &[], b"").await.unwrap();
        let body = json!({ "code": 4, "message": message });
        assert_eq!((answer.status, answer.json()), (403, body));
    }
    // A script refuses with the service's own words, or as a proxy.
    let good = format!("{ENGINE}&apikey={KEY}");
    sim.refuse(Refusal::status("upgrade", 400)).await;
    let answer = call(&sim, "GET", &good, &upgrade, b"").await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (400, &b"Invalid global token"[..]));
    sim.refuse(Refusal::status("upgrade", 502)).await;
    let answer = call(&sim, "GET", &good, &upgrade, b"").await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (502, 0));
    let statuses: Vec<_> = sim.state().upgrades.iter().map(|call| call.status).collect();
    assert_eq!(statuses, [400, 403, 400, 403, 400, 502].map(Some));
}

#[tokio::test]
async fn the_token_of_any_instance_opens_every_namespace() {
    let sim = v2_sim().await;
    sim.set("api_key", KEY).await.unwrap();
    let body = json!({ "instanceName": "shop-1" });
    let created = try_create(&sim, &[("apikey", KEY)], &body).await;
    assert_eq!(
        (created.status, &created.json()["instance"]["instanceName"]),
        (201, &json!("shop-1"))
    );
    let token = created.json()["hash"].as_str().unwrap().to_owned();
    sim.set("namespace", "shop-2").await.unwrap();
    let mut ws = open_with(&sim, ENGINE, &[("apikey", &token)]).await.unwrap();
    next(&mut ws).await.unwrap();
    assert!(join(&mut ws, "/shop-2").await.starts_with("40/shop-2,"));
    assert!(join(&mut ws, "/").await.starts_with("40{"));
    // A revoked one opens nothing more, and what is open stays.
    sim.revoke_tokens().await;
    assert_eq!(status(open_with(&sim, ENGINE, &[("apikey", &token)]).await), 400);
    assert_eq!(status(open_with(&sim, ENGINE, &[("apikey", KEY)]).await), 400);
    assert!(join(&mut ws, "/nope").await.starts_with("44/nope,"));
}

#[tokio::test]
async fn instances_are_created_by_the_global_key_and_once() {
    let sim = v2_sim().await;
    sim.set("api_key", KEY).await.unwrap();
    let body = json!({ "instanceName": "shop-1" });
    let statuses = [
        try_create(&sim, &[], &body).await.status,
        try_create(&sim, &[("apikey", "wrong")], &body).await.status,
        try_create(&sim, &[("apikey", KEY)], &json!({})).await.status,
        try_create(&sim, &[("apikey", KEY)], &body).await.status,
        try_create(&sim, &[("apikey", KEY)], &body).await.status,
    ];
    assert_eq!(statuses, [401, 401, 400, 201, 403]);
    let state = sim.state().to_json();
    assert_eq!((&state["logins"], &state["profile"]), (&json!(1), &json!("v2")));
}

#[tokio::test]
async fn a_namespace_gets_the_events_that_are_configured() {
    let sim = v2_sim().await;
    try_create(&sim, &[("apikey", KEY)], &json!({ "instanceName": "shop-1" })).await;
    let configure = async |websocket: Value| {
        let body = json!({ "websocket": websocket }).to_string();
        let target = "/websocket/set/shop-1";
        call(&sim, "POST", target, &[("apikey", KEY)], body.as_bytes()).await.unwrap()
    };
    // Without a configuration nothing is emitted, so the namespace does not come to exist either.
    sim.emit("shop-1", "messages.upsert", json!({})).await;
    assert!(sim.state().namespaces.is_empty());
    let answer = configure(json!({ "enabled": true, "events": ["MESSAGES_UPSERT"] })).await;
    assert_eq!((answer.status, &answer.json()["events"]), (201, &json!(["MESSAGES_UPSERT"])));
    sim.emit("shop-1", "messages.upsert", json!({})).await;
    let mut ws = joined(&sim, "/shop-1").await;
    sim.emit("shop-1", "chats.set", json!([])).await;
    sim.emit("shop-1", "messages.upsert", json!({})).await;
    assert_eq!(event(&mut ws).await.1, "messages.upsert");
    let answer = configure(json!({ "enabled": true, "events": [] })).await;
    assert_eq!(answer.json()["events"].as_array().unwrap().len(), CONFIGURED_EVENTS.len());
    sim.emit("shop-1", "chats.set", json!([])).await;
    assert_eq!(event(&mut ws).await.1, "chats.set");
    configure(json!({ "enabled": false })).await;
    sim.emit("shop-1", "chats.set", json!([])).await;
    assert!(is_quiet(&mut ws).await);
    for wrong in
        [json!({}), json!({ "enabled": 1 }), json!({ "enabled": true, "events": ["nope"] })]
    {
        assert_eq!(configure(wrong.clone()).await.status, 400, "{wrong}");
    }
    let found = async |name: &str, key: &str| {
        let target = format!("/websocket/find/{name}");
        let answer = call(&sim, "GET", &target, &[("apikey", key)], b"").await.unwrap();
        (answer.status, answer.json()["enabled"].clone())
    };
    assert_eq!(found("shop-1", KEY).await, (200, json!(false)));
    assert_eq!(found("shop-9", KEY).await, (404, Value::Null));
    assert_eq!(found("shop-1", "").await.0, 401);
}

#[tokio::test]
async fn an_exposed_key_and_every_other_secret_stand_as_labels() {
    let sim = EvolutionSim::builder().profile(Profile::V2).start().await.unwrap();
    sim.set("expose_key", true).await.unwrap();
    sim.set("global", true).await.unwrap();
    let body = json!({ "instanceName": "shop-1" });
    let token = try_create(&sim, &[("apikey", KEY)], &body).await.json()["hash"].clone();
    let mut ws = joined(&sim, "/").await;
    let data = json!({ "token": "canary-of-data" });
    sim.emit("shop-1", "messages.upsert", data).await;
    assert_eq!(event(&mut ws).await.2["apikey"], token);
    say(&mut ws, "40/x,{\"any\":\"canary-of-auth\"}").await;
    assert!(next(&mut ws).await.unwrap().is_text());
    say(&mut ws, "42[\"sendNode\",{\"apikey\":\"canary-of-event\"}]").await;
    let wrong = format!("{ENGINE}&apikey=canary%2Dof%2Dquery");
    let _ = open_with(&sim, &wrong, &[]).await;
    engine(&sim).await;
    let mut lines: Vec<_> = sim.wire().iter().map(Value::to_string).collect();
    lines.push(sim.state().to_json().to_string());
    for secret in [token.as_str().unwrap(), "canary"] {
        assert_eq!(lines.iter().find(|line| line.contains(secret)), None, "{secret}");
    }
    for label in ["api-key-1", "api-key-2", "auth-1", "apikey=api-key"] {
        assert!(lines.iter().any(|line| line.contains(label)), "{label}");
    }
}
