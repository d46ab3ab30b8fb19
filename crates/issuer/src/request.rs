//! What a message asks of the ledger, already read and judged by its form.

use crate::credential::Credential;
use crate::response_code::ResponseCode;
use crate::text::{AuthorizationCode, Rrn};
use tollgate_core::money::Currency;

/// The number of an account inside one data file, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AccountId(pub(crate) u32);

/// The class of a message: its type without the digit that says whether it is a repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MessageClass {
    /// 0100.
    Authorization,
    /// 0200.
    Financial,
    /// 0220, 0221.
    Completion,
    /// 0400.
    Void,
    /// 0420, 0421.
    ReversalAdvice,
}

impl MessageClass {
    /// Every class.
    pub(crate) const ALL: [MessageClass; 5] = [
        MessageClass::Authorization,
        MessageClass::Financial,
        MessageClass::Completion,
        MessageClass::Void,
        MessageClass::ReversalAdvice,
    ];

    /// The class of a message type (ISO 8583:1987), if the network carries it. A repeat (last digit 1) is of
    /// its original's class.
    pub(crate) fn of_mti(digits: [u8; 4]) -> Option<MessageClass> {
        match &digits {
            b"0100" | b"0101" => Some(MessageClass::Authorization),
            b"0200" | b"0201" => Some(MessageClass::Financial),
            b"0220" | b"0221" => Some(MessageClass::Completion),
            b"0400" | b"0401" => Some(MessageClass::Void),
            b"0420" | b"0421" => Some(MessageClass::ReversalAdvice),
            _ => None,
        }
    }

    /// The message type of a first transmission.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            MessageClass::Authorization => "0100",
            MessageClass::Financial => "0200",
            MessageClass::Completion => "0220",
            MessageClass::Void => "0400",
            MessageClass::ReversalAdvice => "0420",
        }
    }

    /// Reads [`MessageClass::name`].
    pub(crate) fn parse(name: &str) -> Option<MessageClass> {
        MessageClass::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// How a message is named: fields 32, 11, 7 and 37.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageName {
    /// The class.
    pub(crate) class: MessageClass,
    /// Field 32 as a number.
    pub(crate) acquirer: u64,
    /// Field 11.
    pub(crate) stan: u32,
    /// Field 7, MMDDhhmmss as a number.
    pub(crate) sent_at: u32,
    /// Field 37.
    pub(crate) rrn: Rrn,
}

impl MessageName {
    /// How field 90 of another message names this one.
    pub(crate) const fn as_original(&self) -> OriginalName {
        OriginalName { class: self.class, acquirer: self.acquirer, stan: self.stan, sent_at: self.sent_at }
    }
}

/// How field 90 names a message: type, STAN, transmission time and acquirer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OriginalName {
    /// The class of its type.
    pub(crate) class: MessageClass,
    /// Its field 32.
    pub(crate) acquirer: u64,
    /// Its field 11.
    pub(crate) stan: u32,
    /// Its field 7.
    pub(crate) sent_at: u32,
}

/// The message that another one refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OriginalReference {
    /// Field 90.
    pub(crate) name: OriginalName,
    /// Field 38, if it was sent: it must be the original's then.
    pub(crate) authorization_code: Option<AuthorizationCode>,
}

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// Hold money.
    Authorize,
    /// Say whether the card is good; no money moves.
    Verify,
    /// Take money.
    Purchase,
    /// Give money back.
    Refund(OriginalReference),
    /// Take money that is held.
    Complete(OriginalReference),
    /// Give up a hold.
    Void(OriginalReference),
    /// Undo a message, or repeat a void.
    Reverse(OriginalReference),
}

impl RequestKind {
    /// Whether it is the first message of a payment or a verification.
    pub(crate) const fn begins(&self) -> bool {
        matches!(self, RequestKind::Authorize | RequestKind::Verify | RequestKind::Purchase)
    }

    /// The message referred to.
    pub(crate) const fn original(&self) -> Option<&OriginalReference> {
        match self {
            RequestKind::Authorize | RequestKind::Verify | RequestKind::Purchase => None,
            RequestKind::Refund(original)
            | RequestKind::Complete(original)
            | RequestKind::Void(original)
            | RequestKind::Reverse(original) => Some(original),
        }
    }
}

/// A message for the ledger.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// Its name.
    pub(crate) name: MessageName,
    /// What it asks for.
    pub(crate) kind: RequestKind,
    /// Whose money.
    pub(crate) account: AccountId,
    /// Field 49.
    pub(crate) currency: Currency,
    /// Field 4, minor units, at most 12 digits.
    pub(crate) amount_minor: u64,
    /// A decline that card, amount or expiry bring about, whatever the ledger would say.
    pub(crate) refusal: Option<ResponseCode>,
    /// What it says of a card that is kept.
    pub(crate) credential: Option<Credential>,
}
