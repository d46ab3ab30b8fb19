//! Tokens, and what the outcomes of payments do to them.

use super::Subject;
use super::fixtures::{FIRST, MERCHANT, aed, at, begin_attempt, claimed, new_order, outcome, settled, stored};
use crate::{
    NewOrder, OrderClaim, Recorded, Store, StoreError, StoredToken, TokenFilter, TokenIntent, TokenPlace, TokenPut,
    TokenSave,
};
use std::sync::Arc;
use tollgate_core::bin::Brand;
use tollgate_core::card::CardFacts;
use tollgate_core::credential::NetworkTransactionId;
use tollgate_core::ident::{MerchantId, OperationId};
use tollgate_core::order::{OperationEvent, Order, PayKind};
use tollgate_core::page::AfterPayment;
use tollgate_core::time::Timestamp;
use tollgate_core::token::{FirstPayment, OrderToken, Token, TokenId, TokenRole, TokenStatus};
use tollgate_vault::{Fingerprint, SealedCard};

/// How many callers try at once.
const RACERS: i64 = 16;

/// Rule: what a token is kept with reads back, and its name is its own merchant's alone.
pub async fn a_token_reads_back_and_its_name_is_unique_per_merchant(subject: &dyn Subject) {
    let store = subject.open().await;
    let new = token(1, "My.card@2_a-b");
    assert_eq!(store.add_token(new.clone(), None).await.unwrap(), TokenSave::Saved);
    let bare = StoredToken {
        token: Token {
            status: TokenStatus::Inactive,
            lapses_at: Some(at(100)),
            currency: None,
            card: CardFacts { holder: None, ..new.token.card.clone() },
            ..token(2, "bare").token
        },
        ..token(2, "bare")
    };
    assert_eq!(store.add_token(bare.clone(), None).await.unwrap(), TokenSave::Saved);
    assert_eq!(store.add_token(token(3, "My.card@2_a-b"), None).await.unwrap(), TokenSave::NameTaken);
    let of_another = of_merchant(token(4, "My.card@2_a-b"), MerchantId(2));
    assert_eq!(store.add_token(of_another.clone(), None).await.unwrap(), TokenSave::Saved);
    assert_eq!(store.add_token(token(5, "my.card@2_a-b"), None).await.unwrap(), TokenSave::Saved, "names are exact");
    drop(store);
    let store = subject.open().await;
    for kept in [&new, &bare, &of_another] {
        assert_eq!(found(&store, kept.token.merchant, &kept.token.name).await.as_ref(), Some(kept));
    }
    assert_eq!(found(&store, MERCHANT, "My.card").await, None);
    assert_eq!(found(&store, MerchantId(3), "bare").await, None);
}

/// Rule: of many who want a name at once, one has it.
pub async fn one_of_many_takes_a_token_name(subject: &dyn Subject) {
    let store = subject.open().await;
    let racers: Vec<_> = (1..=RACERS)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.add_token(token(number, "wanted"), None).await.unwrap() })
        })
        .collect();
    let mut saved = 0;
    for racer in racers {
        match racer.await.unwrap() {
            TokenSave::Saved => saved += 1,
            other => assert_eq!(other, TokenSave::NameTaken),
        }
    }
    assert_eq!(saved, 1);
}

/// Rule: a token is changed on the version that was judged, and never to a name that another one has.
pub async fn a_token_is_changed_by_version(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = token(1, "first");
    store.add_token(first.clone(), None).await.unwrap();
    store.add_token(token(2, "second"), None).await.unwrap();
    let renamed = Token {
        name: "renamed".to_owned(),
        status: TokenStatus::Inactive,
        card: CardFacts { expiry: "3112".to_owned(), holder: None, ..first.token.card.clone() },
        currency: None,
        updated_at: at(50),
        version: 2,
        ..first.token.clone()
    };
    assert_eq!(store.change_token(renamed.clone()).await.unwrap(), TokenSave::Saved);
    assert_eq!(store.change_token(renamed.clone()).await.unwrap(), TokenSave::Changed, "it has version 2 by now");
    let foreign = Token { merchant: MerchantId(2), version: 3, ..renamed.clone() };
    assert_eq!(store.change_token(foreign).await.unwrap(), TokenSave::Changed);
    let taken = Token { name: "second".to_owned(), version: 3, ..renamed.clone() };
    assert_eq!(store.change_token(taken).await.unwrap(), TokenSave::NameTaken);
    assert_eq!(found(&store, MERCHANT, "first").await, None);
    let kept = StoredToken { token: renamed, ..first };
    assert_eq!(found(&store, MERCHANT, "renamed").await, Some(kept));
}

