//! A card number that was opened, and the receipt for it.

use crate::envelope::Place;
use tollgate_core::audit::{AuditAction, AuditEntry, AuditReason, AuditWho};
use tollgate_core::card::Pan;
use tollgate_core::ident::{MerchantId, OperationId};
use tollgate_core::time::Timestamp;
use tollgate_core::token::TokenId;

/// A card number out of the vault.
#[must_use = "each card that is opened belongs into the audit log"]
#[derive(Debug)]
pub struct Revealed {
    /// The number, for one message.
    pub pan: Pan,
    /// What has to be written of it.
    pub receipt: Receipt,
}

/// What has to be written of a card that was opened. Whoever opens one makes an entry of it and hands that to the
/// store with the intent of what he opened it for.
#[must_use = "each card that is opened belongs into the audit log"]
#[derive(Debug, PartialEq, Eq)]
pub struct Receipt {
    merchant: MerchantId,
    token: Option<TokenId>,
}

impl Receipt {
    pub(crate) const fn of(merchant: MerchantId, place: Place<'_>) -> Receipt {
        let token = match place {
            Place::Token(_, token) => Some(token),
            Place::Card(..) | Place::Secret(_) => None,
        };
        Receipt { merchant, token }
    }

    /// The entry: who opened it, when, why, and for which operation.
    #[must_use]
    pub fn entry(&self, at: Timestamp, who: AuditWho, why: AuditReason, operation: OperationId) -> AuditEntry {
        AuditEntry {
            why,
            merchant: Some(self.merchant),
            operation: Some(operation),
            token: self.token,
            ..AuditEntry::new(at, who, AuditAction::CardRevealed)
        }
    }
}
