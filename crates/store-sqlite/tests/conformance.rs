//! The suite that every store passes.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tollgate_store::Store;
use tollgate_store::conformance::Subject;
use tollgate_store_sqlite::{SqliteOptions, SqliteStore};

struct InFolder(tempfile::TempDir);

impl Subject for InFolder {
    fn open(&self) -> Pin<Box<dyn Future<Output = Arc<dyn Store>> + Send + '_>> {
        Box::pin(async {
            let store = SqliteStore::open(&self.0.path().join("tollgate.db"), SqliteOptions::default()).unwrap();
            Arc::new(store) as Arc<dyn Store>
        })
    }
}

tollgate_store::conformance_tests!(InFolder(tempfile::tempdir().unwrap()));
