//! Rules of outcomes: one state after the other, sums that hold, all or nothing.

use super::Subject;
use super::fixtures::*;
use crate::{LifeId, OutcomeRecord, Recorded, RecoveryChange, StoreError};
use futures_util::future::join_all;
use std::sync::Arc;
use tollgate_core::ident::OperationId;
use tollgate_core::money::Amount;
use tollgate_core::order::{Operation, OperationEvent, OperationState, Order, PayKind, Totals, WayOut};

/// The first outcome is written whole; the same again, or another on the old version, changes nothing.
pub async fn an_outcome_is_written_once(subject: &dyn Subject) {
    let store = subject.open().await;
    let new = claimed(&*store, new_order(1, "order-1", PayKind::Purchase)).await;
    let approved = outcome(&new.order, &new.operation, OperationEvent::Approved, at(2));
    let declined = outcome(&new.order, &new.operation, OperationEvent::Declined, at(2));
    assert_eq!(store.record_outcome(approved.clone()).await.unwrap(), Recorded::Written);
    for late in [approved.clone(), declined] {
        assert_eq!(store.record_outcome(late).await.unwrap(), Recorded::Changed);
    }
    assert_eq!(stored(&*store, new.order.fort_id, MERCHANT).await, approved.order);
    let operation = store.operation(new.operation.id).await.unwrap().unwrap();
    assert_eq!(operation.operation, Operation { state: OperationState::Approved, ..new.operation.clone() });
    assert_eq!(operation.stored.order, approved.order);
    assert_eq!(operation.owner, new.owner, "whose intent it is");
    let story = store.story(new.order.fort_id).await.unwrap().unwrap();
    assert_eq!(story.operations[0].outcomes.len(), 1);

    let concurrent = claimed(&*store, new_order(3, "order-2", PayKind::Purchase)).await;
    let records = (0..16).map(|index| {
        let store = Arc::clone(&store);
        let event = if index % 2 == 0 { OperationEvent::Approved } else { OperationEvent::NoAnswer };
        let record = outcome(&concurrent.order, &concurrent.operation, event, at(4));
        tokio::spawn(async move { store.record_outcome(record).await.unwrap() })
    });
    let answers: Vec<Recorded> = join_all(records).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == Recorded::Written).count(), 1, "{answers:?}");
}

/// The version may fit and the operation's state or name not: nothing is written.
pub async fn an_outcome_needs_the_state_that_was_judged(subject: &dyn Subject) {
    let store = subject.open().await;
    let new = claimed(&*store, new_order(1, "order-1", PayKind::Purchase)).await;
    let good = outcome(&new.order, &new.operation, OperationEvent::Approved, at(2));
    let another_state = OutcomeRecord { state_before: OperationState::Unknown, ..good.clone() };
    let settled_state = OutcomeRecord { state_before: OperationState::Declined, ..good.clone() };
    let another_operation = OutcomeRecord { operation: OperationId(FIRST + 7), ..good.clone() };
    let too_new = Order { version: good.order.version + 1, ..good.order.clone() };
    let too_new = OutcomeRecord { order: too_new, ..good.clone() };
    for wrong in [another_state, settled_state, another_operation, too_new] {
        assert_eq!(store.record_outcome(wrong.clone()).await.unwrap(), Recorded::Changed, "{wrong:?}");
        assert_eq!(stored(&*store, new.order.fort_id, MERCHANT).await, new.order);
    }
    assert_eq!(store.record_outcome(good).await.unwrap(), Recorded::Written);
}

/// refunded <= captured <= authorized is kept by the database itself.
pub async fn sums_that_break_are_refused_and_change_nothing(subject: &dyn Subject) {
    let store = subject.open().await;
    let new = claimed(&*store, new_order(1, "order-1", PayKind::Purchase)).await;
    let good = outcome(&new.order, &new.operation, OperationEvent::NoAnswer, at(2));
    for sums in [[100, 101, 0], [100, 50, 51], [0, 0, 1]] {
        let [authorized, captured, refunded] = sums.map(|minor| Amount::from_minor(minor).unwrap());
        let broken = Order { totals: Totals { authorized, captured, refunded }, ..good.order.clone() };
        let refused = store.record_outcome(OutcomeRecord { order: broken, ..good.clone() }).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{sums:?}: {refused:?}");
        assert_eq!(stored(&*store, new.order.fort_id, MERCHANT).await, new.order);
    }
    let story = store.story(new.order.fort_id).await.unwrap().unwrap();
    assert!(story.operations[0].outcomes.is_empty());
    assert_eq!(store.recovery_backlog().await.unwrap(), (0, None));
    assert_eq!(store.record_outcome(good).await.unwrap(), Recorded::Written);
}

