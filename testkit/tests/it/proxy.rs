//! The fault proxy, over real sockets: the tests hold both ends.
#![expect(clippy::unwrap_used, reason = "helpers of tests assert by it, too")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proptest::prelude::{any, prop};
use proptest::test_runner::{Config, TestRunner};
use redial_testkit::proxy::{Act, Event, FaultProxy, On, Rule, Toward};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::client::SOON;

#[tokio::test]
async fn a_connection_is_refused_as_often_as_the_rule_says() {
    let (proxy, server) = proxy().await;
    proxy.rule(Rule::on_connect(Act::Refuse).times(2)).unwrap();
    for _ in 0..2 {
        let mut client = TcpStream::connect(proxy.addr()).await.unwrap();
        assert!(is_reset(&mut client).await);
    }
    let (mut client, mut served) = pair(&proxy, &server).await;
    client.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut served, 5).await, b"hello");
    let state = proxy.state();
    assert_eq!((state.connections, state.hits), (3, 2));
}

#[tokio::test]
async fn a_proxy_that_is_down_refuses_at_the_level_of_tcp() {
    let (proxy, server) = proxy().await;
    let (mut client, _served) = pair(&proxy, &server).await;
    proxy.down(Duration::from_secs(600)).await;
    assert_eq!(soon(client.read(&mut [0; 1])).await.unwrap(), 0);
    let refused = TcpStream::connect(proxy.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    proxy.up().await;
    pair(&proxy, &server).await;
}

#[tokio::test]
async fn rules_and_bytes_can_be_waited_for() {
    let (proxy, server) = proxy().await;
    let rule = proxy.rule(Rule::on_data(Toward::Server, 3, Act::Delay(Duration::ZERO))).unwrap();
    let (mut client, _served) = pair(&proxy, &server).await;
    client.write_all(b"hello").await.unwrap();
    let carried = proxy.until(SOON, |state| state.sockets.iter().any(|it| it.to_server == 5)).await;
    assert_eq!(carried.unwrap().rules, [(rule, 1)]);
    let fired = proxy.until(SOON, |state| state.rules == [(rule, 1)]).await;
    assert!(fired.is_ok());
    let never = proxy.until(Duration::from_millis(30), |state| state.live > 1).await;
    assert_eq!(never.unwrap_err().live, 1);
}

#[tokio::test]
async fn a_throttle_to_nothing_at_all_is_one_byte_in_a_second() {
    let (proxy, server) = proxy().await;
    let (mut client, mut served) = pair(&proxy, &server).await;
    proxy.act(&Act::Throttle { toward: Some(Toward::Server), bytes_per_s: 0 });
    client.write_all(b"ab").await.unwrap();
    assert_eq!(read(&mut served, 1).await, b"a");
    assert_eq!(proxy.state().live, 1);
}

#[tokio::test]
async fn a_cut_in_the_data_leaves_exactly_what_was_before_it() {
    let (proxy, server) = proxy().await;
    proxy.rule(Rule::on_data(Toward::Client, 7, Act::Cut { rst: false })).unwrap();
    let (mut client, mut served) = pair(&proxy, &server).await;
    served.write_all(b"0123").await.unwrap();
    assert_eq!(read(&mut client, 4).await, b"0123");
    served.write_all(b"456789").await.unwrap();
    let mut rest = Vec::new();
    soon(client.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"456");
}

#[tokio::test]
async fn a_frame_is_cut_in_its_middle() {
    let (proxy, server) = proxy().await;
    let rule = Rule::new(On::Frame { toward: Toward::Client, at: 3 }, Act::Cut { rst: false });
    proxy.rule(rule.nth(2)).unwrap();
    let (mut client, mut served) = open(&proxy, &server).await;
    let frames = [text(b"first"), text(b"second"), text(b"third")].concat();
    served.write_all(&frames).await.unwrap();
    let mut got = Vec::new();
    soon(client.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got, [text(b"first"), text(b"second")[..3].to_vec()].concat());
}

#[tokio::test]
async fn frames_are_counted_however_they_arrive() {
    for long in [5, 125, 126, 300, 65_535, 65_536, 100_000] {
        for step in [1, 2, 3, 7, 4096] {
            if long / step > 60_000 {
                continue;
            }
            let (proxy, server) = proxy().await;
            proxy.rule(Rule::on_frame(Toward::Client, 3, Act::Cut { rst: false })).unwrap();
            let (mut client, mut served) = open(&proxy, &server).await;
            let frames = [text(&vec![b'x'; long]), text(b""), text(b"not this")].concat();
            let write = async {
                for piece in frames.chunks(step) {
                    if served.write_all(piece).await.is_err() {
                        break;
                    }
                }
            };
            let mut got = Vec::new();
            let (_, end) = tokio::join!(write, soon(client.read_to_end(&mut got)));
            end.unwrap();
            let wanted = frames.len() - text(b"not this").len();
            assert_eq!(got.len(), wanted, "{long} bytes in pieces of {step}");
            assert_eq!(got, frames[..wanted]);
        }
    }
}

#[tokio::test]
async fn a_close_frame_stands_between_frames_and_nothing_follows_it() {
    let (proxy, server) = proxy().await;
    let (mut client, mut served) = open(&proxy, &server).await;
    // Half a frame is on its way when the order comes: the frame is finished first.
    let frame = text(b"the whole of it");
    served.write_all(&frame[..6]).await.unwrap();
    let mut got = read(&mut client, 6).await;
    assert_eq!(proxy.act(&Act::Close { code: 4401 }), 1);
    served.write_all(&[&frame[6..], &text(b"too late")].concat()).await.unwrap();
    soon(client.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got, [&frame[..], &[0x88, 2, 0x11, 0x31]].concat());
}

#[tokio::test]
async fn requests_are_counted_on_a_connection_that_is_kept() {
    let (proxy, server) = proxy().await;
    let rule = Rule::on_http(Some("POST"), "/login", Act::Cut { rst: true });
    proxy.rule(rule.nth(2)).unwrap();
    let (mut client, mut served) = pair(&proxy, &server).await;
    let passing = [
        "GET /login HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /login?secret=1 HTTP/1.1\r\ncontent-length: 22\r\n\r\nPOST /login HTTP/1.1\r\n",
        "POST /other HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5;x=1\r\nPOST \r\n0\r\nt: v\r\n\r\n",
    ]
    .concat();
    client.write_all(passing.as_bytes()).await.unwrap();
    assert_eq!(read(&mut served, passing.len()).await, passing.as_bytes());
    assert_eq!(proxy.state().hits, 0);
    client.write_all(b"POST /login HTTP/1.1\r\n").await.unwrap();
    client.write_all(b"content-length: 0\r\n\r\n").await.unwrap();
    assert!(is_reset(&mut client).await);
    let mut rest = Vec::new();
    let _ = soon(served.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"", "the request got through");
    assert_eq!(proxy.state().hits, 1);
}

#[tokio::test]
async fn a_blackhole_keeps_tcp_and_loses_the_rest() {
    for (toward, stall) in [(None, false), (None, true), (Some(Toward::Client), false)] {
        let (proxy, server) = proxy().await;
        let (mut client, mut served) = pair(&proxy, &server).await;
        proxy.act(&Act::Blackhole { toward, stall });
        served.write_all(b"lost").await.unwrap();
        client.write_all(b"one way").await.unwrap();
        match toward {
            Some(_) => assert_eq!(read(&mut served, 7).await, b"one way"),
            None => assert!(is_silent(&mut served).await),
        }
        assert!(is_silent(&mut client).await);
        let lost = if stall { 0 } else { 4 + if toward.is_none() { 7 } else { 0 } };
        while proxy.state().sockets[0].lost < lost {
            tokio::task::yield_now().await;
        }
        proxy.heal();
        served.write_all(b"there").await.unwrap();
        let wanted: &[u8] = if stall { b"lostthere" } else { b"there" };
        assert_eq!(read(&mut client, wanted.len()).await, wanted);
    }
}

#[tokio::test]
async fn not_even_the_end_of_a_side_leaves_a_blackhole() {
    let (proxy, server) = proxy().await;
    let (client, mut served) = pair(&proxy, &server).await;
    proxy.act(&Act::Blackhole { toward: None, stall: false });
    drop(client);
    assert!(is_silent(&mut served).await);
    served.write_all(b"still there").await.unwrap();
    assert_eq!(proxy.state().live, 1);
}

#[tokio::test]
async fn a_throttle_lets_through_what_it_says_in_small_pieces() {
    let (proxy, server) = proxy().await;
    proxy.rule(Rule::on_connect(Act::Throttle { toward: None, bytes_per_s: 2_000 })).unwrap();
    let (mut client, mut served) = pair(&proxy, &server).await;
    let began = Instant::now();
    client.write_all(&[7; 1_000]).await.unwrap();
    let (mut got, mut pieces) = (0, 0);
    while got < 1_000 {
        got += soon(served.read(&mut [0; 1_000])).await.unwrap();
        pieces += 1;
    }
    // The last piece is not waited for, and a busy machine may find several together.
    assert!(began.elapsed() >= Duration::from_millis(480), "{:?}", began.elapsed());
    assert!(pieces >= 3, "{pieces}");
}

#[tokio::test]
async fn a_receiver_that_does_not_read_holds_up_the_sender() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = server.local_addr().unwrap();
    let proxy = FaultProxy::builder().target(target).buffers(16 << 10).start().await.unwrap();
    let (mut client, served) = pair(&proxy, &server).await;
    let mut sent = 0_usize;
    while let Ok(count) = timeout(Duration::from_millis(300), client.write(&[0; 64 << 10])).await {
        sent += count.unwrap();
        assert!(sent < 64 << 20, "it takes everything");
    }
    drop(served);
}

