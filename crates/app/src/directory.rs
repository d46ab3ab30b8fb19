//! Which account an access code belongs to.
//!
//! Accounts are kept in memory, opened and ready to use, and are valid as long as the store's
//! generation is the one they were read at: a change by any process counts a millisecond later.

use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;
use tollgate_core::ident::MerchantId;
use tollgate_core::merchant::{AcquirerTerms, Credential, Merchant, ShaType};
use tollgate_core::secret::Secret;
use tollgate_store::{MerchantRecord, Store, StoreError};
use tollgate_vault::Vault;
use zeroize::Zeroizing;

/// How long a generation that was read counts as fresh, in microseconds: shorter than the command that
/// changes an account takes to end.
const GENERATION_FRESH_US: u64 = 1_000;

/// A merchant account, ready to use.
#[derive(Debug)]
pub struct Account {
    /// The merchant.
    pub merchant: Merchant,
    /// Who it is at the acquirer, shared with each message.
    pub acquirer: Arc<AcquirerTerms>,
    /// The version that was read.
    pub version: u32,
}

/// All accounts by access code.
pub struct Directory {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    snapshot: ArcSwap<Snapshot>,
    reload: tokio::sync::Mutex<()>,
    /// When the directory was made; the moments below are microseconds since then.
    made_at: Instant,
    /// Until when the generation needs no look; 0 before the first.
    fresh_until_us: AtomicU64,
    /// For how long a look counts, in microseconds.
    pub(crate) fresh_us: u64,
}

#[derive(Default)]
struct Snapshot {
    /// `None` before the first reading.
    generation: Option<u64>,
    by_access_code: HashMap<String, Arc<Account>>,
    by_id: HashMap<MerchantId, Arc<Account>>,
}

impl Directory {
    /// A directory that reads on first use.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>) -> Directory {
        Directory {
            store,
            vault,
            snapshot: ArcSwap::default(),
            reload: tokio::sync::Mutex::new(()),
            made_at: Instant::now(),
            fresh_until_us: AtomicU64::new(0),
            fresh_us: GENERATION_FRESH_US,
        }
    }

    /// The account of an access code.
    ///
    /// # Errors
    /// When the store cannot be read, or credentials cannot be opened.
    pub async fn by_access_code(&self, access_code: &str) -> Result<Option<Arc<Account>>, StoreError> {
        self.fresh().await?;
        Ok(self.snapshot.load().by_access_code.get(access_code).cloned())
    }

    /// The account of a merchant.
    ///
    /// # Errors
    /// As [`Directory::by_access_code`].
    pub async fn by_id(&self, id: MerchantId) -> Result<Option<Arc<Account>>, StoreError> {
        self.fresh().await?;
        Ok(self.snapshot.load().by_id.get(&id).cloned())
    }

    /// All accounts, by id.
    ///
    /// # Errors
    /// As [`Directory::by_access_code`].
    pub async fn all(&self) -> Result<Vec<Arc<Account>>, StoreError> {
        self.fresh().await?;
        let mut accounts: Vec<_> = self.snapshot.load().by_id.values().cloned().collect();
        accounts.sort_by_key(|account| account.merchant.id);
        Ok(accounts)
    }

    /// Makes the next call look at the generation, whatever was seen before: after a change of one's own.
    pub(crate) fn look_again(&self) {
        self.fresh_until_us.store(0, Ordering::Relaxed);
    }

    async fn fresh(&self) -> Result<(), StoreError> {
        // Taken before the look, so that a change after it is never taken for seen.
        let now_us = u64::try_from(self.made_at.elapsed().as_micros()).unwrap_or(u64::MAX);
        if now_us < self.fresh_until_us.load(Ordering::Relaxed) {
            return Ok(());
        }
        let generation = self.store.merchants_generation().await?;
        if self.snapshot.load().generation == Some(generation) {
            self.fresh_until_us.store(now_us.saturating_add(self.fresh_us), Ordering::Relaxed);
            return Ok(());
        }
        // Apart: whoever asks for an account would carry the memory of this within its own future, and it is rare.
        Box::pin(self.load()).await
    }

    /// Reads all accounts, unless somebody else has done it meanwhile.
    async fn load(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.reload.lock().await;
        // The generation is read before the accounts: a change in between is seen at the next call.
        let generation = self.store.merchants_generation().await?;
        if self.snapshot.load().generation == Some(generation) {
            return Ok(());
        }
        let mut next = Snapshot { generation: Some(generation), ..Snapshot::default() };
        for record in self.store.merchants().await? {
            let account = Arc::new(open_account(&self.vault, record).await?);
            for credential in &account.merchant.credentials {
                next.by_access_code.insert(credential.access_code.clone(), Arc::clone(&account));
            }
            next.by_id.insert(account.merchant.id, account);
        }
        self.snapshot.store(Arc::new(next));
        Ok(())
    }
}

async fn open_account(vault: &Vault, record: MerchantRecord) -> Result<Account, StoreError> {
    let label = credentials_label(&record.merchant_identifier);
    let plain = vault.open_secret(&label, &record.sealed_credentials).await.map_err(|error| {
        StoreError::Corrupt(format!("the credentials of merchant {} cannot be opened: {error}", record.name))
    })?;
    let credentials = credentials_from_json(&plain)
        .ok_or_else(|| StoreError::Corrupt(format!("the credentials of merchant {} cannot be read", record.name)))?;
    let acquirer = Arc::new(record.terms.acquirer.clone());
    let merchant = Merchant {
        id: record.id,
        name: record.name,
        merchant_identifier: record.merchant_identifier,
        active: record.active,
        credentials,
        terms: record.terms,
    };
    Ok(Account { merchant, acquirer, version: record.version })
}

/// What the sealed credentials are bound to, so that one merchant's cannot serve another.
pub(crate) fn credentials_label(merchant_identifier: &str) -> String {
    format!("credentials of {merchant_identifier}")
}

#[derive(serde::Serialize, serde::Deserialize)]
struct CredentialJson {
    access_code: String,
    sha_type: ShaType,
    request_phrases: Vec<String>,
    response_phrase: String,
}

pub(crate) fn credentials_to_json(credentials: &[Credential]) -> Zeroizing<Vec<u8>> {
    let rows: Vec<CredentialJson> = credentials
        .iter()
        .map(|credential| CredentialJson {
            access_code: credential.access_code.clone(),
            sha_type: credential.sha_type,
            request_phrases: credential.request_phrases.iter().map(|phrase| phrase.reveal().to_owned()).collect(),
            response_phrase: credential.response_phrase.reveal().to_owned(),
        })
        .collect();
    // Texts and an enum always have a JSON form.
    Zeroizing::new(serde_json::to_vec(&rows).unwrap_or_default())
}

fn credentials_from_json(plain: &[u8]) -> Option<Vec<Credential>> {
    let rows: Vec<CredentialJson> = serde_json::from_slice(plain).ok()?;
    let open = |row: CredentialJson| Credential {
        access_code: row.access_code,
        sha_type: row.sha_type,
        request_phrases: row.request_phrases.into_iter().map(Secret::new).collect(),
        response_phrase: Secret::new(row.response_phrase),
    };
    Some(rows.into_iter().map(open).collect())
}
