//! Rules of batches and their rows.

use super::Subject;
use super::fixtures::*;
use crate::{
    BatchBegun, BatchChange, BatchFilter, EndedRow, EndedRows, JudgedRow, JudgedRows, LifeBegun, LifeId, LinkAdded,
    MessagesToo, NewBatch, NewBatchRow, NewLife, NewOperation, NewOrder, NewPaymentLink, OperationClaim, OrderClaim,
    ResultLink, RowEnd, RowRefusal, RowVerdict, Store, StoreError, Tenancy,
};
use futures_util::future::join_all;
use tollgate_core::batch::{BATCH_EDGES, BatchEvent, BatchFault, BatchId, BatchRowId, BatchRowState, BatchState};
use tollgate_core::code::{ResponseCode, refused};
use tollgate_core::ident::MerchantId;
use tollgate_core::order::{OperationEvent, OperationKind, OperationState, PayKind};

const OTHER_MERCHANT: MerchantId = MerchantId(2);

fn new_batch(number: i64, reference: &str, owner: LifeId) -> NewBatch {
    NewBatch {
        id: BatchId(FIRST + number),
        merchant: MERCHANT,
        reference: reference.to_owned(),
        access_code: "AC1".to_owned(),
        language: "en".to_owned(),
        file_name: "rows, \"one\".csv".to_owned(),
        columns: vec!["command".to_owned(), "merchant_reference".to_owned()],
        owner,
        at: at(number),
    }
}

fn row(line: u32) -> NewBatchRow {
    NewBatchRow { line, cells: vec!["PURCHASE".to_owned(), format!("row \"{line}\"")], card_number_in: None }
}

fn change(batch: BatchId, event: BatchEvent, life: Option<LifeId>) -> BatchChange {
    let execute_at = (event == BatchEvent::DateSet).then(|| at(300));
    BatchChange { batch, event, life, fault: None, execute_at, at: at(100) }
}

fn refusal(code: ResponseCode) -> RowRefusal {
    RowRefusal { code, parameter: Some("amount".to_owned()), detail: "it is wrong".to_owned() }
}

fn good(batch: BatchId, line: u32) -> JudgedRow {
    let mut identity = [0; 16];
    identity[..8].copy_from_slice(&batch.0.to_be_bytes());
    identity[8..12].copy_from_slice(&line.to_be_bytes());
    JudgedRow { line, verdict: RowVerdict::Good { identity } }
}

fn bad(line: u32) -> JudgedRow {
    JudgedRow { line, verdict: RowVerdict::Refused(refusal(refused::INVALID_AMOUNT)) }
}

async fn life(store: &dyn Store, node: u8) -> LifeId {
    let new = NewLife { node, tenancy: Tenancy::Shared, now: START, alive_until: at(1_000_000) };
    match store.begin_life(new).await.unwrap() {
        LifeBegun::Begun(life) => life,
        other @ LifeBegun::NodeIsAlive { .. } => panic!("{other:?}"),
    }
}

/// A batch with rows on these lines, received and taken by `life`.
async fn received(store: &dyn Store, number: i64, lines: &[u32], life: LifeId) -> BatchId {
    let new = new_batch(number, &format!("B-{number}"), life);
    let id = new.id;
    assert_eq!(store.begin_batch(new).await.unwrap(), BatchBegun::Begun);
    store.add_batch_rows(id, lines.iter().map(|line| row(*line)).collect()).await.unwrap();
    assert!(store.change_batch(change(id, BatchEvent::Received, Some(life))).await.unwrap());
    assert!(store.take_batch(id, life).await.unwrap());
    id
}

/// The same, all rows good and its processing asked for.
async fn processing(store: &dyn Store, number: i64, lines: &[u32], life: LifeId) -> BatchId {
    let id = received(store, number, lines, life).await;
    assert!(store.change_batch(change(id, BatchEvent::ValidationBegun, Some(life))).await.unwrap());
    let rows = lines.iter().map(|line| good(id, *line)).collect();
    assert!(store.judge_batch_rows(JudgedRows { batch: id, life, rows }).await.unwrap());
    assert!(store.change_batch(change(id, BatchEvent::FoundGood, Some(life))).await.unwrap());
    assert!(store.change_batch(change(id, BatchEvent::ProcessingAsked, None)).await.unwrap());
    assert!(store.take_batch(id, life).await.unwrap());
    id
}

