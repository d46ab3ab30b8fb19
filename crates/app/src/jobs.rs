//! What runs without being asked: settling operations whose outcome is unknown.
//!
//! Three ways lead here: an answer that came late, an operation that a dead life of a gateway left
//! without an outcome, and the recovery queue, whose messages are repeated until the network
//! acknowledges them. None of them ever gives an operation up.

use crate::ages::Ages;
use crate::checkout::Expiries;
use crate::doubts;
use crate::gateway::{Gateway, Inner};
use crate::lapses::Lapses;
use crate::life::LifeJob;
use crate::maintain::original_of;
use crate::pace::Pace;
use crate::payment_link;
use crate::release;
use crate::settle::{self, Overtaking, Written};
use crate::token;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{self, JoinSet};
use tokio::time::Instant;
use tollgate_acquirer::{
    Exchange, ExchangeResult, LateReply, LinkState, NetworkCard, NetworkKind, NetworkReply, NetworkRequest,
    OriginalReference, WireTrace,
};
use tollgate_core::apply::Outcome;
use tollgate_core::audit::{AuditAction, AuditEntry, AuditReason, AuditWho};
use tollgate_core::command::ThreeDsWish;
use tollgate_core::ident::OperationId;
use tollgate_core::order::{Operation, OperationEvent, OperationKind, OperationState, Order, WayOut};
use tollgate_core::time::Timestamp;
use tollgate_store::{Attempt, AttemptResult, NewAttempt, RecoveryRow, StoreError, StoredOperation, Whose};
use tollgate_vault::Revealed;

/// How many rows one round takes from the store.
const ROWS_PER_ROUND_MAX: usize = 256;
/// The longest sleep between two looks at the queue.
const LOOK_EVERY_MS: u64 = 500;
/// An operation of this life without an outcome is taken for lost at this age: longer than any exchange may
/// last. For as long a recovery message that was begun is nobody else's.
const LOST_AFTER_MS: u64 = 180_000;
/// How often a late answer waits for the timeout it is late for to reach the disk.
const LATE_TRIES_MAX: u32 = 100;
/// How long it waits each time.
const LATE_WAIT_MS: u64 = 20;
/// How many late answers are taken side by side; more wait in their queue.
const LATE_AT_ONCE_MAX: usize = 64;

/// The running jobs of a gateway.
pub struct Jobs {
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    /// Kept until the others have ended: what they do needs it.
    life: LifeJob,
}

impl Jobs {
    /// Marks what lives that are over left without an outcome as unknown, then starts the jobs. `late`
    /// brings the answers for which nobody waits any more.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn start(gateway: &Gateway, late: mpsc::Receiver<LateReply>) -> Result<Jobs, StoreError> {
        // First of all, so that a long queue of lost operations does not cost the lease.
        let life = LifeJob::start(gateway);
        gateway.mark_interrupted().await?;
        let (stop, stopped) = watch::channel(false);
        let recovery = tokio::spawn(recovery_job(gateway.clone(), stopped.clone()));
        let late = tokio::spawn(late_job(gateway.clone(), late, stopped));
        Ok(Jobs { stop, tasks: vec![recovery, late], life })
    }

    /// Stops them; a message under way is waited for. Then the gateway's life is over: what it still has
    /// under way is for others to settle.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a job ended early");
            }
        }
        self.life.stop().await;
    }
}

impl Gateway {
    /// Marks operations without an outcome that nobody works on as unknown: those of lives that are over, and
    /// this life's own that are too old. Gives how many there were.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn mark_interrupted(&self) -> Result<usize, StoreError> {
        let inner = &self.inner;
        let back_us = i64::try_from(LOST_AFTER_MS.saturating_mul(1000)).unwrap_or(i64::MAX);
        let own_before = Timestamp(inner.clock.now().0.saturating_sub(back_us));
        let whose = Whose::Lost { finder: inner.life.id(), own_before };
        let mut marked = 0;
        loop {
            let rows = inner.store.unfinished(whose, ROWS_PER_ROUND_MAX).await?;
            let mut progress = 0;
            for row in &rows {
                // Under way in this process: it will have its outcome, however far the clock was moved.
                let Some(_claim) = inner.claims.take(row.operation.id) else { continue };
                let outcome = Outcome::silent(OperationEvent::Interrupted);
                match settle::write(
                    inner,
                    &row.order,
                    &row.operation,
                    &outcome,
                    WireTrace::default(),
                    Overtaking::Allowed,
                )
                .await
                {
                    Ok(Written::Done(_)) => progress += 1,
                    Ok(Written::Overtaken) => {}
                    Err(error) => {
                        tracing::error!(operation = %row.operation.id, %error, "an interrupted operation could not be marked")
                    }
                }
            }
            marked += progress;
            if rows.len() < ROWS_PER_ROUND_MAX || progress == 0 {
                break;
            }
        }
        if marked > 0 {
            tracing::warn!(
                operations = marked,
                "operations without an outcome were found; they will be settled with the network"
            );
        }
        Ok(marked)
    }

    /// Takes an answer that came when nobody waited for it.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn take_late(&self, late: LateReply) -> Result<(), StoreError> {
        take_late(&self.inner, late).await
    }
}

