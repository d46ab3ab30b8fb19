//! The network's own clock: the one it was started with, and by how much it was moved since.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tollgate_core::time::{Clock, Timestamp};

/// A clock that can be moved forward. Entries are dated and expiry dates judged by it; what is slow or
/// late on purpose takes real time.
pub(crate) struct MovedClock {
    base: Arc<dyn Clock>,
    offset_us: AtomicI64,
}

/// The clock cannot be moved back: entries would be dated before earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SetBack;

impl MovedClock {
    /// `base`, moved by this many microseconds.
    pub(crate) fn new(base: Arc<dyn Clock>, offset_us: i64) -> MovedClock {
        MovedClock { base, offset_us: AtomicI64::new(offset_us.max(0)) }
    }

    /// How far it goes before its base, in microseconds.
    pub(crate) fn offset_us(&self) -> i64 {
        self.offset_us.load(Ordering::Acquire)
    }

    /// Moves it to this offset, which is not smaller than the present one.
    pub(crate) fn move_to(&self, offset_us: i64) -> Result<(), SetBack> {
        let moved = self
            .offset_us
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |present| (offset_us >= present).then_some(offset_us));
        moved.map(|_| ()).map_err(|_| SetBack)
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.base.now().0.saturating_add(self.offset_us()))
    }
}
