//! Receiving the rows of a batch: in whole, or nothing of it stays.

use super::{has_service, refuse};
use crate::directory::Account;
use crate::gateway::{Gateway, Refused};
use std::time::Instant;
use tollgate_core::answer::{Answer, BatchFacts};
use tollgate_core::batch::{BatchCall, BatchEvent, BatchFault, BatchId, UPLOADED};
use tollgate_core::code::{message, refused};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_store::{BatchBegun, BatchChange, NewBatch, NewBatchRow, StoreError};

/// How many rows one commit takes: payments wait for it.
const ROWS_PER_COMMIT_MAX: usize = 256;
/// How many bytes of cells one commit takes, about.
const BYTES_PER_COMMIT_MAX: usize = 64 * 1024;
/// How often a new number is tried when one is taken.
const NUMBER_TRIES_MAX: usize = 8;
/// How many rows of a batch that is thrown away go with one commit.
pub(super) const ROWS_DISCARDED_PER_COMMIT: usize = 512;

/// What an upload says of its file.
#[derive(Clone, Debug)]
pub struct BatchUpload {
    /// `batch_reference`.
    pub reference: String,
    /// The access code.
    pub access_code: String,
    /// `en` or `ar`.
    pub language: String,
    /// The name of the file.
    pub file_name: String,
    /// Its columns.
    pub columns: Vec<String>,
}

/// A batch whose rows are being written. It is there once [`ReceivingBatch::finish`] has answered; whoever stops before
/// calls [`ReceivingBatch::discard`], and what a dead process left is thrown away by the job.
pub struct ReceivingBatch {
    gateway: Gateway,
    id: BatchId,
    waiting: Vec<NewBatchRow>,
    waiting_bytes: usize,
}

impl Gateway {
    /// Claims the reference of a batch whose rows will follow.
    ///
    /// # Errors
    /// 00093 when the account has no batches, 51146 when the reference is used up.
    pub async fn receive_batch(&self, account: &Account, upload: BatchUpload) -> Result<ReceivingBatch, Refused> {
        has_service(account)?;
        for _ in 0..NUMBER_TRIES_MAX {
            let owner = self.inner.living().await?;
            let now = self.now();
            let id = BatchId(self.inner.next_number(now).0);
            let new = NewBatch {
                id,
                merchant: account.merchant.id,
                reference: upload.reference.clone(),
                access_code: upload.access_code.clone(),
                language: upload.language.clone(),
                file_name: upload.file_name.clone(),
                columns: upload.columns.clone(),
                owner,
                at: now,
            };
            match self.inner.store.begin_batch(new).await? {
                BatchBegun::Begun => {
                    return Ok(ReceivingBatch { gateway: self.clone(), id, waiting: Vec::new(), waiting_bytes: 0 });
                }
                BatchBegun::NumberTaken => {}
                BatchBegun::ReferenceTaken => {
                    let detail = "batch_reference is that of another batch of the merchant's: each upload has its own";
                    return Err(refuse(BatchCall::Upload, message::BATCH_REFERENCE_EXISTS, detail));
                }
            }
        }
        let detail = "no free batch number was found: check the clock and the node numbers";
        Err(Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, detail).into())
    }
}

impl ReceivingBatch {
    /// Its number.
    #[must_use]
    pub const fn id(&self) -> BatchId {
        self.id
    }

    /// Takes a row; now and then it writes what waits.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn add(&mut self, row: NewBatchRow) -> Result<(), StoreError> {
        self.waiting_bytes += row.cells.iter().map(|cell| cell.len() + 3).sum::<usize>();
        self.waiting.push(row);
        if self.waiting.len() >= ROWS_PER_COMMIT_MAX || self.waiting_bytes >= BYTES_PER_COMMIT_MAX {
            self.write().await?;
        }
        Ok(())
    }

    /// Writes the rest, and makes the batch one that is there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish(&mut self, fault: Option<BatchFault>) -> Result<Answer, StoreError> {
        self.write().await?;
        let inner = &self.gateway.inner;
        let event = BatchEvent::Received;
        let change = BatchChange { batch: self.id, event, life: None, fault, execute_at: None, at: self.gateway.now() };
        if !inner.store.change_batch(change).await? {
            return Err(StoreError::Unavailable("the batch was thrown away while it was received".to_owned()));
        }
        inner.batches_wanted.notify_one();
        let facts = BatchFacts { id: self.id, rows: None, execute_at: None };
        Ok(Answer { batch: Some(facts), ..Answer::bare(UPLOADED) })
    }

    /// Throws away what was written.
    pub async fn discard(self) {
        if let Err(error) = discard(&self.gateway, self.id).await {
            tracing::error!(batch = %self.id, %error, "a batch that broke off could not be thrown away; the next start does it");
        }
    }

    async fn write(&mut self) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let rows = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        self.gateway.inner.store.add_batch_rows(self.id, rows).await?;
        rest_after(begun).await;
        Ok(())
    }
}

/// Throws a batch that is being received away, piece by piece.
pub(super) async fn discard(gateway: &Gateway, batch: BatchId) -> Result<(), StoreError> {
    loop {
        let begun = Instant::now();
        if gateway.inner.store.discard_batch(batch, ROWS_DISCARDED_PER_COMMIT).await? {
            return Ok(());
        }
        rest_after(begun).await;
    }
}

/// The longest rest, in milliseconds.
const REST_MS_MAX: u128 = 50;

/// Leaves the store to payments for as long as the piece of work since `begun` took.
pub(super) async fn rest_after(begun: Instant) {
    let rest_ms = begun.elapsed().as_millis().clamp(1, REST_MS_MAX);
    tokio::time::sleep(std::time::Duration::from_millis(u64::try_from(rest_ms).unwrap_or(1))).await;
}