async fn recovery_job(gateway: Gateway, mut stopped: watch::Receiver<bool>) {
    let mut rolling = Rolling::new(gateway.inner.settings.recovery_per_second_max);
    let mut ages = Ages::default();
    let mut lapses = Lapses::default();
    let mut expiries = Expiries::default();
    while !*stopped.borrow() {
        doubts::look(&gateway.inner).await;
        // While the link is down no message could leave: the rows keep their place and their count.
        let link_is_up = gateway.link() == LinkState::Up;
        if link_is_up && let Err(error) = gateway.mark_interrupted().await {
            tracing::error!(%error, "the janitor cannot read the store");
        }
        // Counted first: with an empty queue, as nearly always, there is nothing else to ask about it.
        let waiting = report_backlog(&gateway).await;
        if link_is_up
            && waiting != Some(0)
            && let Err(error) = rolling.start_due(&gateway).await
        {
            tracing::error!(%error, "the recovery queue cannot be read");
        }
        ages.look(&gateway, waiting).await;
        lapses.look(&gateway.inner).await;
        expiries.look(&gateway).await;
        payment_link::watch::look(&gateway).await;
        // In a fixed order (`biased`), so that a simulation runs again exactly as before.
        tokio::select! {
            biased;
            changed = stopped.changed() => {
                if changed.is_err() {
                    // Nobody can stop it any more: whoever dropped the jobs wanted them to end.
                    break;
                }
            }
            Some(ended) = rolling.attempts.join_next_with_id() => {
                if rolling.end(ended) == Ended::InError {
                    // The row may still be due: without a pause a store that cannot write would be asked
                    // as fast as it can refuse.
                    tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
                }
            }
            () = gateway.inner.recovery_wanted.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)) => {}
        }
    }
    while let Some(ended) = rolling.attempts.join_next_with_id().await {
        let _ = rolling.end(ended);
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Its row is settled or put off.
    InOrder,
    /// The store failed, or a defect of ours broke it off.
    InError,
}

/// The recovery messages under way. Each row takes a place for as long as its own message lasts, so that
/// a silent network holds back nothing but what waits for it.
struct Rolling {
    attempts: JoinSet<Result<bool, StoreError>>,
    under_way: HashMap<task::Id, OperationId>,
    pace: Pace,
}

impl Rolling {
    fn new(per_second_max: u32) -> Rolling {
        let pace = Pace::new(per_second_max, Instant::now());
        Rolling { attempts: JoinSet::new(), under_way: HashMap::new(), pace }
    }

    /// Begins what is due and not under way, as far as there are places.
    async fn start_due(&mut self, gateway: &Gateway) -> Result<(), StoreError> {
        let inner = &gateway.inner;
        let places = inner.settings.recovery_in_flight_max.max(1).saturating_sub(self.under_way.len());
        let free = places.min(self.pace.free(Instant::now()));
        // A life that may be over begins nothing; the job that keeps it begins another one.
        if free == 0 || inner.life.running().is_none() {
            return Ok(());
        }
        // A row under way may be due again, and must not hide one that is not.
        let rows = inner.store.recoveries_due(inner.life.id(), inner.clock.now(), free + self.under_way.len()).await?;
        let fresh = rows.into_iter().filter(|row| !self.under_way.values().any(|id| *id == row.operation));
        for row in fresh.take(free).collect::<Vec<_>>() {
            let (gateway, operation) = (gateway.clone(), row.operation);
            self.pace.take();
            let handle = self.attempts.spawn(Box::pin(async move { attempt(&gateway.inner, &row).await }));
            self.under_way.insert(handle.id(), operation);
        }
        Ok(())
    }

    fn end(&mut self, ended: Result<(task::Id, Result<bool, StoreError>), task::JoinError>) -> Ended {
        match ended {
            Ok((id, result)) => {
                self.under_way.remove(&id);
                let Err(error) = result else { return Ended::InOrder };
                tracing::error!(%error, "a recovery message failed in the store");
            }
            Err(error) => {
                self.under_way.remove(&error.id());
                tracing::error!(%error, "a recovery task ended early");
            }
        }
        Ended::InError
    }
}

