//! Random calls, one after the other, against the store and against a simple model in memory.

use super::Subject;
use super::chance::Chance;
use super::fixtures::*;
use super::reading::summed;
use crate::{
    LifeId, NewOperation, NewOrder, OperationClaim, OrderClaim, OutcomeRecord, Recorded, RecoveryChange, RecoveryRow,
    Store, StoryOutcome, Whose,
};
use std::collections::BTreeMap;
use tollgate_core::apply::{Outcome, apply};
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::order::{Operation, OperationEvent, OperationKind, OperationState, Order, PayKind};
use tollgate_core::time::Timestamp;

const SEEDS: [u64; 3] = [1, 2, 3];
const CALLS_PER_SEED: i64 = 400;
const CALLS_BETWEEN_CHECKS: i64 = 50;

/// Whatever is called, the store answers what the model answers, and holds what the model holds.
pub async fn random_calls_answer_as_the_model_does(subject: &dyn Subject) {
    let mut store = subject.open().await;
    let mut model = Model::default();
    for seed in SEEDS {
        let mut chance = Chance::new(seed);
        for call in 0..CALLS_PER_SEED {
            let now = at(i64::try_from(seed).unwrap() * 100_000 + call * 10);
            step(&*store, &mut model, &mut chance, now).await;
            if call % CALLS_BETWEEN_CHECKS == 0 {
                model.compare(&*store, now).await;
            }
        }
        drop(store);
        store = subject.open().await;
        model.compare(&*store, at(10_000_000)).await;
    }
}

async fn step(store: &dyn Store, model: &mut Model, chance: &mut Chance, now: Timestamp) {
    match chance.below(10) {
        0 | 1 => {
            let new = random_claim(chance, now);
            assert_eq!(store.claim_order(new.clone()).await.unwrap(), model.claim_order(&new), "{new:?}");
        }
        2..=4 => {
            let Some(new) = random_operation(model, chance) else { return };
            assert_eq!(store.claim_operation(new.clone()).await.unwrap(), model.claim_operation(&new), "{new:?}");
        }
        5..=8 => {
            let Some(record) = random_outcome(model, chance, now) else { return };
            assert_eq!(store.record_outcome(record.clone()).await.unwrap(), model.record(&record), "{record:?}");
        }
        _ => {
            let ids: Vec<OperationId> = model.recoveries.keys().copied().collect();
            let id = if ids.is_empty() { OperationId(FIRST) } else { *chance.pick(&ids) };
            let before = model.recoveries.get(&id).map_or(0, |row| row.attempts);
            let before = if chance.one_in(4) { before + 1 } else { before };
            let retry_at = now.plus_ms(chance.below(1_000_000));
            let begun = begin_attempt(store, id, before, retry_at).await.unwrap();
            assert_eq!(begun, model.begin_attempt(id, before, retry_at));
        }
    }
}

/// Few numbers and references, so that they meet.
fn random_claim(chance: &mut Chance, now: Timestamp) -> NewOrder {
    let number = i64::try_from(chance.below(400)).unwrap();
    let kind = *chance.pick(&[PayKind::Authorization, PayKind::Purchase]);
    let new = new_order(number, &format!("order-{}", chance.below(200)), kind);
    let order = Order { merchant: MerchantId(1 + i64::from(chance.one_in(3))), created_at: now, ..new.order };
    NewOrder { order, ..new }
}

fn random_operation(model: &Model, chance: &mut Chance) -> Option<NewOperation> {
    let orders: Vec<&Order> = model.orders.values().collect();
    if orders.is_empty() {
        return None;
    }
    let order = *chance.pick(&orders);
    let kind = *chance.pick(&[OperationKind::Capture, OperationKind::Void, OperationKind::Refund]);
    let number = i64::try_from(chance.below(2_000)).unwrap();
    let mut new = new_operation(number, order, kind, 1 + chance.below(4_000));
    if kind == OperationKind::Refund && !chance.one_in(3) {
        new.maintenance_reference = Some(format!("refund-{}", chance.below(12)));
    }
    if chance.one_in(8) {
        new.order_version = new.order_version.wrapping_add(1);
    }
    if chance.one_in(12) {
        new.merchant = MerchantId(9);
    }
    Some(new)
}