async fn lines_in(store: &dyn Store, batch: BatchId, state: BatchRowState) -> Vec<u32> {
    store.batch_rows(batch, state, 0, 100).await.unwrap().into_iter().map(|row| row.line).collect()
}

/// The order of a row.
fn order_of(batch: BatchId, line: u32, number: i64) -> NewOrder {
    let batch_row = Some(BatchRowId { batch, line });
    NewOrder { batch_row, ..new_order(number, &format!("order-{number}"), PayKind::Purchase) }
}

async fn ended(store: &dyn Store, batch: BatchId, ends: Vec<(u32, RowEnd)>) -> u64 {
    let rows = ends.into_iter().map(|(line, end)| EndedRow { line, end }).collect();
    store.end_batch_rows(EndedRows { batch, rows, at: at(200) }).await.unwrap()
}

/// Rule: a batch and its rows read back as they were written, after reopening too, by the merchant's reference, which
/// another merchant may use as well.
pub async fn a_batch_reads_back_and_its_reference_is_one_merchants_own(subject: &dyn Subject) {
    let store = subject.open().await;
    let own = life(&*store, 1).await;
    let id = received(&*store, 1, &[2, 3, 50_000_000], own).await;
    let taken = NewBatch { id: BatchId(FIRST + 7), ..new_batch(7, "B-1", own) };
    assert_eq!(store.begin_batch(taken.clone()).await.unwrap(), BatchBegun::ReferenceTaken);
    let of_another = NewBatch { merchant: OTHER_MERCHANT, ..taken };
    assert_eq!(store.begin_batch(of_another).await.unwrap(), BatchBegun::Begun);
    let same_number = NewBatch { id, ..new_batch(8, "B-8", own) };
    assert_eq!(store.begin_batch(same_number).await.unwrap(), BatchBegun::NumberTaken);
    drop(store);
    let store = subject.open().await;
    let batch = store.batch(MERCHANT, "B-1").await.unwrap().unwrap();
    let new = new_batch(1, "B-1", own);
    assert_eq!((batch.id, batch.state, batch.counts.rows), (id, BatchState::Uploaded, 3));
    assert_eq!((batch.file_name, batch.columns, batch.access_code), (new.file_name, new.columns, new.access_code));
    assert_eq!(store.batch_rows(id, BatchRowState::Pending, 0, 10).await.unwrap(), [row(2), row(3), row(50_000_000)]);
    assert_eq!(store.batch_rows(id, BatchRowState::Pending, 2, 1).await.unwrap(), [row(3)]);
    assert!(store.batch(OTHER_MERCHANT, "B-2").await.unwrap().is_none());
}

/// Rule: a batch is found by nobody before all of it was received, and until then it can be thrown away, piece by piece;
/// afterwards it stays.
pub async fn a_batch_is_there_in_whole_or_not_at_all(subject: &dyn Subject) {
    let store = subject.open().await;
    let own = life(&*store, 1).await;
    let new = new_batch(1, "B-1", own);
    assert_eq!(store.begin_batch(new.clone()).await.unwrap(), BatchBegun::Begun);
    store.add_batch_rows(new.id, (2..7).map(row).collect()).await.unwrap();
    assert!(store.batch(MERCHANT, "B-1").await.unwrap().is_none());
    let filter = BatchFilter { merchant: None, before: None, limit: 10 };
    assert!(store.batches(&filter).await.unwrap().is_empty());
    assert!(!store.discard_batch(new.id, 3).await.unwrap(), "there is more of it");
    assert!(store.discard_batch(new.id, 3).await.unwrap());
    assert!(lines_in(&*store, new.id, BatchRowState::Pending).await.is_empty());
    let kept = received(&*store, 1, &[2], own).await;
    assert!(store.discard_batch(kept, 10).await.unwrap(), "it is no longer being received");
    assert_eq!(lines_in(&*store, kept, BatchRowState::Pending).await, [2]);
    let late = store.add_batch_rows(kept, vec![row(3)]).await;
    assert!(matches!(late, Err(StoreError::Refused(_))), "{late:?}");
    let second = received(&*store, 2, &[2], own).await;
    let ids = |batches: Vec<crate::Batch>| batches.into_iter().map(|batch| batch.id).collect::<Vec<_>>();
    assert_eq!(ids(store.batches(&filter).await.unwrap()), [second, kept], "the newest first");
    assert_eq!(ids(store.batches(&BatchFilter { before: Some(second), ..filter }).await.unwrap()), [kept]);
    assert!(store.batches(&BatchFilter { merchant: Some(OTHER_MERCHANT), ..filter }).await.unwrap().is_empty());
}

