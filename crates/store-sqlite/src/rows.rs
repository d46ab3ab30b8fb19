//! Rows to values. Columns are read by place, in the order of the column lists beside them.

use crate::codes;
use crate::failure::{Failure, unreadable};
use rusqlite::Row;
use tollgate_core::card::CardFacts;
use tollgate_core::command::SafeParams;
use tollgate_core::credential::{NetworkTransactionId, OrderCredential};
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::money::Money;
use tollgate_core::order::{LastOperation, Operation, OperationState, Order, Totals, WireReference};
use tollgate_core::time::Timestamp;
use tollgate_core::token::{OrderToken, TokenRole};
use tollgate_store::{Correction, RecoveryRow, StoreError, StoredOrder, StoryOutcome};
use tollgate_vault::SealedCard;

/// The columns that [`stored_order`] reads, from place 0.
macro_rules! order_columns {
    () => {
        "orders.fort_id, orders.merchant_id, orders.merchant_reference, orders.kind, orders.currency, orders.amount, \
         orders.eci, orders.brand, orders.card_mask, orders.card_expiry, orders.card_holder, orders.card_sealed, \
         orders.phase, orders.authorized, orders.captured, orders.refunded, orders.open_operation, orders.open_state, \
         orders.version, orders.authorization_code, orders.stan, orders.rrn, orders.sent_at, orders.last_kind, \
         orders.last_code, orders.last_network_code, orders.created_at, \
         orders.token_name, orders.token_role, orders.channel, orders.credential"
    };
}
pub(crate) use order_columns;

/// The columns that [`operation`] reads, from place 0.
macro_rules! operation_columns {
    () => {
        "operations.operation_id, operations.fort_id, operations.kind, operations.currency, operations.amount, \
         operations.stan, operations.rrn, operations.sent_at"
    };
}
pub(crate) use operation_columns;

/// The columns that [`recovery`] reads, from place 0.
macro_rules! recovery_columns {
    () => {
        "operation_id, fort_id, merchant_id, way_out, attempts, due_at, created_at"
    };
}
pub(crate) use recovery_columns;

/// The columns that [`outcome`] reads, from place 0: those of an outcome, and of its correction.
macro_rules! outcome_columns {
    () => {
        "event, state, code, network_code, authorization_code, trace, at, reason, evidence, evidence_sha256, made_by, \
         approved_by, network_transaction_id, advice"
    };
}
pub(crate) use outcome_columns;

/// How many outcomes of one operation the table of outcomes has numbers for: `operation_id * 8` and the
/// seven after. What comes later goes into a table of its own.
pub(crate) const OUTCOMES_PER_OPERATION_MAX: i64 = 8;
/// How many outcomes one operation can have at all: an operator who corrects more often than that has
/// another problem.
pub(crate) const OUTCOMES_MAX: i64 = 1000;

/// An order with its open operation's state, as its row has it.
pub(crate) struct OrderRow {
    /// The order and its card.
    pub(crate) stored: StoredOrder,
    /// The state of the open operation, if one is open.
    pub(crate) open_state: Option<OperationState>,
}

/// Reads a row of [`order_columns`].
pub(crate) fn stored_order(row: &Row<'_>) -> Result<OrderRow, Failure> {
    let currency = codes::currency(row.get(4)?)?;
    let order = Order {
        fort_id: FortId(row.get(0)?),
        merchant: MerchantId(row.get(1)?),
        merchant_reference: row.get(2)?,
        kind: codes::pay_kind(row.get(3)?)?,
        money: Money { amount: codes::amount(row.get(5)?)?, currency },
        eci: codes::eci(row.get(6)?)?,
        channel: codes::channel(row.get(29)?)?,
        card: card_of(row, 7)?,
        token: order_token(row)?,
        credential: credential(row)?,
        phase: codes::phase(row.get(12)?)?,
        totals: Totals {
            authorized: codes::amount(row.get(13)?)?,
            captured: codes::amount(row.get(14)?)?,
            refunded: codes::amount(row.get(15)?)?,
        },
        open_operation: row.get::<_, Option<i64>>(16)?.map(OperationId),
        version: row.get(18)?,
        authorization_code: row.get(19)?,
        original: wire(row, 20)?,
        last: LastOperation {
            kind: codes::operation_kind(row.get(23)?)?,
            code: codes::response_code(row.get(24)?)?,
            network_code: row.get(25)?,
        },
        created_at: Timestamp(row.get(26)?),
    };
    let open_state = row.get::<_, Option<i64>>(17)?.map(codes::operation_state).transpose()?;
    let sealed: Vec<u8> = row.get(11)?;
    let card = (!sealed.is_empty()).then(|| SealedCard::from_bytes(sealed));
    Ok(OrderRow { stored: StoredOrder { order, card }, open_state })
}

/// The card of an order or of a try, whose four columns begin at `from`; they are empty where none is known.
pub(crate) fn card_of(row: &Row<'_>, from: usize) -> Result<Option<CardFacts>, Failure> {
    let mask: String = row.get(from + 1)?;
    if mask.is_empty() {
        return Ok(None);
    }
    let brand = codes::brand(row.get(from)?)?;
    Ok(Some(CardFacts { brand, mask, expiry: row.get(from + 2)?, holder: row.get(from + 3)? }))
}

/// The columns of an order's card as they are written.
pub(crate) struct CardColumns<'a> {
    pub(crate) brand: i64,
    pub(crate) mask: &'a str,
    pub(crate) expiry: &'a str,
    pub(crate) holder: Option<&'a str>,
}