/// Tells how many rows the recovery queue has. `None` when it cannot be counted.
async fn report_backlog(gateway: &Gateway) -> Option<u64> {
    let (rows, oldest) = gateway.inner.store.recovery_backlog().await.ok()?;
    let age_ms = oldest.map_or(0, |since| gateway.now().since_ms(since));
    #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
    {
        metrics::gauge!("tollgate_recovery_backlog").set(rows as f64);
        metrics::gauge!("tollgate_recovery_oldest_seconds").set(age_ms as f64 / 1000.0);
    }
    Some(rows)
}

async fn late_job(gateway: Gateway, mut late: mpsc::Receiver<LateReply>, mut stopped: watch::Receiver<bool>) {
    let mut taking = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = stopped.changed() => break,
            Some(_) = taking.join_next() => {}
            reply = late.recv(), if taking.len() < LATE_AT_ONCE_MAX => match reply {
                Some(reply) => {
                    let gateway = gateway.clone();
                    taking.spawn(async move { take_or_leave(&gateway, reply).await });
                }
                None => break,
            },
        }
    }
    while taking.join_next().await.is_some() {}
}

async fn take_or_leave(gateway: &Gateway, reply: LateReply) {
    let wire = reply.wire;
    if let Err(error) = gateway.take_late(reply).await {
        tracing::error!(rrn = %wire.rrn, %error, "a late answer could not be written; the recovery queue settles it");
    }
}

async fn take_late(inner: &Inner, late: LateReply) -> Result<(), StoreError> {
    // Answers to recovery messages settle nothing when they come late: the message is sent again.
    if matches!(
        late.kind,
        NetworkKind::CaptureAdviceRepeat | NetworkKind::ReversalAdvice | NetworkKind::ReversalAdviceRepeat
    ) {
        return Ok(());
    }
    let Some(id) = OperationId::from_rrn(late.wire.rrn) else { return Ok(()) };
    for _ in 0..LATE_TRIES_MAX {
        let Some(StoredOperation { stored, operation, .. }) = inner.store.operation(id).await? else {
            tracing::error!(rrn = %late.wire.rrn, "a late answer names an operation that does not exist");
            return Ok(());
        };
        if operation.state == OperationState::Sent {
            // The timeout it is late for is on its way to the disk.
            tokio::time::sleep(Duration::from_millis(LATE_WAIT_MS)).await;
            continue;
        }
        let outcome = late_outcome(&late.reply);
        if outcome.event == OperationEvent::Declined && release::never_gives_up(&stored.order, &operation) {
            return Ok(());
        }
        match settle::write(inner, &stored.order, &operation, &outcome, late.trace.clone(), Overtaking::IfUnsent).await
        {
            Ok(Written::Done(applied)) => {
                metrics::counter!("tollgate_late_settled_total", "kind" => operation.kind.name()).increment(1);
                tracing::info!(fort_id = %stored.order.fort_id, operation = %operation.kind, code = %applied.code, "settled by a late answer");
                if let Some(release) = applied.release {
                    release.carry_out(inner).await;
                }
            }
            Ok(Written::Overtaken) => {
                tracing::info!(fort_id = %stored.order.fort_id, "a late answer came after the recovery had begun, which settles it");
            }
            Err(settle::SettleError::Apply(_)) if contradicts(outcome.event, operation.state) => {
                metrics::counter!("tollgate_late_contradictions_total", "kind" => operation.kind.name()).increment(1);
                tracing::error!(fort_id = %stored.order.fort_id, operation = %operation.id, state = %operation.state, event = %outcome.event, "a late answer says the contrary of what the operation was settled as: it wants a person");
            }
            Err(settle::SettleError::Apply(_)) => {
                tracing::info!(fort_id = %stored.order.fort_id, "a late answer came for an operation that is settled");
            }
            Err(settle::SettleError::Store(error)) => return Err(error),
        }
        return Ok(());
    }
    tracing::warn!(rrn = %late.wire.rrn, "a late answer was left to the recovery queue: the operation's timeout is not written yet");
    Ok(())
}

/// Whether a late answer says the contrary of a settled operation, which only an operator's hand can bring
/// about. An approval of what was reversed is no contradiction: the reversal came after it.
const fn contradicts(event: OperationEvent, state: OperationState) -> bool {
    matches!(
        (event, state),
        (OperationEvent::Approved, OperationState::Declined) | (OperationEvent::Declined, OperationState::Approved)
    )
}

