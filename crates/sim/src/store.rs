//! The gateway's store as one life of it sees it: the real SQLite store, which by the seed is slow, fails before or after a
//! commit, or takes the gateway down with it.

mod agreements;
mod batches;
mod checkouts;
mod faults;
mod feedback;
mod messages;
mod payment_links;
mod reports;
mod schedules;
mod tokens;

use crate::audit::mistakes::Mistake;
use crate::issuer::Name;
use crate::life::Life;
use crate::mutants::{GIVE_UP_AFTER, Mutant};
use crate::operators::MISTAKEN_REASON;
use crate::plan::Fault;
use crate::receivers::ask_of;
use crate::record::{Event, OrderNumber};
use crate::shop::card_numbers;
pub use faults::StoreFaults;
use faults::{Access, GENERATION_UNKNOWN, Sender};
use std::future::{Future, pending};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tollgate_core::audit::AuditEntry;
use tollgate_core::command::OrderTarget;
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::order::{OperationEvent, Order, WireReference};
use tollgate_core::time::Timestamp;
use tollgate_store::{
    Attempt, AuditChain, AuditDesk, AuditHead, AuditRow, Audits, ChannelKeyOccasion, ChannelKeyRecord, Channels,
    CorrectionRecord, Corrections, CurrencyTotals, DataKeyId, DataKeys, LifeBegun, LifeId, LifeRow, Lives,
    MerchantRecord, MerchantSave, Merchants, NewAttempt, NewDataKey, NewLife, NewOperation, NewOrder, NonceUse,
    OperationClaim, OrderClaim, Orders, OutcomeRecord, PortFuture, Proposal, Recorded, Recoveries, RecoveryChange,
    RecoveryRow, RefusalRow, Refusals, ReplacedSealed, RewrappedDataKey, RouteRow, SealedColumn, SealedRow, SealedRows,
    StoreError, StoreFuture, StoredOperation, StoredOrder, Story, Unfinished, WaitingCount, Whose, WrappedDataKey,
};
use tollgate_store_sqlite::SqliteStore;

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
        if self.faults.goes_in_circles(call) {
            // Found: the run ends when the time goes on.
            return pending().await;
        }
        let fate = self.faults.fate(call, order, access);
        if let Some(fault) = fate.fault {
            self.faults.watch.met(order, fault, call);
        }
        match fate.fault {
            Some(Fault::StoreSlow) if fate.slow_before => self.wait(fate.slow_ms).await,
            Some(Fault::StoreFailsBefore) if fate.in_doubt => return Err(commit_in_doubt()),
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

    fn order_number(&self, reference: &str) -> Option<OrderNumber> {
        self.faults.watch.order_number(reference)
    }

    fn sender(&self, life: LifeId) -> Sender {
        Sender { life, process: self.life.clone(), intended_ms: self.faults.watch.clock.ms() }
    }

    /// An intent is durable.
    fn intended(&self, operation: OperationId, life: LifeId, wire: WireReference, order: Option<OrderNumber>) {
        self.faults.watch.auditor().intended(number_of(operation));
        let sender = self.sender(life);
        self.faults.memory.lock().unwrap_or_else(PoisonError::into_inner).senders.insert(operation, sender);
        if let Some(order) = order {
            self.faults.watch.owners().entry(name_of(wire)).or_insert(order);
        }
    }
}

