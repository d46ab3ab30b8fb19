//! Rules of a payment that the issuer declines because it wants the customer authenticated, which follows.

use super::tries::{new_try, try_begun};
use super::*;
use crate::{OutcomeRecord, Recorded, TokenIntent, TryClaim};
use tollgate_core::code::THREE_DS_WANTED;
use tollgate_core::order::OperationState;
use tollgate_core::token::{OrderToken, TokenRole};

/// The outcome of a payment's first operation that begins an authentication.
fn soft_decline(placed: &Placed, checkout: Option<Checkout>, number: i64) -> OutcomeRecord {
    let record = outcome(&placed.order, &placed.operation, OperationEvent::AuthenticationWanted, at(number));
    OutcomeRecord { checkout: checkout.map(Box::new), ..record }
}

fn at_authentication(number: i64, order: &Order) -> Checkout {
    Checkout { tries: 1, step: Step::Authentication("{}".to_owned()), ..checkout_of(number, order) }
}

/// Rule: a decline that an authentication follows, and the customer's checkout, are one commit. The order is declined and
/// has no final code, is the customer's for one more try whichever way it came, and keeps the name of the token that it is
/// to make.
pub async fn an_authentication_that_is_wanted_begins_with_the_decline(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut new = new_order(1, "order-1", PayKind::Purchase);
    let saved = OrderToken { name: "mine".to_owned(), role: TokenRole::Saves };
    new.order.token = Some(saved.clone());
    new.token = Some(TokenIntent::Put(Box::new(super::super::tokens::token(1, "mine"))));
    let new = claimed(&*store, new).await;
    let placed = Placed { order: new.order.clone(), operation: new.operation.clone() };
    let checkout = at_authentication(1, &new.order);
    let record = soft_decline(&placed, Some(checkout.clone()), 2);
    assert_eq!(store.record_outcome(record.clone()).await.unwrap(), Recorded::Written);
    drop(store);
    let store = subject.open().await;
    let after = whole(&*store, checkout.id, new.order.fort_id).await;
    assert_eq!((after.checkout.as_ref(), after.card.as_ref()), (Some(&checkout), Some(&new.card)));
    let order = after.order.unwrap();
    assert_eq!(order, record.order);
    assert_eq!((order.phase, order.last.code, order.token.clone()), (Phase::Declined, THREE_DS_WANTED, Some(saved)));
    assert!(order.takes_a_try() && order.waits_for_its_customer());
    let told = store.story(order.fort_id).await.unwrap().unwrap().operations.remove(0);
    assert_eq!((told.operation.state, told.outcomes[0].code), (OperationState::Declined, THREE_DS_WANTED));
    let due = store.checkouts_due(checkout.expires_at, 10).await.unwrap();
    assert_eq!(due, std::slice::from_ref(&checkout), "it ends by itself");
    assert_eq!(store.token(MERCHANT, "mine").await.unwrap(), None, "not yet");

    let mut second = new_try(&order, &checkout, 3);
    second.intent.token = Some(TokenIntent::Put(Box::new(super::super::tokens::token(3, "mine"))));
    assert_eq!(store.claim_try(second.clone()).await.unwrap(), TryClaim::Claimed);
    let begun = Placed { order: second.intent.order, operation: second.intent.operation };
    let paid = recorded(&*store, &begun, OperationEvent::Approved).await.order;
    assert_eq!((paid.phase, paid.totals.captured), (Phase::Purchased, paid.money.amount), "paid once");
    assert!(store.token(MERCHANT, "mine").await.unwrap().is_some());
}

/// Rule: a checkout that is there goes on with such a decline; and where anything does not fit (no checkout, one of another
/// order, one that is taken or was changed, an outcome that wants none) nothing is written.
pub async fn what_begins_with_a_decline_fits_it_or_nothing_is_written(subject: &dyn Subject) {
    let store = subject.open().await;
    let order = Order { channel: Channel::Trusted, ..order_of(&on_the_page(1, "order-1")) };
    let open = NewCheckout {
        checkout: Checkout { step: Step::PassBy, ..checkout_of(1, &order) },
        order: Some(Box::new(order.clone())),
        card: None,
    };
    opened(&*store, open.clone()).await;
    let placed = try_begun(&*store, &order, &open.checkout, 1).await;
    let stands = store.checkout(open.checkout.id).await.unwrap().unwrap();
    let other = opened(&*store, on_the_page(5, "order-5")).await.checkout;
    let before = whole(&*store, stands.id, order.fort_id).await;
    let wanted = Checkout { step: Step::Authentication("{}".to_owned()), ..stands.at(Step::Card) };
    let good = soft_decline(&placed, Some(wanted.clone()), 2);
    let declined = outcome(&placed.order, &placed.operation, OperationEvent::Declined, at(2));
    for bad in [
        OutcomeRecord { checkout: None, ..good.clone() },
        OutcomeRecord { checkout: Some(Box::new(wanted.clone())), ..declined },
        soft_decline(&placed, Some(at_authentication(7, &order)), 2),
        soft_decline(&placed, Some(Checkout { version: 9, ..wanted.clone() }), 2),
        soft_decline(&placed, Some(Checkout { version: 2, ..other }), 2),
        soft_decline(&placed, Some(stands.at(Step::Ended(End::AsOrder))), 2),
    ] {
        let refused = store.record_outcome(bad).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
        assert_eq!(whole(&*store, stands.id, order.fort_id).await, before);
    }
    let stale = Order { version: good.order.version + 1, ..good.order.clone() };
    let changed = store.record_outcome(OutcomeRecord { order: stale, ..good.clone() }).await.unwrap();
    assert_eq!(changed, Recorded::Changed);
    assert_eq!(whole(&*store, stands.id, order.fort_id).await, before);
    assert_eq!(store.record_outcome(good).await.unwrap(), Recorded::Written);
    let after = whole(&*store, stands.id, order.fort_id).await;
    assert_eq!((after.checkout, after.outcomes), (Some(wanted), 1));
}
