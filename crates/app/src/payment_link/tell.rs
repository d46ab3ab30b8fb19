//! Who is told of payment links, and of how they stand. Nothing is sent here: messages go into the store with what they
//! tell of, and `tollgate-notify` takes them from there.

use crate::directory::Account;
use crate::gateway::{Gateway, Inner};
use std::sync::Arc;
use tollgate_core::code::refused;
use tollgate_core::feedback::Channel;
use tollgate_core::link_notice::LinkNotifications;
use tollgate_core::message::{MessageKind, MessageLimit, MessageLimits, NewMessage};
use tollgate_core::order::{Operation, OperationState, Order};
use tollgate_core::payment_link::{LinkNotification, PaymentLink};
use tollgate_core::refusal::Refusal;
use tollgate_core::time::Timestamp;
use tollgate_store::MessagesToo;

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

/// What the merchant's server is told of the step of `operation` to `after`, where it pays a link.
pub(crate) async fn of_step(
    inner: &Inner,
    order: &Order,
    operation: &Operation,
    after: OperationState,
) -> Option<NewMessage> {
    let pays = operation.kind.begins() && after == OperationState::Approved && order.channel == Channel::Redirection;
    if !pays || order.kind.is_verification() {
        return None;
    }
    let account = match inner.directory.by_id(order.merchant).await {
        Ok(account) => account?,
        Err(error) => {
            tracing::warn!(%error, "the accounts cannot be read; nobody is told that a link may be paid");
            return None;
        }
    };
    if account.merchant.terms.links.notifications == LinkNotifications::Off {
        return None;
    }
    match inner.store.payment_link_of_order(order.fort_id).await {
        Ok(stored) => notice(&account, &stored?.link, MessageKind::LinkPaid, 0, inner.clock.now()),
        Err(error) => {
            tracing::warn!(%error, "the link of a payment cannot be read; nobody is told that it is paid");
            None
        }
    }
}
