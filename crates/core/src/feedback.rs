//! Transaction feedback: which outcomes are told to the merchant's servers, as what, and where to.

use crate::ident::{MerchantId, OperationId};
use crate::order::{OperationKind, OperationState};
use std::fmt;

/// Which of a merchant's two feedback URLs an outcome goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackKind {
    /// Direct transaction feedback: right after each processed payment, whatever came of it.
    Direct,
    /// Notification transaction feedback: what changes later.
    Notification,
}

impl FeedbackKind {
    /// Both.
    pub const ALL: [FeedbackKind; 2] = [FeedbackKind::Direct, FeedbackKind::Notification];

    /// What an operation's step from `before` to `after` is told as; `None` when it is not told.
    ///
    /// A payment's first outcome is told directly, also when nobody knows it yet. A later operation
    /// whose outcome nobody knows is told when it is settled, and one that never left the gateway
    /// has changed nothing.
    #[must_use]
    pub const fn of(kind: OperationKind, before: OperationState, after: OperationState) -> Option<FeedbackKind> {
        match (kind.begins(), before) {
            (true, OperationState::Sent) => Some(FeedbackKind::Direct),
            (false, OperationState::Sent) if matches!(after, OperationState::Unknown | OperationState::NotSent) => None,
            _ => Some(FeedbackKind::Notification),
        }
    }

    /// The number that stores keep; it never changes its meaning.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            FeedbackKind::Direct => 0,
            FeedbackKind::Notification => 1,
        }
    }

    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<FeedbackKind> {
        FeedbackKind::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FeedbackKind::Direct => "direct",
            FeedbackKind::Notification => "notification",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<FeedbackKind> {
        FeedbackKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for FeedbackKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A way by which payments come in. FORT configures feedback for each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The payment API.
    Trusted,
    /// The gateway's own page, to which the customer's browser was sent.
    Redirection,
}

impl Channel {
    /// All of them.
    pub const ALL: [Channel; 2] = [Channel::Trusted, Channel::Redirection];

    /// The number that stores keep, 0 to 31; it never changes its meaning.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Channel::Trusted => 0,
            Channel::Redirection => 1,
        }
    }

    /// The name used in commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Channel::Trusted => "trusted",
            Channel::Redirection => "redirection",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Channel> {
        Channel::ALL.into_iter().find(|channel| channel.name() == name)
    }

    /// The channel with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Channel> {
        Channel::ALL.into_iter().find(|channel| channel.number() == number)
    }
}

/// How the body of a feedback is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeedbackFormat {
    /// One flat JSON object of texts.
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// XML: root `response`, one element for each parameter.
    Xml,
}

impl FeedbackFormat {
    /// All of them.
    pub const ALL: [FeedbackFormat; 3] = [FeedbackFormat::Json, FeedbackFormat::Form, FeedbackFormat::Xml];

    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FeedbackFormat::Json => "json",
            FeedbackFormat::Form => "form",
            FeedbackFormat::Xml => "xml",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<FeedbackFormat> {
        FeedbackFormat::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// Where transaction feedback goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedbackTerms {
    /// Direct transaction feedback, of every channel without an address of its own.
    #[serde(default)]
    pub direct_url: Option<String>,
    /// Notification transaction feedback, likewise.
    #[serde(default)]
    pub notification_url: Option<String>,
    /// How direct transaction feedback is written.
    #[serde(default)]
    pub direct_format: FeedbackFormat,
    /// How notification transaction feedback is written.
    #[serde(default)]
    pub notification_format: FeedbackFormat,
    /// Channels with addresses of their own; at most one row for each channel and kind counts, the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelFeedback>,
}

/// Feedback of one channel that goes to an address of its own.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelFeedback {
    /// The channel.
    pub channel: Channel,
    /// Which feedback.
    pub kind: FeedbackKind,
    /// Where it goes; `None` is nowhere.
    #[serde(default)]
    pub url: Option<String>,
    /// How it is written.
    #[serde(default)]
    pub format: FeedbackFormat,
}

/// An address for feedback and how its body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedbackEndpoint<'a> {
    /// The URL.
    pub url: &'a str,
    /// The format.
    pub format: FeedbackFormat,
}

