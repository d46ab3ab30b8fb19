//! The port for the encrypted trusted channel: the gateway's keys, and the nonces that are used up.

use crate::StoreFuture;
use tollgate_core::time::Timestamp;

/// How many keys a store takes at once at most.
pub const CHANNEL_KEYS_ADDED_MAX: usize = 8;

/// Keys and nonces of the encrypted trusted channel.
pub trait Channels {
    /// All keys, the newest first.
    fn channel_keys(&self) -> StoreFuture<'_, Vec<ChannelKeyRecord>>;

    /// Adds keys, at most [`CHANNEL_KEYS_ADDED_MAX`]. `false` when nothing was added because there are keys
    /// already and these were to be the first.
    fn add_channel_keys(&self, keys: Vec<ChannelKeyRecord>, occasion: ChannelKeyOccasion) -> StoreFuture<'_, bool>;

    /// Uses a nonce up, durably. `false` when it is used up already. At the same time nonces that expired
    /// before `now` are forgotten.
    fn use_nonce(&self, nonce: NonceUse) -> StoreFuture<'_, bool>;
}

/// Why keys are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKeyOccasion {
    /// They are to be the first: nothing is done when there are others.
    First,
    /// They take the place of all others, which are accepted until then at the longest.
    Rotation {
        /// Until when.
        others_accepted_until: Timestamp,
    },
}

/// A key as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelKeyRecord {
    /// Its name, unique.
    pub kid: String,
    /// `RSA-OAEP-256` or `ECDH-ES+A256KW`.
    pub algorithm: String,
    /// The public half, a JSON Web Key.
    pub public: String,
    /// The private half, sealed.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// `None` while it is published; else until when it still opens what comes.
    pub accepted_until: Option<Timestamp>,
}

impl std::fmt::Debug for ChannelKeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelKeyRecord")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("created_at", &self.created_at)
            .field("accepted_until", &self.accepted_until)
            .finish_non_exhaustive()
    }
}

/// A nonce that is to be used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceUse {
    /// SHA-256 of it.
    pub digest: [u8; 32],
    /// Now.
    pub now: Timestamp,
    /// When a message with it is too old anyway.
    pub expires_at: Timestamp,
}
