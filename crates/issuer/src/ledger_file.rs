//! The ledger's file: SQLite, written by one thread, read once at the start.
//!
//! WAL with `synchronous=NORMAL`: what is committed outlives the process, also when it is killed; the loss of power
//! may cost the last entries, never the file. `locking_mode=EXCLUSIVE` keeps a second process out.

use crate::account_key::AccountKey;
use crate::accounts::Accounts;
use crate::book::{Book, BookError, BookLimits};
use crate::credential::{Credential, initiator, initiator_name};
use crate::entry::{Delta, Effect, Entry, EntryIndex};
use crate::request::{AccountId, MessageClass, MessageName, OriginalName};
use crate::response_code::ResponseCode;
use crate::text::ShortText;
use rusqlite::types::{FromSql, Type};
use rusqlite::{Connection, OpenFlags, Row, TransactionBehavior, params};
use std::path::Path;
use thiserror::Error;
use tollgate_core::money::Currency;
use tollgate_core::time::Timestamp;

/// The version of the tables below (`user_version`).
const SCHEMA_VERSION: i64 = 2;
/// Pages of the write-ahead log before it is copied into the file: 16 MiB.
const CHECKPOINT_PAGES: u32 = 4_096;

const SCHEMA: &str = "
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    card_key BLOB NOT NULL UNIQUE CHECK (length(card_key) = 32),
    mask TEXT NOT NULL
) STRICT;
CREATE TABLE entries (
    sequence INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    message_type TEXT NOT NULL,
    acquirer INTEGER NOT NULL,
    stan INTEGER NOT NULL,
    transmission_time INTEGER NOT NULL,
    rrn TEXT NOT NULL,
    original_type TEXT,
    original_acquirer INTEGER,
    original_stan INTEGER,
    original_time INTEGER,
    account INTEGER NOT NULL REFERENCES accounts (id),
    currency TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor >= 0),
    response_code TEXT NOT NULL,
    authorization_code TEXT,
    effect TEXT NOT NULL,
    target INTEGER,
    held_delta INTEGER NOT NULL,
    posted_delta INTEGER NOT NULL,
    refunded_delta INTEGER NOT NULL
) STRICT;
CREATE TRIGGER entries_are_never_changed BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END;
CREATE TRIGGER entries_are_never_deleted BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'entries are never deleted'); END;
";

/// What version 2 added: the names of payments, and what messages said of kept cards.
const SINCE_VERSION_1: &str = "
ALTER TABLE entries ADD COLUMN transaction_id TEXT;
ALTER TABLE entries ADD COLUMN initiator TEXT;
ALTER TABLE entries ADD COLUMN credential TEXT;
ALTER TABLE entries ADD COLUMN original_transaction_id TEXT;
";

/// The open file.
#[derive(Debug)]
pub(crate) struct LedgerFile {
    connection: Connection,
}

/// Why the ledger's file cannot be used. The guilty one is who keeps the files, or the disk.
#[derive(Debug, Error)]
pub enum LedgerFileError {
    /// SQLite says no; `database is locked` means that another process has the file.
    #[error("the ledger's file: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// It was made by another version.
    #[error(
        "the ledger's file has the tables of version {found}, and this program knows {SCHEMA_VERSION}: use the \
             program that made it, or another file"
    )]
    Version {
        /// The version found.
        found: i64,
    },
    /// It was damaged, or changed by hand.
    #[error("the ledger's file cannot be trusted: {problem}; use another file")]
    Damaged {
        /// What does not fit.
        problem: String,
    },
}

impl From<BookError> for LedgerFileError {
    fn from(error: BookError) -> LedgerFileError {
        LedgerFileError::Damaged { problem: error.to_string() }
    }
}

/// What one commit adds.
#[derive(Debug, Default)]
pub(crate) struct Addition {
    /// New entries, in order.
    pub(crate) entries: Vec<NumberedEntry>,
    /// New accounts.
    pub(crate) accounts: Vec<AccountId>,
}

/// An entry and its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NumberedEntry {
    /// Its place.
    pub(crate) index: EntryIndex,
    /// The entry.
    pub(crate) entry: Entry,
}

