//! Filling a database with orders, to see what a store with many of them does.

use super::reference;
use crate::connection::{self, Role};
use crate::failure::{Failure, store_error};
use crate::prepared::Prepared;
use crate::references::References;
use crate::rows::params_text;
use crate::{claim, migrate, outcome};
use std::path::Path;
use tollgate_core::apply::{Outcome, apply};
use tollgate_core::bin::Brand;
use tollgate_core::card::CardFacts;
use tollgate_core::code::UNCERTAIN;
use tollgate_core::command::{Eci, SafeParams};
use tollgate_core::ident::{FortId, MerchantId, OperationId, Stan};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::order::{
    LastOperation, Operation, OperationEvent, OperationState, Order, PayKind, Phase, Totals, WireReference,
};
use tollgate_core::time::Timestamp;
use tollgate_store::{LifeId, NewOrder, OrderClaim, OutcomeRecord, Recorded, RecoveryChange, SealedCard, StoreError};

/// Orders in one transaction.
const ORDERS_PER_COMMIT: u64 = 20_000;
/// What a sealed card takes.
const SEALED_BYTES: usize = 57;
/// Between two orders, in microseconds: as if there had been a hundred a second.
const GAP_US: i64 = 10_000;
/// A moment long ago: 2024-01-01T00:00:00Z.
const BEGIN: Timestamp = Timestamp(1_704_067_200_000_000);
/// The messages of a purchase, as the acquirer link keeps them.
const TRACE: &str = "1704067200000000 > 0200 2=400555******0001 3=000000 4=000000010000 7=0101000000 11=000001 14=3005 \
                     18=5999 22=012 25=59 32=123456 37=000000000001 41=TG000001 42=TOLLGATE0000001 43=TOLLGATE SHOP \
                     48=... 49=784\n1704067200000300 < 0210 3=000000 4=000000010000 7=0101000000 11=000001 32=123456 \
                     37=000000000001 38=A1B2C3 39=00 41=TG000001 49=784";

