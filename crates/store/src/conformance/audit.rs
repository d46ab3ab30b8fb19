//! The audit log: rows that are only added, each chained to the one before.

use super::Subject;
use super::fixtures::{START, account, at, claimed, new_operation, new_order, outcome, settled};
use crate::{
    AUDIT_ENTRIES_PER_CALL_MAX, AuditChain, AuditDesk, AuditMac, AuditRow, ChannelKeyOccasion, NewDataKey,
    NewOperation, NewOrder, OperationClaim, OrderClaim, OutcomeRecord, Recorded, Store, StoreError,
};
use futures_util::future::join_all;
use std::sync::Arc;
use tollgate_core::audit::{AuditAction, AuditEntry, AuditReason, AuditWho};
use tollgate_core::ident::{MerchantId, OperationId};
use tollgate_core::order::{OperationEvent, OperationKind, PayKind};
use tollgate_core::time::{Clock, Timestamp};
use tollgate_vault::{AuditKey, DataKeyBytes, DataKeyId, RotationState};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        START
    }
}

fn key() -> AuditKey {
    AuditKey::new(DataKeyId(5), START, &DataKeyBytes::copied_from(&[7; 32]).unwrap())
}

fn person() -> AuditWho {
    AuditWho::Person { name: "A. Person".to_owned(), by: "a test".to_owned() }
}

async fn begun(store: &dyn Store) {
    store.begin_audit(AuditDesk { key: key(), clock: Arc::new(Noon), who: person() }).await.unwrap();
}

fn entry(number: i64) -> AuditEntry {
    AuditEntry {
        why: AuditReason::Capture,
        operation: Some(OperationId(number)),
        ..AuditEntry::new(at(number), AuditWho::Request, AuditAction::CardRevealed)
    }
}

