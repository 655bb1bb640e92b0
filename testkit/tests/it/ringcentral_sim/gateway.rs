//! Upgrades, hellos and recoveries.

use std::time::Duration;

use redial_testkit::servers::Refusal;
use redial_testkit::servers::ringcentral::{
    RecoveryAnswer, RingCentralSim, Timeout, TokenReuse, WscMode,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;

use super::client::{
    SOON, Ws, ask, closed, connect, filters, gone, login, next, next_json, notes, oauth, open,
    open_at, quiet, socket_path, subscribe, subscribed, tokens, ws_token, wsc,
};

async fn sim(
    change: impl FnOnce(&mut redial_testkit::servers::ringcentral::Settings),
) -> RingCentralSim {
    let start = RingCentralSim::builder().settings(|settings| {
        settings.auth_rate = None;
        change(settings);
    });
    start.start().await.unwrap()
}

async fn lose(sim: &RingCentralSim, ws: Ws) {
    sim.cut().await;
    drop(ws);
    gone(sim).await;
}

#[tokio::test]
async fn the_hello_comes_first_and_tells_the_numbers() {
    let sim = sim(|settings| settings.recovery_timeout = Duration::from_secs(6)).await;
    let one = login(&sim).await;
    let (_ws, hello) = connect(&sim, &one, None).await;
    assert_eq!(hello[0]["wsc"]["sequence"], 1);
    assert_eq!(hello[0]["messageId"], hello[0]["headers"]["RCRequestId"]);
    let body = hello[1].as_object().unwrap();
    let numbers = [
        "maxConnectionsPerSession",
        "recoveryBufferSize",
        "recoveryTimeout",
        "idleTimeout",
        "absoluteTimeout",
        "maxActiveRequests",
    ];
    let told: Vec<_> = numbers.iter().map(|name| body[*name].as_u64().unwrap()).collect();
    assert_eq!(told, [50, 100, 6, 1800, 86_400, 10]);
    assert!(body["creationTime"].is_string() && !body.contains_key("recoveryState"));
}

#[tokio::test]
async fn bad_tokens_are_closed_or_refused() {
    let sim = sim(|_| {}).await;
    let mut ws = open_at(&sim, "/ws").await.unwrap();
    assert_eq!(closed(&mut ws).await.0, 4400);
    let mut ws = open(&sim, "nonsense", None).await;
    assert_eq!(closed(&mut ws).await, (4401, "token is not valid".to_owned()));
    sim.set("refuse_mode", "handshake").await.unwrap();
    let refused = open_at(&sim, &socket_path("nonsense", None)).await;
    assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 401));
    sim.set("ws_token_ttl_ms", 0).await.unwrap();
    let one = login(&sim).await;
    let token = ws_token(&sim, &one).await;
    assert!(open_at(&sim, &socket_path(&token, None)).await.is_err());
    let outcomes: Vec<_> = sim.state().upgrades.iter().map(|call| call.outcome).collect();
    assert_eq!(outcomes, ["unauthorized", "refused", "refused", "refused"]);
}

#[tokio::test]
async fn a_wstoken_used_twice_is_refused_kicks_or_is_allowed() {
    for (mode, name) in
        [(TokenReuse::Reject, "reject"), (TokenReuse::Kick, "kick"), (TokenReuse::Allow, "allow")]
    {
        let sim = sim(|settings| settings.ws_token_reuse = mode).await;
        sim.set("ws_token_reuse", name).await.unwrap();
        let one = login(&sim).await;
        let token = ws_token(&sim, &one).await;
        // An upgrade that is refused does not use the token up.
        sim.refuse(Refusal::status("upgrade", 503)).await;
        assert!(open_at(&sim, &socket_path(&token, None)).await.is_err());
        let mut first = open(&sim, &token, None).await;
        next_json(&mut first).await;
        let mut second = open(&sim, &token, None).await;
        match mode {
            TokenReuse::Reject => {
                assert_eq!(closed(&mut second).await, (4401, "token already used".to_owned()));
                quiet(&mut first).await;
            }
            TokenReuse::Kick => {
                next_json(&mut second).await;
                assert_eq!(closed(&mut first).await.0, 4409);
            }
            TokenReuse::Allow => {
                next_json(&mut second).await;
                quiet(&mut first).await;
            }
        }
    }
}

