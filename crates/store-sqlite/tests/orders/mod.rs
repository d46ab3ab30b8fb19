//! Orders for tests of this store.
#![allow(dead_code, clippy::unwrap_used)]

use tollgate_core::apply::{Outcome, apply};
use tollgate_core::bin::Brand;
use tollgate_core::card::CardFacts;
use tollgate_core::code::UNCERTAIN;
use tollgate_core::command::{Eci, SafeParams};
use tollgate_core::ident::{FortId, MerchantId, OperationId, Stan};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::order::{
    LastOperation, Operation, OperationEvent, OperationKind, OperationState, Order, PayKind, Phase, Totals, WayOut,
    WireReference,
};
use tollgate_core::time::Timestamp;
use tollgate_store::{LifeId, NewOrder, OutcomeRecord, RecoveryChange, SealedCard};

/// A moment, in seconds.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000)
}

/// A purchase of 100.00 AED, sent.
pub fn new_order(number: i64, reference: &str) -> NewOrder {
    let id = OperationId(number);
    let money = Money { amount: Amount::from_minor(10_000).unwrap(), currency: Currency::from_alpha("AED").unwrap() };
    let original = WireReference {
        stan: Stan::folded(u32::try_from(number % 999_999).unwrap()),
        rrn: id.rrn(),
        sent_at: at(1_000),
    };
    let order = Order {
        fort_id: FortId(number),
        merchant: MerchantId(1),
        merchant_reference: reference.to_owned(),
        kind: PayKind::Purchase,
        money,
        eci: Eci::Moto,
        channel: tollgate_core::feedback::Channel::Trusted,
        card: Some(CardFacts {
            mask: "400555******0001".to_owned(),
            expiry: "3005".to_owned(),
            holder: None,
            brand: Brand::Visa,
        }),
        token: None,
        credential: None,
        phase: Phase::Pending,
        totals: Totals::default(),
        open_operation: Some(id),
        version: 1,
        authorization_code: None,
        original,
        last: LastOperation { kind: OperationKind::Purchase, code: UNCERTAIN, network_code: None },
        created_at: at(1_000),
    };
    let kind = OperationKind::Purchase;
    let operation = Operation { id, fort_id: order.fort_id, kind, money, state: OperationState::Sent, wire: original };
    NewOrder {
        order,
        operation,
        card: SealedCard::from_bytes(vec![7; 57]),
        request: SafeParams::default(),
        owner: LifeId::NONE,
        token: None,
        agreement: None,
        schedule: None,
        audit: Vec::new(),
        route: None,
        authentication: None,
        batch_row: None,
    }
}

/// Approved.
pub fn approved(new: &NewOrder) -> OutcomeRecord {
    outcome(new, OperationEvent::Approved, RecoveryChange::None)
}

/// Sent, and no answer came.
pub fn unknown(new: &NewOrder) -> OutcomeRecord {
    let begin = RecoveryChange::Begin { way_out: WayOut::Reverse, due_at: at(2_000) };
    outcome(new, OperationEvent::NoAnswer, begin)
}

fn outcome(new: &NewOrder, event: OperationEvent, recovery: RecoveryChange) -> OutcomeRecord {
    let applied = apply(&new.order, &new.operation, &Outcome::silent(event)).unwrap();
    OutcomeRecord {
        order: applied.order,
        operation: new.operation.id,
        state_before: new.operation.state,
        state: applied.state,
        event,
        code: applied.code,
        network_code: None,
        authorization_code: None,
        network_transaction_id: None,
        advice: None,
        trace: "0100".to_owned(),
        recovery,
        feedback: None,
        message: None,
        next: None,
        checkout: None,
        at: at(1_001),
    }
}
