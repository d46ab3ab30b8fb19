//! Rules of the tries of a payment on the page, and of the end of an order of which nothing was sent.

use super::*;
use crate::{AuditChain, AuditDesk, CloseUnsent, NewFeedback, NewTry, TokenIntent, TryClaim, Whose};
use futures_util::future::join_all;
use std::sync::Arc;
use tollgate_core::audit::{AuditAction, AuditEntry, AuditReason, AuditWho};
use tollgate_core::feedback::{FeedbackId, FeedbackKind};
use tollgate_core::order::{OperationState, Totals};
use tollgate_core::scope::Route;
use tollgate_core::three_ds::{AuthenticatedBy, Authentication, AuthenticationStatus};
use tollgate_core::time::Clock;
use tollgate_core::token::{OrderToken, TokenRole};
use tollgate_core::transition::try_may_begin;
use tollgate_vault::{AuditKey, DataKeyBytes, DataKeyId};

/// How many tabs send the same page at once.
const TABS: i64 = 24;

/// A try with operation [`FIRST`] + `number` on an order and a checkout as they are now.
pub(super) fn new_try(order: &Order, checkout: &Checkout, number: i64) -> NewTry {
    let new = new_order(number, &order.merchant_reference, order.kind);
    let operation = tollgate_core::order::Operation { fort_id: order.fort_id, money: order.money, ..new.operation };
    let order = Order {
        card: new.order.card,
        phase: Phase::Pending,
        open_operation: Some(operation.id),
        version: order.version + 1,
        original: operation.wire,
        last: new.order.last,
        ..order.clone()
    };
    let checkout = Checkout { tries: checkout.tries + 1, ..checkout.at(Step::Card) };
    let intent = crate::NewOrder {
        order,
        operation,
        card: SealedCard::from_bytes(vec![8; 57]),
        ..new_order(number, "", PayKind::Purchase)
    };
    NewTry { intent, checkout }
}

/// Begins a try that must begin; the order and its operation afterwards.
pub(in super::super) async fn try_begun(store: &dyn Store, order: &Order, checkout: &Checkout, number: i64) -> Placed {
    let new = new_try(order, checkout, number);
    assert_eq!(store.claim_try(new.clone()).await.unwrap(), TryClaim::Claimed);
    Placed { order: new.intent.order, operation: new.intent.operation }
}

/// Opens an order on the page, number [`FIRST`] + `number`, and begins a try with the next number that does more than to pay;
/// the order and its operation afterwards, or why it did not begin.
pub(in super::super) async fn try_on_page(
    store: &Arc<dyn Store>,
    number: i64,
    more: impl FnOnce(crate::NewOrder) -> crate::NewOrder,
) -> Result<Placed, TryClaim> {
    let first = opened(&**store, on_the_page(number, &format!("page-{number}"))).await;
    let new = new_try(&order_of(&first), &first.checkout, number + 1);
    let new = NewTry { intent: more(new.intent), ..new };
    match store.claim_try(new.clone()).await.unwrap() {
        TryClaim::Claimed => Ok(Placed { order: new.intent.order, operation: new.intent.operation }),
        other => Err(other),
    }
}

/// A try that has come to its end.
pub(super) struct Tried {
    pub(super) order: Order,
    pub(super) checkout: Checkout,
}

/// Begins a try on an order as it is stored, and records what came of it.
pub(super) async fn try_came_to(store: &dyn Store, checkout: &Checkout, number: i64, event: OperationEvent) -> Tried {
    let order = stored(store, checkout.order().unwrap(), MERCHANT).await;
    let begun = try_begun(store, &order, checkout, number).await;
    let order = recorded(store, &begun, event).await.order;
    Tried { order, checkout: store.checkout(checkout.id).await.unwrap().unwrap() }
}

