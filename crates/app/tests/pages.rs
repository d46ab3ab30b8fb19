//! Customers at the gateway's page: whatever two tabs, two gateways, time and a dying gateway do, money is taken once, and
//! the page tells what the order came to.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::sync::Arc;
use support::{House, Node, pass, until};
use tollgate_acquirer::NetworkKind;
use tollgate_app::{ForcedOutcome, Refused, Resolution, ResolveError, Resolved, SeenCheckout, Stage};
use tollgate_core::checkout::{CHECKOUT_MS_MAX, TRIES_MAX};
use tollgate_core::code::{ResponseCode, TOKEN_CREATED, TOKENIZED, UNCERTAIN, message, refused};
use tollgate_core::command::TokenizeKind;
use tollgate_core::order::{OperationState, Phase};
use tollgate_store::Lives;

const PURCHASE: NetworkKind = NetworkKind::Purchase;
const REVERSAL: NetworkKind = NetworkKind::ReversalAdvice;
const PAID: ResponseCode = ResponseCode::new(14, 0);
const DECLINED: ResponseCode = ResponseCode::new(13, 666);
const TIMED_OUT: ResponseCode = ResponseCode::new(13, 778);
/// Longer than a lease, and than a life is watched before it is taken for dead; in seconds.
const LONG_S: u64 = 60;

/// Rule: an order whose gateway died with a try under way takes no other card. The page waits, then tells that nobody
/// knows, and in the end what recovery found out; a late yes changes nothing any more.
#[tokio::test(start_paused = true)]
async fn a_try_of_a_dead_gateway_is_settled_before_the_page_tells_its_end() {
    let house = House::build().await;
    let (a, b) = (house.node(1).await, house.node(2).await);
    let link = a.come("order").await.unwrap();
    let form = a.look(&link).await;
    let dying = a.send(&form);
    until(1, "it is sent", async || a.wire.sent() == [PURCHASE]).await;
    let waiting = b.look(&link).await;
    assert_eq!(waiting.stage(), Stage::Wait);
    assert_eq!(code_of(b.send(&waiting).await.unwrap()), Some(refused::STILL_PROCESSING));
    assert_eq!(code_of(b.send(&form).await.unwrap()), Some(refused::STILL_PROCESSING), "an older tab");
    // Without its jobs the first one does not renew its lease.
    let _b_jobs = b.start_jobs().await;
    until(LONG_S, "b undoes it", async || b.wire.sent() == [REVERSAL]).await;
    let unknown = b.look(&link).await;
    assert_eq!((unknown.stage(), unknown.answer().code), (Stage::Return, UNCERTAIN));
    assert_eq!(code_of(b.send(&unknown).await.unwrap()), Some(refused::ALREADY_PROCESSED));
    assert_eq!(code_of(b.send(&form).await.unwrap()), Some(refused::STILL_PROCESSING));
    b.wire.answer(REVERSAL, "00");
    until(1, "it is reversed", async || house.order("order").await.phase == Phase::Reversed).await;
    assert_eq!(told(&b, &link).await, DECLINED);
    a.wire.answer(PURCHASE, "00");
    dying.await.unwrap().unwrap();
    assert_eq!((house.order("order").await.phase, told(&b, &link).await), (Phase::Reversed, DECLINED));
    assert_eq!(b.come("order").await.unwrap_err().refusal.code, refused::REFERENCE_EXISTS, "no other try either");
    assert_eq!((a.wire.sent().len(), b.wire.sent().len()), (1, 1), "one purchase, one reversal");
}

/// Rule: a late yes counts as long as nothing was undone, and the page tells it.
#[tokio::test(start_paused = true)]
async fn a_late_yes_of_a_try_reaches_the_page() {
    let house = House::build().await;
    let (a, b) = (house.node(1).await, house.node(2).await);
    let link = a.come("order").await.unwrap();
    let paused = a.send(&a.look(&link).await);
    until(1, "it is sent", async || a.wire.sent() == [PURCHASE]).await;
    taken_for_dead(&house, 1).await;
    assert_eq!(b.gateway.mark_interrupted().await.unwrap(), 1);
    assert_eq!(told(&b, &link).await, UNCERTAIN);
    a.wire.answer(PURCHASE, "00");
    paused.await.unwrap().unwrap();
    assert_eq!((house.order("order").await.phase, told(&b, &link).await), (Phase::Purchased, PAID));
}

