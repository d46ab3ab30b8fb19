//! What an answer, or the lack of one, means: the step from the network back into the store. The
//! use cases, the late answers and the recovery all take it.

use crate::feedback;
use crate::gateway::Inner;
use crate::payment_link::tell;
use crate::release::Release;
use tollgate_acquirer::{Exchange, ExchangeResult, NetworkReply, WireTrace};
use tollgate_core::advice::RetryAdvice;
use tollgate_core::apply::{self, Applied, Outcome, Recovery};
use tollgate_core::checkout::Checkout;
use tollgate_core::code::{self, ResponseCode};
use tollgate_core::order::{Operation, OperationEvent, OperationState, Order, WayOut};
use tollgate_core::time::Timestamp;
use tollgate_store::{
    Correction, CorrectionRecord, OutcomeRecord, Recorded, RecoveryChange, StoreError, StoredOperation,
};

/// What the merchant is told of an operation.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) code: ResponseCode,
    pub(crate) state: OperationState,
    pub(crate) authorization_code: Option<String>,
    pub(crate) network_code: Option<String>,
    /// What has to be carried out now.
    pub(crate) release: Option<Box<Release>>,
}

impl Settled {
    /// Nobody knows yet.
    pub(crate) const UNCERTAIN: Settled = Settled {
        code: code::UNCERTAIN,
        state: OperationState::Unknown,
        authorization_code: None,
        network_code: None,
        release: None,
    };
}

/// Whether a settlement may overtake a recovery message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overtaking {
    /// Yes: it is what the recovery itself found out.
    Allowed,
    /// Only while no recovery message was begun.
    IfUnsent,
}

/// Writes the first outcome of an operation, and gives what the merchant is told.
///
/// When the outcome cannot be written, the merchant is told that nobody knows, and the janitor finds
/// the operation soon afterwards: an answer that is not on the disk is never given. `checkout` is that of the customer whose
/// authentication follows a decline, if one does: with it the decline is not final.
pub(crate) async fn first_outcome(
    inner: &Inner,
    order: &Order,
    operation: &Operation,
    exchange: Exchange,
    checkout: Option<Checkout>,
) -> Settled {
    let outcome = outcome_of(exchange.result);
    let first = match checkout {
        None => None,
        Some(checkout) => {
            Box::pin(begin_authentication(inner, order, operation, &outcome, &exchange.trace, checkout)).await
        }
    };
    let written = match first {
        Some(written) => written,
        None => write(inner, order, operation, &outcome, exchange.trace.clone(), Overtaking::Allowed).await,
    };
    let written = match written {
        Ok(Written::Overtaken) => {
            Box::pin(after_being_taken_for_dead(inner, operation, &outcome, exchange.trace)).await
        }
        written => written,
    };
    let applied = match written {
        Ok(Written::Done(applied)) => applied,
        Ok(Written::Overtaken) | Err(SettleError::Apply(_)) => {
            tracing::error!(fort_id = %order.fort_id, "the operation was settled by somebody else while it was under way");
            return Settled::UNCERTAIN;
        }
        Err(error) => {
            tracing::error!(fort_id = %order.fort_id, %error, "an outcome could not be written; it counts as unknown");
            inner.doubt(operation.id);
            return Settled::UNCERTAIN;
        }
    };
    inner.operations_counted.count(&(operation.kind.number(), applied.state.number()), || {
        metrics::counter!("tollgate_operations_total", "kind" => operation.kind.name(), "state" => applied.state.name())
    });
    tracing::debug!(fort_id = %order.fort_id, operation = %operation.kind, state = %applied.state, code = %applied.code, "settled");
    Settled {
        code: applied.code,
        state: applied.state,
        authorization_code: outcome.authorization_code,
        network_code: outcome.network_code,
        release: applied.release,
    }
}