#[tokio::test]
async fn a_delay_holds_one_direction_and_what_follows_in_it() {
    let (proxy, server) = proxy().await;
    let delay = Act::Delay(Duration::from_millis(200));
    proxy.rule(Rule::on_data(Toward::Client, 2, delay)).unwrap();
    let (mut client, mut served) = pair(&proxy, &server).await;
    let began = Instant::now();
    served.write_all(b"abcd").await.unwrap();
    assert_eq!(read(&mut client, 2).await, b"ab");
    assert_eq!(read(&mut client, 2).await, b"cd");
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[test]
fn what_no_rule_touches_arrives_as_it_was_sent() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let begin = prop::sample::select(vec![
        Vec::new(),
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        UPGRADE.to_vec(),
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        vec![0x16, 3, 1],
    ]);
    let bytes = prop::collection::vec(any::<u8>(), 0..2_000);
    let history = (begin, bytes.clone(), bytes, 1..600_usize, any::<bool>());
    let mut runner = TestRunner::new(Config::with_cases(48));
    let law = |(begin, up, down, step, granted): (Vec<u8>, Vec<u8>, Vec<u8>, usize, bool)| {
        runtime.block_on(async {
            let (proxy, server) = proxy().await;
            // Rules that are never due must not change anything.
            proxy.rule(Rule::on_frame(Toward::Server, 9_999, Act::Refuse)).unwrap();
            proxy.rule(Rule::on_data(Toward::Client, 99_999, Act::Refuse)).unwrap();
            let (client, served) = pair(&proxy, &server).await;
            let up = [begin, up].concat();
            let down = [if granted { GRANTED } else { b"" }, &down].concat();
            let (client, served) = (client.into_split(), served.into_split());
            let ((), (), got_up, got_down) = tokio::join!(
                write_all(client.1, &up, step),
                write_all(served.1, &down, step),
                read_all(served.0),
                read_all(client.0),
            );
            assert_eq!(got_up, up);
            assert_eq!(got_down, down);
        });
        Ok(())
    };
    runner.run(&history, law).unwrap();
}

