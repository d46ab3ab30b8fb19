//! Rotation of keys: new ones take over from old ones, while cards are sealed and opened.

use crate::envelope::{self, Place};
use crate::error::VaultError;
use crate::port::{DataKeyId, RewrappedDataKey, RotationState, WrappedDataKey};
use crate::provider::WrappedKey;
use crate::vault::{GATEWAY, KeyName, Vault, period_of, secret_place, wrapping_context};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::time::Timestamp;
use tollgate_core::token::TokenId;

/// The most data keys that are wrapped anew in one transaction of the store.
const REWRAPPED_KEYS_MAX: usize = 64;

/// What is sealed and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealedPlace {
    /// The card number of an order, as [`Vault::seal_card`] made it.
    Card {
        /// Whose order.
        merchant: MerchantId,
        /// Which order.
        fort_id: FortId,
    },
    /// The card number kept under a token, as [`Vault::seal_token_card`] made it.
    TokenCard {
        /// Whose token.
        merchant: MerchantId,
        /// Which token.
        token: TokenId,
    },
    /// A secret, as [`Vault::seal_secret`] made it.
    Secret {
        /// Its label.
        label: String,
    },
}

impl SealedPlace {
    /// Whose data key seals it.
    #[must_use]
    pub fn owner(&self) -> MerchantId {
        match self {
            SealedPlace::Card { merchant, .. } | SealedPlace::TokenCard { merchant, .. } => *merchant,
            SealedPlace::Secret { .. } => GATEWAY,
        }
    }

    fn place(&self) -> Result<Place<'_>, VaultError> {
        match self {
            SealedPlace::Card { merchant, fort_id } => Ok(Place::Card(*merchant, *fort_id)),
            SealedPlace::TokenCard { merchant, token } => Ok(Place::Token(*merchant, *token)),
            SealedPlace::Secret { label } => secret_place(label),
        }
    }
}

/// What a rotation does with sealed bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Reseal {
    /// They are under the new key already, or under a newer one.
    Done,
    /// These take their place.
    Sealed(Vec<u8>),
}

impl std::fmt::Debug for Reseal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reseal::Done => f.write_str("Done"),
            Reseal::Sealed(bytes) => write!(f, "Sealed({} bytes)", bytes.len()),
        }
    }
}

impl Vault {
    /// Makes a new data key for `merchant`, which seals from now on in every process, and which is to take
    /// over what older keys sealed. When such a rotation is under way already, its key is answered: so a
    /// rotation that was cut off goes on.
    ///
    /// # Errors
    /// When the store or the provider fails.
    pub async fn begin_rotation(&self, merchant: MerchantId, now: Timestamp) -> Result<DataKeyId, VaultError> {
        self.ring.learn(self.port.data_keys().await?);
        let known = self.ring.of_merchant(merchant);
        if let Some(under_way) = known.iter().filter(|row| row.rotation == RotationState::UnderWay).max_by_key(|r| r.id)
        {
            return Ok(under_way.id);
        }
        let period = period_of(now)?;
        let newest = known.iter().filter(|row| row.period == period).map(|row| row.generation).max();
        // Generation 1 is left to whoever needs the month's own key at the same moment.
        let generation = newest.unwrap_or(1).saturating_add(1);
        let name = KeyName { merchant, period, generation };
        Ok(self.make_generation(name, RotationState::UnderWay, now).await?.id)
    }

    /// The keys to which a rotation is under way, by id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rotations_under_way(&self) -> Result<Vec<WrappedDataKey>, VaultError> {
        let mut rows = self.port.data_keys().await?;
        rows.retain(|row| row.rotation == RotationState::UnderWay);
        rows.sort_by_key(|row| row.id);
        Ok(rows)
    }

    /// Notes that nothing is left under keys older than `target`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish_rotation(&self, target: DataKeyId) -> Result<(), VaultError> {
        Ok(self.port.finish_rotation(target).await?)
    }

    /// Seals anew under `target` what an older key of the same owner sealed. The text in clear is wiped
    /// before this returns.
    ///
    /// # Errors
    /// As [`Vault::open_card`].
    pub async fn reseal(&self, place: &SealedPlace, sealed: &[u8], target: DataKeyId) -> Result<Reseal, VaultError> {
        let id = envelope::data_key_id(sealed)?;
        // Ids only grow, so a higher one is a key that was made after the rotation began.
        if id >= target {
            return Ok(Reseal::Done);
        }
        let (old, new) = (self.key(id).await?, self.key(target).await?);
        if old.merchant != place.owner() || new.merchant != place.owner() {
            return Err(VaultError::NotAuthentic { id });
        }
        let plain = envelope::open(&old, place.place()?, sealed)?;
        Ok(Reseal::Sealed(envelope::seal(&new, place.place()?, &plain)?))
    }

    /// Wraps every data key anew that is not under the newest KEK, and answers how many there were. Each
    /// is unwrapped again before the store replaces it. When this is cut off, the next call goes on with
    /// what is left.
    ///
    /// # Errors
    /// When the store or the provider fails; what was replaced until then stays.
    pub async fn rewrap(&self) -> Result<u64, VaultError> {
        let newest = self.provider.newest_version()?;
        let rows: Vec<WrappedDataKey> = self.keys_to_rewrap(newest).await?;
        let mut replaced = 0;
        for rows in rows.chunks(REWRAPPED_KEYS_MAX) {
            let rewrapped = rows.iter().map(|row| self.rewrapped(row)).collect::<Result<Vec<_>, _>>()?;
            replaced += self.port.rewrap_data_keys(rewrapped).await?;
        }
        self.ring.learn(self.port.data_keys().await?);
        Ok(replaced)
    }

    /// How many data keys [`Vault::rewrap`] would wrap anew.
    ///
    /// # Errors
    /// When the store or the provider fails.
    pub async fn rewrap_left(&self) -> Result<usize, VaultError> {
        let newest = self.provider.newest_version()?;
        Ok(self.keys_to_rewrap(newest).await?.len())
    }

    async fn keys_to_rewrap(&self, newest: u32) -> Result<Vec<WrappedDataKey>, VaultError> {
        let mut rows = self.port.data_keys().await?;
        rows.retain(|row| row.kek_version < newest);
        Ok(rows)
    }

    fn rewrapped(&self, row: &WrappedDataKey) -> Result<RewrappedDataKey, VaultError> {
        let context = wrapping_context(KeyName::of(row));
        let before = WrappedKey { kek_version: row.kek_version, bytes: row.wrapped.clone() };
        let plain = self.provider.unwrap(&before, &context)?;
        let after = self.provider.wrap(&plain, &context)?;
        let again = self.provider.unwrap(&after, &context)?;
        if verify_slices_are_equal(plain.reveal(), again.reveal()).is_err() {
            let (provider, version) = (self.provider.name(), after.kek_version);
            return Err(VaultError::RewrapDiffers { provider, id: row.id, version });
        }
        Ok(RewrappedDataKey {
            id: row.id,
            kek_version_before: row.kek_version,
            kek_version: after.kek_version,
            wrapped: after.bytes,
        })
    }
}

/// The data key that sealed these bytes, for an inventory.
///
/// # Errors
/// [`VaultError::Damaged`] when they have no format that we know.
pub fn data_key_of(sealed: &[u8]) -> Result<DataKeyId, VaultError> {
    envelope::data_key_id(sealed)
}