impl CardColumns<'_> {
    /// Those of a card, or of none yet.
    pub(crate) fn of(card: Option<&CardFacts>) -> CardColumns<'_> {
        match card {
            None => CardColumns { brand: 0, mask: "", expiry: "", holder: None },
            Some(card) => CardColumns {
                brand: codes::brand_number(card.brand),
                mask: &card.mask,
                expiry: &card.expiry,
                holder: card.holder.as_deref(),
            },
        }
    }
}

fn order_token(row: &Row<'_>) -> Result<Option<OrderToken>, Failure> {
    let Some(name) = row.get::<_, Option<String>>(27)? else { return Ok(None) };
    let role = row.get::<_, Option<u8>>(28)?.and_then(TokenRole::from_number);
    Ok(Some(OrderToken { name, role: role.ok_or_else(|| unreadable("orders.token_role"))? }))
}

/// What an order has to do with a kept card, as it is kept.
pub(crate) fn credential_text(order: &Order) -> Result<Option<String>, StoreError> {
    let text = order.credential.as_ref().map(serde_json::to_string).transpose();
    text.map_err(|_| StoreError::Refused("what an order has to do with a kept card cannot be written".to_owned()))
}

fn credential(row: &Row<'_>) -> Result<Option<Box<OrderCredential>>, Failure> {
    let Some(text) = row.get::<_, Option<String>>(30)? else { return Ok(None) };
    Ok(Some(serde_json::from_str(&text).map_err(|_| unreadable("orders.credential"))?))
}

/// How the network named a payment.
pub(crate) fn network_id(text: String) -> Result<NetworkTransactionId, StoreError> {
    NetworkTransactionId::parse(&text).ok_or_else(|| unreadable("a network transaction id"))
}

/// Reads a row of [`operation_columns`]; the state is not among them.
pub(crate) fn operation(row: &Row<'_>, state: OperationState) -> Result<Operation, Failure> {
    operation_at(row, 0, state)
}

/// The same where the columns begin at `from`.
pub(crate) fn operation_at(row: &Row<'_>, from: usize, state: OperationState) -> Result<Operation, Failure> {
    Ok(Operation {
        id: OperationId(row.get(from)?),
        fort_id: FortId(row.get(from + 1)?),
        kind: codes::operation_kind(row.get(from + 2)?)?,
        money: Money { currency: codes::currency(row.get(from + 3)?)?, amount: codes::amount(row.get(from + 4)?)? },
        state,
        wire: wire(row, from + 5)?,
    })
}

/// Reads a row of [`outcome_columns`].
pub(crate) fn outcome(row: &Row<'_>) -> Result<StoryOutcome, Failure> {
    Ok(StoryOutcome {
        event: codes::operation_event(row.get(0)?)?,
        state: codes::operation_state(row.get(1)?)?,
        code: codes::response_code(row.get(2)?)?,
        network_code: row.get(3)?,
        authorization_code: row.get(4)?,
        network_transaction_id: row.get::<_, Option<String>>(12)?.map(network_id).transpose()?,
        advice: row.get::<_, Option<i64>>(13)?.map(codes::advice).transpose()?,
        trace: row.get(5)?,
        at: Timestamp(row.get(6)?),
        correction: row
            .get::<_, Option<String>>(7)?
            .map(|reason| {
                Ok::<_, Failure>(Correction {
                    reason,
                    evidence: row.get(8)?,
                    evidence_sha256: row.get(9)?,
                    by: row.get(10)?,
                    approved_by: row.get(11)?,
                })
            })
            .transpose()?,
    })
}

/// Reads a row of [`recovery_columns`].
pub(crate) fn recovery(row: &Row<'_>) -> Result<RecoveryRow, Failure> {
    Ok(RecoveryRow {
        operation: OperationId(row.get(0)?),
        fort_id: FortId(row.get(1)?),
        merchant: MerchantId(row.get(2)?),
        way_out: codes::way_out(row.get(3)?)?,
        attempts: row.get(4)?,
        due_at: Timestamp(row.get(5)?),
        created_at: Timestamp(row.get(6)?),
    })
}

/// Request parameters as they are kept: a JSON object of texts, in message order.
pub(crate) fn params_text(params: &SafeParams) -> Result<String, StoreError> {
    serde_json::to_string(params).map_err(|_| StoreError::Refused("the request cannot be kept as JSON".to_owned()))
}

/// Reads [`params_text`].
pub(crate) fn params(text: &str) -> Result<SafeParams, StoreError> {
    serde_json::from_str(text).map_err(|_| unreadable("a stored request"))
}

/// A limit as SQL takes it.
pub(crate) fn limit(rows_max: usize) -> i64 {
    i64::try_from(rows_max).unwrap_or(i64::MAX)
}

/// Reads all rows of a query with `read`.
pub(crate) fn all<T>(
    mut rows: rusqlite::Rows<'_>,
    read: impl Fn(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        values.push(read(row)?);
    }
    Ok(values)
}

/// Reads the first row of a query with `read`, if there is one.
pub(crate) fn first<T>(
    mut rows: rusqlite::Rows<'_>,
    read: impl Fn(&Row<'_>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    rows.next()?.map(read).transpose()
}

fn wire(row: &Row<'_>, place: usize) -> Result<WireReference, Failure> {
    let rrn = row.get_ref(place + 1)?;
    let rrn = rrn.as_str().map_err(|_| unreadable("an RRN"))?;
    Ok(WireReference {
        stan: codes::stan(row.get(place)?)?,
        rrn: codes::rrn(rrn)?,
        sent_at: Timestamp(row.get(place + 2)?),
    })
}