/// Rule: tokens are listed by age, page by page, by interval and by card.
pub async fn tokens_are_listed_by_age_and_by_card(subject: &dyn Subject) {
    let store = subject.open().await;
    let ages = [(4, "d", 30), (1, "a", 10), (3, "c", 20), (2, "b", 20), (5, "e", 40)];
    for (number, name, seconds) in ages {
        let new = token(number, name);
        let new = StoredToken { token: Token { created_at: at(seconds), ..new.token }, ..new };
        let new = if name == "c" { StoredToken { fingerprint: fingerprint(99), ..new } } else { new };
        store.add_token(new, None).await.unwrap();
    }
    store.add_token(of_merchant(token(6, "foreign"), MerchantId(2)), None).await.unwrap();
    let names = |tokens: Vec<Token>| tokens.into_iter().map(|token| token.name).collect::<Vec<_>>();
    let all = TokenFilter::all_of(MERCHANT, 10);
    assert_eq!(names(store.tokens(&all).await.unwrap()), ["a", "b", "c", "d", "e"]);
    let interval = TokenFilter { from: at(20), before: at(40), ..all.clone() };
    assert_eq!(names(store.tokens(&interval).await.unwrap()), ["b", "c", "d"]);
    let page = store.tokens(&TokenFilter { limit: 2, ..all.clone() }).await.unwrap();
    let after = page.last().map(TokenPlace::from);
    assert_eq!(names(page), ["a", "b"]);
    let next = TokenFilter { limit: 2, after, ..all.clone() };
    assert_eq!(names(store.tokens(&next).await.unwrap()), ["c", "d"]);
    let of_card = TokenFilter { fingerprint: Some(fingerprint(99)), ..all };
    assert_eq!(names(store.tokens(&of_card).await.unwrap()), ["c"]);
}

/// Rule: a token that a payment makes comes into use with the success of the payment, and not before; a payment
/// that comes to nothing makes none.
pub async fn a_token_comes_into_use_with_the_success_of_its_payment(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, event) in (1..).zip([
        OperationEvent::Approved,
        OperationEvent::Declined,
        OperationEvent::NotSent,
        OperationEvent::NoAnswer,
    ]) {
        let name = format!("token-{number}");
        let new = saving(number, token(number, &name));
        let claimed = claimed(&*store, new).await;
        assert_eq!(found(&store, MERCHANT, &name).await, None, "{event:?}: nothing before the outcome");
        let record = outcome(&claimed.order, &claimed.operation, event, at(60));
        assert_eq!(store.record_outcome(record.clone()).await.unwrap(), Recorded::Written);
        let expected = (event == OperationEvent::Approved).then(|| paid_at(token(number, &name), at(60)));
        assert_eq!(found(&store, MERCHANT, &name).await, expected, "{event:?}");
        assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::Changed);
    }
    // The order tells of its token for good.
    let order = stored(&*store, new_order(1, "", PayKind::Purchase).order.fort_id, MERCHANT).await;
    assert_eq!(order.token, Some(OrderToken { name: "token-1".to_owned(), role: TokenRole::Saves }));
}

/// Rule: a payment whose outcome is found out later makes its token then, or never.
pub async fn a_late_success_makes_the_token_and_a_reversal_does_not(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, end, is_made) in
        [(1, OperationEvent::Approved, true), (2, OperationEvent::ReversalAcknowledged, false)]
    {
        let name = format!("token-{number}");
        let unknown = settled(&*store, saving(number, token(number, &name)), OperationEvent::NoAnswer).await;
        if end == OperationEvent::ReversalAcknowledged {
            assert!(begin_attempt(&*store, unknown.operation.id, 0, at(90)).await.unwrap());
        }
        let record = outcome(&unknown.order, &unknown.operation, end, at(7_200));
        assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::Written);
        let expected = is_made.then(|| paid_at(token(number, &name), at(7_200)));
        assert_eq!(found(&store, MERCHANT, &name).await, expected);
    }
}

/// Rule: a new card under a known name takes the old one's place with the success of its payment; until then, and
/// after a decline, the old card stays.
pub async fn a_new_card_takes_a_tokens_place_only_by_success(subject: &dyn Subject) {
    let store = subject.open().await;
    let old = StoredToken { token: Token { created_at: at(1), ..token(1, "card").token }, ..token(1, "card") };
    store.add_token(old.clone(), None).await.unwrap();
    let with_other_card = |number| StoredToken { fingerprint: fingerprint(50), ..token(number, "card") };
    settled(&*store, saving(2, with_other_card(2)), OperationEvent::Declined).await;
    assert_eq!(found(&store, MERCHANT, "card").await, Some(old.clone()));
    settled(&*store, saving(3, with_other_card(3)), OperationEvent::Approved).await;
    let now = found(&store, MERCHANT, "card").await.unwrap();
    assert_eq!((now.token.id, now.fingerprint), (TokenId(FIRST + 3), fingerprint(50)));
    assert_eq!((now.token.created_at, now.token.version), (at(1), 2), "the name keeps its age");
    assert_eq!(store.tokens(&TokenFilter::all_of(MERCHANT, 10)).await.unwrap(), [now.token]);
}

