//! The key provider that the configuration names.

use crate::config::{KeysConfig, KeysProvider};
use crate::data_folder::DataFolder;
use anyhow::{Context, bail};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tollgate_core::secret::Secret;
use tollgate_vault::{FileKeyProvider, KekCustody, Pkcs11KeyProvider, Pkcs11Settings, Pkcs11Token, StoredDataKeys};

/// What keys are labelled by when the configuration says nothing else.
const KEY_LABEL: &str = "tollgate-kek";

/// Opens the provider; makes the first key where the store has no data key that would need a lost one.
///
/// # Errors
/// When the configuration, the folder, the module or a key is not as it has to be.
pub fn open(folder: &DataFolder, keys: &KeysConfig, stored: StoredDataKeys) -> anyhow::Result<Box<dyn KekCustody>> {
    keys.check()?;
    match keys.provider {
        KeysProvider::File => Ok(Box::new(FileKeyProvider::create_or_open(&folder.keys(), stored)?)),
        KeysProvider::Pkcs11 => Ok(Box::new(Pkcs11KeyProvider::create_or_open(pkcs11(keys)?, stored)?)),
    }
}

fn pkcs11(keys: &KeysConfig) -> anyhow::Result<Pkcs11Settings> {
    let token = match (&keys.pkcs11_token_label, keys.pkcs11_slot) {
        (Some(label), _) => Pkcs11Token::Label(label.clone()),
        (None, Some(slot)) => Pkcs11Token::Slot(slot),
        (None, None) => bail!("keys.pkcs11_token_label is missing"),
    };
    let pin = match (&keys.pkcs11_pin_file, &keys.pkcs11_pin_env) {
        (Some(file), _) => pin_of_file(file)?,
        (None, Some(name)) => Secret::new(
            std::env::var(name).ok().with_context(|| format!("the environment variable {name} holds no PIN"))?,
        ),
        (None, None) => bail!("keys.pkcs11_pin_file is missing"),
    };
    Ok(Pkcs11Settings {
        module: keys.pkcs11_module.clone().context("keys.pkcs11_module is missing")?,
        token,
        pin,
        key_label: keys.pkcs11_key_label.clone().unwrap_or_else(|| KEY_LABEL.to_owned()),
    })
}

fn pin_of_file(file: &Path) -> anyhow::Result<Secret> {
    let facts = std::fs::metadata(file).with_context(|| format!("the PIN file {} cannot be read", file.display()))?;
    if facts.mode() & 0o077 != 0 {
        bail!("others may read the PIN file {}: chmod 600 it", file.display());
    }
    let text = zeroize::Zeroizing::new(
        std::fs::read_to_string(file).with_context(|| format!("the PIN file {} cannot be read", file.display()))?,
    );
    Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}