/// After an outcome, the open operation is its own or none; and a settled one is not open.
pub async fn an_outcome_may_open_only_its_own_operation(subject: &dyn Subject) {
    let store = subject.open().await;
    let new = claimed(&*store, new_order(1, "order-1", PayKind::Purchase)).await;
    let good = outcome(&new.order, &new.operation, OperationEvent::Approved, at(2));
    let other = Order { open_operation: Some(OperationId(FIRST + 5)), ..good.order.clone() };
    let still_open = Order { open_operation: Some(new.operation.id), ..good.order.clone() };
    for order in [other, still_open] {
        let refused = store.record_outcome(OutcomeRecord { order, ..good.clone() }).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
        assert_eq!(stored(&*store, new.order.fort_id, MERCHANT).await, new.order);
    }
    assert_eq!(store.record_outcome(good).await.unwrap(), Recorded::Written);
}

/// Calls at the same time as one that breaks a rule are written all the same.
pub async fn a_refused_call_does_not_fail_its_neighbours(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut records = Vec::new();
    for number in 0..64_i64 {
        let new = claimed(&*store, new_order(number, &format!("order-{number}"), PayKind::Purchase)).await;
        let mut record = outcome(&new.order, &new.operation, OperationEvent::NoAnswer, at(100));
        if number % 9 == 4 {
            record.order.totals.refunded = Amount::from_minor(1).unwrap();
        }
        records.push(record);
    }
    let calls = records.iter().cloned().map(|record| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.record_outcome(record).await })
    });
    let answers: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    let mut written = 0;
    for (record, answer) in records.iter().zip(answers) {
        let stored = stored(&*store, record.order.fort_id, MERCHANT).await;
        if record.order.totals.are_consistent() {
            assert_eq!(answer.unwrap(), Recorded::Written);
            assert_eq!(stored, record.order);
            written += 1;
        } else {
            assert!(matches!(answer, Err(StoreError::Refused(_))));
            assert_eq!(stored.version, 1);
        }
    }
    assert_eq!(store.recovery_backlog().await.unwrap().0, written);
}

/// A call that fails at its last step leaves nothing of its first steps, alone or among others.
pub async fn a_call_refused_at_its_last_step_changes_nothing(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut records = Vec::new();
    for number in 0..32_i64 {
        let new = new_order(number, &format!("order-{number}"), PayKind::Purchase);
        let unknown = settled(&*store, new, OperationEvent::NoAnswer).await;
        let mut record = outcome(&unknown.order, &unknown.operation, OperationEvent::Approved, at(100));
        if number % 5 == 3 {
            // The order and the outcome would be written, and then the queue has the operation already.
            record.recovery = RecoveryChange::Begin { way_out: WayOut::Reverse, due_at: at(500) };
        }
        records.push((unknown.order, record));
    }
    let calls = records.iter().map(|(_, record)| {
        let (store, record) = (Arc::clone(&store), record.clone());
        tokio::spawn(async move { store.record_outcome(record).await })
    });
    let answers: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    for ((before, record), answer) in records.iter().zip(answers) {
        let told = store.story(before.fort_id).await.unwrap().unwrap();
        let outcomes = told.operations[0].outcomes.len();
        if record.recovery == RecoveryChange::End {
            assert_eq!(answer.unwrap(), Recorded::Written);
            assert_eq!((&told.order, outcomes), (&record.order, 2));
        } else {
            assert!(matches!(answer, Err(StoreError::Refused(_))), "{answer:?}");
            assert_eq!((&told.order, outcomes), (before, 1));
            assert_eq!(
                told.operations[0].recovery.as_ref().map(|row| row.due_at),
                Some(before.created_at.plus_ms(60_300))
            );
        }
    }
}