impl Orders for WorldStore {
    fn claim_order(&self, mut new: NewOrder) -> StoreFuture<'_, OrderClaim> {
        Box::pin(async move {
            if self.has(Mutant::SkipIntent) {
                return Ok(OrderClaim::Claimed);
            }
            let (id, life, wire) = (new.operation.id, new.owner, new.operation.wire);
            let due = self.due_of(&new);
            let order = self.order_number(&new.order.merchant_reference);
            let work = async {
                self.twist_agreement(&mut new).await?;
                let token = tokens::claimed(&new);
                let kept = self.kept_for_mutants(&new);
                let claim = self.inner.claim_order(new).await?;
                if claim == OrderClaim::Claimed {
                    self.faults.own(id, order);
                    if let Some((order, due)) = order.zip(due) {
                        self.faults.watch.auditor().due_claimed(order, due);
                    }
                    self.intended(id, life, wire, order);
                    self.token_claimed(order, token, kept).await?;
                }
                Ok(claim)
            };
            self.call("claim_order", order, Access::Writes, work, |claim| match claim {
                OrderClaim::Claimed => "claimed",
                OrderClaim::ReferenceTaken(_) => "reference taken",
                OrderClaim::AgreementChanged => "agreement changed",
                OrderClaim::NumberTaken => "number taken",
                OrderClaim::RowTaken => "row taken",
                OrderClaim::ScheduleChanged => "schedule changed",
            })
            .await
        })
    }

    fn claim_operation(&self, mut new: NewOperation) -> StoreFuture<'_, OperationClaim> {
        Box::pin(async move {
            let (id, life, wire) = (new.operation.id, new.owner, new.operation.wire);
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
                    self.intended(id, life, wire, order);
                }
                Ok(claim)
            };
            self.call("claim_operation", order, Access::Writes, work, |claim| match claim {
                OperationClaim::Claimed => "claimed",
                OperationClaim::OrderChanged => "order changed",
                OperationClaim::MaintenanceReferenceTaken(_) => "reference taken",
                OperationClaim::NumberTaken => "number taken",
                OperationClaim::RowTaken => "row taken",
            })
            .await
        })
    }

    fn record_outcome(&self, mut record: OutcomeRecord) -> StoreFuture<'_, Recorded> {
        Box::pin(async move {
            let order = self.order_number(&record.order.merchant_reference);
            if self.has(Mutant::AnswerUnwritten) && record.operation.0.rem_euclid(16) == 0 {
                return Ok(Recorded::Written);
            }
            if self.has(Mutant::LateAfterReversal) && record.recovery == RecoveryChange::EndIfUnsent {
                record.recovery = RecoveryChange::End;
            }
            if self.has(Mutant::ForgetFeedback) && record.operation.0.rem_euclid(16) == 0 {
                record.feedback = None;
            }
            if self.has(Mutant::ForgetToken) {
                record.order.token = None;
            }
            let (state, operation, event) = (record.state.name(), record.operation, record.event);
            let ended = tokens::ended(&record);
            let tried = checkouts::try_of(&record);
            let work = async {
                let recorded = self.inner.record_outcome(record).await?;
                self.page_outcome(order, recorded, tried);
                if recorded == Recorded::Written {
                    self.payment_ended(order, ended).await?;
                }
                if (recorded, event) == (Recorded::Written, OperationEvent::Interrupted) {
                    self.faults.taken_for_lost(operation, order, &self.life);
                } else if recorded == Recorded::Written {
                    self.faults.attempt_over(operation);
                }
                Ok(recorded)
            };
            self.call("record_outcome", order, Access::Writes, work, |end| match end {
                Recorded::Written => state,
                Recorded::Changed => "order changed",
                Recorded::RecoveryBegun => "recovery begun",
            })
            .await
        })
    }

    fn order<'a>(&'a self, merchant: MerchantId, target: &'a OrderTarget) -> StoreFuture<'a, Option<StoredOrder>> {
        let order = match target {
            OrderTarget::Reference(reference) | OrderTarget::Both(reference, _) => self.order_number(reference),
            OrderTarget::FortId(fort_id) => self.faults.owner(OperationId(fort_id.0)),
        };
        Box::pin(async move {
            let work = self.inner.order(merchant, target);
            let read = self.call("order", order, Access::Reads, work, |_| "read").await;
            if let (Err(_), Some(order)) = (&read, order) {
                self.faults.watch.auditor().order_unread(order);
            }
            read.map(|read| self.as_read(read))
        })
    }

    fn verification<'a>(&'a self, merchant: MerchantId, merchant_reference: &'a str) -> StoreFuture<'a, Option<Order>> {
        self.inner.verification(merchant, merchant_reference)
    }

    fn operation(&self, id: OperationId) -> StoreFuture<'_, Option<StoredOperation>> {
        let order = self.faults.owner(id);
        let work = self.inner.operation(id);
        Box::pin(async move {
            let read = self.call("operation", order, Access::Reads, work, |_| "read").await?;
            Ok(read.map(|read| self.faults.as_own(read)))
        })
    }

    fn unfinished(&self, mut whose: Whose, limit: usize) -> StoreFuture<'_, Vec<Unfinished>> {
        Box::pin(async move {
            if self.has(Mutant::StealLiving) {
                whose = Whose::Everybody { before: Timestamp(i64::MAX) };
            }
            if self.has(Mutant::ForgetUnfinished) {
                return Ok(Vec::new());
            }
            self.call("unfinished", None, Access::Reads, self.inner.unfinished(whose, limit), |_| "read").await
        })
    }

    fn story(&self, fort_id: FortId) -> StoreFuture<'_, Option<Story>> {
        self.inner.story(fort_id)
    }

    fn orders_by_reference<'a>(&'a self, merchant_reference: &'a str, limit: usize) -> StoreFuture<'a, Vec<FortId>> {
        self.inner.orders_by_reference(merchant_reference, limit)
    }

    fn route_uses(&self) -> StoreFuture<'_, Vec<RouteRow>> {
        self.inner.route_uses()
    }

    fn totals(&self) -> StoreFuture<'_, Vec<CurrencyTotals>> {
        self.inner.totals()
    }
}

