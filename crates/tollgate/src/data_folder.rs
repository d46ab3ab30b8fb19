//! The data folder: where a gateway keeps its database, its keys and the note of where it listens.

use anyhow::{Context, bail};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file that marks a sandbox.
const SANDBOX_MARK: &str = "sandbox";

/// A data folder that exists, with mode 0700.
#[derive(Clone, Debug)]
pub struct DataFolder {
    path: PathBuf,
}

impl DataFolder {
    /// Makes the folder, or checks the one that is there.
    ///
    /// # Errors
    /// When it cannot be made, is no folder, or others may look into it.
    pub fn create_or_open(path: &Path) -> anyhow::Result<DataFolder> {
        if !path.exists() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(path).with_context(|| format!("the data folder {} cannot be made", path.display()))?;
        }
        DataFolder::open(path)
    }

    /// The folder that is there.
    ///
    /// # Errors
    /// When there is none, or others may look into it.
    pub fn open(path: &Path) -> anyhow::Result<DataFolder> {
        let about = fs::metadata(path).with_context(|| {
            format!(
                "there is no data folder {}: `tollgate serve --dev` makes one to try things out, `tollgate init` one for \
                 production; or name it with --data",
                path.display()
            )
        })?;
        if !about.is_dir() {
            bail!("{} is no folder; name another with --data", path.display());
        }
        if about.permissions().mode() & 0o077 != 0 {
            bail!("others may look into {}: it holds keys. Close it with: chmod 700 {0}", path.display());
        }
        Ok(DataFolder { path: path.to_owned() })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The gateway's database.
    pub fn database(&self) -> PathBuf {
        self.path.join("tollgate.db")
    }

    /// The folder of the key-encryption keys.
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// The sandbox card network's own folder.
    pub fn issuer(&self) -> PathBuf {
        self.path.join("issuer")
    }

    /// The note of where the running gateway listens.
    pub fn running(&self) -> PathBuf {
        self.path.join("running.json")
    }

    /// Whether `serve --dev` made or used this folder: it is a sandbox.
    pub fn is_sandbox(&self) -> bool {
        self.path.join(SANDBOX_MARK).exists()
    }

    /// Marks the folder as a sandbox.
    ///
    /// # Errors
    /// When the mark cannot be written.
    pub fn mark_as_sandbox(&self) -> anyhow::Result<()> {
        let path = self.path.join(SANDBOX_MARK);
        fs::write(&path, "`tollgate serve --dev` runs on this folder.\n")
            .with_context(|| format!("{} cannot be written", path.display()))
    }

    /// The token of the operator API, made anew at each start of the gateway.
    pub fn operator_token(&self) -> PathBuf {
        self.path.join("operator.token")
    }

    /// How far the sandbox clock was moved; there is none where it never was.
    pub fn clock(&self) -> PathBuf {
        self.path.join("clock.json")
    }

    /// Heads of the audit log, oldest first.
    pub fn audit_heads(&self) -> PathBuf {
        self.path.join("audit.heads")
    }

    /// The lock that a running gateway holds.
    pub fn lock(&self) -> PathBuf {
        self.path.join("serve.lock")
    }

    /// The configuration file that is read when none is named.
    pub fn config(&self) -> PathBuf {
        self.path.join("tollgate.toml")
    }
}
