//! Heads of the audit log beside the database: the file `audit.heads` in the data folder, to which lines are only
//! added, and the job of a running gateway that adds them.
//!
//! Rows that were cut off the log's end leave no gap. A line that names one of them shows it. Whoever may write to
//! the database may write to this file too, so a head belongs to another machine as well: the log has one now and
//! then, and `tollgate audit head` prints one.

use crate::data_folder::DataFolder;
use anyhow::{Context, bail};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tollgate_core::audit::{AuditAction, AuditEntry, AuditWho};
use tollgate_core::time::{Clock, Timestamp};
use tollgate_store::{AuditChain, AuditHead, AuditMac, Store};

/// How much of the file's end is read, in bytes: some 100,000 heads.
const FILE_BYTES_READ_MAX: u64 = 12 * 1024 * 1024;
/// How often a running gateway looks at what has to be noted, in milliseconds.
const LOOK_MS: u64 = 5_000;
/// How often it adds a head to the file, in milliseconds,
const FILE_MS: u64 = 5 * 60_000;
/// and tells one in the log.
const LOG_MS: u64 = 60 * 60_000;

/// The file with the heads of one folder.
#[derive(Clone, Debug)]
pub struct HeadFile {
    path: PathBuf,
}

impl HeadFile {
    /// The file of `folder`.
    pub fn of(folder: &DataFolder) -> HeadFile {
        HeadFile { path: folder.audit_heads() }
    }

    /// The heads in it, oldest first; of a very long file the last.
    ///
    /// # Errors
    /// When it cannot be read, or a line in it is no head.
    pub fn read(&self) -> anyhow::Result<Vec<AuditHead>> {
        let shown = self.path.display();
        let mut text = String::new();
        let from = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("{shown} cannot be read")),
            Ok(mut file) => {
                let from = file.metadata()?.len().saturating_sub(FILE_BYTES_READ_MAX);
                file.seek(SeekFrom::Start(from))?;
                file.take(FILE_BYTES_READ_MAX)
                    .read_to_string(&mut text)
                    .with_context(|| format!("{shown} cannot be read"))?;
                from
            }
        };
        // The end may be a line that a kill cut off, the beginning the rest of a line.
        let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
        let mut heads = Vec::new();
        for (place, line) in whole.lines().enumerate().skip(usize::from(from > 0)) {
            let Some(head) = parse_head(line.split_once(' ').map_or(line, |(head, _)| head)) else {
                bail!("line {} of {shown} is no head of the audit log: somebody has changed the file", place + 1);
            };
            heads.push(head);
        }
        Ok(heads)
    }

    /// Adds the head of `store` if it is another than the last one.
    ///
    /// # Errors
    /// When the store cannot be read or the file cannot be written.
    pub async fn add(&self, store: &dyn Store, now: Timestamp) -> anyhow::Result<Option<AuditHead>> {
        let Some(head) = store.audit_head(AuditChain::SOLE).await? else { return Ok(None) };
        if self.read()?.last() != Some(&head) {
            self.write(&head, now).with_context(|| format!("{} cannot be written", self.path.display()))?;
        }
        Ok(Some(head))
    }

    fn write(&self, head: &AuditHead, now: Timestamp) -> std::io::Result<()> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        // What a kill cut off stays a line of its own, which nobody can take for a head.
        let length = file.metadata()?.len();
        let mut last = [b'\n'];
        if length > 0 {
            file.seek(SeekFrom::Start(length - 1))?;
            file.read_exact(&mut last)?;
        }
        if last != [b'\n'] {
            file.set_len(length - cut_bytes(&self.path)?)?;
        }
        file.write_all(format!("{} {now}\n", show_head(head)).as_bytes())?;
        file.sync_data()
    }
}

/// How many bytes stand behind the last end of a line.
fn cut_bytes(path: &Path) -> std::io::Result<u64> {
    const LINE_BYTES_MAX: u64 = 256;
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(LINE_BYTES_MAX);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(LINE_BYTES_MAX).read_to_end(&mut end)?;
    Ok(end.iter().rev().take_while(|byte| **byte != b'\n').count() as u64)
}

/// `NUMBER:CODE`, the code in hex.
pub fn show_head(head: &AuditHead) -> String {
    format!("{}:{}", head.number, head.mac)
}

/// Reads what [`show_head`] shows.
pub fn parse_head(text: &str) -> Option<AuditHead> {
    let (number, mac) = text.split_once(':')?;
    let mac = hex::decode(mac).ok()?;
    Some(AuditHead { number: number.parse().ok()?, mac: AuditMac(mac.try_into().ok()?) })
}

