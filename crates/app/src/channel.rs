//! The trusted channel, encrypted: card data as a JWE to a key that the gateway publishes.

use crate::directory::Account;
use crate::gateway::{Inner, Refused};
use aws_lc_rs::digest::{SHA256, digest};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tollgate_core::channel::{CardDataRule, DecryptedCard};
use tollgate_core::code::refused;
use tollgate_core::command::PayCommand;
use tollgate_core::decide;
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::time::{Clock, Timestamp};
use tollgate_store::{ChannelKeyOccasion, ChannelKeyRecord, NonceUse, Store, StoreError};
use tollgate_vault::{DecryptionKey, Jwe, JweAlgorithm, Jwk, JwkFault, NewKeyPair, Vault, VaultError};

/// The parameter that encrypted card data comes in.
const PARAMETER: &str = "encrypted_card_data";
/// How long keys that were read count, in milliseconds: a rotation by another process counts then.
const KEYS_FRESH_MS: u64 = 10_000;
/// How long a client may go by the published keys that it has read, in seconds. Short, so that a rotation gets about.
pub const PUBLISHED_KEYS_CACHED_SECONDS_MAX: u32 = 300;
/// For how long published keys that were read before are told on while the store fails, in milliseconds.
const PUBLISHED_KEPT_MS_MAX: u64 = 300_000;
/// How soon after a look a key that is not known is looked for again, in milliseconds: a stranger who names
/// keys that do not exist causes no more reads than this.
const KEYS_LOOKED_AGAIN_MS: u64 = 500;

/// Puts card data that came encrypted where card data in clear would be, and refuses what came in clear though it
/// must not.
///
/// # Errors
/// 00027 when the channel is off, when both were sent, or card data in clear came from a merchant that has to encrypt
/// it; 00002 for what is no JWE of the kind that is taken; 00033 for an unknown key, a wrong content, an age that does
/// not fit and a nonce that was used.
pub(crate) async fn take_card(
    inner: &Inner,
    account: &Account,
    mut command: PayCommand,
) -> Result<PayCommand, Refused> {
    let terms = &account.merchant.terms;
    let Some(text) = command.encrypted_card.take() else {
        if command.card.is_some() && terms.channel.card_data == CardDataRule::EncryptedOnly {
            let detail = "card data came in clear, and this merchant has to send it as encrypted_card_data: \
                          `tollgate merchant set NAME --card-data any` lifts that";
            return Err(Refusal::request(refused::INVALID_EXTRA_PARAMETERS, "card_number", detail).into());
        }
        return Ok(command);
    };
    let now = inner.clock.now();
    decide::open_channel(terms, now).map_err(|refusal| refusal.at(PARAMETER))?;
    if command.card.is_some() {
        let detail = "card data in clear came beside encrypted_card_data: send one of them";
        return Err(Refusal::request(refused::INVALID_EXTRA_PARAMETERS, PARAMETER, detail).into());
    }
    let jwe =
        Jwe::parse(&text).map_err(|fault| Refusal::request(refused::INVALID_FORMAT, PARAMETER, fault.to_string()))?;
    let key = inner.channel_keys.find(jwe.kid(), jwe.algorithm()).await?;
    let plain = jwe.decrypt(&key).map_err(|fault| not_taken(fault.to_string()))?;
    let decrypted = DecryptedCard::read(&plain)?;
    let expires_at = decrypted.fresh_until(now)?;
    let mut used = [0; 32];
    used.copy_from_slice(digest(&SHA256, decrypted.nonce.as_bytes()).as_ref());
    if !inner.store.use_nonce(NonceUse { digest: used, now, expires_at }).await? {
        metrics::counter!("tollgate_channel_replays_total", "merchant" => account.merchant.name.clone()).increment(1);
        return Err(not_taken("its jti was used before: encrypt the card data anew for each request").into());
    }
    command.card = Some(decrypted.card);
    Ok(command)
}

fn not_taken(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::request(refused::VALUE_NOT_ALLOWED, PARAMETER, detail)
}

