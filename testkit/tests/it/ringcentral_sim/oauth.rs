//! Tokens and the limit of the Auth group.

use redial_testkit::servers::Refusal;
use redial_testkit::servers::ringcentral::RingCentralSim;
use serde_json::json;

use super::client::{
    FORM, JWT, basic, call, connect, login, next_json, oauth, open, tokens, try_login,
    try_ws_token, ws_token,
};

async fn sim() -> RingCentralSim {
    RingCentralSim::builder().start().await.unwrap()
}

#[tokio::test]
async fn each_grant_is_exchanged_and_checked() {
    let sim = sim().await;
    sim.set("client", json!(["sim-client", "canary-secret"])).await.unwrap();
    sim.set("assertion", "canary-assertion").await.unwrap();
    sim.set(
        "auth_code",
        json!({ "code": "canary-code", "redirect_uri": "http://app/", "code_verifier": VERIFIER }),
    )
    .await
    .unwrap();
    assert_eq!(try_login(&sim).await.unwrap().status, 200);
    let wrong = [("grant_type", JWT), ("assertion", "other")];
    let refused = oauth(&sim, "token", &wrong).await.unwrap();
    assert_eq!((refused.status, refused.json()["error"].clone()), (400, json!("invalid_grant")));

    let with = |code, verifier, redirect| {
        [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", redirect),
        ]
    };
    let other = "b".repeat(43);
    for bad in [
        with("other", VERIFIER, "http://app/"),
        with("canary-code", other.as_str(), "http://app/"),
        with("canary-code", "short", "http://app/"),
        with("canary-code", VERIFIER, "http://other/"),
        with("canary-code", VERIFIER, ""),
    ] {
        assert_eq!(oauth(&sim, "token", &bad).await.unwrap().status, 400, "{bad:?}");
    }
    let good = with("canary-code", VERIFIER, "http://app/");
    assert_eq!(oauth(&sim, "token", &good).await.unwrap().status, 200);
    assert_eq!(oauth(&sim, "token", &good).await.unwrap().status, 400, "a code is good once");
    let odd = oauth(&sim, "token", &[("grant_type", "password")]).await.unwrap();
    assert_eq!(odd.json()["error"], "unsupported_grant_type");
    assert_eq!(sim.state().logins_ok(), 2);
}

#[tokio::test]
async fn a_client_must_authenticate_by_basic() {
    let sim = sim().await;
    sim.set("client", json!(["sim-client", "canary-secret"])).await.unwrap();
    let form = b"grant_type=refresh_token&refresh_token=x&client_id=sim-client";
    let good = basic("sim-client", "canary-secret");
    let bad = basic("sim-client", "wrong-secret");
    for (header, status) in [(&*good, 400), (&*bad, 401), ("Bearer x", 401), ("Basic ***", 401)] {
        let headers = [("authorization", header), FORM];
        let answer = call(&sim, "POST", "/restapi/oauth/token", &headers, form).await.unwrap();
        assert_eq!(answer.status, status, "{header}");
    }
    let foreign = oauth(&sim, "token", &[("client_id", "other"), ("grant_type", JWT)]).await;
    assert_eq!(foreign.unwrap().json()["error"], "invalid_request");
    assert_eq!(call(&sim, "GET", "/restapi/oauth/token", &[], b"").await.unwrap().status, 405);
}

#[tokio::test]
async fn a_refresh_kills_the_old_pair_and_keeps_the_session() {
    let sim = sim().await;
    let old = login(&sim).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", old.refresh.as_str())];
    let answer = oauth(&sim, "token", &form).await.unwrap();
    let new = tokens(&answer);
    assert_eq!(answer.json()["endpoint_id"], "EP1");
    assert_eq!(oauth(&sim, "token", &form).await.unwrap().status, 400);
    assert_eq!(try_ws_token(&sim, &old.access).await.unwrap().status, 401);
    assert_eq!(try_ws_token(&sim, &new.access).await.unwrap().status, 200);
    assert_eq!(sim.state().refreshes_ok(), 1);
}

#[tokio::test]
async fn revoked_and_expired_tokens_are_refused() {
    let sim = sim().await;
    let one = login(&sim).await;
    sim.revoke_tokens().await;
    let refused = try_ws_token(&sim, &one.access).await.unwrap();
    assert_eq!((refused.status, refused.json()["errorCode"].clone()), (401, json!("TokenInvalid")));
    let form = [("grant_type", "refresh_token"), ("refresh_token", one.refresh.as_str())];
    let two = tokens(&oauth(&sim, "token", &form).await.unwrap());
    assert_eq!(try_ws_token(&sim, &two.access).await.unwrap().status, 200);
    sim.revoke_refresh_tokens().await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", two.refresh.as_str())];
    assert_eq!(oauth(&sim, "token", &form).await.unwrap().status, 400);

    let three = login(&sim).await;
    let revoked = oauth(&sim, "revoke", &[("token", three.access.as_str())]).await.unwrap();
    assert_eq!((revoked.status, revoked.body.len()), (200, 0));
    assert_eq!(try_ws_token(&sim, &three.access).await.unwrap().status, 401);

    sim.set("access_ttl_ms", 0).await.unwrap();
    let four = login(&sim).await;
    assert_eq!(try_ws_token(&sim, &four.access).await.unwrap().status, 401);
}

#[tokio::test]
async fn the_sixth_session_of_a_user_ends_the_first() {
    let sim = sim().await;
    let first = login(&sim).await;
    for _ in 0..4 {
        login(&sim).await;
    }
    assert_eq!(try_ws_token(&sim, &first.access).await.unwrap().status, 200);
    login(&sim).await;
    assert_eq!(try_ws_token(&sim, &first.access).await.unwrap().status, 401);
}

