//! What went wrong inside SQLite, and whom it concerns.

use rusqlite::ErrorCode;
use tollgate_store::StoreError;

/// A failure inside a call: from SQLite, or already in the words of the port.
#[derive(Debug)]
pub(crate) enum Failure {
    /// From SQLite.
    Sql(rusqlite::Error),
    /// In the words of the port.
    Store(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        Failure::Sql(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Store(error)
    }
}

impl Failure {
    /// Whether only the call itself is to blame, so that its neighbours in the batch can go on.
    pub(crate) fn is_of_the_call(&self) -> bool {
        match self {
            Failure::Sql(error) => {
                matches!(store_error(error), StoreError::Refused(_))
                    || matches!(
                        error,
                        rusqlite::Error::FromSqlConversionFailure(..)
                            | rusqlite::Error::InvalidColumnType(..)
                            | rusqlite::Error::IntegralValueOutOfRange(..)
                            | rusqlite::Error::ToSqlConversionFailure(_)
                    )
            }
            Failure::Store(error) => matches!(error, StoreError::Refused(_) | StoreError::Corrupt(_)),
        }
    }

    /// In the words of the port.
    pub(crate) fn into_store_error(self) -> StoreError {
        match self {
            Failure::Sql(error) => store_error(&error),
            Failure::Store(error) => error,
        }
    }
}

/// The port's word for an SQLite error. SQLite's texts name tables, columns and rules, never values.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::SqliteFailure(code, text) => {
            let text = text.clone().unwrap_or_else(|| code.to_string());
            match code.code {
                ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig => {
                    StoreError::Refused(text)
                }
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt(text),
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                    StoreError::Unavailable(format!("another process holds the database: {text}"))
                }
                _ => StoreError::Unavailable(text),
            }
        }
        rusqlite::Error::FromSqlConversionFailure(column, ..) => {
            StoreError::Corrupt(format!("column {column} of a row has an unexpected value"))
        }
        rusqlite::Error::InvalidColumnType(_, name, _) => {
            StoreError::Corrupt(format!("column {name} of a row has an unexpected type"))
        }
        rusqlite::Error::IntegralValueOutOfRange(column, _) => {
            StoreError::Corrupt(format!("column {column} of a row is out of range"))
        }
        rusqlite::Error::ToSqlConversionFailure(_) => StoreError::Refused("a value does not fit its column".to_owned()),
        other => StoreError::Unavailable(other.to_string()),
    }
}

/// A stored value that cannot be read; `what` is table and column, never the value.
pub(crate) fn unreadable(what: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} has a value this version does not know"))
}
