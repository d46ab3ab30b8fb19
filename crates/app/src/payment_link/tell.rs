//! Who is told of payment links, and of how they stand. Nothing is sent here: messages go into the store with what they
//! tell of, and `tollgate-notify` takes them from there.

use super::seen::{is_try, leaves_the_tries};
use crate::directory::Account;
use crate::gateway::{Gateway, Inner};
use std::sync::Arc;
use tollgate_core::code::refused;
use tollgate_core::feedback::Channel;
use tollgate_core::link_notice::LinkNotifications;
use tollgate_core::message::{MessageKind, MessageLimit, MessageLimits, NewMessage};
use tollgate_core::order::{Operation, OperationEvent, OperationState};
use tollgate_core::payment_link::{LinkNotification, LinkStand, PaymentLink};
use tollgate_core::refusal::Refusal;
use tollgate_core::time::Timestamp;
use tollgate_store::{MessagesToo, OutcomeRecord, StoreError};

/// How customers can be told of anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageWays {
    /// By these ways.
    pub ways: Vec<LinkNotification>,
    /// So often.
    pub limits: MessageLimits,
}

impl Gateway {
    /// Customers can be told of links from now on. Only the first call counts.
    pub fn set_message_ways(&self, ways: MessageWays) {
        if self.inner.message_ways.set(ways).is_err() {
            tracing::error!("how customers are told is set already");
        }
    }

    /// Is notified when messages were written.
    #[must_use]
    pub fn messages_wanted(&self) -> Arc<tokio::sync::Notify> {
        Arc::clone(&self.inner.messages_wanted)
    }
}

/// By which ways customers can be told.
pub(crate) fn ways(inner: &Inner) -> &[LinkNotification] {
    inner.message_ways.get().map_or(&[], |ways| ways.ways.as_slice())
}

/// These messages, as often as this gateway may send them.
pub(super) fn limited(inner: &Inner, messages: Vec<NewMessage>) -> MessagesToo {
    MessagesToo { messages, limits: inner.message_ways.get().map(|ways| ways.limits) }
}

/// Wakes whoever sends, where something was written.
pub(super) fn written(inner: &Inner, too: &MessagesToo) {
    if !too.messages.is_empty() {
        inner.messages_wanted.notify_one();
    }
}

/// Why so many messages may not be sent.
pub(super) fn too_many(inner: &Inner, limit: MessageLimit) -> Refusal {
    let limits = inner.message_ways.get().map(|ways| ways.limits);
    let detail = match (limit, limits) {
        (MessageLimit::PerThing, Some(MessageLimits { per_thing_max, .. })) => format!(
            "a link sends at most {per_thing_max} messages (messages.per_thing_max), reminders included: give the customer \
             the address yourself"
        ),
        (MessageLimit::MerchantDay, Some(MessageLimits { merchant_day_max, .. })) => format!(
            "the merchant's customers were sent {merchant_day_max} messages within a day (messages.merchant_day_max): try \
             again later, or send notification_type=NONE"
        ),
        (_, None) => "so many messages may not be sent".to_owned(),
    };
    Refusal::request(refused::TOO_MANY_ATTEMPTS, "notification_type", detail)
}

/// What tells the merchant's server that a link came to stand so, where the account wants to hear of it.
pub(crate) fn notice(
    account: &Account,
    link: &PaymentLink,
    kind: MessageKind,
    occasion: i64,
    at: Timestamp,
) -> Option<NewMessage> {
    let is_wanted = account.merchant.terms.links.notifications == LinkNotifications::On;
    is_wanted.then(|| link.notice(kind, occasion, at))
}

/// What the merchant's server is told of an outcome that pays a link, or closes it for good: with the last card that may be
/// tried, or because its payment was undone.
/// `operation` is as it was before.
pub(crate) async fn of_outcome(inner: &Inner, operation: &Operation, record: &OutcomeRecord) -> Option<NewMessage> {
    let order = &record.order;
    // The try goes on where the issuer wants an authentication.
    let may_end = operation.kind.begins() && record.event != OperationEvent::AuthenticationWanted;
    if !may_end || order.channel != Channel::Redirection || order.kind.is_verification() {
        return None;
    }
    match inner.directory.by_id(order.merchant).await {
        Ok(Some(account)) if account.merchant.terms.links.notifications == LinkNotifications::On => {}
        Ok(_) => return None,
        // Better a message that is not wanted, which is dropped when it is sent, than one that is never written.
        Err(error) => tracing::warn!(%error, "the accounts cannot be read; a notice of a link is written in any case"),
    }
    match end_of_link(inner, operation, record).await {
        Ok(told) => told.map(|(link, kind)| link.notice(kind, 0, inner.clock.now())),
        Err(error) => {
            tracing::warn!(%error, "the link of a payment cannot be read; that it was paid is told when its time is over");
            None
        }
    }
}

/// The link that an outcome pays or closes, and which of them.
async fn end_of_link(
    inner: &Inner,
    operation: &Operation,
    record: &OutcomeRecord,
) -> Result<Option<(PaymentLink, MessageKind)>, StoreError> {
    let Some(stored) = inner.store.payment_link_of_order(record.order.fort_id).await? else { return Ok(None) };
    let link = stored.link;
    if record.state == OperationState::Approved {
        return Ok(Some((link, MessageKind::LinkPaid)));
    }
    // Whoever closed it was told then.
    if link.closed_at.is_some() {
        return Ok(None);
    }
    let before = inner.store.story(record.order.fort_id).await?.map(|story| story.operations).unwrap_or_default();
    let others = before.iter().filter(|told| told.operation.id != operation.id && is_try(told)).count();
    let tries = others.saturating_add(usize::from(!leaves_the_tries(record.event)));
    let stand = link.stand(Some(&record.order), u8::try_from(tries).unwrap_or(u8::MAX), record.at);
    Ok((stand == LinkStand::Closed).then_some((link, MessageKind::LinkClosed)))
}
