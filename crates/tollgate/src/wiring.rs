//! Opening what every command needs: the store, the vault and the clock of a data folder.

use crate::audit_heads::HeadFile;
use crate::clock::FolderClock;
use crate::config::KeysConfig;
use crate::data_folder::DataFolder;
use crate::{key_source, who};
use anyhow::Context;
use std::sync::Arc;
use tollgate_app::begin_audit;
use tollgate_core::audit::{AuditAction, AuditEntry, AuditWho};
use tollgate_core::time::Clock;
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
    /// Heads of the audit log beside the database.
    pub heads: HeadFile,
    /// Whether there were data keys before it was opened.
    stored: StoredDataKeys,
}

/// Opens the store and the vault of a folder, with the key provider that the folder's configuration names, for a
/// command. What it does is noted in the audit log in the name of the system's user.
///
/// # Errors
/// When something is missing, unreadable, or newer than this program.
pub async fn open(folder: &DataFolder, keep: Keep) -> anyhow::Result<Opened> {
    let opened = open_reading(folder, keep).await?;
    opened.begin_audit(who::person()).await?;
    Ok(opened)
}

/// The same for a command that changes nothing: it does not even begin an audit log where there is none.
///
/// # Errors
/// As [`open`].
pub async fn open_reading(folder: &DataFolder, keep: Keep) -> anyhow::Result<Opened> {
    open_with(folder, keep, KeysConfig::load(&folder.config())?).await
}

/// The same with another key provider. Nothing that belongs into the audit log can be done before
/// [`Opened::begin_audit`].
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
    let clock = Arc::new(FolderClock::open(folder)?);
    Ok(Opened { store, sqlite, vault, keys: keys_config, clock, heads: HeadFile::of(folder), stored })
}

impl Opened {
    /// From now on what is done is noted in the audit log, in the name of `who`.
    ///
    /// # Errors
    /// When the log cannot be begun.
    pub async fn begin_audit(&self, who: AuditWho) -> anyhow::Result<()> {
        begin_audit(&*self.store, &self.vault, self.clock.clone(), who.clone()).await?;
        if self.stored == StoredDataKeys::NoneYet {
            // The first key had to be there before there could be a log.
            self.note(who, AuditAction::KekMade, "at the first start").await?;
        }
        Ok(())
    }

    /// Notes what has no other place in the store.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn note(&self, who: AuditWho, action: AuditAction, detail: &str) -> anyhow::Result<()> {
        let entry = AuditEntry::new(self.clock.now(), who, action).saying(detail);
        Ok(self.store.note_audit(vec![entry]).await?)
    }

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
    let Opened { store, sqlite, vault, keys: _, clock, heads, stored: _ } = opened;
    if let Err(error) = heads.add(&*store, clock.now()).await {
        // What was done is done; the next process adds the head.
        tracing::warn!(%error, "the head of the audit log could not be kept");
    }
    drop((store, vault));
    sqlite.close().await;
}
