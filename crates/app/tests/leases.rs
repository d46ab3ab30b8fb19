//! Several gateways on one store: what one has under way is nobody else's while it lives, and everybody's when
//! it is dead; and one that was taken for dead and is not does no harm.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use support::{House, pass, until};
use tollgate_acquirer::NetworkKind;
use tollgate_app::{BeginError, ForcedOutcome, Resolution, ResolveError, Resolved};
use tollgate_core::code::{UNCERTAIN, refused};
use tollgate_core::order::{OperationState, Phase};
use tollgate_store::{Lives, Recoveries, Tenancy};

const PURCHASE: NetworkKind = NetworkKind::Purchase;
/// What is written of an operation that was found without an outcome.
const STOPPED: &str = "gateway stopped after intent";
const REVERSAL: NetworkKind = NetworkKind::ReversalAdvice;

/// Longer than a lease, and than a life is watched before it is taken for dead; in seconds.
const LONG_S: u64 = 40;

/// Rule: the start of a gateway, and all that its janitor does, leaves what another one has under way alone.
#[tokio::test(start_paused = true)]
async fn a_start_leaves_the_operations_of_the_living_alone() {
    let house = House::build().await;
    let a = house.node(1).await;
    let _a_jobs = a.start_jobs().await;
    let paying = a.pay("order-1");
    until(1, "it is sent", async || a.wire.sent() == [PURCHASE]).await;
    let b = house.node(2).await;
    let _b_jobs = b.start_jobs().await;
    pass(LONG_S).await;
    assert_eq!(house.events("order-1").await, [] as [&str; 0], "under way, however long it takes");
    assert_eq!(b.gateway.mark_interrupted().await.unwrap(), 0);
    a.wire.answer(PURCHASE, "00");
    let answer = paying.await.unwrap().unwrap();
    assert_ne!(answer.code, UNCERTAIN);
    assert_eq!(house.order("order-1").await.phase, Phase::Purchased);
    assert_eq!(b.wire.sent(), []);
}

/// Rule: what a dead gateway left is settled by another one, after its lease and not before.
#[tokio::test(start_paused = true)]
async fn what_a_dead_gateway_left_is_settled_by_another() {
    let house = House::build().await;
    let (a, b) = (house.node(1).await, house.node(2).await);
    let a_jobs = a.start_jobs().await;
    let _b_jobs = b.start_jobs().await;
    let _dead = a.pay("order-1");
    until(1, "it is sent", async || a.wire.sent() == [PURCHASE]).await;
    pass(LONG_S).await;
    drop(a_jobs);
    pass(15).await;
    assert_eq!(house.living().await, [(1, 1), (2, 2)], "its lease has not run out for everybody yet");
    until(LONG_S, "b undoes it", async || b.wire.sent() == [REVERSAL]).await;
    assert_eq!(house.living().await, [(2, 2)]);
    b.wire.answer(REVERSAL, "00");
    until(1, "it is reversed", async || house.order("order-1").await.phase == Phase::Reversed).await;
    assert_eq!(house.events("order-1").await, [STOPPED, "reversal acknowledged"]);
}

/// Rule: an answer to a gateway that was taken for dead counts as a late one, before anything was undone.
#[tokio::test(start_paused = true)]
async fn the_answer_to_a_paused_gateway_counts_while_nothing_was_undone() {
    let house = House::build().await;
    // Neither runs its jobs: a is paused, and b marks what it finds and has not come to undo it.
    let (a, b) = (house.node(1).await, house.node(2).await);
    let paying = a.pay("order-1");
    until(1, "it is sent", async || a.wire.sent() == [PURCHASE]).await;
    taken_for_dead(&house, 1).await;
    assert_eq!(b.gateway.mark_interrupted().await.unwrap(), 1);
    assert_eq!(house.order("order-1").await.phase, Phase::Unknown);
    a.wire.answer(PURCHASE, "00");
    let answer = paying.await.unwrap().unwrap();
    let order = house.order("order-1").await;
    assert_eq!((order.phase, order.last.code), (Phase::Purchased, answer.code));
    assert_eq!(house.store.recovery_backlog().await.unwrap().0, 0, "nothing is left to undo");
    assert_eq!(house.events("order-1").await, [STOPPED, "approved"], "once");
}

