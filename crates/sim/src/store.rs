//! The gateway's store as one life of it sees it: the real SQLite store, which by the seed is slow, fails before or after a
//! commit, or takes the gateway down with it.

use crate::chance::Chance;
use crate::issuer::Name;
use crate::life::Life;
use crate::mutants::{GIVE_UP_AFTER, Mutant};
use crate::plan::{Fault, Plan, Rates};
use crate::record::{Event, OrderNumber};
use crate::watch::Watch;
use std::collections::HashMap;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tollgate_core::command::OrderTarget;
use tollgate_core::feedback::FeedbackId;
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::order::WireReference;
use tollgate_core::time::Timestamp;
use tollgate_store::{
    Attempt, ChannelKeyOccasion, ChannelKeyRecord, Channels, CorrectionRecord, Corrections, CurrencyTotals, DataKeys,
    FeedbackAttempt, FeedbackBacklog, FeedbackContent, FeedbackFilter, FeedbackFinish, FeedbackFinished, FeedbackLease,
    FeedbackLeased, FeedbackProbe, FeedbackRouse, FeedbackRow, FeedbackThen, Feedbacks, MerchantRecord, MerchantSave,
    Merchants, NewDataKey, NewOperation, NewOrder, NonceUse, OperationClaim, OrderClaim, Orders, OutcomeRecord,
    PortFuture, Proposal, Recorded, Recoveries, RecoveryChange, RecoveryRow, RefusalRow, Refusals, StoreError,
    StoreFuture, StoredOperation, StoredOrder, Story, Unfinished, WaitingCount, WrappedDataKey,
};
use tollgate_store_sqlite::SqliteStore;

/// What stands before the order's number in `merchant_reference`.
pub const REFERENCE_MARK: &str = "order-";

/// What the stores of all lives share: the seed's decisions and whose the operations are.
pub struct StoreFaults {
    watch: Arc<Watch>,
    seed: u64,
    rates: Rates,
    calm_from_ms: u64,
    mutant: Option<Mutant>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// How often a call was made for an order: names its chance.
    calls: HashMap<(Option<OrderNumber>, &'static str), u64>,
    owners: HashMap<OperationId, OrderNumber>,
}

/// What becomes of a call.
#[derive(Clone, Copy)]
struct Fate {
    fault: Option<Fault>,
    slow_ms: u64,
    /// Whether a slow call is slow before its work, or after.
    slow_before: bool,
}

/// Whether a call changes anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Reads,
    Writes,
}

impl StoreFaults {
    /// The faults of a plan.
    #[must_use]
    pub fn new(plan: &Plan, watch: Arc<Watch>) -> StoreFaults {
        StoreFaults {
            watch,
            seed: plan.seed,
            rates: plan.rates(),
            calm_from_ms: plan.calm_from_ms(),
            mutant: plan.mutant,
            memory: Mutex::default(),
        }
    }

    fn own(&self, operation: OperationId, order: Option<OrderNumber>) {
        if let Some(order) = order {
            self.memory.lock().unwrap_or_else(PoisonError::into_inner).owners.insert(operation, order);
        }
    }

    fn owner(&self, operation: OperationId) -> Option<OrderNumber> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).owners.get(&operation).copied()
    }

    fn fate(&self, call: &'static str, order: Option<OrderNumber>, access: Access) -> Fate {
        let calm = Fate { fault: None, slow_ms: 0, slow_before: false };
        if self.watch.clock.ms() >= self.calm_from_ms {
            return calm;
        }
        let count = {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            let count = memory.calls.entry((order, call)).or_insert(0);
            *count += 1;
            *count
        };
        let about = order.map_or(u64::MAX, u64::from);
        let mut chance = Chance::of(self.seed, call, &[about, count]);
        let faults: &[Fault] = match access {
            Access::Reads => &[Fault::StoreSlow, Fault::StoreFailsBefore],
            Access::Writes => &[
                Fault::StoreSlow,
                Fault::StoreFailsBefore,
                Fault::StoreFailsAfter,
                Fault::CrashBefore,
                Fault::CrashAfter,
            ],
        };
        let fault = faults.iter().copied().find(|fault| chance.happens(self.rates.of(*fault)));
        let slow_ms = if chance.happens(8_000) { chance.between(1, 300) } else { chance.between(300, 4_000) };
        // What was read is told at once: a slow read is slow before it reads.
        Fate { fault, slow_ms, slow_before: access == Access::Reads || chance.happens(5_000) }
    }
}