/// Rule: a batch changes its state by the edges of the table and by nothing else, and only its own life's word counts.
pub async fn a_batch_changes_by_the_table_alone(subject: &dyn Subject) {
    let store = subject.open().await;
    let (own, other) = (life(&*store, 1).await, life(&*store, 2).await);
    for (number, state) in BatchState::ALL.iter().enumerate() {
        for event in BatchEvent::ALL {
            let number = i64::try_from(number * 10 + usize::from(event.number())).unwrap() + 1;
            let reference = format!("B-{number}");
            let id = BatchId(FIRST + number);
            assert_eq!(store.begin_batch(new_batch(number, &reference, own)).await.unwrap(), BatchBegun::Begun);
            store.add_batch_rows(id, vec![row(2)]).await.unwrap();
            for step in way_to(*state) {
                assert!(store.take_batch(id, own).await.unwrap());
                assert!(store.change_batch(change(id, step, Some(own))).await.unwrap(), "{state}: {step}");
            }
            assert!(store.take_batch(id, own).await.unwrap());
            assert!(!store.change_batch(change(id, *event, Some(other))).await.unwrap(), "it is another life's");
            let edge = BATCH_EDGES.iter().find(|edge| edge.from == *state && edge.event == *event);
            let changed = store.change_batch(change(id, *event, Some(own))).await.unwrap();
            assert_eq!(changed, edge.is_some(), "{state}: {event}");
            let after = edge.map_or(*state, |edge| edge.to);
            let stored = store.batch(MERCHANT, &reference).await.unwrap();
            let expected = (after != BatchState::Receiving).then_some(after);
            assert_eq!(stored.map(|batch| batch.state), expected, "{state}: {event}");
        }
    }
    let faulty = received(&*store, 500, &[2], own).await;
    let begun =
        BatchChange { fault: Some(BatchFault::NotUtf8), ..change(faulty, BatchEvent::ValidationBegun, Some(own)) };
    assert!(store.change_batch(begun).await.unwrap());
    assert!(store.change_batch(change(faulty, BatchEvent::FoundUnusable, Some(own))).await.unwrap());
    assert_eq!(store.batch(MERCHANT, "B-500").await.unwrap().unwrap().fault, Some(BatchFault::NotUtf8), "it stays");
}

/// The events that lead to a state.
fn way_to(state: BatchState) -> Vec<BatchEvent> {
    let mut way = Vec::new();
    let mut at = state;
    while let Some(edge) = BATCH_EDGES.iter().find(|edge| edge.to == at) {
        way.insert(0, edge.event);
        at = edge.from;
    }
    way
}

/// Rule: what is to be done of a batch is one living life's, and everybody's when that is over.
pub async fn a_batch_is_one_living_gateways_to_work_on(subject: &dyn Subject) {
    let store = subject.open().await;
    let (own, other) = (life(&*store, 1).await, life(&*store, 2).await);
    let id = received(&*store, 1, &[2], own).await;
    let to_do = async |life| {
        store.batches_to_do(life, at(100), 10).await.unwrap().into_iter().map(|batch| batch.id).collect::<Vec<_>>()
    };
    assert_eq!((to_do(own).await, to_do(other).await), (vec![id], vec![]));
    assert!(!store.take_batch(id, other).await.unwrap());
    assert!(store.take_batch(id, own).await.unwrap(), "again");
    assert!(store.end_life(own, None, at(5)).await.unwrap());
    assert_eq!(to_do(other).await, [id]);
    assert!(store.take_batch(id, other).await.unwrap());
    assert!(store.change_batch(change(id, BatchEvent::ValidationBegun, Some(other))).await.unwrap());
    let rows = vec![good(id, 2)];
    let late = JudgedRows { batch: id, life: own, rows: rows.clone() };
    assert!(!store.judge_batch_rows(late).await.unwrap(), "its life is over");
    assert!(store.judge_batch_rows(JudgedRows { batch: id, life: other, rows }).await.unwrap());
    assert!(store.change_batch(change(id, BatchEvent::FoundGood, Some(other))).await.unwrap());
    assert_eq!(to_do(other).await, [], "it waits for the merchant");
}

