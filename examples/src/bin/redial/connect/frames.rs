//! `--debug-frames`: the envelopes of frames, on stderr.

use std::io::Write as _;
use std::time::Instant;

use redial_core::Frame;
use redial_tungstenite::Direction;
use serde_json::Value;

use super::Vendor;

/// Returns what prints a line about each frame: which way, what kind, how long, and those fields
/// of the vendor's envelope. Bodies are not printed, unless the vendor's own debug mode prints them.
pub(crate) fn printer<A: Vendor>() -> impl Fn(Direction, &Frame) + Send + Sync + 'static {
    let start = Instant::now();
    move |direction, frame| {
        let line = line::<A>(direction, frame);
        let seconds = start.elapsed().as_secs_f64();
        let _ = writeln!(std::io::stderr().lock(), "{seconds:9.3}  {line}");
    }
}

fn line<A: Vendor>(direction: Direction, frame: &Frame) -> String {
    let way = match direction {
        Direction::Received => "received",
        Direction::Sent => "sent",
    };
    let (kind, bytes) = match frame {
        Frame::Text(bytes) => ("text", bytes),
        Frame::Binary(bytes) => ("binary", bytes),
        Frame::Ping(bytes) => ("ping", bytes),
        Frame::Pong(bytes) => ("pong", bytes),
    };
    let mut line = format!("frame {way} {kind} bytes={}", bytes.len());
    if kind != "text" {
        return line;
    }
    if let Some(shown) = A::shown(bytes) {
        line.push(' ');
        line.push_str(&shown);
    } else if let Ok(Value::Object(fields)) = serde_json::from_slice(bytes) {
        for name in A::ENVELOPE {
            match fields.get(*name) {
                Some(Value::String(text)) => {
                    let short = text.chars().take(SHOWN).filter(|c| !c.is_control());
                    line.push_str(&format!(" {name}={}", short.collect::<String>()));
                }
                Some(Value::Number(number)) => line.push_str(&format!(" {name}={number}")),
                _ => {}
            }
        }
    }
    line
}

/// The longest field that is shown, in characters.
const SHOWN: usize = 100;