/// An outcome that the core allows of some operation, now and then judged on something stale.
fn random_outcome(model: &Model, chance: &mut Chance, now: Timestamp) -> Option<OutcomeRecord> {
    let open: Vec<&Order> = model.orders.values().filter(|order| order.open_operation.is_some()).collect();
    if open.is_empty() {
        return None;
    }
    let order = *chance.pick(&open);
    let operation = &model.operations.get(&order.open_operation?)?.operation;
    // What begins a checkout has rules of its own: see `checkouts::tries`.
    let event = *chance.pick(OperationEvent::ALL);
    if event == OperationEvent::AuthenticationWanted {
        return None;
    }
    // Not every event can happen to every operation, nor every operation to every order.
    apply(order, operation, &Outcome::silent(event)).ok()?;
    let mut record = outcome(order, operation, event, now);
    if record.recovery == RecoveryChange::End && chance.one_in(2) {
        record.recovery = RecoveryChange::EndIfUnsent;
    }
    match chance.below(12) {
        0 => record.order.version = record.order.version.wrapping_add(1),
        1 => {
            record.state_before = match record.state_before {
                OperationState::Sent => OperationState::Unknown,
                _ => OperationState::Sent,
            }
        }
        _ => {}
    }
    Some(record)
}

/// What a store holds, kept as simply as possible.
#[derive(Default)]
struct Model {
    orders: BTreeMap<FortId, Order>,
    operations: BTreeMap<OperationId, Known>,
    refund_references: BTreeMap<(MerchantId, String), OperationId>,
    recoveries: BTreeMap<OperationId, RecoveryRow>,
}

struct Known {
    operation: Operation,
    reference: Option<String>,
    outcomes: Vec<StoryOutcome>,
}

impl Model {
    fn claim_order(&mut self, new: &NewOrder) -> OrderClaim {
        let order = &new.order;
        let same =
            |other: &&Order| other.merchant == order.merchant && other.merchant_reference == order.merchant_reference;
        if let Some(taken) = self.orders.values().find(same) {
            return OrderClaim::ReferenceTaken(taken.fort_id);
        }
        if self.operations.contains_key(&new.operation.id) {
            return OrderClaim::NumberTaken;
        }
        self.orders.insert(order.fort_id, order.clone());
        self.know(new.operation.clone(), None);
        OrderClaim::Claimed
    }

    fn claim_operation(&mut self, new: &NewOperation) -> OperationClaim {
        let Some(order) = self.orders.get_mut(&new.operation.fort_id) else { return OperationClaim::OrderChanged };
        if order.merchant != new.merchant || order.version != new.order_version || order.open_operation.is_some() {
            return OperationClaim::OrderChanged;
        }
        let key = new.maintenance_reference.clone().map(|reference| (new.merchant, reference));
        if let Some(taken) = key.as_ref().and_then(|key| self.refund_references.get(key)) {
            return OperationClaim::MaintenanceReferenceTaken(*taken);
        }
        if self.operations.contains_key(&new.operation.id) {
            return OperationClaim::NumberTaken;
        }
        order.open_operation = Some(new.operation.id);
        order.version += 1;
        if let Some(key) = key {
            self.refund_references.insert(key, new.operation.id);
        }
        self.know(new.operation.clone(), new.maintenance_reference.clone());
        OperationClaim::Claimed
    }

