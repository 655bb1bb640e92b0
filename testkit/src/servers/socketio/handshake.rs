//! The handshake request: what the reference server takes, and how it says no.

use http::Method;
use serde_json::json;

use super::{Config, Generation};
use crate::servers::http::handshake_fault;
use crate::servers::hub::{Answer, Hub, Reply, Request};
use crate::servers::socket::Out;

/// Judges a handshake whose path is that of the Socket.IO server.
pub(super) fn judge(hub: &Hub, config: &Config, request: &Request) -> Result<Generation, Answer> {
    if query(request, "transport").as_deref() != Some("websocket") {
        return Err(refuse(request, Fault::UnknownTransport));
    }
    if query(request, "sid").is_some() {
        return Err(refuse(request, Fault::UnknownSid));
    }
    if request.method != Method::GET {
        return Err(refuse(request, Fault::Method));
    }
    if !request.upgrade || handshake_fault(request).is_some() {
        return Err(refuse(request, Fault::BadRequest));
    }
    let asked = match query(request, "EIO").as_deref() {
        Some("4") => Generation::V4,
        _ => Generation::V3,
    };
    match (config.generation, asked) {
        // A server of the older generation does not look at the number.
        (Generation::V3, _) => Ok(Generation::V3),
        (Generation::V4, Generation::V3) if !config.allow_eio3 => Err(unsupported(hub)),
        (Generation::V4, asked) => Ok(asked),
    }
}

/// Refuses a handshake as `allowRequest` does: 403 and JSON for a plain request, 400 and the bare
/// reason for an upgrade.
pub(crate) fn forbid(request: &Request, message: &str) -> Answer {
    if request.upgrade {
        return text(400, message);
    }
    Answer::Reply(Reply::json(403, Some(json!({ "code": 4, "message": message }))))
}

/// Reads one parameter of the query, decoded; the first one counts.
pub(crate) fn query(request: &Request, name: &str) -> Option<String> {
    let query = request.query.as_deref()?;
    let (_, value) =
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?;
    let value = value.replace('+', " ");
    Some(percent_encoding::percent_decode_str(&value).decode_utf8_lossy().into_owned())
}

/// What the reference server finds wrong, in its own numbers.
#[derive(Clone, Copy)]
enum Fault {
    UnknownTransport,
    UnknownSid,
    Method,
    BadRequest,
}

fn refuse(request: &Request, fault: Fault) -> Answer {
    let (code, message) = match fault {
        Fault::UnknownTransport => (0, "Transport unknown"),
        Fault::UnknownSid => (1, "Session ID unknown"),
        Fault::Method => (2, "Bad handshake method"),
        Fault::BadRequest => (3, "Bad request"),
    };
    if request.upgrade {
        return text(400, message);
    }
    Answer::Reply(Reply::json(400, Some(json!({ "code": code, "message": message }))))
}

fn text(status: u16, message: &str) -> Answer {
    let headers =
        vec![("content-type", "text/html".to_owned()), ("connection", "close".to_owned())];
    Answer::Bytes { status, headers, body: message.to_owned().into() }
}

/// The reference server upgrades first and then writes an HTTP answer into the stream, so that a
/// client sees no status at all.
fn unsupported(hub: &Hub) -> Answer {
    let answer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-type: text/html\r\n\
                  Content-Length: 28\r\n\r\nUnsupported protocol version";
    let then = vec![Out::Raw(answer.into()), Out::Cut];
    Answer::Upgrade { conn: hub.next_conn(), headers: Vec::new(), then }
}
