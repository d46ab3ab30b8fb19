//! The virtual time: it stands still while anything can run, and jumps when all wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::time::Instant;
use tollgate_core::time::{Clock, Timestamp};

/// 2026-11-20 11:59:35 UTC, when every run begins: in the middle of it strikes the hour at which due dates are charged.
pub const BEGINNING: Timestamp = Timestamp(1_795_175_975_000_000);

/// The clock of everything in a run; it goes with tokio's paused time. Clones are the same clock.
///
/// The business's time can be moved ahead of it, as the sandbox's clock can: what waits for a day of the calendar happens
/// then, and what waits on the network still takes its time.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    began: Instant,
    ahead_us: Arc<AtomicI64>,
}

impl VirtualClock {
    /// A clock that stands at [`BEGINNING`] now.
    #[must_use]
    pub fn start() -> VirtualClock {
        VirtualClock { began: Instant::now(), ahead_us: Arc::default() }
    }

    /// Milliseconds since the beginning.
    #[must_use]
    pub fn ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Moves the business's time ahead.
    pub fn advance(&self, by_us: i64) {
        self.ahead_us.fetch_add(by_us, Ordering::Relaxed);
    }

    /// The moment so many milliseconds after the beginning.
    #[must_use]
    pub fn moment(&self, ms: u64) -> Instant {
        self.began + std::time::Duration::from_millis(ms)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let passed_us = i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX);
        Timestamp(BEGINNING.0.saturating_add(passed_us).saturating_add(self.ahead_us.load(Ordering::Relaxed)))
    }
}
