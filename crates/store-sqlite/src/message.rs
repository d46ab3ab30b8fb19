//! Messages: the outbox, its leases, and what came of each attempt.

use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::rows::{all, first, limit};
use crate::store::SqliteStore;
use crate::turns::take_in_turns;
use rusqlite::{Row, params};
use tollgate_core::message::{
    MessageAbout, MessageChannel, MessageId, MessageKind, MessageLane, MessageLimit, NewMessage,
};
use tollgate_core::time::{DAY_US, Timestamp};
use tollgate_store::{
    MESSAGE_ATTEMPTS_KEPT_MAX, MessageAttempt, MessageBacklog, MessageFilter, MessageFinish, MessageFinished,
    MessageLease, MessageRow, MessageState, MessageThen, Messages, MessagesLeased, MessagesToo, NewMessageAttempt,
    StoreFuture,
};

/// How many lanes one lease looks at; the next one goes on behind them.
const LANES_LOOKED_AT_MAX: usize = 4_096;

impl Messages for SqliteStore {
    fn lease_messages(&self, lease: MessageLease) -> StoreFuture<'_, MessagesLeased> {
        Box::pin(self.writer.call(move |connection| leased(connection, &lease)))
    }

    fn release_messages(&self, node: u8, now: Timestamp) -> StoreFuture<'_, u64> {
        Box::pin(self.writer.call(move |connection| release(connection, node, now)))
    }

    fn finish_message(&self, finish: MessageFinish) -> StoreFuture<'_, MessageFinished> {
        Box::pin(self.writer.call(move |connection| finished(connection, &finish)))
    }

    fn rouse_message(&self, id: MessageId, now: Timestamp) -> StoreFuture<'_, bool> {
        Box::pin(self.writer.call(move |connection| rouse(connection, id, now)))
    }

    fn message(&self, id: MessageId) -> StoreFuture<'_, Option<MessageRow>> {
        Box::pin(async move { self.readers.point(|connection| by_id(connection, id)) })
    }

    fn messages<'a>(&'a self, filter: &'a MessageFilter) -> StoreFuture<'a, Vec<MessageRow>> {
        Box::pin(async move { self.readers.point(|connection| list(connection, filter)) })
    }

    fn message_attempts(&self, id: MessageId) -> StoreFuture<'_, Vec<MessageAttempt>> {
        Box::pin(async move { self.readers.point(|connection| attempts(connection, id)) })
    }

    fn messages_next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(async move { self.readers.point(next_due) })
    }

    fn message_backlog(&self) -> StoreFuture<'_, MessageBacklog> {
        Box::pin(async move { self.readers.point(backlog) })
    }
}

/// The columns that [`row`] reads, from place 0.
macro_rules! message_columns {
    () => {
        "messages.message_id, messages.lane, messages.about_kind, messages.about_id, messages.kind, messages.occasion, \
         messages.state, messages.due_at, messages.attempts, messages.tries, messages.tried_since, messages.created_at, \
         messages.settled_at, messages.reason"
    };
}

/// Which limit the messages would break, if they break one. To be asked before anything is written; nothing changes.
pub(crate) fn over_limit(connection: &Prepared<'_>, too: &MessagesToo) -> Result<Option<MessageLimit>, Failure> {
    let Some(limits) = too.limits else { return Ok(None) };
    let to_customers = || too.messages.iter().filter(|message| message.channel.reaches_customers());
    let Some(first_new) = to_customers().next() else { return Ok(None) };
    let new = u32::try_from(to_customers().count()).unwrap_or(u32::MAX);
    let mut about = connection
        .prepare_cached("SELECT count(*) FROM messages WHERE about_kind = ?1 AND about_id = ?2 AND (lane & 15) < 2")?;
    let written: u32 = about.query_row(params![first_new.about.number(), first_new.about.id()], |row| row.get(0))?;
    if written.saturating_add(new) > limits.per_thing_max {
        return Ok(Some(MessageLimit::PerThing));
    }
    let day_ago = first_new.at.0.saturating_sub(DAY_US);
    let mut of_day = connection.prepare_cached("SELECT count(*) FROM messages WHERE lane = ?1 AND created_at > ?2")?;
    let mut today: u32 = 0;
    for channel in MessageChannel::ALL.iter().filter(|channel| channel.reaches_customers()) {
        let lane = MessageLane { merchant: first_new.merchant, channel: *channel };
        let written: u32 = of_day.query_row(params![lane.number(), day_ago], |row| row.get(0))?;
        today = today.saturating_add(written);
    }
    Ok((today.saturating_add(new) > limits.merchant_day_max).then_some(MessageLimit::MerchantDay))
}

