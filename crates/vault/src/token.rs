//! Cards kept under tokens, and the fingerprints by which one card is known again.
//!
//! A fingerprint is HMAC-SHA-256 of the card number under a key of the merchant's own: equal for one card of one
//! merchant, unrelated for two merchants, and worth nothing to whoever has the database without the keys. A plain
//! hash would not do: there are so few card numbers that all of them can be tried.
//!
//! The key behind a merchant's fingerprints is a data key whose month is [`FINGERPRINT_PERIOD`], which is none: it
//! is made once, wrapped like the others, and never seals anything. It must outlive every data key, because what
//! it made cannot be made again under another one without opening every card.

use crate::data_key::DataKeyBytes;
use crate::envelope::Place;
use crate::error::VaultError;
use crate::reveal::Revealed;
use crate::sealed::SealedCard;
use crate::vault::Vault;
use aws_lc_rs::hmac;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tollgate_core::card::{Pan, RevealPermit};
use tollgate_core::ident::MerchantId;
use tollgate_core::time::Timestamp;
use tollgate_core::token::{MADE_NAME_BYTES, TokenId, made_name};

/// The month of the data key behind a merchant's fingerprints: no month has this number.
pub const FINGERPRINT_PERIOD: u32 = 0;
/// The length of a fingerprint.
pub const FINGERPRINT_BYTES: usize = 32;
/// How many merchants' fingerprint keys are kept ready at most; beyond it all are dropped, and unwrapped again
/// when they are needed.
const READY_MAX: usize = 4_096;
/// How often a name is drawn until one looks like no card number. Nine in a hundred thousand do, so a source that
/// gives so many of them in a row is broken.
const NAME_TRIES_MAX: usize = 16;
/// What the HMAC begins with, so that the same key could serve another purpose without a clash.
const PURPOSE: &[u8] = b"tollgate card fingerprint 1\0";

/// By which one card of one merchant is known again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; FINGERPRINT_BYTES]);

impl Fingerprint {
    /// A fingerprint as a store kept it; `None` when it has another length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Fingerprint> {
        bytes.try_into().ok().map(Fingerprint)
    }

    /// The bytes that a store keeps.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; FINGERPRINT_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(***)")
    }
}

/// A card number as it is kept under a token, and what may be told of it.
#[derive(Clone, Debug)]
pub struct SealedToken {
    /// The card number, sealed.
    pub card: SealedCard,
    /// By which it is known again.
    pub fingerprint: Fingerprint,
    /// The card number, masked.
    pub mask: String,
    /// Its first six digits.
    pub bin: String,
}

impl Vault {
    /// Seals the card number kept under a token. `now` chooses the month's data key.
    ///
    /// # Errors
    /// As [`Vault::seal_card`].
    pub async fn seal_token_card(
        &self,
        merchant: MerchantId,
        token: TokenId,
        pan: &Pan,
        now: Timestamp,
    ) -> Result<SealedCard, VaultError> {
        self.seal_pan(merchant, Place::Token(merchant, token), pan, now).await
    }

    /// Seals a card number that comes as digits and not with a request. `None` when they are no card number.
    ///
    /// # Errors
    /// As [`Vault::seal_card`].
    pub async fn seal_token_digits(
        &self,
        merchant: MerchantId,
        token: TokenId,
        digits: &str,
        now: Timestamp,
    ) -> Result<Option<SealedToken>, VaultError> {
        let Ok(pan) = Pan::parse(digits) else { return Ok(None) };
        let card = self.seal_token_card(merchant, token, &pan, now).await?;
        let fingerprint = self.fingerprint(merchant, &pan, now).await?;
        Ok(Some(SealedToken { card, fingerprint, mask: pan.mask(), bin: pan.bin() }))
    }

    /// Opens a card number sealed for that token of that merchant. Its receipt belongs into the audit log.
    ///
    /// # Errors
    /// As [`Vault::open_card`].
    pub async fn open_token_card(
        &self,
        merchant: MerchantId,
        token: TokenId,
        sealed: &SealedCard,
    ) -> Result<Revealed, VaultError> {
        self.reveal(merchant, Place::Token(merchant, token), sealed).await
    }

    /// A new name for a token made at `now`: 32 hex digits, see [`made_name`].
    ///
    /// # Errors
    /// [`VaultError::Random`] when the system's random source fails.
    pub fn token_name(&self, now: Timestamp) -> Result<String, VaultError> {
        for _ in 0..NAME_TRIES_MAX {
            let mut random = [0; MADE_NAME_BYTES];
            aws_lc_rs::rand::fill(&mut random).map_err(|_| VaultError::Random)?;
            if let Some(name) = made_name(now, random) {
                return Ok(name);
            }
        }
        Err(VaultError::Random)
    }

    /// The fingerprint of a card among the cards of one merchant. `now` is the age of a key that has to be made.
    ///
    /// # Errors
    /// When the key is needed for the first time and the store or the provider fails.
    pub async fn fingerprint(
        &self,
        merchant: MerchantId,
        pan: &Pan,
        now: Timestamp,
    ) -> Result<Fingerprint, VaultError> {
        const PERMIT: RevealPermit = RevealPermit::granted("fingerprint a card number");
        let key = match self.fingerprint_keys().get(merchant) {
            Some(key) => key,
            None => self.fingerprint_keys().keep(merchant, &self.fingerprint_secret(merchant, now).await?),
        };
        let mut context = hmac::Context::with_key(&key);
        context.update(PURPOSE);
        context.update(pan.reveal(&PERMIT).as_bytes());
        Fingerprint::from_bytes(context.sign().as_ref()).ok_or(VaultError::Cipher)
    }
}

/// Fingerprint keys that are ready.
#[derive(Default)]
pub(crate) struct FingerprintKeys {
    ready: Mutex<HashMap<MerchantId, Arc<hmac::Key>>>,
}

impl FingerprintKeys {
    fn get(&self, merchant: MerchantId) -> Option<Arc<hmac::Key>> {
        self.lock().get(&merchant).map(Arc::clone)
    }

    fn keep(&self, merchant: MerchantId, secret: &DataKeyBytes) -> Arc<hmac::Key> {
        let key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret.reveal()));
        let mut ready = self.lock();
        if ready.len() >= READY_MAX {
            ready.clear();
        }
        ready.insert(merchant, Arc::clone(&key));
        key
    }

    // A panic elsewhere cannot leave the map half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, HashMap<MerchantId, Arc<hmac::Key>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
