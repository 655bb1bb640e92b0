//! Slices of frames.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Error;

/// A name or an id, as the slice of the frame in which it stood.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(Bytes);

impl Text {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Takes the part of `frame` that is `part`.
    pub(crate) fn slice(frame: &Bytes, part: &str) -> Self {
        Self(frame.slice_ref(part.as_bytes()))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into_bytes().into())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A JSON text that has been checked and not taken apart.
///
/// It may hold what people wrote to each other, and tokens, so `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Bytes);

impl Json {
    /// Writes a value.
    ///
    /// # Errors
    ///
    /// Where the value cannot be written as JSON.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_vec(value).map(|text| Self(text.into()))
    }

    /// Checks a text.
    ///
    /// # Errors
    ///
    /// [`Error::NotJson`], also where the text is not UTF-8.
    pub fn check(text: &Bytes) -> Result<Self, Error> {
        let raw: &RawValue = serde_json::from_slice(text).map_err(|_| Error::NotJson)?;
        Ok(Self::slice(text, raw))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the text as bytes that share the frame's memory.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Returns the value; null where it is nested too deeply to be taken apart, or holds a number
    /// that is too large.
    ///
    /// Half a surrogate pair, which JavaScript writes where a text was cut within an emoji, is
    /// U+FFFD here.
    #[must_use]
    pub fn value(&self) -> Value {
        let value = self.parse();
        value.or_else(|_| serde_json::from_slice(&mended(&self.0))).unwrap_or_default()
    }

    /// Reads the value as a type of the caller's.
    ///
    /// # Errors
    ///
    /// Where it is not of that type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }

    /// Takes a part that was borrowed from this text, without a copy; `None` where `raw` comes from
    /// elsewhere.
    #[must_use]
    pub fn part(&self, raw: &RawValue) -> Option<Self> {
        let (whole, part) = (self.0.as_ptr_range(), raw.get().as_bytes().as_ptr_range());
        let within = whole.start <= part.start && part.end <= whole.end;
        within.then(|| Self::slice(&self.0, raw))
    }

    /// Takes the part of `frame` that is `raw`.
    pub(crate) fn slice(frame: &Bytes, raw: &RawValue) -> Self {
        Self(frame.slice_ref(raw.get().as_bytes()))
    }

    /// Takes a text that is known to be JSON.
    pub(crate) const fn trusted(text: Bytes) -> Self {
        Self(text)
    }

    pub(crate) fn is_object(&self) -> bool {
        self.0.first() == Some(&b'{')
    }

    pub(crate) fn is_array(&self) -> bool {
        self.0.first() == Some(&b'[')
    }

    /// Returns what stands between the brackets of an object or an array.
    pub(crate) fn inside(&self) -> &str {
        let text = self.as_str();
        text.get(1..text.len().saturating_sub(1)).unwrap_or_default().trim()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.0.len())
    }
}

/// Returns a JSON text with U+FFFD in place of each half of a surrogate pair that stands alone.
fn mended(text: &[u8]) -> Vec<u8> {
    let mut mended = text.to_vec();
    let mut at = 0;
    while at < text.len() {
        at += match (text[at], unit(text, at)) {
            (b'\\', Some(0xD800..=0xDBFF))
                if matches!(unit(text, at + 6), Some(0xDC00..=0xDFFF)) =>
            {
                12
            }
            (b'\\', Some(0xD800..=0xDFFF)) => {
                mended[at + 2..at + 6].copy_from_slice(b"fffd");
                6
            }
            (b'\\', _) => 2,
            _ => 1,
        };
    }
    mended
}

/// Reads the escape `\uXXXX` that stands there.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}
