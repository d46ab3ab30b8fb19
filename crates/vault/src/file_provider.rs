//! Key-encryption keys in files.

use crate::aead;
use crate::data_key::DataKeyBytes;
use crate::error::{KeyFileFault, VaultError};
use crate::kek_file;
use crate::port::{DataKeys, PortError};
use crate::provider::{KeyProvider, WrappedKey};
use aws_lc_rs::aead::LessSafeKey;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
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
/// A wrapped key is a format byte, a nonce (12), the ciphertext (32) and a tag (16): AES-256-GCM bound to
/// the version and the context.
pub struct FileKeyProvider {
    keys: BTreeMap<u32, LessSafeKey>,
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
        let versions = kek_file::versions(folder)?;
        if versions.is_empty() {
            return Err(VaultError::KeyFolderEmpty { folder: folder.to_owned() });
        }
        let mut keys = BTreeMap::new();
        for version in versions {
            let key: Zeroizing<Vec<u8>> = kek_file::read(folder, version)?;
            keys.insert(version, aead::prepare(&key)?);
        }
        Ok(FileKeyProvider { keys })
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

    /// The versions it holds, ascending.
    pub fn versions(&self) -> impl Iterator<Item = u32> + '_ {
        self.keys.keys().copied()
    }
}

impl KeyProvider for FileKeyProvider {
    fn name(&self) -> &'static str {
        NAME
    }

    fn wrap(&self, plain: &DataKeyBytes, context: &[u8]) -> Result<WrappedKey, VaultError> {
        let missing = VaultError::KekMissing { provider: NAME, version: FIRST_VERSION };
        let (version, kek) = self.keys.last_key_value().ok_or(missing)?;
        let bytes = aead::seal(kek, &bound(*version, context), &[FORMAT], plain.reveal())?;
        Ok(WrappedKey { kek_version: *version, bytes })
    }

    fn unwrap(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<DataKeyBytes, VaultError> {
        let version = wrapped.kek_version;
        let kek = self.keys.get(&version).ok_or(VaultError::KekMissing { provider: NAME, version })?;
        let fault = VaultError::Unwrap { provider: NAME, version };
        let Some((&FORMAT, sealed)) = wrapped.bytes.split_first() else {
            return Err(fault);
        };
        let plain = aead::open(kek, &bound(version, context), sealed).ok();
        plain.and_then(|plain| DataKeyBytes::copied_from(&plain)).ok_or(fault)
    }
}

impl fmt::Debug for FileKeyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKeyProvider").field("versions", &self.keys.keys()).finish_non_exhaustive()
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