/// Rule: of two gateways that take the same page at the same moment one sends it; the other refuses, and both tell the
/// same afterwards.
#[tokio::test(start_paused = true)]
async fn of_two_gateways_one_sends_a_page() {
    let house = House::build().await;
    let (a, b) = (house.node(1).await, house.node(2).await);
    for (turn, answer, code) in [(1, "00", PAID), (2, "05", DECLINED)] {
        let reference = format!("order-{turn}");
        let link = a.come(&reference).await.unwrap();
        assert_eq!(b.come(&reference).await.unwrap(), link, "another form goes on with the same page");
        let seen = [a.look(&link).await, b.look(&link).await];
        let sending = [a.send(&seen[0]), b.send(&seen[1])];
        let sent = || a.wire.waits_for(PURCHASE) as usize + b.wire.waits_for(PURCHASE) as usize;
        until(1, "one is sent", async || sent() == 1).await;
        pass(5).await;
        assert_eq!(sent(), 1);
        let wire = if a.wire.waits_for(PURCHASE) { &a.wire } else { &b.wire };
        wire.answer(PURCHASE, answer);
        let mut codes = Vec::new();
        for one in sending {
            codes.push(code_of(one.await.unwrap()));
        }
        codes.sort_by_key(Option::is_some);
        assert_eq!(codes, [None, Some(refused::STILL_PROCESSING)]);
        let order = house.order(&reference).await;
        assert_eq!((order.last.code, house.story(&reference).await.operations.len()), (code, 1));
        for node in [&a, &b] {
            let now = node.look(&link).await;
            match code {
                PAID => assert_eq!((now.stage(), now.answer().code), (Stage::Return, PAID)),
                _ => assert_eq!((now.stage(), now.checkout.tries), (Stage::Form(Some(DECLINED)), 1)),
            }
        }
    }
}

/// Rule: an order that was declined takes other cards, so many and no more; each is an operation of its own, and what is
/// told is the last.
#[tokio::test(start_paused = true)]
async fn cards_are_tried_one_after_another_and_not_for_ever() {
    let house = House::build().await;
    let a = house.node(1).await;
    let link = a.come("order").await.unwrap();
    for tried in 0..TRIES_MAX {
        let seen = a.look(&link).await;
        assert_eq!((seen.tries_left(), seen.stage() == Stage::Return), (TRIES_MAX - tried, false));
        tried_with(&a, &seen, "05").await;
    }
    assert_eq!(told(&a, &link).await, DECLINED);
    let operations = house.story("order").await.operations;
    assert_eq!(operations.len(), usize::from(TRIES_MAX));
    assert!(operations.iter().all(|told| told.operation.state == OperationState::Declined));
    // Another form of the merchant's lets the customer try again.
    a.come("order").await.unwrap();
    tried_with(&a, &a.look(&link).await, "00").await;
    assert_eq!((house.order("order").await.phase, told(&a, &link).await), (Phase::Purchased, PAID));
}

/// Rule: what was settled of an earlier try cannot be corrected on its order, which is that of a later one; the operator
/// is told so, and what to do.
#[tokio::test(start_paused = true)]
async fn an_earlier_try_is_not_corrected_on_its_order() {
    let house = House::build().await;
    let a = house.node(1).await;
    let link = a.come("order").await.unwrap();
    tried_with(&a, &a.look(&link).await, "05").await;
    let first = house.operation("order").await;
    let under_way = a.send(&a.look(&link).await);
    until(1, "it is sent", async || a.wire.waits_for(PURCHASE)).await;
    let resolving = async || a.gateway.resolve(first, resolution(ForcedOutcome::Approved)).await.unwrap_err();
    let refusal = resolving().await;
    assert!(matches!(refusal, ResolveError::NotAllowed { .. }), "{refusal}");
    a.wire.answer(PURCHASE, "00");
    under_way.await.unwrap().unwrap();
    let refusal = resolving().await.to_string();
    assert!(refusal.contains("another try") && refusal.contains("with the acquirer"), "{refusal}");
    let order = house.order("order").await;
    assert_eq!((order.phase, order.totals.captured.minor()), (Phase::Purchased, 100), "once");
}

/// Rule: a customer who cancelled after a decline that an operator finds to be a yes is not told of a cancel.
#[tokio::test(start_paused = true)]
async fn a_cancelled_page_tells_the_truth_that_an_operator_has_found() {
    let house = House::build().await;
    let a = house.node(1).await;
    let link = a.come("order").await.unwrap();
    tried_with(&a, &a.look(&link).await, "05").await;
    a.gateway.cancel_checkout(&*a.look(&link).await).await.unwrap();
    assert_eq!(told(&a, &link).await, refused::CANCELLED);
    let operation = house.operation("order").await;
    let resolved = a.gateway.resolve(operation, resolution(ForcedOutcome::Approved)).await.unwrap();
    assert_eq!(resolved, Resolved::Written { state: OperationState::Approved, code: PAID });
    assert_eq!(told(&a, &link).await, PAID);
    assert_eq!(a.come("order").await.unwrap_err().refusal.code, refused::REFERENCE_EXISTS);
}