/// Writes messages, due at once. One that was written before is left as it is.
pub(crate) fn insert(connection: &Prepared<'_>, messages: &[NewMessage]) -> Result<(), Failure> {
    if messages.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO messages (lane, about_kind, about_id, kind, occasion, state, due_at, attempts, tries, tried_since, \
         created_at) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, 0, 0, ?6, ?6) ON CONFLICT DO NOTHING",
    )?;
    for new in messages {
        let lane = MessageLane { merchant: new.merchant, channel: new.channel };
        let about = new.about;
        statement.execute(params![
            lane.number(),
            about.number(),
            about.id(),
            new.kind.number(),
            new.occasion,
            new.at.0
        ])?;
    }
    Ok(())
}

/// Leases what is due, lane by lane in turns.
fn leased(connection: &Prepared<'_>, lease: &MessageLease) -> Result<MessagesLeased, Failure> {
    let mut chosen = take_in_turns(lanes_due(connection, lease)?, lease.rows_max);
    let mut statement =
        connection.prepare_cached("UPDATE messages SET due_at = ?2, leased_by = ?3 WHERE message_id = ?1")?;
    for row in &mut chosen {
        statement.execute(params![row.id.0, lease.until.0, lease.node])?;
        row.due_at = lease.until;
    }
    // With room left every lane had its turn, and it does not matter where the next turn begins.
    let last = chosen.last().map(|row| row.lane).filter(|_| chosen.len() >= lease.rows_max);
    Ok(MessagesLeased { rows: chosen, last })
}

