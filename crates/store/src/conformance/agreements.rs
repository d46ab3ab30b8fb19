//! Agreements, and what the intents and outcomes of payments do to them.

use super::Subject;
use super::checkouts::try_on_page;
use super::corrections::forced;
use super::fixtures::{FIRST, MERCHANT, Placed, aed, at, begin_attempt, claimed, new_order, outcome, settled, stored};
use super::tokens::{fingerprint, keeping, provisional, saving, token};
use crate::{
    AgreementCharge, AgreementFilter, AgreementIntent, ChargeState, NewOrder, OrderClaim, Recorded, Store, StoreError,
    StoredToken, TokenPut, TokenSave, TryClaim,
};
use std::sync::Arc;
use tollgate_core::agreement::*;
use tollgate_core::command::Eci;
use tollgate_core::credential::*;
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::order::{Operation, OperationEvent, Order, PayKind};
use tollgate_core::token::{FirstPayment, OrderToken, Token, TokenId, TokenRole};

/// How many callers try at once.
const RACERS: i64 = 16;

/// Rule: an agreement holds its name from the intent on, may not be charged before its payment has succeeded, and then
/// begins with all that was agreed and with how the network named the payment, now or when it is found out later.
pub async fn an_agreement_begins_with_the_success_of_its_payment(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, id, events) in [
        (1, "at-once", &[OperationEvent::Approved][..]),
        (2, "later", &[OperationEvent::NoAnswer, OperationEvent::Approved][..]),
    ] {
        let new = claimed(&*store, opening(number, id)).await;
        let mut expected = drafted(&new);
        assert_eq!(found(&store, id).await, Some(expected.clone()), "nothing has begun");
        let mut now = Placed { order: new.order, operation: new.operation };
        for event in events {
            assert_eq!(found(&store, id).await.unwrap().state, AgreementState::Opening, "{event:?}");
            now = recorded(&*store, &now, *event, 60).await;
        }
        expected.state = AgreementState::Active;
        expected.network_transaction_id = named(number);
        expected.version = 2;
        assert_eq!(found(&store, id).await, Some(expected));
    }
    assert_eq!(store.agreement(MerchantId(2), "at-once").await.unwrap(), None, "it is its own merchant's alone");
}

/// Rule: of a payment that comes to nothing no agreement is left, and its name is free again.
pub async fn an_agreement_whose_payment_comes_to_nothing_is_gone(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, event) in (1..).zip([OperationEvent::Declined, OperationEvent::NotSent]) {
        settled(&*store, opening(number, "again"), event).await;
        assert_eq!(found(&store, "again").await, None, "{event:?}");
    }
    let unknown = settled(&*store, opening(10, "again"), OperationEvent::NoAnswer).await;
    assert!(begin_attempt(&*store, unknown.operation.id, 0, at(90)).await.unwrap());
    assert_eq!(
        store.claim_order(opening(11, "again")).await.unwrap(),
        OrderClaim::AgreementChanged,
        "nobody knows yet"
    );
    recorded(&*store, &unknown, OperationEvent::ReversalAcknowledged, 100).await;
    assert_eq!(found(&store, "again").await, None);
    settled(&*store, opening(12, "again"), OperationEvent::Approved).await;
    assert_eq!(found(&store, "again").await.map(|agreement| agreement.number), Some(AgreementNumber(FIRST + 12)));
}

/// Rule: of many who want a name for a new agreement at once, one has it; the others have changed nothing. A reference
/// that is used up is told before.
pub async fn one_of_many_takes_the_name_of_an_agreement(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut wins = 0;
    for claim in raced(&store, |number| opening(number, "wanted")).await {
        match claim {
            OrderClaim::Claimed => wins += 1,
            other => assert_eq!(other, OrderClaim::AgreementChanged),
        }
    }
    assert_eq!(wins, 1);
    let same_reference = NewOrder { ..opening(50, "wanted") };
    let taken = claimed(&*store, new_order(40, &same_reference.order.merchant_reference, PayKind::Purchase)).await;
    assert_eq!(store.claim_order(same_reference).await.unwrap(), OrderClaim::ReferenceTaken(taken.order.fort_id));
    let of_another = of_merchant(opening(60, "wanted"), MerchantId(2));
    assert_eq!(store.claim_order(of_another).await.unwrap(), OrderClaim::Claimed, "names are each merchant's own");
    assert_eq!(store.claim_order(opening(70, "Wanted")).await.unwrap(), OrderClaim::Claimed, "names are exact");
}

