//! Data keys kept in memory.

use crate::port::{DataKeyId, DataKeys, NewDataKey, PortError, PortFuture, WrappedDataKey};
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Data keys kept in memory, for simulations and tests: they are gone when it is dropped, and with
/// them every card that they sealed.
///
/// Its futures are ready at once and never fail.
#[derive(Debug, Default)]
pub struct MemoryDataKeys {
    rows: Mutex<Vec<WrappedDataKey>>,
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
        if let Some(row) = rows.iter().find(|row| row.merchant == new.merchant && row.period == new.period) {
            return Ok(row.clone());
        }
        let id = rows.last().map_or(1, |row| row.id.0.saturating_add(1));
        let row = new.with_id(DataKeyId(id));
        rows.push(row.clone());
        Ok(row)
    }
}

impl DataKeys for MemoryDataKeys {
    fn data_keys(&self) -> PortFuture<'_, Vec<WrappedDataKey>> {
        Box::pin(ready(Ok(self.rows().clone())))
    }

    fn add_data_key(&self, new: NewDataKey) -> PortFuture<'_, WrappedDataKey> {
        Box::pin(ready(self.add(new)))
    }
}