/// The rows that are due of each lane that has places, lanes behind `after` first. Of those for one server about one
/// thing only the first that waits goes out.
fn lanes_due(connection: &Prepared<'_>, lease: &MessageLease) -> Result<Vec<std::vec::IntoIter<MessageRow>>, Failure> {
    let mut next = connection.prepare_cached(
        "SELECT lane, due_at FROM messages INDEXED BY messages_waiting WHERE state = 0 AND lane > ?1 \
         ORDER BY lane, due_at LIMIT 1",
    )?;
    let mut due = connection.prepare_cached(concat!(
        "SELECT ",
        message_columns!(),
        " FROM messages INDEXED BY messages_waiting WHERE state = 0 AND lane = ?1 AND due_at <= ?2 AND ((lane & 15) < 2 \
         OR NOT EXISTS (SELECT 1 FROM messages AS earlier INDEXED BY messages_are_written_once \
         WHERE earlier.about_kind = messages.about_kind AND earlier.about_id = messages.about_id \
         AND earlier.lane = messages.lane AND earlier.state = 0 AND earlier.message_id < messages.message_id)) \
         ORDER BY due_at, message_id LIMIT ?3"
    ))?;
    let begin = lease.after.map_or(-1, MessageLane::number);
    let mut turns = Vec::new();
    let (mut at, mut wrapped) = (begin, begin < 0);
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

fn places(lease: &MessageLease, lane: MessageLane) -> usize {
    let fewer = lease.places.iter().find(|places| places.lane == lane);
    fewer.map_or(lease.lane_rows_max, |places| places.free).min(lease.rows_max)
}

/// Gives back what a node that was killed had leased.
fn release(connection: &Prepared<'_>, node: u8, now: Timestamp) -> Result<u64, Failure> {
    let released = connection
        .prepare_cached(
            "UPDATE messages SET leased_by = NULL, due_at = min(due_at, ?2) WHERE state = 0 AND leased_by = ?1",
        )?
        .execute(params![node, now.0])?;
    Ok(released as u64)
}

/// Writes what came of a leased message.
fn finished(connection: &Prepared<'_>, finish: &MessageFinish) -> Result<MessageFinished, Failure> {
    if let Some(attempt) = &finish.attempt {
        note_attempt(connection, finish.id, attempt)?;
    }
    let tried = i64::from(finish.attempt.is_some());
    let (id, node, until) = (finish.id.0, finish.node, finish.leased_until.0);
    let changed = match &finish.then {
        // Taken is taken, whosever lease it was.
        MessageThen::Sent => connection
            .prepare_cached(
                "UPDATE messages SET attempts = attempts + ?2, state = 1, settled_at = ?3, reason = NULL, \
                 leased_by = NULL WHERE message_id = ?1 AND state <> 1",
            )?
            .execute(params![id, tried, finish.at.0])?,
        MessageThen::Retry { due_at } => connection
            .prepare_cached(
                "UPDATE messages SET attempts = attempts + ?2, tries = tries + ?2, due_at = ?5, leased_by = NULL \
                 WHERE message_id = ?1 AND state = 0 AND leased_by = ?3 AND due_at = ?4",
            )?
            .execute(params![id, tried, node, until, due_at.0])?,
        MessageThen::GiveUp { reason } => settle(connection, finish, tried, MessageState::Failed, reason)?,
        MessageThen::Drop { reason } => settle(connection, finish, tried, MessageState::Dropped, reason)?,
    };
    if changed == 0 {
        // The attempt was made all the same.
        connection
            .prepare_cached("UPDATE messages SET attempts = attempts + ?2 WHERE message_id = ?1")?
            .execute(params![id, tried])?;
        return Ok(MessageFinished::LeaseLost);
    }
    if let Some(next) = finish.next {
        insert(connection, &[next])?;
    }
    Ok(MessageFinished::Written)
}

fn settle(
    connection: &Prepared<'_>,
    finish: &MessageFinish,
    tried: i64,
    state: MessageState,
    reason: &str,
) -> Result<usize, Failure> {
    let settled = connection
        .prepare_cached(
            "UPDATE messages SET attempts = attempts + ?2, tries = tries + ?2, state = ?5, settled_at = ?6, reason = ?7, \
             leased_by = NULL WHERE message_id = ?1 AND state = 0 AND leased_by = ?3 AND due_at = ?4",
        )?
        .execute(params![
            finish.id.0,
            tried,
            finish.node,
            finish.leased_until.0,
            state.number(),
            finish.at.0,
            reason
        ])?;
    Ok(settled)
}

fn note_attempt(connection: &Prepared<'_>, id: MessageId, attempt: &NewMessageAttempt) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached("SELECT attempts + 1 FROM messages WHERE message_id = ?1")?;
    let number: Option<u32> = first(statement.query([id.0])?, |row| Ok(row.get(0)?))?;
    let Some(number) = number.filter(|number| *number <= MESSAGE_ATTEMPTS_KEPT_MAX) else { return Ok(()) };
    connection
        .prepare_cached(
            "INSERT INTO message_attempts (message_id, number, at, target, status, error, latency_ms, answer) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            id.0,
            number,
            attempt.at.0,
            attempt.target,
            attempt.status,
            attempt.error,
            i64::try_from(attempt.latency_ms).unwrap_or(i64::MAX),
            attempt.answer,
        ])?;
    Ok(())
}

/// Makes a message due at once that is not on its way and was not sent.
fn rouse(connection: &Prepared<'_>, id: MessageId, now: Timestamp) -> Result<bool, Failure> {
    let roused = connection
        .prepare_cached(
            "UPDATE messages SET state = 0, due_at = ?2, tries = 0, tried_since = ?2, settled_at = NULL, reason = NULL \
             WHERE message_id = ?1 AND state <> 1 AND leased_by IS NULL",
        )?
        .execute(params![id.0, now.0])?;
    Ok(roused == 1)
}

fn by_id(connection: &Prepared<'_>, id: MessageId) -> Result<Option<MessageRow>, Failure> {
    let mut statement =
        connection.prepare_cached(concat!("SELECT ", message_columns!(), " FROM messages WHERE message_id = ?1"))?;
    first(statement.query([id.0])?, row)
}

