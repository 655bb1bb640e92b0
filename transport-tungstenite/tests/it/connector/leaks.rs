//! Canaries in every place where a secret can stand; none may ever be seen.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::sync::{Mutex, Once};

use redial_core::Handshake;
use redial_tungstenite::{ConnectorBuilder, Deadlines, DialError};

use super::servers::{Reply, SHORT, Server, builder, dead_address, silent, to};
use super::tls::TlsServer;

/// All canaries have this in common.
const CANARY: &str = "canary";

fn handshake(base: &str) -> Handshake {
    Handshake {
        url: format!("{base}/canary-path?token=canary-query"),
        headers: vec![("Authorization", "Bearer canary-header".into())],
        subprotocols: vec![],
    }
}

/// Dials and returns everything that a careless application could print of it.
async fn everything_shown(builder: ConnectorBuilder, handshake: Handshake) -> String {
    let limit = Some(SHORT);
    let builder = builder
        .deadlines(Deadlines { proxy: limit, tls: limit, upgrade: limit, ..Deadlines::default() })
        .header("X-Fleet", "canary-fleet-header");
    let mut shown = format!("{builder:?} {handshake:?}");
    let connector = match builder.build() {
        Ok(connector) => connector,
        Err(error) => {
            show_error(&mut shown, &error);
            return shown;
        }
    };
    write!(shown, " {connector:?}").unwrap();
    let permit = connector.permit().await;
    write!(shown, " {permit:?}").unwrap();
    match connector.dial(permit, &handshake).await {
        Ok(socket) => write!(shown, " {:?}", socket.get_ref()).unwrap(),
        Err(error) => {
            let error: DialError = error;
            show_error(&mut shown, &error);
        }
    }
    shown
}

fn show_error(shown: &mut String, error: &(dyn Error + 'static)) {
    let mut next = Some(error);
    while let Some(error) = next {
        write!(shown, " {error} {error:?} {error:#?}").unwrap();
        next = error.source();
    }
}

#[tokio::test]
async fn no_canary_is_shown_or_logged() {
    capture_everything();
    let refusal = "HTTP/1.1 401 canary-reason\r\nX-Secret: canary-answer-header\r\n\r\ncanary-body";
    let replies = [
        Reply::Upgrade("X-Secret: canary-answer-header\r\n"),
        Reply::Upgrade("Sec-WebSocket-Protocol: canary-protocol\r\n"),
        Reply::Upgrade("Sec-WebSocket-Extensions: canary-extension\r\n"),
        Reply::Bytes(refusal.into()),
        Reply::Bytes(refusal.replace("401 canary-reason", "302 Found\r\nLocation: canary").into()),
        Reply::Bytes("canary-garbage\r\n\r\n".into()),
        Reply::Bytes("HTTP/1.1 101 OK\r\nUpgrade: canary\r\n\r\n".into()),
        Reply::Reset,
        Reply::Hang,
    ];
    let mut shown = String::new();
    for reply in replies {
        let plain = Server::start(reply.clone()).await;
        shown += &everything_shown(builder(), handshake(&plain.url(""))).await;
        let tls = TlsServer::start(reply).await;
        let base = tls.url();
        let base = base.trim_end_matches('/');
        shown += &everything_shown(builder().root_pem(&*tls.root), handshake(base)).await;
        shown += &everything_shown(builder(), handshake(base)).await;
    }
    let garbage = Server::bytes("HTTP/1.1 407 canary\r\nX: canary\r\n\r\n").await;
    for scheme in ["http", "socks5", "socks5h", "canary"] {
        for proxy in [dead_address().await, silent().await, garbage.addr] {
            let url = format!("{scheme}://canary-user:canary-password@{proxy}");
            shown += &everything_shown(builder().proxy(url), handshake("ws://127.0.0.1:1")).await;
        }
    }
    for url in ["ws://canary name/", "canary://h/", "ws://canary:canary@h/", "ws://[canary/"] {
        shown += &everything_shown(builder(), to(url)).await;
        shown += &everything_shown(builder().proxy(url), to(url)).await;
    }
    for (name, value) in [("canary name", "x"), ("x-a", "canary\r\nvalue")] {
        let headers = vec![(name, value.into())];
        let handshake = Handshake { headers, ..handshake("ws://127.0.0.1:1") };
        shown += &everything_shown(builder(), handshake).await;
        shown += &everything_shown(builder().header(name, value), to("ws://127.0.0.1:1")).await;
    }

    assert_clean("shown", &shown);
    let traced = String::from_utf8(TRACED.lock().unwrap().clone()).unwrap();
    assert!(traced.contains("redial.dial"), "the capture works");
    assert_clean("traced", &traced);
    assert_clean("logged", &LOGGED.lock().unwrap().clone());
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    let lines: Vec<_> = text.lines().filter(|line| line.contains(CANARY)).collect();
    assert!(lines.is_empty(), "{what}: {lines:#?}");
}

pub(crate) static TRACED: Mutex<Vec<u8>> = Mutex::new(Vec::new());
pub(crate) static LOGGED: Mutex<String> = Mutex::new(String::new());

/// Listens to `tracing` and to the `log` crate, which tungstenite and others use.
///
/// Both are captured for the whole process: what other tests add does no harm, and all threads are heard.
pub(crate) fn capture_everything() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(|| Traced)
            .with_ansi(false)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log::set_logger(&Logger).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

struct Traced;

impl io::Write for Traced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TRACED.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // Heads come first; of the frames that other tests exchange the start will do.
        let text: String = record.args().to_string().chars().take(4096).collect();
        let mut logged = LOGGED.lock().unwrap();
        writeln!(logged, "{}: {text}", record.target()).unwrap();
    }

    fn flush(&self) {}
}
