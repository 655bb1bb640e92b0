//! Lookup, login, refresh, upgrade.

use std::time::Duration;

use redial_testkit::servers::Refusal;
use redial_testkit::servers::liveperson::{Bearers, LivePersonSim};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;

use super::client::{
    SOON, UPGRADE, WHILE, ask, call, connect, dial, is_established, login, lookup, next, open,
    open_at, receive, refresh, send, socket_path, tcp, try_login,
};

async fn sim() -> LivePersonSim {
    LivePersonSim::builder().seed(1).start().await.unwrap()
}

#[tokio::test]
async fn both_lookup_forms_name_the_listener() {
    let sim = sim().await;
    let all = lookup(&sim).await.unwrap();
    assert_eq!(all.status, 200);
    let names: Vec<_> = all.json()["baseURIs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            assert_eq!(entry["baseURI"], sim.host());
            assert_eq!(entry["account"], "1");
            entry["service"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(names, ["agentVep", "asyncMessagingEnt", "facadeMsg", "accountConfigReadOnly"]);
    let target = "/api/account/1/service/facadeMsg/baseURI.json?version=1.0";
    let one = call(&sim, "GET", target, &[], b"").await.unwrap().json();
    assert_eq!(one, json!({ "service": "facadeMsg", "account": "1", "baseURI": sim.host() }));
    let wrong_case = target.replace("facadeMsg", "facademsg");
    assert_eq!(call(&sim, "GET", &wrong_case, &[], b"").await.unwrap().status, 404);
    let state = sim.state();
    assert_eq!(state.csds.len(), 3);
    assert_eq!(state.csds[1].service.as_deref(), Some("facadeMsg"));
}

#[tokio::test]
async fn the_advertised_host_is_an_option() {
    let sim = LivePersonSim::builder()
        .with(|options| options.advertise = Some("sim.example:8443".into()))
        .start()
        .await
        .unwrap();
    let all = lookup(&sim).await.unwrap().json();
    assert_eq!(all["baseURIs"][0]["baseURI"], "sim.example:8443");
    assert_eq!(sim.base(), "http://sim.example:8443");
}

#[tokio::test]
async fn every_step_works_over_tls() {
    let sim = LivePersonSim::builder().tls(true).start().await.unwrap();
    assert!(sim.base().starts_with("https://127.0.0.1:"));
    let path = sim.ca_path().unwrap().to_owned();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), sim.ca_pem().unwrap());
    lookup(&sim).await.unwrap();
    let mut ws = connect(&sim).await;
    let clock = ask(&mut ws, ".GetClock", json!({})).await;
    assert_eq!(clock["code"], 200);
    sim.close(4401, "over").await;
    assert!(next(&mut ws).await.unwrap().is_close());
    assert!(tcp(&sim).await.is_ok());
    sim.shutdown().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn login_bodies_are_checked_for_each_variant() {
    let sim = sim().await;
    let oauth1 = json!({
        "username": "u", "appKey": "k", "secret": "s", "accessToken": "t", "accessTokenSecret": "x",
    });
    for good in [
        json!({ "username": "u", "password": "p" }),
        oauth1.clone(),
        json!({ "jwt": "dummy", "assertion": "saml" }),
    ] {
        assert_eq!(try_login(&sim, good).await.unwrap().status, 200);
    }
    let mut lacking = oauth1;
    lacking["accessToken"] = Value::Null;
    for bad in [
        json!({ "username": "u", "password": "" }),
        json!({ "username": "u" }),
        lacking,
        json!({ "jwt": "dummy" }),
        json!("text"),
    ] {
        let answer = try_login(&sim, bad).await.unwrap();
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"]["responseStatus"], "BAD_REQUEST");
    }
    let variants: Vec<_> = sim.state().logins.iter().map(|call| call.variant).collect();
    assert_eq!(variants[..3], ["password", "oauth1", "assertion"]);
    assert_eq!(sim.state().logins_ok(), 3);
}

#[tokio::test]
async fn each_login_issues_new_tokens() {
    let sim = sim().await;
    let (first, second) = (login(&sim).await, login(&sim).await);
    assert_ne!(first.bearer, second.bearer);
    assert_ne!(first.csrf, second.csrf);
    assert_ne!(first.cookie, second.cookie);
    assert!(first.bearer.contains('/') && first.bearer.contains('%'));
    let answer = try_login(&sim, json!({ "username": "u", "password": "p" })).await.unwrap();
    let body = answer.json();
    assert_eq!(body["sessionTTl"], "28800000");
    assert_eq!(body["config"]["userId"], "3705342610");
}

#[tokio::test]
async fn wrong_credentials_are_answered_401() {
    let sim = sim().await;
    sim.set("user", json!(["u", "right"])).await.unwrap();
    let wrong = try_login(&sim, json!({ "username": "u", "password": "wrong" })).await.unwrap();
    assert_eq!(wrong.status, 401);
    assert_eq!(wrong.json()["error"]["responseStatus"], "UNAUTHORIZED");
    let right = try_login(&sim, json!({ "username": "u", "password": "right" })).await.unwrap();
    assert_eq!(right.status, 200);
}

#[tokio::test]
async fn too_many_logins_are_answered_429() {
    let sim = sim().await;
    sim.set("login_rate", json!({ "n": 1, "window_ms": 3_600_000 })).await.unwrap();
    login(&sim).await;
    let limited = try_login(&sim, json!({ "username": "u", "password": "p" })).await.unwrap();
    assert_eq!(limited.status, 429);
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((3_500..=3_600).contains(&wait), "{wait}");
}

#[tokio::test]
async fn refresh_needs_cookie_and_csrf() {
    let sim = sim().await;
    let good = login(&sim).await;
    let answer = refresh(&sim, &good).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert!(answer.header("set-cookie").unwrap().contains(&good.cookie));
    let mut bad = good.clone();
    bad.csrf = "x".into();
    let refused = refresh(&sim, &bad).await.unwrap();
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["error"]["internalCode"], 10);
    let mut bad = good.clone();
    bad.cookie = String::new();
    assert_eq!(refresh(&sim, &bad).await.unwrap().status, 401);
    sim.set("rotate_session_cookie", true).await.unwrap();
    let rotated = refresh(&sim, &good).await.unwrap();
    assert!(!rotated.header("set-cookie").unwrap().contains(&format!("{};", good.cookie)));
    assert_eq!(refresh(&sim, &good).await.unwrap().status, 401);
    let fresh = login(&sim).await;
    sim.expire_sessions().await;
    assert_eq!(refresh(&sim, &fresh).await.unwrap().status, 401);
    assert!(open(&sim, &fresh.bearer).await.is_ok(), "the bearer itself is still good");
    assert_eq!(sim.state().refreshes_ok(), 2);
}