/// The store of one life.
pub struct WorldStore {
    inner: Arc<SqliteStore>,
    faults: Arc<StoreFaults>,
    life: Life,
}

impl WorldStore {
    /// `inner` as `life` sees it.
    #[must_use]
    pub fn new(inner: Arc<SqliteStore>, faults: Arc<StoreFaults>, life: Life) -> WorldStore {
        WorldStore { inner, faults, life }
    }

    /// Makes a call, with whatever the seed does to it. `name_end` says in a word how it ended.
    async fn call<T>(
        &self,
        call: &'static str,
        order: Option<OrderNumber>,
        access: Access,
        work: impl Future<Output = Result<T, StoreError>>,
        name_end: impl FnOnce(&T) -> &'static str,
    ) -> Result<T, StoreError> {
        self.life.go_on().await;
        let fate = self.faults.fate(call, order, access);
        if let Some(fault) = fate.fault {
            self.faults.watch.met(order, fault, call);
        }
        match fate.fault {
            Some(Fault::StoreSlow) if fate.slow_before => self.wait(fate.slow_ms).await,
            Some(Fault::StoreFailsBefore) => return Err(StoreError::Busy),
            Some(Fault::CrashBefore) => self.die().await,
            _ => {}
        }
        let result = work.await;
        if access == Access::Writes {
            let end = result.as_ref().map_or("error", name_end);
            self.faults.watch.note(order, Event::Stored { call, end });
        }
        match fate.fault {
            Some(Fault::StoreSlow) if !fate.slow_before => self.wait(fate.slow_ms).await,
            Some(Fault::StoreFailsAfter) if self.has(Mutant::DoubtIsNo) => return Err(StoreError::Busy),
            Some(Fault::StoreFailsAfter) => return Err(commit_in_doubt()),
            Some(Fault::CrashAfter) => self.die().await,
            _ => {}
        }
        result
    }

    async fn wait(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.life.go_on().await;
    }

    async fn die(&self) {
        self.life.end();
        pending().await
    }

    fn has(&self, mutant: Mutant) -> bool {
        self.faults.mutant == Some(mutant)
    }

    /// An intent is durable.
    fn intended(&self, operation: OperationId, wire: WireReference, order: Option<OrderNumber>) {
        self.faults.watch.auditor().intended(number_of(operation));
        if let Some(order) = order {
            self.faults.watch.owners().entry(name_of(wire)).or_insert(order);
        }
    }
}

