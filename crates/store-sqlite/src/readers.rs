//! A few read-only connections, used inline by the calling task.
//!
//! A point read takes some microseconds. Handing it to another thread and waiting for it there costs
//! several times as much, so it is done on the spot; only reads that go over a whole table belong on
//! a blocking thread. A connection is opened when all others are in use, so an idle store has few.

use crate::failure::Failure;
use crate::prepared::Prepared;
use crate::writer::step;
use rusqlite::Connection;
use send_wrapper::SendWrapper;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use tollgate_store::StoreError;

/// The pool.
pub(crate) struct Readers {
    slots: Vec<Arc<Mutex<Slot>>>,
    next: AtomicUsize,
    open: Box<dyn Fn() -> Result<Connection, StoreError> + Send + Sync>,
    /// Whether nobody writes while a slot is held.
    alone: bool,
}

/// A place for a connection.
pub(crate) enum Slot {
    /// Opened when it is first needed.
    Unopened,
    /// Ready.
    Open(Connection),
    /// Ready, for one thread alone, which reads and writes over it.
    OfOneThread(SendWrapper<Held>),
    /// The store is closed.
    Closed,
}

self_cell::self_cell!(
    /// A connection together with the statements prepared on it.
    pub(crate) struct Held {
        owner: Connection,
        #[not_covariant]
        dependent: Prepared,
    }
);

impl Slot {
    /// For the thread that calls this.
    pub(crate) fn of_this_thread(connection: Connection) -> Slot {
        Slot::OfOneThread(SendWrapper::new(Held::new(connection, |connection| Prepared::keeping(connection))))
    }

    /// Does `work` over the connection.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is none, or none for this thread.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Prepared<'_>) -> T) -> Result<T, StoreError> {
        match self {
            Slot::Open(connection) => Ok(work(&Prepared::passing(connection))),
            Slot::OfOneThread(held) if held.valid() => Ok(held.with_dependent(|_, prepared| work(prepared))),
            Slot::OfOneThread(_) => {
                Err(StoreError::Unavailable("a store in memory is for the thread that made it".to_owned()))
            }
            Slot::Unopened | Slot::Closed => Err(StoreError::Unavailable("the store is closed".to_owned())),
        }
    }
}

impl Readers {
    /// A pool of up to `connections_max` connections, none of them open yet.
    pub(crate) fn new(
        connections_max: usize,
        open: Box<dyn Fn() -> Result<Connection, StoreError> + Send + Sync>,
    ) -> Readers {
        let slots = (0..connections_max.max(1)).map(|_| Arc::new(Mutex::new(Slot::Unopened))).collect();
        Readers { slots, next: AtomicUsize::new(0), open, alone: false }
    }

    /// Reads over the one connection that also writes; for a store that runs on its callers' turns.
    pub(crate) fn over(slot: Arc<Mutex<Slot>>) -> Readers {
        let closed = || Err(StoreError::Unavailable("the store is closed".to_owned()));
        Readers { slots: vec![slot], next: AtomicUsize::new(0), open: Box::new(closed), alone: true }
    }

    /// One statement, which sees one state of the database.
    pub(crate) fn point<T>(&self, read: impl FnOnce(&Prepared<'_>) -> Result<T, Failure>) -> Result<T, StoreError> {
        self.open_slot()?.with(read)?.map_err(Failure::into_store_error)
    }

    /// Several statements, which all see the same state of the database.
    pub(crate) fn snapshot<T>(&self, read: impl FnOnce(&Prepared<'_>) -> Result<T, Failure>) -> Result<T, StoreError> {
        let slot = self.open_slot()?;
        if self.alone {
            // The slot is the writer's as well: what is read cannot change until it is given back.
            return slot.with(read)?.map_err(Failure::into_store_error);
        }
        let read = |connection: &Prepared<'_>| {
            let snapshot = Snapshot::begin(connection)?;
            let answer = read(connection)?;
            snapshot.end()?;
            Ok(answer)
        };
        slot.with(read)?.map_err(Failure::into_store_error)
    }

    /// A snapshot that may take long: on a thread that may be blocked, unless everything happens on one.
    pub(crate) async fn long_snapshot<T, F>(self: &Arc<Readers>, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Prepared<'_>) -> Result<T, Failure> + Send + 'static,
    {
        if self.alone {
            return self.snapshot(read);
        }
        let readers = Arc::clone(self);
        let ran = tokio::task::spawn_blocking(move || readers.snapshot(read)).await;
        ran.unwrap_or_else(|error| Err(StoreError::Unavailable(format!("a long read broke off: {error}"))))
    }

    /// Closes all connections; waits for reads under way.
    pub(crate) fn close(&self) {
        for slot in &self.slots {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Slot::Closed;
        }
    }

    /// A slot that nobody uses, an open one if there is one; when all are in use, waits for one.
    fn free_slot(&self) -> MutexGuard<'_, Slot> {
        let mut unopened = None;
        for slot in &self.slots {
            match slot.try_lock() {
                Ok(guard) if matches!(*guard, Slot::Unopened) => {
                    unopened = unopened.or(Some(guard));
                }
                Ok(guard) => return guard,
                // A panic inside a read leaves a connection without an open transaction.
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        if let Some(guard) = unopened {
            return guard;
        }
        // The pool is made with at least one slot, so neither the remainder nor the index can panic.
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        self.slots[turn].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_slot(&self) -> Result<MutexGuard<'_, Slot>, StoreError> {
        let mut slot = self.free_slot();
        if matches!(*slot, Slot::Unopened) {
            *slot = Slot::Open((self.open)()?);
        }
        Ok(slot)
    }
}

/// A transaction that only reads, by prepared statements: each is used as often as the reads between them, and preparing
/// one takes as long as a read. Ends when it is dropped, so that a panic leaves none open.
struct Snapshot<'a, 'c>(&'a Prepared<'c>);

impl<'a, 'c> Snapshot<'a, 'c> {
    fn begin(connection: &'a Prepared<'c>) -> rusqlite::Result<Snapshot<'a, 'c>> {
        step(connection, "BEGIN")?;
        Ok(Snapshot(connection))
    }

    fn end(self) -> rusqlite::Result<()> {
        step(self.0, "COMMIT")
    }
}

impl Drop for Snapshot<'_, '_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit()
            && let Err(error) = step(self.0, "ROLLBACK")
        {
            tracing::error!(%error, "a snapshot could not be ended");
        }
    }
}