/// Rule: of a try and a cancel at the same moment one wins; a card that comes after the cancel is not sent, and a cancel
/// that comes after the card changes nothing.
#[tokio::test(start_paused = true)]
async fn a_cancel_and_a_try_never_both_count() {
    let house = House::build().await;
    let a = house.node(1).await;
    let link = a.come("cancelled").await.unwrap();
    let seen = a.look(&link).await;
    a.gateway.cancel_checkout(&seen).await.unwrap();
    assert_eq!(code_of(a.send(&seen).await.unwrap()), Some(refused::STILL_PROCESSING));
    assert_eq!(a.wire.sent(), []);
    assert_eq!((house.order("cancelled").await.phase, told(&a, &link).await), (Phase::Failed, refused::CANCELLED));
    a.gateway.cancel_checkout(&seen).await.unwrap();
    assert_eq!(house.story("cancelled").await.operations.len(), 1, "once");

    let link = a.come("paid").await.unwrap();
    let seen = a.look(&link).await;
    let sending = a.send(&seen);
    until(1, "it is sent", async || a.wire.waits_for(PURCHASE)).await;
    a.gateway.cancel_checkout(&seen).await.unwrap();
    a.gateway.cancel_checkout(&*a.look(&link).await).await.unwrap();
    assert_eq!(a.look(&link).await.stage(), Stage::Wait);
    a.wire.answer(PURCHASE, "00");
    sending.await.unwrap().unwrap();
    assert_eq!((house.order("paid").await.phase, told(&a, &link).await), (Phase::Purchased, PAID));
}

/// Rule: when the time is over before the card comes, nothing is sent; when it ends while a card is under way, the page
/// tells what came of that.
#[tokio::test(start_paused = true)]
async fn the_end_of_the_time_and_a_try_never_both_count() {
    let house = House::build().await;
    let a = house.node(1).await;
    let _jobs = a.start_jobs().await;
    let (late, under_way) = (a.come("late").await.unwrap(), a.come("under way").await.unwrap());
    let declined = a.come("declined").await.unwrap();
    tried_with(&a, &a.look(&declined).await, "05").await;
    let seen = a.look(&late).await;
    let sending = a.send(&a.look(&under_way).await);
    until(1, "it is sent", async || a.wire.waits_for(PURCHASE)).await;
    a.clock.move_seconds(i64::try_from(CHECKOUT_MS_MAX / 1_000).unwrap());
    a.gateway.wake_jobs();
    until(5, "it is given up", async || house.order("late").await.phase == Phase::Failed).await;
    assert_eq!(code_of(a.send(&seen).await.unwrap()), Some(refused::STILL_PROCESSING), "an older tab");
    assert_eq!(told(&a, &late).await, TIMED_OUT);
    assert_eq!(told(&a, &declined).await, DECLINED, "what was tried counts");
    assert_eq!(told(&a, &under_way).await, UNCERTAIN);
    a.wire.answer(PURCHASE, "00");
    sending.await.unwrap().unwrap();
    assert_eq!((house.order("under way").await.phase, told(&a, &under_way).await), (Phase::Purchased, PAID));
    assert_eq!(a.wire.sent(), [PURCHASE, PURCHASE], "the declined one and the paid one");
}

/// Rule: of two gateways that see the end of the time at once one closes the order.
#[tokio::test(start_paused = true)]
async fn an_order_is_given_up_once_by_many_gateways() {
    let house = House::build().await;
    let (a, b) = (house.node(1).await, house.node(2).await);
    let link = a.come("order").await.unwrap();
    let _jobs = [a.start_jobs().await, b.start_jobs().await];
    for node in [&a, &b] {
        node.clock.move_seconds(i64::try_from(CHECKOUT_MS_MAX / 1_000).unwrap() + 1);
        node.gateway.wake_jobs();
    }
    until(5, "it is given up", async || house.order("order").await.phase == Phase::Failed).await;
    pass(10).await;
    let story = house.story("order").await;
    assert_eq!((story.operations.len(), story.operations[0].outcomes.len()), (1, 1));
    assert_eq!(told(&b, &link).await, TIMED_OUT);
}

