//! Broken variants of good bytes.

use bytes::Bytes;
use redial_core::Frame;

use crate::random::Random;

/// Makes a broken variant of one of `samples`, or bytes of no kind. Text stays UTF-8: whoever
/// reads a socket checks that.
pub(super) fn frame(chance: &mut Random, samples: &[Frame]) -> Frame {
    let sample = chance.pick(samples).cloned().unwrap_or_else(|| Frame::Text(Bytes::new()));
    let (bytes, is_text) = match &sample {
        Frame::Text(bytes) => (bytes, chance.index(16) > 0),
        Frame::Binary(bytes) => (bytes, chance.index(16) == 0),
        Frame::Ping(bytes) | Frame::Pong(bytes) => (bytes, true),
    };
    let other = match chance.pick(samples) {
        Some(Frame::Text(other) | Frame::Binary(other)) => other.clone(),
        _ => Bytes::new(),
    };
    let broken = bytes_of(chance, bytes, &other);
    if is_text { Frame::Text(utf8(&broken)) } else { Frame::Binary(broken.into()) }
}

/// Makes a broken variant of `bytes`.
pub(super) fn bytes_of(chance: &mut Random, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut broken = bytes.to_vec();
    for _ in 0..=chance.index(3) {
        broken = once(chance, broken, other);
        broken.truncate(MOST);
    }
    broken
}

fn once(chance: &mut Random, mut bytes: Vec<u8>, other: &[u8]) -> Vec<u8> {
    let (from, to) = part(chance, bytes.len());
    match chance.index(13) {
        // A number of a binary protocol: its smallest or greatest value.
        12 => {
            let len = [1, 2, 4, 8][chance.index(4)].min(bytes.len() - from);
            let byte = [0, 0xFF, 0x7F][chance.index(3)];
            bytes[from..from + len].fill(byte);
            bytes
        }
        0 => {
            let len = chance.index(200);
            std::iter::repeat_with(|| chance.next().to_le_bytes()[0]).take(len).collect()
        }
        1 => {
            if let Some(byte) = bytes.get_mut(from) {
                *byte ^= 1 << chance.index(8);
            }
            bytes
        }
        2 => bytes[..from].to_vec(),
        3 => bytes[from..].to_vec(),
        4 => {
            bytes.drain(from..to);
            bytes
        }
        5 => {
            let twice = bytes[from..to].to_vec();
            bytes.splice(to..to, twice);
            bytes
        }
        6 => {
            let (first, last) = part(chance, other.len());
            bytes.splice(from..to, other[first..last].iter().copied());
            bytes
        }
        7 => replaced(chance, bytes, |byte| byte.is_ascii_digit() || byte == b'-', &NUMBERS),
        8 => replaced(chance, bytes, |byte| byte.is_ascii_alphanumeric() || byte >= 0x80, &WORDS),
        9 => {
            let depth = 1 << chance.index(12);
            let (open, close) = if chance.index(2) == 0 { ("[", "]") } else { ("{\"a\":", "}") };
            let nested = format!("{}0{}", open.repeat(depth), close.repeat(depth));
            bytes.splice(from..to, nested.into_bytes());
            bytes
        }
        10 => {
            let word = chance.pick(&WORDS).map_or("", |word| *word);
            bytes.splice(from..from, word.bytes());
            bytes
        }
        _ => {
            let long = "x".repeat(1 << chance.index(15));
            bytes.splice(from..to, long.into_bytes());
            bytes
        }
    }
}

/// Puts something else in the place of a run of bytes.
fn replaced(
    chance: &mut Random,
    mut bytes: Vec<u8>,
    of_run: impl Fn(u8) -> bool,
    by: &[&str],
) -> Vec<u8> {
    let start = chance.index(bytes.len().max(1));
    let Some(from) = bytes.iter().skip(start).position(|byte| of_run(*byte)) else { return bytes };
    let from = from + start;
    let len = bytes[from..].iter().take_while(|byte| of_run(**byte)).count();
    let by = chance.pick(by).map_or("", |by| *by);
    bytes.splice(from..from + len, by.bytes());
    bytes
}

fn part(chance: &mut Random, len: usize) -> (usize, usize) {
    let (a, b) = (chance.index(len + 1), chance.index(len + 1));
    (a.min(b), a.max(b))
}

/// Makes text of bytes.
pub(super) fn utf8(bytes: &[u8]) -> Bytes {
    Bytes::from(String::from_utf8_lossy(bytes).into_owned())
}

const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "-0",
    "1e999",
    "0.1",
    "65536",
    "4294967296",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "99999999999999999999999999999999999999",
];
const WORDS: [&str; 14] = [
    "",
    "null",
    "true",
    "[]",
    "{}",
    "\"",
    "\\",
    "\\ud800",
    "\u{0}",
    "\u{1F600}",
    "\u{202E}",
    "%",
    "\r\n",
    "é",
];
/// The longest variant.
const MOST: usize = 64 << 10;
