//! Reading from the socket and writing to it.

use std::sync::Arc;
use std::task::{Context, Poll};

use redial_core::{Adapter, ConnId, Cx, Fault, Frame, Input, Problem, Transmit};
use tokio::task::coop::has_budget_remaining;

use super::Driver;
use super::socket::{Read, Sent, Write};

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the peer.
    Received,
    /// To the peer.
    Sent,
}

/// Whoever watches the frames.
pub(crate) type Tap = Arc<dyn Fn(Direction, &Frame) + Send + Sync>;

impl<A: Adapter> Driver<A> {
    /// Reads what is there, as long as the application keeps up.
    pub(super) fn poll_read(&mut self, task: &mut Context<'_>) -> bool {
        let mut busy = false;
        for _ in 0..FRAMES {
            let Some(live) = &mut self.socket else { return busy };
            if self.reading.is_full(self.session.items_waiting() + self.backlog) {
                self.stall();
                return busy;
            }
            let conn = live.conn;
            match live.poll_read(task) {
                // A runtime that wants its thread back says so of sockets that are not empty.
                Poll::Pending if !has_budget_remaining() => {
                    self.reading.fall_behind();
                    return busy;
                }
                Poll::Pending => {
                    if self.reading.catch_up() {
                        let cx = self.cx();
                        self.vouch(cx);
                    }
                    return busy;
                }
                Poll::Ready(read) => {
                    busy = true;
                    self.take_in(conn, read);
                }
            }
        }
        self.reading.fall_behind();
        // There may be more: come back for it after what this led to is done.
        task.waker().wake_by_ref();
        busy
    }

    fn take_in(&mut self, conn: ConnId, read: Read) {
        let cx = self.cx();
        match read {
            Read::Frame(frame) => {
                self.reading.note(&frame);
                self.watch(Direction::Received, &frame);
                self.session.handle(cx, Input::Frame { conn, frame });
            }
            Read::Ended { cause, reason, problem, answer } => {
                if let Some(problem) = problem {
                    self.session.handle(cx, Input::Problem(problem));
                }
                if let Some(live) = self.socket.take() {
                    live.part(answer);
                }
                self.session.note_reason(conn, &reason);
                self.session.handle(cx, Input::Closed { conn, cause, retry_after: None });
            }
        }
    }

    fn watch(&self, direction: Direction, frame: &Frame) {
        if let Some(tap) = &self.tap {
            tap(direction, frame);
        }
        match (frame, direction) {
            (Frame::Ping(_) | Frame::Pong(_), _) => {}
            (Frame::Text(_) | Frame::Binary(_), Direction::Received) => self.observer.received(),
            (Frame::Text(_) | Frame::Binary(_), Direction::Sent) => self.observer.sent(),
        }
    }

    /// Says once for each stall that the application does not take what is there for it.
    fn stall(&mut self) {
        if self.reading.stall() {
            let text = "the application takes its items too slowly: the socket is not read";
            self.problem(Fault::Caller, text);
        }
    }

    /// A peer whose words are not read must not be taken for dead.
    pub(super) fn vouch(&mut self, cx: Cx) {
        if let Some(live) = &self.socket {
            self.session.handle(cx, Input::Unread { conn: live.conn });
        }
    }

    pub(super) fn problem(&mut self, fault: Fault, text: &'static str) {
        let cx = self.cx();
        self.session.handle(cx, Input::Problem(Problem { fault, text }));
    }

    pub(super) fn poll_write(&mut self, task: &mut Context<'_>) -> bool {
        let mut busy = false;
        while let Some(live) = &mut self.socket {
            let conn = live.conn;
            match live.poll_ready(task) {
                Write::Ready => {}
                Write::Full => return busy,
                Write::Ended(read) => {
                    self.take_in(conn, read);
                    return true;
                }
            }
            let cx = self.cx();
            let Some(transmit) = self.session.poll_transmit(cx) else { break };
            busy = true;
            self.save();
            if let Transmit::Frame(frame) = &transmit {
                self.watch(Direction::Sent, frame);
            }
            let Some(live) = &mut self.socket else { break };
            match live.start_send(transmit, self.session.adapter().close_reason()) {
                Sent::Yes => {}
                Sent::Not(text) => self.problem(Fault::Ours, text),
                Sent::Ended(read) => {
                    self.take_in(conn, read);
                    return true;
                }
            }
        }
        if let Some(live) = &mut self.socket {
            let conn = live.conn;
            if let Write::Ended(read) = live.poll_flush(task) {
                self.take_in(conn, read);
                return true;
            }
        }
        busy
    }
}

/// How many frames a round may read.
const FRAMES: usize = 64;