/// Rule: a try makes its order pending, with its card and its names, and counts at its checkout, in one commit; what it
/// comes to is written like any other outcome, and a later try takes the place of the earlier one.
pub async fn a_try_is_written_with_its_checkout(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = opened(&*store, on_the_page(1, "order-1")).await;
    let new = new_try(&order_of(&first), &first.checkout, 1);
    assert_eq!(store.claim_try(new.clone()).await.unwrap(), TryClaim::Claimed);
    drop(store);
    let store = subject.open().await;
    let stored = whole(&*store, first.checkout.id, new.intent.order.fort_id).await;
    assert_eq!(stored.order.as_ref(), Some(&new.intent.order));
    assert_eq!((stored.card.as_ref(), stored.checkout.as_ref()), (Some(&new.intent.card), Some(&new.checkout)));
    assert_eq!(stored.operations, [new.intent.operation.id]);
    let unfinished = store.unfinished(Whose::Everybody { before: at(1_000_000) }, 10).await.unwrap();
    assert_eq!(unfinished.iter().map(|row| row.operation.id).collect::<Vec<_>>(), [new.intent.operation.id]);

    let begun = Placed { order: new.intent.order, operation: new.intent.operation };
    let declined = recorded(&*store, &begun, OperationEvent::Declined).await.order;
    let second = new_try(&declined, &new.checkout, 2);
    let card = SealedCard::from_bytes(vec![3; 57]);
    let facts = CardFacts { mask: "512345******2346".to_owned(), holder: None, ..declined.card.clone().unwrap() };
    let mut second = NewTry { intent: crate::NewOrder { card: card.clone(), ..second.intent }, ..second };
    second.intent.order.card = Some(facts);
    assert_eq!(store.claim_try(second.clone()).await.unwrap(), TryClaim::Claimed);
    let begun = Placed { order: second.intent.order.clone(), operation: second.intent.operation.clone() };
    let paid = recorded(&*store, &begun, OperationEvent::Approved).await.order;
    assert_eq!((paid.phase, paid.totals.captured), (Phase::Purchased, paid.money.amount));
    let stored = whole(&*store, first.checkout.id, paid.fort_id).await;
    assert_eq!((stored.order.as_ref(), stored.card, stored.checkout.unwrap().tries), (Some(&paid), Some(card), 2));
    assert_eq!(stored.operations.len(), 2);
    assert_eq!(stored.order.unwrap().original, second.intent.operation.wire, "what a refund refers to");
}

/// Rule: a try begins on exactly those orders that the table of tries names, by phase and by the way they came.
pub async fn a_try_begins_where_the_table_says(subject: &dyn Subject) {
    use OperationEvent::{Approved, Declined, NoAnswer, NotSent, ReversalAcknowledged};
    let store = subject.open().await;
    let paths: [(Phase, PayKind, &[OperationEvent]); 8] = [
        (Phase::Pending, PayKind::Purchase, &[]),
        (Phase::Unknown, PayKind::Purchase, &[NoAnswer]),
        (Phase::Reversed, PayKind::Purchase, &[NoAnswer, ReversalAcknowledged]),
        (Phase::Declined, PayKind::Purchase, &[Declined]),
        (Phase::Failed, PayKind::Purchase, &[NotSent]),
        (Phase::Purchased, PayKind::Purchase, &[Approved]),
        (Phase::Authorized, PayKind::Authorization, &[Approved]),
        (Phase::Declined, PayKind::Authorization, &[NoAnswer, Declined]),
    ];
    let mut number = 0;
    for channel in [Channel::Redirection, Channel::Trusted] {
        for (phase, kind, path) in paths {
            number += 10;
            let new = on_the_page(number, &format!("order-{number}"));
            let order = Order { channel, kind, ..order_of(&new) };
            let last = tollgate_core::order::LastOperation { kind: kind.operation(), ..order.last.clone() };
            let order = Order { last, ..order };
            let new =
                NewCheckout { checkout: checkout_of(number, &order), order: Some(Box::new(order.clone())), card: None };
            opened(&*store, new.clone()).await;
            let mut placed = try_begun(&*store, &order, &new.checkout, number).await;
            for event in path {
                placed = recorded(&*store, &placed, *event).await;
            }
            assert_eq!(placed.order.phase, phase, "{path:?}");
            let checkout = store.checkout(new.checkout.id).await.unwrap().unwrap();
            let before = whole(&*store, checkout.id, order.fort_id).await;
            let claim = store.claim_try(new_try(&placed.order, &checkout, number + 1)).await.unwrap();
            if try_may_begin(phase, channel, placed.order.last.code) {
                assert_eq!(claim, TryClaim::Claimed, "{phase} {channel:?}");
            } else {
                assert_eq!(claim, TryClaim::Changed, "{phase} {channel:?}");
                assert_eq!(whole(&*store, checkout.id, order.fort_id).await, before, "{phase} {channel:?}");
            }
        }
    }
}

