//! Opening what every command needs: the store, the vault and the clock of a data folder.

use crate::audit_heads::HeadFile;
use crate::clock::FolderClock;
use crate::config::KeysConfig;
use crate::data_folder::DataFolder;
use crate::key_source::KeySource;
use crate::passphrases::{self, PassphraseSource};
use crate::who;
use anyhow::Context;
use std::collections::BTreeSet;
use std::sync::Arc;
use tollgate_app::begin_audit;
use tollgate_core::audit::{AuditAction, AuditEntry, AuditWho};
use tollgate_core::time::Clock;
use tollgate_store::{DataKeys, Store};
use tollgate_store_sqlite::{SqliteOptions, SqliteStore};
use tollgate_vault::{KekCustody, KekSplit, LockedKek, StoredDataKeys, Vault};

/// Whether a database may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It has to be there.
    Existing,
    /// It is made when it is not there.
    OrCreate,
}

/// What a data folder holds, before its keys are used: custodians may have to come first.
pub struct Looked {
    /// The store, by its ports.
    pub store: Arc<dyn Store>,
    /// The same store, for closing it.
    pub sqlite: Arc<SqliteStore>,
    /// Where its key-encryption keys are.
    pub source: KeySource,
    /// The folder's clock: the system's time, and by how much a sandbox has moved it.
    pub clock: Arc<FolderClock>,
    /// Heads of the audit log beside the database.
    heads: HeadFile,
    /// The versions that data keys were wrapped under when the store was opened.
    wrapping: BTreeSet<u32>,
    unattended: Vec<PassphraseSource>,
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
    pub source: KeySource,
    /// The folder's clock.
    pub clock: Arc<FolderClock>,
    /// Heads of the audit log beside the database.
    pub heads: HeadFile,
    /// Whether there were data keys before it was opened.
    stored: StoredDataKeys,
}

/// Opens the store and the vault of a folder, with the key provider that the folder's configuration names, for a
/// command. Where keys are split, the custodians come first: by the configuration, or at the terminal. What the command
/// does is noted in the audit log in the name of the system's user.
///
/// # Errors
/// When something is missing, unreadable, or newer than this program.
pub async fn open(folder: &DataFolder, keep: Keep) -> anyhow::Result<Opened> {
    let looked = look(folder, keep).await?;
    looked.unlock_here(&[])?;
    looked.open_noting().await
}

/// The same for a command that changes nothing: it does not even begin an audit log where there is none.
///
/// # Errors
/// As [`open`].
pub async fn open_reading(folder: &DataFolder, keep: Keep) -> anyhow::Result<Opened> {
    let looked = look(folder, keep).await?;
    looked.unlock_here(&[])?;
    looked.open().await
}

/// The store of a folder, and where its keys are.
///
/// # Errors
/// As [`open`].
pub async fn look(folder: &DataFolder, keep: Keep) -> anyhow::Result<Looked> {
    look_with(folder, keep, &KeysConfig::load(&folder.config())?).await
}

/// The same with another key provider.
///
/// # Errors
/// As [`open`].
pub async fn look_with(folder: &DataFolder, keep: Keep, keys_config: &KeysConfig) -> anyhow::Result<Looked> {
    let database = folder.database();
    if keep == Keep::Existing && !database.exists() {
        anyhow::bail!(
            "{} holds no database: `tollgate init` makes one for production, `tollgate serve --dev` a sandbox",
            folder.path().display()
        );
    }
    let unattended = PassphraseSource::parse_all(keys_config.custodian_passphrases.as_deref())?;
    let sqlite = SqliteStore::open(&database, SqliteOptions::default())
        .with_context(|| format!("the database {} cannot be opened", database.display()))?;
    let sqlite = Arc::new(sqlite);
    let store: Arc<dyn Store> = sqlite.clone();
    let wrapping: BTreeSet<u32> = store.data_keys().await?.iter().map(|row| row.kek_version).collect();
    let source = KeySource::open(folder, keys_config, stored(&wrapping))?;
    let clock = Arc::new(FolderClock::open(folder)?);
    Ok(Looked { store, sqlite, source, clock, heads: HeadFile::of(folder), wrapping, unattended })
}

