//! What operators settle by hand.

use crate::codes;
use crate::failure::{Failure, unreadable};
use crate::outcome::{place_of_next, record_outcome};
use crate::prepared::Prepared;
use crate::rows::{self, all, first, limit, recovery_columns};
use rusqlite::params;
use tollgate_core::ident::OperationId;
use tollgate_core::time::Timestamp;
use tollgate_store::{Correction, CorrectionRecord, Proposal, Recorded, RecoveryRow, WaitingCount};

/// Writes a forced outcome with its reasons. Nothing is changed unless the answer is `Written`.
pub(crate) fn record(connection: &Prepared<'_>, record: &CorrectionRecord) -> Result<Recorded, Failure> {
    let operation = record.outcome.operation;
    if is_crossed(connection, record)? {
        return Ok(Recorded::RecoveryBegun);
    }
    let place = place_of_next(connection, &record.outcome)?;
    let recorded = record_outcome(connection, &record.outcome)?;
    if recorded != Recorded::Written {
        return Ok(recorded);
    }
    let Correction { reason, evidence, evidence_sha256, by, approved_by } = &record.correction;
    connection
        .prepare_cached(
            "INSERT INTO corrections (operation_id, place, reason, evidence, evidence_sha256, made_by, approved_by) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![operation.0, place, reason, evidence, evidence_sha256, by, approved_by])?;
    withdraw(connection, operation)?;
    Ok(Recorded::Written)
}

/// Whether a recovery message was begun that the correction did not see, or one of another life is under way.
fn is_crossed(connection: &Prepared<'_>, record: &CorrectionRecord) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT attempts IS NOT ?2 OR (attempt_by NOT IN (0, ?3) AND attempt_until > ?4) FROM recoveries \
         WHERE operation_id = ?1",
    )?;
    let values = params![record.outcome.operation.0, record.attempts, record.life.0, record.outcome.at.0];
    Ok(first(statement.query(values)?, |row| Ok(row.get(0)?))?.unwrap_or(false))
}

/// Keeps a proposal, if the operation has none.
pub(crate) fn propose(connection: &Prepared<'_>, proposal: &Proposal) -> Result<bool, Failure> {
    let Correction { reason, evidence, evidence_sha256, by, approved_by: _ } = &proposal.correction;
    let kept = connection
        .prepare_cached(
            "INSERT INTO proposals (operation_id, event, state_before, reason, evidence, evidence_sha256, made_by, at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            proposal.operation.0,
            proposal.event.number(),
            proposal.state_before.number(),
            reason,
            evidence,
            evidence_sha256,
            by,
            proposal.at.0,
        ])?;
    Ok(kept == 1)
}

/// Removes a proposal, if there is one.
pub(crate) fn withdraw(connection: &Prepared<'_>, operation: OperationId) -> Result<bool, Failure> {
    let removed = connection.prepare_cached("DELETE FROM proposals WHERE operation_id = ?1")?.execute([operation.0])?;
    Ok(removed == 1)
}

/// Proposals, oldest first.
pub(crate) fn proposals(connection: &Prepared<'_>, rows_max: usize) -> Result<Vec<Proposal>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT operation_id, event, state_before, reason, evidence, evidence_sha256, made_by, at FROM proposals \
         ORDER BY at, operation_id LIMIT ?1",
    )?;
    all(statement.query([limit(rows_max)])?, |row| {
        Ok(Proposal {
            operation: OperationId(row.get(0)?),
            event: codes::operation_event(row.get(1)?)?,
            state_before: codes::operation_state(row.get(2)?)?,
            correction: Correction {
                reason: row.get(3)?,
                evidence: row.get(4)?,
                evidence_sha256: row.get(5)?,
                by: row.get(6)?,
                approved_by: None,
            },
            at: Timestamp(row.get(7)?),
        })
    })
}

/// Operations that wait since `before` or longer, oldest first.
pub(crate) fn waiting_since(
    connection: &Prepared<'_>,
    before: Timestamp,
    rows_max: usize,
) -> Result<Vec<RecoveryRow>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        recovery_columns!(),
        " FROM recoveries WHERE created_at <= ?1 ORDER BY created_at, operation_id LIMIT ?2"
    ))?;
    all(statement.query(params![before.0, limit(rows_max)])?, rows::recovery)
}

/// How many wait since `before` or longer, by their way out.
pub(crate) fn waiting_counts(connection: &Prepared<'_>, before: Timestamp) -> Result<Vec<WaitingCount>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT way_out, count(*), min(created_at) FROM recoveries WHERE created_at <= ?1 GROUP BY way_out ORDER BY way_out",
    )?;
    all(statement.query([before.0])?, |row| {
        let operations: i64 = row.get(1)?;
        Ok(WaitingCount {
            way_out: codes::way_out(row.get(0)?)?,
            operations: u64::try_from(operations).map_err(|_| unreadable("a count"))?,
            oldest: Timestamp(row.get(2)?),
        })
    })
}
