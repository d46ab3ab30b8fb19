//! How a checkout ends without a payment: the customer cancels, or time is over.

use super::seen::{SeenCheckout, order_of};
use super::{authenticate, follow, past};
use crate::feedback;
use crate::gateway::{Gateway, Inner, Refused};
use crate::payment_link::tell;
use crate::settle::{self, Overtaking};
use tollgate_acquirer::WireTrace;
use tollgate_core::apply::{self, Outcome};
use tollgate_core::checkout::{CHECKOUT_KEPT_MS, Checkout, End, Step};
use tollgate_core::code::{UNCERTAIN, refused};
use tollgate_core::ident::OperationId;
use tollgate_core::order::{LastOperation, Operation, OperationEvent, OperationState, Order, Phase};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::time::Timestamp;
use tollgate_store::{CheckoutChange, CheckoutChanged, CloseUnsent, NewOrder, NewTry, StoreError, TryClaim};
use tollgate_threeds::flow::Event;
use tollgate_vault::SealedCard;

/// How long it is at least between two looks for checkouts whose time is over, in milliseconds of the gateway's clock.
const LOOK_EVERY_MS: u64 = 5_000;
/// How many checkouts one look ends at most; the next look goes on.
const CHECKOUTS_PER_LOOK_MAX: usize = 256;
/// How long it is at least between two looks for checkouts that may be forgotten, in milliseconds.
const FORGET_EVERY_MS: u64 = 60 * 60_000;
/// How often a new number is tried when one is taken.
const NUMBER_TRIES_MAX: usize = 8;

/// The customer cancels, or comes back too late.
pub(super) async fn cancel(inner: &Inner, seen: &SeenCheckout) -> Result<(), Refused> {
    let checkout = &seen.checkout;
    if checkout.has_ended() {
        return Ok(());
    }
    if checkout.is_late(inner.clock.now()) {
        return expire(inner, checkout).await;
    }
    let checkout = &past::left_in_the_middle(checkout, Event::Cancelled, inner.clock.now());
    match &seen.order {
        Some(order) if order.waits_for_its_customer() => {
            let after = checkout.at(Step::Ended(End::Cancelled));
            close(inner, order, OperationEvent::Cancelled, &after).await?;
        }
        // What is under way or settled is not undone by a click.
        Some(order) if !order.takes_a_try() => {}
        _ => {
            end(inner, checkout, End::Cancelled).await;
        }
    }
    Ok(())
}

/// The merchant ends the page of a payment link. What is under way or settled stays as it is.
pub(crate) async fn end_by_merchant(inner: &Inner, checkout: &Checkout) -> Result<(), Refused> {
    match checkout.order() {
        Some(fort_id) if order_of(inner, checkout, fort_id).await?.open_operation.is_some() => Ok(()),
        _ => expire(inner, checkout).await,
    }
}

/// The end of a checkout whose time is over.
async fn expire(inner: &Inner, checkout: &Checkout) -> Result<(), Refused> {
    let checkout = &past::left_in_the_middle(checkout, Event::Abandoned, inner.clock.now());
    let Some(fort_id) = checkout.order() else {
        end(inner, checkout, End::TimedOut).await;
        return Ok(());
    };
    let order = order_of(inner, checkout, fort_id).await?;
    if !order.waits_for_its_customer() {
        end(inner, checkout, End::AsOrder).await;
        return Ok(());
    }
    let event = match checkout.step {
        Step::Authentication(_) => OperationEvent::NotAuthenticated,
        Step::Card | Step::PassBy | Step::Ended(_) => OperationEvent::Abandoned,
    };
    close(inner, &order, event, &checkout.at(Step::Ended(End::AsOrder))).await
}

/// Closes an order of which nothing was sent; its checkout is `after` from then on, one version on. Where somebody was
/// faster, nothing is changed.
pub(super) async fn close(
    inner: &Inner,
    order: &Order,
    event: OperationEvent,
    after: &Checkout,
) -> Result<(), Refused> {
    for number in 0..NUMBER_TRIES_MAX {
        let close = closing(inner, order, event, after, number).await?;
        let (is_told, is_noted) = (close.outcome.feedback.is_some(), close.outcome.message.is_some());
        match inner.store.close_unsent(close).await? {
            TryClaim::NumberTaken => {}
            TryClaim::Changed | TryClaim::AgreementChanged => return Ok(()),
            TryClaim::Claimed => {
                if is_told {
                    feedback::written(inner);
                }
                if is_noted {
                    inner.messages_wanted.notify_one();
                }
                return Ok(());
            }
        }
    }
    Err(Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, "no free operation number was found").into())
}