/// Rule: a charge counts from its intent on, whatever is known of it; what comes to nothing is given back with that. The
/// last payment is the newest that succeeded.
pub async fn a_charge_is_counted_with_its_intent_and_given_back_when_it_comes_to_nothing(subject: &dyn Subject) {
    let store = subject.open().await;
    let opened = settled(&*store, opening(1, "a"), OperationEvent::Approved).await;
    for (number, event, counts) in [
        (10, OperationEvent::Approved, (1, 0)),
        (20, OperationEvent::Declined, (1, 0)),
        (30, OperationEvent::NotSent, (1, 0)),
        (40, OperationEvent::NoAnswer, (2, 1)),
        (5, OperationEvent::Approved, (3, 1)),
    ] {
        let before = found(&store, "a").await.unwrap();
        let new = claimed(&*store, charge(number, &before)).await;
        let counted = found(&store, "a").await.unwrap();
        assert_eq!((counted.charges, counted.charges_open), (before.charges + 1, before.charges_open + 1));
        recorded(&*store, &Placed { order: new.order, operation: new.operation }, event, 60).await;
        let now = found(&store, "a").await.unwrap();
        assert_eq!((now.charges, now.charges_open), counts, "{number} {event:?}");
        let paid_at = if number == 40 || number >= 10 { at(10) } else { now.paid_at };
        assert_eq!(now.paid_at, paid_at, "{number} {event:?}: the newest that succeeded, as it was sent");
    }
    let charges = found(&store, "a").await.unwrap().number;
    let expected = [(40, ChargeState::Open), (10, ChargeState::Succeeded), (5, ChargeState::Succeeded)]
        .map(|(number, state)| AgreementCharge { fort_id: FortId(FIRST + number), at: at(number), state });
    assert_eq!(store.agreement_charges(charges, 10).await.unwrap(), expected);
    assert_eq!(store.agreement_charges(charges, 1).await.unwrap(), expected[..1]);
    let stored_opening = stored(&*store, opened.order.fort_id, MERCHANT).await;
    assert_eq!(stored_opening.credential, opened.order.credential, "an order tells what it had to do with a card");
}

/// Rule: a charge is claimed on the version of the agreement that was judged: of many at once, one is; the others are
/// told and have changed nothing. An agreement that has ended takes none.
pub async fn one_of_many_charges_has_the_version_that_was_judged(subject: &dyn Subject) {
    let store = subject.open().await;
    settled(&*store, opening(1, "a"), OperationEvent::Approved).await;
    let judged = found(&store, "a").await.unwrap();
    let wins = raced(&store, |number| charge(100 + number, &judged)).await;
    assert_eq!(wins.iter().filter(|claim| **claim == OrderClaim::Claimed).count(), 1, "{wins:?}");
    assert!(wins.iter().all(|claim| matches!(claim, OrderClaim::Claimed | OrderClaim::AgreementChanged)), "{wins:?}");
    let now = found(&store, "a").await.unwrap();
    assert_eq!((now.charges, now.charges_open, now.version), (1, 1, judged.version + 1));
    assert_eq!(store.agreement_charges(now.number, 100).await.unwrap().len(), 1);
    let foreign = of_merchant(charge(200, &now), MerchantId(2));
    assert_eq!(store.claim_order(foreign).await.unwrap(), OrderClaim::AgreementChanged);
    let end = AgreementEnd { why: EndReason::Operator, at: at(300) };
    let ended = store.end_agreement(MERCHANT, "a", end).await.unwrap().unwrap();
    assert_eq!(store.claim_order(charge(300, &ended)).await.unwrap(), OrderClaim::AgreementChanged);
    assert!(store.order(MERCHANT, &target(300)).await.unwrap().is_none(), "nothing was written");
}

