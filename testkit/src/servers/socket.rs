//! A live WebSocket of the simulator: reads, writes, and obeys the script.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::fault::Silence;
use super::frame::{self, Decoder, Message, Violation};
use super::hub::Hub;
use super::valve::{End, Link};
use super::wire::show_binary;

/// Something to be written to a client.
#[derive(Clone, Debug)]
pub(crate) enum Out {
    Text(String),
    /// A text whose writing the vendor hears of, by this mark.
    Marked(String, String),
    Binary(Bytes),
    Ping(Bytes),
    Raw(Bytes),
    Close(u16, String),
    /// The end of the connection, without a close frame, after what was queued before.
    Cut,
    /// Nothing; makes the socket look at its deadlines again.
    Wake,
}

/// The way to a live socket.
#[derive(Clone, Debug)]
pub(crate) struct SocketHandle {
    pub(crate) conn: u64,
    pub(crate) link: Link,
    queue: mpsc::Sender<Out>,
    quiet: Arc<Quiet>,
}

/// The silenced directions of one socket.
#[derive(Debug, Default)]
struct Quiet {
    to_client: AtomicBool,
    to_server: AtomicBool,
}

impl SocketHandle {
    /// Makes the handle and the queue's other end.
    pub(crate) fn new(conn: u64, link: Link) -> (Self, mpsc::Receiver<Out>) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        (Self { conn, link, queue, quiet: Arc::default() }, receiver)
    }

    /// Queues a frame; false when the client cannot hear it.
    pub(crate) fn send(&self, out: Out) -> bool {
        !self.is_muted() && self.queue.try_send(out).is_ok()
    }

    /// Makes the socket look at its deadlines again.
    pub(crate) fn wake(&self) {
        let _ = self.queue.try_send(Out::Wake);
    }

    /// Queues a frame for later.
    pub(crate) fn send_after(&self, delay: Duration, out: Out) {
        if delay.is_zero() {
            self.send(out);
            return;
        }
        let handle = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            handle.send(out);
        });
    }

    /// Changes what is silenced.
    pub(crate) fn silence(&self, silence: Silence) {
        let to_client = silence.on && silence.direction.mutes_server();
        let to_server = silence.on && silence.direction.mutes_client();
        self.quiet.to_client.store(to_client, Ordering::SeqCst);
        self.quiet.to_server.store(to_server, Ordering::SeqCst);
        self.link.valve.stall(to_server && silence.stall);
    }

    pub(crate) fn is_muted(&self) -> bool {
        self.quiet.to_client.load(Ordering::SeqCst)
    }

    pub(crate) fn is_deaf(&self) -> bool {
        self.quiet.to_server.load(Ordering::SeqCst)
    }
}

/// Drives one socket to its end.
pub(crate) async fn run<Io>(hub: Arc<Hub>, handle: SocketHandle, queue: mpsc::Receiver<Out>, io: Io)
where
    Io: AsyncRead + AsyncWrite + Send + Unpin,
{
    let conn = handle.conn;
    let mut socket = Socket {
        hub: hub.clone(),
        handle,
        decoder: Decoder::default(),
        output: BytesMut::new(),
        flushed: true,
        backlog: Vec::new(),
        active: Instant::now(),
        state: State::Open,
    };
    socket.drive(io, queue).await;
    hub.remove(conn);
}

struct Socket {
    hub: Arc<Hub>,
    handle: SocketHandle,
    decoder: Decoder,
    output: BytesMut,
    flushed: bool,
    backlog: Vec<Out>,
    active: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Open,
    /// Our close frame is out; the client's is awaited until then.
    Closing(Instant),
    /// Write what is left, then end.
    Ending,
}

