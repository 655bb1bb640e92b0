//! Targets below a session: codecs and numbers.

use bytes::Bytes;
use redial_core::http;
use redial_core::{Frame, Timestamp};
use redial_socketio::{Connection, Decoder, EnginePacket, Generation, Inbound, Limits};
use redial_testkit::replay::Replay;
use redial_testkit::scenario::History;

use crate::Reached;

/// Histories of a machine: the model and every invariant are asked at each step.
pub fn history(bytes: &[u8]) -> Reached {
    if let Err(failed) = History::decode(bytes).play() {
        panic!("{failed}");
    }
    Reached::default()
}

/// Engine.IO and Socket.IO, both generations: the first byte chooses one, lines are frames, and a
/// frame that begins with a zero byte is binary.
pub fn socketio(bytes: &[u8]) -> Reached {
    let Some((first, rest)) = bytes.split_first() else { return Reached::default() };
    let generation = if first % 2 == 0 { Generation::Eio3 } else { Generation::Eio4 };
    let limits = Limits::DEFAULT;
    let mut decoder = Decoder::new(generation, limits);
    let mut connection = Connection::new(generation, limits);
    for line in rest.split(|byte| *byte == b'\n') {
        let frame = match line.split_first() {
            Some((0, binary)) => Frame::Binary(Bytes::copy_from_slice(binary)),
            _ => Frame::Text(Bytes::from(String::from_utf8_lossy(line).into_owned())),
        };
        let _ = EnginePacket::decode(&frame, generation, &limits);
        if let Ok(Some(Inbound::Packet(packet))) = decoder.handle_frame(&frame) {
            // What was read can be written, and is read again as the same.
            let mut again = Decoder::new(generation, limits);
            let frames: Vec<_> = packet.frames(generation).collect();
            let read: Vec<_> = frames.iter().map(|frame| again.handle_frame(frame)).collect();
            if frames.len() == 1 {
                assert_eq!(read, [Ok(Some(Inbound::Packet(packet)))]);
            }
        }
        let _ = connection.handle_frame(&frame);
        while connection.poll_frame().is_some() {}
        while connection.poll_signal().is_some() {}
    }
    Reached::default()
}

/// `Retry-After`, with the answer's own `Date` on a second line.
pub fn retry_after(bytes: &[u8]) -> Reached {
    let text = String::from_utf8_lossy(bytes);
    let (value, date) =
        text.split_once('\n').map_or((&*text, None), |(value, date)| (value, Some(date)));
    let now = Timestamp::from_millis(1_790_000_000_000);
    let span = http::retry_after(value, date, now);
    let digits = value.trim();
    if !digits.is_empty() && digits.len() < 6 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let secs: u32 = digits.parse().expect("digits");
        assert_eq!(span.map(redial_core::Span::as_millis), Some(secs * 1000));
    }
    Reached::default()
}

/// Traces of the flight recorder: reading is bounded, and what is executed again is explained.
pub fn trace(bytes: &[u8]) -> Reached {
    let _ = redial_testkit::replay::verify(bytes);
    if let Ok(mut replay) = Replay::new(bytes) {
        let mut start = None;
        while let Ok(Some(turn)) = replay.turn() {
            let start = *start.get_or_insert(turn.cx.now);
            let _ = redial_testkit::replay::explain(replay.policy(), start, &turn);
        }
    }
    if let Ok(replay) = Replay::new(bytes) {
        let _ = redial_testkit::replay::to_test(replay);
    }
    // A failure of a simulation is fed to a machine, whatever it says.
    if let Ok(case) = redial_testkit::world::Case::read(bytes) {
        let _ = case.feed(redial_core::Machine::new());
    }
    Reached::default()
}
