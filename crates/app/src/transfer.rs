//! Tokens with their cards on their way from one vault to another: the export of a merchant's tokens, page by page, and
//! their import, chunk by chunk. What a file of them looks like is not told here.

use futures_util::future::try_join_all;
use std::sync::{Arc, Mutex, PoisonError};
use tollgate_core::audit::{AuditAction, AuditEntry, AuditReason, AuditWho};
use tollgate_core::card::CardFacts;
use tollgate_core::card_terms::UniqueTokens;
use tollgate_core::ident::{MerchantId, Numbers};
use tollgate_core::merchant::Merchant;
use tollgate_core::page::AfterPayment;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_core::token::{FirstPayment, Token, TokenId, TokenStatus};
use tollgate_store::{Store, StoreError, StoredToken, TokenFilter, TokenPlace, TokenSave};
use tollgate_vault::{EXPORT_CHUNK_TOKENS_MAX, Fingerprint, ReceiptedCard, TokenCard, Vault, VaultError};

/// How often a token is tried to be kept when its number or its name was taken just now.
const KEEP_TRIES_MAX: usize = 8;
/// How many tokens of one card are looked at.
const TOKENS_OF_A_CARD_MAX: usize = 256;
/// The node that numbers what a command keeps. A gateway of the same number would only cost a second try.
const NUMBERS_NODE: u8 = 99;

/// A way for tokens of one merchant out of a vault and into it.
pub struct Transfer {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    merchant: MerchantId,
    unique: UniqueTokens,
    who: AuditWho,
    numbers: Mutex<Numbers>,
}

/// A page of an export.
#[derive(Debug, Default)]
pub struct ExportPage {
    /// The tokens with their cards.
    pub cards: Vec<TokenCard>,
    /// How many are left out, because no payment has made them permanent.
    pub provisional: u64,
    /// Where the next page begins; `None` when there is none.
    pub next: Option<TokenPlace>,
}

/// What to do with a token whose name is another card's here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherCard {
    /// Leave it and tell of it.
    Keep,
    /// Put the imported one in its place.
    Replace,
}

/// What came of tokens that were imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// New here.
    pub added: u64,
    /// Here already, with the same card.
    pub unchanged: u64,
    /// In the place of another card.
    pub replaced: u64,
    /// Names that are another card's here and were left.
    pub other_cards: Vec<String>,
    /// Names that were not taken, because their card has a token here and the merchant's terms let it have no other.
    pub cards_with_a_token: Vec<String>,
}

/// Why tokens could not be exported or imported. What was kept stays kept; the same import again goes on.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A card does not open.
    #[error("the card of token {name} does not open: {error}")]
    Card {
        /// The token.
        name: String,
        /// Why not.
        error: VaultError,
    },
    /// A token was changed by others each time.
    #[error("token {0} was changed by others each time it was to be kept: import again")]
    Contended(String),
}

