//! A WebSocket that blocks, for a while.

use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use redial_core::{Cause, ConnId, Frame, Handshake, Span, Timestamp, http};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::error::{CapacityError, Error, ProtocolError};
use tungstenite::http::Response;
use tungstenite::protocol::{CloseFrame, WebSocket};
use tungstenite::{HandshakeError, Message, Utf8Bytes};

/// A connection.
pub(crate) struct Socket {
    pub(crate) conn: ConnId,
    inner: WebSocket<TcpStream>,
}

impl Socket {
    /// Dials. It may take a while.
    pub(crate) fn dial(
        conn: ConnId,
        handshake: &Handshake,
        now: Timestamp,
    ) -> Result<Self, (Cause, Option<Span>)> {
        let broken = |_| (Cause::Network, None);
        let request = handshake.url.as_str().into_client_request().map_err(|_| NOTHING)?;
        let authority = request.uri().authority().ok_or(NOTHING)?;
        let stream = connect(authority.as_str()).map_err(broken)?;
        match tungstenite::client(request, stream) {
            Ok((inner, _)) => Ok(Self { conn, inner }),
            Err(HandshakeError::Failure(Error::Http(answer))) => Err(refusal(&answer, now)),
            Err(HandshakeError::Failure(_) | HandshakeError::Interrupted(_)) => Err(NOTHING),
        }
    }

    /// Reads a frame, or nothing where none comes in time.
    pub(crate) fn read(&mut self, patience: Duration) -> Result<Option<Frame>, Cause> {
        let patience = patience.max(Duration::from_millis(1));
        let set = self.inner.get_ref().set_read_timeout(Some(patience));
        set.map_err(|_| Cause::Network)?;
        match self.inner.read() {
            Ok(Message::Text(text)) => Ok(Some(Frame::Text(text.into()))),
            Ok(Message::Binary(bytes)) => Ok(Some(Frame::Binary(bytes))),
            Ok(Message::Ping(bytes)) => Ok(Some(Frame::Ping(bytes))),
            Ok(Message::Pong(bytes)) => Ok(Some(Frame::Pong(bytes))),
            Ok(Message::Frame(_)) => Ok(None),
            Ok(Message::Close(frame)) => {
                // The answer to it has been prepared.
                let _ = self.inner.flush();
                Err(Cause::Close(frame.map_or(1005, |frame| frame.code.into())))
            }
            Err(error) => self.judge(error),
        }
    }

    pub(crate) fn write(&mut self, frame: Frame) -> Result<(), Cause> {
        let message = match frame {
            Frame::Text(bytes) => {
                Message::Text(Utf8Bytes::try_from(bytes).map_err(|_| Cause::Close(1007))?)
            }
            Frame::Binary(bytes) => Message::Binary(bytes),
            Frame::Ping(bytes) => Message::Ping(bytes),
            Frame::Pong(bytes) => Message::Pong(bytes),
        };
        let written = self.inner.send(message);
        written.or_else(|error| self.judge(error).map(|_| ()))
    }

    /// Says goodbye. The peer's answer comes as the end of reading.
    pub(crate) fn close(&mut self, code: u16) -> Result<(), Cause> {
        let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::default() };
        let closed = self.inner.close(Some(frame)).and_then(|()| self.inner.flush());
        closed.or_else(|error| self.judge(error).map(|_| ()))
    }

    /// Tells the end of a connection from the end of our patience. Where the peer broke the
    /// protocol, it is told so.
    fn judge(&mut self, error: Error) -> Result<Option<Frame>, Cause> {
        let code = match error {
            Error::Io(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                return Ok(None);
            }
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                return Err(Cause::Network);
            }
            Error::Protocol(_) => 1002,
            Error::Utf8(_) => 1007,
            Error::Capacity(CapacityError::MessageTooLong { .. }) => 1009,
            _ => return Err(Cause::Network),
        };
        let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::default() };
        let _ = self.inner.close(Some(frame)).and_then(|()| self.inner.flush());
        Err(Cause::Close(code))
    }
}

/// Opens a TCP connection whose reads and writes end.
pub(crate) fn connect(authority: &str) -> std::io::Result<TcpStream> {
    let with_port = |default| format!("{authority}:{default}");
    let has_port = authority.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
    let authority = if has_port { authority.to_owned() } else { with_port(80) };
    let address = authority.to_socket_addrs()?.next().ok_or(ErrorKind::NotFound)?;
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn refusal(answer: &Response<Option<Vec<u8>>>, now: Timestamp) -> (Cause, Option<Span>) {
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let after = header("retry-after").and_then(|it| http::retry_after(it, header("date"), now));
    (Cause::Handshake(answer.status().as_u16()), after)
}

const NOTHING: (Cause, Option<Span>) = (Cause::Network, None);
const TIMEOUT: Duration = Duration::from_secs(10);
