//! The port for merchant accounts.

use crate::StoreFuture;
use tollgate_core::ident::MerchantId;
use tollgate_core::merchant::Terms;
use tollgate_core::page_face::Logo;

/// Merchant accounts.
pub trait Merchants {
    /// All of them, by id.
    fn merchants(&self) -> StoreFuture<'_, Vec<MerchantRecord>>;

    /// A number that grows whenever any account is added or saved, by whatever process. Cheap enough
    /// to ask before each request.
    fn merchants_generation(&self) -> StoreFuture<'_, u64>;

    /// Adds an account; the record's id and version are ignored, both are given by the store.
    fn add_merchant(&self, record: MerchantRecord) -> StoreFuture<'_, MerchantSave>;

    /// Replaces an account whose stored version is `record.version`; the stored one becomes one more. `change` tells
    /// the audit log in a few words what is changed: names, never a secret.
    fn save_merchant(&self, record: MerchantRecord, change: String) -> StoreFuture<'_, MerchantSave>;

    /// The logo of a merchant's pages, if it has one.
    fn merchant_logo(&self, merchant: MerchantId) -> StoreFuture<'_, Option<Logo>>;

    /// Replaces or removes the logo, whatever the account's version. [`MerchantSave::Changed`] when there is no such
    /// merchant. The audit log is told; the generation stays, since the account itself names its logo.
    fn set_merchant_logo(&self, merchant: MerchantId, logo: Option<Logo>) -> StoreFuture<'_, MerchantSave>;
}

/// A merchant account as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerchantRecord {
    /// Its number.
    pub id: MerchantId,
    /// Its handle, unique.
    pub name: String,
    /// FORT's `merchant_identifier`, unique.
    pub merchant_identifier: String,
    /// Whether it may do anything.
    pub active: bool,
    /// Its access codes, each unique over all merchants.
    pub access_codes: Vec<String>,
    /// Its credentials, sealed.
    pub sealed_credentials: Vec<u8>,
    /// What it may do.
    pub terms: Terms,
    /// Grows with each change, from 1.
    pub version: u32,
}

/// Whether an account was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MerchantSave {
    /// It was; this is its number.
    Saved(MerchantId),
    /// The name is another merchant's.
    NameTaken,
    /// The merchant identifier is another merchant's.
    IdentifierTaken,
    /// This access code is another merchant's.
    AccessCodeTaken(String),
    /// The account has changed since it was read, or does not exist.
    Changed,
}
