//! The routes by which payments come.

use super::Subject;
use super::checkouts::cards::keep;
use super::checkouts::{for_a_token, opened};
use super::fixtures::{FIRST, MERCHANT, claimed, new_order};
use super::tokens::{fingerprint, token};
use super::unique_tokens::with_terms;
use crate::{CardKeep, CardKept, NewOrder, RouteNote, Store, StoredToken, TokenNaming, TokenPut, TokenSave};
use tollgate_core::card_terms::UniqueTokens;
use tollgate_core::ident::MerchantId;
use tollgate_core::order::{Order, PayKind};
use tollgate_core::scope::{Route, Use};
use tollgate_core::time::Timestamp;
use tollgate_core::token::{Token, TokenStatus};

fn by_route(number: i64, reference: &str, route: Option<Route>, at: i64) -> NewOrder {
    let new = new_order(number, reference, PayKind::Purchase);
    let order = Order { created_at: Timestamp(at), ..new.order.clone() };
    NewOrder { order, route, ..new }
}

/// What is noted with a card.
fn note(route: Route, reference: &str, at: i64) -> Option<RouteNote> {
    let used = Use { at: Timestamp(at), fort_id: None, merchant_reference: reference.to_owned() };
    Some(RouteNote { route, used })
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
    for (id, route, reference, at) in [
        (1, Route::OwnForm, "kept", 250),
        (2, Route::OwnForm, "kept-early", 40),
        (3, Route::TrustedEncrypted, "by-form", 700),
    ] {
        let new = token(id, reference);
        let new = StoredToken { token: Token { merchant: MerchantId(99), ..new.token.clone() }, ..new };
        let saved = store.add_token(new, note(route, reference, at)).await.unwrap();
        assert_eq!(saved, TokenSave::Saved);
    }
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

/// When a form of the merchant's own was used last.
async fn own_last(store: &dyn Store) -> Timestamp {
    let rows = store.route_uses().await.unwrap();
    rows.iter().find(|row| row.used.route == Route::OwnForm).unwrap().used.last.at
}

/// Rule: the route by which a card came is noted in the commit that keeps the card, and not where that keeps none. A card
/// that has a token already is kept by that one.
pub async fn a_route_is_noted_with_the_card_that_came_by_it_or_not_at_all(subject: &dyn Subject) {
    let store = subject.open().await;
    with_terms(&store, UniqueTokens::PerMerchant, None).await;
    let own = |at| note(Route::OwnForm, "own", at);
    assert_eq!(store.add_token(token(1, "first"), None).await.unwrap(), TokenSave::Saved);
    assert_eq!(store.add_token(token(2, "first"), own(10)).await.unwrap(), TokenSave::NameTaken);
    let off = Token { status: TokenStatus::Inactive, version: 2, ..token(1, "first").token };
    assert_eq!(store.change_token(off).await.unwrap(), TokenSave::Saved);
    assert_eq!(store.put_token(token(3, "first"), own(20)).await.unwrap(), TokenPut::Inactive);
    let checkout = opened(&*store, for_a_token(4)).await.checkout;
    let hosted = |number: i64, name: &str, at| CardKeep {
        came: note(Route::HostedPage, "hosted", at),
        ..keep(&checkout, token(number, name), TokenNaming::Free)
    };
    assert_eq!(store.keep_card(hosted(4, "first", 30)).await.unwrap(), CardKept::NameTaken);
    assert!(store.route_uses().await.unwrap().is_empty(), "nothing was kept");

    assert_eq!(store.add_token(token(5, "second"), own(40)).await.unwrap(), TokenSave::Saved);
    assert_eq!(store.put_token(token(6, "third"), own(50)).await.unwrap(), TokenPut::Added);
    assert_eq!(store.put_token(token(7, "third"), own(60)).await.unwrap(), TokenPut::Replaced);
    let again = |number: i64| StoredToken { fingerprint: fingerprint(5), ..token(number, "again") };
    let added = store.add_token(again(10), own(62)).await.unwrap();
    assert_eq!(added, TokenSave::CardHas("second".to_owned()));
    assert_eq!(own_last(&*store).await, Timestamp(62));
    let put = store.put_token(again(11), own(64)).await.unwrap();
    assert_eq!(put, TokenPut::CardHas("second".to_owned()));
    assert!(matches!(store.keep_card(hosted(8, "fourth", 70)).await.unwrap(), CardKept::Kept(_)));
    assert_eq!(store.keep_card(hosted(9, "fifth", 80)).await.unwrap(), CardKept::Overtaken);
    let rows = store.route_uses().await.unwrap();
    let told: Vec<_> =
        rows.iter().map(|row| (row.merchant, row.used.route, row.used.first.at.0, row.used.last.at.0)).collect();
    assert_eq!(told.len(), 2);
    assert!(told.contains(&(MERCHANT, Route::OwnForm, 40, 64)));
    assert!(told.contains(&(MERCHANT, Route::HostedPage, 70, 70)));
}
