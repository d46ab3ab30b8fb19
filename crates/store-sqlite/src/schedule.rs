//! Schedules, their attempts, and what the intents and outcomes of charges do to them.

use crate::agreement;
use crate::codes;
use crate::failure::{Failure, unreadable};
use crate::feedback::{self, FeedbackSeed};
use crate::prepared::Prepared;
use crate::rows::{all, first, limit};
use rusqlite::{Row, params};
use tollgate_core::advice::RetryAdvice;
use tollgate_core::agreement::{AgreementNumber, Day, DueAttempt, EndReason, OrderSchedule};
use tollgate_core::feedback::{Channel, FeedbackKind, FeedbackLane};
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::money::Money;
use tollgate_core::order::{OperationState, Order};
use tollgate_core::schedule::{
    AttemptEnd, AttemptOutcome, EndWhy, NewsWish, Schedule, ScheduleLimits, ScheduleNews, ScheduleState,
};
use tollgate_core::time::Timestamp;
use tollgate_store::{
    DueTake, LifeId, NewOrder, OutcomeRecord, ScheduleAttempt, ScheduleAttemptEnd, ScheduleChange, ScheduleChanged,
    ScheduleFilter, ScheduleIntent, ScheduleStateKind, StoreError,
};

/// The first place of what is told of a schedule among the feedbacks of the operation that opened it: behind every
/// outcome.
pub(crate) const NEWS_FROM: u16 = 1000;
/// How many merchants one look for due schedules goes over.
const MERCHANTS_LOOKED_AT_MAX: usize = 100_000;

/// `state` of an attempt whose outcome is not known.
const OPEN: i64 = 0;
/// `state` of one that was approved.
const APPROVED: i64 = 1;
/// `state` of one that was declined.
const DECLINED: i64 = 2;
/// `state` of one that came to nothing.
const NOTHING: i64 = 3;

/// The schedule of an agreement.
pub(crate) fn one(connection: &Prepared<'_>, agreement: AgreementNumber) -> Result<Option<Schedule>, Failure> {
    let mut statement = connection.prepare_cached("SELECT body FROM schedules WHERE agreement = ?1")?;
    first(statement.query([agreement.0])?, schedule)
}

/// Schedules that fit a filter, in the order of their agreements.
pub(crate) fn list(connection: &Prepared<'_>, filter: &ScheduleFilter) -> Result<Vec<Schedule>, Failure> {
    let after = filter.after.map_or(i64::MIN, |after| after.0);
    let mut statement = connection.prepare_cached(
        "SELECT body FROM schedules WHERE merchant_id = ?1 AND agreement > ?2 AND state = coalesce(?3, state) \
         ORDER BY agreement LIMIT ?4",
    )?;
    let state = filter.state.map(kind_number);
    all(statement.query(params![filter.merchant.0, after, state, limit(filter.limit)])?, schedule)
}

/// The attempts of a schedule, newest first.
pub(crate) fn attempts(
    connection: &Prepared<'_>,
    agreement: AgreementNumber,
    before: Option<FortId>,
    rows_max: usize,
) -> Result<Vec<ScheduleAttempt>, Failure> {
    let before = before.map_or(i64::MAX, |before| before.0);
    let mut statement = connection.prepare_cached(
        "SELECT due_day, attempt, fort_id, currency, amount, begun_at, state, advice, code, settled_at \
         FROM schedule_attempts WHERE agreement = ?1 AND fort_id < ?2 ORDER BY due_day DESC, attempt DESC LIMIT ?3",
    )?;
    all(statement.query(params![agreement.0, before, limit(rows_max)])?, attempt)
}

/// When something is to be done about any schedule.
pub(crate) fn next_at(connection: &Prepared<'_>) -> Result<Option<Timestamp>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT next_at FROM schedules INDEXED BY schedules_due WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1",
    )?;
    first(statement.query([])?, |row| Ok(Timestamp(row.get(0)?)))
}

