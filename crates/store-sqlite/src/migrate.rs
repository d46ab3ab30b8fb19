//! The schema: numbered SQL files inside the binary, each applied once.

use crate::connection::{self, APPLICATION_ID};
use crate::failure::{Failure, store_error};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::sync::{Mutex, PoisonError};
use tollgate_store::StoreError;

/// The number of a schema, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaVersion(pub u32);

impl std::fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The schema that this version of the gateway writes.
pub const SCHEMA_VERSION: SchemaVersion = SchemaVersion(27);

struct Migration {
    version: u32,
    name: &'static str,
    sql: &'static str,
}

/// All migrations, oldest first, numbered from 1 without a gap. A file that was ever released is
/// never changed: a new one is added.
const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "payments", sql: include_str!("../migrations/0001_payments.sql") },
    Migration { version: 2, name: "corrections", sql: include_str!("../migrations/0002_corrections.sql") },
    Migration { version: 3, name: "feedback", sql: include_str!("../migrations/0003_feedback.sql") },
    Migration { version: 4, name: "lives", sql: include_str!("../migrations/0004_lives.sql") },
    Migration { version: 5, name: "key rotation", sql: include_str!("../migrations/0005_key_rotation.sql") },
    Migration { version: 6, name: "channel", sql: include_str!("../migrations/0006_channel.sql") },
    Migration { version: 7, name: "tokens", sql: include_str!("../migrations/0007_tokens.sql") },
    Migration { version: 8, name: "audit", sql: include_str!("../migrations/0008_audit.sql") },
    Migration {
        version: 9,
        name: "token after payment",
        sql: include_str!("../migrations/0009_token_after_payment.sql"),
    },
    Migration { version: 10, name: "routes", sql: include_str!("../migrations/0010_routes.sql") },
    Migration { version: 11, name: "verifications", sql: include_str!("../migrations/0011_verifications.sql") },
    Migration { version: 12, name: "card customers", sql: include_str!("../migrations/0012_card_customers.sql") },
    Migration { version: 13, name: "checkouts", sql: include_str!("../migrations/0013_checkouts.sql") },
    Migration { version: 14, name: "authentications", sql: include_str!("../migrations/0014_authentications.sql") },
    Migration { version: 15, name: "merchant logos", sql: include_str!("../migrations/0015_merchant_logos.sql") },
    Migration { version: 16, name: "try cards", sql: include_str!("../migrations/0016_try_cards.sql") },
    Migration { version: 17, name: "agreements", sql: include_str!("../migrations/0017_agreements.sql") },
    Migration { version: 18, name: "batches", sql: include_str!("../migrations/0018_batches.sql") },
    Migration { version: 19, name: "payment links", sql: include_str!("../migrations/0019_payment_links.sql") },
    Migration { version: 20, name: "schedules", sql: include_str!("../migrations/0020_schedules.sql") },
    Migration { version: 21, name: "reports", sql: include_str!("../migrations/0021_reports.sql") },
    Migration { version: 22, name: "messages", sql: include_str!("../migrations/0022_messages.sql") },
    Migration { version: 23, name: "batch dates", sql: include_str!("../migrations/0023_batch_dates.sql") },
    Migration {
        version: 24,
        name: "cards of unique tokens",
        sql: include_str!("../migrations/0024_cards_of_unique_tokens.sql"),
    },
    Migration {
        version: 25,
        name: "routes without orders",
        sql: include_str!("../migrations/0025_routes_without_orders.sql"),
    },
    Migration { version: 26, name: "order references", sql: include_str!("../migrations/0026_order_references.sql") },
    Migration {
        version: 27,
        name: "nothing behind nothing",
        sql: include_str!("../migrations/0027_nothing_behind_nothing.sql"),
    },
];

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version  INTEGER NOT NULL PRIMARY KEY,
    name     TEXT    NOT NULL,
    checksum TEXT    NOT NULL
) STRICT";

/// Brings the database to [`SCHEMA_VERSION`] in one transaction. Two processes that start at once
/// take turns: the second finds the work done.
pub(crate) fn migrate(connection: &mut Connection) -> Result<SchemaVersion, StoreError> {
    let version = apply_all(connection)?;
    let mode: String =
        connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(|error| store_error(&error))?;
    if mode != "wal" {
        return Err(StoreError::Unavailable(format!(
            "the file system cannot hold a write-ahead log (journal mode is {mode}); use a local disk"
        )));
    }
    Ok(version)
}

