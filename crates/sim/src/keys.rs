//! Key-encryption keys for cards that do not exist.

use tollgate_vault::{DATA_KEY_BYTES, DataKeyBytes, KeyProvider, VaultError, WrappedKey};

/// A key provider for simulations: it only mixes the bytes, as there is nothing to keep from anybody.
#[derive(Debug)]
pub struct SimulatedKeys;

/// What the bytes are mixed with.
const MASK: u8 = 0xA5;
/// The only version there is.
const VERSION: u32 = 1;

impl KeyProvider for SimulatedKeys {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn wrap(&self, plain: &DataKeyBytes, _context: &[u8]) -> Result<WrappedKey, VaultError> {
        Ok(WrappedKey { kek_version: VERSION, bytes: plain.reveal().iter().map(|byte| byte ^ MASK).collect() })
    }

    fn unwrap(&self, wrapped: &WrappedKey, _context: &[u8]) -> Result<DataKeyBytes, VaultError> {
        let mut plain = [0; DATA_KEY_BYTES];
        for (slot, byte) in plain.iter_mut().zip(&wrapped.bytes) {
            *slot = byte ^ MASK;
        }
        DataKeyBytes::copied_from(&plain).ok_or(VaultError::Random)
    }

    fn newest_version(&self) -> Result<u32, VaultError> {
        Ok(VERSION)
    }
}
