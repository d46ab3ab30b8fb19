//! Messages: what customers are told by mail and on their telephones, and what merchants' servers are told of things
//! that are no payment. A message is written in the commit of what it tells of, and is sent by
//! `tollgate-notify` afterwards.
//!
//! A message is known by what it is about, its kind, its channel and its occasion: it is written once, however often
//! somebody tries. It holds neither a text nor an address; both are made when it is sent.

use crate::ident::MerchantId;
use crate::named_enum::named_enum;
use crate::payment_link::PaymentLinkId;
use crate::time::Timestamp;
use std::fmt;

/// The number of a message; it grows with each one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub i64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a message is about. Another thing that people are told of is one more line here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageAbout {
    /// A payment link.
    PaymentLink(PaymentLinkId),
}

impl MessageAbout {
    /// The number of the kind of thing that stores keep; it never changes its meaning.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            MessageAbout::PaymentLink(_) => 0,
        }
    }

    /// The thing's own number.
    #[must_use]
    pub const fn id(self) -> i64 {
        match self {
            MessageAbout::PaymentLink(id) => id.0,
        }
    }

    /// The thing with these numbers.
    #[must_use]
    pub const fn from_numbers(number: u8, id: i64) -> Option<MessageAbout> {
        match number {
            0 => Some(MessageAbout::PaymentLink(PaymentLinkId(id))),
            _ => None,
        }
    }
}

named_enum! {
    /// What a message says.
    MessageKind {
        /// Here is what is to be paid, and the link by which it is paid.
        Link = 0 "link",
        /// The same again, because the time is running out.
        Reminder = 1 "reminder",
        /// The customer was told of a link.
        LinkSent = 16 "link-sent",
        /// The customer could not be told of a link.
        LinkSendFailed = 17 "link-send-failed",
        /// The page of a link was opened for the first time.
        LinkOpened = 18 "link-opened",
        /// A link is paid.
        LinkPaid = 19 "link-paid",
        /// The time of a link is over, and it is not paid.
        LinkExpired = 20 "link-expired",
        /// A link was closed.
        LinkClosed = 21 "link-closed",
    }
}

named_enum! {
    /// By which way a message goes.
    MessageChannel {
        /// To a customer, by mail.
        Email = 0 "EMAIL",
        /// To a customer, as a text message.
        Sms = 1 "SMS",
        /// To the merchant's server, as notification feedback.
        Server = 2 "server",
    }
}

impl MessageChannel {
    /// The channel with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<MessageChannel> {
        MessageChannel::ALL.iter().copied().find(|channel| channel.name() == name)
    }

    /// Whether it leads to a customer: such messages cost money and patience, and are counted.
    #[must_use]
    pub const fn reaches_customers(self) -> bool {
        matches!(self, MessageChannel::Email | MessageChannel::Sms)
    }
}

/// A message that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// On whose behalf.
    pub merchant: MerchantId,
    /// What it is about.
    pub about: MessageAbout,
    /// What it says.
    pub kind: MessageKind,
    /// By which way.
    pub channel: MessageChannel,
    /// What tells it from others of the same kind about the same thing: the moment of a reminder, the version of a link
    /// that is sent again. 0 where there can be one only.
    pub occasion: i64,
    /// When it is written; it is due at once.
    pub at: Timestamp,
}

/// How many messages customers may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// About one thing, ever.
    pub per_thing_max: u32,
    /// On behalf of one merchant, within a day that ends now.
    pub merchant_day_max: u32,
}

/// Which of [`MessageLimits`] has been reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageLimit {
    /// That of one thing.
    PerThing,
    /// That of a merchant's day.
    MerchantDay,
}

/// What waits for one way of one merchant: it waits for nobody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageLane {
    /// Whose.
    pub merchant: MerchantId,
    /// By which way.
    pub channel: MessageChannel,
}

/// How many lanes a merchant can have.
const LANES_PER_MERCHANT_MAX: i64 = 16;

impl MessageLane {
    /// One number, for stores; lanes of one merchant lie beside each other.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.merchant.0.saturating_mul(LANES_PER_MERCHANT_MAX).saturating_add(self.channel.number() as i64)
    }

    /// Reads [`MessageLane::number`]; `None` for a channel that does not exist.
    #[must_use]
    pub fn from_number(number: i64) -> Option<MessageLane> {
        let channel = u8::try_from(number.rem_euclid(LANES_PER_MERCHANT_MAX)).ok()?;
        Some(MessageLane {
            merchant: MerchantId(number.div_euclid(LANES_PER_MERCHANT_MAX)),
            channel: MessageChannel::from_number(channel)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_and_things_read_back() {
        for channel in MessageChannel::ALL {
            let lane = MessageLane { merchant: MerchantId(7), channel: *channel };
            assert_eq!(MessageLane::from_number(lane.number()), Some(lane));
            assert_eq!(MessageChannel::parse(channel.name()), Some(*channel));
        }
        let about = MessageAbout::PaymentLink(PaymentLinkId(179));
        assert_eq!(MessageAbout::from_numbers(about.number(), about.id()), Some(about));
        assert_eq!(MessageAbout::from_numbers(9, 1), None);
        assert_eq!(MessageLane::from_number(15), None);
    }
}