fn late_outcome(reply: &NetworkReply) -> Outcome {
    settle::answered(settle::event_of(reply), reply.clone())
}

/// Sends one recovery message. `true` when it settled the operation.
async fn attempt(inner: &Inner, row: &RecoveryRow) -> Result<bool, StoreError> {
    // An operator may be settling it by hand at this moment; if it is still due afterwards, it comes again.
    let Some(_claim) = inner.claims.take(row.operation) else { return Ok(false) };
    // Counted and put off first: a row for which nothing can be sent must not stay at the head of the
    // queue, where enough of them would leave no room for the others.
    let now = inner.clock.now();
    let new = NewAttempt {
        operation: row.operation,
        attempts_before: row.attempts,
        by: inner.life.id(),
        now,
        until: now.plus_ms(LOST_AFTER_MS),
        retry_at: now.plus_ms(retry_after_ms(inner, row.attempts)),
        audit: vec![recovery_reveals(row, now)],
    };
    if !inner.store.begin_attempt(new).await? {
        return Ok(false);
    }
    let Some(StoredOperation { stored, operation, .. }) = inner.store.operation(row.operation).await? else {
        tracing::error!(operation = %row.operation, "the recovery queue names an operation that does not exist");
        return Ok(false);
    };
    let Some(account) = inner.directory.by_id(stored.order.merchant).await? else {
        tracing::error!(operation = %row.operation, "the recovery queue names a merchant that does not exist");
        return Ok(false);
    };
    // Its entry went with the attempt: the card is opened for a message that is counted already.
    let Revealed { pan, receipt: _ } = match token::open_card(inner, &stored).await {
        Ok(revealed) => revealed,
        Err(error) => {
            tracing::error!(operation = %row.operation, %error, "the card of an unsettled operation cannot be opened");
            note_attempt(inner, row, AttemptResult::NotSent, WireTrace::default()).await?;
            return Ok(false);
        }
    };
    let request = NetworkRequest {
        kind: recovery_kind(row, operation.kind),
        wire: operation.wire,
        money: operation.money,
        card: NetworkCard { pan, expiry: None, security_code: None },
        merchant: Arc::clone(&account.acquirer),
        eci: stored.order.eci,
        three_ds: ThreeDsWish::Default,
        authentication: None,
        credential: None,
        original: Some(recovery_original(&stored.order, &operation)),
        settlement_reference: None,
    };
    let exchange = inner.acquirer.exchange(request).await;
    finish_attempt(inner, row, &stored.order, &operation, exchange).await
}

fn recovery_reveals(row: &RecoveryRow, now: Timestamp) -> AuditEntry {
    AuditEntry {
        why: AuditReason::Recovery,
        operation: Some(row.operation),
        ..AuditEntry::new(now, AuditWho::Gateway("recovery".to_owned()), AuditAction::CardRevealed).about(row.merchant)
    }
}

async fn finish_attempt(
    inner: &Inner,
    row: &RecoveryRow,
    order: &Order,
    operation: &Operation,
    exchange: Exchange,
) -> Result<bool, StoreError> {
    metrics::counter!("tollgate_recovery_messages_total", "way" => row.way_out.name()).increment(1);
    let verdict = judge(row.way_out, operation.kind, &exchange.result);
    let verdict = match verdict {
        Verdict::Settled(outcome)
            if outcome.event == OperationEvent::AdviceRefused && release::never_gives_up(order, operation) =>
        {
            Verdict::Again
        }
        verdict => verdict,
    };
    if let Verdict::Settled(outcome) = verdict {
        match settle::write(inner, order, operation, &outcome, exchange.trace.clone(), Overtaking::Allowed).await {
            Ok(Written::Done(applied)) => {
                tracing::info!(fort_id = %order.fort_id, operation = %operation.kind, state = %applied.state, "an unknown outcome is settled");
                return Ok(true);
            }
            Ok(Written::Overtaken) => return Ok(false),
            Err(settle::SettleError::Store(error)) => return Err(error),
            Err(settle::SettleError::Apply(error)) => {
                tracing::error!(fort_id = %order.fort_id, %error, "a recovery message's answer does not fit its operation");
            }
        }
    }
    let result = match exchange.result {
        ExchangeResult::Answered(reply) => AttemptResult::Answered(reply.code),
        ExchangeResult::NotSent(_) => AttemptResult::NotSent,
        ExchangeResult::Unknown(_) => AttemptResult::NoAnswer,
    };
    note_attempt(inner, row, result, exchange.trace).await?;
    Ok(false)
}

