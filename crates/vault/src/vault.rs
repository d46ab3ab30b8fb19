//! Seals cards and secrets, and opens them.

use crate::aead;
use crate::data_key::DataKeyBytes;
use crate::envelope::{self, Place};
use crate::error::VaultError;
use crate::keyring::{Keyring, Known, PreparedKey};
use crate::port::{DataKeyId, DataKeys, NewDataKey, RotationState, WrappedDataKey};
use crate::provider::{KeyProvider, WrappedKey};
use crate::reveal::{Receipt, Revealed};
use crate::sealed::SealedCard;
use crate::token::{FINGERPRINT_PERIOD, FingerprintKeys};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use tollgate_core::card::{PAN_DIGITS_MAX, Pan, RevealPermit};
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::time::Timestamp;
use zeroize::Zeroizing;

/// The gateway itself, as the owner of secrets.
pub const GATEWAY: MerchantId = MerchantId(0);
/// The longest secret that is sealed, in bytes.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;
/// The longest label of a secret, in bytes.
pub const LABEL_BYTES_MAX: usize = 255;
/// How many data keys are kept unwrapped at most; beyond it those of the oldest month are dropped, and
/// unwrapped again when they are needed.
pub const PREPARED_KEYS_MAX: usize = 16_384;

/// For how long a look at the store's keys counts, in microseconds of the caller's clock: a key that another
/// process made seals that much later.
const KEYS_FRESH_US: u64 = 1_000;

/// Fills a card number up to its longest, so that the length of what is sealed does not tell a brand.
const PADDING: u8 = 0;

/// Seals cards and secrets under data keys, and opens them.
///
/// Data keys are made when they are first needed, one per merchant and calendar month (UTC), and kept
/// by the store before anything is sealed under them. All known keys are held wrapped; one is
/// unwrapped at its first use. Opening under a key in use awaits nothing; sealing asks the store now and
/// then whether there are newer keys.
pub struct Vault {
    pub(crate) provider: Box<dyn KeyProvider>,
    pub(crate) port: Arc<dyn DataKeys>,
    pub(crate) ring: Keyring,
    fingerprints: FingerprintKeys,
    /// When the store was last asked whether there are new keys, by the caller's clock,
    looked_at_us: AtomicI64,
    /// and the generation that it answered.
    generation: AtomicU64,
}

impl Vault {
    /// Loads the data keys, and proves with one key for each version that the provider holds the right
    /// key-encryption keys: a wrong key folder shows at start-up and not at a payment.
    ///
    /// # Errors
    /// When the store fails, or the provider lacks a version or cannot unwrap with it.
    pub async fn open(provider: Box<dyn KeyProvider>, keys: Arc<dyn DataKeys>) -> Result<Vault, VaultError> {
        // Before the keys: one that is added in between is seen at the first look.
        let generation = AtomicU64::new(keys.data_keys_generation().await?);
        let vault = Vault {
            provider,
            port: keys,
            ring: Keyring::new(PREPARED_KEYS_MAX),
            fingerprints: FingerprintKeys::default(),
            looked_at_us: AtomicI64::new(i64::MIN),
            generation,
        };
        let rows = vault.port.data_keys().await?;
        let proofs = newest_of_each_version(&rows);
        vault.ring.learn(rows);
        for row in proofs {
            vault.prepare(&row)?;
        }
        Ok(vault)
    }

    /// Seals the card number of one order of one merchant. `now` chooses the month's data key.
    ///
    /// # Errors
    /// When a new data key is needed and the store or the provider fails, or when the random source or
    /// the clock does.
    pub async fn seal_card(
        &self,
        merchant: MerchantId,
        fort_id: FortId,
        pan: &Pan,
        now: Timestamp,
    ) -> Result<SealedCard, VaultError> {
        self.seal_pan(merchant, Place::Card(merchant, fort_id), pan, now).await
    }