#[tokio::test]
async fn unknown_bearers_are_refused_at_the_handshake() {
    let sim = sim().await;
    assert_eq!(status(open(&sim, "stranger").await), 401);
    sim.set("accept_bearer", "ready-made").await.unwrap();
    assert!(open(&sim, "ready-made").await.is_ok());
    assert_eq!(status(open(&sim, "stranger").await), 401);
    sim.set("bearers", "foreign").await.unwrap();
    assert!(open(&sim, "stranger").await.is_ok());
    assert_eq!(status(open(&sim, "bearer-7-made-up").await), 401);
    sim.set("accept_bearer", "any").await.unwrap();
    assert!(open(&sim, "bearer-7-made-up").await.is_ok());
}

#[tokio::test]
async fn a_bearer_that_is_not_encoded_is_no_bearer() {
    let sim = sim().await;
    let login = login(&sim).await;
    let raw = login.bearer.replace([' ', '%'], "");
    let target = format!("/ws_api/account/1/messaging/brand/{raw}?v=2.1");
    assert_eq!(status(open_at(&sim, &target).await), 404);
    let other = socket_path(&login.bearer).replace("/account/1/", "/account/2/");
    assert_eq!(status(open_at(&sim, &other).await), 401);
    assert!(open(&sim, &login.bearer).await.is_ok());
}

