//! What this machine can do at best: the bare two-commit loop that the store is held against.
//!
//! A payment is two durable commits: the intent before the message, the outcome after it. The bare
//! loop does just that and nothing else: one table of 300-byte bodies with a unique index, an insert,
//! an update, over the same connection settings, the same writer thread and the same checkpoints as
//! the store. So the difference to a payment in the store is the store's own work, not the disk.

mod fill;
mod fill_cards;

use crate::checkpoint::Checkpoints;
use crate::connection::{self, Role};
use crate::failure::{Failure, store_error};
use crate::prepared::Prepared;
use crate::store;
use crate::writer::{Beside, Writer, WriterSettings};
use rusqlite::{Connection, params};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tollgate_store::StoreError;

pub use fill::fill;
pub use fill_cards::CardFill;

/// The size of a bare payment's body.
pub const BODY_BYTES: usize = 300;
/// The most callers of one measurement.
pub const CALLERS_MAX: usize = 4_096;
/// The most latencies that one caller keeps; a longer run leaves out the later ones.
const LATENCIES_KEPT_MAX: usize = 100_000;
/// The log's length in steady use; see `checkpoint`.
const LOG_BYTES: i64 = crate::checkpoint::FRAMES_BEGIN * 4_096;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS bare (id INTEGER PRIMARY KEY, reference TEXT NOT NULL, body BLOB NOT NULL);
    CREATE UNIQUE INDEX IF NOT EXISTS bare_reference ON bare (reference);";

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// How many payments were done.
    pub payments: u64,
    /// In how long.
    pub elapsed: Duration,
    /// How long single payments took, as their callers saw it; sorted.
    latencies: Vec<Duration>,
}

impl Measured {
    /// `percent` of 100 payments took at most this long; of 100, the longest.
    #[must_use]
    pub fn latency(&self, percent: usize) -> Duration {
        let place = self.latencies.len() * percent / 100;
        self.latencies.get(place).or(self.latencies.last()).copied().unwrap_or_default()
    }

    /// Adds what was measured at another time.
    pub fn add(&mut self, other: Measured) {
        self.payments += other.payments;
        self.elapsed += other.elapsed;
        self.latencies.extend(other.latencies);
        self.latencies.sort_unstable();
    }

    /// Payments per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        // Exact below 2^32, which no measurement reaches.
        f64::from(u32::try_from(self.payments).unwrap_or(u32::MAX)) / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// A bare loop: callers who pay through one writer, which takes whatever waits. It stays open between measurements, so that
/// what one leaves in the log is copied back in the next, as in a store that runs on.
pub struct BareLoop {
    writer: Writer,
    checkpoints: Arc<Checkpoints>,
    threads: Vec<JoinHandle<()>>,
    /// The number of the next payment.
    next: u64,
}

impl BareLoop {
    /// Makes `bare.db` in `folder`, or goes on with it. The writer takes up to `batch_calls_max` calls to a commit.
    ///
    /// # Errors
    /// When the database cannot be made.
    pub fn open(folder: &Path, batch_calls_max: usize) -> Result<BareLoop, StoreError> {
        let path = folder.join("bare.db");
        let first = open(&path)?;
        let next = stored_payments(&first)?;
        let writer = Writer::new(CALLERS_MAX, Beside::new(CALLERS_MAX));
        let checkpoints = Arc::new(Checkpoints::new());
        let reopened = path.clone();
        let settings = WriterSettings {
            batch_calls_max,
            first: Some(first),
            open: Box::new(move || open(&reopened)),
            checkpoints: Arc::clone(&checkpoints),
        };
        let open_checkpointer = move || connection::open(&path, Role::Checkpointer, BUSY_TIMEOUT);
        let threads = store::start(&writer, settings, &checkpoints, open_checkpointer)?;
        Ok(BareLoop { writer, checkpoints, threads, next })
    }