/// Merchants with due schedules, in their order.
pub(crate) fn merchants_with_due(
    connection: &Prepared<'_>,
    now: Timestamp,
    after: Option<MerchantId>,
    merchants_max: usize,
) -> Result<Vec<MerchantId>, Failure> {
    let mut head = connection.prepare_cached(
        "SELECT merchant_id, next_at FROM schedules INDEXED BY schedules_due_of_merchant \
         WHERE next_at IS NOT NULL AND merchant_id > ?1 ORDER BY merchant_id, next_at LIMIT 1",
    )?;
    let mut at = after.map_or(i64::MIN, |after| after.0);
    let mut found = Vec::new();
    for _ in 0..MERCHANTS_LOOKED_AT_MAX {
        let read = |row: &Row<'_>| Ok(MerchantHead { merchant: row.get(0)?, next_at: Timestamp(row.get(1)?) });
        let Some(MerchantHead { merchant, next_at }) = first(head.query([at])?, read)? else { break };
        at = merchant;
        if next_at <= now {
            found.push(MerchantId(merchant));
        }
        if found.len() >= merchants_max {
            break;
        }
    }
    Ok(found)
}

/// The first due schedule of a merchant.
struct MerchantHead {
    merchant: i64,
    next_at: Timestamp,
}

/// Makes due schedules a life's, the longest due first.
pub(crate) fn take_due(connection: &Prepared<'_>, take: &DueTake) -> Result<Vec<Schedule>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT body FROM schedules INDEXED BY schedules_due_of_merchant \
         LEFT JOIN lives ON lives.life = schedules.owner AND lives.ended_at IS NULL \
         WHERE next_at IS NOT NULL AND merchant_id = ?1 AND next_at <= ?2 AND (lives.life IS NULL OR lives.life = ?3) \
         ORDER BY next_at LIMIT ?4",
    )?;
    let values = params![take.merchant.0, take.now.0, take.life.0, limit(take.limit)];
    let schedules = all(statement.query(values)?, schedule)?;
    let mut own = connection.prepare_cached("UPDATE schedules SET owner = ?2 WHERE agreement = ?1")?;
    for schedule in &schedules {
        own.execute([schedule.agreement.0, take.life.0])?;
    }
    Ok(schedules)
}

/// Gives schedules back that a life has taken.
pub(crate) fn give_back(
    connection: &Prepared<'_>,
    life: LifeId,
    agreements: &[AgreementNumber],
) -> Result<(), Failure> {
    let mut disown = connection.prepare_cached("UPDATE schedules SET owner = 0 WHERE agreement = ?1 AND owner = ?2")?;
    for agreement in agreements {
        disown.execute([agreement.0, life.0])?;
    }
    Ok(())
}

/// Writes a schedule as it is after a change. Nothing is changed unless the answer is `Written`.
pub(crate) fn change(connection: &Prepared<'_>, change: &ScheduleChange) -> Result<ScheduleChanged, Failure> {
    let after = &change.schedule;
    let Some(before) = one(connection, after.agreement)? else { return Ok(ScheduleChanged::Overtaken) };
    if before.version.checked_add(1) != Some(after.version) {
        return Ok(ScheduleChanged::Overtaken);
    }
    let is_same =
        (before.merchant, before.open, &before.agreement_id) == (after.merchant, after.open, &after.agreement_id);
    if !is_same {
        return Err(refused("a change of a schedule leaves its agreement and its open attempt alone"));
    }
    if let Some(card) = &change.card {
        agreement::put_card(connection, after.agreement, card)?;
    }
    let is_cancelled = |state| matches!(state, ScheduleState::Ended(end) if end.why == EndWhy::Cancelled);
    if is_cancelled(after.state) && !is_cancelled(before.state) {
        agreement::end_numbered(connection, after.agreement, EndReason::Cancelled, change.at)?;
    }
    write(connection, &before, after, change.at)?;
    Ok(ScheduleChanged::Written)
}

