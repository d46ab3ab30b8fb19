//! An entry of the ledger: one message, what came of it, and which sums it moved. Never changed afterwards.

use crate::credential::{Credential, TransactionId};
use crate::request::{AccountId, MessageName, OriginalName};
use crate::response_code::ResponseCode;
use crate::text::AuthorizationCode;
use tollgate_core::money::Currency;
use tollgate_core::time::Timestamp;

/// The place of an entry in the ledger, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryIndex(pub(crate) u32);

/// What a message did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: it was declined, or there was nothing to do.
    None,
    /// An authorization's hold.
    Hold,
    /// A purchase was posted.
    Purchase,
    /// A part of a hold was released and posted.
    Capture,
    /// A refund was posted.
    Refund,
    /// What was left of a hold was released.
    Void,
    /// A message was undone.
    Reversal,
    /// A message that never arrived must not count when it does.
    Tombstone,
}

impl Effect {
    const ALL: [Effect; 8] = [
        Effect::None,
        Effect::Hold,
        Effect::Purchase,
        Effect::Capture,
        Effect::Refund,
        Effect::Void,
        Effect::Reversal,
        Effect::Tombstone,
    ];

    /// The name in the data file and in the admin port's answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Effect::None => "none",
            Effect::Hold => "hold",
            Effect::Purchase => "purchase",
            Effect::Capture => "capture",
            Effect::Refund => "refund",
            Effect::Void => "void",
            Effect::Reversal => "reversal",
            Effect::Tombstone => "tombstone",
        }
    }

    /// Reads [`Effect::name`].
    pub(crate) fn parse(name: &str) -> Option<Effect> {
        Effect::ALL.into_iter().find(|effect| effect.name() == name)
    }
}

/// By how much an entry moves the sums of its account and of the message it belongs to, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delta {
    /// Money held.
    pub(crate) held: i64,
    /// Money posted: purchases and captures.
    pub(crate) posted: i64,
    /// Money given back.
    pub(crate) refunded: i64,
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When it was decided.
    pub(crate) at: Timestamp,
    /// The message.
    pub(crate) name: MessageName,
    /// The message that it refers to, as field 90 names it.
    pub(crate) original: Option<OriginalName>,
    /// Whose money.
    pub(crate) account: AccountId,
    /// Of which currency.
    pub(crate) currency: Currency,
    /// Field 4, minor units.
    pub(crate) amount_minor: u64,
    /// Field 39 of the answer.
    pub(crate) code: ResponseCode,
    /// Field 38 of the answer.
    pub(crate) authorization_code: Option<AuthorizationCode>,
    /// Field 48 subelement 63 of the answer: how a payment that was approved is named.
    pub(crate) transaction_id: Option<TransactionId>,
    /// What it said of a card that is kept.
    pub(crate) credential: Option<Credential>,
    /// What it did.
    pub(crate) effect: Effect,
    /// The entry it did it to: of a capture, refund or void the payment, of a reversal the message undone.
    pub(crate) target: Option<EntryIndex>,
    /// The sums it moved.
    pub(crate) delta: Delta,
}
