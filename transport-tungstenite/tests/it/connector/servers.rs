//! Scripted servers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redial_core::Handshake;
use redial_tungstenite::{Connector, ConnectorBuilder, Deadlines, DialError, Socket};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// What a server does with a connection whose request it has read.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Upgrades, with these header lines besides.
    Upgrade(&'static str),
    /// Upgrades and sends these bytes with the same write.
    Greet(&'static [u8]),
    /// Answers these bytes and closes.
    Bytes(Vec<u8>),
    /// Answers these bytes, one at a time, with `{accept}` filled in, and stays open.
    Drip(String),
    Hang,
    Reset,
}

/// A plain server that treats all connections alike and notes their requests.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                let (reply, log) = (reply.clone(), Arc::clone(&log));
                tokio::spawn(async move {
                    if let Some(socket) = serve(socket, &reply, &log).await {
                        socket.set_zero_linger().unwrap();
                    }
                });
            }
        });
        Self { addr, seen }
    }

    pub(crate) async fn bytes(text: impl Into<String>) -> Self {
        Self::start(Reply::Bytes(text.into().into_bytes())).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.addr)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Serves one connection; gives it back where it is to be reset.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: S,
    reply: &Reply,
    log: &Mutex<Vec<String>>,
) -> Option<S> {
    let head = read_head(&mut socket).await;
    let key = value_of(&head, "sec-websocket-key").unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    log.lock().unwrap().push(head);
    let upgrade = |extra: &str| {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{extra}\r\n"
        )
        .into_bytes()
    };
    match reply {
        Reply::Upgrade(extra) => {
            socket.write_all(&upgrade(extra)).await.ok()?;
            socket.flush().await.ok()?;
            echo(&mut socket).await;
        }
        Reply::Greet(bytes) => {
            let answer = [&*upgrade(""), *bytes].concat();
            socket.write_all(&answer).await.ok()?;
            socket.flush().await.ok()?;
            echo(&mut socket).await;
        }
        Reply::Bytes(bytes) => {
            let _ = socket.write_all(bytes).await;
            let _ = socket.shutdown().await;
            // Reading on keeps the kernel from turning unread input into a reset.
            let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
        }
        Reply::Drip(text) => {
            for byte in text.replace("{accept}", &accept).bytes() {
                socket.write_all(&[byte]).await.ok()?;
                socket.flush().await.ok()?;
                tokio::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        }
        Reply::Hang => std::future::pending().await,
        Reply::Reset => return Some(socket),
    }
    None
}

/// Echoes short frames, unmasked, until the peer leaves.
async fn echo(socket: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    loop {
        let mut head = [0; 6];
        if socket.read_exact(&mut head).await.is_err() {
            return;
        }
        let mut payload = vec![0; usize::from(head[1] & 0x7f)];
        socket.read_exact(&mut payload).await.unwrap();
        for (byte, mask) in payload.iter_mut().zip(head[2..].iter().cycle()) {
            *byte ^= mask;
        }
        let mut frame = vec![head[0], head[1] & 0x7f];
        frame.extend(payload);
        socket.write_all(&frame).await.unwrap();
        socket.flush().await.unwrap();
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

/// Returns the value of a header of a request.
pub(crate) fn value_of(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}

pub(crate) fn to(url: impl Into<String>) -> Handshake {
    Handshake { url: url.into(), ..Handshake::default() }
}

pub(crate) async fn dial(
    builder: ConnectorBuilder,
    handshake: Handshake,
) -> Result<Socket, DialError> {
    let connector = builder.build().unwrap();
    let permit = connector.permit().await;
    let dial = connector.dial(permit, &handshake);
    tokio::time::timeout(GENEROUS, dial).await.expect("the dial ends")
}

/// Sends a text and gets it back.
pub(crate) async fn talk(socket: &mut Socket) {
    use futures_util::{SinkExt, StreamExt};
    socket.send("hello".into()).await.unwrap();
    let answer = tokio::time::timeout(GENEROUS, socket.next()).await.unwrap();
    assert_eq!(answer.unwrap().unwrap().into_text().unwrap(), "hello");
}

/// An address where nobody listens.
pub(crate) async fn dead_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A server that accepts TCP and neither reads nor writes.
pub(crate) async fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held: Vec<TcpStream> = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            held.push(socket);
        }
    });
    addr
}

pub(crate) fn total(limit: Duration) -> Deadlines {
    Deadlines { total: Some(limit), ..Deadlines::default() }
}

pub(crate) fn builder() -> ConnectorBuilder {
    Connector::builder()
}

/// Far more than any step on loopback takes, less than the default deadline.
pub(crate) const GENEROUS: Duration = Duration::from_secs(15);
pub(crate) const SHORT: Duration = Duration::from_millis(50);
