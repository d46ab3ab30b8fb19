//! The small amount that a verification holds is given up at once, whatever happens to the gateway, to the answer and
//! to the void.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use support::{House, Node, pass, until};
use tollgate_acquirer::NetworkKind;
use tollgate_app::{ForcedOutcome, Resolution, Resolved};
use tollgate_core::code::{ResponseCode, UNCERTAIN};
use tollgate_core::money::Amount;
use tollgate_core::order::{OperationState, Phase};
use tollgate_store::{Orders, held_amount};

const HOLD: NetworkKind = NetworkKind::Authorize;
const VOID: NetworkKind = NetworkKind::Void;
const REPEAT: NetworkKind = NetworkKind::ReversalAdvice;
const VERIFIED: ResponseCode = ResponseCode::new(80, 0);
const NOT_VERIFIED: ResponseCode = ResponseCode::new(81, 666);
/// Longer than a lease, and than a life is watched before it is taken for dead; in seconds.
const LONG_S: u64 = 60;

/// Rule: the intent of the void is written with the approval, and the merchant's answer does not wait for the void.
#[tokio::test(start_paused = true)]
async fn the_answer_comes_with_the_intent_of_the_void_and_not_after_the_void() {
    let house = House::build().await;
    let a = house.node(1).await;
    let _jobs = a.start_jobs().await;
    verified_with_void_under_way(&house, &a).await;
    assert_eq!(house.story("card").await.operations.len(), 2, "hold and void");
    assert_ne!(held(&house).await, Amount::ZERO, "the network has not said yet that it is given up");
    a.wire.answer(VOID, "00");
    until(1, "it is given up", async || house.order("card").await.phase == Phase::Voided).await;
    assert_eq!(held(&house).await, Amount::ZERO);
    assert_eq!(house.order("card").await.last.code, VERIFIED, "what is told is the verification");
}

/// Rule: a void that a dead gateway left is repeated by another one until the network acknowledges it.
#[tokio::test(start_paused = true)]
async fn the_void_of_a_dead_gateway_is_carried_out_by_another() {
    let house = House::build().await;
    let (a, b) = (house.node(1).await, house.node(2).await);
    let _b_jobs = b.start_jobs().await;
    // Without its jobs it does not renew its lease.
    verified_with_void_under_way(&house, &a).await;
    until(LONG_S, "b repeats the void", async || b.wire.sent() == [REPEAT]).await;
    b.wire.answer(REPEAT, "00");
    until(1, "it is given up", async || house.order("card").await.phase == Phase::Voided).await;
    assert_eq!(held(&house).await, Amount::ZERO);
}

/// Rule: a network that refuses the void is asked again, for ever.
#[tokio::test(start_paused = true)]
async fn a_refused_void_is_repeated_until_it_is_acknowledged() {
    let house = House::build().await;
    let a = house.node(1).await;
    let _jobs = a.start_jobs().await;
    verified_with_void_under_way(&house, &a).await;
    a.wire.answer(VOID, "12");
    for time in 1..=3 {
        let repeats = async || a.wire.sent().len() == 2 + time;
        until(600, "it is repeated", repeats).await;
        let kind = *a.wire.sent().last().unwrap();
        assert_eq!(kind == REPEAT, time == 1, "{kind:?}");
        assert_eq!(house.story("card").await.operations[1].operation.state, OperationState::Unknown);
        a.wire.answer(kind, if time == 3 { "00" } else { "12" });
    }
    until(1, "it is given up", async || house.order("card").await.phase == Phase::Voided).await;
}

/// Rule: a declined verification holds nothing and is followed by nothing.
#[tokio::test(start_paused = true)]
async fn a_declined_verification_is_followed_by_nothing() {
    let house = House::build().await;
    let a = house.node(1).await;
    let _jobs = a.start_jobs().await;
    let asking = a.verify("card");
    until(1, "it is asked", async || a.wire.sent() == [HOLD]).await;
    a.wire.answer(HOLD, "05");
    let answer = asking.await.unwrap().unwrap();
    assert_eq!(answer.code, NOT_VERIFIED);
    pass(LONG_S).await;
    assert_eq!(a.wire.sent(), [HOLD]);
    assert_eq!(house.order("card").await.phase, Phase::Declined);
}

