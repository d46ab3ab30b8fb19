//! Reading orders, operations, stories and sums.

use crate::codes;
use crate::failure::{Failure, unreadable};
use crate::outcome::{first_outcome, settled_state};
use crate::prepared::Prepared;
use crate::references::{Recent, orders_of_reference, unfiled};
use crate::rows::{
    self, OUTCOMES_PER_OPERATION_MAX, OrderRow, all, first, limit, operation_columns, order_columns, outcome_columns,
    recovery_columns,
};
use crate::{authentication, refusal};
use rusqlite::params;
use rusqlite::types::ValueRef;
use tollgate_core::command::{OrderTarget, SafeParams};
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::order::{Operation, OperationState, Order, Phase};
use tollgate_core::time::Timestamp;
use tollgate_store::{
    Attempt, AttemptResult, CurrencyTotals, LifeId, StoredOperation, StoredOrder, Story, StoryOperation, StoryOutcome,
    Unfinished, Whose,
};

/// The order that `target` names, if it is this merchant's.
pub(crate) fn order(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    target: &OrderTarget,
    recent: Recent,
) -> Result<Option<StoredOrder>, Failure> {
    let found = match target {
        OrderTarget::Reference(reference) => order_of_reference(connection, merchant, reference, recent)?,
        OrderTarget::FortId(fort_id) | OrderTarget::Both(_, fort_id) => {
            let is_meant = |order: &Order| order.merchant == merchant && !order.kind.is_verification();
            order_row(connection, *fort_id)?.filter(|row| is_meant(&row.stored.order))
        }
    };
    Ok(found.map(|row| row.stored))
}

fn order_of_reference(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    reference: &str,
    recent: Recent,
) -> Result<Option<OrderRow>, Failure> {
    if let Recent::HeldBy(fort_id) = recent
        && let Some(row) = order_row(connection, fort_id)?
    {
        return Ok(Some(row));
    }
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        order_columns!(),
        " FROM orders WHERE fort_id = \
         (SELECT fort_id FROM order_references WHERE merchant_reference = ?1 AND merchant_id = ?2)"
    ))?;
    let row = first(statement.query(params![reference, merchant.0])?, rows::stored_order)?;
    if row.is_some() || recent != Recent::Unknown {
        return Ok(row);
    }
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        order_columns!(),
        " FROM orders WHERE merchant_reference = ?1 AND merchant_id = ?2 AND ",
        unfiled!()
    ))?;
    first(statement.query(params![reference, merchant.0])?, rows::stored_order)
}

/// The newest verification of a merchant under this reference.
pub(crate) fn verification(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    reference: &str,
) -> Result<Option<Order>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        order_columns!(),
        " FROM orders WHERE merchant_reference = ?1 AND merchant_id = ?2 AND kind >= 2 ORDER BY fort_id DESC LIMIT 1"
    ))?;
    let found = first(statement.query(params![reference, merchant.0])?, rows::stored_order)?;
    Ok(found.map(|row| row.stored.order))
}

/// One operation with its order.
pub(crate) fn operation(connection: &Prepared<'_>, id: OperationId) -> Result<Option<StoredOperation>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        operation_columns!(),
        ", operations.owner FROM operations WHERE operation_id = ?1"
    ))?;
    let found = first(statement.query([id.0])?, |row| {
        Ok((rows::operation(row, OperationState::Sent)?, LifeId(row.get("owner")?)))
    })?;
    let Some((mut operation, owner)) = found else { return Ok(None) };
    let row = order_row(connection, operation.fort_id)?.ok_or_else(|| unreadable("operations.fort_id"))?;
    operation.state = state_of(connection, &row, id)?;
    Ok(Some(StoredOperation { stored: row.stored, operation, owner }))
}

/// What feedback tells of an operation.
pub(crate) struct OperationTold {
    /// Its order as it is now.
    pub(crate) order: Order,
    /// The operation.
    pub(crate) operation: Operation,
    /// The parameters that asked for it.
    pub(crate) request: SafeParams,
    /// Its outcomes, oldest first.
    pub(crate) outcomes: Vec<StoryOutcome>,
}

