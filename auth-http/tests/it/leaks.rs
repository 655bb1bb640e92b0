//! Canaries in every place where a secret can stand; none may ever be seen.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::sync::{Mutex, Once};
use std::time::Duration;

use redial_auth_http::{HttpClient, HttpError, ReqwestClient, ReqwestClientBuilder};
use redial_core::http::{HttpRequest, Method};
use tokio::net::TcpListener;

use crate::servers::{RawServer, Reply};

/// All canaries have this in common.
const CANARY: &str = "canary";

fn request(base: &str) -> HttpRequest {
    HttpRequest {
        method: Method::Post,
        url: format!("{base}/canary-path?token=canary-query#canary-fragment"),
        headers: vec![("authorization", "Bearer canary-header".into())],
        body: "password=canary-body".into(),
    }
}

/// Performs `request` and returns everything that a careless application could print of it.
async fn everything_shown(builder: ReqwestClientBuilder, request: HttpRequest) -> String {
    let mut shown = format!("{builder:?} {request:?}");
    let client = builder.build().unwrap();
    write!(shown, " {client:?}").unwrap();
    match client.perform(request).await {
        Ok(answer) => write!(shown, " {answer:?}").unwrap(),
        Err(error) => show_error(&mut shown, &error),
    }
    shown
}

fn show_error(shown: &mut String, error: &HttpError) {
    write!(shown, " {error:?} {error:#?}").unwrap();
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        write!(shown, " {error} {error:?}").unwrap();
        next = error.source();
    }
}

#[tokio::test]
async fn no_canary_is_shown_or_logged() {
    capture_everything();

    let answer = "HTTP/1.1 200 OK\r\nX-Secret: canary-answer-header\r\nContent-Length: 18\r\n\r\n\
        canary-answer-body";
    let redirect = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/canary-location\r\n\
        Content-Length: 0\r\n\r\n";
    let replies = [
        Reply::Bytes(answer.into()),
        Reply::Bytes(redirect.into()),
        Reply::Bytes("HTTP/1.1 200 OK\r\nX: canary-garbage\r\nno colon canary\r\n\r\n".into()),
        Reply::Bytes("canary-garbage\r\n\r\n".into()),
        Reply::Bytes(answer.replace("18", "90").into()),
        Reply::Bytes(answer.replace("18", "9000000").into()),
        Reply::Reset,
        Reply::Hang,
    ];
    let mut shown = String::new();
    for reply in replies {
        let server = RawServer::start(reply).await;
        let builder = ReqwestClient::builder().exchange_timeout(Some(Duration::from_millis(80)));
        shown += &everything_shown(builder, request(&server.url(""))).await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = listener.local_addr().unwrap();
    drop(listener);
    let plain = RawServer::start(Reply::Bytes(b"HTTP/1.1 407 No\r\n\r\n".to_vec())).await;
    for scheme in ["http", "socks5", "socks5h"] {
        for proxy in [dead, plain.addr] {
            for base in ["http://127.0.0.1:1", "https://127.0.0.1:1"] {
                let url = format!("{scheme}://canary-user:canary-password@{proxy}");
                let builder = ReqwestClient::builder()
                    .connect_timeout(Some(Duration::from_millis(80)))
                    .proxy(url);
                shown += &everything_shown(builder, request(base)).await;
            }
        }
    }
    let bad = ["http://canary-host name/", "canary-scheme://host/", "http://[canary/"];
    for url in bad {
        let request = HttpRequest { url: url.into(), ..request("") };
        shown += &everything_shown(ReqwestClient::builder(), request).await;
        if let Err(error) = ReqwestClient::builder().proxy(url).build() {
            show_error(&mut shown, &error);
        }
    }
    let mut bad = request("http://127.0.0.1:1");
    bad.headers = vec![("x-a", "canary\r\nvalue".into()), ("canary name", "x".into())];
    shown += &everything_shown(ReqwestClient::builder(), bad).await;
    assert_clean("shown", &shown);
    let traced = String::from_utf8(TRACED.lock().unwrap().clone()).unwrap();
    assert!(traced.contains("redial.http"), "the capture works");
    assert_clean("traced", &traced);
    let logged = LOGGED.lock().unwrap().clone();
    assert!(logged.contains("starting new connection"), "the capture works");
    assert_clean("logged", &logged);
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    let lines: Vec<_> = text.lines().filter(|line| line.contains(CANARY)).collect();
    assert!(lines.is_empty(), "{what}: {lines:#?}");
}

static TRACED: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static LOGGED: Mutex<String> = Mutex::new(String::new());

/// Listens to `tracing` and to the `log` crate, which reqwest and others use.
///
/// Both are captured for the whole process: what other tests add does no harm, and the tasks that
/// hyper spawns are heard wherever they run.
fn capture_everything() {
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
        let mut logged = LOGGED.lock().unwrap();
        writeln!(logged, "{}: {}", record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}