/// Whether the schedule that an order charges is the one that was judged. Of an order without one the database is asked
/// nothing.
pub(crate) fn is_as_judged(connection: &Prepared<'_>, new: &NewOrder) -> Result<bool, Failure> {
    let told = new.order.credential.as_ref().and_then(|credential| credential.agreement.as_ref());
    match (&new.schedule, told.and_then(|told| told.schedule.map(|schedule| (told.number, schedule)))) {
        (None, None) => Ok(true),
        (Some(ScheduleIntent::Open(draft)), Some((number, OrderSchedule::Opens))) => {
            let is_new = draft.state == ScheduleState::Opening && draft.version == 1 && draft.open.is_none();
            match is_new && draft.agreement == number && draft.merchant == new.order.merchant {
                true => Ok(true),
                false => {
                    Err(refused("an order opens a schedule with its own agreement, which begins with its success"))
                }
            }
        }
        (Some(ScheduleIntent::Attempt { agreement, version, .. }), Some((number, OrderSchedule::Charges(due))))
            if *agreement == number =>
        {
            let stored = one(connection, number)?;
            Ok(stored.is_some_and(|stored| {
                let next = DueAttempt { due_day: stored.due.day, attempt: stored.due.attempt };
                let is_idle = stored.state == ScheduleState::Active && stored.open.is_none();
                is_idle && stored.version == *version && next == due && stored.merchant == new.order.merchant
            }))
        }
        _ => Err(refused("an order and what it does with a schedule belong together")),
    }
}

/// Writes a new schedule, or begins an attempt; [`is_as_judged`] has been asked in the same transaction.
pub(crate) fn insert_intent(connection: &Prepared<'_>, new: &NewOrder) -> Result<(), Failure> {
    match &new.schedule {
        None => Ok(()),
        Some(ScheduleIntent::Open(draft)) => insert(connection, draft),
        Some(ScheduleIntent::Attempt { agreement, terms, .. }) => {
            let begun = one(connection, *agreement)?.and_then(|before| {
                let after = before.attempt_begun(new.order.fort_id, (**terms).clone())?;
                Some(Step { before, after })
            });
            let Some(Step { before, after }) = begun else {
                return Err(refused("an attempt is begun while its schedule is active and has none"));
            };
            insert_attempt(connection, &after, &new.order)?;
            write(connection, &before, &after, new.order.original.sent_at)
        }
    }
}

/// A step of a schedule.
struct Step {
    before: Schedule,
    after: Schedule,
}

/// Begins the schedule of an agreement that begins.
pub(crate) fn begin(connection: &Prepared<'_>, number: AgreementNumber, at: Timestamp) -> Result<(), Failure> {
    let (Some(before), Some(agreement)) = (one(connection, number)?, agreement::by_number(connection, number)?) else {
        return Ok(());
    };
    write(connection, &before, &before.begun(ScheduleLimits::of(&agreement), at), at)
}

/// Forgets the schedule of an agreement whose payment came to nothing.
pub(crate) fn forget(connection: &Prepared<'_>, number: AgreementNumber) -> Result<(), Failure> {
    connection.prepare_cached("DELETE FROM schedules WHERE agreement = ?1 AND state = 0")?.execute([number.0])?;
    Ok(())
}

/// Ends the schedule of an agreement that has ended, if it has one that has not.
pub(crate) fn end(connection: &Prepared<'_>, number: AgreementNumber, at: Timestamp) -> Result<(), Failure> {
    let Some(before) = one(connection, number)? else { return Ok(()) };
    match before.ended(EndWhy::Cancelled, at) {
        Ok(after) => write(connection, &before, &after, at),
        Err(_) => Ok(()),
    }
}

/// Moves a schedule on by the outcome of one of its attempts. The agreement has been dealt with before.
pub(crate) fn settle(
    connection: &Prepared<'_>,
    record: &OutcomeRecord,
    number: AgreementNumber,
    due: DueAttempt,
) -> Result<(), Failure> {
    let outcome = match record.state {
        OperationState::Sent | OperationState::Unknown => return Ok(()),
        OperationState::Approved => AttemptOutcome::Approved,
        OperationState::Declined => AttemptOutcome::Declined(record.advice.unwrap_or(RetryAdvice::Later)),
        OperationState::Reversed | OperationState::NotSent => AttemptOutcome::CameToNothing,
    };
    let end = AttemptEnd {
        due_day: due.due_day,
        attempt: due.attempt,
        order: record.order.fort_id,
        outcome,
        code: record.code,
        at: record.at,
    };
    end_attempt(connection, number, &end)?;
    let (Some(before), Some(agreement)) = (one(connection, number)?, agreement::by_number(connection, number)?) else {
        return Err(unreadable("the schedule of an attempt").into());
    };
    write(connection, &before, &before.settled(&end, ScheduleLimits::of(&agreement)), record.at)
}

