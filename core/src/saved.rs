//! The version of what is stored.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of every stored form of this crate. It stands first in each of them, so that a
/// later form is told from a damaged one before anything else of it is read.
pub(crate) struct Version;

impl Version {
    const CURRENT: u16 = 1;
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::CURRENT.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u16::deserialize(deserializer)? {
            Self::CURRENT => Ok(Self),
            version => Err(D::Error::custom(format_args!(
                "stored in version {version}, and this release reads version {}",
                Self::CURRENT
            ))),
        }
    }
}
