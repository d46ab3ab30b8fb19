//! Rules of customers at the gateway's pages, and of the tries of their payments.

pub(super) mod cards;
mod soft_declines;
mod tries;

pub use cards::*;
pub use soft_declines::*;
pub use tries::*;

use super::Subject;
use super::fixtures::*;
use crate::{
    CheckoutChange, CheckoutChanged, CheckoutOpened, HeldCard, NewCheckout, OrderClaim, Recorded, ReplacedSealed,
    SealedColumn, Store, StoreError,
};
use tollgate_core::card::CardFacts;
use tollgate_core::checkout::{CHECKOUT_MS_MAX, Checkout, CheckoutId, End, PayWish, Purpose, Step, TokenWish};
use tollgate_core::command::{Eci, OrderTarget, SafeParams, ThreeDsWish, TokenizeKind};
use tollgate_core::feedback::Channel;
use tollgate_core::ident::{FortId, OperationId};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::order::{OperationEvent, Order, PayKind, Phase};
use tollgate_core::scope::Route;
use tollgate_core::time::Timestamp;
use tollgate_vault::SealedCard;

/// A checkout of a purchase whose card nobody knows yet: number, order and reference as those of [`new_order`].
pub(super) fn on_the_page(number: i64, reference: &str) -> NewCheckout {
    let template = new_order(number, reference, PayKind::Purchase).order;
    let order =
        Order { channel: Channel::Redirection, card: None, phase: Phase::Open, open_operation: None, ..template };
    let checkout = checkout_of(number, &order);
    NewCheckout { checkout, order: Some(Box::new(order)), card: None }
}

fn checkout_of(number: i64, order: &Order) -> Checkout {
    let wish = PayWish {
        fort_id: order.fort_id,
        kind: order.kind,
        merchant_reference: order.merchant_reference.clone(),
        amount_minor: order.money.amount.minor(),
        currency: order.money.currency,
        eci: order.eci,
        token_name: None,
        remember_me: None,
        payment_option: None,
        three_ds: ThreeDsWish::Default,
        settlement_reference: None,
        route: Route::HostedPage.number(),
    };
    checkout_for(number, Purpose::Pay(Box::new(wish)))
}

fn checkout_for(number: i64, purpose: Purpose) -> Checkout {
    let mut params = SafeParams::default();
    params.push("return_url", "https://shop.example/back");
    Checkout {
        id: CheckoutId(FIRST + number),
        merchant: MERCHANT,
        access_code: format!("code{number}"),
        purpose,
        params,
        opened_at: at(number),
        expires_at: at(number).plus_ms(CHECKOUT_MS_MAX),
        due_at: at(number).plus_ms(CHECKOUT_MS_MAX),
        try_until: None,
        payment_link: None,
        tries: 0,
        tries_max: tollgate_core::checkout::TRIES_MAX,
        step: Step::Card,
        told: Vec::new(),
        past: Vec::new(),
        version: 1,
    }
}

/// A checkout of a token.
pub(super) fn for_a_token(number: i64) -> NewCheckout {
    let wish = TokenWish {
        kind: TokenizeKind::Tokenization,
        merchant_reference: "R".to_owned(),
        token_name: None,
        currency: None,
        remember_me: None,
    };
    NewCheckout { checkout: checkout_for(number, Purpose::Tokenize(Box::new(wish))), order: None, card: None }
}

/// The order of a new checkout.
pub(super) fn order_of(new: &NewCheckout) -> Order {
    (**new.order.as_ref().unwrap()).clone()
}

/// Opens a checkout that must be new.
pub(super) async fn opened(store: &dyn Store, new: NewCheckout) -> NewCheckout {
    assert_eq!(store.open_checkout(new.clone()).await.unwrap(), CheckoutOpened::Opened);
    new
}

/// Everything of a checkout and its order that a call could change.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Whole {
    pub(super) checkout: Option<Checkout>,
    pub(super) order: Option<Order>,
    pub(super) card: Option<SealedCard>,
    pub(super) operations: Vec<OperationId>,
    pub(super) outcomes: usize,
    pub(super) feedback: u64,
}

