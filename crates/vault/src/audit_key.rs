//! The key under which the audit log is chained.
//!
//! It is a data key of the gateway whose month is [`AUDIT_PERIOD`], which is none: made once, wrapped like the others,
//! rewrapped when the key-encryption key changes. It seals nothing. Whoever can write to the database and has not
//! the key-encryption key can neither make such a key nor a row that fits the chain.

use crate::data_key::DataKeyBytes;
use crate::error::VaultError;
use crate::port::DataKeyId;
use crate::vault::{GATEWAY, LastingSecret, Vault};
use aws_lc_rs::hmac;
use std::fmt;
use tollgate_core::time::Timestamp;

/// The month of the data keys behind the audit log: no month has this number.
pub const AUDIT_PERIOD: u32 = 1;
/// The length of a row's code.
pub const AUDIT_MAC_BYTES: usize = 32;
/// What the HMAC begins with, so that the same key could serve another purpose without a clash.
const PURPOSE: &[u8] = b"tollgate audit log 1\0";

/// A key of the audit log, ready for use: HMAC-SHA-256.
#[derive(Clone)]
pub struct AuditKey {
    id: DataKeyId,
    made_at: Timestamp,
    key: hmac::Key,
}

impl AuditKey {
    /// A key out of its bytes.
    #[must_use]
    pub fn new(id: DataKeyId, made_at: Timestamp, secret: &DataKeyBytes) -> AuditKey {
        AuditKey { id, made_at, key: hmac::Key::new(hmac::HMAC_SHA256, secret.reveal()) }
    }

    /// Its number, which each row names.
    #[must_use]
    pub const fn id(&self) -> DataKeyId {
        self.id
    }

    /// When it was made.
    #[must_use]
    pub const fn made_at(&self) -> Timestamp {
        self.made_at
    }

    /// The code of a row. Where one part ends and the next begins has to follow from the parts themselves.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; AUDIT_MAC_BYTES] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(PURPOSE);
        for part in parts {
            context.update(part);
        }
        let mut mac = [0; AUDIT_MAC_BYTES];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Vault {
    /// The key under which the audit log goes on, made when it is first needed.
    ///
    /// # Errors
    /// When the store or the provider fails.
    pub async fn audit_key(&self, now: Timestamp) -> Result<AuditKey, VaultError> {
        let LastingSecret { id, made_at, secret } = self.lasting_secret(GATEWAY, AUDIT_PERIOD, now).await?;
        Ok(AuditKey::new(id, made_at, &secret))
    }

    /// Every key under which rows of the audit log may lie, the oldest first.
    ///
    /// # Errors
    /// When the store or the provider fails.
    pub async fn audit_keys(&self) -> Result<Vec<AuditKey>, VaultError> {
        let mut rows = self.port.data_keys().await?;
        rows.retain(|row| row.merchant == GATEWAY && row.period == AUDIT_PERIOD);
        rows.sort_by_key(|row| row.id);
        rows.iter().map(|row| Ok(AuditKey::new(row.id, row.created_at, &self.unwrap(row)?))).collect()
    }
}