/// The same without a look at the log: for a database in memory, which has none.
pub(crate) fn apply_all(connection: &mut Connection) -> Result<SchemaVersion, StoreError> {
    let migrated = (|| {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(LEDGER)?;
        refuse_newer_schema(&transaction)?;
        for migration in MIGRATIONS {
            apply(&transaction, migration)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
        Ok(SCHEMA_VERSION)
    })();
    migrated.map_err(Failure::into_store_error)
}

/// The pages of an empty database in memory with all migrations, applied once in this process: a simulation makes thousands of
/// databases, and applying them takes as long as dozens of payments.
pub(crate) fn copy_migrated(into: &mut Connection) -> Result<SchemaVersion, StoreError> {
    static MIGRATED: Mutex<Option<Connection>> = Mutex::new(None);
    let mut migrated = MIGRATED.lock().unwrap_or_else(PoisonError::into_inner);
    if migrated.is_none() {
        let mut first = connection::open_in_memory()?;
        apply_all(&mut first)?;
        *migrated = Some(first);
    }
    let copy = |from: &Connection| Backup::new(from, into)?.step(ALL_PAGES);
    match migrated.as_ref().map(copy) {
        Some(Ok(StepResult::Done)) => Ok(SCHEMA_VERSION),
        Some(Err(error)) => Err(store_error(&error)),
        other => Err(StoreError::Unavailable(format!("the empty database was not copied: {other:?}"))),
    }
}

/// To a backup in one step.
const ALL_PAGES: i32 = -1;

fn apply(connection: &Connection, migration: &Migration) -> Result<(), Failure> {
    let checksum = checksum(migration.sql);
    let known: Option<String> = connection
        .query_row("SELECT checksum FROM schema_migrations WHERE version = ?1", [migration.version], |row| row.get(0))
        .optional()?;
    match known {
        Some(known) if known == checksum => Ok(()),
        Some(_) => Err(Failure::Store(StoreError::Corrupt(format!(
            "migration {} ({}) was applied with another text; use the version of the gateway that wrote this database, \
             or restore a backup",
            migration.version, migration.name
        )))),
        None => {
            connection.execute_batch(migration.sql)?;
            connection.execute(
                "INSERT INTO schema_migrations (version, name, checksum) VALUES (?1, ?2, ?3)",
                rusqlite::params![migration.version, migration.name, checksum],
            )?;
            Ok(())
        }
    }
}

fn refuse_newer_schema(connection: &Connection) -> Result<(), Failure> {
    let stored: Option<u32> =
        connection.query_row("SELECT max(version) FROM schema_migrations", [], |row| row.get(0))?;
    match stored {
        Some(stored) if stored > SCHEMA_VERSION.0 => Err(Failure::Store(StoreError::Unavailable(format!(
            "the database has schema {stored}, and this version of the gateway knows schemas up to {SCHEMA_VERSION}: \
             start the newer version again, or restore the backup made before the upgrade"
        )))),
        _ => Ok(()),
    }
}

/// FNV-1a, 64 bits, in hex: it finds an edited file, and is no defence against an attacker, who
/// could write to the database as well.
fn checksum(sql: &str) -> String {
    let hash = sql
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A database as it was before this migration.
    fn before(name: &str) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(LEDGER).unwrap();
        for migration in MIGRATIONS.iter().take_while(|migration| migration.name != name) {
            apply(&connection, migration).unwrap();
        }
        connection
    }

    #[test]
    fn migrations_are_numbered_from_one_without_a_gap() {
        for (migration, number) in MIGRATIONS.iter().zip(1..) {
            assert_eq!(migration.version, number);
        }
        assert_eq!(MIGRATIONS.last().map(|migration| migration.version), Some(SCHEMA_VERSION.0));
    }

    #[test]
    fn what_was_sent_before_there_were_lives_belongs_to_nobody() {
        let mut connection = before("lives");
        connection
            .execute_batch(
                "INSERT INTO operations (operation_id, fort_id, kind, currency, amount, stan, rrn, sent_at, request) \
                 VALUES (7, 7, 0, 784, 100, 1, '000000000007', 0, '{}'); \
                 INSERT INTO recoveries VALUES (7, 7, 1, 0, 3, 0, 0);",
            )
            .unwrap();
        apply_all(&mut connection).unwrap();
        let owner: i64 = connection.query_row("SELECT owner FROM operations", [], |row| row.get(0)).unwrap();
        let attempt: i64 = connection.query_row("SELECT attempt_by FROM recoveries", [], |row| row.get(0)).unwrap();
        assert_eq!((owner, attempt), (0, 0));
    }

    #[test]
    fn tokens_from_before_are_found_by_their_card_where_they_are_to_be_unique() {
        let mut connection = before("cards of unique tokens");
        for (id, terms) in
            [(1, "{}"), (2, r#"{"cards":{"unique":"per-customer"}}"#), (3, r#"{"cards":{"unique":"off"}}"#)]
        {
            connection
                .execute(
                    "INSERT INTO merchants (merchant_id, name, merchant_identifier, active, sealed_credentials, terms, version) \
                     VALUES (?1, 'm' || ?1, 'm' || ?1, 1, x'', ?2, 1)",
                    rusqlite::params![id, terms],
                )
                .unwrap();
            connection
                .execute(
                    "INSERT INTO tokens (token_id, merchant_id, name, status, brand, card_mask, card_expiry, card_bin, \
                     card_sealed, fingerprint, created_at, updated_at, version) \
                     VALUES (?1, ?1, 'a', 0, 0, '', '', '', x'', x'', 0, 0, 1)",
                    [id],
                )
                .unwrap();
        }
        apply_all(&mut connection).unwrap();
        let mut statement = connection
            .prepare(
                "SELECT cards_indexed, by_card FROM merchants JOIN tokens USING (merchant_id) ORDER BY merchant_id",
            )
            .unwrap();
        let found = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).unwrap();
        assert_eq!(found.map(Result::unwrap).collect::<Vec<_>>(), [(0, 0), (1, 1), (0, 0)]);
    }

    #[test]
    fn uses_of_routes_from_before_keep_their_orders() {
        let mut connection = before("routes without orders");
        connection.execute_batch("INSERT INTO route_uses VALUES (1, 4, 10, 7, 'first', 20, 8, 'last')").unwrap();
        apply_all(&mut connection).unwrap();
        let kept = connection
            .query_row(
                "SELECT first_at, first_fort_id, first_reference, last_at, last_fort_id, last_reference FROM route_uses \
                 WHERE merchant_id = 1 AND route = 4",
                [],
                |row| {
                    Ok([row.get::<_, rusqlite::types::Value>(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?])
                },
            )
            .unwrap();
        let texts = |text: &str| rusqlite::types::Value::from(text.to_owned());
        assert_eq!(kept, [10.into(), 7.into(), texts("first"), 20.into(), 8.into(), texts("last")]);
    }

    #[test]
    fn references_from_before_are_filed_and_those_of_verifications_are_not() {
        let mut connection = before("order references");
        for (fort_id, merchant, reference, kind) in [(7, 1, "b", 0), (9, 2, "b", 1), (8, 1, "a", 1), (11, 1, "b", 2)] {
            connection
                .execute(
                    "INSERT INTO orders (fort_id, merchant_id, merchant_reference, kind, currency, amount, eci, brand, card_mask, \
                     card_expiry, card_sealed, phase, authorized, captured, refunded, version, stan, rrn, sent_at, last_kind, \
                     last_code, created_at) VALUES (?1, ?2, ?3, ?4, 784, 100, 0, 0, '', '', x'', 0, 0, 0, 0, 1, 1, '', 0, 0, 0, 0)",
                    rusqlite::params![fort_id, merchant, reference, kind],
                )
                .unwrap();
        }
        apply_all(&mut connection).unwrap();
        let mut statement =
            connection.prepare("SELECT merchant_reference, merchant_id, fort_id FROM order_references").unwrap();
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        let found: Vec<(String, i64, i64)> = found.map(Result::unwrap).collect();
        assert_eq!(found, [("a".to_owned(), 1, 8), ("b".to_owned(), 1, 7), ("b".to_owned(), 2, 9)]);
        let filed_to = "SELECT value FROM counters WHERE name = 'references_filed_to'";
        assert_eq!(connection.query_row(filed_to, [], |row| row.get::<_, i64>(0)).unwrap(), 11);
    }

    #[test]
    fn of_feedback_that_stands_behind_nothing_the_first_goes_out() {
        let mut connection = before("nothing behind nothing");
        connection.pragma_update(None, "foreign_keys", "OFF").unwrap();
        // By order, lane, sequence and state; and the state that it has then.
        let rows = [
            (1, 65, 1_000, 3, 3),
            (1, 65, 4, 3, 0),
            (1, 64, 2, 1, 1),
            (2, 65, 2, 0, 0),
            (2, 65, 4, 3, 3),
            (3, 65, 2, 2, 2),
            (3, 65, 4, 3, 3),
            (4, 65, 2, 1, 1),
            (4, 65, 4, 3, 0),
            (4, 65, 6, 3, 3),
        ];
        for (id, (order, lane, sequence, state, _)) in (1..).zip(rows) {
            connection
                .execute(
                    "INSERT INTO feedbacks (operation_id, place, fort_id, lane, sequence, state, due_at, attempts, tries, \
                     tried_since, created_at, delivered_at, pause_reason) \
                     VALUES (?1, 0, ?2, ?3, ?4, ?5, 0, 0, 0, 0, 0, 0, CASE WHEN ?5 = 2 THEN 0 END)",
                    rusqlite::params![id, order, lane, sequence, state],
                )
                .unwrap();
        }
        apply_all(&mut connection).unwrap();
        let mut statement = connection.prepare("SELECT state FROM feedbacks ORDER BY operation_id").unwrap();
        let states: Vec<i32> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(states, rows.map(|(.., then)| then));
    }

    #[test]
    fn the_checksum_is_fnv_1a() {
        // Test vectors of the FNV reference: the empty text, "a", "foobar".
        assert_eq!(checksum(""), "cbf29ce484222325");
        assert_eq!(checksum("a"), "af63dc4c8601ec8c");
        assert_eq!(checksum("foobar"), "85944171f73967e8");
    }
}
