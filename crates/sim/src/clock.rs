//! The virtual time: it stands still while anything can run, and jumps when all wait.

use tokio::time::Instant;
use tollgate_core::time::{Clock, Timestamp};

/// 2026-11-20 12:00:00 UTC, when every run begins.
pub const BEGINNING: Timestamp = Timestamp(1_795_176_000_000_000);

/// The clock of everything in a run; it goes with tokio's paused time.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    began: Instant,
}

impl VirtualClock {
    /// A clock that stands at [`BEGINNING`] now.
    #[must_use]
    pub fn start() -> VirtualClock {
        VirtualClock { began: Instant::now() }
    }

    /// Milliseconds since the beginning.
    #[must_use]
    pub fn ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The moment so many milliseconds after the beginning.
    #[must_use]
    pub fn moment(&self, ms: u64) -> Instant {
        self.began + std::time::Duration::from_millis(ms)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp(BEGINNING.0.saturating_add(i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX)))
    }
}
