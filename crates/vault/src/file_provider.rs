//! Key-encryption keys in files.

use crate::aead;
use crate::data_key::DataKeyBytes;
use crate::error::{KeyFileFault, VaultError};
use crate::kek_file;
use crate::port::{DataKeys, PortError};
use crate::provider::{KekCustody, KekFacts, KekState, KeyProvider, WrappedKey};
use aws_lc_rs::aead::LessSafeKey;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use zeroize::Zeroizing;

/// The most key files that a key folder may hold.
pub const KEK_FILES_MAX: usize = 256;

const NAME: &str = "file";
/// The version of the first key.
const FIRST_VERSION: u32 = 1;
/// The first byte of a wrapped key.
const FORMAT: u8 = 1;

/// Holds key-encryption keys that lie in a folder, one file `kek-VERSION.key` each; the highest version
/// wraps, all of them unwrap.
///
/// A version that appears in the folder later is read when it is first needed, so that a rotation reaches
/// a running gateway. Nothing is wrapped under a key whose file is not there any more.
///
/// A wrapped key is a format byte, a nonce (12), the ciphertext (32) and a tag (16): AES-256-GCM bound to
/// the version and the context.
pub struct FileKeyProvider {
    folder: PathBuf,
    keys: RwLock<BTreeMap<u32, Arc<LessSafeKey>>>,
}

/// Whether the store holds data keys already, which decides what an empty key folder means: a first
/// start, or a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredDataKeys {
    /// It holds none: a key may be made.
    NoneYet,
    /// It holds some: a missing key has to be restored from backup.
    Present,
}

impl StoredDataKeys {
    /// Looks into the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn look(keys: &dyn DataKeys) -> Result<StoredDataKeys, PortError> {
        let rows = keys.data_keys().await?;
        Ok(if rows.is_empty() { StoredDataKeys::NoneYet } else { StoredDataKeys::Present })
    }
}

impl FileKeyProvider {
    /// Reads the keys in `folder` and changes nothing.
    ///
    /// # Errors
    /// When the folder or a key file is missing, open to others than its owner, a symbolic link, of
    /// another form, or a sample key.
    pub fn open(folder: &Path) -> Result<FileKeyProvider, VaultError> {
        check_folder(folder)?;
        let provider = FileKeyProvider { folder: folder.to_owned(), keys: RwLock::default() };
        provider.newest_version()?;
        Ok(provider)
    }

    /// Reads the keys in `folder`; makes the folder (its parent must exist) and the first key when
    /// there is none and the store has no data key that would need a lost one. Processes that start at
    /// once agree on one key. On return the key is durable: it survives a loss of power.
    ///
    /// # Errors
    /// [`VaultError::KeyFolderLost`] when there is no key but the store has data keys; others as
    /// [`FileKeyProvider::open`], and when the key cannot be written.
    pub fn create_or_open(folder: &Path, stored: StoredDataKeys) -> Result<FileKeyProvider, VaultError> {
        let lost = || VaultError::KeyFolderLost { folder: folder.to_owned() };
        if !exists(folder)? {
            if stored == StoredDataKeys::Present {
                return Err(lost());
            }
            create_folder(folder)?;
        }
        check_folder(folder)?;
        if kek_file::versions(folder)?.is_empty() {
            if stored == StoredDataKeys::Present {
                return Err(lost());
            }
            kek_file::create(folder, FIRST_VERSION)?;
        }
        // Also when another process made the key: it may not have come to this point yet.
        kek_file::sync_folder(folder)?;
        FileKeyProvider::open(folder)
    }

    /// The versions it has read, ascending.
    #[must_use]
    pub fn versions(&self) -> Vec<u32> {
        self.read().keys().copied().collect()
    }

    fn kek(&self, version: u32) -> Option<Arc<LessSafeKey>> {
        self.read().get(&version).cloned()
    }