/// Rule: a hold that was captured or given up takes no try either.
pub async fn an_order_that_was_worked_on_takes_no_try(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, kind, phase) in [
        (10, tollgate_core::order::OperationKind::Capture, Phase::Captured),
        (20, tollgate_core::order::OperationKind::Void, Phase::Voided),
    ] {
        let new = on_the_page(number, &format!("order-{number}"));
        let order = Order { kind: PayKind::Authorization, ..order_of(&new) };
        let new =
            NewCheckout { checkout: checkout_of(number, &order), order: Some(Box::new(order.clone())), card: None };
        opened(&*store, new.clone()).await;
        let mut begun = new_try(&order, &new.checkout, number);
        begun.intent.operation.kind = PayKind::Authorization.operation();
        assert_eq!(store.claim_try(begun.clone()).await.unwrap(), TryClaim::Claimed);
        let placed = Placed { order: begun.intent.order, operation: begun.intent.operation };
        let held = recorded(&*store, &placed, OperationEvent::Approved).await.order;
        let later = new_operation(number + 1, &held, kind, 10_000);
        let after = carried_out(&*store, &held, later, OperationEvent::Approved).await.order;
        assert_eq!(after.phase, phase);
        let claim = store.claim_try(new_try(&after, &begun.checkout, number + 2)).await.unwrap();
        assert_eq!(claim, TryClaim::Changed, "{phase}");
        assert_eq!(stored(&*store, after.fort_id, MERCHANT).await, after);
    }
}

/// Rule: a try is claimed on the versions of order and checkout that were judged, under a number that is free; and one
/// that does not fit is a defect. Nothing is written otherwise.
pub async fn a_try_is_claimed_on_what_was_judged(subject: &dyn Subject) {
    let store = subject.open().await;
    claimed(&*store, new_order(9, "other", PayKind::Purchase)).await;
    let other = opened(&*store, on_the_page(8, "order-8")).await;
    let first = opened(&*store, on_the_page(1, "order-1")).await;
    let (order, checkout) = (order_of(&first), &first.checkout);
    let before = whole(&*store, checkout.id, order.fort_id).await;
    let unchanged = async |new: NewTry, expected: TryClaim| {
        assert_eq!(store.claim_try(new).await.unwrap(), expected);
        assert_eq!(whole(&*store, checkout.id, order.fort_id).await, before);
    };
    let newer = Order { version: 2, ..order.clone() };
    unchanged(new_try(&newer, checkout, 1), TryClaim::Changed).await;
    unchanged(new_try(&order, &Checkout { version: 2, ..checkout.clone() }, 1), TryClaim::Changed).await;
    unchanged(new_try(&order, checkout, 9), TryClaim::NumberTaken).await;
    let good = new_try(&order, checkout, 1);
    let with = |order: Order| NewTry { intent: crate::NewOrder { order, ..good.intent.clone() }, ..good.clone() };
    let pending = good.intent.order.clone();
    for bad in [
        with(Order { phase: Phase::Open, ..pending.clone() }),
        with(Order { open_operation: None, ..pending.clone() }),
        with(Order { card: None, ..pending.clone() }),
        with(Order { version: 1, ..pending.clone() }),
        NewTry { checkout: Checkout { version: 1, ..good.checkout.clone() }, ..good.clone() },
        NewTry { checkout: Checkout { tries: 1, ..other.checkout.at(Step::Card) }, ..good.clone() },
    ] {
        let refused = store.claim_try(bad).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
        assert_eq!(whole(&*store, checkout.id, order.fort_id).await, before);
    }
    assert_eq!(store.claim_try(good.clone()).await.unwrap(), TryClaim::Claimed);
    assert_eq!(store.claim_try(good).await.unwrap(), TryClaim::Changed, "once");
}

