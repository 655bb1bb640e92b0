//! What stands on the wire, and which answers are good.

use redial_auth_http::Fault;
use redial_core::{Cause, Handshake};
use redial_tungstenite::Stage;

use super::servers::{GENEROUS, Reply, Server, builder, dial, talk, to, value_of};

#[tokio::test]
async fn a_plain_socket_opens_and_talks() {
    let server = Server::start(Reply::Upgrade("")).await;
    let mut socket = dial(builder(), to(server.url("/"))).await.unwrap();
    assert!(socket.get_ref().tcp().nodelay().unwrap());
    assert!(!socket.get_ref().is_tls());
    talk(&mut socket).await;
}

#[tokio::test]
async fn the_request_arrives_exactly_as_it_was_asked_for() {
    let server = Server::start(Reply::Upgrade("Sec-WebSocket-Protocol: v2\r\n")).await;
    let handshake = Handshake {
        url: server.url("/a%2Fb/%7e/c+d;e='f'?token=x%20y&z=%C3%A9|{}#fragment"),
        headers: vec![
            ("Origin", "https://app.example.com".into()),
            ("X-Api-KEY", "a b\tc".into()),
            ("authorization", "Bearer abc".into()),
        ],
        subprotocols: vec!["v1", "v2"],
    };
    let connector = builder().origin("https://ignored.example.com").header("user-agent", "me/1");
    dial(connector, handshake).await.unwrap();
    let request = server.requests().remove(0);
    let key = value_of(&request, "sec-websocket-key").unwrap();
    assert_eq!(key.len(), 24);
    let expected = format!(
        "GET /a%2Fb/%7e/c+d;e='f'?token=x%20y&z=%C3%A9|{{}} HTTP/1.1\r\nHost: {}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: v1, v2\r\nUser-Agent: me/1\r\n\
         Origin: https://app.example.com\r\nX-Api-KEY: a b\tc\r\nauthorization: Bearer abc\r\n\r\n",
        server.addr
    );
    assert_eq!(request, expected);
}

#[tokio::test]
async fn origin_and_headers_of_the_connector_go_with_every_upgrade() {
    let server = Server::start(Reply::Upgrade("")).await;
    let connector = builder().origin("https://app.example.com").header("X-Fleet", "7");
    let connector = connector.build().unwrap();
    for _ in 0..2 {
        let permit = connector.permit().await;
        connector.dial(permit, &to(server.url(""))).await.unwrap();
    }
    for request in server.requests() {
        assert!(request.starts_with("GET / HTTP/1.1\r\n"), "{request}");
        assert_eq!(value_of(&request, "origin").unwrap(), "https://app.example.com");
        assert_eq!(value_of(&request, "x-fleet").unwrap(), "7");
    }
    let requests = server.requests();
    let keys = requests.iter().map(|request| value_of(request, "sec-websocket-key"));
    assert_eq!(keys.collect::<std::collections::HashSet<_>>().len(), 2, "keys are fresh");
}