/// Rule: a row is judged once; of two that are the same the first is good and the second refused; refused rows have their
/// results in the order in which they were judged.
pub async fn rows_are_judged_once_and_doubles_are_refused(subject: &dyn Subject) {
    let store = subject.open().await;
    let own = life(&*store, 1).await;
    let id = received(&*store, 1, &[2, 3, 4, 5], own).await;
    assert!(store.change_batch(change(id, BatchEvent::ValidationBegun, Some(own))).await.unwrap());
    let double = JudgedRow { line: 4, ..good(id, 2) };
    let judged = |rows| JudgedRows { batch: id, life: own, rows };
    assert!(store.judge_batch_rows(judged(vec![good(id, 2), bad(3)])).await.unwrap());
    assert!(store.judge_batch_rows(judged(vec![bad(2), double, good(id, 5)])).await.unwrap());
    assert_eq!(lines_in(&*store, id, BatchRowState::Valid).await, [2, 5]);
    assert!(lines_in(&*store, id, BatchRowState::Pending).await.is_empty());
    let counts = store.batch(MERCHANT, "B-1").await.unwrap().unwrap().counts;
    assert_eq!((counts.rows, counts.judged, counts.refused, counts.done, counts.succeeded), (4, 4, 2, 2, 0));
    let results = store.batch_results(id, 0, 10).await.unwrap();
    let told: Vec<(u32, u32, ResponseCode)> = results.iter().map(|row| (row.place, row.line, row.code)).collect();
    assert_eq!(told, [(1, 3, refused::INVALID_AMOUNT), (2, 4, refused::REFERENCE_EXISTS)]);
    assert_eq!(results[0].refusal, Some(refusal(refused::INVALID_AMOUNT)));
    assert_eq!((&results[0].cells, &results[0].operation), (&row(3).cells, &None));
}

/// Rule: a row is begun in the commit that writes the intent of its order or operation, once, and only while it may be; an
/// intent whose row may not be begun is not written, nor is a row begun whose intent is not written.
pub async fn a_row_is_begun_with_its_intent_or_not_at_all(subject: &dyn Subject) {
    let store = subject.open().await;
    let own = life(&*store, 1).await;
    let id = processing(&*store, 1, &[2, 3, 4], own).await;
    let waiting = received(&*store, 2, &[2], own).await;
    let first = order_of(id, 2, 1);
    claimed(&*store, first.clone()).await;
    let again = order_of(id, 2, 2);
    for (why, refused) in [
        ("begun already", again.clone()),
        ("no such line", order_of(id, 9, 2)),
        ("not processed yet", order_of(waiting, 2, 2)),
        ("no such batch", order_of(BatchId(1), 2, 2)),
    ] {
        assert_eq!(store.claim_order(refused.clone()).await.unwrap(), OrderClaim::RowTaken, "{why}");
        assert!(store.operation(refused.operation.id).await.unwrap().is_none(), "{why}");
    }
    let taken = NewOrder {
        order: tollgate_core::order::Order { merchant_reference: "order-1".into(), ..order_of(id, 3, 3).order },
        ..order_of(id, 3, 3)
    };
    assert!(matches!(store.claim_order(taken).await.unwrap(), OrderClaim::ReferenceTaken(_)));
    assert_eq!(lines_in(&*store, id, BatchRowState::Valid).await, [3, 4], "no intent, no begun row");
    let held = settled(&*store, new_order(10, "held", PayKind::Authorization), OperationEvent::Approved).await;
    let capture = |number, line| NewOperation {
        batch_row: Some(BatchRowId { batch: id, line }),
        ..new_operation(number, &held.order, OperationKind::Capture, 100)
    };
    assert_eq!(store.claim_operation(capture(11, 2)).await.unwrap(), OperationClaim::RowTaken);
    let stale = NewOperation { order_version: held.order.version + 5, ..capture(11, 3) };
    assert_eq!(store.claim_operation(stale).await.unwrap(), OperationClaim::OrderChanged);
    assert_eq!(store.claim_operation(capture(11, 3)).await.unwrap(), OperationClaim::Claimed);
    assert_eq!(lines_in(&*store, id, BatchRowState::Valid).await, [4]);
    assert_eq!(store.batch(MERCHANT, "B-1").await.unwrap().unwrap().counts.begun, 2);
    let record = outcome(&first.order, &first.operation, OperationEvent::NoAnswer, at(20));
    store.record_outcome(record.clone()).await.unwrap();
    let begun = store.begun_batch_rows(id, 0, 10).await.unwrap();
    let told: Vec<_> = begun.iter().map(|row| (row.line, row.state, row.code)).collect();
    assert_eq!(told, [(2, OperationState::Unknown, Some(record.code)), (3, OperationState::Sent, None)]);
    assert_eq!(begun[0].operation, first.operation.id);
}

