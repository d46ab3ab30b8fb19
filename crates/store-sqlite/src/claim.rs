//! Making orders and adding operations: the intent, durable before the message may be sent.

use crate::codes;
use crate::failure::Failure;
use crate::prepared::Prepared;
use crate::references::References;
use crate::rows::{CardColumns, credential_text, first};
use crate::{agreement, authentication, batch, route, schedule, token};
use rusqlite::params;
use tollgate_core::ident::{MerchantId, OperationId};
use tollgate_core::order::{Operation, OperationState, Order};
use tollgate_store::{LifeId, NewOperation, NewOrder, OperationClaim, OrderClaim, StoreError};

/// Makes an order and its first operation. Nothing is changed unless the answer is `Claimed`.
pub(crate) fn claim_order(
    connection: &Prepared<'_>,
    references: &References,
    new: &NewOrder,
    request: &str,
) -> Result<OrderClaim, Failure> {
    let holder = || references.holder(connection, new.order.merchant, &new.order.merchant_reference);
    if new.operation.id.0 != new.order.fort_id.0 || new.order.open_operation != Some(new.operation.id) {
        return Err(refused("the first operation of an order is open and has the order's number"));
    }
    if !agreement::is_as_judged(connection, new)? {
        let taken = holder()?;
        return Ok(taken.map_or(OrderClaim::AgreementChanged, OrderClaim::ReferenceTaken));
    }
    if !schedule::is_as_judged(connection, new)? {
        return Ok(OrderClaim::ScheduleChanged);
    }
    if let Some(row) = new.batch_row
        && !batch::may_begin(connection, row)?
    {
        return Ok(OrderClaim::RowTaken);
    }
    let state = Some(new.operation.state);
    if !insert_order(connection, references, &new.order, state, new.card.as_bytes())? {
        // A verification claims no reference: there it can only be the number.
        let taken = match new.order.kind.is_verification() {
            true => None,
            false => holder()?,
        };
        return Ok(taken.map_or(OrderClaim::NumberTaken, OrderClaim::ReferenceTaken));
    }
    if insert_operation(connection, &new.operation, None, request, new.owner)? {
        token::insert_intent(connection, new)?;
        agreement::insert_intent(connection, new)?;
        schedule::insert_intent(connection, new)?;
        authentication::insert(connection, new.operation.id, new.authentication.as_ref())?;
        if let Some(route) = new.route {
            route::note_order(connection, &new.order, route)?;
        }
        if let Some(row) = new.batch_row {
            batch::begin_row(connection, row, new.operation.id)?;
        }
        return Ok(OrderClaim::Claimed);
    }
    // The number is that of a later operation of another order: take the order back.
    take_back(connection, references, &new.order)?;
    Ok(OrderClaim::NumberTaken)
}

