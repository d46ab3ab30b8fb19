//! Verifications of cards: orders that claim no reference, and the void that is written with their approval.

use super::Subject;
use super::fixtures::{FIRST, MERCHANT, at, claimed, new_operation, new_order, outcome, settled};
use crate::{LifeId, NewOperation, NewOrder, OrderClaim, OutcomeRecord, Recorded, StoreError, Whose};
use tollgate_core::command::OrderTarget;
use tollgate_core::ident::{MerchantId, OperationId};
use tollgate_core::order::{Operation, OperationEvent, OperationKind, OperationState, Order, PayKind, Phase};

/// Rule: a verification neither needs a free reference nor uses one up, and the newest one of a reference is found.
pub async fn a_verification_claims_no_reference(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = settled(&*store, new_order(1, "shared", PayKind::VerifyAccount), OperationEvent::Approved).await;
    assert_eq!(first.order.phase, Phase::Verified);
    let paid = claimed(&*store, new_order(2, "shared", PayKind::Purchase)).await;
    let second = settled(&*store, new_order(3, "shared", PayKind::VerifyByHold), OperationEvent::Declined).await;
    let taken = store.claim_order(new_order(4, "shared", PayKind::Purchase)).await.unwrap();
    assert_eq!(taken, OrderClaim::ReferenceTaken(paid.order.fort_id));
    let taken = store.claim_order(new_order(3, "shared", PayKind::VerifyAccount)).await.unwrap();
    assert_eq!(taken, OrderClaim::NumberTaken);
    let foreign = new_order(5, "shared", PayKind::VerifyAccount);
    let order = Order { merchant: MerchantId(2), ..foreign.order };
    claimed(&*store, NewOrder { order, ..foreign }).await;
    assert_eq!(store.verification(MERCHANT, "shared").await.unwrap(), Some(second.order.clone()));
    assert_eq!(store.verification(MERCHANT, "other").await.unwrap(), None);
    let all = [5, 3, 2, 1].map(|number| FIRST + number);
    let found = store.orders_by_reference("shared", 10).await.unwrap();
    assert_eq!(found.iter().map(|fort_id| fort_id.0).collect::<Vec<_>>(), all, "newest first");
}

/// Rule: a verification is no order of the merchant's.
pub async fn a_verification_is_never_found_as_an_order(subject: &dyn Subject) {
    let store = subject.open().await;
    let new = claimed(&*store, new_order(1, "card", PayKind::VerifyByHold)).await;
    let (reference, fort_id) = ("card".to_owned(), new.order.fort_id);
    let names = [
        OrderTarget::Reference(reference.clone()),
        OrderTarget::FortId(fort_id),
        OrderTarget::Both(reference, fort_id),
    ];
    for target in &names {
        assert!(store.order(MERCHANT, target).await.unwrap().is_none(), "{target:?}");
    }
    let found = store.operation(new.operation.id).await.unwrap().unwrap();
    assert_eq!((found.stored.order, found.stored.card), (new.order, Some(new.card)));
}

/// Rule: what follows from an outcome is written with it or not at all, and nothing is without its follower.
pub async fn what_follows_from_an_outcome_is_written_with_it(subject: &dyn Subject) {
    let store = subject.open().await;
    let new = claimed(&*store, new_order(1, "card", PayKind::VerifyByHold)).await;
    let record = outcome(&new.order, &new.operation, OperationEvent::Approved, at(2));
    let void = new_operation(2, &record.order, OperationKind::Void, 10_000);
    let stale = NewOperation { order_version: record.order.version + 1, ..void.clone() };
    let operation = Operation { id: OperationId(FIRST + 1), ..void.operation.clone() };
    let taken = NewOperation { operation, ..void.clone() };
    for next in [stale, taken] {
        let refused = store.record_outcome(OutcomeRecord { next: Some(Box::new(next)), ..record.clone() }).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
        let found = store.operation(new.operation.id).await.unwrap().unwrap();
        assert_eq!(found.stored.order, new.order, "nothing was written");
        assert_eq!(found.operation.state, OperationState::Sent);
    }
    let record = OutcomeRecord { next: Some(Box::new(void.clone())), ..record };
    assert_eq!(store.record_outcome(record.clone()).await.unwrap(), Recorded::Written);
    let story = store.story(new.order.fort_id).await.unwrap().unwrap();
    let version = record.order.version + 1;
    assert_eq!(story.order, Order { open_operation: Some(void.operation.id), version, ..record.order.clone() });
    assert_eq!(story.operations[0].operation.state, OperationState::Approved);
    assert_eq!(story.operations[1].operation, void.operation);
    let lost = store.unfinished(Whose::Lost { finder: LifeId(99), own_before: at(0) }, 10).await.unwrap();
    assert_eq!(
        lost.iter().map(|row| row.operation.id).collect::<Vec<_>>(),
        [void.operation.id],
        "the janitor finds it"
    );
    assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::Changed, "and it is not written twice");
}
