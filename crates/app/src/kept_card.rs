//! A card that is kept under a name without a request: filling a vault, not taking a payment.

use thiserror::Error;
use tollgate_core::bin::brand_of;
use tollgate_core::card::{CardFacts, Pan};
use tollgate_core::ident::MerchantId;
use tollgate_core::time::Timestamp;
use tollgate_core::token::{Token, TokenId, TokenStatus};
use tollgate_store::StoredToken;
use tollgate_vault::{Vault, VaultError};

/// What is known of the card.
#[derive(Clone)]
pub struct KeptCard<'a> {
    /// Whose it is.
    pub merchant: MerchantId,
    /// The token's number; what is sealed is bound to it.
    pub id: TokenId,
    /// The token's name.
    pub name: String,
    /// The card number, in digits.
    pub number: &'a str,
    /// YYMM.
    pub expiry: &'a str,
    /// When it is kept.
    pub at: Timestamp,
}

/// Why it cannot be kept.
#[derive(Debug, Error)]
pub enum KeepError {
    /// The digits are no card number; they are not shown.
    #[error("what is to be kept is no card number")]
    NoCard,
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl KeptCard<'_> {
    /// The token as a store keeps it: permanent, active, with its card sealed.
    ///
    /// # Errors
    /// When it is no card, or the vault fails.
    pub async fn sealed(self, vault: &Vault) -> Result<StoredToken, KeepError> {
        let pan = Pan::parse(self.number).map_err(|_| KeepError::NoCard)?;
        let brand = brand_of(self.number).ok_or(KeepError::NoCard)?;
        let token = Token {
            id: self.id,
            merchant: self.merchant,
            name: self.name,
            status: TokenStatus::Active,
            lapses_at: None,
            card: CardFacts { mask: pan.mask(), expiry: self.expiry.to_owned(), holder: None, brand },
            bin: pan.bin(),
            currency: None,
            created_at: self.at,
            updated_at: self.at,
            version: 1,
        };
        let card = vault.seal_token_card(self.merchant, self.id, &pan, self.at).await?;
        let fingerprint = vault.fingerprint(self.merchant, &pan, self.at).await?;
        Ok(StoredToken { token, card, fingerprint })
    }
}