impl Lives for WorldStore {
    fn begin_life(&self, new: NewLife) -> StoreFuture<'_, LifeBegun> {
        Box::pin(async move {
            let work = async {
                let begun = self.inner.begin_life(new).await?;
                if let LifeBegun::Begun(life) = begun {
                    self.faults.proved(life);
                }
                Ok(begun)
            };
            self.call("begin_life", None, Access::Writes, work, |begun| match begun {
                LifeBegun::Begun(_) => "begun",
                LifeBegun::NodeIsAlive { .. } => "node is alive",
            })
            .await
        })
    }

    fn renew_life(&self, life: LifeId, alive_until: Timestamp) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            let work = async {
                let renewed = self.inner.renew_life(life, alive_until).await?;
                if renewed {
                    self.faults.proved(life);
                }
                Ok(renewed)
            };
            self.call("renew_life", None, Access::Writes, work, |renewed| if *renewed { "renewed" } else { "over" })
                .await
        })
    }

    fn end_life(&self, life: LifeId, seen_renewals: Option<u64>, now: Timestamp) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            if self.has(Mutant::ForgetDead) {
                return Ok(false);
            }
            let work = self.inner.end_life(life, seen_renewals, now);
            self.call("end_life", None, Access::Writes, work, |ended| if *ended { "ended" } else { "renewed" }).await
        })
    }

    fn lives(&self) -> StoreFuture<'_, Vec<LifeRow>> {
        Box::pin(self.call("lives", None, Access::Reads, self.inner.lives(), |_| "read"))
    }
}

impl Recoveries for WorldStore {
    fn recoveries_due(&self, finder: LifeId, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<RecoveryRow>> {
        Box::pin(async move {
            let work = self.inner.recoveries_due(finder, now, limit);
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

    fn begin_attempt(&self, mut new: NewAttempt) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            if self.has(Mutant::CrossAttempts) {
                new.until = new.now;
            }
            let (operation, by) = (new.operation, new.by);
            if self.has(Mutant::UncountedAttempt) {
                return Ok(true);
            }
            let work = async {
                let begun = self.inner.begin_attempt(new).await?;
                if begun {
                    self.faults.watch.auditor().recovery_begun(number_of(operation));
                    self.faults.attempt_begun(operation, self.sender(by));
                }
                Ok(begun)
            };
            let order = self.faults.owner(operation);
            let name = |begun: &bool| if *begun { "begun" } else { "gone" };
            self.call("begin_attempt", order, Access::Writes, work, name).await
        })
    }

    fn note_attempt(&self, attempt: Attempt) -> StoreFuture<'_, ()> {
        let (operation, order) = (attempt.operation, self.faults.owner(attempt.operation));
        let work = async move {
            self.inner.note_attempt(attempt).await?;
            self.faults.attempt_over(operation);
            Ok(())
        };
        Box::pin(self.call("note_attempt", order, Access::Writes, work, |()| "noted"))
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

    /// The gateway asks once in a millisecond, which is at each call when time jumps. Accounts change here and nowhere
    /// else, so the number is remembered.
    fn merchants_generation(&self) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            if let Ok(known) = u64::try_from(self.faults.generation.load(Ordering::Relaxed)) {
                return Ok(known);
            }
            let generation = self.inner.merchants_generation().await?;
            self.faults.generation.store(i64::try_from(generation).unwrap_or(GENERATION_UNKNOWN), Ordering::Relaxed);
            Ok(generation)
        })
    }

    fn add_merchant(&self, record: MerchantRecord) -> StoreFuture<'_, MerchantSave> {
        Box::pin(async move {
            let saved = self.inner.add_merchant(record).await;
            self.faults.generation.store(GENERATION_UNKNOWN, Ordering::Relaxed);
            saved
        })
    }

    fn save_merchant(&self, record: MerchantRecord, change: String) -> StoreFuture<'_, MerchantSave> {
        Box::pin(async move {
            let saved = self.inner.save_merchant(record, change).await;
            self.faults.generation.store(GENERATION_UNKNOWN, Ordering::Relaxed);
            saved
        })
    }

    fn merchant_logo(&self, merchant: MerchantId) -> StoreFuture<'_, Option<tollgate_core::page_face::Logo>> {
        self.inner.merchant_logo(merchant)
    }

    fn set_merchant_logo(
        &self,
        merchant: MerchantId,
        logo: Option<tollgate_core::page_face::Logo>,
    ) -> StoreFuture<'_, MerchantSave> {
        self.inner.set_merchant_logo(merchant, logo)
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
    fn record_correction(&self, mut record: CorrectionRecord) -> StoreFuture<'_, Recorded> {
        if self.has(Mutant::CorrectionLeavesQueue) {
            record.outcome.recovery = RecoveryChange::None;
        }
        if self.has(Mutant::CorrectionUnfed) {
            record.outcome.feedback = None;
        }
        let order = self.order_number(&record.outcome.order.merchant_reference);
        let state = record.outcome.state.name();
        let ended = tokens::ended(&record.outcome);
        let tried = checkouts::corrected_try_of(&record);
        let mistake = mistake_of(&record);
        let work = async move {
            let operation = self.inner.operation(record.outcome.operation).await?;
            let recorded = self.inner.record_correction(record).await?;
            if recorded == Recorded::Written {
                if let Some((order, code)) = order.zip(mistake)
                    && let Some(StoredOperation { operation, .. }) = operation
                {
                    let (ask, amount) = (ask_of(operation.kind), operation.money.amount.minor());
                    self.faults.watch.auditor().mistaken(order, Mistake { ask, amount, code });
                }
                self.page_outcome(order, recorded, tried);
                self.payment_ended(order, ended).await?;
            }
            Ok(recorded)
        };
        Box::pin(self.call("record_correction", order, Access::Writes, work, move |end| match end {
            Recorded::Written => state,
            Recorded::Changed => "order changed",
            Recorded::RecoveryBegun => "recovery begun",
        }))
    }

    fn propose_correction(&self, proposal: Proposal) -> StoreFuture<'_, bool> {
        let order = self.faults.owner(proposal.operation);
        let work = self.inner.propose_correction(proposal);
        let name = |is_new: &bool| if *is_new { "proposed" } else { "proposed already" };
        Box::pin(self.call("propose_correction", order, Access::Writes, work, name))
    }

    fn withdraw_proposal(&self, operation: OperationId) -> StoreFuture<'_, bool> {
        let order = self.faults.owner(operation);
        let work = self.inner.withdraw_proposal(operation);
        let name = |was_there: &bool| if *was_there { "withdrawn" } else { "not there" };
        Box::pin(self.call("withdraw_proposal", order, Access::Writes, work, name))
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