/// Adds an operation to an order. Nothing is changed unless the answer is `Claimed`. An order that
/// has changed is told before a reference that is taken, and that before a number that is taken.
pub(crate) fn claim_operation(
    connection: &Prepared<'_>,
    new: &NewOperation,
    request: &str,
) -> Result<OperationClaim, Failure> {
    if let Some(row) = new.batch_row
        && !batch::may_begin(connection, row)?
    {
        return Ok(OperationClaim::RowTaken);
    }
    if !order_is_as_judged(connection, new)? {
        return Ok(OperationClaim::OrderChanged);
    }
    if let Some(reference) = &new.maintenance_reference
        && let Some(taken) = operation_of_reference(connection, new.merchant, reference)?
    {
        return Ok(OperationClaim::MaintenanceReferenceTaken(taken));
    }
    // Orders and operations share one range of numbers: the first operation of an order has its number.
    if !insert_operation(connection, &new.operation, new.maintenance_reference.as_deref(), request, new.owner)? {
        return Ok(OperationClaim::NumberTaken);
    }
    connection
        .prepare_cached(
            "UPDATE orders SET open_operation = ?2, open_state = ?3, version = version + 1 WHERE fort_id = ?1",
        )?
        .execute(params![new.operation.fort_id.0, new.operation.id.0, new.operation.state.number()])?;
    authentication::insert(connection, new.operation.id, new.authentication.as_ref())?;
    if let Some(row) = new.batch_row {
        batch::begin_row(connection, row, new.operation.id)?;
    }
    if let Some(reference) = &new.maintenance_reference {
        connection
            .prepare_cached(
                "INSERT INTO maintenance_references (merchant_id, reference, operation_id) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![new.merchant.0, reference, new.operation.id.0])?;
    }
    Ok(OperationClaim::Claimed)
}

/// Makes an order that claims its reference, unless it is a verification. `false`, and nothing is changed, when the number or
/// the merchant's reference is taken.
pub(crate) fn insert_order(
    connection: &Prepared<'_>,
    references: &References,
    order: &Order,
    open_state: Option<OperationState>,
    sealed: &[u8],
) -> Result<bool, Failure> {
    if order.kind.is_verification() {
        return insert_order_row(connection, order, open_state, sealed);
    }
    let held = references.unfiled_holder(connection, order.merchant, &order.merchant_reference)?;
    // What is filed is looked for by the insert itself.
    let made = held.is_none() && insert_order_row(connection, order, open_state, sealed)?;
    if made {
        references.claim(connection, order)?;
    }
    Ok(made)
}

/// Takes back an order that the same transaction has made.
pub(crate) fn take_back(connection: &Prepared<'_>, references: &References, order: &Order) -> Result<(), Failure> {
    connection.prepare_cached("DELETE FROM orders WHERE fort_id = ?1")?.execute([order.fort_id.0])?;
    if order.kind.is_verification() { Ok(()) } else { references.give_back(connection, order) }
}

/// `false` when the number is taken, or the reference of a payment by an order that is filed.
fn insert_order_row(
    connection: &Prepared<'_>,
    order: &Order,
    open_state: Option<OperationState>,
    sealed: &[u8],
) -> Result<bool, Failure> {
    let Order { totals, original, last, .. } = order;
    let card = CardColumns::of(order.card.as_ref());
    let inserted = connection
        .prepare_cached(
            "INSERT INTO orders (fort_id, merchant_id, merchant_reference, kind, currency, amount, eci, brand, \
             card_mask, card_expiry, card_holder, card_sealed, phase, authorized, captured, refunded, open_operation, \
             open_state, version, authorization_code, stan, rrn, sent_at, last_kind, last_code, last_network_code, \
             created_at, token_name, token_role, channel, credential) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, \
             ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31 WHERE ?4 >= 2 OR NOT EXISTS (SELECT 1 FROM \
             order_references WHERE merchant_reference = ?3 AND merchant_id = ?2) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            order.fort_id.0,
            order.merchant.0,
            order.merchant_reference,
            codes::pay_kind_number(order.kind),
            order.money.currency.numeric(),
            codes::amount_number(order.money.amount),
            codes::eci_number(order.eci),
            card.brand,
            card.mask,
            card.expiry,
            card.holder,
            sealed,
            order.phase.number(),
            codes::amount_number(totals.authorized),
            codes::amount_number(totals.captured),
            codes::amount_number(totals.refunded),
            order.open_operation.map(|operation| operation.0),
            open_state.map(OperationState::number),
            order.version,
            order.authorization_code,
            original.stan.number(),
            original.rrn.as_str(),
            original.sent_at.0,
            last.kind.number(),
            last.code.number(),
            last.network_code,
            order.created_at.0,
            order.token.as_ref().map(|token| &token.name),
            order.token.as_ref().map(|token| token.role.number()),
            order.channel.number(),
            credential_text(order)?,
        ])?;
    Ok(inserted == 1)
}

/// `false` when the number is taken.
pub(crate) fn insert_operation(
    connection: &Prepared<'_>,
    operation: &Operation,
    maintenance_reference: Option<&str>,
    request: &str,
    owner: LifeId,
) -> Result<bool, Failure> {
    let inserted = connection
        .prepare_cached(
            "INSERT INTO operations (operation_id, fort_id, kind, currency, amount, stan, rrn, sent_at, \
             maintenance_reference, request, owner) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            operation.id.0,
            operation.fort_id.0,
            operation.kind.number(),
            operation.money.currency.numeric(),
            codes::amount_number(operation.money.amount),
            operation.wire.stan.number(),
            operation.wire.rrn.as_str(),
            operation.wire.sent_at.0,
            maintenance_reference,
            request,
            owner.0,
        ])?;
    Ok(inserted == 1)
}

fn order_is_as_judged(connection: &Prepared<'_>, new: &NewOperation) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM orders WHERE fort_id = ?1 AND merchant_id = ?2 AND version = ?3 AND open_operation IS NULL",
    )?;
    Ok(statement.exists(params![new.operation.fort_id.0, new.merchant.0, new.order_version])?)
}

fn operation_of_reference(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    reference: &str,
) -> Result<Option<OperationId>, Failure> {
    let mut statement = connection
        .prepare_cached("SELECT operation_id FROM maintenance_references WHERE merchant_id = ?1 AND reference = ?2")?;
    first(statement.query(params![merchant.0, reference])?, |row| Ok(OperationId(row.get(0)?)))
}

fn refused(rule: &str) -> Failure {
    Failure::Store(StoreError::Refused(rule.to_owned()))
}
