//! Rules of lives: one per node, renewed until it is over, and what is its own while it lasts.

use super::Subject;
use super::fixtures::*;
use crate::{
    Attempt, AttemptResult, CLOCK_SKEW_MS_MAX, Correction, CorrectionRecord, LIVES_OVER_KEPT_MAX, LifeBegun, LifeId,
    NewAttempt, NewLife, NewOperation, NewOrder, Recorded, Store, Tenancy, Whose,
};
use futures_util::future::join_all;
use std::sync::Arc;
use tollgate_core::ident::{FortId, OperationId};
use tollgate_core::order::{OperationEvent, OperationKind, PayKind};
use tollgate_core::time::Timestamp;

/// Rule: while a node's lease runs nobody begins another life of it, and afterwards the new one ends the old.
pub async fn a_node_has_one_life_at_a_time(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = begun(&*store, life(3, at(0), at(10))).await;
    let until = at(10).plus_ms(CLOCK_SKEW_MS_MAX);
    for now in [at(1), at(10), Timestamp(until.0 - 1)] {
        let answer = store.begin_life(life(3, now, at(100))).await.unwrap();
        assert_eq!(answer, LifeBegun::NodeIsAlive { until }, "{now}");
    }
    let other = begun(&*store, life(4, at(1), at(10))).await;
    assert!(store.renew_life(first, at(20)).await.unwrap());
    let answer = store.begin_life(life(3, until, at(100))).await.unwrap();
    assert_eq!(answer, LifeBegun::NodeIsAlive { until: at(20).plus_ms(CLOCK_SKEW_MS_MAX) });
    let second = begun(&*store, life(3, at(20).plus_ms(CLOCK_SKEW_MS_MAX), at(100))).await;
    assert!(second > first, "numbers only grow");
    assert!(!store.renew_life(first, at(30)).await.unwrap(), "the first is over");
    drop(store);
    let rows = subject.open().await.lives().await.unwrap();
    assert_eq!(rows.iter().map(|row| (row.life, row.node)).collect::<Vec<_>>(), [(other, 4), (second, 3)]);
    assert_eq!((rows[0].began_at, rows[0].alive_until, rows[0].renewals), (at(1), at(10), 0));
}

/// Rule: of many that begin a life of one node at once, one does.
pub async fn one_of_many_begins_a_life_of_a_node(subject: &dyn Subject) {
    let store = subject.open().await;
    let begins = (0..16).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.begin_life(life(7, at(0), at(10))).await.unwrap() })
    });
    let answers: Vec<LifeBegun> = join_all(begins).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| matches!(answer, LifeBegun::Begun(_))).count(), 1, "{answers:?}");
}

/// Rule: who can prove to be alone ends every earlier life at once, whatever its lease says.
pub async fn a_sole_tenant_ends_every_earlier_life(subject: &dyn Subject) {
    let store = subject.open().await;
    let earlier = [begun(&*store, life(1, at(0), at(1_000))).await, begun(&*store, life(2, at(0), at(1_000))).await];
    let alone = begun(&*store, NewLife { tenancy: Tenancy::Sole, ..life(1, at(1), at(1_000)) }).await;
    let living: Vec<LifeId> = store.lives().await.unwrap().iter().map(|row| row.life).collect();
    assert_eq!(living, [alone]);
    for life in earlier {
        assert!(!store.renew_life(life, at(2_000)).await.unwrap());
    }
}

/// Rule: a life is ended only as it was seen, once, and for ever.
pub async fn a_life_that_was_renewed_is_not_taken_for_dead(subject: &dyn Subject) {
    let store = subject.open().await;
    let life = begun(&*store, life(1, at(0), at(10))).await;
    assert!(store.renew_life(life, at(20)).await.unwrap());
    assert_eq!(store.lives().await.unwrap()[0].renewals, 1);
    assert!(!store.end_life(life, Some(0), at(15)).await.unwrap(), "it was renewed since");
    assert!(store.renew_life(life, at(30)).await.unwrap());
    assert!(store.end_life(life, Some(2), at(60)).await.unwrap());
    assert!(!store.end_life(life, Some(2), at(60)).await.unwrap(), "it is over");
    assert!(!store.end_life(life, None, at(60)).await.unwrap(), "it is over");
    assert!(!store.renew_life(life, at(90)).await.unwrap());
    assert_eq!(store.lives().await.unwrap(), []);
    assert!(!store.renew_life(LifeId(99_999), at(90)).await.unwrap(), "there is no such life");
}