/// All rows, in pages of three; each follows the one before and is authentic.
async fn rows(store: &dyn Store) -> Vec<AuditRow> {
    let mut all: Vec<AuditRow> = Vec::new();
    loop {
        let after = all.last().map_or(0, |row| row.number);
        let page = store.audit_rows(AuditChain::SOLE, after, 3).await.unwrap();
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    let mut before = AuditMac::NONE;
    for (row, number) in all.iter().zip(1..) {
        assert_eq!((row.number, row.previous, row.chain), (number, before, AuditChain::SOLE));
        assert!(row.is_authentic(&key()), "row {number}");
        before = row.mac;
    }
    assert_eq!(store.audit_head(AuditChain::SOLE).await.unwrap(), all.last().map(AuditRow::head));
    all
}

async fn entries(store: &dyn Store) -> Vec<AuditEntry> {
    rows(store).await.iter().flat_map(|row| row.read().unwrap()).collect()
}

/// The entries behind the first, which tells that the log was begun.
async fn later(store: &dyn Store) -> Vec<AuditEntry> {
    entries(store).await.split_off(1)
}

/// Rule: entries are in the transaction of the call that they came with: written when it is, whatever it answers, and
/// gone when it is refused.
pub async fn entries_are_written_with_their_call_or_not_at_all(subject: &dyn Subject) {
    let store = subject.open().await;
    begun(&*store).await;
    let new = NewOrder { audit: vec![entry(1)], ..new_order(1, "order-1", PayKind::Authorization) };
    assert_eq!(store.claim_order(new.clone()).await.unwrap(), OrderClaim::Claimed);
    let taken = NewOrder { audit: vec![entry(2)], ..new_order(2, "order-1", PayKind::Authorization) };
    assert!(matches!(store.claim_order(taken).await.unwrap(), OrderClaim::ReferenceTaken(_)));
    assert_eq!(later(&*store).await, [entry(1), entry(2)], "the card was opened, whoever has the reference");

    let wrong = new_order(3, "order-3", PayKind::Authorization);
    let wrong = NewOrder { operation: new.operation.clone(), audit: vec![entry(3)], ..wrong };
    assert!(matches!(store.claim_order(wrong).await, Err(StoreError::Refused(_))));
    assert_eq!(later(&*store).await.len(), 2, "a call that was refused has written nothing");

    let held = settled(&*store, new_order(4, "order-4", PayKind::Authorization), OperationEvent::Approved).await;
    let capture = new_operation(5, &held.order, OperationKind::Capture, 100);
    let capture = NewOperation { audit: vec![entry(5)], ..capture };
    assert_eq!(store.claim_operation(capture).await.unwrap(), OperationClaim::Claimed);
    assert_eq!(later(&*store).await.last(), Some(&entry(5)));
}

/// Rule: the rows since a moment begin with the first that is not older.
pub async fn the_first_row_since_a_moment_is_found(subject: &dyn Subject) {
    let store = subject.open().await;
    begun(&*store).await;
    store.note_audit(vec![entry(1)]).await.unwrap();
    let since = async |at| store.audit_row_since(AuditChain::SOLE, at).await.unwrap();
    assert_eq!(since(START).await, Some(1), "both are of that moment");
    assert_eq!(since(Timestamp(START.0 - 1)).await, Some(1));
    assert_eq!(since(Timestamp(START.0 + 1)).await, None);
    struct Later;
    impl Clock for Later {
        fn now(&self) -> Timestamp {
            at(60)
        }
    }
    store.begin_audit(AuditDesk { key: key(), clock: Arc::new(Later), who: person() }).await.unwrap();
    store.note_audit(vec![entry(2)]).await.unwrap();
    let last = rows(&*store).await.last().map(|row| row.number);
    assert_eq!(since(Timestamp(START.0 + 1)).await, last);
    assert_eq!(since(at(60)).await, last);
    assert_eq!(since(at(61)).await, None);
}

/// Rule: what follows from an outcome brings its own entries, which are written once, with the outcome.
pub async fn entries_of_what_follows_from_an_outcome_are_written_with_it(subject: &dyn Subject) {
    let store = subject.open().await;
    begun(&*store).await;
    let new = claimed(&*store, new_order(1, "card", PayKind::VerifyByHold)).await;
    let record = outcome(&new.order, &new.operation, OperationEvent::Approved, at(2));
    let void = new_operation(2, &record.order, OperationKind::Void, 10_000);
    let void = NewOperation { audit: vec![entry(2)], ..void };
    let record = OutcomeRecord { next: Some(Box::new(void)), ..record };
    assert_eq!(store.record_outcome(record.clone()).await.unwrap(), Recorded::Written);
    assert_eq!(later(&*store).await, [entry(2)]);
    assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::Changed);
    assert_eq!(later(&*store).await.len(), 1, "an outcome that was not written has none");
}

/// Rule: whoever does not say under which key cannot write, and what was to be noted is not lost in silence.
pub async fn entries_before_the_log_is_begun_are_refused(subject: &dyn Subject) {
    let store = subject.open().await;
    let new = NewOrder { audit: vec![entry(1)], ..new_order(1, "order-1", PayKind::Purchase) };
    assert!(matches!(store.claim_order(new.clone()).await, Err(StoreError::Refused(_))));
    assert!(matches!(store.note_audit(vec![entry(1)]).await, Err(StoreError::Refused(_))));
    assert_eq!(store.audit_head(AuditChain::SOLE).await.unwrap(), None);
    begun(&*store).await;
    assert_eq!(store.claim_order(new).await.unwrap(), OrderClaim::Claimed, "and nothing of it was kept");
    let too_many = vec![entry(1); AUDIT_ENTRIES_PER_CALL_MAX + 1];
    assert!(matches!(store.note_audit(too_many).await, Err(StoreError::Refused(_))));
    assert_eq!(entries(&*store).await.len(), 2);
}

