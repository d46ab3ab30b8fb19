//! What the network was told of authentications of the customer.

use super::Subject;
use super::fixtures::{FIRST, begun, claimed, new_operation, new_order, settled};
use crate::{NewOperation, NewOrder, OperationClaim, OrderClaim, Store};
use tollgate_core::ident::FortId;
use tollgate_core::order::{OperationEvent, OperationKind, PayKind};
use tollgate_core::three_ds::{AuthenticatedBy, Authentication, AuthenticationStatus, AuthenticationValue};

/// With everything that one can have.
fn whole() -> Authentication {
    Authentication {
        status: AuthenticationStatus::Authenticated,
        eci: Some("05".into()),
        value: AuthenticationValue::parse("AAABBWcSNIdjeUZThmNHAAAAAAA="),
        ds_transaction_id: Some("f38e6948-5388-41a6-bca4-b49723c19437".into()),
        xid: Some("MDAwMDAwMDAwMDAwMDAwMzIyNzY=".into()),
        version: Some("2.2.0".into()),
        by: AuthenticatedBy::Gateway,
    }
}

/// With nothing that one can do without.
fn bare(status: AuthenticationStatus) -> Authentication {
    Authentication {
        status,
        eci: None,
        value: None,
        ds_transaction_id: None,
        xid: None,
        version: None,
        by: AuthenticatedBy::Merchant,
    }
}

/// What the operations of an order told, oldest first.
async fn told(store: &dyn Store, number: i64) -> Vec<Option<Authentication>> {
    let story = store.story(FortId(FIRST + number)).await.unwrap().unwrap();
    story.operations.into_iter().map(|operation| operation.authentication).collect()
}

/// Rule: what an operation tells of an authentication is written with it and told with it, each part as it was; an
/// operation that tells nothing has nothing.
pub async fn what_the_network_is_told_of_an_authentication_stays_with_its_operation(subject: &dyn Subject) {
    let store = subject.open().await;
    let with = |number: i64, authentication| NewOrder {
        authentication,
        ..new_order(number, &format!("order-{number}"), PayKind::Authorization)
    };
    let first = settled(&*store, with(1, Some(whole())), OperationEvent::Approved).await;
    let statuses = AuthenticationStatus::ALL.into_iter().zip(10..);
    for (status, number) in statuses.clone() {
        claimed(&*store, with(number, Some(bare(status)))).await;
    }
    claimed(&*store, with(2, None)).await;
    let later = new_operation(3, &first.order, OperationKind::Capture, 100);
    let attempted = Some(bare(AuthenticationStatus::Attempted));
    begun(&*store, &first.order, NewOperation { authentication: attempted.clone(), ..later }).await;
    drop(store);

    let store = subject.open().await;
    assert_eq!(told(&*store, 1).await, [Some(whole()), attempted]);
    assert_eq!(told(&*store, 2).await, [None]);
    for (status, number) in statuses {
        assert_eq!(told(&*store, number).await, [Some(bare(status))]);
    }
}

/// Rule: a call that adds no operation writes no authentication, so that a number which is used later has its own.
pub async fn an_authentication_of_an_operation_that_is_not_added_is_not_written(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = settled(&*store, new_order(1, "order-1", PayKind::Authorization), OperationEvent::Approved).await;
    let doubled = NewOrder { authentication: Some(whole()), ..new_order(2, "order-1", PayKind::Authorization) };
    let taken = store.claim_order(doubled).await.unwrap();
    assert_eq!(taken, OrderClaim::ReferenceTaken(first.order.fort_id));
    let capture = new_operation(3, &first.order, OperationKind::Capture, 100);
    let stale =
        NewOperation { authentication: Some(whole()), order_version: first.order.version + 1, ..capture.clone() };
    assert_eq!(store.claim_operation(stale).await.unwrap(), OperationClaim::OrderChanged);
    let number_taken =
        NewOperation { authentication: Some(whole()), ..new_operation(1, &first.order, OperationKind::Capture, 100) };
    assert_eq!(store.claim_operation(number_taken).await.unwrap(), OperationClaim::NumberTaken);

    claimed(&*store, new_order(2, "order-2", PayKind::Authorization)).await;
    begun(&*store, &first.order, capture).await;
    assert_eq!(told(&*store, 2).await, [None]);
    assert_eq!(told(&*store, 1).await, [None, None]);
}
