//! Card data: sealing and opening, data keys wrapped by a key-encryption key, key providers.
//!
//! Three layers, each of which sees only the one below:
//!
//! 1. [`Vault`] seals an order's card number or a merchant's credential with AES-256-GCM under a data
//!    key. There is one data key per merchant and calendar month (UTC).
//! 2. [`DataKeys`] is the port through which a store keeps data keys, wrapped. The store never sees
//!    one in clear. [`MemoryDataKeys`] keeps them in memory.
//! 3. [`KeyProvider`] holds the key-encryption keys (KEK) and never gives one out.
//!    [`FileKeyProvider`] holds them in files, plain or split among custodians, [`Pkcs11KeyProvider`] in a hardware security module, which
//!    they never leave.
//!
//! What is sealed is bound to its place by associated data: a card moved to another order or another
//! merchant does not open, nor does a credential under another label.
//!
//! # Rotation
//!
//! A new key-encryption key wraps every data key anew ([`Vault::rewrap`]); a new data key of a merchant
//! takes over what the older ones sealed ([`Vault::begin_rotation`], [`Vault::reseal`]). Both go on while
//! cards are sealed and opened: old keys open until the last row is rewritten, and other processes look
//! for new keys at most a millisecond of their clock later.
//!
//! # Nonces
//!
//! Each sealing draws a 96-bit nonce at random. After n sealings under one key two nonces are equal
//! with a probability of about n^2 / 2^97, and NIST SP 800-38D section 8.3 allows 2^32 sealings per
//! key, for a probability below 2^-33. A data key lives for one merchant and one month: the
//! allowance is 1,600 sealings per second of one merchant, day and night for 31 days. A rotation spends
//! one sealing of the new key for each row that it takes over. A key-encryption key wraps one data key per merchant and month and never comes near it.

mod aead;
mod arrivals;
mod audit_key;
mod bounded_calls;
mod data_key;
mod envelope;
mod error;
mod export;
mod file_provider;
#[cfg(fuzzing)]
mod fuzzed_split;
mod jwe;
mod jwk;
mod kek_file;
mod keyring;
mod link_key;
mod memory;
mod passphrase;
mod pkcs11;
mod port;
mod provider;
mod reveal;
mod rotation;
mod sealed;
mod split;
mod token;
mod vault;

pub use arrivals::{CUSTODIAN_WAIT_MS_MAX, WRONG_TRIES_MAX, WRONG_WAIT_MS_MAX, WRONG_WAIT_MS_MIN};
pub use audit_key::{AUDIT_MAC_BYTES, AUDIT_PERIOD, AuditKey};
pub use data_key::{DATA_KEY_BYTES, DataKeyBytes};
pub use error::{KeyFileFault, VaultError};
pub use export::{
    EXPORT_CHUNK_CHARS_MAX, EXPORT_CHUNK_TOKENS_MAX, ExportChunk, ExportFault, ReceiptedCard, TokenCard, TokenFacts,
    open_chunk, seal_chunk,
};
pub use file_provider::{Arrival, FileKeyProvider, KEK_FILES_MAX, LockedKek, StoredDataKeys};
#[cfg(fuzzing)]
pub use fuzzed_split::{FuzzedFile, FuzzedSplit};
pub use jwe::{
    JWE_CHARS_MAX, JWE_CONTENT_BYTES_MAX, JWE_HEADER_BYTES_MAX, JWE_KID_CHARS_MAX, Jwe, JweAlgorithm, JweFault, encrypt,
};
pub use jwk::{DecryptionKey, Jwk, JwkFault, NewKeyPair, OwnKeyPair};
pub use link_key::{LINK_MAC_BYTES, LINK_PERIOD, LinkKey, LinkPurpose};
pub use memory::MemoryDataKeys;
pub use passphrase::{
    CUSTODIAN_CHARS_MAX, CUSTODIANS_MAX, CUSTODIANS_MIN, Custodian, PASSPHRASE_BYTES_MAX, PASSPHRASE_CHARS_MIN,
    PlanFault, QUORUM_MIN, SplitPlan, check_name, check_passphrase, check_quorum,
};
pub use pkcs11::{PKCS11_CALL_MS_MAX, Pkcs11KeyProvider, Pkcs11Settings, Pkcs11Token};
pub use port::{
    DataKeyId, DataKeys, NewDataKey, PortError, PortFuture, RewrappedDataKey, RotationState, WrappedDataKey,
};
pub use provider::{KekCustody, KekFacts, KekSplit, KekState, KeyProvider, WrappedKey};
pub use reveal::{Receipt, Revealed};
pub use rotation::{Reseal, SealedPlace, data_key_of};
pub use sealed::SealedCard;
pub use token::{FINGERPRINT_BYTES, FINGERPRINT_PERIOD, Fingerprint, SealedToken};
pub use vault::{GATEWAY, LABEL_BYTES_MAX, PREPARED_KEYS_MAX, SECRET_BYTES_MAX, Vault};
