//! Agreements, and what the intents and outcomes of payments do to them.

use crate::codes;
use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::rows::{all, first, limit, network_id};
use crate::schedule;
use crate::token::{self, Paid};
use rusqlite::{Row, params};
use tollgate_core::agreement::{
    Agreement, AgreementEnd, AgreementNumber, AgreementRole, AgreementState, AgreementTerms, Day, EndReason,
    OrderAgreement,
};
use tollgate_core::credential::{MissingNote, TokenNote};
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::money::Money;
use tollgate_core::order::{OperationState, Order};
use tollgate_core::time::Timestamp;
use tollgate_core::token::TokenId;
use tollgate_store::{
    AgreementCharge, AgreementFilter, AgreementIntent, ChargeState, NewOrder, NextCard, OutcomeRecord, StoreError,
};

/// The columns that [`agreement`] reads, from place 0.
macro_rules! agreement_columns {
    () => {
        "agreement, merchant_id, id, mode, currency, amount, charges_max, last_day, days_between_min, token_name, \
         token_since, token_id, opened_by, opened_at, network_transaction_id, state, ended_why, ended_at, charges, \
         charges_open, paid_at, version"
    };
}

/// `state` of an agreement whose payment is not settled.
const OPENING: i64 = 0;
/// `state` of one that may be charged.
const ACTIVE: i64 = 1;
/// `state` of one that is over.
const ENDED: i64 = 2;

/// The agreement of a merchant with this name.
pub(crate) fn by_name(connection: &Prepared<'_>, merchant: MerchantId, id: &str) -> Result<Option<Agreement>, Failure> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        agreement_columns!(),
        " FROM agreements WHERE merchant_id = ?1 AND id = ?2"
    ))?;
    first(statement.query(params![merchant.0, id])?, agreement)
}

/// The agreement of this number.
pub(crate) fn by_number(connection: &Prepared<'_>, number: AgreementNumber) -> Result<Option<Agreement>, Failure> {
    let mut statement =
        connection.prepare_cached(concat!("SELECT ", agreement_columns!(), " FROM agreements WHERE agreement = ?1"))?;
    first(statement.query([number.0])?, agreement)
}

/// Agreements that fit a filter, in the order of their numbers.
pub(crate) fn list(connection: &Prepared<'_>, filter: &AgreementFilter) -> Result<Vec<Agreement>, Failure> {
    let sql = match filter.token_name {
        None => concat!(
            "SELECT ",
            agreement_columns!(),
            " FROM agreements WHERE merchant_id = ?1 AND ?2 IS NULL AND agreement > ?3 ORDER BY agreement LIMIT ?4"
        ),
        Some(_) => concat!(
            "SELECT ",
            agreement_columns!(),
            " FROM agreements WHERE merchant_id = ?1 AND token_name = ?2 AND agreement > ?3 ORDER BY agreement LIMIT ?4"
        ),
    };
    let after = filter.after.map_or(i64::MIN, |after| after.0);
    let mut statement = connection.prepare_cached(sql)?;
    all(statement.query(params![filter.merchant.0, filter.token_name, after, limit(filter.limit)])?, agreement)
}

/// The charges of an agreement that count, newest first.
pub(crate) fn charges(
    connection: &Prepared<'_>,
    agreement: AgreementNumber,
    rows_max: usize,
) -> Result<Vec<AgreementCharge>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT fort_id, at, succeeded FROM agreement_charges WHERE agreement = ?1 ORDER BY fort_id DESC LIMIT ?2",
    )?;
    all(statement.query(params![agreement.0, limit(rows_max)])?, |row| {
        let state = if row.get(2)? { ChargeState::Succeeded } else { ChargeState::Open };
        Ok(AgreementCharge { fort_id: FortId(row.get(0)?), at: Timestamp(row.get(1)?), state })
    })
}

/// Ends an agreement that is active.
pub(crate) fn end(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    id: &str,
    end: AgreementEnd,
) -> Result<Option<Agreement>, Failure> {
    let Some(found) = by_name(connection, merchant, id)? else { return Ok(None) };
    if end_numbered(connection, found.number, end.why, end.at)? == Ended::Now {
        schedule::end(connection, found.number, end.at)?;
    }
    by_name(connection, merchant, id)
}

/// Whether an agreement was ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It is.
    Now,
    /// It was not active.
    Not,
}