impl Orders for WorldStore {
    fn claim_order(&self, new: NewOrder) -> StoreFuture<'_, OrderClaim> {
        Box::pin(async move {
            if self.has(Mutant::SkipIntent) {
                return Ok(OrderClaim::Claimed);
            }
            let (id, wire) = (new.operation.id, new.operation.wire);
            let order = order_number(&new.order.merchant_reference);
            let work = async {
                let claim = self.inner.claim_order(new).await?;
                if claim == OrderClaim::Claimed {
                    self.faults.own(id, order);
                    self.intended(id, wire, order);
                }
                Ok(claim)
            };
            self.call("claim_order", order, Access::Writes, work, |claim| match claim {
                OrderClaim::Claimed => "claimed",
                OrderClaim::ReferenceTaken(_) => "reference taken",
                OrderClaim::NumberTaken => "number taken",
            })
            .await
        })
    }

    fn claim_operation(&self, mut new: NewOperation) -> StoreFuture<'_, OperationClaim> {
        Box::pin(async move {
            let (id, wire) = (new.operation.id, new.operation.wire);
            let order = self.faults.owner(OperationId(new.operation.fort_id.0));
            let work = async {
                if self.has(Mutant::RaceOperations) {
                    let target = OrderTarget::FortId(new.operation.fort_id);
                    let stored = self.inner.order(new.merchant, &target).await?;
                    new.order_version = stored.map_or(new.order_version, |stored| stored.order.version);
                }
                let claim = self.inner.claim_operation(new).await?;
                if claim == OperationClaim::Claimed {
                    self.faults.own(id, order);
                    self.intended(id, wire, order);
                }
                Ok(claim)
            };
            self.call("claim_operation", order, Access::Writes, work, |claim| match claim {
                OperationClaim::Claimed => "claimed",
                OperationClaim::OrderChanged => "order changed",
                OperationClaim::MaintenanceReferenceTaken(_) => "reference taken",
                OperationClaim::NumberTaken => "number taken",
            })
            .await
        })
    }

    fn record_outcome(&self, mut record: OutcomeRecord) -> StoreFuture<'_, Recorded> {
        Box::pin(async move {
            let order = order_number(&record.order.merchant_reference);
            if self.has(Mutant::AnswerUnwritten) && record.operation.0.rem_euclid(16) == 0 {
                return Ok(Recorded::Written);
            }
            if self.has(Mutant::LateAfterReversal) && record.recovery == RecoveryChange::EndIfUnsent {
                record.recovery = RecoveryChange::End;
            }
            if self.has(Mutant::ForgetFeedback) && record.operation.0.rem_euclid(16) == 0 {
                record.feedback = None;
            }
            let state = record.state.name();
            self.call("record_outcome", order, Access::Writes, self.inner.record_outcome(record), |end| match end {
                Recorded::Written => state,
                Recorded::Changed => "order changed",
                Recorded::RecoveryBegun => "recovery begun",
            })
            .await
        })
    }

    fn order<'a>(&'a self, merchant: MerchantId, target: &'a OrderTarget) -> StoreFuture<'a, Option<StoredOrder>> {
        let order = match target {
            OrderTarget::Reference(reference) | OrderTarget::Both(reference, _) => order_number(reference),
            OrderTarget::FortId(fort_id) => self.faults.owner(OperationId(fort_id.0)),
        };
        Box::pin(self.call("order", order, Access::Reads, self.inner.order(merchant, target), |_| "read"))
    }

    fn operation(&self, id: OperationId) -> StoreFuture<'_, Option<StoredOperation>> {
        let order = self.faults.owner(id);
        Box::pin(self.call("operation", order, Access::Reads, self.inner.operation(id), |_| "read"))
    }

    fn unfinished(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Vec<Unfinished>> {
        Box::pin(async move {
            if self.has(Mutant::ForgetUnfinished) {
                return Ok(Vec::new());
            }
            self.call("unfinished", None, Access::Reads, self.inner.unfinished(before, limit), |_| "read").await
        })
    }

    fn story(&self, fort_id: FortId) -> StoreFuture<'_, Option<Story>> {
        self.inner.story(fort_id)
    }

    fn orders_by_reference<'a>(&'a self, merchant_reference: &'a str, limit: usize) -> StoreFuture<'a, Vec<FortId>> {
        self.inner.orders_by_reference(merchant_reference, limit)
    }

    fn totals(&self) -> StoreFuture<'_, Vec<CurrencyTotals>> {
        self.inner.totals()
    }
}

impl Recoveries for WorldStore {
    fn recoveries_due(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<RecoveryRow>> {
        Box::pin(async move {
            let work = self.inner.recoveries_due(now, limit);
            let mut rows = self.call("recoveries_due", None, Access::Reads, work, |_| "read").await?;
            if self.has(Mutant::GiveUp) {
                rows.retain(|row| row.attempts < GIVE_UP_AFTER);
            }
            Ok(rows)
        })
    }

    fn recovery_next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        self.inner.recovery_next_due()
    }

