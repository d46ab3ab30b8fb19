//! What an outcome does to an operation and its order: pure, so that the simulator, the gateway and
//! an operator's correction all take the same step.

use crate::advice::RetryAdvice;
use crate::code::{self, ResponseCode, message};
use crate::credential::NetworkTransactionId;
use crate::ident::OperationId;
use crate::order::{
    LastOperation, Operation, OperationEvent, OperationKind, OperationState, Order, PayKind, Phase, Totals, WayOut,
};
use crate::transition;

/// What was learned about an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The event.
    pub event: OperationEvent,
    /// The network's response code (ISO 8583:1987 field 39), if an answer came.
    pub network_code: Option<String>,
    /// The issuer's authorization code (field 38), if it gave one.
    pub authorization_code: Option<String>,
    /// How the network named the payment, if it did.
    pub network_transaction_id: Option<NetworkTransactionId>,
    /// Of a decline: whether it may be tried again.
    pub advice: Option<RetryAdvice>,
}

impl Outcome {
    /// An event without an answer from the network.
    #[must_use]
    pub const fn silent(event: OperationEvent) -> Outcome {
        Outcome { event, network_code: None, authorization_code: None, network_transaction_id: None, advice: None }
    }
}

/// The order and its operation after the outcome; both go into one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The order as it is now.
    pub order: Order,
    /// The operation's state now.
    pub state: OperationState,
    /// What the merchant is told of this operation.
    pub code: ResponseCode,
    /// What has to be done to find out or to undo.
    pub recovery: Recovery,
}

/// What follows for the recovery of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing is or was under way.
    None,
    /// It has to begin.
    Begin(WayOut),
    /// It is over: the operation is settled.
    End,
}

/// Why an outcome cannot be applied. It changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The operation is settled, or the event cannot happen to it: a doubled or an impossible answer.
    #[error("an operation that is {state} takes no event {event:?}")]
    NoSuchEdge {
        /// The operation's state.
        state: OperationState,
        /// What was to happen to it.
        event: OperationEvent,
    },
    /// The operation does not fit the order's phase.
    #[error("an order that is {phase} has no {kind} under way")]
    WrongPhase {
        /// The order's phase.
        phase: Phase,
        /// The operation's kind.
        kind: OperationKind,
    },
    /// Another operation of the order is open: it has to be settled before a settled one is corrected.
    #[error("operation {0} of this order is open: settle it first")]
    AnotherOpen(OperationId),
    /// It belongs to an earlier try, and the order has the card and the names of a later one.
    #[error(
        "another try, which may have had another card, has begun on this order since: what the acquirer has booked of \
         this one is settled with the acquirer, outside of the order"
    )]
    EarlierTry,
    /// The sums would break captured <= authorized or refunded <= captured.
    #[error("the order's sums would not be consistent")]
    Sums,
}

/// Applies `outcome` of `operation` to `order`.
///
/// # Errors
/// When the tables of [`crate::transition`] have no such edge, or a sum would break. Nothing changes.
pub fn apply(order: &Order, operation: &Operation, outcome: &Outcome) -> Result<Applied, ApplyError> {
    let state = transition::operation_after(operation.state, outcome.event)
        .ok_or(ApplyError::NoSuchEdge { state: operation.state, event: outcome.event })?;
    if let Some(open) = order.open_operation.filter(|open| *open != operation.id) {
        return Err(ApplyError::AnotherOpen(open));
    }
    if operation.kind.begins() && operation.wire.rrn != order.original.rrn {
        return Err(ApplyError::EarlierTry);
    }
    let totals = match (operation.state, state) {
        (_, OperationState::Approved) => totals_after(order, operation),
        (OperationState::Approved, _) => totals_without(order, operation),
        _ => Some(order.totals),
    };
    // An operation that does not belong to the order says more than the sums that come of it.
    let phase = transition::phase_after(order.phase, operation.kind, state, &totals.unwrap_or(order.totals))
        .ok_or(ApplyError::WrongPhase { phase: order.phase, kind: operation.kind })?;
    let totals = totals.ok_or(ApplyError::Sums)?;
    let code = code_of(order.kind, operation.kind, state, outcome);
    let open_operation = (state == OperationState::Unknown).then_some(operation.id);
    let begins = operation.kind.begins();
    let authorization_code = if begins && state == OperationState::Approved {
        outcome.authorization_code.clone().or_else(|| order.authorization_code.clone())
    } else {
        order.authorization_code.clone()
    };
    let recovery = match (operation.state, state) {
        (_, OperationState::Unknown) => Recovery::Begin(operation.kind.way_out()),
        (OperationState::Unknown, _) => Recovery::End,
        _ => Recovery::None,
    };
    // An operation on an order that never left the gateway was only refused: it has not become the order's last. Of a
    // verification only the verification itself counts, not that its hold was given up.
    let only_refused = state == OperationState::NotSent || order.kind.is_verification();
    let last = if only_refused && !begins {
        order.last.clone()
    } else {
        LastOperation { kind: operation.kind, code, network_code: outcome.network_code.clone() }
    };
    let version = order.version.saturating_add(1);
    let order = Order { phase, totals, open_operation, authorization_code, last, version, ..order.clone() };
    Ok(Applied { order, state, code, recovery })
}