/// Rule: an agreement is about the token under which the card came to be kept, and follows it to another name. One whose
/// card is not kept does not begin.
pub async fn an_agreement_is_about_the_token_that_the_order_came_to_name(subject: &dyn Subject) {
    let store = subject.open().await;
    settled(&*store, opening(1, "a"), OperationEvent::Approved).await;
    let stored_token = store.token(MERCHANT, "token-1").await.unwrap().unwrap().token;
    let agreement = found(&store, "a").await.unwrap();
    assert_eq!((&*agreement.token_name, agreement.token_since), ("token-1", stored_token.created_at));
    let renamed = Token { name: "renamed".to_owned(), version: stored_token.version + 1, ..stored_token };
    assert_eq!(store.change_token(renamed.clone()).await.unwrap(), TokenSave::Saved);
    let followed = found(&store, "a").await.unwrap();
    assert_eq!((&*followed.token_name, followed.version), ("renamed", agreement.version + 1));
    assert_eq!(followed.token_since, renamed.created_at, "by its age the token is known from one that takes its name");
    let under_way = claimed(&*store, opening(2, "b")).await;
    store.delete_token(MERCHANT, "token-2").await.unwrap();
    recorded(&*store, &Placed { order: under_way.order, operation: under_way.operation }, OperationEvent::Approved, 60)
        .await;
    assert_eq!(found(&store, "b").await, None, "its token was deleted while it was under way");
}

/// Rule: an order names an agreement exactly when it opens or charges one, and one of its own merchant about its token.
pub async fn an_order_and_its_agreement_belong_together(subject: &dyn Subject) {
    let store = subject.open().await;
    let good = opening(1, "a");
    let Some(AgreementIntent::Open(draft)) = good.agreement.clone() else { panic!("it opens one") };
    let with = |draft: Agreement| NewOrder { agreement: Some(AgreementIntent::Open(Box::new(draft))), ..good.clone() };
    let silent = Order { credential: None, ..good.order.clone() };
    for bad in [
        NewOrder { agreement: None, ..good.clone() },
        NewOrder { order: silent, ..good.clone() },
        NewOrder { agreement: Some(AgreementIntent::Charge { number: draft.number, version: 1 }), ..good.clone() },
        with(Agreement { merchant: MerchantId(2), ..(*draft).clone() }),
        with(Agreement { state: AgreementState::Active, ..(*draft).clone() }),
        with(Agreement { charges: 1, ..(*draft).clone() }),
        with(Agreement { token_name: "another".to_owned(), ..(*draft).clone() }),
        with(Agreement { opened_by: FortId(FIRST + 9), ..(*draft).clone() }),
        with(Agreement { id: "b".to_owned(), ..(*draft).clone() }),
    ] {
        let refused = store.claim_order(bad).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    }
    assert_eq!(store.claim_order(good).await.unwrap(), OrderClaim::Claimed);
}

/// Rule: what an operator finds out later is put right: a charge that counts after all is counted, beyond the limit if need
/// be; one that does not is given back, with the time of the last payment; an agreement whose payment never counted ends.
pub async fn what_was_settled_wrongly_is_put_right_in_its_agreement(subject: &dyn Subject) {
    let store = subject.open().await;
    let opened = settled(&*store, opening(1, "a"), OperationEvent::Approved).await;
    let judged = found(&store, "a").await.unwrap();
    let declined = settled(&*store, charge(10, &judged), OperationEvent::Declined).await;
    let judged = found(&store, "a").await.unwrap();
    let approved = settled(&*store, charge(20, &judged), OperationEvent::Approved).await;
    let correct = async |placed: &Placed, event, round| {
        let record = forced(&placed.order, &placed.operation, event, round, None);
        assert_eq!(store.record_correction(record.clone()).await.unwrap(), Recorded::Written);
        let now = found(&store, "a").await.unwrap();
        (now.charges, now.charges_open, now.paid_at)
    };
    assert_eq!(correct(&declined, OperationEvent::ForcedApproved, 1).await, (2, 0, at(20)));
    assert_eq!(correct(&approved, OperationEvent::ForcedReversed, 2).await, (1, 0, at(10)));
    correct(&opened, OperationEvent::ForcedReversed, 3).await;
    let end = AgreementEnd { why: EndReason::PaymentUndone, at: at(103) };
    assert_eq!(found(&store, "a").await.unwrap().state, AgreementState::Ended(end));
}