    fn begin_attempt(
        &self,
        operation: OperationId,
        attempts_before: u32,
        retry_at: Timestamp,
    ) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            if self.has(Mutant::UncountedAttempt) {
                return Ok(true);
            }
            let work = async {
                let begun = self.inner.begin_attempt(operation, attempts_before, retry_at).await?;
                if begun {
                    self.faults.watch.auditor().recovery_begun(number_of(operation));
                }
                Ok(begun)
            };
            let order = self.faults.owner(operation);
            let name = |begun: &bool| if *begun { "begun" } else { "gone" };
            self.call("begin_attempt", order, Access::Writes, work, name).await
        })
    }

    fn note_attempt(&self, attempt: Attempt) -> StoreFuture<'_, ()> {
        let order = self.faults.owner(attempt.operation);
        Box::pin(self.call("note_attempt", order, Access::Writes, self.inner.note_attempt(attempt), |()| "noted"))
    }

    fn recovery_backlog(&self) -> StoreFuture<'_, (u64, Option<Timestamp>)> {
        Box::pin(async move {
            self.life.go_on().await;
            self.inner.recovery_backlog().await
        })
    }
}

impl Merchants for WorldStore {
    fn merchants(&self) -> StoreFuture<'_, Vec<MerchantRecord>> {
        self.inner.merchants()
    }

    fn merchants_generation(&self) -> StoreFuture<'_, u64> {
        self.inner.merchants_generation()
    }

    fn add_merchant(&self, record: MerchantRecord) -> StoreFuture<'_, MerchantSave> {
        self.inner.add_merchant(record)
    }

    fn save_merchant(&self, record: MerchantRecord) -> StoreFuture<'_, MerchantSave> {
        self.inner.save_merchant(record)
    }
}

impl Channels for WorldStore {
    fn channel_keys(&self) -> StoreFuture<'_, Vec<ChannelKeyRecord>> {
        self.inner.channel_keys()
    }

    fn add_channel_keys(&self, keys: Vec<ChannelKeyRecord>, occasion: ChannelKeyOccasion) -> StoreFuture<'_, bool> {
        self.inner.add_channel_keys(keys, occasion)
    }

    fn use_nonce(&self, nonce: NonceUse) -> StoreFuture<'_, bool> {
        self.inner.use_nonce(nonce)
    }
}

impl Refusals for WorldStore {
    fn note_refusal(&self, row: RefusalRow) -> bool {
        self.inner.note_refusal(row)
    }

    fn refusals_by_reference<'a>(
        &'a self,
        merchant_reference: &'a str,
        limit: usize,
    ) -> StoreFuture<'a, Vec<RefusalRow>> {
        self.inner.refusals_by_reference(merchant_reference, limit)
    }
}

impl Corrections for WorldStore {
    fn record_correction(&self, record: CorrectionRecord) -> StoreFuture<'_, Recorded> {
        self.inner.record_correction(record)
    }

    fn propose_correction(&self, proposal: Proposal) -> StoreFuture<'_, bool> {
        self.inner.propose_correction(proposal)
    }

    fn withdraw_proposal(&self, operation: OperationId) -> StoreFuture<'_, bool> {
        self.inner.withdraw_proposal(operation)
    }

    fn proposals(&self, limit: usize) -> StoreFuture<'_, Vec<Proposal>> {
        self.inner.proposals(limit)
    }

    fn waiting_since(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Vec<RecoveryRow>> {
        Box::pin(async move {
            self.life.go_on().await;
            self.inner.waiting_since(before, limit).await
        })
    }

    fn waiting_counts(&self, before: Timestamp) -> StoreFuture<'_, Vec<WaitingCount>> {
        Box::pin(async move {
            self.life.go_on().await;
            self.inner.waiting_counts(before).await
        })
    }
}