#[tokio::test]
async fn events_tell_what_happened_and_nothing_of_what_was_said() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (sender, mut events) = mpsc::channel(64);
    let builder = FaultProxy::builder().target(server.local_addr().unwrap()).events(sender);
    let rule = Rule::on_http(None, "/sparrow", Act::Cut { rst: false });
    let proxy = builder.rule(rule).start().await.unwrap();
    let (mut client, _served) = pair(&proxy, &server).await;
    client.write_all(b"GET /sparrow?token=sparrow HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(soon(client.read(&mut [0; 1])).await.unwrap(), 0);
    let told: Vec<Event> = [next(&mut events).await, next(&mut events).await].into();
    assert_eq!(told[0], Event::Accepted { conn: 1 });
    assert_eq!(told[1], Event::Hit { conn: 1, rule: 1, on: "http", act: "cut" });
    let last = next(&mut events).await;
    assert_eq!(last, Event::Ended { conn: 1, rst: false, to_server: 0, to_client: 0 });
    assert!(!format!("{told:?}{last:?}{:?}", proxy.state()).contains("sparrow"));
}

/// A fault that silently does not happen makes a test pass.
#[tokio::test]
async fn what_cannot_be_read_is_told_and_so_is_a_close_frame_that_comes_to_nothing() {
    for (bytes, tls) in [(&b"\x16\x03\x01\x02\x00\x01"[..], true), (b"SSH-2.0-x\r\n", false)] {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sender, mut events) = mpsc::channel(64);
        let builder = FaultProxy::builder().target(server.local_addr().unwrap()).events(sender);
        let proxy = builder.start().await.unwrap();
        proxy.rule(Rule::on_data(Toward::Server, 3, Act::Close { code: 4401 })).unwrap();
        proxy.rule(Rule::on_frame(Toward::Server, 1, Act::Cut { rst: true }).always()).unwrap();
        let (mut client, mut served) = pair(&proxy, &server).await;
        client.write_all(bytes).await.unwrap();
        assert_eq!(read(&mut served, bytes.len()).await, bytes);
        let told: Vec<Event> =
            [next(&mut events).await, next(&mut events).await, next(&mut events).await].into();
        let close = Event::Hit { conn: 1, rule: 1, on: "data", act: "close" };
        assert_eq!(told, [Event::Accepted { conn: 1 }, Event::Unread { conn: 1, tls }, close]);
        assert_eq!(next(&mut events).await, Event::Missed { conn: 1, act: "close" });
        // Told once, however often it is asked for.
        assert_eq!(proxy.act(&Act::Close { code: 4401 }), 1);
        proxy.act(&Act::Cut { rst: false });
        assert!(matches!(next(&mut events).await, Event::Ended { conn: 1, .. }));
        let state = proxy.state();
        assert_eq!((state.unread, state.missed, state.rules[1].1), (1, 1, 0));
    }
}