/// The keys that card data is encrypted to. The private halves lie in the store, sealed by the vault.
pub struct ChannelKeys {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    opened: Mutex<Arc<Opened>>,
    published: Mutex<Option<Published>>,
    /// One reads or makes keys while the others wait.
    turn: tokio::sync::Mutex<()>,
}

/// A key, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelKey {
    /// The public half, with its name.
    pub public: Jwk,
    /// When it was made.
    pub created_at: Timestamp,
    /// `None` while it is published; else until when it still opens what comes.
    pub accepted_until: Option<Timestamp>,
}

/// Why keys cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A key cannot be made or used.
    #[error(transparent)]
    Key(#[from] JwkFault),
    /// What is kept of a key cannot be read.
    #[error("the kept key {0} cannot be read")]
    Unreadable(String),
    /// No key has that name.
    #[error("{0} is no key of this gateway: `tollgate jwks list` shows them all")]
    Unknown(String),
    /// A newer key took over, and the time in which the old one opened what came is over.
    #[error("the key {kid} was replaced and ended at {at}: nothing is opened with it any more")]
    Ended {
        /// Its name.
        kid: String,
        /// When it ended.
        at: Timestamp,
    },
}

/// Keys that were read and unsealed.
#[derive(Default)]
struct Opened {
    /// `None` before the first look.
    at: Option<Instant>,
    keys: HashMap<String, OpenedKey>,
}

/// Published keys that were read.
#[derive(Clone)]
struct Published {
    at: Instant,
    keys: Arc<[Jwk]>,
}

impl Published {
    fn is_younger_than(&self, ms: u64) -> bool {
        self.at.elapsed() < Duration::from_millis(ms)
    }
}

#[derive(Clone)]
struct OpenedKey {
    key: Arc<DecryptionKey>,
    algorithm: JweAlgorithm,
    accepted_until: Option<Timestamp>,
}

impl Opened {
    fn is_younger_than(&self, ms: u64) -> bool {
        self.at.is_some_and(|at| at.elapsed() < Duration::from_millis(ms))
    }
}