/// Both as they are stored, the checkout by its number and the order by its own.
pub(super) async fn whole(store: &dyn Store, id: CheckoutId, fort_id: FortId) -> Whole {
    let stored = store.order(MERCHANT, &OrderTarget::FortId(fort_id)).await.unwrap();
    let operations = store.story(fort_id).await.unwrap().map(|story| story.operations).unwrap_or_default();
    Whole {
        checkout: store.checkout(id).await.unwrap(),
        card: stored.as_ref().and_then(|stored| stored.card.clone()),
        order: stored.map(|stored| stored.order),
        outcomes: operations.iter().map(|told| told.outcomes.len()).sum(),
        operations: operations.into_iter().map(|told| told.operation.id).collect(),
        feedback: store.feedback_backlog().await.unwrap().waiting,
    }
}

/// Rule: a checkout reads back as it was opened, with its order, whose card is not known yet or is; and the one of a
/// token comes without any order.
pub async fn a_checkout_reads_back_with_its_order(subject: &dyn Subject) {
    let store = subject.open().await;
    let bare = opened(&*store, on_the_page(1, "order-1")).await;
    let known = on_the_page(2, "order-2");
    let facts = new_order(2, "order-2", PayKind::Purchase).order.card;
    let order = Order { card: facts, channel: Channel::Trusted, ..order_of(&known) };
    let known = NewCheckout { order: Some(Box::new(order)), card: Some(SealedCard::from_bytes(vec![5; 57])), ..known };
    opened(&*store, known.clone()).await;
    let token = opened(&*store, for_a_token(3)).await;
    drop(store);
    let store = subject.open().await;
    for new in [&bare, &known] {
        let order = order_of(new);
        let stored = whole(&*store, new.checkout.id, order.fort_id).await;
        assert_eq!(stored.checkout.as_ref(), Some(&new.checkout));
        assert_eq!((stored.order, stored.card), (Some(order), new.card.clone()));
        assert!(stored.operations.is_empty(), "nothing was sent");
    }
    assert_eq!(store.checkout(token.checkout.id).await.unwrap(), Some(token.checkout));
    assert_eq!(store.checkout(CheckoutId(FIRST + 99)).await.unwrap(), None);
    let by_reference = OrderTarget::Reference("order-1".to_owned());
    assert!(store.order(MERCHANT, &by_reference).await.unwrap().is_some_and(|found| found.card.is_none()));
}

/// Rule: a checkout of a payment comes with its own order, open and with all of its card or nothing of it; else it is a
/// defect, and nothing is written.
pub async fn a_checkout_that_does_not_fit_its_order_is_refused(subject: &dyn Subject) {
    let store = subject.open().await;
    let good = on_the_page(1, "order-1");
    let with = |order: Order| NewCheckout { order: Some(Box::new(order)), ..good.clone() };
    let order = order_of(&good);
    let facts = new_order(1, "order-1", PayKind::Purchase).order.card;
    for bad in [
        NewCheckout { order: None, ..good.clone() },
        NewCheckout { checkout: for_a_token(1).checkout, ..good.clone() },
        with(Order { fort_id: FortId(FIRST + 2), ..order.clone() }),
        with(Order { phase: Phase::Pending, ..order.clone() }),
        with(Order { version: 2, ..order.clone() }),
        with(Order { open_operation: Some(OperationId(FIRST + 1)), ..order.clone() }),
        with(Order { card: facts, ..order.clone() }),
        NewCheckout { card: Some(SealedCard::from_bytes(vec![5; 57])), ..good.clone() },
    ] {
        let refused = store.open_checkout(bad).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    }
    let stored = whole(&*store, good.checkout.id, order.fort_id).await;
    assert_eq!((stored.checkout, stored.order), (None, None));
    opened(&*store, good).await;
}

