//! Servers that break rules, limits or connections.

use std::time::{Duration, Instant};

use redial_auth_http::{Fault, HttpClient, HttpError, ReqwestClient, ReqwestClientBuilder, Step};
use redial_core::http::NoAnswer;
use tokio::net::TcpListener;

use crate::servers::{GENEROUS, RawServer, Reply, client, get};

async fn failure(builder: ReqwestClientBuilder, reply: Reply) -> HttpError {
    let server = RawServer::start(reply).await;
    let client = builder.build().unwrap();
    tokio::time::timeout(GENEROUS, client.perform(get(server.url("/"))))
        .await
        .expect("the exchange ends")
        .unwrap_err()
}

fn bytes(text: impl Into<String>) -> Reply {
    Reply::Bytes(text.into().into_bytes())
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_declared_length() {
    let builder = ReqwestClient::builder().body_limit(16);
    let error = failure(builder, bytes("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n")).await;
    assert_eq!(error.fault(), Fault::Vendor);
    assert_eq!(NoAnswer::from(error), NoAnswer::Network);
}

#[tokio::test]
async fn a_huge_declared_length_reserves_nothing() {
    let reply = bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1u64 << 60));
    let error = failure(ReqwestClient::builder(), reply).await;
    assert_eq!(error.fault(), Fault::Vendor);
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_refused() {
    let builder = ReqwestClient::builder().body_limit(16);
    let chunk = "8\r\n01234567\r\n".repeat(3);
    let reply =
        bytes(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"));
    assert_eq!(failure(builder, reply).await.fault(), Fault::Vendor);
}

#[tokio::test]
async fn a_body_without_a_length_is_bounded_too() {
    let builder = ReqwestClient::builder().body_limit(16);
    let reply = bytes(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "x".repeat(64)));
    assert_eq!(failure(builder, reply).await.fault(), Fault::Vendor);
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_taken() {
    let reply = bytes("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n0123456789abcdef");
    let server = RawServer::start(reply).await;
    let client = ReqwestClient::builder().body_limit(16).build().unwrap();
    assert_eq!(client.perform(get(server.url("/"))).await.unwrap().body.len(), 16);
}

#[tokio::test]
async fn what_is_not_a_whole_answer_is_a_failure_and_never_a_panic() {
    let cases = [
        "SSH-2.0-OpenSSH_9.9\r\n".to_owned(),
        String::new(),
        "\0\0\0\0\u{1}\r\n\r\n".to_owned(),
        "HTTP/1.1 999999 ?\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 9\r\n\r\nabc".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-Many: 1\r\n".repeat(500)),
        format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20)),
    ];
    for case in cases {
        let error = failure(ReqwestClient::builder(), bytes(&*case)).await;
        assert_eq!(error.fault(), Fault::Network, "{error} after {:.40}", case);
        assert_eq!(NoAnswer::from(error), NoAnswer::Network);
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_is_the_networks_fault() {
    let error = failure(ReqwestClient::builder(), Reply::Reset).await;
    assert_eq!(error.fault(), Fault::Network);
    assert_eq!(NoAnswer::from(error), NoAnswer::Network);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_the_networks_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let error = client().perform(get(format!("http://{addr}/"))).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Network);
    assert_eq!(NoAnswer::from(error), NoAnswer::Unreached, "it has not had the request");
}

#[tokio::test]
async fn a_server_that_never_answers_ends_in_a_timeout() {
    let begun = Instant::now();
    let builder = ReqwestClient::builder().exchange_timeout(Some(Duration::from_millis(60)));
    let error = failure(builder, Reply::Hang).await;
    assert!(matches!(error, HttpError::Timeout { step: Step::Exchange, .. }), "{error:?}");
    assert_eq!(NoAnswer::from(error), NoAnswer::Timeout);
    assert!(begun.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_body_that_never_ends_ends_in_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut socket, _) = listener.accept().await.unwrap();
        crate::servers::read_head(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
        std::future::pending::<()>().await;
    });
    let client =
        ReqwestClient::builder().exchange_timeout(Some(Duration::from_millis(60))).build().unwrap();
    let error = client.perform(get(format!("http://{addr}/"))).await.unwrap_err();
    assert!(matches!(error, HttpError::Timeout { step: Step::Exchange, .. }), "{error:?}");
}

#[tokio::test]
async fn tls_that_never_answers_ends_in_the_connect_timeout() {
    // The server reads the client's hello and says nothing.
    let server = RawServer::start(Reply::Hang).await;
    let client =
        ReqwestClient::builder().connect_timeout(Some(Duration::from_millis(60))).build().unwrap();
    let error = client.perform(get(format!("https://{}/", server.addr))).await.unwrap_err();
    assert!(matches!(error, HttpError::Timeout { step: Step::Connect, .. }), "{error:?}");
}

#[tokio::test]
async fn a_dropped_exchange_closes_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let client = client();
    let exchange =
        tokio::spawn(async move { client.perform(get(format!("http://{addr}/"))).await });
    let (mut socket, _) = listener.accept().await.unwrap();
    crate::servers::read_head(&mut socket).await;
    exchange.abort();
    let mut sink = tokio::io::sink();
    let rest = tokio::time::timeout(GENEROUS, tokio::io::copy(&mut socket, &mut sink)).await;
    assert!(rest.is_ok(), "the connection stays open");
}
