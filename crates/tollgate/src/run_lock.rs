//! The lock on a data folder: one gateway, or one command that works on the store of a stopped one.

use crate::data_folder::DataFolder;
use anyhow::{Context, bail};
use std::fs::{File, OpenOptions, TryLockError};
use std::time::Duration;

/// How often the lock is tried before it counts as a gateway's,
const TRIES_MAX: u32 = 20;
/// and the pause between two tries, in milliseconds.
const TRY_PAUSE_MS: u64 = 10;

/// Only one gateway may run on a data folder. The lock is what proves to the store that every earlier life on it is
/// over, so that a start after a crash need not wait for a lease.
pub struct RunLock(#[allow(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl RunLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// When a gateway has it, or the file cannot be made.
    pub fn take(folder: &DataFolder) -> anyhow::Result<RunLock> {
        for _ in 0..TRIES_MAX {
            if let Some(lock) = try_take(folder)? {
                return Ok(lock);
            }
            // A command that asks whether a gateway runs holds the lock for a moment.
            std::thread::sleep(Duration::from_millis(TRY_PAUSE_MS));
        }
        bail!(
            "a gateway runs on {} already; stop it first, or name another folder with --data",
            folder.path().display()
        )
    }

    /// Whether a gateway has it right now.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub fn is_held(folder: &DataFolder) -> anyhow::Result<bool> {
        Ok(try_take(folder)?.is_none())
    }
}

fn try_take(folder: &DataFolder) -> anyhow::Result<Option<RunLock>> {
    let path = folder.lock();
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).open(&path);
    let file = file.with_context(|| format!("{} cannot be made", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(RunLock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{} cannot be locked", path.display())),
    }
}