impl FeedbackTerms {
    /// Where feedback of `kind` of a payment that came by `channel` goes; `None` is nowhere.
    #[must_use]
    pub fn endpoint(&self, channel: Channel, kind: FeedbackKind) -> Option<FeedbackEndpoint<'_>> {
        let own = self.channels.iter().find(|row| row.channel == channel && row.kind == kind);
        let (url, format) = match (own, kind) {
            (Some(own), _) => (&own.url, own.format),
            (None, FeedbackKind::Direct) => (&self.direct_url, self.direct_format),
            (None, FeedbackKind::Notification) => (&self.notification_url, self.notification_format),
        };
        url.as_deref().map(|url| FeedbackEndpoint { url, format })
    }

    /// The row of a channel with an address of its own for `kind`.
    pub fn own_mut(&mut self, channel: Channel, kind: FeedbackKind) -> Option<&mut ChannelFeedback> {
        self.channels.iter_mut().find(|row| row.channel == channel && row.kind == kind)
    }

    /// Lets feedback of `kind` of payments that come by `channel` go to an address of their own, `None` for
    /// nowhere. It is written as before.
    pub fn set_own(&mut self, channel: Channel, kind: FeedbackKind, url: Option<String>) {
        let format = self.format(channel, kind);
        self.clear_own(channel, kind);
        self.channels.push(ChannelFeedback { channel, kind, url, format });
    }

    /// Lets feedback of `kind` of payments that come by `channel` go where the merchant's goes.
    pub fn clear_own(&mut self, channel: Channel, kind: FeedbackKind) {
        self.channels.retain(|row| row.channel != channel || row.kind != kind);
    }

    /// How feedback of `kind` of a payment that came by `channel` is written, wherever it goes.
    #[must_use]
    pub fn format(&self, channel: Channel, kind: FeedbackKind) -> FeedbackFormat {
        let own = self.channels.iter().find(|row| row.channel == channel && row.kind == kind);
        match (own, kind) {
            (Some(own), _) => own.format,
            (None, FeedbackKind::Direct) => self.direct_format,
            (None, FeedbackKind::Notification) => self.notification_format,
        }
    }
}

/// The name of a feedback: the outcome that it tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedbackId {
    /// The operation.
    pub operation: OperationId,
    /// The place of the outcome among those of the operation, from 0.
    pub place: u16,
}

impl FeedbackId {
    /// Reads what [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<FeedbackId> {
        let (operation, place) = text.split_once('.')?;
        let digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(operation, 18) || !digits(place, 5) {
            return None;
        }
        Some(FeedbackId { operation: OperationId(operation.parse().ok()?), place: place.parse().ok()? })
    }
}

impl fmt::Display for FeedbackId {
    /// The operation's number, a dot and the place: no search for card numbers takes it for one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.operation, self.place)
    }
}

/// All feedback of one kind to one channel's address: what waits in a lane waits for nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedbackLane {
    /// Whose.
    pub merchant: MerchantId,
    /// By which way the payments came.
    pub channel: Channel,
    /// Which feedback.
    pub kind: FeedbackKind,
}

/// How many lanes a merchant can have: 32 channels, two kinds.
const LANES_PER_MERCHANT_MAX: i64 = 64;

impl FeedbackLane {
    /// One number, for stores; lanes of one merchant lie beside each other.
    #[must_use]
    pub const fn number(self) -> i64 {
        let within = self.channel.number() as i64 * 2 + self.kind.number() as i64;
        self.merchant.0.saturating_mul(LANES_PER_MERCHANT_MAX).saturating_add(within)
    }