impl DataKeys for WorldStore {
    fn data_keys(&self) -> PortFuture<'_, Vec<WrappedDataKey>> {
        self.inner.data_keys()
    }

    fn add_data_key(&self, new: NewDataKey) -> PortFuture<'_, WrappedDataKey> {
        self.inner.add_data_key(new)
    }

    fn data_keys_generation(&self) -> PortFuture<'_, u64> {
        self.inner.data_keys_generation()
    }

    fn rewrap_data_keys(&self, rewrapped: Vec<RewrappedDataKey>) -> PortFuture<'_, u64> {
        self.inner.rewrap_data_keys(rewrapped)
    }

    fn finish_rotation(&self, id: DataKeyId) -> PortFuture<'_, ()> {
        self.inner.finish_rotation(id)
    }
}

impl SealedRows for WorldStore {
    fn sealed_rows(
        &self,
        column: SealedColumn,
        after: Option<i64>,
        rows_max: usize,
    ) -> StoreFuture<'_, Vec<SealedRow>> {
        self.inner.sealed_rows(column, after, rows_max)
    }

    fn replace_sealed(&self, column: SealedColumn, rows: Vec<ReplacedSealed>) -> StoreFuture<'_, u64> {
        self.inner.replace_sealed(column, rows)
    }
}

/// What is noted beside other calls is not simulated.
impl Audits for WorldStore {
    fn begin_audit(&self, desk: AuditDesk) -> StoreFuture<'_, ()> {
        self.inner.begin_audit(desk)
    }

    fn note_audit(&self, entries: Vec<AuditEntry>) -> StoreFuture<'_, ()> {
        self.inner.note_audit(entries)
    }

    fn audit_chains(&self) -> StoreFuture<'_, Vec<AuditChain>> {
        self.inner.audit_chains()
    }

    fn audit_rows(&self, chain: AuditChain, after: u64, rows_max: usize) -> StoreFuture<'_, Vec<AuditRow>> {
        self.inner.audit_rows(chain, after, rows_max)
    }

    fn audit_row_since(&self, chain: AuditChain, at: Timestamp) -> StoreFuture<'_, Option<u64>> {
        self.inner.audit_row_since(chain, at)
    }

    fn audit_head(&self, chain: AuditChain) -> StoreFuture<'_, Option<AuditHead>> {
        self.inner.audit_head(chain)
    }
}

/// The code that an operation has by an operator's mistake, if it is one.
fn mistake_of(record: &CorrectionRecord) -> Option<u32> {
    (record.correction.reason == MISTAKEN_REASON).then(|| record.outcome.code.number())
}

/// Field 37 of an operation's messages.
#[must_use]
pub fn number_of(operation: OperationId) -> [u8; 12] {
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