#[tokio::test]
async fn a_close_frame_that_was_asked_for_first_is_missed_once_the_stream_cannot_be_read() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (sender, mut events) = mpsc::channel(64);
    let builder = FaultProxy::builder().target(server.local_addr().unwrap()).events(sender);
    let rule = Rule::on_connect(Act::Close { code: 4401 });
    let proxy = builder.rule(rule).start().await.unwrap();
    let (mut client, _served) = pair(&proxy, &server).await;
    for wanted in
        [Event::Accepted { conn: 1 }, Event::Hit { conn: 1, rule: 1, on: "connect", act: "close" }]
    {
        assert_eq!(next(&mut events).await, wanted);
    }
    client.write_all(b"\x16").await.unwrap();
    assert_eq!(next(&mut events).await, Event::Unread { conn: 1, tls: true });
    assert_eq!(next(&mut events).await, Event::Missed { conn: 1, act: "close" });
}

#[tokio::test]
async fn control_connections_that_say_nothing_have_bounded_room() {
    let control = "127.0.0.1:0".parse().unwrap();
    let proxy = FaultProxy::builder().control(control).start().await.unwrap();
    let control = proxy.control().unwrap();
    let mut silent = Vec::new();
    for _ in 0..256 {
        let mut tcp = TcpStream::connect(control).await.unwrap();
        tcp.write_all(b"POST / HTTP/1.1\r\n").await.unwrap();
        silent.push(tcp);
    }
    let mut further = TcpStream::connect(control).await.unwrap();
    let closed = soon(further.read(&mut [0; 1])).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    silent.clear();
    let state = async {
        loop {
            let mut tcp = TcpStream::connect(control).await.unwrap();
            let body = r#"{"do":"state"}"#;
            let head = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 14";
            if tcp.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.is_err() {
                continue;
            }
            let mut answer = String::new();
            if tcp.read_to_string(&mut answer).await.is_ok_and(|count| count > 0) {
                return answer;
            }
        }
    };
    assert!(soon(state).await.starts_with("HTTP/1.1 200"));
}

