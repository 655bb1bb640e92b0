//! HTTP CONNECT and SOCKS5.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use redial_auth_http::Fault;
use redial_core::Cause;
use redial_tungstenite::Stage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::servers::{Reply, Server, builder, dead_address, dial, read_head, talk, to, value_of};
use super::tls::TlsServer;

pub(crate) type Log = Arc<Mutex<Vec<String>>>;

async fn proxy<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream, Log) -> F + Send + 'static,
) -> (SocketAddr, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let seen = Log::default();
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, Arc::clone(&log)));
        }
    });
    (addr, seen)
}

/// A CONNECT proxy that answers `answer` and, where that is 200, opens the tunnel.
pub(crate) async fn connect_proxy(answer: &'static str) -> (SocketAddr, Log) {
    proxy(move |mut socket, log| async move {
        let head = read_head(&mut socket).await;
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        log.lock().unwrap().push(head);
        socket.write_all(answer.as_bytes()).await.unwrap();
        if answer.starts_with("HTTP/1.1 200") {
            let mut server = TcpStream::connect(target).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut socket, &mut server).await;
        }
    })
    .await
}

/// A SOCKS5 proxy that notes login and target and answers `reply`.
pub(crate) async fn socks_proxy(method: u8, reply: u8) -> (SocketAddr, Log) {
    proxy(move |mut socket, log| async move {
        assert_eq!(socket.read_u8().await.unwrap(), 5);
        let _ = short(&mut socket).await;
        socket.write_all(&[5, method]).await.unwrap();
        let mut line = String::new();
        if method == 2 {
            assert_eq!(socket.read_u8().await.unwrap(), 1);
            line = format!("{} {} ", short(&mut socket).await, short(&mut socket).await);
            socket.write_all(&[1, 0]).await.unwrap();
        }
        let mut head = [0; 4];
        if socket.read_exact(&mut head).await.is_err() {
            return;
        }
        let host = match head[3] {
            1 => std::net::Ipv4Addr::from(socket.read_u32().await.unwrap()).to_string(),
            3 => short(&mut socket).await,
            other => panic!("address type {other}"),
        };
        let port = socket.read_u16().await.unwrap();
        log.lock().unwrap().push(format!("{line}{host} {port}"));
        socket.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        if reply == 0 {
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut socket, &mut server).await;
        }
    })
    .await
}

