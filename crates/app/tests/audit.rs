//! The audit log: whatever is done to its rows, the first broken one is found.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;
use tollgate_app::{AuditFault, AuditFilter, AuditReport, begin_audit, count_audit, read_audit, verify_audit};
use tollgate_core::audit::{AuditAction, AuditEntry, AuditReason, AuditWho};
use tollgate_core::ident::{MerchantId, OperationId};
use tollgate_core::time::{Clock, Timestamp};
use tollgate_store::{AuditChain, AuditDesk, AuditHead, AuditRow, Audits, DataKeys};
use tollgate_store_sqlite::{SqliteOptions, SqliteStore};
use tollgate_vault::{AuditKey, DataKeyBytes, FileKeyProvider, StoredDataKeys, Vault};

const NOON: Timestamp = Timestamp(1_795_176_000_000_000);
/// How many rows the log has: the one that begins it, and those of the tests.
const ROWS: u64 = 7;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        NOON
    }
}

struct NextDay;

impl Clock for NextDay {
    fn now(&self) -> Timestamp {
        NOON.plus_ms(86_400_000)
    }
}

/// A data folder with a log of [`ROWS`] rows.
struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    async fn with_a_log() -> Folder {
        let folder = Folder { folder: tempfile::tempdir().unwrap() };
        let (store, _vault) = folder.open().await;
        for number in 2..=ROWS {
            store.note_audit(vec![entry(number), entry(number + 100)]).await.unwrap();
        }
        store.close().await;
        folder
    }

    async fn open(&self) -> (Arc<SqliteStore>, Vault) {
        let store = Arc::new(SqliteStore::open(&self.database(), SqliteOptions::default()).unwrap());
        let keys: Arc<dyn DataKeys> = store.clone();
        let stored = StoredDataKeys::look(keys.as_ref()).await.unwrap();
        let provider = FileKeyProvider::create_or_open(&self.path().join("keys"), stored).unwrap();
        let vault = Vault::open(Box::new(provider), keys).await.unwrap();
        begin_audit(&*store, &vault, Arc::new(Noon), AuditWho::Gateway("a test".to_owned())).await.unwrap();
        (store, vault)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn database(&self) -> std::path::PathBuf {
        self.path().join("tollgate.db")
    }

    /// What somebody does who may write to the file and knows what the triggers are called.
    fn tamper(&self, sql: &str) {
        let plain = rusqlite::Connection::open(self.database()).unwrap();
        plain
            .execute_batch(&format!(
                "DROP TRIGGER IF EXISTS audit_rows_are_not_changed; DROP TRIGGER IF EXISTS audit_rows_are_not_deleted; {sql}"
            ))
            .unwrap();
    }

    async fn verify(&self, heads: &[AuditHead]) -> AuditReport {
        let (store, vault) = self.open().await;
        let report = verify_audit(&*store, &vault, AuditChain::SOLE, heads).await.unwrap();
        store.close().await;
        report
    }

    /// The number of the first broken row, and what is wrong with it.
    async fn broken(&self, heads: &[AuditHead]) -> (u64, AuditFault) {
        let broken = self.verify(heads).await.broken.unwrap();
        (broken.number, broken.fault)
    }

    async fn head(&self) -> AuditHead {
        let (store, _vault) = self.open().await;
        let head = store.audit_head(AuditChain::SOLE).await.unwrap().unwrap();
        store.close().await;
        head
    }
}

fn entry(number: u64) -> AuditEntry {
    AuditEntry {
        why: AuditReason::Refund,
        operation: Some(OperationId(i64::try_from(number).unwrap())),
        ..AuditEntry::new(NOON, AuditWho::Request, AuditAction::CardRevealed).about(MerchantId(3))
    }
}

