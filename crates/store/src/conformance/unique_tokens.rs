//! One token per card, one per customer, and customers per card: held in the commit that keeps a card.

use super::Subject;
use super::chance::Chance;
use super::fixtures::{MERCHANT, account, at, claimed, new_order, outcome, stored};
use super::tokens::{fingerprint, provisional, token};
use crate::{
    CardCustomer, MerchantRecord, MerchantSave, NewOrder, Recorded, Store, StoredToken, TokenFilter, TokenIntent,
    TokenPut, TokenSave,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tollgate_core::card::CardFacts;
use tollgate_core::card_terms::{CardTerms, UniqueTokens};
use tollgate_core::command::SafeParams;
use tollgate_core::ident::OperationId;
use tollgate_core::order::{OperationEvent, Order, PayKind};
use tollgate_core::page::AfterPayment;
use tollgate_core::token::{OrderToken, Token, TokenRole, TokenStatus};

/// How many callers try at once.
const RACERS: i64 = 12;

/// Rule: a card that has a token gets no other one: that one takes the new expiry, and the order names it.
pub async fn a_card_that_is_kept_again_has_its_first_token(subject: &dyn Subject) {
    let store = subject.open().await;
    with_terms(&store, UniqueTokens::PerMerchant, None).await;
    assert_eq!(kept(&store, 1, "first", 7, "a@example.org").await.as_deref(), Some("first"));
    assert_eq!(kept(&store, 2, "second", 7, "b@example.org").await.as_deref(), Some("first"));
    assert_eq!(kept(&store, 3, "other", 8, "a@example.org").await.as_deref(), Some("other"), "another card");
    let first = store.token(MERCHANT, "first").await.unwrap().unwrap();
    assert_eq!(first.token.card.expiry, "3102", "the expiry is that of the last payment");
    assert_eq!(first.token.id, sample(1, "first", 7).token.id, "the card behind it is the one that was sealed for it");
    assert_eq!(store.token(MERCHANT, "second").await.unwrap(), None);
    // Under a name that has another card already, that card stays.
    assert_eq!(kept(&store, 4, "other", 7, "a@example.org").await.as_deref(), Some("first"));
    let other = store.token(MERCHANT, "other").await.unwrap().unwrap();
    assert_eq!(other.fingerprint, fingerprint(8));
    // Its own name is its own.
    assert_eq!(kept(&store, 5, "first", 7, "a@example.org").await.as_deref(), Some("first"));
    assert_eq!(store.doubled_cards(MERCHANT, UniqueTokens::PerMerchant).await.unwrap(), 0);
}

/// Rule: one token for each customer of a card, where the merchant wants it so.
pub async fn each_customer_of_a_card_has_one_token(subject: &dyn Subject) {
    let store = subject.open().await;
    with_terms(&store, UniqueTokens::PerCustomer, None).await;
    assert_eq!(kept(&store, 1, "first", 7, "A@example.org").await.as_deref(), Some("first"));
    assert_eq!(kept(&store, 2, "second", 7, "b@example.org").await.as_deref(), Some("second"));
    assert_eq!(kept(&store, 3, "third", 7, "a@Example.org").await.as_deref(), Some("first"));
    assert_eq!(kept(&store, 4, "fourth", 7, "b@example.org").await.as_deref(), Some("second"));
    assert_eq!(customers(&store, 7).await, ["a@example.org", "b@example.org"]);
}

/// Rule: of many who keep one card at once, in several processes, one makes its token.
pub async fn many_who_keep_a_card_at_once_have_one_token(subject: &dyn Subject) {
    let first = subject.open().await;
    with_terms(&first, UniqueTokens::PerMerchant, None).await;
    let stores = [first.clone(), subject.open().await];
    let racers: Vec<_> = (1..=RACERS)
        .map(|number| {
            let store = stores[usize::try_from(number).unwrap() % 2].clone();
            tokio::spawn(
                async move { kept(&store, number, &format!("name-{number}"), 7, "a@example.org").await.unwrap() },
            )
        })
        .collect();
    let mut names = BTreeSet::new();
    for racer in racers {
        names.insert(racer.await.unwrap());
    }
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(first.tokens(&TokenFilter::all_of(MERCHANT, 100)).await.unwrap().len(), 1);
}

/// Rule: a card is kept for as many customers as it may be, and no further one; the count is by card.
pub async fn a_card_is_kept_for_so_many_customers_and_no_more(subject: &dyn Subject) {
    let store = subject.open().await;
    with_terms(&store, UniqueTokens::Off, Some(2)).await;
    assert_eq!(kept(&store, 1, "one", 7, "a@example.org").await.as_deref(), Some("one"));
    assert_eq!(kept(&store, 2, "two", 7, "b@example.org").await.as_deref(), Some("two"));
    assert_eq!(kept(&store, 3, "three", 7, "c@example.org").await, None, "the third customer");
    assert_eq!(store.token(MERCHANT, "three").await.unwrap(), None);
    assert_eq!(kept(&store, 4, "four", 7, "b@example.org").await.as_deref(), Some("four"), "a known customer");
    assert_eq!(kept(&store, 5, "five", 8, "c@example.org").await.as_deref(), Some("five"), "another card");
    assert_eq!(customers(&store, 7).await, ["a@example.org", "b@example.org"]);
    let page = store.card_customers(MERCHANT, fingerprint(7), 1).await.unwrap();
    assert_eq!(page, [CardCustomer { customer: "a@example.org".to_owned(), first_at: at(61) }]);
    // With the last token of a card its customers are forgotten.
    for name in ["one", "two", "four"] {
        assert_eq!(customers(&store, 7).await.len(), 2, "{name}");
        assert!(store.delete_token(MERCHANT, name).await.unwrap().is_some());
    }
    assert_eq!(customers(&store, 7).await, [] as [&str; 0]);
    assert_eq!(kept(&store, 6, "six", 7, "c@example.org").await.as_deref(), Some("six"));
}

/// Rule: doubles that were there before the rule stay, are counted, and get no more.
pub async fn doubles_from_before_the_rule_stay(subject: &dyn Subject) {
    let store = subject.open().await;
    let merchant = with_terms(&store, UniqueTokens::Off, None).await;
    for (number, name) in [(1, "old"), (2, "young")] {
        assert_eq!(kept(&store, number, name, 7, "a@example.org").await.as_deref(), Some(name));
    }
    assert_eq!(store.doubled_cards(MERCHANT, UniqueTokens::PerMerchant).await.unwrap(), 1);
    assert_eq!(store.doubled_cards(MERCHANT, UniqueTokens::PerCustomer).await.unwrap(), 1);
    change_terms(&store, merchant, UniqueTokens::PerMerchant, None).await;
    assert_eq!(kept(&store, 3, "new", 7, "a@example.org").await.as_deref(), Some("old"), "the oldest counts");
    assert_eq!(kept(&store, 4, "young", 7, "a@example.org").await.as_deref(), Some("young"), "or the one asked for");
    assert_eq!(store.tokens(&TokenFilter::all_of(MERCHANT, 10)).await.unwrap().len(), 2);
}

/// Rule: a token that is switched off does not count, and is not switched on beside another one of its card.
pub async fn a_token_is_not_switched_on_beside_another_of_its_card(subject: &dyn Subject) {
    let store = subject.open().await;
    with_terms(&store, UniqueTokens::PerMerchant, None).await;
    kept(&store, 1, "first", 7, "a@example.org").await.unwrap();
    let first = store.token(MERCHANT, "first").await.unwrap().unwrap().token;
    let off = Token { status: TokenStatus::Inactive, version: first.version + 1, ..first };
    assert_eq!(store.change_token(off.clone()).await.unwrap(), TokenSave::Saved);
    assert_eq!(kept(&store, 2, "second", 7, "a@example.org").await.as_deref(), Some("second"));
    let on = Token { status: TokenStatus::Active, version: off.version + 1, ..off.clone() };
    assert_eq!(store.change_token(on.clone()).await.unwrap(), TokenSave::CardHas("second".to_owned()));
    assert_eq!(store.token(MERCHANT, "first").await.unwrap().unwrap().token, off, "nothing was written");
    store.delete_token(MERCHANT, "second").await.unwrap();
    assert_eq!(store.change_token(on).await.unwrap(), TokenSave::Saved);
}

/// Rule: tokens that are made by themselves, or kept by a later payment, go by the same rule.
pub async fn a_token_made_by_itself_goes_by_the_rule(subject: &dyn Subject) {
    let store = subject.open().await;
    let merchant = with_terms(&store, UniqueTokens::PerMerchant, None).await;
    assert_eq!(store.add_token(sample(1, "first", 7), None).await.unwrap(), TokenSave::Saved);
    let again = store.add_token(sample(2, "second", 7), None).await.unwrap();
    assert_eq!(again, TokenSave::CardHas("first".to_owned()));
    assert_eq!(store.token(MERCHANT, "first").await.unwrap().unwrap().token.card.expiry, "3102");
    // One that waits for its payment, from before the rule.
    change_terms(&store, merchant, UniqueTokens::Off, None).await;
    let waiting = StoredToken { fingerprint: fingerprint(7), ..provisional(3, "waiting", at(5_000)) };
    assert_eq!(store.add_token(waiting.clone(), None).await.unwrap(), TokenSave::Saved);
    change_terms(&store, merchant, UniqueTokens::PerMerchant, None).await;
    let new = new_order(4, "order-4", PayKind::Purchase);
    let token = OrderToken { name: "waiting".to_owned(), role: TokenRole::Keeps };
    let order = Order { token: Some(token), ..new.order };
    let keeping = NewOrder { order, token: Some(TokenIntent::Keep(waiting.token.id)), ..new };
    assert_eq!(approved(&store, keeping).await.as_deref(), Some("first"), "the card's own token counts");
    let left = store.token(MERCHANT, "waiting").await.unwrap().unwrap();
    assert_eq!(left.token.lapses_at, Some(at(5_000)), "the other one lapses");
}

/// Rule: a card that is put under a name goes by the rule too, and a name that is known with another card keeps that one.
pub async fn a_card_put_under_a_name_goes_by_the_rule(subject: &dyn Subject) {
    let store = subject.open().await;
    with_terms(&store, UniqueTokens::PerMerchant, None).await;
    let has_first = || TokenPut::CardHas("first".to_owned());
    assert_eq!(store.put_token(sample(1, "first", 7), None).await.unwrap(), TokenPut::Added);
    assert_eq!(store.put_token(sample(2, "second", 7), None).await.unwrap(), has_first());
    assert_eq!(store.token(MERCHANT, "second").await.unwrap(), None);
    assert_eq!(store.token(MERCHANT, "first").await.unwrap().unwrap().token.card.expiry, "3102", "it is renewed");
    assert_eq!(store.put_token(sample(3, "other", 8), None).await.unwrap(), TokenPut::Added);
    assert_eq!(store.put_token(sample(4, "other", 7), None).await.unwrap(), has_first());
    let other = store.token(MERCHANT, "other").await.unwrap().unwrap();
    assert_eq!((other.fingerprint, other.token.id), (fingerprint(8), sample(3, "other", 8).token.id));
    // Its own card, and one that has no token, take the place of the old one.
    assert_eq!(store.put_token(sample(5, "other", 8), None).await.unwrap(), TokenPut::Replaced);
    assert_eq!(store.put_token(sample(6, "other", 9), None).await.unwrap(), TokenPut::Replaced);
    let other = store.token(MERCHANT, "other").await.unwrap().unwrap();
    assert_eq!(other.fingerprint, fingerprint(9));
    let off = Token { status: TokenStatus::Inactive, version: other.token.version + 1, ..other.token };
    assert_eq!(store.change_token(off).await.unwrap(), TokenSave::Saved);
    let put = store.put_token(sample(7, "other", 7), None).await.unwrap();
    assert_eq!(put, TokenPut::Inactive, "a name that is off is refused whatever card comes");
    assert_eq!(
        store.token(MERCHANT, "first").await.unwrap().unwrap().token.card.expiry,
        "3104",
        "and nothing is renewed"
    );
}

/// Rule: of a card that is put again before its payment, the newest wish about keeping counts, and the later end.
pub async fn a_card_put_again_before_its_payment_goes_by_the_newest_wish(subject: &dyn Subject) {
    let store = subject.open().await;
    with_terms(&store, UniqueTokens::PerMerchant, None).await;
    let put = async |number: i64, after_payment: AfterPayment, lapses: i64| {
        let new = provisional(number, &format!("name-{number}"), at(lapses));
        let token = Token { after_payment, ..new.token };
        store.put_token(StoredToken { fingerprint: fingerprint(7), token, ..new }, None).await.unwrap()
    };
    assert_eq!(put(1, AfterPayment::Forget, 5_000).await, TokenPut::Added);
    for (number, wish, lapses, expected) in
        [(2, AfterPayment::Keep, 6_000, 6_000), (3, AfterPayment::Forget, 5_500, 6_000)]
    {
        assert_eq!(put(number, wish, lapses).await, TokenPut::CardHas("name-1".to_owned()));
        let kept = store.token(MERCHANT, "name-1").await.unwrap().unwrap().token;
        assert_eq!((kept.after_payment, kept.lapses_at), (wish, Some(at(expected))));
    }
}

/// Rule: a card that is put under a name is nobody's, and whose the old one was is forgotten with its last token.
pub async fn a_card_put_under_a_customers_name_is_not_the_customers(subject: &dyn Subject) {
    let store = subject.open().await;
    with_terms(&store, UniqueTokens::PerCustomer, None).await;
    assert_eq!(kept(&store, 1, "first", 7, "a@example.org").await.as_deref(), Some("first"));
    assert_eq!(kept(&store, 2, "second", 8, "a@example.org").await.as_deref(), Some("second"));
    assert_eq!(store.put_token(sample(3, "second", 7), None).await.unwrap(), TokenPut::Replaced);
    assert_eq!(customers(&store, 8).await, [] as [&str; 0], "the card has no token any more");
    assert_eq!(customers(&store, 7).await, ["a@example.org"]);
    assert_eq!(store.doubled_cards(MERCHANT, UniqueTokens::PerCustomer).await.unwrap(), 0);
    assert_eq!(kept(&store, 4, "third", 7, "a@example.org").await.as_deref(), Some("first"));
    // The same card under its own name stays whose it is, whoever else has one.
    assert_eq!(store.put_token(sample(5, "first", 7), None).await.unwrap(), TokenPut::Replaced);
    assert_eq!(kept(&store, 6, "fourth", 7, "a@example.org").await.as_deref(), Some("first"));
}

/// Rule: whatever is kept, in whatever order and by whatever rule, no card comes to break the rule that is set, and the
/// answers are those of a simple model.
pub async fn random_cards_keep_to_the_rule(subject: &dyn Subject) {
    let store = subject.open().await;
    let merchant = with_terms(&store, UniqueTokens::Off, None).await;
    for (round, unique) in (0..).zip([UniqueTokens::PerMerchant, UniqueTokens::PerCustomer]) {
        let mut chance = Chance::new(0x0070_6b65_6e73 + round);
        let max = 3;
        change_terms(&store, merchant, unique, Some(u32::try_from(max).unwrap())).await;
        let (mut names, mut of_card) = (BTreeMap::new(), BTreeMap::<u8, BTreeSet<String>>::new());
        for step in 0..120_i64 {
            let number = 1 + i64::try_from(round).unwrap() * 120 + step;
            let card = u8::try_from(20 * (round + 1) + chance.below(5)).unwrap();
            let customer = format!("{}@example.org", chance.below(5));
            let name = format!("name-{number}");
            let known = of_card.entry(card).or_default();
            let expected = if known.contains(&customer) || known.len() < max {
                known.insert(customer.clone());
                let scope = (unique == UniqueTokens::PerCustomer).then(|| customer.clone());
                Some(names.entry((card, scope)).or_insert_with(|| name.clone()).clone())
            } else {
                None
            };
            assert_eq!(kept(&store, number, &name, card, &customer).await, expected, "{unique:?} step {step}");
        }
        assert_eq!(store.doubled_cards(MERCHANT, unique).await.unwrap(), 0);
    }
}

/// Keeps a card by a payment that succeeds; the name that its order tells of.
async fn kept(store: &Arc<dyn Store>, number: i64, name: &str, card: u8, customer: &str) -> Option<String> {
    let new = new_order(number, &format!("order-{number}"), PayKind::Purchase);
    let token = OrderToken { name: name.to_owned(), role: TokenRole::Saves };
    let order = Order { token: Some(token), ..new.order };
    let mut request = SafeParams::default();
    request.push("customer_email", customer);
    let intent = TokenIntent::Put(Box::new(sample(number, name, card)));
    approved(store, NewOrder { order, request, token: Some(intent), ..new }).await
}

async fn approved(store: &Arc<dyn Store>, new: NewOrder) -> Option<String> {
    let new = claimed(&**store, new).await;
    let later = at(60 + OperationId(new.order.fort_id.0).0 - super::fixtures::FIRST);
    let record = outcome(&new.order, &new.operation, OperationEvent::Approved, later);
    assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::Written);
    stored(&**store, new.order.fort_id, MERCHANT).await.token.map(|token| token.name)
}