/// The FORT message of a decline, by the network's response code (ISO 8583:1987 field 39).
#[must_use]
pub fn decline_message(network_code: &str) -> u16 {
    match network_code {
        "51" => message::INSUFFICIENT_FUNDS,
        "33" | "54" => message::CARD_EXPIRED,
        // "Additional customer authentication required": the issuer wants 3-D Secure. One brand says 65
        // for it, which to all others is a withdrawal limit.
        "1A" => message::AUTHENTICATION_FAILED,
        "34" | "59" => message::FRAUD,
        // The network could not process it, and says so: a definite no, without blame on the card.
        "96" => message::TECHNICAL_PROBLEM,
        _ => message::DECLINED,
    }
}

fn code_of(order: PayKind, kind: OperationKind, state: OperationState, outcome: &Outcome) -> ResponseCode {
    match state {
        OperationState::Approved => order.code(kind, message::SUCCESS),
        OperationState::Declined if outcome.event == OperationEvent::AuthenticationWanted => code::THREE_DS_WANTED,
        OperationState::Declined => {
            order.code(kind, outcome.network_code.as_deref().map_or(message::DECLINED, decline_message))
        }
        OperationState::Unknown | OperationState::Sent => code::UNCERTAIN,
        OperationState::Reversed => order.code(kind, message::DECLINED),
        OperationState::NotSent => match outcome.event {
            OperationEvent::Cancelled => code::refused::CANCELLED,
            OperationEvent::Abandoned => order.code(kind, message::SESSION_TIMED_OUT),
            OperationEvent::NotAuthenticated => order.code(kind, message::AUTHENTICATION_FAILED),
            _ => order.code(kind, message::TECHNICAL_PROBLEM),
        },
    }
}

fn totals_after(order: &Order, operation: &Operation) -> Option<Totals> {
    let amount = operation.money.amount;
    let mut totals = order.totals;
    match operation.kind {
        OperationKind::Authorize => totals.authorized = totals.authorized.plus(amount)?,
        OperationKind::Purchase => {
            totals.authorized = totals.authorized.plus(amount)?;
            totals.captured = totals.captured.plus(amount)?;
        }
        OperationKind::Capture => totals.captured = totals.captured.plus(amount)?,
        OperationKind::Void | OperationKind::Verify => {}
        OperationKind::Refund => totals.refunded = totals.refunded.plus(amount)?,
    }
    totals.are_consistent().then_some(totals)
}

/// The sums when an operation that counted counts no more.
fn totals_without(order: &Order, operation: &Operation) -> Option<Totals> {
    let amount = operation.money.amount;
    let mut totals = order.totals;
    match operation.kind {
        OperationKind::Authorize => totals.authorized = totals.authorized.minus(amount)?,
        OperationKind::Purchase => {
            totals.authorized = totals.authorized.minus(amount)?;
            totals.captured = totals.captured.minus(amount)?;
        }
        OperationKind::Capture => totals.captured = totals.captured.minus(amount)?,
        OperationKind::Void | OperationKind::Verify => {}
        OperationKind::Refund => totals.refunded = totals.refunded.minus(amount)?,
    }
    totals.are_consistent().then_some(totals)
}