/// Rule: an answer to a gateway that was taken for dead changes nothing once the operation is being undone.
#[tokio::test(start_paused = true)]
async fn the_answer_to_a_paused_gateway_is_refused_once_the_reversal_has_begun() {
    let house = House::build().await;
    let (a, b) = (house.node(1).await, house.node(2).await);
    let _b_jobs = b.start_jobs().await;
    let paying = a.pay("order-1");
    until(1, "it is sent", async || a.wire.sent() == [PURCHASE]).await;
    until(LONG_S, "b undoes it", async || b.wire.sent() == [REVERSAL]).await;
    a.wire.answer(PURCHASE, "00");
    assert_eq!(paying.await.unwrap().unwrap().code, UNCERTAIN, "nobody knows before the reversal is acknowledged");
    assert_eq!(house.order("order-1").await.phase, Phase::Unknown);
    b.wire.answer(REVERSAL, "00");
    until(1, "it is reversed", async || house.order("order-1").await.phase == Phase::Reversed).await;
    assert_eq!(house.events("order-1").await, [STOPPED, "reversal acknowledged"]);
}

/// Rule: of an operation that several janitors find, one recovery message is under way at a time.
#[tokio::test(start_paused = true)]
async fn two_janitors_send_one_message() {
    let house = House::build().await;
    let dead = house.node(9).await;
    let _dead = dead.pay("order-1");
    until(1, "it is sent", async || dead.wire.sent() == [PURCHASE]).await;
    taken_for_dead(&house, 9).await;
    let (a, b) = (house.node(1).await, house.node(2).await);
    let (_a_jobs, _b_jobs) = (a.start_jobs().await, b.start_jobs().await);
    // Far longer than the pause before the next message: the first one is still under way.
    pass(120).await;
    let sent = [a.wire.sent(), b.wire.sent()];
    assert_eq!(sent.concat(), [REVERSAL], "{sent:?}");
    let one = if sent[0].is_empty() { &b } else { &a };
    one.wire.answer(REVERSAL, "91");
    until(LONG_S, "it is sent again", async || a.wire.sent().len() + b.wire.sent().len() == 2).await;
    assert_eq!(house.order("order-1").await.phase, Phase::Unknown);
}

/// Rule: an operator settles nothing by hand while another gateway's message about it is under way.
#[tokio::test(start_paused = true)]
async fn a_correction_waits_for_the_message_of_another_gateway() {
    let house = House::build().await;
    let (a, b) = (house.node(1).await, house.node(2).await);
    let b_jobs = b.start_jobs().await;
    let _paused = a.pay("order-1");
    until(LONG_S, "b undoes it", async || b.wire.sent() == [REVERSAL]).await;
    // A third one, as the first would wait for its own payment.
    let c = house.node(3).await;
    let operation = house.operation("order-1").await;
    let resolution = || Resolution {
        outcome: ForcedOutcome::Reversed,
        reason: "a letter of the bank".to_owned(),
        evidence: "letter 1".to_owned(),
        evidence_sha256: None,
        by: "Ann".to_owned(),
    };
    let refusal = c.gateway.resolve(operation, resolution()).await.unwrap_err();
    assert!(matches!(refusal, ResolveError::UnderWay(_)), "{refusal}");
    // The other gateway dies in the middle of it: then its message is nobody's any more.
    drop(b_jobs);
    taken_for_dead(&house, 2).await;
    let done = c.gateway.resolve(operation, resolution()).await.unwrap();
    assert!(matches!(done, Resolved::Written { state: OperationState::Reversed, .. }), "{done:?}");
}

/// Rule: a gateway that was taken for dead begins another life before it sends anything new.
#[tokio::test(start_paused = true)]
async fn a_gateway_that_was_taken_for_dead_begins_anew() {
    let house = House::build().await;
    let (a, b) = (house.node(1).await, house.node(2).await);
    let _b_jobs = b.start_jobs().await;
    until(LONG_S, "a is taken for dead", async || house.living().await == [(2, 2)]).await;
    let paying = a.pay("order-1");
    until(1, "it is sent", async || a.wire.sent() == [PURCHASE]).await;
    assert_eq!(house.living().await, [(2, 2), (3, 1)]);
    assert_eq!(b.gateway.mark_interrupted().await.unwrap(), 0, "the new life's operation is its own");
    a.wire.answer(PURCHASE, "00");
    paying.await.unwrap().unwrap();
    assert_eq!(house.order("order-1").await.phase, Phase::Purchased);
}