#[tokio::test]
async fn revoked_bearers_are_refused_until_the_next_login() {
    let sim = LivePersonSim::builder()
        .settings(|settings| settings.bearers = Bearers::Foreign)
        .start()
        .await
        .unwrap();
    let old = login(&sim).await;
    open(&sim, "static").await.unwrap();
    sim.revoke_tokens().await;
    assert_eq!(status(open(&sim, &old.bearer).await), 401);
    assert_eq!(status(open(&sim, "static").await), 401);
    let fresh = login(&sim).await;
    assert!(open(&sim, &fresh.bearer).await.is_ok());
    assert_eq!(sim.state().bearers_used(), ["foreign-bearer-1", "bearer-2"]);
}

#[tokio::test]
async fn a_bad_bearer_may_be_accepted_and_closed() {
    let sim = sim().await;
    sim.set("refuse_mode", "close4401").await.unwrap();
    let mut ws = open(&sim, "stranger").await.unwrap();
    let close = next(&mut ws).await.unwrap();
    assert!(format!("{close:?}").contains("4401"), "{close:?}");
}

#[tokio::test]
async fn expired_sessions_need_a_login() {
    let sim = sim().await;
    sim.set("session_ttl_ms", 0).await.unwrap();
    let login = login(&sim).await;
    assert_eq!(status(open(&sim, &login.bearer).await), 401);
    assert_eq!(refresh(&sim, &login).await.unwrap().status, 401);
}

#[tokio::test]
async fn an_upgrade_is_answered_without_subprotocol_or_extension() {
    let sim = sim().await;
    let bearer = login(&sim).await.bearer;
    for subprotocol in [None, Some("odd")] {
        sim.set("subprotocol", json!(subprotocol)).await.unwrap();
        let mut io = dial(&sim).await.unwrap();
        send(&mut io, "GET", &socket_path(&bearer), UPGRADE, b"").await.unwrap();
        let answer = receive(&mut io).await.unwrap();
        assert_eq!(answer.status, 101);
        assert_eq!(answer.header("sec-websocket-protocol"), subprotocol);
        assert_eq!(answer.header("sec-websocket-extensions"), None);
        assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }
}

#[tokio::test]
async fn broken_handshakes_get_a_client_error() {
    let sim = sim().await;
    let target = socket_path(&login(&sim).await.bearer);
    assert_eq!(call(&sim, "GET", &target, &[], b"").await.unwrap().status, 426);
    assert_eq!(call(&sim, "GET", &target, &UPGRADE[2..], b"").await.unwrap().status, 400);
    assert_eq!(call(&sim, "POST", &target, UPGRADE, b"").await.unwrap().status, 405);
}

#[tokio::test]
async fn refusals_answer_with_status_and_retry_after() {
    let sim = sim().await;
    let never_a_date = "next Tuesday, perhaps";
    sim.refuse(Refusal::status("login", 429).times(2).retry_after(never_a_date)).await;
    for _ in 0..2 {
        let answer = try_login(&sim, json!({ "username": "u", "password": "p" })).await.unwrap();
        assert_eq!(answer.status, 429);
        assert_eq!(answer.header("retry-after"), Some(never_a_date));
        assert_eq!(answer.json()["error"]["responseStatus"], "TOO_MANY_REQUESTS");
    }
    assert!(login(&sim).await.bearer.starts_with("bearer-3-"));
    sim.refuse(Refusal::status("csds", 500)).await;
    assert_eq!(lookup(&sim).await.unwrap().status, 500);
    let bearer = login(&sim).await.bearer;
    sim.refuse(Refusal::status("upgrade", 503)).await;
    assert_eq!(status(open(&sim, &bearer).await), 503);
    let statuses: Vec<_> = sim.state().logins.iter().map(|call| call.status).collect();
    assert_eq!(statuses, [Some(429), Some(429), Some(200), Some(200)]);
}

