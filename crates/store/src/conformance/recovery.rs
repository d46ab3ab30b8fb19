//! Rules of the recovery queue.

use super::Subject;
use super::fixtures::*;
use crate::{Attempt, AttemptResult, LifeId, Recorded, RecoveryChange, Store, StoreError};
use futures_util::future::join_all;
use std::sync::Arc;
use tollgate_core::ident::OperationId;
use tollgate_core::order::{OperationEvent, PayKind};
use tollgate_core::time::Timestamp;

/// Rows come by due time, then by number; none before its time, none above the limit.
pub async fn recoveries_come_longest_due_first(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, due) in [(1, 300), (2, 100), (3, 200), (4, 100), (5, 900)] {
        queued(&*store, number, at(due)).await;
    }
    let due = |now, limit| {
        let store = Arc::clone(&store);
        async move {
            let rows = store.recoveries_due(LifeId::NONE, now, limit).await.unwrap();
            rows.iter().map(|row| row.operation.0 - FIRST).collect::<Vec<i64>>()
        }
    };
    assert_eq!(due(at(99), 10).await, [0_i64; 0]);
    assert_eq!(due(at(100), 10).await, [2, 4]);
    assert_eq!(due(at(300), 10).await, [2, 4, 3, 1]);
    assert_eq!(due(at(10_000), 3).await, [2, 4, 3]);
    assert_eq!(due(at(10_000), 0).await, [0_i64; 0]);
    assert_eq!(store.recovery_next_due().await.unwrap(), Some(at(100)));
}

/// A row whose attempts fail moves its own due time; the others come up all the same.
pub async fn a_row_that_keeps_failing_holds_nobody_back(subject: &dyn Subject) {
    let store = subject.open().await;
    for number in 1..=5 {
        queued(&*store, number, at(100)).await;
    }
    let poison = OperationId(FIRST + 1);
    for attempt in 0..20_u32 {
        let rows = store.recoveries_due(LifeId::NONE, at(100 + i64::from(attempt)), 1).await.unwrap();
        if attempt == 0 {
            assert_eq!(rows[0].operation, poison);
        } else {
            assert_ne!(rows[0].operation, poison, "the longest due comes first, and that is another by now");
        }
        let begun = begin_attempt(&*store, poison, attempt, at(1_000 + i64::from(attempt))).await.unwrap();
        assert!(begun, "attempt {attempt}");
    }
    let others = store.recoveries_due(LifeId::NONE, at(500), 10).await.unwrap();
    assert_eq!(others.len(), 4);
    assert!(others.iter().all(|row| row.due_at == at(100) && row.attempts == 0), "{others:?}");
    let all = store.recoveries_due(LifeId::NONE, at(2_000), 10).await.unwrap();
    assert_eq!((all[4].operation, all[4].attempts, all[4].due_at), (poison, 20, at(1_019)));
}

/// Of many workers that begin the same attempt, one does.
pub async fn one_of_many_attempts_begins(subject: &dyn Subject) {
    let store = subject.open().await;
    queued(&*store, 1, at(100)).await;
    let id = OperationId(FIRST + 1);
    let workers = (0..16).map(|worker| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { begin_attempt(&*store, id, 0, at(200 + worker)).await.unwrap() })
    });
    let begun = join_all(workers).await.into_iter().filter(|begun| *begun.as_ref().unwrap()).count();
    assert_eq!(begun, 1);
    assert!(!begin_attempt(&*store, id, 2, at(300)).await.unwrap(), "nobody began the second");
    assert!(!begin_attempt(&*store, OperationId(FIRST + 2), 0, at(300)).await.unwrap(), "no such row");
    assert!(begin_attempt(&*store, id, 1, at(300)).await.unwrap());
    assert_eq!(store.recovery_next_due().await.unwrap(), Some(at(300)));
}

/// The backlog is the number of rows and the age of the oldest, due or not.
pub async fn the_backlog_counts_rows_and_knows_the_oldest(subject: &dyn Subject) {
    let store = subject.open().await;
    assert_eq!(store.recovery_backlog().await.unwrap(), (0, None));
    assert_eq!(store.recovery_next_due().await.unwrap(), None);
    for number in [3, 1, 2] {
        queued(&*store, number, at(1_000)).await;
    }
    assert_eq!(store.recovery_backlog().await.unwrap(), (3, Some(at(51))));
    assert!(begin_attempt(&*store, OperationId(FIRST + 1), 0, at(5_000)).await.unwrap());
    assert_eq!(store.recovery_backlog().await.unwrap(), (3, Some(at(51))), "an attempt makes nothing younger");
}

/// Each message has one result; the story shows them in order.
pub async fn an_attempt_is_noted_once(subject: &dyn Subject) {
    let store = subject.open().await;
    queued(&*store, 1, at(100)).await;
    let operation = OperationId(FIRST + 1);
    let attempt = |number, result| Attempt { operation, number, result, trace: "0420".to_owned(), at: at(200) };
    let noted = [
        attempt(1, AttemptResult::NotSent),
        attempt(2, AttemptResult::NoAnswer),
        attempt(3, AttemptResult::Answered("91".to_owned())),
    ];
    for index in [1, 0, 2] {
        store.note_attempt(noted[index].clone()).await.unwrap();
    }
    let again = store.note_attempt(attempt(2, AttemptResult::NotSent)).await;
    assert!(matches!(again, Err(StoreError::Refused(_))), "{again:?}");
    let story = store.story(tollgate_core::ident::FortId(operation.0)).await.unwrap().unwrap();
    assert_eq!(story.operations[0].attempts, noted);
}

/// An unknown purchase that waits since `number` + 50 seconds and is due at `due_at`.
async fn queued(store: &dyn Store, number: i64, due_at: Timestamp) {
    let new = claimed(store, new_order(number, &format!("order-{number}"), PayKind::Purchase)).await;
    let mut record = outcome(&new.order, &new.operation, OperationEvent::NoAnswer, at(number + 50));
    let RecoveryChange::Begin { way_out, .. } = record.recovery else { panic!("an unknown outcome begins a recovery") };
    record.recovery = RecoveryChange::Begin { way_out, due_at };
    assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::Written);
}