impl LedgerFile {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> Result<LedgerFile, LedgerFileError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        // Whoever holds the file holds it for long: do not wait for it.
        connection.busy_timeout(std::time::Duration::ZERO)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        // Accounts are never deleted, and each entry's account is written before it: nothing to check.
        connection.pragma_update(None, "foreign_keys", false)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? {
            0 => {
                transaction.execute_batch(SCHEMA)?;
                transaction.execute_batch(SINCE_VERSION_1)?;
                transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
            }
            1 => {
                transaction.execute_batch(SINCE_VERSION_1)?;
                transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
            }
            SCHEMA_VERSION => {}
            found => return Err(LedgerFileError::Version { found }),
        }
        transaction.commit()?;
        Ok(LedgerFile { connection })
    }

    /// Reads the accounts.
    pub(crate) fn load_accounts(&self, accounts_max: usize) -> Result<Accounts, LedgerFileError> {
        let mut accounts = Accounts::new(accounts_max);
        let mut statement = self.connection.prepare("SELECT id, card_key, mask FROM accounts ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = AccountKey::from_bytes(row.get(1)?);
            let id = accounts.load(key, row.get(2)?);
            if id.map(|id| id.0) != Some(row.get(0)?) {
                return Err(LedgerFileError::Damaged { problem: "its accounts are not numbered from 1".into() });
            }
        }
        Ok(accounts)
    }

    /// Reads the entries and adds them up.
    pub(crate) fn load_book(&self, limits: BookLimits) -> Result<Book, LedgerFileError> {
        let mut book = Book::new(limits);
        let mut statement = self.connection.prepare(
            "SELECT sequence, at_us, message_type, acquirer, stan, transmission_time, rrn, original_type, \
             original_acquirer, original_stan, original_time, account, currency, amount_minor, response_code, \
             authorization_code, effect, target, held_delta, posted_delta, refunded_delta, transaction_id, \
             initiator, credential, original_transaction_id FROM entries ORDER BY sequence",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let index = book.apply(&read_entry(row)?)?;
            if sequence(index) != row.get::<_, i64>(0)? {
                return Err(LedgerFileError::Damaged { problem: "an entry is missing".into() });
            }
        }
        Ok(book)
    }

    /// Writes an addition in one transaction.
    pub(crate) fn append(&mut self, addition: &Addition, accounts: &Accounts) -> Result<(), LedgerFileError> {
        self.step("BEGIN IMMEDIATE")?;
        let written = self.insert(addition, accounts).and_then(|()| self.step("COMMIT"));
        if written.is_err()
            && !self.connection.is_autocommit()
            && let Err(error) = self.step("ROLLBACK")
        {
            tracing::error!(%error, "the sandbox ledger could not roll back");
        }
        Ok(written?)
    }

    /// Runs a statement that is kept prepared, as it is used for each commit.
    fn step(&self, sql: &str) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached(sql)?.execute([]).map(|_| ())
    }

    fn insert(&self, addition: &Addition, accounts: &Accounts) -> Result<(), rusqlite::Error> {
        for id in &addition.accounts {
            let Some(account) = accounts.get(*id) else { continue };
            self.connection
                .prepare_cached("INSERT INTO accounts (id, card_key, mask) VALUES (?1, ?2, ?3)")?
                .execute(params![id.0, account.key.bytes(), account.mask])?;
        }
        insert_entries(&self.connection, &addition.entries)
    }
}

fn insert_entries(connection: &Connection, entries: &[NumberedEntry]) -> Result<(), rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO entries (sequence, at_us, message_type, acquirer, stan, transmission_time, rrn, original_type, \
         original_acquirer, original_stan, original_time, account, currency, amount_minor, response_code, \
         authorization_code, effect, target, held_delta, posted_delta, refunded_delta, transaction_id, initiator, \
         credential, original_transaction_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, \
         ?22, ?23, ?24, ?25)",
    )?;
    for NumberedEntry { index, entry } in entries {
        let original = entry.original.as_ref();
        statement.execute(params![
            sequence(*index),
            entry.at.0,
            entry.name.class.name(),
            stored(entry.name.acquirer),
            entry.name.stan,
            entry.name.sent_at,
            entry.name.rrn.as_str(),
            original.map(|original| original.class.name()),
            original.map(|original| stored(original.acquirer)),
            original.map(|original| original.stan),
            original.map(|original| original.sent_at),
            entry.account.0,
            entry.currency.alpha(),
            stored(entry.amount_minor),
            entry.code.as_str(),
            entry.authorization_code.as_ref().map(ShortText::as_str),
            entry.effect.name(),
            entry.target.map(sequence),
            entry.delta.held,
            entry.delta.posted,
            entry.delta.refunded,
            entry.transaction_id.as_ref().map(ShortText::as_str),
            entry.credential.map(|told| initiator_name(told.by)),
            entry.credential.as_ref().map(|told| told.indicator.as_str()),
            entry.credential.as_ref().and_then(|told| told.original.as_ref()).map(ShortText::as_str),
        ])?;
    }
    Ok(())
}

