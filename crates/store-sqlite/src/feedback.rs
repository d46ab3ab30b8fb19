//! Transaction feedback: the outbox, its leases, and what came of each attempt.

mod lease;

use crate::codes;
use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::read::{self, OperationTold};
use crate::references::orders_of_reference;
use crate::rows::{all, first, limit};
use crate::schedule;
use crate::try_card;
pub(crate) use lease::lease;
use rusqlite::{Row, params};
use tollgate_core::agreement::AgreementNumber;
use tollgate_core::feedback::{FeedbackId, FeedbackLane};
use tollgate_core::ident::{FortId, OperationId};
use tollgate_core::time::Timestamp;
use tollgate_store::{
    FEEDBACK_ATTEMPTS_FIRST_KEPT_MAX, FEEDBACK_ATTEMPTS_LAST_KEPT_MAX, FEEDBACK_ROWS_ROUSED_MAX, FeedbackAttempt,
    FeedbackBacklog, FeedbackContent, FeedbackFilter, FeedbackFinish, FeedbackFinished, FeedbackProbe, FeedbackRouse,
    FeedbackRow, FeedbackState, FeedbackThen, NewFeedback, NewFeedbackAttempt, OutcomeRecord, PauseReason,
};

/// How many lanes one lease looks at; the next one goes on behind them.
const LANES_LOOKED_AT_MAX: usize = 4_096;

/// The columns that [`row`] reads, from place 0.
macro_rules! feedback_columns {
    () => {
        "feedbacks.operation_id, feedbacks.place, feedbacks.fort_id, feedbacks.lane, feedbacks.sequence, feedbacks.state, \
         feedbacks.due_at, feedbacks.attempts, feedbacks.tries, feedbacks.tried_since, feedbacks.created_at, \
         feedbacks.delivered_at, feedbacks.pause_reason"
    };
}
use feedback_columns;

/// Writes the feedback of an outcome at `place` among those of its operation.
pub(crate) fn insert(
    connection: &Prepared<'_>,
    record: &OutcomeRecord,
    place: i64,
    new: NewFeedback,
) -> Result<(), Failure> {
    let lane = FeedbackLane { merchant: record.order.merchant, channel: new.channel, kind: new.kind };
    let seed = FeedbackSeed {
        operation: record.operation,
        place,
        fort_id: record.order.fort_id,
        lane,
        sequence: record.order.version,
        at: record.at,
    };
    insert_seed(connection, &seed)
}

/// What a feedback begins with.
pub(crate) struct FeedbackSeed {
    /// The operation that it is named after,
    pub(crate) operation: OperationId,
    /// and the place there.
    pub(crate) place: i64,
    /// Its order.
    pub(crate) fort_id: FortId,
    /// Where it goes.
    pub(crate) lane: FeedbackLane,
    /// Grows with each feedback of the order and lane.
    pub(crate) sequence: u32,
    /// When.
    pub(crate) at: Timestamp,
}

/// Writes a feedback. It is due at once, unless an earlier one of the order and lane is not delivered.
pub(crate) fn insert_seed(connection: &Prepared<'_>, seed: &FeedbackSeed) -> Result<(), Failure> {
    // Two statements, as one that reads the table it writes to keeps what it reads in a table of its own meanwhile, which takes
    // longer than both.
    let is_behind = connection
        .prepare_cached("SELECT 1 FROM feedbacks WHERE fort_id = ?1 AND lane = ?2 AND state <> 1")?
        .exists(params![seed.fort_id.0, seed.lane.number()])?;
    let state = if is_behind { FeedbackState::Behind } else { FeedbackState::Waiting };
    connection
        .prepare_cached(
            "INSERT INTO feedbacks (operation_id, place, fort_id, lane, sequence, state, due_at, attempts, tries, \
             tried_since, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, ?7, ?7)",
        )?
        .execute(params![
            seed.operation.0,
            seed.place,
            seed.fort_id.0,
            seed.lane.number(),
            seed.sequence,
            state.number(),
            seed.at.0,
        ])?;
    Ok(())
}

