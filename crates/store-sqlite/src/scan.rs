//! Reading every value of a database, table by table, for a search for what must not be there.

use crate::connection::{self, Role};
use crate::failure::store_error;
use rusqlite::types::ValueRef;
use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;
use tollgate_store::StoreError;

/// How long a lock of another process is waited for, in milliseconds.
const BUSY_TIMEOUT_MS: u64 = 5_000;

/// A value that stands in a database.
#[derive(Debug)]
pub struct ScannedValue<'a> {
    /// Its table.
    pub table: &'a str,
    /// Its column.
    pub column: &'a str,
    /// The value as text: an integer in decimal, bytes as far as they are text.
    pub text: Cow<'a, str>,
}

/// Hands every value of the database at `path` to `seen`, whatever table it stands in, and gives their number. A gateway
/// may run on it meanwhile; each table is read as it is at one moment. What was deleted is not seen.
///
/// # Errors
/// When the database cannot be opened or read.
pub fn scan_values(path: &Path, mut seen: impl FnMut(&ScannedValue<'_>)) -> Result<u64, StoreError> {
    let connection = connection::open(path, Role::Reader, Duration::from_millis(BUSY_TIMEOUT_MS))?;
    let scanned = (|| {
        let mut tables = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?;
        let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut values = 0;
        for table in &tables {
            let mut statement = connection.prepare(&format!("SELECT * FROM \"{}\"", table.replace('"', "\"\"")))?;
            let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                for (place, column) in columns.iter().enumerate() {
                    let text = match row.get_ref(place)? {
                        ValueRef::Null | ValueRef::Real(_) => continue,
                        ValueRef::Integer(number) => Cow::Owned(number.to_string()),
                        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes),
                    };
                    values += 1;
                    seen(&ScannedValue { table, column, text });
                }
            }
        }
        Ok(values)
    })();
    scanned.map_err(|error: rusqlite::Error| store_error(&error))
}