#[tokio::test]
async fn an_unbroken_log_is_proven_and_goes_on() {
    let folder = Folder::with_a_log().await;
    let head = folder.head().await;
    let report = folder.verify(&[head]).await;
    assert_eq!((report.rows, report.entries, report.heads_found), (ROWS, 1 + 2 * (ROWS - 1), 1));
    assert_eq!((report.head, report.broken, report.from, report.to), (Some(head), None, Some(NOON), Some(NOON)));
    let (store, vault) = folder.open().await;
    store.note_audit(vec![entry(ROWS + 1)]).await.unwrap();
    let report = verify_audit(&*store, &vault, AuditChain::SOLE, &[head]).await.unwrap();
    assert_eq!((report.rows, report.heads_found, report.broken), (ROWS + 1, 1, None), "an old head is still there");
}

/// Rule: rows cannot be changed or deleted by mistake: the database refuses it.
#[tokio::test]
async fn the_database_refuses_a_change_and_a_deletion() {
    let folder = Folder::with_a_log().await;
    let plain = rusqlite::Connection::open(folder.database()).unwrap();
    for sql in ["DELETE FROM audit", "UPDATE audit SET at = 0 WHERE number = 3"] {
        let error = plain.execute_batch(sql).unwrap_err().to_string();
        assert!(error.contains("only added to"), "{error}");
    }
    drop(plain);
    assert_eq!(folder.verify(&[]).await.broken, None);
}

/// Rule: one changed byte of any part of a row is found, and the row is named.
#[tokio::test]
async fn a_byte_of_any_part_that_is_changed_is_found() {
    let flipped = |column: &str| {
        format!(
            "UPDATE audit SET {column} = unhex(substr(hex({column}), 1, 10) || \
                 CASE substr(hex({column}), 11, 1) WHEN '0' THEN '1' ELSE '0' END || substr(hex({column}), 12)) WHERE number = 4"
        )
    };
    for sql in [
        "UPDATE audit SET at = at + 1 WHERE number = 4".to_owned(),
        flipped("entries"),
        flipped("previous"),
        flipped("mac"),
    ] {
        let folder = Folder::with_a_log().await;
        folder.tamper(&sql);
        assert_eq!(folder.broken(&[]).await, (4, AuditFault::Changed), "{sql}");
        assert_eq!(folder.verify(&[]).await.rows, 3, "the rows before it are proven");
    }
    let folder = Folder::with_a_log().await;
    folder.tamper("UPDATE audit SET key_id = key_id + 1 WHERE number = 4");
    assert!(matches!(folder.broken(&[]).await, (4, AuditFault::ForeignKey(_))));
}

#[tokio::test]
async fn a_deleted_row_is_found() {
    let folder = Folder::with_a_log().await;
    folder.tamper("DELETE FROM audit WHERE number IN (3, 4)");
    assert_eq!(folder.broken(&[]).await, (3, AuditFault::Missing { next: 5 }));
    folder.tamper("UPDATE audit SET number = number - 2 WHERE number > 4");
    assert_eq!(folder.broken(&[]).await, (3, AuditFault::Changed), "closing the gap does not help");
    let folder = Folder::with_a_log().await;
    folder.tamper("DELETE FROM audit WHERE number = 1");
    assert_eq!(folder.broken(&[]).await, (1, AuditFault::Missing { next: 2 }));
}

#[tokio::test]
async fn two_swapped_rows_are_found() {
    let folder = Folder::with_a_log().await;
    folder.tamper(
        "UPDATE audit SET number = 1000 WHERE number = 3; UPDATE audit SET number = 3 WHERE number = 5; \
         UPDATE audit SET number = 5 WHERE number = 1000",
    );
    assert_eq!(folder.broken(&[]).await, (3, AuditFault::Changed));
    let folder = Folder::with_a_log().await;
    folder.tamper(
        "CREATE TEMP TABLE kept AS SELECT * FROM audit WHERE number IN (3, 5); \
         UPDATE audit SET (at, entries) = (SELECT at, entries FROM kept WHERE number = 8 - audit.number) \
         WHERE number IN (3, 5)",
    );
    assert_eq!(folder.broken(&[]).await, (3, AuditFault::Changed), "their entries alone");
}

