//! Rules of transaction feedback.

use super::fixtures::*;
use super::{Subject, schedules};
use crate::{
    FEEDBACK_ATTEMPTS_FIRST_KEPT_MAX, FEEDBACK_ATTEMPTS_LAST_KEPT_MAX, FeedbackFilter, FeedbackFinish,
    FeedbackFinished, FeedbackLease, FeedbackProbe, FeedbackRouse, FeedbackRow, FeedbackState, FeedbackThen,
    LanePlaces, NewFeedback, NewFeedbackAttempt, PauseReason, Recorded, ScheduleChanged, Store,
};
use futures_util::future::join_all;
use std::sync::Arc;
use tollgate_core::feedback::{Channel, FeedbackId, FeedbackKind, FeedbackLane};
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::order::{Operation, OperationEvent, OperationKind, Order, PayKind};
use tollgate_core::schedule::ScheduleTerms;
use tollgate_core::time::Timestamp;

const NODE: u8 = 7;
const OTHER_NODE: u8 = 8;

/// Feedback is written with its outcome, in the same commit, or not at all; it holds what its body is
/// made of.
pub async fn feedback_is_written_with_its_outcome_or_not_at_all(subject: &dyn Subject) {
    let store = subject.open().await;
    let new = claimed(&*store, new_order(1, "told", PayKind::Purchase)).await;
    let mut record = outcome(&new.order, &new.operation, OperationEvent::Approved, at(2));
    record.feedback = Some(NewFeedback { channel: Channel::Trusted, kind: FeedbackKind::Direct });
    let mut stale = record.clone();
    stale.order.version += 1;
    assert_eq!(store.record_outcome(stale).await.unwrap(), Recorded::Changed);
    assert_eq!(all(&*store).await, []);
    assert_eq!(store.record_outcome(record.clone()).await.unwrap(), Recorded::Written);
    let id = FeedbackId { operation: new.operation.id, place: 0 };
    let expected = FeedbackRow {
        id,
        fort_id: new.order.fort_id,
        lane: lane(MERCHANT, FeedbackKind::Direct),
        sequence: 2,
        state: FeedbackState::Waiting,
        due_at: at(2),
        attempts: 0,
        tries: 0,
        tried_since: at(2),
        created_at: at(2),
        delivered_at: None,
        pause_reason: None,
    };
    drop(store);
    let store = subject.open().await;
    assert_eq!(all(&*store).await, std::slice::from_ref(&expected));
    let content = store.feedback_content(id).await.unwrap().unwrap();
    assert_eq!((content.row, content.order), (expected, record.order));
    assert_eq!((content.operation.id, content.request.get("merchant_reference")), (new.operation.id, Some("told")));
    assert_eq!((content.outcome.code, content.outcome.event), (record.code, OperationEvent::Approved));
    assert!(store.feedback_content(FeedbackId { place: 1, ..id }).await.unwrap().is_none());
}

/// Of one order and lane only the first row waits; the next becomes due when it is delivered. Another
/// lane and another order do not wait.
pub async fn feedback_of_one_order_and_lane_goes_out_in_order(subject: &dyn Subject) {
    let store = subject.open().await;
    let order = told(&*store, 1, MERCHANT, PayKind::Authorization).await;
    let order = captured_and_told(&*store, 101, &order).await;
    let order = captured_and_told(&*store, 102, &order).await;
    captured_and_told(&*store, 103, &order).await;
    told(&*store, 2, MERCHANT, PayKind::Purchase).await;
    let mut seen = Vec::new();
    for round in 0..3 {
        let rows = leased(&*store, at(1_000 + round)).await;
        for row in &rows {
            finished(&*store, row, FeedbackThen::Delivered, at(1_000 + round)).await;
        }
        seen.push(numbers(&rows));
    }
    assert_eq!(seen, [vec![1, 2, 101], vec![102], vec![103]]);
    assert_eq!(numbers(&leased(&*store, at(2_000)).await), [0_i64; 0]);
    let sequences: Vec<u32> = all(&*store).await.iter().rev().map(|row| row.sequence).collect();
    assert_eq!(sequences, [2, 2, 4, 6, 8], "orders 1 and 2, then the captures: sequences grow with the order");
}

