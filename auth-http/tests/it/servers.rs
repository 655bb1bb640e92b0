//! Small servers that do exactly what a test scripts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redial_core::http::{HttpRequest, Method};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a raw server does once it has read the head of a request.
#[derive(Clone)]
pub(crate) enum Reply {
    Bytes(Vec<u8>),
    Hang,
    Reset,
}

/// A server that answers each connection with the same bytes and notes what it was sent.
pub(crate) struct RawServer {
    pub(crate) addr: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
}

impl RawServer {
    pub(crate) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, reply.clone(), Arc::clone(&log)));
            }
        });
        Self { addr, seen }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut socket: TcpStream, reply: Reply, log: Arc<Mutex<Vec<String>>>) {
    let head = read_head(&mut socket).await;
    log.lock().unwrap().push(head);
    match reply {
        Reply::Bytes(bytes) => {
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
            // Reading on keeps the kernel from turning unread input into a reset.
            let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
        }
        Reply::Hang => std::future::pending().await,
        Reply::Reset => {
            socket.set_zero_linger().unwrap();
        }
    }
}

/// Reads up to the empty line that ends a head.
pub(crate) async fn read_head(socket: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

pub(crate) fn get(url: impl Into<String>) -> HttpRequest {
    HttpRequest {
        method: Method::Get,
        url: url.into(),
        headers: Vec::new(),
        body: Default::default(),
    }
}

pub(crate) fn post(url: impl Into<String>, body: &'static str) -> HttpRequest {
    HttpRequest { method: Method::Post, body: body.into(), ..get(url) }
}

/// A client without limits that could matter to a test.
pub(crate) fn client() -> redial_auth_http::ReqwestClient {
    redial_auth_http::ReqwestClient::builder().build().unwrap()
}

/// Far more than any step on loopback takes, far less than a limit that was forgotten.
pub(crate) const GENEROUS: Duration = Duration::from_secs(20);