/// Rule: an end that was cut off is found by a head that was kept elsewhere, and only by that.
#[tokio::test]
async fn a_cut_end_is_found_by_a_head_that_was_kept() {
    let folder = Folder::with_a_log().await;
    let head = folder.head().await;
    folder.tamper("DELETE FROM audit WHERE number > 4");
    assert_eq!(folder.verify(&[]).await.broken, None, "a chain alone does not show its end");
    assert_eq!(folder.broken(&[head]).await, (5, AuditFault::CutOff { last: 4 }));
    // The gateway goes on at the cut: its new rows have other codes than those that were there.
    let (store, _vault) = folder.open().await;
    for number in 5..=ROWS {
        store.note_audit(vec![entry(number + 50)]).await.unwrap();
    }
    store.close().await;
    assert_eq!(folder.broken(&[head]).await, (ROWS, AuditFault::NotTheHead));
}

#[tokio::test]
async fn an_emptied_log_is_found() {
    let folder = Folder::with_a_log().await;
    folder.tamper("DELETE FROM audit");
    let store = Arc::new(SqliteStore::open(&folder.database(), SqliteOptions::default()).unwrap());
    let provider = FileKeyProvider::open(&folder.path().join("keys")).unwrap();
    let vault = Vault::open(Box::new(provider), store.clone()).await.unwrap();
    let report = verify_audit(&*store, &vault, AuditChain::SOLE, &[]).await.unwrap();
    assert_eq!(report.broken.unwrap().fault, AuditFault::Emptied);
    // The next start begins a new one, long after the key was made.
    let who = AuditWho::Gateway("a test".to_owned());
    begin_audit(&*store, &vault, Arc::new(NextDay), who).await.unwrap();
    let report = verify_audit(&*store, &vault, AuditChain::SOLE, &[]).await.unwrap();
    let broken = report.broken.unwrap();
    assert_eq!((broken.number, broken.fault), (1, AuditFault::BegunAnew { key_made_at: NOON }));
}

/// Rule: whoever may write to the database and has not the vault's key can add no row that fits.
#[tokio::test]
async fn a_chain_that_was_forged_under_another_key_is_found() {
    let folder = Folder::with_a_log().await;
    let (store, vault) = folder.open().await;
    let real = vault.audit_keys().await.unwrap()[0].id();
    let rows = store.audit_rows(AuditChain::SOLE, 0, 100).await.unwrap();
    store.close().await;
    let forger = AuditKey::new(real, NOON, &DataKeyBytes::copied_from(&[9; 32]).unwrap());
    let forged = AuditRow::after(Some(rows[2].head()), AuditChain::SOLE, &[entry(66)], &forger, NOON);
    let plain = rusqlite::Connection::open(folder.database()).unwrap();
    plain.execute_batch("DROP TRIGGER audit_rows_are_not_changed").unwrap();
    plain
        .execute(
            "UPDATE audit SET entries = ?1, previous = ?2, mac = ?3 WHERE number = 4",
            rusqlite::params![forged.entries, forged.previous.0.as_slice(), forged.mac.0.as_slice()],
        )
        .unwrap();
    drop(plain);
    assert_eq!(folder.broken(&[]).await, (4, AuditFault::Changed));
}