/// Rule: of one reference there is one order, whichever way it came by; who comes second is told which.
pub async fn a_reference_of_the_api_and_of_the_page_is_one(subject: &dyn Subject) {
    let store = subject.open().await;
    let by_api = settled(&*store, new_order(1, "order-1", PayKind::Purchase), OperationEvent::Declined).await;
    let taken = store.open_checkout(on_the_page(2, "order-1")).await.unwrap();
    assert_eq!(taken, CheckoutOpened::ReferenceTaken(by_api.order.fort_id), "declined there is used up");
    let nothing = whole(&*store, CheckoutId(FIRST + 2), FortId(FIRST + 2)).await;
    assert_eq!((nothing.checkout, nothing.order), (None, None));

    let by_page = order_of(&opened(&*store, on_the_page(3, "order-3")).await);
    let taken = store.claim_order(new_order(4, "order-3", PayKind::Purchase)).await.unwrap();
    assert_eq!(taken, OrderClaim::ReferenceTaken(by_page.fort_id));
    // A customer whose payment came over the API is at the page for 3-D Secure alone: no form goes on with that.
    let trusted = on_the_page(5, "order-5");
    let trusted =
        NewCheckout { order: Some(Box::new(Order { channel: Channel::Trusted, ..order_of(&trusted) })), ..trusted };
    opened(&*store, trusted.clone()).await;
    for again in [on_the_page(6, "order-5"), NewCheckout { ..renumbered(&trusted, 6) }] {
        let taken = store.open_checkout(again).await.unwrap();
        assert_eq!(taken, CheckoutOpened::ReferenceTaken(FortId(FIRST + 5)));
    }
}

/// The same request again, with new numbers.
fn renumbered(new: &NewCheckout, number: i64) -> NewCheckout {
    let fort_id = FortId(FIRST + number);
    let order = Order { fort_id, ..order_of(new) };
    let checkout = Checkout { access_code: format!("code{number}"), ..checkout_of(number, &order) };
    NewCheckout { checkout, order: Some(Box::new(order)), card: new.card.clone() }
}

/// Rule: a second request for the same order goes on with its checkout: same number, the new request's words and time,
/// one version on. Cards that were tried still count, unless the checkout had ended; authentications that are over are known
/// in any case.
pub async fn a_second_request_goes_on_with_the_first_ones_checkout(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = opened(&*store, on_the_page(1, "order-1")).await;
    let goes_on = async |number: i64, tries: u8, version: u32| {
        let again = renumbered(&first, number);
        let before = store.checkout(first.checkout.id).await.unwrap().unwrap();
        let CheckoutOpened::GoesOn(checkout) = store.open_checkout(again.clone()).await.unwrap() else {
            panic!("it goes on with the first one's checkout")
        };
        let expected = Checkout {
            id: first.checkout.id,
            purpose: first.checkout.purpose.clone(),
            tries,
            told: before.told,
            past: before.past,
            version,
            ..again.checkout
        };
        assert_eq!(*checkout, expected);
        assert_eq!(store.checkout(first.checkout.id).await.unwrap().as_ref(), Some(&expected), "as it was told");
        assert_eq!(store.checkout(CheckoutId(FIRST + number)).await.unwrap(), None);
        expected
    };
    goes_on(10, 0, 2).await;
    let unchanged = whole(&*store, first.checkout.id, FortId(FIRST + 1)).await.order;
    assert_eq!(unchanged, Some(order_of(&first)), "the order is as it was");

    let declined = try_came_to(&*store, &goes_on(11, 0, 3).await, 12, OperationEvent::Declined).await;
    assert_eq!(declined.checkout.tries, 1);
    let again = goes_on(13, 1, 5).await;
    let (told, past) = (vec!["what it came to".to_owned()], vec!["how its results are answered".to_owned()]);
    let ended = Checkout { told: told.clone(), past: past.clone(), ..again.at(Step::Ended(End::AsOrder)) };
    change(&*store, ended, CheckoutChanged::Written).await;
    assert!(store.checkouts_due(at(1_000_000), 10).await.unwrap().is_empty(), "it has ended");
    let again = goes_on(14, 0, 7).await;
    assert_eq!((again.told, again.past), (told, past), "authentications that were over are still known");
    assert_eq!(store.forget_checkouts(at(1_000_000), 10).await.unwrap(), 0, "it is open again");
    assert_eq!(store.checkouts_due(at(1_000_000), 10).await.unwrap().len(), 1);
}

/// Rule: a customer who is being authenticated goes on there, whatever the second request is.
pub async fn a_second_request_leaves_an_authentication_where_it_is(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = opened(&*store, on_the_page(1, "order-1")).await;
    let step = Step::Authentication("{\"at\":\"the issuer\"}".to_owned());
    change(&*store, first.checkout.at(step.clone()), CheckoutChanged::Written).await;
    let opened = store.open_checkout(renumbered(&first, 2)).await.unwrap();
    let CheckoutOpened::GoesOn(checkout) = opened else { panic!("{opened:?}") };
    assert_eq!((checkout.step, checkout.version, checkout.expires_at), (step, 3, at(2).plus_ms(CHECKOUT_MS_MAX)));
}

