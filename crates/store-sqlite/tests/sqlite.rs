//! What is particular to this store: its file, its queue, other processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod orders;

use futures_util::future::join_all;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};
use tollgate_core::command::OrderTarget;
use tollgate_core::ident::MerchantId;
use tollgate_core::money::Amount;
use tollgate_store::{Merchants, OrderClaim, Orders, Recorded, Recoveries, StoreError, StoreFuture};
use tollgate_store_sqlite::{SCHEMA_VERSION, SqliteOptions, SqliteStore};

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(&folder.join("tollgate.db"), SqliteOptions::default()).unwrap()
}

/// Hands a call to the writer without waiting for its answer.
fn begin<T>(call: &mut StoreFuture<'_, T>) -> Poll<Result<T, StoreError>> {
    let mut context = Context::from_waker(futures_util::task::noop_waker_ref());
    call.as_mut().poll(&mut context)
}

fn plain(folder: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.join("tollgate.db")).unwrap()
}

#[tokio::test]
async fn the_file_and_its_log_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.claim_order(orders::new_order(1, "order-1")).await.unwrap();
    for name in ["tollgate.db", "tollgate.db-wal", "tollgate.db-shm"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_what_to_do_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(store.schema_version(), SCHEMA_VERSION);
    store.close().await;
    let newer = SCHEMA_VERSION.0 + 1;
    let sql = "INSERT INTO schema_migrations (version, name, checksum) VALUES (?1, 'later', '0')";
    plain(folder.path()).execute(sql, [newer]).unwrap();
    let refused = SqliteStore::open(&folder.path().join("tollgate.db"), SqliteOptions::default());
    let Err(StoreError::Unavailable(text)) = refused else { panic!("{refused:?}") };
    assert!(text.contains(&format!("schema {newer}")) && text.contains("start the newer version again"), "{text}");
    let kept: u32 =
        plain(folder.path()).query_row("SELECT max(version) FROM schema_migrations", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, newer);
}

#[tokio::test]
async fn an_edited_migration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).close().await;
    plain(folder.path()).execute("UPDATE schema_migrations SET checksum = '0' WHERE version = 1", []).unwrap();
    let refused = SqliteStore::open(&folder.path().join("tollgate.db"), SqliteOptions::default());
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
}

#[test]
fn the_database_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    plain(folder.path()).execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
    let before = std::fs::read(folder.path().join("tollgate.db")).unwrap();
    let refused = SqliteStore::open(&folder.path().join("tollgate.db"), SqliteOptions::default());
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(std::fs::read(folder.path().join("tollgate.db")).unwrap(), before);
    std::fs::write(folder.path().join("tollgate.db"), [b'x'; 8192]).unwrap();
    let refused = SqliteStore::open(&folder.path().join("tollgate.db"), SqliteOptions::default());
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
}

#[test]
fn stores_that_open_at_once_make_one_schema() {
    let folder = tempfile::tempdir().unwrap();
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let path = folder.path().to_owned();
            std::thread::spawn(move || open(&path).schema_version())
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), SCHEMA_VERSION);
    }
}

/// The writer is held up by another process's lock, so what is polled meanwhile shares one batch.
#[tokio::test]
async fn a_poison_call_in_a_batch_does_not_fail_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let other = plain(folder.path());
    let mut records = Vec::new();
    for number in 1..=20 {
        let new = orders::new_order(number, &format!("order-{number}"));
        store.claim_order(new.clone()).await.unwrap();
        let mut record = orders::unknown(&new);
        if number % 7 == 0 {
            record.order.totals.captured = Amount::from_minor(1).unwrap();
        }
        records.push(record);
    }
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut calls: Vec<_> = records.iter().map(|record| store.record_outcome(record.clone())).collect();
    for call in &mut calls {
        assert!(begin(call).is_pending());
    }
    other.execute_batch("COMMIT").unwrap();
    for (record, answer) in records.iter().zip(join_all(calls).await) {
        if record.order.totals.are_consistent() {
            assert_eq!(answer.unwrap(), Recorded::Written);
        } else {
            let Err(StoreError::Refused(rule)) = answer else { panic!("{answer:?}") };
            assert!(rule.contains("refunded_within_captured_within_authorized"), "{rule}");
        }
    }
    assert_eq!(store.recovery_backlog().await.unwrap().0, 18);
}