/// A card under a name; each has an expiry of its own.
fn sample(number: i64, name: &str, card: u8) -> StoredToken {
    let new = token(number, name);
    let facts = CardFacts { expiry: format!("31{:02}", 1 + (number - 1).rem_euclid(12)), ..new.token.card.clone() };
    StoredToken { fingerprint: fingerprint(card), token: Token { card: facts, ..new.token }, ..new }
}

async fn customers(store: &Arc<dyn Store>, card: u8) -> Vec<String> {
    let rows = store.card_customers(MERCHANT, fingerprint(card), 100).await.unwrap();
    rows.into_iter().map(|row| row.customer).collect()
}

pub(super) async fn with_terms(
    store: &Arc<dyn Store>,
    unique: UniqueTokens,
    customers_max: Option<u32>,
) -> &'static str {
    assert_eq!(store.add_merchant(account("shop")).await.unwrap(), MerchantSave::Saved(MERCHANT));
    change_terms(store, "shop", unique, customers_max).await;
    "shop"
}

async fn change_terms(store: &Arc<dyn Store>, name: &str, unique: UniqueTokens, customers_max: Option<u32>) {
    let all = store.merchants().await.unwrap();
    let mut record: MerchantRecord = all.into_iter().find(|record| record.name == name).unwrap();
    record.terms.cards = CardTerms { unique, customers_max };
    assert_eq!(store.save_merchant(record, "a test".to_owned()).await.unwrap(), MerchantSave::Saved(MERCHANT));
}