/// Rule: a request that asks for something else, or for an order that takes no try any more, finds the reference taken;
/// and nothing changes.
pub async fn another_request_finds_the_reference_of_a_checkout_taken(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = opened(&*store, on_the_page(1, "order-1")).await;
    let fort_id = FortId(FIRST + 1);
    let before = whole(&*store, first.checkout.id, fort_id).await;
    let order = Order { fort_id: FortId(FIRST + 2), ..order_of(&first) };
    let other = |order: Order| NewCheckout { order: Some(Box::new(order)), ..renumbered(&first, 2) };
    let kwd = Money { currency: Currency::from_alpha("KWD").unwrap(), ..order.money };
    let more = Money { amount: Amount::from_minor(10_001).unwrap(), ..order.money };
    for asked in [
        other(Order { kind: PayKind::Authorization, ..order.clone() }),
        other(Order { money: more, ..order.clone() }),
        other(Order { money: kwd, ..order.clone() }),
        other(Order { eci: Eci::Moto, ..order.clone() }),
        other(Order { channel: Channel::Trusted, ..order.clone() }),
    ] {
        let taken = store.open_checkout(asked).await.unwrap();
        assert_eq!(taken, CheckoutOpened::ReferenceTaken(fort_id));
        assert_eq!(whole(&*store, first.checkout.id, fort_id).await, before);
    }
    // While a payment is under way, unknown, reversed or paid, nobody begins anew.
    for (number, path) in [
        (20, &[][..]),
        (30, &[OperationEvent::NoAnswer][..]),
        (40, &[OperationEvent::NoAnswer, OperationEvent::ReversalAcknowledged][..]),
        (50, &[OperationEvent::Approved][..]),
    ] {
        let first = opened(&*store, on_the_page(number, &format!("order-{number}"))).await;
        let mut placed = try_begun(&*store, &order_of(&first), &first.checkout, number).await;
        for event in path {
            placed = recorded(&*store, &placed, *event).await;
        }
        let fort_id = placed.order.fort_id;
        let before = whole(&*store, first.checkout.id, fort_id).await;
        let taken = store.open_checkout(renumbered(&first, number + 1)).await.unwrap();
        assert_eq!(taken, CheckoutOpened::ReferenceTaken(fort_id), "{path:?}");
        assert_eq!(whole(&*store, first.checkout.id, fort_id).await, before, "{path:?}");
    }
}

/// Rule: an order whose checkout was forgotten goes on with a new one.
pub async fn an_order_goes_on_after_its_checkout_was_forgotten(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = opened(&*store, on_the_page(1, "order-1")).await;
    let declined = try_came_to(&*store, &first.checkout, 1, OperationEvent::Declined).await;
    change(&*store, declined.checkout.at(Step::Ended(End::AsOrder)), CheckoutChanged::Written).await;
    assert_eq!(store.forget_checkouts(at(1_000_000), 10).await.unwrap(), 1);
    let again = renumbered(&first, 2);
    let opened = store.open_checkout(again.clone()).await.unwrap();
    let CheckoutOpened::GoesOn(checkout) = opened else { panic!("{opened:?}") };
    let expected = Checkout { purpose: first.checkout.purpose.clone(), ..again.checkout };
    assert_eq!((&*checkout, checkout.order()), (&expected, Some(FortId(FIRST + 1))), "with the order that is there");
    assert_eq!(store.checkout(checkout.id).await.unwrap(), Some(expected));
}

/// Rule: a number that an order, or another checkout, has is told, and neither order nor checkout is there.
pub async fn a_taken_number_takes_the_order_of_a_checkout_back(subject: &dyn Subject) {
    let store = subject.open().await;
    claimed(&*store, new_order(1, "by API", PayKind::Purchase)).await;
    assert_eq!(store.open_checkout(on_the_page(1, "order-1")).await.unwrap(), CheckoutOpened::NumberTaken);
    // The number of a checkout that has no order.
    opened(&*store, for_a_token(2)).await;
    assert_eq!(store.open_checkout(on_the_page(2, "order-2")).await.unwrap(), CheckoutOpened::NumberTaken);
    let nothing = whole(&*store, CheckoutId(FIRST + 2), FortId(FIRST + 2)).await;
    assert_eq!(nothing.order, None, "it was taken back");
    assert_eq!(store.open_checkout(for_a_token(2)).await.unwrap(), CheckoutOpened::NumberTaken);
    for (number, reference) in [(3, "order-1"), (4, "order-2")] {
        opened(&*store, on_the_page(number, reference)).await;
    }
}