/// A row that fails again and again holds back what stands behind it, and nobody else.
pub async fn feedback_that_keeps_failing_holds_back_its_own_order_alone(subject: &dyn Subject) {
    let store = subject.open().await;
    for number in [1, 2] {
        let order = told(&*store, number, MERCHANT, PayKind::Authorization).await;
        let order = captured_and_told(&*store, number + 100, &order).await;
        captured_and_told(&*store, number + 200, &order).await;
    }
    for row in leased(&*store, at(1_000)).await.iter().filter(|row| row.lane.kind == FeedbackKind::Notification) {
        let then = if numbers(std::slice::from_ref(row)) == [101] {
            FeedbackThen::Retry { due_at: at(5_000) }
        } else {
            FeedbackThen::Delivered
        };
        finished(&*store, row, then, at(1_000)).await;
    }
    assert_eq!(numbers(&leased(&*store, at(1_001)).await), [202]);
    assert_eq!(state_of(&*store, 201).await, FeedbackState::Behind);
    let again = leased(&*store, at(5_000)).await;
    assert_eq!(numbers(&again.into_iter().filter(|row| row.attempts > 0).collect::<Vec<_>>()), [101]);
}

/// What is leased is nobody else's until the lease has run out; then anybody's.
pub async fn a_feedback_lease_holds_until_it_runs_out(subject: &dyn Subject) {
    let store = subject.open().await;
    told(&*store, 1, MERCHANT, PayKind::Purchase).await;
    assert_eq!(numbers(&leased(&*store, at(0)).await), [0_i64; 0], "nothing before its time");
    let first = leased(&*store, at(100)).await;
    assert_eq!((numbers(&first), first[0].due_at), (vec![1], at(130)));
    assert_eq!(store.feedback_next_due().await.unwrap(), Some(at(130)));
    let other = FeedbackLease { node: OTHER_NODE, ..lease(at(129)) };
    assert_eq!(store.lease_feedback(other.clone()).await.unwrap().rows, []);
    let taken = store.lease_feedback(FeedbackLease { now: at(130), until: at(160), ..other }).await.unwrap();
    assert_eq!(numbers(&taken.rows), [1]);
}

/// Of many workers that lease at once, each row goes to one.
pub async fn one_of_many_workers_leases_a_feedback(subject: &dyn Subject) {
    let store = subject.open().await;
    for number in 1..=20 {
        told(&*store, number, MERCHANT, PayKind::Purchase).await;
    }
    let workers = (0..16).map(|node| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let lease = FeedbackLease { node, rows_max: 3, lane_rows_max: 3, ..lease(at(100)) };
            store.lease_feedback(lease).await.unwrap().rows
        })
    });
    let mut all: Vec<i64> = join_all(workers).await.into_iter().flat_map(|rows| numbers(&rows.unwrap())).collect();
    all.sort_unstable();
    assert_eq!(all, (1..=20).collect::<Vec<i64>>());
}

/// Each lane has as many rows as it has places, one of each lane before a second of any; a lane full
/// of waiting rows takes no place of another.
pub async fn feedback_lanes_take_turns(subject: &dyn Subject) {
    let store = subject.open().await;
    for number in 1..=50 {
        told(&*store, number, MERCHANT, PayKind::Purchase).await;
    }
    for number in 51..=53 {
        told(&*store, number, MerchantId(number), PayKind::Purchase).await;
    }
    let rows = store.lease_feedback(FeedbackLease { rows_max: 6, ..lease(at(1_000)) }).await.unwrap().rows;
    assert_eq!(numbers(&rows), [1, 2, 3, 51, 52, 53], "one of each first, the rest from the full lane");
    let full = LanePlaces { lane: lane(MERCHANT, FeedbackKind::Direct), free: 0 };
    let none = store.lease_feedback(FeedbackLease { places: vec![full], ..lease(at(1_000)) }).await.unwrap();
    assert_eq!(none.rows, []);
    let two = LanePlaces { free: 2, ..full };
    let two = store.lease_feedback(FeedbackLease { places: vec![two], ..lease(at(1_000)) }).await.unwrap();
    assert_eq!(numbers(&two.rows), [4, 5]);
    let four = store.lease_feedback(FeedbackLease { lane_rows_max: 4, ..lease(at(1_000)) }).await.unwrap();
    assert_eq!(numbers(&four.rows), [6, 7, 8, 9]);
}

