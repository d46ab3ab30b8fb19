//! Tokens in the store of one life: the port with its faults, what the auditor hears of it, and the mutants of tokens.

use super::{Access, WorldStore};
use crate::audit::tokens::ClaimedToken;
use crate::mutants::Mutant;
use crate::record::OrderNumber;
use crate::shop::merchant_of;
use crate::tables::HashMap;
use crate::wallet::TokenKey;
use std::sync::PoisonError;
use tollgate_core::card_terms::UniqueTokens;
use tollgate_core::ident::MerchantId;
use tollgate_core::order::OperationState;
use tollgate_core::time::Timestamp;
use tollgate_core::token::{Token, TokenStatus};
use tollgate_store::{
    CardCustomer, NewOrder, OutcomeRecord, RouteNote, StoreError, StoreFuture, StoredToken, TokenFilter, TokenIntent,
    TokenPut, TokenSave, Tokens,
};
use tollgate_vault::Fingerprint;

/// What mutants of tokens remember.
#[derive(Default)]
pub(super) struct Twisted {
    /// The cards that payments under way would keep.
    kept: HashMap<OrderNumber, StoredToken>,
    /// What was first read under each name.
    first_read: HashMap<(MerchantId, String), StoredToken>,
}

/// How a payment ended, if this is its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It goes on, or another operation than the payment ended.
    NotYet,
    /// It has succeeded.
    Succeeded,
    /// It has come to nothing.
    CameToNothing,
}

/// What an outcome says of the payment itself.
pub(super) fn ended(record: &OutcomeRecord) -> Ended {
    match record.state {
        _ if !is_of_payment(record) => Ended::NotYet,
        OperationState::Sent | OperationState::Unknown => Ended::NotYet,
        OperationState::Approved => Ended::Succeeded,
        OperationState::Declined | OperationState::Reversed | OperationState::NotSent => Ended::CameToNothing,
    }
}

/// Whether an outcome is that of the payment itself: of the operation that the order refers to.
pub(super) fn is_of_payment(record: &OutcomeRecord) -> bool {
    record.operation.rrn() == record.order.original.rrn
}

/// What a new order says of a token.
pub(super) fn claimed(new: &NewOrder) -> ClaimedToken {
    let Some(token) = &new.order.token else { return ClaimedToken::None };
    let key = |name: &str| TokenKey { merchant: merchant_of(new.order.merchant), name: name.to_owned() };
    match &new.token {
        Some(TokenIntent::Put(kept)) => ClaimedToken::Saves { key: key(&kept.token.name), id: kept.token.id.0 },
        Some(TokenIntent::Keep(_)) | None => ClaimedToken::Uses(key(&token.name)),
    }
}

impl WorldStore {
    /// An order is durable: the auditor hears what it says of a token.
    pub(super) async fn token_claimed(
        &self,
        order: Option<OrderNumber>,
        token: ClaimedToken,
        kept: Option<StoredToken>,
    ) -> Result<(), StoreError> {
        let Some(order) = order else { return Ok(()) };
        self.faults.watch.auditor().claimed(order, token);
        let Some(kept) = kept else { return Ok(()) };
        if self.has(Mutant::TokenBeforeOutcome) {
            self.inner.add_token(kept.clone(), None).await?;
        }
        self.faults.memory.lock().unwrap_or_else(PoisonError::into_inner).twisted.kept.insert(order, kept);
        Ok(())
    }

    /// The outcome of a payment is durable.
    pub(super) async fn payment_ended(&self, order: Option<OrderNumber>, ended: Ended) -> Result<(), StoreError> {
        let Some(order) = order.filter(|_| ended != Ended::NotYet) else { return Ok(()) };
        self.faults.watch.auditor().payment_ended(order, ended == Ended::Succeeded);
        if self.has(Mutant::DeclinedKeepsToken) && ended == Ended::CameToNothing {
            let kept = self.faults.memory.lock().unwrap_or_else(PoisonError::into_inner).twisted.kept.remove(&order);
            if let Some(kept) = kept {
                self.inner.add_token(kept, None).await?;
            }
        }
        Ok(())
    }

