//! The key provider that the configuration names.

use crate::config::{KeysConfig, KeysProvider};
use crate::data_folder::DataFolder;
use crate::passphrases::secret_of_file;
use anyhow::{Context, bail};
use tollgate_core::secret::Secret;
use tollgate_vault::{
    FileKeyProvider, KekCustody, KekSplit, KekState, PKCS11_CALL_MS_MAX, Pkcs11KeyProvider, Pkcs11Settings,
    Pkcs11Token, StoredDataKeys,
};

/// What keys are labelled by when the configuration says nothing else.
const KEY_LABEL: &str = "tollgate-kek";

/// Where the keys of a data folder are.
pub enum KeySource {
    /// In a folder. The provider is shared by all who ask, with what custodians have opened.
    File(FileKeyProvider),
    /// In a token, which each who asks logs in to.
    Pkcs11(KeysConfig),
}

impl KeySource {
    /// Finds them; makes the first key of a folder where the store has no data key that would need a lost one.
    ///
    /// # Errors
    /// When the configuration, the folder or a key is not as it has to be.
    pub fn open(folder: &DataFolder, keys: &KeysConfig, stored: StoredDataKeys) -> anyhow::Result<KeySource> {
        keys.check()?;
        match keys.provider {
            KeysProvider::File => Ok(KeySource::File(FileKeyProvider::create_or_open(&folder.keys(), stored)?)),
            KeysProvider::Pkcs11 => Ok(KeySource::Pkcs11(keys.clone())),
        }
    }

    /// The provider; makes the first key of a token as [`KeySource::open`] does that of a folder.
    ///
    /// # Errors
    /// When the module, the token or a key is not as it has to be.
    pub fn provider(&self, stored: StoredDataKeys) -> anyhow::Result<Box<dyn KekCustody>> {
        match self {
            KeySource::File(provider) => Ok(Box::new(provider.clone())),
            KeySource::Pkcs11(keys) => Ok(Box::new(Pkcs11KeyProvider::create_or_open(pkcs11(keys)?, stored)?)),
        }
    }

    /// Who opens the newest key together; `None` where it is not split.
    ///
    /// # Errors
    /// When the key folder cannot be read.
    pub fn newest_split(&self) -> anyhow::Result<Option<KekSplit>> {
        let Some(files) = self.files() else { return Ok(None) };
        let newest = files.keks()?.into_iter().rfind(|kek| kek.state == KekState::Live);
        Ok(newest.and_then(|kek| kek.split))
    }

    /// The key folder, where the keys are in one.
    pub fn files(&self) -> Option<&FileKeyProvider> {
        match self {
            KeySource::File(provider) => Some(provider),
            KeySource::Pkcs11(_) => None,
        }
    }
}

fn pkcs11(keys: &KeysConfig) -> anyhow::Result<Pkcs11Settings> {
    let token = match (&keys.pkcs11_token_label, keys.pkcs11_slot) {
        (Some(label), _) => Pkcs11Token::Label(label.clone()),
        (None, Some(slot)) => Pkcs11Token::Slot(slot),
        (None, None) => bail!("keys.pkcs11_token_label is missing"),
    };
    let pin = match (&keys.pkcs11_pin_file, &keys.pkcs11_pin_env) {
        (Some(file), _) => secret_of_file("PIN", file)?,
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
        call_ms_max: keys.pkcs11_call_ms_max.unwrap_or(PKCS11_CALL_MS_MAX),
    })
}
