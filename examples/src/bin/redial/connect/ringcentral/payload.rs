//! What `send` and `request` carry, and what `response` shows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redial_core::Path;
use redial_core::http::Method;
use redial_ringcentral::{Request, Response};
use serde_json::{Map, Value, json};

use crate::connect::Answer;

/// Reads a request.
pub(super) fn request(value: Value) -> Result<Request, String> {
    let Value::Object(mut fields) = value else {
        return Err("a payload is an object with \"method\" and \"path\"".into());
    };
    let method = match fields.remove("method") {
        Some(Value::String(name)) => method(&name),
        Some(_) | None => None,
    };
    let method = method.ok_or("\"method\" is GET, POST, PUT, PATCH or DELETE")?;
    let Some(Value::String(path)) = fields.remove("path") else {
        return Err("a payload has a \"path\"".into());
    };
    let mut request = Request::new(method, path);
    for (name, value) in object(&mut fields, "query")? {
        let scalar =
            |value: &Value| matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
        match &value {
            Value::Array(values) if values.iter().all(scalar) => {}
            value if scalar(value) => {}
            _ => return Err("\"query\" holds texts, numbers and arrays of these".into()),
        }
        request = request.query(name, value);
    }
    let mut kind = None;
    for (name, value) in object(&mut fields, "headers")? {
        let Value::String(value) = value else { return Err("a header is a text".into()) };
        if name.trim().eq_ignore_ascii_case("content-type") {
            kind = Some(value.clone());
        }
        request = request.header(name, value);
    }
    request = body(request, kind, fields.remove("body"), fields.remove("body_base64"))?;
    match fields.remove("binary") {
        Some(Value::Bool(true)) => request = request.binary(),
        Some(Value::Bool(false)) | None => {}
        Some(_) => return Err("\"binary\" is true or false".into()),
    }
    match fields.keys().next() {
        None => Ok(request),
        Some(key) => Err(format!("a payload has no {key:?}")),
    }
}

/// Adds the body. A text whose content type is no JSON is sent as it is.
fn body(
    request: Request,
    kind: Option<String>,
    body: Option<Value>,
    base64: Option<Value>,
) -> Result<Request, String> {
    match (body, base64, kind) {
        (None, None, _) => Ok(request),
        (Some(_), Some(_), _) => Err("there is one body".into()),
        (None, Some(Value::String(text)), Some(kind)) => {
            let bytes = STANDARD.decode(text).map_err(|_| "\"body_base64\" is no base64")?;
            Ok(request.raw(kind, bytes))
        }
        (None, Some(_), _) => {
            Err("\"body_base64\" is a text, and there is a header \"Content-Type\"".into())
        }
        (Some(Value::String(text)), None, Some(kind)) if !is_json(&kind) => {
            Ok(request.raw(kind, text.into_bytes()))
        }
        (Some(body), None, _) => Ok(request.json(body)),
    }
}

fn object(fields: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, String> {
    match fields.remove(name) {
        Some(Value::Object(object)) => Ok(object),
        Some(Value::Null) | None => Ok(Map::new()),
        Some(_) => Err(format!("{name:?} is an object")),
    }
}

fn method(name: &str) -> Option<Method> {
    let all = [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete];
    all.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(name))
}

/// Returns what a `response` line says. A body that is no JSON is a text, and one that is no text
/// is base64.
pub(super) fn answer(reply: &Response) -> Answer {
    let bytes = reply.body.as_bytes();
    let kind = reply.headers.iter().find(|(name, _)| name == "content-type");
    let texts = kind.is_none_or(|(_, kind)| is_json(kind) || is_text(kind));
    let body = match (reply.body.parse(), std::str::from_utf8(bytes)) {
        _ if bytes.is_empty() => Value::Null,
        (Ok(value), _) if texts => value,
        (_, Ok(text)) if texts => text.into(),
        _ => json!({ "base64": STANDARD.encode(bytes) }),
    };
    let via = match reply.via {
        Path::Socket => "socket",
        Path::Http => "https",
    };
    Answer { status: reply.status, body, via }
}

fn is_json(kind: &str) -> bool {
    let kind = media_type(kind);
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn is_text(kind: &str) -> bool {
    let kind = media_type(kind);
    kind.starts_with("text/") || kind.starts_with("multipart/")
}

fn media_type(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