impl ChannelKeys {
    /// The keys in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>, clock: Arc<dyn Clock>) -> ChannelKeys {
        let (opened, published) = (Mutex::default(), Mutex::default());
        ChannelKeys { store, vault, clock, opened, published, turn: tokio::sync::Mutex::default() }
    }

    /// The keys that are published: one for each algorithm. The first ones are made when they are first asked for.
    /// They are kept in memory for seconds, so that many who ask cause few reads.
    ///
    /// # Errors
    /// When keys cannot be read or made, and none were read before.
    pub async fn published(&self) -> Result<Arc<[Jwk]>, ChannelError> {
        let known = self.known_published();
        let turn = match &known {
            Some(known) if known.is_younger_than(KEYS_FRESH_MS) => return Ok(Arc::clone(&known.keys)),
            // Somebody else reads them already: these are good for as long as it takes.
            Some(known) if known.is_younger_than(PUBLISHED_KEPT_MS_MAX) => match self.turn.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(Arc::clone(&known.keys)),
            },
            _ => self.turn.lock().await,
        };
        if let Some(known) = self.known_published().filter(|known| known.is_younger_than(KEYS_FRESH_MS)) {
            return Ok(known.keys);
        }
        let keys = match (self.read_published().await, known) {
            (Ok(keys), _) => keys,
            (Err(error), Some(known)) if known.is_younger_than(PUBLISHED_KEPT_MS_MAX) => {
                tracing::warn!(%error, "the published keys cannot be read again; those read before are told");
                return Ok(known.keys);
            }
            (Err(error), _) => return Err(error),
        };
        let published = Published { at: Instant::now(), keys: Arc::clone(&keys) };
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = Some(published);
        drop(turn);
        Ok(keys)
    }

    fn known_published(&self) -> Option<Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads them, and makes the first ones. Under the lock of `turn`.
    async fn read_published(&self) -> Result<Arc<[Jwk]>, ChannelError> {
        let mut all = self.all().await?;
        if all.is_empty() {
            let keys = self.make().await?;
            self.store.add_channel_keys(keys, ChannelKeyOccasion::First).await?;
            all = self.all().await?;
        }
        Ok(all.into_iter().filter(|key| key.accepted_until.is_none()).map(|key| key.public).collect())
    }

    /// All keys, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn all(&self) -> Result<Vec<ChannelKey>, ChannelError> {
        let records = self.store.channel_keys().await?;
        records.into_iter().map(|record| shown(&record)).collect()
    }

    /// The private half of a key, for what was encrypted to it and is no payment. A key that was replaced opens for as
    /// long as it opens payments.
    ///
    /// # Errors
    /// [`ChannelError::Unknown`] and [`ChannelError::Ended`]; others when it cannot be read.
    pub async fn private_key(&self, kid: &str) -> Result<Arc<DecryptionKey>, ChannelError> {
        let records = self.store.channel_keys().await?;
        let record = records.into_iter().find(|record| record.kid == kid);
        let record = record.ok_or_else(|| ChannelError::Unknown(kid.to_owned()))?;
        if let Some(at) = record.accepted_until.filter(|until| self.clock.now() > *until) {
            return Err(ChannelError::Ended { kid: record.kid, at });
        }
        Ok(self.unsealed(&record).await?.key)
    }

    /// Publishes new keys. Those before open what comes for `others_accepted_ms` more. A running gateway goes by it
    /// within seconds.
    ///
    /// # Errors
    /// When keys cannot be made or kept.
    pub async fn rotate(&self, others_accepted_ms: u64) -> Result<Vec<ChannelKey>, ChannelError> {
        let keys = self.make().await?;
        let time_us = i64::try_from(others_accepted_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        let others_accepted_until = Timestamp(self.clock.now().0.saturating_add(time_us));
        self.store.add_channel_keys(keys, ChannelKeyOccasion::Rotation { others_accepted_until }).await?;
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.all().await
    }

    async fn make(&self) -> Result<Vec<ChannelKeyRecord>, ChannelError> {
        let now = self.clock.now();
        let mut records = Vec::with_capacity(JweAlgorithm::ALL.len());
        for algorithm in JweAlgorithm::ALL {
            // An RSA key takes up to a second of computing.
            let made = tokio::task::spawn_blocking(move || NewKeyPair::generate(algorithm)).await;
            let pair = made.map_err(|_| JwkFault::NotMade)??;
            let kid = pair.public.kid.clone().ok_or(JwkFault::NotMade)?;
            let sealed = self.vault.seal_secret(&label(&kid), &pair.private, now).await?;
            let public = serde_json::to_string(&pair.public).map_err(|_| JwkFault::NotMade)?;
            let algorithm = algorithm.name().to_owned();
            records.push(ChannelKeyRecord { kid, algorithm, public, sealed, created_at: now, accepted_until: None });
        }
        Ok(records)
    }

    /// The key that a message names.
    async fn find(&self, kid: &str, algorithm: JweAlgorithm) -> Result<Arc<DecryptionKey>, Refused> {
        let mut opened = self.current();
        let fresh_ms = if opened.keys.contains_key(kid) { KEYS_FRESH_MS } else { KEYS_LOOKED_AGAIN_MS };
        if !opened.is_younger_than(fresh_ms) {
            opened = self.look(&opened, fresh_ms).await.map_err(|error| {
                tracing::error!(%error, "the keys of the encrypted channel cannot be read");
                Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, format!("the channel's keys: {error}"))
            })?;
        }
        let Some(key) = opened.keys.get(kid) else {
            return Err(not_taken(
                "its kid is no key of this gateway: take the keys from /.well-known/tollgate/jwks.json",
            )
            .into());
        };
        if key.algorithm != algorithm {
            return Err(not_taken("its alg is not that of the key it names").into());
        }
        if key.accepted_until.is_some_and(|until| self.clock.now() > until) {
            return Err(not_taken(
                "its key was replaced and is not accepted any more: take the new one from \
                 /.well-known/tollgate/jwks.json",
            )
            .into());
        }
        Ok(Arc::clone(&key.key))
    }

    fn current(&self) -> Arc<Opened> {
        Arc::clone(&self.opened.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads all keys again, unless somebody else did meanwhile; unseals those that are new.
    async fn look(&self, before: &Arc<Opened>, fresh_ms: u64) -> Result<Arc<Opened>, ChannelError> {
        let _turn = self.turn.lock().await;
        let current = self.current();
        if !Arc::ptr_eq(before, &current) && current.is_younger_than(fresh_ms) {
            return Ok(current);
        }
        let mut opened = Opened { at: Some(Instant::now()), keys: HashMap::new() };
        for record in self.store.channel_keys().await? {
            let key = match current.keys.get(&record.kid) {
                Some(known) => OpenedKey { accepted_until: record.accepted_until, ..known.clone() },
                None => self.unsealed(&record).await?,
            };
            opened.keys.insert(record.kid, key);
        }
        let opened = Arc::new(opened);
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&opened);
        Ok(opened)
    }

    async fn unsealed(&self, record: &ChannelKeyRecord) -> Result<OpenedKey, ChannelError> {
        let unreadable = || ChannelError::Unreadable(record.kid.clone());
        let algorithm = JweAlgorithm::parse(&record.algorithm).ok_or_else(unreadable)?;
        let private = self.vault.open_secret(&label(&record.kid), &record.sealed).await?;
        let key = Arc::new(DecryptionKey::read(algorithm, &private)?);
        Ok(OpenedKey { key, algorithm, accepted_until: record.accepted_until })
    }
}