/// When there are more lanes than places, each has its turn.
pub async fn each_feedback_lane_has_its_turn(subject: &dyn Subject) {
    let store = subject.open().await;
    for round in 0..3 {
        for merchant in 1..=10 {
            told(&*store, round * 10 + merchant, MerchantId(merchant), PayKind::Purchase).await;
        }
    }
    let mut after = None;
    let mut merchants = Vec::new();
    for _ in 0..5 {
        let lease = FeedbackLease { rows_max: 4, lane_rows_max: 1, after, ..lease(at(1_000)) };
        let leased = store.lease_feedback(lease).await.unwrap();
        assert_eq!(leased.rows.len(), 4);
        after = leased.last;
        merchants.extend(leased.rows.iter().map(|row| row.lane.merchant.0));
    }
    for merchant in 1..=10 {
        assert_eq!(merchants.iter().filter(|one| **one == merchant).count(), 2, "{merchant}: {merchants:?}");
    }
}

/// A node that starts gets back what it had leased, and nothing of another node.
pub async fn what_a_killed_node_leased_is_given_back(subject: &dyn Subject) {
    let store = subject.open().await;
    told(&*store, 1, MERCHANT, PayKind::Purchase).await;
    leased(&*store, at(100)).await;
    told(&*store, 2, MERCHANT, PayKind::Purchase).await;
    let other = FeedbackLease { node: OTHER_NODE, ..lease(at(100)) };
    assert_eq!(numbers(&store.lease_feedback(other).await.unwrap().rows), [2]);
    assert_eq!(store.release_feedback(NODE, at(101)).await.unwrap(), 1);
    assert_eq!(numbers(&leased(&*store, at(101)).await), [1]);
    assert_eq!(store.release_feedback(3, at(101)).await.unwrap(), 0);
}

/// A receiver's acknowledgement counts whoever reports it. A failure counts only under its own lease,
/// but the attempt is kept.
pub async fn a_lost_feedback_lease_writes_nothing_but_the_attempt(subject: &dyn Subject) {
    let store = subject.open().await;
    told(&*store, 1, MERCHANT, PayKind::Purchase).await;
    let first = leased(&*store, at(100)).await.remove(0);
    let second = leased(&*store, at(130)).await.remove(0);
    let retry = FeedbackThen::Retry { due_at: at(9_000) };
    assert_eq!(finish(&*store, &first, retry, at(131)).await, FeedbackFinished::LeaseLost);
    let pause = FeedbackThen::Pause(PauseReason::Exhausted);
    assert_eq!(finish(&*store, &first, pause, at(131)).await, FeedbackFinished::LeaseLost);
    let row = row_of(&*store, 1).await;
    assert_eq!((row.state, row.due_at, row.attempts), (FeedbackState::Waiting, second.due_at, 2));
    assert_eq!(finish(&*store, &first, FeedbackThen::Delivered, at(132)).await, FeedbackFinished::Written);
    assert_eq!(finish(&*store, &second, retry, at(133)).await, FeedbackFinished::LeaseLost);
    let row = row_of(&*store, 1).await;
    assert_eq!((row.state, row.delivered_at, row.attempts), (FeedbackState::Delivered, Some(at(132)), 4));
    assert_eq!(store.feedback_attempts(row.id).await.unwrap().len(), 4);
    assert_eq!(store.feedback_next_due().await.unwrap(), None);
}

