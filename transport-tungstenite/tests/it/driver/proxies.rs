//! Sessions behind a proxy, HTTP and WebSocket alike.

use redial_auth_http::ReqwestClient;
use redial_liveperson::Request;
use redial_testkit::servers::liveperson::LivePersonSim;
use redial_tungstenite::{Client, Connector};

use super::support::{adapter, online, tls};
use crate::connector::proxies::{Log, OPEN, connect_proxy, socks_proxy};

async fn goes_through(url: String, seen: Log) {
    let sim = LivePersonSim::builder().tls(true).start().await.unwrap();
    let http = ReqwestClient::builder().tls(tls(&sim)).proxy(&url).build().unwrap();
    let connector = Connector::builder().tls(tls(&sim)).proxy(&url).build().unwrap();
    let builder = Client::builder(adapter(&sim).build().unwrap()).http(http).connector(connector);
    let (handle, mut updates) = builder.build().unwrap().spawn();
    online(&mut updates).await;
    sim.cut().await;
    super::support::offline(&mut updates).await;
    online(&mut updates).await;
    assert!(handle.request(Request::get_user_profile("me")).await.unwrap().is_success());
    handle.shutdown().await;
    // At least one tunnel for HTTP, and one for each of two sockets; all to the simulator.
    let seen = seen.lock().unwrap();
    assert!(seen.len() >= 3, "{seen:?}");
    let port = sim.addr().port().to_string();
    assert!(seen.iter().all(|line| line.contains(&port)), "{seen:?}");
}

#[tokio::test]
async fn connect() {
    let (proxy, seen) = connect_proxy(OPEN).await;
    goes_through(format!("http://user:password@{proxy}"), seen).await;
}

#[tokio::test]
async fn socks5() {
    let (proxy, seen) = socks_proxy(2, 0).await;
    goes_through(format!("socks5://user:password@{proxy}"), seen).await;
}

#[tokio::test]
async fn socks5h() {
    let (proxy, seen) = socks_proxy(0, 0).await;
    goes_through(format!("socks5h://{proxy}"), seen).await;
}