/// Leases the oldest paused row of each lane that was left alone for long enough.
pub(crate) fn probe(connection: &Prepared<'_>, probe: &FeedbackProbe) -> Result<Vec<FeedbackRow>, Failure> {
    let mut next = connection.prepare_cached(concat!(
        "SELECT ",
        feedback_columns!(),
        " FROM feedbacks INDEXED BY feedbacks_held WHERE state > 1 AND state = 2 AND lane > ?1 \
         ORDER BY lane, created_at, operation_id, place LIMIT 1"
    ))?;
    let mut lease = connection.prepare_cached(
        "UPDATE feedbacks SET state = 0, pause_reason = NULL, due_at = ?3, leased_by = ?4 \
         WHERE operation_id = ?1 AND place = ?2",
    )?;
    let mut leased = Vec::new();
    let mut behind = -1;
    for _ in 0..LANES_LOOKED_AT_MAX {
        if leased.len() >= probe.rows_max {
            break;
        }
        let Some(mut oldest) = first(next.query([behind])?, row)? else { break };
        behind = oldest.lane.number();
        if oldest.pause_reason != Some(PauseReason::Exhausted) || oldest.due_at > probe.idle_since {
            continue;
        }
        lease.execute(params![oldest.id.operation.0, oldest.id.place, probe.until.0, probe.node])?;
        (oldest.state, oldest.pause_reason, oldest.due_at) = (FeedbackState::Waiting, None, probe.until);
        leased.push(oldest);
    }
    Ok(leased)
}

/// Gives back what a node that was killed had leased.
pub(crate) fn release(connection: &Prepared<'_>, node: u8, now: Timestamp) -> Result<u64, Failure> {
    let released = connection
        .prepare_cached(
            "UPDATE feedbacks SET leased_by = NULL, due_at = min(due_at, ?2) WHERE state = 0 AND leased_by = ?1",
        )?
        .execute(params![node, now.0])?;
    Ok(released as u64)
}

/// Writes what came of an attempt.
pub(crate) fn finish(connection: &Prepared<'_>, finish: &FeedbackFinish) -> Result<FeedbackFinished, Failure> {
    let tried = i64::from(finish.attempt.is_some());
    if let Some(attempt) = &finish.attempt {
        note_attempt(connection, finish.id, attempt)?;
    }
    let (operation, place) = (finish.id.operation.0, finish.id.place);
    let (node, until) = (finish.node, finish.leased_until.0);
    let failed = if finish.then == FeedbackThen::Delivered { 0 } else { tried };
    let changed = match finish.then {
        // Acknowledged is acknowledged, whosever lease it was.
        FeedbackThen::Delivered => connection
            .prepare_cached(
                "UPDATE feedbacks SET attempts = attempts + ?3, tries = tries + ?4, state = 1, delivered_at = ?5, \
                 pause_reason = NULL, leased_by = NULL WHERE operation_id = ?1 AND place = ?2 AND state <> 1",
            )?
            .execute(params![operation, place, tried, failed, finish.at.0])?,
        FeedbackThen::Retry { due_at } => connection
            .prepare_cached(
                "UPDATE feedbacks SET attempts = attempts + ?3, tries = tries + ?4, due_at = ?7, leased_by = NULL \
                 WHERE operation_id = ?1 AND place = ?2 AND state = 0 AND leased_by = ?5 AND due_at = ?6",
            )?
            .execute(params![operation, place, tried, failed, node, until, due_at.0])?,
        FeedbackThen::Pause(reason) => connection
            .prepare_cached(
                "UPDATE feedbacks SET attempts = attempts + ?3, tries = tries + ?4, state = 2, pause_reason = ?7, \
                 leased_by = NULL \
                 WHERE operation_id = ?1 AND place = ?2 AND state = 0 AND leased_by = ?5 AND due_at = ?6",
            )?
            .execute(params![operation, place, tried, failed, node, until, reason.number()])?,
    };
    if changed == 0 {
        // The attempt was made all the same.
        connection
            .prepare_cached(
                "UPDATE feedbacks SET attempts = attempts + ?3, tries = tries + ?4 WHERE operation_id = ?1 AND place = ?2",
            )?
            .execute(params![operation, place, tried, failed])?;
        return Ok(FeedbackFinished::LeaseLost);
    }
    if finish.then == FeedbackThen::Delivered {
        free_next(connection, finish.id, finish.at)?;
    }
    Ok(FeedbackFinished::Written)
}

