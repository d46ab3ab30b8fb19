//! The store in memory, on its callers' turns, keeps the same rules as the one on the disk. It is for one thread.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tollgate_store::Store;
use tollgate_store::conformance::Subject;
use tollgate_store_sqlite::SqliteStore;

/// Opening it again is finding it again: what is in memory has no other door.
struct InMemory(Arc<dyn Store>);

impl InMemory {
    fn new() -> InMemory {
        InMemory(Arc::new(SqliteStore::in_memory_for_simulation().unwrap()))
    }
}

impl Subject for InMemory {
    fn open(&self) -> Pin<Box<dyn Future<Output = Arc<dyn Store>> + Send + '_>> {
        Box::pin(async { Arc::clone(&self.0) })
    }
}

tollgate_store::conformance_tests!(InMemory::new(), of_one_thread);