/// Ends an agreement that is active, and leaves its schedule alone.
pub(crate) fn end_numbered(
    connection: &Prepared<'_>,
    number: AgreementNumber,
    why: EndReason,
    at: Timestamp,
) -> Result<Ended, Failure> {
    let ended = connection
        .prepare_cached(
            "UPDATE agreements SET state = ?2, ended_why = ?3, ended_at = ?4, version = version + 1 \
             WHERE agreement = ?1 AND state = ?5",
        )?
        .execute(params![number.0, ENDED, why.number(), at.0, ACTIVE])?;
    Ok(if ended == 1 { Ended::Now } else { Ended::Not })
}

/// Puts another card in the place of an agreement's. Charges go back to what the network called a payment with that card.
pub(crate) fn put_card(connection: &Prepared<'_>, number: AgreementNumber, card: &NextCard) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "UPDATE agreements SET token_name = ?2, token_since = ?3, token_id = ?4, network_transaction_id = NULL, \
             version = version + 1 WHERE agreement = ?1",
        )?
        .execute(params![number.0, card.token_name, card.token_since.0, card.token_id.0])?;
    Ok(())
}

/// The agreements of a token that has another name now.
pub(crate) fn rename_token(
    connection: &Prepared<'_>,
    merchant: MerchantId,
    before: &str,
    after: &str,
) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "UPDATE agreements SET token_name = ?3, version = version + 1 WHERE merchant_id = ?1 AND token_name = ?2",
        )?
        .execute(params![merchant.0, before, after])?;
    Ok(())
}

/// Whether the agreement that an order charges is the one that was judged, or the name of the one that it opens is free.
/// Of an order without an agreement the database is asked nothing.
pub(crate) fn is_as_judged(connection: &Prepared<'_>, new: &NewOrder) -> Result<bool, Failure> {
    let told = new.order.credential.as_ref().and_then(|credential| credential.agreement.as_ref());
    match (&new.agreement, told) {
        (None, None) => Ok(true),
        (Some(AgreementIntent::Open(agreement)), Some(told))
            if told.role == AgreementRole::Opens && told.number == agreement.number && told.id == agreement.id =>
        {
            fits_its_order(agreement, &new.order)?;
            let mut statement =
                connection.prepare_cached("SELECT 1 FROM agreements WHERE merchant_id = ?1 AND id = ?2")?;
            Ok(!statement.exists(params![agreement.merchant.0, agreement.id])?)
        }
        (Some(AgreementIntent::Charge { number, version }), Some(told))
            if told.role == AgreementRole::Charges && told.number == *number =>
        {
            let mut statement = connection.prepare_cached(
                "SELECT 1 FROM agreements WHERE agreement = ?1 AND merchant_id = ?2 AND version = ?3 AND state = ?4",
            )?;
            Ok(statement.exists(params![number.0, new.order.merchant.0, version, ACTIVE])?)
        }
        _ => Err(refused("an order and what it does with an agreement belong together")),
    }
}

/// Takes the name of a new agreement, or counts a charge of one.
pub(crate) fn insert_intent(connection: &Prepared<'_>, new: &NewOrder) -> Result<(), Failure> {
    match &new.agreement {
        None => Ok(()),
        Some(AgreementIntent::Open(agreement)) => insert(connection, agreement),
        Some(AgreementIntent::Charge { number, .. }) => {
            connection
                .prepare_cached(
                    "UPDATE agreements SET charges = charges + 1, charges_open = charges_open + 1, \
                     version = version + 1 WHERE agreement = ?1",
                )?
                .execute([number.0])?;
            insert_charge(connection, *number, &new.order, ChargeState::Open)
        }
    }
}

/// Does what the outcome of the operation that began an order, or of its newest try, means for its agreement and for a
/// token that has to be noted: of other operations, and of orders that have to do with neither, nothing.
pub(crate) fn settle(connection: &Prepared<'_>, record: &OutcomeRecord) -> Result<(), Failure> {
    let Some(credential) = &record.order.credential else { return Ok(()) };
    if record.operation.rrn() != record.order.original.rrn {
        return Ok(());
    }
    if let (OperationState::Approved, Some(note)) = (record.state, credential.notes) {
        note_token(connection, record, note)?;
    }
    match &credential.agreement {
        None => Ok(()),
        Some(told) => match told.role {
            AgreementRole::Opens => settle_opening(connection, record, told),
            AgreementRole::Charges => settle_charge(connection, record, told),
        },
    }
}

fn note_token(connection: &Prepared<'_>, record: &OutcomeRecord, note: TokenNote) -> Result<(), Failure> {
    let tells_nothing_new =
        note.missing == MissingNote::NetworkTransactionId && record.network_transaction_id.is_none();
    if tells_nothing_new {
        return Ok(());
    }
    token::note_payment(connection, TokenId(note.token), &Paid::by(record))
}

