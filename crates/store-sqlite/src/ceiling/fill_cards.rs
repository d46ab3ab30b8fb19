//! Filling a database with kept cards.

use crate::connection::{self, Role};
use crate::failure::store_error;
use crate::prepared::Prepared;
use crate::{migrate, token};
use rusqlite::Connection;
use std::path::Path;
use tollgate_store::{StoreError, StoredToken, TokenSave};

/// A database that is being filled with tokens. Nobody else may write to it meanwhile, and nothing is durable until
/// [`CardFill::finish`].
pub struct CardFill {
    connection: Connection,
}

impl CardFill {
    /// Opens the database at `path`.
    ///
    /// # Errors
    /// When it cannot be opened or migrated.
    pub fn begin(path: &Path) -> Result<CardFill, StoreError> {
        let mut connection = connection::open(path, Role::Writer, super::BUSY_TIMEOUT)?;
        migrate::migrate(&mut connection)?;
        connection.pragma_update(None, "synchronous", "OFF").map_err(|error| store_error(&error))?;
        Ok(CardFill { connection })
    }

    /// Adds tokens, in one transaction, by the statement that a gateway keeps one with.
    ///
    /// # Errors
    /// When the database cannot be written, or one of the names is taken.
    pub fn add(&self, tokens: &[StoredToken]) -> Result<(), StoreError> {
        let prepared = Prepared::keeping(&self.connection);
        super::step(&prepared, "BEGIN IMMEDIATE")?;
        for new in tokens {
            let saved = token::add(&prepared, new).map_err(|failure| failure.into_store_error())?;
            if saved != TokenSave::Saved {
                let name = &new.token.name;
                return Err(StoreError::Refused(format!("the token {name} cannot be kept: {saved:?}")));
            }
        }
        super::step(&prepared, "COMMIT")?;
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(|error| store_error(&error))
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn finish(self, path: &Path) -> Result<(), StoreError> {
        self.connection.close().map_err(|(_, error)| store_error(&error))?;
        std::fs::File::open(path)
            .and_then(|file| file.sync_all())
            .map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}
