//! The audit log: beginning it, reading it, and proving that it is unbroken.
//!
//! Verification goes over every row once, from the first to the last, and keeps none: that each has its number, the
//! code of the one before, and a code of its own that fits a key of the vault. What a chain cannot show by itself is
//! that its end is missing; for that it is held against heads that were kept elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tollgate_core::audit::{AuditAction, AuditEntry, AuditFormatError, AuditWho};
use tollgate_core::ident::{MerchantId, OperationId};
use tollgate_core::time::{Clock, Timestamp};
use tollgate_store::{AuditChain, AuditDesk, AuditHead, AuditRow, DataKeyId, Store, StoreError};
use tollgate_vault::{AuditKey, Vault, VaultError};

/// How many rows are read at a time.
const ROWS_PER_READ_MAX: usize = 256;
/// An entry is noted before its row is written, so its row is not older, unless the clock was set back in between: by so
/// many microseconds at most.
const CLOCK_BACK_US_MAX: i64 = 3_600_000_000;
/// How long after its key the first row is written at the latest, in milliseconds: one follows the other at the
/// first start.
const FIRST_ROW_MS_MAX: u64 = 10 * 60_000;

/// Why the log could not be begun or read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A row's entries cannot be read.
    #[error("row {number} of the audit log cannot be read: {error}")]
    Format {
        /// The row.
        number: u64,
        /// Why not.
        error: AuditFormatError,
    },
}

/// Says how this process writes the audit log of `store`: under the vault's key, as `who`. Without it no card can be
/// opened for a payment.
///
/// # Errors
/// When the store or the vault fails.
pub async fn begin_audit(
    store: &dyn Store,
    vault: &Vault,
    clock: Arc<dyn Clock>,
    who: AuditWho,
) -> Result<(), AuditError> {
    let key = vault.audit_key(clock.now()).await?;
    Ok(store.begin_audit(AuditDesk { key, clock, who }).await?)
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// How many rows are proven: all, or those before the first that is broken.
    pub rows: u64,
    /// How many entries they hold.
    pub entries: u64,
    /// When the first of them was written,
    pub from: Option<Timestamp>,
    /// and the last.
    pub to: Option<Timestamp>,
    /// The last proven row.
    pub head: Option<AuditHead>,
    /// How many of the heads that were kept are there.
    pub heads_found: u64,
    /// The first broken row.
    pub broken: Option<AuditBreak>,
}

/// A broken row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditBreak {
    /// Its number.
    pub number: u64,
    /// What is wrong with it.
    pub fault: AuditFault,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    /// It is not there, and a later one is.
    #[error("it is missing, and row {next} is there: rows were deleted")]
    Missing {
        /// The next row that is there.
        next: u64,
    },
    /// Its code does not fit: it was changed, moved, or written by somebody who has not the key.
    #[error("its code does not fit: it was changed, moved from another place, or made without the vault's key")]
    Changed,
    /// It names a key that is none of the log's.
    #[error("it names data key {0}, which is no key of the audit log")]
    ForeignKey(DataKeyId),
    /// It is authentic and follows another row than the one that is there.
    #[error("it follows another row than the one before it: the rows before it were replaced")]
    DoesNotFollow,
    /// The entries cannot be read, though the code fits.
    #[error("its code fits, and its entries cannot be read: {0}")]
    Format(AuditFormatError),
    /// The store cannot read it.
    #[error("the store cannot read it: {0}")]
    Unreadable(String),
    /// A head that was kept names another row of this number.
    #[error(
        "the head that was kept elsewhere names another row of this number: the log was replaced from here or before"
    )]
    NotTheHead,
    /// A head that was kept names a row that is not there any more.
    #[error("it is missing, and a head that was kept elsewhere names it: the end was cut off behind row {last}")]
    CutOff {
        /// The last row that is there; 0 when there is none.
        last: u64,
    },
    /// The log's first row is younger than its key.
    #[error("it is the first, and the log's key was made long before it, at {key_made_at}: all rows were deleted once")]
    BegunAnew {
        /// When the key was made.
        key_made_at: Timestamp,
    },
    /// The log's key exists, and the log has no row.
    #[error("the log is empty, and its key was made: all rows were deleted")]
    Emptied,
}

