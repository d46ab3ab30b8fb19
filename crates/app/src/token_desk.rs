//! Tokens in an operator's hands: listed, shown, and deleted for good. It sees masks only.

use std::sync::{Arc, Mutex, PoisonError};
use tollgate_core::held_code::HeldCodes;
use tollgate_core::ident::MerchantId;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_core::token::Token;
use tollgate_store::{Store, StoreError, TokenFilter, TokenPlace};

/// Tokens of a store, for an operator.
#[derive(Clone)]
pub struct TokenDesk {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// Those of the running gateway.
    held_codes: Arc<Mutex<HeldCodes>>,
}

/// Some tokens of a merchant, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPage {
    /// The tokens.
    pub tokens: Vec<Token>,
    /// Whether there are more after them.
    pub rest: TokenRest,
}

/// What comes after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRest {
    /// Nothing.
    None,
    /// At least one more.
    More,
}

/// A token that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedToken {
    /// As it was.
    pub token: Token,
    /// Whether the store's files hold anything of its sealed card besides.
    pub traces: Traces,
}

/// What the store's own files hold of a deleted card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traces {
    /// Nothing.
    Gone,
    /// Sealed bytes stay in the log of changes until it is used again, or a next deletion cuts it.
    InLog,
}

/// Why an operator was not served.
#[derive(Debug, thiserror::Error)]
pub enum TokenDeskError {
    /// No such merchant.
    #[error("there is no merchant {0:?}: `tollgate merchant list` shows all")]
    NoMerchant(String),
    /// No such token.
    #[error("merchant {merchant} has no token {name:?}: `tollgate token list {merchant}` shows all")]
    NoToken {
        /// The merchant.
        merchant: String,
        /// The name that was asked for.
        name: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TokenDesk {
    /// The tokens of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> TokenDesk {
        TokenDesk::beside(store, clock, Arc::default())
    }

    /// The tokens of a running gateway, which holds security codes.
    pub(crate) fn beside(store: Arc<dyn Store>, clock: Arc<dyn Clock>, held_codes: Arc<Mutex<HeldCodes>>) -> TokenDesk {
        TokenDesk { store, clock, held_codes }
    }

    /// Now, by the clock that tokens go by.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// At most `limit` tokens of a merchant, after the one named `after` if that is given.
    ///
    /// # Errors
    /// When there is no such merchant or token, or the store cannot be read.
    pub async fn list(&self, merchant: &str, after: Option<&str>, limit: usize) -> Result<TokenPage, TokenDeskError> {
        let id = self.merchant(merchant).await?;
        let after = match after {
            None => None,
            Some(name) => Some(TokenPlace::from(&self.show(merchant, name).await?)),
        };
        let filter = TokenFilter { after, ..TokenFilter::all_of(id, limit.saturating_add(1)) };
        let mut tokens = self.store.tokens(&filter).await?;
        let rest = if tokens.len() > limit { TokenRest::More } else { TokenRest::None };
        tokens.truncate(limit);
        Ok(TokenPage { tokens, rest })
    }

    /// One token.
    ///
    /// # Errors
    /// As [`TokenDesk::list`].
    pub async fn show(&self, merchant: &str, name: &str) -> Result<Token, TokenDeskError> {
        let id = self.merchant(merchant).await?;
        let stored = self.store.token(id, name).await?;
        Ok(stored.ok_or_else(|| no_token(merchant, name))?.token)
    }

    /// Deletes a token with its card, and what a payment under way would keep under its name. Orders keep their
    /// mask, and the sealed card that their own captures, refunds and reversals need.
    ///
    /// # Errors
    /// As [`TokenDesk::list`]; then nothing was deleted.
    pub async fn delete(&self, merchant: &str, name: &str) -> Result<DeletedToken, TokenDeskError> {
        let id = self.merchant(merchant).await?;
        let token = self.store.delete_token(id, name).await?.ok_or_else(|| no_token(merchant, name))?;
        tracing::info!(merchant, token = %token.id, card = token.card.mask, "a token is deleted");
        self.held_codes.lock().unwrap_or_else(PoisonError::into_inner).forget(token.id);
        let traces = match self.store.erase_traces().await {
            Ok(()) => Traces::Gone,
            Err(error) => {
                tracing::warn!(token = %token.id, %error, "the log still holds the sealed card of a deleted token");
                Traces::InLog
            }
        };
        Ok(DeletedToken { token, traces })
    }

    async fn merchant(&self, name: &str) -> Result<MerchantId, TokenDeskError> {
        let records = self.store.merchants().await?;
        let found = records.into_iter().find(|record| record.name == name);
        found.map(|record| record.id).ok_or_else(|| TokenDeskError::NoMerchant(name.to_owned()))
    }
}

fn no_token(merchant: &str, name: &str) -> TokenDeskError {
    TokenDeskError::NoToken { merchant: merchant.to_owned(), name: name.to_owned() }
}
