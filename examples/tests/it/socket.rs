//! A WebSocket made of a TCP stream: enough to talk to a simulator without any client library.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::{PATIENCE, Sim};

/// An open WebSocket.
pub(crate) struct Socket(TcpStream);

/// What came in on it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    Text(String),
    Close(Option<u16>),
    /// The connection ended without a close frame.
    End,
}

impl Socket {
    /// Opens it, or gives the status of the refusal.
    pub(crate) fn open(sim: &Sim, target: &str) -> Result<Self, u16> {
        let mut tcp = TcpStream::connect(sim.host()).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            tcp,
            "GET {target} HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            sim.host()
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            tcp.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        match head.split(' ').nth(1).unwrap().parse().unwrap() {
            101 => Ok(Self(tcp)),
            status => Err(status),
        }
    }

    /// Sends a text, masked by zeros.
    pub(crate) fn say(&mut self, text: &str) {
        let mut frame = vec![0x81];
        match text.len() {
            short @ 0..=125 => frame.push(0x80 | short as u8),
            long => {
                frame.push(0x80 | 126);
                frame.extend((long as u16).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.write_all(&frame).unwrap();
    }

    /// Takes the next frame.
    pub(crate) fn next(&mut self) -> Frame {
        let mut head = [0; 2];
        if self.0.read_exact(&mut head).is_err() {
            return Frame::End;
        }
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).unwrap();
                usize::from(u16::from_be_bytes(length))
            }
            short @ 0..=125 => usize::from(short),
            _ => panic!("a frame of more than 64 KiB"),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).unwrap();
        match head[0] {
            0x81 => Frame::Text(String::from_utf8(payload).unwrap()),
            0x88 => Frame::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
            0x89 => self.next(),
            other => panic!("opcode {other:#x}"),
        }
    }

    /// Takes the next text.
    pub(crate) fn text(&mut self) -> String {
        match self.next() {
            Frame::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    /// Takes the next text, as JSON behind `prefix`.
    pub(crate) fn json(&mut self, prefix: &str) -> Value {
        let text = self.text();
        let json = text.strip_prefix(prefix).unwrap_or_else(|| panic!("{text}"));
        serde_json::from_str(json).unwrap()
    }
}

/// Makes a request of its own; gives status and body.
pub(crate) fn request(sim: &Sim, head: &str, headers: &str, body: &str) -> (u16, Value) {
    let mut tcp = TcpStream::connect(sim.host()).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let (host, length) = (sim.host(), body.len());
    write!(
        tcp,
        "{head} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\
         content-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}