impl Feedbacks for WorldStore {
    fn lease_feedback(&self, lease: FeedbackLease) -> StoreFuture<'_, FeedbackLeased> {
        let work = self.inner.lease_feedback(lease);
        Box::pin(self.call("lease_feedback", None, Access::Writes, work, |_| "leased"))
    }

    fn probe_feedback(&self, probe: FeedbackProbe) -> StoreFuture<'_, Vec<FeedbackRow>> {
        let work = self.inner.probe_feedback(probe);
        Box::pin(self.call("probe_feedback", None, Access::Writes, work, |_| "leased"))
    }

    fn release_feedback(&self, node: u8, now: Timestamp) -> StoreFuture<'_, u64> {
        let work = self.inner.release_feedback(node, now);
        Box::pin(self.call("release_feedback", None, Access::Writes, work, |_| "released"))
    }

    fn finish_feedback(&self, mut finish: FeedbackFinish) -> StoreFuture<'_, FeedbackFinished> {
        let order = self.faults.owner(finish.id.operation);
        if self.has(Mutant::OvertakeFeedback) && matches!(finish.then, FeedbackThen::Retry { .. }) {
            finish.then = FeedbackThen::Delivered;
        }
        let then = match finish.then {
            FeedbackThen::Delivered => "delivered",
            FeedbackThen::Retry { .. } => "to be tried again",
            FeedbackThen::Pause(_) => "paused",
        };
        let work = self.inner.finish_feedback(finish);
        Box::pin(self.call("finish_feedback", order, Access::Writes, work, move |finished| match finished {
            FeedbackFinished::Written => then,
            FeedbackFinished::LeaseLost => "lease lost",
        }))
    }

    fn rouse_feedback(&self, rouse: FeedbackRouse) -> StoreFuture<'_, u64> {
        let work = self.inner.rouse_feedback(rouse);
        Box::pin(self.call("rouse_feedback", None, Access::Writes, work, |_| "roused"))
    }

    fn feedback_content(&self, id: FeedbackId) -> StoreFuture<'_, Option<FeedbackContent>> {
        let order = self.faults.owner(id.operation);
        let work = self.inner.feedback_content(id);
        Box::pin(self.call("feedback_content", order, Access::Reads, work, |_| "read"))
    }

    fn feedbacks<'a>(&'a self, filter: &'a FeedbackFilter) -> StoreFuture<'a, Vec<FeedbackRow>> {
        self.inner.feedbacks(filter)
    }

    fn feedback_attempts(&self, id: FeedbackId) -> StoreFuture<'_, Vec<FeedbackAttempt>> {
        self.inner.feedback_attempts(id)
    }

    fn feedback_next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(async move {
            self.life.go_on().await;
            self.inner.feedback_next_due().await
        })
    }

    fn feedback_backlog(&self) -> StoreFuture<'_, FeedbackBacklog> {
        Box::pin(async move {
            self.life.go_on().await;
            self.inner.feedback_backlog().await
        })
    }
}

impl DataKeys for WorldStore {
    fn data_keys(&self) -> PortFuture<'_, Vec<WrappedDataKey>> {
        self.inner.data_keys()
    }

    fn add_data_key(&self, new: NewDataKey) -> PortFuture<'_, WrappedDataKey> {
        self.inner.add_data_key(new)
    }
}

/// The order's number in a reference of the simulated merchants.
#[must_use]
pub fn order_number(reference: &str) -> Option<OrderNumber> {
    reference.strip_prefix(REFERENCE_MARK)?.parse().ok()
}

fn number_of(operation: OperationId) -> [u8; 12] {
    operation.rrn().as_str().as_bytes().try_into().unwrap_or([0; 12])
}

/// How the wire names an operation: fields 11 and 7.
fn name_of(wire: WireReference) -> Name {
    let at = wire.sent_at.utc();
    let parts = [at.month, at.day, at.hour, at.minute, at.second];
    Name { stan: wire.stan.number(), time: parts.into_iter().fold(0, |sum, part| sum * 100 + u64::from(part)) }
}

/// What the real store says when a commit failed half-way.
fn commit_in_doubt() -> StoreError {
    StoreError::InDoubt("simulated".to_owned())
}
