//! The names of events.

use crate::error::ConfigError;

/// The names that the server takes: CodeChat 1.3.7, `src/whatsapp/dto/webhook.dto.ts`, and
/// observed one by one.
pub const EVENTS: [&str; 22] = [
    "qrcode.updated",
    "messages.set",
    "messages.upsert",
    "messages.update",
    "send.message",
    "contacts.set",
    "contacts.upsert",
    "contacts.update",
    "chats.set",
    "chats.upsert",
    "chats.update",
    "chats.delete",
    "presence.update",
    "groups.upsert",
    "groups.update",
    "group-participants.update",
    "connection.update",
    "status.instance",
    "refresh.token",
    "call.upsert",
    "labels.association",
    "labels.edit",
];

/// Those among [`EVENTS`] that the server takes and never sends over a socket: CodeChat 1.3.7,
/// the calls of its WebSocket service. They go to webhooks only; a token's refresh and the end of
/// an instance are among them.
pub const SILENT: [&str; 9] = [
    "messages.set",
    "contacts.set",
    "contacts.update",
    "chats.set",
    "chats.delete",
    "status.instance",
    "refresh.token",
    "labels.association",
    "labels.edit",
];

/// Checks a name before anything is dialled: the server answers a wrong one as it answers a wrong
/// token, and the client could not tell them apart.
pub(super) fn check(name: &str, allow_unknown: bool) -> Result<(), ConfigError> {
    if name.is_empty() || name.len() > MAX {
        Err(ConfigError::Event)
    } else if name == HISTORY {
        Err(ConfigError::HistoryEvent)
    } else if allow_unknown || EVENTS.contains(&name) {
        Ok(())
    } else if is_upper_case(name) {
        Err(ConfigError::UpperCaseEvent)
    } else {
        Err(ConfigError::UnknownEvent)
    }
}

/// Returns whether a name is written as in a server's configuration.
pub(crate) fn is_upper_case(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// The longest name that is taken.
pub(crate) const MAX: usize = 128;
/// The seed, section 4: the events are the webhook's "exceto o evento messaging-history.set".
const HISTORY: &str = "messaging-history.set";
