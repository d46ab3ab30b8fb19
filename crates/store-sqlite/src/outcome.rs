//! Writing what became of an operation.

use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::rows::{OUTCOMES_MAX, OUTCOMES_PER_OPERATION_MAX, first, params_text};
use crate::{agreement, checkout, claim, codes, feedback, message, token};
use rusqlite::params;
use tollgate_core::advice::RetryAdvice;
use tollgate_core::credential::NetworkTransactionId;
use tollgate_core::ident::OperationId;
use tollgate_core::order::{OperationEvent, OperationState, WayOut};
use tollgate_core::time::Timestamp;
use tollgate_store::{OperationClaim, OutcomeRecord, Recorded, RecoveryChange, StoreError};

/// Writes an outcome: the order, the outcome itself, its place in the recovery queue. Nothing is
/// changed unless the answer is `Written`.
pub(crate) fn record_outcome(connection: &Prepared<'_>, record: &OutcomeRecord) -> Result<Recorded, Failure> {
    let Some(version_before) = record.order.version.checked_sub(1) else {
        return Err(refused("the version of a changed order is at least 2"));
    };
    if record.checkout.is_some() != (record.event == OperationEvent::AuthenticationWanted) {
        return Err(refused("where an authentication is wanted, the outcome has its checkout, and nowhere else"));
    }
    let Some(open) = open_after(connection, record, version_before)? else {
        return Ok(Recorded::Changed);
    };
    if record.recovery == RecoveryChange::EndIfUnsent && recovery_has_begun(connection, record.operation)? {
        // A row in the queue belongs to an operation that is open; still the answer has to be exact.
        let changed = open.guard == Guard::OpenOperation && !is_as_judged(connection, record, version_before)?;
        return Ok(if changed { Recorded::Changed } else { Recorded::RecoveryBegun });
    }
    if !update_order(connection, record, version_before, open)? {
        return Ok(Recorded::Changed);
    }
    let place = place_of_next(connection, record)?;
    insert_outcome(connection, record, place)?;
    if let Some(new) = record.feedback {
        feedback::insert(connection, record, place, new)?;
    }
    message::insert(connection, record.message.as_slice())?;
    change_recovery(connection, record)?;
    free_maintenance_reference(connection, record)?;
    token::settle_intent(connection, record)?;
    agreement::settle(connection, record)?;
    begin_next(connection, record)?;
    if let Some(checkout) = &record.checkout {
        checkout::follow(connection, &record.order, checkout, record.at)?;
    }
    Ok(Recorded::Written)
}

/// Adds the operation that follows at once.
fn begin_next(connection: &Prepared<'_>, record: &OutcomeRecord) -> Result<(), Failure> {
    let Some(next) = &record.next else { return Ok(()) };
    let request = params_text(&next.request)?;
    match claim::claim_operation(connection, next, &request)? {
        OperationClaim::Claimed => Ok(()),
        other => Err(refused(&format!("the operation that follows from an outcome could not be added: {other:?}"))),
    }
}

/// What the order's row says of its open operation after the outcome, and how the row is found.
#[derive(Clone, Copy)]
struct OpenAfter {
    state: Option<OperationState>,
    guard: Guard,
}

/// How it is made sure that the operation still has the state that was judged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// By the order's row alone: the operation is the open one.
    OpenOperation,
    /// It has been looked up: the operation is settled, and this is a correction.
    Settled,
}

/// `None` when a settled operation has another state than the one that was judged.
fn open_after(
    connection: &Prepared<'_>,
    record: &OutcomeRecord,
    version_before: u32,
) -> Result<Option<OpenAfter>, Failure> {
    let open_now = record.order.open_operation;
    if matches!(record.state_before, OperationState::Sent | OperationState::Unknown) {
        return match open_now {
            None => Ok(Some(OpenAfter { state: None, guard: Guard::OpenOperation })),
            Some(open) if open == record.operation => {
                Ok(Some(OpenAfter { state: Some(record.state), guard: Guard::OpenOperation }))
            }
            Some(_) => Err(refused("an outcome opens no other operation")),
        };
    }
    let mut statement = connection.prepare_cached(
        "SELECT orders.open_operation, orders.open_state FROM orders JOIN operations USING (fort_id) \
         WHERE orders.fort_id = ?1 AND orders.version = ?2 AND operations.operation_id = ?3",
    )?;
    let stored = first(statement.query(params![record.order.fort_id.0, version_before, record.operation.0])?, |row| {
        Ok((row.get::<_, Option<i64>>(0)?.map(OperationId), row.get::<_, Option<i64>>(1)?))
    })?;
    let Some((open_before, state_before)) = stored else { return Ok(None) };
    if settled_state(connection, record.operation)? != Some(record.state_before) {
        return Ok(None);
    }
    let state = match open_now {
        None => None,
        Some(open) if open == record.operation => Some(record.state),
        Some(open) if Some(open) == open_before => state_before.map(codes::operation_state).transpose()?,
        Some(_) => return Err(refused("an outcome opens no other operation")),
    };
    Ok(Some(OpenAfter { state, guard: Guard::Settled }))
}