    /// The card that a new order would keep, where a mutant asks for it.
    pub(super) fn kept_for_mutants(&self, new: &NewOrder) -> Option<StoredToken> {
        match &new.token {
            Some(TokenIntent::Put(kept))
                if self.has(Mutant::TokenBeforeOutcome) || self.has(Mutant::DeclinedKeepsToken) =>
            {
                Some((**kept).clone())
            }
            _ => None,
        }
    }

    /// What was first read under a name, whatever is there now.
    fn stale(&self, merchant: MerchantId, name: &str, read: Option<StoredToken>) -> Option<StoredToken> {
        let key = (merchant, name.to_owned());
        let mut memory = self.faults.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let first_read = &mut memory.twisted.first_read;
        read.map(|read| first_read.entry(key).or_insert(read).clone())
    }
}

impl Tokens for WorldStore {
    fn token<'a>(&'a self, merchant: MerchantId, name: &'a str) -> StoreFuture<'a, Option<StoredToken>> {
        Box::pin(async move {
            let read = self.call("token", None, Access::Reads, self.inner.token(merchant, name), |_| "read").await?;
            Ok(if self.has(Mutant::StaleToken) { self.stale(merchant, name, read) } else { read })
        })
    }

    fn tokens<'a>(&'a self, filter: &'a TokenFilter) -> StoreFuture<'a, Vec<Token>> {
        self.inner.tokens(filter)
    }

    /// The simulated shops keep cards by payments alone.
    fn add_token(&self, new: StoredToken, came: Option<RouteNote>) -> StoreFuture<'_, TokenSave> {
        self.inner.add_token(new, came)
    }

    fn change_token(&self, token: Token) -> StoreFuture<'_, TokenSave> {
        Box::pin(async move {
            let (id, name, active) = (token.id.0, token.name.clone(), token.status == TokenStatus::Active);
            let work = async {
                let saved = self.inner.change_token(token).await?;
                if saved == TokenSave::Saved {
                    self.faults.watch.auditor().token_changed(id, &name, active);
                }
                Ok(saved)
            };
            self.call("change_token", None, Access::Writes, work, |saved| match saved {
                TokenSave::Saved => "saved",
                TokenSave::NameTaken => "name taken",
                TokenSave::CardHas(_) => "the card has another",
                TokenSave::Changed => "changed",
            })
            .await
        })
    }

    fn delete_token<'a>(&'a self, merchant: MerchantId, name: &'a str) -> StoreFuture<'a, Option<Token>> {
        Box::pin(async move {
            let work = async {
                let deleted = self.inner.delete_token(merchant, name).await?;
                let key = TokenKey { merchant: merchant_of(merchant), name: name.to_owned() };
                self.faults.watch.auditor().token_deleted(&key, deleted.is_some());
                Ok(deleted)
            };
            self.call("delete_token", None, Access::Writes, work, |deleted| match deleted {
                Some(_) => "deleted",
                None => "not there",
            })
            .await
        })
    }

    fn card_customers(
        &self,
        merchant: MerchantId,
        fingerprint: Fingerprint,
        limit: usize,
    ) -> StoreFuture<'_, Vec<CardCustomer>> {
        self.inner.card_customers(merchant, fingerprint, limit)
    }

    fn doubled_cards(&self, merchant: MerchantId, unique: UniqueTokens) -> StoreFuture<'_, u64> {
        self.inner.doubled_cards(merchant, unique)
    }

    fn delete_lapsed_tokens(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, u64> {
        self.inner.delete_lapsed_tokens(now, limit)
    }

    fn put_token(&self, new: StoredToken, came: Option<RouteNote>) -> StoreFuture<'_, TokenPut> {
        self.inner.put_token(new, came)
    }

    fn has_lapsed_tokens(&self, now: Timestamp) -> StoreFuture<'_, bool> {
        self.inner.has_lapsed_tokens(now)
    }

    fn erase_traces(&self) -> StoreFuture<'_, ()> {
        self.inner.erase_traces()
    }
}