/// Rule: a checkout is written on the version that was read, and what is not written changes nothing.
pub async fn a_checkout_is_changed_by_version(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = opened(&*store, on_the_page(1, "order-1")).await;
    let second = first.checkout.at(Step::Authentication("1".to_owned()));
    change(&*store, second.clone(), CheckoutChanged::Written).await;
    for stale in [second.clone(), Checkout { version: 4, ..second.clone() }] {
        change(&*store, Checkout { step: Step::Ended(End::Cancelled), ..stale }, CheckoutChanged::Overtaken).await;
    }
    let missing = Checkout { id: CheckoutId(FIRST + 9), ..second.clone() };
    change(&*store, missing, CheckoutChanged::Overtaken).await;
    assert_eq!(store.checkout(first.checkout.id).await.unwrap(), Some(second.clone()));
    for version in [0, 1] {
        let refused = store.change_checkout(CheckoutChange {
            checkout: Checkout { version, ..second.clone() },
            held: None,
            at: at(5),
        });
        assert!(matches!(refused.await, Err(StoreError::Refused(_))), "version {version}");
    }
}

/// Rule: a card is held for an order that takes a try and is as it was read, in one commit with its checkout.
pub async fn a_card_is_held_for_an_order_that_takes_a_try_alone(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = opened(&*store, on_the_page(1, "order-1")).await;
    let order = order_of(&first);
    let held = |order: Order, byte: u8| {
        let facts = CardFacts {
            mask: "512345******2346".to_owned(),
            ..new_order(1, "x", PayKind::Purchase).order.card.unwrap()
        };
        let order = Order { card: Some(facts.clone()), version: order.version + 1, ..order };
        HeldCard { order, facts, card: SealedCard::from_bytes(vec![byte; 57]) }
    };
    let changed = async |checkout: &Checkout, held: HeldCard| {
        let checkout = checkout.at(Step::Authentication("1".to_owned()));
        store.change_checkout(CheckoutChange { checkout, held: Some(Box::new(held)), at: at(5) }).await
    };
    let before = whole(&*store, first.checkout.id, order.fort_id).await;
    let stale = held(Order { version: 2, ..order.clone() }, 1);
    assert_eq!(changed(&first.checkout, stale).await.unwrap(), CheckoutChanged::Overtaken);
    let overtaken = Checkout { version: 7, ..first.checkout.clone() };
    assert_eq!(changed(&overtaken, held(order.clone(), 1)).await.unwrap(), CheckoutChanged::Overtaken);
    let otherwise = held(Order { phase: Phase::Declined, ..order.clone() }, 1);
    assert_eq!(changed(&first.checkout, otherwise).await.unwrap(), CheckoutChanged::Overtaken);
    let takes_none = held(Order { phase: Phase::Unknown, ..order.clone() }, 1);
    assert!(matches!(changed(&first.checkout, takes_none).await, Err(StoreError::Refused(_))));
    assert_eq!(whole(&*store, first.checkout.id, order.fort_id).await, before, "nothing of it was written");

    let now = held(order.clone(), 8);
    assert_eq!(changed(&first.checkout, now.clone()).await.unwrap(), CheckoutChanged::Written);
    let stored = whole(&*store, first.checkout.id, order.fort_id).await;
    assert_eq!((stored.order.as_ref(), stored.card.as_ref()), (Some(&now.order), Some(&now.card)));
    // From the moment when a try is under way the order holds nothing else.
    let checkout = stored.checkout.unwrap();
    let begun = try_begun(&*store, &now.order, &checkout, 1).await;
    let under_way = whole(&*store, first.checkout.id, order.fort_id).await;
    let late = held(Order { phase: Phase::Open, open_operation: None, ..begun.order.clone() }, 9);
    let now = under_way.checkout.clone().unwrap();
    assert_eq!(changed(&now, late).await.unwrap(), CheckoutChanged::Overtaken);
    assert_eq!(whole(&*store, first.checkout.id, order.fort_id).await, under_way);
}