/// The next one of the same order and lane need not wait any more.
fn free_next(connection: &Prepared<'_>, id: FeedbackId, now: Timestamp) -> Result<(), Failure> {
    // Mostly nothing is left, and SQLite would make room to sort it all the same.
    let mut left = connection.prepare_cached(
        "SELECT later.operation_id, later.place, later.state, later.sequence, later.created_at \
         FROM feedbacks AS done JOIN feedbacks AS later INDEXED BY feedbacks_of_order \
         ON later.fort_id = done.fort_id AND later.lane = done.lane \
         WHERE done.operation_id = ?1 AND done.place = ?2 AND later.state <> 1",
    )?;
    let left = all(left.query(params![id.operation.0, id.place])?, |row| {
        let (sequence, created_at): (u32, i64) = (row.get(3)?, row.get(4)?);
        Ok((sequence, created_at, feedback_id(row)?, codes::feedback_state(row.get(2)?)?))
    })?;
    let next =
        left.into_iter().min_by_key(|(sequence, created_at, id, _)| (*sequence, *created_at, id.operation.0, id.place));
    match next {
        Some((_, _, next, FeedbackState::Behind)) => make_due(connection, next, now),
        _ => Ok(()),
    }
}

/// What stood behind another one is due.
fn make_due(connection: &Prepared<'_>, id: FeedbackId, now: Timestamp) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE feedbacks SET state = 0, due_at = ?3 WHERE operation_id = ?1 AND place = ?2")?
        .execute(params![id.operation.0, id.place, now.0])?;
    Ok(())
}

fn note_attempt(connection: &Prepared<'_>, id: FeedbackId, attempt: &NewFeedbackAttempt) -> Result<(), Failure> {
    let mut statement =
        connection.prepare_cached("SELECT attempts + 1 FROM feedbacks WHERE operation_id = ?1 AND place = ?2")?;
    let Some(number): Option<u32> = first(statement.query(params![id.operation.0, id.place])?, |row| Ok(row.get(0)?))?
    else {
        return Ok(());
    };
    connection
        .prepare_cached(
            "INSERT INTO feedback_attempts (operation_id, place, number, at, target, status, error, latency_ms, answer) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            id.operation.0, id.place,
            number,
            attempt.at.0,
            attempt.target,
            attempt.status,
            attempt.error,
            i64::try_from(attempt.latency_ms).unwrap_or(i64::MAX),
            attempt.answer,
        ])?;
    // One comes, so one goes: the first that is neither among the first nor among the last.
    if let Some(old) = number.checked_sub(FEEDBACK_ATTEMPTS_LAST_KEPT_MAX)
        && old > FEEDBACK_ATTEMPTS_FIRST_KEPT_MAX
    {
        connection
            .prepare_cached("DELETE FROM feedback_attempts WHERE operation_id = ?1 AND place = ?2 AND number = ?3")?
            .execute(params![id.operation.0, id.place, old])?;
    }
    Ok(())
}

/// Makes rows due at once.
pub(crate) fn rouse(connection: &Prepared<'_>, rouse: &FeedbackRouse) -> Result<u64, Failure> {
    match rouse {
        FeedbackRouse::Replay { ids, now } => {
            let mut replayed = 0;
            for id in ids.iter().take(FEEDBACK_ROWS_ROUSED_MAX) {
                replayed += replay(connection, *id, *now)?;
            }
            Ok(replayed)
        }
        FeedbackRouse::CaughtUp { lane, now } => {
            let waiting = connection
                .prepare_cached(
                    "UPDATE feedbacks SET due_at = ?2 WHERE (operation_id, place) IN (SELECT operation_id, place FROM feedbacks \
                     INDEXED BY feedbacks_waiting WHERE state = 0 AND lane = ?1 AND due_at > ?2 AND leased_by IS NULL LIMIT ?3)",
                )?
                .execute(params![lane.number(), now.0, limit(FEEDBACK_ROWS_ROUSED_MAX)])?;
            let mut statement = connection.prepare_cached(
                "SELECT operation_id, place FROM feedbacks INDEXED BY feedbacks_held \
                 WHERE state > 1 AND state = 2 AND lane = ?1 LIMIT ?2",
            )?;
            let left = FEEDBACK_ROWS_ROUSED_MAX.saturating_sub(waiting);
            let paused = all(statement.query(params![lane.number(), limit(left)])?, feedback_id)?;
            Ok(waiting as u64 + unpause(connection, &paused, *now)?)
        }
        FeedbackRouse::Paused { merchant, reason, now } => {
            let lowest = merchant.map(|merchant| merchant.0.saturating_mul(64));
            let mut statement = connection.prepare_cached(
                "SELECT operation_id, place FROM feedbacks INDEXED BY feedbacks_held WHERE state > 1 AND state = 2 AND pause_reason = ?1 \
                 AND lane >= coalesce(?2, 0) AND lane < coalesce(?2 + 64, 9223372036854775807) LIMIT ?3",
            )?;
            let rows = statement.query(params![reason.number(), lowest, limit(FEEDBACK_ROWS_ROUSED_MAX)])?;
            let paused = all(rows, feedback_id)?;
            unpause(connection, &paused, *now)
        }
    }
}

