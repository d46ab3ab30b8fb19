//! Corrections and proposals.

use super::Subject;
use super::fixtures::{FIRST, at, begin_attempt, carried_out, new_operation, new_order, outcome, settled, stored};
use crate::{Correction, CorrectionRecord, LifeId, OutcomeRecord, Proposal, Recorded, RecoveryChange, WaitingCount};
use tollgate_core::ident::OperationId;
use tollgate_core::order::{Operation, OperationEvent, OperationKind, OperationState, Order, PayKind, Phase, WayOut};

/// More outcomes than any numbering by eight has room for.
const CORRECTIONS: i64 = 12;

/// Rule: a forced outcome is written with its reasons, and ends the recovery.
pub async fn a_correction_is_written_with_its_reasons_and_ends_the_recovery(subject: &dyn Subject) {
    let store = subject.open().await;
    let unknown = settled(store.as_ref(), new_order(0, "forced", PayKind::Purchase), OperationEvent::NoAnswer).await;
    let record = forced(&unknown.order, &unknown.operation, OperationEvent::ForcedApproved, 1, Some(0));
    assert_eq!(store.record_correction(record.clone()).await.unwrap(), Recorded::Written);
    drop(store);
    let store = subject.open().await;
    let told = store.story(unknown.order.fort_id).await.unwrap().unwrap();
    assert_eq!(told.order, record.outcome.order);
    assert_eq!(told.order.phase, Phase::Purchased);
    let outcomes = &told.operations[0].outcomes;
    assert_eq!(outcomes[0].correction, None);
    assert_eq!(outcomes[1].correction.as_ref(), Some(&record.correction));
    assert_eq!(told.operations[0].recovery, None);
    assert_eq!(store.recovery_backlog().await.unwrap(), (0, None));
    assert_eq!(store.record_correction(record).await.unwrap(), Recorded::Changed, "written once");
}

/// Rule: a correction that did not see the latest recovery message is not written.
pub async fn a_correction_and_a_recovery_message_never_both_win(subject: &dyn Subject) {
    let store = subject.open().await;
    let unknown = settled(store.as_ref(), new_order(0, "begun", PayKind::Purchase), OperationEvent::NoAnswer).await;
    assert!(begin_attempt(&*store, unknown.operation.id, 0, at(100)).await.unwrap());
    let unseen = forced(&unknown.order, &unknown.operation, OperationEvent::ForcedReversed, 1, Some(0));
    assert_eq!(store.record_correction(unseen).await.unwrap(), Recorded::RecoveryBegun);
    assert_eq!(stored(store.as_ref(), unknown.order.fort_id, unknown.order.merchant).await, unknown.order);
    let seen = forced(&unknown.order, &unknown.operation, OperationEvent::ForcedReversed, 1, Some(1));
    assert_eq!(store.record_correction(seen).await.unwrap(), Recorded::Written);
    assert!(!begin_attempt(&*store, unknown.operation.id, 1, at(200)).await.unwrap(), "the row is gone");
}

/// Rule: however often an operation is corrected, each outcome stays, in its order.
pub async fn an_operation_is_corrected_as_often_as_it_takes(subject: &dyn Subject) {
    let store = subject.open().await;
    let mut placed = settled(store.as_ref(), new_order(0, "often", PayKind::Purchase), OperationEvent::Approved).await;
    // A neighbour whose numbers come right after.
    let next = settled(store.as_ref(), new_order(1, "next", PayKind::Purchase), OperationEvent::Declined).await;
    for round in 1..=CORRECTIONS {
        let event = match placed.operation.state {
            OperationState::Approved => OperationEvent::ForcedReversed,
            _ => OperationEvent::ForcedApproved,
        };
        let record = forced(&placed.order, &placed.operation, event, round, None);
        assert_eq!(store.record_correction(record.clone()).await.unwrap(), Recorded::Written, "{round}");
        placed.operation.state = record.outcome.state;
        placed.order = record.outcome.order;
        let read = store.operation(placed.operation.id).await.unwrap().unwrap();
        assert_eq!((&read.operation, &read.stored.order), (&placed.operation, &placed.order), "{round}");
    }
    let told = store.story(placed.order.fort_id).await.unwrap().unwrap();
    let rounds: Vec<String> =
        told.operations[0].outcomes.iter().filter_map(|o| Some(o.correction.as_ref()?.reason.clone())).collect();
    let expected: Vec<String> = (1..=CORRECTIONS).map(|round| format!("reason {round}")).collect();
    assert_eq!(rounds, expected);
    assert_eq!(store.operation(next.operation.id).await.unwrap().unwrap().operation, next.operation);
}

/// Rule: a refund that counts after all has its reference again.
pub async fn a_refund_that_counts_after_all_keeps_its_reference(subject: &dyn Subject) {
    let store = subject.open().await;
    let paid = settled(store.as_ref(), new_order(0, "refunded", PayKind::Purchase), OperationEvent::Approved).await;
    let mut refund = new_operation(1, &paid.order, OperationKind::Refund, 100);
    refund.maintenance_reference = Some("R-1".to_owned());
    let declined = carried_out(store.as_ref(), &paid.order, refund, OperationEvent::Declined).await;
    let record = forced(&declined.order, &declined.operation, OperationEvent::ForcedApproved, 1, None);
    assert_eq!(store.record_correction(record.clone()).await.unwrap(), Recorded::Written);
    let mut again = new_operation(2, &record.outcome.order, OperationKind::Refund, 100);
    again.maintenance_reference = Some("R-1".to_owned());
    let taken = crate::OperationClaim::MaintenanceReferenceTaken(declined.operation.id);
    assert_eq!(store.claim_operation(again).await.unwrap(), taken);
}

