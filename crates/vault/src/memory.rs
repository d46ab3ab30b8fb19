//! Data keys kept in memory.

use crate::port::{
    DataKeyId, DataKeys, NewDataKey, PortError, PortFuture, RewrappedDataKey, RotationState, WrappedDataKey,
};
use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Data keys kept in memory, for simulations and tests: they are gone when it is dropped, and with
/// them every card that they sealed.
///
/// Its futures are ready at once and never fail.
#[derive(Debug, Default)]
pub struct MemoryDataKeys {
    rows: Mutex<Vec<WrappedDataKey>>,
    changes: AtomicU64,
}

impl MemoryDataKeys {
    /// With no key in it.
    #[must_use]
    pub fn new() -> MemoryDataKeys {
        MemoryDataKeys::default()
    }

    fn rows(&self) -> MutexGuard<'_, Vec<WrappedDataKey>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, new: NewDataKey) -> Result<WrappedDataKey, PortError> {
        let mut rows = self.rows();
        let same = |row: &&WrappedDataKey| {
            (row.merchant, row.period, row.generation) == (new.merchant, new.period, new.generation)
        };
        if let Some(row) = rows.iter().find(same) {
            return Ok(row.clone());
        }
        let id = rows.last().map_or(1, |row| row.id.0.saturating_add(1));
        let row = new.with_id(DataKeyId(id));
        rows.push(row.clone());
        self.changes.fetch_add(1, Ordering::SeqCst);
        Ok(row)
    }

    /// Changes the row with that id, and says whether there was one that `fits`.
    fn change(
        &self,
        id: DataKeyId,
        fits: impl Fn(&WrappedDataKey) -> bool,
        change: impl FnOnce(&mut WrappedDataKey),
    ) -> bool {
        let mut rows = self.rows();
        let Some(row) = rows.iter_mut().find(|row| row.id == id && fits(row)) else { return false };
        change(row);
        self.changes.fetch_add(1, Ordering::SeqCst);
        true
    }

    fn rewrap(&self, rewrapped: RewrappedDataKey) -> bool {
        let RewrappedDataKey { id, kek_version_before, kek_version, wrapped } = rewrapped;
        let unchanged = |row: &WrappedDataKey| row.kek_version == kek_version_before;
        self.change(id, unchanged, |row| {
            row.kek_version = kek_version;
            row.wrapped = wrapped;
        })
    }
}

impl DataKeys for MemoryDataKeys {
    fn data_keys(&self) -> PortFuture<'_, Vec<WrappedDataKey>> {
        Box::pin(ready(Ok(self.rows().clone())))
    }

    fn add_data_key(&self, new: NewDataKey) -> PortFuture<'_, WrappedDataKey> {
        Box::pin(ready(self.add(new)))
    }

    fn data_keys_generation(&self) -> PortFuture<'_, u64> {
        Box::pin(ready(Ok(self.changes.load(Ordering::SeqCst))))
    }

    fn rewrap_data_keys(&self, rewrapped: Vec<RewrappedDataKey>) -> PortFuture<'_, u64> {
        let replaced: u64 = rewrapped.into_iter().map(|key| u64::from(self.rewrap(key))).sum();
        Box::pin(ready(Ok(replaced)))
    }

    fn finish_rotation(&self, id: DataKeyId) -> PortFuture<'_, ()> {
        self.change(id, |_| true, |row| row.rotation = RotationState::Finished);
        Box::pin(ready(Ok(())))
    }
}