/// Paused rows stay, do not go out, and come back by their reason.
pub async fn paused_feedback_comes_back_when_it_is_roused(subject: &dyn Subject) {
    let store = subject.open().await;
    for number in 1..=3 {
        told(&*store, number, MERCHANT, PayKind::Purchase).await;
    }
    told(&*store, 4, MerchantId(2), PayKind::Purchase).await;
    let reasons = [PauseReason::NoUrl, PauseReason::Exhausted, PauseReason::NoUrl, PauseReason::NoUrl];
    for (row, reason) in leased(&*store, at(100)).await.iter().zip(reasons) {
        finished(&*store, row, FeedbackThen::Pause(reason), at(101)).await;
    }
    assert_eq!(numbers(&leased(&*store, at(1_000_000)).await), [0_i64; 0]);
    let backlog = store.feedback_backlog().await.unwrap();
    assert_eq!((backlog.waiting, backlog.paused, backlog.oldest), (0, 4, None));
    let rouse = |merchant| FeedbackRouse::Paused { merchant, reason: PauseReason::NoUrl, now: at(2_000) };
    assert_eq!(store.rouse_feedback(rouse(Some(MERCHANT))).await.unwrap(), 2);
    let back = leased(&*store, at(2_000)).await;
    assert_eq!(numbers(&back), [1, 3]);
    assert!(back.iter().all(|row| row.tries == 0 && row.tried_since == at(2_000) && row.attempts == 1), "{back:?}");
    assert_eq!(store.rouse_feedback(rouse(None)).await.unwrap(), 1);
    assert_eq!(state_of(&*store, 2).await, FeedbackState::Paused, "it has another reason");
    assert_eq!(store.feedback_backlog().await.unwrap().paused, 1);
}

/// Of what is paused as exhausted, the oldest row of each lane is leased when it was left alone for long enough;
/// one that fails again is paused again, and left alone for as long again.
pub async fn the_oldest_paused_feedback_of_a_lane_is_leased_as_a_probe_when_it_was_left_alone(subject: &dyn Subject) {
    let store = subject.open().await;
    for number in [1, 2] {
        told(&*store, number, MERCHANT, PayKind::Purchase).await;
    }
    told(&*store, 3, MerchantId(2), PayKind::Purchase).await;
    told(&*store, 4, MerchantId(3), PayKind::Purchase).await;
    let reasons = [PauseReason::Exhausted, PauseReason::Exhausted, PauseReason::Exhausted, PauseReason::NoUrl];
    let rows = leased(&*store, at(100)).await;
    for number in 1..=4 {
        let row = rows.iter().find(|row| number_of(row) == number).unwrap();
        let reason = reasons[usize::try_from(number).unwrap() - 1];
        finished(&*store, row, FeedbackThen::Pause(reason), at(101)).await;
    }
    let probe = |idle_since, until| FeedbackProbe { node: NODE, until, idle_since, rows_max: 10 };
    assert_eq!(store.probe_feedback(probe(at(129), at(200))).await.unwrap(), [], "their leases were to end at 130");
    let probed = store.probe_feedback(probe(at(130), at(200))).await.unwrap();
    assert_eq!(numbers(&probed), [1, 3], "the oldest of each lane, where there is a URL");
    assert!(probed.iter().all(|row| row.state == FeedbackState::Waiting && row.due_at == at(200)), "{probed:?}");
    assert_eq!((probed[0].tries, probed[0].tried_since), (rows[0].tries + 1, rows[0].tried_since), "no new schedule");
    assert_eq!(numbers(&leased(&*store, at(199)).await), [0_i64; 0], "they are leased");
    finished(&*store, &probed[0], FeedbackThen::Pause(PauseReason::Exhausted), at(140)).await;
    finished(&*store, &probed[1], FeedbackThen::Delivered, at(140)).await;
    assert_eq!(store.probe_feedback(probe(at(199), at(300))).await.unwrap(), []);
    assert_eq!(numbers(&store.probe_feedback(probe(at(200), at(300))).await.unwrap()), [1]);
    assert_eq!(state_of(&*store, 3).await, FeedbackState::Delivered);
    assert_eq!(state_of(&*store, 4).await, FeedbackState::Paused);
}

/// A lane whose receiver answers again has everything due that waited or was paused; other lanes are
/// left alone.
pub async fn a_feedback_lane_that_answers_again_catches_up(subject: &dyn Subject) {
    let store = subject.open().await;
    for number in 1..=4 {
        told(&*store, number, MERCHANT, PayKind::Purchase).await;
    }
    told(&*store, 5, MerchantId(2), PayKind::Purchase).await;
    let rows = leased(&*store, at(100)).await;
    for row in &rows {
        let then = match numbers(std::slice::from_ref(row))[..] {
            [1] => continue,
            [2] => FeedbackThen::Pause(PauseReason::Exhausted),
            _ => FeedbackThen::Retry { due_at: at(90_000) },
        };
        finished(&*store, row, then, at(101)).await;
    }
    let caught_up = FeedbackRouse::CaughtUp { lane: lane(MERCHANT, FeedbackKind::Direct), now: at(110) };
    assert_eq!(store.rouse_feedback(caught_up).await.unwrap(), 3);
    assert_eq!(numbers(&leased(&*store, at(110)).await), [2, 3, 4], "what is leased stays leased");
    assert_eq!(row_of(&*store, 5).await.due_at, at(90_000));
}