    fn record(&mut self, record: &OutcomeRecord) -> Recorded {
        let order = self.orders.get_mut(&record.order.fort_id).unwrap();
        let known = self.operations.get_mut(&record.operation).unwrap();
        if order.version + 1 != record.order.version || known.operation.state != record.state_before {
            return Recorded::Changed;
        }
        let begun = self.recoveries.get(&record.operation).is_some_and(|row| row.attempts > 0);
        if record.recovery == RecoveryChange::EndIfUnsent && begun {
            return Recorded::RecoveryBegun;
        }
        *order = record.order.clone();
        known.operation.state = record.state;
        known.outcomes.push(StoryOutcome {
            event: record.event,
            state: record.state,
            code: record.code,
            network_code: record.network_code.clone(),
            authorization_code: record.authorization_code.clone(),
            network_transaction_id: record.network_transaction_id.clone(),
            advice: record.advice,
            trace: record.trace.clone(),
            correction: None,
            at: record.at,
        });
        match record.recovery {
            RecoveryChange::None => {}
            RecoveryChange::Begin { way_out, due_at } => {
                let row = RecoveryRow {
                    operation: record.operation,
                    fort_id: order.fort_id,
                    merchant: order.merchant,
                    way_out,
                    attempts: 0,
                    due_at,
                    created_at: record.at,
                };
                self.recoveries.insert(record.operation, row);
            }
            RecoveryChange::End | RecoveryChange::EndIfUnsent => {
                self.recoveries.remove(&record.operation);
            }
        }
        let nothing = [OperationState::Declined, OperationState::Reversed, OperationState::NotSent];
        if nothing.contains(&record.state)
            && let Some(reference) = known.reference.take()
        {
            self.refund_references.remove(&(order.merchant, reference));
        }
        Recorded::Written
    }

    fn begin_attempt(&mut self, id: OperationId, before: u32, retry_at: Timestamp) -> bool {
        match self.recoveries.get_mut(&id) {
            Some(row) if row.attempts == before => {
                row.attempts += 1;
                row.due_at = retry_at;
                true
            }
            _ => false,
        }
    }

    fn know(&mut self, operation: Operation, reference: Option<String>) {
        self.operations.insert(operation.id, Known { operation, reference, outcomes: Vec::new() });
    }

    async fn compare(&self, store: &dyn Store, now: Timestamp) {
        for order in self.orders.values() {
            assert_eq!(stored(store, order.fort_id, order.merchant).await, *order);
            assert!(order.totals.are_consistent());
            let story = store.story(order.fort_id).await.unwrap().unwrap();
            let first = self.operations.get(&OperationId(order.fort_id.0)).unwrap();
            let later = self
                .operations
                .values()
                .filter(|known| known.operation.fort_id == order.fort_id && known.operation.id != first.operation.id);
            let expected: Vec<&Known> = std::iter::once(first).chain(later).collect();
            assert_eq!(story.operations.len(), expected.len());
            for (told, known) in story.operations.iter().zip(expected) {
                assert_eq!(told.operation, known.operation);
                assert_eq!(told.outcomes, known.outcomes);
                assert_eq!(told.recovery.as_ref(), self.recoveries.get(&known.operation.id));
            }
        }
        let mut due: Vec<RecoveryRow> = self.recoveries.values().filter(|row| row.due_at <= now).cloned().collect();
        due.sort_by_key(|row| (row.due_at, row.operation));
        assert_eq!(store.recoveries_due(LifeId::NONE, now, usize::MAX).await.unwrap(), due);
        assert_eq!(store.recovery_next_due().await.unwrap(), self.recoveries.values().map(|row| row.due_at).min());
        let oldest = self.recoveries.values().map(|row| row.created_at).min();
        let count = u64::try_from(self.recoveries.len()).unwrap();
        assert_eq!(store.recovery_backlog().await.unwrap(), (count, oldest));
        assert_eq!(store.totals().await.unwrap(), summed(self.orders.values()));
        let mut sent: Vec<OperationId> = self
            .operations
            .values()
            .filter(|known| known.operation.state == OperationState::Sent)
            .map(|known| known.operation.id)
            .collect();
        sent.sort();
        let mut unfinished: Vec<OperationId> = store
            .unfinished(Whose::Everybody { before: now }, usize::MAX)
            .await
            .unwrap()
            .iter()
            .map(|row| row.operation.id)
            .collect();
        unfinished.sort();
        assert_eq!(unfinished, sent);
    }
}
