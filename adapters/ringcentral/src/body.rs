//! Bodies that keep the bytes in which they stood.

use core::fmt::{self, Write as _};

use bytes::{Bytes, BytesMut};
use redial_core::Span;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

/// JSON text, as the slice of the frame or the answer in which it stood.
///
/// It may hold what people wrote to each other, so `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Body(Bytes);

impl Body {
    pub(crate) const fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Keeps the part of `whole` that `raw` was read from.
    pub(crate) fn part(whole: &Bytes, raw: Option<&RawValue>) -> Self {
        Self(raw.map(|raw| whole.slice_ref(raw.get().as_bytes())).unwrap_or_default())
    }

    /// Returns the JSON text; empty where there was none.
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

    /// Returns the body as a value, null where it is so large that the value, which takes a multiple
    /// of it, would be more than a peer may make us keep.
    pub(crate) fn bounded(&self) -> Value {
        if self.0.len() > MAX_VALUE { Value::Null } else { self.value() }
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

/// Reads a number that is at least zero, also one in a string or with a fraction.
pub(crate) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        value => value.as_f64()?,
    };
    (number >= 0.0).then_some(number)
}

/// Reads a number of seconds.
pub(crate) fn seconds(value: &Value) -> Option<Span> {
    // The conversion saturates.
    number(value).map(|secs| Span::saturating_from_millis((secs * 1000.0) as u64))
}

/// Appends a frame: an array of one or two elements. No body is no element: the gateway refuses
/// `null` (`WSG-808`).
pub(crate) fn write_frame(out: &mut BytesMut, meta: &Value, body: Option<&Value>) {
    let body = body.filter(|body| !body.is_null());
    // Writing to memory does not fail.
    let _ = match body {
        Some(body) => write!(out, "[{meta},{body}]"),
        None => write!(out, "[{meta}]"),
    };
}

/// Returns how many bytes a value has as JSON, without writing it.
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

/// The largest body of the adapter's own that is taken apart.
const MAX_VALUE: usize = 256 << 10;
