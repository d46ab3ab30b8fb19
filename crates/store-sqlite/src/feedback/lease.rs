//! Leasing what is due: which rows a worker takes, and in which turns.

use super::{LANES_LOOKED_AT_MAX, feedback_columns, lane, row};
use crate::failure::Failure;
use crate::prepared::Prepared;
use crate::rows::{all, first, limit};
use crate::turns::take_in_turns;
use rusqlite::params;
use tollgate_core::feedback::FeedbackLane;
use tollgate_core::time::Timestamp;
use tollgate_store::{FeedbackLease, FeedbackLeased, FeedbackRow};

/// How many rows that are due one lease reads before it goes lane by lane.
const DUE_AT_ONCE_MAX: usize = 8;

/// Leases what is due, lane by lane in turns.
pub(crate) fn lease(connection: &Prepared<'_>, lease: &FeedbackLease) -> Result<FeedbackLeased, Failure> {
    let mut chosen = take_in_turns(lanes_due(connection, lease)?, lease.rows_max);
    let mut statement = connection
        .prepare_cached("UPDATE feedbacks SET due_at = ?3, leased_by = ?4 WHERE operation_id = ?1 AND place = ?2")?;
    for row in &mut chosen {
        statement.execute(params![row.id.operation.0, row.id.place, lease.until.0, lease.node])?;
        row.due_at = lease.until;
    }
    // With room left every lane had its turn, and it does not matter where the next turn begins.
    let last = chosen.last().map(|row| row.lane).filter(|_| chosen.len() >= lease.rows_max);
    Ok(FeedbackLeased { rows: chosen, last })
}

/// The rows of one lane, in their order.
type Turn = std::vec::IntoIter<FeedbackRow>;

/// The rows that are due of each lane that has places, lanes behind `after` first.
fn lanes_due(connection: &Prepared<'_>, lease: &FeedbackLease) -> Result<Vec<Turn>, Failure> {
    match few_due(connection, lease, DUE_AT_ONCE_MAX)? {
        Some(turns) => Ok(turns),
        None => many_due(connection, lease),
    }
}

/// The same by two statements, as long as no more than `rows_max` rows are due in all.
fn few_due(connection: &Prepared<'_>, lease: &FeedbackLease, rows_max: usize) -> Result<Option<Vec<Turn>>, Failure> {
    // Counted in the index alone: with a receiver that is away there are always many.
    let mut count = connection.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM feedbacks INDEXED BY feedbacks_due WHERE state = 0 AND due_at <= ?1 LIMIT ?2)",
    )?;
    let found: Option<i64> =
        first(count.query(params![lease.now.0, limit(rows_max.saturating_add(1))])?, |row| Ok(row.get(0)?))?;
    if found.is_none_or(|found| found > limit(rows_max)) {
        return Ok(None);
    }
    let mut due = connection.prepare_cached(concat!(
        "SELECT ",
        feedback_columns!(),
        " FROM feedbacks INDEXED BY feedbacks_due WHERE state = 0 AND due_at <= ?1"
    ))?;
    let mut rows = all(due.query([lease.now.0])?, row)?;
    let begin = lease.after.map_or(-1, FeedbackLane::number);
    let is_behind = |row: &FeedbackRow| row.lane.number() > begin;
    rows.sort_by_key(|row| {
        (!is_behind(row), row.lane.number(), row.due_at, row.created_at, row.id.operation.0, row.id.place)
    });
    let mut turns = Vec::new();
    let mut rest = rows.into_iter().peekable();
    while let Some(first) = rest.next() {
        let lane = first.lane;
        let mut of_lane = vec![first];
        while let Some(next) = rest.next_if(|row| row.lane == lane) {
            of_lane.push(next);
        }
        of_lane.truncate(places(lease, lane));
        turns.push(of_lane.into_iter());
    }
    Ok(Some(turns))
}

