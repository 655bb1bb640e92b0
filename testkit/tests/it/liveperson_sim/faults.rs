//! Endings and half-open connections.

use std::io::ErrorKind;
use std::time::Duration;

use redial_testkit::servers::frame::{PING, TEXT};
use redial_testkit::servers::liveperson::LivePersonSim;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::client::{
    SOON, WHILE, ask, call, connect, connect_raw, is_established, masked, next, tcp,
};

async fn sim() -> LivePersonSim {
    LivePersonSim::builder().start().await.unwrap()
}

#[tokio::test]
async fn every_close_code_arrives_with_its_reason() {
    let sim = sim().await;
    for code in [1000, 1001, 1011, 4401, 4407, 4410, 4500] {
        let mut ws = connect(&sim).await;
        sim.close(code, "because").await;
        let Message::Close(Some(frame)) = next(&mut ws).await.unwrap() else { panic!("no close") };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (code, "because"));
        sim.until(SOON, |state| state.live_sockets == 0).await.unwrap();
    }
}

#[tokio::test]
async fn code_1005_is_an_empty_close_frame() {
    let sim = sim().await;
    let mut tcp = connect_raw(&sim).await;
    sim.close(1005, "").await;
    let mut frame = [0; 2];
    tcp.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame, [0x88, 0x00]);
}

#[tokio::test]
async fn a_cut_is_an_end_without_a_close_frame() {
    let sim = sim().await;
    for tries in 0..2 {
        let mut tcp = connect_raw(&sim).await;
        if tries == 1 {
            tcp.write_all(&masked(PING, b"unread, perhaps")).await.unwrap();
            sim.silent_outbound(true).await;
        }
        sim.cut().await;
        assert_eq!(sim.state().live_sockets, 0);
        let mut rest = Vec::new();
        timeout(SOON, tcp.read_to_end(&mut rest)).await.unwrap().expect("a FIN, not a reset");
        assert!(!rest.contains(&0x88), "{rest:?}");
    }
    let mut tcp = connect_raw(&sim).await;
    sim.close(1006, "").await;
    assert_eq!(tcp.read(&mut [0; 8]).await.unwrap(), 0, "1006 is a cut");
}

