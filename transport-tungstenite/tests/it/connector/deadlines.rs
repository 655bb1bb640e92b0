//! Every stage that can hang ends in its time.

use std::time::{Duration, Instant};

use redial_auth_http::Fault;
use redial_core::{Cause, Wait};
use redial_tungstenite::{ConnectorBuilder, Deadlines, Stage};

use super::servers::{GENEROUS, Reply, SHORT, Server, builder, dial, silent, to, total};

async fn times_out_at(stage: Stage, builder: ConnectorBuilder, url: String) {
    let begun = Instant::now();
    let error = dial(builder, to(url)).await.unwrap_err();
    assert_eq!(error.cause(), Cause::Timeout(Wait::Connect), "{error}");
    assert_eq!((error.stage(), error.fault()), (stage, Fault::Network));
    assert!((SHORT..GENEROUS).contains(&begun.elapsed()));
}

#[tokio::test]
async fn an_upgrade_that_is_never_answered() {
    let server = Server::start(Reply::Hang).await;
    times_out_at(Stage::Upgrade, builder().deadlines(total(SHORT)), server.url("/")).await;
    let own = Deadlines { upgrade: Some(SHORT), ..Deadlines::default() };
    times_out_at(Stage::Upgrade, builder().deadlines(own), server.url("/")).await;
}

#[tokio::test]
async fn an_upgrade_answered_by_half() {
    let server = Server::start(Reply::Drip("HTTP/1.1 101 Switching\r\nX: ".to_owned())).await;
    times_out_at(Stage::Upgrade, builder().deadlines(total(SHORT)), server.url("/")).await;
}

#[tokio::test]
async fn tls_that_is_never_answered() {
    let url = format!("wss://{}/", silent().await);
    times_out_at(Stage::Tls, builder().deadlines(total(SHORT)), url.clone()).await;
    let own = Deadlines { tls: Some(SHORT), ..Deadlines::default() };
    times_out_at(Stage::Tls, builder().deadlines(own), url).await;
}

#[tokio::test]
async fn a_proxy_that_hangs() {
    let proxy = silent().await;
    for scheme in ["http", "socks5", "socks5h"] {
        let through = || builder().proxy(format!("{scheme}://{proxy}"));
        let url = "ws://127.0.0.1:1/".to_owned();
        times_out_at(Stage::Proxy, through().deadlines(total(SHORT)), url.clone()).await;
        let own = Deadlines { proxy: Some(SHORT), ..Deadlines::default() };
        times_out_at(Stage::Proxy, through().deadlines(own), url).await;
    }
}

#[tokio::test]
async fn a_stage_that_is_done_in_its_time_is_not_cut() {
    let server = Server::start(Reply::Upgrade("")).await;
    let each = Some(GENEROUS);
    let deadlines =
        Deadlines { dns: each, tcp: each, proxy: each, tls: each, upgrade: each, total: None };
    dial(builder().deadlines(deadlines), to(server.url("/"))).await.unwrap();
    assert_eq!(Deadlines::default().total, Some(Duration::from_secs(20)));
}