/// One operation with its order, its request and its outcomes.
pub(crate) fn operation_told(connection: &Prepared<'_>, id: OperationId) -> Result<Option<OperationTold>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        operation_columns!(),
        ", operations.request FROM operations WHERE operation_id = ?1"
    ))?;
    let found = first(statement.query([id.0])?, |row| {
        Ok((rows::operation(row, OperationState::Sent)?, request(row.get_ref(8)?)?))
    })?;
    let Some((mut operation, request)) = found else { return Ok(None) };
    let row = order_row(connection, operation.fort_id)?.ok_or_else(|| unreadable("operations.fort_id"))?;
    let outcomes = outcomes(connection, id)?;
    operation.state = match open_state(&row, id) {
        Some(state) => state,
        None => outcomes.last().ok_or_else(|| unreadable("an operation's last outcome"))?.state,
    };
    Ok(Some(OperationTold { order: row.stored.order, operation, request, outcomes }))
}

/// Sent operations without an outcome, oldest first.
pub(crate) fn unfinished(connection: &Prepared<'_>, whose: Whose, rows_max: usize) -> Result<Vec<Unfinished>, Failure> {
    let sql = match whose {
        Whose::Everybody { .. } => concat!(
            "SELECT ",
            operation_columns!(),
            " FROM orders JOIN operations ON operations.operation_id = orders.open_operation \
             WHERE orders.open_state = 0 AND operations.sent_at < ?1 AND ?3 IS NOT NULL \
             ORDER BY operations.sent_at, operations.operation_id LIMIT ?2"
        ),
        Whose::Lost { .. } => concat!(
            "SELECT ",
            operation_columns!(),
            " FROM orders JOIN operations ON operations.operation_id = orders.open_operation \
             LEFT JOIN lives ON lives.life = operations.owner AND lives.ended_at IS NULL \
             WHERE orders.open_state = 0 AND (lives.life IS NULL OR (lives.life = ?3 AND operations.sent_at < ?1)) \
             ORDER BY orders.open_operation LIMIT ?2"
        ),
    };
    let (before, finder) = match whose {
        Whose::Everybody { before } => (before, LifeId::NONE),
        Whose::Lost { finder, own_before } => (own_before, finder),
    };
    let mut statement = connection.prepare_cached(sql)?;
    let operations: Vec<Operation> = all(statement.query(params![before.0, limit(rows_max), finder.0])?, |row| {
        rows::operation(row, OperationState::Sent)
    })?;
    operations
        .into_iter()
        .map(|operation| {
            let row = order_row(connection, operation.fort_id)?.ok_or_else(|| unreadable("operations.fort_id"))?;
            Ok(Unfinished { order: row.stored.order, operation })
        })
        .collect()
}

/// Everything about one order.
pub(crate) fn story(connection: &Prepared<'_>, fort_id: FortId) -> Result<Option<Story>, Failure> {
    let Some(row) = order_row(connection, fort_id)? else { return Ok(None) };
    // The first operation has the order's number and no entry in the index of the later ones.
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        operation_columns!(),
        ", operations.request FROM operations WHERE operation_id = ?1 AND fort_id = ?1"
    ))?;
    let mut operations = all(statement.query([fort_id.0])?, |found| story_operation(connection, &row, found))?;
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        operation_columns!(),
        ", operations.request FROM operations WHERE fort_id = ?1 AND operation_id <> fort_id ORDER BY operation_id"
    ))?;
    operations.extend(all(statement.query([fort_id.0])?, |found| story_operation(connection, &row, found))?);
    let order = row.stored.order;
    let refusals = refusal::of_order(connection, &order)?;
    Ok(Some(Story { order, operations, refusals }))
}

/// Orders with this reference, newest first.
pub(crate) fn orders_by_reference(
    connection: &Prepared<'_>,
    reference: &str,
    rows_max: usize,
) -> Result<Vec<FortId>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT fort_id, created_at FROM orders WHERE fort_id IN (",
        orders_of_reference!(),
        ") ORDER BY created_at DESC, fort_id DESC LIMIT ?2",
    ))?;
    all(statement.query(params![reference, limit(rows_max)])?, |row| Ok(FortId(row.get(0)?)))
}

