//! The store in memory, on its callers' turns, keeps the same rules as the one on the disk. It is for one thread.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tollgate_core::time::Timestamp;
use tollgate_store::conformance::Subject;
use tollgate_store::{Orders, Store, StoreError, Tokens};
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

/// A simulation that strayed to another thread could not be run again as before.
#[tokio::test]
async fn another_thread_is_told_that_the_store_is_not_for_it() {
    let store = Arc::new(SqliteStore::in_memory_for_simulation().unwrap());
    let strayed = Arc::clone(&store);
    let read = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        (runtime.block_on(strayed.totals()), runtime.block_on(strayed.delete_lapsed_tokens(Timestamp(0), 1)))
    });
    let (read, written) = read.join().unwrap();
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
    assert_eq!(store.totals().await.unwrap(), [], "and goes on for its own");
}
