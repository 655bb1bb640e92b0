//! Just enough of HTTP/1.1 and WebSocket to count requests and frames.
//!
//! What is not understood, TLS above all, is passed on as it is and never looked at again.

/// A place in one direction of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    /// How many bytes lie before it.
    pub(crate) pos: u64,
    /// The number of the frame that it lies in or before, from 1, and how many of the frame's bytes
    /// lie before it.
    pub(crate) frame: Option<(u64, u64)>,
}

/// The head of a request.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Head {
    pub(crate) bytes: Vec<u8>,
    pub(crate) method: String,
    pub(crate) target: String,
    /// Whether it asks for a WebSocket.
    pub(crate) upgrade: bool,
}

/// What a request is held back for.
#[derive(Debug)]
pub(crate) enum Hold {
    /// Nothing: the bytes go on.
    No,
    /// Its head is not complete.
    More,
    /// Its head is complete.
    Head(Head),
}

/// How the answer to an upgrade came out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Upgrade {
    /// Nobody has asked.
    None,
    /// It has not been answered.
    Asked,
    /// From here on there are frames.
    Granted,
    /// It was refused.
    Denied,
}

/// Follows one direction of a connection.
#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    tls: bool,
    pos: u64,
    frames: u64,
}

#[derive(Debug)]
enum State {
    /// The head of a request, held back.
    Request(Vec<u8>),
    /// So much of a body is left.
    Body(u64),
    /// The line with the size of a chunk.
    ChunkSize(Vec<u8>),
    /// So much of a chunk is left, its line end included.
    Chunk(u64),
    /// The lines after the last chunk; how long the present one is.
    Trailer(usize),
    /// An upgrade has been asked for.
    Waiting,
    /// The head of the answer to an upgrade, as far as it has gone on.
    Answer(Vec<u8>),
    /// A frame: its header so far, and what has gone on of it.
    Frame { header: Vec<u8>, into: u64, left: u64 },
    /// Something else.
    Opaque,
}

impl Scanner {
    /// Follows what a client sends.
    pub(crate) fn of_client() -> Self {
        Self { state: State::Request(Vec::new()), tls: false, pos: 0, frames: 0 }
    }

    /// Follows what a server sends.
    pub(crate) fn of_server() -> Self {
        Self { state: State::Opaque, tls: false, pos: 0, frames: 0 }
    }

    pub(crate) fn place(&self) -> Place {
        let frame = match &self.state {
            State::Frame { into: 0, .. } => Some((self.frames + 1, 0)),
            State::Frame { into, .. } => Some((self.frames, *into)),
            _ => None,
        };
        Place { pos: self.pos, frame }
    }

    /// Returns whether what a client sends cannot be read any more.
    pub(crate) fn is_opaque(&self) -> bool {
        matches!(self.state, State::Opaque)
    }