/// Adds `orders` paid orders of `merchant` to the database at `path`, which nobody else may use meanwhile. They look
/// like real ones, except that nobody can open their cards; references are those of [`reference`], from
/// `number_first` on. Nothing is durable until it returns.
///
/// # Errors
/// When the database cannot be written, or one of the references is taken.
pub fn fill(path: &Path, merchant: MerchantId, number_first: u64, orders: u64) -> Result<(), StoreError> {
    let sql = |error: rusqlite::Error| store_error(&error);
    let mut connection = connection::open(path, Role::Writer, super::BUSY_TIMEOUT)?;
    migrate::migrate(&mut connection)?;
    connection.pragma_update(None, "synchronous", "OFF").map_err(sql)?;
    let references = References::new(usize::MAX);
    let prepared = Prepared::keeping(&connection);
    let mut done = 0;
    while done < orders {
        let end = orders.min(done + ORDERS_PER_COMMIT);
        super::step(&prepared, "BEGIN IMMEDIATE")?;
        for place in done..end {
            add(&prepared, &references, merchant, number_first.wrapping_add(place), place)?;
        }
        references.file_all(&prepared).map_err(Failure::into_store_error)?;
        super::step(&prepared, "COMMIT")?;
        references.committed();
        prepared.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(sql)?;
        done = end;
    }
    drop(prepared);
    connection.close().map_err(|(_, error)| sql(error))?;
    std::fs::File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

fn add(
    connection: &Prepared<'_>,
    references: &References,
    merchant: MerchantId,
    number: u64,
    place: u64,
) -> Result<(), StoreError> {
    let new = paid_order(merchant, number, place)?;
    let request = params_text(&new.request)?;
    let claimed = claim::claim_order(connection, references, &new, &request).map_err(Failure::into_store_error)?;
    if claimed != OrderClaim::Claimed {
        return Err(StoreError::Refused(format!("the reference {} is taken", new.order.merchant_reference)));
    }
    let record = outcome(&new)?;
    let recorded = outcome::record_outcome(connection, &record).map_err(|failure| failure.into_store_error())?;
    if recorded != Recorded::Written {
        return Err(StoreError::Refused("an order changed while it was made: somebody else writes".to_owned()));
    }
    Ok(())
}

fn paid_order(merchant: MerchantId, number: u64, place: u64) -> Result<NewOrder, StoreError> {
    let range = || StoreError::Refused("more orders than there are numbers".to_owned());
    let at = place
        .try_into()
        .ok()
        .and_then(|place: i64| BEGIN.0.checked_add(place.checked_mul(GAP_US)?))
        .ok_or_else(range)?;
    let at = Timestamp(at);
    let id = OperationId(at.0.checked_mul(100).ok_or_else(range)?);
    let amount = Amount::from_minor(1_000 + place % 90_000).ok_or_else(range)?;
    let currency = Currency::from_alpha("AED").ok_or_else(range)?;
    let money = Money { amount, currency };
    let wire = WireReference { stan: Stan::folded((place % 999_999) as u32), rrn: id.rrn(), sent_at: at };
    let kind = PayKind::Purchase;
    let order = Order {
        fort_id: FortId(id.0),
        merchant,
        merchant_reference: reference(number),
        kind,
        money,
        eci: Eci::Ecommerce,
        channel: tollgate_core::feedback::Channel::Trusted,
        card: Some(CardFacts {
            mask: "400555******0001".to_owned(),
            expiry: "3005".to_owned(),
            holder: Some("Layla Haddad".to_owned()),
            brand: Brand::Visa,
        }),
        token: None,
        credential: None,
        phase: Phase::Pending,
        totals: Totals::default(),
        open_operation: Some(id),
        version: 1,
        authorization_code: None,
        original: wire,
        last: LastOperation { kind: kind.operation(), code: UNCERTAIN, network_code: None },
        created_at: at,
    };
    let operation =
        Operation { id, fort_id: order.fort_id, kind: kind.operation(), money, state: OperationState::Sent, wire };
    let request = request(&order);
    Ok(NewOrder {
        order,
        operation,
        card: SealedCard::from_bytes(vec![7; SEALED_BYTES]),
        request,
        owner: LifeId(1),
        token: None,
        agreement: None,
        schedule: None,
        audit: Vec::new(),
        route: None,
        authentication: None,
        batch_row: None,
    })
}

fn request(order: &Order) -> SafeParams {
    let mut params = SafeParams::default();
    let amount = order.money.amount.to_string();
    for (name, value) in [
        ("command", order.kind.command()),
        ("access_code", "zx0IPmPy5jp1vAzdemo1"),
        ("merchant_identifier", "CycHZxVjdemo"),
        ("merchant_reference", order.merchant_reference.as_str()),
        ("language", "en"),
        ("amount", amount.as_str()),
        ("currency", order.money.currency.alpha()),
        ("customer_email", "layla@example.com"),
        ("customer_ip", "192.0.2.17"),
        ("order_description", "Two books and a lamp"),
        ("card_number", "400555******0001"),
        ("expiry_date", "3005"),
        ("card_holder_name", "Layla Haddad"),
        ("check_3ds", "NO"),
    ] {
        params.push(name, value);
    }
    params
}

fn outcome(new: &NewOrder) -> Result<OutcomeRecord, StoreError> {
    let outcome = Outcome {
        network_code: Some("00".to_owned()),
        authorization_code: Some("A1B2C3".to_owned()),
        ..Outcome::silent(OperationEvent::Approved)
    };
    let applied = apply(&new.order, &new.operation, &outcome)
        .map_err(|error| StoreError::Refused(format!("an approval cannot be applied: {error:?}")))?;
    Ok(OutcomeRecord {
        order: applied.order,
        operation: new.operation.id,
        state_before: OperationState::Sent,
        state: applied.state,
        event: outcome.event,
        code: applied.code,
        network_code: outcome.network_code,
        authorization_code: outcome.authorization_code,
        network_transaction_id: outcome.network_transaction_id,
        advice: outcome.advice,
        trace: TRACE.to_owned(),
        recovery: RecoveryChange::None,
        feedback: None,
        message: None,
        next: None,
        checkout: None,
        at: new.order.created_at.plus_ms(1),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{SqliteOptions, SqliteStore};
    use tollgate_core::command::OrderTarget;
    use tollgate_store::Orders;

    #[tokio::test]
    async fn filled_orders_are_paid_orders_to_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        fill(&path, MerchantId(1), 100, 25).unwrap();
        let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
        let totals = store.totals().await.unwrap();
        assert_eq!((totals.len(), totals[0].orders, totals[0].unsettled), (1, 25, 0));
        assert_eq!(totals[0].captured, (0..25).map(|place| 1_000 + place).sum::<u64>());
        let target = OrderTarget::Reference(reference(110));
        let order = store.order(MerchantId(1), &target).await.unwrap().unwrap().order;
        assert_eq!((order.phase, order.totals.captured.minor()), (Phase::Purchased, 1_010));
        store.close().await;
        assert!(fill(&path, MerchantId(1), 100, 1).is_err(), "the reference is taken");
    }
}
