//! The audit log: what the calls of a batch have noted becomes one row, in the batch's own transaction.
//!
//! The end of the chain is kept in memory, so that a row costs one insert. Other processes write to the same file
//! (commands beside a gateway): then the next number is taken, the insert does nothing, and the end is read anew.

use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::rows::{all, first, limit};
use rusqlite::{Row, params};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tollgate_core::audit::{AuditAction, AuditEntry, AuditReason, AuditWho};
use tollgate_core::time::Timestamp;
use tollgate_store::{
    AuditChain, AuditDesk, AuditHead, AuditMac, AuditRow, ChannelKeyRecord, CorrectionRecord, Proposal, SealedColumn,
    StoreError, WrappedDataKey,
};
use tollgate_vault::{DataKeyId, RewrappedDataKey};

/// How often the next number is tried. The transaction holds the lock of the file, so the second try succeeds.
const NUMBER_TRIES_MAX: u32 = 3;

/// What the calls of a batch note.
pub(crate) type Notes = Vec<AuditEntry>;

/// The log as this process writes it. Clones share everything.
#[derive(Clone, Default)]
pub(crate) struct AuditLog {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    desk: Option<Arc<AuditDesk>>,
    /// The end of the chain, as far as this process knows; `None` when it has to look.
    head: Option<AuditHead>,
    /// The end once the transaction under way is committed.
    pending: Option<AuditHead>,
}

impl AuditLog {
    /// How this process writes the log from now on.
    pub(crate) fn begin(&self, desk: AuditDesk) {
        self.state().desk = Some(Arc::new(desk));
    }

    /// Takes entries that came with a call.
    pub(crate) fn take(&self, notes: &mut Notes, entries: &[AuditEntry]) -> Result<(), Failure> {
        if entries.is_empty() {
            return Ok(());
        }
        if self.state().desk.is_none() {
            return Err(Failure::Store(StoreError::Refused(
                "entries for the audit log came before it was begun".to_owned(),
            )));
        }
        notes.extend_from_slice(entries);
        Ok(())
    }

    /// Notes what the store itself has done, if the log was begun.
    pub(crate) fn note(&self, notes: &mut Notes, action: AuditAction, more: impl FnOnce(AuditEntry) -> AuditEntry) {
        let desk = self.state().desk.clone();
        if let Some(desk) = desk {
            notes.push(more(AuditEntry::new(desk.clock.now(), desk.who.clone(), action)));
        }
    }

    /// Adds the row of a batch, inside its transaction.
    pub(crate) fn append(&self, connection: &Prepared<'_>, notes: &[AuditEntry]) -> Result<(), Failure> {
        let mut state = self.state();
        let Some(desk) = state.desk.clone() else {
            return if notes.is_empty() { Ok(()) } else { Err(unreadable("the audit log's key").into()) };
        };
        if notes.is_empty() {
            return Ok(());
        }
        let at = desk.clock.now();
        let mut known = state.head;
        for _ in 0..NUMBER_TRIES_MAX {
            let before = match known {
                Some(head) => Some(head),
                None => head(connection)?,
            };
            let row = AuditRow::after(before, AuditChain::SOLE, notes, &desk.key, at);
            if insert(connection, &row)? {
                state.pending = Some(row.head());
                return Ok(());
            }
            known = None;
        }
        Err(Failure::Store(StoreError::Corrupt("the audit log gives no free number".to_owned())))
    }

    /// The transaction is on the disk.
    pub(crate) fn committed(&self) {
        let mut state = self.state();
        if let Some(head) = state.pending.take() {
            state.head = Some(head);
        }
    }

    /// The transaction is rolled back, or nobody knows.
    pub(crate) fn rolled_back(&self) {
        let mut state = self.state();
        state.pending = None;
        state.head = None;
    }