/// Proves that a chain of `store` is unbroken, or finds the first broken row. `heads` are ends of that chain that were
/// kept elsewhere.
///
/// # Errors
/// When the store or the vault fails; a broken log is no error.
pub async fn verify_audit(
    store: &dyn Store,
    vault: &Vault,
    chain: AuditChain,
    heads: &[AuditHead],
) -> Result<AuditReport, AuditError> {
    let keys: HashMap<DataKeyId, AuditKey> = vault.audit_keys().await?.into_iter().map(|key| (key.id(), key)).collect();
    let mut checked = Checked::new(keys, heads);
    let mut walk = AuditWalk::new(chain);
    loop {
        let rows = match walk.rows(store).await {
            Ok(rows) => rows,
            Err(AuditError::Store(StoreError::Corrupt(text))) => {
                return checked.up_to_the_unreadable(store, &walk, text).await;
            }
            Err(error) => return Err(error),
        };
        if rows.is_empty() {
            return Ok(checked.ended());
        }
        for row in &rows {
            if !checked.take(row) {
                return Ok(checked.report);
            }
        }
    }
}

/// Rows of one chain, from the first on.
struct AuditWalk {
    chain: AuditChain,
    after: u64,
}

impl AuditWalk {
    const fn new(chain: AuditChain) -> AuditWalk {
        AuditWalk { chain, after: 0 }
    }

    /// From the first row on that can hold an entry of `from` or later.
    async fn since(store: &dyn Store, chain: AuditChain, from: Option<Timestamp>) -> Result<AuditWalk, StoreError> {
        let Some(from) = from else { return Ok(AuditWalk::new(chain)) };
        let earliest = Timestamp(from.0.saturating_sub(CLOCK_BACK_US_MAX));
        let first = store.audit_row_since(chain, earliest).await?;
        Ok(AuditWalk { chain, after: first.map_or(u64::MAX, |first| first.saturating_sub(1)) })
    }

    /// The next rows; none at the end.
    async fn rows(&mut self, store: &dyn Store) -> Result<Vec<AuditRow>, AuditError> {
        let rows = store.audit_rows(self.chain, self.after, ROWS_PER_READ_MAX).await?;
        if let Some(last) = rows.last() {
            self.after = last.number;
        }
        Ok(rows)
    }
}

/// What was proven so far.
struct Checked {
    keys: HashMap<DataKeyId, AuditKey>,
    /// Heads that are still to come, by number.
    heads: BTreeMap<u64, Vec<AuditHead>>,
    report: AuditReport,
}

impl Checked {
    fn new(keys: HashMap<DataKeyId, AuditKey>, heads: &[AuditHead]) -> Checked {
        let mut by_number: BTreeMap<u64, Vec<AuditHead>> = BTreeMap::new();
        for head in heads {
            by_number.entry(head.number).or_default().push(*head);
        }
        Checked { keys, heads: by_number, report: AuditReport::default() }
    }

    /// Takes the next row; `false` when it is broken.
    fn take(&mut self, row: &AuditRow) -> bool {
        let before = self.report.head;
        let expected = before.map_or(1, |head| head.number.saturating_add(1));
        let entries = match self.judge(row, before, expected) {
            Ok(entries) => entries,
            Err(fault) => {
                self.report.broken = Some(AuditBreak { number: expected, fault });
                return false;
            }
        };
        self.report.rows += 1;
        self.report.entries += entries;
        self.report.from.get_or_insert(row.at);
        self.report.to = Some(row.at);
        self.report.head = Some(row.head());
        true
    }