/// What is told of a schedule in a feedback.
pub(crate) fn news(connection: &Prepared<'_>, agreement: AgreementNumber, place: u16) -> Result<ScheduleNews, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT body FROM schedule_news WHERE agreement = ?1 AND place = ?2")?;
    let found = first(statement.query(params![agreement.0, place])?, |row| {
        let body: String = row.get(0)?;
        serde_json::from_str(&body).map_err(|_| unreadable("schedule_news.body").into())
    })?;
    found.ok_or_else(|| unreadable("what a feedback tells of a schedule").into())
}

fn insert(connection: &Prepared<'_>, schedule: &Schedule) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO schedules (agreement, merchant_id, state, due_day, attempt, body, version) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            schedule.agreement.0,
            schedule.merchant.0,
            state_number(schedule.state),
            schedule.due.day.number(),
            schedule.due.attempt,
            body(schedule)?,
            schedule.version,
        ])?;
    Ok(())
}

/// Writes a step of a schedule, and what is told of it.
fn write(connection: &Prepared<'_>, before: &Schedule, after: &Schedule, at: Timestamp) -> Result<(), Failure> {
    let written = connection
        .prepare_cached(
            "UPDATE schedules SET state = ?2, due_day = ?3, attempt = ?4, next_at = ?5, open_order = ?6, owner = 0, \
             body = ?7, version = ?8 WHERE agreement = ?1 AND version = ?9",
        )?
        .execute(params![
            after.agreement.0,
            state_number(after.state),
            after.due.day.number(),
            after.due.attempt,
            after.next_at().map(|at| at.0),
            after.open.map(|order| order.0),
            body(after)?,
            after.version,
            before.version,
        ])?;
    if written != 1 {
        return Err(refused("a step of a schedule is one from the stored version to the next"));
    }
    match after.news_since(before, at).filter(|_| after.terms.news == NewsWish::Told) {
        None => Ok(()),
        Some(news) => tell(connection, after, &news),
    }
}

fn tell(connection: &Prepared<'_>, schedule: &Schedule, news: &ScheduleNews) -> Result<(), Failure> {
    let number = schedule.agreement;
    let Some(agreement) = agreement::by_number(connection, number)? else {
        return Err(unreadable("the agreement of a schedule").into());
    };
    let mut statement =
        connection.prepare_cached("SELECT coalesce(max(place) + 1, ?2) FROM schedule_news WHERE agreement = ?1")?;
    let place = first(statement.query(params![number.0, NEWS_FROM])?, |row| Ok(row.get::<_, i64>(0)?))?;
    let Some(place) = place.and_then(|place| u16::try_from(place).ok()) else {
        // No schedule of a customer comes this far: 64,000 times.
        return Ok(());
    };
    let text = serde_json::to_string(news).map_err(|_| refused("what is told of a schedule cannot be kept as JSON"))?;
    connection
        .prepare_cached("INSERT INTO schedule_news (agreement, place, body) VALUES (?1, ?2, ?3)")?
        .execute(params![number.0, place, text])?;
    // It is no change of the order: it comes after the last one, and before the next.
    let mut statement = connection.prepare_cached("SELECT version FROM orders WHERE fort_id = ?1")?;
    let version = first(statement.query([agreement.opened_by.0])?, |row| Ok(row.get::<_, u32>(0)?))?;
    let sequence = version.ok_or_else(|| unreadable("the order that opened an agreement"))?;
    let lane =
        FeedbackLane { merchant: schedule.merchant, channel: Channel::Trusted, kind: FeedbackKind::Notification };
    let seed = FeedbackSeed {
        operation: OperationId(number.0),
        place: i64::from(place),
        fort_id: agreement.opened_by,
        lane,
        sequence,
        at: news.at,
    };
    feedback::insert_seed(connection, &seed)
}