/// Rule: of many who begin one row one does.
pub async fn one_of_many_begins_a_row(subject: &dyn Subject) {
    let store = subject.open().await;
    let own = life(&*store, 1).await;
    let id = processing(&*store, 1, &[2], own).await;
    let claims = (1..9).map(|number| store.claim_order(order_of(id, 2, number)));
    let claims = join_all(claims).await.into_iter().map(Result::unwrap);
    let won = claims.filter(|claim| *claim == OrderClaim::Claimed).count();
    assert_eq!(won, 1);
    assert_eq!(store.totals().await.unwrap().iter().map(|totals| totals.orders).sum::<u64>(), 1);
}

/// Rule: a row has one result, the one that belongs to its state; results keep the order in which they came, with what the
/// operation was; and with the last one the batch is done.
pub async fn a_row_ends_once_and_the_last_one_ends_the_batch(subject: &dyn Subject) {
    let store = subject.open().await;
    let own = life(&*store, 1).await;
    let id = processing(&*store, 1, &[2, 3, 4], own).await;
    let paid = order_of(id, 4, 4);
    claimed(&*store, paid.clone()).await;
    let success = ResponseCode::new(14, 0);
    let refused_row = || RowEnd::Refused(refusal(refused::REFERENCE_EXISTS));
    assert_eq!(
        ended(&*store, id, vec![(4, refused_row()), (2, RowEnd::Settled(success))]).await,
        0,
        "not their states"
    );
    assert_eq!(ended(&*store, id, vec![(4, RowEnd::Settled(success)), (2, refused_row())]).await, 2);
    assert_eq!(ended(&*store, id, vec![(4, RowEnd::Settled(success)), (2, refused_row())]).await, 0, "once");
    assert_eq!(store.batch(MERCHANT, "B-1").await.unwrap().unwrap().state, BatchState::Processing);
    assert_eq!(ended(&*store, id, vec![(3, refused_row())]).await, 1);
    let done = store.batch(MERCHANT, "B-1").await.unwrap().unwrap();
    assert_eq!((done.state, done.counts.done, done.counts.succeeded), (BatchState::Done, 3, 1));
    assert_eq!((done.done_at, store.batches_to_do(own, at(900), 9).await.unwrap()), (Some(at(200)), vec![]));
    let results = store.batch_results(id, 0, 10).await.unwrap();
    assert_eq!(results.iter().map(|row| (row.place, row.line)).collect::<Vec<_>>(), [(1, 4), (2, 2), (3, 3)]);
    assert_eq!(store.batch_results(id, 1, 1).await.unwrap(), results[1..2]);
    let told = results[0].operation.clone().unwrap();
    assert_eq!((told.fort_id, told.card, told.money), (paid.order.fort_id, paid.order.card, paid.order.money));
    assert_eq!((told.eci, told.merchant_reference), (paid.order.eci, paid.order.merchant_reference));
    assert_eq!((&results[1].operation, &results[1].refusal), (&None, &Some(refusal(refused::REFERENCE_EXISTS))));
}

