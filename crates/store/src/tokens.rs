//! The port for tokens: names under which a merchant's cards are kept.

use crate::{RouteNote, StoreFuture};
use tollgate_core::card_terms::UniqueTokens;
use tollgate_core::ident::MerchantId;
use tollgate_core::time::Timestamp;
use tollgate_core::token::{Token, TokenId};
use tollgate_vault::{Fingerprint, SealedCard};

/// Tokens.
///
/// A payment that makes a token carries it in [`crate::NewOrder::token`]: it waits beside the order and comes
/// into use in the very commit that writes the payment's success. A payment that comes to nothing takes it away
/// in the commit that says so.
///
/// Where the merchant's terms say so ([`tollgate_core::card_terms::CardTerms`]), a card that has a token already gets no
/// other one: that one takes the new expiry and holder, and the order names it. A card that is kept for as many customers
/// as it may be is not kept for another one, and the order names no token.
pub trait Tokens {
    /// The token of a merchant with this name, lapsed ones too, with its card.
    fn token<'a>(&'a self, merchant: MerchantId, name: &'a str) -> StoreFuture<'a, Option<StoredToken>>;

    /// Tokens that fit `filter`, oldest first.
    fn tokens<'a>(&'a self, filter: &'a TokenFilter) -> StoreFuture<'a, Vec<Token>>;

    /// Keeps a new token, unless its name is taken, or the merchant's terms let its card have no other one than it has
    /// (whose expiry and holder become the new one's). The name of one that has lapsed when the new one was created
    /// is free. `came` is written with it.
    fn add_token(&self, new: StoredToken, came: Option<RouteNote>) -> StoreFuture<'_, TokenSave>;

    /// Keeps a token under its name, whoever has it: a new one as it is given; a known one that is active gets the new
    /// card and keeps its age, its currency where none is given, and its permanence. The name of one that has lapsed
    /// when the new one was created is free. `came` is written with it.
    fn put_token(&self, new: StoredToken, came: Option<RouteNote>) -> StoreFuture<'_, TokenPut>;

    /// Changes a token: its name, status, expiry, holder and currency, and until when it lives. `token` is as it
    /// shall be, with a version one more than the stored one.
    ///
    /// It is not switched on while the merchant's terms let its card have no other token than it has.
    fn change_token(&self, token: Token) -> StoreFuture<'_, TokenSave>;

    /// Deletes a token with its card, and what a payment under way would keep under its name. Orders that used it
    /// keep their mask. `None` when there is none.
    fn delete_token<'a>(&'a self, merchant: MerchantId, name: &'a str) -> StoreFuture<'a, Option<Token>>;

    /// The customers that a merchant's card is kept for, longest first, at most `limit`.
    fn card_customers(
        &self,
        merchant: MerchantId,
        fingerprint: Fingerprint,
        limit: usize,
    ) -> StoreFuture<'_, Vec<CardCustomer>>;

    /// How many cards of a merchant have more permanent tokens in use than `unique` would allow.
    fn doubled_cards(&self, merchant: MerchantId, unique: UniqueTokens) -> StoreFuture<'_, u64>;

    /// Deletes tokens that have lapsed at `now`, the longest lapsed first, at most `limit`; not those whose payment
    /// may still make them permanent. Answers how many.
    fn delete_lapsed_tokens(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, u64>;

    /// Whether [`Tokens::delete_lapsed_tokens`] would delete any at `now`: a look that writes nothing.
    fn has_lapsed_tokens(&self, now: Timestamp) -> StoreFuture<'_, bool>;

    /// Takes away what the store's own files hold beside its tables of what was deleted before, in a log of changes
    /// for example. It may wait some seconds for reads and writes under way; when they do not let it through, the
    /// answer is [`crate::StoreError::Busy`], and it is asked again later.
    fn erase_traces(&self) -> StoreFuture<'_, ()>;
}

/// A token with its card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// The token.
    pub token: Token,
    /// Its card number, sealed for the token's number.
    pub card: SealedCard,
    /// By which the merchant's card is known again.
    pub fingerprint: Fingerprint,
}

/// What becomes of a token when the payment beside it succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenIntent {
    /// This provisional one becomes permanent.
    Keep(TokenId),
    /// This one is kept, permanently and active; a card that was there under the same name gives way, and the
    /// name keeps its age.
    Put(Box<StoredToken>),
}

/// A customer that a card is kept for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardCustomer {
    /// What names it ([`tollgate_core::command::SafeParams::customer`]).
    pub customer: String,
    /// When the card was first kept for it.
    pub first_at: Timestamp,
}

/// Whether a token was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSave {
    /// It was.
    Saved,
    /// Another token of the merchant has that name. Nothing was written.
    NameTaken,
    /// The card has this token, and may have no other one.
    CardHas(String),
    /// It has changed since it was read, or is gone. Nothing was written.
    Changed,
}

/// What a token that was put under a name came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPut {
    /// It is a new one.
    Added,
    /// The card of a known one was replaced. Its number is the new one.
    Replaced,
    /// The known one is switched off. Nothing was written.
    Inactive,
    /// The card has this token, which counts in place of another one and took over what is new of the card.
    CardHas(String),
}

/// Which tokens are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFilter {
    /// Of this merchant.
    pub merchant: MerchantId,
    /// Created at this moment or later.
    pub from: Timestamp,
    /// Created before this moment.
    pub before: Timestamp,
    /// Of this card only.
    pub fingerprint: Option<Fingerprint>,
    /// After this token in the order of the answer, to read on.
    pub after: Option<TokenPlace>,
    /// At most so many.
    pub limit: usize,
}

impl TokenFilter {
    /// All tokens of a merchant, at most `limit`.
    #[must_use]
    pub const fn all_of(merchant: MerchantId, limit: usize) -> TokenFilter {
        TokenFilter {
            merchant,
            from: Timestamp(i64::MIN),
            before: Timestamp(i64::MAX),
            fingerprint: None,
            after: None,
            limit,
        }
    }
}

/// The place of a token among those of its merchant: by age, then by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenPlace {
    /// When it was created.
    pub created_at: Timestamp,
    /// Its number.
    pub id: TokenId,
}

impl From<&Token> for TokenPlace {
    fn from(token: &Token) -> TokenPlace {
        TokenPlace { created_at: token.created_at, id: token.id }
    }
}