/// Rule: a token that was switched off while a payment with a new card was under way stays off.
pub async fn a_new_card_does_not_switch_a_token_on(subject: &dyn Subject) {
    let store = subject.open().await;
    store.add_token(token(1, "card"), None).await.unwrap();
    let under_way = claimed(&*store, saving(2, token(2, "card"))).await;
    let off = Token { status: TokenStatus::Inactive, version: 2, ..token(1, "card").token };
    assert_eq!(store.change_token(off).await.unwrap(), TokenSave::Saved);
    let record = outcome(&under_way.order, &under_way.operation, OperationEvent::Approved, at(60));
    assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::Written);
    let now = found(&store, MERCHANT, "card").await.unwrap().token;
    assert_eq!((now.id, now.status), (TokenId(FIRST + 2), TokenStatus::Inactive));
}

/// Rule: a provisional token is made permanent by a payment that succeeds, and by no other.
pub async fn a_provisional_token_is_kept_by_a_success(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, event, is_kept) in [(1, OperationEvent::Declined, false), (2, OperationEvent::Approved, true)] {
        let name = format!("token-{number}");
        let provisional = provisional(number, &name, at(3_600));
        store.add_token(provisional.clone(), None).await.unwrap();
        settled(&*store, keeping(number, &provisional), event).await;
        let now = found(&store, MERCHANT, &name).await.unwrap();
        assert_eq!(now.token.lapses_at.is_none(), is_kept, "{event:?}");
        assert_eq!((now.card, now.fingerprint), (provisional.card, provisional.fingerprint));
    }
}

/// Rule: what has lapsed is deleted, the longest lapsed first; not while a payment may still keep it.
pub async fn lapsed_tokens_are_deleted_unless_a_payment_may_keep_them(subject: &dyn Subject) {
    let store = subject.open().await;
    store.add_token(token(1, "permanent"), None).await.unwrap();
    for (number, name, lapses) in [(2, "later", 500), (3, "paying", 90), (4, "first", 80), (5, "second", 100)] {
        store.add_token(provisional(number, name, at(lapses)), None).await.unwrap();
    }
    let paying = found(&store, MERCHANT, "paying").await.unwrap();
    let unknown = settled(&*store, keeping(10, &paying), OperationEvent::NoAnswer).await;
    assert_eq!(store.delete_lapsed_tokens(at(79), 10).await.unwrap(), 0);
    assert_eq!(store.delete_lapsed_tokens(at(100), 1).await.unwrap(), 1);
    assert_eq!(found(&store, MERCHANT, "first").await, None);
    assert_eq!(store.delete_lapsed_tokens(at(100), 10).await.unwrap(), 1);
    for name in ["permanent", "later", "paying"] {
        assert!(found(&store, MERCHANT, name).await.is_some(), "{name}");
    }
    let late = outcome(&unknown.order, &unknown.operation, OperationEvent::Declined, at(110));
    assert_eq!(store.record_outcome(late).await.unwrap(), Recorded::Written);
    assert_eq!(store.delete_lapsed_tokens(at(120), 10).await.unwrap(), 1, "the payment came to nothing");
    // The name of a token that has lapsed is free, swept or not.
    let successor = token(6, "later");
    let successor = StoredToken { token: Token { created_at: at(500), ..successor.token }, ..successor };
    assert_eq!(store.add_token(successor.clone(), None).await.unwrap(), TokenSave::Saved);
    assert_eq!(found(&store, MERCHANT, "later").await, Some(successor));
}

/// Rule: a deleted token is gone with its card, and no payment that was under way brings it back.
pub async fn a_deleted_token_stays_gone(subject: &dyn Subject) {
    let store = subject.open().await;
    store.add_token(token(1, "gone"), None).await.unwrap();
    store.add_token(of_merchant(token(2, "gone"), MerchantId(2)), None).await.unwrap();
    let under_way = claimed(&*store, saving(3, token(3, "gone"))).await;
    assert_eq!(store.delete_token(MERCHANT, "gone").await.unwrap(), Some(token(1, "gone").token));
    assert_eq!(store.delete_token(MERCHANT, "gone").await.unwrap(), None);
    let record = outcome(&under_way.order, &under_way.operation, OperationEvent::Approved, at(60));
    assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::Written);
    assert_eq!(found(&store, MERCHANT, "gone").await, None);
    assert!(found(&store, MerchantId(2), "gone").await.is_some());
}

