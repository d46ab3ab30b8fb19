//! Opening what every command needs: the store, the vault and the clock of a data folder.

use crate::clock::FolderClock;
use crate::config::KeysConfig;
use crate::data_folder::DataFolder;
use crate::key_source;
use anyhow::Context;
use std::sync::Arc;
use tollgate_store::{DataKeys, Store};
use tollgate_store_sqlite::{SqliteOptions, SqliteStore};
use tollgate_vault::{KekCustody, StoredDataKeys, Vault};

/// Whether a database may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It has to be there.
    Existing,
    /// It is made when it is not there.
    OrCreate,
}

/// What a data folder holds, opened.
pub struct Opened {
    /// The store, by its ports.
    pub store: Arc<dyn Store>,
    /// The same store, for closing it.
    pub sqlite: Arc<SqliteStore>,
    /// The vault.
    pub vault: Arc<Vault>,
    /// Where its key-encryption keys are.
    pub keys: KeysConfig,
    /// The folder's clock: the system's time, and by how much a sandbox has moved it.
    pub clock: Arc<FolderClock>,
}

/// Opens the store and the vault of a folder, with the key provider that the folder's configuration names.
///
/// # Errors
/// When something is missing, unreadable, or newer than this program.
pub async fn open(folder: &DataFolder, keep: Keep) -> anyhow::Result<Opened> {
    open_with(folder, keep, KeysConfig::load(&folder.config())?).await
}

/// The same with another key provider.
///
/// # Errors
/// As [`open`].
pub async fn open_with(folder: &DataFolder, keep: Keep, keys_config: KeysConfig) -> anyhow::Result<Opened> {
    let database = folder.database();
    if keep == Keep::Existing && !database.exists() {
        anyhow::bail!("{} holds no database: start `tollgate serve --dev` on it first", folder.path().display());
    }
    let sqlite = SqliteStore::open(&database, SqliteOptions::default())
        .with_context(|| format!("the database {} cannot be opened", database.display()))?;
    let sqlite = Arc::new(sqlite);
    let store: Arc<dyn Store> = sqlite.clone();
    let keys: Arc<dyn DataKeys> = sqlite.clone();
    let stored = StoredDataKeys::look(keys.as_ref()).await?;
    let provider = key_source::open(folder, &keys_config, stored)?;
    let vault = Arc::new(Vault::open(provider, keys).await?);
    Ok(Opened { store, sqlite, vault, keys: keys_config, clock: Arc::new(FolderClock::open(folder)?) })
}

impl Opened {
    /// The key-encryption keys, for an operator's work on them.
    ///
    /// # Errors
    /// As [`open`].
    pub fn custody(&self, folder: &DataFolder) -> anyhow::Result<Box<dyn KekCustody>> {
        // The vault is open, so the keys are there and none has to be made.
        key_source::open(folder, &self.keys, StoredDataKeys::Present)
    }
}

/// Closes what [`open`] opened.
pub async fn close(opened: Opened) {
    let Opened { store, sqlite, vault, keys: _, clock: _ } = opened;
    drop((store, vault));
    sqlite.close().await;
}
