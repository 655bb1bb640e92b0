//! What the server says, unasked and in answer.

use alloc::string::String;
use alloc::vec::Vec;

use core::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::codec::{self, Body};
use crate::desired::Subscription;

/// What the application receives unasked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// The server notifies.
    Notification(Notification),
    /// A subscription that the adapter made is in force.
    Subscribed {
        /// What was subscribed to.
        subscription: Subscription,
        /// Its id on this connection.
        id: Option<String>,
        /// Its id on the connection before, where it had one.
        previous: Option<String>,
    },
    /// The server refused a subscription that the adapter made. It is made again on the next
    /// connection; after 429, "too many requests", also on this one.
    SubscriptionRefused {
        /// What was subscribed to.
        subscription: Subscription,
        /// The code of the refusal.
        code: u16,
    },
    /// The server took the agent's state that the adapter set.
    AgentStateSet,
    /// The server refused the agent's state that the adapter set.
    AgentStateRefused {
        /// The code of the refusal.
        code: u16,
    },
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The code; a failure is above 399. Absent where the server sent none.
    pub code: Option<u16>,
    /// The type, as it stood on the wire.
    pub name: String,
    /// The body.
    pub body: Body,
}

impl Response {
    /// Returns whether the request was granted: the code is at most 399, or there is none.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code.is_none_or(|code| code <= LAST_SUCCESS)
    }
}

/// A notification.
#[derive(Clone, PartialEq)]
pub struct Notification {
    name: String,
    body: Body,
    content: Content,
}

/// What a notification says.
///
/// All fields are optional and unknown ones are ignored: [`Notification::body`] has everything.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// Conversations have changed.
    ExConversationChange(Changes),
    /// Conversations are offered, or no longer are.
    RoutingTask(Changes),
    /// The agent's state has changed.
    AgentState(Changes),
    /// Something happened in dialogs.
    MessagingEvent(Vec<MessagingEvent>),
    /// Any other type, or a body of another shape.
    Other,
}

/// Changes to what was subscribed to.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Changes {
    /// The subscription.
    #[serde(deserialize_with = "lenient")]
    pub subscription_id: Option<String>,
    /// The changes; none at all right after subscribing.
    #[serde(deserialize_with = "many")]
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Change {
    /// `UPSERT` or `DELETE`.
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub kind: Option<String>,
    /// What was changed.
    pub result: Value,
}

impl Change {
    /// Returns the conversation that this is about.
    #[must_use]
    pub fn conversation_id(&self) -> Option<&str> {
        let field = |key| self.result.get(key).and_then(Value::as_str);
        field("convId").or_else(|| field("conversationId"))
    }

    /// Returns the rings of an offered conversation: their ids and states.
    pub fn rings(&self) -> impl Iterator<Item = (&str, &str)> {
        let rings = match self.result.get("ringsDetails") {
            Some(Value::Array(rings)) => rings.as_slice(),
            Some(ring) => core::slice::from_ref(ring),
            None => &[],
        };
        rings.iter().filter_map(|ring| {
            Some((ring.get("ringId")?.as_str()?, ring.get("ringState")?.as_str()?))
        })
    }
}

/// Something that happened in a dialog.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessagingEvent {
    /// The dialog.
    #[serde(deserialize_with = "lenient")]
    pub dialog_id: Option<String>,
    /// Its place in the dialog.
    #[serde(deserialize_with = "lenient")]
    pub sequence: Option<u64>,
    /// The server's time, in milliseconds since the Unix epoch.
    #[serde(deserialize_with = "lenient")]
    pub server_timestamp: Option<u64>,
    /// Who caused it.
    #[serde(deserialize_with = "lenient")]
    pub originator_id: Option<String>,
    /// More about who caused it.
    pub originator_metadata: Value,
    /// What happened, with its `type`.
    pub event: Value,
}

impl Notification {
    pub(crate) fn new(name: String, body: Body) -> Self {
        let content = content(&name, &body);
        Self { name, body, content }
    }

    /// Returns the type as it stood on the wire.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of the event in the vendor's SDK; the type for those that have none.
    #[must_use]
    pub fn event_name(&self) -> &str {
        match codec::last_segment(&self.name) {
            "ExConversationChangeNotification" => "cqm.ExConversationChangeNotification",
            "RoutingTaskNotification" => "routing.RoutingTaskNotification",
            "AgentStateNotification" => "routing.AgentStateNotification",
            "OnlineEventDistribution" | "MessagingEventNotification" => {
                "ms.MessagingEventNotification"
            }
            _ => &self.name,
        }
    }

    /// Returns the whole body.
    #[must_use]
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// Returns what the notification says.
    #[must_use]
    pub const fn content(&self) -> &Content {
        &self.content
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification").field("body", &self.body).finish_non_exhaustive()
    }
}

macro_rules! silent {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            /// Shows nothing: it holds what people wrote to each other.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

silent!(Content, Changes, Change, MessagingEvent);

fn content(name: &str, body: &Body) -> Content {
    let content = match codec::last_segment(name) {
        "ExConversationChangeNotification" => body.parse().map(Content::ExConversationChange),
        "RoutingTaskNotification" => body.parse().map(Content::RoutingTask),
        "AgentStateNotification" => body.parse().map(Content::AgentState),
        "OnlineEventDistribution" | "MessagingEventNotification" => {
            body.parse().map(|body| Content::MessagingEvent(messaging_events(body)))
        }
        _ => return Content::Other,
    };
    content.unwrap_or(Content::Other)
}

/// Reads one event, or several in `changes`.
fn messaging_events(mut body: Value) -> Vec<MessagingEvent> {
    let events = match body.get_mut("changes") {
        Some(changes) => changes.take(),
        None => body,
    };
    let events = codec::list(events).into_iter();
    events.filter_map(|event| serde_json::from_value(event).ok()).collect()
}

/// Reads a field that may be of any other type.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    input: D,
) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(input)?).ok())
}

/// Reads a list that may have come as its only element, and leaves out what is of another type.
fn many<'de, D: Deserializer<'de>, T: DeserializeOwned>(input: D) -> Result<Vec<T>, D::Error> {
    let values = codec::list(Value::deserialize(input)?).into_iter();
    Ok(values.filter_map(|value| serde_json::from_value(value).ok()).collect())
}

/// The vendor's line between success and failure.
pub(crate) const LAST_SUCCESS: u16 = 399;
