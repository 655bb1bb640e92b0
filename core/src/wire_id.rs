//! Ids on the wire that need no table.

use core::fmt;

/// Makes and reads the ids that messages have on the wire.
///
/// An id is a bijection of `(nonce, lane, number)` that looks like a random UUID (version 4). So
/// there is no table of ids to keep, an answer to another process's id does not parse, and a
/// message that is sent again after a restart has the id that it had before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WireIds {
    nonce: u128,
}

impl WireIds {
    /// Makes ids from a random nonce.
    #[must_use]
    pub const fn new(nonce: u128) -> Self {
        Self { nonce }
    }

    /// Returns the id of a number in a lane. Lanes go up to 63, numbers up to 2^56 - 1.
    #[must_use]
    pub const fn encode(self, lane: u8, number: u64) -> WireId {
        let value = ((lane as u64 & 0x3F) << 56) | (number & NUMBER);
        let low = (value ^ self.nonce as u64) & LOW;
        let high = (self.nonce >> 64) as u64 & HIGH;
        let id = ((high | VERSION) as u128) << 64 | (low | VARIANT) as u128;
        let mut text = [0; 36];
        let mut digit = 0;
        let mut at = 0;
        while at < text.len() {
            text[at] = if matches!(at, 8 | 13 | 18 | 23) {
                b'-'
            } else {
                let nibble = (id >> (124 - 4 * digit)) as u8 & 0xF;
                digit += 1;
                if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
            };
            at += 1;
        }
        WireId(text)
    }

    /// Returns the lane and the number of an id, if it is one of these.
    #[must_use]
    pub fn decode(self, text: &str) -> Option<(u8, u64)> {
        let bytes = text.as_bytes();
        if bytes.len() != 36 {
            return None;
        }
        let mut id = 0_u128;
        for (at, &byte) in bytes.iter().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return None;
                }
                continue;
            }
            let nibble = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                b'A'..=b'F' => byte - b'A' + 10,
                _ => return None,
            };
            id = (id << 4) | u128::from(nibble);
        }
        let (high, low) = ((id >> 64) as u64, id as u64);
        let expected = ((self.nonce >> 64) as u64 & HIGH) | VERSION;
        if high != expected || low & !LOW != VARIANT {
            return None;
        }
        let value = (low ^ self.nonce as u64) & LOW;
        Some(((value >> 56) as u8, value & NUMBER))
    }
}

impl fmt::Debug for WireIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WireIds(..)")
    }
}

/// An id as it stands on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct WireId([u8; 36]);

impl WireId {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for WireId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const NUMBER: u64 = (1 << 56) - 1;
const LOW: u64 = (1 << 62) - 1;
const VARIANT: u64 = 1 << 63;
const VERSION: u64 = 0x4000;
const HIGH: u64 = !0xF000;