fn unpause(connection: &Prepared<'_>, ids: &[FeedbackId], now: Timestamp) -> Result<u64, Failure> {
    let mut statement = connection.prepare_cached(
        "UPDATE feedbacks SET state = 0, due_at = ?3, tries = 0, tried_since = ?3, pause_reason = NULL \
         WHERE operation_id = ?1 AND place = ?2",
    )?;
    let mut roused = 0;
    for id in ids {
        roused += statement.execute(params![id.operation.0, id.place, now.0])? as u64;
        settle_order(connection, *id, now)?;
    }
    Ok(roused)
}

/// Sends one again. What is on its way at this moment is left to it.
fn replay(connection: &Prepared<'_>, id: FeedbackId, now: Timestamp) -> Result<u64, Failure> {
    let replayed = connection
        .prepare_cached(
            "UPDATE feedbacks SET state = 0, due_at = ?3, tries = 0, tried_since = ?3, pause_reason = NULL \
             WHERE operation_id = ?1 AND place = ?2 AND leased_by IS NULL",
        )?
        .execute(params![id.operation.0, id.place, now.0])?;
    settle_order(connection, id, now)?;
    Ok(replayed as u64)
}

/// Of the rows of one order and lane that are to go out, only the first waits; the others stand behind it. What is under way is
/// left alone: when it is delivered, the first of the rest follows.
fn settle_order(connection: &Prepared<'_>, id: FeedbackId, now: Timestamp) -> Result<(), Failure> {
    let mut undelivered = connection.prepare_cached(
        "SELECT row.operation_id, row.place, row.state, row.leased_by IS NOT NULL \
         FROM feedbacks AS roused JOIN feedbacks AS row INDEXED BY feedbacks_of_order \
         ON row.fort_id = roused.fort_id AND row.lane = roused.lane \
         WHERE roused.operation_id = ?1 AND roused.place = ?2 AND row.state <> 1 \
         ORDER BY row.sequence, row.created_at, row.operation_id, row.place",
    )?;
    let rows = all(undelivered.query(params![id.operation.0, id.place])?, |row| {
        Ok(Undelivered { id: feedback_id(row)?, state: codes::feedback_state(row.get(2)?)?, leased: row.get(3)? })
    })?;
    let mut behind =
        connection.prepare_cached("UPDATE feedbacks SET state = 3 WHERE operation_id = ?1 AND place = ?2")?;
    for row in rows.iter().skip(1).filter(|row| row.state == FeedbackState::Waiting && !row.leased) {
        behind.execute(params![row.id.operation.0, row.id.place])?;
    }
    // A row that came later may be the first all the same: it must not stand behind those that were just put behind it.
    match rows.first() {
        Some(first) if first.state == FeedbackState::Behind && !rows.iter().any(|row| row.leased) => {
            make_due(connection, first.id, now)
        }
        _ => Ok(()),
    }
}

/// A row of one order and lane that is not delivered.
struct Undelivered {
    id: FeedbackId,
    state: FeedbackState,
    leased: bool,
}

