//! SIGINT and SIGTERM.

use std::sync::{Mutex, PoisonError};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output::Failure;

/// Waits for the signals that ask a process to end.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from here on, for whoever calls [`Signals::new`]: what comes before there is a
    /// session ends it as soon as there is one.
    pub(crate) fn listen() -> Result<(), Failure> {
        let signals = Self::new()?;
        *EARLY.lock().unwrap_or_else(PoisonError::into_inner) = Some(signals);
        Ok(())
    }

    /// Returns the listeners of [`Signals::listen`], or new ones.
    pub(crate) fn new() -> Result<Self, Failure> {
        if let Some(early) = EARLY.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(early);
        }
        let listen = |kind| signal(kind).map_err(|error| Failure::new(format!("signals: {error}")));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one. Dropping the wait loses none.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

static EARLY: Mutex<Option<Signals>> = Mutex::new(None);
