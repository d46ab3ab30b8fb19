//! Giving up the hold of a verification: an operation of the gateway's own, begun in the commit that writes that there
//! is a hold, and carried on until the network has acknowledged it.

use crate::claims::Claim;
use crate::gateway::Inner;
use crate::maintain::original_of;
use crate::settle::{self, Overtaking};
use crate::token;
use std::sync::Arc;
use tollgate_acquirer::{NetworkCard, NetworkKind, NetworkRequest};
use tollgate_core::apply::Outcome;
use tollgate_core::audit::{AuditAction, AuditEntry, AuditReason, AuditWho};
use tollgate_core::command::{SafeParams, ThreeDsWish};
use tollgate_core::order::{Operation, OperationEvent, OperationKind, OperationState, Order};
use tollgate_core::time::Timestamp;
use tollgate_store::{LifeId, NewOperation};
use tollgate_vault::Revealed;

/// A void whose intent is written with the outcome that makes it necessary. Dropping it leaves the void to the
/// janitor.
#[derive(Debug)]
pub(crate) struct Release {
    /// The order, with the void open.
    order: Order,
    operation: Operation,
    owner: LifeId,
    /// While the void is under way, the janitor does not take it for lost.
    _in_flight: Option<Claim>,
}

impl Release {
    /// What has to follow when the order has come to `after`; `None` for whatever holds nothing that nobody asked for.
    pub(crate) fn of(inner: &Inner, after: &Order, now: Timestamp) -> Option<Box<Release>> {
        let money = after.hold_to_give_up()?;
        let id = inner.next_number(now);
        let operation = Operation {
            id,
            fort_id: after.fort_id,
            kind: OperationKind::Void,
            money,
            state: OperationState::Sent,
            wire: inner.wire_reference(id, now),
        };
        let version = after.version.saturating_add(1);
        let order = Order { open_operation: Some(id), version, ..after.clone() };
        // Where the lease has run out, another gateway finds the void and repeats it.
        let owner = inner.life.id();
        Some(Box::new(Release { order, operation, owner, _in_flight: inner.claims.take(id) }))
    }

    /// Its intent, for the commit.
    pub(crate) fn intent(&self) -> NewOperation {
        NewOperation {
            merchant: self.order.merchant,
            order_version: self.order.version.saturating_sub(1),
            operation: self.operation.clone(),
            maintenance_reference: None,
            request: SafeParams::default(),
            owner: self.owner,
            // The card is opened for the void once this is written.
            audit: vec![self.reveal()],
            authentication: None,
            batch_row: None,
        }
    }

    fn reveal(&self) -> AuditEntry {
        let who = AuditWho::Gateway("verification".to_owned());
        AuditEntry {
            why: AuditReason::Void,
            operation: Some(self.operation.id),
            ..AuditEntry::new(self.operation.wire.sent_at, who, AuditAction::CardRevealed).about(self.order.merchant)
        }
    }

    /// Whether it was written is not known: the janitor looks for it.
    pub(crate) fn in_doubt(&self, inner: &Inner) {
        inner.doubt_intent(self.operation.id, self.owner);
    }

    /// Sends the void and writes what came of it. Whatever is no yes is left to the janitor, which repeats the void
    /// until the network acknowledges it.
    pub(crate) async fn carry_out(self, inner: &Inner) {
        let fort_id = self.order.fort_id;
        let Some(request) = self.request(inner).await else { return };
        let exchange = inner.exchange_as(self.owner, request).await;
        let outcome = as_it_counts(&self.order, &self.operation, settle::outcome_of(exchange.result));
        let written =
            settle::write(inner, &self.order, &self.operation, &outcome, exchange.trace, Overtaking::Allowed).await;
        if let Err(error) = written {
            tracing::error!(%fort_id, %error, "the end of a verification's hold could not be written; it is voided again");
            inner.doubt(self.operation.id);
        }
    }

    async fn request(&self, inner: &Inner) -> Option<NetworkRequest> {
        let fort_id = self.order.fort_id;
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%fort_id, %error, "the hold of a verification cannot be voided now; the janitor does it");
            inner.doubt(self.operation.id);
        };
        let stored = inner.store.operation(self.operation.id).await.map_err(|error| failed(&error)).ok()??;
        let account = inner.directory.by_id(self.order.merchant).await.map_err(|error| failed(&error)).ok()??;
        let opened = token::open_card(inner, &stored.stored).await;
        // The intent has told the audit log of it.
        let Revealed { pan, receipt: _ } = opened.map_err(|error| failed(&error)).ok()?;
        Some(NetworkRequest {
            kind: NetworkKind::of(self.operation.kind),
            wire: self.operation.wire,
            money: self.operation.money,
            card: NetworkCard { pan, expiry: None, security_code: None },
            merchant: Arc::clone(&account.acquirer),
            eci: self.order.eci,
            three_ds: ThreeDsWish::Default,
            authentication: None,
            credential: None,
            original: Some(original_of(&self.order)),
            settlement_reference: None,
        })
    }
}

/// Whether an operation is a void that nobody but the gateway asked for: a no is not the end of it.
pub(crate) fn never_gives_up(order: &Order, operation: &Operation) -> bool {
    order.kind.is_verification() && operation.kind == OperationKind::Void
}

/// An outcome as it counts for an operation. What would leave the hold of a verification where it is counts as not
/// known: then the void is repeated, with growing pauses, and its age is told.
pub(crate) fn as_it_counts(order: &Order, operation: &Operation, outcome: Outcome) -> Outcome {
    match outcome.event {
        OperationEvent::Declined if never_gives_up(order, operation) => {
            Outcome { event: OperationEvent::Unreadable, ..outcome }
        }
        OperationEvent::NotSent if never_gives_up(order, operation) => {
            Outcome { event: OperationEvent::Interrupted, ..outcome }
        }
        _ => outcome,
    }
}