/// Reads a text behind its length.
async fn short(socket: &mut TcpStream) -> String {
    let len = socket.read_u8().await.unwrap();
    let mut text = vec![0; len.into()];
    socket.read_exact(&mut text).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

pub(crate) const OPEN: &str = "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";

#[tokio::test]
async fn connect_carries_plain_sockets_and_tls() {
    let (proxy, seen) = connect_proxy(OPEN).await;
    let server = Server::start(Reply::Upgrade("")).await;
    let through = || builder().proxy(format!("http://user:p%40ss@{proxy}"));
    talk(&mut dial(through(), to(server.url("/secret?token=x"))).await.unwrap()).await;
    let head = seen.lock().unwrap().remove(0);
    let expected = format!(
        "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n\r\n",
        server.addr
    );
    assert_eq!(head, expected);
    assert_eq!(value_of(&server.requests()[0], "proxy-authorization"), None);

    let server = TlsServer::start(Reply::Upgrade("")).await;
    let mut socket = dial(through().root_pem(&*server.root), to(server.url())).await.unwrap();
    assert!(socket.get_ref().is_tls());
    talk(&mut socket).await;
    let target = format!("CONNECT localhost:{} ", server.addr.port());
    assert!(seen.lock().unwrap()[0].starts_with(&target));
}

#[tokio::test]
async fn connect_without_a_login_sends_none() {
    let (proxy, seen) = connect_proxy(OPEN).await;
    let server = Server::start(Reply::Upgrade("")).await;
    dial(builder().proxy(format!("http://{proxy}")), to(server.url("/"))).await.unwrap();
    assert_eq!(value_of(&seen.lock().unwrap()[0], "proxy-authorization"), None);
}

#[tokio::test]
async fn socks_carries_logins_and_resolves_where_asked() {
    let server = Server::start(Reply::Upgrade("")).await;
    let port = server.addr.port();
    let cases = [
        ("socks5", "user:p%40ss@", 2, "user p@ss 127.0.0.1"),
        ("socks5h", "user:p%40ss@", 2, "user p@ss far.invalid"),
        ("socks5", "", 0, "127.0.0.1"),
        ("socks5h", "", 0, "far.invalid"),
    ];
    for (scheme, login, method, expected) in cases {
        let (proxy, seen) = socks_proxy(method, 0).await;
        let host = if scheme == "socks5" { "127.0.0.1" } else { "far.invalid" };
        let through = builder().proxy(format!("{scheme}://{login}{proxy}"));
        let mut socket = dial(through, to(format!("ws://{host}:{port}/"))).await.unwrap();
        talk(&mut socket).await;
        assert_eq!(seen.lock().unwrap()[0], format!("{expected} {port}"));
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_a_network_cause() {
    let answers = [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", Fault::Caller),
        ("HTTP/1.1 502 Bad Gateway\r\nRetry-After: 5\r\n\r\n", Fault::Network),
        ("HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\n\r\n", Fault::Network),
        ("garbage\r\n\r\n", Fault::Network),
        ("", Fault::Network),
        ("HTTP/1.1 200 OK\r\n\r\nearly bytes", Fault::Network),
    ];
    for (answer, fault) in answers {
        // Not the tunnelling kind: this one never connects anywhere.
        let (addr, _) = proxy_that_says(answer).await;
        let through = builder().proxy(format!("http://{addr}"));
        let error = dial(through, to("ws://127.0.0.1:1/")).await.unwrap_err();
        assert_eq!((error.cause(), error.stage()), (Cause::Network, Stage::Proxy), "{answer}");
        assert_eq!((error.fault(), error.retry_after()), (fault, None), "{answer}");
    }
    let (addr, _) = proxy_that_says("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let through = builder().proxy(format!("http://{addr}"));
    let error = dial(through, to("ws://127.0.0.1:1/")).await.unwrap_err();
    assert_eq!(error.to_string(), "proxy 127.0.0.1:1: the proxy answered 407");

    for (method, reply) in [(0xff, 0), (0, 1), (0, 2), (0, 5)] {
        let (addr, _) = socks_proxy(method, reply).await;
        let through = builder().proxy(format!("socks5h://{addr}"));
        let error = dial(through, to("ws://127.0.0.1:1/")).await.unwrap_err();
        assert_eq!((error.cause(), error.stage()), (Cause::Network, Stage::Proxy));
    }
}

async fn proxy_that_says(answer: &'static str) -> (SocketAddr, Log) {
    proxy(move |mut socket, _| async move {
        read_head(&mut socket).await;
        let _ = socket.write_all(answer.as_bytes()).await;
    })
    .await
}

#[tokio::test]
async fn a_proxy_that_is_down_is_not_gone_around() {
    let server = Server::start(Reply::Upgrade("")).await;
    let dead = dead_address().await;
    for scheme in ["http", "socks5", "socks5h"] {
        let through = builder().proxy(format!("{scheme}://{dead}"));
        let error = dial(through, to(server.url("/"))).await.unwrap_err();
        assert_eq!((error.cause(), error.stage()), (Cause::Network, Stage::Tcp));
    }
    assert!(server.requests().is_empty());
}

/// Set for the child of the test below: what it is to dial.
const TARGET: &str = "REDIAL_TEST_TARGET";

#[tokio::test]
async fn the_environment_is_asked_only_when_told() {
    let (proxy, seen) = connect_proxy(OPEN).await;
    let server = Server::start(Reply::Upgrade("")).await;
    // A process of its own: the environment of this one belongs to all tests.
    let run = |no_proxy: &'static str| {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "connector::proxies::child_that_dials", "--ignored"]);
        child.env(TARGET, server.url("/")).env("HTTP_PROXY", format!("http://{proxy}"));
        child.env("NO_PROXY", no_proxy).env_remove("REQUEST_METHOD");
        tokio::task::spawn_blocking(move || child.output().unwrap())
    };
    let output = run("").await.unwrap();
    assert!(output.status.success(), "{output:?}");
    // The child dials once with the environment and once without.
    assert_eq!((seen.lock().unwrap().len(), server.requests().len()), (1, 2));
    let output = run("10.0.0.1, 127.0.0.0/8").await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!((seen.lock().unwrap().len(), server.requests().len()), (1, 4));
}

#[tokio::test]
#[ignore = "run by the test above, with an environment"]
async fn child_that_dials() {
    let Ok(target) = std::env::var(TARGET) else { return };
    talk(&mut dial(builder().proxy_from_env(), to(&*target)).await.unwrap()).await;
    talk(&mut dial(builder(), to(&*target)).await.unwrap()).await;
}