/// Rule: an agreement is ended once; lists go on from a place, and by a token; everything is there after reopening.
pub async fn an_agreement_is_ended_once_and_listed_in_order(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, id) in [(1, "c"), (2, "a"), (3, "b")] {
        settled(&*store, opening(number, id), OperationEvent::Approved).await;
    }
    claimed(&*store, opening(4, "opening")).await;
    let end = |seconds| AgreementEnd { why: EndReason::Operator, at: at(seconds) };
    assert_eq!(store.end_agreement(MERCHANT, "nobody", end(50)).await.unwrap(), None);
    let opening = store.end_agreement(MERCHANT, "opening", end(50)).await.unwrap().unwrap();
    assert_eq!(opening.state, AgreementState::Opening, "what has not begun is not ended");
    let ended = store.end_agreement(MERCHANT, "a", end(60)).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.version), (AgreementState::Ended(end(60)), 3));
    assert_eq!(store.end_agreement(MERCHANT, "a", end(70)).await.unwrap(), Some(ended.clone()));
    drop(store);
    let store = subject.open().await;
    assert_eq!(found(&store, "a").await, Some(ended.clone()));
    let all = AgreementFilter { merchant: MERCHANT, token_name: None, after: None, limit: 3 };
    let listed = store.agreements(&all).await.unwrap();
    assert_eq!(ids(&listed), ["c", "a", "b"]);
    let rest = AgreementFilter { after: listed.last().map(|last| last.number), ..all.clone() };
    assert_eq!(ids(&store.agreements(&rest).await.unwrap()), ["opening"]);
    let of_token = AgreementFilter { token_name: Some("token-2".to_owned()), ..all.clone() };
    assert_eq!(store.agreements(&of_token).await.unwrap(), [ended]);
    let foreign = AgreementFilter { merchant: MerchantId(2), ..all };
    assert_eq!(store.agreements(&foreign).await.unwrap(), []);
}

/// Rule: a token tells the first payment that its customer made with it at a browser, and how the network named one; a
/// telephone order is none.
pub async fn a_token_is_noted_with_the_first_payment_of_its_customer(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = async |name: &str| store.token(MERCHANT, name).await.unwrap().unwrap().token.first_payment;
    let by_phone = |new: NewOrder| NewOrder { order: Order { eci: Eci::Moto, ..new.order }, ..new };
    let paid = |number| Some(FirstPayment { at: at(number).plus_ms(300), network_transaction_id: named(number) });

    settled(&*store, saving(1, token(1, "made")), OperationEvent::Approved).await;
    assert_eq!(first("made").await, paid(1));
    settled(&*store, by_phone(saving(2, token(2, "by-phone"))), OperationEvent::Approved).await;
    assert_eq!(first("by-phone").await, None);
    let waiting = provisional(3, "kept", at(3_600));
    store.add_token(waiting.clone(), None).await.unwrap();
    settled(&*store, keeping(3, &waiting), OperationEvent::Approved).await;
    assert_eq!(first("kept").await, paid(3));

    store.add_token(token(4, "alone"), None).await.unwrap();
    settled(&*store, noting(5, &token(4, "alone"), MissingNote::Payment), OperationEvent::Declined).await;
    assert_eq!(first("alone").await, None, "a decline is no payment");
    settled(&*store, noting(6, &token(4, "alone"), MissingNote::Payment), OperationEvent::Approved).await;
    assert_eq!(first("alone").await, paid(6));
    settled(&*store, noting(7, &token(4, "alone"), MissingNote::Payment), OperationEvent::Approved).await;
    assert_eq!(first("alone").await, paid(6), "the first one stays");

    let nameless = FirstPayment { at: at(0), network_transaction_id: None };
    let old = token(8, "old");
    let old = StoredToken { token: Token { first_payment: Some(nameless), ..old.token }, ..old };
    store.add_token(old.clone(), None).await.unwrap();
    settled(&*store, noting(9, &old, MissingNote::NetworkTransactionId), OperationEvent::Approved).await;
    let expected = FirstPayment { at: at(0), network_transaction_id: named(9) };
    assert_eq!(first("old").await, Some(expected), "what was missing is added");
}

