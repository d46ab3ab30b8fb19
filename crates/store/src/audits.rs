//! The port for the audit log: rows that are only ever added, each chained to the one before by a code under a key
//! of the vault.
//!
//! A row holds the entries of one transaction of the store, however many calls shared it. What has an intent of its
//! own (a card that is opened) comes with it, as in [`crate::NewOrder::audit`]; what only the store sees to its end (a
//! key that was added, rows that were sealed anew, an account that was saved) it notes itself. Both are in the
//! transaction that they tell of.

use crate::StoreFuture;
use std::fmt;
use std::sync::Arc;
use tollgate_core::audit::{AuditEntry, AuditFormatError, AuditWho, decode, encode};
use tollgate_core::time::{Clock, Timestamp};
use tollgate_vault::{AUDIT_MAC_BYTES, AuditKey, DataKeyId};

/// The most entries that one call takes.
pub const AUDIT_ENTRIES_PER_CALL_MAX: usize = 64;

/// The audit log.
pub trait Audits {
    /// Says how this process writes the log, and writes its first row where there is none. Before this the store
    /// refuses entries and notes none itself.
    fn begin_audit(&self, desk: AuditDesk) -> StoreFuture<'_, ()>;

    /// Writes entries that belong to no other call, at most [`AUDIT_ENTRIES_PER_CALL_MAX`].
    fn note_audit(&self, entries: Vec<AuditEntry>) -> StoreFuture<'_, ()>;

    /// The chains of this store: one for each writer that does not see the others' rows. A store with one writer has
    /// one, [`AuditChain::SOLE`].
    fn audit_chains(&self) -> StoreFuture<'_, Vec<AuditChain>>;

    /// Up to `rows_max` rows of a chain behind number `after`, by number.
    fn audit_rows(&self, chain: AuditChain, after: u64, rows_max: usize) -> StoreFuture<'_, Vec<AuditRow>>;

    /// The number of the first row of a chain that was written at `at` or later; `None` when all are older. Times need
    /// not grow with numbers, as clocks can be set.
    fn audit_row_since(&self, chain: AuditChain, at: Timestamp) -> StoreFuture<'_, Option<u64>>;

    /// The end of a chain; `None` when it has no row.
    fn audit_head(&self, chain: AuditChain) -> StoreFuture<'_, Option<AuditHead>>;
}

/// How a process writes the audit log.
#[derive(Clone)]
pub struct AuditDesk {
    /// Under which key.
    pub key: AuditKey,
    /// By which clock.
    pub clock: Arc<dyn Clock>,
    /// Who is told of what the store notes itself.
    pub who: AuditWho,
}

impl fmt::Debug for AuditDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditDesk").field("key", &self.key).field("who", &self.who).finish_non_exhaustive()
    }
}

/// The number of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditChain(pub i64);

impl AuditChain {
    /// The chain of a store with one writer.
    pub const SOLE: AuditChain = AuditChain(0);
}

/// The code of a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditMac(pub [u8; AUDIT_MAC_BYTES]);

impl AuditMac {
    /// What the first row of a chain follows.
    pub const NONE: AuditMac = AuditMac([0; AUDIT_MAC_BYTES]);
}

impl fmt::Display for AuditMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AuditMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The end of a chain, or what its end was once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// The number of the row, from 1.
    pub number: u64,
    /// Its code.
    pub mac: AuditMac,
}

/// A row of the log as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its chain.
    pub chain: AuditChain,
    /// Its number in the chain, from 1 without a gap.
    pub number: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Under which key its code was made.
    pub key: DataKeyId,
    /// Its entries, encoded.
    pub entries: Vec<u8>,
    /// The code of the row before; [`AuditMac::NONE`] in the first.
    pub previous: AuditMac,
    /// Its own.
    pub mac: AuditMac,
}

impl AuditRow {
    /// The row that follows `before`, which is `None` at the beginning of a chain.
    #[must_use]
    pub fn after(
        before: Option<AuditHead>,
        chain: AuditChain,
        entries: &[AuditEntry],
        key: &AuditKey,
        at: Timestamp,
    ) -> AuditRow {
        let mut row = AuditRow {
            chain,
            number: before.map_or(1, |head| head.number.saturating_add(1)),
            at,
            key: key.id(),
            entries: encode(entries, at),
            previous: before.map_or(AuditMac::NONE, |head| head.mac),
            mac: AuditMac::NONE,
        };
        row.mac = row.code(key);
        row
    }

    /// The end of the chain while this row is its last.
    #[must_use]
    pub const fn head(&self) -> AuditHead {
        AuditHead { number: self.number, mac: self.mac }
    }

    /// Whether the row is as it was when it was written under `key`.
    #[must_use]
    pub fn is_authentic(&self, key: &AuditKey) -> bool {
        self.key == key.id() && self.mac == self.code(key)
    }

    /// Its entries.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read(&self) -> Result<Vec<AuditEntry>, AuditFormatError> {
        decode(&self.entries, self.at)
    }

    /// All parts but the last have a fixed length.
    fn code(&self, key: &AuditKey) -> AuditMac {
        AuditMac(key.mac(&[
            &self.chain.0.to_be_bytes(),
            &self.number.to_be_bytes(),
            &self.at.0.to_be_bytes(),
            &self.key.0.to_be_bytes(),
            &self.previous.0,
            &self.entries,
        ]))
    }
}