/// Everything that the body of a feedback is made of.
pub(crate) fn content(connection: &Prepared<'_>, id: FeedbackId) -> Result<Option<FeedbackContent>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        feedback_columns!(),
        " FROM feedbacks WHERE operation_id = ?1 AND place = ?2"
    ))?;
    let Some(row) = first(statement.query(params![id.operation.0, id.place])?, row)? else { return Ok(None) };
    let found = read::operation_told(connection, id.operation)?;
    let told = found.ok_or_else(|| unreadable("the outcome of a feedback"))?;
    let news = match id.place >= schedule::NEWS_FROM {
        true => Some(schedule::news(connection, AgreementNumber(id.operation.0), id.place)?),
        false => None,
    };
    let mut outcomes = told.outcomes.into_iter();
    // What is told of a schedule is told beside what the payment came to that opened it.
    let outcome = if news.is_some() { outcomes.next_back() } else { outcomes.nth(usize::from(id.place)) };
    let outcome = outcome.ok_or_else(|| unreadable("the outcome of a feedback"))?;
    let OperationTold { order, operation, request, .. } = told;
    let order = try_card::of_its_own(connection, order, &operation)?;
    Ok(Some(FeedbackContent { row, order, operation, request, outcome, news }))
}

/// Rows by a filter, newest first.
pub(crate) fn list(connection: &Prepared<'_>, filter: &FeedbackFilter) -> Result<Vec<FeedbackRow>, Failure> {
    let mut sql = concat!("SELECT ", feedback_columns!(), " FROM feedbacks WHERE 1").to_owned();
    let mut values: Vec<rusqlite::types::Value> = Vec::new();
    let mut also = |condition: &str, value: rusqlite::types::Value| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.push(value);
    };
    // The first value is `?1`.
    if let Some(reference) = &filter.merchant_reference {
        also(concat!("feedbacks.fort_id IN (", orders_of_reference!(), ")"), reference.clone().into());
    }
    if let Some(merchant) = filter.merchant {
        let lowest = merchant.0.saturating_mul(64);
        also("feedbacks.lane >= ?", lowest.into());
        also("feedbacks.lane < ?", lowest.saturating_add(64).into());
    }
    if let Some(fort_id) = filter.fort_id {
        also("feedbacks.fort_id = ?", fort_id.0.into());
    }
    if let Some(state) = filter.state {
        also("feedbacks.state = ?", i64::from(state.number()).into());
    }
    if let Some(since) = filter.since {
        also("feedbacks.created_at >= ?", since.0.into());
    }
    if let Some(until) = filter.until {
        also("feedbacks.created_at < ?", until.0.into());
    }
    if let Some(before) = filter.before {
        sql.push_str(" AND (feedbacks.operation_id, feedbacks.place) < (?, ?)");
        values.extend([before.operation.0.into(), i64::from(before.place).into()]);
    }
    sql.push_str(" ORDER BY feedbacks.operation_id DESC, feedbacks.place DESC LIMIT ?");
    values.push(limit(filter.rows_max).into());
    let mut statement = connection.prepare(&sql)?;
    all(statement.query(rusqlite::params_from_iter(values))?, row)
}

/// The attempts that are kept, oldest first.
pub(crate) fn attempts(connection: &Prepared<'_>, id: FeedbackId) -> Result<Vec<FeedbackAttempt>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT number, at, target, status, error, latency_ms, answer FROM feedback_attempts \
         WHERE operation_id = ?1 AND place = ?2 ORDER BY number",
    )?;
    all(statement.query(params![id.operation.0, id.place])?, |row| {
        let latency_ms: i64 = row.get(5)?;
        Ok(FeedbackAttempt {
            number: row.get(0)?,
            attempt: NewFeedbackAttempt {
                at: Timestamp(row.get(1)?),
                target: row.get(2)?,
                status: row.get(3)?,
                error: row.get(4)?,
                latency_ms: u64::try_from(latency_ms).map_err(|_| unreadable("feedback_attempts.latency_ms"))?,
                answer: row.get(6)?,
            },
        })
    })
}

/// When the next row falls due.
pub(crate) fn next_due(connection: &Prepared<'_>) -> Result<Option<Timestamp>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT due_at FROM feedbacks INDEXED BY feedbacks_due WHERE state = 0 ORDER BY due_at LIMIT 1",
    )?;
    first(statement.query([])?, |row| Ok(Timestamp(row.get(0)?)))
}