    /// How many entries a row holds that is as it has to be.
    fn judge(&mut self, row: &AuditRow, before: Option<AuditHead>, expected: u64) -> Result<u64, AuditFault> {
        if row.number != expected {
            return Err(AuditFault::Missing { next: row.number });
        }
        let key = self.keys.get(&row.key).ok_or(AuditFault::ForeignKey(row.key))?;
        if !row.is_authentic(key) {
            return Err(AuditFault::Changed);
        }
        if before.map_or(tollgate_store::AuditMac::NONE, |head| head.mac) != row.previous {
            return Err(AuditFault::DoesNotFollow);
        }
        let first_by = key.made_at().plus_ms(FIRST_ROW_MS_MAX);
        if before.is_none() && row.at > first_by {
            return Err(AuditFault::BegunAnew { key_made_at: key.made_at() });
        }
        for head in self.heads.remove(&row.number).unwrap_or_default() {
            if head != row.head() {
                return Err(AuditFault::NotTheHead);
            }
            self.report.heads_found += 1;
        }
        Ok(row.read().map_err(AuditFault::Format)?.len() as u64)
    }

    /// The store cannot read some row of the next few: those before it are still proven.
    async fn up_to_the_unreadable(
        mut self,
        store: &dyn Store,
        walk: &AuditWalk,
        text: String,
    ) -> Result<AuditReport, AuditError> {
        let mut after = walk.after;
        while let Ok(rows) = store.audit_rows(walk.chain, after, 1).await {
            let Some(row) = rows.first() else { break };
            if !self.take(row) {
                return Ok(self.report);
            }
            after = row.number;
        }
        let number = self.report.head.map_or(1, |head| head.number.saturating_add(1));
        self.report.broken = Some(AuditBreak { number, fault: AuditFault::Unreadable(text) });
        Ok(self.report)
    }

    /// There are no more rows.
    fn ended(mut self) -> AuditReport {
        let last = self.report.head.map_or(0, |head| head.number);
        if let Some(number) = self.heads.keys().find(|number| **number > last) {
            let number = last.saturating_add(1).min(*number);
            self.report.broken = Some(AuditBreak { number, fault: AuditFault::CutOff { last } });
        } else if !self.heads.is_empty() {
            // Number 0, which no row has.
            self.report.broken = Some(AuditBreak { number: 1, fault: AuditFault::NotTheHead });
        } else if last == 0 && !self.keys.is_empty() {
            self.report.broken = Some(AuditBreak { number: 1, fault: AuditFault::Emptied });
        }
        self.report
    }
}

/// Which entries are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// At this moment or later.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub before: Option<Timestamp>,
    /// About this merchant.
    pub merchant: Option<MerchantId>,
    /// About this operation.
    pub operation: Option<OperationId>,
}

impl AuditFilter {
    /// Whether an entry is meant.
    #[must_use]
    pub fn fits(&self, entry: &AuditEntry) -> bool {
        self.from.is_none_or(|from| entry.at >= from)
            && self.before.is_none_or(|before| entry.at < before)
            && (self.merchant.is_none() || entry.merchant == self.merchant)
            && (self.operation.is_none() || entry.operation == self.operation)
    }
}

/// Reads the entries of `store` that are meant, in the order in which they were written, and gives each to `take` with
/// the number of its row. Nothing is proven by it.
///
/// # Errors
/// When the store fails or a row cannot be read.
pub async fn read_audit(
    store: &dyn Store,
    filter: &AuditFilter,
    mut take: impl FnMut(u64, AuditEntry),
) -> Result<(), AuditError> {
    for chain in store.audit_chains().await? {
        let mut walk = AuditWalk::since(store, chain, filter.from).await?;
        loop {
            let rows = walk.rows(store).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let entries = row.read().map_err(|error| AuditError::Format { number: row.number, error })?;
                entries.into_iter().filter(|entry| filter.fits(entry)).for_each(|entry| take(row.number, entry));
            }
        }
    }
    Ok(())
}

/// How often each thing was done, for evidence: cards that were revealed or exported, keys that were made, rotated and
/// retired, logins that failed. What was not done is not there.
///
/// # Errors
/// When the store fails or a row cannot be read.
pub async fn count_audit(store: &dyn Store, filter: &AuditFilter) -> Result<BTreeMap<AuditAction, u64>, AuditError> {
    let mut counts = BTreeMap::new();
    let add = |_, entry: AuditEntry| {
        let count: &mut u64 = counts.entry(entry.action).or_default();
        *count = count.saturating_add(entry.count);
    };
    read_audit(store, filter, add).await?;
    Ok(counts)
}