/// Rule: a card put under a name makes a token, or takes the place of an active one's card; an inactive one keeps its own.
pub async fn a_card_is_put_under_a_name_unless_it_is_switched_off(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = provisional(1, "card", at(3_600));
    assert_eq!(store.put_token(first.clone(), None).await.unwrap(), TokenPut::Added);
    assert_eq!(found(&store, MERCHANT, "card").await, Some(first));
    let second = provisional(2, "card", at(7_200));
    let forgets = Token { after_payment: AfterPayment::Forget, currency: None, ..second.token };
    let second = StoredToken { token: forgets, ..second };
    assert_eq!(store.put_token(second.clone(), None).await.unwrap(), TokenPut::Replaced);
    let expected = Token { currency: Some(aed(1).currency), created_at: at(1), version: 2, ..second.token.clone() };
    assert_eq!(found(&store, MERCHANT, "card").await, Some(StoredToken { token: expected.clone(), ..second }));
    let permanent = Token { lapses_at: None, version: 3, ..expected };
    assert_eq!(store.change_token(permanent).await.unwrap(), TokenSave::Saved);
    assert_eq!(store.put_token(provisional(3, "card", at(9_000)), None).await.unwrap(), TokenPut::Replaced);
    let now = found(&store, MERCHANT, "card").await.unwrap().token;
    assert_eq!((now.id, now.lapses_at, now.version), (TokenId(FIRST + 3), None, 4), "it stays permanent");
    let off = Token { status: TokenStatus::Inactive, version: 5, ..now };
    assert_eq!(store.change_token(off.clone()).await.unwrap(), TokenSave::Saved);
    assert_eq!(store.put_token(provisional(4, "card", at(9_000)), None).await.unwrap(), TokenPut::Inactive);
    assert_eq!(found(&store, MERCHANT, "card").await.unwrap().token, off);
}

/// Rule: whether there is anything to sweep is told exactly as the sweep would find it.
pub async fn a_look_for_lapsed_tokens_sees_what_the_sweep_deletes(subject: &dyn Subject) {
    let store = subject.open().await;
    store.add_token(token(1, "permanent"), None).await.unwrap();
    let paying = provisional(2, "paying", at(80));
    for new in [paying.clone(), provisional(3, "unused", at(100))] {
        store.add_token(new, None).await.unwrap();
    }
    let unknown = settled(&*store, keeping(10, &paying), OperationEvent::NoAnswer).await;
    assert!(!store.has_lapsed_tokens(at(99)).await.unwrap(), "a payment may keep it yet");
    assert!(store.has_lapsed_tokens(at(100)).await.unwrap());
    assert_eq!(store.delete_lapsed_tokens(at(100), 10).await.unwrap(), 1);
    assert!(!store.has_lapsed_tokens(at(100)).await.unwrap());
    let declined = outcome(&unknown.order, &unknown.operation, OperationEvent::Declined, at(110));
    assert_eq!(store.record_outcome(declined).await.unwrap(), Recorded::Written);
    assert!(store.has_lapsed_tokens(at(120)).await.unwrap());
}

/// Rule: erasing the traces of what was deleted leaves everything else where it is.
pub async fn traces_are_erased_and_nothing_else(subject: &dyn Subject) {
    let store = subject.open().await;
    for number in 1..=20 {
        store.add_token(token(number, &format!("token-{number}")), None).await.unwrap();
    }
    for number in (1..=20).step_by(2) {
        store.delete_token(MERCHANT, &format!("token-{number}")).await.unwrap();
        store.erase_traces().await.unwrap();
    }
    drop(store);
    let store = subject.open().await;
    for number in 1..=20 {
        let name = format!("token-{number}");
        let expected = (number % 2 == 0).then(|| token(number, &name));
        assert_eq!(found(&store, MERCHANT, &name).await, expected);
    }
}

/// Rule: an order whose payment made no token names none, so that a correction years later tells of none either.
pub async fn an_order_names_no_token_that_it_did_not_make(subject: &dyn Subject) {
    let store = subject.open().await;
    let declined = settled(&*store, saving(1, token(1, "declined")), OperationEvent::Declined).await;
    assert_eq!(stored(&*store, declined.order.fort_id, MERCHANT).await.token, None);
    let under_way = claimed(&*store, saving(2, token(2, "deleted"))).await;
    assert_eq!(stored(&*store, under_way.order.fort_id, MERCHANT).await.token, under_way.order.token);
    store.delete_token(MERCHANT, "deleted").await.unwrap();
    let record = outcome(&under_way.order, &under_way.operation, OperationEvent::Approved, at(60));
    assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::Written);
    assert_eq!(stored(&*store, under_way.order.fort_id, MERCHANT).await.token, None);
}