/// Messages by a filter, newest first.
fn list(connection: &Prepared<'_>, filter: &MessageFilter) -> Result<Vec<MessageRow>, Failure> {
    let mut sql = concat!("SELECT ", message_columns!(), " FROM messages WHERE 1").to_owned();
    let mut values: Vec<i64> = Vec::new();
    let mut also = |condition: &str, value: i64| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.push(value);
    };
    if let Some(merchant) = filter.merchant {
        let lowest = MessageLane { merchant, channel: MessageChannel::Email }.number();
        also("messages.lane >= ?", lowest);
        also("messages.lane < ?", lowest.saturating_add(16));
    }
    if let Some(about) = filter.about {
        also("messages.about_kind = ?", about.number().into());
        also("messages.about_id = ?", about.id());
    }
    if let Some(channel) = filter.channel {
        also("(messages.lane & 15) = ?", channel.number().into());
    }
    if let Some(state) = filter.state {
        also("messages.state = ?", state.number().into());
    }
    if let Some(before) = filter.before {
        also("messages.message_id < ?", before.0);
    }
    sql.push_str(" ORDER BY messages.message_id DESC LIMIT ?");
    values.push(limit(filter.rows_max));
    let mut statement = connection.prepare(&sql)?;
    all(statement.query(rusqlite::params_from_iter(values))?, row)
}

fn attempts(connection: &Prepared<'_>, id: MessageId) -> Result<Vec<MessageAttempt>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT number, at, target, status, error, latency_ms, answer FROM message_attempts WHERE message_id = ?1 \
         ORDER BY number",
    )?;
    all(statement.query([id.0])?, |row| {
        let latency_ms: i64 = row.get(5)?;
        Ok(MessageAttempt {
            number: row.get(0)?,
            attempt: NewMessageAttempt {
                at: Timestamp(row.get(1)?),
                target: row.get(2)?,
                status: row.get(3)?,
                error: row.get(4)?,
                latency_ms: u64::try_from(latency_ms).map_err(|_| unreadable("message_attempts.latency_ms"))?,
                answer: row.get(6)?,
            },
        })
    })
}

fn next_due(connection: &Prepared<'_>) -> Result<Option<Timestamp>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT due_at FROM messages INDEXED BY messages_due WHERE state = 0 ORDER BY due_at LIMIT 1",
    )?;
    first(statement.query([])?, |row| Ok(Timestamp(row.get(0)?)))
}

fn backlog(connection: &Prepared<'_>) -> Result<MessageBacklog, Failure> {
    let mut waiting = connection
        .prepare_cached("SELECT count(*), min(created_at) FROM messages INDEXED BY messages_due WHERE state = 0")?;
    let mut failed =
        connection.prepare_cached("SELECT count(*) FROM messages INDEXED BY messages_given_up WHERE state = 2")?;
    let count = |rows: i64| u64::try_from(rows).map_err(|_| Failure::Store(unreadable("a count")));
    let failed = count(failed.query_row([], |row| row.get(0))?)?;
    let found = first(waiting.query([])?, |row| {
        let oldest: Option<i64> = row.get(1)?;
        Ok(MessageBacklog { waiting: count(row.get(0)?)?, failed, oldest: oldest.map(Timestamp) })
    })?;
    found.ok_or_else(|| Failure::Store(unreadable("a count")))
}

fn row(row: &Row<'_>) -> Result<MessageRow, Failure> {
    let about = MessageAbout::from_numbers(row.get(2)?, row.get(3)?);
    Ok(MessageRow {
        id: MessageId(row.get(0)?),
        lane: lane(row.get(1)?)?,
        about: about.ok_or_else(|| unreadable("messages.about_kind"))?,
        kind: MessageKind::from_number(row.get(4)?).ok_or_else(|| unreadable("messages.kind"))?,
        occasion: row.get(5)?,
        state: MessageState::from_number(row.get(6)?).ok_or_else(|| unreadable("messages.state"))?,
        due_at: Timestamp(row.get(7)?),
        attempts: row.get(8)?,
        tries: row.get(9)?,
        tried_since: Timestamp(row.get(10)?),
        created_at: Timestamp(row.get(11)?),
        settled_at: row.get::<_, Option<i64>>(12)?.map(Timestamp),
        reason: row.get(13)?,
    })
}

fn lane(number: i64) -> Result<MessageLane, Failure> {
    MessageLane::from_number(number).ok_or_else(|| Failure::Store(unreadable("messages.lane")))
}