#[tokio::test]
async fn a_refusal_without_status_is_a_real_reset() {
    let sim = sim().await;
    for step in ["csds", "login", "refresh", "upgrade"] {
        sim.refuse(Refusal::reset(step)).await;
    }
    let bearer = login_later(&sim).await;
    for (method, target, headers) in [
        ("GET", "/api/account/1/service/baseURI.json".to_owned(), &[][..]),
        ("POST", "/api/account/1/refresh?v=1.3".to_owned(), &[][..]),
        ("GET", socket_path(&bearer), UPGRADE),
    ] {
        let mut io = dial(&sim).await.unwrap();
        send(&mut io, method, &target, headers, b"").await.unwrap();
        let error = timeout(SOON, receive(&mut io)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{target}");
    }
}

/// Uses up the armed login refusal on the way.
async fn login_later(sim: &LivePersonSim) -> String {
    let refused = try_login(sim, json!({ "username": "u", "password": "p" })).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionReset);
    login(sim).await.bearer
}

#[tokio::test]
async fn a_hang_is_neither_answered_nor_ended() {
    let sim = sim().await;
    let bearer = login(&sim).await.bearer;
    sim.refuse(Refusal::hang("csds")).await;
    sim.refuse(Refusal::hang("upgrade")).await;
    for (target, headers) in [
        ("/api/account/1/service/baseURI.json".to_owned(), &[][..]),
        (socket_path(&bearer), UPGRADE),
    ] {
        let mut tcp = tcp(&sim).await.unwrap();
        send(&mut tcp, "GET", &target, headers, b"").await.unwrap();
        let mut byte = [0];
        assert!(timeout(WHILE, tcp.read(&mut byte)).await.is_err(), "{target} stays silent");
        assert!(is_established(&tcp));
        assert_eq!(sim.state().live_sockets, 0);
    }
    assert_eq!(sim.state().upgrades[0].status, None);
}

#[tokio::test]
async fn a_login_answer_may_lack_a_field() {
    let sim = sim().await;
    for field in ["bearer", "csrf", "userId"] {
        sim.refuse(Refusal::omit("login", field)).await;
        let answer = try_login(&sim, json!({ "username": "u", "password": "p" })).await.unwrap();
        let body = answer.json();
        assert_eq!(answer.status, 200);
        let absent = |name: &str| body.get(name).is_none() && body["config"].get(name).is_none();
        for name in ["bearer", "csrf", "userId", "userPid"] {
            let holder = if name == field { absent(name) } else { !absent(name) };
            assert!(holder, "{field}: {name}");
        }
    }
}

#[tokio::test]
async fn big_bodies_are_refused_and_made() {
    let sim = sim().await;
    let huge = vec![b'x'; 1024 * 1024 + 1];
    let answer = call(&sim, "POST", "/api/account/1/login", &[], &huge).await;
    assert!(answer.map_or(true, |answer| answer.status == 413));
    let command = json!({ "do": "refuse", "step": "csds", "status": 200, "body_bytes": 300_000 });
    sim.control_json(command).await.unwrap();
    assert_eq!(lookup(&sim).await.unwrap().body.len(), 300_000);
}

#[tokio::test]
async fn it_goes_away_and_comes_back_on_the_same_port() {
    let sim = sim().await;
    let mut ws = connect(&sim).await;
    sim.down(Duration::from_millis(600)).await;
    assert!(next(&mut ws).await.is_err(), "live sockets are cut");
    let refused = tcp(&sim).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(sim.state().live_sockets, 0);
    let back = async {
        while tcp(&sim).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, back).await.unwrap();
    connect(&sim).await;
}

fn status<T>(opened: Result<T, Error>) -> u16 {
    match opened {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("refused otherwise: {other}"),
        Ok(_) => 101,
    }
}