/// Replayed feedback goes out again, delivered or not, and in order per order.
pub async fn replayed_feedback_goes_out_again_in_order(subject: &dyn Subject) {
    let store = subject.open().await;
    let order = told(&*store, 1, MERCHANT, PayKind::Authorization).await;
    let order = captured_and_told(&*store, 101, &order).await;
    captured_and_told(&*store, 102, &order).await;
    for now in [1_000, 1_100] {
        for row in leased(&*store, at(now)).await {
            finished(&*store, &row, FeedbackThen::Delivered, at(now)).await;
        }
    }
    let name = |number: i64| FeedbackId { operation: OperationId(FIRST + number), place: 0 };
    let ids = vec![name(102), name(1), name(101), name(999)];
    assert_eq!(store.rouse_feedback(FeedbackRouse::Replay { ids: ids.clone(), now: at(1_300) }).await.unwrap(), 3);
    let first = leased(&*store, at(1_300)).await;
    assert_eq!(numbers(&first), [1, 101]);
    assert_eq!(state_of(&*store, 102).await, FeedbackState::Behind);
    let again = FeedbackRouse::Replay { ids: vec![name(101)], now: at(1_301) };
    assert_eq!(store.rouse_feedback(again).await.unwrap(), 0, "it is on its way already");
    for row in &first {
        finished(&*store, row, FeedbackThen::Delivered, at(1_301)).await;
    }
    let second = leased(&*store, at(1_301)).await;
    assert_eq!((numbers(&second), second[0].attempts), (vec![102], 1));
}

/// What is told of a schedule, and what becomes of the order that opened it later, goes out one after the other, also when it
/// is sent again: neither stands behind what stands behind it.
pub async fn what_is_told_of_a_schedule_and_later_of_its_order_goes_out_in_turn(subject: &dyn Subject) {
    let store = subject.open().await;
    let schedule = schedules::active(&store, 1, "a").await;
    let terms = ScheduleTerms { notice_days: 3, ..schedule.terms.clone() };
    assert_eq!(schedules::put(&*store, schedule.with_notice(terms)).await, ScheduleChanged::Written);
    let order = stored(&*store, FortId(FIRST + 1), MERCHANT).await;
    let refund = begun(&*store, &order, new_operation(101, &order, OperationKind::Refund, 100)).await;
    record_told(&*store, &refund.order, &refund.operation, FeedbackKind::Notification).await;
    let mut now = 200 * 86_400;
    let notice = leased(&*store, at(now)).await;
    assert_eq!(numbers(&notice), [1], "the refund waits for it");
    finished(&*store, &notice[0], FeedbackThen::Pause(PauseReason::Exhausted), at(now)).await;
    let rouses = [
        FeedbackRouse::Paused { merchant: None, reason: PauseReason::Exhausted, now: at(now) },
        FeedbackRouse::Replay { ids: vec![notice[0].id], now: at(now) },
    ];
    for rouse in rouses {
        assert_eq!(store.rouse_feedback(rouse).await.unwrap(), 1);
    }
    let mut sequences = Vec::new();
    for number in [1, 101] {
        now += 60;
        let rows = leased(&*store, at(now)).await;
        assert_eq!(numbers(&rows), [number]);
        sequences.push(rows[0].sequence);
        finished(&*store, &rows[0], FeedbackThen::Delivered, at(now)).await;
    }
    assert!(sequences.is_sorted() && sequences[0] == order.version, "{sequences:?}: that of the order's last change");
}