    /// Opens a card number sealed for that order of that merchant. Its receipt belongs into the audit log.
    ///
    /// # Errors
    /// [`VaultError::NotAuthentic`] when it was changed or belongs to another order or merchant;
    /// [`VaultError::UnknownDataKey`] and [`VaultError::Damaged`] when it cannot be tried; others when
    /// the store or the provider fails.
    pub async fn open_card(
        &self,
        merchant: MerchantId,
        fort_id: FortId,
        sealed: &SealedCard,
    ) -> Result<Revealed, VaultError> {
        self.reveal(merchant, Place::Card(merchant, fort_id), sealed).await
    }

    /// Seals a card number of `merchant` for `place`.
    pub(crate) async fn seal_pan(
        &self,
        merchant: MerchantId,
        place: Place<'_>,
        pan: &Pan,
        now: Timestamp,
    ) -> Result<SealedCard, VaultError> {
        const PERMIT: RevealPermit = RevealPermit::granted("seal a card number");
        let key = self.sealing_key(merchant, now).await?;
        let mut plain = Zeroizing::new([PADDING; PAN_DIGITS_MAX]);
        for (slot, digit) in plain.iter_mut().zip(pan.reveal(&PERMIT).bytes()) {
            *slot = digit;
        }
        envelope::seal(&key, place, plain.as_slice()).map(SealedCard::from_bytes)
    }