/// What is not delivered yet.
pub(crate) fn backlog(connection: &Prepared<'_>) -> Result<FeedbackBacklog, Failure> {
    let waiting = held(
        connection,
        "SELECT count(*), min(created_at) FROM feedbacks INDEXED BY feedbacks_waiting WHERE state = 0",
    )?;
    let behind = held(
        connection,
        "SELECT count(*), min(created_at) FROM feedbacks INDEXED BY feedbacks_held WHERE state > 1 AND state = 3",
    )?;
    let paused = held(
        connection,
        "SELECT count(*), min(created_at) FROM feedbacks INDEXED BY feedbacks_held WHERE state > 1 AND state = 2",
    )?;
    Ok(FeedbackBacklog {
        waiting: waiting.rows + behind.rows,
        paused: paused.rows,
        oldest: waiting.oldest.into_iter().chain(behind.oldest).min(),
    })
}

/// How many rows a query counts, and since when the oldest of them is there.
struct Held {
    rows: u64,
    oldest: Option<Timestamp>,
}

fn held(connection: &Prepared<'_>, sql: &'static str) -> Result<Held, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let found = first(statement.query([])?, |row| {
        let rows: i64 = row.get(0)?;
        let oldest: Option<i64> = row.get(1)?;
        Ok(Held { rows: u64::try_from(rows).map_err(|_| unreadable("a count"))?, oldest: oldest.map(Timestamp) })
    })?;
    found.ok_or_else(|| Failure::Store(unreadable("a count")))
}

fn row(row: &Row<'_>) -> Result<FeedbackRow, Failure> {
    Ok(FeedbackRow {
        id: feedback_id(row)?,
        fort_id: FortId(row.get(2)?),
        lane: lane(row.get(3)?)?,
        sequence: row.get(4)?,
        state: codes::feedback_state(row.get(5)?)?,
        due_at: Timestamp(row.get(6)?),
        attempts: row.get(7)?,
        tries: row.get(8)?,
        tried_since: Timestamp(row.get(9)?),
        created_at: Timestamp(row.get(10)?),
        delivered_at: row.get::<_, Option<i64>>(11)?.map(Timestamp),
        pause_reason: row.get::<_, Option<i64>>(12)?.map(pause_reason).transpose()?,
    })
}

fn feedback_id(row: &Row<'_>) -> Result<FeedbackId, Failure> {
    Ok(FeedbackId { operation: OperationId(row.get(0)?), place: row.get(1)? })
}

fn lane(number: i64) -> Result<FeedbackLane, Failure> {
    FeedbackLane::from_number(number).ok_or_else(|| Failure::Store(unreadable("feedbacks.lane")))
}

