//! The control endpoint, `serve`, and the counters in their JSON form.

use std::io;
use std::time::Duration;

use redial_testkit::servers::STEPS;
use redial_testkit::servers::ringcentral::{Options, RingCentralSim, serve};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::client::{SOON, connect, login, notes, subscribed};
use crate::client::{receive, send, tcp};

async fn sim() -> RingCentralSim {
    RingCentralSim::builder().start().await.unwrap()
}

#[tokio::test]
async fn every_command_answers() {
    let sim = sim().await;
    let (_, mut ws, _) = subscribed(&sim).await;
    for command in [
        json!({ "do": "notify", "n": 2, "body": { "body": { "n": 9 } } }),
        json!({ "do": "lose_acks", "n": 0 }),
        json!({ "do": "unknown_ids", "n": 0 }),
        json!({ "do": "fail_requests", "n": 0 }),
        json!({ "do": "revoke_tokens" }),
        json!({ "do": "expire_sessions" }),
        json!({ "do": "silent", "on": false }),
        json!({ "do": "send_ping", "data": "x" }),
        json!({ "do": "set", "key": "recovery_timeout_s", "value": 6 }),
        json!({ "do": "set", "key": "replay_delay_ms", "value": 0 }),
        json!({ "do": "set", "key": "revoke_refresh_tokens", "value": true }),
        json!({ "do": "set", "key": "drop_subscriptions", "value": true }),
        json!({ "do": "state" }),
    ] {
        let answer = sim.control_json(command.clone()).await;
        assert!(answer.is_ok(), "{command}: {answer:?}");
    }
    for step in STEPS {
        let refuse = json!({ "do": "refuse", "step": step, "status": 500, "times": 0 });
        sim.control_json(refuse).await.unwrap();
    }
    assert_eq!(notes(&mut ws, 2).await, [9, 9]);
    for (command, live) in [
        (json!({ "do": "close", "code": 4409, "reason": "elsewhere" }), 0),
        (json!({ "do": "cut" }), 0),
        (json!({ "do": "down", "ms": 1 }), 0),
    ] {
        sim.control_json(command).await.unwrap();
        sim.until(SOON, |state| state.live_sockets == live).await.unwrap();
    }
}

#[tokio::test]
async fn unknown_options_and_values_are_refused() {
    let sim = sim().await;
    for (key, value) in [
        ("nonsense", json!(1)),
        ("nonsense_ms", json!(1)),
        ("recovery_timeout_s", json!("6")),
        ("recovery_timeout_ms", json!(-1)),
        ("recovery_buffer", json!(1_000_000)),
        ("ws_token_reuse", json!("sometimes")),
        ("wsc_mode", json!(1)),
        ("refuse_mode", json!("x")),
        ("recovery_answer", json!({ "mode": "x" })),
        ("auth_rate", json!(5)),
        ("auth_rate", json!({ "n": "x" })),
        ("awkward_tokens", json!(1)),
        ("hello_fields", json!([])),
        ("client", json!(["only"])),
        ("auth_code", json!({})),
        ("canned", json!({ "method": "GET" })),
        ("canned", json!({ "method": "GET", "path": "/", "status": 7 })),
        ("timeout_close_code", json!(70_000)),
        ("force_timeout", json!("never")),
    ] {
        assert!(sim.set(key, value.clone()).await.is_err(), "{key} {value}");
    }
    for (key, value) in [
        ("recovery_answer", json!("honest")),
        ("auth_rate", Value::Null),
        ("hello_fields", Value::Null),
        ("client", Value::Null),
        ("assertion", Value::Null),
        ("auth_code", Value::Null),
        ("canned", Value::Null),
        ("ping_interval_s", json!(0)),
        ("expired_code", json!("WSG-1001")),
    ] {
        assert_eq!(sim.set(key, value.clone()).await, Ok(()), "{key} {value}");
    }
}

#[tokio::test]
async fn the_state_tells_what_the_tool_promises() {
    let sim = sim().await;
    let (_, mut ws, _) = subscribed(&sim).await;
    sim.notify(1, json!({})).await;
    notes(&mut ws, 1).await;
    let state = sim.control_json(json!({ "do": "state" })).await.unwrap();
    for (field, value) in [
        ("logins", 1),
        ("refreshes", 0),
        ("upgrades", 1),
        ("ws_tokens", 1),
        ("live_sockets", 1),
        ("produced", 1),
        ("delivered", 1),
        ("dropped", 0),
        ("buffered", 0),
    ] {
        assert_eq!(state[field], value, "{field}");
    }
    assert_eq!(state["token_calls"].as_array().unwrap().len(), 1);
    assert_eq!(state["upgrade_calls"][0]["wstoken"], "wstoken-1");
    assert_eq!(state["login_calls"][0]["access"], "access-1");
    assert_eq!(state["notifications"][0]["written"], 1);
    assert!(state["messages"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_is_down_comes_back_with_the_session() {
    let sim = sim().await;
    let (one, _ws, token) = subscribed(&sim).await;
    sim.down(Duration::from_millis(300)).await;
    sim.notify(2, json!({})).await;
    assert_eq!(
        TcpStream::connect(sim.addr()).await.unwrap_err().kind(),
        io::ErrorKind::ConnectionRefused
    );
    let back = timeout(SOON, async {
        while TcpStream::connect(sim.addr()).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    back.await.unwrap();
    let (mut ws, _) = connect(&sim, &one, Some(&token)).await;
    assert_eq!(notes(&mut ws, 2).await, [1, 2]);
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let sim =
        RingCentralSim::builder().with(|options| options.wire_capacity = 50).start().await.unwrap();
    let (_, ws, _) = subscribed(&sim).await;
    sim.cut().await;
    drop(ws);
    sim.until(SOON, |state| state.live_sockets == 0).await.unwrap();
    sim.notify(10_000, json!({})).await;
    assert_eq!(sim.state().buffered, 100);
    assert!(sim.wire().len() <= 50);
    assert!(sim.control_json(json!({ "do": "notify", "n": 10_001 })).await.is_err());
}

#[tokio::test]
async fn a_served_simulator_says_where_it_is_and_what_it_sees() {
    let (sender, mut lines) = mpsc::channel(1024);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve(Options::default(), sender, async {
        let _ = stopped.await;
    }));
    let first = timeout(SOON, lines.recv()).await.unwrap().unwrap();
    assert_eq!(first["kind"], "listening");
    for field in ["base", "ws", "control"] {
        assert!(first[field].is_string(), "{field}");
    }
    let addr = first["base"].as_str().unwrap().strip_prefix("http://").unwrap();
    TcpStream::connect(addr).await.unwrap();
    stop.send(()).unwrap();
    timeout(SOON, serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn tls_is_spoken_and_named() {
    let sim = RingCentralSim::builder().tls(true).start().await.unwrap();
    assert!(sim.base().starts_with("https://") && sim.ws_base().starts_with("wss://"));
    assert!(sim.ca_pem().unwrap().contains("BEGIN CERTIFICATE") && sim.ca_path().unwrap().exists());
    let mut plain = tcp(&sim).await.unwrap();
    send(&mut plain, "GET", "/", &[], b"").await.unwrap();
    assert!(receive(&mut plain).await.is_err(), "plain text is not answered");
    login(&sim).await;
    let plain = RingCentralSim::builder().start().await.unwrap();
    login(&plain).await;
}