/// A name such as localhost may have an address that is not served before one that is.
#[tokio::test]
async fn a_connection_goes_to_the_first_address_that_answers() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = FaultProxy::builder().targets([closed, server.local_addr().unwrap()]);
    let proxy = builder.start().await.unwrap();
    let (mut client, mut served) = pair(&proxy, &server).await;
    client.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut served, 5).await, b"hello");
    assert_eq!(proxy.state().unreachable, 0);
}

#[tokio::test]
async fn whoever_finds_no_room_is_told_of() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = FaultProxy::builder().target(server.local_addr().unwrap());
    let proxy = builder.room(2).start().await.unwrap();
    let pairs = [pair(&proxy, &server).await, pair(&proxy, &server).await];
    let mut client = TcpStream::connect(proxy.addr()).await.unwrap();
    assert!(is_reset(&mut client).await);
    let state = proxy.state();
    assert_eq!((state.connections, state.turned_away), (2, 1));
    drop(pairs);
    proxy.until(SOON, |state| state.live == 0).await.unwrap();
    pair(&proxy, &server).await;
}

/// Its lines have a reader who is too slow: what is not told is counted.
#[tokio::test]
async fn what_nobody_takes_is_counted() {
    let (records, mut lines) = mpsc::channel(1);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let builder = FaultProxy::builder().control("127.0.0.1:0".parse().unwrap());
    let stopped = Box::pin(async move { drop(stopped.await) });
    let served = tokio::spawn(redial_testkit::proxy::serve(builder, records, stopped));
    let first = soon(lines.recv()).await.unwrap();
    let listen: SocketAddr = first["listen"].as_str().unwrap().parse().unwrap();
    let control: SocketAddr =
        first["control"].as_str().unwrap().trim_start_matches("http://").parse().unwrap();
    // Each is accepted and, without a target, unreachable and ended; one line finds room.
    for _ in 0..5 {
        assert!(is_reset(&mut TcpStream::connect(listen).await.unwrap()).await);
    }
    let untold = async {
        loop {
            let mut tcp = TcpStream::connect(control).await.unwrap();
            let head = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 14";
            let request = format!("{head}\r\n\r\n{{\"do\":\"state\"}}");
            tcp.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            tcp.read_to_string(&mut answer).await.unwrap();
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            let state: serde_json::Value = serde_json::from_str(body).unwrap();
            if state["untold"] == 14 {
                return;
            }
        }
    };
    soon(untold).await;
    drop(stop);
    soon(served).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_end_of_the_proxy_is_the_end_of_its_connections() {
    let (proxy, server) = proxy().await;
    let (mut client, mut served) = pair(&proxy, &server).await;
    let addr = proxy.addr();
    let ends = async {
        assert_eq!(soon(client.read(&mut [0; 1])).await.unwrap(), 0);
        assert_eq!(soon(served.read(&mut [0; 1])).await.unwrap(), 0);
        drop((client, served));
    };
    tokio::join!(soon(proxy.shutdown()), ends);
    assert!(TcpStream::connect(addr).await.is_err());
}

#[test]
fn what_is_no_rule_is_refused_in_words() {
    let parse = |text: &str| Rule::parse(serde_json::from_str(text).unwrap());
    for (text, reason) in [
        ("[]", "a rule is a JSON object"),
        (r#"{"act":"cut"}"#, "\"on\" is missing"),
        (r#"{"on":"connect"}"#, "\"act\" is missing"),
        (r#"{"on":"rain","act":"cut"}"#, "a rule cannot be on \"rain\""),
        (r#"{"on":"connect","act":"sing"}"#, "unknown act \"sing\""),
        (r#"{"on":"frame","act":"cut"}"#, "\"dir\" is missing"),
        (
            r#"{"on":"data","dir":"both","after":1,"act":"cut"}"#,
            "\"dir\" is to_server or to_client",
        ),
        (r#"{"on":"data","dir":"to_client","act":"cut"}"#, "\"after\" is missing"),
        (
            r#"{"on":"connect","act":"throttle","bytes_per_s":0}"#,
            "\"bytes_per_s\" is 0: that is a blackhole",
        ),
        (
            r#"{"on":"http","act":"cut","every":true}"#,
            "\"every\" is for frames; \"always\" fires without end",
        ),
        (
            r#"{"on":"data","dir":"to_client","after":5,"act":"cut","nth":3}"#,
            "\"nth\" means nothing for a place in the data",
        ),
        (r#"{"on":"connect","act":"cut","nth":0}"#, "\"nth\" counts from 1"),
        (r#"{"on":"connect","act":"cut","times":0}"#, "\"times\" is 0: it would never fire"),
        (
            r#"{"on":"connect","act":"cut","times":2,"always":true}"#,
            "\"always\" and \"times\" contradict each other",
        ),
        (r#"{"on":"connect","act":"cut","loud":1}"#, "unknown field \"loud\" in a rule"),
    ] {
        assert_eq!(parse(text).unwrap_err(), reason, "{text}");
    }
    let rule =
        parse(r#"{"on":"frame","dir":"to_client","nth":2,"at":3,"act":"close","code":4401}"#);
    let wanted = Rule::new(On::Frame { toward: Toward::Client, at: 3 }, Act::Close { code: 4401 });
    assert_eq!(rule.unwrap(), wanted.nth(2));
    let rule = parse(r#"{"on":"connect","times":3,"act":"blackhole","toward":"to_server"}"#);
    let hole = Act::Blackhole { toward: Some(Toward::Server), stall: false };
    assert_eq!(rule.unwrap(), Rule::on_connect(hole).times(3));
}

async fn proxy() -> (FaultProxy, TcpListener) {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: SocketAddr = server.local_addr().unwrap();
    (FaultProxy::builder().target(target).start().await.unwrap(), server)
}

/// Returns both ends of a connection through the proxy.
async fn pair(proxy: &FaultProxy, server: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(proxy.addr()).await.unwrap();
    let (served, _) = soon(server.accept()).await.unwrap();
    (client, served)
}

/// Returns both ends of a WebSocket.
async fn open(proxy: &FaultProxy, server: &TcpListener) -> (TcpStream, TcpStream) {
    let (mut client, mut served) = pair(proxy, server).await;
    client.write_all(UPGRADE).await.unwrap();
    read(&mut served, UPGRADE.len()).await;
    served.write_all(GRANTED).await.unwrap();
    read(&mut client, GRANTED.len()).await;
    (client, served)
}

/// Returns a text frame of a server.
fn text(payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let header = match length {
        0..=125 => vec![0x81, u8::try_from(length).unwrap()],
        126..=65_535 => [&[0x81, 126][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
        _ => [&[0x81, 127][..], &(length as u64).to_be_bytes()].concat(),
    };
    [&header[..], payload].concat()
}

async fn read(tcp: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    soon(tcp.read_exact(&mut bytes)).await.unwrap();
    bytes
}

async fn write_all(mut to: tokio::net::tcp::OwnedWriteHalf, bytes: &[u8], step: usize) {
    for piece in bytes.chunks(step) {
        to.write_all(piece).await.unwrap();
    }
    to.shutdown().await.unwrap();
}

async fn read_all(mut from: tokio::net::tcp::OwnedReadHalf) -> Vec<u8> {
    let mut got = Vec::new();
    soon(from.read_to_end(&mut got)).await.unwrap();
    got
}

async fn is_reset(tcp: &mut TcpStream) -> bool {
    let error = soon(tcp.read(&mut [0; 1])).await.unwrap_err();
    error.kind() == std::io::ErrorKind::ConnectionReset
}

/// Returns whether nothing comes, for a moment that is far longer than anything takes here.
async fn is_silent(tcp: &mut TcpStream) -> bool {
    timeout(Duration::from_millis(200), tcp.read(&mut [0; 1])).await.is_err()
}

async fn next(events: &mut mpsc::Receiver<Event>) -> Event {
    soon(events.recv()).await.unwrap()
}

async fn soon<T>(wait: impl Future<Output = T>) -> T {
    timeout(SOON, wait).await.expect("in time")
}

const UPGRADE: &[u8] = b"GET /ws?token=x HTTP/1.1\r\nupgrade: websocket\r\n\r\n";
const GRANTED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
