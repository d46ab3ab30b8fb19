//! The note of where a gateway listens, so that the other commands find it.

use crate::data_folder::DataFolder;
use anyhow::Context;
use std::io::ErrorKind;
use std::net::SocketAddr;

/// Where a running gateway listens.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// `http://…` or `https://…` of the FORT endpoints.
    pub url: String,
    /// Health and metrics.
    pub admin: Option<SocketAddr>,
    /// The sandbox card network's ISO 8583 port, when it runs beside the gateway.
    pub issuer: Option<SocketAddr>,
    /// The sandbox card network's admin port.
    pub issuer_admin: Option<SocketAddr>,
    /// The 3-D Secure directory server of the sandbox card network, which takes messages at `/ds`.
    #[serde(default)]
    pub issuer_ds: Option<SocketAddr>,
    /// The 3-D Secure ACS of the sandbox card network.
    #[serde(default)]
    pub issuer_acs: Option<SocketAddr>,
    /// Whether it waits for the custodians of its keys, and takes no payments yet: then `url` is where it will
    /// listen.
    #[serde(default)]
    pub waits_for_custodians: bool,
}

impl Running {
    /// Writes the note.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, folder: &DataFolder) -> anyhow::Result<()> {
        let path = folder.running();
        let next = path.with_extension("json.new");
        std::fs::write(&next, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("{} cannot be written", next.display()))?;
        std::fs::rename(&next, &path).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Reads the note.
    ///
    /// # Errors
    /// When there is none, which means that no gateway runs on this folder.
    pub fn read(folder: &DataFolder) -> anyhow::Result<Running> {
        let path = folder.running();
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                anyhow::bail!(
                    "no gateway runs on {}: start one with `tollgate serve --dev --data {0}`, or name its address with --url",
                    folder.path().display()
                )
            }
            other => other.with_context(|| format!("{} cannot be read", path.display()))?,
        };
        serde_json::from_slice(&bytes)
            .with_context(|| format!("{} cannot be read; delete it and start the gateway again", path.display()))
    }

    /// Removes the note, at the end of the run.
    pub fn remove(folder: &DataFolder) {
        if let Err(error) = std::fs::remove_file(folder.running()) {
            tracing::debug!(%error, "the note of where the gateway listened is gone already");
        }
    }
}
