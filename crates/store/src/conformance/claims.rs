//! Rules of claims: who gets a reference, a number, an order's one open operation.

use super::Subject;
use super::fixtures::*;
use crate::{NewOrder, OperationClaim, OrderClaim, StoreError};
use futures_util::future::join_all;
use std::sync::Arc;
use tollgate_core::command::OrderTarget;
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::order::{Operation, OperationEvent, OperationKind, OperationState, Order, PayKind};

const CLAIMERS: i64 = 32;

/// Of many claims of one reference at once, exactly one is `Claimed`; the others name its order.
pub async fn one_of_many_claimers_of_a_reference_wins(subject: &dyn Subject) {
    let store = subject.open().await;
    let claims = (0..CLAIMERS).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let new = new_order(number, "order-1", PayKind::Purchase);
            (new.order.fort_id, store.claim_order(new).await.unwrap())
        })
    });
    let claims: Vec<_> = join_all(claims).await.into_iter().map(Result::unwrap).collect();
    let winners: Vec<FortId> =
        claims.iter().filter(|(_, claim)| *claim == OrderClaim::Claimed).map(|(fort_id, _)| *fort_id).collect();
    assert_eq!(winners.len(), 1, "{claims:?}");
    for (fort_id, claim) in claims.iter().filter(|(fort_id, _)| *fort_id != winners[0]) {
        assert_eq!(*claim, OrderClaim::ReferenceTaken(winners[0]), "{fort_id}");
        assert!(store.order(MERCHANT, &OrderTarget::FortId(*fort_id)).await.unwrap().is_none());
    }
    assert_eq!(store.orders_by_reference("order-1", 100).await.unwrap(), winners);
}

/// A reference stays used up, whatever became of its order, and the claim names that order.
pub async fn a_taken_reference_names_the_order_that_took_it(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, event) in
        [OperationEvent::Approved, OperationEvent::Declined, OperationEvent::NotSent, OperationEvent::NoAnswer]
            .into_iter()
            .enumerate()
    {
        let number = i64::try_from(number).unwrap() * 10;
        let reference = format!("order {event}");
        let first = settled(&*store, new_order(number, &reference, PayKind::Purchase), event).await;
        let again = store.claim_order(new_order(number + 1, &reference, PayKind::Authorization)).await.unwrap();
        assert_eq!(again, OrderClaim::ReferenceTaken(first.order.fort_id), "{event}");
        assert_eq!(stored(&*store, first.order.fort_id, MERCHANT).await, first.order, "{event}");
    }
    // References are told apart to the letter.
    claimed(&*store, new_order(50, "ORDER approved", PayKind::Purchase)).await;
    claimed(&*store, new_order(51, "order approved ", PayKind::Purchase)).await;
}

/// References belong to merchants.
pub async fn another_merchant_may_use_the_same_reference(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = claimed(&*store, new_order(1, "shared", PayKind::Purchase)).await;
    let other = of_merchant(new_order(2, "shared", PayKind::Purchase), MerchantId(2));
    let second = claimed(&*store, other).await;
    let target = OrderTarget::Reference("shared".to_owned());
    for (merchant, fort_id) in [(MERCHANT, first.order.fort_id), (MerchantId(2), second.order.fort_id)] {
        let found = store.order(merchant, &target).await.unwrap().unwrap();
        assert_eq!(found.order.fort_id, fort_id);
    }
}

/// A number that an order or a later operation has is told, and nothing is made.
pub async fn a_taken_number_changes_nothing(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = settled(&*store, new_order(1, "first", PayKind::Authorization), OperationEvent::Approved).await;
    let taken = store.claim_order(new_order(1, "second", PayKind::Purchase)).await.unwrap();
    assert_eq!(taken, OrderClaim::NumberTaken);
    let capture = new_operation(2, &first.order, OperationKind::Capture, 10_000);
    let after = begun(&*store, &first.order, capture).await;
    let taken = store.claim_order(new_order(2, "second", PayKind::Purchase)).await.unwrap();
    assert_eq!(taken, OrderClaim::NumberTaken, "a later operation has the number");
    assert!(store.orders_by_reference("second", 10).await.unwrap().is_empty());
    assert_eq!(stored(&*store, first.order.fort_id, MERCHANT).await, after.order);
    claimed(&*store, new_order(3, "second", PayKind::Purchase)).await;
}

/// A claim whose operation is not the order's open one, or has another number, is a defect.
pub async fn the_first_operation_has_the_number_of_its_order(subject: &dyn Subject) {
    let store = subject.open().await;
    let good = new_order(1, "order-1", PayKind::Purchase);
    let other = OperationId(FIRST + 9);
    let wrong_number = NewOrder { operation: Operation { id: other, ..good.operation.clone() }, ..good.clone() };
    let not_open = NewOrder { order: Order { open_operation: None, ..good.order.clone() }, ..good.clone() };
    let settled = Operation { state: OperationState::Approved, ..good.operation.clone() };
    let settled = NewOrder { operation: settled, ..good.clone() };
    for bad in [wrong_number, not_open, settled] {
        let refused = store.claim_order(bad).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    }
    claimed(&*store, good).await;
}

