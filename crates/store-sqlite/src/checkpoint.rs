//! Moving the write-ahead log into the database file, off the commit path.
//!
//! The log is used again from its start once everything in it has been copied and no reader needs
//! it; writing over old frames syncs about twice as fast as making the file longer, so the log is
//! never cut while the store runs, but for [`cut_log`]. A thread copies most of the log while commits go on (PASSIVE); as
//! new frames keep coming it never gets the very last ones, so the writer copies that small rest
//! between two batches. A log that grows too long all the same (a reader stands in the way for
//! minutes) is reported.

use crate::failure::store_error;
use rusqlite::Connection;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use tollgate_store::StoreError;

/// From this many frames (4 KiB each) the log is copied.
pub(crate) const FRAMES_BEGIN: i64 = 4_096;
/// The most frames the writer copies between two batches.
const FRAMES_REST_MAX: i64 = 128;
/// Above this many frames (1 GiB) the log is reported.
const FRAMES_WARN: i64 = 262_144;
/// How often the thread goes over the log before it leaves the rest to another time.
const ROUNDS_MAX: u32 = 8;
/// After how many written calls the writer looks at the length of the log.
const CALLS_BETWEEN_LOOKS: usize = 64;

/// What the writer and the checkpointer tell each other.
pub(crate) struct Checkpoints {
    state: Mutex<State>,
    changed: Condvar,
    finish: AtomicBool,
}

struct State {
    wanted: bool,
    open: bool,
    calls_since_look: usize,
}

/// The length of the log, in frames.
#[derive(Clone, Copy, Debug)]
struct Log {
    frames: i64,
    copied: i64,
}

impl Log {
    fn rest(self) -> i64 {
        self.frames - self.copied
    }
}

impl Checkpoints {
    /// Nothing is wanted yet.
    pub(crate) fn new() -> Checkpoints {
        let state = State { wanted: false, open: true, calls_since_look: 0 };
        Checkpoints { state: Mutex::new(state), changed: Condvar::new(), finish: AtomicBool::new(false) }
    }

    /// The writer has committed `calls` calls: looks now and then whether the log is long.
    pub(crate) fn note_commit(&self, connection: &Connection, calls: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.calls_since_look = state.calls_since_look.saturating_add(calls);
        if state.wanted || state.calls_since_look < CALLS_BETWEEN_LOOKS {
            return;
        }
        state.calls_since_look = 0;
        match checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)") {
            Ok(log) if log.frames >= FRAMES_BEGIN && log.rest() > 0 => {
                state.wanted = true;
                drop(state);
                self.changed.notify_all();
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the length of the write-ahead log is not known"),
        }
    }

    /// The writer, between two batches: copies the rest if the checkpointer asks for it.
    pub(crate) fn finish_if_asked(&self, connection: &Connection) {
        if self.finish.load(Ordering::Relaxed)
            && self.finish.swap(false, Ordering::Relaxed)
            && let Err(error) = checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)")
        {
            tracing::warn!(%error, "the rest of the write-ahead log was not copied");
        }
    }

    /// Copies the whole log if it is long; for a writer without a checkpointer beside it.
    pub(crate) fn copy_if_long(&self, connection: &Connection) {
        match checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)") {
            Ok(log) if log.frames >= FRAMES_BEGIN => self.copy(connection),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the length of the write-ahead log is not known"),
        }
    }

    /// Ends the checkpointer thread.
    pub(crate) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).open = false;
        self.changed.notify_all();
    }

    /// The body of the checkpointer thread. `open` gives its connection, when it is first needed.
    pub(crate) fn run(&self, open: &dyn Fn() -> Result<Connection, StoreError>) {
        let mut connection = None;
        while self.wait() {
            if connection.is_none() {
                connection = open().inspect_err(|error| tracing::warn!(%error, "no checkpoint")).ok();
            }
            if let Some(connection) = &connection {
                self.copy(connection);
            }
        }
    }

    /// Waits until a checkpoint is wanted; `false` when the store closes.
    fn wait(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.open && !state.wanted {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.open
    }

    fn copy(&self, connection: &Connection) {
        let begun = std::time::Instant::now();
        for _ in 0..ROUNDS_MAX {
            match checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)") {
                Ok(log) => {
                    metrics::gauge!("tollgate_store_wal_frames").set(frames_for_gauge(log.frames));
                    if log.frames > FRAMES_WARN {
                        tracing::warn!(frames = log.frames, "the write-ahead log is long: a reader holds it");
                    }
                }
                Err(error) => {
                    metrics::counter!("tollgate_store_checkpoint_failures_total").increment(1);
                    tracing::warn!(%error, "a checkpoint failed");
                    break;
                }
            }
            // What has been written meanwhile decides about another round.
            match checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)") {
                Ok(log) if log.rest() > FRAMES_REST_MAX => {}
                Ok(log) => {
                    self.finish.store(log.rest() > 0, Ordering::Relaxed);
                    break;
                }
                Err(_) => break,
            }
        }
        metrics::histogram!("tollgate_store_checkpoint_seconds").record(begun.elapsed().as_secs_f64());
        self.state.lock().unwrap_or_else(PoisonError::into_inner).wanted = false;
    }
}

/// Copies the whole log into the database and cuts it, so that it holds nothing of what was there. Every write after
/// it makes the file longer again, which is slower: only for when old frames must not stay.
///
/// # Errors
/// [`StoreError::Busy`] when readers or another process did not let it through in time.
pub(crate) fn cut_log(connection: &Connection) -> Result<(), StoreError> {
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    match busy.map_err(|error| store_error(&error))? {
        0 => Ok(()),
        _ => Err(StoreError::Busy),
    }
}

/// Runs a checkpoint pragma, which answers: busy, frames in the log, frames copied.
fn checkpoint(connection: &Connection, pragma: &str) -> rusqlite::Result<Log> {
    connection.prepare_cached(pragma)?.query_row([], |row| Ok(Log { frames: row.get(1)?, copied: row.get(2)? }))
}

fn frames_for_gauge(frames: i64) -> f64 {
    f64::from(u32::try_from(frames).unwrap_or(u32::MAX))
}
