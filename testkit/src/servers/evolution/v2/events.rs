//! The names of events, and the envelope that they come in.

use serde_json::{Value, json};

use crate::servers::evolution::codechat::events as codechat;

/// Every name that the configuration of an instance knows (Evolution API 2.3.6).
///
/// An event is called by its dotted lower-case name on the wire. `groups.update` would be
/// `GROUPS_UPDATE`, which is missing here, so it never reaches the namespace of an instance.
pub const CONFIGURED_EVENTS: [&str; 31] = [
    "APPLICATION_STARTUP",
    "QRCODE_UPDATED",
    "MESSAGES_SET",
    "MESSAGES_UPSERT",
    "MESSAGES_EDITED",
    "MESSAGES_UPDATE",
    "MESSAGES_DELETE",
    "SEND_MESSAGE",
    "SEND_MESSAGE_UPDATE",
    "CONTACTS_SET",
    "CONTACTS_UPSERT",
    "CONTACTS_UPDATE",
    "PRESENCE_UPDATE",
    "CHATS_SET",
    "CHATS_UPSERT",
    "CHATS_UPDATE",
    "CHATS_DELETE",
    "GROUPS_UPSERT",
    "GROUP_UPDATE",
    "GROUP_PARTICIPANTS_UPDATE",
    "CONNECTION_UPDATE",
    "LABELS_EDIT",
    "LABELS_ASSOCIATION",
    "CALL",
    "TYPEBOT_START",
    "TYPEBOT_CHANGE_STATUS",
    "REMOVE_INSTANCE",
    "LOGOUT_INSTANCE",
    "INSTANCE_CREATE",
    "INSTANCE_DELETE",
    "STATUS_INSTANCE",
];

/// Gives the name that the configuration has for an event.
pub(super) fn configured(event: &str) -> String {
    event.replace(['.', '-'], "_").to_uppercase()
}

/// Makes up the data of an event.
pub(super) fn data(event: &str, instance: &str, n: u64) -> Value {
    match event {
        "messages.upsert" | "send.message" => json!({
            "key": {
                "id": format!("3EB0{n:06X}"), "remoteJid": "5511999990000@s.whatsapp.net",
                "fromMe": event == "send.message",
            },
            "pushName": "Ana", "messageType": "conversation",
            "message": { "conversation": format!("message {n}") },
            "messageTimestamp": 1_731_000_000_u64.saturating_add(n), "instanceId": instance,
            "source": "android",
        }),
        "qrcode.updated" => json!({
            "qrcode": {
                "instance": instance, "pairingCode": null, "code": format!("2@{n}"),
                "base64": "data:image/png;base64,AAAA",
            },
        }),
        _ => codechat::payload(event, instance, n),
    }
}
