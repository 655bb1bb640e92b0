//! Arguments of events and acknowledgements.

use alloc::vec::Vec;
use core::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::SerializeMap as _;
use serde_json::value::RawValue;

use crate::placeholder;
use crate::{Error, Json, Text};

/// Arguments: an array of JSON values, and the bytes that its placeholders stand for.
///
/// The array is not taken apart before somebody asks for an argument.
#[derive(Clone, PartialEq, Eq)]
pub struct Args {
    array: Json,
    attachments: Vec<Bytes>,
}

impl Args {
    /// Makes arguments of a tuple, a list, or `()`.
    ///
    /// # Errors
    ///
    /// [`Error::NotJson`] where the values cannot be written, [`Error::BadPayload`] where they
    /// are no list.
    pub fn new<T: Serialize + ?Sized>(values: &T) -> Result<Self, Error> {
        Self::with_attachments(values, Vec::new())
    }

    /// Makes arguments of a tuple or a list in which a [`Placeholder`] stands for each of the
    /// attachments.
    ///
    /// # Errors
    ///
    /// Those of [`Args::new`], and [`Error::BadPlaceholder`] where a placeholder has no
    /// attachment.
    pub fn with_attachments<T: Serialize + ?Sized>(
        values: &T,
        attachments: Vec<Bytes>,
    ) -> Result<Self, Error> {
        let mut array = Json::of(values).map_err(|_| Error::NotJson)?;
        if array.as_str() == "null" {
            array = Json::trusted(Bytes::from_static(b"[]"));
        }
        Self::assemble(array, attachments)
    }

    /// Returns an argument, the first one for 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Json> {
        self.iter().nth(index)
    }

    /// Goes through the arguments.
    pub fn iter(&self) -> impl Iterator<Item = Json> + '_ {
        Elements { array: self.array.as_bytes(), rest: self.array.inside() }
    }

    /// Reads all arguments as a tuple or a list.
    ///
    /// # Errors
    ///
    /// Where they are not of that type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        self.array.parse()
    }

    /// Returns the array.
    #[must_use]
    pub const fn json(&self) -> &Json {
        &self.array
    }

    /// Returns the bytes that the placeholders stand for.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// Returns the bytes that a value stands for, if it is a placeholder.
    #[must_use]
    pub fn attachment(&self, value: &Json) -> Option<&Bytes> {
        self.attachments.get(placeholder::read(value)?)
    }

    pub(crate) fn assemble(array: Json, attachments: Vec<Bytes>) -> Result<Self, Error> {
        if !array.is_array() {
            return Err(Error::BadPayload);
        }
        if !attachments.is_empty() {
            placeholder::check(&array, attachments.len())?;
        }
        Ok(Self { array, attachments })
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Args({:?}, {} attachments)", self.array, self.attachments.len())
    }
}

/// An event: a name and arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    name: Text,
    /// The name is the first of them.
    args: Args,
}

impl Event {
    /// Makes an event of a name and a tuple, a list, or `()`.
    ///
    /// # Errors
    ///
    /// Those of [`Args::new`], and [`Error::ReservedEvent`].
    pub fn new<T: Serialize + ?Sized>(name: &str, values: &T) -> Result<Self, Error> {
        Self::with_attachments(name, values, Vec::new())
    }

    /// Makes an event with bytes, for each of which a [`Placeholder`] stands among the values.
    ///
    /// # Errors
    ///
    /// Those of [`Args::with_attachments`], and [`Error::ReservedEvent`].
    pub fn with_attachments<T: Serialize + ?Sized>(
        name: &str,
        values: &T,
        attachments: Vec<Bytes>,
    ) -> Result<Self, Error> {
        if is_reserved(name) {
            return Err(Error::ReservedEvent);
        }
        let values = Args::with_attachments(values, attachments)?;
        let head = Json::of(name).map_err(|_| Error::NotJson)?;
        let inside = values.array.inside();
        let mut array = BytesMut::with_capacity(head.as_str().len() + inside.len() + 3);
        array.put_u8(b'[');
        array.put_slice(head.as_bytes());
        if !inside.is_empty() {
            array.put_u8(b',');
            array.put_slice(inside.as_bytes());
        }
        array.put_u8(b']');
        let args = Args { array: Json::trusted(array.freeze()), attachments: values.attachments };
        Ok(Self { name: name.into(), args })
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(&self) -> &Text {
        &self.name
    }

    /// Returns an argument after the name, the first one for 0.
    #[must_use]
    pub fn arg(&self, index: usize) -> Option<Json> {
        self.args.iter().nth(index.checked_add(1)?)
    }

    /// Goes through the arguments after the name.
    pub fn args(&self) -> impl Iterator<Item = Json> + '_ {
        self.args.iter().skip(1)
    }

    /// Returns the array of which the name is the first element.
    #[must_use]
    pub const fn array(&self) -> &Args {
        &self.args
    }

    /// Returns the bytes that a value stands for, if it is a placeholder.
    #[must_use]
    pub fn attachment(&self, value: &Json) -> Option<&Bytes> {
        self.args.attachment(value)
    }

    /// Reads the name in an array.
    pub(crate) fn assemble(args: Args, longest_name: usize) -> Result<Self, Error> {
        let head = args.iter().next().ok_or(Error::BadPayload)?;
        let text = head.as_str();
        let name = match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(plain) if !plain.contains('\\') => Text::slice(head.as_bytes(), plain),
            Some(_) => {
                let name: alloc::string::String = head.parse().map_err(|_| Error::BadPayload)?;
                name.into()
            }
            // The reference implementations take a number for a name.
            None if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                Text::slice(head.as_bytes(), text)
            }
            None => return Err(Error::BadPayload),
        };
        if name.len() > longest_name {
            return Err(Error::LongName);
        }
        Ok(Self { name, args })
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Event").field(&self.name).field(&self.args).finish()
    }
}

/// Stands among the values for an attachment, which it names by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Placeholder(pub usize);

impl Serialize for Placeholder {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("_placeholder", &true)?;
        map.serialize_entry("num", &self.0)?;
        map.end()
    }
}

/// Returns whether the protocol keeps this name to itself.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// The elements of an array that is known to be JSON, each read when it is asked for.
struct Elements<'a> {
    array: &'a Bytes,
    rest: &'a str,
}

impl Iterator for Elements<'_> {
    type Item = Json;

    fn next(&mut self) -> Option<Json> {
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<&RawValue>();
        let Some(Ok(raw)) = values.next() else {
            self.rest = "";
            return None;
        };
        let rest = self.rest.get(values.byte_offset()..).unwrap_or_default().trim_start();
        self.rest = rest.strip_prefix(',').unwrap_or_default();
        Some(Json::slice(self.array, raw))
    }
}

/// From socket.io-parser 4.2, `RESERVED_EVENTS`.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