/// The sums of all orders by currency, by its alphabetic code. Goes over the whole table.
pub(crate) fn totals(connection: &Prepared<'_>) -> Result<Vec<CurrencyTotals>, Failure> {
    // What counts as held is the rule of `tollgate_store::held_amount`.
    let mut statement = connection.prepare_cached(
        "SELECT currency, count(*), count(open_operation), \
         sum(CASE WHEN phase IN (?1, ?2) THEN authorized - captured ELSE 0 END), sum(captured), sum(refunded) \
         FROM orders GROUP BY currency",
    )?;
    let phases = [Phase::Authorized.number(), Phase::Captured.number()];
    let mut totals = all(statement.query(phases)?, |row| {
        let sum = |place: usize| -> Result<u64, Failure> {
            let value: i64 = row.get(place)?;
            Ok(u64::try_from(value).map_err(|_| unreadable("a sum of orders"))?)
        };
        Ok(CurrencyTotals {
            currency: codes::currency(row.get(0)?)?,
            orders: sum(1)?,
            unsettled: sum(2)?,
            held: sum(3)?,
            captured: sum(4)?,
            refunded: sum(5)?,
        })
    })?;
    totals.sort_by_key(|totals| totals.currency);
    Ok(totals)
}

pub(crate) fn order_row(connection: &Prepared<'_>, fort_id: FortId) -> Result<Option<OrderRow>, Failure> {
    let mut statement =
        connection.prepare_cached(concat!("SELECT ", order_columns!(), " FROM orders WHERE fort_id = ?1"))?;
    first(statement.query([fort_id.0])?, rows::stored_order)
}

/// An operation's state: the order's row has that of the open one, the outcomes that of the others.
fn state_of(connection: &Prepared<'_>, row: &OrderRow, id: OperationId) -> Result<OperationState, Failure> {
    match open_state(row, id) {
        Some(state) => Ok(state),
        None => settled_state(connection, id)?.ok_or_else(|| Failure::Store(unreadable("an operation's last outcome"))),
    }
}

fn open_state(row: &OrderRow, id: OperationId) -> Option<OperationState> {
    row.open_state.filter(|_| row.stored.order.open_operation == Some(id))
}

fn request(value: ValueRef<'_>) -> Result<SafeParams, Failure> {
    let text = value.as_str().map_err(|_| unreadable("operations.request"))?;
    Ok(rows::params(text)?)
}

fn story_operation(
    connection: &Prepared<'_>,
    order: &OrderRow,
    row: &rusqlite::Row<'_>,
) -> Result<StoryOperation, Failure> {
    let mut operation = rows::operation(row, OperationState::Sent)?;
    operation.state = state_of(connection, order, operation.id)?;
    let request = request(row.get_ref(8)?)?;
    let id = operation.id;
    Ok(StoryOperation {
        operation,
        request,
        authentication: authentication::of_operation(connection, id)?,
        outcomes: outcomes(connection, id)?,
        recovery: recovery(connection, id)?,
        attempts: attempts(connection, id)?,
    })
}

/// The outcomes of an operation, oldest first.
pub(crate) fn outcomes(connection: &Prepared<'_>, operation: OperationId) -> Result<Vec<StoryOutcome>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        outcome_columns!(),
        " FROM outcomes LEFT JOIN corrections ON operation_id = ?3 AND place = outcome_id - ?1 \
         WHERE outcome_id >= ?1 AND outcome_id < ?2 ORDER BY outcome_id"
    ))?;
    let begin = first_outcome(operation);
    let end = begin.saturating_add(OUTCOMES_PER_OPERATION_MAX);
    let mut outcomes = all(statement.query([begin, end, operation.0])?, rows::outcome)?;
    if limit(outcomes.len()) < OUTCOMES_PER_OPERATION_MAX {
        return Ok(outcomes);
    }
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        outcome_columns!(),
        " FROM outcomes_beyond LEFT JOIN corrections USING (operation_id, place) WHERE operation_id = ?1 ORDER BY place"
    ))?;
    outcomes.extend(all(statement.query([operation.0])?, rows::outcome)?);
    Ok(outcomes)
}

fn recovery(connection: &Prepared<'_>, operation: OperationId) -> Result<Option<tollgate_store::RecoveryRow>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        recovery_columns!(),
        " FROM recoveries WHERE operation_id = ?1"
    ))?;
    first(statement.query([operation.0])?, rows::recovery)
}

fn attempts(connection: &Prepared<'_>, operation: OperationId) -> Result<Vec<Attempt>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT number, result, trace, at FROM recovery_attempts WHERE operation_id = ?1 ORDER BY number",
    )?;
    all(statement.query([operation.0])?, |row| {
        let result: String = row.get(1)?;
        Ok(Attempt {
            operation,
            number: row.get(0)?,
            result: AttemptResult::from_text(&result).ok_or_else(|| unreadable("recovery_attempts.result"))?,
            trace: row.get(2)?,
            at: Timestamp(row.get(3)?),
        })
    })
}
