//! The names of events.

use crate::codechat::{MAX_EVENT, is_upper_case};
use crate::error::ConfigError;

/// The names that Evolution API 2.3.6 sends over a socket, in dotted lower case: the events of
/// `src/api/types/wa.types.ts` that `src/api/integrations/event/event.controller.ts` lists.
pub const EVENTS: [&str; 30] = [
    "application.startup",
    "instance.create",
    "instance.delete",
    "qrcode.updated",
    "connection.update",
    "status.instance",
    "messages.set",
    "messages.upsert",
    "messages.edited",
    "messages.update",
    "messages.delete",
    "send.message",
    "send.message.update",
    "contacts.set",
    "contacts.upsert",
    "contacts.update",
    "presence.update",
    "chats.set",
    "chats.upsert",
    "chats.update",
    "chats.delete",
    "groups.upsert",
    "group-participants.update",
    "labels.edit",
    "labels.association",
    "call",
    "typebot.start",
    "typebot.change-status",
    "remove.instance",
    "logout.instance",
];

/// An event that reaches the global namespace only (observed): it is `GROUPS_UPDATE` in an
/// instance's list, and the server calls it `GROUP_UPDATE` there.
pub const GLOBAL_ONLY: &str = "groups.update";

/// Checks a name. Servers send dotted lower case, whatever their configuration says; who waits
/// for `MESSAGES_UPSERT` waits for ever.
pub(super) fn check(name: &str, allow_unknown: bool) -> Result<(), ConfigError> {
    if name.is_empty() || name.len() > MAX_EVENT {
        Err(ConfigError::Event)
    } else if allow_unknown || EVENTS.contains(&name) || name == GLOBAL_ONLY {
        Ok(())
    } else if is_upper_case(name) {
        Err(ConfigError::UpperCaseEvent)
    } else {
        Err(ConfigError::UnknownEvent)
    }
}