/// The job of a running gateway: adds heads to the file, and notes failed operator logins, of which any number makes
/// one entry.
pub struct AuditKeeper {
    parts: Arc<Parts>,
    task: JoinHandle<()>,
}

struct Parts {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    file: HeadFile,
    logins_failed: Arc<AtomicU64>,
}

impl AuditKeeper {
    /// Looks whether the log still holds its last known head, and starts the job. `logins_failed` counts requests to
    /// the operator API without its token.
    pub async fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        file: HeadFile,
        logins_failed: Arc<AtomicU64>,
    ) -> AuditKeeper {
        let parts = Arc::new(Parts { store, clock, file, logins_failed });
        parts.look_back().await;
        parts.add_head(Telling::InTheLog).await;
        let body = Arc::clone(&parts);
        let task = tokio::spawn(async move { body.work().await });
        AuditKeeper { parts, task }
    }

    /// Ends the job, with what is left to be noted.
    pub async fn stop(self) {
        self.task.abort();
        self.parts.note_logins().await;
        self.parts.add_head(Telling::InTheLog).await;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Telling {
    InTheLog,
    InTheFileAlone,
}

impl Parts {
    async fn work(&self) {
        let (mut filed, mut told) = (Instant::now(), Instant::now());
        loop {
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
            self.note_logins().await;
            if told.elapsed() >= Duration::from_millis(LOG_MS) {
                (filed, told) = (Instant::now(), Instant::now());
                self.add_head(Telling::InTheLog).await;
            } else if filed.elapsed() >= Duration::from_millis(FILE_MS) {
                filed = Instant::now();
                self.add_head(Telling::InTheFileAlone).await;
            }
        }
    }

    async fn note_logins(&self) {
        let count = self.logins_failed.swap(0, Ordering::Relaxed);
        if count == 0 {
            return;
        }
        let who = AuditWho::Gateway("operator API".to_owned());
        let entry = AuditEntry::new(self.clock.now(), who, AuditAction::OperatorLoginsFailed).of(count);
        if let Err(error) = self.store.note_audit(vec![entry]).await {
            // Told with the next ones.
            self.logins_failed.fetch_add(count, Ordering::Relaxed);
            tracing::error!(%error, "failed operator logins could not be noted");
        }
    }

    async fn add_head(&self, telling: Telling) {
        match self.file.add(&*self.store, self.clock.now()).await {
            Ok(Some(head)) if telling == Telling::InTheLog => {
                tracing::info!(head = show_head(&head), "head of the audit log");
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the head of the audit log could not be kept"),
        }
    }

    /// Payments go on over a broken log, but nobody shall overlook it.
    async fn look_back(&self) {
        let holds = async {
            let Some(last) = self.file.read()?.last().copied() else { return anyhow::Ok(true) };
            let rows = self.store.audit_rows(AuditChain::SOLE, last.number.saturating_sub(1), 1).await?;
            Ok(rows.first().is_some_and(|row| row.head() == last))
        };
        match holds.await {
            Ok(true) => {}
            Ok(false) => {
                metrics::counter!("tollgate_audit_head_missing_total").increment(1);
                tracing::error!("the audit log does not hold its last known head: run `tollgate audit verify`");
            }
            Err(error) => tracing::error!(%error, "whether the audit log holds its last known head is not known"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn head(number: u64) -> AuditHead {
        AuditHead { number, mac: AuditMac([7; 32]) }
    }

    #[test]
    fn lines_that_a_kill_cut_off_give_way_and_others_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = HeadFile { path: folder.path().join("audit.heads") };
        assert_eq!(file.read().unwrap(), []);
        file.write(&head(3), Timestamp(0)).unwrap();
        file.write(&head(12), Timestamp(0)).unwrap();
        let whole = std::fs::read(&file.path).unwrap();
        std::fs::write(&file.path, &whole[..whole.len() - 9]).unwrap();
        assert_eq!(file.read().unwrap(), [head(3)]);
        file.write(&head(13), Timestamp(0)).unwrap();
        assert_eq!(file.read().unwrap(), [head(3), head(13)]);
        std::fs::write(&file.path, "3:zz 1970-01-01T00:00:00.000Z\n").unwrap();
        assert!(file.read().unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn a_head_reads_back_as_it_is_shown() {
        assert_eq!(parse_head(&show_head(&head(41))), Some(head(41)));
        for text in ["", "1", "1:", "1:07", "x:0707", ":"] {
            assert_eq!(parse_head(text), None, "{text}");
        }
    }
}