#[tokio::test]
async fn what_is_missed_follows_the_hello_of_a_recovery_in_order() {
    for delay in [0, 50] {
        let sim = sim(|settings| settings.replay_delay = Duration::from_millis(delay)).await;
        let (one, mut ws, token) = subscribed(&sim).await;
        sim.notify(2, json!({})).await;
        assert_eq!(notes(&mut ws, 2).await, [1, 2]);
        lose(&sim, ws).await;
        sim.notify(3, json!({})).await;
        assert_eq!(sim.state().buffered, 3);
        let (mut ws, hello) = connect(&sim, &one, Some(&token)).await;
        assert_eq!(hello[1]["recoveryState"], "Successful");
        assert_ne!(wsc(&hello), token);
        sim.notify(1, json!({})).await;
        assert_eq!(notes(&mut ws, 4).await, [3, 4, 5, 6]);
        // The first wsc of a live session still names it.
        lose(&sim, ws).await;
        sim.notify(1, json!({})).await;
        let (mut ws, hello) = connect(&sim, &one, Some(&token)).await;
        assert_eq!(hello[1]["recoveryState"], "Successful");
        assert_eq!(notes(&mut ws, 1).await, [7]);
        assert_eq!(sim.state().outcomes(), ["fresh", "resumed", "resumed"]);
        assert_eq!(sim.state().delivered(), 7);
    }
}

