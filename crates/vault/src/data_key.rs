//! A data key in clear.

use crate::error::VaultError;
use std::fmt;
use zeroize::Zeroize;

/// The length of an AES-256 key.
pub const DATA_KEY_BYTES: usize = 32;

/// A data key in clear: 256 bits that print as a mask and are wiped on drop.
///
/// It stays behind one allocation, so that moving it leaves no copy on the stack.
pub struct DataKeyBytes(Box<[u8; DATA_KEY_BYTES]>);

impl DataKeyBytes {
    /// A new key from the system's random source.
    ///
    /// # Errors
    /// [`VaultError::Random`] when that source fails.
    pub fn random() -> Result<DataKeyBytes, VaultError> {
        let mut key = DataKeyBytes(Box::new([0; DATA_KEY_BYTES]));
        aws_lc_rs::rand::fill(key.0.as_mut_slice()).map_err(|_| VaultError::Random)?;
        Ok(key)
    }

    /// A copy of `bytes`, or `None` when they are not 32. The caller wipes its own.
    #[must_use]
    pub fn copied_from(bytes: &[u8]) -> Option<DataKeyBytes> {
        let mut key = DataKeyBytes(Box::new([0; DATA_KEY_BYTES]));
        if bytes.len() != DATA_KEY_BYTES {
            return None;
        }
        key.0.copy_from_slice(bytes);
        Some(key)
    }

    /// The key in clear, for a key provider or a cipher. Keep no copy.
    #[must_use]
    pub fn reveal(&self) -> &[u8; DATA_KEY_BYTES] {
        &self.0
    }
}

impl Drop for DataKeyBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for DataKeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKeyBytes(***)")
    }
}