/// Writes a decline that the customer's authentication follows. `None` where it cannot follow, and nothing was written: then
/// the decline stands by itself.
async fn begin_authentication(
    inner: &Inner,
    order: &Order,
    operation: &Operation,
    decline: &Outcome,
    trace: &WireTrace,
    checkout: Checkout,
) -> Option<Result<Written, SettleError>> {
    let outcome = Outcome { event: OperationEvent::AuthenticationWanted, ..decline.clone() };
    let applied = apply::apply(order, operation, &outcome).ok()?;
    let done = Done { state: applied.state, code: applied.code, release: None };
    let mut record = record_of(inner, operation, &outcome, applied, trace.clone(), Overtaking::Allowed);
    // No feedback: the merchant is told what comes of the authentication.
    record.checkout = Some(Box::new(checkout));
    match inner.store.record_outcome(record).await {
        Ok(Recorded::Written) => Some(Ok(Written::Done(done))),
        Ok(Recorded::Changed | Recorded::RecoveryBegun) => None,
        Err(StoreError::Refused(reason)) => {
            tracing::warn!(fort_id = %order.fort_id, reason, "no authentication follows a decline; it stands");
            None
        }
        Err(error) => Some(Err(error.into())),
    }
}

/// Writes an outcome that finds its operation changed: this gateway was paused for so long that another one took
/// the operation for lost. An answer still counts as a late one does, as long as nothing was begun to undo or to
/// repeat the operation; else what the other one finds out counts, and this changes nothing.
async fn after_being_taken_for_dead(
    inner: &Inner,
    operation: &Operation,
    outcome: &Outcome,
    trace: WireTrace,
) -> Result<Written, SettleError> {
    let Some(StoredOperation { stored, operation, .. }) = inner.store.operation(operation.id).await? else {
        return Ok(Written::Overtaken);
    };
    write(inner, &stored.order, &operation, outcome, trace, Overtaking::IfUnsent).await
}

/// Whether an outcome was written.
#[derive(Debug)]
pub(crate) enum Written {
    /// It was.
    Done(Done),
    /// Somebody else was faster; nothing was written.
    Overtaken,
}

/// What an operation came to by an outcome that was written.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) state: OperationState,
    pub(crate) code: ResponseCode,
    /// What was begun with it, and has to be carried out now.
    pub(crate) release: Option<Box<Release>>,
}