/// The first and the last attempts are kept, the count of all of them besides.
pub async fn feedback_attempts_are_bounded_and_the_first_and_last_stay(subject: &dyn Subject) {
    let store = subject.open().await;
    told(&*store, 1, MERCHANT, PayKind::Purchase).await;
    let total = FEEDBACK_ATTEMPTS_FIRST_KEPT_MAX + FEEDBACK_ATTEMPTS_LAST_KEPT_MAX + 7;
    for attempt in 0..total {
        let now = at(1_000 + 100 * i64::from(attempt));
        let row = leased(&*store, now).await.remove(0);
        assert_eq!(row.tries, attempt);
        finished(&*store, &row, FeedbackThen::Retry { due_at: now }, now).await;
    }
    let row = row_of(&*store, 1).await;
    assert_eq!((row.attempts, row.tries), (total, total));
    let kept = store.feedback_attempts(row.id).await.unwrap();
    let expected: Vec<u32> =
        (1..=FEEDBACK_ATTEMPTS_FIRST_KEPT_MAX).chain(total - FEEDBACK_ATTEMPTS_LAST_KEPT_MAX + 1..=total).collect();
    assert_eq!(kept.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), expected);
    assert_eq!(kept[0].attempt, NewFeedbackAttempt { at: at(1_000), ..attempt() });
}

/// A list shows what fits every part of its filter, newest first, page by page.
pub async fn feedback_is_listed_by_every_part_of_a_filter(subject: &dyn Subject) {
    let store = subject.open().await;
    for (number, merchant) in [(1, 1), (2, 2), (3, 1), (4, 1)] {
        told(&*store, number, MerchantId(merchant), PayKind::Purchase).await;
    }
    let row = leased(&*store, at(100)).await.remove(0);
    finished(&*store, &row, FeedbackThen::Delivered, at(100)).await;
    let list = |filter: FeedbackFilter| {
        let store = Arc::clone(&store);
        async move { store.feedbacks(&filter).await.unwrap().iter().map(number_of).collect::<Vec<i64>>() }
    };
    let any = || FeedbackFilter { rows_max: 10, ..FeedbackFilter::default() };
    assert_eq!(list(any()).await, [4, 3, 2, 1]);
    assert_eq!(list(FeedbackFilter { rows_max: 2, ..any() }).await, [4, 3]);
    let before = Some(FeedbackId { operation: OperationId(FIRST + 3), place: 0 });
    assert_eq!(list(FeedbackFilter { before, ..any() }).await, [2, 1]);
    assert_eq!(list(FeedbackFilter { merchant: Some(MerchantId(2)), ..any() }).await, [2]);
    assert_eq!(list(FeedbackFilter { merchant_reference: Some("told-3".to_owned()), ..any() }).await, [3]);
    for (merchant, found) in [(1, vec![3]), (2, vec![])] {
        let (merchant, merchant_reference) = (Some(MerchantId(merchant)), Some("told-3".to_owned()));
        let state = Some(FeedbackState::Waiting);
        let filter = FeedbackFilter { merchant, merchant_reference, state, rows_max: 1, ..any() };
        assert_eq!(list(filter).await, found, "every part counts together");
    }
    assert_eq!(list(FeedbackFilter { fort_id: Some(tollgate_core::ident::FortId(FIRST + 4)), ..any() }).await, [4]);
    assert_eq!(list(FeedbackFilter { state: Some(FeedbackState::Delivered), ..any() }).await, [1]);
    assert_eq!(list(FeedbackFilter { state: Some(FeedbackState::Waiting), ..any() }).await, [4, 3, 2]);
    let ranged = FeedbackFilter { since: Some(at(2).plus_ms(300)), until: Some(at(4).plus_ms(300)), ..any() };
    assert_eq!(list(ranged).await, [3, 2], "from the first moment on, up to the last one");
}

/// The backlog counts what waits, what stands behind, and what is paused, and knows the oldest.
pub async fn the_feedback_backlog_counts_what_is_not_delivered(subject: &dyn Subject) {
    let store = subject.open().await;
    assert_eq!(store.feedback_backlog().await.unwrap(), crate::FeedbackBacklog::default());
    let order = told(&*store, 1, MERCHANT, PayKind::Authorization).await;
    let order = captured_and_told(&*store, 10, &order).await;
    captured_and_told(&*store, 20, &order).await;
    let backlog = store.feedback_backlog().await.unwrap();
    assert_eq!((backlog.waiting, backlog.paused, backlog.oldest), (3, 0, Some(at(1).plus_ms(300))));
    for row in leased(&*store, at(100)).await {
        finished(&*store, &row, FeedbackThen::Delivered, at(100)).await;
    }
    let backlog = store.feedback_backlog().await.unwrap();
    assert_eq!((backlog.waiting, backlog.paused, backlog.oldest), (1, 0, Some(at(20).plus_ms(300))));
}