/// Rule: a chain that goes on from a restored copy does not pass for the one before, as long as a head was kept; and
/// a row of the one does not fit into the other.
#[tokio::test]
async fn a_row_of_a_restored_copy_does_not_follow() {
    let folder = Folder::with_a_log().await;
    let rows = {
        let (store, _vault) = folder.open().await;
        let rows = store.audit_rows(AuditChain::SOLE, 0, 100).await.unwrap();
        store.close().await;
        rows
    };
    // Back to row 5, and on with others, under the right key.
    folder.tamper("DELETE FROM audit WHERE number > 5");
    let (store, _vault) = folder.open().await;
    for number in 6..=ROWS {
        store.note_audit(vec![entry(number + 70)]).await.unwrap();
    }
    store.close().await;
    let old = rows.last().unwrap();
    let plain = rusqlite::Connection::open(folder.database()).unwrap();
    plain
        .execute(
            "UPDATE audit SET at = ?1, entries = ?2, previous = ?3, mac = ?4 WHERE number = 7",
            rusqlite::params![old.at.0, old.entries, old.previous.0.as_slice(), old.mac.0.as_slice()],
        )
        .unwrap();
    drop(plain);
    assert_eq!(folder.broken(&[]).await, (7, AuditFault::DoesNotFollow));
}

/// A row that this store cannot even read is the first broken one, and those before it are proven.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let folder = Folder::with_a_log().await;
    folder.tamper("PRAGMA ignore_check_constraints = ON; UPDATE audit SET mac = x'00' WHERE number = 6");
    let (number, fault) = folder.broken(&[]).await;
    assert_eq!(number, 6);
    assert!(matches!(fault, AuditFault::Unreadable(_)), "{fault}");
    assert_eq!(folder.verify(&[]).await.rows, 5);
}

#[tokio::test]
async fn entries_are_read_by_every_part_of_a_filter_and_counted() {
    let folder = Folder::with_a_log().await;
    let (store, _vault) = folder.open().await;
    let later = Timestamp(NOON.0 + 5);
    let other = AuditEntry { at: later, merchant: Some(MerchantId(4)), ..entry(900) }.of(12);
    store.note_audit(vec![other.clone()]).await.unwrap();
    let read = async |filter: AuditFilter| {
        let mut told = Vec::new();
        read_audit(&*store, &filter, |row, entry| told.push((row, entry))).await.unwrap();
        told
    };
    let all = AuditFilter::default();
    assert_eq!(read(all.clone()).await.len() as u64, 2 * ROWS);
    for filter in [
        AuditFilter { merchant: Some(MerchantId(4)), ..all.clone() },
        AuditFilter { operation: Some(OperationId(900)), ..all.clone() },
        AuditFilter { from: Some(later), ..all.clone() },
    ] {
        assert_eq!(read(filter.clone()).await, [(ROWS + 1, other.clone())], "{filter:?}");
    }
    assert_eq!(read(AuditFilter { before: Some(NOON), ..all.clone() }).await, []);
    let counts = count_audit(&*store, &all).await.unwrap();
    assert_eq!(counts.get(&AuditAction::CardRevealed), Some(&(2 * (ROWS - 1) + 12)));
    assert_eq!(counts.get(&AuditAction::LogBegun), Some(&1));
}

#[tokio::test]
async fn what_was_written_long_before_a_filter_begins_is_not_read() {
    let folder = Folder::with_a_log().await;
    let (store, vault) = folder.open().await;
    let (key, who) = (vault.audit_key(NOON).await.unwrap(), AuditWho::Request);
    store.begin_audit(AuditDesk { key, clock: Arc::new(NextDay), who }).await.unwrap();
    let newest = AuditEntry { at: NextDay.now(), ..entry(901) };
    store.note_audit(vec![newest.clone()]).await.unwrap();
    folder.tamper("UPDATE audit SET entries = x'ff' WHERE number = 3");
    let read = async |from: Option<Timestamp>| {
        let mut told = Vec::new();
        let filter = AuditFilter { from, ..AuditFilter::default() };
        read_audit(&*store, &filter, |row, entry| told.push((row, entry))).await.map(|()| told)
    };
    assert!(read(None).await.is_err(), "row 3 cannot be read");
    assert_eq!(read(Some(NextDay.now())).await.unwrap(), [(ROWS + 1, newest)]);
    assert_eq!(read(Some(NextDay.now().plus_ms(7_200_000))).await.unwrap(), []);
}