/// Rule: checkouts whose time is over come oldest first, at most so many; one that has ended is none of them, and is
/// forgotten when that is long enough ago.
pub async fn late_checkouts_come_oldest_first_and_ended_ones_are_forgotten(subject: &dyn Subject) {
    let store = subject.open().await;
    for number in [3, 1, 4, 2] {
        opened(&*store, on_the_page(number, &format!("order-{number}"))).await;
    }
    opened(&*store, for_a_token(5)).await;
    let late = |seconds| at(seconds).plus_ms(CHECKOUT_MS_MAX);
    let due = async |now: Timestamp, limit: usize| {
        let found = store.checkouts_due(now, limit).await.unwrap();
        found.iter().map(|checkout| checkout.id.0 - FIRST).collect::<Vec<_>>()
    };
    assert_eq!(due(Timestamp(late(1).0 - 1), 10).await, [] as [i64; 0]);
    assert_eq!(due(late(1), 10).await, [1], "at the moment itself");
    assert_eq!(due(late(9), 10).await, [1, 2, 3, 4, 5]);
    assert_eq!(due(late(9), 2).await, [1, 2]);
    for (number, seconds) in [(1, 100), (2, 200), (5, 300)] {
        let checkout = store.checkout(CheckoutId(FIRST + number)).await.unwrap().unwrap();
        let change = CheckoutChange { checkout: checkout.at(Step::Ended(End::TimedOut)), held: None, at: at(seconds) };
        assert_eq!(store.change_checkout(change).await.unwrap(), CheckoutChanged::Written);
    }
    assert_eq!(due(late(9), 10).await, [3, 4]);
    assert_eq!(store.forget_checkouts(at(100), 10).await.unwrap(), 0, "not the one that ended just then");
    assert_eq!(store.forget_checkouts(at(1_000), 1).await.unwrap(), 1, "the oldest first, at most so many");
    let is_there = async |number: i64| store.checkout(CheckoutId(FIRST + number)).await.unwrap().is_some();
    assert!(!is_there(1).await && is_there(2).await && is_there(5).await);
    assert_eq!(store.forget_checkouts(at(1_000), 10).await.unwrap(), 2);
    assert!(is_there(3).await && is_there(4).await, "those that are open stay, whatever their age");
    assert!(store.order(MERCHANT, &OrderTarget::FortId(FortId(FIRST + 1))).await.unwrap().is_some(), "orders stay");
}

/// Rule: a rotation of keys walks over cards that are there, and an order without one is no row of it.
pub async fn an_order_without_a_card_has_nothing_to_rotate(subject: &dyn Subject) {
    let store = subject.open().await;
    opened(&*store, on_the_page(1, "order-1")).await;
    let second = opened(&*store, on_the_page(2, "order-2")).await;
    claimed(&*store, new_order(3, "order-3", PayKind::Purchase)).await;
    let walked = async || {
        let rows = store.sealed_rows(SealedColumn::OrderCard, None, 10).await.unwrap();
        rows.iter().map(|row| row.number - FIRST).collect::<Vec<_>>()
    };
    assert_eq!(walked().await, [3]);
    assert_eq!(store.sealed_rows(SealedColumn::OrderCard, None, 1).await.unwrap().len(), 1, "empty ones take no place");
    try_begun(&*store, &order_of(&second), &second.checkout, 2).await;
    assert_eq!(walked().await, [2, 3]);
    let rows = vec![ReplacedSealed { number: FIRST + 1, before: vec![7; 57], after: vec![9; 57] }];
    assert_eq!(store.replace_sealed(SealedColumn::OrderCard, rows).await.unwrap(), 0);
    assert_eq!(whole(&*store, CheckoutId(FIRST + 1), FortId(FIRST + 1)).await.card, None);
}

/// Writes a checkout as it is now.
async fn change(store: &dyn Store, checkout: Checkout, expected: CheckoutChanged) {
    let change = CheckoutChange { checkout, held: None, at: at(500) };
    assert_eq!(store.change_checkout(change).await.unwrap(), expected);
}

/// Records `event`; the order and the operation afterwards.
pub(super) async fn recorded(store: &dyn Store, now: &Placed, event: OperationEvent) -> Placed {
    let record = outcome(&now.order, &now.operation, event, now.operation.wire.sent_at.plus_ms(500));
    let operation = tollgate_core::order::Operation { state: record.state, ..now.operation.clone() };
    let after = Placed { order: record.order.clone(), operation };
    assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::Written);
    after
}