    /// Opens a card number of `merchant` that was sealed for `place`: the one way by which a number comes out of
    /// the vault. A rotation opens rows too, but gives none out.
    pub(crate) async fn reveal(
        &self,
        merchant: MerchantId,
        place: Place<'_>,
        sealed: &SealedCard,
    ) -> Result<Revealed, VaultError> {
        let key = self.opening_key(sealed.as_bytes(), merchant).await?;
        let plain = envelope::open(&key, place, sealed.as_bytes())?;
        let length = plain.iter().position(|byte| *byte == PADDING).unwrap_or(plain.len());
        plain
            .get(..length)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| Pan::parse(digits).ok())
            .map(|pan| Revealed { pan, receipt: Receipt::of(merchant, place) })
            .ok_or(VaultError::NoCardNumber { id: key.id })
    }

    /// Seals a secret of the gateway, for example a merchant's signature phrase. It opens only under the
    /// same `label`, which names its place (at most [`LABEL_BYTES_MAX`] bytes, kept nowhere).
    ///
    /// # Errors
    /// When the secret is longer than [`SECRET_BYTES_MAX`] or the label too long, and as
    /// [`Vault::seal_card`].
    pub async fn seal_secret(&self, label: &str, plain: &[u8], now: Timestamp) -> Result<Vec<u8>, VaultError> {
        let place = secret_place(label)?;
        if plain.len() > SECRET_BYTES_MAX {
            return Err(VaultError::SecretTooLong { length: plain.len() });
        }
        let key = self.sealing_key(GATEWAY, now).await?;
        envelope::seal(&key, place, plain)
    }

    /// Opens a secret sealed under `label`.
    ///
    /// # Errors
    /// As [`Vault::open_card`], and when the label is too long.
    pub async fn open_secret(&self, label: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let place = secret_place(label)?;
        let key = self.opening_key(sealed, GATEWAY).await?;
        envelope::open(&key, place, sealed)
    }

    /// The bytes of the key behind a merchant's fingerprints, made when it is first needed.
    pub(crate) async fn fingerprint_secret(
        &self,
        merchant: MerchantId,
        now: Timestamp,
    ) -> Result<DataKeyBytes, VaultError> {
        Ok(self.lasting_secret(merchant, FINGERPRINT_PERIOD, now).await?.secret)
    }

    /// The bytes of a key that belongs to no month, made when it is first needed.
    pub(crate) async fn lasting_secret(
        &self,
        merchant: MerchantId,
        period: u32,
        now: Timestamp,
    ) -> Result<LastingSecret, VaultError> {
        let Some(row) = self.ring.wrapped(merchant, period) else {
            let name = KeyName { merchant, period, generation: 1 };
            let row = self.make_wrapped(name, RotationState::None, now).await?;
            let lasting = LastingSecret { id: row.id, made_at: row.created_at, secret: self.unwrap(&row)? };
            self.ring.learn([row]);
            return Ok(lasting);
        };
        let secret = match self.unwrap(&row) {
            // It was wrapped anew since, and its old key-encryption key retired.
            Err(VaultError::KekMissing { .. }) => {
                self.ring.learn(self.port.data_keys().await?);
                let row = self.ring.wrapped(merchant, period).ok_or(VaultError::UnknownDataKey(row.id))?;
                self.unwrap(&row)
            }
            done => done,
        }?;
        Ok(LastingSecret { id: row.id, made_at: row.created_at, secret })
    }

    pub(crate) fn fingerprint_keys(&self) -> &FingerprintKeys {
        &self.fingerprints
    }

    async fn sealing_key(&self, merchant: MerchantId, now: Timestamp) -> Result<Arc<PreparedKey>, VaultError> {
        let period = period_of(now)?;
        self.look_for_new_keys(now).await;
        match self.ring.sealing(merchant, period) {
            Known::Ready(key) => Ok(key),
            Known::Wrapped(row) => self.ready(&row).await,
            Known::Nothing => self.make(merchant, period, now).await,
        }
    }

    async fn opening_key(&self, sealed: &[u8], merchant: MerchantId) -> Result<Arc<PreparedKey>, VaultError> {
        let id = envelope::data_key_id(sealed)?;
        let key = self.key(id).await?;
        // The tag says so too; this way another merchant's key is not even tried.
        if key.merchant == merchant { Ok(key) } else { Err(VaultError::NotAuthentic { id }) }
    }

    pub(crate) async fn key(&self, id: DataKeyId) -> Result<Arc<PreparedKey>, VaultError> {
        match self.ring.opening(id) {
            Known::Ready(key) => Ok(key),
            Known::Wrapped(row) => self.ready(&row).await,
            Known::Nothing => self.ask_again(id).await,
        }
    }

    /// Learns of keys that another process has made since the last look.
    ///
    /// When the store does not answer, sealing goes on under the key that is known: it is as good a key,
    /// and a rotation that is under way takes the row over.
    async fn look_for_new_keys(&self, now: Timestamp) {
        // A clock that was set back counts as well.
        if now.0.abs_diff(self.looked_at_us.load(Ordering::Relaxed)) < KEYS_FRESH_US {
            return;
        }
        self.looked_at_us.store(now.0, Ordering::Relaxed);
        let Ok(generation) = self.port.data_keys_generation().await else { return };
        if generation != self.generation.load(Ordering::Relaxed)
            && let Ok(rows) = self.port.data_keys().await
        {
            self.ring.learn(rows);
            self.generation.store(generation, Ordering::Relaxed);
        }
    }

    /// Makes the data key of a merchant's month. The key is used as the store answered it, unwrapped
    /// anew: another node may have been first, and what does not come back must not seal a card.
    async fn make(&self, merchant: MerchantId, period: u32, now: Timestamp) -> Result<Arc<PreparedKey>, VaultError> {
        self.make_generation(KeyName { merchant, period, generation: 1 }, RotationState::None, now).await
    }

    pub(crate) async fn make_generation(
        &self,
        name: KeyName,
        rotation: RotationState,
        now: Timestamp,
    ) -> Result<Arc<PreparedKey>, VaultError> {
        let row = self.make_wrapped(name, rotation, now).await?;
        let key = self.prepare(&row)?;
        self.ring.learn([row]);
        Ok(key)
    }

    async fn make_wrapped(
        &self,
        name: KeyName,
        rotation: RotationState,
        now: Timestamp,
    ) -> Result<WrappedDataKey, VaultError> {
        let KeyName { merchant, period, generation } = name;
        let wrapped = self.provider.wrap(&DataKeyBytes::random()?, &wrapping_context(name))?;
        let new = NewDataKey {
            merchant,
            period,
            generation,
            rotation,
            kek_version: wrapped.kek_version,
            wrapped: wrapped.bytes,
            created_at: now,
        };
        let row = self.port.add_data_key(new).await?;
        if row.merchant != merchant || row.period != period || row.generation != generation {
            return Err(VaultError::WrongRow { id: row.id });
        }
        Ok(row)
    }

    /// Asks the store once more: another node may have made the key since.
    async fn ask_again(&self, id: DataKeyId) -> Result<Arc<PreparedKey>, VaultError> {
        self.ring.learn(self.port.data_keys().await?);
        match self.ring.opening(id) {
            Known::Ready(key) => Ok(key),
            Known::Wrapped(row) => self.prepare(&row),
            Known::Nothing => Err(VaultError::UnknownDataKey(id)),
        }
    }

    /// A known key, unwrapped. It may have been wrapped anew since, and its old KEK retired: then the
    /// store is asked once more.
    async fn ready(&self, row: &WrappedDataKey) -> Result<Arc<PreparedKey>, VaultError> {
        match self.prepare(row) {
            Err(VaultError::KekMissing { .. }) => self.ask_again(row.id).await,
            done => done,
        }
    }

    pub(crate) fn unwrap(&self, row: &WrappedDataKey) -> Result<DataKeyBytes, VaultError> {
        let wrapped = WrappedKey { kek_version: row.kek_version, bytes: row.wrapped.clone() };
        self.provider.unwrap(&wrapped, &wrapping_context(KeyName::of(row)))
    }

    fn prepare(&self, row: &WrappedDataKey) -> Result<Arc<PreparedKey>, VaultError> {
        let plain = self.unwrap(row)?;
        let cipher = aead::prepare(plain.reveal())?;
        let key = Arc::new(PreparedKey { id: row.id, merchant: row.merchant, period: row.period, cipher });
        self.ring.keep(&key);
        Ok(key)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.ring.counts();
        f.debug_struct("Vault")
            .field("provider", &self.provider.name())
            .field("data_keys", &counts.known)
            .field("data_keys_ready", &counts.ready)
            .finish_non_exhaustive()
    }
}