    /// `callers` tasks do one payment after the other for `duration`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn measure(&mut self, callers: usize, duration: Duration) -> Result<Measured, StoreError> {
        let (writer, next) = (self.writer.clone(), self.next);
        let measured = drive(callers, duration, move |number| {
            let (writer, number) = (writer.clone(), next + number);
            async move {
                writer.call(move |connection| insert(connection, number)).await?;
                writer.call(move |connection| update(connection, number)).await
            }
        })
        .await?;
        self.next += measured.payments;
        Ok(measured)
    }

    /// Ends the threads.
    ///
    /// # Errors
    /// When one of them broke off.
    pub async fn close(self) -> Result<(), StoreError> {
        self.writer.close();
        self.checkpoints.close();
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok())).await;
        match joined {
            Ok(true) => Ok(()),
            _ => Err(StoreError::Unavailable("a thread of the measurement broke off".to_owned())),
        }
    }
}

/// The same two commits without callers, queue or threads: some inserts to one commit, then their updates to another. What
/// SQLite itself does on this disk.
pub struct BareBatches {
    connection: Connection,
    checkpoints: Checkpoints,
    next: u64,
}

impl BareBatches {
    /// Makes `bare.db` in `folder`, or goes on with it.
    ///
    /// # Errors
    /// When the database cannot be made.
    pub fn open(folder: &Path) -> Result<BareBatches, StoreError> {
        let connection = open(&folder.join("bare.db"))?;
        let next = stored_payments(&connection)?;
        Ok(BareBatches { connection, checkpoints: Checkpoints::new(), next })
    }

    /// Batches of `batch_payments`, one after the other. Blocks for `duration`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn measure(&mut self, batch_payments: u32, duration: Duration) -> Result<Measured, StoreError> {
        let prepared = Prepared::keeping(&self.connection);
        let begun = Instant::now();
        let mut payments = 0_u64;
        let mut latencies = Vec::new();
        let work = |failure: Failure| failure.into_store_error();
        while begun.elapsed() < duration {
            let batch = Instant::now();
            for write in [insert, update] {
                step(&prepared, "BEGIN IMMEDIATE")?;
                for place in 0..u64::from(batch_payments) {
                    write(&prepared, self.next + place).map_err(work)?;
                }
                step(&prepared, "COMMIT")?;
            }
            self.next += u64::from(batch_payments);
            payments += u64::from(batch_payments);
            latencies.push(batch.elapsed());
            // Here nobody copies beside the writer, so it copies by itself, as rarely.
            self.checkpoints.copy_if_long(&self.connection);
        }
        Ok(summary(payments, begun.elapsed(), latencies))
    }
}

/// `callers` tasks call `pay` with ever new numbers, each one after the other, for `duration`.
///
/// # Errors
/// The first error that a payment met.
pub async fn drive<F, P>(callers: usize, duration: Duration, pay: F) -> Result<Measured, StoreError>
where
    F: Fn(u64) -> P + Clone + Send + 'static,
    P: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    let numbers = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..callers.min(CALLERS_MAX) {
        let (pay, numbers) = (pay.clone(), Arc::clone(&numbers));
        tasks.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut payments = 0_u64;
            while begun.elapsed() < duration {
                let started = Instant::now();
                pay(numbers.fetch_add(1, Ordering::Relaxed)).await?;
                payments += 1;
                if latencies.len() < LATENCIES_KEPT_MAX {
                    latencies.push(started.elapsed());
                }
            }
            Ok::<_, StoreError>(CallerShare { payments, latencies })
        }));
    }
    let mut payments = 0;
    let mut latencies = Vec::new();
    for task in tasks {
        let share = task.await.map_err(|error| StoreError::Unavailable(format!("a caller broke off: {error}")))??;
        payments += share.payments;
        latencies.extend(share.latencies);
    }
    Ok(summary(payments, begun.elapsed(), latencies))
}

struct CallerShare {
    payments: u64,
    latencies: Vec<Duration>,
}