#[tokio::test]
async fn a_query_without_a_path_gets_its_slash() {
    let server = Server::start(Reply::Upgrade("")).await;
    dial(builder(), to(server.url("?a=1"))).await.unwrap();
    assert!(server.requests()[0].starts_with("GET /?a=1 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn what_a_proxy_in_between_may_do_to_an_answer_is_understood() {
    let answers = [
        "HTTP/1.1 101 Switching Protocols\r\nconnection: keep-alive, UPGRADE\r\n\
         upgrade: WebSocket\r\nsec-websocket-accept: {accept}\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 101 OK\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n",
        "HTTP/1.1 101 \r\nUpgrade:websocket\r\nConnection:x\r\nConnection:upgrade\r\n\
         Sec-WebSocket-Extensions: \r\nSec-WebSocket-Accept:   {accept}  \r\n\r\n",
    ];
    for answer in answers {
        // One byte at a time: a slow line is not an attack.
        let server = Server::start(Reply::Drip(answer.to_owned())).await;
        dial(builder(), to(server.url("/"))).await.unwrap();
    }
}

#[tokio::test]
async fn a_frame_that_comes_with_the_answer_is_kept() {
    use futures_util::StreamExt;
    let server = Server::start(Reply::Greet(b"\x81\x02hi")).await;
    let mut socket = dial(builder(), to(server.url("/"))).await.unwrap();
    let first = tokio::time::timeout(GENEROUS, socket.next()).await.unwrap();
    assert_eq!(first.unwrap().unwrap().into_text().unwrap(), "hi");
    talk(&mut socket).await;
}

#[tokio::test]
async fn a_subprotocol_must_be_one_that_was_offered() {
    let cases: [(&str, Vec<&'static str>, bool); 7] = [
        ("", vec![], true),
        ("Sec-WebSocket-Protocol: v1\r\n", vec!["v1", "v2"], true),
        ("Sec-WebSocket-Protocol: v1\r\n", vec![], false),
        ("Sec-WebSocket-Protocol: v3\r\n", vec!["v1", "v2"], false),
        ("Sec-WebSocket-Protocol: v1, v2\r\n", vec!["v1", "v2"], false),
        ("Sec-WebSocket-Protocol: v1\r\nSec-WebSocket-Protocol: v2\r\n", vec!["v1", "v2"], false),
        ("", vec!["v1"], false),
    ];
    for (answer, subprotocols, good) in cases {
        let server = Server::start(Reply::Upgrade(answer)).await;
        let handshake = Handshake { subprotocols, ..to(server.url("/")) };
        match dial(builder(), handshake).await {
            Ok(_) => assert!(good, "{answer}"),
            Err(error) => {
                assert!(!good, "{answer}");
                assert_eq!((error.cause(), error.fault()), (Cause::Network, Fault::Vendor));
                assert_eq!(error.stage(), Stage::Upgrade);
            }
        }
    }
}

#[tokio::test]
async fn an_extension_that_was_not_offered_is_refused() {
    let server =
        Server::start(Reply::Upgrade("Sec-WebSocket-Extensions: permessage-deflate\r\n")).await;
    let error = dial(builder(), to(server.url("/"))).await.unwrap_err();
    assert_eq!((error.cause(), error.fault()), (Cause::Network, Fault::Vendor));
}

#[tokio::test]
async fn what_cannot_be_sent_is_the_callers_fault() {
    let header = |name, value: &str| Handshake {
        headers: vec![(name, value.into())],
        ..to("ws://127.0.0.1:1/")
    };
    let cases = [
        to(""),
        to("no url"),
        to("http://127.0.0.1:1/"),
        to("ws:///path"),
        to("ws://127.0.0.1:99999/"),
        to("ws://127.0.0.1:1/a b"),
        to("ws://user:password@127.0.0.1:1/"),
        header("bad name", "x"),
        header("x-a", "a\r\nb: c"),
        header("Sec-WebSocket-Key", "mine"),
        header("HOST", "other"),
        Handshake { subprotocols: vec!["a\r\nb"], ..to("ws://127.0.0.1:1/") },
    ];
    for handshake in cases {
        let url = handshake.url.clone();
        let error = dial(builder(), handshake).await.unwrap_err();
        assert_eq!((error.fault(), error.stage()), (Fault::Caller, Stage::Request), "{url}");
        assert_eq!(error.cause(), Cause::Network);
    }
}

#[test]
fn options_that_cannot_work_are_the_callers_fault() {
    let tls = || redial_auth_http::tls::TlsBuilder::new().build().unwrap();
    let cases = [
        builder().connects_in_flight(0),
        builder().connects_in_flight(usize::MAX),
        builder().write_buffer(10, 10),
        builder().read_buffer(0),
        builder().header("bad name", "x"),
        builder().header("Upgrade", "x"),
        builder().origin("a\nb"),
        builder().proxy("ftp://127.0.0.1:1"),
        builder().proxy("https://127.0.0.1:1"),
        builder().proxy("127.0.0.1:1"),
        builder().proxy("socks5://"),
        builder().proxy("http://a b"),
        builder().root_pem("none"),
        builder().root_file("/nonexistent/root.pem"),
        builder().tls(tls()).root_pem("none"),
        builder().tls(tls()).tickets(5),
    ];
    for builder in cases {
        assert_eq!(builder.build().unwrap_err().fault(), Fault::Caller);
    }
}

#[tokio::test]
async fn messages_over_the_limit_are_refused_by_the_socket() {
    use futures_util::{SinkExt, StreamExt};
    let server = Server::start(Reply::Upgrade("")).await;
    let connector = builder().message_limit(8).frame_limit(8);
    let mut socket = dial(connector, to(server.url("/"))).await.unwrap();
    socket.send("123456789".into()).await.unwrap();
    assert!(socket.next().await.unwrap().is_err());
}

#[tokio::test]
async fn ipv6_hosts_keep_their_brackets_on_the_wire() {
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else { return };
    let addr = listener.local_addr().unwrap();
    let seen = std::sync::Mutex::new(Vec::new());
    let serve = async {
        let (socket, _) = listener.accept().await.unwrap();
        super::servers::serve(socket, &Reply::Bytes(b"HTTP/1.1 400 No\r\n\r\n".to_vec()), &seen)
            .await
    };
    let (result, _) = tokio::join!(dial(builder(), to(format!("ws://{addr}/"))), serve);
    let error = result.unwrap_err();
    assert_eq!(error.cause(), Cause::Handshake(400));
    assert_eq!(error.to_string(), format!("upgrade {addr}: the server answered 400"));
    assert_eq!(value_of(&seen.lock().unwrap()[0], "host").unwrap(), addr.to_string());
}
