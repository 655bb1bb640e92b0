//! Stdout has a thread of its own: a reader that is slow, or gone, holds up nobody.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write as _};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Prints a line, after those that wait already.
pub(crate) fn say(line: String) {
    queue().push(line);
}

/// Waits until few enough lines wait that more may be made.
pub(crate) async fn room() {
    let queue = queue();
    loop {
        let drained = queue.drained.notified();
        if !queue.lock().is_full() {
            return;
        }
        drained.await;
    }
}

/// From here on nobody waits for a reader: what finds no room is lost.
pub(crate) fn hurry() {
    let queue = queue();
    queue.lock().hurry = true;
    queue.drained.notify_waiters();
}

/// Waits until everything is written, or, where that is bounded, this long after the reader has
/// stopped reading. Returns why something could not be written; a reader that is gone is no reason.
pub(crate) fn flush(within: Option<Duration>) -> Option<String> {
    let queue = queue();
    let mut inner = queue.lock();
    let (mut written, mut since) = (inner.written, Instant::now());
    while inner.busy() {
        if inner.written != written {
            (written, since) = (inner.written, Instant::now());
        }
        let left = within.map_or(LOOK, |within| within.saturating_sub(since.elapsed()));
        if left.is_zero() {
            break;
        }
        inner = match queue.changed.wait_timeout(inner, left) {
            Ok((inner, _)) => inner,
            Err(poisoned) => poisoned.into_inner().0,
        };
    }
    inner.failure.take()
}

struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
    drained: Notify,
}

#[derive(Default)]
struct Inner {
    lines: VecDeque<String>,
    bytes: usize,
    writing: bool,
    written: u64,
    hurry: bool,
    failure: Option<String>,
}

impl Inner {
    fn is_full(&self) -> bool {
        self.bytes > MAX_BYTES && !self.hurry
    }

    fn busy(&self) -> bool {
        self.writing || !self.lines.is_empty()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, mut line: String) {
        line.push('\n');
        let mut inner = self.lock();
        if inner.hurry && inner.bytes > 2 * MAX_BYTES {
            return;
        }
        inner.bytes += line.len();
        inner.lines.push_back(line);
        self.changed.notify_all();
    }

    fn write_for_ever(&self) {
        let mut inner = self.lock();
        loop {
            inner.writing = false;
            self.changed.notify_all();
            while inner.lines.is_empty() {
                inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
            }
            inner.writing = true;
            let lines = std::mem::take(&mut inner.lines);
            drop(inner);
            for line in lines {
                let mut out = std::io::stdout().lock();
                let done = out.write_all(line.as_bytes()).and_then(|()| out.flush());
                let mut inner = self.lock();
                match done {
                    // Where nobody reads any more, the line is lost.
                    Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                        inner.failure.get_or_insert_with(|| error.to_string());
                    }
                    Ok(()) | Err(_) => {}
                }
                inner.bytes -= line.len();
                inner.written += 1;
                if !inner.is_full() {
                    self.drained.notify_waiters();
                }
                self.changed.notify_all();
            }
            inner = self.lock();
        }
    }
}

fn queue() -> &'static Queue {
    static QUEUE: OnceLock<Queue> = OnceLock::new();
    let mut first = false;
    let queue = QUEUE.get_or_init(|| {
        first = true;
        Queue { inner: Mutex::default(), changed: Condvar::new(), drained: Notify::new() }
    });
    if first {
        std::thread::spawn(|| queue.write_for_ever());
    }
    queue
}

/// How much waits for a reader before no more is made.
const MAX_BYTES: usize = 8 << 20;
/// How long a look at a reader who is waited for without end takes.
const LOOK: Duration = Duration::from_secs(60);
