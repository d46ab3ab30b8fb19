//! Rules of reading: everything is found, complete, in order, and as it was written.

use super::Subject;
use super::chance::Chance;
use super::fixtures::*;
use crate::{Attempt, AttemptResult, CurrencyTotals, LifeId, NewOrder, Recorded, Unfinished, Whose, held_amount};
use std::collections::BTreeMap;
use tollgate_core::bin::Brand;
use tollgate_core::card::CardFacts;
use tollgate_core::command::{Eci, OrderTarget};
use tollgate_core::ident::{FortId, MerchantId, OperationId, Rrn, Stan};
use tollgate_core::money::{AMOUNT_MINOR_MAX, Amount, Currency, Money};
use tollgate_core::order::{Operation, OperationEvent, OperationKind, Order, PayKind, WireReference};
use tollgate_core::time::Timestamp;
use tollgate_core::token::{OrderToken, TokenRole};
use tollgate_vault::SealedCard;

/// Sent operations without an outcome, made before the moment, oldest first, up to the limit.
pub async fn unfinished_operations_come_oldest_first(subject: &dyn Subject) {
    let store = subject.open().await;
    let third = claimed(&*store, new_order(30, "order-30", PayKind::Purchase)).await;
    let first = claimed(&*store, new_order(10, "order-10", PayKind::Authorization)).await;
    settled(&*store, new_order(15, "order-15", PayKind::Purchase), OperationEvent::Approved).await;
    settled(&*store, new_order(16, "order-16", PayKind::Purchase), OperationEvent::NoAnswer).await;
    let paid = settled(&*store, new_order(5, "order-5", PayKind::Authorization), OperationEvent::Approved).await;
    let second = begun(&*store, &paid.order, new_operation(20, &paid.order, OperationKind::Capture, 100)).await;
    let expected = [
        Unfinished { order: first.order, operation: first.operation },
        Unfinished { order: second.order, operation: second.operation },
        Unfinished { order: third.order, operation: third.operation },
    ];
    assert_eq!(store.unfinished(Whose::Everybody { before: at(1_000) }, 10).await.unwrap(), expected);
    assert_eq!(store.unfinished(Whose::Everybody { before: at(1_000) }, 2).await.unwrap(), expected[..2]);
    assert_eq!(
        store.unfinished(Whose::Everybody { before: at(30) }, 10).await.unwrap(),
        expected[..2],
        "before, not at"
    );
    assert!(store.unfinished(Whose::Everybody { before: at(10) }, 10).await.unwrap().is_empty());
}

/// By number, by reference, by both (then the number counts); never for another merchant.
pub async fn an_order_is_found_by_each_of_its_names_and_by_its_merchant_alone(subject: &dyn Subject) {
    let store = subject.open().await;
    let new = claimed(&*store, new_order(1, "order-1", PayKind::Purchase)).await;
    let number = new.order.fort_id;
    let reference = |text: &str| text.to_owned();
    let right = [
        OrderTarget::FortId(number),
        OrderTarget::Reference(reference("order-1")),
        OrderTarget::Both(reference("order-1"), number),
        OrderTarget::Both(reference("another"), number),
    ];
    for target in &right {
        let found = store.order(MERCHANT, target).await.unwrap().unwrap();
        assert_eq!((found.order, found.card), (new.order.clone(), Some(new.card.clone())), "{target:?}");
        assert!(store.order(MerchantId(2), target).await.unwrap().is_none(), "{target:?}");
    }
    let missing = FortId(number.0 + 1);
    for target in [
        OrderTarget::FortId(missing),
        OrderTarget::Reference(reference("order-")),
        OrderTarget::Reference(reference("Order-1")),
        OrderTarget::Both(reference("order-1"), missing),
    ] {
        assert!(store.order(MERCHANT, &target).await.unwrap().is_none(), "{target:?}");
    }
    assert!(store.operation(OperationId(missing.0)).await.unwrap().is_none());
    assert!(store.story(missing).await.unwrap().is_none());
}

