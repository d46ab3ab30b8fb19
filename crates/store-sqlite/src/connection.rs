//! Opening connections: the one place that knows SQLite's settings.

use crate::failure::store_error;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::time::{Duration, Instant};
use tollgate_store::StoreError;

/// "Toll" in ASCII: marks the file as ours (SQLite's `application_id`).
pub(crate) const APPLICATION_ID: i32 = 0x546F_6C6C;
/// Pages of the writer, in KiB. Allocated as they are used; an idle store holds a few of them. More would not be better:
/// a commit in which a page of an index was split goes over all cached pages, and a page that is missing comes from the
/// system's own cache in a microsecond or two.
const WRITER_CACHE_KIB: i64 = 6 * 1024;
/// Pages of one reader, in KiB. A reader forgets its pages with each commit, so more would not help.
const READER_CACHE_KIB: i64 = 512;
/// Pages of the checkpointer, which reads no tables, in KiB.
const CHECKPOINTER_CACHE_KIB: i64 = 64;
/// Prepared statements that a connection keeps by itself: those of a reader. The writer's are in `prepared`.
const STATEMENTS_KEPT_MAX: usize = 64;

/// Between two tries for a lock that SQLite does not wait for by itself.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Writes calls, and runs migrations.
    Writer,
    /// Answers reads; cannot write.
    Reader,
    /// Moves the write-ahead log into the database file.
    Checkpointer,
}

/// Opens the database at `path`, which exists if `role` is not the writer.
///
/// Settings of every connection: a damaged page is an error rather than a wrong answer
/// (`cell_size_check`), the schema cannot call functions (`trusted_schema=OFF`), extensions stay off,
/// and a lock of another process is waited for up to `busy_timeout`.
pub(crate) fn open(path: &Path, role: Role, busy_timeout: Duration) -> Result<Connection, StoreError> {
    if role == Role::Writer {
        create_private(path)?;
    }
    let connection = Connection::open_with_flags(path, flags(role)).map_err(|error| store_error(&error))?;
    connection.busy_timeout(busy_timeout).map_err(|error| store_error(&error))?;
    if role == Role::Writer {
        // Before the first setting that would change the file.
        refuse_foreign_file(&connection)?;
    }
    settle(&connection, role, busy_timeout).map_err(|error| store_error(&error))?;
    Ok(connection)
}

/// Opens a new, empty database in memory, for a store that runs on its callers' turns: nothing of it is ever
/// on a disk, so there is no log and nothing to sync.
pub(crate) fn open_in_memory() -> Result<Connection, StoreError> {
    let open = || {
        let connection =
            Connection::open_in_memory_with_flags(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        // Before a page is changed it is copied for a rollback: the smaller, the less.
        connection.pragma_update(None, "page_size", 1_024)?;
        settle_any(&connection)?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| store_error(&error))
}

fn flags(role: Role) -> OpenFlags {
    let access = match role {
        Role::Reader => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Role::Writer | Role::Checkpointer => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    // Each connection has one user at a time, so SQLite's own lock on it would be paid for nothing.
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// What connections of every kind have in common.
fn settle_any(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT_MAX);
    // Without it SQLite prepares a statement with a bound LIMIT again at each use, in case another plan suits the new
    // number better, and that takes several times as long as the statement itself.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

fn settle(connection: &Connection, role: Role, busy_timeout: Duration) -> rusqlite::Result<()> {
    settle_any(connection)?;
    // An error while reading a mapped page kills the process; an error of a read call is a value.
    connection.pragma_update(None, "mmap_size", 0)?;
    let cache_kib = match role {
        Role::Writer => WRITER_CACHE_KIB,
        Role::Reader => READER_CACHE_KIB,
        Role::Checkpointer => CHECKPOINTER_CACHE_KIB,
    };
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    if role == Role::Reader {
        return connection.pragma_update(None, "query_only", "ON");
    }
    begin_log(connection, busy_timeout)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // macOS alone: a plain fsync there leaves data in the drive's cache.
    connection.pragma_update(None, "fullfsync", "ON")?;
    connection.pragma_update(None, "checkpoint_fullfsync", "ON")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    // Checkpoints belong to the checkpointer; none may happen inside a commit.
    connection.pragma_update(None, "wal_autocheckpoint", 0)
}

/// Switches to the write-ahead log. SQLite does not wait for other processes at this one step, so this
/// does: two gateways that start at once on a new file would meet here. A file system that cannot have
/// such a log answers another mode and no error; the migrations look at it.
fn begin_log(connection: &Connection, busy_timeout: Duration) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())) {
            Err(error) if is_locked(&error) && begun.elapsed() < busy_timeout => std::thread::sleep(LOCK_PAUSE),
            switched => return switched,
        }
    }
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Refuses the database of another program, without a change to it. Both reads see one state: another
/// process may be making the schema right now, and writes it in one transaction with our mark.
fn refuse_foreign_file(connection: &Connection) -> Result<(), StoreError> {
    let read = || {
        let snapshot = connection.unchecked_transaction()?;
        let tables: i64 = snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let id: i32 = snapshot.query_row("PRAGMA application_id", [], |row| row.get(0))?;
        snapshot.finish()?;
        Ok(id == APPLICATION_ID || (id == 0 && tables == 0))
    };
    if read().map_err(|error| store_error(&error))? {
        return Ok(());
    }
    Err(StoreError::Unavailable("the file is the database of another program; name another file".to_owned()))
}

/// Makes the file for its owner alone, before SQLite would make it for everybody whom the umask
/// lets in. SQLite gives the write-ahead log the mode of the database file.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(file) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            // A file whose name is not durable is lost with all that was promised to be in it.
            file.sync_all()
                .and_then(|()| std::fs::File::open(folder)?.sync_all())
                .map_err(|error| unusable(path, &error))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(unusable(path, &error)),
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("cannot make the database file {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rusqlite::StatementStatus;

    fn setting(connection: &Connection, name: &str) -> i64 {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_statement_is_prepared_once_whatever_is_bound() {
        let connection = open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER) STRICT").unwrap();
        let mut statement = connection.prepare("SELECT a FROM t WHERE b < ?1 ORDER BY a LIMIT ?2").unwrap();
        for limit in 1..5 {
            assert!(!statement.exists([7, limit]).unwrap());
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }

    /// A killed process does not show whether commits are synced; only the settings tell.
    #[test]
    fn commits_are_synced_and_checkpoints_stay_out_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tollgate.db");
        for role in [Role::Writer, Role::Checkpointer] {
            let connection = open(&path, role, Duration::from_secs(1)).unwrap();
            assert_eq!(setting(&connection, "synchronous"), 2, "{role:?}: FULL");
            assert_eq!(setting(&connection, "wal_autocheckpoint"), 0, "{role:?}");
            assert_eq!(setting(&connection, "secure_delete"), 1, "{role:?}");
        }
        for role in [Role::Writer, Role::Reader, Role::Checkpointer] {
            let connection = open(&path, role, Duration::from_secs(1)).unwrap();
            assert_eq!(setting(&connection, "trusted_schema"), 0, "{role:?}");
            assert_eq!(setting(&connection, "cell_size_check"), 1, "{role:?}");
            assert_eq!(setting(&connection, "query_only"), i64::from(role == Role::Reader), "{role:?}");
        }
    }
}