/// The order must still have the version that was judged.
pub async fn an_operation_is_claimed_on_the_version_that_was_judged(subject: &dyn Subject) {
    let store = subject.open().await;
    let paid = settled(&*store, new_order(1, "order-1", PayKind::Authorization), OperationEvent::Approved).await;
    for version in [paid.order.version - 1, paid.order.version + 1] {
        let judged = Order { version, ..paid.order.clone() };
        let claim = store.claim_operation(new_operation(2, &judged, OperationKind::Capture, 100)).await.unwrap();
        assert_eq!(claim, OperationClaim::OrderChanged, "version {version}");
    }
    assert_eq!(stored(&*store, paid.order.fort_id, MERCHANT).await, paid.order);
    let after = begun(&*store, &paid.order, new_operation(2, &paid.order, OperationKind::Capture, 100)).await;
    assert_eq!(stored(&*store, paid.order.fort_id, MERCHANT).await, after.order);
}

/// While an operation is sent or unknown, no other begins.
pub async fn an_order_has_one_open_operation_at_most(subject: &dyn Subject) {
    let store = subject.open().await;
    let new = claimed(&*store, new_order(1, "order-1", PayKind::Authorization)).await;
    let refused = store.claim_operation(new_operation(2, &new.order, OperationKind::Void, 100)).await.unwrap();
    assert_eq!(refused, OperationClaim::OrderChanged, "the authorization is under way");
    let paid = settled(&*store, new_order(10, "order-2", PayKind::Authorization), OperationEvent::Approved).await;
    let capture = new_operation(11, &paid.order, OperationKind::Capture, 100);
    let unknown = carried_out(&*store, &paid.order, capture, OperationEvent::NoAnswer).await;
    let refused = store.claim_operation(new_operation(12, &unknown.order, OperationKind::Capture, 100)).await.unwrap();
    assert_eq!(refused, OperationClaim::OrderChanged, "the capture is unknown");
    assert_eq!(stored(&*store, paid.order.fort_id, MERCHANT).await, unknown.order);
}

/// An order that is not there, or is another merchant's, counts as changed.
pub async fn an_operation_of_a_missing_or_foreign_order_is_not_claimed(subject: &dyn Subject) {
    let store = subject.open().await;
    let paid = settled(&*store, new_order(1, "order-1", PayKind::Authorization), OperationEvent::Approved).await;
    let foreign = Order { merchant: MerchantId(2), ..paid.order.clone() };
    let missing = Order { fort_id: FortId(FIRST + 99), ..paid.order.clone() };
    for order in [foreign, missing] {
        let claim = store.claim_operation(new_operation(2, &order, OperationKind::Capture, 100)).await.unwrap();
        assert_eq!(claim, OperationClaim::OrderChanged);
    }
    assert!(store.operation(OperationId(FIRST + 2)).await.unwrap().is_none());
}

/// Of many captures judged on the same version, exactly one begins.
pub async fn one_of_many_captures_wins(subject: &dyn Subject) {
    let store = subject.open().await;
    let paid = settled(&*store, new_order(0, "order-1", PayKind::Authorization), OperationEvent::Approved).await;
    let claims = (1..=CLAIMERS).map(|number| {
        let store = Arc::clone(&store);
        let capture = new_operation(number, &paid.order, OperationKind::Capture, 10_000);
        tokio::spawn(async move { (capture.operation.id, store.claim_operation(capture).await.unwrap()) })
    });
    let claims: Vec<_> = join_all(claims).await.into_iter().map(Result::unwrap).collect();
    let winners: Vec<_> = claims.iter().filter(|(_, claim)| *claim == OperationClaim::Claimed).collect();
    assert_eq!(winners.len(), 1, "{claims:?}");
    assert!(claims.iter().all(|(_, claim)| matches!(claim, OperationClaim::Claimed | OperationClaim::OrderChanged)));
    let order = stored(&*store, paid.order.fort_id, MERCHANT).await;
    assert_eq!(order.open_operation, Some(winners[0].0));
    assert_eq!(order.version, paid.order.version + 1);
}

/// A number that an order or an operation has is told, and the order does not change.
pub async fn a_taken_operation_number_changes_nothing(subject: &dyn Subject) {
    let store = subject.open().await;
    claimed(&*store, new_order(5, "other", PayKind::Purchase)).await;
    let paid = settled(&*store, new_order(1, "order-1", PayKind::Purchase), OperationEvent::Approved).await;
    let mut refund = new_operation(5, &paid.order, OperationKind::Refund, 100);
    refund.maintenance_reference = Some("refund-1".to_owned());
    assert_eq!(store.claim_operation(refund.clone()).await.unwrap(), OperationClaim::NumberTaken);
    assert_eq!(stored(&*store, paid.order.fort_id, MERCHANT).await, paid.order);
    refund.operation.id = OperationId(FIRST + 6);
    begun(&*store, &paid.order, refund).await;
}

