//! One open socket.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use redial_core::{Cause, ConnId, Fault, Frame, Problem, Transmit};
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::connector::Socket;

/// An open socket and the connection that it is.
pub(super) struct Live {
    pub(super) conn: ConnId,
    socket: Socket,
}

/// What a socket said.
pub(super) enum Read {
    Frame(Frame),
    Ended {
        cause: Cause,
        /// What the peer wrote into its close frame.
        reason: String,
        problem: Option<Problem>,
        /// The close code that the peer gets; none where there is nobody to tell.
        answer: Option<u16>,
    },
}

/// Whether a socket takes more.
pub(super) enum Write {
    Ready,
    Full,
    Ended(Read),
}

/// Whether a frame was taken.
pub(super) enum Sent {
    Yes,
    /// It cannot be sent, on this socket or on any.
    Not(&'static str),
    Ended(Read),
}

impl Live {
    pub(super) fn new(conn: ConnId, socket: Socket) -> Self {
        Self { conn, socket }
    }

    pub(super) fn poll_read(&mut self, task: &mut Context<'_>) -> Poll<Read> {
        loop {
            let Poll::Ready(message) = self.socket.poll_next_unpin(task) else {
                return Poll::Pending;
            };
            return Poll::Ready(match message {
                Some(Ok(Message::Text(text))) => Read::Frame(Frame::Text(text.into())),
                Some(Ok(Message::Binary(bytes))) => Read::Frame(Frame::Binary(bytes)),
                Some(Ok(Message::Ping(bytes))) => Read::Frame(Frame::Ping(bytes)),
                Some(Ok(Message::Pong(bytes))) => Read::Frame(Frame::Pong(bytes)),
                Some(Ok(Message::Close(frame))) => closed(frame.as_ref()),
                // Raw frames are only ever written.
                Some(Ok(Message::Frame(_))) => continue,
                Some(Err(error)) => broken(&error),
                None => cut(),
            });
        }
    }

    pub(super) fn poll_ready(&mut self, task: &mut Context<'_>) -> Write {
        match self.socket.poll_ready_unpin(task) {
            Poll::Pending => Write::Full,
            Poll::Ready(Ok(())) => Write::Ready,
            Poll::Ready(Err(error)) => written(&error),
        }
    }

    pub(super) fn start_send(&mut self, transmit: Transmit, reason: &'static str) -> Sent {
        let message = match transmit {
            Transmit::Frame(Frame::Text(bytes)) => match Utf8Bytes::try_from(bytes) {
                Ok(text) => Message::Text(text),
                // The peer is spared it.
                Err(_) => return Sent::Not("an adapter wrote text that is not UTF-8"),
            },
            Transmit::Frame(Frame::Binary(bytes)) => Message::Binary(bytes),
            Transmit::Frame(Frame::Ping(bytes)) => Message::Ping(bytes),
            Transmit::Frame(Frame::Pong(bytes)) => Message::Pong(bytes),
            Transmit::Close { code } => Message::Close(Some(close_frame(code, reason))),
        };
        match self.socket.start_send_unpin(message) {
            Ok(()) => Sent::Yes,
            Err(error) => match written(&error) {
                Write::Ended(read) => Sent::Ended(read),
                Write::Ready | Write::Full => Sent::Not("a message exceeds the write buffer"),
            },
        }
    }

    pub(super) fn poll_flush(&mut self, task: &mut Context<'_>) -> Write {
        match self.socket.poll_flush_unpin(task) {
            Poll::Pending => Write::Full,
            Poll::Ready(Ok(())) => Write::Ready,
            Poll::Ready(Err(error)) => written(&error),
        }
    }

    /// Leaves the socket to itself: a close frame is sent or answered, in bounded time, and
    /// nothing that it says is heard any more.
    pub(super) fn part(self, code: Option<u16>) {
        let Some(code) = code else { return };
        let mut socket = self.socket;
        tokio::spawn(tokio::time::timeout(PARTING, async move {
            // Refused where a close frame has come or gone: what answers it is in the buffer.
            let _ = socket.send(Message::Close(Some(close_frame(code, "")))).await;
            if socket.flush().await.is_ok() {
                // The peer ends TCP. Whoever goes with bytes unread sends a reset, which would
                // overtake the close frame.
                let _ = tokio::io::copy(socket.get_mut(), &mut tokio::io::sink()).await;
            }
        }));
    }
}

fn closed(frame: Option<&CloseFrame>) -> Read {
    let (code, reason) = match frame {
        Some(frame) => (u16::from(frame.code), frame.reason.as_str().to_owned()),
        None => (NO_CODE, String::new()),
    };
    // The answer is queued already; it has the code that came in.
    Read::Ended { cause: Cause::Close(code), reason, problem: None, answer: Some(code) }
}

fn cut() -> Read {
    Read::Ended { cause: Cause::Network, reason: String::new(), problem: None, answer: None }
}

/// Tells a peer that breaks the protocol from a connection that breaks.
fn broken(error: &Error) -> Read {
    let (code, text) = match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) | Error::Capacity(_) => {
            (1009, "the peer sent more than a message may hold")
        }
        Error::Utf8(_) => (1007, "the peer sent text that is not UTF-8"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return cut(),
        Error::Protocol(_) | Error::AttackAttempt => {
            (1002, "the peer broke the WebSocket protocol")
        }
        _ => return cut(),
    };
    let problem = Some(Problem { fault: Fault::Vendor, text });
    Read::Ended { cause: Cause::Close(code), reason: String::new(), problem, answer: Some(code) }
}

fn written(error: &Error) -> Write {
    match error {
        Error::WriteBufferFull(_) => Write::Full,
        error => Write::Ended(broken(error)),
    }
}

fn close_frame(code: u16, reason: &'static str) -> CloseFrame {
    // A code that must not stand in a frame is answered with a plain goodbye.
    let code = CloseCode::from(code);
    let code = if code.is_allowed() { code } else { CloseCode::Normal };
    CloseFrame { code, reason: Utf8Bytes::from_static(reason) }
}

/// The code of a close frame that has none.
const NO_CODE: u16 = 1005;
/// How long a goodbye may take.
const PARTING: Duration = Duration::from_secs(2);