#[tokio::test]
async fn the_oldest_fall_out_of_a_full_buffer() {
    let sim = sim(|settings| settings.replay_delay = Duration::ZERO).await;
    let (one, ws, token) = subscribed(&sim).await;
    lose(&sim, ws).await;
    sim.notify(130, json!({})).await;
    assert_eq!((sim.state().buffered, sim.state().dropped_count()), (100, 30));
    let (mut ws, _) = connect(&sim, &one, Some(&token)).await;
    let got = notes(&mut ws, 100).await;
    assert_eq!((got[0], got[99]), (31, 130));
    assert!(got.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    quiet(&mut ws).await;
}

#[tokio::test]
async fn notifications_that_a_cut_overtook_are_not_lost() {
    let sim = sim(|settings| settings.replay_delay = Duration::ZERO).await;
    let (one, mut ws, token) = subscribed(&sim).await;
    sim.silent_outbound(true).await;
    sim.notify(2, json!({})).await;
    assert_eq!(sim.state().buffered, 2);
    lose(&sim, ws).await;
    let recovered = connect(&sim, &one, Some(&token)).await;
    ws = recovered.0;
    assert_eq!(notes(&mut ws, 2).await, [1, 2]);
}

#[tokio::test]
async fn a_replay_can_repeat_what_was_delivered() {
    let sim = sim(|settings| settings.replay_overlap = 1).await;
    let (one, mut ws, token) = subscribed(&sim).await;
    sim.notify(2, json!({})).await;
    let first = next_json(&mut ws).await;
    let second = next_json(&mut ws).await;
    lose(&sim, ws).await;
    let (mut ws, _) = connect(&sim, &one, Some(&token)).await;
    let again = next_json(&mut ws).await;
    assert_eq!(again[1]["uuid"], second[1]["uuid"]);
    assert_ne!(again[1]["uuid"], first[1]["uuid"]);
    assert_eq!(sim.state().notifications[1].written, 2);
}

#[tokio::test]
async fn a_recovery_fails_for_each_reason_and_the_connection_is_good() {
    let sim = sim(|_| {}).await;
    // No subscription.
    let one = login(&sim).await;
    let (ws, hello) = connect(&sim, &one, None).await;
    lose(&sim, ws).await;
    let (mut ws, failed) = connect(&sim, &one, Some(&wsc(&hello))).await;
    assert_eq!(outcome(&failed), ("Failed", "WSG-1005"));
    assert_eq!(subscribe(&mut ws, "s").await[0]["status"], 200);
    // Another OAuth session.
    lose(&sim, ws).await;
    let other = login(&sim).await;
    let (ws, refused) = connect(&sim, &other, Some(&wsc(&failed))).await;
    assert_eq!(outcome(&refused), ("Failed", "WSG-1003"));
    lose(&sim, ws).await;
    // A refreshed token of the same OAuth session is good.
    let form = [("grant_type", "refresh_token"), ("refresh_token", one.refresh.as_str())];
    let one = tokens(&oauth(&sim, "token", &form).await.unwrap());
    let (ws, good) = connect(&sim, &one, Some(&wsc(&failed))).await;
    assert_eq!(good[1]["recoveryState"], "Successful");
    lose(&sim, ws).await;
    // Expired: its window, or by the script.
    sim.set("recovery_timeout_ms", 0).await.unwrap();
    sim.set("expired_code", "WSG-1007").await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (mut ws, late) = connect(&sim, &one, Some(&wsc(&good))).await;
    assert_eq!(outcome(&late), ("Failed", "WSG-1007"));
    sim.set("recovery_timeout_s", 180).await.unwrap();
    let made = subscribe(&mut ws, "s").await;
    sim.expire_sessions().await;
    sim.notify(1, json!({})).await;
    assert_eq!(next_json(&mut ws).await[0]["type"], "ServerNotification", "alive until the cut");
    lose(&sim, ws).await;
    sim.notify(1, json!({})).await;
    let (mut ws, expired) = connect(&sim, &one, Some(&wsc(&late))).await;
    assert_eq!(outcome(&expired), ("Failed", "WSG-1007"));
    let path = format!("/restapi/v1.0/subscription/{}", made[1]["id"].as_str().unwrap());
    let put = ask(&mut ws, "p", "PUT", &path, Some(filters())).await;
    assert_eq!((&put[0]["status"], &put[1]["errorCode"]), (&json!(404), &json!("CMN-102")));
    quiet(&mut ws).await;
}

#[tokio::test]
async fn a_garbage_wsc_is_an_error_and_a_close() {
    let sim = sim(|_| {}).await;
    let one = login(&sim).await;
    let token = ws_token(&sim, &one).await;
    let mut ws = open(&sim, &token, Some("fake")).await;
    let error = next_json(&mut ws).await;
    assert_eq!((&error[0]["type"], &error[1]["errorCode"]), (&json!("Error"), &json!("WSG-400")));
    assert_eq!(closed(&mut ws).await.0, 1008);
    assert_eq!(sim.state().upgrades[0].outcome, "malformed");
}

#[tokio::test]
async fn the_answer_to_a_recovery_can_be_another_than_asked() {
    let sim = sim(|settings| settings.replay_delay = Duration::ZERO).await;
    let (one, ws, mut token) = subscribed(&sim).await;
    lose(&sim, ws).await;
    for (answer, state) in
        [(RecoveryAnswer::Absent, Value::Null), (RecoveryAnswer::OtherWsc, json!("Successful"))]
    {
        sim.answer_recovery(answer.clone(), Some(1));
        let (mut ws, hello) = connect(&sim, &one, Some(&token)).await;
        assert_eq!(hello[1]["recoveryState"], state, "{answer:?}");
        quiet(&mut ws).await;
        lose(&sim, ws).await;
    }
    // The session itself has not gone anywhere.
    sim.notify(1, json!({})).await;
    sim.set("recovery_answer", "same_wsc").await.unwrap();
    let (mut ws, hello) = connect(&sim, &one, Some(&token)).await;
    assert_eq!((wsc(&hello), notes(&mut ws, 1).await), (token.clone(), vec![1]));
    lose(&sim, ws).await;
    sim.set("recovery_answer", json!({ "mode": "unasked", "times": 1 })).await.unwrap();
    let (ws, hello) = connect(&sim, &one, None).await;
    assert_eq!(hello[1]["recoveryState"], "Successful");
    lose(&sim, ws).await;
    let failed = json!({ "mode": "failed", "times": 1, "code": "WSG-1099" });
    sim.set("recovery_answer", failed).await.unwrap();
    let (ws, hello) = connect(&sim, &one, Some(&token)).await;
    assert_eq!(outcome(&hello), ("Failed", "WSG-1099"));
    lose(&sim, ws).await;
    token = wsc(&hello);
    let (_ws, hello) = connect(&sim, &one, Some(&token)).await;
    assert_eq!(outcome(&hello), ("Failed", "WSG-1005"), "honest again");
    assert_eq!(
        sim.state().outcomes(),
        ["fresh", "fresh", "fresh", "resumed", "fresh", "failed", "failed"]
    );
}

#[tokio::test]
async fn a_recovery_takes_the_session_from_a_connection_that_is_half_open() {
    let sim = sim(|_| {}).await;
    let (one, mut old, token) = subscribed(&sim).await;
    let (mut ws, hello) = connect(&sim, &one, Some(&token)).await;
    assert_eq!(hello[1]["recoveryState"], "Successful");
    assert_eq!(closed(&mut old).await.0, 4409);
    sim.notify(1, json!({})).await;
    assert_eq!(notes(&mut ws, 1).await, [1]);
}

#[tokio::test]
async fn the_hello_can_be_late_changed_or_absent() {
    let sim = sim(|settings| settings.hello_delay = Duration::from_millis(300)).await;
    let one = login(&sim).await;
    let token = ws_token(&sim, &one).await;
    let mut ws = open(&sim, &token, None).await;
    super::client::send(&mut ws, "early", "GET", "/restapi/v1.0/account/~", None).await;
    sim.until(SOON, |state| state.early_frames == 1).await.unwrap();
    assert_eq!(next_json(&mut ws).await[0]["type"], "ConnectionDetails");
    quiet(&mut ws).await;
    sim.set("hello_delay_ms", 0).await.unwrap();
    sim.set("hello_fields", json!({ "idleTimeout": "soon", "recoveryTimeout": null }))
        .await
        .unwrap();
    let (_ws, hello) = connect(&sim, &one, None).await;
    assert_eq!(
        (&hello[1]["idleTimeout"], &hello[1]["recoveryTimeout"]),
        (&json!("soon"), &Value::Null)
    );
    sim.set("withhold_hello", true).await.unwrap();
    let token = ws_token(&sim, &one).await;
    quiet(&mut open(&sim, &token, None).await).await;
}

#[tokio::test]
async fn a_wsc_can_stand_on_every_frame_and_rises() {
    let sim = sim(|settings| settings.wsc_mode = WscMode::Every).await;
    let (one, mut ws, first) = subscribed(&sim).await;
    sim.notify(2, json!({})).await;
    let (two, three) = (next_json(&mut ws).await, next_json(&mut ws).await);
    let sequence = |frame: &Value| frame[0]["wsc"]["sequence"].as_u64().unwrap();
    assert_eq!((sequence(&two), sequence(&three)), (3, 4), "the answer to the subscription was 2");
    assert_ne!(wsc(&two), wsc(&three));
    sim.set("wsc_rotates", false).await.unwrap();
    let answer = ask(&mut ws, "q", "GET", "/restapi/v1.0/account/~", None).await;
    assert_eq!((sequence(&answer), wsc(&answer)), (5, wsc(&three)));
    lose(&sim, ws).await;
    for token in [first, wsc(&three)] {
        let (ws, hello) = connect(&sim, &one, Some(&token)).await;
        assert_eq!((&hello[1]["recoveryState"], sequence(&hello)), (&json!("Successful"), 1));
        lose(&sim, ws).await;
    }
}

#[tokio::test]
async fn idle_and_absolute_timeouts_are_told_before_the_close() {
    let sim = sim(|settings| settings.idle_timeout = Duration::from_millis(600)).await;
    let one = login(&sim).await;
    let (mut ws, hello) = connect(&sim, &one, None).await;
    assert_eq!(hello[1]["idleTimeout"], 0.6);
    let error = next_json(&mut ws).await;
    assert_eq!((&error[0]["type"], &error[1]["errorCode"]), (&json!("Error"), &json!("WSG-902")));
    assert_eq!(closed(&mut ws).await, (1000, "Idle timeout expired".to_owned()));
    sim.set("idle_timeout_s", 1800).await.unwrap();
    sim.set("absolute_timeout_ms", 300).await.unwrap();
    let (mut ws, _) = connect(&sim, &one, None).await;
    assert_eq!(next_json(&mut ws).await[1]["errorCode"], "WSG-903");
    assert_eq!(closed(&mut ws).await.0, 1000);
    sim.set("absolute_timeout_s", 86_400).await.unwrap();
    let (mut ws, _) = connect(&sim, &one, None).await;
    sim.time_out(Timeout::Absolute).await;
    assert_eq!(next_json(&mut ws).await[1]["errorCode"], "WSG-903");
    gone(&sim).await;
    let state = sim.state();
    assert_eq!((state.idle_timeouts, state.absolute_timeouts), (1, 2));
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_cut() {
    let sim = sim(|settings| {
        settings.ping_interval = Some(Duration::from_millis(50));
        settings.pong_timeout = Some(Duration::from_millis(300));
    })
    .await;
    let one = login(&sim).await;
    let (mut ws, _) = connect(&sim, &one, None).await;
    // Reading answers pings.
    let listening = tokio::time::timeout(Duration::from_millis(500), async {
        while next(&mut ws).await.is_ok() {}
    });
    assert!(listening.await.is_err());
    assert!(sim.state().pongs > 1);
    gone(&sim).await;
    assert_eq!(sim.state().pong_timeouts, 1);
}

#[tokio::test]
async fn a_replay_without_delay_is_in_the_same_burst_as_the_hello() {
    let sim = sim(|settings| settings.replay_delay = Duration::ZERO).await;
    let (one, ws, token) = subscribed(&sim).await;
    lose(&sim, ws).await;
    sim.notify(3, json!({})).await;
    let path = socket_path(&ws_token(&sim, &one).await, Some(&token));
    let mut tcp = TcpStream::connect(sim.addr()).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{UPGRADE}\r\n");
    tcp.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::with_capacity(64 * 1024);
    loop {
        // Whatever read brings the hello brings the notifications, too.
        let count = timeout(SOON, tcp.read_buf(&mut seen)).await.unwrap().unwrap();
        assert_ne!(count, 0);
        let text = String::from_utf8_lossy(&seen);
        if text.contains("ConnectionDetails") {
            assert_eq!(text.matches("ServerNotification").count(), 3);
            return;
        }
    }
}

#[tokio::test]
async fn a_wstoken_can_stand_in_the_header() {
    let sim = sim(|_| {}).await;
    let one = login(&sim).await;
    let token = ws_token(&sim, &one).await;
    let mut tcp = TcpStream::connect(sim.addr()).await.unwrap();
    let head =
        format!("GET /ws HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{UPGRADE}\r\n");
    tcp.write_all(head.as_bytes()).await.unwrap();
    sim.until(SOON, |state| state.upgrades_ok() == 1).await.unwrap();
    assert_eq!(sim.state().ws_tokens_used(), ["wstoken-1"]);
    let plain = open_at(&sim, "/ws/").await;
    assert!(plain.is_ok(), "no authorization is closed after the upgrade");
}

#[tokio::test]
async fn a_saved_subscription_moves_to_the_session_that_renews_it() {
    let sim = sim(|_| {}).await;
    let one = login(&sim).await;
    let (mut ws, _) = connect(&sim, &one, None).await;
    let made = subscribe(&mut ws, "s").await;
    lose(&sim, ws).await;
    let (mut ws, _) = connect(&sim, &one, None).await;
    let path = format!("/restapi/v1.0/subscription/{}", made[1]["id"].as_str().unwrap());
    let put = ask(&mut ws, "p", "PUT", &path, Some(filters())).await;
    assert_eq!(put[1]["id"], made[1]["id"]);
    sim.notify(1, json!({})).await;
    assert_eq!(notes(&mut ws, 1).await, [1]);
    assert_eq!(sim.state().notifications.len(), 1);
}

#[tokio::test]
async fn a_silenced_socket_stays_up_past_every_timeout() {
    let sim = sim(|settings| {
        settings.idle_timeout = Duration::from_millis(300);
        settings.ping_interval = Some(Duration::from_millis(50));
        settings.pong_timeout = Some(Duration::from_millis(50));
    })
    .await;
    let one = login(&sim).await;
    let (mut ws, _) = connect(&sim, &one, None).await;
    sim.silent(true).await;
    // What was on its way when the silence began.
    while timeout(Duration::from_millis(100), next(&mut ws)).await.is_ok() {}
    quiet(&mut ws).await;
    quiet(&mut ws).await;
    assert_eq!(sim.state().live_sockets, 1);
    sim.silent(false).await;
    gone(&sim).await;
}

const UPGRADE: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn outcome(hello: &Value) -> (&str, &str) {
    let text = |name: &str| hello[1][name].as_str().unwrap_or_default();
    (text("recoveryState"), text("recoveryErrorCode"))
}