async fn closing(
    inner: &Inner,
    order: &Order,
    event: OperationEvent,
    after: &Checkout,
    number_tries: usize,
) -> Result<CloseUnsent, Refused> {
    let (owner, now) = (inner.living().await?, inner.clock.now());
    let is_first = number_tries == 0 && order.phase == Phase::Open;
    let id = if is_first { OperationId(order.fort_id.0) } else { inner.next_number(now) };
    let wire = inner.wire_reference(id, now);
    let kind = order.kind.operation();
    let pending = Order {
        phase: Phase::Pending,
        open_operation: Some(id),
        version: order.version.saturating_add(1),
        original: wire,
        last: LastOperation { kind, code: UNCERTAIN, network_code: None },
        ..order.clone()
    };
    let operation =
        Operation { id, fort_id: order.fort_id, kind, money: order.money, state: OperationState::Sent, wire };
    let outcome = Outcome::silent(event);
    let applied = apply::apply(&pending, &operation, &outcome)
        .map_err(|error| Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, error.to_string()))?;
    let told = feedback::of_step(inner, &pending, &operation, applied.state).await;
    let mut record = settle::record_of(inner, &operation, &outcome, applied, WireTrace::default(), Overtaking::Allowed);
    record.feedback = told;
    record.message = tell::of_outcome(inner, &operation, &record).await;
    let intent = NewOrder {
        order: pending,
        operation,
        // The order keeps what it has, or has not.
        card: SealedCard::from_bytes(Vec::new()),
        request: after.params.clone(),
        owner,
        token: None,
        agreement: None,
        schedule: None,
        audit: Vec::new(),
        route: None,
        authentication: None,
        batch_row: None,
    };
    Ok(CloseUnsent { attempt: NewTry { intent, checkout: after.clone() }, outcome: record })
}

/// Who has written the end of a checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// This call.
    ByThis,
    /// Somebody else, or nobody yet: then the look for late ones writes it.
    NotByThis,
}

/// Writes that a checkout has ended. What cannot be written now, the look for late ones writes.
pub(crate) async fn end(inner: &Inner, checkout: &Checkout, ended: End) -> Written {
    let change = CheckoutChange { checkout: checkout.at(Step::Ended(ended)), held: None, at: inner.clock.now() };
    match inner.store.change_checkout(change).await {
        Ok(CheckoutChanged::Written) => return Written::ByThis,
        Ok(CheckoutChanged::Overtaken) => tracing::debug!("a checkout was ended by somebody else"),
        Err(error) => tracing::warn!(%error, "the end of a checkout could not be written; it ends by its time"),
    }
    Written::NotByThis
}

/// When it was last looked.
#[derive(Default)]
pub(crate) struct Expiries {
    looked_at: Option<Timestamp>,
    forgot_at: Option<Timestamp>,
}

impl Expiries {
    /// Ends the checkouts whose time is over, and now and then forgets those that ended long ago. A clock that is moved
    /// makes it look at once.
    pub(crate) async fn look(&mut self, gateway: &Gateway) {
        let inner = &gateway.inner;
        let now = inner.clock.now();
        let is_due = |at: Option<Timestamp>, every_ms| {
            at.is_none_or(|looked_at| now.since_ms(looked_at) >= every_ms || now < looked_at)
        };
        if !is_due(self.looked_at, LOOK_EVERY_MS) || inner.life.running().is_none() {
            return;
        }
        self.looked_at = Some(now);
        if let Err(error) = end_late_ones(gateway, now).await {
            tracing::error!(%error, "checkouts whose time is over cannot be read; the next look tries again");
        }
        if is_due(self.forgot_at, FORGET_EVERY_MS) {
            self.forgot_at = Some(now);
            let back_us = i64::try_from(CHECKOUT_KEPT_MS.saturating_mul(1_000)).unwrap_or(i64::MAX);
            let before = Timestamp(now.0.saturating_sub(back_us));
            if let Err(error) = inner.store.forget_checkouts(before, CHECKOUTS_PER_LOOK_MAX).await {
                tracing::warn!(%error, "old checkouts cannot be forgotten; the next look tries again");
            }
        }
    }
}

async fn end_late_ones(gateway: &Gateway, now: Timestamp) -> Result<(), StoreError> {
    let inner = &gateway.inner;
    for checkout in inner.store.checkouts_due(now, CHECKOUTS_PER_LOOK_MAX).await? {
        let done = match checkout.is_late(now) {
            true => expire(inner, &checkout).await,
            false if checkout.try_is_late(now) => follow::give_up(inner, checkout).await,
            false => authenticate::time_passed(gateway, checkout).await,
        };
        if let Err(refused) = done {
            tracing::error!(detail = %refused.refusal.detail, "a checkout could not be ended; the next look tries again");
        }
    }
    Ok(())
}