/// What the private half of a key is sealed under.
pub(crate) fn label(kid: &str) -> String {
    format!("channel-key:{kid}")
}

fn shown(record: &ChannelKeyRecord) -> Result<ChannelKey, ChannelError> {
    let public = serde_json::from_str(&record.public).map_err(|_| ChannelError::Unreadable(record.kid.clone()))?;
    Ok(ChannelKey { public, created_at: record.created_at, accepted_until: record.accepted_until })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tollgate_store_sqlite::{SqliteOptions, SqliteStore};
    use tollgate_vault::{FileKeyProvider, MemoryDataKeys, StoredDataKeys};

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            Timestamp(1_795_176_000_000_000)
        }
    }

    async fn two_processes(folder: &std::path::Path) -> [ChannelKeys; 2] {
        let store = Arc::new(SqliteStore::open(&folder.join("t.db"), SqliteOptions::default()).unwrap());
        let provider = FileKeyProvider::create_or_open(&folder.join("keys"), StoredDataKeys::NoneYet).unwrap();
        let vault = Arc::new(Vault::open(Box::new(provider), Arc::new(MemoryDataKeys::new())).await.unwrap());
        [(); 2].map(|()| ChannelKeys::new(store.clone(), vault.clone(), Arc::new(Noon)))
    }

    fn kids(keys: &[Jwk]) -> Vec<String> {
        keys.iter().filter_map(|key| key.kid.clone()).collect()
    }

    #[tokio::test]
    async fn published_keys_are_kept_in_memory_until_they_are_10_seconds_old_or_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let [here, elsewhere] = two_processes(folder.path()).await;
        let first = here.published().await.unwrap();
        assert_eq!(first.len(), JweAlgorithm::ALL.len());
        assert_eq!(kids(&first), kids(&elsewhere.published().await.unwrap()), "made once");
        elsewhere.rotate(0).await.unwrap();
        assert!(Arc::ptr_eq(&first, &here.published().await.unwrap()), "the store is not asked");
        let rotated = elsewhere.published().await.unwrap();
        assert_ne!(kids(&first), kids(&rotated), "a rotation of one's own counts at once");
        tokio::time::pause();
        tokio::time::advance(Duration::from_millis(KEYS_FRESH_MS)).await;
        tokio::time::resume();
        assert_eq!(kids(&here.published().await.unwrap()), kids(&rotated));
    }
}
