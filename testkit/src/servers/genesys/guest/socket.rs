//! The messages on a guest's socket.

use serde_json::{Value, json};

use crate::servers::genesys::delivery::{Arrival, CutWhen};
use crate::servers::genesys::state::Path;
use crate::servers::genesys::{Genesys, decorate};
use crate::servers::hub::Hub;
use crate::servers::socket::{Out, SocketHandle};

impl Genesys {
    /// Hears a text frame.
    pub(in crate::servers::genesys) fn guest_text(
        &self,
        hub: &Hub,
        socket: &SocketHandle,
        text: &str,
    ) {
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        let inner = &mut *self.lock();
        let conversation = inner.guests.conversation(socket.conn);
        let (Some((id, text)), Some(conversation)) = (parse(&frame), conversation) else {
            inner.seen.bad_frames += 1;
            return;
        };
        let delay = inner.settings.answer_delay;
        let cut = inner.desk.cuts();
        if cut == Some(CutWhen::BeforeDelivery) {
            inner.desk.cut(socket, delay);
            return;
        }
        let t_ms = self.wire.now_ms();
        let arrival = Arrival { id, text, path: Path::Socket, conversation, t_ms };
        inner.desk.take_in(&mut inner.seen, &inner.settings, &arrival);
        if cut == Some(CutWhen::BeforeAck) {
            inner.seen.lost_acks += 1;
            inner.desk.cut(socket, delay);
            return;
        }
        let mut faults = hub.faults();
        if faults.loses_ack() {
            inner.seen.lost_acks += 1;
        } else if faults.mistakes_id() {
            let other = inner.random.uuid();
            let mut ack = json!({ "type": "messageReceived", "messageId": other });
            decorate(&inner.settings, &mut ack);
            socket.send_after(delay, Out::Text(ack.to_string()));
        } else {
            let mut ack = json!({ "type": "messageReceived", "messageId": id });
            decorate(&inner.settings, &mut ack);
            socket.send_after(delay, Out::Marked(ack.to_string(), id.to_owned()));
        }
        if cut == Some(CutWhen::AfterAck) {
            inner.desk.cut(socket, delay);
        }
    }

    /// Pushes `n` frames to every live socket; nothing is kept for those who are away.
    pub(in crate::servers::genesys) fn guest_notify(
        &self,
        hub: &Hub,
        n: u32,
        body: &Value,
    ) -> Value {
        let inner = &mut *self.lock();
        let sockets = hub.sockets();
        let mut heard = 0_u64;
        for _ in 0..n {
            let mut frame = body.clone();
            if body.get("type").is_none() {
                let field = |name: &str| body.get(name).and_then(Value::as_str);
                let content = field("content").or_else(|| field("text"));
                let content = content.or_else(|| body.as_str()).unwrap_or("hi");
                let id = field("messageId").map(str::to_owned);
                let id = id.unwrap_or_else(|| inner.random.uuid());
                frame = json!({ "type": "message", "content": content, "messageId": id });
                // What else the script says is said, too.
                for (key, value) in body.as_object().into_iter().flatten() {
                    if frame.get(key).is_none() && key != "text" {
                        frame[key] = value.clone();
                    }
                }
            }
            decorate(&inner.settings, &mut frame);
            let out = Out::Text(frame.to_string());
            heard += sockets.iter().filter(|socket| socket.send(out.clone())).count() as u64;
        }
        json!({ "ok": true, "sockets": sockets.len(), "sent": heard })
    }
}

/// Reads a message: its id and what it says.
pub(super) fn parse(frame: &Value) -> Option<(&str, &str)> {
    let field = |name: &str| frame.get(name).and_then(Value::as_str);
    let id = field("messageId").filter(|id| !id.is_empty() && id.len() <= MAX_ID)?;
    (field("type")? == "message").then_some((id, field("content")?))
}

const MAX_ID: usize = 256;
