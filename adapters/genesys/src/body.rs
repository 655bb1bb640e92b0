//! Bodies that keep the bytes in which they stood.

use alloc::string::{String, ToString as _};
use core::fmt;

use bytes::{Bytes, BytesMut};
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

/// Returns whether bytes can be a JSON object: an array would do for a structure too.
pub(crate) fn is_object(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// Reads a string; anything else stands for itself.
pub(crate) fn text(raw: &RawValue) -> String {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_string())
}

/// Reads a string; anything else is none.
pub(crate) fn string(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

/// Reads a number that is at least zero, also one in a string or with a fraction.
pub(crate) fn number(value: &Value) -> Option<u64> {
    let number = match value {
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        value => value.as_f64()?,
    };
    // The conversion saturates.
    (number >= 0.0).then_some(number as u64)
}

/// Appends a string as JSON.
pub(crate) fn write_string(out: &mut BytesMut, text: &str) {
    match serde_json::to_string(text) {
        Ok(json) => out.extend_from_slice(json.as_bytes()),
        Err(_) => out.extend_from_slice(b"\"\""),
    }
}