/// The same lane by lane, so that none with many rows keeps another one from its turn.
fn many_due(connection: &Prepared<'_>, lease: &FeedbackLease) -> Result<Vec<Turn>, Failure> {
    let mut next = connection.prepare_cached(
        "SELECT lane, due_at FROM feedbacks INDEXED BY feedbacks_waiting WHERE state = 0 AND lane > ?1 \
         ORDER BY lane, due_at LIMIT 1",
    )?;
    let mut due = connection.prepare_cached(concat!(
        "SELECT ",
        feedback_columns!(),
        " FROM feedbacks INDEXED BY feedbacks_waiting WHERE state = 0 AND lane = ?1 AND due_at <= ?2 \
         ORDER BY due_at, created_at, operation_id, place LIMIT ?3"
    ))?;
    let begin = lease.after.map_or(-1, FeedbackLane::number);
    let mut turns = Vec::new();
    let mut at = begin;
    let mut wrapped = begin < 0;
    for _ in 0..LANES_LOOKED_AT_MAX {
        let found: Option<LaneHead> =
            first(next.query([at])?, |row| Ok(LaneHead { lane: row.get(0)?, due_at: Timestamp(row.get(1)?) }))?;
        match found {
            Some(head) if !(wrapped && begin >= 0 && head.lane > begin) => {
                at = head.lane;
                let free = places(lease, lane(head.lane)?);
                if head.due_at <= lease.now && free > 0 {
                    let rows = all(due.query(params![head.lane, lease.now.0, limit(free)])?, row)?;
                    turns.push(rows.into_iter());
                }
            }
            _ if wrapped => break,
            _ => {
                wrapped = true;
                at = -1;
            }
        }
    }
    Ok(turns)
}

/// The first row of a lane.
struct LaneHead {
    lane: i64,
    due_at: Timestamp,
}

fn places(lease: &FeedbackLease, lane: FeedbackLane) -> usize {
    let fewer = lease.places.iter().find(|places| places.lane == lane);
    fewer.map_or(lease.lane_rows_max, |places| places.free).min(lease.rows_max)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{connection, migrate};
    use proptest::prelude::*;
    use rusqlite::Connection;
    use tollgate_store::LanePlaces;

    const NOW: i64 = 50;

    /// Rows of some lanes: due before, at and after now, leased until then, delivered, paused.
    fn outbox(rows: &[(i64, i64, i64, i64)]) -> Connection {
        let mut connection = connection::open_in_memory().unwrap();
        migrate::copy_migrated(&mut connection).unwrap();
        // Only the outbox is there: its orders are not.
        connection.pragma_update(None, "foreign_keys", "OFF").unwrap();
        for (number, (lane, due_at, created_at, state)) in (1_i64..).zip(rows) {
            connection
                .execute(
                    "INSERT INTO feedbacks (operation_id, place, fort_id, lane, sequence, state, due_at, attempts, tries, \
                     tried_since, created_at, delivered_at, pause_reason) \
                     VALUES (?1, 0, ?1, ?2, 1, ?4, ?3, 0, 0, 0, ?5, 0, CASE WHEN ?4 = 2 THEN 0 END)",
                    params![number, lane, due_at, state, created_at],
                )
                .unwrap();
        }
        connection
    }

    fn rows_of(turns: Vec<Turn>) -> Vec<Vec<FeedbackRow>> {
        turns.into_iter().map(Iterator::collect::<Vec<_>>).filter(|rows| !rows.is_empty()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whether few rows are due or many: each lane has the same rows in the same order, and the lanes have the same turns.
        #[test]
        fn what_is_found_at_once_is_what_going_lane_by_lane_finds(
            rows in prop::collection::vec(
                (prop::sample::select(vec![64_i64, 65, 66, 128, 130]), 40..60_i64, 0..3_i64, prop::sample::select(vec![0_i64, 0, 0, 1, 2, 3])),
                0..40,
            ),
            after in prop::option::of(prop::sample::select(vec![64_i64, 65, 66, 128, 130])),
            full in prop::option::of((prop::sample::select(vec![64_i64, 66, 130]), 0..3_usize)),
            rows_max in 1..20_usize,
            lane_rows_max in 1..6_usize,
        ) {
            let outbox = outbox(&rows);
            let connection = Prepared::passing(&outbox);
            let lease = FeedbackLease {
                node: 1,
                now: Timestamp(NOW),
                until: Timestamp(1_000),
                rows_max,
                lane_rows_max,
                places: full.map(|(number, free)| LanePlaces { lane: lane(number).unwrap(), free }).into_iter().collect(),
                after: after.map(|number| lane(number).unwrap()),
            };
            let due = rows.iter().filter(|(_, due_at, _, state)| *state == 0 && *due_at <= NOW).count();
            let many = rows_of(many_due(&connection, &lease).unwrap());
            prop_assert_eq!(&rows_of(few_due(&connection, &lease, due).unwrap().unwrap()), &many);
            prop_assert!(many.iter().flatten().all(|row| row.due_at <= lease.now));
            if due > 0 {
                prop_assert!(few_due(&connection, &lease, due - 1).unwrap().is_none());
            }
        }
    }
}