fn settle_opening(connection: &Prepared<'_>, record: &OutcomeRecord, told: &OrderAgreement) -> Result<(), Failure> {
    let number = told.number;
    match (record.state_before, record.state) {
        (_, OperationState::Sent | OperationState::Unknown) => Ok(()),
        (_, OperationState::Approved) => begin(connection, record, told),
        (OperationState::Approved, _) => {
            end_numbered(connection, number, EndReason::PaymentUndone, record.at)?;
            match told.schedule {
                None => Ok(()),
                Some(_) => schedule::end(connection, number, record.at),
            }
        }
        _ => forget(connection, told),
    }
}

/// Begins an agreement about the token that the order has come to name. Without a token there is nothing to charge.
fn begin(connection: &Prepared<'_>, record: &OutcomeRecord, told: &OrderAgreement) -> Result<(), Failure> {
    let number = told.number;
    let begun = connection
        .prepare_cached(
            "UPDATE agreements SET state = ?2, network_transaction_id = ?3, token_name = tokens.name, \
             token_since = tokens.created_at, token_id = tokens.token_id, version = agreements.version + 1 \
             FROM orders JOIN tokens ON tokens.merchant_id = orders.merchant_id AND tokens.name = orders.token_name \
             WHERE agreements.agreement = ?1 AND agreements.state = ?4 AND orders.fort_id = agreements.opened_by",
        )?
        .execute(params![number.0, ACTIVE, record.network_transaction_id.as_ref().map(|id| id.as_str()), OPENING])?;
    match told.schedule {
        _ if begun == 0 => forget(connection, told),
        None => Ok(()),
        Some(_) => schedule::begin(connection, number, record.at),
    }
}

fn forget(connection: &Prepared<'_>, told: &OrderAgreement) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM agreements WHERE agreement = ?1 AND state = ?2")?
        .execute(params![told.number.0, OPENING])?;
    match told.schedule {
        None => Ok(()),
        Some(_) => schedule::forget(connection, told.number),
    }
}

fn settle_charge(connection: &Prepared<'_>, record: &OutcomeRecord, told: &OrderAgreement) -> Result<(), Failure> {
    let number = told.number;
    let counted = state_of_charge(connection, number, record.order.fort_id)?;
    match record.state {
        OperationState::Sent | OperationState::Unknown => return Ok(()),
        OperationState::Approved => charge_succeeds(connection, record, number, counted)?,
        OperationState::Declined | OperationState::Reversed | OperationState::NotSent => {
            if let Some(counted) = counted {
                give_charge_back(connection, record, number, counted)?;
            }
        }
    }
    match told.due() {
        None => Ok(()),
        Some(due) => schedule::settle(connection, record, number, due),
    }
}

fn charge_succeeds(
    connection: &Prepared<'_>,
    record: &OutcomeRecord,
    number: AgreementNumber,
    counted: Option<ChargeState>,
) -> Result<(), Failure> {
    let sql = match counted {
        Some(ChargeState::Succeeded) => return Ok(()),
        Some(ChargeState::Open) => {
            "UPDATE agreements SET charges_open = charges_open - 1, paid_at = max(paid_at, ?2), version = version + 1 \
             WHERE agreement = ?1"
        }
        // It was taken for nothing, and counts after all: beyond the limit, if need be.
        None => {
            "UPDATE agreements SET charges = charges + 1, paid_at = max(paid_at, ?2), version = version + 1 \
             WHERE agreement = ?1"
        }
    };
    connection.prepare_cached(sql)?.execute(params![number.0, record.order.original.sent_at.0])?;
    insert_charge(connection, number, &record.order, ChargeState::Succeeded)
}

fn give_charge_back(
    connection: &Prepared<'_>,
    record: &OutcomeRecord,
    number: AgreementNumber,
    counted: ChargeState,
) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM agreement_charges WHERE agreement = ?1 AND fort_id = ?2")?
        .execute(params![number.0, record.order.fort_id.0])?;
    let sql = match counted {
        ChargeState::Open => {
            "UPDATE agreements SET charges = charges - 1, charges_open = charges_open - 1, version = version + 1 \
             WHERE agreement = ?1"
        }
        ChargeState::Succeeded => {
            "UPDATE agreements SET charges = charges - 1, version = version + 1, paid_at = coalesce( \
             (SELECT max(at) FROM agreement_charges WHERE agreement_charges.agreement = ?1 AND succeeded), opened_at) \
             WHERE agreement = ?1"
        }
    };
    connection.prepare_cached(sql)?.execute([number.0])?;
    Ok(())
}

