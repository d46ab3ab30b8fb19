//! The simulator, built fast.

use anyhow::{Context, bail};
use std::path::Path;
use std::process::Command;

/// Builds the simulator with the profile of its own and runs it with `arguments`.
pub fn run(root: &Path, arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["run", "--quiet", "--locked", "--profile", "sim", "-p", "tollgate-sim", "--"])
        .args(arguments)
        .current_dir(root)
        .status()
        .context("cargo cannot be run")?;
    if !status.success() {
        bail!("the simulator found something, or could not run");
    }
    Ok(())
}
