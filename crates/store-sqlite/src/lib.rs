//! The embedded store: SQLite with one writer and group commit.
//!
//! [`SqliteStore`] keeps everything in one file beside its write-ahead log (`-wal`, `-shm`). One
//! thread writes: it takes whatever calls wait, runs them in one transaction, commits with an fsync,
//! and only then answers. Reads go over a few read-only connections and never wait for the writer.
//! The command line tools of the gateway may read and write the same file from other processes.
//!
//! [`ceiling`] measures what the same machine and the same writer can do at best, for comparison.

mod accounts;
mod agreement;
mod audit;
mod authentication;
mod batch;
mod card_rule;
pub mod ceiling;
mod channel;
mod checkout;
mod checkpoint;
mod claim;
mod codes;
mod connection;
mod correction;
mod failure;
mod feedback;
mod keys;
mod life;
mod message;
mod migrate;
mod outcome;
mod payment_link;
mod prepared;
mod queue;
mod read;
mod readers;
mod recovery;
mod references;
mod refusal;
mod report;
mod route;
mod rows;
mod scan;
mod schedule;
mod store;
mod store_batches;
mod store_reports;
mod store_schedules;
mod token;
mod try_card;
mod turns;
mod writer;

pub use migrate::{SCHEMA_VERSION, SchemaVersion};
pub use scan::{ScannedValue, scan_values};
pub use store::{SqliteOptions, SqliteStore};