/// Rule: whoever sends a page for a token, and how often, keeps one card; everybody is told of the same token.
#[tokio::test(start_paused = true)]
async fn many_who_send_a_page_for_a_token_keep_one_card() {
    let house = House::build().await;
    let (a, b) = (house.node(1).await, house.node(2).await);
    let mut kept = 0;
    for kind in [TokenizeKind::Tokenization, TokenizeKind::CreateToken] {
        for name in [None, Some("mine")] {
            let name = name.map(|name| format!("{name}-{kind:?}"));
            let link = a.come_for_token(kind, name.as_deref()).await.unwrap();
            // Each tab has loaded the form before the first one is sent.
            let seen = [a.look(&link).await, b.look(&link).await, a.look(&link).await];
            let sending = [a.send(&seen[0]), b.send(&seen[1]), a.send(&seen[2]), a.send(&seen[0])];
            for one in sending {
                one.await.unwrap().unwrap();
            }
            kept += 1;
            let names = house.token_names().await;
            assert_eq!(names.len(), kept, "{kind:?} {name:?}: {names:?}");
            let told = [a.look(&link).await, b.look(&link).await];
            for tab in &told {
                let answer = tab.answer();
                assert_eq!(
                    (tab.stage(), answer.token_name.as_ref()),
                    (Stage::Return, names.last()),
                    "{kind:?} {name:?}"
                );
                assert_eq!(answer.code, if kind == TokenizeKind::Tokenization { TOKENIZED } else { TOKEN_CREATED });
                assert_eq!(answer, told[0].answer());
            }
            // Who sends it later, or cancels, changes nothing either.
            assert_eq!(code_of(a.send(&told[0]).await.unwrap()), Some(refused::ALREADY_PROCESSED));
            a.gateway.cancel_checkout(&seen[2]).await.unwrap();
            assert_eq!(a.look(&link).await.answer(), told[0].answer());
        }
    }
    assert_eq!(house.token_names().await.len(), kept);
}

/// Rule: of a card and a cancel at the same moment one counts: after a cancel, or when the time is over, no card is kept.
#[tokio::test(start_paused = true)]
async fn a_page_for_a_token_that_was_cancelled_keeps_no_card() {
    let house = House::build().await;
    let a = house.node(1).await;
    let link = a.come_for_token(TokenizeKind::Tokenization, None).await.unwrap();
    let seen = a.look(&link).await;
    a.gateway.cancel_checkout(&seen).await.unwrap();
    a.send(&seen).await.unwrap().unwrap();
    assert_eq!((told(&a, &link).await, house.token_names().await.len()), (refused::CANCELLED, 0));

    let link = a.come_for_token(TokenizeKind::CreateToken, None).await.unwrap();
    let seen = a.look(&link).await;
    let _jobs = a.start_jobs().await;
    a.clock.move_seconds(i64::try_from(CHECKOUT_MS_MAX / 1_000).unwrap());
    a.gateway.wake_jobs();
    until(5, "its time is over", async || a.look(&link).await.stage() == Stage::Return).await;
    a.send(&seen).await.unwrap().unwrap();
    assert_eq!(told(&a, &link).await, ResponseCode::refused(message::SESSION_TIMED_OUT));
    assert_eq!(house.token_names().await.len(), 0);
}

/// Rule: where the merchant's own name cannot be had, the page ends, and the merchant is told why: the customer has no
/// way to mend it.
#[tokio::test(start_paused = true)]
async fn a_page_for_a_token_whose_name_is_taken_ends() {
    let house = House::build().await;
    let a = house.node(1).await;
    for code in [TOKEN_CREATED, refused::TOKEN_EXISTS] {
        let link = a.come_for_token(TokenizeKind::CreateToken, Some("mine")).await.unwrap();
        a.send(&a.look(&link).await).await.unwrap().unwrap();
        assert_eq!(told(&a, &link).await, code);
    }
    assert_eq!(house.token_names().await, ["mine"]);
}

/// Sends a card and answers it; the page afterwards is for the caller to see.
async fn tried_with(node: &Node, seen: &Arc<SeenCheckout>, answer: &str) {
    let sending = node.send(seen);
    until(1, "it is sent", async || node.wire.waits_for(PURCHASE)).await;
    node.wire.answer(PURCHASE, answer);
    sending.await.unwrap().unwrap();
}

/// What the browser goes back with.
async fn told(node: &Node, link: &str) -> ResponseCode {
    let seen = node.look(link).await;
    assert_eq!(seen.stage(), Stage::Return, "{:?}", seen.order);
    seen.answer().code
}

fn code_of(sent: Result<(), Refused>) -> Option<ResponseCode> {
    sent.err().map(|refused| refused.refusal.code)
}

fn resolution(outcome: ForcedOutcome) -> Resolution {
    Resolution {
        outcome,
        reason: "the clearing file".to_owned(),
        evidence: "page 3".to_owned(),
        evidence_sha256: None,
        by: "A. Person".to_owned(),
    }
}

/// Ends the life of a node, as a watcher does that has not heard of it for long enough.
async fn taken_for_dead(house: &House, node: u8) {
    let rows = house.store.lives().await.unwrap();
    let row = rows.iter().find(|row| row.node == node).unwrap();
    assert!(house.store.end_life(row.life, Some(row.renewals), row.alive_until).await.unwrap());
}