/// Why an outcome was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettleError {
    #[error(transparent)]
    Apply(#[from] apply::ApplyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Applies `outcome` and writes what follows from it in one commit.
pub(crate) async fn write(
    inner: &Inner,
    order: &Order,
    operation: &Operation,
    outcome: &Outcome,
    trace: WireTrace,
    overtaking: Overtaking,
) -> Result<Written, SettleError> {
    let applied = apply::apply(order, operation, outcome)?;
    let release = Release::of(inner, &applied.order, inner.clock.now());
    let (done, recovery) = (Done { state: applied.state, code: applied.code, release }, applied.recovery);
    let mut record = record_of(inner, operation, outcome, applied, trace, overtaking);
    record.next = done.release.as_ref().map(|release| Box::new(release.intent()));
    record.feedback = feedback::of_step(inner, order, operation, done.state).await;
    record.message = tell::of_outcome(inner, operation, &record).await;
    let (is_told, is_noted) = (record.feedback.is_some(), record.message.is_some());
    let recorded = inner.store.record_outcome(record).await;
    if let (Err(StoreError::InDoubt(_)), Some(release)) = (&recorded, &done.release) {
        release.in_doubt(inner);
    }
    match recorded? {
        Recorded::Written => {
            if matches!(recovery, Recovery::Begin(_)) {
                inner.recovery_wanted.notify_one();
            }
            if is_told {
                feedback::written(inner);
            }
            if is_noted {
                inner.messages_wanted.notify_one();
            }
            Ok(Written::Done(done))
        }
        Recorded::Changed | Recorded::RecoveryBegun => Ok(Written::Overtaken),
    }
}

/// Applies an outcome that an operator forces, and writes it with its reasons in one commit. `attempts` is
/// the count of recovery messages that was seen.
pub(crate) async fn write_correction(
    inner: &Inner,
    order: &Order,
    operation: &Operation,
    outcome: &Outcome,
    correction: Correction,
    attempts: Option<u32>,
) -> Result<Written, SettleError> {
    let applied = apply::apply(order, operation, outcome)?;
    let release = Release::of(inner, &applied.order, inner.clock.now());
    let done = Done { state: applied.state, code: applied.code, release };
    let mut outcome = record_of(inner, operation, outcome, applied, WireTrace::default(), Overtaking::Allowed);
    outcome.next = done.release.as_ref().map(|release| Box::new(release.intent()));
    outcome.feedback = feedback::of_step(inner, order, operation, done.state).await;
    outcome.message = tell::of_outcome(inner, operation, &outcome).await;
    let (is_told, is_noted) = (outcome.feedback.is_some(), outcome.message.is_some());
    match inner
        .store
        .record_correction(CorrectionRecord { outcome, correction, attempts, life: inner.life.id() })
        .await?
    {
        Recorded::Written => {
            if is_told {
                feedback::written(inner);
            }
            if is_noted {
                inner.messages_wanted.notify_one();
            }
            Ok(Written::Done(done))
        }
        Recorded::Changed | Recorded::RecoveryBegun => Ok(Written::Overtaken),
    }
}

pub(crate) fn record_of(
    inner: &Inner,
    operation: &Operation,
    outcome: &Outcome,
    applied: Applied,
    trace: WireTrace,
    overtaking: Overtaking,
) -> OutcomeRecord {
    let now = inner.clock.now();
    OutcomeRecord {
        order: applied.order,
        operation: operation.id,
        state_before: operation.state,
        state: applied.state,
        event: outcome.event,
        code: applied.code,
        network_code: outcome.network_code.clone(),
        authorization_code: outcome.authorization_code.clone(),
        network_transaction_id: outcome.network_transaction_id.clone(),
        advice: outcome.advice,
        trace: trace.0,
        recovery: recovery_change(inner, applied.recovery, overtaking, outcome.event, now),
        feedback: None,
        message: None,
        next: None,
        checkout: None,
        at: now,
    }
}

fn recovery_change(
    inner: &Inner,
    recovery: Recovery,
    overtaking: Overtaking,
    event: OperationEvent,
    now: Timestamp,
) -> RecoveryChange {
    match (recovery, overtaking) {
        (Recovery::None, _) => RecoveryChange::None,
        (Recovery::Begin(way_out), _) => {
            // Only a silent network may still answer, and only a reversal could cross that answer: a
            // repeated advice counts once however often it comes.
            let waits = event == OperationEvent::NoAnswer && way_out == WayOut::Reverse;
            let delay_ms = if waits { inner.settings.reversal_delay_ms } else { 0 };
            RecoveryChange::Begin { way_out, due_at: now.plus_ms(delay_ms) }
        }
        (Recovery::End, Overtaking::Allowed) => RecoveryChange::End,
        (Recovery::End, Overtaking::IfUnsent) => RecoveryChange::EndIfUnsent,
    }
}

/// What the end of an exchange says.
pub(crate) fn outcome_of(result: ExchangeResult) -> Outcome {
    match result {
        ExchangeResult::Answered(reply) => {
            let event = event_of(&reply);
            answered(event, reply)
        }
        ExchangeResult::NotSent(reason) => {
            tracing::warn!(?reason, "a message could not be sent after its intent was written");
            Outcome::silent(OperationEvent::NotSent)
        }
        ExchangeResult::Unknown(reason) => Outcome::silent(reason.event()),
    }
}

/// What an answer brings, besides the event that it is.
pub(crate) fn answered(event: OperationEvent, reply: NetworkReply) -> Outcome {
    let advice =
        (event == OperationEvent::Declined).then(|| RetryAdvice::of(&reply.code, reply.advice_code.as_deref()));
    Outcome {
        event,
        network_code: Some(reply.code),
        authorization_code: reply.authorization_code,
        network_transaction_id: reply.network_transaction_id,
        advice,
    }
}

/// What a readable answer says: yes, no, or neither.
pub(crate) fn event_of(reply: &NetworkReply) -> OperationEvent {
    if reply.is_approval() {
        OperationEvent::Approved
    } else if is_conditional_yes(&reply.code) {
        // A yes with conditions may have moved money, but not what was asked for: it is undone.
        OperationEvent::Unreadable
    } else {
        OperationEvent::Declined
    }
}

/// Approvals that are no plain yes (ISO 8583:1987 field 39): 08 with identification, 10 for a part of
/// the amount, 11 for a very important person, 16 with an update of the track.
pub(crate) fn is_conditional_yes(code: &str) -> bool {
    matches!(code, "08" | "10" | "11" | "16")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_00_is_a_yes_and_a_conditional_yes_is_undone() {
        for (code, event) in [
            ("00", OperationEvent::Approved),
            ("05", OperationEvent::Declined),
            ("51", OperationEvent::Declined),
            ("10", OperationEvent::Unreadable),
            ("08", OperationEvent::Unreadable),
            ("85", OperationEvent::Declined),
        ] {
            assert_eq!(event_of(&NetworkReply::bare(code)), event, "{code}");
        }
    }
}