    // A panic elsewhere cannot leave the map half changed.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<u32, Arc<LessSafeKey>>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<u32, Arc<LessSafeKey>>> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyProvider for FileKeyProvider {
    fn name(&self) -> &'static str {
        NAME
    }

    fn wrap(&self, plain: &DataKeyBytes, context: &[u8]) -> Result<WrappedKey, VaultError> {
        let version = self.newest_version()?;
        let kek = self.kek(version).ok_or(VaultError::KekMissing { provider: NAME, version })?;
        let bytes = aead::seal(&kek, &bound(version, context), &[FORMAT], plain.reveal())?;
        Ok(WrappedKey { kek_version: version, bytes })
    }

    fn unwrap(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<DataKeyBytes, VaultError> {
        let version = wrapped.kek_version;
        let mut kek = self.kek(version);
        if kek.is_none() {
            // It may have been made since the last look.
            self.newest_version()?;
            kek = self.kek(version);
        }
        let kek = kek.ok_or(VaultError::KekMissing { provider: NAME, version })?;
        let fault = VaultError::Unwrap { provider: NAME, version };
        let Some((&FORMAT, sealed)) = wrapped.bytes.split_first() else {
            return Err(fault);
        };
        let plain = aead::open(&kek, &bound(version, context), sealed).ok();
        plain.and_then(|plain| DataKeyBytes::copied_from(&plain)).ok_or(fault)
    }

    fn newest_version(&self) -> Result<u32, VaultError> {
        let versions = kek_file::versions(&self.folder)?;
        let newest = versions.last().copied();
        let newest = newest.ok_or_else(|| VaultError::KeyFolderEmpty { folder: self.folder.clone() })?;
        let unread: Vec<u32> = versions.into_iter().filter(|version| self.kek(*version).is_none()).collect();
        if !unread.is_empty() {
            // Whoever made them may not have come to this point: nothing may be wrapped under a key whose
            // name a loss of power could take away.
            kek_file::sync_folder(&self.folder)?;
        }
        for version in unread {
            let key: Zeroizing<Vec<u8>> = kek_file::read(&self.folder, version)?;
            let kek = Arc::new(aead::prepare(&key)?);
            self.write().insert(version, kek);
        }
        Ok(newest)
    }
}

impl KekCustody for FileKeyProvider {
    fn add_version(&self, version_above: u32) -> Result<u32, VaultError> {
        let newest = self.newest_version()?;
        let retired = kek_file::retired_versions(&self.folder)?.last().copied().unwrap_or(0);
        let folder = || self.folder.clone();
        let version = newest.max(retired).max(version_above).checked_add(1);
        let version = version.ok_or_else(|| VaultError::TooManyKeyFiles { folder: folder() })?;
        if kek_file::versions(&self.folder)?.len() >= KEK_FILES_MAX {
            return Err(VaultError::TooManyKeyFiles { folder: folder() });
        }
        kek_file::create(&self.folder, version)?;
        kek_file::sync_folder(&self.folder)?;
        self.newest_version()
    }

    fn retire_version(&self, version: u32) -> Result<(), VaultError> {
        if self.newest_version()? == version {
            return Err(VaultError::KekInUse { version });
        }
        kek_file::retire(&self.folder, version)?;
        self.write().remove(&version);
        Ok(())
    }

    fn revive_version(&self, version: u32) -> Result<(), VaultError> {
        kek_file::revive(&self.folder, version)
    }

    fn keks(&self) -> Result<Vec<KekFacts>, VaultError> {
        let mut keks = Vec::new();
        for (versions, state) in [
            (kek_file::versions(&self.folder)?, KekState::Live),
            (kek_file::retired_versions(&self.folder)?, KekState::Retired),
        ] {
            for version in versions {
                let made_at = Some(kek_file::written_at(&self.folder, version, state)?);
                keks.push(KekFacts { version, state, made_at });
            }
        }
        keks.sort_by_key(|kek| kek.version);
        Ok(keks)
    }
}

impl fmt::Debug for FileKeyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKeyProvider").field("versions", &self.versions()).finish_non_exhaustive()
    }
}

/// The associated data of a wrapped key.
fn bound(version: u32, context: &[u8]) -> Vec<u8> {
    let mut bytes = vec![FORMAT, b'K'];
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(context);
    bytes
}

fn exists(folder: &Path) -> Result<bool, VaultError> {
    match fs::symlink_metadata(folder) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(VaultError::Io { path: folder.to_owned(), doing: "look at it", source }),
    }
}

fn create_folder(folder: &Path) -> Result<(), VaultError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => {
            return Err(VaultError::Io { path: folder.to_owned(), doing: "make it (its parent must exist)", source });
        }
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    kek_file::sync_folder(parent.unwrap_or(Path::new(".")))
}

fn check_folder(folder: &Path) -> Result<(), VaultError> {
    let refused = |fault| VaultError::KeyFile { path: folder.to_owned(), fault };
    let facts = fs::symlink_metadata(folder).map_err(|source| VaultError::Io {
        path: folder.to_owned(),
        doing: "look at it",
        source,
    })?;
    if facts.is_symlink() {
        return Err(refused(KeyFileFault::SymbolicLink));
    }
    if !facts.is_dir() {
        return Err(refused(KeyFileFault::NotAFolder));
    }
    kek_file::check_mode(facts.mode()).map_err(refused)
}