fn pause_reason(number: i64) -> Result<PauseReason, Failure> {
    let reason = u8::try_from(number).ok().and_then(PauseReason::from_number);
    reason.ok_or_else(|| Failure::Store(unreadable("feedbacks.pause_reason")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{connection, migrate};
    use proptest::prelude::*;
    use tollgate_store::FeedbackLease;

    const NODE: u8 = 1;
    /// Longer than any wait below.
    const AGES_US: i64 = 1_000_000;

    /// What happens to the outbox of one order.
    #[derive(Clone, Debug)]
    enum Step {
        /// Something is told, as this number of the order's changes; what is told of its schedule may have had any number.
        Tell(u32, bool),
        /// What is due is taken up.
        Lease,
        /// What was taken up first ends so.
        Finish(Way),
        /// The row of this place among all is sent again.
        Replay(usize),
        /// The receiver has answered, and everything of it is roused.
        CaughtUp(bool),
        /// The oldest paused row is tried.
        Probe,
    }

    #[derive(Clone, Copy, Debug)]
    enum Way {
        Delivered,
        Retry,
        Pause,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let way = prop::sample::select(vec![Way::Delivered, Way::Retry, Way::Pause]);
        prop::collection::vec(
            prop_oneof![
                3 => (1..6_u32, any::<bool>()).prop_map(|(sequence, direct)| Step::Tell(sequence, direct)),
                4 => Just(Step::Lease),
                4 => way.prop_map(Step::Finish),
                2 => (0..8_usize).prop_map(Step::Replay),
                1 => any::<bool>().prop_map(Step::CaughtUp),
                1 => Just(Step::Probe),
            ],
            0..60,
        )
    }

    fn lane_of(direct: bool) -> FeedbackLane {
        lane(if direct { 64 } else { 65 }).unwrap()
    }

    struct Outbox<'c> {
        connection: Prepared<'c>,
        told: i64,
        now: i64,
        leased: Vec<FeedbackRow>,
    }

    impl Outbox<'_> {
        fn carry_out(&mut self, step: &Step) {
            self.now += 1;
            let (now, until) = (Timestamp(self.now), Timestamp(self.now + 10));
            match step {
                Step::Tell(sequence, direct) => {
                    self.told += 1;
                    let seed = FeedbackSeed {
                        operation: OperationId(self.told),
                        place: 0,
                        fort_id: FortId(1),
                        lane: lane_of(*direct),
                        sequence: *sequence,
                        at: now,
                    };
                    insert_seed(&self.connection, &seed).unwrap();
                }
                Step::Lease => {
                    let lease = FeedbackLease {
                        node: NODE,
                        now,
                        until,
                        rows_max: 8,
                        lane_rows_max: 8,
                        places: vec![],
                        after: None,
                    };
                    self.leased.extend(lease::lease(&self.connection, &lease).unwrap().rows);
                }
                Step::Finish(way) if !self.leased.is_empty() => {
                    let row = self.leased.remove(0);
                    let then = match way {
                        Way::Delivered => FeedbackThen::Delivered,
                        Way::Retry => FeedbackThen::Retry { due_at: until },
                        Way::Pause => FeedbackThen::Pause(PauseReason::Exhausted),
                    };
                    let finish = FeedbackFinish {
                        id: row.id,
                        node: NODE,
                        leased_until: row.due_at,
                        at: now,
                        attempt: None,
                        then,
                    };
                    super::finish(&self.connection, &finish).unwrap();
                }
                Step::Finish(_) => {}
                Step::Replay(place) => {
                    let id = FeedbackId { operation: OperationId(*place as i64 + 1), place: 0 };
                    rouse(&self.connection, &FeedbackRouse::Replay { ids: vec![id], now }).unwrap();
                }
                Step::CaughtUp(direct) => {
                    rouse(&self.connection, &FeedbackRouse::CaughtUp { lane: lane_of(*direct), now }).unwrap();
                }
                Step::Probe => {
                    let probe_ = FeedbackProbe { node: NODE, until, idle_since: now, rows_max: 8 };
                    self.leased.extend(probe(&self.connection, &probe_).unwrap());
                }
            }
        }

        /// How many rows of a lane are not delivered, and how many of these stand behind another one.
        fn counts(&self, direct: bool) -> (i64, i64) {
            let sql =
                "SELECT count(*), count(*) FILTER (WHERE state = 3) FROM feedbacks WHERE lane = ?1 AND state <> 1";
            let lane = lane_of(direct).number();
            self.connection.query_row(sql, [lane], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// Of whatever is to be told of an order at a URL something goes out, so that in the end everything does.
        #[test]
        fn nothing_stands_behind_what_stands_behind_it(steps in steps()) {
            let mut database = connection::open_in_memory().unwrap();
            migrate::copy_migrated(&mut database).unwrap();
            // Only the outbox is there: its order is not.
            database.pragma_update(None, "foreign_keys", "OFF").unwrap();
            let mut outbox = Outbox { connection: Prepared::passing(&database), told: 0, now: 0, leased: Vec::new() };
            for step in &steps {
                outbox.carry_out(step);
                for direct in [false, true] {
                    let (undelivered, behind) = outbox.counts(direct);
                    prop_assert!(undelivered == 0 || behind < undelivered, "after {step:?}: {behind} of {undelivered}");
                }
            }
            for _ in 0..=2 * outbox.told {
                outbox.now += AGES_US;
                outbox.leased.clear();
                for step in [Step::CaughtUp(false), Step::CaughtUp(true), Step::Lease] {
                    outbox.carry_out(&step);
                }
                while !outbox.leased.is_empty() {
                    outbox.carry_out(&Step::Finish(Way::Delivered));
                }
            }
            prop_assert_eq!([outbox.counts(false), outbox.counts(true)], [(0, 0), (0, 0)]);
        }
    }
}
