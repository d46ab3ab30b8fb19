//! Who holds the key-encryption keys.

use crate::data_key::DataKeyBytes;
use crate::error::VaultError;
use std::fmt;
use tollgate_core::time::Timestamp;

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

/// What an operator does with the keys of a provider.
pub trait KekCustody: KeyProvider {
    /// Makes a new KEK above all versions that there are or were, retired ones and `version_above` (the
    /// highest that the store knows) included. On return it is durable, and it wraps from now on, in every
    /// process that has the same provider open.
    ///
    /// # Errors
    /// When there is no KEK yet, or the new one cannot be made.
    fn add_version(&self, version_above: u32) -> Result<u32, VaultError>;

    /// Puts a KEK aside: it opens nothing any more, and can be brought back. Make sure before that no data
    /// key is wrapped under it.
    ///
    /// # Errors
    /// [`VaultError::KekInUse`] when it is the newest; others when there is none or it cannot be changed.
    fn retire_version(&self, version: u32) -> Result<(), VaultError>;

    /// Undoes [`KekCustody::retire_version`].
    ///
    /// # Errors
    /// When there is none or it cannot be changed.
    fn revive_version(&self, version: u32) -> Result<(), VaultError>;

    /// All KEKs, live and retired, by version.
    ///
    /// # Errors
    /// When the provider cannot be reached.
    fn keks(&self) -> Result<Vec<KekFacts>, VaultError>;
}

/// One KEK, for an inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KekFacts {
    /// Its version.
    pub version: u32,
    /// Whether it still opens anything.
    pub state: KekState,
    /// When it was made, where the provider knows. A key file that was restored is as old as its
    /// restoring.
    pub made_at: Option<Timestamp>,
    /// Who opens it together, where it is split.
    pub split: Option<KekSplit>,
}

/// Who opens a split KEK together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KekSplit {
    /// How many of them are needed.
    pub quorum: usize,
    /// Their names.
    pub custodians: Vec<String>,
}

/// What has become of a KEK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KekState {
    /// It opens what it wrapped.
    Live,
    /// It was put aside, for backups of the database from its time.
    Retired,
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
