//! Where CodeChat's tokens come from, how long they are good, and how they are renewed.

use redial_testkit::servers::evolution::{EvolutionSim, Options, sign};
use redial_testkit::servers::{Refusal, Simulator as _};
use serde_json::{Value, json};

use super::client::{
    SECRET, SOON, chat_sim, create, is_quiet, next_json, now_s, open, refresh, status, token,
    try_create, try_open,
};

const EVENT: &str = "messages.upsert";

#[tokio::test]
async fn an_instance_is_created_with_a_token_that_opens_its_sockets() {
    let sim = chat_sim().await;
    let answer = try_create(&sim, &[("apikey", "k")], &json!({ "instanceName": "shop-1" })).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["name"]), (201, &json!("shop-1")));
    assert!(body["Auth"]["id"].is_u64(), "{body}");
    let token = body["Auth"]["token"].as_str().unwrap();
    let mut ws = try_open(&sim, EVENT, token).await.unwrap();
    sim.emit("shop-1", EVENT, json!({ "keyId": "A" })).await;
    assert_eq!(next_json(&mut ws).await, json!({ "keyId": "A" }));
    let again = try_create(&sim, &[("apikey", "k")], &json!({ "instanceName": "shop-1" })).await;
    let taken = json!({
        "status": 400, "error": "Bad Request", "message": ["Instance already exists"],
    });
    assert_eq!((again.status, again.json()), (400, taken));
}

#[tokio::test]
async fn creating_needs_the_global_key() {
    let sim = chat_sim().await;
    sim.set("api_key", "right").await.unwrap();
    let body = json!({ "instanceName": "shop-1" });
    let missing = try_create(&sim, &[], &body).await;
    let message = json!(["Missing global api key", "The global api key must be set"]);
    assert_eq!((missing.status, &missing.json()["message"]), (403, &message));
    let wrong = try_create(&sim, &[("apikey", "wrong")], &body).await;
    assert_eq!(
        (wrong.status, wrong.json()),
        (401, json!({ "status": 401, "error": "Unauthorized" }))
    );
    assert_eq!(try_create(&sim, &[("apikey", "right")], &body).await.status, 201);
    let statuses: Vec<_> = sim.state().creates.iter().map(|call| call.status).collect();
    assert_eq!(statuses, [Some(403), Some(401), Some(201)]);
}

#[tokio::test]
async fn a_refresh_gives_a_token_and_the_old_one_still_opens_sockets() {
    let sim = chat_sim().await;
    let old = create(&sim, "shop-1").await;
    let answer = refresh(&sim, "shop-1", &old).await;
    assert_eq!(answer.status, 201);
    let new = answer.json()["token"].as_str().unwrap().to_owned();
    for token in [&old, &new] {
        try_open(&sim, EVENT, token).await.unwrap();
    }
    // The old one is no longer the stored one.
    let refused =
        json!({ "status": 400, "error": "Bad Request", "message": ["Invalid \"oldToken\""] });
    let again = refresh(&sim, "shop-1", &old).await;
    assert_eq!((again.status, again.json()), (400, refused));
    assert_eq!(refresh(&sim, "shop-1", &new).await.status, 201);
    let state = sim.state();
    assert_eq!((state.refreshes.len(), state.refreshes_ok()), (3, 2));
    assert_eq!(state.token_calls().len(), 4);
}

#[tokio::test]
async fn a_refresh_wants_a_signed_token_of_a_known_instance() {
    let sim = chat_sim().await;
    let forged = sign("another secret", &json!({ "instanceName": "shop-1" }));
    for old in ["abc", "", &forged, &token("never-created")] {
        assert_eq!(refresh(&sim, "shop-1", old).await.status, 400, "{old}");
    }
    sim.set("adopt", true).await.unwrap();
    assert_eq!(refresh(&sim, "shop-1", &token("made-elsewhere")).await.status, 201);
}

#[tokio::test]
async fn an_expired_token_is_refused_at_the_handshake_only_and_can_be_refreshed() {
    let sim = chat_sim().await;
    let claims = json!({ "instanceName": "shop-1", "tokenId": "T", "exp": now_s() - 1 });
    let past = sign(SECRET, &claims);
    sim.set("adopt", true).await.unwrap();
    assert_eq!(status(try_open(&sim, EVENT, &past).await), 401);
    let answer = refresh(&sim, "shop-1", &past).await;
    assert_eq!(answer.status, 201);
    let new = answer.json()["token"].as_str().unwrap().to_owned();
    try_open(&sim, EVENT, &new).await.unwrap();
    // The sample configuration ignores the expiry.
    sim.set("expires_in_s", 0).await.unwrap();
    try_open(&sim, EVENT, &past).await.unwrap();
}

#[tokio::test]
async fn revoked_tokens_open_nothing_more_and_can_be_refreshed() {
    let sim = chat_sim().await;
    let old = create(&sim, "shop-1").await;
    let mut ws = try_open(&sim, EVENT, &old).await.unwrap();
    sim.revoke_tokens().await;
    // The open socket goes on.
    sim.emit("shop-1", EVENT, json!({ "keyId": "A" })).await;
    assert_eq!(next_json(&mut ws).await, json!({ "keyId": "A" }));
    assert_eq!(status(try_open(&sim, "chats.set", &old).await), 401);
    let new = refresh(&sim, "shop-1", &old).await.json()["token"].as_str().unwrap().to_owned();
    try_open(&sim, "chats.set", &new).await.unwrap();
    assert!(is_quiet(&mut ws).await);
}

#[tokio::test]
async fn an_expired_instance_cannot_be_refreshed_until_it_is_created_anew() {
    let sim = EvolutionSim::start(Options::default()).await.unwrap();
    let old = create(&sim, "shop-1").await;
    sim.expire_sessions().await;
    assert_eq!(refresh(&sim, "shop-1", &old).await.status, 400);
    let new = create(&sim, "shop-1").await;
    assert_eq!(refresh(&sim, "shop-1", &old).await.status, 400);
    assert_eq!(refresh(&sim, "shop-1", &new).await.status, 201);
}

#[tokio::test]
async fn a_script_refuses_tokens() {
    let sim = chat_sim().await;
    let old = create(&sim, "shop-1").await;
    sim.refuse(Refusal::status("refresh", 429).retry_after("3")).await;
    let answer = refresh(&sim, "shop-1", &old).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("3")));
    sim.refuse(Refusal::status("token", 500).times(2)).await;
    assert_eq!(refresh(&sim, "shop-1", &old).await.status, 500);
    let body = json!({ "instanceName": "shop-2" });
    assert_eq!(try_create(&sim, &[("apikey", "k")], &body).await.status, 500);
    sim.refuse(Refusal::omit("refresh", "token")).await;
    let answer = refresh(&sim, "shop-1", &old).await;
    assert_eq!((answer.status, answer.json().get("token").map(Value::is_null)), (201, None));
    open(&sim, EVENT, "shop-1").await;
    let state = sim.until(SOON, |state| state.refreshes.len() == 3).await.unwrap();
    let statuses: Vec<_> = state.refreshes.iter().map(|call| call.status).collect();
    assert_eq!(statuses, [Some(429), Some(500), Some(201)]);
}
