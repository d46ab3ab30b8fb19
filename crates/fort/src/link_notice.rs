//! What a merchant's server is told of how a payment link stands: an extension of ours, in the form of feedback.

use crate::response::Fields;
use crate::text::Language;
use tollgate_core::code::PAYMENT_LINK_DONE;
use tollgate_core::message::{MessageChannel, MessageKind};
use tollgate_core::payment_link::PaymentLink;
use tollgate_core::time::Timestamp;

/// The value of `service_command`: no service of FORT has it, so that nobody takes a notification for another thing.
pub const LINK_NOTICE: &str = "PAYMENT_LINK_NOTIFICATION";

/// What is told.
#[derive(Clone, Copy, Debug)]
pub struct LinkNotice<'a> {
    /// The link.
    pub link: &'a PaymentLink,
    /// Its merchant's `merchant_identifier`.
    pub merchant_identifier: &'a str,
    /// How it came to stand; see [`link_state`].
    pub state: &'static str,
    /// By which way its customer was told, or could not be.
    pub channel: Option<MessageChannel>,
    /// The order that paid it.
    pub fort_id: Option<&'a str>,
    /// When it came to stand so.
    pub at: Timestamp,
}

/// `payment_link_status` of a notification; `None` for messages that are none.
#[must_use]
pub const fn link_state(kind: MessageKind) -> Option<&'static str> {
    match kind {
        MessageKind::LinkSent => Some("Sent"),
        MessageKind::LinkSendFailed => Some("SendFailed"),
        MessageKind::LinkOpened => Some("Opened"),
        MessageKind::LinkPaid => Some("Paid"),
        MessageKind::LinkExpired => Some("Expired"),
        MessageKind::LinkClosed => Some("Closed"),
        MessageKind::Link | MessageKind::Reminder => None,
    }
}

/// The fields of a notification, not signed yet.
#[must_use]
pub fn link_notice(notice: &LinkNotice<'_>) -> Fields {
    let link = notice.link;
    let mut fields = Fields::none();
    let (amount, currency) = (link.amount_minor.to_string(), link.currency.to_string());
    let (expires_at, at) = (link.expires_at.to_string(), notice.at.to_string());
    for (name, value) in [
        ("service_command", LINK_NOTICE),
        ("access_code", link.access_code.as_str()),
        ("merchant_identifier", notice.merchant_identifier),
        ("merchant_reference", link.merchant_reference.as_str()),
        ("language", link.language.as_str()),
        ("payment_link_id", link.name.as_str()),
        ("payment_link_status", notice.state),
        ("status_date", at.as_str()),
        ("amount", amount.as_str()),
        ("currency", currency.as_str()),
        ("request_expiry_date", expires_at.as_str()),
        ("customer_email", link.customer.email.as_str()),
        ("notification_type", notice.channel.map_or("", MessageChannel::name)),
        ("fort_id", notice.fort_id.unwrap_or_default()),
    ] {
        fields.push(name, value);
    }
    fields.push_code(PAYMENT_LINK_DONE, Language::of(Some(&link.language)));
    fields
}