#[tokio::test]
async fn a_full_queue_answers_busy_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { queue_calls_max: 4, batch_calls_max: 1, ..SqliteOptions::default() };
    let store = SqliteStore::open(&folder.path().join("tollgate.db"), options).unwrap();
    let other = plain(folder.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The writer takes at most one call and then waits for the lock, so at most five find a place.
    let mut calls: Vec<_> =
        (1..=9).map(|number| store.claim_order(orders::new_order(number, &format!("order-{number}")))).collect();
    let mut busy = Vec::new();
    for (index, call) in calls.iter_mut().enumerate() {
        match begin(call) {
            Poll::Pending => {}
            Poll::Ready(Err(StoreError::Busy)) => busy.push(index),
            Poll::Ready(answer) => panic!("{answer:?}"),
        }
    }
    assert!((4..=5).contains(&busy.len()), "{busy:?}");
    let gone = (1..).zip(calls).filter(|(number, _)| !busy.contains(&(number - 1)));
    other.execute_batch("COMMIT").unwrap();
    for (number, call) in gone {
        assert_eq!(call.await.unwrap(), OrderClaim::Claimed, "call {number}");
    }
    let made: u64 = store.totals().await.unwrap().iter().map(|totals| totals.orders).sum();
    assert_eq!(usize::try_from(made).unwrap(), 9 - busy.len());
}

#[tokio::test]
async fn a_lock_of_another_process_is_waited_for_and_not_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { busy_timeout_ms: 30, ..SqliteOptions::default() };
    let store = SqliteStore::open(&folder.path().join("tollgate.db"), options).unwrap();
    let other = plain(folder.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.claim_order(orders::new_order(1, "order-1")).await;
    let Err(StoreError::Unavailable(text)) = refused else { panic!("{refused:?}") };
    assert!(text.contains("another process holds the database"), "{text}");
    // Reads go on meanwhile.
    assert_eq!(store.merchants_generation().await.unwrap(), 0);
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(store.claim_order(orders::new_order(1, "order-1")).await.unwrap(), OrderClaim::Claimed);
}

/// An error that is no call's own fault: every caller of the batch is told, and nothing is half there.
#[tokio::test]
async fn when_the_database_fails_every_caller_is_told_and_the_store_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let other = plain(folder.path());
    other
        .execute_batch("CREATE TRIGGER fails BEFORE INSERT ON operations BEGIN SELECT abs(-9223372036854775808); END")
        .unwrap();
    let calls = (1..=6).map(|number| store.claim_order(orders::new_order(number, &format!("order-{number}"))));
    for answer in join_all(calls).await {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    assert!(store.totals().await.unwrap().is_empty());
    other.execute_batch("DROP TRIGGER fails").unwrap();
    assert_eq!(store.claim_order(orders::new_order(1, "order-1")).await.unwrap(), OrderClaim::Claimed);
}

#[tokio::test]
async fn closing_writes_what_waits_and_leaves_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut calls: Vec<_> =
        (1..=50).map(|number| store.claim_order(orders::new_order(number, &format!("order-{number}")))).collect();
    for call in &mut calls {
        let _begun = begin(call);
    }
    drop(calls);
    store.close().await;
    assert!(!folder.path().join("tollgate.db-wal").exists(), "the log is moved into the file");
    let after = store.claim_order(orders::new_order(99, "order-99")).await;
    assert!(matches!(after, Err(StoreError::Unavailable(_))), "{after:?}");
    assert!(store.merchants_generation().await.is_err());
    store.close().await;
    let again = open(folder.path());
    assert_eq!(again.totals().await.unwrap()[0].orders, 50, "a call whose caller went away is written all the same");
}

#[tokio::test]
async fn a_damaged_row_is_corrupt_and_no_wrong_answer() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let new = orders::new_order(1, "order-1");
    store.claim_order(new.clone()).await.unwrap();
    plain(folder.path()).execute("UPDATE orders SET phase = 77", []).unwrap();
    let read = store.order(MerchantId(1), &OrderTarget::FortId(new.order.fort_id)).await;
    let Err(StoreError::Corrupt(text)) = read else { panic!("{read:?}") };
    assert!(text.contains("orders.phase"), "{text}");
}

/// Under steady writing the log is copied and used again: it stays near the length from which it is
/// copied (4,096 pages of 4 KiB), while some 60 MiB go through it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_ahead_log_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    let callers = (0..64_i64).map(|caller| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in (caller..12_800).step_by(64) {
                let mut new = orders::new_order(number + 1, &format!("order-{number}"));
                new.request.push("merchant_extra", &"x".repeat(3_000));
                store.claim_order(new).await.unwrap();
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let log = std::fs::metadata(folder.path().join("tollgate.db-wal")).unwrap().len();
    let database = std::fs::metadata(folder.path().join("tollgate.db")).unwrap().len();
    assert!(database > 24 * 1024 * 1024, "{database} bytes have been copied");
    assert!(log < 48 * 1024 * 1024, "the log has {log} bytes");
}