/// Of all merchants, newest first, up to the limit.
pub async fn orders_of_a_reference_come_newest_first(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, merchant) in [(3, 1), (9, 2), (6, 3)] {
        let new = new_order(number, "shared", PayKind::Purchase);
        let order = Order { merchant: MerchantId(merchant), ..new.order.clone() };
        claimed(&*store, NewOrder { order, ..new }).await;
    }
    claimed(&*store, new_order(10, "other", PayKind::Purchase)).await;
    let numbers: Vec<i64> =
        store.orders_by_reference("shared", 10).await.unwrap().iter().map(|id| id.0 - FIRST).collect();
    assert_eq!(numbers, [9, 6, 3]);
    assert_eq!(store.orders_by_reference("shared", 2).await.unwrap().len(), 2);
    assert!(store.orders_by_reference("nobody's", 10).await.unwrap().is_empty());
}

/// Every operation with its request, outcomes, attempts and place in the queue, oldest first.
pub async fn a_story_is_complete_and_in_order(subject: &dyn Subject) {
    let store = subject.open().await;
    let new = new_order(1, "order-1", PayKind::Authorization);
    let paid = settled(&*store, new.clone(), OperationEvent::Approved).await;
    // Neighbours whose rows must not get into the story.
    settled(&*store, new_order(0, "order-0", PayKind::Purchase), OperationEvent::Approved).await;
    settled(&*store, new_order(2, "order-2", PayKind::Purchase), OperationEvent::NoAnswer).await;
    let capture = new_operation(10, &paid.order, OperationKind::Capture, 4_000);
    let captured = carried_out(&*store, &paid.order, capture.clone(), OperationEvent::Approved).await;
    let mut refund = new_operation(20, &captured.order, OperationKind::Refund, 1_000);
    refund.maintenance_reference = Some("refund-1".to_owned());
    let unknown = carried_out(&*store, &captured.order, refund.clone(), OperationEvent::LinkBroken).await;
    assert!(begin_attempt(&*store, refund.operation.id, 0, at(500)).await.unwrap());
    let attempt = Attempt {
        operation: refund.operation.id,
        number: 1,
        result: AttemptResult::NoAnswer,
        trace: "0420".to_owned(),
        at: at(90),
    };
    store.note_attempt(attempt.clone()).await.unwrap();

    let story = store.story(paid.order.fort_id).await.unwrap().unwrap();
    assert_eq!(story.order, unknown.order);
    let operations: Vec<Operation> = story.operations.iter().map(|told| told.operation.clone()).collect();
    assert_eq!(operations, [paid.operation, captured.operation, unknown.operation.clone()]);
    let requests: Vec<_> = story.operations.iter().map(|told| told.request.clone()).collect();
    assert_eq!(requests, [new.request, capture.request, refund.request]);
    let events: Vec<Vec<OperationEvent>> =
        story.operations.iter().map(|told| told.outcomes.iter().map(|outcome| outcome.event).collect()).collect();
    assert_eq!(events, [[OperationEvent::Approved], [OperationEvent::Approved], [OperationEvent::LinkBroken]]);
    let approved = &story.operations[0].outcomes[0];
    assert_eq!(approved.network_code.as_deref(), Some("00"));
    assert_eq!(approved.authorization_code.as_deref(), Some("A1B2C3"));
    assert_eq!(approved.code.to_string(), "02000");
    assert_eq!(approved.at, at(1).plus_ms(300));
    assert!(approved.trace.starts_with("0100 11="));
    assert!(story.operations[0].recovery.is_none() && story.operations[0].attempts.is_empty());
    let waiting = story.operations[2].recovery.as_ref().unwrap();
    assert_eq!((waiting.attempts, waiting.due_at), (1, at(500)));
    assert_eq!(story.operations[2].attempts, [attempt]);
    let told = store.operation(refund.operation.id).await.unwrap().unwrap();
    assert_eq!((told.operation, told.stored.order), (unknown.operation, unknown.order));
}