/// Rule: an operation has one proposal at most; it goes when it is carried out, withdrawn, or outlived.
pub async fn an_operation_has_one_proposal_until_it_is_settled(subject: &dyn Subject) {
    let store = subject.open().await;
    let first = settled(store.as_ref(), new_order(0, "first", PayKind::Purchase), OperationEvent::NoAnswer).await;
    let second = settled(store.as_ref(), new_order(1, "second", PayKind::Purchase), OperationEvent::NoAnswer).await;
    let third = settled(store.as_ref(), new_order(2, "third", PayKind::Purchase), OperationEvent::NoAnswer).await;
    for (seconds, placed) in (10..).zip([&first, &second, &third]) {
        assert!(store.propose_correction(proposal(placed.operation.id, seconds)).await.unwrap());
        assert!(!store.propose_correction(proposal(placed.operation.id, 50)).await.unwrap(), "one at a time");
    }
    drop(store);
    let store = subject.open().await;
    let proposed =
        [proposal(first.operation.id, 10), proposal(second.operation.id, 11), proposal(third.operation.id, 12)];
    assert_eq!(store.proposals(10).await.unwrap(), proposed);
    assert_eq!(store.proposals(1).await.unwrap(), proposed[..1]);
    assert!(store.withdraw_proposal(first.operation.id).await.unwrap());
    assert!(!store.withdraw_proposal(first.operation.id).await.unwrap());
    let record = forced(&second.order, &second.operation, OperationEvent::ForcedReversed, 1, Some(0));
    assert_eq!(store.record_correction(record).await.unwrap(), Recorded::Written);
    let by_itself = outcome(&third.order, &third.operation, OperationEvent::ReversalAcknowledged, at(60));
    assert_eq!(store.record_outcome(by_itself).await.unwrap(), Recorded::Written);
    assert_eq!(store.proposals(10).await.unwrap(), []);
}

/// Rule: what waits is listed oldest first and counted by its way out.
pub async fn what_waits_is_listed_and_counted_by_age_and_way_out(subject: &dyn Subject) {
    let store = subject.open().await;
    assert_eq!(store.waiting_counts(at(1_000)).await.unwrap(), []);
    let old = settled(store.as_ref(), new_order(0, "old", PayKind::Purchase), OperationEvent::NoAnswer).await;
    let new = settled(store.as_ref(), new_order(50, "new", PayKind::Purchase), OperationEvent::NoAnswer).await;
    let held = settled(store.as_ref(), new_order(1, "held", PayKind::Authorization), OperationEvent::Approved).await;
    let capture = new_operation(10, &held.order, OperationKind::Capture, 100);
    let capture = carried_out(store.as_ref(), &held.order, capture, OperationEvent::NoAnswer).await;
    let listed = |rows: Vec<crate::RecoveryRow>| -> Vec<OperationId> { rows.iter().map(|row| row.operation).collect() };
    let (old, new, capture) = (old.operation.id, new.operation.id, capture.operation.id);
    assert_eq!(listed(store.waiting_since(at(1_000), 10).await.unwrap()), [old, capture, new]);
    assert_eq!(listed(store.waiting_since(at(1_000), 2).await.unwrap()), [old, capture]);
    assert_eq!(listed(store.waiting_since(at(20), 10).await.unwrap()), [old, capture]);
    let count = |way_out, operations, oldest| WaitingCount { way_out, operations, oldest };
    assert_eq!(
        store.waiting_counts(at(1_000)).await.unwrap(),
        [count(WayOut::Reverse, 2, at(0).plus_ms(300)), count(WayOut::Repeat, 1, at(10).plus_ms(300))]
    );
    assert_eq!(store.waiting_counts(at(0)).await.unwrap(), []);
}

pub(super) fn forced(
    order: &Order,
    operation: &Operation,
    event: OperationEvent,
    round: i64,
    attempts: Option<u32>,
) -> CorrectionRecord {
    let record = outcome(order, operation, event, at(100 + round));
    let recovery = match operation.state {
        OperationState::Unknown => RecoveryChange::End,
        _ => RecoveryChange::None,
    };
    CorrectionRecord {
        outcome: OutcomeRecord { recovery, ..record },
        correction: Correction {
            reason: format!("reason {round}"),
            evidence: "clearing.txt".to_owned(),
            evidence_sha256: Some("ab".repeat(32)),
            by: "Ann".to_owned(),
            approved_by: Some("Bob".to_owned()),
        },
        attempts,
        life: LifeId::NONE,
    }
}

fn proposal(operation: OperationId, seconds: i64) -> Proposal {
    Proposal {
        operation,
        event: OperationEvent::ForcedReversed,
        state_before: OperationState::Unknown,
        correction: Correction {
            reason: "a letter of the bank".to_owned(),
            evidence: format!("letter {}", operation.0 - FIRST),
            evidence_sha256: None,
            by: "Ann".to_owned(),
            approved_by: None,
        },
        at: at(seconds),
    }
}