/// Rule: of a renewal and an end that did not see it, at the same moment, one takes effect.
pub async fn a_renewal_and_an_end_never_both_win(subject: &dyn Subject) {
    let store = subject.open().await;
    for round in 0..40_u8 {
        let life = begun(&*store, life(round, at(0), at(10))).await;
        let (first, second) = (Arc::clone(&store), Arc::clone(&store));
        let renew = async move { first.renew_life(life, at(20)).await.unwrap() };
        let end = async move { second.end_life(life, Some(0), at(15)).await.unwrap() };
        let answers = if round % 2 == 0 {
            let (renew, end) = (tokio::spawn(renew), tokio::spawn(end));
            (renew.await.unwrap(), end.await.unwrap())
        } else {
            let (end, renew) = (tokio::spawn(end), tokio::spawn(renew));
            (renew.await.unwrap(), end.await.unwrap())
        };
        assert!(matches!(answers, (true, false) | (false, true)), "round {round}: {answers:?}");
        let is_living = store.lives().await.unwrap().iter().any(|row| row.life == life);
        assert_eq!(is_living, answers.0, "round {round}");
    }
}

/// Rule: only what a dead life left, and one's own that is too old, may be taken for lost.
pub async fn operations_of_the_living_are_nobody_elses(subject: &dyn Subject) {
    let store = subject.open().await;
    let (a, b) = (begun(&*store, life(1, at(0), at(50))).await, begun(&*store, life(2, at(0), at(50))).await);
    let owned =
        |number: i64, owner| NewOrder { owner, ..new_order(number, &format!("order-{number}"), PayKind::Purchase) };
    for (number, owner) in [(1, a), (2, b), (3, LifeId::NONE), (4, a), (5, LifeId(99_999))] {
        claimed(&*store, owned(number, owner)).await;
    }
    let held = settled(&*store, owned(6, a), OperationEvent::Approved).await;
    assert_eq!(lost(&*store, a, at(4)).await, [1, 3, 5], "its own from before the moment, and nobody's");
    assert_eq!(lost(&*store, b, at(0)).await, [3, 5]);
    assert_eq!(lost(&*store, LifeId::NONE, at(1_000)).await, [3, 5]);
    assert!(store.end_life(a, Some(0), at(60)).await.unwrap());
    assert_eq!(lost(&*store, b, at(0)).await, [1, 3, 4, 5], "whatever their age");
    drop(store);
    let store = subject.open().await;
    assert_eq!(lost(&*store, b, at(3)).await, [1, 2, 3, 4, 5]);
    assert_eq!(held.order.open_operation, None, "what is settled is nobody's to take");
}

/// Rule: a later operation has an owner as well.
pub async fn a_capture_belongs_to_the_life_that_sent_it(subject: &dyn Subject) {
    let store = subject.open().await;
    let (a, b) = (begun(&*store, life(1, at(0), at(50))).await, begun(&*store, life(2, at(0), at(50))).await);
    let new = NewOrder { owner: a, ..new_order(1, "order-1", PayKind::Authorization) };
    let held = settled(&*store, new, OperationEvent::Approved).await;
    let capture = NewOperation { owner: b, ..new_operation(2, &held.order, OperationKind::Capture, 100) };
    super::fixtures::begun(&*store, &held.order, capture).await;
    assert!(store.end_life(a, None, at(10)).await.unwrap());
    assert_eq!(lost(&*store, LifeId::NONE, at(0)).await, [0_i64; 0], "who sent the first operation does not count");
    assert!(store.end_life(b, None, at(10)).await.unwrap());
    assert_eq!(lost(&*store, LifeId::NONE, at(0)).await, [2]);
}

/// Rule: however many lives went by, what the first one left is found.
pub async fn what_a_forgotten_life_left_is_found(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = begun(&*store, life(1, at(0), at(10))).await;
    claimed(&*store, NewOrder { owner: first, ..new_order(1, "order-1", PayKind::Purchase) }).await;
    let mut last = first;
    for round in 0..i64::from(LIVES_OVER_KEPT_MAX) + 3 {
        let new = NewLife { tenancy: Tenancy::Sole, ..life(1, at(round), at(round + 10)) };
        let next = begun(&*store, new).await;
        assert!(next > last, "a number is used once");
        last = next;
    }
    assert_eq!(lost(&*store, last, at(0)).await, [1]);
}