fn read_entry(row: &Row<'_>) -> Result<Entry, LedgerFileError> {
    let name = MessageName {
        class: parsed(row, 2, MessageClass::parse)?,
        acquirer: read_number(row, 3)?,
        stan: row.get(4)?,
        sent_at: row.get(5)?,
        rrn: parsed(row, 6, |text| ShortText::new(text.as_bytes()))?,
    };
    let original = match get::<Option<String>>(row, 7)? {
        None => None,
        Some(_) => Some(OriginalName {
            class: parsed(row, 7, MessageClass::parse)?,
            acquirer: read_number(row, 8)?,
            stan: row.get(9)?,
            sent_at: row.get(10)?,
        }),
    };
    let authorization_code = short(row, 15)?;
    let target = match get::<Option<i64>>(row, 17)? {
        None => None,
        Some(sequence) => {
            let index = sequence.checked_sub(1).and_then(|index| u32::try_from(index).ok());
            Some(EntryIndex(index.ok_or_else(|| damaged(17))?))
        }
    };
    Ok(Entry {
        at: Timestamp(row.get(1)?),
        name,
        original,
        account: AccountId(row.get(11)?),
        currency: parsed(row, 12, Currency::from_alpha)?,
        amount_minor: read_number(row, 13)?,
        code: parsed(row, 14, ResponseCode::parse)?,
        authorization_code,
        transaction_id: short(row, 21)?,
        credential: read_credential(row)?,
        effect: parsed(row, 16, Effect::parse)?,
        target,
        delta: Delta { held: row.get(18)?, posted: row.get(19)?, refunded: row.get(20)? },
    })
}

fn read_credential(row: &Row<'_>) -> Result<Option<Credential>, LedgerFileError> {
    let Some(indicator) = short(row, 23)? else { return Ok(None) };
    Ok(Some(Credential { by: parsed(row, 22, initiator)?, indicator, original: short(row, 24)? }))
}

/// A short text, if there is one.
fn short<const N: usize>(row: &Row<'_>, column: usize) -> Result<Option<ShortText<N>>, LedgerFileError> {
    match get::<Option<String>>(row, column)? {
        None => Ok(None),
        Some(_) => Ok(Some(parsed(row, column, |text| ShortText::new(text.as_bytes()))?)),
    }
}

fn get<T: FromSql>(row: &Row<'_>, column: usize) -> Result<T, LedgerFileError> {
    Ok(row.get(column)?)
}

fn parsed<T>(row: &Row<'_>, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, LedgerFileError> {
    let text = row
        .get_ref(column)?
        .as_str()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))?;
    parse(text).ok_or_else(|| damaged(column))
}

fn read_number(row: &Row<'_>, column: usize) -> Result<u64, LedgerFileError> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| damaged(column))
}

fn damaged(column: usize) -> LedgerFileError {
    LedgerFileError::Damaged { problem: format!("column {} of an entry is not as it was written", column + 1) }
}

/// Sequences count from 1.
fn sequence(index: EntryIndex) -> i64 {
    i64::from(index.0) + 1
}

/// Acquirers have at most 11 digits and amounts 12, so they always fit.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_addition_that_is_refused_leaves_nothing_and_the_next_one_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = LedgerFile::open(&folder.path().join("ledger.db")).unwrap();
        let mut accounts = Accounts::new(10);
        let mut add = |byte| accounts.add(AccountKey::from_bytes([byte; 32]), String::new()).unwrap();
        let (first, second, third) = (add(1), add(2), add(3));
        let adds = |ids: &[AccountId]| Addition { accounts: ids.to_vec(), ..Addition::default() };
        file.append(&adds(&[first]), &accounts).unwrap();
        assert!(file.append(&adds(&[second, first]), &accounts).is_err(), "an account is added once");
        let has_second =
            |file: &LedgerFile| file.load_accounts(10).unwrap().find(&AccountKey::from_bytes([2; 32])).is_some();
        assert!(!has_second(&file), "all of an addition or nothing");
        file.append(&adds(&[second, third]), &accounts).unwrap();
        assert!(has_second(&file));
    }
}
