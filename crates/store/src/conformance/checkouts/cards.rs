//! Rules of cards that are kept at the checkouts of tokens.

use super::super::Subject;
use super::super::fixtures::*;
use super::super::tokens::{fingerprint, token};
use super::super::unique_tokens::with_terms;
use super::{for_a_token, on_the_page, opened};
use crate::{CardKeep, CardKept, Store, StoreError, StoredToken, TokenFilter, TokenNaming};
use std::sync::Arc;
use tollgate_core::card_terms::UniqueTokens;
use tollgate_core::checkout::{CHECKOUT_MS_MAX, Checkout, CheckoutId, End, Step, TokenEnd};
use tollgate_core::code::{TOKENIZED, TOKENIZED_ANEW};
use tollgate_core::ident::MerchantId;
use tollgate_core::token::{Token, TokenStatus};

/// How many send one page at once.
const RACERS: i64 = 8;
const ANY: TokenNaming = TokenNaming::Any { code_replaced: TOKENIZED_ANEW };

/// Rule: a card and the end of its checkout are written together, and the end tells of the token that the card has then: a
/// new one, a known one whose card was replaced, or the one that counts in place of another.
pub async fn a_card_is_kept_with_the_end_of_its_checkout(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, new, name, code) in [
        (1, token(1, "first"), ANY, TOKENIZED),
        (2, token(2, "first"), ANY, TOKENIZED_ANEW),
        (3, token(3, "second"), TokenNaming::Free, TOKENIZED),
    ] {
        let checkout = opened(&*store, for_a_token(number)).await.checkout;
        let kept = store.keep_card(keep(&checkout, new.clone(), name)).await.unwrap();
        assert_eq!(kept, CardKept::Kept(Box::new(new.token.clone())));
        assert_eq!(ended(&*store, checkout.id).await, Some(TokenEnd::kept(code, &new.token)));
        let stored = store.token(MERCHANT, &new.token.name).await.unwrap().unwrap();
        assert_eq!((stored.token.id, stored.card), (new.token.id, new.card));
    }
    assert!(store.checkouts_due(at(9).plus_ms(CHECKOUT_MS_MAX), 10).await.unwrap().is_empty(), "they have ended");
    assert_eq!(store.forget_checkouts(at(501), 10).await.unwrap(), 3, "at the moment that was given");
}

/// Rule: where a card may have one token alone, the end tells of that one.
pub async fn the_end_of_a_checkout_tells_of_the_token_that_its_card_has(subject: &dyn Subject) {
    let store = subject.open().await;
    with_terms(&store, UniqueTokens::PerMerchant, None).await;
    let again = StoredToken { fingerprint: fingerprint(1), ..token(2, "second") };
    for (number, new) in [(1, token(1, "first")), (2, again.clone()), (3, again)] {
        let checkout = opened(&*store, for_a_token(number)).await.checkout;
        let name = if number == 3 { TokenNaming::Free } else { ANY };
        let CardKept::Kept(kept) = store.keep_card(keep(&checkout, new, name)).await.unwrap() else {
            panic!("the card has a token")
        };
        let stored = store.token(MERCHANT, "first").await.unwrap().unwrap().token;
        assert_eq!(*kept, stored, "as it is now");
        assert_eq!(ended(&*store, checkout.id).await, Some(TokenEnd::kept(TOKENIZED, &stored)));
    }
    assert_eq!(tokens(&*store).await.len(), 1);
}

