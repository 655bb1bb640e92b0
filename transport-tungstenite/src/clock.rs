//! A clock that never steps and does not stand still while the host sleeps.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redial_core::Timestamp;

/// Tells the time of a session.
pub trait Clock: Send + Sync {
    /// Returns the time, which never goes backwards.
    fn now(&self) -> Timestamp;
}

/// The wall clock when the process first asked for it, and the elapsed time since then.
///
/// All clocks of a process agree, so that its sessions mean the same instant when one tells
/// another how long a server wants to be left alone. The wall clock may be set meanwhile.
///
/// On Linux and Android the time that the host was suspended counts as elapsed, so that deadlines
/// that passed in its sleep are seen as soon as it wakes. Elsewhere it depends on the platform's
/// [`Instant`](std::time::Instant).
#[derive(Clone, Copy)]
pub struct SystemClock {
    wall: u64,
    start: Duration,
}

impl SystemClock {
    /// Returns the clock of this process.
    #[must_use]
    pub fn new() -> Self {
        static FIRST: OnceLock<SystemClock> = OnceLock::new();
        *FIRST.get_or_init(|| {
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Self { wall: millis(wall), start: uptime() }
        })
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let elapsed = uptime().saturating_sub(self.start);
        Timestamp::from_millis(self.wall.saturating_add(millis(elapsed)))
    }
}

impl fmt::Debug for SystemClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SystemClock").field(&self.now()).finish()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn uptime() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn uptime() -> Duration {
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
