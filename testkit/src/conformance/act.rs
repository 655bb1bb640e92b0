//! What is done to a session, what it does, and what its socket does meanwhile.

use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResponse, HttpResult};
use redial_core::{
    Adapter, Cause, ConnId, Frame, Handshake, HttpId, Input, Secret, Span, TokenUse,
};

/// Something that is done to a session.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Connect,
    Recover,
    NetworkChanged,
    Reconnect(TokenUse),
    Shutdown,
    Tick,
    Token(Option<Secret>),
    Dialing(ConnId),
    Opened(ConnId),
    Frame(ConnId, Frame),
    Closed(ConnId, Cause, Option<Span>),
    Http(HttpId, HttpResult),
    Send(String),
}

impl Act {
    /// Returns what the session takes in, or the text that is to be sent.
    pub(super) fn input<A: Adapter>(self) -> Result<Input<A>, String> {
        Ok(match self {
            Self::Connect => Input::Connect,
            Self::Recover => Input::Recover,
            Self::NetworkChanged => Input::NetworkChanged,
            Self::Reconnect(token) => Input::Reconnect { token },
            Self::Shutdown => Input::Shutdown,
            Self::Tick => Input::Tick,
            Self::Token(Some(token)) => Input::OfferToken(token),
            Self::Token(None) => {
                Input::TokenUnavailable { cause: Cause::Network, retry_after: None }
            }
            Self::Dialing(conn) => Input::Dialing { conn },
            Self::Opened(conn) => Input::Opened { conn },
            Self::Frame(conn, frame) => Input::Frame { conn, frame },
            Self::Closed(conn, cause, retry_after) => Input::Closed { conn, cause, retry_after },
            Self::Http(id, answer) => Input::Http { id, answer },
            Self::Send(text) => return Err(text),
        })
    }

    /// Returns the bytes that came with it.
    pub(super) fn bytes(&self) -> Option<Bytes> {
        match self {
            Self::Frame(_, frame) => match frame {
                Frame::Text(bytes)
                | Frame::Binary(bytes)
                | Frame::Ping(bytes)
                | Frame::Pong(bytes) => Some(bytes.clone()),
            },
            Self::Http(_, Ok(answer)) => Some(answer.body.clone()),
            Self::Send(text) => Some(Bytes::copy_from_slice(text.as_bytes())),
            Self::Token(Some(token)) => Some(Bytes::copy_from_slice(token.expose().as_bytes())),
            Self::Connect
            | Self::Recover
            | Self::NetworkChanged
            | Self::Reconnect(_)
            | Self::Shutdown
            | Self::Tick
            | Self::Token(None)
            | Self::Dialing(_)
            | Self::Opened(_)
            | Self::Closed(..)
            | Self::Http(_, Err(_)) => None,
        }
    }
}

/// Something that a session did.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Dial(Handshake),
    Drop(Option<u16>),
    Http(HttpRequest),
    Abort,
    Frame(Frame),
    Close(u16),
    Item(String),
}

/// What the socket does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It carries everything both ways.
    Healthy,
    /// It swallows what is written, and nothing comes.
    Silent,
    /// It takes nothing more.
    Stuck,
}

/// What was printed, and what went over the wire while it was.
#[derive(Default)]
pub(super) struct Prints {
    pub(super) shown: String,
    pub(super) wire: Vec<u8>,
}

/// A secret, and what stands in its place.
#[derive(Default)]
pub(super) struct Swap(pub(super) Option<(String, String)>);

impl Swap {
    pub(super) fn text(&self, text: &str) -> String {
        self.0.as_ref().map_or_else(|| text.to_owned(), |(old, new)| text.replace(old, new))
    }

    pub(super) fn answer(&self, answer: &mut HttpResponse) {
        if let Ok(body) = str::from_utf8(&answer.body) {
            answer.body = self.text(body).into();
        }
        for (_, value) in &mut answer.headers {
            *value = self.text(value);
        }
    }
}
