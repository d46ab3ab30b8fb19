//! The clock of a data folder: the system's time, and by how much a sandbox has moved it.
//!
//! The offset is on the disk before it counts, and it only grows: a restart never brings an earlier time
//! back. Numbers, queues and attestations all rely on that.

use crate::data_folder::DataFolder;
use anyhow::{Context, bail};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tollgate_core::time::{Clock, Timestamp};

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The latest moment that a clock may be moved to: numbers hold 16 digits of microseconds, which end in
/// 2286, and a card's year has two digits.
const LATEST: &str = "2099-12-31T23:59:59Z";

/// The clock of one data folder. In a folder that no sandbox moved it is the system's.
#[derive(Debug)]
pub struct FolderClock {
    path: PathBuf,
    offset_us: AtomicI64,
    moving: Mutex<()>,
}

/// What lies in the folder.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// How far the clock goes before the system's, in microseconds.
    offset_us: i64,
}

impl FolderClock {
    /// The clock of `folder`, as far as it was moved before.
    ///
    /// # Errors
    /// When the note of it is there and cannot be read: time would run backwards.
    pub fn open(folder: &DataFolder) -> anyhow::Result<FolderClock> {
        let path = folder.clock();
        let offset_us = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
            Ok(bytes) => {
                let kept: Kept = serde_json::from_slice(&bytes)
                    .with_context(|| format!("{} cannot be read: the clock would run backwards", path.display()))?;
                kept.offset_us
            }
        };
        if offset_us < 0 {
            bail!("{} says that the clock was set back, which cannot be", path.display());
        }
        Ok(FolderClock { path, offset_us: AtomicI64::new(offset_us), moving: Mutex::new(()) })
    }

    /// How far it goes before the system's clock, in microseconds.
    pub fn offset_us(&self) -> i64 {
        self.offset_us.load(Ordering::Acquire)
    }

    /// The offset with which it would be `to` now.
    ///
    /// # Errors
    /// When that is in its past, or later than it can tell.
    pub fn offset_for(&self, to: Timestamp) -> anyhow::Result<i64> {
        let now = self.now();
        if to < now {
            bail!(
                "the clock is at {now} and cannot be set back to {to}: payments are numbered by it and queues wait for \
                 it. A fresh data folder begins at the system's time"
            );
        }
        if Timestamp::parse_utc(LATEST).is_some_and(|latest| to > latest) {
            bail!("the clock cannot be set later than {LATEST}");
        }
        Ok(to.0.saturating_sub(SystemClock.now().0))
    }

    /// The offset with which it would be this much further on.
    ///
    /// # Errors
    /// When that is later than it can tell.
    pub fn offset_after(&self, ms: u64) -> anyhow::Result<i64> {
        self.offset_for(self.now().plus_ms(ms))?;
        let by_us = i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1000);
        Ok(self.offset_us().saturating_add(by_us))
    }

    /// Moves it: durable first, then it counts. An offset that is not larger than the present one
    /// changes nothing.
    ///
    /// # Errors
    /// When the note of it cannot be written; then it was not moved.
    pub fn move_to_offset(&self, offset_us: i64) -> anyhow::Result<()> {
        let _alone = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        if offset_us <= self.offset_us() {
            return Ok(());
        }
        let next = self.path.with_extension("json.new");
        let mut file = std::fs::File::create(&next).with_context(|| format!("{} cannot be made", next.display()))?;
        file.write_all(&serde_json::to_vec(&Kept { offset_us })?)
            .and_then(|()| file.sync_all())
            .with_context(|| format!("{} cannot be written", next.display()))?;
        std::fs::rename(&next, &self.path).with_context(|| format!("{} cannot be written", self.path.display()))?;
        if let Some(folder) = self.path.parent() {
            std::fs::File::open(folder).and_then(|folder| folder.sync_all())?;
        }
        self.offset_us.store(offset_us, Ordering::Release);
        Ok(())
    }
}

impl Clock for FolderClock {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0.saturating_add(self.offset_us()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn folder() -> (tempfile::TempDir, DataFolder) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        (folder, data)
    }

    #[test]
    fn a_moved_clock_is_where_it_was_after_a_restart() {
        let (_keep, data) = folder();
        let clock = FolderClock::open(&data).unwrap();
        assert_eq!(clock.offset_us(), 0);
        let to = clock.now().plus_ms(3 * 86_400_000);
        clock.move_to_offset(clock.offset_for(to).unwrap()).unwrap();
        assert!(clock.now() >= to);
        let again = FolderClock::open(&data).unwrap();
        assert_eq!(again.offset_us(), clock.offset_us());
        assert!(again.now() >= to);
    }

    #[test]
    fn it_is_never_set_back_and_never_beyond_what_it_can_tell() {
        let (_keep, data) = folder();
        let clock = FolderClock::open(&data).unwrap();
        let past = Timestamp(clock.now().0 - 1_000_000);
        assert!(clock.offset_for(past).unwrap_err().to_string().contains("cannot be set back"));
        assert!(clock.offset_for(Timestamp::parse_utc("2100-01-01T00:00:00Z").unwrap()).is_err());
        clock.move_to_offset(5_000_000).unwrap();
        clock.move_to_offset(1_000_000).unwrap();
        assert_eq!(clock.offset_us(), 5_000_000);
    }

    #[test]
    fn a_note_that_cannot_be_read_is_an_error_and_no_earlier_time() {
        let (_keep, data) = folder();
        for note in ["{", "{\"offset_us\": -1}", "{\"offset\": 1}"] {
            std::fs::write(data.clock(), note).unwrap();
            assert!(FolderClock::open(&data).is_err(), "{note}");
        }
    }
}
