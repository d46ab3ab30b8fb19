//! Lives: which gateways run on this store.

use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::rows::{all, first};
use rusqlite::params;
use tollgate_core::time::Timestamp;
use tollgate_store::{CLOCK_SKEW_MS_MAX, LIVES_OVER_KEPT_MAX, LifeBegun, LifeId, LifeRow, NewLife, Tenancy};

/// Begins a life, unless one of the same node is in the way.
pub(crate) fn begin(connection: &Prepared<'_>, new: &NewLife) -> Result<LifeBegun, Failure> {
    let over = match new.tenancy {
        Tenancy::Sole => living(connection)?,
        Tenancy::Shared => living(connection)?.into_iter().filter(|row| row.node == new.node).collect(),
    };
    if new.tenancy == Tenancy::Shared
        && let Some(until) = over.iter().map(|row| row.alive_until.plus_ms(CLOCK_SKEW_MS_MAX)).max()
        && until > new.now
    {
        return Ok(LifeBegun::NodeIsAlive { until });
    }
    for row in over {
        end(connection, row.life, None, new.now)?;
    }
    connection
        .prepare_cached("INSERT INTO lives (node, began_at, alive_until, renewals) VALUES (?1, ?2, ?3, 0)")?
        .execute(params![new.node, new.now.0, new.alive_until.0])?;
    let life = LifeId(connection.last_insert_rowid());
    forget_old(connection, life)?;
    Ok(LifeBegun::Begun(life))
}

/// Renews a life, if it is not over.
pub(crate) fn renew(connection: &Prepared<'_>, life: LifeId, alive_until: Timestamp) -> Result<bool, Failure> {
    let renewed = connection
        .prepare_cached(
            "UPDATE lives SET alive_until = ?2, renewals = renewals + 1 WHERE life = ?1 AND ended_at IS NULL",
        )?
        .execute(params![life.0, alive_until.0])?;
    Ok(renewed == 1)
}

/// Ends a life, if it was not renewed since it was seen.
pub(crate) fn end(
    connection: &Prepared<'_>,
    life: LifeId,
    seen_renewals: Option<u64>,
    now: Timestamp,
) -> Result<bool, Failure> {
    let seen = seen_renewals.map(|renewals| i64::try_from(renewals).unwrap_or(i64::MAX));
    let ended = connection
        .prepare_cached(
            "UPDATE lives SET ended_at = ?2 WHERE life = ?1 AND ended_at IS NULL AND (?3 IS NULL OR renewals = ?3)",
        )?
        .execute(params![life.0, now.0, seen])?;
    if ended == 0 {
        return Ok(false);
    }
    // Goes over the whole queue, once in a life.
    connection
        .prepare_cached("UPDATE recoveries SET attempt_by = 0, attempt_until = 0 WHERE attempt_by = ?1")?
        .execute([life.0])?;
    Ok(true)
}

/// The lives that are not over, by number.
pub(crate) fn living(connection: &Prepared<'_>) -> Result<Vec<LifeRow>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT life, node, began_at, alive_until, renewals FROM lives INDEXED BY lives_one_per_node \
         WHERE ended_at IS NULL",
    )?;
    let mut living = all(statement.query([])?, |row| {
        let renewals: i64 = row.get(4)?;
        Ok(LifeRow {
            life: LifeId(row.get(0)?),
            node: row.get(1)?,
            began_at: Timestamp(row.get(2)?),
            alive_until: Timestamp(row.get(3)?),
            renewals: u64::try_from(renewals).map_err(|_| unreadable("lives.renewals"))?,
        })
    })?;
    living.sort_by_key(|row: &LifeRow| row.life.0);
    Ok(living)
}

/// Whether a life is not over.
pub(crate) fn is_living(connection: &Prepared<'_>, life: LifeId) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM lives WHERE life = ?1 AND ended_at IS NULL")?;
    Ok(first(statement.query([life.0])?, |_| Ok(()))?.is_some())
}

fn forget_old(connection: &Prepared<'_>, newest: LifeId) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM lives WHERE life <= ?1 AND ended_at IS NOT NULL")?
        .execute([newest.0.saturating_sub(i64::from(LIVES_OVER_KEPT_MAX))])?;
    Ok(())
}
