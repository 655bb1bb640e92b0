//! Frames: one JSON object each.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use bytes::{Bytes, BytesMut};
use redial_core::WireId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

/// The body of a message, as the slice of the frame in which it stood.
///
/// It may hold what people wrote to each other, so `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Body(Bytes);

impl Body {
    /// Returns the JSON text; empty where the message had no body.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the JSON text as bytes that share the frame's memory.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Returns the body as a JSON value; null where there is none, or where it is nested too
    /// deeply to be taken apart.
    #[must_use]
    pub fn value(&self) -> Value {
        self.parse().unwrap_or_default()
    }

    /// Reads the body as a type of the caller's.
    ///
    /// # Errors
    ///
    /// Where the body is not of that type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// A frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inbound {
    Response { request: String, code: Code, name: String, body: Body },
    Notification { name: String, body: Body },
}

/// How a response went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// There is no code.
    None,
    /// A code, the largest possible one for any that is larger.
    Some(u16),
    /// A code that is no number.
    Unreadable,
}

/// Reads a text frame.
///
/// # Errors
///
/// Says what is wrong with it. The text is fixed, so it holds nothing of the frame.
pub(crate) fn decode(frame: &Bytes) -> Result<Inbound, &'static str> {
    // An array would do for a structure too.
    if frame.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err("a frame that is not a JSON object");
    }
    let envelope: Envelope<'_> =
        serde_json::from_slice(frame).map_err(|_| "a frame that is not a message")?;
    let name = envelope.name.map(text).unwrap_or_default();
    let body =
        Body(envelope.body.map(|raw| frame.slice_ref(raw.get().as_bytes())).unwrap_or_default());
    match envelope.kind.map(text).as_deref() {
        Some("resp") => {
            let request = envelope.request.map(text).unwrap_or_default();
            Ok(Inbound::Response { request, code: code(envelope.code), name, body })
        }
        Some("notification") => Ok(Inbound::Notification { name, body }),
        Some("req") => Err("a request from the server"),
        Some(_) => Err("a message of an unknown kind"),
        None => Err("a message without a kind"),
    }
}

/// Writes a request.
pub(crate) fn encode(out: &mut BytesMut, id: WireId, name: &str, body: &Value, rest: &[Extra<'_>]) {
    // Writing to memory does not fail.
    let _ = write!(out, r#"{{"kind":"req","id":"{}","type":"#, id.as_str());
    write_string(out, name);
    let _ = write!(out, r#","body":{body}"#);
    for (key, value) in rest {
        if let Some(value) = value {
            let _ = write!(out, r#","{key}":{value}"#);
        }
    }
    let _ = out.write_char('}');
}

/// Counts the bytes of a JSON value.
pub(crate) fn len(value: &Value) -> usize {
    struct Count(usize);
    impl fmt::Write for Count {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut count = Count(0);
    let _ = write!(count, "{value}");
    count.0
}

/// Returns the last segment of a message's type: `GetClock` of `.GetClock`, `ms.GetClock`.
pub(crate) fn last_segment(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Reads a list that may have come as its only element.
pub(crate) fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values,
        value => alloc::vec![value],
    }
}

/// A further field of a request, with its name.
pub(crate) type Extra<'a> = (&'static str, Option<&'a Value>);

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow, rename = "reqId")]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// Reads a string; anything else stands for itself.
fn text(raw: &RawValue) -> String {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_string())
}

/// Reads a code. It is a number, and for some senders a number in a string.
fn code(raw: Option<&RawValue>) -> Code {
    let Some(raw) = raw else { return Code::None };
    match text(raw).trim().parse::<f64>() {
        // The conversion saturates.
        Ok(number) if !number.is_nan() => Code::Some(number as u16),
        _ => Code::Unreadable,
    }
}

fn write_string(out: &mut BytesMut, text: &str) {
    match serde_json::to_string(text) {
        Ok(json) => out.extend_from_slice(json.as_bytes()),
        Err(_) => out.extend_from_slice(b"\"\""),
    }
}
