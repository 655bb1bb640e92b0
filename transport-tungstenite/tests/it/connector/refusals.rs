//! Answers that refuse, answers that are none, and no answers.

use redial_auth_http::Fault;
use redial_core::{Cause, Span};
use redial_tungstenite::Stage;

use super::servers::{Reply, Server, builder, dead_address, dial, to};

#[tokio::test]
async fn a_status_is_a_handshake_cause_with_its_retry_after() {
    const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let cases = [
        (401, "", None),
        (401, "Retry-After: 7\r\n", Some(7_000)),
        (429, "retry-after: Sun, 06 Nov 1994 08:49:47 GMT\r\n", Some(10_000)),
        (503, "Retry-After: Sun, 06 Nov 1994 08:00:00 GMT\r\n", Some(0)),
        (503, "Retry-After: soon\r\n", None),
        (500, "Retry-After: 99999999999999\r\n", Some(u32::MAX)),
        (302, "Location: ws://127.0.0.1:1/elsewhere\r\n", None),
        (200, "", None),
        (426, "Upgrade: websocket\r\n", None),
    ];
    for (status, headers, wait) in cases {
        let server = Server::bytes(format!("HTTP/1.1 {status} Word\r\n{DATE}{headers}\r\n")).await;
        let error = dial(builder(), to(server.url("/"))).await.unwrap_err();
        assert_eq!(error.cause(), Cause::Handshake(status));
        assert_eq!(error.retry_after(), wait.map(Span::from_millis), "{headers}");
        assert_eq!(error.status(), Some(status));
        assert_eq!((error.stage(), error.fault()), (Stage::Upgrade, Fault::Vendor));
        let text = format!("upgrade {}: the server answered {status}", server.addr);
        assert_eq!(error.to_string(), text);
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn the_body_of_a_refusal_is_not_waited_for() {
    let head = "HTTP/1.1 401 No\r\nContent-Length: 1000000000\r\n\r\n";
    let server = Server::start(Reply::Drip(head.to_owned())).await;
    let error = dial(builder(), to(server.url("/"))).await.unwrap_err();
    assert_eq!(error.cause(), Cause::Handshake(401));
}

#[tokio::test]
async fn what_is_no_answer_is_a_network_cause_and_never_a_panic() {
    let switching = "HTTP/1.1 101 Switching Protocols\r\n";
    let good = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let cases = [
        String::new(),
        "SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned(),
        "HTTP/1.1 101 Switching".to_owned(),
        "HTTP/2.0 200 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 1 OK\r\n\r\n".to_owned(),
        "\u{0}\u{1}\u{2}\r\n\r\n".to_owned(),
        format!("{switching}\r\n"),
        format!("{switching}{good}\r\n"),
        format!("{switching}{good}Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"),
        format!("{switching}Connection: close\r\nUpgrade: websocket\r\n\r\n"),
        format!("{switching}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
        format!("{switching}{}\r\n", "X-Many: 1\r\n".repeat(500)),
        format!("{switching}X-Long: {}", "x".repeat(100_000)),
    ];
    for case in cases {
        let server = Server::bytes(&*case).await;
        let error = dial(builder(), to(server.url("/"))).await.unwrap_err();
        assert_eq!(error.cause(), Cause::Network, "{error}: {case:.60}");
        assert_eq!(error.stage(), Stage::Upgrade);
        assert_eq!(error.retry_after(), None);
    }
}

#[tokio::test]
async fn a_connection_that_ends_or_never_begins_is_a_network_cause() {
    let server = Server::start(Reply::Reset).await;
    let error = dial(builder(), to(server.url("/"))).await.unwrap_err();
    assert_eq!((error.cause(), error.stage()), (Cause::Network, Stage::Upgrade));

    let dead = dead_address().await;
    let error = dial(builder(), to(format!("ws://{dead}/"))).await.unwrap_err();
    assert_eq!((error.cause(), error.stage()), (Cause::Network, Stage::Tcp));
    assert_eq!(error.fault(), Fault::Network);
    assert_eq!(error.to_string(), format!("tcp {dead}: failed"));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_network_cause() {
    // RFC 6761 keeps "invalid" out of the DNS for ever.
    let error = dial(builder(), to("ws://nowhere.invalid/")).await.unwrap_err();
    assert_eq!((error.cause(), error.stage()), (Cause::Network, Stage::Dns));
    assert_eq!(error.to_string(), "dns nowhere.invalid:80: failed");
}