/// Rule: another card under a token's name has not been paid with; the same card, given again, has.
pub async fn a_new_card_under_a_name_was_never_paid_with(subject: &dyn Subject) {
    let store = subject.open().await;
    settled(&*store, saving(1, token(1, "card")), OperationEvent::Approved).await;
    let now = async || store.token(MERCHANT, "card").await.unwrap().unwrap().token;
    let first = now().await.first_payment;
    assert!(first.is_some());
    let again = StoredToken { fingerprint: fingerprint(1), ..token(2, "card") };
    assert_eq!(store.put_token(again, None).await.unwrap(), TokenPut::Replaced);
    assert_eq!((now().await.id, now().await.first_payment), (TokenId(FIRST + 2), first.clone()));
    let again = StoredToken { fingerprint: fingerprint(1), ..token(3, "card") };
    settled(&*store, saving(3, again), OperationEvent::Approved).await;
    assert_eq!((now().await.id, now().await.first_payment), (TokenId(FIRST + 3), first));
    assert_eq!(store.put_token(token(4, "card"), None).await.unwrap(), TokenPut::Replaced);
    assert_eq!((now().await.id, now().await.first_payment), (TokenId(FIRST + 4), None));
    settled(&*store, saving(5, token(5, "card")), OperationEvent::Approved).await;
    assert_eq!(now().await.first_payment.and_then(|first| first.network_transaction_id), named(5));
}

/// Rule: a try on the gateway's page opens an agreement as a payment of the API does, and a declined one leaves its name
/// to the next.
pub async fn a_try_on_the_page_opens_an_agreement(subject: &dyn Subject) {
    let store = subject.open().await;
    settled(&*store, opening(50, "taken"), OperationEvent::Approved).await;
    let opens = |number: i64, id: &'static str| move |new: NewOrder| with_agreement(saves(number, new), id);
    let taken = try_on_page(&store, 1, opens(2, "taken")).await;
    assert_eq!(taken.map(|_| ()), Err(TryClaim::AgreementChanged));
    let begun = try_on_page(&store, 3, opens(4, "a")).await.unwrap();
    assert_eq!(found(&store, "a").await.unwrap().state, AgreementState::Opening);
    recorded(&*store, &begun, OperationEvent::Declined, 60).await;
    assert_eq!(found(&store, "a").await, None);
    let begun = try_on_page(&store, 5, opens(6, "a")).await.unwrap();
    recorded(&*store, &begun, OperationEvent::Approved, 70).await;
    let agreement = found(&store, "a").await.unwrap();
    assert_eq!((agreement.state, agreement.number), (AgreementState::Active, AgreementNumber(FIRST + 6)));
}

pub(super) fn target(number: i64) -> tollgate_core::command::OrderTarget {
    tollgate_core::command::OrderTarget::FortId(FortId(FIRST + number))
}

fn named(number: i64) -> Option<NetworkTransactionId> {
    NetworkTransactionId::parse(&format!("NET{}", OperationId(FIRST + number)))
}

fn ids(agreements: &[Agreement]) -> Vec<&str> {
    agreements.iter().map(|agreement| agreement.id.as_str()).collect()
}

/// An order whose success keeps its card as `token-{number}` and opens an agreement of this name.
pub(super) fn opening(number: i64, id: &str) -> NewOrder {
    with_agreement(saves(number, new_order(number, &format!("order-{number}"), PayKind::Purchase)), id)
}

fn saves(number: i64, new: NewOrder) -> NewOrder {
    let kept = saving(number, token(number, &format!("token-{number}")));
    NewOrder { order: Order { token: kept.order.token, ..new.order }, token: kept.token, ..new }
}

fn with_agreement(new: NewOrder, id: &str) -> NewOrder {
    let number = AgreementNumber(new.operation.id.0);
    let draft = Agreement {
        number,
        merchant: new.order.merchant,
        id: id.to_owned(),
        terms: AgreementTerms {
            mode: RecurringMode::Variable,
            money: aed(10_000),
            charges_max: Some(12),
            last_day: Day::from_number(21_000),
            days_between_min: Some(28),
        },
        token_name: new.order.token.as_ref().unwrap().name.clone(),
        token_since: at(new.operation.id.0 - FIRST),
        token_id: TokenId(new.operation.id.0),
        opened_by: new.order.fort_id,
        opened_at: new.operation.wire.sent_at,
        network_transaction_id: None,
        state: AgreementState::Opening,
        charges: 0,
        charges_open: 0,
        paid_at: new.operation.wire.sent_at,
        version: 1,
    };
    let credential = OrderCredential {
        told: StoredCredential {
            by: Initiator::Customer,
            turn: CredentialTurn::Initial,
            used_for: CredentialUse::StandingOrder,
            original: None,
        },
        agreement: Some(OrderAgreement { number, id: id.to_owned(), role: AgreementRole::Opens, schedule: None }),
        notes: None,
    };
    let order = Order { credential: Some(Box::new(credential)), ..new.order };
    NewOrder { order, agreement: Some(AgreementIntent::Open(Box::new(draft))), ..new }
}

