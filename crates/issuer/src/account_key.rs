//! Under which key an account lies in the data file: a keyed hash of the card number, never the number.

use crate::three_ds::AuthenticationValueKey;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;
use tollgate_core::card::{Pan, RevealPermit};
use zeroize::Zeroizing;

/// The length of the key in its file, in bytes.
const KEY_BYTES: usize = 32;

/// HMAC-SHA-256 of a card number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AccountKey([u8; 32]);

impl AccountKey {
    /// The bytes, as they lie in the data file.
    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key that these bytes are.
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> AccountKey {
        AccountKey(bytes)
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey(***)")
    }
}

/// Makes account keys.
#[derive(Clone)]
pub(crate) struct AccountKeys {
    key: hmac::Key,
}

impl fmt::Debug for AccountKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKeys(***)")
    }
}

/// Why the key of the accounts cannot be had. The guilty one is who keeps the files.
#[derive(Debug, Error)]
pub enum AccountKeyError {
    /// The file cannot be read or made.
    #[error("the account key {path:?}: {error}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file has another length.
    #[error(
        "the account key {path:?} is not {KEY_BYTES} bytes long: put the right one back, or remove the data file too"
    )]
    Length {
        /// Which file.
        path: PathBuf,
    },
    /// Others may read the file.
    #[error("the account key {path:?} can be read by others: set its permissions to 0600")]
    Permissions {
        /// Which file.
        path: PathBuf,
    },
    /// There is a ledger, and its key is gone.
    #[error(
        "the account key {path:?} is gone, and the ledger cannot be used without it: put it back, or remove the \
             data file too"
    )]
    Gone {
        /// Which file.
        path: PathBuf,
    },
    /// No random bytes.
    #[error("the system gives no random bytes for the account key")]
    Random,
}

impl AccountKeys {
    /// Reads the key beside a data file, or makes it when neither exists yet.
    pub(crate) fn beside(data_path: &Path) -> Result<AccountKeys, AccountKeyError> {
        let path = key_path(data_path);
        let file_error = |error| AccountKeyError::File { path: path.clone(), error };
        match File::open(&path) {
            Ok(mut file) => {
                private(&file, &path)?;
                let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_BYTES + 1));
                Read::by_ref(&mut file).take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(file_error)?;
                if bytes.len() != KEY_BYTES {
                    return Err(AccountKeyError::Length { path });
                }
                Ok(AccountKeys::new(&bytes))
            }
            Err(error) if error.kind() == ErrorKind::NotFound && data_path.exists() => {
                Err(AccountKeyError::Gone { path })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => make(&path),
            Err(error) => Err(AccountKeyError::File { path, error }),
        }
    }

    pub(crate) fn new(key: &[u8]) -> AccountKeys {
        AccountKeys { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// The key of the authentication values of this network, which lasts as long as its accounts.
    pub(crate) fn authentication_value_key(&self) -> AuthenticationValueKey {
        AuthenticationValueKey::new(hmac::sign(&self.key, b"authentication values of 3-D Secure").as_ref())
    }

    /// The key of a card's account.
    pub(crate) fn of(&self, pan: &Pan) -> AccountKey {
        let digits = pan.reveal(&RevealPermit::granted("to find the account of a card at the network"));
        let tag = hmac::sign(&self.key, digits.as_bytes());
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        AccountKey(bytes)
    }
}

fn key_path(data_path: &Path) -> PathBuf {
    let mut name = data_path.as_os_str().to_owned();
    name.push(".key");
    PathBuf::from(name)
}

/// Makes the key under another name first, so that a crash leaves no half of one.
fn make(path: &Path) -> Result<AccountKeys, AccountKeyError> {
    let file_error = |error| AccountKeyError::File { path: path.to_owned(), error };
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| AccountKeyError::Random)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft).map_err(file_error)?;
    private(&file, &draft)?;
    file.write_all(bytes.as_slice()).map_err(file_error)?;
    file.sync_all().map_err(file_error)?;
    std::fs::rename(&draft, path).map_err(file_error)?;
    Ok(AccountKeys::new(bytes.as_slice()))
}

#[cfg(unix)]
fn private(file: &File, path: &Path) -> Result<(), AccountKeyError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().map_err(|error| AccountKeyError::File { path: path.to_owned(), error })?;
    if metadata.permissions().mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(AccountKeyError::Permissions { path: path.to_owned() })
    }
}

#[cfg(not(unix))]
fn private(_file: &File, _path: &Path) -> Result<(), AccountKeyError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn the_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("issuer.db");
        let pan = Pan::parse("4005550000000001").unwrap();
        let first = AccountKeys::beside(&data).unwrap().of(&pan);
        let again = AccountKeys::beside(&data).unwrap().of(&pan);
        assert!(first == again);
        let other = AccountKeys::beside(&folder.path().join("other.db")).unwrap().of(&pan);
        assert!(first != other, "each data file has a key of its own");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(key_path(&data)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            std::fs::set_permissions(key_path(&data), std::fs::Permissions::from_mode(0o644)).unwrap();
            assert!(matches!(AccountKeys::beside(&data), Err(AccountKeyError::Permissions { .. })));
        }
    }

    #[test]
    fn a_ledger_without_its_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("issuer.db");
        std::fs::write(&data, b"").unwrap();
        assert!(matches!(AccountKeys::beside(&data), Err(AccountKeyError::Gone { .. })));
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("issuer.db");
        AccountKeys::beside(&data).unwrap();
        let mut file = OpenOptions::new().append(true).open(key_path(&data)).unwrap();
        file.write_all(b"x").unwrap();
        assert!(matches!(AccountKeys::beside(&data), Err(AccountKeyError::Length { .. })));
    }
}
