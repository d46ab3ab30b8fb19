//! A few read-only connections, used inline by the calling task.
//!
//! A point read takes some microseconds. Handing it to another thread and waiting for it there costs
//! several times as much, so it is done on the spot; only reads that go over a whole table belong on
//! a blocking thread. A connection is opened when all others are in use, so an idle store has few.

use crate::failure::Failure;
use crate::writer::step;
use rusqlite::Connection;
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
    /// The store is closed.
    Closed,
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
    pub(crate) fn point<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, StoreError> {
        let mut slot = self.free_slot();
        let connection = self.connection(&mut slot)?;
        read(connection).map_err(Failure::into_store_error)
    }

    /// Several statements, which all see the same state of the database.
    pub(crate) fn snapshot<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, StoreError> {
        let mut slot = self.free_slot();
        let connection = self.connection(&mut slot)?;
        if self.alone {
            // The slot is the writer's as well: what is read cannot change until it is given back.
            return read(connection).map_err(Failure::into_store_error);
        }
        let ran = (|| {
            let snapshot = Snapshot::begin(connection)?;
            let answer = read(connection)?;
            snapshot.end()?;
            Ok(answer)
        })();
        ran.map_err(Failure::into_store_error)
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

    fn connection<'a>(&self, slot: &'a mut MutexGuard<'_, Slot>) -> Result<&'a Connection, StoreError> {
        if matches!(**slot, Slot::Unopened) {
            **slot = Slot::Open((self.open)()?);
        }
        match &**slot {
            Slot::Open(connection) => Ok(connection),
            Slot::Unopened | Slot::Closed => Err(StoreError::Unavailable("the store is closed".to_owned())),
        }
    }
}

/// A transaction that only reads, by prepared statements: each is used as often as the reads between them, and preparing
/// one takes as long as a read. Ends when it is dropped, so that a panic leaves none open.
struct Snapshot<'a>(&'a Connection);

impl<'a> Snapshot<'a> {
    fn begin(connection: &'a Connection) -> rusqlite::Result<Snapshot<'a>> {
        step(connection, "BEGIN")?;
        Ok(Snapshot(connection))
    }

    fn end(self) -> rusqlite::Result<()> {
        step(self.0, "COMMIT")
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit()
            && let Err(error) = step(self.0, "ROLLBACK")
        {
            tracing::error!(%error, "a snapshot could not be ended");
        }
    }
}