impl Socket {
    async fn drive<Io>(&mut self, io: Io, mut queue: mpsc::Receiver<Out>)
    where
        Io: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let (mut reader, mut writer) = tokio::io::split(io);
        let link = self.handle.link.clone();
        loop {
            // What was queued together is written together.
            for out in std::mem::take(&mut self.backlog) {
                self.write(out);
            }
            if self.state == State::Ending || self.output.len() > MAX_OUTPUT {
                let _ = timeout(CLOSE_GRACE, async {
                    let _ = writer.write_all(&self.output).await;
                    let _ = writer.flush().await;
                    let _ = writer.shutdown().await;
                })
                .await;
                return;
            }
            let deadline = self.deadline();
            tokio::select! {
                biased;
                end = link.valve.killed() => return self.cut(end),
                written = write(&mut writer, &mut self.output, self.flushed) => match written {
                    Ok(flushed) => self.flushed = flushed,
                    Err(_) => return self.ended(),
                },
                1.. = queue.recv_many(&mut self.backlog, QUEUE) => {}
                read = reader.read_buf(self.decoder.buffer()) => match read {
                    Ok(0) | Err(_) => return self.ended(),
                    Ok(_) => self.take_messages(),
                },
                () = link.peer_gone() => return self.ended(),
                () = until(deadline) => self.expire(),
            }
        }
    }

    fn take_messages(&mut self) {
        loop {
            match self.decoder.next() {
                Ok(None) => return,
                Ok(Some(_)) if self.handle.is_deaf() => {
                    self.hub.swallowed.fetch_add(1, Ordering::SeqCst);
                    self.hub.wire.touch();
                }
                Ok(Some(message)) => self.take(message),
                Err(Violation(code, reason)) => {
                    self.hub.bad_frames.fetch_add(1, Ordering::SeqCst);
                    self.write(Out::Close(code, reason.to_owned()));
                    self.state = State::Ending;
                    return;
                }
            }
            if self.state == State::Ending {
                return;
            }
        }
    }

    fn take(&mut self, message: Message) {
        self.log_in(&message);
        match (self.state, message) {
            (State::Open, Message::Close(code, reason)) => {
                self.write(Out::Close(code, reason));
                self.state = State::Ending;
                self.hub.remove(self.handle.conn);
            }
            (_, Message::Close(..)) => self.state = State::Ending,
            (State::Open, Message::Ping(data)) => {
                self.active = Instant::now();
                if self.hub.vendor.answers_pings() {
                    self.frame(frame::PONG, &data, "pong", |record| {
                        record.insert("data".into(), json!(String::from_utf8_lossy(&data)));
                    });
                }
                self.hub.vendor.message(&self.hub, &self.handle, Message::Ping(data));
            }
            (State::Open, message) => {
                self.active = Instant::now();
                self.hub.vendor.message(&self.hub, &self.handle, message);
            }
            _ => {}
        }
    }

    /// Encodes and logs something, unless the client is not to hear it.
    fn write(&mut self, out: Out) {
        if self.state != State::Open {
            return;
        }
        match out {
            Out::Wake => {}
            Out::Text(text) => {
                let wire = self.hub.wire.clone();
                self.frame(frame::TEXT, text.as_bytes(), "text", |record| {
                    wire.show_text(record, &text);
                });
            }
            Out::Marked(text, mark) => {
                if !self.handle.is_muted() {
                    self.hub.vendor.wrote(self.handle.conn, &mark);
                }
                self.write(Out::Text(text));
            }
            Out::Cut => {
                self.cut(End::Fin);
                self.state = State::Ending;
            }
            Out::Binary(data) => self.frame(frame::BINARY, &data, "binary", |record| {
                show_binary(record, &data);
            }),
            Out::Ping(data) => self.frame(frame::PING, &data, "ping", |record| {
                record.insert("data".into(), json!(String::from_utf8_lossy(&data)));
            }),
            Out::Raw(data) => {
                if !self.handle.is_muted() {
                    self.log("server", "raw", |record| show_binary(record, &data));
                    self.output.extend_from_slice(&data);
                    self.flushed = false;
                }
            }
            Out::Close(code, reason) => {
                if self.handle.is_muted() {
                    return;
                }
                let payload = frame::close_payload(code, &reason);
                let shown = self.hub.wire.redact(&reason);
                self.frame(frame::CLOSE, &payload, "close", |record| {
                    if code != 1005 {
                        record.insert("code".into(), json!(code));
                    }
                    record.insert("reason".into(), json!(shown));
                });
                self.state = State::Closing(Instant::now() + CLOSE_GRACE);
                self.hub.remove(self.handle.conn);
            }
        }
    }

    fn frame(
        &mut self,
        opcode: u8,
        payload: &[u8],
        name: &str,
        fill: impl FnOnce(&mut Map<String, Value>),
    ) {
        if !self.handle.is_muted() {
            self.log("server", name, fill);
            frame::encode_into(&mut self.output, opcode, payload);
            self.flushed = false;
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Open => self.hub.vendor.idle().map(|(idle, _)| self.active + idle),
            State::Closing(until) => Some(until),
            State::Ending => None,
        }
    }

    fn expire(&mut self) {
        match (self.state, self.hub.vendor.idle()) {
            (State::Open, Some((idle, code))) if self.active + idle <= Instant::now() => {
                self.write(Out::Close(code, "idle".to_owned()));
                // A client that cannot hear the close frame is asked again after as long.
                self.active = Instant::now();
            }
            (State::Closing(_), _) => self.state = State::Ending,
            _ => {}
        }
    }

    fn cut(&self, end: End) {
        let note = match end {
            End::Fin => "TCP connection cut without a close frame",
            End::Reset => "TCP connection reset",
        };
        self.log("server", "tcp-drop", |record| {
            record.insert("note".into(), json!(note));
        });
        self.hub.remove(self.handle.conn);
    }

    fn ended(&self) {
        self.hub.remove(self.handle.conn);
        self.log("client", "eof", |record| {
            record.insert("code".into(), json!(1006));
            record.insert("reason".into(), json!(""));
        });
    }

    fn log_in(&self, message: &Message) {
        let wire = &self.hub.wire;
        match message {
            Message::Text(text) => {
                self.hub.vendor.label_frame(&self.hub, text);
                self.log("client", "text", |record| wire.show_text(record, text));
            }
            Message::Binary(data) => {
                self.log("client", "binary", |record| show_binary(record, data));
            }
            Message::Ping(data) | Message::Pong(data) => {
                let name = if matches!(message, Message::Ping(_)) { "ping" } else { "pong" };
                self.log("client", name, |record| {
                    record.insert("data".into(), json!(String::from_utf8_lossy(data)));
                });
            }
            Message::Close(code, reason) => {
                // An empty close frame is an `eof` with 1005, as in the recordings.
                let name = if *code == 1005 { "eof" } else { "close" };
                self.log("client", name, |record| {
                    record.insert("code".into(), json!(code));
                    record.insert("reason".into(), json!(wire.redact(reason)));
                });
            }
        }
    }

    fn log(&self, dir: &str, name: &str, fill: impl FnOnce(&mut Map<String, Value>)) {
        let mut record = Map::new();
        record.insert("dir".into(), json!(dir));
        record.insert("channel".into(), json!("ws"));
        record.insert("conn".into(), json!(self.handle.conn));
        record.insert("frame".into(), json!(name));
        fill(&mut record);
        self.hub.wire.push(record);
    }
}

/// Writes or flushes something; tells whether nothing is left to flush.
async fn write<W: AsyncWrite + Unpin>(
    writer: &mut W,
    output: &mut BytesMut,
    flushed: bool,
) -> std::io::Result<bool> {
    if !output.is_empty() {
        writer.write_buf(output).await?;
        return Ok(false);
    }
    if flushed {
        return pending().await;
    }
    writer.flush().await?;
    Ok(true)
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

const QUEUE: usize = 16 * 1024;
const MAX_OUTPUT: usize = 128 * 1024 * 1024;
const CLOSE_GRACE: Duration = Duration::from_secs(2);
