//! The routes by which payments come.

use super::Subject;
use super::fixtures::{FIRST, claimed, new_order};
use crate::NewOrder;
use tollgate_core::ident::MerchantId;
use tollgate_core::order::{Order, PayKind};
use tollgate_core::scope::{Route, Use};
use tollgate_core::time::Timestamp;

fn by_route(number: i64, reference: &str, route: Option<Route>, at: i64) -> NewOrder {
    let new = new_order(number, reference, PayKind::Purchase);
    let order = Order { created_at: Timestamp(at), ..new.order.clone() };
    NewOrder { order, route, ..new }
}

/// The number of the order that used a route, if there was one.
fn number(of: &Use) -> Option<i64> {
    of.fort_id.map(|fort_id| fort_id.0 - FIRST)
}

/// A route's first use stays, and its last one moves on, never back, with an order or without. An order that names no route
/// notes nothing, and one that is not made neither.
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
    // Cards that were kept without an order, before a payment and after one.
    for (reference, at) in [("kept", 250), ("kept-early", 40)] {
        let used = Use { at: Timestamp(at), fort_id: None, merchant_reference: reference.to_owned() };
        store.note_route(MerchantId(99), Route::OwnForm, used).await.unwrap();
    }
    let used = Use { at: Timestamp(700), fort_id: None, merchant_reference: "by-form".to_owned() };
    store.note_route(MerchantId(99), Route::TrustedEncrypted, used).await.unwrap();
    drop(store);
    let rows = subject.open().await.route_uses().await.unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            let (first, last) = (&row.used.first, &row.used.last);
            let names = (first.merchant_reference.as_str(), last.merchant_reference.as_str());
            (row.merchant.0, row.used.route, names, (first.at.0, last.at.0), (number(first), number(last)))
        })
        .collect();
    let own = new_order(1, "first", PayKind::Purchase).order.merchant.0;
    assert_eq!(
        told,
        [
            (own, Route::TrustedClear, ("first", "last"), (100, 300), (Some(1), Some(3))),
            (own, Route::Token, ("token", "token"), (150, 150), (Some(2), Some(2))),
            (99, Route::TrustedEncrypted, ("first", "by-form"), (600, 700), (Some(7), None)),
            (99, Route::OwnForm, ("kept", "kept"), (250, 250), (None, None)),
        ]
    );
}