    // A panic elsewhere leaves at worst an end of the chain that is not the end: it is read anew then.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes the first entry of a log that has none.
pub(crate) fn begin(connection: &Prepared<'_>, log: &AuditLog, notes: &mut Notes) -> Result<(), Failure> {
    if head(connection)?.is_none() {
        log.note(notes, AuditAction::LogBegun, |entry| entry);
    }
    Ok(())
}

/// Notes an outcome that was forced.
pub(crate) fn note_correction(log: &AuditLog, notes: &mut Notes, record: &CorrectionRecord) {
    let (outcome, correction) = (&record.outcome, &record.correction);
    log.note(notes, AuditAction::OutcomeForced, |entry| AuditEntry {
        who: AuditWho::Person { name: correction.by.clone(), by: "unknown".to_owned() },
        operation: Some(outcome.operation),
        detail: match &correction.approved_by {
            Some(second) => format!("{}, approved by {second}: {}", outcome.event, correction.reason),
            None => format!("{}: {}", outcome.event, correction.reason),
        },
        ..entry.about(outcome.order.merchant)
    });
}

/// Notes a correction that waits for a second person.
pub(crate) fn note_proposal(log: &AuditLog, notes: &mut Notes, proposal: &Proposal) {
    log.note(notes, AuditAction::CorrectionProposed, |entry| AuditEntry {
        who: AuditWho::Person { name: proposal.correction.by.clone(), by: "unknown".to_owned() },
        operation: Some(proposal.operation),
        detail: format!("{}: {}", proposal.event, proposal.correction.reason),
        ..entry
    });
}

/// Notes keys of the encrypted trusted channel that were added.
pub(crate) fn note_channel_keys(log: &AuditLog, notes: &mut Notes, keys: &[ChannelKeyRecord]) {
    let kids: Vec<&str> = keys.iter().map(|key| key.kid.as_str()).collect();
    log.note(notes, AuditAction::ChannelKeysMade, |entry| entry.of(keys.len() as u64).saying(kids.join(", ")));
}

/// Notes rows that were sealed anew.
pub(crate) fn note_resealed(log: &AuditLog, notes: &mut Notes, column: SealedColumn, replaced: u64) {
    log.note(notes, AuditAction::RowsResealed, |entry| AuditEntry {
        why: AuditReason::Rotation,
        ..entry.of(replaced).saying(column.name())
    });
}

/// Notes a data key that was added.
pub(crate) fn note_data_key(log: &AuditLog, notes: &mut Notes, key: &WrappedDataKey) {
    let WrappedDataKey { id, period, generation, kek_version, .. } = key;
    log.note(notes, AuditAction::DataKeyMade, |entry| {
        let detail = format!("key {id}, period {period}, generation {generation}, KEK {kek_version}");
        entry.about(key.merchant).saying(detail)
    });
}

/// Notes data keys that were wrapped anew.
pub(crate) fn note_rewrapped(log: &AuditLog, notes: &mut Notes, keys: &[RewrappedDataKey], replaced: u64) {
    let version = keys.first().map_or(0, |key| key.kek_version);
    log.note(notes, AuditAction::DataKeysRewrapped, |entry| entry.of(replaced).saying(format!("KEK {version}")));
}

/// The end of the log.
pub(crate) fn head(connection: &Prepared<'_>) -> Result<Option<AuditHead>, Failure> {
    let mut statement = connection.prepare_cached("SELECT number, mac FROM audit ORDER BY number DESC LIMIT 1")?;
    first(statement.query([])?, |row| Ok(AuditHead { number: number(row, 0)?, mac: mac(row, 1)? }))
}

/// Rows behind `after`, by number.
pub(crate) fn rows(connection: &Prepared<'_>, after: u64, rows_max: usize) -> Result<Vec<AuditRow>, Failure> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT number, at, key_id, entries, previous, mac FROM audit WHERE number > ?1 ORDER BY number LIMIT ?2",
    )?;
    all(statement.query(params![after, limit(rows_max)])?, |row| {
        Ok(AuditRow {
            chain: AuditChain::SOLE,
            number: number(row, 0)?,
            at: Timestamp(row.get(1)?),
            key: DataKeyId(row.get(2)?),
            entries: row.get(3)?,
            previous: mac(row, 4)?,
            mac: mac(row, 5)?,
        })
    })
}

/// The number of the first row at `at` or later. Goes over the rows before it, and reads nothing of them but the time:
/// an index would cost every payment by token a write.
pub(crate) fn row_since(connection: &Prepared<'_>, at: Timestamp) -> Result<Option<u64>, Failure> {
    let mut statement = connection.prepare_cached("SELECT number FROM audit WHERE at >= ?1 ORDER BY number LIMIT 1")?;
    first(statement.query([at.0])?, |row| number(row, 0))
}

/// `false` when the number is taken.
fn insert(connection: &Prepared<'_>, row: &AuditRow) -> Result<bool, Failure> {
    let number = i64::try_from(row.number).map_err(|_| unreadable("audit.number"))?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO audit (number, at, key_id, entries, previous, mac) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![number, row.at.0, row.key.0, row.entries, row.previous.0.as_slice(), row.mac.0.as_slice(),])?;
    Ok(inserted == 1)
}

fn number(row: &Row<'_>, column: usize) -> Result<u64, Failure> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| Failure::Store(unreadable("audit.number")))
}

fn mac(row: &Row<'_>, column: usize) -> Result<AuditMac, Failure> {
    let bytes = row.get_ref(column)?;
    let bytes = bytes.as_blob().ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(AuditMac).ok_or_else(|| Failure::Store(unreadable("audit.mac")))
}
