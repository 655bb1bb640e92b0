//! What stands in a frame of the gateway.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::body::Body;
use crate::message::Wsc;

/// A frame, taken apart.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) kind: String,
    pub(crate) message_id: String,
    pub(crate) status: Option<u16>,
    pub(crate) wsc: Option<Wsc>,
    pub(crate) headers: Value,
    pub(crate) body: Body,
}

impl Envelope {
    /// Returns the answer's headers, names in lower case. What is no text is left out.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let headers = self.headers.as_object().into_iter().flatten();
        let texts = headers.filter_map(|(name, value)| match value {
            Value::String(text) => Some((name.to_lowercase(), text.clone())),
            Value::Number(number) => Some((name.to_lowercase(), alloc::format!("{number}"))),
            _ => None,
        });
        texts.collect()
    }
}

/// Takes a frame apart: an array of one or two elements, whose second one may be no JSON.
pub(crate) fn decode(frame: &Bytes) -> Result<Envelope, &'static str> {
    match boundary(frame) {
        Some(at) => split(frame, at),
        None => whole(frame),
    }
}

/// Finds where a body begins that is no JSON. Inside of a JSON text the mark means nothing, so it
/// counts only where the frame is no JSON as a whole.
fn boundary(frame: &Bytes) -> Option<usize> {
    let at = frame.windows(BOUNDARY.len()).position(|window| window == BOUNDARY)?;
    let json = serde_json::from_slice::<IgnoredAny>(frame).is_ok();
    (!json).then_some(at)
}

/// The meta stands between the bracket and the comma, the body between that and the last bracket.
fn split(frame: &Bytes, at: usize) -> Result<Envelope, &'static str> {
    let start = frame.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or_default();
    let end = frame.iter().rposition(|byte| *byte == b']').ok_or(NO_FRAME)?;
    let (meta, body) = (start + 1, at + 1);
    if frame.get(start) != Some(&b'[') || meta > at || body > end {
        return Err(NO_FRAME);
    }
    let body = frame.slice(body..end);
    let body = Body::new(trimmed(&body));
    envelope(frame.get(meta..at).ok_or(NO_FRAME)?, body)
}

fn whole(frame: &Bytes) -> Result<Envelope, &'static str> {
    let Parts(meta, body) = serde_json::from_slice(frame).map_err(|_| NO_FRAME)?;
    let body = body.filter(|body| body.get() != "null");
    envelope(meta.get().as_bytes(), Body::part(frame, body))
}

fn envelope(meta: &[u8], body: Body) -> Result<Envelope, &'static str> {
    if meta.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(NO_META);
    }
    let meta: Meta<'_> = serde_json::from_slice(meta).map_err(|_| NO_META)?;
    let status = field(meta.status).as_u64().and_then(|status| u16::try_from(status).ok());
    let text = |value: Value| match value {
        Value::String(text) => text,
        _ => String::new(),
    };
    Ok(Envelope {
        kind: text(field(meta.kind)),
        message_id: text(field(meta.message_id)),
        status,
        wsc: Wsc::read(&field(meta.wsc)),
        headers: field(meta.headers),
        body,
    })
}

/// Takes a field of any type. One that is larger than any of the vendor's is none: as a value it
/// would take a multiple of itself.
fn field(raw: Option<&RawValue>) -> Value {
    let raw = raw.filter(|raw| raw.get().len() <= MAX_FIELD);
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

fn trimmed(bytes: &Bytes) -> Bytes {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
    bytes.slice(start..)
}

/// One or two elements. An array of more of them costs no memory.
struct Parts<'a>(&'a RawValue, Option<&'a RawValue>);

impl<'a> Deserialize<'a> for Parts<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'a> Visitor<'a> for Elements {
            type Value = Parts<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one or two elements")
            }
            fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Parts<'a>, A::Error> {
                let meta = seq.next_element()?.ok_or_else(|| Error::invalid_length(0, &self))?;
                let body = seq.next_element()?;
                match seq.next_element::<IgnoredAny>()? {
                    Some(_) => Err(Error::invalid_length(3, &self)),
                    None => Ok(Parts(meta, body)),
                }
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

/// Fields of any type: one that is not what it should be costs that field, not the frame.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    wsc: Option<&'a RawValue>,
    #[serde(borrow, default)]
    headers: Option<&'a RawValue>,
}

/// SDK: what marks a body that is no JSON.
const BOUNDARY: &[u8] = b",--Boundary";
const NO_FRAME: &str = "a text frame that is no envelope";
const MAX_FIELD: usize = 64 << 10;
const NO_META: &str = "an envelope without a head";