impl Transfer {
    /// Of this merchant, by this person.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        merchant: &Merchant,
        who: AuditWho,
    ) -> Transfer {
        let numbers = Mutex::new(Numbers::new(NUMBERS_NODE));
        Transfer { store, vault, clock, merchant: merchant.id, unique: merchant.terms.cards.unique, who, numbers }
    }

    /// The next tokens of an export with their cards, the oldest first. They are in the audit log when this returns;
    /// `detail` says for which export.
    ///
    /// # Errors
    /// When the store fails or a card does not open.
    pub async fn export_page(&self, after: Option<TokenPlace>, detail: &str) -> Result<ExportPage, TransferError> {
        let filter = TokenFilter { after, ..TokenFilter::all_of(self.merchant, EXPORT_CHUNK_TOKENS_MAX) };
        let tokens = self.store.tokens(&filter).await?;
        let next = (tokens.len() == EXPORT_CHUNK_TOKENS_MAX).then(|| tokens.last().map(TokenPlace::from)).flatten();
        let mut page = ExportPage { next, ..ExportPage::default() };
        let mut receipts = Vec::new();
        for token in &tokens {
            if token.lapses_at.is_some() {
                page.provisional += 1;
                continue;
            }
            // One that was deleted or renamed meanwhile is not this one any more.
            let stored = self.store.token(self.merchant, &token.name).await?;
            let Some(stored) = stored.filter(|stored| stored.token.id == token.id) else { continue };
            let opened = self.vault.open_token_card(self.merchant, token.id, &stored.card).await;
            let revealed = opened.map_err(|error| TransferError::Card { name: token.name.clone(), error })?;
            let ReceiptedCard { card, receipt } = TokenCard::of(&stored.token, revealed);
            page.cards.push(card);
            receipts.push(receipt);
        }
        if !receipts.is_empty() {
            self.note(AuditAction::CardsExported, AuditReason::Export, receipts.len(), detail).await?;
        }
        Ok(page)
    }

    /// Keeps tokens of another vault: sealed under this vault's keys, with fingerprints of this merchant, under their
    /// own names and with their own states. What is here already with the same card is left as it is, so an import
    /// that was cut off is simply made again. `detail` says for the audit log which export it is.
    ///
    /// # Errors
    /// When the store or the vault fails.
    pub async fn import(
        &self,
        cards: &[TokenCard],
        other_card: OtherCard,
        detail: &str,
    ) -> Result<Imported, TransferError> {
        if cards.is_empty() {
            return Ok(Imported::default());
        }
        self.note(AuditAction::CardsImported, AuditReason::Import, cards.len(), detail).await?;
        // All at once, so that the store's writer puts them into few commits.
        let kept = try_join_all(cards.iter().map(|card| self.keep(card, other_card))).await?;
        let mut imported = Imported::default();
        for (kept, card) in kept.into_iter().zip(cards) {
            match kept {
                Kept::Added => imported.added += 1,
                Kept::Unchanged => imported.unchanged += 1,
                Kept::Replaced => imported.replaced += 1,
                Kept::OtherCard => imported.other_cards.push(card.facts.name.clone()),
                Kept::CardHasToken => imported.cards_with_a_token.push(card.facts.name.clone()),
            }
        }
        Ok(imported)
    }

    async fn keep(&self, card: &TokenCard, other_card: OtherCard) -> Result<Kept, TransferError> {
        let (name, now) = (card.facts.name.as_str(), self.clock.now());
        let fingerprint = self.vault.fingerprint(self.merchant, &card.pan, now).await?;
        let mut replaced: Option<StoredToken> = None;
        for _ in 0..KEEP_TRIES_MAX {
            let here = self.store.token(self.merchant, name).await?;
            let lives = here.as_ref().is_some_and(|here| !here.token.has_lapsed(now));
            match &here {
                Some(here) if lives && here.fingerprint == fingerprint => {
                    return Ok(if replaced.is_some() { Kept::Replaced } else { Kept::Unchanged });
                }
                Some(_) if lives && other_card == OtherCard::Keep => return Ok(Kept::OtherCard),
                _ => {}
            }
            // Before anything gives way to it.
            if self.has_a_token(&fingerprint, name, now).await? {
                return Ok(Kept::CardHasToken);
            }
            if here.is_some() {
                // Also one that has lapsed: the store frees its name for what is younger, and the imported one is as
                // old as it was where it comes from.
                self.store.delete_token(self.merchant, name).await?;
                replaced = here.filter(|_| lives).or(replaced);
            }
            let token = self.token(card, now);
            let sealed = self.vault.seal_token_card(self.merchant, token.id, &card.pan, now).await?;
            match self.store.add_token(StoredToken { token, card: sealed, fingerprint }, None).await {
                Ok(TokenSave::Saved) => return Ok(if replaced.is_some() { Kept::Replaced } else { Kept::Added }),
                Ok(TokenSave::CardHas(_)) => {
                    // By a rule that the look above does not know: what gave way comes back.
                    if let Some(before) = replaced {
                        self.store.add_token(before, None).await?;
                    }
                    return Ok(Kept::CardHasToken);
                }
                // The name or the number was taken just now.
                Ok(TokenSave::NameTaken | TokenSave::Changed) | Err(StoreError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(TransferError::Contended(name.to_owned()))
    }

    /// Whether the card has another token, where it may have one only. Asked before the store is, which would give the
    /// imported expiry to that one. Whose a card is an export does not tell, so of a rule for each customer the store
    /// alone judges.
    async fn has_a_token(&self, of: &Fingerprint, name: &str, now: Timestamp) -> Result<bool, StoreError> {
        if self.unique != UniqueTokens::PerMerchant {
            return Ok(false);
        }
        let all = TokenFilter::all_of(self.merchant, TOKENS_OF_A_CARD_MAX);
        let tokens = self.store.tokens(&TokenFilter { fingerprint: Some(*of), ..all }).await?;
        Ok(tokens
            .iter()
            .any(|token| token.name != name && token.status == TokenStatus::Active && !token.has_lapsed(now)))
    }

    fn token(&self, card: &TokenCard, now: Timestamp) -> Token {
        let facts = &card.facts;
        let number = self.numbers.lock().unwrap_or_else(PoisonError::into_inner).next(now);
        Token {
            id: TokenId(number.0),
            merchant: self.merchant,
            name: facts.name.clone(),
            status: facts.status,
            lapses_at: None,
            after_payment: AfterPayment::Keep,
            card: CardFacts {
                mask: card.pan.mask(),
                expiry: facts.expiry.clone(),
                holder: facts.holder.clone(),
                brand: facts.brand,
            },
            bin: card.pan.bin(),
            currency: facts.currency,
            // The customer has paid with it where it comes from: whoever imports it vouches for that.
            first_payment: Some(FirstPayment { at: facts.created_at.min(now), network_transaction_id: None }),
            created_at: facts.created_at.min(now),
            updated_at: now,
            version: 1,
        }
    }

    async fn note(&self, action: AuditAction, why: AuditReason, cards: usize, detail: &str) -> Result<(), StoreError> {
        let entry = AuditEntry::new(self.clock.now(), self.who.clone(), action).of(cards as u64).about(self.merchant);
        self.store.note_audit(vec![AuditEntry { why, ..entry.saying(detail) }]).await
    }
}

/// What came of one token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Added,
    Unchanged,
    Replaced,
    OtherCard,
    CardHasToken,
}