/// Rule: a batch with a date is nobody's to work on before that moment, and then it is processed, unless it was given up; what
/// was given up is never begun.
pub async fn a_batch_waits_for_its_date_or_is_given_up(subject: &dyn Subject) {
    let store = subject.open().await;
    let own = life(&*store, 1).await;
    let to_do = async |now| {
        let found = store.batches_to_do(own, at(now), 10).await.unwrap();
        found.into_iter().map(|batch| batch.id).collect::<Vec<_>>()
    };
    let validated = async |number| {
        let id = received(&*store, number, &[2], own).await;
        assert!(store.change_batch(change(id, BatchEvent::ValidationBegun, Some(own))).await.unwrap());
        assert!(store.judge_batch_rows(JudgedRows { batch: id, life: own, rows: vec![good(id, 2)] }).await.unwrap());
        assert!(store.change_batch(change(id, BatchEvent::FoundGood, Some(own))).await.unwrap());
        id
    };
    let (first, second, third) = (validated(1).await, validated(2).await, validated(3).await);
    for id in [first, second] {
        assert!(store.change_batch(change(id, BatchEvent::DateSet, None)).await.unwrap());
    }
    assert_eq!(to_do(299).await, [], "its date is to come");
    assert_eq!(to_do(300).await, [first, second]);
    let waiting = store.batch(MERCHANT, "B-1").await.unwrap().unwrap();
    assert_eq!((waiting.state, waiting.execute_at), (BatchState::Scheduled, Some(at(300))));
    assert_eq!(store.claim_order(order_of(first, 2, 1)).await.unwrap(), OrderClaim::RowTaken, "not before it begins");
    for id in [second, third] {
        assert!(store.change_batch(change(id, BatchEvent::GivenUp, None)).await.unwrap());
        assert!(!store.change_batch(change(id, BatchEvent::DateReached, None)).await.unwrap(), "for good");
    }
    assert_eq!(to_do(300).await, [first]);
    assert!(store.take_batch(first, own).await.unwrap());
    assert!(store.change_batch(change(first, BatchEvent::DateReached, Some(own))).await.unwrap());
    assert!(!store.change_batch(change(first, BatchEvent::GivenUp, None)).await.unwrap(), "it has begun");
    claimed(&*store, order_of(first, 2, 1)).await;
    for id in [second, third] {
        assert_eq!(store.claim_order(order_of(id, 2, 2)).await.unwrap(), OrderClaim::RowTaken, "given up");
    }
}

/// Rule: a payment link and the result of the row that made it are one commit: a row makes one link, whoever tries, a link that
/// is not kept leaves its row as it was, and with the last row the batch is done.
pub async fn a_row_makes_one_payment_link(subject: &dyn Subject) {
    let store = subject.open().await;
    let own = life(&*store, 1).await;
    let id = processing(&*store, 1, &[2, 3], own).await;
    let new = |number: i64, reference: &str, line| NewPaymentLink {
        link: super::payment_links::link(number, &format!("L-{number}"), reference),
        batch_row: Some(BatchRowId { batch: id, line }),
        messages: MessagesToo::none(),
    };
    let racers = (1..9).map(|number| store.add_payment_link(new(number, &format!("R-{number}"), 2)));
    let came: Vec<_> = join_all(racers).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(came.iter().filter(|one| **one == LinkAdded::Added).count(), 1, "{came:?}");
    assert_eq!(came.iter().filter(|one| **one == LinkAdded::RowTaken).count(), 7, "{came:?}");
    let won =
        new(1 + i64::try_from(came.iter().position(|one| *one == LinkAdded::Added).unwrap()).unwrap(), "", 2).link;
    let taken = NewPaymentLink { link: super::payment_links::link(20, &won.name, "R-20"), ..new(20, "R-20", 3) };
    assert_eq!(store.add_payment_link(taken).await.unwrap(), LinkAdded::NameTaken);
    assert_eq!(lines_in(&*store, id, BatchRowState::Valid).await, [3], "no link, no result");
    let counts = store.batch(MERCHANT, "B-1").await.unwrap().unwrap().counts;
    assert_eq!((counts.begun, counts.done, counts.succeeded), (1, 1, 1));
    assert_eq!(store.add_payment_link(new(21, "R-21", 3)).await.unwrap(), LinkAdded::Added);
    let done = store.batch(MERCHANT, "B-1").await.unwrap().unwrap();
    assert_eq!((done.state, done.done_at), (BatchState::Done, Some(at(21))), "when the last link was made");
    assert_eq!(store.add_payment_link(new(22, "R-22", 3)).await.unwrap(), LinkAdded::RowTaken);
    let results = store.batch_results(id, 0, 10).await.unwrap();
    let told: Vec<_> = results.iter().map(|row| (row.line, row.code.to_string(), row.link.clone())).collect();
    let link = |id, name: &str| Some(ResultLink { id, name: name.to_owned() });
    let second = new(21, "", 3).link;
    assert_eq!(
        told,
        [(2, "48000".to_owned(), link(won.id, &won.name)), (3, "48000".to_owned(), link(second.id, &second.name))]
    );
    assert!(results.iter().all(|row| row.operation.is_none() && row.refusal.is_none()));
}
