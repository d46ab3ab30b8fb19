//! Stored credentials: what the card network is told of a payment whose card is kept, and how it named the first one.
//!
//! A network wants to know who begins a payment (the customer or the merchant), whether the card is being stored by it or
//! was stored before, and for what. Of a payment that the merchant begins it also wants the name that it gave to one of
//! the customer's own: the proof that the customer once was there.

use crate::agreement::{Agreement, OrderAgreement, RecurringMode};
use crate::command::Eci;
use crate::token::{Token, TokenId, TokenRole};
use std::fmt;

/// How a card network names a payment: 1 to [`NetworkTransactionId::CHARS_MAX`] letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetworkTransactionId(String);

impl NetworkTransactionId {
    /// The most characters that one has: Visa's and Amex's have 15, Mastercard's with its date 13.
    pub const CHARS_MAX: usize = 36;

    /// Reads one.
    #[must_use]
    pub fn parse(text: &str) -> Option<NetworkTransactionId> {
        let fits = (1..=NetworkTransactionId::CHARS_MAX).contains(&text.len());
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (fits && plain).then(|| NetworkTransactionId(text.to_owned()))
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NetworkTransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for NetworkTransactionId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<NetworkTransactionId, Self::Error> {
        NetworkTransactionId::parse(&text).ok_or("a network transaction id is letters and digits")
    }
}

impl From<NetworkTransactionId> for String {
    fn from(id: NetworkTransactionId) -> String {
        id.0
    }
}

/// Who begins a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initiator {
    /// The customer (CIT).
    Customer,
    /// The merchant, without the customer (MIT).
    Merchant,
}

/// Whether a card is being stored by a payment, or was stored before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialTurn {
    /// This payment stores it, or opens an agreement about it.
    Initial,
    /// It was stored before.
    Subsequent,
}

/// For what a card is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialUse {
    /// The same amount in a fixed rhythm.
    Recurring,
    /// A fixed rhythm with changing amounts.
    StandingOrder,
    /// Neither is known before.
    Unscheduled,
}

impl CredentialUse {
    /// The use of a card under an agreement; of a card without one, nothing is known before.
    #[must_use]
    pub const fn of(mode: Option<RecurringMode>) -> CredentialUse {
        match mode {
            Some(RecurringMode::Fixed) => CredentialUse::Recurring,
            Some(RecurringMode::Variable) => CredentialUse::StandingOrder,
            Some(RecurringMode::Unscheduled) | None => CredentialUse::Unscheduled,
        }
    }
}

/// What the network is told of a payment's stored card.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoredCredential {
    /// Who begins the payment.
    pub by: Initiator,
    /// Whether it is the first one.
    pub turn: CredentialTurn,
    /// For what the card is stored.
    pub used_for: CredentialUse,
    /// Of a payment that the merchant begins, how the network named the customer's own. `None` where that is not known:
    /// then the network is told none, which is its interim rule for cards stored before such names were kept.
    pub original: Option<NetworkTransactionId>,
}

/// What an order has to do with a stored card, beside what it does to its token.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OrderCredential {
    /// What the network is told.
    pub told: StoredCredential,
    /// The agreement that it opens or charges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<OrderAgreement>,
    /// What its success is noted with at a token that is permanent already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<TokenNote>,
}

/// That a payment of the customer's has to be noted with its token when it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TokenNote {
    /// The number of the card under the token's name.
    pub token: i64,
    /// What is missing there.
    pub missing: MissingNote,
}

/// What a token does not tell yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingNote {
    /// That its customer has ever paid with it.
    Payment,
    /// How the network named such a payment.
    NetworkTransactionId,
}

/// A payment as far as its stored card is concerned.
#[derive(Clone, Copy, Debug)]
pub struct CredentialFacts<'a> {
    /// The e-commerce indicator.
    pub eci: Eci,
    /// What it does with a token, if anything.
    pub role: Option<TokenRole>,
    /// The token that it names, where that is there already.
    pub token: Option<&'a Token>,
    /// The mode of the agreement that it opens.
    pub opens: Option<RecurringMode>,
    /// The agreement that it charges.
    pub charges: Option<&'a Agreement>,
}

impl CredentialFacts<'_> {
    /// What the network is told; `None` of a payment whose card is not kept.
    #[must_use]
    pub fn told(&self) -> Option<StoredCredential> {
        if self.eci == Eci::Recurring {
            return Some(self.told_by_merchant());
        }
        let turn = match self.role? {
            TokenRole::Saves | TokenRole::Keeps => CredentialTurn::Initial,
            // A card that is forgotten after the payment is not stored.
            TokenRole::Uses if self.token.is_none_or(|token| token.lapses_at.is_some()) => return None,
            TokenRole::Uses if self.opens.is_some() => CredentialTurn::Initial,
            TokenRole::Uses if self.token.is_some_and(|token| token.first_payment.is_some()) => {
                CredentialTurn::Subsequent
            }
            TokenRole::Uses => CredentialTurn::Initial,
        };
        Some(StoredCredential {
            by: Initiator::Customer,
            turn,
            used_for: CredentialUse::of(self.opens),
            original: None,
        })
    }

    /// What has to be noted with the token when the payment succeeds. A token that comes into use or becomes permanent by
    /// it is noted with that.
    #[must_use]
    pub fn notes(&self) -> Option<TokenNote> {
        let token = self.token.filter(|token| token.lapses_at.is_none())?;
        if self.eci != Eci::Ecommerce || self.role != Some(TokenRole::Uses) {
            return None;
        }
        let missing = match &token.first_payment {
            None => MissingNote::Payment,
            Some(first) if first.network_transaction_id.is_none() => MissingNote::NetworkTransactionId,
            Some(_) => return None,
        };
        let TokenId(token) = token.id;
        Some(TokenNote { token, missing })
    }

    /// The name of the payment that opened the agreement counts, unless its card has been replaced since.
    fn told_by_merchant(&self) -> StoredCredential {
        let of_token = self.token.and_then(|token| token.first_payment.as_ref()?.network_transaction_id.clone());
        let of_agreement = self
            .charges
            .filter(|agreement| self.token.is_some_and(|token| token.id == agreement.token_id))
            .and_then(|agreement| agreement.network_transaction_id.clone());
        StoredCredential {
            by: Initiator::Merchant,
            turn: CredentialTurn::Subsequent,
            used_for: CredentialUse::of(self.charges.map(|agreement| agreement.terms.mode)),
            original: of_agreement.or(of_token),
        }
    }
}