/// Rule: an order says what it does with a token exactly when it does something with one, and for its own merchant.
pub async fn an_order_and_its_token_belong_together(subject: &dyn Subject) {
    let store = subject.open().await;
    let good = saving(1, token(1, "card"));
    let says_nothing = NewOrder { token: None, ..good.clone() };
    let only_uses = NewOrder { order: using(&good.order, TokenRole::Uses), ..good.clone() };
    let foreign = TokenIntent::Put(Box::new(of_merchant(token(1, "card"), MerchantId(2))));
    let of_another = NewOrder { token: Some(foreign), ..good.clone() };
    for bad in [says_nothing, only_uses, of_another] {
        let refused = store.claim_order(bad).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    }
    assert_eq!(store.claim_order(good).await.unwrap(), OrderClaim::Claimed);
    let uses = new_order(2, "uses", PayKind::Purchase);
    let uses = NewOrder { order: using(&uses.order, TokenRole::Uses), ..uses };
    let paid = settled(&*store, uses, OperationEvent::Approved).await;
    assert_eq!(stored(&*store, paid.order.fort_id, MERCHANT).await, paid.order);
}

pub(super) fn token(number: i64, name: &str) -> StoredToken {
    StoredToken {
        token: Token {
            id: TokenId(FIRST + number),
            merchant: MERCHANT,
            name: name.to_owned(),
            status: TokenStatus::Active,
            lapses_at: None,
            after_payment: AfterPayment::Keep,
            card: CardFacts {
                mask: "400555******0001".to_owned(),
                expiry: "3005".to_owned(),
                holder: Some("Layla Haddad".to_owned()),
                brand: Brand::Visa,
            },
            bin: "400555".to_owned(),
            currency: Some(aed(1).currency),
            first_payment: None,
            created_at: at(number),
            updated_at: at(number),
            version: 1,
        },
        card: SealedCard::from_bytes(vec![u8::try_from(number).unwrap(); 57]),
        fingerprint: fingerprint(u8::try_from(number).unwrap()),
    }
}

pub(super) fn provisional(number: i64, name: &str, lapses_at: Timestamp) -> StoredToken {
    let new = token(number, name);
    StoredToken { token: Token { lapses_at: Some(lapses_at), ..new.token }, ..new }
}

fn of_merchant(new: StoredToken, merchant: MerchantId) -> StoredToken {
    StoredToken { token: Token { merchant, ..new.token }, ..new }
}

/// A token as the customer's payment that made it has left it.
fn paid_at(new: StoredToken, at: Timestamp) -> StoredToken {
    let network_transaction_id = NetworkTransactionId::parse(&format!("NET{}", OperationId(new.token.id.0)));
    let first_payment = Some(FirstPayment { at, network_transaction_id });
    StoredToken { token: Token { updated_at: at, first_payment, ..new.token }, ..new }
}

pub(super) fn fingerprint(byte: u8) -> Fingerprint {
    Fingerprint::from_bytes(&[byte; 32]).unwrap()
}

/// An order whose success keeps its card as `stored`.
pub(super) fn saving(number: i64, stored: StoredToken) -> NewOrder {
    let new = new_order(number, &format!("order-{number}"), PayKind::Purchase);
    let token = OrderToken { name: stored.token.name.clone(), role: TokenRole::Saves };
    let order = Order { token: Some(token), ..new.order };
    NewOrder { order, token: Some(TokenIntent::Put(Box::new(stored))), ..new }
}

/// An order whose success makes `stored` permanent.
pub(super) fn keeping(number: i64, stored: &StoredToken) -> NewOrder {
    let new = new_order(number, &format!("order-{number}"), PayKind::Purchase);
    let token = OrderToken { name: stored.token.name.clone(), role: TokenRole::Keeps };
    let order = Order { token: Some(token), ..new.order };
    NewOrder { order, token: Some(TokenIntent::Keep(stored.token.id)), ..new }
}

fn using(order: &Order, role: TokenRole) -> Order {
    Order { token: Some(OrderToken { name: "card".to_owned(), role }), ..order.clone() }
}

async fn found(store: &Arc<dyn Store>, merchant: MerchantId, name: &str) -> Option<StoredToken> {
    store.token(merchant, name).await.unwrap()
}
