//! Stdin, line by line, in bounded memory.

use tokio::io::{AsyncBufReadExt, BufReader, Stdin};

/// Stdin, line by line. Its end keeps the session up.
pub(crate) struct Input {
    stdin: Option<BufReader<Stdin>>,
    line: Vec<u8>,
    /// The line so far is longer than any may be.
    overlong: bool,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Text(String),
    /// What is no line of ours, and why.
    Bad(&'static str),
}

impl Input {
    /// The longest line that is taken.
    const MAX: usize = 1 << 20;

    pub(crate) fn new() -> Self {
        let stdin = Some(BufReader::new(tokio::io::stdin()));
        Self { stdin, line: Vec::new(), overlong: false }
    }

    /// Returns whether nothing more will come.
    pub(crate) const fn is_over(&self) -> bool {
        self.stdin.is_none()
    }

    /// Waits for the next line; never ends. Dropping the wait loses nothing.
    pub(crate) async fn next(&mut self) -> Line {
        loop {
            let Some(stdin) = &mut self.stdin else { return std::future::pending().await };
            let bytes = match stdin.fill_buf().await {
                Ok(bytes) if !bytes.is_empty() => bytes,
                Ok(_) | Err(_) => {
                    self.stdin = None;
                    if self.line.is_empty() && !self.overlong {
                        continue;
                    }
                    return self.take();
                }
            };
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > Self::MAX {
                self.overlong = true;
                self.line = Vec::new();
            }
            if !self.overlong {
                self.line.extend_from_slice(part);
            }
            let taken = part.len() + usize::from(end.is_some());
            stdin.consume(taken);
            if end.is_some() {
                return self.take();
            }
        }
    }

    fn take(&mut self) -> Line {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.overlong) {
            return Line::Bad("a line is longer than 1 MiB");
        }
        match String::from_utf8(line) {
            Ok(text) => Line::Text(text),
            Err(_) => Line::Bad("a line is not UTF-8"),
        }
    }
}