/// Rule: while a life has a recovery message under way, no other life begins one, sees the row as due, or
/// corrects the operation by hand; it is free when the message is noted, its time is over, or the life is.
pub async fn an_attempt_of_a_living_life_is_nobody_elses(subject: &dyn Subject) {
    let store = subject.open().await;
    let (a, b) = (begun(&*store, life(1, at(0), at(500))).await, begun(&*store, life(2, at(0), at(500))).await);
    let unknown = settled(&*store, new_order(1, "order-1", PayKind::Purchase), OperationEvent::NoAnswer).await;
    let operation = unknown.operation.id;
    let attempt = |attempts_before, by, now: i64| NewAttempt {
        operation,
        attempts_before,
        by,
        now: at(now),
        until: at(now + 180),
        retry_at: at(now + 2),
        audit: Vec::new(),
    };
    assert!(store.begin_attempt(attempt(0, a, 100)).await.unwrap());
    assert_eq!(due(&*store, a, 110).await, [1], "its own claims keep a life from a second one");
    assert_eq!(due(&*store, b, 110).await, [0_i64; 0]);
    assert!(!store.begin_attempt(attempt(1, b, 110)).await.unwrap());
    let correction = |life, now| CorrectionRecord {
        outcome: outcome(&unknown.order, &unknown.operation, OperationEvent::ForcedReversed, at(now)),
        correction: Correction {
            reason: "a letter of the bank".to_owned(),
            evidence: "letter 1".to_owned(),
            evidence_sha256: None,
            by: "Ann".to_owned(),
            approved_by: None,
        },
        attempts: Some(1),
        life,
    };
    assert_eq!(store.record_correction(correction(b, 110)).await.unwrap(), Recorded::RecoveryBegun);

    let note = Attempt { operation, number: 1, result: AttemptResult::NoAnswer, trace: "0420".into(), at: at(130) };
    store.note_attempt(note).await.unwrap();
    assert_eq!(due(&*store, b, 130).await, [1]);
    assert!(store.begin_attempt(attempt(1, b, 130)).await.unwrap(), "noted, so it is free");
    assert!(!store.begin_attempt(attempt(2, a, 309)).await.unwrap());
    assert!(store.begin_attempt(attempt(2, a, 310)).await.unwrap(), "its time is over");
    assert!(store.begin_attempt(attempt(3, a, 320)).await.unwrap(), "a life may go on with its own");
    assert!(store.end_life(a, None, at(330)).await.unwrap());
    assert_eq!(due(&*store, b, 330).await, [1]);
    assert!(!store.begin_attempt(attempt(4, a, 331)).await.unwrap(), "a life that is over begins nothing");
    assert_eq!(store.record_correction(correction(b, 331)).await.unwrap(), Recorded::RecoveryBegun, "attempts unseen");
    let seen = CorrectionRecord { attempts: Some(4), ..correction(b, 331) };
    assert_eq!(store.record_correction(seen).await.unwrap(), Recorded::Written);
}

/// Rule: the note of a message whose life was taken for dead leaves the next one under way.
pub async fn a_late_note_frees_no_other_attempt(subject: &dyn Subject) {
    let store = subject.open().await;
    let lives = [1, 2, 3].map(|node| life(node, at(0), at(500)));
    let [a, b, c] = [begun(&*store, lives[0]).await, begun(&*store, lives[1]).await, begun(&*store, lives[2]).await];
    let unknown = settled(&*store, new_order(1, "order-1", PayKind::Purchase), OperationEvent::NoAnswer).await;
    let operation = unknown.operation.id;
    let attempt = |attempts_before, by| NewAttempt {
        operation,
        attempts_before,
        by,
        now: at(100),
        until: at(280),
        retry_at: at(102),
        audit: Vec::new(),
    };
    assert!(store.begin_attempt(attempt(0, a)).await.unwrap());
    assert!(store.end_life(a, Some(0), at(100)).await.unwrap());
    assert!(store.begin_attempt(attempt(1, b)).await.unwrap());
    let note = Attempt { operation, number: 1, result: AttemptResult::NoAnswer, trace: "0420".into(), at: at(130) };
    store.note_attempt(note).await.unwrap();
    assert!(!store.begin_attempt(attempt(2, c)).await.unwrap());
    let told = store.story(FortId(operation.0)).await.unwrap().unwrap();
    assert_eq!(told.operations[0].attempts.len(), 1);
}

fn life(node: u8, now: Timestamp, alive_until: Timestamp) -> NewLife {
    NewLife { node, tenancy: Tenancy::Shared, now, alive_until }
}

async fn begun(store: &dyn Store, new: NewLife) -> LifeId {
    match store.begin_life(new).await.unwrap() {
        LifeBegun::Begun(life) => life,
        LifeBegun::NodeIsAlive { until } => panic!("node {} is alive until {until}", new.node),
    }
}

async fn lost(store: &dyn Store, finder: LifeId, own_before: Timestamp) -> Vec<i64> {
    let rows = store.unfinished(Whose::Lost { finder, own_before }, 100).await.unwrap();
    rows.iter().map(|row| numbered(row.operation.id)).collect()
}

async fn due(store: &dyn Store, finder: LifeId, now: i64) -> Vec<i64> {
    let rows = store.recoveries_due(finder, at(now), 100).await.unwrap();
    rows.iter().map(|row| numbered(row.operation)).collect()
}

fn numbered(operation: OperationId) -> i64 {
    operation.0 - FIRST
}