/// A maintenance reference names one refund of a merchant; the claim that comes later names it.
pub async fn a_maintenance_reference_is_used_once_per_merchant(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = settled(&*store, new_order(1, "order-1", PayKind::Purchase), OperationEvent::Approved).await;
    let second = settled(&*store, new_order(2, "order-2", PayKind::Purchase), OperationEvent::Approved).await;
    let foreign = of_merchant(new_order(3, "order-3", PayKind::Purchase), MerchantId(2));
    let foreign = settled(&*store, foreign, OperationEvent::Approved).await;
    let refund = |number, order: &Order| {
        let mut refund = new_operation(number, order, OperationKind::Refund, 100);
        refund.maintenance_reference = Some("refund-1".to_owned());
        refund
    };
    let taker = begun(&*store, &first.order, refund(11, &first.order)).await;
    let claim = store.claim_operation(refund(12, &second.order)).await.unwrap();
    assert_eq!(claim, OperationClaim::MaintenanceReferenceTaken(taker.operation.id));
    assert_eq!(stored(&*store, second.order.fort_id, MERCHANT).await, second.order);
    begun(&*store, &foreign.order, refund(13, &foreign.order)).await;
    // Refunds without a reference are not in each other's way.
    let mut unnamed = refund(14, &second.order);
    unnamed.maintenance_reference = None;
    begun(&*store, &second.order, unnamed).await;
}

/// Declined, reversed and unsent refunds give their reference back.
pub async fn a_refund_that_came_to_nothing_frees_its_reference(subject: &dyn Subject) {
    let store = subject.open().await;
    let paths: [&[OperationEvent]; 4] = [
        &[OperationEvent::Declined],
        &[OperationEvent::NotSent],
        &[OperationEvent::LinkBroken, OperationEvent::ReversalAcknowledged],
        &[OperationEvent::NoAnswer, OperationEvent::Declined],
    ];
    for (path, round) in paths.iter().zip(0_i64..) {
        let number = round * 10;
        let new = new_order(number, &format!("order-{round}"), PayKind::Purchase);
        let paid = settled(&*store, new, OperationEvent::Approved).await;
        let after = refunded_along(&*store, &paid.order, number + 1, path).await;
        let mut again = new_operation(number + 2, &after, OperationKind::Refund, 100);
        again.maintenance_reference = Some("refund".to_owned());
        let again = carried_out(&*store, &after, again, OperationEvent::NotSent).await;
        assert_eq!(again.operation.state, OperationState::NotSent, "{path:?}");
    }
}

/// Approved and unknown refunds keep their reference.
pub async fn a_refund_that_counts_or_may_count_keeps_its_reference(subject: &dyn Subject) {
    let store = subject.open().await;
    let paths: [&[OperationEvent]; 3] = [
        &[OperationEvent::Approved],
        &[OperationEvent::Unreadable],
        &[OperationEvent::NoAnswer, OperationEvent::Approved],
    ];
    let spare = settled(&*store, new_order(90, "spare", PayKind::Purchase), OperationEvent::Approved).await;
    for (path, round) in paths.iter().zip(0_i64..) {
        let number = round * 10;
        let new = new_order(number, &format!("order-{round}"), PayKind::Purchase);
        let paid = settled(&*store, new, OperationEvent::Approved).await;
        let reference = format!("refund-{round}");
        let mut refund = new_operation(number + 1, &paid.order, OperationKind::Refund, 100);
        refund.maintenance_reference = Some(reference.clone());
        let id = refund.operation.id;
        let mut now = begun(&*store, &paid.order, refund).await;
        for event in *path {
            now = recorded(&*store, &now, *event).await;
        }
        let mut again = new_operation(number + 2, &spare.order, OperationKind::Refund, 100);
        again.maintenance_reference = Some(reference);
        let claim = store.claim_operation(again).await.unwrap();
        assert_eq!(claim, OperationClaim::MaintenanceReferenceTaken(id), "{path:?}");
    }
}

async fn refunded_along(store: &dyn crate::Store, order: &Order, number: i64, path: &[OperationEvent]) -> Order {
    let mut refund = new_operation(number, order, OperationKind::Refund, 100);
    refund.maintenance_reference = Some("refund".to_owned());
    let mut now = begun(store, order, refund).await;
    for event in path {
        now = recorded(store, &now, *event).await;
    }
    now.order
}

/// Records `event`; the order and the operation afterwards.
async fn recorded(store: &dyn crate::Store, now: &Placed, event: OperationEvent) -> Placed {
    let record = outcome(&now.order, &now.operation, event, now.operation.wire.sent_at.plus_ms(500));
    let after =
        Placed { order: record.order.clone(), operation: Operation { state: record.state, ..now.operation.clone() } };
    assert_eq!(store.record_outcome(record).await.unwrap(), crate::Recorded::Written);
    after
}

fn of_merchant(new: NewOrder, merchant: MerchantId) -> NewOrder {
    NewOrder { order: Order { merchant, ..new.order.clone() }, ..new }
}
