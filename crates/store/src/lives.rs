//! The port for lives: which gateways run on a store. A life is one run of a gateway process, from its start
//! to its end. It owns the operations that it sent, and no other gateway touches them while it lives.
//!
//! A life proves that it lives by renewing itself. Whoever has watched it for long enough without seeing it
//! renewed may end it; from that commit on it is over for everybody, whatever its process still does.

use crate::StoreFuture;
use tollgate_core::time::Timestamp;

/// How far the clocks of two gateways on one store may be apart, in milliseconds. Only the start of a node
/// that was alive a moment ago goes by it: everything else is measured by one process alone.
pub const CLOCK_SKEW_MS_MAX: u64 = 5_000;
/// How many lives that are over are kept, for people who look back. What a forgotten one has left open is
/// found as that of one that is over.
pub const LIVES_OVER_KEPT_MAX: u32 = 1_000;

/// Lives.
pub trait Lives {
    /// Begins a life. Of one node there is one life at most: an earlier one whose lease has run out is ended
    /// in the same commit; one that still runs is in the way. When the tenancy proves that nobody else is
    /// there, every earlier life is ended, whatever its lease says.
    fn begin_life(&self, new: NewLife) -> StoreFuture<'_, LifeBegun>;

    /// Renews a life, up to `alive_until`. `false` when it is over: somebody has ended it.
    fn renew_life(&self, life: LifeId, alive_until: Timestamp) -> StoreFuture<'_, bool>;

    /// Ends a life, if it was not renewed since `seen_renewals` (`None`: in any case, as its own gateway does
    /// when it stops). What it attempted in the recovery queue is free from then on. `false` when it was
    /// renewed meanwhile, or is over.
    fn end_life(&self, life: LifeId, seen_renewals: Option<u64>, now: Timestamp) -> StoreFuture<'_, bool>;

    /// The lives that are not over, by number.
    fn lives(&self) -> StoreFuture<'_, Vec<LifeRow>>;
}

/// The number of a life; none is ever used twice on one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LifeId(pub i64);

impl LifeId {
    /// No life's number: that of operations from before there were lives, and of whoever has none.
    pub const NONE: LifeId = LifeId(0);
}

impl std::fmt::Display for LifeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Who may run on a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenancy {
    /// Nobody but this gateway: its caller holds a lock that proves it, so that every earlier life is over.
    Sole,
    /// Others may: nothing but their leases tells whether they live.
    Shared,
}

/// A life that is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewLife {
    /// The gateway's node number.
    pub node: u8,
    /// Who else may run.
    pub tenancy: Tenancy,
    /// Now.
    pub now: Timestamp,
    /// Until when its lease runs.
    pub alive_until: Timestamp,
}

/// Whether a life has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifeBegun {
    /// It has.
    Begun(LifeId),
    /// A life of the same node may still run, until then at least; the skew of clocks is in it.
    NodeIsAlive {
        /// From when on its lease is over for certain.
        until: Timestamp,
    },
}

/// A life that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifeRow {
    /// Its number.
    pub life: LifeId,
    /// Its gateway's node number.
    pub node: u8,
    /// When it began.
    pub began_at: Timestamp,
    /// Until when its lease runs, by its own clock.
    pub alive_until: Timestamp,
    /// How often it was renewed.
    pub renewals: u64,
}
