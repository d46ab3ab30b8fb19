//! Which outcomes are told to the merchant's servers, and what they are told. Delivery is not done here:
//! a row goes into the store with the outcome, and `tollgate-feedback` takes it from there.

use crate::gateway::{Gateway, Inner};
use std::sync::Arc;
use tollgate_core::answer::{Answer, OrderFacts};
use tollgate_core::code::refused;
use tollgate_core::feedback::FeedbackKind;
use tollgate_core::ident::MerchantId;
use tollgate_core::order::{Operation, OperationKind, OperationState, Order};
use tollgate_store::{FeedbackContent, NewFeedback};

/// Who delivers feedback.
pub trait FeedbackWatch: Send + Sync + 'static {
    /// Whether somebody listens to the feedback of this merchant, whatever its account says. Asked
    /// with each outcome: it must not wait.
    fn listens_to(&self, merchant: MerchantId) -> bool;

    /// A feedback was written just now.
    fn written(&self);
}

impl Gateway {
    /// Tells `watch` of feedback from now on. Only the first one counts.
    pub fn watch_feedback(&self, watch: Arc<dyn FeedbackWatch>) {
        if self.inner.feedback_watch.set(watch).is_err() {
            tracing::error!("feedback is watched already");
        }
    }
}

/// The feedback that the step of `operation` to `after` is written with.
pub(crate) async fn of_step(
    inner: &Inner,
    order: &Order,
    operation: &Operation,
    after: OperationState,
) -> Option<NewFeedback> {
    // FORT tells of payments only.
    if order.kind.is_verification() {
        return None;
    }
    let channel = order.channel;
    let kind = FeedbackKind::of(operation.kind, operation.state, after)?;
    let wanted = match inner.directory.by_id(order.merchant).await {
        Ok(Some(account)) => account.merchant.terms.feedback.endpoint(channel, kind).is_some(),
        Ok(None) => false,
        // Better a row that finds no receiver than a receiver that is not told.
        Err(error) => {
            tracing::warn!(%error, "the accounts cannot be read; feedback is written in any case");
            true
        }
    };
    let heard = || inner.feedback_watch.get().is_some_and(|watch| watch.listens_to(order.merchant));
    (wanted || heard()).then_some(NewFeedback { channel, kind })
}

/// Tells the watch that a feedback was written.
pub(crate) fn written(inner: &Inner) {
    if let Some(watch) = inner.feedback_watch.get() {
        watch.written();
    }
}

/// What a feedback tells: the same facts as the answer to the request would at that moment. The direct feedback of a
/// payment tells the network's code of an approval as well, which an answer keeps for declines.
#[must_use]
pub fn feedback_answer(content: &FeedbackContent) -> Answer {
    let (order, outcome) = (&content.order, &content.outcome);
    let facts = OrderFacts { fort_id: order.fort_id, merchant_reference: order.merchant_reference.clone() };
    // The customer's way back tells no order either.
    if outcome.code == refused::CANCELLED {
        return Answer::bare(outcome.code);
    }
    let bare = Answer { order: Some(facts), ..Answer::bare(outcome.code) };
    if !matches!(content.operation.kind, OperationKind::Authorize | OperationKind::Purchase) {
        return bare;
    }
    let tells_code = match outcome.state {
        OperationState::Declined => true,
        OperationState::Approved => content.row.lane.kind == FeedbackKind::Direct,
        _ => false,
    };
    Answer {
        card: order.card.clone(),
        eci: Some(order.eci),
        authorization_code: outcome.authorization_code.clone().filter(|_| outcome.state == OperationState::Approved),
        acquirer_code: outcome.network_code.clone().filter(|_| tells_code),
        token_name: order.token_name_in(outcome.state).map(str::to_owned),
        agreement_id: order.agreement_id_in(outcome.state).map(str::to_owned),
        ..bare
    }
}