#[tokio::test]
async fn five_wstokens_a_minute_and_then_a_penalty_that_begins_anew() {
    let sim = sim().await;
    let rate = json!({ "n": 5, "window_ms": 60_000, "penalty_ms": 60_000 });
    sim.set("auth_rate", rate).await.unwrap();
    let one = login(&sim).await;
    for _ in 0..5 {
        ws_token(&sim, &one).await;
    }
    let limited = try_ws_token(&sim, &one.access).await.unwrap();
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("60")));
    assert_eq!(limited.json()["errorCode"], "CMN-301");
    // The token endpoint is not in the group, unless the whole group is asked for.
    assert_eq!(try_login(&sim).await.unwrap().status, 200);
    let rate = json!({ "n": 5, "penalty_ms": 300, "window_ms": 300, "whole_group": true, "retry_after": false });
    sim.set("auth_rate", rate).await.unwrap();
    let limited = try_login(&sim).await.unwrap();
    assert_eq!((limited.status, limited.header("retry-after")), (429, None));
    let started = std::time::Instant::now();
    while try_ws_token(&sim, &one.access).await.unwrap().status == 429 {
        let pause = std::time::Duration::from_millis(400);
        tokio::time::sleep(pause).await;
        assert!(started.elapsed().as_secs() < 20, "the penalty ends");
    }
}

#[tokio::test]
async fn accounts_do_not_share_the_limit() {
    let sim = sim().await;
    sim.set("auth_rate", json!({ "n": 1 })).await.unwrap();
    sim.set("assertion", json!(["canary-assertion", "1001"])).await.unwrap();
    sim.set("assertion", json!(["second-assertion", "1002"])).await.unwrap();
    let one = login(&sim).await;
    let form = [("grant_type", JWT), ("assertion", "second-assertion")];
    let answer = oauth(&sim, "token", &form).await.unwrap();
    assert_eq!(answer.json()["owner_id"], "1002");
    ws_token(&sim, &one).await;
    ws_token(&sim, &tokens(&answer)).await;
    assert_eq!(try_ws_token(&sim, &one.access).await.unwrap().status, 429);
}

#[tokio::test]
async fn every_step_can_be_refused_reset_hung_and_cut_short() {
    let sim = sim().await;
    sim.refuse(Refusal::status("token", 503)).await;
    sim.refuse(Refusal::status("login", 500).times(2)).await;
    for status in [500, 500, 503] {
        assert_eq!(try_login(&sim).await.unwrap().status, status, "the narrower step comes first");
    }
    let one = login(&sim).await;
    sim.refuse(Refusal::status("refresh", 400)).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", one.refresh.as_str())];
    assert_eq!(oauth(&sim, "token", &form).await.unwrap().json()["error"], "invalid_grant");
    sim.refuse(Refusal::status("wstoken", 429).retry_after("7")).await;
    let limited = try_ws_token(&sim, &one.access).await.unwrap();
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7")));
    sim.refuse(Refusal::reset("wstoken")).await;
    assert!(try_ws_token(&sim, &one.access).await.is_err());
    sim.refuse(Refusal::omit("wstoken", "uri")).await;
    let short = try_ws_token(&sim, &one.access).await.unwrap().json();
    assert!(short["uri"].is_null() && short["ws_access_token"].is_string());
    sim.set("ws_permission", false).await.unwrap();
    let denied = try_ws_token(&sim, &one.access).await.unwrap();
    assert_eq!((denied.status, denied.json()["errorCode"].clone()), (403, json!("CMN-401")));
    let statuses: Vec<_> = sim.state().ws_token_calls.iter().map(|call| call.status).collect();
    assert_eq!(statuses, [Some(429), None, Some(200), Some(403)]);
}

#[tokio::test]
async fn secrets_appear_only_as_labels() {
    let sim = sim().await;
    let code = [
        ("grant_type", "authorization_code"),
        ("code", "canary/code+ %"),
        ("code_verifier", VERIFIER),
        ("redirect_uri", "http://app/"),
    ];
    let other = tokens(&oauth(&sim, "token", &code).await.unwrap());
    let one = login(&sim).await;
    let token = ws_token(&sim, &one).await;
    let mut refused = open(&sim, &token, Some("canary-wsc&=/")).await;
    assert_eq!(next_json(&mut refused).await[1]["errorCode"], "WSG-400");
    open(&sim, "canary-wstoken", None).await;
    let (_ws, hello) = connect(&sim, &one, None).await;
    let wsc = super::client::wsc(&hello);
    oauth(&sim, "revoke", &[("token", "canary-token")]).await.unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", one.refresh.as_str())];
    let new = tokens(&oauth(&sim, "token", &form).await.unwrap());
    let mut secrets = vec!["canary".to_owned(), VERIFIER.to_owned(), wsc];
    for login in [other, one, new] {
        secrets.extend([login.access, login.refresh]);
    }
    let encoded: Vec<_> = secrets.iter().map(|secret| super::client::encode(secret)).collect();
    let log = sim.wire();
    assert!(log.len() > 10);
    for line in log {
        let line = line.to_string();
        for secret in secrets.iter().chain(&encoded) {
            assert!(!line.contains(secret.as_str()), "{secret} in {line}");
        }
    }
    let state = sim.state().to_json().to_string();
    assert!(secrets.iter().all(|secret| !state.contains(secret.as_str())));
}

const VERIFIER: &str = "canary-verifier-0123456789-0123456789-01234567";
