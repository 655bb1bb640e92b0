//! RFC 6455 frames, written by hand so that the script can also send what the RFC forbids.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Continuation opcode.
pub const CONTINUATION: u8 = 0x0;
/// Text opcode.
pub const TEXT: u8 = 0x1;
/// Binary opcode.
pub const BINARY: u8 = 0x2;
/// Close opcode.
pub const CLOSE: u8 = 0x8;
/// Ping opcode.
pub const PING: u8 = 0x9;
/// Pong opcode.
pub const PONG: u8 = 0xA;

/// Encodes one final, unmasked frame, whatever its payload.
#[must_use]
pub fn encode(opcode: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 10);
    encode_into(&mut out, opcode, payload);
    out.freeze()
}

/// Appends one final, unmasked frame.
pub(crate) fn encode_into(out: &mut BytesMut, opcode: u8, payload: &[u8]) {
    out.put_u8(0x80 | opcode);
    match payload.len() {
        len @ 0..=125 => out.put_u8(len as u8),
        len @ 126..=0xFFFF => {
            out.put_u8(126);
            out.put_u16(len as u16);
        }
        len => {
            out.put_u8(127);
            out.put_u64(len as u64);
        }
    }
    out.put_slice(payload);
}

/// Builds the payload of a close frame; 1005 is the empty one.
#[must_use]
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    if code == 1005 {
        return Vec::new();
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_bytes());
    payload
}

/// What a client sent, with fragments put together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// A ping.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// A close frame; the code is 1005 when there was none.
    Close(u16, String),
}

/// Why a client's bytes are not acceptable, with the close code that says so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Violation(pub u16, pub &'static str);

/// Takes frames off a byte stream.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buffer: BytesMut,
    fragments: Option<(u8, BytesMut)>,
}

impl Decoder {
    /// Gives the buffer that the next bytes are read into.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Returns the next whole message.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Violation> {
        loop {
            let Some((fin, opcode, payload)) = self.frame()? else { return Ok(None) };
            match opcode {
                PING => return Ok(Some(Message::Ping(payload))),
                PONG => return Ok(Some(Message::Pong(payload))),
                CLOSE => return close(&payload).map(Some),
                TEXT | BINARY if self.fragments.is_none() => {
                    if fin {
                        return whole(opcode, payload).map(Some);
                    }
                    self.fragments = Some((opcode, BytesMut::from(&payload[..])));
                }
                CONTINUATION => {
                    let Some((first, mut so_far)) = self.fragments.take() else {
                        return Err(Violation(1002, "continuation without a beginning"));
                    };
                    if so_far.len() + payload.len() > MAX_FRAME {
                        return Err(TOO_BIG);
                    }
                    so_far.extend_from_slice(&payload);
                    if fin {
                        return whole(first, so_far.freeze()).map(Some);
                    }
                    self.fragments = Some((first, so_far));
                }
                _ => return Err(Violation(1002, "unexpected opcode")),
            }
        }
    }

    fn frame(&mut self) -> Result<Option<(bool, u8, Bytes)>, Violation> {
        let [first, second, ..] = self.buffer[..] else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Violation(1002, "reserved bits set"));
        }
        if second & 0x80 == 0 {
            return Err(Violation(1002, "client frame without a mask"));
        }
        let (extra, length) = match second & 0x7F {
            126 => (2, self.buffer.get(2..4).map(|mut bytes| u64::from(bytes.get_u16()))),
            127 => (8, self.buffer.get(2..10).map(|mut bytes| bytes.get_u64())),
            short => (0, Some(u64::from(short))),
        };
        let Some(length) = length else { return Ok(None) };
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_FRAME);
        let Some(length) = length else { return Err(TOO_BIG) };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0F);
        if opcode >= CLOSE && (length > 125 || !fin) {
            return Err(Violation(1002, "control frame too long or fragmented"));
        }
        let header = 2 + extra + 4;
        if self.buffer.len() < header + length {
            return Ok(None);
        }
        self.buffer.advance(2 + extra);
        let mut mask = [0; 4];
        self.buffer.copy_to_slice(&mut mask);
        let mut payload = self.buffer.split_to(length);
        for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= key;
        }
        Ok(Some((fin, opcode, payload.freeze())))
    }
}

fn whole(opcode: u8, payload: Bytes) -> Result<Message, Violation> {
    if opcode == BINARY {
        return Ok(Message::Binary(payload));
    }
    match String::from_utf8(payload.into()) {
        Ok(text) => Ok(Message::Text(text)),
        Err(_) => Err(Violation(1007, "text is not UTF-8")),
    }
}

fn close(payload: &[u8]) -> Result<Message, Violation> {
    match payload {
        [] => Ok(Message::Close(1005, String::new())),
        [high, low, reason @ ..] => match std::str::from_utf8(reason) {
            Ok(reason) => Ok(Message::Close(u16::from_be_bytes([*high, *low]), reason.to_owned())),
            Err(_) => Err(Violation(1007, "close reason is not UTF-8")),
        },
        [_] => Err(Violation(1002, "close frame of one byte")),
    }
}

/// Largest message that a simulator accepts.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;
const TOO_BIG: Violation = Violation(1009, "message too big");

#[cfg(test)]
mod tests {
    use super::{Decoder, Message, Violation, close_payload, encode};

    #[test]
    fn fragments_become_one_message() {
        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(&[0x01, 0x82, 0, 0, 0, 0, b'a', b'b']);
        decoder.buffer().extend_from_slice(&[0x89, 0x80, 1, 2, 3, 4]);
        decoder.buffer().extend_from_slice(&[0x80, 0x81, 1, 1, 1, 1, b'c' ^ 1]);
        assert_eq!(decoder.next(), Ok(Some(Message::Ping(bytes::Bytes::new()))));
        assert_eq!(decoder.next(), Ok(Some(Message::Text("abc".into()))));
        assert_eq!(decoder.next(), Ok(None));
    }

    #[test]
    fn a_frame_without_mask_is_a_violation() {
        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(&encode(super::TEXT, b"x"));
        assert_eq!(decoder.next(), Err(Violation(1002, "client frame without a mask")));
    }

    #[test]
    fn an_oversized_length_is_refused_before_it_is_read() {
        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(&[0x82, 0xFF, 0x7F, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(decoder.next(), Err(super::TOO_BIG));
    }

    #[test]
    fn code_1005_is_the_empty_close() {
        assert!(close_payload(1005, "ignored").is_empty());
        assert_eq!(close_payload(4401, "no"), [0x11, 0x31, b'n', b'o']);
    }
}
