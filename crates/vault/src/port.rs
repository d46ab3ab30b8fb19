//! The port through which a store keeps wrapped data keys.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use tollgate_core::ident::MerchantId;
use tollgate_core::time::Timestamp;

/// What a port's method answers, later.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PortError>> + Send + 'a>>;

/// Where wrapped data keys are kept. Stores implement it; at most one key exists per merchant and
/// period.
pub trait DataKeys: Send + Sync {
    /// All data keys, in any order.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn data_keys(&self) -> PortFuture<'_, Vec<WrappedDataKey>>;

    /// Keeps a new key durably, gives it an id that was never given before, and answers it as kept.
    /// When a key for the same merchant and period exists already, that one is answered and nothing is
    /// added: of two nodes that try at once, both go on with one key.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    fn add_data_key(&self, new: NewDataKey) -> PortFuture<'_, WrappedDataKey>;
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
            .field("kek_version", &self.kek_version)
            .field("wrapped_bytes", &self.wrapped.len())
            .field("created_at", &self.created_at)
            .finish()
    }
}