fn state_of_charge(
    connection: &Prepared<'_>,
    number: AgreementNumber,
    fort_id: FortId,
) -> Result<Option<ChargeState>, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT succeeded FROM agreement_charges WHERE agreement = ?1 AND fort_id = ?2")?;
    first(statement.query(params![number.0, fort_id.0])?, |row| {
        Ok(if row.get(0)? { ChargeState::Succeeded } else { ChargeState::Open })
    })
}

fn insert_charge(
    connection: &Prepared<'_>,
    number: AgreementNumber,
    order: &Order,
    state: ChargeState,
) -> Result<(), Failure> {
    connection
        .prepare_cached("REPLACE INTO agreement_charges (agreement, fort_id, at, succeeded) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![number.0, order.fort_id.0, order.original.sent_at.0, state == ChargeState::Succeeded])?;
    Ok(())
}

/// What an order opens is its own merchant's, is about its token, and has not begun.
fn fits_its_order(agreement: &Agreement, order: &Order) -> Result<(), Failure> {
    let is_new = agreement.state == AgreementState::Opening
        && (agreement.version, agreement.charges, agreement.charges_open) == (1, 0, 0);
    let is_its_own = agreement.merchant == order.merchant && agreement.opened_by == order.fort_id;
    let has_token = order.token.as_ref().is_some_and(|token| token.name == agreement.token_name);
    if is_new && is_its_own && has_token {
        return Ok(());
    }
    Err(refused("an order opens an agreement of its own merchant about its own token, which begins with its success"))
}

fn insert(connection: &Prepared<'_>, agreement: &Agreement) -> Result<(), Failure> {
    let terms = &agreement.terms;
    connection
        .prepare_cached(
            "INSERT INTO agreements (agreement, merchant_id, id, mode, currency, amount, charges_max, last_day, \
             days_between_min, token_name, token_since, token_id, opened_by, opened_at, state, charges, charges_open, \
             paid_at, version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, 0, 0, ?14, 1)",
        )?
        .execute(params![
            agreement.number.0,
            agreement.merchant.0,
            agreement.id,
            codes::recurring_mode_number(terms.mode),
            terms.money.currency.numeric(),
            codes::amount_number(terms.money.amount),
            terms.charges_max,
            terms.last_day.map(Day::number),
            terms.days_between_min,
            agreement.token_name,
            agreement.token_since.0,
            agreement.token_id.0,
            agreement.opened_by.0,
            agreement.opened_at.0,
            OPENING,
        ])?;
    Ok(())
}

fn agreement(row: &Row<'_>) -> Result<Agreement, Failure> {
    Ok(Agreement {
        number: AgreementNumber(row.get(0)?),
        merchant: MerchantId(row.get(1)?),
        id: row.get(2)?,
        terms: terms(row)?,
        token_name: row.get(9)?,
        token_since: Timestamp(row.get(10)?),
        token_id: TokenId(row.get(11)?),
        opened_by: FortId(row.get(12)?),
        opened_at: Timestamp(row.get(13)?),
        network_transaction_id: row.get::<_, Option<String>>(14)?.map(network_id).transpose()?,
        state: state(row)?,
        charges: row.get(18)?,
        charges_open: row.get(19)?,
        paid_at: Timestamp(row.get(20)?),
        version: row.get(21)?,
    })
}

fn terms(row: &Row<'_>) -> Result<AgreementTerms, Failure> {
    let last_day = row
        .get::<_, Option<i64>>(7)?
        .map(|number| Day::from_number(number).ok_or_else(|| Failure::from(unreadable("agreements.last_day"))));
    Ok(AgreementTerms {
        mode: codes::recurring_mode(row.get(3)?)?,
        money: Money { currency: codes::currency(row.get(4)?)?, amount: codes::amount(row.get(5)?)? },
        charges_max: row.get(6)?,
        last_day: last_day.transpose()?,
        days_between_min: row.get(8)?,
    })
}

fn state(row: &Row<'_>) -> Result<AgreementState, Failure> {
    match (row.get::<_, i64>(15)?, row.get::<_, Option<u8>>(16)?, row.get::<_, Option<i64>>(17)?) {
        (OPENING, None, None) => Ok(AgreementState::Opening),
        (ACTIVE, None, None) => Ok(AgreementState::Active),
        (ENDED, Some(why), Some(at)) => {
            let why = EndReason::from_number(why).ok_or_else(|| unreadable("agreements.ended_why"))?;
            Ok(AgreementState::Ended(AgreementEnd { why, at: Timestamp(at) }))
        }
        _ => Err(unreadable("agreements.state").into()),
    }
}

fn refused(rule: &str) -> Failure {
    Failure::Store(StoreError::Refused(rule.to_owned()))
}
