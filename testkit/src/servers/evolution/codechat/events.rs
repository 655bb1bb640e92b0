//! The names of events, and payloads that look like the service's.

use serde_json::{Value, json};

/// Every name that an upgrade may ask for, exactly so (observed with CodeChat 1.3.7).
///
/// `messaging-history.set` is none of them.
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

/// Makes up the payload of an event: the frame is nothing but this.
pub(in crate::servers::evolution) fn payload(event: &str, instance: &str, n: u64) -> Value {
    let jid = "5511999990000@s.whatsapp.net";
    let group = "120363000000000000@g.us";
    let id = format!("3EB0{n:06X}");
    match event {
        "qrcode.updated" => json!({
            "count": n, "code": format!("2@{n}"), "base64": "data:image/png;base64,AAAA",
        }),
        "connection.update" => {
            json!({ "instance": instance, "state": "open", "statusReason": 200 })
        }
        "messages.update" => json!({
            "keyId": id, "keyRemoteJid": jid, "keyFromMe": true, "status": "DELIVERY_ACK",
            "dateTime": "2025-01-01T00:00:00.000Z", "instanceId": 1,
        }),
        "send.message" => {
            let mut message = message(&id, jid, n);
            message["keyFromMe"] = json!(true);
            message["externalAttributes"] = json!("");
            message
        }
        "chats.set" | "chats.upsert" | "chats.update" | "chats.delete" => {
            json!([{ "id": n, "remoteJid": jid, "content": {}, "instanceId": 1 }])
        }
        "contacts.set" | "contacts.upsert" | "contacts.update" => {
            json!([{ "id": n, "remoteJid": jid, "pushName": "Ana", "instanceId": 1 }])
        }
        "groups.upsert" | "groups.update" => {
            json!([{ "id": group, "subject": format!("Group {n}"), "participants": [] }])
        }
        "group-participants.update" => {
            json!({ "id": group, "author": jid, "participants": [jid], "action": "add" })
        }
        "call.upsert" => json!({ "id": id, "from": jid, "status": "offer", "isVideo": false }),
        "presence.update" => {
            json!({ "id": jid, "presences": { jid: { "lastKnownPresence": "composing" } } })
        }
        _ => message(&id, jid, n),
    }
}

fn message(id: &str, jid: &str, n: u64) -> Value {
    json!({
        "id": n, "keyId": id, "keyRemoteJid": jid, "keyFromMe": false, "pushName": "Ana",
        "messageType": "conversation", "content": { "text": format!("message {n}") },
        "messageTimestamp": 1_731_000_000_u64.saturating_add(n), "instanceId": 1,
        "device": "android", "isGroup": false, "info": { "type": "notify" },
    })
}