fn stored(wrapping: &BTreeSet<u32>) -> StoredDataKeys {
    if wrapping.is_empty() { StoredDataKeys::NoneYet } else { StoredDataKeys::Present }
}

impl Looked {
    /// The keys that wait for custodians and are needed: the newest, and those that data keys are wrapped under.
    ///
    /// # Errors
    /// When the key folder cannot be read.
    pub fn awaited(&self) -> anyhow::Result<Vec<LockedKek>> {
        let Some(files) = self.source.files() else { return Ok(Vec::new()) };
        let newest = files.newest_file()?;
        let needed = |locked: &LockedKek| locked.version == newest || self.wrapping.contains(&locked.version);
        Ok(files.locked()?.into_iter().filter(needed).collect())
    }

    /// Whether a data key was wrapped under an older version than this when the store was opened: a rotation was
    /// cut off.
    pub fn has_data_keys_below(&self, version: u32) -> bool {
        self.wrapping.iter().any(|wrapping| *wrapping < version)
    }

    /// Has the custodians come in this process: those of `sources`, of the configuration, and at the terminal.
    ///
    /// # Errors
    /// When one is wrong or missing.
    pub fn unlock_here(&self, sources: &[PassphraseSource]) -> anyhow::Result<()> {
        let Some(files) = self.source.files() else { return Ok(()) };
        let sources = [sources, self.unattended.as_slice()].concat();
        passphrases::unlock_here(files, &sources, || self.awaited())
    }

    /// Has the custodians of the configuration come, and nobody else; tells `came` each one's name.
    ///
    /// # Errors
    /// When one is wrong or unreadable.
    pub fn unlock_unattended(&self, came: impl FnMut(&str)) -> anyhow::Result<()> {
        let Some(files) = self.source.files() else { return Ok(()) };
        passphrases::come_from(files, &self.unattended, &|| self.awaited(), came)
    }

    /// Opens the vault. The needed keys have to be open. Nothing that belongs into the audit log can be done before
    /// [`Opened::begin_audit`].
    ///
    /// # Errors
    /// When a key is missing, locked, or not the right one.
    pub async fn open(self) -> anyhow::Result<Opened> {
        let Looked { store, sqlite, source, clock, heads, wrapping, unattended: _ } = self;
        let keys: Arc<dyn DataKeys> = sqlite.clone();
        let stored = stored(&wrapping);
        let provider = source.provider(stored)?;
        let vault = Arc::new(Vault::open(provider, keys).await?);
        Ok(Opened { store, sqlite, vault, source, clock, heads, stored })
    }

    /// The same for a command, whose doings are noted in the audit log in the name of the system's user.
    ///
    /// # Errors
    /// As [`Looked::open`].
    pub async fn open_noting(self) -> anyhow::Result<Opened> {
        let opened = self.open().await?;
        opened.begin_audit(who::person()).await?;
        Ok(opened)
    }

    /// The key-encryption keys, for an operator's work on them.
    ///
    /// # Errors
    /// As [`open`].
    pub fn custody(&self) -> anyhow::Result<Box<dyn KekCustody>> {
        self.source.provider(stored(&self.wrapping))
    }

    /// Closes the store.
    pub async fn close(self) {
        drop(self.store);
        self.sqlite.close().await;
    }
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
            let made = match self.source.newest_split()? {
                None => "at the first start".to_owned(),
                Some(KekSplit { quorum, custodians }) => {
                    format!("before the first start, any {quorum} of {} open it", custodians.join(", "))
                }
            };
            self.note(who, AuditAction::KekMade, &made).await?;
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
    pub fn custody(&self) -> anyhow::Result<Box<dyn KekCustody>> {
        // The vault is open, so the keys are there and none has to be made.
        self.source.provider(StoredDataKeys::Present)
    }
}

/// Closes what [`open`] opened.
pub async fn close(opened: Opened) {
    let Opened { store, sqlite, vault, source: _, clock, heads, stored: _ } = opened;
    if let Err(error) = heads.add(&*store, clock.now()).await {
        // What was done is done; the next process adds the head.
        tracing::warn!(%error, "the head of the audit log could not be kept");
    }
    drop((store, vault));
    sqlite.close().await;
}
