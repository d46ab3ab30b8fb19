//! The port through which a store keeps wrapped data keys.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use tollgate_core::ident::MerchantId;
use tollgate_core::time::Timestamp;

/// What a port's method answers, later.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PortError>> + Send + 'a>>;

/// Where wrapped data keys are kept. Stores implement it; at most one key exists per merchant, period
/// and generation.
pub trait DataKeys: Send + Sync {
    /// All data keys, in any order.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn data_keys(&self) -> PortFuture<'_, Vec<WrappedDataKey>>;

    /// Keeps a new key durably, gives it an id that was never given before, and answers it as kept.
    /// When a key for the same merchant, period and generation exists already, that one is answered and
    /// nothing is added: of two nodes that try at once, both go on with one key.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    fn add_data_key(&self, new: NewDataKey) -> PortFuture<'_, WrappedDataKey>;

    /// A number that grows with every key that is added or changed, by whatever process. Cheap enough to
    /// ask a thousand times a second.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn data_keys_generation(&self) -> PortFuture<'_, u64>;

    /// Replaces the wrapping of keys, durably and all in one transaction; a key whose KEK version is no
    /// longer the one that was read is left as it is. Answers how many were replaced.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn rewrap_data_keys(&self, rewrapped: Vec<RewrappedDataKey>) -> PortFuture<'_, u64>;

    /// Notes durably that the rotation to this key is finished.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn finish_rotation(&self, id: DataKeyId) -> PortFuture<'_, ()>;
}

/// A key under its next wrapping.
#[derive(Clone, PartialEq, Eq)]
pub struct RewrappedDataKey {
    /// Which key.
    pub id: DataKeyId,
    /// The version that wraps it now: it is left alone when that has changed.
    pub kek_version_before: u32,
    /// The version that wraps it from now on.
    pub kek_version: u32,
    /// The key as the provider wrapped it.
    pub wrapped: Vec<u8>,
}

impl fmt::Debug for RewrappedDataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RewrappedDataKey")
            .field("id", &self.id)
            .field("kek_version_before", &self.kek_version_before)
            .field("kek_version", &self.kek_version)
            .field("wrapped_bytes", &self.wrapped.len())
            .finish()
    }
}

/// What a data key has to do with a rotation. The numbers are kept by stores and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationState {
    /// Nothing: it was made because a month began.
    None,
    /// It was made by a rotation, and what older keys of its merchant sealed is being sealed anew
    /// under it.
    UnderWay,
    /// That is done.
    Finished,
}

impl RotationState {
    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            RotationState::None => 0,
            RotationState::UnderWay => 1,
            RotationState::Finished => 2,
        }
    }

    /// The state with that number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<RotationState> {
        match number {
            0 => Some(RotationState::None),
            1 => Some(RotationState::UnderWay),
            2 => Some(RotationState::Finished),
            _ => None,
        }
    }
}

/// The store failed; the text says how, and holds no key and no card data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PortError(pub String);

/// The number of a data key, given by the store, unique in the whole gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct DataKeyId(pub i64);

impl fmt::Display for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A wrapped data key that a store has not seen yet.
#[derive(Clone, PartialEq, Eq)]
pub struct NewDataKey {
    /// Whose cards it seals; merchant 0 is the gateway itself.
    pub merchant: MerchantId,
    /// The calendar month (UTC) in which it seals, as YYYYMM.
    pub period: u32,
    /// Which key of that month it is: 1 is the month's own, each rotation adds one. The highest seals.
    pub generation: u32,
    /// What it has to do with a rotation.
    pub rotation: RotationState,
    /// The version of the key-encryption key that wrapped it.
    pub kek_version: u32,
    /// The key as the provider wrapped it: opaque, some 30 to 300 bytes.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl NewDataKey {
    /// The same key under the id that the store gave it.
    #[must_use]
    pub fn with_id(self, id: DataKeyId) -> WrappedDataKey {
        WrappedDataKey {
            id,
            merchant: self.merchant,
            period: self.period,
            generation: self.generation,
            rotation: self.rotation,
            kek_version: self.kek_version,
            wrapped: self.wrapped,
            created_at: self.created_at,
        }
    }
}

impl fmt::Debug for NewDataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewDataKey")
            .field("merchant", &self.merchant)
            .field("period", &self.period)
            .field("generation", &self.generation)
            .field("rotation", &self.rotation)
            .field("kek_version", &self.kek_version)
            .field("wrapped_bytes", &self.wrapped.len())
            .field("created_at", &self.created_at)
            .finish()
    }
}

/// A wrapped data key as a store keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedDataKey {
    /// Its number, given by the store.
    pub id: DataKeyId,
    /// Whose cards it seals; merchant 0 is the gateway itself.
    pub merchant: MerchantId,
    /// The calendar month (UTC) in which it seals, as YYYYMM.
    pub period: u32,
    /// Which key of that month it is: 1 is the month's own, each rotation adds one. The highest seals.
    pub generation: u32,
    /// What it has to do with a rotation.
    pub rotation: RotationState,
    /// The version of the key-encryption key that wrapped it.
    pub kek_version: u32,
    /// The key as the provider wrapped it: opaque, some 30 to 300 bytes.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl fmt::Debug for WrappedDataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedDataKey")
            .field("id", &self.id)
            .field("merchant", &self.merchant)
            .field("period", &self.period)
            .field("generation", &self.generation)
            .field("rotation", &self.rotation)
            .field("kek_version", &self.kek_version)
            .field("wrapped_bytes", &self.wrapped.len())
            .field("created_at", &self.created_at)
            .finish()
    }
}
