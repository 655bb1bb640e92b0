//! HTTP and SOCKS5 proxies.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use redial_auth_http::{Fault, HttpClient, ReqwestClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::servers::{RawServer, Reply, get, read_head};
use crate::tls::TlsServer;

/// A CONNECT proxy that notes heads and answers `status` to each.
async fn connect_proxy(status: &'static str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let head = read_head(&mut socket).await;
                let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                log.lock().unwrap().push(head);
                let answer = format!("HTTP/1.1 {status}\r\n\r\n");
                socket.write_all(answer.as_bytes()).await.unwrap();
                if status.starts_with('2') {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut socket, &mut server).await;
                }
            });
        }
    });
    (addr, seen)
}

/// A SOCKS5 proxy that wants user and password, and notes both with the target.
async fn socks_proxy() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(socks(socket, Arc::clone(&log)));
        }
    });
    (addr, seen)
}

async fn socks(mut socket: TcpStream, log: Arc<Mutex<Vec<String>>>) {
    let short = async |socket: &mut TcpStream| {
        let len = socket.read_u8().await.unwrap();
        let mut text = vec![0; len.into()];
        socket.read_exact(&mut text).await.unwrap();
        String::from_utf8_lossy(&text).into_owned()
    };
    assert_eq!(socket.read_u8().await.unwrap(), 5);
    short(&mut socket).await;
    socket.write_all(&[5, 2]).await.unwrap();
    assert_eq!(socket.read_u8().await.unwrap(), 1);
    let (user, password) = (short(&mut socket).await, short(&mut socket).await);
    socket.write_all(&[1, 0]).await.unwrap();
    let mut head = [0; 4];
    socket.read_exact(&mut head).await.unwrap();
    let host = match head[3] {
        1 => std::net::Ipv4Addr::from(socket.read_u32().await.unwrap()).to_string(),
        3 => short(&mut socket).await,
        other => panic!("address type {other}"),
    };
    let port = socket.read_u16().await.unwrap();
    log.lock().unwrap().push(format!("{user} {password} {host} {port}"));
    let mut server = TcpStream::connect((&*host, port)).await.unwrap();
    socket.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut socket, &mut server).await;
}

#[tokio::test]
async fn https_goes_through_connect_with_credentials() {
    let server = TlsServer::start().await;
    let (proxy, seen) = connect_proxy("200 OK").await;
    let client = ReqwestClient::builder()
        .proxy(format!("http://user:p%40ss@{proxy}"))
        .root_pem(server.root.clone())
        .build()
        .unwrap();
    let answer = client.perform(get(server.url())).await.unwrap();
    assert_eq!(answer.status, 200);
    let head = seen.lock().unwrap().remove(0);
    assert!(head.starts_with(&format!("CONNECT localhost:{} ", server.addr.port())), "{head}");
    let lower = head.to_ascii_lowercase();
    assert!(lower.contains("proxy-authorization: basic"), "{head}");
    // user:p@ss
    assert!(head.contains("dXNlcjpwQHNz"), "{head}");
}

#[tokio::test]
async fn a_proxy_that_wants_credentials_is_the_networks_fault() {
    let (proxy, _) = connect_proxy("407 Proxy Authentication Required").await;
    let client = ReqwestClient::builder().proxy(format!("http://{proxy}")).build().unwrap();
    let error = client.perform(get("https://127.0.0.1:9/")).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Network);
}

#[tokio::test]
async fn socks_carries_credentials_and_resolves_where_asked() {
    let server = RawServer::start(Reply::Bytes(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())).await;
    let port = server.addr.port();
    for (scheme, host) in [("socks5", "127.0.0.1"), ("socks5h", "localhost")] {
        let (proxy, seen) = socks_proxy().await;
        let client = ReqwestClient::builder()
            .proxy(format!("{scheme}://user:p%40ss@{proxy}"))
            .build()
            .unwrap();
        let url = match scheme {
            // A name that resolves to ::1 first would reach no listener.
            "socks5" => format!("http://127.0.0.1:{port}/"),
            _ => format!("http://localhost:{port}/"),
        };
        assert_eq!(client.perform(get(url)).await.unwrap().status, 200);
        assert_eq!(seen.lock().unwrap()[0], format!("user p@ss {host} {port}"));
    }
}

#[tokio::test]
async fn a_proxy_that_is_down_is_not_gone_around() {
    let server = RawServer::start(Reply::Bytes(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())).await;
    for scheme in ["http", "socks5", "socks5h"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = listener.local_addr().unwrap();
        drop(listener);
        let client = ReqwestClient::builder().proxy(format!("{scheme}://{dead}")).build().unwrap();
        let error = client.perform(get(server.url("/"))).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Network);
    }
    assert!(server.requests().is_empty());
}