/// Rule: of many who send one page, one keeps a card, under whatever names; the others change nothing.
pub async fn one_of_many_keeps_a_card_at_a_checkout(subject: &dyn Subject) {
    let stores = [subject.open().await, subject.open().await];
    let store = &stores[0];
    for (turn, naming) in [(0, ANY), (1, TokenNaming::Free)] {
        let checkout = opened(&**store, for_a_token(100 + turn)).await.checkout;
        let racers: Vec<_> = (1..=RACERS)
            .map(|number| {
                let store = Arc::clone(if number % 2 == 0 { store } else { &stores[1] });
                let number = turn * RACERS + number;
                let keep = keep(&checkout, token(number, &format!("token-{number}")), naming);
                tokio::spawn(async move { store.keep_card(keep).await.unwrap() })
            })
            .collect();
        let mut winner = None;
        for racer in racers {
            match racer.await.unwrap() {
                CardKept::Kept(token) if winner.is_none() => winner = Some(token),
                other => assert_eq!(other, CardKept::Overtaken),
            }
        }
        let winner = *winner.unwrap();
        assert_eq!(tokens(&**store).await.last(), Some(&winner));
        assert_eq!(tokens(&**store).await.len(), usize::try_from(turn).unwrap() + 1);
        assert_eq!(ended(&**store, checkout.id).await, Some(TokenEnd::kept(TOKENIZED, &winner)));
    }
}

/// Rule: at a checkout that has ended, or was changed, no card is kept; nor where its name cannot be had, and then the
/// checkout is as it was.
pub async fn a_card_that_is_not_kept_changes_nothing(subject: &dyn Subject) {
    let store = subject.open().await;
    let checkout = opened(&*store, for_a_token(1)).await.checkout;
    let taken = token(1, "taken");
    store.add_token(taken.clone(), None).await.unwrap();
    let off = Token { status: TokenStatus::Inactive, ..token(2, "off").token };
    store.add_token(StoredToken { token: off, ..token(2, "off") }, None).await.unwrap();
    let before = tokens(&*store).await;
    let kept = store.keep_card(keep(&checkout, token(3, "taken"), TokenNaming::Free)).await.unwrap();
    assert_eq!(kept, CardKept::NameTaken);
    assert_eq!(store.keep_card(keep(&checkout, token(4, "off"), ANY)).await.unwrap(), CardKept::Inactive);
    let stale = Checkout { version: 7, ..checkout.clone() };
    let missing = Checkout { id: CheckoutId(FIRST + 99), ..checkout.clone() };
    for overtaken in [stale, missing] {
        let kept = store.keep_card(keep(&overtaken, token(5, "new"), ANY)).await.unwrap();
        assert_eq!(kept, CardKept::Overtaken);
    }
    // A payment's checkout takes none, nor does one of another merchant's.
    let payment = opened(&*store, on_the_page(2, "order")).await.checkout;
    let foreign = Checkout { merchant: MerchantId(2), ..checkout.clone() };
    for unfit in [payment, foreign] {
        let refused = store.keep_card(keep(&unfit, token(5, "new"), ANY)).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    }
    assert_eq!((tokens(&*store).await, store.checkout(checkout.id).await.unwrap()), (before, Some(checkout.clone())));

    let cancelled = checkout.at(Step::Ended(End::Cancelled));
    super::change(&*store, cancelled.clone(), crate::CheckoutChanged::Written).await;
    for read in [&checkout, &cancelled] {
        let kept = store.keep_card(keep(read, token(6, "late"), ANY)).await.unwrap();
        assert_eq!(kept, CardKept::Overtaken);
    }
    assert_eq!(store.token(MERCHANT, "late").await.unwrap(), None);
    assert_eq!(store.checkout(checkout.id).await.unwrap(), Some(cancelled));
}

/// What keeps `new` at a checkout as it was read.
pub(in super::super) fn keep(read: &Checkout, new: StoredToken, name: TokenNaming) -> CardKeep {
    CardKeep { checkout: read.at(read.step.clone()), token: new, name, came: None, code: TOKENIZED, at: at(500) }
}

/// How a checkout has ended.
async fn ended(store: &dyn Store, id: CheckoutId) -> Option<TokenEnd> {
    match store.checkout(id).await.unwrap().unwrap().step {
        Step::Ended(End::Token(end)) => Some(*end),
        _ => None,
    }
}

async fn tokens(store: &dyn Store) -> Vec<Token> {
    store.tokens(&TokenFilter::all_of(MERCHANT, 100)).await.unwrap()
}