/// `false` when the order's version, its open operation or that operation's state is another.
fn update_order(
    connection: &Prepared<'_>,
    record: &OutcomeRecord,
    version_before: u32,
    open: OpenAfter,
) -> Result<bool, Failure> {
    let sql = match open.guard {
        Guard::OpenOperation => {
            "UPDATE orders SET phase = ?1, authorized = ?2, captured = ?3, refunded = ?4, open_operation = ?5, \
             open_state = ?6, version = ?7, authorization_code = ?8, last_kind = ?9, last_code = ?10, \
             last_network_code = ?11 WHERE fort_id = ?12 AND version = ?13 AND open_operation = ?14 AND open_state = ?15"
        }
        Guard::Settled => {
            "UPDATE orders SET phase = ?1, authorized = ?2, captured = ?3, refunded = ?4, open_operation = ?5, \
             open_state = ?6, version = ?7, authorization_code = ?8, last_kind = ?9, last_code = ?10, \
             last_network_code = ?11 WHERE fort_id = ?12 AND version = ?13 AND ?14 IS NOT NULL AND ?15 IS NOT NULL"
        }
    };
    let order = &record.order;
    let updated = connection.prepare_cached(sql)?.execute(params![
        order.phase.number(),
        codes::amount_number(order.totals.authorized),
        codes::amount_number(order.totals.captured),
        codes::amount_number(order.totals.refunded),
        order.open_operation.map(|operation| operation.0),
        open.state.map(OperationState::number),
        order.version,
        order.authorization_code,
        order.last.kind.number(),
        order.last.code.number(),
        order.last.network_code,
        order.fort_id.0,
        version_before,
        record.operation.0,
        record.state_before.number(),
    ])?;
    Ok(updated == 1)
}

/// The place of a new outcome among those of its operation, from 0.
pub(crate) fn place_of_next(connection: &Prepared<'_>, record: &OutcomeRecord) -> Result<i64, Failure> {
    match record.state_before {
        OperationState::Sent => Ok(0),
        _ => outcomes_of(connection, record.operation),
    }
}

fn insert_outcome(connection: &Prepared<'_>, record: &OutcomeRecord, place: i64) -> Result<(), Failure> {
    let (sql, id) = if place < OUTCOMES_PER_OPERATION_MAX {
        let sql = "INSERT INTO outcomes (outcome_id, event, state, code, network_code, authorization_code, trace, at, \
                   network_transaction_id, advice) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        (sql, first_outcome(record.operation) + place)
    } else {
        let sql = "INSERT INTO outcomes_beyond (operation_id, place, event, state, code, network_code, \
                   authorization_code, trace, at, network_transaction_id, advice) \
                   VALUES (?1, ?11, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        (sql, record.operation.0)
    };
    if place >= OUTCOMES_MAX {
        return Err(refused("an operation has at most 1000 outcomes"));
    }
    let mut statement = connection.prepare_cached(sql)?;
    let values = params![
        id,
        record.event.number(),
        record.state.number(),
        record.code.number(),
        record.network_code,
        record.authorization_code,
        record.trace,
        record.at.0,
        record.network_transaction_id.as_ref().map(NetworkTransactionId::as_str),
        record.advice.map(RetryAdvice::number),
        place,
    ];
    // The first table's numbers hold the place already.
    let used = if place < OUTCOMES_PER_OPERATION_MAX { &values[..10] } else { values };
    statement.execute(used)?;
    Ok(())
}

fn change_recovery(connection: &Prepared<'_>, record: &OutcomeRecord) -> Result<(), Failure> {
    match record.recovery {
        RecoveryChange::None => Ok(()),
        RecoveryChange::Begin { way_out, due_at } => begin_recovery(connection, record, way_out, due_at),
        RecoveryChange::End | RecoveryChange::EndIfUnsent => {
            for sql in
                ["DELETE FROM recoveries WHERE operation_id = ?1", "DELETE FROM proposals WHERE operation_id = ?1"]
            {
                connection.prepare_cached(sql)?.execute([record.operation.0])?;
            }
            Ok(())
        }
    }
}

fn begin_recovery(
    connection: &Prepared<'_>,
    record: &OutcomeRecord,
    way_out: WayOut,
    due_at: Timestamp,
) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO recoveries (operation_id, fort_id, merchant_id, way_out, attempts, due_at, created_at) \
             VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6)",
        )?
        .execute(params![
            record.operation.0,
            record.order.fort_id.0,
            record.order.merchant.0,
            way_out.number(),
            due_at.0,
            record.at.0,
        ])?;
    Ok(())
}