fn insert_attempt(connection: &Prepared<'_>, schedule: &Schedule, order: &Order) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO schedule_attempts (agreement, due_day, attempt, fort_id, currency, amount, begun_at, state) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            schedule.agreement.0,
            schedule.due.day.number(),
            schedule.due.attempt,
            order.fort_id.0,
            order.money.currency.numeric(),
            codes::amount_number(order.money.amount),
            order.original.sent_at.0,
            OPEN,
        ])?;
    Ok(())
}

fn end_attempt(connection: &Prepared<'_>, number: AgreementNumber, end: &AttemptEnd) -> Result<(), Failure> {
    let (state, advice) = match end.outcome {
        AttemptOutcome::Approved => (APPROVED, None),
        AttemptOutcome::Declined(advice) => (DECLINED, Some(advice.number())),
        AttemptOutcome::CameToNothing => (NOTHING, None),
    };
    let written = connection
        .prepare_cached(
            "UPDATE schedule_attempts SET state = ?4, advice = ?5, code = ?6, settled_at = ?7 \
             WHERE agreement = ?1 AND due_day = ?2 AND attempt = ?3 AND fort_id = ?8",
        )?
        .execute(params![
            number.0,
            end.due_day.number(),
            end.attempt,
            state,
            advice,
            end.code.number(),
            end.at.0,
            end.order.0,
        ])?;
    if written == 1 { Ok(()) } else { Err(unreadable("the attempt of a charge").into()) }
}

fn schedule(row: &Row<'_>) -> Result<Schedule, Failure> {
    let body: String = row.get(0)?;
    serde_json::from_str(&body).map_err(|_| unreadable("schedules.body").into())
}

fn body(schedule: &Schedule) -> Result<String, Failure> {
    serde_json::to_string(schedule).map_err(|_| refused("a schedule cannot be kept as JSON"))
}

fn attempt(row: &Row<'_>) -> Result<ScheduleAttempt, Failure> {
    let due_day = Day::from_number(row.get(0)?).ok_or_else(|| unreadable("schedule_attempts.due_day"))?;
    let advice = row.get::<_, Option<u8>>(7)?.and_then(RetryAdvice::from_number);
    let outcome = match (row.get::<_, i64>(6)?, advice) {
        (OPEN, None) => None,
        (APPROVED, None) => Some(AttemptOutcome::Approved),
        (DECLINED, Some(advice)) => Some(AttemptOutcome::Declined(advice)),
        (NOTHING, None) => Some(AttemptOutcome::CameToNothing),
        _ => return Err(unreadable("schedule_attempts.state").into()),
    };
    let end = match outcome {
        None => None,
        Some(outcome) => {
            Some(ScheduleAttemptEnd { outcome, code: codes::response_code(row.get(8)?)?, at: Timestamp(row.get(9)?) })
        }
    };
    Ok(ScheduleAttempt {
        due_day,
        attempt: row.get(1)?,
        order: FortId(row.get(2)?),
        money: Money { currency: codes::currency(row.get(3)?)?, amount: codes::amount(row.get(4)?)? },
        begun_at: Timestamp(row.get(5)?),
        end,
    })
}

const fn state_number(state: ScheduleState) -> i64 {
    kind_number(match state {
        ScheduleState::Opening => ScheduleStateKind::Opening,
        ScheduleState::Active => ScheduleStateKind::Active,
        ScheduleState::Paused(_) => ScheduleStateKind::Paused,
        ScheduleState::Ended(_) => ScheduleStateKind::Ended,
    })
}

const fn kind_number(kind: ScheduleStateKind) -> i64 {
    match kind {
        ScheduleStateKind::Opening => 0,
        ScheduleStateKind::Active => 1,
        ScheduleStateKind::Paused => 2,
        ScheduleStateKind::Ended => 3,
    }
}

fn refused(rule: &str) -> Failure {
    Failure::Store(StoreError::Refused(rule.to_owned()))
}
