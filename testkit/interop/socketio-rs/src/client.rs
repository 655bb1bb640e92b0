//! redial's connection on a socket of tokio-tungstenite.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use redial_core::Frame;
use redial_socketio::{Connection, Error, Generation, Limits, Signal};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A connection on its socket.
pub struct Client {
    /// What is tested.
    pub connection: Connection,
    /// The heartbeats that came or were answered.
    pub heartbeats: usize,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// Why nothing more comes.
#[derive(Debug)]
pub enum Failure {
    /// The server has closed the socket.
    Closed,
    /// The socket has failed.
    Socket(tungstenite::Error),
    /// What came cannot be understood.
    Protocol(Error),
    /// What was waited for did not come.
    Timeout,
}

impl Client {
    /// Opens a socket. `query` comes before the parameters of the protocol.
    pub async fn dial(base: &str, query: &str, generation: Generation) -> Result<Self, Failure> {
        let address = format!("{base}/socket.io/?{query}{}", generation.query());
        let (socket, _) = connect_async(address).await.map_err(Failure::Socket)?;
        let connection = Connection::new(generation, Limits::DEFAULT);
        Ok(Self { connection, heartbeats: 0, socket })
    }

    /// Waits for the next signal that is no heartbeat, and writes what is to be written.
    pub async fn signal(&mut self) -> Result<Signal, Failure> {
        timeout(Duration::from_secs(5), self.next()).await.map_err(|_| Failure::Timeout)?
    }

    /// Writes what is to be written.
    pub async fn flush(&mut self) -> Result<(), Failure> {
        while let Some(frame) = self.connection.poll_frame() {
            let message = match frame {
                Frame::Text(text) => Message::Text(text.try_into().expect("text is UTF-8")),
                Frame::Binary(bytes) => Message::Binary(bytes),
                Frame::Ping(bytes) => Message::Ping(bytes),
                Frame::Pong(bytes) => Message::Pong(bytes),
            };
            self.socket.send(message).await.map_err(Failure::Socket)?;
        }
        Ok(())
    }

    /// Stays for a while, pinging an older server in the interval that it asks for.
    pub async fn stay(&mut self, span: Duration, interval: Duration) -> Result<(), Failure> {
        let end = tokio::time::Instant::now() + span;
        while tokio::time::Instant::now() < end {
            self.connection.ping().expect("room for a ping");
            match timeout(interval, self.next()).await {
                Ok(Ok(signal)) => panic!("unasked: {signal:?}"),
                Ok(Err(failure)) => return Err(failure),
                Err(_) => {}
            }
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Signal, Failure> {
        loop {
            self.flush().await?;
            match self.connection.poll_signal() {
                Some(Signal::Ping | Signal::Pong) => self.heartbeats += 1,
                Some(signal) => return Ok(signal),
                None => {
                    let frame = match self.socket.next().await {
                        Some(Ok(Message::Text(text))) => Frame::Text(text.into()),
                        Some(Ok(Message::Binary(bytes))) => Frame::Binary(bytes),
                        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                            continue;
                        }
                        Some(Ok(Message::Close(_))) | None => return Err(Failure::Closed),
                        Some(Err(error)) => return Err(Failure::Socket(error)),
                    };
                    self.connection.handle_frame(&frame).map_err(Failure::Protocol)?;
                }
            }
        }
    }
}