/// An order of this number that was approved and is told; the order afterwards.
async fn told(store: &dyn Store, number: i64, merchant: MerchantId, kind: PayKind) -> Order {
    let mut new = new_order(number, &format!("told-{number}"), kind);
    new.order.merchant = merchant;
    let new = claimed(store, new).await;
    record_told(store, &new.order, &new.operation, FeedbackKind::Direct).await
}

/// A capture of 1.00 with its notification; the order afterwards.
async fn captured_and_told(store: &dyn Store, number: i64, order: &Order) -> Order {
    let placed = begun(store, order, new_operation(number, order, OperationKind::Capture, 100)).await;
    record_told(store, &placed.order, &placed.operation, FeedbackKind::Notification).await
}

async fn record_told(store: &dyn Store, order: &Order, operation: &Operation, kind: FeedbackKind) -> Order {
    let mut record = outcome(order, operation, OperationEvent::Approved, operation.wire.sent_at.plus_ms(300));
    record.feedback = Some(NewFeedback { channel: Channel::Trusted, kind });
    assert_eq!(store.record_outcome(record.clone()).await.unwrap(), Recorded::Written);
    record.order
}

fn lane(merchant: MerchantId, kind: FeedbackKind) -> FeedbackLane {
    FeedbackLane { merchant, channel: Channel::Trusted, kind }
}

/// A lease of 30 seconds with plenty of places.
fn lease(now: Timestamp) -> FeedbackLease {
    FeedbackLease {
        node: NODE,
        now,
        until: now.plus_ms(30_000),
        rows_max: 100,
        lane_rows_max: 100,
        places: vec![],
        after: None,
    }
}

/// Leases everything that is due, sorted by number.
async fn leased(store: &dyn Store, now: Timestamp) -> Vec<FeedbackRow> {
    let mut rows = store.lease_feedback(lease(now)).await.unwrap().rows;
    rows.sort_by_key(|row| row.id);
    rows
}

/// The numbers of rows' operations, sorted.
fn numbers(rows: &[FeedbackRow]) -> Vec<i64> {
    let mut numbers: Vec<i64> = rows.iter().map(number_of).collect();
    numbers.sort_unstable();
    numbers
}

fn number_of(row: &FeedbackRow) -> i64 {
    row.id.operation.0 - FIRST
}

async fn finish(store: &dyn Store, row: &FeedbackRow, then: FeedbackThen, now: Timestamp) -> FeedbackFinished {
    let attempt = Some(NewFeedbackAttempt { at: now, ..attempt() });
    let finish = FeedbackFinish { id: row.id, node: NODE, leased_until: row.due_at, attempt, then, at: now };
    store.finish_feedback(finish).await.unwrap()
}

/// The same; it has to be written.
async fn finished(store: &dyn Store, row: &FeedbackRow, then: FeedbackThen, now: Timestamp) {
    assert_eq!(finish(store, row, then, now).await, FeedbackFinished::Written);
}

fn attempt() -> NewFeedbackAttempt {
    NewFeedbackAttempt {
        at: START,
        target: "https://shop.example.com:443".to_owned(),
        status: Some(500),
        error: Some("متجر".to_owned()),
        latency_ms: 12,
        answer: "no".to_owned(),
    }
}

async fn all(store: &dyn Store) -> Vec<FeedbackRow> {
    store.feedbacks(&FeedbackFilter { rows_max: 1_000, ..FeedbackFilter::default() }).await.unwrap()
}

async fn row_of(store: &dyn Store, number: i64) -> FeedbackRow {
    all(store).await.into_iter().find(|row| number_of(row) == number).unwrap()
}

async fn state_of(store: &dyn Store, number: i64) -> FeedbackState {
    row_of(store, number).await.state
}