/// Keeps what came of the message that was begun on `row`.
async fn note_attempt(
    inner: &Inner,
    row: &RecoveryRow,
    result: AttemptResult,
    trace: WireTrace,
) -> Result<(), StoreError> {
    let number = row.attempts.saturating_add(1);
    let note = Attempt { operation: row.operation, number, result, trace: trace.0, at: inner.clock.now() };
    inner.store.note_attempt(note).await
}

/// What the answer to a recovery message says.
enum Verdict {
    /// The operation is settled.
    Settled(Outcome),
    /// Ask again.
    Again,
}

fn judge(way_out: WayOut, kind: OperationKind, result: &ExchangeResult) -> Verdict {
    let ExchangeResult::Answered(reply) = result else { return Verdict::Again };
    // 25, "unable to locate record": there is nothing to undo, which is as good as undone.
    let acknowledged = reply.is_approval() || (reply.code == "25" && kind != OperationKind::Capture);
    let event = match way_out {
        WayOut::Reverse if acknowledged => OperationEvent::ReversalAcknowledged,
        WayOut::Repeat if acknowledged => OperationEvent::AdviceAcknowledged,
        WayOut::Repeat if is_final_no(&reply.code) => OperationEvent::AdviceRefused,
        WayOut::Reverse | WayOut::Repeat => return Verdict::Again,
    };
    Verdict::Settled(Outcome { network_code: Some(reply.code.clone()), ..Outcome::silent(event) })
}

/// Codes by which the network says no for good. Neither a yes with conditions is one, which may have moved money, nor what
/// says that it could not answer now (ISO 8583:1987 field 39: 68 response too late, 90 cutover, 91 issuer inoperative, 92 no
/// route, 94 duplicate, 96 malfunction).
fn is_final_no(code: &str) -> bool {
    !settle::is_conditional_yes(code) && !matches!(code, "68" | "90" | "91" | "92" | "94" | "96")
}

fn recovery_kind(row: &RecoveryRow, kind: OperationKind) -> NetworkKind {
    match (row.way_out, kind) {
        (WayOut::Repeat, OperationKind::Capture) => NetworkKind::CaptureAdviceRepeat,
        _ if row.attempts == 0 => NetworkKind::ReversalAdvice,
        _ => NetworkKind::ReversalAdviceRepeat,
    }
}

/// A reversal refers to the message itself; a repeated completion or void refers, like the first one,
/// to the authorization.
fn recovery_original(order: &Order, operation: &Operation) -> OriginalReference {
    match operation.kind {
        OperationKind::Capture | OperationKind::Void => original_of(order),
        OperationKind::Authorize | OperationKind::Purchase | OperationKind::Refund | OperationKind::Verify => {
            OriginalReference { kind: NetworkKind::of(operation.kind), wire: operation.wire, authorization_code: None }
        }
    }
}

/// The wait before the next message: doubled with each, up to the limit.
fn retry_after_ms(inner: &Inner, attempts: u32) -> u64 {
    let factor = 1u64.checked_shl(attempts.min(32)).unwrap_or(u64::MAX);
    inner.settings.recovery_retry_ms_min.saturating_mul(factor).min(inner.settings.recovery_retry_ms_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_advice_is_refused_only_by_a_plain_no() {
        let judged = |code: &str| {
            let reply = NetworkReply::bare(code);
            match judge(WayOut::Repeat, OperationKind::Capture, &ExchangeResult::Answered(reply)) {
                Verdict::Settled(outcome) => Some(outcome.event),
                Verdict::Again => None,
            }
        };
        assert_eq!(judged("00"), Some(OperationEvent::AdviceAcknowledged));
        assert_eq!(judged("05"), Some(OperationEvent::AdviceRefused));
        for doubtful in ["08", "10", "11", "16", "91", "96"] {
            assert_eq!(judged(doubtful), None, "{doubtful}");
        }
    }

    #[tokio::test]
    async fn a_failed_attempt_gives_its_place_back_and_asks_for_a_pause() {
        let mut rolling = Rolling::new(50);
        for (result, expected) in
            [(Ok(true), Ended::InOrder), (Ok(false), Ended::InOrder), (Err(StoreError::Busy), Ended::InError)]
        {
            let handle = rolling.attempts.spawn(async move { result });
            rolling.under_way.insert(handle.id(), OperationId(1));
            let ended = rolling.attempts.join_next_with_id().await;
            assert_eq!(ended.map(|ended| rolling.end(ended)), Some(expected));
            assert!(rolling.under_way.is_empty());
        }
    }
}
