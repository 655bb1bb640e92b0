//! Whether the application keeps up with the peer, and the driver with the socket.

use std::time::{Duration, Instant};

use redial_core::Frame;

/// How far the socket has been read.
#[derive(Default)]
pub(super) struct Reading {
    /// The application takes its items too slowly: nothing is read.
    stalled: bool,
    /// It did, and what came meanwhile has not all been read yet.
    catching_up: bool,
    /// What was read since the application had nothing waiting.
    bytes: usize,
    /// Since when there has always been more to read.
    behind: Option<Instant>,
}

impl Reading {
    /// Says whether nothing may be read while so many items wait.
    pub(super) fn is_full(&mut self, waiting: usize) -> bool {
        if waiting == 0 {
            self.bytes = 0;
        }
        // Begin again well below the bound, or each item that is taken would end a stall.
        let bound = if self.stalled { ITEMS_MAX / 2 } else { ITEMS_MAX };
        let full = waiting >= bound || self.bytes >= BYTES_MAX;
        self.stalled &= full;
        full
    }

    /// Stops reading; returns whether that is news.
    pub(super) fn stall(&mut self) -> bool {
        self.catching_up = true;
        // Deadlines do not wait for an application.
        self.behind = None;
        !std::mem::replace(&mut self.stalled, true)
    }

    pub(super) fn note(&mut self, frame: &Frame) {
        let (Frame::Text(bytes) | Frame::Binary(bytes) | Frame::Ping(bytes) | Frame::Pong(bytes)) =
            frame;
        self.bytes = self.bytes.saturating_add(bytes.len());
    }

    /// There is more to read than may be read now.
    pub(super) fn fall_behind(&mut self) {
        self.behind.get_or_insert_with(Instant::now);
    }

    /// Everything has been read; returns whether that ends a stall.
    pub(super) fn catch_up(&mut self) -> bool {
        self.behind = None;
        std::mem::take(&mut self.catching_up)
    }

    /// Another socket has nothing unread.
    pub(super) fn begin(&mut self) {
        self.behind = None;
        self.catching_up = self.stalled;
    }

    /// Returns whether the peer may have said what nobody has read, for want of the application.
    pub(super) const fn is_unread(&self) -> bool {
        self.catching_up
    }

    /// Returns whether a deadline has to wait until more has been read. A peer that talks without
    /// end does not put it off for ever.
    pub(super) fn is_behind(&self) -> bool {
        self.behind.is_some_and(|since| since.elapsed() < BEHIND_MAX)
    }
}

/// How many items may wait for the application before the socket is read no more.
const ITEMS_MAX: usize = 1024;
/// How many bytes may be read while the application always has something waiting.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long there may be more to read before deadlines wait no longer.
const BEHIND_MAX: Duration = Duration::from_secs(1);