/// Rule: of many who send the same page at once, one begins a try; and of a try, a cancel and the end of the customer's
/// time at the same moment one wins.
pub async fn one_of_many_tries_begins(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = opened(&*store, on_the_page(100, "order-1")).await;
    let tabs = (0..TABS).map(|tab| {
        let (store, order, checkout) = (Arc::clone(&store), order_of(&first), first.checkout.clone());
        tokio::spawn(async move {
            match tab % 3 {
                0 => store.close_unsent(closing(&order, &checkout, 100 + tab, OperationEvent::Cancelled)).await,
                1 => store.close_unsent(closing(&order, &checkout, 100 + tab, OperationEvent::Abandoned)).await,
                _ => store.claim_try(new_try(&order, &checkout, 100 + tab)).await,
            }
        })
    });
    let claims: Vec<_> = join_all(tabs).await.into_iter().map(|claim| claim.unwrap().unwrap()).collect();
    let winners = claims.iter().filter(|claim| **claim == TryClaim::Claimed).count();
    assert_eq!(winners, 1, "{claims:?}");
    assert!(claims.iter().all(|claim| *claim != TryClaim::NumberTaken), "{claims:?}");
    let after = whole(&*store, first.checkout.id, FortId(FIRST + 100)).await;
    assert_eq!((after.operations.len(), after.checkout.unwrap().version), (1, 2));
}

/// Rule: what a try would keep of its card, the route, what the network is told of an authentication, and what the audit
/// log is told are in the commit of the try; a try that does not begin leaves none of it but the audit entries.
pub async fn a_try_brings_all_that_an_intent_has(subject: &dyn Subject) {
    struct Noon;
    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            START
        }
    }
    let store = subject.open().await;
    let key = AuditKey::new(DataKeyId(5), START, &DataKeyBytes::copied_from(&[7; 32]).unwrap());
    let who = || AuditWho::Person { name: "A. Person".to_owned(), by: "a test".to_owned() };
    store.begin_audit(AuditDesk { key, clock: Arc::new(Noon), who: who() }).await.unwrap();
    let first = opened(&*store, on_the_page(1, "order-1")).await;
    let entry = |number: i64| AuditEntry {
        why: AuditReason::PaymentByToken,
        operation: Some(OperationId(FIRST + number)),
        ..AuditEntry::new(at(number), AuditWho::Request, AuditAction::CardRevealed)
    };
    let authentication = || Authentication {
        status: AuthenticationStatus::Attempted,
        eci: Some("06".to_owned()),
        value: None,
        ds_transaction_id: None,
        xid: None,
        version: None,
        by: AuthenticatedBy::Gateway,
    };
    let with = |order: &Order, checkout: &Checkout, number: i64, name: &str| {
        let mut new = new_try(order, checkout, number);
        let kept = super::super::tokens::token(number, name);
        new.intent.order.token = Some(OrderToken { name: name.to_owned(), role: TokenRole::Saves });
        new.intent.token = Some(TokenIntent::Put(Box::new(kept)));
        new.intent.audit = vec![entry(number)];
        new.intent.route = Some(Route::HostedPage);
        new.intent.authentication = Some(authentication());
        new
    };
    let stale = with(&Order { version: 5, ..order_of(&first) }, &first.checkout, 2, "stale");
    assert_eq!(store.claim_try(stale).await.unwrap(), TryClaim::Changed);
    assert!(store.route_uses().await.unwrap().is_empty());
    let new = with(&order_of(&first), &first.checkout, 1, "mine");
    assert_eq!(store.claim_try(new.clone()).await.unwrap(), TryClaim::Claimed);
    let rows = store.audit_rows(AuditChain::SOLE, 0, 100).await.unwrap();
    let entries: Vec<_> = rows.iter().flat_map(|row| row.read().unwrap()).skip(1).collect();
    assert_eq!(entries, [entry(2), entry(1)], "the card was opened both times");
    let uses = store.route_uses().await.unwrap();
    assert_eq!(uses.iter().map(|row| row.used.route).collect::<Vec<_>>(), [Route::HostedPage]);
    let story = store.story(FortId(FIRST + 1)).await.unwrap().unwrap();
    assert_eq!(story.operations[0].authentication, Some(authentication()));

    // The token of a try that came to nothing is not made, and another try may ask for one anew.
    let begun = Placed { order: new.intent.order, operation: new.intent.operation };
    let declined = recorded(&*store, &begun, OperationEvent::Declined).await.order;
    assert_eq!(store.token(MERCHANT, "mine").await.unwrap(), None);
    let second = with(&declined, &new.checkout, 3, "second");
    assert_eq!(store.claim_try(second.clone()).await.unwrap(), TryClaim::Claimed);
    let begun = Placed { order: second.intent.order, operation: second.intent.operation };
    recorded(&*store, &begun, OperationEvent::Approved).await;
    assert_eq!(store.token(MERCHANT, "mine").await.unwrap(), None);
    assert!(store.token(MERCHANT, "second").await.unwrap().is_some());
}