    /// Returns whether it is TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls
    }

    /// Returns how many frames have begun.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// Returns whether a frame of our own can stand here.
    pub(crate) fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Frame { into: 0, .. })
    }

    /// Returns whether what comes next is a request's head.
    pub(crate) fn is_before_request(&self) -> bool {
        matches!(self.state, State::Request(_))
    }

    /// Takes what the other direction has found out about the upgrade.
    pub(crate) fn learn(&mut self, upgrade: Upgrade) {
        match (&self.state, upgrade) {
            (State::Waiting, Upgrade::Granted) => self.state = State::between(),
            (State::Waiting, Upgrade::Denied) => self.state = State::Request(Vec::new()),
            _ => {}
        }
    }

    /// From here on the server answers an upgrade.
    pub(crate) fn expect_answer(&mut self) {
        if matches!(self.state, State::Opaque) {
            self.state = State::Answer(Vec::new());
        }
    }

    /// Takes bytes of a request's head off `rest`. They are the caller's again once the head is
    /// complete, or is none.
    pub(crate) fn hold(&mut self, rest: &mut &[u8]) -> Hold {
        let State::Request(head) = &mut self.state else { return Hold::No };
        let from = head.len().saturating_sub(3);
        head.extend_from_slice(rest);
        let end = find(&head[from..], b"\r\n\r\n").map(|at| from + at + 4);
        let taken = end.map_or(rest.len(), |end| end + rest.len() - head.len());
        let Some(end) = end else {
            *rest = &[];
            if head.len() <= MAX_HEAD && looks_like_http(head) {
                return Hold::More;
            }
            return Hold::Head(self.give_up());
        };
        head.truncate(end);
        *rest = &rest[taken..];
        let bytes = std::mem::take(head);
        match read_request(&bytes) {
            Some((method, target, body)) => {
                self.state = match body {
                    Body::Length(0) => State::Request(Vec::new()),
                    Body::Length(length) => State::Body(length),
                    Body::Chunked => State::ChunkSize(Vec::new()),
                    Body::Upgrade => State::Waiting,
                };
                let upgrade = matches!(self.state, State::Waiting);
                Hold::Head(Head { bytes, method, target, upgrade })
            }
            None => {
                self.state = State::Opaque;
                Hold::Head(Head::nameless(bytes))
            }
        }
    }

    /// Returns what is held back, where the stream ends in the middle of a head.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        match &mut self.state {
            State::Request(head) => std::mem::take(head),
            _ => Vec::new(),
        }
    }

    /// Counts bytes that are not looked at.
    pub(crate) fn skip(&mut self, count: usize) {
        self.pos += count as u64;
    }

    /// Takes bytes that go on, at most `most` of them and not beyond the end of a frame or of a
    /// request's body; returns how many, at least one. An answer to an upgrade is told.
    pub(crate) fn take(&mut self, buf: &[u8], most: u64) -> (usize, Option<Upgrade>) {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(buf.len()).max(1);
        let buf = &buf[..most.min(buf.len())];
        let mut told = None;
        let count = match &mut self.state {
            State::Opaque | State::Request(_) | State::Waiting => buf.len(),
            State::Body(left) => {
                let count = bounded(buf.len(), *left);
                *left -= count as u64;
                if *left == 0 {
                    self.state = State::Request(Vec::new());
                }
                count
            }
            State::Chunk(left) => {
                let count = bounded(buf.len(), *left);
                *left -= count as u64;
                if *left == 0 {
                    self.state = State::ChunkSize(Vec::new());
                }
                count
            }
            State::ChunkSize(line) => {
                line.push(buf[0]);
                let done = line.ends_with(b"\r\n");
                if done || line.len() > MAX_LINE {
                    self.state = match chunk_size(line).filter(|_| done) {
                        Some(0) => State::Trailer(0),
                        Some(size) => State::Chunk(size + 2),
                        None => State::Opaque,
                    };
                }
                1
            }
            State::Trailer(length) => {
                match buf[0] {
                    b'\n' if *length <= 1 => self.state = State::Request(Vec::new()),
                    b'\n' => *length = 0,
                    _ => *length = length.saturating_add(1),
                }
                1
            }
            State::Answer(head) => {
                let from = head.len().saturating_sub(3);
                let before = head.len();
                head.extend_from_slice(buf);
                match find(&head[from..], b"\r\n\r\n") {
                    Some(at) => {
                        let count = from + at + 4 - before;
                        let granted = head.starts_with(b"HTTP/1.1 101");
                        self.state = if granted { State::between() } else { State::Opaque };
                        told = Some(if granted { Upgrade::Granted } else { Upgrade::Denied });
                        count
                    }
                    None if head.len() > MAX_HEAD => {
                        self.state = State::Opaque;
                        told = Some(Upgrade::Denied);
                        buf.len()
                    }
                    None => buf.len(),
                }
            }
            State::Frame { header, into, left } => {
                if *into == 0 {
                    self.frames += 1;
                }
                let count = if *left > 0 {
                    let count = bounded(buf.len(), *left);
                    *left -= count as u64;
                    count
                } else {
                    header.push(buf[0]);
                    *left = payload(header).unwrap_or(0);
                    1
                };
                *into += count as u64;
                if *left == 0 && payload(header).is_some() {
                    self.state = State::between();
                }
                count
            }
        };
        self.pos += count as u64;
        (count, told)
    }

    fn give_up(&mut self) -> Head {
        let bytes = self.rest();
        self.state = State::Opaque;
        self.tls = self.pos == 0 && bytes.first() == Some(&TLS_HANDSHAKE);
        Head::nameless(bytes)
    }
}

impl State {
    fn between() -> Self {
        Self::Frame { header: Vec::new(), into: 0, left: 0 }
    }
}

impl Head {
    fn nameless(bytes: Vec<u8>) -> Self {
        Self { bytes, method: String::new(), target: String::new(), upgrade: false }
    }
}

enum Body {
    Length(u64),
    Chunked,
    Upgrade,
}

fn read_request(head: &[u8]) -> Option<(String, String, Body)> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    let (mut body, mut upgrade) = (Body::Length(0), false);
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            body = Body::Length(value.parse().ok()?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            body = Body::Chunked;
        } else if name.eq_ignore_ascii_case("upgrade") {
            upgrade |= value.eq_ignore_ascii_case("websocket");
        }
    }
    let body = if upgrade { Body::Upgrade } else { body };
    Some((method.to_owned(), target.to_owned(), body))
}

/// Returns whether these may be the first bytes of a request: a method of letters.
fn looks_like_http(head: &[u8]) -> bool {
    let method = head.iter().take(16).take_while(|byte| **byte != b' ');
    method.clone().count() < 16 && method.clone().all(u8::is_ascii_uppercase)
}

/// Returns the length of the payload, once the header is complete.
fn payload(header: &[u8]) -> Option<u64> {
    let second = *header.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (length, extended) = match second & 0x7F {
        126 => (header.get(2..4).map(|b| u64::from(u16::from_be_bytes([b[0], b[1]])))?, 2),
        127 => (header.get(2..10)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), 8),
        short => (u64::from(short), 0),
    };
    (header.len() >= 2 + extended + mask).then_some(length)
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    let size = text.split([';', '\r']).next()?.trim();
    u64::from_str_radix(size, 16).ok().filter(|size| *size < 1 << 60)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn bounded(length: usize, left: u64) -> usize {
    usize::try_from(left).map_or(length, |left| left.min(length))
}

/// What a TLS connection begins with.
const TLS_HANDSHAKE: u8 = 0x16;
const MAX_HEAD: usize = 64 * 1024;
const MAX_LINE: usize = 1024;