/// References in no order, as merchants' carts have them: 16 hex digits of a mixed number.
#[must_use]
pub fn reference(number: u64) -> String {
    format!(
        "{:016x}",
        (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    )
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let connection = connection::open(path, Role::Writer, BUSY_TIMEOUT)?;
    connection.execute_batch(SCHEMA).map_err(|error| store_error(&error))?;
    connection
        .pragma_update(None, "application_id", connection::APPLICATION_ID)
        .map_err(|error| store_error(&error))?;
    lengthen_log(&connection).map_err(|error| store_error(&error))?;
    Ok(connection)
}

fn stored_payments(connection: &Connection) -> Result<u64, StoreError> {
    let last: Option<i64> =
        connection.query_row("SELECT max(id) FROM bare", [], |row| row.get(0)).map_err(|error| store_error(&error))?;
    Ok(last.map_or(0, |last| last.cast_unsigned() + 1))
}

/// Brings the write-ahead log to the length it has in steady use, so that the measurement does not
/// begin with syncs of a growing file, which take twice as long. Pages of a transaction that does
/// not fit the cache go to the log before the commit, and a rollback leaves them there as waste.
fn lengthen_log(connection: &Connection) -> rusqlite::Result<()> {
    let cache: i64 = connection.query_row("PRAGMA cache_size", [], |row| row.get(0))?;
    connection.pragma_update(None, "cache_size", 16)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.execute("INSERT INTO bare (id, reference, body) VALUES (-1, '', zeroblob(?1))", [LOG_BYTES])?;
    connection.execute_batch("ROLLBACK")?;
    connection.pragma_update(None, "cache_size", cache)
}

fn insert(connection: &Prepared<'_>, number: u64) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached("INSERT INTO bare (id, reference, body) VALUES (?1, ?2, ?3)")?;
    statement.execute(params![number.cast_signed(), reference(number), [7_u8; BODY_BYTES].as_slice()])?;
    Ok(())
}

fn update(connection: &Prepared<'_>, number: u64) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached("UPDATE bare SET body = ?2 WHERE id = ?1")?;
    statement.execute(params![number.cast_signed(), [9_u8; BODY_BYTES].as_slice()])?;
    Ok(())
}

fn step(connection: &Prepared<'_>, sql: &'static str) -> Result<(), StoreError> {
    let done = connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
    done.map(|_| ()).map_err(|error| store_error(&error))
}

fn summary(payments: u64, elapsed: Duration, mut latencies: Vec<Duration>) -> Measured {
    latencies.sort_unstable();
    Measured { payments, elapsed, latencies }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_loop_writes_two_commits_for_each_payment_it_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mut bare = BareLoop::open(folder.path(), 512).unwrap();
        let mut measured = bare.measure(8, Duration::from_millis(50)).await.unwrap();
        measured.add(bare.measure(8, Duration::from_millis(20)).await.unwrap());
        bare.close().await.unwrap();
        assert!(measured.payments > 0 && measured.per_second() > 0.0);
        let of_100 = [50, 99, 100].map(|percent| measured.latency(percent));
        assert!(Duration::ZERO < of_100[0] && of_100.is_sorted());
        assert_eq!(updated_rows(folder.path()), measured.payments);
        let more = BareBatches::open(folder.path()).unwrap().measure(16, Duration::from_millis(50)).unwrap();
        assert_eq!(updated_rows(folder.path()), measured.payments + more.payments);
    }

    #[test]
    fn what_was_measured_in_two_turns_counts_together() {
        let of = |ms: &[u64]| {
            let latencies: Vec<_> = ms.iter().map(|ms| Duration::from_millis(*ms)).collect();
            summary(latencies.len() as u64, Duration::from_secs(1), latencies)
        };
        let mut both = of(&[9, 1]);
        both.add(of(&[5, 3, 7]));
        assert_eq!((both.payments, both.elapsed), (5, Duration::from_secs(2)));
        assert_eq!([0, 50, 100].map(|percent| both.latency(percent).as_millis()), [1, 5, 9]);
        assert!((both.per_second() - 2.5).abs() < 1e-9);
    }

    fn updated_rows(folder: &Path) -> u64 {
        let connection = Connection::open(folder.join("bare.db")).unwrap();
        connection
            .query_row("SELECT count(*) FROM bare WHERE body = ?1", [[9_u8; BODY_BYTES].as_slice()], |row| {
                row.get::<_, i64>(0)
            })
            .unwrap()
            .cast_unsigned()
    }
}