/// Rule: what is told of a try by feedback is told with its own card and token, also when the order has those of a later
/// one; and what is told of an order that had no card yet has none.
pub async fn feedback_of_a_try_has_the_card_of_its_own(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = opened(&*store, on_the_page(1, "order-1")).await;
    let close = closing(&order_of(&first), &first.checkout, 1, OperationEvent::Abandoned);
    assert_eq!(store.close_unsent(close).await.unwrap(), TryClaim::Claimed);
    let mut checkout = goes_on(&*store, 1).await;
    let uses = |name: &str| Some(OrderToken { name: name.to_owned(), role: TokenRole::Uses });
    let tries =
        [(2, "411111******1111", uses("first")), (3, "512345******2346", None), (4, "400555******0001", uses("last"))];
    for (number, mask, token) in &tries {
        let order = stored(&*store, FortId(FIRST + 1), MERCHANT).await;
        let mut new = new_try(&order, &checkout, *number);
        let facts = CardFacts { mask: (*mask).to_owned(), ..new.intent.order.card.clone().unwrap() };
        (new.intent.order.card, new.intent.order.token) = (Some(facts), token.clone());
        assert_eq!(store.claim_try(new.clone()).await.unwrap(), TryClaim::Claimed);
        let mut record = outcome(&new.intent.order, &new.intent.operation, OperationEvent::Declined, at(*number));
        record.feedback = Some(NewFeedback { channel: Channel::Redirection, kind: FeedbackKind::Direct });
        assert_eq!(store.record_outcome(record).await.unwrap(), crate::Recorded::Written);
        checkout = new.checkout;
    }
    drop(store);
    let store = subject.open().await;
    let told = async |number: i64| {
        let id = FeedbackId { operation: OperationId(FIRST + number), place: 0 };
        let order = store.feedback_content(id).await.unwrap().unwrap().order;
        (order.card.map(|card| card.mask), order.token)
    };
    assert_eq!(told(1).await, (None, None), "nothing was known of a card");
    for (number, mask, token) in tries {
        assert_eq!(told(number).await, (Some(mask.to_owned()), token), "try {number}");
    }
}

/// The end of an order of which nothing was sent.
fn closing(order: &Order, checkout: &Checkout, number: i64, event: OperationEvent) -> CloseUnsent {
    let mut attempt = new_try(order, checkout, number);
    attempt.intent.order.card.clone_from(&order.card);
    attempt.intent.card = SealedCard::from_bytes(Vec::new());
    attempt.checkout = checkout.at(Step::Ended(End::AsOrder));
    let mut record = outcome(&attempt.intent.order, &attempt.intent.operation, event, at(number));
    record.feedback = Some(NewFeedback { channel: Channel::Redirection, kind: FeedbackKind::Direct });
    CloseUnsent { attempt, outcome: record }
}

