//! Placeholders, found in a text without building its value.

use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::{Error, Json};

/// Checks that each placeholder in `json` stands for one of `count` attachments.
///
/// A text nested more deeply than `serde_json` goes is refused.
pub(crate) fn check(json: &Json, count: usize) -> Result<(), Error> {
    search(json, Some(count)).map(|_| ()).ok_or(Error::BadPlaceholder)
}

/// Returns the number of the attachment for which a value stands.
pub(crate) fn read(value: &Json) -> Option<usize> {
    match search(value, None) {
        Some(Seen::Placeholder(number)) => Some(number),
        _ => None,
    }
}

fn search(json: &Json, count: Option<usize>) -> Option<Seen> {
    Walk { count }.deserialize(&mut serde_json::Deserializer::from_str(json.as_str())).ok()
}

/// Walks through a value. With a count, a placeholder out of its reach is an error.
#[derive(Clone, Copy)]
struct Walk {
    count: Option<usize>,
}

enum Seen {
    True,
    Number(usize),
    Placeholder(usize),
    Other,
}

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Seen, E> {
        Ok(if value { Seen::True } else { Seen::Other })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Seen, E> {
        Ok(usize::try_from(value).map_or(Seen::Other, Seen::Number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Seen, A::Error> {
        while seq.next_element_seed(self)?.is_some() {}
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let (mut marked, mut number) = (false, None);
        while let Some(key) = map.next_key_seed(Key)? {
            let seen = map.next_value_seed(self)?;
            match key {
                Name::Placeholder => marked = matches!(seen, Seen::True),
                Name::Num => {
                    number = match seen {
                        Seen::Number(number) => Some(number),
                        Seen::True | Seen::Placeholder(_) | Seen::Other => None,
                    };
                }
                Name::Other => {}
            }
        }
        match (marked, number, self.count) {
            (false, _, _) | (true, None, None) => Ok(Seen::Other),
            (true, Some(number), None) => Ok(Seen::Placeholder(number)),
            (true, Some(number), Some(count)) if number < count => Ok(Seen::Placeholder(number)),
            (true, _, Some(_)) => Err(serde::de::Error::custom("a placeholder out of reach")),
        }
    }
}

/// Reads a key.
struct Key;

enum Name {
    Placeholder,
    Num,
    Other,
}

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Name, E> {
        Ok(match key {
            "_placeholder" => Name::Placeholder,
            "num" => Name::Num,
            _ => Name::Other,
        })
    }
}