/// The newest key of each KEK version: should a month's first use fail, it failed at start-up already.
fn newest_of_each_version(rows: &[WrappedDataKey]) -> Vec<WrappedDataKey> {
    let mut newest: HashMap<u32, &WrappedDataKey> = HashMap::new();
    for row in rows {
        let kept = newest.entry(row.kek_version).or_insert(row);
        if (row.period, row.id) > (kept.period, kept.id) {
            *kept = row;
        }
    }
    newest.into_values().cloned().collect()
}

/// The bytes of a key that belongs to no month.
pub(crate) struct LastingSecret {
    pub(crate) id: DataKeyId,
    pub(crate) made_at: Timestamp,
    pub(crate) secret: DataKeyBytes,
}

/// What names a data key before the store gives it an id.
#[derive(Clone, Copy)]
pub(crate) struct KeyName {
    pub(crate) merchant: MerchantId,
    pub(crate) period: u32,
    pub(crate) generation: u32,
}

impl KeyName {
    pub(crate) fn of(row: &WrappedDataKey) -> KeyName {
        KeyName { merchant: row.merchant, period: row.period, generation: row.generation }
    }
}

/// What a data key's wrapping is bound to. The store's id is not known before the store has the key,
/// and the provider binds its own version. A month's own key, which has generation 1, is bound as it was
/// before there were others.
pub(crate) fn wrapping_context(name: KeyName) -> Vec<u8> {
    let mut context = b"tollgate data key 1".to_vec();
    context.extend_from_slice(&name.merchant.0.to_be_bytes());
    context.extend_from_slice(&name.period.to_be_bytes());
    if name.generation > 1 {
        context.extend_from_slice(&name.generation.to_be_bytes());
    }
    context
}

/// The calendar month (UTC) as YYYYMM.
pub(crate) fn period_of(now: Timestamp) -> Result<u32, VaultError> {
    let utc = now.utc();
    match u32::try_from(utc.year) {
        Ok(year @ 1970..=9999) => Ok(year * 100 + u32::from(utc.month)),
        _ => Err(VaultError::Clock { year: utc.year }),
    }
}

pub(crate) fn secret_place(label: &str) -> Result<Place<'_>, VaultError> {
    if label.len() > LABEL_BYTES_MAX {
        return Err(VaultError::LabelTooLong { length: label.len() });
    }
    Ok(Place::Secret(label))
}