/// A refund that came to nothing gives its reference back.
fn free_maintenance_reference(connection: &Prepared<'_>, record: &OutcomeRecord) -> Result<(), Failure> {
    let is_first = record.operation.0 == record.order.fort_id.0;
    let came_to_nothing =
        matches!(record.state, OperationState::Declined | OperationState::Reversed | OperationState::NotSent);
    if is_first {
        return Ok(());
    }
    if record.event == OperationEvent::ForcedApproved {
        return take_maintenance_reference_back(connection, record);
    }
    if !came_to_nothing {
        return Ok(());
    }
    connection
        .prepare_cached(
            "DELETE FROM maintenance_references WHERE merchant_id = ?1 AND operation_id = ?2 AND reference = \
             (SELECT maintenance_reference FROM operations WHERE operation_id = ?2)",
        )?
        .execute(params![record.order.merchant.0, record.operation.0])?;
    Ok(())
}

/// A refund that was taken for nothing and counts after all has its reference again, unless another
/// refund took it in between.
fn take_maintenance_reference_back(connection: &Prepared<'_>, record: &OutcomeRecord) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO maintenance_references (merchant_id, reference, operation_id) \
             SELECT ?1, maintenance_reference, operation_id FROM operations \
             WHERE operation_id = ?2 AND maintenance_reference IS NOT NULL ON CONFLICT DO NOTHING",
        )?
        .execute(params![record.order.merchant.0, record.operation.0])?;
    Ok(())
}

fn recovery_has_begun(connection: &Prepared<'_>, operation: OperationId) -> Result<bool, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM recoveries WHERE operation_id = ?1 AND attempts > 0")?;
    Ok(statement.exists([operation.0])?)
}

fn is_as_judged(connection: &Prepared<'_>, record: &OutcomeRecord, version_before: u32) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM orders WHERE fort_id = ?1 AND version = ?2 AND open_operation = ?3 AND open_state = ?4",
    )?;
    Ok(statement.exists(params![
        record.order.fort_id.0,
        version_before,
        record.operation.0,
        record.state_before.number(),
    ])?)
}

/// The state that the last outcome of an operation left, if it has one.
pub(crate) fn settled_state(
    connection: &Prepared<'_>,
    operation: OperationId,
) -> Result<Option<OperationState>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT state, outcome_id - ?1 FROM outcomes WHERE outcome_id >= ?1 AND outcome_id < ?2 \
         ORDER BY outcome_id DESC LIMIT 1",
    )?;
    let begin = first_outcome(operation);
    let last: Option<LastOutcome> =
        first(statement.query([begin, begin.saturating_add(OUTCOMES_PER_OPERATION_MAX)])?, |row| {
            Ok(LastOutcome { state: row.get(0)?, place: row.get(1)? })
        })?;
    let Some(mut last) = last else { return Ok(None) };
    if last.place + 1 == OUTCOMES_PER_OPERATION_MAX {
        let mut statement = connection.prepare_cached(
            "SELECT state, place FROM outcomes_beyond WHERE operation_id = ?1 ORDER BY place DESC LIMIT 1",
        )?;
        let beyond =
            first(statement.query([operation.0])?, |row| Ok(LastOutcome { state: row.get(0)?, place: row.get(1)? }))?;
        last = beyond.unwrap_or(last);
    }
    Ok(Some(codes::operation_state(last.state)?))
}

struct LastOutcome {
    state: i64,
    place: i64,
}

/// The number of an operation's first outcome.
pub(crate) fn first_outcome(operation: OperationId) -> i64 {
    // The database keeps operation numbers within 18 digits, eight times which is in range.
    operation.0.saturating_mul(OUTCOMES_PER_OPERATION_MAX)
}

fn outcomes_of(connection: &Prepared<'_>, operation: OperationId) -> Result<i64, Failure> {
    let count = |sql: &'static str, values: &[i64]| -> Result<i64, Failure> {
        let mut statement = connection.prepare_cached(sql)?;
        let found = first(statement.query(rusqlite::params_from_iter(values))?, |row| Ok(row.get(0)?))?;
        found.ok_or_else(|| Failure::Store(unreadable("a count")))
    };
    let begin = first_outcome(operation);
    let within = count(
        "SELECT count(*) FROM outcomes WHERE outcome_id >= ?1 AND outcome_id < ?2",
        &[begin, begin.saturating_add(OUTCOMES_PER_OPERATION_MAX)],
    )?;
    if within < OUTCOMES_PER_OPERATION_MAX {
        return Ok(within);
    }
    Ok(within + count("SELECT count(*) FROM outcomes_beyond WHERE operation_id = ?1", &[operation.0])?)
}

fn refused(rule: &str) -> Failure {
    Failure::Store(StoreError::Refused(rule.to_owned()))
}
