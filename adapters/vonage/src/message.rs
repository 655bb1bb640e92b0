//! What the application receives.

use alloc::string::String;
use core::fmt;

use redial_socketio::{Json, Text};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What the application receives unasked.
///
/// With a session's id goes the session, so `Debug` shows none.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// The server has confirmed the session, after each connect.
    Session(SessionInfo),
    /// The server does not know the session any more. A new one is being asked for.
    SessionLost {
        /// Its id.
        id: String,
    },
    /// An event.
    Event(Event),
    /// Events of a conversation are missing: the numbers from `from` to `to`, both included. A
    /// [`Gap`](redial_core::Item::Gap) comes with it, and another when all that was missing has
    /// come after all.
    Missing {
        /// The conversation.
        cid: String,
        /// The first number that has not come.
        from: u64,
        /// The last number that has not come.
        to: u64,
    },
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(info) => f.debug_tuple("Session").field(info).finish(),
            Self::SessionLost { .. } => f.debug_struct("SessionLost").finish_non_exhaustive(),
            Self::Event(event) => f.debug_tuple("Event").field(event).finish(),
            Self::Missing { from, to, .. } => f
                .debug_struct("Missing")
                .field("from", from)
                .field("to", to)
                .finish_non_exhaustive(),
        }
    }
}

/// The session that the server has confirmed.
///
/// `Debug` shows nothing of it but whether it follows another one.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its id.
    pub id: String,
    /// The id of the session before it, where this is another one.
    pub previous: Option<String>,
    /// The user's id.
    pub user_id: Option<String>,
    /// The user's name.
    pub name: Option<String>,
    /// The key of the account.
    pub api_key: Option<String>,
}

impl fmt::Debug for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionInfo")
            .field("is_another", &self.previous.is_some())
            .finish_non_exhaustive()
    }
}

/// An event of the server's.
///
/// It may hold what people wrote to each other, so `Debug` shows its name only.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    pub(crate) name: Text,
    pub(crate) fields: Fields,
    pub(crate) duplicate: bool,
    pub(crate) pending: bool,
}

impl Event {
    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its number within its conversation.
    #[must_use]
    pub const fn id(&self) -> Option<u64> {
        self.fields.id
    }

    /// Returns its conversation.
    #[must_use]
    pub fn cid(&self) -> Option<&str> {
        self.fields.cid.as_deref()
    }

    /// Returns the member of the conversation who has sent it.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        self.fields.from.as_deref()
    }

    /// Returns its `body`.
    #[must_use]
    pub const fn body(&self) -> Option<&Json> {
        self.fields.body.as_ref()
    }

    /// Returns all that came with it, `body` among the rest; none where it came alone.
    #[must_use]
    pub const fn payload(&self) -> Option<&Json> {
        self.fields.whole.as_ref()
    }

    /// Returns whether it has come before.
    #[must_use]
    pub const fn is_duplicate(&self) -> bool {
        self.duplicate
    }

    /// Returns whether it came while the session was away: in the `pending_events` of the login.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.pending
    }

    /// Returns whether its name says that it reports an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        is_error(&self.name)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.name)
            .field("duplicate", &self.duplicate)
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}

/// The server's answer to something that was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    pub(crate) name: Option<Text>,
    pub(crate) payload: Option<Json>,
    pub(crate) body: Option<Json>,
}

impl Reply {
    /// The code of [`Fate::Rejected`](redial_core::Fate::Rejected): the reply was an error.
    pub const ERROR: u16 = 1;
    /// The code of [`Fate::Rejected`](redial_core::Fate::Rejected): the server takes no frame of
    /// this size, and nothing was sent.
    pub const TOO_LARGE: u16 = 2;
    /// The code of [`Fate::Rejected`](redial_core::Fate::Rejected): the event cannot be written,
    /// because its name is one of Socket.IO's own.
    pub const UNWRITABLE: u16 = 3;

    /// Returns the name of the event that was the answer; none for a Socket.IO acknowledgement.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns its `body`.
    #[must_use]
    pub const fn body(&self) -> Option<&Json> {
        self.body.as_ref()
    }

    /// Returns all that came with it; for an acknowledgement the list of its arguments.
    #[must_use]
    pub const fn payload(&self) -> Option<&Json> {
        self.payload.as_ref()
    }

    /// Returns whether it is an error: an event with `error` in its name.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.name.as_ref().is_some_and(|name| is_error(name))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("name", &self.name).finish_non_exhaustive()
    }
}

pub(crate) fn is_error(name: &str) -> bool {
    name.contains("error")
}

/// What an event's one argument holds. Nothing in it is needed, and what has another type than it
/// should have is not there.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) whole: Option<Json>,
    pub(crate) body: Option<Json>,
    pub(crate) rid: Option<Text>,
    pub(crate) id: Option<u64>,
    pub(crate) cid: Option<Text>,
    pub(crate) from: Option<Text>,
    /// The event's name, where it stands inside.
    pub(crate) kind: Option<Text>,
}

impl Fields {
    pub(crate) fn read(whole: Option<Json>) -> Self {
        let Some(json) = whole else { return Self::default() };
        let bytes = json.as_bytes().clone();
        let Ok(wire) = serde_json::from_slice::<Wire<'_>>(&bytes) else {
            return Self { whole: Some(json), ..Self::default() };
        };
        Self {
            body: wire.body.and_then(|raw| json.part(raw)),
            rid: text(wire.rid),
            id: wire.id.and_then(number),
            cid: text(wire.cid),
            from: text(wire.from),
            kind: text(wire.kind),
            whole: Some(json),
        }
    }
}

/// Reads a string; anything else is none.
pub(crate) fn text<T: From<String>>(raw: Option<&RawValue>) -> Option<T> {
    let text: String = serde_json::from_str(raw?.get()).ok()?;
    Some(text.into())
}

/// Reads a number, also one in a string.
fn number(raw: &RawValue) -> Option<u64> {
    raw.get().trim_matches('"').parse().ok()
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow)]
    rid: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    cid: Option<&'a RawValue>,
    #[serde(borrow)]
    from: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
}