/// An unknown outcome queues its operation; the outcome that settles it takes it out again.
pub async fn an_unknown_outcome_waits_in_the_recovery_queue_until_it_is_settled(subject: &dyn Subject) {
    let store = subject.open().await;
    let unknown = settled(&*store, new_order(1, "order-1", PayKind::Purchase), OperationEvent::NoAnswer).await;
    assert_eq!(unknown.order.open_operation, Some(unknown.operation.id));
    let created_at = at(1).plus_ms(300);
    let rows = store.recoveries_due(LifeId::NONE, created_at.plus_ms(60_000), 10).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].operation, unknown.operation.id);
    assert_eq!(rows[0].fort_id, unknown.order.fort_id);
    assert_eq!(rows[0].merchant, MERCHANT);
    assert_eq!(rows[0].way_out, WayOut::Reverse);
    assert_eq!(rows[0].attempts, 0);
    assert_eq!(rows[0].due_at, created_at.plus_ms(60_000));
    assert_eq!(rows[0].created_at, created_at);
    let reversed = outcome(&unknown.order, &unknown.operation, OperationEvent::ReversalAcknowledged, at(90));
    assert_eq!(reversed.recovery, RecoveryChange::End);
    assert_eq!(store.record_outcome(reversed.clone()).await.unwrap(), Recorded::Written);
    assert_eq!(store.recovery_backlog().await.unwrap(), (0, None));
    assert_eq!(stored(&*store, unknown.order.fort_id, MERCHANT).await, reversed.order);
    let states: Vec<OperationState> = store.story(unknown.order.fort_id).await.unwrap().unwrap().operations[0]
        .outcomes
        .iter()
        .map(|outcome| outcome.state)
        .collect();
    assert_eq!(states, [OperationState::Unknown, OperationState::Reversed]);
}

/// `EndIfUnsent` takes effect before the first recovery message, and not after it.
pub async fn a_late_answer_ends_a_recovery_only_before_its_first_message(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, begins) in [(1, false), (2, true)] {
        let reference = format!("order-{number}");
        let unknown =
            settled(&*store, new_order(number, &reference, PayKind::Purchase), OperationEvent::NoAnswer).await;
        if begins {
            assert!(begin_attempt(&*store, unknown.operation.id, 0, at(200)).await.unwrap());
        }
        let late = outcome(&unknown.order, &unknown.operation, OperationEvent::Approved, at(70));
        let late = OutcomeRecord { recovery: RecoveryChange::EndIfUnsent, ..late };
        let answer = store.record_outcome(late.clone()).await.unwrap();
        let order = stored(&*store, unknown.order.fort_id, MERCHANT).await;
        if begins {
            assert_eq!(answer, Recorded::RecoveryBegun);
            assert_eq!(order, unknown.order);
            assert_eq!(store.recovery_backlog().await.unwrap().0, 1);
            let stale = Order { version: late.order.version + 1, ..late.order.clone() };
            let stale = store.record_outcome(OutcomeRecord { order: stale, ..late }).await.unwrap();
            assert_eq!(stale, Recorded::Changed, "the version comes before the queue");
        } else {
            assert_eq!(answer, Recorded::Written);
            assert_eq!(order, late.order);
            assert_eq!(store.recovery_backlog().await.unwrap().0, 0);
            assert!(!begin_attempt(&*store, unknown.operation.id, 0, at(200)).await.unwrap(), "the row is gone");
        }
    }
}

/// A late approval and the first reversal message at the same moment: one of the two happens.
pub async fn a_late_answer_and_a_recovery_message_never_both_win(subject: &dyn Subject) {
    let store = subject.open().await;
    for number in 0..40_i64 {
        let reference = format!("order-{number}");
        let unknown =
            settled(&*store, new_order(number, &reference, PayKind::Purchase), OperationEvent::NoAnswer).await;
        let late = outcome(&unknown.order, &unknown.operation, OperationEvent::Approved, at(70));
        let late = OutcomeRecord { recovery: RecoveryChange::EndIfUnsent, ..late };
        let id = unknown.operation.id;
        let (first, second) = (Arc::clone(&store), Arc::clone(&store));
        let answers = if number % 2 == 0 {
            let begins = tokio::spawn(async move { begin_attempt(&*first, id, 0, at(200)).await.unwrap() });
            let ends = tokio::spawn(async move { second.record_outcome(late).await.unwrap() });
            (begins.await.unwrap(), ends.await.unwrap())
        } else {
            let ends = tokio::spawn(async move { first.record_outcome(late).await.unwrap() });
            let begins = tokio::spawn(async move { begin_attempt(&*second, id, 0, at(200)).await.unwrap() });
            (begins.await.unwrap(), ends.await.unwrap())
        };
        assert!(
            matches!(answers, (true, Recorded::RecoveryBegun) | (false, Recorded::Written)),
            "round {number}: {answers:?}"
        );
    }
}
