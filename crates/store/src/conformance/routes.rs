//! The routes by which payments come.

use super::Subject;
use super::fixtures::{FIRST, claimed, new_order};
use crate::NewOrder;
use tollgate_core::ident::MerchantId;
use tollgate_core::order::{Order, PayKind};
use tollgate_core::scope::Route;
use tollgate_core::time::Timestamp;

fn by_route(number: i64, reference: &str, route: Option<Route>, at: i64) -> NewOrder {
    let new = new_order(number, reference, PayKind::Purchase);
    let order = Order { created_at: Timestamp(at), ..new.order.clone() };
    NewOrder { order, route, ..new }
}

/// A route's first use stays, and its last one moves on, never back. An order that names no route notes nothing, and
/// one that is not made neither.
pub async fn a_route_keeps_its_first_use_and_its_last(subject: &dyn Subject) {
    let store = subject.open().await;
    claimed(&*store, by_route(1, "first", Some(Route::TrustedClear), 100)).await;
    claimed(&*store, by_route(2, "token", Some(Route::Token), 150)).await;
    claimed(&*store, by_route(3, "last", Some(Route::TrustedClear), 300)).await;
    claimed(&*store, by_route(4, "older", Some(Route::TrustedClear), 200)).await;
    claimed(&*store, by_route(5, "silent", None, 400)).await;
    // The reference is used up, so that nothing of this one is written.
    store.claim_order(by_route(6, "first", Some(Route::Moto), 500)).await.unwrap();
    let other = by_route(7, "first", Some(Route::TrustedEncrypted), 600);
    let order = Order { merchant: MerchantId(99), ..other.order.clone() };
    claimed(&*store, NewOrder { order, ..other }).await;
    drop(store);
    let rows = subject.open().await.route_uses().await.unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            let (first, last) = (&row.used.first, &row.used.last);
            let names = (first.merchant_reference.as_str(), last.merchant_reference.as_str());
            (
                row.merchant.0,
                row.used.route,
                names,
                (first.at.0, last.at.0),
                (first.fort_id.0 - FIRST, last.fort_id.0 - FIRST),
            )
        })
        .collect();
    let own = new_order(1, "first", PayKind::Purchase).order.merchant.0;
    assert_eq!(
        told,
        [
            (own, Route::TrustedClear, ("first", "last"), (100, 300), (1, 3)),
            (own, Route::Token, ("token", "token"), (150, 150), (2, 2)),
            (99, Route::TrustedEncrypted, ("first", "first"), (600, 600), (7, 7)),
        ]
    );
}
