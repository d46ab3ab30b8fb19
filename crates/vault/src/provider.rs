//! Who holds the key-encryption keys.

use crate::data_key::DataKeyBytes;
use crate::error::VaultError;
use std::fmt;

/// Holds key-encryption keys (KEK) and wraps data keys with them; the KEK itself never comes out.
///
/// Both calls block. The vault makes them when a merchant's first card of a month is sealed, and when a
/// data key is first used after start-up: never on the path of an ordinary payment. A provider that
/// talks over a network has to bound the time of a call itself.
pub trait KeyProvider: Send + Sync {
    /// A short name for logs and errors, for example `file`.
    fn name(&self) -> &'static str;

    /// Wraps `plain` under the newest KEK, bound to `context`: it unwraps only with the same bytes.
    ///
    /// # Errors
    /// When the provider cannot be reached or refuses.
    fn wrap(&self, plain: &DataKeyBytes, context: &[u8]) -> Result<WrappedKey, VaultError>;

    /// Unwraps what [`KeyProvider::wrap`] made with the same `context`.
    ///
    /// # Errors
    /// [`VaultError::KekMissing`] when the provider has no such version; [`VaultError::Unwrap`] when
    /// the key does not open under it; others when the provider cannot be reached.
    fn unwrap(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<DataKeyBytes, VaultError>;

    /// The version of the newest KEK, with which [`KeyProvider::wrap`] would wrap now. A version that was
    /// added since this provider was made counts.
    ///
    /// # Errors
    /// When the provider cannot be reached or has no KEK.
    fn newest_version(&self) -> Result<u32, VaultError>;
}

/// A data key as a provider wrapped it.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The version of the KEK that wrapped it; from 1.
    pub kek_version: u32,
    /// Opaque to all but the provider.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey(KEK version {}, {} bytes)", self.kek_version, self.bytes.len())
    }
}