/// Counts and sums of every order, one line per currency that occurs, by its alphabetic code.
pub async fn totals_add_up_by_currency(subject: &dyn Subject) {
    let store = subject.open().await;
    assert!(store.totals().await.unwrap().is_empty());
    let mut number = 0;
    let mut orders: Vec<Order> = Vec::new();
    for alpha in ["SAR", "AED", "KWD"] {
        for (kind, event) in [
            (PayKind::Authorization, OperationEvent::Approved),
            (PayKind::Authorization, OperationEvent::Declined),
            (PayKind::Authorization, OperationEvent::NoAnswer),
            (PayKind::Purchase, OperationEvent::Approved),
            (PayKind::Purchase, OperationEvent::NotSent),
        ] {
            number += 10;
            let new = in_currency(new_order(number, &format!("order-{number}"), kind), alpha);
            orders.push(settled(&*store, new, event).await.order);
        }
        number += 10;
        let new = in_currency(new_order(number, &format!("order-{number}"), PayKind::Authorization), alpha);
        let paid = settled(&*store, new, OperationEvent::Approved).await;
        let capture = new_operation(number + 1, &paid.order, OperationKind::Capture, 6_000);
        let captured = carried_out(&*store, &paid.order, capture, OperationEvent::Approved).await;
        let refund = new_operation(number + 2, &captured.order, OperationKind::Refund, 1_500);
        let refunded = carried_out(&*store, &captured.order, refund, OperationEvent::Approved).await;
        let void = new_operation(number + 3, &refunded.order, OperationKind::Capture, 100);
        orders.push(begun(&*store, &refunded.order, void).await.order);
        number += 10;
        let new = in_currency(new_order(number, &format!("order-{number}"), PayKind::Authorization), alpha);
        let paid = settled(&*store, new, OperationEvent::Approved).await;
        let void = new_operation(number + 1, &paid.order, OperationKind::Void, 10_000);
        orders.push(carried_out(&*store, &paid.order, void, OperationEvent::Approved).await.order);
    }
    let totals = store.totals().await.unwrap();
    assert_eq!(totals, summed(&orders));
    let aed = totals[0];
    assert_eq!(aed.currency.alpha(), "AED");
    assert_eq!((aed.orders, aed.unsettled), (7, 2));
    assert_eq!((aed.held, aed.captured, aed.refunded), (10_000 + 4_000, 10_000 + 6_000, 1_500));
}

/// Random orders, requests, outcomes and attempts, with every kind of text, read back the same.
pub async fn everything_reads_back_as_it_was_written(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut chance = Chance::new(20_261_120);
    let mut written = Vec::new();
    for number in 0..200_i64 {
        let new = random_order(&mut chance, number);
        claimed(&*store, new.clone()).await;
        let event = *chance.pick(&[OperationEvent::Approved, OperationEvent::Declined, OperationEvent::Unreadable]);
        let mut record = outcome(&new.order, &new.operation, event, Timestamp(chance.number().cast_signed() / 2));
        record.network_code = chance.maybe_text(2);
        record.authorization_code = chance.maybe_text(6);
        record.order.last.network_code = record.network_code.clone();
        record.order.authorization_code = chance.maybe_text(6);
        record.trace = chance.text(3_000);
        let finished = chance.one_in(2);
        if finished {
            assert_eq!(store.record_outcome(record.clone()).await.unwrap(), Recorded::Written);
        }
        written.push((new, finished.then_some(record)));
    }
    drop(store);
    let store = subject.open().await;
    for (new, record) in &written {
        let order = record.as_ref().map_or(&new.order, |record| &record.order);
        let target = OrderTarget::Reference(new.order.merchant_reference.clone());
        let found = store.order(new.order.merchant, &target).await.unwrap().unwrap();
        assert_eq!(found.order, *order);
        assert_eq!(found.card, Some(new.card.clone()));
        let story = store.story(new.order.fort_id).await.unwrap().unwrap();
        assert_eq!(story.operations[0].request, new.request);
        let state = record.as_ref().map_or(new.operation.state, |record| record.state);
        assert_eq!(story.operations[0].operation, Operation { state, ..new.operation.clone() });
        let told = story.operations[0].outcomes.first();
        assert_eq!(told.is_some(), record.is_some());
        if let (Some(told), Some(record)) = (told, record) {
            assert_eq!(
                (told.event, told.state, told.code, told.at),
                (record.event, record.state, record.code, record.at)
            );
            assert_eq!(told.network_code, record.network_code);
            assert_eq!(told.authorization_code, record.authorization_code);
            assert_eq!(told.trace, record.trace);
        }
    }
}