/// Rule: an order of which nothing was sent is closed in one commit: it has failed, an operation tells of it with its
/// outcome and its feedback, and its checkout has ended. No money is anywhere in it.
pub async fn an_order_of_which_nothing_was_sent_is_closed_in_one_commit(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, event) in
        [(10, OperationEvent::Cancelled), (20, OperationEvent::Abandoned), (30, OperationEvent::NotAuthenticated)]
    {
        let new = opened(&*store, on_the_page(number, &format!("order-{number}"))).await;
        let close = closing(&order_of(&new), &new.checkout, number, event);
        let before = store.feedback_backlog().await.unwrap().waiting;
        assert_eq!(store.close_unsent(close.clone()).await.unwrap(), TryClaim::Claimed);
        let after = whole(&*subject.open().await, new.checkout.id, FortId(FIRST + number)).await;
        assert_eq!(after.order.as_ref(), Some(&close.outcome.order), "{event}");
        assert_eq!((after.checkout, after.card), (Some(close.attempt.checkout), None), "{event}");
        assert_eq!((after.operations.len(), after.outcomes, after.feedback), (1, 1, before + 1), "{event}");
        let order = after.order.unwrap();
        assert_eq!((order.phase, order.totals, order.open_operation), (Phase::Failed, Totals::default(), None));
        let told = store.story(order.fort_id).await.unwrap().unwrap().operations.remove(0);
        assert_eq!((told.operation.state, told.outcomes[0].event), (OperationState::NotSent, event));
        assert_eq!(told.outcomes[0].code, order.last.code);
        let id = FeedbackId { operation: told.operation.id, place: 0 };
        assert!(store.feedback_content(id).await.unwrap().is_some(), "{event}");
        assert!(store.unfinished(Whose::Everybody { before: at(1_000_000) }, 10).await.unwrap().is_empty());
    }
    assert_eq!(store.recovery_backlog().await.unwrap().0, 0, "there is nothing to undo");
    // A customer of the page may come again by another form.
    let declined = try_came_to(&*store, &goes_on(&*store, 10).await, 11, OperationEvent::Declined).await;
    assert_eq!(declined.order.phase, Phase::Declined);
}

async fn goes_on(store: &dyn Store, number: i64) -> Checkout {
    let again = renumbered(&on_the_page(number, &format!("order-{number}")), number + 5);
    match store.open_checkout(again).await.unwrap() {
        CheckoutOpened::GoesOn(checkout) => *checkout,
        other => panic!("{other:?}"),
    }
}

/// Rule: an order is closed on what was judged; where somebody was faster, or a number is taken, nothing is written, and
/// an outcome that does not follow from it is a defect.
pub async fn an_order_is_closed_on_what_was_judged(subject: &dyn Subject) {
    let store = subject.open().await;
    claimed(&*store, new_order(9, "other", PayKind::Purchase)).await;
    let first = opened(&*store, on_the_page(1, "order-1")).await;
    let (order, checkout) = (order_of(&first), &first.checkout);
    let before = whole(&*store, checkout.id, order.fort_id).await;
    let cancelled =
        |order: &Order, checkout: &Checkout, number| closing(order, checkout, number, OperationEvent::Cancelled);
    for (close, expected) in [
        (cancelled(&Order { version: 3, ..order.clone() }, checkout, 1), TryClaim::Changed),
        (cancelled(&order, &Checkout { version: 3, ..checkout.clone() }, 1), TryClaim::Changed),
        (cancelled(&order, checkout, 9), TryClaim::NumberTaken),
    ] {
        assert_eq!(store.close_unsent(close).await.unwrap(), expected);
        assert_eq!(whole(&*store, checkout.id, order.fort_id).await, before);
    }
    let mut unfit = cancelled(&order, checkout, 1);
    unfit.outcome.order.version += 1;
    let refused = store.close_unsent(unfit).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!(whole(&*store, checkout.id, order.fort_id).await, before, "all of it or nothing");

    let begun = try_begun(&*store, &order, checkout, 1).await;
    let under_way = whole(&*store, checkout.id, order.fort_id).await;
    let late = cancelled(&begun.order, under_way.checkout.as_ref().unwrap(), 2);
    assert_eq!(store.close_unsent(late).await.unwrap(), TryClaim::Changed, "a try is under way");
    assert_eq!(whole(&*store, checkout.id, order.fort_id).await, under_way);
}