#[tokio::test]
async fn a_cut_may_be_a_reset() {
    let sim = sim().await;
    let mut tcp = connect_raw(&sim).await;
    sim.reset().await;
    let error = timeout(SOON, tcp.read(&mut [0; 8])).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn silence_answers_nothing_while_tcp_stays_up() {
    let sim = sim().await;
    let mut tcp = connect_raw(&sim).await;
    sim.silent(true).await;
    tcp.write_all(&masked(PING, b"")).await.unwrap();
    tcp.write_all(&masked(TEXT, br#"{"kind":"req","id":"1","type":".GetClock"}"#)).await.unwrap();
    sim.notify(1, json!({})).await;
    sim.until(SOON, |state| state.swallowed == 2).await.unwrap();
    assert!(is_quiet(&mut tcp).await);
    assert!(is_established(&tcp));
    let state = sim.state();
    assert_eq!((state.live_sockets, state.pings.len(), state.requests.len()), (1, 0, 0));
    sim.silent(false).await;
    tcp.write_all(&masked(PING, b"x")).await.unwrap();
    let mut pong = [0; 3];
    timeout(SOON, tcp.read_exact(&mut pong)).await.unwrap().unwrap();
    assert_eq!(pong, [0x8A, 1, b'x']);
}

#[tokio::test]
async fn a_mute_server_still_hears() {
    let sim = sim().await;
    let mut tcp = connect_raw(&sim).await;
    sim.silent_outbound(true).await;
    tcp.write_all(&masked(PING, b"")).await.unwrap();
    sim.until(SOON, |state| state.pings.len() == 1).await.unwrap();
    assert!(is_quiet(&mut tcp).await);
    assert!(is_established(&tcp));
}

#[tokio::test]
async fn a_deaf_server_still_speaks() {
    let sim = sim().await;
    let mut ws = connect(&sim).await;
    sim.silent_inbound(true).await;
    sim.send_text("hello").await;
    assert_eq!(next(&mut ws).await.unwrap(), Message::text("hello"));
    super::client::request(&mut ws, json!("1"), ".GetClock", json!({})).await;
    sim.until(SOON, |state| state.swallowed == 1).await.unwrap();
    assert!(sim.state().requests.is_empty());
}

#[tokio::test]
async fn a_stalled_server_fills_the_senders_buffer_and_recovers() {
    let sim = LivePersonSim::builder()
        .with(|options| options.recv_buffer = Some(16 * 1024))
        .start()
        .await
        .unwrap();
    let mut tcp = connect_raw(&sim).await;
    sim.stall(true).await;
    let ping = masked(PING, &[b'p'; 100]);
    let mut sent = 0;
    while let Ok(written) = timeout(WHILE, tcp.write_all(&ping)).await {
        written.unwrap();
        sent += 1;
        assert!(sent < 1_000_000, "the buffer never fills");
    }
    assert!(is_established(&tcp));
    assert_eq!(sim.state().pings.len(), 0);
    sim.stall(false).await;
    let (mut reader, _writer) = tcp.split();
    let mut pong = [0; 102];
    for _ in 0..sent {
        timeout(SOON, reader.read_exact(&mut pong)).await.unwrap().unwrap();
    }
    assert!(sim.state().pings.len() >= sent);
}

#[tokio::test]
async fn a_client_that_leaves_a_stalled_server_is_not_counted() {
    let sim = sim().await;
    let mut tcp = connect_raw(&sim).await;
    sim.stall(true).await;
    tcp.write_all(&masked(PING, b"unread")).await.unwrap();
    drop(tcp);
    sim.until(SOON, |state| state.live_sockets == 0).await.unwrap();
}

#[tokio::test]
async fn silence_can_swallow_new_connections_too() {
    let sim = sim().await;
    let mut ws = connect(&sim).await;
    sim.control_json(json!({ "do": "silent", "on": true, "new": true })).await.unwrap();
    let mut late = tcp(&sim).await.unwrap();
    late.write_all(b"GET /api/account/1/service/baseURI.json HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(is_quiet(&mut late).await);
    assert!(is_established(&late));
    assert!(sim.state().csds.is_empty());
    sim.control_json(json!({ "do": "silent", "on": false })).await.unwrap();
    let answer = timeout(SOON, super::client::receive(&mut late)).await.unwrap().unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(ask(&mut ws, ".GetClock", json!({})).await["code"], 200);
}

#[tokio::test]
async fn revoke_then_cut_ends_in_a_handshake_401() {
    let sim = sim().await;
    let bearer = super::client::login(&sim).await.bearer;
    let mut ws = super::client::open(&sim, &bearer).await.unwrap();
    sim.revoke_tokens().await;
    assert_eq!(ask(&mut ws, ".GetClock", json!({})).await["code"], 200, "the socket lives on");
    sim.cut().await;
    assert!(next(&mut ws).await.is_err());
    let target = super::client::socket_path(&bearer);
    let answer = call(&sim, "GET", &target, super::client::UPGRADE, b"").await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (401, Some("close")));
}

#[tokio::test]
async fn protocol_violations_are_closed_with_their_code() {
    let sim = sim().await;
    for (bytes, code) in [
        (vec![0x81, 0x01, b'x'], 1002_u16),
        (vec![0xC1, 0x80, 0, 0, 0, 0], 1002),
        (masked(TEXT, &[0xFF]), 1007),
        (vec![0x82, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0], 1009),
    ] {
        let mut tcp = connect_raw(&sim).await;
        tcp.write_all(&bytes).await.unwrap();
        let mut head = [0; 4];
        timeout(SOON, tcp.read_exact(&mut head)).await.unwrap().unwrap();
        assert_eq!(head[0], 0x88);
        assert_eq!(u16::from_be_bytes([head[2], head[3]]), code);
    }
    assert_eq!(sim.state().bad_frames, 4);
}

#[tokio::test]
async fn a_dropped_simulator_lets_go_of_everything() {
    let sim = sim().await;
    let addr = sim.addr();
    let mut ws = connect(&sim).await;
    drop(sim);
    assert!(next(&mut ws).await.is_err());
    let gone = async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, gone).await.unwrap();
}

async fn is_quiet(tcp: &mut TcpStream) -> bool {
    timeout(Duration::from_millis(250), tcp.read(&mut [0; 8])).await.is_err()
}
