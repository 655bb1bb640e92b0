//! The form in which a snapshot is stored.

use alloc::format;
use alloc::string::String;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Snapshot;
use crate::adapter::Adapter;
use crate::ledger::Ledger;
use crate::machine::Machine;
use crate::saved::Version;

#[derive(Serialize)]
#[serde(rename = "Snapshot")]
struct Stored<'a, P: Serialize, C> {
    version: Version,
    machine: &'a Machine,
    ledger: &'a Ledger<P>,
    cursor: &'a C,
    nonce: String,
}

#[derive(Deserialize)]
#[serde(rename = "Snapshot")]
#[serde(bound = "P: Deserialize<'de>, C: Deserialize<'de>")]
struct Loaded<P, C> {
    #[serde(rename = "version")]
    _version: Version,
    machine: Machine,
    ledger: Ledger<P>,
    cursor: C,
    nonce: String,
}

impl<A: Adapter> Serialize for Snapshot<A>
where
    A::Outgoing: Serialize,
    A::Cursor: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { machine, ledger, cursor, nonce } = self;
        // Few formats know a number of 128 bits.
        let nonce = format!("{nonce:032x}");
        Stored { version: Version, machine, ledger, cursor, nonce }.serialize(serializer)
    }
}

impl<'de, A: Adapter> Deserialize<'de> for Snapshot<A>
where
    A::Outgoing: Deserialize<'de>,
    A::Cursor: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Loaded { machine, ledger, cursor, nonce, .. } = Loaded::deserialize(deserializer)?;
        let nonce = u128::from_str_radix(&nonce, 16).map_err(D::Error::custom)?;
        Ok(Self { machine, ledger, cursor, nonce })
    }
}