/// Rule: a verification that a dead gateway left without an outcome is reversed and counts as failed.
#[tokio::test(start_paused = true)]
async fn a_verification_without_an_outcome_is_reversed() {
    let house = House::build().await;
    let (a, b) = (house.node(1).await, house.node(2).await);
    let _b_jobs = b.start_jobs().await;
    let _dead = a.verify("card");
    until(1, "it is asked", async || a.wire.sent() == [HOLD]).await;
    assert_eq!(house.order("card").await.last.code, UNCERTAIN);
    until(LONG_S, "b reverses it", async || b.wire.sent() == [REPEAT]).await;
    b.wire.answer(REPEAT, "00");
    until(1, "it is reversed", async || house.order("card").await.phase == Phase::Reversed).await;
    assert_eq!(house.order("card").await.last.code, NOT_VERIFIED);
    assert_eq!(held(&house).await, Amount::ZERO);
}

/// Rule: what an operator finds to be held is given up like any other.
#[tokio::test(start_paused = true)]
async fn a_hold_that_an_operator_found_is_voided() {
    let house = House::build().await;
    let a = house.node(1).await;
    let _jobs = a.start_jobs().await;
    let asking = a.verify("card");
    until(1, "it is asked", async || a.wire.sent() == [HOLD]).await;
    a.wire.answer(HOLD, "05");
    asking.await.unwrap().unwrap();
    let operation = house.operation("card").await;
    let (gateway, resolution) = (a.gateway.clone(), resolution(ForcedOutcome::Approved));
    let resolving = tokio::spawn(async move { gateway.resolve(operation, resolution).await });
    until(1, "it is voided", async || a.wire.sent() == [HOLD, VOID]).await;
    a.wire.answer(VOID, "00");
    let resolved = resolving.await.unwrap().unwrap();
    assert_eq!(resolved, Resolved::Written { state: OperationState::Approved, code: VERIFIED });
    assert_eq!(house.order("card").await.phase, Phase::Voided);
}

/// Rule: a verification uses no reference up, and no payment's takes its own.
#[tokio::test(start_paused = true)]
async fn a_reference_is_free_for_any_number_of_verifications_and_one_payment() {
    let house = House::build().await;
    let a = house.node(1).await;
    let _jobs = a.start_jobs().await;
    for code in ["05", "51"] {
        let asking = a.verify("card");
        until(1, "it is asked", async || a.wire.waits_for(HOLD)).await;
        a.wire.answer(HOLD, code);
        asking.await.unwrap().unwrap();
    }
    let paying = a.pay("card");
    until(1, "it is sent", async || a.wire.waits_for(NetworkKind::Purchase)).await;
    a.wire.answer(NetworkKind::Purchase, "00");
    assert_eq!(paying.await.unwrap().unwrap().code, ResponseCode::new(14, 0));
    assert!(a.pay("card").await.unwrap().is_err(), "used up by the payment");
    let newest = house.store.verification(house.merchant().await, "card").await.unwrap().unwrap();
    assert_eq!(newest.last.code, ResponseCode::new(81, 29), "the newest verification");
}

async fn verified_with_void_under_way(house: &House, a: &Node) {
    let asking = a.verify("card");
    until(1, "it is asked", async || a.wire.sent() == [HOLD]).await;
    a.wire.answer(HOLD, "00");
    let answer = asking.await.unwrap().unwrap();
    assert_eq!(answer.code, VERIFIED);
    until(1, "the void is sent", async || a.wire.sent() == [HOLD, VOID]).await;
    assert_eq!(house.order("card").await.phase, Phase::Authorized);
}

async fn held(house: &House) -> Amount {
    let order = house.order("card").await;
    held_amount(order.phase, &order.totals)
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
