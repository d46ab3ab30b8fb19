//! The recovery queue.

use crate::failure::{Failure, unreadable};
use crate::life;
use crate::prepared::Prepared;
use crate::rows::{self, all, first, limit, recovery_columns};
use rusqlite::params;
use tollgate_core::time::Timestamp;
use tollgate_store::{Attempt, LifeId, NewAttempt, RecoveryRow};

/// Rows that are due and not under another life's attempt, the longest due first.
pub(crate) fn due(
    connection: &Prepared<'_>,
    finder: LifeId,
    now: Timestamp,
    rows_max: usize,
) -> Result<Vec<RecoveryRow>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        recovery_columns!(),
        " FROM recoveries WHERE due_at <= ?1 AND (attempt_by IN (0, ?3) OR attempt_until <= ?1) \
         ORDER BY due_at, operation_id LIMIT ?2"
    ))?;
    all(statement.query(params![now.0, limit(rows_max), finder.0])?, rows::recovery)
}

/// When the next row falls due.
pub(crate) fn next_due(connection: &Prepared<'_>) -> Result<Option<Timestamp>, Failure> {
    let mut statement = connection.prepare_cached("SELECT due_at FROM recoveries ORDER BY due_at LIMIT 1")?;
    first(statement.query([])?, |row| Ok(Timestamp(row.get(0)?)))
}

/// Counts one more message, if nobody else did and none of another life is under way.
pub(crate) fn begin_attempt(connection: &Prepared<'_>, new: &NewAttempt) -> Result<bool, Failure> {
    if !life::is_living(connection, new.by)? {
        return Ok(false);
    }
    let begun = connection
        .prepare_cached(
            "UPDATE recoveries SET attempts = attempts + 1, due_at = ?3, attempt_by = ?4, attempt_until = ?5 \
             WHERE operation_id = ?1 AND attempts = ?2 AND (attempt_by IN (0, ?4) OR attempt_until <= ?6)",
        )?
        .execute(params![new.operation.0, new.attempts_before, new.retry_at.0, new.by.0, new.until.0, new.now.0,])?;
    Ok(begun == 1)
}

/// Keeps what came of a message.
pub(crate) fn note_attempt(connection: &Prepared<'_>, attempt: &Attempt) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO recovery_attempts (operation_id, number, result, trace, at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(
            params![attempt.operation.0, attempt.number, attempt.result.as_text(), attempt.trace, attempt.at.0,],
        )?;
    // A later attempt, of a life that took this one for dead, stays under way.
    connection
        .prepare_cached(
            "UPDATE recoveries SET attempt_by = 0, attempt_until = 0 WHERE operation_id = ?1 AND attempts = ?2",
        )?
        .execute(params![attempt.operation.0, attempt.number])?;
    Ok(())
}

/// How many rows there are, and since when the oldest waits.
pub(crate) fn backlog(connection: &Prepared<'_>) -> Result<(u64, Option<Timestamp>), Failure> {
    let mut statement = connection.prepare_cached("SELECT count(*), min(created_at) FROM recoveries")?;
    let found = first(statement.query([])?, |row| {
        let count: i64 = row.get(0)?;
        let oldest: Option<i64> = row.get(1)?;
        Ok((u64::try_from(count).map_err(|_| unreadable("a count"))?, oldest.map(Timestamp)))
    })?;
    found.ok_or_else(|| Failure::Store(unreadable("a count")))
}