/// Rule: many writers, of one process and of several, make one chain without a gap, and it goes on after a restart.
pub async fn many_writers_make_one_chain(subject: &dyn Subject) {
    let (one, other) = (subject.open().await, subject.open().await);
    begun(&*one).await;
    begun(&*other).await;
    let note = |number: i64| {
        let store = Arc::clone(if number % 2 == 0 { &one } else { &other });
        tokio::spawn(async move { store.note_audit(vec![entry(number)]).await.unwrap() })
    };
    join_all((0..40).map(note)).await.into_iter().for_each(|ended| ended.unwrap());
    let again = subject.open().await;
    begun(&*again).await;
    again.note_audit(vec![entry(40)]).await.unwrap();
    one.note_audit(vec![entry(41)]).await.unwrap();
    let told = later(&*other).await;
    let mut numbers: Vec<i64> = told.iter().map(|entry| entry.operation.unwrap().0).collect();
    assert_eq!(numbers[40..], [40, 41]);
    numbers.sort_unstable();
    assert_eq!(numbers, (0..42).collect::<Vec<_>>());
    assert_eq!(entries(&*one).await[0].action, AuditAction::LogBegun);
}

/// Rule: what only the store sees to its end it notes itself, in the name of the process; what came to nothing it
/// does not.
pub async fn what_the_store_does_itself_is_noted(subject: &dyn Subject) {
    let store = subject.open().await;
    begun(&*store).await;
    let new = NewDataKey {
        merchant: MerchantId(3),
        period: 202_611,
        generation: 1,
        rotation: RotationState::None,
        kek_version: 2,
        wrapped: vec![7; 61],
        created_at: at(1),
    };
    let kept = store.add_data_key(new.clone()).await.unwrap();
    assert_eq!(store.add_data_key(new).await.unwrap(), kept, "and no second entry");
    store.finish_rotation(kept.id).await.unwrap();
    store.add_merchant(account("one")).await.unwrap();
    let mut saved = store.merchants().await.unwrap().remove(0);
    store.save_merchant(saved.clone(), "tokens".to_owned()).await.unwrap();
    saved.version = 1;
    store.save_merchant(saved.clone(), "tokens again".to_owned()).await.unwrap();
    store.add_channel_keys(Vec::new(), ChannelKeyOccasion::First).await.unwrap();
    let order = settled(&*store, new_order(1, "order-1", PayKind::Purchase), OperationEvent::NoAnswer).await;
    let forced = crate::CorrectionRecord {
        outcome: outcome(&order.order, &order.operation, OperationEvent::ForcedApproved, at(9)),
        correction: crate::Correction {
            reason: "the clearing file".to_owned(),
            evidence: "a file".to_owned(),
            evidence_sha256: None,
            by: "B. Person".to_owned(),
            approved_by: Some("C. Person".to_owned()),
        },
        attempts: Some(0),
        life: crate::LifeId::NONE,
    };
    store.record_correction(forced).await.unwrap();
    let told = later(&*store).await;
    let actions: Vec<AuditAction> = told.iter().map(|entry| entry.action).collect();
    assert_eq!(
        actions,
        [
            AuditAction::DataKeyMade,
            AuditAction::DataKeyRotated,
            AuditAction::MerchantAdded,
            AuditAction::MerchantChanged,
            AuditAction::ChannelKeysMade,
            AuditAction::OutcomeForced,
        ]
    );
    assert!(told[..5].iter().all(|entry| entry.who == person() && entry.at == START), "{told:?}");
    assert_eq!((told[0].merchant, told[2].merchant), (Some(MerchantId(3)), Some(saved.id)));
    assert_eq!(told[3].detail, "tokens");
    assert_eq!(told[5].operation, Some(order.operation.id));
    for part in ["C. Person", "the clearing file"] {
        assert!(told[5].detail.contains(part), "{}", told[5].detail);
    }
    assert_eq!(told[5].who, AuditWho::Person { name: "B. Person".to_owned(), by: "unknown".to_owned() });
}
