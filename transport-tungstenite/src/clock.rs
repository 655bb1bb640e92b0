//! A clock that never steps and does not stand still while the host sleeps.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redial_core::Timestamp;

/// Tells the time of a session.
pub trait Clock: Send + Sync {
    /// Returns the time, which never goes backwards.
    fn now(&self) -> Timestamp;
}

/// The wall clock at its making, and the elapsed time since then.
///
/// On Linux and Android the time that the host was suspended counts as elapsed, so that deadlines
/// that passed in its sleep are seen as soon as it wakes. Elsewhere it depends on the platform's
/// [`Instant`](std::time::Instant).
pub struct SystemClock {
    wall: u64,
    start: Duration,
}

impl SystemClock {
    /// Reads the wall clock once.
    #[must_use]
    pub fn new() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall: millis(wall), start: uptime() }
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
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