    /// Reads [`FeedbackLane::number`]; `None` for a channel that does not exist.
    #[must_use]
    pub fn from_number(number: i64) -> Option<FeedbackLane> {
        let within = u8::try_from(number.rem_euclid(LANES_PER_MERCHANT_MAX)).ok()?;
        Some(FeedbackLane {
            merchant: MerchantId(number.div_euclid(LANES_PER_MERCHANT_MAX)),
            channel: Channel::from_number(within / 2)?,
            kind: FeedbackKind::from_number(within % 2)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::transition::OPERATION_EDGES;

    #[test]
    fn the_first_outcome_of_a_payment_is_direct_and_every_later_one_a_notification() {
        use OperationKind::{Authorize, Capture, Purchase, Refund, Void};
        use OperationState::{Approved, Declined, NotSent, Reversed, Sent, Unknown};
        for (kinds, before, after, expected) in [
            (&[Authorize, Purchase][..], Sent, Approved, Some(FeedbackKind::Direct)),
            (&[Authorize, Purchase], Sent, Declined, Some(FeedbackKind::Direct)),
            (&[Authorize, Purchase], Sent, Unknown, Some(FeedbackKind::Direct)),
            (&[Authorize, Purchase], Sent, NotSent, Some(FeedbackKind::Direct)),
            (&[Authorize, Purchase], Unknown, Approved, Some(FeedbackKind::Notification)),
            (&[Authorize, Purchase], Unknown, Reversed, Some(FeedbackKind::Notification)),
            (&[Capture, Void, Refund], Sent, Approved, Some(FeedbackKind::Notification)),
            (&[Capture, Void, Refund], Sent, Declined, Some(FeedbackKind::Notification)),
            (&[Capture, Void, Refund], Sent, Unknown, None),
            (&[Capture, Void, Refund], Sent, NotSent, None),
            (&[Capture, Void, Refund], Unknown, Approved, Some(FeedbackKind::Notification)),
            (&[Capture, Void, Refund], Unknown, Declined, Some(FeedbackKind::Notification)),
        ] {
            for kind in kinds {
                assert_eq!(FeedbackKind::of(*kind, before, after), expected, "{kind} {before} {after}");
            }
        }
    }

    #[test]
    fn whatever_is_final_and_changed_something_is_told() {
        for edge in OPERATION_EDGES {
            for kind in OperationKind::ALL {
                let is_final = !matches!(edge.to, OperationState::Unknown | OperationState::NotSent);
                let told = FeedbackKind::of(*kind, edge.from, edge.to).is_some();
                assert!(told || !is_final, "{kind}: {} to {}", edge.from, edge.to);
            }
        }
    }

    #[test]
    fn a_channel_with_an_address_of_its_own_goes_before_the_merchants() {
        let mut terms = FeedbackTerms {
            direct_url: Some("https://a.example.com/".into()),
            direct_format: FeedbackFormat::Form,
            ..FeedbackTerms::default()
        };
        let direct = |terms: &FeedbackTerms| {
            let endpoint = terms.endpoint(Channel::Trusted, FeedbackKind::Direct);
            endpoint.map(|endpoint| (endpoint.url.to_owned(), endpoint.format))
        };
        assert_eq!(direct(&terms), Some(("https://a.example.com/".into(), FeedbackFormat::Form)));
        assert_eq!(terms.endpoint(Channel::Trusted, FeedbackKind::Notification), None);
        terms.channels.push(ChannelFeedback {
            channel: Channel::Trusted,
            kind: FeedbackKind::Direct,
            url: Some("https://b.example.com/".into()),
            format: FeedbackFormat::Xml,
        });
        assert_eq!(direct(&terms), Some(("https://b.example.com/".into(), FeedbackFormat::Xml)));
        terms.set_own(Channel::Trusted, FeedbackKind::Direct, None);
        assert_eq!(direct(&terms), None, "a channel may be told to send nothing");
        terms.set_own(Channel::Trusted, FeedbackKind::Direct, Some("https://c.example.com/".into()));
        assert_eq!(direct(&terms), Some(("https://c.example.com/".into(), FeedbackFormat::Xml)), "written as before");
        terms.clear_own(Channel::Trusted, FeedbackKind::Direct);
        assert_eq!(direct(&terms), Some(("https://a.example.com/".into(), FeedbackFormat::Form)));
    }

    #[test]
    fn terms_from_before_formats_are_read() {
        let terms: FeedbackTerms =
            serde_json::from_str(r#"{"direct_url":"https://a.b","notification_url":null}"#).unwrap();
        assert_eq!(terms.direct_format, FeedbackFormat::Json);
        assert_eq!(serde_json::from_str::<FeedbackTerms>(&serde_json::to_string(&terms).unwrap()).unwrap(), terms);
    }

    proptest::proptest! {
        #[test]
        fn names_and_numbers_read_back(operation in 0i64..=999_999_999_999_999_999, place in 0u16..=u16::MAX, merchant in 1i64..1_000_000_000) {
            let id = FeedbackId { operation: OperationId(operation), place };
            proptest::prop_assert_eq!(FeedbackId::parse(&id.to_string()), Some(id));
            for kind in FeedbackKind::ALL {
                let lane = FeedbackLane { merchant: MerchantId(merchant), channel: Channel::Trusted, kind };
                proptest::prop_assert_eq!(FeedbackLane::from_number(lane.number()), Some(lane));
            }
        }
    }

    #[test]
    fn what_is_no_name_of_a_feedback_is_not_read() {
        for text in
            ["", "1", "1.", ".1", "1.65536", "1.123456", "1.-1", "1.+1", "x.0", "1234567890123456789.0", "1.0.0"]
        {
            assert_eq!(FeedbackId::parse(text), None, "{text}");
        }
    }
}
