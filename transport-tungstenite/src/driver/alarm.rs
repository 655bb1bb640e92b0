//! What a driver sleeps on.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use redial_core::{Span, Timestamp};
use tokio::time::{Instant, Sleep};

/// Rings when a time has come, and now and then before.
///
/// Whatever rings has been rung by the runtime, which looks at its sockets on the same occasion.
/// So when a deadline has passed *and* the alarm has rung, what had arrived by then can be read. A
/// task that was not polled for a while, or that kept its thread busy, learns so from the clock
/// alone what time it is, but not yet what its socket holds.
#[derive(Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Sets the alarm to `at` or earlier, and is ready when it has rung.
    pub(super) fn poll(
        &mut self,
        task: &mut Context<'_>,
        now: Timestamp,
        at: Timestamp,
    ) -> Poll<()> {
        // The runtime's timer may stand still while the host sleeps: look at the clock now and then.
        let span = Duration::from(at.since(now).min(GLANCE)).max(GRAIN);
        let until = Instant::now() + span;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        // An alarm that is too early is left: it costs one look, and deadlines are mostly put off.
        if sleep.deadline() > until + GRAIN {
            sleep.as_mut().reset(until);
        }
        let rung = sleep.as_mut().poll(task);
        if rung.is_ready() {
            self.sleep = None;
        }
        rung
    }

    pub(super) fn disarm(&mut self) {
        self.sleep = None;
    }
}

/// The longest sleep between two looks at the clock.
const GLANCE: Span = Span::from_secs(15);
/// The shortest: the runtime rings nothing that is due already without looking at its sockets.
const GRAIN: Duration = Duration::from_millis(1);