/// Opened again, the store has every claim, outcome, queue row and attempt that was answered.
pub async fn what_was_answered_is_there_after_reopening(subject: &dyn Subject) {
    let mut expected = BTreeMap::new();
    for round in 0..4_i64 {
        let store = subject.open().await;
        for index in 0..10 {
            let number = round * 100 + index * 2;
            let event = if index % 2 == 0 { OperationEvent::Approved } else { OperationEvent::NoAnswer };
            let new = new_order(number, &format!("order-{number}"), PayKind::Purchase);
            let placed = settled(&*store, new, event).await;
            expected.insert(placed.order.fort_id, placed.order);
        }
        let sent = claimed(&*store, new_order(round * 100 + 99, &format!("sent-{round}"), PayKind::Purchase)).await;
        expected.insert(sent.order.fort_id, sent.order);
        drop(store);
        let store = subject.open().await;
        for order in expected.values() {
            assert_eq!(stored(&*store, order.fort_id, MERCHANT).await, *order);
        }
        let rounds = usize::try_from(round + 1).unwrap();
        assert_eq!(store.unfinished(Whose::Everybody { before: at(100_000) }, 100).await.unwrap().len(), rounds);
        assert_eq!(store.recoveries_due(LifeId::NONE, at(100_000), 100).await.unwrap().len(), 5 * rounds);
        let totals = store.totals().await.unwrap();
        assert_eq!(totals, summed(expected.values()));
    }
}

/// The totals of `orders`, counted here.
pub(super) fn summed<'a>(orders: impl IntoIterator<Item = &'a Order>) -> Vec<CurrencyTotals> {
    let mut sums: BTreeMap<Currency, CurrencyTotals> = BTreeMap::new();
    for order in orders {
        let currency = order.money.currency;
        let sum = sums.entry(currency).or_insert(CurrencyTotals::empty(currency));
        sum.orders += 1;
        sum.unsettled += u64::from(order.open_operation.is_some());
        sum.held += held_amount(order.phase, &order.totals).minor();
        sum.captured += order.totals.captured.minor();
        sum.refunded += order.totals.refunded.minor();
    }
    sums.into_values().collect()
}

fn in_currency(new: NewOrder, alpha: &str) -> NewOrder {
    let money = Money { currency: Currency::from_alpha(alpha).unwrap(), ..new.order.money };
    NewOrder { order: Order { money, ..new.order }, operation: Operation { money, ..new.operation }, ..new }
}

fn random_order(chance: &mut Chance, number: i64) -> NewOrder {
    let currencies: Vec<Currency> = Currency::all().collect();
    let kind = *chance.pick(&[PayKind::Authorization, PayKind::Purchase]);
    // The number makes the reference unique; everything after it is chance.
    let reference = format!("{number}{}", chance.text(36));
    let new = new_order(number, &reference, kind);
    let amount = Amount::from_minor(*chance.pick(&[1, 10_000, 4_294_967_296, AMOUNT_MINOR_MAX])).unwrap();
    let money = Money { amount, currency: *chance.pick(&currencies) };
    let wire = WireReference {
        stan: Stan::folded(u32::try_from(chance.below(1_000_000)).unwrap()),
        rrn: Rrn::parse(&format!("{:012X}", chance.below(1 << 48))).unwrap(),
        sent_at: Timestamp(chance.number().cast_signed() / 2),
    };
    let card = CardFacts {
        mask: "345678*****4564".to_owned(),
        expiry: chance.text(4),
        holder: chance.maybe_text(50),
        brand: *chance.pick(&Brand::ALL),
    };
    let order = Order {
        merchant: MerchantId(chance.number().cast_signed()),
        money,
        eci: *chance.pick(&[Eci::Ecommerce, Eci::Moto, Eci::Recurring]),
        card: Some(card),
        token: chance.maybe_text(100).map(|name| OrderToken { name, role: TokenRole::Uses }),
        original: wire,
        created_at: Timestamp(chance.number().cast_signed() / 2),
        ..new.order
    };
    let sealed: Vec<u8> = (0..=chance.below(300)).map(|_| chance.number().to_le_bytes()[0]).collect();
    NewOrder {
        order,
        operation: Operation { money, wire, ..new.operation },
        card: SealedCard::from_bytes(sealed),
        request: chance.params(),
        owner: LifeId(chance.number().cast_signed()),
        token: None,
        agreement: None,
        schedule: None,
        audit: Vec::new(),
        route: None,
        authentication: None,
        batch_row: None,
    }
}