fn drafted(new: &NewOrder) -> Agreement {
    match &new.agreement {
        Some(AgreementIntent::Open(draft)) => (**draft).clone(),
        other => panic!("{other:?}"),
    }
}

/// A charge of an agreement as it was judged.
pub(super) fn charge(number: i64, agreement: &Agreement) -> NewOrder {
    let new = new_order(number, &format!("order-{number}"), PayKind::Purchase);
    let told = StoredCredential {
        by: Initiator::Merchant,
        turn: CredentialTurn::Subsequent,
        used_for: CredentialUse::StandingOrder,
        original: agreement.network_transaction_id.clone(),
    };
    let Agreement { number, id, .. } = agreement;
    let named = OrderAgreement { number: *number, id: id.clone(), role: AgreementRole::Charges, schedule: None };
    let order = Order {
        eci: Eci::Recurring,
        token: Some(OrderToken { name: agreement.token_name.clone(), role: TokenRole::Uses }),
        credential: Some(Box::new(OrderCredential { told, agreement: Some(named), notes: None })),
        ..new.order
    };
    let intent = AgreementIntent::Charge { number: agreement.number, version: agreement.version };
    NewOrder { order, agreement: Some(intent), ..new }
}

/// A customer's payment with a permanent token of which something is not known yet.
fn noting(number: i64, stored: &StoredToken, missing: MissingNote) -> NewOrder {
    let new = new_order(number, &format!("order-{number}"), PayKind::Purchase);
    let told = StoredCredential {
        by: Initiator::Customer,
        turn: CredentialTurn::Initial,
        used_for: CredentialUse::Unscheduled,
        original: None,
    };
    let notes = Some(TokenNote { token: stored.token.id.0, missing });
    let order = Order {
        token: Some(OrderToken { name: stored.token.name.clone(), role: TokenRole::Uses }),
        credential: Some(Box::new(OrderCredential { told, agreement: None, notes })),
        ..new.order
    };
    NewOrder { order, ..new }
}

pub(super) fn of_merchant(new: NewOrder, merchant: MerchantId) -> NewOrder {
    let token = new.token.map(|intent| match intent {
        crate::TokenIntent::Put(stored) => {
            crate::TokenIntent::Put(Box::new(StoredToken { token: Token { merchant, ..stored.token }, ..*stored }))
        }
        keep @ crate::TokenIntent::Keep(_) => keep,
    });
    let agreement = new.agreement.map(|intent| match intent {
        AgreementIntent::Open(draft) => AgreementIntent::Open(Box::new(Agreement { merchant, ..*draft })),
        charge @ AgreementIntent::Charge { .. } => charge,
    });
    NewOrder { order: Order { merchant, ..new.order }, token, agreement, ..new }
}

/// Claims many orders at once.
pub(super) async fn raced(store: &Arc<dyn Store>, new: impl Fn(i64) -> NewOrder) -> Vec<OrderClaim> {
    let racers: Vec<_> = (1..=RACERS)
        .map(|number| {
            let (store, new) = (Arc::clone(store), new(number));
            tokio::spawn(async move { store.claim_order(new).await.unwrap() })
        })
        .collect();
    let mut claims = Vec::new();
    for racer in racers {
        claims.push(racer.await.unwrap());
    }
    claims
}

/// Records what became of an operation; it and its order afterwards.
pub(super) async fn recorded(store: &dyn Store, placed: &Placed, event: OperationEvent, seconds: i64) -> Placed {
    let record = outcome(&placed.order, &placed.operation, event, at(seconds));
    assert_eq!(store.record_outcome(record.clone()).await.unwrap(), Recorded::Written);
    Placed { order: record.order, operation: Operation { state: record.state, ..placed.operation.clone() } }
}

pub(super) async fn found(store: &Arc<dyn Store>, id: &str) -> Option<Agreement> {
    store.agreement(MERCHANT, id).await.unwrap()
}