/// Rule: a gateway whose place was taken while it was paused sends nothing more.
#[tokio::test(start_paused = true)]
async fn a_gateway_whose_place_was_taken_sends_nothing() {
    let house = House::build().await;
    let paused = house.node(1).await;
    pass(LONG_S).await;
    let next = house.node(1).await;
    let _jobs = next.start_jobs().await;
    let refusal = paused.pay("order-1").await.unwrap().unwrap_err().refusal;
    assert_eq!(refusal.code, refused::TECHNICAL_PROBLEM, "{refusal:?}");
    assert_eq!(paused.wire.sent(), []);
    let paying = next.pay("order-1");
    until(1, "it is sent", async || next.wire.sent() == [PURCHASE]).await;
    next.wire.answer(PURCHASE, "00");
    paying.await.unwrap().unwrap();
}

/// Rule: a lease that ran out while the store was away is renewed, if nobody took the life for dead.
#[tokio::test(start_paused = true)]
async fn a_lease_that_ran_out_unseen_is_renewed() {
    let house = House::build().await;
    let a = house.node(1).await;
    pass(LONG_S).await;
    let paying = a.pay("order-1");
    until(1, "it is sent", async || a.wire.sent() == [PURCHASE]).await;
    assert_eq!(house.living().await, [(1, 1)], "the same life");
    a.wire.answer(PURCHASE, "05");
    paying.await.unwrap().unwrap();
}

/// Rule: a node number is one gateway's; a start says when to try again, and who is alone starts at once.
#[tokio::test(start_paused = true)]
async fn a_node_number_is_used_by_one_gateway() {
    let house = House::build().await;
    let _first = house.node(1).await;
    let Err(refusal) = house.try_node(1, Tenancy::Shared).await else { panic!("two gateways with one number") };
    let BeginError::NodeIsAlive { node: 1, wait_s } = refusal else { panic!("{refusal}") };
    assert!(refusal.to_string().contains("gateway.node"), "{refusal}");
    assert!((1..=20).contains(&wait_s), "{wait_s}");
    pass(wait_s).await;
    house.node(1).await;
    house.try_node(1, Tenancy::Sole).await.ok().unwrap();
}

/// Rule: a gateway that stops in order is waited for by nobody.
#[tokio::test(start_paused = true)]
async fn a_stop_in_order_gives_the_lease_back() {
    let house = House::build().await;
    let first = house.node(1).await;
    let jobs = first.start_jobs().await;
    jobs.stop().await;
    assert_eq!(house.living().await, []);
    house.node(1).await;
}

/// Rule: a clock that jumps by days makes nobody dead, neither its own gateway nor others.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_makes_nobody_dead() {
    let house = House::build().await;
    let (a, b) = (house.node(1).await, house.node(2).await);
    let (_a_jobs, _b_jobs) = (a.start_jobs().await, b.start_jobs().await);
    let paying = a.pay("order-1");
    until(1, "it is sent", async || a.wire.sent() == [PURCHASE]).await;
    for (node, days) in [(&a, 30), (&b, 3), (&b, 100)] {
        node.clock.move_days(days);
        node.gateway.wake_jobs();
        pass(LONG_S).await;
        assert_eq!(house.living().await, [(1, 1), (2, 2)], "{days} days");
    }
    assert_eq!(house.events("order-1").await, [] as [&str; 0]);
    a.wire.answer(PURCHASE, "00");
    paying.await.unwrap().unwrap();
    assert_eq!(house.order("order-1").await.phase, Phase::Purchased);
}

/// Ends the life of a node, as a watcher does that has not heard of it for long enough.
async fn taken_for_dead(house: &House, node: u8) {
    let rows = house.store.lives().await.unwrap();
    let row = rows.iter().find(|row| row.node == node).unwrap();
    assert!(house.store.end_life(row.life, Some(row.renewals), row.alive_until).await.unwrap());
}
