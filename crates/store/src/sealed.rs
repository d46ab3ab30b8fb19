//! The port for what the vault has sealed, as a rotation of its keys needs it: every sealed column, row by
//! row, whatever it is part of.

use crate::StoreFuture;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::token::TokenId;

/// Everything that the vault has sealed.
pub trait SealedRows {
    /// Up to `rows_max` rows of a column whose number is above `after`, by number.
    fn sealed_rows(&self, column: SealedColumn, after: Option<i64>, rows_max: usize)
    -> StoreFuture<'_, Vec<SealedRow>>;

    /// Puts sealed bytes in place of others, all in one transaction. A row that has changed since it was
    /// read is left as it is. Answers how many were replaced.
    fn replace_sealed(&self, column: SealedColumn, rows: Vec<ReplacedSealed>) -> StoreFuture<'_, u64>;
}

/// A column that holds sealed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SealedColumn {
    /// The card numbers of orders.
    OrderCard,
    /// The credentials of merchants.
    MerchantCredentials,
    /// The private keys of the encrypted trusted channel.
    ChannelKey,
    /// The card numbers of tokens.
    TokenCard,
    /// The card numbers of tokens that a payment under way may make.
    TokenIntentCard,
}

impl SealedColumn {
    /// All of them: what is not in this list is not rotated.
    pub const ALL: [SealedColumn; 5] = [
        SealedColumn::MerchantCredentials,
        SealedColumn::ChannelKey,
        // Before the tokens that come of them, so that none slips through between the two.
        SealedColumn::TokenIntentCard,
        SealedColumn::TokenCard,
        SealedColumn::OrderCard,
    ];

    /// What it holds, in a word or two.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SealedColumn::OrderCard => "cards of orders",
            SealedColumn::MerchantCredentials => "credentials",
            SealedColumn::ChannelKey => "channel keys",
            SealedColumn::TokenCard => "cards of tokens",
            SealedColumn::TokenIntentCard => "cards of tokens to be",
        }
    }
}

/// Sealed bytes and what they belong to.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// The row's number in its column.
    pub number: i64,
    /// What it belongs to.
    pub owner: SealedOwner,
    /// The bytes.
    pub sealed: Vec<u8>,
}

impl std::fmt::Debug for SealedRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedRow")
            .field("number", &self.number)
            .field("owner", &self.owner)
            .field("sealed_bytes", &self.sealed.len())
            .finish()
    }
}

/// What sealed bytes belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealedOwner {
    /// An order.
    Order {
        /// Whose.
        merchant: MerchantId,
        /// Which.
        fort_id: FortId,
    },
    /// A merchant's account.
    Merchant {
        /// FORT's `merchant_identifier`.
        identifier: String,
    },
    /// A key of the encrypted trusted channel.
    ChannelKey {
        /// Its name.
        kid: String,
    },
    /// A token.
    Token {
        /// Whose.
        merchant: MerchantId,
        /// Which.
        token: TokenId,
    },
}

/// Sealed bytes that take the place of others.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplacedSealed {
    /// The row's number in its column.
    pub number: i64,
    /// What was read; the row is left alone when it has changed.
    pub before: Vec<u8>,
    /// What it holds from now on.
    pub after: Vec<u8>,
}

impl std::fmt::Debug for ReplacedSealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplacedSealed").field("number", &self.number).finish_non_exhaustive()
    }
}
